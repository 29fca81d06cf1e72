/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* How often which duration, to 3 percent. */
#ifndef PROBE_HIST_H
#define PROBE_HIST_H

#include <stdint.h>

enum { HIST_SUB = 32, HIST_N = 60 * HIST_SUB };

struct hist {
	uint64_t counts[HIST_N];
	uint64_t n, sum, max;
};

void hist_add(struct hist *h, uint64_t value);
/* So many thousandths of all values are not above this; 0 without any. */
uint64_t hist_at(const struct hist *h, unsigned permille);
uint64_t hist_between(const struct hist *h, uint64_t from, uint64_t to);  /* from <= v < to */

#endif
