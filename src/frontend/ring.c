/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests on a driver's virtqueue: what both layouts share. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fe-priv.h"
#include "fe-ring.h"
#include "vhost-device/fd.h"

enum { LOOK_NS = 1000000 };

/* -- Adding ---------------------------------------------------------------- */

/* Split tables chain by NEXT (2.7.5.3), packed ones are a plain list (2.8.7). */
static void write_table(const struct fe_ring *r, uint64_t table, const struct fe_seg *segs,
			unsigned n, unsigned n_out)
{
	void *at = fe_mem_at(r->mem, table, 16ULL * n);
	struct vring_packed_desc *packed = at;
	struct virtq_desc *split = at;
	unsigned i, flags, more;

	for (i = 0; i < n; i++) {
		flags = i >= n_out ? VIRTQ_DESC_WRITE : 0;
		more = i + 1 < n;
		if (r->packed)
			packed[i] = (struct vring_packed_desc){ .addr = le64(segs[i].guest),
				.len = le32(segs[i].len), .flags = le16((uint16_t)flags) };
		else
			split[i] = (struct virtq_desc){ le64(segs[i].guest), le32(segs[i].len),
				le16((uint16_t)(flags | (more ? VIRTQ_DESC_NEXT : 0))),
				le16(more ? (uint16_t)(i + 1) : 0) };
	}
}

static uint32_t sum_writable(const struct fe_seg *segs, unsigned n_out, unsigned n)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = n_out; i < n; i++)
		sum += segs[i].len;
	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

/* How many segments stand in the ring itself, before a table. */
static unsigned direct_part(unsigned n, unsigned flags)
{
	if (flags & FE_ADD_INDIRECT)
		return 0;
	if ((flags & FE_ADD_TAIL_INDIRECT) && n > 1)
		return 1;
	return n;
}

int fe_ring_add(struct fe_ring *r, const struct fe_seg *segs, unsigned n_out, unsigned n_in,
		unsigned flags, void *token)
{
	unsigned n = n_out + n_in;
	unsigned direct = direct_part(n, flags);
	unsigned pieces = direct + (direct < n);
	struct fe_slot *slot;
	uint64_t table;
	unsigned i;
	uint16_t id;

	if (n == 0 || pieces > r->size || n - direct > r->setup.indirect)
		return -EINVAL;
	if (pieces > r->free)
		return -ENOSPC;
	id = r->ops->next_id(r);
	for (i = 0; i < direct; i++)
		r->pieces[i] = (struct fe_piece){ segs[i].guest, segs[i].len,
			i >= n_out ? VIRTQ_DESC_WRITE : 0 };
	if (direct < n) {
		table = r->tables + 16ULL * r->setup.indirect * id;
		write_table(r, table, segs + direct, n - direct,
			    n_out > direct ? n_out - direct : 0);
		r->pieces[direct] = (struct fe_piece){ table, 16 * (n - direct),
			VIRTQ_DESC_INDIRECT };
	}
	slot = &r->slots[id];
	*slot = (struct fe_slot){ token, sum_writable(segs, n_out, n), (uint16_t)pieces, true };
	r->order[(r->oldest + r->outstanding) % r->size] = id;
	r->outstanding++;
	r->free = (uint16_t)(r->free - pieces);
	r->stats.added++;
	r->ops->put(r, id, r->pieces, pieces);
	return 0;
}

int fe_ring_force_kick(struct fe_ring *r, struct fe *fe, struct error *err)
{
	int ret;

	r->added = 0;
	r->stats.kicks++;
	ret = r->setup.inband ? fe_vring_kick(fe, r->setup.index, err) : fd_signal(r->kick);
	return ret < 0 ? ret : 1;
}

int fe_ring_kick(struct fe_ring *r, struct fe *fe, struct error *err)
{
	if (r->added == 0)
		return 0;
	fe_full_barrier();
	/* A step of half the index space cannot be told from a step back. */
	if (r->added >= 0x8000 || r->ops->wants_kick(r))
		return fe_ring_force_kick(r, fe, err);
	r->added = 0;
	r->stats.kicks_saved++;
	return 0;
}

/* -- Getting --------------------------------------------------------------- */

static int broken(struct fe_ring *r)
{
	r->broken = true;
	return -EPROTO;
}

/* In order: one entry stands for all requests up to the one it names (2.7.9). */
static int count_batch(struct fe_ring *r, uint32_t id, struct error *err)
{
	unsigned i;

	for (i = 0; i < r->outstanding; i++) {
		if (r->order[(r->oldest + i) % r->size] == id)
			return (int)i + 1;
	}
	error_set(err, -EPROTO, "queue %u: the device used request %u, which it does not hold",
		  r->setup.index, id);
	return broken(r);
}

static int next_batch(struct fe_ring *r, struct error *err)
{
	uint32_t id, len;
	int n, ret = r->ops->peek(r, &id, &len, err);

	if (ret <= 0)
		return ret < 0 ? broken(r) : 0;
	n = count_batch(r, id, err);
	if (n < 0)
		return n;
	if (!r->packed && n > (uint16_t)(fe_load16((uint8_t *)r->device + VIRTQ_USED_IDX) -
					 r->used)) {
		error_set(err, -EPROTO, "queue %u: the device used %d requests at once without "
			  "counting them", r->setup.index, n);
		return broken(r);
	}
	r->batch = (unsigned)n;
	r->batch_len = len;
	return 1;
}

static int finish(struct fe_ring *r, uint16_t id, uint32_t len, struct fe_used *ret_used,
		  struct error *err)
{
	struct fe_slot *slot = &r->slots[id];

	if (len > slot->writable && r->setup.lax)
		len = slot->writable;
	if (len > slot->writable) {
		error_set(err, -EPROTO, "queue %u: the device claims %u bytes written where %u are "
			  "writable", r->setup.index, len, slot->writable);
		return broken(r);
	}
	*ret_used = (struct fe_used){ slot->token, len, slot->writable };
	r->ops->retire(r, id);
	r->free = (uint16_t)(r->free + slot->n);
	slot->out = false;
	r->outstanding--;
	r->stats.used++;
	return 1;
}

static int get_in_order(struct fe_ring *r, struct fe_used *ret_used, struct error *err)
{
	uint16_t id;
	int ret;

	if (r->batch == 0) {
		ret = next_batch(r, err);
		if (ret <= 0)
			return ret;
	}
	id = r->order[r->oldest];
	r->oldest = (r->oldest + 1) % r->size;
	r->batch--;
	return finish(r, id, r->batch == 0 ? r->batch_len : r->slots[id].writable, ret_used, err);
}

int fe_ring_get(struct fe_ring *r, struct fe_used *ret_used, struct error *err)
{
	uint32_t id, len;
	int ret;

	if (r->broken)
		return error_set(err, -EPROTO, "queue %u is broken", r->setup.index);
	if (r->in_order)
		return get_in_order(r, ret_used, err);
	ret = r->ops->peek(r, &id, &len, err);
	if (ret <= 0)
		return ret < 0 ? broken(r) : 0;
	if (id >= r->size || !r->slots[id].out) {
		error_set(err, -EPROTO, "queue %u: the device used request %u, which it does not "
			  "hold", r->setup.index, id);
		return broken(r);
	}
	return finish(r, (uint16_t)id, len, ret_used, err);
}

bool fe_ring_arm(struct fe_ring *r, unsigned ahead)
{
	return r->batch > 0 || r->ops->arm(r, ahead);
}

void fe_ring_disarm(struct fe_ring *r)
{
	r->ops->disarm(r);
}

/* -- Waiting --------------------------------------------------------------- */

static bool take_signal(const struct pollfd *p)
{
	uint64_t n;

	return p->revents != 0 && p->fd >= 0 && read(p->fd, &n, sizeof(n)) == sizeof(n);
}

static bool inband_erred(struct fe_ring *r, const struct fe *fe)
{
	unsigned errs = fe_inband_errs(fe, r->setup.index);
	bool erred = errs != r->inband_errs;

	r->inband_errs = errs;
	return erred;
}

bool fe_ring_erred(struct fe_ring *r, const struct fe *fe)
{
	struct pollfd p = { .fd = r->err_fd, .events = POLLIN };
	bool inband = inband_erred(r, fe);

	return (poll(&p, 1, 0) > 0 && take_signal(&p)) || inband;
}

static int check_peer(short revents, struct error *err)
{
	if (revents & (POLLHUP | POLLRDHUP | POLLERR))
		return error_set(err, -ECONNRESET, "the back end hung up");
	return revents != 0 ? error_set(err, -EPROTO, "the back end spoke unasked") : 0;
}

/* p: call and err fd of the ring. */
static int take_signals(struct fe_ring *r, struct fe *fe, const struct pollfd p[2],
			struct error *err)
{
	unsigned calls = fe_inband_calls(fe, r->setup.index);
	bool inband = inband_erred(r, fe);

	r->stats.calls += take_signal(&p[0]) + calls - r->inband_calls;
	r->inband_calls = calls;
	if (take_signal(&p[1]) || inband)
		return error_set(err, -EIO, "queue %u: the device reports a broken ring",
				 r->setup.index);
	return 0;
}

int fe_rings_sleep(struct fe_ring *const *rings, unsigned n, struct fe *fe, int fd, uint64_t ns,
		   struct error *err)
{
	struct pollfd p[3 + 2 * FE_RINGS_AT_ONCE];
	struct timespec ts;
	unsigned i;
	int ret;

	bug_if(n > FE_RINGS_AT_ONCE);
	p[0] = (struct pollfd){ fe_fd(fe), POLLIN | POLLRDHUP, 0 };
	p[1] = (struct pollfd){ fe_backend_fd(fe), POLLIN, 0 };
	p[2] = (struct pollfd){ fd, POLLIN, 0 };
	for (i = 0; i < n; i++) {
		p[3 + 2 * i] = (struct pollfd){ rings[i]->call, POLLIN, 0 };
		p[4 + 2 * i] = (struct pollfd){ rings[i]->err_fd, POLLIN, 0 };
		/* With neither fd nor channel nobody calls: the ring is looked at now and then. */
		if (rings[i]->call < 0 && !(rings[i]->setup.inband && p[1].fd >= 0) &&
		    ns > LOOK_NS)
			ns = LOOK_NS;
	}
	ts = (struct timespec){ (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	if (ppoll(p, 3 + 2 * n, &ts, NULL) < 0 && errno != EINTR)
		return error_set(err, -errno, "poll: %s", strerror(errno));
	ret = check_peer(p[0].revents, err);
	if (ret == 0 && p[1].revents != 0)
		ret = fe_serve_backend(fe, 0, err);
	for (i = 0; ret >= 0 && i < n; i++)
		ret = take_signals(rings[i], fe, &p[3 + 2 * i], err);
	return ret < 0 ? ret : 0;
}

int fe_ring_wait(struct fe_ring *r, struct fe *fe, unsigned timeout_ms, struct error *err)
{
	uint64_t deadline = fe_now_ms() + timeout_ms;
	uint64_t calls = r->stats.calls;
	unsigned left;
	int ret;

	while (!fe_ring_arm(r, 1)) {
		if (r->stats.calls != calls)
			r->stats.empty_calls++;
		calls = r->stats.calls;
		left = fe_left_ms(deadline);
		if (left == 0)
			return error_set(err, -ETIMEDOUT, "queue %u: no request finished within "
					 "%u ms", r->setup.index, timeout_ms);
		ret = fe_rings_sleep(&r, 1, fe, -1, left * 1000000ULL, err);
		/* What was used before the end counts. */
		if (ret < 0 && (ret != -ECONNRESET || !fe_ring_arm(r, 1)))
			return ret;
	}
	fe_ring_disarm(r);
	return 0;
}

/* -- Looking --------------------------------------------------------------- */

unsigned fe_ring_free_slots(const struct fe_ring *r)
{
	return r->free;
}

unsigned fe_ring_outstanding(const struct fe_ring *r)
{
	return r->outstanding;
}

unsigned fe_ring_size(const struct fe_ring *r)
{
	return r->size;
}

unsigned fe_ring_index(const struct fe_ring *r)
{
	return r->setup.index;
}

uint16_t fe_ring_avail(const struct fe_ring *r)
{
	return (uint16_t)(r->avail | (r->packed && r->avail_wrap ? 0x8000 : 0));
}

void fe_ring_layout(const struct fe_ring *r, struct fe_ring_layout *ret_layout)
{
	*ret_layout = r->layout;
}

const struct fe_ring_stats *fe_ring_stats(const struct fe_ring *r)
{
	return &r->stats;
}

int fe_ring_kick_fd(const struct fe_ring *r)
{
	return r->kick;
}

int fe_ring_call_fd(const struct fe_ring *r)
{
	return r->call;
}

int fe_ring_err_fd(const struct fe_ring *r)
{
	return r->err_fd;
}
