/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Bytes that are no messages, or arrive in pieces that nobody expects: the
 * cases of src/probe/cases-frames.c, and one of a descriptor that comes late.
 */
#include <poll.h>

#include "hostile.h"

static unsigned count(void)
{
	return case_frame_count() + 1;
}

static const char *name(unsigned row)
{
	static struct case_frame c;

	if (row == case_frame_count())
		return "descriptor behind the first byte";
	case_frame_at(row, &c);
	return c.name;
}

/* The first byte comes without the descriptor, which is then lost: refused, not kept. */
static void send_late_fd(struct guest *g)
{
	struct {
		struct vu_header hdr;
		uint32_t value[2];
	} m = { { VU_SET_VRING_CALL, VU_VERSION | VU_NEED_REPLY, 8 }, { 0, 0 } };
	const int fd = hostile_spare_fd();
	struct fe_message reply;

	ck_ok(fe_send_raw(g->fe, &m, 1, NULL, 0, &err));
	poll(NULL, 0, 5);
	ck_ok(fe_send_raw(g->fe, (uint8_t *)&m + 1, sizeof(m) - 1, &fd, 1, &err));
	ck_ok(fe_recv(g->fe, &reply, &err));
	ck_assert_uint_eq(reply.body[0], 1);
	guest_echo(g, 3, 2);
}

static void play_frame(struct guest *g, unsigned row)
{
	struct case_frame c;
	struct fe_message m;
	unsigned i;

	case_frame_at(row, &c);
	ck_ok(case_frame_send(&c, g->fe, &err));
	if (c.end == FRAME_CLOSED)
		ck_ok(fe_wait_closed(g->fe, &err));
	for (i = 0; c.end == FRAME_FINE && i < c.send / 12; i++) {
		ck_ok(fe_recv(g->fe, &m, &err));
		ck_assert_uint_eq(m.hdr.request, c.request);
	}
	if (c.end == FRAME_FINE)
		guest_echo(g, 3, 2);
}

static void play(struct hostile *h, unsigned row)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);

	if (row == case_frame_count())
		send_late_fd(g);
	else
		play_frame(g, row);
	guest_free(g);
}

const struct hostile_kind hostile_frames = { "frame", count, name, play };
