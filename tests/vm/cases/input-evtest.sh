#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# What people look at an input device with: evtest. It shows the name, the ids,
# every type and code with its range and state, then a run of events; all of it
# is compared with what the device was made of and what was sent.
programs=evtest
FRAMES=250

# As evemu-record describes a device; it has 64 slots, so readers get long queues.
describe()
{
	printf 'N: Pad and buttons\nI: 0003 056a 00de 0110\nP: 02 00 00 00 00 00 00 00\n'
	printf 'B: 01 %s\n' '00 00 00 00 02 00 00 00' '00 00 00 01 00 00 00 00' \
		'00 00 00 00 00 00 00 00' '00 00 00 00 00 00 00 00' '00 00 01 00 00 00 00 00'
	printf 'B: 02 01 01 00 00 00 00 00 00\n'
	printf 'A: 00 -4 1023 4 8 40\nA: 01 0 767 0 0 40\nA: 2f 0 63 0 0 0\n'
	printf 'A: 35 0 4095 0 0 10\nA: 36 0 2047 0 0 10\nA: 39 0 65535 0 0 0\n'
}

# Keys, ways of both signs and fingers in frames of 4 to 7. F12 ends them.
events()
{
	awk -v n=$FRAMES 'BEGIN {
		for (i = 1; i <= n; i++) {
			print "EV_KEY", i % 2 ? "KEY_F" : "BTN_LEFT", i % 4 < 2
			print "EV_REL REL_X", i
			print "EV_REL REL_WHEEL", -i
			if (i % 3 == 0) {
				print "EV_ABS ABS_MT_SLOT", int(i / 3) % 64
				print "EV_ABS ABS_MT_TRACKING_ID", i
				print "EV_ABS ABS_MT_POSITION_X", i * 7
			}
			print "syn"
		}
		print "EV_KEY KEY_F12 1\nsyn"
	}'
}

# What a reader gets of it: the kernel of the guest drops keys that do not change.
wanted()
{
	events | awk '
		$1 == "EV_KEY" { if ($3 == down[$2] + 0) next; down[$2] = $3 }
		{ sub(/^EV_[A-Z]* /, ""); print }'
}

outside()
{
	describe >"$W/text"
	mkfifo "$W/events"
	daemon k input -e virtual:keyboard --devids 0003:1234:5678:0111 --name 'Some keyboard' \
		--control "$W/kctl"
	daemon t input -e "virtual:$W/text:$W/events"
	guest g "input:$W/k.sock0" "input:$W/t.sock0"
	await g typing
	check 'a key' "$VHOST_DEVICE" control "$W/kctl" send EV_KEY KEY_A 1
	check 'goes down' "$VHOST_DEVICE" control "$W/kctl" send syn
	await g listening
	events >"$W/events"
	wait_guest g
	stop_daemon k
	stop_daemon t
}

says() { grep -q -e "$2" "$1"; }
# The line before the last one.
ends() { tail -n 2 "$1" | grep -q -e "$2"; }
is_down() { evtest --query "$1" EV_KEY "$2"; [ $? = 10 ]; }

# listen NODE FILE: in the background.
listen()
{
	evtest "$1" >"$2" 2>&1 &
	listener=$!
	check "evtest listens to $1" within 20 says "$2" '^Testing '
}

hear()
{
	kill "$listener"
	wait "$listener"
}

# Event: time 12.345678, type 2 (EV_REL), code 0 (REL_X), value -5
heard()
{
	sed -n 's/^Event: .*-- SYN_REPORT --.*/syn/p
		s/^Event: .*, code [0-9]* (\([A-Z0-9_]*\)), value /\1 /p
		s/^Event: .*\(SYN_DROPPED\).*/\1/p' "$1"
}

# What evtest says of a device, in one line: types with their codes, ranges, properties.
described()
{
	sed '/^Event: /d; /^Input driver version/d; s/^ *//; s/  */ /g' "$1" | tr '\n' ' '
}

# described_as TEXT FILE WORDS...: all of it is there, in this order.
described_as()
{
	local text="$1" all word

	all=$(described "$2")
	shift 2
	for word; do
		case $all in
		*"$word"*) all=${all#*"$word"} ;;
		*) fail "$text: no '$word' in '$all'"; return ;;
		esac
	done
	check "$text" true
}

inside()
{
	local k t

	k=$(input_node 'Some keyboard')
	t=$(input_node 'Pad and buttons')
	check 'a key is not down' test -n "$k" -a ! "$(is_down "$k" KEY_A)"
	mark typing
	check 'a key is down' within 20 is_down "$k" KEY_A
	listen "$t" pad
	mark listening
	check 'all came' within 60 ends pad 'KEY_F12), value 1'
	hear
	heard pad >got
	wanted >want
	is 'as many events' "$(wc -l <got)" "$(wc -l <want)"
	check 'and those that were sent' cmp got want
	note "$(wc -l <got) events"
	described_as 'a pad' pad 'Input device ID: bus 0x3 vendor 0x56a product 0xde version 0x110 ' \
		'Input device name: "Pad and buttons" ' \
		'type 1 (EV_KEY) Event code 33 (KEY_F) Event code 88 (KEY_F12) Event code 272 (BTN_LEFT) ' \
		'type 2 (EV_REL) Event code 0 (REL_X) Event code 8 (REL_WHEEL) ' \
		'(ABS_X) Value 0 Min -4 Max 1023 Fuzz 4 Flat 8 Resolution 40 ' \
		'(ABS_MT_SLOT) Value 0 Min 0 Max 63 ' '(ABS_MT_POSITION_X) Value 0 Min 0 Max 4095 Resolution 10' \
		'Properties: Property type 1 (INPUT_PROP_DIRECT)'
	listen "$k" keyboard
	hear
	described_as 'a keyboard' keyboard 'bus 0x3 vendor 0x1234 product 0x5678 version 0x111 ' \
		'"Some keyboard"' '(KEY_ESC)' '(KEY_A)' '(KEY_MICMUTE)' '(EV_MSC)' '(MSC_SCAN)' '(EV_LED)' \
		'(LED_CAPSL) state 0' 'Repeat code 0 (REP_DELAY) Value 250' '(REP_PERIOD) Value 33'
}
