/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The CAN device on a bus of this process: framing, frames both ways, backlog. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "can-rig.h"

/* ---- to the bus ---- */

START_TEST(stopped_at_first)
{
	open_device("bus:t", ALL);
	ck_assert_uint_eq(device_can.config_size, 2);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(ask(2, 0, 0x123), NOT_OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 0);
	ck_assert_uint_eq(fake.counters[STOPPED], 1);
	ck_assert_uint_eq(control(START), OK);
	still_works();
	end();
}
END_TEST

START_TEST(control_in_every_state)
{
	struct virtio_can_control req = { le16(0x0203) };
	struct chain *c;

	open_device("bus:t", ALL);
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(control(START), OK);
	ck_assert_uint_eq(control(START), OK);
	still_works();
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(ask(1, 0, 1), NOT_OK);
	ck_assert_uint_eq(control(START), OK);
	ck_assert_uint_eq(control(0x0203), NOT_OK);
	ck_assert_uint_eq(control(0), NOT_OK);
	c = fake_push_to(VIRTIO_CAN_CONTROLQ, &req, 1, 1);
	ck_assert_uint_eq(result(c), NOT_OK);
	c = fake_push_to(VIRTIO_CAN_CONTROLQ, &req, 2, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	still_works();
	end();
}
END_TEST

/* Surplus room and bytes are no fault. */
START_TEST(control_with_more_room)
{
	const unsigned char req[6] = { START & 0xff, START >> 8, 9, 9, 9, 9 };
	struct chain *c;

	open_device("bus:t", ALL);
	c = fake_push_to(VIRTIO_CAN_CONTROLQ, req, sizeof(req), 8);
	ck_assert_uint_eq(result(c), OK);
	still_works();
	end();
}
END_TEST

START_TEST(every_length)
{
	static const unsigned lengths[] = { 12, 16, 20, 24, 32, 48, 64 };
	unsigned n, i;
	bool fd;

	begin("bus:t", ALL);
	for (n = 0; n <= 66; n++) {
		fd = n <= 8;
		for (i = 0; i < ARRAY_SIZE(lengths); i++)
			fd = fd || lengths[i] == n;
		ck_assert_uint_eq(ask(n, 0, 0x100), n <= 8 ? OK : NOT_OK);
		ck_assert_uint_eq(ask(n, FD, 0x101), fd ? OK : NOT_OK);
		still_works();
	}
	ck_assert_uint_eq(ask(65535, 0, 1), NOT_OK);
	ck_assert_uint_eq(ask(65535, FD, 1), NOT_OK);
	ck_assert_uint_eq(ask(0x1000, FD, 1), NOT_OK);
	still_works();
	end();
}
END_TEST

START_TEST(identifiers)
{
	begin("bus:t", ALL);
	ck_assert_uint_eq(ask(0, 0, 0x7ff), OK);
	ck_assert_uint_eq(ask(0, 0, 0x800), NOT_OK);
	ck_assert_uint_eq(ask(0, EXT, 0x800), OK);
	ck_assert_uint_eq(ask(0, EXT, 0x1fffffff), OK);
	ck_assert_uint_eq(ask(0, EXT, 0x20000000), NOT_OK);
	ck_assert_uint_eq(ask(0, EXT, 0x80000001), NOT_OK);
	ck_assert_uint_eq(ask(0, 0, 0x40000001), NOT_OK);
	ck_assert_uint_eq(ask(0, EXT, 0xffffffff), NOT_OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 3);
	ck_assert_uint_eq(seen[0].can_id, 0x7ff);
	ck_assert_uint_eq(seen[1].can_id, 0x800 | CAN_EFF_FLAG);
	ck_assert_uint_eq(seen[2].can_id, 0x1fffffff | CAN_EFF_FLAG);
	still_works();
	end();
}
END_TEST

START_TEST(flags)
{
	uint32_t bit;
	unsigned i;

	begin("bus:t", ALL);
	for (i = 0; i < 32; i++) {
		bit = 1U << i;
		if (bit == EXT || bit == FD || bit == RTR)
			continue;
		ck_assert_uint_eq(ask(1, bit, 1), NOT_OK);
		ck_assert_uint_eq(ask(1, bit | EXT, 1), NOT_OK);
	}
	ck_assert_uint_eq(ask(1, RTR | FD, 1), NOT_OK);
	still_works();
	end();
}
END_TEST

START_TEST(remote_frames)
{
	static const uint8_t zeros[64];
	unsigned dlc;

	begin("bus:t", ALL);
	for (dlc = 0; dlc <= 9; dlc++)
		ck_assert_uint_eq(ask(dlc, RTR, 0x10 + dlc), dlc <= 8 ? OK : NOT_OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 9);
	for (dlc = 0; dlc <= 8; dlc++) {
		ck_assert_uint_eq(seen[dlc].can_id, (0x10 + dlc) | CAN_RTR_FLAG);
		ck_assert_uint_eq(seen[dlc].len, dlc);
		ck_assert_int_eq(memcmp(seen[dlc].data, zeros, 64), 0);
	}
	still_works();
	end();
}
END_TEST

START_TEST(what_the_bus_sees)
{
	unsigned i;

	begin("bus:t", ALL);
	ck_assert_uint_eq(ask(8, 0, 0x123), OK);
	ck_assert_uint_eq(ask(64, FD | EXT, 0x12345), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 2);
	ck_assert_uint_eq(seen[0].len, 8);
	ck_assert_uint_eq(seen[0].flags, 0);
	ck_assert_uint_eq(seen[1].can_id, 0x12345 | CAN_EFF_FLAG);
	ck_assert_uint_eq(seen[1].len, 64);
	ck_assert_uint_eq(seen[1].flags, CANFD_FDF);
	for (i = 0; i < 64; i++)
		ck_assert_uint_eq(seen[1].data[i], i + 1);
	ck_assert_uint_eq(fake.counters[SENT], 2);
	end();
	begin("bus:t,brs=on", ALL);
	ck_assert_uint_eq(ask(8, 0, 0x123), OK);
	ck_assert_uint_eq(ask(64, FD, 0x123), OK);
	fake_settle();
	ck_assert_uint_eq(seen[0].flags, 0);
	ck_assert_uint_eq(seen[1].flags, CANFD_FDF | CANFD_BRS);
	end();
}
END_TEST

/* As the last FD frame from the bus has it, also one that the guest does not get. */
START_TEST(bit_rate_of_others)
{
	static const char *const heard[] = { "123#11", "123##1AA", "123#11", "456##1AA", "123##0AA",
		"456##1AA" };
	static const bool brs[] = { false, true, true, true, false, true };
	unsigned i;

	begin("bus:t,brs=copy,filter=123", ALL);
	for (i = 0; i < ARRAY_SIZE(heard); i++) {
		from_peer(heard[i]);
		n_seen = 0;
		ck_assert_uint_eq(ask(8, FD, 0x123), OK);
		fake_settle();
		ck_assert_uint_eq(n_seen, 1);
		ck_assert_uint_eq(seen[0].flags, CANFD_FDF | (brs[i] ? CANFD_BRS : 0));
	}
	ck_assert_uint_eq(control(START), OK);
	n_seen = 0;
	ck_assert_uint_eq(ask(8, FD, 0x123), OK);
	fake_settle();
	ck_assert_uint_eq(seen[0].flags, CANFD_FDF);
	end();
}
END_TEST

/* What was not negotiated is not sent, and costs nothing but itself. */
START_TEST(kinds_that_were_not_negotiated)
{
	begin("bus:t", BIT(VIRTIO_CAN_F_CAN_CLASSIC));
	ck_assert_uint_eq(ask(1, FD, 1), NOT_OK);
	ck_assert_uint_eq(ask(1, RTR, 1), NOT_OK);
	still_works();
	ck_assert_uint_eq(fake.counters[REJECTED], 2);
	end();
	begin("bus:t", BIT(VIRTIO_CAN_F_CAN_FD));
	ck_assert_uint_eq(ask(1, 0, 1), NOT_OK);
	ck_assert_uint_eq(ask(1, FD, 1), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	end();
}
END_TEST

START_TEST(other_messages)
{
	static const unsigned types[] = { 0, 2, VIRTIO_CAN_RX, START, 0xffff, 0x0100 };
	struct virtio_can_hdr hdr;
	unsigned i;

	begin("bus:t", ALL);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		hdr = header(types[i], 1, 0, 1);
		ck_assert_uint_eq(result(push_raw(&hdr, HDR + 1, 1)), NOT_OK);
		still_works();
	}
	end();
}
END_TEST

/* Too short is a fault, too long is none; the result is the first writable byte. */
START_TEST(framing)
{
	const struct virtio_can_hdr hdr = header(TX, 8, 0, 1);
	struct chain *c;
	unsigned n;

	begin("bus:t", ALL);
	for (n = 0; n < HDR + 8; n++) {
		ck_assert_uint_eq(result(push_raw(&hdr, n, 1)), NOT_OK);
		c = push_raw(&hdr, n, 0);
		ck_assert_int_eq(c->end, FAKE_FAILED);
		ck_assert_uint_eq(c->used, 0);
	}
	ck_assert_int_eq(push_raw(&hdr, HDR + 8, 0)->end, FAKE_FAILED);
	still_works();
	ck_assert_uint_eq(result(push_raw(&hdr, HDR + 8, 1)), OK);
	ck_assert_uint_eq(result(push_raw(&hdr, HDR + 100, 7)), OK);
	fake_settle();
	ck_assert_uint_eq(seen[n_seen - 1].len, 8);
	ck_assert_uint_eq(fake.counters[REJECTED], 2 * (HDR + 8) + 1);
	end();
}
END_TEST

START_TEST(own_frames_stay_away)
{
	struct chain *c;

	begin("bus:t", ALL);
	c = buffer(BUFFER);
	ck_assert_uint_eq(ask(1, 0, 1), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	from_peer("002#11");
	is_frame(c, 2, 0, "\x11", 1);
	end();
}
END_TEST

START_TEST(own_frames_that_are_wanted)
{
	struct chain *c;

	begin("bus:t,own=on", ALL);
	c = buffer(BUFFER);
	ck_assert_uint_eq(ask(2, 0, 1), OK);
	fake_settle();
	is_frame(c, 1, 0, "\x01\x02", 2);
	ck_assert_uint_eq(n_seen, 1);
	end();
}
END_TEST

/* ---- from the bus ---- */

START_TEST(received)
{
	struct chain *c[5];
	unsigned i;

	begin("bus:t", ALL);
	for (i = 0; i < 5; i++)
		c[i] = buffer(BUFFER);
	from_peer("7FF#");
	from_peer("123#1122334455667788");
	from_peer("00000123#01");
	from_peer("123##3000102030405060708090A0B");
	from_peer("456#R5");
	is_frame(c[0], 0x7ff, 0, "", 0);
	is_frame(c[1], 0x123, 0, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	is_frame(c[2], 0x123, EXT, "\x01", 1);
	is_frame(c[3], 0x123, FD, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", 12);
	is_frame(c[4], 0x456, RTR, "\0\0\0\0", 5);
	ck_assert_uint_eq(fake.counters[RECEIVED], 5);
	end();
}
END_TEST

START_TEST(not_to_a_stopped_one)
{
	struct chain *c;

	open_device("bus:t", ALL);
	c = buffer(BUFFER);
	from_peer("001#");
	ck_assert_uint_eq(control(START), OK);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	from_peer("002#");
	is_frame(c, 2, 0, "", 0);
	from_peer("003#");
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(control(START), OK);
	c = buffer(BUFFER);
	fake_settle();
	/* What came before the START is stale. */
	ck_assert_int_eq(c->end, FAKE_OPEN);
	end();
}
END_TEST

START_TEST(start_again_forgets_stale_frames)
{
	struct chain *c;

	begin("bus:t", ALL);
	from_peer("001#");
	ck_assert_uint_eq(control(START), OK);
	c = buffer(BUFFER);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	end();
}
END_TEST

START_TEST(classic_buffers)
{
	struct chain *c;

	begin("bus:t", BIT(VIRTIO_CAN_F_CAN_CLASSIC));
	c = buffer(HDR + 8);
	from_peer("001##0112233");
	from_peer("001#R");
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.counters[UNSUPPORTED], 2);
	from_peer("123#1122334455667788");
	is_frame(c, 0x123, 0, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	end();
	begin("bus:t", BIT(VIRTIO_CAN_F_CAN_FD));
	c = buffer(BUFFER);
	from_peer("001#11");
	from_peer("001#R");
	ck_assert_uint_eq(fake.counters[UNSUPPORTED], 2);
	from_peer("001##011");
	is_frame(c, 1, FD, "\x11", 1);
	end();
}
END_TEST

/* One that is too small for this frame stays, one that is good for nothing goes back. */
START_TEST(small_buffers)
{
	struct chain *useless, *small;

	begin("bus:t", ALL);
	useless = buffer(HDR - 1);
	small = buffer(HDR + 2);
	from_peer("001#112233");
	ck_assert_int_eq(useless->end, FAKE_FAILED);
	ck_assert_uint_eq(useless->used, 0);
	ck_assert_int_eq(small->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.counters[SHORT], 1);
	from_peer("001#1122");
	is_frame(small, 1, 0, "\x11\x22", 2);
	end();
}
END_TEST

START_TEST(backlog)
{
	const bool oldest = _i;
	unsigned i;

	begin(oldest ? "bus:t,backlog=10,full=drop-oldest" : "bus:t,backlog=10", ALL);
	burst(25);
	ck_assert_uint_eq(fake.counters[DROPPED], 15);
	ck_assert_uint_eq(fake.counters[LOST], 0);
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(number_in(buffer(BUFFER)), oldest ? 15 + i : i);
	ck_assert_int_eq(buffer(BUFFER)->end, FAKE_OPEN);
	end();
}
END_TEST

/* More than the inbox can take in a turn: what did not fit is counted, the rest in order. */
START_TEST(inbox)
{
	unsigned i;

	begin("bus:t,backlog=65536", ALL);
	burst(1500);
	ck_assert_uint_eq(fake.counters[LOST], 1500 - 1024);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(number_in(buffer(BUFFER)), i);
	end();
}
END_TEST

/* Two members see the same order, whoever sends. */
START_TEST(two_members)
{
	struct chain *c[4];
	struct port *third;
	unsigned i;

	begin("bus:t", ALL);
	third = peer_open("t", FULL_NEWEST);
	for (i = 0; i < 4; i++)
		c[i] = buffer(BUFFER);
	from_peer("001#");
	ck_assert_uint_eq(n_seen, 1);
	ck_assert_uint_eq(ask(0, 0, 2), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 3);
	is_frame(c[0], 1, 0, "", 0);
	ck_assert_int_eq(c[1]->end, FAKE_OPEN);
	third->ops->close(third);
	from_peer("003#");
	ck_assert_uint_eq(n_seen, 3);
	is_frame(c[1], 3, 0, "", 0);
	end();
}
END_TEST

/* A member may leave while frames are on their way to it. */
START_TEST(leaves_with_frames_under_way)
{
	struct port *third;

	begin("bus:t", ALL);
	third = peer_open("t", FULL_NEWEST);
	bus_inject(peer, &(struct canfd_frame){ .can_id = 5 });
	third->ops->close(third);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	end();
}
END_TEST

START_TEST(other_bus)
{
	struct port *p;

	begin("bus:t", ALL);
	p = peer_open("u", FULL_NEWEST);
	ck_assert_uint_eq(ask(0, 0, 2), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	p->ops->close(p);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("can");
	TCase *tc = tcase_create("can");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, stopped_at_first);
	tcase_add_test(tc, control_in_every_state);
	tcase_add_test(tc, control_with_more_room);
	tcase_add_test(tc, every_length);
	tcase_add_test(tc, identifiers);
	tcase_add_test(tc, flags);
	tcase_add_test(tc, remote_frames);
	tcase_add_test(tc, what_the_bus_sees);
	tcase_add_test(tc, bit_rate_of_others);
	tcase_add_test(tc, kinds_that_were_not_negotiated);
	tcase_add_test(tc, other_messages);
	tcase_add_test(tc, framing);
	tcase_add_test(tc, own_frames_stay_away);
	tcase_add_test(tc, own_frames_that_are_wanted);
	tcase_add_test(tc, received);
	tcase_add_test(tc, not_to_a_stopped_one);
	tcase_add_test(tc, start_again_forgets_stale_frames);
	tcase_add_test(tc, classic_buffers);
	tcase_add_test(tc, small_buffers);
	tcase_add_loop_test(tc, backlog, 0, 2);
	tcase_add_test(tc, inbox);
	tcase_add_test(tc, two_members);
	tcase_add_test(tc, leaves_with_frames_under_way);
	tcase_add_test(tc, other_bus);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
