/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The socket device by itself: what needs no rings, only a guest's buffers and time. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/opt.h"
#include "fake-core.h"
#include "suite.h"
#include "vsock.h"

enum { NS_PER_MS = 1000 * 1000, START = NS_PER_MS, CID = 3, ROOM = 3776, HDR = 44 };

extern const struct device device_vsock;

static struct vsock_conf conf;
static char dir[40], path[60];
static bool seen[FAKE_CHAINS];
static unsigned presses;                /* writes that the kernel has no memory for */

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	if (presses > 0) {
		presses--;
		errno = ENOBUFS;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, message, flags);
}

static void begin_with(const char *option, const char *text)
{
	struct error err = ERROR_NONE;

	snprintf(dir, sizeof(dir), "/tmp/test-vsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/u", dir);
	opt_defaults(device_vsock.options, &conf);
	opt_set(opt_find(device_vsock.options, "uds-path", 8), &conf, path, &err);
	if (option != NULL)
		opt_set(opt_find(device_vsock.options, option, strlen(option)), &conf, text, &err);
	fake_setup(&device_vsock, START);
	memset(seen, 0, sizeof(seen));
	ck_assert_msg(fake_open(&conf, 1, &err) == 0, "%s", err.text);
}

static void begin(const char *limit)
{
	begin_with(limit != NULL ? "max-connections" : NULL, limit);
}

static void finish(void)
{
	fake_stop();
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
	opt_finish(device_vsock.options, &conf);
	unlink(path);
	rmdir(dir);
}

static int listen_at(const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 10), 0);
	return fd;
}

static void forget(const char *suffix, int fd)
{
	char name[80];

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	unlink(name);
	close(fd);
}

static void buffers(unsigned n)
{
	while (n-- > 0)
		fake_push_to(VSOCK_RXQ, NULL, 0, ROOM);
}

static void put(uint16_t op, uint32_t port, uint32_t flags)
{
	const struct virtio_vsock_hdr h = {
		.src_cid = le64(CID), .dst_cid = le64(VSOCK_CID_HOST), .src_port = le32(port),
		.dst_port = le32(1), .type = le16(VSOCK_TYPE_STREAM), .op = le16(op),
		.flags = le32(flags), .buf_alloc = le32(65536),
	};

	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
}

/* The next packet that the guest was sent; op INVALID: there is none. */
static struct virtio_vsock_hdr get(void)
{
	struct virtio_vsock_hdr h = { .op = le16(VSOCK_OP_INVALID) };
	const struct chain *c;
	unsigned i;

	for (i = 0; i < fake.pushed; i++) {
		c = &fake.chains[i];
		if (c->queue == VSOCK_RXQ && c->end == FAKE_DONE && !seen[i]) {
			seen[i] = true;
			memcpy(&h, c->put, HDR);
			break;
		}
	}
	return h;
}

static unsigned get_op(void)
{
	return le16_get(get().op);
}

START_TEST(lost_connections_are_told)
{
	struct chain *event;
	uint32_t id = 77;

	begin(NULL);
	fake.used_before = _i;
	event = fake_push_to(VSOCK_EVENTQ, NULL, 0, sizeof(id));
	fake_start();
	fake_settle();
	ck_assert_int_eq(event->end, _i ? FAKE_DONE : FAKE_OPEN);
	if (_i) {
		memcpy(&id, event->put, sizeof(id));
		ck_assert_uint_eq(id, VSOCK_EVENT_TRANSPORT_RESET);
		ck_assert_uint_eq(event->used, sizeof(id));
	}
	/* A pause is no loss. */
	fake_stop();
	fake.used_before = true;
	event = fake_push_to(VSOCK_EVENTQ, NULL, 0, sizeof(id));
	fake_start();
	fake_settle();
	ck_assert_int_eq(event->end, FAKE_OPEN);
	finish();
}
END_TEST

START_TEST(connections_are_limited)
{
	int fd;

	begin("2");
	fd = listen_at("_1");
	buffers(10);
	fake_start();
	put(VSOCK_OP_REQUEST, 10, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	put(VSOCK_OP_REQUEST, 11, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	put(VSOCK_OP_REQUEST, 12, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RST);
	put(VSOCK_OP_RST, 10, 0);
	put(VSOCK_OP_REQUEST, 12, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	ck_assert_uint_eq(fake.counters[VSOCK_REFUSED], 1);
	forget("_1", fd);
	finish();
}
END_TEST

/* The host has gone; the guest is told, and then that it waited long enough. */
START_TEST(the_guest_takes_its_time)
{
	int fd, peer;

	begin(NULL);
	fd = listen_at("_1");
	buffers(10);
	fake_start();
	put(VSOCK_OP_REQUEST, 10, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	close(peer);
	fake_settle();
	ck_assert_uint_eq(get_op(), VSOCK_OP_SHUTDOWN);
	fake_at(START + 7999ULL * NS_PER_MS);
	ck_assert_uint_eq(get_op(), VSOCK_OP_INVALID);
	fake_at(START + 8001ULL * NS_PER_MS);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RST);
	forget("_1", fd);
	finish();
}
END_TEST

/* A client whose guest never answers. */
START_TEST(the_guest_does_not_answer)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char byte;

	begin(NULL);
	buffers(10);
	fake_start();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(send(fd, "CONNECT 9\n", 10, 0), 10);
	fake_settle();
	ck_assert_uint_eq(get_op(), VSOCK_OP_REQUEST);
	fake_at(START + 1999ULL * NS_PER_MS);
	ck_assert_int_lt(recv(fd, &byte, 1, 0), 0);
	fake_at(START + 2001ULL * NS_PER_MS);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RST);
	close(fd);
	finish();
}
END_TEST

/* What a client says at once behind its line, an empty message or an end of file among it. */
START_TEST(messages_at_once)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	struct virtio_vsock_hdr h;

	begin(NULL);
	buffers(10);
	fake_start();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s_seqpacket", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(send(fd, "CONNECT 9\n", 10, 0), 10);
	if (_i > 0)
		ck_assert_int_eq(send(fd, "", 0, 0), 0);
	ck_assert_int_eq(send(fd, "hello", 5, 0), 5);
	if (_i > 1)
		ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	fake_settle();
	h = get();
	ck_assert_uint_eq(le16_get(h.op), VSOCK_OP_REQUEST);
	h = (struct virtio_vsock_hdr){ .src_cid = h.dst_cid, .dst_cid = h.src_cid,
		.src_port = h.dst_port, .dst_port = h.src_port, .type = h.type,
		.op = le16(VSOCK_OP_RESPONSE), .buf_alloc = le32(65536) };
	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
	h = get();
	ck_assert_uint_eq(le16_get(h.op), VSOCK_OP_RW);
	ck_assert_uint_eq(le32_get(h.len), 5);
	ck_assert_uint_eq(get_op(), _i > 1 ? VSOCK_OP_SHUTDOWN : VSOCK_OP_INVALID);
	close(fd);
	finish();
}
END_TEST

/* The last crumbs of a window go to a guest that waits for them, if late. */
START_TEST(crumbs_of_a_window)
{
	static const uint8_t data[13000];
	unsigned n = 0, k;
	struct virtio_vsock_hdr h;
	int fd, peer;

	begin(NULL);
	fd = listen_at("_1");
	buffers(40);
	fake_start();
	h = (struct virtio_vsock_hdr){ .src_cid = le64(CID), .dst_cid = le64(VSOCK_CID_HOST),
		.src_port = le32(10), .dst_port = le32(1), .type = le16(VSOCK_TYPE_STREAM),
		.op = le16(VSOCK_OP_REQUEST), .buf_alloc = le32(16384) };
	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	for (k = 0; k < 2; k++) {
		ck_assert_int_eq(send(peer, data, sizeof(data), 0), sizeof(data));
		fake_settle();
	}
	for (k = 1; k < 5; k++) {
		fake_at(START + k * 101ULL * NS_PER_MS);
		fake_settle();
	}
	while (le16_get((h = get()).op) != VSOCK_OP_INVALID)
		n += le32_get(h.len);
	ck_assert_uint_eq(n, 16384);
	close(peer);
	forget("_1", fd);
	finish();
}
END_TEST

/* Nobody is asked for room when there is nothing to send. */
START_TEST(room_without_data)
{
	static const uint8_t data[13000];
	struct virtio_vsock_hdr h = { .src_cid = le64(CID), .dst_cid = le64(VSOCK_CID_HOST),
		.src_port = le32(10), .dst_port = le32(1), .type = le16(VSOCK_TYPE_STREAM),
		.op = le16(VSOCK_OP_REQUEST), .buf_alloc = le32(sizeof(data)) };
	int fd, peer;
	unsigned k;

	begin(NULL);
	fd = listen_at("_1");
	buffers(40);
	fake_start();
	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	ck_assert_int_eq(send(peer, data, sizeof(data), 0), sizeof(data));
	fake_settle();
	h.op = le16(VSOCK_OP_CREDIT_UPDATE);
	h.fwd_cnt = le32(sizeof(data));
	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
	while (get_op() != VSOCK_OP_INVALID)
		;
	for (k = 1; k < 5; k++)
		fake_at(START + k * 101ULL * NS_PER_MS);
	ck_assert_uint_eq(get_op(), VSOCK_OP_INVALID);
	close(peer);
	forget("_1", fd);
	finish();
}
END_TEST

/* Room that was not worth telling of is told of when the rest of a message needs it. */
START_TEST(credit_within_a_message)
{
	enum { FIRST = 60000 };
	static uint8_t packet[HDR + FIRST];
	struct virtio_vsock_hdr h = { .src_cid = le64(CID), .dst_cid = le64(VSOCK_CID_HOST),
		.src_port = le32(10), .dst_port = le32(1), .type = le16(VSOCK_TYPE_SEQPACKET),
		.op = le16(VSOCK_OP_REQUEST), .buf_alloc = le32(65536) };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	uint32_t room, n = FIRST;

	begin(NULL);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s_1", path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 10), 0);
	buffers(10);
	fake_start();
	fake_push_to(VSOCK_TXQ, &h, sizeof(h), 0);
	fake_settle();
	h.op = le16(VSOCK_OP_RW);
	h.flags = le32(VSOCK_SEQ_EOM);
	for (room = le32_get(get().buf_alloc); room > 0; room -= n) {
		n = room < FIRST ? room : FIRST;
		h.len = le32(n);
		memcpy(packet, &h, HDR);
		fake_push_to(VSOCK_TXQ, packet, HDR + n, 0);
		fake_settle();
		h.flags = le32(0);
	}
	h = get();
	ck_assert_uint_eq(le16_get(h.op), VSOCK_OP_CREDIT_UPDATE);
	ck_assert_uint_eq(le32_get(h.fwd_cnt), FIRST);
	forget("_1", fd);
	finish();
}
END_TEST

/* The guest reads no more, and the host closes: the guest is told. */
START_TEST(closed_behind_a_half)
{
	int fd, peer;

	begin(NULL);
	fd = listen_at("_1");
	buffers(10);
	fake_start();
	put(VSOCK_OP_REQUEST, 10, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	put(VSOCK_OP_SHUTDOWN, 10, VSOCK_SHUT_RCV);
	ck_assert_uint_eq(get_op(), VSOCK_OP_INVALID);
	close(peer);
	fake_settle();
	ck_assert_uint_eq(get_op(), VSOCK_OP_SHUTDOWN);
	forget("_1", fd);
	finish();
}
END_TEST

/* Nobody is let in while no guest is there. */
START_TEST(no_guest)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char byte;

	begin(NULL);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fake_settle();
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	fake_start();
	finish();
}
END_TEST

/* A socket that is in use, a file, a path that is too long: one line, and an error. */
START_TEST(paths)
{
	static const char *const names[] = { "taken", "file", "too-long" };
	struct error err = ERROR_NONE;
	char name[160];
	int fd = -1;
	FILE *f;

	snprintf(dir, sizeof(dir), "/tmp/test-vsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s", dir, names[_i]);
	snprintf(name, sizeof(name), _i == 2 ? "%s-%080d" : "%s", path, 0);
	if (_i == 0)
		fd = listen_at("");
	if (_i == 1) {
		f = fopen(path, "we");
		ck_assert_ptr_nonnull(f);
		fclose(f);
	}
	opt_defaults(device_vsock.options, &conf);
	opt_set(opt_find(device_vsock.options, "uds-path", 8), &conf, name, &err);
	fake_setup(&device_vsock, START);
	ck_assert_int_lt(fake_open(&conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, names[_i]));
	fake_close();
	fake_teardown();
	opt_finish(device_vsock.options, &conf);
	/* What was not ours is still there. */
	if (_i != 2)
		ck_assert_int_eq(access(path, F_OK), 0);
	if (fd >= 0)
		close(fd);
	unlink(path);
	rmdir(dir);
}
END_TEST

/* A connection of the guest's port 10, and the host's end of it. */
static int open_conn(void)
{
	int fd = listen_at("_1"), peer;

	put(VSOCK_OP_REQUEST, 10, 0);
	ck_assert_uint_eq(get_op(), VSOCK_OP_RESPONSE);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	forget("_1", fd);
	return peer;
}

static void send_bytes(uint32_t n)
{
	static uint8_t packet[HDR + VSOCK_PACKET_MAX];
	const struct virtio_vsock_hdr h = { .src_cid = le64(CID),
		.dst_cid = le64(VSOCK_CID_HOST), .src_port = le32(10), .dst_port = le32(1),
		.type = le16(VSOCK_TYPE_STREAM), .op = le16(VSOCK_OP_RW), .len = le32(n),
		.buf_alloc = le32(65536) };

	memcpy(packet, &h, HDR);
	fake_push_to(VSOCK_TXQ, packet, HDR + n, 0);
	fake_settle();
}

static unsigned connections(void)
{
	const struct vsock *v = fake.state;

	return v->n_conns;
}

/* The kernel has no memory for a write: it is tried again, for some seconds. */
START_TEST(no_memory_for_a_write)
{
	uint64_t now = START;
	char byte;
	int peer;

	begin(NULL);
	buffers(10);
	fake_start();
	peer = open_conn();
	presses = 5;
	send_bytes(1);
	while (presses > 0) {
		ck_assert_int_lt(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
		now += 101ULL * NS_PER_MS;
		ck_assert_uint_lt(now, START + 1000ULL * NS_PER_MS);
		fake_at(now);
		fake_settle();
	}
	now += 101ULL * NS_PER_MS;
	fake_at(now);
	ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), 1);
	send_bytes(1);
	ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), 1);
	ck_assert_uint_eq(get_op(), VSOCK_OP_INVALID);
	presses = 1000;
	send_bytes(1);
	while (connections() > 0) {
		now += 101ULL * NS_PER_MS;
		ck_assert_uint_lt(now, START + 20000ULL * NS_PER_MS);
		fake_at(now);
		fake_settle();
	}
	ck_assert_uint_gt(now, START + 3000ULL * NS_PER_MS);
	presses = 0;
	ck_assert_uint_eq(get_op(), VSOCK_OP_RST);
	ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
	close(peer);
	finish();
}
END_TEST

/* What a guest left behind waits as long as somebody reads of it now and then. */
START_TEST(lingering_ends)
{
	static uint8_t data[VSOCK_PACKET_MAX];
	const uint64_t minute = 60000ULL * NS_PER_MS;
	struct vsock *v;
	uint64_t had;
	int peer;

	begin_with("tx-buffer-size", "8388608");
	buffers(100);
	fake_start();
	peer = open_conn();
	v = fake.state;
	while (v->all->out.n < 3 << 20)
		send_bytes(VSOCK_PACKET_MAX);
	put(VSOCK_OP_SHUTDOWN, 10, VSOCK_SHUT_BOTH);
	while (get_op() != VSOCK_OP_RST)
		;
	fake_at(START + minute - 1);
	ck_assert_uint_eq(connections(), 1);
	/* As much as makes the socket writable. */
	for (had = v->all->got; v->all->got == had;) {
		ck_assert_int_gt(recv(peer, data, sizeof(data), MSG_DONTWAIT), 0);
		fake_settle();
	}
	fake_at(START + 2 * minute - 2);
	ck_assert_uint_eq(connections(), 1);
	fake_at(START + 2 * minute);
	ck_assert_uint_eq(connections(), 0);
	ck_assert_uint_eq(v->buffered, 0);
	close(peer);
	finish();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vsock");
	TCase *tc = tcase_create("vsock");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, lost_connections_are_told, 0, 2);
	tcase_add_test(tc, connections_are_limited);
	tcase_add_test(tc, the_guest_takes_its_time);
	tcase_add_test(tc, the_guest_does_not_answer);
	tcase_add_loop_test(tc, messages_at_once, 0, 3);
	tcase_add_test(tc, crumbs_of_a_window);
	tcase_add_test(tc, room_without_data);
	tcase_add_test(tc, credit_within_a_message);
	tcase_add_test(tc, closed_behind_a_half);
	tcase_add_test(tc, no_guest);
	tcase_add_test(tc, no_memory_for_a_write);
	tcase_add_test(tc, lingering_ends);
	tcase_add_loop_test(tc, paths, 0, 3);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
