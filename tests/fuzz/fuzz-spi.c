/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the SPI controller, on simulated chips. The first byte
 * chooses: even, the rest is a --device list; odd, records of ten bytes: a
 * policy and time that goes by, the head's bytes that matter, bytes to send and
 * to receive.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "spi.h"

enum { RECORD = 10, MOST = 48, MS = 1000 * 1000, LARGE = 0x80, SHORT = 0x40, STEP = 64 };

extern const struct device device_spi;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[256];

static void run_list(const uint8_t *data, size_t size)
{
	FREE_PTR char *text = calloc(1, size + 1);
	struct error err = ERROR_NONE;
	struct list *l;
	unsigned i;

	bug_if(text == NULL);
	if (size > 0)
		memcpy(text, data, size);
	l = list_parse(&spi_lists, text, &err);
	bug_if((l == NULL) != (err.text[0] != '\0') || strchr(err.text, '\n') != NULL);
	bug_if(l != NULL && (l->n == 0 || l->n > LIST_MAX));
	for (i = 0; l != NULL && i < l->n; i++) {
		bug_if((l->items[i].kind == ITEM_HOST) != (l->items[i].path != NULL));
		bug_if(l->items[i].sim == SIM_SHIFT && l->items[i].size == 0);
	}
	spi_lists.free(l);
}

static void push(const uint8_t *r)
{
	static uint8_t bytes[sizeof(struct virtio_spi_transfer_head) + 256 * STEP];
	struct virtio_spi_transfer_head h = {
		.chip_select_id = r[1], .bits_per_word = r[2], .cs_change = r[3] & 3,
		.tx_nbits = r[3] >> 2 & 7, .rx_nbits = r[3] >> 5, .mode = { { r[4], 0, r[5] } },
		.freq = { { 0, 0, 0, r[5] } }, .cs_setup_ns = { { 0, 0, r[5], r[6] } },
		.word_delay_ns = { { r[6] } },
	};
	size_t scale = (r[7] & LARGE) != 0 ? STEP : 1, n = sizeof(h) + r[8] * scale;

	memset(bytes, r[8], sizeof(bytes));
	memcpy(bytes, &h, sizeof(h));
	/* Opcodes of a flash, more often than chance has them. */
	bytes[sizeof(h)] = r[7] & 0x3f;
	fake_push(bytes, (r[7] & SHORT) != 0 ? r[8] % sizeof(h) : n, r[9] * scale);
}

/* All of it, or nothing when there is too much; and a result that is one. */
static void check_answer(const struct chain *c)
{
	bug_if(c->end == FAKE_OPEN);
	if (c->end == FAKE_DONE)
		bug_if((c->used != c->put_size && c->used != 0) ||
		       c->put[c->put_size - 1] > VIRTIO_SPI_TRANS_ERR);
	else
		bug_if(c->used != 0);
}

static void run_records(const uint8_t *data, size_t size)
{
	static const char *const lists[] = {
		"s0.0:nor=64K,s0.1,-,s0.2:shift=3:modes=0+3:bpw=9,s1:nor=32M:nbits=1+4",
		"s0.0:nor=64K:cs=gap,s0.1:cs=literal,-,s0.2:shift:cs=each:fail=3,s1:nor:cs=pairs",
	};
	uint64_t now = MS;
	unsigned i;

	bug_if(device_spi.conf_size > sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_spi.options, conf);
	opt_set(opt_find(device_spi.options, "device", 6), conf, lists[size % 2], NULL);
	opt_set(opt_find(device_spi.options, "max-transfer", 12), conf, "8K", NULL);
	opt_set(opt_find(device_spi.options, "timeout", 7), conf, "600000", NULL);
	fake_setup(&device_spi, now);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD) {
		push(data);
		now += (uint64_t)data[0] * MS;
		fake_at(now);
	}
	/* Long ones need a thread's time. */
	for (; fake.ended < fake.pushed; now += MS)
		fake_at(now);
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i]);
	fake_close();
	fake_teardown();
	opt_finish(device_spi.options, conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		run_list(data + 1, size - 1);
	else
		run_records(data + 1, size - 1);
	return 0;
}
