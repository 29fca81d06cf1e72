/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memory of a queue's requests. Chains come from slabs that grow with the
 * number of chains open at a time, segments beyond the first few from lists of
 * a pool; nothing is allocated once the queue has seen its load, and all stays
 * until the queue is reset. Former memory maps are kept here for as long as
 * windows lie in them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/poison.h"
#include "core/queue-priv.h"

enum {
	FIRST_SLAB = 8,                 /* chains */
	LARGEST_SLAB = 256,
	MAX_SEG_BYTES = 32 << 20,       /* segment lists of one queue */
};

struct slab {
	struct slab *next;
	size_t size;
	max_align_t chains[];
};

struct seg_list {
	struct seg_list *next;
};

struct retired {
	struct retired *next;
	struct mem_map *map;
	uint32_t gen;                   /* the last one it was current in */
	unsigned users;                 /* chains whose windows may lie in it */
};

static void free_seg_lists(struct queue *q)
{
	struct seg_list *l;
	unsigned i;

	for (i = 0; i < SEG_CLASSES; i++) {
		while ((l = q->seg_lists[i]) != NULL) {
			q->seg_lists[i] = l->next;
			q->seg_bytes -= sizeof(struct seg) * ((size_t)FIRST_CLASS << (2 * i));
			free(l);
		}
	}
}

void queue_pool_free(struct queue *q)
{
	struct retired *r;
	struct chain *c;
	struct slab *s;

	for (c = q->first; c != NULL; c = c->next) {
		if (c->segs != c->inline_segs)
			free(c->segs);
	}
	q->first = q->last = NULL;
	while ((r = q->retired) != NULL) {
		q->retired = r->next;
		mem_map_unref(r->map);
		free(r);
	}
	while ((s = q->slabs) != NULL) {
		q->slabs = s->next;
		ASAN_UNPOISON_MEMORY_REGION(s->chains, s->size);
		free(s);
	}
	q->free_chains = NULL;
	q->chain_total = 0;
	free_seg_lists(q);
}

static bool add_slab(struct queue *q)
{
	size_t n = q->chain_total < FIRST_SLAB ? FIRST_SLAB : q->chain_total, i;
	struct chain *c;
	struct slab *s;

	if (n > LARGEST_SLAB)
		n = LARGEST_SLAB;
	s = malloc(sizeof(*s) + n * q->chain_bytes);
	if (s == NULL)
		return false;
	s->size = n * q->chain_bytes;
	s->next = q->slabs;
	q->slabs = s;
	q->chain_total += n;
	for (i = n; i-- > 0;) {
		c = (struct chain *)(void *)((char *)s->chains + i * q->chain_bytes);
		c->next = q->free_chains;
		c->queue = q;
		q->free_chains = c;
	}
	return true;
}

/* The next free chain, blank; it stays on the free list until it is opened. */
struct chain *queue_blank_chain(struct queue *q)
{
	struct chain *c = q->free_chains;

	if (c == NULL) {
		if (!add_slab(q))
			return NULL;
		c = q->free_chains;
	}
	ASAN_UNPOISON_MEMORY_REGION(c, q->chain_bytes);
	c->queue = q;
	c->segs = c->inline_segs;
	c->max_segs = INLINE_SEGS;
	c->n_segs = c->n_get = 0;
	c->get_size = c->get_pos = c->put_size = c->put_pos = 0;
	c->map_gen = q->map_gen;
	c->epoch = q->epoch;
	c->seq = q->seq;
	c->high = 0;
	c->n_holes = 0;
	c->fault = c->lent = c->ended = false;
	return c;
}

static unsigned seg_class(uint32_t segs)
{
	unsigned i = 0;

	while (((uint32_t)FIRST_CLASS << (2 * i)) < segs)
		i++;
	return i;
}

void queue_put_segs(struct queue *q, struct chain *c)
{
	struct seg_list *l = (struct seg_list *)(void *)c->segs;
	unsigned class;

	if (c->segs == c->inline_segs)
		return;
	class = seg_class(c->max_segs);
	l->next = q->seg_lists[class];
	q->seg_lists[class] = l;
}

/* The next larger list. false: too much is in use, or out of memory. */
bool queue_grow_segs(struct chain *c)
{
	struct queue *q = c->queue;
	unsigned class = seg_class(c->max_segs + 1);
	size_t n = (size_t)FIRST_CLASS << (2 * class), bytes = n * sizeof(struct seg);
	struct seg_list *l = q->seg_lists[class];
	struct seg *segs;

	if (l != NULL) {
		q->seg_lists[class] = l->next;
	} else {
		if (q->seg_bytes + bytes > MAX_SEG_BYTES)
			free_seg_lists(q);
		if (q->seg_bytes + bytes > MAX_SEG_BYTES)
			return false;
		l = malloc(bytes);
		if (l == NULL)
			return false;
		q->seg_bytes += bytes;
	}
	segs = (struct seg *)(void *)l;
	memcpy(segs, c->segs, c->n_segs * sizeof(*segs));
	queue_put_segs(q, c);
	c->segs = segs;
	c->max_segs = (uint32_t)n;
	return true;
}

uint32_t queue_desc_limit(const struct queue *q)
{
	return q->size > LONG_TABLE ? q->size : LONG_TABLE;
}

void queue_open_chain(struct queue *q, struct chain *c)
{
	q->free_chains = c->next;
	c->next = NULL;
	c->prev = q->last;
	if (q->last != NULL)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
	c->get = (struct cursor){ 0, 0 };
	c->put = (struct cursor){ c->n_get, 0 };
	q->in_flight[c->id / 64] |= 1ULL << (c->id % 64);
	q->seq++;
	q->held++;
}

static void unref_retired(struct queue *q, uint32_t first_gen)
{
	struct retired **at = &q->retired, *r;

	while ((r = *at) != NULL) {
		if (r->gen < first_gen || --r->users > 0) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		mem_map_unref(r->map);
		free(r);
	}
}

/* Off the list of open ones, everything given back. */
void queue_release_chain(struct queue *q, struct chain *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		q->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		q->last = c->prev;
	if (c->epoch == q->epoch)
		q->in_flight[c->id / 64] &= ~(1ULL << (c->id % 64));
	if (c->lent) {
		q->n_lent--;
		unref_retired(q, c->window_gen);
	}
	queue_put_segs(q, c);
	c->next = q->free_chains;
	q->free_chains = c;
	ASAN_POISON_MEMORY_REGION(&c->prev, q->chain_bytes - offsetof(struct chain, prev));
}

void queue_lent(struct chain *c)
{
	struct queue *q = c->queue;

	c->lent = true;
	c->window_gen = q->map_gen;
	q->n_lent++;
}

/* The map goes; those who were lent windows of it keep it. */
void queue_retire_map(struct queue *q)
{
	struct retired *r;

	if (q->map == NULL)
		return;
	if (q->n_lent == 0) {
		mem_map_unref(q->map);
	} else {
		r = malloc(sizeof(*r));
		/* Without memory for a note of it, it is never unmapped: safe, if wasteful. */
		if (r != NULL) {
			*r = (struct retired){ q->retired, q->map, q->map_gen, q->n_lent };
			q->retired = r;
		}
	}
	q->map = NULL;
	q->map_gen++;
}
