/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Memory tables that lie, and files that are cut off later: the cases of
 * src/probe/cases-memory.c, and files that are none to be mapped.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "hostile.h"
#include "vhost-device/fd.h"

/* As memory: what must come of it. */
static const struct row {
	enum strange kind;
	enum case_verdict verdict;
} files[] = {
	{ X_MEMFD, CASE_FINE }, { X_FILE, CASE_FINE }, { X_EMPTY_MEMFD, CASE_REFUSED },
	{ X_READ_ONLY_MEMFD, CASE_REFUSED }, { X_WRITE_SEALED_MEMFD, CASE_REFUSED },
	{ X_WRITE_ONLY_FILE, CASE_REFUSED }, { X_PATH, CASE_REFUSED },
	{ X_DIRECTORY, CASE_REFUSED }, { X_PIPE_OUT, CASE_REFUSED },
	{ X_CLOSED_SOCKET, CASE_REFUSED }, { X_EVENTFD, CASE_REFUSED }, { X_EPOLL, CASE_REFUSED },
	{ X_ZERO, CASE_REFUSED }, { X_NULL, CASE_REFUSED }, { X_PROC_FILE, CASE_REFUSED },
};

static const char *name(unsigned row)
{
	static struct case_memory c;

	if (row < case_memory_count()) {
		case_memory_at(row, &c);
		return c.name;
	}
	snprintf(c.name, sizeof(c.name), "table, %s as memory",
		 strange_names[files[row - case_memory_count()].kind]);
	return c.name;
}

static void await_broken(struct guest *g)
{
	struct pollfd p = { .fd = fe_ring_err_fd(g->ring), .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, SERVER_MS), 1);
}

/* -- Tables ---------------------------------------------------------------- */

/* Once asking for an answer and once not. */
static void play_table(struct hostile *h, const struct case_memory *c, int fd)
{
	struct case_side side;
	struct case_wire m;
	struct guest *g;
	unsigned ack;

	ck_assert_int_ge(fd, 0);
	for (ack = 0; ack < 2; ack++) {
		g = hostile_guest(h, CASE_RUNNING);
		side = hostile_side(h, g);
		case_memory_make(c, &side, fd, &m);
		m.flags |= ack ? VU_NEED_REPLY : 0;
		if (hostile_send(g, &m, c->verdict)) {
			if (c->breaks) {
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

/* The table that is fine but for the ring, with another file. */
static void play_file(struct hostile *h, const struct row *r)
{
	CLOSE_FD int fd = strange_fd(r->kind);
	struct case_memory c;
	unsigned i;

	for (i = 0; i < case_memory_count(); i++) {
		case_memory_at(i, &c);
		if (strcmp(c.name, "table, without the ring") == 0)
			break;
	}
	ck_assert_uint_lt(i, case_memory_count());
	c.verdict = r->verdict;
	c.breaks = r->verdict == CASE_FINE;
	play_table(h, &c, fd);
}

/* -- Files cut off --------------------------------------------------------- */

static void play_cut(struct hostile *h, const struct case_memory *c)
{
	struct guest_setup setup = h->setup;
	struct case_side side;
	struct fe_used used;
	struct guest *g;
	int ret;

	setup.unsealed = true;
	setup.no_start = c->cut == CUT_UNTOLD;
	g = guest_new(&setup);
	side = hostile_side(h, g);
	ck_ok(case_memory_cut(c, &side, &err));
	if (c->cut == CUT_RINGS)
		await_broken(g);
	if (c->cut == CUT_DATA) {
		ret = hostile_outcome(g, &used);
		ck_assert_msg(ret == 1 || ret == -EIO, "%d %s", ret, err.text);
	}
	ck_ok(fe_barrier(g->fe, &err));
	guest_free(g);
}

static void play(struct hostile *h, unsigned row)
{
	struct case_memory c;
	int fd;

	if (row >= case_memory_count()) {
		play_file(h, &files[row - case_memory_count()]);
		return;
	}
	case_memory_at(row, &c);
	if (c.cut != CUT_NOTHING) {
		play_cut(h, &c);
		return;
	}
	fd = strange_fd(X_MEMFD);
	play_table(h, &c, fd);
	fd_close(&fd);
}

static unsigned count(void)
{
	return case_memory_count() + ARRAY_SIZE(files);
}

const struct hostile_kind hostile_memory = { "memory", count, name, play };
