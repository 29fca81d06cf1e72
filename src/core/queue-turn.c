/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a ring does in a turn of its loop: requests are popped, ends of chains
 * are pushed, and at the turn's end published with one decision whether to
 * signal. Only ending a chain of another queue of the instance, or the
 * device's flush, publishes before.
 *
 * Kicks are armed only when queue_pop() found nothing: armed is set, the driver
 * is told, a full barrier, and one more look, because the driver may have added
 * a buffer in between (virtio 1.4, 2.7.10 and 2.8.21). A loop that polls looks
 * itself and arms before it sleeps.
 */
#include <errno.h>
#include <string.h>

#include "core/mem-priv.h"
#include "core/queue-priv.h"
#include "core/stall.h"
#include "vhost-device/fd.h"

enum {
	LOOK_AGAIN_NS = 1000 * 1000,
};

static const char truncated[] = "a memory file was truncated";

void queue_touch(struct queue *q)
{
	if (!q->turn.queued)
		loop_at_turn_end(q->loop, &q->turn);
}

void queue_break(struct queue *q, const char *why)
{
	if (q->broken)
		return;
	q->broken = true;
	q->why = why;
	if (q->group->last_ended == q)
		q->group->last_ended = NULL;
	queue_touch(q);
}

static void publish(struct queue *q)
{
	if (q->n_pushed == 0 || q->broken)
		return;
	if (mem_map_dead(q->map)) {
		queue_break(q, truncated);
		return;
	}
	q->layout->publish(q);
	q->n_pushed = 0;
	q->batch_full = false;
	if (q->group->last_ended == q)
		q->group->last_ended = NULL;
}

/* After all that was sound before: what follows has no effect. */
static void ring_broke(struct queue *q, const char *why)
{
	publish(q);
	queue_break(q, why);
}

static void signal_fd(struct queue *q, int fd, bool is_socket)
{
	if (is_socket) {
		fd_signal_socket(fd);
		return;
	}
	if (q->group->stalled || stall_signal(fd) != -EINTR)
		return;
	/* Once is enough: none of them is written to from now on. */
	q->group->stalled = true;
	q->group->events->stalled(q);
}

void queue_signal(struct queue *q)
{
	q->owes_signal = false;
	if (q->call_fd >= 0)
		signal_fd(q, q->call_fd, q->call_socket);
	else if (q->inband)
		q->group->events->inband(q, false);
	else
		q->owes_signal = true;  /* the call fd may come later than the ring's start */
}

static void signal_driver(struct queue *q)
{
	if (q->unsignalled == 0 || q->broken)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->layout->wants_signal(q)) {
		q->stats.signals++;
		queue_signal(q);
	} else {
		q->stats.signals_saved++;
	}
	q->unsignalled = 0;
}

void queue_flush(struct queue *q)
{
	if (!q->attached)
		return;
	publish(q);
	signal_driver(q);
}

/* In order: what has ended so far from the oldest on. */
static void push_in_order(struct queue *q)
{
	struct chain *c, *next;

	for (c = q->first; c != NULL; c = next) {
		next = c->next;
		if (c->epoch != q->epoch)
			continue;
		if (!c->ended)
			break;
		q->layout->push(q, c, c->len);
		/* Only such a buffer may go without an entry of its own (virtio 1.4, 2.7.9). */
		q->batch_full = !c->fault && c->len == c->put_size;
		queue_release_chain(q, c);
	}
}

void queue_end(struct chain *c, uint32_t len)
{
	struct queue *q = c->queue, *other = q->group->last_ended;

	q->held--;
	queue_touch(q);
	if (c->epoch != q->epoch || q->broken) {
		queue_release_chain(q, c);
		return;
	}
	if (other != q) {
		if (other != NULL)
			publish(other);
		q->group->last_ended = q;
	}
	if (q->in_order) {
		c->ended = true;
		c->len = len;
		push_in_order(q);
	} else {
		q->layout->push(q, c, len);
		queue_release_chain(q, c);
	}
}

void queue_bad_request(struct queue *q, const char *why)
{
	q->stats.bad_requests++;
	log_limited(&q->group->log_limit, LOG_LEVEL_WARN, q->instance,
		    "queue %u: bad request: %s", q->index, why);
}

static bool is_newest(const struct chain *c)
{
	const struct queue *q = c->queue;

	return c->epoch == q->epoch && !q->broken && c->seq + 1 == q->seq;
}

bool chain_newest(const struct chain *c)
{
	return is_newest(c);
}

bool queue_unpop(struct chain *c)
{
	struct queue *q = c->queue;

	if (!is_newest(c))
		return false;
	q->layout->unpop(q, c);
	q->seq--;
	q->held--;
	queue_touch(q);
	queue_release_chain(q, c);
	return true;
}

static void tell_broken(struct queue *q)
{
	q->told_broken = true;
	io_finish(&q->kick);
	timer_set(&q->look, 0);
	loop_remove_poller(q->loop, &q->poller);
	log_limited(&q->group->log_limit, LOG_LEVEL_WARN, q->instance,
		    "queue %u: stopped, the ring is broken: %s", q->index, q->why);
	if (q->err_fd >= 0)
		signal_fd(q, q->err_fd, q->err_socket);
	else if (q->inband)
		q->group->events->inband(q, true);
	/* What else is due comes after it in the same end of turn; it may free the queue. */
	queue_touch(q);
	q->group->events->broken(q, q->why);
}

void queue_turn_end(struct turn_end *t)
{
	struct queue *q = container_of(t, struct queue, turn);

	queue_flush(q);
	q->budget = TURN_BUDGET;
	if (q->attached && mem_map_dead(q->map))
		queue_break(q, truncated);
	if (q->attached && q->broken && !q->told_broken) {
		tell_broken(q);
	} else if (q->halted && q->held == 0) {
		q->halted = false;
		q->group->events->drained(q);
	}
}

/* Popping. */

void queue_hold_back(struct queue *q)
{
	timer_set(&q->look, loop_now(q->loop) + LOOK_AGAIN_NS);
}

static void want_kicks(struct queue *q)
{
	if (!queue_has_kick(q))
		queue_hold_back(q);
	q->layout->arm(q);
}

/* Nothing to pop: true when it is certain that handle() will be called, else look again. */
static bool rest_queue(struct queue *q)
{
	bool certain = q->armed || q->poller.linked;

	q->armed = true;
	if (!certain)
		want_kicks(q);
	return certain;
}

/* Nobody else of the loop shall wait for what makes a request long. */
static void spend(struct queue *q, const struct chain *c)
{
	unsigned cost = 1 + (c->n_segs + q->pieces) / CHAIN_PIECES;

	q->budget -= cost < q->budget ? cost : q->budget;
}

/* The device never sees it; the driver gets it back in its turn. */
static void fail_chain(struct queue *q, struct chain *c)
{
	queue_bad_request(q, q->why);
	queue_open_chain(q, c);
	c->fault = true;
	queue_end(c, 0);
}

struct chain *queue_pop(struct queue *q)
{
	struct chain *c;
	enum popped got;

	while (q->running && !q->broken) {
		if (!mem_map_alive(q->map) && mem_map_dead(q->map)) {
			ring_broke(q, truncated);
			return NULL;
		}
		if (q->budget == 0) {
			loop_next_turn(q->loop, &q->again);
			return NULL;
		}
		c = queue_blank_chain(q);
		q->pieces = 0;
		got = c != NULL ? q->layout->pop(q, c) : POP_NO_MEMORY;
		if (got == POP_OK) {
			spend(q, c);
			q->stats.requests++;
			queue_touch(q);
			queue_open_chain(q, c);
			if (q->row->req_size > 0)
				memset(c + 1, 0, q->row->req_size);
			return c;
		}
		if (c != NULL && got != POP_BAD)
			queue_put_segs(q, c);
		if (got == POP_BAD) {
			spend(q, c);
			fail_chain(q, c);
		} else if (got == POP_BROKEN) {
			ring_broke(q, q->why);
		} else if (got == POP_NO_MEMORY) {
			queue_hold_back(q);
			return NULL;
		} else if (rest_queue(q)) {
			return NULL;
		}
	}
	return NULL;
}

struct chain *queue_next(struct queue *q, struct chain *after)
{
	struct chain *c = after != NULL ? after->next : q->first;

	while (c != NULL && c->ended)
		c = c->next;
	return c;
}

struct chain *queue_previous(struct queue *q, struct chain *before)
{
	struct chain *c = before != NULL ? before->prev : q->last;

	while (c != NULL && c->ended)
		c = c->prev;
	return c;
}

bool queue_spent(const struct queue *q)
{
	return q->running && !q->broken && q->budget == 0;
}

void queue_return_all(struct queue *q)
{
	struct chain *c = q->last, *before;

	while (c != NULL) {
		before = c->prev;
		if (!c->ended)
			chain_return(c);
		c = before;
	}
}

/* Being called. */

void queue_wake(struct queue *q)
{
	if (!q->running || q->broken)
		return;
	if (q->armed) {
		q->armed = false;
		q->layout->disarm(q);
	}
	q->row->handle(q);
}

void queue_again(struct turn_end *t)
{
	struct queue *q = container_of(t, struct queue, again);

	if (q->running && !q->broken)
		q->row->handle(q);
}

void queue_look(struct timer *t)
{
	struct queue *q = container_of(t, struct queue, look);

	if (!q->running || q->broken)
		return;
	if (q->armed && !q->layout->pending(q))
		queue_hold_back(q);
	else
		queue_wake(q);
}

bool queue_poll(struct poller *p)
{
	struct queue *q = container_of(p, struct queue, poller);

	if (!q->armed || q->broken || !q->layout->pending(q))
		return false;
	queue_wake(q);
	return true;
}

bool queue_rest(struct poller *p)
{
	struct queue *q = container_of(p, struct queue, poller);

	if (!q->armed || q->broken)
		return false;
	want_kicks(q);
	return queue_poll(p);
}
