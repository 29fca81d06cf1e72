/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests of the clock device (virtio 1.4, 5.23). */
#ifndef WIRE_VIRTIO_RTC_H
#define WIRE_VIRTIO_RTC_H

#include "wire/le.h"

enum { VIRTIO_ID_CLOCK = 17, VIRTIO_RTC_F_ALARM = 0 };  /* 5.23.3 */

enum { RTC_REQUESTQ, RTC_ALARMQ };                      /* 5.23.2 */

/* 5.23.6: message types. */
enum {
	RTC_REQ_READ = 0x0001, RTC_REQ_READ_CROSS = 0x0002,
	RTC_REQ_CFG = 0x1000, RTC_REQ_CLOCK_CAP = 0x1001, RTC_REQ_CROSS_CAP = 0x1002,
	RTC_REQ_READ_ALARM = 0x1003, RTC_REQ_SET_ALARM = 0x1004,
	RTC_REQ_SET_ALARM_ENABLED = 0x1005,
	RTC_NOTIF_ALARM = 0x2000,
};

enum { RTC_S_OK = 0, RTC_S_EOPNOTSUPP = 2, RTC_S_ENODEV = 3, RTC_S_EINVAL = 4, RTC_S_EIO = 5 };

/* Types of clocks, how they are smeared, hardware counters. */
enum {
	RTC_CLOCK_UTC = 0, RTC_CLOCK_TAI = 1, RTC_CLOCK_MONOTONIC = 2, RTC_CLOCK_UTC_SMEARED = 3,
	RTC_CLOCK_UTC_MAYBE_SMEARED = 4,
};
enum { RTC_SMEAR_UNSPECIFIED = 0, RTC_SMEAR_NOON_LINEAR = 1, RTC_SMEAR_UTC_SLS = 2 };
enum { RTC_COUNTER_ARM_VCT = 0, RTC_COUNTER_X86_TSC = 1, RTC_COUNTER_INVALID = 0xff };

enum { RTC_FLAG_ALARM_CAP = 1, RTC_FLAG_CROSS_CAP = 1, RTC_FLAG_ALARM_ENABLED = 1 };

struct rtc_req_head {
	le16_t msg_type;
	uint8_t reserved[6];
};
WIRE_SIZE(struct rtc_req_head, 8);

struct rtc_resp_head {
	uint8_t status, reserved[7];
};
WIRE_SIZE(struct rtc_resp_head, 8);

/* READ, CLOCK_CAP, READ_ALARM; and with the last byte READ_CROSS, CROSS_CAP, SET_ALARM_ENABLED. */
struct rtc_req_clock {
	struct rtc_req_head head;
	le16_t clock_id;
	uint8_t arg;                            /* hw_counter, or flags */
	uint8_t reserved[5];
};
WIRE_SIZE(struct rtc_req_clock, 16);
WIRE_AT(struct rtc_req_clock, arg, 10);

struct rtc_req_set_alarm {
	struct rtc_req_head head;
	le64_t alarm_time;
	le16_t clock_id;
	uint8_t flags;
	uint8_t reserved[5];
};
WIRE_SIZE(struct rtc_req_set_alarm, 24);
WIRE_AT(struct rtc_req_set_alarm, clock_id, 16);

struct rtc_resp_read {
	struct rtc_resp_head head;
	le64_t clock_reading;                   /* nanoseconds */
};
WIRE_SIZE(struct rtc_resp_read, 16);

struct rtc_resp_read_cross {
	struct rtc_resp_head head;
	le64_t clock_reading, counter_cycles;
};
WIRE_SIZE(struct rtc_resp_read_cross, 24);

struct rtc_resp_cfg {
	struct rtc_resp_head head;
	le16_t num_clocks;
	uint8_t reserved[6];
};
WIRE_SIZE(struct rtc_resp_cfg, 16);

struct rtc_resp_clock_cap {
	struct rtc_resp_head head;
	uint8_t type, leap_second_smearing, flags, reserved[5];
};
WIRE_SIZE(struct rtc_resp_clock_cap, 16);

struct rtc_resp_cross_cap {
	struct rtc_resp_head head;
	uint8_t flags, reserved[7];
};
WIRE_SIZE(struct rtc_resp_cross_cap, 16);

struct rtc_resp_read_alarm {
	struct rtc_resp_head head;
	le64_t alarm_time;
	uint8_t flags, reserved[7];
};
WIRE_SIZE(struct rtc_resp_read_alarm, 24);
WIRE_AT(struct rtc_resp_read_alarm, flags, 16);

struct rtc_notif_alarm {
	struct rtc_req_head head;
	le16_t clock_id;
	uint8_t reserved[6];
};
WIRE_SIZE(struct rtc_notif_alarm, 16);

#endif
