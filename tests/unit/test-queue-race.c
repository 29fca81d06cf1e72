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

#include "ring-rig.h"
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
	driver_want_signal(&lane->driver, false);
}

static void drive(void)
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

START_TEST(nobody_oversleeps)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = _i & 2,
		.in_order = _i & 4, .size = _i & 1 ? 23 : 32 };
	pthread_t thread;

	seed = 0x9e3779b97f4a7c15ULL + (uint64_t)_i;
	rig_start(&s);
	ck_assert_int_eq(pthread_create(&thread, NULL, device_thread, NULL), 0);
	drive();
	loop_stop(rig.loop);
	pthread_join(thread, NULL);
	rig_stop();
}
END_TEST

START_TEST(nobody_oversleeps_while_polling)
{
	const struct driver_setup s = { .packed = _i & 1, .event_idx = _i & 2, .size = 32 };
	struct error err = ERROR_NONE;
	pthread_t thread;

	seed = 0x7f4a7c159e3779b9ULL + (uint64_t)_i;
	rig_prepare(&s);
	/* Short enough that the loop goes to sleep all the time. */
	loop_set_poll_us(rig.loop, 5);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	ck_assert_int_eq(pthread_create(&thread, NULL, device_thread, NULL), 0);
	drive();
	loop_stop(rig.loop);
	pthread_join(thread, NULL);
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-race");
	TCase *tc = tcase_create("race");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, nobody_oversleeps, 0, 8);
	tcase_add_loop_test(tc, nobody_oversleeps_while_polling, 0, 4);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
