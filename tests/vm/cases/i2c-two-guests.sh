#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Two guests, each with its own list, on one adapter: one waits for a slow
# client and is killed meanwhile, the other finds its own clients and no more.
# What the first one wrote is there for the next guest on its socket.
roles=uml

outside()
{
	daemon d i2c -c 2 -l s0:0x20:0x21/slow=400 -l s0:0x50:0x51=0x20/ro
	guest a --half writer "i2c:$W/d.sock0"
	await a wrote
	guest b --half neighbour "i2c:$W/d.sock1"
	await b looked
	kill_guest a
	tell b killed
	wait_guest b
	guest c --half rebinder "i2c:$W/d.sock0"
	wait_guest c
	stop_daemon d
}

tool() { /bin/busybox "$@" 2>/dev/null; }

writer()
{
	check 'write' tool i2cset -y 0 0x20 0x07 0x77
	(while :; do tool i2cget -y 0 0x21 0 b; done) >/dev/null &
	mark wrote
	wait
}

neighbour()
{
	is 'what the other guest wrote' "$(tool i2cget -y 0 0x51 0x07 b)" 0x77
	is 'writing there' "$(tool i2cset -y 0 0x51 0x07 0x11 || echo refused)" refused
	is 'a client of the other guest' "$(tool i2cget -y 0 0x20 0x07 b || echo refused)" refused
	is 'the other guest' "$(ask looked)" killed
	check 'write after that' tool i2cset -y 0 0x50 0x01 0x02
	is 'read after that' "$(tool i2cget -y 0 0x50 0x01 b)" 0x02
}

rebinder()
{
	local dev driver=/sys/bus/virtio/drivers/i2c_virtio

	dev=$(virtio_device i2c_virtio)
	is 'what an earlier guest wrote' "$(tool i2cget -y 0 0x20 0x07 b)" 0x77
	echo "$dev" >$driver/unbind
	check 'the adapter is gone' test ! -e /sys/bus/i2c/devices/i2c-0
	echo "$dev" >$driver/bind
	check 'the adapter is there again' within 2 test -e /sys/bus/i2c/devices/i2c-0
	is 'read after that' "$(tool i2cget -y 0 0x20 0x07 b)" 0x77
}
