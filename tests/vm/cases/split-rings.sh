#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Split rings: Linux takes packed ones wherever they are offered, so the
# daemons are told to offer split ones only.

outside()
{
	daemon r rng --no-packed
	daemon i i2c -l s0:0x20 --no-packed
	guest g "rng:$W/r.sock0" "i2c:$W/i.sock0"
	wait_guest g
	stop_daemon r
	stop_daemon i
}

inside()
{
	local i=0 right=0

	check 'rng has no packed ring' packed_is_off virtio_rng
	check 'i2c has no packed ring' packed_is_off i2c_virtio
	is 'bytes read' "$(head -c 65536 /dev/hwrng | wc -c)" 65536
	while [ $i -lt 50 ]; do
		/bin/busybox i2ctransfer -y 0 w3@0x20 0 0x12 "$i"
		[ "$(/bin/busybox i2ctransfer -y 0 w1@0x20 0 r2)" = "$(printf '0x12 0x%02x' $i)" ] &&
			right=$((right + 1))
		i=$((i + 1))
	done
	is 'right answers' "$right" 50
}

packed_is_off() { ! feature "$(virtio_device "$1")" 34; }
