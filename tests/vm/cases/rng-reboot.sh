#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The guest reboots while the front end, or its process, stays.

outside()
{
	local boot boots=2

	[ "$ROLE" = uml ] && boots=5
	daemon d rng
	guest g --reboots "rng:$W/d.sock0"
	for boot in $(seq $boots); do
		await g boot "$boot"
		tell g "$([ "$boot" = $boots ] && echo stay || echo again)"
	done
	wait_guest g
	stop_daemon d
}

inside()
{
	is 'bytes read' "$(head -c 4096 /dev/hwrng | wc -c)" 4096
	[ "$(ask boot)" = again ] && reboot -f
}
