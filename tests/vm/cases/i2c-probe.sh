#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The kernel's own driver and the usual tools, on simulated clients: scans,
# every SMBus operation, groups of messages, failures in between.

outside()
{
	daemon d i2c -l s0:0x50:0x20:0x31=0x21/block:0x33/nak=1
	guest g "i2c:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

inside()
{
	local dev bus

	dev=$(virtio_device i2c_virtio)
	check 'the driver is bound' test -n "$dev"
	check 'ZERO_LENGTH_REQUEST is negotiated' feature "$dev" 0
	bus=$(bus_number)
	check 'the adapter' test -c "/dev/i2c-$bus"
	note "$(cat "/sys/bus/i2c/devices/i2c-$bus/name")"
	scans
	operations
	messages
}

bus_number()
{
	local name

	for name in /sys/bus/i2c/devices/i2c-*/name; do
		grep -q i2c_virtio "$name" || continue
		name=${name%/name}
		echo "${name##*/i2c-}"
	done
}

tool() { /bin/busybox "$@" 2>/dev/null; }

found() { tool i2cdetect -y "$1" "$bus" | sed '1d; s/^..:\(.*\)/\1/' | tr ' ' '\n' |
	grep -v -e -- -e '^$' | tr '\n' ' '; }

scans()
{
	is 'clients that answer a read' "$(found -r)" '20 31 33 50 '
	is 'clients that answer quick' "$(found -q)" '20 31 33 50 '
}

operations()
{
	check 'write byte data' tool i2cset -y "$bus" 0x50 0x10 0x42
	is 'read byte data' "$(tool i2cget -y "$bus" 0x50 0x10 b)" 0x42
	check 'write word data' tool i2cset -y "$bus" 0x20 0x08 0x1234 w
	is 'read word data' "$(tool i2cget -y "$bus" 0x20 0x08 w)" 0x1234
	check 'send byte' tool i2cset -y "$bus" 0x20 0x09
	is 'receive byte' "$(tool i2cget -y "$bus" 0x20)" 0x12
	check 'write block' tool i2cset -y "$bus" 0x31 0x05 1 2 3 s
	is 'what the block became' "$(tool i2ctransfer -y "$bus" w1@0x31 5 r4)" '0x03 0x01 0x02 0x03'
	check 'write I2C block' tool i2cset -y "$bus" 0x20 0x40 9 8 7 i
	is 'what that became' "$(tool i2ctransfer -y "$bus" w1@0x20 0x40 r3)" '0x09 0x08 0x07'
	is 'bytes of a dump' "$(tool i2cdump -y "$bus" 0x20 b | grep -c '^.0: ')" 16
}

# Four are what fits into the ring of QEMU.
messages()
{
	is 'four messages in one transfer' \
		"$(tool i2ctransfer -y "$bus" w1@0x50 0x10 r1 w1@0x20 0x08 r2 | tr '\n' ' ')" \
		'0x42 0x34 0x12 '
	is 'a client that is not there' "$(tool i2cget -y "$bus" 0x51 || echo failed)" failed
	is 'bytes of it' "$(tool i2ctransfer -y "$bus" r1@0x51)" ''
	is 'bytes with a failure in the middle' \
		"$(tool i2ctransfer -y "$bus" r1@0x20 r2@0x33 r1@0x20)" ''
	is 'the next transfer' "$(tool i2ctransfer -y "$bus" w1@0x50 0x10 r1)" 0x42
	is 'bytes of a long read' "$(tool i2ctransfer -y "$bus" r8192@0x20 | wc -w)" 8192
}
