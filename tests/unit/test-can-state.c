/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The CAN device over time: waiting, pauses, bus-off, policy, faults, features. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "can-rig.h"

/* ---- waiting ---- */

/* The guest's frames wait for a slow member, and nothing is lost. */
START_TEST(waits_for_a_slow_member)
{
	struct port *slow;
	struct chain *c[200];
	unsigned i;

	begin("bus:t", ALL);
	peer->ops->stop(peer);
	slow = peer_open("t", FULL_WAIT);
	n_room = 0;
	for (i = 0; i < 1024; i++)
		bus_inject(peer, &(struct canfd_frame){ .can_id = 5 });
	for (i = 0; i < 200; i++)
		c[i] = push(0, 0, i);
	fake_settle();
	ck_assert_uint_eq(n_seen, 0);
	ck_assert_int_eq(c[0]->end, FAKE_OPEN);
	ck_assert(!c[1]->popped);
	n_room = 100;
	slow->ops->more(slow);
	fake_at(T0 + MS);
	fake_at(T0 + 20 * MS);
	ck_assert_uint_eq(n_seen, 100);
	ck_assert_int_eq(c[99]->end, FAKE_DONE);
	ck_assert_int_eq(c[100]->end, FAKE_OPEN);
	n_room = UINT32_MAX;
	slow->ops->more(slow);
	fake_at(T0 + 40 * MS);
	fake_at(T0 + 60 * MS);
	ck_assert_uint_eq(n_seen, 1224);
	for (i = 0; i < 200; i++) {
		ck_assert_uint_eq(result(c[i]), OK);
		ck_assert_uint_eq(seen[1024 + i].can_id, i);
	}
	ck_assert_uint_eq(peer_lost, 0);
	slow->ops->close(slow);
	end();
}
END_TEST

/* One that takes nothing for a second is waited for no longer. */
START_TEST(does_not_wait_for_ever)
{
	struct port *slow;
	struct chain *c;
	unsigned i;

	begin("bus:t", ALL);
	peer->ops->stop(peer);
	slow = peer_open("t", FULL_WAIT);
	n_room = 0;
	for (i = 0; i < 1024; i++)
		bus_inject(peer, &(struct canfd_frame){ .can_id = 5 });
	c = push(0, 0, 1);
	fake_at(T0 + 900 * MS);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	fake_at(T0 + 1100 * MS);
	ck_assert_uint_eq(result(c), OK);
	ck_assert_uint_eq(ask(0, 0, 2), OK);
	n_room = UINT32_MAX;
	slow->ops->more(slow);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1024);
	ck_assert_uint_eq(peer_lost, 2);
	slow->ops->close(slow);
	end();
}
END_TEST

/* The guest itself is the slow one: its backlog, then its inbox, then the senders wait. */
START_TEST(is_waited_for)
{
	struct canfd_frame f = { .can_id = 0x100, .len = 2 };
	unsigned i, n = 0;

	begin("bus:t,backlog=16,full=wait", ALL);
	for (i = 0; i < 2000; i++) {
		f.data[0] = (uint8_t)n;
		f.data[1] = (uint8_t)(n >> 8);
		if (peer->ops->send(peer, &f) == PORT_SENT)
			n++;
		fake_settle();
	}
	ck_assert_uint_eq(n, 1024 + 16);
	for (i = 0; i < 200; i++) {
		ck_assert_uint_eq(number_in(buffer(BUFFER)), i);
		fake_settle();
	}
	ck_assert_int_eq(peer->ops->send(peer, &f), PORT_SENT);
	ck_assert_uint_eq(fake.counters[DROPPED] + fake.counters[LOST], 0);
	end();
}
END_TEST

/* The backlog is small, but the guest has buffers. */
START_TEST(is_not_waited_for_in_vain)
{
	struct chain *c[100];
	unsigned i;

	begin("bus:t,backlog=10,full=wait", ALL);
	for (i = 0; i < 100; i++)
		c[i] = buffer(BUFFER);
	burst(100);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(number_in(c[i]), i);
	end();
}
END_TEST

START_TEST(stalled)
{
	struct chain *c[3], *stop;
	unsigned i;

	begin("bus:t", ALL);
	command("stall", 1, "on");
	for (i = 0; i < 3; i++)
		c[i] = push(1, 0, i);
	fake_at(T0 + 100 * MS);
	ck_assert_uint_eq(n_seen, 0);
	ck_assert_int_eq(c[0]->end, FAKE_OPEN);
	command("stall", 1, "off");
	fake_at(T0 + 200 * MS);
	ck_assert_uint_eq(n_seen, 3);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(result(c[i]), OK);
		ck_assert_uint_eq(seen[i].can_id, i);
	}
	/* STOP: the frame that waits comes back before the answer, and those in the ring too. */
	command("stall", 1, "on");
	for (i = 0; i < 3; i++)
		c[i] = push(1, 0, i);
	ck_assert_uint_eq(control(STOP), OK);
	stop = &fake.chains[fake.pushed - 1];
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(result(c[i]), NOT_OK);
		ck_assert_uint_lt(c[i]->order, stop->order);
	}
	ck_assert_uint_eq(n_seen, 3);
	end();
}
END_TEST

/* A pause: the frame that waits was not sent, and is sent when it is over. */
START_TEST(pause_and_resume)
{
	struct chain *c;

	begin("bus:t", ALL);
	command("stall", 1, "on");
	c = push(1, 0, 7);
	fake_stop();
	ck_assert(!c->popped);
	command("stall", 1, "off");
	from_peer("123#");
	fake_start();
	fake_settle();
	ck_assert_uint_eq(result(c), OK);
	ck_assert_uint_eq(n_seen, 1);
	is_frame(buffer(BUFFER), 0x123, 0, "", 0);
	end();
}
END_TEST

START_TEST(reset)
{
	begin("bus:t", ALL);
	command("bus-off", 0, NULL);
	fake_stop();
	fake_reset(RESET_DRIVER);
	ck_assert_uint_eq(status(), 0);
	fake_start();
	ck_assert_uint_eq(ask(1, 0, 1), NOT_OK);
	ck_assert_uint_eq(control(START), OK);
	ck_assert_uint_eq(ask(1, 0, 1), OK);
	fake_stop();
	fake_reset(RESET_LEFT);
	from_peer("123#");
	fake_start();
	ck_assert_int_eq(buffer(BUFFER)->end, FAKE_OPEN);
	ck_assert_uint_eq(ask(1, 0, 1), NOT_OK);
	end();
}
END_TEST

/* ---- bus-off ---- */

START_TEST(bus_off)
{
	struct chain *c;

	begin("bus:t", ALL);
	command("stall", 1, "on");
	c = push(1, 0, 7);
	fake_at(T0 + 200 * MS);
	command("bus-off", 0, NULL);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(fake.config_changes, 1);
	ck_assert_uint_eq(result(c), NOT_OK);
	ck_assert_int_lt(fake_command(&err, "bus-off", 0), 0);
	command("stall", 1, "off");
	fake_at(T0 + 1000 * MS);
	ck_assert_uint_eq(fake.config_changes, 1);
	/* One that sends has not heard of it. */
	ck_assert_uint_eq(ask(1, 0, 7), NOT_OK);
	ck_assert_uint_eq(ask(1, 0, 7), NOT_OK);
	fake_at(T0 + 2000 * MS);
	ck_assert_uint_eq(fake.config_changes, 2);
	ck_assert_uint_eq(n_seen, 0);
	ck_assert_uint_eq(control(START), OK);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(ask(1, 0, 7), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	ck_assert_uint_eq(fake.counters[BUS_OFF], 1);
	end();
}
END_TEST

/* Right after START Linux does not listen yet: it is told twice. */
START_TEST(bus_off_at_once)
{
	begin("bus:t", ALL);
	command("bus-off", 0, NULL);
	ck_assert_uint_eq(fake.config_changes, 1);
	fake_at(T0 + 50 * MS);
	ck_assert_uint_eq(fake.config_changes, 1);
	fake_at(T0 + 101 * MS);
	ck_assert_uint_eq(fake.config_changes, 2);
	fake_at(T0 + 1000 * MS);
	ck_assert_uint_eq(fake.config_changes, 2);
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(status(), 0);
	end();
}
END_TEST

/* Those that have not been looked at yet get their answer as well, without a kick. */
START_TEST(bus_off_with_frames_in_the_ring)
{
	struct chain *c[5];
	unsigned i;

	begin("bus:t,rate=1", ALL);
	for (i = 0; i < 5; i++)
		c[i] = push(1, 0, i);
	fake_settle();
	ck_assert(!c[4]->popped);
	command("bus-off", 0, NULL);
	ck_assert_uint_eq(result(c[0]), OK);
	ck_assert_uint_eq(result(c[4]), NOT_OK);
	ck_assert_uint_eq(fake.config_changes, 1);
	end();
}
END_TEST

/* ---- policy and faults ---- */

START_TEST(filters)
{
	struct chain *c;

	begin("bus:t,filter=123:7f0+~125+00000200:1FFFFF00,tx-filter=~300:700", ALL);
	c = buffer(BUFFER);
	from_peer("113#");
	from_peer("125#");
	from_peer("00000120#");
	from_peer("205#");
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.counters[FILTERED], 4);
	from_peer("12F#R");
	is_frame(c, 0x12f, RTR, "", 0);
	c = buffer(BUFFER);
	from_peer("000002FF#");
	is_frame(c, 0x2ff, EXT, "", 0);
	ck_assert_uint_eq(ask(0, 0, 0x300), NOT_OK);
	ck_assert_uint_eq(ask(0, 0, 0x3ff), NOT_OK);
	ck_assert_uint_eq(ask(0, EXT, 0x300), OK);
	ck_assert_uint_eq(ask(0, 0, 0x400), OK);
	ck_assert_uint_eq(fake.counters[DENIED], 2);
	end();
}
END_TEST

START_TEST(one_way)
{
	struct chain *c;

	begin("bus:t,tx=off", ALL);
	c = buffer(BUFFER);
	ck_assert_uint_eq(ask(0, 0, 1), NOT_OK);
	from_peer("001#");
	is_frame(c, 1, 0, "", 0);
	ck_assert_uint_eq(n_seen, 0);
	end();
	begin("bus:t,rx=off", ALL);
	c = buffer(BUFFER);
	from_peer("001#");
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(ask(0, 0, 1), OK);
	end();
}
END_TEST

/* 100 a second: what came too fast waits in the ring, and none is lost. */
START_TEST(rate)
{
	struct chain *c[10];
	unsigned i, at_once;

	begin("bus:t,rate=100", ALL);
	for (i = 0; i < 10; i++)
		c[i] = push(0, 0, i);
	fake_settle();
	at_once = n_seen;
	ck_assert_uint_ge(at_once, 1);
	ck_assert_uint_le(at_once, 2);
	fake_at(T0 + 20 * MS);
	ck_assert_uint_le(n_seen, at_once + 2);
	for (i = 3; i < 12; i++)
		fake_at(T0 + i * 10 * MS);
	ck_assert_uint_eq(n_seen, 10);
	for (i = 0; i < 10; i++)
		ck_assert_uint_eq(result(c[i]), OK);
	end();
}
END_TEST

START_TEST(faults)
{
	begin("bus:t", ALL);
	command("refuse", 1, "2");
	ck_assert_uint_eq(ask(0, 0, 1), NOT_OK);
	ck_assert_uint_eq(ask(0, 0, 1), NOT_OK);
	ck_assert_uint_eq(fake.counters[FAILED], 2);
	still_works();
	command("lose", 1, "1");
	ck_assert_uint_eq(ask(0, 0, 1), OK);
	still_works();
	ck_assert_int_lt(fake_command(&err, "refuse", 1, "x"), 0);
	ck_assert_int_lt(fake_command(&err, "lose", 1, "-1"), 0);
	ck_assert_int_lt(fake_command(&err, "stall", 1, "yes"), 0);
	end();
}
END_TEST

START_TEST(from_outside)
{
	struct chain *c;

	begin("bus:t", ALL);
	c = buffer(BUFFER);
	command("send", 1, "123#1122");
	fake_settle();
	is_frame(c, 0x123, 0, "\x11\x22", 2);
	ck_assert_uint_eq(n_seen, 1);
	ck_assert_int_lt(fake_command(&err, "send", 1, "123"), 0);
	ck_assert_int_lt(fake_command(&err, "send", 2, "123#11", "x"), 0);
	fake_settle();
	ck_assert_uint_eq(n_seen, 1);
	command("show", 0, NULL);
	ck_assert_ptr_nonnull(strstr(fake.reply, "bus:t started\n"));
	ck_assert_ptr_nonnull(strstr(fake.reply, "rx_frames 1\n"));
	end();
}
END_TEST

/* ---- features and words ---- */

START_TEST(negotiation)
{
	unsigned f;
	bool good;

	open_device("bus:t", ALL);
	for (f = 0; f < 16; f++) {
		good = (f & 3) != 0 && ((f & 4) == 0 || (f & 1) != 0);
		ck_assert_int_eq(device_can.negotiated(NULL, f) == 0, good);
	}
	end();
}
END_TEST

static const struct {
	const char *item;
	uint64_t offered;
} offers[] = {
	{ "bus:t", 6 }, { "bus:t,fd=off", 4 }, { "bus:t,rtr=off", 2 }, { "bus:t,fd=on", 6 },
	{ "bus:t,fd=off,rtr=off", 0 }, { "bus:t,late-ack=on", 14 }, { "bus:t,late-ack=auto", 6 },
};

START_TEST(offered)
{
	open_device(offers[_i].item, ALL);
	ck_assert_uint_eq(device_can.features | fake.offered, offers[_i].offered | 1);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("can-state");
	TCase *tc = tcase_create("can-state");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, waits_for_a_slow_member);
	tcase_add_test(tc, does_not_wait_for_ever);
	tcase_add_test(tc, is_waited_for);
	tcase_add_test(tc, is_not_waited_for_in_vain);
	tcase_add_test(tc, stalled);
	tcase_add_test(tc, pause_and_resume);
	tcase_add_test(tc, reset);
	tcase_add_test(tc, bus_off);
	tcase_add_test(tc, bus_off_at_once);
	tcase_add_test(tc, bus_off_with_frames_in_the_ring);
	tcase_add_test(tc, filters);
	tcase_add_test(tc, one_way);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, faults);
	tcase_add_test(tc, from_outside);
	tcase_add_test(tc, negotiation);
	tcase_add_loop_test(tc, offered, 0, (int)ARRAY_SIZE(offers));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
