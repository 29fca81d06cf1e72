/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The CAN device on an interface of a host that is made up: see struct can_sys. */
#include <check.h>
#include <errno.h>
#include <linux/can/error.h>
#include <linux/can/raw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "can.h"
#include "core/opt.h"
#include "fake-core.h"
#include "vhost-device/fd.h"
#include "wire/virtio-can.h"

enum {
	OK = VIRTIO_CAN_RESULT_OK, NOT_OK = VIRTIO_CAN_RESULT_NOT_OK,
	FD = VIRTIO_CAN_FLAGS_FD, START = VIRTIO_CAN_SET_CTRL_MODE_START,
	STOP = VIRTIO_CAN_SET_CTRL_MODE_STOP, HDR = sizeof(struct virtio_can_hdr),
	BUFFER = HDR + 64, ALL = 15, LATE = BIT(VIRTIO_CAN_F_LATE_TX_ACK),
	FRAMES = 1024,
};

enum {
	SENT, REJECTED, STOPPED, DENIED, FAILED, TIMEOUTS, RECEIVED, DROPPED, LOST, FILTERED,
	UNSUPPORTED, SHORT, BUS_OFF,
};

static const uint64_t MS = 1000ULL * 1000, T0 = 5000ULL * 1000 * 1000;

extern const struct device device_can;

static unsigned char conf[64];
static struct error err;

/* ---- the host ---- */

static struct host_world {
	bool absent, no_can, not_can;
	struct can_iface iface;
	unsigned bound, opened;
	bool own, fd_frames, no_loopback, all;
	uint32_t errors;
	int fd, watch_fd;               /* eventfds: readable */
	struct can_msg queue[FRAMES];   /* of the socket */
	unsigned head, n;
	int error;                      /* that the next recv() returns */
	int send_error, no_option;
	struct canfd_frame sent[FRAMES];
	size_t sizes[FRAMES];
	unsigned n_sent;
	uint32_t lost;
} host;

static int fake_can_open(void)
{
	if (host.no_can)
		return -EAFNOSUPPORT;
	host.opened++;
	host.fd = fd_eventfd();
	return host.fd;
}

static int fake_query(int fd, const char *name, struct can_iface *ret_iface)
{
	ck_assert_int_eq(fd, host.fd);
	ck_assert_str_eq(name, "can0");
	if (host.not_can)
		return -EPROTOTYPE;
	if (host.absent)
		return -ENODEV;
	*ret_iface = host.iface;
	return 0;
}

static int fake_bind(int fd, unsigned index)
{
	if (host.absent || index != host.iface.index)
		return -ENODEV;
	host.bound = index;
	return 0;
}

static int fake_set(int fd, int option, const void *value, size_t size)
{
	if (option == host.no_option && size > 0)
		return -ENOMEM;
	switch (option) {
	case CAN_RAW_FILTER:
		host.all = size > 0;
		ck_assert(size == 0 || size == sizeof(struct can_filter));
		break;
	case CAN_RAW_ERR_FILTER:
		memcpy(&host.errors, value, size);
		break;
	case CAN_RAW_LOOPBACK:
		host.no_loopback = *(const int *)value == 0;
		break;
	case CAN_RAW_RECV_OWN_MSGS:
		host.own = *(const int *)value != 0;
		break;
	case CAN_RAW_FD_FRAMES:
		host.fd_frames = *(const int *)value != 0;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return 0;
}

static int fake_recv(int fd, struct can_msg *msgs, unsigned n)
{
	uint64_t ticks;
	unsigned i;
	int ret = host.error;

	host.error = 0;
	if (ret != 0)
		return ret;
	for (i = 0; i < n && host.n > 0; i++, host.n--)
		msgs[i] = host.queue[host.head++ % FRAMES];
	if (host.n == 0 && read(host.fd, &ticks, sizeof(ticks)) < 0 && i == 0)
		return -EAGAIN;
	return i > 0 ? (int)i : -EAGAIN;
}

static int fake_send(int fd, const struct canfd_frame *f, size_t size)
{
	if (host.send_error != 0)
		return host.send_error;
	ck_assert_uint_lt(host.n_sent, FRAMES);
	host.sizes[host.n_sent] = size;
	host.sent[host.n_sent++] = *f;
	return 0;
}

static int fake_watch(void)
{
	host.watch_fd = fd_eventfd();
	return host.watch_fd;
}

static void fake_watched(int fd)
{
	uint64_t ticks;

	ck_assert_int_eq(read(fd, &ticks, sizeof(ticks)), 8);
}

static const struct can_sys fake_sys = {
	fake_can_open, fake_query, fake_bind, fake_set, fake_recv, fake_send, fake_watch,
	fake_watched,
};

static void arrive(const struct canfd_frame *f, size_t size, bool own)
{
	struct can_msg *m = &host.queue[(host.head + host.n++) % FRAMES];

	ck_assert_uint_le(host.n, FRAMES);
	*m = (struct can_msg){ *f, size, own, host.lost };
	fd_signal(host.fd);
}

static void from_host(const char *text)
{
	struct canfd_frame f;

	ck_assert_int_eq(can_text_parse(text, &f), 0);
	arrive(&f, (f.flags & CANFD_FDF) != 0 ? CANFD_MTU : CAN_MTU, false);
	fake_settle();
}

/* The host's driver has sent frame i. */
static void echo(unsigned i)
{
	ck_assert(host.own);
	arrive(&host.sent[i], host.sizes[i], true);
	fake_settle();
}

static void link_is(bool up)
{
	host.iface.up = up;
	fd_signal(host.watch_fd);
	fake_settle();
}

/* ---- the guest ---- */

static int try_open(const char *item)
{
	const struct option *row = opt_find(device_can.options, "can-devices", 11);

	can_sys = &fake_sys;
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_can.options, conf);
	ck_assert_msg(opt_set(row, conf, item, &err) == 0, "%s", err.text);
	fake_setup(&device_can, T0);
	return fake_open(conf, 1, &err);
}

static void give_up(void)
{
	fake_close();
	fake_teardown();
	opt_finish(device_can.options, conf);
}

static unsigned control(unsigned type)
{
	const struct virtio_can_control req = { le16((uint16_t)type) };
	struct chain *c = fake_push_to(VIRTIO_CAN_CONTROLQ, &req, sizeof(req), 1);

	ck_assert_int_eq(c->end, FAKE_DONE);
	return c->put[0];
}

static void begin(const char *item, uint64_t features)
{
	ck_assert_msg(try_open(item) == 0, "%s", err.text);
	fake.features = features;
	fake_start();
	ck_assert_uint_eq(control(START), OK);
	fake_settle();
}

static void end(void)
{
	fake_stop();
	give_up();
}

static void setup(void)
{
	memset(&host, 0, sizeof(host));
	host.iface = (struct can_iface){ 7, CANFD_MTU, true };
	err = ERROR_NONE;
}

static struct chain *push(uint32_t id, unsigned length, uint32_t flags)
{
	unsigned char bytes[BUFFER];
	const struct virtio_can_hdr hdr = { .msg_type = le16(VIRTIO_CAN_TX),
		.length = le16((uint16_t)length), .flags = le32(flags), .can_id = le32(id) };

	memset(bytes, 0x5a, sizeof(bytes));
	memcpy(bytes, &hdr, HDR);
	return fake_push(bytes, HDR + length, 1);
}

static unsigned result(const struct chain *c)
{
	ck_assert_int_ne(c->end, FAKE_OPEN);
	ck_assert_uint_eq(c->used, 1);
	return c->put[0];
}

static struct chain *buffer(void)
{
	return fake_push_to(VIRTIO_CAN_RXQ, NULL, 0, BUFFER);
}

static unsigned status(void)
{
	const struct virtio_can_config *config = fake.config;

	return le16_get(config->status);
}

/* ---- opening ---- */

START_TEST(absent)
{
	host.absent = true;
	ck_assert_int_lt(try_open("can0"), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "Could not find can devices"));
	ck_assert_ptr_nonnull(strstr(err.text, "can0"));
	give_up();
	host = (struct host_world){ .no_can = true };
	ck_assert_int_lt(try_open("can0"), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "Could not find can devices"));
	give_up();
	host = (struct host_world){ .not_can = true };
	ck_assert_int_lt(try_open("can0"), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "no CAN interface"));
	give_up();
}
END_TEST

static const struct {
	const char *item;
	unsigned mtu;
	uint64_t offered;               /* beside classic */
} offers[] = {
	{ "can0", CANFD_MTU, 14 }, { "can0", CAN_MTU, 12 }, { "can0", 2060, 14 },
	{ "can0,fd=off", CANFD_MTU, 12 }, { "can0,fd=on", CAN_MTU, 14 },
	{ "can0,late-ack=off", CANFD_MTU, 6 }, { "can0,loopback=off", CANFD_MTU, 6 },
	{ "can0,rtr=off", CANFD_MTU, 10 },
};

START_TEST(offered)
{
	host.iface.mtu = offers[_i].mtu;
	ck_assert_int_eq(try_open(offers[_i].item), 0);
	ck_assert_uint_eq(fake.offered, offers[_i].offered);
	ck_assert_uint_eq(host.bound, 7);
	/* Nothing is received before START. */
	ck_assert(!host.all);
	ck_assert_uint_eq(host.errors, 0);
	ck_assert_uint_eq(host.no_loopback, strstr(offers[_i].item, "loopback") != NULL);
	give_up();
}
END_TEST

START_TEST(stale_frames_are_forgotten)
{
	struct canfd_frame f = { .can_id = 1 };
	struct chain *c;
	unsigned i;

	ck_assert_int_eq(try_open("can0"), 0);
	fake.features = ALL;
	fake_start();
	c = buffer();
	for (i = 0; i < 100; i++)
		arrive(&f, CAN_MTU, false);
	ck_assert_uint_eq(control(START), OK);
	ck_assert(host.all);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	from_host("123#55");
	ck_assert_uint_eq(c->used, HDR + 1);
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert(!host.all);
	ck_assert_uint_eq(host.errors, 0);
	end();
}
END_TEST

/* ---- sending ---- */

START_TEST(sent)
{
	begin("can0", ALL & ~LATE);
	ck_assert(!host.own);
	ck_assert_uint_eq(result(push(0x123, 8, 0)), OK);
	ck_assert_uint_eq(result(push(0x124, 12, FD)), OK);
	ck_assert_uint_eq(result(push(0x125, 4, VIRTIO_CAN_FLAGS_RTR)), OK);
	ck_assert_uint_eq(host.n_sent, 3);
	ck_assert_uint_eq(host.sizes[0], CAN_MTU);
	ck_assert_uint_eq(host.sizes[1], CANFD_MTU);
	ck_assert_uint_eq(host.sizes[2], CAN_MTU);
	ck_assert_uint_eq(host.sent[2].can_id, 0x125 | CAN_RTR_FLAG);
	ck_assert_uint_eq(host.sent[2].len, 4);
	end();
}
END_TEST

/* The host has no room: the frame waits and is sent later, once, in order. */
START_TEST(no_room)
{
	static const int errors[] = { -ENOBUFS, -EAGAIN };
	struct chain *c[3];
	unsigned i;

	begin("can0", ALL & ~LATE);
	host.send_error = errors[_i];
	for (i = 0; i < 3; i++)
		c[i] = push(i, 1, 0);
	fake_at(T0 + 500 * MS);
	ck_assert_uint_eq(host.n_sent, 0);
	ck_assert_int_eq(c[0]->end, FAKE_OPEN);
	host.send_error = 0;
	fake_at(T0 + 520 * MS);
	ck_assert_uint_eq(host.n_sent, 3);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(host.sent[i].can_id, i);
		ck_assert_uint_eq(result(c[i]), OK);
	}
	end();
}
END_TEST

/* Back to back: STOP while the host has no room. */
START_TEST(stop_without_room)
{
	struct chain *c;

	begin("can0", ALL);
	host.send_error = -ENOBUFS;
	c = push(1, 1, 0);
	ck_assert_uint_eq(control(STOP), OK);
	ck_assert_uint_eq(result(c), NOT_OK);
	ck_assert_uint_lt(c->order, fake.ended - 1);
	host.send_error = 0;
	fake_at(T0 + 500 * MS);
	ck_assert_uint_eq(host.n_sent, 0);
	end();
}
END_TEST

/* What the host refuses fails, and nothing else. */
START_TEST(host_refuses)
{
	static const int errors[] = { -EINVAL, -EMSGSIZE, -EACCES, -ENETDOWN, -ENXIO, -EIO };

	begin("can0", ALL & ~LATE);
	host.send_error = errors[_i];
	ck_assert_uint_eq(result(push(1, 1, 0)), NOT_OK);
	host.send_error = 0;
	ck_assert_uint_eq(result(push(1, 1, 0)), OK);
	ck_assert_uint_eq(fake.config_changes, 0);
	ck_assert_uint_eq(fake.counters[FAILED], 1);
	end();
}
END_TEST

/* A controller that would be deaf, or never hear of its frames, does not start. */
START_TEST(start_fails)
{
	static const int options[] = { CAN_RAW_FILTER, CAN_RAW_ERR_FILTER, CAN_RAW_RECV_OWN_MSGS };
	struct chain *c;

	begin("can0", ALL);
	host.send_error = -ENOBUFS;
	c = push(1, 1, 0);
	host.send_error = 0;
	host.no_option = options[_i];
	ck_assert_uint_eq(control(START), NOT_OK);
	/* It was started before. */
	ck_assert_uint_eq(result(c), NOT_OK);
	ck_assert_uint_eq(result(push(1, 1, 0)), NOT_OK);
	ck_assert(!host.all);
	ck_assert_uint_eq(fake.config_changes, 0);
	host.no_option = 0;
	ck_assert_uint_eq(control(START), OK);
	push(1, 1, 0);
	ck_assert_uint_eq(host.n_sent, 1);
	end();
}
END_TEST

/* What the kernel does not know is not offered, or said at once. */
START_TEST(options_that_the_kernel_has_not)
{
	host.no_option = CAN_RAW_FD_FRAMES;
	ck_assert_int_eq(try_open("can0"), 0);
	ck_assert_uint_eq(fake.offered & BIT(VIRTIO_CAN_F_CAN_FD), 0);
	give_up();
	host.no_option = CAN_RAW_LOOPBACK;
	ck_assert_int_lt(try_open("can0,loopback=off"), 0);
	ck_assert_str_eq(err.text, "can0: loopback=off: Cannot allocate memory");
	give_up();
	host.no_option = CAN_RAW_FILTER;
	ck_assert_int_lt(try_open("bus:t+can0"), 0);
	ck_assert_str_eq(err.text, "can0 cannot be bridged: Cannot allocate memory");
	give_up();
}
END_TEST

/* ---- late acknowledgement ---- */

START_TEST(late_ack)
{
	struct chain *c[3], *rx;
	unsigned i;

	begin("can0", ALL);
	ck_assert(host.own);
	rx = buffer();
	for (i = 0; i < 3; i++)
		c[i] = push(0x100, i, 0);
	fake_settle();
	ck_assert_uint_eq(host.n_sent, 3);
	ck_assert_uint_eq(fake.counters[SENT], 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(c[i]->end, FAKE_OPEN);
		echo(i);
		ck_assert_uint_eq(result(c[i]), OK);
	}
	/* Nobody waits for this one, and the guest is not told of its own frames. */
	echo(0);
	ck_assert_int_eq(rx->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.counters[SENT], 3);
	end();
}
END_TEST

/* The same bytes from another node are no confirmation. */
START_TEST(not_from_others)
{
	struct chain *c, *rx;

	begin("can0", ALL);
	rx = buffer();
	c = push(0x100, 2, 0);
	from_host("100#5A5A");
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(rx->used, HDR + 2);
	echo(0);
	ck_assert_uint_eq(result(c), OK);
	end();
}
END_TEST

/* One confirmation gets lost: its frame fails in time, those behind it do not wait for it. */
START_TEST(lost_confirmation)
{
	struct chain *a, *b;

	begin("can0,ack-timeout=50", ALL);
	a = push(0x100, 1, 0);
	fake_at(T0 + 20 * MS);
	b = push(0x101, 1, 0);
	echo(1);
	ck_assert_uint_eq(result(b), OK);
	fake_at(T0 + 49 * MS);
	ck_assert_int_eq(a->end, FAKE_OPEN);
	fake_at(T0 + 51 * MS);
	ck_assert_uint_eq(result(a), NOT_OK);
	ck_assert_uint_eq(fake.counters[TIMEOUTS], 1);
	/* Too late. */
	echo(0);
	a = push(0x100, 1, 0);
	fake_at(T0 + 80 * MS);
	b = push(0x100, 1, 0);
	fake_at(T0 + 102 * MS);
	ck_assert_uint_eq(result(a), NOT_OK);
	ck_assert_int_eq(b->end, FAKE_OPEN);
	fake_at(T0 + 131 * MS);
	ck_assert_uint_eq(result(b), NOT_OK);
	end();
}
END_TEST

/* Filters are for the guest, not for what it sent. */
START_TEST(late_ack_and_filters)
{
	struct chain *c;

	begin("can0,filter=200", ALL);
	c = push(0x100, 1, 0);
	echo(0);
	ck_assert_uint_eq(result(c), OK);
	from_host("100#");
	ck_assert_uint_eq(fake.counters[FILTERED], 1);
	end();
}
END_TEST

/* STOP, bus-off and a pause: all that wait come back, oldest first. */
START_TEST(late_ack_is_cancelled)
{
	struct chain *c[3];
	unsigned i;

	begin("can0", ALL);
	for (i = 0; i < 3; i++)
		c[i] = push(0x100, i, 0);
	if (_i == 0)
		ck_assert_uint_eq(control(STOP), OK);
	else if (_i == 1)
		link_is(false);
	else
		fake_stop();
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(result(c[i]), NOT_OK);
		ck_assert(i == 0 || c[i]->order > c[i - 1]->order);
	}
	if (_i == 2)
		fake_start();
	fake_at(T0 + 5000 * MS);
	ck_assert_uint_eq(host.n_sent, 3);
	end();
}
END_TEST

/* ---- receiving ---- */

START_TEST(received)
{
	const struct canfd_frame classic = { .can_id = 1, .len = 1, .flags = 0xff, .data = { 9 } };
	const struct canfd_frame xl = { .can_id = 1, .len = 1 };
	const struct canfd_frame wrong = { .can_id = 1, .len = 9 };
	struct virtio_can_hdr hdr;
	struct chain *c;

	begin("can0", ALL);
	c = buffer();
	arrive(&xl, 100, false);
	arrive(&xl, 0, false);
	arrive(&wrong, CAN_MTU, false);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	/* What is padding in a classic frame means nothing. */
	arrive(&classic, CAN_MTU, false);
	fake_settle();
	ck_assert_uint_eq(c->used, HDR + 1);
	memcpy(&hdr, c->put, HDR);
	ck_assert_uint_eq(le32_get(hdr.flags), 0);
	/* A frame of eight bytes is FD when the host says so. */
	c = buffer();
	from_host("123##01122334455667788");
	ck_assert_uint_eq(c->used, HDR + 8);
	memcpy(&hdr, c->put, HDR);
	ck_assert_uint_eq(le32_get(hdr.flags), FD);
	end();
}
END_TEST

START_TEST(many_at_once)
{
	struct canfd_frame f = { .can_id = 1, .len = 2 };
	struct chain *c[100];
	unsigned i;

	begin("can0", ALL);
	for (i = 0; i < 1000; i++) {
		f.data[0] = (uint8_t)i;
		f.data[1] = (uint8_t)(i >> 8);
		arrive(&f, CAN_MTU, false);
	}
	fake_settle();
	for (i = 0; i < 100; i++) {
		c[i] = buffer();
		ck_assert_uint_eq(c[i]->put[HDR] | (unsigned)c[i]->put[HDR + 1] << 8, i);
	}
	ck_assert_uint_eq(fake.counters[DROPPED], 0);
	end();
}
END_TEST

START_TEST(lost_frames_are_counted)
{
	struct canfd_frame overflow = { .can_id = CAN_ERR_FLAG | CAN_ERR_CRTL, .len = 8,
		.data = { 0, CAN_ERR_CRTL_RX_OVERFLOW } };

	begin("can0", ALL);
	from_host("001#");
	host.lost = 10;
	from_host("001#");
	from_host("001#");
	ck_assert_uint_eq(fake.counters[LOST], 10);
	host.lost = 12;
	from_host("001#");
	ck_assert_uint_eq(fake.counters[LOST], 12);
	arrive(&overflow, CAN_MTU, false);
	fake_settle();
	ck_assert_uint_eq(fake.counters[LOST], 13);
	ck_assert_uint_eq(fake.config_changes, 0);
	end();
}
END_TEST

/* ---- the interface ---- */

static void error_frame(uint32_t id)
{
	const struct canfd_frame f = { .can_id = CAN_ERR_FLAG | id, .len = 8 };

	arrive(&f, CAN_MTU, false);
	fake_settle();
}

START_TEST(bus_off)
{
	struct chain *c, *rx;

	begin("can0", ALL);
	ck_assert_uint_eq(host.errors & (CAN_ERR_BUSOFF | CAN_ERR_RESTARTED),
			  CAN_ERR_BUSOFF | CAN_ERR_RESTARTED);
	fake_at(T0 + 1000 * MS);
	rx = buffer();
	c = push(1, 1, 0);
	host.iface.up = false;
	error_frame(CAN_ERR_BUSOFF);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(fake.config_changes, 1);
	ck_assert_uint_eq(result(c), NOT_OK);
	ck_assert_int_eq(rx->end, FAKE_OPEN);
	/* Too early: the guest starts a bus that is not back, and is told again. */
	ck_assert_uint_eq(control(START), OK);
	ck_assert_uint_eq(status(), 0);
	fake_at(T0 + 1050 * MS);
	ck_assert_uint_eq(fake.config_changes, 1);
	fake_at(T0 + 1101 * MS);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(fake.config_changes, 2);
	link_is(true);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 3000 * MS);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(fake.config_changes, 2);
	c = push(1, 1, 0);
	echo(host.n_sent - 1);
	ck_assert_uint_eq(result(c), OK);
	from_host("123#");
	ck_assert_uint_eq(rx->used, HDR);
	end();
}
END_TEST

/* Error frames that are no bus-off change nothing, and never reach the guest. */
START_TEST(other_errors)
{
	struct chain *rx;

	begin("can0", ALL);
	rx = buffer();
	error_frame(CAN_ERR_ACK);
	error_frame(CAN_ERR_CRTL);
	error_frame(CAN_ERR_RESTARTED);
	error_frame(CAN_ERR_TX_TIMEOUT);
	error_frame(0);
	ck_assert_int_eq(rx->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.config_changes, 0);
	ck_assert_uint_eq(status(), 0);
	end();
}
END_TEST

/* It goes down, and the socket says so as well: one bus-off. */
START_TEST(down_and_up)
{
	begin("can0", ALL);
	fake_at(T0 + 1000 * MS);
	host.error = -ENETDOWN;
	host.iface.up = false;
	fd_signal(host.fd);
	fake_settle();
	link_is(false);
	ck_assert_uint_eq(fake.config_changes, 1);
	ck_assert_uint_eq(fake.counters[BUS_OFF], 1);
	link_is(true);
	link_is(true);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 3000 * MS);
	ck_assert_uint_eq(status(), 0);
	ck_assert_uint_eq(fake.config_changes, 1);
	end();
}
END_TEST

START_TEST(down_is_ignored)
{
	struct chain *c;

	begin("can0,down=ignore", ALL & ~LATE);
	link_is(false);
	host.send_error = -ENETDOWN;
	ck_assert_uint_eq(result(push(1, 1, 0)), NOT_OK);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 1000 * MS);
	ck_assert_uint_eq(fake.config_changes, 0);
	ck_assert_uint_eq(status(), 0);
	host.send_error = 0;
	link_is(true);
	ck_assert_uint_eq(result(push(1, 1, 0)), OK);
	c = buffer();
	from_host("123#");
	ck_assert_uint_eq(c->used, HDR);
	end();
}
END_TEST

/* Taken away and made anew, with another number: bound again, the same socket. */
START_TEST(unplugged)
{
	begin("can0", ALL);
	host.absent = true;
	host.bound = 0;
	host.error = -ENODEV;
	fd_signal(host.fd);
	link_is(false);
	ck_assert_uint_eq(status(), 1);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 1000 * MS);
	ck_assert_uint_eq(status(), 1);
	host.absent = false;
	host.iface.index = 9;
	link_is(true);
	ck_assert_uint_eq(host.bound, 9);
	ck_assert_uint_eq(host.opened, 1);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 2000 * MS);
	ck_assert_uint_eq(status(), 0);
	push(1, 1, 0);
	ck_assert_uint_eq(host.n_sent, 1);
	end();
}
END_TEST

START_TEST(comes_later)
{
	host.absent = true;
	begin("can0,hotplug=on", ALL);
	ck_assert_uint_eq(fake.offered, 14);
	fake_at(T0 + 1000 * MS);
	ck_assert_uint_eq(status(), 1);
	host.absent = false;
	link_is(true);
	ck_assert_uint_eq(host.bound, 7);
	ck_assert_uint_eq(control(START), OK);
	fake_at(T0 + 2000 * MS);
	ck_assert_uint_eq(status(), 0);
	end();
}
END_TEST

/* ---- the bridge ---- */

static struct port *other;
static unsigned n_other;

static void other_receive(struct port *p, const struct canfd_frame *f)
{
	n_other++;
}

static void other_event(struct port *p, enum port_event event, uint64_t n)
{
}

static unsigned other_room(struct port *p)
{
	return UINT32_MAX;
}

static const struct port_user other_user = { .receive = other_receive, .event = other_event,
	.room = other_room };

START_TEST(bridge)
{
	const struct can_node node = { .full = FULL_NEWEST };
	const struct canfd_frame f = { .can_id = 5, .len = 1 };
	struct chain *c;
	unsigned i;

	begin("bus:t+can0", ALL & ~LATE);
	n_other = 0;
	other = bus_port_open(NULL, fake.loop, "t", &node, &other_user, &err);
	ck_assert_ptr_nonnull(other);
	other->ops->start(other, false);
	c = buffer();
	ck_assert_uint_eq(result(push(1, 1, 0)), OK);
	fake_settle();
	ck_assert_uint_eq(n_other, 1);
	ck_assert_uint_eq(host.n_sent, 1);
	ck_assert_uint_eq(host.sent[0].can_id, 1);
	from_host("123#11");
	ck_assert_uint_eq(n_other, 2);
	ck_assert_uint_eq(c->used, HDR + 1);
	/* What came from there does not go back. */
	ck_assert_uint_eq(host.n_sent, 1);
	/* No room at the host: order is kept. */
	host.send_error = -ENOBUFS;
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(other->ops->send(other, &(struct canfd_frame){ .can_id = i }),
				 PORT_SENT);
	fake_at(T0 + 10 * MS);
	ck_assert_uint_eq(host.n_sent, 1);
	host.send_error = 0;
	for (i = 2; i < 10; i++)
		fake_at(T0 + i * 10 * MS);
	ck_assert_uint_eq(host.n_sent, 201);
	for (i = 0; i < 200; i++)
		ck_assert_uint_eq(host.sent[1 + i].can_id, i);
	/* Frames that it cannot carry are counted. */
	host.send_error = -EINVAL;
	ck_assert_int_eq(other->ops->send(other, &f), PORT_SENT);
	fake_settle();
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "bridge_can0_dropped 1\n"));
	/* The bus does not care whether the interface is up. */
	link_is(false);
	ck_assert_uint_eq(fake.config_changes, 0);
	other->ops->close(other);
	end();
}
END_TEST

/* own= is the guest's: the host does not get its frames back. */
START_TEST(bridge_of_one_who_hears_himself)
{
	struct chain *c;

	begin("bus:t+can0,own=on", ALL & ~LATE);
	from_host("123#11");
	ck_assert_uint_eq(host.n_sent, 0);
	c = buffer();
	ck_assert_uint_eq(c->used, HDR + 1);
	c = buffer();
	ck_assert_uint_eq(result(push(1, 1, 0)), OK);
	fake_settle();
	ck_assert_uint_eq(c->used, HDR + 1);
	ck_assert_uint_eq(host.n_sent, 1);
	end();
}
END_TEST

/* Each would repeat for ever what the other says. */
START_TEST(bridged_twice)
{
	ck_assert_int_lt(try_open("bus:t+can0+can0"), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "joined to can0 already"));
	give_up();
	ck_assert_int_eq(try_open("bus:t+can0"), 0);
	give_up();
}
END_TEST

START_TEST(bridge_to_nowhere)
{
	host.absent = true;
	ck_assert_int_lt(try_open("bus:t+can0"), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "can0"));
	give_up();
}
END_TEST

/* The real calls, on a kernel that may or may not have CAN: no crash, and a reason. */
START_TEST(kernel)
{
	struct can_iface iface;
	int fd = can_kernel.open(), watch = can_kernel.watch();

	if (fd >= 0) {
		ck_assert_int_lt(can_kernel.query(fd, "nothing-there", &iface), 0);
		ck_assert_int_eq(can_kernel.query(fd, "lo", &iface), -EPROTOTYPE);
	} else {
		ck_assert_int_ne(fd, -EFAULT);
	}
	ck_assert_int_ge(watch, 0);
	can_kernel.watched(watch);
	fd_close(&fd);
	fd_close(&watch);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("can-host");
	TCase *tc = tcase_create("can-host");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, absent);
	tcase_add_loop_test(tc, offered, 0, (int)ARRAY_SIZE(offers));
	tcase_add_test(tc, stale_frames_are_forgotten);
	tcase_add_test(tc, sent);
	tcase_add_loop_test(tc, no_room, 0, 2);
	tcase_add_test(tc, stop_without_room);
	tcase_add_loop_test(tc, host_refuses, 0, 6);
	tcase_add_loop_test(tc, start_fails, 0, 3);
	tcase_add_test(tc, options_that_the_kernel_has_not);
	tcase_add_test(tc, late_ack);
	tcase_add_test(tc, not_from_others);
	tcase_add_test(tc, lost_confirmation);
	tcase_add_test(tc, late_ack_and_filters);
	tcase_add_loop_test(tc, late_ack_is_cancelled, 0, 3);
	tcase_add_test(tc, received);
	tcase_add_test(tc, many_at_once);
	tcase_add_test(tc, lost_frames_are_counted);
	tcase_add_test(tc, bus_off);
	tcase_add_test(tc, other_errors);
	tcase_add_test(tc, down_and_up);
	tcase_add_test(tc, down_is_ignored);
	tcase_add_test(tc, unplugged);
	tcase_add_test(tc, comes_later);
	tcase_add_test(tc, bridge);
	tcase_add_test(tc, bridge_of_one_who_hears_himself);
	tcase_add_test(tc, bridged_twice);
	tcase_add_test(tc, bridge_to_nowhere);
	tcase_add_test(tc, kernel);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
