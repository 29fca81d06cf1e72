#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# A guest that reboots, and one whose plug is pulled, with connections open both
# ways: the host's programs see their ends, and the next boot has all its ports.
# A program of the host that is killed does no harm to others; one that stops to
# read does not stop others.
roles=uml

sockets() { python3 "$TESTS/sockets.py" "$@"; }

nothing_left() { "$VHOST_DEVICE" control "$W/ctl" show | grep -q 'connections 0 of'; }

outside()
{
	local boot stalled
	plain_daemon d vsock --socket "$W/d.sock" --guest-cid 5 --uds-path "$W/u" --control "$W/ctl"
	for boot in 1 2 3; do
		rm -f "$W/u_1000" "$W/u_1001"
		sockets listen "unix:$W/u_1000" sink 1 >"$W/sink.$boot" &
		sockets listen "unix:$W/u_1001" stall 3 >"$W/stall.$boot" &
		stalled=$!
		within 5 grep -q ready "$W/sink.$boot"
		within 5 grep -q ready "$W/stall.$boot"
		guest g "vsock:$W/d.sock"
		await g open
		sockets connect "hybrid:$W/u:2000" sink >"$W/client.$boot" &
		within 20 grep -q ready "$W/client.$boot"
		check "boot $boot: others go on while one reader stands still" \
			sockets connect "hybrid:$W/u:2001" mirror 2000000 10000
		[ $boot = 2 ] && kill -KILL $stalled
		if [ $boot = 1 ]; then kill_guest g; else tell g go; wait_guest g; fi
		check "boot $boot: what the guest sent has come" \
			within 10 grep -q '^5 ' "$W/sink.$boot"
		check "boot $boot: a client sees the end" \
			within 10 grep -q '^0 \|Reset' "$W/client.$boot"
	done
	check 'no connection is left' within 10 nothing_left
	stop_daemon d
}

inside_sockets() { timeout 120 python3 "$VD_TESTS/sockets.py" "$@"; }

inside()
{
	sleep 1000 | inside_sockets listen 'vsock:*:2000' hold 1 >/run/hold &
	inside_sockets listen 'vsock:*:2001' echo 9 >/run/echo &
	within 5 grep -q ready /run/echo
	within 5 grep -q ready /run/hold
	(echo last; sleep 100) | socat -u - VSOCK-CONNECT:2:1000 &
	inside_sockets connect vsock:2:1001 source 3000000 60000 &
	sleep 0.5
	ask open >/dev/null
}
