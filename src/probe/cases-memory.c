/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Memory tables that lie, and files that are cut off later. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "vhost-device/util.h"

enum op { TABLE, ADD, REMOVE, CUT };

/* Addresses, sizes and numbers by name. In FAR the guest has nothing. */
#define VALUES(X) \
	X(ZERO, 0) X(ONE, 1) X(TWO, 2) X(PAGE, 4096) X(MIB, 1 << 20) X(MIB_1, (1 << 20) + 1) \
	X(MIB_PAGE, (1 << 20) + 4096) X(MIB2, 2 << 20) \
	X(FAR, 1ULL << 40) X(FAR_PAGE, (1ULL << 40) + 4096) \
	X(FAR_MIB_LESS_1, (1ULL << 40) + (1 << 20) - 1) X(FAR2, 1ULL << 41) \
	X(TOP, UINT64_MAX) X(TOP_PAGE, UINT64_MAX - 4095) X(TOP_MIB, UINT64_MAX - (1 << 20) + 1) \
	X(RINGS, CASE_RING_BASE) X(LAST_DATA, CASE_DATA_BASE + 2ULL * CASE_DATA_SIZE - 1) \
	X(TOO_MANY, 513) X(TOP_32, UINT32_MAX) X(WRAPS, (1U << 27) + 1)
enum value {
#define ROW(name, value) name,
	VALUES(ROW)
#undef ROW
};
static const uint64_t values[] = {
#define ROW(name, value) value,
	VALUES(ROW)
#undef ROW
};

/*
 * What, name, what must come of it, does the ring get lost, number of regions
 * claimed (ZERO: as many as there are), descriptors and bytes more than are
 * right, regions: guest address, size, user address, offset. A table is asked
 * of for the verdict, a cut for how.
 */
#define BAD(X, op, name, claim, fds, bytes, ...) \
	X(op, name, CASE_REFUSED, 0, claim, fds, bytes, __VA_ARGS__)
#define WRONG(X, op, name, ...) BAD(X, op, name, ZERO, 0, 0, __VA_ARGS__)
#define GOOD FAR, MIB, FAR, ZERO
#define MEMORIES(X) \
	WRONG(X, TABLE, "an empty region", FAR, ZERO, FAR, ZERO) \
	BAD(X, TABLE, "2^64 - 1 bytes", ONE, 0, 0, ZERO, TOP, ZERO, ZERO) \
	WRONG(X, TABLE, "guest range wraps", TOP_PAGE, MIB, FAR, ZERO) \
	WRONG(X, TABLE, "user range wraps", FAR, MIB, TOP_PAGE, ZERO) \
	WRONG(X, TABLE, "offset behind the file", FAR, PAGE, FAR, MIB2) \
	WRONG(X, TABLE, "end behind the file", FAR, MIB, FAR, PAGE) \
	WRONG(X, TABLE, "a page too long", FAR, MIB_PAGE, FAR, ZERO) \
	WRONG(X, TABLE, "a byte too long", FAR, MIB_1, FAR, ZERO) \
	WRONG(X, TABLE, "offset and size wrap", FAR, MIB, FAR, TOP_PAGE) \
	WRONG(X, TABLE, "the same region twice", GOOD, GOOD) \
	WRONG(X, TABLE, "guest ranges overlap by a byte", GOOD, FAR_MIB_LESS_1, PAGE, FAR2, ZERO) \
	WRONG(X, TABLE, "a region inside another", GOOD, FAR_PAGE, PAGE, FAR2, ZERO) \
	WRONG(X, TABLE, "user ranges overlap", GOOD, FAR2, MIB, FAR_PAGE, ZERO) \
	BAD(X, TABLE, "fewer descriptors than regions", ZERO, -1, 0, GOOD, FAR2, MIB, FAR2, ZERO) \
	BAD(X, TABLE, "no descriptor", ZERO, -1, 0, GOOD) \
	BAD(X, TABLE, "more descriptors than regions", ZERO, 1, 0, GOOD) \
	BAD(X, TABLE, "more regions than bytes", TWO, 0, 0, GOOD) \
	BAD(X, TABLE, "fewer regions than bytes", ONE, 0, 0, GOOD, FAR2, MIB, FAR2, ZERO) \
	BAD(X, TABLE, "513 regions claimed", TOO_MANY, 0, 0, GOOD) \
	BAD(X, TABLE, "2^32 - 1 regions claimed", TOP_32, 0, 0, GOOD) \
	BAD(X, TABLE, "2^27 + 1 regions claimed", WRAPS, 0, 0, GOOD) \
	BAD(X, TABLE, "a byte short", ZERO, 0, -1, GOOD) \
	BAD(X, TABLE, "a byte long", ZERO, 0, 1, GOOD) \
	BAD(X, TABLE, "regions as Xen has them", ZERO, 0, 8, GOOD) \
	X(TABLE, "without the ring", CASE_FINE, 1, ZERO, 0, 0, GOOD) \
	X(TABLE, "up to the last byte of the address space", CASE_FINE, 1, ZERO, 0, 0, \
	  TOP_MIB, MIB, FAR, ZERO) \
	WRONG(X, ADD, "an empty region", FAR, ZERO, FAR, ZERO) \
	WRONG(X, ADD, "guest range wraps", TOP_PAGE, MIB, FAR, ZERO) \
	WRONG(X, ADD, "over the rings", RINGS, MIB, FAR, ZERO) \
	WRONG(X, ADD, "over the last byte of the data", LAST_DATA, MIB, FAR, ZERO) \
	WRONG(X, ADD, "end behind the file", FAR, MIB, FAR, PAGE) \
	X(ADD, "fine", CASE_FINE, 0, ZERO, 0, 0, GOOD) \
	WRONG(X, REMOVE, "what is not there", GOOD) \
	WRONG(X, REMOVE, "other size", RINGS, MIB, ZERO, ZERO) \
	WRONG(X, REMOVE, "empty", RINGS, ZERO, ZERO, ZERO) \
	X(CUT, "the rings", CUT_RINGS, 0, 0, 0, 0,) \
	X(CUT, "the data of a request", CUT_DATA, 0, 0, 0, 0,) \
	X(CUT, "in full run", CUT_IN_USE, 0, 0, 0, 0,) \
	X(CUT, "then GET_VRING_BASE", CUT_THEN_STOP, 0, 0, 0, 0,) \
	X(CUT, "then another table", CUT_THEN_TABLE, 0, 0, 0, 0,) \
	X(CUT, "before the rings were set up", CUT_UNTOLD, 0, 0, 0, 0,)

static const struct row {
	uint8_t op : 2, verdict : 3, breaks : 1;
	uint8_t claim;                  /* enum value, as all of regions */
	int8_t fds, bytes;
	uint8_t regions[8];
} rows[] = {
#define ROW(op, name, verdict, breaks, claim, fds, bytes, ...) \
	{ op, verdict, breaks, claim, fds, bytes, { __VA_ARGS__ } },
	MEMORIES(ROW)
#undef ROW
};

#define ROW(op, name, ...) name "\0"
static const char names[] = MEMORIES(ROW);
#undef ROW

unsigned case_memory_count(void)
{
	return ARRAY_SIZE(rows);
}

void case_memory_at(unsigned i, struct case_memory *ret_case)
{
	static const char ops[] = "table,\0" "add,\0" "remove,\0" "file cut off:\0";
	const struct row *r = &rows[i];

	*ret_case = (struct case_memory){ .state = CASE_RUNNING, .breaks = r->breaks, .row = i };
	if (r->op != CUT)
		ret_case->verdict = r->verdict;
	else
		ret_case->cut = r->verdict;
	if (ret_case->cut == CUT_UNTOLD)
		ret_case->state = CASE_NEGOTIATED;
	snprintf(ret_case->name, CASE_NAME, "%s %s", case_text(ops, r->op), case_text(names, i));
}

/* -- Tables ------------------------------------------------------------------------ */

static void put(struct case_wire *w, const void *p, size_t n)
{
	memcpy(w->body + w->size, p, n);
	w->size += n;
}

void case_memory_make(const struct case_memory *c, const struct case_side *s, int fd,
		      struct case_wire *w)
{
	static const uint8_t requests[] = { VU_SET_MEM_TABLE, VU_ADD_MEM_REG, VU_REM_MEM_REG };
	const struct row *r = &rows[c->row];
	const uint8_t *v = r->regions;
	struct vu_mem_table head = { .n_regions = 0 };
	struct vu_region region;

	memset(w, 0, sizeof(*w));
	w->request = requests[r->op];
	w->flags = VU_VERSION;
	w->size = sizeof(head);
	for (; v < r->regions + sizeof(r->regions) && v[0] + v[1] != ZERO; v += 4) {
		region = (struct vu_region){ values[v[0]], values[v[1]], values[v[2]],
			values[v[3]] };
		if (region.user_addr == 0 && r->op == REMOVE)
			region.user_addr = fe_mem_user(s->mem, region.guest_addr);
		put(w, &region, sizeof(region));
		w->fds[w->n_fds++] = fd;
		head.n_regions++;
	}
	if (r->claim != ZERO)
		head.n_regions = (uint32_t)values[r->claim];
	if (r->op == TABLE)
		memcpy(w->body, &head, sizeof(head));
	w->size += (size_t)r->bytes;
	w->fds[w->n_fds] = fd;
	w->n_fds = r->op == REMOVE ? 0 : w->n_fds + (unsigned)r->fds;
}

/* -- Files cut off ------------------------------------------------------------------- */

static void cut(const struct case_side *s, unsigned region)
{
	/* It can fail only for memory that was asked for otherwise. */
	bug_if(ftruncate(fe_mem_fd(s->mem, region), 0) < 0);
}

static int request(const struct case_side *s)
{
	struct fe_seg segs[2] = { { CASE_DATA_BASE, 64 }, { CASE_DATA_BASE + 100, 64 } };

	return fe_ring_add(s->ring, segs, 1, 1, 0, s->ring);
}

/* A refusal is an answer. */
static int heard(int ret)
{
	return ret == -EREMOTEIO ? 0 : ret;
}

int case_memory_cut(const struct case_memory *c, const struct case_side *s, struct error *err)
{
	uint32_t base;
	unsigned i;
	int ret = 0;

	for (i = 0; c->cut == CUT_IN_USE && request(s) == 0; i++)
		;
	if (c->cut == CUT_UNTOLD)
		ret = heard(fe_mem_send(s->mem, s->fe, err));
	if (c->cut == CUT_DATA)
		ret = request(s);
	cut(s, c->cut == CUT_DATA);
	for (i = 1; c->cut == CUT_IN_USE && i < 3; i++)
		cut(s, i);
	for (i = 0; ret == 0 && c->cut == CUT_UNTOLD && i < FE_RING_N_STEPS; i++)
		ret = heard(fe_ring_send(s->ring, s->fe, i, err));
	if (ret == 0 && c->cut == CUT_THEN_STOP)
		ret = heard(fe_get_vring_base(s->fe, 0, &base, err));
	if (ret == 0 && c->cut == CUT_THEN_TABLE)
		ret = heard(fe_mem_send(s->mem, s->fe, err));
	if (ret == 0)
		ret = fe_ring_force_kick(s->ring, s->fe, err);
	return ret < 0 ? ret : 0;
}
