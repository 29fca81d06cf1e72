/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The driver's rings of the front end library against a device of a few lines
 * that works on the ring memory itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canned.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "vhost-frontend/ring.h"

enum { MAX_SIZE = 256, MAX_SEGS = 6, DATA = 1 << 20 };
#define TIMEOUT_NS (TIMEOUT_MS * 1000000ULL)

struct request {
	struct fe_seg segs[MAX_SEGS];
	unsigned n_out, n_in, flags;
	uint32_t writable;
	bool back;
};

static struct fe_mem *mem;
static struct fe_ring *ring;
static uint64_t data;

/* The device's own state; ids and sizes of what it holds, oldest first. */
static struct {
	bool packed, in_order;
	unsigned size;
	uint16_t avail, used;
	bool avail_wrap, used_wrap;
	struct {
		uint16_t id, slots;
		uint32_t writable;
	} held[MAX_SIZE];
	unsigned n_held;
	struct virtq_desc *desc;
	uint8_t *driver, *device;
} dev;

static void make_lax_ring(unsigned size, uint64_t features, unsigned indirect, bool lax)
{
	struct fe_mem_spec spec = { .guest = 0x100000, .size = 16 << 20 };
	struct fe_ring_setup setup = { .size = size, .features = features, .indirect = indirect,
		.lax = lax };
	struct fe_ring_layout l;

	mem = fe_mem_new();
	ck_ok(fe_mem_add(mem, &spec, &err));
	ck_ok(fe_mem_alloc(mem, 0, DATA, 64, &data));
	ck_ok(fe_ring_new(mem, &setup, &ring, &err));
	fe_ring_layout(ring, &l);
	memset(&dev, 0, sizeof(dev));
	dev.packed = (features & BIT(VIRTIO_F_RING_PACKED)) != 0;
	dev.in_order = (features & BIT(VIRTIO_F_IN_ORDER)) != 0;
	dev.size = size;
	dev.avail_wrap = dev.used_wrap = true;
	dev.desc = fe_mem_at(mem, l.desc, l.desc_size);
	dev.driver = fe_mem_at(mem, l.driver, l.driver_size);
	dev.device = fe_mem_at(mem, l.device, l.device_size);
}

static void make_ring(unsigned size, uint64_t features, unsigned indirect)
{
	make_lax_ring(size, features, indirect, false);
}

static void free_ring(void)
{
	fe_ring_free(ring);
	fe_mem_free(mem);
}

static uint16_t word(const uint8_t *base, size_t off)
{
	uint16_t v;

	memcpy(&v, base + off, sizeof(v));
	return le16toh(v);
}

static void set_word(uint8_t *base, size_t off, uint16_t v)
{
	v = htole16(v);
	memcpy(base + off, &v, sizeof(v));
}

/* Compares one descriptor with the segment it must be. */
static void check_desc(const struct request *rq, unsigned seg, uint64_t addr, uint32_t len,
		       unsigned flags)
{
	must(seg < rq->n_out + rq->n_in);
	must(addr == rq->segs[seg].guest);
	must(len == rq->segs[seg].len);
	must(!!(flags & VIRTQ_DESC_WRITE) == (seg >= rq->n_out));
}

static void check_table(const struct request *rq, unsigned from, uint64_t addr, uint32_t len)
{
	const struct virtq_desc *t = fe_mem_at(mem, addr, len);
	unsigned i, n = len / 16, flags;

	must(t != NULL);
	must(from + n == rq->n_out + rq->n_in);
	for (i = 0; i < n; i++) {
		/* A packed table has the flags where a split one has the link. */
		flags = dev.packed ? le16_get(t[i].next) : le16_get(t[i].flags);
		check_desc(rq, from + i, le64_get(t[i].addr), le32_get(t[i].len), flags);
		must(!!(flags & VIRTQ_DESC_NEXT) == (!dev.packed && i + 1 < n));
		if (flags & VIRTQ_DESC_NEXT)
			must(le16_get(t[i].next) == i + 1);
	}
}

static void hold(uint16_t id, unsigned slots, const struct request *rq)
{
	dev.held[dev.n_held].id = id;
	dev.held[dev.n_held].slots = (uint16_t)slots;
	dev.held[dev.n_held++].writable = rq->writable;
}

static unsigned check_one(const struct request *rq, unsigned seg, unsigned i, unsigned flags)
{
	uint64_t addr = le64_get(dev.desc[i].addr);
	uint32_t len = le32_get(dev.desc[i].len);

	if (flags & VIRTQ_DESC_INDIRECT) {
		must(!(flags & VIRTQ_DESC_NEXT));
		check_table(rq, seg, addr, len);
		return rq->n_out + rq->n_in;
	}
	check_desc(rq, seg, addr, len, flags);
	return seg + 1;
}

static void take_split(const struct request *rq)
{
	uint16_t head = word(dev.driver, 4 + 2 * (dev.avail & (dev.size - 1)));
	unsigned seg = 0, slots = 0, flags, i = head;

	must(word(dev.driver, 2) == (uint16_t)(dev.avail + 1));
	do {
		must(i < dev.size);
		flags = le16_get(dev.desc[i].flags);
		seg = check_one(rq, seg, i, flags);
		slots++;
		if (dev.in_order && (flags & VIRTQ_DESC_NEXT))
			must(le16_get(dev.desc[i].next) == (i + 1) % dev.size);
		i = le16_get(dev.desc[i].next);
	} while (flags & VIRTQ_DESC_NEXT);
	must(seg == rq->n_out + rq->n_in);
	dev.avail++;
	hold(head, slots, rq);
}

static void take_packed(const struct request *rq)
{
	unsigned seg = 0, slots = 0, flags;
	uint16_t id;

	do {
		const struct virtq_desc *d = &dev.desc[dev.avail];

		flags = le16_get(d->next);
		must(!!(flags & VIRTQ_DESC_AVAIL) == dev.avail_wrap);
		must(!!(flags & VIRTQ_DESC_USED) == !dev.avail_wrap);
		id = le16_get(d->flags);
		seg = check_one(rq, seg, dev.avail, flags);
		slots++;
		if (++dev.avail == dev.size) {
			dev.avail = 0;
			dev.avail_wrap = !dev.avail_wrap;
		}
	} while (flags & VIRTQ_DESC_NEXT);
	must(seg == rq->n_out + rq->n_in);
	hold(id, slots, rq);
}

static void use_split(uint16_t id, uint32_t len, unsigned n)
{
	struct virtq_used_elem e = { le32(id), le32(len) };

	memcpy(dev.device + 4 + 8 * (dev.used & (dev.size - 1)), &e, sizeof(e));
	dev.used = (uint16_t)(dev.used + n);
	set_word(dev.device, 2, dev.used);
}

static void use_packed(uint16_t id, uint32_t len, unsigned slots)
{
	unsigned flags = (dev.used_wrap ? VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0) |
		(len > 0 ? VIRTQ_DESC_WRITE : 0);
	struct vring_packed_desc d = { le64(0), le32(len), le16(id), le16((uint16_t)flags) };

	memcpy(&dev.desc[dev.used], &d, sizeof(d));
	dev.used = (uint16_t)(dev.used + slots);
	if (dev.used >= dev.size) {
		dev.used = (uint16_t)(dev.used - dev.size);
		dev.used_wrap = !dev.used_wrap;
	}
}

/* Uses n requests from the place on; n > 1 is a batch, reported by the last one. */
static void use(unsigned at, unsigned n, uint32_t len)
{
	unsigned i, slots = 0;

	for (i = at; i < at + n; i++)
		slots += dev.held[i].slots;
	if (dev.packed)
		use_packed(dev.held[at + n - 1].id, len, slots);
	else
		use_split(dev.held[at + n - 1].id, len, n);
	memmove(&dev.held[at], &dev.held[at + n], (dev.n_held - at - n) * sizeof(dev.held[0]));
	dev.n_held -= n;
}

static void make_request(struct request *rq, unsigned max_segs, bool indirect)
{
	unsigned i;

	memset(rq, 0, sizeof(*rq));
	rq->n_out = (unsigned)rand() % max_segs;
	rq->n_in = (unsigned)rand() % (max_segs - rq->n_out) + (rq->n_out == 0);
	for (i = 0; i < rq->n_out + rq->n_in; i++) {
		rq->segs[i].guest = data + (unsigned)rand() % (DATA / 2);
		rq->segs[i].len = (uint32_t)rand() % 1000;
		if (i >= rq->n_out)
			rq->writable += rq->segs[i].len;
	}
	if (indirect)
		rq->flags = (unsigned)rand() % 3;
}

static const struct {
	unsigned size;
	uint64_t features;
	unsigned rounds;
} rounds[] = {
	{ 1, 0, 200 }, { 2, 0, 500 }, { 8, 0, 140000 }, { 256, 0, 20000 },
	{ 1, BIT(VIRTIO_F_IN_ORDER), 200 }, { 8, BIT(VIRTIO_F_IN_ORDER), 140000 },
	{ 256, BIT(VIRTIO_F_IN_ORDER), 20000 },
	{ 1, BIT(VIRTIO_F_RING_PACKED), 200 }, { 3, BIT(VIRTIO_F_RING_PACKED), 2000 },
	{ 8, BIT(VIRTIO_F_RING_PACKED), 20000 }, { 255, BIT(VIRTIO_F_RING_PACKED), 20000 },
	{ 1, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), 200 },
	{ 3, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), 2000 },
	{ 8, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), 20000 },
	{ 256, BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), 20000 },
};

/* The request must be the one the device used, with its length. */
static void check_used(const struct request *pool, uint32_t *lens, unsigned *left)
{
	struct fe_used used;
	int ret;

	while ((ret = fe_ring_get(ring, &used, &err)) == 1) {
		const struct request *rq = used.token;
		size_t i = (size_t)(rq - pool);

		must(i < MAX_SIZE);
		must(used.len == lens[i]);
		must(used.writable == rq->writable);
		must(!rq->back);
		((struct request *)used.token)->back = true;
		(*left)--;
	}
	must(ret == 0);
}

START_TEST(requests_go_round)
{
	static struct request pool[MAX_SIZE];
	static unsigned where[MAX_SIZE];
	static uint32_t lens[MAX_SIZE];
	unsigned size = rounds[_i].size, round, at, n, i, out = 0;
	struct request *rq;
	int ret;

	srand((unsigned)_i);
	for (i = 0; i < MAX_SIZE; i++)
		pool[i].back = true;
	make_ring(size, rounds[_i].features, MAX_SEGS);
	for (round = 0; round < rounds[_i].rounds; round++) {
		for (i = 0; !pool[i].back; i++)
			;
		rq = &pool[i];
		make_request(rq, size < MAX_SEGS ? size : MAX_SEGS, true);
		ret = fe_ring_add(ring, rq->segs, rq->n_out, rq->n_in, rq->flags, rq);
		if (ret == 0) {
			where[dev.n_held] = i;
			if (dev.packed)
				take_packed(rq);
			else
				take_split(rq);
			out++;
		} else {
			must(ret == -ENOSPC);
			must(out > 0);
			rq->back = true;
		}
		must(fe_ring_outstanding(ring) == out);
		if (dev.n_held == 0 || (ret == 0 && rand() % 3 > 0))
			continue;
		at = dev.in_order ? 0 : (unsigned)rand() % dev.n_held;
		n = dev.in_order ? 1 + (unsigned)rand() % dev.n_held : 1;
		for (i = at; i < at + n; i++)
			lens[where[i]] = dev.held[i].writable;
		lens[where[at + n - 1]] = (uint32_t)rand() % (dev.held[at + n - 1].writable + 1);
		i = lens[where[at + n - 1]];
		memmove(&where[at], &where[at + n], (dev.n_held - at - n) * sizeof(where[0]));
		use(at, n, i);
		check_used(pool, lens, &out);
		must(out == dev.n_held);
	}
	must(fe_ring_stats(ring)->added == fe_ring_stats(ring)->used + out);
	free_ring();
}
END_TEST

START_TEST(full_and_impossible)
{
	struct fe_seg s[3] = { { 0, 1 }, { 0, 1 }, { 0, 1 } };
	unsigned i;

	make_ring(2, _i ? BIT(VIRTIO_F_RING_PACKED) : 0, 3);
	ck_assert_int_eq(fe_ring_add(ring, s, 0, 0, 0, NULL), -EINVAL);
	ck_assert_int_eq(fe_ring_add(ring, s, 2, 1, 0, NULL), -EINVAL);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(fe_ring_add(ring, s, 2, 1, FE_ADD_INDIRECT, NULL), 0);
	ck_assert_int_eq(fe_ring_add(ring, s, 1, 0, 0, NULL), -ENOSPC);
	ck_assert_uint_eq(fe_ring_free_slots(ring), 0);
	fe_ring_reset(ring);
	ck_assert_uint_eq(fe_ring_free_slots(ring), 2);
	ck_assert_uint_eq(fe_ring_outstanding(ring), 0);
	free_ring();
}
END_TEST

static const struct {
	unsigned size;
	uint64_t features;
	unsigned indirect;
} bad_setups[] = {
	{ 0, 0, 0 }, { 3, 0, 0 }, { 32769, BIT(VIRTIO_F_RING_PACKED), 0 }, { 65536, 0, 0 },
	{ 4, 0, 1025 }, { 0, BIT(VIRTIO_F_RING_PACKED), 0 },
};

START_TEST(impossible_rings)
{
	struct fe_ring_setup s = { .size = bad_setups[_i].size, .indirect = bad_setups[_i].indirect,
		.features = bad_setups[_i].features };
	struct fe_mem_spec spec = { .size = 1 << 20 };
	struct fe_ring *r = NULL;

	mem = fe_mem_new();
	ck_ok(fe_mem_add(mem, &spec, &err));
	ck_assert_int_eq(fe_ring_new(mem, &s, &r, &err), -EINVAL);
	ck_assert_ptr_null(r);
	s = (struct fe_ring_setup){ .size = 32768, .indirect = 64 };
	ck_assert_int_eq(fe_ring_new(mem, &s, &r, &err), -ENOSPC);
	fe_mem_free(mem);
}
END_TEST

/* -- Kicks ----------------------------------------------------------------- */

static const struct {
	const char *what;
	uint64_t features;
	unsigned before, added;         /* requests earlier, and since then */
	uint16_t a, b;                  /* split: used.flags, avail_event; packed: event */
	int kicks;
} kicks[] = {
	{ "split, wanted", 0, 0, 1, 0, 0, 1 },
	{ "split, not wanted", 0, 0, 1, 1, 0, 0 },
	{ "split, event here", BIT(VIRTIO_F_EVENT_IDX), 0, 1, 1, 0, 1 },
	{ "split, event behind", BIT(VIRTIO_F_EVENT_IDX), 2, 1, 0, 1, 0 },
	{ "split, event ahead", BIT(VIRTIO_F_EVENT_IDX), 2, 1, 0, 3, 0 },
	{ "split, event inside", BIT(VIRTIO_F_EVENT_IDX), 2, 4, 0, 4, 1 },
	{ "packed, enabled", BIT(VIRTIO_F_RING_PACKED), 0, 1, 0, 0, 1 },
	{ "packed, disabled", BIT(VIRTIO_F_RING_PACKED), 0, 1, 0, 1, 0 },
	{ "packed, event here", BIT(VIRTIO_F_RING_PACKED), 1, 1, 0x8001, 2, 1 },
	{ "packed, event ahead", BIT(VIRTIO_F_RING_PACKED), 1, 1, 0x8002, 2, 0 },
	{ "packed, event behind", BIT(VIRTIO_F_RING_PACKED), 2, 1, 0x8001, 2, 0 },
	{ "packed, event of the next round", BIT(VIRTIO_F_RING_PACKED), 2, 1, 0x0002, 2, 0 },
	{ "packed, wrapped past it", BIT(VIRTIO_F_RING_PACKED), 7, 2, 0x8007, 2, 1 },
	{ "packed, wrapped onto it", BIT(VIRTIO_F_RING_PACKED), 7, 2, 0x0000, 2, 1 },
	{ "packed, wrapped short of it", BIT(VIRTIO_F_RING_PACKED), 7, 2, 0x0001, 2, 0 },
};

static void add_and_use(unsigned n)
{
	struct fe_seg s = { data, 1 };
	struct request rq = { .segs = { { data, 1 } }, .n_out = 1 };
	struct fe_used used;

	while (n-- > 0) {
		ck_assert_int_eq(fe_ring_add(ring, &s, 1, 0, 0, &rq), 0);
		if (dev.packed)
			take_packed(&rq);
		else
			take_split(&rq);
		use(0, 1, 0);
		ck_assert_int_eq(fe_ring_get(ring, &used, &err), 1);
	}
}

START_TEST(kicks_as_the_device_wants)
{
	struct fe_seg s = { data, 1 };
	uint64_t count = 0;
	unsigned i;

	make_ring(8, kicks[_i].features, 0);
	add_and_use(kicks[_i].before);
	fe_ring_kick(ring, fe, &err);
	ck_assert_int_eq(fe_ring_kick(ring, fe, &err), 0);
	(void)!read(fe_ring_kick_fd(ring), &count, sizeof(count));
	if (dev.packed) {
		set_word(dev.device, 0, kicks[_i].a);
		set_word(dev.device, 2, kicks[_i].b);
	} else {
		set_word(dev.device, 0, kicks[_i].a);
		set_word(dev.device, 4 + 8 * 8, kicks[_i].b);
	}
	for (i = 0; i < kicks[_i].added; i++)
		ck_assert_int_eq(fe_ring_add(ring, &s, 1, 0, 0, NULL), 0);
	ck_assert_int_eq(fe_ring_kick(ring, fe, &err), kicks[_i].kicks);
	count = 0;
	(void)!read(fe_ring_kick_fd(ring), &count, sizeof(count));
	ck_assert_int_eq((int)count, kicks[_i].kicks);
	free_ring();
}
END_TEST

/* -- Signals --------------------------------------------------------------- */

START_TEST(asking_for_signals)
{
	bool packed = _i & 1, event_idx = _i & 2;
	uint64_t features = (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
		(event_idx ? BIT(VIRTIO_F_EVENT_IDX) : 0);
	struct fe_seg s = { data, 1 };
	struct request rq = { .segs = { { data, 1 } }, .n_out = 1 };

	make_ring(4, features, 0);
	add_and_use(5);
	ck_assert(!fe_ring_arm(ring, 1));
	if (packed && event_idx)
		ck_assert(word(dev.driver, 0) == 1 && word(dev.driver, 2) == 2);
	if (packed && !event_idx)
		ck_assert_uint_eq(word(dev.driver, 2), 0);
	if (!packed && event_idx)
		ck_assert(word(dev.driver, 4 + 2 * 4) == 5 && word(dev.driver, 0) == 0);
	if (!packed && !event_idx)
		ck_assert_uint_eq(word(dev.driver, 0), 0);
	fe_ring_disarm(ring);
	if (packed)
		ck_assert_uint_eq(word(dev.driver, 2), 1);
	else
		ck_assert_uint_eq(word(dev.driver, 0), !event_idx);
	ck_assert_int_eq(fe_ring_add(ring, &s, 1, 0, 0, &rq), 0);
	if (packed)
		take_packed(&rq);
	else
		take_split(&rq);
	ck_assert_int_eq(fe_ring_wait(ring, fe, 0, &err), -ETIMEDOUT);
	use(0, 1, 0);
	ck_assert(fe_ring_arm(ring, 1));
	ck_assert_int_eq(fe_ring_wait(ring, fe, 0, &err), 0);
	free_ring();
}
END_TEST

START_TEST(err_fd_ends_a_wait)
{
	make_ring(4, 0, 0);
	ck_ok(fd_signal(fe_ring_call_fd(ring)));
	ck_ok(fd_signal(fe_ring_err_fd(ring)));
	ck_assert_int_eq(fe_ring_wait(ring, fe, TIMEOUT_MS, &err), -EIO);
	ck_assert(!fe_ring_erred(ring, fe));
	ck_ok(fd_signal(fe_ring_err_fd(ring)));
	ck_assert(fe_ring_erred(ring, fe));
	free_ring();
}
END_TEST

/* One of several rings, or a descriptor of the caller's, ends a sleep. */
START_TEST(sleep_over_several_rings)
{
	const struct fe_ring_setup setup = { .index = 1, .size = 4 };
	struct fe_ring *both[2];
	const int own = fd_eventfd();

	make_ring(4, 0, 0);
	both[0] = ring;
	ck_ok(fe_ring_new(mem, &setup, &both[1], &err));
	ck_ok(fe_rings_sleep(both, 2, fe, -1, 0, &err));
	ck_ok(fd_signal(fe_ring_call_fd(both[1])));
	ck_ok(fe_rings_sleep(both, 2, fe, -1, TIMEOUT_NS, &err));
	ck_assert_uint_eq(fe_ring_stats(both[0])->calls, 0);
	ck_assert_uint_eq(fe_ring_stats(both[1])->calls, 1);
	ck_ok(fd_signal(own));
	ck_ok(fe_rings_sleep(both, 2, fe, own, TIMEOUT_NS, &err));
	ck_assert_uint_eq(fe_ring_stats(both[1])->calls, 1);
	ck_ok(fd_signal(fe_ring_err_fd(both[1])));
	ck_assert_int_eq(fe_rings_sleep(both, 2, fe, -1, TIMEOUT_NS, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.text, "queue 1:"));
	ck_ok(fe_rings_sleep(both, 2, fe, -1, 0, &err));
	/* Nothing was asked. */
	say_u64(VU_GET_FEATURES, 0);
	ck_assert_int_eq(fe_rings_sleep(both, 2, fe, -1, TIMEOUT_NS, &err), -EPROTO);
	ck_ok(shutdown(peer, SHUT_RDWR));
	ck_assert_int_eq(fe_rings_sleep(both, 2, fe, -1, TIMEOUT_NS, &err), -ECONNRESET);
	fe_ring_free(both[1]);
	free_ring();
	close(own);
}
END_TEST

START_TEST(ring_tells_its_addresses)
{
	struct vu_vring_addr a;
	struct fe_ring_layout l;

	make_ring(_i, _i == 3 ? BIT(VIRTIO_F_RING_PACKED) : 0, 3);
	fe_ring_layout(ring, &l);
	fe_ring_addr(ring, &a);
	ck_assert(a.index == 0 && a.flags == 0 && a.log == 0);
	ck_assert_uint_eq(a.desc, fe_mem_user(mem, l.desc));
	ck_assert_uint_eq(a.avail, fe_mem_user(mem, l.driver));
	ck_assert_uint_eq(a.used, fe_mem_user(mem, l.device));
	/* As virtio wants them, and apart. */
	ck_assert(l.desc % 16 == 0 && l.driver % 4 == 0 && l.device % 4 == 0);
	ck_assert_uint_ge(l.driver, l.desc + l.desc_size);
	ck_assert_uint_ge(l.device, l.driver + l.driver_size);
	free_ring();
}
END_TEST

/* -- Devices that lie ------------------------------------------------------ */

static const struct {
	const char *what;
	uint64_t features;
	unsigned add;
	uint32_t id, len;
	unsigned n;                     /* split: how far used.idx moves */
	int ret;
	bool borne;                     /* by those who do not look at lengths */
} lies[] = {
	{ "split, fine", 0, 2, 1, 8, 1, 1 },
	{ "split, index too far", 0, 2, 0, 0, 3, -EPROTO },
	{ "split, index goes back", 0, 2, 0, 0, 0xffff, -EPROTO },
	{ "split, nothing was asked", 0, 0, 0, 0, 1, -EPROTO },
	{ "split, id of nothing", 0, 2, 3, 0, 1, -EPROTO },
	{ "split, id outside", 0, 2, 4, 0, 1, -EPROTO },
	{ "split, id far outside", 0, 2, 0x10000, 0, 1, -EPROTO },
	{ "split, too much written", 0, 2, 0, 9, 1, -EPROTO, true },
	{ "split, 4 GiB written", 0, 2, 0, UINT32_MAX, 1, -EPROTO, true },
	{ "split in order, fine", BIT(VIRTIO_F_IN_ORDER), 2, 1, 8, 2, 1 },
	{ "split in order, id outside", BIT(VIRTIO_F_IN_ORDER), 2, 77, 0, 1, -EPROTO },
	{ "split in order, index and id differ", BIT(VIRTIO_F_IN_ORDER), 2, 1, 0, 1, -EPROTO },
	{ "packed, fine", BIT(VIRTIO_F_RING_PACKED), 2, 1, 8, 1, 1 },
	{ "packed, id of nothing", BIT(VIRTIO_F_RING_PACKED), 2, 2, 8, 1, -EPROTO },
	{ "packed, id outside", BIT(VIRTIO_F_RING_PACKED), 2, 0xffff, 8, 1, -EPROTO },
	{ "packed, too much written", BIT(VIRTIO_F_RING_PACKED), 2, 0, 9, 1, -EPROTO, true },
	{ "packed, nothing was asked", BIT(VIRTIO_F_RING_PACKED), 0, 0, 9, 1, -EPROTO },
	{ "packed in order, id outside",
		BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER), 2, 3, 8, 1, -EPROTO },
};

static void tell_lie(unsigned n, int want)
{
	struct fe_seg s = { data, 8 };
	struct fe_used used = { .len = 0 };
	unsigned i;

	for (i = 0; i < lies[n].add; i++)
		ck_assert_int_eq(fe_ring_add(ring, &s, 0, 1, 0, NULL), 0);
	if (dev.packed) {
		use_packed((uint16_t)lies[n].id, lies[n].len, 1);
	} else {
		use_split(0, lies[n].len, lies[n].n);
		memcpy(dev.device + 4, &lies[n].id, sizeof(lies[n].id));
	}
	ck_assert_int_eq(fe_ring_get(ring, &used, &err), want);
	ck_assert_uint_le(used.len, 8);
	if (want < 0)
		ck_assert_int_eq(fe_ring_get(ring, &used, &err), -EPROTO);
}

START_TEST(devices_that_lie)
{
	make_ring(4, lies[_i].features, 0);
	tell_lie((unsigned)_i, lies[_i].ret);
	free_ring();
}
END_TEST

START_TEST(lies_that_are_borne)
{
	make_lax_ring(4, lies[_i].features, 0, true);
	tell_lie((unsigned)_i, lies[_i].borne ? 1 : lies[_i].ret);
	free_ring();
}
END_TEST

START_TEST(same_request_used_twice)
{
	struct fe_seg s = { data, 8 };
	struct fe_used used;

	make_ring(4, _i ? BIT(VIRTIO_F_RING_PACKED) : 0, 0);
	ck_assert_int_eq(fe_ring_add(ring, &s, 0, 1, 0, NULL), 0);
	ck_assert_int_eq(fe_ring_add(ring, &s, 0, 1, 0, NULL), 0);
	if (dev.packed) {
		use_packed(0, 1, 1);
		use_packed(0, 1, 1);
	} else {
		use_split(0, 1, 1);
		use_split(0, 1, 1);
	}
	ck_assert_int_eq(fe_ring_get(ring, &used, &err), 1);
	ck_assert_int_eq(fe_ring_get(ring, &used, &err), -EPROTO);
	free_ring();
}
END_TEST

/* -- Start and stop at a back end ------------------------------------------ */

static const struct {
	uint64_t features;
	uint32_t base;
	int ret;
} bases[] = {
	{ 0, 3, 0 }, { 0, 1, 0 }, { 0, 0, -EPROTO }, { 0, 4, -EPROTO }, { 0, 0x10003, -EPROTO },
	{ BIT(VIRTIO_F_RING_PACKED), 0x80028003, 0 },
	{ BIT(VIRTIO_F_RING_PACKED), 0x80028004, -EPROTO },
	{ BIT(VIRTIO_F_RING_PACKED), 0x80048002, -EPROTO },
};

START_TEST(where_the_ring_stopped)
{
	struct vu_vring_state state = { 0, bases[_i].base };
	struct fe_seg s = { data, 8 };
	uint32_t base;

	make_ring(4, bases[_i].features, 0);
	add_and_use(1);
	ck_assert_int_eq(fe_ring_add(ring, &s, 0, 1, 0, NULL), 0);
	ck_assert_int_eq(fe_ring_add(ring, &s, 0, 1, 0, NULL), 0);
	say(VU_GET_VRING_BASE, 5, &state, sizeof(state));
	ck_assert_int_eq(fe_ring_get_base(ring, fe, &base, &err), bases[_i].ret);
	if (bases[_i].ret == 0) {
		hear(VU_GET_VRING_BASE, 1, &state, sizeof(state), NULL);
		ck_ok(fe_ring_send(ring, fe, FE_RING_BASE, &err));
		hear(VU_SET_VRING_BASE, 1, &state, sizeof(state), NULL);
		ck_assert_uint_eq(state.num, bases[_i].base);
	}
	free_ring();
}
END_TEST

START_TEST(start_as_qemu_does)
{
	struct vu_vring_addr addr;
	struct fe_ring_layout l;
	uint8_t body[64];

	make_ring(4, 0, 0);
	ck_ok(fe_set_features(fe, BIT(VHOST_USER_F_PROTOCOL_FEATURES), &err));
	ck_ok(fe_ring_start(ring, fe, &err));
	fe_ring_layout(ring, &l);
	hear(VU_SET_FEATURES, 1, body, 8, NULL);
	hear(VU_SET_VRING_NUM, 1, body, 8, NULL);
	hear(VU_SET_VRING_BASE, 1, body, 8, NULL);
	hear(VU_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL);
	ck_assert_uint_eq(addr.desc, fe_mem_user(mem, l.desc));
	ck_assert_uint_eq(addr.avail, fe_mem_user(mem, l.driver));
	ck_assert_uint_eq(addr.used, fe_mem_user(mem, l.device));
	ck_assert_uint_eq(hear(VU_SET_VRING_ERR, 1, body, 8, NULL), 1);
	ck_assert_uint_eq(hear(VU_SET_VRING_KICK, 1, body, 8, NULL), 1);
	ck_assert_uint_eq(hear(VU_SET_VRING_CALL, 1, body, 8, NULL), 1);
	hear(VU_SET_VRING_ENABLE, 1, body, 8, NULL);
	free_ring();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frontend-ring");
	TCase *tc = tcase_create("ring");

	tcase_add_checked_fixture(tc, set_up_pair, tear_down_pair);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, requests_go_round, 0, (int)ARRAY_SIZE(rounds));
	tcase_add_loop_test(tc, full_and_impossible, 0, 2);
	tcase_add_loop_test(tc, impossible_rings, 0, (int)ARRAY_SIZE(bad_setups));
	tcase_add_loop_test(tc, kicks_as_the_device_wants, 0, (int)ARRAY_SIZE(kicks));
	tcase_add_loop_test(tc, asking_for_signals, 0, 4);
	tcase_add_test(tc, err_fd_ends_a_wait);
	tcase_add_test(tc, sleep_over_several_rings);
	tcase_add_loop_test(tc, ring_tells_its_addresses, 1, 5);
	tcase_add_loop_test(tc, devices_that_lie, 0, (int)ARRAY_SIZE(lies));
	tcase_add_loop_test(tc, lies_that_are_borne, 0, (int)ARRAY_SIZE(lies));
	tcase_add_loop_test(tc, same_request_used_twice, 0, 2);
	tcase_add_loop_test(tc, where_the_ring_stopped, 0, (int)ARRAY_SIZE(bases));
	tcase_add_test(tc, start_as_qemu_does);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
