/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests a second with 32 under way. */
#include <stdio.h>

#include "bench.h"
#include "server.h"

enum { DEPTH = 32, ROUNDS = 7, REQUESTS = 100000 };

static double one_round(struct bench_client *c)
{
	unsigned sent = 0, done = 0, out = 0, n;
	uint64_t start = bench_now_ns(), bytes = 0;

	while (done < REQUESTS) {
		for (; out < DEPTH && sent < REQUESTS; out++, sent++)
			bench_add(c, c->data, 1, 0);
		bench_kick(c);
		bench_wait(c);
		n = bench_take(c, &bytes);
		done += n;
		out -= n;
	}
	return REQUESTS * 1e9 / (double)(bench_now_ns() - start);
}

static void measure(const char *name, const char *poll_us, unsigned place, uint64_t leave_out)
{
	const char *const args[] = { "-s", "@t.sock", "--poll-us", poll_us, NULL };
	struct server s = { 0 };
	struct bench_client c;
	const struct fe_ring_stats *stats;
	double rates[ROUNDS];
	uint64_t cpu;
	char text[64], why[100];
	unsigned i;

	server_start(&s, "template", args);
	bench_open(&c, server_path(&s, "t.sock"), leave_out, 256, 4096);
	bench_pin_self(0);
	bench_pin_server(&s, place);
	cpu = bench_server_ns(&s);
	for (i = 0; i < ROUNDS; i++)
		rates[i] = one_round(&c);
	cpu = bench_server_ns(&s) - cpu;
	stats = fe_ring_stats(c.ring);
	snprintf(text, sizeof(text), "%s", name);
	bench_row(text, bench_median(rates, ROUNDS), "1/s", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: processor time of the server", name);
	bench_row(text, (double)cpu / (ROUNDS * (double)REQUESTS), "ns", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: kicks and signals", name);
	bench_row(text, (double)(stats->kicks + stats->calls) / (double)stats->used, "each",
		  GOAL_NONE, 0);
	bench_close(&c);
	if (!server_end(&s, why, sizeof(why)))
		bench_fail("%s", why);
}

void bench_rate(void)
{
	const uint64_t packed = BIT(VIRTIO_F_RING_PACKED);

	measure("split", "0", 1, packed);
	measure("packed", "0", 1, 0);
	measure("split, one core", "0", 0, packed);
	if (bench_has_two()) {
		measure("split, server polls", "1000", 1, packed);
		measure("packed, server polls", "1000", 1, 0);
	}
}
