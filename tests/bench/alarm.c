/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * How late an alarm of the clock device reaches a driver that sleeps, by
 * CLOCK_REALTIME, against a thread that waits for a timerfd itself: the least
 * that any alarm of the host can take. Alarms of both alternate. Under chrt(1)
 * server and driver have its priority, as a guest would that needs such alarms.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "server.h"
#include "wire/virtio-rtc.h"

enum { ALARMS = 1500, WARM_UP = 20, NOTIF_AT = 64, RING = 16 };

static const uint64_t DELAY = 3 * 1000 * 1000, SECOND = 1000 * 1000 * 1000;

static uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static void await(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		bench_fail("waiting for an event: %s", strerror(errno));
}

/* Microseconds after its time. */
static double late(uint64_t at)
{
	uint64_t now = real_ns();

	if (now < at)
		bench_fail("the clock was set while it was measured, or an alarm came too soon");
	return (double)(now - at) / 1000;
}

static double bare(int fd)
{
	const uint64_t at = real_ns() + DELAY;
	const struct itimerspec t = { .it_value = { .tv_sec = (time_t)(at / SECOND),
		.tv_nsec = (long)(at % SECOND) } };

	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		bench_fail("timerfd: %s", strerror(errno));
	await(fd);
	return late(at);
}

static uint8_t *view(const struct bench_client *c)
{
	return fe_mem_at(c->mem, c->data, c->data_size);
}

static void finish(struct bench_client *c)
{
	uint64_t bytes = 0;

	while (bench_take(c, &bytes) == 0) {
		if (!fe_ring_arm(c->ring, 1))
			await(fe_ring_call_fd(c->ring));
	}
}

static double ours(struct bench_client *c, struct bench_client *alarms)
{
	const struct rtc_notif_alarm *notif = (const void *)(view(c) + NOTIF_AT);
	const uint64_t at = real_ns() + DELAY;
	const struct rtc_req_set_alarm req = { { le16(RTC_REQ_SET_ALARM), { 0 } }, le64(at),
		le16(0), RTC_FLAG_ALARM_ENABLED, { 0 } };
	double ret;

	bench_add(alarms, c->data + NOTIF_AT, 0, sizeof(*notif));
	fe_ring_arm(alarms->ring, 1);
	bench_kick(alarms);
	memcpy(view(c), &req, sizeof(req));
	bench_add(c, c->data, sizeof(req), sizeof(struct rtc_resp_head));
	fe_ring_arm(c->ring, 1);
	bench_kick(c);
	finish(c);
	if (view(c)[sizeof(req)] != RTC_S_OK)
		bench_fail("an alarm is refused: status %u", view(c)[sizeof(req)]);
	finish(alarms);
	ret = late(at);
	if (le16_get(notif->head.msg_type) != RTC_NOTIF_ALARM)
		bench_fail("what came is no alarm");
	return ret;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench_client *c, struct bench_client *alarms, int timer)
{
	static double plain[ALARMS], device[ALARMS];
	const unsigned p99 = ALARMS * 99 / 100;
	struct sched_param priority = { 0 };
	unsigned i;

	for (i = 0; i < WARM_UP; i++) {
		bare(timer);
		ours(c, alarms);
	}
	for (i = 0; i < ALARMS; i++) {
		plain[i] = bare(timer);
		device[i] = ours(c, alarms);
	}
	qsort(plain, ALARMS, sizeof(*plain), compare);
	qsort(device, ALARMS, sizeof(*device), compare);
	sched_getparam(0, &priority);
	bench_row("real-time priority", priority.sched_priority, "", GOAL_NONE, 0);
	bench_row("timerfd: late, median", plain[ALARMS / 2], "us", GOAL_NONE, 0);
	bench_row("timerfd: late, 99 of 100", plain[p99], "us", GOAL_NONE, 0);
	bench_row("alarm: late, median", device[ALARMS / 2], "us", GOAL_NONE, 0);
	bench_row("alarm: late, 99 of 100", device[p99], "us", GOAL_NONE, 0);
	bench_row("alarm: late, at most", device[ALARMS - 1], "us", GOAL_NONE, 0);
	bench_row("alarm: of the timerfd, median", device[ALARMS / 2] / plain[ALARMS / 2], "times",
		  GOAL_NONE, 0);
	bench_row("alarm: of the timerfd, 99 of 100", device[p99] / plain[p99], "times", GOAL_NONE,
		  0);
}

void bench_alarm(void)
{
	static const char *const args[] = { "-s", "@b.sock", "--no-tai", NULL };
	int timer = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC);
	struct bench_client c, alarms;
	struct server s = { 0 };
	char why[100];

	if (!server_has("rtc"))
		return;
	server_start(&s, "rtc", args);
	bench_open(&c, server_path(&s, "b.sock"), 0, RING, 4096);
	alarms = bench_beside(&c, RTC_ALARMQ, RING);
	bench_block_on_calls(&c);
	bench_block_on_calls(&alarms);
	bench_pin_self(0);
	bench_pin_server(&s, 1);
	measure(&c, &alarms, timer);
	fe_ring_free(alarms.ring);
	bench_close(&c);
	close(timer);
	if (!server_end(&s, why, sizeof(why)))
		bench_fail("%s", why);
}
