/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Objects that several instances share by name, such as a CAN bus: the only
 * place where guests meet. Instances may live on different loops, so what is
 * in an object is touched under its lock alone, which covers moves of
 * pointers, counters and a few bytes: no guest memory, no host call. What it
 * may do is loop_post(), whose own lock is the innermost of all: so nobody is
 * posted to who is just leaving.
 */
#ifndef VHOST_DEVICE_SHARED_H
#define VHOST_DEVICE_SHARED_H

#include "vhost-device/error.h"

struct shared_type {
	const char *kind;               /* "can bus"; names of different kinds do not clash */
	size_t size;
	/* On zeroed memory, once. 0, or negative with err set: then it never was there. */
	int (*init)(void *obj, const char *name, struct error *err);
	void (*finish)(void *obj);      /* the last one has left; NULL: nothing to do */
};

/* The object of this name, made when there is none. Counted; NULL with err set. */
void *shared_get(const struct shared_type *type, const char *name, struct error *err);
void shared_put(void *obj);     /* NULL is fine */
void shared_lock(void *obj);
void shared_unlock(void *obj);

#endif
