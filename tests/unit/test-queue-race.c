/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Driver and device on two threads, each asking to be told and then sleeping:
 * whoever misses the other's last word sleeps until the deadline, which is the
 * failure. Every request's bytes are compared.
 */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "ring-rig.h"
#include "suite.h"
#include "vhost-device/fd.h"

enum { REQUESTS = 30000, NUMBERS = 64, DEADLINE_MS = 20000 };

static struct lane *lane = &rig.lane[0];
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 20) % below);
}

static void *device_thread(void *arg)
{
	loop_run(rig.loop);
	return NULL;
}

static uint64_t buffer_at(unsigned number)
{
	return GUEST_DATA + 32 * (uint64_t)(number % NUMBERS);
}

static bool add(unsigned number)
{
	uint64_t at = buffer_at(number);
	struct buffer b[2] = { { at, 8, false }, { at + 16, 8, true } };
	uint64_t value = number * 0x9e3779b97f4a7c15ULL;

	memcpy(guest_at(&rig.guest, at), &value, 8);
	return driver_add(&lane->driver, b, 2, 2, 0, (void *)(uintptr_t)number);
}

static unsigned collect(void)
{
	unsigned n = 0, number;
	uint64_t len, value;
	void *cookie;

	while (driver_collect(&lane->driver, &cookie, &len)) {
		number = (unsigned)(uintptr_t)cookie;
		memcpy(&value, guest_at(&rig.guest, buffer_at(number) + 16), 8);
		MUST(len == 8 && value == number * 0x9e3779b97f4a7c15ULL);
		n++;
	}
	if (lane->driver.wrong != NULL)
		ck_abort_msg("%s", lane->driver.wrong);
	return n;
}

static void sleep_until_signalled(void)
{
	struct pollfd p = { .fd = lane->call, .events = POLLIN };

	driver_want_signal(&lane->driver, true);
	while (!driver_has_used(&lane->driver)) {
		if (poll(&p, 1, DEADLINE_MS) != 1)
			ck_abort_msg("nothing came, nor anything is used");
		rig_signalled(lane);
	}
	/* An event index is left behind by itself, and stays in the device's cache. */
	if (!lane->driver.event_idx)
		driver_want_signal(&lane->driver, false);
}

static void drive(unsigned unused)
{
	unsigned added = 0, done = 0, burst;

	while (done < REQUESTS) {
		for (burst = rnd(6); burst > 0 && added < REQUESTS && add(added); burst--)
			added++;
		if (driver_wants_kick(&lane->driver))
			fd_signal(lane->kick);
		if (added > done && rnd(3) != 0)
			sleep_until_signalled();
		done += collect();
	}
}

static void delay(unsigned below)
{
	volatile unsigned n = rnd(below + 1);

	while (n > 0)
		n = n - 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*
 * One at a time, at any moment of the device's turn. With event indices a kick
 * that was due and not asked for is missed for good: the ring fills up.
 */
static void drive_singly(unsigned longest)
{
	unsigned added = 0, done = 0;
	uint64_t deadline = 0;

	while (done < REQUESTS) {
		delay(longest);
		if (added < REQUESTS && add(added)) {
			added++;
			if (driver_wants_kick(&lane->driver))
				fd_signal(lane->kick);
			deadline = 0;
		} else if (deadline == 0) {
			deadline = now_ms() + DEADLINE_MS;
		} else if (now_ms() > deadline) {
			ck_abort_msg("the device sleeps on a full ring");
		}
		done += collect();
	}
}

/* One request, and sleep at any moment of its being served. */
static void drive_asleep(unsigned longest)
{
	unsigned i;

	for (i = 0; i < REQUESTS; i++) {
		MUST(add(i));
		if (driver_wants_kick(&lane->driver))
			fd_signal(lane->kick);
		delay(longest);
		sleep_until_signalled();
		MUST(collect() == 1);
	}
}

static void race(const struct driver_setup *s, void (*driver)(unsigned longest), unsigned longest,
		 unsigned poll_us)
{
	struct error err = ERROR_NONE;
	pthread_t thread;

	rig_prepare(s);
	loop_set_poll_us(rig.loop, poll_us);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	driver_want_signal(&lane->driver, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, device_thread, NULL), 0);
	driver(longest);
	loop_stop(rig.loop);
	pthread_join(thread, NULL);
	rig_stop();
}

START_TEST(kicks_at_any_moment)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = true, .size = 64 };

	seed = 0x7f4a7c159e3779b9ULL + (uint64_t)_i;
	race(&s, drive_singly, 100U << (_i / 2 * 2), 0);
}
END_TEST

/* The device looks all the time, so that most of the time is the moment of the decision. */
START_TEST(signals_at_any_moment)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = _i & 2, .size = 64 };

	seed = 0x159e3779b97f4a7cULL + (uint64_t)_i;
	race(&s, drive_asleep, 100U << (_i / 4), 10000);
}
END_TEST

START_TEST(nobody_oversleeps)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = _i & 2,
		.in_order = _i & 4, .size = _i & 1 ? 23 : 32 };

	seed = 0x9e3779b97f4a7c15ULL + (uint64_t)_i;
	race(&s, drive, 0, 0);
}
END_TEST

START_TEST(nobody_oversleeps_while_polling)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = _i & 2, .size = 32 };

	seed = 0x7f4a7c159e3779b9ULL + (uint64_t)_i;
	/* Short enough that the loop goes to sleep all the time. */
	race(&s, drive, 0, 5);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-race");
	TCase *tc = tcase_create("race");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, kicks_at_any_moment, 0, 6);
	tcase_add_loop_test(tc, signals_at_any_moment, 0, 16);
	tcase_add_loop_test(tc, nobody_oversleeps, 0, 8);
	tcase_add_loop_test(tc, nobody_oversleeps_while_polling, 0, 4);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
