/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver of the CAN device, and another node on its bus. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "can-rig.h"

static unsigned char conf[64];
struct error err;

/* Another node on the bus, and what it has seen. */
struct port *peer;
struct canfd_frame seen[SEEN];
unsigned n_seen, n_room;
uint64_t peer_lost;

static void peer_receive(struct port *p, const struct canfd_frame *f)
{
	ck_assert_uint_lt(n_seen, SEEN);
	seen[n_seen++] = *f;
	if (n_room != UINT32_MAX)
		n_room--;
}

static void peer_event(struct port *p, enum port_event event, uint64_t n)
{
	ck_assert_int_eq(event, PORT_LOST);
	peer_lost += n;
}

static unsigned peer_room(struct port *p)
{
	return n_room;
}

static const struct port_user peer_user = { .receive = peer_receive, .event = peer_event,
	.room = peer_room };

struct port *peer_open(const char *bus, enum can_full full)
{
	const struct can_node node = { .full = full };
	struct port *p = bus_port_open(NULL, fake.loop, bus, &node, &peer_user, &err);

	ck_assert_ptr_nonnull(p);
	p->ops->start(p, false);
	return p;
}

void open_device(const char *item, uint64_t features)
{
	const struct option *row = opt_find(device_can.options, "can-devices", 11);

	ck_assert_uint_le(device_can.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_can.options, conf);
	ck_assert_msg(opt_set(row, conf, item, &err) == 0, "%s", err.text);
	fake_setup(&device_can, T0);
	fake.features = features;
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	n_seen = 0;
	n_room = UINT32_MAX;
	peer_lost = 0;
	peer = peer_open("t", FULL_NEWEST);
	fake_start();
}

unsigned control(unsigned type)
{
	const struct virtio_can_control req = { le16((uint16_t)type) };
	struct chain *c = fake_push_to(VIRTIO_CAN_CONTROLQ, &req, sizeof(req), 1);

	ck_assert_int_ne(c->end, FAKE_OPEN);
	ck_assert_uint_eq(c->used, 1);
	return c->put[0];
}

/* A controller that is started. */
void begin(const char *item, uint64_t features)
{
	open_device(item, features);
	ck_assert_uint_eq(control(START), OK);
}

void end(void)
{
	fake_stop();
	peer->ops->close(peer);
	fake_close();
	fake_teardown();
	opt_finish(device_can.options, conf);
}

struct virtio_can_hdr header(unsigned type, unsigned length, uint32_t flags, uint32_t id)
{
	return (struct virtio_can_hdr){ .msg_type = le16((uint16_t)type),
		.length = le16((uint16_t)length), .flags = le32(flags), .can_id = le32(id) };
}

/* size: readable bytes in all. */
struct chain *push_raw(const struct virtio_can_hdr *hdr, size_t size, size_t room)
{
	unsigned char bytes[HDR + 256];
	unsigned i;

	ck_assert_uint_le(size, sizeof(bytes));
	memcpy(bytes, hdr, HDR);
	for (i = 0; i < sizeof(bytes) - HDR; i++)
		bytes[HDR + i] = (unsigned char)(i + 1);
	return fake_push_to(VIRTIO_CAN_TXQ, bytes, size, room);
}

struct chain *push(unsigned length, uint32_t flags, uint32_t id)
{
	const struct virtio_can_hdr hdr = header(TX, length, flags, id);

	return push_raw(&hdr, HDR + (length <= 64 ? length : 64), 1);
}

unsigned result(const struct chain *c)
{
	ck_assert_int_ne(c->end, FAKE_OPEN);
	ck_assert_uint_eq(c->used, 1);
	return c->put[0];
}

unsigned ask(unsigned length, uint32_t flags, uint32_t id)
{
	return result(push(length, flags, id));
}

/* A good frame passes, and is the only one that the bus saw. */
void still_works(void)
{
	unsigned before;

	fake_settle();
	before = n_seen;
	ck_assert_uint_eq(ask(3, 0, 0x123), OK);
	fake_settle();
	ck_assert_uint_eq(n_seen, before + 1);
	ck_assert_uint_eq(seen[before].can_id, 0x123);
	ck_assert_uint_eq(fake.config_changes, 0);
}

void from_peer(const char *text)
{
	struct canfd_frame f;

	ck_assert_msg(can_text_parse(text, &f) == 0, "%s", text);
	ck_assert_int_eq(peer->ops->send(peer, &f), PORT_SENT);
	fake_settle();
}

struct chain *buffer(size_t size)
{
	return fake_push_to(VIRTIO_CAN_RXQ, NULL, 0, size);
}

void is_frame(const struct chain *c, uint32_t id, uint32_t flags, const void *data,
	      unsigned length)
{
	struct virtio_can_hdr hdr;

	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, HDR + length);
	memcpy(&hdr, c->put, HDR);
	ck_assert_uint_eq(le16_get(hdr.msg_type), VIRTIO_CAN_RX);
	ck_assert_uint_eq(le16_get(hdr.length), length);
	ck_assert_uint_eq(le32_get(hdr.flags), flags);
	ck_assert_uint_eq(le32_get(hdr.can_id), id);
	ck_assert_uint_eq(hdr.reserved_classic_dlc, 0);
	ck_assert_uint_eq(hdr.padding, 0);
	ck_assert_uint_eq(le16_get(hdr.reserved_xl_priority), 0);
	ck_assert_int_eq(memcmp(c->put + HDR, data, length), 0);
}

unsigned status(void)
{
	const struct virtio_can_config *config = fake.config;

	return le16_get(config->status);
}

void burst(unsigned n)
{
	struct canfd_frame f = { .can_id = 0x100, .len = 2 };
	unsigned i;

	for (i = 0; i < n; i++) {
		f.data[0] = (uint8_t)i;
		f.data[1] = (uint8_t)(i >> 8);
		ck_assert_int_eq(peer->ops->send(peer, &f), PORT_SENT);
	}
	fake_settle();
}

unsigned number_in(const struct chain *c)
{
	ck_assert_int_eq(c->end, FAKE_DONE);
	return c->put[HDR] | (unsigned)c->put[HDR + 1] << 8;
}

void command(const char *name, unsigned n, const char *word)
{
	ck_assert_msg(fake_command(&err, name, n, word) == 0, "%s", err.text);
}
