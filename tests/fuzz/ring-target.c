/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The input: a byte of features and one of size, the base, a length and so
 * much of the first page of guest memory, where the ring lies; then operations
 * of a byte and its arguments. The low half of guest memory is guarded by a
 * pattern that no descriptor can name: not a byte of it may change.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log-core.h"
#include "core/queue-core.h"
#include "ring-target.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum {
	PAGE = 4096,
	PAGES = 16,                     /* of which the ring and the buffers have the upper half */
	GUEST = 0x10000,
	MEM_SIZE = PAGES * PAGE,
	OPEN_PAGE = PAGES / 2,
	MAX_OPS = 400,
};

struct input {
	const uint8_t *data;
	size_t size;
};

static struct loop *loop;
static uint64_t now;
static int memory, kicks, calls;
static uint8_t *mem;
static struct mem_map *maps[2];
static struct queue_group group;
static struct queue *queue;
static unsigned popped, ended;

static uint8_t take8(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

static uint16_t take16(struct input *in)
{
	uint16_t low = take8(in);

	return (uint16_t)(low | take8(in) << 8);
}

static void on_broken(struct queue *q, const char *why)
{
	bug_if(why == NULL || !queue_broken(q) || queue_running(q));
}

static void on_drained(struct queue *q)
{
	bug_if(queue_held(q) != 0);
}

static const struct queue_events events = { .broken = on_broken, .drained = on_drained };

static void handle(struct queue *q)
{
	/* What is popped is for the operations to decide. */
}

static const struct queue_row row = {
	.name = "q", .max_size = 64, .req_size = 8, .handle = handle,
};

/* Regions that touch, of one page and of the rest, with their pages swapped in the second map. */
static struct mem_map *make_map(unsigned variant)
{
	struct mem_region r[3] = {
		{ GUEST, PAGE, 0x700000, OPEN_PAGE * PAGE, memory },
		{ GUEST + PAGE, 3 * PAGE, 0x800000, (OPEN_PAGE + 1) * PAGE, memory },
		{ GUEST + 4 * PAGE, 2 * PAGE, 0x900000, (OPEN_PAGE + 4) * PAGE, memory },
	};
	struct error err = ERROR_NONE;

	if (variant > 0) {
		r[1].offset = (OPEN_PAGE + 3) * PAGE;
		r[2].offset = (OPEN_PAGE + 1) * PAGE;
		r[2].guest += PAGE;
	}
	return mem_map_new(maps[0], r, 3, &err);
}

static void begin(void)
{
	struct error err = ERROR_NONE;

	if (loop != NULL)
		return;
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	loop = loop_new(&err);
	memory = fd_memfd("guest", MEM_SIZE);
	kicks = fd_eventfd();
	calls = fd_eventfd();
	bug_if(loop == NULL || memory < 0 || kicks < 0 || calls < 0);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	bug_if(mem == MAP_FAILED);
	maps[0] = make_map(0);
	maps[1] = make_map(1);
	bug_if(maps[0] == NULL || maps[1] == NULL);
	group.events = &events;
}

static void turn(void)
{
	now += 1000 * 1000;
	loop_fake_clock(loop, now);
	loop_turn(loop, false);
}

/* Ring parts follow each other in the first page. */
static bool run(struct input *in, bool packed)
{
	uint8_t bits = take8(in);
	uint32_t size = 1 + take8(in) % 64, base = take16(in);
	struct error err = ERROR_NONE;
	struct queue_addr a;

	if (!packed)
		size = 1U << size % 7;
	else
		base |= (uint32_t)(bits & 8 ? base : take16(in)) << 16;
	a.desc = 0x700000;
	a.avail = a.desc + 16 * size;
	a.used = (a.avail + (packed ? 4 : 6 + 2 * size) + 3) & ~3ULL;
	queue_set_memory(queue, maps[0]);
	queue_set_features(queue, (packed ? BIT(VIRTIO_F_RING_PACKED) : 0) |
			   (bits & 1 ? BIT(VIRTIO_F_EVENT_IDX) : 0) |
			   (bits & 2 ? BIT(VIRTIO_F_IN_ORDER) : 0), (bits & 2) != 0);
	bug_if(queue_set_size(queue, size) < 0 || queue_set_addr(queue, &a) < 0 ||
	       queue_set_base(queue, base) < 0);
	queue_set_kick(queue, dup(kicks));
	queue_set_call(queue, dup(calls));
	return queue_run(queue, &err) == 0;
}

static struct chain *some_chain(struct input *in)
{
	unsigned n = queue_held(queue), i;
	struct chain *c = NULL;

	if (n == 0)
		return NULL;
	for (i = take8(in) % n + 1; i > 0; i--)
		c = queue_next(queue, c);
	bug_if(c == NULL);
	return c;
}

static void lend(struct chain *c, struct input *in)
{
	size_t off = take16(in), n = take16(in), i;
	struct iovec iov[4];
	struct window w = { .iov = iov, .max = 1 + take8(in) % 4 };

	n = chain_lend_put(c, off, n, &w);
	for (i = 0; i < w.n; i++)
		memset(iov[i].iov_base, 0x11, iov[i].iov_len);
	bug_if(n > 0 && !chain_wrote(c, off, n));
	w.n = 0;
	chain_lend_get(c, take16(in), &w);
}

static void use_chain(unsigned op, struct chain *c, struct input *in)
{
	static uint8_t buf[65536];

	switch (op) {
	case 0:
		chain_get(c, buf, take16(in));
		break;
	case 1:
		chain_skip(c, take16(in));
		break;
	case 2:
		chain_put(c, buf, take16(in));
		break;
	case 3:
		chain_put_at(c, take16(in), buf, take8(in));
		break;
	case 4:
		lend(c, in);
		break;
	case 5:
		ended++;
		chain_done(c);
		break;
	case 6:
		ended++;
		chain_done_len(c, take16(in));
		break;
	case 7:
		ended++;
		chain_fail(c, "of the fuzzer");
		break;
	default:
		ended++;
		chain_return(c);
		break;
	}
}

static void write_memory(struct input *in)
{
	size_t at = OPEN_PAGE * PAGE + take16(in) % (6 * PAGE), n = take8(in);

	while (n-- > 0 && at < MEM_SIZE)
		mem[at++] = take8(in);
	fd_signal(kicks);
}

static void run_again(void)
{
	struct error err = ERROR_NONE;

	queue_halt(queue);
	turn();
	queue_detach(queue);
	if (queue_run(queue, &err) == 0)
		queue_wake(queue);
}

static void operate(struct input *in)
{
	unsigned op = take8(in) % 20;
	struct chain *c;

	switch (op) {
	case 9:
	case 10:
	case 11:
	case 12:
		c = queue_pop(queue);
		popped += c != NULL;
		break;
	case 13:
		write_memory(in);
		break;
	case 14:
	case 15:
		turn();
		break;
	case 16:
		queue_flush(queue);
		break;
	case 17:
		queue_set_memory(queue, maps[take8(in) % 2]);
		break;
	case 18:
		run_again();
		break;
	case 19:
		ended += queue_held(queue);
		queue_return_all(queue);
		bug_if(queue_held(queue) != 0);
		break;
	default:
		c = some_chain(in);
		if (c != NULL)
			use_chain(op, c, in);
		break;
	}
	bug_if(queue_held(queue) != popped - ended);
}

void ring_target(bool packed, const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned i, image;
	uint64_t x;

	begin();
	memset(mem, 0xa5, OPEN_PAGE * PAGE);
	memset(mem + OPEN_PAGE * PAGE, 0, MEM_SIZE - OPEN_PAGE * PAGE);
	image = take16(&in) % PAGE;
	for (i = 0; i < image; i++)
		mem[OPEN_PAGE * PAGE + i] = take8(&in);
	popped = ended = 0;
	queue = queue_new(NULL, &group, 0, &row, loop);
	bug_if(queue == NULL);
	if (run(&in, packed)) {
		queue_wake(queue);
		for (i = 0; i < MAX_OPS && in.size > 0; i++)
			operate(&in);
		queue_return_all(queue);
		turn();
	}
	queue_free(queue);
	turn();
	for (i = 0; i < OPEN_PAGE * PAGE; i++)
		bug_if(mem[i] != 0xa5);
	if (read(kicks, &x, sizeof(x)) < 0 || read(calls, &x, sizeof(x)) < 0)
		x = 0;
}
