/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A virtqueue, pulled by the device: a kick is only a hint. All calls belong
 * to the queue's loop.
 */
#ifndef VHOST_DEVICE_QUEUE_H
#define VHOST_DEVICE_QUEUE_H

#include "vhost-device/util.h"

struct chain;
struct instance;
struct loop;
struct queue;

/*
 * The next request, or NULL: the ring is empty (then kicks are armed and
 * handle() comes again), not running, or this turn's budget is spent (then
 * handle() comes in the next turn). Every chain ends exactly once (chain.h).
 */
struct chain *queue_pop(struct queue *q);
/* Walks the open chains, oldest first; after NULL: the oldest. NULL at the end. */
struct chain *queue_next(struct queue *q, struct chain *after);
/* The same backwards; before NULL: the newest. */
struct chain *queue_previous(struct queue *q, struct chain *before);
/* chain_return() on every open chain, newest first. */
void queue_return_all(struct queue *q);
/* Publish and signal what has ended now, rather than at the end of the turn. */
void queue_flush(struct queue *q);

unsigned queue_index(const struct queue *q);
unsigned queue_size(const struct queue *q);     /* of the ring, 0 while it has none */
unsigned queue_held(const struct queue *q);     /* open chains */
bool queue_running(const struct queue *q);
bool queue_spent(const struct queue *q);        /* this turn's budget; handle() comes in the next */
/* From start(): the driver has used this ring before, maybe with another process than this. */
bool queue_used_before(const struct queue *q);
void *queue_state(const struct queue *q);       /* state_size zeroed bytes of the row */
struct loop *queue_loop(const struct queue *q);
struct instance *queue_instance(const struct queue *q);

#endif
