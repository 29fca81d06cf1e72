/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Threads for blocking host calls, one worker per host object, found by its
 * key ("i2c-3", "hwrng"). Queued jobs are served round robin between
 * instances, so that a busy guest cannot starve another.
 */
#ifndef VHOST_DEVICE_WORKER_H
#define VHOST_DEVICE_WORKER_H

#include "vhost-device/error.h"
#include "vhost-device/loop.h"

struct instance;
struct worker;

struct job {
	/* On a worker thread: touches its own struct and lent windows only. */
	void (*run)(struct job *j);
	/* On the loop that submitted it, exactly once unless cancelled. */
	void (*done)(struct job *j);
	void *core[10];
};

/* Counted; threads counts for the first call of a key. NULL with err set on failure. */
struct worker *worker_get(const char *key, unsigned threads, struct error *err);
/* NULL is fine. The last one waits for running jobs, queued ones must be gone. */
void worker_put(struct worker *w);
/* From a loop's thread; j starts zeroed but for run and done, in tells whose turn it takes. */
void worker_submit(struct worker *w, struct instance *in, struct job *j);
/* true: it is not queued (any more), done() will not come; false: it runs or done() will. */
bool job_cancel(struct job *j);

/*
 * From now on only jobs of this instance are taken, until held for NULL: a
 * sequence of jobs that nobody may come between. From any thread, also inside
 * run(). Whoever holds must let go by himself; a held worker is as stuck as he.
 */
void worker_hold(struct worker *w, const struct instance *in);

#endif
