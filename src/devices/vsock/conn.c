/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Connections of one guest.
 *
 *   client of the host --CONNECT port--> ASKED --RESPONSE--> OPEN
 *   guest's REQUEST --> DIALING --the host accepts--> OPEN
 *   DIALING, ASKED, OPEN --the host fails, or the guest breaks a rule--> DEAD
 *   DEAD --RST sent--> freed
 *   OPEN --the guest shuts both, what it sent is written--> RST sent, freed
 *   OPEN --the host is gone--> CLOSING --RST of the guest, or too late--> freed
 *   OPEN --the guest is gone, bytes wait for the host--> LINGERING
 *   LINGERING --all written, or nobody reads for long--> freed
 *
 * An RST is never answered with one. One that is still to be sent when the
 * guest uses the same ports anew goes with the old connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vhost-device/fd.h"
#include "vsock.h"

enum { FIRST_PORT = 1 << 30, BURST = 4096 };

uint64_t conn_after(const struct conn *c, uint64_t ms)
{
	return loop_now(c->v->loop) + ms * 1000000;
}

/* ---- birth and end ---- */

static void conn_late(struct timer *t);

struct conn *conn_new(struct vsock *v)
{
	struct conn *c;

	if (v->n_conns + v->n_links >= v->conf->max_connections)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	c->v = v;
	c->fd = -1;
	c->type = VSOCK_TYPE_STREAM;
	c->window = v->conf->vm.window;
	c->burst = BURST;
	c->turn.serve = conn_serve;
	timer_init(&c->timer, v->loop, conn_late);
	c->all_next = v->all;
	c->all_at = &v->all;
	if (v->all != NULL)
		v->all->all_at = &c->all_next;
	v->all = c;
	v->n_conns++;
	return c;
}

static void hang_up(struct conn *c)
{
	io_finish(&c->io);
	fd_close(&c->fd);
	host_dial_over(c);
	c->readable = c->blocked = false;
}

void conn_free(struct conn *c)
{
	struct vsock *v = c->v;

	if (v->batch.conn == c)
		flow_flush(v);
	turn_leave(v, &c->turn);
	key_remove(v, &c->key);
	timer_finish(&c->timer);
	hang_up(c);
	bytes_free(v, &c->out);
	bytes_free(v, &c->in);
	*c->all_at = c->all_next;
	if (c->all_next != NULL)
		c->all_next->all_at = c->all_at;
	v->n_conns--;
	free(c);
}

void conn_reset(struct conn *c)
{
	if (c->state == CONN_GREETING || c->state == CONN_LINGERING || !c->key.hashed) {
		conn_free(c);
		return;
	}
	hang_up(c);
	bytes_free(c->v, &c->out);
	bytes_free(c->v, &c->in);
	timer_set(&c->timer, 0);
	c->state = CONN_DEAD;
	c->todo = TODO_RST;
	instance_stat(c->v->in, VSOCK_RESETS, 1);
	conn_wake(c);
}

void conn_leave(struct conn *c)
{
	struct vsock *v = c->v;

	turn_leave(v, &c->turn);
	key_remove(v, &c->key);
	bytes_free(v, &c->in);
	if (c->fd < 0 || !flow_waits(c) || c->host_deaf) {
		conn_free(c);
		return;
	}
	c->state = CONN_LINGERING;
	c->readable = false;
	c->blocked = true;
	flow_linger(c);
	if (io_set(&c->io, IO_WRITE | IO_EDGE) < 0)
		conn_free(c);
}

/* ---- the host ---- */

static void open_ready(struct conn *c, unsigned ready)
{
	if (c->blocked && (ready & IO_WRITE))
		flow_write(c);
	if (c->readable)
		conn_wake(c);
}

static void conn_ready(struct io *io, unsigned ready)
{
	struct conn *c = container_of(io, struct conn, io);
	struct vsock *v = c->v;

	if (ready & IO_HUP)
		c->hup = true;
	if (ready & (IO_READ | IO_HUP))
		c->readable = true;
	if (c->state == CONN_GREETING)
		host_greeting(c);
	else if (c->state == CONN_DIALING)
		host_dialed(c);
	else if (c->state == CONN_LINGERING)
		flow_write(c);
	else if (c->state == CONN_OPEN)
		open_ready(c, ready);
	flow_to_guest(v);
}

int conn_watch(struct conn *c, int fd)
{
	c->fd = fd;
	io_init(&c->io, c->v->loop, fd, conn_ready);
	return io_set(&c->io, IO_READ | IO_EDGE);
}

/* A port of ours that no connection to the same port of the guest has. */
static bool take_port(struct conn *c)
{
	struct vsock *v = c->v;
	unsigned tries;

	for (tries = 0; tries <= v->n_conns; tries++) {
		c->key.peer_port = FIRST_PORT + v->next_port++ % FIRST_PORT;
		if (key_find(v, c->key.peer_cid, c->key.guest_port, c->key.peer_port) == NULL)
			return true;
	}
	return false;
}

void conn_ask_guest(struct conn *c)
{
	struct vsock *v = c->v;

	if (!take_port(c) || key_add(v, &c->key) < 0) {
		conn_free(c);
		return;
	}
	c->state = CONN_ASKED;
	c->todo |= TODO_REQUEST;
	timer_set(&c->timer, conn_after(c, v->conf->connect_ms));
	conn_wake(c);
}

void conn_established(struct conn *c)
{
	c->state = CONN_OPEN;
	timer_set(&c->timer, 0);
	instance_stat(c->v->in, VSOCK_OPENED, 1);
	c->todo |= TODO_RESPONSE;
	conn_wake(c);
}

static void tell_shut(struct conn *c, uint8_t flags)
{
	if ((c->host_shut | flags) == c->host_shut)
		return;
	c->host_shut |= flags;
	c->todo |= TODO_SHUTDOWN;
	conn_wake(c);
}

void conn_host_gone(struct conn *c, bool all)
{
	struct pollfd p = { .fd = c->fd };

	c->readable = false;
	if (c->state != CONN_OPEN)
		return;
	if (!all && poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0)
		all = true;
	if (!all) {
		/* A guest that wants no more has no use for the end of it. */
		if ((c->guest_shut & VSOCK_SHUT_RCV) == 0)
			tell_shut(c, VSOCK_SHUT_SEND);
		return;
	}
	hang_up(c);
	bytes_free(c->v, &c->out);
	c->host_deaf = true;
	c->state = CONN_CLOSING;
	timer_set(&c->timer, conn_after(c, c->v->conf->shutdown_ms));
	tell_shut(c, VSOCK_SHUT_BOTH);
}

static void open_late(struct conn *c)
{
	/* The guest has not told of room for a while. */
	if (c->asked) {
		c->todo |= TODO_ASK;
		c->crumbs = true;
		timer_set(&c->timer, conn_after(c, CONN_ASK_MS));
		conn_wake(c);
	}
	if (c->presses > 0)
		flow_write(c);
}

static void conn_late(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);
	struct vsock *v = c->v;

	switch (c->state) {
	case CONN_GREETING:
		conn_free(c);
		break;
	case CONN_DIALING:
		if (c->fd < 0)
			host_dial(c);
		else
			conn_reset(c);
		break;
	case CONN_OPEN:
		open_late(c);
		break;
	case CONN_LINGERING:
		if (loop_now(v->loop) >= c->deadline)
			conn_reset(c);
		else
			flow_write(c);
		break;
	default:
		conn_reset(c);
		break;
	}
	flow_to_guest(v);
}

/* ---- the guest ---- */

static void refuse(struct vsock *v, const struct packet *p)
{
	instance_stat(v->in, VSOCK_REFUSED, 1);
	stray_rst(v, p);
}

static void got_request(struct vsock *v, const struct packet *p)
{
	struct conn *c;

	if (p->type == VSOCK_TYPE_SEQPACKET && v->conf->no_seqpacket) {
		refuse(v, p);
		return;
	}
	c = conn_new(v);
	if (c == NULL) {
		refuse(v, p);
		return;
	}
	c->state = CONN_DIALING;
	c->type = (uint8_t)p->type;
	c->key.peer_cid = p->dst_cid;
	c->key.guest_port = p->src_port;
	c->key.peer_port = p->dst_port;
	c->peer_alloc = p->buf_alloc;
	c->peer_fwd = p->fwd_cnt;
	if (key_add(v, &c->key) < 0) {
		conn_free(c);
		refuse(v, p);
		return;
	}
	c->deadline = conn_after(c, v->conf->connect_ms);
	timer_set(&c->timer, c->deadline);
	host_dial(c);
}

static void got_response(struct conn *c)
{
	if (c->state != CONN_ASKED) {
		instance_stat(c->v->in, VSOCK_BAD, 1);
		return;
	}
	c->state = CONN_OPEN;
	timer_set(&c->timer, 0);
	instance_stat(c->v->in, VSOCK_OPENED, 1);
	if (!host_welcome(c)) {
		conn_reset(c);
		return;
	}
	if (c->readable)
		conn_wake(c);
}

static void got_shutdown(struct conn *c, uint32_t flags)
{
	c->guest_shut |= (uint8_t)(flags & VSOCK_SHUT_BOTH);
	if (c->state == CONN_ASKED || c->state == CONN_DIALING ||
	    (c->state == CONN_CLOSING && c->guest_shut == VSOCK_SHUT_BOTH)) {
		conn_reset(c);
	} else if (c->state == CONN_OPEN && c->guest_shut == VSOCK_SHUT_BOTH) {
		/* The guest may forget it now, what waits for the host is with us. */
		stray_rst(c->v, &(struct packet){ .dst_cid = c->key.peer_cid,
			  .src_port = c->key.guest_port, .dst_port = c->key.peer_port,
			  .type = c->type, .op = VSOCK_OP_SHUTDOWN });
		conn_leave(c);
	} else if (c->state == CONN_OPEN) {
		if (c->guest_shut & VSOCK_SHUT_RCV)
			shutdown(c->fd, SHUT_RD);
		if (c->guest_shut & VSOCK_SHUT_SEND)
			flow_write(c);
	}
}

/* What the guest says of its buffer; more passed on than was sent is a lie. */
void conn_credit(struct conn *c, const struct packet *p)
{
	bool starved = c->asked;

	c->peer_alloc = p->buf_alloc;
	if (c->tx_cnt - p->fwd_cnt <= c->tx_cnt - c->peer_fwd) {
		starved = starved || c->peer_fwd != p->fwd_cnt;
		c->peer_fwd = p->fwd_cnt;
	}
	if (!starved)
		return;
	while (c->marks.count > 0 &&
	       (int32_t)(c->peer_fwd - c->marks.end[c->marks.first]) >= 0) {
		c->marks.total -= c->marks.n[c->marks.first];
		c->marks.first = (c->marks.first + 1) % MARKS;
		c->marks.count--;
	}
	if (c->state == CONN_OPEN && (c->readable || c->in.n > 0))
		conn_wake(c);
}

static void known(struct conn *c, const struct packet *p, struct chain *chain)
{
	conn_credit(c, p);
	switch (p->op) {
	case VSOCK_OP_RST:
		conn_free(c);
		break;
	case VSOCK_OP_RESPONSE:
		got_response(c);
		break;
	case VSOCK_OP_SHUTDOWN:
		got_shutdown(c, p->flags);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		break;
	case VSOCK_OP_CREDIT_REQUEST:
		c->todo |= TODO_CREDIT;
		conn_wake(c);
		break;
	default:
		instance_stat(c->v->in, VSOCK_BAD, 1);
		break;
	}
	chain_done(chain);
}

void conn_packet(struct vsock *v, const struct packet *p, struct chain *chain)
{
	struct key *k = key_find(v, p->dst_cid, p->src_port, p->dst_port);
	struct conn *c = k != NULL ? container_of(k, struct conn, key) : NULL;

	if (v->batch.conn != NULL && (v->batch.conn != c || p->op != VSOCK_OP_RW))
		flow_flush(v);
	if (c != NULL && p->op == VSOCK_OP_REQUEST) {
		/* The guest was reset, or has forgotten: what it sent before still counts. */
		conn_leave(c);
		c = NULL;
	}
	if (c != NULL && p->op == VSOCK_OP_RW && p->type == c->type && flow_take(c, p, chain))
		return;
	if (c == NULL && p->op == VSOCK_OP_REQUEST) {
		got_request(v, p);
		chain_done(chain);
	} else if (c == NULL) {
		stray_rst(v, p);
		chain_done(chain);
	} else if (c->state == CONN_DEAD) {
		/* It was told already, or will be. */
		if (p->op == VSOCK_OP_RST)
			conn_free(c);
		chain_done(chain);
	} else if (p->type != c->type || p->op == VSOCK_OP_RW) {
		if (p->op == VSOCK_OP_RST)
			conn_free(c);
		else
			conn_reset(c);
		chain_done(chain);
	} else {
		known(c, p, chain);
	}
}
