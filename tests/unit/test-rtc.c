/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The clock device: every request and status, clocks, leap seconds, options. */
#include <errno.h>
#include <string.h>

#include "core/opt.h"
#include "rtc-rig.h"
#include "rtc.h"
#include "suite.h"

static void is_clock(unsigned i, int type, int smearing, int flags)
{
	union resp resp = ask(RTC_REQ_CLOCK_CAP, i, 0, 0, OK);

	ck_assert_int_eq(resp.cap.type, type);
	ck_assert_int_eq(resp.cap.leap_second_smearing, smearing);
	ck_assert_int_eq(resp.cap.flags, flags);
}

/* What the original offers, in its order. */
START_TEST(usual_clocks)
{
	begin();
	ck_assert_uint_eq(fake.offered, BIT(VIRTIO_RTC_F_ALARM));
	ck_assert_uint_eq(clocks(), 3);
	is_clock(UTC, RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UNSPECIFIED, RTC_FLAG_ALARM_CAP);
	is_clock(TAI, RTC_CLOCK_TAI, 0, 0);
	is_clock(MONOTONIC, RTC_CLOCK_MONOTONIC, 0, 0);
	end();
}
END_TEST

START_TEST(clocks_left_out)
{
	set("no-utc", NULL);
	begin();
	ck_assert_uint_eq(clocks(), 2);
	is_clock(0, RTC_CLOCK_TAI, 0, 0);
	is_clock(1, RTC_CLOCK_MONOTONIC, 0, 0);
	/* No clock that could have one: no alarms. */
	ck_assert_uint_eq(fake.offered, 0);
	end();
	set("no-tai", NULL);
	set("no-monotonic", NULL);
	begin();
	ck_assert_uint_eq(clocks(), 0);
	ask(RTC_REQ_READ, 0, 0, 0, NODEV);
	end();
}
END_TEST

START_TEST(kinds_of_utc)
{
	static const struct {
		const char *word;
		int type, smearing;
	} kinds[] = {
		{ "step", RTC_CLOCK_UTC, 0 },
		{ "maybe-smeared", RTC_CLOCK_UTC_MAYBE_SMEARED, 0 },
		{ "smeared", RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UNSPECIFIED },
		{ "smeared:unspecified", RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UNSPECIFIED },
		{ "smeared:sls", RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_UTC_SLS },
		{ "smeared:noon", RTC_CLOCK_UTC_SMEARED, RTC_SMEAR_NOON_LINEAR },
	};

	set("utc", kinds[_i].word);
	begin();
	is_clock(UTC, kinds[_i].type, kinds[_i].smearing, RTC_FLAG_ALARM_CAP);
	ck_assert_int_eq(reading(UTC), START);
	end();
}
END_TEST

START_TEST(no_alarm_when_told)
{
	set("no-offer-alarm", NULL);
	begin();
	ck_assert_uint_eq(fake.offered, 0);
	is_clock(UTC, RTC_CLOCK_UTC_SMEARED, 0, 0);
	end();
}
END_TEST

/* The standard's table; the original answers EINVAL or OK to most of these. */
START_TEST(status_table)
{
	static const struct {
		unsigned type, clock, arg;
		int status;
	} rows[] = {
		{ RTC_REQ_READ, 3, 0, NODEV }, { RTC_REQ_READ, 0xffff, 0, NODEV },
		{ RTC_REQ_CLOCK_CAP, 3, 0, NODEV },
		{ RTC_REQ_CROSS_CAP, 3, RTC_COUNTER_ARM_VCT, NODEV },
		{ RTC_REQ_CROSS_CAP, 0, 2, NOTSUPP }, { RTC_REQ_CROSS_CAP, 0, 0xff, NOTSUPP },
		{ RTC_REQ_CROSS_CAP, 0, 0xf0, NOTSUPP },
		{ RTC_REQ_CROSS_CAP, 0, RTC_COUNTER_ARM_VCT, OK },
		{ RTC_REQ_CROSS_CAP, 0, RTC_COUNTER_X86_TSC, OK },
		{ RTC_REQ_READ_CROSS, 3, RTC_COUNTER_ARM_VCT, NODEV },
		{ RTC_REQ_READ_CROSS, 0, RTC_COUNTER_ARM_VCT, NOTSUPP },
		{ RTC_REQ_READ_CROSS, 0, 77, NOTSUPP },
		{ RTC_REQ_READ_ALARM, UTC, 0, OK }, { RTC_REQ_READ_ALARM, TAI, 0, NODEV },
		{ RTC_REQ_READ_ALARM, 3, 0, NODEV },
		{ RTC_REQ_SET_ALARM, UTC, ON, OK }, { RTC_REQ_SET_ALARM, TAI, ON, NODEV },
		{ RTC_REQ_SET_ALARM, 3, ON, NODEV }, { RTC_REQ_SET_ALARM, UTC, 2, INVAL },
		{ RTC_REQ_SET_ALARM_ENABLED, UTC, ON, OK },
		{ RTC_REQ_SET_ALARM_ENABLED, MONOTONIC, ON, NODEV },
		{ RTC_REQ_SET_ALARM_ENABLED, 3, ON, NODEV },
		{ RTC_REQ_SET_ALARM_ENABLED, UTC, 0x81, INVAL },
	};
	static const uint16_t unknown[] = { 0, 3, 0xfff, 0x1006, 0x2000, 0xffff };
	unsigned i;

	begin();
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		ask(rows[i].type, rows[i].clock, rows[i].arg, UINT64_MAX, rows[i].status);
	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		ck_assert_int_eq(answer(push(unknown[i], 0, 0, 0, 16, 16)).head.status, NOTSUPP);
		ck_assert_int_eq(answer(push(unknown[i], 0, 0, 0, 8, 8)).head.status, NOTSUPP);
	}
	/* What was refused has changed nothing. */
	ck_assert_uint_eq(le64_get(ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK).alarm.alarm_time),
			  UINT64_MAX);
	end();
}
END_TEST

START_TEST(cross_cap_says_no)
{
	begin();
	ck_assert_uint_eq(ask(RTC_REQ_CROSS_CAP, UTC, RTC_COUNTER_ARM_VCT, 0, OK).cross_cap.flags,
			  0);
	end();
}
END_TEST

/* Too short by one byte and more: a status, and the device lives. */
START_TEST(short_requests)
{
	const struct message *m = &messages[_i];
	const struct chain *c;
	size_t n;

	begin();
	for (n = 0; n < m->get; n++) {
		c = push(m->type, UTC, 0, 0, n, m->put);
		ck_assert_int_eq(answer(c).head.status, INVAL);
		ck_assert_uint_eq(c->used, 8);
	}
	ck_assert_uint_eq(clocks(), 3);
	end();
}
END_TEST

START_TEST(short_responses)
{
	const struct message *m = &messages[_i];
	const struct chain *c;
	size_t n;

	begin();
	for (n = 1; n < m->put; n++) {
		c = push(m->type, UTC, 0, 0, m->get, n);
		ck_assert_int_eq(answer(c).head.status, INVAL);
		ck_assert_uint_eq(c->used, n < 8 ? n : 8);
	}
	/* Nothing may be written: the buffer goes back as it was. */
	c = push(m->type, UTC, 0, 0, m->get, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used, 0);
	ck_assert_uint_eq(clocks(), 3);
	/* A request that was refused did not set an alarm. */
	ck_assert_uint_eq(((struct rtc *)fake.state)->alarms[UTC].enabled, false);
	end();
}
END_TEST

/* Linux takes an answer of any other length for an error. */
START_TEST(room_to_spare)
{
	const struct message *m = &messages[_i];
	const struct chain *c;
	int status;

	begin();
	c = push(m->type, UTC, 0, 0, 64, 64);
	status = answer(c).head.status;
	ck_assert_int_eq(status, m->type == RTC_REQ_READ_CROSS ? NOTSUPP : OK);
	ck_assert_uint_eq(c->used, status == OK ? m->put : 8);
	end();
}
END_TEST

/* Memory that is not there any more costs the request. */
START_TEST(unmapped_requests)
{
	struct chain *c;

	begin();
	fake.running = false;
	c = push(RTC_REQ_CFG, 0, 0, 0, 8, 16);
	c->unmapped = true;
	fake.running = true;
	ck_assert_uint_eq(clocks(), 3);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	end();
}
END_TEST

START_TEST(without_the_feature)
{
	const struct chain *c;

	begin();
	fake.refused = BIT(VIRTIO_RTC_F_ALARM);
	is_clock(UTC, RTC_CLOCK_UTC_SMEARED, 0, 0);
	ask(RTC_REQ_READ_ALARM, UTC, 0, 0, NODEV);
	ask(RTC_REQ_SET_ALARM, UTC, ON, 0, NODEV);
	ask(RTC_REQ_SET_ALARM_ENABLED, UTC, ON, 0, NODEV);
	c = buffer();
	at(SECOND);
	is_parked(c);
	ck_assert_uint_eq(clocks(), 3);
	end();
}
END_TEST

/* -- Clocks -------------------------------------------------------------------------- */

START_TEST(clocks_run)
{
	begin();
	at(1500 * MS);
	ck_assert_int_eq(reading(UTC), START + 1500 * MS);
	ck_assert_int_eq(reading(TAI), START + 37 * SECOND + 1500 * MS);
	ck_assert_int_eq(reading(MONOTONIC), 1500 * MS);
	/* Setting the clock is nothing to the one that only runs. */
	sim_step(host(), -3600 * SECOND);
	ck_assert_int_eq(reading(UTC), START - 3600 * SECOND + 1500 * MS);
	ck_assert_int_eq(reading(MONOTONIC), 1500 * MS);
	end();
}
END_TEST

START_TEST(frozen_and_scaled)
{
	simulate(",rate=0,tai=10");
	begin();
	at(3600 * SECOND);
	ck_assert_int_eq(reading(UTC), START);
	ck_assert_int_eq(reading(TAI), (START + 10 * SECOND));
	sim_rate(host(), SECOND * 5 / 2);
	at(3602 * SECOND);
	ck_assert_int_eq(reading(UTC), (START + 5 * SECOND));
	ck_assert_int_eq(reading(MONOTONIC), (uint64_t)(5 * SECOND));
	end();
}
END_TEST

START_TEST(listed_clocks)
{
	set("clock", "monotonic,source=boottime,offset=-0.000000001,alarm=false");
	set("clock", "utc-step,offset=3600.25");
	set("clock", "utc-maybe-smeared");
	set("clock", "tai");
	begin();
	ck_assert_uint_eq(clocks(), 4);
	is_clock(0, RTC_CLOCK_MONOTONIC, 0, 0);
	is_clock(1, RTC_CLOCK_UTC, 0, RTC_FLAG_ALARM_CAP);
	is_clock(2, RTC_CLOCK_UTC_MAYBE_SMEARED, 0, RTC_FLAG_ALARM_CAP);
	is_clock(3, RTC_CLOCK_TAI, 0, RTC_FLAG_ALARM_CAP);
	/* Below zero there is no reading. */
	ask(RTC_REQ_READ, 0, 0, 0, IO);
	ck_assert_uint_eq(fake.counters[RTC_READ_ERRORS], 1);
	at(1);
	ck_assert_int_eq(reading(0), 0);
	ck_assert_int_eq(reading(1), (START + 3600 * SECOND) + 250 * MS + 1);
	end();
}
END_TEST

/* The host does not know TAI: rather no clock than a wrong one. */
START_TEST(tai_unknown)
{
	simulate(",tai=0");
	begin();
	ck_assert_uint_eq(clocks(), 2);
	is_clock(1, RTC_CLOCK_MONOTONIC, 0, 0);
	end();
	set("clock", "tai");
	fake_setup(&device_rtc, (uint64_t)T0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "--tai-offset"));
	fake_close();
	fake_teardown();
}
END_TEST

/* It comes to be unknown: readings would be wrong. */
START_TEST(tai_forgotten)
{
	begin();
	reading(TAI);
	sim_tai(host(), 0);
	ask(RTC_REQ_READ, TAI, 0, 0, IO);
	ck_assert_int_eq(reading(UTC), START);
	sim_tai(host(), 38);
	ck_assert_int_eq(reading(TAI), (START + 38 * SECOND));
	end();
}
END_TEST

/* What is given stays true when somebody tells the kernel later, and over a leap second. */
START_TEST(tai_given)
{
	simulate(",tai=0,leap=insert");
	set("tai-offset", "37");
	begin();
	ck_assert_int_eq(reading(TAI), (START + 37 * SECOND));
	sim_tai(host(), 37);
	ck_assert_int_eq(reading(TAI), (START + 37 * SECOND));
	at((DAY / 2 + 10) * SECOND);
	ck_assert_int_eq(reading(TAI), (START + (DAY / 2 + 47) * SECOND));
	ck_assert_int_eq(reading(UTC), (START + (DAY / 2 + 9) * SECOND));
	end();
}
END_TEST

/* -- Leap seconds --------------------------------------------------------------------- */

/* UTC + offset from the leap second's midnight, and what a clock is to read then. */
struct point {
	double run;                     /* seconds since the beginning, at noon */
	double reading;                 /* .. that the clock tells since then */
};

static void check_points(const struct point *p, unsigned n)
{
	int64_t want, got;
	unsigned i;

	for (i = 0; i < n; i++) {
		at((int64_t)(p[i].run * 1e9));
		want = START + (int64_t)(p[i].reading * 1e9);
		got = (int64_t)reading(0);
		ck_assert_msg(got - want <= 2 && want - got <= 2, "point %u: %lld ns too late", i,
			      (long long)(got - want));
	}
}

START_TEST(sls_inserted)
{
	static const struct point points[] = {
		{ 1, 1 }, { HALF - 999.5, HALF - 999.5 }, { HALF - 999, HALF - 999 },
		{ HALF - 998, HALF - 998.001 }, { HALF - 499, HALF - 499.5 },
		{ HALF, HALF - 0.999 }, { HALF + 0.5, HALF - 0.4995 }, { HALF + 1, HALF },
		{ HALF + 2, HALF + 1 }, { HALF + DAY, HALF + DAY - 1 },
	};

	simulate(",leap=insert");
	set("utc", _i == 0 ? "smeared:sls" : "smeared");
	begin();
	check_points(points, ARRAY_SIZE(points));
	end();
}
END_TEST

START_TEST(sls_deleted)
{
	static const struct point points[] = {
		{ HALF - 1001, HALF - 1001 }, { HALF - 1000, HALF - 999.999 },
		{ HALF - 501, HALF - 500.5 }, { HALF - 1, HALF }, { HALF, HALF + 1 },
	};

	simulate(",leap=delete");
	set("utc", "smeared:sls");
	begin();
	check_points(points, ARRAY_SIZE(points));
	end();
}
END_TEST

/* A day and a second become a day; a 86400th of the smeared second is missing each time. */
START_TEST(noon_inserted)
{
	static const struct point points[] = {
		{ 0, 0 }, { 86401.0 / 86400, 1 }, { 86401.0 / 4, DAY / 4.0 },
		{ 86401.0 / 2, DAY / 2.0 }, { 86401.0 * 3 / 4, DAY * 3 / 4.0 }, { DAY + 1, DAY },
		{ DAY + 2, DAY + 1 },
	};

	simulate(",leap=insert");
	set("utc", "smeared:noon");
	begin();
	check_points(points, ARRAY_SIZE(points));
	end();
}
END_TEST

START_TEST(noon_deleted)
{
	static const struct point points[] = {
		{ 0, 0 }, { 86399.0 / 4, DAY / 4.0 }, { 86399.0 / 2, DAY / 2.0 }, { DAY - 1, DAY },
		{ DAY, DAY + 1 },
	};

	simulate(",leap=delete");
	set("utc", "smeared:noon");
	begin();
	check_points(points, ARRAY_SIZE(points));
	end();
}
END_TEST

START_TEST(step_inserted)
{
	static const struct point points[] = {
		{ HALF - 0.5, HALF - 0.5 }, { HALF + 0.5, HALF - 0.5 }, { HALF + 1, HALF },
	};

	simulate(",leap=insert");
	set("utc", _i == 0 ? "step" : "maybe-smeared");
	begin();
	check_points(points, ARRAY_SIZE(points));
	end();
}
END_TEST

/* Announced with 500 s to go: what is left of the day takes it up, and nothing jumps. */
START_TEST(announced_late)
{
	static const struct point before[] = { { HALF - 500, HALF - 500 } };
	static const struct point after[] = {
		{ HALF - 499, HALF - 499 }, { HALF - 249, HALF - 249.5 }, { HALF + 1, HALF },
	};

	set("utc", "smeared:sls");
	begin();
	check_points(before, 1);
	at((HALF - 499) * SECOND);
	sim_leap(host(), HOST_LEAP_INSERT);
	check_points(after, ARRAY_SIZE(after));
	end();
}
END_TEST

START_TEST(announced_and_withdrawn)
{
	static const struct point before[] = { { HALF - 499, HALF - 499.5 } };
	static const struct point after[] = { { HALF - 400, HALF - 400 }, { HALF + 1, HALF + 1 } };

	simulate(",leap=insert");
	set("utc", "smeared:sls");
	begin();
	check_points(before, 1);
	sim_leap(host(), HOST_LEAP_NONE);
	check_points(after, ARRAY_SIZE(after));
	end();
}
END_TEST

/* Somebody tells the kernel what TAI is, while a leap second is smeared: UTC is what it was. */
START_TEST(tai_told_while_smearing)
{
	static const struct point before[] = { { HALF - 499, HALF - 499.5 } };
	static const struct point after[] = { { HALF - 499, HALF - 499.5 },
		{ HALF + 0.5, HALF - 0.4995 }, { HALF + 3, HALF + 2 } };

	simulate(",leap=insert,tai=0");
	set("utc", "smeared:sls");
	begin();
	check_points(before, 1);
	sim_tai(host(), 37);
	check_points(after, ARRAY_SIZE(after));
	end();
}
END_TEST

/* All around the leap: never back, never a step. */
START_TEST(smearing_is_even)
{
	const uint64_t part = 10 * MS, from = (uint64_t)(T0 + (HALF - 1100) * SECOND);
	uint64_t last = 0, now, i;
	struct rtc *r;

	simulate(",leap=insert");
	begin();
	r = fake.state;
	for (i = 0; i < 120000; i++) {
		loop_fake_clock(fake.loop, from + i * part);
		ck_assert_int_eq(clock_read(&r->clocks[0], r->host, &now), 0);
		ck_assert(last == 0 || (now - last >= part / 1000 * 998 && now - last <= part));
		last = now;
	}
	end();
}
END_TEST

/* -- Cross timestamps ------------------------------------------------------------------ */

START_TEST(cross_timestamps)
{
	union resp resp;

	set("counter", "arm-vct,offset=-1000,mult=3,shift=1");
	set("counter", "x86-tsc,offset=7");
	begin();
	ck_assert_uint_eq(ask(RTC_REQ_CROSS_CAP, MONOTONIC, RTC_COUNTER_ARM_VCT, 0,
			      OK).cross_cap.flags, RTC_FLAG_CROSS_CAP);
	at(3);
	resp = ask(RTC_REQ_READ_CROSS, MONOTONIC, RTC_COUNTER_ARM_VCT, 0, OK);
	ck_assert_uint_eq(le64_get(resp.cross.clock_reading), 3);
	ck_assert_uint_eq(le64_get(resp.cross.counter_cycles), (T0 + 3) * 3 / 2 - 1000);
	resp = ask(RTC_REQ_READ_CROSS, UTC, RTC_COUNTER_X86_TSC, 0, OK);
	ck_assert_uint_eq(le64_get(resp.cross.clock_reading), START + 3);
	ck_assert_uint_eq(le64_get(resp.cross.counter_cycles), T0 + 3 + 7);
	ask(RTC_REQ_READ_CROSS, 9, RTC_COUNTER_X86_TSC, 0, NODEV);
	ask(RTC_REQ_READ_CROSS, UTC, 9, 0, NOTSUPP);
	end();
}
END_TEST

static uint64_t slow_ticks(const struct loop *l)
{
	static uint64_t ticks;

	return ticks += 1000;
}

/* Clock and counter are read too far from each other: better no answer. */
START_TEST(cross_timestamps_too_coarse)
{
	set("counter", "x86-tsc,error=100");
	sim_ticks = slow_ticks;
	begin();
	ask(RTC_REQ_READ_CROSS, MONOTONIC, RTC_COUNTER_X86_TSC, 0, IO);
	end();
	sim_ticks = loop_now;
}
END_TEST

/* -- Options and commands --------------------------------------------------------------- */

START_TEST(seconds)
{
	static const struct {
		const char *text;
		int ret;
		int64_t ns;
	} rows[] = {
		{ "0", 0, 0 }, { "12", 0, 12 * SECOND }, { "-1", 0, -SECOND },
		{ "0.25", 0, SECOND / 4 }, { "-0.000000001", 0, -1 },
		{ "3.123456789", 0, 3123456789 }, { "4000000000", 0, 4000000000LL * SECOND },
		{ "4000000001", -ERANGE, 0 }, { "99999999999999999999", -EINVAL, 0 },
		{ "", -EINVAL, 0 }, { "-", -EINVAL, 0 }, { "--1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 }, { "1.", -EINVAL, 0 }, { ".5", -EINVAL, 0 },
		{ "1.1234567890", -EINVAL, 0 }, { "1.+5", -EINVAL, 0 }, { "1s", -EINVAL, 0 },
		{ "-+1", -EINVAL, 0 },
	};
	int64_t ns;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ns = 0;
		ck_assert_int_eq(rtc_parse_seconds(rows[i].text, &ns), rows[i].ret);
		ck_assert_int_eq(ns, rows[i].ns);
	}
}
END_TEST

START_TEST(options_that_clash)
{
	static const struct {
		const char *options[6];
		const char *says;
	} rows[] = {
		{ { "simulate", "rate=1", "simulate", "rate=1" }, "--simulate" },
		{ { "simulate", "rate=1", "wake-host", NULL }, "--wake-host" },
		{ { "clock", "tai", "no-tai", NULL }, "--no-tai" },
		{ { "clock", "monotonic,source=tai" }, "boottime" },
		{ { "clock", "utc-smeared,source=/dev/ptp0" }, "leap seconds" },
		{ { "counter", "x86-tsc", "counter", "x86-tsc" }, "--counter" },
	};
	unsigned i;

	for (i = 0; i < 6 && rows[_i].options[i] != NULL; i += 2)
		set(rows[_i].options[i], rows[_i].options[i + 1]);
	ck_assert_int_lt(rtc_check(conf, &err), 0);
	ck_assert_msg(strstr(err.text, rows[_i].says) != NULL, "%s", err.text);
}
END_TEST

START_TEST(bad_values)
{
	static const char *const rows[][2] = {
		{ "clock", "" }, { "clock", "utc" }, { "clock", "tai,offset=x" },
		{ "clock", "tai,offset=2000000001" }, { "counter", "x86-tsc,offset=-+1" },
		{ "counter", "x86-tsc,mult=0" }, { "counter", "x86-tsc,shift=64" },
		{ "counter", "hpet" }, { "simulate", "start=-1" }, { "simulate", "rate=1001" },
		{ "simulate", "rate=-1" }, { "simulate", "leap=two" }, { "utc", "leap" },
	};

	ck_assert_int_lt(opt_set(opt_find(device_rtc.options, rows[_i][0], strlen(rows[_i][0])),
				 conf, rows[_i][1], &err), 0);
	ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(bad_tai)
{
	static const char *const texts[] = { "0", "1001", "many", "./no-such-list", "/dev/null" };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		set("tai-offset", texts[i]);
		simulate("");
		fake_setup(&device_rtc, (uint64_t)T0);
		ck_assert_int_lt(fake_open(conf, 1, &err), 0);
		ck_assert_msg(strstr(err.text, texts[i]) != NULL, "%s", err.text);
		fake_close();
		fake_teardown();
		teardown();
		setup();
	}
}
END_TEST

START_TEST(commands)
{
	const struct chain *c;

	begin();
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 3600 * SECOND), ON);
	ck_assert_int_eq(fake_command(&err, "clocks", 0), 0);
	ck_assert_str_eq(fake.reply,
			 "0 utc-smeared 1728043200.000000000 alarm=1728046800.000000000 ahead\n"
			 "1 tai 1728043237.000000000\n2 monotonic 0.000000000\n");
	ck_assert_int_eq(fake_command(&err, "step", 1, "3600"), 0);
	came(c, UTC);
	ck_assert_int_eq(fake_command(&err, "tai", 1, "40"), 0);
	ck_assert_int_eq(reading(TAI), (START + 3640 * SECOND));
	ck_assert_int_eq(fake_command(&err, "rate", 1, "0"), 0);
	at(SECOND);
	ck_assert_int_eq(reading(TAI), (START + 3640 * SECOND));
	ck_assert_int_eq(fake_command(&err, "leap", 1, "insert"), 0);
	ck_assert_int_eq(fake_command(&err, "leap", 1, "many"), -EINVAL);
	ck_assert_int_eq(fake_command(&err, "step", 1, "x"), -EINVAL);
	ck_assert_int_eq(fake_command(&err, "rate", 1, "1001"), -ERANGE);
	ck_assert_int_eq(fake_command(&err, "rate", 1, "-1"), -ERANGE);
	ck_assert_int_eq(fake_command(&err, "tai", 1, "-1"), -EINVAL);
	end();
}
END_TEST

static void add_requests(TCase *tc)
{
	const int n = MESSAGES;

	tcase_add_test(tc, usual_clocks);
	tcase_add_test(tc, clocks_left_out);
	tcase_add_loop_test(tc, kinds_of_utc, 0, 6);
	tcase_add_test(tc, no_alarm_when_told);
	tcase_add_test(tc, status_table);
	tcase_add_test(tc, cross_cap_says_no);
	tcase_add_loop_test(tc, short_requests, 0, n);
	tcase_add_loop_test(tc, short_responses, 0, n);
	tcase_add_loop_test(tc, room_to_spare, 0, n);
	tcase_add_test(tc, unmapped_requests);
	tcase_add_test(tc, without_the_feature);
	tcase_add_test(tc, cross_timestamps);
	tcase_add_test(tc, cross_timestamps_too_coarse);
}

static void add_clocks(TCase *tc)
{
	tcase_add_test(tc, clocks_run);
	tcase_add_test(tc, frozen_and_scaled);
	tcase_add_test(tc, listed_clocks);
	tcase_add_test(tc, tai_unknown);
	tcase_add_test(tc, tai_forgotten);
	tcase_add_test(tc, tai_given);
	tcase_add_loop_test(tc, sls_inserted, 0, 2);
	tcase_add_test(tc, sls_deleted);
	tcase_add_test(tc, noon_inserted);
	tcase_add_test(tc, noon_deleted);
	tcase_add_loop_test(tc, step_inserted, 0, 2);
	tcase_add_test(tc, announced_late);
	tcase_add_test(tc, announced_and_withdrawn);
	tcase_add_test(tc, tai_told_while_smearing);
	tcase_add_test(tc, smearing_is_even);
}

static void add_options(TCase *tc)
{
	tcase_add_test(tc, seconds);
	tcase_add_loop_test(tc, options_that_clash, 0, 6);
	tcase_add_loop_test(tc, bad_values, 0, 13);
	tcase_add_test(tc, bad_tai);
	tcase_add_test(tc, commands);
}

int main(void)
{
	Suite *s = suite_create("rtc");

	add_requests(rtc_part(s, "requests"));
	add_clocks(rtc_part(s, "clocks"));
	add_options(rtc_part(s, "options"));
	return run_suite(s);
}
