/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Bytes between guest buffers and sockets.
 *
 * To the host: data packets of one connection that follow each other are one
 * sendmsg() from guest memory. What the socket does not take is copied and its
 * packet ends at once, so that a slow reader never keeps the ring from others.
 *
 * To the guest: as many receive buffers as a read may fill are popped, one
 * readv() fills them behind room for their headers, the rest goes back to the
 * ring unseen. Connections take turns; who has no credit at the guest is not
 * read from, and is asked for room once, then ten times a second.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vsock.h"

enum { HDR = sizeof(struct virtio_vsock_hdr), MAX_BURST = 256 << 10, MIN_BURST = 4096,
	BATCH_BYTES = 64 << 10, SKB = 576, SPARE_PACKETS = 16, RECORD = 4, MOST_PRESSES = 50,
	SEND_BUFFER = 1 << 20, FIRST_SIZE = 4096, SMALL = 64 << 10, LARGE = 32 << 20 };

static const char bad_buffer[] = "a receive buffer is no buffer for a packet";

/* ---- bytes that wait ---- */

void bytes_free(struct vsock *v, struct bytes *b)
{
	v->buffered -= b->size;
	free(b->p);
	*b = (struct bytes){ NULL, 0, 0, 0 };
}

bool bytes_room(struct vsock *v, struct bytes *b, uint32_t n)
{
	uint64_t size = b->size != 0 ? b->size : FIRST_SIZE;
	uint8_t *p;

	if (b->at > 0 && b->at + b->n + (uint64_t)n > b->size) {
		memmove(b->p, b->p + b->at, b->n);
		b->at = 0;
	}
	while (size < b->n + (uint64_t)n)
		size *= 2;
	if (size == b->size)
		return true;
	if (v->buffered + size - b->size > v->conf->max_buffered)
		return false;
	p = realloc(b->p, size);
	if (p == NULL)
		return false;
	v->buffered += size - b->size;
	b->p = p;
	b->size = (uint32_t)size;
	return true;
}

bool bytes_add(struct vsock *v, struct bytes *b, struct chain *chain, uint32_t n)
{
	if (!bytes_room(v, b, n) || !chain_get(chain, b->p + b->at + b->n, n))
		return false;
	b->n += n;
	return true;
}

void bytes_drop(struct vsock *v, struct bytes *b, uint32_t n)
{
	b->at += n;
	b->n -= n;
	if (b->n == 0)
		bytes_free(v, b);
}

/* ---- the list of connections with something for the guest ---- */

void turn_ask(struct vsock *v, struct turn *t)
{
	if (t->at != NULL)
		return;
	t->next = NULL;
	t->at = v->ready_end;
	*v->ready_end = t;
	v->ready_end = &t->next;
}

void turn_leave(struct vsock *v, struct turn *t)
{
	if (t->at == NULL)
		return;
	*t->at = t->next;
	if (t->next != NULL)
		t->next->at = t->at;
	else
		v->ready_end = t->at;
	t->at = NULL;
}

void conn_wake(struct conn *c)
{
	turn_ask(c->v, &c->turn);
}

/* ---- to the host ---- */

static void passed_on(struct conn *c, uint32_t n)
{
	c->fwd_cnt += n;
	c->got += n;
	instance_stat(c->v->in, VSOCK_TX_BYTES, n);
	flow_credit(c);
}

void flow_credit(struct conn *c)
{
	uint32_t untold = c->fwd_cnt - c->told_fwd, unread = c->rx_cnt - c->told_fwd;

	if (untold == 0 || c->state != CONN_OPEN || (c->guest_shut & VSOCK_SHUT_SEND))
		return;
	if (untold < c->window / 4 &&
	    c->window - unread >= (c->window / 2 < SMALL ? c->window / 2 : SMALL))
		return;
	c->todo |= TODO_CREDIT;
	conn_wake(c);
}

/* The reader has gone, or wants no more: nor do we, whatever is on its way. */
static void deaf(struct conn *c)
{
	c->host_deaf = true;
	c->fwd_cnt = c->rx_cnt;
	bytes_free(c->v, &c->out);
	if (c->state == CONN_LINGERING) {
		conn_free(c);
		return;
	}
	if (c->state != CONN_OPEN)
		return;
	if ((c->host_shut & VSOCK_SHUT_RCV) == 0) {
		c->host_shut |= VSOCK_SHUT_RCV;
		c->todo |= TODO_SHUTDOWN;
	}
	/* It may have sent something before it left, and its end is read behind that. */
	c->readable = c->hup = true;
	conn_wake(c);
}

/* More room for who needs it: the default holds three packets. */
static void widen(struct conn *c)
{
	const int size = SEND_BUFFER;

	if (!c->wide && c->type == VSOCK_TYPE_STREAM)
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	c->wide = true;
}

/* < 0: nothing went; -EAGAIN: and a writable event will come, or presses tells of none. */
static ssize_t send_iov(struct conn *c, struct iovec *iov, size_t n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
	ssize_t sent;

	do {
		sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == ENOBUFS || errno == ENOMEM)) {
		c->presses++;
		return -EAGAIN;
	}
	c->presses = 0;
	return sent < 0 ? -errno : sent;
}

/* The kernel will not say when it has memory again, nor a host that it does not read. */
static void look_again(struct conn *c)
{
	uint64_t soon = conn_after(c, CONN_ASK_MS);

	if (c->state == CONN_LINGERING && (c->presses == 0 || soon > c->deadline))
		timer_set(&c->timer, c->deadline);
	else if (c->presses > 0)
		timer_set(&c->timer, soon);
}

void flow_linger(struct conn *c)
{
	c->deadline = conn_after(c, c->v->conf->linger_ms);
	look_again(c);
}

static void want_write(struct conn *c)
{
	if (io_set(&c->io, IO_READ | IO_WRITE | IO_EDGE) < 0)
		conn_reset(c);
}

bool flow_waits(const struct conn *c)
{
	return c->out.n > (c->has_record ? RECORD + c->open_record : 0);
}

static void shut_host(struct conn *c)
{
	if (c->state == CONN_OPEN && !flow_waits(c) && (c->guest_shut & VSOCK_SHUT_SEND))
		shutdown(c->fd, SHUT_WR);
}

static bool write_waiting(struct conn *c, ssize_t *ret_n)
{
	uint32_t head = 0, size = c->out.n;
	struct iovec iov;

	if (c->type == VSOCK_TYPE_SEQPACKET) {
		head = RECORD;
		memcpy(&size, c->out.p + c->out.at, RECORD);
	}
	iov = (struct iovec){ c->out.p + c->out.at + head, size };
	*ret_n = send_iov(c, &iov, 1);
	if (*ret_n < 0)
		return false;
	bytes_drop(c->v, &c->out, head + (uint32_t)*ret_n);
	passed_on(c, (uint32_t)*ret_n);
	if (c->state == CONN_LINGERING)
		flow_linger(c);
	return true;
}

void flow_write(struct conn *c)
{
	ssize_t n = 0;

	while (flow_waits(c) && write_waiting(c, &n))
		;
	if (n < 0 && n != -EAGAIN) {
		deaf(c);
		return;
	}
	if (c->presses > MOST_PRESSES) {
		conn_reset(c);
		return;
	}
	look_again(c);
	if (c->state == CONN_LINGERING) {
		if (!flow_waits(c))
			conn_free(c);
		return;
	}
	if (n == -EAGAIN && !c->blocked) {
		c->blocked = true;
		want_write(c);
		return;
	}
	if (c->blocked && !flow_waits(c)) {
		c->blocked = false;
		if (io_set(&c->io, IO_READ | IO_EDGE) < 0) {
			conn_reset(c);
			return;
		}
	}
	shut_host(c);
}

/* All chains of the batch end; those that the socket did not take are kept first. */
static bool keep_rest(struct conn *c, struct batch *b, uint32_t sent)
{
	bool ok = true;
	unsigned i;
	uint32_t n;

	for (i = 0; i < b->n; i++) {
		n = b->lens[i];
		if (sent >= n) {
			sent -= n;
		} else {
			ok = ok && chain_skip(b->chains[i], sent) &&
				bytes_add(c->v, &c->out, b->chains[i], n - sent);
			sent = 0;
		}
		chain_done(b->chains[i]);
	}
	return ok;
}

static void end_batch(struct batch *b)
{
	unsigned i;

	for (i = 0; i < b->n; i++)
		chain_done(b->chains[i]);
}

/* One message that is complete. */
static void flush_message(struct conn *c, struct batch *b, ssize_t sent)
{
	const uint32_t size = b->bytes;

	if (sent >= 0) {
		passed_on(c, size);
		end_batch(b);
	} else if (sent == -EAGAIN) {
		if (!bytes_room(c->v, &c->out, RECORD)) {
			end_batch(b);
			conn_reset(c);
			return;
		}
		memcpy(c->out.p + c->out.at + c->out.n, &size, RECORD);
		c->out.n += RECORD;
		if (!keep_rest(c, b, 0))
			conn_reset(c);
		else
			flow_write(c);
	} else {
		end_batch(b);
		if (sent == -EMSGSIZE)
			conn_reset(c);
		else
			deaf(c);
	}
}

void flow_flush(struct vsock *v)
{
	struct batch *b = &v->batch;
	struct conn *c = b->conn;
	ssize_t sent;

	if (c == NULL)
		return;
	b->conn = NULL;
	if (c->fd < 0 || c->host_deaf) {
		c->fwd_cnt += b->bytes;
		end_batch(b);
		return;
	}
	sent = send_iov(c, b->window.iov, b->window.n);
	if (c->type == VSOCK_TYPE_SEQPACKET) {
		flush_message(c, b, sent);
		return;
	}
	if (sent < 0 && sent != -EAGAIN) {
		end_batch(b);
		deaf(c);
		return;
	}
	if (sent > 0)
		passed_on(c, (uint32_t)sent);
	if (sent == (ssize_t)b->bytes) {
		end_batch(b);
	} else if (!keep_rest(c, b, sent > 0 ? (uint32_t)sent : 0)) {
		conn_reset(c);
	} else {
		/* With a larger buffer it may go at once; if not, the edge comes later. */
		widen(c);
		flow_write(c);
	}
}

/* A packet by itself goes behind what waits already. */
static bool keep(struct conn *c, struct chain *chain, const struct packet *p)
{
	uint32_t head;

	if (c->type == VSOCK_TYPE_STREAM)
		return bytes_add(c->v, &c->out, chain, p->len);
	if (!c->has_record) {
		if (!bytes_room(c->v, &c->out, RECORD))
			return false;
		c->out.n += RECORD;
		c->has_record = true;
		c->open_record = 0;
	}
	if (!bytes_add(c->v, &c->out, chain, p->len))
		return false;
	c->open_record += p->len;
	head = c->out.at + c->out.n - c->open_record - RECORD;
	memcpy(c->out.p + head, &c->open_record, RECORD);
	if (p->flags & VSOCK_SEQ_EOM) {
		c->has_record = false;
		if (!c->blocked)
			flow_write(c);
	}
	return true;
}

static bool join_batch(struct vsock *v, struct conn *c, const struct packet *p,
		       struct chain *chain)
{
	struct batch *b = &v->batch;
	struct iovec tail = { NULL, 0 };
	unsigned before;

	if (b->conn == NULL) {
		b->conn = c;
		b->n = 0;
		b->bytes = 0;
		b->window = (struct window){ .iov = b->iov, .n = 0, .max = BATCH_IOV };
	}
	before = b->window.n;
	if (before > 0)
		tail = b->iov[before - 1];
	if (chain_lend_get(chain, p->len, &b->window) != p->len) {
		/* Too many pieces for one call: they are copied. The first may have been joined. */
		b->window.n = before;
		if (before > 0)
			b->iov[before - 1] = tail;
		if (b->n == 0)
			b->conn = NULL;
		return false;
	}
	b->chains[b->n] = chain;
	b->lens[b->n++] = p->len;
	b->bytes += p->len;
	return true;
}

/* May it go with the others, without a copy? */
static bool may_batch(const struct vsock *v, const struct conn *c, const struct packet *p)
{
	const struct batch *b = &v->batch;

	if (c->out.n > 0)
		return false;
	if (c->type == VSOCK_TYPE_SEQPACKET)
		return b->conn == NULL && (p->flags & VSOCK_SEQ_EOM) != 0;
	return true;
}

/*
 * false: the packet is against the rules, or belongs to no open connection; it
 * did not end.
 */
bool flow_take(struct conn *c, const struct packet *p, struct chain *chain)
{
	struct vsock *v = c->v;
	bool whole;

	if (c->state == CONN_CLOSING || (c->state == CONN_OPEN && c->host_deaf)) {
		c->rx_cnt += p->len;
		c->fwd_cnt = c->rx_cnt;
		chain_done(chain);
		return true;
	}
	if (c->state != CONN_OPEN || (c->guest_shut & VSOCK_SHUT_SEND) || p->len == 0)
		return false;
	/* More than there was room for (5.10.6.3). */
	if (p->len > c->window - (c->rx_cnt - c->fwd_cnt))
		return false;
	conn_credit(c, p);
	c->rx_cnt += p->len;
	whole = c->type == VSOCK_TYPE_SEQPACKET;
	if (may_batch(v, c, p) && join_batch(v, c, p, chain)) {
		if (whole || v->batch.n == BATCH_CHAINS || v->batch.bytes >= BATCH_BYTES) {
			flow_flush(v);
			/* The guest goes on with the next ones while we do with these. */
			flow_to_guest(v);
			queue_flush(v->rx);
		}
		return true;
	}
	if (v->batch.conn == c)
		flow_flush(v);
	if (c->state != CONN_OPEN || c->host_deaf)
		c->fwd_cnt = c->rx_cnt;
	else if (!keep(c, chain, p))
		conn_reset(c);
	else if (!c->blocked && !whole)
		flow_write(c);
	/* The rest of a message may need the room that was not worth telling of before. */
	flow_credit(c);
	chain_done(chain);
	return true;
}

/* ---- to the guest ---- */

static uint32_t credit(const struct conn *c)
{
	uint32_t out = c->tx_cnt - c->peer_fwd;

	return out < c->peer_alloc ? c->peer_alloc - out : 0;
}

/*
 * Linux refuses a packet when those unread take more than the window with 576
 * bytes each, whatever they hold.
 */
static uint32_t packets_left(const struct conn *c)
{
	uint32_t most = (c->peer_alloc < LARGE ? c->peer_alloc : LARGE) / SKB;

	most = most > 2 * SPARE_PACKETS ? most - SPARE_PACKETS : most / 2 + 1;
	return c->marks.total < most ? most - c->marks.total : 0;
}

static void mark_sent(struct conn *c, unsigned packets)
{
	struct marks *m = &c->marks;
	unsigned last = (m->first + m->count + MARKS - 1) % MARKS;
	uint32_t group = (c->peer_alloc < LARGE ? c->peer_alloc : LARGE) / SKB / MARKS + 1;

	if (m->count == 0 || (m->n[last] + packets > group && m->count < MARKS)) {
		last = (m->first + m->count++) % MARKS;
		m->n[last] = 0;
	}
	m->n[last] += (uint16_t)packets;
	m->end[last] = c->tx_cnt;
	m->total += (uint16_t)packets;
}

struct virtio_vsock_hdr flow_header(struct conn *c, unsigned op, uint32_t len, uint32_t flags)
{
	c->told_fwd = c->fwd_cnt;
	c->todo &= (uint8_t)~TODO_CREDIT;
	return (struct virtio_vsock_hdr){
		.src_cid = le64(c->key.peer_cid), .dst_cid = le64(c->v->cid),
		.src_port = le32(c->key.peer_port), .dst_port = le32(c->key.guest_port),
		.len = le32(len), .type = le16(c->type), .op = le16((uint16_t)op),
		.flags = le32(flags), .buf_alloc = le32(c->window), .fwd_cnt = le32(c->fwd_cnt),
	};
}

/* Drivers pass over packets of a type that is none. */
static void tell_nothing(struct chain *chain)
{
	const struct virtio_vsock_hdr nothing = { .op = le16(VSOCK_OP_CREDIT_UPDATE) };

	chain_put(chain, &nothing, HDR);
	chain_done(chain);
}

/* The next receive buffer that holds so many bytes behind a header; NULL: none now. */
struct chain *flow_buffer(struct vsock *v, size_t least)
{
	struct chain *chain;

	while ((chain = queue_pop(v->rx)) != NULL) {
		if (chain_get_size(chain) > 0 || chain_put_size(chain) < HDR) {
			chain_fail(chain, bad_buffer);
			continue;
		}
		if (chain_put_size(chain) >= HDR + least)
			return chain;
		tell_nothing(chain);
	}
	return NULL;
}

static bool send_op(struct conn *c, unsigned op, uint32_t flags)
{
	struct chain *chain = flow_buffer(c->v, 0);
	struct virtio_vsock_hdr hdr;

	if (chain == NULL)
		return false;
	hdr = flow_header(c, op, 0, flags);
	chain_put(chain, &hdr, HDR);
	chain_done(chain);
	instance_stat(c->v->in, VSOCK_RX_PACKETS, 1);
	return true;
}

static const struct {
	uint8_t todo, op;
} ops[] = {
	{ TODO_RST, VSOCK_OP_RST },
	{ TODO_REQUEST, VSOCK_OP_REQUEST },
	{ TODO_RESPONSE, VSOCK_OP_RESPONSE },
	{ TODO_SHUTDOWN, VSOCK_OP_SHUTDOWN },
	{ TODO_CREDIT, VSOCK_OP_CREDIT_UPDATE },
	{ TODO_ASK, VSOCK_OP_CREDIT_REQUEST },
};

static enum served send_ops(struct conn *c)
{
	unsigned i;

	for (i = 0; c->todo != 0 && i < ARRAY_SIZE(ops); i++) {
		if ((c->todo & ops[i].todo) == 0)
			continue;
		if (!send_op(c, ops[i].op, ops[i].op == VSOCK_OP_SHUTDOWN ? c->host_shut : 0))
			return NO_BUFFERS;
		c->todo &= (uint8_t)~ops[i].todo;
	}
	return SERVED;
}

/* Nothing may go until the guest tells of room. */
static void starve(struct conn *c)
{
	if (c->asked)
		return;
	c->asked = true;
	timer_set(&c->timer, conn_after(c, CONN_ASK_MS));
}

static void fed(struct conn *c)
{
	if (c->asked && c->presses == 0)
		timer_set(&c->timer, 0);
	c->asked = c->crumbs = false;
}

static void read_failed(struct conn *c, ssize_t got)
{
	c->readable = false;
	fed(c);
	if (got == 0 || errno != EAGAIN)
		conn_host_gone(c, got < 0);
}

struct rx {
	struct chain *chains[RX_CHAINS];
	uint32_t lens[RX_CHAINS];
	struct iovec iov[RX_IOV];
	struct window window;
	unsigned n, used;
	uint32_t room;
};

/* Buffers for so many bytes, as far as there are some. */
static void rx_collect(struct vsock *v, struct rx *r, uint32_t want, uint32_t packets)
{
	struct chain *chain;
	uint32_t most;

	r->n = 0;
	r->room = 0;
	r->window = (struct window){ .iov = r->iov, .n = 0, .max = RX_IOV };
	while (r->room < want && r->n < RX_CHAINS && r->n < packets) {
		chain = flow_buffer(v, 1);
		if (chain == NULL)
			return;
		most = want - r->room < VSOCK_PACKET_MAX ? want - r->room : VSOCK_PACKET_MAX;
		if (chain_put_size(chain) - HDR < most)
			most = (uint32_t)(chain_put_size(chain) - HDR);
		most = (uint32_t)chain_lend_put(chain, HDR, most, &r->window);
		if (most == 0 && r->n > 0) {
			chain_return(chain);
			return;
		}
		if (most == 0) {
			chain_fail(chain, bad_buffer);
			continue;
		}
		r->chains[r->n] = chain;
		r->lens[r->n++] = most;
		r->room += most;
	}
}

static void rx_fill(struct conn *c, struct rx *r, uint32_t got, uint32_t last_flags)
{
	struct virtio_vsock_hdr hdr = flow_header(c, VSOCK_OP_RW, 0, 0);
	unsigned used = 0;
	uint32_t len;

	instance_stat(c->v->in, VSOCK_RX_BYTES, got);
	c->sent += got;
	c->tx_cnt += got;
	while (got > 0) {
		len = got < r->lens[used] ? got : r->lens[used];
		got -= len;
		hdr.len = le32(len);
		hdr.flags = le32(got == 0 ? last_flags : 0);
		chain_put(r->chains[used], &hdr, HDR);
		chain_wrote(r->chains[used], HDR, len);
		chain_done(r->chains[used++]);
	}
	mark_sent(c, used);
	r->used = used;
	instance_stat(c->v->in, VSOCK_RX_PACKETS, used);
}

/* What was not needed goes back, newest first, if no bad buffer was behind it. */
static void rx_return(struct rx *r)
{
	struct chain *chain;

	while (r->n > r->used) {
		chain = r->chains[--r->n];
		if (chain_newest(chain))
			chain_return(chain);
		else
			tell_nothing(chain);
	}
}

static enum served serve_stream(struct conn *c)
{
	uint32_t room = credit(c), packets = packets_left(c), want;
	struct vsock *v = c->v;
	struct rx r = { .n = 0 };
	ssize_t got;

	/* Crumbs of a window wait until what was sent before is read, but not for ever. */
	if (room == 0 || packets == 0 ||
	    (room < MIN_BURST && room < c->peer_alloc / 2 && c->tx_cnt != c->peer_fwd &&
	     !c->crumbs)) {
		starve(c);
		return SERVED;
	}
	want = c->burst < room ? c->burst : room;
	rx_collect(v, &r, want, packets);
	if (r.n == 0)
		return NO_BUFFERS;
	do {
		got = readv(c->fd, r.iov, (int)r.window.n);
	} while (got < 0 && errno == EINTR);
	if (got <= 0) {
		rx_return(&r);
		read_failed(c, got);
		return SERVED;
	}
	fed(c);
	rx_fill(c, &r, (uint32_t)got, 0);
	rx_return(&r);
	if ((uint32_t)got == r.room && c->burst < MAX_BURST) {
		c->burst *= 4;
	} else if ((uint32_t)got < r.room) {
		if (c->burst > MIN_BURST && (uint32_t)got < c->burst / 8)
			c->burst /= 2;
		/* What comes later is an event of its own; an end may have come already. */
		c->readable = c->hup;
	}
	return c->readable ? SERVE_AGAIN : SERVED;
}

/* A message that waits in our memory, in as many packets as it takes. */
static enum served send_message(struct conn *c)
{
	struct virtio_vsock_hdr hdr;
	struct chain *chain;
	uint32_t n;

	while (c->in.n > 0) {
		chain = flow_buffer(c->v, 1);
		if (chain == NULL)
			return NO_BUFFERS;
		n = (uint32_t)chain_put_size(chain) - HDR;
		n = n < c->in.n ? n : c->in.n;
		n = n < VSOCK_PACKET_MAX ? n : VSOCK_PACKET_MAX;
		hdr = flow_header(c, VSOCK_OP_RW, n, n == c->in.n ? VSOCK_SEQ_EOM : 0);
		chain_put(chain, &hdr, HDR);
		chain_put(chain, c->in.p + c->in.at, n);
		chain_done(chain);
		c->tx_cnt += n;
		c->sent += n;
		mark_sent(c, 1);
		instance_stat(c->v->in, VSOCK_RX_BYTES, n);
		bytes_drop(c->v, &c->in, n);
	}
	return SERVE_AGAIN;
}

/* It read no byte: there may be more messages, even if the other side has closed. */
static bool not_the_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDHUP };
	int behind = 0;

	if (poll(&p, 1, 0) <= 0)
		return false;
	return (p.revents & POLLRDHUP) == 0 || (ioctl(fd, SIOCINQ, &behind) == 0 && behind > 0);
}

/* Size of the next message, 0: an end, -1: nothing there. */
static ssize_t peek_message(struct conn *c)
{
	uint8_t byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	/* One without a byte cannot be told to the guest. */
	while (n == 0 && not_the_end(c->fd)) {
		recv(c->fd, &byte, 1, MSG_DONTWAIT);
		n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	}
	return n;
}

static enum served serve_message(struct conn *c)
{
	ssize_t size, got;
	struct rx r = { .n = 0 };

	if (c->in.n > 0)
		return send_message(c);
	size = peek_message(c);
	if (size <= 0) {
		read_failed(c, size);
		return SERVED;
	}
	if ((size_t)size > c->peer_alloc) {
		/* The guest could never take it as one. */
		conn_reset(c);
		return SERVE_AGAIN;
	}
	if ((uint32_t)size > credit(c) || packets_left(c) == 0) {
		starve(c);
		return SERVED;
	}
	fed(c);
	rx_collect(c->v, &r, (uint32_t)size, RX_CHAINS);
	if (r.room == (uint32_t)size) {
		got = readv(c->fd, r.iov, (int)r.window.n);
		if (got > 0)
			rx_fill(c, &r, (uint32_t)got, VSOCK_SEQ_EOM);
		rx_return(&r);
		return SERVE_AGAIN;
	}
	rx_return(&r);
	if (r.room == 0)
		return NO_BUFFERS;
	/* A ring need not have room for a message at any time. */
	if (!bytes_room(c->v, &c->in, (uint32_t)size)) {
		conn_reset(c);
		return SERVE_AGAIN;
	}
	got = recv(c->fd, c->in.p, (size_t)size, MSG_DONTWAIT);
	if (got <= 0) {
		bytes_free(c->v, &c->in);
		read_failed(c, got);
		return SERVED;
	}
	c->in.n = (uint32_t)got;
	return send_message(c);
}

/* One connection's turn. */
static enum served serve(struct conn *c)
{
	enum served ret = send_ops(c);

	if (ret != SERVED)
		return ret;
	if (c->state != CONN_OPEN)
		return SERVED;
	/* Nothing is read any more, but it may have been closed. */
	if ((c->guest_shut & VSOCK_SHUT_RCV) != 0 && c->readable) {
		fed(c);
		conn_host_gone(c, false);
	}
	if (c->state == CONN_OPEN && (c->readable || c->in.n > 0))
		ret = c->type == VSOCK_TYPE_STREAM ? serve_stream(c) : serve_message(c);
	if (ret == SERVED && c->todo != 0)
		ret = SERVE_AGAIN;
	return ret;
}

enum served conn_serve(struct turn *t)
{
	struct conn *c = container_of(t, struct conn, turn);
	enum served ret = serve(c);

	if (ret == NO_BUFFERS)
		return ret;
	turn_leave(c->v, t);
	if (c->state == CONN_DEAD && c->todo == 0)
		conn_free(c);
	else if (ret == SERVE_AGAIN)
		conn_wake(c);
	return ret;
}

static bool send_stray(struct vsock *v)
{
	const struct stray *s = &v->strays[v->first_stray];
	struct chain *chain = flow_buffer(v, 0);
	struct virtio_vsock_hdr hdr = {
		.src_cid = le64(s->cid), .dst_cid = le64(v->cid),
		.src_port = le32(s->peer_port), .dst_port = le32(s->guest_port),
		.type = le16(s->type), .op = le16(VSOCK_OP_RST),
	};

	if (chain == NULL)
		return false;
	chain_put(chain, &hdr, HDR);
	chain_done(chain);
	instance_stat(v->in, VSOCK_RX_PACKETS, 1);
	v->first_stray = (v->first_stray + 1) % STRAYS;
	v->n_strays--;
	return true;
}

void flow_to_guest(struct vsock *v)
{
	enum served ret = SERVED;

	/* Whatever woke a connection while another is served comes behind it. */
	if (v->serving || !queue_running(v->rx))
		return;
	v->serving = true;
	while (v->n_strays > 0 && ret == SERVED)
		ret = send_stray(v) ? SERVED : NO_BUFFERS;
	while (ret != NO_BUFFERS && v->ready != NULL)
		ret = v->ready->serve(v->ready);
	v->serving = false;
}
