/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A front end that misuses the channel on which the back end asks, before anything was asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

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

static int attach(const struct case_side *s, struct error *err)
{
	return fe_open_backend_channel(s->fe, NULL, NULL, err);
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

static int replace(const struct case_side *s, struct error *err)
{
	unsigned i;
	int ret = 0;

	for (i = 0; ret == 0 && i < REPLACEMENTS; i++)
		ret = attach(s, err);
	return ret;
}

static int send_strange(const struct case_side *s, const char *path, struct error *err)
{
	CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret = set_channel(s, fd, err);

	/* A refusal is as sound. */
	return ret == -EREMOTEIO ? 0 : ret;
}

int case_channel_play(unsigned i, const struct case_side *s, struct error *err)
{
	const struct row *r = &rows[i];
	int fd = fe_fd(s->fe), ret = attach(s, err);

	if (ret < 0)
		return ret;
	switch ((enum how)r->how) {
	case SAY:
		say(fe_backend_fd(s->fe), r);
		break;
	case CLOSE:
		fe_close_backend_channel(s->fe);
		break;
	case REPLACE:
		return replace(s, err);
	case STRANGE:
		return send_strange(s, r->send ? "/dev/zero" : "/", err);
	case ITSELF:
		/* Its answer goes to itself, who can make nothing of it. */
		return fe_send(s->fe, VU_SET_BACKEND_REQ_FD, VU_VERSION | VU_NEED_REPLY, NULL, 0,
			       &fd, 1, err);
	}
	return 0;
}
