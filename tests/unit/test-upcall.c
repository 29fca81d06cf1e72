/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Upcalls: order, answers, a channel that is replaced, closed, full or talks nonsense. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/upcall.h"
#include "peer.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"

static struct loop *loop;
static struct upcalls up;
static unsigned files;
static struct upcall calls[4];
static int done_with[8];
static unsigned n_done;

static void upcall_done(struct upcall *u, int ret)
{
	done_with[n_done++ % ARRAY_SIZE(done_with)] = ret;
}

static void setup(void)
{
	struct error err = ERROR_NONE;
	unsigned i;

	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	files = peer_open_files();
	n_done = 0;
	memset(calls, 0, sizeof(calls));
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		calls[i].done = upcall_done;
	upcalls_init(&up, loop, NULL);
	upcalls_allow_acks(&up, true);
}

static void teardown(void)
{
	upcalls_finish(&up);
	upcalls_finish(&up);
	ck_assert_uint_eq(peer_open_files(), files);
	loop_free(loop);
}

static int attach(void)
{
	int ours, theirs;

	peer_pair(&ours, &theirs);
	ck_assert_int_eq(upcalls_attach(&up, ours), 0);
	ck_assert(upcalls_attached(&up));
	return theirs;
}

static void expect_upcall(int fd, uint32_t id, uint32_t flags)
{
	struct vu_header header;
	uint8_t body[16];

	ck_assert(peer_recv(loop, fd, &header, body, sizeof(body), NULL));
	ck_assert_uint_eq(header.request, id);
	ck_assert_uint_eq(header.flags, VU_VERSION | flags);
}

static void answer_upcall(int fd, uint32_t id, uint64_t v)
{
	peer_send(fd, id, VU_VERSION | VU_REPLY, &v, sizeof(v), NULL, 0);
	peer_settle(loop);
}

static void call_out(unsigned i, uint32_t id, bool ack)
{
	upcall_send(&up, &calls[i], id, "abcdefgh", 8, ack);
}

START_TEST(upcalls_one_at_a_time)
{
	int fd = attach();

	call_out(0, 4, true);
	call_out(1, 5, true);
	call_out(2, 2, false);
	expect_upcall(fd, 4, VU_NEED_REPLY);
	ck_assert(peer_silent(loop, fd));
	answer_upcall(fd, 4, 0);
	expect_upcall(fd, 5, VU_NEED_REPLY);
	ck_assert(peer_silent(loop, fd));
	answer_upcall(fd, 5, 1);
	expect_upcall(fd, 2, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_done, 3);
	ck_assert_int_eq(done_with[0], 0);
	ck_assert_int_eq(done_with[1], -EREMOTEIO);
	ck_assert_int_eq(done_with[2], 0);
	close(fd);
}
END_TEST

START_TEST(upcall_without_reply_ack_asks_nothing)
{
	int fd;

	upcalls_allow_acks(&up, false);
	fd = attach();
	call_out(0, 4, true);
	expect_upcall(fd, 4, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_done, 1);
	close(fd);
}
END_TEST

/* Lines that the log has, until stderr is what it was. */
static unsigned lines_of(int log)
{
	static char text[8192];
	ssize_t n = pread(log, text, sizeof(text) - 1, 0);
	unsigned lines = 0;
	char *p;

	text[n > 0 ? n : 0] = '\0';
	for (p = text; *p != '\0'; p++)
		lines += *p == '\n';
	return lines;
}

/* Five lines a second, and it may be that a second ends meanwhile. */
START_TEST(nonsense_is_not_logged_without_end)
{
	int log = memfd_create("log", MFD_CLOEXEC), old = dup(STDERR_FILENO), fd;
	unsigned i, lines;
	uint64_t start = loop_now(loop);

	dup2(log, STDERR_FILENO);
	for (i = 0; i < 100; i++) {
		fd = attach();
		answer_upcall(fd, 4, 0);
		close(fd);
		fd = attach();
		peer_send(fd, 4, 0, "", 0, NULL, 0);
		peer_settle(loop);
		close(fd);
	}
	lines = lines_of(log);
	dup2(old, STDERR_FILENO);
	close(old);
	close(log);
	ck_assert_uint_ge(lines, 5);
	ck_assert_uint_le(lines, 5 * (2 + (loop_now(loop) - start) / 1000000000));
}
END_TEST

START_TEST(upcall_to_nobody)
{
	call_out(0, 4, true);
	ck_assert_uint_eq(n_done, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_done, 1);
	ck_assert_int_eq(done_with[0], -ENOTCONN);
}
END_TEST

START_TEST(backend_channel_replaced)
{
	int fd = attach(), other;

	call_out(0, 4, true);
	call_out(1, 5, true);
	expect_upcall(fd, 4, VU_NEED_REPLY);
	other = attach();
	ck_assert(peer_closed(loop, fd));
	ck_assert_uint_eq(n_done, 1);
	ck_assert_int_eq(done_with[0], -ENOTCONN);
	expect_upcall(other, 5, VU_NEED_REPLY);
	answer_upcall(other, 5, 0);
	ck_assert_int_eq(done_with[1], 0);
	close(fd);
	close(other);
}
END_TEST

/* Answers that are none: the channel is closed, the session lives. */
START_TEST(bad_upcall_answers)
{
	static const struct {
		uint32_t id, flags;
		size_t size;
		bool asked;
	} bad[] = {
		{ 5, VU_VERSION | VU_REPLY, 8, true }, { 4, VU_VERSION, 8, true },
		{ 4, VU_VERSION | VU_REPLY, 7, true }, { 4, VU_VERSION | VU_REPLY, 0, true },
		{ 4, VU_VERSION | VU_REPLY, 9, true }, { 4, VU_VERSION | VU_REPLY, 8, false },
		{ 4, VU_REPLY, 8, true },
	};
	uint8_t body[16] = { 0 };
	int fd = attach(), one = fd_eventfd();

	if (bad[_i].asked) {
		call_out(0, 4, true);
		call_out(1, 4, true);
		expect_upcall(fd, 4, VU_NEED_REPLY);
	}
	peer_send(fd, bad[_i].id, bad[_i].flags, body, bad[_i].size, &one, 1);
	ck_assert(peer_closed(loop, fd));
	ck_assert(!upcalls_attached(&up));
	ck_assert_uint_eq(n_done, bad[_i].asked ? 2 : 0);
	close(one);
	close(fd);
	close(attach());
}
END_TEST

START_TEST(backend_channel_must_be_a_unix_stream)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(upcalls_attach(&up, fds[0]), -ENOTSOCK);
	close(fds[1]);
	ck_assert(!upcalls_attached(&up));
	/* An error that nobody fetches from such a one would keep the loop awake. */
	fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(upcalls_attach(&up, fds[0]), -ENOTSOCK);
	ck_assert(!upcalls_attached(&up));
}
END_TEST

START_TEST(front_end_closes_backend_channel)
{
	int fd = attach();

	call_out(0, 4, true);
	call_out(1, 4, true);
	close(fd);
	peer_settle(loop);
	ck_assert_uint_eq(n_done, 2);
	ck_assert_int_eq(done_with[1], -ENOTCONN);
}
END_TEST

/* A front end that does not read its backend channel holds up nobody. */
START_TEST(backend_channel_full)
{
	int fd = attach(), small = 4096;
	unsigned rounds = 0, read = 0;
	struct vu_header header;
	uint8_t body[16];

	setsockopt(up.channel.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	while (rounds < 5000) {
		if (upcall_busy(&calls[0]))
			break;
		n_done = 0;
		call_out(0, 4, false);
		peer_settle(loop);
		rounds++;
	}
	/* The one that the socket did not take is done all the same: it is on its way. */
	ck_assert_uint_gt(channel_unsent(&up.channel) + upcall_busy(&calls[0]), 0);
	while (read < rounds && peer_recv(loop, fd, &header, body, sizeof(body), NULL))
		read++;
	ck_assert_uint_eq(read, rounds);
	close(fd);
}
END_TEST

/* Closed with upcalls waiting: nothing is told any more. */
START_TEST(closed_with_upcalls_waiting)
{
	int fd = attach();

	call_out(0, 4, true);
	call_out(1, 5, true);
	upcalls_finish(&up);
	expect_upcall(fd, 4, VU_NEED_REPLY);
	ck_assert_uint_eq(n_done, 0);
	ck_assert(!upcall_busy(&calls[1]));
	ck_assert(peer_closed(loop, fd));
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("upcall");
	TCase *tc = tcase_create("upcall");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, upcalls_one_at_a_time);
	tcase_add_test(tc, upcall_without_reply_ack_asks_nothing);
	tcase_add_test(tc, nonsense_is_not_logged_without_end);
	tcase_add_test(tc, upcall_to_nobody);
	tcase_add_test(tc, backend_channel_replaced);
	tcase_add_loop_test(tc, bad_upcall_answers, 0, 7);
	tcase_add_test(tc, backend_channel_must_be_a_unix_stream);
	tcase_add_test(tc, front_end_closes_backend_channel);
	tcase_add_test(tc, backend_channel_full);
	tcase_add_test(tc, closed_with_upcalls_waiting);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
