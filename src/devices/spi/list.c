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

/* Words. */

static int word_number(struct list_parser *p, const char *word, const char *value, uint64_t min,
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
static int word_max_freq(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;
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
static int each(struct list_parser *p, struct list_item *c, const char *word, char *value,
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

static int word_modes(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;
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

static int word_bpw(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

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

static int word_tx_nbits(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->caps.has_tx = true;
	return each(p, c, "tx-nbits", value, one_tx);
}

static int word_rx_nbits(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->caps.has_rx = true;
	return each(p, c, "rx-nbits", value, one_rx);
}

static int word_nbits(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->caps.has_tx = c->caps.has_rx = true;
	return each(p, c, "nbits", value, one_nbits);
}

static int word_cs(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;
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

static int word_shared(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->shared = true;
	return 0;
}

static int word_loopback(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->sim = SIM_LOOPBACK;
	return 0;
}

static int word_shift(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->sim = SIM_SHIFT;
	c->size = 1;
	return value == NULL ? 0 : word_number(p, "shift", value, 1, SHIFT_MOST, &c->size);
}

static int word_nor(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	c->sim = SIM_NOR;
	c->size = SIZE_DEFAULT;
	if (value != NULL && word_number(p, "nor", value, SIZE_LEAST, SIZE_MOST, &c->size) < 0)
		return -EINVAL;
	if ((c->size & (c->size - 1)) != 0)
		return error_set(p->err, -EINVAL, "nor=%s: its size is a power of two from 64K to "
				 "256M", value);
	return 0;
}

static int word_id(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;
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

static int word_file(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	free(c->file);
	c->file = strdup(value);
	return c->file != NULL ? 0 : error_set(p->err, -ENOMEM, "out of memory");
}

static int word_slow(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	return word_number(p, "slow", value, 0, SLOW_MOST, &c->slow);
}

static int word_fail(struct list_parser *p, void *item, char *value)
{
	struct list_item *c = item;

	return word_number(p, "fail", value, 0, UINT32_MAX, &c->fail);
}

enum word_place { ON_CHIP, ON_SIM };

static const struct list_word chip_words[] = {
	{ "bpw", word_bpw, LIST_MUST_VALUE, ON_CHIP },
	{ "cs", word_cs, LIST_MUST_VALUE, ON_CHIP },
	{ "fail", word_fail, LIST_MUST_VALUE, ON_SIM },
	{ "file", word_file, LIST_MUST_VALUE, ON_SIM },
	{ "id", word_id, LIST_MUST_VALUE, ON_SIM },
	{ "loopback", word_loopback, LIST_NO_VALUE, ON_SIM },
	{ "max-freq", word_max_freq, LIST_MUST_VALUE, ON_CHIP },
	{ "modes", word_modes, LIST_MUST_VALUE, ON_CHIP },
	{ "nbits", word_nbits, LIST_MUST_VALUE, ON_CHIP },
	{ "nor", word_nor, LIST_MAY_VALUE, ON_SIM },
	{ "rx-nbits", word_rx_nbits, LIST_MUST_VALUE, ON_CHIP },
	{ "shared", word_shared, LIST_NO_VALUE, ON_CHIP },
	{ "shift", word_shift, LIST_MAY_VALUE, ON_SIM },
	{ "slow", word_slow, LIST_MUST_VALUE, ON_SIM },
	{ "tx-nbits", word_tx_nbits, LIST_MUST_VALUE, ON_CHIP },
};
static const struct list_words words = { chip_words, ARRAY_SIZE(chip_words), "", "VALUE" };

static int word_parse(struct list_parser *p, struct list_item *c, char *text)
{
	const struct list_word *w;
	char *value;

	w = list_word(p, &words, text, &value);
	if (w == NULL)
		return -EINVAL;
	if (w->place == ON_SIM && c->kind != ITEM_SIM)
		return error_set(p->err, -EINVAL, "%s is only for simulated chips", text);
	if (c->kind == ITEM_HOLE)
		return error_set(p->err, -EINVAL, "there is no chip at '-', and nothing to say "
				 "of it");
	return w->parse(p, c, value);
}

/* Chips. */

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

static int set_path(struct list_parser *p, struct list_item *c, const char *path)
{
	if (*path == '\0')
		return error_set(p->err, -EINVAL, "a chip is missing: write a path such as "
				 "/dev/spidev0.0, or - where there is none");
	c->kind = ITEM_HOST;
	c->path = strdup(path);
	return c->path != NULL ? 0 : error_set(p->err, -ENOMEM, "out of memory");
}

/* What ends the name of the chip, or negative with err set. */
static int name_parse(struct list_parser *p, struct list_item *c)
{
	bool quoted;
	char *name;
	int end = list_name(p, "path", &name, &quoted);

	if (end < 0 || (!quoted && (strcmp(name, "-") == 0 || is_sim(name, c))))
		return end;
	return set_path(p, c, name) < 0 ? -EINVAL : end;
}

static bool same_chip(const struct list_item *a, const struct list_item *b)
{
	if (a->kind != b->kind || a->kind == ITEM_HOLE)
		return false;
	return a->kind == ITEM_HOST ? strcmp(a->path, b->path) == 0
		: a->bus == b->bus && a->cs == b->cs;
}

static int item_parse(struct list_parser *p)
{
	struct list *l = p->list;
	struct list_item *c = &l->items[l->n];
	char *text;
	unsigned i;
	int end;

	if (l->n == LIST_MAX)
		return error_set(p->err, -E2BIG, "more than %d chips", LIST_MAX);
	l->n++;
	end = name_parse(p, c);
	while (end == ':') {
		end = list_cut(p, &text);
		if (word_parse(p, c, text) < 0)
			return -EINVAL;
	}
	if (end < 0)
		return end;
	if (c->sim != SIM_NOR && (c->file != NULL || c->id != 0))
		return error_set(p->err, -EINVAL, "file and id belong to nor");
	for (i = 0; i + 1 < l->n; i++) {
		if (same_chip(&l->items[i], c))
			return error_set(p->err, -EEXIST, "the same chip is there twice, as %u "
					 "and %u", i, l->n - 1);
	}
	return end;
}

static void free_list(void *list)
{
	struct list *l = list;
	unsigned i;

	for (i = 0; l != NULL && i < l->n; i++) {
		free(l->items[i].path);
		free(l->items[i].file);
	}
	free(l);
}

const struct list_kind spi_lists = {
	.option = "device", .size = sizeof(struct list), .item = item_parse, .free = free_list,
};
