/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The echo device; a start for the test of a device that was copied from it. */
#include <check.h>
#include <string.h>

#include "core/opt.h"
#include "fake-core.h"
#include "suite.h"
#include "wire/le.h"

extern const struct device device_template;

static unsigned char conf[64];

static void setup(void)
{
	ck_assert_uint_le(device_template.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_template.options, conf);
}

static void begin(void)
{
	fake_setup(&device_template, 0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	fake_start();
}

static void end(void)
{
	fake_stop();
	fake_close();
	fake_teardown();
}

/* Readable and writable bytes of a request, the limit, and how much comes back. */
static const struct {
	size_t get, put;
	const char *limit;
	size_t used;
} echoes[] = {
	{ 5, 5, NULL, 5 }, { 5, 9, NULL, 5 }, { 9, 5, NULL, 5 }, { 0, 5, NULL, 0 },
	{ 5, 0, NULL, 0 }, { 3000, 2500, NULL, 2500 }, { 70000, 70000, NULL, 65536 },
	{ 9, 9, "4", 4 },
};

START_TEST(requests_are_echoed)
{
	static char text[70000];
	const struct chain *c;
	size_t used = echoes[_i].used, i;

	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)(i % 127);
	if (echoes[_i].limit != NULL)
		opt_set(opt_find(device_template.options, "limit", 5), conf, echoes[_i].limit,
			NULL);
	begin();
	c = fake_push(text, echoes[_i].get, echoes[_i].put);
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, used);
	ck_assert_int_eq(memcmp(c->put, text, used), 0);
	for (i = used; i < echoes[_i].put; i++)
		ck_assert_uint_eq(c->put[i], FAKE_POISON);
	end();
}
END_TEST

START_TEST(config_space_counts)
{
	le32_t config[2];

	begin();
	fake_push("abc", 3, 3);
	fake_push("abcdef", 6, 6);
	memcpy(config, fake.config, sizeof(config));
	ck_assert_uint_eq(le32_get(config[0]), 2);
	ck_assert_uint_eq(le32_get(config[1]), 6);
	ck_assert_uint_eq(fake.config_changes, 2);
	end();
}
END_TEST

START_TEST(unmapped_memory_costs_one_request)
{
	struct chain *bad;
	const struct chain *after;

	fake_setup(&device_template, 0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	bad = fake_push("abc", 3, 3);
	bad->unmapped = true;
	after = fake_push("abc", 3, 3);
	fake_start();
	ck_assert_int_eq(bad->end, FAKE_FAILED);
	ck_assert_uint_eq(bad->used, 0);
	ck_assert_uint_eq(after->used, 3);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("template");
	TCase *tc = tcase_create("template");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, requests_are_echoed, 0, (int)ARRAY_SIZE(echoes));
	tcase_add_test(tc, config_space_counts);
	tcase_add_test(tc, unmapped_memory_costs_one_request);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
