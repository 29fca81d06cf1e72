/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Memory tables that lie, and files that are cut off later. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"
#include "vhost-device/fd.h"

enum op { M_TABLE, M_ADD, M_REMOVE, M_FD, M_CUT };

#define MIB (1ULL << 20)
#define FAR (1ULL << 40)                /* where the guest has nothing */

enum cut { CUT_RINGS, CUT_DATA, CUT_IN_USE, CUT_THEN_STOP, CUT_THEN_TABLE, CUT_UNTOLD };

static const struct row {
	const char *name;
	enum op op;
	enum case_verdict verdict;
	struct vu_region r[2];
	uint32_t claim;                 /* number of regions, 0: those with a size or an address */
	int more_fds, more_bytes;
	unsigned detail;                /* M_FD: enum strange, M_CUT: enum cut */
	bool breaks;                    /* the ring is no longer in memory */
} rows[] = {
	{ "table, an empty region", M_TABLE, CASE_REFUSED, { { FAR, 0, FAR, 0 } } },
	{ "table, 2^64 - 1 bytes", M_TABLE, CASE_REFUSED, { { 0, UINT64_MAX, 0, 0 } }, 1 },
	{ "table, guest range wraps", M_TABLE, CASE_REFUSED,
		{ { UINT64_MAX - 4095, MIB, FAR, 0 } } },
	{ "table, user range wraps", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, UINT64_MAX - 4095, 0 } } },
	{ "table, offset behind the file", M_TABLE, CASE_REFUSED, { { FAR, 4096, FAR, 2 * MIB } } },
	{ "table, end behind the file", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 4096 } } },
	{ "table, a page too long", M_TABLE, CASE_REFUSED, { { FAR, MIB + 4096, FAR, 0 } } },
	{ "table, a byte too long", M_TABLE, CASE_REFUSED, { { FAR, MIB + 1, FAR, 0 } } },
	{ "table, offset and size wrap", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, UINT64_MAX - 4095 } } },
	{ "table, the same region twice", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { FAR, MIB, FAR, 0 } } },
	{ "table, guest ranges overlap by a byte", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { FAR + MIB - 1, 4096, 2 * FAR, 0 } } },
	{ "table, a region inside another", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { FAR + 4096, 4096, 2 * FAR, 0 } } },
	{ "table, user ranges overlap", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { 2 * FAR, MIB, FAR + 4096, 0 } } },
	{ "table, fewer descriptors than regions", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { 2 * FAR, MIB, 2 * FAR, 0 } }, .more_fds = -1 },
	{ "table, no descriptor", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } }, .more_fds = -1 },
	{ "table, more descriptors than regions", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } },
		.more_fds = 1 },
	{ "table, more regions than bytes", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } }, 2 },
	{ "table, fewer regions than bytes", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 }, { 2 * FAR, MIB, 2 * FAR, 0 } }, 1 },
	{ "table, 513 regions claimed", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } }, 513 },
	{ "table, 2^32 - 1 regions claimed", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } },
		UINT32_MAX },
	{ "table, 2^27 + 1 regions claimed: 32 bytes each wrap", M_TABLE, CASE_REFUSED,
		{ { FAR, MIB, FAR, 0 } }, (1U << 27) + 1 },
	{ "table, a byte short", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } },
		.more_bytes = -1 },
	{ "table, a byte long", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } }, .more_bytes = 1 },
	{ "table, regions as Xen has them", M_TABLE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } },
		.more_bytes = 8 },
	{ "table, without the ring", M_TABLE, CASE_FINE, { { FAR, MIB, FAR, 0 } }, .breaks = true },
	{ "table, up to the last byte of the address space", M_TABLE, CASE_FINE,
		{ { UINT64_MAX - MIB + 1, MIB, FAR, 0 } }, .breaks = true },

	{ "add, an empty region", M_ADD, CASE_REFUSED, { { FAR, 0, FAR, 0 } } },
	{ "add, guest range wraps", M_ADD, CASE_REFUSED, { { UINT64_MAX - 4095, MIB, FAR, 0 } } },
	{ "add, over the rings", M_ADD, CASE_REFUSED, { { GUEST_RING_BASE, MIB, FAR, 0 } } },
	{ "add, over the last byte of the data", M_ADD, CASE_REFUSED,
		{ { GUEST_DATA_BASE + 2 * MIB - 1, MIB, FAR, 0 } } },
	{ "add, end behind the file", M_ADD, CASE_REFUSED, { { FAR, MIB, FAR, 4096 } } },
	{ "add, fine", M_ADD, CASE_FINE, { { FAR, MIB, FAR, 0 } } },
	{ "remove, what is not there", M_REMOVE, CASE_REFUSED, { { FAR, MIB, FAR, 0 } } },
	{ "remove, other size", M_REMOVE, CASE_REFUSED, { { GUEST_RING_BASE, MIB, 0, 0 } } },
	{ "remove, empty", M_REMOVE, CASE_REFUSED, { { GUEST_RING_BASE, 0, 0, 0 } } },

#define FD(kind, verdict) { "table, " #kind, M_FD, verdict, { { FAR, MIB, FAR, 0 } }, \
	.detail = kind, .breaks = (verdict) == CASE_FINE }
	FD(X_MEMFD, CASE_FINE), FD(X_FILE, CASE_FINE), FD(X_EMPTY_MEMFD, CASE_REFUSED),
	FD(X_READ_ONLY_MEMFD, CASE_REFUSED), FD(X_WRITE_SEALED_MEMFD, CASE_REFUSED),
	FD(X_WRITE_ONLY_FILE, CASE_REFUSED), FD(X_PATH, CASE_REFUSED),
	FD(X_DIRECTORY, CASE_REFUSED), FD(X_PIPE_OUT, CASE_REFUSED),
	FD(X_CLOSED_SOCKET, CASE_REFUSED), FD(X_EVENTFD, CASE_REFUSED),
	FD(X_EPOLL, CASE_REFUSED), FD(X_ZERO, CASE_REFUSED), FD(X_NULL, CASE_REFUSED),
	FD(X_PROC_FILE, CASE_REFUSED),

	{ "file cut off: the rings", M_CUT, .detail = CUT_RINGS },
	{ "file cut off: the data of a request", M_CUT, .detail = CUT_DATA },
	{ "file cut off: in full run", M_CUT, .detail = CUT_IN_USE },
	{ "file cut off: then GET_VRING_BASE", M_CUT, .detail = CUT_THEN_STOP },
	{ "file cut off: then another table", M_CUT, .detail = CUT_THEN_TABLE },
	{ "file cut off: before the rings were set up", M_CUT, .detail = CUT_UNTOLD },
};

static const char *name(unsigned row)
{
	static char text[80];

	if (rows[row].op != M_FD)
		return rows[row].name;
	snprintf(text, sizeof(text), "table, %s as memory", strange_names[rows[row].detail]);
	return text;
}

/* -- Tables ---------------------------------------------------------------- */

static void make(struct guest *g, const struct row *r, int fd, struct case_wire *m)
{
	struct vu_mem_table head = { 0 };
	struct vu_region region;
	unsigned i;

	m->flags = VU_VERSION;
	m->request = r->op == M_ADD ? VU_ADD_MEM_REG
		: r->op == M_REMOVE ? VU_REM_MEM_REG : VU_SET_MEM_TABLE;
	m->size = sizeof(head);
	for (i = 0; i < ARRAY_SIZE(r->r); i++) {
		region = r->r[i];
		if (region.guest_addr == 0 && region.size == 0)
			break;
		if (r->op == M_REMOVE && region.user_addr == 0)
			region.user_addr = fe_mem_user(g->mem, region.guest_addr);
		memcpy(m->body + m->size, &region, sizeof(region));
		m->size += sizeof(region);
		if (r->op != M_REMOVE)
			m->fds[m->n_fds++] = fd;
	}
	head.n_regions = r->claim != 0 ? r->claim : i;
	if (m->request == VU_SET_MEM_TABLE)
		memcpy(m->body, &head, sizeof(head));
	m->size += (size_t)r->more_bytes;
	if (r->more_fds > 0)
		m->fds[m->n_fds++] = fd;
	m->n_fds -= r->more_fds < 0 ? (unsigned)-r->more_fds : 0;
}

static void await_broken(struct guest *g)
{
	struct pollfd p = { .fd = fe_ring_err_fd(g->ring), .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, SERVER_MS), 1);
}

static void play_table(struct hostile *h, const struct row *r)
{
	CLOSE_FD int fd = strange_fd(r->op == M_FD ? (enum strange)r->detail : X_MEMFD);
	struct guest *g;
	unsigned ack;

	ck_assert_int_ge(fd, 0);
	for (ack = 0; ack < 2; ack++) {
		struct case_wire m = { 0 };

		g = hostile_guest(h, CASE_RUNNING);
		make(g, r, fd, &m);
		m.flags |= ack ? VU_NEED_REPLY : 0;
		if (hostile_send(g, &m, r->verdict)) {
			if (r->breaks) {
				await_broken(g);
				guest_tell_memory(g);
				hostile_revive(g);
			} else {
				guest_echo(g, 3, 2);
			}
		}
		guest_free(g);
	}
}

/* -- Files cut off --------------------------------------------------------- */

/* From here on this process must not touch the region either. */
static void cut(struct guest *g, unsigned region)
{
	ck_assert_int_eq(ftruncate(fe_mem_fd(g->mem, region), 0), 0);
}

static void kick_blindly(struct guest *g)
{
	ck_ok(fd_signal(fe_ring_kick_fd(g->ring)));
}

static void request_in_cut_data(struct guest *g)
{
	const struct fe_seg segs[] = { { GUEST_DATA_BASE, 64 }, { GUEST_DATA_BASE + 100, 64 } };
	struct fe_used used;
	int ret;

	cut(g, 1);
	guest_add(g, segs, 1, 1, 0, g);
	guest_kick(g);
	ret = hostile_outcome(g, &used);
	ck_assert_msg(ret == 1 || ret == -EIO, "%d %s", ret, err.text);
}

static void play_cut(struct hostile *h, enum cut kind)
{
	struct guest_setup setup = h->setup;
	struct guest *g;
	unsigned i;

	setup.unsealed = true;
	setup.no_start = kind == CUT_UNTOLD;
	g = guest_new(&setup);
	switch (kind) {
	case CUT_RINGS:
		cut(g, 0);
		kick_blindly(g);
		await_broken(g);
		break;
	case CUT_DATA:
		request_in_cut_data(g);
		break;
	case CUT_IN_USE:
		for (i = 0; i < 60; i++)
			must(guest_send_echo(g));
		kick_blindly(g);
		for (i = 0; i < 3; i++)
			cut(g, i);
		kick_blindly(g);
		ck_ok(fe_barrier(g->fe, &err));
		break;
	case CUT_THEN_STOP:
		cut(g, 0);
		ck_ok(fe_get_vring_base(g->fe, 0, &(uint32_t){ 0 }, &err));
		break;
	case CUT_THEN_TABLE:
		cut(g, 0);
		ck_assert_int_eq(fe_mem_send(g->mem, g->fe, &err), -EREMOTEIO);
		ck_ok(fe_barrier(g->fe, &err));
		break;
	case CUT_UNTOLD:
		guest_tell_memory(g);
		cut(g, 0);
		for (i = 0; i < FE_RING_N_STEPS; i++) {
			if (fe_ring_send(g->ring, g->fe, i, &err) != 0)
				ck_assert_int_eq(err.code, -EREMOTEIO);
		}
		kick_blindly(g);
		ck_ok(fe_barrier(g->fe, &err));
		break;
	}
	guest_free(g);
}

static void play(struct hostile *h, unsigned row)
{
	if (rows[row].op == M_CUT)
		play_cut(h, (enum cut)rows[row].detail);
	else
		play_table(h, &rows[row]);
}

static unsigned count(void)
{
	return ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_memory = { "memory", count, name, play };
