#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Packed rings of four entries, and two processors that use one bus at once:
# every process finds in its registers what it wrote.
roles=qemu

outside()
{
	daemon d i2c -l s0:0x20-0x23
	guest g --smp 2 --with ,packed=on "i2c:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

inside()
{
	local client

	check 'packed rings are negotiated' feature "$(virtio_device i2c_virtio)" 34
	for client in 20 21 22 23; do
		use "$client" >"used$client" &
	done
	wait
	is 'right answers' "$(cat used20 used21 used22 used23 | tr '\n' ' ')" '50 50 50 50 '
}

# Of the only adapter.
use()
{
	local i=0 right=0 want

	while [ $i -lt 50 ]; do
		want=$(printf '0x%s 0x%02x' "$1" $i)
		/bin/busybox i2ctransfer -y 0 "w3@0x$1" 0 "0x$1" "$i"
		[ "$(/bin/busybox i2ctransfer -y 0 "w1@0x$1" 0 r2)" = "$want" ] && right=$((right + 1))
		i=$((i + 1))
	done
	echo $right
}
