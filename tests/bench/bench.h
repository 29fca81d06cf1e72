/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Benchmarks: what they share. Each measures itself against something measured
 * in the same run, since machines differ and are busy.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost-device/util.h"
#include "vhost-frontend/ring.h"

struct server;

/* -- Results: a table, then the same as JSON ------------------------------- */

enum goal { GOAL_NONE, GOAL_AT_MOST, GOAL_AT_LEAST };

void bench_row(const char *name, double value, const char *unit, enum goal goal, double limit);
/* Prints all rows; false: a goal was missed. */
bool bench_report(const char *title);
/* Prints why and exits. */
void bench_fail(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

/* -- Time, places, numbers ------------------------------------------------- */

uint64_t bench_now_ns(void);
/* Sorts; of an even number the mean of the middle two. */
double bench_median(double *values, unsigned n);
/* The calling thread, or every thread of a process, on one processor: 0 or 1. */
void bench_pin_self(unsigned cpu);
void bench_pin_server(const struct server *s, unsigned cpu);
/* Time on a processor, of this thread and of a server, in nanoseconds. */
uint64_t bench_self_ns(void);
uint64_t bench_server_ns(const struct server *s);
/* Are there two processors that we may use? */
bool bench_has_two(void);

/* -- A driver -------------------------------------------------------------- */

struct bench_client {
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *ring;
	uint64_t data, data_size, features;
};

/* Waits until the server listens; any failure is the end. */
void bench_open(struct bench_client *c, const char *socket, uint64_t leave_out, unsigned size,
		uint64_t data_size);
/* The same guest with another of its rings, which is the caller's to free. */
struct bench_client bench_beside(const struct bench_client *c, unsigned index, unsigned size);
void bench_close(struct bench_client *c);
/* Signals wake a blocking read(), as an interrupt would. */
void bench_block_on_calls(struct bench_client *c);
void bench_add(struct bench_client *c, uint64_t at, uint32_t out, uint32_t in);
void bench_kick(struct bench_client *c);
/* Sleeps until something is used. */
void bench_wait(struct bench_client *c);
/* Takes back what was used; how many, and their bytes are added up. */
unsigned bench_take(struct bench_client *c, uint64_t *bytes);

/* -- The benchmarks -------------------------------------------------------- */

void bench_latency(void);
void bench_rate(void);
void bench_rng(void);
void bench_bus(void);
void bench_alarm(void);
void bench_footprint(void);
void bench_instructions(void);

#endif
