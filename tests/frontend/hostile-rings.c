/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a hostile driver writes into a ring. A request of two readable and two
 * writable pieces of 8 bytes is made in due form in a fresh ring of 16, then
 * spoilt, then told to the device.
 */
#include <errno.h>
#include <string.h>

#include "hostile.h"

enum { SIZE = 16, PIECE = 8, WHOLE = 16 };

enum outcome {
	R_LEN,          /* answered, with `len` bytes */
	R_BROKEN,       /* the ring is given up and the err fd tells */
	R_EITHER,       /* answered somehow or given up: both are sound */
	R_NOTHING,      /* not seen at all */
};

/* What is overwritten. */
enum where { W_NONE, W_DESC, W_TABLE, W_ALL_DESCS, W_AVAIL_FLAGS, W_AVAIL_IDX, W_AVAIL_RING };
enum field { ADDR, LEN, FLAGS, LINK };  /* LINK: next of a split, id of a packed descriptor */
enum mode { SET, OR };

struct change {
	enum where where;
	unsigned i;
	enum field field;
	uint64_t value;
	enum mode mode;
};

#define NEXT VIRTQ_DESC_NEXT
#define WRITE VIRTQ_DESC_WRITE
#define INDIRECT VIRTQ_DESC_INDIRECT
#define AVAIL VIRTQ_DESC_AVAIL
#define NOWHERE 0xdead0000ULL
#define END (GUEST_DATA_BASE + 2ULL * GUEST_DATA_SIZE)

static const struct row {
	const char *name;
	bool packed;
	unsigned add;                   /* FE_ADD_... */
	enum outcome outcome;
	uint32_t len;
	struct change c[4];
} rows[] = {
	/* Buffers: the same on both. */
#define BOTH(name, add, outcome, len, ...) \
	{ "split, " name, false, add, outcome, len, { __VA_ARGS__ } }, \
	{ "packed, " name, true, add, outcome, len, { __VA_ARGS__ } }
	BOTH("nothing wrong", 0, R_LEN, WHOLE),
	BOTH("nothing wrong, indirect", FE_ADD_INDIRECT, R_LEN, WHOLE),
	BOTH("nothing wrong, indirect at the end", FE_ADD_TAIL_INDIRECT, R_LEN, WHOLE),
	BOTH("readable buffer outside of memory", 0, R_LEN, 0, { W_DESC, 0, ADDR, NOWHERE }),
	BOTH("writable buffer outside of memory", 0, R_LEN, 0, { W_DESC, 3, ADDR, NOWHERE }),
	BOTH("buffer at guest address 0", 0, R_LEN, 0, { W_DESC, 1, ADDR, 0 }),
	BOTH("buffer across the end of memory", 0, R_LEN, 0, { W_DESC, 2, ADDR, END - 4 }),
	BOTH("buffer right behind memory", 0, R_LEN, 0, { W_DESC, 2, ADDR, END }),
	BOTH("buffer across two regions", 0, R_LEN, WHOLE,
	     { W_DESC, 2, ADDR, GUEST_DATA_BASE + GUEST_DATA_SIZE - 4 }),
	BOTH("buffer wraps the address space", 0, R_LEN, 0, { W_DESC, 0, ADDR, UINT64_MAX - 3 }),
	BOTH("last byte of the address space", 0, R_LEN, 0, { W_DESC, 0, ADDR, UINT64_MAX },
	     { W_DESC, 0, LEN, 1 }),
	BOTH("4 GiB of one buffer", 0, R_LEN, 0, { W_DESC, 0, LEN, UINT32_MAX }),
	BOTH("4 GiB of two buffers", 0, R_LEN, 0, { W_DESC, 2, LEN, UINT32_MAX },
	     { W_DESC, 3, LEN, UINT32_MAX }),
	BOTH("empty buffer with a wild address", 0, R_LEN, PIECE, { W_DESC, 0, LEN, 0 },
	     { W_DESC, 0, ADDR, NOWHERE }),
	BOTH("only empty buffers", 0, R_LEN, 0, { W_DESC, 0, LEN, 0 }, { W_DESC, 1, LEN, 0 },
	     { W_DESC, 2, LEN, 0 }, { W_DESC, 3, LEN, 0 }),
	BOTH("readable behind writable", 0, R_LEN, 0, { W_DESC, 1, FLAGS, WRITE, OR },
	     { W_DESC, 0, FLAGS, WRITE, OR }),
	BOTH("unknown descriptor flags", 0, R_LEN, WHOLE, { W_DESC, 1, FLAGS, 0x7f78, OR }),
	BOTH("writable buffer over the descriptors", 0, R_EITHER, 0,
	     { W_DESC, 2, ADDR, GUEST_RING_BASE }),
	BOTH("indirect and continued", 0, R_LEN, 0, { W_DESC, 0, FLAGS, INDIRECT, OR }),
	BOTH("a table of 8 bytes at the end", 0, R_LEN, 0,
	     { W_DESC, 3, FLAGS, INDIRECT, OR }),

	/* Indirect tables: the same on both. */
#define TABLE(name, outcome, len, ...) \
	BOTH("indirect, " name, FE_ADD_INDIRECT, outcome, len, __VA_ARGS__)
	TABLE("no byte", R_LEN, 0, { W_DESC, 0, LEN, 0 }),
	TABLE("less than an entry", R_LEN, 0, { W_DESC, 0, LEN, 15 }),
	TABLE("a byte more than an entry", R_LEN, 0, { W_DESC, 0, LEN, 17 }),
	TABLE("1025 entries", R_LEN, 0, { W_DESC, 0, LEN, 16 * 1025 }),
	TABLE("2^28 - 1 entries", R_LEN, 0, { W_DESC, 0, LEN, 0xfffffff0 }),
	TABLE("outside of memory", R_LEN, 0, { W_DESC, 0, ADDR, NOWHERE }),
	TABLE("across the end of memory", R_LEN, 0, { W_DESC, 0, ADDR, END - 16 }),
	TABLE("wraps the address space", R_LEN, 0, { W_DESC, 0, ADDR, UINT64_MAX - 15 }),
	TABLE("WRITE on the table itself", R_LEN, WHOLE, { W_DESC, 0, FLAGS, WRITE, OR }),
	TABLE("a table in the table", R_LEN, 0, { W_TABLE, 1, FLAGS, INDIRECT, OR }),
	TABLE("readable behind writable", R_LEN, 0, { W_TABLE, 0, FLAGS, WRITE, OR }),
	TABLE("buffer outside of memory", R_LEN, 0, { W_TABLE, 1, ADDR, NOWHERE }),
	TABLE("4 GiB of two buffers", R_LEN, 0, { W_TABLE, 2, LEN, UINT32_MAX },
	      { W_TABLE, 3, LEN, UINT32_MAX }),
	TABLE("is the descriptor ring itself", R_LEN, 0, { W_DESC, 0, ADDR, GUEST_RING_BASE }),

	/* Links. */
	{ "split, link to the first that is none", false, 0, R_BROKEN, 0,
		{ { W_DESC, 1, LINK, SIZE } } },
	{ "split, link to 65535", false, 0, R_BROKEN, 0, { { W_DESC, 1, LINK, 0xffff } } },
	{ "split, linked to itself", false, 0, R_LEN, 0, { { W_DESC, 1, LINK, 1 } } },
	{ "split, readable ones in a circle", false, 0, R_LEN, 0, { { W_DESC, 1, LINK, 0 } } },
	{ "split, writable ones in a circle", false, 0, R_LEN, 0,
		{ { W_DESC, 3, FLAGS, NEXT, OR }, { W_DESC, 3, LINK, 2 } } },
	{ "split, a circle of empty buffers", false, 0, R_LEN, 0,
		{ { W_DESC, 0, LINK, 0 }, { W_DESC, 0, LEN, 0 } } },
	{ "split, indirect, link behind the table", false, FE_ADD_INDIRECT, R_LEN, 0,
		{ { W_TABLE, 1, LINK, 4 } } },
	{ "split, indirect, link to 65535", false, FE_ADD_INDIRECT, R_LEN, 0,
		{ { W_TABLE, 0, LINK, 0xffff } } },
	{ "split, indirect, linked to itself", false, FE_ADD_INDIRECT, R_LEN, 0,
		{ { W_TABLE, 0, LINK, 0 } } },
	{ "split, indirect, in a circle", false, FE_ADD_INDIRECT, R_LEN, 0,
		{ { W_TABLE, 3, FLAGS, NEXT, OR }, { W_TABLE, 3, LINK, 2 } } },
	{ "split, indirect, linked out of order", false, FE_ADD_INDIRECT, R_LEN, PIECE,
		{ { W_TABLE, 0, LINK, 2 } } },
	{ "packed, list without an end", true, 0, R_BROKEN, 0,
		{ { W_ALL_DESCS, 0, FLAGS, NEXT, OR } } },
	{ "packed, indirect, NEXT in the table", true, FE_ADD_INDIRECT, R_LEN, WHOLE,
		{ { W_TABLE, 3, FLAGS, NEXT, OR } } },

	/* Heads, indices and ids. */
	{ "split, head that is none", false, 0, R_BROKEN, 0, { { W_AVAIL_RING, 0, 0, SIZE } } },
	{ "split, head 65535", false, 0, R_BROKEN, 0, { { W_AVAIL_RING, 0, 0, 0xffff } } },
	{ "split, index leaps by one more than the ring", false, 0, R_BROKEN, 0,
		{ { W_AVAIL_IDX, 0, 0, SIZE + 1 } } },
	{ "split, index leaps by half of its range", false, 0, R_BROKEN, 0,
		{ { W_AVAIL_IDX, 0, 0, 0x8000 } } },
	{ "split, index goes back", false, 0, R_BROKEN, 0, { { W_AVAIL_IDX, 0, 0, 0xffff } } },
	{ "split, the same head twice", false, 0, R_EITHER, 0,
		{ { W_AVAIL_RING, 1, 0, 0 }, { W_AVAIL_IDX, 0, 0, 2 } } },
	{ "split, sixteen heads where one is", false, 0, R_EITHER, 0,
		{ { W_AVAIL_IDX, 0, 0, SIZE } } },
	{ "split, unknown flags of the available ring", false, 0, R_LEN, WHOLE,
		{ { W_AVAIL_FLAGS, 0, 0, 0xfffe } } },
	{ "packed, id that is none", true, 0, R_BROKEN, 0, { { W_DESC, 3, LINK, SIZE } } },
	{ "packed, id 65535", true, 0, R_BROKEN, 0, { { W_DESC, 3, LINK, 0xffff } } },
	{ "packed, ids of all but the last are wild", true, 0, R_LEN, WHOLE,
		{ { W_DESC, 0, LINK, 0xffff }, { W_DESC, 1, LINK, 77 } } },
	{ "packed, head marked used", true, 0, R_NOTHING, 0,
		{ { W_DESC, 0, FLAGS, NEXT | AVAIL | VIRTQ_DESC_USED } } },
	{ "packed, head not marked", true, 0, R_NOTHING, 0, { { W_DESC, 0, FLAGS, NEXT } } },
	{ "packed, all available at once", true, 0, R_EITHER, 0,
		{ { W_ALL_DESCS, 0, FLAGS, AVAIL } } },
};

static const char *name(unsigned row)
{
	return rows[row].name;
}

/* -- Spoiling -------------------------------------------------------------- */

static void put16(void *at, uint64_t v, enum mode mode)
{
	le16_t old, value = le16((uint16_t)v);

	memcpy(&old, at, sizeof(old));
	if (mode == OR)
		value = le16((uint16_t)(le16_get(old) | v));
	memcpy(at, &value, sizeof(value));
}

static void spoil_desc(uint8_t *desc, bool packed, const struct change *c)
{
	const le64_t addr = le64(c->value);
	const le32_t len = le32((uint32_t)c->value);
	unsigned flags = packed ? 14 : 12;

	switch (c->field) {
	case ADDR:
		memcpy(desc, &addr, sizeof(addr));
		break;
	case LEN:
		memcpy(desc + 8, &len, sizeof(len));
		break;
	case FLAGS:
		put16(desc + flags, c->value, c->mode);
		break;
	case LINK:
		put16(desc + (26 - flags), c->value, c->mode);
		break;
	}
}

static void spoil(struct guest *g, const struct row *r, const struct change *c)
{
	struct fe_ring_layout l;
	uint8_t *desc, *driver, *table;
	le64_t addr;
	unsigned i;

	fe_ring_layout(g->ring, &l);
	desc = fe_mem_at(g->mem, l.desc, l.desc_size);
	driver = fe_mem_at(g->mem, l.driver, l.driver_size);
	switch (c->where) {
	case W_DESC:
		spoil_desc(desc + 16 * c->i, r->packed, c);
		break;
	case W_TABLE:
		memcpy(&addr, desc, sizeof(addr));
		table = fe_mem_at(g->mem, le64_get(addr), 64);
		must(table != NULL);
		spoil_desc(table + 16 * c->i, r->packed, c);
		break;
	case W_ALL_DESCS:
		for (i = 0; i < SIZE; i++)
			spoil_desc(desc + 16 * i, r->packed, c);
		break;
	case W_AVAIL_FLAGS:
		put16(driver, c->value, SET);
		break;
	case W_AVAIL_IDX:
		put16(driver + 2, c->value, SET);
		break;
	case W_AVAIL_RING:
		put16(driver + 4 + 2 * c->i, c->value, SET);
		break;
	case W_NONE:
		break;
	}
}

/* -- Judging --------------------------------------------------------------- */

static bool kept_its_place(const struct row *r)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(r->c); i++) {
		if (r->c[i].where == W_AVAIL_FLAGS)
			return false;
	}
	return true;
}

/* Not by fe_ring_get(): to a driver, a descriptor marked used is a used one. */
static void judge_nothing(struct guest *g)
{
	struct fe_ring_layout l;
	uint8_t before[SIZE * 16];

	fe_ring_layout(g->ring, &l);
	guest_read(g, l.desc, before, sizeof(before));
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_mem_eq(fe_mem_at(g->mem, l.desc, sizeof(before)), before, sizeof(before));
	hostile_revive(g);
}

static void judge(struct guest *g, const struct row *r)
{
	struct fe_used used;
	int ret;

	if (r->outcome == R_NOTHING) {
		judge_nothing(g);
		return;
	}
	ret = hostile_outcome(g, &used);
	if (r->outcome == R_LEN) {
		ck_assert_msg(ret == 1, "%d %s", ret, err.text);
		ck_assert_uint_eq(used.len, r->len);
		if (kept_its_place(r))
			guest_echo(g, 40, 4);
	} else {
		ck_assert_msg(ret == -EIO || r->outcome == R_EITHER, "%d %s", ret, err.text);
		ck_assert_int_ne(ret, -ETIMEDOUT);
	}
	hostile_revive(g);
}

static void play_once(struct hostile *h, const struct row *r, uint64_t leave_out)
{
	struct fe_seg segs[4];
	struct guest_setup setup = h->setup;
	struct guest *g;
	unsigned i;

	setup.size = SIZE;
	setup.leave_out = leave_out | (r->packed ? 0 : BIT(VIRTIO_F_RING_PACKED));
	g = guest_new(&setup);
	for (i = 0; i < ARRAY_SIZE(segs); i++)
		segs[i] = (struct fe_seg){ guest_slot_at(i), PIECE };
	guest_add(g, segs, 2, 2, r->add, g);
	for (i = 0; i < ARRAY_SIZE(r->c); i++)
		spoil(g, r, &r->c[i]);
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	judge(g, r);
	guest_free(g);
}

/* In order and not, with and without event index: the verdict is the same. */
static void play(struct hostile *h, unsigned row)
{
	play_once(h, &rows[row], 0);
	play_once(h, &rows[row], BIT(VIRTIO_F_IN_ORDER));
	play_once(h, &rows[row], BIT(VIRTIO_F_EVENT_IDX));
}

const struct hostile_kind hostile_rings = { "ring", ARRAY_SIZE(rows), name, play };
