/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a bad front end or a bad guest may send, case by case: for
 * `probe --hostile` against any back end, and for our own tests, which know what
 * must come of each. Rows are kept small and unpacked on demand, since all of
 * this is part of the executable.
 */
#ifndef PROBE_CASES_H
#define PROBE_CASES_H

#include "vhost-frontend/ring.h"

/* Guest memory that the cases are made for: one region for rings, two for data. */
#define CASE_RING_BASE 0x100000ULL
#define CASE_DATA_BASE (1ULL << 32)
enum { CASE_RING_SIZE = 4 << 20, CASE_DATA_SIZE = 1 << 20, CASE_NAME = 120 };

/* In what state of the session a case begins. */
enum case_state { CASE_CONNECTED, CASE_NEGOTIATED, CASE_RUNNING };

/* The session, as far as right messages are made from it. */
struct case_side {
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *ring;
	uint64_t features;              /* acked */
	unsigned spare_region;          /* holds no ring */
	int spare_fd;                   /* an eventfd */
};

/* -- Whole messages that are wrong in one thing ------------------------------ */

/* What must come of it. */
enum case_verdict {
	CASE_REFUSED,   /* an error is the answer where one was asked for, else the session ends */
	CASE_CLOSED,    /* the session ends */
	CASE_FINE,      /* done, and the session goes on */
	CASE_NO_CONFIG, /* an empty answer, and the session goes on */
};

/* Bytes of the body; len 0: none. */
struct case_patch {
	uint8_t at, len;
	uint32_t value;                 /* of more than 4 bytes the others are 0 */
};

struct case_message {
	char name[CASE_NAME];
	uint32_t request;
	enum case_state state;
	enum case_verdict verdict;
	bool changes;                   /* what is fine may end requests that run */
	int more_bytes, more_fds;       /* than are right */
	struct case_patch patch;
};

unsigned case_message_count(void);
void case_message_at(unsigned i, struct case_message *ret_case);

/* A message ready to be sent. */
struct case_wire {
	uint32_t request, flags;
	uint8_t body[8300];
	size_t size;
	int fds[VU_MAX_FDS];            /* of the side, which keeps them */
	unsigned n_fds;
};
/* The message that is right for a running session; request may be any number. */
void case_wire_valid(const struct case_side *s, uint32_t request, struct case_wire *w);
void case_wire_make(const struct case_side *s, const struct case_message *c,
		    struct case_wire *w);
bool case_has_reply(uint32_t request);

/* -- Bytes that are no messages, or come in pieces ----------------------------- */

enum case_frame_end { FRAME_CLOSED, FRAME_FINE, FRAME_LEAVE };
struct case_frame {
	char name[CASE_NAME];
	enum case_frame_end end;
	uint32_t request, flags, size;  /* of the header */
	unsigned send;                  /* bytes of header and a body of zeros */
	unsigned chunk;                 /* at a time; 0: all */
};
unsigned case_frame_count(void);
void case_frame_at(unsigned i, struct case_frame *ret_case);
/* Piece by piece: 0, or what sending said. */
int case_frame_send(const struct case_frame *c, struct fe *fe, struct error *err);

/* -- What a hostile driver writes into a ring ------------------------------------ */

/*
 * A request of two readable and two writable pieces of 8 bytes is made in due
 * form in a fresh ring of 16, then spoilt, then told to the device.
 */
enum { CASE_RING = 16, CASE_PIECE = 8, CASE_CHANGES = 4 };
enum case_outcome {
	RING_LEN,       /* answered, with `len` bytes by a device that echoes */
	RING_BROKEN,    /* the ring is given up and the err fd tells */
	RING_EITHER,    /* answered somehow or given up: both are sound */
	RING_NOTHING,   /* not seen at all */
};
struct case_ring {
	char name[CASE_NAME];
	bool packed, moves_flags;       /* the flags of the available ring are spoilt */
	unsigned add;                   /* FE_ADD_..., for the request */
	enum case_outcome outcome;
	uint32_t len;
	unsigned row;
};
unsigned case_ring_count(void);
void case_ring_at(unsigned i, struct case_ring *ret_case);
void case_ring_spoil(const struct case_ring *c, const struct case_side *s);

#endif
