/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Packed layout, driver's side (virtio 1.4, 2.8). Positions are slots with a
 * wrap counter. Ids come from a free list; in order, an id is the slot of the
 * request's first descriptor.
 */
#include <errno.h>
#include <string.h>

#include "fe-ring.h"

static struct vring_packed_desc *slot_at(const struct fe_ring *r, uint16_t i)
{
	return (struct vring_packed_desc *)r->desc + i;
}

static uint16_t avail_bits(bool wrap)
{
	return wrap ? VIRTQ_DESC_AVAIL : VIRTQ_DESC_USED;
}

static void step(uint16_t *pos, bool *wrap, unsigned n, unsigned size)
{
	unsigned to = *pos + n;

	if (to >= size) {
		to -= size;
		*wrap = !*wrap;
	}
	*pos = (uint16_t)to;
}

static void set_event(struct fe_ring *r, uint16_t off_wrap, uint16_t flags)
{
	struct vring_packed_event *e = r->driver;

	fe_store16(&e->off_wrap, off_wrap);
	fe_store16(&e->flags, flags);
}

static void packed_reset(struct fe_ring *r)
{
	r->ops->disarm(r);
}

static uint16_t packed_next_id(const struct fe_ring *r)
{
	return r->in_order ? r->avail : r->free_head;
}

/* The head's flags go last, so that the device sees the whole list or nothing. */
static void packed_put(struct fe_ring *r, uint16_t id, const struct fe_piece *pieces, unsigned n)
{
	uint16_t head = r->avail;
	uint16_t flags, head_flags = 0;
	unsigned k;

	if (!r->in_order)
		r->free_head = r->next[id];
	for (k = 0; k < n; k++) {
		struct vring_packed_desc *d = slot_at(r, r->avail);

		flags = (uint16_t)(pieces[k].flags | avail_bits(r->avail_wrap) |
				   (k + 1 < n ? VIRTQ_DESC_NEXT : 0));
		d->addr = le64(pieces[k].addr);
		d->len = le32(pieces[k].len);
		d->id = le16(id);
		if (k == 0)
			head_flags = flags;
		else
			d->flags = le16(flags);
		step(&r->avail, &r->avail_wrap, 1, r->size);
	}
	r->added += n;
	fe_store16(&slot_at(r, head)->flags, head_flags);
}

static bool packed_wants_kick(struct fe_ring *r)
{
	struct vring_packed_event *e = r->device;
	uint16_t flags = fe_load16(&e->flags);
	uint16_t off_wrap = fe_load16(&e->off_wrap);
	uint16_t event = off_wrap & 0x7fff;

	if (flags != VRING_PACKED_EVENT_DESC)
		return flags != VRING_PACKED_EVENT_DISABLE;
	if ((off_wrap >> 15) != r->avail_wrap)
		event = (uint16_t)(event - r->size);
	return fe_passed(event, r->avail, (uint16_t)(r->avail - r->added));
}

static bool is_used(uint16_t flags, bool wrap)
{
	return !!(flags & VIRTQ_DESC_AVAIL) == wrap && !!(flags & VIRTQ_DESC_USED) == wrap;
}

static int packed_peek(struct fe_ring *r, uint32_t *ret_id, uint32_t *ret_len, struct error *err)
{
	struct vring_packed_desc *d = slot_at(r, r->used);
	uint16_t flags = fe_load16(&d->flags);

	if (!is_used(flags, r->used_wrap))
		return 0;
	if (r->outstanding == 0)
		return error_set(err, -EPROTO, "queue %u: the device used a request and holds "
				 "none", r->setup.index);
	*ret_id = le16_get(d->id);
	/* The length means something only with WRITE (2.8.1). */
	*ret_len = flags & VIRTQ_DESC_WRITE ? le32_get(d->len) : 0;
	return 1;
}

static void packed_retire(struct fe_ring *r, uint16_t id)
{
	step(&r->used, &r->used_wrap, r->slots[id].n, r->size);
	if (r->in_order)
		return;
	r->next[id] = r->free_head;
	r->free_head = id;
}

static bool packed_arm(struct fe_ring *r, unsigned ahead)
{
	uint16_t at = r->used;
	bool wrap = r->used_wrap;

	if (r->event_idx) {
		step(&at, &wrap, (ahead - 1) % r->size, r->size);
		set_event(r, (uint16_t)(at | (wrap ? 0x8000 : 0)), VRING_PACKED_EVENT_DESC);
	} else {
		set_event(r, 0, VRING_PACKED_EVENT_ENABLE);
	}
	fe_full_barrier();
	return is_used(fe_load16(&slot_at(r, at)->flags), wrap);
}

static void packed_disarm(struct fe_ring *r)
{
	set_event(r, 0, VRING_PACKED_EVENT_DISABLE);
}

static bool packed_base_ok(const struct fe_ring *r, uint32_t base)
{
	return (base & 0x7fff) < r->size && (base >> 16 & 0x7fff) < r->size;
}

const struct fe_ring_ops fe_packed_ops = {
	.reset = packed_reset,
	.next_id = packed_next_id,
	.put = packed_put,
	.wants_kick = packed_wants_kick,
	.peek = packed_peek,
	.retire = packed_retire,
	.arm = packed_arm,
	.disarm = packed_disarm,
	.base_ok = packed_base_ok,
};
