#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# A consumer inside the kernel, as a driver of a lamp or of a key is: it takes
# lines by name, drives them, asks for their direction and counts interrupts,
# for which it sets no direction through the character device.
roles=uml

outside()
{
	daemon d gpio --edges count --device-list 's8[0/name=lamp/wire=1,1/name=key,2-7]'
	guest g "gpio:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

conf=/sys/kernel/config/gpio-virtuser/consumer
files=

# take NAME N: a line of the consumer, as its Nth.
take()
{
	mkdir -p "$conf/line/$2"
	echo "$1" >"$conf/line/$2/key"
	echo -1 >"$conf/line/$2/offset"
}

file() { echo "$files/gpiod:line:$1/$2"; }
# The value of a file, without what follows it.
get() { tr -d '\0\n' <"$(file "$1" "$2")"; }
counted() { [ "$(get 1 interrupts)" = "$1" ]; }
put() { echo "$3" >"$(file "$1" "$2")"; }

inside()
{
	local i=0

	mount -t configfs configfs /sys/kernel/config
	mount -t debugfs debugfs /sys/kernel/debug
	take lamp 0
	take key 1
	check 'the consumer has its lines' eval "echo 1 >$conf/live"
	files=/sys/kernel/debug/gpio-virtuser/$(cat $conf/dev_name)
	check 'files of both' test -e "$(file 1 value)"

	put 1 direction input
	put 0 direction output-high
	is 'direction of an output' "$(get 0 direction)" output
	is 'direction of an input' "$(get 1 direction)" input
	is 'a value through the wire' "$(get 1 value)" 1
	put 0 value 0
	is 'and the other one' "$(get 1 value)" 0
	put 0 direction input
	is 'an output that became an input' "$(get 0 direction)" input
	put 0 direction output-low

	# Written to it is the request for the interrupt, both edges; read it is their number.
	put 1 interrupts 1
	while [ $i -lt 10 ]; do
		put 0 value 1
		put 0 value 0
		i=$((i + 1))
	done
	check 'no interrupt is lost' within 2 counted 20
	put 1 interrupts 0
	put 0 value 1
	is 'lines in use' "$(gpioinfo -c gpiochip0 | grep -c 'consumer=')" 2
	echo 0 >$conf/live
	is 'lines in use after that' "$(gpioinfo -c gpiochip0 | grep -c 'consumer=')" 0
	is 'complaints of the kernel' "$(dmesg | grep -c -e 'gpio.*fail' -e WARNING)" 0
}
