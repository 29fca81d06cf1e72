/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Split layout, driver's side (virtio 1.4, 2.7). A request's id is its first
 * descriptor. In order, descriptors are taken in ring order (2.7.9), else from
 * a free list kept here.
 */
#include <errno.h>
#include <string.h>

#include "fe-ring.h"

static uint8_t *avail_at(const struct fe_ring *r, size_t off)
{
	return (uint8_t *)r->driver + off;
}

static uint8_t *used_at(const struct fe_ring *r, size_t off)
{
	return (uint8_t *)r->device + off;
}

static uint8_t *used_event(const struct fe_ring *r)
{
	return avail_at(r, VIRTQ_AVAIL_RING + 2 * (size_t)r->size);
}

static uint8_t *avail_event(const struct fe_ring *r)
{
	return used_at(r, VIRTQ_USED_RING + 8 * (size_t)r->size);
}

static void split_reset(struct fe_ring *r)
{
	r->ops->disarm(r);
}

static uint16_t split_next_id(const struct fe_ring *r)
{
	return r->free_head;
}

static uint16_t after(const struct fe_ring *r, uint16_t i)
{
	return r->in_order ? (uint16_t)((i + 1) % r->size) : r->next[i];
}

static void split_put(struct fe_ring *r, uint16_t id, const struct fe_piece *pieces, unsigned n)
{
	struct virtq_desc *desc = r->desc;
	uint16_t i = id, next;
	unsigned k, flags;

	for (k = 0; k < n; k++) {
		next = after(r, i);
		flags = pieces[k].flags | (k + 1 < n ? VIRTQ_DESC_NEXT : 0);
		desc[i] = (struct virtq_desc){ le64(pieces[k].addr), le32(pieces[k].len),
			le16((uint16_t)flags), le16(k + 1 < n ? next : 0) };
		i = next;
	}
	r->free_head = i;
	fe_store16(avail_at(r, VIRTQ_AVAIL_RING + 2 * (size_t)(r->avail & (r->size - 1))), id);
	r->avail++;
	r->added++;
	fe_store16(avail_at(r, VIRTQ_AVAIL_IDX), r->avail);
}

static bool split_wants_kick(struct fe_ring *r)
{
	if (r->event_idx)
		return fe_passed(fe_load16(avail_event(r)), r->avail,
				 (uint16_t)(r->avail - r->added));
	return !(fe_load16(used_at(r, VIRTQ_USED_FLAGS)) & VIRTQ_USED_NO_NOTIFY);
}

static int split_peek(struct fe_ring *r, uint32_t *ret_id, uint32_t *ret_len, struct error *err)
{
	uint16_t n = (uint16_t)(fe_load16(used_at(r, VIRTQ_USED_IDX)) - r->used);
	struct virtq_used_elem e;

	if (n == 0)
		return 0;
	if (n > r->outstanding)
		return error_set(err, -EPROTO, "queue %u: the device used %u requests and holds "
				 "%u", r->setup.index, n, r->outstanding);
	memcpy(&e, used_at(r, VIRTQ_USED_RING + 8 * (size_t)(r->used & (r->size - 1))),
	       sizeof(e));
	*ret_id = le32_get(e.id);
	*ret_len = le32_get(e.len);
	return 1;
}

static void split_retire(struct fe_ring *r, uint16_t id)
{
	uint16_t last = id;
	unsigned k;

	r->used++;
	if (r->in_order)
		return;
	for (k = 1; k < r->slots[id].n; k++)
		last = r->next[last];
	r->next[last] = r->free_head;
	r->free_head = id;
}

static bool split_arm(struct fe_ring *r, unsigned ahead)
{
	uint16_t n;

	if (r->event_idx)
		fe_store16(used_event(r), (uint16_t)(r->used + ahead - 1));
	else
		fe_store16(avail_at(r, VIRTQ_AVAIL_FLAGS), 0);
	fe_full_barrier();
	n = (uint16_t)(fe_load16(used_at(r, VIRTQ_USED_IDX)) - r->used);
	return r->event_idx ? n >= ahead : n > 0;
}

/* With the event index the flag must stay 0 (2.7.7.1); the index stays behind. */
static void split_disarm(struct fe_ring *r)
{
	if (!r->event_idx)
		fe_store16(avail_at(r, VIRTQ_AVAIL_FLAGS), VIRTQ_AVAIL_NO_INTERRUPT);
}

static bool split_base_ok(const struct fe_ring *r, uint32_t base)
{
	return base <= UINT16_MAX && (uint16_t)(r->avail - base) <= r->outstanding;
}

const struct fe_ring_ops fe_split_ops = {
	.reset = split_reset,
	.next_id = split_next_id,
	.put = split_put,
	.wants_kick = split_wants_kick,
	.peek = split_peek,
	.retire = split_retire,
	.arm = split_arm,
	.disarm = split_disarm,
	.base_ok = split_base_ok,
};
