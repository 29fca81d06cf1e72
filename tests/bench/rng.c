/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Bytes a second out of the entropy device, against the same amount straight
 * from getrandom() on the processor of the server; rounds of both alternate.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "bench.h"
#include "server.h"

enum { ROUNDS = 9, DEPTH = 16, LARGE = 64 << 10 };

static double plain(unsigned size, uint64_t total)
{
	static uint8_t buf[LARGE];
	uint64_t start = bench_now_ns(), done = 0;
	ssize_t n;

	while (done < total) {
		n = getrandom(buf, size, 0);
		if (n < 0)
			bench_fail("getrandom: %s", strerror(errno));
		done += (uint64_t)n;
	}
	return (double)total * 1000 / (double)(bench_now_ns() - start);
}

static double drawn(struct bench_client *c, unsigned size, uint64_t total)
{
	uint64_t start = bench_now_ns(), done = 0;
	unsigned out = 0;

	while (done < total) {
		for (; out < DEPTH; out++)
			bench_add(c, c->data, 0, size);
		bench_kick(c);
		bench_wait(c);
		out -= bench_take(c, &done);
	}
	while (out > 0) {
		bench_wait(c);
		out -= bench_take(c, &done);
	}
	return (double)done * 1000 / (double)(bench_now_ns() - start);
}

static void measure(struct server *s, struct bench_client *c, const char *name, unsigned size,
		    uint64_t total, enum goal goal)
{
	double ours[ROUNDS], floors[ROUNDS], ratios[ROUNDS], work[ROUNDS];
	uint64_t self, other;
	char text[64];
	unsigned i;

	for (i = 0; i < ROUNDS; i++) {
		bench_pin_self(1);
		self = bench_self_ns();
		floors[i] = plain(size, total);
		self = bench_self_ns() - self;
		bench_pin_self(0);
		other = bench_server_ns(s);
		ours[i] = drawn(c, size, total);
		other = bench_server_ns(s) - other;
		work[i] = (double)self / (double)other * 100;
		ratios[i] = ours[i] / floors[i] * 100;
	}
	snprintf(text, sizeof(text), "%s: getrandom", name);
	bench_row(text, bench_median(floors, ROUNDS), "MB/s", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: rng", name);
	bench_row(text, bench_median(ours, ROUNDS), "MB/s", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: of getrandom", name);
	bench_row(text, bench_median(ratios, ROUNDS), "%", goal, 90);
	/* What is left of it when the machine has other things to do. */
	snprintf(text, sizeof(text), "%s: of getrandom, by processor time", name);
	bench_row(text, bench_median(work, ROUNDS), "%", GOAL_NONE, 0);
}

void bench_rng(void)
{
	static const char *const args[] = { "-s", "@r.sock", NULL };
	struct server s = { 0 };
	struct bench_client c;
	char why[100];

	server_start(&s, "rng", args);
	bench_open(&c, server_path(&s, "r.sock0"), 0, 64, LARGE);
	bench_pin_server(&s, 1);
	measure(&s, &c, "64 bytes", 64, 4 << 20, GOAL_NONE);
	measure(&s, &c, "64 KiB", LARGE, 64 << 20, GOAL_AT_LEAST);
	bench_close(&c);
	if (!server_end(&s, why, sizeof(why)))
		bench_fail("%s", why);
}
