/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The input device itself: config space, frames and buffers, status, on made-up devices. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input-rig.h"
#include "suite.h"

/* ---- config space ---- */

static bool all_zero(const uint8_t *p, size_t n)
{
	static const uint8_t zeros[VIRTIO_INPUT_DATA];

	return memcmp(p, zeros, n) == 0;
}

static unsigned size_of(unsigned select, unsigned subsel)
{
	return ask_config(select, subsel)->size;
}

static bool is_right(const struct virtio_input_config *config, unsigned select, unsigned subsel)
{
	return config->select == select && config->subsel == subsel &&
		config->size <= VIRTIO_INPUT_DATA &&
		all_zero(config->reserved, sizeof(config->reserved)) &&
		all_zero(config->u.bitmap + config->size,
			 VIRTIO_INPUT_DATA - (size_t)config->size);
}

/*
 * Whatever is asked: a size, zeros behind it, and nothing but what is there. One
 * check for all: so many of them would take minutes on a busy machine.
 */
START_TEST(every_select)
{
	struct virtio_input_config *config;
	unsigned select, subsel, answers = 0, wrong = 0;

	host_setup();
	open_input("virtual:touch");
	config = fake.config;
	for (select = 0; select < 256; select++) {
		for (subsel = 0; subsel < 256; subsel++) {
			config->select = (uint8_t)select;
			config->subsel = (uint8_t)subsel;
			device_input.config_written((struct instance *)NULL, 0, 2);
			wrong += !is_right(config, select, subsel);
			answers += config->size > 0;
		}
	}
	ck_assert_uint_eq(wrong, 0);
	/* Name, ids, properties, two types, six axes. */
	ck_assert_uint_eq(answers, 3 + 2 + 6);
	end_input();
}
END_TEST

START_TEST(config_of_a_keyboard)
{
	const struct virtio_input_config *config;

	host_setup();
	snprintf(nodes[0].caps.serial, INPUT_TEXT, "S-1");
	nodes[0].caps.props[0] = 0x05;
	open_input("virtual:keyboard");
	config = ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0);
	ck_assert_uint_eq(config->size, strlen("Virtual keyboard"));
	ck_assert_int_eq(memcmp(config->u.string, "Virtual keyboard", config->size), 0);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_ID_NAME, 1), 0);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_ID_SERIAL, 0), 0);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_PROP_BITS, 0), 0);
	config = ask_config(VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
	ck_assert_uint_eq(config->size, 8);
	ck_assert_uint_eq(le16_get(config->u.ids.bustype), BUS_VIRTUAL);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_EV_BITS, 0), 0);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ck_assert_uint_eq(config->size, KEY_MICMUTE / 8 + 1);
	ck_assert_uint_eq(config->u.bitmap[0], 0xfe);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_LED);
	ck_assert_uint_eq(config->size, 1);
	ck_assert_uint_eq(config->u.bitmap[0], 7);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_REP);
	ck_assert_uint_eq(config->size, 1);
	ck_assert_uint_eq(config->u.bitmap[0], 3);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_EV_BITS, EV_FF), 0);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_EV_BITS, EV_ABS), 0);
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_ABS_INFO, 0), 0);
	end_input();
}
END_TEST

START_TEST(names_and_ids_of_the_operator)
{
	const struct virtio_input_config *config;

	host_setup();
	option("name", "Mine");
	option("serial", "0815");
	option("devids", "3:46d:C31C:0110");
	open_input("virtual:mouse");
	config = ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0);
	ck_assert_uint_eq(config->size, 4);
	ck_assert_int_eq(memcmp(config->u.string, "Mine", 4), 0);
	config = ask_config(VIRTIO_INPUT_CFG_ID_SERIAL, 0);
	ck_assert_uint_eq(config->size, 4);
	config = ask_config(VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
	ck_assert_uint_eq(le16_get(config->u.ids.bustype), 3);
	ck_assert_uint_eq(le16_get(config->u.ids.vendor), 0x46d);
	ck_assert_uint_eq(le16_get(config->u.ids.product), 0xc31c);
	ck_assert_uint_eq(le16_get(config->u.ids.version), 0x110);
	ck_assert_uint_eq(ask_config(VIRTIO_INPUT_CFG_PROP_BITS, 0)->u.bitmap[0], 1);
	end_input();
}
END_TEST

/* 63 bytes at most, and no character in halves; what is no UTF-8 is passed as it is. */
START_TEST(long_names)
{
	static const struct {
		const char *begin;
		unsigned a, size;
	} rows[] = { { "", 62, 62 }, { "", 63, 63 }, { "", 64, 63 }, { "", 255, 63 },
		{ "\xff\xfe", 3, 5 }, };
	char name[300];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		host_setup();
		snprintf(name, sizeof(name), "%s%0*d", rows[i].begin, (int)rows[i].a, 1);
		option("name", name);
		open_input("virtual:mouse");
		ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_ID_NAME, 0), rows[i].size);
		end_input();
	}
	host_setup();
	/* 62 bytes, then one character of two. */
	snprintf(name, sizeof(name), "%062d\xc3\xa4\xc3\xa4", 1);
	option("name", name);
	open_input("virtual:mouse");
	ck_assert_uint_eq(size_of(VIRTIO_INPUT_CFG_ID_NAME, 0), 62);
	end_input();
}
END_TEST

START_TEST(ids_that_are_none)
{
	static const char *const texts[] = { "", "1:2:3", "1:2:3:", "1:2:3:4:5", "12345:1:1:1",
		"x:1:1:1", "1:2:3:4 ", ":::" };
	const struct option *row = opt_find(input_options, "devids", 6);
	struct ids_conf ids;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		ck_assert_msg(row->parse(texts[i], &ids, &err) == -EINVAL, "%s", texts[i]);
}
END_TEST

START_TEST(keys_that_are_none)
{
	const struct option *row = opt_find(input_options, "hotkey", 6);
	struct hotkey h;

	ck_assert_int_eq(row->parse("leftctrl+RIGHTCTRL+key_a+30", &h, &err), 0);
	ck_assert_uint_eq(h.n, 4);
	ck_assert_uint_eq(h.keys[0], KEY_LEFTCTRL);
	ck_assert_uint_eq(h.keys[2], KEY_A);
	ck_assert_uint_eq(h.keys[3], KEY_A);
	ck_assert_int_eq(row->parse("", &h, &err), -EINVAL);
	ck_assert_int_eq(row->parse("a+", &h, &err), -EINVAL);
	ck_assert_int_eq(row->parse("nothing", &h, &err), -EINVAL);
	ck_assert_int_eq(row->parse("768", &h, &err), -EINVAL);
	ck_assert_int_eq(row->parse("a+b+c+d+e", &h, &err), -EINVAL);
}
END_TEST

/* ---- frames and buffers ---- */

static void send(const char *line)
{
	ck_assert_msg(fake_command(&err, "send", 1, line) == 0, "%s", err.text);
}

/* A frame is told at once or not at all: buffers stay in the ring until then. */
START_TEST(whole_frames)
{
	host_setup();
	open_input("virtual:mouse");
	buffers(2);
	send("move 3 -4");
	ck_assert_uint_eq(untaken(), 0);
	buffers(1);
	expect_events("REL_X 3,REL_Y -4,SYN");
	send("move 1 1");
	send("move 2 2");
	buffers(5);
	expect_events("REL_X 1,REL_Y 1,SYN");
	buffers(1);
	expect_events("REL_X 2,REL_Y 2,SYN");
	end_input();
}
END_TEST

START_TEST(longer_than_the_ring)
{
	host_setup();
	open_input("virtual:touch");
	fake.ring_size = 4;
	buffers(1);
	send("EV_ABS ABS_MT_SLOT 0");
	send("EV_ABS ABS_MT_TRACKING_ID 7");
	send("EV_ABS ABS_MT_POSITION_X 10");
	send("EV_ABS ABS_MT_POSITION_Y 20");
	send("EV_KEY BTN_TOUCH 1");
	ck_assert_uint_eq(untaken(), 0);
	send("syn");
	expect_events("ABS_MT_SLOT 0");
	buffers(1);
	expect_events("ABS_MT_TRACKING_ID 7");
	buffers(4);
	expect_events("ABS_MT_POSITION_X 10,ABS_MT_POSITION_Y 20,BTN_TOUCH 1,SYN");
	/* One that fits waits for all of its places. */
	send("point 5 6");
	buffers(2);
	ck_assert_uint_eq(untaken(), 0);
	buffers(1);
	expect_events("ABS_X 5,ABS_Y 6,SYN");
	end_input();
}
END_TEST

/* A driver that has fewer buffers than its ring has places gets a long frame in parts. */
START_TEST(few_buffers)
{
	host_setup();
	open_input("virtual:touch");
	buffers(2);
	send("point 1 2");
	fake_at(T0 + 40 * MS);
	expect_events("");
	fake_at(T0 + 60 * MS);
	expect_events("ABS_X 1,ABS_Y 2");
	buffers(3);
	expect_events("SYN");
	/* Whole ones again, and nobody waits for what is not there. */
	send("point 3 4");
	fake_at(T0 + 70 * MS);
	buffers(1);
	expect_events("ABS_X 3,ABS_Y 4,SYN");
	fake_at(T0 + 200 * MS);
	send("point 5 6");
	fake_at(T0 + 300 * MS);
	expect_events("");
	buffers(3);
	expect_events("ABS_X 5,ABS_Y 6,SYN");
	end_input();
}
END_TEST

START_TEST(bad_buffers)
{
	struct chain *c[4];

	host_setup();
	open_input("virtual:keyboard");
	buffers(1);
	c[0] = fake_push_to(EVENTQ, NULL, 0, 7);
	c[1] = fake_push_to(EVENTQ, "12345678", 8, 0);
	c[2] = fake_push_to(EVENTQ, NULL, 0, 0);
	c[3] = fake_push_to(EVENTQ, "1234", 4, 100);
	fake_push_to(EVENTQ, NULL, 0, EVENT_SIZE);
	send("EV_KEY KEY_A 1");
	send("EV_MSC MSC_SCAN 30");
	send("syn");
	expect_events("KEY_A 1,MSC_SCAN 30,SYN");
	ck_assert_uint_eq(fake.counters[N_BAD_BUFFERS], 3);
	ck_assert_int_eq(c[0]->end, FAKE_FAILED);
	ck_assert_uint_eq(c[0]->used, 0);
	ck_assert_uint_eq(c[0]->put[0], FAKE_POISON);
	ck_assert_int_eq(c[1]->end, FAKE_FAILED);
	ck_assert_int_eq(c[2]->end, FAKE_FAILED);
	/* More room than is needed: nothing behind the event is touched. */
	ck_assert_uint_eq(c[3]->used, EVENT_SIZE);
	ck_assert_uint_eq(c[3]->put[EVENT_SIZE], FAKE_POISON);
	end_input();
}
END_TEST

/* Memory that has gone costs an event, not more. */
START_TEST(unmapped_buffer)
{
	struct chain *c;

	host_setup();
	open_input("virtual:keyboard");
	c = fake_push_to(EVENTQ, NULL, 0, EVENT_SIZE);
	c->unmapped = true;
	buffers(1);
	send("EV_KEY KEY_A 1");
	send("syn");
	ck_assert_int_eq(c->end, FAKE_FAILED);
	expect_events("SYN");
	buffers(2);
	send("EV_KEY KEY_A 0");
	send("syn");
	expect_events("KEY_A 0,SYN");
	end_input();
}
END_TEST

/* A pause: what was under way comes after it; a reset: nothing does. */
START_TEST(pause_and_reset)
{
	host_setup();
	open_input("virtual:mouse");
	buffers(1);
	send("EV_KEY BTN_LEFT 1");
	send("syn");
	fake_stop();
	fake_start();
	buffers(4);
	expect_events("BTN_LEFT 1,SYN");
	fake_stop();
	fake_reset(RESET_DRIVER);
	fake_start();
	ck_assert_uint_eq(untaken(), 0);
	buffers(4);
	ck_assert_uint_eq(untaken(), 0);
	send("move 1 2");
	expect_events("REL_X 1,REL_Y 2,SYN");
	end_input();
}
END_TEST

/* ---- status ---- */

START_TEST(status_comes_back)
{
	struct chain *c[7];
	unsigned i;

	host_setup();
	open_input("virtual:keyboard");
	c[0] = status(EV_LED, LED_CAPSL, 1);
	c[1] = status(EV_LED, 200, 1);
	c[2] = status(EV_MSC, MSC_SCAN, 4);
	c[3] = status(0xffff, 0xffff, -1);
	c[4] = fake_push_to(STATUSQ, "1234567", 7, 0);
	c[5] = fake_push_to(STATUSQ, NULL, 0, 8);
	c[6] = status(EV_LED, LED_NUML, 0x7fffffff);
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		ck_assert_int_eq(c[i]->end, FAKE_DONE);
		ck_assert_uint_eq(c[i]->used, 0);
	}
	ck_assert_uint_eq(fake.counters[N_STATUS], 7);
	ck_assert_uint_eq(fake.counters[N_STATUS_IGNORED], 3);
	ck_assert_uint_eq(fake.counters[N_BAD_BUFFERS], 2);
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "leds LED_NUML LED_CAPSL\n"));
	end_input();
}
END_TEST

/* ---- commands ---- */

START_TEST(commands)
{
	host_setup();
	open_input("virtual:keyboard");
	buffers(64);
	send("tap leftctrl+c");
	expect_events("KEY_LEFTCTRL 1,SYN,KEY_C 1,SYN,KEY_C 0,SYN,KEY_LEFTCTRL 0,SYN");
	send("type aB");
	expect_events("KEY_A 1,SYN,KEY_A 0,SYN,KEY_LEFTSHIFT 1,SYN,KEY_B 1,SYN,KEY_B 0,SYN,"
		      "KEY_LEFTSHIFT 0,SYN");
	ck_assert_int_eq(fake_command(&err, "send", 1, "move 1 2"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "has no REL_X"));
	ck_assert_int_eq(fake_command(&err, "send", 1, "nonsense"), -EINVAL);
	ck_assert_int_eq(fake_command(&err, "switch", 0), -ENOENT);
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "keyboard: present, in use\n"));
	fake_stop();
	ck_assert_int_eq(fake_command(&err, "send", 1, "tap a"), -ENOTCONN);
	fake_start();
	expect_events("");
	end_input();
}
END_TEST

START_TEST(kinds_that_are_none)
{
	static const char *const specs[] = { "virtual:", "virtual:thing", "virtual:keyboardx",
		"virtual:/nowhere/at/all", "virtual:/proc/self/status", "/nowhere/event0", "name:",
		"id:12:34", "name:nobody" };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		host_setup();
		err = ERROR_NONE;
		ck_assert_msg(try_open(specs[i]) < 0, "%s", specs[i]);
		ck_assert_msg(err.text[0] != '\0', "%s", specs[i]);
		end_input();
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input");
	TCase *tc = tcase_create("config");

	tcase_add_test(tc, every_select);
	tcase_add_test(tc, config_of_a_keyboard);
	tcase_add_test(tc, names_and_ids_of_the_operator);
	tcase_add_test(tc, long_names);
	tcase_add_test(tc, ids_that_are_none);
	tcase_add_test(tc, keys_that_are_none);
	suite_add_tcase(s, tc);
	tc = tcase_create("events");
	tcase_add_test(tc, whole_frames);
	tcase_add_test(tc, longer_than_the_ring);
	tcase_add_test(tc, few_buffers);
	tcase_add_test(tc, bad_buffers);
	tcase_add_test(tc, unmapped_buffer);
	tcase_add_test(tc, pause_and_reset);
	tcase_add_test(tc, status_comes_back);
	tcase_add_test(tc, commands);
	tcase_add_test(tc, kinds_that_are_none);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
