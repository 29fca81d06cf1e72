/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The other end of a vhost-user socket, for tests. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

enum { PATIENCE_S = 5, SETTLE_TURNS = 12 };

void peer_pair(int *ret_ours, int *ret_peers)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	*ret_ours = fds[0];
	*ret_peers = fds[1];
}

void peer_write(int fd, const void *bytes, size_t n, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int) * VU_MAX_FDS)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	ck_assert_int_eq(sendmsg(fd, &msg, MSG_NOSIGNAL), (ssize_t)n);
}

void peer_send(int fd, uint32_t id, uint32_t flags, const void *body, size_t size, const int *fds,
	       unsigned n_fds)
{
	uint8_t bytes[sizeof(struct vu_header) + 32 * 1024];
	struct vu_header header = { id, flags, (uint32_t)size };

	ck_assert_uint_le(sizeof(header) + size, sizeof(bytes));
	memcpy(bytes, &header, sizeof(header));
	if (size > 0)
		memcpy(bytes + sizeof(header), body, size);
	peer_write(fd, bytes, sizeof(header) + size, fds, n_fds);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * PEER_MS + (uint64_t)ts.tv_nsec;
}

/* 1: n bytes are there, 0: closed, -1: they did not come in time. */
static int read_exactly(struct loop *l, int fd, void *dst, size_t n)
{
	uint64_t until = now_ns() + (uint64_t)PATIENCE_S * 1000 * PEER_MS;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		loop_turn(l, false);
		got = recv(fd, (uint8_t *)dst + have, n - have, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return 0;
		if (got > 0)
			have += (size_t)got;
		else if (now_ns() > until)
			return -1;
		else
			poll(&p, 1, 1);
	}
	return 1;
}

bool peer_recv(struct loop *l, int fd, struct vu_header *ret_header, void *body, size_t room,
	       bool *ret_closed)
{
	int ret = read_exactly(l, fd, ret_header, sizeof(*ret_header));

	if (ret_closed != NULL)
		*ret_closed = ret == 0;
	if (ret != 1)
		return false;
	ck_assert_uint_le(ret_header->size, room);
	return ret_header->size == 0 || read_exactly(l, fd, body, ret_header->size) == 1;
}

void peer_settle(struct loop *l)
{
	unsigned i;

	for (i = 0; i < SETTLE_TURNS; i++)
		loop_turn(l, false);
}

bool peer_silent(struct loop *l, int fd)
{
	uint8_t byte;

	peer_settle(l);
	return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

bool peer_closed(struct loop *l, int fd)
{
	uint8_t byte;
	ssize_t n;

	peer_settle(l);
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno == ECONNRESET);
}

unsigned peer_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}
