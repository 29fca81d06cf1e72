/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Inside of the console device; nobody outside of its folder includes this. */
#ifndef DEVICES_CONSOLE_H
#define DEVICES_CONSOLE_H

#include <sys/types.h>
#include <sys/uio.h>

#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "wire/virtio-console.h"

enum { CONSOLE_MAX_PORTS = DEVICE_QUEUES / 2 - 1, CONSOLE_NAME_MAX = 256 };

/* Words of --backend, in this order. */
enum backend_kind {
	BACKEND_NESTED, BACKEND_NETWORK, BACKEND_UNIX, BACKEND_PTY, BACKEND_FILE,
	BACKEND_PROGRAM, BACKEND_NULL, BACKEND_KINDS,
};

/* What the options say of a port, alone on the command line or in --port. */
struct port_conf {
	char *name;
	unsigned backend;
	unsigned console;               /* 0: on, 1: off, as the words */
	unsigned absent;                /* 0: plugged, 1: not at first */
	char *path;
	char *address;
	uint32_t tcp_port;
	char *command;
	char *log;
	uint32_t scrollback;
	uint32_t patience_ms;
};

struct console_conf {
	struct port_conf port;          /* the only one .. */
	struct opt_list ports;          /* .. unless there are struct port_conf here */
	bool single;                    /* without the control queues */
	unsigned resize_order;          /* 0: as the standard says, 1: rows first */
	int escape;                     /* the key that ends us; < 0: none */
	uint32_t queue_size;
};

enum console_counter {
	CONSOLE_TO_GUEST, CONSOLE_FROM_GUEST, CONSOLE_DROPPED, CONSOLE_CLIENTS, CONSOLE_MESSAGES,
	CONSOLE_BAD, CONSOLE_EMERGENCY,
};

struct port;

/*
 * One who takes the output of a port. Output is counted from the beginning; a
 * sink stands at a byte of it, and what lies between it and the newest is in
 * the port's ring. Whoever holds up a console for too long is late: he loses
 * what the ring has no room for.
 */
struct sink {
	struct sink *next;
	struct port *port;
	uint64_t at;
	bool listed, late;
	bool blocked;                   /* output_more() will be called */
	bool direct;                    /* may be lent guest memory */
	/* Bytes taken, or -errno; -EAGAIN: blocked. Others end him: he has left the list. */
	ssize_t (*write)(struct sink *s, const struct iovec *iov, unsigned n);
};

/* Who sits at the other end of a port. */
struct client {
	struct sink sink;
	struct io in_io, out_io;
	int in, out;                    /* -1: nobody; they may be one and the same */
	bool readable;
	bool hup;
	bool in_over;                   /* nothing more will come from him */
	uint32_t burst;                 /* bytes to read at once */
	uint32_t n_typed;
	uint8_t typed[4096];            /* read before the guest had a buffer */
};

/* Bits of what a port's guest is still to be told, told in this order. */
enum {
	TELL_REMOVE = 1, TELL_ADD = 2, TELL_CONSOLE = 4, TELL_SIZE = 8, TELL_NAME = 16,
	TELL_OPEN = 32,
};

struct backend;

struct port {
	struct console *con;
	const struct port_conf *conf;
	const struct backend *backend;
	void *host;                     /* the back end's own */
	unsigned id;
	struct queue *rx, *tx;
	bool console;
	/* What the guest knows and says. */
	bool plugged, added, guest_open;
	uint8_t tell;
	uint16_t cols, rows;            /* 0: not known */
	/* What the host does. */
	bool host_open;
	struct client client;
	/* Output. */
	uint8_t *ring;
	uint32_t ring_size, replay;
	uint64_t head;                  /* bytes put out so far */
	size_t resume;                  /* .. of the chain that a stop gave back */
	struct sink *sinks;
	struct sink *log;
	struct timer patience;
	bool impatient;                 /* the timer runs */
	struct post again;
	uint64_t to_guest, dropped;
};

struct console {
	struct instance *in;
	const struct console_conf *conf;
	struct loop *loop;
	struct queue *control_rx, *control_tx;
	struct port *ports;
	unsigned n_ports, next_told;
	bool met;                       /* this guest's rings have run */
	bool device_ready;
	struct log_limit limit;
};

/* One kind of host's end. All functions may be NULL. */
struct backend {
	bool resumes;                   /* the next client wants nothing that the last one had */
	int (*check)(const struct port_conf *conf, struct error *err);
	int (*open)(struct port *p, struct error *err);
	void (*close)(struct port *p);
	void (*gone)(struct port *p);   /* the client has left */
	/* Bytes from the client, in place; how many of them are for the guest. */
	size_t (*typed)(struct port *p, uint8_t *bytes, size_t n);
	void (*describe)(const struct port *p, struct said *r);
};

extern const struct backend backend_nested, backend_network, backend_unix, backend_pty,
	backend_file, backend_program, backend_null;

/* console.c */
bool console_multiport(const struct console *con);
uint64_t console_after(const struct console *con, uint64_t ms);
int console_path(const struct port *p, const char *path, char *buf, size_t size,
		 struct error *err);

/* control.c: messages about ports */
void control_from_guest(struct console *con);
void control_to_guest(struct console *con);
void control_reset(struct console *con);
/* The rings have been used, but not with us: what the guest knows is a guess. */
void control_resume(struct console *con);
void control_tell(struct port *p, unsigned bits);
void port_set_size(struct port *p, uint16_t cols, uint16_t rows);
void port_set_host_open(struct port *p, bool open);
int port_plug(struct port *p, bool plug);       /* -EALREADY */

/* output.c: from the guest */
int output_init(struct port *p);
void output_finish(struct port *p);
void output_run(struct port *p);
void output_more(struct sink *s);               /* it is blocked no longer */
void output_stop(struct port *p);               /* its queue stops */
void output_byte(struct port *p, uint8_t byte); /* out of the order of the queue */
/* He has not had the last n bytes, as far as the scrollback goes. */
void sink_add(struct port *p, struct sink *s, uint64_t n);
void sink_remove(struct sink *s);

/* input.c: to the guest */
void input_run(struct port *p);
bool input_may_go(const struct port *p);

/* client.c */
/* Takes the descriptors, whatever it returns; whoever was there is sent off. */
int client_attach(struct port *p, int in, int out);
void client_leave(struct port *p);
bool client_is_there(const struct port *p);
void client_input_over(struct port *p); /* end of file */

/* backend-file.c: a file that output is appended to; also --log */
struct sink *file_sink_new(struct port *p, const char *path, struct error *err);
void file_sink_free(struct sink *s);

#endif
