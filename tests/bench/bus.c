/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What a request to a bus or a clock costs above one that does nothing: simulated
 * lines, registers and chips, frames on a bus of this process, updates of a
 * virtual mouse, clocks of the host, against the empty request of template, in
 * rounds that alternate. Then interrupts: eight guests with 64 lines each, all
 * armed, whose outputs are wired to them.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "lines.h"
#include "server.h"
#include "wire/virtio-can.h"
#include "wire/virtio-gpio.h"
#include "wire/virtio-i2c.h"
#include "wire/virtio-input.h"
#include "wire/virtio-rtc.h"
#include "wire/virtio-spi.h"

enum { ROUNDS = 15, TRIPS = 1000, WARM_UP = 100, GUESTS = 8, RATE = 10000, SECONDS = 3,
	IDLE_MS = 2000, REST_MS = 200, CLIENT = 0x20, SECOND = 2048, WORDS = 32, RING = 16,
	FRAME = sizeof(struct virtio_can_hdr) + 8, BUFFERS = 8,
	EVENT = sizeof(struct virtio_input_event) };

/* -- Requests --------------------------------------------------------------- */

struct kind {
	const char *name, *device, *socket;
	const char *args[7];
	void (*prepare)(struct kind *k);
	unsigned (*add)(struct bench_client *c, unsigned turn);         /* how many requests */
	void (*hear)(void);                     /* what else has to come back; NULL: nothing */
	struct server server;
	struct bench_client client;
	double ns[ROUNDS], ratios[ROUNDS], cpu[ROUNDS];
};

static unsigned char *view(struct bench_client *c)
{
	return fe_mem_at(c->mem, c->data, c->data_size);
}

static void finish(struct bench_client *c, unsigned n)
{
	uint64_t bytes = 0;

	bench_kick(c);
	while (n > 0) {
		bench_wait(c);
		n -= bench_take(c, &bytes);
	}
}

static unsigned add_empty(struct bench_client *c, unsigned turn)
{
	bench_add(c, c->data, 1, 0);
	return 1;
}

static unsigned add_gpio(struct bench_client *c, unsigned type, uint32_t value)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16(1), le32(value) };

	memcpy(view(c), &req, sizeof(req));
	bench_add(c, c->data, sizeof(req), 2);
	return 1;
}

static void prepare_set(struct kind *k)
{
	finish(&k->client, add_gpio(&k->client, GPIO_MSG_SET_DIRECTION, GPIO_DIRECTION_OUT));
}

static void prepare_get(struct kind *k)
{
	finish(&k->client, add_gpio(&k->client, GPIO_MSG_SET_DIRECTION, GPIO_DIRECTION_IN));
}

static unsigned add_set(struct bench_client *c, unsigned turn)
{
	return add_gpio(c, GPIO_MSG_SET_VALUE, turn & 1);
}

static unsigned add_get(struct bench_client *c, unsigned turn)
{
	return add_gpio(c, GPIO_MSG_GET_VALUE, 0);
}

/* Write the number of the register, read it: one group of two. */
static unsigned add_register(struct bench_client *c, unsigned turn)
{
	const struct virtio_i2c_out_hdr write = { le16(CLIENT << 1), le16(0),
		le32(VIRTIO_I2C_FLAGS_FAIL_NEXT) };
	const struct virtio_i2c_out_hdr read = { le16(CLIENT << 1), le16(0),
		le32(VIRTIO_I2C_FLAGS_M_RD) };

	memcpy(view(c), &write, sizeof(write));
	view(c)[sizeof(write)] = (unsigned char)turn;
	memcpy(view(c) + SECOND, &read, sizeof(read));
	bench_add(c, c->data, sizeof(write) + 1, 1);
	bench_add(c, c->data + SECOND, sizeof(read), 2);
	return 2;
}

/* 32 bytes out and in at once, through a loop. */
static unsigned add_transfer(struct bench_client *c, unsigned turn)
{
	const struct virtio_spi_transfer_head head = { .bits_per_word = 8 };

	memcpy(view(c), &head, sizeof(head));
	memset(view(c) + sizeof(head), (int)turn, WORDS);
	bench_add(c, c->data, sizeof(head) + WORDS, WORDS + 1);
	return 1;
}

/* The first clock: UTC that would be smeared, which reads the host's clocks thrice. */
static unsigned add_clock(struct bench_client *c, unsigned turn)
{
	const struct rtc_req_clock req = { { le16(RTC_REQ_READ), { 0 } }, le16(0), 0, { 0 } };

	memcpy(view(c), &req, sizeof(req));
	bench_add(c, c->data, sizeof(req), sizeof(struct rtc_resp_read));
	return 1;
}

/* Two guests on a bus, of which one sends and one hears. */
static struct bench_client hearer, heard;

static void start_controller(struct bench_client *c)
{
	const struct virtio_can_control req = { le16(VIRTIO_CAN_SET_CTRL_MODE_START) };
	struct bench_client control = bench_beside(c, VIRTIO_CAN_CONTROLQ, RING);

	memcpy(view(c), &req, sizeof(req));
	bench_add(&control, c->data, sizeof(req), 1);
	finish(&control, 1);
	if (view(c)[sizeof(req)] != VIRTIO_CAN_RESULT_OK)
		bench_fail("a CAN controller does not start");
	fe_ring_free(control.ring);
}

static void prepare_send(struct kind *k)
{
	start_controller(&k->client);
}

static void add_buffers(unsigned n)
{
	while (n-- > 0)
		bench_add(&heard, hearer.data, 0, FRAME);
	bench_kick(&heard);
}

static void prepare_hear(struct kind *k)
{
	start_controller(&k->client);
	bench_open(&hearer, server_path(&k->server, "b.sock1"), 0, RING, 4096);
	start_controller(&hearer);
	heard = bench_beside(&hearer, VIRTIO_CAN_RXQ, RING);
	add_buffers(BUFFERS);
}

static unsigned add_frame(struct bench_client *c, unsigned turn)
{
	const struct virtio_can_hdr hdr = { .msg_type = le16(VIRTIO_CAN_TX), .length = le16(8),
		.can_id = le32(turn & 0x7FF) };

	memcpy(view(c), &hdr, sizeof(hdr));
	memset(view(c) + sizeof(hdr), (int)turn, FRAME - sizeof(hdr));
	bench_add(c, c->data, FRAME, 1);
	return 1;
}

static void hear_frame(void)
{
	uint64_t bytes = 0;

	bench_wait(&heard);
	add_buffers(bench_take(&heard, &bytes));
	if (bytes != FRAME)
		bench_fail("a frame is lost");
}

/* A mouse that always moves: "virtual:mouse:" and a file of updates. */
static char moves[64] = "virtual:mouse:/tmp/bench-input-XXXXXX";

static void write_moves(void)
{
	int fd = mkstemp(strrchr(moves, ':') + 1);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	unsigned i;

	if (f == NULL)
		bench_fail("no file in /tmp");
	for (i = 0; i < ROUNDS * (WARM_UP + TRIPS); i++)
		fputs("EV_REL REL_X 1\nsyn\n", f);
	if (fclose(f) != 0)
		bench_fail("no room in /tmp");
}

static unsigned add_update(struct bench_client *c, unsigned turn)
{
	bench_add(c, c->data, 0, EVENT);
	bench_add(c, c->data + EVENT, 0, EVENT);
	return 2;
}

static struct kind kinds[] = {
	{ "no-op", "template", "b.sock", { "-s", "@b.sock" }, NULL, add_empty },
	{ "gpio set", "gpio", "b.sock0", { "-s", "@b.sock", "-l", "s64" }, prepare_set, add_set },
	{ "gpio get", "gpio", "b.sock0", { "-s", "@b.sock", "-l", "s64" }, prepare_get, add_get },
	{ "i2c register read", "i2c", "b.sock0", { "-s", "@b.sock", "-l", "s0:0x20" }, NULL,
		add_register },
	{ "spi transfer of 32 bytes", "spi", "b.sock0", { "-s", "@b.sock", "-l", "s0.0" }, NULL,
		add_transfer },
	{ "can frame sent", "can", "b.sock0", { "-s", "@b.sock", "-d", "bus:b" }, prepare_send,
		add_frame },
	{ "can frame from guest to guest", "can", "b.sock0",
		{ "-s", "@b.sock", "-c2", "-d", "bus:b bus:b" }, prepare_hear, add_frame,
		hear_frame },
	{ "input update of two events", "input", "b.sock0", { "-s", "@b.sock", "-e", moves },
		NULL, add_update },
	{ "clock read", "rtc", "b.sock", { "-s", "@b.sock", "--no-tai" }, NULL, add_clock },
};

/* What is heard is waited for first: then the rest is there already. */
static void trip(struct kind *k, unsigned turn)
{
	unsigned n = k->add(&k->client, turn);

	if (k->hear != NULL) {
		bench_kick(&k->client);
		k->hear();
	}
	finish(&k->client, n);
}

static double trips_ns(struct kind *k)
{
	uint64_t start = 0;
	unsigned i;

	for (i = 0; i < WARM_UP + TRIPS; i++) {
		if (i == WARM_UP)
			start = bench_now_ns();
		trip(k, i);
	}
	return (double)(bench_now_ns() - start) / TRIPS;
}

static void end(struct server *s)
{
	char why[100];

	if (!server_end(s, why, sizeof(why)))
		bench_fail("%s", why);
}

static void start(struct kind *k)
{
	server_start(&k->server, k->device, k->args);
	bench_open(&k->client, server_path(&k->server, k->socket), 0, RING, 4096);
	bench_pin_server(&k->server, 1);
	if (k->prepare != NULL)
		k->prepare(k);
}

static void report(struct kind *k, bool compare)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", k->name);
	bench_row(text, bench_median(k->ns, ROUNDS) / 1000, "us", GOAL_NONE, 0);
	snprintf(text, sizeof(text), "%s: processor time of the server", k->name);
	bench_row(text, bench_median(k->cpu, ROUNDS), "ns", GOAL_NONE, 0);
	if (!compare)
		return;
	snprintf(text, sizeof(text), "%s: of the no-op", k->name);
	bench_row(text, bench_median(k->ratios, ROUNDS), "times", GOAL_AT_MOST, 1.5);
}

static void requests(void)
{
	uint64_t cpu;
	unsigned i, k;

	bench_pin_self(0);
	write_moves();
	for (k = 0; k < ARRAY_SIZE(kinds); k++)
		start(&kinds[k]);
	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			cpu = bench_server_ns(&kinds[k].server);
			kinds[k].ns[i] = trips_ns(&kinds[k]);
			cpu = bench_server_ns(&kinds[k].server) - cpu;
			kinds[k].cpu[i] = (double)cpu / (WARM_UP + TRIPS);
			kinds[k].ratios[i] = kinds[k].ns[i] / kinds[0].ns[i];
		}
	}
	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		bench_close(&kinds[k].client);
		if (kinds[k].hear != NULL) {
			fe_ring_free(heard.ring);
			bench_close(&hearer);
		}
		end(&kinds[k].server);
		report(&kinds[k], k > 0);
	}
	unlink(strrchr(moves, ':') + 1);
}

/* -- Interrupts ------------------------------------------------------------- */

static struct lines guests[GUESTS];
static double latency[RATE * SECONDS / GUESTS];

/* s128[0/wire=64,1/wire=65,...]:... */
static char *wired_chips(void)
{
	size_t size = 0;
	char *text = NULL;
	FILE *f = open_memstream(&text, &size);
	unsigned g, i;

	for (g = 0; g < GUESTS; g++) {
		fprintf(f, "%ss128[", g > 0 ? ":" : "");
		for (i = 0; i < LINES; i++)
			fprintf(f, "%u/wire=%u,", i, LINES + i);
		fprintf(f, "%u-%u]", LINES, 2 * LINES - 1);
	}
	fclose(f);
	return text;
}

static void join(struct lines *l, const struct server *s, unsigned number)
{
	char name[16];
	unsigned i;

	snprintf(name, sizeof(name), "g.sock%u", number);
	lines_open(l, server_path(s, name), 0, LINES);
	for (i = 0; i < LINES; i++) {
		if (lines_ask(l, GPIO_MSG_SET_DIRECTION, i, GPIO_DIRECTION_OUT) != 0)
			bench_fail("a line is no output");
	}
	lines_arm(l, GPIO_IRQ_EDGE_BOTH);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* In all guests at once, from the first that sets an output to the interrupt in each. */
static double edges_in_all(unsigned turn)
{
	uint64_t begin = bench_now_ns();
	struct lines *l;

	for (l = guests; l < guests + GUESTS; l++)
		lines_send(l, GPIO_MSG_SET_VALUE, turn % LINES, ~(turn / LINES) & 1);
	for (l = guests; l < guests + GUESTS; l++) {
		if (lines_answer(l) != 0)
			bench_fail("a line takes no value");
		if (!lines_await(l, turn + 1))
			bench_fail("an edge is lost");
	}
	return (double)(bench_now_ns() - begin) / 1000;
}

static void edges(const struct server *s)
{
	const unsigned n = RATE * SECONDS / GUESTS;
	uint64_t begin = bench_now_ns(), cpu = bench_server_ns(s);
	unsigned i, g, total = 0;

	for (i = 0; i < n; i++) {
		while (bench_now_ns() < begin + (uint64_t)i * 1000000000 * GUESTS / RATE)
			;
		latency[i] = edges_in_all(i);
	}
	begin = bench_now_ns() - begin;
	cpu = bench_server_ns(s) - cpu;
	for (g = 0; g < GUESTS; g++)
		total += guests[g].total;
	qsort(latency, n, sizeof(latency[0]), compare);
	bench_row("edges of 8 guests with 64 lines", total * 1e9 / (double)begin, "1/s",
		  GOAL_AT_LEAST, RATE * 0.99);
	bench_row("edges lost", (double)n * GUESTS - total, "", GOAL_AT_MOST, 0);
	bench_row("8 edges, outputs to interrupts, median", latency[n / 2], "us", GOAL_NONE, 0);
	bench_row("8 edges, outputs to interrupts, 99 of 100", latency[n / 100 * 99], "us",
		  GOAL_NONE, 0);
	bench_row("edge: processor time of the server", (double)cpu / total, "ns", GOAL_NONE, 0);
}

static void interrupts(void)
{
	char *chips = wired_chips();
	const char *args[] = { "-s", "@g.sock", "-c", "8", "-l", chips, NULL };
	struct server s = { 0 };
	uint64_t cpu;
	unsigned g;

	server_start(&s, "gpio", args);
	for (g = 0; g < GUESTS; g++)
		join(&guests[g], &s, g);
	bench_pin_server(&s, 1);
	edges(&s);
	/* The buffers that were posted last are yet to be taken. */
	poll(NULL, 0, REST_MS);
	cpu = bench_server_ns(&s);
	poll(NULL, 0, IDLE_MS);
	bench_row("512 armed lines, processor time of 2 s idle",
		  (double)(bench_server_ns(&s) - cpu) / 1000, "us", GOAL_AT_MOST, 0);
	for (g = 0; g < GUESTS; g++)
		lines_close(&guests[g]);
	end(&s);
	free(chips);
}

void bench_bus(void)
{
	unsigned k;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (!server_has(kinds[k].device))
			exit(77);
	}
	requests();
	interrupts();
}
