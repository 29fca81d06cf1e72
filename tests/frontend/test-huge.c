/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory in huge pages, by a request that template gives back. Pages are
 * set aside for the time of the test where none are, if that is allowed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "guest.h"
#include "suite.h"

enum { PAGES = 2, SIZE = 16 };

static const char setting[] = "/proc/sys/vm/nr_hugepages";
static unsigned long page;
static struct server server;

/* A line of /proc/meminfo, without its unit; 0: there is none. */
static unsigned long meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long n = 0;
	char line[200];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, key, strlen(key)) == 0)
			n = strtoul(line + strlen(key), NULL, 10);
	}
	if (file != NULL)
		fclose(file);
	return n;
}

static bool set_aside(unsigned long n)
{
	FILE *file = fopen(setting, "we");

	if (file == NULL)
		return false;
	fprintf(file, "%lu", n);
	return fclose(file) == 0;
}

static void tear_down(void)
{
	server_clean_up(&server);
}

/* More than any host has, and less than a page. */
START_TEST(without_pages)
{
	const struct fe_mem_spec all = { .size = 1ULL << 50, .flags = FE_MEM_HUGE };
	const struct fe_mem_spec part = { .size = 4096, .flags = FE_MEM_HUGE };
	struct fe_mem *mem = fe_mem_new();

	ck_assert_int_lt(fe_mem_add(mem, &all, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "in huge pages (see vm.nr_hugepages): "));
	ck_assert_int_lt(fe_mem_add(mem, &part, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "4096 bytes of guest memory in huge pages"));
	ck_assert_uint_eq(fe_mem_count(mem), 0);
	fe_mem_free(mem);
}
END_TEST

static struct fe *connect_to(const char *path)
{
	struct fe *fe;

	ck_ok(fe_connect(path, SERVER_MS, &fe, &err));
	ck_ok(fe_negotiate(fe, BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_MQ), &err));
	ck_ok(fe_set_features(fe, BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
			      &err));
	return fe;
}

/* The data lie at the very end of the last page. */
START_TEST(with_pages)
{
	const struct fe_mem_spec spec = { .guest = 1ULL << 30, .size = PAGES * page,
		.flags = FE_MEM_HUGE };
	const struct fe_ring_setup setup = { .size = SIZE, .features = BIT(VIRTIO_F_VERSION_1) };
	const uint64_t out = spec.guest + spec.size - 16, in = spec.guest + page - 8;
	const struct fe_seg segs[] = { { out, 16 }, { in, 16 } };
	struct fe_mem *mem = fe_mem_new();
	struct fe_ring *ring;
	struct fe_used used;
	struct fe *fe;

	server_start(&server, "template", (const char *[]){ "-s", "@t.sock", NULL });
	ck_assert_int_eq(fe_mem_add(mem, &spec, &err), 0);
	fe = connect_to(server_path(&server, "t.sock"));
	ck_ok(fe_ring_new(mem, &setup, &ring, &err));
	ck_ok(fe_mem_send(mem, fe, &err));
	ck_ok(fe_ring_start(ring, fe, &err));
	memcpy(fe_mem_at(mem, out, 16), "in a huge page!", 16);
	ck_assert_int_eq(fe_ring_add(ring, segs, 1, 1, 0, mem), 0);
	ck_ok(fe_ring_kick(ring, fe, &err));
	ck_ok(fe_ring_wait(ring, fe, SERVER_MS, &err));
	ck_assert_int_eq(fe_ring_get(ring, &used, &err), 1);
	ck_assert_uint_eq(used.len, 16);
	ck_assert_mem_eq(fe_mem_at(mem, in, 16), "in a huge page!", 16);
	ck_ok(fe_ring_stop(ring, fe, &err));
	fe_free(fe);
	fe_ring_free(ring);
	fe_mem_free(mem);
	server_stop(&server);
}
END_TEST

static int run(void (*add)(TCase *tc))
{
	Suite *s = suite_create("huge");
	TCase *tc = tcase_create("huge pages");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_set_timeout(tc, 120);
	add(tc);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

static void add_without(TCase *tc)
{
	tcase_add_test(tc, without_pages);
}

static void add_with(TCase *tc)
{
	tcase_add_test(tc, with_pages);
}

static int run_with(void)
{
	unsigned long before = meminfo("HugePages_Total:");
	bool more = meminfo("HugePages_Free:") < PAGES && set_aside(before + PAGES);
	int ret = 0;

	if (page != 0 && meminfo("HugePages_Free:") >= PAGES)
		ret = run(add_with);
	else
		printf("1..0 # SKIP no huge pages are free, and none can be set aside\n");
	if (more)
		set_aside(before);
	return ret;
}

/*
 * check cannot leave out a test and say so: those that need pages are a run of their own.
 * The pages are the machine's; of two such runs at once, one waits.
 */
int main(int argc, char **argv)
{
	int lock, ret;

	if (argc == 1)
		return run(add_without);
	if (!server_has("template"))
		return server_skip("template");
	page = meminfo("Hugepagesize:") << 10;
	lock = open(setting, O_RDONLY | O_CLOEXEC);
	if (lock >= 0)
		flock(lock, LOCK_EX);
	ret = run_with();
	if (lock >= 0)
		close(lock);
	return ret;
}
