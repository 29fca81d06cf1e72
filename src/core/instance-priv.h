/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Inside of an instance: instance.c (birth, sessions, end), instance-rings.c
 * (what messages do to rings), reset.c (was the guest reset?), instance-api.c
 * (what devices may call).
 */
#ifndef CORE_INSTANCE_PRIV_H
#define CORE_INSTANCE_PRIV_H

#include "core/instance-core.h"
#include "core/queue-core.h"
#include "core/vu.h"
#include "wire/virtio-ring.h"

/* A queue as the front end drives it. */
struct ring {
	struct instance *in;
	struct queue *q;
	bool started;                   /* between SET_VRING_KICK and GET_VRING_BASE */
	bool enabled;                   /* SET_VRING_ENABLE */
	bool running;                   /* between start() and stop() of the device */
	bool draining;                  /* stopped, its last ends are not published yet */
	bool broken;                    /* until a new base or a reset */
	bool fresh;                     /* where it begins must be found out at start */
	bool stopped;                   /* stopped_at holds: it ran since the last reset */
	uint32_t stopped_at;
	bool had_marks;                 /* packed: see reset.c, when it stopped */
	struct queue_addr addr;
	bool owes_call, owes_err;       /* in-band signals that could not leave yet */
	struct upcall call, err;
};

enum session {
	SESSION_NONE,                   /* not listening, or waiting for a front end */
	SESSION_ON,
	SESSION_OVER,                   /* sockets are closed, chains are still open */
};

/* What the answer that is due waits for, and what it brings. */
enum wait { WAIT_NOTHING, WAIT_STOP, WAIT_DISABLE, WAIT_ALL, WAIT_RESET };

struct instance {
	const struct device *device;
	const void *conf;
	char *name;
	unsigned index, count;
	unsigned drain_ms;
	bool once, no_packed, no_inband;

	struct loop *loop;
	struct listener *listener;
	bool opened, wants_listener, no_more, told_finished;
	void *state;
	uint8_t *config;
	uint64_t *counters;
	unsigned n_counters;
	uint64_t own_features;          /* instance_offer() */

	enum session session;
	struct log_limit limit;         /* of what front ends make us say by coming and going */
	struct vu vu;
	struct mem_map *map;
	struct queue_group group;
	struct ring *rings;
	unsigned n_rings, n_running;
	uint64_t features;
	bool has_features;
	uint8_t status;
	bool ran;                       /* something ran since the last reset */
	enum wait wait;
	unsigned wait_ring;

	bool config_due;                /* a change that the driver was not told of */
	struct upcall config_upcall;

	struct turn_end step;
	struct timer penalty;           /* no session before it runs out */
	struct timer slow;              /* a drain takes long: say so */
	unsigned slow_s;

	bool leaving, stuck, told_ended;
	struct timer deadline;
	void (*ended)(struct instance *in, void *ctx);
	void *ended_ctx;
	void (*finished)(struct instance *in, void *ctx);
	void *finished_ctx;
};

/* instance.c: go on, in the next turn, with whatever can go on now. */
void instance_schedule(struct instance *in);
/* Requests are awaited: say so when it takes long. */
void instance_watch_drain(struct instance *in);
/* A ring was stopped and its last requests are not published yet. */
bool instance_drains(const struct instance *in);
/* The front end is gone: its sockets are closed. */
void instance_session_over(struct vu *vu);

/* instance-rings.c */
extern const struct vu_ops instance_vu_ops;
extern const struct queue_events instance_queue_events;
/* Stop, publish what ends from now on, and tell the device. */
void ring_halt(struct ring *r);
/* Stop and forget: no guest memory is touched from now on. */
void ring_drop(struct ring *r);
/* As before the session: nothing configured, all descriptors closed. */
void ring_forget(struct ring *r);
/* What may be possible now: a late answer, the next request, upcalls. */
void rings_step(struct instance *in);

/* reset.c */
void reset_evidence(struct instance *in, const char *what);
/* Before the first ring starts: do the rings look as we left them? */
void reset_check_rings(struct instance *in);
void reset_by_device_request(struct instance *in);
void reset_session_ended(struct instance *in);
/* A ring stopped here; a new base for it. */
void reset_ring_stopped(struct ring *r);
void reset_ring_base(struct ring *r, uint32_t base);
/* Where a split ring begins when nobody stopped it before. */
void reset_place_ring(struct ring *r);

#endif
