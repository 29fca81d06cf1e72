/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One empty request at a time, against the least that any two threads need to
 * wake each other by eventfds. Rounds of both alternate, so that what else the
 * machine does hits both; the ratio is the median over the rounds.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"
#include "server.h"

enum { ROUNDS = 15, TRIPS = 2000, WARM_UP = 200 };

/* -- The floor ------------------------------------------------------------- */

static struct {
	int there, back;
	unsigned cpu, trips;
} floor_;

static void wake(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		bench_fail("eventfd: write");
}

static void await(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		bench_fail("eventfd: read");
}

static void *answer(void *arg)
{
	unsigned i;

	bench_pin_self(floor_.cpu);
	for (i = 0; i < floor_.trips; i++) {
		await(floor_.there);
		wake(floor_.back);
	}
	return NULL;
}

static double floor_ns(unsigned cpu, unsigned other)
{
	pthread_t t;
	uint64_t start = 0;
	unsigned i;

	floor_.cpu = other;
	floor_.trips = WARM_UP + TRIPS;
	bench_pin_self(cpu);
	if (pthread_create(&t, NULL, answer, NULL) != 0)
		bench_fail("no thread");
	for (i = 0; i < WARM_UP + TRIPS; i++) {
		if (i == WARM_UP)
			start = bench_now_ns();
		wake(floor_.there);
		await(floor_.back);
	}
	start = bench_now_ns() - start;
	pthread_join(t, NULL);
	return (double)start / TRIPS;
}

/* -- The server ------------------------------------------------------------ */

/* As a driver that sleeps until its interrupt comes. */
static void round_trip(struct bench_client *c)
{
	uint64_t bytes = 0;

	bench_add(c, c->data, 1, 0);
	fe_ring_arm(c->ring, 1);
	bench_kick(c);
	while (bench_take(c, &bytes) == 0) {
		if (!fe_ring_arm(c->ring, 1))
			await(fe_ring_call_fd(c->ring));
	}
}

/* As a driver that spins, like the server does. */
static void spun_trip(struct bench_client *c)
{
	uint64_t bytes = 0;

	bench_add(c, c->data, 1, 0);
	fe_ring_disarm(c->ring);
	bench_kick(c);
	while (bench_take(c, &bytes) == 0)
		;
}

static double trips_ns(struct bench_client *c, void (*trip)(struct bench_client *))
{
	uint64_t start = 0;
	unsigned i;

	for (i = 0; i < WARM_UP + TRIPS; i++) {
		if (i == WARM_UP)
			start = bench_now_ns();
		trip(c);
	}
	return (double)(bench_now_ns() - start) / TRIPS;
}

static void measure(const char *name, const char *poll_us, unsigned server_cpu, bool spin,
		    uint64_t leave_out, double goal)
{
	const char *const args[] = { "-s", "@t.sock", "--poll-us", poll_us, NULL };
	double ours[ROUNDS], floors[ROUNDS], ratios[ROUNDS];
	struct server s = { 0 };
	struct bench_client c;
	char text[64], why[100];
	unsigned i;

	server_start(&s, "template", args);
	bench_open(&c, server_path(&s, "t.sock"), leave_out, 16, 4096);
	bench_block_on_calls(&c);
	bench_pin_server(&s, server_cpu);
	for (i = 0; i < ROUNDS; i++) {
		floors[i] = floor_ns(0, server_cpu);
		ours[i] = trips_ns(&c, spin ? spun_trip : round_trip);
		ratios[i] = ours[i] / floors[i];
	}
	bench_close(&c);
	if (!server_end(&s, why, sizeof(why)))
		bench_fail("%s", why);
	snprintf(text, sizeof(text), "%s: floor", name);
	bench_row(text, bench_median(floors, ROUNDS) / 1000, "us", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: round trip", name);
	bench_row(text, bench_median(ours, ROUNDS) / 1000, "us", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: of the floor", name);
	bench_row(text, bench_median(ratios, ROUNDS), "times", GOAL_AT_MOST, goal);
}

void bench_latency(void)
{
	const uint64_t packed = BIT(VIRTIO_F_RING_PACKED);

	floor_.there = eventfd(0, EFD_CLOEXEC);
	floor_.back = eventfd(0, EFD_CLOEXEC);
	measure("one core, split", "0", 0, false, packed, 1.3);
	measure("one core, packed", "0", 0, false, 0, 1.3);
	if (!bench_has_two())
		return;
	measure("two cores, split", "0", 1, false, packed, 1.3);
	measure("two cores, packed", "0", 1, false, 0, 1.3);
	measure("two cores, server polls", "1000", 1, false, packed, 1.0);
	measure("two cores, both poll", "1000", 1, true, packed, 1.0);
}
