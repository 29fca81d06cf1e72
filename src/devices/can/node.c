/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An item of --can-devices, a superset of the original's NAME:
 *
 *   item  = place { "," word [ "=" value ] }
 *   place = INTERFACE | "bus:" NAME { "+" INTERFACE }
 *
 * A list of ids is ID[:MASK] joined by '+', hexadecimal, '~' before one that
 * is refused; more than three digits are a 29-bit id.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "vhost-device/num.h"

enum { WORD_SIZE = 1024, SFF_DIGITS = 3, EFF_DIGITS = 8, TIMEOUT_MAX = 600000 };

static const char bus_prefix[] = "bus:";

/* ---- values ---- */

static int set_bool(const char *value, void *target, struct error *err)
{
	bool *b = target;

	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return error_set(err, -EINVAL, "must be on or off");
	*b = value[1] == 'n';
	return 0;
}

static int set_switch(const char *value, void *target, struct error *err)
{
	enum can_switch *s = target;
	bool b = false;
	int ret = 0;

	if (strcmp(value, "auto") == 0) {
		*s = SWITCH_AUTO;
		return 0;
	}
	ret = set_bool(value, &b, NULL);
	if (ret < 0)
		return error_set(err, ret, "must be on, off or auto");
	*s = b ? SWITCH_ON : SWITCH_OFF;
	return 0;
}

static int set_word(const char *const *words, const char *value, const char *why, unsigned *target,
		    struct error *err)
{
	unsigned i;

	for (i = 0; words[i] != NULL; i++) {
		if (strcmp(value, words[i]) == 0) {
			*target = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "must be %s", why);
}

static int set_brs(const char *value, void *target, struct error *err)
{
	static const char *const words[] = { [BRS_OFF] = "off", [BRS_ON] = "on",
		[BRS_COPY] = "copy", NULL };
	unsigned i = 0;
	int ret = set_word(words, value, "on, off or copy", &i, err);

	*(enum can_brs *)target = i;
	return ret;
}

static int set_full(const char *value, void *target, struct error *err)
{
	static const char *const words[] = { [FULL_NEWEST] = "drop-newest",
		[FULL_OLDEST] = "drop-oldest", [FULL_WAIT] = "wait", NULL };
	unsigned i = 0;
	int ret = set_word(words, value, "drop-newest, drop-oldest or wait", &i, err);

	*(enum can_full *)target = i;
	return ret;
}

static int set_down(const char *value, void *target, struct error *err)
{
	if (strcmp(value, "bus-off") != 0 && strcmp(value, "ignore") != 0)
		return error_set(err, -EINVAL, "must be bus-off or ignore");
	*(bool *)target = value[0] == 'b';
	return 0;
}

static int set_number(const char *value, uint64_t min, uint64_t max, void *target,
		      struct error *err)
{
	uint64_t n;

	if (num_parse(value, min, max, &n) < 0)
		return error_set(err, -EINVAL, "must be a number from %llu to %llu",
				 (unsigned long long)min, (unsigned long long)max);
	*(uint32_t *)target = (uint32_t)n;
	return 0;
}

static int set_rate(const char *value, void *target, struct error *err)
{
	return set_number(value, 0, 1000000, target, err);
}

static int set_backlog(const char *value, void *target, struct error *err)
{
	return set_number(value, 1, CAN_BACKLOG_MAX, target, err);
}

static int set_timeout(const char *value, void *target, struct error *err)
{
	return set_number(value, 1, TIMEOUT_MAX, target, err);
}

/* ---- lists of ids ---- */

static int hex(const char *s, size_t n, canid_t *ret_value)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	canid_t v = 0;
	const char *d;
	size_t i;

	if (n == 0 || n > EFF_DIGITS)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		d = memchr(digits, s[i], sizeof(digits) - 1);
		if (d == NULL)
			return -EINVAL;
		v = v << 4 | (unsigned)((d - digits) % 16);
	}
	*ret_value = v;
	return 0;
}

static int parse_rule(const char *s, size_t n, struct can_rule *r)
{
	const char *colon = memchr(s, ':', n);
	size_t digits = colon != NULL ? (size_t)(colon - s) : n;
	canid_t all = digits > SFF_DIGITS ? CAN_EFF_MASK : CAN_SFF_MASK;

	if (hex(s, digits, &r->id) < 0 || r->id > all)
		return -EINVAL;
	r->mask = all;
	if (colon != NULL && (hex(colon + 1, n - digits - 1, &r->mask) < 0 || r->mask > all))
		return -EINVAL;
	if (all == CAN_EFF_MASK)
		r->id |= CAN_EFF_FLAG;
	r->mask |= CAN_EFF_FLAG;
	return 0;
}

static int set_rules(const char *value, void *target, struct error *err)
{
	struct can_rules *rules = target;
	struct can_rule r;
	size_t n;

	for (;; value += n + 1) {
		n = strcspn(value, "+");
		r = (struct can_rule){ .deny = *value == '~' };
		if (parse_rule(value + r.deny, n - r.deny, &r) < 0)
			return error_set(err, -EINVAL, "\"%.*s\" is no id: write 123, 123:7F0 or "
					 "12345678, with ~ before one that is refused", (int)n,
					 value);
		if (rules->n == CAN_RULES_MAX)
			return error_set(err, -E2BIG, "more than %d ids: use masks",
					 CAN_RULES_MAX);
		rules->rule[rules->n++] = r;
		if (value[n] == '\0')
			return 0;
	}
}

bool can_rules_pass(const struct can_rules *rules, canid_t id)
{
	const struct can_rule *r;
	bool pass = true, found = false;

	for (r = rules->rule; r < rules->rule + rules->n; r++) {
		if (!r->deny)
			pass = false;
		if (((id ^ r->id) & r->mask) != 0)
			continue;
		if (r->deny)
			return false;
		found = true;
	}
	return pass || found;
}

/* ---- the item ---- */

static const struct property {
	const char *word;
	int (*set)(const char *value, void *target, struct error *err);
	size_t offset;
} properties[] = {
	{ "fd", set_switch, offsetof(struct can_node, fd) },
	{ "rtr", set_bool, offsetof(struct can_node, rtr) },
	{ "late-ack", set_switch, offsetof(struct can_node, late_ack) },
	{ "brs", set_brs, offsetof(struct can_node, brs) },
	{ "tx", set_bool, offsetof(struct can_node, tx) },
	{ "rx", set_bool, offsetof(struct can_node, rx) },
	{ "own", set_bool, offsetof(struct can_node, own) },
	{ "loopback", set_bool, offsetof(struct can_node, loopback) },
	{ "hotplug", set_bool, offsetof(struct can_node, hotplug) },
	{ "filter", set_rules, offsetof(struct can_node, rx_rules) },
	{ "tx-filter", set_rules, offsetof(struct can_node, tx_rules) },
	{ "full", set_full, offsetof(struct can_node, full) },
	{ "down", set_down, offsetof(struct can_node, down_is_bus_off) },
	{ "rate", set_rate, offsetof(struct can_node, rate) },
	{ "backlog", set_backlog, offsetof(struct can_node, backlog) },
	{ "ack-timeout", set_timeout, offsetof(struct can_node, ack_timeout_ms) },
};

static int parse_property(char *word, struct can_node *node, struct error *err)
{
	char *value = strchr(word, '=');
	const struct property *p;

	if (value == NULL)
		return error_set(err, -EINVAL, "\"%s\" has no value: write WORD=VALUE", word);
	*value++ = '\0';
	for (p = properties; p < properties + ARRAY_SIZE(properties); p++) {
		if (strcmp(p->word, word) != 0)
			continue;
		if (p->set(value, (char *)node + p->offset, err) < 0)
			return error_prefix(err, "%s=%s: ", word, value);
		return 0;
	}
	return error_set(err, -EINVAL, "no property is called \"%s\"", word);
}

static int copy_name(char to[CAN_NAME_SIZE], const char *name, const char *what,
		     struct error *err)
{
	size_t n = strlen(name);

	if (n == 0 || n >= CAN_NAME_SIZE || strpbrk(name, "/:") != NULL)
		return error_set(err, -EINVAL, "\"%s\" is no name of %s: 1 to %d characters "
				 "without / and :", name, what, CAN_NAME_SIZE - 1);
	memcpy(to, name, n + 1);
	return 0;
}

static int parse_iface(const char *name, struct can_node *node, struct error *err)
{
	if (node->n_ifaces == CAN_IFACES_MAX)
		return error_set(err, -E2BIG, "more than %d interfaces", CAN_IFACES_MAX);
	return copy_name(node->ifaces[node->n_ifaces++], name, "an interface", err);
}

static int parse_place(char *text, struct can_node *node, struct error *err)
{
	char *next;
	int ret;

	if (strncmp(text, bus_prefix, sizeof(bus_prefix) - 1) != 0)
		return parse_iface(text, node, err);
	text += sizeof(bus_prefix) - 1;
	next = strchr(text, '+');
	if (next != NULL)
		*next++ = '\0';
	ret = copy_name(node->bus, text, "a bus", err);
	while (ret == 0 && (text = next) != NULL) {
		next = strchr(text, '+');
		if (next != NULL)
			*next++ = '\0';
		ret = parse_iface(text, node, err);
	}
	return ret;
}

static int check_node(const struct can_node *node, struct error *err)
{
	if (!node->loopback && node->late_ack == SWITCH_ON)
		return error_set(err, -EINVAL, "late-ack=on needs loopback=on: it listens to its "
				 "own frames");
	if (node->own && node->bus[0] == '\0')
		return error_set(err, -EINVAL, "own=on is for a bus:NAME");
	return 0;
}

int can_node_parse(const char *text, struct can_node *ret_node, struct error *err)
{
	struct can_node node = { .rtr = true, .tx = true, .rx = true, .loopback = true,
		.down_is_bus_off = true, .backlog = 1024, .ack_timeout_ms = 1000 };
	char buf[WORD_SIZE], *word = buf, *next;
	int ret;

	if (strlen(text) >= sizeof(buf))
		return error_set(err, -EINVAL, "longer than %d characters", WORD_SIZE - 1);
	memcpy(buf, text, strlen(text) + 1);
	next = strchr(word, ',');
	if (next != NULL)
		*next++ = '\0';
	ret = parse_place(word, &node, err);
	while (ret == 0 && (word = next) != NULL) {
		next = strchr(word, ',');
		if (next != NULL)
			*next++ = '\0';
		ret = parse_property(word, &node, err);
	}
	if (ret == 0)
		ret = check_node(&node, err);
	if (ret == 0)
		*ret_node = node;
	return ret < 0 ? -EINVAL : 0;
}
