/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Framing: cut and joined messages, descriptors, limits, a peer that does not read. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/channel.h"
#include "peer.h"
#include "suite.h"
#include "vhost-device/fd.h"

enum { LIMIT = 4096, BIG_ID = 5, BIG_LIMIT = 20000 };

static struct loop *loop;
static struct channel ch;
static int peer;
static unsigned files;

/* What came. */
static struct got {
	uint32_t id, flags;
	size_t size;
	unsigned n_fds;
	int taken;
	uint8_t body[BIG_LIMIT];
} got[64];
static unsigned n_got, n_gone, n_sent;
static const char *gone_why;
static bool take_first, finish_on_got, pause_on_got, answer_on_got;

static void on_got(struct channel *c, struct message *m)
{
	struct got *g = &got[n_got++];

	ck_assert_uint_le(n_got, ARRAY_SIZE(got));
	g->id = m->id;
	g->flags = m->flags;
	g->size = m->size;
	g->n_fds = m->n_fds;
	g->taken = take_first && m->n_fds > 0 ? take_fd(&m->fds[0]) : -1;
	if (m->size > 0)
		memcpy(g->body, m->body, m->size);
	if (pause_on_got)
		channel_pause(c, true);
	if (answer_on_got)
		ck_assert_int_eq(channel_send(c, m->id, VU_VERSION, g->body, LIMIT), 0);
	if (finish_on_got)
		channel_finish(c);
}

static void on_gone(struct channel *c, const char *why)
{
	n_gone++;
	gone_why = why;
	channel_finish(c);
}

static void on_sent(struct channel *c)
{
	n_sent++;
}

static size_t limit(struct channel *c, uint32_t id)
{
	return id == BIG_ID ? BIG_LIMIT : LIMIT;
}

static void setup(void)
{
	struct error err = ERROR_NONE;
	int ours;

	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	memset(&ch, 0, sizeof(ch));
	ch.got = on_got;
	ch.gone = on_gone;
	ch.sent = on_sent;
	ch.limit = limit;
	n_got = n_gone = n_sent = 0;
	gone_why = NULL;
	take_first = finish_on_got = pause_on_got = answer_on_got = false;
	files = peer_open_files();
	peer_pair(&ours, &peer);
	ck_assert_int_eq(channel_init(&ch, loop, ours), 0);
}

static void teardown(void)
{
	channel_finish(&ch);
	channel_finish(&ch);
	fd_close(&peer);
	ck_assert_uint_eq(peer_open_files(), files);
	loop_free(loop);
}

static void send_plain(uint32_t id, size_t size)
{
	uint8_t body[BIG_LIMIT];

	memset(body, (int)id, sizeof(body));
	peer_send(peer, id, VU_VERSION, body, size, NULL, 0);
}

/* A message with descriptors, cut after each of its bytes. */
START_TEST(cut_anywhere)
{
	struct {
		struct vu_header header;
		uint8_t body[9];
	} m = { { 7, VU_VERSION | VU_NEED_REPLY, 9 }, "12345678" };
	int fds[2] = { fd_eventfd(), fd_eventfd() };
	size_t cut = (size_t)_i;

	peer_write(peer, &m, cut, fds, 2);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 0);
	peer_write(peer, (uint8_t *)&m + cut, sizeof(m.header) + 9 - cut, NULL, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].id, 7);
	ck_assert_uint_eq(got[0].flags, VU_VERSION | VU_NEED_REPLY);
	ck_assert_uint_eq(got[0].size, 9);
	ck_assert_uint_eq(got[0].n_fds, 2);
	ck_assert_mem_eq(got[0].body, m.body, 9);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct {
		struct vu_header header;
		uint8_t body[4];
	} m = { { 3, VU_VERSION, 4 }, { 1, 2, 3, 4 } };
	unsigned round, i;

	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(m); i++) {
			ck_assert_uint_eq(n_got, round);
			peer_write(peer, (uint8_t *)&m + i, 1, NULL, 0);
			peer_settle(loop);
		}
	}
	ck_assert_uint_eq(n_got, 2);
	ck_assert_mem_eq(got[1].body, m.body, 4);
}
END_TEST

/* Everything in the socket before anything is read: whose descriptor is whose? */
START_TEST(two_at_once_with_fds)
{
	int one = fd_eventfd(), other[2] = { fd_eventfd(), fd_eventfd() };

	peer_send(peer, 1, VU_VERSION, "abcd", 4, &one, 1);
	peer_send(peer, 2, VU_VERSION, "efgh", 4, other, 2);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 2);
	ck_assert_uint_eq(got[0].n_fds, 1);
	ck_assert_uint_eq(got[1].n_fds, 2);
	ck_assert_mem_eq(got[1].body, "efgh", 4);
	close(one);
	close(other[0]);
	close(other[1]);
}
END_TEST

/* One write call that carries two messages: the descriptor belongs to the first. */
START_TEST(two_in_one_segment)
{
	struct vu_header two[2] = { { 1, VU_VERSION, 0 }, { 2, VU_VERSION, 0 } };
	int fd = fd_eventfd();

	peer_write(peer, two, sizeof(two), &fd, 1);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 2);
	ck_assert_uint_eq(got[0].n_fds, 1);
	ck_assert_uint_eq(got[1].n_fds, 0);
	close(fd);
}
END_TEST

START_TEST(fds_on_the_body_are_dropped)
{
	struct vu_header header = { 1, VU_VERSION, 4 };
	int fd = fd_eventfd();

	peer_write(peer, &header, sizeof(header), NULL, 0);
	peer_settle(loop);
	peer_write(peer, "abcd", 4, &fd, 1);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].n_fds, 0);
	close(fd);
}
END_TEST

START_TEST(taken_fd_is_ours)
{
	int fds[3] = { fd_eventfd(), fd_eventfd(), fd_eventfd() };
	unsigned before = peer_open_files(), i;

	take_first = true;
	peer_send(peer, 1, VU_VERSION, NULL, 0, fds, 3);
	peer_settle(loop);
	ck_assert_uint_eq(got[0].n_fds, 3);
	ck_assert_int_ge(got[0].taken, 0);
	ck_assert_int_ne(fcntl(got[0].taken, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_uint_eq(peer_open_files(), before + 1);
	close(got[0].taken);
	for (i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

/* As many as Linux lets a message carry, and a number beyond what others take. */
START_TEST(many_fds)
{
	static const unsigned counts[] = { 33, VU_MAX_FDS };
	int fd = fd_eventfd(), fds[VU_MAX_FDS];
	unsigned i;

	for (i = 0; i < VU_MAX_FDS; i++)
		fds[i] = fd;
	peer_send(peer, 1, VU_VERSION, NULL, 0, fds, counts[_i]);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(got[0].n_fds, counts[_i]);
	close(fd);
}
END_TEST

/* No room in our table of open files: what did arrive is closed. */
START_TEST(lost_fds)
{
	struct rlimit old, low;
	const char *preload = getenv("LD_PRELOAD");
	int fd = fd_eventfd(), fds[8];
	unsigned i;

	for (i = 0; i < 8; i++)
		fds[i] = fd;
	peer_send(peer, 1, VU_VERSION, NULL, 0, fds, 8);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)fd + 4;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	peer_settle(loop);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(fd);
	/* valgrind keeps a limit of its own, which does not bind the kernel. */
	if (preload != NULL && strstr(preload, "vgpreload") != NULL)
		return;
	ck_assert_uint_eq(n_got, 0);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_ptr_nonnull(gone_why);
	ck_assert_ptr_nonnull(strstr(gone_why, "file descriptors"));
}
END_TEST

static const struct {
	uint32_t id, flags, size;
	bool taken;
} headers[] = {
	{ 1, VU_VERSION, LIMIT, true },
	{ 1, VU_VERSION, LIMIT + 1, false },
	{ 1, VU_VERSION, UINT32_MAX, false },
	{ BIG_ID, VU_VERSION, BIG_LIMIT, true },
	{ BIG_ID, VU_VERSION, BIG_LIMIT + 1, false },
	{ 1, 0, 0, false },
	{ 1, 2, 0, false },
	{ 1, 3, 0, false },
	/* What the bits above the version mean is for the owner to judge. */
	{ 1, VU_VERSION | VU_REPLY, 0, true },
	{ 1, VU_VERSION | VU_NEED_REPLY, 0, true },
	{ UINT32_MAX, VU_VERSION | 0xfffffff0, 0, true },
};

START_TEST(headers_good_and_bad)
{
	struct vu_header header = { headers[_i].id, headers[_i].flags, headers[_i].size };
	uint8_t body[BIG_LIMIT] = { 0 };
	int fd = fd_eventfd();

	peer_write(peer, &header, sizeof(header), &fd, 1);
	if (headers[_i].taken && header.size > 0)
		peer_write(peer, body, header.size, NULL, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, headers[_i].taken);
	ck_assert_uint_eq(n_gone, !headers[_i].taken);
	ck_assert(headers[_i].taken || gone_why != NULL);
	close(fd);
}
END_TEST

/* A large body does not stay allocated, and the next message is read well. */
START_TEST(large_then_small)
{
	send_plain(BIG_ID, BIG_LIMIT);
	send_plain(2, LIMIT);
	send_plain(3, 1);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 3);
	ck_assert_uint_eq(got[0].body[BIG_LIMIT - 1], BIG_ID);
	ck_assert_uint_eq(got[1].body[LIMIT - 1], 2);
	ck_assert_uint_eq(got[2].body[0], 3);
}
END_TEST

START_TEST(end_of_stream)
{
	struct vu_header header = { 1, VU_VERSION, 4 };
	size_t n = (size_t)_i;

	send_plain(9, 0);
	if (n > 0)
		peer_write(peer, &header, n, NULL, 0);
	fd_close(&peer);
	peer_settle(loop);
	/* What came whole is still delivered. */
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_int_eq(gone_why != NULL, n > 0);
}
END_TEST

/* A peer that shuts down its sending side only has left as well. */
START_TEST(half_closed)
{
	shutdown(peer, SHUT_WR);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

START_TEST(paused_reads_nothing)
{
	pause_on_got = true;
	send_plain(1, 0);
	send_plain(2, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	channel_pause(&ch, false);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 2);
}
END_TEST

/* With and without something unread on either side when the peer closes. */
START_TEST(paused_sees_hang_up)
{
	uint64_t value = 0;

	channel_pause(&ch, true);
	if (_i & 1)
		ck_assert_int_eq(channel_send(&ch, 1, VU_VERSION | VU_REPLY, &value, 8), 0);
	if (_i & 2)
		send_plain(1, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 0);
	fd_close(&peer);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_uint_eq(n_got, 0);
	ck_assert_ptr_null(gone_why);
}
END_TEST

START_TEST(finished_from_got)
{
	finish_on_got = true;
	send_plain(1, LIMIT);
	send_plain(2, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

/* A turn serves a bounded number of messages, the rest comes in the next ones. */
START_TEST(bounded_turn)
{
	unsigned i;

	for (i = 0; i < 50; i++)
		send_plain(1, 4);
	loop_turn(loop, false);
	ck_assert_uint_lt(n_got, 50);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 50);
}
END_TEST

static void small_buffers(void)
{
	int small = 4096;

	ck_assert_int_eq(setsockopt(ch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
}

/* A peer that does not read: we keep a bounded amount, read nothing, and go on later. */
START_TEST(slow_reader)
{
	static uint8_t body[4000], back[4000];
	struct vu_header header;
	unsigned sent = 0, i;
	int ret;

	for (i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7);
	small_buffers();
	while ((ret = channel_send(&ch, sent, VU_VERSION, body, sizeof(body))) == 0)
		ck_assert_uint_lt(++sent, 1000);
	ck_assert_int_eq(ret, -ENOBUFS);
	ck_assert_uint_gt(channel_unsent(&ch), 0);
	send_plain(1, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 0);
	for (i = 0; i < sent; i++) {
		ck_assert(peer_recv(loop, peer, &header, back, sizeof(back), NULL));
		ck_assert_uint_eq(header.request, i);
		ck_assert_uint_eq(header.size, sizeof(back));
		ck_assert_mem_eq(back, body, sizeof(body));
	}
	ck_assert_uint_eq(channel_unsent(&ch), 0);
	ck_assert_uint_eq(n_sent, 1);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
}
END_TEST

/* Requests without end from a peer that reads no answer: one answer is kept at most. */
START_TEST(answers_wait_for_their_reader)
{
	struct vu_header header;
	uint8_t back[LIMIT];
	unsigned i;

	answer_on_got = true;
	small_buffers();
	for (i = 0; i < 60; i++)
		send_plain(i, 1);
	peer_settle(loop);
	ck_assert_uint_lt(n_got, 60);
	ck_assert_uint_le(channel_unsent(&ch), sizeof(header) + LIMIT);
	for (i = 0; i < 60; i++) {
		ck_assert(peer_recv(loop, peer, &header, back, sizeof(back), NULL));
		ck_assert_uint_eq(header.request, i);
		ck_assert_uint_le(channel_unsent(&ch), sizeof(header) + LIMIT);
	}
	ck_assert_uint_eq(n_got, 60);
}
END_TEST

START_TEST(peer_leaves_while_unsent)
{
	static uint8_t body[4000];

	small_buffers();
	while (channel_send(&ch, 1, VU_VERSION, body, sizeof(body)) == 0)
		continue;
	fd_close(&peer);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_int_eq(channel_send(&ch, 1, VU_VERSION, body, 1), -EPIPE);
}
END_TEST

/* It asks no more and does not read: waiting for it would keep the loop awake. */
START_TEST(half_closed_while_unsent)
{
	static uint8_t body[4000];

	small_buffers();
	while (channel_send(&ch, 1, VU_VERSION, body, sizeof(body)) == 0)
		continue;
	shutdown(peer, SHUT_WR);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

/* Closing a socket that lingers waits for its peer, who does not read. */
START_TEST(lingering_socket_is_closed_at_once)
{
	static const struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
	static const char junk[65536];
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	while (send(fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		continue;
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	peer_send(peer, 1, VU_VERSION, NULL, 0, &fd, 1);
	/* The copy in the message is the last one from here on. */
	fd_close(&fd);
	peer_settle(loop);
	ck_assert_uint_eq(n_got, 1);
	fd_close(&listener);
}
END_TEST

START_TEST(send_to_nobody)
{
	fd_close(&peer);
	ck_assert_int_lt(channel_send(&ch, 1, VU_VERSION, NULL, 0), 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

/* Finished with half a message and its descriptors in hand: the teardown counts. */
START_TEST(finished_inside_a_message)
{
	struct vu_header header = { 1, VU_VERSION, 4 };
	int fd = fd_eventfd();

	peer_write(peer, &header, (size_t)_i, &fd, 1);
	peer_settle(loop);
	channel_finish(&ch);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = tcase_create("channel");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, cut_anywhere, 1, 21);
	tcase_add_test(tc, byte_by_byte);
	tcase_add_test(tc, two_at_once_with_fds);
	tcase_add_test(tc, two_in_one_segment);
	tcase_add_test(tc, fds_on_the_body_are_dropped);
	tcase_add_test(tc, taken_fd_is_ours);
	tcase_add_loop_test(tc, many_fds, 0, 2);
	tcase_add_test(tc, lost_fds);
	tcase_add_loop_test(tc, headers_good_and_bad, 0, (int)ARRAY_SIZE(headers));
	tcase_add_test(tc, large_then_small);
	tcase_add_loop_test(tc, end_of_stream, 0, 13);
	tcase_add_test(tc, half_closed);
	tcase_add_test(tc, paused_reads_nothing);
	tcase_add_loop_test(tc, paused_sees_hang_up, 0, 4);
	tcase_add_test(tc, finished_from_got);
	tcase_add_test(tc, bounded_turn);
	tcase_add_test(tc, slow_reader);
	tcase_add_test(tc, answers_wait_for_their_reader);
	tcase_add_test(tc, peer_leaves_while_unsent);
	tcase_add_test(tc, half_closed_while_unsent);
	tcase_add_test(tc, lingering_socket_is_closed_at_once);
	tcase_add_test(tc, send_to_nobody);
	tcase_add_loop_test(tc, finished_inside_a_message, 1, 13);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
