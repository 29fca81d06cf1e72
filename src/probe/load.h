/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests at a device, as many or as often as wanted, and how long each took. */
#ifndef PROBE_LOAD_H
#define PROBE_LOAD_H

#include <sys/types.h>

#include "driver.h"
#include "hist.h"

struct load_setup {
	struct vdev_setup vdev;         /* queues, queue_size and memory follow from the rest */
	const struct driver *driver;
	uint32_t out, in;
	unsigned depth, queues, segments;
	bool indirect, spin;
	uint64_t rate;                  /* requests a second, 0: as fast as they are answered */
};

struct slot;

/* One back end under load. Totals of all runs since target_reset(). */
struct target {
	struct load_setup setup;
	struct vdev *v;
	struct load_plan plan;
	struct slot *slots;             /* depth * queues */
	struct fe_seg *segs;            /* of all slots */
	struct slot *idle[VDEV_MAX_QUEUES];     /* lists, one a queue */
	uint64_t number;                /* of the next request */
	pid_t pid;                      /* of the back end, 0: not known */

	struct hist hist;               /* nanoseconds */
	uint64_t requests, bytes, bad, ns, cpu_ns;
};

/* On failure nothing is left; *ret_target is the caller's, ended by target_free(). */
int target_open(const struct load_setup *setup, struct target **ret_target, struct error *err);
void target_free(struct target *t);
void target_reset(struct target *t);
/* Processor time that a process has taken, 0: not known. */
uint64_t load_cpu_ns(pid_t pid);
/* For a time, or until so many requests are done (0: no such end). All come back. */
int target_run(struct target *t, uint64_t ns, uint64_t requests, struct error *err);

#endif
