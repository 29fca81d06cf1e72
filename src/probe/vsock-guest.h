/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver half of virtio-vsock in user space: packets as they are, and on
 * top of them connections that follow the rules of credit. The buffers are
 * those of Linux: 3776 bytes to receive, a header and pieces of 32 KiB to send.
 */
#ifndef PROBE_VSOCK_GUEST_H
#define PROBE_VSOCK_GUEST_H

#include "driver.h"
#include "wire/virtio-vsock.h"

enum { VG_RX_BUFFERS = 128, VG_RX_SIZE = 3776, VG_TX_SLOTS = 64, VG_WINDOW = 256 << 10,
	VG_PIECE = 32768, VG_RX_DATA = VG_RX_SIZE - 44, VG_EVENTS = 8,
	VG_QUEUE_SIZE = 256 };

/* Guest memory that one takes. */
#define VG_MEMORY ((uint64_t)VG_RX_BUFFERS * 4096 + \
	(uint64_t)VG_TX_SLOTS * (VSOCK_PACKET_MAX + 4096) + 65536)

struct vg_packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
	const uint8_t *data;            /* of one received, until the next is asked for */
};

struct vg_conn;

struct vg {
	struct vdev *v;
	uint64_t cid;
	uint64_t rx_at, tx_at, event_at;
	uint8_t *rx, *tx;               /* our view of the same */
	uint16_t free_slots[VG_TX_SLOTS];
	unsigned n_free;
	struct vg_conn *conns;
	uint32_t next_port;
	int held;                       /* receive buffer whose packet is being looked at, or -1 */
	uint64_t malformed;             /* packets that Linux would pass over */
};

enum vg_state { VG_ASKED, VG_OPEN, VG_CLOSED };

struct vg_conn {
	struct vg *g;
	struct vg_conn *next, **at;
	enum vg_state state;
	bool refused;                   /* RST before it was open */
	uint16_t type;
	uint32_t port, peer_port, shut; /* SHUTDOWN flags had */
	uint64_t peer_cid;
	uint32_t tx_cnt, peer_alloc, peer_fwd;
	uint32_t rx_cnt, told;
	uint32_t window;
	bool stalled;                   /* the program does not read: no room is told of */
	void *ctx;
	void (*got)(struct vg_conn *c, const uint8_t *data, uint32_t n, uint32_t flags);
};

/* On a device whose three queues run; NULL with err set. Takes VG_MEMORY of its memory. */
int vg_open(struct vg *g, struct vdev *v, struct error *err);
/* Copies and sends a packet; -EAGAIN: no slot is free now. */
int vg_send(struct vg *g, const struct vg_packet *p, const void *data, struct error *err);
/* 1: a packet, 0: none now, < 0. */
int vg_receive(struct vg *g, struct vg_packet *ret, struct error *err);
/* Kick, and sleep until there is something, or fd (-1: none) is readable; 0 also when late. */
int vg_wait(struct vg *g, int fd, unsigned ms, struct error *err);
int vg_kick(struct vg *g, struct error *err);

/* To be linked by: port 0: any. Sends a REQUEST. */
int vg_connect(struct vg *g, struct vg_conn *c, uint32_t peer_port, struct error *err);
/* What came for the port, already with a RESPONSE; c has a got() to be set. */
int vg_accept(struct vg *g, struct vg_conn *c, const struct vg_packet *request,
	      struct error *err);
/* As many bytes as credit, slots and packets of at most `most` bytes allow; how many. */
int vg_write(struct vg_conn *c, const void *data, uint32_t n, uint32_t most, struct error *err);
int vg_shutdown(struct vg_conn *c, uint32_t flags, struct error *err);
/* Forgets it, without a word. */
void vg_drop(struct vg_conn *c);
/*
 * Takes what has come, for all connections; a REQUEST to a port without one is
 * given to asked(), or refused. How many packets, or < 0.
 */
int vg_turn(struct vg *g, void (*asked)(struct vg *g, const struct vg_packet *p, void *ctx),
	    void *ctx, struct error *err);
/* Tells of room that was not told of yet. */
int vg_tell_credit(struct vg_conn *c, struct error *err);

/* vsock-load.c */
int vsock_load(const struct ends_setup *setup, struct out *o, struct error *err);

/* vsock-long.c: "rate" or "stall", for so many seconds */
int vsock_long(const char *name, struct vg *g, const char *uds, unsigned seconds, struct out *o,
	       struct error *err);

#endif
