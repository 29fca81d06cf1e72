/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory: an immutable, counted array of counted region mappings. A new
 * table is built from the old one, so that a region with the same file
 * (device, inode, offset, size) keeps its mapping; whoever holds the old map
 * keeps it valid (core life cycle: memory table).
 */
#ifndef CORE_MEM_H
#define CORE_MEM_H

#include "vhost-device/error.h"

struct mem_map;

/* One region as the front end describes it. */
struct mem_region {
	uint64_t guest, size, user, offset;
	int fd;                 /* stays the caller's; the map needs it no longer */
};

/*
 * All return a new map with one reference, or NULL with err set and the old
 * map untouched. old may be NULL. Checked: size > 0, no wrap, no overlap in
 * guest or user space, offset + size inside the file (fstat), page-aligned
 * mapping (the offset is rounded down inside), at most 512 regions.
 */
struct mem_map *mem_map_new(struct mem_map *old, const struct mem_region *regions, unsigned n,
			    struct error *err);
struct mem_map *mem_map_add(struct mem_map *old, const struct mem_region *region,
			    struct error *err);
/* Matches guest, user and size; the fd is ignored. */
struct mem_map *mem_map_remove(struct mem_map *old, const struct mem_region *region,
			       struct error *err);
struct mem_map *mem_map_ref(struct mem_map *map);
void mem_map_unref(struct mem_map *map);        /* NULL is fine */
unsigned mem_map_regions(const struct mem_map *map);

/*
 * Host address of a guest physical address and how many bytes follow it in
 * that region (at most len is asked for); NULL outside. *hint caches the last
 * region index, start it at 0.
 */
void *mem_at_guest(const struct mem_map *map, uint64_t addr, uint64_t len, uint64_t *ret_len,
		   unsigned *hint);
/* The same for a user address of the front end; the whole range must lie in one region. */
void *mem_at_user(const struct mem_map *map, uint64_t addr, uint64_t len);
/* Translate a user address to a guest address; false outside. */
bool mem_user_to_guest(const struct mem_map *map, uint64_t user, uint64_t *ret_guest);

/*
 * A truncated memory file raises SIGBUS on access. The guard maps zero pages
 * over the whole region and marks it dead; users of the map look at
 * mem_map_dead() (one load) and break their rings.
 */
int mem_guard_install(struct error *err);       /* once per process; no thread may block SIGBUS */
bool mem_map_dead(struct mem_map *map);

#endif
