/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One connection of a front end: the vhost-user messages. What they mean for
 * rings and device is decided by the owner through struct vu_ops; this side
 * knows tables, sizes, descriptors, indices, negotiation and answers.
 */
#ifndef CORE_VU_H
#define CORE_VU_H

#include "core/channel.h"
#include "core/mem.h"
#include "core/queue-core.h"
#include "core/upcall.h"
#include "vhost-device/log.h"

struct vu;

/* The request is answered later by vu_answer(); nothing is read until then. */
enum { VU_LATER = 1 };

/*
 * All return 0, a negative errno (with err set when there is more to say), or
 * where noted VU_LATER. i is below n_queues. A passed fd is the callee's.
 */
struct vu_ops {
	void (*protocol)(struct vu *vu);        /* other protocol features are in force */
	int (*features)(struct vu *vu, uint64_t features, struct error *err);
	int (*memory)(struct vu *vu, const struct mem_region *r, unsigned n, struct error *err);
	int (*memory_add)(struct vu *vu, const struct mem_region *r, struct error *err);
	int (*memory_remove)(struct vu *vu, const struct mem_region *r, struct error *err);
	int (*ring_size)(struct vu *vu, unsigned i, uint32_t n, struct error *err);
	int (*ring_addr)(struct vu *vu, unsigned i, const struct queue_addr *a, struct error *err);
	int (*ring_base)(struct vu *vu, unsigned i, uint32_t base, struct error *err);
	/* Starts the ring; -1: kicks come by message or not at all. */
	int (*ring_kick)(struct vu *vu, unsigned i, int fd, struct error *err);
	void (*ring_call)(struct vu *vu, unsigned i, int fd);
	void (*ring_err)(struct vu *vu, unsigned i, int fd);
	int (*ring_kicked)(struct vu *vu, unsigned i, struct error *err);
	/* These two may be later. */
	int (*ring_enable)(struct vu *vu, unsigned i, bool on, struct error *err);
	int (*ring_stop)(struct vu *vu, unsigned i, uint32_t *ret_base);
	void (*config_read)(struct vu *vu, uint32_t off, uint32_t len, void *dst);
	void (*config_write)(struct vu *vu, uint32_t off, uint32_t len, const void *src, bool all);
	uint8_t (*status)(struct vu *vu);
	int (*set_status)(struct vu *vu, uint8_t status);       /* may be later */
	int (*reset)(struct vu *vu);                            /* may be later */
	/* A new backend channel is there. */
	void (*backend)(struct vu *vu);
	/*
	 * The session is over and closed already; once, not after vu_close().
	 * May come from inside vu_answer().
	 */
	void (*gone)(struct vu *vu);
};

struct vu_offer {
	uint64_t features, tolerated, required; /* virtio bits: offered, let pass, must be acked */
	uint64_t protocol;
	unsigned n_queues;                      /* at most 256 */
};

struct vu {
	const struct vu_ops *ops;
	struct vu_offer offer;
	struct upcalls up;
	uint64_t features, protocol;    /* acked */

	/* Private to vu.c. */
	const struct instance *in;      /* for messages */
	struct channel channel;
	struct log_limit limit;
	bool open, waiting, held;
	uint32_t asked, asked_index;    /* the request that is answered later */
	bool asked_ack;
};

/* vu is zeroed at first. fd is owned from here on, also on failure. Reads in a later turn. */
int vu_open(struct vu *vu, const struct vu_ops *ops, const struct vu_offer *offer, struct loop *l,
	    const struct instance *in, int fd);
bool vu_has(const struct vu *vu, unsigned protocol_bit);
/* A request waits for vu_answer(). */
bool vu_waiting(const struct vu *vu);
/* value: the base for ring_stop, else unused. */
void vu_answer(struct vu *vu, int ret, uint32_t value);
/* Held, no request is read and only a hang-up is noticed. */
void vu_hold(struct vu *vu, bool on);
/* Closes both sockets. Fine twice and on a zeroed one. */
void vu_close(struct vu *vu);

#endif
