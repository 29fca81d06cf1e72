#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# Eight kernels with 64 lines each, an interrupt armed on every line: all edges
# of all lines arrive, and a process that only waits for more costs nothing.
roles=uml
limit=240

guests='0 1 2 3 4 5 6 7'
pulses=5

outside()
{
	local g line before

	command -v gpiomon >/dev/null || { note 'the tools of libgpiod are missing'; exit 77; }
	daemon d gpio -c 8 --edges count --control "$W/ctl" \
		--device-list s64:s64:s64:s64:s64:s64:s64:s64
	for g in $guests; do guest "g$g" "gpio:$W/d.sock$g"; done
	for g in $guests; do await "g$g" armed; done
	before=$(ticks)
	sleep 1
	is 'processor time of an idle second' "$(($(ticks) - before))" 0
	line=0
	while [ $line -lt 64 ]; do
		for g in $guests; do
			"$VHOST_DEVICE" control "$W/ctl$g" pulse $line $pulses ||
				fail "line $line of guest $g"
		done
		line=$((line + 1))
	done
	for g in $guests; do wait_guest "g$g"; done
	stop_daemon d
}

# Of the daemon, in user and system mode.
ticks() { awk '{ print $14 + $15 }' "/proc/${DAEMON[d]}/stat"; }

used() { [ "$(gpioinfo -c gpiochip0 | grep -c 'consumer=')" = 64 ]; }

inside()
{
	local lines monitor total=$((64 * 2 * pulses))

	check 'a chip' within 5 test -c /dev/gpiochip0
	lines=$(seq 0 63)
	# shellcheck disable=SC2086
	gpiomon -c gpiochip0 --num-events $total --format %o $lines >seen &
	monitor=$!
	check 'all lines are in use' within 10 used
	mark armed
	check 'all edges came' within 120 ended $monitor
	is 'how many' "$(wc -l <seen)" $total
	is 'and of each line' "$(sort seen | uniq -c | sed 's/^ *//; s/ .*//' | sort -u)" \
		$((2 * pulses))
	is 'of how many lines' "$(sort -u seen | wc -l)" 64
}
