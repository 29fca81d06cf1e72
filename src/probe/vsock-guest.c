/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Packets and connections of a guest in user space. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vsock-guest.h"

enum { HDR = sizeof(struct virtio_vsock_hdr), RX_STEP = 4096, TX_STEP = VSOCK_PACKET_MAX + 4096,
	TX_DATA = 4096, FIRST_PORT = 40000, SOON = 64 << 10 };

/* -- Packets ------------------------------------------------------------------ */

static int post_rx(struct vg *g, unsigned i, struct error *err)
{
	const struct fe_seg seg = { g->rx_at + (uint64_t)i * RX_STEP, VG_RX_SIZE };

	if (fe_ring_add(g->v->rings[VSOCK_RXQ], &seg, 0, 1, 0, g->rx + (size_t)i * RX_STEP) < 0)
		return error_set(err, -EIO, "no room for a receive buffer");
	return 0;
}

int vg_open(struct vg *g, struct vdev *v, struct error *err)
{
	struct fe_seg event = { 0, sizeof(struct virtio_vsock_event) };
	struct virtio_vsock_config config;
	unsigned i;
	int ret;

	*g = (struct vg){ .v = v, .next_port = FIRST_PORT, .held = -1 };
	ret = vdev_config(v, 0, &config, sizeof(config), err);
	if (ret < 0)
		return ret;
	g->cid = le64_get(config.guest_cid);
	if (fe_mem_alloc(v->mem, 0, (uint64_t)VG_RX_BUFFERS * RX_STEP, 4096, &g->rx_at) < 0 ||
	    fe_mem_alloc(v->mem, 0, (uint64_t)VG_TX_SLOTS * TX_STEP, 4096, &g->tx_at) < 0 ||
	    fe_mem_alloc(v->mem, 0, 4096, 4096, &g->event_at) < 0)
		return error_set(err, -ENOMEM, "no room for buffers");
	g->rx = fe_mem_at(v->mem, g->rx_at, (uint64_t)VG_RX_BUFFERS * RX_STEP);
	g->tx = fe_mem_at(v->mem, g->tx_at, (uint64_t)VG_TX_SLOTS * TX_STEP);
	while (g->n_free < VG_TX_SLOTS) {
		g->free_slots[g->n_free] = (uint16_t)g->n_free;
		g->n_free++;
	}
	for (i = 0; ret == 0 && i < VG_RX_BUFFERS && i < fe_ring_size(v->rings[VSOCK_RXQ]); i++)
		ret = post_rx(g, i, err);
	for (i = 0; ret == 0 && i < VG_EVENTS; i++) {
		event.guest = g->event_at + i * 16ULL;
		ret = fe_ring_add(v->rings[VSOCK_EVENTQ], &event, 0, 1, 0, g);
	}
	return ret < 0 ? ret : vg_kick(g, err);
}

int vg_kick(struct vg *g, struct error *err)
{
	unsigned q;
	int ret = 0;

	for (q = 0; ret >= 0 && q < VSOCK_QUEUES; q++)
		ret = fe_ring_kick(g->v->rings[q], g->v->fe, err);
	return ret < 0 ? ret : 0;
}

static int reap(struct vg *g, struct error *err)
{
	struct fe_used used;
	int ret;

	while ((ret = fe_ring_get(g->v->rings[VSOCK_TXQ], &used, err)) == 1)
		g->free_slots[g->n_free++] = (uint16_t)(((uint8_t *)used.token - g->tx) / TX_STEP);
	return ret;
}

int vg_send(struct vg *g, const struct vg_packet *p, const void *data, struct error *err)
{
	const struct virtio_vsock_hdr hdr = {
		.src_cid = le64(p->src_cid), .dst_cid = le64(p->dst_cid),
		.src_port = le32(p->src_port), .dst_port = le32(p->dst_port),
		.len = le32(p->len), .type = le16(p->type), .op = le16(p->op),
		.flags = le32(p->flags), .buf_alloc = le32(p->buf_alloc),
		.fwd_cnt = le32(p->fwd_cnt),
	};
	struct fe_seg segs[1 + VSOCK_PACKET_MAX / VG_PIECE];
	uint32_t n = data != NULL ? p->len : 0, done, len;
	unsigned slot, count = 0;
	uint64_t at;
	int ret;

	if (g->n_free == 0) {
		ret = reap(g, err);
		if (ret < 0)
			return ret;
		if (g->n_free == 0)
			return -EAGAIN;
	}
	slot = g->free_slots[--g->n_free];
	at = g->tx_at + (uint64_t)slot * TX_STEP;
	memcpy(g->tx + (size_t)slot * TX_STEP, &hdr, HDR);
	if (n > 0)
		memcpy(g->tx + (size_t)slot * TX_STEP + TX_DATA, data, n);
	segs[count++] = (struct fe_seg){ at, HDR };
	for (done = 0; done < n; done += len) {
		len = n - done < VG_PIECE ? n - done : VG_PIECE;
		segs[count++] = (struct fe_seg){ at + TX_DATA + done, len };
	}
	ret = fe_ring_add(g->v->rings[VSOCK_TXQ], segs, count, 0, 0,
			  g->tx + (size_t)slot * TX_STEP);
	if (ret < 0) {
		g->n_free++;
		return ret == -ENOSPC ? -EAGAIN : error_set(err, ret, "a packet does not fit");
	}
	return 0;
}

/* A buffer that came back; its packet is looked at until the next is asked for. */
static int next_buffer(struct vg *g, struct vg_packet *ret, uint32_t *ret_len, struct error *err)
{
	struct virtio_vsock_hdr h;
	struct fe_used used;
	int got;

	if (g->held >= 0) {
		got = post_rx(g, (unsigned)g->held, err);
		g->held = -1;
		if (got < 0)
			return got;
	}
	got = fe_ring_get(g->v->rings[VSOCK_RXQ], &used, err);
	if (got != 1)
		return got;
	g->held = (int)(((uint8_t *)used.token - g->rx) / RX_STEP);
	memcpy(&h, used.token, HDR);
	*ret = (struct vg_packet){
		.src_cid = le64_get(h.src_cid), .dst_cid = le64_get(h.dst_cid),
		.src_port = le32_get(h.src_port), .dst_port = le32_get(h.dst_port),
		.len = le32_get(h.len), .flags = le32_get(h.flags),
		.buf_alloc = le32_get(h.buf_alloc), .fwd_cnt = le32_get(h.fwd_cnt),
		.type = le16_get(h.type), .op = le16_get(h.op),
		.data = (const uint8_t *)used.token + HDR,
	};
	*ret_len = used.len;
	return 1;
}

int vg_receive(struct vg *g, struct vg_packet *ret, struct error *err)
{
	uint32_t len = 0;
	int got;

	while ((got = next_buffer(g, ret, &len, err)) == 1) {
		/* As Linux does, which passes over the others without a word. */
		if (len >= HDR && ret->len == len - HDR && ret->dst_cid == g->cid)
			return 1;
		g->malformed++;
	}
	return got;
}

int vg_wait(struct vg *g, int fd, unsigned ms, struct error *err)
{
	struct fe_ring *rx = g->v->rings[VSOCK_RXQ], *tx = g->v->rings[VSOCK_TXQ];
	int ret = vg_kick(g, err);
	bool ready;

	if (ret < 0)
		return ret;
	ready = fe_ring_arm(rx, 1);
	/* Slots are waited for only when there is none. */
	if (g->n_free == 0)
		ready = fe_ring_arm(tx, VG_TX_SLOTS / 2) || ready;
	if (!ready)
		ret = fe_rings_sleep(g->v->rings, VSOCK_EVENTQ, g->v->fe, fd, ms * 1000000ULL,
				     err);
	fe_ring_disarm(rx);
	fe_ring_disarm(tx);
	return ret;
}

/* -- Connections ---------------------------------------------------------------- */

static int send_op(struct vg_conn *c, uint16_t op, uint32_t len, uint32_t flags, const void *data,
		   struct error *err)
{
	const struct vg_packet p = {
		.src_cid = c->g->cid, .dst_cid = c->peer_cid, .src_port = c->port,
		.dst_port = c->peer_port, .len = len, .flags = flags, .type = c->type, .op = op,
		.buf_alloc = c->window, .fwd_cnt = c->stalled ? c->told : c->rx_cnt,
	};
	int ret;

	/* Only data may be late. */
	while ((ret = vg_send(c->g, &p, data, err)) == -EAGAIN && op != VSOCK_OP_RW) {
		ret = vg_wait(c->g, -1, c->g->v->timeout_ms, err);
		if (ret < 0)
			return ret;
	}
	if (ret == 0)
		c->told = p.fwd_cnt;
	return ret;
}

static void link_conn(struct vg *g, struct vg_conn *c)
{
	c->g = g;
	c->next = g->conns;
	c->at = &g->conns;
	if (g->conns != NULL)
		g->conns->at = &c->next;
	g->conns = c;
	if (c->type == 0)
		c->type = VSOCK_TYPE_STREAM;
	if (c->window == 0)
		c->window = VG_WINDOW;
}

void vg_drop(struct vg_conn *c)
{
	if (c->at == NULL)
		return;
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	c->at = NULL;
}

int vg_connect(struct vg *g, struct vg_conn *c, uint32_t peer_port, struct error *err)
{
	link_conn(g, c);
	c->state = VG_ASKED;
	c->port = g->next_port++;
	c->peer_port = peer_port;
	if (c->peer_cid == 0)
		c->peer_cid = VSOCK_CID_HOST;
	return send_op(c, VSOCK_OP_REQUEST, 0, 0, NULL, err);
}

int vg_accept(struct vg *g, struct vg_conn *c, const struct vg_packet *request,
	      struct error *err)
{
	c->type = request->type;
	link_conn(g, c);
	c->state = VG_OPEN;
	c->port = request->dst_port;
	c->peer_port = request->src_port;
	c->peer_cid = request->src_cid;
	c->peer_alloc = request->buf_alloc;
	c->peer_fwd = request->fwd_cnt;
	return send_op(c, VSOCK_OP_RESPONSE, 0, 0, NULL, err);
}

int vg_write(struct vg_conn *c, const void *data, uint32_t n, uint32_t most, struct error *err)
{
	uint32_t done = 0, len, room;
	int ret;

	while (done < n && c->state == VG_OPEN) {
		room = c->peer_alloc - (c->tx_cnt - c->peer_fwd);
		len = n - done < most ? n - done : most;
		len = len < room ? len : room;
		/* A write that does not fit waits, as one of a blocking program does. */
		if (len == 0 || (len < most && len < n - done))
			break;
		ret = send_op(c, VSOCK_OP_RW, len, c->type == VSOCK_TYPE_SEQPACKET &&
			      done + len == n ? VSOCK_SEQ_EOM : 0,
			      (const uint8_t *)data + done, err);
		if (ret == -EAGAIN)
			break;
		if (ret < 0)
			return ret;
		c->tx_cnt += len;
		done += len;
	}
	return (int)done;
}

int vg_shutdown(struct vg_conn *c, uint32_t flags, struct error *err)
{
	return send_op(c, VSOCK_OP_SHUTDOWN, 0, flags, NULL, err);
}

int vg_tell_credit(struct vg_conn *c, struct error *err)
{
	return c->rx_cnt != c->told ? send_op(c, VSOCK_OP_CREDIT_UPDATE, 0, 0, NULL, err) : 0;
}

static struct vg_conn *find(struct vg *g, const struct vg_packet *p)
{
	struct vg_conn *c;

	for (c = g->conns; c != NULL; c = c->next) {
		if (c->port == p->dst_port && c->peer_port == p->src_port &&
		    c->peer_cid == p->src_cid)
			return c;
	}
	return NULL;
}

static int refuse(struct vg *g, const struct vg_packet *p, struct error *err)
{
	const struct vg_packet rst = {
		.src_cid = p->dst_cid, .dst_cid = p->src_cid, .src_port = p->dst_port,
		.dst_port = p->src_port, .type = p->type, .op = VSOCK_OP_RST,
	};
	int ret;

	if (p->op == VSOCK_OP_RST)
		return 0;
	while ((ret = vg_send(g, &rst, NULL, err)) == -EAGAIN) {
		ret = vg_wait(g, -1, g->v->timeout_ms, err);
		if (ret < 0)
			break;
	}
	return ret;
}

static int take(struct vg_conn *c, const struct vg_packet *p, struct error *err)
{
	c->peer_alloc = p->buf_alloc;
	c->peer_fwd = p->fwd_cnt;
	switch (p->op) {
	case VSOCK_OP_RESPONSE:
		c->state = VG_OPEN;
		return 0;
	case VSOCK_OP_RST:
		c->refused = c->state == VG_ASKED;
		c->state = VG_CLOSED;
		return 0;
	case VSOCK_OP_SHUTDOWN:
		c->shut |= p->flags;
		if (c->shut != VSOCK_SHUT_BOTH)
			return 0;
		c->state = VG_CLOSED;
		return send_op(c, VSOCK_OP_RST, 0, 0, NULL, err);
	case VSOCK_OP_RW:
		c->rx_cnt += p->len;
		if (c->rx_cnt - c->told > c->window)
			return error_set(err, -EPROTO, "more came than there was room for");
		if (c->got != NULL)
			c->got(c, p->data, p->len, p->flags);
		/* As Linux does: when less than a packet is left. */
		if (!c->stalled && c->window - (c->rx_cnt - c->told) < SOON)
			return vg_tell_credit(c, err);
		return 0;
	case VSOCK_OP_CREDIT_REQUEST:
		return send_op(c, VSOCK_OP_CREDIT_UPDATE, 0, 0, NULL, err);
	default:
		return 0;
	}
}

int vg_turn(struct vg *g, void (*asked)(struct vg *g, const struct vg_packet *p, void *ctx),
	    void *ctx, struct error *err)
{
	struct vg_conn *c;
	struct vg_packet p;
	int ret = 0, n = 0;

	while (ret == 0 && (ret = vg_receive(g, &p, err)) == 1) {
		ret = 0;
		n++;
		c = find(g, &p);
		if (c != NULL)
			ret = take(c, &p, err);
		else if (p.op == VSOCK_OP_REQUEST && asked != NULL)
			asked(g, &p, ctx);
		else
			ret = refuse(g, &p, err);
	}
	return ret < 0 ? ret : n;
}
