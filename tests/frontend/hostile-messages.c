/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Whole messages that are wrong in one thing: the cases of src/probe/cases-messages.c. */
#include "hostile.h"

static const char *name(unsigned row)
{
	static struct case_message c;

	case_message_at(row, &c);
	return c.name;
}

/* Once asking for an answer and once not. */
static void play(struct hostile *h, unsigned row)
{
	struct case_message c;
	struct case_side side;
	struct case_wire m;
	struct guest *g;
	unsigned ack;

	case_message_at(row, &c);
	for (ack = 0; ack < 2; ack++) {
		g = hostile_guest(h, c.state);
		if (c.state == CASE_CONNECTED)
			guest_make_ring(g, 256, 0);
		side = hostile_side(h, g);
		case_wire_make(&side, &c, &m);
		m.flags |= ack ? VU_NEED_REPLY : 0;
		/* What was refused has changed nothing. */
		if (hostile_send(g, &m, c.verdict) && c.state == CASE_RUNNING && !c.changes)
			guest_echo(g, 3, 2);
		guest_free(g);
	}
}

const struct hostile_kind hostile_messages = { "message", case_message_count, name, play };
