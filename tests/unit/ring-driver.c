/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver's half of a virtqueue, for the tests of the device's half. */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring-driver.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

/* The three regions that touch: their pages in guest space, not in this order in the file. */
static const struct {
	uint64_t guest, pages, file_page;
} layout[] = {
	{ GUEST_RING, 256, 272 },
	{ GUEST_DATA, 5, 7 },
	{ GUEST_DATA + 5 * GUEST_PAGE, 7, 0 },
	{ GUEST_DATA + 12 * GUEST_PAGE, 244, 12 },
	{ GUEST_APART, 16, 256 },
};

void guest_init(struct guest *g)
{
	unsigned i;

	g->size = 528 * GUEST_PAGE;
	g->fd = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_ge(g->fd, 0);
	ck_assert_int_eq(ftruncate(g->fd, (off_t)g->size), 0);
	g->file = mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
	ck_assert_ptr_ne(g->file, MAP_FAILED);
	g->n = ARRAY_SIZE(layout);
	for (i = 0; i < g->n; i++)
		g->regions[i] = (struct mem_region){
			.guest = layout[i].guest,
			.size = layout[i].pages * GUEST_PAGE,
			.user = 0x7f0000000000 + 0x10000000 * (uint64_t)(g->n - i),
			.offset = layout[i].file_page * GUEST_PAGE,
			.fd = g->fd,
		};
}

void guest_finish(struct guest *g)
{
	munmap(g->file, g->size);
	fd_close(&g->fd);
}

struct mem_map *guest_map(const struct guest *g, struct mem_map *old)
{
	struct error err = ERROR_NONE;
	struct mem_map *map = mem_map_new(old, g->regions, g->n, &err);

	ck_assert_msg(map != NULL, "%s", err.text);
	return map;
}

static const struct mem_region *region_of(const struct guest *g, uint64_t addr)
{
	static unsigned last;
	unsigned i;

	if (last < g->n && addr - g->regions[last].guest < g->regions[last].size)
		return &g->regions[last];
	for (i = 0; i < g->n; i++) {
		if (addr - g->regions[i].guest < g->regions[i].size) {
			last = i;
			return &g->regions[i];
		}
	}
	ck_abort_msg("no memory at 0x%llx", (unsigned long long)addr);
	return NULL;
}

uint8_t *guest_at(const struct guest *g, uint64_t addr)
{
	const struct mem_region *r = region_of(g, addr);

	return g->file + r->offset + (addr - r->guest);
}

uint64_t guest_user(const struct guest *g, uint64_t addr)
{
	const struct mem_region *r = region_of(g, addr);

	return r->user + (addr - r->guest);
}

void guest_write(const struct guest *g, uint64_t addr, const void *src, size_t n)
{
	const uint8_t *from = src;

	while (n-- > 0)
		*guest_at(g, addr++) = *from++;
}

void guest_read(const struct guest *g, uint64_t addr, void *dst, size_t n)
{
	uint8_t *to = dst;

	while (n-- > 0)
		*to++ = *guest_at(g, addr++);
}

static uint16_t *word(const struct driver *d, uint64_t addr)
{
	return (uint16_t *)(void *)guest_at(d->guest, addr);
}

static uint16_t load(const struct driver *d, uint64_t addr)
{
	return le16toh(__atomic_load_n(word(d, addr), __ATOMIC_ACQUIRE));
}

static void store(const struct driver *d, uint64_t addr, uint16_t x)
{
	__atomic_store_n(word(d, addr), htole16(x), __ATOMIC_RELEASE);
}

void driver_init(struct driver *d, const struct guest *g, const struct driver_setup *s)
{
	unsigned i;

	memset(d, 0, sizeof(*d));
	d->guest = g;
	d->packed = s->packed;
	d->event_idx = s->event_idx;
	d->in_order = s->in_order;
	d->size = s->size;
	d->desc = GUEST_RING + s->place;
	d->avail = d->desc + 16 * (uint64_t)d->size;
	d->used = d->avail + (s->packed ? 4 : 6 + 2 * (uint64_t)d->size);
	d->used = (d->used + 3) & ~3ULL;
	memset(guest_at(g, d->desc), 0, d->used + 6 + 8 * (uint64_t)d->size - d->desc);
	d->next = calloc(d->size + 1, sizeof(*d->next));
	d->fifo = calloc(d->size, sizeof(*d->fifo));
	d->reqs = calloc(d->size, sizeof(*d->reqs));
	d->n_free = d->size;
	for (i = 0; i < d->size; i++)
		d->next[i] = (uint16_t)((i + 1) % d->size);
	if (s->packed) {
		d->slot = d->used_slot = d->kick_from = s->base & 0x7fff;
		d->wrap = d->used_wrap = d->kick_wrap = (s->base >> 15) & 1;
		/* Slots before it were used in this lap, the others in the last one. */
		for (i = 0; i < d->size; i++)
			store(d, d->desc + 16 * (uint64_t)i + 14, (i < d->slot) == d->wrap ?
			      VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0);
	} else {
		d->avail_idx = d->used_idx = d->kick_from = (uint16_t)s->base;
		d->free_head = d->in_order ? d->avail_idx & (d->size - 1) : 0;
		store(d, d->avail + VIRTQ_AVAIL_IDX, d->avail_idx);
		store(d, d->used + VIRTQ_USED_IDX, d->used_idx);
		driver_set_used_event(d, d->used_idx);
	}
}

void driver_finish(struct driver *d)
{
	free(d->next);
	free(d->fifo);
	free(d->reqs);
}

uint64_t driver_features(const struct driver *d)
{
	return BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
		(d->packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
		(d->event_idx ? BIT(VIRTIO_F_EVENT_IDX) : 0) |
		(d->in_order ? BIT(VIRTIO_F_IN_ORDER) : 0);
}

struct queue_addr driver_addr(const struct driver *d)
{
	return (struct queue_addr){ guest_user(d->guest, d->desc), guest_user(d->guest, d->avail),
		guest_user(d->guest, d->used) };
}

void split_desc(const struct driver *d, unsigned i, struct buffer b, uint16_t flags,
		uint16_t next)
{
	struct virtq_desc e = { le64(b.addr), le32(b.len),
		le16(flags | (b.write ? VIRTQ_DESC_WRITE : 0)), le16(next) };

	memcpy(guest_at(d->guest, d->desc + 16 * (uint64_t)i), &e, sizeof(e));
}

void table_desc(const struct guest *g, uint64_t table, unsigned i, struct buffer b,
		uint16_t flags, uint16_t next)
{
	struct virtq_desc e = { le64(b.addr), le32(b.len),
		le16(flags | (b.write ? VIRTQ_DESC_WRITE : 0)), le16(next) };

	guest_write(g, table + 16 * (uint64_t)i, &e, sizeof(e));
}

/* Flags come last, with release, as the head's must. */
void packed_desc(const struct driver *d, unsigned slot, struct buffer b, uint16_t id,
		 uint16_t flags, bool wrap)
{
	struct vring_packed_desc *e = (struct vring_packed_desc *)(void *)
		guest_at(d->guest, d->desc + 16 * (uint64_t)slot);

	e->addr = le64(b.addr);
	e->len = le32(b.len);
	e->id = le16(id);
	flags |= b.write ? VIRTQ_DESC_WRITE : 0;
	flags |= wrap ? VIRTQ_DESC_AVAIL : VIRTQ_DESC_USED;
	store(d, d->desc + 16 * (uint64_t)slot + 14, flags);
}

void split_offer(struct driver *d, uint16_t head)
{
	store(d, d->avail + VIRTQ_AVAIL_RING + 2 * (d->avail_idx & (d->size - 1)), head);
	d->avail_idx++;
	d->added++;
	split_set_avail_idx(d, d->avail_idx);
}

void split_set_avail_idx(const struct driver *d, uint16_t idx)
{
	store(d, d->avail + VIRTQ_AVAIL_IDX, idx);
}

uint16_t split_used_idx(const struct driver *d)
{
	return load(d, d->used + VIRTQ_USED_IDX);
}

static void put_table(const struct driver *d, const struct buffer *b, unsigned n, uint64_t table)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		/* In a packed ring's table the order counts; next is noise there. */
		if (d->packed) {
			struct vring_packed_desc e = { le64(b[i].addr), le32(b[i].len),
				le16(0xaaaa), le16(b[i].write ? VIRTQ_DESC_WRITE : 0) };

			guest_write(d->guest, table + 16 * (uint64_t)i, &e, sizeof(e));
		} else {
			table_desc(d->guest, table, i, b[i], i + 1 < n ? VIRTQ_DESC_NEXT : 0,
				   (uint16_t)(i + 1 < n ? i + 1 : 0x5555));
		}
	}
}

static void add_split(struct driver *d, const struct buffer *b, unsigned n, bool indirect)
{
	uint16_t head = d->free_head, i = head;
	unsigned k;

	for (k = 0; k < n; k++) {
		split_desc(d, i, b[k], (uint16_t)((k + 1 < n ? VIRTQ_DESC_NEXT : 0) |
			   (indirect && k + 1 == n ? VIRTQ_DESC_INDIRECT : 0)), d->next[i]);
		i = d->next[i];
	}
	d->free_head = i;
	d->fifo[(d->fifo_from + d->fifo_n++) % d->size] = head;
	d->n_free -= n;
	split_offer(d, head);
}

static void add_packed(struct driver *d, const struct buffer *b, unsigned n, bool indirect)
{
	uint16_t id = d->free_head, slot = d->slot, first = slot, first_flags = 0, flags;
	bool wrap = d->wrap, first_wrap = wrap;
	unsigned k;

	for (k = 0; k < n; k++) {
		flags = (uint16_t)((k + 1 < n ? VIRTQ_DESC_NEXT : 0) |
				   (indirect && k + 1 == n ? VIRTQ_DESC_INDIRECT : 0));
		/* The id counts in the last one only. */
		if (k == 0)
			first_flags = flags;
		else
			packed_desc(d, slot, b[k], k + 1 == n ? id : 0xffff, flags, wrap);
		if (++slot == d->size) {
			slot = 0;
			wrap = !wrap;
		}
	}
	packed_desc(d, first, b[0], n == 1 ? id : 0xffff, first_flags, first_wrap);
	d->free_head = d->next[id];
	d->slot = slot;
	d->wrap = wrap;
	d->fifo[(d->fifo_from + d->fifo_n++) % d->size] = id;
	d->n_free -= n;
	d->added += n;
}

bool driver_add(struct driver *d, const struct buffer *b, unsigned n, unsigned direct,
		uint64_t table, void *cookie)
{
	struct buffer local[64];
	struct driver_req *r;
	uint64_t writable = 0;
	unsigned i, slots = table != 0 ? direct + 1 : n;

	MUST(slots <= ARRAY_SIZE(local));
	if (slots > d->n_free)
		return false;
	for (i = 0; i < n; i++)
		writable += b[i].write ? b[i].len : 0;
	memcpy(local, b, (table != 0 ? direct : n) * sizeof(*b));
	if (table != 0) {
		put_table(d, b + direct, n - direct, table);
		/* The table's own WRITE flag must be ignored: set it now and then. */
		local[direct] = (struct buffer){ table, 16 * (n - direct), n % 2 };
	}
	r = &d->reqs[d->free_head];
	MUST(!r->out);
	*r = (struct driver_req){ true, cookie, writable, (uint16_t)slots };
	d->n_out++;
	if (d->packed)
		add_packed(d, local, slots, table != 0);
	else
		add_split(d, local, slots, table != 0);
	return true;
}

static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

static bool packed_wants_kick(struct driver *d)
{
	uint16_t flags = load(d, d->used + 2), off_wrap = load(d, d->used), event;
	uint16_t old = d->kick_from;

	if (flags != VRING_PACKED_EVENT_DESC)
		return flags == VRING_PACKED_EVENT_ENABLE;
	event = off_wrap & 0x7fff;
	if ((off_wrap >> 15) != d->wrap)
		event = (uint16_t)(event - d->size);
	if (d->slot <= old)
		old = (uint16_t)(old - d->size);
	return passed(event, d->slot, old);
}

bool driver_wants_kick(struct driver *d)
{
	bool wants;

	if (d->added == 0)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (d->packed)
		wants = packed_wants_kick(d) || (d->added > d->size && d->event_idx);
	else if (d->event_idx)
		wants = passed(load(d, d->used + VIRTQ_USED_RING + 8 * (uint64_t)d->size),
			       d->avail_idx, d->kick_from);
	else
		wants = !(load(d, d->used + VIRTQ_USED_FLAGS) & VIRTQ_USED_NO_NOTIFY);
	d->kick_from = d->packed ? d->slot : d->avail_idx;
	d->added = 0;
	return wants;
}

static bool is_used(uint16_t flags, bool wrap)
{
	bool avail = (flags & VIRTQ_DESC_AVAIL) != 0, used = (flags & VIRTQ_DESC_USED) != 0;

	return avail == used && used == wrap;
}

bool driver_has_used(const struct driver *d)
{
	if (d->in_batch)
		return true;
	if (d->packed)
		return is_used(load(d, d->desc + 16 * (uint64_t)d->used_slot + 14), d->used_wrap);
	return split_used_idx(d) != d->used_idx;
}

static bool wrong(struct driver *d, const char *why)
{
	d->wrong = why;
	return false;
}

/* Give one request's descriptors back. */
static void retire(struct driver *d, uint16_t id)
{
	struct driver_req *r = &d->reqs[id];
	unsigned i, last = id;

	r->out = false;
	d->n_out--;
	d->n_free += r->slots;
	if (d->packed) {
		d->next[id] = d->free_head;
		d->free_head = id;
		d->used_slot = (uint16_t)(d->used_slot + r->slots);
		if (d->used_slot >= d->size) {
			d->used_slot = (uint16_t)(d->used_slot - d->size);
			d->used_wrap = !d->used_wrap;
		}
		return;
	}
	d->used_idx++;
	/* In order, descriptors are taken round the table and stay linked so. */
	if (d->in_order)
		return;
	for (i = 1; i < r->slots; i++)
		last = d->next[last];
	d->next[last] = d->free_head;
	d->free_head = id;
}

static void forget(struct driver *d, uint16_t id)
{
	unsigned i = 0;

	while (d->fifo[(d->fifo_from + i) % d->size] != id)
		i++;
	for (; i > 0; i--)
		d->fifo[(d->fifo_from + i) % d->size] =
			d->fifo[(d->fifo_from + i - 1) % d->size];
	d->fifo_from = (d->fifo_from + 1) % d->size;
	d->fifo_n--;
}

/* The entry that stands at the driver's used position. */
static void read_used(const struct driver *d, uint32_t *ret_id, uint32_t *ret_len)
{
	const struct vring_packed_desc *p;
	struct virtq_used_elem e;

	if (d->packed) {
		p = (const struct vring_packed_desc *)(const void *)
			guest_at(d->guest, d->desc + 16 * (uint64_t)d->used_slot);
		*ret_id = le16_get(p->id);
		*ret_len = le32_get(p->len);
		return;
	}
	memcpy(&e, guest_at(d->guest, d->used + VIRTQ_USED_RING +
			    8 * (uint64_t)(d->used_idx & (d->size - 1))), sizeof(e));
	*ret_id = le32_get(e.id);
	*ret_len = le32_get(e.len);
}

bool driver_collect(struct driver *d, void **ret_cookie, uint64_t *ret_len)
{
	uint32_t id = d->batch_id, len = d->batch_len;

	if (!driver_has_used(d))
		return false;
	if (!d->packed && split_used_idx(d) == d->used_idx)
		return wrong(d, "an entry for a batch longer than the index moved");
	if (!d->packed && (uint16_t)(split_used_idx(d) - d->used_idx) > d->n_out)
		return wrong(d, "more used than were made available");
	if (!d->in_batch)
		read_used(d, &id, &len);
	if (id >= d->size || !d->reqs[id].out)
		return wrong(d, "a used id is not outstanding");
	if (len > d->reqs[id].writable)
		return wrong(d, "more used bytes than were writable");
	if (d->in_order && d->fifo[d->fifo_from] != id) {
		/* Left out of the used ring, so it must have been filled entirely. */
		d->in_batch = true;
		d->batch_id = id;
		d->batch_len = len;
		id = d->fifo[d->fifo_from];
		len = (uint32_t)d->reqs[id].writable;
	} else {
		d->in_batch = false;
	}
	*ret_cookie = d->reqs[id].cookie;
	*ret_len = len;
	forget(d, (uint16_t)id);
	retire(d, (uint16_t)id);
	return true;
}

void driver_set_used_event(const struct driver *d, uint16_t event)
{
	store(d, d->avail + VIRTQ_AVAIL_RING + 2 * (uint64_t)d->size, event);
}

void driver_want_signal(struct driver *d, bool on)
{
	if (d->packed) {
		store(d, d->avail, (uint16_t)(d->used_slot | d->used_wrap << 15));
		store(d, d->avail + 2, !on ? VRING_PACKED_EVENT_DISABLE :
		      d->event_idx ? VRING_PACKED_EVENT_DESC : VRING_PACKED_EVENT_ENABLE);
	} else if (d->event_idx) {
		driver_set_used_event(d, on ? d->used_idx : (uint16_t)(d->used_idx - 1));
	} else {
		store(d, d->avail + VIRTQ_AVAIL_FLAGS, on ? 0 : VIRTQ_AVAIL_NO_INTERRUPT);
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
