/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Text that moves a virtual device: events by name, keys to tap, words to type,
 * and recordings of evemu-record, whose first lines describe a device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "vhost-device/input-names.h"
#include "vhost-device/num.h"

enum { WORDS = 32, TOUCHES = 10, AXIS_MAX = 32767 };

struct words {
	char text[INPUT_TEXT * 2];
	char *word[WORDS];
	unsigned n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int split(const char *line, struct words *w)
{
	char *p;

	w->n = 0;
	if ((size_t)snprintf(w->text, sizeof(w->text), "%s", line) >= sizeof(w->text))
		return -EINVAL;
	for (p = w->text; *p != '\0';) {
		while (is_blank(*p))
			*p++ = '\0';
		if (*p == '\0')
			break;
		if (w->n == WORDS)
			return -EINVAL;
		w->word[w->n++] = p;
		while (*p != '\0' && !is_blank(*p))
			p++;
	}
	return 0;
}

static void add(struct script_step *step, unsigned type, unsigned code, int32_t value)
{
	if (step->n < SCRIPT_EVENTS)
		step->evs[step->n++] = (struct event){ (uint16_t)type, (uint16_t)code, value };
}

static void sync(struct script_step *step)
{
	add(step, EV_SYN, SYN_REPORT, 0);
}

/* ---- keys ---- */

void script_tap(struct script_step *step, const uint16_t *keys, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		add(step, EV_KEY, keys[i], 1);
		sync(step);
	}
	for (i = n; i-- > 0;) {
		add(step, EV_KEY, keys[i], 0);
		sync(step);
	}
}

/* By character from ' ' on: the key; those that need shift have SHIFT. */
enum { SHIFT = 0x100 };
#define S(key) (SHIFT | (key))
static const uint16_t us[] = {
	KEY_SPACE, S(KEY_1), S(KEY_APOSTROPHE), S(KEY_3), S(KEY_4), S(KEY_5), S(KEY_7),
	KEY_APOSTROPHE, S(KEY_9), S(KEY_0), S(KEY_8), S(KEY_EQUAL), KEY_COMMA, KEY_MINUS,
	KEY_DOT, KEY_SLASH, KEY_0, KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7, KEY_8,
	KEY_9, S(KEY_SEMICOLON), KEY_SEMICOLON, S(KEY_COMMA), KEY_EQUAL, S(KEY_DOT),
	S(KEY_SLASH), S(KEY_2), S(KEY_A), S(KEY_B), S(KEY_C), S(KEY_D), S(KEY_E), S(KEY_F),
	S(KEY_G), S(KEY_H), S(KEY_I), S(KEY_J), S(KEY_K), S(KEY_L), S(KEY_M), S(KEY_N),
	S(KEY_O), S(KEY_P), S(KEY_Q), S(KEY_R), S(KEY_S), S(KEY_T), S(KEY_U), S(KEY_V),
	S(KEY_W), S(KEY_X), S(KEY_Y), S(KEY_Z), KEY_LEFTBRACE, KEY_BACKSLASH, KEY_RIGHTBRACE,
	S(KEY_6), S(KEY_MINUS), KEY_GRAVE, KEY_A, KEY_B, KEY_C, KEY_D, KEY_E, KEY_F, KEY_G,
	KEY_H, KEY_I, KEY_J, KEY_K, KEY_L, KEY_M, KEY_N, KEY_O, KEY_P, KEY_Q, KEY_R, KEY_S,
	KEY_T, KEY_U, KEY_V, KEY_W, KEY_X, KEY_Y, KEY_Z, S(KEY_LEFTBRACE), S(KEY_BACKSLASH),
	S(KEY_RIGHTBRACE), S(KEY_GRAVE),
};

/* Of those below ' ': control characters are letters with ctrl. */
static uint16_t control_key(unsigned char c)
{
	switch (c) {
	case '\t':
		return KEY_TAB;
	case '\r':
	case '\n':
		return KEY_ENTER;
	case 0x1b:
		return KEY_ESC;
	case 0x08:
	case 0x7f:
		return KEY_BACKSPACE;
	default:
		return 0;
	}
}

bool script_type(unsigned char c, struct script_step *step)
{
	uint16_t keys[2], key = control_key(c);
	unsigned n = 0;

	if (key == 0 && c >= 1 && c <= 26) {
		keys[n++] = KEY_LEFTCTRL;
		key = us['a' - ' ' + c - 1];
	} else if (key == 0 && c >= ' ' && c - ' ' < (int)ARRAY_SIZE(us)) {
		key = us[c - ' '];
		if ((key & SHIFT) != 0)
			keys[n++] = KEY_LEFTSHIFT;
	}
	if (key == 0)
		return false;
	keys[n++] = key & 0xff;
	script_tap(step, keys, n);
	return true;
}

static int parse_type(const char *line, struct script_step *step, struct error *err)
{
	const char *p = strstr(line, "type") + 4;

	for (p += *p != '\0'; *p != '\0' && *p != '\n' && *p != '\r'; p++) {
		if (!script_type((unsigned char)*p, step))
			return error_set(err, -EINVAL, "a character that no key of the US has");
	}
	return step->n < SCRIPT_EVENTS ? 0 : error_set(err, -EINVAL, "too much to type at once");
}

static int parse_tap(const char *line, struct words *w, struct script_step *step,
		     struct error *err)
{
	uint16_t keys[INPUT_HOTKEY_MAX];
	unsigned i, n, code = 0;
	char *p, *next;

	for (i = 1; i < w->n; i++) {
		for (p = w->word[i], n = 0; p != NULL; p = next) {
			next = strchr(p, '+');
			if (next != NULL)
				*next++ = '\0';
			if (n == ARRAY_SIZE(keys) || input_code(EV_KEY, p, KEY_MAX, &code) < 0)
				return error_set(err, -EINVAL, "%.60s is no key", p);
			keys[n++] = (uint16_t)code;
		}
		script_tap(step, keys, n);
	}
	return 0;
}

/* ---- events ---- */

static int parse_value(const char *text, int32_t *ret_value)
{
	bool minus = text[0] == '-';
	uint64_t n;

	if (num_parse(text + minus, 0, INT32_MAX, &n) < 0)
		return -EINVAL;
	*ret_value = minus ? -(int32_t)n : (int32_t)n;
	return 0;
}

static int parse_event(const char *line, struct words *w, struct script_step *step,
		       struct error *err)
{
	unsigned type = 0, code = 0;
	int32_t value = 0;

	if (w->n < 2 || w->n > 3 || input_code(INPUT_NAMES_EV, w->word[0], EV_MAX, &type) < 0 ||
	    input_code(type, w->word[1], UINT16_MAX, &code) < 0 ||
	    (w->n == 3 && parse_value(w->word[2], &value) < 0))
		return error_set(err, -EINVAL, "no line of a script, as in 'EV_REL REL_X 5', "
				 "'tap leftctrl+c' or 'type hello'");
	add(step, type, code, value);
	return 0;
}

static int parse_wait(const char *line, struct words *w, struct script_step *step,
		      struct error *err)
{
	uint64_t ms;

	if (w->n != 2 || num_parse(w->word[1], 0, 3600000, &ms) < 0)
		return error_set(err, -EINVAL, "wait takes milliseconds, up to an hour");
	step->wait_ns = ms * 1000000;
	return 0;
}

static int parse_syn(const char *line, struct words *w, struct script_step *step,
		     struct error *err)
{
	sync(step);
	return w->n == 1 ? 0 : error_set(err, -EINVAL, "syn takes no words");
}

/* REL_X and REL_Y, or ABS_X and ABS_Y. */
static int parse_pair(struct words *w, struct script_step *step, unsigned type,
		      struct error *err)
{
	int32_t x, y;

	if (w->n != 3 || parse_value(w->word[1], &x) < 0 || parse_value(w->word[2], &y) < 0)
		return error_set(err, -EINVAL, "%s takes two numbers", w->word[0]);
	add(step, type, REL_X, x);
	add(step, type, REL_Y, y);
	sync(step);
	return 0;
}

static int parse_move(const char *line, struct words *w, struct script_step *step,
		      struct error *err)
{
	return parse_pair(w, step, EV_REL, err);
}

static int parse_point(const char *line, struct words *w, struct script_step *step,
		       struct error *err)
{
	return parse_pair(w, step, EV_ABS, err);
}

/* ---- recordings ---- */

static int hex_word(const char *text, unsigned most, unsigned *ret)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	unsigned value = 0;
	const char *d;

	if (*text == '\0' || strlen(text) > 8)
		return -EINVAL;
	for (; *text != '\0'; text++) {
		d = strchr(digits, *text);
		if (d == NULL)
			return -EINVAL;
		value = value << 4 | (unsigned)((d - digits) % 16);
	}
	*ret = value;
	return value <= most ? 0 : -EINVAL;
}

/* Seconds, a dot, and six digits. */
static int parse_stamp(char *text, uint64_t *ret_us)
{
	char *dot = strchr(text, '.');
	uint64_t s, us_part;

	if (dot == NULL || strlen(dot) != 7)
		return -EINVAL;
	*dot++ = '\0';
	if (num_parse(text, 0, UINT32_MAX, &s) < 0 || num_parse(dot, 0, 999999, &us_part) < 0)
		return -EINVAL;
	*ret_us = s * 1000000 + us_part;
	return 0;
}

static int parse_recorded(const char *line, struct words *w, struct script_step *step,
			  struct error *err)
{
	unsigned type, code;
	int32_t value;

	/* What follows a '#' is for people. */
	if (w->n < 5 || parse_stamp(w->word[1], &step->stamp_us) < 0 ||
	    hex_word(w->word[2], EV_MAX, &type) < 0 ||
	    hex_word(w->word[3], UINT16_MAX, &code) < 0 || parse_value(w->word[4], &value) < 0)
		return error_set(err, -EINVAL, "no event as evemu-record writes it");
	step->timed = true;
	add(step, type, code, value);
	return 0;
}

static const struct verb {
	const char *name;
	int (*parse)(const char *line, struct words *w, struct script_step *step,
		     struct error *err);
} verbs[] = {
	{ "E:", parse_recorded }, { "tap", parse_tap }, { "wait", parse_wait },
	{ "syn", parse_syn }, { "move", parse_move }, { "point", parse_point },
};

int script_parse(const char *line, struct script_step *ret_step, struct error *err)
{
	struct words w;
	unsigned i;

	ret_step->n = 0;
	ret_step->wait_ns = 0;
	ret_step->timed = false;
	if (split(line, &w) < 0)
		return error_set(err, -EINVAL, "a line that is too long");
	if (w.n == 0 || w.word[0][0] == '#')
		return 0;
	if (strcmp(w.word[0], "type") == 0)
		return parse_type(line, ret_step, err);
	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, w.word[0]) == 0)
			return verbs[i].parse(line, &w, ret_step, err);
	}
	return parse_event(line, &w, ret_step, err);
}

/* ---- what a device can do ---- */

static int describe_ids(struct words *w, struct caps *caps)
{
	unsigned i, ids[4];

	if (w->n < 5)
		return -EINVAL;
	for (i = 0; i < 4; i++) {
		if (hex_word(w->word[i + 1], UINT16_MAX, &ids[i]) < 0)
			return -EINVAL;
	}
	caps->id = (struct input_id){ (uint16_t)ids[0], (uint16_t)ids[1], (uint16_t)ids[2],
		(uint16_t)ids[3] };
	return 1;
}

static int describe_props(struct words *w, struct caps *caps)
{
	unsigned i, byte;

	for (i = 1; i < w->n; i++) {
		if (hex_word(w->word[i], 0xff, &byte) < 0)
			return -EINVAL;
		if (i <= sizeof(caps->props))
			caps->props[i - 1] = (uint8_t)byte;
	}
	return 1;
}

/* Eight bytes a line; the next line of the type goes on. That of EV_SYN may be of types. */
static int describe_bits(struct words *w, struct caps *caps, unsigned at[INPUT_TYPES])
{
	unsigned i, k, byte, type, codes;

	if (w->n < 2 || hex_word(w->word[1], EV_MAX, &type) < 0)
		return -EINVAL;
	codes = type == EV_SYN ? EV_CNT : input_codes(type);
	for (i = 2; i < w->n; i++) {
		if (hex_word(w->word[i], 0xff, &byte) < 0)
			return -EINVAL;
		for (k = 0; type < INPUT_TYPES && k < 8; k++) {
			if ((byte >> k & 1) != 0 && at[type] + k < codes)
				bit_set(caps->bits[type], at[type] + k, true);
		}
		if (type < INPUT_TYPES)
			at[type] += 8;
	}
	return 1;
}

static int describe_axis(struct words *w, struct caps *caps)
{
	struct input_absinfo a = { 0 };
	__s32 *const values[] = { &a.minimum, &a.maximum, &a.fuzz, &a.flat, &a.resolution };
	unsigned i, axis;

	if (w->n < 6 || hex_word(w->word[1], ABS_MAX, &axis) < 0)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(values) && i + 2 < w->n; i++) {
		if (parse_value(w->word[i + 2], values[i]) < 0)
			return -EINVAL;
	}
	caps->abs[axis] = a;
	bit_set(caps->bits[EV_ABS], axis, true);
	return 1;
}

int script_describe(const char *line, struct caps *caps, unsigned at[INPUT_TYPES])
{
	struct words w;

	if (strncmp(line, "N: ", 3) == 0) {
		snprintf(caps->name, sizeof(caps->name), "%.*s", (int)strcspn(line + 3, "\r\n"),
			 line + 3);
		return 1;
	}
	if (split(line, &w) < 0 || w.n == 0)
		return 0;
	if (strcmp(w.word[0], "I:") == 0)
		return describe_ids(&w, caps);
	if (strcmp(w.word[0], "P:") == 0)
		return describe_props(&w, caps);
	if (strcmp(w.word[0], "B:") == 0)
		return describe_bits(&w, caps, at);
	if (strcmp(w.word[0], "A:") == 0)
		return describe_axis(&w, caps);
	/* State when the recording began. */
	return strcmp(w.word[0], "L:") == 0 || strcmp(w.word[0], "S:") == 0;
}

static void set_codes(struct caps *c, unsigned type, unsigned from, unsigned to)
{
	for (; from <= to; from++)
		bit_set(c->bits[type], from, true);
}

static void set_axis(struct caps *c, unsigned axis, int32_t max)
{
	set_codes(c, EV_ABS, axis, axis);
	c->abs[axis].maximum = max;
}

static void be_keyboard(struct caps *c)
{
	set_codes(c, EV_KEY, KEY_ESC, KEY_MICMUTE);
	set_codes(c, EV_MSC, MSC_SCAN, MSC_SCAN);
	set_codes(c, EV_LED, LED_NUML, LED_SCROLLL);
	set_codes(c, EV_REP, REP_DELAY, REP_PERIOD);
}

static void be_mouse(struct caps *c)
{
	set_codes(c, EV_KEY, BTN_LEFT, BTN_TASK);
	set_codes(c, EV_REL, REL_X, REL_Y);
	set_codes(c, EV_REL, REL_HWHEEL, REL_HWHEEL);
	set_codes(c, EV_REL, REL_WHEEL, REL_WHEEL);
	set_codes(c, EV_REL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES);
	bit_set(c->props, INPUT_PROP_POINTER, true);
}

static void be_tablet(struct caps *c)
{
	set_codes(c, EV_KEY, BTN_LEFT, BTN_MIDDLE);
	set_codes(c, EV_REL, REL_WHEEL, REL_WHEEL);
	set_axis(c, ABS_X, AXIS_MAX);
	set_axis(c, ABS_Y, AXIS_MAX);
}

static void be_touch(struct caps *c)
{
	set_codes(c, EV_KEY, BTN_TOUCH, BTN_TOUCH);
	set_axis(c, ABS_X, AXIS_MAX);
	set_axis(c, ABS_Y, AXIS_MAX);
	set_axis(c, ABS_MT_SLOT, TOUCHES - 1);
	set_axis(c, ABS_MT_TRACKING_ID, UINT16_MAX);
	set_axis(c, ABS_MT_POSITION_X, AXIS_MAX);
	set_axis(c, ABS_MT_POSITION_Y, AXIS_MAX);
	bit_set(c->props, INPUT_PROP_DIRECT, true);
}

static const struct profile {
	const char *name, *text;
	void (*be)(struct caps *c);
} profiles[] = {
	{ "keyboard", "Virtual keyboard", be_keyboard }, { "mouse", "Virtual mouse", be_mouse },
	{ "tablet", "Virtual tablet", be_tablet }, { "touch", "Virtual touch screen", be_touch },
};

int script_profile(const char *name, struct caps *ret_caps)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(profiles); i++) {
		if (strcmp(profiles[i].name, name) != 0)
			continue;
		memset(ret_caps, 0, sizeof(*ret_caps));
		snprintf(ret_caps->name, INPUT_TEXT, "%s", profiles[i].text);
		ret_caps->id = (struct input_id){ BUS_VIRTUAL, 0, (uint16_t)(i + 1), 1 };
		profiles[i].be(ret_caps);
		return 0;
	}
	return -ENOENT;
}
