/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What the ring engine costs: nanoseconds from queue_pop() to the published
 * used entry and the decision to signal once per burst, the driver's few
 * stores included. One thread, warm caches, the best and the middle of twenty
 * runs. Arguments: how many chunks of 256 requests a run has, then --json.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/queue-core.h"
#include "vhost-device/fd.h"
#include "vhost-device/num.h"
#include "wire/virtio-ring.h"

enum { SIZE = 256, CHUNK = 256, PARTS = 20, MEM = 1 << 20, TABLES = 0x10000, BUFFERS = 0x40000 };

static const struct {
	const char *name;
	bool packed, indirect;
	unsigned burst;
	size_t copy;                    /* bytes got and put */
} rows[] = {
	{ "split, direct, bursts of 1", false, false, 1, 0 },
	{ "split, direct, bursts of 32", false, false, 32, 0 },
	{ "split, indirect, bursts of 1", false, true, 1, 0 },
	{ "split, indirect, bursts of 32", false, true, 32, 0 },
	{ "split, indirect, bursts of 32, 16 bytes each way", false, true, 32, 16 },
	{ "packed, direct, bursts of 1", true, false, 1, 0 },
	{ "packed, direct, bursts of 32", true, false, 32, 0 },
	{ "packed, indirect, bursts of 1", true, true, 1, 0 },
	{ "packed, indirect, bursts of 32", true, true, 32, 0 },
	{ "packed, indirect, bursts of 32, 16 bytes each way", true, true, 32, 16 },
};

static uint8_t *mem;
static struct loop *loop;
static struct queue *queue;
static size_t copy;
static unsigned served;

/* The driver: request i always takes descriptor and table i. */
static uint16_t avail_idx, slot;
static bool wrap;

static void nothing(struct queue *q)
{
}

static void broken(struct queue *q, const char *why)
{
	fprintf(stderr, "broken: %s\n", why);
	exit(1);
}

static const struct queue_events events = { .broken = broken, .drained = nothing };
static struct queue_group group = { .events = &events };
static const struct queue_row row = { .name = "q", .max_size = SIZE, .req_size = 16,
	.handle = nothing };

static void put_desc(size_t at, uint64_t addr, uint32_t len, uint16_t w12, uint16_t w14)
{
	struct virtq_desc d = { le64(addr), le32(len), le16(w12), le16(w14) };

	memcpy(mem + at, &d, sizeof(d));
}

static void put_tables(bool packed)
{
	unsigned i;

	for (i = 0; i < SIZE; i++) {
		put_desc(TABLES + 32 * i, BUFFERS + 64 * i, 16, packed ? 0 : VIRTQ_DESC_NEXT,
			 packed ? 0 : 1);
		put_desc(TABLES + 32 * i + 16, BUFFERS + 64 * i + 32, 16,
			 packed ? 0 : VIRTQ_DESC_WRITE, packed ? VIRTQ_DESC_WRITE : 0);
	}
}

static void put_request(unsigned i, bool packed, bool indirect)
{
	uint64_t addr = indirect ? TABLES + 32 * i : BUFFERS + 64 * i;
	uint32_t len = indirect ? 32 : 16;
	uint16_t flags = indirect ? VIRTQ_DESC_INDIRECT : VIRTQ_DESC_WRITE;

	if (packed)
		put_desc(16 * i, addr, len, (uint16_t)i,
			 flags | (wrap ? VIRTQ_DESC_AVAIL : VIRTQ_DESC_USED));
	else
		put_desc(16 * i, addr, len, flags, 0);
}

static void offer(unsigned n, bool packed, bool indirect)
{
	uint16_t *avail = (uint16_t *)(void *)(mem + 16 * SIZE);

	if (!packed) {
		avail_idx = (uint16_t)(avail_idx + n);
		__atomic_store_n(&avail[1], htole16(avail_idx), __ATOMIC_RELEASE);
		return;
	}
	for (; n > 0; n--) {
		put_request(slot, true, indirect);
		if (++slot == SIZE) {
			slot = 0;
			wrap = !wrap;
		}
	}
}

static void start(bool packed, bool indirect)
{
	const struct queue_addr addr = { 0, 16 * SIZE, 16 * SIZE + 1024 };
	struct error err = ERROR_NONE;
	unsigned i;

	memset(mem, 0, MEM);
	put_tables(packed);
	avail_idx = slot = 0;
	wrap = true;
	for (i = 0; i < SIZE && !packed; i++) {
		put_request(i, packed, indirect);
		((uint16_t *)(void *)(mem + 16 * SIZE))[2 + i] = htole16((uint16_t)i);
	}
	queue_detach(queue);
	queue_set_features(queue, BIT(VIRTIO_F_EVENT_IDX) |
			   (packed ? BIT(VIRTIO_F_RING_PACKED) : 0), false);
	queue_set_base(queue, packed ? 0x80008000 : 0);
	queue_set_size(queue, SIZE);
	queue_set_addr(queue, &addr);
	if (queue_run(queue, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
}

/* What is measured; a function of its own for callgrind's --toggle-collect. */
__attribute__((noinline)) static void serve(unsigned n)
{
	struct chain *c;
	char buf[16];

	for (; n > 0 && (c = queue_pop(queue)) != NULL; n--) {
		if (copy > 0 && (!chain_get(c, buf, copy) || !chain_put(c, buf, copy)))
			return;
		chain_done(c);
		served++;
	}
	queue_flush(queue);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* In chunks of a turn's budget; between them the turn ends. */
static double measure(unsigned i, unsigned chunks)
{
	uint64_t spent = 0, begin;
	unsigned chunk, k;

	for (chunk = 0; chunk < chunks; chunk++) {
		begin = now_ns();
		for (k = 0; k < CHUNK / rows[i].burst; k++) {
			offer(rows[i].burst, rows[i].packed, rows[i].indirect);
			serve(rows[i].burst);
		}
		spent += now_ns() - begin;
		loop_turn(loop, false);
	}
	return (double)spent / chunks / CHUNK;
}

static void bench(unsigned i, unsigned chunks, bool json)
{
	double parts[PARTS];
	unsigned k;

	start(rows[i].packed, rows[i].indirect);
	copy = rows[i].copy;
	served = 0;
	for (k = 0; k < PARTS; k++)
		parts[k] = measure(i, chunks);
	if (served != chunks * PARTS * CHUNK) {
		fprintf(stderr, "%s: %u requests were served\n", rows[i].name, served);
		exit(1);
	}
	qsort(parts, PARTS, sizeof(parts[0]), compare);
	if (json)
		printf("%s{\"name\": \"%s\", \"best_ns\": %.1f, \"median_ns\": %.1f}\n",
		       i == 0 ? "[" : ",", rows[i].name, parts[0], parts[PARTS / 2]);
	else
		printf("%-52s %8.1f %8.1f\n", rows[i].name, parts[0], parts[PARTS / 2]);
}

static void prepare(void)
{
	struct mem_region r = { 0, MEM, 0, 0, fd_memfd("bench", MEM) };
	struct error err = ERROR_NONE;
	struct mem_map *map = mem_map_new(NULL, &r, 1, &err);

	loop = loop_new(&err);
	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, r.fd, 0);
	queue = queue_new(NULL, &group, 0, &row, loop);
	if (map == NULL || loop == NULL || mem == MAP_FAILED || queue == NULL) {
		fprintf(stderr, "cannot be set up: %s\n", err.text);
		exit(1);
	}
	queue_set_memory(queue, map);
}

int main(int argc, char **argv)
{
	bool json = argc > 2 && strcmp(argv[2], "--json") == 0;
	uint64_t chunks = 200;
	unsigned i;

	if (argc > 1 && num_parse(argv[1], 1, 100000, &chunks) < 0) {
		fprintf(stderr, "usage: %s [CHUNKS [--json]]\n", argv[0]);
		return 2;
	}
	prepare();
	if (!json)
		printf("%-52s %8s %8s\n", "nanoseconds per request", "best", "median");
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		bench(i, (unsigned)chunks, json);
	if (json)
		printf("]\n");
	return 0;
}
