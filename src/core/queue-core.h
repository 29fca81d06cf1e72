/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ring engine as its owner, the instance, drives it. The device sees
 * vhost-device/queue.h and chain.h.
 *
 *   configure (size, addresses, base, fds, memory, features)
 *   queue_run()    ring resolved, engine on; the owner then calls the device's
 *                  start() and queue_wake()
 *   queue_halt()   no more pops, kicks unwatched; chains ended from now on are
 *                  still published, until queue_held() == 0 (events->drained)
 *   queue_detach() engine off: ends of chains that are still open have no
 *                  effect any more, memory is let go
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "core/loop-core.h"
#include "core/mem.h"
#include "vhost-device/chain.h"
#include "vhost-device/device.h"
#include "vhost-device/log.h"
#include "vhost-device/queue.h"

/*
 * Told to the owner at the end of a turn, never from inside a call that the
 * device makes (but inband comes from queue_flush() as well: it only sends).
 */
struct queue_events {
	/* Corrupt ring: the engine stopped at the end of the turn and signalled the err fd. */
	void (*broken)(struct queue *q, const char *why);
	/*
	 * Once after each queue_halt(), when no chain is open and all is
	 * published; after queue_detach() only when chains were open then.
	 */
	void (*drained)(struct queue *q);
	/* No call fd and in-band notifications: send VRING_CALL (err false) or VRING_ERR. */
	void (*inband)(struct queue *q, bool err);
	/*
	 * A call or err descriptor of the group blocked its writer, so none is
	 * written to until the owner clears the group's stalled. Comes from
	 * queue_flush() as well.
	 */
	void (*stalled)(struct queue *q);
};

/* Shared by the queues of one instance: order of publication, one map, counters. */
struct queue_group {
	const struct queue_events *events;
	struct queue *last_ended;       /* its ends are not published yet (core-private) */
	bool stalled;                   /* see queue_events */
	struct log_limit log_limit;     /* of what the guest can make us say */
};

/* Addresses are user addresses of the front end (struct vu_vring_addr). */
struct queue_addr {
	uint64_t desc, avail, used;
};

struct queue_stats {
	uint64_t kicks, requests, batches, signals, signals_saved, bad_requests;
};

struct queue *queue_new(struct instance *in, struct queue_group *group, unsigned index,
			const struct queue_row *row, struct loop *l);
void queue_free(struct queue *q);               /* NULL is fine; detaches */

/* Configuration while not running; 0 or negative errno (-EBUSY while running). */
int queue_set_size(struct queue *q, uint32_t n);        /* 1..max; split: power of two */
int queue_set_addr(struct queue *q, const struct queue_addr *a);        /* resolved by queue_run */
int queue_set_base(struct queue *q, uint32_t base);     /* vhost-user encoding, split or packed */
void queue_set_max_size(struct queue *q, uint16_t max);
unsigned queue_max_size(const struct queue *q);
/* Where the ring stands, in that encoding; stable until the next queue_set_base(). */
uint32_t queue_base(const struct queue *q);
/* Split: the used index found in the ring's memory; false when it cannot be resolved. */
bool queue_peek_used(const struct queue *q, uint16_t *ret_used);
/* Packed: has any entry of the ring all these flags? False when it cannot be resolved. */
bool queue_peek_marks(const struct queue *q, uint16_t bits, bool *ret_any);

/* Any time; the queue owns the fd, -1: none. polled: no kick will come (NOFD). */
void queue_set_kick(struct queue *q, int fd);
void queue_set_call(struct queue *q, int fd);
void queue_set_err(struct queue *q, int fd);
void queue_set_inband(struct queue *q, bool on);
/* Acked virtio features, before queue_run(). */
void queue_set_features(struct queue *q, uint64_t features, bool in_order);
/* A new map, also while running: retranslates, breaks the ring when it no longer resolves. */
void queue_set_memory(struct queue *q, struct mem_map *map);

bool queue_complete(const struct queue *q);     /* size, addresses and memory are there */
/* -EAGAIN: not complete; -EFAULT, -EINVAL: addresses outside or misaligned (err says which). */
int queue_run(struct queue *q, struct error *err);
void queue_wake(struct queue *q);               /* handle() now: at start, enable, in-band kick */
void queue_halt(struct queue *q);
void queue_detach(struct queue *q);             /* publishes what has ended before; keeps the map */
void queue_reset(struct queue *q);              /* detach, forget size, addresses, base, fds */
bool queue_broken(const struct queue *q);
const struct queue_stats *queue_stats(const struct queue *q);

#endif
