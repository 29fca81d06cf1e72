/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sessions: the config image, what is refused and what is let pass, upcalls,
 * in-band notifications, who is served next, who else suffers (nobody).
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log-core.h"
#include "guest.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

#define HELLO "connect owner protocol features"
#define RING_0 "num:0 base:0=0 addr:0 kick:0 call:0"
#define START HELLO " mem " RING_0 " on:0"

static void hello(void)
{
	guest_do(HELLO);
	guest_expect("negotiated");
}

static void start(void)
{
	guest_do(START);
	guest_expect("negotiated start0");
}

/* Config image. */

struct config {
	uint32_t off, size, flags;
	uint8_t data[64];
};

enum { CONFIG_HEAD = 12 };

static void read_config(uint32_t off, uint32_t size, uint8_t *ret_data)
{
	struct config c = { off, size, 0, { 0 } }, back;

	memset(&back, 0xee, sizeof(back));
	guest_send(VU_GET_CONFIG, 0, &c, CONFIG_HEAD + size, NULL, 0);
	guest_recv(VU_GET_CONFIG, &back, CONFIG_HEAD + size);
	ck_assert_mem_eq(&c, &back, CONFIG_HEAD);
	if (size > 0)
		memcpy(ret_data, back.data, size);
}

START_TEST(config_reads)
{
	uint32_t off = (uint32_t)_i, size, i;
	uint8_t data[64];

	hello();
	if (off == GUEST_CONFIG + 4)
		off = UINT32_MAX - 2;
	for (size = 0; size < 2 * GUEST_CONFIG; size++) {
		read_config(off, size, data);
		for (i = 0; i < size; i++) {
			uint64_t pos = (uint64_t)off + i;

			ck_assert_uint_eq(data[i], pos < GUEST_CONFIG ? 'a' + pos : 0);
		}
	}
}
END_TEST

static void write_config(uint32_t off, uint32_t size, uint32_t flags)
{
	struct config c = { off, size, flags, { 0 } };
	uint64_t ack = 1;

	memset(c.data, 'W', sizeof(c.data));
	guest_send(VU_SET_CONFIG, VU_NEED_REPLY, &c, CONFIG_HEAD + size, NULL, 0);
	guest_recv(VU_SET_CONFIG, &ack, sizeof(ack));
	ck_assert_uint_eq(ack, 0);
}

/* Every place and length: what may be written is, the rest is ignored without an error. */
START_TEST(config_writes)
{
	uint32_t off = (uint32_t)_i / 2, size, i, n;
	bool all = _i & 1;
	uint32_t from = all ? 0 : GUEST_WR_OFF;
	uint32_t to = all ? GUEST_CONFIG : GUEST_WR_OFF + GUEST_WR_LEN;
	uint8_t *image = instance_config(guest.in);
	char told[32];

	hello();
	for (size = 0; size < 2 * GUEST_CONFIG; size++) {
		for (i = 0; i < GUEST_CONFIG; i++)
			image[i] = (uint8_t)('a' + i);
		write_config(off, size, all);
		told[0] = '\0';
		for (i = 0, n = 0; i < GUEST_CONFIG; i++) {
			bool hit = i >= off && i < off + size && i >= from && i < to;

			ck_assert_uint_eq(image[i], hit ? 'W' : 'a' + i);
			n += hit;
		}
		if (n > 0)
			snprintf(told, sizeof(told), "config%u",
				 (off > from ? off : from) * 100 + n);
		guest_expect(told);
	}
}
END_TEST

START_TEST(config_write_at_the_end_of_numbers)
{
	hello();
	write_config(UINT32_MAX, 32, 0);
	write_config(UINT32_MAX - 15, 16, 1);
	guest_expect("");
}
END_TEST

/* Rings: what is refused, what is let pass. */

START_TEST(running_ring_is_left_alone)
{
	start();
	guest_do("!num:0 !base:0=0 !addr:0=16 addr:0 features !features=1 io:0");
	/* Another kick and call descriptor are fine. */
	guest_do("kick:0 call:0 io:0");
	ck_assert(guest_signalled(0));
	guest_do("nofd:0 kick:0 io:0");
	guest_expect("");
}
END_TEST

START_TEST(other_features_only_when_nothing_runs)
{
	start();
	guest_do("off:0 features=1 on:0");
	guest_expect("stop0 reset negotiated start0");
	ck_assert_uint_eq(instance_features(guest.in) & 3, 1);
}
END_TEST

static const char *const refusals[] = {
	"!num:0=0", "!num:0=3", "!num:0=128", "!num:0=65536", "!num:0=0x10010",
	/* The device's own veto, and a bit nobody offered. */
	"!features=0x200", "!features=4", "features", "!protocol", "protocol",
};

START_TEST(refused)
{
	bool strange = strcmp(refusals[_i], "!protocol") == 0;

	hello();
	if (strange)
		guest.protocol |= BIT(VU_PF_PAGEFAULT);
	guest_do(refusals[_i]);
	guest.protocol &= ~BIT(VU_PF_PAGEFAULT);
	guest_do("get_features protocol features mem " RING_0 " on:0 io:0");
}
END_TEST

/* Addresses that are misaligned or outside show when the ring would start. */
START_TEST(bad_ring_addresses)
{
	static const char *const addresses[] = { "addr:0=1", "addr:0=8", "addr:0=0x10000",
		"addr:0=0xff80", "addr:0=0x7fffffff" };

	hello();
	guest_do("mem num:0 base:0=0 kick:0 call:0");
	guest_do(addresses[_i]);
	guest_do("!on:0 addr:0 io:0");
	guest_expect("start0");
}
END_TEST

START_TEST(never_configured_rings)
{
	hello();
	/* QEMU enables every ring, and stops those that never started. */
	guest_do("on:0 on:1 off:1 stop:1 stop:1");
	ck_assert_uint_eq(guest.base[1], 0);
	guest_do("base:1=7 stop:1");
	ck_assert_uint_eq(guest.base[1], 7);
	guest_expect("");
}
END_TEST

/* Stopped is not disabled: it takes another kick descriptor to start. */
START_TEST(stopped_until_kicked)
{
	start();
	guest_do("off:0 stop:0");
	guest_expect("stop0");
	guest_do("base:0=stop num:0 addr:0 on:0 features");
	guest_expect("negotiated");
	guest_do("kick:0 io:0");
	guest_expect("start0");
	guest_do("status=0 on:0");
	guest_expect("stop0");
	guest_do("kick:0 io:0");
	guest_expect("start0");
}
END_TEST

START_TEST(kick_without_descriptor)
{
	hello();
	guest_do("mem num:0 base:0=0 addr:0 call:0 nofd:0 on:0");
	guest_expect("start0");
	guest_post(0);
	/* Nobody kicks: the ring is looked at from time to time. */
	while (guest_used(0) == 0)
		loop_turn(guest.loop, true);
	ck_assert(guest_signalled(0));
}
END_TEST

START_TEST(legacy_driver_is_told)
{
	uint64_t ack = 0, legacy = BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	const char *log;

	hello();
	guest_log_begin();
	guest_send(VU_SET_FEATURES, VU_NEED_REPLY, &legacy, sizeof(legacy), NULL, 0);
	guest_recv(VU_SET_FEATURES, &ack, sizeof(ack));
	log = guest_log_end();
	ck_assert_uint_eq(ack, 1);
	ck_assert_msg(strstr(log, "fixture0: SET_FEATURES refused: ") != NULL &&
		      strstr(log, "disable-legacy=on") != NULL, "%s", log);
}
END_TEST

/* Memory in slots, as QEMU sends it; one that is not there cannot be removed. */
START_TEST(memory_slots)
{
	hello();
	guest_do(RING_0 " on:0 !remove");
	guest_expect("");
	guest_do("add io:0 !add io:0");
	guest_expect("start0");
	guest_log_begin();
	guest_do("remove get_status=0x40");
	guest_log_end();
	guest_expect("stop0");
	guest_do("off:0 stop:0 add base:0=stop kick:0 on:0 io:0");
	guest_expect("start0");
}
END_TEST

START_TEST(queue_size_option)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000, .queue_size = 32 };

	instance_free(guest.in);
	guest_expect("close");
	guest_new(&setup);
	hello();
	guest_do("num:0=32 !num:0=64");
}
END_TEST

START_TEST(no_packed_option)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000, .no_packed = true };

	instance_free(guest.in);
	guest_expect("close");
	guest_new(&setup);
	guest_do("connect");
	ck_assert_uint_eq(guest_ask_u64(VU_GET_FEATURES) & BIT(VIRTIO_F_RING_PACKED), 0);
}
END_TEST

START_TEST(no_inband_option)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000, .no_inband = true };

	instance_free(guest.in);
	guest_expect("close");
	guest_new(&setup);
	guest_do("connect");
	ck_assert_uint_eq(guest_ask_u64(VU_GET_PROTOCOL_FEATURES) &
			  BIT(VU_PF_INBAND_NOTIFICATIONS), 0);
}
END_TEST

START_TEST(offered_at_open)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000 };

	instance_free(guest.in);
	guest_expect("close");
	guest_offers = BIT(5);
	guest_new(&setup);
	guest_do("connect");
	ck_assert(guest_ask_u64(VU_GET_FEATURES) & BIT(5));
	guest_do("features=0x20 protocol !features=0x40");
}
END_TEST

/* What is offered. */
START_TEST(offer)
{
	uint64_t f, p;

	guest_do("connect");
	f = guest_ask_u64(VU_GET_FEATURES);
	p = guest_ask_u64(VU_GET_PROTOCOL_FEATURES);
	ck_assert_uint_eq(f, BIT(0) | BIT(1) | BIT(9) | BIT(VIRTIO_F_INDIRECT_DESC) |
			  BIT(VIRTIO_F_EVENT_IDX) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
			  BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_RING_PACKED));
	ck_assert_uint_eq(p, BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) |
			  BIT(VU_PF_CONFIG) | BIT(VU_PF_RESET_DEVICE) |
			  BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) |
			  BIT(VU_PF_STATUS));
	guest_disconnect();
	guest_device.config_size = 0;
	guest_device.flags = DEV_IN_ORDER;
	guest_do("connect");
	f = guest_ask_u64(VU_GET_FEATURES);
	p = guest_ask_u64(VU_GET_PROTOCOL_FEATURES);
	guest_device.config_size = GUEST_CONFIG;
	guest_device.flags = 0;
	ck_assert(f & BIT(VIRTIO_F_IN_ORDER));
	ck_assert(!(p & BIT(VU_PF_CONFIG)));
	guest_expect("left");
}
END_TEST

/* A device that keeps the order goes on where the used index stands. */
START_TEST(in_order_begins_at_the_used_index)
{
	guest_device.flags = DEV_IN_ORDER;
	guest_do(START " io:0 io:0 disconnect " HELLO " mem num:0 base:0=9 addr:0 kick:0 call:0 "
		 "on:0 io:0 used:0=3");
	guest_device.flags = 0;
	guest_expect("negotiated start0 stop0 left negotiated start0");
}
END_TEST

/* Upcalls. */

static void expect_upcall(uint32_t id, uint32_t flags)
{
	struct vu_header header;
	uint8_t body[8];

	ck_assert_msg(peer_recv(guest.loop, guest.backend, &header, body, sizeof(body), NULL),
		      "no upcall");
	ck_assert_uint_eq(header.request, id);
	ck_assert_uint_eq(header.flags, VU_VERSION | flags);
}

static void expect_no_upcall(void)
{
	ck_assert(peer_silent(guest.loop, guest.backend));
}

static void answer_upcall(uint32_t id)
{
	uint64_t value = 0;

	peer_send(guest.backend, id, VU_VERSION | VU_REPLY, &value, sizeof(value), NULL, 0);
	peer_settle(guest.loop);
}

START_TEST(config_change)
{
	hello();
	guest_do("backend");
	/* Suspended: it waits, and several are one. */
	instance_config_changed(guest.in);
	instance_config_changed(guest.in);
	expect_no_upcall();
	guest_do("mem " RING_0 " on:0");
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
	expect_no_upcall();
	instance_config_changed(guest.in);
	instance_config_changed(guest.in);
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
	expect_no_upcall();
	guest_do("off:0");
	instance_config_changed(guest.in);
	expect_no_upcall();
	guest_do("on:0");
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
}
END_TEST

/* cloud-hypervisor hands over the channel when all else runs already. */
START_TEST(config_change_before_the_channel)
{
	start();
	instance_config_changed(guest.in);
	peer_settle(guest.loop);
	guest_do("backend");
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
	/* A new channel: only what was not told yet. */
	guest_do("backend");
	expect_no_upcall();
	instance_config_changed(guest.in);
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
}
END_TEST

START_TEST(config_change_nobody_asked_for)
{
	guest.protocol &= ~BIT(VU_PF_CONFIG);
	start();
	guest_do("backend");
	instance_config_changed(guest.in);
	expect_no_upcall();
	/* It is not kept for the next front end, which reads the image afresh. */
	guest.protocol |= BIT(VU_PF_CONFIG);
	guest_disconnect();
	guest_do(START " backend");
	expect_no_upcall();
}
END_TEST

/* While the front end is blocked in a request that waits for another ring's drain. */
START_TEST(config_change_while_the_front_end_waits)
{
	static const struct vu_vring_state ring_0 = { 0, 0 };

	guest_mode = MODE_JOB;
	guest_do(START " num:1 base:1=0 addr:1 kick:1 call:1 on:1 backend noio:0");
	guest_send(VU_GET_VRING_BASE, 0, &ring_0, sizeof(ring_0), NULL, 0);
	peer_settle(guest.loop);
	instance_config_changed(guest.in);
	expect_upcall(VU_BACKEND_CONFIG_CHANGE, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	guest_finish_jobs();
	guest_recv(VU_GET_VRING_BASE, &(struct vu_vring_state){ 0 }, 8);
}
END_TEST

/* In-band notifications: no descriptor for kick and call. */

static void start_inband(void)
{
	guest.protocol |= BIT(VU_PF_INBAND_NOTIFICATIONS);
	guest_do("connect owner protocol features backend mem num:0 base:0=0 addr:0 kicked:0 "
		 "on:0");
	guest_expect("negotiated start0");
}

START_TEST(inband)
{
	start_inband();
	guest_do("post:0 kicked:0 used:0=1");
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
	/* The next ones wait for the answer, and are one then. */
	guest_do("post:0 kicked:0 post:0 kicked:0 used:0=3");
	expect_no_upcall();
	answer_upcall(VU_BACKEND_VRING_CALL);
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
	answer_upcall(VU_BACKEND_VRING_CALL);
	expect_no_upcall();
	/* An unanswered call on a channel that is replaced is sent again. */
	guest_do("post:0 kicked:0");
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
	guest_do("backend");
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
}
END_TEST

/* A ring that stands still is silent; what it owed comes when it runs again. */
START_TEST(inband_silent_while_stopped)
{
	start_inband();
	guest_do("post:0 kicked:0");
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
	guest_do("post:0 kicked:0 off:0");
	answer_upcall(VU_BACKEND_VRING_CALL);
	expect_no_upcall();
	guest_do("on:0");
	expect_upcall(VU_BACKEND_VRING_CALL, VU_NEED_REPLY);
	answer_upcall(VU_BACKEND_VRING_CALL);
	expect_no_upcall();
}
END_TEST

START_TEST(inband_error)
{
	start_inband();
	guest.kick[0] = fd_eventfd();   /* nobody listens there */
	guest_log_begin();
	guest_break_ring(0);
	guest_do("kicked:0");
	guest_log_end();
	expect_upcall(VU_BACKEND_VRING_ERR, VU_NEED_REPLY);
	answer_upcall(VU_BACKEND_VRING_ERR);
	guest_expect("stop0");
}
END_TEST

/* Who holds the loop is cut off, and nobody comes next for a second. */
START_TEST(call_descriptor_that_blocks)
{
	const uint64_t most = UINT64_MAX - 1, second = 1000 * 1000 * 1000;
	uint64_t count;

	loop_fake_clock(guest.loop, second);
	start();
	guest_do("io:0");
	ck_assert(guest_signalled(0));
	ck_assert_int_lt(read(guest.call[0], &count, sizeof(count)), 0);
	ck_assert_int_eq(write(guest.call[0], &most, sizeof(most)), sizeof(most));
	fcntl(guest.call[0], F_SETFL, 0);
	guest_log_begin();
	guest_post(0);
	guest_kick(0);
	ck_assert_ptr_nonnull(strstr(guest_log_end(), "queue 0: the front end lets its call or err "
				     "descriptor block: the session ends"));
	guest_expect("stop0 left");
	fcntl(guest.call[0], F_SETFL, O_NONBLOCK);
	guest_disconnect();
	guest_connect();
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	loop_fake_clock(guest.loop, 2 * second - 1);
	ck_assert(peer_silent(guest.loop, guest.sock));
	loop_fake_clock(guest.loop, 2 * second);
	guest_recv(VU_GET_FEATURES, &count, sizeof(count));
}
END_TEST

START_TEST(comings_and_goings_are_not_logged_without_end)
{
	const uint64_t start_ns = loop_now(guest.loop);
	unsigned i, lines = 0;
	const char *p;

	log_setup("test", LOG_LEVEL_INFO, LOG_TARGET_STDERR);
	guest_log_begin();
	for (i = 0; i < 100; i++) {
		guest_connect();
		guest_ask_u64(VU_GET_FEATURES);
		guest_disconnect();
		guest_expect("left");
	}
	for (p = guest_log_end(); *p != '\0'; p++)
		lines += *p == '\n';
	log_setup("test", LOG_LEVEL_WARN, LOG_TARGET_STDERR);
	ck_assert_uint_ge(lines, 5);
	ck_assert_uint_le(lines, 5 * (2 + (loop_now(guest.loop) - start_ns) / 1000000000));
}
END_TEST

/* Who is served. */

START_TEST(second_client_waits)
{
	int first, second;
	uint64_t v;

	start();
	first = guest.sock;
	guest_connect();
	second = guest.sock;
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, second));
	guest.sock = first;
	guest_do("io:0");
	guest_disconnect();
	guest_expect("stop0 left");
	guest.sock = second;
	guest_recv(VU_GET_FEATURES, &v, sizeof(v));
}
END_TEST

START_TEST(many_sessions)
{
	unsigned i;

	for (i = 0; i < 50; i++) {
		guest_do(START);
		guest_do(i & 1 ? "disconnect" : "io:0 disconnect");
		guest_expect("negotiated start0 stop0 left");
		guest_zero_rings();
	}
}
END_TEST

/* Garbage ends its own session only: another instance of the process goes on. */
START_TEST(only_the_guilty)
{
	static const uint32_t bad[][4] = {
		{ 77, VU_VERSION, 0, 0 }, { VU_SET_OWNER, 3, 0, 0 },
		{ VU_SET_OWNER, VU_VERSION | VU_REPLY, 0, 0 }, { 5, VU_VERSION, 0xffffffff, 0 },
		{ VU_SET_VRING_NUM, VU_VERSION, 4, 0 },
	};
	struct instance_setup setup = { .device = &guest_device, .name = "fixture1", .count = 1,
		.drain_ms = 1000 };
	struct endpoint ep = { .kind = ENDPOINT_PATH, .fd = -1, .mode = -1, .group = -1 };
	struct error err = ERROR_NONE;
	struct instance *other;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	unsigned i;
	int fd;

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/other", guest.folder);
	ep.path = strdup(sa.sun_path);
	other = instance_new(guest.loop, &setup, &ep, &err);
	ck_assert_ptr_nonnull(other);
	instance_listen(other);
	guest_expect("open");
	start();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
		guest_log_begin();
		peer_write(fd, bad[i], i == ARRAY_SIZE(bad) - 1 ? 16 : 12, NULL, 0);
		peer_settle(guest.loop);
		ck_assert(peer_closed(guest.loop, fd));
		ck_assert_ptr_nonnull(strstr(guest_log_end(), "fixture1: "));
		close(fd);
		guest_expect("left");
		guest_do("io:0");
	}
	instance_free(other);
	guest_expect("close");
}
END_TEST

static unsigned n_finished;

static void on_finished(struct instance *in, void *ctx)
{
	n_finished++;
}

/* One session, then it is over. */
START_TEST(once)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000, .once = true };

	instance_free(guest.in);
	guest_expect("close");
	guest_new(&setup);
	n_finished = 0;
	instance_on_finished(guest.in, on_finished, NULL);
	guest_do(START " io:0");
	ck_assert_uint_eq(n_finished, 0);
	guest_disconnect();
	guest_expect("negotiated start0 stop0 left");
	ck_assert_uint_eq(n_finished, 1);
	guest_connect();
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	ck_assert_uint_eq(n_finished, 1);
}
END_TEST

/* A connected descriptor carries one session. */
START_TEST(connected_fd)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000 };
	struct endpoint ep = { .kind = ENDPOINT_CONNECTED_FD, .mode = -1, .group = -1 };
	struct error err = ERROR_NONE;
	struct instance *in;
	int peer;

	peer_pair(&ep.fd, &peer);
	in = instance_new(guest.loop, &setup, &ep, &err);
	ck_assert_ptr_nonnull(in);
	n_finished = 0;
	instance_on_finished(in, on_finished, NULL);
	instance_listen(in);
	peer_send(peer, VU_SET_OWNER, VU_VERSION, NULL, 0, NULL, 0);
	peer_settle(guest.loop);
	ck_assert_uint_eq(n_finished, 0);
	close(peer);
	guest_expect("open left");
	ck_assert_uint_eq(n_finished, 1);
	instance_free(in);
	guest_expect("close");
}
END_TEST

/* Freed in the middle of a session. */
START_TEST(freed_while_running)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000 };

	guest_mode = MODE_PARK;
	start();
	guest_do("noio:0");
	instance_free(guest.in);
	guest_expect("stop0 left close");
	ck_assert(peer_closed(guest.loop, guest.sock));
	guest_disconnect();
	guest_new(&setup);
}
END_TEST

START_TEST(birth_fails)
{
	struct instance_setup setup = { .device = &guest_device, .name = "fixture1" };
	struct endpoint ep = { .kind = ENDPOINT_PATH, .fd = -1, .mode = -1, .group = -1 };
	struct error err = ERROR_NONE;

	ep.path = strdup("/no/such/folder/sock");
	ck_assert_ptr_null(instance_new(guest.loop, &setup, &ep, &err));
	ck_assert_str_ne(err.text, "");
	endpoint_finish(&ep);
	guest_expect("open close");
	guest_open_fails = true;
	ck_assert_ptr_null(instance_new(guest.loop, &setup, &ep, &err));
	ck_assert_str_eq(err.text, "no such thing");
	guest_expect("open close");
}
END_TEST

START_TEST(what_devices_see)
{
	struct error err = ERROR_NONE;
	int fd;

	ck_assert_str_eq(instance_name(guest.in), "fixture0");
	ck_assert_uint_eq(instance_count(guest.in), 1);
	ck_assert_uint_eq(instance_index(guest.in), 0);
	ck_assert_ptr_null(instance_conf(guest.in));
	ck_assert_ptr_eq(instance_loop(guest.in), guest.loop);
	ck_assert_ptr_eq(instance_device(guest.in), &guest_device);
	ck_assert_ptr_nonnull(instance_queue(guest.in, 1));
	ck_assert_ptr_null(instance_queue(guest.in, GUEST_QUEUES));
	ck_assert_uint_eq(*(uint64_t *)instance_state(guest.in), 0);
	ck_assert_uint_eq(instance_features(guest.in), 0);
	instance_stat(guest.in, 0, 3);
	fd = host_open(guest.in, "/dev/null", O_RDONLY, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
	ck_assert_int_eq(host_open(guest.in, "/no/such/file", O_RDONLY, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "/no/such/file"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("session");
	TCase *tc = tcase_create("session");

	tcase_add_checked_fixture(tc, guest_setup, guest_teardown);
	tcase_add_loop_test(tc, config_reads, 0, GUEST_CONFIG + 5);
	tcase_add_loop_test(tc, config_writes, 0, 2 * (GUEST_CONFIG + 4));
	tcase_add_test(tc, config_write_at_the_end_of_numbers);
	tcase_add_test(tc, running_ring_is_left_alone);
	tcase_add_test(tc, other_features_only_when_nothing_runs);
	tcase_add_loop_test(tc, refused, 0, (int)ARRAY_SIZE(refusals));
	tcase_add_loop_test(tc, bad_ring_addresses, 0, 5);
	tcase_add_test(tc, never_configured_rings);
	tcase_add_test(tc, stopped_until_kicked);
	tcase_add_test(tc, kick_without_descriptor);
	tcase_add_test(tc, legacy_driver_is_told);
	tcase_add_test(tc, memory_slots);
	tcase_add_test(tc, queue_size_option);
	tcase_add_test(tc, no_packed_option);
	tcase_add_test(tc, no_inband_option);
	tcase_add_test(tc, offered_at_open);
	tcase_add_test(tc, offer);
	tcase_add_test(tc, in_order_begins_at_the_used_index);
	tcase_add_test(tc, config_change);
	tcase_add_test(tc, config_change_before_the_channel);
	tcase_add_test(tc, config_change_nobody_asked_for);
	tcase_add_test(tc, config_change_while_the_front_end_waits);
	tcase_add_test(tc, inband);
	tcase_add_test(tc, inband_silent_while_stopped);
	tcase_add_test(tc, inband_error);
	tcase_add_test(tc, call_descriptor_that_blocks);
	tcase_add_test(tc, comings_and_goings_are_not_logged_without_end);
	tcase_add_test(tc, second_client_waits);
	tcase_add_test(tc, many_sessions);
	tcase_add_test(tc, only_the_guilty);
	tcase_add_test(tc, once);
	tcase_add_test(tc, connected_fd);
	tcase_add_test(tc, freed_while_running);
	tcase_add_test(tc, birth_fails);
	tcase_add_test(tc, what_devices_see);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
