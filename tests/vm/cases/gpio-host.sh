#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086,SC2016,SC2154
#
# Our process on a host with GPIO chips: gpio-sim in the kernel, libgpiod, and
# `probe` as the guest. Two guests share one chip; values, pulls and edges go
# through the kernel; a line that is in use; a chip that goes and comes back.
roles=uml

outside()
{
	guest g
	wait_guest g
}

sim=/sys/kernel/config/gpio-sim/chip

line() { echo "$(echo /sys/devices/platform/gpio-sim.0/gpiochip*)/sim_gpio$1/$2"; }
pull() { echo "pull-$2" >"$(line "$1" pull)"; }
probe() { "$VHOST_DEVICE" probe gpio "$@"; }
used() { gpioinfo -c /dev/gpiochip0 "$1" | grep -q consumer; }

make_chip()
{
	mkdir -p $sim/bank0/line1 $sim/bank0/line2
	echo 8 >$sim/bank0/num_lines
	echo bank >$sim/bank0/label
	echo button >$sim/bank0/line1/name
	echo lamp >$sim/bank0/line2/name
	echo 1 >$sim/live
}

start_daemon()
{
	mkfifo ready
	"$VHOST_DEVICE" gpio --socket-path /run/s --ready-fd 9 "$@" 9<>ready >>log 2>&1 &
	daemon=$!
	read -r _ <>ready
	rm ready
}

stop_daemon()
{
	kill $daemon
	wait $daemon
	is 'status of the daemon' $? 0
}

# Turns the line over, and says whether the watcher is done.
turned()
{
	level=$([ "$level" = up ] && echo down || echo up)
	pull 1 "$level"
	ended $watcher
}

edges()
{
	probe /run/s0 watch button both 3 >watched 2>&1 &
	watcher=$!
	check "the line is in use" within 5 used button
	# gpio-sim makes one edge of several in a tick, so they come at leisure.
	check 'the watcher has seen enough' within 5 turned
	wait $watcher
	is 'status of who waits for edges' $? 0
	note "$(cat watched)"
	check 'three edges' grep -q 'interrupts: *[3]' watched
	check 'the line is free again' within 5 unused button
	pull 1 down
}

unused() { ! used "$1"; }
warned() { [ "$(grep -c "$1" log)" = "$2" ]; }
reads() { probe /run/s0 get "$1" | grep -q ": *$2\$"; }

# The chip goes while somebody waits for edges, who has them of the next one.
armed()
{
	level=down
	pull 1 down
	probe /run/s0 watch button both 3 >watched 2>&1 &
	watcher=$!
	check 'the line is in use' within 5 used button
	pull 1 up
	echo 0 >$sim/live
	check 'both guests have let go again' within 20 warned 'is gone' 4
	echo 1 >$sim/live
	check 'the chip is back for both again' within 20 warned ') is back' 4
	check 'the line is in use again' within 20 used button
	check 'edges come again' within 20 turned
	wait $watcher
	is 'status of who waited' $? 0
}

# Another chip in its place is not taken for it, nor is its name.
another()
{
	local other=/sys/kernel/config/gpio-sim/other

	echo 0 >$sim/live
	check 'both guests have let go once more' within 20 warned 'is gone' 6
	mkdir -p $other/bank0
	echo 8 >$other/bank0/num_lines
	echo bankrupt >$other/bank0/label
	echo 1 >$other/live
	check 'another chip in its place' within 5 test -c /dev/gpiochip0
	sleep 3
	check 'is not taken for it' eval '! warned ") is back" 5'
	check 'nor used' eval '! probe /run/s0 get 0 && ! probe /run/s1 set 0=1'
	is 'its name is not used' "$(grep -c bankrupt log)" 0
	echo 0 >$other/live
	rmdir $other/bank0 $other
	echo 1 >$sim/live
	check 'it is back for both once more' within 20 warned ') is back' 6
	pull 0 up
	check 'and is used' within 20 reads 0 1
}

inside()
{
	mount -t configfs configfs /sys/kernel/config
	make_chip
	check 'gpio-sim' within 5 test -c /dev/gpiochip0

	start_daemon -c 2 --on-reset hold --edges count \
		-l 'label=ban?[0-3]:/dev/gpiochip0[7/active-low,6/pull-up,5/debounce=100,4]'
	check 'names of the host' eval 'probe /run/s0 lines | grep -q "line 1: *in 0 button"'
	check 'a line that is low' reads button 0
	pull 1 up
	check 'a line that is high' reads button 1
	pull 1 down
	check 'an output' probe /run/s0 set lamp=1
	is 'which the host sees' "$(cat "$(line 2 value)")" 1
	check 'active low, turned over' probe /run/s1 set 0=1
	is 'which the host sees so' "$(cat "$(line 7 value)")" 0
	check 'a pull of ours' eval 'probe /run/s1 get 1 | grep -q ": *1\$"'
	edges
	pull 0 up
	check 'a level' probe /run/s0 watch 0 high 3

	gpioset -c /dev/gpiochip0 3=1 &
	check 'somebody else has a line' within 5 used 3
	check 'which is an error for the guest' eval '! probe /run/s0 get 3'
	kill $!
	check 'until it is free' within 5 reads 3 0

	echo 0 >$sim/live
	check 'without the chip there are errors' eval '! probe /run/s0 get 0'
	check 'and the daemon lives' kill -0 $daemon
	# A chip that somebody holds open still keeps its number from the next one.
	check 'both guests have let go' within 5 warned 'is gone' 2
	echo 1 >$sim/live
	pull 0 up
	check 'until it is back' within 5 reads 0 1
	check 'for both' within 5 warned ') is back' 2
	armed
	another
	stop_daemon

	check 'a line of two guests' eval '! "$VHOST_DEVICE" gpio -s x -c 2 -l 0:0 2>bad'
	check 'is named' grep -q 'duplicate: line 0 of GPIO chip gpiochip0' bad
	check 'no such chip' eval '! "$VHOST_DEVICE" gpio -s x -l 5 2>bad'
	check 'is named too' grep -q 'GPIO chip 5 cannot be opened: No such file' bad
	check 'no such line' eval '! "$VHOST_DEVICE" gpio -s x -l "0[8]" 2>bad'
	note "$(cat log)"
}
