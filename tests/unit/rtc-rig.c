/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What tests of the clock device share. */
#include <stdio.h>
#include <string.h>

#include "core/opt.h"
#include "rtc-rig.h"
#include "rtc.h"

unsigned char conf[256];
struct error err;

void setup(void)
{
	ck_assert_uint_le(device_rtc.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_rtc.options, conf);
	sim_ticks = loop_now;
	err = ERROR_NONE;
}

void teardown(void)
{
	opt_finish(device_rtc.options, conf);
}

void set(const char *option, const char *text)
{
	ck_assert_msg(opt_set(opt_find(device_rtc.options, option, strlen(option)), conf, text,
			      &err) == 0, "%s", err.text);
}

void simulate(const char *more)
{
	char text[80];

	snprintf(text, sizeof(text), "start=%lld%s", (long long)(START / SECOND), more);
	set("simulate", text);
}

void begin(void)
{
	if (((struct rtc_conf *)(void *)conf)->sims.n == 0)
		simulate("");
	fake_setup(&device_rtc, (uint64_t)T0);
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

void end(void)
{
	fake_stop();
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
}

struct host *host(void)
{
	return ((struct rtc *)fake.state)->host;
}

void at(int64_t ns)
{
	fake_at((uint64_t)(T0 + ns));
}

const struct message messages[] = {
	{ RTC_REQ_READ, 16, 16 }, { RTC_REQ_READ_CROSS, 16, 24 }, { RTC_REQ_CFG, 8, 16 },
	{ RTC_REQ_CLOCK_CAP, 16, 16 }, { RTC_REQ_CROSS_CAP, 16, 16 },
	{ RTC_REQ_READ_ALARM, 16, 24 }, { RTC_REQ_SET_ALARM, 24, 8 },
	{ RTC_REQ_SET_ALARM_ENABLED, 16, 8 },
};

static const struct message *message(uint16_t type)
{
	const struct message *m = messages;

	while (m->type != type)
		m++;
	return m;
}

struct chain *push(unsigned type, unsigned clock, unsigned arg, uint64_t time, size_t get,
			  size_t put)
{
	const struct rtc_req_clock small = { { le16((uint16_t)type), { 0 } },
		le16((uint16_t)clock), (uint8_t)arg, { 0 } };
	const struct rtc_req_set_alarm large = { { le16((uint16_t)type), { 0 } }, le64(time),
		le16((uint16_t)clock), (uint8_t)arg, { 0 } };
	uint8_t bytes[64] = { 0 };

	memcpy(bytes, type == RTC_REQ_SET_ALARM ? (const void *)&large : &small,
	       type == RTC_REQ_SET_ALARM ? sizeof(large) : sizeof(small));
	return fake_push(bytes, get, put);
}

union resp answer(const struct chain *c)
{
	union resp resp;

	ck_assert_int_eq(c->end, FAKE_DONE);
	memset(&resp, 0, sizeof(resp));
	memcpy(&resp, c->put, c->used < sizeof(resp) ? c->used : sizeof(resp));
	return resp;
}

union resp ask(unsigned type, unsigned clock, unsigned arg, uint64_t time, int status)
{
	const struct message *m = message((uint16_t)type);
	const struct chain *c = push(type, clock, arg, time, m->get, m->put);
	union resp resp = answer(c);
	unsigned i;

	ck_assert_int_eq(resp.head.status, status);
	ck_assert_uint_eq(c->used, status == OK ? m->put : 8);
	for (i = 0; i < sizeof(resp.head.reserved); i++)
		ck_assert_uint_eq(resp.head.reserved[i], 0);
	return resp;
}

int64_t reading(unsigned clock)
{
	return (int64_t)le64_get(ask(RTC_REQ_READ, clock, 0, 0, OK).read.clock_reading);
}

void set_alarm(unsigned clock, uint64_t time, unsigned flags)
{
	ask(RTC_REQ_SET_ALARM, clock, flags, time, OK);
}

void enable(unsigned clock, unsigned flags)
{
	ask(RTC_REQ_SET_ALARM_ENABLED, clock, flags, 0, OK);
}

struct chain *buffer(void)
{
	return fake_push_to(RTC_ALARMQ, NULL, 0, sizeof(struct rtc_notif_alarm));
}

void is_parked(const struct chain *c)
{
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(c->put[0], FAKE_POISON);
}

void came(const struct chain *c, unsigned clock)
{
	const uint8_t want[16] = { RTC_NOTIF_ALARM & 0xff, RTC_NOTIF_ALARM >> 8, 0, 0, 0, 0, 0, 0,
		(uint8_t)clock };

	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, sizeof(want));
	ck_assert_int_eq(memcmp(c->put, want, sizeof(want)), 0);
}

unsigned clocks(void)
{
	return le16_get(ask(RTC_REQ_CFG, 0, 0, 0, OK).cfg.num_clocks);
}

TCase *rtc_part(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return tc;
}
