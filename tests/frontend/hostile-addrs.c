/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Rings outside of memory, across its end or askew: the cases of src/probe/cases-addrs.c. */
#include "hostile.h"

static const char *name(unsigned row)
{
	static struct case_addr c;

	case_addr_at(row, &c);
	return c.name;
}

/* Some message of the setup must be refused; the session lives, and done right it works. */
static void play(struct hostile *h, unsigned row)
{
	struct guest_setup setup = h->setup;
	struct case_side side;
	struct case_addr c;
	struct guest *g;
	int refused;

	case_addr_at(row, &c);
	setup.no_start = true;
	setup.leave_out = c.packed ? 0 : BIT(VIRTIO_F_RING_PACKED);
	g = guest_new(&setup);
	guest_tell_memory(g);
	side = hostile_side(h, g);
	refused = case_addr_play(&c, &side, &err);
	ck_assert_msg(refused >= 0, "%s", err.text);
	ck_assert_int_gt(refused, 0);
	ck_ok(fe_barrier(g->fe, &err));
	hostile_revive(g);
	guest_free(g);
}

const struct hostile_kind hostile_addrs = { "ring address", case_addr_count, name, play };
