#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# A console and two ports of one guest, each with another end at the host: bytes
# both ways and at once, compared one by one; names, sizes, ports that are
# unplugged and plugged, clients that leave and come.
#
# CONSOLE_MIB=1024 VD_LIMIT=1500 sends so many MiB through a port, there and back.
roles=uml
layouts='packed split'

ports() { timeout "${VD_LIMIT:-150}" python3 "$TESTS/ports.py" "$@"; }
control() { "$VHOST_DEVICE" control "$W/ctl" "$@"; }

control_shows() { control show | grep -q "$1"; }

outside()
{
	local n bulk=30000000
	[ -z "${CONSOLE_MIB:-}" ] || bulk=$((CONSOLE_MIB << 20))
	daemon d console --control "$W/ctl" \
		--port "name=login,backend=uds,path=$W/login" \
		--port "name=org.test.data,console=off,backend=uds,path=$W/data" \
		--port "name=line,console=off,backend=pty,path=$W/line" \
		--port "name=late,console=off,backend=null,absent=on"
	guest g "console:$W/d.sock0"
	await g bulk
	tell g "$bulk"
	await g echo
	for n in 1 4096 100000 "$bulk"; do
		check "a port there and back, $n bytes" ports mirror "unix:$W/data" "$n" 7
	done
	await g line
	check 'by a pseudo-terminal' ports mirror "$W/line" 300000
	control resize login 132 43
	tell g resized
	await g print
	ports recv "unix:$W/login" 10000000 3 >"$W/print.log" 2>&1 &
	check 'a client of the console' within 10 control_shows 'login guest open client connected'
	tell g print
	check 'what the console prints' within 60 grep -q '^10000000 ' "$W/print.log"
	await g paste
	check 'what is pasted into the console' ports send "unix:$W/login" 10000000 5
	await g pasted
	await g unplug
	control unplug org.test.data
	tell g unplugged
	await g plug
	control plug 3
	control plug org.test.data
	tell g plugged
	await g again
	check 'a port that was plugged again' ports mirror "unix:$W/data" 1000000 9
	tell g finish
	wait_guest g
	note "$(control show)"
	stop_daemon d
	is 'what is left of its ports' "$(compgen -G "$W/login" "$W/data" "$W/line")" ''
}

inside_ports() { timeout 1500 python3 "$VD_TESTS/ports.py" "$@"; }
name_of() { cat "/sys/class/virtio-ports/$1/name" 2>/dev/null; }
named() { [ "$(name_of "$1")" = "$2" ]; }
size_of() { stty size </dev/hvc0; }
sized() { [ "$(size_of)" = "$1" ]; }
lacks() { [ ! -e "$1" ]; }

inside()
{
	local dev bulk

	dev=$(virtio_device virtio_console)
	check 'the driver is bound' test -n "$dev"
	check 'SIZE' feature "$dev" 0
	check 'MULTIPORT' feature "$dev" 1
	check 'port 0' within 5 named vport0p0 login
	check 'port 1' within 5 named vport0p1 org.test.data
	check 'port 2' within 5 named vport0p2 line
	check 'port 3 is not there' lacks /sys/class/virtio-ports/vport0p3
	check 'the console' within 5 test -e /dev/hvc0
	bulk=$(ask bulk)
	inside_ports echo /dev/vport0p1 $((104097 + bulk)) >/run/echo &
	within 5 grep -q ready /run/echo
	mark echo
	wait
	note "echo: $(tail -n 1 /run/echo)"
	inside_ports echo /dev/vport0p2 300000 >/run/line &
	within 10 grep -q ready /run/line
	ask line >/dev/null
	wait
	check 'the size of the window' within 5 sized '43 132'
	stty raw -echo </dev/hvc0
	ask print >/dev/null
	inside_ports send /dev/hvc0 10000000 3 >/run/print
	note "printed: $(tail -n 1 /run/print)"
	inside_ports recv /dev/hvc0 10000000 5 >/run/paste 2>&1 &
	within 5 grep -q ready /run/paste
	mark paste
	wait
	check 'what was pasted' grep -q '^10000000 ' /run/paste
	note "pasted: $(tail -n 1 /run/paste)"
	mark pasted
	ask unplug >/dev/null
	check 'the port is gone' within 5 lacks /sys/class/virtio-ports/vport0p1
	ask plug >/dev/null
	check 'a port that is new' within 5 named vport0p3 late
	check 'a port that is back' within 5 named vport0p1 org.test.data
	inside_ports echo /dev/vport0p1 1000000 >/run/echo2 &
	within 5 grep -q ready /run/echo2
	ask again >/dev/null
	check 'and of use' grep -q '^1000000 ' /run/echo2
	wait
}
