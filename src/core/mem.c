/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The region table: sorted by guest address for the rings' data, and once
 * more by the front end's user address for the rings themselves. A table never
 * changes after it was built, so a search needs no lock and a pointer found
 * stays good as long as its table (or a later one with the same file) lives.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem-priv.h"

enum { MAX_REGIONS = 512 };

/* Of one table: others share our address space, which has 128 TiB and less on some hosts. */
static const uint64_t max_bytes = 16ULL << 40;

unsigned mem_deaths;

static void mapping_unref(struct mem_mapping *m)
{
	if (m != NULL && --m->refs == 0)
		mem_mapping_free(m);
}

static struct mem_map *map_alloc(unsigned n, struct error *err)
{
	struct mem_map *map = calloc(1, sizeof(*map) + (n + 1) * sizeof(map->slots[0]));
	struct mem_slot **by_user = calloc(n + 1, sizeof(struct mem_slot *));

	if (map == NULL || by_user == NULL) {
		free(map);
		free(by_user);
		error_set(err, -ENOMEM, "memory table of %u regions: out of memory", n);
		return NULL;
	}
	map->refs = 1;
	map->by_user = by_user;
	/* A death while the table is built must not be missed: look at once. */
	map->deaths = __atomic_load_n(&mem_deaths, __ATOMIC_ACQUIRE) - 1;
	return map;
}

static void map_free(struct mem_map *map)
{
	unsigned i;

	for (i = 0; i < map->n; i++)
		mapping_unref(map->slots[i].mapping);
	free(map->by_user);
	free(map);
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_guest(const void *a, const void *b)
{
	const struct mem_slot *x = a, *y = b;

	return compare(x->guest, y->guest);
}

static int compare_user(const void *a, const void *b)
{
	const struct mem_slot *const *x = a, *const *y = b;

	return compare((*x)->user, (*y)->user);
}

/* Sort, and refuse overlaps; frees the table when it refuses. */
static struct mem_map *map_seal(struct mem_map *map, struct error *err)
{
	const struct mem_slot *a, *b;
	unsigned i;

	qsort(map->slots, map->n, sizeof(map->slots[0]), compare_guest);
	for (i = 0; i < map->n; i++)
		map->by_user[i] = &map->slots[i];
	qsort(map->by_user, map->n, sizeof(struct mem_slot *), compare_user);
	for (i = 1; i < map->n; i++) {
		a = &map->slots[i - 1];
		b = &map->slots[i];
		if (b->guest - a->guest < a->size) {
			error_set(err, -EINVAL, "memory regions at guest addresses 0x%" PRIx64
				  " and 0x%" PRIx64 " overlap", a->guest, b->guest);
			map_free(map);
			return NULL;
		}
		a = map->by_user[i - 1];
		b = map->by_user[i];
		if (b->user - a->user < a->size) {
			error_set(err, -EINVAL, "memory regions at user addresses 0x%" PRIx64
				  " and 0x%" PRIx64 " overlap", a->user, b->user);
			map_free(map);
			return NULL;
		}
	}
	return map;
}

static int check_region(const struct mem_region *r, struct error *err)
{
	if (r->size == 0)
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64 " is empty", r->guest);
	if (r->size - 1 > UINT64_MAX - r->guest || r->size - 1 > UINT64_MAX - r->user ||
	    r->size > UINT64_MAX - r->offset || r->size + r->offset > INT64_MAX)
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64
				 " wraps around: its size is 0x%" PRIx64, r->guest, r->size);
	return 0;
}

/* The mapping of the same file in an older table, if it still can be used. */
static struct mem_mapping *find_mapping(const struct mem_map *old, const struct mem_file *file)
{
	struct mem_mapping *m;
	unsigned i;

	for (i = 0; old != NULL && i < old->n; i++) {
		m = old->slots[i].mapping;
		if (mem_file_same(&m->file, file) && !mem_mapping_dead(m)) {
			m->refs++;
			return m;
		}
	}
	return NULL;
}

static int append_region(struct mem_map *map, const struct mem_map *old,
			 const struct mem_region *r, struct error *err)
{
	struct mem_slot *s = &map->slots[map->n];
	struct mem_file file;
	int ret = check_region(r, err);

	if (ret == 0)
		ret = mem_file_look(r, &file, err);
	if (ret < 0)
		return ret;
	if (r->size > max_bytes - map->bytes)
		return error_set(err, -ENOMEM, "memory region at 0x%" PRIx64 " of 0x%" PRIx64
				 " bytes: the table would exceed 16 TiB", r->guest, r->size);
	s->mapping = find_mapping(old, &file);
	if (s->mapping == NULL)
		s->mapping = mem_mapping_new(r, &file, err);
	if (s->mapping == NULL)
		return -ENOMEM;
	s->guest = r->guest;
	s->size = r->size;
	s->user = r->user;
	s->host = s->mapping->host;
	map->bytes += r->size;
	map->n++;
	return 0;
}

static void append_slot(struct mem_map *map, const struct mem_slot *from)
{
	map->slots[map->n] = *from;
	map->slots[map->n].mapping->refs++;
	map->bytes += from->size;
	map->n++;
}

static struct mem_map *too_many(struct error *err)
{
	error_set(err, -EINVAL, "memory table has more than %u regions", MAX_REGIONS);
	return NULL;
}

struct mem_map *mem_map_new(struct mem_map *old, const struct mem_region *regions, unsigned n,
			    struct error *err)
{
	struct mem_map *map;
	unsigned i;

	if (n > MAX_REGIONS)
		return too_many(err);
	map = map_alloc(n, err);
	for (i = 0; map != NULL && i < n; i++) {
		if (append_region(map, old, &regions[i], err) < 0) {
			map_free(map);
			return NULL;
		}
	}
	return map != NULL ? map_seal(map, err) : NULL;
}

struct mem_map *mem_map_add(struct mem_map *old, const struct mem_region *region,
			    struct error *err)
{
	unsigned i, n = mem_map_regions(old);
	struct mem_map *map;

	if (n >= MAX_REGIONS)
		return too_many(err);
	map = map_alloc(n + 1, err);
	if (map == NULL)
		return NULL;
	for (i = 0; i < n; i++)
		append_slot(map, &old->slots[i]);
	if (append_region(map, NULL, region, err) < 0) {
		map_free(map);
		return NULL;
	}
	return map_seal(map, err);
}

struct mem_map *mem_map_remove(struct mem_map *old, const struct mem_region *region,
			       struct error *err)
{
	unsigned i, n = mem_map_regions(old);
	struct mem_map *map;
	const struct mem_slot *s;

	for (i = 0; i < n; i++) {
		s = &old->slots[i];
		if (s->guest == region->guest && s->user == region->user &&
		    s->size == region->size)
			break;
	}
	if (i == n) {
		error_set(err, -ENOENT, "memory region at 0x%" PRIx64 " of 0x%" PRIx64
			  " bytes is not in the table", region->guest, region->size);
		return NULL;
	}
	map = map_alloc(n - 1, err);
	if (map == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (&old->slots[i] != s)
			append_slot(map, &old->slots[i]);
	}
	return map_seal(map, err);
}

struct mem_map *mem_map_ref(struct mem_map *map)
{
	map->refs++;
	return map;
}

void mem_map_unref(struct mem_map *map)
{
	if (map != NULL && --map->refs == 0)
		map_free(map);
}

unsigned mem_map_regions(const struct mem_map *map)
{
	return map != NULL ? map->n : 0;
}

/* The last region that begins at or before addr, if any. */
static const struct mem_slot *search_guest(const struct mem_map *map, uint64_t addr)
{
	unsigned low = 0, high = map->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (map->slots[mid].guest <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? &map->slots[low - 1] : NULL;
}

static const struct mem_slot *search_user(const struct mem_map *map, uint64_t addr)
{
	unsigned low = 0, high = map->n, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (map->by_user[mid]->user <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? map->by_user[low - 1] : NULL;
}

void *mem_at_guest(const struct mem_map *map, uint64_t addr, uint64_t len, uint64_t *ret_len,
		   unsigned *hint)
{
	const struct mem_slot *s = *hint < map->n ? &map->slots[*hint] : NULL;
	uint64_t off;

	if (s == NULL || addr - s->guest >= s->size) {
		s = search_guest(map, addr);
		if (s == NULL || addr - s->guest >= s->size)
			return NULL;
		*hint = (unsigned)(s - map->slots);
	}
	off = addr - s->guest;
	*ret_len = len <= s->size - off ? len : s->size - off;
	return s->host + off;
}

void *mem_at_user(const struct mem_map *map, uint64_t addr, uint64_t len)
{
	const struct mem_slot *s = search_user(map, addr);

	if (s == NULL || !range_fits(addr - s->user, len, s->size))
		return NULL;
	return s->host + (addr - s->user);
}

bool mem_user_to_guest(const struct mem_map *map, uint64_t user, uint64_t *ret_guest)
{
	const struct mem_slot *s = search_user(map, user);

	if (s == NULL || user - s->user >= s->size)
		return false;
	*ret_guest = s->guest + (user - s->user);
	return true;
}

bool mem_map_dead(struct mem_map *map)
{
	unsigned i, deaths = __atomic_load_n(&mem_deaths, __ATOMIC_ACQUIRE);

	if (map->deaths == deaths)
		return map->dead;
	map->deaths = deaths;
	for (i = 0; i < map->n; i++)
		map->dead |= mem_mapping_dead(map->slots[i].mapping);
	return map->dead;
}
