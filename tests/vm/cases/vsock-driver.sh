#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The driver finds the device, in QEMU as well: rings, config space, features.
roles='uml qemu'

outside()
{
	plain_daemon d vsock --socket "$W/d.sock" --guest-cid 42 --uds-path "$W/u"
	guest g "vsock:$W/d.sock"
	wait_guest g
	stop_daemon d
}

inside()
{
	local dev

	dev=$(virtio_device vmw_vsock_virtio_transport)
	check 'the driver is bound' test -n "$dev"
	check 'VERSION_1 is negotiated' feature "$dev" 32
	check 'its socket family' grep -q VSOCK /proc/net/protocols
	note "features $(cat "/sys/bus/virtio/devices/$dev/features")"
}
