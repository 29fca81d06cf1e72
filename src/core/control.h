/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Commands of the operator to a running instance, on a socket of its own. */
#ifndef CORE_CONTROL_H
#define CORE_CONTROL_H

#include "core/listen.h"
#include "vhost-device/device.h"

struct control;

/* What is beyond the instance: a client asks for reload, control_reloaded() answers. */
struct control_host {
	void (*reload)(void *ctx);
	void *ctx;
};

/*
 * Binds path, as --control says; commands come on the loop, which must be the
 * instance's. NULL with err set on failure.
 */
struct control *control_new(struct loop *l, struct instance *in, const struct device *device,
			    const char *path, const struct control_host *host,
			    struct error *err);
/* On the loop; err as it was set, or with code 0. Nobody need wait for it any more. */
void control_reloaded(struct control *c, const struct error *err);
/* On the loop, or before it runs; before the instance goes. NULL is fine. */
void control_free(struct control *c);

#endif
