/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Birth, sessions and end of an instance.
 *
 *   no session --first byte of a client--> on --peer gone, bad message--> over
 *   over --last chain ended--> reset(RESET_LEFT), no session, next client
 *   on --instance_leave()--> drains as for a stop, at most drain_ms --> over
 *
 * What cannot be done at once is done by step(), in a turn of its own: it looks
 * at what the state allows and is asked for whenever something has changed. So
 * no callback of the device comes from inside a call that the device makes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/instance-priv.h"
#include "core/log-core.h"
#include "wire/vhost-user.h"

enum {
	NS_PER_MS = 1000 * 1000,
	SLOW_FIRST_S = 1,               /* the first warning of a drain, and the next ones */
	SLOW_AGAIN_S = 10,
	PENALTY_MS = 1000,              /* after a session that held the loop */
};

static const uint64_t core_features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
	BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
static const uint64_t core_protocol = BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) |
	BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_INBAND_NOTIFICATIONS) |
	BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_STATUS);

void instance_schedule(struct instance *in)
{
	loop_next_turn(in->loop, &in->step);
}

static uint64_t after_ms(const struct instance *in, uint64_t ms)
{
	return loop_now(in->loop) + ms * NS_PER_MS;
}

/* Open chains, of rings that run or not. */
static unsigned open_chains(const struct instance *in)
{
	unsigned i, n = 0;

	for (i = 0; i < in->n_rings; i++)
		n += queue_held(in->rings[i].q);
	return n;
}

bool instance_drains(const struct instance *in)
{
	unsigned i;

	for (i = 0; i < in->n_rings; i++) {
		if (in->rings[i].draining)
			return true;
	}
	return false;
}

static bool awaits_chains(const struct instance *in)
{
	return instance_drains(in) || (in->session == SESSION_OVER && open_chains(in) > 0);
}

/* Slow drains. */

void instance_watch_drain(struct instance *in)
{
	if (in->slow_s != 0)
		return;
	in->slow_s = SLOW_FIRST_S;
	timer_set(&in->slow, after_ms(in, SLOW_FIRST_S * 1000ULL));
}

static void unwatch_drain(struct instance *in)
{
	in->slow_s = 0;
	timer_set(&in->slow, 0);
}

static void on_slow(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, slow);

	log_warn(in, "stopping takes long: %u requests are still at the host after %u s",
		 open_chains(in), in->slow_s);
	in->slow_s += in->slow_s == SLOW_FIRST_S ? SLOW_AGAIN_S - SLOW_FIRST_S : SLOW_AGAIN_S;
	timer_set(t, after_ms(in, SLOW_AGAIN_S * 1000ULL));
}

/* Sessions. */

static struct vu_offer make_offer(const struct instance *in)
{
	const struct device *d = in->device;

	return (struct vu_offer){
		.features = (core_features | d->features | in->own_features |
			(d->flags & DEV_IN_ORDER ? BIT(VIRTIO_F_IN_ORDER) : 0)) &
			~(in->no_packed ? BIT(VIRTIO_F_RING_PACKED) : 0),
		.tolerated = d->tolerated,
		.required = d->required,
		.protocol = (core_protocol | (d->config_size > 0 ? BIT(VU_PF_CONFIG) : 0)) &
			~(in->no_inband ? BIT(VU_PF_INBAND_NOTIFICATIONS) : 0),
		.n_queues = in->n_rings,
	};
}

static void on_connection(void *ctx, int fd)
{
	struct instance *in = ctx;
	struct vu_offer offer = make_offer(in);
	int ret;

	bug_if(in->session != SESSION_NONE);
	in->wants_listener = false;
	ret = vu_open(&in->vu, &instance_vu_ops, &offer, in->loop, in, fd);
	if (ret < 0) {
		log_limited(&in->limit, LOG_LEVEL_WARN, in, "cannot serve a connection: %s",
			    strerror(-ret));
		in->wants_listener = true;
		instance_schedule(in);
		return;
	}
	in->session = SESSION_ON;
	in->config_due = false;         /* the front end reads the image as it is now */
	log_limited(&in->limit, LOG_LEVEL_INFO, in, "session began");
}

static void on_no_more(void *ctx)
{
	struct instance *in = ctx;

	in->no_more = true;
	instance_schedule(in);
}

/* Chains that are still open end without effect, when whoever holds them lets go. */
void instance_session_over(struct vu *vu)
{
	struct instance *in = container_of(vu, struct instance, vu);
	unsigned i;

	in->session = SESSION_OVER;
	in->wait = WAIT_NOTHING;
	for (i = 0; i < in->n_rings; i++)
		ring_drop(&in->rings[i]);
	if (open_chains(in) > 0)
		instance_watch_drain(in);
	instance_schedule(in);
}

static void session_end(struct instance *in)
{
	unsigned i;

	in->session = SESSION_NONE;
	in->has_features = false;
	in->status = 0;
	reset_session_ended(in);
	in->features = 0;
	for (i = 0; i < in->n_rings; i++)
		ring_forget(&in->rings[i]);
	mem_map_unref(take_ptr(in->map));
	/* Held up once in a while at most: the loop serves others too. */
	if (in->group.stalled)
		timer_set(&in->penalty, after_ms(in, PENALTY_MS));
	else
		in->wants_listener = true;
	in->group.stalled = false;
	log_limited(&in->limit, LOG_LEVEL_INFO, in, "session ended");
	if (in->once)
		in->no_more = true;
}

static void on_penalty_over(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, penalty);

	in->wants_listener = true;
	instance_schedule(in);
}

static void drop_session(struct instance *in)
{
	vu_close(&in->vu);
	instance_session_over(&in->vu);
}

/* Leaving. */

static bool leave_is_over(const struct instance *in)
{
	return !in->told_ended && (in->session == SESSION_NONE || in->stuck);
}

static void tell_ended(struct instance *in)
{
	in->told_ended = true;
	timer_set(&in->deadline, 0);
	in->ended(in, in->ended_ctx);
}

static void on_deadline(struct timer *t)
{
	struct instance *in = container_of(t, struct instance, deadline);

	if (in->session == SESSION_ON)
		drop_session(in);
	in->stuck = open_chains(in) > 0;
	if (in->stuck)
		log_warn(in, "%u requests are still at the host and are given up",
			 open_chains(in));
	instance_schedule(in);
}

void instance_retire(struct instance *in, void (*ended)(struct instance *in, void *ctx), void *ctx)
{
	unsigned i;

	in->leaving = true;
	in->ended = ended;
	in->ended_ctx = ctx;
	listener_free(take_ptr(in->listener));
	if (in->session == SESSION_ON) {
		vu_hold(&in->vu, true);
		for (i = 0; i < in->n_rings; i++)
			ring_halt(&in->rings[i]);
	}
	instance_schedule(in);
}

void instance_leave(struct instance *in, void (*ended)(struct instance *in, void *ctx), void *ctx)
{
	if (!in->leaving)
		instance_retire(in, ended, ctx);
	if (!in->told_ended)
		timer_set(&in->deadline, after_ms(in, in->drain_ms));
}

/* What the state allows now. */

static void step_leaving(struct instance *in)
{
	if (in->session == SESSION_ON && !instance_drains(in))
		drop_session(in);
}

static void step_idle(struct instance *in)
{
	if (in->no_more) {
		if (in->finished != NULL && !in->told_finished) {
			in->told_finished = true;
			in->finished(in, in->finished_ctx);
		}
	} else if (in->wants_listener) {
		in->wants_listener = false;
		listener_next(in->listener);
	}
}

static void on_step(struct turn_end *t)
{
	struct instance *in = container_of(t, struct instance, step);

	if (in->session == SESSION_ON)
		rings_step(in);
	if (in->session == SESSION_ON && in->group.stalled)
		drop_session(in);
	if (in->leaving)
		step_leaving(in);
	if (in->session == SESSION_OVER && open_chains(in) == 0)
		session_end(in);
	if (!awaits_chains(in))
		unwatch_drain(in);
	/* Both may free the instance. */
	if (!in->leaving && in->session == SESSION_NONE)
		step_idle(in);
	else if (in->leaving && leave_is_over(in))
		tell_ended(in);
}

/* Birth and end. */

/* Of queue i; the last ones go on and on. */
static const struct queue_row *queue_row(const struct device *d, unsigned i)
{
	if (i >= d->n_queues)
		i = d->n_queues - d->repeat + (i - d->n_queues) % d->repeat;
	return &d->queues[i];
}

static int make_rings(struct instance *in, const struct instance_setup *setup)
{
	const struct device *d = in->device;
	unsigned i, n = d->queue_count != NULL ? d->queue_count(in->conf) : d->n_queues;

	bug_if(n == 0 || n > DEVICE_QUEUES || (n > d->n_queues && d->repeat == 0));
	in->group.events = &instance_queue_events;
	in->rings = calloc(n + 1U, sizeof(*in->rings));
	if (in->rings == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct ring *r = &in->rings[i];

		r->in = in;
		r->fresh = true;
		r->q = queue_new(in, &in->group, i, queue_row(d, i), in->loop);
		if (r->q == NULL)
			return -ENOMEM;
		in->n_rings++;
		if (setup->queue_size != 0)
			queue_set_max_size(r->q, setup->queue_size);
	}
	return 0;
}

static int make_memory(struct instance *in, const struct instance_setup *setup)
{
	const struct device *d = in->device;

	for (in->n_counters = 0; d->counters != NULL && d->counters[in->n_counters] != NULL;)
		in->n_counters++;
	in->name = strdup(setup->name);
	in->state = calloc(1, d->state_size + 1);
	in->config = calloc(1, d->config_size + 1U);
	in->counters = calloc(in->n_counters + 1, sizeof(*in->counters));
	if (in->name == NULL || in->state == NULL || in->config == NULL || in->counters == NULL)
		return -ENOMEM;
	return make_rings(in, setup);
}

struct instance *instance_new(struct loop *l, const struct instance_setup *setup,
			      struct endpoint *ep, struct error *err)
{
	struct instance *in = calloc(1, sizeof(*in));
	int ret;

	log_name_instances(instance_name);
	if (in == NULL) {
		error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	in->device = setup->device;
	in->conf = setup->conf;
	in->index = setup->index;
	in->count = setup->count;
	in->drain_ms = setup->drain_ms;
	in->once = setup->once;
	in->no_packed = setup->no_packed;
	in->no_inband = setup->no_inband;
	in->loop = l;
	in->step.fn = on_step;
	timer_init(&in->penalty, l, on_penalty_over);
	timer_init(&in->slow, l, on_slow);
	timer_init(&in->deadline, l, on_deadline);
	if (make_memory(in, setup) < 0) {
		error_set(err, -ENOMEM, "no memory");
		goto fail;
	}
	in->opened = true;
	ret = in->device->open != NULL ? in->device->open(in, err) : 0;
	if (ret < 0)
		goto fail;
	in->listener = listener_new(l, ep, on_connection, on_no_more, in, err);
	if (in->listener != NULL)
		return in;
fail:
	instance_free(in);
	return NULL;
}

void instance_listen(struct instance *in)
{
	log_info(in, "waiting on %s", listener_describe(in->listener));
	listener_next(in->listener);
}

void instance_on_finished(struct instance *in, void (*cb)(struct instance *in, void *ctx),
			  void *ctx)
{
	in->finished = cb;
	in->finished_ctx = ctx;
}

static void free_all(struct instance *in)
{
	unsigned i;

	for (i = 0; i < in->n_rings; i++)
		queue_free(in->rings[i].q);
	mem_map_unref(in->map);
	free(in->rings);
	free(in->counters);
	free(in->config);
	free(in->state);
	free(in->name);
	free(in);
}

void instance_free(struct instance *in)
{
	if (in == NULL)
		return;
	listener_free(in->listener);
	if (in->session == SESSION_ON)
		drop_session(in);
	if (in->session == SESSION_OVER && open_chains(in) == 0)
		session_end(in);
	loop_forget_turn_end(in->loop, &in->step);
	timer_finish(&in->penalty);
	timer_finish(&in->slow);
	timer_finish(&in->deadline);
	/* A job of the device may still write into its own memory: only the process's end helps. */
	if (open_chains(in) > 0)
		return;
	if (in->opened && in->device->close != NULL)
		in->device->close(in);
	free_all(in);
}
