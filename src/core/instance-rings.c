/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the messages of a front end do to rings and device.
 *
 * A ring runs when it is started, enabled (or bit 30 was not acknowledged),
 * complete, and features were set; front ends send these in any order, so
 * every message that could have been the last one tries. A device sees the
 * edges only: start() and stop(). Behind stop() the ring drains: requests that
 * are still open are awaited, and whoever asked gets the answer then.
 */
#include <errno.h>
#include <string.h>

#include "core/instance-priv.h"
#include "wire/vhost-user.h"

static struct instance *instance_of(struct vu *vu)
{
	return container_of(vu, struct instance, vu);
}

static struct ring *ring_of(struct queue *q)
{
	return &queue_instance(q)->rings[queue_index(q)];
}

/* Start and stop. */

static bool may_run(const struct ring *r)
{
	const struct instance *in = r->in;
	bool enabled = r->enabled || !(in->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES));

	return in->session == SESSION_ON && !in->leaving && in->has_features && r->started &&
	       enabled && !r->running && !r->draining && !r->broken &&
	       queue_held(r->q) == 0 && queue_complete(r->q);
}

static int ring_start(struct ring *r, struct error *err)
{
	struct instance *in = r->in;
	int ret;

	if (!may_run(r))
		return 0;
	reset_check_rings(in);
	reset_place_ring(r);
	ret = queue_run(r->q, err);
	if (ret < 0)
		return ret;
	r->fresh = false;
	r->running = true;
	in->n_running++;
	in->ran = true;
	log_debug(in, "queue %u: runs with %u entries from 0x%x", queue_index(r->q),
		  queue_size(r->q), queue_base(r->q));
	if (in->device->start != NULL)
		in->device->start(r->q);
	queue_wake(r->q);
	/* What was owed while it stood still may leave now. */
	instance_schedule(in);
	return 0;
}

/* The message that made these possible has no part in their failure. */
static void start_all(struct instance *in)
{
	struct error err = ERROR_NONE;
	unsigned i;

	for (i = 0; i < in->n_rings; i++) {
		if (ring_start(&in->rings[i], &err) < 0)
			log_debug(in, "queue %u: does not run: %s", i, err.text);
	}
}

static void tell_stop(struct ring *r)
{
	r->running = false;
	r->in->n_running--;
	log_debug(r->in, "queue %u: stops", queue_index(r->q));
	if (r->in->device->stop != NULL)
		r->in->device->stop(r->q);
}

void ring_halt(struct ring *r)
{
	if (!r->running)
		return;
	r->draining = true;
	queue_halt(r->q);
	tell_stop(r);
	instance_watch_drain(r->in);
}

void ring_drop(struct ring *r)
{
	if (r->running)
		queue_halt(r->q);
	queue_detach(r->q);
	r->draining = false;
	r->owes_call = r->owes_err = false;
	if (r->running)
		tell_stop(r);
}

void ring_forget(struct ring *r)
{
	queue_reset(r->q);
	r->started = r->enabled = r->draining = r->broken = r->stopped = r->had_marks = false;
	r->fresh = true;
	r->owes_call = r->owes_err = false;
	r->addr = (struct queue_addr){ 0, 0, 0 };
	queue_set_features(r->q, 0, false);
	queue_set_inband(r->q, false);
	queue_set_memory(r->q, NULL);
}

static void ring_unstart(struct ring *r)
{
	ring_halt(r);
	r->started = false;
	r->broken = false;
	queue_set_kick(r->q, -1);
}

static void stop_all(struct instance *in)
{
	unsigned i;

	for (i = 0; i < in->n_rings; i++) {
		in->rings[i].enabled = false;
		ring_unstart(&in->rings[i]);
	}
}

/* Waiting for the drain. */

static bool wait_is_over(const struct instance *in)
{
	switch (in->wait) {
	case WAIT_STOP:
	case WAIT_DISABLE:
		return !in->rings[in->wait_ring].draining;
	case WAIT_ALL:
	case WAIT_RESET:
		return !instance_drains(in);
	case WAIT_NOTHING:
		break;
	}
	return false;
}

/* Done at once or VU_LATER; then rings_step() answers. */
static int wait_for(struct instance *in, enum wait wait, unsigned ring)
{
	in->wait = wait;
	in->wait_ring = ring;
	if (!wait_is_over(in))
		return VU_LATER;
	if (wait == WAIT_RESET)
		reset_by_device_request(in);
	in->wait = WAIT_NOTHING;
	return 0;
}

static void answer_wait(struct instance *in)
{
	enum wait wait = in->wait;

	in->wait = WAIT_NOTHING;
	if (wait == WAIT_RESET)
		reset_by_device_request(in);
	vu_answer(&in->vu, 0, wait == WAIT_STOP ? queue_base(in->rings[in->wait_ring].q) : 0);
}

/* Events of the ring engine. */

static void on_drained(struct queue *q)
{
	struct ring *r = ring_of(q);

	if (r->draining) {
		r->draining = false;
		reset_ring_stopped(r);
		queue_detach(q);
	}
	instance_schedule(r->in);
}

/*
 * The next request of the front end waits until the open chains of this ring
 * have ended as well: what it asks for may be a reset.
 */
static void on_broken(struct queue *q, const char *why)
{
	struct ring *r = ring_of(q);

	r->broken = true;
	ring_halt(r);
	if (r->in->session == SESSION_ON)
		vu_hold(&r->in->vu, true);
}

/*
 * In-band signals: one upcall of each kind is under way at most, another one
 * owed. What could not leave before the ring stopped leaves when it runs again:
 * nobody may hear from a stopped ring, but no interrupt may be lost either.
 */

static void send_signal(struct ring *r, struct upcall *u, bool *owes, uint32_t id)
{
	struct vu_vring_state state = { queue_index(r->q), 0 };

	if (!*owes || upcall_busy(u) || !upcalls_attached(&r->in->vu.up))
		return;
	*owes = false;
	upcall_send(&r->in->vu.up, u, id, &state, sizeof(state), true);
}

static void send_signals(struct ring *r)
{
	if (r->running || r->draining)
		send_signal(r, &r->call, &r->owes_call, VU_BACKEND_VRING_CALL);
	if (r->running || r->broken)
		send_signal(r, &r->err, &r->owes_err, VU_BACKEND_VRING_ERR);
}

static void call_done(struct upcall *u, int ret)
{
	struct ring *r = container_of(u, struct ring, call);

	if (ret == -ENOTCONN)
		r->owes_call = true;
	send_signals(r);
}

static void err_done(struct upcall *u, int ret)
{
	struct ring *r = container_of(u, struct ring, err);

	if (ret == -ENOTCONN)
		r->owes_err = true;
	send_signals(r);
}

static void on_inband(struct queue *q, bool err)
{
	struct ring *r = ring_of(q);

	r->call.done = call_done;
	r->err.done = err_done;
	if (err)
		r->owes_err = true;
	else
		r->owes_call = true;
	send_signals(r);
}

static void on_stalled(struct queue *q)
{
	struct instance *in = queue_instance(q);

	log_limited(&in->group.log_limit, LOG_LEVEL_WARN, in,
		    "queue %u: the front end lets its call or err descriptor block: "
		    "the session ends", queue_index(q));
	instance_schedule(in);
}

const struct queue_events instance_queue_events = {
	.broken = on_broken,
	.drained = on_drained,
	.inband = on_inband,
	.stalled = on_stalled,
};

/* Config changes: coalesced, and only while something runs. */

static void config_told(struct upcall *u, int ret)
{
	struct instance *in = container_of(u, struct instance, config_upcall);

	if (ret == -ENOTCONN)
		in->config_due = true;
	instance_schedule(in);
}

static void push_config(struct instance *in)
{
	if (!in->config_due || in->n_running == 0 || upcall_busy(&in->config_upcall) ||
	    !upcalls_attached(&in->vu.up) || !vu_has(&in->vu, VU_PF_CONFIG))
		return;
	in->config_due = false;
	in->config_upcall.done = config_told;
	/* No answer is asked for: some front ends that know REPLY_ACK send none here. */
	upcall_send(&in->vu.up, &in->config_upcall, VU_BACKEND_CONFIG_CHANGE, NULL, 0, false);
}

static void send_owed(struct instance *in)
{
	unsigned i;

	push_config(in);
	for (i = 0; i < in->n_rings; i++)
		send_signals(&in->rings[i]);
}

static void on_backend(struct vu *vu)
{
	send_owed(instance_of(vu));
}

/* Later. */

void rings_step(struct instance *in)
{
	if (wait_is_over(in))
		answer_wait(in);
	/* The answer may have shown that the front end is gone. */
	if (in->session != SESSION_ON)
		return;
	vu_hold(&in->vu, in->leaving || instance_drains(in));
	send_owed(in);
}

/* Messages. */

static int on_features(struct vu *vu, uint64_t features, struct error *err)
{
	struct instance *in = instance_of(vu);
	bool same = in->has_features &&
		    !((features ^ in->features) & ~BIT(VHOST_F_LOG_ALL));
	unsigned i;
	int ret;

	if (in->n_running > 0)
		return same ? 0 : error_set(err, -EBUSY, "queues run with other features");
	if (in->has_features && !same)
		reset_evidence(in, "other features");
	if (in->device->negotiated != NULL) {
		ret = in->device->negotiated(in, features);
		if (ret < 0)
			return error_set(err, ret, "the device cannot work with 0x%llx",
					 (unsigned long long)features);
	}
	in->features = features;
	in->has_features = true;
	for (i = 0; i < in->n_rings; i++)
		queue_set_features(in->rings[i].q, features, in->device->flags & DEV_IN_ORDER);
	start_all(in);
	return 0;
}

/* The old map stays in use until every ring has the new one. */
static int swap_memory(struct instance *in, struct mem_map *map)
{
	struct mem_map *old = in->map;
	unsigned i;

	in->map = map;
	for (i = 0; i < in->n_rings; i++)
		queue_set_memory(in->rings[i].q, map);
	mem_map_unref(old);
	start_all(in);
	return 0;
}

static int on_memory(struct vu *vu, const struct mem_region *r, unsigned n, struct error *err)
{
	struct instance *in = instance_of(vu);
	struct mem_map *map = mem_map_new(in->map, r, n, err);

	return map != NULL ? swap_memory(in, map) : err->code;
}

static int on_memory_add(struct vu *vu, const struct mem_region *r, struct error *err)
{
	struct instance *in = instance_of(vu);
	struct mem_map *map = mem_map_add(in->map, r, err);

	return map != NULL ? swap_memory(in, map) : err->code;
}

static int on_memory_remove(struct vu *vu, const struct mem_region *r, struct error *err)
{
	struct instance *in = instance_of(vu);
	struct mem_map *map = mem_map_remove(in->map, r, err);

	return map != NULL ? swap_memory(in, map) : err->code;
}

static int refuse_running(struct error *err)
{
	return error_set(err, -EBUSY, "the queue runs");
}

static int on_ring_size(struct vu *vu, unsigned i, uint32_t n, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];
	int ret;

	if (r->running)
		return refuse_running(err);
	ret = queue_set_size(r->q, n);
	if (ret < 0)
		return error_set(err, ret, "%u entries, 1 to %u are possible%s", n,
				 queue_max_size(r->q),
				 r->in->features & BIT(VIRTIO_F_RING_PACKED) ? "" :
				 ", powers of two");
	return ring_start(r, err);
}

static int on_ring_addr(struct vu *vu, unsigned i, const struct queue_addr *a, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];
	int ret;

	/* Front ends that switch dirty logging send the same addresses again. */
	if (r->running)
		return memcmp(a, &r->addr, sizeof(*a)) == 0 ? 0 : refuse_running(err);
	ret = queue_set_addr(r->q, a);
	if (ret < 0)
		return ret;
	r->addr = *a;
	return ring_start(r, err);
}

static int on_ring_base(struct vu *vu, unsigned i, uint32_t base, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];
	int ret;

	if (r->running)
		return refuse_running(err);
	ret = queue_set_base(r->q, base);
	if (ret < 0)
		return ret;
	reset_ring_base(r, base);
	r->broken = false;
	return ring_start(r, err);
}

static int on_ring_kick(struct vu *vu, unsigned i, int fd, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];

	queue_set_kick(r->q, fd);
	r->started = true;
	if (r->running)
		queue_wake(r->q);
	return ring_start(r, err);
}

static int on_ring_kicked(struct vu *vu, unsigned i, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];

	r->started = true;
	if (r->running)
		queue_wake(r->q);
	return ring_start(r, err);
}

static void on_ring_call(struct vu *vu, unsigned i, int fd)
{
	queue_set_call(instance_of(vu)->rings[i].q, fd);
}

static void on_ring_err(struct vu *vu, unsigned i, int fd)
{
	queue_set_err(instance_of(vu)->rings[i].q, fd);
}

static void on_protocol(struct vu *vu)
{
	struct instance *in = instance_of(vu);
	unsigned i;

	for (i = 0; i < in->n_rings; i++)
		queue_set_inband(in->rings[i].q, vu_has(vu, VU_PF_INBAND_NOTIFICATIONS));
}

static int on_ring_enable(struct vu *vu, unsigned i, bool on, struct error *err)
{
	struct ring *r = &instance_of(vu)->rings[i];

	r->enabled = on;
	if (on)
		return ring_start(r, err);
	ring_halt(r);
	return wait_for(r->in, WAIT_DISABLE, i);
}

static int on_ring_stop(struct vu *vu, unsigned i, uint32_t *ret_base)
{
	struct ring *r = &instance_of(vu)->rings[i];
	int ret;

	ring_unstart(r);
	ret = wait_for(r->in, WAIT_STOP, i);
	if (ret == 0)
		*ret_base = queue_base(r->q);
	return ret;
}

/* The part of off and len that lies between from and to. */
static bool clip(uint32_t from, uint32_t to, uint32_t off, uint32_t len, uint32_t *ret_off,
		 uint32_t *ret_len)
{
	uint64_t end = (uint64_t)off + len;
	uint64_t a = off > from ? off : from, b = end < to ? end : to;

	if (a >= b)
		return false;
	*ret_off = (uint32_t)a;
	*ret_len = (uint32_t)(b - a);
	return true;
}

static void on_config_read(struct vu *vu, uint32_t off, uint32_t len, void *dst)
{
	struct instance *in = instance_of(vu);
	uint32_t at, n;

	if (len > 0)
		memset(dst, 0, len);
	if (clip(0, in->device->config_size, off, len, &at, &n))
		memcpy((uint8_t *)dst + (at - off), in->config + at, n);
}

/* all: the destination of a migration restores every field. */
static void on_config_write(struct vu *vu, uint32_t off, uint32_t len, const void *src, bool all)
{
	struct instance *in = instance_of(vu);
	const struct device *d = in->device;
	uint32_t from = all ? 0 : d->config_wr_off;
	uint32_t to = all ? d->config_size : d->config_wr_off + (uint32_t)d->config_wr_len;
	uint32_t at, n;

	if (!all)
		reset_evidence(in, "a config write");
	if (to > d->config_size)
		to = d->config_size;
	if (!clip(from, to, off, len, &at, &n))
		return;
	memcpy(in->config + at, (const uint8_t *)src + (at - off), n);
	if (d->config_written != NULL)
		d->config_written(in, at, n);
}

static uint8_t on_status(struct vu *vu)
{
	struct instance *in = instance_of(vu);
	unsigned i;

	for (i = 0; i < in->n_rings; i++) {
		if (in->rings[i].broken)
			return in->status | VIRTIO_STATUS_NEEDS_RESET;
	}
	return in->status;
}

static int on_set_status(struct vu *vu, uint8_t status)
{
	struct instance *in = instance_of(vu);

	in->status = status;
	if (status != 0)
		return 0;
	stop_all(in);
	return wait_for(in, WAIT_ALL, 0);
}

static int on_reset(struct vu *vu)
{
	struct instance *in = instance_of(vu);

	in->status = 0;
	stop_all(in);
	return wait_for(in, WAIT_RESET, 0);
}

const struct vu_ops instance_vu_ops = {
	.protocol = on_protocol,
	.features = on_features,
	.memory = on_memory,
	.memory_add = on_memory_add,
	.memory_remove = on_memory_remove,
	.ring_size = on_ring_size,
	.ring_addr = on_ring_addr,
	.ring_base = on_ring_base,
	.ring_kick = on_ring_kick,
	.ring_call = on_ring_call,
	.ring_err = on_ring_err,
	.ring_kicked = on_ring_kicked,
	.ring_enable = on_ring_enable,
	.ring_stop = on_ring_stop,
	.config_read = on_config_read,
	.config_write = on_config_write,
	.status = on_status,
	.set_status = on_set_status,
	.reset = on_reset,
	.backend = on_backend,
	.gone = instance_session_over,
};
