#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# No driver of Linux wants it, so this is what can be seen: the kernel connects,
# finds a virtio device of the id it was told, and leaves it be. In the guest's
# user space probe is the driver, and moves requests through rings of both
# layouts. QEMU has a device of any id from 10.2 on only.
roles=uml

outside()
{
	daemon d template --log-level info
	guest g "template:$W/d.sock"
	wait_guest g
	check 'the kernel connected' grep -q 'session began' "$W/d.log"
	stop_daemon d
}

inside()
{
	local dev=/sys/bus/virtio/devices/virtio0

	is 'its id' "$(cat $dev/device)" 0x002a
	check 'its alias' grep -q '^virtio:d0000002Av' $dev/modalias
	is 'its status' "$(cat $dev/status)" 0x00000001
	check 'nobody drives it' test ! -e $dev/driver
	rings
}

probe() { "$VHOST_DEVICE" probe "$@" 2>&1; }

rings()
{
	local layout text=0123456789abcdef

	mkfifo ready
	"$VHOST_DEVICE" template --socket-path /run/t --ready-fd 9 9<>ready >>log 2>&1 &
	read -r _ <>ready
	for layout in '' --packed; do
		# shellcheck disable=SC2086
		is "echo on rings ${layout#--}" "$(probe $layout template /run/t echo $text)" \
			"answer:                $text"
	done
	check 'its config counts requests' probe_says 'requests: *2'
	check 'and knows the last length' probe_says 'last length: *16'
	check 'it is taken for what it is' probe_says 'device: *template'
	kill $!
	wait $!
	is 'status of the daemon' $? 0
}

probe_says() { probe --id template /run/t | grep -q "$1"; }
