/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Life of a device on a socket, as the process drives it. The state machine
 * (sessions, ring start and stop, draining, evidence of a reset) is in
 * instance.c and reset.c; the messages are in vu.c, which knows no device.
 */
#ifndef CORE_INSTANCE_H
#define CORE_INSTANCE_H

#include "core/listen.h"
#include "vhost-device/device.h"

struct instance_setup {
	const struct device *device;
	const void *conf;               /* conf_size bytes, outlives the instance */
	const char *name;               /* "rng", or the INI section's name; copied */
	unsigned index, count;
	uint16_t queue_size;            /* --queue-size, 0: the row's */
	bool no_packed;                 /* split rings only */
	bool no_inband;                 /* notifications by eventfds only */
	bool once;                      /* ends after the first session */
	unsigned drain_ms;              /* at SIGTERM, how long chains may stay open: 1000 */
};

/* open() of the device; then listener. Owns ep on success. NULL with err set on failure. */
struct instance *instance_new(struct loop *l, const struct instance_setup *setup,
			      struct endpoint *ep, struct error *err);
/* On its loop: begin to accept sessions. */
void instance_listen(struct instance *in);
/* on its loop: end the session in order; ended() comes when it may be freed. */
void instance_leave(struct instance *in, void (*ended)(struct instance *in, void *ctx), void *ctx);
/* The same, but without a limit for open requests; instance_leave() may follow and sets one. */
void instance_retire(struct instance *in, void (*ended)(struct instance *in, void *ctx), void *ctx);
/* Told on the instance's loop when once is set and the session is over, or none can come. */
void instance_on_finished(struct instance *in, void (*cb)(struct instance *in, void *ctx),
			  void *ctx);
void instance_free(struct instance *in);

const struct device *instance_device(const struct instance *in);

#endif
