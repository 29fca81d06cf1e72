/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A chip that is not there. Each line has a level: what drives it (an output,
 * or somebody outside), else what drives the line it is wired to, else a pull,
 * else low. Every change of a level is an edge, as it would be on a chip. A slow
 * line has its calls take their time on a worker, as those of an expander do.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpio.h"

enum { FLOATS = -1 };

struct pin {
	struct line *line;              /* NULL: no guest has it */
	struct pin *peer;
	int outside;                    /* level that it is driven to, or FLOATS */
	bool level;
};

struct sim {
	struct chip chip;
	struct pin pins[];
};

static struct pin *pin_of(const struct line *l)
{
	return l->host;
}

static int driver_of(const struct pin *p)
{
	const struct line *l = p->line;
	bool high;

	if (l != NULL && l->now.direction == GPIO_DIRECTION_OUT) {
		high = l->now.value != l->attr.active_low;
		if (!(l->attr.drive == DRIVE_OPEN_DRAIN && high) &&
		    !(l->attr.drive == DRIVE_OPEN_SOURCE && !high))
			return high;
	}
	return p->outside;
}

static bool pulled_up(const struct pin *p)
{
	return p->line != NULL && p->line->attr.bias == BIAS_UP;
}

static bool level_of(const struct pin *p)
{
	int level = driver_of(p);

	if (level == FLOATS && p->peer != NULL)
		level = driver_of(p->peer);
	if (level == FLOATS)
		level = pulled_up(p) || (p->peer != NULL && pulled_up(p->peer));
	return level;
}

static void settle(struct pin *p)
{
	bool level = level_of(p), rising;
	struct line *l = p->line;

	if (level == p->level)
		return;
	p->level = level;
	if (l != NULL)
		line_changed(l, level);
	if (l == NULL || l->now.direction != GPIO_DIRECTION_IN)
		return;
	rising = level != l->attr.active_low;
	if ((l->now.edges & (rising ? GPIO_IRQ_EDGE_RISING : GPIO_IRQ_EDGE_FALLING)) != 0)
		line_edge(l, rising);
}

static void settle_both(struct pin *p)
{
	struct pin *peer = p->peer;

	settle(p);
	if (peer != NULL)
		settle(peer);
}

/* ---- for the guest ---- */

static void sim_run(struct line *l, struct line_op *op)
{
	if (l->attr.slow_ms > 0)
		poll(NULL, 0, (int)l->attr.slow_ms);
	op->result = 0;
}

static void sim_ended(struct line *l, struct line_op *op)
{
	if (op->result < 0)
		return;
	switch (op->kind) {
	case OP_WANT:
		l->now = op->want;
		/* Taking a line is no edge on it. */
		pin_of(l)->level = level_of(pin_of(l));
		settle_both(pin_of(l));
		return;
	case OP_SET:
		l->now.value = op->value;
		settle_both(pin_of(l));
		return;
	case OP_GET:
		op->result = pin_of(l)->level != l->attr.active_low;
		return;
	case OP_DIRECTION:
		op->result = GPIO_DIRECTION_IN;
	}
}

static void sim_close(struct chip *c)
{
}

static void sim_free(struct chip *c)
{
	free(container_of(c, struct sim, chip));
}

static const struct chip_ops sim_ops = {
	.run = sim_run, .ended = sim_ended, .close = sim_close, .free = sim_free,
};

struct chip *sim_open(struct instance *in, unsigned n_lines, struct error *err)
{
	struct sim *s = calloc(1, sizeof(*s) + n_lines * sizeof(s->pins[0]));
	unsigned i;

	if (s == NULL) {
		error_set(err, -ENOMEM, "no memory for %u simulated lines", n_lines);
		return NULL;
	}
	s->chip = (struct chip){ .ops = &sim_ops, .in = in, .n_lines = n_lines };
	snprintf(s->chip.name, sizeof(s->chip.name), "s%u", n_lines);
	for (i = 0; i < n_lines; i++)
		s->pins[i].outside = FLOATS;
	return &s->chip;
}

bool chip_is_sim(const struct chip *c)
{
	return c->ops == &sim_ops;
}

int sim_line_init(struct line *l, struct error *err)
{
	struct sim *s = container_of(l->chip, struct sim, chip);
	struct pin *p = &s->pins[l->offset];

	if (p->line != NULL)
		return error_set(err, -EEXIST, "line %u of %s is given twice", l->offset,
				 l->chip->name);
	l->host = p;
	p->line = l;
	if (l->attr.slow_ms > 0)
		l->chip->blocks = true;
	if (!l->attr.named)
		snprintf(l->attr.name, sizeof(l->attr.name), "dummy%u", l->offset);
	if (l->attr.wired) {
		if (l->attr.wire >= l->chip->n_lines || l->attr.wire == l->offset)
			return error_set(err, -ERANGE, "line %u of %s cannot be wired to %u",
					 l->offset, l->chip->name, l->attr.wire);
		if (p->peer != NULL || s->pins[l->attr.wire].peer != NULL)
			return error_set(err, -EEXIST, "line %u or %u of %s is wired already",
					 l->offset, l->attr.wire, l->chip->name);
		p->peer = &s->pins[l->attr.wire];
		p->peer->peer = p;
	}
	p->level = level_of(p);
	return 0;
}

/* ---- from outside ---- */

void sim_drive(struct line *l, int level)
{
	pin_of(l)->outside = level < 0 ? FLOATS : level > 0;
	settle_both(pin_of(l));
}

void sim_unwire(struct line *l)
{
	struct pin *p = pin_of(l), *peer = p->peer;

	p->peer = NULL;
	if (peer != NULL) {
		peer->peer = NULL;
		settle(peer);
	}
	settle(p);
}

void sim_wire(struct line *a, struct line *b)
{
	sim_unwire(a);
	sim_unwire(b);
	pin_of(a)->peer = pin_of(b);
	pin_of(b)->peer = pin_of(a);
	settle_both(pin_of(a));
}

bool sim_level(const struct line *l)
{
	return pin_of(l)->level;
}

int sim_driven(const struct line *l)
{
	return pin_of(l)->outside;
}
