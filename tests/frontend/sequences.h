/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the front ends of this world send, message by message. */
#ifndef TESTS_SEQUENCES_H
#define TESTS_SEQUENCES_H

#include <stdbool.h>
#include <stdint.h>

/* How the body of a message is made. */
enum body {
	B_NONE,
	B_U64,                          /* value */
	B_FEATURES,                     /* what was offered and a driver acks, less value */
	B_PROTOCOL,                     /* value, cut to what was offered */
	B_MEM_TABLE,                    /* all regions, with descriptors */
	B_ONE_REGION,                   /* number value, with its descriptor */
	B_STATE,                        /* ring 0, value */
	B_RING_SIZE,                    /* ring 0, size of our ring */
	B_BASE,                         /* ring 0, where it stopped, or its beginning */
	B_AVAIL,                        /* ring 0, the index of the driver */
	B_ADDR,                         /* of our ring; value: the log address */
	B_KICK_FD, B_CALL_FD, B_ERR_FD,
	B_CALL_SOCKET,                  /* one end of a socket pair for calls */
	B_BACKEND_SOCKET,               /* one end of a socket pair, no body */
	B_CONFIG,                       /* value: offset | size << 16 | flags << 32 */

	/* No message at all: */
	B_ECHO,                         /* value requests go round */
	B_SILENT,                       /* one request waits; nothing may come of it */
	B_PENDING,                      /* that request is answered now */
};

struct step {
	uint32_t request;
	uint32_t flags;                 /* 1, or 9 with an answer asked for */
	enum body body;
	uint64_t value;
};

struct sequence {
	const char *name;
	bool gpa_user, no_call, inband; /* as of struct guest_setup */
	struct step steps[80];          /* ended by request 0 without a body kind */
};

extern const struct sequence sequences[];
extern const unsigned n_sequences;

#endif
