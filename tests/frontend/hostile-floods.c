/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Too much, too slow, or never read: the cases of src/probe/cases-floods.c, and
 * those for which a device must be known.
 */
#include <errno.h>

#include "hostile.h"

/* The longest work one turn can be asked for: a full ring of the largest requests. */
static void largest_requests(struct hostile *h)
{
	struct fe_seg segs[16];
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	for (i = 0; i < 16; i++)
		segs[i] = (struct fe_seg){ GUEST_DATA_BASE, GUEST_DATA_SIZE };
	for (i = 0; fe_ring_free_slots(g->ring) > 0; i++)
		guest_add(g, segs, 8, 8, FE_ADD_INDIRECT, g);
	guest_kick(g);
	for (; i > 0; i--)
		ck_assert_uint_gt(guest_await_one(g).len, 0);
	guest_free(g);
}

/* Half of a header, and then nothing: others are served meanwhile. */
static void stalls(struct hostile *h, const void *bytes, size_t n)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);

	ck_ok(fe_send_raw(g->fe, bytes, n, NULL, 0, &err));
	guest_echo(g, 20, 2);
	ck_assert(bystander_served(h->bystander));
	guest_free(g);
}

static void stalls_in_a_header(struct hostile *h)
{
	const struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION, 0 };

	stalls(h, &hdr, 7);
}

static void stalls_in_a_body(struct hostile *h)
{
	const struct vu_header hdr = { VU_SET_FEATURES, VU_VERSION, 8 };

	stalls(h, &hdr, sizeof(hdr));
}

static const struct row {
	const char *name;
	void (*play)(struct hostile *h);
} rows[] = {
	{ "a full ring of the largest requests", largest_requests },
	{ "stalls inside a header", stalls_in_a_header },
	{ "stalls inside a body", stalls_in_a_body },
};

static const char *name(unsigned row)
{
	static struct case_flood c;

	if (row >= case_flood_count())
		return rows[row - case_flood_count()].name;
	case_flood_at(row, &c);
	return c.name;
}

/* Nothing piles up: of what a front end gives, as much is held as one of each kind. */
static void check_held(const struct hostile *h, unsigned mappings)
{
	ck_assert_uint_le(server_fds(&h->server), h->fds + 16);
	ck_assert_uint_le(server_mappings(&h->server), mappings + 4);
}

static void play_flood(struct hostile *h, unsigned row)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned mappings = server_mappings(&h->server);
	struct case_side side = hostile_side(h, g);
	struct case_flood c;
	int ret;

	case_flood_at(row, &c);
	ret = case_flood_play(row, &side, &err);
	g->fe = side.fe;
	if (c.closes) {
		ck_assert_int_eq(ret, -ECONNRESET);
	} else if (g->fe != NULL) {
		ck_assert_msg(ret == 0, "%s", err.text);
		ck_assert(bystander_served(h->bystander));
		check_held(h, mappings);
		/* The session may have been given up for answers that are not read. */
		ret = fe_barrier(g->fe, &err);
		ck_assert_msg(ret == 0 || ret == -ECONNRESET, "%s", err.text);
		if (ret == 0)
			hostile_revive(g);
	}
	guest_free(g);
}

static void play(struct hostile *h, unsigned row)
{
	if (row < case_flood_count())
		play_flood(h, row);
	else
		rows[row - case_flood_count()].play(h);
}

static unsigned count(void)
{
	return case_flood_count() + ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_floods = { "flood", count, name, play };
