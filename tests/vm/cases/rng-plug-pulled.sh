#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# A guest that dies in the middle of reading leaves nothing behind: the next
# one on the same socket is served at once.
roles=uml

outside()
{
	local round

	daemon d rng
	for round in 1 2 3; do
		guest g --half reader "rng:$W/d.sock0"
		await g reading
		sleep 0.05
		kill_guest g
	done
	guest g "rng:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

reader()
{
	mark reading
	cat /dev/hwrng >/dev/null
}

inside()
{
	is 'bytes read' "$(head -c 4096 /dev/hwrng | wc -c)" 4096
}
