/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The clock device on the stand-in for the core, in simulated time. */
#ifndef RTC_RIG_H
#define RTC_RIG_H

#include <check.h>

#include "fake-core.h"
#include "wire/virtio-rtc.h"

enum { OK = RTC_S_OK, NOTSUPP = RTC_S_EOPNOTSUPP, NODEV = RTC_S_ENODEV, INVAL = RTC_S_EINVAL,
	IO = RTC_S_EIO, ON = RTC_FLAG_ALARM_ENABLED, DAY = 86400, HALF = DAY / 2 };
enum { UTC, TAI, MONOTONIC };                   /* of the usual clocks */

#define MS 1000000LL
#define SECOND 1000000000LL                     /* as in the device */
/* The loop's clock at the beginning, and UTC then: noon of a day. */
#define T0 (5000 * SECOND)
#define START ((20000LL * DAY + HALF) * SECOND)

struct host;

union resp {
	struct rtc_resp_head head;
	struct rtc_resp_read read;
	struct rtc_resp_read_cross cross;
	struct rtc_resp_cfg cfg;
	struct rtc_resp_clock_cap cap;
	struct rtc_resp_cross_cap cross_cap;
	struct rtc_resp_read_alarm alarm;
};

struct message {
	uint16_t type;
	uint8_t get, put;
};

extern const struct device device_rtc;
extern const struct message messages[];

enum { MESSAGES = 8 };

extern unsigned char conf[256];
extern struct error err;

/* A case whose tests begin with the defaults of all options. */
TCase *rtc_part(Suite *s, const char *name);
void setup(void);
void teardown(void);
void set(const char *option, const char *text);
/* --simulate from START on, with more of its keys. */
void simulate(const char *more);
void begin(void);
void end(void);
struct host *host(void);
/* So much later than the beginning. */
void at(int64_t ns);

/* Any type; clock and argument stand where the type has them. */
struct chain *push(unsigned type, unsigned clock, unsigned arg, uint64_t time, size_t get,
		   size_t put);
union resp answer(const struct chain *c);
/* On success exactly the bytes of the response, else the status and seven zeros. */
union resp ask(unsigned type, unsigned clock, unsigned arg, uint64_t time, int status);
int64_t reading(unsigned clock);
unsigned clocks(void);
void set_alarm(unsigned clock, uint64_t time, unsigned flags);
void enable(unsigned clock, unsigned flags);
/* A buffer for a notification: it waits, or it came. */
struct chain *buffer(void);
void is_parked(const struct chain *c);
void came(const struct chain *c, unsigned clock);

#endif
