/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtqueue from the driver's side (virtio 1.4, 2.7 and 2.8), split or
 * packed. Written apart from the back end's engine on purpose: the two check
 * each other. What the device writes is not trusted.
 */
#ifndef VHOST_FRONTEND_RING_H
#define VHOST_FRONTEND_RING_H

#include "vhost-frontend/memory.h"
#include "wire/virtio-ring.h"

#pragma GCC visibility push(default)

struct fe_ring;

struct fe_ring_setup {
	unsigned index, size;           /* size: 1..32768, split: a power of two */
	unsigned region;                /* of the memory, where the ring lives */
	uint64_t features;              /* acked: PACKED, EVENT_IDX, IN_ORDER, INDIRECT_DESC */
	unsigned indirect;              /* largest indirect table, 0: none */
	bool inband;                    /* no eventfds, VRING_KICK and VRING_CALL */
	bool no_call;                   /* polled: the device is given no call fd */
	bool lax;                       /* the device may say that it wrote more than it can */
};

/* One piece of a request. */
struct fe_seg {
	uint64_t guest;
	uint32_t len;
};

/* One finished request. */
struct fe_used {
	void *token;
	uint32_t len;                   /* bytes the device says it wrote; lax: at most writable */
	uint32_t writable;              /* bytes it might have written */
};

struct fe_ring_layout {
	uint64_t desc, driver, device;  /* guest addresses; split: descriptors, avail, used */
	uint64_t desc_size, driver_size, device_size;
};

struct fe_ring_stats {
	uint64_t added, used, kicks, kicks_saved, calls, empty_calls;
};

/*
 * Room for the ring is taken from mem, which must outlive it. *ret_ring is the
 * caller's. -EINVAL: no such size; -ENOSPC: the region is full.
 */
int fe_ring_new(struct fe_mem *mem, const struct fe_ring_setup *setup, struct fe_ring **ret_ring,
		struct error *err);
void fe_ring_free(struct fe_ring *r);           /* NULL is fine; closes the eventfds */
/* As a driver after a device reset: empty memory, indices 0, tokens forgotten. */
void fe_ring_reset(struct fe_ring *r);

/* -- Setting it up at a back end ------------------------------------------- */

/* Steps in any order, for tests; fe_ring_start() sends all in QEMU's order. */
enum fe_ring_step {
	FE_RING_NUM, FE_RING_BASE, FE_RING_ADDR, FE_RING_KICK, FE_RING_CALL, FE_RING_ERR,
	FE_RING_ENABLE, FE_RING_N_STEPS
};
/* One step: the request of its name (vhost-user.rst, "Front-end message types"). */
int fe_ring_send(struct fe_ring *r, struct fe *fe, enum fe_ring_step step, struct error *err);
/* Every step; the device may look at the ring from now on. */
int fe_ring_start(struct fe_ring *r, struct fe *fe, struct error *err);
/* ENABLE 0, GET_VRING_BASE; where it stopped is checked and kept for the next start. */
int fe_ring_stop(struct fe_ring *r, struct fe *fe, struct error *err);
/* GET_VRING_BASE alone. -EPROTO: it cannot have stopped there. */
int fe_ring_get_base(struct fe_ring *r, struct fe *fe, uint32_t *ret_base, struct error *err);

/* -- Requests --------------------------------------------------------------- */

enum { FE_ADD_INDIRECT = 1,             /* all segments in a table */
	FE_ADD_TAIL_INDIRECT = 2 };     /* the first one direct, the others in a table */

/*
 * Make n_out readable and then n_in writable segments available. token comes
 * back when the request is used. -ENOSPC: no room now; -EINVAL: can never fit.
 * The device may see it at once, but is told by fe_ring_kick() only.
 */
int fe_ring_add(struct fe_ring *r, const struct fe_seg *segs, unsigned n_out, unsigned n_in,
		unsigned flags, void *token);
/* Tells the device of new requests unless it asked not to be told: 1 told, 0 not, < 0. */
int fe_ring_kick(struct fe_ring *r, struct fe *fe, struct error *err);
/* Tells it in any case. */
int fe_ring_force_kick(struct fe_ring *r, struct fe *fe, struct error *err);
/* 1: one request came back, 0: none now, -EPROTO: the device broke the rules. */
int fe_ring_get(struct fe_ring *r, struct fe_used *ret_used, struct error *err);
/*
 * Until fe_ring_get() has something: 0, or -ETIMEDOUT; -EIO: its err fd was
 * signalled; -ECONNRESET: the back end hung up.
 */
int fe_ring_wait(struct fe_ring *r, struct fe *fe, unsigned timeout_ms, struct error *err);
/*
 * For loops over several rings: at most so many nanoseconds, until one of up to
 * FE_RINGS_AT_ONCE rings is signalled or fd (-1: none) can be read. Arm the rings
 * first, and look at them afterwards. 0; -EIO and -ECONNRESET as above, -EPROTO:
 * the back end sent what nobody asked for.
 */
enum { FE_RINGS_AT_ONCE = 64 };
int fe_rings_sleep(struct fe_ring *const *rings, unsigned n, struct fe *fe, int fd, uint64_t ns,
		   struct error *err);

/*
 * Ask for a signal once so many more have been used (1: the next one); packed
 * counts ring slots. true: that has happened already, no signal will come.
 */
bool fe_ring_arm(struct fe_ring *r, unsigned ahead);
/* No signal is wanted; one may still be on its way. */
void fe_ring_disarm(struct fe_ring *r);

/* Descriptors free now; requests that the device holds; as set up. */
unsigned fe_ring_free_slots(const struct fe_ring *r);
unsigned fe_ring_outstanding(const struct fe_ring *r);
unsigned fe_ring_size(const struct fe_ring *r);
unsigned fe_ring_index(const struct fe_ring *r);
/* Requests ever made available, modulo 2^16; packed: the next slot and its wrap bit. */
uint16_t fe_ring_avail(const struct fe_ring *r);
/* Where its parts lie; with fe_mem_at(), to look at or to spoil. */
void fe_ring_layout(const struct fe_ring *r, struct fe_ring_layout *ret_layout);
/* The body of SET_VRING_ADDR that tells of them. */
void fe_ring_addr(const struct fe_ring *r, struct vu_vring_addr *ret_addr);
/* Counted since fe_ring_new(); the ring's own memory. */
const struct fe_ring_stats *fe_ring_stats(const struct fe_ring *r);
/* Eventfds, which stay the ring's; -1: none. */
int fe_ring_kick_fd(const struct fe_ring *r);
int fe_ring_call_fd(const struct fe_ring *r);
int fe_ring_err_fd(const struct fe_ring *r);
/* Was the err fd, or VRING_ERR, used? Takes the signal. */
bool fe_ring_erred(struct fe_ring *r, const struct fe *fe);

#pragma GCC visibility pop

#endif
