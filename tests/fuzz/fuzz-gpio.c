/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the GPIO device, on simulated lines. The first byte
 * chooses: even, the rest is a --device-list; odd, records of an operation
 * byte and four bytes that are a request, an event buffer or a level.
 */
#include <stdlib.h>
#include <string.h>

#include "fake-core.h"
#include "core/log-core.h"
#include "core/opt.h"
#include "gpio.h"

enum { RECORD = 5, LINES = 8, MOST = 200 };
enum op { OP_REQUEST, OP_SHAPE, OP_EVENT, OP_EVENT_SHAPE, OP_DRIVE, OP_WIRE, OP_PAUSE, OP_RESET,
	OP_HOLE };

extern const struct device device_gpio;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[64];

static bool open_list(const char *list)
{
	memset(conf, 0, sizeof(conf));
	bug_if(device_gpio.conf_size > sizeof(conf));
	opt_defaults(device_gpio.options, conf);
	opt_set(opt_find(device_gpio.options, "device-list", 11), conf, list, NULL);
	fake_setup(&device_gpio, 0);
	return fake_open(conf, 1, NULL) == 0;
}

static void close_all(void)
{
	fake_close();
	fake_teardown();
	opt_finish(device_gpio.options, conf);
}

static void run_list(const uint8_t *data, size_t size)
{
	char *list = calloc(1, size + 1);

	bug_if(list == NULL);
	if (size > 0)
		memcpy(list, data, size);
	/* Paths may be anything of this machine. */
	if (list[0] != '/' && strstr(list, "+/") == NULL) {
		if (open_list(list)) {
			bug_if(gpio_bank(fake.state)->n_lines == 0);
			fake_start();
			fake_stop();
		}
		close_all();
	}
	free(list);
}

/* What Linux relies on: the exact length of good answers. */
static void check_answer(const struct chain *c)
{
	if (c->queue == GPIO_REQUESTQ && c->end == FAKE_DONE && c->get[0] != 1)
		bug_if(c->used != 2 || c->put[0] > 1);
	if (c->queue == GPIO_EVENTQ && c->end == FAKE_DONE)
		bug_if(c->used != 1 || c->put[0] > 1);
}

static void do_record(const uint8_t *r)
{
	struct line *a = &gpio_bank(fake.state)->lines[r[1] % LINES];
	struct line *b = &gpio_bank(fake.state)->lines[r[2] % LINES];
	const uint8_t req[16] = { r[1] & 7, 0, r[2], r[3] >> 7, r[4], r[3] & 1 };

	switch (r[0] % 9) {
	case OP_REQUEST:
		fake_push(req, 8, r[1] == 1 ? 200 : 2);
		break;
	case OP_SHAPE:
		fake_push(req, r[3] % 16, r[4] % 80);
		break;
	case OP_EVENT:
		fake_push_to(GPIO_EVENTQ, r + 1, 2, 1);
		break;
	case OP_EVENT_SHAPE:
		fake_push_to(GPIO_EVENTQ, r + 1, r[3] % 4, r[4] % 4);
		break;
	case OP_DRIVE:
		sim_drive(a, (int)(r[2] % 3) - 1);
		break;
	case OP_WIRE:
		if (a != b)
			sim_wire(a, b);
		break;
	case OP_PAUSE:
		fake_stop();
		fake_start();
		break;
	case OP_RESET:
		fake_stop();
		fake_reset(r[1] & 1 ? RESET_DRIVER : RESET_LEFT);
		fake_start();
		break;
	default:
		fake_stop();
		fake_push(req, 8, 2)->unmapped = true;
		fake_start();
		break;
	}
}

static void run_records(const uint8_t *data, size_t size)
{
	unsigned i;

	bug_if(!open_list("s8[0/wire=1,1-4,5/active-low,6/pull-up,7/open-drain/value=1]"));
	fake_start();
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD)
		do_record(data);
	fake_stop();
	fake_reset(RESET_LEFT);
	for (i = 0; i < fake.pushed; i++) {
		bug_if(fake.chains[i].end == FAKE_OPEN);
		check_answer(&fake.chains[i]);
	}
	close_all();
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
