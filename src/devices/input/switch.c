/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Who has the devices: a switch between guests, as one of hardware would be.
 *
 * Instances with the same name of a seat belong to one guest: its keyboard and
 * its mouse. One seat has its turn, or the host, if devices are grabbed. All
 * instances with a seat in this process share one switch; they may live on
 * different loops, so each is told by a post and then looks by itself.
 *
 * The keys that count are those of the guest whose turn it is; when it is the
 * host's, those of the first seat. So a keyboard that several instances have
 * opened is heard by one of them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "input.h"
#include "vhost-device/shared.h"

enum { SEATS = 16, NAME = 32 };

struct group {
	char names[SEATS][NAME];
	unsigned users[SEATS];          /* instances of each, 0: it is free */
	unsigned turn;                  /* SEATS: the host's */
	bool host;
	struct seat *members;
};

static const struct shared_type group_type = { .kind = "input switch",
	.size = sizeof(struct group) };

static unsigned first_seat(const struct group *g)
{
	unsigned i;

	for (i = 0; i < SEATS && g->users[i] == 0; i++)
		;
	return i;
}

/* Under the lock, as is all that follows but for what begins with seat_. */
static bool decides(const struct seat *s, const struct group *g)
{
	return s->number == (g->turn == SEATS ? first_seat(g) : g->turn);
}

static void look(struct seat *s, const struct group *g)
{
	s->active = g->turn == s->number;
	s->watches = decides(s, g);
}

static void tell_all(struct group *g)
{
	struct seat *s;

	for (s = g->members; s != NULL; s = s->next)
		loop_post(s->loop, &s->post);
}

static unsigned next_turn(const struct group *g)
{
	unsigned i;

	for (i = g->turn == SEATS ? 0 : g->turn + 1; i < SEATS; i++) {
		if (g->users[i] > 0)
			return i;
	}
	return g->host ? SEATS : first_seat(g);
}

static unsigned find_seat(const struct group *g, const char *name)
{
	unsigned i;

	for (i = 0; i < SEATS; i++) {
		if (g->users[i] > 0 && strcmp(g->names[i], name) == 0)
			break;
	}
	return i;
}

static int join(struct group *g, struct seat *s, const char *name)
{
	unsigned i = find_seat(g, name);

	for (s->number = 0; i == SEATS && s->number < SEATS; s->number++) {
		if (g->users[s->number] == 0)
			i = s->number;
	}
	if (i == SEATS)
		return -ENOSPC;
	snprintf(g->names[i], NAME, "%s", name);
	g->users[i]++;
	s->number = i;
	s->next = g->members;
	g->members = s;
	return 0;
}

static void leave(struct group *g, struct seat *s)
{
	struct seat **at = &g->members;

	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = s->next;
	if (--g->users[s->number] == 0 && g->turn == s->number) {
		g->turn = first_seat(g) < SEATS ? first_seat(g) : 0;
		tell_all(g);
	}
}

static void seat_told(struct post *p)
{
	struct seat *s = container_of(p, struct seat, post);
	bool was_active = s->active, watched = s->watches;

	shared_lock(s->group);
	look(s, s->group);
	shared_unlock(s->group);
	if (s->active != was_active || s->watches != watched)
		s->changed(s);
}

int seat_init(struct seat *s, struct loop *loop, const struct switch_conf *conf,
	      struct error *err)
{
	const char *name = conf->name != NULL ? conf->name : "guest";
	struct group *g;
	int ret;

	if (strlen(name) >= NAME || *name == '\0' || strcmp(name, "host") == 0 ||
	    strcmp(name, "next") == 0)
		return error_set(err, -EINVAL, "--seat %s: no name of a guest, up to %d letters",
				 name, NAME - 1);
	g = shared_get(&group_type, "input", err);
	if (g == NULL)
		return -ENOMEM;
	s->loop = loop;
	s->post.fn = seat_told;
	shared_lock(g);
	ret = join(g, s, name);
	if (ret == 0) {
		g->host |= conf->host;
		look(s, g);
	}
	shared_unlock(g);
	if (ret < 0) {
		shared_put(g);
		return error_set(err, ret, "--seat %s: there are %d already", name, SEATS);
	}
	s->group = g;
	return 0;
}

void seat_finish(struct seat *s)
{
	if (s->group == NULL)
		return;
	shared_lock(s->group);
	leave(s->group, s);
	shared_unlock(s->group);
	loop_unpost(s->loop, &s->post);
	shared_put(take_ptr(s->group));
}

void seat_next(struct seat *s)
{
	struct group *g = s->group;

	s->pressed = false;
	shared_lock(g);
	/* Another one's keys may have been faster. */
	if (decides(s, g)) {
		g->turn = next_turn(g);
		tell_all(g);
	}
	shared_unlock(g);
}

int seat_choose(struct seat *s, const char *name)
{
	struct group *g = s->group;
	unsigned turn;
	bool known;

	if (g == NULL)
		return -ENOENT;
	shared_lock(g);
	turn = strcmp(name, "next") == 0 ? next_turn(g) : find_seat(g, name);
	known = turn < SEATS || strcmp(name, "host") == 0 || strcmp(name, "next") == 0;
	if (known) {
		g->turn = turn;
		tell_all(g);
	}
	shared_unlock(g);
	return known ? 0 : -ENOENT;
}
