#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Control: the original vhost-device-vsock serves a guest on this bench. When a
# test of ours fails and this one passes, the bench is not to blame.

outside()
{
	local upstream
	upstream=$("$TESTS/../setup/upstream-vsock") || { fail "no upstream daemon"; return; }
	# shellcheck disable=SC2086
	other_daemon d "$W/v.sock" $upstream --socket "$W/v.sock" --uds-path "$W/v.uds" --guest-cid 5
	guest g "vsock:$W/v.sock"
	wait_guest g
	kill_daemon d
}

inside()
{
	is 'the driver' "$(virtio_device vmw_vsock_virtio_transport)" virtio0
	check 'its socket family' grep -q VSOCK /proc/net/protocols
}
