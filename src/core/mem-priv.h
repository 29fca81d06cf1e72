/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Between the region table (mem.c) and what maps one region (mem-unix.c). A
 * mapping is counted, because several tables in a row may share it.
 */
#ifndef CORE_MEM_PRIV_H
#define CORE_MEM_PRIV_H

#include "core/mem.h"

/* What a region's file is: equal ones may share one mapping. */
struct mem_file {
	uint64_t device, inode, offset, size;
	uint64_t align;                 /* granule of a mapping of this file, a power of two */
};

struct mem_guard;

struct mem_mapping {
	unsigned refs;
	uint8_t *host;                  /* the region's first byte */
	struct mem_file file;
	void *base;                     /* what was really mapped: rounded outwards */
	size_t length;
	struct mem_guard *guard;
};

/* Can this be mapped, and which file is it? 0 or negative errno with err set. */
int mem_file_look(const struct mem_region *r, struct mem_file *ret_file, struct error *err);
bool mem_file_same(const struct mem_file *a, const struct mem_file *b);

/* One reference; NULL with err set. */
struct mem_mapping *mem_mapping_new(const struct mem_region *r, const struct mem_file *file,
				    struct error *err);
void mem_mapping_free(struct mem_mapping *m);
bool mem_mapping_dead(const struct mem_mapping *m);

struct mem_slot {
	uint64_t guest, size, user;
	uint8_t *host;
	struct mem_mapping *mapping;
};

struct mem_map {
	unsigned refs, n;
	unsigned deaths;                /* as of the last look at the mappings */
	bool dead;
	uint64_t bytes;                 /* of all regions */
	struct mem_slot **by_user;
	struct mem_slot slots[];        /* by guest address; one more than n, of size 0 */
};

/* How many mappings of this process have died so far: while it stands still, none has. */
extern unsigned mem_deaths;

/* mem_at_guest() for the common case: all of it in the region that *hint names, else NULL. */
static inline uint8_t *mem_at_hint(const struct mem_map *map, uint64_t addr, uint64_t len,
				   unsigned hint)
{
	const struct mem_slot *s = &map->slots[hint];
	uint64_t off = addr - s->guest;

	return off < s->size && len <= s->size - off ? s->host + off : NULL;
}

/* mem_map_dead() while nothing dies. */
static inline bool mem_map_alive(const struct mem_map *map)
{
	return !map->dead && map->deaths == __atomic_load_n(&mem_deaths, __ATOMIC_ACQUIRE);
}

#endif
