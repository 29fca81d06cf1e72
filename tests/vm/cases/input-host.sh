#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086
#
# A host with a keyboard and a touch screen (uinput): our program in front of
# them, its own probe as the driver. Everything that they can do, LEDs, grabs, a
# device that is unplugged and plugged in again elsewhere, or plugged in only after
# the guest has started, a switch between guests.
roles=uml
limit=300
programs=evemu-describe

outside()
{
	guest g
	wait_guest g
}

evdev() { python3 "$VD_TESTS/evdev.py" "$@"; }
probe() { "$VHOST_DEVICE" probe --timeout 20 input "$PWD/$1" $2 2>&1; }
show() { "$VHOST_DEVICE" control "$PWD/$1" show; }
contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }
shows() { contains "$(show "$1")" "$2"; }
hides() { ! shows "$@"; }
has() { grep -q -e "$2" "$1"; }
node() { evdev find "$1"; }
is_there() { [ -n "$(node "$1")" ]; }
is_gone() { ! is_there "$1"; }
# The kernel ends updates of its own by 1.
listed() { sed -n 's/^ *- //; s/\(SYN_REPORT\) 1/\1 0/; /^EV_/p' "$1" | tr '\n' ','; }

# plug NAME KIND: a device that plays the lines of NAME.fifo
plug()
{
	[ -p "$1.fifo" ] || mkfifo "$1.fifo"
	evdev uinput "$1" "$2" "$1.fifo" >"$1.out" &
	within 20 has "$1.out" ready
	check "$1 is there" within 20 is_there "$1"
}

play() { echo "$2" | tr ',' '\n' >"$1.fifo"; }

# watch SOCKET CONTROL COUNT: into the file SOCKET.seen; the caller waits for $!
watch()
{
	probe "$1" "watch $3" >"$1.seen" &
	watcher=$!
	within 20 shows "$2" 'in use'
}

inside()
{
	local server

	check 'uinput' test -c /dev/uinput
	plug kbd keyboard
	plug touch touch
	"$VHOST_DEVICE" input -s "$PWD/s" -e "name:kbd,$(node touch)" --grab on \
		--control "$PWD/ctl" 2>errors &
	server=$!
	check 'the sockets' within 20 test -S s1
	capabilities
	keys
	leds
	touches
	unplugged
	described kbd ctl0
	described touch ctl1
	kill $server
	wait $server
	is 'exit status' $? 0
	note "$(tr '\n' ' ' <errors)"
	absent
	switched
}

# described NAME CONTROL: but for comments and codes that it has none of, as evemu-describe does.
described()
{
	"$VHOST_DEVICE" control "$PWD/$2" describe >"$1.described"
	check "the description of $1" has "$1.described" "^N: $1"
	is 'the same as evemu-describe' "$(codes <"$1.described")" \
		"$(evemu-describe "$(node "$1")" | codes)"
}

codes() { sed 's/ *$//; /^#/d; /^$/d; /^B: .. 00 00 00 00 00 00 00 00$/d'; }

# Described by the one before, it is plugged in when the guest is there already.
absent()
{
	play kbd gone
	within 20 is_gone kbd
	"$VHOST_DEVICE" input -s "$PWD/a" -e name:kbd --description kbd.described --grab on \
		--control "$PWD/actl" 2>errors &
	check 'the socket' within 20 test -S a0
	check 'it is not there' shows actl absent
	probe a0 info >found
	for word in 'name: *kbd' 0003:1234:5678:0111 KEY_MICMUTE LED_SCROLLL SND_TONE REP_PERIOD; do
		check "$word" has found "$word"
	done
	watch a0 actl 4
	plug kbd keyboard
	check 'it is there' within 20 shows actl grabbed
	play kbd '1 30 1,0 0 0,1 30 0,0 0 0'
	wait $watcher
	is 'keys' "$(listed a0.seen)" "$(printf 'EV_KEY KEY_%s,EV_SYN SYN_REPORT 0,' 'A 1' 'A 0')"
	kill %%
	note "$(tr '\n' ' ' <errors)"
}

capabilities()
{
	local word

	probe s0 info >found
	for word in 'name: *kbd' 0003:1234:5678:0111 KEY_MICMUTE LED_SCROLLL SND_TONE REP_PERIOD; do
		check "$word" has found "$word"
	done
	probe s1 info >found
	for word in INPUT_PROP_DIRECT 'ABS_MT_SLOT 0 to 9' \
		'ABS_MT_POSITION_X -10 to 4095, fuzz 0, flat 0, resolution 10'; do
		check "$word" has found "$word"
	done
}

keys()
{
	# Enter is down before the guest starts: no grab until it is up, and no word of it.
	play kbd '1 28 1,0 0 0'
	within 20 has kbd.out frame
	watch s0 ctl0 3
	check 'not grabbed yet' hides ctl0 grabbed
	play kbd '1 28 0,0 0 0'
	check 'grabbed' within 20 shows ctl0 grabbed
	play kbd '4 4 30,1 30 1,0 0 0,1 30 0,0 0 0'
	wait $watcher
	is 'keys' "$(listed s0.seen)" 'EV_MSC MSC_SCAN 30,EV_KEY KEY_A 1,EV_SYN SYN_REPORT 0,'
	check 'not grabbed any more' within 20 hides ctl0 grabbed
}

leds()
{
	probe s0 'led capsl 1'
	check 'a LED' within 20 has kbd.out '^led 1 1$'
	check 'is put out at the end' within 20 has kbd.out '^led 1 0$'
}

touches()
{
	watch s1 ctl1 11
	play touch '3 57 5,3 53 100,3 54 7,1 330 1,0 0 0,3 47 1,3 57 6,3 53 200,0 0 0,3 57 -1,0 0 0'
	wait $watcher
	is 'fingers' "$(listed s1.seen)" "$(printf 'EV_%s,' 'ABS ABS_MT_TRACKING_ID 5' \
		'ABS ABS_MT_POSITION_X 100' 'ABS ABS_MT_POSITION_Y 7' 'KEY BTN_TOUCH 1' \
		'SYN SYN_REPORT 0' 'ABS ABS_MT_SLOT 1' 'ABS ABS_MT_TRACKING_ID 6' \
		'ABS ABS_MT_POSITION_X 200' 'SYN SYN_REPORT 0' 'ABS ABS_MT_TRACKING_ID -1' \
		'SYN SYN_REPORT 0')"
}

unplugged()
{
	local before

	before=$(node kbd)
	watch s0 ctl0 8
	play kbd '1 30 1,0 0 0'
	check 'a key is down' within 20 shows ctl0 'down KEY_A'
	play kbd gone
	check 'unplugged' within 20 shows ctl0 absent
	check 'all keys are up' within 20 hides ctl0 KEY_A
	# Another node takes its number.
	within 20 is_gone kbd
	plug other keyboard
	plug kbd keyboard
	check 'elsewhere' test "$(node kbd)" != "$before"
	check 'plugged in again' within 20 shows ctl0 present
	check 'grabbed again' within 20 shows ctl0 grabbed
	play other '1 16 1,0 0 0'
	play kbd '1 48 1,0 0 0,1 48 0,0 0 0'
	wait $watcher
	is 'keys' "$(listed s0.seen)" "$(printf 'EV_KEY KEY_%s,EV_SYN SYN_REPORT 0,' 'A 1' 'A 0' 'B 1' 'B 0')"
}

tap_ctrls() { play kbd '1 29 1,0 0 0,1 97 1,0 0 0,1 97 0,0 0 0,1 29 0,0 0 0'; }

# Two guests share the keyboard, by turns with the host.
switched()
{
	local a b host

	"$VHOST_DEVICE" input -s "$PWD/t" -e name:kbd,name:kbd --seat a,b --grab on \
		--hotkey leftctrl+rightctrl --control "$PWD/sw" 2>errors &
	check 'the sockets' within 20 test -S t1
	watch t0 sw0 12
	a=$watcher
	watch t1 sw1 10
	b=$watcher
	check 'the first one has it' within 20 shows sw0 grabbed
	play kbd '1 2 1,0 0 0,1 2 0,0 0 0'
	tap_ctrls
	check 'the second one' within 20 shows sw1 grabbed
	play kbd '1 3 1,0 0 0'
	check 'a key is down there' within 20 shows sw1 'down KEY_2'
	wait $a
	is 'the first one saw' "$(listed t0.seen)" "$(printf 'EV_KEY KEY_%s,EV_SYN SYN_REPORT 0,' \
		'1 1' '1 0' 'LEFTCTRL 1' 'RIGHTCTRL 1' 'RIGHTCTRL 0' 'LEFTCTRL 0')"
	"$VHOST_DEVICE" control "$PWD/sw1" switch host
	check 'the host has it' within 20 hides sw1 grabbed
	check 'and no key is down' within 20 hides sw1 KEY_2
	play kbd '1 3 0,0 0 0'
	evdev events "$(node kbd)" 2 >host &
	host=$!
	within 20 has host ready
	play kbd '1 8 1,0 0 0,1 8 0,0 0 0'
	wait $host
	is 'the host saw' "$(sed 1d host | tr '\n' ' ')" '1 8 1 0 0 0 '
	"$VHOST_DEVICE" control "$PWD/sw1" switch b
	check 'the second one again' within 20 shows sw1 grabbed
	play kbd '1 5 1,0 0 0,1 5 0,0 0 0,1 6 1,0 0 0'
	wait $b
	is 'the second one saw' "$(listed t1.seen)" "$(printf 'EV_KEY KEY_%s,EV_SYN SYN_REPORT 0,' \
		'2 1' '2 0' '4 1' '4 0' '5 1')"
	note "$(tr '\n' ' ' <errors)"
}
