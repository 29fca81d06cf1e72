/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A front end that misuses the channel on which the back end asks, before anything was asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cases.h"
#include "vhost-device/error.h"
#include "vhost-device/fd.h"

enum how {
	SAY,            /* bytes are sent */
	CLOSE,
	REPLACE,        /* a new channel takes the place of the old, over and over */
	STRANGE,        /* something else than a stream socket */
	ITSELF,         /* the front end's own connection */
};
enum { REPLACEMENTS = 100 };

/* How, name, request, flags, size and bytes sent. */
#define CHANNELS(X) \
	X(SAY, "answer to nothing", VU_BACKEND_CONFIG_CHANGE, 5, 8, 20) \
	X(SAY, "a request instead", VU_GET_FEATURES, 1, 0, 12) \
	X(SAY, "version 0", VU_BACKEND_VRING_CALL, 0, 8, 20) \
	X(SAY, "4 GiB announced", VU_BACKEND_VRING_CALL, 5, -1, 12) \
	X(SAY, "half a header", VU_BACKEND_VRING_CALL, 5, 8, 6) \
	X(SAY, "garbage", -2, -3, -4, 200) \
	X(CLOSE, "closed", 0, 0, 0, 0) \
	X(REPLACE, "replaced over and over", 0, 0, 0, 0) \
	X(STRANGE, "a directory", 0, 0, 0, 0) \
	X(STRANGE, "/dev/zero", 0, 0, 0, 1) \
	X(ITSELF, "the connection itself", 0, 0, 0, 0)

/* With their sign carried on: -1 is 2^32 - 1. */
static const struct row {
	uint8_t how;
	int8_t request, flags, size;
	uint8_t send;
} rows[] = {
#define ROW(how, name, request, flags, size, send) { how, request, flags, size, send },
	CHANNELS(ROW)
#undef ROW
};

#define ROW(how, name, ...) name "\0"
static const char names[] = CHANNELS(ROW);
#undef ROW

unsigned case_channel_count(void)
{
	return ARRAY_SIZE(rows);
}

void case_channel_at(unsigned i, struct case_channel *ret_case)
{
	ret_case->ends_session = rows[i].how == ITSELF;
	snprintf(ret_case->name, CASE_NAME, "%s", case_text(names, i));
}

static int set_channel(const struct case_side *s, int fd, struct error *err)
{
	return fe_request(s->fe, VU_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1, NULL, err);
}

/* Our end of a new channel. */
static int attach(const struct case_side *s, struct error *err)
{
	CLOSE_FD int ours = -1;
	CLOSE_FD int theirs = -1;
	int pair[2], ret;

	if (!fe_has_protocol(s->fe, VU_PF_BACKEND_REQ))
		return -EOPNOTSUPP;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "socketpair: %s", strerror(errno));
	ours = pair[0];
	theirs = pair[1];
	ret = set_channel(s, theirs, err);
	return ret < 0 ? ret : take_fd(&ours);
}

static void say(int channel, const struct row *r)
{
	uint8_t bytes[256] = { 0 };
	const struct vu_header hdr = { (uint32_t)r->request, (uint32_t)r->flags,
		(uint32_t)r->size };

	memcpy(bytes, &hdr, sizeof(hdr));
	/* The other end may be closed by now. */
	if (send(channel, bytes, r->send, MSG_NOSIGNAL) < 0)
		return;
}

static int replace(const struct case_side *s, int *channel, struct error *err)
{
	unsigned i;

	for (i = 0; *channel >= 0 && i < REPLACEMENTS; i++) {
		fd_close(channel);
		*channel = attach(s, err);
	}
	return *channel < 0 ? *channel : 0;
}

static int send_strange(const struct case_side *s, const char *path, struct error *err)
{
	CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret = set_channel(s, fd, err);

	/* A refusal is as sound. */
	return ret == -EREMOTEIO ? 0 : ret;
}

static int misuse(const struct row *r, const struct case_side *s, int *channel, struct error *err)
{
	int fd = fe_fd(s->fe);

	switch ((enum how)r->how) {
	case SAY:
		say(*channel, r);
		break;
	case CLOSE:
		fd_close(channel);
		break;
	case REPLACE:
		return replace(s, channel, err);
	case STRANGE:
		return send_strange(s, r->send ? "/dev/zero" : "/", err);
	case ITSELF:
		/* Its answer goes to itself, who can make nothing of it. */
		return fe_send(s->fe, VU_SET_BACKEND_REQ_FD, VU_VERSION | VU_NEED_REPLY, NULL, 0,
			       &fd, 1, err);
	}
	return 0;
}

int case_channel_play(unsigned i, const struct case_side *s, int *ret_channel, struct error *err)
{
	const struct row *r = &rows[i];
	CLOSE_FD int channel = attach(s, err);
	int ret = channel < 0 ? channel : 0;

	if (ret == 0)
		ret = misuse(r, s, &channel, err);
	*ret_channel = take_fd(&channel);
	return ret;
}
