/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A device as a driver in user space holds it: connected, negotiated, with
 * guest memory and running queues. What a driver half is made of.
 */
#ifndef PROBE_VDEV_H
#define PROBE_VDEV_H

#include <sys/types.h>

#include "vhost-device/error.h"
#include "vhost-frontend/ring.h"

enum { VDEV_MAX_QUEUES = 64 };

struct vdev_setup {
	const char *path;
	unsigned timeout_ms;            /* of the start, and of every single wait after it */
	bool wait;                      /* until somebody listens */
	unsigned queues, queue_size;
	uint64_t features;              /* bits of the device that the driver understands */
	bool packed, no_event_idx, lax;
	bool inband;                    /* notifications are messages, not eventfds */
	unsigned indirect;              /* largest indirect table, 0: none */
	uint64_t memory;                /* bytes for data, beside rings */
};

struct vdev {
	struct fe *fe;
	struct fe_mem *mem;             /* one region, 0 */
	struct fe_ring *rings[VDEV_MAX_QUEUES];
	unsigned queues, timeout_ms;
	uint64_t features;              /* acked */
	bool lax;                       /* of its rings */
	uint64_t out_at, in_at;         /* scratch of vdev_request(), made when needed */
	size_t out_size, in_size;
};

/*
 * Connects and tells at once when the path is no socket or nobody listens
 * there; wait keeps trying until the time is over.
 */
int vdev_dial(const char *path, unsigned timeout_ms, bool wait, struct fe **ret_fe,
	      struct error *err);
/* What a failed negotiation may mean, added to its text; returns ret. */
int vdev_explain(const struct fe *fe, int ret, struct error *err);
/* The process that listens, 0: not known. */
pid_t vdev_pid(const struct fe *fe);
/* Monotonic nanoseconds. */
uint64_t vdev_now(void);

/* *ret_vdev is the caller's, ended by vdev_free(). Errors name the path. */
int vdev_open(const struct vdev_setup *setup, struct vdev **ret_vdev, struct error *err);
/* Stops the queues as a driver that is unloaded does, and hangs up. NULL is fine. */
void vdev_free(struct vdev *v);

/*
 * One request of n_out readable and n_in writable bytes, and its answer; how
 * many bytes the device wrote, or a negative errno. One at a time.
 */
int vdev_request(struct vdev *v, unsigned queue, const void *out, size_t n_out, void *in,
		 size_t n_in, struct error *err);
/* Bytes of config space. */
int vdev_config(struct vdev *v, unsigned off, void *buf, unsigned n, struct error *err);

#endif
