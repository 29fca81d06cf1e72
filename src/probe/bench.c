/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* `bench`: load on any vhost-user back end, or on two of them by turns. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "describe.h"
#include "vhost-device/vu-name.h"

enum { ROUNDS = 10, BAR = 40, LATENCIES = 5 };

/* Any device: bytes there, bytes back. */
static const struct load generic_load = { .out = 0 };
static const struct driver generic = { "generic", .queues = 1, .load = &generic_load };

/* -- What is to be done ---------------------------------------------------------- */

static int guess_driver(const struct bench_conf *c, const struct driver **ret_driver,
			struct error *err)
{
	const struct known *fit;
	struct facts facts;
	int ret = facts_of(c->socket, c->tool.timeout * 1000, c->tool.wait, NULL, &facts, err);

	if (ret < 0)
		return ret;
	if (facts_guess(&facts, &fit, 1) > 0) {
		*ret_driver = driver_find(known_name(fit));
		if (*ret_driver != NULL && (*ret_driver)->load != NULL)
			return 0;
	}
	return error_set(err, -EINVAL, "%s: no load is known for what seems to be there: give "
			 "--device, or --out and --in", c->socket);
}

static int unknown_load(const struct bench_conf *c, struct error *err)
{
	const struct driver *d;
	unsigned i;

	/* Those that are known come before the rest. */
	error_set(err, -EINVAL, ": give one of them, or --out and --in");
	for (i = 0; (d = driver_at(i)) != NULL; i++) {
		if (d->load != NULL)
			error_prefix(err, " %s", d->name);
	}
	return error_prefix(err, "--device %.60s: no load is known for it, but for", c->device);
}

static int choose_driver(const struct bench_conf *c, const struct driver **ret_driver,
			 struct error *err)
{
	if (c->device == NULL && (c->load.out != 0 || c->load.in != 0)) {
		*ret_driver = &generic;
		return 0;
	}
	if (c->device == NULL)
		return guess_driver(c, ret_driver, err);
	*ret_driver = driver_find(c->device);
	if (*ret_driver == NULL || (*ret_driver)->load == NULL)
		return unknown_load(c, err);
	return 0;
}

static int open_target(const struct bench_conf *c, const struct driver *d, const char *path,
		       struct target **ret_target, struct error *err)
{
	struct load_setup setup = c->load;

	setup.vdev.path = path;
	setup.vdev.timeout_ms = c->tool.timeout * 1000;
	setup.vdev.wait = c->tool.wait;
	setup.vdev.lax = c->tool.lax;
	setup.vdev.features = d->features;
	setup.driver = d;
	if (setup.out == 0)
		setup.out = d->load->out;
	if (setup.in == 0)
		setup.in = d->load->in;
	return target_open(&setup, ret_target, err);
}

/* -- Doing it ----------------------------------------------------------------------- */

static void progress(const struct bench_conf *c, struct target *const *t, unsigned done)
{
	double seconds = out_double(t[0]->ns) / 1e9;

	if (c->seconds < 2 || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K");
	if (done < ROUNDS)
		fprintf(stderr, "%u of %u s, %.0f requests a second", c->seconds * done / ROUNDS,
			c->seconds, seconds > 0 ? out_double(t[0]->requests) / seconds : 0);
	fflush(stderr);
}

/* Rounds by turns, so that what else happens on the host hits both. */
static int run_rounds(const struct bench_conf *c, struct target **t, unsigned n,
		      struct error *err)
{
	uint64_t slice = (uint64_t)c->seconds * 1000000000 / ROUNDS;
	uint64_t requests = c->requests != 0 ? (c->requests + ROUNDS - 1) / ROUNDS : 0;
	unsigned i, k;
	int ret = 0;

	for (i = 0; ret == 0 && i < n; i++) {
		ret = target_run(t[i], slice / 2, requests, err);
		target_reset(t[i]);
	}
	for (k = 0; ret == 0 && k < ROUNDS; k++) {
		for (i = 0; ret == 0 && i < n; i++)
			ret = target_run(t[i], slice, requests, err);
		progress(c, t, k + 1);
	}
	return ret;
}

/* -- Saying it ------------------------------------------------------------------------ */

static double per_second(const struct target *t, uint64_t n)
{
	return t->ns > 0 ? out_double(n) * 1e9 / out_double(t->ns) : 0;
}

static double cpu_us(const struct target *t)
{
	return t->requests > 0 ? out_double(t->cpu_ns) / out_double(t->requests) / 1e3 : 0;
}

static const char latency_names[] = "p50\0" "p90\0" "p99\0" "p99.9\0" "max\0";
static const uint16_t permilles[LATENCIES] = { 500, 900, 990, 999, 1000 };

static double latency_ns(const struct target *t, unsigned i)
{
	return out_double(hist_at(&t->hist, permilles[i]));
}

static void print_setup(struct out *o, const struct target *t)
{
	const struct load_setup *s = &t->setup;

	out_open(o, "load");
	out_string(o, "device", s->driver->name);
	out_number(o, "readable_bytes", s->out + s->driver->load->head);
	out_number(o, "writable_bytes", s->in + s->driver->load->tail);
	out_number(o, "depth", s->depth);
	out_number(o, "queues", s->queues);
	out_number(o, "queue_size", s->vdev.queue_size);
	out_string(o, "ring", s->vdev.packed ? "packed" : "split");
	out_bool(o, "indirect", s->indirect);
	out_bool(o, "event_idx", (t->v->features & BIT(VIRTIO_F_EVENT_IDX)) != 0);
	out_bool(o, "in_band", s->vdev.inband);
	if (s->rate != 0)
		out_number(o, "rate", s->rate);
	out_close(o);
}

/* Bars over half powers of two, from the fastest to the slowest. */
static void print_bars(struct out *o, const struct hist *h)
{
	static const uint64_t steps[] = { 32, 45 };     /* 1 and the root of 2, times 32 */
	uint64_t from, to, n, most = 1;
	char bar[BAR + 1];
	unsigned i, pass;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < 2 * 40; i++) {
			from = (steps[i % 2] << i / 2) * 2;
			to = (steps[(i + 1) % 2] << (i + 1) / 2) * 2;
			n = hist_between(h, i == 0 ? 0 : from, to);
			most = n > most ? n : most;
			if (pass == 0 || n == 0)
				continue;
			memset(bar, '#', BAR);
			bar[(n * BAR + most - 1) / most] = '\0';
			if (out_for_people(o)) {
				fprintf(o->file, "  %9.1f us  %-*s %5.1f %%\n",
					out_double(from) / 1e3, BAR, bar,
					100.0 * out_double(n) / out_double(h->n));
				continue;
			}
			out_open(o, NULL);
			out_number(o, "from_ns", i == 0 ? 0 : from);
			out_number(o, "to_ns", to);
			out_number(o, "count", n);
			out_close(o);
		}
	}
}

static void print_latency(struct out *o, const struct target *t)
{
	unsigned i;

	out_open(o, "latency_us");
	for (i = 0; i < LATENCIES; i++)
		out_real(o, vu_name_of(latency_names, i), latency_ns(t, i) / 1e3, 1);
	out_real(o, "mean", t->hist.n > 0
		 ? out_double(t->hist.sum) / out_double(t->hist.n) / 1e3 : 0, 1);
	out_close(o);
	out_open_list(o, "histogram");
	print_bars(o, &t->hist);
	out_close(o);
}

static void print_target(struct out *o, const char *key, const struct target *t)
{
	out_open(o, key);
	out_string(o, "socket", t->setup.vdev.path);
	out_number(o, "requests", t->requests);
	out_real(o, "seconds", out_double(t->ns) / 1e9, 3);
	out_real(o, "requests_per_second", per_second(t, t->requests), 0);
	out_real(o, "bytes_per_second", per_second(t, t->bytes), 0);
	if (t->cpu_ns > 0) {
		out_number(o, "process", (uint64_t)t->pid);
		out_real(o, "cpu_seconds", out_double(t->cpu_ns) / 1e9, 3);
		out_real(o, "cpu_us_per_request", cpu_us(t), 2);
	}
	if (t->bad > 0)
		out_number(o, "wrong_answers", t->bad);
	print_latency(o, t);
	out_close(o);
}

static void print_ratio(struct out *o, const char *key, double first, double second)
{
	if (first > 0)
		out_real(o, key, second / first, 3);
}

static void print_ratios(struct out *o, const struct target *a, const struct target *b)
{
	unsigned i;

	out_open(o, "second_to_first");
	print_ratio(o, "requests_per_second", per_second(a, a->requests),
		    per_second(b, b->requests));
	for (i = 0; i < LATENCIES; i++)
		print_ratio(o, vu_name_of(latency_names, i), latency_ns(a, i), latency_ns(b, i));
	if (a->cpu_ns > 0 && b->cpu_ns > 0)
		print_ratio(o, "cpu_us_per_request", cpu_us(a), cpu_us(b));
	out_close(o);
}

/* -- The whole ---------------------------------------------------------------------------- */

static int measure(const struct bench_conf *c, struct target **t, struct error *err)
{
	const char *paths[2] = { c->socket, c->vs };
	const struct driver *driver = NULL;
	unsigned i, n = c->vs != NULL ? 2 : 1;
	struct out o;
	int ret = choose_driver(c, &driver, err);

	if (ret < 0 || driver == NULL)
		return ret;
	for (i = 0; ret == 0 && i < n; i++)
		ret = open_target(c, driver, paths[i], &t[i], err);
	if (ret == 0)
		ret = run_rounds(c, t, n, err);
	if (ret < 0 || t[0] == NULL)
		return ret;
	out_begin(&o, stdout, c->tool.json);
	print_setup(&o, t[0]);
	print_target(&o, n > 1 ? "first" : "result", t[0]);
	if (n > 1) {
		print_target(&o, "second", t[1]);
		print_ratios(&o, t[0], t[1]);
	}
	out_end(&o);
	if (t[0]->bad > 0 || (n > 1 && t[1]->bad > 0))
		return error_set(err, -EIO, "some answers were wrong");
	return 0;
}

static int run(const void *conf, struct error *err)
{
	const struct bench_conf *c = conf;
	struct target *t[2] = { NULL, NULL };
	int ret = c->uds != NULL ? bench_ends(c, err) : measure(c, t, err);

	target_free(t[0]);
	target_free(t[1]);
	return ret;
}

static const struct option rows[] = {
	{ "socket", "SOCKET", "Socket of the back end.", NULL, OPT_PATH,
	  OPT_POSITIONAL | OPT_REQUIRED, OPT(struct bench_conf, socket) },
	{ "vs", "SOCKET", "A second back end, loaded by turns and compared with the first.", NULL,
	  OPT_PATH, OPT(struct bench_conf, vs) },
	{ "device", "DEVICE", "Whose requests to make, if not guessed or told by "
	  "--out and --in.", NULL, OPT_STRING, OPT(struct bench_conf, device) },
	{ "out", "BYTES", "Bytes of a request that the device reads.", NULL, OPT_SIZE,
	  .min = 1, .max = 16 << 20, OPT(struct bench_conf, load.out) },
	{ "in", "BYTES", "Bytes of a request that the device may write.", NULL, OPT_SIZE,
	  .min = 1, .max = 16 << 20, OPT(struct bench_conf, load.in) },
	{ "depth", "N", "Requests in flight in each queue.", "1", OPT_UINT, .brief = 'd',
	  .min = 1, .max = 4096, OPT(struct bench_conf, load.depth) },
	{ "queues", "N", "Queues under load.", "1", OPT_UINT, .min = 1, .max = 64,
	  OPT(struct bench_conf, load.queues) },
	{ "queue-size", "N", "Entries of a ring, if not what --depth needs.", NULL,
	  OPT_UINT, .min = 1, .max = 32768, OPT(struct bench_conf, load.vdev.queue_size) },
	{ "segments", "N", "Descriptors of each part of a request.", "1", OPT_UINT,
	  .min = 1, .max = 64, OPT(struct bench_conf, load.segments) },
	{ "rate", "N", "Requests a second. Without it each goes out when one came back.", NULL,
	  OPT_UINT, .min = 1, .max = 100000000, OPT(struct bench_conf, load.rate) },
	{ "seconds", "N", "How long to load each back end.", "3", OPT_UINT, .min = 1,
	  .max = 86400, OPT(struct bench_conf, seconds) },
	{ "requests", "N", "End after about so many requests.", NULL, OPT_UINT, .min = 1,
	  .max = UINT32_MAX, OPT(struct bench_conf, requests) },
	{ "packed", NULL, "Use packed rings.", NULL, OPT_FLAG,
	  OPT(struct bench_conf, load.vdev.packed) },
	{ "indirect", NULL, "Use indirect descriptors.", NULL,
	  OPT_FLAG, OPT(struct bench_conf, load.indirect) },
	{ "no-event-idx", NULL, "Do without the feature that saves notifications.", NULL, OPT_FLAG,
	  OPT(struct bench_conf, load.vdev.no_event_idx) },
	{ "inband", NULL, "Notify by messages instead of eventfds.", NULL, OPT_FLAG,
	  OPT(struct bench_conf, load.vdev.inband) },
	{ "spin", NULL, "Poll the rings instead of sleeping.", NULL, OPT_FLAG,
	  OPT(struct bench_conf, load.spin) },
	{ NULL }
};

const struct tool bench_tool = {
	.doc = { .program = "vhost-device-bench", .word = "bench",
		.summary = "Measure any vhost-user device from the driver's side",
		.tables = { { rows, bench_ends_rows, tool_rows } } },
	.conf_size = sizeof(struct bench_conf),
	.run = run,
};
