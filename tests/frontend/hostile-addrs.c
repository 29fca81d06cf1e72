/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Rings that lie outside of memory, across its end or askew. */
#include <errno.h>

#include "hostile.h"

enum part { DESC, AVAIL, USED };
/* Where a part is put: further on, at an address, or so far before the end of its region. */
enum place { MOVED, AT, BEFORE_END };

static const struct row {
	const char *name;
	bool packed;
	enum part part;
	enum place place;
	uint64_t value;
} rows[] = {
	{ "split, descriptors askew by 1", false, DESC, MOVED, 1 },
	{ "split, descriptors askew by 8", false, DESC, MOVED, 8 },
	{ "split, available ring askew by 1", false, AVAIL, MOVED, 1 },
	{ "split, used ring askew by 1", false, USED, MOVED, 1 },
	{ "split, used ring askew by 2", false, USED, MOVED, 2 },
	{ "split, descriptors at 0", false, DESC, AT, 0 },
	{ "split, available ring at 0", false, AVAIL, AT, 0 },
	{ "split, used ring at 0", false, USED, AT, 0 },
	{ "split, descriptors at the end of the address space", false, DESC, AT, UINT64_MAX - 15 },
	{ "split, available ring at the end of the address space", false, AVAIL, AT,
		UINT64_MAX - 1 },
	{ "split, used ring at the end of the address space", false, USED, AT, UINT64_MAX - 3 },
	{ "split, descriptors 16 bytes too late", false, DESC, BEFORE_END, 16 * 256 - 16 },
	{ "split, available ring 2 bytes too late", false, AVAIL, BEFORE_END, 6 + 2 * 256 - 2 },
	{ "split, used ring without room for its event", false, USED, BEFORE_END, 4 + 8 * 256 },
	{ "split, descriptors right behind memory", false, DESC, BEFORE_END, 0 },
	{ "packed, descriptors askew by 1", true, DESC, MOVED, 1 },
	{ "packed, descriptors askew by 8", true, DESC, MOVED, 8 },
	{ "packed, driver event area askew by 2", true, AVAIL, MOVED, 2 },
	{ "packed, device event area askew by 2", true, USED, MOVED, 2 },
	{ "packed, descriptors 16 bytes too late", true, DESC, BEFORE_END, 16 * 256 - 16 },
	{ "packed, driver event area at 0", true, AVAIL, AT, 0 },
	{ "packed, device event area at the end of the address space", true, USED, AT,
		UINT64_MAX - 3 },
	{ "packed, device event area right behind memory", true, USED, BEFORE_END, 0 },
};

static const char *name(unsigned row)
{
	return rows[row].name;
}

static uint64_t place(struct guest *g, const struct row *r, uint64_t right)
{
	struct vu_region region;

	must(fe_mem_describe(g->mem, 0, &region));
	switch (r->place) {
	case MOVED:
		return right + r->value;
	case AT:
		return r->value;
	case BEFORE_END:
		return region.user_addr + region.size - r->value;
	}
	return 0;
}

static int send_addr(struct guest *g, const struct row *r)
{
	struct vu_vring_addr a = { 0 };
	struct fe_ring_layout l;

	fe_ring_layout(g->ring, &l);
	a.desc = fe_mem_user(g->mem, l.desc);
	a.avail = fe_mem_user(g->mem, l.driver);
	a.used = fe_mem_user(g->mem, l.device);
	if (r->part == DESC)
		a.desc = place(g, r, a.desc);
	else if (r->part == AVAIL)
		a.avail = place(g, r, a.avail);
	else
		a.used = place(g, r, a.used);
	return fe_set_vring_addr(g->fe, &a, &err);
}

/* Some message of the setup must be refused; the session lives, and done right it works. */
static void play(struct hostile *h, unsigned row)
{
	static const enum fe_ring_step steps[] = { FE_RING_NUM, FE_RING_BASE, FE_RING_ADDR,
		FE_RING_CALL, FE_RING_KICK, FE_RING_ENABLE };
	struct guest_setup setup = h->setup;
	unsigned i, refused = 0;
	struct guest *g;
	int ret;

	setup.no_start = true;
	setup.leave_out = rows[row].packed ? 0 : BIT(VIRTIO_F_RING_PACKED);
	g = guest_new(&setup);
	guest_tell_memory(g);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ret = steps[i] == FE_RING_ADDR ? send_addr(g, &rows[row])
			: fe_ring_send(g->ring, g->fe, steps[i], &err);
		ck_assert_msg(ret == 0 || ret == -EREMOTEIO, "%s", err.text);
		refused += ret < 0;
	}
	ck_assert_uint_gt(refused, 0);
	ck_ok(fe_barrier(g->fe, &err));
	hostile_revive(g);
	guest_free(g);
}

static unsigned count(void)
{
	return ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_addrs = { "ring address", count, name, play };
