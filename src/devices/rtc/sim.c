/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Simulated clocks of a host: they begin when they are told to, run at any
 * rate or not at all, can be set, and know leap seconds as the kernel does:
 *
 *   insert   at midnight UTC goes back a second   --> now --a second--> over
 *   delete   a second before midnight it skips one                 --> over
 *
 * TAI runs on, and the difference changes.
 */
#include <errno.h>
#include <stdlib.h>

#include "host.h"
#include "vhost-device/loop.h"

enum { DAY = 86400 };

/* Times beyond this stand still, so that differences of them and of seconds always fit. */
static const int64_t FAR = INT64_MAX / 2;

struct sim {
	struct host host;
	struct loop *loop;
	struct timer timer;
	uint64_t since;                         /* ticks when these two held */
	int64_t tai_then, run_then;
	int64_t rate;
	uint64_t ticks;                         /* the last look */
	int64_t tai, run;                       /* TAI; what it ran since the beginning */
	int offset;                             /* TAI - UTC, seconds */
	enum host_leap leap;
	int64_t midnight;                       /* UTC, of the leap */
	int64_t wake_at;
};

static uint64_t real_ticks(const struct loop *l)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * (uint64_t)SECOND + (uint64_t)ts.tv_nsec;
}

uint64_t (*sim_ticks)(const struct loop *l) = real_ticks;

static int64_t utc(const struct sim *s)
{
	return s->tai - s->offset * SECOND;
}

static void do_leap(struct sim *s)
{
	if (s->leap == HOST_LEAP_INSERT && utc(s) >= s->midnight) {
		s->offset++;
		s->leap = HOST_LEAP_NOW;
	}
	if (s->leap == HOST_LEAP_DELETE && utc(s) >= s->midnight - SECOND) {
		s->offset--;
		s->leap = HOST_LEAP_OVER;
	}
	if (s->leap == HOST_LEAP_NOW && utc(s) >= s->midnight)
		s->leap = HOST_LEAP_OVER;
}

static void advance(struct sim *s)
{
	int64_t room = FAR - (s->tai_then > s->run_then ? s->tai_then : s->run_then);
	__int128 ran;

	s->ticks = sim_ticks(s->loop);
	ran = (__int128)(s->ticks - s->since) * s->rate / SECOND;
	if (ran > room)
		ran = room;
	s->tai = s->tai_then + (int64_t)ran;
	s->run = s->run_then + (int64_t)ran;
	do_leap(s);
}

/* What follows is another rate, or another time: fractions are lost here only. */
static void begin_anew(struct sim *s)
{
	advance(s);
	s->since = s->ticks;
	s->tai_then = s->tai;
	s->run_then = s->run;
}

static int sim_now(struct host *h, enum host_clock id, int64_t *ret_ns)
{
	struct sim *s = container_of(h, struct sim, host);

	advance(s);
	*ret_ns = id == HOST_REALTIME ? utc(s) : id == HOST_TAI ? s->tai : s->run;
	return 0;
}

static int sim_state(struct host *h, struct host_state *ret_state)
{
	struct sim *s = container_of(h, struct sim, host);

	advance(s);
	*ret_state = (struct host_state){ .tai = s->offset, .leap = s->leap };
	return 0;
}

/* A billion a second, whatever the rate of the clocks. */
static uint64_t sim_counter(struct host *h)
{
	return sim_ticks(container_of(h, struct sim, host)->loop);
}

static void arm(struct sim *s)
{
	uint64_t most;
	__int128 wait;

	advance(s);
	timer_set(&s->timer, 0);
	if (s->rate == 0 || s->wake_at == INT64_MAX)
		return;
	wait = ((__int128)s->wake_at - utc(s)) * SECOND;
	wait = wait <= 0 ? 0 : (wait + s->rate - 1) / s->rate;
	most = (uint64_t)INT64_MAX - s->ticks;
	timer_set(&s->timer, s->ticks + (wait < most ? (uint64_t)wait : most));
}

static void sim_wake(struct host *h, int64_t at, int64_t rouse)
{
	struct sim *s = container_of(h, struct sim, host);

	s->wake_at = at;
	arm(s);
}

static void woken(struct sim *s)
{
	if (s->host.woken != NULL)
		s->host.woken(&s->host, s->host.ctx);
}

static void timer_fired(struct timer *t)
{
	woken(container_of(t, struct sim, timer));
}

static void sim_free(struct host *h)
{
	struct sim *s = container_of(h, struct sim, host);

	timer_finish(&s->timer);
	free(s);
}

void sim_step(struct host *h, int64_t by)
{
	struct sim *s = container_of(h, struct sim, host);
	int64_t to;

	begin_anew(s);
	if (!__builtin_add_overflow(s->tai, by, &to) && to >= -FAR && to <= FAR)
		s->tai_then = to;
	arm(s);
	woken(s);
}

void sim_rate(struct host *h, int64_t rate)
{
	struct sim *s = container_of(h, struct sim, host);

	begin_anew(s);
	s->rate = rate;
	arm(s);
	woken(s);
}

/* UTC goes on as it is. */
void sim_tai(struct host *h, int tai)
{
	struct sim *s = container_of(h, struct sim, host);

	begin_anew(s);
	s->tai_then += (tai - s->offset) * SECOND;
	s->offset = tai;
	woken(s);
}

void sim_leap(struct host *h, enum host_leap leap)
{
	struct sim *s = container_of(h, struct sim, host);

	advance(s);
	s->leap = leap;
	s->midnight = (utc(s) / (DAY * SECOND) + 1) * DAY * SECOND;
}

static const struct host_ops sim_ops = {
	.now = sim_now, .state = sim_state, .counter = sim_counter, .wake = sim_wake,
	.free = sim_free,
};

struct host *sim_host_new(struct loop *l, const struct sim_conf *conf, struct error *err)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct timespec now;
	int64_t start = conf->start;

	if (s == NULL) {
		error_memory(err);
		return NULL;
	}
	if (start == INT64_MIN) {
		clock_gettime(CLOCK_REALTIME, &now);
		start = now.tv_sec * SECOND + now.tv_nsec;
	}
	s->host.ops = &sim_ops;
	s->loop = l;
	s->since = sim_ticks(l);
	s->offset = conf->tai;
	s->tai_then = start + conf->tai * SECOND;
	s->rate = conf->rate;
	s->wake_at = INT64_MAX;
	timer_init(&s->timer, l, timer_fired);
	sim_leap(&s->host, (enum host_leap)conf->leap);
	return &s->host;
}
