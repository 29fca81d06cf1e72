/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Optional libraries: all symbols or none. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "suite.h"
#include "vhost-device/dl.h"

#define MATH_SYMBOLS(X) X(cosh) X(sinh)

static struct {
	MATH_SYMBOLS(DL_MEMBER)
} math;
static const char *const math_names[] = { MATH_SYMBOLS(DL_NAME) NULL };

DL_NOTE(test, "[{\"soname\":[\"libm.so.6\"],\"feature\":\"test\"}]");

static struct dl_library library(void)
{
	return (struct dl_library){ "libm", "libm.so.6", "a test", math_names, &math };
}

static void setup(void)
{
	memset(&math, 0, sizeof(math));
}

START_TEST(symbols_are_found)
{
	struct dl_library lib = library();
	struct error err = ERROR_NONE;

	ck_assert_msg(dl_load(&lib, &err) == 0, "%s", err.text);
	ck_assert(math.cosh(0) > 0.99 && math.cosh(0) < 1.01);
	ck_assert(math.sinh(0) > -0.01 && math.sinh(0) < 0.01);
	ck_assert_int_eq(dl_load(&lib, &err), 0);
}
END_TEST

START_TEST(one_missing_symbol_is_all)
{
	static const char *const names[] = { "cosh", "no_such_function", NULL };
	struct dl_library lib = library();
	struct error err = ERROR_NONE;

	lib.symbols = names;
	ck_assert_int_eq(dl_load(&lib, &err), -ELIBBAD);
	ck_assert_ptr_nonnull(strstr(err.text, "libm.so.6 lacks no_such_function"));
	ck_assert_ptr_null(math.cosh);
	/* Later, with what it has: not remembered as bad. */
	lib.symbols = math_names;
	ck_assert_int_eq(dl_load(&lib, &err), 0);
	ck_assert_ptr_nonnull(math.sinh);
}
END_TEST

START_TEST(no_library)
{
	struct dl_library lib = library();
	struct error err = ERROR_NONE;

	lib.soname = "libno-such-thing.so.1";
	ck_assert_int_eq(dl_load(&lib, &err), -ELIBACC);
	ck_assert_ptr_nonnull(strstr(err.text, "install libm"));
	ck_assert_ptr_null(math.cosh);
	lib.soname = NULL;
	ck_assert_int_eq(dl_load(&lib, &err), -ENOSYS);
	ck_assert_ptr_nonnull(strstr(err.text, "built without libm"));
}
END_TEST

/* readelf and package builders take sizes without padding. */
START_TEST(note_is_well_formed)
{
	ck_assert_uint_eq(dl_note_test.owner_size, sizeof(dl_note_test.owner));
	ck_assert_str_eq(dl_note_test.owner, "FDO");
	ck_assert_uint_eq(dl_note_test.text_size, strlen(dl_note_test.text) + 1);
	ck_assert_uint_eq(sizeof(dl_note_test.text) % 4, 0);
	ck_assert_uint_eq(offsetof(struct dl_note_test, text), 16);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dl");
	TCase *tc = tcase_create("dl");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, symbols_are_found);
	tcase_add_test(tc, one_missing_symbol_is_all);
	tcase_add_test(tc, no_library);
	tcase_add_test(tc, note_is_well_formed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
