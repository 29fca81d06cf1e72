#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Packed rings, and several processors that read at once.
roles=qemu

outside()
{
	daemon d rng
	guest g --smp 2 --with ,packed=on "rng:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

inside()
{
	local dev reader

	dev=$(virtio_device virtio_rng)
	check 'packed rings are negotiated' feature "$dev" 34
	is 'processors' "$(grep -c ^processor /proc/cpuinfo)" 2
	for reader in 1 2 3 4; do
		(head -c 8192 /dev/hwrng | wc -c >"read$reader") &
	done
	wait
	is 'bytes read by four at once' "$(cat read1 read2 read3 read4 | tr '\n' ' ')" '8192 8192 8192 8192 '
}
