#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# A host whose adapter knows SMBus operations alone: the kernel's i2c-stub, our
# program in front of it, and its own probe as the driver.
roles=uml

outside()
{
	guest g
	wait_guest g
}

inside()
{
	local bus list

	# All operations, SMBus blocks too.
	insmod "$VD_MODULES/i2c-stub.ko" chip_addr=0x50,0x51 functionality=0x0fff0000
	check 'the adapter' within 2 test -c /dev/i2c-0
	bus=$(cat /sys/bus/i2c/devices/i2c-0/name)
	note "$bus"
	"$VHOST_DEVICE" i2c -s "$PWD/i" -l "\"$bus\":0x50:0x20=0x51:0x60/force" 2>errors &
	check 'the socket' within 5 test -S i0
	is 'clients' "$(probe scan)" '0x20 0x50 '
	operations
	list=$("$VHOST_DEVICE" i2c -s "$PWD/j" -l 7:0x50 2>&1)
	is 'an adapter that is not there' "$?" 1
	check 'says which' contains "$list" /dev/i2c-7
	list=$("$VHOST_DEVICE" i2c -s "$PWD/j" -l 0:0x50/ten 2>&1)
	is '10-bit addresses, which it has not' "$?" 1
	check 'says so' contains "$list" '10-bit'
	bound
	kill %1
	wait %1
	is 'exit status' "$?" 0
	is 'errors' "$(cat errors)" ''
	together
}

# Two guests at once, each with a client of its own at the same address.
together()
{
	"$VHOST_DEVICE" i2c -s "$PWD/t" -c 2 -l 0:0x20=0x50 -l 0:0x20=0x51/force 2>errors &
	daemon=$!
	check 'the sockets' within 5 test -S t1
	hammer 0 >right0 &
	hammered=$!
	hammer 1 >right1
	wait $hammered
	is 'right answers of each' "$(cat right0 right1 | tr '\n' ' ')" '20 20 '
	kill $daemon
	wait $daemon
	is 'exit status of that' "$?" 0
	is 'its errors' "$(cat errors)" ''
}

# Both use the same register: what the other wrote last must not be there.
hammer()
{
	local i=0 right=0 value

	while [ $i -lt 20 ]; do
		value=$((i * 2 + $1))
		"$VHOST_DEVICE" probe i2c "$PWD/t$1" transfer w2@0x20 0x10 $value >/dev/null
		"$VHOST_DEVICE" probe i2c "$PWD/t$1" transfer w1@0x20 0x10 r1 |
			grep -q "^ *- $(printf %02x $value)\$" && right=$((right + 1))
		i=$((i + 1))
	done
	echo $right
}

contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }

# The values of a list, or the line of a failure.
probe()
{
	"$VHOST_DEVICE" probe i2c "$PWD/i0" "$@" 2>&1 | sed -n 's/^ *- //p; /failed/p' | tr '\n' ' '
}

got() { probe transfer "$@" | sed 's/ $//'; }

operations()
{
	is 'write byte data' "$(got w2@0x50 0x10 0x42)" ''
	is 'read byte data' "$(got w1@0x50 0x10 r1)" 42
	is 'write word data' "$(got w3@0x50 0x20 0x34 0x12)" ''
	is 'read word data' "$(got w1@0x50 0x20 r2)" '34 12'
	is 'send byte' "$(got w1@0x50 0x20)" ''
	is 'receive byte' "$(got r1@0x50)" 34
	is 'write I2C block' "$(got w5@0x20 0x30 1 2 3 4)" ''
	is 'read I2C block' "$(got w1@0x20 0x30 r4)" '01 02 03 04'
	is 'quick' "$(got w0@0x50)" ''
	check 'a client that is not there' contains "$(got r1@0x60)" failed
	check 'one that is not listed' contains "$(got r1@0x51)" failed
	check 'messages that SMBus has not' contains "$(got w1@0x50 1 w1@0x50 2)" failed
	is 'the next transfer' "$(got w1@0x50 0x10 r1)" 42
}

# A driver of the host has the client: refused, but by force.
bound()
{
	local list

	echo dummy 0x51 >/sys/bus/i2c/devices/i2c-0/new_device || return
	[ -e /sys/bus/i2c/devices/0-0051/driver ] || { note 'no driver to bind'; return; }
	list=$("$VHOST_DEVICE" i2c -s "$PWD/j" -l 0:0x51 2>&1)
	is 'a client of a host driver' "$?" 1
	check 'says why' contains "$list" 'used by a driver of the host'
}
