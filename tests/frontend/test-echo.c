/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests of every shape, on rings of every kind and size, byte by byte. */

#include "guest.h"
#include "suite.h"

static struct server server;

static void set_up(void)
{
	static const char *const args[] = { "-s", "@t.sock", NULL };

	server_start(&server, "template", args);
}

static void tear_down(void)
{
	server_clean_up(&server);
}

#define PACKED BIT(VIRTIO_F_RING_PACKED)
#define EVENT_IDX BIT(VIRTIO_F_EVENT_IDX)
#define IN_ORDER BIT(VIRTIO_F_IN_ORDER)
#define INDIRECT BIT(VIRTIO_F_INDIRECT_DESC)

static const struct {
	unsigned size, n;
	uint64_t leave_out;
} rings[] = {
	{ 256, 10000, 0 },
	{ 256, 10000, PACKED },
	{ 256, 10000, EVENT_IDX },
	{ 256, 10000, EVENT_IDX | PACKED },
	{ 256, 10000, IN_ORDER },
	{ 256, 10000, IN_ORDER | PACKED },
	{ 256, 10000, IN_ORDER | EVENT_IDX },
	{ 256, 10000, IN_ORDER | EVENT_IDX | PACKED },
	{ 256, 2000, INDIRECT },
	{ 256, 2000, INDIRECT | PACKED },
	{ 1, 500, PACKED }, { 2, 1000, PACKED }, { 4, 2000, PACKED }, { 16, 2000, PACKED },
	{ 64, 2000, PACKED }, { 128, 2000, PACKED }, { 512, 2000, PACKED },
	{ 1024, 2000, PACKED }, { 8, 70000, PACKED },
	{ 1, 500, 0 }, { 2, 1000, 0 }, { 3, 1000, 0 }, { 5, 2000, 0 }, { 16, 2000, 0 },
	{ 17, 2000, 0 }, { 100, 2000, 0 }, { 512, 2000, 0 }, { 1000, 2000, 0 },
	{ 1023, 2000, 0 }, { 1024, 2000, 0 }, { 8, 20000, 0 },
	{ 1, 500, INDIRECT | PACKED }, { 2, 1000, INDIRECT }, { 3, 1000, INDIRECT },
};

START_TEST(echo)
{
	struct guest_setup setup = { .socket = server_path(&server, "t.sock"),
		.size = rings[_i].size, .leave_out = rings[_i].leave_out };
	struct guest *g = guest_new(&setup);

	guest_echo(g, test_scaled(rings[_i].n), 1 + (unsigned)_i % 32);
	guest_free(g);
	server_stop(&server);
}
END_TEST

/* The same, asked for signals later and kicking late: neither may get lost. */
START_TEST(batches)
{
	struct guest_setup setup = { .socket = server_path(&server, "t.sock"),
		.leave_out = _i ? PACKED : 0 };
	struct guest *g = guest_new(&setup);
	unsigned round, i;

	for (round = 0; round < test_scaled(300); round++) {
		for (i = 0; i < 1 + round % 40; i++)
			must(guest_send_echo(g));
		guest_kick(g);
		while (g->busy > 0) {
			if (!fe_ring_arm(g->ring, _i ? g->busy : 1))
				ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
			guest_collect(g);
		}
	}
	guest_free(g);
}
END_TEST

START_TEST(one_signal_a_burst)
{
	struct guest_setup setup = { .socket = server_path(&server, "t.sock"),
		.leave_out = _i ? PACKED : 0 };
	struct guest *g = guest_new(&setup);
	const struct fe_ring_stats *stats = fe_ring_stats(g->ring);
	unsigned round, i;
	uint64_t kicks, calls;

	guest_echo(g, 10, 1);
	kicks = stats->kicks;
	calls = stats->calls;
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 20; i++)
			must(guest_send_echo(g));
		guest_kick(g);
		guest_await_all(g);
	}
	/* Twenty requests in a ring that sleeps: a kick, and few signals for all of them. */
	ck_assert_uint_le(stats->kicks - kicks, 100);
	ck_assert_uint_le(stats->calls - calls, 300);
	guest_free(g);
}
END_TEST

/* Nothing readable, nothing writable, only empty segments: each comes back once. */
START_TEST(poor_requests)
{
	struct guest_setup setup = { .socket = server_path(&server, "t.sock") };
	struct guest *g = guest_new(&setup);
	const struct fe_seg segs[] = { { guest_slot_at(0), 10 }, { guest_slot_at(1), 0 },
		{ 0xdead0000, 0 }, { guest_slot_at(2), 20 } };
	static const struct {
		unsigned first, n_out, n_in;
		uint32_t len;
	} rows[] = {
		{ 0, 1, 0, 0 }, { 3, 0, 1, 0 }, { 1, 1, 0, 0 }, { 1, 0, 1, 0 }, { 1, 1, 1, 0 },
		{ 1, 2, 1, 0 }, { 0, 3, 1, 10 }, { 0, 1, 3, 10 },
	};
	unsigned i, flags;
	struct fe_used used;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (flags = 0; flags < 3; flags++) {
			guest_add(g, segs + rows[i].first, rows[i].n_out, rows[i].n_in, flags, g);
			guest_kick(g);
			used = guest_await_one(g);
			ck_assert_ptr_eq(used.token, g);
			ck_assert_uint_eq(used.len, rows[i].len);
		}
	}
	guest_free(g);
}
END_TEST

/* What the config space tells is the device's, not the session's. */
START_TEST(counts_go_on_in_the_next_session)
{
	struct guest_setup setup = { .socket = server_path(&server, "t.sock") };
	le32_t config[2];
	struct guest *g;
	unsigned i;

	for (i = 1; i <= 3; i++) {
		g = guest_new(&setup);
		guest_echo(g, 5, 1);
		ck_ok(fe_get_config(g->fe, 0, config, sizeof(config), &err));
		ck_assert_uint_eq(le32_get(config[0]), 5 * i);
		guest_free(g);
	}
	server_stop(&server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("echo");
	TCase *tc = tcase_create("echo");

	if (!server_has("template"))
		return server_skip("template");
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, echo, 0, (int)ARRAY_SIZE(rings));
	tcase_add_loop_test(tc, batches, 0, 2);
	tcase_add_loop_test(tc, one_signal_a_burst, 0, 2);
	tcase_add_test(tc, poor_requests);
	tcase_add_test(tc, counts_go_on_in_the_next_session);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
