/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A bus inside this process, found by name. Every member has an inbox, which
 * the senders fill under the lock of the bus, and a post, which empties it on
 * the member's own loop. The order of frames is that in which senders got the
 * lock, and the same for all members, as on a wire.
 *
 * A member whose inbox is full loses what comes, which is counted. One with
 * full=wait holds up the senders instead, but no longer than WAIT_NS without
 * taking a frame: a guest that hangs does not stop the others for good.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "vhost-device/shared.h"

enum { INBOX = 1024, BATCH = 32 };

static const uint64_t WAIT_NS = 1000ULL * 1000 * 1000;

struct bus {
	struct member *members;
};

struct member {
	struct port port;
	struct bus *bus;
	struct loop *loop;
	struct post post;
	bool waits, own;                /* own: it gets its own frames as well */
	/* Under the lock. */
	struct member *next;
	bool on;
	char iface[CAN_NAME_SIZE];      /* that it joins to the bus, "": none */
	unsigned head, n;
	uint64_t lost, full_since;
	struct canfd_frame inbox[INBOX];
};

static const struct shared_type bus_type = { "can bus", sizeof(struct bus), NULL, NULL };

static struct member *member_of(struct port *p)
{
	return container_of(p, struct member, port);
}

/* ---- sending; under the lock ---- */

static bool hears(const struct member *m, const struct member *from)
{
	return m->on && (m != from || m->own);
}

/* Would a member that is to be waited for lose a frame? */
static bool must_wait(struct bus *b, const struct member *from, uint64_t now)
{
	struct member *m;

	for (m = b->members; m != NULL; m = m->next) {
		if (!hears(m, from) || !m->waits || m->n < INBOX)
			continue;
		if (m->full_since == 0)
			m->full_since = now;
		if (now < m->full_since + WAIT_NS)
			return true;
	}
	return false;
}

static void put(struct member *m, const struct canfd_frame *f)
{
	if (m->n == INBOX) {
		m->lost++;
		return;
	}
	m->inbox[(m->head + m->n++) % INBOX] = *f;
	loop_post(m->loop, &m->post);
}

static void put_all(struct bus *b, const struct member *from, const struct canfd_frame *f)
{
	struct member *m;

	for (m = b->members; m != NULL; m = m->next) {
		if (hears(m, from))
			put(m, f);
	}
}

static int bus_send(struct port *p, const struct canfd_frame *f)
{
	struct member *m = member_of(p);
	int ret = PORT_SENT;

	shared_lock(m->bus);
	if (must_wait(m->bus, m, loop_now(m->loop)))
		ret = -EAGAIN;
	else
		put_all(m->bus, m, f);
	shared_unlock(m->bus);
	return ret;
}

void bus_inject(struct port *p, const struct canfd_frame *f)
{
	struct member *from = member_of(p), *m;

	shared_lock(from->bus);
	for (m = from->bus->members; m != NULL; m = m->next) {
		if (m->on)
			put(m, f);
	}
	shared_unlock(from->bus);
}

/* ---- receiving ---- */

static unsigned take(struct member *m, struct canfd_frame *frames, unsigned most,
		     uint64_t *ret_lost)
{
	unsigned i, n;

	shared_lock(m->bus);
	n = m->n < most ? m->n : most;
	for (i = 0; i < n; i++)
		frames[i] = m->inbox[(m->head + i) % INBOX];
	m->head = (m->head + n) % INBOX;
	m->n -= n;
	if (n > 0)
		m->full_since = 0;
	*ret_lost = m->lost;
	m->lost = 0;
	shared_unlock(m->bus);
	return n;
}

/* One inbox full a turn, so that a busy bus does not hold up the loop. */
static void inbox_posted(struct post *post)
{
	struct member *m = container_of(post, struct member, post);
	struct canfd_frame frames[BATCH];
	unsigned i, n, most, done = 0;
	uint64_t lost;

	do {
		most = m->port.user->room(&m->port);
		most = most < BATCH ? most : BATCH;
		n = take(m, frames, most, &lost);
		for (i = 0; i < n; i++)
			m->port.user->receive(&m->port, &frames[i]);
		if (lost > 0)
			m->port.user->event(&m->port, PORT_LOST, lost);
		done += n;
	} while (n > 0 && n == most && done < INBOX);
	/* Without room more() goes on. */
	if (n > 0 && n == most)
		loop_post(m->loop, post);
}

static void bus_more(struct port *p)
{
	struct member *m = member_of(p);

	loop_post(m->loop, &m->post);
}

/* ---- life ---- */

static void bus_set(struct member *m, bool on)
{
	shared_lock(m->bus);
	m->on = on;
	m->n = 0;
	m->lost = m->full_since = 0;
	shared_unlock(m->bus);
}

static int bus_start(struct port *p, bool confirm)
{
	bus_set(member_of(p), true);
	return 0;
}

static void bus_stop(struct port *p)
{
	bus_set(member_of(p), false);
}

static void bus_close(struct port *p)
{
	struct member *m = member_of(p), **at;

	shared_lock(m->bus);
	for (at = &m->bus->members; *at != m;)
		at = &(*at)->next;
	*at = m->next;
	shared_unlock(m->bus);
	loop_unpost(m->loop, &m->post);
	shared_put(m->bus);
	free(m);
}

int bus_join(struct port *p, const char *iface, struct error *err)
{
	struct member *self = member_of(p), *m;

	shared_lock(self->bus);
	for (m = self->bus->members; m != NULL && strcmp(m->iface, iface) != 0;)
		m = m->next;
	if (m == NULL)
		snprintf(self->iface, sizeof(self->iface), "%s", iface);
	shared_unlock(self->bus);
	return m == NULL ? 0 : error_set(err, -EEXIST, "%s is joined to %s already: say it for "
					 "one guest of the bus", p->name, iface);
}

static const struct port_ops bus_ops = {
	.start = bus_start, .stop = bus_stop, .send = bus_send, .more = bus_more,
	.close = bus_close,
};

struct port *bus_port_open(struct instance *in, struct loop *loop, const char *bus,
			   const struct can_node *node, const struct port_user *user,
			   struct error *err)
{
	struct member *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		error_set(err, -ENOMEM, "no memory for bus %s", bus);
		return NULL;
	}
	m->bus = shared_get(&bus_type, bus, err);
	if (m->bus == NULL) {
		free(m);
		return NULL;
	}
	m->port = (struct port){ .ops = &bus_ops, .user = user, .in = in, .fd = true };
	snprintf(m->port.name, sizeof(m->port.name), "bus:%s", bus);
	m->loop = loop;
	m->post.fn = inbox_posted;
	m->waits = node->full == FULL_WAIT;
	m->own = node->own;
	shared_lock(m->bus);
	m->next = m->bus->members;
	m->bus->members = m;
	shared_unlock(m->bus);
	return &m->port;
}
