/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a hostile driver writes into a ring: the cases of src/probe/cases-rings.c. */
#include <errno.h>
#include <string.h>

#include "hostile.h"

static const char *name(unsigned row)
{
	static struct case_ring c;

	case_ring_at(row, &c);
	return c.name;
}

/* -- Judging --------------------------------------------------------------- */

/* Not by fe_ring_get(): to a driver, a descriptor marked used is a used one. */
static void judge_nothing(struct guest *g)
{
	struct fe_ring_layout l;
	uint8_t before[CASE_RING * 16];

	fe_ring_layout(g->ring, &l);
	guest_read(g, l.desc, before, sizeof(before));
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_mem_eq(fe_mem_at(g->mem, l.desc, sizeof(before)), before, sizeof(before));
	hostile_revive(g);
}

static void judge(struct guest *g, const struct case_ring *r)
{
	struct fe_used used;
	int ret;

	if (r->outcome == RING_NOTHING) {
		judge_nothing(g);
		return;
	}
	ret = hostile_outcome(g, &used);
	if (r->outcome == RING_LEN) {
		ck_assert_msg(ret == 1, "%d %s", ret, err.text);
		ck_assert_uint_eq(used.len, r->len);
		if (!r->moves_flags)
			guest_echo(g, 40, 4);
	} else {
		ck_assert_msg(ret == -EIO || r->outcome == RING_EITHER, "%d %s", ret, err.text);
		ck_assert_int_ne(ret, -ETIMEDOUT);
	}
	hostile_revive(g);
}

static void play_once(struct hostile *h, const struct case_ring *r, uint64_t leave_out)
{
	struct fe_seg segs[4];
	struct guest_setup setup = h->setup;
	struct case_side side;
	struct guest *g;
	unsigned i;

	setup.size = CASE_RING;
	setup.leave_out = leave_out | (r->packed ? 0 : BIT(VIRTIO_F_RING_PACKED));
	g = guest_new(&setup);
	for (i = 0; i < ARRAY_SIZE(segs); i++)
		segs[i] = (struct fe_seg){ guest_slot_at(i), CASE_PIECE };
	guest_add(g, segs, 2, 2, r->add, g);
	side = hostile_side(h, g);
	case_ring_spoil(r, &side);
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	judge(g, r);
	guest_free(g);
}

/* In order and not, with and without event index: the verdict is the same. */
static void play(struct hostile *h, unsigned row)
{
	struct case_ring c;

	case_ring_at(row, &c);
	play_once(h, &c, 0);
	play_once(h, &c, BIT(VIRTIO_F_IN_ORDER));
	play_once(h, &c, BIT(VIRTIO_F_EVENT_IDX));
}

const struct hostile_kind hostile_rings = { "ring", case_ring_count, name, play };
