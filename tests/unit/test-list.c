/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Lists of devices: how they are cut, what words may have, what is said of bad ones. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "vhost-device/list.h"

enum { ITEMS = 4 };

struct item {
	char name[20], words[60];
	bool quoted;
};

struct list {
	struct item items[ITEMS];
	unsigned n;
};

static struct error err;
static unsigned lists;                  /* that are not freed */

static int add_word(struct list_parser *p, void *item, char *value)
{
	struct item *i = item;
	size_t n = strlen(i->words);

	snprintf(i->words + n, sizeof(i->words) - n, "%s;", value != NULL ? value : "-");
	return 0;
}

static int refuse_word(struct list_parser *p, void *item, char *value)
{
	return error_set(p->err, -EPERM, "not today");
}

static const struct list_word some[] = {
	{ "flag", add_word, LIST_NO_VALUE, 1 },
	{ "may", add_word, LIST_MAY_VALUE, 2 },
	{ "must", add_word, LIST_MUST_VALUE, 3 },
	{ "never", refuse_word, LIST_NO_VALUE, 4 },
};
static const struct list_words plain = { some, ARRAY_SIZE(some), "", "VALUE" };
static const struct list_words marked = { some, ARRAY_SIZE(some), "/", "NUMBER" };
static const struct list_words *words = &plain;

static int one_item(struct list_parser *p)
{
	struct list *l = p->list;
	struct item *i = &l->items[l->n++];
	const struct list_word *w;
	char *name = NULL, *text, *value;
	int end, ret;

	lists += l->n == 1;
	end = list_name(p, "thing", &name, &i->quoted);
	if (end < 0)
		return end;
	snprintf(i->name, sizeof(i->name), "%s", name);
	while (end == ':') {
		end = list_cut(p, &text);
		w = list_word(p, words, text, &value);
		if (w == NULL)
			return -EINVAL;
		ck_assert_uint_eq(w->place, (unsigned)(w - some) + 1);
		ret = w->parse(p, i, value);
		if (ret < 0)
			return ret;
	}
	return end;
}

static void free_list(void *list)
{
	lists -= list != NULL;
	free(list);
}

static const struct list_kind kind = {
	.option = "things", .size = sizeof(struct list), .item = one_item, .free = free_list,
};

static const struct {
	const char *text;
	unsigned n;
	struct item items[ITEMS];
} good[] = {
	{ "a", 1, { { .name = "a" } } },
	{ "", 1, { { .name = "" } } },
	{ " a , b\t", 2, { { .name = "a" }, { .name = "b" } } },
	{ "a,", 2, { { .name = "a" }, { .name = "" } } },
	{ ",,", 3, { { .name = "" }, { .name = "" }, { .name = "" } } },
	{ "a:flag:may:may=1 , b : must=2 ", 2, { { "a", "-;-;1;", false }, { "b", "2;", false } } },
	{ "a:must=1=2", 1, { { "a", "1=2;", false } } },
	{ "\"a,b:c\"", 1, { { "a,b:c", "", true } } },
	{ " ' a\" ' :flag, c", 2, { { " a\" ", "-;", true }, { .name = "c" } } },
	{ "\"\"", 1, { { "", "", true } } },
	{ "a\"b", 1, { { .name = "a\"b" } } },
};

START_TEST(good_lists)
{
	struct list *l = list_parse(&kind, good[_i].text, &err);
	unsigned i;

	ck_assert_msg(l != NULL, "%s", err.text);
	ck_assert_uint_eq(l->n, good[_i].n);
	for (i = 0; i < l->n; i++) {
		ck_assert_str_eq(l->items[i].name, good[_i].items[i].name);
		ck_assert_str_eq(l->items[i].words, good[_i].items[i].words);
		ck_assert_int_eq(l->items[i].quoted, good[_i].items[i].quoted);
	}
	kind.free(l);
	ck_assert_uint_eq(lists, 0);
}
END_TEST

static const struct {
	const char *text, *says, *marked;
} bad[] = {
	{ "a:what", "'what' is unknown: there are flag, may, must and never",
		"/what is unknown: there are flag, may, must and never" },
	{ "a:", "'' is unknown: there are flag, may, must and never",
		"/ is unknown: there are flag, may, must and never" },
	{ "a:must =1", "'must ' is unknown: there are flag, may, must and never",
		"/must  is unknown: there are flag, may, must and never" },
	{ "a:flag=1", "flag takes no value", "/flag takes no value" },
	{ "a:flag=", "flag takes no value", "/flag takes no value" },
	{ "a:must", "must needs a value: must=VALUE", "/must needs a value: /must=NUMBER" },
	{ "b,a:must=", "must needs a value: must=VALUE", "/must needs a value: /must=NUMBER" },
	{ "a:may=", "may needs a value: may=VALUE", "/may needs a value: /may=NUMBER" },
	{ "a,b:never,c", "not today", "not today" },
	{ "'a:b", "the quote before a:b is not closed", "the quote before a:b is not closed" },
	{ "'a' b :flag", "'b' follows a quoted thing", "'b' follows a quoted thing" },
};

START_TEST(bad_lists)
{
	words = &plain;
	ck_assert_ptr_null(list_parse(&kind, bad[_i].text, &err));
	ck_assert_str_eq(err.text, bad[_i].says);
	words = &marked;
	ck_assert_ptr_null(list_parse(&kind, bad[_i].text, &err));
	ck_assert_str_eq(err.text, bad[_i].marked);
	words = &plain;
	ck_assert_uint_eq(lists, 0);
}
END_TEST

/* Every list of an option is looked at, and the bad one is named. */
START_TEST(all_of_an_option)
{
	char first[] = "a:flag", second[] = "b:may=2,c", third[] = "d:what";
	char *texts[] = { first, second, third };
	struct opt_list all = { texts, 2 };

	ck_assert_int_eq(list_check(&kind, &all, &err), 0);
	all.n = 3;
	ck_assert_int_eq(list_check(&kind, &all, &err), -EINVAL);
	ck_assert_str_eq(err.text, "--things d:what: 'what' is unknown: there are flag, may, must "
			 "and never");
	all.n = 0;
	ck_assert_int_eq(list_check(&kind, &all, &err), 0);
	ck_assert_uint_eq(lists, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = tcase_create("list");

	tcase_add_loop_test(tc, good_lists, 0, (int)ARRAY_SIZE(good));
	tcase_add_loop_test(tc, bad_lists, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(tc, all_of_an_option);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
