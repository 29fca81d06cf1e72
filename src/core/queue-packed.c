/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The packed layout (virtio 1.4, 2.8): one ring of descriptors that the driver
 * fills and the device overwrites with used entries. A place in it is a slot
 * and a wrap counter, which flips each time the slot passes the end. The
 * request's id is in its last descriptor, so a request whose end cannot be
 * found breaks the ring.
 *
 * Used entries are written at once, all but the flags of the first: without
 * it the driver sees none of them (2.8.6).
 */
#include <errno.h>

#include "core/queue-priv.h"

enum { WRAP_BIT = 15, SLOT_MASK = 0x7fff };

static uint16_t load_le16(const le16_t *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_RELAXED));
}

static void store_le16(le16_t *p, uint16_t x, int order)
{
	if (order == __ATOMIC_RELEASE)
		__atomic_store_n((uint16_t *)(void *)p, htole16(x), __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint16_t *)(void *)p, htole16(x), __ATOMIC_RELAXED);
}

static void *part_at(const struct queue *q, uint64_t user, uint64_t len, unsigned align)
{
	void *host = mem_at_user(q->map, user, len);

	return ((uintptr_t)host | user) % align == 0 ? host : NULL;
}

static int packed_resolve(struct queue *q, struct error *err)
{
	void *desc = part_at(q, q->addr.desc, 16 * (uint64_t)q->size, 16);
	void *driver = part_at(q, q->addr.avail, 4, 4);
	void *device = part_at(q, q->addr.used, 4, 4);

	if (desc == NULL || driver == NULL || device == NULL)
		return error_set(err, -EFAULT, "queue %u: the %s at user address 0x%llx is "
				 "misaligned or outside of memory", q->index,
				 desc == NULL ? "descriptor ring" :
				 driver == NULL ? "driver event area" : "device event area",
				 (unsigned long long)(desc == NULL ? q->addr.desc :
				 driver == NULL ? q->addr.avail : q->addr.used));
	q->packed.desc = desc;
	q->packed.driver = driver;
	q->packed.device = device;
	return 0;
}

static uint16_t with_wrap(uint16_t slot, bool wrap)
{
	return (uint16_t)(slot | wrap << WRAP_BIT);
}

static void set_event_flags(struct packed_ring *r, uint16_t flags, int order)
{
	if (r->event_flags == flags)
		return;
	r->event_flags = flags;
	store_le16(&r->device->flags, flags, order);
}

static int packed_begin(struct queue *q, struct error *err)
{
	uint16_t avail = (uint16_t)q->base, used = (uint16_t)(q->base >> 16);
	struct packed_ring *r = &q->packed;
	uint32_t distance;

	/* Some front ends know of one half only. */
	if (used == 0)
		used = avail;
	distance = (avail & SLOT_MASK) + q->size * ((avail ^ used) >> WRAP_BIT);
	if ((avail & SLOT_MASK) >= q->size || (used & SLOT_MASK) >= q->size ||
	    distance < (used & SLOT_MASK) || distance - (used & SLOT_MASK) > q->size)
		return error_set(err, -EINVAL, "queue %u: 0x%x is no place in a ring of %u",
				 q->index, q->base, q->size);
	r->avail = avail & SLOT_MASK;
	r->avail_wrap = avail >> WRAP_BIT;
	r->used = used & SLOT_MASK;
	r->used_wrap = used >> WRAP_BIT;
	r->slots_out = distance - (used & SLOT_MASK);
	r->slots_pushed = 0;
	r->first_open = false;
	q->signalled_valid = false;
	r->event_flags = load_le16(&r->device->flags);
	set_event_flags(r, VRING_PACKED_EVENT_DISABLE, __ATOMIC_RELAXED);
	return 0;
}

static uint32_t packed_base(const struct queue *q)
{
	const struct packed_ring *r = &q->packed;

	return with_wrap(r->avail, r->avail_wrap) |
		(uint32_t)with_wrap(r->used, r->used_wrap) << 16;
}

static bool is_available(const struct packed_ring *r, uint16_t flags)
{
	bool avail = (flags & VIRTQ_DESC_AVAIL) != 0, used = (flags & VIRTQ_DESC_USED) != 0;

	return avail == r->avail_wrap && used != r->avail_wrap;
}

static bool packed_pending(struct queue *q)
{
	const struct packed_ring *r = &q->packed;

	return is_available(r, load_le16(&r->desc[r->avail].flags));
}

static void packed_arm(struct queue *q)
{
	struct packed_ring *r = &q->packed;

	if (q->event_idx) {
		store_le16(&r->device->off_wrap, with_wrap(r->avail, r->avail_wrap),
			   __ATOMIC_RELAXED);
		set_event_flags(r, VRING_PACKED_EVENT_DESC, __ATOMIC_RELEASE);
	} else {
		set_event_flags(r, VRING_PACKED_EVENT_ENABLE, __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void packed_disarm(struct queue *q)
{
	/* With event indices the place simply stays behind. */
	if (!q->event_idx)
		set_event_flags(&q->packed, VRING_PACKED_EVENT_DISABLE, __ATOMIC_RELAXED);
}

/* One descriptor of a list; an error is kept while the end of the list is looked for. */
static enum popped add(struct chain *c, const struct desc *d, uint16_t flags, uint32_t seen)
{
	if (!(flags & VIRTQ_DESC_INDIRECT))
		return chain_add_desc(c, d->addr, d->len, (flags & VIRTQ_DESC_WRITE) != 0);
	if (!(flags & VIRTQ_DESC_NEXT))
		return chain_add_table(c, d, seen, false);
	c->queue->why = "a descriptor is both indirect and continued";
	return POP_BAD;
}

static enum popped walk(struct queue *q, struct chain *c, uint16_t flags, uint16_t *ret_id)
{
	const struct packed_ring *r = &q->packed;
	enum popped ret = POP_OK;
	uint16_t slot = r->avail;
	uint32_t seen = 0;
	struct desc d;

	for (;;) {
		d = desc_read(&r->desc[slot]);
		/* The first one's flags were read before, and count. */
		if (seen > 0)
			flags = d.w14;
		if (ret == POP_OK)
			ret = add(c, &d, flags, seen);
		seen++;
		if (!(flags & VIRTQ_DESC_NEXT))
			break;
		if (seen + r->slots_out >= q->size) {
			q->why = "a list of descriptors has no end";
			return POP_BROKEN;
		}
		slot = slot + 1U == q->size ? 0 : (uint16_t)(slot + 1);
	}
	c->slots = (uint16_t)seen;
	*ret_id = d.w12;
	return ret;
}

static enum popped packed_pop(struct queue *q, struct chain *c)
{
	struct packed_ring *r = &q->packed;
	enum popped ret;
	uint16_t flags, id = 0;

	flags = le16toh(__atomic_load_n((const uint16_t *)(const void *)&r->desc[r->avail].flags,
					__ATOMIC_ACQUIRE));
	if (!is_available(r, flags))
		return POP_EMPTY;
	if (q->armed) {
		q->armed = false;
		packed_disarm(q);
	}
	if (r->slots_out == q->size) {
		q->why = "more descriptors were made available than the ring has";
		return POP_BROKEN;
	}
	ret = walk(q, c, flags, &id);
	if (ret != POP_OK && ret != POP_BAD)
		return ret;
	if (id >= q->size || in_flight(q, id)) {
		q->why = id >= q->size ? "a buffer id exceeds the ring's size" :
			"a buffer id was made available that is in use";
		return POP_BROKEN;
	}
	c->id = id;
	r->slots_out += c->slots;
	r->avail = (uint16_t)(r->avail + c->slots);
	if (r->avail >= q->size) {
		r->avail = (uint16_t)(r->avail - q->size);
		r->avail_wrap = !r->avail_wrap;
	}
	return ret;
}

static void packed_unpop(struct queue *q, const struct chain *c)
{
	struct packed_ring *r = &q->packed;

	r->slots_out -= c->slots;
	if (r->avail < c->slots) {
		r->avail = (uint16_t)(r->avail + q->size);
		r->avail_wrap = !r->avail_wrap;
	}
	r->avail = (uint16_t)(r->avail - c->slots);
}

static void packed_push(struct queue *q, const struct chain *c, uint32_t len)
{
	struct packed_ring *r = &q->packed;
	struct vring_packed_desc *d;
	uint16_t flags;

	/* In order, an entry speaks for those before it that were filled entirely. */
	if (!q->batch_full) {
		r->batch_slot = r->used;
		r->batch_wrap = r->used_wrap;
	}
	d = &r->desc[r->batch_slot];
	flags = r->batch_wrap ? VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0;
	if (len > 0)
		flags |= VIRTQ_DESC_WRITE;
	d->len = le32(len);
	d->id = le16(c->id);
	if (!r->first_open || r->first_slot == r->batch_slot) {
		r->first_open = true;
		r->first_slot = r->batch_slot;
		r->first_flags = flags;
	} else {
		store_le16(&d->flags, flags, __ATOMIC_RELAXED);
	}
	r->used = (uint16_t)(r->used + c->slots);
	if (r->used >= q->size) {
		r->used = (uint16_t)(r->used - q->size);
		r->used_wrap = !r->used_wrap;
	}
	r->slots_pushed += c->slots;
	q->n_pushed++;
}

static void packed_publish(struct queue *q)
{
	struct packed_ring *r = &q->packed;

	store_le16(&r->desc[r->first_slot].flags, r->first_flags, __ATOMIC_RELEASE);
	r->first_open = false;
	q->unsignalled += r->slots_pushed;
	r->slots_out -= r->slots_pushed;
	r->slots_pushed = 0;
}

static bool packed_wants_signal(struct queue *q)
{
	struct packed_ring *r = &q->packed;
	uint16_t flags = load_le16(&r->driver->flags), off_wrap, event;
	uint16_t old = r->signalled;
	bool valid = q->signalled_valid;

	r->signalled = r->used;
	q->signalled_valid = true;
	if (flags != VRING_PACKED_EVENT_DESC || !q->event_idx)
		return flags != VRING_PACKED_EVENT_DISABLE;
	if (!valid || q->unsignalled > q->size)
		return true;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	off_wrap = load_le16(&r->driver->off_wrap);
	event = off_wrap & SLOT_MASK;
	if (off_wrap >> WRAP_BIT != r->used_wrap)
		event = (uint16_t)(event - q->size);
	if (r->used <= old)
		old = (uint16_t)(old - q->size);
	return need_event(event, r->used, old);
}

const struct queue_layout queue_packed = {
	.resolve = packed_resolve,
	.begin = packed_begin,
	.base = packed_base,
	.pop = packed_pop,
	.unpop = packed_unpop,
	.push = packed_push,
	.publish = packed_publish,
	.wants_signal = packed_wants_signal,
	.pending = packed_pending,
	.arm = packed_arm,
	.disarm = packed_disarm,
};
