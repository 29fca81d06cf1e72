/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the entropy device, and a source that gives little or
 * ends. Two bytes of options, then records of an operation and two bytes:
 * requests of any size, bytes for the source, its end, time, stops and resets.
 * A stream gives bytes that count, so that lost or doubled ones are seen.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "source.h"
#include "vhost-device/fd.h"

enum { RECORD = 3, MOST = 100, MS = 1000 * 1000, LARGEST = 64 * 1024, CYCLE = 251 };
enum op { OP_SMALL, OP_LARGE, OP_SHAPE, OP_HOLE, OP_FEED, OP_END, OP_TIME, OP_PAUSE, OP_RESET,
	OPS };

extern const struct device device_rng;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[256];
static char folder[] = "/tmp/fuzz-rng-XXXXXX", path[64];
static uint64_t now, began, quota, period;
static uint8_t next_byte;
static int feeder;                      /* the end of the FIFO that is written to */

static void clean_up(void)
{
	unlink(path);
	rmdir(folder);
}

static void prepare(void)
{
	if (path[0] != '\0')
		return;
	signal(SIGPIPE, SIG_IGN);
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	bug_if(mkdtemp(folder) == NULL || device_rng.conf_size > sizeof(conf));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	bug_if(mkfifo(path, 0600) < 0);
	atexit(clean_up);
}

static void set(const char *option, const char *text)
{
	bug_if(opt_set(opt_find(device_rng.options, option, strlen(option)), conf, text,
		       NULL) < 0);
}

static void set_number(const char *option, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	set(option, text);
}

/* Opens for reading as well, so that the device finds a writer whenever it opens. */
static void feeder_open(void)
{
	if (feeder < 0)
		feeder = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	bug_if(feeder < 0);
}

static void feed(unsigned n)
{
	uint8_t bytes[255];
	unsigned i;
	ssize_t put;

	feeder_open();
	for (i = 0; i < n; i++)
		bytes[i] = (uint8_t)((next_byte + i) % CYCLE);
	put = write(feeder, bytes, n);
	if (put > 0)
		next_byte = (uint8_t)((next_byte + (size_t)put) % CYCLE);
}

/* options: two of what follows the end, one stream or kernel, three of the quota. */
static void begin(uint8_t options, uint8_t time)
{
	static const char *const ends[] = { "getrandom", "rewind", "hold", "hold" };
	static const uint64_t quotas[] = { UINT64_MAX, 1, 7, 64, 1000, 4096, 65536, 1 << 20 };

	memset(conf, 0, sizeof(conf));
	opt_defaults(device_rng.options, conf);
	quota = quotas[options >> 3 & 7];
	period = (time + 1u) * (uint64_t)MS;
	set("on-eof", ends[options & 3]);
	set_number("max-bytes", quota);
	set_number("period", time + 1u);
	feeder = -1;
	if (options & 4) {
		set("rng-source", path);
		feeder_open();
	}
	began = now = 5000ULL * MS;
	fake_setup(&device_rng, now);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
}

static void pause_device(void)
{
	fake_stop();
	fake_start();
}

static void do_record(const uint8_t *r)
{
	static const uint8_t zeros[255];

	switch (r[0] % OPS) {
	case OP_SMALL:
		fake_push(NULL, 0, r[1]);
		break;
	case OP_LARGE:
		fake_push(NULL, 0, r[1] * 513u + r[2]);
		break;
	case OP_SHAPE:
		fake_push(zeros, r[1], r[2]);
		break;
	case OP_HOLE:
		fake_stop();
		fake_push(NULL, 0, r[1] * 257u)->unmapped = true;
		fake_start();
		break;
	case OP_FEED:
		feed(r[1]);
		fake_settle();
		break;
	case OP_END:
		fd_close(&feeder);
		fake_settle();
		break;
	case OP_TIME:
		now += (r[1] << (r[2] & 7)) * (uint64_t)MS;
		fake_at(now);
		break;
	case OP_PAUSE:
		pause_device();
		break;
	default:
		fake_stop();
		fake_reset(r[1] & 1 ? RESET_DRIVER : RESET_LEFT);
		fake_start();
		break;
	}
}

/* Never empty, never more than there was room for, and nothing behind it touched. */
static void check_answer(const struct chain *c, bool counts)
{
	size_t i;

	if (c->end == FAKE_FAILED)
		bug_if(c->used != 0 || (c->put_size != 0 && !c->unmapped));
	if (c->end == FAKE_DONE)
		bug_if(c->used == 0 || c->used > c->put_size || c->used > LARGEST);
	for (i = c->used; i < c->put_size; i++)
		bug_if(c->put[i] != FAKE_POISON);
	for (i = 1; counts && c->end == FAKE_DONE && i < c->used; i++)
		bug_if(c->put[i] != (c->put[i - 1] + 1) % CYCLE);
}

static void finish(bool counts)
{
	uint64_t given = fake.counters[RNG_BYTES];
	unsigned i;

	fake_stop();
	fake_reset(RESET_LEFT);
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i], counts);
	bug_if(quota != UINT64_MAX && given > quota * ((now - began) / period + 1));
	fake_close();
	fake_teardown();
	fd_close(&feeder);
	opt_finish(device_rng.options, conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *r = data + 2;

	prepare();
	if (size < 2)
		return 0;
	begin(data[0], data[1]);
	for (size -= 2; size >= RECORD && fake.pushed < MOST; size -= RECORD, r += RECORD)
		do_record(r);
	/* A stream that has to wait for more is nothing but what was fed. */
	finish((data[0] & 6) == 6);
	return 0;
}
