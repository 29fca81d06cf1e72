#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The guest sleeps (S3), so that nobody serves its queues. Its alarm goes off
# on the host, QEMU is told to wake it, and the driver hears of the alarm then.
roles=qemu
qemu=newest

outside()
{
	QEMU="$QEMU -qmp unix:$W/wake.qmp,server=on,wait=off"
	daemon d rtc --tai-offset 37 --wake-guest "$W/wake.qmp"
	guest g "rtc:$W/d.sock"
	wait_guest g
	stop_daemon d
	check 'QEMU saw it sleep' grep -q '"SUSPEND"' "$W/g.qmp"
	check 'and wake' grep -q '"WAKEUP"' "$W/g.qmp"
	is 'complaints' "$(grep wake-guest "$W/d.log")" ''
}

inside()
{
	local rtc before

	rtc=$(rtc_folder)
	check 'the RTC' test -n "$rtc"
	before=$(cat "$rtc/since_epoch")
	echo +6 >"$rtc/wakealarm"
	check 'sleep' sleep_and_wake
	check "it slept for $(($(cat "$rtc/since_epoch") - before)) s" \
		test $(($(cat "$rtc/since_epoch") - before)) -ge 6
	check 'the alarm came' within 10 went_off "$rtc"
	echo +3 >"$rtc/wakealarm"
	check 'the next one comes' within 20 went_off "$rtc"
}

rtc_folder()
{
	local name

	for name in /sys/class/rtc/rtc*/name; do
		grep -q virtio "$name" && echo "${name%/name}"
	done
}

went_off() { [ -z "$(cat "$1/wakealarm")" ]; }

sleep_and_wake() { echo mem >/sys/power/state; }
