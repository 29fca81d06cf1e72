/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Two guests on a bus of one process, each on a thread of its own: numbered
 * frames both ways, none lost or out of order at the rate of the receiver, all
 * accounted for above it; guests that stop and leave with frames in flight.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "vhost-device/fd.h"
#include "wire/virtio-can.h"

enum {
	RING = 256, SLOT = 128, HDR = sizeof(struct virtio_can_hdr), FRAME = HDR + 8,
	AHEAD = 500, FRAMES = 100000, QUEUES = 3, BUFFERS = RING, REPLY = 4096,
	MANY = 512,
};

/* A slot of guest memory for each entry of each ring. */
struct node {
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *rings[QUEUES];
	uint64_t data;
	unsigned char *view;
	unsigned free_tx[RING], n_free;
	unsigned sent, ok, refused, got;        /* frames */
	bool ordered;
};

static struct server server;
static struct node nodes[2];
static unsigned tx_size = RING;
static char tokens[RING];

static void start(const char *devices)
{
	const char *args[] = { "-s", "@c.sock", "-c", "2", "-d", devices, "--threads", "2",
		"--control", "@ctl", NULL };
	char path[100];

	/* Only a word's first letter is replaced: what the guests need is there by now. */
	snprintf(path, sizeof(path), "%s", devices);
	args[5] = path;
	server_start(&server, "can", args);
}

static void tear_down(void)
{
	unsigned i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < QUEUES; k++)
			fe_ring_free(take_ptr(nodes[i].rings[k]));
		fe_free(take_ptr(nodes[i].fe));
		fe_mem_free(take_ptr(nodes[i].mem));
	}
	tx_size = RING;
	server_clean_up(&server);
}

static uint64_t slot_at(const struct node *n, unsigned queue, unsigned slot)
{
	return n->data + ((uint64_t)queue * RING + slot) * SLOT;
}

static unsigned char *slot_view(const struct node *n, unsigned queue, unsigned slot)
{
	return n->view + ((size_t)queue * RING + slot) * SLOT;
}

static void post(struct node *n, unsigned slot)
{
	const struct fe_seg seg = { slot_at(n, VIRTIO_CAN_RXQ, slot), FRAME };

	must(fe_ring_add(n->rings[VIRTIO_CAN_RXQ], &seg, 0, 1, 0, &tokens[slot]) == 0);
}

static unsigned ask_control(struct node *n, unsigned type)
{
	const struct virtio_can_control req = { le16((uint16_t)type) };
	const struct fe_seg segs[] = { { slot_at(n, VIRTIO_CAN_CONTROLQ, 0), sizeof(req) },
		{ slot_at(n, VIRTIO_CAN_CONTROLQ, 1), 1 } };
	struct fe_ring *r = n->rings[VIRTIO_CAN_CONTROLQ];
	struct fe_used used;

	memcpy(slot_view(n, VIRTIO_CAN_CONTROLQ, 0), &req, sizeof(req));
	ck_ok(fe_ring_add(r, segs, 1, 1, 0, n));
	ck_ok(fe_ring_kick(r, n->fe, &err));
	ck_ok(fe_ring_wait(r, n->fe, SERVER_MS, &err));
	must(fe_ring_get(r, &used, &err) == 1 && used.len == 1);
	return *slot_view(n, VIRTIO_CAN_CONTROLQ, 1);
}

static void join_with(struct node *n, const char *name, uint64_t ring_features, unsigned buffers)
{
	struct fe_mem_spec spec = { .guest = 0x100000, .size = 1 << 20 };
	struct fe_ring_setup setup = { .size = RING };
	uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_CAN_F_CAN_CLASSIC) |
		ring_features;
	unsigned i;

	*n = (struct node){ .ordered = true };
	ck_ok(fe_connect(server_path(&server, name), SERVER_MS, &n->fe, &err));
	fe_set_timeout(n->fe, SERVER_MS);
	ck_ok(fe_negotiate(n->fe, fe_all_protocol_features() & ~BIT(VU_PF_INBAND_NOTIFICATIONS),
			   &err));
	ck_ok(fe_set_features(n->fe, features | BIT(VHOST_USER_F_PROTOCOL_FEATURES), &err));
	n->mem = fe_mem_new();
	ck_ok(fe_mem_add(n->mem, &spec, &err));
	ck_ok(fe_mem_alloc(n->mem, 0, QUEUES * RING * SLOT, 4096, &n->data));
	n->view = fe_mem_at(n->mem, n->data, QUEUES * RING * SLOT);
	ck_ok(fe_mem_send(n->mem, n->fe, &err));
	setup.features = features;
	for (setup.index = 0; setup.index < QUEUES; setup.index++) {
		setup.size = setup.index == VIRTIO_CAN_TXQ ? tx_size : RING;
		ck_ok(fe_ring_new(n->mem, &setup, &n->rings[setup.index], &err));
		ck_ok(fe_ring_start(n->rings[setup.index], n->fe, &err));
	}
	for (i = 0; i < RING / 2; i++)
		n->free_tx[n->n_free++] = 2 * i;
	for (i = 0; i < buffers; i++)
		post(n, i);
	ck_ok(fe_ring_kick(n->rings[VIRTIO_CAN_RXQ], n->fe, &err));
	must(ask_control(n, VIRTIO_CAN_SET_CTRL_MODE_START) == VIRTIO_CAN_RESULT_OK);
}

static void leave(struct node *n)
{
	unsigned k;

	fe_free(take_ptr(n->fe));
	for (k = 0; k < QUEUES; k++)
		fe_ring_free(take_ptr(n->rings[k]));
	fe_mem_free(take_ptr(n->mem));
}

/* One numbered frame; its result goes into the slot behind it. */
static void send_one(struct node *n)
{
	const unsigned slot = n->free_tx[--n->n_free];
	const struct virtio_can_hdr hdr = { .msg_type = le16(VIRTIO_CAN_TX), .length = le16(8),
		.can_id = le32(n->sent & 0x7ff) };
	const struct fe_seg segs[] = { { slot_at(n, VIRTIO_CAN_TXQ, slot), FRAME },
		{ slot_at(n, VIRTIO_CAN_TXQ, slot + 1), 1 } };
	unsigned char *at = slot_view(n, VIRTIO_CAN_TXQ, slot);
	const uint64_t number = n->sent++;

	memcpy(at, &hdr, sizeof(hdr));
	memcpy(at + HDR, &number, sizeof(number));
	at[SLOT] = 0xa5;
	must(fe_ring_add(n->rings[VIRTIO_CAN_TXQ], segs, 1, 1, 0, &tokens[slot]) == 0);
}

/* What came back of what was sent. */
static bool collect_sent(struct node *n)
{
	struct fe_used used;
	unsigned slot;
	bool any = false;

	while (fe_ring_get(n->rings[VIRTIO_CAN_TXQ], &used, &err) == 1) {
		slot = (unsigned)((char *)used.token - tokens);
		must(used.len == 1);
		if (slot_view(n, VIRTIO_CAN_TXQ, slot)[SLOT] == VIRTIO_CAN_RESULT_OK)
			n->ok++;
		else
			n->refused++;
		n->free_tx[n->n_free++] = slot;
		any = true;
	}
	return any;
}

/* What came from the other; numbers may be missing, never go back. */
static bool collect_received(struct node *n, bool repost)
{
	struct fe_used used;
	uint64_t number;
	unsigned slot;
	bool any = false;

	while (fe_ring_get(n->rings[VIRTIO_CAN_RXQ], &used, &err) == 1) {
		slot = (unsigned)((char *)used.token - tokens);
		must(used.len == FRAME);
		memcpy(&number, slot_view(n, VIRTIO_CAN_RXQ, slot) + HDR, sizeof(number));
		if (number != n->got)
			n->ordered = false;
		n->got++;
		if (repost)
			post(n, slot);
		any = true;
	}
	if (any && repost)
		ck_ok(fe_ring_kick(n->rings[VIRTIO_CAN_RXQ], n->fe, &err));
	return any;
}

/* Each goes on as long as the other keeps up. */
static bool turn(struct node *from, const struct node *to, unsigned total)
{
	bool any = false;

	while (from->n_free > 0 && from->sent < total && from->sent < to->got + AHEAD) {
		send_one(from);
		any = true;
	}
	if (any)
		ck_ok(fe_ring_kick(from->rings[VIRTIO_CAN_TXQ], from->fe, &err));
	any |= collect_sent(from);
	return any | collect_received(from, true);
}

static const uint64_t layouts[] = {
	0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX),
};

static bool all_there(unsigned total)
{
	return nodes[0].got >= total && nodes[1].got >= total && nodes[0].ok >= total &&
		nodes[1].ok >= total;
}

/* Frames are on their way to who has fewer, or their sender waits for its slots. */
static void wait_for_more(unsigned total)
{
	const unsigned to = nodes[0].got < nodes[1].got ? 0 : 1;
	const struct node *n = &nodes[to];
	unsigned queue = VIRTIO_CAN_RXQ;

	if (nodes[to].got == nodes[!to].sent) {
		n = &nodes[nodes[to].got < total || nodes[!to].ok < total ? !to : to];
		queue = VIRTIO_CAN_TXQ;
	}
	ck_ok(fe_ring_wait(n->rings[queue], n->fe, SERVER_MS, &err));
}

START_TEST(both_ways)
{
	const unsigned total = test_scaled(FRAMES);
	unsigned i;
	bool any;

	start("bus:t bus:t");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	join_with(&nodes[1], "c.sock1", layouts[_i], BUFFERS);
	while (!all_there(total)) {
		any = turn(&nodes[0], &nodes[1], total);
		any |= turn(&nodes[1], &nodes[0], total);
		if (!any)
			wait_for_more(total);
	}
	for (i = 0; i < 2; i++) {
		must(nodes[i].ordered && nodes[i].got == total);
		must(nodes[i].refused == 0);
	}
	leave(&nodes[0]);
	leave(&nodes[1]);
	server_stop(&server);
}
END_TEST

/* What a command answers, whose newline is with it. */
static void say(const char *control, const char *command, char text[REPLY])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLOSE_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t n, size = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", server_path(&server, control));
	must(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
	must(write(fd, command, strlen(command)) == (ssize_t)strlen(command));
	while ((n = read(fd, text + size, REPLY - 1 - (size_t)size)) > 0)
		size += n;
	text[size] = '\0';
}

/* One counter of `show`. */
static unsigned counter(const char *control, const char *name)
{
	char text[REPLY], *at;

	say(control, "show\n", text);
	at = strstr(text, name);
	ck_assert_msg(at != NULL, "%s in %s", name, text);
	return (unsigned)strtoul(at + strlen(name), NULL, 10);
}

static void send_all(struct node *n, unsigned total)
{
	while (n->ok + n->refused < total) {
		while (n->n_free > 0 && n->sent < total)
			send_one(n);
		ck_ok(fe_ring_kick(n->rings[VIRTIO_CAN_TXQ], n->fe, &err));
		ck_ok(fe_ring_wait(n->rings[VIRTIO_CAN_TXQ], n->fe, SERVER_MS, &err));
		collect_sent(n);
	}
}

/* A receiver without buffers: what it has, what waits for it and what was lost are all. */
START_TEST(above_the_rate)
{
	const unsigned total = test_scaled(FRAMES), waits = 100;
	unsigned i, got, lost = 0;

	start("bus:t bus:t,backlog=100");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	join_with(&nodes[1], "c.sock1", layouts[_i], 10);
	send_all(&nodes[0], total);
	must(nodes[0].ok == total);
	/* The last ones may still be in the inbox of the other thread. */
	for (i = 0; lost != total - 10 - waits && i < SERVER_MS; i++) {
		lost = counter("ctl1", "rx_dropped ") + counter("ctl1", "rx_lost ");
		poll(NULL, 0, 1);
	}
	ck_assert_uint_eq(lost, total - 10 - waits);
	collect_received(&nodes[1], true);
	while (nodes[1].got < 10 + waits) {
		ck_ok(fe_ring_wait(nodes[1].rings[VIRTIO_CAN_RXQ], nodes[1].fe, SERVER_MS, &err));
		collect_received(&nodes[1], true);
	}
	/* Those that it has are the first ones. */
	must(nodes[1].ordered);
	got = counter("ctl1", "rx_frames ");
	ck_assert_uint_eq(got + lost, total);
	server_stop(&server);
}
END_TEST

/* With full=wait the sender is held up instead. */
START_TEST(waits)
{
	const unsigned total = test_scaled(20000);
	bool any;

	start("bus:t bus:t,backlog=10,full=wait");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	join_with(&nodes[1], "c.sock1", layouts[_i], 10);
	while (nodes[1].got < total) {
		while (nodes[0].n_free > 0 && nodes[0].sent < total)
			send_one(&nodes[0]);
		ck_ok(fe_ring_kick(nodes[0].rings[VIRTIO_CAN_TXQ], nodes[0].fe, &err));
		any = collect_sent(&nodes[0]);
		any |= collect_received(&nodes[1], true);
		if (!any)
			ck_ok(fe_ring_wait(nodes[1].rings[VIRTIO_CAN_RXQ], nodes[1].fe, SERVER_MS,
					   &err));
	}
	must(nodes[1].ordered);
	ck_assert_uint_eq(counter("ctl1", "rx_dropped ") + counter("ctl1", "rx_lost "), 0);
	server_stop(&server);
}
END_TEST

/* The receiver leaves in the middle, again and again: the sender does not notice. */
START_TEST(leaves_in_flight)
{
	const unsigned rounds = test_scaled(200);
	unsigned i, fds;

	start("bus:t bus:t");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	fds = server_fds(&server);
	for (i = 1; i <= rounds; i++) {
		join_with(&nodes[1], "c.sock1", layouts[_i], BUFFERS);
		while (nodes[0].n_free > 0)
			send_one(&nodes[0]);
		ck_ok(fe_ring_kick(nodes[0].rings[VIRTIO_CAN_TXQ], nodes[0].fe, &err));
		while (nodes[1].n_free > 10)
			send_one(&nodes[1]);
		ck_ok(fe_ring_kick(nodes[1].rings[VIRTIO_CAN_TXQ], nodes[1].fe, &err));
		leave(&nodes[1]);
		send_all(&nodes[0], nodes[0].sent);
		collect_received(&nodes[0], true);
	}
	must(nodes[0].refused == 0);
	ck_assert_uint_eq(server_await_fds(&server, fds), fds);
	server_stop(&server);
}
END_TEST

/* A pause in the middle: every frame comes back once, none is sent twice. */
START_TEST(pauses_in_flight)
{
	const unsigned rounds = test_scaled(200);
	unsigned i;

	start("bus:t bus:t");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	join_with(&nodes[1], "c.sock1", layouts[_i], BUFFERS);
	for (i = 0; i < rounds; i++) {
		while (nodes[0].n_free > 0)
			send_one(&nodes[0]);
		ck_ok(fe_ring_kick(nodes[0].rings[VIRTIO_CAN_TXQ], nodes[0].fe, &err));
		ck_ok(fe_ring_stop(nodes[0].rings[VIRTIO_CAN_TXQ], nodes[0].fe, &err));
		ck_ok(fe_ring_start(nodes[0].rings[VIRTIO_CAN_TXQ], nodes[0].fe, &err));
		send_all(&nodes[0], nodes[0].sent);
		while (nodes[1].got < nodes[0].sent) {
			ck_ok(fe_ring_wait(nodes[1].rings[VIRTIO_CAN_RXQ], nodes[1].fe, SERVER_MS,
					   &err));
			collect_received(&nodes[1], true);
		}
	}
	must(nodes[0].refused == 0 && nodes[1].ordered && nodes[1].got == nodes[0].sent);
	server_stop(&server);
}
END_TEST

/* More frames wait than are served in a turn: STOP is answered after the last of them. */
START_TEST(stop_is_last)
{
	struct node *n = &nodes[0];
	const struct virtio_can_hdr hdr = { .msg_type = le16(VIRTIO_CAN_TX), .length = le16(8) };
	struct fe_used used;
	struct fe_seg segs[2];
	char text[REPLY];
	unsigned i;

	start("bus:t bus:t");
	tx_size = 2 * MANY;
	join_with(n, "c.sock0", layouts[_i], 1);
	say("ctl0", "stall on\n", text);
	/* All of them the same bytes, and the same byte for the result. */
	segs[0] = (struct fe_seg){ slot_at(n, VIRTIO_CAN_TXQ, 0), FRAME };
	segs[1] = (struct fe_seg){ slot_at(n, VIRTIO_CAN_TXQ, 1), 1 };
	memcpy(slot_view(n, VIRTIO_CAN_TXQ, 0), &hdr, sizeof(hdr));
	for (i = 0; i < MANY; i++)
		must(fe_ring_add(n->rings[VIRTIO_CAN_TXQ], segs, 1, 1, 0, n) == 0);
	ck_ok(fe_ring_kick(n->rings[VIRTIO_CAN_TXQ], n->fe, &err));
	ck_assert_uint_eq(ask_control(n, VIRTIO_CAN_SET_CTRL_MODE_STOP), VIRTIO_CAN_RESULT_OK);
	for (i = 0; fe_ring_get(n->rings[VIRTIO_CAN_TXQ], &used, &err) == 1;)
		i++;
	ck_assert_uint_eq(i, MANY);
	ck_assert_uint_eq(counter("ctl0", "tx_stopped "), MANY);
	ck_assert_uint_eq(ask_control(n, VIRTIO_CAN_SET_CTRL_MODE_START), VIRTIO_CAN_RESULT_OK);
	server_stop(&server);
}
END_TEST

/* Nobody sends: no time is spent. */
START_TEST(idle)
{
	unsigned before;

	start("bus:t bus:t");
	join_with(&nodes[0], "c.sock0", layouts[_i], BUFFERS);
	join_with(&nodes[1], "c.sock1", layouts[_i], BUFFERS);
	before = server_cpu(&server);
	ck_assert_int_eq(fe_ring_wait(nodes[1].rings[VIRTIO_CAN_RXQ], nodes[1].fe, 500, &err),
			 -ETIMEDOUT);
	ck_assert_uint_le(server_cpu(&server) - before, 10);
	server_stop(&server);
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("frontend-can");
	TCase *tc = tcase_create("can");
	SRunner *sr;
	int failed;

	if (!server_has("can"))
		return server_skip("can");
	sr = srunner_create(s);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_loop_test(tc, both_ways, 0, n);
	tcase_add_loop_test(tc, above_the_rate, 0, n);
	tcase_add_loop_test(tc, waits, 0, n);
	tcase_add_loop_test(tc, leaves_in_flight, 0, n);
	tcase_add_loop_test(tc, pauses_in_flight, 0, n);
	tcase_add_loop_test(tc, stop_is_last, 0, n);
	tcase_add_test(tc, idle);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
