#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# Lines behind vhost-user-gpio-pci: values both ways and an interrupt for each
# edge, with two processors at once, by what the kernel shows in /sys and /proc.
# Two processes turn a pair of wired lines each.
roles=qemu
layouts='packed split'

outside()
{
	daemon d gpio --edges count --control "$W/ctl" \
		--device-list 's8[0/wire=1,1,2/wire=3,3,4/active-low,5-7]'
	guest g --smp 2 "gpio:$W/d.sock0"
	await g looks
	check 'drive' "$VHOST_DEVICE" control "$W/ctl" drive 5 1
	tell g driven
	wait_guest g
	stop_daemon d
}

# Where line N is, once it is taken.
at() { echo "/sys/class/gpio/gpio$((base + $1))"; }

take()
{
	echo $((base + $1)) >/sys/class/gpio/export
	echo "$2" >"$(at "$1")/direction"
}

put() { echo "$2" >"$(at "$1")/value"; }
get() { cat "$(at "$1")/value"; }

# Of a line, in both processors.
interrupts() { awk -v n="$1" '$NF == "gpiolib" && $(NF - 1) == n { print $2 + $3 }' /proc/interrupts; }

has_had() { [ "$(interrupts "$1")" = "$2" ]; }

inside()
{
	local base pair

	check 'the driver is bound' test -n "$(virtio_device gpio_virtio)"
	base=$(cat /sys/class/gpio/gpiochip*/base)
	note "$(cat /sys/class/gpio/gpiochip*/label) begins at $base"
	for pair in 0 2; do
		take $pair out
		take $((pair + 1)) in
		echo both >"$(at $((pair + 1)))/edge"
	done
	for pair in 0 2; do
		turn $pair >"turned$pair" &
	done
	wait
	is 'right values' "$(cat turned0 turned2 | tr '\n' ' ')" '100 100 '
	# All but the first were changes.
	check 'an interrupt for each edge' within 20 has_had 1 99
	check 'and on the other pair' within 20 has_had 3 99
	echo rising >"$(at 1)/edge"
	is 'right values again' "$(turn 0)" 100
	check 'one for each that rises' within 20 has_had 1 149
	take 5 in
	is 'a line that nobody drives' "$(get 5)" 0
	is 'the other half' "$(ask looks)" driven
	is 'a line that is driven from outside' "$(get 5)" 1
}

turn()
{
	local i=0 right=0

	while [ $i -lt 100 ]; do
		put "$1" $((i & 1))
		[ "$(get $(($1 + 1)))" = $((i & 1)) ] && right=$((right + 1))
		i=$((i + 1))
	done
	echo $right
}
