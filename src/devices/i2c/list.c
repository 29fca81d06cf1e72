/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * --device-list, a superset of the original's BUS:ADDR[:ADDR][,BUS:ADDR]:
 *
 *   list    = bus { "," bus }
 *   bus     = ( N | /dev/i2c-N | name | "name" | sN[/smbus] ) { ":" clients }
 *   clients = ( "*" | ADDR [ "-" ADDR ] [ "=" ADDR ] ) { "/" word [ "=" N ] }
 *
 * Only a quoted name may hold ':' or ',' or look like another kind of bus.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "vhost-device/num.h"

enum { ANY_FIRST = 0x08, ANY_LAST = 0x77, EEPROM_MAX = 65536, SLOW_MAX = 60000 };

static const char dev_prefix[] = "/dev/i2c-";

/* Addresses of the guest, inclusive, and the first one on the bus. */
struct span {
	bool any;
	uint16_t first, last, host;
};

struct list_text list_address(unsigned index)
{
	struct list_text t;

	if (index < I2C_SEVEN)
		snprintf(t.s, sizeof(t.s), "0x%02x", index);
	else
		snprintf(t.s, sizeof(t.s), "0x%03x/ten", (index - I2C_SEVEN) % I2C_TEN);
	return t;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decimal, or hexadecimal with 0x. */
static int number(const char *s, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t v = 0;
	int digit;

	if (s[0] != '0' || (s[1] != 'x' && s[1] != 'X'))
		return num_parse(s, min, max, ret_value);
	s += 2;
	if (*s == '\0')
		return -EINVAL;
	for (; *s != '\0'; s++) {
		digit = digit_value(*s);
		if (digit < 0)
			return -EINVAL;
		if (v <= max)
			v = v * 16 + (unsigned)digit;
	}
	if (v < min || v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}

static int address(struct list_parser *p, const char *s, bool ten, uint16_t *ret_address)
{
	uint64_t v;
	int ret = number(s, 0, ten ? I2C_TEN - 1 : I2C_SEVEN - 1, &v);

	if (ret == -ERANGE)
		return error_set(p->err, ret, "address %s is too large: up to %s", s,
				 ten ? "1023 (0x3ff)" : "127 (0x7f), or add /ten");
	if (ret < 0)
		return error_set(p->err, ret, "'%s' is no address: give a number such as 80 "
				 "or 0x50", s);
	*ret_address = (uint16_t)v;
	return 0;
}

/* Clients. */

static int word_number(struct list_parser *p, const char *word, const char *value, uint64_t min,
		       uint64_t max, uint32_t *target)
{
	uint64_t v;

	if (number(value, min, max, &v) < 0)
		return error_set(p->err, -EINVAL, "/%s=%s: give a number from %llu to %llu", word,
				 value, (unsigned long long)min, (unsigned long long)max);
	*target = (uint32_t)v;
	return 0;
}

static int word_eeprom(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->sim = SIM_EEPROM;
	if (value == NULL)
		return 0;
	if (word_number(p, "eeprom", value, 128, EEPROM_MAX, &c->size) < 0)
		return -EINVAL;
	if ((c->size & (c->size - 1)) != 0 || (c->size > 256 && c->size < 4096))
		return error_set(p->err, -EINVAL, "/eeprom=%s: its size is 128, 256 or a power "
				 "of two from 4096 to 65536", value);
	return 0;
}

static int word_regs(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->sim = SIM_REGS;
	return 0;
}

static int word_block(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->sim = SIM_BLOCK;
	return 0;
}

static int word_nak(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->nak = true;
	return value == NULL ? 0 : word_number(p, "nak", value, 0, 8192, &c->nak_after);
}

static int word_slow(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	return word_number(p, "slow", value, 0, SLOW_MAX, &c->slow);
}

static int word_ro(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;
	uint32_t bytes = 1;

	if (value != NULL && word_number(p, "ro", value, 0, 8192, &bytes) < 0)
		return -EINVAL;
	c->read_only = true;
	c->pointer = (uint16_t)bytes;
	return 0;
}

static int word_force(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->force = true;
	return 0;
}

static int word_split(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->split = true;
	return 0;
}

static int word_pec(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->pec = true;
	return 0;
}

static int word_ten(struct list_parser *p, void *item, char *value)
{
	struct list_client *c = item;

	c->ten = true;
	return 0;
}

enum word_place { ANYWHERE, ON_HOST, ON_SIM, ON_SMBUS };

static const struct list_word client_words[] = {
	{ "block", word_block, LIST_NO_VALUE, ON_SIM },
	{ "eeprom", word_eeprom, LIST_MAY_VALUE, ON_SIM },
	{ "force", word_force, LIST_NO_VALUE, ON_HOST },
	{ "nak", word_nak, LIST_MAY_VALUE, ON_SIM },
	{ "pec", word_pec, LIST_NO_VALUE, ON_HOST },
	{ "regs", word_regs, LIST_NO_VALUE, ON_SIM },
	{ "ro", word_ro, LIST_MAY_VALUE, ANYWHERE },
	{ "slow", word_slow, LIST_MUST_VALUE, ON_SIM },
	{ "split", word_split, LIST_NO_VALUE, ON_SMBUS },
	{ "ten", word_ten, LIST_NO_VALUE, ANYWHERE },
};
static const struct list_words words = { client_words, ARRAY_SIZE(client_words), "/", "NUMBER" };

static int client_word(struct list_parser *p, struct list_client *c, char *text)
{
	const struct list *l = p->list;
	const struct list_bus *b = &l->buses[c->bus];
	bool sim = b->kind == BUS_SIM;
	const struct list_word *w;
	char *value;

	w = list_word(p, &words, text, &value);
	if (w == NULL)
		return -EINVAL;
	if (w->place == ON_SMBUS && sim && !b->smbus)
		return error_set(p->err, -EINVAL, "/%s is only for adapters with SMBus alone",
				 text);
	if ((w->place == ON_SIM && !sim) || (w->place == ON_HOST && sim))
		return error_set(p->err, -EINVAL, "/%s is only for %s adapters", text,
				 sim ? "real" : "simulated");
	return w->parse(p, c, value);
}

static int add_client(struct list_parser *p, const struct list_client *c, unsigned index)
{
	struct list *l = p->list;
	struct list_client *at = &l->clients[index];

	/* '*' fills up what nothing else names, whatever comes first. */
	if (c->any && at->listed)
		return 0;
	if (at->listed && !at->any)
		return error_set(p->err, -EEXIST, "address %s is there twice: the guest has one "
				 "bus, give one of them another address as in 0x20=0x50",
				 list_address(index).s);
	*at = *c;
	at->listed = true;
	return 0;
}

static int span_parse(struct list_parser *p, char *text, bool ten, struct span *s)
{
	char *host = strchr(text, '='), *last;

	if (host != NULL)
		*host++ = '\0';
	last = strchr(text, '-');
	if (last != NULL)
		*last++ = '\0';
	if (address(p, text, ten, &s->first) < 0 ||
	    address(p, last != NULL ? last : text, ten, &s->last) < 0 ||
	    address(p, host != NULL ? host : text, ten, &s->host) < 0)
		return -EINVAL;
	if (s->last < s->first)
		return error_set(p->err, -EINVAL, "range %s-%s goes downwards", text, last);
	if (s->host + (s->last - s->first) >= (ten ? I2C_TEN : I2C_SEVEN))
		return error_set(p->err, -ERANGE, "range at %s goes beyond the last address",
				 host);
	return 0;
}

static int clients_parse(struct list_parser *p, char *text, uint8_t bus)
{
	struct list_client c = { .bus = bus };
	struct span s = { .any = false };
	char *word = strchr(text, '/'), *next;
	unsigned a;

	if (word != NULL)
		*word++ = '\0';
	for (; word != NULL; word = next) {
		next = strchr(word, '/');
		if (next != NULL)
			*next++ = '\0';
		if (client_word(p, &c, word) < 0)
			return -EINVAL;
	}
	if (strcmp(text, "*") == 0) {
		if (c.ten || c.sim != SIM_ANY || c.nak || c.slow != 0)
			return error_set(p->err, -EINVAL, "'*' is every 7-bit address as it is");
		c.any = true;
		s = (struct span){ true, ANY_FIRST, ANY_LAST, ANY_FIRST };
	} else if (span_parse(p, text, c.ten, &s) < 0) {
		return -EINVAL;
	}
	for (a = s.first; a <= s.last; a++) {
		c.host = (uint16_t)(s.host + (a - s.first));
		if (add_client(p, &c, a + (c.ten ? I2C_SEVEN : 0)) < 0)
			return -EEXIST;
	}
	return 0;
}

/* Buses. */

static bool sim_kind(struct list_bus *b, const char *text)
{
	static const char smbus[] = "/smbus";
	char digits[16];
	size_t len = strcspn(text, "/");
	uint64_t n;

	if (text[0] != 's' || !isdigit((unsigned char)text[1]) || len >= sizeof(digits) ||
	    (text[len] != '\0' && strcmp(text + len, smbus) != 0))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (num_parse(digits + 1, 0, UINT32_MAX, &n) < 0)
		return false;
	*b = (struct list_bus){ .kind = BUS_SIM, .number = (uint32_t)n,
		.smbus = text[len] != '\0' };
	return true;
}

static void bus_kind(struct list_bus *b, const char *text)
{
	uint64_t n;

	if ((strncmp(text, dev_prefix, sizeof(dev_prefix) - 1) == 0 &&
	     num_parse(text + sizeof(dev_prefix) - 1, 0, UINT32_MAX, &n) == 0) ||
	    num_parse(text, 0, UINT32_MAX, &n) == 0)
		b->number = (uint32_t)n;
	else if (!sim_kind(b, text))
		b->kind = BUS_NAME;
}

static bool same_bus(const struct list_bus *a, const struct list_bus *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->name != NULL && b->name != NULL)
		return strcmp(a->name, b->name) == 0;
	return a->number == b->number;
}

static int bus_parse(struct list_parser *p)
{
	struct list *l = p->list;
	struct list_bus *b = &l->buses[l->n_buses];
	char *name, *text;
	bool quoted;
	unsigned i;
	int end;

	if (l->n_buses == I2C_BUSES_MAX)
		return error_set(p->err, -E2BIG, "more than %d adapters", I2C_BUSES_MAX);
	end = list_name(p, "name", &name, &quoted);
	if (end < 0)
		return end;
	if (quoted)
		b->kind = BUS_NAME;
	else
		bus_kind(b, name);
	if (*name == '\0')
		return error_set(p->err, -EINVAL, "adapter missing: write NUMBER:ADDRESS");
	l->n_buses++;
	if (b->kind == BUS_NAME) {
		b->name = strdup(name);
		if (b->name == NULL)
			return error_set(p->err, -ENOMEM, "out of memory");
	}
	for (i = 0; i + 1 < l->n_buses; i++) {
		if (same_bus(&l->buses[i], b))
			return error_set(p->err, -EEXIST, "duplicate adapter %s: name it once, "
					 "with all its addresses", name);
	}
	while (end == ':') {
		end = list_cut(p, &text);
		if (clients_parse(p, text, (uint8_t)(b - l->buses)) < 0)
			return -EINVAL;
	}
	return end;
}

static void free_list(void *list)
{
	struct list *l = list;
	unsigned i;

	for (i = 0; l != NULL && i < l->n_buses; i++)
		free(l->buses[i].name);
	free(l);
}

const struct list_kind i2c_lists = {
	.option = "device-list", .size = sizeof(struct list), .item = bus_parse,
	.free = free_list,
};
