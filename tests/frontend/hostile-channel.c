/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A front end that misuses the channel on which the back end asks: the cases of
 * src/probe/cases-channel.c, and those in which the back end has asked.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile.h"
#include "vhost-device/fd.h"

enum how {
	C_ANSWER,       /* these bytes answer an in-band call */
	C_CLOSE_ASKED,  /* our end is closed when a call waits for its answer */
	C_SILENT,       /* calls are never answered, nor read */
	C_STRANGE,      /* something else than a stream socket: .request is an enum strange */
};

static const struct row {
	const char *name;
	enum how how;
	uint32_t request, flags, size;
	unsigned send;
} rows[] = {
	{ "as it should be", C_ANSWER, VU_BACKEND_VRING_CALL, 5, 8, 20 },
	{ "other request answered", C_ANSWER, VU_BACKEND_CONFIG_CHANGE, 5, 8, 20 },
	{ "answer is no reply", C_ANSWER, VU_BACKEND_VRING_CALL, 1, 8, 20 },
	{ "answer too short", C_ANSWER, VU_BACKEND_VRING_CALL, 5, 4, 16 },
	{ "answer empty", C_ANSWER, VU_BACKEND_VRING_CALL, 5, 0, 12 },
	{ "answer too long", C_ANSWER, VU_BACKEND_VRING_CALL, 5, 16, 28 },
	{ "answer cut off", C_ANSWER, VU_BACKEND_VRING_CALL, 5, 8, 15 },
	{ "closed when asked", C_CLOSE_ASKED },
	{ "never answered", C_SILENT },
	{ "a memfd", C_STRANGE, X_MEMFD },
	{ "a pipe", C_STRANGE, X_PIPE_IN },
	{ "a socket without a peer", C_STRANGE, X_CLOSED_SOCKET },
	{ "a listening socket", C_STRANGE, X_LISTENING_SOCKET },
	{ "a datagram socket", C_STRANGE, X_DATAGRAM_SOCKET },
};

static const char *name(unsigned row)
{
	static struct case_channel c;

	if (row >= case_channel_count())
		return rows[row - case_channel_count()].name;
	case_channel_at(row, &c);
	return c.name;
}

static void send_bytes(int fd, const struct row *r)
{
	uint8_t bytes[256] = { 0 };
	const struct vu_header hdr = { r->request, r->flags, r->size };

	memcpy(bytes, &hdr, sizeof(hdr));
	ck_assert_int_eq(send(fd, bytes, r->send, MSG_NOSIGNAL), r->send);
}

/* Our end of a new channel of the victim's. */
static int attach(struct guest *g)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_ok(fe_request(g->fe, VU_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1, NULL, &err));
	fd_close(&pair[1]);
	return pair[0];
}

/* Waits for the call that the device owes, and leaves it unanswered. */
static void await_call(struct guest *g, int channel)
{
	struct vu_vring_state state;
	struct vu_header hdr;

	must(!fe_ring_arm(g->ring, 1));
	must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	do {
		ck_assert_int_eq(recv(channel, &hdr, sizeof(hdr), MSG_WAITALL), sizeof(hdr));
		if (hdr.size > 0)
			ck_assert_int_eq(recv(channel, &state, sizeof(state), MSG_WAITALL),
					 sizeof(state));
	} while (hdr.request != VU_BACKEND_VRING_CALL);
	ck_assert_uint_eq(hdr.flags, VU_VERSION | VU_NEED_REPLY);
}

/* In-band requests without a channel: they are served, only nobody is called. */
static void serve_without(struct guest *g)
{
	unsigned i;

	for (i = 0; i < 5; i++)
		must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	guest_await_all(g);
}

static void misuse(struct guest *g, const struct row *r, int *channel)
{
	CLOSE_FD int strange = -1;
	unsigned i;

	switch (r->how) {
	case C_ANSWER:
		await_call(g, *channel);
		send_bytes(*channel, r);
		break;
	case C_CLOSE_ASKED:
		await_call(g, *channel);
		fd_close(channel);
		break;
	case C_SILENT:
		await_call(g, *channel);
		for (i = 0; i < 200; i++)
			serve_without(g);
		break;
	case C_STRANGE:
		strange = strange_fd((enum strange)r->request);
		/* Either is sound. */
		if (fe_request(g->fe, VU_SET_BACKEND_REQ_FD, NULL, 0, &strange, 1, NULL, &err) < 0)
			ck_assert_int_eq(err.code, -EREMOTEIO);
		break;
	}
}

static void play(struct hostile *h, unsigned row)
{
	struct case_channel c = { .ends_session = false };
	struct guest_setup setup = h->setup;
	struct case_side side;
	struct guest *g;
	int channel = -1;

	setup.inband = true;
	g = guest_new(&setup);
	if (row < case_channel_count()) {
		case_channel_at(row, &c);
		side = hostile_side(h, g);
		ck_ok(case_channel_play(row, &side, &err));
	} else {
		channel = attach(g);
		misuse(g, &rows[row - case_channel_count()], &channel);
	}
	if (!c.ends_session) {
		serve_without(g);
		ck_ok(fe_barrier(g->fe, &err));
	}
	fd_close(&channel);
	guest_free(g);
}

static unsigned count(void)
{
	return case_channel_count() + ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_channel = { "back-end channel", count, name, play };
