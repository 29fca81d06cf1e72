/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The clocks that a guest sees, made of those of the host. */
#ifndef RTC_CLOCK_H
#define RTC_CLOCK_H

#include "host.h"

/* The first ones, which are UTC, in the order of --utc. */
enum clock_kind {
	CLOCK_UTC_SMEARED, CLOCK_UTC_SLS, CLOCK_UTC_NOON, CLOCK_UTC_MAYBE_SMEARED, CLOCK_UTC_STEP,
	CLOCK_KIND_TAI, CLOCK_KIND_MONOTONIC, CLOCK_KINDS,
};

/* A leap second that is smeared. Times count seconds of TAI, less what it was ahead before. */
struct leap {
	int dir;                                /* 1: inserted, -1: deleted, 0: there is none */
	int before;                             /* TAI - UTC until then */
	int64_t from, to;                       /* while it is smeared */
	int64_t at;                             /* when UTC steps */
};

struct clock {
	enum clock_kind kind;
	bool alarm;                             /* it can have one */
	enum host_clock source;
	int phc;                                /* fd of the source, or -1 */
	int64_t offset;                         /* added to all readings */

	int tai, seen;                          /* TAI - UTC: as told (0: the kernel's), .. seen */
	struct leap leap;
	int64_t looked, last;                   /* second of the last look for one; last reading */
};

uint8_t clock_type(const struct clock *c);              /* RTC_CLOCK_, RTC_SMEAR_ */
uint8_t clock_smearing(const struct clock *c);
bool clock_is_smeared(const struct clock *c);           /* by us, when need be */
bool clock_is_utc(enum clock_kind kind);

/* 0, or -errno: it cannot be read now. */
int clock_read(struct clock *c, struct host *h, uint64_t *ret_ns);
/*
 * How long to wait, at most, when so much is left to a time of this clock: its
 * pace may not be that of the host's UTC, and it may be set unseen.
 */
int64_t clock_nap(const struct clock *c, uint64_t left);

/*
 * TAI - UTC at this time out of a list of leap seconds, as the IERS and
 * time-zone packages have it; *ret_expires is when it ends to be true.
 */
int leap_list_find(char *text, int64_t now, int *ret_tai, int64_t *ret_expires);

#endif
