/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The lines of a guest, out of an item of --device-list:
 *
 *   item   CHIP[LINES] joined by '+', numbered one after the other
 *   CHIP   N, sN, /dev/gpiochipN, label=PATTERN
 *   LINES  [3,5-9/pull-up,*], each with properties behind slashes; none: all
 *
 * A bank outlives its guest while a worker is in a call to one of its lines.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpio.h"
#include "vhost-device/num.h"

enum { WORD_SIZE = 128, SLOW_MAX = 10000 };

/* ---- properties ---- */

struct property {
	const char *word;               /* with '=' when a value follows */
	int (*set)(struct line_attr *a, const char *value, unsigned arg, struct error *err);
	unsigned arg;
};

static int set_name(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	size_t n = strlen(value), i;

	if (n == 0 || n >= sizeof(a->name))
		return error_set(err, -ERANGE, "a name has 1 to %zu characters",
				 sizeof(a->name) - 1);
	for (i = 0; i < n; i++) {
		if (value[i] <= ' ' || value[i] > '~')
			return error_set(err, -EINVAL, "a name is made of printable ASCII");
	}
	memcpy(a->name, value, n + 1);
	a->named = true;
	return 0;
}

static int set_bias(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	a->bias = (enum line_bias)arg;
	return 0;
}

static int set_drive(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	a->drive = (enum line_drive)arg;
	return 0;
}

static int set_only(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	a->only = arg;
	return 0;
}

static int set_active_low(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	a->active_low = true;
	return 0;
}

static int set_number(const char *value, uint64_t max, uint64_t *ret_n, struct error *err)
{
	if (num_parse(value, 0, max, ret_n) < 0)
		return error_set(err, -ERANGE, "must be a number up to %llu",
				 (unsigned long long)max);
	return 0;
}

static int set_debounce(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	uint64_t n = 0;
	int ret = set_number(value, UINT32_MAX, &n, err);

	a->debounce_us = (uint32_t)n;
	return ret;
}

static int set_wire(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	uint64_t n = 0;
	int ret = set_number(value, LINES_MAX, &n, err);

	a->wire = (uint32_t)n;
	a->wired = true;
	return ret;
}

static int set_slow(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	uint64_t n = 0;
	int ret = set_number(value, SLOW_MAX, &n, err);

	a->slow_ms = (uint32_t)n;
	return ret;
}

static int set_initial(struct line_attr *a, const char *value, unsigned arg, struct error *err)
{
	uint64_t n = 0;
	int ret = set_number(value, 1, &n, err);

	a->value = n != 0;
	return ret;
}

static const struct property properties[] = {
	{ "name=", set_name, 0 },
	{ "active-low", set_active_low, 0 },
	{ "pull-up", set_bias, BIAS_UP },
	{ "pull-down", set_bias, BIAS_DOWN },
	{ "no-pull", set_bias, BIAS_OFF },
	{ "open-drain", set_drive, DRIVE_OPEN_DRAIN },
	{ "open-source", set_drive, DRIVE_OPEN_SOURCE },
	{ "debounce=", set_debounce, 0 },
	{ "input", set_only, GPIO_DIRECTION_IN },
	{ "output", set_only, GPIO_DIRECTION_OUT },
	{ "value=", set_initial, 0 },
	{ "wire=", set_wire, 0 },
	{ "slow=", set_slow, 0 },
};

static int parse_property(struct line_attr *a, const char *word, struct error *err)
{
	const struct property *p;
	size_t n;
	int ret;

	for (p = properties; p < properties + ARRAY_SIZE(properties); p++) {
		n = strlen(p->word);
		if (strncmp(word, p->word, n) != 0 || (p->word[n - 1] != '=' && word[n] != '\0'))
			continue;
		ret = p->set(a, word + n, p->arg, err);
		return ret < 0 ? error_prefix(err, "property %s: ", word) : 0;
	}
	return error_set(err, -EINVAL, "no property of a line is called \"%s\"", word);
}

/* ---- lists ---- */

/* The piece up to any of these characters, which then is next. */
static int take_word(const char **at, const char *ends, char *buf, struct error *err)
{
	size_t n = strcspn(*at, ends);

	if (n == 0 || n >= WORD_SIZE)
		return error_set(err, -EINVAL, n == 0 ? "a word is missing at \"%s\""
				 : "too long: \"%s\"", *at);
	memcpy(buf, *at, n);
	buf[n] = '\0';
	*at += n;
	return 0;
}

static int add_line(struct bank *b, struct chip *c, unsigned offset, const struct line_attr *a,
		    struct error *err)
{
	struct line *lines;

	if (b->n_lines == LINES_MAX)
		return error_set(err, -ERANGE, "a guest has at most %u lines", LINES_MAX);
	lines = b->lines;
	/* Room doubles, whenever the number is a power of two. */
	if ((b->n_lines & (b->n_lines - 1)) == 0)
		lines = reallocarray(b->lines, 2 * b->n_lines + 1, sizeof(*lines));
	if (lines == NULL)
		return error_set(err, -ENOMEM, "no memory for %u lines", b->n_lines);
	b->lines = lines;
	lines[b->n_lines++] = (struct line){ .chip = c, .offset = offset, .attr = *a };
	return 0;
}

static int parse_span(const char *word, const struct chip *c, uint64_t *ret_first,
		      uint64_t *ret_last, struct error *err)
{
	char first[WORD_SIZE];
	const char *dash = strchr(word, '-');

	*ret_first = 0;
	*ret_last = c->n_lines - 1;
	if (strcmp(word, "*") == 0)
		return 0;
	snprintf(first, sizeof(first), "%.*s",
		 (int)(dash != NULL ? dash - word : (ptrdiff_t)strlen(word)), word);
	if (num_parse(first, 0, LINES_MAX, ret_first) < 0 ||
	    num_parse(dash != NULL ? dash + 1 : first, 0, LINES_MAX, ret_last) < 0 ||
	    *ret_last < *ret_first)
		return error_set(err, -EINVAL, "\"%s\" is no line, no lines N-M and not *", word);
	if (*ret_last >= c->n_lines)
		return error_set(err, -ERANGE, "line %s: it has lines 0 to %u", word,
				 c->n_lines - 1);
	return 0;
}

static int parse_lines(struct bank *b, struct chip *c, bool *taken, const char **at,
		       struct error *err)
{
	struct line_attr attr = { .named = false };
	uint64_t first = 0, last = 0;
	char span[WORD_SIZE], word[WORD_SIZE];
	int ret = take_word(at, "/,]", span, err);

	while (ret == 0 && **at == '/') {
		(*at)++;
		ret = take_word(at, "/,]", word, err);
		if (ret == 0)
			ret = parse_property(&attr, word, err);
	}
	if (ret == 0)
		ret = parse_span(span, c, &first, &last, err);
	if (ret == 0 && attr.only == GPIO_DIRECTION_IN && attr.drive != DRIVE_PUSH_PULL)
		ret = error_set(err, -EINVAL, "an input cannot drive anything");
	if (ret == 0 && first != last && (attr.named || attr.wired))
		ret = error_set(err, -EINVAL, "a name or a wire is for one line, not for %s", span);
	for (; ret == 0 && first <= last; first++) {
		if (taken[first])
			return error_set(err, -EEXIST, "line %u is given twice", (unsigned)first);
		taken[first] = true;
		ret = add_line(b, c, (unsigned)first, &attr, err);
	}
	return ret;
}

static int parse_selection(struct bank *b, struct chip *c, const char **at, struct error *err)
{
	FREE_PTR bool *taken = calloc(c->n_lines, sizeof(*taken));
	int ret;

	if (taken == NULL)
		return error_set(err, -ENOMEM, "no memory for %u lines", c->n_lines);
	do {
		(*at)++;
		ret = parse_lines(b, c, taken, at, err);
	} while (ret == 0 && **at == ',');
	if (ret == 0 && **at != ']')
		ret = error_set(err, -EINVAL, "] is missing");
	if (ret == 0)
		(*at)++;
	return ret;
}

static bool is_chip_name(const char *name)
{
	uint64_t n;

	return name[0] == '/' || strncmp(name, "label=", 6) == 0 ||
		num_parse(name, 0, UINT32_MAX, &n) == 0;
}

static struct chip *open_chip(struct instance *in, const char *word, struct error *err)
{
	uint64_t n;

	if (word[0] != 's' && is_chip_name(word))
		return host_chip_open(in, word, err);
	if (word[0] != 's') {
		error_set(err, -EINVAL, "\"%s\" is no GPIO chip: give N for /dev/gpiochipN, sN "
			  "for N simulated lines, a path, or label=PATTERN", word);
		return NULL;
	}
	if (num_parse(word + 1, 1, LINES_MAX, &n) < 0) {
		error_set(err, -ERANGE, "\"%s\": a simulated chip is s and 1 to %u lines", word,
			  LINES_MAX);
		return NULL;
	}
	return sim_open(in, (unsigned)n, err);
}

static int parse_chip(struct bank *b, struct instance *in, const char **at, struct error *err)
{
	static const struct line_attr plain;
	char word[WORD_SIZE];
	struct chip **chips, *c;
	unsigned i;
	int ret = take_word(at, "[+", word, err);

	if (ret < 0)
		return ret;
	chips = reallocarray(b->chips, b->n_chips + 1, sizeof(struct chip *));
	if (chips == NULL)
		return error_set(err, -ENOMEM, "no memory for a chip");
	b->chips = chips;
	c = open_chip(in, word, err);
	if (c == NULL)
		return -ENODEV;
	b->chips[b->n_chips++] = c;
	if (**at == '[') {
		ret = parse_selection(b, c, at, err);
	} else {
		for (i = 0; ret == 0 && i < c->n_lines; i++)
			ret = add_line(b, c, i, &plain, err);
	}
	return ret < 0 ? error_prefix(err, "GPIO chip %s: ", word) : 0;
}

/* ---- names ---- */

static bool name_is_clean(const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name < ' ' || *name > '~')
			return false;
	}
	return true;
}

static int compare_names(const void *a, const void *b)
{
	const struct line *const *x = a, *const *y = b;
	int order = strcmp((*x)->attr.name, (*y)->attr.name);

	return order != 0 ? order : (*x > *y) - (*x < *y);
}

static void drop_name(struct line *l, struct instance *in, const char *why)
{
	log_warn(in, "line %u of %s stays without its name: %s", l->offset, l->chip->name, why);
	l->attr.name[0] = '\0';
}

/* Names are unique and 7-bit (5.18.6.2): the second of two, and strange ones, go. */
static int clean_names(struct bank *b, struct instance *in, struct error *err)
{
	FREE_PTR struct line **sorted = calloc(b->n_lines, sizeof(struct line *));
	char last[LINE_NAME_SIZE] = "";
	unsigned i;

	if (sorted == NULL)
		return error_set(err, -ENOMEM, "no memory for %u names", b->n_lines);
	for (i = 0; i < b->n_lines; i++) {
		sorted[i] = &b->lines[i];
		if (!name_is_clean(sorted[i]->attr.name))
			drop_name(sorted[i], in, "it is not ASCII");
	}
	qsort(sorted, b->n_lines, sizeof(struct line *), compare_names);
	for (i = 0; i < b->n_lines; i++) {
		if (sorted[i]->attr.name[0] != '\0' && strcmp(sorted[i]->attr.name, last) == 0)
			drop_name(sorted[i], in, "another has the same");
		else
			memcpy(last, sorted[i]->attr.name, sizeof(last));
	}
	return 0;
}

static int make_names(struct bank *b, struct error *err)
{
	size_t size = 0, len;
	bool any = false;
	unsigned i;

	for (i = 0; i < b->n_lines; i++) {
		any = any || b->lines[i].attr.name[0] != '\0';
		size += strlen(b->lines[i].attr.name) + 1;
	}
	if (!any)
		return 0;
	b->names = malloc(size);
	if (b->names == NULL)
		return error_set(err, -ENOMEM, "no memory for %zu bytes of names", size);
	for (i = 0; i < b->n_lines; i++) {
		len = strlen(b->lines[i].attr.name) + 1;
		memcpy(b->names + b->names_size, b->lines[i].attr.name, len);
		b->names_size += len;
	}
	return 0;
}

/* ---- workers ---- */

/* Chips that block get a thread, their lines what it takes to send it calls. */
static int get_workers(struct bank *b, struct instance *in, struct error *err)
{
	struct chip *c;
	struct line *l;
	unsigned i;

	for (i = 0; i < b->n_chips; i++) {
		c = b->chips[i];
		if (!c->blocks)
			continue;
		if (c->key[0] == '\0')
			snprintf(c->key, sizeof(c->key), "gpio-%.100s-%u", instance_name(in), i);
		c->worker = worker_get(c->key, 1, err);
		if (c->worker == NULL)
			return -EAGAIN;
	}
	for (l = b->lines; l < b->lines + b->n_lines; l++) {
		if (l->chip->worker == NULL)
			continue;
		l->job = calloc(1, sizeof(*l->job));
		if (l->job == NULL)
			return error_set(err, -ENOMEM, "no memory for a line");
		*l->job = (struct line_job){ .bank = b, .line = l };
	}
	return 0;
}

static int init_line(struct line *l, enum worker_use use, struct error *err)
{
	if (chip_is_sim(l->chip))
		return sim_line_init(l, err);
	if (use != WORKER_AUTO)
		l->chip->blocks = use == WORKER_ALWAYS;
	return host_line_init(l, err);
}

/* ---- all of it ---- */

static int bank_fill(struct bank *b, struct instance *in, const char *text, enum worker_use use,
		     struct error *err)
{
	const char *at = text;
	unsigned i;
	int ret = parse_chip(b, in, &at, err);

	while (ret == 0 && *at == '+') {
		at++;
		ret = parse_chip(b, in, &at, err);
	}
	if (ret == 0 && *at != '\0')
		ret = error_set(err, -EINVAL, "--device-list: \"%s\" is too much", at);
	for (i = 0; ret == 0 && i < b->n_lines; i++)
		ret = init_line(&b->lines[i], use, err);
	if (ret == 0)
		ret = clean_names(b, in, err);
	if (ret == 0)
		ret = make_names(b, err);
	return ret == 0 ? get_workers(b, in, err) : ret;
}

struct bank *bank_open(struct instance *in, const char *text, enum worker_use use,
		       struct error *err)
{
	struct bank *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		error_set(err, -ENOMEM, "no memory for lines");
		return NULL;
	}
	if (bank_fill(b, in, text, use, err) == 0)
		return b;
	bank_close(b);
	return NULL;
}

static void bank_free(struct bank *b)
{
	unsigned i;

	for (i = 0; i < b->n_chips; i++) {
		worker_put(b->chips[i]->worker);
		b->chips[i]->ops->free(b->chips[i]);
	}
	for (i = 0; i < b->n_lines; i++)
		free(b->lines[i].job);
	free(b->chips);
	free(b->lines);
	free(b->names);
	free(b);
}

void bank_close(struct bank *b)
{
	unsigned i;

	if (b == NULL)
		return;
	for (i = 0; i < b->n_chips; i++)
		b->chips[i]->ops->close(b->chips[i]);
	b->closed = true;
	if (b->running == 0)
		bank_free(b);
}

void bank_job_ended(struct bank *b)
{
	b->running--;
	if (b->closed && b->running == 0)
		bank_free(b);
}

struct line *bank_find(const struct bank *b, const char *text)
{
	uint64_t n;
	unsigned i;

	for (i = 0; i < b->n_lines; i++) {
		if (b->lines[i].attr.name[0] != '\0' && strcmp(b->lines[i].attr.name, text) == 0)
			return &b->lines[i];
	}
	if (num_parse(text, 0, LINES_MAX, &n) < 0 || n >= b->n_lines)
		return NULL;
	return &b->lines[n];
}
