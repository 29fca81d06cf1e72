/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Which device of the host is meant, and what it can do (linux/input.h). */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "input.h"
#include "vhost-device/fd.h"

static int kernel_open(struct instance *in, const char *path, int flags)
{
	struct error err = ERROR_NONE;

	return host_open(in, path, flags, &err);
}

static int kernel_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static ssize_t kernel_read(int fd, void *buf, size_t size)
{
	ssize_t n = read(fd, buf, size);

	return n < 0 ? -errno : n;
}

static ssize_t kernel_write(int fd, const void *buf, size_t size)
{
	ssize_t n = write(fd, buf, size);

	return n < 0 ? -errno : n;
}

const struct input_sys input_kernel = { kernel_open, kernel_ioctl, kernel_read, kernel_write,
	"/dev/input" };
const struct input_sys *input_sys = &input_kernel;

/* ---- which one ---- */

enum by { BY_PATH, BY_NAME, BY_PHYS, BY_UNIQ, BY_ID };

static const char *const prefixes[] = {
	[BY_NAME] = "name:", [BY_PHYS] = "phys:", [BY_UNIQ] = "uniq:", [BY_ID] = "id:",
};

static enum by kind_of(const char *spec, const char **ret_pattern)
{
	unsigned i;

	*ret_pattern = spec;
	for (i = BY_NAME; i < ARRAY_SIZE(prefixes); i++) {
		if (strncmp(spec, prefixes[i], strlen(prefixes[i])) == 0) {
			*ret_pattern = spec + strlen(prefixes[i]);
			return (enum by)i;
		}
	}
	return BY_PATH;
}

bool find_by_path(const char *spec)
{
	const char *pattern;

	return kind_of(spec, &pattern) == BY_PATH;
}

const char *find_check(const char *spec)
{
	const char *pattern;

	if (kind_of(spec, &pattern) != BY_ID)
		return *pattern == '\0' ? "names nothing" : strlen(spec) >= INPUT_TEXT ?
			"is too long" : NULL;
	return strlen(pattern) == 9 && pattern[4] == ':' ? NULL :
		"an id is four digits of the vendor, a colon, and four of the product";
}

static void read_text(int fd, unsigned long request, char text[INPUT_TEXT])
{
	int n = input_sys->ioctl(fd, request, text);

	if (n < 0)
		n = 0;
	text[n < INPUT_TEXT ? n : INPUT_TEXT - 1] = '\0';
}

static bool matches(int fd, enum by by, const char *pattern)
{
	char text[INPUT_TEXT] = "";
	struct input_id id = { 0 };

	switch (by) {
	case BY_NAME:
		read_text(fd, EVIOCGNAME(INPUT_TEXT - 1), text);
		break;
	case BY_PHYS:
		read_text(fd, EVIOCGPHYS(INPUT_TEXT - 1), text);
		break;
	case BY_UNIQ:
		read_text(fd, EVIOCGUNIQ(INPUT_TEXT - 1), text);
		break;
	case BY_ID:
		if (input_sys->ioctl(fd, EVIOCGID, &id) < 0)
			return false;
		snprintf(text, sizeof(text), "%04x:%04x", id.vendor, id.product);
		break;
	default:
		return true;
	}
	return fnmatch(pattern, text, by == BY_ID ? FNM_CASEFOLD : 0) == 0;
}

/* Who may not write cannot set LEDs, but can read. */
static int open_node(struct instance *in, const char *path, bool *ret_writable)
{
	const int flags = O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int version, fd = input_sys->open(in, path, O_RDWR | flags);

	*ret_writable = fd >= 0;
	if (fd == -EACCES || fd == -EPERM || fd == -EROFS)
		fd = input_sys->open(in, path, O_RDONLY | flags);
	if (fd >= 0 && input_sys->ioctl(fd, EVIOCGVERSION, &version) < 0) {
		fd_close(&fd);
		return -ENOTTY;
	}
	return fd;
}

/* event10 behind event9. */
static int by_number(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	size_t n = strlen(x), m = strlen(y);

	return n != m ? (n > m) - (n < m) : strcmp(x, y);
}

static int search(struct instance *in, const glob_t *found, enum by by, const char *pattern,
		  char ret_path[INPUT_TEXT], bool *ret_writable)
{
	int fd, ret = -ENOENT;
	bool writable;
	size_t i;

	for (i = 0; i < found->gl_pathc; i++) {
		fd = open_node(in, found->gl_pathv[i], &writable);
		if (fd >= 0 && matches(fd, by, pattern)) {
			snprintf(ret_path, INPUT_TEXT, "%s", found->gl_pathv[i]);
			*ret_writable = writable;
			return fd;
		}
		/* Of several reasons the one that an operator can do something about. */
		if (fd == -EACCES || fd == -EPERM || (fd < 0 && found->gl_pathc == 1))
			ret = fd;
		if (fd >= 0)
			fd_close(&fd);
	}
	return ret;
}

int find_device(struct instance *in, const char *spec, char ret_path[INPUT_TEXT],
		bool *ret_writable)
{
	char all[INPUT_TEXT];
	const char *pattern;
	enum by by = kind_of(spec, &pattern);
	glob_t found = { 0 };
	int ret;

	snprintf(all, sizeof(all), "%s/event*", input_sys->folder);
	ret = glob(by == BY_PATH ? pattern : all, by == BY_PATH ? GLOB_NOCHECK : 0, NULL, &found);
	if (ret != 0)
		return ret == GLOB_NOSPACE ? -ENOMEM : -ENOENT;
	qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_number);
	ret = search(in, &found, by, pattern, ret_path, ret_writable);
	globfree(&found);
	return ret;
}

/* ---- what it can do ---- */

static int read_axes(int fd, struct caps *caps)
{
	unsigned i;
	int ret;

	for (i = 0; i < ABS_CNT; i++) {
		if (!caps_have(caps, EV_ABS, i))
			continue;
		ret = input_sys->ioctl(fd, EVIOCGABS(i), &caps->abs[i]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int evdev_read_caps(int fd, struct caps *ret_caps)
{
	struct caps *c = ret_caps;
	uint8_t types[INPUT_BYTES] = { 0 };
	unsigned type;
	int ret;

	memset(c, 0, sizeof(*c));
	read_text(fd, EVIOCGNAME(INPUT_TEXT - 1), c->name);
	read_text(fd, EVIOCGUNIQ(INPUT_TEXT - 1), c->serial);
	ret = input_sys->ioctl(fd, EVIOCGID, &c->id);
	if (ret >= 0)
		ret = input_sys->ioctl(fd, EVIOCGBIT(0, INPUT_BYTES), types);
	if (ret < 0)
		return ret;
	input_sys->ioctl(fd, EVIOCGPROP(sizeof(c->props)), c->props);
	for (type = EV_KEY; type < EV_REP; type++) {
		if (!bit_test(types, type) || input_codes(type) == 0)
			continue;
		ret = input_sys->ioctl(fd, EVIOCGBIT(type, INPUT_BYTES), c->bits[type]);
		if (ret < 0)
			return ret;
	}
	/* The kernel has no bitmap of these two: both are there, or none. */
	bit_set(c->bits[EV_REP], REP_DELAY, bit_test(types, EV_REP));
	bit_set(c->bits[EV_REP], REP_PERIOD, bit_test(types, EV_REP));
	return read_axes(fd, c);
}

/* ---- how it is ---- */

struct slots {
	uint32_t code;
	int32_t values[INPUT_SLOTS];
};

static void read_slots(int fd, const struct caps *caps, struct state *s)
{
	struct slots slots;
	unsigned i, slot;

	for (i = 0; i < INPUT_MT; i++) {
		if (!caps_have(caps, EV_ABS, INPUT_MT_FIRST + i))
			continue;
		memset(&slots, 0, sizeof(slots));
		for (slot = 0; slot < INPUT_SLOTS; slot++)
			slots.values[slot] = s->mt[slot][i];
		slots.code = INPUT_MT_FIRST + i;
		if (input_sys->ioctl(fd, EVIOCGMTSLOTS(sizeof(slots)), &slots) < 0)
			continue;
		for (slot = 0; slot < INPUT_SLOTS; slot++)
			s->mt[slot][i] = slots.values[slot];
	}
}

static void read_abs(int fd, const struct caps *caps, struct state *s)
{
	struct input_absinfo info;
	unsigned i;

	for (i = 0; i < ABS_CNT; i++) {
		if (!caps_have(caps, EV_ABS, i) || input_sys->ioctl(fd, EVIOCGABS(i), &info) < 0)
			continue;
		if (i == ABS_MT_SLOT)
			s->slot = info.value >= 0 && info.value < INPUT_SLOTS ?
				(unsigned)info.value : 0;
		else
			s->abs[i] = info.value;
	}
}

int evdev_read_state(int fd, const struct caps *caps, struct state *ret_state)
{
	struct state *s = ret_state;
	int ret;

	state_init(s);
	ret = input_sys->ioctl(fd, EVIOCGKEY(sizeof(s->keys)), s->keys);
	if (ret < 0)
		return ret;
	input_sys->ioctl(fd, EVIOCGSW(sizeof(s->sw)), s->sw);
	input_sys->ioctl(fd, EVIOCGLED(sizeof(s->leds)), s->leds);
	read_abs(fd, caps, s);
	if (caps_have(caps, EV_ABS, ABS_MT_SLOT))
		read_slots(fd, caps, s);
	return 0;
}
