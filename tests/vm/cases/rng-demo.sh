#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# What quickstart shows: the device as a guest sees it, and its speed.

inside()
{
	local begin end source

	check 'the driver is bound' test -n "$(virtio_device virtio_rng)"
	note "$(uname -sr)"
	source=$(cat /sys/class/misc/hw_random/rng_current)
	check 'it feeds /dev/hwrng' expr "$source" : virtio_rng
	note "current source: $source"
	begin=$(cut -d' ' -f1 /proc/uptime)
	is 'bytes read' "$(dd if=/dev/hwrng bs=4096 count=64 2>/dev/null | wc -c)" 262144
	end=$(cut -d' ' -f1 /proc/uptime)
	echo "$begin $end" | awk '{ s = $2 - $1; if (s < 0.01) s = 0.01
		printf "# 262144 bytes in %.2f s, %.0f KiB/s\n", s, 256 / s }' >&3
}
