/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile driver of the CAN controller, on a bus of this process where it
 * hears itself. The first byte chooses: 0 mod 4, the rest is an item of
 * --can-devices; 1 mod 4, a frame as text; else records of ten bytes: what to
 * do, bytes to read and to write, message, length, flags, identifier.
 */
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "wire/virtio-can.h"

enum { RECORD = 10, MOST = 64, TIMES = 8, ALL = 15 };

extern const struct device device_can;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[64];

static void run_text(const uint8_t *data, size_t size, bool frame)
{
	FREE_PTR char *text = calloc(1, size + 1);
	struct error err = ERROR_NONE;
	struct can_node node;
	struct canfd_frame f, again;
	char buf[CAN_TEXT_SIZE];
	int ret;

	bug_if(text == NULL);
	if (size > 0)
		memcpy(text, data, size);
	if (frame) {
		if (can_text_parse(text, &f) < 0)
			return;
		can_text(buf, &f);
		bug_if(can_text_parse(buf, &again) < 0 || memcmp(&f, &again, sizeof(f)) != 0);
		return;
	}
	ret = can_node_parse(text, &node, &err);
	bug_if((ret < 0) != (err.text[0] != '\0') || strchr(err.text, '\n') != NULL);
	bug_if(ret == 0 && (node.backlog == 0 || node.n_ifaces > CAN_IFACES_MAX ||
			    node.rx_rules.n > CAN_RULES_MAX));
}

/* A frame or a control message, or only the beginning of one. */
static void push(unsigned queue, const uint8_t *r)
{
	static const uint16_t types[] = { VIRTIO_CAN_TX, VIRTIO_CAN_SET_CTRL_MODE_START,
		VIRTIO_CAN_SET_CTRL_MODE_STOP, VIRTIO_CAN_RX, 0, 0xffff, 0x0200, 0x0203 };
	uint8_t bytes[sizeof(struct virtio_can_hdr) + UINT8_MAX];
	struct virtio_can_hdr hdr = { .msg_type = le16(types[r[3] % ARRAY_SIZE(types)]),
		.length = le16((uint16_t)(r[4] | (r[4] == 0xff ? 0xff00 : 0))),
		.flags = le32((uint32_t)r[5] << 8 | (r[6] & 1U)),
		.can_id = le32((uint32_t)r[7] << 24 | (uint32_t)r[8] << 8 | r[9]) };

	memset(bytes, r[9], sizeof(bytes));
	memcpy(bytes, &hdr, sizeof(hdr));
	fake_push_to(queue, bytes, r[1], r[2]);
}

static void pause_and_go(bool reset)
{
	fake_stop();
	if (reset)
		fake_reset(RESET_DRIVER);
	fake_start();
}

static void act(const uint8_t *r, uint64_t *now)
{
	unsigned what = r[0] % TIMES;

	if (what <= VIRTIO_CAN_CONTROLQ)
		push(what, r);
	else if (what == 3)
		fake_push_to(VIRTIO_CAN_RXQ, NULL, 0, r[2]);
	else if (what == 4)
		fake_command(NULL, "stall", 1, r[1] % 2 ? "on" : "off");
	else if (what == 5)
		fake_command(NULL, r[1] % 2 ? "refuse" : "lose", 1, "3");
	else if (what == 6)
		fake_at(*now += r[1] * 1000000ULL);
	else
		pause_and_go(r[1] % 2);
}

static bool is_result(const struct chain *c)
{
	return c->used == 1 && c->put[0] <= VIRTIO_CAN_RESULT_NOT_OK;
}

static void check_answer(const struct chain *c)
{
	struct virtio_can_hdr hdr;

	if (!c->popped || c->end == FAKE_OPEN)
		return;
	if (c->queue != VIRTIO_CAN_RXQ) {
		bug_if(c->put_size > 0 && !is_result(c));
		return;
	}
	if (c->end == FAKE_FAILED || c->used == 0)
		return;
	bug_if(c->used < sizeof(hdr) || c->used > c->put_size);
	memcpy(&hdr, c->put, sizeof(hdr));
	bug_if(le16_get(hdr.msg_type) != VIRTIO_CAN_RX);
	bug_if(c->used != sizeof(hdr) + le16_get(hdr.length));
	bug_if(le32_get(hdr.can_id) > CAN_EFF_MASK);
}

static void run_records(const uint8_t *data, size_t size, bool classic)
{
	uint64_t now = 1000000;
	unsigned i;

	bug_if(device_can.conf_size > sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_can.options, conf);
	opt_set(opt_find(device_can.options, "can-devices", 11), conf,
		"bus:f,own=on,backlog=3,full=drop-oldest,tx-filter=~700:700", NULL);
	fake_setup(&device_can, now);
	fake.features = classic ? 1 : ALL;
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (i = 0; size >= RECORD && i < MOST; i++, size -= RECORD, data += RECORD)
		act(data, &now);
	fake_settle();
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_answer(&fake.chains[i]);
	fake_close();
	fake_teardown();
	opt_finish(device_can.options, conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	if (size == 0)
		return 0;
	if (data[0] % 4 < 2)
		run_text(data + 1, size - 1, data[0] % 4 == 1);
	else
		run_records(data + 1, size - 1, data[0] % 4 == 3);
	return 0;
}
