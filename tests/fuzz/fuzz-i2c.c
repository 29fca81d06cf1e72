/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the I2C adapter, on simulated clients. The first byte
 * chooses: even, the rest is a --device-list; odd, records of five bytes: the
 * address field, flags, bytes to write and bytes that may be written.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "list.h"
#include "wire/virtio-i2c.h"

enum { RECORD = 5, MOST = 48, MS = 1000 * 1000, LARGE = 0x80, SHORT = 0x40,
	STEP = 64, SHORTEST = 4 };

extern const struct device device_i2c;

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
	l = list_parse(&i2c_lists, text, &err);
	bug_if((l == NULL) != (err.text[0] != '\0') || strchr(err.text, '\n') != NULL);
	for (i = 0; l != NULL && i < I2C_ADDRESSES; i++) {
		bug_if(l->clients[i].listed && l->clients[i].bus >= l->n_buses);
		bug_if(l->clients[i].host >= (i < I2C_SEVEN ? I2C_SEVEN : I2C_TEN));
	}
	i2c_lists.free(l);
}

static void push(const uint8_t *r)
{
	static uint8_t bytes[sizeof(struct virtio_i2c_out_hdr) + 256 * STEP];
	size_t scale = (r[2] & LARGE) != 0 ? STEP : 1, n = sizeof(struct virtio_i2c_out_hdr);

	memset(bytes, r[3], sizeof(bytes));
	memset(bytes, 0, n);
	memcpy(bytes, r, 2);
	bytes[4] = r[2] & (VIRTIO_I2C_FLAGS_FAIL_NEXT | VIRTIO_I2C_FLAGS_M_RD);
	n = (r[2] & SHORT) != 0 ? SHORTEST : n + r[3] * scale;
	fake_push(bytes, n, r[4] * scale);
}

/* All of it, or nothing when there is too much; and a status that is one. */
static void check_answer(const struct chain *c)
{
	bug_if(c->end == FAKE_OPEN);
	if (c->end == FAKE_DONE)
		bug_if(c->used != c->put_size || c->put[c->put_size - 1] > VIRTIO_I2C_MSG_ERR);
	else
		bug_if(c->used != 0);
}

static void run_records(const uint8_t *data, size_t size)
{
	uint64_t now = MS;
	unsigned i;

	bug_if(device_i2c.conf_size > sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_i2c.options, conf);
	opt_set(opt_find(device_i2c.options, "device-list", 11), conf,
		"s0:0x20:0x50/eeprom=4096:0x51/ro:0x30/block:0x31/nak=3:0x150/ten:*,s1:0x01", NULL);
	opt_set(opt_find(device_i2c.options, "timeout", 7), conf, "600000", NULL);
	fake_setup(&device_i2c, now);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD)
		push(data);
	/* Groups without an end need their time, others a thread's. */
	for (; fake.ended < fake.pushed; now += MS)
		fake_at(now);
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i]);
	fake_close();
	fake_teardown();
	opt_finish(device_i2c.options, conf);
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
