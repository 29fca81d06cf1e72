#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The kernel's own driver: a keyboard, and a device of a recording that has
# ranges, properties and fingers; 100,000 events of it in order and in whole
# frames; a driver that is unbound and bound again. The rings of QEMU have four
# places, so that most frames are longer.
layouts='packed split'
limit=600
EVENTS=100000

# As evemu-record describes a device; it has 64 slots, so readers get long queues.
describe()
{
	local axis

	printf 'N: Made of text\nI: 0003 056a 00de 0110\nP: 02 00 00 00 00 00 00 00\n'
	printf 'B: 01 00 00 00 00 00 00 00 00\nB: 02 01 00 00 00 00 00 00 00\n'
	printf 'A: 00 -4 1023 4 8 40\nA: 2f 0 63 0 0 0\n'
	for axis in 30 31 32 33 34 35 36 37 38 3a 3b 3c 3d; do
		printf 'A: %s 0 255 0 0 0\n' $axis
	done
	printf 'A: 39 0 65535 0 0 0\n'
}

# Frames of 1, 2 .. 11 events and their end.
sequence()
{
	awk -v n=$EVENTS 'BEGIN {
		while (done < n) {
			for (k = frame % 11; k >= 0; k--) print "EV_REL REL_X", ++number
			print "syn"
			done += frame % 11 + 2
			if (++frame % 200 == 0) print "wait 5"
		}
	}'
}

control() { "$VHOST_DEVICE" control "$W/$1" "${@:2}"; }
# The console of a guest may put it out at once.
led_was_set() { grep -q 'LED_CAPSL 1$' "$W/k.log"; }

outside()
{
	describe >"$W/text"
	mkfifo "$W/events"
	daemon k input -e virtual:keyboard --log-level trace --control "$W/kctl"
	daemon t input -e "virtual:$W/text:$W/events" --serial 4711 --control "$W/tctl"
	guest g "input:$W/k.sock0" "input:$W/t.sock0"
	await g typing
	check 'typed' control kctl send type Hi
	await g sequence
	sequence >"$W/events"
	await g touching
	printf '%s\n' 'EV_ABS ABS_MT_SLOT 3' 'EV_ABS ABS_MT_TRACKING_ID 9' \
		'EV_ABS ABS_MT_POSITION_X 77' syn >"$W/events"
	await g bound
	check 'typed after that' control kctl send tap a
	await g led
	check 'a LED was set' within 20 led_was_set
	tell g seen
	wait_guest g
	note "$(control tctl show | tr '\n' ' ')"
	stop_daemon k
	stop_daemon t
}

has_node() { [ -c "$(input_node "$1")" ]; }

# catch NODE COUNT WORD: events that come when the outside half was told WORD, a line each.
catch()
{
	{
		mark "$3"
		head -c $(($2 * 24))
	} <"$1" >caught
	od -A n -v -t d4 -w24 caught | awk '{ print $5 % 65536, int($5 / 65536), $6 }'
}

right_sequence()
{
	catch "$1" $EVENTS sequence | awk '{
		if (inside <= frame % 11) { want = "2 0 " ++number; inside++ }
		else { want = "0 0 0"; frame++; inside = 0 }
		if ($0 != want) { print "event", NR, $0, "not", want; exit }
		n = NR
	} END { print n }'
}

inside()
{
	local k t

	check 'the driver is bound' test -n "$(virtio_device virtio_input)"
	k=$(input_node 'Virtual keyboard')
	t=$(input_node 'Made of text')
	described "$t"
	is 'typed' "$(catch "$k" 12 typing | tr '\n' ,)" \
		'1 42 1,0 0 0,1 35 1,0 0 0,1 35 0,0 0 0,1 42 0,0 0 0,1 23 1,0 0 0,1 23 0,0 0 0,'
	is 'in order, in whole frames' "$(right_sequence "$t")" $EVENTS
	is 'a finger' "$(catch "$t" 4 touching | tr '\n' ,)" '3 47 3,3 57 9,3 53 77,0 0 0,'
	rebind "$k"
	k=$(input_node 'Virtual keyboard')
	is 'typed' "$(catch "$k" 4 bound | tr '\n' ,)" '1 30 1,0 0 0,1 30 0,0 0 0,'
	# EV_LED LED_CAPSL 1, behind 16 bytes of time
	printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\021\0\001\0\001\0\0\0' >"$k"
	is 'a LED' "$(ask led)" seen
}

rebind()
{
	local dev

	dev=$(readlink -f "/sys/class/input/${1##*/}/device/device")
	echo "${dev##*/}" >/sys/bus/virtio/drivers/virtio_input/unbind
	check 'unbound' test ! -e "$1"
	echo "${dev##*/}" >/sys/bus/virtio/drivers/virtio_input/bind
	check 'bound again' within 20 has_node 'Virtual keyboard'
}

described()
{
	local sys="/sys/class/input/${1##*/}/device"

	is 'vendor' "$(cat "$sys/id/vendor")" 056a
	is 'version' "$(cat "$sys/id/version")" 0110
	is 'serial number' "$(cat "$sys/uniq")" 4711
	is 'properties' "$(cat "$sys/properties")" 2
	is 'ways' "$(cat "$sys/capabilities/rel")" 1
	is 'axes' "$(cat "$sys/capabilities/abs")" 3fff800000000001
	[ "$VD_ROLE" = uml ] || return
	python3 "$VD_TESTS/evdev.py" describe "$1" >described
	is 'a range' "$(sed -n 's/^axis 0 //p' described)" '-4 1023 4 8 40'
	is 'slots' "$(sed -n 's/^axis 47 //p' described)" '0 63 0 0 0'
}
