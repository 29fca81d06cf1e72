/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Rings that break the rules: each costs its request or its ring, as the
 * table says, and nothing else. After a bad request the next one is served;
 * while a ring is broken the other queue of the instance is served.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring-rig.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum outcome {
	NONE,                           /* no such thing in this layout */
	SERVED,
	BAD,                            /* comes back with length 0, unseen by the device */
	BROKEN,
};

enum { N = 16, TABLE = GUEST_DATA + 8 * GUEST_PAGE, NEXT = VIRTQ_DESC_NEXT,
	INDIRECT = VIRTQ_DESC_INDIRECT };

static struct lane *lane = &rig.lane[0];
static bool packed;

static const struct buffer good_in = { GUEST_DATA, 8, false };
static const struct buffer good_out = { GUEST_DATA + 64, 8, true };

/* A request from descriptors as they are: flags hold NEXT and INDIRECT. */
static void raw(const struct buffer *b, const uint16_t *flags, unsigned n, uint16_t id)
{
	struct driver *d = &lane->driver;
	uint16_t slot;
	unsigned i;

	if (!packed) {
		for (i = 0; i < n; i++)
			split_desc(d, id + i, b[i], flags[i], (uint16_t)(id + i + 1));
		split_offer(d, id);
		return;
	}
	/* The first one last, as its flags hand all of them over. */
	for (i = n; i-- > 0;) {
		slot = (uint16_t)((d->slot + i) % d->size);
		packed_desc(d, slot, b[i], id, flags[i],
			    d->wrap != (d->slot + i >= d->size));
	}
	if (d->slot + n >= d->size)
		d->wrap = !d->wrap;
	d->slot = (uint16_t)((d->slot + n) % d->size);
}

static void one(struct buffer b)
{
	const uint16_t flags = 0;

	raw(&b, &flags, 1, 0);
}

static void two(struct buffer a, struct buffer b)
{
	const struct buffer list[2] = { a, b };
	const uint16_t flags[2] = { NEXT, 0 };

	raw(list, flags, 2, 0);
}

/* A request that is a table of n entries, which is there already. */
static void table(uint64_t addr, uint32_t len, bool write)
{
	const struct buffer b = { addr, len, write };
	const uint16_t flags = INDIRECT;

	raw(&b, &flags, 1, 0);
}

static void entry(uint64_t at, unsigned i, struct buffer b, uint16_t flags, uint16_t next)
{
	if (packed) {
		const struct vring_packed_desc e = { le64(b.addr), le32(b.len), le16(next),
			le16(flags | (b.write ? VIRTQ_DESC_WRITE : 0)) };

		guest_write(&rig.guest, at + 16 * (uint64_t)i, &e, sizeof(e));
	} else {
		table_desc(&rig.guest, at, i, b, flags, next);
	}
}

static void good_table(uint64_t at)
{
	entry(at, 0, good_in, NEXT, 1);
	entry(at, 1, good_out, 0, 0);
}

/* The cases. */

static void well_formed(void)
{
	two(good_in, good_out);
}

static void loop_of_one(void)
{
	const uint16_t flags[N] = { NEXT, NEXT, NEXT, NEXT, NEXT, NEXT, NEXT, NEXT,
		NEXT, NEXT, NEXT, NEXT, NEXT, NEXT, NEXT, NEXT };
	struct buffer b[N];
	unsigned i;

	for (i = 0; i < N; i++)
		b[i] = good_in;
	raw(b, flags, N, 0);
	if (!packed)
		split_desc(&lane->driver, N - 1, good_in, NEXT, 0);
}

static void head_outside(void)
{
	const uint16_t flags = 0;

	if (packed)
		raw(&good_in, &flags, 1, N);
	else
		split_offer(&lane->driver, N);
}

static void head_far_outside(void)
{
	const uint16_t flags = 0;

	if (packed)
		raw(&good_in, &flags, 1, 65535);
	else
		split_offer(&lane->driver, 65535);
}

static void next_outside(void)
{
	if (packed)
		return;
	split_desc(&lane->driver, 0, good_in, NEXT, N);
	split_offer(&lane->driver, 0);
}

static void next_far_outside(void)
{
	split_desc(&lane->driver, 0, good_in, NEXT, 65535);
	split_offer(&lane->driver, 0);
}

static void index_jumps(void)
{
	split_set_avail_idx(&lane->driver, (uint16_t)(lane->driver.avail_idx + N + 1));
}

static void index_goes_back(void)
{
	split_set_avail_idx(&lane->driver, (uint16_t)(lane->driver.avail_idx - 1));
}

static void address_wraps(void)
{
	one((struct buffer){ UINT64_MAX - 7, 9, true });
}

static void ends_at_the_top(void)
{
	one((struct buffer){ UINT64_MAX - 7, 8, true });
}

static void length_of_all(void)
{
	one((struct buffer){ GUEST_DATA, UINT32_MAX, true });
}

static void empty_descriptor_nowhere(void)
{
	const struct buffer b[4] = { { GUEST_NOWHERE, 0, false }, good_in,
		{ UINT64_MAX, 0, true }, good_out };
	const uint16_t flags[4] = { NEXT, NEXT, NEXT, 0 };

	raw(b, flags, 4, 0);
}

static void only_empty_descriptors(void)
{
	two((struct buffer){ GUEST_NOWHERE, 0, false }, (struct buffer){ 0, 0, true });
}

static void empty_writable_before_readable(void)
{
	const struct buffer b[3] = { { GUEST_DATA, 0, true }, good_in, good_out };
	const uint16_t flags[3] = { NEXT, NEXT, 0 };

	raw(b, flags, 3, 0);
}

static void indirect_and_next(void)
{
	const struct buffer b[2] = { { TABLE, 32, false }, good_out };
	const uint16_t flags[2] = { INDIRECT | NEXT, 0 };

	good_table(TABLE);
	raw(b, flags, 2, 0);
}

static void table_alone(void)
{
	good_table(TABLE);
	table(TABLE, 32, false);
}

static void table_marked_writable(void)
{
	good_table(TABLE);
	table(TABLE, 32, true);
}

static void table_behind_descriptors(void)
{
	const struct buffer b[2] = { good_in, { TABLE, 32, false } };
	const uint16_t flags[2] = { NEXT, INDIRECT };

	good_table(TABLE);
	raw(b, flags, 2, 0);
}

static void table_behind_a_writable_one(void)
{
	const struct buffer b[2] = { good_out, { TABLE, 32, false } };
	const uint16_t flags[2] = { NEXT, INDIRECT };

	good_table(TABLE);
	raw(b, flags, 2, 0);
}

static void table_in_table(void)
{
	entry(TABLE, 0, (struct buffer){ TABLE, 32, false }, INDIRECT, 0);
	table(TABLE, 16, false);
}

static void table_empty(void)
{
	table(TABLE, 0, false);
}

static void table_of_half_an_entry(void)
{
	table(TABLE, 8, false);
}

static void table_of_two_and_a_half(void)
{
	good_table(TABLE);
	table(TABLE, 40, false);
}

static void longest_table(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		entry(TABLE, i, (struct buffer){ GUEST_DATA + i, 1, i >= n / 2 },
		      i + 1 < n ? NEXT : 0, (uint16_t)(i + 1));
	table(TABLE, 16 * n, false);
}

static void table_of_1024(void)
{
	longest_table(1024);
}

static void table_of_1025(void)
{
	longest_table(1025);
}

static void table_too_long_with_descriptors(void)
{
	const struct buffer b[2] = { { GUEST_DATA, 0, false }, { TABLE, 16 * 1024, false } };
	const uint16_t flags[2] = { NEXT, INDIRECT };

	raw(b, flags, 2, 0);
}

static void table_of_4_gigabytes(void)
{
	table(TABLE, 0xfffffff0, false);
}

static void table_outside(void)
{
	table(GUEST_NOWHERE, 32, false);
}

static void table_ends_outside(void)
{
	entry(GUEST_APART + 16 * GUEST_PAGE - 16, 0, good_in, NEXT, 1);
	table(GUEST_APART + 16 * GUEST_PAGE - 16, 32, false);
}

static void table_wraps(void)
{
	table(UINT64_MAX - 15, 32, false);
}

static void table_crosses_regions(void)
{
	good_table(GUEST_DATA + 5 * GUEST_PAGE - 16);
	table(GUEST_DATA + 5 * GUEST_PAGE - 16, 32, false);
}

static void entry_crosses_regions(void)
{
	good_table(GUEST_DATA + 5 * GUEST_PAGE - 24);
	table(GUEST_DATA + 5 * GUEST_PAGE - 24, 32, false);
}

static void table_unaligned(void)
{
	good_table(TABLE + 3);
	table(TABLE + 3, 32, false);
}

static void table_points_outside(void)
{
	entry(TABLE, 0, good_in, NEXT, 2);
	entry(TABLE, 1, good_out, 0, 0);
	table(TABLE, 32, false);
}

static void table_is_a_loop(void)
{
	entry(TABLE, 0, good_in, NEXT, 1);
	entry(TABLE, 1, good_in, NEXT, 0);
	table(TABLE, 32, false);
}

static void table_with_bad_order(void)
{
	entry(TABLE, 0, good_out, NEXT, 1);
	entry(TABLE, 1, good_in, 0, 0);
	table(TABLE, 32, false);
}

static void table_with_bad_address(void)
{
	entry(TABLE, 0, good_in, NEXT, 1);
	entry(TABLE, 1, (struct buffer){ GUEST_NOWHERE, 8, true }, 0, 0);
	table(TABLE, 32, false);
}

static void writable_before_readable(void)
{
	two(good_out, good_in);
}

static void crosses_regions(void)
{
	two((struct buffer){ GUEST_DATA + 5 * GUEST_PAGE - 3, 8, false },
	    (struct buffer){ GUEST_DATA + 12 * GUEST_PAGE - 5, 8, true });
}

static void crosses_three_regions(void)
{
	two(good_in, (struct buffer){ GUEST_DATA + 5 * GUEST_PAGE - 3, 7 * GUEST_PAGE + 8, true });
}

static void outside(void)
{
	one((struct buffer){ GUEST_NOWHERE, 8, true });
}

static void ends_outside(void)
{
	one((struct buffer){ GUEST_APART + 16 * GUEST_PAGE - 4, 5, true });
}

static void second_outside(void)
{
	two(good_in, (struct buffer){ GUEST_NOWHERE, 8, true });
}

static void as_long_as_the_ring(void)
{
	uint16_t flags[N];
	struct buffer b[N];
	unsigned i;

	for (i = 0; i < N; i++) {
		b[i] = (struct buffer){ GUEST_DATA + 8 * (uint64_t)i, 1, i >= N / 2 };
		flags[i] = i + 1 < N ? NEXT : 0;
	}
	raw(b, flags, N, 0);
}

static const struct {
	const char *name;
	void (*make)(void);
	enum outcome split, packed;
	int64_t len;                    /* of SERVED */
} cases[] = {
	{ "well formed", well_formed, SERVED, SERVED, 8 },
	{ "endless chain", loop_of_one, BAD, BROKEN, 0 },
	{ "head outside", head_outside, BROKEN, BROKEN, 0 },
	{ "head far outside", head_far_outside, BROKEN, BROKEN, 0 },
	{ "next outside", next_outside, BROKEN, NONE, 0 },
	{ "next far outside", next_far_outside, BROKEN, NONE, 0 },
	{ "index jumps", index_jumps, BROKEN, NONE, 0 },
	{ "index goes back", index_goes_back, BROKEN, NONE, 0 },
	{ "address wraps", address_wraps, BAD, BAD, 0 },
	{ "ends at the top of nothing", ends_at_the_top, BAD, BAD, 0 },
	{ "length of all", length_of_all, BAD, BAD, 0 },
	{ "empty descriptors nowhere", empty_descriptor_nowhere, SERVED, SERVED, 8 },
	{ "only empty descriptors", only_empty_descriptors, SERVED, SERVED, 0 },
	{ "empty writable one first", empty_writable_before_readable, SERVED, SERVED, 8 },
	{ "indirect and next", indirect_and_next, BAD, BAD, 0 },
	{ "table alone", table_alone, SERVED, SERVED, 8 },
	{ "table marked writable", table_marked_writable, SERVED, SERVED, 8 },
	{ "table behind descriptors", table_behind_descriptors, SERVED, SERVED, 8 },
	{ "readable table behind writable", table_behind_a_writable_one, BAD, BAD, 0 },
	{ "table in table", table_in_table, BAD, BAD, 0 },
	{ "empty table", table_empty, BAD, BAD, 0 },
	{ "half an entry", table_of_half_an_entry, BAD, BAD, 0 },
	{ "two and a half entries", table_of_two_and_a_half, BAD, BAD, 0 },
	{ "table of 1024", table_of_1024, SERVED, SERVED, 512 },
	{ "table of 1025", table_of_1025, BAD, BAD, 0 },
	{ "descriptors and table of 1024", table_too_long_with_descriptors, BAD, BAD, 0 },
	{ "table of 4 gigabytes", table_of_4_gigabytes, BAD, BAD, 0 },
	{ "table outside", table_outside, BAD, BAD, 0 },
	{ "table ends outside", table_ends_outside, BAD, BAD, 0 },
	{ "table wraps", table_wraps, BAD, BAD, 0 },
	{ "table crosses regions", table_crosses_regions, SERVED, SERVED, 8 },
	{ "entry crosses regions", entry_crosses_regions, SERVED, SERVED, 8 },
	{ "unaligned table", table_unaligned, SERVED, SERVED, 8 },
	{ "table points outside", table_points_outside, BAD, NONE, 0 },
	{ "table is a loop", table_is_a_loop, BAD, NONE, 0 },
	{ "bad order in a table", table_with_bad_order, BAD, BAD, 0 },
	{ "bad address in a table", table_with_bad_address, BAD, BAD, 0 },
	{ "writable before readable", writable_before_readable, BAD, BAD, 0 },
	{ "crosses regions", crosses_regions, SERVED, SERVED, 8 },
	{ "crosses three regions", crosses_three_regions, SERVED, SERVED, 8 },
	{ "outside", outside, BAD, BAD, 0 },
	{ "ends outside", ends_outside, BAD, BAD, 0 },
	{ "second one outside", second_outside, BAD, BAD, 0 },
	{ "as long as the ring", as_long_as_the_ring, SERVED, SERVED, 8 },
};

/* What stands in the used ring at a place, whoever put it there. */
static int64_t used_len(unsigned place, bool *ret_used)
{
	struct driver *d = &lane->driver;
	const struct vring_packed_desc *p;
	struct virtq_used_elem e;
	uint16_t flags;

	if (packed) {
		p = (const struct vring_packed_desc *)(const void *)
			guest_at(&rig.guest, d->desc + 16 * (uint64_t)place);
		flags = le16_get(p->flags);
		*ret_used = (flags & (VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED)) ==
			(VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED);
		return le32_get(p->len);
	}
	*ret_used = split_used_idx(d) > place;
	memcpy(&e, guest_at(&rig.guest, d->used + 4 + 8 * (uint64_t)place), sizeof(e));
	return le32_get(e.len);
}

static void expect_other_served(void)
{
	rig_send_small(&rig.lane[1], 5);
	ck_assert_int_eq(rig_collect(&rig.lane[1], NULL), 8);
}

static void expect_broken(void)
{
	unsigned handled = lane->handled;
	bool used;

	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert(rig_readable(lane->err));
	ck_assert(queue_broken(lane->queue));
	ck_assert(!queue_running(lane->queue));
	used_len(0, &used);
	ck_assert(!used);
	/* It stays so, whatever is kicked. */
	fd_signal(lane->kick);
	loop_turn(rig.loop, false);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->handled, handled);
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_ptr_null(queue_pop(lane->queue));
	expect_other_served();
}

static unsigned slots_taken(void)
{
	return lane->driver.slot;
}

START_TEST(rules_broken)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i & 1 };
	enum outcome outcome = packed ? cases[_i / 2].packed : cases[_i / 2].split;
	unsigned second;
	bool used;

	if (outcome == NONE)
		return;
	rig_start(&s);
	cases[_i / 2].make();
	fd_signal(lane->kick);
	rig_turn();
	if (outcome == BROKEN) {
		expect_broken();
	} else {
		ck_assert_uint_eq(lane->told_broken, 0);
		ck_assert_uint_eq(lane->popped, outcome == SERVED);
		ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, outcome == BAD);
		ck_assert_int_eq(used_len(0, &used), outcome == SERVED ? cases[_i / 2].len : 0);
		ck_assert(used);
		ck_assert_uint_eq(queue_held(lane->queue), 0);
		/* The next one. */
		second = packed ? slots_taken() % N : 1;
		if (second != 0) {
			two(good_in, good_out);
			fd_signal(lane->kick);
			rig_turn();
			ck_assert_int_eq(used_len(second, &used), 8);
			ck_assert(used);
		}
		expect_other_served();
	}
	rig_stop();
}
END_TEST

START_TEST(more_bytes_than_32_bits)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i };
	const uint64_t size = 3ULL << 30;
	struct mem_region big = { 0x100000000, size, 0x100000000, 0, -1 };
	struct error err = ERROR_NONE;
	struct mem_map *map;
	bool used;

	rig_start(&s);
	lane->mode = HOLD;
	big.fd = fd_memfd("big", size);
	ck_assert_int_ge(big.fd, 0);
	map = mem_map_add(rig.map, &big, &err);
	close(big.fd);
	queue_set_memory(lane->queue, map);
	mem_map_unref(map);
	two((struct buffer){ big.guest, 0xc0000000, true },
	    (struct buffer){ big.guest, 0x40000000, true });
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 0);
	used_len(0, &used);
	ck_assert(used);
	if (!packed) {
		/* One byte less can be counted. */
		two((struct buffer){ big.guest, 0xc0000000, true },
		    (struct buffer){ big.guest, 0x3fffffff, true });
		fd_signal(lane->kick);
		rig_turn();
		ck_assert_uint_eq(lane->popped, 1);
		ck_assert_uint_eq(chain_put_size(rig_chain(lane, 0)), UINT32_MAX);
	}
	rig_stop();
}
END_TEST

/* Memory at both ends of the address space does not make them touch. */
START_TEST(nothing_goes_around_the_top)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i };
	struct mem_region ends[2] = { { 0, GUEST_PAGE, 0, 0, -1 },
		{ (uint64_t)-GUEST_PAGE, GUEST_PAGE, (uint64_t)-GUEST_PAGE, GUEST_PAGE, -1 } };
	struct error err = ERROR_NONE;
	struct mem_map *map, *both;
	bool used;

	rig_start(&s);
	ends[0].fd = ends[1].fd = fd_memfd("ends", 2 * GUEST_PAGE);
	map = mem_map_add(rig.map, &ends[0], &err);
	both = mem_map_add(map, &ends[1], &err);
	ck_assert_msg(both != NULL, "%s", err.text);
	queue_set_memory(lane->queue, both);
	mem_map_unref(map);
	mem_map_unref(both);
	close(ends[0].fd);
	two(good_in, (struct buffer){ (uint64_t)-8, 16, true });
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 1);
	/* Up to the top it may go. */
	raw(&(struct buffer){ (uint64_t)-8, 8, true }, &(uint16_t){ 0 }, 1, 3);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 1);
	used_len(packed ? 2 : 1, &used);
	ck_assert(used);
	/* Nor does a table. */
	raw(&(struct buffer){ (uint64_t)-16, 32, false }, &(uint16_t){ INDIRECT }, 1, 5);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 2);
	rig_stop();
}
END_TEST

START_TEST(head_in_use_twice)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i };
	bool used;

	rig_start(&s);
	lane->mode = HOLD;
	two(good_in, good_out);
	two(good_in, good_out);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 1);
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_uint_eq(queue_held(lane->queue), 1);
	/* The one it holds can still be ended, to no effect. */
	chain_put(rig_chain(lane, 0), "x", 1);
	chain_done(rig_chain(lane, 0));
	rig_turn();
	used_len(0, &used);
	ck_assert(!used);
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	expect_other_served();
	rig_stop();
}
END_TEST

/* What ended before the ring broke was sound, and is published. */
START_TEST(served_before_it_broke)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i };
	bool used;

	rig_start(&s);
	two(good_in, good_out);
	head_outside();
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_int_eq(used_len(0, &used), 8);
	ck_assert(used);
	rig_stop();
}
END_TEST

START_TEST(packed_ring_overfull)
{
	const struct driver_setup s = { .size = 4, .packed = packed = true };
	const uint16_t flags = 0;
	unsigned i;

	rig_start(&s);
	lane->mode = HOLD;
	/* More than the ring has, though none of them came back. */
	for (i = 0; i < 5; i++) {
		raw(&good_in, &flags, 1, (uint16_t)i % 4);
		fd_signal(lane->kick);
		rig_turn();
		ck_assert_uint_eq(lane->told_broken, i == 4);
	}
	ck_assert_uint_eq(lane->popped, 4);
	rig_stop();
}
END_TEST

/* The same with an id that is free. */
START_TEST(packed_slots_overfull)
{
	const struct driver_setup s = { .size = 4, .packed = packed = true };
	const struct buffer b[2] = { good_in, good_out };
	const uint16_t flags[2] = { NEXT, 0 };

	rig_start(&s);
	lane->mode = HOLD;
	raw(b, flags, 2, 0);
	raw(b, flags, 2, 1);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 2);
	raw(b, &flags[1], 1, 2);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 2);
	ck_assert_uint_eq(lane->told_broken, 1);
	rig_stop();
}
END_TEST

START_TEST(packed_list_runs_into_open_ones)
{
	const struct driver_setup s = { .size = 4, .packed = packed = true };
	const struct buffer b[2] = { good_in, good_in };
	const uint16_t flags[2] = { NEXT, NEXT };

	rig_start(&s);
	lane->mode = HOLD;
	two(good_in, good_out);
	fd_signal(lane->kick);
	rig_turn();
	/* What was read of the open one no longer stands there. */
	packed_desc(&lane->driver, 1, good_out, 3, 0, true);
	raw(b, flags, 2, 1);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 1);
	ck_assert_uint_eq(lane->told_broken, 1);
	rig_stop();
}
END_TEST

START_TEST(descriptors_are_read_once)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i };
	char buf[8];

	rig_start(&s);
	lane->mode = HOLD;
	good_table(TABLE);
	memcpy(guest_at(&rig.guest, GUEST_DATA), "12345678", 8);
	table(TABLE, 32, false);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 1);
	memset(guest_at(&rig.guest, TABLE), 0xff, 32);
	memset(guest_at(&rig.guest, lane->driver.desc), 0xff, 14);
	ck_assert_uint_eq(chain_get_size(rig_chain(lane, 0)), 8);
	ck_assert(chain_get(rig_chain(lane, 0), buf, 8));
	ck_assert_mem_eq(buf, "12345678", 8);
	ck_assert(chain_put(rig_chain(lane, 0), buf, 8));
	chain_done(rig_chain(lane, 0));
	ck_assert_mem_eq(guest_at(&rig.guest, GUEST_DATA + 64), "12345678", 8);
	rig_stop();
}
END_TEST

/* Bad requests cost the guest its own turns: they count against the budget. */
START_TEST(bad_requests_are_budgeted)
{
	const struct driver_setup s = { .size = 1024, .packed = packed = _i };
	const uint16_t flags = 0;
	unsigned i;

	rig_start(&s);
	for (i = 0; i < 1000; i++)
		raw(&(struct buffer){ GUEST_NOWHERE, 8, true }, &flags, 1, (uint16_t)i);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 256);
	for (i = 0; i < 3; i++)
		loop_turn(rig.loop, false);
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 1000);
	rig_stop();
}
END_TEST

START_TEST(bad_request_waits_its_turn_in_order)
{
	const struct driver_setup s = { .size = N, .packed = packed = _i, .in_order = true };
	bool used;

	rig_start(&s);
	lane->mode = HOLD;
	two(good_in, good_out);
	raw(&(struct buffer){ GUEST_NOWHERE, 8, true }, &(uint16_t){ 0 }, 1, 3);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 1);
	used_len(0, &used);
	ck_assert(!used);
	ck_assert_ptr_null(rig_chain(lane, 1));
	chain_done(rig_chain(lane, 0));
	rig_turn();
	ck_assert_int_eq(used_len(packed ? 2 : 1, &used), 0);
	ck_assert(used);
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-bad");
	TCase *tc = tcase_create("bad");

	tcase_add_loop_test(tc, rules_broken, 0, 2 * (int)ARRAY_SIZE(cases));
	tcase_add_loop_test(tc, more_bytes_than_32_bits, 0, 2);
	tcase_add_loop_test(tc, nothing_goes_around_the_top, 0, 2);
	tcase_add_loop_test(tc, head_in_use_twice, 0, 2);
	tcase_add_loop_test(tc, served_before_it_broke, 0, 2);
	tcase_add_test(tc, packed_ring_overfull);
	tcase_add_test(tc, packed_slots_overfull);
	tcase_add_test(tc, packed_list_runs_into_open_ones);
	tcase_add_loop_test(tc, descriptors_are_read_once, 0, 2);
	tcase_add_loop_test(tc, bad_requests_are_budgeted, 0, 2);
	tcase_add_loop_test(tc, bad_request_waits_its_turn_in_order, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
