/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Where sessions come from: a listening path, a listening or connected fd, an
 * fd from the service manager, or a front end that listens itself (client).
 */
#ifndef CORE_LISTEN_H
#define CORE_LISTEN_H

#include "core/loop-core.h"

enum endpoint_kind { ENDPOINT_PATH, ENDPOINT_LISTEN_FD, ENDPOINT_CONNECTED_FD, ENDPOINT_CLIENT };

struct endpoint {
	enum endpoint_kind kind;
	char *path;             /* PATH, CLIENT; owned */
	int fd;                 /* the other two; owned, else -1 */
	int mode;               /* PATH: permission bits, or -1 */
	int group;              /* PATH: group id, or -1 */
};

struct listener;

/* fd is the callee's. On the listener's loop, one connection at a time: see listener_next. */
typedef void listener_cb(void *ctx, int fd);
/* No session can come any more (a connected fd was used up). */
typedef void listener_end_cb(void *ctx);

/*
 * Binds and listens at once (the caller is told of every failure at start),
 * but hands out connections only after listener_next(). Never unlinks anything
 * but a stale socket, never steals a live one, removes its own at
 * listener_free(). Owns ep's contents on success.
 */
struct listener *listener_new(struct loop *l, struct endpoint *ep, listener_cb *cb,
			      listener_end_cb *end, void *ctx, struct error *err);
/*
 * Ready for the next session. The slot goes to the client that first sends a
 * byte; a connection that is opened and closed without one takes nothing.
 * Client endpoints connect now, and retry with back-off.
 */
void listener_next(struct listener *ln);
void listener_free(struct listener *ln);        /* NULL is fine */
const char *listener_describe(const struct listener *ln);

/* An fd given on the command line: ENDPOINT_LISTEN_FD or CONNECTED_FD by SO_ACCEPTCONN. */
int endpoint_from_fd(int fd, struct endpoint *ret_ep, struct error *err);
void endpoint_finish(struct endpoint *ep);

/*
 * Service manager: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; *ret_n 0 when there are none. The names
 * have a ':' between them, NULL: none. Both are the caller's to free.
 */
int listen_fds(int **ret_fds, unsigned *ret_n, char **ret_names, struct error *err);
/* READY=1 to NOTIFY_SOCKET if set, and a line to ready_fd unless negative. */
void notify_ready(int ready_fd);
void notify_stopping(void);

#endif
