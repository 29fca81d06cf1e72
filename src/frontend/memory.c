/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guest memory: files mapped here and shared with the back end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost-device/error.h"
#include "vhost-device/fd.h"
#include "vhost-frontend/memory.h"

struct region {
	struct fe_mem_spec spec;
	int fd;                         /* -1: removed */
	uint8_t *host;
	uint64_t next;                  /* first free byte */
};

struct fe_mem {
	struct region *regions;
	unsigned n;
};

struct fe_mem *fe_mem_new(void)
{
	return calloc(1, sizeof(struct fe_mem));
}

void fe_mem_free(struct fe_mem *mem)
{
	unsigned i;

	if (mem == NULL)
		return;
	for (i = 0; i < mem->n; i++)
		fe_mem_remove(mem, i);
	free(mem->regions);
	free(mem);
}

static int make_file(const struct fe_mem_spec *spec)
{
	unsigned flags = MFD_CLOEXEC | (spec->flags & FE_MEM_HUGE ? MFD_HUGETLB : 0);
	CLOSE_FD int fd = -1;
	uint64_t size;

	if (__builtin_add_overflow(spec->offset, spec->size, &size) || spec->size == 0)
		return -EINVAL;
	if (!(spec->flags & (FE_MEM_HUGE | FE_MEM_UNSEALED)))
		return fd_memfd("guest", size);
	fd = memfd_create("guest", flags);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Huge pages are taken whole, and from what the host has set aside. */
static int no_memory(const struct fe_mem_spec *spec, int code, struct error *err)
{
	return error_set(err, code, "%llu bytes of guest memory%s: %s",
			 (unsigned long long)spec->size, spec->flags & FE_MEM_HUGE
			 ? " in huge pages (see vm.nr_hugepages)" : "", strerror(-code));
}

int fe_mem_add(struct fe_mem *mem, const struct fe_mem_spec *spec, struct error *err)
{
	CLOSE_FD int fd = make_file(spec);
	struct region *grown;
	void *host;

	if (fd < 0)
		return no_memory(spec, fd, err);
	grown = realloc(mem->regions, (mem->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return error_memory(err);
	mem->regions = grown;
	host = mmap(NULL, spec->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)spec->offset);
	if (host == MAP_FAILED)
		return no_memory(spec, -errno, err);
	mem->regions[mem->n] = (struct region){ .spec = *spec, .fd = take_fd(&fd), .host = host };
	if (spec->user == 0)
		mem->regions[mem->n].spec.user = (uintptr_t)host;
	return (int)mem->n++;
}

static struct region *live(const struct fe_mem *mem, unsigned region)
{
	if (region >= mem->n || mem->regions[region].fd < 0)
		return NULL;
	return &mem->regions[region];
}

void fe_mem_remove(struct fe_mem *mem, unsigned region)
{
	struct region *r = live(mem, region);

	if (r == NULL)
		return;
	munmap(r->host, r->spec.size);
	fd_close(&r->fd);
}

unsigned fe_mem_count(const struct fe_mem *mem)
{
	return mem->n;
}

bool fe_mem_describe(const struct fe_mem *mem, unsigned region, struct vu_region *ret_region)
{
	const struct region *r = live(mem, region);

	if (r == NULL)
		return false;
	*ret_region = (struct vu_region){ .guest_addr = r->spec.guest, .size = r->spec.size,
		.user_addr = r->spec.user, .mmap_offset = r->spec.offset };
	return true;
}

int fe_mem_fd(const struct fe_mem *mem, unsigned region)
{
	const struct region *r = live(mem, region);

	return r != NULL ? r->fd : -1;
}

static const struct region *find(const struct fe_mem *mem, uint64_t guest, uint64_t len)
{
	const struct region *r;
	unsigned i;

	for (i = 0; i < mem->n; i++) {
		r = live(mem, i);
		if (r != NULL && guest >= r->spec.guest &&
		    range_fits(guest - r->spec.guest, len, r->spec.size))
			return r;
	}
	return NULL;
}

void *fe_mem_at(const struct fe_mem *mem, uint64_t guest, uint64_t len)
{
	const struct region *r = find(mem, guest, len);

	return r != NULL ? r->host + (guest - r->spec.guest) : NULL;
}

uint64_t fe_mem_user(const struct fe_mem *mem, uint64_t guest)
{
	const struct region *r = find(mem, guest, 1);

	return r != NULL ? r->spec.user + (guest - r->spec.guest) : 0;
}

int fe_mem_alloc(struct fe_mem *mem, unsigned region, uint64_t size, uint64_t align,
		 uint64_t *ret_guest)
{
	struct region *r = live(mem, region);
	uint64_t at;

	if (r == NULL)
		return -EINVAL;
	at = (r->next + align - 1) / align * align;
	if (!range_fits(at, size, r->spec.size))
		return -ENOSPC;
	r->next = at + size;
	memset(r->host + at, 0, size);
	*ret_guest = r->spec.guest + at;
	return 0;
}

void fe_mem_release(struct fe_mem *mem, unsigned region)
{
	struct region *r = live(mem, region);

	if (r != NULL)
		r->next = 0;
}

int fe_mem_send(const struct fe_mem *mem, struct fe *fe, struct error *err)
{
	struct vu_region regions[FE_MAX_FDS];
	int fds[FE_MAX_FDS];
	unsigned i, n = 0;

	for (i = 0; i < mem->n; i++) {
		if (live(mem, i) == NULL)
			continue;
		if (n == FE_MAX_FDS)
			return error_set(err, -E2BIG, "more than %u memory regions", FE_MAX_FDS);
		fe_mem_describe(mem, i, &regions[n]);
		fds[n++] = fe_mem_fd(mem, i);
	}
	return fe_set_mem_table(fe, regions, fds, n, err);
}

int fe_mem_send_add(const struct fe_mem *mem, unsigned region, struct fe *fe, struct error *err)
{
	struct vu_region r;

	if (!fe_mem_describe(mem, region, &r))
		return error_set(err, -EINVAL, "memory region %u was removed", region);
	return fe_add_mem_region(fe, &r, fe_mem_fd(mem, region), err);
}

int fe_mem_send_remove(const struct fe_mem *mem, unsigned region, struct fe *fe,
		       struct error *err)
{
	struct vu_region r;

	if (!fe_mem_describe(mem, region, &r))
		return error_set(err, -EINVAL, "memory region %u was removed", region);
	return fe_remove_mem_region(fe, &r, err);
}
