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
	uint32_t connect_ms, shutdown_ms, linger_ms;
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

/* Place in the table of a guest, by its ports. */
struct key {
	struct key *next;
	uint64_t peer_cid;              /* whom the guest has addressed, or is addressed by */
	uint32_t guest_port, peer_port;
	bool hashed;
};

enum served { SERVED, SERVE_AGAIN, NO_BUFFERS };

/* Somebody with something for a guest, in the list of those. */
struct turn {
	struct turn *next, **at;        /* at NULL: not in the list */
	/* Leaves the list, or goes to its end, unless it returns NO_BUFFERS. */
	enum served (*serve)(struct turn *t);
};

/* How many packets lie unread at the guest, counted in groups. */
struct marks {
	uint32_t end[MARKS];            /* tx_cnt behind the last packet of the group */
	uint16_t n[MARKS];
	uint16_t total;
	uint8_t first, count;
};

struct conn {
	struct vsock *v;
	struct key key;
	struct turn turn;
	struct conn *all_next, **all_at;
	struct io io;
	struct timer timer;
	int fd;
	uint8_t state, todo, type;
	uint8_t guest_shut, host_shut;  /* SHUTDOWN flags, had and due or sent */
	bool readable, hup, blocked, wide, asked, host_deaf, greeted,
		crumbs, redials;
	/* From the guest: our window, bytes had, bytes passed on, and as last told. */
	uint32_t window, rx_cnt, fwd_cnt, told_fwd;
	/* To the guest: its window, bytes passed on as it last told, bytes sent. */
	uint32_t peer_alloc, peer_fwd, tx_cnt;
	uint32_t burst;                 /* bytes to read at once */
	struct bytes out;               /* for the host */
	struct bytes in;                /* a message that the rx ring had no room for */
	uint32_t open_record;           /* SEQPACKET: bytes of the message that is not complete */
	bool has_record;
	uint8_t presses;                /* writes in a row that the kernel had no memory for */
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
	struct key **buckets;
	unsigned n_buckets, n_keys;     /* buckets: a power of two */
	struct conn *all;
	unsigned n_conns;
	struct turn *ready, **ready_end;
	unsigned n_redials;             /* those that a listener had no room for */
	uint32_t next_port;
	uint64_t buffered;
	struct entry *entries;
	struct stray *strays;
	unsigned n_strays, first_stray;
	bool serving, met, reset_due;   /* met: its rings have run */
	/* Siblings. */
	struct vsock *next_guest;
	bool listed, there;             /* there: its driver runs, or is paused */
	struct link_end *ends;          /* of its connections to them */
	unsigned n_links;               /* those that it has asked for */
	struct batch batch;
	struct log_limit limit;
};

void vsock_from_guest(struct vsock *v);  /* packets of the guest, as far as they may go */

/* table.c */
struct key *key_find(const struct vsock *v, uint64_t peer_cid, uint32_t guest_port,
		     uint32_t peer_port);
int key_add(struct vsock *v, struct key *k);    /* -ENOMEM */
void key_remove(struct vsock *v, struct key *k);
void table_free(struct vsock *v);

/* conn.c: what packets and the host do to a connection */
struct conn *conn_new(struct vsock *v);                 /* NULL: too many, or no memory */
void conn_free(struct conn *c);
int conn_watch(struct conn *c, int fd); /* c owns the fd from now on */
void conn_reset(struct conn *c);        /* the host is hung up on, the guest gets an RST */
/* What the guest still sent is written before the host is hung up on. */
void conn_leave(struct conn *c);
void conn_packet(struct vsock *v, const struct packet *p, struct chain *chain);
void conn_established(struct conn *c);  /* the host has answered */
void conn_host_gone(struct conn *c, bool all);  /* it sends no more, or is gone */
void conn_ask_guest(struct conn *c);    /* REQUEST: ports are known */
uint64_t conn_after(const struct conn *c, uint64_t ms);
void conn_credit(struct conn *c, const struct packet *p);
void stray_rst(struct vsock *v, const struct packet *p);

/* flow.c: bytes */
void turn_ask(struct vsock *v, struct turn *t);  /* there may be something to send to v */
void turn_leave(struct vsock *v, struct turn *t);       /* is not in that list any more */
void conn_wake(struct conn *c);
enum served conn_serve(struct turn *t);
void flow_to_guest(struct vsock *v);
bool flow_take(struct conn *c, const struct packet *p, struct chain *chain);
void flow_flush(struct vsock *v);       /* the batch */
void flow_write(struct conn *c);        /* what waits for the host .. */
void flow_linger(struct conn *c);       /* .. of a guest that is done with it */
bool flow_waits(const struct conn *c);  /* .. if anything does */
void flow_credit(struct conn *c);       /* tell the guest of room, if it is time to */
void bytes_free(struct vsock *v, struct bytes *b);
/* n more at the end; false: the guest has too much waiting, no memory, or a bad chain. */
bool bytes_room(struct vsock *v, struct bytes *b, uint32_t n);
bool bytes_add(struct vsock *v, struct bytes *b, struct chain *chain, uint32_t n);
void bytes_drop(struct vsock *v, struct bytes *b, uint32_t n);
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
void sibling_packet(struct vsock *v, const struct packet *p, struct chain *chain);
void sibling_reset(struct vsock *v);    /* its connections to them are no more */
struct said;
unsigned sibling_show(const struct vsock *v, struct said *r, unsigned most);

/* config.c: the YAML file of the original, by libyaml */
extern const struct dl_library yaml_library;
bool config_is_yaml(FILE *f, const char *path);
int config_read(FILE *f, const char *path, struct option_texts *ret_texts, struct error *err);

#endif
