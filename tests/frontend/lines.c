/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A driver of GPIO lines. */
#include "lines.h"

#include <string.h>

#include "vhost-device/error.h"
#include "wire/virtio-gpio.h"

enum { SIZE = 1 << 20, REQUEST = 0, ANSWER = 64, EVENTS = 4096, EVENT = 64, STATUS = 32,
	QUEUE = 64 };

static const uint64_t wanted = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
	BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_GPIO_F_IRQ) |
	BIT(VHOST_USER_F_PROTOCOL_FEATURES);

static struct error err;

/* Benchmarks, too, so no assertion that reports success. */
#define must_ok(x) must((x) >= 0)

static void open_ring(struct lines *l, unsigned index, uint64_t features, struct fe_ring **ret)
{
	const struct fe_ring_setup setup = { .index = index, .size = QUEUE, .features = features,
		.indirect = 4 };

	must_ok(fe_ring_new(l->mem, &setup, ret, &err));
}

void lines_open(struct lines *l, const char *socket, uint64_t leave_out, unsigned first)
{
	const struct fe_mem_spec spec = { .guest = 0x40000000, .size = SIZE };
	uint64_t features;

	memset(l, 0, sizeof(*l));
	l->first = first;
	must_ok(fe_connect(socket, SERVER_MS, &l->fe, &err));
	must_ok(fe_negotiate(l->fe, fe_all_protocol_features() &
			   ~BIT(VU_PF_INBAND_NOTIFICATIONS), &err));
	features = fe_offered(l->fe) & wanted & ~leave_out;
	l->mem = fe_mem_new();
	must_ok(fe_mem_add(l->mem, &spec, &err));
	must_ok(fe_mem_alloc(l->mem, 0, SIZE / 2, 4096, &l->at));
	l->view = fe_mem_at(l->mem, l->at, SIZE / 2);
	open_ring(l, GPIO_REQUESTQ, features, &l->requests);
	open_ring(l, GPIO_EVENTQ, features, &l->events);
	must_ok(fe_set_features(l->fe, features, &err));
	must_ok(fe_mem_send(l->mem, l->fe, &err));
	must_ok(fe_ring_start(l->requests, l->fe, &err));
	must_ok(fe_ring_start(l->events, l->fe, &err));
}

void lines_close(struct lines *l)
{
	fe_free(l->fe);
	fe_ring_free(l->requests);
	fe_ring_free(l->events);
	fe_mem_free(l->mem);
	memset(l, 0, sizeof(*l));
}

void lines_send(struct lines *l, unsigned type, unsigned line, uint32_t value)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16((uint16_t)line),
		le32(value) };
	const struct fe_seg segs[] = { { l->at + REQUEST, sizeof(req) }, { l->at + ANSWER, 2 } };

	memcpy(l->view + REQUEST, &req, sizeof(req));
	must_ok(fe_ring_add(l->requests, segs, 1, 1, 0, l));
	must_ok(fe_ring_kick(l->requests, l->fe, &err));
}

int lines_answer(struct lines *l)
{
	struct fe_used used;

	must_ok(fe_ring_wait(l->requests, l->fe, SERVER_MS, &err));
	must(fe_ring_get(l->requests, &used, &err) == 1 && used.len == 2);
	return l->view[ANSWER] == GPIO_STATUS_OK ? l->view[ANSWER + 1] : -1;
}

int lines_ask(struct lines *l, unsigned type, unsigned line, uint32_t value)
{
	lines_send(l, type, line, value);
	return lines_answer(l);
}

static void unmask(struct lines *l, unsigned i)
{
	const struct virtio_gpio_irq_request req = { le16((uint16_t)(l->first + i)) };
	const uint64_t offset = EVENTS + (uint64_t)EVENT * i;
	const struct fe_seg segs[] = { { l->at + offset, sizeof(req) },
		{ l->at + offset + STATUS, 1 } };

	memcpy(l->view + offset, &req, sizeof(req));
	must_ok(fe_ring_add(l->events, segs, 1, 1, FE_ADD_INDIRECT, l->view + offset));
}

void lines_arm(struct lines *l, unsigned type)
{
	unsigned i;

	for (i = 0; i < LINES; i++) {
		must(lines_ask(l, GPIO_MSG_SET_DIRECTION, l->first + i, GPIO_DIRECTION_IN) == 0);
		must(lines_ask(l, GPIO_MSG_SET_IRQ_TYPE, l->first + i, type) == 0);
		unmask(l, i);
	}
	must_ok(fe_ring_kick(l->events, l->fe, &err));
}

unsigned lines_take(struct lines *l)
{
	const unsigned char *event;
	struct fe_used used;
	unsigned i, n = 0;
	int ret;

	while ((ret = fe_ring_get(l->events, &used, &err)) == 1) {
		event = used.token;
		must(used.len == 1);
		if (event[STATUS] != GPIO_IRQ_STATUS_VALID) {
			l->refused++;
			continue;
		}
		i = (unsigned)(event - (l->view + EVENTS)) / EVENT;
		l->seen[i]++;
		n++;
		unmask(l, i);
	}
	must(ret == 0);
	if (n > 0)
		must_ok(fe_ring_kick(l->events, l->fe, &err));
	l->total += n;
	return n;
}

bool lines_await(struct lines *l, unsigned total)
{
	while (l->total < total) {
		if (lines_take(l) == 0 && fe_ring_wait(l->events, l->fe, SERVER_MS, &err) < 0)
			return false;
	}
	return true;
}
