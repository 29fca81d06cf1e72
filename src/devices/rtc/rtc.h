/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The clock device: its options, its state, its alarms. */
#ifndef RTC_H
#define RTC_H

#include "clock.h"
#include "vhost-device/device.h"
#include "vhost-device/loop.h"

enum { RTC_CLOCKS_MAX = 16, RTC_COUNTERS_MAX = 2 };

enum rtc_counter {
	RTC_REQUESTS, RTC_READS, RTC_REFUSED, RTC_MALFORMED, RTC_READ_ERRORS, RTC_ALARMS,
	RTC_NOTIFICATIONS, RTC_BAD_BUFFERS,
};

struct rtc_clock_conf {
	unsigned kind;
	char *source;
	int64_t offset;
	bool alarm;
};

struct rtc_counter_conf {
	unsigned number;
	uint64_t offset, mult, bound;
	uint8_t shift;
};

struct rtc_conf {
	bool no_alarm, no_utc, no_tai, no_monotonic;
	bool keep_alarms, wake_host;
	unsigned utc;
	char *tai, *wake_guest, *state_file;
	struct opt_list clocks, counters, sims;
};

/*
 * passed: the last look found the clock at or beyond the time, so that being
 * there is no event any more. due: events that no buffer told the driver of.
 */
struct alarm {
	uint64_t at;
	bool enabled, passed;
	uint32_t due;
};

/* A call to QEMU: fd is -1 when there is none. */
struct wake {
	struct instance *in;
	const char *path;                       /* NULL: nobody is called */
	int fd;
	unsigned lines;
	struct io io;
	struct timer limit;
	struct log_limit log;
};

struct rtc {
	struct instance *in;
	struct wake wake;
	struct host *host;
	struct clock clocks[RTC_CLOCKS_MAX];
	struct alarm alarms[RTC_CLOCKS_MAX];
	unsigned n;
	struct rtc_counter_conf counters[RTC_COUNTERS_MAX];
	unsigned n_counters;
	bool sim;
	struct store *store;                    /* NULL: alarms end with the process */
	struct log_limit log;
};

/* Option rows and their targets. */
extern const struct option rtc_options[];
int rtc_check(void *conf, struct error *err);
/* Clocks, counters and host of the instance as its options say. */
int rtc_setup(struct rtc *r, struct error *err);
/* "utc-step" .. */
const char *rtc_kind_word(enum clock_kind kind);
/* "-12.5": seconds as nanoseconds; -EINVAL, -ERANGE. */
int rtc_parse_seconds(const char *text, int64_t *ret_ns);

void wake_init(struct wake *w, struct instance *in, const char *path);
void wake_finish(struct wake *w);               /* a zeroed one is fine */
void wake_guest(struct wake *w);                /* unless a call is under way */
int wake_check(const char *path, struct error *err);

/* Alarms in a file: takes those that are there. The rest is nothing when s is NULL. */
int store_open(struct rtc *r, const char *path, struct error *err);
void store_changed(struct store *s);
void store_close(struct store *s);

/* Looks at all clocks and arms the next look; notifies the driver of what has come. */
void alarms_look(struct rtc *r);
/* The driver's word; expiries of the former alarm are not told any more. */
void alarm_set(struct rtc *r, unsigned i, uint64_t at, bool enabled);
/* The same time; to enable it once more leaves what is due. */
void alarm_enable(struct rtc *r, unsigned i, bool enabled);
/* Buffers for what is due. */
void alarms_tell(struct rtc *r);
void alarms_reset(struct rtc *r, bool forget);

/* Commands of --control, ended by an all-NULL row. */
extern const struct device_command rtc_commands[];

#endif
