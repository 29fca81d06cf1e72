/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Bytes that are no messages, or arrive in pieces that nobody expects. */
#include <poll.h>
#include <string.h>

#include "hostile.h"

enum how { F_CLOSED, F_FINE, F_LEAVE, F_LATE_FD };

static const struct row {
	const char *name;
	enum how how;
	uint32_t request, flags, size;  /* of the header */
	unsigned send;                  /* bytes of header and a body of zeros */
	unsigned chunk;                 /* at a time; 0: all */
} rows[] = {
	{ "version 0", F_CLOSED, VU_GET_FEATURES, 0, 0, 12 },
	{ "version 2", F_CLOSED, VU_GET_FEATURES, 2, 0, 12 },
	{ "version 3", F_CLOSED, VU_GET_FEATURES, 3, 0, 12 },
	{ "version 0, asks for an answer", F_CLOSED, VU_SET_OWNER, 8, 0, 12 },
	{ "a reply to nothing", F_CLOSED, VU_GET_FEATURES, 5, 0, 12 },
	{ "a reply that asks for an answer", F_CLOSED, VU_SET_OWNER, 0xd, 0, 12 },
	{ "unknown flag bits", F_FINE, VU_GET_FEATURES, 0xfffffff1, 0, 12 },
	{ "all zeros", F_CLOSED, 0, 0, 0, 12 },
	{ "all ones", F_CLOSED, UINT32_MAX, UINT32_MAX, UINT32_MAX, 12 },
	{ "4 GiB announced", F_CLOSED, VU_SET_OWNER, 1, UINT32_MAX, 12 },
	{ "2 GiB announced", F_CLOSED, VU_SET_OWNER, 1, 0x80000000, 12 },
	{ "a byte more than any message", F_CLOSED, VU_SET_OWNER, 1, 4097, 12 },
	{ "a byte more than any memory table", F_CLOSED, VU_SET_MEM_TABLE, 1, 8 + 512 * 32 + 1,
		12 },
	{ "a byte and good-bye", F_LEAVE, VU_GET_FEATURES, 1, 0, 1 },
	{ "half a header and good-bye", F_LEAVE, VU_GET_FEATURES, 1, 0, 6 },
	{ "a header less a byte and good-bye", F_LEAVE, VU_GET_FEATURES, 1, 0, 11 },
	{ "a header without its body and good-bye", F_LEAVE, VU_SET_FEATURES, 1, 8, 12 },
	{ "half a body and good-bye", F_LEAVE, VU_SET_FEATURES, 1, 8, 16 },
	{ "a body less a byte and good-bye", F_LEAVE, VU_SET_FEATURES, 1, 8, 19 },
	{ "a memory table less a byte and good-bye", F_LEAVE, VU_SET_MEM_TABLE, 1, 4096, 4107 },
	{ "byte by byte", F_FINE, VU_GET_FEATURES, 1, 0, 12, 1 },
	{ "in halves", F_FINE, VU_GET_FEATURES, 1, 0, 12, 6 },
	{ "body byte by byte", F_CLOSED, VU_SET_FEATURES, 1, 8, 20, 1 },
	{ "body apart from its header", F_CLOSED, VU_SET_FEATURES, 1, 8, 20, 12 },
	{ "descriptor behind the first byte", F_LATE_FD },
	{ "two messages at once", F_FINE, VU_GET_FEATURES, 1, 0, 24 },
};

static const char *name(unsigned row)
{
	return rows[row].name;
}

static void send_chunks(struct guest *g, const struct row *r)
{
	uint8_t bytes[8192] = { 0 };
	const struct vu_header hdr = { r->request, r->flags, r->size };
	unsigned chunk = r->chunk != 0 ? r->chunk : r->send, at, n;

	memcpy(bytes, &hdr, sizeof(hdr));
	if (r->size == 0 && r->send > sizeof(hdr))
		memcpy(bytes + sizeof(hdr), &hdr, sizeof(hdr));
	for (at = 0; at < r->send; at += n) {
		n = r->send - at < chunk ? r->send - at : chunk;
		ck_ok(fe_send_raw(g->fe, bytes + at, n, NULL, 0, &err));
		if (r->chunk != 0)
			poll(NULL, 0, 1);
	}
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

static void play(struct hostile *h, unsigned row)
{
	const struct row *r = &rows[row];
	struct guest *g = hostile_guest(h, S_RUNNING);
	struct fe_message m;
	unsigned i;

	if (r->how == F_LATE_FD)
		send_late_fd(g);
	else
		send_chunks(g, r);
	if (r->how == F_CLOSED)
		ck_ok(fe_wait_closed(g->fe, &err));
	for (i = 0; r->how == F_FINE && i < r->send / 12; i++) {
		ck_ok(fe_recv(g->fe, &m, &err));
		ck_assert_uint_eq(m.hdr.request, r->request);
	}
	if (r->how == F_FINE)
		guest_echo(g, 3, 2);
	guest_free(g);
}

const struct hostile_kind hostile_frames = { "frame", ARRAY_SIZE(rows), name, play };
