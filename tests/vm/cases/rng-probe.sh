#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The kernel's own driver finds the device and reads from it.

inside()
{
	local dev

	dev=$(virtio_device virtio_rng)
	check 'the driver is bound' test -n "$dev"
	is 'the current source' "$(cat /sys/class/misc/hw_random/rng_current)" virtio_rng.0
	check 'VERSION_1 is negotiated' feature "$dev" 32
	note "features $(cat "/sys/bus/virtio/devices/$dev/features")"
	is 'bytes read' "$(head -c 65536 /dev/hwrng | wc -c)" 65536
	is 'two readings that differ' "$(differ && echo yes)" yes
}

differ()
{
	[ "$(head -c 64 /dev/hwrng | sha256sum)" != "$(head -c 64 /dev/hwrng | sha256sum)" ]
}
