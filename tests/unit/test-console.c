/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The console device by itself: control messages, order and number of bytes, clients. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "console-rig.h"
#include "suite.h"

enum { READY = VIRTIO_CONSOLE_DEVICE_READY, PORT_READY = VIRTIO_CONSOLE_PORT_READY,
	PORT_OPEN = VIRTIO_CONSOLE_PORT_OPEN, BIG = 300000 };

static const char two_ports[] = "name=first,backend=uds,path=%s/first,scrollback=4096";
static const char second[] = "name=second,console=off,backend=uds,path=%s/second";

static uint8_t pattern[BIG], buffer[BIG];

static void begin_two(void)
{
	con_option("port", two_ports);
	con_option("port", second);
	con_begin();
}

static void setup(void)
{
	unsigned i;

	/* As in the process. */
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < BIG; i++)
		pattern[i] = (uint8_t)(i * 31 + i / 251);
}

/* ---- control messages ---- */

START_TEST(ports_are_introduced_in_order)
{
	begin_two();
	ck_assert_uint_eq(le32_get(((struct virtio_console_config *)fake.config)->max_nr_ports), 2);
	con_control_buffers(20, CON_BUFFER);
	con_told_is("");
	con_control(UINT32_MAX, READY, 1);
	con_told_is("0 ADD 0");
	con_told_is("1 ADD 0");
	con_told_is("");
	con_control(0, PORT_READY, 1);
	con_told_is("0 CONSOLE 1");
	con_told_is("0 NAME 0 first");
	con_told_is("0 OPEN 1");
	con_control(1, PORT_READY, 1);
	con_told_is("1 NAME 0 second");
	con_told_is("");
	/* A port that exists is not added again (5.3.6.2.1). */
	con_control(UINT32_MAX, READY, 1);
	con_told_is("");
	con_finish();
}
END_TEST

/* Linux after a suspend: no DEVICE_READY, and buffers come last. */
START_TEST(a_driver_comes_back_from_suspend)
{
	begin_two();
	con_control(0, PORT_READY, 1);
	con_control(0, PORT_OPEN, 1);
	con_control(1, PORT_READY, 1);
	con_told_is("");
	con_control_buffers(1, CON_BUFFER);
	con_told_is("0 CONSOLE 1");
	con_told_is("");
	con_control_buffers(9, CON_BUFFER);
	con_told_is("0 NAME 0 first");
	con_told_is("0 OPEN 1");
	con_told_is("1 NAME 0 second");
	con_told_is("");
	con_finish();
}
END_TEST

START_TEST(small_buffers_cost_no_message)
{
	struct chain *small;

	begin_two();
	con_control(UINT32_MAX, READY, 1);
	small = fake_push_to(CONSOLE_CONTROL_RXQ, NULL, 0, 4);
	con_turns();
	ck_assert_int_eq(small->end, FAKE_FAILED);
	ck_assert_uint_eq(small->used, 0);
	con_control_buffers(2, 8);
	con_told_is("0 ADD 0");
	con_told_is("1 ADD 0");
	/* The name needs more than its header. */
	con_control(1, PORT_READY, 1);
	con_control_buffers(1, 10);
	con_told_is("");
	con_control_buffers(1, 14);
	con_told_is("1 NAME 0 second");
	con_finish();
}
END_TEST

START_TEST(nonsense_of_the_guest_breaks_nothing)
{
	static const unsigned events[] = { 1, 2, 4, 5, 7, 9, 0xffff };
	static const uint32_t ids[] = { 2, 3, 1000, UINT32_MAX };
	struct chain *c;
	unsigned i, k;

	begin_two();
	for (i = 0; i < 8; i++) {
		c = fake_push_to(CONSOLE_CONTROL_TXQ, pattern, i, 0);
		ck_assert_int_eq(c->end, FAKE_FAILED);
	}
	for (i = 0; i < ARRAY_SIZE(events); i++)
		con_control(0, events[i], 1);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (k = PORT_READY; k <= PORT_OPEN; k++)
			con_control(ids[i], k, 1);
	}
	/* More bytes than a message has are no mistake. */
	memset(buffer, 0, 100);
	buffer[6] = 1;
	c = fake_push_to(CONSOLE_CONTROL_TXQ, buffer, 100, 0);
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, 0);
	con_control_buffers(3, CON_BUFFER);
	con_told_is("0 ADD 0");
	con_told_is("1 ADD 0");
	con_told_is("");
	con_finish();
}
END_TEST

START_TEST(sizes_are_told)
{
	struct virtio_console_config config;
	struct error err = ERROR_NONE;

	if (_i == 1)
		con_option("resize-order", "legacy");
	begin_two();
	con_control_buffers(20, CON_BUFFER);
	ck_assert_int_eq(fake_command(&err, "resize", 3, "first", "132", "43"), 0);
	con_told_is("");
	con_control(UINT32_MAX, READY, 1);
	con_told_is("0 ADD 0");
	con_told_is("1 ADD 0");
	con_control(0, PORT_READY, 1);
	con_told_is("0 CONSOLE 1");
	con_told_is(_i == 0 ? "0 RESIZE 0 132 43" : "0 RESIZE 0 43 132");
	con_told_is("0 NAME 0 first");
	con_told_is("0 OPEN 1");
	ck_assert_int_eq(fake_command(&err, "resize", 3, "0", "80", "25"), 0);
	con_turns();
	con_told_is(_i == 0 ? "0 RESIZE 0 80 25" : "0 RESIZE 0 25 80");
	memcpy(&config, fake.config, sizeof(config));
	ck_assert_uint_eq(le16_get(config.cols), 80);
	ck_assert_uint_eq(le16_get(config.rows), 25);
	/* Only drivers without ports look there. */
	ck_assert_uint_eq(fake.config_changes, 0);
	ck_assert_int_lt(fake_command(&err, "resize", 3, "third", "80", "25"), 0);
	ck_assert_int_lt(fake_command(&err, "resize", 3, "0", "80", "70000"), 0);
	con_finish();
}
END_TEST

START_TEST(a_single_port_has_its_size_in_config)
{
	struct error err = ERROR_NONE;

	con_option("backend", "null");
	con_option("single-port", NULL);
	con_begin();
	ck_assert_uint_eq(fake.n_queues, 2);
	ck_assert_uint_eq(fake.offered & BIT(VIRTIO_CONSOLE_F_MULTIPORT), 0);
	ck_assert_int_eq(fake_command(&err, "resize", 3, "0", "132", "43"), 0);
	ck_assert_uint_eq(fake.config_changes, 1);
	ck_assert_int_lt(fake_command(&err, "unplug", 1, "0"), 0);
	con_finish();
}
END_TEST

START_TEST(ports_are_unplugged_and_plugged)
{
	struct error err = ERROR_NONE;

	begin_two();
	con_open_ports(2);
	con_control_buffers(20, CON_BUFFER);
	ck_assert_int_eq(fake_command(&err, "unplug", 1, "second"), 0);
	con_told_is("1 REMOVE 0");
	ck_assert_int_eq(fake_command(&err, "unplug", 1, "second"), -EALREADY);
	/* Linux may have asked just before. */
	con_control(1, PORT_OPEN, 1);
	con_told_is("");
	ck_assert_int_eq(fake_command(&err, "plug", 1, "1"), 0);
	con_told_is("1 ADD 0");
	con_control(1, PORT_READY, 1);
	con_told_is("1 NAME 0 second");
	/* Before the guest could hear of it: as if nothing had been. */
	con_told_is("");
	ck_assert_int_eq(fake_command(&err, "unplug", 1, "1"), 0);
	con_told_is("1 REMOVE 0");
	con_told_is("");
	con_finish();
}
END_TEST

START_TEST(clients_open_and_close_a_port)
{
	int fd;

	begin_two();
	con_open_ports(2);
	con_control_buffers(20, CON_BUFFER);
	fd = con_dial("second");
	con_told_is("1 OPEN 1");
	con_told_is("");
	close(fd);
	con_turns();
	con_told_is("1 OPEN 0");
	/* A console is open whoever looks at it. */
	fd = con_dial("first");
	close(fd);
	con_turns();
	con_told_is("");
	con_finish();
}
END_TEST

/* Rings that another process has served: the guest says nothing anew. */
START_TEST(a_guest_that_was_served_before)
{
	struct error err = ERROR_NONE;
	int fd;

	con_option("port", two_ports);
	con_option("port", second);
	ck_assert_msg(con_try(&err) == 0, "%s", err.text);
	fake.used_before = true;
	fake_start();
	con_control_buffers(20, CON_BUFFER);
	con_told_is("0 CONSOLE 1");
	con_told_is("0 NAME 0 first");
	con_told_is("0 OPEN 1");
	con_told_is("1 NAME 0 second");
	con_told_is("1 OPEN 0");
	con_told_is("");
	fd = con_dial("second");
	con_told_is("1 OPEN 1");
	con_buffers(1, 1, 100);
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	ck_assert_uint_eq(con_got(1, buffer, BIG), 3);
	close(fd);
	con_finish();
}
END_TEST

/* ---- to the guest ---- */

static const struct {
	size_t bytes, size;
	unsigned buffers;
} inputs[] = {
	{ 1, 4096, 1 }, { 2, 4096, 2 }, { 5, 4096, 128 }, { 1000, 4096, 3 }, { 1000, 1, 120 },
	{ 4096, 4096, 1 }, { 4096, 4096, 5 }, { 5000, 4096, 1 }, { 5000, 4096, 4 },
	{ 100000, 4096, 60 }, { 300, 7, 50 },
};

/* Each buffer once, all bytes once, in order. */
START_TEST(input_fills_buffers)
{
	size_t n, total = 0, want = inputs[_i].bytes;
	unsigned given = 0;
	int fd;

	begin_two();
	con_open_ports(2);
	fd = con_dial("first");
	ck_assert_int_eq(write(fd, pattern, want), (ssize_t)want);
	con_turns();
	ck_assert_uint_eq(con_got(0, buffer, BIG), 0);
	while (total < want && given < 150) {
		con_buffers(0, inputs[_i].buffers, inputs[_i].size);
		given += inputs[_i].buffers;
		n = con_got(0, buffer + total, BIG - total);
		ck_assert_uint_gt(n, 0);
		total += n;
	}
	ck_assert_uint_eq(total, want < given * inputs[_i].size ? want : given * inputs[_i].size);
	ck_assert_int_eq(memcmp(buffer, pattern, total), 0);
	close(fd);
	con_finish();
}
END_TEST

START_TEST(input_waits_until_the_port_is_open)
{
	int fd;

	begin_two();
	con_control_buffers(20, CON_BUFFER);
	con_buffers(1, 2, 100);
	fd = con_dial("second");
	ck_assert_int_eq(write(fd, "early", 5), 5);
	con_control(1, PORT_READY, 1);
	ck_assert_uint_eq(con_got(1, buffer, BIG), 0);
	con_control(1, PORT_OPEN, 1);
	ck_assert_uint_eq(con_got(1, buffer, BIG), 5);
	ck_assert_int_eq(memcmp(buffer, "early", 5), 0);
	con_control(1, PORT_OPEN, 0);
	ck_assert_int_eq(write(fd, "late", 4), 4);
	ck_assert_uint_eq(con_got(1, buffer, BIG), 0);
	/* What he has left is read, though he has gone. */
	close(fd);
	con_turns();
	con_control(1, PORT_OPEN, 1);
	ck_assert_uint_eq(con_got(1, buffer, BIG), 4);
	con_finish();
}
END_TEST

/* Without MULTIPORT there are no control messages, and port 0 is open. */
START_TEST(a_driver_without_ports)
{
	struct error err = ERROR_NONE;
	int fd;

	con_option("port", two_ports);
	ck_assert_msg(con_try(&err) == 0, "%s", err.text);
	fake.refused = BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	fake_start();
	con_buffers(0, 2, 100);
	fd = con_dial("first");
	ck_assert_int_eq(write(fd, "in", 2), 2);
	ck_assert_uint_eq(con_got(0, buffer, BIG), 2);
	con_print(0, "out", 3);
	con_expect(fd, "out", 3);
	ck_assert_int_eq(fake_command(&err, "resize", 3, "0", "80", "25"), 0);
	ck_assert_uint_eq(fake.config_changes, 1);
	close(fd);
	con_finish();
}
END_TEST

/* Buffers that nothing can be put into, or whose memory has gone. */
START_TEST(bad_buffers_cost_themselves_only)
{
	struct chain *none, *gone;
	int fd;

	begin_two();
	con_open_ports(2);
	none = fake_push_to(con_rxq(0), "x", 1, 0);
	gone = fake_push_to(con_rxq(0), NULL, 0, 100);
	gone->unmapped = true;
	con_buffers(0, 1, 100);
	fd = con_dial("first");
	ck_assert_int_eq(write(fd, "abc", 3), 3);
	ck_assert_uint_eq(con_got(0, buffer, BIG), 3);
	ck_assert_int_eq(none->end, FAKE_FAILED);
	ck_assert_int_eq(gone->end, FAKE_FAILED);
	close(fd);
	con_finish();
}
END_TEST

/* ---- from the guest ---- */

START_TEST(output_comes_once_and_in_order)
{
	struct chain *c;
	size_t at, n;
	int fd;

	begin_two();
	con_open_ports(2);
	fd = con_dial("first");
	for (at = 0, n = 1; at + n < 60000; at += n, n = n * 2 + 1) {
		c = con_print(0, pattern + at, n);
		ck_assert_int_eq(c->end, FAKE_DONE);
		ck_assert_uint_eq(c->used, 0);
		con_expect(fd, pattern + at, n);
	}
	c = con_print(0, "", 0);
	ck_assert_int_eq(c->end, FAKE_DONE);
	c = fake_push_to(con_txq(0), "x", 1, 0);
	c = fake_push_to(con_txq(0), "yz", 2, 0);
	c->unmapped = true;
	con_turns();
	con_print(0, "w", 1);
	con_expect(fd, "x", 1);
	close(fd);
	con_finish();
}
END_TEST

START_TEST(bad_output_does_not_stop_others)
{
	struct chain *c;
	int fd = -1;

	begin_two();
	con_open_ports(2);
	if (_i == 1)
		fd = con_dial("first");
	fake_stop();
	c = fake_push_to(con_txq(0), "bad", 3, 0);
	c->unmapped = true;
	fake_push_to(con_txq(0), "good", 4, 0);
	fake.used_before = true;
	fake_start();
	con_turns();
	ck_assert_int_eq(c->end, FAKE_FAILED);
	if (fd < 0)
		fd = con_dial("first");
	con_expect(fd, "good", 4);
	close(fd);
	con_finish();
}
END_TEST

/* Nobody looks: the next one who does finds the last bytes, in order. */
START_TEST(a_console_without_a_client_goes_on)
{
	struct chain *c;
	int fd;

	begin_two();
	con_open_ports(2);
	con_print(0, "one ", 4);
	con_print(0, "two ", 4);
	con_print(0, "three", 5);
	fd = con_dial("first");
	con_expect(fd, "one two three", 13);
	close(fd);
	con_turns();
	c = con_print(0, pattern, 100000);
	ck_assert_int_eq(c->end, FAKE_DONE);
	fd = con_dial("first");
	con_expect(fd, pattern + 100000 - 4096, 4096);
	con_print(0, "more", 4);
	con_expect(fd, "more", 4);
	close(fd);
	con_finish();
}
END_TEST

/* What went straight to a client is shown to the next one as well. */
START_TEST(scrollback_is_what_was_last_said)
{
	size_t at;
	int fd, other;

	begin_two();
	con_open_ports(2);
	fd = con_dial("first");
	for (at = 0; at < 20000; at += 1000) {
		con_print(0, pattern + at, 1000);
		con_expect(fd, pattern + at, 1000);
	}
	other = con_dial("first");
	con_expect_end(fd);
	con_expect(other, pattern + 20000 - 4096, 4096);
	con_print(0, pattern, 9000);
	con_expect(other, pattern, 9000);
	close(fd);
	close(other);
	con_finish();
}
END_TEST

START_TEST(a_port_waits_for_its_client)
{
	struct chain *c;
	int fd;

	begin_two();
	con_open_ports(2);
	c = con_print(1, "kept", 4);
	fake_at(CON_START + 100000ULL * CON_MS);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	fd = con_dial("second");
	con_expect(fd, "kept", 4);
	ck_assert_int_eq(c->end, FAKE_DONE);
	close(fd);
	con_finish();
}
END_TEST

/* Prints more than a socket holds, until it has to wait. */
static size_t fill(unsigned port)
{
	size_t n = 0;
	const struct chain *c;

	do {
		c = con_print(port, pattern, BIG);
		n += BIG;
		ck_assert_uint_lt(n, 100 * BIG);
	} while (c->end == FAKE_DONE);
	return n;
}

static void expect_patterns(int fd, size_t n)
{
	for (; n > 0; n -= BIG)
		con_expect(fd, pattern, BIG);
}

/* A slow client holds up his port, loses nothing, and nobody else waits. */
START_TEST(a_slow_client_holds_up_his_port)
{
	int slow, other;
	size_t n;

	begin_two();
	con_open_ports(2);
	slow = con_dial("second");
	other = con_dial("first");
	n = fill(1);
	fake_at(CON_START + 100000ULL * CON_MS);
	ck_assert_uint_ge(queue_held(instance_queue(NULL, con_txq(1))), 1);
	con_print(0, "hello", 5);
	con_expect(other, "hello", 5);
	expect_patterns(slow, n);
	ck_assert_uint_eq(queue_held(instance_queue(NULL, con_txq(1))), 0);
	ck_assert_uint_eq(fake.counters[CONSOLE_DROPPED], 0);
	close(slow);
	close(other);
	con_finish();
}
END_TEST

/* At a console he may do so for two seconds; what he then misses is counted. */
START_TEST(patience_with_a_client_of_a_console_ends)
{
	uint64_t now = CON_START;
	struct chain *c;
	size_t n, got = 0;
	ssize_t ret;
	int fd, other;

	begin_two();
	con_open_ports(2);
	fd = con_dial("first");
	n = fill(0);
	fake_at(now += 1999ULL * CON_MS);
	ck_assert_uint_ge(queue_held(instance_queue(NULL, con_txq(0))), 1);
	fake_at(now += 2ULL * CON_MS);
	ck_assert_uint_eq(queue_held(instance_queue(NULL, con_txq(0))), 0);
	c = con_print(0, pattern, BIG);
	ck_assert_int_eq(c->end, FAKE_DONE);
	n += BIG;
	/* He reads on: a beginning without a hole, then the last bytes. */
	while ((ret = read(fd, buffer, BIG)) > 0)
		got += (size_t)ret;
	con_turns();
	con_expect(fd, pattern + BIG - 4096, 4096);
	got += 4096;
	ck_assert_uint_eq(got + fake.counters[CONSOLE_DROPPED], n);
	/* And is as good as any other again. */
	con_print(0, "fine", 4);
	con_expect(fd, "fine", 4);
	other = con_dial("first");
	con_expect(other, pattern + BIG - 4092, 4092);
	con_expect(other, "fine", 4);
	close(fd);
	close(other);
	con_finish();
}
END_TEST

/* A pause: the chain that was half written goes on where it was. */
START_TEST(a_pause_repeats_nothing)
{
	int fd;
	size_t n;

	begin_two();
	con_open_ports(2);
	fd = con_dial("second");
	n = fill(1);
	fake_stop();
	fake.used_before = true;
	fake_start();
	con_turns();
	expect_patterns(fd, n);
	con_print(1, "end", 3);
	con_expect(fd, "end", 3);
	close(fd);
	con_finish();
}
END_TEST

/* After a reset the ring holds other things. */
START_TEST(a_reset_forgets_the_rest)
{
	struct chain *c;
	int fd;

	begin_two();
	con_open_ports(2);
	fd = con_dial("second");
	fill(1);
	close(fd);
	fake_stop();
	fake_reset(RESET_DRIVER);
	/* The driver takes its requests back. */
	while (fake.pushed > 0 && fake.chains[fake.pushed - 1].end == FAKE_OPEN) {
		c = &fake.chains[--fake.pushed];
		free(c->get);
		free(c->put);
		memset(c, 0, sizeof(*c));
	}
	fake_start();
	con_open_ports(2);
	fd = con_dial("second");
	con_print(1, "new", 3);
	con_expect(fd, "new", 3);
	close(fd);
	con_finish();
}
END_TEST

START_TEST(a_client_who_left_does_not_stop_the_console)
{
	struct chain *c;
	int fd;

	begin_two();
	con_open_ports(2);
	fd = con_dial("first");
	close(fd);
	c = con_print(0, pattern, BIG);
	ck_assert_int_eq(c->end, FAKE_DONE);
	fd = con_dial("first");
	con_expect(fd, pattern + BIG - 4096, 4096);
	/* He has said all he has to say, and still listens. */
	shutdown(fd, SHUT_WR);
	con_turns();
	con_print(0, "on", 2);
	con_expect(fd, "on", 2);
	close(fd);
	con_finish();
}
END_TEST

struct write_now {
	struct turn_end at;
	unsigned off, len;
};

static void write_now(struct turn_end *t)
{
	const struct write_now *w = container_of(t, struct write_now, at);

	device_console.config_written(NULL, w->off, w->len);
}

static void write_config(unsigned off, unsigned len, uint8_t byte)
{
	struct write_now w = { .at = { .fn = write_now }, .off = off, .len = len };

	((struct virtio_console_config *)fake.config)->emerg_wr = le32(0x41414100U | byte);
	loop_next_turn(fake.loop, &w.at);
	loop_turn(fake.loop, false);
}

START_TEST(emergency_writes_need_no_queue)
{
	struct error err = ERROR_NONE;
	int fd;

	con_option("port", two_ports);
	ck_assert_msg(con_try(&err) == 0, "%s", err.text);
	write_config(8, 4, 'o');
	fd = con_dial("first");
	write_config(8, 4, 'h');
	con_expect(fd, "oh", 2);
	ck_assert_uint_eq(le32_get(((struct virtio_console_config *)fake.config)->emerg_wr), 0);
	close(fd);
	fake_start();
	con_finish();
}
END_TEST

/* .. although what he typed still waits for the guest. */
START_TEST(what_is_said_to_one_who_left_is_for_the_next)
{
	struct chain *c;
	int fd;

	begin_two();
	con_open_ports(2);
	fd = con_dial("second");
	ck_assert_int_eq(write(fd, "typed", 5), 5);
	con_turns();
	close(fd);
	con_turns();
	c = con_print(1, "abc", 3);
	ck_assert_uint_ne(c->end, FAKE_DONE);
	fd = con_dial("second");
	con_expect(fd, "abc", 3);
	ck_assert_uint_eq(c->end, FAKE_DONE);
	close(fd);
	con_finish();
}
END_TEST

/* ---- programs ---- */

static void begin_program(const char *command)
{
	con_option("backend", "program");
	con_option("command", command);
	con_begin();
	con_open_ports(1);
	con_buffers(0, 40, CON_BUFFER);
}

/* A line that it says, whatever pieces it comes in. */
static const char *next_line(void)
{
	static char line[100];
	size_t n = 0;
	unsigned ms = 0;

	do {
		ck_assert_uint_lt(ms++, CON_WAIT_MS);
		n += con_got(0, line + n, sizeof(line) - 1 - n);
		poll(NULL, 0, 1);
	} while (n == 0 || line[n - 1] != '\n');
	line[n - 1] = '\0';
	return line;
}

static bool has_client(void)
{
	struct error err = ERROR_NONE;

	fake_settle();
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	return strstr(fake.reply, "client connected") != NULL;
}

static bool is_waited_for(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* Time passes, for there may be nothing but a timer to tell of it. */
static uint64_t await_end(pid_t pid, uint64_t now)
{
	unsigned ms;

	for (ms = 0; !is_waited_for(pid); ms++) {
		ck_assert_uint_lt(ms, CON_WAIT_MS);
		fake_at(now += 500ULL * CON_MS);
		poll(NULL, 0, 1);
	}
	return now;
}

/* It gets what was said meanwhile, and nothing that the one before it had. */
START_TEST(a_program_is_run_again)
{
	uint64_t now = CON_START, gone;
	unsigned i, ms;
	size_t n;

	begin_program("echo run; read one; read two; echo \"$one $two\"; exit 1");
	con_print(0, "early\n", 6);
	ck_assert_str_eq(next_line(), "run");
	for (i = 0; i < 3; i++) {
		con_print(0, "hello\n", 6);
		ck_assert_str_eq(next_line(), "early hello");
		for (ms = 0; ms < CON_WAIT_MS && has_client(); ms++)
			poll(NULL, 0, 1);
		con_print(0, "early\n", 6);
		gone = now;
		for (n = 0; n == 0; n = con_got(0, buffer, 4)) {
			ck_assert_uint_lt(ms++, 2 * CON_WAIT_MS);
			fake_at(now += 100ULL * CON_MS);
			poll(NULL, 0, 1);
		}
		ck_assert_uint_ge(now, gone + 1000ULL * CON_MS);
		ck_assert_int_eq(memcmp(buffer, "run\n", 4), 0);
	}
	con_finish();
}
END_TEST

/* What it said last waits for the guest; it does not. */
START_TEST(a_program_that_has_ended_is_waited_for)
{
	pid_t pid;

	begin_program("echo $$; read line; echo last; read line");
	pid = (pid_t)strtol(next_line(), NULL, 10);
	ck_assert_int_gt(pid, 1);
	con_print(0, "x\n", 2);
	ck_assert_str_eq(next_line(), "last");
	con_control(0, PORT_OPEN, 0);
	con_print(0, "x\n", 2);
	await_end(pid, CON_START);
	con_finish();
}
END_TEST

/* It does not see that nobody is there, or does not care. */
START_TEST(a_program_that_was_sent_off_is_made_to_end)
{
	struct error err = ERROR_NONE;
	uint64_t now = CON_START;
	unsigned i;
	pid_t pid;

	begin_program("echo $$; while :; do sleep 1000; done");
	for (i = 0; i < 2; i++) {
		pid = (pid_t)strtol(next_line(), NULL, 10);
		ck_assert_int_gt(pid, 1);
		ck_assert_int_eq(fake_command(&err, "disconnect", 1, "0"), 0);
		fake_at(now += 4999ULL * CON_MS);
		ck_assert(!is_waited_for(pid));
		fake_at(now += 2ULL * CON_MS);
		now = await_end(pid, now);
		fake_at(now += 1001ULL * CON_MS);
	}
	/* The last one, which nobody will make end. */
	pid = (pid_t)strtol(next_line(), NULL, 10);
	ck_assert_int_gt(pid, 1);
	con_finish();
	kill(-pid, SIGKILL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("console");
	TCase *tc = tcase_create("console");

	tcase_add_unchecked_fixture(tc, setup, NULL);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, ports_are_introduced_in_order);
	tcase_add_test(tc, a_driver_comes_back_from_suspend);
	tcase_add_test(tc, small_buffers_cost_no_message);
	tcase_add_test(tc, nonsense_of_the_guest_breaks_nothing);
	tcase_add_loop_test(tc, sizes_are_told, 0, 2);
	tcase_add_test(tc, a_single_port_has_its_size_in_config);
	tcase_add_test(tc, ports_are_unplugged_and_plugged);
	tcase_add_test(tc, clients_open_and_close_a_port);
	tcase_add_test(tc, a_guest_that_was_served_before);
	tcase_add_loop_test(tc, input_fills_buffers, 0, ARRAY_SIZE(inputs));
	tcase_add_test(tc, input_waits_until_the_port_is_open);
	tcase_add_test(tc, a_driver_without_ports);
	tcase_add_test(tc, bad_buffers_cost_themselves_only);
	tcase_add_test(tc, output_comes_once_and_in_order);
	tcase_add_loop_test(tc, bad_output_does_not_stop_others, 0, 2);
	tcase_add_test(tc, a_console_without_a_client_goes_on);
	tcase_add_test(tc, scrollback_is_what_was_last_said);
	tcase_add_test(tc, a_port_waits_for_its_client);
	tcase_add_test(tc, a_slow_client_holds_up_his_port);
	tcase_add_test(tc, patience_with_a_client_of_a_console_ends);
	tcase_add_test(tc, a_pause_repeats_nothing);
	tcase_add_test(tc, a_reset_forgets_the_rest);
	tcase_add_test(tc, a_client_who_left_does_not_stop_the_console);
	tcase_add_test(tc, emergency_writes_need_no_queue);
	tcase_add_test(tc, what_is_said_to_one_who_left_is_for_the_next);
	tcase_add_test(tc, a_program_is_run_again);
	tcase_add_test(tc, a_program_that_has_ended_is_waited_for);
	tcase_add_test(tc, a_program_that_was_sent_off_is_made_to_end);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
