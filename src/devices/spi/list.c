/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --device, a superset of the original's one path:
 *
 *   list = chip { "," chip }
 *   chip = ( "-" | PATH | "PATH" | sBUS[.CS] ) { ":" word [ "=" value ] }
 *
 * The place in the list is the chip select of the guest. Only a quoted path
 * may hold ':' or ',' or look like a simulated chip.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "vhost-device/num.h"
#include "wire/virtio-spi.h"

enum {
	SIZE_DEFAULT = 1 << 20, SIZE_LEAST = 1 << 16, SIZE_MOST = 1 << 28, SHIFT_MOST = 4096,
	SLOW_MOST = 60000, ID_BYTES = 3,
};

/* The text is cut into pieces in place; at moves on. */
struct parser {
	struct list *list;
	struct error *err;
	char *at;
};

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* Words. */

static int word_number(struct parser *p, const char *word, const char *value, uint64_t min,
		       uint64_t max, uint32_t *target)
{
	uint64_t v;

	if (num_parse_size(value, min, max, &v) < 0)
		return error_set(p->err, -EINVAL, "%s=%s: give a number from %llu to %llu", word,
				 value, (unsigned long long)min, (unsigned long long)max);
	*target = (uint32_t)v;
	return 0;
}

/* Of units of 1000, unlike sizes. */
static int word_max_freq(struct parser *p, struct list_item *c, char *value)
{
	size_t n = strlen(value);
	uint64_t unit = 1, v;

	if (n > 0 && (value[n - 1] == 'k' || value[n - 1] == 'M')) {
		unit = value[n - 1] == 'k' ? 1000 : 1000000;
		value[n - 1] = '\0';
	}
	if (num_parse(value, 0, UINT32_MAX / unit, &v) < 0)
		return error_set(p->err, -EINVAL, "max-freq=%s: give it in Hz, or as 500k or 25M; "
				 "0 is no limit", value);
	c->caps.has_hz = true;
	c->caps.hz = (uint32_t)(v * unit);
	return 0;
}

/* Calls one() for each of the values that '+' joins. */
static int each(struct parser *p, struct list_item *c, const char *word, char *value,
		bool (*one)(struct list_item *c, const char *value))
{
	char *next;

	for (; value != NULL; value = next) {
		next = strchr(value, '+');
		if (next != NULL)
			*next++ = '\0';
		if (!one(c, value))
			return error_set(p->err, -EINVAL, "%s: '%s' is none of its values", word,
					 value);
	}
	return 0;
}

static bool one_mode(struct list_item *c, const char *value)
{
	static const struct {
		const char *name;
		uint32_t funcs;
	} modes[] = {
		{ "0", VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPOL_0 },
		{ "1", VIRTIO_SPI_FUNC_CPHA_1 | VIRTIO_SPI_FUNC_CPOL_0 },
		{ "2", VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPOL_1 },
		{ "3", VIRTIO_SPI_FUNC_CPHA_1 | VIRTIO_SPI_FUNC_CPOL_1 },
		{ "cs-high", VIRTIO_SPI_FUNC_CS_HIGH },
		{ "lsb-first", VIRTIO_SPI_FUNC_LSB_FIRST },
		{ "loop", VIRTIO_SPI_FUNC_LOOP },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i].name, value) == 0) {
			c->caps.funcs |= modes[i].funcs;
			/* The four values of two pairs do not say it. */
			c->caps.clocks |= (uint8_t)(i < 4 ? 1U << i : 0);
			return true;
		}
	}
	return false;
}

static int word_modes(struct parser *p, struct list_item *c, char *value)
{
	const uint32_t clock = VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPHA_1;

	c->caps.has_funcs = true;
	if (each(p, c, "modes", value, one_mode) < 0)
		return -EINVAL;
	if ((c->caps.funcs & clock) == 0)
		return error_set(p->err, -EINVAL, "modes: give at least one of 0, 1, 2 and 3");
	return 0;
}

static bool one_bits(struct list_item *c, const char *value)
{
	uint64_t v;

	if (num_parse(value, 1, 32, &v) < 0)
		return false;
	c->caps.bits_mask |= 1U << (v - 1);
	return true;
}

static int word_bpw(struct parser *p, struct list_item *c, char *value)
{
	c->caps.has_bits = true;
	return strcmp(value, "any") == 0 ? 0 : each(p, c, "bpw", value, one_bits);
}

static bool width(const char *value, uint8_t *widths)
{
	uint64_t v;

	if (num_parse(value, 1, 8, &v) < 0 || (v & (v - 1)) != 0)
		return false;
	*widths |= (uint8_t)(v / 2);
	return true;
}

static bool one_tx(struct list_item *c, const char *value)
{
	return width(value, &c->caps.tx_widths);
}

static bool one_rx(struct list_item *c, const char *value)
{
	return width(value, &c->caps.rx_widths);
}

static bool one_nbits(struct list_item *c, const char *value)
{
	return one_tx(c, value) && one_rx(c, value);
}

static int word_tx_nbits(struct parser *p, struct list_item *c, char *value)
{
	c->caps.has_tx = true;
	return each(p, c, "tx-nbits", value, one_tx);
}

static int word_rx_nbits(struct parser *p, struct list_item *c, char *value)
{
	c->caps.has_rx = true;
	return each(p, c, "rx-nbits", value, one_rx);
}

static int word_nbits(struct parser *p, struct list_item *c, char *value)
{
	c->caps.has_tx = c->caps.has_rx = true;
	return each(p, c, "nbits", value, one_nbits);
}

static int word_cs(struct parser *p, struct list_item *c, char *value)
{
	size_t i;

	for (i = 0; spi_cs_policies[i] != NULL; i++) {
		if (strcmp(spi_cs_policies[i], value) == 0) {
			c->has_policy = true;
			c->policy = (enum cs_policy)i;
			return 0;
		}
	}
	return error_set(p->err, -EINVAL, "cs=%s: there are pairs, each, gap, literal and flash",
			 value);
}

static int word_shared(struct parser *p, struct list_item *c, char *value)
{
	c->shared = true;
	return 0;
}

static int word_loopback(struct parser *p, struct list_item *c, char *value)
{
	c->sim = SIM_LOOPBACK;
	return 0;
}

static int word_shift(struct parser *p, struct list_item *c, char *value)
{
	c->sim = SIM_SHIFT;
	c->size = 1;
	return value == NULL ? 0 : word_number(p, "shift", value, 1, SHIFT_MOST, &c->size);
}

static int word_nor(struct parser *p, struct list_item *c, char *value)
{
	c->sim = SIM_NOR;
	c->size = SIZE_DEFAULT;
	if (value != NULL && word_number(p, "nor", value, SIZE_LEAST, SIZE_MOST, &c->size) < 0)
		return -EINVAL;
	if ((c->size & (c->size - 1)) != 0)
		return error_set(p->err, -EINVAL, "nor=%s: its size is a power of two from 64K to "
				 "256M", value);
	return 0;
}

static int word_id(struct parser *p, struct list_item *c, char *value)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strspn(value, digits), i;

	c->id = 0;
	for (i = 0; i < n; i++)
		c->id = c->id << 4 | (uint32_t)(strchr(digits, value[i]) - digits);
	if (n != (size_t)2 * ID_BYTES || value[n] != '\0')
		return error_set(p->err, -EINVAL, "id=%s: give six hexadecimal digits, as in "
				 "id=ef4018", value);
	return 0;
}

static int word_file(struct parser *p, struct list_item *c, char *value)
{
	free(c->file);
	c->file = strdup(value);
	return c->file != NULL ? 0 : error_set(p->err, -ENOMEM, "out of memory");
}

static int word_slow(struct parser *p, struct list_item *c, char *value)
{
	return word_number(p, "slow", value, 0, SLOW_MOST, &c->slow);
}

static int word_fail(struct parser *p, struct list_item *c, char *value)
{
	return word_number(p, "fail", value, 0, UINT32_MAX, &c->fail);
}

enum word_value { NO_VALUE, MAY_VALUE, MUST_VALUE };

static const struct word {
	const char *name;
	int (*parse)(struct parser *p, struct list_item *c, char *value);
	enum word_value value;
	bool sim;                       /* only for simulated chips */
} words[] = {
	{ "bpw", word_bpw, MUST_VALUE, false },
	{ "cs", word_cs, MUST_VALUE, false },
	{ "max-freq", word_max_freq, MUST_VALUE, false },
	{ "modes", word_modes, MUST_VALUE, false },
	{ "nbits", word_nbits, MUST_VALUE, false },
	{ "rx-nbits", word_rx_nbits, MUST_VALUE, false },
	{ "shared", word_shared, NO_VALUE, false },
	{ "tx-nbits", word_tx_nbits, MUST_VALUE, false },
	{ "fail", word_fail, MUST_VALUE, true },
	{ "file", word_file, MUST_VALUE, true },
	{ "id", word_id, MUST_VALUE, true },
	{ "loopback", word_loopback, NO_VALUE, true },
	{ "nor", word_nor, MAY_VALUE, true },
	{ "shift", word_shift, MAY_VALUE, true },
	{ "slow", word_slow, MUST_VALUE, true },
};

static int word_parse(struct parser *p, struct list_item *c, char *text)
{
	const struct word *w = words, *end = words + ARRAY_SIZE(words);
	char *value = strchr(text, '=');

	if (value != NULL)
		*value++ = '\0';
	while (w < end && strcmp(w->name, text) != 0)
		w++;
	if (w == end)
		return error_set(p->err, -EINVAL, "'%s' is unknown: there are bpw, cs, fail, file, "
				 "id, loopback, max-freq, modes, nbits, nor, rx-nbits, shared, "
				 "shift, slow and tx-nbits", text);
	if (value != NULL && w->value == NO_VALUE)
		return error_set(p->err, -EINVAL, "%s takes no value", text);
	if ((value == NULL && w->value == MUST_VALUE) || (value != NULL && *value == '\0'))
		return error_set(p->err, -EINVAL, "%s needs a value: %s=VALUE", text, text);
	if (w->sim && c->kind != ITEM_SIM)
		return error_set(p->err, -EINVAL, "%s is only for simulated chips", text);
	if (c->kind == ITEM_HOLE)
		return error_set(p->err, -EINVAL, "there is no chip at '-', and nothing to say "
				 "of it");
	return w->parse(p, c, value);
}

/* Chips. */

/* Ends the piece before ':' or ',', returns which it was, or 0 at the end. */
static int cut(char *s, char **ret_next)
{
	int c;

	s += strcspn(s, ":,");
	c = (unsigned char)*s;
	*s = '\0';
	*ret_next = c == '\0' ? s : s + 1;
	return c;
}

/* s3.1, or s3 for s3.0 */
static bool is_sim(char *text, struct list_item *c)
{
	char *dot = strchr(text, '.');
	uint64_t bus, cs = 0;
	bool good;

	if (text[0] != 's' || !isdigit((unsigned char)text[1]))
		return false;
	if (dot != NULL)
		*dot = '\0';
	good = num_parse(text + 1, 0, UINT32_MAX, &bus) == 0 &&
		(dot == NULL || num_parse(dot + 1, 0, UINT32_MAX, &cs) == 0);
	if (dot != NULL)
		*dot = '.';
	if (good) {
		c->kind = ITEM_SIM;
		c->bus = (uint32_t)bus;
		c->cs = (uint32_t)cs;
	}
	return good;
}

static int set_path(struct parser *p, struct list_item *c, const char *path)
{
	if (*path == '\0')
		return error_set(p->err, -EINVAL, "a chip is missing: write a path such as "
				 "/dev/spidev0.0, or - where there is none");
	c->kind = ITEM_HOST;
	c->path = strdup(path);
	return c->path != NULL ? 0 : error_set(p->err, -ENOMEM, "out of memory");
}

/* What ends the name of the chip, or negative with err set. */
static int name_parse(struct parser *p, struct list_item *c)
{
	char *s = p->at + strspn(p->at, " \t"), *tail, *name;
	int end;

	if (*s != '"' && *s != '\'') {
		end = cut(s, &p->at);
		name = trim(s);
		if (strcmp(name, "-") == 0 || is_sim(name, c))
			return end;
		return set_path(p, c, name) < 0 ? -EINVAL : end;
	}
	tail = strchr(s + 1, *s);
	if (tail == NULL)
		return error_set(p->err, -EINVAL, "the quote before %s is not closed", s + 1);
	*tail++ = '\0';
	if (set_path(p, c, s + 1) < 0)
		return -EINVAL;
	end = cut(tail, &p->at);
	if (*trim(tail) != '\0')
		return error_set(p->err, -EINVAL, "'%s' follows a quoted path", tail);
	return end;
}

static bool same_chip(const struct list_item *a, const struct list_item *b)
{
	if (a->kind != b->kind || a->kind == ITEM_HOLE)
		return false;
	return a->kind == ITEM_HOST ? strcmp(a->path, b->path) == 0
		: a->bus == b->bus && a->cs == b->cs;
}

static int item_parse(struct parser *p, char *ret_end)
{
	struct list_item *c = &p->list->items[p->list->n];
	char *text;
	unsigned i;
	int end;

	if (p->list->n == LIST_MAX)
		return error_set(p->err, -E2BIG, "more than %d chips", LIST_MAX);
	p->list->n++;
	end = name_parse(p, c);
	while (end == ':') {
		text = p->at;
		end = cut(text, &p->at);
		if (word_parse(p, c, trim(text)) < 0)
			return -EINVAL;
	}
	if (end < 0)
		return end;
	if (c->sim != SIM_NOR && (c->file != NULL || c->id != 0))
		return error_set(p->err, -EINVAL, "file and id belong to nor");
	for (i = 0; i + 1 < p->list->n; i++) {
		if (same_chip(&p->list->items[i], c))
			return error_set(p->err, -EEXIST, "the same chip is there twice, as %u "
					 "and %u", i, p->list->n - 1);
	}
	*ret_end = (char)end;
	return 0;
}

struct list *spi_list_parse(const char *text, struct error *err)
{
	struct parser p = { .err = err };
	FREE_PTR char *copy = strdup(text);
	char end = ',';

	p.list = calloc(1, sizeof(*p.list));
	if (copy == NULL || p.list == NULL) {
		free(p.list);
		error_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	p.at = trim(copy);
	while (end == ',') {
		if (item_parse(&p, &end) < 0) {
			spi_list_free(p.list);
			return NULL;
		}
	}
	return p.list;
}

void spi_list_free(struct list *l)
{
	unsigned i;

	for (i = 0; l != NULL && i < l->n; i++) {
		free(l->items[i].path);
		free(l->items[i].file);
	}
	free(l);
}
