/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The split layout (virtio 1.4, 2.7). Heads are taken from the available ring
 * up to 32 at a time; an index that was given back makes the next pop fetch
 * anew. Used entries are written into the used ring at once: nobody looks at
 * them before the index moves.
 */
#include <errno.h>

#include "core/queue-priv.h"

/* The rings as arrays of 16-bit words. */
enum { FLAGS_WORD = 0, INDEX_WORD = 1, RING_WORD = 2 };

static uint16_t load_word(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static uint16_t *used_word(const struct split_ring *r, size_t i)
{
	return (uint16_t *)(void *)r->used + i;
}

static void store_word(uint16_t *p, uint16_t x)
{
	__atomic_store_n(p, htole16(x), __ATOMIC_RELAXED);
}

static void *part_at(const struct queue *q, uint64_t user, uint64_t len, unsigned align)
{
	void *host = mem_at_user(q->map, user, len);

	return ((uintptr_t)host | user) % align == 0 ? host : NULL;
}

static int split_resolve(struct queue *q, struct error *err)
{
	uint64_t n = q->size;
	void *desc = part_at(q, q->addr.desc, 16 * n, 16);
	void *avail = part_at(q, q->addr.avail, 6 + 2 * n, 2);
	void *used = part_at(q, q->addr.used, 6 + 8 * n, 4);

	if (desc == NULL || avail == NULL || used == NULL)
		return error_set(err, -EFAULT, "queue %u: the %s at user address 0x%llx is "
				 "misaligned or outside of memory", q->index,
				 desc == NULL ? "descriptor table" :
				 avail == NULL ? "available ring" : "used ring",
				 (unsigned long long)(desc == NULL ? q->addr.desc :
				 avail == NULL ? q->addr.avail : q->addr.used));
	q->split.desc = desc;
	q->split.avail = avail;
	q->split.used = used;
	return 0;
}

static void set_flags(struct split_ring *r, uint16_t flags)
{
	if (r->flags == flags)
		return;
	r->flags = flags;
	store_word(used_word(r, FLAGS_WORD), flags);
}

static void set_avail_event(struct queue *q, uint16_t event)
{
	struct split_ring *r = &q->split;

	if (r->avail_event == event)
		return;
	r->avail_event = event;
	store_word(used_word(r, RING_WORD + (size_t)q->size * 4), event);
}

static int split_begin(struct queue *q, struct error *err)
{
	struct split_ring *r = &q->split;

	r->last_avail = (uint16_t)q->base;
	r->used_idx = load_word(used_word(r, INDEX_WORD));
	r->n_heads = r->next_head = 0;
	r->flags = load_word(used_word(r, FLAGS_WORD));
	set_flags(r, q->event_idx ? 0 : VIRTQ_USED_NO_NOTIFY);
	/* An index in the past: no kicks until they are armed. */
	r->avail_event = r->last_avail;
	if (q->event_idx)
		set_avail_event(q, (uint16_t)(r->last_avail - 1));
	/* The first decision has nothing to compare with. */
	q->signalled_valid = false;
	return 0;
}

static uint32_t split_base(const struct queue *q)
{
	return q->split.last_avail;
}

static bool split_pending(struct queue *q)
{
	return load_word(&q->split.avail[INDEX_WORD]) != q->split.last_avail;
}

static void split_arm(struct queue *q)
{
	struct split_ring *r = &q->split;

	if (q->event_idx)
		set_avail_event(q, r->last_avail);
	else
		set_flags(r, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void split_disarm(struct queue *q)
{
	/* With event indices the index simply stays behind. */
	if (!q->event_idx)
		set_flags(&q->split, VIRTQ_USED_NO_NOTIFY);
}

static enum popped fetch_heads(struct queue *q)
{
	struct split_ring *r = &q->split;
	uint16_t idx = le16toh(__atomic_load_n(&r->avail[INDEX_WORD], __ATOMIC_ACQUIRE));
	uint16_t n = (uint16_t)(idx - r->last_avail), i, head;

	if (n == 0)
		return POP_EMPTY;
	if (n > q->size) {
		q->why = "the available index jumped by more than the ring's size";
		return POP_BROKEN;
	}
	if (q->armed) {
		q->armed = false;
		split_disarm(q);
	}
	if (n > HEAD_BATCH)
		n = HEAD_BATCH;
	for (i = 0; i < n; i++) {
		head = load_word(&r->avail[RING_WORD + ((r->last_avail + i) & (q->size - 1))]);
		r->heads[i] = head;
		__builtin_prefetch(&r->desc[head & (q->size - 1)]);
	}
	r->n_heads = (uint8_t)n;
	r->next_head = 0;
	q->stats.batches++;
	return POP_OK;
}

static enum popped walk(struct queue *q, struct chain *c, uint16_t head)
{
	struct desc d = desc_read(&q->split.desc[head]);
	enum popped ret;
	uint32_t seen;

	for (seen = 1;; seen++) {
		if (d.w12 & VIRTQ_DESC_INDIRECT) {
			if (!(d.w12 & VIRTQ_DESC_NEXT))
				return chain_add_table(c, &d, seen - 1, true);
			q->why = "a descriptor is both indirect and continued";
			return POP_BAD;
		}
		ret = chain_add_desc(c, d.addr, d.len, (d.w12 & VIRTQ_DESC_WRITE) != 0);
		if (ret != POP_OK || !(d.w12 & VIRTQ_DESC_NEXT))
			return ret;
		if (d.w14 >= q->size) {
			q->why = "a descriptor points outside of its table";
			return POP_BROKEN;
		}
		if (seen == q->size) {
			q->why = "its descriptors are a loop";
			return POP_BAD;
		}
		d = desc_read(&q->split.desc[d.w14]);
	}
}

static enum popped split_pop(struct queue *q, struct chain *c)
{
	struct split_ring *r = &q->split;
	enum popped ret;
	uint16_t head;

	if (r->next_head == r->n_heads) {
		ret = fetch_heads(q);
		if (ret != POP_OK)
			return ret;
	}
	head = r->heads[r->next_head];
	if (head >= q->size) {
		q->why = "a head lies outside of the descriptor table";
		return POP_BROKEN;
	}
	if (in_flight(q, head)) {
		q->why = "a head was made available that is in use";
		return POP_BROKEN;
	}
	c->id = head;
	ret = walk(q, c, head);
	if (ret == POP_OK || ret == POP_BAD) {
		r->next_head++;
		r->last_avail++;
	}
	return ret;
}

static void split_unpop(struct queue *q, const struct chain *c)
{
	q->split.last_avail--;
	q->split.n_heads = q->split.next_head = 0;
}

static void split_push(struct queue *q, const struct chain *c, uint32_t len)
{
	struct virtq_used_elem e = { le32(c->id), le32(len) };
	struct split_ring *r = &q->split;

	/* In order, an entry speaks for those before it that were filled entirely. */
	if (!q->batch_full)
		r->batch_slot = r->used_idx;
	memcpy(r->used + VIRTQ_USED_RING + sizeof(e) * (r->batch_slot & (q->size - 1)),
	       &e, sizeof(e));
	r->used_idx++;
	q->n_pushed++;
}

static void split_publish(struct queue *q)
{
	__atomic_store_n(used_word(&q->split, INDEX_WORD), htole16(q->split.used_idx),
			 __ATOMIC_RELEASE);
	q->unsignalled += q->n_pushed;
}

static bool split_wants_signal(struct queue *q)
{
	struct split_ring *r = &q->split;
	uint16_t old = r->signalled;
	bool valid = q->signalled_valid;

	if (!q->event_idx)
		return !(load_word(&r->avail[FLAGS_WORD]) & VIRTQ_AVAIL_NO_INTERRUPT);
	r->signalled = r->used_idx;
	q->signalled_valid = true;
	return !valid || q->unsignalled > UINT16_MAX ||
		need_event(load_word(&r->avail[RING_WORD + q->size]), r->used_idx, old);
}

const struct queue_layout queue_split = {
	.resolve = split_resolve,
	.begin = split_begin,
	.base = split_base,
	.pop = split_pop,
	.unpop = split_unpop,
	.push = split_push,
	.publish = split_publish,
	.wants_signal = split_wants_signal,
	.pending = split_pending,
	.arm = split_arm,
	.disarm = split_disarm,
};
