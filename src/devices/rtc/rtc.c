/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio clock device (virtio 1.4, 5.23): clocks to be read, and alarms.
 *
 * Every request is answered at once, in the order of the queue; a clock is
 * read when its request has been taken, never before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rtc.h"
#include "vhost-device/fd.h"
#include "wire/virtio-rtc.h"

enum { CROSS_TRIES = 8 };

union request {
	struct rtc_req_head head;
	struct rtc_req_clock clock;
	struct rtc_req_set_alarm set_alarm;
};

union response {
	struct rtc_resp_head head;
	struct rtc_resp_read read;
	struct rtc_resp_read_cross cross;
	struct rtc_resp_cfg cfg;
	struct rtc_resp_clock_cap clock_cap;
	struct rtc_resp_cross_cap cross_cap;
	struct rtc_resp_read_alarm alarm;
};

/* -- Requests: each returns a status; the response begins as zeros -------------------- */

static int find_clock(const struct rtc *r, le16_t id)
{
	return le16_get(id) < r->n ? le16_get(id) : -ENODEV;
}

/* Alarms are there when they were negotiated, and the clock can have one. */
static int find_alarm(const struct rtc *r, le16_t id)
{
	int i = find_clock(r, id);

	if (i < 0 || (instance_features(r->in) & BIT(VIRTIO_RTC_F_ALARM)) == 0)
		return -ENODEV;
	return r->clocks[i].alarm ? i : -ENODEV;
}

static uint8_t do_read(struct rtc *r, const union request *req, union response *resp)
{
	int i = find_clock(r, req->clock.clock_id);
	uint64_t now;

	if (i < 0)
		return RTC_S_ENODEV;
	if (clock_read(&r->clocks[i], r->host, &now) < 0) {
		instance_stat(r->in, RTC_READ_ERRORS, 1);
		return RTC_S_EIO;
	}
	resp->read.clock_reading = le64(now);
	instance_stat(r->in, RTC_READS, 1);
	return RTC_S_OK;
}

static const struct rtc_counter_conf *find_counter(const struct rtc *r, uint8_t number)
{
	unsigned i;

	for (i = 0; i < r->n_counters; i++) {
		if (r->counters[i].number == number)
			return &r->counters[i];
	}
	return NULL;
}

static bool is_counter(uint8_t number)
{
	return number == RTC_COUNTER_ARM_VCT || number == RTC_COUNTER_X86_TSC;
}

/* The clock between two looks at the counter, and what that was half-way. */
static int read_between(struct rtc *r, struct clock *c, const struct rtc_counter_conf *counter,
			uint64_t *ret_now, uint64_t *ret_cycles)
{
	int64_t before = 0, after = 0;
	uint64_t first, last;
	unsigned i;
	int ret;

	for (i = 0; i < CROSS_TRIES; i++) {
		host_now(r->host, HOST_RAW, &before);
		first = r->host->ops->counter(r->host);
		ret = clock_read(c, r->host, ret_now);
		last = r->host->ops->counter(r->host);
		if (ret < 0)
			return ret;
		if (host_now(r->host, HOST_RAW, &after) == 0 &&
		    (uint64_t)(after - before) <= counter->bound) {
			first += (last - first) / 2;
			*ret_cycles = (uint64_t)((unsigned __int128)first * counter->mult >>
				counter->shift) + counter->offset;
			return 0;
		}
	}
	return -EAGAIN;
}

static uint8_t do_read_cross(struct rtc *r, const union request *req, union response *resp)
{
	const struct rtc_counter_conf *counter = find_counter(r, req->clock.arg);
	int i = find_clock(r, req->clock.clock_id);
	uint64_t now, cycles;

	if (i < 0)
		return RTC_S_ENODEV;
	if (counter == NULL)
		return RTC_S_EOPNOTSUPP;
	if (read_between(r, &r->clocks[i], counter, &now, &cycles) < 0) {
		instance_stat(r->in, RTC_READ_ERRORS, 1);
		return RTC_S_EIO;
	}
	resp->cross.clock_reading = le64(now);
	resp->cross.counter_cycles = le64(cycles);
	instance_stat(r->in, RTC_READS, 1);
	return RTC_S_OK;
}

static uint8_t do_cfg(struct rtc *r, const union request *req, union response *resp)
{
	resp->cfg.num_clocks = le16((uint16_t)r->n);
	return RTC_S_OK;
}

static uint8_t do_clock_cap(struct rtc *r, const union request *req, union response *resp)
{
	int i = find_clock(r, req->clock.clock_id);

	if (i < 0)
		return RTC_S_ENODEV;
	resp->clock_cap.type = clock_type(&r->clocks[i]);
	resp->clock_cap.leap_second_smearing = clock_smearing(&r->clocks[i]);
	resp->clock_cap.flags = find_alarm(r, req->clock.clock_id) >= 0 ? RTC_FLAG_ALARM_CAP : 0;
	return RTC_S_OK;
}

static uint8_t do_cross_cap(struct rtc *r, const union request *req, union response *resp)
{
	if (find_clock(r, req->clock.clock_id) < 0)
		return RTC_S_ENODEV;
	if (!is_counter(req->clock.arg))
		return RTC_S_EOPNOTSUPP;
	resp->cross_cap.flags = find_counter(r, req->clock.arg) != NULL ? RTC_FLAG_CROSS_CAP : 0;
	return RTC_S_OK;
}

static uint8_t do_read_alarm(struct rtc *r, const union request *req, union response *resp)
{
	int i = find_alarm(r, req->clock.clock_id);

	if (i < 0)
		return RTC_S_ENODEV;
	resp->alarm.alarm_time = le64(r->alarms[i].at);
	resp->alarm.flags = r->alarms[i].enabled ? RTC_FLAG_ALARM_ENABLED : 0;
	return RTC_S_OK;
}

static uint8_t do_set_alarm(struct rtc *r, const union request *req, union response *resp)
{
	int i = find_alarm(r, req->set_alarm.clock_id);

	if (i < 0)
		return RTC_S_ENODEV;
	if ((req->set_alarm.flags & ~RTC_FLAG_ALARM_ENABLED) != 0)
		return RTC_S_EINVAL;
	alarm_set(r, (unsigned)i, le64_get(req->set_alarm.alarm_time), req->set_alarm.flags != 0);
	return RTC_S_OK;
}

static uint8_t do_set_enabled(struct rtc *r, const union request *req, union response *resp)
{
	int i = find_alarm(r, req->clock.clock_id);

	if (i < 0)
		return RTC_S_ENODEV;
	if ((req->clock.arg & ~RTC_FLAG_ALARM_ENABLED) != 0)
		return RTC_S_EINVAL;
	alarm_enable(r, (unsigned)i, req->clock.arg != 0);
	return RTC_S_OK;
}

static const struct row {
	uint16_t type;
	uint8_t get, put;                       /* bytes of request and response */
	uint8_t (*run)(struct rtc *r, const union request *req, union response *resp);
} requests[] = {
	{ RTC_REQ_READ, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_read), do_read },
	{ RTC_REQ_READ_CROSS, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_read_cross),
	  do_read_cross },
	{ RTC_REQ_CFG, sizeof(struct rtc_req_head), sizeof(struct rtc_resp_cfg), do_cfg },
	{ RTC_REQ_CLOCK_CAP, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_clock_cap),
	  do_clock_cap },
	{ RTC_REQ_CROSS_CAP, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_cross_cap),
	  do_cross_cap },
	{ RTC_REQ_READ_ALARM, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_read_alarm),
	  do_read_alarm },
	{ RTC_REQ_SET_ALARM, sizeof(struct rtc_req_set_alarm), sizeof(struct rtc_resp_head),
	  do_set_alarm },
	{ RTC_REQ_SET_ALARM_ENABLED, sizeof(struct rtc_req_clock), sizeof(struct rtc_resp_head),
	  do_set_enabled },
};

static const struct row *find_row(uint16_t type)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].type == type)
			return &requests[i];
	}
	return NULL;
}

/* 5.23.6: whatever the sizes are, the status says whether they were enough. */
static uint8_t run(struct rtc *r, struct chain *c, union response *resp, size_t *ret_put)
{
	const struct row *row;
	union request req;
	size_t more;

	memset(&req, 0, sizeof(req));
	if (chain_get_size(c) < sizeof(req.head) || !chain_get(c, &req.head, sizeof(req.head)))
		return RTC_S_EINVAL;
	row = find_row(le16_get(req.head.msg_type));
	if (row == NULL)
		return RTC_S_EOPNOTSUPP;
	more = row->get - sizeof(req.head);
	if (chain_get_left(c) < more || chain_put_size(c) < row->put ||
	    !chain_get(c, (uint8_t *)&req + sizeof(req.head), more))
		return RTC_S_EINVAL;
	*ret_put = row->put;
	return row->run(r, &req, resp);
}

/* A response that is longer or shorter than it should be is an error to Linux. */
static void answer(struct rtc *r, struct chain *c)
{
	union response resp;
	size_t put = 0;

	if (chain_put_size(c) == 0) {
		instance_stat(r->in, RTC_MALFORMED, 1);
		chain_fail(c, "no room for a status");
		return;
	}
	memset(&resp, 0, sizeof(resp));
	resp.head.status = run(r, c, &resp, &put);
	if (resp.head.status != RTC_S_OK) {
		put = sizeof(resp.head) < chain_put_size(c) ? sizeof(resp.head) :
			chain_put_size(c);
		instance_stat(r->in, RTC_REFUSED, 1);
		log_limited(&r->log, LOG_LEVEL_DEBUG, r->in, "request refused: status %u",
			    resp.head.status);
	}
	instance_stat(r->in, RTC_REQUESTS, 1);
	chain_put(c, &resp, put);
	chain_done(c);
}

/* -- The device ----------------------------------------------------------------------- */

static void requestq_handle(struct queue *q)
{
	struct rtc *r = instance_state(queue_instance(q));
	struct chain *c;

	while ((c = queue_pop(q)) != NULL)
		answer(r, c);
}

static void alarmq_handle(struct queue *q)
{
	alarms_tell(instance_state(queue_instance(q)));
}

static void host_woken(struct host *h, void *ctx)
{
	alarms_look(ctx);
}

static void rtc_close(struct instance *in)
{
	struct rtc *r = instance_state(in);
	unsigned i;

	wake_finish(&r->wake);
	store_close(take_ptr(r->store));
	host_free(take_ptr(r->host));
	for (i = 0; i < r->n; i++)
		fd_close(&r->clocks[i].phc);
	r->n = 0;
}

static int rtc_open(struct instance *in, struct error *err)
{
	const struct rtc_conf *conf = instance_conf(in);
	struct rtc *r = instance_state(in);
	bool any = false;
	unsigned i;
	int ret;

	r->in = in;
	wake_init(&r->wake, in, conf->wake_guest);
	ret = rtc_setup(r, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < r->n; i++)
		any |= r->clocks[i].alarm;
	if (any)
		instance_offer(in, BIT(VIRTIO_RTC_F_ALARM));
	if (conf->state_file != NULL) {
		ret = store_open(r, conf->state_file, err);
		if (ret < 0)
			return ret;
	}
	r->host->woken = host_woken;
	r->host->ctx = r;
	alarms_look(r);
	return 0;
}

static void rtc_reset(struct instance *in, enum reset_why why)
{
	const struct rtc_conf *conf = instance_conf(in);

	alarms_reset(instance_state(in), why == RESET_LEFT && !conf->keep_alarms &&
		     conf->state_file == NULL);
}

static const struct queue_row rtc_queues[] = {
	[RTC_REQUESTQ] = { "requestq", 1024, .handle = requestq_handle },
	[RTC_ALARMQ] = { "alarmq", 1024, .handle = alarmq_handle },
};

static const char *const rtc_counters[] = {
	[RTC_REQUESTS] = "requests", [RTC_READS] = "reads", [RTC_REFUSED] = "refused",
	[RTC_MALFORMED] = "malformed", [RTC_READ_ERRORS] = "read_errors",
	[RTC_ALARMS] = "alarms", [RTC_NOTIFICATIONS] = "notifications",
	[RTC_BAD_BUFFERS] = "bad_buffers", NULL,
};

extern const struct device device_rtc;
const struct device device_rtc = {
	.name = "rtc",
	.summary = "clocks of the host and alarms",
	.virtio_id = 17,
	.flags = DEV_IN_ORDER,
	.queues = rtc_queues,
	.n_queues = ARRAY_SIZE(rtc_queues),
	.conf_size = sizeof(struct rtc_conf),
	.state_size = sizeof(struct rtc),
	.options = rtc_options,
	.counters = rtc_counters,
	.commands = rtc_commands,
	.check = rtc_check,
	.open = rtc_open,
	.close = rtc_close,
	.reset = rtc_reset,
};
