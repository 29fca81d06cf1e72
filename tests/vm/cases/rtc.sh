#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The kernel's own driver: every clock is a PTP clock, the smeared one /dev/rtcN
# too, with alarms as hwclock, rtcwake and rtctest of the kernel use them. The
# driver goes and comes back while an alarm waits.
roles=uml
layouts='packed split'

outside()
{
	daemon d rtc --tai-offset 37
	guest g "rtc:$W/d.sock"
	await g clocks
	tell g "$(date +%s.%N)"
	wait_guest g
	stop_daemon d
}

python() { /usr/bin/python3 -I "$@"; }

inside()
{
	local dev rtc

	dev=$(virtio_device virtio_rtc)
	check 'the driver is bound' test -n "$dev"
	check 'ALARM is negotiated' feature "$dev" 0
	rtc=$(rtc_name)
	check 'an RTC' test -c "/dev/$rtc"
	is 'PTP clocks' "$(cat /sys/class/ptp/ptp*/clock_name | grep ^Virtio | sort | tr '\n' ' ')" \
		'Virtio PTP type 1/variant 0 Virtio PTP type 2/variant 0 Virtio PTP type 3/variant 0 '
	clocks "$(ask clocks)" "$rtc"
	alarms "$rtc"
	rebind "$dev"
}

# Of the driver; UML has one of its own.
rtc_name()
{
	local name

	for name in /sys/class/rtc/rtc*/name; do
		grep -q virtio "$name" || continue
		name=${name%/name}
		echo "${name##*/}"
	done
}

# By their types: /dev/ptpN
ptp_name()
{
	local name

	for name in /sys/class/ptp/ptp*/clock_name; do
		grep -q "type $1/" "$name" || continue
		name=${name%/clock_name}
		echo "${name##*/}"
	done
}

# The host's time when it was asked for, and what is read of the guest's clocks then.
clocks()
{
	local host="$1" rtc="$2" type at

	for type in 3 1 2; do
		python - "/dev/$(ptp_name $type)" "$type" "$host" <<'END' >"clock$type" 2>&1
import os, sys, time
fd, kind, host = os.open(sys.argv[1], os.O_RDWR), sys.argv[2], float(sys.argv[3])
def now():
    return time.clock_gettime(((~fd) << 3) | 3)
before = [now() for _ in range(1000)]
assert before == sorted(before)
if kind == '2':
    assert 0 < before[0] < 1e9, before[0]
else:
    assert 0 <= before[-1] - host - (37 if kind == '1' else 0) < 20, before[-1] - host
print('good')
END
		is "PTP clock of type $type" "$(cat "clock$type")" good
	done
	at=$(/bin/date -d "$(/usr/sbin/hwclock --show --utc -f "/dev/$rtc")" +%s)
	check "hwclock: $at" test "$at" -ge "${host%.*}" -a "$at" -le "$((${host%.*} + 20))"
}

# What rtctest of the kernel's selftests does.
alarms()
{
	python - "/dev/$1" <<'END' >alarms 2>&1
import fcntl, os, select, struct, sys, time, calendar
RD_TIME, ALM_SET, ALM_READ = 0x80247009, 0x40247007, 0x80247008
AIE_ON, AIE_OFF, WKALM_SET, WKALM_RD = 0x7001, 0x7002, 0x4028700f, 0x80287010
fd = os.open(sys.argv[1], os.O_RDONLY)

def pack(second):
    t = time.gmtime(second)
    return struct.pack('9i', t.tm_sec, t.tm_min, t.tm_hour, t.tm_mday, t.tm_mon - 1,
                       t.tm_year - 1900, 0, 0, 0)

def seconds(data):
    s, m, h, day, month, year = struct.unpack('6i', data[:24])
    return calendar.timegm((year + 1900, month + 1, day, h, m, s))

def read():
    return seconds(fcntl.ioctl(fd, RD_TIME, bytes(36)))

def fires(within):
    return bool(select.select([fd], [], [], within)[0])

def came():
    return struct.unpack('L', os.read(fd, 8))[0] & 0x20 != 0

last = read()
for _ in range(300):
    now = read()
    assert last <= now <= last + 1, (last, now)
    last = now
at = read() + 2
fcntl.ioctl(fd, ALM_SET, pack(at))
fcntl.ioctl(fd, AIE_ON)
assert fires(5) and came(), 'ALM_SET'
assert at <= read() <= at + 1, (at, read())
fcntl.ioctl(fd, AIE_OFF)
at = read() + 2
fcntl.ioctl(fd, WKALM_SET, struct.pack('BB2x', 1, 0) + pack(at))
on, _ = struct.unpack('BB', fcntl.ioctl(fd, WKALM_RD, bytes(40))[:2])
assert on == 1
assert fires(5) and came(), 'WKALM_SET'
assert at <= read() <= at + 1
# Disabled: nothing comes.
fcntl.ioctl(fd, ALM_SET, pack(read() + 1))
fcntl.ioctl(fd, AIE_ON)
fcntl.ioctl(fd, AIE_OFF)
assert not fires(2.5), 'AIE_OFF'
print('good')
END
	is 'alarms' "$(cat alarms)" good
	/usr/sbin/rtcwake -m on -s 2 -d "$1" >woken 2>&1
	is "rtcwake: $(tail -n 1 woken)" "$?" 0
}

# The alarm is there when the driver is back, and it goes off.
rebind()
{
	local driver=/sys/bus/virtio/drivers/virtio_rtc rtc again at

	rtc=$(rtc_name)
	echo 0 >"/sys/class/rtc/$rtc/wakealarm"
	echo +3 >"/sys/class/rtc/$rtc/wakealarm"
	at=$(cat "/sys/class/rtc/$rtc/wakealarm")
	check 'an alarm waits' test -n "$at"
	echo "$1" >$driver/unbind
	check 'the RTC is gone' test -z "$(rtc_name)"
	echo "$1" >$driver/bind
	check 'the RTC is there again' within 2 test -n "$(rtc_name)"
	again=$(rtc_name)
	is 'its alarm' "$(cat "/sys/class/rtc/$again/wakealarm")" "$at"
	check 'goes off' within 6 went_off "$again"
	/usr/sbin/rtcwake -m on -s 1 -d "$again" >woken 2>&1
	is "rtcwake after that" "$?" 0
}

# An alarm that has passed is none to the kernel.
went_off() { [ -z "$(cat "/sys/class/rtc/$1/wakealarm")" ]; }
