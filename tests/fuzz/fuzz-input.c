/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the input device, and hostile text. The first byte
 * chooses: 0 mod 4, lines of a script; 1 mod 4, lines that describe a device;
 * else records of eight bytes: what to do, room, two bytes of a number, type,
 * code, value.
 */
#include <stdlib.h>
#include <string.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "input.h"

enum { RECORD = 8, MOST = 100, TIMES = 8 };

extern const struct device device_input;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[512];
static struct script_step step;

static void run_line(const char *line, bool describe)
{
	unsigned at[INPUT_TYPES] = { 0 };
	struct error err = ERROR_NONE;
	struct caps caps = { .name = "" };
	int ret;

	if (describe) {
		ret = script_describe(line, &caps, at);
		bug_if(ret > 1 || strnlen(caps.name, INPUT_TEXT) == INPUT_TEXT);
		return;
	}
	ret = script_parse(line, &step, &err);
	bug_if((ret < 0) != (err.text[0] != '\0') || strchr(err.text, '\n') != NULL);
	bug_if(step.n > SCRIPT_EVENTS);
}

static void run_lines(const uint8_t *data, size_t size, bool describe)
{
	FREE_PTR char *text = calloc(1, size + 1);
	char *line, *next;

	bug_if(text == NULL);
	if (size > 0)
		memcpy(text, data, size);
	for (line = text; line != NULL; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		run_line(line, describe);
	}
}

static void push_status(const uint8_t *r)
{
	const uint16_t type = (uint16_t)(r[4] == 255 ? 0xffff : r[4]);
	const struct virtio_input_event wire = { le16(type),
		le16((uint16_t)(r[5] | r[6] << 8)), le32(r[7]) };

	fake_push_to(VIRTIO_INPUT_STATUSQ, &wire, r[1] < 8 ? r[1] : 8, r[2]);
}

static void set_config(const uint8_t *r)
{
	struct virtio_input_config *config = fake.config;

	config->select = r[4];
	config->subsel = r[5];
	device_input.config_written((struct instance *)NULL, 0, 2);
	bug_if(config->size > VIRTIO_INPUT_DATA || config->select != r[4]);
}

/* What the host does: all of it may happen at any time. */
static void from_host(const uint8_t *r)
{
	const struct event ev = { (uint16_t)(r[4] % 24), (uint16_t)(r[5] | r[6] % 4 << 8),
		(int32_t)(int8_t)r[7] };
	struct input *d = fake.state;

	input_event(d, &ev);
	input_flush(d);
}

static void restart(unsigned reset)
{
	fake_stop();
	if (reset % 3 > 0)
		fake_reset(reset % 3 == 1 ? RESET_DRIVER : RESET_LEFT);
	fake_start();
}

static void act(const uint8_t *r)
{
	static struct state s;

	switch (r[0] % TIMES) {
	case 0:
	case 1:
		fake_push_to(VIRTIO_INPUT_EVENTQ, NULL, 0, r[1]);
		break;
	case 2:
		push_status(r);
		break;
	case 3:
		set_config(r);
		break;
	case 4:
		restart(r[1]);
		break;
	case 5:
		state_init(&s);
		memset(s.keys, r[4], sizeof(s.keys));
		memset(s.mt, r[5], sizeof(s.mt));
		input_state(fake.state, &s);
		input_flush(fake.state);
		break;
	case 6:
		input_present(fake.state, r[1] % 2 == 0);
		break;
	default:
		from_host(r);
	}
}

static void run_records(const uint8_t *data, size_t size, bool touch)
{
	unsigned i;

	bug_if(device_input.conf_size > sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_input.options, conf);
	opt_set(opt_find(device_input.options, "event-list", 10), conf,
		touch ? "virtual:touch" : "virtual:keyboard", NULL);
	fake_setup(&device_input, 1000000);
	fake.ring_size = touch ? 4 : 64;
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (i = 0; size >= RECORD && i < MOST; i++, size -= RECORD, data += RECORD)
		act(data);
	fake_settle();
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		bug_if(fake.chains[i].queue == VIRTIO_INPUT_STATUSQ && fake.chains[i].used != 0);
	fake_close();
	fake_teardown();
	opt_finish(device_input.options, conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	if (size == 0)
		return 0;
	if (data[0] % 4 < 2)
		run_lines(data + 1, size - 1, data[0] % 4 == 1);
	else
		run_records(data + 1, size - 1, data[0] % 4 == 3);
	return 0;
}
