/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest of another instance in the same process, on the same loop: while
 * someone misbehaves it sends one request after the other and keeps count. A
 * second thread does nothing but sleep, and tells how late the machine lets it
 * wake up: that much of a pause is not the server's.
 */
#ifndef TESTS_BYSTANDER_H
#define TESTS_BYSTANDER_H

#include <stdbool.h>
#include <stdint.h>

/* Shared with forked tests. */
struct bystander {
	uint64_t requests;
	uint64_t worst_ns, worst_sleep_ns;      /* since bystander_begin() */
	unsigned errors;
	char error[200];
	bool stop;
};

/* Outside of tests; NULL when it cannot start. */
struct bystander *bystander_start(const char *socket);
void bystander_stop(struct bystander *b);
/* A new measurement; then, how long the longest pause was beyond the machine's own, in ms. */
void bystander_begin(struct bystander *b);
unsigned bystander_pause(const struct bystander *b);
/* Waits until it has been served once more; false: an error, or the time is over. */
bool bystander_served(struct bystander *b);

#endif
