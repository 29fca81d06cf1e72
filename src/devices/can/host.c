/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An interface of the host (SocketCAN). One raw socket for both directions, so
 * that the kernel tells a guest's own frames from those of others; a socket of
 * rtnetlink tells when to look at the interface again.
 *
 * The socket lives as long as the instance. While the guest's controller is
 * stopped it has no filter and so receives nothing. When the interface goes
 * away the kernel unbinds it, when one of the same name comes it is bound anew.
 */
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "vhost-device/fd.h"

enum { BATCHES = 8 };                   /* of CAN_MSGS, in a turn */

struct host {
	struct port port;
	struct loop *loop;
	struct io io, watch;
	int fd, watch_fd;
	char iface[CAN_NAME_SIZE];
	unsigned index;                 /* that the socket is bound to, 0: none */
	bool started, confirm;
	uint32_t lost;
	struct log_limit log;
};

const struct can_sys *can_sys = &can_kernel;

static struct host *host_of(struct port *p)
{
	return container_of(p, struct host, port);
}

/* ---- the interface ---- */

static void follow(struct host *h, unsigned index)
{
	int ret = index != 0 ? can_sys->bind(h->fd, index) : 0;

	if (ret < 0) {
		log_limited(&h->log, LOG_LEVEL_WARN, h->port.in, "%s: cannot be bound: %s",
			    h->iface, strerror(-ret));
		index = 0;
	}
	h->index = index;
}

static void look(struct host *h)
{
	struct can_iface iface = { .index = 0 };

	if (can_sys->query(h->fd, h->iface, &iface) < 0)
		iface = (struct can_iface){ .index = 0 };
	if (iface.index != h->index)
		follow(h, iface.index);
	h->port.down = h->index == 0 || !iface.up;
}

static void look_and_tell(struct host *h)
{
	bool was_down = h->port.down;

	look(h);
	if (h->port.down != was_down)
		h->port.user->event(&h->port, h->port.down ? PORT_DOWN : PORT_UP, 0);
}

static void watch_ready(struct io *io, unsigned ready)
{
	struct host *h = container_of(io, struct host, watch);

	can_sys->watched(h->watch_fd);
	look_and_tell(h);
}

/* ---- frames ---- */

static void got_error(struct host *h, const struct canfd_frame *f)
{
	if ((f->can_id & CAN_ERR_BUSOFF) != 0)
		h->port.user->event(&h->port, PORT_BUS_OFF, 0);
	if ((f->can_id & (CAN_ERR_BUSOFF | CAN_ERR_RESTARTED)) != 0)
		look_and_tell(h);
	/* A controller's own receive buffer has run over: at least one. */
	if ((f->can_id & CAN_ERR_CRTL) != 0 && (f->data[1] & CAN_ERR_CRTL_RX_OVERFLOW) != 0)
		h->port.user->event(&h->port, PORT_LOST, 1);
}

static void got_frame(struct host *h, struct can_msg *m)
{
	struct canfd_frame *f = &m->frame;

	if (m->size != CAN_MTU && m->size != CANFD_MTU)
		return;
	if ((f->can_id & CAN_ERR_FLAG) != 0) {
		got_error(h, f);
		return;
	}
	/* In a classic frame this is padding. */
	f->flags = m->size == CANFD_MTU ? (uint8_t)(f->flags | CANFD_FDF) : 0;
	if (!can_length_fits(f->len, m->size == CANFD_MTU))
		return;
	if ((f->can_id & CAN_EFF_FLAG) == 0)
		f->can_id &= CAN_RTR_FLAG | CAN_SFF_MASK;
	if ((f->can_id & CAN_RTR_FLAG) != 0)
		memset(f->data, 0, sizeof(f->data));
	if (m->own)
		h->port.user->confirmed(&h->port, f);
	else
		h->port.user->receive(&h->port, f);
}

static void got_batch(struct host *h, struct can_msg *msgs, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (msgs[i].lost != h->lost)
			h->port.user->event(&h->port, PORT_LOST, msgs[i].lost - h->lost);
		h->lost = msgs[i].lost;
		if (h->started)
			got_frame(h, &msgs[i]);
	}
}

static void host_ready(struct io *io, unsigned ready)
{
	struct host *h = container_of(io, struct host, io);
	struct can_msg msgs[CAN_MSGS];
	int n = CAN_MSGS;
	unsigned i;

	for (i = 0; i < BATCHES && n == CAN_MSGS; i++) {
		n = can_sys->recv(h->fd, msgs, CAN_MSGS);
		if (n > 0)
			got_batch(h, msgs, (unsigned)n);
	}
	/* ENETDOWN, ENODEV: once each, when it happens. */
	if (n < 0 && n != -EAGAIN)
		look_and_tell(h);
}

static int host_send(struct port *p, const struct canfd_frame *f)
{
	struct host *h = host_of(p);
	size_t size = (f->flags & CANFD_FDF) != 0 ? CANFD_MTU : CAN_MTU;
	int ret = can_sys->send(h->fd, f, size);

	/* The queue of the device is full, the buffer of the socket, or we were interrupted. */
	if (ret == -ENOBUFS || ret == -EAGAIN || ret == -EINTR)
		return -EAGAIN;
	if (ret < 0)
		return ret;
	return h->confirm ? PORT_CONFIRMS : PORT_SENT;
}

static void host_more(struct port *p)
{
}

/* ---- life ---- */

static void drain(struct host *h)
{
	struct can_msg msgs[CAN_MSGS];
	unsigned i;
	int n;

	for (i = 0; i < BATCHES * CAN_MSGS; i++) {
		n = can_sys->recv(h->fd, msgs, CAN_MSGS);
		if (n == -EAGAIN)
			return;
		if (n > 0)
			h->lost = msgs[n - 1].lost;
	}
}

static int set_errors(struct host *h, can_err_mask_t mask)
{
	return can_sys->set(h->fd, CAN_RAW_ERR_FILTER, &mask, sizeof(mask));
}

/* Frames that come nevertheless are dropped. */
static void host_stop(struct port *p)
{
	struct host *h = host_of(p);

	h->started = false;
	(void)can_sys->set(h->fd, CAN_RAW_FILTER, NULL, 0);
	(void)set_errors(h, 0);
}

/* The kernel may lack memory for a filter; a controller that is deaf has not started. */
static int host_start(struct port *p, bool confirm)
{
	const struct can_filter all = { 0, 0 };
	const int own = confirm;
	struct host *h = host_of(p);
	int ret;

	host_stop(p);
	drain(h);
	ret = can_sys->set(h->fd, CAN_RAW_RECV_OWN_MSGS, &own, sizeof(own));
	if (ret == 0)
		ret = set_errors(h, CAN_ERR_BUSOFF | CAN_ERR_RESTARTED | CAN_ERR_CRTL);
	if (ret == 0)
		ret = can_sys->set(h->fd, CAN_RAW_FILTER, &all, sizeof(all));
	if (ret < 0) {
		host_stop(p);
		return ret;
	}
	h->confirm = confirm;
	h->started = true;
	look(h);
	return 0;
}

static void host_close(struct port *p)
{
	struct host *h = host_of(p);

	io_finish(&h->io);
	io_finish(&h->watch);
	fd_close(&h->fd);
	fd_close(&h->watch_fd);
	free(h);
}

static const struct port_ops host_ops = {
	.start = host_start, .stop = host_stop, .send = host_send, .more = host_more,
	.close = host_close,
};

static int find_iface(struct host *h, const struct can_node *node, struct error *err)
{
	struct can_iface iface = { .index = 0 };
	int ret = can_sys->query(h->fd, h->iface, &iface);

	if (ret == -EPROTOTYPE)
		return error_set(err, ret, "Could not find can devices: %s is no CAN interface",
				 h->iface);
	if (ret < 0 && !node->hotplug)
		return error_set(err, ret, "Could not find can devices: no interface %s: %s: give "
				 "hotplug=on to wait for it, or bus:NAME for a bus between "
				 "guests", h->iface, strerror(-ret));
	/* Of one that is still to come the operator says what it is. */
	h->port.fd = ret < 0 || iface.mtu >= CANFD_MTU;
	look(h);
	if (ret == 0 && h->index == 0)
		return error_set(err, -EIO, "Could not find can devices: %s cannot be used",
				 h->iface);
	return 0;
}

static int set_up(struct host *h, const struct can_node *node, struct error *err)
{
	const int on = 1, off = 0;
	bool knows_fd;
	int ret;

	h->fd = can_sys->open();
	if (h->fd < 0)
		return error_set(err, h->fd, "Could not find can devices: this kernel has no "
				 "SocketCAN: %s: give bus:NAME for a bus between guests",
				 strerror(-h->fd));
	host_stop(&h->port);
	knows_fd = can_sys->set(h->fd, CAN_RAW_FD_FRAMES, &on, sizeof(on)) == 0;
	ret = node->loopback ? 0 : can_sys->set(h->fd, CAN_RAW_LOOPBACK, &off, sizeof(off));
	if (ret < 0)
		return error_set(err, ret, "%s: loopback=off: %s", h->iface, strerror(-ret));
	h->port.confirms = node->loopback;
	ret = find_iface(h, node, err);
	if (ret < 0)
		return ret;
	h->port.fd = h->port.fd && knows_fd;
	h->watch_fd = can_sys->watch();
	if (h->watch_fd < 0)
		return error_set(err, h->watch_fd, "interfaces cannot be watched: %s",
				 strerror(-h->watch_fd));
	io_init(&h->io, h->loop, h->fd, host_ready);
	io_init(&h->watch, h->loop, h->watch_fd, watch_ready);
	ret = io_set(&h->io, IO_READ);
	if (ret == 0)
		ret = io_set(&h->watch, IO_READ);
	return ret < 0 ? error_set(err, ret, "%s: cannot be watched: %s", h->iface,
				   strerror(-ret)) : 0;
}

struct port *host_port_open(struct instance *in, struct loop *loop, const char *iface,
			    const struct can_node *node, const struct port_user *user,
			    struct error *err)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		error_set(err, -ENOMEM, "no memory for interface %s", iface);
		return NULL;
	}
	h->port = (struct port){ .ops = &host_ops, .user = user, .in = in };
	snprintf(h->port.name, sizeof(h->port.name), "%s", iface);
	snprintf(h->iface, sizeof(h->iface), "%s", iface);
	h->loop = loop;
	h->fd = h->watch_fd = -1;
	if (set_up(h, node, err) < 0) {
		host_close(&h->port);
		return NULL;
	}
	return &h->port;
}
