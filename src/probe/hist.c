/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Buckets: each value below 32, then 32 to each power of two. */
#include "hist.h"

static unsigned bucket(uint64_t v)
{
	unsigned power, i;

	if (v < HIST_SUB)
		return (unsigned)v;
	power = 63 - (unsigned)__builtin_clzll(v);
	i = (power - 4) * HIST_SUB + (unsigned)(v >> (power - 5)) - HIST_SUB;
	return i < HIST_N ? i : HIST_N - 1;
}

/* Smallest value of a bucket. */
static uint64_t floor_of(unsigned i)
{
	if (i < HIST_SUB)
		return i;
	return (uint64_t)(HIST_SUB + i % HIST_SUB) << (i / HIST_SUB - 1);
}

void hist_add(struct hist *h, uint64_t value)
{
	h->counts[bucket(value)]++;
	h->n++;
	h->sum += value;
	h->max = value > h->max ? value : h->max;
}

uint64_t hist_at(const struct hist *h, unsigned permille)
{
	uint64_t seen = 0, want = (h->n / 1000) * permille + (h->n % 1000 * permille + 999) / 1000;
	uint64_t top;
	unsigned i;

	for (i = 0; i < HIST_N; i++) {
		seen += h->counts[i];
		if (seen < want || h->counts[i] == 0)
			continue;
		top = i + 1 < HIST_N ? floor_of(i + 1) - 1 : h->max;
		return top < h->max ? top : h->max;
	}
	return 0;
}

uint64_t hist_between(const struct hist *h, uint64_t from, uint64_t to)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < HIST_N; i++) {
		if (floor_of(i) >= from && floor_of(i) < to)
			n += h->counts[i];
	}
	return n;
}
