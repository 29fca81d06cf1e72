/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the clock device, on simulated time. The first byte
 * chooses: 0 modulo 4, the rest is a list of leap seconds; 1, a --clock; else
 * records of eight bytes: what to do, a clock, an argument, bytes to read and
 * to write, and a number that may be a time or a step of one.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "rtc.h"
#include "wire/virtio-rtc.h"

enum { RECORD = 8, MOST = 100, DO_REQUEST = 8, DO_BUFFER = 12, SHIFTS = 64 };

extern const struct device device_rtc;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[256];
static uint64_t now;

static const uint16_t types[DO_REQUEST] = {
	RTC_REQ_READ, RTC_REQ_READ_CROSS, RTC_REQ_CFG, RTC_REQ_CLOCK_CAP, RTC_REQ_CROSS_CAP,
	RTC_REQ_READ_ALARM, RTC_REQ_SET_ALARM, RTC_REQ_SET_ALARM_ENABLED,
};
static const uint8_t sizes[DO_REQUEST] = { 16, 24, 16, 16, 16, 24, 8, 8 };

static char *copy_text(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1);

	bug_if(text == NULL);
	if (size > 0)
		memcpy(text, data, size);
	return text;
}

static void run_list(const uint8_t *data, size_t size)
{
	FREE_PTR char *text = copy_text(data, size);
	int64_t expires = 0;
	int tai = 0;

	if (leap_list_find(text, 1700000000LL * SECOND, &tai, &expires) == 0)
		bug_if(tai < 1 || tai > 1000);
	else
		bug_if(tai != 0 || expires != 0);
}

static bool set(const char *option, const char *text)
{
	struct error err = ERROR_NONE;
	int ret = opt_set(opt_find(device_rtc.options, option, strlen(option)), conf, text, &err);

	bug_if((ret < 0) != (err.text[0] != '\0') || strchr(err.text, '\n') != NULL);
	return ret == 0;
}

/* Host files are not for a fuzzer to open. */
static void run_clock(const uint8_t *data, size_t size)
{
	FREE_PTR char *text = copy_text(data, size);
	struct error err = ERROR_NONE;

	set("simulate", "start=1483228740");
	if (strchr(text, '/') != NULL || !set("clock", text) || rtc_check(conf, &err) < 0)
		return;
	fake_setup(&device_rtc, (uint64_t)SECOND);
	if (strstr(text, "source") == NULL || strstr(text, "monotonic") == text) {
		bug_if((fake_open(conf, 1, &err) < 0) != (err.text[0] != '\0'));
		fake_close();
	}
	fake_teardown();
}

static uint64_t number(const uint8_t *r)
{
	return (uint64_t)(r[5] | r[6] << 8) << r[7] % SHIFTS;
}

static void push_request(const uint8_t *r)
{
	struct rtc_req_set_alarm large = { { le16(types[r[0] % DO_REQUEST]), { 0 } },
		le64(number(r)), le16(r[1]), r[2], { 0 } };
	uint8_t bytes[256] = { 0 };

	memcpy(bytes, &large, sizeof(large));
	if (types[r[0] % DO_REQUEST] != RTC_REQ_SET_ALARM) {
		memset(bytes + 8, 0, 16);
		bytes[8] = r[1];
		bytes[10] = r[2];
	}
	/* Sometimes a type that there is not. */
	bytes[0] = (uint8_t)(bytes[0] ^ (r[2] == 0x55 ? r[1] : 0));
	fake_push(bytes, r[3], r[4]);
}

static void turn(const uint8_t *r)
{
	struct host *h = ((struct rtc *)fake.state)->host;

	switch (r[0] % 16 - DO_BUFFER) {
	case 0:
		if (number(r) < (uint64_t)INT64_MAX - now)
			now += number(r);
		fake_at(now);
		break;
	case 1:
		sim_step(h, (int64_t)number(r));
		break;
	case 2:
		if (r[1] % 2 != 0)
			sim_leap(h, (enum host_leap)(r[2] % 3));
		else
			sim_rate(h, r[2] * (SECOND / 8));
		break;
	default:
		fake_stop();
		if (r[1] % 3 > 0)
			fake_reset(r[1] % 3 == 1 ? RESET_DRIVER : RESET_LEFT);
		fake_start();
		break;
	}
}

/* All of it and no more, or a status alone; of requests that were wrong not even that. */
static void check_answer(const struct chain *c)
{
	unsigned i, fits = 0;

	bug_if(c->used > c->put_size);
	if (c->queue == RTC_ALARMQ) {
		bug_if(c->end == FAKE_DONE && c->used != sizeof(struct rtc_notif_alarm));
		return;
	}
	bug_if(c->end != (c->put_size == 0 ? FAKE_FAILED : FAKE_DONE));
	if (c->put_size == 0)
		return;
	bug_if(c->put[0] == 1 || c->put[0] > RTC_S_EIO);
	for (i = 0; i < DO_REQUEST; i++)
		fits |= c->used == sizes[i];
	bug_if(c->put[0] == RTC_S_OK && !fits);
	bug_if(c->put[0] != RTC_S_OK && c->used != (c->put_size < 8 ? c->put_size : 8));
}

static void run_records(const uint8_t *data, size_t size)
{
	unsigned i;

	set("simulate", "start=1483228740,leap=insert");
	set("clock", "utc-smeared");
	set("clock", "tai,offset=-1483228777");
	set("clock", "monotonic");
	set("clock", "utc-step");
	set("clock", "utc-smeared:noon,alarm=false");
	set("counter", "arm-vct,mult=18446744073709551615,shift=63");
	now = (uint64_t)SECOND;
	fake_setup(&device_rtc, now);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD) {
		if (data[0] % 16 < DO_REQUEST)
			push_request(data);
		else if (data[0] % 16 < DO_BUFFER)
			fake_push_to(RTC_ALARMQ, NULL, 0, data[4]);
		else
			turn(data);
	}
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i]);
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	if (size == 0)
		return 0;
	memset(conf, 0, sizeof(conf));
	bug_if(device_rtc.conf_size > sizeof(conf));
	opt_defaults(device_rtc.options, conf);
	sim_ticks = loop_now;
	if (data[0] % 4 == 0)
		run_list(data + 1, size - 1);
	else if (data[0] % 4 == 1)
		run_clock(data + 1, size - 1);
	else
		run_records(data + 1, size - 1);
	opt_finish(device_rtc.options, conf);
	return 0;
}
