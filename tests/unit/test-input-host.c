/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Devices of a host that is made up: leaks, losses, plugs, grabs, LEDs, repeated keys. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input-rig.h"
#include "suite.h"

enum { FLOOD = 10000 };

static void begin(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/event3", folder);
	open_input(path);
	buffers(64);
	expect_events("");
}

static void set_axis(unsigned node, unsigned axis, int min, int max, int value)
{
	bit_set(nodes[node].caps.bits[EV_ABS], axis, true);
	nodes[node].caps.abs[axis] = (struct input_absinfo){ .minimum = min, .maximum = max,
		.fuzz = 1, .flat = 2, .resolution = 3 };
	if (axis != ABS_MT_SLOT)
		nodes[node].state.abs[axis] = value;
}

static void make_touch(void)
{
	set_axis(0, ABS_X, -5, 4095, 0);
	set_axis(0, ABS_MT_SLOT, 0, 9, 0);
	set_axis(0, ABS_MT_TRACKING_ID, 0, 65535, 0);
	set_axis(0, ABS_MT_POSITION_X, 0, 4095, 0);
	bit_set(nodes[0].caps.bits[EV_KEY], BTN_TOUCH, true);
}

static void finger(unsigned slot, int id, int x)
{
	nodes[0].state.mt[slot][ABS_MT_TRACKING_ID - INPUT_MT_FIRST] = id;
	nodes[0].state.mt[slot][ABS_MT_POSITION_X - INPUT_MT_FIRST] = x;
}

/* ---- what it is ---- */

START_TEST(everything_is_told)
{
	const struct virtio_input_config *config;

	host_setup();
	make_touch();
	set_axis(0, ABS_MT_SLOT, 0, 200, 0);
	bit_set(nodes[0].caps.bits[EV_SW], SW_LID, true);
	bit_set(nodes[0].caps.bits[EV_SW], SW_MACHINE_COVER, true);
	bit_set(nodes[0].caps.bits[EV_KEY], KEY_MAX, true);
	nodes[0].caps.props[0] = 0x12;
	snprintf(nodes[0].caps.serial, INPUT_TEXT, "serial");
	begin();
	config = ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0);
	ck_assert_uint_eq(config->size, strlen("Test keyboard"));
	config = ask_config(VIRTIO_INPUT_CFG_ID_SERIAL, 0);
	ck_assert_uint_eq(config->size, 6);
	config = ask_config(VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
	ck_assert_uint_eq(le16_get(config->u.ids.vendor), 0x1234);
	config = ask_config(VIRTIO_INPUT_CFG_PROP_BITS, 0);
	ck_assert_uint_eq(config->size, 1);
	ck_assert_uint_eq(config->u.bitmap[0], 0x12);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ck_assert_uint_eq(config->size, 96);
	ck_assert_uint_eq(config->u.bitmap[95], 0x80);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_SW);
	ck_assert_uint_eq(config->size, SW_MACHINE_COVER / 8 + 1);
	config = ask_config(VIRTIO_INPUT_CFG_ABS_INFO, ABS_X);
	ck_assert_uint_eq(config->size, 20);
	ck_assert_int_eq((int)le32_get(config->u.abs.min), -5);
	ck_assert_uint_eq(le32_get(config->u.abs.max), 4095);
	ck_assert_uint_eq(le32_get(config->u.abs.fuzz), 1);
	ck_assert_uint_eq(le32_get(config->u.abs.flat), 2);
	ck_assert_uint_eq(le32_get(config->u.abs.res), 3);
	config = ask_config(VIRTIO_INPUT_CFG_ABS_INFO, ABS_MT_SLOT);
	ck_assert_uint_eq(le32_get(config->u.abs.max), INPUT_SLOTS - 1);
	ck_assert_uint_eq(ask_config(VIRTIO_INPUT_CFG_ABS_INFO, 64)->size, 0);
	ck_assert_uint_eq(ask_config(VIRTIO_INPUT_CFG_ABS_INFO, 255)->size, 0);
	end_input();
}
END_TEST

static void open_fails(const char *spec, int code, const char *text)
{
	char path[128];

	err = ERROR_NONE;
	snprintf(path, sizeof(path), "%s%s%s", *spec == 'e' ? folder : "",
		 *spec == 'e' ? "/" : "", spec);
	ck_assert_int_eq(try_open(path), code);
	ck_assert_msg(strncmp(err.text, "Event device file doesn't exists or can't be accessed: ",
			      55) == 0, "%s", err.text);
	ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
	end_input();
}

START_TEST(devices_that_are_none)
{
	host_setup();
	open_fails("event4", -ENOENT, "No such file");
	host_setup();
	nodes[0].error = -EACCES;
	open_fails("event3", -EACCES, "group input");
	host_setup();
	nodes[0].no_evdev = true;
	open_fails("event3", -ENOTTY, "evdev node");
	host_setup();
	open_fails("name:Test k", -ENOENT, "No such file");
}
END_TEST

START_TEST(found_by_what_it_is_like)
{
	static const char *const specs[] = { "name:Test key*", "uniq:abc", "phys:usb-*/input0",
		"id:1234:5678", "id:1234:56??" };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		host_setup();
		nodes[1].caps = nodes[0].caps;
		snprintf(nodes[0].caps.name, INPUT_TEXT, "Another");
		nodes[0].caps.id.product = 1;
		snprintf(nodes[1].caps.serial, INPUT_TEXT, "abc");
		snprintf(nodes[1].phys, sizeof(nodes[1].phys), "usb-1.2/input0");
		plug(1, "event12");
		open_input(specs[i]);
		buffers(8);
		key(0, KEY_A, 1);
		expect_events("");
		key(1, KEY_B, 1);
		expect_events("KEY_B 1,SYN");
		end_input();
	}
}
END_TEST

START_TEST(found_by_a_pattern_of_paths)
{
	char path[128];

	host_setup();
	snprintf(path, sizeof(path), "%s/ev*3", folder);
	open_input(path);
	buffers(2);
	key(0, KEY_A, 1);
	expect_events("KEY_A 1,SYN");
	end_input();
}
END_TEST

START_TEST(read_only)
{
	host_setup();
	nodes[0].read_only = true;
	begin();
	key(0, KEY_A, 1);
	expect_events("KEY_A 1,SYN");
	ck_assert_int_eq(status(EV_LED, LED_CAPSL, 1)->end, FAKE_DONE);
	ck_assert_uint_eq(nodes[0].n_written, 0);
	end_input();
}
END_TEST

/* ---- no leaks ---- */

START_TEST(typed_before)
{
	char path[128];

	host_setup();
	snprintf(path, sizeof(path), "%s/event3", folder);
	ck_assert_int_eq(try_open(path), 0);
	key(0, KEY_S, 1);
	key(0, KEY_S, 0);
	key(0, KEY_ENTER, 1);
	fake_start();
	buffers(64);
	expect_events("");
	/* Its release is none of the guest's business either; the next press is. */
	key(0, KEY_ENTER, 0);
	expect_events("");
	key(0, KEY_ENTER, 1);
	key(0, KEY_ENTER, 0);
	expect_events("KEY_ENTER 1,SYN,KEY_ENTER 0,SYN");
	end_input();
}
END_TEST

START_TEST(state_at_the_start)
{
	host_setup();
	make_touch();
	nodes[0].state.abs[ABS_X] = 77;
	bit_set(nodes[0].caps.bits[EV_SW], SW_LID, true);
	bit_set(nodes[0].state.sw, SW_LID, true);
	finger(2, 9, 100);
	bit_set(nodes[0].state.keys, KEY_A, true);
	open_input("name:Test*");
	buffers(64);
	expect_events("SW_LID 1,ABS_X 77,ABS_MT_SLOT 2,ABS_MT_TRACKING_ID 9,ABS_MT_POSITION_X 100,"
		      "ABS_MT_SLOT 0,SYN");
	end_input();
}
END_TEST

/* A key that is let go during a pause is let go for the guest after it. */
START_TEST(let_go_in_a_pause)
{
	host_setup();
	begin();
	key(0, KEY_A, 1);
	key(0, KEY_B, 1);
	expect_events("KEY_A 1,SYN,KEY_B 1,SYN");
	fake_stop();
	key(0, KEY_A, 0);
	key(0, KEY_C, 1);
	fake_start();
	expect_events("KEY_A 0,SYN");
	key(0, KEY_C, 0);
	expect_events("");
	key(0, KEY_B, 0);
	expect_events("KEY_B 0,SYN");
	end_input();
}
END_TEST

/* ---- losses ---- */

START_TEST(kernel_dropped)
{
	host_setup();
	make_touch();
	begin();
	key(0, KEY_A, 1);
	key(0, KEY_B, 1);
	expect_events("KEY_A 1,SYN,KEY_B 1,SYN");
	/* A frame that was cut, and what happened meanwhile. */
	emit(0, EV_KEY, KEY_D, 1);
	emit(0, EV_SYN, SYN_DROPPED, 0);
	emit(0, EV_KEY, KEY_E, 1);
	bit_set(nodes[0].state.keys, KEY_D, false);
	bit_set(nodes[0].state.keys, KEY_E, false);
	bit_set(nodes[0].state.keys, KEY_A, false);
	bit_set(nodes[0].state.keys, KEY_C, true);
	nodes[0].state.abs[ABS_X] = 5;
	finger(1, 3, 30);
	nodes[0].state.slot = 1;
	emit_syn(0);
	expect_events("KEY_A 0,SYN,KEY_C 1,ABS_X 5,ABS_MT_SLOT 1,ABS_MT_TRACKING_ID 3,"
		      "ABS_MT_POSITION_X 30,SYN");
	ck_assert_uint_eq(fake.counters[N_LOST], 1);
	/* Another finger in the same place: the first one is lifted. */
	emit(0, EV_SYN, SYN_DROPPED, 0);
	finger(1, 4, 30);
	emit_syn(0);
	expect_events("ABS_MT_TRACKING_ID -1,SYN,ABS_MT_TRACKING_ID 4,SYN");
	key(0, KEY_C, 0);
	expect_events("KEY_C 0,SYN");
	end_input();
}
END_TEST

static void flood(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		emit(0, EV_REL, REL_X, 1);
		emit(0, EV_REL, REL_Y, i % 2 ? 3 : -1);
		emit_syn(0);
		fake_settle();
	}
}

/* A guest that takes nothing: in the end it knows how things are, and how far it went. */
START_TEST(guest_takes_nothing)
{
	struct event ev;
	int x = 0, y = 0;

	host_setup();
	bit_set(nodes[0].caps.bits[EV_REL], REL_X, true);
	bit_set(nodes[0].caps.bits[EV_REL], REL_Y, true);
	bit_set(nodes[0].caps.bits[EV_KEY], BTN_LEFT, true);
	bit_set(nodes[0].caps.bits[EV_KEY], BTN_RIGHT, true);
	open_input("name:Test*");
	buffers(2);
	key(0, BTN_LEFT, 1);
	expect_events("BTN_LEFT 1,SYN");
	flood(FLOOD);
	key(0, BTN_RIGHT, 1);
	key(0, BTN_LEFT, 0);
	ck_assert_uint_eq(fake.counters[N_OVERFLOWS], 1);
	buffers(16);
	while (untaken() > 0) {
		ev = next_event();
		x += ev.type == EV_REL && ev.code == REL_X ? ev.value : 0;
		y += ev.type == EV_REL && ev.code == REL_Y ? ev.value : 0;
	}
	ck_assert_int_eq(x, FLOOD);
	ck_assert_int_eq(y, FLOOD);
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "down BTN_RIGHT\n"));
	key(0, BTN_RIGHT, 0);
	expect_events("BTN_RIGHT 0,SYN");
	end_input();
}
END_TEST

/* The rest of a long frame is told even if all behind it was given up. */
START_TEST(overflow_in_a_long_frame)
{
	unsigned i;

	host_setup();
	bit_set(nodes[0].caps.bits[EV_REL], REL_X, true);
	open_input("name:Test*");
	fake.ring_size = 2;
	buffers(1);
	emit(0, EV_KEY, KEY_A, 1);
	emit(0, EV_KEY, KEY_B, 1);
	emit_syn(0);
	expect_events("KEY_A 1");
	for (i = 0; i < 5000; i++) {
		emit(0, EV_REL, REL_X, 1);
		emit_syn(0);
		fake_settle();
	}
	buffers(10);
	expect_events("KEY_B 1,SYN,REL_X 5000,SYN");
	end_input();
}
END_TEST

/* No end of a frame: it costs that frame. */
START_TEST(endless_frame)
{
	unsigned i;

	host_setup();
	begin();
	for (i = 0; i < 3000; i++) {
		emit(0, EV_MSC, MSC_SCAN, (int)i);
		fake_settle();
	}
	emit(0, EV_KEY, KEY_A, 1);
	fake_settle();
	expect_events("");
	emit_syn(0);
	expect_events("KEY_A 1,SYN");
	end_input();
}
END_TEST

START_TEST(foreign_events)
{
	host_setup();
	begin();
	emit(0, EV_ABS, ABS_X, 5);
	emit(0, EV_REL, REL_MAX, 5);
	emit(0, EV_KEY, KEY_MAX, 1);
	emit(0, EV_KEY, 0xffff, 1);
	emit(0, 0xffff, 0xffff, -1);
	emit(0, EV_FF, 1, 1);
	emit(0, EV_SYN, SYN_MAX, 1);
	emit_syn(0);
	expect_events("");
	emit(0, EV_SYN, SYN_MT_REPORT, 0);
	key(0, KEY_A, 1);
	expect_events("SYN_MT_REPORT 0,KEY_A 1,SYN");
	end_input();
}
END_TEST

/* ---- plugs ---- */

static void wait_for(bool (*done)(void))
{
	unsigned i;

	for (i = 0; !done(); i++) {
		ck_assert_uint_lt(i, 20000);
		fake_settle();
		poll(NULL, 0, 1);
	}
}

static bool is_present(void)
{
	return ((struct input *)fake.state)->source->present;
}

START_TEST(unplugged_and_back)
{
	host_setup();
	open_input("name:Test*");
	buffers(64);
	key(0, KEY_A, 1);
	expect_events("KEY_A 1,SYN");
	unplug(0);
	expect_events("KEY_A 0,SYN");
	ck_assert(!is_present());
	ck_assert_uint_eq(fake.counters[N_UNPLUGGED], 1);
	ck_assert_int_eq(status(EV_LED, LED_CAPSL, 1)->end, FAKE_DONE);
	/* udev has not set its mode yet; a key is held while it is plugged in. */
	nodes[0].error = -EACCES;
	memset(nodes[0].state.keys, 0, sizeof(nodes[0].state.keys));
	bit_set(nodes[0].state.keys, KEY_B, true);
	plug(0, "event17");
	fake_settle();
	ck_assert(!is_present());
	nodes[0].error = 0;
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	expect_events("");
	key(0, KEY_B, 0);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	end_input();
}
END_TEST

/* inotify alone brings it back: no time passes. */
START_TEST(back_at_once)
{
	host_setup();
	open_input("name:Test*");
	buffers(8);
	unplug(0);
	fake_settle();
	ck_assert(!is_present());
	plug(0, "event4");
	wait_for(is_present);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	end_input();
}
END_TEST

START_TEST(another_device)
{
	unsigned warnings;

	host_setup();
	begin();
	unplug(0);
	fake_settle();
	bit_set(nodes[0].caps.bits[EV_KEY], KEY_MAX, true);
	warnings = fake.warnings;
	plug(0, "event3");
	fake_settle();
	fake_at(T0 + 5000 * MS);
	fake_at(T0 + 10000 * MS);
	ck_assert(!is_present());
	/* Told once. */
	ck_assert_uint_le(fake.warnings, warnings + 1);
	bit_set(nodes[0].caps.bits[EV_KEY], KEY_MAX, false);
	fake_at(T0 + 15000 * MS);
	wait_for(is_present);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	end_input();
}
END_TEST

/* While no guest is there, too. */
START_TEST(unplugged_at_rest)
{
	host_setup();
	begin();
	fake_stop();
	fake_reset(RESET_LEFT);
	unplug(0);
	fake_settle();
	ck_assert(!is_present());
	fake_start();
	expect_events("");
	plug(0, "event3");
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	end_input();
}
END_TEST

/* ---- described, and maybe not there yet ---- */

static char description[128];

static void write_description(const char *text)
{
	FILE *f;

	snprintf(description, sizeof(description), "%s/description", folder);
	f = fopen(description, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* As the device itself says it. */
static void take_description(void)
{
	begin();
	ck_assert_int_eq(fake_command(&err, "describe", 0), 0);
	fake_stop();
	fake_close();
	fake_teardown();
	write_description(fake.reply);
}

static void end_described(void)
{
	ck_assert_int_eq(unlink(description), 0);
	end_input();
}

START_TEST(description_tells_all)
{
	struct caps caps;
	unsigned i;

	host_setup();
	make_touch();
	bit_set(nodes[0].caps.bits[EV_KEY], KEY_MAX, true);
	bit_set(nodes[0].caps.bits[EV_SW], SW_MACHINE_COVER, true);
	bit_set(nodes[0].caps.bits[EV_REL], REL_WHEEL, true);
	nodes[0].caps.props[0] = 0x12;
	take_description();
	ck_assert_int_eq(describe_read(NULL, description, &caps, &err), 0);
	ck_assert_str_eq(caps.name, nodes[0].caps.name);
	ck_assert_mem_eq(&caps.id, &nodes[0].caps.id, sizeof(caps.id));
	ck_assert_mem_eq(caps.props, nodes[0].caps.props, sizeof(caps.props));
	ck_assert_mem_eq(caps.abs, nodes[0].caps.abs, sizeof(caps.abs));
	for (i = 0; i < INPUT_TYPES; i++)
		ck_assert_mem_eq(caps.bits[i], nodes[0].caps.bits[i], INPUT_BYTES);
	begin();
	end_described();
}
END_TEST

/* The first line of bits is of types to older ones, of codes of EV_SYN to others. */
START_TEST(descriptions_of_both_ages)
{
	static const struct {
		const char *text;
		uint8_t rep;
	} rows[] = {
		{ "N: Old\nB: 00 13 00 12 00 00 00 00 00\nB: 01 02\n", 3 },
		{ "N: Old\nB: 00 13 00 02 00 00 00 00 00\nB: 01 02\n", 0 },
		{ "N: New\nB: 00 0b 00 00 00 00 00 00 00\nB: 01 02\nB: 14 03 00\n", 3 },
		{ "N: New\nB: 00 0b 00 00 00 00 00 00 00\nB: 01 02\nB: 15 01 00\n", 0 },
	};
	struct caps caps;
	unsigned i;

	host_setup();
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		write_description(rows[i].text);
		ck_assert_int_eq(describe_read(NULL, description, &caps, &err), 0);
		ck_assert_uint_eq(caps.bits[EV_REP][0], rows[i].rep);
		ck_assert_uint_eq(caps.bits[EV_KEY][0], 1 << KEY_ESC);
		ck_assert_uint_eq(caps.bits[EV_SYN][0], 0);
	}
	begin();
	end_described();
}
END_TEST

START_TEST(absent_at_the_start)
{
	const struct virtio_input_config *config;

	host_setup();
	take_description();
	unplug(0);
	option("description", description);
	open_input("name:Test*");
	buffers(64);
	ck_assert(!is_present());
	config = ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0);
	ck_assert_uint_eq(config->size, strlen("Test keyboard"));
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ck_assert_uint_eq(config->size, 200 / 8 + 1);
	ck_assert_int_eq(status(EV_LED, LED_CAPSL, 1)->end, FAKE_DONE);
	expect_events("");
	bit_set(nodes[0].state.leds, LED_NUML, true);
	plug(0, "event9");
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	ck_assert_uint_eq(fake.counters[N_UNPLUGGED], 0);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	/* It gets the LEDs that the guest has set, and at the end its own. */
	ck_assert_uint_eq(nodes[0].n_written, 4);
	ck_assert_int_eq(nodes[0].written[LED_NUML].value, 0);
	ck_assert_int_eq(nodes[0].written[LED_CAPSL].value, 1);
	take_written(0);
	fake_stop();
	fake_reset(RESET_LEFT);
	ck_assert_int_eq(nodes[0].written[LED_NUML].value, 1);
	ck_assert_int_eq(nodes[0].written[LED_CAPSL].value, 0);
	end_described();
}
END_TEST

/* A guest that has set no LEDs puts none out. */
START_TEST(lights_of_the_host)
{
	host_setup();
	take_description();
	unplug(0);
	option("description", description);
	open_input("name:Test*");
	buffers(8);
	bit_set(nodes[0].state.leds, LED_NUML, true);
	plug(0, "event9");
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	fake_stop();
	fake_reset(RESET_LEFT);
	ck_assert_uint_eq(nodes[0].n_written, 0);
	end_described();
}
END_TEST

START_TEST(another_than_described)
{
	host_setup();
	take_description();
	option("description", description);
	begin();
	ck_assert_uint_eq(fake.warnings, 0);
	fake_stop();
	fake_close();
	fake_teardown();
	bit_set(nodes[0].caps.bits[EV_KEY], KEY_MAX, true);
	begin();
	ck_assert_uint_eq(fake.warnings, 1);
	ck_assert(is_present());
	ck_assert_uint_eq(ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY)->size, 96);
	end_described();
}
END_TEST

/* Who may not be opened is there: waiting would not help. */
START_TEST(not_absent_but_forbidden)
{
	char path[128];

	host_setup();
	take_description();
	option("description", description);
	nodes[0].error = -EACCES;
	snprintf(path, sizeof(path), "%s/event3", folder);
	ck_assert_int_eq(try_open(path), -EACCES);
	end_described();
	/* But of a name the forbidden one could be another. */
	host_setup();
	take_description();
	option("description", description);
	nodes[0].error = -EACCES;
	open_input("name:Test*");
	buffers(8);
	ck_assert(!is_present());
	nodes[0].error = 0;
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	end_described();
}
END_TEST

START_TEST(descriptions_that_are_none)
{
	static const char *const texts[] = { "", "# comment\n\n", "nonsense\n",
		"N: Name\nI: 0003 1234\n", "B: 01 zz\n", "A: 00 1 2\n", "E: 0.0 0001 001e 1\n" };
	static char endless[4096], kind[] = "virtual:mouse";
	struct input_conf virtual = { .spec = kind, .description = description };
	unsigned i;

	for (i = 0; i <= ARRAY_SIZE(texts); i++) {
		host_setup();
		memset(endless, 'N', sizeof(endless) - 1);
		write_description(i < ARRAY_SIZE(texts) ? texts[i] : endless);
		option("description", description);
		err = ERROR_NONE;
		ck_assert_int_eq(try_open("name:Test*"), -EINVAL);
		ck_assert_ptr_nonnull(strstr(err.text, "--description: "));
		end_described();
	}
	for (i = 0; i < 2; i++) {
		host_setup();
		option("description", i == 0 ? folder : "/nowhere/at/all");
		ck_assert_int_eq(try_open("name:Test*"), i == 0 ? -EINVAL : -ENOENT);
		end_input();
	}
	ck_assert_int_eq(input_check(&virtual, &err), -EINVAL);
}
END_TEST

/* ---- grabs ---- */

START_TEST(no_grab_unless_asked)
{
	host_setup();
	begin();
	key(0, KEY_A, 1);
	ck_assert_uint_eq(nodes[0].grabs, 0);
	end_input();
}
END_TEST

START_TEST(grab_when_all_keys_are_up)
{
	host_setup();
	option("grab", "on");
	bit_set(nodes[0].state.keys, KEY_ENTER, true);
	begin();
	ck_assert(!is_grabbed(0));
	key(0, KEY_A, 1);
	key(0, KEY_ENTER, 0);
	ck_assert(!is_grabbed(0));
	key(0, KEY_A, 0);
	ck_assert(is_grabbed(0));
	expect_events("KEY_A 1,SYN,KEY_A 0,SYN");
	fake_stop();
	ck_assert(!is_grabbed(0));
	fake_start();
	ck_assert(is_grabbed(0));
	unplug(0);
	fake_settle();
	plug(0, "event3");
	fake_at(T0 + 2000 * MS);
	wait_for(is_present);
	ck_assert(is_grabbed(0));
	end_input();
}
END_TEST

START_TEST(grabbed_by_somebody_else)
{
	host_setup();
	option("grab", "on");
	nodes[0].foreign_grab = true;
	begin();
	ck_assert(!is_grabbed(0));
	nodes[0].foreign_grab = false;
	fake_at(T0 + 3000 * MS);
	ck_assert(is_grabbed(0));
	end_input();
}
END_TEST

/* ---- LEDs and sounds ---- */

START_TEST(leds_and_sounds)
{
	static const struct event wanted[] = { { EV_LED, LED_CAPSL, 1 }, { EV_SYN, 0, 0 },
		{ EV_SND, SND_TONE, 440 }, { EV_SYN, 0, 0 } };
	unsigned i;

	host_setup();
	begin();
	status(EV_LED, LED_CAPSL, 7);
	status(EV_SND, SND_TONE, 440);
	/* None of these is written. */
	status(EV_MSC, MSC_SCAN, 4);
	status(EV_REP, REP_DELAY, 1);
	status(EV_SYN, SYN_REPORT, 0);
	status(EV_KEY, KEY_A, 1);
	status(EV_LED, LED_MAX, 1);
	ck_assert_uint_eq(nodes[0].n_written, ARRAY_SIZE(wanted));
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		ck_assert_uint_eq(nodes[0].written[i].type, wanted[i].type);
		ck_assert_uint_eq(nodes[0].written[i].code, wanted[i].code);
		ck_assert_int_eq(nodes[0].written[i].value, wanted[i].value);
	}
	/* The kernel tells us of them; the guest knows. */
	emit(0, EV_LED, LED_CAPSL, 1);
	emit(0, EV_SND, SND_TONE, 440);
	emit_syn(0);
	expect_events("");
	end_input();
}
END_TEST

/* Scan codes come back from the guest: they go nowhere. */
START_TEST(no_loop)
{
	unsigned i;

	host_setup();
	begin();
	for (i = 0; i < 20; i++) {
		emit(0, EV_MSC, MSC_SCAN, (int)i);
		emit_syn(0);
		fake_settle();
		status(EV_MSC, MSC_SCAN, (int)i);
	}
	ck_assert_uint_eq(untaken(), 40);
	ck_assert_uint_eq(nodes[0].n_written, 0);
	end_input();
}
END_TEST

/* A guest that has gone leaves the lights as they were, and silence. */
START_TEST(restored_at_the_end)
{
	host_setup();
	bit_set(nodes[0].state.leds, LED_NUML, true);
	begin();
	status(EV_LED, LED_NUML, 0);
	status(EV_LED, LED_CAPSL, 1);
	status(EV_SND, SND_BELL, 1);
	take_written(0);
	fake_stop();
	fake_reset(RESET_LEFT);
	ck_assert_uint_eq(nodes[0].n_written, 5);
	ck_assert_uint_eq(nodes[0].written[0].code, LED_NUML);
	ck_assert_int_eq(nodes[0].written[0].value, 1);
	ck_assert_uint_eq(nodes[0].written[1].code, LED_CAPSL);
	ck_assert_int_eq(nodes[0].written[1].value, 0);
	ck_assert_uint_eq(nodes[0].written[3].type, EV_SND);
	ck_assert_int_eq(nodes[0].written[3].value, 0);
	take_written(0);
	fake_reset(RESET_LEFT);
	ck_assert_uint_eq(nodes[0].n_written, 0);
	end_input();
}
END_TEST

/* ---- repeated and other keys ---- */

static void held_down(const char *who, unsigned bits, const char *events)
{
	host_setup();
	option("repeat", who);
	begin();
	ck_assert_uint_eq(ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_REP)->u.bitmap[0], bits);
	key(0, KEY_A, 1);
	key(0, KEY_A, 2);
	key(0, KEY_A, 2);
	key(0, KEY_A, 0);
	expect_events(events);
	end_input();
}

START_TEST(repeat)
{
	held_down("guest", 3, "KEY_A 1,SYN,KEY_A 0,SYN");
	held_down("off", 0, "KEY_A 1,SYN,KEY_A 0,SYN");
	held_down("host", 0, "KEY_A 1,SYN,KEY_A 2,SYN,KEY_A 2,SYN,KEY_A 0,SYN");
}
END_TEST

START_TEST(other_keys)
{
	const struct virtio_input_config *config;

	host_setup();
	option("map", "capslock=esc");
	option("map", "a=500");
	option("drop", "b");
	option("drop", "KEY_POWER");
	begin();
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ck_assert(!bit_test(config->u.bitmap, KEY_CAPSLOCK));
	ck_assert(!bit_test(config->u.bitmap, KEY_A));
	ck_assert(!bit_test(config->u.bitmap, KEY_B));
	ck_assert(!bit_test(config->u.bitmap, KEY_POWER));
	ck_assert(bit_test(config->u.bitmap, 500));
	ck_assert(bit_test(config->u.bitmap, KEY_ESC));
	key(0, KEY_CAPSLOCK, 1);
	key(0, KEY_B, 1);
	key(0, KEY_A, 1);
	expect_events("KEY_ESC 1,SYN,KEY_BRL_DOT4 1,SYN");
	end_input();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input-host");
	TCase *tc = tcase_create("devices");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, everything_is_told);
	tcase_add_test(tc, devices_that_are_none);
	tcase_add_test(tc, found_by_what_it_is_like);
	tcase_add_test(tc, found_by_a_pattern_of_paths);
	tcase_add_test(tc, read_only);
	tcase_add_test(tc, typed_before);
	tcase_add_test(tc, state_at_the_start);
	tcase_add_test(tc, let_go_in_a_pause);
	tcase_add_test(tc, kernel_dropped);
	tcase_add_test(tc, guest_takes_nothing);
	tcase_add_test(tc, overflow_in_a_long_frame);
	tcase_add_test(tc, endless_frame);
	tcase_add_test(tc, foreign_events);
	suite_add_tcase(s, tc);
	tc = tcase_create("host");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, unplugged_and_back);
	tcase_add_test(tc, back_at_once);
	tcase_add_test(tc, another_device);
	tcase_add_test(tc, unplugged_at_rest);
	tcase_add_test(tc, description_tells_all);
	tcase_add_test(tc, descriptions_of_both_ages);
	tcase_add_test(tc, absent_at_the_start);
	tcase_add_test(tc, lights_of_the_host);
	tcase_add_test(tc, another_than_described);
	tcase_add_test(tc, not_absent_but_forbidden);
	tcase_add_test(tc, descriptions_that_are_none);
	tcase_add_test(tc, no_grab_unless_asked);
	tcase_add_test(tc, grab_when_all_keys_are_up);
	tcase_add_test(tc, grabbed_by_somebody_else);
	tcase_add_test(tc, leds_and_sounds);
	tcase_add_test(tc, no_loop);
	tcase_add_test(tc, restored_at_the_end);
	tcase_add_test(tc, repeat);
	tcase_add_test(tc, other_keys);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
