/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The SPI controller on real rings, split and packed: descriptors, order, leaving. */
#include <check.h>
#include <string.h>

#include "served.h"
#include "suite.h"
#include "wire/virtio-ring.h"
#include "wire/virtio-spi.h"

enum { IN = 2 << 20, POISON = 0x5a, OK = VIRTIO_SPI_TRANS_OK, PARAM = VIRTIO_SPI_PARAM_ERR,
	TRANS = VIRTIO_SPI_TRANS_ERR, HEAD = sizeof(struct virtio_spi_transfer_head) };

extern const struct device device_spi;

static const uint64_t layouts[] = { 0, BIT(VIRTIO_F_RING_PACKED), BIT(VIRTIO_F_EVENT_IDX),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) };

static void begin(const char *list, unsigned size, int layout)
{
	served_option(&device_spi, "device", list);
	served_open(&device_spi);
	served_start(size, layouts[layout]);
	memset(served.view + IN, POISON, SERVED_DATA - IN);
}

static void put_head(size_t at, unsigned cs)
{
	const struct virtio_spi_transfer_head h = { .chip_select_id = (uint8_t)cs,
		.bits_per_word = 8 };

	memcpy(served.view + at, &h, sizeof(h));
}

/* One request in pieces of these sizes. */
static uint32_t ask(size_t out, size_t in, unsigned piece, unsigned flags)
{
	struct fe_seg segs[64];
	unsigned n_out = 0, n_in = 0;
	size_t at, len;

	for (at = 0; at < out; at += len) {
		len = out - at < piece ? out - at : piece;
		segs[n_out++] = (struct fe_seg){ served.data + at, (uint32_t)len };
	}
	for (at = 0; at < in; at += len) {
		len = in - at < piece ? in - at : piece;
		segs[n_out + n_in++] = (struct fe_seg){ served.data + IN + at, (uint32_t)len };
	}
	return served_ask(segs, n_out, n_in, flags);
}

/* The head in odd pieces, the result with the last bytes in one descriptor. */
START_TEST(any_framing)
{
	static const unsigned sizes[] = { 1, 3, 7, 31, 32, 33, 1000 };
	unsigned i, k;

	begin("s0", 64, _i);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		put_head(0, 0);
		for (k = 0; k < 20; k++)
			served.view[HEAD + k] = (unsigned char)(i * 20 + k);
		if ((HEAD + 20) / sizes[i] + 21 / sizes[i] + 2 > 60)
			continue;
		ck_assert_uint_eq(ask(HEAD + 20, 21, sizes[i], i % 2 ? FE_ADD_INDIRECT : 0), 21);
		ck_assert_mem_eq(served.view + IN, served.view + HEAD, 20);
		ck_assert_int_eq(served.view[IN + 20], OK);
		ck_assert_int_eq(served.view[IN + 21], POISON);
	}
	served_close();
}
END_TEST

/* Four descriptors are what QEMU's ring holds. */
START_TEST(ring_of_four)
{
	struct fe_seg own[4];
	unsigned i;

	begin("s0", 4, _i);
	own[0] = (struct fe_seg){ served.data, HEAD };
	own[1] = (struct fe_seg){ served.data + HEAD, 8 };
	own[2] = (struct fe_seg){ served.data + IN, 8 };
	own[3] = (struct fe_seg){ served.data + IN + 100, 1 };
	for (i = 0; i < 10; i++) {
		put_head(0, 0);
		memset(served.view + HEAD, (int)i, 8);
		ck_assert_uint_eq(served_ask(own, 2, 2, 0), 9);
		ck_assert_mem_eq(served.view + IN, served.view + HEAD, 8);
		ck_assert_int_eq(served.view[IN + 100], OK);
		served.view[IN + 100] = POISON;
	}
	served_close();
}
END_TEST

/* The result is the last byte, and zeros stand where bytes would be. */
START_TEST(failures_in_the_right_byte)
{
	begin("s0:fail=1", 16, _i);
	put_head(0, 0);
	ck_assert_uint_eq(ask(HEAD, 9, 100, 0), 9);
	ck_assert_int_eq(served.view[IN + 8], TRANS);
	ck_assert_int_eq(served.view[IN], 0);
	memset(served.view + IN, POISON, 16);
	ck_assert_uint_eq(ask(HEAD + 3, 9, 100, 0), 9);
	ck_assert_int_eq(served.view[IN + 8], PARAM);
	ck_assert_int_eq(served.view[IN + 7], 0);
	memset(served.view + IN, POISON, 16);
	ck_assert_uint_eq(ask(HEAD - 1, 2, 100, 0), 2);
	ck_assert_int_eq(served.view[IN + 1], PARAM);
	ck_assert_uint_eq(ask(HEAD - 1, 0, 100, 0), 0);
	served_close();
}
END_TEST

static void add(unsigned i, unsigned cs)
{
	const struct fe_seg segs[] = {
		{ served.data + 256 * i, HEAD + 1 }, { served.data + IN + 256 * i, 2 },
	};

	put_head(256 * i, cs);
	served.view[256 * i + HEAD] = (unsigned char)i;
	served_ok(fe_ring_add(served.ring, segs, 1, 1, 0, (void *)(uintptr_t)(i + 1)));
}

START_TEST(many_at_once_in_order)
{
	struct fe_used used;
	unsigned i, n = 0;

	begin("s0,s1:shift,s2:slow=1", 128, _i);
	for (i = 0; i < 60; i++)
		add(i, i % 7 == 0 ? 2 : i % 3);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	while (n < 60) {
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		while (fe_ring_get(served.ring, &used, &served.err) == 1) {
			ck_assert_uint_eq((uintptr_t)used.token, ++n);
			ck_assert_uint_eq(used.len, 2);
		}
	}
	for (i = 0; i < 60; i++) {
		ck_assert_int_eq(served.view[IN + 256 * i + 1], OK);
		if (i % 3 == 0 || i % 7 == 0)
			ck_assert_int_eq(served.view[IN + 256 * i], (int)i);
	}
	served_close();
}
END_TEST

/* The bus takes its time: the ring stops when the transfer is over, with its answer. */
START_TEST(stop_waits_for_the_bus)
{
	struct fe_used used;

	begin("s0:slow=100", 16, _i);
	add(0, 0);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	/* Either it had not begun, or it is done. */
	if (fe_ring_get(served.ring, &used, &served.err) == 1)
		ck_assert_int_eq(served.view[IN + 1], OK);
	else
		ck_assert_int_eq(served.view[IN + 1], POISON);
	served_close();
}
END_TEST

START_TEST(leaves_while_the_bus_is_busy)
{
	begin(_i % 2 == 0 ? "s0:slow=100" : "s0:slow=50:cs=literal", 16, _i);
	add(0, 0);
	add(1, 0);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_close();
}
END_TEST

START_TEST(config_space_as_it_is_asked)
{
	struct virtio_spi_config c;
	uint8_t byte, word[2];

	served_option(&device_spi, "device", "s0:nor:max-freq=25M,s0.1");
	served_open(&device_spi);
	served_ok(fe_negotiate(served.fe, fe_all_protocol_features(), &served.err));
	served_ok(fe_get_config(served.fe, 0, &c, sizeof(c), &served.err));
	ck_assert_uint_eq(c.cs_max_number, 2);
	ck_assert_uint_eq(le32_get(c.mode_func_supported), 0xf);
	served_ok(fe_get_config(served.fe, 0, &byte, 1, &served.err));
	ck_assert_uint_eq(byte, 2);
	served_ok(fe_get_config(served.fe, 2, word, 2, &served.err));
	ck_assert_uint_eq(word[1], 7);
	served_ok(fe_get_config(served.fe, 31, &byte, 1, &served.err));
	ck_assert_uint_eq(byte, 3);
	served_close();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("spi-served");
	TCase *tc = tcase_create("spi-served");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, any_framing, 0, n);
	tcase_add_loop_test(tc, ring_of_four, 0, n);
	tcase_add_loop_test(tc, failures_in_the_right_byte, 0, n);
	tcase_add_loop_test(tc, many_at_once_in_order, 0, n);
	tcase_add_loop_test(tc, stop_waits_for_the_bus, 0, n);
	tcase_add_loop_test(tc, leaves_while_the_bus_is_busy, 0, n);
	tcase_add_test(tc, config_space_as_it_is_asked);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
