/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver half of a device: what `probe DEVICE SOCKET ACTION` can do, and
 * how `bench` loads it. One file per device, which defines driver_NAME, and one
 * row in meson.build.
 */
#ifndef PROBE_DRIVER_H
#define PROBE_DRIVER_H

#include "out.h"
#include "vdev.h"

struct action {
	const char *name, *args, *help;
	unsigned least, most;           /* words behind the name */
	/* 0, or a negative errno with err set: -EINVAL for words that make no sense. */
	int (*run)(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err);
};

/* What a device allows its load. */
struct load_plan {
	uint64_t limit;                 /* distinct requests, 0: any number */
	uint64_t scale;                 /* the driver's own */
};

/* One kind of request for `bench`; NULL members: nothing to do. */
struct load {
	uint32_t out, in;               /* bytes that --out and --in replace; 0: none */
	uint32_t head, tail;            /* readable before --out, writable behind --in */
	int (*prepare)(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err);
	/* head and out */
	void (*fill)(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan);
	/* Of head+out and in+tail bytes, len of them written. */
	bool (*good)(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len);
};

/* For `bench` of a device with an end at the host: two back ends, or one, by turns. */
struct ends_setup {
	const char *sockets[2], *uds[2];        /* the second ones may be NULL */
	struct vdev_setup vdev;                 /* the driver sets queues, sizes and memory */
	unsigned seconds;                       /* for all of it */
	const char *only;                       /* names of cases begin so; NULL: all */
	uint32_t largest;                       /* write of bytes that the second one survives */
};

struct driver {
	const char *name;               /* of the device, as in known.c */
	unsigned queues, queue_size;    /* needed */
	uint64_t features;              /* bits of the device that it understands */
	uint64_t memory;                /* bytes that requests may take in all */
	uint8_t bench_queue;            /* first one that takes the load */
	uint8_t bench_queues;           /* how many may, 0: as many as the back end has */
	const struct action *actions;   /* ended by a NULL name; NULL: bench only */
	const struct load *load;
	int (*ends)(const struct ends_setup *setup, struct out *o, struct error *err);
};

/* NULL: there is none of that name. */
const struct driver *driver_find(const char *name);
const struct driver *driver_at(unsigned i);     /* NULL: no more */
/* A number as in C, but for octal ones. 0, -EINVAL or -ERANGE. */
int driver_number(const char *s, uint64_t max, uint64_t *ret_value);
const struct action *driver_action(const struct driver *d, const char *name);

#endif
