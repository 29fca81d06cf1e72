#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# A hundred guests one after the other on the same socket, none of which may
# fail; the daemon may not grow.
roles=uml
slow=1

outside()
{
	local i before after

	daemon d rng
	for i in {1..100}; do
		guest g "rng:$W/d.sock0"
		wait_guest g
		[ "$FAILED" = 0 ] || { note "boot $i failed"; break; }
		[ "$i" = 10 ] && before=$(fds)
	done
	after=$(fds)
	is 'open descriptors, after 10 and 100 boots' "$after" "$before"
	stop_daemon d
}

fds() { find "/proc/${DAEMON[d]}/fd" -mindepth 1 | wc -l; }

inside()
{
	is 'bytes read' "$(head -c 64 /dev/hwrng | wc -c)" 64
}
