/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Every row of every built device, and the common ones: names, texts, defaults,
 * targets and letters are sound, whatever a new device brings.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/common.h"
#include "core/plan.h"
#include "core/registry.h"

/* Letters that a device has for something else than the common rows: of old. */
static const struct {
	const char *device;
	char letter;
} taken_letters[] = {
	{ "gpu", 'c' },
};

static bool is_list(const struct option *row)
{
	return (row->flags & OPT_LIST) != 0 && (row->flags & OPT_EACH) == 0;
}

static size_t type_size(const struct option *row)
{
	switch (row->type) {
	case OPT_FLAG:
	case OPT_BOOL:
		return sizeof(bool);
	case OPT_STRING:
	case OPT_PATH:
		return sizeof(char *);
	case OPT_CHOICE:
		return sizeof(unsigned);
	case OPT_UINT:
	case OPT_SIZE:
		return row->size <= 2 || row->size == 4 || row->size == 8 ? row->size : 0;
	case OPT_GROUP:
	case OPT_CUSTOM:
	default:
		return row->size;
	}
}

static bool is_name(const char *name)
{
	return name[0] >= 'a' && name[0] <= 'z' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name) &&
		strlen(name) <= 40;
}

/* Words, rows of items and functions share their place with numbers. */
static void check_values(const struct option *row, const char *where)
{
	if (row->type == OPT_UINT || row->type == OPT_SIZE)
		ck_assert_msg(row->max == 0 || row->min <= row->max, "%s: range of %s", where,
			      row->name);
	else if (row->type == OPT_CHOICE || row->type == OPT_GROUP)
		ck_assert_msg(row->words != NULL &&
			      (row->type == OPT_GROUP || row->parse == NULL),
			      "%s: words or rows of %s", where, row->name);
	else if (row->type == OPT_CUSTOM)
		ck_assert_msg(row->words == NULL && row->parse != NULL, "%s: parse of %s", where,
			      row->name);
	else
		ck_assert_msg(row->min == 0 && row->max == 0, "%s: %s takes no range", where,
			      row->name);
}

static void check_texts(const struct option *row, const char *where)
{
	const char *const *alias;
	size_t n = strlen(row->help);

	ck_assert_msg(is_name(row->name), "%s: name %s", where, row->name);
	for (alias = row->aliases; alias != NULL && *alias != NULL; alias++)
		ck_assert_msg(is_name(*alias), "%s: alias %s", where, *alias);
	ck_assert_msg(n > 5 && row->help[n - 1] == '.' && row->help[0] >= 'A' &&
		      row->help[0] <= 'Z' && strchr(row->help, '\n') == NULL,
		      "%s: help of %s is no sentence", where, row->name);
	ck_assert_msg((row->metavar == NULL) == (row->type == OPT_FLAG),
		      "%s: metavar of %s", where, row->name);
	check_values(row, where);
}

static void check_target(const struct option *row, size_t conf_size, const char *where)
{
	size_t size = is_list(row) ? sizeof(struct opt_list) : row->size;

	ck_assert_msg(row->size > 0 && row->size == type_size(row), "%s: size %u of %s", where,
		      row->size, row->name);
	ck_assert_msg(row->offset <= conf_size && size <= conf_size - row->offset,
		      "%s: %s lies outside its conf", where, row->name);
}

/* Two rows that write to the same place would undo each other; a group may cover others. */
static void check_overlap(const struct option *a, const struct option *b, const char *where)
{
	size_t size_a = is_list(a) ? sizeof(struct opt_list) : a->size;
	size_t size_b = is_list(b) ? sizeof(struct opt_list) : b->size;

	ck_assert_msg(a->type == OPT_GROUP || b->type == OPT_GROUP ||
		      a->offset + size_a <= b->offset || b->offset + size_b <= a->offset,
		      "%s: %s and %s have the same target", where, a->name, b->name);
}

static void check_rows(const struct option *rows, size_t conf_size, const char *where)
{
	const struct option *row, *other;
	const char *const *alias;
	void *conf = calloc(1, conf_size + 1);

	for (row = rows; row->name != NULL; row++) {
		check_texts(row, where);
		check_target(row, conf_size, where);
		ck_assert_msg(opt_find(rows, row->name, strlen(row->name)) == row,
			      "%s: %s stands twice", where, row->name);
		for (alias = row->aliases; alias != NULL && *alias != NULL; alias++)
			ck_assert_msg(opt_find(rows, *alias, strlen(*alias)) == row,
				      "%s: alias %s stands twice", where, *alias);
		ck_assert_msg(row->brief == 0 || opt_find_brief(rows, row->brief) == row,
			      "%s: -%c stands twice", where, row->brief);
		for (other = rows; other < row; other++)
			check_overlap(other, row, where);
		if (row->type == OPT_GROUP)
			check_rows(row->sub, row->size, row->name);
	}
	/* Traps on a default that does not parse or is out of range. */
	opt_defaults(rows, conf);
	opt_finish(rows, conf);
	free(conf);
}

START_TEST(common_rows_are_sound)
{
	check_rows(socket_rows, sizeof(struct socket_conf), "socket rows");
	check_rows(process_rows, sizeof(struct process_conf), "process rows");
}
END_TEST

static bool may_take(const char *device, char letter)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taken_letters); i++) {
		if (taken_letters[i].letter == letter &&
		    strcmp(taken_letters[i].device, device) == 0)
			return true;
	}
	return false;
}

static void check_hiding(const struct device *d)
{
	const struct opt_tables common = { { NULL, socket_rows, process_rows } };
	const struct option *row, *other;
	const char *const *name;

	for (row = d->options; row->name != NULL; row++) {
		other = opt_lookup_brief(&common, row->brief);
		ck_assert_msg(other == NULL || strcmp(other->name, row->name) == 0 ||
			      may_take(d->name, row->brief),
			      "%s: -%c is that of --%s", d->name, row->brief,
			      other != NULL ? other->name : "");
		/* What a row excludes has to be there. */
		for (name = row->excludes; name != NULL && *name != NULL; name++)
			ck_assert_msg(opt_find(d->options, *name, strlen(*name)) != NULL ||
				      opt_lookup(&common, *name, strlen(*name)) != NULL,
				      "%s: --%s excludes --%s, which is not there", d->name,
				      row->name, *name);
	}
}

START_TEST(option_rows_of_devices_are_sound)
{
	const struct device *const *d;

	ck_assert_ptr_nonnull(registry_devices[0]);
	for (d = registry_devices; *d != NULL; d++) {
		if ((*d)->options == NULL)
			continue;
		check_rows((*d)->options, (*d)->conf_size, (*d)->name);
		check_hiding(*d);
	}
}
END_TEST

enum { RING_MAX = 32768 };

/* Device bits of the virtio specification; all others belong to rings and transport. */
static bool are_device_bits(uint64_t features)
{
	const uint64_t low = BIT(24) - 1, high = ~(BIT(50) - 1);

	return (features & ~(low | high | BIT(41) | BIT(42))) == 0;
}

static void check_queues(const struct device *d)
{
	unsigned i;

	ck_assert_msg(d->n_queues > 0, "%s has no queue", d->name);
	for (i = 0; i < d->n_queues; i++) {
		const struct queue_row *q = &d->queues[i];

		ck_assert_msg(q->name != NULL && q->handle != NULL, "%s: queue %u", d->name, i);
		ck_assert_msg(q->max_size > 0 && q->max_size <= RING_MAX &&
			      (q->max_size & (q->max_size - 1)) == 0,
			      "%s: queue %s has %u entries", d->name, q->name, q->max_size);
	}
}

START_TEST(device_rows_are_sound)
{
	const struct device *const *d;

	for (d = registry_devices; *d != NULL; d++) {
		ck_assert_msg(is_name((*d)->name), "name %s", (*d)->name);
		ck_assert_msg(d[1] == NULL || strcmp((*d)->name, d[1]->name) < 0,
			      "%s is not in order", (*d)->name);
		ck_assert_msg((*d)->summary != NULL && strlen((*d)->summary) > 5 &&
			      strlen((*d)->summary) < 60, "%s: summary", (*d)->name);
		ck_assert_msg(registry_find((*d)->name) == *d, "%s stands twice", (*d)->name);
		ck_assert(registry_knows((*d)->name));
		ck_assert_msg(are_device_bits((*d)->features | (*d)->required | (*d)->tolerated),
			      "%s: feature bits", (*d)->name);
		ck_assert_msg((*d)->config_wr_off + (*d)->config_wr_len <= (*d)->config_size,
			      "%s: writable config", (*d)->name);
		check_queues(*d);
	}
	ck_assert_ptr_null(registry_find("no-such"));
	ck_assert(!registry_knows("no-such"));
}
END_TEST

START_TEST(left_out_devices_are_known)
{
	const struct left_out *l;

	for (l = registry_left_out; l->name != NULL; l++) {
		ck_assert_ptr_null(registry_find(l->name));
		ck_assert(registry_knows(l->name));
		ck_assert_msg(strlen(l->summary) > 5, "%s: summary", l->name);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rows");
	TCase *tc = tcase_create("rows");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(tc, common_rows_are_sound);
	tcase_add_test(tc, option_rows_of_devices_are_sound);
	tcase_add_test(tc, device_rows_are_sound);
	tcase_add_test(tc, left_out_devices_are_known);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
