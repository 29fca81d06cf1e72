/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the clock device (virtio 1.4, 5.23): readings, comparisons, alarms. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-rtc.h"

#define SECOND 1000000000LL

enum { KEY_SIZE = 32, TIMES = 1000, TIMES_MAX = 1000000, DELAY_MS = 1000, MS = 1000 * 1000 };

static const struct {
	const char *name;
	clockid_t host;                         /* what it can be compared with */
} types[] = {
	[RTC_CLOCK_UTC] = { "UTC", CLOCK_REALTIME }, [RTC_CLOCK_TAI] = { "TAI", CLOCK_TAI },
	[RTC_CLOCK_MONOTONIC] = { "monotonic", CLOCK_MONOTONIC },
	[RTC_CLOCK_UTC_SMEARED] = { "smeared UTC", CLOCK_REALTIME },
	[RTC_CLOCK_UTC_MAYBE_SMEARED] = { "maybe smeared UTC", CLOCK_REALTIME },
};

/* As Linux does it: a good answer has exactly this length. */
static int ask(struct vdev *v, unsigned type, unsigned clock, unsigned arg, void *resp,
	       unsigned size, struct error *err)
{
	const struct rtc_req_clock req = { { le16((uint16_t)type), { 0 } },
		le16((uint16_t)clock), (uint8_t)arg, { 0 } };
	const struct rtc_resp_head *head = resp;
	int ret = vdev_request(v, RTC_REQUESTQ, &req, sizeof(req), resp, size, err);

	if (ret < 0)
		return ret;
	if (ret < (int)sizeof(*head) || (head->status == RTC_S_OK && ret != (int)size))
		return error_set(err, -EPROTO, "an answer has %d bytes, not %u", ret, size);
	if (head->status != RTC_S_OK)
		return error_set(err, -EIO, "clock %u: the device refuses request %#x: status %u",
				 clock, type, head->status);
	return 0;
}

static int64_t host_now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static int read_clock(struct vdev *v, unsigned clock, uint64_t *ret_ns, struct error *err)
{
	struct rtc_resp_read resp;
	int ret = ask(v, RTC_REQ_READ, clock, 0, &resp, sizeof(resp), err);

	if (ret == 0)
		*ret_ns = le64_get(resp.clock_reading);
	return ret;
}

static int find_clock(struct vdev *v, const char *word, unsigned *ret_clock,
		      struct rtc_resp_clock_cap *ret_cap, struct error *err)
{
	uint64_t n;

	if (num_parse(word, 0, UINT16_MAX, &n) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no number of a clock", word);
	*ret_clock = (unsigned)n;
	return ask(v, RTC_REQ_CLOCK_CAP, *ret_clock, 0, ret_cap, sizeof(*ret_cap), err);
}

static int number(const char *word, uint64_t max, const char *what, uint64_t *ret_n,
		  struct error *err)
{
	return num_parse(word, 1, max, ret_n) < 0 ?
		error_set(err, -EINVAL, "'%.60s' is no number of %s", word, what) : 0;
}

static int count_clocks(struct vdev *v, unsigned *ret_n, struct error *err)
{
	struct rtc_resp_cfg cfg;
	int ret = ask(v, RTC_REQ_CFG, 0, 0, &cfg, sizeof(cfg), err);

	if (ret == 0)
		*ret_n = le16_get(cfg.num_clocks);
	return ret;
}

static void print_clock(struct out *o, const struct rtc_resp_clock_cap *cap, bool cross)
{
	static const char *const smearing[] = { "", ", noon to noon", ", UTC-SLS" };

	out_text(o, "kind", "%s%s", cap->type < ARRAY_SIZE(types) ? types[cap->type].name :
		 "unknown", cap->leap_second_smearing < ARRAY_SIZE(smearing) ?
		 smearing[cap->leap_second_smearing] : ", smeared in an unknown way");
	out_bool(o, "alarm", (cap->flags & RTC_FLAG_ALARM_CAP) != 0);
	out_bool(o, "cross_timestamps", cross);
}

static int list_clocks(struct vdev *v, struct out *o, char **words, unsigned n,
		       struct error *err)
{
	struct rtc_resp_cross_cap cross[2];
	struct rtc_resp_clock_cap cap;
	unsigned clocks = 0, i, k;
	uint64_t now = 0;
	char key[KEY_SIZE];
	int ret = count_clocks(v, &clocks, err);

	for (i = 0; ret == 0 && i < clocks; i++) {
		ret = ask(v, RTC_REQ_CLOCK_CAP, i, 0, &cap, sizeof(cap), err);
		for (k = 0; ret == 0 && k < 2; k++)
			ret = ask(v, RTC_REQ_CROSS_CAP, i, k, &cross[k], sizeof(cross[k]), err);
		if (ret == 0)
			ret = read_clock(v, i, &now, err);
		if (ret < 0)
			return ret;
		snprintf(key, sizeof(key), "clock_%u", i);
		out_open(o, key);
		print_clock(o, &cap, ((cross[0].flags | cross[1].flags) & RTC_FLAG_CROSS_CAP) != 0);
		out_text(o, "reads", "%llu.%09llu", (unsigned long long)now / SECOND,
			 (unsigned long long)now % SECOND);
		out_close(o);
	}
	return ret;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double us(int64_t ns)
{
	return (double)ns / 1e3;
}

/* Against the middle of two looks at the host's clock: off by half a round trip at most. */
static int compare(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR int64_t *offsets = NULL;
	struct rtc_resp_clock_cap cap;
	uint64_t times = TIMES, now, last = 0, i, back = 0;
	int64_t before, after, *trips;
	unsigned clock = 0;
	int ret = find_clock(v, words[0], &clock, &cap, err);

	if (ret == 0 && n > 1)
		ret = number(words[1], TIMES_MAX, "readings", &times, err);
	if (ret == 0 && cap.type >= ARRAY_SIZE(types))
		ret = error_set(err, -EOPNOTSUPP, "a clock of type %u is like none of the host",
				cap.type);
	if (ret < 0)
		return ret;
	offsets = calloc(2 * times, sizeof(*offsets));
	if (offsets == NULL)
		return error_memory(err);
	trips = offsets + times;
	for (i = 0; ret == 0 && i < times; i++) {
		before = host_now(types[cap.type].host);
		ret = read_clock(v, clock, &now, err);
		after = host_now(types[cap.type].host);
		if (ret < 0)
			break;
		offsets[i] = (int64_t)now - before - (after - before) / 2;
		trips[i] = after - before;
		back += now < last;
		last = now;
	}
	if (ret < 0)
		return ret;
	qsort(offsets, times, sizeof(*offsets), by_size);
	qsort(trips, times, sizeof(*trips), by_size);
	out_number(o, "readings", times);
	out_measure(o, "offset", us(offsets[times / 2]), 3, " us");
	out_measure(o, "offset_least", us(offsets[0]), 3, " us");
	out_measure(o, "offset_most", us(offsets[times - 1]), 3, " us");
	out_measure(o, "jitter", us(offsets[times * 9 / 10] - offsets[times / 10]), 3, " us");
	out_measure(o, "round_trip", us(trips[times / 2]), 1, " us");
	out_measure(o, "round_trip_p99", us(trips[times * 99 / 100]), 1, " us");
	out_number(o, "went_back", back);
	return 0;
}

static int set_alarm(struct vdev *v, unsigned clock, uint64_t at, unsigned flags,
		     struct error *err)
{
	const struct rtc_req_set_alarm req = { { le16(RTC_REQ_SET_ALARM), { 0 } }, le64(at),
		le16((uint16_t)clock), (uint8_t)flags, { 0 } };
	struct rtc_resp_head resp = { .status = 0xff };
	int ret = vdev_request(v, RTC_REQUESTQ, &req, sizeof(req), &resp, sizeof(resp), err);

	if (ret >= 0 && (ret != sizeof(resp) || resp.status != RTC_S_OK))
		return error_set(err, -EIO, "clock %u: the device refuses an alarm: status %u",
				 clock, resp.status);
	return ret < 0 ? ret : 0;
}

static int await(struct vdev *v, unsigned clock, unsigned delay_ms, struct error *err)
{
	struct rtc_notif_alarm notif;
	unsigned timeout = v->timeout_ms;
	int ret;

	v->timeout_ms += delay_ms;
	ret = vdev_request(v, RTC_ALARMQ, NULL, 0, &notif, sizeof(notif), err);
	v->timeout_ms = timeout;
	if (ret == -ETIMEDOUT)
		return error_set(err, ret, "no alarm came within %u ms", timeout + delay_ms);
	if (ret >= 0 && (ret != sizeof(notif) || le16_get(notif.head.msg_type) !=
			 RTC_NOTIF_ALARM || le16_get(notif.clock_id) != clock))
		return error_set(err, -EPROTO, "what came is no alarm of clock %u", clock);
	return ret < 0 ? ret : 0;
}

/* How much later than its time one alarm is known here, by a clock that nobody sets. */
static int one_alarm(struct vdev *v, unsigned clock, uint64_t delay_ms, int64_t *ret_late,
		     struct error *err)
{
	int64_t delay = (int64_t)delay_ms * MS, start, end = 0;
	uint64_t now, then;
	int ret;

	start = host_now(CLOCK_MONOTONIC);
	ret = read_clock(v, clock, &now, err);
	start += (host_now(CLOCK_MONOTONIC) - start) / 2;
	if (ret == 0)
		ret = set_alarm(v, clock, now + (uint64_t)delay, RTC_FLAG_ALARM_ENABLED, err);
	if (ret == 0)
		ret = await(v, clock, (unsigned)delay_ms, err);
	end = host_now(CLOCK_MONOTONIC);
	if (ret == 0)
		ret = read_clock(v, clock, &then, err);
	if (ret == 0 && then < now + (uint64_t)delay)
		ret = error_set(err, -EPROTO, "the alarm came before its time");
	*ret_late = end - start - delay;
	return ret;
}

static int alarms(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR int64_t *late = NULL;
	struct rtc_resp_clock_cap cap;
	uint64_t delay = DELAY_MS, times = 1, i;
	unsigned clock = 0;
	int ret = find_clock(v, words[0], &clock, &cap, err);

	if (ret == 0 && (cap.flags & RTC_FLAG_ALARM_CAP) == 0)
		ret = error_set(err, -EOPNOTSUPP, "clock %u has no alarm", clock);
	if (ret == 0 && n > 1)
		ret = number(words[1], INT32_MAX / 2, "milliseconds", &delay, err);
	if (ret == 0 && n > 2)
		ret = number(words[2], TIMES_MAX, "alarms", &times, err);
	if (ret < 0)
		return ret;
	late = calloc(times, sizeof(*late));
	if (late == NULL)
		return error_memory(err);
	for (i = 0; ret == 0 && i < times; i++)
		ret = one_alarm(v, clock, delay, &late[i], err);
	if (ret == 0)
		ret = set_alarm(v, clock, 0, 0, err);
	if (ret < 0)
		return ret;
	qsort(late, times, sizeof(*late), by_size);
	out_number(o, "alarms", times);
	out_measure(o, "late", us(late[times / 2]), 1, " us");
	out_measure(o, "late_p99", us(late[times * 99 / 100]), 1, " us");
	out_measure(o, "late_most", us(late[times - 1]), 1, " us");
	return 0;
}

/* Readings of the clocks by turns. */

static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	unsigned clocks = 0;
	int ret = count_clocks(v, &clocks, err);

	if (ret == 0 && clocks == 0)
		ret = error_set(err, -ENODEV, "the device has no clocks");
	if (ret == 0)
		*ret_plan = (struct load_plan){ .scale = clocks };
	return ret;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct rtc_req_clock req = { { le16(RTC_REQ_READ), { 0 } },
		le16((uint16_t)(number % plan->scale)), 0, { 0 } };

	memcpy(out, &req, sizeof(req));
}

static bool is_reading(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == sizeof(struct rtc_resp_read) && in[0] == RTC_S_OK;
}

static const struct action actions[] = {
	{ "clocks", "", "List the clocks and what they read.", 0, 0, list_clocks },
	{ "compare", "CLOCK [N]", "Read a clock N times, 1000 if not said, and compare it with "
	  "that of this host.", 1, 2, compare },
	{ "alarm", "CLOCK [MS [N]]", "Set an alarm in so many milliseconds, 1000 if not said, and "
	  "wait for it; N times.", 1, 3, alarms },
	{ NULL }
};

static const struct load load = {
	.head = sizeof(struct rtc_req_clock), .tail = sizeof(struct rtc_resp_read),
	.prepare = prepare, .fill = fill, .good = is_reading,
};

const struct driver driver_rtc = {
	"rtc", .queues = 2, .queue_size = 16, .features = BIT(VIRTIO_RTC_F_ALARM), .memory = 4096,
	.actions = actions, .bench_queues = 1, .load = &load,
};
