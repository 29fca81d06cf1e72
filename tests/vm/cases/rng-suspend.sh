#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Going to sleep takes the device away from its driver, and waking gives it
# back. The kernel's test mode does both without switching the machine off.
roles=qemu

inside()
{
	local round

	echo devices >/sys/power/pm_test
	for round in 1 2 3; do
		is "bytes before $round" "$(head -c 4096 /dev/hwrng | wc -c)" 4096
		check "sleep $round" sleep_and_wake
	done
	is 'bytes after' "$(head -c 4096 /dev/hwrng | wc -c)" 4096
}

sleep_and_wake() { echo mem >/sys/power/state; }
