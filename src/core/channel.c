/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Framing. A message is read in three steps that may each be cut anywhere by
 * the socket: the first bytes of the header together with the descriptors, the
 * rest of the header, the body. Never a byte more than announced is read,
 * because it could belong to the next message and carry its descriptors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/channel.h"
#include "vhost-device/fd.h"
#include "wire/vhost-user.h"

enum {
	MESSAGES_PER_TURN = 32,         /* then other sources of the loop have their turn */
	UNSENT_MAX = 64 * 1024,
	BODY_KEPT = 4096,               /* a larger body is given back after its message */
};

struct channel_inbox {
	struct vu_header header;
	size_t have;                    /* bytes of header and body */
	int fds[VU_MAX_FDS];
	unsigned n_fds;
	uint8_t *body;
	size_t body_room;
};

/* The close of a socket that was told to linger would wait for its peer. */
static void close_fds(int *fds, unsigned n)
{
	static const struct linger no_linger;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (fds[i] >= 0)
			setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &no_linger, sizeof(no_linger));
		fd_close(&fds[i]);
	}
}

static void watch(struct channel *ch)
{
	unsigned events = IO_HUP;

	if (ch->ended)
		events = 0;
	else if (channel_unsent(ch) > 0)
		events |= IO_WRITE;
	else if (!ch->paused)
		events |= IO_READ;
	/* Cannot fail: the descriptor was accepted by channel_init(). */
	io_set(&ch->io, events);
}

static void end(struct channel *ch, const char *why)
{
	ch->ended = true;
	watch(ch);
	ch->gone(ch, why);
}

/* Negative errno; a closed peer shows as -EPIPE. */
static ssize_t result_of(ssize_t n)
{
	if (n > 0)
		return n;
	return n == 0 ? -EPIPE : -errno;
}

static ssize_t read_plain(struct channel *ch, void *dst, size_t n)
{
	ssize_t got;

	do {
		got = recv(ch->fd, dst, n, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	return result_of(got);
}

static void collect_fds(struct channel_inbox *in, struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(in->fds + in->n_fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
		in->n_fds += (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	}
}

/* The first bytes of a header, with whatever descriptors they carry. */
static ssize_t read_first(struct channel *ch)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int) * VU_MAX_FDS)];
	} control;
	struct channel_inbox *in = ch->in;
	struct iovec iov = { &in->header, sizeof(in->header) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t got;

	do {
		got = recvmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	collect_fds(in, &msg);
	/* The kernel could not hand over all of them: our table of open files is full. */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EMFILE;
	return result_of(got);
}

static const char *check_header(struct channel *ch)
{
	struct channel_inbox *in = ch->in;
	uint8_t *room;

	if ((in->header.flags & VU_VERSION_MASK) != VU_VERSION)
		return "a message of an unknown protocol version";
	if (in->header.size > ch->limit(ch, in->header.request))
		return "a message that is too long";
	if (in->header.size <= in->body_room)
		return NULL;
	room = realloc(in->body, in->header.size);
	if (room == NULL)
		return "no memory for a message";
	in->body = room;
	in->body_room = in->header.size;
	return NULL;
}

static void deliver(struct channel *ch)
{
	struct channel_inbox *in = ch->in;
	int fds[VU_MAX_FDS];
	uint8_t *body = take_ptr(in->body);
	struct message m = {
		.id = in->header.request, .flags = in->header.flags,
		.body = body, .size = in->header.size, .fds = fds, .n_fds = in->n_fds,
	};

	/* The callback may finish the channel: only what is local is used behind it. */
	memcpy(fds, in->fds, in->n_fds * sizeof(int));
	in->n_fds = 0;
	in->have = 0;
	ch->got(ch, &m);
	close_fds(fds, m.n_fds);
	if (ch->in != NULL && ch->in->body_room <= BODY_KEPT) {
		ch->in->body = body;
		return;
	}
	free(body);
	if (ch->in != NULL)
		ch->in->body_room = 0;
}

static void failed(struct channel *ch, ssize_t err)
{
	static const char inside[] = "the peer left inside a message";

	if (err == -EMFILE)
		end(ch, "file descriptors were lost, is the limit of open files too low");
	else
		end(ch, ch->in->have > 0 ? inside : NULL);
}

/* One step; false when there is nothing to read now or ever. */
static bool receive(struct channel *ch)
{
	struct channel_inbox *in = ch->in;
	const size_t head = sizeof(in->header);
	const char *why;
	ssize_t n;

	if (in->have == 0)
		n = read_first(ch);
	else if (in->have < head)
		n = read_plain(ch, (uint8_t *)&in->header + in->have, head - in->have);
	else
		n = read_plain(ch, in->body + (in->have - head), head + in->header.size - in->have);
	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		failed(ch, n);
		return false;
	}
	in->have += (size_t)n;
	if (in->have < head)
		return true;
	why = in->have == head ? check_header(ch) : NULL;
	if (why != NULL) {
		end(ch, why);
		return false;
	}
	if (in->have == head + in->header.size)
		deliver(ch);
	return true;
}

static void flush(struct channel *ch)
{
	ssize_t n;

	do {
		n = send(ch->fd, ch->out + ch->out_at, channel_unsent(ch),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		end(ch, NULL);
		return;
	}
	ch->out_at += (size_t)n;
	if (channel_unsent(ch) > 0)
		return;
	free(take_ptr(ch->out));
	ch->out_at = 0;
	ch->out_size = 0;
	watch(ch);
	if (ch->sent != NULL)
		ch->sent(ch);
}

static bool may_read(const struct channel *ch)
{
	return ch->in != NULL && !ch->ended && !ch->paused && channel_unsent(ch) == 0;
}

static void on_ready(struct io *io, unsigned ready)
{
	struct channel *ch = container_of(io, struct channel, io);
	unsigned steps;

	if (channel_unsent(ch) > 0) {
		flush(ch);
		/* Who asks no more and reads nothing either would wake us for ever. */
		if ((ready & IO_HUP) && channel_unsent(ch) > 0 && !ch->ended)
			end(ch, NULL);
		return;
	}
	/* What was sent before the peer hung up is still read, except while paused. */
	if (!may_read(ch)) {
		if (ready & IO_HUP)
			end(ch, NULL);
		return;
	}
	/* A message takes three steps when it is not cut. */
	for (steps = 0; steps < 3 * MESSAGES_PER_TURN && may_read(ch); steps++) {
		if (!receive(ch))
			return;
	}
}

int channel_init(struct channel *ch, struct loop *l, int fd)
{
	int ret;

	ch->in = calloc(1, sizeof(*ch->in));
	if (ch->in == NULL) {
		fd_close(&fd);
		return -ENOMEM;
	}
	ch->fd = fd;
	ch->paused = false;
	ch->ended = false;
	ch->out = NULL;
	ch->out_at = 0;
	ch->out_size = 0;
	io_init(&ch->io, l, fd, on_ready);
	ret = io_set(&ch->io, IO_READ | IO_HUP);
	if (ret < 0)
		channel_finish(ch);
	return ret;
}

/* Keep what the socket did not take: behind what waits already. */
static int keep(struct channel *ch, const struct iovec *iov, size_t skip)
{
	size_t unsent = channel_unsent(ch);
	size_t n = iov[0].iov_len + iov[1].iov_len - skip;
	size_t first = skip < iov[0].iov_len ? iov[0].iov_len - skip : 0;
	uint8_t *out;

	out = malloc(unsent + n);
	if (out == NULL)
		return -ENOMEM;
	if (unsent > 0)
		memcpy(out, ch->out + ch->out_at, unsent);
	memcpy(out + unsent, (const uint8_t *)iov[0].iov_base + (iov[0].iov_len - first), first);
	if (n > first)
		memcpy(out + unsent + first,
		       (const uint8_t *)iov[1].iov_base + (iov[1].iov_len - (n - first)),
		       n - first);
	free(ch->out);
	ch->out = out;
	ch->out_at = 0;
	ch->out_size = unsent + n;
	watch(ch);
	return 0;
}

int channel_send(struct channel *ch, uint32_t id, uint32_t flags, const void *body, size_t size)
{
	struct vu_header header = { id, flags, (uint32_t)size };
	union {
		const void *in;
		void *out;
	} data = { .in = body };
	struct iovec iov[2] = { { &header, sizeof(header) }, { data.out, size } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n = 0;

	if (ch->in == NULL || ch->ended)
		return -EPIPE;
	if (channel_unsent(ch) > 0) {
		if (channel_unsent(ch) + sizeof(header) + size > UNSENT_MAX)
			return -ENOBUFS;
		return keep(ch, iov, 0);
	}
	do {
		n = sendmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n < 0)
		n = 0;
	return (size_t)n == sizeof(header) + size ? 0 : keep(ch, iov, (size_t)n);
}

size_t channel_unsent(const struct channel *ch)
{
	return ch->out_size - ch->out_at;
}

void channel_pause(struct channel *ch, bool paused)
{
	if (ch->paused == paused)
		return;
	ch->paused = paused;
	watch(ch);
}

void channel_finish(struct channel *ch)
{
	if (ch->in == NULL)
		return;
	io_finish(&ch->io);
	fd_close(&ch->fd);
	close_fds(ch->in->fds, ch->in->n_fds);
	free(ch->in->body);
	free(take_ptr(ch->in));
	free(take_ptr(ch->out));
	ch->out_at = 0;
	ch->out_size = 0;
}
