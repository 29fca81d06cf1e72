#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Unbinding resets the device with a buffer outstanding; each bind after that
# has to find it as new.

inside()
{
	local dev i

	dev=$(virtio_device virtio_rng)
	for i in 1 2 3 4 5 6 7 8 9 10; do
		is "round $i" "$(head -c 4096 /dev/hwrng | wc -c)" 4096
		echo "$dev" >/sys/bus/virtio/drivers/virtio_rng/unbind
		check "unbound $i" test ! -e "/sys/bus/virtio/devices/$dev/driver"
		echo "$dev" >/sys/bus/virtio/drivers/virtio_rng/bind
		check "bound $i" within 2 test -e "/sys/bus/virtio/devices/$dev/driver"
	done
	is 'after the last' "$(head -c 4096 /dev/hwrng | wc -c)" 4096
}
