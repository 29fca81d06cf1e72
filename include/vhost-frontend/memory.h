/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory as a virtual machine monitor holds it: regions, each a file
 * mapped here and handed to the back end.
 */
#ifndef VHOST_FRONTEND_MEMORY_H
#define VHOST_FRONTEND_MEMORY_H

#include "vhost-frontend/frontend.h"

#pragma GCC visibility push(default)

struct fe_mem;

enum { FE_MEM_HUGE = 1,         /* huge pages of the default size, size a multiple of it */
	FE_MEM_UNSEALED = 2 };  /* may be truncated later */

struct fe_mem_spec {
	uint64_t guest, size;
	uint64_t offset;        /* into the file, a multiple of the page size */
	uint64_t user;          /* 0: the address of our mapping */
	unsigned flags;
};

/* Without regions; the caller's. NULL: out of memory. */
struct fe_mem *fe_mem_new(void);
/* Unmaps and closes all; rings in it must be gone. NULL is fine. */
void fe_mem_free(struct fe_mem *mem);

/*
 * A region of new, zeroed memory; its number (stable until removed) or a
 * negative errno: -EINVAL for a size of 0 or one that wraps, -ENOMEM, or as
 * memfd_create(2) and mmap(2). The back end hears of it by fe_mem_send().
 */
int fe_mem_add(struct fe_mem *mem, const struct fe_mem_spec *spec, struct error *err);
/* Unmaps it here; tell the back end first. A number that is none is fine. */
void fe_mem_remove(struct fe_mem *mem, unsigned region);
unsigned fe_mem_count(const struct fe_mem *mem);        /* numbers handed out so far */
/* As the requests take it; false: removed. */
bool fe_mem_describe(const struct fe_mem *mem, unsigned region, struct vu_region *ret_region);
/* The file of a region, which stays ours; -1: removed. */
int fe_mem_fd(const struct fe_mem *mem, unsigned region);

/*
 * Our view of a guest range, NULL unless it lies inside one region. Valid until
 * the region is removed. The back end may write there at any time.
 */
void *fe_mem_at(const struct fe_mem *mem, uint64_t guest, uint64_t len);
/* The user address told to the back end; 0 outside. */
uint64_t fe_mem_user(const struct fe_mem *mem, uint64_t guest);

/*
 * Room inside a region, zeroed, never given back but all at once with
 * fe_mem_release(). -ENOSPC: full; -EINVAL: no such region.
 */
int fe_mem_alloc(struct fe_mem *mem, unsigned region, uint64_t size, uint64_t align,
		 uint64_t *ret_guest);
void fe_mem_release(struct fe_mem *mem, unsigned region);

/*
 * SET_MEM_TABLE with all regions; ADD_MEM_REG and REM_MEM_REG (these need
 * CONFIGURE_MEM_SLOTS) with one. -E2BIG: more regions than a message takes.
 */
int fe_mem_send(const struct fe_mem *mem, struct fe *fe, struct error *err);
int fe_mem_send_add(const struct fe_mem *mem, unsigned region, struct fe *fe, struct error *err);
int fe_mem_send_remove(const struct fe_mem *mem, unsigned region, struct fe *fe,
		       struct error *err);

#pragma GCC visibility pop

#endif
