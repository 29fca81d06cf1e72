/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Strict numbers: what is taken, what is refused and why. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "suite.h"
#include "vhost-device/num.h"

static const struct {
	const char *text;
	uint64_t min, max;
	int ret;
	uint64_t value;
} plain[] = {
	{ "0", 0, UINT64_MAX, 0, 0 },
	{ "+7", 0, UINT64_MAX, 0, 7 },
	{ "007", 0, UINT64_MAX, 0, 7 },
	{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
	{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
	{ "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
	{ "65537", 1, 65536, -ERANGE, 0 },
	{ "0", 1, 65536, -ERANGE, 0 },
	{ "", 0, 9, -EINVAL, 0 },
	{ "+", 0, 9, -EINVAL, 0 },
	{ "-1", 0, 9, -EINVAL, 0 },
	{ "0x10", 0, 99, -EINVAL, 0 },
	{ " 1", 0, 9, -EINVAL, 0 },
	{ "1 ", 0, 9, -EINVAL, 0 },
	{ "1K", 0, 9999, -EINVAL, 0 },
};

START_TEST(plain_numbers)
{
	uint64_t value = 42;
	int ret = num_parse(plain[_i].text, plain[_i].min, plain[_i].max, &value);

	ck_assert_int_eq(ret, plain[_i].ret);
	ck_assert_uint_eq(value, ret < 0 ? 42 : plain[_i].value);
}
END_TEST

static const struct {
	const char *text;
	int ret;
	uint64_t value;
} sizes[] = {
	{ "12", 0, 12 }, { "1K", 0, 1024 }, { "3M", 0, 3 << 20 }, { "2G", 0, 2ULL << 30 },
	{ "1T", 0, 1ULL << 40 }, { "16777216T", -ERANGE, 0 }, { "1k", -EINVAL, 0 },
	{ "1KB", -EINVAL, 0 }, { "K", -EINVAL, 0 },
};

START_TEST(numbers_with_suffix)
{
	uint64_t value = 42;
	int ret = num_parse_size(sizes[_i].text, 0, UINT64_MAX, &value);

	ck_assert_int_eq(ret, sizes[_i].ret);
	ck_assert_uint_eq(value, ret < 0 ? 42 : sizes[_i].value);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("num");
	TCase *tc = tcase_create("num");

	tcase_add_loop_test(tc, plain_numbers, 0, (int)ARRAY_SIZE(plain));
	tcase_add_loop_test(tc, numbers_with_suffix, 0, (int)ARRAY_SIZE(sizes));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
