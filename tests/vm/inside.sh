#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=dash disable=SC3045
#
# What the inside half of a case may call, besides the commands of busybox
# and, under UML, of the machine. File descriptor 3 leads to the other half.

note() { echo "# $*" >&3; }
fail() { echo "not ok $*" >&3; }

# check TEXT COMMAND...: COMMAND must succeed.
check()
{
	local text="$1"
	shift
	if "$@"; then
		echo "ok $text" >&3
	else
		echo "not ok $text: $*" >&3
	fi
}

# is TEXT GOT WANTED
is()
{
	if [ "$2" = "$3" ]; then
		echo "ok $1" >&3
	else
		echo "not ok $1: got '$2', wanted '$3'" >&3
	fi
}

# mark NAME: the outside half may be waiting for it.
mark() { echo "mark $*" >&3; }

# ask NAME: tell the outside half, and print the line it answers with.
ask()
{
	local answer
	mark "$*"
	read -r -t "${ASK_LIMIT:-120}" answer <&3 || answer=
	echo "$answer"
}

# within SECONDS COMMAND...: try until it succeeds; not less than 20 s, as the machine
# may be busy.
within()
{
	local tries=$((($1 > 20 ? $1 : 20) * 20))
	shift
	while [ $tries -gt 0 ]; do
		"$@" && return 0
		sleep 0.05
		tries=$((tries - 1))
	done
	note "waited in vain: $*"
	return 1
}

# ended PID: a child of the shell, which may not have noticed.
ended() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# input_node NAME: the node of the input device of this name.
input_node()
{
	local name

	for name in /sys/class/input/event*/device/name; do
		[ "$(cat "$name")" = "$1" ] || continue
		name=${name#/sys/class/input/}
		echo "/dev/input/${name%%/*}"
	done
}

# virtio_device DRIVER: the name (virtioN) of its first device.
virtio_device()
{
	local d
	for d in /sys/bus/virtio/drivers/"$1"/virtio*; do
		[ -e "$d" ] || return 1
		echo "${d##*/}"
		return 0
	done
}

# Do all devices use the rings that this run of the case is about?
right_layout()
{
	local device want=1

	[ "$VD_LAYOUT" = any ] && return
	[ "$VD_LAYOUT" = split ] && want=0
	for device in /sys/bus/virtio/devices/*; do
		is "packed rings of ${device##*/}" "$(cut -c35 "$device/features")" $want
	done
}

# feature DEVICE BIT: was it negotiated?
feature()
{
	[ "$(cut -c$(($2 + 1)) "/sys/bus/virtio/devices/$1/features")" = 1 ]
}
