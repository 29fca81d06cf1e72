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

/* How many mappings of this process have died so far: while it stands still, none has. */
unsigned mem_deaths(void);

#endif
