/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Where time comes from: the clocks of the host, or simulated ones in their place. */
#ifndef RTC_HOST_H
#define RTC_HOST_H

#include <time.h>

#include "vhost-device/error.h"

#define SECOND 1000000000LL                     /* all times are nanoseconds */

struct instance;
struct loop;
struct timex;

enum host_clock {
	HOST_REALTIME, HOST_TAI, HOST_MONOTONIC, HOST_BOOTTIME, HOST_RAW, HOST_CLOCKS,
};

/* What the kernel is going to do, is doing, or has done with the day's last second. */
enum host_leap { HOST_LEAP_NONE, HOST_LEAP_INSERT, HOST_LEAP_DELETE, HOST_LEAP_NOW,
	HOST_LEAP_OVER };

struct host_state {
	int tai;                                /* TAI - UTC in seconds, 0: not known */
	enum host_leap leap;
};

struct host;

struct host_ops {
	int (*now)(struct host *h, enum host_clock id, int64_t *ret_ns);        /* or -errno */
	int (*state)(struct host *h, struct host_state *ret_state);
	uint64_t (*counter)(struct host *h);    /* of the processor, as the host sees it */
	void (*wake)(struct host *h, int64_t at, int64_t rouse);
	void (*free)(struct host *h);
};

struct host {
	const struct host_ops *ops;
	void (*woken)(struct host *h, void *ctx);
	void *ctx;
};

/*
 * Calls woken() when HOST_REALTIME reaches this time, and also whenever that
 * clock is set; INT64_MAX: only then. Replaces the former call; woken() may be
 * early or come without need. rouse: what the host is to be woken from suspend
 * for, if kernel_new() was told that it may be; INT64_MAX: nothing.
 */
static inline void host_wake(struct host *h, int64_t at, int64_t rouse)
{
	h->ops->wake(h, at, rouse);
}

static inline int host_now(struct host *h, enum host_clock id, int64_t *ret_ns)
{
	return h->ops->now(h, id, ret_ns);
}

/* NULL with err set. wake_host: the host may be woken from suspend. */
struct host *kernel_new(struct instance *in, bool wake_host, struct error *err);
void host_free(struct host *h);                 /* NULL is fine */

struct sim_conf {
	int64_t start;                          /* UTC, INT64_MIN: now */
	int64_t rate;                           /* billionths of real time; 0: frozen */
	int32_t tai;
	unsigned leap;                          /* at the end of the day: enum host_leap */
};

struct host *sim_host_new(struct loop *l, const struct sim_conf *conf, struct error *err);
/* Each of them counts as a clock that was set. */
void sim_step(struct host *h, int64_t by);
void sim_rate(struct host *h, int64_t rate);
void sim_tai(struct host *h, int tai);
void sim_leap(struct host *h, enum host_leap leap);

/* The ticks below simulated clocks, nanoseconds; other ones in tests only. */
extern uint64_t (*sim_ticks)(const struct loop *l);

/* The kernel's calls, other ones in tests only. */
struct kernel_calls {
	int (*gettime)(clockid_t id, struct timespec *ts);
	int (*adjtime)(struct timex *t);
};
extern struct kernel_calls kernel_calls;

/* A clock behind an fd, such as /dev/ptp0: 0 or -errno. */
int phc_now(int fd, int64_t *ret_ns);

/* Is there a counter of that number (wire/virtio-rtc.h) in this machine? */
bool counter_exists(unsigned number);
uint64_t counter_read(void);

#endif
