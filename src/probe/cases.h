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
	const char *path;               /* of the socket */
	unsigned timeout_ms;
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *ring;
	uint64_t features;              /* acked */
	unsigned spare_region;          /* holds no ring */
	int spare_fd;                   /* an eventfd */
};

/* Text i of those that follow one another, each ended by a NUL. */
const char *case_text(const char *texts, unsigned i);

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

/* -- Memory that is not there -------------------------------------------------------- */

/* What becomes of a file behind the back end's back. */
enum case_cut {
	CUT_NOTHING, CUT_RINGS, CUT_DATA, CUT_IN_USE, CUT_THEN_STOP, CUT_THEN_TABLE,
	CUT_UNTOLD,             /* before the rings are set up */
};
struct case_memory {
	char name[CASE_NAME];
	enum case_verdict verdict;
	enum case_state state;
	enum case_cut cut;
	bool breaks;                    /* the ring is no longer in memory */
	unsigned row;
};
unsigned case_memory_count(void);
void case_memory_at(unsigned i, struct case_memory *ret_case);
/* A message; fd is the file of CASE_DATA_SIZE of every region in it. */
void case_memory_make(const struct case_memory *c, const struct case_side *s, int fd,
		      struct case_wire *w);
/*
 * For those that cut. Needs memory that can be cut; nothing here may touch it
 * afterwards. What the back end says of it is no matter, only that it says it.
 */
int case_memory_cut(const struct case_memory *c, const struct case_side *s, struct error *err);

/* Rings outside of memory, across its end or askew. */
struct case_addr {
	char name[CASE_NAME];
	bool packed;
	unsigned row;
};
unsigned case_addr_count(void);
void case_addr_at(unsigned i, struct case_addr *ret_case);
/* The setup of a ring; how many of its messages were refused, or what sending said. */
int case_addr_play(const struct case_addr *c, const struct case_side *s, struct error *err);

/* -- Too much, or never read --------------------------------------------------------- */

struct case_flood {
	char name[CASE_NAME];
	bool closes;                    /* the session has to end */
};
unsigned case_flood_count(void);
void case_flood_at(unsigned i, struct case_flood *ret_case);
/* In a running session; may end it by itself: s->fe is NULL then. */
int case_flood_play(unsigned i, struct case_side *s, struct error *err);

/* -- The channel on which the back end asks ------------------------------------------- */

struct case_channel {
	char name[CASE_NAME];
	bool ends_session;              /* it may, by what is sent */
};
unsigned case_channel_count(void);
void case_channel_at(unsigned i, struct case_channel *ret_case);
/* In a running session; -EOPNOTSUPP: it has no such channel. */
int case_channel_play(unsigned i, const struct case_side *s, struct error *err);

#endif
