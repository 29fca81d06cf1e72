/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The clock device on real rings and on the clock of this host: framing, order,
 * alarms while queues stop, reset and go away with buffers parked.
 */
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "served.h"
#include "suite.h"
#include "wire/virtio-rtc.h"

enum { POISON = 0xa5, IN = 1 << 20, BUFFERS = 2 << 20, TURNS = 200, PIECES = 8, SIZE = 1024,
	OK = RTC_S_OK, ON = RTC_FLAG_ALARM_ENABLED, UTC = 0, ROOM = 32 };

#define MS 1000000ULL
#define SECOND 1000000000ULL

extern const struct device device_rtc;

static const uint64_t layouts[] = {
	0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX),
};

static struct fe_ring *alarmq;

static void start_alarmq(unsigned size, uint64_t features)
{
	const struct fe_ring_setup setup = { .index = RTC_ALARMQ, .size = size, .indirect = 16,
		.features = features | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) };

	served_ok(fe_ring_new(served.mem, &setup, &alarmq, &served.err));
	served_ok(fe_ring_start(alarmq, served.fe, &served.err));
}

/* A UTC clock that does what the host's does, then a monotonic one. */
static void begin(int layout, uint64_t features)
{
	served_option(&device_rtc, "clock", "utc-step");
	served_option(&device_rtc, "clock", "monotonic");
	served_open(&device_rtc);
	served_start(SIZE, layouts[layout] | features);
	start_alarmq(16, layouts[layout]);
	memset(served.view, POISON, SERVED_DATA);
}

static void end(void)
{
	fe_ring_free(alarmq);
	alarmq = NULL;
	served_close();
}

/* Wherever descriptors end. */
static unsigned cut(struct fe_seg *segs, uint64_t at, uint32_t size)
{
	unsigned n = 0;
	uint32_t len;

	while (size > 0) {
		len = n + 1 == PIECES ? size : 1 + (uint32_t)rand() % size;
		segs[n++] = (struct fe_seg){ at, len };
		at += len;
		size -= len;
	}
	return n;
}

/* The length of the answer, which is at IN. */
static uint32_t ask_raw(const void *req, uint32_t size, uint32_t room)
{
	struct fe_seg segs[2 * PIECES];
	unsigned n_out, n_in;

	memcpy(served.view, req, size);
	memset(served.view + IN, POISON, room + 1);
	n_out = cut(segs, served.data, size);
	n_in = cut(segs + n_out, served.data + IN, room);
	return served_ask(segs, n_out, n_in, (unsigned)rand() % 2 ? FE_ADD_INDIRECT : 0);
}

/* The answer of a request that succeeds; it has this length. */
static const void *ask(unsigned type, unsigned clock, unsigned arg, uint32_t size)
{
	const struct rtc_req_clock req = { { le16((uint16_t)type), { 0 } },
		le16((uint16_t)clock), (uint8_t)arg, { 0 } };

	ck_assert_uint_eq(ask_raw(&req, sizeof(req), size), size);
	ck_assert_uint_eq(served.view[IN], OK);
	ck_assert_uint_eq(served.view[IN + size], POISON);
	return served.view + IN;
}

static uint64_t reading(unsigned clock)
{
	const struct rtc_resp_read *resp = ask(RTC_REQ_READ, clock, 0, sizeof(*resp));

	return le64_get(resp->clock_reading);
}

static unsigned clocks(void)
{
	const struct rtc_resp_cfg *resp = ask(RTC_REQ_CFG, 0, 0, sizeof(*resp));

	return le16_get(resp->num_clocks);
}

static void set_alarm(unsigned clock, uint64_t at, unsigned flags)
{
	const struct rtc_req_set_alarm req = { { le16(RTC_REQ_SET_ALARM), { 0 } }, le64(at),
		le16((uint16_t)clock), (uint8_t)flags, { 0 } };

	ck_assert_uint_eq(ask_raw(&req, sizeof(req), sizeof(struct rtc_resp_head)),
			  sizeof(struct rtc_resp_head));
	ck_assert_uint_eq(served.view[IN], OK);
}

static uint64_t host_now(clockid_t id)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(id, &ts), 0);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static unsigned char *buffer(unsigned i)
{
	return served.view + BUFFERS + (size_t)ROOM * i;
}

static void post_buffer(unsigned i)
{
	struct fe_seg segs[PIECES];
	unsigned n = cut(segs, served.data + BUFFERS + (uint64_t)ROOM * i,
			 sizeof(struct rtc_notif_alarm));

	memset(buffer(i), POISON, ROOM);
	served_ok(fe_ring_add(alarmq, segs, 0, n, FE_ADD_INDIRECT, buffer(i)));
	served_ok(fe_ring_kick(alarmq, served.fe, &served.err));
}

/* The next notification is of this clock, and in this buffer. */
static void await(unsigned i, unsigned clock)
{
	const struct rtc_notif_alarm *notif;
	struct fe_used used;

	served_ok(fe_ring_wait(alarmq, served.fe, SERVED_WAIT_MS, &served.err));
	ck_assert_int_eq(fe_ring_get(alarmq, &used, &served.err), 1);
	ck_assert_uint_eq(used.len, sizeof(*notif));
	ck_assert_ptr_eq(used.token, buffer(i));
	notif = used.token;
	ck_assert_uint_eq(le16_get(notif->head.msg_type), RTC_NOTIF_ALARM);
	ck_assert_uint_eq(le16_get(notif->clock_id), clock);
	ck_assert_uint_eq(buffer(i)[sizeof(*notif)], POISON);
}

static void is_untouched(unsigned i)
{
	unsigned k;

	for (k = 0; k < ROOM; k++)
		ck_assert_uint_eq(buffer(i)[k], POISON);
}

/* Until the host's clock says so; the device meanwhile does what it does. */
static void wait_until(uint64_t utc)
{
	while (host_now(CLOCK_REALTIME) < utc)
		poll(NULL, 0, 1);
}

START_TEST(any_framing)
{
	uint64_t before, now;
	unsigned i;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	for (i = 0; i < TURNS; i++) {
		before = host_now(CLOCK_MONOTONIC);
		now = reading(1);
		ck_assert_uint_ge(now, before);
		ck_assert_uint_le(now, host_now(CLOCK_MONOTONIC));
	}
	end();
}
END_TEST

/* A queue full of requests is answered in its order, and no reading goes back. */
START_TEST(thousand_readings)
{
	const struct rtc_req_clock req = { { le16(RTC_REQ_READ), { 0 } }, le16(1), 0, { 0 } };
	uint64_t now, last = 0;
	struct fe_seg segs[2];
	struct fe_used used;
	unsigned i;
	int ret;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	memcpy(served.view, &req, sizeof(req));
	for (i = 0; i < 1000; i++) {
		segs[0] = (struct fe_seg){ served.data, sizeof(req) };
		segs[1] = (struct fe_seg){ served.data + IN + 16 * i, 16 };
		served_ok(fe_ring_add(served.ring, segs, 1, 1, FE_ADD_INDIRECT,
				      served.view + IN + (size_t)16 * i));
	}
	served_ok(fe_ring_kick(served.ring, served.fe, &served.err));
	for (i = 0; i < 1000; i += (unsigned)ret) {
		ret = fe_ring_get(served.ring, &used, &served.err);
		served_ok(ret);
		if (ret == 0) {
			served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS,
					       &served.err));
			continue;
		}
		ck_assert_ptr_eq(used.token, served.view + IN + (size_t)16 * i);
		now = le64_get(((const struct rtc_resp_read *)used.token)->clock_reading);
		ck_assert_uint_ge(now, last);
		last = now;
	}
	end();
}
END_TEST

/* The original's thread ended on each of these, and the device with it. */
START_TEST(bad_requests)
{
	const struct rtc_req_clock req = { { le16(RTC_REQ_READ), { 0 } }, le16(0), 0, { 0 } };
	uint32_t n;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	for (n = 1; n < sizeof(req); n++) {
		ck_assert_uint_eq(ask_raw(&req, n, 16), 8);
		ck_assert_uint_eq(served.view[IN], RTC_S_EINVAL);
		ck_assert_uint_eq(ask_raw(&req, sizeof(req), n), n < 8 ? n : 8);
		ck_assert_uint_eq(served.view[IN], RTC_S_EINVAL);
		ck_assert_uint_eq(served.view[IN + n], POISON);
	}
	ck_assert_uint_eq(ask_raw(&req, 0, 16), 8);
	ck_assert_uint_eq(ask_raw(&req, sizeof(req), 0), 0);
	ck_assert_uint_eq(clocks(), 2);
	end();
}
END_TEST

START_TEST(alarm_comes)
{
	uint64_t when;
	unsigned i;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	for (i = 0; i < 4; i++) {
		post_buffer(0);
		when = reading(UTC) + 10 * MS;
		set_alarm(UTC, when, ON);
		await(0, UTC);
		ck_assert_uint_ge(reading(UTC), when);
		/* The other one, with two buffers there: the older one is used. */
		post_buffer(1);
		post_buffer(2);
		when = reading(1) + 5 * MS;
		set_alarm(1, when, ON);
		await(1, 1);
		ck_assert_uint_ge(reading(1), when);
		set_alarm(1, 0, ON);
		await(2, 1);
	}
	end();
}
END_TEST

/* The original writes into a buffer of the stopped queue. */
START_TEST(stopped_with_buffers)
{
	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	post_buffer(0);
	set_alarm(UTC, reading(UTC) + 20 * MS, ON);
	served_ok(fe_ring_stop(alarmq, served.fe, &served.err));
	wait_until(host_now(CLOCK_REALTIME) + 30 * MS);
	/* Two turns of its loop later it has seen the time pass. */
	reading(UTC);
	reading(UTC);
	is_untouched(0);
	served_ok(fe_ring_start(alarmq, served.fe, &served.err));
	await(0, UTC);
	end();
}
END_TEST

/* A reset of the device while an alarm waits: what was parked is forgotten, the alarm not. */
START_TEST(reset_with_buffers)
{
	const struct rtc_resp_read_alarm *alarm;
	uint64_t when;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	post_buffer(0);
	when = reading(UTC) + 30 * MS;
	set_alarm(UTC, when, ON);
	served_ok(fe_ring_stop(alarmq, served.fe, &served.err));
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_ok(fe_reset_device(served.fe, &served.err));
	fe_ring_reset(alarmq);
	fe_ring_reset(served.ring);
	wait_until(when + 5 * MS);
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	alarm = ask(RTC_REQ_READ_ALARM, UTC, 0, sizeof(*alarm));
	ck_assert_uint_eq(le64_get(alarm->alarm_time), when);
	ck_assert_uint_eq(alarm->flags, ON);
	is_untouched(0);
	served_ok(fe_ring_start(alarmq, served.fe, &served.err));
	post_buffer(1);
	await(1, UTC);
	is_untouched(0);
	end();
}
END_TEST

/* The front end goes away with buffers posted and an alarm about to go off. */
START_TEST(leaves_with_an_alarm)
{
	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	post_buffer(0);
	set_alarm(UTC, reading(UTC) + 2 * MS, ON);
	end();
}
END_TEST

/* The original's thread ends when this queue is kicked. */
START_TEST(without_the_feature)
{
	const struct rtc_req_clock req = { { le16(RTC_REQ_READ_ALARM), { 0 } }, le16(0), 0,
		{ 0 } };

	begin(_i, 0);
	post_buffer(0);
	served_ok(fe_ring_force_kick(alarmq, served.fe, &served.err));
	ck_assert_uint_eq(clocks(), 2);
	ck_assert_uint_eq(ask_raw(&req, sizeof(req), 24), 8);
	ck_assert_uint_eq(served.view[IN], RTC_S_ENODEV);
	is_untouched(0);
	end();
}
END_TEST

static unsigned entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* The original starts a thread for each, which lives until the alarm's first time. */
START_TEST(many_alarms)
{
	unsigned threads, fds, i;

	begin(_i, BIT(VIRTIO_RTC_F_ALARM));
	set_alarm(UTC, UINT64_MAX, ON);
	threads = entries("/proc/self/task");
	fds = entries("/proc/self/fd");
	for (i = 0; i < 10000; i++)
		set_alarm(UTC, UINT64_MAX - i, i % 2 ? ON : 0);
	ck_assert_uint_eq(entries("/proc/self/task"), threads);
	ck_assert_uint_eq(entries("/proc/self/fd"), fds);
	end();
}
END_TEST

START_TEST(offer)
{
	if (_i == 1)
		served_option(&device_rtc, "no-offer-alarm", NULL);
	if (_i == 2)
		served_option(&device_rtc, "no-utc", NULL);
	served_open(&device_rtc);
	served_ok(fe_negotiate(served.fe, fe_all_protocol_features(), &served.err));
	ck_assert_uint_eq(fe_offered(served.fe) & 0xffffff,
			  _i == 0 ? BIT(VIRTIO_RTC_F_ALARM) : 0);
	ck_assert_uint_eq(fe_queue_num(served.fe), 2);
	served_close();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("rtc-served");
	TCase *tc = tcase_create("rtc-served");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, any_framing, 0, n);
	tcase_add_loop_test(tc, thousand_readings, 0, n);
	tcase_add_loop_test(tc, bad_requests, 0, n);
	tcase_add_loop_test(tc, alarm_comes, 0, n);
	tcase_add_loop_test(tc, stopped_with_buffers, 0, n);
	tcase_add_loop_test(tc, reset_with_buffers, 0, n);
	tcase_add_loop_test(tc, leaves_with_an_alarm, 0, n);
	tcase_add_loop_test(tc, without_the_feature, 0, n);
	tcase_add_loop_test(tc, many_alarms, 0, 2);
	tcase_add_loop_test(tc, offer, 0, 3);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
