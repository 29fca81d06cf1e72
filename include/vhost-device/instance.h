/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A device on one socket: the unit of isolation and of logging. */
#ifndef VHOST_DEVICE_INSTANCE_H
#define VHOST_DEVICE_INSTANCE_H

#include "vhost-device/error.h"

struct instance;
struct loop;
struct queue;

void *instance_state(const struct instance *in);        /* state_size zeroed bytes */
const void *instance_conf(const struct instance *in);   /* parsed options */
const char *instance_name(const struct instance *in);   /* for messages */
unsigned instance_index(const struct instance *in);     /* 0.. among those made by one option set */
unsigned instance_count(const struct instance *in);     /* how many that set made */
struct loop *instance_loop(const struct instance *in);
struct queue *instance_queue(const struct instance *in, unsigned i);    /* NULL: no such */
uint64_t instance_features(const struct instance *in);  /* acked; 0 outside a session */

/* In open() only: offer these device feature bits beside those of the row. */
void instance_offer(struct instance *in, uint64_t features);

/* The config image, config_size bytes; after a change of it by the device tell the driver. */
void *instance_config(struct instance *in);
void instance_config_changed(struct instance *in);      /* coalesced, waits while suspended */

/* Add to a counter of the row. */
void instance_stat(struct instance *in, unsigned counter, uint64_t n);

/*
 * Open a host file, close-on-exec; the fd or a negative errno with err set. From any
 * thread; in is NULL when the instance may have gone meanwhile.
 */
int host_open(struct instance *in, const char *path, int flags, struct error *err);

#endif
