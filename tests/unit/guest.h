/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An instance of a recording device on a socket, a front end that sends what a
 * script of words says, and a guest with rings of 16 entries.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include "core/instance-core.h"
#include "peer.h"

enum {
	GUEST_QUEUES = 2,
	GUEST_RING = 16,
	GUEST_CONFIG = 16, GUEST_WR_OFF = 4, GUEST_WR_LEN = 6,
	GUEST_BUFFER = 8,               /* bytes the device writes per request: 'x' */
};

/* How the device treats requests. */
enum guest_mode {
	MODE_ECHO,                      /* ends them at once */
	MODE_PARK,                      /* keeps them, gives them back at stop */
	MODE_JOB,                       /* keeps them beyond stop, until guest_finish_jobs() */
};

struct guest {
	struct loop *loop;
	struct instance *in;
	char folder[64], path[96];
	unsigned files;
	int sock, backend;              /* the front end's ends */
	int mem_fd;
	uint8_t *mem;
	uint32_t need_reply;            /* VU_NEED_REPLY: asks for an answer to everything */
	uint64_t protocol;
	int kick[GUEST_QUEUES], call[GUEST_QUEUES], err[GUEST_QUEUES];
	uint32_t base[GUEST_QUEUES];    /* last answer to GET_VRING_BASE */
	uint16_t avail[GUEST_QUEUES];
	bool packed;                    /* from SET_FEATURES on; else split */
	uint16_t used[GUEST_QUEUES];    /* packed: as seen */
	unsigned finished;
};

extern struct guest guest;
extern enum guest_mode guest_mode;
extern bool guest_open_fails;           /* of the device */
extern uint64_t guest_offers;           /* what its open() offers in addition */
extern struct device guest_device;

void guest_setup(void);
void guest_teardown(void);
void guest_new(const struct instance_setup *setup);
/* Runs the words, expecting a good answer to each; a word with '!' must be refused. */
void guest_do(const char *words);
void guest_connect(void);
void guest_disconnect(void);
/* What the device was told since the last call, words with a space between. */
void guest_expect(const char *calls);
void guest_finish_jobs(void);
/* Post a buffer, or kick. */
void guest_post(unsigned q);
void guest_kick(unsigned q);
uint16_t guest_used(unsigned q);
bool guest_signalled(unsigned q);       /* and forget it */
void guest_zero_rings(void);
/* The head that the next posted entry names, out of range. */
void guest_break_ring(unsigned q);
void guest_send(uint32_t id, uint32_t flags, const void *body, size_t size, const int *fds,
		unsigned n_fds);
void guest_recv(uint32_t id, void *body, size_t size);
uint64_t guest_ask_u64(uint32_t id);
/* Everything the device can see: no byte of it may change behind our back. */
void guest_snapshot(void);
bool guest_unchanged(void);
/* What is logged until guest_log_end(), which gives the text (static). */
void guest_log_begin(void);
const char *guest_log_end(void);

#endif
