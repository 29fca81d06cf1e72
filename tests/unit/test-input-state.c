/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Parts of the input device: names, scripts and recordings, states, frames, the switch. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input-rig.h"
#include "suite.h"
#include "vhost-device/input-names.h"

/* ---- names ---- */

START_TEST(names)
{
	static const struct {
		unsigned type, code;
		const char *name;
	} rows[] = {
		{ EV_KEY, KEY_ESC, "KEY_ESC" }, { EV_KEY, KEY_1, "KEY_1" },
		{ EV_KEY, KEY_MICMUTE, "KEY_MICMUTE" }, { EV_KEY, BTN_LEFT, "BTN_LEFT" },
		{ EV_KEY, BTN_SOUTH, "BTN_SOUTH" }, { EV_KEY, BTN_TOUCH, "BTN_TOUCH" },
		{ EV_KEY, KEY_OK, "KEY_OK" }, { EV_REL, REL_WHEEL_HI_RES, "REL_WHEEL_HI_RES" },
		{ EV_ABS, ABS_MT_TOOL_Y, "ABS_MT_TOOL_Y" }, { EV_SW, SW_LID, "SW_LID" },
		{ EV_MSC, MSC_SCAN, "MSC_SCAN" }, { EV_LED, LED_SCROLLL, "LED_SCROLLL" },
		{ EV_SND, SND_TONE, "SND_TONE" }, { EV_REP, REP_PERIOD, "REP_PERIOD" },
		{ EV_SYN, SYN_DROPPED, "SYN_DROPPED" },
		{ INPUT_NAMES_EV, EV_REP, "EV_REP" },
		{ INPUT_NAMES_PROP, INPUT_PROP_DIRECT, "INPUT_PROP_DIRECT" },
	};
	char buf[INPUT_NAME_SIZE];
	unsigned i, type, code, last, wrong = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ck_assert_str_eq(input_name(rows[i].type, rows[i].code, buf), rows[i].name);
		ck_assert_int_eq(input_code(rows[i].type, rows[i].name, 1023, &code), 0);
		ck_assert_uint_eq(code, rows[i].code);
	}
	ck_assert_str_eq(input_name(EV_KEY, 84, buf), "84");
	ck_assert_str_eq(input_name(EV_KEY, 767, buf), "767");
	ck_assert_str_eq(input_name(EV_FF, 3, buf), "3");
	/* Every name leads back to its code. */
	for (type = 0; type <= INPUT_NAMES_PROP; type++) {
		last = type == EV_KEY ? KEY_MAX : 70;
		for (code = 0; code <= last; code++) {
			input_name(type, code, buf);
			wrong += input_code(type, buf, 1023, &i) != 0 || i != code;
		}
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_int_eq(input_code(EV_KEY, "KEY_NONE", 767, &i), -EINVAL);
	ck_assert_int_eq(input_code(EV_KEY, "?", 767, &i), -EINVAL);
	ck_assert_int_eq(input_code(EV_KEY, "", 767, &i), -EINVAL);
	ck_assert_int_eq(input_code(EV_KEY, "800", 767, &i), -ERANGE);
	ck_assert_int_eq(input_code(EV_KEY, "KEY_MICMUTE", 100, &i), -ERANGE);
}
END_TEST

/* ---- scripts ---- */

static struct script_step step;

static void is_step(const char *line, unsigned n, unsigned type, unsigned code, int value)
{
	ck_assert_msg(script_parse(line, &step, &err) == 0, "%s: %s", line, err.text);
	ck_assert_uint_eq(step.n, n);
	if (n == 0)
		return;
	ck_assert_uint_eq(step.evs[0].type, type);
	ck_assert_uint_eq(step.evs[0].code, code);
	ck_assert_int_eq(step.evs[0].value, value);
}

START_TEST(script_lines)
{
	is_step("", 0, 0, 0, 0);
	is_step("  # for people", 0, 0, 0, 0);
	is_step("EV_KEY KEY_A 1", 1, EV_KEY, KEY_A, 1);
	is_step("\tev_rel  rel_x   -5\r", 1, EV_REL, REL_X, -5);
	is_step("3 53 2147483647", 1, EV_ABS, ABS_MT_POSITION_X, INT32_MAX);
	is_step("EV_SYN SYN_REPORT", 1, EV_SYN, SYN_REPORT, 0);
	is_step("syn", 1, EV_SYN, SYN_REPORT, 0);
	is_step("move 1 -2", 3, EV_REL, REL_X, 1);
	is_step("point 7 8", 3, EV_ABS, ABS_X, 7);
	is_step("tap a b", 8, EV_KEY, KEY_A, 1);
	is_step("type ", 0, 0, 0, 0);
	is_step("type #", 8, EV_KEY, KEY_LEFTSHIFT, 1);
	is_step("type  x", 8, EV_KEY, KEY_SPACE, 1);
	is_step("wait 20", 0, 0, 0, 0);
	ck_assert_uint_eq(step.wait_ns, 20 * MS);
	is_step("E: 12.000345 0003 0035 -17 # EV_ABS", 1, EV_ABS, ABS_MT_POSITION_X, -17);
	ck_assert(step.timed);
	ck_assert_uint_eq(step.stamp_us, 12000345);
	is_step("E: 0.000001 0001 001e 0001", 1, EV_KEY, KEY_A, 1);
}
END_TEST

START_TEST(script_lines_that_are_none)
{
	static const char *const lines[] = {
		"nonsense", "EV_KEY", "EV_KEY KEY_A 1 2", "EV_KEY KEY_A x", "EV_NONE 1 1",
		"EV_KEY KEY_NONE 1", "EV_REL REL_X 2147483648", "EV_REL REL_X --1", "tap nothing",
		"tap a+", "tap a+b+c+d+e", "wait", "wait x", "wait 3600001", "syn 1", "move 1",
		"point 1 2 3", "E: 1 0001 001e 1", "E: 1.5 0001 001e 1", "E: 1.000000 0001 001e",
		"E: 1.000000 1ff 001e 1", "E: 1.000000 0001 123456789 1", "type \x01\x80", "32 1 1",
	};
	char many[600];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		err = ERROR_NONE;
		ck_assert_msg(script_parse(lines[i], &step, &err) == -EINVAL, "%s", lines[i]);
		ck_assert_msg(err.text[0] != '\0', "%s", lines[i]);
	}
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	ck_assert_int_eq(script_parse(many, &step, &err), -EINVAL);
	memcpy(many, "type ", 5);
	ck_assert_int_eq(script_parse(many, &step, &err), -EINVAL);
}
END_TEST

/* Every character of a keyboard of the US leads to keys that are all up again. */
START_TEST(every_character)
{
	struct caps caps;
	struct state s;
	unsigned c, i, typed = 0;

	ck_assert_int_eq(script_profile("keyboard", &caps), 0);
	for (c = 0; c < 256; c++) {
		step.n = 0;
		if (!script_type((unsigned char)c, &step))
			continue;
		typed++;
		state_init(&s);
		for (i = 0; i < step.n; i++) {
			ck_assert(step.evs[i].type == EV_SYN ||
				  caps_have(&caps, EV_KEY, step.evs[i].code));
			state_apply(&s, &caps, &step.evs[i]);
		}
		ck_assert(state_idle(&s));
	}
	/* Those that are printed, controls from A to Z, escape and delete. */
	ck_assert_uint_eq(typed, 95 + 26 + 2);
}
END_TEST

/* ---- a device from a recording, played in its time ---- */

static char path[64];

static void write_file(const char *text)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/test-input-file-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void open_file(const char *kind)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "virtual:%s%s", kind, path);
	open_input(spec);
}

START_TEST(recording)
{
	const struct virtio_input_config *config;

	host_setup();
	write_file("# EVEMU 1.3\nN: Pen of somebody\nI: 0003 056a 00de 0110\n"
		   "P: 02 00 00 00 00 00 00 00\nB: 00 0b 00 10 00 00 00 00 00\n"
		   "B: 01 00 00 00 00 00 00 00 00\nB: 01 02 00 00 00 00 00 00 00\n"
		   "A: 00 -4 1023 4 8 40\nA: 01 0 767 0 0 0\n"
		   "E: 7.000000 0003 0000 0100\nE: 7.000000 0000 0000 0000\n"
		   "E: 7.500000 0001 0041 0001\nE: 7.500000 0000 0000 0000");
	open_file("");
	buffers(16);
	config = ask_config(VIRTIO_INPUT_CFG_ID_NAME, 0);
	ck_assert_int_eq(memcmp(config->u.string, "Pen of somebody", config->size), 0);
	config = ask_config(VIRTIO_INPUT_CFG_ID_DEVIDS, 0);
	ck_assert_uint_eq(le16_get(config->u.ids.product), 0xde);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_KEY);
	ck_assert_uint_eq(config->size, 9);
	ck_assert_uint_eq(config->u.bitmap[8], 2);
	config = ask_config(VIRTIO_INPUT_CFG_EV_BITS, EV_REP);
	ck_assert_uint_eq(config->size, 1);
	config = ask_config(VIRTIO_INPUT_CFG_ABS_INFO, ABS_X);
	ck_assert_int_eq((int)le32_get(config->u.abs.min), -4);
	ck_assert_uint_eq(le32_get(config->u.abs.res), 40);
	fake_at(T0 + 1 * MS);
	expect_events("ABS_X 100,SYN");
	fake_at(T0 + 400 * MS);
	expect_events("");
	fake_at(T0 + 600 * MS);
	expect_events("KEY_F7 1,SYN");
	end_input();
	unlink(path);
}
END_TEST

/* It goes on where the guest takes it; what is no line is told and passed over. */
START_TEST(script_of_a_file)
{
	char text[64 * 200] = "", got[16] = "";
	unsigned i, told = 0;
	size_t at = 0;
	struct event ev;

	host_setup();
	for (i = 0; i < 64; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
				       "EV_REL REL_X %u\nnonsense\nsyn\n", i + 1);
	write_file(text);
	open_file("mouse:");
	for (i = 0; i < 32; i++) {
		buffers(4);
		fake_settle();
		fake_settle();
		while (untaken() > 0) {
			ev = next_event();
			if (ev.type == EV_REL)
				ck_assert_int_eq(ev.value, (int)++told);
		}
	}
	ck_assert_uint_eq(told, 64);
	ck_assert_str_eq(got, "");
	ck_assert_uint_gt(fake.warnings, 0);
	end_input();
	unlink(path);
}
END_TEST

START_TEST(waits_of_a_script)
{
	host_setup();
	write_file("tap a\nwait 100\ntap b\n");
	open_file("keyboard:");
	buffers(16);
	expect_events("KEY_A 1,SYN,KEY_A 0,SYN");
	fake_at(T0 + 99 * MS);
	expect_events("");
	fake_at(T0 + 101 * MS);
	expect_events("KEY_B 1,SYN,KEY_B 0,SYN");
	end_input();
	unlink(path);
}
END_TEST

/* A line longer than the buffer is passed over, and only that. */
START_TEST(endless_line)
{
	char *text = calloc(1, 20000);

	ck_assert_ptr_nonnull(text);
	host_setup();
	memset(text, 'x', 15000);
	memcpy(text + 15000, "\ntap a\n", 8);
	write_file(text);
	free(text);
	open_file("keyboard:");
	buffers(16);
	fake_settle();
	expect_events("KEY_A 1,SYN,KEY_A 0,SYN");
	end_input();
	unlink(path);
}
END_TEST

/* ---- from any state to any other ---- */

static void set_all(struct caps *c, unsigned type)
{
	memset(c->bits[type], 0xff, (input_codes(type) + 7) / 8);
}

static void random_state(struct state *s)
{
	unsigned i, k;

	state_init(s);
	for (i = 0; i < KEY_CNT; i++)
		bit_set(s->keys, i, rand() % 4 == 0);
	for (i = 0; i < SW_CNT; i++)
		bit_set(s->sw, i, rand() % 2 == 0);
	for (i = 0; i < ABS_MT_SLOT; i++)
		s->abs[i] = rand() % 3;
	for (i = 0; i < INPUT_SLOTS; i++) {
		for (k = 0; k < INPUT_MT; k++)
			s->mt[i][k] = rand() % 3 - 1;
	}
	s->slot = (unsigned)rand() % INPUT_SLOTS;
}

START_TEST(any_state)
{
	const unsigned tracking = ABS_MT_TRACKING_ID - INPUT_MT_FIRST;
	static struct state from, to;
	struct caps caps = { .name = "" };
	struct frames f;
	unsigned i, k, axis;

	set_all(&caps, EV_KEY);
	set_all(&caps, EV_SW);
	set_all(&caps, EV_ABS);
	srand(1);
	for (i = 0; i < 30; i++) {
		ck_assert_int_eq(frames_init(&f, 4096), 0);
		random_state(&from);
		random_state(&to);
		state_lead(&from, &to, &caps, &f);
		for (k = 0; k < f.n; k++)
			state_apply(&from, &caps, frames_at(&f, k));
		ck_assert_uint_eq(f.open, 0);
		ck_assert_int_eq(memcmp(from.keys, to.keys, sizeof(to.keys)), 0);
		ck_assert_int_eq(memcmp(from.sw, to.sw, sizeof(to.sw)), 0);
		ck_assert_int_eq(memcmp(from.abs, to.abs, sizeof(to.abs)), 0);
		ck_assert_uint_eq(from.slot, to.slot);
		for (k = 0; k < INPUT_SLOTS; k++) {
			ck_assert_int_eq(from.mt[k][tracking], to.mt[k][tracking]);
			for (axis = 0; to.mt[k][tracking] >= 0 && axis < INPUT_MT; axis++)
				ck_assert_int_eq(from.mt[k][axis], to.mt[k][axis]);
		}
		/* And then there is nothing to tell. */
		frames_reset(&f);
		state_lead(&to, &to, &caps, &f);
		ck_assert_uint_eq(f.n, 0);
		frames_finish(&f);
	}
}
END_TEST

/* ---- the switch ---- */

static struct seat seats[5];
static unsigned told[5];

static void changed(struct seat *s)
{
	told[s - seats]++;
}

static void sit(unsigned i, const char *name, bool host)
{
	const struct switch_conf conf = { name, host };

	memset(&seats[i], 0, sizeof(seats[i]));
	seats[i].changed = changed;
	told[i] = 0;
	ck_assert_msg(seat_init(&seats[i], fake.loop, &conf, &err) == 0, "%s", err.text);
}

static void turn_is(const char *active, const char *watches)
{
	unsigned i;

	fake_settle();
	for (i = 0; active[i] != '\0'; i++) {
		ck_assert_msg(seats[i].active == (active[i] == '1'), "seat %u", i);
		ck_assert_msg(seats[i].watches == (watches[i] == '1'), "seat %u", i);
	}
}

START_TEST(turns)
{
	unsigned i;

	fake_setup(&device_input, T0);
	for (i = 0; i < 4; i++)
		sit(i, i < 2 ? "a" : "b", false);
	turn_is("1100", "1100");
	/* Who has no turn decides nothing. */
	seat_next(&seats[2]);
	turn_is("1100", "1100");
	seat_next(&seats[1]);
	/* Before it was told, the other keyboard of the same guest saw the same keys. */
	seat_next(&seats[0]);
	turn_is("0011", "0011");
	seat_next(&seats[3]);
	turn_is("1100", "1100");
	ck_assert_uint_eq(told[0], 2);
	ck_assert_int_eq(seat_choose(&seats[0], "b"), 0);
	turn_is("0011", "0011");
	ck_assert_int_eq(seat_choose(&seats[0], "c"), -ENOENT);
	ck_assert_int_eq(seat_choose(&seats[0], "next"), 0);
	turn_is("1100", "1100");
	/* With the host. */
	sit(4, "c", true);
	seat_next(&seats[0]);
	turn_is("00110", "00110");
	seat_next(&seats[2]);
	turn_is("00001", "00001");
	seat_next(&seats[4]);
	turn_is("00000", "11000");
	seat_next(&seats[1]);
	turn_is("11000", "11000");
	ck_assert_int_eq(seat_choose(&seats[0], "host"), 0);
	turn_is("00000", "11000");
	ck_assert_int_eq(seat_choose(&seats[0], "b"), 0);
	turn_is("00110", "00110");
	/* A guest that is gone passes its turn on. */
	seat_finish(&seats[2]);
	seat_finish(&seats[3]);
	turn_is("11", "11");
	for (i = 0; i < 5; i++)
		seat_finish(&seats[i]);
	fake_teardown();
}
END_TEST

START_TEST(names_of_seats)
{
	static const char *const bad[] = { "", "host", "next",
		"0123456789012345678901234567890123456789" };
	struct switch_conf conf = { NULL, false };
	struct seat s = { .active = true };
	unsigned i;

	fake_setup(&device_input, T0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		conf.name = bad[i];
		ck_assert_int_eq(seat_init(&s, fake.loop, &conf, &err), -EINVAL);
		seat_finish(&s);
	}
	fake_teardown();
}
END_TEST

/* A combination lets go of everything, and then nothing more comes until it is its turn. */
START_TEST(hotkey)
{
	host_setup();
	option("hotkey", "leftctrl+rightctrl");
	option("grab", "on");
	open_input("name:Test*");
	buffers(64);
	key(0, KEY_A, 1);
	ck_assert(is_grabbed(0));
	key(0, KEY_LEFTCTRL, 1);
	key(0, KEY_RIGHTCTRL, 1);
	key(0, KEY_LEFTCTRL, 0);
	key(0, KEY_RIGHTCTRL, 0);
	ck_assert(is_grabbed(0));
	key(0, KEY_A, 0);
	ck_assert(!is_grabbed(0));
	expect_events("KEY_A 1,SYN,KEY_LEFTCTRL 1,SYN,KEY_RIGHTCTRL 1,SYN,KEY_LEFTCTRL 0,SYN,"
		      "KEY_RIGHTCTRL 0,SYN,KEY_A 0,SYN");
	key(0, KEY_B, 1);
	key(0, KEY_B, 0);
	expect_events("");
	ck_assert_int_eq(status(EV_LED, LED_CAPSL, 1)->end, FAKE_DONE);
	ck_assert_uint_eq(nodes[0].n_written, 0);
	key(0, KEY_LEFTCTRL, 1);
	key(0, KEY_RIGHTCTRL, 1);
	key(0, KEY_RIGHTCTRL, 0);
	key(0, KEY_LEFTCTRL, 0);
	ck_assert(is_grabbed(0));
	/* The lights of the guest that has its turn. */
	ck_assert_uint_gt(nodes[0].n_written, 0);
	key(0, KEY_C, 1);
	expect_events("KEY_C 1,SYN");
	/* By command: what is down is let go. */
	ck_assert_int_eq(fake_command(&err, "switch", 1, "host"), 0);
	expect_events("KEY_C 0,SYN");
	ck_assert(!is_grabbed(0));
	ck_assert_uint_eq(fake.counters[N_SWITCHED], 3);
	end_input();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input-state");
	TCase *tc = tcase_create("parts");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, names);
	tcase_add_test(tc, script_lines);
	tcase_add_test(tc, script_lines_that_are_none);
	tcase_add_test(tc, every_character);
	tcase_add_test(tc, recording);
	tcase_add_test(tc, script_of_a_file);
	tcase_add_test(tc, waits_of_a_script);
	tcase_add_test(tc, endless_line);
	tcase_add_test(tc, any_state);
	suite_add_tcase(s, tc);
	tc = tcase_create("switch");
	tcase_add_test(tc, turns);
	tcase_add_test(tc, names_of_seats);
	tcase_add_test(tc, hotkey);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
