#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# A chain: our simulated adapter outside gives the kernel one that does plain
# I2C by its own driver. Inside, our program serves that one by I2C_RDWR to
# probe. So groups, empty messages, long ones and failures pass a real i2c-dev.
roles=uml

outside()
{
	daemon d i2c -l s0:0x50:0x20:0x33/nak=1:0x52
	guest g "i2c:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

inside()
{
	local name text

	check 'the adapter' within 2 test -c /dev/i2c-0
	name=$(cat /sys/bus/i2c/devices/i2c-0/name)
	note "$name"
	"$VHOST_DEVICE" i2c -s "$PWD/i" -l "\"$name\":0x50-0x51:0x21=0x20:0x33:0x52/ro" \
		--capture "$PWD/captured" 2>errors &
	check 'the socket' within 5 test -S i0
	is 'clients' "$(probe scan)" '0x21 0x33 0x50 0x52'
	transfers
	failures
	tools
	replay
	refused
	kill %1
	wait %1
	is 'exit status' "$?" 0
	is 'errors' "$(cat errors)" ''
}

# The values of a list, or the line of a failure.
probe()
{
	"$VHOST_DEVICE" probe i2c "$PWD/i0" "$@" 2>&1 | sed -n 's/^ *- //p; /failed/p' |
		tr '\n' ' ' | sed 's/ $//'
}

contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }

tool() { /bin/busybox "$@" 2>/dev/null; }

transfers()
{
	is 'write' "$(probe transfer w3@0x50 0x10 0x41 0x42)" ''
	is 'read after a repeated start' "$(probe transfer w1@0x50 0x10 r2)" '41 42'
	is 'two clients in one transfer' \
		"$(probe transfer w3@0x21 8 0x11 0x22 w1@0x50 0x10 r2 w1@0x21 8 r2)" '41 42 11 22'
	is 'quick' "$(probe transfer w0@0x50)" ''
	is 'a long read' "$(probe transfer r8192@0x21 | wc -w)" 8192
}

failures()
{
	check 'a client that is not there' contains "$(probe transfer r1@0x51)" failed
	check 'one that stops to answer' contains "$(probe transfer w2@0x33 1 2)" failed
	check 'a failure in the middle' contains "$(probe transfer r1@0x50 w2@0x33 1 2 r1@0x50)" \
		failed
	check 'one that is not listed' contains "$(probe transfer r1@0x20)" failed
	check 'a write where reads are allowed' contains "$(probe transfer w2@0x52 0 1)" failed
	is 'the next transfer' "$(probe transfer w1@0x50 0x10 r2)" '41 42'
}

# What the guest of the inner daemon wrote is what the kernel's tools find.
tools()
{
	is 'the tools see the same' "$(tool i2ctransfer -y 0 w1@0x50 0x10 r2)" '0x41 0x42'
	check 'and write' tool i2cset -y 0 0x50 0x11 0x77
	is 'for the guest' "$(probe transfer w1@0x50 0x11 r1)" 77
}

# The last captured transfer, done again by the tool that the line is for.
replay()
{
	local line

	line=$(tail -n 1 captured)
	is 'a captured transfer' "$line" 'i2ctransfer -y 0 w1@0x50 0x11 r1@0x50 # 0x77'
	is 'and again' "$(eval "/bin/busybox $line")" 0x77
}

refused()
{
	local text

	text=$("$VHOST_DEVICE" i2c -s "$PWD/j" -l 0:0x150/ten 2>&1)
	is '10-bit addresses, which it has not' "$?" 1
	check 'says so' contains "$text" '10-bit'
}
