#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
#
# The kernel's own test of SocketCAN filters, on our controller instead of vcan:
# what is sent has to come back to the sockets of the guest, or not.
roles=uml

outside()
{
	local bin
	bin=$("$TESTS/../setup/kernel-tests") || { note "the kernel's tests are missing"; exit 77; }
	daemon d can -d bus:t
	guest g "can:$W/d.sock0"
	await g ready
	tell g "$bin"
	wait_guest g
	stop_daemon d
}

inside()
{
	local bin

	bin=$(ask ready)
	check 'the interface' /sbin/ip link set can0 up type can
	check 'test_raw_filter' passes env CANIF=can0 "$bin/test_raw_filter"
	check 'sent by the device' [ "$(cat /sys/class/net/can0/statistics/tx_packets)" -gt 10 ]
	is 'errors' "$(cat /sys/class/net/can0/statistics/tx_errors)" 0
}

# What failed is told on the console.
passes() { "$@" >log 2>&1 || { cat log; return 1; }; }
