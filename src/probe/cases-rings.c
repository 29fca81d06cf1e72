/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a hostile driver writes into a ring (virtio 1.4, 2.7 and 2.8). */
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "vhost-device/util.h"

/* What is overwritten. */
enum where { W_DESC, W_TABLE, W_ALL_DESCS, W_AVAIL_FLAGS, W_AVAIL_IDX, W_AVAIL_RING };
enum field { ADDR, LEN, FLAGS, LINK };  /* LINK: next of a split, id of a packed descriptor */
enum mode { SET, OR };
/* What the value counts from: the end of guest memory, of the address space. */
enum base { FROM_END = 1, FROM_TOP = 2 };
enum kind { SPLIT = 1, PACKED = 2, BOTH = SPLIT | PACKED };

#define NEXT VIRTQ_DESC_NEXT
#define WRITE VIRTQ_DESC_WRITE
#define INDIRECT VIRTQ_DESC_INDIRECT
#define AVAIL VIRTQ_DESC_AVAIL
enum { SIZE = CASE_RING, WHOLE = 2 * CASE_PIECE };
#define NOWHERE 0xdead0000U
#define END (CASE_DATA_BASE + 2ULL * CASE_DATA_SIZE)

/* Layouts, name, how it is added, what must come of it, changes. */
#define RINGS(X) \
	X(BOTH, "nothing wrong", 0, RING_LEN, WHOLE,) \
	X(BOTH, "nothing wrong", FE_ADD_INDIRECT, RING_LEN, WHOLE,) \
	X(BOTH, "nothing wrong, indirect at the end", FE_ADD_TAIL_INDIRECT, RING_LEN, WHOLE,) \
	X(BOTH, "readable buffer outside of memory", 0, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, 0, NOWHERE)) \
	X(BOTH, "writable buffer outside of memory", 0, RING_LEN, 0, \
	  C(W_DESC, 3, ADDR, SET, 0, NOWHERE)) \
	X(BOTH, "buffer at guest address 0", 0, RING_LEN, 0, C(W_DESC, 1, ADDR, SET, 0, 0)) \
	X(BOTH, "buffer across the end of memory", 0, RING_LEN, 0, \
	  C(W_DESC, 2, ADDR, SET, FROM_END, -4)) \
	X(BOTH, "buffer right behind memory", 0, RING_LEN, 0, \
	  C(W_DESC, 2, ADDR, SET, FROM_END, 0)) \
	X(BOTH, "buffer across two regions", 0, RING_LEN, WHOLE, \
	  C(W_DESC, 2, ADDR, SET, FROM_END, -CASE_DATA_SIZE - 4)) \
	X(BOTH, "buffer wraps the address space", 0, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, FROM_TOP, -4)) \
	X(BOTH, "last byte of the address space", 0, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, FROM_TOP, -1) C(W_DESC, 0, LEN, SET, 0, 1)) \
	X(BOTH, "4 GiB of one buffer", 0, RING_LEN, 0, C(W_DESC, 0, LEN, SET, 0, UINT32_MAX)) \
	X(BOTH, "4 GiB of two buffers", 0, RING_LEN, 0, \
	  C(W_DESC, 2, LEN, SET, 0, UINT32_MAX) C(W_DESC, 3, LEN, SET, 0, UINT32_MAX)) \
	X(BOTH, "empty buffer with a wild address", 0, RING_LEN, CASE_PIECE, \
	  C(W_DESC, 0, LEN, SET, 0, 0) C(W_DESC, 0, ADDR, SET, 0, NOWHERE)) \
	X(BOTH, "only empty buffers", 0, RING_LEN, 0, \
	  C(W_DESC, 0, LEN, SET, 0, 0) C(W_DESC, 1, LEN, SET, 0, 0) \
	  C(W_DESC, 2, LEN, SET, 0, 0) C(W_DESC, 3, LEN, SET, 0, 0)) \
	X(BOTH, "readable behind writable", 0, RING_LEN, 0, \
	  C(W_DESC, 1, FLAGS, OR, 0, WRITE) C(W_DESC, 0, FLAGS, OR, 0, WRITE)) \
	X(BOTH, "unknown descriptor flags", 0, RING_LEN, WHOLE, \
	  C(W_DESC, 1, FLAGS, OR, 0, 0x7f78)) \
	X(BOTH, "writable buffer over the descriptors", 0, RING_EITHER, 0, \
	  C(W_DESC, 2, ADDR, SET, 0, CASE_RING_BASE)) \
	X(BOTH, "indirect and continued", 0, RING_LEN, 0, C(W_DESC, 0, FLAGS, OR, 0, INDIRECT)) \
	X(BOTH, "a table of 8 bytes at the end", 0, RING_LEN, 0, \
	  C(W_DESC, 3, FLAGS, OR, 0, INDIRECT)) \
	X(BOTH, "no byte", FE_ADD_INDIRECT, RING_LEN, 0, C(W_DESC, 0, LEN, SET, 0, 0)) \
	X(BOTH, "less than an entry", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, LEN, SET, 0, 15)) \
	X(BOTH, "a byte more than an entry", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, LEN, SET, 0, 17)) \
	X(BOTH, "1025 entries", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, LEN, SET, 0, 16 * 1025)) \
	X(BOTH, "2^28 - 1 entries", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, LEN, SET, 0, 0xfffffff0)) \
	X(BOTH, "outside of memory", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, 0, NOWHERE)) \
	X(BOTH, "across the end of memory", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, FROM_END, -16)) \
	X(BOTH, "wraps the address space", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, FROM_TOP, -16)) \
	X(BOTH, "WRITE on the table itself", FE_ADD_INDIRECT, RING_LEN, WHOLE, \
	  C(W_DESC, 0, FLAGS, OR, 0, WRITE)) \
	X(BOTH, "a table in the table", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 1, FLAGS, OR, 0, INDIRECT)) \
	X(BOTH, "readable behind writable", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 0, FLAGS, OR, 0, WRITE)) \
	X(BOTH, "buffer outside of memory", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 1, ADDR, SET, 0, NOWHERE)) \
	X(BOTH, "4 GiB of two buffers", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 2, LEN, SET, 0, UINT32_MAX) C(W_TABLE, 3, LEN, SET, 0, UINT32_MAX)) \
	X(BOTH, "is the descriptor ring itself", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_DESC, 0, ADDR, SET, 0, CASE_RING_BASE)) \
	X(SPLIT, "link to the first that is none", 0, RING_BROKEN, 0, \
	  C(W_DESC, 1, LINK, SET, 0, SIZE)) \
	X(SPLIT, "link to 65535", 0, RING_BROKEN, 0, C(W_DESC, 1, LINK, SET, 0, 0xffff)) \
	X(SPLIT, "linked to itself", 0, RING_LEN, 0, C(W_DESC, 1, LINK, SET, 0, 1)) \
	X(SPLIT, "readable ones in a circle", 0, RING_LEN, 0, C(W_DESC, 1, LINK, SET, 0, 0)) \
	X(SPLIT, "writable ones in a circle", 0, RING_LEN, 0, \
	  C(W_DESC, 3, FLAGS, OR, 0, NEXT) C(W_DESC, 3, LINK, SET, 0, 2)) \
	X(SPLIT, "a circle of empty buffers", 0, RING_LEN, 0, \
	  C(W_DESC, 0, LINK, SET, 0, 0) C(W_DESC, 0, LEN, SET, 0, 0)) \
	X(SPLIT, "link behind the table", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 1, LINK, SET, 0, 4)) \
	X(SPLIT, "link to 65535", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 0, LINK, SET, 0, 0xffff)) \
	X(SPLIT, "linked to itself", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 0, LINK, SET, 0, 0)) \
	X(SPLIT, "in a circle", FE_ADD_INDIRECT, RING_LEN, 0, \
	  C(W_TABLE, 3, FLAGS, OR, 0, NEXT) C(W_TABLE, 3, LINK, SET, 0, 2)) \
	X(SPLIT, "linked out of order", FE_ADD_INDIRECT, RING_LEN, CASE_PIECE, \
	  C(W_TABLE, 0, LINK, SET, 0, 2)) \
	X(PACKED, "list without an end", 0, RING_BROKEN, 0, \
	  C(W_ALL_DESCS, 0, FLAGS, OR, 0, NEXT)) \
	X(PACKED, "NEXT in the table", FE_ADD_INDIRECT, RING_LEN, WHOLE, \
	  C(W_TABLE, 3, FLAGS, OR, 0, NEXT)) \
	X(SPLIT, "head that is none", 0, RING_BROKEN, 0, C(W_AVAIL_RING, 0, ADDR, SET, 0, SIZE)) \
	X(SPLIT, "head 65535", 0, RING_BROKEN, 0, C(W_AVAIL_RING, 0, ADDR, SET, 0, 0xffff)) \
	X(SPLIT, "index leaps by one more than the ring", 0, RING_BROKEN, 0, \
	  C(W_AVAIL_IDX, 0, ADDR, SET, 0, SIZE + 1)) \
	X(SPLIT, "index leaps by half of its range", 0, RING_BROKEN, 0, \
	  C(W_AVAIL_IDX, 0, ADDR, SET, 0, 0x8000)) \
	X(SPLIT, "index goes back", 0, RING_BROKEN, 0, C(W_AVAIL_IDX, 0, ADDR, SET, 0, 0xffff)) \
	X(SPLIT, "the same head twice", 0, RING_EITHER, 0, \
	  C(W_AVAIL_RING, 1, ADDR, SET, 0, 0) C(W_AVAIL_IDX, 0, ADDR, SET, 0, 2)) \
	X(SPLIT, "sixteen heads where one is", 0, RING_EITHER, 0, \
	  C(W_AVAIL_IDX, 0, ADDR, SET, 0, SIZE)) \
	X(SPLIT, "unknown flags of the available ring", 0, RING_LEN, WHOLE, \
	  C(W_AVAIL_FLAGS, 0, ADDR, SET, 0, 0xfffe)) \
	X(PACKED, "id that is none", 0, RING_BROKEN, 0, C(W_DESC, 3, LINK, SET, 0, SIZE)) \
	X(PACKED, "id 65535", 0, RING_BROKEN, 0, C(W_DESC, 3, LINK, SET, 0, 0xffff)) \
	X(PACKED, "ids of all but the last are wild", 0, RING_LEN, WHOLE, \
	  C(W_DESC, 0, LINK, SET, 0, 0xffff) C(W_DESC, 1, LINK, SET, 0, 77)) \
	X(PACKED, "head marked used", 0, RING_NOTHING, 0, \
	  C(W_DESC, 0, FLAGS, SET, 0, NEXT | AVAIL | VIRTQ_DESC_USED)) \
	X(PACKED, "head not marked", 0, RING_NOTHING, 0, C(W_DESC, 0, FLAGS, SET, 0, NEXT)) \
	X(PACKED, "all available at once", 0, RING_EITHER, 0, \
	  C(W_ALL_DESCS, 0, FLAGS, SET, 0, AVAIL))

struct change {
	uint8_t where, i;
	uint8_t field : 4, mode : 2, base : 2;
	uint32_t value;
};

#define C(where, i, field, mode, base, value) { where, i, field, mode, base, (uint32_t)(value) },
static const struct change changes[] = {
#define ROW(kind, name, add, outcome, len, ...) __VA_ARGS__
	RINGS(ROW)
#undef ROW
};

static const struct row {
	uint8_t kind, add, outcome, len, n_changes;
} rows[] = {
#define ROW(kind, name, add, outcome, len, ...) \
	{ kind, add, outcome, len, ARRAY_SIZE(((const struct change[]){ __VA_ARGS__ })) },
	RINGS(ROW)
#undef ROW
};

static const char names[] =
#define ROW(kind, name, ...) name "\0"
	RINGS(ROW);
#undef ROW

unsigned case_ring_count(void)
{
	unsigned i, n = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		n += rows[i].kind == BOTH ? 2 : 1;
	return n;
}

static const struct change *changes_of(unsigned row)
{
	const struct change *c = changes;
	unsigned i;

	for (i = 0; i < row; i++)
		c += rows[i].n_changes;
	return c;
}

/* A row for both layouts is two cases, split before packed. */
void case_ring_at(unsigned i, struct case_ring *ret_case)
{
	const struct row *r = rows;
	const struct change *c;
	bool packed;
	unsigned k;

	for (; i >= (r->kind == BOTH ? 2U : 1U); r++)
		i -= r->kind == BOTH ? 2 : 1;
	packed = r->kind == PACKED || i > 0;
	*ret_case = (struct case_ring){ .packed = packed, .add = r->add, .outcome = r->outcome,
		.len = r->len, .row = (unsigned)(r - rows) };
	c = changes_of(ret_case->row);
	for (k = 0; k < r->n_changes; k++)
		ret_case->moves_flags |= c[k].where == W_AVAIL_FLAGS;
	snprintf(ret_case->name, CASE_NAME, "%s, %s%s", packed ? "packed" : "split",
		 r->add == FE_ADD_INDIRECT ? "indirect, " : "", case_text(names, ret_case->row));
}

static void put16(uint8_t *at, uint64_t v, enum mode mode)
{
	le16_t old, value = le16((uint16_t)v);

	memcpy(&old, at, sizeof(old));
	if (mode == OR)
		value = le16((uint16_t)(le16_get(old) | v));
	memcpy(at, &value, sizeof(value));
}

static uint64_t value_of(const struct change *c)
{
	if (c->base == FROM_END)
		return END + (uint64_t)(int32_t)c->value;
	return c->base == FROM_TOP ? (uint64_t)(int32_t)c->value : c->value;
}

static void spoil_desc(uint8_t *desc, bool packed, const struct change *c)
{
	const le64_t addr = le64(value_of(c));
	const le32_t len = le32(c->value);
	unsigned flags = packed ? 14 : 12;

	switch ((enum field)c->field) {
	case ADDR:
		memcpy(desc, &addr, sizeof(addr));
		break;
	case LEN:
		memcpy(desc + 8, &len, sizeof(len));
		break;
	case FLAGS:
		put16(desc + flags, c->value, (enum mode)c->mode);
		break;
	case LINK:
		put16(desc + (26 - flags), c->value, (enum mode)c->mode);
		break;
	}
}

static void spoil(const struct change *c, bool packed, const struct case_side *s)
{
	struct fe_ring_layout l;
	uint8_t *desc, *driver, *table;
	le64_t addr;
	unsigned i;

	fe_ring_layout(s->ring, &l);
	desc = fe_mem_at(s->mem, l.desc, l.desc_size);
	driver = fe_mem_at(s->mem, l.driver, l.driver_size);
	switch ((enum where)c->where) {
	case W_DESC:
		spoil_desc(desc + (size_t)16 * c->i, packed, c);
		break;
	case W_TABLE:
		memcpy(&addr, desc, sizeof(addr));
		table = fe_mem_at(s->mem, le64_get(addr), 64);
		bug_if(table == NULL);
		spoil_desc(table + (size_t)16 * c->i, packed, c);
		break;
	case W_ALL_DESCS:
		for (i = 0; i < SIZE; i++)
			spoil_desc(desc + (size_t)16 * i, packed, c);
		break;
	case W_AVAIL_FLAGS:
		put16(driver, c->value, SET);
		break;
	case W_AVAIL_IDX:
		put16(driver + 2, c->value, SET);
		break;
	case W_AVAIL_RING:
		put16(driver + 4 + (size_t)2 * c->i, c->value, SET);
		break;
	}
}

void case_ring_spoil(const struct case_ring *c, const struct case_side *s)
{
	const struct change *change = changes_of(c->row);
	unsigned i;

	for (i = 0; i < rows[c->row].n_changes; i++)
		spoil(&change[i], c->packed, s);
}
