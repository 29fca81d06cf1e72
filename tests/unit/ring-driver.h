/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver's half of a virtqueue, as plain as it can be: what the ring
 * engine is tested against. Every rule that the device must keep is checked
 * where the driver meets it; the reason is left in driver->wrong.
 */
#ifndef RING_DRIVER_H
#define RING_DRIVER_H

#include <check.h>

#include "core/queue-core.h"

/* For inner loops: an assertion of check costs a system call even when it holds. */
#define MUST(cond) do { if (!(cond)) ck_abort_msg("%s", #cond); } while (0)

enum { GUEST_MAX_REGIONS = 8, DRIVER_MAX_SIZE = 32768 };

struct guest {
	int fd;
	uint8_t *file;                  /* the driver's own mapping of all of it */
	size_t size;
	struct mem_region regions[GUEST_MAX_REGIONS];
	unsigned n;
};

/* Places of the standard layout, see guest_init(). */
enum {
	GUEST_PAGE = 4096,
	GUEST_RING = 0x10000000,        /* 1 MiB, holds any ring */
	GUEST_RING_SIZE = 1 << 20,
	GUEST_DATA = 0x40000000,        /* three regions that touch, and one apart */
	GUEST_DATA_SIZE = 1 << 20,
	GUEST_APART = 0x50000000,       /* 16 pages */
	GUEST_NOWHERE = 0x60000000,     /* no memory */
};

void guest_init(struct guest *g);
void guest_finish(struct guest *g);
/* A new table of its regions. */
struct mem_map *guest_map(const struct guest *g, struct mem_map *old);
/* The driver's view of an address. */
uint8_t *guest_at(const struct guest *g, uint64_t addr);
void guest_write(const struct guest *g, uint64_t addr, const void *src, size_t n);
void guest_read(const struct guest *g, uint64_t addr, void *dst, size_t n);
uint64_t guest_user(const struct guest *g, uint64_t addr);

struct buffer {
	uint64_t addr;
	uint32_t len;
	bool write;
};

struct driver_req {
	bool out;                       /* outstanding */
	void *cookie;
	uint64_t writable;              /* bytes */
	uint16_t slots;                 /* descriptors it took */
};

struct driver {
	const struct guest *guest;
	bool packed, event_idx, in_order;
	unsigned size;
	uint64_t desc, avail, used;     /* guest addresses */
	uint16_t avail_idx, used_idx;   /* split */
	uint16_t slot, used_slot;       /* packed */
	bool wrap, used_wrap;
	uint16_t kick_from;             /* index or slot at the last kick decision */
	bool kick_wrap;
	unsigned n_free, n_out, added;
	uint16_t *next;                 /* split: free list; packed: free ids */
	uint16_t free_head;
	struct driver_req *reqs;        /* by head or id */
	uint16_t *fifo;                 /* outstanding ids in order of adding */
	unsigned fifo_from, fifo_n;
	bool in_batch;                  /* in order: the entry met speaks for more */
	uint32_t batch_id, batch_len;
	const char *wrong;
};

struct driver_setup {
	bool packed, event_idx, in_order;
	unsigned size;
	uint32_t base;                  /* vhost-user encoding */
	uint64_t place;                 /* of the ring in its region, for a second one */
};

void driver_init(struct driver *d, const struct guest *g, const struct driver_setup *s);
void driver_finish(struct driver *d);
uint64_t driver_features(const struct driver *d);
struct queue_addr driver_addr(const struct driver *d);

/*
 * Make a request available. With table != 0 the buffers from the one numbered
 * direct on go through an indirect table there. false: the ring is full.
 */
bool driver_add(struct driver *d, const struct buffer *b, unsigned n, unsigned direct,
		uint64_t table, void *cookie);
/* Since the last call, does the device want a kick? */
bool driver_wants_kick(struct driver *d);
/* The next used buffer. false: none, or wrong is set. */
bool driver_collect(struct driver *d, void **ret_cookie, uint64_t *ret_len);
/* Does the used ring hold something not collected? */
bool driver_has_used(const struct driver *d);
/* Want a signal at the next used buffer, or never. */
void driver_want_signal(struct driver *d, bool on);

/* Raw pieces for rings that break the rules. */
void split_desc(const struct driver *d, unsigned i, struct buffer b, uint16_t flags,
		uint16_t next);
void split_offer(struct driver *d, uint16_t head);
void packed_desc(const struct driver *d, unsigned slot, struct buffer b, uint16_t id,
		 uint16_t flags, bool wrap);
void table_desc(const struct guest *g, uint64_t table, unsigned i, struct buffer b,
		uint16_t flags, uint16_t next);
uint16_t split_used_idx(const struct driver *d);
void split_set_avail_idx(const struct driver *d, uint16_t idx);
void driver_set_used_event(const struct driver *d, uint16_t event);

#endif
