/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ring engine against a naive model: random requests, cut anywhere, over
 * regions and tables; a device that reads, writes, lends, ends and returns in
 * any order. After it all bytes of guest memory are what the model says, the
 * driver got every request back once, in the order it ended, with the right
 * length, and nobody slept on a kick or a signal that was due.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log-core.h"
#include "ring-driver.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "wire/virtio-ring.h"

enum {
	MAX_REQS = 40,
	MAX_BUFFERS = 40,
	SLAB = 16384,                   /* guest memory of one request */
	TABLE_ROOM = 1024,
	DATA_END = 272 * GUEST_PAGE,    /* of the file; the ring follows */
	SKEW = 0x800,                   /* so that slabs cross regions */
};

enum state { FREE, AVAIL, OPEN, ENDED };

struct req {
	enum state state;
	bool bad;                       /* must never reach the device */
	bool fault;
	struct buffer b[MAX_BUFFERS];
	unsigned n;
	size_t get_size, put_size, get_pos, put_pos, high;
	bool *written;
	struct chain *chain;
	unsigned order;                 /* of the pop */
	uint64_t len;                   /* expected */
};

static struct {
	bool packed, event_idx, in_order, indirect, late;
	unsigned size;
} cfg;

static uint64_t seed;
static struct guest guest;
static struct driver driver;
static struct loop *loop;
static struct queue *queue;
static struct mem_map *map;
static struct queue_group group;
static uint8_t *shadow;
static struct req reqs[MAX_REQS];
static struct req *avail[MAX_REQS];     /* in the ring, oldest first */
static struct req *done[MAX_REQS];      /* expected back, in this order */
static unsigned n_avail, n_done, n_popped, appetite;
static bool hungry, signals_wanted, signalled_once;
static int kick, call;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 20) % below);
}

static void broken(struct queue *q, const char *why)
{
	ck_abort_msg("broken: %s", why);
}

static void drained(struct queue *q)
{
}

static const struct queue_events events = { .broken = broken, .drained = drained };

/* The model's memory. */

static uint8_t *shadow_at(uint64_t addr)
{
	return shadow + (guest_at(&guest, addr) - guest.file);
}

/* A place in one of the two streams, byte by byte. */
struct place {
	const struct req *r;
	bool put;
	unsigned i;
	size_t off;
};

static struct place place_at(const struct req *r, bool put, size_t off)
{
	struct place p = { r, put, 0, off };

	while (p.i < r->n && (r->b[p.i].write != put || p.off >= r->b[p.i].len)) {
		if (r->b[p.i].write == put)
			p.off -= r->b[p.i].len;
		p.i++;
	}
	return p;
}

/* The model's byte there; steps on. */
static uint8_t *next_byte(struct place *p)
{
	uint8_t *at;

	MUST(p->i < p->r->n);
	at = shadow_at(p->r->b[p->i].addr + p->off);
	p->off++;
	while (p->i < p->r->n &&
	       (p->r->b[p->i].write != p->put || p->off >= p->r->b[p->i].len)) {
		p->off = 0;
		p->i++;
	}
	return at;
}

static void expect_bytes(const struct req *r, bool put, size_t off, const uint8_t *got, size_t n)
{
	struct place p = place_at(r, put, off);

	while (n-- > 0)
		MUST(*got++ == *next_byte(&p));
}

static unsigned count_gaps(const struct req *r)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < r->high; i++)
		n += !r->written[i] && (i == 0 || r->written[i - 1]);
	return n;
}

/* These bytes were put; a fifth gap is closed at once, the one at the end of what was put. */
static void model_mark(struct req *r, size_t off, size_t n)
{
	size_t i, close = off > r->high ? r->high : off + n;
	struct place p;

	if (n == 0)
		return;
	for (i = 0; i < n; i++)
		r->written[off + i] = true;
	if (off + n > r->high)
		r->high = off + n;
	for (i = close; count_gaps(r) > 4 && !r->written[i]; i++) {
		r->written[i] = true;
		p = place_at(r, true, i);
		*next_byte(&p) = 0;
	}
}

static void model_put(struct req *r, size_t off, const uint8_t *src, size_t n)
{
	struct place p = place_at(r, true, off);
	size_t i;

	for (i = 0; i < n; i++)
		*next_byte(&p) = src[i];
	model_mark(r, off, n);
}

/* The driver. */

static struct req *free_req(void)
{
	unsigned i = rnd(MAX_REQS), k;

	for (k = 0; k < MAX_REQS; k++) {
		if (reqs[(i + k) % MAX_REQS].state == FREE)
			return &reqs[(i + k) % MAX_REQS];
	}
	return NULL;
}

static uint32_t some_len(void)
{
	switch (rnd(5)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return 1 + rnd(300);
	default:
		return 1 + rnd(16);
	}
}

static void fill(uint64_t addr, uint32_t len)
{
	uint8_t x;

	for (; len > 0; len--, addr++) {
		x = (uint8_t)rnd(256);
		*guest_at(&guest, addr) = *shadow_at(addr) = x;
	}
}

static void make_bad(struct req *r)
{
	struct buffer *b = &r->b[rnd(r->n)];

	switch (rnd(4)) {
	case 0:
		b->addr = GUEST_NOWHERE;
		break;
	case 1:
		b->addr = UINT64_MAX - 4;
		break;
	case 2:
		/* Reaches one byte too far. */
		b->addr = GUEST_APART + 16 * GUEST_PAGE - 7;
		b->len = 7;
		break;
	default:
		b->addr = GUEST_RING - 1;
		break;
	}
	b->len++;
	r->bad = true;
}

static void make_req(struct req *r, unsigned n, uint64_t at)
{
	unsigned i, n_get = rnd(n + 1);

	r->n = n;
	r->bad = r->fault = false;
	r->get_size = r->put_size = r->get_pos = r->put_pos = r->high = 0;
	for (i = 0; i < n; i++) {
		at += rnd(4) == 0 ? rnd(60) : 0;
		r->b[i] = (struct buffer){ at, some_len(), i >= n_get };
		fill(at, r->b[i].len);
		at += r->b[i].len;
		if (i < n_get)
			r->get_size += r->b[i].len;
		else
			r->put_size += r->b[i].len;
	}
	if (rnd(24) == 0)
		make_bad(r);
	r->written = calloc(r->put_size + 1, sizeof(bool));
}

static void add_one(void)
{
	struct req *r = free_req();
	unsigned n, direct;
	uint64_t at, table = 0;

	if (r == NULL || driver.n_free == 0)
		return;
	at = GUEST_DATA + SKEW + (uint64_t)(r - reqs) * SLAB;
	n = 1 + rnd(cfg.indirect ? MAX_BUFFERS : driver.n_free < 6 ? driver.n_free : 6);
	direct = n;
	if (cfg.indirect && (n > driver.n_free || rnd(4) != 0)) {
		direct = rnd(3) == 0 ? rnd(n < driver.n_free ? n : driver.n_free) : 0;
		table = at + 16 * rnd(TABLE_ROOM / 16 - MAX_BUFFERS);
		at += TABLE_ROOM;
	}
	make_req(r, n, at);
	if (!driver_add(&driver, r->b, n, direct, table, r)) {
		free(r->written);
		return;
	}
	r->state = AVAIL;
	avail[n_avail++] = r;
}

/* Tables are the driver's own writes: take them over into the model. */
static void sync_tables(void)
{
	unsigned i;
	uint64_t a, at;

	for (i = 0; i < MAX_REQS; i++) {
		at = GUEST_DATA + SKEW + (uint64_t)i * SLAB;
		if (reqs[i].state == AVAIL) {
			for (a = at; a < at + TABLE_ROOM; a++)
				*shadow_at(a) = *guest_at(&guest, a);
		}
	}
}

/* The device. */

static void expect_end(struct req *r, uint64_t len)
{
	unsigned i = n_done;

	r->len = len;
	r->state = ENDED;
	r->chain = NULL;
	/* In order, all that was popped before comes first. */
	while (cfg.in_order && i > 0 && done[i - 1]->order > r->order) {
		done[i] = done[i - 1];
		i--;
	}
	done[i] = r;
	n_done++;
}

static struct req *take_avail(void)
{
	struct req *r = avail[0];

	MUST(n_avail > 0);
	n_avail--;
	memmove(avail, avail + 1, n_avail * sizeof(avail[0]));
	r->order = n_popped++;
	return r;
}

static bool pop_one(void)
{
	struct chain *c = queue_pop(queue);
	struct req *r, **slot;

	while (n_avail > 0 && avail[0]->bad)
		expect_end(take_avail(), 0);
	if (c == NULL)
		return false;
	r = take_avail();
	slot = chain_req(c);
	MUST(*slot == NULL);
	*slot = r;
	MUST(chain_queue(c) == queue);
	MUST(chain_get_size(c) == r->get_size);
	MUST(chain_put_size(c) == r->put_size);
	r->state = OPEN;
	r->chain = c;
	r->get_pos = r->put_pos = r->high = 0;
	r->fault = false;
	memset(r->written, 0, r->put_size);
	return true;
}

static void handle(struct queue *q)
{
	while (appetite > 0) {
		if (!pop_one()) {
			hungry = true;
			return;
		}
		appetite--;
	}
	hungry = false;
}

static const struct queue_row row = {
	.name = "q", .max_size = 32768, .req_size = sizeof(struct req *), .handle = handle,
};

static void do_get(struct req *r, size_t n)
{
	uint8_t buf[16384];

	MUST(chain_get(r->chain, buf, n) == !r->fault);
	if (r->fault)
		return;
	expect_bytes(r, false, r->get_pos, buf, n);
	r->get_pos += n;
}

static void do_put(struct req *r, size_t off, size_t n, bool append)
{
	uint8_t buf[16384];
	size_t i;
	bool ok;

	for (i = 0; i < n; i++)
		buf[i] = (uint8_t)rnd(256);
	ok = append ? chain_put(r->chain, buf, n) : chain_put_at(r->chain, off, buf, n);
	MUST(ok == !r->fault);
	if (r->fault)
		return;
	model_put(r, off, buf, n);
	if (append)
		r->put_pos += n;
}

static void do_lend_get(struct req *r, size_t n)
{
	struct iovec iov[6];
	struct window w = { .iov = iov, .max = 1 + rnd(6) };
	size_t got = chain_lend_get(r->chain, n, &w), i, pos = r->get_pos;

	MUST(got <= n);
	MUST(w.n <= w.max);
	MUST(!r->fault || got == 0);
	for (i = 0; i < w.n; i++) {
		expect_bytes(r, false, pos, iov[i].iov_base, iov[i].iov_len);
		pos += iov[i].iov_len;
	}
	MUST(pos - r->get_pos == got);
	MUST(got == n || w.n == w.max || r->fault);
}

/* The host fills some of what it was lent. */
static void do_lend_put(struct req *r, size_t off, size_t n)
{
	struct iovec iov[6];
	struct window w = { .iov = iov, .max = 1 + rnd(6) };
	size_t got = chain_lend_put(r->chain, off, n, &w), i, k, left, part;
	struct place p = place_at(r, true, off);
	uint8_t x;

	MUST(got <= n);
	if (got == 0)
		return;
	part = left = rnd((uint32_t)got + 1);
	for (i = 0; i < w.n; i++) {
		for (k = 0; k < iov[i].iov_len && left > 0; k++, left--) {
			x = (uint8_t)rnd(256);
			((uint8_t *)iov[i].iov_base)[k] = x;
			*next_byte(&p) = x;
		}
	}
	MUST(chain_wrote(r->chain, off, part));
	model_mark(r, off, part);
}

static size_t upto(size_t n)
{
	return rnd(3) == 0 ? n : rnd((uint32_t)n + 1);
}

static void work_on(struct req *r)
{
	size_t off = upto(r->put_size), n;

	MUST(chain_get_left(r->chain) == r->get_size - r->get_pos);
	MUST(chain_put_left(r->chain) == r->put_size - r->put_pos);
	switch (rnd(8)) {
	case 0:
	case 1:
		do_get(r, upto(r->get_size - r->get_pos));
		break;
	case 2:
		n = upto(r->get_size - r->get_pos);
		MUST(chain_skip(r->chain, n) == !r->fault);
		r->get_pos += r->fault ? 0 : n;
		break;
	case 3:
		do_put(r, r->put_pos, upto(r->put_size - r->put_pos), true);
		break;
	case 4:
		do_put(r, off, upto(r->put_size - off), false);
		break;
	case 5:
		do_lend_get(r, upto(r->get_size - r->get_pos));
		break;
	case 6:
		do_lend_put(r, off, upto(r->put_size - off));
		break;
	default:
		if (rnd(20) != 0)
			break;
		/* One byte too many moves nothing and latches. */
		r->fault = true;
		do_get(r, r->get_size - r->get_pos + 1);
		break;
	}
}

static void fill_gaps(struct req *r, size_t len)
{
	struct place p = place_at(r, true, 0);
	uint8_t *at;
	size_t i;

	for (i = 0; i < len; i++) {
		at = next_byte(&p);
		if (!r->written[i])
			*at = 0;
	}
}

static bool is_newest(const struct req *r)
{
	return r->order + 1 == n_popped;
}

static void end_one(struct req *r)
{
	struct chain *c = r->chain;
	size_t high = r->high, len = rnd((uint32_t)r->put_size + 3);

	switch (rnd(8)) {
	case 0:
		MUST(chain_newest(c) == is_newest(r));
		if (chain_return(c)) {
			MUST(is_newest(r));
			n_popped--;
			r->state = AVAIL;
			memmove(avail + 1, avail, n_avail * sizeof(avail[0]));
			avail[0] = r;
			n_avail++;
			/* Nobody will kick for it. */
			hungry = false;
		} else {
			MUST(!is_newest(r));
			expect_end(r, 0);
		}
		break;
	case 1:
		chain_done_len(c, len);
		len = len < r->put_size ? len : r->put_size;
		fill_gaps(r, len);
		expect_end(r, len);
		break;
	case 2:
		chain_fail(c, "of the test");
		fill_gaps(r, high);
		expect_end(r, high);
		break;
	default:
		/* Filling all of it is what in-order batches wait for. */
		if (!r->fault && rnd(2) == 0)
			do_put(r, r->put_pos, r->put_size - r->put_pos, true);
		high = r->high;
		chain_done(c);
		fill_gaps(r, high);
		expect_end(r, high);
		break;
	}
}

static struct req *open_req(void)
{
	unsigned i = rnd(MAX_REQS), k;

	for (k = 0; k < MAX_REQS; k++) {
		if (reqs[(i + k) % MAX_REQS].state == OPEN)
			return &reqs[(i + k) % MAX_REQS];
	}
	return NULL;
}

static unsigned count_open(void)
{
	unsigned i, n = 0;

	for (i = 0; i < MAX_REQS; i++)
		n += reqs[i].state == OPEN;
	return n;
}

/* The two together. */

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void check_signal(bool had_used)
{
	uint64_t x;

	if (readable(call)) {
		MUST(signals_wanted || !signalled_once || had_used);
		signalled_once = true;
		MUST(read(call, &x, sizeof(x)) == sizeof(x));
	} else {
		MUST(!signals_wanted || had_used || !driver_has_used(&driver));
	}
}

static void collect(void)
{
	void *cookie;
	uint64_t len;
	struct req *r;

	while (driver_collect(&driver, &cookie, &len)) {
		r = cookie;
		MUST(n_done > 0);
		MUST(r == done[0]);
		MUST(len == r->len);
		n_done--;
		memmove(done, done + 1, n_done * sizeof(done[0]));
		free(r->written);
		r->written = NULL;
		r->state = FREE;
	}
	ck_assert_msg(driver.wrong == NULL, "%s", driver.wrong);
	signals_wanted = rnd(3) != 0;
	driver_want_signal(&driver, signals_wanted);
}

static void turns(void)
{
	bool had_used = driver_has_used(&driver);

	if (driver_wants_kick(&driver))
		fd_signal(kick);
	loop_turn(loop, false);
	check_signal(had_used);
	/* A device that looked until there was nothing is told of all that comes. */
	if (hungry && appetite > 0)
		MUST(n_avail == 0);
}

static void step(void)
{
	unsigned i;
	struct req *r;

	for (i = rnd(6); i > 0; i--)
		add_one();
	sync_tables();
	appetite = rnd(4) == 0 ? rnd(3) : 100;
	if (!hungry)
		handle(queue);
	turns();
	for (i = rnd(40); i > 0; i--) {
		r = open_req();
		if (r != NULL)
			work_on(r);
	}
	for (i = rnd(8); i > 0; i--) {
		r = open_req();
		if (r != NULL)
			end_one(r);
	}
	MUST(queue_held(queue) == count_open());
	turns();
	if (rnd(3) != 0)
		collect();
}

static void finish_all(void)
{
	unsigned guard;
	struct req *r;

	for (guard = 0; n_avail > 0 || count_open() > 0; guard++) {
		MUST(guard < 1000);
		appetite = 100;
		handle(queue);
		while ((r = open_req()) != NULL) {
			chain_done(r->chain);
			fill_gaps(r, r->high);
			expect_end(r, r->high);
		}
		loop_turn(loop, false);
		collect();
	}
	collect();
	MUST(n_done == 0);
	MUST(driver.n_out == 0);
	MUST(queue_held(queue) == 0);
}

static void start(void)
{
	struct driver_setup s = { cfg.packed, cfg.event_idx, cfg.in_order, cfg.size, 0 };
	struct error err = ERROR_NONE;
	struct queue_addr a;
	uint32_t slot = cfg.late ? cfg.size - 1 : 0;

	memset(reqs, 0, sizeof(reqs));
	n_avail = n_done = n_popped = 0;
	signals_wanted = signalled_once = false;
	guest_init(&guest);
	if (cfg.packed)
		s.base = (slot | (cfg.late ? 0 : 0x8000)) * 0x10001;
	else
		s.base = cfg.late ? 65530 : 0;
	driver_init(&driver, &guest, &s);
	a = driver_addr(&driver);
	map = guest_map(&guest, NULL);
	loop = loop_new(&err);
	memset(&group, 0, sizeof(group));
	group.events = &events;
	queue = queue_new(NULL, &group, 0, &row, loop);
	kick = fd_eventfd();
	call = fd_eventfd();
	queue_set_memory(queue, map);
	queue_set_features(queue, driver_features(&driver), cfg.in_order);
	ck_assert_int_eq(queue_set_size(queue, cfg.size), 0);
	ck_assert_int_eq(queue_set_addr(queue, &a), 0);
	ck_assert_int_eq(queue_set_base(queue, s.base), 0);
	queue_set_kick(queue, dup(kick));
	queue_set_call(queue, dup(call));
	ck_assert_msg(queue_run(queue, &err) == 0, "%s", err.text);
	shadow = malloc(DATA_END);
	memcpy(shadow, guest.file, DATA_END);
	hungry = false;
	queue_wake(queue);
}

static void stop(void)
{
	uint32_t base = driver.packed ?
		(driver.slot | (uint32_t)driver.wrap << 15) * 0x10001 : driver.avail_idx;

	ck_assert_uint_eq(queue_base(queue), base);
	queue_free(queue);
	mem_map_unref(map);
	loop_free(loop);
	driver_finish(&driver);
	guest_finish(&guest);
	free(shadow);
	close(kick);
	close(call);
}

static void run(unsigned steps)
{
	unsigned i;

	log_setup("test", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	start();
	for (i = 0; i < steps; i++) {
		step();
		if (i % 16 == 0)
			ck_assert(memcmp(guest.file, shadow, DATA_END) == 0);
	}
	finish_all();
	ck_assert(memcmp(guest.file, shadow, DATA_END) == 0);
	stop();
}

static const unsigned sizes[] = { 1, 2, 8, 256, 3, 7 };

/* Bits of the test's number: layout, event index, order, tables, start; then the size. */
static bool configure(int i)
{
	memset(&cfg, 0, sizeof(cfg));
	cfg.packed = i & 1;
	cfg.event_idx = i & 2;
	cfg.in_order = i & 4;
	cfg.indirect = i & 8;
	cfg.late = i & 16;
	cfg.size = sizes[i >> 5];
	seed = 0x9e3779b97f4a7c15ULL * (uint64_t)(i + 1);
	return cfg.packed || (cfg.size & (cfg.size - 1)) == 0;
}

START_TEST(random_requests)
{
	if (configure(_i))
		run(300);
}
END_TEST

START_TEST(largest_ring)
{
	configure(_i);
	cfg.size = 32768;
	run(60);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-model");
	TCase *tc = tcase_create("model");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, random_requests, 0, 32 * (int)ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, largest_ring, 0, 32);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
