#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The bench's second role: a host with hardware. What stands in for hardware
# can be made in there, and our program starts beside it.
roles=uml

outside()
{
	guest g
	wait_guest g
}

inside()
{
	local chip=/sys/kernel/config/gpio-sim/chip

	mount -t configfs configfs /sys/kernel/config
	mkdir -p $chip/bank0
	echo 8 >$chip/bank0/num_lines
	echo 1 >$chip/live
	check 'gpio-sim' within 1 test -c /dev/gpiochip0

	insmod "$VD_MODULES/i2c-stub.ko" chip_addr=0x50
	check 'i2c-stub' within 1 test -c /dev/i2c-0

	/bin/busybox ip link add vcan0 type vcan && /bin/busybox ip link set vcan0 up
	check 'vcan' test -d /sys/class/net/vcan0

	check 'uinput' test -c /dev/uinput
	check 'sound cards' grep -q Loopback /proc/asound/cards
	check 'vhost-vsock' test -c /dev/vhost-vsock
	check 'vdpa simulator' test -d /sys/bus/vdpa

	check 'our program' "$VHOST_DEVICE" --version
}
