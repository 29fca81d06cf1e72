/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* rng and template on the real core: every framing, on both layouts, and stops. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"
#include "suite.h"

extern const struct device device_rng, device_template;

enum { POISON = 0xa5, PIECES = 16, ROUNDS = 500 };

static const uint64_t layouts[] = {
	0,
	BIT(VIRTIO_F_EVENT_IDX),
	BIT(VIRTIO_F_IN_ORDER),
	BIT(VIRTIO_F_RING_PACKED),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER),
};

static size_t rest_is_untouched(size_t from, size_t to)
{
	while (from < to && served.view[from] == POISON)
		from++;
	return from == to;
}

static void poison(size_t n)
{
	memset(served.view, POISON, n);
}

/* Cut size bytes, one behind the other from guest address at, into at most max pieces. */
static unsigned cut(struct fe_seg *segs, unsigned max, uint64_t at, uint32_t size)
{
	unsigned n = 0;
	uint32_t len;

	while (size > 0 && n < max) {
		len = n + 1 == max ? size : 1 + (uint32_t)rand() % size;
		segs[n++] = (struct fe_seg){ at, len };
		at += len;
		size -= len;
	}
	return n;
}

/* rng. */

static const struct {
	unsigned n_out, n_in, flags;
	uint32_t out, in[4];
	uint32_t len;                   /* what must come back */
} framings[] = {
	{ 0, 1, 0, 0, { 64 }, 64 },
	{ 0, 1, 0, 0, { 1 }, 1 },
	{ 0, 2, 0, 0, { 60, 4 }, 64 },
	{ 0, 4, 0, 0, { 1, 1, 1, 61 }, 64 },
	{ 0, 3, 0, 0, { 32, 0, 32 }, 64 },
	{ 0, 2, 0, 0, { 0, 64 }, 64 },
	{ 0, 1, 0, 0, { 0 }, 0 },
	{ 1, 1, 0, 8, { 64 }, 64 },
	{ 1, 0, 0, 8, { 0 }, 0 },
	{ 0, 4, FE_ADD_INDIRECT, 0, { 16, 16, 16, 16 }, 64 },
	{ 0, 3, FE_ADD_TAIL_INDIRECT, 0, { 16, 16, 32 }, 64 },
	{ 0, 2, 0, 0, { 65536, 4096 }, 65536 },
	{ 0, 1, 0, 0, { 1 << 20 }, 65536 },
};

START_TEST(rng_takes_any_framing)
{
	struct fe_seg segs[5];
	uint32_t size, len;
	unsigned i, k, n;

	served_open(&device_rng);
	served_start(16, layouts[_i]);
	for (i = 0; i < ARRAY_SIZE(framings); i++) {
		poison(SERVED_DATA);
		n = 0;
		/* What the device may read lies far behind what it may write. */
		if (framings[i].n_out > 0)
			segs[n++] = (struct fe_seg){ served.data + SERVED_DATA / 2,
				framings[i].out };
		for (k = 0, size = 0; k < framings[i].n_in; k++) {
			segs[n++] = (struct fe_seg){ served.data + size, framings[i].in[k] };
			size += framings[i].in[k];
		}
		len = served_ask(segs, framings[i].n_out, framings[i].n_in, framings[i].flags);
		ck_assert_msg(len == framings[i].len, "framing %u: %u bytes", i, len);
		ck_assert_msg(rest_is_untouched(len, SERVED_DATA), "framing %u", i);
		/* 16 bytes of poison at a place are chance once in 2^128. */
		ck_assert_msg(len < 64 || !rest_is_untouched(len - 16, len), "framing %u", i);
	}
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_close();
}
END_TEST

/* Behind each other in memory, so that the answer is one stretch of bytes. */
START_TEST(rng_takes_any_split)
{
	enum { LARGEST = 100 * 1000, ANSWER = 64 * 1024 };
	struct fe_seg segs[PIECES];
	uint32_t size, want, len;
	unsigned round, n;

	srand(5);
	served_open(&device_rng);
	served_start(64, layouts[_i]);
	for (round = 0; round < ROUNDS; round++) {
		size = 1 + (uint32_t)rand() % (round % 2 ? 300 : LARGEST);
		want = size < ANSWER ? size : ANSWER;
		memset(served.view, POISON, LARGEST + 1);
		n = cut(segs, 1 + (unsigned)rand() % PIECES, served.data, size);
		len = served_ask(segs, 0, n, rand() % 2 ? FE_ADD_INDIRECT : 0);
		ck_assert_uint_eq(len, want);
		ck_assert(rest_is_untouched(want, LARGEST + 1));
		ck_assert(want < 32 || !rest_is_untouched(want / 2, want / 2 + 16));
	}
	served_close();
}
END_TEST

START_TEST(rng_survives_addresses_outside)
{
	const struct fe_seg outside = { 0xfffffff000, 64 };
	struct fe_seg good = { 0, 64 };
	struct fe_used used;

	served_open(&device_rng);
	served_start(16, layouts[_i]);
	good.guest = served.data;
	served_ok(fe_ring_add(served.ring, &outside, 0, 1, 0, NULL));
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
	ck_assert_int_eq(fe_ring_get(served.ring, &used, &served.err), 1);
	ck_assert_uint_eq(used.len, 0);
	ck_assert_uint_eq(served_ask(&good, 0, 1, 0), 64);
	served_ok(fe_barrier(served.fe, &served.err));
	served_close();
}
END_TEST

START_TEST(rng_stops_while_throttled)
{
	struct fe_seg seg[2];
	uint32_t base;
	uint16_t avail;

	served_option(&device_rng, "max-bytes", "64");
	served_open(&device_rng);
	served_start(16, layouts[_i]);
	poison(SERVED_DATA);
	seg[0] = (struct fe_seg){ served.data, 64 };
	seg[1] = (struct fe_seg){ served.data + 4096, 64 };
	avail = fe_ring_avail(served.ring);
	ck_assert_uint_eq(served_ask(&seg[0], 0, 1, 0), 64);
	served_ok(fe_ring_add(served.ring, &seg[1], 0, 1, 0, &base));
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	/* The period is a minute: who slept in it could not answer now. */
	served_ok(fe_barrier(served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_ok(fe_ring_get_base(served.ring, served.fe, &base, &served.err));
	if (!(layouts[_i] & BIT(VIRTIO_F_RING_PACKED)))
		ck_assert_uint_eq(base & 0xffff, (uint16_t)(avail + 1));
	ck_assert(rest_is_untouched(64, SERVED_DATA));
	ck_assert_int_eq(fe_ring_get(served.ring, &(struct fe_used){ 0 }, &served.err), 0);
	served_close();
}
END_TEST

/* Several at once come back in the order they were asked for. */
START_TEST(rng_keeps_the_order)
{
	struct fe_seg seg = { 0, 16 };
	struct fe_used used;
	unsigned i, next = 0;
	static char tokens[8];

	served_open(&device_rng);
	served_start(16, layouts[_i]);
	seg.guest = served.data;
	for (i = 0; i < ARRAY_SIZE(tokens); i++)
		served_ok(fe_ring_add(served.ring, &seg, 0, 1, 0, &tokens[i]));
	served_ok(fe_ring_kick(served.ring, served.fe, &served.err));
	while (next < ARRAY_SIZE(tokens)) {
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		while (fe_ring_get(served.ring, &used, &served.err) == 1)
			ck_assert_ptr_eq(used.token, &tokens[next++]);
	}
	served_close();
}
END_TEST

/* template. */

START_TEST(template_echoes_any_split)
{
	enum { IN = SERVED_DATA / 2, LARGEST = 6000 };
	struct fe_seg segs[2 * PIECES];
	uint32_t out, in, len, want, i;
	uint8_t config[8];
	unsigned n_out, n_in, round;

	srand(11);
	served_open(&device_template);
	served_start(64, layouts[_i]);
	for (i = 0; i < IN; i++)
		served.view[i] = (unsigned char)(rand() % 251);
	for (round = 0; round < ROUNDS; round++) {
		memset(served.view + IN, POISON, LARGEST + 1);
		out = (uint32_t)rand() % LARGEST;
		in = (uint32_t)rand() % LARGEST;
		n_out = cut(segs, 1 + (unsigned)rand() % PIECES, served.data, out);
		n_in = cut(segs + n_out, 1 + (unsigned)rand() % PIECES, served.data + IN, in);
		if (n_out + n_in == 0)
			continue;
		want = out < in ? out : in;
		len = served_ask(segs, n_out, n_in, rand() % 2 ? FE_ADD_INDIRECT : 0);
		ck_assert_uint_eq(len, want);
		ck_assert_int_eq(memcmp(served.view, served.view + IN, want), 0);
		ck_assert(rest_is_untouched(IN + want, IN + LARGEST + 1));
	}
	served_ok(fe_get_config(served.fe, 0, config, sizeof(config), &served.err));
	ck_assert_uint_eq(config[0] | (uint32_t)config[1] << 8, ROUNDS);
	ck_assert_uint_eq(config[4] | (uint32_t)config[5] << 8, want);
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_close();
}
END_TEST

/*
 * Busy polling: requests are found without a kick, also after the loop had
 * gone to sleep, when it takes one.
 */
START_TEST(polled_requests)
{
	struct fe_seg seg = { 0, 64 };
	struct fe_used used;
	unsigned i;

	served.poll_us = _i % 2 ? 50 : 60 * 1000 * 1000;
	served_open(&device_rng);
	served_start(16, layouts[_i / 2]);
	seg.guest = served.data;
	for (i = 0; i < 200; i++) {
		ck_assert_uint_eq(served_ask(&seg, 0, 1, 0), 64);
		if (i % 20 == 0)
			served_ok(fe_barrier(served.fe, &served.err));
	}
	/* For a minute it needs no kick. */
	if (_i % 2 == 0) {
		served_ok(fe_ring_add(served.ring, &seg, 0, 1, 0, &used));
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
	}
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_close();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("served");
	TCase *tc = tcase_create("served");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, rng_takes_any_framing, 0, n);
	tcase_add_loop_test(tc, rng_takes_any_split, 0, n);
	tcase_add_loop_test(tc, rng_survives_addresses_outside, 0, n);
	tcase_add_loop_test(tc, rng_stops_while_throttled, 0, n);
	tcase_add_loop_test(tc, rng_keeps_the_order, 0, n);
	tcase_add_loop_test(tc, polled_requests, 0, 2 * n);
	tcase_add_loop_test(tc, template_echoes_any_split, 0, n);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
