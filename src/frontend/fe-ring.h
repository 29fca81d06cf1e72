/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A driver's virtqueue, common part and the two layouts. All state that
 * decides anything lives here, never in memory that the device can write.
 */
#ifndef FRONTEND_FE_RING_H
#define FRONTEND_FE_RING_H

#include "vhost-device/error.h"
#include "vhost-frontend/ring.h"

/* A descriptor before it has a place. */
struct fe_piece {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;                 /* WRITE, INDIRECT */
};

/* What is known of a request that the device holds, by its id. */
struct fe_slot {
	void *token;
	uint32_t writable;
	uint16_t n;                     /* descriptors in the ring */
	bool out;
};

struct fe_ring_ops {
	void (*reset)(struct fe_ring *r);
	uint16_t (*next_id)(const struct fe_ring *r);
	void (*put)(struct fe_ring *r, uint16_t id, const struct fe_piece *pieces, unsigned n);
	/* Does the device want to hear of what was added since the last decision? */
	bool (*wants_kick)(struct fe_ring *r);
	/* What the device used next: 1, 0 or -EPROTO. Moves nothing. */
	int (*peek)(struct fe_ring *r, uint32_t *ret_id, uint32_t *ret_len, struct error *err);
	/* Request id is over: its descriptors are free, the position moves on. */
	void (*retire)(struct fe_ring *r, uint16_t id);
	bool (*arm)(struct fe_ring *r, unsigned ahead);
	void (*disarm)(struct fe_ring *r);
	bool (*base_ok)(const struct fe_ring *r, uint32_t base);
};

extern const struct fe_ring_ops fe_split_ops, fe_packed_ops;

struct fe_ring {
	const struct fe_ring_ops *ops;
	struct fe_mem *mem;
	struct fe_ring_setup setup;
	struct fe_ring_layout layout;
	unsigned size;
	bool packed, event_idx, in_order, broken;
	int kick, call, err_fd;
	uint32_t base;                  /* of the next start, as vhost-user counts */

	void *desc, *driver, *device;   /* our view of the three parts */
	uint64_t tables;                /* indirect tables, one an id */
	struct fe_slot *slots;          /* size of them, as of next, order and pieces */
	uint16_t *next;                 /* free list through ids (split: descriptors) */
	uint16_t free_head, free;       /* free descriptors */
	uint16_t avail, used;           /* split: indices; packed: slots */
	bool avail_wrap, used_wrap;     /* packed */
	unsigned added;                 /* since the last kick decision, in units of avail */
	unsigned outstanding;

	uint16_t *order;                /* in order: ids as they were added, a circle */
	unsigned oldest;
	unsigned batch;                 /* in order: requests left of one used entry */
	uint32_t batch_len;             /* .. length of its last */

	struct fe_piece *pieces;        /* scratch */
	unsigned inband_calls, inband_errs;     /* seen so far */
	struct fe_ring_stats stats;
};

/* Ring words are shared with another process: each is one aligned access. */
static inline uint16_t fe_load16(const void *p)
{
	return le16toh(__atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE));
}

static inline void fe_store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, htole16(v), __ATOMIC_RELEASE);
}

static inline void fe_full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* virtio 1.4, 2.7.10: did the index pass event on its way from old to new? */
static inline bool fe_passed(uint16_t event, uint16_t new_idx, uint16_t old)
{
	return (uint16_t)(new_idx - event - 1) < (uint16_t)(new_idx - old);
}

#endif
