/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Alarms of the clock device: every way one goes off, or does not. */
#include "rtc-rig.h"
#include "rtc.h"
#include "suite.h"

START_TEST(alarm_fires_once)
{
	union resp resp;
	const struct chain *c;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 100 * MS), ON);
	at(100 * MS - 1);
	is_parked(c);
	at(100 * MS);
	came(c, UTC);
	/* And what is read from now on is not before it. */
	ck_assert_int_ge(reading(UTC), START + 100 * MS);
	c = buffer();
	at(3600 * SECOND);
	is_parked(c);
	/* It stays enabled. */
	resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), START + 100 * MS);
	ck_assert_uint_eq(resp.alarm.flags, ON);
	ck_assert_uint_eq(fake.counters[RTC_ALARMS], 1);
	ck_assert_uint_eq(fake.counters[RTC_NOTIFICATIONS], 1);
	end();
}
END_TEST

START_TEST(alarm_in_the_past)
{
	const struct chain *c;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START), ON);
	came(c, UTC);
	/* Enabled again: again. */
	c = buffer();
	enable(UTC, ON);
	came(c, UTC);
	c = buffer();
	enable(UTC, 0);
	is_parked(c);
	enable(UTC, ON);
	came(c, UTC);
	/* Set without being enabled: not. */
	c = buffer();
	set_alarm(UTC, 0, 0);
	at(SECOND);
	is_parked(c);
	end();
}
END_TEST

/* The time is kept while it is disabled, and nothing comes. */
START_TEST(alarm_disabled)
{
	union resp resp;
	const struct chain *c;

	begin();
	resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), 0);
	ck_assert_uint_eq(resp.alarm.flags, 0);
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 100 * MS), ON);
	enable(UTC, 0);
	at(SECOND);
	is_parked(c);
	resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), START + 100 * MS);
	ck_assert_uint_eq(resp.alarm.flags, 0);
	enable(UTC, ON);
	came(c, UTC);
	end();
}
END_TEST

/* It has gone off, but no buffer was there: a driver that disables it hears nothing. */
START_TEST(disabled_while_due)
{
	const struct chain *c;

	begin();
	set_alarm(UTC, (uint64_t)(START), ON);
	enable(UTC, 0);
	c = buffer();
	at(SECOND);
	is_parked(c);
	/* Nor of an alarm that another one replaced, which would be too early for that. */
	set_alarm(UTC, 0, ON);
	came(c, UTC);
	set_alarm(UTC, 0, ON);
	set_alarm(UTC, (uint64_t)(START + 10 * SECOND), ON);
	c = buffer();
	at(5 * SECOND);
	is_parked(c);
	at(10 * SECOND);
	came(c, UTC);
	end();
}
END_TEST

/* One notification for each, oldest buffer first. */
START_TEST(each_expiry_is_told)
{
	const struct chain *c[3];

	begin();
	set_alarm(UTC, 0, ON);
	enable(UTC, ON);
	set_alarm(UTC, (uint64_t)(START + 5 * SECOND), ON);
	at(5 * SECOND);
	sim_step(host(), -SECOND);
	at(6 * SECOND);
	ck_assert_uint_eq(fake.counters[RTC_ALARMS], 4);
	/* The first two belong to an alarm that was replaced. */
	c[0] = buffer();
	c[1] = buffer();
	c[2] = buffer();
	came(c[0], UTC);
	came(c[1], UTC);
	ck_assert_uint_lt(c[0]->order, c[1]->order);
	is_parked(c[2]);
	end();
}
END_TEST

/* Enabled again without having been disabled: both are told. */
START_TEST(enabled_twice)
{
	const struct chain *c[3];
	unsigned i;

	begin();
	set_alarm(UTC, 0, ON);
	enable(UTC, ON);
	for (i = 0; i < 3; i++)
		c[i] = buffer();
	came(c[0], UTC);
	came(c[1], UTC);
	is_parked(c[2]);
	end();
}
END_TEST

START_TEST(any_time_is_accepted)
{
	static const uint64_t times[] = { 0, 1, INT64_MAX, 1ULL << 63, UINT64_MAX };
	const struct chain *c;
	union resp resp;
	unsigned i;

	begin();
	for (i = 0; i < ARRAY_SIZE(times); i++) {
		set_alarm(UTC, times[i], 0);
		resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
		ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), times[i]);
	}
	enable(UTC, ON);
	c = buffer();
	at(3600 * 1000 * SECOND);
	is_parked(c);
	end();
}
END_TEST

/* The original sleeps for a time that was right before the clock was set. */
START_TEST(clock_steps_forward)
{
	const struct chain *c;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 3600 * SECOND), ON);
	at(SECOND);
	sim_step(host(), 3598 * SECOND);
	at(1500 * MS);
	is_parked(c);
	sim_step(host(), 3600 * SECOND);
	came(c, UTC);
	end();
}
END_TEST

START_TEST(clock_steps_back)
{
	const struct chain *c, *d;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + SECOND), ON);
	sim_step(host(), -3600 * SECOND);
	at(3600 * SECOND);
	is_parked(c);
	at(3601 * SECOND);
	came(c, UTC);
	/* Back once more: it passes its time once more. */
	d = buffer();
	sim_step(host(), -10 * SECOND);
	at(3610 * SECOND);
	is_parked(d);
	at(3611 * SECOND);
	came(d, UTC);
	end();
}
END_TEST

/* Smeared, midnight comes a thousandth late, and so does what waits for it. */
START_TEST(alarm_while_smearing)
{
	const struct chain *c;

	simulate(",leap=insert");
	set("utc", "smeared:sls");
	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + (HALF - 499) * SECOND - 500 * MS), ON);
	at((HALF - 500) * SECOND);
	at((HALF - 499) * SECOND - 1 * MS);
	is_parked(c);
	at((HALF - 499) * SECOND + 1 * MS);
	came(c, UTC);
	end();
}
END_TEST

/* A time in the last second, which there is twice: it is passed twice. */
START_TEST(alarm_at_the_leap)
{
	const struct chain *c, *d;

	simulate(",leap=insert");
	set("utc", "step");
	begin();
	c = buffer();
	d = buffer();
	set_alarm(UTC, (uint64_t)(START + HALF * SECOND - 500 * MS), ON);
	at(HALF * SECOND - 500 * MS);
	came(c, UTC);
	at(HALF * SECOND);
	sim_step(host(), 0);            /* the kernel counts a leap second as a step */
	is_parked(d);
	at(HALF * SECOND + 500 * MS);
	came(d, UTC);
	end();
}
END_TEST

START_TEST(alarms_of_several_clocks)
{
	const struct chain *c[3];
	unsigned i;

	set("clock", "monotonic");
	set("clock", "tai");
	set("clock", "utc-step,offset=-100");
	begin();
	for (i = 0; i < 3; i++)
		c[i] = buffer();
	set_alarm(0, 3 * SECOND, ON);
	set_alarm(1, (uint64_t)(START + 38 * SECOND), ON);
	set_alarm(2, (uint64_t)(START - 98 * SECOND), ON);
	at(999 * MS);
	is_parked(c[0]);
	at(SECOND);
	came(c[0], 1);
	at(2 * SECOND);
	came(c[1], 2);
	at(2999 * MS);
	is_parked(c[2]);
	at(3 * SECOND);
	came(c[2], 0);
	end();
}
END_TEST

/* Nobody tells when the kernel learns what TAI is; it is found out within a second. */
START_TEST(tai_is_told)
{
	const struct chain *c;

	set("clock", "tai");
	begin();
	c = buffer();
	set_alarm(0, (uint64_t)(START + 100 * SECOND), ON);
	sim_tai(host(), 99);
	at(SECOND);
	came(c, 0);
	end();
}
END_TEST

START_TEST(frozen_alarm)
{
	const struct chain *c;

	simulate(",rate=0");
	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 1), ON);
	at(3600 * SECOND);
	is_parked(c);
	sim_rate(host(), SECOND);
	at(3600 * SECOND + 1);
	came(c, UTC);
	end();
}
END_TEST

/* Too small: back without a byte, and the next one gets it. */
START_TEST(small_buffers)
{
	const struct chain *c[4];
	size_t sizes[] = { 0, 8, 15 };
	unsigned i;

	begin();
	for (i = 0; i < 3; i++)
		c[i] = fake_push_to(RTC_ALARMQ, NULL, 0, sizes[i]);
	c[3] = fake_push_to(RTC_ALARMQ, "x", 1, 40);
	set_alarm(UTC, 0, ON);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(c[i]->end, FAKE_FAILED);
		ck_assert_uint_eq(c[i]->used, 0);
	}
	came(c[3], UTC);
	ck_assert_uint_eq(fake.counters[RTC_BAD_BUFFERS], 3);
	end();
}
END_TEST

/* Nothing is written into a queue that has stopped; the alarm is told when it runs again. */
START_TEST(stopped_with_an_alarm)
{
	const struct chain *c;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + SECOND), ON);
	fake_stop();
	at(2 * SECOND);
	is_parked(c);
	ck_assert_uint_eq(fake.counters[RTC_ALARMS], 1);
	fake_start();
	came(c, UTC);
	end();
}
END_TEST

/* A driver that begins anew finds the alarm, and hears of it if it has passed. */
START_TEST(reset_keeps_alarms)
{
	const struct chain *c;
	union resp resp;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 10 * SECOND), ON);
	fake_stop();
	fake_reset(RESET_DRIVER);
	fake_start();
	resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), START + 10 * SECOND);
	ck_assert_uint_eq(resp.alarm.flags, ON);
	at(10 * SECOND);
	came(c, UTC);
	fake_stop();
	fake_reset(RESET_DRIVER);
	c = buffer();
	fake_start();
	came(c, UTC);
	/* Disabled ones are silent. */
	enable(UTC, 0);
	fake_stop();
	fake_reset(RESET_DRIVER);
	c = buffer();
	fake_start();
	is_parked(c);
	end();
}
END_TEST

START_TEST(leaving_forgets_alarms)
{
	union resp resp;

	if (_i == 1)
		set("keep-alarms", NULL);
	begin();
	set_alarm(UTC, (uint64_t)(START + 10 * SECOND), ON);
	fake_stop();
	fake_reset(RESET_LEFT);
	fake_start();
	resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);
	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time),
			  _i == 1 ? START + 10 * SECOND : 0);
	ck_assert_uint_eq(resp.alarm.flags, _i == 1 ? ON : 0);
	end();
}
END_TEST

static const struct host_ops *real_ops;
static int64_t rouse_at;

static void note_wake(struct host *h, int64_t at, int64_t rouse)
{
	rouse_at = rouse;
	real_ops->wake(h, at, rouse);
}

/* Looks for leap seconds and at clocks that may be set unseen let the host sleep. */
START_TEST(host_sleeps_until_an_alarm)
{
	struct host_ops ops;

	set("clock", "utc-smeared");
	set("clock", "tai");
	begin();
	real_ops = host()->ops;
	ops = *real_ops;
	ops.wake = note_wake;
	host()->ops = &ops;
	buffer();
	rouse_at = 0;
	at(3600 * SECOND);
	ck_assert_int_eq(rouse_at, INT64_MAX);
	set_alarm(1, (uint64_t)(START + 7237 * SECOND), ON);
	ck_assert_int_eq(rouse_at, START + 7200 * SECOND);
	set_alarm(0, (uint64_t)(START + 7000 * SECOND), ON);
	ck_assert_int_eq(rouse_at, START + 7000 * SECOND);
	at(3602 * SECOND);
	ck_assert_int_eq(rouse_at, START + 7000 * SECOND);
	at(7000 * SECOND);
	ck_assert_int_eq(rouse_at, START + 7200 * SECOND);
	enable(1, 0);
	ck_assert_int_eq(rouse_at, INT64_MAX);
	set_alarm(0, UINT64_MAX, ON);
	ck_assert_int_eq(rouse_at, INT64_MAX);
	host()->ops = real_ops;
	end();
}
END_TEST

static void add_alarms(TCase *tc)
{
	tcase_add_test(tc, alarm_fires_once);
	tcase_add_test(tc, alarm_in_the_past);
	tcase_add_test(tc, alarm_disabled);
	tcase_add_test(tc, disabled_while_due);
	tcase_add_test(tc, each_expiry_is_told);
	tcase_add_test(tc, enabled_twice);
	tcase_add_test(tc, any_time_is_accepted);
	tcase_add_test(tc, clock_steps_forward);
	tcase_add_test(tc, clock_steps_back);
	tcase_add_test(tc, alarm_while_smearing);
	tcase_add_test(tc, alarm_at_the_leap);
	tcase_add_test(tc, alarms_of_several_clocks);
	tcase_add_test(tc, tai_is_told);
	tcase_add_test(tc, frozen_alarm);
	tcase_add_test(tc, small_buffers);
	tcase_add_test(tc, stopped_with_an_alarm);
	tcase_add_test(tc, reset_keeps_alarms);
	tcase_add_loop_test(tc, leaving_forgets_alarms, 0, 2);
	tcase_add_test(tc, host_sleeps_until_an_alarm);
}

int main(void)
{
	Suite *s = suite_create("rtc-alarm");

	add_alarms(rtc_part(s, "alarms"));
	return run_suite(s);
}
