/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio entropy device (virtio 1.4, 5.4): fills what the driver may write.
 *
 * At most one request is held, while the quota is used up or the source has
 * nothing. It is never answered empty: Linux takes that for the end of the
 * device and never asks again.
 *
 * The limit counts as the original does: a period begins with the first
 * request after the former one ended; a request gets what is left of the
 * quota; one that finds nothing left waits for the end of the period.
 */
#include <errno.h>
#include <string.h>

#include "source.h"
#include "vhost-device/device.h"
#include "vhost-device/loop.h"

enum {
	/* Of one request, and of one turn: long ones must not keep other guests waiting. */
	LARGEST = 64 * 1024,
	DIRECT_PIECES = 8, DIRECT_LEAST = 4096,
	CHUNK = 16 * 1024,              /* stays in the cache on its way to the guest */
	NS_PER_MS = 1000 * 1000,
};

struct rng_conf {
	char *source;
	uint64_t max_bytes, period_ms;
	unsigned on_eof;
};

struct rng {
	struct instance *in;
	struct queue *q;                /* while it runs */
	struct chain *held;
	struct source *source;
	struct timer again;             /* end of the period, or the next turn */
	uint64_t quota, left;           /* bytes of a period */
	uint64_t period, began;
	uint64_t throttled;             /* since when, or 0 */
	struct log_limit limit;
	unsigned char bytes[CHUNK];     /* sources are not read into guest memory */
};

static void throttle_over(struct rng *r, uint64_t now)
{
	if (r->throttled != 0)
		instance_stat(r->in, RNG_THROTTLED_MS, (now - r->throttled) / NS_PER_MS);
	r->throttled = 0;
}

/* How many of n bytes may go now; for 0 the timer is set. */
static size_t allowance(struct rng *r, size_t n)
{
	uint64_t now = loop_now(queue_loop(r->q));

	if (now - r->began >= r->period) {
		r->began = now;
		r->left = r->quota;
	}
	if (r->left == 0) {
		if (r->throttled == 0)
			r->throttled = now;
		timer_set(&r->again, r->began + r->period);
		return 0;
	}
	throttle_over(r, now);
	return n < r->left ? n : (size_t)r->left;
}

/*
 * The kernel's bytes may go straight to the guest: there is nothing to watch,
 * no error half-way, and a guest address that is gone is the kernel's to find.
 * 0: not this way.
 */
static size_t fill_direct(struct rng *r, struct chain *c, size_t want)
{
	struct iovec iov[DIRECT_PIECES];
	struct window w = { .iov = iov, .max = DIRECT_PIECES };
	size_t given = 0;
	unsigned i;

	if (want < DIRECT_LEAST || !source_is_kernel(r->source) ||
	    chain_lend_put(c, 0, want, &w) < want)
		return 0;
	for (i = 0; i < w.n; i++) {
		if (source_read(r->source, iov[i].iov_base, iov[i].iov_len) < iov[i].iov_len)
			return 0;
		given += iov[i].iov_len;
	}
	return chain_wrote(c, 0, given) ? given : 0;
}

/* Bytes given, or 0: the request waits. The end of what is there ends it early. */
static size_t answer(struct rng *r, struct chain *c)
{
	size_t size = chain_put_size(c), want, given = 0, n, got;

	want = allowance(r, size < LARGEST ? size : LARGEST);
	given = fill_direct(r, c, want);
	while (given < want) {
		n = want - given < sizeof(r->bytes) ? want - given : sizeof(r->bytes);
		got = source_read(r->source, r->bytes, n);
		given += got;
		if (got == 0 || !chain_put(c, r->bytes, got) || got < n)
			break;
	}
	if (given == 0)
		return 0;
	/* Nobody shall find out later what the guest was given. */
	explicit_bzero(r->bytes, given < sizeof(r->bytes) ? given : sizeof(r->bytes));
	r->held = NULL;
	r->left -= given;
	chain_done(c);
	instance_stat(r->in, RNG_BYTES, given);
	instance_stat(r->in, RNG_REQUESTS, 1);
	return given;
}

static void serve(struct rng *r)
{
	size_t given = 0, n;

	while (given < LARGEST) {
		if (r->held == NULL)
			r->held = queue_pop(r->q);
		if (r->held == NULL)
			return;
		if (chain_put_size(r->held) == 0) {
			chain_fail(take_ptr(r->held), "no byte to write to");
			continue;
		}
		n = answer(r, r->held);
		if (n == 0)
			return;
		given += n;
	}
	timer_set(&r->again, loop_now(queue_loop(r->q)));
}

static void rng_again(struct timer *t)
{
	serve(container_of(t, struct rng, again));
}

static void rng_ready(void *ctx)
{
	serve(ctx);
}

static void rng_handle(struct queue *q)
{
	serve(instance_state(queue_instance(q)));
}

static void rng_start(struct queue *q)
{
	struct rng *r = instance_state(queue_instance(q));

	r->q = q;
	source_run(r->source);
}

static void rng_stop(struct queue *q)
{
	struct rng *r = instance_state(queue_instance(q));

	timer_set(&r->again, 0);
	source_rest(r->source);
	throttle_over(r, loop_now(queue_loop(q)));
	r->held = NULL;
	queue_return_all(q);
	r->q = NULL;
}

static int rng_check(void *conf, struct error *err)
{
	const struct rng_conf *c = conf;

	if (c->period_ms == 0)
		return error_set(err, -ERANGE, "--period: 0 is too small: give 1 to 65536 ms");
	if (c->period_ms > 65536)
		return error_set(err, -ERANGE, "--period: Period is too big: %llu: "
				 "give 1 to 65536 ms", (unsigned long long)c->period_ms);
	return 0;
}

static int rng_open(struct instance *in, struct error *err)
{
	const struct rng_conf *conf = instance_conf(in);
	struct rng *r = instance_state(in);

	r->in = in;
	r->quota = conf->max_bytes / instance_count(in);
	if (r->quota == 0) {
		r->quota = 1;
		log_warn(in, "--max-bytes %llu is less than a byte for each socket: "
			 "1 byte a period is given", (unsigned long long)conf->max_bytes);
	}
	r->left = r->quota;
	r->period = conf->period_ms * NS_PER_MS;
	r->began = loop_now(instance_loop(in));
	timer_init(&r->again, instance_loop(in), rng_again);
	r->source = source_open(in, conf->source, conf->on_eof, rng_ready, r, err);
	return r->source == NULL ? -EINVAL : 0;
}

static void rng_close(struct instance *in)
{
	struct rng *r = instance_state(in);

	timer_finish(&r->again);
	source_close(take_ptr(r->source));
}

static const char *const end_words[] = { "getrandom", "rewind", "hold", "exit", NULL };
static const char *const source_aliases[] = { "filename", NULL };

static const struct option rng_options[] = {
	{ "period", "MS", "Length of an accounting period in milliseconds, 1 to 65536.", "65536",
	  OPT_UINT, .brief = 'p', OPT(struct rng_conf, period_ms) },
	{ "max-bytes", "BYTES", "Bytes that all sockets together give in a period, at least one "
	  "each.", "18446744073709551615", OPT_UINT, .brief = 'm',
	  OPT(struct rng_conf, max_bytes) },
	{ "rng-source", "PATH", "Where the bytes come from: a file, a device such as /dev/hwrng, "
	  "a FIFO or a Unix socket; /dev/urandom stands for getrandom().", "/dev/urandom",
	  OPT_PATH, .brief = 'f', .aliases = source_aliases, OPT(struct rng_conf, source) },
	{ "on-eof", "WHAT", "When the source ends or fails: getrandom takes its place, rewind "
	  "starts it over, hold waits for more, exit ends the process.", "getrandom",
	  OPT_CHOICE, .words = end_words, OPT(struct rng_conf, on_eof) },
	{ NULL },
};

static const struct queue_row rng_queues[] = {
	{ "requestq", 1024, .handle = rng_handle },
};

static const char *const rng_counters[] = {
	[RNG_BYTES] = "bytes", [RNG_REQUESTS] = "requests", [RNG_THROTTLED_MS] = "throttled_ms",
	[RNG_SOURCE_ERRORS] = "source_errors", NULL,
};

extern const struct device device_rng;
const struct device device_rng = {
	.name = "rng",
	.summary = "random numbers from the host",
	.virtio_id = 4,
	.flags = DEV_IN_ORDER | DEV_SOCKET_INDEX,
	.queues = rng_queues,
	.n_queues = ARRAY_SIZE(rng_queues),
	.conf_size = sizeof(struct rng_conf),
	.state_size = sizeof(struct rng),
	.options = rng_options,
	.counters = rng_counters,
	.check = rng_check,
	.open = rng_open,
	.close = rng_close,
	.start = rng_start,
	.stop = rng_stop,
};
