/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Requests to the front end over the backend channel (vhost-user: back-end
 * message types). Asynchronous, because the front end may be blocked in a
 * request of its own; in order, and only one at a time is on the wire.
 */
#ifndef CORE_UPCALL_H
#define CORE_UPCALL_H

#include "core/channel.h"
#include "core/loop-core.h"
#include "vhost-device/log.h"

enum { UPCALL_BODY_MAX = 8 };

struct upcall {
	/*
	 * Once for each upcall_send(): 0, -EREMOTEIO (refused), -ENOTCONN (no
	 * channel, or it went before the answer). Never from inside a call to
	 * this module. May send again.
	 */
	void (*done)(struct upcall *u, int ret);
	/* The rest is private to upcall.c. */
	struct upcall *next;
	uint32_t id;
	bool busy, ack;
	int ret;
	uint8_t body[UPCALL_BODY_MAX];
	size_t size;
};

struct upcalls {
	/* Private to upcall.c. */
	struct loop *loop;
	const struct instance *in;      /* for messages */
	struct log_limit limit;
	struct channel channel;
	bool attached, acks;
	struct upcall *first, **last;   /* the first one may be on the wire */
	bool waiting;                   /* for the answer to the first */
	struct upcall *ended, **ended_last;
	struct turn_end tell;
};

/* up is zeroed at first. */
void upcalls_init(struct upcalls *up, struct loop *l, const struct instance *in);
/*
 * A new backend channel, owned on success and closed on failure. It replaces
 * the old one; what was on its way there ends with -ENOTCONN, what still
 * waits goes out on the new one.
 */
int upcalls_attach(struct upcalls *up, int fd);
bool upcalls_attached(const struct upcalls *up);
/* Answers may be asked for: REPLY_ACK was negotiated. */
void upcalls_allow_acks(struct upcalls *up, bool on);
/*
 * u is the caller's and stays until done(). ack asks for an answer. Fine
 * without a channel: done() then tells -ENOTCONN.
 */
void upcall_send(struct upcalls *up, struct upcall *u, uint32_t id, const void *body, size_t size,
		 bool ack);
bool upcall_busy(const struct upcall *u);
/* Closes the channel and forgets every upcall; done() does not come any more. */
void upcalls_finish(struct upcalls *up);

#endif
