/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a bad front end or a bad guest may do, case by case. Each case is a row:
 * what is sent and what must happen. Whatever it is, afterwards the instance
 * serves a fresh session, holds no more open files than before, and another
 * instance on the same loop was served all the time.
 */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include "bystander.h"
#include "guest.h"

struct hostile {
	struct server server;
	struct guest_setup setup;       /* of the victim */
	struct bystander *bystander;
	unsigned fds;                   /* open files of the server without a session */
};

/* A kind of cases: a table and what plays its rows. */
struct hostile_kind {
	const char *what;
	unsigned n;
	const char *(*name)(unsigned row);
	void (*play)(struct hostile *h, unsigned row);
};

extern const struct hostile_kind hostile_messages, hostile_frames, hostile_memory, hostile_addrs,
	hostile_rings, hostile_fds, hostile_floods, hostile_channel, hostile_leaving;

/* What must happen to one request. */
enum verdict {
	V_REFUSED,      /* an error is the answer where one was asked for, else the session ends */
	V_CLOSED,       /* the session ends */
	V_FINE,         /* done, and the session goes on */
	V_NO_CONFIG,    /* an empty answer, and the session goes on */
};

/* A victim in a state. */
enum state { S_CONNECTED, S_NEGOTIATED, S_RUNNING };
struct guest *hostile_guest(const struct hostile *h, enum state state);

/* One message, and what must come of it; true: the session goes on. */
struct hostile_message {
	uint32_t request, flags;
	uint8_t body[8300];
	size_t size;
	int fds[VU_MAX_FDS];
	unsigned n_fds;
};
bool hostile_send(struct guest *g, const struct hostile_message *m, enum verdict v);
/* The body that is right for a running guest; its fds belong to the guest, or are kept open. */
void hostile_valid(struct guest *g, uint32_t request, struct hostile_message *m);
bool hostile_has_reply(uint32_t request);
/* An eventfd, made once. */
int hostile_spare_fd(void);

/* A descriptor that is not what it should be; the caller's. */
enum strange {
	X_MEMFD, X_EMPTY_MEMFD, X_READ_ONLY_MEMFD, X_WRITE_SEALED_MEMFD, X_FILE, X_WRITE_ONLY_FILE,
	X_PATH, X_DIRECTORY, X_PIPE_OUT, X_PIPE_IN, X_READABLE_PIPE, X_FULL_PIPE, X_CLOSED_SOCKET,
	X_LISTENING_SOCKET, X_DATAGRAM_SOCKET, X_EVENTFD, X_FULL_EVENTFD, X_EPOLL, X_TIMERFD,
	X_ZERO, X_NULL, X_RANDOM, X_PROC_FILE, X_PIDFD, X_N
};
extern const char *const strange_names[X_N];
int strange_fd(enum strange kind);

/*
 * Until something can be said of the request that is out: it was used (1, or
 * -EPROTO in a way that may not be), or its ring was given up (-EIO).
 */
int hostile_outcome(struct guest *g, struct fe_used *ret_used);
/* After a ring broke or was abused: the same session, a fresh ring. */
void hostile_revive(struct guest *g);

#endif
