/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the operator says: options, and commands to a running device. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "input.h"
#include "vhost-device/input-names.h"
#include "vhost-device/num.h"

/* ---- options ---- */

static const char *const grab_words[] = {
	[GRAB_OFF] = "off", [GRAB_ON] = "on", [GRAB_AUTO] = "auto", NULL,
};

static const char *const repeat_words[] = {
	[REPEAT_GUEST] = "guest", [REPEAT_HOST] = "host", [REPEAT_OFF] = "off", NULL,
};

static int parse_key(const char *text, size_t len, uint16_t *ret_key, struct error *err)
{
	char name[INPUT_NAME_SIZE];
	unsigned code = 0;

	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	if (len >= sizeof(name) || input_code(EV_KEY, name, KEY_MAX, &code) < 0)
		return error_set(err, -EINVAL, "%.60s is no key, as in KEY_A, leftctrl or 30",
				 name);
	*ret_key = (uint16_t)code;
	return 0;
}

static int parse_hotkey(const char *text, void *target, struct error *err)
{
	struct hotkey *h = target;
	size_t len;
	int ret = 0;

	for (h->n = 0; ret == 0; text += len + 1) {
		if (h->n == INPUT_HOTKEY_MAX)
			return error_set(err, -EINVAL, "more than %d keys", INPUT_HOTKEY_MAX);
		len = strcspn(text, "+");
		ret = parse_key(text, len, &h->keys[h->n], err);
		h->n += ret == 0;
		if (text[len] == '\0')
			break;
	}
	return ret;
}

static int parse_map(const char *text, void *target, struct error *err)
{
	struct key_pair *pair = target;
	size_t len = strcspn(text, "=");
	int ret;

	if (text[len] == '\0')
		return error_set(err, -EINVAL, "no KEY=KEY, as in capslock=esc");
	ret = parse_key(text, len, &pair->from, err);
	return ret < 0 ? ret : parse_key(text + len + 1, strlen(text + len + 1), &pair->to, err);
}

static int parse_drop(const char *text, void *target, struct error *err)
{
	struct key_pair *pair = target;

	pair->to = INPUT_NO_KEY;
	return parse_key(text, strlen(text), &pair->from, err);
}

static int hex(const char **p, uint16_t *ret)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *d, *begin = *p;
	unsigned value = 0;

	for (; **p != '\0' && (d = strchr(digits, **p)) != NULL && *p - begin < 4; (*p)++)
		value = value << 4 | (unsigned)((d - digits) % 16);
	*ret = (uint16_t)value;
	return *p > begin ? 0 : -EINVAL;
}

static int parse_ids(const char *text, void *target, struct error *err)
{
	struct ids_conf *c = target;
	__u16 *const ids[] = { &c->id.bustype, &c->id.vendor, &c->id.product, &c->id.version };
	const char *p = text;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		if (hex(&p, ids[i]) < 0 || *p != (i + 1 < ARRAY_SIZE(ids) ? ':' : '\0'))
			return error_set(err, -EINVAL, "not four numbers of up to four hexadecimal "
					 "digits, BUS:VENDOR:PRODUCT:VERSION");
		p++;
	}
	c->set = true;
	return 0;
}

static const char *const list_aliases[] = { "evdev-path", NULL };
static const char *const grab_excludes[] = { "no-grab", NULL };
static const char *const no_grab_excludes[] = { "grab", NULL };
static const char *const ids_aliases[] = { "ids", NULL };

const struct option input_options[] = {
	{ "event-list", "LIST", "Devices, one for each guest, separated by commas: the path of an "
	  "evdev node, maybe with wildcards, name:, phys:, uniq: or id: with a pattern, or "
	  "virtual: and a kind. See DEVICES.", NULL, OPT_STRING, OPT_EACH | OPT_REQUIRED,
	  .brief = 'e', .sep = ',', .aliases = list_aliases, OPT(struct input_conf, spec) },
	{ "grab", "WHEN", "Keep events from the host while a guest has them: on, off, or auto: "
	  "unless somebody else does.", "off", OPT_CHOICE, .words = grab_words,
	  .excludes = grab_excludes, OPT(struct input_conf, grab) },
	{ "no-grab", NULL, "The same as --grab off.", NULL, OPT_FLAG,
	  .excludes = no_grab_excludes, OPT(struct input_conf, no_grab) },
	{ "hotkey", "KEY+KEY", "These keys together hand the devices of this process to the next "
	  "guest, or with --grab to the host.", NULL, OPT_CUSTOM, .parse = parse_hotkey,
	  OPT(struct input_conf, hotkey) },
	{ "seat", "NAMES", "For each device the name of the guest that it belongs to: devices of "
	  "one guest change hands together.", NULL, OPT_STRING, OPT_EACH, .sep = ',',
	  OPT(struct input_conf, seat) },
	{ "repeat", "WHO", "Who repeats a key that is held down: guest, host, or off.", "guest",
	  OPT_CHOICE, .words = repeat_words, OPT(struct input_conf, repeat) },
	{ "name", "TEXT", "Name that the guest sees; for several devices give it as often.", NULL,
	  OPT_STRING, OPT_EACH | OPT_LIST, OPT(struct input_conf, name) },
	{ "serial", "TEXT", "Serial number that the guest sees, likewise.", NULL, OPT_STRING,
	  OPT_EACH | OPT_LIST, OPT(struct input_conf, serial) },
	{ "devids", "B:V:P:V", "Bus, vendor, product and version that the guest sees, "
	  "hexadecimal, likewise.", NULL, OPT_CUSTOM, OPT_EACH | OPT_LIST, .aliases = ids_aliases,
	  .parse = parse_ids, OPT(struct input_conf, ids) },
	{ "description", "PATH", "What the device can do, as evemu-describe, or describe of "
	  "--control, has written it, likewise: a guest may then start before the device is "
	  "plugged in.", NULL, OPT_PATH, OPT_EACH | OPT_LIST,
	  OPT(struct input_conf, description) },
	{ "map", "KEY=KEY", "The first key is the second one to the guest.", NULL, OPT_CUSTOM,
	  OPT_LIST, .sep = ',', .parse = parse_map,
	  OPT_ITEMS(struct input_conf, map, struct key_pair) },
	{ "drop", "KEYS", "The guest has no such keys.", NULL, OPT_CUSTOM, OPT_LIST, .sep = ',',
	  .parse = parse_drop, OPT_ITEMS(struct input_conf, drop, struct key_pair) },
	{ "backlog", "EVENTS", "Kept for a guest that takes none; when there are more, it is told "
	  "of the outcome only.", "8192", OPT_UINT, .min = 4096, .max = 1 << 20,
	  OPT(struct input_conf, backlog) },
	{ NULL },
};

int input_check(void *conf, struct error *err)
{
	const struct input_conf *c = conf;
	const char *why;

	if (strncmp(c->spec, "virtual:", 8) == 0)
		return c->description == NULL ? 0 : error_set(err, -EINVAL, "--description: a "
			"virtual device is always there: give virtual:%s", c->description);
	why = find_check(c->spec);
	return why == NULL ? 0 : error_set(err, -EINVAL, "--event-list %s: %s", c->spec, why);
}

/* ---- commands ---- */

const char *const input_counters[] = {
	[INPUT_EVENTS] = "events", [INPUT_FRAMES] = "frames", [INPUT_OVERFLOWS] = "overflows",
	[INPUT_LOST] = "lost", [INPUT_RESYNCS] = "resyncs", [INPUT_STATUS] = "status",
	[INPUT_STATUS_IGNORED] = "status_ignored", [INPUT_BAD_BUFFERS] = "bad_buffers",
	[INPUT_UNPLUGGED] = "unplugged", [INPUT_SWITCHED] = "switched", NULL,
};

static void show_bits(struct said *r, const char *what, unsigned type, const uint8_t *bits)
{
	char name[INPUT_NAME_SIZE];
	unsigned i;

	control_say(r, "%s", what);
	for (i = 0; i < input_codes(type); i++) {
		if (bit_test(bits, i))
			control_say(r, " %s", input_name(type, i, name));
	}
	control_say(r, "\n");
}

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	const struct input *d = instance_state(in);
	unsigned i;

	control_say(r, "%s: %s%s%s%s\n", d->source->name,
		    d->source->present ? "present" : "absent",
		    d->running ? ", in use" : "", d->seat.active ? "" : ", not its turn",
		    d->source->held ? ", grabbed" : "");
	show_bits(r, "down", EV_KEY, d->guest.keys);
	show_bits(r, "leds", EV_LED, d->leds);
	for (i = 0; i < INPUT_COUNTERS; i++)
		control_say(r, "%s %llu\n", input_counters[i], (unsigned long long)d->counts[i]);
	return 0;
}

static int do_describe(struct instance *in, struct said *r, char **words, unsigned n,
		       struct error *err)
{
	const struct input *d = instance_state(in);

	describe_say(r, &d->host_caps);
	return 0;
}

static int do_send(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	struct input *d = instance_state(in);
	char line[INPUT_TEXT * 2];
	size_t at = 0;
	unsigned i;

	if (!source_is_virtual(d->source))
		return error_set(err, -EPERM, "%s is a device of the host: only virtual ones take "
				 "events", d->source->name);
	for (i = 0; i < n && at < sizeof(line); i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, i > 0 ? " %s" : "%s",
				       words[i]);
	if (at >= sizeof(line))
		return error_set(err, -EINVAL, "a line that is too long");
	return virtual_line(d->source, line, err);
}

static int do_switch(struct instance *in, struct said *r, char **words, unsigned n,
		     struct error *err)
{
	struct input *d = instance_state(in);
	const char *to = n > 0 ? words[0] : "next";

	if (d->seat.group == NULL)
		return error_set(err, -ENOENT, "the device has neither --seat nor --hotkey");
	if (seat_choose(&d->seat, to) < 0)
		return error_set(err, -ENOENT, "%s is neither a seat, nor host, nor next", to);
	return 0;
}

const struct device_command input_commands[] = {
	{ "show", "", "State, keys that are down for the guest, LEDs, and counters.", 0, 0,
	  do_show },
	{ "describe", "", "What the host's device can do, as evemu-describe writes it.", 0, 0,
	  do_describe },
	{ "send", "WORD...", "A line of a script, to a virtual device: 'tap a', 'type hello'.", 1,
	  30, do_send },
	{ "switch", "[SEAT|host|next]", "Hand the devices to this guest.", 0, 1, do_switch },
	{ NULL }
};
