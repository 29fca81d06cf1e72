/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A guest: a front end with memory in three regions and one queue, and requests on it. */
#ifndef TESTS_FRONTEND_GUEST_H
#define TESTS_FRONTEND_GUEST_H

#include "server.h"
#include "vhost-device/error.h"
#include "vhost-frontend/ring.h"

enum {
	GUEST_SLOTS = 64,               /* requests at once, at most */
	GUEST_SLOT_SIZE = 4099,         /* odd on purpose: slots lie across pages and regions */
	GUEST_MAX_SEGS = 16,
	GUEST_DATA_SIZE = 1 << 20,      /* of each of two regions, one behind the other */
};
#define GUEST_RING_BASE 0x100000ULL
#define GUEST_DATA_BASE (1ULL << 32)

struct guest_setup {
	const char *socket;
	uint64_t leave_out;             /* ring features not to ack */
	uint64_t features;              /* those of the device to ack */
	uint64_t protocol;              /* 0: all but in-band */
	unsigned size;                  /* of the ring; 0: 256 */
	bool inband, no_acks, by_slots;
	bool no_start;                  /* memory and ring exist, the back end knows neither */
	bool raw;                       /* connected, and memory exists; no more than that */
	bool gpa_user;                  /* guest addresses as user addresses */
	bool no_call;                   /* the ring is polled */
	bool unsealed;                  /* memory that can be truncated */
};

struct guest_slot {
	bool busy;
	struct fe_seg segs[GUEST_MAX_SEGS];
	unsigned n_out, n_in, flags;
	uint32_t len;                   /* expected */
	uint8_t image[GUEST_SLOT_SIZE]; /* .. content afterwards */
};

struct guest {
	struct guest_setup setup;
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *ring;
	uint64_t features;
	uint64_t seed;
	struct guest_slot slots[GUEST_SLOTS];
	unsigned busy;
};

extern struct error err;

/* Sanitizers and valgrind need not repeat that often what they look at each time. */
unsigned test_scale(void);
unsigned test_scaled(unsigned n);
extern const uint64_t guest_ring_features;      /* what we ack of what is offered */

struct guest *guest_new(const struct guest_setup *setup);
void guest_free(struct guest *g);               /* hangs up; NULL is fine */
/* The steps of guest_new() with no_start. */
void guest_tell_memory(struct guest *g);
void guest_start(struct guest *g);
void guest_stop(struct guest *g);
/* A ring of another size or other features at the same place. */
void guest_make_ring(struct guest *g, unsigned size, uint64_t features);

unsigned guest_random(struct guest *g, unsigned below);
void guest_write(struct guest *g, uint64_t at, const void *src, size_t n);
void guest_read(struct guest *g, uint64_t at, void *dst, size_t n);
uint64_t guest_slot_at(unsigned slot);

/* template: n requests of any shape, up to depth at once, each compared byte by byte. */
void guest_echo(struct guest *g, unsigned n, unsigned depth);
/* The two halves: make one available (false: no room now), take back all that are done. */
bool guest_send_echo(struct guest *g);
void guest_collect(struct guest *g);
void guest_await_all(struct guest *g);
/* rng: one request of so many bytes; what came is in the slot 0. Its used.len. */
uint32_t guest_draw(struct guest *g, uint32_t n);

/* Any request; token is what comes back. */
void guest_add(struct guest *g, const struct fe_seg *segs, unsigned n_out, unsigned n_in,
	       unsigned flags, void *token);
void guest_kick(struct guest *g);
/* The next one that is done, after waiting for it. */
struct fe_used guest_await_one(struct guest *g);

#endif
