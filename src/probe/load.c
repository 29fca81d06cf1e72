/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The load. Closed loop: every request that comes back goes out again. Fixed
 * rate: requests go out by the clock, and their time counts from when they
 * should have gone, so that a device that stalls cannot hide it by stalling
 * its load as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "vhost-device/fd.h"

enum { MAX_SEGMENTS = 64, SPINS = 1024, ALIGN = 64 };

struct slot {
	unsigned queue, n_out, n_in;
	struct fe_seg *segs;
	uint8_t *out, *in;
	uint64_t start;
};

/* -- CPU time of the back end ------------------------------------------------ */

/* Fields 14 and 15 of /proc/PID/stat, behind the name, which may hold anything. */
static bool cpu_ticks(pid_t pid, uint64_t *ret_ticks)
{
	char path[40], text[1024], *p;
	CLOSE_FD int fd = -1;
	uint64_t n, sum = 0;
	unsigned field;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	if (got <= 0)
		return false;
	text[got] = '\0';
	p = strrchr(text, ')');
	for (field = 2; p != NULL && field < 15; field++) {
		p = strchr(p + 1, ' ');
		for (n = 0; p != NULL && p[1] >= '0' && p[1] <= '9'; p++)
			n = n * 10 + (uint64_t)(p[1] - '0');
		sum += field >= 13 ? n : 0;
	}
	if (p == NULL)
		return false;
	*ret_ticks = sum;
	return true;
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

static int make_slot(struct target *t, struct slot *slot, struct error *err)
{
	const struct load_setup *s = &t->setup;
	const struct load *load = s->driver->load;
	uint64_t out = 0, in = 0;
	int ret;

	slot->segs = calloc(2 * s->segments + 2, sizeof(*slot->segs));
	if (slot->segs == NULL)
		return error_memory(err);
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
	const unsigned n = t->setup.depth * t->setup.queues;
	struct slot *slot;
	unsigned i;
	int ret = 0;

	t->slots = calloc(n, sizeof(*t->slots));
	t->idle = calloc(n, sizeof(struct slot *));
	t->n_idle = calloc(t->setup.queues, sizeof(*t->n_idle));
	if (t->slots == NULL || t->idle == NULL || t->n_idle == NULL)
		return error_memory(err);
	for (i = 0; ret == 0 && i < n; i++) {
		slot = &t->slots[i];
		slot->queue = i / t->setup.depth;
		ret = make_slot(t, slot, err);
		t->idle[slot->queue * t->setup.depth + t->n_idle[slot->queue]++] = slot;
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
	unsigned i;

	if (t == NULL)
		return;
	vdev_free(t->v);
	for (i = 0; t->slots != NULL && i < t->setup.depth * t->setup.queues; i++)
		free(t->slots[i].segs);
	free(t->slots);
	free(t->idle);
	free(t->n_idle);
	free(t);
}

void target_reset(struct target *t)
{
	memset(&t->hist, 0, sizeof(t->hist));
	t->requests = t->bytes = t->bad = t->ns = t->cpu_ticks = 0;
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
	struct slot *slot = t->idle[queue * t->setup.depth + --t->n_idle[queue]];
	unsigned flags = t->setup.indirect ? FE_ADD_INDIRECT : 0;
	int ret;

	if (load->fill != NULL && out_size(&t->setup) > 0)
		load->fill(slot->out, out_size(&t->setup), t->plan.limit != 0
			   ? t->number % t->plan.limit : t->number, &t->plan);
	t->number++;
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
		while (ret == 0 && r->t->n_idle[q] > 0 && may_send(r))
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
		if (r->t->n_idle[r->turn] > 0) {
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
	t->idle[slot->queue * t->setup.depth + t->n_idle[slot->queue]++] = slot;
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

static void take_signal(int fd)
{
	uint64_t n;

	if (fd >= 0 && read(fd, &n, sizeof(n)) < 0)
		return;         /* no signal: nothing to take */
}

static int check_peer(struct run *r, short revents)
{
	if (revents & (POLLHUP | POLLRDHUP | POLLERR))
		return error_set(r->err, -ECONNRESET, "the back end hung up under load, after "
				 "%llu requests", (unsigned long long)r->t->requests);
	if (revents & POLLIN)
		return error_set(r->err, -EPROTO, "the back end spoke unasked");
	return 0;
}

/* Until a queue signals, the next request is due, or the run is over; ns from now. */
static int await_signals(struct run *r, uint64_t ns)
{
	const struct timespec ts = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	struct fe *fe = r->t->v->fe;
	struct pollfd p[2 + 2 * VDEV_MAX_QUEUES];
	unsigned q, n = 2;
	int ret;

	p[0] = (struct pollfd){ .fd = fe_fd(fe), .events = POLLIN | POLLRDHUP };
	p[1] = (struct pollfd){ .fd = fe_backend_fd(fe), .events = POLLIN };
	for (q = 0; q < r->t->setup.queues; q++) {
		p[n++] = (struct pollfd){ fe_ring_call_fd(ring_of(r->t, q)), POLLIN, 0 };
		p[n++] = (struct pollfd){ fe_ring_err_fd(ring_of(r->t, q)), POLLIN, 0 };
	}
	ret = ppoll(p, n, &ts, NULL);
	if (ret < 0 && errno != EINTR)
		return error_set(r->err, -errno, "poll: %s", strerror(errno));
	ret = ret > 0 ? check_peer(r, p[0].revents) : 0;
	if (ret == 0 && p[1].revents != 0)
		ret = fe_serve_backend(fe, 0, r->err);
	for (q = 0; ret >= 0 && q < r->t->setup.queues; q++) {
		if (p[2 + 2 * q].revents != 0)
			take_signal(p[2 + 2 * q].fd);
		if (fe_ring_erred(ring_of(r->t, q), fe))
			ret = error_set(r->err, -EIO, "queue %u: the device reports a broken ring",
					q);
	}
	return ret < 0 ? ret : 0;
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
	struct pollfd p = { .fd = fe_fd(r->t->v->fe), .events = POLLIN | POLLRDHUP };
	bool ready = false;
	unsigned q;
	int ret;

	if (r->t->setup.spin) {
		if (++r->spins % SPINS != 0)
			return 0;
		return poll(&p, 1, 0) > 0 ? check_peer(r, p.revents) : 0;
	}
	for (q = 0; q < r->t->setup.queues; q++)
		ready = (fe_ring_outstanding(ring_of(r->t, q)) > 0 &&
			 fe_ring_arm(ring_of(r->t, q), 1)) || ready;
	ret = ready ? 0 : await_signals(r, patience(r));
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
	uint64_t start = r.now, before = 0, after = 0;
	int ret = 0;

	r.end = start + ns;
	r.last = r.next = start;
	r.interval = t->setup.rate != 0 ? 1000000000 / t->setup.rate : 0;
	t->cpu_known = cpu_ticks(t->pid, &before);
	while (ret == 0 && (may_send(&r) || r.outstanding > 0))
		ret = turn(&r);
	t->cpu_known = cpu_ticks(t->pid, &after) && t->cpu_known;
	t->cpu_ticks += after - before;
	t->ns += r.last - start;
	return ret < 0 ? error_prefix(err, "%s: ", t->setup.vdev.path) : 0;
}
