/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The socket to a back end: connecting, and whole messages within a time. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "fe-priv.h"
#include "vhost-device/fd.h"

enum { RETRY_MS = 5 };

uint64_t fe_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned fe_left_ms(uint64_t deadline)
{
	uint64_t now = fe_now_ms();

	return deadline > now ? (unsigned)(deadline - now) : 0;
}

/* Of one call: its own time, or the end of all that was granted. */
uint64_t fe_deadline(const struct fe *fe)
{
	uint64_t own = fe_now_ms() + fe->timeout_ms;

	return fe->until != 0 && fe->until < own ? fe->until : own;
}

void fe_message_finish(struct fe_message *m)
{
	unsigned i;

	for (i = 0; i < m->n_fds; i++)
		fd_close(&m->fds[i]);
	m->n_fds = 0;
}

int fe_message_take_fd(struct fe_message *m, unsigned i)
{
	return i < m->n_fds ? take_fd(&m->fds[i]) : -1;
}

int fe_lose(struct fe *fe, int code)
{
	fe->lost = true;
	return code;
}

/* -- Connecting ------------------------------------------------------------ */

static int set_address(struct sockaddr_un *addr, const char *path, struct error *err)
{
	size_t n = strlen(path);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (n >= sizeof(addr->sun_path))
		return error_set(err, -ENAMETOOLONG, "socket %s: the path is too long", path);
	memcpy(addr->sun_path, path, n);
	return 0;
}

int fe_adopt(int fd, unsigned timeout_ms, struct fe **ret_fe, struct error *err)
{
	struct fe *fe = calloc(1, sizeof(*fe));

	if (fe == NULL) {
		fd_close(&fd);
		return error_memory(err);
	}
	fe->fd = fd;
	fe->backend_fd = -1;
	fe->timeout_ms = timeout_ms;
	fe->want_acks = true;
	*ret_fe = fe;
	return 0;
}

/* Nobody there yet, or its backlog is full: worth another try. */
static bool comes_later(int code)
{
	return code == ENOENT || code == ECONNREFUSED || code == EAGAIN;
}

int fe_connect(const char *path, unsigned timeout_ms, struct fe **ret_fe, struct error *err)
{
	uint64_t deadline = fe_now_ms() + timeout_ms;
	struct sockaddr_un addr;
	CLOSE_FD int fd = -1;
	int ret = set_address(&addr, path, err);

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "socket: %s", strerror(errno));
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		ret = errno;
		if (!comes_later(ret) || fe_left_ms(deadline) == 0)
			return error_set(err, -ret, "cannot connect to %s: %s", path,
					 strerror(ret));
		poll(NULL, 0, RETRY_MS);
	}
	return fe_adopt(take_fd(&fd), timeout_ms, ret_fe, err);
}

int fe_listen(const char *path, struct error *err)
{
	struct sockaddr_un addr;
	CLOSE_FD int fd = -1;
	int ret = set_address(&addr, path, err);

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return error_set(err, -errno, "cannot listen on %s: %s", path, strerror(errno));
	return take_fd(&fd);
}

int fe_accept(int listen_fd, unsigned timeout_ms, struct fe **ret_fe, struct error *err)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	int fd;

	if (poll(&p, 1, (int)timeout_ms) <= 0)
		return error_set(err, -ETIMEDOUT, "no back end connected within %u ms",
				 timeout_ms);
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return error_set(err, -errno, "accept: %s", strerror(errno));
	return fe_adopt(fd, timeout_ms, ret_fe, err);
}

void fe_free(struct fe *fe)
{
	if (fe == NULL)
		return;
	fe_close_backend_channel(fe);
	fd_close(&fe->fd);
	free(fe);
}

void fe_set_timeout(struct fe *fe, unsigned timeout_ms)
{
	fe->timeout_ms = timeout_ms;
}

void fe_set_total(struct fe *fe, unsigned total_ms)
{
	fe->until = total_ms != 0 ? fe_now_ms() + total_ms : 0;
}

int fe_fd(const struct fe *fe)
{
	return fe->fd;
}

unsigned fe_sent(const struct fe *fe)
{
	return fe->sent;
}

void fe_revive(struct fe *fe)
{
	fe->lost = false;
}

/* -- Sending --------------------------------------------------------------- */

/* Control data with the fds; the buffer holds FE_MAX_FDS and a few too many. */
union control {
	char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	struct cmsghdr align;
};

static void attach_fds(struct msghdr *msg, union control *control, const int *fds, unsigned n)
{
	struct cmsghdr *c;

	if (n == 0)
		return;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->buf;
	msg->msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
}

/* Drops the first n bytes of two pieces. */
static void advance(struct iovec iov[2], size_t n)
{
	unsigned i;
	size_t k;

	for (i = 0; i < 2 && n > 0; i++) {
		k = n < iov[i].iov_len ? n : iov[i].iov_len;
		if (k > 0)
			iov[i].iov_base = (char *)iov[i].iov_base + k;
		iov[i].iov_len -= k;
		n -= k;
	}
}

/* iov is an array of two. */
int fe_write_all(struct fe *fe, int fd, const struct iovec *iov, const int *fds, unsigned n_fds,
		 uint64_t deadline, struct error *err)
{
	struct iovec rest[2] = { iov[0], iov[1] };
	union control control;
	ssize_t n;
	int ret;

	if (n_fds > VU_MAX_FDS)
		return error_set(err, -EINVAL, "%u descriptors are too many", n_fds);
	while (rest[0].iov_len + rest[1].iov_len > 0) {
		struct msghdr msg = { .msg_iov = rest, .msg_iovlen = 2 };

		attach_fds(&msg, &control, fds, n_fds);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			n_fds = 0;
			advance(rest, (size_t)n);
		} else if (errno == EAGAIN || errno == ETOOMANYREFS) {
			ret = fe_wait_fd(fe, fd, POLLOUT, deadline, err);
			if (ret < 0)
				return ret;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return error_set(err, -ECONNRESET, "the back end has hung up");
		} else if (errno != EINTR) {
			return error_set(err, -errno, "send: %s", strerror(errno));
		}
	}
	return 0;
}

static int send_pieces(struct fe *fe, const struct iovec *iov, const int *fds, unsigned n_fds,
		       struct error *err)
{
	int ret;

	if (fe->lost)
		return error_set(err, -ENOTCONN, "not connected any more");
	ret = fe_write_all(fe, fe->fd, iov, fds, n_fds, fe_deadline(fe), err);
	return ret < 0 ? fe_lose(fe, ret) : 0;
}

int fe_send_raw(struct fe *fe, const void *bytes, size_t n, const int *fds, unsigned n_fds,
		struct error *err)
{
	const struct iovec iov[2] = { { (void *)(uintptr_t)bytes, n } };

	return send_pieces(fe, iov, fds, n_fds, err);
}

int fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *body, size_t size,
	    const int *fds, unsigned n_fds, struct error *err)
{
	struct vu_header hdr = { request, flags, (uint32_t)size };
	const struct iovec iov[2] = {
		{ &hdr, sizeof(hdr) }, { (void *)(uintptr_t)body, size },
	};
	int ret;

	fe->last = request;
	fe->sent++;
	ret = send_pieces(fe, iov, fds, n_fds, err);
	if (ret < 0)
		error_prefix(err, "message %u (%s): ", fe->sent, fe_request_name(request));
	return ret;
}

/* -- Receiving ------------------------------------------------------------- */

/* Every fd of a control message becomes ours, also those that are too many. */
static void collect_fds(struct msghdr *msg, struct fe_message *m, bool *too_many)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	size_t i, n = 0;
	int fd;

	/* Descriptors come in one message, and nothing else was asked for. */
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (m->n_fds < FE_MAX_FDS) {
			m->fds[m->n_fds++] = fd;
		} else {
			fd_close(&fd);
			*too_many = true;
		}
	}
	if (msg->msg_flags & MSG_CTRUNC)
		*too_many = true;
}

static int read_some(struct fe *fe, int fd, void *buf, size_t n, struct fe_message *m,
		     uint64_t deadline, struct error *err)
{
	union control control;
	bool too_many = false;
	ssize_t got;
	int ret;

	for (;;) {
		struct iovec iov = { buf, n };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			.msg_controllen = sizeof(control.buf) };

		got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got >= 0) {
			collect_fds(&msg, m, &too_many);
			break;
		}
		if (errno == EAGAIN) {
			ret = fe_wait_fd(fe, fd, POLLIN, deadline, err);
			if (ret < 0)
				return ret;
		} else if (errno == ECONNRESET) {
			got = 0;
			break;
		} else if (errno != EINTR) {
			return error_set(err, -errno, "receive: %s", strerror(errno));
		}
	}
	if (too_many)
		return error_set(err, -EPROTO, "the back end sent too many descriptors");
	if (got == 0)
		return error_set(err, -ECONNRESET, "the back end hung up");
	return (int)got;
}

static int read_all(struct fe *fe, int fd, void *buf, size_t n, struct fe_message *m,
		    uint64_t deadline, struct error *err)
{
	size_t done = 0;
	int ret;

	while (done < n) {
		ret = read_some(fe, fd, (char *)buf + done, n - done, m, deadline, err);
		if (ret < 0)
			return ret;
		done += (size_t)ret;
	}
	return 0;
}

/* On failure m holds no fds. */
int fe_read_message(struct fe *fe, int fd, struct fe_message *m, uint64_t deadline,
		    struct error *err)
{
	int ret;

	m->n_fds = 0;
	ret = read_all(fe, fd, &m->hdr, sizeof(m->hdr), m, deadline, err);
	if (ret == 0 && m->hdr.size > sizeof(m->body))
		ret = error_set(err, -EPROTO, "the back end announced %u bytes, at most %zu are "
				"possible", m->hdr.size, sizeof(m->body));
	if (ret == 0)
		ret = read_all(fe, fd, m->body, m->hdr.size, m, deadline, err);
	if (ret < 0)
		fe_message_finish(m);
	return ret;
}

int fe_recv(struct fe *fe, struct fe_message *ret_m, struct error *err)
{
	int ret;

	if (fe->lost)
		return error_set(err, -ENOTCONN, "not connected any more");
	ret = fe_read_message(fe, fe->fd, ret_m, fe_deadline(fe), err);
	if (ret < 0) {
		error_prefix(err, "after message %u (%s): ", fe->sent, fe_request_name(fe->last));
		return fe_lose(fe, ret);
	}
	return 0;
}

int fe_wait_closed(struct fe *fe, struct error *err)
{
	uint64_t deadline = fe_deadline(fe);
	struct fe_message scrap = { .n_fds = 0 };
	char bytes[256];
	int ret;

	fe->lost = true;
	do {
		ret = read_some(fe, fe->fd, bytes, sizeof(bytes), &scrap, deadline, err);
		fe_message_finish(&scrap);
	} while ((ret > 0 || ret == -EPROTO) && fe_left_ms(deadline) > 0);
	if (ret > 0)
		ret = error_set(err, -ETIMEDOUT, "the back end sends and does not hang up");
	return ret == -ECONNRESET ? 0 : ret;
}

int fe_expect_silence(struct fe *fe, unsigned ms, struct error *err)
{
	int ret = fe_wait_fd(fe, fe->fd, POLLIN, fe_now_ms() + ms, NULL);
	char byte;

	if (ret == -ETIMEDOUT)
		return 0;
	if (ret == 0 && recv(fe->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
		return error_set(err, -EPROTO, "the back end spoke unasked");
	return error_set(err, -ECONNRESET, "the back end hung up");
}
