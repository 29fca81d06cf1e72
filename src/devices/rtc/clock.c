/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Reading clocks. What is smeared is computed from CLOCK_TAI, which runs on
 * over a leap second while UTC steps:
 *
 *   no leap --the kernel announces one--> smearing at TAI times from..to
 *   smearing --it is withdrawn before UTC stepped--> no leap
 *   smearing --to--> no leap: UTC is there, too
 *
 * UTC-SLS smears over the last 1000 s of the day, noon-linear from noon to
 * noon. A leap that is announced when that has begun is smeared over what is
 * left, so that no reading goes back or jumps.
 */
#include <errno.h>

#include "clock.h"
#include "wire/virtio-rtc.h"

enum {
	SLS_S = 1000, HALF_DAY_S = 43200, DAY_S = 86400,
	READ_TRIES = 5, READ_NS = 100 * 1000 * 1000,
	LOOK_S = 600,                           /* for leap seconds, while nobody reads */
	EXACT_NS = 1000 * 1000, PACE = 512,     /* a PHC may stand still: no finer than that */
};

static const struct {
	uint8_t type, smearing;
	bool smeared;
	int32_t before, after;                  /* midnight it is smeared so many seconds */
} kinds[] = {
	[CLOCK_UTC_SMEARED] = { RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UNSPECIFIED, true, SLS_S, 0 },
	[CLOCK_UTC_SLS] = { RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UTC_SLS, true, SLS_S, 0 },
	[CLOCK_UTC_NOON] = { RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_NOON_LINEAR, true, HALF_DAY_S,
		HALF_DAY_S },
	[CLOCK_UTC_MAYBE_SMEARED] = { .type = RTC_CLOCK_UTC_MAYBE_SMEARED },
	[CLOCK_UTC_STEP] = { .type = RTC_CLOCK_UTC },
	[CLOCK_KIND_TAI] = { .type = RTC_CLOCK_TAI },
	[CLOCK_KIND_MONOTONIC] = { .type = RTC_CLOCK_MONOTONIC },
};

/* UTC and TAI of one moment. */
struct both {
	int64_t utc, tai;
	int ahead;                              /* TAI, seconds */
};

uint8_t clock_type(const struct clock *c)
{
	return kinds[c->kind].type;
}

uint8_t clock_smearing(const struct clock *c)
{
	return kinds[c->kind].smearing;
}

bool clock_is_utc(enum clock_kind kind)
{
	return kind <= CLOCK_UTC_STEP;
}

/* The two cannot be read at once; if that took too long the difference would be wrong. */
static int read_both(struct host *h, struct both *ret_both)
{
	int64_t before, utc, tai;
	unsigned i;
	int ret;

	for (i = 0; i < READ_TRIES; i++) {
		ret = host_now(h, HOST_REALTIME, &before);
		if (ret == 0)
			ret = host_now(h, HOST_TAI, &tai);
		if (ret == 0)
			ret = host_now(h, HOST_REALTIME, &utc);
		if (ret < 0)
			return ret;
		if (utc - before >= 0 && utc - before < READ_NS) {
			ret_both->ahead = (int)((tai - before + SECOND / 2) / SECOND);
			ret_both->utc = tai - ret_both->ahead * SECOND;
			ret_both->tai = tai;
			return 0;
		}
	}
	return -EAGAIN;
}

/* -- TAI ---------------------------------------------------------------------------- */

/*
 * A difference that changes by one is a leap second; any other change comes of
 * somebody who tells the kernel what it is.
 */
static int read_tai(struct clock *c, struct host *h, int64_t *ret_ns)
{
	struct both b;
	int ret = read_both(h, &b);

	if (ret < 0)
		return ret;
	if (c->tai == 0) {
		*ret_ns = b.tai;
		return b.ahead != 0 ? 0 : -ENODATA;
	}
	if (b.ahead - c->seen == 1 || b.ahead - c->seen == -1)
		c->tai += b.ahead - c->seen;
	c->seen = b.ahead;
	*ret_ns = b.utc + c->tai * SECOND;
	return 0;
}

/* -- Smearing ----------------------------------------------------------------------- */

static int64_t smear(const struct leap *l, int64_t t)
{
	int64_t length = l->to - l->from;

	if (t < l->from)
		return t;
	if (t >= l->to)
		return t - l->dir * SECOND;
	return l->from + (int64_t)((__int128)(t - l->from) * (length - l->dir * SECOND) / length);
}

static void announce(struct clock *c, const struct host_state *s, const struct both *b)
{
	int64_t now = b->tai - s->tai * SECOND, midnight;
	struct leap *l = &c->leap;

	midnight = (now / (DAY_S * SECOND) + 1) * DAY_S * SECOND;
	l->dir = s->leap == HOST_LEAP_INSERT ? 1 : -1;
	l->before = s->tai;
	l->at = midnight - (l->dir > 0 ? 0 : SECOND);
	l->from = midnight + (l->dir - kinds[c->kind].before) * SECOND;
	if (kinds[c->kind].after > 0)
		l->from = midnight - kinds[c->kind].before * SECOND;
	l->to = midnight + (l->dir + kinds[c->kind].after) * SECOND;
	if (c->last > l->from)
		l->from = now;
}

/* Has what was announced changed? The kernel's answer may be a little younger than b. */
static void follow(struct clock *c, const struct host_state *s, const struct both *b)
{
	bool coming = s->leap == HOST_LEAP_INSERT || s->leap == HOST_LEAP_DELETE;
	struct leap *l = &c->leap;

	if (s->leap == HOST_LEAP_NONE && b->tai - l->before * SECOND < l->at)
		l->dir = 0;
	else if (!coming)
		l->before = s->tai - l->dir;
	else if (l->dir == (s->leap == HOST_LEAP_INSERT ? 1 : -1))
		l->before = s->tai;
	if (b->tai - l->before * SECOND >= l->to)
		l->dir = 0;
}

/* Once a second: nothing that matters here happens more often. */
static int look_for_leap(struct clock *c, struct host *h, const struct both *b)
{
	struct host_state s;
	int ret;

	if (b->utc / SECOND == c->looked && b->ahead == c->seen)
		return 0;
	ret = h->ops->state(h, &s);
	if (ret < 0)
		return ret;
	if (c->leap.dir != 0)
		follow(c, &s, b);
	else if (s.leap == HOST_LEAP_INSERT || s.leap == HOST_LEAP_DELETE)
		announce(c, &s, b);
	c->looked = b->utc / SECOND;
	c->seen = b->ahead;
	return 0;
}

static int read_smeared(struct clock *c, struct host *h, int64_t *ret_ns)
{
	struct both b;
	int ret = read_both(h, &b);

	if (ret == 0)
		ret = look_for_leap(c, h, &b);
	if (ret < 0)
		return ret;
	*ret_ns = c->leap.dir == 0 ? b.utc : smear(&c->leap, b.tai - c->leap.before * SECOND);
	c->last = *ret_ns;
	return 0;
}

/* -- All of them -------------------------------------------------------------------- */

static int read_monotonic(struct clock *c, struct host *h, int64_t *ret_ns)
{
	int ret = host_now(h, c->source, ret_ns);

	if (ret == 0 && *ret_ns < c->last)
		*ret_ns = c->last;
	if (ret == 0)
		c->last = *ret_ns;
	return ret;
}

int clock_read(struct clock *c, struct host *h, uint64_t *ret_ns)
{
	int64_t ns = 0;
	int ret;

	if (c->phc >= 0)
		ret = phc_now(c->phc, &ns);
	else if (c->kind == CLOCK_KIND_TAI)
		ret = read_tai(c, h, &ns);
	else if (c->kind == CLOCK_KIND_MONOTONIC)
		ret = read_monotonic(c, h, &ns);
	else if (kinds[c->kind].smeared)
		ret = read_smeared(c, h, &ns);
	else
		ret = host_now(h, HOST_REALTIME, &ns);
	if (ret < 0)
		return ret;
	if (__builtin_add_overflow(ns, c->offset, &ns) || ns < 0)
		return -ERANGE;
	*ret_ns = (uint64_t)ns;
	return 0;
}

bool clock_is_smeared(const struct clock *c)
{
	return kinds[c->kind].smeared;
}

int64_t clock_nap(const struct clock *c, uint64_t left)
{
	int64_t most = INT64_MAX, nap;

	if (c->phc >= 0 || c->kind == CLOCK_KIND_TAI)
		most = SECOND;
	else if (kinds[c->kind].smeared)
		most = LOOK_S * SECOND;
	nap = left < (uint64_t)most ? (int64_t)left : most;
	/* Nearer and nearer, unless this is the clock that wakes us. */
	if ((c->kind == CLOCK_UTC_STEP || c->kind == CLOCK_UTC_MAYBE_SMEARED) && c->phc < 0)
		return nap;
	if (c->phc >= 0 && nap < EXACT_NS)
		return EXACT_NS;
	if (nap <= EXACT_NS || (kinds[c->kind].smeared && c->leap.dir == 0))
		return nap;
	return nap - nap / PACE;
}
