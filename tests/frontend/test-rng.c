/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The entropy device (virtio 1.4, 5.4) from the driver's side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"
#include "suite.h"

static struct server server;
static struct guest_setup setup;

static void start(const char *max_bytes, const char *period)
{
	const char *args[] = { "-s", "@r.sock", "-m", max_bytes, "-p", period, NULL };

	if (max_bytes == NULL)
		args[2] = NULL;
	server_start(&server, "rng", args);
	setup = (struct guest_setup){ .socket = server_path(&server, "r.sock0") };
}

static void tear_down(void)
{
	server_clean_up(&server);
}

static struct guest *guest_of(int i)
{
	setup.leave_out = i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0;
	return guest_new(&setup);
}

/* As many bytes as the slots hold. */
enum { ROOM = GUEST_SLOT_SIZE * 16 };

static void fill(struct guest *g, uint8_t byte)
{
	static uint8_t bytes[ROOM];

	memset(bytes, byte, sizeof(bytes));
	guest_write(g, guest_slot_at(0), bytes, sizeof(bytes));
}

/* Everything up to len may differ from the filling, nothing behind it. */
static void check_rest(struct guest *g, uint8_t byte, size_t len)
{
	static uint8_t bytes[ROOM];
	size_t i;

	guest_read(g, guest_slot_at(0), bytes, sizeof(bytes));
	for (i = len; i < sizeof(bytes); i++)
		must(bytes[i] == byte);
	/* 2^-128 of all runs fail without reason. */
	for (i = 0; i < 16 && i < len && bytes[i] == byte; i++)
		;
	must(len < 16 || i < 16);
}

START_TEST(any_length)
{
	static const uint32_t sizes[] = { 1, 2, 7, 32, 64, 255, 4096, 4097, 65000 };
	struct guest *g;
	uint32_t len;
	unsigned i;

	start(NULL, NULL);
	g = guest_of(_i);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill(g, (uint8_t)i);
		len = guest_draw(g, sizes[i]);
		ck_assert_uint_ge(len, 1);
		ck_assert_uint_le(len, sizes[i]);
		check_rest(g, (uint8_t)i, len);
	}
	guest_free(g);
	server_stop(&server);
}
END_TEST

START_TEST(any_framing)
{
	struct fe_seg segs[8];
	unsigned n_out, n_in, i, flags, sum;
	struct fe_used used;
	struct guest *g;

	start(NULL, NULL);
	g = guest_of(_i);
	for (n_out = 0; n_out < 3; n_out++) {
		for (n_in = 1; n_in < 5; n_in++) {
			for (flags = 0; flags < 3; flags++) {
				sum = 0;
				for (i = 0; i < n_out; i++)
					segs[i] = (struct fe_seg){ guest_slot_at(40 + i), 9 };
				for (; i < n_out + n_in; i++) {
					segs[i] = (struct fe_seg){ guest_slot_at(0) + sum,
						(i - n_out) % 2 ? 0 : 20 + i };
					sum += segs[i].len;
				}
				fill(g, 0x5a);
				guest_add(g, segs, n_out, n_in, flags, g);
				guest_kick(g);
				used = guest_await_one(g);
				ck_assert_uint_ge(used.len, 1);
				ck_assert_uint_le(used.len, sum);
				check_rest(g, 0x5a, used.len);
			}
		}
	}
	guest_free(g);
}
END_TEST

/* No room for a byte: the chain comes back empty, and the next one is served. */
START_TEST(no_room)
{
	struct fe_seg segs[2] = { { guest_slot_at(0), 16 }, { guest_slot_at(1), 0 } };
	struct guest *g;

	start(NULL, NULL);
	g = guest_of(_i);
	guest_add(g, segs, 1, 0, 0, g);
	guest_add(g, segs, 1, 1, 0, g);
	guest_add(g, segs + 1, 0, 1, 0, g);
	guest_kick(g);
	ck_assert_uint_eq(guest_await_one(g).len, 0);
	ck_assert_uint_eq(guest_await_one(g).len, 0);
	ck_assert_uint_eq(guest_await_one(g).len, 0);
	ck_assert_uint_ge(guest_draw(g, 64), 1);
	guest_free(g);
}
END_TEST

/* 4 GiB of writable bytes: the answer may be short, it may not take the loop away. */
START_TEST(immense_request)
{
	struct fe_seg segs[] = { { GUEST_DATA_BASE, GUEST_DATA_SIZE },
		{ GUEST_DATA_BASE, GUEST_DATA_SIZE }, { GUEST_DATA_BASE, GUEST_DATA_SIZE } };
	struct guest *g;

	start(NULL, NULL);
	g = guest_of(_i);
	guest_add(g, segs, 0, 3, 0, g);
	guest_kick(g);
	ck_assert_uint_ge(guest_await_one(g).len, 1);
	guest_free(g);
}
END_TEST

/* -- Throttled ------------------------------------------------------------- */

START_TEST(quota_is_cut_and_refilled)
{
	static const uint32_t lens[] = { 64, 36, 64, 36 };
	struct guest *g;
	unsigned i;

	start("100", "500");
	g = guest_of(_i);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		ck_assert_uint_eq(guest_draw(g, 64), lens[i]);
	guest_free(g);
}
END_TEST

/* Uses the quota up and leaves one request waiting for a minute. */
static struct guest *hold_one(int i)
{
	struct fe_seg seg = { guest_slot_at(1), 64 };
	struct guest *g;

	start("100", "60000");
	g = guest_of(i);
	ck_assert_uint_eq(guest_draw(g, 64), 64);
	ck_assert_uint_eq(guest_draw(g, 64), 36);
	fill(g, 0x33);
	guest_add(g, &seg, 0, 1, 0, g);
	guest_kick(g);
	ck_ok(fe_barrier(g->fe, &err));
	return g;
}

static void check_untouched(struct guest *g)
{
	uint8_t bytes[64], want[64];

	memset(want, 0x33, sizeof(want));
	guest_read(g, guest_slot_at(1), bytes, sizeof(bytes));
	ck_assert_mem_eq(bytes, want, sizeof(want));
}

START_TEST(held_request_goes_back_at_stop)
{
	struct guest *g = hold_one(_i);
	uint32_t base;

	ck_ok(fe_ring_get_base(g->ring, g->fe, &base, &err));
	ck_assert_uint_eq(base & 0x7fff, 2);
	if (!(_i & 1))
		ck_assert_uint_eq(base, 0x80028002);
	check_untouched(g);
	/* Started again it waits as before; nothing is lost and nothing came early. */
	guest_start(g);
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_uint_eq(fe_ring_outstanding(g->ring), 1);
	ck_ok(fe_ring_get_base(g->ring, g->fe, &base, &err));
	ck_assert_uint_eq(base & 0x7fff, 2);
	check_untouched(g);
	guest_free(g);
	server_stop(&server);
}
END_TEST

START_TEST(held_request_does_not_hold_the_end)
{
	struct guest *g = hold_one(_i & 1);

	if (_i & 2)
		guest_free(g);
	server_stop(&server);
	if (!(_i & 2)) {
		check_untouched(g);
		guest_free(g);
	}
}
END_TEST

START_TEST(held_request_does_not_hold_the_next_guest)
{
	struct guest *g = hold_one(_i);
	unsigned fds = server_fds(&server);

	guest_free(g);
	g = guest_of(_i);
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_uint_eq(server_await_fds(&server, fds), fds);
	guest_free(g);
}
END_TEST

/* The period goes on: who connects anew gets no more of it. */
START_TEST(quota_outlives_the_session)
{
	struct fe_seg seg = { guest_slot_at(1), 64 };
	struct guest *g = hold_one(_i);

	guest_free(g);
	g = guest_of(_i);
	fill(g, 0x33);
	guest_add(g, &seg, 0, 1, 0, g);
	guest_kick(g);
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_uint_eq(fe_ring_outstanding(g->ring), 1);
	check_untouched(g);
	guest_free(g);
}
END_TEST

/* Both are on one loop. */
START_TEST(a_dry_source_delays_its_own_guest_only)
{
	char fifo[] = "/tmp/vhost-device-rng-XXXXXX", ini[300];
	struct fe_seg seg = { guest_slot_at(1), 64 };
	struct guest_setup other;
	struct guest *dry, *g;
	unsigned i;

	ck_assert_ptr_nonnull(mkdtemp(fifo));
	rmdir(fifo);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	snprintf(ini, sizeof(ini), "[common]\nthreads = 1\n[rng \"dry\"]\nsocket-path = @dry.sock\n"
		 "rng-source = %s\n[rng \"other\"]\nsocket-path = @other.sock\n", fifo);
	server_start_ini(&server, ini);
	setup = (struct guest_setup){ .socket = server_path(&server, "dry.sock") };
	dry = guest_of(_i);
	guest_add(dry, &seg, 0, 1, 0, dry);
	guest_kick(dry);
	ck_ok(fe_barrier(dry->fe, &err));
	other = (struct guest_setup){ .socket = server_path(&server, "other.sock") };
	g = guest_new(&other);
	for (i = 0; i < 20; i++)
		ck_assert_uint_eq(guest_draw(g, 64), 64);
	ck_assert_uint_eq(fe_ring_outstanding(dry->ring), 1);
	guest_free(g);
	guest_free(dry);
	server_stop(&server);
	unlink(fifo);
}
END_TEST

START_TEST(two_guests)
{
	static const char *const args[] = { "-s", "@r.sock", "-c", "2", NULL };
	struct guest_setup other;
	struct guest *a, *b;
	unsigned i;

	server_start(&server, "rng", args);
	setup = (struct guest_setup){ .socket = server_path(&server, "r.sock0") };
	other = (struct guest_setup){ .socket = server_path(&server, "r.sock1") };
	a = guest_new(&setup);
	b = guest_new(&other);
	for (i = 0; i < 50; i++) {
		ck_assert_uint_ge(guest_draw(a, 64), 1);
		ck_assert_uint_ge(guest_draw(b, 64), 1);
	}
	guest_free(a);
	ck_assert_uint_ge(guest_draw(b, 64), 1);
	guest_free(b);
	server_stop(&server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rng");
	TCase *tc = tcase_create("rng");

	if (!server_has("rng"))
		return server_skip("rng");
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, any_length, 0, 2);
	tcase_add_loop_test(tc, any_framing, 0, 2);
	tcase_add_loop_test(tc, no_room, 0, 2);
	tcase_add_loop_test(tc, immense_request, 0, 2);
	tcase_add_loop_test(tc, quota_is_cut_and_refilled, 0, 2);
	tcase_add_loop_test(tc, held_request_goes_back_at_stop, 0, 2);
	tcase_add_loop_test(tc, held_request_does_not_hold_the_end, 0, 4);
	tcase_add_loop_test(tc, held_request_does_not_hold_the_next_guest, 0, 2);
	tcase_add_loop_test(tc, quota_outlives_the_session, 0, 2);
	tcase_add_loop_test(tc, a_dry_source_delays_its_own_guest_only, 0, 2);
	tcase_add_test(tc, two_guests);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
