#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The generic front end of QEMU, and beside it QEMU's own virtio-serial with a
# socket: the same guest moves bytes through a port of each. The rates are
# notes; what is required is that all bytes come. CONSOLE_MIB=1024 VD_LIMIT=1500
# sends so many MiB through ours, there and back, and compares each byte.
roles=qemu
qemu=newest
limit=300

BYTES=67108864

ports() { timeout "${VD_LIMIT:-100}" python3 "$TESTS/ports.py" "$@"; }

outside()
{
	local n who
	daemon d console --port "name=login,backend=uds,path=$W/login" \
		--port "name=ours,console=off,backend=uds,path=$W/ours"
	QEMU_MORE="-device virtio-serial-pci,id=vs
		-chardev socket,id=own,path=$W/own,server=on,wait=off
		-device virtserialport,bus=vs.0,chardev=own,name=own" \
		guest g --with ,virtio-id=3,num_vqs=6,config_size=12 "console:$W/d.sock0"
	for who in ours own; do
		await g "echo $who"
		check "$who: there and back" ports mirror "unix:$W/$who" 3000000
		await g "print $who"
		ports drain "unix:$W/$who" $BYTES >"$W/$who.print" &
		within 20 grep -q ready "$W/$who.print"
		tell g go
		check "$who: printed" within 100 grep -q "^$BYTES " "$W/$who.print"
		await g "paste $who"
		ports feed "unix:$W/$who" $BYTES >"$W/$who.paste" &
		within 20 grep -q ready "$W/$who.paste"
		tell g go
		await g "pasted $who"
		check "$who: pasted" within 10 grep -q "^$BYTES " "$W/$who.paste"
		note "$who: printed $(tail -n 1 "$W/$who.print"), pasted $(tail -n 1 "$W/$who.paste")"
	done
	await g long
	tell g "${CONSOLE_MIB:-0}"
	if [ -n "${CONSOLE_MIB:-}" ]; then
		await g again
		ports mirror "unix:$W/ours" $((CONSOLE_MIB << 20)) 5 >"$W/long"
		check "$CONSOLE_MIB MiB there and back" \
			grep -q "^$((CONSOLE_MIB << 20)) " "$W/long"
		note "there and back: $(tail -n 1 "$W/long")"
	fi
	wait_guest g
	stop_daemon d
}

port_of() { grep -lx "$1" /sys/class/virtio-ports/*/name | cut -d/ -f5; }
has_port() { [ -n "$(port_of "$1")" ]; }

inside()
{
	local who dev long
	for who in ours own; do
		check "port $who" within 10 has_port $who
		dev=/dev/$(port_of $who)
		exec 4<>"$dev"
		mark "echo $who"
		until head -c 3000000 <&4 >/run/all && [ -s /run/all ]; do sleep 0.1; done
		cat /run/all >&4
		ask "print $who" >/dev/null
		dd if=/dev/zero bs=65536 count=$((BYTES / 65536)) >&4 2>/dev/null
		ask "paste $who" >/dev/null
		dd bs=65536 count=$((BYTES / 65536)) iflag=fullblock of=/dev/null <&4 2>/dev/null
		mark "pasted $who"
		exec 4>&-
	done
	long=$(ask long)
	[ "$long" = 0 ] && return
	exec 4<>"/dev/$(port_of ours)"
	mark again
	until dd bs=65536 count=1 iflag=fullblock of=/run/first <&4 2>/dev/null &&
		[ -s /run/first ]; do sleep 0.1; done
	cat /run/first >&4
	dd bs=65536 count=$((long * 16 - 1)) iflag=fullblock <&4 >&4 2>/dev/null
	exec 4>&-
}
