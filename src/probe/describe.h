/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a back end says of itself, and what device that may be. */
#ifndef PROBE_DESCRIBE_H
#define PROBE_DESCRIBE_H

#include "known.h"
#include "out.h"
#include "vhost-device/error.h"
#include "vhost-frontend/frontend.h"

/* Bytes of config space that were read, and how much a GET_CONFIG may ask for. */
struct facts {
	uint64_t features, protocol;
	unsigned queues, slots;         /* 0: not said */
	uint64_t slots_said;
	uint8_t config[VU_MAX_CONFIG];
	unsigned config_read;           /* bytes in config */
	bool config_any;                /* any length is answered, so this is no size */
	bool config_hangs_up;           /* a length it does not like ends the session */
	int status;                     /* -1: not said */
	uint64_t shmem[256];
	bool features_vary;
};

/*
 * Negotiates as a driver does, but acks no virtio feature. hint (may be NULL)
 * is the device it is said to be. fe may be replaced when the back end hangs up
 * over a question.
 */
int facts_learn(struct fe **fe, const char *path, unsigned timeout_ms, const struct known *hint,
		struct facts *ret_facts, struct error *err);

/* The same with a connection of its own; errors name the path. */
int facts_of(const char *path, unsigned timeout_ms, bool wait, const struct known *hint,
	     struct facts *ret_facts, struct error *err);

/* Devices that fit, best first; how many. */
unsigned facts_guess(const struct facts *f, const struct known **ret_fits, unsigned max);

/* k NULL: unknown; given: not guessed. others: n more that would fit. */
void facts_print(struct out *o, const char *path, const struct facts *f, const struct known *k,
		 bool given, const struct known *const *others, unsigned n);

#endif
