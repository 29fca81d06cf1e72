/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guests of one process that talk to each other, on real rings. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "vsock-guests.h"

enum { A = 0, B = 1, C = 2, PORT = 1000, STREAM = VSOCK_TYPE_STREAM, SEQ = VSOCK_TYPE_SEQPACKET,
	BULK = 2 << 20, WRITE = 16384, RX_ALL = VG_RX_BUFFERS, MOST_WINDOW = 4 << 20 };

static uint8_t data[VSOCK_PACKET_MAX];
/* What all guests tell of their connections. */
static uint32_t window = VG_WINDOW, taken;

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

static void fill(uint64_t from, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		data[i] = pattern(from + i);
}

static void check_bytes(const struct vg_packet *p, uint64_t from)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < p->len; i++)
		wrong += p->data[i] != pattern(from + i);
	ck_assert_uint_eq(wrong, 0);
}

static struct vg_packet packet(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to)
{
	struct vg_packet p = rig_packet(i, k, op, from, to);

	p.buf_alloc = window;
	p.fwd_cnt = taken;
	return p;
}

static void put_op(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to)
{
	const struct vg_packet p = packet(i, k, op, from, to);

	rig_put(i, &p, NULL);
}

static void open_with(unsigned layout, uint32_t room)
{
	window = room;
	taken = 0;
	rig_open(layout);
}

/* Guest i's port `from` to port PORT of guest k, which lets it in. */
static void join(unsigned i, unsigned k, uint32_t from)
{
	struct vg_packet p;

	put_op(i, k, VSOCK_OP_REQUEST, from, PORT);
	p = rig_get_op(k, VSOCK_OP_REQUEST);
	ck_assert_uint_eq(p.src_cid, RIG_CID + i);
	ck_assert_uint_eq(p.src_port, from);
	ck_assert_uint_eq(p.dst_port, PORT);
	put_op(k, i, VSOCK_OP_RESPONSE, PORT, from);
	p = rig_get_op(i, VSOCK_OP_RESPONSE);
	ck_assert_uint_eq(p.src_cid, RIG_CID + k);
	ck_assert_uint_eq(p.dst_port, from);
}

static void send_data(unsigned i, unsigned k, uint32_t from, uint32_t to, uint32_t n)
{
	struct vg_packet p = packet(i, k, VSOCK_OP_RW, from, to);

	p.len = n;
	rig_put(i, &p, data);
}

/* n bytes that begin at `at` of the stream; behind them more may come. */
static void take_data(unsigned k, uint64_t at, uint64_t n)
{
	struct vg_packet p;

	for (; n > 0; n -= p.len, at += p.len) {
		p = rig_get_op(k, VSOCK_OP_RW);
		ck_assert_uint_le(p.len, n);
		check_bytes(&p, at);
	}
}

START_TEST(nobody_there)
{
	struct vg_packet p;

	open_with((unsigned)_i, VG_WINDOW);
	rig_put_op(A, 50, VSOCK_OP_REQUEST, 5, PORT);
	ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).src_cid, RIG_CID + 50);
	/* Of no connection: the other guest does not even hear of it. */
	rig_put_op(A, B, VSOCK_OP_RESPONSE, 5, PORT);
	ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).dst_port, 5);
	rig_put_op(A, B, VSOCK_OP_RST, 5, PORT);
	rig_get_nothing(A);
	rig_get_nothing(B);
	/* B says no. */
	rig_put_op(A, B, VSOCK_OP_REQUEST, 5, PORT);
	rig_get_op(B, VSOCK_OP_REQUEST);
	rig_put_op(B, A, VSOCK_OP_RST, PORT, 5);
	p = rig_get_op(A, VSOCK_OP_RST);
	ck_assert_uint_eq(p.src_port, PORT);
	rig_close();
}
END_TEST

START_TEST(bytes_both_ways)
{
	uint64_t sent, n;

	open_with((unsigned)_i, VG_WINDOW);
	join(A, B, 5);
	for (sent = 0; sent < BULK; sent += n) {
		n = sent % 3 == 0 ? VSOCK_PACKET_MAX : 3733;
		fill(sent, (uint32_t)n);
		send_data(A, B, 5, PORT, (uint32_t)n);
		take_data(B, sent, n);
		taken = (uint32_t)(sent + n);
		send_data(B, A, PORT, 5, (uint32_t)n);
		take_data(A, sent, n);
	}
	rig_put_op(A, B, VSOCK_OP_RST, 5, PORT);
	rig_get_op(B, VSOCK_OP_RST);
	send_data(B, A, PORT, 5, 1);
	rig_get_op(B, VSOCK_OP_RST);
	rig_close();
}
END_TEST

/* A message keeps its end however small the buffers are, and whether or not it waited. */
START_TEST(messages)
{
	struct vg_packet p = rig_packet(A, B, VSOCK_OP_REQUEST, 5, PORT), got;
	const unsigned most = 2 * RX_ALL;
	unsigned i;
	uint32_t n;

	open_with((unsigned)_i, MOST_WINDOW);
	p.type = SEQ;
	rig_put(A, &p, NULL);
	ck_assert_uint_eq(rig_get_op(B, VSOCK_OP_REQUEST).type, SEQ);
	got = packet(B, A, VSOCK_OP_RESPONSE, PORT, 5);
	got.type = SEQ;
	rig_put(B, &got, NULL);
	rig_get_op(A, VSOCK_OP_RESPONSE);
	p.op = VSOCK_OP_RW;
	p.flags = VSOCK_SEQ_EOM;
	for (i = 0; i < most; i++) {
		p.len = 1 + i * 37;
		fill(i, p.len);
		rig_put(A, &p, data);
	}
	for (i = 0; i < most; i++) {
		n = 0;
		do {
			got = rig_get_op(B, VSOCK_OP_RW);
			ck_assert_uint_eq(got.type, SEQ);
			check_bytes(&got, i + n);
			n += got.len;
		} while ((got.flags & VSOCK_SEQ_EOM) == 0);
		ck_assert_uint_eq(n, 1 + i * 37);
	}
	rig_close();
}
END_TEST

/* B takes no packets for as long as it likes; what A does beside this does not wait. */
START_TEST(no_buffers)
{
	uint64_t sent;
	unsigned i;

	open_with((unsigned)_i, MOST_WINDOW);
	join(A, B, 5);
	join(A, C, 6);
	for (sent = 0; sent < BULK; sent += WRITE) {
		fill(sent, WRITE);
		send_data(A, B, 5, PORT, WRITE);
	}
	for (i = 0; i < 100; i++) {
		fill(i, 100);
		send_data(A, C, 6, PORT, 100);
		take_data(C, i, 100);
		send_data(C, A, PORT, 6, 100);
		take_data(A, i, 100);
	}
	rig_put_op(A, B, VSOCK_OP_RST, 5, PORT);
	take_data(B, 0, sent);
	rig_get_op(B, VSOCK_OP_RST);
	rig_close();
}
END_TEST

/* What guest k still got of the connection from this port, up to its RST. */
static void take_until_reset(unsigned k, uint32_t from)
{
	struct vg_packet p;

	do {
		p = rig_get(k);
		ck_assert_uint_eq(p.src_port, from);
	} while (p.op == VSOCK_OP_RW);
	ck_assert_uint_eq(p.op, VSOCK_OP_RST);
}

/*
 * More than is kept for anybody, as --max-buffered says, or because B says that
 * it took what it has not: it costs this connection, at both ends.
 */
START_TEST(no_end_of_bytes)
{
	unsigned i;

	rig_option("max-buffered", _i == 0 ? "1M" : "1G");
	open_with(0, MOST_WINDOW);
	join(A, B, 5);
	join(A, C, 6);
	join(B, C, 7);
	for (i = 0; i < (_i == 0 ? MOST_WINDOW : 4 * MOST_WINDOW) / VSOCK_PACKET_MAX; i++) {
		send_data(A, B, 5, PORT, VSOCK_PACKET_MAX);
		if (_i == 0)
			continue;
		taken += VSOCK_PACKET_MAX;
		put_op(B, A, VSOCK_OP_CREDIT_UPDATE, PORT, 5);
		if (rig_get(A).op == VSOCK_OP_RST)
			break;
	}
	taken = 0;
	if (_i == 0)
		ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).dst_port, 5);
	else
		ck_assert_uint_lt(i, 4 * MOST_WINDOW / VSOCK_PACKET_MAX);
	take_until_reset(B, 5);
	fill(0, 10);
	send_data(B, C, 7, PORT, 10);
	take_data(C, 0, 10);
	send_data(C, A, PORT, 6, 10);
	while (true) {
		struct vg_packet p = rig_get(A);

		if (p.op == VSOCK_OP_RW)
			break;
		ck_assert_uint_eq(p.op, VSOCK_OP_RST);
		ck_assert_uint_eq(p.dst_port, 5);
	}
	rig_close();
}
END_TEST

/*
 * What B has not taken yet: of ports 6 and 7 a window each, of the others' ports
 * nothing, and of this one whatever came before its RST.
 */
static void check_all_but(uint32_t gone)
{
	uint32_t got[2] = { 0, 0 }, resets = 0;
	struct vg_packet p;

	while (got[0] < VG_WINDOW || got[1] < VG_WINDOW || resets == 0) {
		p = rig_get(B);
		if (p.src_port == gone) {
			resets += p.op == VSOCK_OP_RST;
			continue;
		}
		ck_assert_uint_eq(p.op, VSOCK_OP_RW);
		ck_assert(p.src_port == 6 || p.src_port == 7);
		check_bytes(&p, got[p.src_port - 6]);
		got[p.src_port - 6] += p.len;
	}
	ck_assert_uint_eq(got[0], VG_WINDOW);
	ck_assert_uint_eq(got[1], VG_WINDOW);
	rig_get_nothing(B);
}

/*
 * A byte more than B told of room: this connection is reset, at both ends, and no
 * other one's bytes are lost, although B takes none of them meanwhile.
 */
START_TEST(more_than_room)
{
	struct vg_packet p;
	unsigned i;

	rig_option("max-buffered", "2M");
	open_with((unsigned)_i, VG_WINDOW);
	for (i = 0; i < 4; i++)
		join(i < 2 ? A : C, B, 5 + i);
	for (i = 0; i < VG_WINDOW / VSOCK_PACKET_MAX; i++) {
		fill(i * VSOCK_PACKET_MAX, VSOCK_PACKET_MAX);
		send_data(A, B, 6, PORT, VSOCK_PACKET_MAX);
		send_data(C, B, 7, PORT, VSOCK_PACKET_MAX);
	}
	for (i = 0; i < VG_WINDOW / VSOCK_PACKET_MAX; i++)
		send_data(A, B, 5, PORT, VSOCK_PACKET_MAX);
	rig_get_nothing(A);
	/* B tells of some more, then of none at all: what it has told stays told. */
	p = packet(B, A, VSOCK_OP_CREDIT_UPDATE, PORT, 5);
	p.fwd_cnt = 100;
	rig_put(B, &p, NULL);
	rig_get_op(A, VSOCK_OP_CREDIT_UPDATE);
	p.buf_alloc = 0;
	rig_put(B, &p, NULL);
	rig_get_op(A, VSOCK_OP_CREDIT_UPDATE);
	send_data(A, B, 5, PORT, 100);
	rig_get_nothing(A);
	/* It takes nothing back either, and what it has not been sent it did not take. */
	p.fwd_cnt = 0;
	rig_put(B, &p, NULL);
	rig_get_op(A, VSOCK_OP_CREDIT_UPDATE);
	p.fwd_cnt = 2 * VG_WINDOW;
	rig_put(B, &p, NULL);
	rig_get_op(A, VSOCK_OP_CREDIT_UPDATE);
	send_data(A, B, 5, PORT, 1);
	ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).dst_port, 5);
	check_all_but(5);
	rig_close();
}
END_TEST

/* Who has not been answered has been told of no room yet. */
START_TEST(bytes_before_an_answer)
{
	open_with(0, VG_WINDOW);
	put_op(A, B, VSOCK_OP_REQUEST, 5, PORT);
	rig_get_op(B, VSOCK_OP_REQUEST);
	/* B may send at once: A has told. */
	fill(0, 1);
	put_op(B, A, VSOCK_OP_RESPONSE, PORT, 5);
	send_data(B, A, PORT, 5, 1);
	rig_get_op(A, VSOCK_OP_RESPONSE);
	take_data(A, 0, 1);
	put_op(A, B, VSOCK_OP_REQUEST, 6, PORT);
	rig_get_op(B, VSOCK_OP_REQUEST);
	send_data(A, B, 6, PORT, 1);
	ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).dst_port, 6);
	ck_assert_uint_eq(rig_get_op(B, VSOCK_OP_RST).src_port, 6);
	rig_close();
}
END_TEST

/* Nobody promises more room than we keep. */
START_TEST(large_windows)
{
	struct vg_packet p = rig_packet(A, B, VSOCK_OP_REQUEST, 5, PORT);

	open_with(0, VG_WINDOW);
	p.buf_alloc = UINT32_MAX;
	rig_put(A, &p, NULL);
	ck_assert_uint_eq(rig_get_op(B, VSOCK_OP_REQUEST).buf_alloc, 4 << 20);
	rig_close();
}
END_TEST

/* Who goes away is missed at once, with what he said last. */
START_TEST(one_leaves)
{
	struct vg_packet p;
	unsigned i;

	open_with(0, VG_WINDOW);
	for (i = 0; i < 5; i++) {
		join(A, B, 10 + i);
		join(C, A, 10 + i);
	}
	fill(0, 1000);
	send_data(A, B, 10, PORT, 1000);
	if (_i == 0)
		rig_reset(A);
	else
		rig_leave(A);
	take_data(B, 0, 1000);
	for (i = 0; i < 5; i++) {
		p = rig_get_op(B, VSOCK_OP_RST);
		ck_assert_uint_eq(p.src_cid, RIG_CID + A);
		ck_assert_uint_ge(p.src_port, 10);
		ck_assert_uint_lt(p.src_port, 15);
		ck_assert_uint_eq(rig_get_op(C, VSOCK_OP_RST).src_port, PORT);
	}
	rig_get_nothing(B);
	if (_i == 0) {
		rig_put_op(B, A, VSOCK_OP_REQUEST, 5, PORT);
		rig_get_op(B, VSOCK_OP_RST);
		rig_start(A);
		join(B, A, 5);
	}
	rig_close();
}
END_TEST

/* While a guest is paused, what it is sent waits. */
START_TEST(one_is_paused)
{
	open_with((unsigned)_i, VG_WINDOW);
	join(A, B, 5);
	rig_stop(B);
	fill(0, WRITE);
	send_data(A, B, 5, PORT, WRITE);
	rig_get_nothing(A);
	rig_start(B);
	take_data(B, 0, WRITE);
	rig_close();
}
END_TEST

/* Ports that are used anew: the other guest hears first that the old connection is no more. */
START_TEST(same_ports_again)
{
	open_with((unsigned)_i, VG_WINDOW);
	join(A, B, 5);
	rig_put_op(A, B, VSOCK_OP_REQUEST, 5, PORT);
	rig_get_op(B, VSOCK_OP_RST);
	rig_get_op(B, VSOCK_OP_REQUEST);
	rig_put_op(B, A, VSOCK_OP_RESPONSE, PORT, 5);
	rig_get_op(A, VSOCK_OP_RESPONSE);
	/* With bytes on their way, which belong to the old one. */
	fill(0, WRITE);
	send_data(A, B, 5, PORT, WRITE);
	rig_put_op(A, B, VSOCK_OP_RST, 5, PORT);
	join(C, A, 9);
	rig_put_op(A, B, VSOCK_OP_REQUEST, 5, PORT);
	take_data(B, 0, WRITE);
	rig_get_op(B, VSOCK_OP_RST);
	rig_get_op(B, VSOCK_OP_REQUEST);
	rig_close();
}
END_TEST

START_TEST(broken_rules)
{
	static const struct {
		uint16_t op, type;
	} rules[] = {
		{ VSOCK_OP_RW, STREAM }, { VSOCK_OP_RW, SEQ }, { VSOCK_OP_SHUTDOWN, SEQ },
		{ VSOCK_OP_CREDIT_UPDATE, SEQ },
	};
	struct vg_packet p;
	unsigned i;

	open_with(0, VG_WINDOW);
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		join(A, B, 5 + i);
		p = rig_packet(A, B, rules[i].op, 5 + i, PORT);
		p.type = rules[i].type;
		rig_put(A, &p, NULL);
		ck_assert_uint_eq(rig_get_op(A, VSOCK_OP_RST).dst_port, 5 + i);
		ck_assert_uint_eq(rig_get_op(B, VSOCK_OP_RST).src_port, 5 + i);
	}
	/* Of another guest, in the name of a third one. */
	join(A, B, 20);
	p = rig_packet(A, B, VSOCK_OP_RST, 20, PORT);
	rig_put(C, &p, NULL);
	rig_get_nothing(C);
	rig_get_nothing(B);
	rig_close();
}
END_TEST

/* Requests to a guest that takes nothing: so many at a time, and none is left behind. */
START_TEST(flood_of_requests)
{
	unsigned i, refused = 0;
	struct vg_packet p;

	rig_option("max-connections", "100");
	open_with(0, VG_WINDOW);
	/* B's buffers are used up. */
	join(A, B, 5);
	for (i = 0; i < RX_ALL; i++)
		send_data(A, B, 5, PORT, 1);
	for (i = 0; i < 20000; i++) {
		rig_put_op(A, B, VSOCK_OP_REQUEST, 1000 + i, PORT);
		rig_put_op(A, B, VSOCK_OP_RST, 1000 + i, PORT);
	}
	for (i = 0; i < 110; i++)
		rig_put_op(A, B, VSOCK_OP_REQUEST, 100 + i, PORT);
	for (i = 0; i < 11; i++)
		refused += rig_get_op(A, VSOCK_OP_RST).dst_port >= 199;
	ck_assert_uint_eq(refused, 11);
	rig_get_nothing(A);
	for (i = 0; i < 99;) {
		p = rig_get(B);
		if (p.op == VSOCK_OP_RW)
			continue;
		ck_assert_uint_eq(p.op, VSOCK_OP_REQUEST);
		ck_assert_uint_eq(p.src_port, 100 + i);
		i++;
	}
	rig_get_nothing(B);
	rig_close();
}
END_TEST

/* Any packet at any time, from everybody to everybody, who take some of it now and then. */
START_TEST(storm)
{
	unsigned n, i, k;
	struct vg_packet p;
	uint32_t x = 1;

	open_with((unsigned)_i, VG_WINDOW);
	for (n = 0; n < 20000; n++) {
		x = x * 1664525 + 1013904223;
		i = (x >> 8) % RIG_GUESTS;
		k = (x >> 12) % RIG_GUESTS;
		p = rig_packet(i, k, (uint16_t)((x >> 16) % 9), x >> 20 & 3, x >> 22 & 3);
		p.type = (x >> 24) % 8 == 0 ? SEQ : STREAM;
		p.len = p.op == VSOCK_OP_RW ? (x >> 10) % 5000 : 0;
		p.flags = x >> 27;
		rig_put(i, &p, data);
		if ((x >> 28) % 4 == 0) {
			while (vg_receive(&rig.guests[k].g, &p, &rig.err) == 1)
				ck_assert_uint_le(p.op, VSOCK_OP_CREDIT_REQUEST);
		}
	}
	for (i = 0; i < RIG_GUESTS; i++) {
		rig_reset(i);
		rig_start(i);
	}
	join(A, B, 5);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vsock-sibling");
	TCase *tc = tcase_create("vsock-sibling");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, nobody_there, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, bytes_both_ways, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, messages, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, no_buffers, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, no_end_of_bytes, 0, 2);
	tcase_add_loop_test(tc, more_than_room, 0, RIG_LAYOUTS);
	tcase_add_test(tc, bytes_before_an_answer);
	tcase_add_test(tc, large_windows);
	tcase_add_loop_test(tc, one_leaves, 0, 2);
	tcase_add_loop_test(tc, one_is_paused, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, same_ports_again, 0, RIG_LAYOUTS);
	tcase_add_test(tc, broken_rules);
	tcase_add_test(tc, flood_of_requests);
	tcase_add_loop_test(tc, storm, 0, RIG_LAYOUTS);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
