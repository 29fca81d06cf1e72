#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# Two guests of one process talk to each other, a third of another group may
# not; one is killed, and the others go on.
roles=uml

outside()
{
	plain_daemon d vsock --vm "guest-cid=3,socket=$W/3.sock,uds-path=$W/u3,groups=us" \
		--vm "guest-cid=4,socket=$W/4.sock,uds-path=$W/u4,groups=us+them" \
		--vm "guest-cid=5,socket=$W/5.sock,uds-path=$W/u5,groups=other"
	guest a "vsock:$W/3.sock"
	guest b --half sender "vsock:$W/4.sock"
	guest c --half stranger "vsock:$W/5.sock"
	await a listening
	await b ready
	await c ready
	tell c go
	tell b go
	wait_guest c
	await b sent
	kill_guest a
	tell b killed
	wait_guest b
	guest a --half again "vsock:$W/3.sock"
	wait_guest a
	stop_daemon d
}

inside_sockets() { timeout 120 python3 "$VD_TESTS/sockets.py" "$@"; }

inside()
{
	inside_sockets listen 'vsock:*:2000' echo 20 >/run/echo &
	inside_sockets listen '+vsock:*:2001' echo 20 >/run/messages &
	within 5 grep -q ready /run/echo
	within 5 grep -q ready /run/messages
	mark listening
	sleep 1000 3>&-
}

sender()
{
	local n
	ask ready >/dev/null
	for n in 1 1000 16384 65536 262144; do
		check "guest to guest, $n bytes a write" inside_sockets connect vsock:3:2000 \
			mirror $((n < 100 ? 1000 : 3000000)) "$n"
	done
	for n in 100 60000; do
		check "messages of $n bytes, guest to guest" inside_sockets connect +vsock:3:2001 \
			mirror $((n * 20)) "$n"
	done
	is 'a port where nobody listens' "$(inside_sockets connect vsock:3:2999 sink)" "$RESET"
	is 'a guest of another group' "$(inside_sockets connect vsock:5:2000 sink)" "$RESET"
	ask sent >/dev/null
	is 'a guest that was killed' "$(inside_sockets connect vsock:3:2000 sink)" "$RESET"
}

stranger()
{
	ask ready >/dev/null
	is 'a guest of another group' "$(inside_sockets connect vsock:3:2000 sink)" "$RESET"
}

again()
{
	is 'its driver' "$(virtio_device vmw_vsock_virtio_transport)" virtio0
}

RESET='ConnectionResetError: [Errno 104] Connection reset by peer'
