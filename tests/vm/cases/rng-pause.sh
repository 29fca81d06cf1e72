#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The guest stands still in the middle of reading, for longer than a ring
# takes to fill, and goes on; QEMU stops and restarts the rings for it.

outside()
{
	local round

	daemon d rng
	guest g "rng:$W/d.sock0"
	for round in 1 2 3; do
		await g reading $round
		pause_guest g || fail "the guest does not stop"
		sleep 0.3
		resume_guest g || fail "the guest does not go on"
		tell g resumed
	done
	wait_guest g
	stop_daemon d
}

inside()
{
	local round

	for round in 1 2 3; do
		dd if=/dev/hwrng of=/dev/null bs=64 2>/dev/null &
		is "round $round" "$(ask reading)" resumed
		kill $!
		is "bytes after $round" "$(head -c 4096 /dev/hwrng | wc -c)" 4096
	done
}
