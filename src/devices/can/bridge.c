/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Joins a bus of this process to an interface of the host: a member of the one
 * that repeats everything on the other. Frames of the guests that the host has
 * no room for wait; what the host sends is never held up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "can.h"

enum { HELD = 64 };

static const uint64_t RETRY_NS = 1000ULL * 1000;

struct bridge {
	struct port *bus, *host;
	struct loop *loop;
	struct timer retry;
	struct canfd_frame held[HELD];  /* for the host */
	unsigned head, n;
	uint64_t dropped;
};

/* false: it has to wait. */
static bool to_host(struct bridge *b, const struct canfd_frame *f)
{
	int ret = b->host->ops->send(b->host, f);

	if (ret == -EAGAIN) {
		timer_set(&b->retry, loop_now(b->loop) + RETRY_NS);
		return false;
	}
	if (ret < 0)
		b->dropped++;
	return true;
}

static void retry_fired(struct timer *t)
{
	struct bridge *b = container_of(t, struct bridge, retry);

	while (b->n > 0 && to_host(b, &b->held[b->head])) {
		b->head = (b->head + 1) % HELD;
		b->n--;
	}
	b->bus->ops->more(b->bus);
}

static void bus_receive(struct port *p, const struct canfd_frame *f)
{
	struct bridge *b = p->owner;

	if (b->n == 0 && to_host(b, f))
		return;
	/* room() has seen to it that it fits. */
	b->held[(b->head + b->n++) % HELD] = *f;
}

static unsigned bus_room(struct port *p)
{
	const struct bridge *b = p->owner;

	return HELD - b->n;
}

static void host_receive(struct port *p, const struct canfd_frame *f)
{
	struct bridge *b = p->owner;

	if (b->bus->ops->send(b->bus, f) < 0)
		b->dropped++;
}

static unsigned host_room(struct port *p)
{
	return UINT32_MAX;
}

static void no_confirm(struct port *p, const struct canfd_frame *f)
{
}

static void bridge_event(struct port *p, enum port_event event, uint64_t n)
{
	struct bridge *b = p->owner;

	if (event == PORT_LOST)
		b->dropped += n;
	else
		log_warn(p->in, "%s: the interface is %s", p->name,
			 event == PORT_UP ? "up" : "down");
}

static const struct port_user on_bus = { bus_receive, no_confirm, bridge_event, bus_room };
static const struct port_user on_host = { host_receive, no_confirm, bridge_event, host_room };

struct bridge *bridge_open(struct instance *in, struct loop *loop, const struct can_node *node,
			   const char *iface, struct error *err)
{
	struct bridge *b = calloc(1, sizeof(*b));
	struct can_node plain = *node;
	int ret;

	if (b == NULL) {
		error_set(err, -ENOMEM, "no memory for a bridge to %s", iface);
		return NULL;
	}
	b->loop = loop;
	/* own= is for the guest; the host has its frames already. */
	plain.own = false;
	timer_init(&b->retry, loop, retry_fired);
	b->host = host_port_open(in, loop, iface, node, &on_host, err);
	if (b->host != NULL)
		b->bus = bus_port_open(in, loop, node->bus, &plain, &on_bus, err);
	if (b->host == NULL || b->bus == NULL || bus_join(b->bus, iface, err) < 0) {
		bridge_close(b);
		return NULL;
	}
	b->bus->owner = b->host->owner = b;
	ret = b->host->ops->start(b->host, false);
	if (ret == 0)
		ret = b->bus->ops->start(b->bus, false);
	if (ret < 0) {
		error_set(err, ret, "%s cannot be bridged: %s", iface, strerror(-ret));
		bridge_close(b);
		return NULL;
	}
	return b;
}

void bridge_close(struct bridge *b)
{
	if (b == NULL)
		return;
	timer_finish(&b->retry);
	if (b->bus != NULL)
		b->bus->ops->close(b->bus);
	if (b->host != NULL)
		b->host->ops->close(b->host);
	free(b);
}

uint64_t bridge_dropped(const struct bridge *b)
{
	return b->dropped;
}
