/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The end of every main() of a test. */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>

/* Runs it as the environment says, and frees it. What main() returns. */
static inline int run_suite(Suite *s)
{
	SRunner *sr = srunner_create(s);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}

#endif
