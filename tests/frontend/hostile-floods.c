/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Too much, too slow, or never read. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"
#include "vhost-device/fd.h"

enum { FLOOD = 20000, CLIENTS = 100 };

/* Sends as much as goes without waiting; how many whole messages went. */
static unsigned flood(int fd, const void *bytes, size_t n, unsigned count)
{
	unsigned i;
	ssize_t sent;

	for (i = 0; i < count; i++) {
		sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			break;
		must((size_t)sent == n);
	}
	return i;
}

/* Answers pile up until the server may not go on; when they are read at last, all are there. */
static void never_reads_answers(struct hostile *h)
{
	const struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION, 0 };
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned sent = flood(fe_fd(g->fe), &hdr, sizeof(hdr), FLOOD), i;
	struct fe_message m;

	ck_assert(bystander_served(h->bystander));
	/* The server may have given the session up instead. */
	for (i = 0; i < sent; i++) {
		if (fe_recv(g->fe, &m, &err) != 0) {
			ck_assert_int_eq(err.code, -ECONNRESET);
			break;
		}
		must(m.hdr.request == VU_GET_FEATURES);
	}
	guest_free(g);
}

static void never_reads_and_leaves(struct hostile *h)
{
	const struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION, 0 };
	struct guest *g = hostile_guest(h, CASE_RUNNING);

	flood(fe_fd(g->fe), &hdr, sizeof(hdr), FLOOD);
	guest_free(g);
}

static void flood_of_messages(struct hostile *h)
{
	const struct vu_header hdr = { VU_SET_OWNER, VU_VERSION, 0 };
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i, sent = 0;
	struct pollfd p = { .fd = fe_fd(g->fe), .events = POLLOUT };

	for (i = 0; i < 40 && sent < FLOOD; i++) {
		sent += flood(fe_fd(g->fe), &hdr, sizeof(hdr), FLOOD - sent);
		poll(&p, 1, SERVER_MS);
	}
	guest_echo(g, 3, 2);
	guest_free(g);
}

static void flood_of_garbage(struct hostile *h)
{
	uint8_t bytes[512];
	unsigned i, round;
	struct guest *g;

	for (round = 0; round < 20; round++) {
		g = hostile_guest(h, CASE_CONNECTED);
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)guest_random(g, 256);
		bytes[round] = (uint8_t)round;
		flood(fe_fd(g->fe), bytes, sizeof(bytes), 50);
		ck_ok(fe_wait_closed(g->fe, &err));
		guest_free(g);
	}
}

static void flood_of_kicks(struct hostile *h)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	for (i = 0; i < FLOOD; i++)
		must(fd_signal(fe_ring_kick_fd(g->ring)) == 0);
	guest_echo(g, 3, 2);
	guest_free(g);
}

static void flood_of_descriptors(struct hostile *h)
{
	const uint64_t index = 0;
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	fe_want_acks(g->fe, false);
	for (i = 0; i < 2000; i++) {
		const int fd = hostile_spare_fd();

		ck_ok(fe_send(g->fe, VU_SET_VRING_CALL + i % 2, VU_VERSION, &index, sizeof(index),
			      &fd, 1, &err));
	}
	ck_ok(fe_barrier(g->fe, &err));
	/* Two of them are held, no more. */
	ck_assert_uint_le(server_fds(&h->server), h->fds + 16);
	guest_free(g);
}

static void flood_of_tables(struct hostile *h)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i, before = server_mappings(&h->server);

	for (i = 0; i < 300; i++)
		ck_ok(fe_mem_send(g->mem, g->fe, &err));
	guest_echo(g, 3, 2);
	ck_assert_uint_le(server_mappings(&h->server), before + 4);
	guest_free(g);
}

static void flood_of_stops(struct hostile *h)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	for (i = 0; i < 500; i++) {
		ck_ok(fe_set_vring_enable(g->fe, 0, i & 1, &err));
		must(fd_signal(fe_ring_kick_fd(g->ring)) == 0);
	}
	guest_echo(g, 3, 2);
	guest_free(g);
}

static void flood_of_resets(struct hostile *h)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	for (i = 0; i < 300; i++)
		ck_ok(fe_reset_device(g->fe, &err));
	guest_make_ring(g, 256, g->features);
	guest_start(g);
	guest_echo(g, 3, 2);
	guest_free(g);
}

/* Every chain is bad, without a pause: the log and the loop belong to others as well. */
static void flood_of_bad_requests(struct hostile *h)
{
	const struct fe_seg seg = { 0xdead0000, 8 };
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	struct fe_used used;
	unsigned i, done = 0;

	for (i = 0; i < 20000; i++) {
		if (fe_ring_add(g->ring, &seg, 1, 0, 0, g) < 0) {
			guest_kick(g);
			ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
		}
		while (fe_ring_get(g->ring, &used, &err) == 1)
			done++;
	}
	guest_kick(g);
	while (fe_ring_outstanding(g->ring) > 0) {
		ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
		while (fe_ring_get(g->ring, &used, &err) == 1)
			done++;
	}
	ck_assert_uint_gt(done, 10000);
	guest_echo(g, 3, 2);
	guest_free(g);
}

/* The longest work one turn can be asked for: a full ring of the largest requests. */
static void largest_requests(struct hostile *h)
{
	struct fe_seg segs[16];
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;

	for (i = 0; i < 16; i++)
		segs[i] = (struct fe_seg){ GUEST_DATA_BASE, GUEST_DATA_SIZE };
	for (i = 0; fe_ring_free_slots(g->ring) > 0; i++)
		guest_add(g, segs, 8, 8, FE_ADD_INDIRECT, g);
	guest_kick(g);
	for (; i > 0; i--)
		ck_assert_uint_gt(guest_await_one(g).len, 0);
	guest_free(g);
}

static void many_connects(struct hostile *h)
{
	unsigned i;
	struct fe *fe;

	for (i = 0; i < 2000; i++) {
		if (fe_connect(h->setup.socket, SERVER_MS, &fe, &err) == 0)
			fe_free(fe);
	}
}

/* All of them talk at once; one is served, the others wait and then leave. */
static void many_clients(struct hostile *h)
{
	struct fe *fe[CLIENTS] = { NULL };
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		if (fe_connect(h->setup.socket, 50, &fe[i], &err) < 0)
			break;
		fe_send(fe[i], VU_GET_FEATURES, 1, NULL, 0, NULL, 0, &err);
	}
	ck_assert_uint_ge(i, 2);
	ck_assert(bystander_served(h->bystander));
	while (i-- > 0)
		fe_free(fe[i]);
}

/* Half of a header, and then nothing: others are served meanwhile. */
static void stalls(struct hostile *h, const void *bytes, size_t n)
{
	struct guest *g = hostile_guest(h, CASE_RUNNING);

	ck_ok(fe_send_raw(g->fe, bytes, n, NULL, 0, &err));
	guest_echo(g, 20, 2);
	ck_assert(bystander_served(h->bystander));
	guest_free(g);
}

static void stalls_in_a_header(struct hostile *h)
{
	const struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION, 0 };

	stalls(h, &hdr, 7);
}

static void stalls_in_a_body(struct hostile *h)
{
	const struct vu_header hdr = { VU_SET_FEATURES, VU_VERSION, 8 };

	stalls(h, &hdr, sizeof(hdr));
}

static const struct row {
	const char *name;
	void (*play)(struct hostile *h);
} rows[] = {
	{ "answers are never read", never_reads_answers },
	{ "answers are never read, then good-bye", never_reads_and_leaves },
	{ "messages without end", flood_of_messages },
	{ "garbage without end", flood_of_garbage },
	{ "kicks without end", flood_of_kicks },
	{ "descriptors without end", flood_of_descriptors },
	{ "memory tables without end", flood_of_tables },
	{ "stops without end", flood_of_stops },
	{ "resets without end", flood_of_resets },
	{ "bad requests without end", flood_of_bad_requests },
	{ "a full ring of the largest requests", largest_requests },
	{ "connects without end", many_connects },
	{ "a hundred clients at once", many_clients },
	{ "stalls inside a header", stalls_in_a_header },
	{ "stalls inside a body", stalls_in_a_body },
};

static const char *name(unsigned row)
{
	return rows[row].name;
}

static void play(struct hostile *h, unsigned row)
{
	rows[row].play(h);
}

static unsigned count(void)
{
	return ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_floods = { "flood", count, name, play };
