/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Buses by name and the chips on them, shared by the guests of the process.
 *
 * What is done on a bus is done by its worker, or on a loop when that is as
 * quick and nobody else is at it: no job is waiting or running, and no other
 * guest has a chip selected. A guest whose chip stays selected holds the bus.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spi.h"
#include "vhost-device/shared.h"

struct bus {
	struct worker *worker;
	struct chip *chips;             /* under shared_lock() */
	const struct instance *first;   /* that had a chip here; likewise */
	bool many;
	pthread_mutex_t turn;           /* of who is on the bus, and of what follows */
	const struct instance *holder;
	unsigned jobs;
};

static int bus_init(void *obj, const char *name, struct error *err)
{
	struct bus *b = obj;

	/* One thread: a bus does one thing at a time. */
	b->worker = worker_get(name, 1, err);
	if (b->worker == NULL)
		return -EAGAIN;
	pthread_mutex_init(&b->turn, NULL);
	return 0;
}

static void bus_finish(void *obj)
{
	struct bus *b = obj;

	worker_put(b->worker);
	pthread_mutex_destroy(&b->turn);
}

static const struct shared_type bus_type = { "SPI bus", sizeof(struct bus), bus_init, bus_finish };

/* Turns. */

bool spi_bus_enter(struct bus *b, const struct instance *in)
{
	bool mine;

	pthread_mutex_lock(&b->turn);
	mine = b->jobs == 0 && (b->holder == NULL || b->holder == in);
	if (!mine)
		pthread_mutex_unlock(&b->turn);
	return mine;
}

void spi_bus_leave(struct bus *b)
{
	pthread_mutex_unlock(&b->turn);
}

void spi_bus_submit(struct bus *b, struct instance *in, struct job *j)
{
	pthread_mutex_lock(&b->turn);
	b->jobs++;
	pthread_mutex_unlock(&b->turn);
	worker_submit(b->worker, in, j);
}

void spi_bus_done(struct bus *b)
{
	pthread_mutex_lock(&b->turn);
	b->jobs--;
	pthread_mutex_unlock(&b->turn);
}

void spi_bus_hold(struct bus *b, const struct instance *in, bool entered)
{
	if (!entered)
		pthread_mutex_lock(&b->turn);
	b->holder = in;
	worker_hold(b->worker, in);
	if (!entered)
		pthread_mutex_unlock(&b->turn);
}

bool spi_bus_is_shared(struct bus *b)
{
	bool many;

	shared_lock(b);
	many = b->many;
	shared_unlock(b);
	return many;
}

/* Chips. */

static struct chip *find(struct bus *b, unsigned cs)
{
	struct chip *c = b->chips;

	while (c != NULL && c->cs != cs)
		c = c->next;
	return c;
}

/* With the lock held. NULL: there is none yet, or not one for this guest; then err is set. */
static struct chip *find_for(struct bus *b, unsigned cs, const struct list_item *item, bool shared,
			     struct error *err)
{
	struct chip *c = find(b, cs);

	if (c == NULL)
		return NULL;
	if (!shared || !c->shared) {
		error_set(err, -EBUSY, "%s is taken already: add :shared wherever it is named if "
			  "several guests shall have it", c->name);
		return NULL;
	}
	if (item->kind == ITEM_SIM && !spi_sim_is(c, item)) {
		error_set(err, -EEXIST, "%s is described in two ways: it is one for all that name "
			  "it", c->name);
		return NULL;
	}
	c->refs++;
	return c;
}

static void join(struct bus *b, const struct instance *in)
{
	b->many |= b->first != NULL && b->first != in;
	b->first = in;
}

static struct chip *chip_new(struct bus *b, unsigned cs, struct instance *in,
			     const struct list_item *item, bool probe, struct error *err)
{
	struct chip *c = item->kind == ITEM_SIM ? spi_sim_new(in, item, err)
		: spi_host_new(in, item, probe, err);

	if (c != NULL) {
		c->refs = 1;
		c->bus = b;
		c->cs = cs;
	}
	return c;
}

/* The chip takes the reference of the bus; whoever fails keeps it. */
static struct chip *chip_on(struct bus *b, unsigned cs, struct instance *in,
			    const struct list_item *item, bool probe, bool shared,
			    struct error *err)
{
	struct chip *c;
	bool known;

	shared_lock(b);
	known = find(b, cs) != NULL;
	c = find_for(b, cs, item, shared, err);
	if (c != NULL)
		join(b, in);
	shared_unlock(b);
	if (known) {
		if (c != NULL)
			shared_put(b);
		return c;
	}
	c = chip_new(b, cs, in, item, probe, err);
	if (c == NULL)
		return NULL;
	c->shared = shared;
	shared_lock(b);
	c->next = b->chips;
	b->chips = c;
	join(b, in);
	shared_unlock(b);
	return c;
}

struct chip *spi_chip_get(struct instance *in, const struct list_item *item, bool probe,
			  bool shared, struct error *err)
{
	struct spi_place place = { .cs = item->cs };
	struct chip *c;
	struct bus *b;

	if (item->kind == ITEM_SIM)
		snprintf(place.bus, sizeof(place.bus), "spi-s%u", item->bus);
	else if (spi_place(item->path, &place, err) < 0)
		return NULL;
	b = shared_get(&bus_type, place.bus, err);
	if (b == NULL)
		return NULL;
	c = chip_on(b, place.cs, in, item, probe, shared, err);
	if (c == NULL)
		shared_put(b);
	return c;
}

void spi_chip_ref(struct chip *c)
{
	shared_lock(c->bus);
	c->refs++;
	shared_unlock(c->bus);
}

void spi_chip_put(struct chip *c)
{
	struct chip **at;
	struct bus *b;
	bool last;

	if (c == NULL)
		return;
	b = c->bus;
	shared_lock(b);
	last = --c->refs == 0;
	for (at = &b->chips; last && *at != c;)
		at = &(*at)->next;
	if (last)
		*at = c->next;
	shared_unlock(b);
	if (!last)
		return;
	c->ops->free(c);
	shared_put(b);
}
