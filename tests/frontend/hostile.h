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
#include "probe/cases.h"

struct hostile {
	struct server server;
	struct guest_setup setup;       /* of the victim */
	struct bystander *bystander;
	unsigned fds;                   /* open files of the server without a session */
};

/* A kind of cases: a table and what plays its rows. */
struct hostile_kind {
	const char *what;
	unsigned (*count)(void);
	const char *(*name)(unsigned row);
	void (*play)(struct hostile *h, unsigned row);
};

extern const struct hostile_kind hostile_messages, hostile_frames, hostile_memory, hostile_addrs,
	hostile_rings, hostile_fds, hostile_floods, hostile_channel, hostile_leaving,
	hostile_stall;

/* A victim in a state. */
struct guest *hostile_guest(const struct hostile *h, enum case_state state);
/* What right messages of its are made from. */
struct case_side hostile_side(const struct hostile *h, const struct guest *g);

/* One message, and what must come of it; true: the session goes on. */
bool hostile_send(struct guest *g, const struct case_wire *m, enum case_verdict v);
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
