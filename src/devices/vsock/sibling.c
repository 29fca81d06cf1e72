/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guests of one process that talk to each other: a packet goes from the
 * sender's buffers straight into the receiver's. Both drivers keep the states of
 * their connections, we keep none.
 *
 * A receiver without buffers makes the sender wait, with all its packets behind
 * that one, as a receiver's driver gives buffers back whatever its programs do.
 * One that does not for WAIT_MS is stuck: until it takes buffers again, what is
 * sent to it is answered by an RST at once. Those who wait for the same one, and
 * the receiver's own connections to the host, take turns.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "vsock.h"

enum { HDR = sizeof(struct virtio_vsock_hdr), WAIT_MS = 2000, PIECES = 64 };

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

/* A part of the packet that fits the buffer; flags stay with the last one. */
static uint32_t put_part(struct vsock *to, const struct packet *p, uint32_t done,
			 struct chain *from, struct chain *chain)
{
	uint32_t n = p->op == VSOCK_OP_RW ? p->len - done : 0;
	struct virtio_vsock_hdr hdr = {
		.src_cid = le64(p->src_cid), .dst_cid = le64(p->dst_cid),
		.src_port = le32(p->src_port), .dst_port = le32(p->dst_port),
		.type = le16(p->type), .op = le16(p->op), .flags = le32(p->flags),
		.buf_alloc = le32(p->buf_alloc), .fwd_cnt = le32(p->fwd_cnt),
	};

	/* Both sides may name the same memory again and again: a turn has an end. */
	if (n > VSOCK_PACKET_MAX || n > chain_put_size(chain) - HDR) {
		n = VSOCK_PACKET_MAX;
		if (n > chain_put_size(chain) - HDR)
			n = (uint32_t)(chain_put_size(chain) - HDR);
		hdr.flags = le32(p->op == VSOCK_OP_RW ? 0 : p->flags);
	}
	hdr.len = le32(n);
	chain_put(chain, &hdr, HDR);
	if (!copy(from, chain, n))
		instance_stat(to->in, VSOCK_BAD, 1);
	chain_done(chain);
	instance_stat(to->in, VSOCK_RX_PACKETS, 1);
	instance_stat(to->in, VSOCK_RX_BYTES, n);
	return n;
}

/* false: no buffers are left, *done tells how far it came. */
static bool deliver(struct vsock *to, const struct packet *p, struct chain *from, uint32_t *done)
{
	const uint32_t all = p->op == VSOCK_OP_RW ? p->len : 0;
	struct chain *chain;

	do {
		chain = flow_buffer(to, *done < all);
		if (chain == NULL)
			return false;
		*done += put_part(to, p, *done, from, chain);
	} while (*done < all);
	to->stuck = false;
	return true;
}

static void refuse(struct vsock *v, const struct packet *p)
{
	instance_stat(v->in, VSOCK_REFUSED, 1);
	stray_rst(v, p);
}

/* Who of this loop waits for room at v, and came first. */
static struct vsock *waiting(const struct vsock *v)
{
	struct vsock *other, *first = NULL;

	pthread_mutex_lock(&guests_lock);
	for (other = guests; other != NULL; other = other->next_guest) {
		if (other->loop == v->loop && other->held != NULL &&
		    other->held_packet.dst_cid == v->cid &&
		    (first == NULL || other->held_turn < first->held_turn))
			first = other;
	}
	pthread_mutex_unlock(&guests_lock);
	return first;
}

bool sibling_packet(struct vsock *v, const struct packet *p, struct chain *chain)
{
	struct vsock *to = find(v, p->dst_cid);
	uint32_t done = 0;

	if (to == NULL || !queue_running(to->rx) || (p->op == VSOCK_OP_RW && p->len == 0)) {
		refuse(v, p);
	} else if (to->ready != NULL || waiting(to) != NULL || !deliver(to, p, chain, &done)) {
		if (!to->stuck) {
			v->held = chain;
			v->held_packet = *p;
			v->held_done = done;
			v->held_turn = to->turns++;
			timer_set(&v->held_timer, loop_now(v->loop) + WAIT_MS * 1000000ULL);
			return false;
		}
		refuse(v, p);
	} else {
		instance_stat(v->in, VSOCK_SIBLING, 1);
	}
	chain_done(chain);
	return true;
}

static void let_go(struct vsock *v)
{
	timer_set(&v->held_timer, 0);
	chain_done(take_ptr(v->held));
	vsock_from_guest(v);
}

void sibling_room(struct vsock *v)
{
	struct vsock *other;

	v->stuck = false;
	while ((other = waiting(v)) != NULL &&
	       deliver(v, &other->held_packet, other->held, &other->held_done)) {
		instance_stat(other->in, VSOCK_SIBLING, 1);
		let_go(other);
	}
}

void sibling_late(struct timer *t)
{
	struct vsock *v = container_of(t, struct vsock, held_timer), *to;

	if (v->held == NULL)
		return;
	to = find(v, v->held_packet.dst_cid);
	if (to != NULL)
		to->stuck = true;
	refuse(v, &v->held_packet);
	let_go(v);
}

/* Sent in part it cannot go back to the ring: its connection ends. */
void sibling_stop(struct vsock *v)
{
	struct chain *chain = take_ptr(v->held);

	if (chain == NULL)
		return;
	timer_set(&v->held_timer, 0);
	if (v->held_done == 0) {
		chain_return(chain);
		return;
	}
	refuse(v, &v->held_packet);
	chain_done(chain);
}
