/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the kinds of cases share. */
#include "hostile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vhost-device/fd.h"

_Static_assert(GUEST_RING_BASE == CASE_RING_BASE && GUEST_DATA_BASE == CASE_DATA_BASE &&
	       (int)GUEST_DATA_SIZE == (int)CASE_DATA_SIZE,
	       "the guest is laid out as the cases want it");

int hostile_spare_fd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = fd_eventfd();
	return fd;
}

struct guest *hostile_guest(const struct hostile *h, enum case_state state)
{
	struct guest_setup setup = h->setup;

	setup.raw = state == CASE_CONNECTED;
	setup.no_start = state == CASE_NEGOTIATED;
	return guest_new(&setup);
}

struct case_side hostile_side(const struct hostile *h, const struct guest *g)
{
	return (struct case_side){ h->setup.socket, SERVER_MS, g->fe, g->mem, g->ring, g->features,
		2, hostile_spare_fd() };
}

/* -- Sending and judging --------------------------------------------------- */

static uint64_t await_ack(struct guest *g, uint32_t request)
{
	struct fe_message m;
	uint64_t verdict;

	ck_ok(fe_recv(g->fe, &m, &err));
	ck_assert_uint_eq(m.hdr.request, request);
	ck_assert_uint_eq(m.hdr.flags, VU_VERSION | VU_REPLY);
	ck_assert_uint_eq(m.hdr.size, sizeof(verdict));
	ck_assert_uint_eq(m.n_fds, 0);
	memcpy(&verdict, m.body, sizeof(verdict));
	return verdict;
}

static void await_own_reply(struct guest *g, const struct case_wire *sent, bool empty)
{
	struct fe_message m;

	ck_ok(fe_recv(g->fe, &m, &err));
	ck_assert_uint_eq(m.hdr.request, sent->request);
	ck_assert_uint_eq(m.hdr.flags, VU_VERSION | VU_REPLY);
	if (empty)
		ck_assert_uint_eq(m.hdr.size, 0);
	fe_message_finish(&m);
}

bool hostile_send(struct guest *g, const struct case_wire *m, enum case_verdict v)
{
	bool ack = (m->flags & VU_NEED_REPLY) && fe_has_protocol(g->fe, VU_PF_REPLY_ACK);

	ck_ok(fe_send(g->fe, m->request, m->flags, m->body, m->size, m->fds, m->n_fds, &err));
	if (v == CASE_REFUSED && (!ack || case_has_reply(m->request)))
		v = CASE_CLOSED;
	if (v == CASE_CLOSED) {
		ck_ok(fe_wait_closed(g->fe, &err));
		return false;
	}
	if (v == CASE_NO_CONFIG)
		await_own_reply(g, m, true);
	else if (case_has_reply(m->request))
		await_own_reply(g, m, false);
	else if (ack)
		ck_assert_msg((await_ack(g, m->request) != 0) == (v == CASE_REFUSED),
			      v == CASE_REFUSED ? "accepted" : "refused");
	ck_ok(fe_barrier(g->fe, &err));
	return true;
}

int hostile_outcome(struct guest *g, struct fe_used *ret_used)
{
	int ret = fe_ring_wait(g->ring, g->fe, SERVER_MS, &err);

	return ret < 0 ? ret : fe_ring_get(g->ring, ret_used, &err);
}

void hostile_revive(struct guest *g)
{
	uint32_t base;

	ck_ok(fe_get_vring_base(g->fe, 0, &base, &err));
	guest_make_ring(g, 256, g->features);
	guest_start(g);
	guest_echo(g, 3, 2);
}

/* -- Strange descriptors --------------------------------------------------- */

const char *const strange_names[X_N] = {
	[X_MEMFD] = "a memfd", [X_EMPTY_MEMFD] = "an empty memfd",
	[X_READ_ONLY_MEMFD] = "a read-only memfd", [X_WRITE_SEALED_MEMFD] = "a write-sealed memfd",
	[X_FILE] = "a regular file", [X_WRITE_ONLY_FILE] = "a write-only file",
	[X_PATH] = "an O_PATH descriptor", [X_DIRECTORY] = "a directory",
	[X_PIPE_OUT] = "the reading end of a pipe", [X_PIPE_IN] = "the writing end of a pipe",
	[X_READABLE_PIPE] = "a pipe with something in it", [X_FULL_PIPE] = "a full pipe",
	[X_CLOSED_SOCKET] = "a socket without a peer", [X_LISTENING_SOCKET] = "a listening socket",
	[X_DATAGRAM_SOCKET] = "a datagram socket", [X_EVENTFD] = "an eventfd",
	[X_FULL_EVENTFD] = "a full, blocking eventfd", [X_EPOLL] = "an epoll descriptor",
	[X_TIMERFD] = "a timer that has expired", [X_ZERO] = "/dev/zero", [X_NULL] = "/dev/null",
	[X_RANDOM] = "/dev/urandom", [X_PROC_FILE] = "a file of /proc", [X_PIDFD] = "a pidfd",
};

static int open_path(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC);
}

static int memfd(size_t size, unsigned seals)
{
	int fd = memfd_create("strange", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int read_only(void)
{
	CLOSE_FD int fd = memfd(1 << 20, 0);
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open_path(path, O_RDONLY);
}

static int temporary_file(int flags)
{
	char path[] = "/tmp/vhost-device-file-XXXXXX";
	CLOSE_FD int fd = mkstemp(path);
	int again;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	again = open_path(path, flags);
	unlink(path);
	return again;
}

/* end: which one is kept; fill: how many bytes are put in, if it takes them. */
static int pipe_end(unsigned end, size_t fill)
{
	static const char bytes[1 << 16];
	int fds[2];

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert(fill == 0 || write(fds[1], bytes, fill) > 0);
	fcntl(fds[end], F_SETFL, 0);
	/* The reading end of a full pipe stays open somewhere, or writing fails at once. */
	if (fill <= 1)
		fd_close(&fds[!end]);
	return fds[end];
}

static int socket_end(int type, bool listening)
{
	int pair[2];

	if (listening) {
		pair[0] = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(pair[0], &(struct sockaddr){ .sa_family = AF_UNIX },
				      sizeof(sa_family_t)), 0);
		ck_assert_int_eq(listen(pair[0], 1), 0);
		return pair[0];
	}
	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	fd_close(&pair[1]);
	return pair[0];
}

static int full_eventfd(void)
{
	const uint64_t most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	ck_assert_int_eq(write(fd, &most, sizeof(most)), sizeof(most));
	return fd;
}

static int expired_timer(void)
{
	const struct itimerspec t = { { 0, 1000000 }, { 0, 1 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	ck_assert_int_eq(timerfd_settime(fd, 0, &t, NULL), 0);
	return fd;
}

int strange_fd(enum strange kind)
{
	switch (kind) {
	case X_MEMFD:
		return memfd(1 << 20, 0);
	case X_EMPTY_MEMFD:
		return memfd(0, 0);
	case X_READ_ONLY_MEMFD:
		return read_only();
	case X_WRITE_SEALED_MEMFD:
		return memfd(1 << 20, F_SEAL_WRITE);
	case X_FILE:
		return temporary_file(O_RDWR);
	case X_WRITE_ONLY_FILE:
		return temporary_file(O_WRONLY);
	case X_PATH:
		return open_path("/tmp", O_PATH);
	case X_DIRECTORY:
		return open_path("/tmp", O_RDONLY | O_DIRECTORY);
	case X_PIPE_OUT:
		return pipe_end(0, 0);
	case X_PIPE_IN:
		return pipe_end(1, 0);
	case X_READABLE_PIPE:
		return pipe_end(0, 1);
	case X_FULL_PIPE:
		return pipe_end(1, 1 << 16);
	case X_CLOSED_SOCKET:
		return socket_end(SOCK_STREAM, false);
	case X_LISTENING_SOCKET:
		return socket_end(SOCK_STREAM, true);
	case X_DATAGRAM_SOCKET:
		return socket_end(SOCK_DGRAM, false);
	case X_EVENTFD:
		return fd_eventfd();
	case X_FULL_EVENTFD:
		return full_eventfd();
	case X_EPOLL:
		return epoll_create1(EPOLL_CLOEXEC);
	case X_TIMERFD:
		return expired_timer();
	case X_ZERO:
		return open_path("/dev/zero", O_RDWR);
	case X_NULL:
		return open_path("/dev/null", O_RDWR);
	case X_RANDOM:
		return open_path("/dev/urandom", O_RDONLY);
	case X_PROC_FILE:
		return open_path("/proc/self/maps", O_RDONLY);
	case X_PIDFD:
		return (int)syscall(SYS_pidfd_open, getpid(), 0);
	case X_N:
		break;
	}
	return -1;
}
