#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086,SC2154
#
# A chain: the kernel's chip is one of ours outside, so calls to it sleep, as
# those to an expander do. Inside our program serves it to two guests (probe)
# and has a thread for it; names, values, edges and levels come through. The chip
# is unplugged while a call to it is under way, and plugged in again.
roles=uml

outside()
{
	daemon d gpio --device-list 's8[0/name=lamp/wire=1/slow=5,1/name=key/slow=5,2-6/slow=5,7/slow=900]'
	guest g "gpio:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

probe() { "$VHOST_DEVICE" probe gpio "$@"; }
used() { gpioinfo -c gpiochip0 "$1" | grep -q consumer; }
threads() { set -- /proc/$daemon/task/*; echo $#; }
status() { sed -n 's/^interrupts: *//p' "$1"; }

start()
{
	"$VHOST_DEVICE" gpio -s "$PWD/s" -c 2 -l '0[0,2-3]:0[1,4,7]' "$@" 2>>errors &
	daemon=$!
	check 'the sockets' within 5 test -S s1
}

stop()
{
	kill $daemon
	wait $daemon
	is 'exit status' "$?" 0
}

# Turns the lamp on and off; done when the watcher of the key is.
turned()
{
	probe s0 set lamp=1 >/dev/null
	ended $watcher
}

watched()
{
	probe s1 watch key "$1" "$2" >seen 2>&1 &
	watcher=$!
	check "the key is in use for $1" within 5 used key
	check 'enough was seen' within 10 turned
	wait $watcher
	is "interrupts by $1" "$(status seen)" "$2"
}

warned() { [ "$(grep -c "$1" errors)" = "$2" ]; }
reads() { probe s1 get "$1" | grep -q ": *$2\$"; }

# The driver waits for the call that it has; what comes after that finds no chip.
unplug()
{
	local call driver=/sys/bus/virtio/drivers/gpio_virtio device

	device=$(virtio_device gpio_virtio)
	probe s1 get 2 >answer 2>&1 &
	call=$!
	check 'a call that takes its time is under way' within 10 used 7
	echo "$device" >$driver/unbind
	check 'the chip is gone' test ! -e /dev/gpiochip0
	check 'both guests are told' within 20 warned 'is gone' 2
	wait $call
	note "the call ended with $?: $(tail -n 1 answer)"
	check 'without the chip there are errors' eval '! probe s1 get 1 >/dev/null 2>&1'
	check 'and for the other too' eval '! probe s0 set lamp=1 >/dev/null 2>&1'
	is 'threads without the chip' "$(threads)" 2
	echo "$device" >$driver/bind
	check 'the chip is back' within 20 warned ') is back' 2
	check 'a line reads again' within 20 reads 1 0
	watched rising 2
	watched high 2
	note "$(cat errors)"
}

inside()
{
	local daemon watcher

	check 'a chip' within 2 test -c /dev/gpiochip0
	start
	is 'threads, one of which makes the calls' "$(threads)" 2
	check 'names come through' eval 'probe s0 lines | grep -q "line 0: *in 0 lamp"'
	check 'an output' eval 'probe s0 set lamp=1 | grep -q "reads 1"'
	check 'an input' eval 'probe s1 get key | grep -q ": *0\$"'
	watched rising 3
	watched both 4
	watched high 2
	check 'the line is free again' within 5 eval '! used key'
	is 'errors' "$(cat errors)" ''
	unplug
	stop
	: >errors
	start --worker never
	is 'threads without one' "$(threads)" 1
	check 'an output too' eval 'probe s0 set lamp=1 | grep -q "reads 1"'
	stop
	is 'errors' "$(cat errors)" ''
}
