#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086
#
# Two guests on a bus inside our process, with the kernel's own driver and the
# tools of can-utils: every kind of frame, round trips, bus-off and automatic
# restart, a guest that is killed and one that takes its place.
roles=uml
layouts='packed split'

outside()
{
	command -v candump >/dev/null || { note 'the tools of can-utils are missing'; exit 77; }
	daemon d can -c 2 -d 'bus:t bus:t' --control "$W/ctl"
	guest a --half first "can:$W/d.sock0"
	guest b --half second "can:$W/d.sock1"
	await b listening
	tell a send
	await b replied
	await a off
	check 'bus-off' "$VHOST_DEVICE" control "$W/ctl0" bus-off
	tell a go
	await a ready
	tell b ping
	wait_guest b
	tell a kill
	await a busy
	kill_guest a
	note "$("$VHOST_DEVICE" control "$W/ctl1" show | tr '\n' ' ')"
	guest c --half again "can:$W/d.sock0"
	wait_guest c
	stop_daemon d
}

up()
{
	/sbin/ip link set can0 up type can restart-ms 100 && /sbin/ip link set can0 txqueuelen 1000
}

frames='123#1122334455667788 7FF# 12345678#01 321#R5 00000001#R
	111##0AABB 1FFFFFFF##0000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F
	100#11'

# What candump wrote. Linux sets flag 4 in every FD frame that it received.
seen() { sed 's/.* //; s/##4/##0/' frames | tr '\n' ' '; }

lines() { [ "$(wc -l <frames)" -ge "$1" ]; }

state() { /sbin/ip -details link show can0 | grep -o 'state [A-Z-]*' | tail -n 1; }

is_state() { [ "$(state)" = "state $1" ]; }

listen()
{
	candump -L can0 >frames &
	within 5 grep -q raw /proc/net/can/rcvlist_all
}

first()
{
	local dev f

	dev=$(virtio_device virtio_can)
	check 'the driver is bound' test -n "$dev"
	check 'classic frames are negotiated' feature "$dev" 0
	check 'FD frames are negotiated' feature "$dev" 1
	check 'remote frames are negotiated' feature "$dev" 2
	check 'the interface comes up' up
	is 'its size of frames' "$(cat /sys/class/net/can0/mtu)" 72
	check 'it is on the bus' is_state ERROR-ACTIVE
	listen
	ask ready-to-send >/dev/null
	for f in $frames; do
		cansend can0 "$f" || fail "cansend $f"
	done
	within 10 lines 9
	is 'own frames once, and one of the other guest' "$(seen)" \
		"$(printf '%s ' $frames)777#99 "
	ask off >/dev/null
	check 'bus-off is noticed, and over by itself' within 5 restarted
	check 'it is on the bus again' within 5 is_state ERROR-ACTIVE
	check 'down' /sbin/ip link set can0 down
	check 'and up' /sbin/ip link set can0 up
	# The other end of the round trips.
	canfdtest can0 &
	mark ready
	read -r _ <&3
	kill $!
	cangen can0 -g 0 -i &
	mark busy
	wait
}

# How often it was restarted and bus-off.
restarts() { /sbin/ip -details -statistics link show can0 | awk '/re-started/ { getline; print $1, $6 }'; }

restarted() { [ "$(restarts)" = '1 1' ]; }

second()
{
	check 'the interface comes up' up
	listen
	mark listening
	within 20 lines 8
	is 'frames of the other guest' "$(seen)" "$(printf '%s ' $frames)"
	check 'one back' cansend can0 777#99
	mark replied
	read -r _ <&3
	check 'a thousand round trips' timeout 120 canfdtest -g -l 1000 can0
}

again()
{
	check 'a new guest in its place' up
	check 'sends' cansend can0 123#
	is 'its state' "$(state)" 'state ERROR-ACTIVE'
}
