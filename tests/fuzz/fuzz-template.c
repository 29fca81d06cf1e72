/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the echo device. A byte of the limit, then records of an
 * operation and three bytes: requests with any two sizes, also in memory that
 * is gone, stops and resets.
 */
#include <stdio.h>
#include <string.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "wire/le.h"

enum { RECORD = 4, MOST = 100, LARGEST = 0x20000 };
enum op { OP_REQUEST, OP_LARGE, OP_HOLE, OP_PAUSE, OP_RESET, OPS };

extern const struct device device_template;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[64];
static uint8_t pattern[LARGEST];

static size_t begin(uint8_t choice)
{
	static const char *const limits[] = { "65536", "1", "7", "1023", "1024", "1025", "40000",
		"65535" };
	static const size_t sizes[] = { 65536, 1, 7, 1023, 1024, 1025, 40000, 65535 };
	size_t i;

	for (i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8));
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	bug_if(device_template.conf_size > sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_template.options, conf);
	bug_if(opt_set(opt_find(device_template.options, "limit", 5), conf, limits[choice % 8],
		       NULL) < 0);
	fake_setup(&device_template, 0);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	return sizes[choice % 8];
}

static void do_record(const uint8_t *r)
{
	switch (r[0] % OPS) {
	case OP_REQUEST:
		fake_push(pattern + r[3], r[1], r[2]);
		break;
	case OP_LARGE:
		fake_push(pattern + r[3], r[1] * 509u, r[2] * 509u);
		break;
	case OP_HOLE:
		fake_stop();
		fake_push(pattern, r[1], r[2])->unmapped = true;
		fake_start();
		break;
	case OP_PAUSE:
		fake_stop();
		fake_start();
		break;
	default:
		fake_stop();
		fake_reset(r[1] & 1 ? RESET_DRIVER : RESET_LEFT);
		fake_start();
		break;
	}
}

static size_t expected(const struct chain *c, size_t limit)
{
	size_t n = c->get_size < c->put_size ? c->get_size : c->put_size;

	return n < limit ? n : limit;
}

static void check_answer(const struct chain *c, size_t limit)
{
	size_t n = c->unmapped ? 0 : expected(c, limit), i;

	bug_if(c->end != FAKE_DONE && c->end != FAKE_FAILED);
	bug_if(c->used != n || memcmp(c->put, c->get, n) != 0);
	for (i = n; i < c->put_size; i++)
		bug_if(c->put[i] != FAKE_POISON);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *r = data + 1;
	size_t limit;
	unsigned i;

	if (size == 0)
		return 0;
	limit = begin(data[0]);
	for (size -= 1; size >= RECORD && fake.pushed < MOST; size -= RECORD, r += RECORD)
		do_record(r);
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i], limit);
	/* Config: how many requests, and the length of the last one. */
	bug_if(le32_get(((le32_t *)fake.config)[0]) != fake.pushed);
	bug_if(fake.pushed > 0 && le32_get(((le32_t *)fake.config)[1]) !=
	       expected(&fake.chains[fake.pushed - 1], limit));
	fake_close();
	fake_teardown();
	opt_finish(device_template.options, conf);
	return 0;
}
