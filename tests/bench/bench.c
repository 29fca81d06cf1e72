/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* One benchmark of the executable under test, by name: bench latency|rate|rng|... */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server.h"

/* -- Results --------------------------------------------------------------- */

enum { MAX_ROWS = 64 };

static struct row {
	char name[64];
	const char *unit;
	double value, limit;
	enum goal goal;
} rows[MAX_ROWS];
static unsigned n_rows;

static const char *const goal_signs[] = { "", "<=", ">=" };

void bench_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void bench_row(const char *name, double value, const char *unit, enum goal goal, double limit)
{
	struct row *r = &rows[n_rows];

	if (n_rows == MAX_ROWS)
		bench_fail("too many results");
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->value = value;
	r->unit = unit;
	r->goal = goal;
	r->limit = limit;
	n_rows++;
}

static bool reached(const struct row *r)
{
	switch (r->goal) {
	case GOAL_AT_MOST:
		return r->value <= r->limit;
	case GOAL_AT_LEAST:
		return r->value >= r->limit;
	case GOAL_NONE:
		break;
	}
	return true;
}

static void print_row(const struct row *r)
{
	printf("  %-44s %14.2f %-8s", r->name, r->value, r->unit);
	if (r->goal != GOAL_NONE)
		printf(" %s %.2f %s", goal_signs[r->goal], r->limit,
		       reached(r) ? "reached" : "MISSED");
	putchar('\n');
}

static void print_json(const char *title)
{
	unsigned i;

	printf("{\"benchmark\":\"%s\",\"results\":[", title);
	for (i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];

		printf("%s\n{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"", i > 0 ? "," : "",
		       r->name, r->value, r->unit);
		if (r->goal != GOAL_NONE)
			printf(",\"goal\":\"%s\",\"limit\":%.3f,\"reached\":%s",
			       goal_signs[r->goal], r->limit, reached(r) ? "true" : "false");
		putchar('}');
	}
	printf("\n]}\n");
}

bool bench_report(const char *title)
{
	bool all = true;
	unsigned i;

	printf("%s\n", title);
	for (i = 0; i < n_rows; i++) {
		print_row(&rows[i]);
		all = all && reached(&rows[i]);
	}
	print_json(title);
	return all;
}

/* -- Time, places, numbers ------------------------------------------------- */

uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double bench_median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

/* The processors that this process was allowed at its start. */
static cpu_set_t allowed;

static int nth_allowed(unsigned n)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && n-- == 0)
			return cpu;
	}
	return -1;
}

bool bench_has_two(void)
{
	return nth_allowed(1) >= 0;
}

static void pin(pid_t tid, unsigned n)
{
	int cpu = nth_allowed(n);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? nth_allowed(0) : cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set) < 0)
		bench_fail("pinning a thread: %s", strerror(errno));
}

void bench_pin_self(unsigned cpu)
{
	pin(0, cpu);
}

uint64_t bench_self_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Another process's clock is as fine as our own, unlike its ticks in /proc. */
uint64_t bench_server_ns(const struct server *s)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(s->pid, &clock) != 0 || clock_gettime(clock, &ts) < 0)
		bench_fail("no processor clock of the server");
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void bench_pin_server(const struct server *s, unsigned cpu)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)s->pid);
	d = opendir(path);
	if (d == NULL)
		bench_fail("%s: %s", path, strerror(errno));
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			pin((pid_t)strtol(e->d_name, NULL, 10), cpu);
	}
	closedir(d);
}

/* -- A driver -------------------------------------------------------------- */

static struct error err;

static void check(int ret, const char *what)
{
	if (ret < 0)
		bench_fail("%s: %s", what, err.text[0] != '\0' ? err.text : strerror(-ret));
}

/*
 * Bit 0 is the device's: i2c insists on it, of can it is classic frames, gpio
 * has a queue more that nobody uses.
 */
static const uint64_t wanted = BIT(0) | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
	BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
	BIT(VHOST_USER_F_PROTOCOL_FEATURES);

void bench_open(struct bench_client *c, const char *socket, uint64_t leave_out, unsigned size,
		uint64_t data_size)
{
	struct fe_mem_spec spec = { .guest = 0x40000000, .size = data_size + (1 << 20) };
	struct fe_ring_setup setup = { .size = size };

	check(fe_connect(socket, SERVER_MS, &c->fe, &err), socket);
	check(fe_negotiate(c->fe, fe_all_protocol_features() &
			   ~BIT(VU_PF_INBAND_NOTIFICATIONS), &err), "negotiation");
	setup.features = c->features = fe_offered(c->fe) & wanted & ~leave_out;
	c->mem = fe_mem_new();
	check(fe_mem_add(c->mem, &spec, &err), "guest memory");
	check(fe_mem_alloc(c->mem, 0, data_size, 4096, &c->data), "guest memory");
	c->data_size = data_size;
	check(fe_ring_new(c->mem, &setup, &c->ring, &err), "ring");
	check(fe_set_features(c->fe, setup.features, &err), "features");
	check(fe_mem_send(c->mem, c->fe, &err), "memory table");
	check(fe_ring_start(c->ring, c->fe, &err), "ring start");
}

struct bench_client bench_beside(const struct bench_client *c, unsigned index, unsigned size)
{
	const struct fe_ring_setup setup = { .index = index, .size = size,
		.features = c->features };
	struct bench_client beside = *c;

	check(fe_ring_new(c->mem, &setup, &beside.ring, &err), "ring");
	check(fe_ring_start(beside.ring, c->fe, &err), "ring start");
	return beside;
}

void bench_close(struct bench_client *c)
{
	fe_free(c->fe);
	fe_ring_free(c->ring);
	fe_mem_free(c->mem);
}

void bench_block_on_calls(struct bench_client *c)
{
	/* The server has asked for the opposite when it was given the descriptor. */
	check(fcntl(fe_ring_call_fd(c->ring), F_SETFL, 0) < 0 ? -errno : 0, "call descriptor");
}

void bench_add(struct bench_client *c, uint64_t at, uint32_t out, uint32_t in)
{
	struct fe_seg segs[2];
	unsigned n = 0;

	if (out > 0)
		segs[n++] = (struct fe_seg){ at, out };
	if (in > 0)
		segs[n++] = (struct fe_seg){ at + out, in };
	check(fe_ring_add(c->ring, segs, out > 0, in > 0, 0, c), "request");
}

void bench_kick(struct bench_client *c)
{
	check(fe_ring_kick(c->ring, c->fe, &err), "kick");
}

void bench_wait(struct bench_client *c)
{
	check(fe_ring_wait(c->ring, c->fe, SERVER_MS, &err), "waiting for an answer");
}

unsigned bench_take(struct bench_client *c, uint64_t *bytes)
{
	struct fe_used used;
	unsigned n = 0;
	int ret;

	while ((ret = fe_ring_get(c->ring, &used, &err)) == 1) {
		*bytes += used.len;
		n++;
	}
	check(ret, "answer");
	return n;
}

static const struct {
	const char *name, *title;
	void (*run)(void);
} benchmarks[] = {
	{ "latency", "Round trip of an empty request, one at a time", bench_latency },
	{ "rate", "Empty requests, 32 at a time", bench_rate },
	{ "rng", "Random bytes", bench_rng },
	{ "bus", "Requests to buses, input and clocks against empty ones; interrupts", bench_bus },
	{ "alarm", "How late alarms come", bench_alarm },
	{ "footprint", "Size, memory, start", bench_footprint },
	{ "instructions", "Instructions a request", bench_instructions },
};

int main(int argc, char **argv)
{
	unsigned i;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	for (i = 0; argc == 2 && i < ARRAY_SIZE(benchmarks); i++) {
		if (strcmp(argv[1], benchmarks[i].name) != 0)
			continue;
		benchmarks[i].run();
		/* A missed goal is a result, not a failure of the benchmark. */
		bench_report(benchmarks[i].title);
		return 0;
	}
	bench_fail("usage: bench latency|rate|rng|bus|alarm|footprint|instructions");
}
