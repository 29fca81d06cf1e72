/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver of a GPIO chip: both queues, a buffer for each line that interrupts. */
#ifndef TESTS_FRONTEND_LINES_H
#define TESTS_FRONTEND_LINES_H

#include "server.h"
#include "vhost-frontend/ring.h"

enum { LINES = 64 };            /* that interrupt, of each chip */

struct lines {
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *requests, *events;
	uint64_t at;                    /* of requests and buffers */
	unsigned char *view;
	unsigned first;                 /* line of the first that interrupts */
	unsigned seen[LINES], total;    /* interrupts */
	unsigned refused;               /* buffers that came back without one */
};

/* Those from `first` on are to interrupt; nothing is armed yet. */
void lines_open(struct lines *l, const char *socket, uint64_t leave_out, unsigned first);
void lines_close(struct lines *l);

/* A request and its answer: the value, or -1 for an error. */
int lines_ask(struct lines *l, unsigned type, unsigned line, uint32_t value);
/* The two halves of it. */
void lines_send(struct lines *l, unsigned type, unsigned line, uint32_t value);
int lines_answer(struct lines *l);
/* Inputs with this interrupt, all unmasked. */
void lines_arm(struct lines *l, unsigned type);
/* Interrupts that are there, each unmasked again; how many. Sleeps for none. */
unsigned lines_take(struct lines *l);
/* Until so many in all, since lines_arm(); false: they do not come. */
bool lines_await(struct lines *l, unsigned total);

#endif
