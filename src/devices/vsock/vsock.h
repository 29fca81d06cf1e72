/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Inside of the socket device; nobody outside of its folder includes this. */
#ifndef DEVICES_VSOCK_H
#define DEVICES_VSOCK_H

#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "wire/virtio-vsock.h"

/* Of a guest: what the options say, once for each --vm or section. */
struct vm_conf {
	uint64_t cid;
	char *socket;                   /* of --vm only */
	char *uds_path;
	uint32_t forward_cid;           /* 0: none */
	struct opt_list forward_listen; /* uint32_t */
	uint32_t window;                /* buf_alloc that we advertise */
	uint32_t queue_size;            /* of --vm only */
	struct opt_list groups;         /* char * */
};

struct vsock_conf {
	struct vm_conf vm;
	uint32_t max_connections;
	uint64_t max_buffered;          /* bytes */
	uint32_t connect_ms, shutdown_ms;
	bool no_seqpacket;
};

enum vsock_counter {
	VSOCK_RX_PACKETS, VSOCK_RX_BYTES, VSOCK_TX_PACKETS, VSOCK_TX_BYTES, VSOCK_OPENED,
	VSOCK_REFUSED, VSOCK_RESETS, VSOCK_SPOOFED, VSOCK_BAD, VSOCK_DROPPED, VSOCK_SIBLING,
};

/* A packet's header in our own memory. */
struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len, flags, buf_alloc, fwd_cnt;
	uint16_t type, op;
};

/* Bytes that wait; grows, and goes when it is empty. */
struct bytes {
	uint8_t *p;
	uint32_t size, at, n;
};

enum conn_state {
	CONN_GREETING,                  /* a client of the host says what it wants */
	CONN_ASKED,                     /* .. the guest was sent, or is to be sent, a REQUEST */
	CONN_DIALING,                   /* the guest has asked, the host has not answered yet */
	CONN_OPEN,
	CONN_CLOSING,                   /* our side is done, an RST of the guest is awaited */
	CONN_DEAD,                      /* an RST is to be sent, then it is freed */
	CONN_LINGERING,                 /* the guest is done, its last bytes wait for the host */
};

/* What the guest is to be sent, lowest first; data comes behind RESPONSE. */
enum {
	TODO_REQUEST = 1, TODO_RESPONSE = 2, TODO_CREDIT = 4, TODO_ASK = 8, TODO_SHUTDOWN = 16,
	TODO_RST = 32,
};

enum { MARKS = 16, CONN_ASK_MS = 100 };

/* How many packets lie unread at the guest, counted in groups. */
struct marks {
	uint32_t end[MARKS];            /* tx_cnt behind the last packet of the group */
	uint16_t n[MARKS];
	uint16_t total;
	uint8_t first, count;
};

struct conn {
	struct vsock *v;
	struct conn *hash_next;
	struct conn *all_next, **all_at;
	struct conn *ready_next, **ready_at;    /* ready_at NULL: not in that list */
	struct io io;
	struct timer timer;
	int fd;
	uint8_t state, todo, type;
	uint8_t guest_shut, host_shut;  /* SHUTDOWN flags, had and due or sent */
	bool hashed, readable, hup, blocked, wide, asked, host_deaf, greeted,
		crumbs, redials;
	uint64_t peer_cid;              /* whom the guest has addressed, or is addressed by */
	uint32_t guest_port, peer_port;
	/* From the guest: our window, bytes had, bytes passed on, and as last told. */
	uint32_t window, rx_cnt, fwd_cnt, told_fwd;
	/* To the guest: its window, bytes passed on as it last told, bytes sent. */
	uint32_t peer_alloc, peer_fwd, tx_cnt;
	uint32_t burst;                 /* bytes to read at once */
	struct bytes out;               /* for the host */
	struct bytes in;                /* a message that the rx ring had no room for */
	uint32_t open_record;           /* SEQPACKET: bytes of the message that is not complete */
	bool has_record;
	struct marks marks;
	uint64_t deadline, sent, got;
};

/* An answer to a packet that no connection exists for. */
struct stray {
	uint64_t cid;
	uint32_t guest_port, peer_port;
	uint16_t type;
};

enum { BATCH_CHAINS = 64, BATCH_IOV = 256, RX_CHAINS = 64, RX_IOV = 192, STRAYS = 256 };

/* Data packets of one connection, to be written by one call. */
struct batch {
	struct conn *conn;
	struct chain *chains[BATCH_CHAINS];
	uint32_t lens[BATCH_CHAINS], flags;
	unsigned n;
	uint32_t bytes;
	struct window window;
	struct iovec iov[BATCH_IOV];
};

/* Where clients of the host come in. */
struct entry {
	struct vsock *v;
	struct entry *next;
	struct io io;
	struct timer again;
	int fd;
	int type;                       /* SOCK_STREAM .. */
	uint32_t port;                  /* of the guest; VSOCK_PORT_ANY: the client says */
	char *path;                     /* to be removed */
};

struct vsock {
	struct instance *in;
	const struct vsock_conf *conf;
	struct loop *loop;
	uint64_t cid, seed;
	struct queue *rx, *tx, *events;
	struct conn **buckets, *all;
	struct conn *ready, **ready_end;
	unsigned n_buckets, n_conns;    /* buckets: a power of two */
	unsigned n_redials;             /* those that a listener had no room for */
	uint32_t next_port;
	uint64_t buffered;
	struct entry *entries;
	struct stray *strays;
	unsigned n_strays, first_stray;
	bool serving, met, reset_due;   /* met: its rings have run */
	bool own_first;                 /* whose turn it is for receive buffers */
	/* Siblings. */
	struct vsock *next_guest;
	bool listed, stuck;
	struct chain *held;             /* a packet that its receiver has no room for */
	struct packet held_packet;
	uint32_t held_done;
	uint64_t held_turn, turns;      /* its place among those who wait; how many did for this */
	struct timer held_timer;
	struct batch batch;
	struct log_limit limit;
};

void vsock_from_guest(struct vsock *v);  /* packets of the guest, as far as they may go */

/* conn.c: the table, and what packets and the host do to a connection */
struct conn *conn_new(struct vsock *v);                 /* NULL: too many, or no memory */
void conn_free(struct conn *c);
struct conn *conn_find(struct vsock *v, uint64_t peer_cid, uint32_t guest_port,
		       uint32_t peer_port);
int conn_hash(struct conn *c);          /* under its ports; -ENOMEM */
int conn_watch(struct conn *c, int fd); /* c owns the fd from now on */
void conn_reset(struct conn *c);        /* the host is hung up on, the guest gets an RST */
/* What the guest still sent is written before the host is hung up on. */
void conn_leave(struct conn *c);
void conn_packet(struct vsock *v, const struct packet *p, struct chain *chain);
void conn_established(struct conn *c);  /* the host has answered */
void conn_host_gone(struct conn *c, bool all);  /* it sends no more, or is gone */
void conn_ask_guest(struct conn *c);    /* REQUEST: ports are known */
void conn_table_free(struct vsock *v);
uint64_t conn_after(const struct conn *c, uint64_t ms);
void conn_credit(struct conn *c, const struct packet *p);
void stray_rst(struct vsock *v, const struct packet *p);

/* flow.c: bytes */
void conn_wake(struct conn *c);         /* there may be something to send to the guest */
void conn_forget(struct conn *c);       /* is not in the list of those any more */
void flow_to_guest(struct vsock *v);
bool flow_take(struct conn *c, const struct packet *p, struct chain *chain);
void flow_flush(struct vsock *v);       /* the batch */
void flow_write(struct conn *c);        /* what waits for the host .. */
bool flow_waits(const struct conn *c);  /* .. if anything does */
void flow_credit(struct conn *c);       /* tell the guest of room, if it is time to */
void bytes_free(struct vsock *v, struct bytes *b);
struct virtio_vsock_hdr flow_header(struct conn *c, unsigned op, uint32_t len, uint32_t flags);
struct chain *flow_buffer(struct vsock *v, size_t least);

/* host.c: sockets of the host */
int host_listen(struct vsock *v, struct error *err);
void host_unlisten(struct vsock *v);
void host_dial(struct conn *c);         /* ends in conn_established() or conn_reset() */
void host_dial_over(struct conn *c);    /* it does not wait for a listener any more */
void host_dialed(struct conn *c);       /* the socket is writable */
void host_greeting(struct conn *c);     /* a client sent bytes */
bool host_welcome(struct conn *c);      /* OK; false: the client has gone */

/* sibling.c: guests of this process */
bool sibling_together(const struct vm_conf *a, const struct vm_conf *b);
int sibling_join(struct vsock *v, struct error *err);
void sibling_leave(struct vsock *v);
/* Takes the packet: false when it must wait, and no other may be popped. */
bool sibling_packet(struct vsock *v, const struct packet *p, struct chain *chain);
void sibling_room(struct vsock *v);     /* v can receive again */
void sibling_late(struct timer *t);      /* of held_timer */
void sibling_stop(struct vsock *v);     /* nothing is held any more */

/* config.c: the YAML file of the original, by libyaml */
extern const struct dl_library yaml_library;
bool config_is_yaml(FILE *f, const char *path);
int config_read(FILE *f, const char *path, struct option_texts *ret_texts, struct error *err);

#endif
