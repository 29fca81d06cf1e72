/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A stand-in for the core, so that a device can be tested without rings and
 * sockets: one instance with its queues, chains of plain bytes, a loop with a
 * faked clock. Breaking a rule of the core (a chain that ends twice or never)
 * fails the test.
 */
#ifndef FAKE_CORE_H
#define FAKE_CORE_H

#include "core/loop-core.h"
#include "vhost-device/device.h"

enum { FAKE_CHAINS = 512, FAKE_COUNTERS = 16, FAKE_QUEUES = 16, FAKE_POISON = 0xa5,
	FAKE_REQ = 96 };

enum fake_end { FAKE_OPEN, FAKE_DONE, FAKE_FAILED, FAKE_RETURNED };

struct chain {
	enum fake_end end;
	unsigned queue;
	bool popped, fault, unmapped;   /* unmapped: copies to it fail */
	size_t get_size, get_at, put_size, put_at;
	size_t used;                    /* length told to the driver */
	unsigned order;                 /* of the ends */
	void *req[FAKE_REQ / sizeof(void *)];   /* device bytes */
	unsigned char *get, *put;       /* put begins full of FAKE_POISON */
};

struct fake {
	struct loop *loop;
	const struct device *device;
	void *conf, *state, *queue_states[FAKE_QUEUES], *config;
	unsigned n_queues;
	unsigned count;                 /* instances of the option set */
	unsigned ring_size;             /* what queue_size() tells; 0: FAKE_CHAINS */
	uint64_t features;              /* acked; 0: all that are offered and not refused */
	struct chain chains[FAKE_CHAINS];
	unsigned pushed, popped, ended, flushes;
	uint64_t counters[FAKE_COUNTERS];
	uint64_t offered, refused;      /* by instance_offer(); not acked by the driver */
	unsigned config_changes, warnings, threads;
	bool running, used_before;
	char reply[4096];               /* to the last command */
};

extern struct fake fake;

/* A loop; its clock is faked unless now is 0. */
void fake_setup(const struct device *device, uint64_t now);
/* conf: what the options would have made; copied. 0 or what check() or open() returned. */
int fake_open(const void *conf, unsigned count, struct error *err);
void fake_start(void);
void fake_stop(void);
void fake_reset(enum reset_why why);
void fake_close(void);
void fake_teardown(void);

/* A request of the driver, followed by a kick. */
struct chain *fake_push(const void *get, size_t get_size, size_t put_size);
/* The same on another queue than the first. */
struct chain *fake_push_to(unsigned index, const void *get, size_t get_size, size_t put_size);
/* A command of the operator with n words behind its name; what it returns. */
int fake_command(struct error *err, const char *name, unsigned n, ...);
/* Turns of the loop at this time. */
void fake_at(uint64_t now);
/* Turns of the loop in real time until this many chains have ended, within ten seconds. */
void fake_wait_ended(unsigned n);
/* A few turns that wait for nothing. */
void fake_settle(void);

#endif
