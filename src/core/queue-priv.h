/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Inside of the ring engine: queue.c (life, turns, notifications), chain.c
 * (copies and windows), queue-split.c and queue-packed.c (the two layouts,
 * one of which queue_run() chooses).
 */
#ifndef CORE_QUEUE_PRIV_H
#define CORE_QUEUE_PRIV_H

#include "core/queue-core.h"
#include "wire/virtio-ring.h"

enum {
	INLINE_SEGS = 4,                /* longer requests take a list from the pool */
	SEG_CLASSES = 7,                /* of 16, 64, 256 ... 65536 segments */
	FIRST_CLASS = 16,
	MAX_HOLES = 4,                  /* gaps in the put side that wait to be filled */
	HEAD_BATCH = 32,                /* avail entries fetched at once */
	TURN_BUDGET = 256,              /* chains per queue and turn .. */
	CHAIN_PIECES = 256,             /* .. of up to so many pieces, longer ones count for more */
	LONG_TABLE = 1024,              /* descriptors a request may have in any ring */
};

/* One non-empty descriptor. */
struct seg {
	uint64_t addr;
	uint8_t *host;                  /* NULL: crosses regions, looked up piece by piece */
	uint32_t len;
};

struct cursor {
	uint32_t seg, off;              /* off inside the segment */
};

/* Bytes of the put side below the highest one put that were not put. */
struct hole {
	uint32_t from, to;
};

struct chain {
	struct chain *next, *prev;      /* open chains, oldest first; next: free chains */
	struct queue *queue;
	struct seg *segs;               /* get side, then put side */
	uint32_t n_segs, max_segs, n_get;
	uint32_t get_size, get_pos, put_size, put_pos;
	struct cursor get, put;
	uint32_t map_gen;               /* the host pointers' */
	uint32_t epoch;                 /* the ring's life it belongs to */
	uint32_t seq;                   /* count of pops before it */
	uint32_t high;                  /* end of the highest byte put */
	uint32_t len;                   /* used.len, of one that ended out of order */
	uint32_t window_gen;            /* first map it lent from */
	uint16_t id, slots;             /* head or buffer id; ring slots it takes (packed) */
	uint8_t n_holes;
	bool fault, lent, ended;
	struct hole holes[MAX_HOLES];
	struct seg inline_segs[INLINE_SEGS];
};

/* What popping gave. BAD: the driver gets it back with length 0. */
enum popped { POP_OK, POP_EMPTY, POP_BAD, POP_BROKEN, POP_NO_MEMORY };

struct queue_layout {
	/* Host pointers of the ring's parts in q->map; nothing changes on failure. */
	int (*resolve)(struct queue *q, struct error *err);
	/* Positions and event words at the start, from q->base and the ring. */
	int (*begin)(struct queue *q, struct error *err);
	uint32_t (*base)(const struct queue *q);
	/* Fill a blank chain. Nothing was consumed unless OK or BAD. */
	enum popped (*pop)(struct queue *q, struct chain *c);
	void (*unpop)(struct queue *q, const struct chain *c);
	/* Used entry, not yet visible; then visible. */
	void (*push)(struct queue *q, const struct chain *c, uint32_t len);
	void (*publish)(struct queue *q);
	/* After a full barrier: does the driver want to know? */
	bool (*wants_signal)(struct queue *q);
	bool (*pending)(struct queue *q);       /* is there something to pop? */
	/* Kicks wanted (ends with a full barrier) or not. */
	void (*arm)(struct queue *q);
	void (*disarm)(struct queue *q);
};
extern const struct queue_layout queue_split, queue_packed;

struct split_ring {
	const struct virtq_desc *desc;
	const uint16_t *avail;                  /* flags, idx, ring[], used_event */
	uint8_t *used;                          /* flags, idx, elem[], avail_event */
	uint16_t last_avail, used_idx, signalled;
	uint16_t batch_slot;                    /* in-order: place of the open used entry */
	uint16_t avail_event, flags;            /* as last written */
	uint8_t n_heads, next_head;             /* of heads[] */
	uint16_t heads[HEAD_BATCH];
};

struct packed_ring {
	struct vring_packed_desc *desc;
	const struct vring_packed_event *driver;
	struct vring_packed_event *device;
	uint16_t avail, used, signalled;        /* slots */
	bool avail_wrap, used_wrap;
	bool first_open;                        /* first used entry not yet visible .. */
	uint16_t first_slot, first_flags;       /* .. and where it stands */
	uint16_t batch_slot;                    /* in-order: place of the open used entry */
	bool batch_wrap;
	uint16_t event_flags;                   /* as last written */
	uint32_t slots_out;                     /* popped and not yet published */
	uint32_t slots_pushed;                  /* part of them that was pushed */
};

/* A former map that windows still use. */
struct retired;
struct slab;
struct seg_list;

struct queue {
	/* Hot. */
	const struct queue_layout *layout;
	struct mem_map *map;
	unsigned hint;                  /* last region */
	uint32_t map_gen, epoch, seq;
	uint32_t size;
	unsigned budget, held;
	unsigned pieces;                /* looked up for descriptors that cross regions, this pop */
	bool running, attached, broken, armed;
	bool event_idx, in_order;
	bool signalled_valid;           /* there is an earlier decision to compare with */
	bool batch_full;                /* in-order: the open used entry may be extended */
	unsigned n_pushed;              /* not yet visible */
	uint32_t unsignalled;           /* visible since the last signal decision, in slots */
	uint64_t *in_flight;            /* heads or ids, a bit each */
	struct chain *first, *last;     /* open */
	struct chain *free_chains;
	union {
		struct split_ring split;
		struct packed_ring packed;
	};
	struct turn_end turn;
	struct loop *loop;
	struct queue_group *group;
	struct queue_stats stats;

	/* Cold. */
	struct instance *instance;
	const struct queue_row *row;
	unsigned index;
	uint16_t max_size;
	uint64_t acked;                 /* features; those in use are above */
	bool keeps_order;
	bool packed_acked, halted, told_broken, has_addr, has_base, inband, owes_signal;
	bool kick_socket, call_socket, err_socket;
	const char *why;                /* broken, or bad request */
	uint32_t base;
	struct queue_addr addr;
	size_t in_flight_words;
	int kick_fd, call_fd, err_fd;
	struct io kick;
	struct timer look;              /* nobody kicks, or memory was short: look again */
	struct turn_end again;
	struct poller poller;
	struct retired *retired;
	unsigned n_lent;                /* open chains with windows */
	struct slab *slabs;
	size_t chain_bytes, chain_total;
	struct seg_list *seg_lists[SEG_CLASSES];
	size_t seg_bytes;               /* of all lists, used or not */
	void *state;
};

static inline bool in_flight(const struct queue *q, unsigned id)
{
	return (q->in_flight[id / 64] >> (id % 64)) & 1;
}

/* vring_need_event of the specification: did the index pass event since old? */
static inline bool need_event(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* A descriptor, read from the guest exactly once. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t w12, w14;              /* split: flags, next; packed: id, flags */
};

static inline struct desc desc_read(const void *p)
{
	uint64_t w[2];

	memcpy(w, p, sizeof(w));
	/* From here on the compiler cannot know where these came from, nor read them again. */
	__asm__ volatile("" : "+r"(w[0]), "+r"(w[1]));
	w[1] = le64toh(w[1]);
	return (struct desc){ le64toh(w[0]), (uint32_t)w[1], (uint16_t)(w[1] >> 32),
		(uint16_t)(w[1] >> 48) };
}

/* queue-turn.c */
void queue_end(struct chain *c, uint32_t len);
bool queue_unpop(struct chain *c);
void queue_bad_request(struct queue *q, const char *why);
void queue_break(struct queue *q, const char *why);     /* told at the end of the turn */
void queue_signal(struct queue *q);                     /* without asking whether it is wanted */
void queue_touch(struct queue *q);                      /* there is work for the end of the turn */
void queue_hold_back(struct queue *q);                  /* look at the ring again in a while */
void queue_turn_end(struct turn_end *t);
void queue_again(struct turn_end *t);
void queue_look(struct timer *t);
bool queue_poll(struct poller *p);
bool queue_rest(struct poller *p);

static inline bool queue_has_kick(const struct queue *q)
{
	return q->kick_fd >= 0 || q->inband;
}

/* queue-pool.c */
void queue_pool_free(struct queue *q);                  /* with chains that are still open */
/* The next free chain, blank; it stays on the free list until it is opened. NULL: no memory. */
struct chain *queue_blank_chain(struct queue *q);
void queue_open_chain(struct queue *q, struct chain *c);
void queue_release_chain(struct queue *q, struct chain *c);     /* everything is given back */
bool queue_grow_segs(struct chain *c);  /* the next larger list; false: too much is in use */
void queue_put_segs(struct queue *q, struct chain *c);
void queue_lent(struct chain *c);       /* pins the map until the chain ends */
void queue_retire_map(struct queue *q); /* q lets go of it; windows keep it */
uint32_t queue_desc_limit(const struct queue *q);

/* chain.c: building, all return POP_OK, POP_BAD (q->why says) or POP_NO_MEMORY. */
enum popped chain_add_desc(struct chain *c, uint64_t addr, uint32_t len, bool write);
/* linked: entries follow their next fields, as in split rings; seen: descriptors before. */
enum popped chain_add_table(struct chain *c, const struct desc *d, uint32_t seen, bool linked);

#endif
