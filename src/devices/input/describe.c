/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a device can do as text, which is that of evemu-describe: to read, and to write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "vhost-device/fd.h"

enum { TEXT_MAX = 64 * 1024, LINE_BYTES = 8 };

/* ---- to read ---- */

/* Up to the first line that is none of a description: events of a recording. */
static int take_lines(char *text, struct caps *caps, unsigned *ret_line)
{
	unsigned at[INPUT_TYPES] = { 0 }, found = 0;
	char *line;
	int ret = 1;

	for (*ret_line = 1; (line = strsep(&text, "\n")) != NULL; (*ret_line)++) {
		if (line[0] == '#' || line[strspn(line, " \t\r")] == '\0')
			continue;
		ret = script_describe(line, caps, at);
		if (ret <= 0)
			break;
		found++;
	}
	return ret < 0 || found == 0 ? -EINVAL : 0;
}

static int read_text(int fd, char text[TEXT_MAX + 1])
{
	struct stat st;
	size_t len = 0;
	ssize_t n = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (len < TEXT_MAX && (n = read(fd, text + len, TEXT_MAX - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return n < 0 ? -errno : 0;
}

int describe_read(struct instance *in, const char *path, struct caps *ret_caps,
		  struct error *err)
{
	CLOSE_FD int fd = host_open(in, path, O_RDONLY | O_NONBLOCK, err);
	FREE_PTR char *text = malloc(TEXT_MAX + 1);
	struct caps *c = ret_caps;
	unsigned i, line = 1;
	int ret;

	if (fd < 0 || text == NULL)
		return fd < 0 ? fd : error_memory(err);
	memset(c, 0, sizeof(*c));
	ret = read_text(fd, text);
	if (ret < 0 && ret != -EINVAL)
		return error_set(err, ret, "%s: %s", path, strerror(-ret));
	if (ret == 0)
		ret = take_lines(text, c, &line);
	if (ret < 0)
		return error_set(err, ret, "%s:%u: nothing that evemu-describe or evemu-record "
				 "has written", path, line);
	/* What older ones say of EV_SYN are types, and EV_REP has no codes. */
	for (i = 0; bit_test(c->bits[EV_SYN], EV_REP) && i < REP_CNT; i++)
		bit_set(c->bits[EV_REP], i, true);
	memset(c->bits[EV_SYN], 0, INPUT_BYTES);
	return 0;
}

/* ---- to write ---- */

/* As many lines of eight as it takes. */
static void say_bytes(struct said *r, const char *what, const uint8_t *bytes, unsigned n)
{
	unsigned i, k;

	for (i = 0; i < n; i += LINE_BYTES) {
		control_say(r, "%s", what);
		for (k = i; k < i + LINE_BYTES; k++)
			control_say(r, " %02x", k < n ? bytes[k] : 0);
		control_say(r, "\n");
	}
}

static void say_codes(struct said *r, const struct caps *caps, unsigned type)
{
	const uint8_t *bits = caps->bits[type];
	unsigned n = (input_codes(type) + 7) / 8;
	char what[sizeof("B: 01")];

	snprintf(what, sizeof(what), "B: %02x", type & 0xff);
	while (n > 0 && bits[n - 1] == 0)
		n--;
	say_bytes(r, what, bits, n);
}

void describe_say(struct said *r, const struct caps *caps)
{
	const uint8_t sync[] = { 1 << SYN_REPORT | 1 << SYN_CONFIG | 1 << SYN_DROPPED };
	const struct input_absinfo *a = caps->abs;
	unsigned i;

	control_say(r, "N: %s\nI: %04x %04x %04x %04x\n", caps->name, caps->id.bustype,
		    caps->id.vendor, caps->id.product, caps->id.version);
	say_bytes(r, "P:", caps->props, sizeof(caps->props));
	say_bytes(r, "B: 00", sync, sizeof(sync));
	for (i = EV_KEY; i < INPUT_TYPES; i++)
		say_codes(r, caps, i);
	for (i = 0; i < ABS_CNT; i++) {
		if (caps_have(caps, EV_ABS, i))
			control_say(r, "A: %02x %d %d %d %d %d\n", i, a[i].minimum, a[i].maximum,
				    a[i].fuzz, a[i].flat, a[i].resolution);
	}
}
