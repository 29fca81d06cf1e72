/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guests of one process that talk to each other: bytes go from the sender's
 * buffers straight into the receiver's. Both drivers keep the states of their
 * connections; a link tells us no more than who is connected to whom, so that a
 * guest that goes away can be reported to those it talked to.
 *
 * No guest waits for another. What a receiver has no buffers for is kept with
 * the link, at the cost of the receiver, and the sender's packet ends. So a
 * sender is held to the room that the receiver's program has told of, which we
 * lower to MOST_WINDOW on its way (5.10.6.3): one that goes beyond loses the
 * connection, before it costs the receiver a byte. So does one with too many
 * small messages, each of which has a record (MOST_WAITING), or whose bytes would
 * make --max-buffered too small.
 *
 *   REQUEST --> link with two ends
 *   RST of a guest, or that guest leaves: its end goes; the other one gets what
 *   was sent before, then an RST, then it goes
 *   a rule is broken, or no memory: both get an RST
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vsock.h"

enum { HDR = sizeof(struct virtio_vsock_hdr), PIECES = 64, MOST_WINDOW = 4 << 20,
	MOST_WAITING = 2 * MOST_WINDOW };

/* What is to go to one of the two guests. */
struct link_end {
	struct link *link;
	struct vsock *v;                /* NULL: it has left */
	struct link_end *next, **at;    /* of v */
	struct key key;
	struct turn turn;
	struct bytes queue;             /* SEQPACKET: a struct record before each packet */
	uint32_t alloc, fwd;            /* as the other one last told */
	/* Of its guest: the most room that it was told of, bytes had of it, and taken. */
	uint32_t room, sent, taken;
	uint8_t todo, shut;
};

struct link {
	struct link_end ends[2];        /* the first one has asked */
	uint16_t type;
};

/* In the queue, at any address. */
struct record {
	uint32_t len, flags;
};

static struct vsock *guests;
static pthread_mutex_t guests_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- who is there ---- */

int sibling_join(struct vsock *v, struct error *err)
{
	struct vsock *other;
	int ret = 0;

	pthread_mutex_lock(&guests_lock);
	for (other = guests; other != NULL; other = other->next_guest) {
		if (other->cid == v->cid)
			ret = -EADDRINUSE;
	}
	if (ret == 0) {
		v->next_guest = guests;
		guests = v;
		v->listed = true;
	}
	pthread_mutex_unlock(&guests_lock);
	if (ret < 0)
		error_set(err, ret, "CID already in use by another vsock device: %llu",
			  (unsigned long long)v->cid);
	return ret;
}

void sibling_leave(struct vsock *v)
{
	struct vsock **at = &guests;

	if (!v->listed)
		return;
	pthread_mutex_lock(&guests_lock);
	while (*at != v)
		at = &(*at)->next_guest;
	*at = v->next_guest;
	v->listed = false;
	pthread_mutex_unlock(&guests_lock);
}

static bool share_group(const struct vm_conf *a, const struct vm_conf *b)
{
	char *const *one = a->groups.items, *const *two = b->groups.items;
	size_t i, k;

	for (i = 0; i < a->groups.n; i++) {
		for (k = 0; k < b->groups.n; k++) {
			if (strcmp(one[i], two[k]) == 0)
				return true;
		}
	}
	return false;
}

bool sibling_together(const struct vm_conf *a, const struct vm_conf *b)
{
	return a->forward_cid == 0 && b->forward_cid == 0 && share_group(a, b);
}

/* Of this loop, because only then its rings are ours to touch. */
static struct vsock *find(const struct vsock *from, uint64_t cid)
{
	struct vsock *v;

	pthread_mutex_lock(&guests_lock);
	for (v = guests; v != NULL; v = v->next_guest) {
		if (v->cid == cid && v != from && v->loop == from->loop &&
		    sibling_together(&from->conf->vm, &v->conf->vm))
			break;
	}
	pthread_mutex_unlock(&guests_lock);
	return v;
}

/* ---- packets ---- */

static bool copy(struct chain *from, struct chain *to, uint32_t n)
{
	struct iovec iov[PIECES];
	struct window w = { .iov = iov, .n = 0, .max = PIECES };
	size_t len;
	unsigned i;

	while (n > 0) {
		w.n = 0;
		len = chain_lend_get(from, n, &w);
		if (len == 0)
			return false;
		for (i = 0; i < w.n; i++) {
			if (!chain_put(to, iov[i].iov_base, iov[i].iov_len))
				return false;
		}
		if (!chain_skip(from, len))
			return false;
		n -= (uint32_t)len;
	}
	return true;
}

static struct virtio_vsock_hdr header(struct link_end *e, unsigned op, uint32_t len,
				      uint32_t flags)
{
	e->todo &= (uint8_t)~TODO_CREDIT;
	return (struct virtio_vsock_hdr){
		.src_cid = le64(e->key.peer_cid), .dst_cid = le64(e->v->cid),
		.src_port = le32(e->key.peer_port), .dst_port = le32(e->key.guest_port),
		.len = le32(len), .type = le16(e->link->type), .op = le16((uint16_t)op),
		.flags = le32(flags), .buf_alloc = le32(e->alloc), .fwd_cnt = le32(e->fwd),
	};
}

/* How many of n bytes the buffer takes as one packet. */
static uint32_t fits(const struct chain *buffer, uint32_t n)
{
	const size_t room = chain_put_size(buffer) - HDR;

	/* Both sides may name the same memory again and again: a turn has an end. */
	if (n > VSOCK_PACKET_MAX)
		n = VSOCK_PACKET_MAX;
	return n < room ? n : (uint32_t)room;
}

/* From the sender's memory, or (from NULL) of those that waited. false: some was not there. */
static bool put_data(struct link_end *e, struct chain *buffer, struct chain *from, uint32_t n,
		     uint32_t flags)
{
	const struct virtio_vsock_hdr hdr = header(e, VSOCK_OP_RW, n, flags);
	bool ok = chain_put(buffer, &hdr, HDR);

	if (from != NULL)
		ok = ok && copy(from, buffer, n);
	else
		ok = ok && chain_put(buffer, e->queue.p + e->queue.at, n);
	if (!ok)
		instance_stat(e->v->in, VSOCK_BAD, 1);
	chain_done(buffer);
	instance_stat(e->v->in, VSOCK_RX_PACKETS, 1);
	instance_stat(e->v->in, VSOCK_RX_BYTES, n);
	return ok;
}

/* ---- ends ---- */

static struct link_end *other(struct link_end *e)
{
	return &e->link->ends[e == e->link->ends];
}

/* The link goes with its second end. */
static void end_leave(struct link_end *e)
{
	struct vsock *v = e->v;

	bug_if(v == NULL);
	turn_leave(v, &e->turn);
	key_remove(v, &e->key);
	bytes_free(v, &e->queue);
	*e->at = e->next;
	if (e->next != NULL)
		e->next->at = e->at;
	v->n_links -= e == e->link->ends;
	e->v = NULL;
	if (other(e)->v == NULL)
		free(e->link);
}

static void wake(struct link_end *e)
{
	turn_ask(e->v, &e->turn);
	flow_to_guest(e->v);
}

/* Its guest is to hear of an RST, unless it never heard of the link. */
static void end_reset(struct link_end *e)
{
	if (e->v == NULL)
		return;
	if (e->todo & TODO_REQUEST) {
		end_leave(e);
		return;
	}
	e->todo |= TODO_RST;
	wake(e);
}

/* Its guest has forgotten the link, or has gone. */
static void end_over(struct link_end *e)
{
	struct vsock *to = other(e)->v;

	if (to != NULL)
		end_reset(other(e));
	end_leave(e);
}

/* The link is no good any more. */
static void reset(struct link_end *e)
{
	struct link_end *o = other(e);

	instance_stat(e->v->in, VSOCK_RESETS, 1);
	bytes_free(e->v, &e->queue);
	bytes_free(o->v, &o->queue);
	e->todo &= TODO_REQUEST;
	o->todo &= TODO_REQUEST;
	end_reset(o);
	end_reset(e);
}

static const struct {
	uint8_t todo, op;
} ops[] = {
	{ TODO_REQUEST, VSOCK_OP_REQUEST },
	{ TODO_RESPONSE, VSOCK_OP_RESPONSE },
	/* Here come the data. */
	{ TODO_SHUTDOWN, VSOCK_OP_SHUTDOWN },
	{ TODO_CREDIT, VSOCK_OP_CREDIT_UPDATE },
	{ TODO_ASK, VSOCK_OP_CREDIT_REQUEST },
	{ TODO_RST, VSOCK_OP_RST },
};

enum { DATA_AT = 2 };

static enum served send_ops(struct link_end *e, unsigned i, unsigned end)
{
	struct virtio_vsock_hdr hdr;
	struct chain *buffer;

	for (; i < end; i++) {
		if ((e->todo & ops[i].todo) == 0)
			continue;
		buffer = flow_buffer(e->v, 0);
		if (buffer == NULL)
			return NO_BUFFERS;
		e->todo &= (uint8_t)~ops[i].todo;
		hdr = header(e, ops[i].op, 0, ops[i].todo == TODO_SHUTDOWN ? e->shut : 0);
		chain_put(buffer, &hdr, HDR);
		chain_done(buffer);
		instance_stat(e->v->in, VSOCK_RX_PACKETS, 1);
	}
	return SERVED;
}

/* The next packet of those that wait, as much of it as a buffer takes. */
static uint32_t send_waiting(struct link_end *e, struct chain *buffer)
{
	const uint32_t head = e->link->type == VSOCK_TYPE_SEQPACKET ? sizeof(struct record) : 0;
	struct record r = { e->queue.n, 0 };
	uint32_t n;

	if (head > 0) {
		memcpy(&r, e->queue.p + e->queue.at, head);
		bytes_drop(e->v, &e->queue, head);
	}
	n = fits(buffer, r.len);
	put_data(e, buffer, NULL, n, n == r.len ? r.flags : 0);
	if (head > 0 && n < r.len) {
		/* Its record stands before the rest. */
		r.len -= n;
		e->queue.at += n - head;
		e->queue.n -= n - head;
		memcpy(e->queue.p + e->queue.at, &r, head);
	} else {
		bytes_drop(e->v, &e->queue, n);
	}
	return n;
}

static enum served send_data(struct link_end *e)
{
	struct chain *buffer;
	uint32_t n = 0;

	while (e->queue.n > 0 && n < VSOCK_PACKET_MAX) {
		buffer = flow_buffer(e->v, 1);
		if (buffer == NULL)
			return NO_BUFFERS;
		n += send_waiting(e, buffer);
	}
	return e->queue.n > 0 ? SERVE_AGAIN : SERVED;
}

static enum served end_serve(struct turn *t)
{
	struct link_end *e = container_of(t, struct link_end, turn);
	bool last = (e->todo & TODO_RST) != 0;
	struct vsock *v = e->v;
	enum served ret = send_ops(e, 0, DATA_AT);

	if (ret == SERVED)
		ret = send_data(e);
	if (ret == SERVED)
		ret = send_ops(e, DATA_AT, ARRAY_SIZE(ops));
	if (ret == NO_BUFFERS)
		return ret;
	turn_leave(v, t);
	if (ret == SERVE_AGAIN)
		turn_ask(v, t);
	else if (last)
		end_leave(e);
	return ret;
}

static int end_join(struct link_end *e, struct link *l, struct vsock *v, const struct key *k)
{
	*e = (struct link_end){ .link = l, .v = v, .next = v->ends, .at = &v->ends, .key = *k,
		.turn = { .serve = end_serve } };
	if (v->ends != NULL)
		v->ends->at = &e->next;
	v->ends = e;
	v->n_links += e == l->ends;
	return key_add(v, &e->key);
}

/* NULL: there is nobody, or it is one too many. */
static struct link_end *link_new(struct vsock *v, const struct packet *p)
{
	const struct key near = { NULL, p->dst_cid, p->src_port, p->dst_port, false };
	const struct key far = { NULL, v->cid, p->dst_port, p->src_port, false };
	struct vsock *to = find(v, p->dst_cid);
	struct link *l = NULL;
	struct key *old;

	if (to == NULL || !to->there || v->n_conns + v->n_links >= v->conf->max_connections ||
	    (p->type == VSOCK_TYPE_SEQPACKET && to->conf->no_seqpacket))
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->type = p->type;
	/* The end of a former one that is still to be told so stays without its ports. */
	old = key_find(to, far.peer_cid, far.guest_port, far.peer_port);
	if (old != NULL)
		key_remove(to, old);
	if (end_join(&l->ends[0], l, v, &near) < 0 || end_join(&l->ends[1], l, to, &far) < 0) {
		if (l->ends[1].v != NULL)
			end_leave(&l->ends[1]);
		end_leave(&l->ends[0]);
		return NULL;
	}
	return &l->ends[0];
}

/* ---- packets ---- */

static bool keep(struct link_end *e, struct chain *chain, uint32_t n, uint32_t flags)
{
	const struct record r = { n, flags };
	struct bytes *b = &e->queue;

	if (b->n + sizeof(r) + n > MOST_WAITING)
		return false;
	if (e->link->type == VSOCK_TYPE_SEQPACKET) {
		if (!bytes_room(e->v, b, sizeof(r)))
			return false;
		memcpy(b->p + b->at + b->n, &r, sizeof(r));
		b->n += sizeof(r);
	}
	return bytes_add(e->v, b, chain, n);
}

/* Whoever waits for the receiver's buffers already comes first. */
static bool forward_data(struct link_end *to, const struct packet *p, struct chain *chain)
{
	struct chain *buffer;
	uint32_t left = p->len, n;

	while (left > 0 && to->v->ready == NULL && (buffer = flow_buffer(to->v, 1)) != NULL) {
		n = fits(buffer, left);
		/* A stream with a hole is none. */
		if (!put_data(to, buffer, chain, n, n == left ? p->flags : 0))
			return false;
		left -= n;
	}
	if (left == 0)
		return true;
	if (!keep(to, chain, left, p->flags))
		return false;
	wake(to);
	return true;
}

/* The peer of e tells of its buffer; that it took more than there was is a lie. */
static void learn_room(struct link_end *e, const struct packet *p)
{
	e->alloc = p->buf_alloc < MOST_WINDOW ? p->buf_alloc : MOST_WINDOW;
	e->fwd = p->fwd_cnt;
	/* What was sent in a larger window may be on its way yet. */
	if (e->room < e->alloc)
		e->room = e->alloc;
	if (e->sent - p->fwd_cnt < e->sent - e->taken)
		e->taken = p->fwd_cnt;
}

/* false: more than its peer has room for. */
static bool count_sent(struct link_end *e, uint32_t n)
{
	const uint32_t on_its_way = e->sent - e->taken;

	if (on_its_way > e->room || n > e->room - on_its_way)
		return false;
	e->sent += n;
	return true;
}

/* false: against the rules, or too much. */
static bool forward(struct link_end *e, const struct packet *p, struct chain *chain)
{
	struct link_end *to = other(e);
	unsigned i;

	if (p->type != e->link->type || (p->op == VSOCK_OP_RW && p->len == 0))
		return false;
	learn_room(to, p);
	if (p->op == VSOCK_OP_RW)
		return count_sent(e, p->len) && forward_data(to, p, chain);
	if (p->op == VSOCK_OP_SHUTDOWN)
		to->shut |= (uint8_t)(p->flags & VSOCK_SHUT_BOTH);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].op == p->op) {
			to->todo |= ops[i].todo;
			wake(to);
			return true;
		}
	}
	instance_stat(e->v->in, VSOCK_BAD, 1);
	return true;
}

void sibling_packet(struct vsock *v, const struct packet *p, struct chain *chain)
{
	struct key *k = key_find(v, p->dst_cid, p->src_port, p->dst_port);
	struct link_end *e = k != NULL ? container_of(k, struct link_end, key) : NULL;

	if (p->op == VSOCK_OP_REQUEST) {
		if (e != NULL)
			end_over(e);
		e = link_new(v, p);
		instance_stat(v->in, e != NULL ? VSOCK_OPENED : VSOCK_REFUSED, 1);
	}
	if (e == NULL) {
		stray_rst(v, p);
	} else if (p->op == VSOCK_OP_RST) {
		end_over(e);
	} else if ((e->todo & TODO_RST) == 0) {
		/* Otherwise it is about to hear that it ended. */
		if (forward(e, p, chain))
			instance_stat(v->in, VSOCK_SIBLING, 1);
		else
			reset(e);
	}
	chain_done(chain);
}

void sibling_reset(struct vsock *v)
{
	while (v->ends != NULL)
		end_over(v->ends);
}

unsigned sibling_show(const struct vsock *v, struct said *r, unsigned most)
{
	const struct link_end *e;
	unsigned n = 0;

	for (e = v->ends; e != NULL && n <= most; e = e->next, n++) {
		if (n < most)
			control_say(r, "guest %u peer %llu:%u %s sibling waiting %u\n",
				    e->key.guest_port, (unsigned long long)e->key.peer_cid,
				    e->key.peer_port, e->link->type == VSOCK_TYPE_STREAM ?
				    "stream" : "seqpacket", e->queue.n);
	}
	return n;
}
