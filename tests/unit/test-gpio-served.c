/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The GPIO device on real rings: framing, both queues at once, what comes
 * first, stops and resets with buffers parked. Outputs are wired to inputs, so
 * that the driver makes its own edges.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "served.h"
#include "wire/virtio-gpio.h"

enum { POISON = 0xa5, IN = 1 << 20, EVENTS = 2 << 20, OUTPUTS = 8, OK = GPIO_STATUS_OK,
	ERR = GPIO_STATUS_ERR, VALID = GPIO_IRQ_STATUS_VALID, INVALID = GPIO_IRQ_STATUS_INVALID,
	TURNS = 200, PIECES = 8 };

extern const struct device device_gpio;

static const char list[] = "s16[0/wire=8,1/wire=9,2/wire=10,3/wire=11,4/wire=12,5/wire=13,"
	"6/wire=14,7/wire=15,8-15]";

static const uint64_t layouts[] = {
	0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX),
};

static struct fe_ring *events;

static void start_events(unsigned size, uint64_t features)
{
	const struct fe_ring_setup setup = { .index = GPIO_EVENTQ, .size = size, .indirect = 16,
		.features = features | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) };

	served_ok(fe_ring_new(served.mem, &setup, &events, &served.err));
	served_ok(fe_ring_start(events, served.fe, &served.err));
}

static void begin_list(const char *lines, const char *edges, int layout)
{
	served_option(&device_gpio, "device-list", lines);
	served_option(&device_gpio, "edges", edges);
	served_open(&device_gpio);
	served_start(16, layouts[layout] | BIT(VIRTIO_GPIO_F_IRQ));
	start_events(16, layouts[layout]);
	memset(served.view, POISON, SERVED_DATA);
}

static void begin(const char *edges, int layout)
{
	begin_list(list, edges, layout);
}

static void end(void)
{
	fe_ring_free(events);
	events = NULL;
	served_close();
}

/* Wherever descriptors end. */
static unsigned cut(struct fe_seg *segs, uint64_t at, uint32_t size)
{
	unsigned n = 0;
	uint32_t len;

	while (size > 0) {
		len = n + 1 == PIECES ? size : 1 + (uint32_t)rand() % size;
		segs[n++] = (struct fe_seg){ at, len };
		at += len;
		size -= len;
	}
	return n;
}

/* The length of the answer, which is at IN. */
static uint32_t ask_raw(const void *req, uint32_t size, uint32_t room)
{
	struct fe_seg segs[2 * PIECES];
	unsigned n_out, n_in;

	memcpy(served.view, req, size);
	memset(served.view + IN, POISON, room + 1);
	n_out = cut(segs, served.data, size);
	n_in = cut(segs + n_out, served.data + IN, room);
	return served_ask(segs, n_out, n_in, FE_ADD_INDIRECT);
}

static int ask(unsigned type, unsigned line, uint32_t value)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16((uint16_t)line),
		le32(value) };

	ck_assert_uint_eq(ask_raw(&req, sizeof(req), 2), 2);
	ck_assert_int_eq(served.view[IN + 2], POISON);
	return served.view[IN] == OK ? served.view[IN + 1] : -1;
}

static void good(unsigned type, unsigned line, uint32_t value)
{
	ck_assert_int_eq(ask(type, line, value), 0);
}

/* The buffer of a line; what comes back is at its status. */
static unsigned char *buffer_status(unsigned line)
{
	return served.view + EVENTS + 64 * line + 32;
}

static void post_event(unsigned line)
{
	const struct virtio_gpio_irq_request req = { le16((uint16_t)line) };
	const uint64_t at = served.data + EVENTS + 64 * line;
	const struct fe_seg segs[] = { { at, 1 }, { at + 1, 1 }, { at + 32, 1 } };

	memcpy(served.view + EVENTS + 64 * line, &req, sizeof(req));
	*buffer_status(line) = POISON;
	served_ok(fe_ring_add(events, segs, 2, 1, FE_ADD_INDIRECT, buffer_status(line)));
}

static void kick_events(void)
{
	served_ok(fe_ring_kick(events, served.fe, &served.err));
}

/* The device has seen all kicks: its answer to anything else comes later. */
static void settle(void)
{
	ck_assert_int_ge(ask(GPIO_MSG_GET_DIRECTION, 0, 0), 0);
	served_ok(fe_barrier(served.fe, &served.err));
	ck_assert_int_ge(ask(GPIO_MSG_GET_DIRECTION, 0, 0), 0);
}

/* The line of the next event that is there, or -1. */
static int take_event(int status)
{
	struct fe_used used;
	int ret = fe_ring_get(events, &used, &served.err);

	served_ok(ret);
	if (ret == 0)
		return -1;
	ck_assert_uint_eq(used.len, 1);
	ck_assert_int_eq(*(unsigned char *)used.token, status);
	return (int)(((unsigned char *)used.token - (served.view + EVENTS)) / 64);
}

static int await_event(int status)
{
	served_ok(fe_ring_wait(events, served.fe, SERVED_WAIT_MS, &served.err));
	return take_event(status);
}

static unsigned line_bit(int line)
{
	ck_assert_int_ge(line, OUTPUTS);
	return 1U << (line - OUTPUTS);
}

static void arm_all(unsigned type)
{
	unsigned i;

	for (i = 0; i < OUTPUTS; i++) {
		good(GPIO_MSG_SET_VALUE, i, 0);
		good(GPIO_MSG_SET_DIRECTION, i, GPIO_DIRECTION_OUT);
		good(GPIO_MSG_SET_DIRECTION, OUTPUTS + i, GPIO_DIRECTION_IN);
		good(GPIO_MSG_SET_IRQ_TYPE, OUTPUTS + i, type);
		post_event(OUTPUTS + i);
	}
	kick_events();
	settle();
}

START_TEST(any_framing)
{
	const struct virtio_gpio_request names = { le16(GPIO_MSG_GET_LINE_NAMES), le16(0),
		le32(0) };
	struct virtio_gpio_config config;
	uint32_t size = sizeof(config);
	unsigned i;

	srand(5);
	begin("coalesce", _i);
	served_ok(fe_get_config(served.fe, 0, &config, size, &served.err));
	ck_assert_uint_eq(le16_get(config.ngpio), 16);
	size = le32_get(config.gpio_names_size);
	for (i = 0; i < TURNS; i++) {
		good(GPIO_MSG_SET_VALUE, 0, i & 1);
		good(GPIO_MSG_SET_DIRECTION, 0, GPIO_DIRECTION_OUT);
		ck_assert_int_eq(ask(GPIO_MSG_GET_VALUE, 8, 0), (int)(i & 1));
		ck_assert_int_eq(ask(GPIO_MSG_GET_VALUE, 16, 0), -1);
		ck_assert_int_eq(ask(GPIO_MSG_SET_DIRECTION, 0, 0x101), -1);
	}
	ck_assert_uint_eq(ask_raw(&names, sizeof(names), 1 + size), 1 + size);
	ck_assert_int_eq(served.view[IN], OK);
	ck_assert_str_eq((char *)served.view + IN + 1, "dummy0");
	ck_assert_int_eq(served.view[IN + 1 + size], POISON);
	/* Too short for the names, or for anything. */
	ck_assert_uint_eq(ask_raw(&names, sizeof(names), size), 2);
	ck_assert_int_eq(served.view[IN], ERR);
	ck_assert_uint_eq(ask_raw(&names, 7, 2), 2);
	ck_assert_int_eq(served.view[IN], ERR);
	ck_assert_uint_eq(ask_raw(&names, 8, 1), 1);
	ck_assert_int_eq(served.view[IN], ERR);
	ck_assert_int_eq(served.view[IN + 1], POISON);
	ck_assert_uint_eq(ask_raw(&names, 8, 0), 0);
	/* More than is needed on either side. */
	ck_assert_uint_eq(ask_raw(served.view + 4096, 40, 9), 2);
	ck_assert_int_eq(served.view[IN + 2], POISON);
	end();
}
END_TEST

/* Each edge is one interrupt if the driver is as quick as they are. */
START_TEST(every_edge_arrives)
{
	unsigned i, k, line;

	begin("coalesce", _i);
	arm_all(GPIO_IRQ_EDGE_BOTH);
	for (k = 1; k <= TURNS; k++) {
		for (i = 0; i < OUTPUTS; i++) {
			good(GPIO_MSG_SET_VALUE, i, k & 1);
			line = (unsigned)await_event(VALID);
			ck_assert_uint_eq(line, OUTPUTS + i);
			post_event(line);
			kick_events();
		}
	}
	ck_assert_int_eq(take_event(VALID), -1);
	end();
}
END_TEST

/* The driver is slow, and does not lose one of those it is to be told of. */
START_TEST(counted_edges_wait)
{
	unsigned i, k, seen[OUTPUTS] = { 0 };
	int line;

	begin("count", _i);
	arm_all(GPIO_IRQ_EDGE_RISING);
	for (k = 1; k <= 2 * TURNS; k++) {
		for (i = 0; i < OUTPUTS; i++)
			good(GPIO_MSG_SET_VALUE, i, k & 1);
	}
	for (k = 0; k < OUTPUTS * TURNS; k++) {
		line = await_event(VALID);
		ck_assert_int_ge(line, OUTPUTS);
		seen[line - OUTPUTS]++;
		post_event((unsigned)line);
		kick_events();
	}
	settle();
	ck_assert_int_eq(take_event(VALID), -1);
	for (i = 0; i < OUTPUTS; i++)
		ck_assert_uint_eq(seen[i], TURNS);
	end();
}
END_TEST

/* When the answer can be seen the buffer can, too: Linux warns otherwise. */
START_TEST(buffers_return_before_the_answer)
{
	unsigned i, k;

	begin("coalesce", _i);
	for (k = 0; k < 20; k++) {
		arm_all(GPIO_IRQ_EDGE_BOTH);
		for (i = 0; i < OUTPUTS; i++) {
			if (k % 2 == 0)
				good(GPIO_MSG_SET_IRQ_TYPE, OUTPUTS + i, GPIO_IRQ_NONE);
			else
				good(GPIO_MSG_SET_DIRECTION, OUTPUTS + i, GPIO_DIRECTION_NONE);
			ck_assert_int_eq(take_event(INVALID), (int)(OUTPUTS + i));
			good(GPIO_MSG_SET_DIRECTION, i, GPIO_DIRECTION_NONE);
		}
	}
	end();
}
END_TEST

/* As QEMU pauses: all buffers are back with the reply; an edge meanwhile is not lost. */
START_TEST(pause_returns_buffers)
{
	unsigned i, back = 0;

	begin("coalesce", _i);
	arm_all(GPIO_IRQ_EDGE_BOTH);
	served_ok(fe_ring_stop(events, served.fe, &served.err));
	for (i = 0; i < OUTPUTS; i++)
		back |= line_bit(take_event(INVALID));
	ck_assert_uint_eq(back, (1U << OUTPUTS) - 1);
	ck_assert_uint_eq(fe_ring_outstanding(events), 0);
	for (i = 0; i < OUTPUTS; i += 2)
		good(GPIO_MSG_SET_VALUE, i, 1);
	served_ok(fe_ring_start(events, served.fe, &served.err));
	for (i = 0; i < OUTPUTS; i++)
		post_event(OUTPUTS + i);
	kick_events();
	for (i = 0, back = 0; i < OUTPUTS / 2; i++)
		back |= line_bit(await_event(VALID));
	ck_assert_uint_eq(back, 0x55);
	settle();
	ck_assert_int_eq(take_event(VALID), -1);
	ck_assert_uint_eq(fe_ring_outstanding(events), OUTPUTS / 2);
	end();
}
END_TEST

/* The driver begins anew: lines are free, nothing is written into the new ring. */
START_TEST(reset_forgets_buffers)
{
	unsigned i;

	begin("coalesce", _i);
	arm_all(GPIO_IRQ_EDGE_BOTH);
	served_ok(fe_ring_stop(events, served.fe, &served.err));
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_ok(fe_reset_device(served.fe, &served.err));
	fe_ring_reset(events);
	fe_ring_reset(served.ring);
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	served_ok(fe_ring_start(events, served.fe, &served.err));
	for (i = 0; i < OUTPUTS; i++) {
		ck_assert_int_eq(ask(GPIO_MSG_GET_VALUE, OUTPUTS + i, 0), 0);
		good(GPIO_MSG_SET_VALUE, i, 1);
		good(GPIO_MSG_SET_DIRECTION, i, GPIO_DIRECTION_OUT);
	}
	ck_assert_int_eq(take_event(VALID), -1);
	/* Nobody asked for interrupts since. */
	post_event(OUTPUTS);
	kick_events();
	ck_assert_int_eq(await_event(INVALID), OUTPUTS);
	end();
}
END_TEST

/* A request whose answer is at IN + 64 * n. */
static void add_request(unsigned n, unsigned type, unsigned line, uint32_t value)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16((uint16_t)line),
		le32(value) };
	const struct fe_seg segs[] = { { served.data + 64 * n, sizeof(req) },
		{ served.data + IN + 64 * n, 2 } };

	memcpy(served.view + 64 * n, &req, sizeof(req));
	served_ok(fe_ring_add(served.ring, segs, 1, 1, FE_ADD_INDIRECT, served.view + IN + 64 * n));
}

struct answers {
	unsigned good, failed;
};

/* Those that have come since. */
static struct answers take_answers(void)
{
	struct answers answers = { 0 };
	struct fe_used used;
	int ret;

	while ((ret = fe_ring_get(served.ring, &used, &served.err)) == 1) {
		ck_assert_uint_eq(used.len, 2);
		if (*(unsigned char *)used.token == OK)
			answers.good++;
		else
			answers.failed++;
	}
	served_ok(ret);
	return answers;
}

/* That many answers, each with this status. */
static void await_answers(unsigned n, int status)
{
	struct answers answers = take_answers();

	for (;;) {
		ck_assert_uint_eq(status == OK ? answers.failed : answers.good, 0);
		n -= answers.good + answers.failed;
		if (n == 0)
			return;
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		answers = take_answers();
	}
}

/* What has not begun goes back into the ring, and is done after the pause. */
START_TEST(pause_of_a_slow_chip)
{
	struct answers done;
	unsigned i;

	begin_list("s8[*/slow=50]", "coalesce", _i);
	for (i = 0; i < 8; i++)
		add_request(i, GPIO_MSG_SET_DIRECTION, i / 2, i % 2 ? GPIO_DIRECTION_IN :
			    GPIO_DIRECTION_OUT);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	served_ok(fe_barrier(served.fe, &served.err));
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	done = take_answers();
	ck_assert_uint_eq(done.failed, 0);
	ck_assert_uint_lt(done.good, 8);
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	await_answers(8 - done.good, OK);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(ask(GPIO_MSG_GET_DIRECTION, i, 0), GPIO_DIRECTION_IN);
	end();
}
END_TEST

/*
 * The bus hangs: the front end is answered after two seconds, the driver by an
 * error. (On a machine so busy that the stop comes late, the bus may be done by
 * then.)
 */
START_TEST(stop_while_the_bus_hangs)
{
	struct answers answers;

	begin_list("s1[*/slow=2600]", "coalesce", _i);
	add_request(0, GPIO_MSG_SET_DIRECTION, 0, GPIO_DIRECTION_IN);
	/* Needs nothing of the chip, so its answer tells that the other has begun. */
	add_request(1, GPIO_MSG_GET_VALUE, 1, 0);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	await_answers(1, ERR);
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	answers = take_answers();
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	/* If the worker had not even seen it, it went back. */
	if (answers.good + answers.failed == 0) {
		served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
		await_answers(1, OK);
	}
	ck_assert_int_ge(ask(GPIO_MSG_GET_VALUE, 0, 0), 0);
	end();
}
END_TEST

/*
 * Requests that have failed because of another line's call are not done after
 * that; an interrupt that was refused so is not asked for again and again.
 */
START_TEST(failed_requests_are_not_done)
{
	struct answers answers;

	begin_list("s3[0-1/slow=10,2/slow=2600]", "coalesce", _i);
	good(GPIO_MSG_SET_DIRECTION, 0, GPIO_DIRECTION_IN);
	add_request(0, GPIO_MSG_GET_VALUE, 0, 0);
	add_request(1, GPIO_MSG_SET_DIRECTION, 0, GPIO_DIRECTION_OUT);
	add_request(2, GPIO_MSG_GET_VALUE, 1, 0);
	add_request(3, GPIO_MSG_SET_IRQ_TYPE, 1, GPIO_IRQ_EDGE_RISING);
	add_request(4, GPIO_MSG_GET_VALUE, 2, 0);
	served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
	/* Then line 2 is under way, and the others wait for the worker once more. */
	await_answers(2, OK);
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	answers = take_answers();
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
	/*
	 * What the worker had not even seen went back, and a stop that came late,
	 * on a busy machine, may have found line 2 done.
	 */
	if (answers.failed == 0 || answers.good > 0) {
		served_ok(fe_ring_force_kick(served.ring, served.fe, &served.err));
		await_answers(3 - answers.good - answers.failed, OK);
		end();
		return;
	}
	ck_assert_uint_eq(answers.failed, 3);
	ck_assert_int_ge(ask(GPIO_MSG_GET_VALUE, 2, 0), 0);
	ck_assert_int_eq(ask(GPIO_MSG_GET_DIRECTION, 0, 0), GPIO_DIRECTION_IN);
	post_event(1);
	kick_events();
	settle();
	ck_assert_int_eq(take_event(INVALID), -1);
	end();
}
END_TEST

START_TEST(leaves_with_buffers_parked)
{
	begin("coalesce", _i);
	arm_all(GPIO_IRQ_EDGE_BOTH);
	end();
}
END_TEST

/* Without F_IRQ there is one queue. */
START_TEST(no_interrupts)
{
	served_option(&device_gpio, "device-list", list);
	served_open(&device_gpio);
	served_start(4, layouts[_i]);
	good(GPIO_MSG_SET_DIRECTION, 8, GPIO_DIRECTION_IN);
	good(GPIO_MSG_SET_VALUE, 0, 1);
	good(GPIO_MSG_SET_DIRECTION, 0, GPIO_DIRECTION_OUT);
	ck_assert_int_eq(ask(GPIO_MSG_GET_VALUE, 8, 0), 1);
	good(GPIO_MSG_SET_DIRECTION, 8, GPIO_DIRECTION_NONE);
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	served_close();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("gpio-served");
	TCase *tc = tcase_create("gpio-served");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, any_framing, 0, n);
	tcase_add_loop_test(tc, every_edge_arrives, 0, n);
	tcase_add_loop_test(tc, counted_edges_wait, 0, n);
	tcase_add_loop_test(tc, buffers_return_before_the_answer, 0, n);
	tcase_add_loop_test(tc, pause_returns_buffers, 0, n);
	tcase_add_loop_test(tc, reset_forgets_buffers, 0, n);
	tcase_add_loop_test(tc, pause_of_a_slow_chip, 0, n);
	tcase_add_loop_test(tc, stop_while_the_bus_hangs, 0, 1);
	tcase_add_loop_test(tc, failed_requests_are_not_done, 0, 1);
	tcase_add_loop_test(tc, leaves_with_buffers_parked, 0, n);
	tcase_add_loop_test(tc, no_interrupts, 0, n);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
