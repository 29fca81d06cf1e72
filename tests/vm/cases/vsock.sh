#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The kernel's own sockets between guest and host, both ways and at once, with
# checksums: writes of all sizes, half-closed connections, messages, refusals.
roles=uml
layouts='packed split'

sockets() { python3 "$TESTS/sockets.py" "$@"; }

outside()
{
	local n
	daemon d vsock --guest-cid 5 --uds-path "$W/u"
	sockets listen "unix:$W/u_1000" echo 5 >"$W/echo.log" &
	sockets listen "+unix:$W/u_1001" echo 2 >"$W/messages.log" &
	within 5 grep -q ready "$W/echo.log"
	within 5 grep -q ready "$W/messages.log"
	guest g "vsock:$W/d.sock"
	await g listening
	for n in 1 100 1000 16384 65536 262144; do
		check "host to guest, $n bytes a write" sockets connect "hybrid:$W/u:2000" \
			mirror $((n < 1000 ? n * 500 : 3000000)) "$n"
	done
	check 'messages, host to guest' sockets connect "+hybrid:$W/u_seqpacket:2001" mirror 3000000 50000
	check 'a port where nobody listens' refused "hybrid:$W/u:2999"
	wait_guest g
	stop_daemon d
	is 'sockets left' "$(compgen -G "$W/u" "$W/u_seqpacket")" ''
}

refused() { ! sockets connect "$1" sink; }

inside()
{
	local n
	inside_sockets() { timeout 120 python3 "$VD_TESTS/sockets.py" "$@"; }

	is 'the driver' "$(virtio_device vmw_vsock_virtio_transport)" virtio0
	inside_sockets listen 'vsock:*:2000' echo 6 >/run/echo &
	inside_sockets listen '+vsock:*:2001' echo 1 >/run/messages &
	within 5 grep -q ready /run/echo
	within 5 grep -q ready /run/messages
	mark listening
	for n in 1 1000 16384 65536 262144; do
		check "guest to host, $n bytes a write" inside_sockets connect vsock:2:1000 \
			mirror $((n < 100 ? 1000 : 3000000)) "$n"
	done
	for n in 100 60000; do
		check "messages of $n bytes, guest to host" inside_sockets connect +vsock:2:1001 \
			mirror $((n * 20)) "$n"
	done
	is 'a port without a socket' "$(inside_sockets connect vsock:2:1999 sink)" \
		'ConnectionResetError: [Errno 104] Connection reset by peer'
	is 'a guest that is not there' "$(inside_sockets connect vsock:77:1000 sink)" \
		'ConnectionResetError: [Errno 104] Connection reset by peer'
	wait
}
