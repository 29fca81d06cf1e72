/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Upcalls wait in a list; the first one is sent when the answer to the one
 * before has come and the socket took it whole. Ended ones move to a second
 * list and are told in the next turn, so that nobody is called back from
 * inside a call.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/upcall.h"
#include "vhost-device/fd.h"
#include "vhost-device/log.h"
#include "wire/vhost-user.h"

static void list_add(struct upcall ***last, struct upcall *u)
{
	u->next = NULL;
	**last = u;
	*last = &u->next;
}

static struct upcall *list_take(struct upcall **first, struct upcall ***last)
{
	struct upcall *u = *first;

	*first = u->next;
	if (*first == NULL)
		*last = first;
	return u;
}

static void ended(struct upcalls *up, struct upcall *u, int ret)
{
	u->ret = ret;
	list_add(&up->ended_last, u);
	loop_next_turn(up->loop, &up->tell);
}

static void first_ended(struct upcalls *up, int ret)
{
	up->waiting = false;
	ended(up, list_take(&up->first, &up->last), ret);
}

static void tell(struct turn_end *t)
{
	struct upcalls *up = container_of(t, struct upcalls, tell);
	struct upcall *u;

	while (up->ended != NULL) {
		u = list_take(&up->ended, &up->ended_last);
		u->busy = false;
		u->done(u, u->ret);
	}
}

static void detach(struct upcalls *up)
{
	channel_finish(&up->channel);
	up->attached = false;
	if (up->waiting)
		first_ended(up, -ENOTCONN);
}

/* No other channel is in sight. */
static void lost(struct upcalls *up)
{
	detach(up);
	while (up->first != NULL)
		first_ended(up, -ENOTCONN);
}

static void pump(struct upcalls *up)
{
	struct upcall *u;
	bool ack;

	while (up->attached && up->first != NULL && !up->waiting &&
	       channel_unsent(&up->channel) == 0) {
		u = up->first;
		ack = u->ack && up->acks;
		if (channel_send(&up->channel, u->id, VU_VERSION | (ack ? VU_NEED_REPLY : 0),
				 u->body, u->size) < 0) {
			lost(up);
			return;
		}
		up->waiting = ack;
		if (!ack)
			first_ended(up, 0);
	}
}

static void on_answer(struct channel *ch, struct message *m)
{
	struct upcalls *up = container_of(ch, struct upcalls, channel);
	uint64_t value;

	if (!up->waiting || m->id != up->first->id || !(m->flags & VU_REPLY) ||
	    m->size != sizeof(value)) {
		log_limited(&up->limit, LOG_LEVEL_WARN, up->in, "back-end channel: closed: "
			    "message %u of %zu bytes answers nothing", m->id, m->size);
		lost(up);
		return;
	}
	memcpy(&value, m->body, sizeof(value));
	first_ended(up, value == 0 ? 0 : -EREMOTEIO);
	pump(up);
}

static void on_gone(struct channel *ch, const char *why)
{
	struct upcalls *up = container_of(ch, struct upcalls, channel);

	if (why != NULL)
		log_limited(&up->limit, LOG_LEVEL_WARN, up->in, "back-end channel: closed: %s",
			    why);
	else
		log_debug(up->in, "back-end channel: closed by the front end");
	lost(up);
}

static void on_sent(struct channel *ch)
{
	pump(container_of(ch, struct upcalls, channel));
}

static size_t answer_limit(struct channel *ch, uint32_t id)
{
	return sizeof(uint64_t);
}

void upcalls_init(struct upcalls *up, struct loop *l, const struct instance *in)
{
	*up = (struct upcalls){
		.loop = l, .in = in, .limit = up->limit,
		.channel = { .got = on_answer, .gone = on_gone, .sent = on_sent,
			.limit = answer_limit },
		.tell = { .fn = tell },
	};
	up->last = &up->first;
	up->ended_last = &up->ended;
}

int upcalls_attach(struct upcalls *up, int fd)
{
	int ret;

	/* Others can report errors for ever without any being read. */
	if (!fd_is_unix_socket(fd, SOCK_STREAM)) {
		fd_close(&fd);
		return -ENOTSOCK;
	}
	detach(up);
	ret = channel_init(&up->channel, up->loop, fd);
	if (ret < 0) {
		lost(up);
		return ret;
	}
	up->attached = true;
	pump(up);
	return 0;
}

bool upcalls_attached(const struct upcalls *up)
{
	return up->attached;
}

void upcalls_allow_acks(struct upcalls *up, bool on)
{
	up->acks = on;
}

void upcall_send(struct upcalls *up, struct upcall *u, uint32_t id, const void *body, size_t size,
		 bool ack)
{
	bug_if(u->busy || size > sizeof(u->body));
	u->busy = true;
	u->id = id;
	u->ack = ack;
	u->size = size;
	if (size > 0)
		memcpy(u->body, body, size);
	if (!up->attached) {
		ended(up, u, -ENOTCONN);
		return;
	}
	list_add(&up->last, u);
	pump(up);
}

bool upcall_busy(const struct upcall *u)
{
	return u->busy;
}

void upcalls_finish(struct upcalls *up)
{
	if (up->loop == NULL)
		return;
	detach(up);
	loop_forget_turn_end(up->loop, &up->tell);
	while (up->first != NULL)
		list_take(&up->first, &up->last)->busy = false;
	while (up->ended != NULL)
		list_take(&up->ended, &up->ended_last)->busy = false;
}
