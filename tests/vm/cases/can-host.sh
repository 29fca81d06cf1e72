#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086
#
# A host with a virtual CAN interface: our program in front of it, its own
# probe as the driver, can-utils as the other nodes. Late acknowledgement, a
# neighbour on the same interface, error frames, an interface that goes down,
# away and comes back, and a bus that is bridged to it.
roles=uml

outside()
{
	command -v candump >/dev/null || { note 'the tools of can-utils are missing'; exit 77; }
	guest g
	wait_guest g
}

ip() { /sbin/ip "$@"; }

contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }

probe() { "$VHOST_DEVICE" probe can "$PWD/$1" "$2" $3 2>&1 | tr -s ' '; }

# State of a guest's controller.
state() { "$VHOST_DEVICE" control "$PWD/$1" show | sed -n '1s/.* //p'; }

is_state() { [ "$(state "$1")" = "$2" ]; }

count() { "$VHOST_DEVICE" control "$PWD/$1" show | sed -n "s/^$2 //p"; }

# expect SOCKET CONTROL COMMAND...: the frame that the guest gets when it runs.
expect()
{
	local socket=$1 control=$2

	shift 2
	probe "$socket" dump 1 >dumped &
	within 5 is_state "$control" started
	"$@" >sending 2>&1
	wait $!
	sed -n 's/^ *- //p' dumped
}

inside()
{
	local list

	list=$("$VHOST_DEVICE" can -s "$PWD/c" -d nothing 2>&1)
	is 'an interface that is not there' $? 1
	check 'says so' contains "$list" 'Could not find can devices: no interface nothing'
	list=$("$VHOST_DEVICE" can -s "$PWD/c" -d lo 2>&1)
	is 'an interface that is none of CAN' $? 1
	check 'says so' contains "$list" 'lo is no CAN interface'
	check 'the interface' ip link add dev vcan0 mtu 72 type vcan
	check 'up' ip link set vcan0 up
	"$VHOST_DEVICE" can -s "$PWD/c" -c 2 -d 'vcan0 vcan0' --control "$PWD/ctl" 2>errors &
	check 'the sockets' within 5 test -S c1
	frames
	bus_off
	interface
	kill %1
	wait %1
	is 'exit status' "$?" 0
	note "$(tr '\n' ' ' <errors)"
	classic
	bridge
}

frames()
{
	check 'late acknowledgement' contains "$(probe c0 info)" 'late ack: yes'
	candump -L vcan0 >seen &
	within 5 grep -q vcan0 /proc/net/can/rcvlist_all
	is 'frames sent' "$(probe c0 send '123#1122 12345678#R3 7FF##0AABB 001#')" 'sent: 4'
	within 5 test "$(wc -l <seen)" -ge 4
	is 'what the host saw' "$(sed 's/.* //; s/##4/##0/' seen | tr '\n' ' ')" \
		'123#1122 12345678#R3 7FF##0AABB 001# '
	is 'confirmed' "$(count ctl0 tx_frames)" 4
	is 'classic' "$(expect c0 ctl0 cansend vcan0 123#112233)" '123#112233'
	is 'FD' "$(expect c0 ctl0 cansend vcan0 12345678##1AABB)" '12345678##0AABB'
	is 'remote' "$(expect c0 ctl0 cansend vcan0 321#R7)" '321#R7'
	is 'of the other guest' "$(expect c0 ctl0 probe c1 send 456#99)" '456#99'
	is 'a thousand frames' "$(expect_many)" 1000
}

# Numbers in their first byte, in order.
expect_many()
{
	probe c0 dump 1000 >dumped &
	within 5 is_state ctl0 started
	cangen vcan0 -g 0 -I 100 -L 1 -D i -n 1000
	wait $!
	sed -n 's/^ *- 100#//p' dumped | awk '$1 == sprintf("%02X", (NR - 1) % 256) { n++ } END { print n }'
}

# An error frame such as a controller sends when it leaves the bus.
bus_off()
{
	probe c0 dump 1 >dumped &
	within 5 is_state ctl0 started
	cansend vcan0 20000040#0000000000000000
	check 'bus-off' within 5 is_state ctl0 bus-off
	kill $!
	wait $! 2>/dev/null
	is 'it can be started again' "$(expect c0 ctl0 cansend vcan0 001#)" '001#'
}

interface()
{
	probe c0 dump 1 >dumped &
	within 5 is_state ctl0 started
	ip link set vcan0 down
	check 'down is bus-off' within 5 is_state ctl0 bus-off
	kill $!
	wait $! 2>/dev/null
	check 'frames fail' contains "$(probe c0 send 001#)" 'did not send'
	ip link set vcan0 up
	is 'up again: sent' "$(probe c0 send 001#)" 'sent: 1'
	is 'up again: received' "$(expect c0 ctl0 cansend vcan0 002#)" '002#'
	ip link del vcan0
	check 'gone: frames fail' contains "$(probe c0 send 001#)" 'did not send'
	ip link add dev vcan0 type vcan
	ip link set vcan0 up
	is 'a new one: sent' "$(probe c0 send 001#)" 'sent: 1'
	is 'a new one: received' "$(expect c0 ctl0 cansend vcan0 003#)" '003#'
}

classic()
{
	ip link set vcan0 down
	ip link set vcan0 mtu 16
	ip link set vcan0 up
	"$VHOST_DEVICE" can -s "$PWD/k" -d vcan0 --control "$PWD/kctl" &
	check 'the socket' within 5 test -S k0
	check 'no FD on a classic interface' contains "$(probe k0 info)" 'fd: no'
	is 'classic frames there' "$(expect k0 kctl cansend vcan0 003#05)" '003#05'
	kill $!
	wait $!
	ip link set vcan0 down
	ip link set vcan0 mtu 72
	ip link set vcan0 up
}

logged() { sed -n "s/.* $1: bus:t \([^ ]*#.*\)/\1/p" logged | tr '\n' ' '; }

bridge()
{
	"$VHOST_DEVICE" can -s "$PWD/b" -c 2 -d 'bus:t+vcan0 bus:t' --control "$PWD/bctl" \
		--log-level trace 2>logged &
	check 'the sockets' within 5 test -S b1
	is 'from the host to a guest' "$(expect b1 bctl1 cansend vcan0 123#77)" '123#77'
	is 'between guests' "$(expect b1 bctl1 probe b0 send 124#78)" '124#78'
	candump -L vcan0 >seen &
	within 5 grep -q vcan0 /proc/net/can/rcvlist_all
	is 'from a guest' "$(probe b1 send 125#79)" 'sent: 1'
	check 'to the host' within 5 grep -q '125#79' seen
	is 'once' "$(wc -l <seen)" 1
	is 'frames of one guest in the log' "$(logged can1)" \
		'123#77 received 124#78 received 125#79 sent '
	is 'and of the other' "$(logged can0)" '124#78 sent '
}
