#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The driver finds the device: names and the direction of each line are read
# while it binds. Both front ends pass on every feature, so the rings are packed;
# split ones are driven by probe, in tests/integration.
roles='uml qemu'

outside()
{
	daemon d gpio --socket-count 2 --device-list s64:s8
	guest a "gpio:$W/d.sock0"
	guest b "gpio:$W/d.sock1"
	wait_guest a
	wait_guest b
	stop_daemon d
}

inside()
{
	local dev chip

	dev=$(virtio_device gpio_virtio)
	check 'the driver is bound' test -n "$dev"
	check 'interrupts are negotiated' feature "$dev" 0
	check 'VERSION_1 is negotiated' feature "$dev" 32
	check 'packed rings are negotiated' feature "$dev" 34
	note "features $(cat "/sys/bus/virtio/devices/$dev/features")"
	check 'a chip' within 2 test -c /dev/gpiochip0
	is 'complaints' "$(dmesg | grep -c -e 'gpio.*fail' -e 'name collision')" 0
}
