/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guest memory: bounds by value, refusals, sharing between tables, truncated files. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/mem.h"
#include "suite.h"
#include "vhost-device/fd.h"

enum { PAGE = 4096, USER = 0x70000000 };

static struct mem_map *map;
static struct error err;
static int file;

static void setup(void)
{
	err = ERROR_NONE;
	map = NULL;
	file = memfd_create("guest", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(ftruncate(file, 64 * PAGE), 0);
}

static void teardown(void)
{
	mem_map_unref(map);
	fd_close(&file);
}

/* By default user addresses follow guest addresses, at a distance. */
static struct mem_region region(uint64_t guest, uint64_t size, uint64_t offset)
{
	return (struct mem_region){ guest, size, guest + USER, offset, file };
}

static void make(const struct mem_region *r, unsigned n)
{
	map = mem_map_new(NULL, r, n, &err);
	ck_assert_msg(map != NULL, "%s", err.text);
	ck_assert_uint_eq(mem_map_regions(map), n);
}

/* Two regions touch in guest space, in the other order in the file; a third lies apart. */
static void make_three(void)
{
	const struct mem_region r[] = {
		{ 0x100000, 2 * PAGE, 0x900000, 8 * PAGE, file },
		{ 0x400000, PAGE, 0x700000, 0, file },
		{ 0x102000, 4 * PAGE, 0x800000, 2 * PAGE, file },
	};

	make(r, ARRAY_SIZE(r));
}

static const struct {
	uint64_t addr, len, got;        /* got 0: nothing there */
} bounds[] = {
	{ 0x100000, 1, 1 },
	{ 0x100000, 2 * PAGE, 2 * PAGE },
	{ 0x100000, 2 * PAGE + 1, 2 * PAGE },
	{ 0x101fff, 1, 1 },
	{ 0x101fff, 2, 1 },
	{ 0x101fff, UINT64_MAX, 1 },
	{ 0x0fffff, 1, 0 },
	{ 0x0fffff, 2, 0 },
	{ 0x102000, 1, 1 },
	{ 0x105fff, PAGE, 1 },
	{ 0x106000, 1, 0 },
	{ 0x3fffff, 2, 0 },
	{ 0x400fff, 2, 1 },
	{ 0x401000, 1, 0 },
	{ 0, 1, 0 },
	{ UINT64_MAX, 1, 0 },
	{ UINT64_MAX, UINT64_MAX, 0 },
};

START_TEST(guest_bounds)
{
	unsigned hint, h;
	uint64_t got;
	void *p;

	make_three();
	/* Whatever the hint says, even nonsense, the answer is the same. */
	for (h = 0; h < 5; h++) {
		hint = h;
		got = 0;
		p = mem_at_guest(map, bounds[_i].addr, bounds[_i].len, &got, &hint);
		ck_assert_int_eq(p != NULL, bounds[_i].got != 0);
		ck_assert_uint_eq(got, bounds[_i].got);
	}
}
END_TEST

START_TEST(addresses_reach_the_file)
{
	uint64_t got, guest = 0;
	unsigned hint = 0;
	char *p, c;

	make_three();
	p = mem_at_guest(map, 0x101000, PAGE, &got, &hint);
	p[1] = 'a';
	ck_assert_int_eq(pread(file, &c, 1, 9 * PAGE + 1), 1);
	ck_assert_int_eq(c, 'a');
	p = mem_at_guest(map, 0x103000, PAGE, &got, &hint);
	p[2] = 'b';
	ck_assert_int_eq(pread(file, &c, 1, 3 * PAGE + 2), 1);
	ck_assert_int_eq(c, 'b');
	ck_assert_ptr_eq(mem_at_user(map, 0x801002, 1), p + 2);
	ck_assert(mem_user_to_guest(map, 0x801002, &guest));
	ck_assert_uint_eq(guest, 0x103002);
}
END_TEST

static const struct {
	uint64_t addr, len;
	bool ok;
} user_bounds[] = {
	{ 0x900000, 2 * PAGE, true },
	{ 0x900000, 2 * PAGE + 1, false },
	{ 0x901fff, 1, true },
	{ 0x901fff, 2, false },
	{ 0x902000, 1, false },
	{ 0x8fffff, 2, false },
	{ 0x803fff, 1, true },
	{ 0x804000, 1, false },
	{ 0x700000, PAGE, true },
	{ 0x700001, PAGE, false },
	{ 0x700001, UINT64_MAX, false },
	{ 0x6fffff, 1, false },
	{ 0, 1, false },
	{ UINT64_MAX, 2, false },
};

START_TEST(user_range_must_lie_in_one_region)
{
	make_three();
	ck_assert_int_eq(mem_at_user(map, user_bounds[_i].addr, user_bounds[_i].len) != NULL,
			 user_bounds[_i].ok);
}
END_TEST

START_TEST(user_to_guest_bounds)
{
	uint64_t guest = 42;

	make_three();
	ck_assert(!mem_user_to_guest(map, 0x902000, &guest));
	ck_assert(!mem_user_to_guest(map, 0x6fffff, &guest));
	ck_assert_uint_eq(guest, 42);
}
END_TEST

START_TEST(region_may_end_with_the_address_space)
{
	const struct mem_region r = { UINT64_MAX - PAGE + 1, PAGE, UINT64_MAX - PAGE + 1, 0, file };
	unsigned hint = 0;
	uint64_t got;

	make(&r, 1);
	ck_assert_ptr_nonnull(mem_at_guest(map, UINT64_MAX, 2, &got, &hint));
	ck_assert_uint_eq(got, 1);
	ck_assert_ptr_nonnull(mem_at_user(map, UINT64_MAX, 1));
	ck_assert_ptr_null(mem_at_user(map, UINT64_MAX, 2));
}
END_TEST

START_TEST(offset_need_not_be_aligned)
{
	const struct mem_region r = region(0x1234, PAGE, PAGE + 0x10);
	unsigned hint = 0;
	uint64_t got;
	char *p, c;

	make(&r, 1);
	p = mem_at_guest(map, 0x1234, PAGE, &got, &hint);
	*p = 'x';
	ck_assert_int_eq(pread(file, &c, 1, PAGE + 0x10), 1);
	ck_assert_int_eq(c, 'x');
}
END_TEST

static const struct {
	const char *name;
	unsigned n;
	struct mem_region r[2];
} refused[] = {
	{ "empty region", 1, { { 0, 0, 0, 0, 0 } } },
	{ "guest address wraps", 1, { { UINT64_MAX - PAGE + 2, PAGE, 0, 0, 0 } } },
	{ "user address wraps", 1, { { 0, PAGE, UINT64_MAX - PAGE + 2, 0, 0 } } },
	{ "offset wraps", 1, { { 0, PAGE, 0, UINT64_MAX - PAGE + 1, 0 } } },
	{ "size of all", 1, { { 0, UINT64_MAX, 0, 0, 0 } } },
	{ "file too short", 1, { { 0, 65 * PAGE, 0, 0, 0 } } },
	{ "file too short by a byte", 1, { { 0, 64 * PAGE, 0, 1, 0 } } },
	{ "offset behind the file", 1, { { 0, PAGE, 0, 65 * PAGE, 0 } } },
	{ "same guest address", 2, { { 0, PAGE, 0, 0, 0 }, { 0, PAGE, 2 * PAGE, 0, 0 } } },
	{ "guest overlap by a byte", 2,
	  { { 0, PAGE, 0, 0, 0 }, { PAGE - 1, PAGE, 2 * PAGE, 0, 0 } } },
	{ "guest overlap, inside", 2,
	  { { PAGE, PAGE, 0, 0, 0 }, { 0, 4 * PAGE, 4 * PAGE, 0, 0 } } },
	{ "user overlap by a byte", 2,
	  { { 0, PAGE, 0, 0, 0 }, { 2 * PAGE, PAGE, PAGE - 1, 0, 0 } } },
};

START_TEST(refusals)
{
	struct mem_region r[2];
	unsigned i;

	for (i = 0; i < 2; i++) {
		r[i] = refused[_i].r[i];
		r[i].fd = file;
	}
	map = mem_map_new(NULL, r, refused[_i].n, &err);
	ck_assert_msg(map == NULL, "taken: %s", refused[_i].name);
	ck_assert_int_lt(err.code, 0);
	ck_assert_int_ne(err.text[0], '\0');
}
END_TEST

/* A sparse file costs nothing, but the address space is everybody's. */
START_TEST(address_space_is_bounded)
{
	const uint64_t tera = 1ULL << 40;
	struct mem_region r[2] = {
		{ 0, 10 * tera, 0, 0, file }, { 20 * tera, 7 * tera, 20 * tera, 0, file },
	};

	/* valgrind has no room for that much. */
	if (getenv("LD_PRELOAD") != NULL && strstr(getenv("LD_PRELOAD"), "vgpreload") != NULL)
		return;
	ck_assert_int_eq(ftruncate(file, (off_t)(10 * tera)), 0);
	ck_assert_ptr_null(mem_map_new(NULL, r, 2, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "16 TiB"));
	make(r, 1);
	ck_assert_ptr_null(mem_map_add(map, &r[1], &err));
	ck_assert_ptr_nonnull(strstr(err.text, "16 TiB"));
}
END_TEST

START_TEST(only_regular_files)
{
	struct mem_region r = region(0, PAGE, 0);
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	r.fd = pipes[0];
	ck_assert_ptr_null(mem_map_new(NULL, &r, 1, &err));
	r.fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	ck_assert_ptr_null(mem_map_new(NULL, &r, 1, &err));
	close(r.fd);
	r.fd = -1;
	ck_assert_ptr_null(mem_map_new(NULL, &r, 1, &err));
	ck_assert_int_eq(err.code, -EBADF);
	close(pipes[0]);
	close(pipes[1]);
}
END_TEST

START_TEST(read_only_file_is_refused)
{
	struct mem_region r = region(0, PAGE, 0);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	r.fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(r.fd, 0);
	ck_assert_ptr_null(mem_map_new(NULL, &r, 1, &err));
	close(r.fd);
}
END_TEST

START_TEST(table_without_regions)
{
	unsigned hint = 0;
	uint64_t got;

	make(NULL, 0);
	ck_assert_ptr_null(mem_at_guest(map, 0, 1, &got, &hint));
	ck_assert_ptr_null(mem_at_user(map, 0, 1));
	ck_assert(!mem_map_dead(map));
}
END_TEST

START_TEST(as_many_regions_as_allowed)
{
	struct mem_region r[513];
	struct mem_map *more;
	unsigned i, hint = 0;
	uint64_t got;

	/* In an order of their own, every other page left out. */
	for (i = 0; i < 513; i++)
		r[i] = region((i * 211 % 513) * 2 * PAGE, PAGE, (i % 64) * PAGE);
	ck_assert_ptr_null(mem_map_new(NULL, r, 513, &err));
	make(r, 512);
	for (i = 0; i < 512; i++) {
		ck_assert_ptr_nonnull(mem_at_guest(map, r[i].guest, PAGE, &got, &hint));
		ck_assert_ptr_null(mem_at_guest(map, r[i].guest + PAGE, PAGE, &got, &hint));
		ck_assert_ptr_nonnull(mem_at_user(map, r[i].user, PAGE));
		ck_assert_ptr_null(mem_at_user(map, r[i].user + 1, PAGE));
	}
	ck_assert_ptr_null(mem_map_add(map, &r[512], &err));
	more = mem_map_remove(map, &r[7], &err);
	ck_assert_uint_eq(mem_map_regions(more), 511);
	ck_assert_ptr_null(mem_at_guest(more, r[7].guest, 1, &got, &hint));
	mem_map_unref(map);
	map = mem_map_add(more, &r[512], &err);
	ck_assert_uint_eq(mem_map_regions(map), 512);
	mem_map_unref(more);
}
END_TEST

static void *host(struct mem_map *m, uint64_t guest)
{
	unsigned hint = 0;
	uint64_t got;

	return mem_at_guest(m, guest, 1, &got, &hint);
}

START_TEST(same_file_keeps_its_mapping)
{
	struct mem_region r[2] = { region(0, PAGE, 0), region(0x10000, 2 * PAGE, PAGE) };
	struct mem_map *next;
	void *first, *second;

	make(r, 2);
	first = host(map, 0);
	second = host(map, 0x10000);
	/* Another descriptor of the same file; the other region grew. */
	r[0].fd = dup(file);
	r[1].size += PAGE;
	next = mem_map_new(map, r, 2, &err);
	close(r[0].fd);
	ck_assert_ptr_eq(host(next, 0), first);
	ck_assert_ptr_ne(host(next, 0x10000), second);
	mem_map_unref(map);
	map = next;
	/* Still mapped, though the table that mapped it is gone. */
	*(volatile char *)first = 1;
}
END_TEST

START_TEST(same_file_moves_in_guest_space)
{
	struct mem_region r = region(0, PAGE, 0);
	struct mem_map *next;

	make(&r, 1);
	r.guest = 0x5000;
	next = mem_map_new(map, &r, 1, &err);
	ck_assert_ptr_eq(host(next, 0x5000), host(map, 0));
	ck_assert_ptr_null(host(next, 0));
	mem_map_unref(next);
}
END_TEST

START_TEST(other_file_gets_its_own_mapping)
{
	struct mem_region r = region(0, PAGE, 0);
	struct mem_map *next;

	make(&r, 1);
	r.fd = fd_memfd("other", 64 * PAGE);
	next = mem_map_new(map, &r, 1, &err);
	close(r.fd);
	ck_assert_ptr_ne(host(next, 0), host(map, 0));
	mem_map_unref(next);
}
END_TEST

START_TEST(failure_leaves_the_old_table)
{
	struct mem_region r[2] = { region(0, PAGE, 0), region(0x10000, 65 * PAGE, 0) };
	void *first;

	make(r, 1);
	first = host(map, 0);
	ck_assert_ptr_null(mem_map_new(map, r, 2, &err));
	ck_assert_ptr_null(mem_map_add(map, &r[0], &err));
	ck_assert_ptr_null(mem_map_add(map, &r[1], &err));
	ck_assert_ptr_eq(host(map, 0), first);
	*(volatile char *)first = 1;
}
END_TEST

START_TEST(remove_matches_exactly)
{
	struct mem_region r = region(0x10000, PAGE, 0), other;
	struct mem_map *next;

	make(&r, 1);
	other = r;
	other.user++;
	ck_assert_ptr_null(mem_map_remove(map, &other, &err));
	other = r;
	other.size++;
	ck_assert_ptr_null(mem_map_remove(map, &other, &err));
	ck_assert_int_eq(err.code, -ENOENT);
	ck_assert_ptr_null(mem_map_remove(NULL, &r, &err));
	other = r;
	other.fd = -1;
	next = mem_map_remove(map, &other, &err);
	ck_assert_uint_eq(mem_map_regions(next), 0);
	mem_map_unref(next);
}
END_TEST

static unsigned count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "memfd:guest") != NULL;
	fclose(f);
	return n;
}

START_TEST(nothing_stays_mapped_or_open)
{
	struct mem_region r[2] = { region(0, PAGE, 0), region(0x10000, PAGE, 2 * PAGE) };
	struct mem_map *next;
	int before = dup(file), after;

	close(before);
	make(r, 2);
	next = mem_map_add(map, &(struct mem_region){ 0x20000, PAGE, 0x20000, 0, file }, &err);
	ck_assert_uint_eq(count_mappings(), 3);
	mem_map_unref(mem_map_ref(next));
	mem_map_unref(map);
	ck_assert_uint_eq(count_mappings(), 3);
	mem_map_unref(next);
	map = NULL;
	ck_assert_uint_eq(count_mappings(), 0);
	after = dup(file);
	ck_assert_int_eq(after, before);
	close(after);
}
END_TEST

START_TEST(truncated_file_reads_zeros_and_marks_its_map_only)
{
	struct mem_region r[2] = { region(0, 8 * PAGE, 0), region(0x10000, 8 * PAGE, 8 * PAGE) };
	struct mem_region o = region(0, PAGE, 0);
	volatile char *p, *q;
	struct mem_map *other;

	ck_assert_int_eq(mem_guard_install(&err), 0);
	make(r, 2);
	o.fd = fd_memfd("other", PAGE);
	other = mem_map_new(NULL, &o, 1, &err);
	p = host(map, 0x10000);
	q = host(map, 0);
	p[0] = p[7 * PAGE] = 1;
	q[0] = 1;
	ck_assert(!mem_map_dead(map));
	ck_assert_int_eq(ftruncate(file, 9 * PAGE), 0);
	/* Not touched yet: nobody can know. */
	ck_assert(!mem_map_dead(map));
	ck_assert_int_eq(p[0], 1);
	ck_assert_int_eq(p[7 * PAGE], 0);
	ck_assert(mem_map_dead(map));
	/* All of the region is cut off from the file, writes go nowhere; the other one lives. */
	ck_assert_int_eq(p[0], 0);
	p[7 * PAGE] = 5;
	ck_assert_int_eq(p[7 * PAGE], 5);
	ck_assert_int_eq(q[0], 1);
	ck_assert(!mem_map_dead(other));
	mem_map_unref(other);
	close(o.fd);
}
END_TEST

START_TEST(dead_mapping_is_not_shared)
{
	struct mem_region r = region(0, 8 * PAGE, 0);
	struct mem_map *next;
	void *p;

	ck_assert_int_eq(mem_guard_install(&err), 0);
	make(&r, 1);
	p = host(map, 0);
	ck_assert_int_eq(ftruncate(file, 0), 0);
	*(volatile char *)p = 1;
	ck_assert(mem_map_dead(map));
	ck_assert_ptr_null(mem_map_new(map, &r, 1, &err));
	ck_assert_int_eq(ftruncate(file, 8 * PAGE), 0);
	next = mem_map_new(map, &r, 1, &err);
	ck_assert_ptr_ne(host(next, 0), p);
	ck_assert(!mem_map_dead(next));
	/* A table made from a dead one by adding keeps the dead region, and says so. */
	mem_map_unref(next);
	r = region(0x100000, PAGE, 0);
	next = mem_map_add(map, &r, &err);
	ck_assert(mem_map_dead(next));
	mem_map_unref(next);
}
END_TEST

START_TEST(system_calls_into_lost_pages_fail)
{
	struct mem_region r = region(0, 8 * PAGE, 0);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(mem_guard_install(&err), 0);
	make(&r, 1);
	ck_assert_int_eq(ftruncate(file, PAGE), 0);
	ck_assert_int_eq(read(zero, (char *)host(map, 0) + PAGE, 8), -1);
	ck_assert_int_eq(errno, EFAULT);
	ck_assert(!mem_map_dead(map));
	close(zero);
}
END_TEST

/* In a child, because the signal is to kill. */
static int status_of(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void set_handler(void (*handler)(int sig))
{
	struct sigaction sa = { .sa_handler = handler };

	sigaction(SIGBUS, &sa, NULL);
}

static void fault_elsewhere(void)
{
	char *p;

	set_handler(SIG_DFL);
	mem_guard_install(&err);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED || ftruncate(file, 0) < 0)
		_exit(1);
	*(volatile char *)p = 1;
}

static void sent_by_someone(void)
{
	set_handler(SIG_DFL);
	mem_guard_install(&err);
	kill(getpid(), SIGBUS);
}

static void old_handler(int sig)
{
	_exit(7);
}

static void fault_with_handler(void)
{
	char *p;

	set_handler(old_handler);
	mem_guard_install(&err);
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (p == MAP_FAILED || ftruncate(file, 0) < 0)
		_exit(1);
	*(volatile char *)p = 1;
}

START_TEST(foreign_faults_are_not_swallowed)
{
	int status = status_of(fault_elsewhere);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = status_of(sent_by_someone);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = status_of(fault_with_handler);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mem");
	TCase *tc = tcase_create("mem");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, guest_bounds, 0, (int)ARRAY_SIZE(bounds));
	tcase_add_test(tc, addresses_reach_the_file);
	tcase_add_loop_test(tc, user_range_must_lie_in_one_region, 0,
			    (int)ARRAY_SIZE(user_bounds));
	tcase_add_test(tc, user_to_guest_bounds);
	tcase_add_test(tc, region_may_end_with_the_address_space);
	tcase_add_test(tc, offset_need_not_be_aligned);
	tcase_add_loop_test(tc, refusals, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(tc, address_space_is_bounded);
	tcase_add_test(tc, only_regular_files);
	tcase_add_test(tc, read_only_file_is_refused);
	tcase_add_test(tc, table_without_regions);
	tcase_add_test(tc, as_many_regions_as_allowed);
	tcase_add_test(tc, same_file_keeps_its_mapping);
	tcase_add_test(tc, same_file_moves_in_guest_space);
	tcase_add_test(tc, other_file_gets_its_own_mapping);
	tcase_add_test(tc, failure_leaves_the_old_table);
	tcase_add_test(tc, remove_matches_exactly);
	tcase_add_test(tc, nothing_stays_mapped_or_open);
	tcase_add_test(tc, truncated_file_reads_zeros_and_marks_its_map_only);
	tcase_add_test(tc, dead_mapping_is_not_shared);
	tcase_add_test(tc, system_calls_into_lost_pages_fail);
	tcase_add_test(tc, foreign_faults_are_not_swallowed);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
