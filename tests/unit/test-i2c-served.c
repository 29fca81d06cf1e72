/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The I2C adapter device on real rings: framing, groups as large as a ring, stops. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"
#include "suite.h"
#include "wire/virtio-i2c.h"

enum { POISON = 0xa5, IN = 1 << 20, OK = VIRTIO_I2C_MSG_OK, ERR = VIRTIO_I2C_MSG_ERR,
	NEXT = VIRTIO_I2C_FLAGS_FAIL_NEXT, RD = VIRTIO_I2C_FLAGS_M_RD, PIECES = 10 };

extern const struct device device_i2c;

static const uint64_t layouts[] = {
	0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_IN_ORDER),
};

static void begin(const char *list, unsigned size, int layout)
{
	served_option(&device_i2c, "device-list", list);
	served_open(&device_i2c);
	served_start(size, layouts[layout] | BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST));
	memset(served.view, POISON, SERVED_DATA);
}

/* The readable bytes of request n, of 256 bytes at most; where they are. */
static uint64_t put_request(unsigned n, unsigned address, uint32_t flags, const void *data,
			    size_t size)
{
	const struct virtio_i2c_out_hdr hdr = { le16((uint16_t)(address << 1)), le16(0),
		le32(flags) };

	memcpy(served.view + 256 * n, &hdr, sizeof(hdr));
	if (size > 0)
		memcpy(served.view + 256 * n + sizeof(hdr), data, size);
	return served.data + 256 * n;
}

/* Bytes written or read, wherever descriptors end. */
static unsigned cut(struct fe_seg *segs, unsigned max, uint64_t at, uint32_t size)
{
	unsigned n = 0;
	uint32_t len;

	while (size > 0) {
		len = n + 1 == max ? size : 1 + (uint32_t)rand() % size;
		segs[n++] = (struct fe_seg){ at, len };
		at += len;
		size -= len;
	}
	return n;
}

static uint32_t ask(unsigned address, uint32_t flags, const void *data, uint32_t size,
		    uint32_t room)
{
	struct fe_seg segs[2 * PIECES];
	uint64_t at = put_request(0, address, flags, data, size);
	unsigned n_out = cut(segs, 1 + (unsigned)rand() % PIECES, at, 8 + size);
	unsigned n_in = cut(segs + n_out, 1 + (unsigned)rand() % PIECES, served.data + IN, room);

	return served_ask(segs, n_out, n_in, FE_ADD_INDIRECT);
}

static void add(unsigned n, unsigned address, uint32_t flags, uint32_t room)
{
	static char tokens[64];
	struct fe_seg segs[2] = { { put_request(n, address, flags, "\x00", 1),
			  (flags & RD) != 0 ? 8 : 9 }, { served.data + IN + 256 * n, room } };

	served_ok(fe_ring_add(served.ring, segs, 1, 1, FE_ADD_INDIRECT, &tokens[n]));
}

static void await(unsigned n)
{
	struct fe_used used;

	while (n > 0) {
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		while (fe_ring_get(served.ring, &used, &served.err) == 1) {
			ck_assert_uint_eq(used.len, used.writable);
			n--;
		}
	}
}

START_TEST(any_framing)
{
	unsigned char data[64];
	unsigned round;
	uint32_t n, i;

	srand(3);
	begin("s0:0x20", 16, _i);
	for (round = 0; round < 200; round++) {
		n = 1 + (uint32_t)rand() % 60;
		for (i = 0; i < n; i++)
			data[1 + i] = (unsigned char)rand();
		data[0] = (unsigned char)rand();
		ck_assert_uint_eq(ask(0x20, 0, data, n + 1, 1), 1);
		ck_assert_int_eq(served.view[IN], OK);
		ck_assert_uint_eq(ask(0x20, 0, data, 1, 1), 1);
		ck_assert_uint_eq(ask(0x20, RD, NULL, 0, n + 1), n + 1);
		ck_assert_int_eq(memcmp(served.view + IN, data + 1, n), 0);
		ck_assert_int_eq(served.view[IN + n], OK);
		ck_assert_int_eq(served.view[IN + n + 1], POISON);
		served.view[IN + n] = POISON;
		memset(served.view + IN, POISON, 64);
	}
	served_close();
}
END_TEST

/* Zeros for what was not read, but not for gigabytes; the status is the last byte. */
START_TEST(too_long_reads)
{
	begin("s0:0x20", 16, _i);
	ck_assert_uint_eq(ask(0x20, RD, NULL, 0, 8194), 8194);
	ck_assert_int_eq(served.view[IN + 8193], ERR);
	ck_assert_int_eq(served.view[IN], 0);
	ck_assert_int_eq(served.view[IN + 8192], 0);
	ck_assert_uint_eq(ask(0x20, RD, NULL, 0, 1 << 20), 0);
	ck_assert_int_eq(served.view[IN + (1 << 20) - 1], ERR);
	ck_assert_int_eq(served.view[IN + 8194], POISON);
	served_close();
}
END_TEST

/* A ring that is full of one group: nothing more can come, so it is done at once. */
START_TEST(group_that_fills_the_ring)
{
	unsigned i;

	begin("s0:0x50", 4, _i);
	for (i = 0; i < 4; i++)
		add(i, 0x50, NEXT | (i % 2 ? RD : 0), i % 2 ? 3 : 1);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	await(4);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(served.view[IN + 256 * i + (i % 2 ? 2 : 0)], OK);
	ck_assert_int_eq(served.view[IN + 256], 0xff);
	served_close();
}
END_TEST

START_TEST(many_groups_at_once)
{
	unsigned i;

	begin("s0:0x50:0x51/nak,s1:0x20", 64, _i);
	for (i = 0; i < 60; i += 3) {
		add(i, 0x50, NEXT, 1);
		add(i + 1, i % 2 ? 0x51 : 0x50, RD, 2);
		add(i + 2, 0x20, RD, 2);
	}
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	await(60);
	for (i = 0; i < 60; i += 3) {
		ck_assert_int_eq(served.view[IN + 256 * i], i % 2 ? ERR : OK);
		ck_assert_int_eq(served.view[IN + 256 * (i + 1) + 1], i % 2 ? ERR : OK);
		ck_assert_int_eq(served.view[IN + 256 * (i + 1)], i % 2 ? 0 : 0xff);
		ck_assert_int_eq(served.view[IN + 256 * (i + 2) + 1], OK);
	}
	served_close();
}
END_TEST

/* The bus takes its time: the ring stops when the transfer is over, with its answer. */
START_TEST(stop_waits_for_the_bus)
{
	struct fe_used used;

	begin("s0:0x50/slow=100", 16, _i);
	add(0, 0x50, RD, 2);
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

static void take_all(void)
{
	struct fe_used used;

	while (fe_ring_outstanding(served.ring) > 0) {
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		while (fe_ring_get(served.ring, &used, &served.err) == 1)
			ck_assert_uint_eq(used.len, used.writable);
	}
}

/* The bus hangs: the front end is answered when the time of the transfer is up. */
START_TEST(stop_while_the_bus_hangs)
{
	struct fe_used used;

	served_option(&device_i2c, "timeout", "200");
	begin("s0:0x50/slow=1500:0x20", 16, _i);
	add(0, 0x50, RD, 2);
	/* Refused without the bus; in order, so it is not answered before the other. */
	add(1, 0x60, RD, 2);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	/* Unless it had not begun. */
	if (fe_ring_get(served.ring, &used, &served.err) == 1)
		ck_assert_int_eq(served.view[IN + 1], ERR);
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	take_all();
	/* Until the adapter is free again, so that nothing is left behind. */
	do {
		add(3, 0x20, RD, 2);
		served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
		take_all();
	} while (served.view[IN + 256 * 3 + 1] != OK);
	served_close();
}
END_TEST

START_TEST(leaves_while_the_bus_is_busy)
{
	begin("s0:0x50/slow=100", 16, _i);
	add(0, 0x50, RD, 2);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_close();
}
END_TEST

START_TEST(feature_is_required)
{
	const uint64_t offered = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST);

	served_option(&device_i2c, "device-list", "s0:0x50");
	served_open(&device_i2c);
	served_ok(fe_negotiate(served.fe, fe_all_protocol_features(), &served.err));
	ck_assert_uint_eq(fe_offered(served.fe) & 0xffffff, offered);
	ck_assert_int_lt(fe_set_features(served.fe, BIT(VIRTIO_F_VERSION_1) |
					 BIT(VHOST_USER_F_PROTOCOL_FEATURES), &served.err), 0);
	served_ok(fe_set_features(served.fe, offered | BIT(VIRTIO_F_VERSION_1) |
				  BIT(VHOST_USER_F_PROTOCOL_FEATURES), &served.err));
	served_close();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("i2c-served");
	TCase *tc = tcase_create("i2c-served");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, any_framing, 0, n);
	tcase_add_loop_test(tc, too_long_reads, 0, n);
	tcase_add_loop_test(tc, group_that_fills_the_ring, 0, n);
	tcase_add_loop_test(tc, many_groups_at_once, 0, n);
	tcase_add_loop_test(tc, stop_waits_for_the_bus, 0, n);
	tcase_add_loop_test(tc, stop_while_the_bus_hangs, 0, n);
	tcase_add_loop_test(tc, leaves_while_the_bus_is_busy, 0, n);
	tcase_add_test(tc, feature_is_required);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
