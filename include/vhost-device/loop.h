/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A loop is one thread with its event sources. An instance lives on one loop:
 * its callbacks, sources and state are used by that thread alone, without
 * locks. The structures are embedded in the device's own; the core[] members
 * are not the device's to touch. Finish a source before closing its fd.
 */
#ifndef VHOST_DEVICE_LOOP_H
#define VHOST_DEVICE_LOOP_H

#include "vhost-device/util.h"

struct loop;

/* IO_EDGE reports changes only; IO_PRI is POLLPRI; IO_HUP always comes with any set. */
enum { IO_READ = 1, IO_WRITE = 2, IO_PRI = 4, IO_EDGE = 8, IO_HUP = 16 };

struct io {
	void (*cb)(struct io *io, unsigned ready);
	void *core[20];
};

/* Watches nothing until io_set(). fd stays the caller's. */
void io_init(struct io *io, struct loop *l, int fd, void (*cb)(struct io *io, unsigned ready));
/* 0, or -errno when the fd cannot be watched (a regular file: -EPERM). events 0 rests. */
int io_set(struct io *io, unsigned events);
/* May be called twice, on a zeroed io, and from its own callback. */
void io_finish(struct io *io);

struct timer {
	void (*cb)(struct timer *t);
	void *core[20];
};

void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t));
/* Once, at an absolute time of loop_now(), nanoseconds; 0 disarms. */
void timer_set(struct timer *t, uint64_t at_ns);
void timer_finish(struct timer *t);

/* Monotonic nanoseconds of this turn; unit tests may fake it. */
uint64_t loop_now(const struct loop *l);
/* The loop this thread runs, or NULL. */
struct loop *loop_self(void);

/*
 * A message to a loop from any thread: fn runs there in a later turn. Pending
 * once: posting again while it waits changes nothing. The owner keeps it alive
 * until it ran.
 */
struct post {
	void (*fn)(struct post *p);
	void *core[2];
};

void loop_post(struct loop *l, struct post *p);
/*
 * Takes a post back: fn will not run, p may be freed. On the loop's own thread
 * or when the loop runs no more, and nobody posts it at the same time.
 */
void loop_unpost(struct loop *l, struct post *p);

#endif
