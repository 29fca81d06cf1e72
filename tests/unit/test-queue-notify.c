/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Kicks and signals: what is asked for, what is sent, and every strange descriptor. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/queue-priv.h"
#include "ring-rig.h"
#include "vhost-device/fd.h"

static struct lane *lane = &rig.lane[0];

/* Every test runs on both layouts, with and without event indices. */
static struct driver_setup four(int i, unsigned size)
{
	return (struct driver_setup){ .size = size, .packed = i & 1, .event_idx = i & 2 };
}

static void start(int i, unsigned size)
{
	struct driver_setup s = four(i, size);

	rig_start(&s);
}

static void set_kick(int fd)
{
	queue_set_kick(lane->queue, fd);
}

/* Kicks. */

START_TEST(idle_receiver_takes_no_wake_up)
{
	unsigned i, kicks = 0;

	start(_i, 256);
	lane->mode = IGNORE;
	for (i = 0; i < 100; i++) {
		rig_add_small(lane, i);
		if (driver_wants_kick(&lane->driver)) {
			kicks++;
			fd_signal(lane->kick);
		}
		loop_turn(rig.loop, false);
	}
	/* One, as the device had seen it empty at the start; nobody asked since. */
	ck_assert_uint_eq(kicks, 1);
	ck_assert_uint_eq(lane->handled, 2);
	ck_assert_uint_eq(queue_stats(lane->queue)->kicks, 1);
	rig_stop();
}
END_TEST

START_TEST(unwanted_kicks_call_nobody)
{
	unsigned i;

	start(_i, 256);
	lane->mode = IGNORE;
	rig_send_small(lane, 1);
	ck_assert_uint_eq(lane->handled, 2);
	for (i = 0; i < 5; i++) {
		fd_signal(lane->kick);
		loop_turn(rig.loop, false);
	}
	ck_assert_uint_eq(lane->handled, 2);
	rig_stop();
}
END_TEST

START_TEST(kick_on_an_empty_ring)
{
	unsigned i;

	start(_i, 16);
	for (i = 0; i < 3; i++) {
		fd_signal(lane->kick);
		loop_turn(rig.loop, false);
	}
	rig_send_small(lane, 1);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	rig_stop();
}
END_TEST

START_TEST(no_kick_wanted_while_there_is_work)
{
	unsigned i;

	start(_i, 64);
	lane->mode = HOLD;
	rig_send_small(lane, 0);
	ck_assert_uint_eq(lane->popped, 1);
	/* The device found it empty again, so the next one needs a kick; then no more. */
	rig_add_small(lane, 1);
	ck_assert(driver_wants_kick(&lane->driver));
	for (i = 2; i < 10; i++) {
		rig_add_small(lane, i);
		if (lane->driver.event_idx)
			ck_assert(!driver_wants_kick(&lane->driver));
	}
	fd_signal(lane->kick);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->popped, 10);
	rig_stop();
}
END_TEST

/* A device that pops of itself has no use for the kick that it once asked for. */
START_TEST(popping_turns_kicks_off)
{
	start(_i, 64);
	lane->mode = HOLD;
	rig_add_small(lane, 0);
	rig_add_small(lane, 1);
	ck_assert(driver_wants_kick(&lane->driver));
	ck_assert_ptr_nonnull(queue_pop(lane->queue));
	rig_add_small(lane, 2);
	ck_assert(!driver_wants_kick(&lane->driver));
	rig_stop();
}
END_TEST

static const struct queue_layout *real;
static bool added;

/* The driver adds one after the device looked and before it asks for kicks. */
static void arm_late(struct queue *q)
{
	if (!added) {
		added = true;
		rig_add_small(lane, 7);
		ck_assert(!driver_wants_kick(&lane->driver));
	}
	real->arm(q);
}

START_TEST(added_between_look_and_arm)
{
	struct queue_layout late;
	struct driver_setup s = four(_i, 16);
	struct error err = ERROR_NONE;

	rig_prepare(&s);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	real = lane->queue->layout;
	late = *real;
	late.arm = arm_late;
	lane->queue->layout = &late;
	added = false;
	/* The driver of a ring never armed needs no kick, so none comes. */
	queue_wake(lane->queue);
	ck_assert(added);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->popped, 1);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	lane->queue->layout = real;
	rig_stop();
}
END_TEST

START_TEST(kick_eventfd_is_not_read)
{
	uint64_t x;

	start(_i, 16);
	rig_send_small(lane, 1);
	rig_send_small(lane, 2);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	ck_assert_int_eq(read(lane->kick, &x, sizeof(x)), sizeof(x));
	ck_assert_uint_eq(x, 2);
	/* Nor does a value that is left keep the loop busy. */
	fd_signal(lane->kick);
	loop_turn(rig.loop, false);
	x = lane->handled;
	loop_turn(rig.loop, false);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->handled, x);
	rig_stop();
}
END_TEST

START_TEST(new_kick_descriptor_while_running)
{
	int first;

	start(_i, 16);
	rig_send_small(lane, 1);
	first = lane->kick;
	lane->kick = fd_eventfd();
	set_kick(dup(lane->kick));
	rig_send_small(lane, 2);
	ck_assert_uint_eq(lane->popped, 2);
	close(first);
	rig_stop();
}
END_TEST

/* Time is faked: after a millisecond somebody looks. */
static void expect_polled(unsigned number)
{
	uint64_t now = loop_now(rig.loop);
	unsigned popped = lane->popped;

	rig_add_small(lane, number);
	loop_turn(rig.loop, false);
	loop_fake_clock(rig.loop, now + 1000 * 1000);
	loop_turn(rig.loop, false);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->popped, popped + 1);
	ck_assert_int_ge(rig_collect(lane, NULL), 0);
}

START_TEST(without_kick_descriptor_the_ring_is_polled)
{
	struct driver_setup s = four(_i, 16);
	struct error err = ERROR_NONE;
	unsigned i;

	rig_prepare(&s);
	loop_fake_clock(rig.loop, 1000);
	set_kick(-1);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	for (i = 0; i < 3; i++)
		expect_polled(i);
	ck_assert_uint_eq(lane->handled, 4);
	/* The device is told only when there is something. */
	for (i = 1; i < 6; i++) {
		loop_fake_clock(rig.loop, loop_now(rig.loop) + 1000 * 1000);
		loop_turn(rig.loop, false);
	}
	ck_assert_uint_eq(lane->handled, 4);
	expect_polled(4);
	rig_stop();
}
END_TEST

START_TEST(regular_file_as_kick)
{
	start(_i, 16);
	loop_fake_clock(rig.loop, loop_now(rig.loop));
	set_kick(fd_memfd("kick", 4096));
	expect_polled(1);
	expect_polled(2);
	rig_stop();
}
END_TEST

/* A socket whose owner makes it block again: in a read that finds nothing we would hang. */
START_TEST(blocking_socket_as_kick)
{
	static const char junk[4096];
	unsigned i, round;
	int fds[2];

	start(_i, 16);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	set_kick(fds[0]);
	fcntl(fds[0], F_SETFL, 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	/* More than a socket holds: it is emptied all the time. */
	for (round = 0; round < 32; round++) {
		rig_add_small(lane, round);
		driver_wants_kick(&lane->driver);
		for (i = 0; i < 8; i++)
			ck_assert_int_eq(write(fds[1], junk, sizeof(junk)), sizeof(junk));
		loop_turn(rig.loop, false);
		loop_turn(rig.loop, false);
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
	}
	/* The other end goes away: no spinning, and somebody looks from now on. */
	close(fds[1]);
	loop_fake_clock(rig.loop, loop_now(rig.loop));
	loop_turn(rig.loop, false);
	i = lane->handled;
	loop_turn(rig.loop, false);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->handled, i);
	expect_polled(9);
	rig_stop();
}
END_TEST

/* What somebody sends without end is no kick: the ring is polled instead. */
START_TEST(flooded_socket_as_kick)
{
	static const char junk[65536];
	int fds[2];

	start(_i, 16);
	loop_fake_clock(rig.loop, loop_now(rig.loop));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(send(fds[1], junk, sizeof(junk), MSG_DONTWAIT), sizeof(junk));
	set_kick(fds[0]);
	loop_turn(rig.loop, false);
	ck_assert_int_lt(send(fds[1], junk, 1, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
	expect_polled(1);
	close(fds[1]);
	rig_stop();
}
END_TEST

START_TEST(socket_as_kick)
{
	int fds[2];

	start(_i, 16);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	set_kick(fds[0]);
	rig_add_small(lane, 1);
	driver_wants_kick(&lane->driver);
	ck_assert_int_eq(fd_signal(fds[1]), 0);
	loop_turn(rig.loop, false);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	close(fds[1]);
	rig_stop();
}
END_TEST

/* In-band kicks are the owner's to hand over. */
START_TEST(in_band)
{
	struct driver_setup s = four(_i, 16);
	struct error err = ERROR_NONE;

	rig_prepare(&s);
	set_kick(-1);
	queue_set_call(lane->queue, -1);
	queue_set_err(lane->queue, -1);
	queue_set_inband(lane->queue, true);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	rig_add_small(lane, 1);
	ck_assert(driver_wants_kick(&lane->driver));
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->popped, 0);
	queue_wake(lane->queue);
	ck_assert_uint_eq(lane->told_inband, 0);
	loop_turn(rig.loop, false);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	ck_assert_uint_eq(lane->told_inband, 1);
	queue_break(lane->queue, "test");
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->told_inband_err, 1);
	rig_stop();
}
END_TEST

START_TEST(busy_polling_wants_no_kicks)
{
	struct driver_setup s = four(_i, 64);
	struct error err = ERROR_NONE;
	unsigned i;

	rig_prepare(&s);
	loop_set_poll_us(rig.loop, 20 * 1000 * 1000);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	for (i = 0; i < 20; i++) {
		rig_add_small(lane, i);
		ck_assert(!driver_wants_kick(&lane->driver));
		loop_turn(rig.loop, true);
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
		ck_assert(rig_signalled(lane) || i > 0);
	}
	ck_assert_uint_eq(queue_stats(lane->queue)->kicks, 0);
	rig_stop();
}
END_TEST

/* The driver adds one after the device asked for kicks and before it looks again. */
static void arm_early(struct queue *q)
{
	real->arm(q);
	if (!added) {
		added = true;
		rig_add_small(lane, 7);
		ck_assert(driver_wants_kick(&lane->driver));
	}
}

START_TEST(kicks_are_asked_for_before_the_loop_sleeps)
{
	struct driver_setup s = four(_i, 64);
	struct error err = ERROR_NONE;
	struct queue_layout early;

	rig_prepare(&s);
	loop_set_poll_us(rig.loop, 1);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	real = lane->queue->layout;
	early = *real;
	early.arm = arm_early;
	lane->queue->layout = &early;
	added = false;
	queue_wake(lane->queue);
	ck_assert(!added);
	/* Nobody kicks: if the loop slept now, it would do so for ever. */
	while (lane->popped == 0)
		loop_turn(rig.loop, true);
	ck_assert(added);
	lane->queue->layout = real;
	rig_stop();
}
END_TEST

/* Signals. */

START_TEST(one_signal_for_a_burst)
{
	uint64_t x = 0;
	unsigned i;

	start(_i, 64);
	driver_want_signal(&lane->driver, true);
	for (i = 0; i < 10; i++)
		rig_add_small(lane, i);
	rig_turn();
	ck_assert_int_eq(read(lane->call, &x, sizeof(x)), sizeof(x));
	ck_assert_uint_eq(x, 1);
	for (i = 0; i < 10; i++)
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
	rig_turn();
	ck_assert(!rig_readable(lane->call));
	ck_assert_uint_eq(queue_stats(lane->queue)->signals, 1);
	rig_stop();
}
END_TEST

START_TEST(no_signal_when_not_wanted)
{
	unsigned i;

	start(_i, 64);
	/* The first decision has nothing to compare with, so it may go either way. */
	rig_send_small(lane, 0);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	rig_signalled(lane);
	driver_want_signal(&lane->driver, false);
	for (i = 1; i < 20; i++) {
		rig_send_small(lane, i);
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
		ck_assert(!rig_readable(lane->call));
	}
	ck_assert_uint_eq(queue_stats(lane->queue)->signals_saved, 19);
	driver_want_signal(&lane->driver, true);
	rig_send_small(lane, 20);
	ck_assert(rig_signalled(lane));
	rig_stop();
}
END_TEST

START_TEST(first_one_is_signalled_whatever_the_index)
{
	struct driver_setup s = { .size = 16, .event_idx = true };

	rig_start(&s);
	driver_set_used_event(&lane->driver, 0x4000);
	rig_send_small(lane, 0);
	ck_assert(rig_signalled(lane));
	rig_send_small(lane, 1);
	ck_assert(!rig_signalled(lane));
	rig_stop();
}
END_TEST

/* The index at which a signal is asked for, in one burst or singly, near the wrap. */
START_TEST(signal_exactly_when_the_event_passes)
{
	struct driver_setup s = { .size = 64, .event_idx = true, .base = 65530 };
	unsigned i;

	rig_start(&s);
	rig_send_small(lane, 0);
	rig_signalled(lane);
	driver_set_used_event(&lane->driver, (uint16_t)(65531 + 8));
	for (i = 0; i < 12; i++) {
		rig_send_small(lane, i + 1);
		ck_assert_int_eq(rig_signalled(lane), i == 8);
	}
	rig_stop();
}
END_TEST

START_TEST(packed_event_over_the_wrap)
{
	struct driver_setup s = { .size = 7, .packed = true, .event_idx = true };
	struct driver *d = &lane->driver;
	unsigned i;

	rig_start(&s);
	/* Two slots each: 0 2 4 6, and the wrap counter flips behind the last. */
	rig_send_small(lane, 0);
	rig_collect(lane, NULL);
	rig_signalled(lane);
	/* Asks for the slot that the fourth request is the first to use in the next lap. */
	*(uint16_t *)(void *)guest_at(&rig.guest, d->avail) = htole16(0 | 0 << 15);
	*(uint16_t *)(void *)guest_at(&rig.guest, d->avail + 2) =
		htole16(VRING_PACKED_EVENT_DESC);
	for (i = 1; i < 6; i++) {
		rig_send_small(lane, i);
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
		ck_assert_int_eq(rig_signalled(lane), i == 3);
	}
	rig_stop();
}
END_TEST

/* More than a whole lap between two decisions: a comparison could not see it. */
START_TEST(packed_more_than_a_lap_is_signalled)
{
	struct driver_setup s = { .size = 2, .packed = true, .event_idx = true };
	unsigned i;

	rig_start(&s);
	rig_send_small(lane, 0);
	rig_collect(lane, NULL);
	rig_signalled(lane);
	driver_want_signal(&lane->driver, false);
	*(uint16_t *)(void *)guest_at(&rig.guest, lane->driver.avail + 2) =
		htole16(VRING_PACKED_EVENT_DESC);
	*(uint16_t *)(void *)guest_at(&rig.guest, lane->driver.avail) = htole16(1);
	lane->mode = HOLD;
	for (i = 0; i < 4; i++) {
		rig_add_small(lane, i);
		queue_wake(lane->queue);
		ck_assert_uint_eq(queue_held(lane->queue), 1);
		chain_done(rig_chain(lane, 0));
		/* Made visible by another queue's end, without a decision. */
		rig.group.last_ended = NULL;
		lane->queue->layout->publish(lane->queue);
		lane->queue->n_pushed = 0;
		ck_assert_int_eq(rig_collect(lane, NULL), 0);
	}
	loop_turn(rig.loop, false);
	ck_assert(rig_signalled(lane));
	rig_stop();
}
END_TEST

START_TEST(packed_reserved_event_flags_get_a_signal)
{
	struct driver_setup s = { .size = 16, .packed = true, .event_idx = _i };

	rig_start(&s);
	rig_send_small(lane, 0);
	rig_signalled(lane);
	*(uint16_t *)(void *)guest_at(&rig.guest, lane->driver.avail + 2) = htole16(3);
	rig_send_small(lane, 1);
	ck_assert(rig_signalled(lane));
	rig_stop();
}
END_TEST

START_TEST(call_descriptor_comes_late)
{
	start(_i, 16);
	queue_set_call(lane->queue, -1);
	rig_send_small(lane, 1);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	queue_set_call(lane->queue, dup(lane->call));
	ck_assert(rig_signalled(lane));
	/* Only one that was missed. */
	queue_set_call(lane->queue, dup(lane->call));
	ck_assert(!rig_signalled(lane));
	rig_stop();
}
END_TEST

static void expect_served(unsigned number)
{
	rig_send_small(lane, number);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	driver_want_signal(&lane->driver, true);
}

START_TEST(full_pipe_as_call)
{
	char junk[4096] = { 0 };
	int fds[2];

	start(_i, 64);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	while (write(fds[1], junk, sizeof(junk)) > 0)
		;
	fcntl(fds[1], F_SETFL, 0);
	queue_set_call(lane->queue, fds[1]);
	expect_served(1);
	expect_served(2);
	close(fds[0]);
	expect_served(3);
	rig_stop();
}
END_TEST

START_TEST(socket_as_call)
{
	unsigned i;
	int fds[2];
	char buf[8];

	start(_i, 64);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	queue_set_call(lane->queue, fds[1]);
	driver_want_signal(&lane->driver, true);
	expect_served(1);
	ck_assert(rig_readable(fds[0]));
	ck_assert_int_eq(read(fds[0], buf, sizeof(buf)), sizeof(buf));
	for (i = 0; i < 30000; i++)
		fd_signal(fds[1]);
	expect_served(2);
	close(fds[0]);
	expect_served(3);
	rig_stop();
}
END_TEST

/* Nobody reads, and whoever else has the socket makes it block again. */
START_TEST(full_socket_as_call)
{
	int fds[2];

	start(_i, 64);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	while (send(fds[1], "12345678", 8, MSG_DONTWAIT) > 0)
		continue;
	queue_set_call(lane->queue, fds[1]);
	fcntl(fds[1], F_SETFL, 0);
	expect_served(1);
	expect_served(2);
	close(fds[0]);
	rig_stop();
}
END_TEST

static int full_eventfd(void)
{
	const uint64_t most = UINT64_MAX - 1;
	int fd = fd_eventfd();

	ck_assert_int_eq(write(fd, &most, sizeof(most)), sizeof(most));
	return fd;
}

/* Nobody reads, and whoever else has the eventfd makes it block again. */
START_TEST(full_blocking_eventfd_as_call)
{
	const uint64_t most = UINT64_MAX - 1;
	uint64_t count;
	int fd = full_eventfd();

	start(_i, 64);
	queue_set_call(lane->queue, fd);
	expect_served(1);
	ck_assert_uint_eq(lane->told_stalled, 0);
	fcntl(fd, F_SETFL, 0);
	expect_served(2);
	ck_assert_uint_eq(lane->told_stalled, 1);
	/* The owner is told once, and nothing is written until it says so. */
	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, most);
	expect_served(3);
	ck_assert_uint_eq(lane->told_stalled, 1);
	rig.group.stalled = false;
	expect_served(4);
	ck_assert_int_eq(read(fd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 1);
	rig_stop();
}
END_TEST

START_TEST(full_blocking_eventfd_as_err)
{
	int fd = full_eventfd();

	start(_i, 64);
	queue_set_err(lane->queue, fd);
	fcntl(fd, F_SETFL, 0);
	queue_break(lane->queue, "says the test");
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_uint_eq(lane->told_stalled, 1);
	rig_stop();
}
END_TEST

START_TEST(regular_file_as_call)
{
	start(_i, 64);
	queue_set_call(lane->queue, memfd_create("call", MFD_CLOEXEC));
	expect_served(1);
	expect_served(2);
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-notify");
	TCase *tc = tcase_create("notify");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, idle_receiver_takes_no_wake_up, 0, 4);
	tcase_add_loop_test(tc, unwanted_kicks_call_nobody, 0, 4);
	tcase_add_loop_test(tc, kick_on_an_empty_ring, 0, 4);
	tcase_add_loop_test(tc, no_kick_wanted_while_there_is_work, 0, 4);
	tcase_add_loop_test(tc, popping_turns_kicks_off, 0, 4);
	tcase_add_loop_test(tc, added_between_look_and_arm, 0, 4);
	tcase_add_loop_test(tc, kick_eventfd_is_not_read, 0, 4);
	tcase_add_loop_test(tc, new_kick_descriptor_while_running, 0, 4);
	tcase_add_loop_test(tc, without_kick_descriptor_the_ring_is_polled, 0, 4);
	tcase_add_loop_test(tc, regular_file_as_kick, 0, 4);
	tcase_add_loop_test(tc, blocking_socket_as_kick, 0, 4);
	tcase_add_loop_test(tc, flooded_socket_as_kick, 0, 4);
	tcase_add_loop_test(tc, socket_as_kick, 0, 4);
	tcase_add_loop_test(tc, in_band, 0, 4);
	tcase_add_loop_test(tc, busy_polling_wants_no_kicks, 0, 4);
	tcase_add_loop_test(tc, kicks_are_asked_for_before_the_loop_sleeps, 0, 4);
	tcase_add_loop_test(tc, one_signal_for_a_burst, 0, 4);
	tcase_add_loop_test(tc, no_signal_when_not_wanted, 0, 4);
	tcase_add_test(tc, first_one_is_signalled_whatever_the_index);
	tcase_add_test(tc, signal_exactly_when_the_event_passes);
	tcase_add_test(tc, packed_event_over_the_wrap);
	tcase_add_test(tc, packed_more_than_a_lap_is_signalled);
	tcase_add_loop_test(tc, packed_reserved_event_flags_get_a_signal, 0, 2);
	tcase_add_loop_test(tc, call_descriptor_comes_late, 0, 4);
	tcase_add_loop_test(tc, full_pipe_as_call, 0, 4);
	tcase_add_loop_test(tc, socket_as_call, 0, 4);
	tcase_add_loop_test(tc, full_socket_as_call, 0, 4);
	tcase_add_loop_test(tc, full_blocking_eventfd_as_call, 0, 4);
	tcase_add_loop_test(tc, full_blocking_eventfd_as_err, 0, 4);
	tcase_add_loop_test(tc, regular_file_as_call, 0, 4);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
