#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Over PCI, with packed rings and two processors: the clock, alarms, and an
# alarm whose time comes while QEMU has stopped the guest and its queues.
roles=qemu
qemu=newest

outside()
{
	daemon d rtc --tai-offset 37
	guest g --smp 2 --with ,packed=on "rtc:$W/d.sock"
	await g clocks
	tell g "$(date +%s)"
	await g armed
	pause_guest g
	sleep 6
	resume_guest g
	tell g resumed
	wait_guest g
	stop_daemon d
}

inside()
{
	local dev rtc now

	dev=$(virtio_device virtio_rtc)
	check 'the driver is bound' test -n "$dev"
	check 'ALARM is negotiated' feature "$dev" 0
	check 'packed rings are negotiated' feature "$dev" 34
	is 'PTP clocks' "$(cat /sys/class/ptp/ptp*/clock_name | grep ^Virtio | sort | tr '\n' ' ')" \
		'Virtio PTP type 1/variant 0 Virtio PTP type 2/variant 0 Virtio PTP type 3/variant 0 '
	rtc=$(rtc_folder)
	now=$(ask clocks)
	check "the clock, $(cat "$rtc/since_epoch"), and the host's, $now" near "$rtc" "$now"
	goes_off "$rtc" 'an alarm'
	goes_off "$rtc" 'another one'
	stopped "$rtc"
	goes_off "$rtc" 'one after that'
}

rtc_folder()
{
	local name

	for name in /sys/class/rtc/rtc*/name; do
		grep -q virtio "$name" && echo "${name%/name}"
	done
}

near()
{
	local seconds

	seconds=$(cat "$1/since_epoch")
	[ "$seconds" -ge "$2" ] && [ "$seconds" -le $(($2 + 20)) ]
}

set_alarm()
{
	echo 0 >"$1/wakealarm"
	echo "+$2" >"$1/wakealarm"
	waits "$1"
}

# The kernel keeps it until the device has told that its time has come.
waits() { [ -n "$(cat "$1/wakealarm")" ]; }
went_off() { ! waits "$1"; }

goes_off()
{
	check "$2 is set" set_alarm "$1" 4
	check "$2 goes off" within 20 went_off "$1"
}

stopped()
{
	check 'an alarm is set' set_alarm "$1" 4
	is 'the guest' "$(ask armed)" resumed
	check 'it goes off when the guest runs again' within 10 went_off "$1"
}
