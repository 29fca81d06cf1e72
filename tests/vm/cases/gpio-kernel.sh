#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC2154
#
# The helper of the kernel's own gpio tests: it holds a line until it is killed, and
# tells a value by its exit status.
roles=uml

outside()
{
	local bin
	command -v gpiodetect >/dev/null || { note 'the tools of libgpiod are missing'; exit 77; }
	bin=$("$TESTS/../setup/kernel-tests") || { note "the kernel's tests are missing"; exit 77; }
	daemon d gpio --device-list 's4[0/wire=1,1,2-3]'
	guest g "gpio:$W/d.sock0"
	await g ready
	tell g "$bin"
	wait_guest g
	stop_daemon d
}

# holds WANTED FLAG...: what line 1 has while line 0 is held with these flags.
holds()
{
	local wanted=$1 holder
	shift

	"$bin/gpio-mockup-cdev" "$@" "$chip" 0 &
	holder=$!
	check "line 1, line 0 held with $*" within 5 input_is "$wanted"
	kill $holder
	wait $holder
}

input_is()
{
	"$bin/gpio-mockup-cdev" "$chip" 1
	[ $? = "$1" ]
}

inside()
{
	local bin chip

	bin=$(ask ready)
	chip=$(gpiodetect | sed -n 's/^\(gpiochip[0-9]*\) .*(4 lines).*/\/dev\/\1/p')
	holds 1 -s 1
	holds 0 -s 0
	holds 0 -l -s 1
	holds 1 -l -s 0
	check 'a line that is not there' refused 9
}

refused() { ! "$bin/gpio-mockup-cdev" "$chip" "$1" 2>/dev/null; }
