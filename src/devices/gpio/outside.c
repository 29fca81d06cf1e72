/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the operator may do to a guest's lines while it runs (--control). */
#include <errno.h>
#include <string.h>

#include "gpio.h"
#include "vhost-device/num.h"

enum { PULSES_MAX = 10000 };

static int sim_line(struct instance *in, const char *word, struct line **ret_line,
		    struct error *err)
{
	struct gpio *g = instance_state(in);
	struct line *l = bank_find(g->bank, word);

	if (l == NULL)
		return error_set(err, -EINVAL, "no line is called %s", word);
	if (!chip_is_sim(l->chip))
		return error_set(err, -EPERM, "line %s is not simulated: it has wires of its own",
				 word);
	*ret_line = l;
	return 0;
}

static int do_drive(struct instance *in, struct said *r, char **words, unsigned n,
		    struct error *err)
{
	struct line *l = NULL;
	int ret = sim_line(in, words[0], &l, err);

	if (ret < 0)
		return ret;
	if (strcmp(words[1], "0") == 0 || strcmp(words[1], "1") == 0)
		sim_drive(l, words[1][0] == '1');
	else if (strcmp(words[1], "float") == 0)
		sim_drive(l, -1);
	else
		return error_set(err, -EINVAL, "%s is not 0, 1 or float", words[1]);
	return 0;
}

static int do_pulse(struct instance *in, struct said *r, char **words, unsigned n,
		    struct error *err)
{
	struct line *l = NULL;
	uint64_t times = 1;
	int before, ret = sim_line(in, words[0], &l, err);

	if (ret == 0 && n > 1 && num_parse(words[1], 1, PULSES_MAX, &times) < 0)
		ret = error_set(err, -ERANGE, "%s is not 1 to %u", words[1], PULSES_MAX);
	if (ret < 0)
		return ret;
	before = sim_driven(l);
	for (; times > 0; times--) {
		sim_drive(l, !sim_level(l));
		sim_drive(l, !sim_level(l));
	}
	sim_drive(l, before);
	return 0;
}

static int do_wire(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	struct line *a = NULL, *b = NULL;
	int ret = sim_line(in, words[0], &a, err);

	if (ret == 0 && n > 1)
		ret = sim_line(in, words[1], &b, err);
	if (ret < 0 || a == NULL)
		return ret;
	if (a == b || (b != NULL && a->chip != b->chip))
		return error_set(err, -EINVAL, "a wire joins two lines of one chip");
	if (b != NULL)
		sim_wire(a, b);
	else
		sim_unwire(a);
	return 0;
}

static void show_line(struct said *r, const struct line *l, unsigned i)
{
	static const char *const directions[] = { "free", "out", "in" };

	control_say(r, "%u %s/%u %s irq=%u%s", i, l->chip->name, l->offset,
		    directions[l->direction], l->irq, l->parked != NULL ? " armed" : "");
	if (chip_is_sim(l->chip))
		control_say(r, " level=%d", sim_level(l));
	control_say(r, " edges=%u interrupts=%u coalesced=%u errors=%u%s%s\n", l->counts.edges,
		    l->counts.interrupts, l->counts.coalesced, l->counts.errors,
		    l->attr.name[0] != '\0' ? " " : "", l->attr.name);
}

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	const struct gpio *g = instance_state(in);
	unsigned i;

	for (i = 0; i < g->bank->n_lines; i++)
		show_line(r, &g->bank->lines[i], i);
	return 0;
}

/* Words, or a JSON list. */
static int do_history(struct instance *in, struct said *r, char **words, unsigned n,
		      struct error *err)
{
	const struct gpio *g = instance_state(in);
	const struct line_event *e;
	const char *between = "";
	bool json = n > 0;
	unsigned i;

	if (json && strcmp(words[0], "json") != 0)
		return error_set(err, -EINVAL, "%s is not json", words[0]);
	if (json)
		control_say(r, "[");
	for (i = 0; i < HISTORY; i++) {
		e = &g->history[(g->next + i) % HISTORY];
		if (!e->used)
			continue;
		if (json)
			control_say(r, "%s{\"ns\":%llu,\"line\":%u,\"level\":%d}", between,
				    (unsigned long long)e->ns, e->line, e->level);
		else
			control_say(r, "%llu.%06llu %u %d\n",
				    (unsigned long long)e->ns / 1000000000,
				    (unsigned long long)e->ns / 1000 % 1000000, e->line, e->level);
		between = ",";
	}
	if (json)
		control_say(r, "]\n");
	return 0;
}

const struct device_command gpio_commands[] = {
	{ "drive", "LINE 0|1|float", "Drive a simulated line from outside, or let go of it.", 2, 2,
	  do_drive },
	{ "pulse", "LINE [N]", "Turn a simulated line over and back, N times.", 1, 2, do_pulse },
	{ "wire", "LINE LINE", "Join two simulated lines of a chip.", 2, 2, do_wire },
	{ "unwire", "LINE", "Take that away.", 1, 1, do_wire },
	{ "show", "", "List all lines, and what happened to each.", 0, 0, do_show },
	{ "history", "[json]", "The last 256 changes: time, line, level.", 0, 1, do_history },
	{ NULL }
};
