/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One const row per kind of device: the only symbol a device exports. Ring,
 * notification and vhost-user feature bits, config bounds, queue indices, the
 * event index and the question whether a guest was reset belong to the core.
 *
 * Order of callbacks (docs/architecture.md draws it):
 *   check open [ negotiated ( start handle* stop )* reset ]* close
 * config_written may come any time between open and close. None ever comes
 * from inside a call that the device makes. Members that are NULL or zero mean
 * "not supported".
 */
#ifndef VHOST_DEVICE_DEVICE_H
#define VHOST_DEVICE_DEVICE_H

#include "vhost-device/chain.h"
#include "vhost-device/dl.h"
#include "vhost-device/error.h"
#include "vhost-device/instance.h"
#include "vhost-device/log.h"
#include "vhost-device/option.h"
#include "vhost-device/queue.h"

struct queue_row {
	const char *name;               /* "requestq" */
	uint16_t max_size;              /* largest ring; --queue-size overrides */
	uint16_t req_size, state_size;  /* zeroed device bytes per chain / per queue */
	void (*handle)(struct queue *q);        /* pull requests now; may be spurious */
};

enum {
	DEV_IN_ORDER = 1,               /* ends the chains of a queue in the order of pops */
	DEV_OWN_LOOP = 2,               /* a thread of its own */
	DEV_ONCE = 4,                   /* one session, then the process exits (--persistent) */
	DEV_SOCKET_INDEX = 8,           /* sockets PATH0, PATH1, ... (--socket-count) */
};

enum { DEVICE_QUEUES = 256 };           /* a vhost-user message has no room for more */

enum reset_why {
	RESET_DRIVER,                   /* the guest's driver started afresh */
	RESET_LEFT,                     /* the front end left */
};

/*
 * What an operator may tell a running instance (--control). Words are those
 * behind the name; < 0 with err set: that is the answer.
 */
struct said;
void control_say(struct said *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct device_command {
	const char *name, *args, *help;
	unsigned least, most;           /* words behind the name */
	int (*run)(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err);
};

/* What --config made of a file that is no INI file: values for the OPT_EACH | OPT_GROUP row. */
struct option_texts {
	char **items;
	size_t n;
};

/* Where an instance listens, if an option of the device says so; else NULL and 0. */
struct own_socket {
	const char *path;
	uint16_t queue_size;
};

struct device {
	const char *name, *summary;
	uint32_t virtio_id, flags;
	uint64_t features;              /* device bits offered (0-23, 41, 42, 50-63) */
	uint64_t required;              /* must be acked */
	uint64_t tolerated;             /* may be acked without being offered */
	const struct queue_row *queues;
	uint16_t n_queues;
	uint16_t repeat;                /* the last rows that go on, up to queue_count() */
	uint16_t config_size, config_wr_off, config_wr_len;     /* .. what the driver may write */
	size_t conf_size, state_size;   /* parsed options; zeroed state of an instance */
	const struct option *options;   /* ended by an all-NULL row */
	const char *const *counters;    /* NULL-ended names for instance_stat() */
	const char *const *capabilities;        /* NULL-ended words of --print-capabilities */
	const struct dl_library *const *libraries;      /* NULL-ended: opened only when needed */
	const struct device_command *commands;  /* ended by an all-NULL row */
	const char *type;               /* of --print-capabilities, when not the name */

	/*
	 * Before anything else: 1: it is a file of the device's own kind, 0: not,
	 * < 0 with err. The texts are the caller's.
	 */
	int (*config_file)(FILE *f, const char *path, struct option_texts *ret_texts,
			   struct error *err);
	void (*own_socket)(const void *conf, struct own_socket *ret);   /* after check */
	int (*check)(void *conf, struct error *err);    /* rules across options; < 0 with err set */
	/* Must the two live on one loop? NULL: none of them. */
	bool (*together)(const void *conf, const void *other_conf);
	/* How many queues, 1 to DEVICE_QUEUES; NULL: n_queues. After check. */
	unsigned (*queue_count)(const void *conf);
	int (*open)(struct instance *in, struct error *err);    /* host resources */
	void (*close)(struct instance *in);     /* half-open is fine; no chain or job is left */
	int (*negotiated)(struct instance *in, uint64_t features);      /* < 0 refuses the set */
	void (*start)(struct queue *q);         /* q runs; handle() follows */
	void (*stop)(struct queue *q);          /* end or return every chain that waits */
	void (*reset)(struct instance *in, enum reset_why why);
	void (*config_written)(struct instance *in, unsigned off, unsigned len);
};

#endif
