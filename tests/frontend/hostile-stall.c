/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The flags of an eventfd belong to all who share it. A front end that makes
 * one block and fills its counter holds whoever writes to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hostile.h"
#include "wire/virtio-ring.h"

static const struct row {
	const char *name;
	bool err, full, again;
} rows[] = {
	{ "call descriptor made blocking" },
	{ "call descriptor made blocking and full", .full = true },
	{ "err descriptor made blocking and full", .err = true, .full = true },
	{ "call descriptor made blocking and full, session after session", .full = true,
	  .again = true },
};

enum { SESSIONS = 3 };

static const char *name(unsigned row)
{
	return rows[row].name;
}

static void make_blocking(int fd, bool full)
{
	const uint64_t most = UINT64_MAX - 1;
	uint64_t count;

	ck_assert_int_ge(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	if (full && read(fd, &count, sizeof(count)) < 0)
		must(errno == EAGAIN);
	if (full)
		ck_assert_int_eq(write(fd, &most, sizeof(most)), sizeof(most));
	ck_assert_int_ge(fcntl(fd, F_SETFL, 0), 0);
}

/* More requests at once than the ring has room for. */
static void break_ring(struct guest *g)
{
	const uint16_t wild = 0x7fff;
	struct fe_ring_layout l;

	fe_ring_layout(g->ring, &l);
	guest_write(g, l.driver + VIRTQ_AVAIL_IDX, &wild, sizeof(wild));
}

static void play_once(struct hostile *h, const struct row *r)
{
	struct guest_setup setup = h->setup;
	struct guest *g;

	setup.leave_out = r->err ? BIT(VIRTIO_F_RING_PACKED) : 0;
	g = guest_new(&setup);
	make_blocking(r->err ? fe_ring_err_fd(g->ring) : fe_ring_call_fd(g->ring), r->full);
	if (r->err) {
		break_ring(g);
	} else {
		fe_ring_arm(g->ring, 1);
		must(guest_send_echo(g));
	}
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	if (r->full) {
		ck_ok(fe_wait_closed(g->fe, &err));
	} else {
		guest_await_all(g);
		guest_echo(g, 20, 4);
	}
	guest_free(g);
}

static void play(struct hostile *h, unsigned row)
{
	unsigned i;

	for (i = 0; i < (rows[row].again ? SESSIONS : 1); i++)
		play_once(h, &rows[row]);
}

static unsigned count(void)
{
	return ARRAY_SIZE(rows);
}

const struct hostile_kind hostile_stall = { "stall", count, name, play };
