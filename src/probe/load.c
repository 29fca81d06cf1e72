/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The load. Closed loop: every request that comes back goes out again. Fixed
 * rate: requests go out by the clock, and their time counts from when they
 * should have gone, so that a device that stalls cannot hide it by stalling
 * its load as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"

enum { MAX_SEGMENTS = 64, SPINS = 1024, ALIGN = 64 };

struct slot {
	struct slot *next;              /* idle ones of the queue */
	unsigned queue, n_out, n_in;
	struct fe_seg *segs;
	uint8_t *out, *in;
	uint64_t start;
};

/* -- CPU time of the back end ------------------------------------------------ */

uint64_t load_cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* -- Opening ------------------------------------------------------------------ */

/* Pieces of about the same size; how many. */
static unsigned cut(struct fe_seg *segs, uint64_t at, uint32_t size, unsigned pieces)
{
	uint32_t step = (size + pieces - 1) / pieces, take;
	unsigned n = 0;

	while (size > 0) {
		take = size < step ? size : step;
		segs[n++] = (struct fe_seg){ at, take };
		at += take;
		size -= take;
	}
	return n;
}

static uint64_t round_up(uint64_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t out_size(const struct load_setup *s)
{
	return s->driver->load->head + s->out;
}

static uint32_t in_size(const struct load_setup *s)
{
	return s->in + s->driver->load->tail;
}

static void put_idle(struct target *t, struct slot *slot)
{
	slot->next = t->idle[slot->queue];
	t->idle[slot->queue] = slot;
}

static int make_slot(struct target *t, struct slot *slot, struct error *err)
{
	const struct load_setup *s = &t->setup;
	const struct load *load = s->driver->load;
	uint64_t out = 0, in = 0;
	int ret;

	ret = fe_mem_alloc(t->v->mem, 0, out_size(s), ALIGN, &out);
	if (ret == 0)
		ret = fe_mem_alloc(t->v->mem, 0, in_size(s), ALIGN, &in);
	if (ret < 0)
		return error_set(err, ret, "no room for the requests");
	slot->out = fe_mem_at(t->v->mem, out, out_size(s));
	slot->in = fe_mem_at(t->v->mem, in, in_size(s));
	slot->n_out = cut(slot->segs, out, load->head, 1);
	slot->n_out += cut(slot->segs + slot->n_out, out + load->head, s->out, s->segments);
	slot->n_in = cut(slot->segs + slot->n_out, in, s->in, s->segments);
	slot->n_in += cut(slot->segs + slot->n_out + slot->n_in, in + s->in, load->tail, 1);
	return 0;
}

static int make_slots(struct target *t, struct error *err)
{
	const unsigned n = t->setup.depth * t->setup.queues, segs = 2 * t->setup.segments + 2;
	struct slot *slot;
	unsigned i;
	int ret = 0;

	t->slots = calloc(n, sizeof(*t->slots));
	t->segs = calloc((size_t)n * segs, sizeof(*t->segs));
	if (t->slots == NULL || t->segs == NULL)
		return error_memory(err);
	for (i = 0; ret == 0 && i < n; i++) {
		slot = &t->slots[i];
		slot->queue = i % t->setup.queues;
		slot->segs = t->segs + (size_t)i * segs;
		put_idle(t, slot);
		ret = make_slot(t, slot, err);
	}
	return ret;
}

/* What a request takes of a ring, and from that the ring. */
static int size_rings(struct load_setup *s, struct error *err)
{
	const struct load *load = s->driver->load;
	unsigned pieces = (load->head > 0) + (s->out > 0) * s->segments +
		(s->in > 0) * s->segments + (load->tail > 0);
	uint64_t want = (uint64_t)s->depth * (s->indirect ? 1 : pieces);

	if (s->segments > MAX_SEGMENTS)
		return error_set(err, -EINVAL, "--segments %u: at most %d are possible",
				 s->segments, MAX_SEGMENTS);
	if (out_size(s) + (uint64_t)in_size(s) == 0)
		return error_set(err, -EINVAL, "a request needs bytes: give --out, --in or both");
	if (s->driver->bench_queue + s->queues > VDEV_MAX_QUEUES)
		return error_set(err, -EINVAL, "--queues %u: at most %u are possible", s->queues,
				 VDEV_MAX_QUEUES - s->driver->bench_queue);
	if (s->driver->bench_queues != 0 && s->queues > s->driver->bench_queues)
		return error_set(err, -EINVAL, "--queues %u: %s takes load in %u", s->queues,
				 s->driver->name, s->driver->bench_queues);
	if (s->vdev.queue_size == 0) {
		for (s->vdev.queue_size = 16; s->vdev.queue_size < want;)
			s->vdev.queue_size *= 2;
	}
	if (want > s->vdev.queue_size || s->vdev.queue_size > VIRTQUEUE_MAX_SIZE)
		return error_set(err, -EINVAL, "%llu descriptors do not fit into a ring: lower "
				 "--depth or --segments, or give --indirect",
				 (unsigned long long)want);
	s->vdev.indirect = s->indirect ? pieces : 0;
	s->vdev.queues = s->driver->bench_queue + s->queues;
	if (s->vdev.queues < s->driver->queues)
		s->vdev.queues = s->driver->queues;
	s->vdev.memory = (uint64_t)s->depth * s->queues *
		(round_up(out_size(s)) + round_up(in_size(s)) + (uint64_t)2 * ALIGN);
	return 0;
}

int target_open(const struct load_setup *setup, struct target **ret_target, struct error *err)
{
	struct target *t = calloc(1, sizeof(*t));
	int ret;

	if (t == NULL)
		return error_memory(err);
	t->setup = *setup;
	ret = size_rings(&t->setup, err);
	if (ret == 0) {
		ret = vdev_open(&t->setup.vdev, &t->v, err);
		ret = ret == -EINVAL ? -EIO : ret;
	}
	if (ret == 0)
		ret = make_slots(t, err);
	if (ret == 0 && setup->driver->load->prepare != NULL)
		ret = setup->driver->load->prepare(t->v, setup->in, &t->plan, err);
	if (ret < 0) {
		target_free(t);
		return ret;
	}
	t->pid = vdev_pid(t->v->fe);
	*ret_target = t;
	return 0;
}

void target_free(struct target *t)
{
	if (t == NULL)
		return;
	vdev_free(t->v);
	free(t->slots);
	free(t->segs);
	free(t);
}

void target_reset(struct target *t)
{
	memset(&t->hist, 0, sizeof(t->hist));
	t->requests = t->bytes = t->bad = t->ns = t->cpu_ns = 0;
}

/* -- Running ------------------------------------------------------------------- */

/* One run. */
struct run {
	struct target *t;
	struct error *err;
	uint64_t now, end, left;        /* left: requests that may still go out */
	uint64_t next, interval;        /* fixed rate: when the next one goes out */
	uint64_t last;                  /* when one came back */
	unsigned turn;                  /* queue that is next */
	unsigned outstanding;
	unsigned spins;
};

static struct fe_ring *ring_of(const struct target *t, unsigned queue)
{
	return t->v->rings[t->setup.driver->bench_queue + queue];
}

/* An idle slot of the queue goes out; its time counts from start. */
static int send_one(struct run *r, unsigned queue, uint64_t start)
{
	struct target *t = r->t;
	const struct load *load = t->setup.driver->load;
	struct slot *slot = t->idle[queue];
	unsigned flags = t->setup.indirect ? FE_ADD_INDIRECT : 0;
	int ret;

	if (load->fill != NULL && out_size(&t->setup) > 0)
		load->fill(slot->out, out_size(&t->setup), t->plan.limit != 0
			   ? t->number % t->plan.limit : t->number, &t->plan);
	t->number++;
	t->idle[queue] = slot->next;
	slot->start = start;
	ret = fe_ring_add(ring_of(t, queue), slot->segs, slot->n_out, slot->n_in, flags, slot);
	if (ret < 0)
		return error_set(r->err, -EIO, "queue %u cannot take a request", queue);
	r->outstanding++;
	r->left--;
	return 0;
}

static bool may_send(const struct run *r)
{
	return r->left > 0 && r->now < r->end;
}

static int send_closed(struct run *r)
{
	unsigned q;
	int ret = 0;

	for (q = 0; q < r->t->setup.queues; q++) {
		while (ret == 0 && r->t->idle[q] != NULL && may_send(r))
			ret = send_one(r, q, vdev_now());
	}
	return ret;
}

/* What is due goes to the queues in turn; a full one passes. */
static int send_due(struct run *r)
{
	unsigned tries = 0;
	int ret = 0;

	while (ret == 0 && r->next <= r->now && may_send(r) && tries < r->t->setup.queues) {
		if (r->t->idle[r->turn] != NULL) {
			ret = send_one(r, r->turn, r->next);
			r->next += r->interval;
			tries = 0;
		} else {
			tries++;
		}
		r->turn = (r->turn + 1) % r->t->setup.queues;
	}
	return ret;
}

static void finish_one(struct run *r, const struct fe_used *used)
{
	struct target *t = r->t;
	const struct load *load = t->setup.driver->load;
	struct slot *slot = used->token;

	r->now = r->last = vdev_now();
	hist_add(&t->hist, r->now - slot->start);
	t->requests++;
	t->bytes += t->setup.out + used->len;
	if (load->good != NULL && !load->good(slot->out, slot->in, in_size(&t->setup), used->len))
		t->bad++;
	put_idle(t, slot);
	r->outstanding--;
}

/* 1: something came back. */
static int collect(struct run *r)
{
	struct fe_used used;
	int ret, any = 0;
	unsigned q;

	for (q = 0; q < r->t->setup.queues; q++) {
		while ((ret = fe_ring_get(ring_of(r->t, q), &used, r->err)) == 1) {
			finish_one(r, &used);
			any = 1;
		}
		if (ret < 0)
			return ret;
	}
	return any;
}

static int kick(struct run *r)
{
	unsigned q;
	int ret = 0;

	for (q = 0; ret >= 0 && q < r->t->setup.queues; q++)
		ret = fe_ring_kick(ring_of(r->t, q), r->t->v->fe, r->err);
	return ret < 0 ? ret : 0;
}

/* Until a queue signals, the next request is due, or the run is over; ns from now. */
static int sleep_for(struct run *r, uint64_t ns)
{
	const struct target *t = r->t;
	int ret = fe_rings_sleep(&t->v->rings[t->setup.driver->bench_queue], t->setup.queues,
				 t->v->fe, -1, ns, r->err);

	return ret < 0 ? error_prefix(r->err, "after %llu requests: ",
				      (unsigned long long)t->requests) : 0;
}

/* Longest sleep: to the next request, or to where a silent device has stalled. */
static uint64_t patience(const struct run *r)
{
	uint64_t until = r->last + (uint64_t)r->t->setup.vdev.timeout_ms * 1000000;

	if (r->outstanding == 0 || (r->interval != 0 && may_send(r) && r->next < until))
		until = r->interval != 0 && r->next < r->end ? r->next : r->end;
	return until > r->now ? until - r->now : 0;
}

static int wait_some(struct run *r)
{
	bool ready = false;
	unsigned q;
	int ret;

	if (r->t->setup.spin)
		return ++r->spins % SPINS != 0 ? 0 : sleep_for(r, 0);
	for (q = 0; q < r->t->setup.queues; q++)
		ready = (fe_ring_outstanding(ring_of(r->t, q)) > 0 &&
			 fe_ring_arm(ring_of(r->t, q), 1)) || ready;
	ret = ready ? 0 : sleep_for(r, patience(r));
	for (q = 0; q < r->t->setup.queues; q++)
		fe_ring_disarm(ring_of(r->t, q));
	return ret;
}

static int stalled(const struct run *r)
{
	unsigned ms = r->t->setup.vdev.timeout_ms;

	if (r->outstanding == 0 || r->now - r->last < (uint64_t)ms * 1000000)
		return 0;
	return error_set(r->err, -ETIMEDOUT, "%u requests were not answered within %u ms, after "
			 "%llu that were", r->outstanding, ms,
			 (unsigned long long)r->t->requests);
}

static int turn(struct run *r)
{
	int any, ret = r->interval != 0 ? send_due(r) : send_closed(r);

	if (ret == 0)
		ret = kick(r);
	if (ret < 0)
		return ret;
	any = collect(r);
	if (any != 0)
		return any < 0 ? any : 0;
	ret = r->outstanding > 0 || may_send(r) ? wait_some(r) : 0;
	r->now = vdev_now();
	return ret < 0 ? ret : stalled(r);
}

int target_run(struct target *t, uint64_t ns, uint64_t requests, struct error *err)
{
	struct run r = { .t = t, .err = err, .now = vdev_now(),
		.left = requests != 0 ? requests : UINT64_MAX };
	uint64_t start = r.now, cpu = load_cpu_ns(t->pid);
	int ret = 0;

	r.end = start + ns;
	r.last = r.next = start;
	r.interval = t->setup.rate != 0 ? 1000000000 / t->setup.rate : 0;
	while (ret == 0 && (may_send(&r) || r.outstanding > 0))
		ret = turn(&r);
	t->cpu_ns += load_cpu_ns(t->pid) - cpu;
	t->ns += r.last - start;
	return ret < 0 ? error_prefix(err, "%s: ", t->setup.vdev.path) : 0;
}
