/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Instructions of the server for one more request, counted by callgrind: two
 * runs that differ in the number of requests only. The kernel is not counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "server.h"

enum { FEW = 2000, MANY = 12000 };

static double count(const char *path)
{
	double total = -1;
	char line[256];
	FILE *f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "totals: %lf", &total);
	if (f != NULL)
		fclose(f);
	if (total < 0)
		bench_fail("callgrind left no totals in %s", path);
	return total;
}

static double run(unsigned requests, unsigned depth, uint32_t out, uint32_t in, uint64_t leave_out)
{
	static const char *const args[] = { "-s", "@t.sock", NULL };
	char path[] = "/tmp/vhost-device-bench-XXXXXX", wrapper[200], why[100];
	unsigned sent = 0, busy = 0;
	struct server s = { 0 };
	struct bench_client c;
	uint64_t bytes = 0;
	double total;
	int fd = mkstemp(path);

	if (fd < 0)
		bench_fail("no temporary file");
	snprintf(wrapper, sizeof(wrapper), "valgrind -q --tool=callgrind "
		 "--callgrind-out-file=%s", path);
	setenv("VHOST_DEVICE_WRAPPER", wrapper, 1);
	server_start(&s, "template", args);
	bench_open(&c, server_path(&s, "t.sock"), leave_out, 256, 4096);
	while (sent < requests || busy > 0) {
		for (; busy < depth && sent < requests; busy++, sent++)
			bench_add(&c, c.data, out, in);
		bench_kick(&c);
		/* A whole batch each time, so that both runs do the same. */
		while (busy > 0) {
			bench_wait(&c);
			busy -= bench_take(&c, &bytes);
		}
	}
	bench_close(&c);
	if (!server_end(&s, why, sizeof(why)))
		bench_fail("%s", why);
	total = count(path);
	remove(path);
	return total;
}

static void measure(const char *name, unsigned depth, uint32_t out, uint32_t in,
		    uint64_t leave_out)
{
	double few = run(FEW, depth, out, in, leave_out);

	bench_row(name, (run(MANY, depth, out, in, leave_out) - few) / (MANY - FEW), "each",
		  GOAL_NONE, 0);
}

void bench_instructions(void)
{
	const uint64_t packed = BIT(VIRTIO_F_RING_PACKED);

	if (system("valgrind --version >/dev/null 2>&1") != 0)
		exit(77);
	measure("empty, split, one at a time", 1, 1, 0, packed);
	measure("empty, split, 32 at a time", 32, 1, 0, packed);
	measure("empty, packed, 32 at a time", 32, 1, 0, 0);
	measure("echo of 64 bytes, split, 32 at a time", 32, 64, 64, packed);
}
