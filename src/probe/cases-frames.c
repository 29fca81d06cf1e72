/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Bytes that are no messages, or arrive in pieces that nobody expects. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "vhost-device/util.h"

#define FRAMES(X) \
	X("version 0", FRAME_CLOSED, VU_GET_FEATURES, 0, 0, 12, 0) \
	X("version 2", FRAME_CLOSED, VU_GET_FEATURES, 2, 0, 12, 0) \
	X("version 3", FRAME_CLOSED, VU_GET_FEATURES, 3, 0, 12, 0) \
	X("version 0, asks for an answer", FRAME_CLOSED, VU_SET_OWNER, 8, 0, 12, 0) \
	X("a reply to nothing", FRAME_CLOSED, VU_GET_FEATURES, 5, 0, 12, 0) \
	X("a reply that asks for an answer", FRAME_CLOSED, VU_SET_OWNER, 0xd, 0, 12, 0) \
	X("unknown flag bits", FRAME_FINE, VU_GET_FEATURES, -15, 0, 12, 0) \
	X("all zeros", FRAME_CLOSED, 0, 0, 0, 12, 0) \
	X("all ones", FRAME_CLOSED, -1, -1, UINT32_MAX, 12, 0) \
	X("4 GiB announced", FRAME_CLOSED, VU_SET_OWNER, 1, UINT32_MAX, 12, 0) \
	X("2 GiB announced", FRAME_CLOSED, VU_SET_OWNER, 1, 0x80000000, 12, 0) \
	X("a byte more than any message", FRAME_CLOSED, VU_SET_OWNER, 1, 4097, 12, 0) \
	X("a byte more than any memory table", FRAME_CLOSED, VU_SET_MEM_TABLE, 1, \
	  8 + 512 * 32 + 1, 12, 0) \
	X("a byte", FRAME_LEAVE, VU_GET_FEATURES, 1, 0, 1, 0) \
	X("half a header", FRAME_LEAVE, VU_GET_FEATURES, 1, 0, 6, 0) \
	X("a header less a byte", FRAME_LEAVE, VU_GET_FEATURES, 1, 0, 11, 0) \
	X("a header without its body", FRAME_LEAVE, VU_SET_FEATURES, 1, 8, 12, 0) \
	X("half a body", FRAME_LEAVE, VU_SET_FEATURES, 1, 8, 16, 0) \
	X("a body less a byte", FRAME_LEAVE, VU_SET_FEATURES, 1, 8, 19, 0) \
	X("a memory table less a byte", FRAME_LEAVE, VU_SET_MEM_TABLE, 1, 4096, \
	  4107, 0) \
	X("byte by byte", FRAME_FINE, VU_GET_FEATURES, 1, 0, 12, 1) \
	X("in halves", FRAME_FINE, VU_GET_FEATURES, 1, 0, 12, 6) \
	X("body byte by byte", FRAME_CLOSED, VU_SET_FEATURES, 1, 8, 20, 1) \
	X("body apart from its header", FRAME_CLOSED, VU_SET_FEATURES, 1, 8, 20, 12) \
	X("two messages at once", FRAME_FINE, VU_GET_FEATURES, 1, 0, 24, 0)

/* Request and flags with their sign carried on: -1 is 2^32 - 1. */
static const struct row {
	uint32_t size;
	uint16_t send;
	int8_t request, flags;
	uint8_t chunk, end;
} rows[] = {
#define ROW(name, end, request, flags, size, send, chunk) \
	{ size, send, request, flags, chunk, end },
	FRAMES(ROW)
#undef ROW
};

#define ROW(name, end, request, flags, size, send, chunk) name "\0"
static const char names[] = FRAMES(ROW);
#undef ROW

unsigned case_frame_count(void)
{
	return ARRAY_SIZE(rows);
}

void case_frame_at(unsigned i, struct case_frame *ret_case)
{
	const struct row *r = &rows[i];

	*ret_case = (struct case_frame){ .end = r->end, .request = (uint32_t)r->request,
		.flags = (uint32_t)r->flags,
		.size = r->size, .send = r->send, .chunk = r->chunk };
	snprintf(ret_case->name, CASE_NAME, "%s%s", case_text(names, i),
		 r->end == FRAME_LEAVE ? " and good-bye" : "");
}

int case_frame_send(const struct case_frame *c, struct fe *fe, struct error *err)
{
	uint8_t bytes[8192] = { 0 };
	const struct vu_header hdr = { c->request, c->flags, c->size };
	unsigned chunk = c->chunk != 0 ? c->chunk : c->send, at, n;
	int ret = 0;

	memcpy(bytes, &hdr, sizeof(hdr));
	if (c->size == 0 && c->send > sizeof(hdr))
		memcpy(bytes + sizeof(hdr), &hdr, sizeof(hdr));
	for (at = 0; ret == 0 && at < c->send; at += n) {
		n = c->send - at < chunk ? c->send - at : chunk;
		ret = fe_send_raw(fe, bytes + at, n, NULL, 0, err);
		if (c->chunk != 0)
			poll(NULL, 0, 1);
	}
	return ret;
}
