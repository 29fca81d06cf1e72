/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A back end of canned bytes. */
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "canned.h"
#include "vhost-device/fd.h"

struct error err;
struct fe *fe;
int peer = -1;

unsigned count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

void set_up_pair(void)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	peer = pair[1];
	ck_ok(fe_adopt(pair[0], TIMEOUT_MS, &fe, &err));
}

void tear_down_pair(void)
{
	fe_free(fe);
	fe = NULL;
	fd_close(&peer);
}

void say_fds(int to, uint32_t request, uint32_t flags, const void *body, uint32_t size,
	     const int *fds, unsigned n_fds)
{
	struct vu_header hdr = { request, flags, size };
	struct iovec iov[2] = { { &hdr, sizeof(hdr) }, { (void *)(uintptr_t)body, size } };
	char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = body != NULL ? 2 : 1 };
	struct cmsghdr *c;

	if (n_fds > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	ck_assert_int_ge(sendmsg(to, &msg, 0), (ssize_t)sizeof(hdr));
}

void say(uint32_t request, uint32_t flags, const void *body, uint32_t size)
{
	say_fds(peer, request, flags, body, size, NULL, 0);
}

void say_u64(uint32_t request, uint64_t value)
{
	say(request, VU_VERSION | VU_REPLY, &value, sizeof(value));
}

unsigned hear(uint32_t request, uint32_t flags, void *body, uint32_t size, int *ret_fd)
{
	char control[CMSG_SPACE(64 * sizeof(int))];
	struct vu_header hdr;
	struct iovec iov = { &hdr, sizeof(hdr) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	unsigned n = 0, i;
	int fd;

	ck_assert_int_eq(recvmsg(peer, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL), sizeof(hdr));
	ck_assert_uint_eq(hdr.request, request);
	ck_assert_uint_eq(hdr.flags, flags);
	ck_assert_uint_eq(hdr.size, size);
	if (size > 0)
		ck_assert_int_eq(recv(peer, body, size, MSG_WAITALL), size);
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL)
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (i == 0 && ret_fd != NULL)
			*ret_fd = take_fd(&fd);
		fd_close(&fd);
	}
	return n;
}
