/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Objects that instances share: one a name and kind, counted, locked. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#include "suite.h"
#include "vhost-device/shared.h"

enum { THREADS = 4, ROUNDS = 20000 };

struct thing {
	uint64_t n;
	long double aligned;
};

static unsigned made, ended;
static int outcome;

static int thing_init(void *obj, const char *name, struct error *err)
{
	struct thing *t = obj;

	ck_assert_uint_eq(t->n, 0);
	ck_assert_uint_eq((uintptr_t)obj % _Alignof(struct thing), 0);
	if (outcome < 0)
		return error_set(err, outcome, "%s does not work", name);
	made++;
	return 0;
}

static void thing_finish(void *obj)
{
	ended++;
}

static const struct shared_type type = { "thing", sizeof(struct thing), thing_init,
	thing_finish };
static const struct shared_type other = { "other", sizeof(struct thing), NULL, NULL };

static void setup(void)
{
	made = ended = 0;
	outcome = 0;
}

START_TEST(one_of_a_name)
{
	struct error err = ERROR_NONE;
	void *a = shared_get(&type, "x", &err), *b = shared_get(&type, "y", &err);
	void *same = shared_get(&type, "x", &err), *kind = shared_get(&other, "x", &err);

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_ptr_nonnull(kind);
	ck_assert_ptr_eq(a, same);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_ne(a, kind);
	ck_assert_uint_eq(made, 2);
	shared_put(a);
	ck_assert_uint_eq(ended, 0);
	shared_put(b);
	ck_assert_uint_eq(ended, 1);
	shared_put(same);
	ck_assert_uint_eq(ended, 2);
	shared_put(kind);
	shared_put(NULL);
}
END_TEST

/* Gone is gone: the next of the name is a new one. */
START_TEST(afresh)
{
	struct error err = ERROR_NONE;
	struct thing *t = shared_get(&type, "x", &err);

	ck_assert_ptr_nonnull(t);
	t->n = 5;
	shared_put(t);
	t = shared_get(&type, "x", &err);
	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->n, 0);
	shared_put(t);
	ck_assert_uint_eq(made, 2);
	ck_assert_uint_eq(ended, 2);
}
END_TEST

START_TEST(failing)
{
	struct error err = ERROR_NONE;
	void *t;

	outcome = -EIO;
	ck_assert_ptr_null(shared_get(&type, "x", &err));
	ck_assert_int_eq(err.code, -EIO);
	ck_assert_str_eq(err.text, "x does not work");
	outcome = 0;
	t = shared_get(&type, "x", &err);
	ck_assert_ptr_nonnull(t);
	shared_put(t);
	ck_assert_uint_eq(ended, 1);
}
END_TEST

static void *add(void *arg)
{
	struct error err = ERROR_NONE;
	struct thing *t;
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		t = shared_get(&type, "x", &err);
		shared_lock(t);
		t->n++;
		shared_unlock(t);
		shared_put(t);
	}
	return NULL;
}

START_TEST(from_many_threads)
{
	struct error err = ERROR_NONE;
	struct thing *t = shared_get(&type, "x", &err);
	pthread_t threads[THREADS];
	unsigned i;

	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(t->n, THREADS * ROUNDS);
	ck_assert_uint_eq(made, 1);
	shared_put(t);
	ck_assert_uint_eq(ended, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shared");
	TCase *tc = tcase_create("shared");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, one_of_a_name);
	tcase_add_test(tc, afresh);
	tcase_add_test(tc, failing);
	tcase_add_test(tc, from_many_threads);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
