/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Descriptors that are no eventfds, as kick, call and err. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "hostile.h"
#include "vhost-device/fd.h"

enum { N_ROLES = 3, N_CASES = 3 * (int)X_N };

static const struct role {
	const char *name;
	int (*send)(struct fe *fe, unsigned index, int fd, struct error *err);
	enum fe_ring_step undo;
} roles[N_ROLES] = {
	{ "kick", fe_set_vring_kick, FE_RING_KICK },
	{ "call", fe_set_vring_call, FE_RING_CALL },
	{ "err", fe_set_vring_err, FE_RING_ERR },
};

/* A loop that spins uses all of this. */
enum { WATCH_MS = 60 };

static const char *name(unsigned row)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s as %s descriptor", strange_names[row / N_ROLES],
		 roles[row % N_ROLES].name);
	return text;
}

static void check_idle(struct hostile *h)
{
	unsigned before = server_cpu(&h->server);

	poll(NULL, 0, WATCH_MS);
	ck_assert_msg(server_cpu(&h->server) - before < WATCH_MS * 8 / 10, "the server spins");
}

/*
 * Accepted or refused, both are sound. Requests are served when the descriptor
 * is the right one again, and a ring that runs does not need a working err.
 */
static void play(struct hostile *h, unsigned row)
{
	const struct role *role = &roles[row % N_ROLES];
	CLOSE_FD int fd = strange_fd((enum strange)(row / N_ROLES));
	struct guest *g = hostile_guest(h, CASE_RUNNING);
	unsigned i;
	int ret;

	ck_assert_int_ge(fd, 0);
	guest_echo(g, 3, 2);
	ret = role->send(g->fe, 0, fd, &err);
	ck_assert_msg(ret == 0 || ret == -EREMOTEIO, "%s", err.text);
	for (i = 0; i < 8; i++)
		must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	ck_ok(fe_barrier(g->fe, &err));
	check_idle(h);
	ck_ok(fe_ring_send(g->ring, g->fe, role->undo, &err));
	guest_await_all(g);
	guest_echo(g, 20, 4);
	guest_free(g);
}

static unsigned count(void)
{
	return N_CASES;
}

const struct hostile_kind hostile_fds = { "descriptor", count, name, play };
