/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The calls that devices make, on plain memory. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log-core.h"
#include "fake-core.h"
#include "vhost-device/worker.h"

enum { TURNS = 6, DEADLINE_S = 30 };

struct queue {
	unsigned index;
};

/* Without members: there is one. */
struct instance {
	char unused;
};

struct fake fake;
static struct queue queues[FAKE_QUEUES];
static struct instance instance;

static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* The driver. */

/* Asked for each line. */
static const char *name_of(const struct instance *in)
{
	fake.warnings++;
	return "fake";
}

void fake_setup(const struct device *device, uint64_t now)
{
	struct error err = ERROR_NONE;

	memset(&fake, 0, sizeof(fake));
	log_name_instances(name_of);
	fake.device = device;
	/* With our first thread a sanitizer may start one of its own: before they are counted. */
	worker_put(worker_get("first", 1, &err));
	fake.threads = threads();
	fake.loop = loop_new(&err);
	ck_assert_msg(fake.loop != NULL, "%s", err.text);
	if (now != 0)
		loop_fake_clock(fake.loop, now);
}

static const struct queue_row *row_of(unsigned i)
{
	const struct device *d = fake.device;

	if (i >= d->n_queues)
		i = d->n_queues - d->repeat + (i - d->n_queues) % d->repeat;
	return &d->queues[i];
}

int fake_open(const void *conf, unsigned count, struct error *err)
{
	const struct device *d = fake.device;
	unsigned i;
	int ret;

	fake.conf = calloc(1, d->conf_size + 1);
	fake.state = calloc(1, d->state_size + 1);
	fake.config = calloc(1, d->config_size + 1u);
	if (conf != NULL)
		memcpy(fake.conf, conf, d->conf_size);
	fake.count = count;
	ret = d->check == NULL ? 0 : d->check(fake.conf, err);
	fake.n_queues = d->queue_count == NULL ? d->n_queues : d->queue_count(fake.conf);
	ck_assert_uint_le(fake.n_queues, FAKE_QUEUES);
	for (i = 0; i < fake.n_queues; i++) {
		queues[i].index = i;
		fake.queue_states[i] = calloc(1, row_of(i)->state_size + 1u);
	}
	if (ret == 0 && d->open != NULL)
		ret = d->open(&instance, err);
	return ret;
}

struct call {
	struct turn_end at;
	struct queue *q;
	void (*cb)(struct queue *q);
};

static void call_now(struct turn_end *t)
{
	struct call *c = container_of(t, struct call, at);

	c->cb(c->q);
}

/* Callbacks come on the loop. */
static void call(unsigned index, void (*cb)(struct queue *q))
{
	struct call c = { .at = { .fn = call_now }, .q = &queues[index], .cb = cb };

	if (cb == NULL)
		return;
	loop_next_turn(fake.loop, &c.at);
	loop_turn(fake.loop, false);
}

void fake_start(void)
{
	unsigned i;

	fake.running = true;
	for (i = 0; i < fake.n_queues; i++) {
		call(i, fake.device->start);
		call(i, row_of(i)->handle);
	}
}

void fake_stop(void)
{
	unsigned i;

	for (i = 0; i < fake.n_queues; i++) {
		call(i, fake.device->stop);
		ck_assert_uint_eq(queue_held(&queues[i]), 0);
	}
	fake.running = false;
}

struct reset {
	struct turn_end at;
	enum reset_why why;
};

static void reset_now(struct turn_end *t)
{
	fake.device->reset(&instance, container_of(t, struct reset, at)->why);
}

void fake_reset(enum reset_why why)
{
	struct reset r = { .at = { .fn = reset_now }, .why = why };

	ck_assert(!fake.running);
	if (fake.device->reset == NULL)
		return;
	loop_next_turn(fake.loop, &r.at);
	loop_turn(fake.loop, false);
}

void fake_close(void)
{
	if (fake.device->close != NULL)
		fake.device->close(&instance);
}

/* A closed device may still have had a job in a host call; its thread goes with it. */
static void wait_for_jobs(void)
{
	unsigned i;

	for (i = 0; threads() > fake.threads; i++) {
		ck_assert_uint_lt(i, DEADLINE_S * 1000);
		loop_turn(fake.loop, false);
		poll(NULL, 0, 1);
	}
}

void fake_teardown(void)
{
	unsigned i;

	wait_for_jobs();
	for (i = 0; i < fake.pushed; i++) {
		free(fake.chains[i].get);
		free(fake.chains[i].put);
	}
	free(fake.conf);
	free(fake.state);
	for (i = 0; i < FAKE_QUEUES; i++)
		free(fake.queue_states[i]);
	free(fake.config);
	loop_free(fake.loop);
}

struct chain *fake_push(const void *get, size_t get_size, size_t put_size)
{
	return fake_push_to(0, get, get_size, put_size);
}

struct chain *fake_push_to(unsigned index, const void *get, size_t get_size, size_t put_size)
{
	struct chain *c = &fake.chains[fake.pushed++];

	ck_assert_uint_le(fake.pushed, FAKE_CHAINS);
	c->get = malloc(get_size + 1);
	c->put = malloc(put_size + 1);
	if (get_size > 0)
		memcpy(c->get, get, get_size);
	memset(c->put, FAKE_POISON, put_size + 1);
	c->queue = index;
	c->get_size = get_size;
	c->put_size = put_size;
	if (fake.running)
		call(index, row_of(index)->handle);
	return c;
}

void fake_at(uint64_t now)
{
	loop_fake_clock(fake.loop, now);
	fake_settle();
}

void fake_settle(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++)
		loop_turn(fake.loop, false);
}

static void deadline(struct timer *t)
{
	ck_abort_msg("%u chains have ended, not more", fake.ended);
}

void fake_wait_ended(unsigned n)
{
	struct timer t;

	timer_init(&t, fake.loop, deadline);
	timer_set(&t, loop_now(fake.loop) + DEADLINE_S * 1000000000ULL);
	while (fake.ended < n)
		loop_turn(fake.loop, true);
	timer_finish(&t);
	ck_assert_uint_eq(fake.ended, n);
}

/* Instance. */

void *instance_state(const struct instance *in)
{
	return fake.state;
}

const void *instance_conf(const struct instance *in)
{
	return fake.conf;
}

const char *instance_name(const struct instance *in)
{
	return "fake";
}

unsigned instance_index(const struct instance *in)
{
	return 0;
}

unsigned instance_count(const struct instance *in)
{
	return fake.count;
}

struct loop *instance_loop(const struct instance *in)
{
	return fake.loop;
}

struct queue *instance_queue(const struct instance *in, unsigned i)
{
	return i < fake.n_queues ? &queues[i] : NULL;
}

uint64_t instance_features(const struct instance *in)
{
	return fake.features != 0 ? fake.features :
		(fake.device->features | fake.offered) & ~fake.refused;
}

void instance_offer(struct instance *in, uint64_t features)
{
	fake.offered |= features;
}

void *instance_config(struct instance *in)
{
	return fake.config;
}

void instance_config_changed(struct instance *in)
{
	fake.config_changes++;
}

void instance_stat(struct instance *in, unsigned counter, uint64_t n)
{
	ck_assert_uint_lt(counter, FAKE_COUNTERS);
	fake.counters[counter] += n;
}

int host_open(struct instance *in, const char *path, int flags, struct error *err)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd >= 0 ? fd : error_set(err, -errno, "%s: %s", path, strerror(errno));
}

void control_say(struct said *r, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = strlen(fake.reply);
	vsnprintf(fake.reply + n, sizeof(fake.reply) - n, fmt, ap);
	va_end(ap);
}

struct command {
	struct turn_end at;
	const struct device_command *row;
	char *words[8];
	unsigned n;
	struct error *err;
	int ret;
};

static void command_now(struct turn_end *t)
{
	struct command *c = container_of(t, struct command, at);

	c->ret = c->row->run(&instance, NULL, c->words, c->n, c->err);
}

int fake_command(struct error *err, const char *name, unsigned n, ...)
{
	struct command c = { .at = { .fn = command_now }, .row = fake.device->commands, .n = n,
		.err = err };
	va_list ap;
	unsigned i;

	while (strcmp(c.row->name, name) != 0)
		c.row++;
	ck_assert(n >= c.row->least && n <= c.row->most && n <= ARRAY_SIZE(c.words));
	va_start(ap, n);
	for (i = 0; i < n; i++)
		c.words[i] = va_arg(ap, char *);
	va_end(ap);
	fake.reply[0] = '\0';
	loop_next_turn(fake.loop, &c.at);
	loop_turn(fake.loop, false);
	return c.ret;
}

/* Queue. */

struct chain *queue_pop(struct queue *q)
{
	struct chain *c;

	for (c = fake.chains; fake.running && c < fake.chains + fake.pushed; c++) {
		if (c->queue == q->index && !c->popped) {
			c->popped = true;
			memset(c->req, 0, sizeof(c->req));
			fake.popped++;
			return c;
		}
	}
	return NULL;
}

static bool chain_open(const struct chain *c)
{
	return c->popped && c->end == FAKE_OPEN;
}

struct chain *queue_next(struct queue *q, struct chain *after)
{
	struct chain *c = after == NULL ? fake.chains : after + 1;

	while (c < fake.chains + fake.pushed && !(c->queue == q->index && chain_open(c)))
		c++;
	return c < fake.chains + fake.pushed ? c : NULL;
}

struct chain *queue_previous(struct queue *q, struct chain *before)
{
	struct chain *c = before == NULL ? fake.chains + fake.pushed : before;

	while (c-- > fake.chains) {
		if (c->queue == q->index && chain_open(c))
			return c;
	}
	return NULL;
}

/* Of budgets it knows nothing. */
bool queue_spent(const struct queue *q)
{
	return false;
}

void queue_return_all(struct queue *q)
{
	unsigned i;

	for (i = fake.pushed; i-- > 0;) {
		if (fake.chains[i].queue == q->index && chain_open(&fake.chains[i]))
			chain_return(&fake.chains[i]);
	}
}

void queue_flush(struct queue *q)
{
	fake.flushes++;
}

unsigned queue_index(const struct queue *q)
{
	return q->index;
}

unsigned queue_size(const struct queue *q)
{
	return fake.ring_size != 0 ? fake.ring_size : FAKE_CHAINS;
}

unsigned queue_held(const struct queue *q)
{
	unsigned i, held = 0;

	for (i = 0; i < fake.pushed; i++)
		held += fake.chains[i].queue == q->index && chain_open(&fake.chains[i]);
	return held;
}

bool queue_running(const struct queue *q)
{
	return fake.running;
}

bool queue_used_before(const struct queue *q)
{
	return fake.used_before;
}

void *queue_state(const struct queue *q)
{
	return fake.queue_states[q->index];
}

struct loop *queue_loop(const struct queue *q)
{
	return fake.loop;
}

struct instance *queue_instance(const struct queue *q)
{
	return &instance;
}

/* Chain. */

size_t chain_get_size(const struct chain *c)
{
	return c->get_size;
}

size_t chain_get_left(const struct chain *c)
{
	return c->get_size - c->get_at;
}

size_t chain_put_size(const struct chain *c)
{
	return c->put_size;
}

size_t chain_put_left(const struct chain *c)
{
	return c->put_size - c->put_at;
}

static bool chain_ok(struct chain *c, size_t at, size_t n, size_t size)
{
	ck_assert(chain_open(c));
	if (c->unmapped || !range_fits(at, n, size))
		c->fault = true;
	return !c->fault;
}

bool chain_skip(struct chain *c, size_t n)
{
	if (!chain_ok(c, c->get_at, n, c->get_size))
		return false;
	c->get_at += n;
	return true;
}

bool chain_get(struct chain *c, void *dst, size_t n)
{
	size_t at = c->get_at;

	if (!chain_skip(c, n))
		return false;
	memcpy(dst, c->get + at, n);
	return true;
}

bool chain_put_at(struct chain *c, size_t off, const void *src, size_t n)
{
	if (!chain_ok(c, off, n, c->put_size))
		return false;
	if (off > c->used)
		memset(c->put + c->used, 0, off - c->used);
	memcpy(c->put + off, src, n);
	if (off + n > c->used)
		c->used = off + n;
	return true;
}

bool chain_put(struct chain *c, const void *src, size_t n)
{
	if (!chain_put_at(c, c->put_at, src, n))
		return false;
	c->put_at += n;
	return true;
}

size_t chain_lend_get(struct chain *c, size_t n, struct window *w)
{
	size_t left = c->get_size - c->get_at, half;

	ck_assert(chain_open(c));
	n = n < left ? n : left;
	half = n / 2;
	if (c->unmapped || w->max - w->n < 2)
		return 0;
	w->iov[w->n++] = (struct iovec){ c->get + c->get_at, half };
	w->iov[w->n++] = (struct iovec){ c->get + c->get_at + half, n - half };
	return n;
}

/* Two pieces, so that who takes only the first is found out. */
size_t chain_lend_put(struct chain *c, size_t off, size_t n, struct window *w)
{
	size_t half = n / 2;

	ck_assert(chain_open(c));
	ck_assert_uint_le(off + n, c->put_size);
	if (c->unmapped || w->max - w->n < 2)
		return 0;
	w->iov[w->n++] = (struct iovec){ c->put + off, half };
	w->iov[w->n++] = (struct iovec){ c->put + off + half, n - half };
	return n;
}

bool chain_wrote(struct chain *c, size_t off, size_t n)
{
	if (!chain_ok(c, off, n, c->put_size))
		return false;
	if (off + n > c->used)
		c->used = off + n;
	return true;
}

struct queue *chain_queue(const struct chain *c)
{
	return &queues[c->queue];
}

static void chain_end(struct chain *c, enum fake_end end)
{
	ck_assert(chain_open(c));
	c->end = end;
	c->order = fake.ended++;
	ck_assert_int_eq(c->put[c->put_size], FAKE_POISON);
}

void chain_done(struct chain *c)
{
	chain_end(c, c->fault ? FAKE_FAILED : FAKE_DONE);
}

void chain_done_len(struct chain *c, size_t len)
{
	c->used = len;
	chain_done(c);
}

void chain_fail(struct chain *c, const char *why)
{
	ck_assert_uint_gt(strlen(why), 0);
	chain_end(c, FAKE_FAILED);
}

void *chain_req(const struct chain *c)
{
	ck_assert_uint_le(row_of(c->queue)->req_size, sizeof(c->req));
	return ((struct chain *)(uintptr_t)c)->req;
}

bool chain_newest(const struct chain *c)
{
	const struct chain *later;

	for (later = c + 1; later < fake.chains + fake.pushed; later++) {
		if (later->queue == c->queue && later->popped)
			return false;
	}
	return true;
}

/* An unseen one is there for the next pop; it counts as not ended. */
bool chain_return(struct chain *c)
{
	ck_assert(chain_open(c));
	if (!chain_newest(c)) {
		chain_end(c, FAKE_DONE);
		return false;
	}
	c->popped = c->fault = false;
	c->get_at = c->put_at = c->used = 0;
	fake.popped--;
	return true;
}
