/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the core does with loops beyond what devices may (vhost-device/loop.h). */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include "vhost-device/error.h"
#include "vhost-device/loop.h"

struct loop *loop_new(struct error *err);
/* NULL is fine; not from its callbacks. Memory goes with the last reference, posts do not run. */
void loop_free(struct loop *l);
struct loop *loop_ref(struct loop *l);          /* for a thread that will post; any thread */
/* Runs turns on the calling thread until loop_stop(). */
void loop_run(struct loop *l);
/* One turn: waits at most until the next event when block is true, then ends the turn. */
void loop_turn(struct loop *l, bool block);
void loop_stop(struct loop *l);                 /* any thread */

/*
 * Work at the end of this turn, after all events were served and before the
 * loop sleeps: rings publish there. Asking twice in a turn runs it once. Work
 * asked for from such work runs in the same end of turn, after it.
 */
struct turn_end {
	void (*fn)(struct turn_end *t);
	struct turn_end *next;
	bool queued;
};
void loop_at_turn_end(struct loop *l, struct turn_end *t);
void loop_forget_turn_end(struct loop *l, struct turn_end *t);

/* The same at the start of the next turn, without sleeping in between: a spent budget. */
void loop_next_turn(struct loop *l, struct turn_end *t);

/* Who has sources that nobody else ends: runs in loop_free(), before the loop is gone. */
void loop_at_free(struct loop *l, struct turn_end *t);

/*
 * Busy polling (--poll-us): while anything was found less than poll_us ago, the
 * loop calls the pollers instead of sleeping. poll() says whether it found work.
 * rest(), NULL is fine, comes before the loop sleeps after all: kicks are needed
 * from now on; true: work came meanwhile, do not sleep.
 */
struct poller {
	bool (*poll)(struct poller *p);
	bool (*rest)(struct poller *p);
	struct poller *next;
	bool linked;
};
void loop_set_poll_us(struct loop *l, unsigned us);
bool loop_polls(const struct loop *l);
void loop_add_poller(struct loop *l, struct poller *p);
void loop_remove_poller(struct loop *l, struct poller *p);

/* Unit tests: time stands still at now_ns and moves only by this call; timers follow it. */
void loop_fake_clock(struct loop *l, uint64_t now_ns);

#endif
