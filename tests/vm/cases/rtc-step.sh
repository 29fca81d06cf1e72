#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# A host whose clock is set while alarms wait, an hour forward and back: our
# program inside, with its own probe as the driver. And a PTP clock of that
# host, which another of our processes makes, as a clock for its guests.
roles=uml

outside()
{
	daemon d rtc --clock utc-smeared --clock utc-step
	guest g "rtc:$W/d.sock"
	wait_guest g
	stop_daemon d
}

inside()
{
	local options

	options='--clock utc-smeared --clock utc-step --clock monotonic'
	# shellcheck disable=SC2086 # words
	"$VHOST_DEVICE" rtc -s "$PWD/r" --control "$PWD/c" $options \
		--clock utc-maybe-smeared,source=/dev/ptp0 2>errors &
	check 'the socket' within 5 test -S r
	compare 0 'smeared UTC'
	compare 2 'the monotonic clock'
	hardware
	forward 0
	forward 1
	back
	killed
	kill %1
	wait %1
	is 'exit status' "$?" 0
	is 'errors' "$(cat errors)" ''
}

probe() { "$VHOST_DEVICE" probe rtc r "$@" 2>&1; }

# A value of what probe printed, without its unit and what is behind the point.
value() { sed -n "s/^$1: *\(-\{0,1\}[0-9]*\).*/\1/p" "$2"; }

# To the guest everything takes long; a tenth of a second is no other clock.
compare()
{
	probe compare "$1" 200 >compared
	check "$2: offset $(value offset compared) us" \
		test "$(value offset compared)" -gt -100000 -a "$(value offset compared)" -lt 100000
	is "$2 goes back" "$(value 'went back' compared)" 0
}

# The clock behind /dev/ptp0 is the real host's: what the device reads is what is read here.
hardware()
{
	local said read

	said=$(probe clocks | sed -n '/^clock 3/,$s/^ *reads: *//p')
	read=$(/usr/bin/python3 -I -c "import os, time
print(time.clock_gettime(((~os.open('/dev/ptp0', os.O_RDWR)) << 3) | 3))")
	check "a PTP clock as source: $said, then $read" \
		test "${read%.*}" -ge "${said%.*}" -a "${read%.*}" -le "$((${said%.*} + 10))"
}

waits() { "$VHOST_DEVICE" control c clocks | grep "^$1 " | grep -q ahead; }

set_by() { date -s "@$(($(date +%s) + $1))" >/dev/null; }

# An alarm in an hour; the clock is set to ten seconds behind that.
forward()
{
	probe --timeout 20 alarm "$1" 3600000 >late &
	check "clock $1: an alarm waits" within 5 waits "$1"
	set_by 3610
	wait $!
	is "clock $1 set forward: probe" "$?" 0
	check "clock $1 set forward: the alarm came $(value late late) us from its time" \
		test "$(value late late)" -lt -3500000000
}

# An alarm in two seconds; the clock goes back an hour, then forward again.
back()
{
	local from

	from=$(cut -d. -f1 /proc/uptime)
	probe --timeout 60 alarm 1 2000 >late &
	check 'an alarm waits' within 5 waits 1
	set_by -3600
	sleep 4
	check 'set back: it waits still' waits 1
	set_by 3600
	wait $!
	is 'set back and forward: probe' "$?" 0
	check "set back and forward: the alarm came after $(($(cut -d. -f1 /proc/uptime) - from)) s" \
		test "$(($(cut -d. -f1 /proc/uptime) - from))" -ge 4
}

# The driver dies with an alarm set and a buffer posted; the next one finds none.
killed()
{
	local i

	for i in 1 2 3; do
		# Not through a function, whose shell would be killed instead.
		"$VHOST_DEVICE" probe rtc r alarm 1 20000 >/dev/null 2>&1 &
		check "alarm $i waits" within 5 waits 1
		kill -KILL $!
		wait $! 2>/dev/null
	done
	check 'the next driver' within 5 probe clocks >/dev/null
	check 'has no alarm' within 2 no_alarm
	is 'and sets one' "$(probe alarm 1 50 3 | sed -n 's/^alarms: *//p')" 3
}

no_alarm() { ! "$VHOST_DEVICE" control c clocks | grep -q alarm; }
