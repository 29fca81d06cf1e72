/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guests of one process whose lines all interrupt: no edge is lost, also while
 * one of them leaves and comes back. Levels change by --control, as if they
 * came from outside.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "lines.h"
#include "wire/virtio-gpio.h"

enum { GUESTS = 8, PULSES = 5, EDGES = 40000 };

static struct server server;
static struct lines guests[GUESTS];
static unsigned driven[GUESTS][LINES], sum[GUESTS];

static void start(const char *edges)
{
	const char *args[] = { "-s", "@g.sock", "-c", "8", "-l",
		"s64:s64:s64:s64:s64:s64:s64:s64", "--edges", edges, "--control", "@ctl", NULL };

	server_start(&server, "gpio", args);
	memset(driven, 0, sizeof(driven));
	memset(sum, 0, sizeof(sum));
}

static void tear_down(void)
{
	server_clean_up(&server);
}

static void join(unsigned g, uint64_t leave_out)
{
	char name[16];

	snprintf(name, sizeof(name), "g.sock%u", g);
	lines_open(&guests[g], server_path(&server, name), leave_out, 0);
	lines_arm(&guests[g], GPIO_IRQ_EDGE_BOTH);
	memset(driven[g], 0, sizeof(driven[g]));
	sum[g] = 0;
}

/* One command of the operator; it has been carried out when this returns. */
static void command(unsigned g, const char *text)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[16], answer[64];

	snprintf(name, sizeof(name), "ctl%u", g);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", server_path(&server, name));
	must(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	must(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	must(read(fd, answer, sizeof(answer)) == 0);
	close(fd);
}

static void pulse(unsigned g, unsigned line, unsigned n)
{
	char text[32];

	snprintf(text, sizeof(text), "pulse %u %u\n", line, n);
	command(g, text);
	driven[g][line] += 2 * n;
	sum[g] += 2 * n;
}

static void take_all(void)
{
	unsigned g;

	for (g = 0; g < GUESTS; g++)
		lines_take(&guests[g]);
}

/* What was driven has come, line by line, and no more than that. */
static void check_all(void)
{
	unsigned g, i;

	for (g = 0; g < GUESTS; g++)
		ck_assert_msg(lines_await(&guests[g], sum[g]), "guest %u: %u of %u edges", g,
			      guests[g].total, sum[g]);
	for (g = 0; g < GUESTS; g++) {
		/* An answer comes behind every event that was there. */
		lines_ask(&guests[g], GPIO_MSG_GET_VALUE, 0, 0);
		must(lines_take(&guests[g]) == 0);
		must(guests[g].refused == 0);
		for (i = 0; i < LINES; i++)
			must(guests[g].seen[i] == driven[g][i]);
	}
}

/* Odd guests have packed rings. */
static void begin(void)
{
	unsigned g;

	start("count");
	for (g = 0; g < GUESTS; g++)
		join(g, g & 1 ? 0 : BIT(VIRTIO_F_RING_PACKED));
}

static void end(void)
{
	unsigned g;

	for (g = 0; g < GUESTS; g++)
		lines_close(&guests[g]);
	server_stop(&server);
}

START_TEST(no_edge_is_lost)
{
	unsigned i, n = test_scaled(EDGES) / (2 * PULSES);

	begin();
	for (i = 0; i < n; i++) {
		pulse(i % GUESTS, i / GUESTS * 7 % LINES, 1 + i % (2 * PULSES - 1));
		if (i % 3 == 0)
			take_all();
	}
	check_all();
	end();
}
END_TEST

/* The others go on; the one that is back has free lines and may begin anew. */
START_TEST(guests_come_and_go)
{
	unsigned i, k, g;

	begin();
	for (i = 0; i < 24; i++) {
		g = i % GUESTS;
		for (k = 0; k < GUESTS; k++)
			pulse(k, i, PULSES);
		/* With all its buffers parked but those that just came. */
		lines_close(&guests[g]);
		pulse(g, 1, 1);
		for (k = 0; k < GUESTS; k++) {
			if (k != g)
				pulse(k, i + 1, PULSES);
		}
		join(g, i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0);
		pulse(g, i + 2, PULSES);
	}
	check_all();
	end();
}
END_TEST

/* Edges while nobody looks are one interrupt, the last level is never missed. */
START_TEST(coalesced_edges)
{
	unsigned g, i;

	start("coalesce");
	for (g = 0; g < GUESTS; g++)
		join(g, 0);
	for (g = 0; g < GUESTS; g++) {
		for (i = 0; i < LINES; i++)
			pulse(g, i, 1 + i % PULSES);
	}
	for (g = 0; g < GUESTS; g++) {
		/* The first edge took the buffer, the others wait for the next. */
		must(lines_await(&guests[g], 2 * LINES));
		lines_ask(&guests[g], GPIO_MSG_GET_VALUE, 0, 0);
		must(lines_take(&guests[g]) == 0);
		for (i = 0; i < LINES; i++)
			must(guests[g].seen[i] == 2);
	}
	end();
}
END_TEST

/* All armed and nothing happens: no processor time at all, and one thread. */
START_TEST(idle_costs_nothing)
{
	unsigned before;

	begin();
	pulse(0, 0, 1);
	check_all();
	ck_assert_uint_eq(server_threads(&server), 1);
	before = server_cpu(&server);
	poll(NULL, 0, 1000);
	ck_assert_uint_eq(server_cpu(&server), before);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gpio");
	TCase *tc = tcase_create("gpio");
	SRunner *sr;
	int failed;

	if (!server_has("gpio"))
		return server_skip("gpio");
	sr = srunner_create(s);
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, no_edge_is_lost);
	tcase_add_test(tc, guests_come_and_go);
	tcase_add_test(tc, coalesced_edges);
	tcase_add_test(tc, idle_costs_nothing);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
