/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A device of the host (evdev).
 *
 *   present  --read fails, hang-up--> absent     the guest's keys are let go
 *   absent   --the same device is found--> present
 *
 * It may be absent from the beginning, if a description says what it can do.
 * While it is absent, inotify and a timer tell when to look for it: a node
 * appears before udev has set its permissions, and links appear even later. A
 * guest cannot be told of other capabilities, so another device is not taken.
 *
 *   free  --wanted, no key is down--> held (EVIOCGRAB)  --not wanted--> free
 *
 * A grab while a key is down would leave it down at the host for ever.
 *
 * When the kernel had to drop events (SYN_DROPPED) the rest of that frame is
 * worth nothing; after it the state is read anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "input.h"
#include "vhost-device/fd.h"

static const uint64_t SOON = 20ULL * 1000 * 1000,
	LOOK_FIRST = 50ULL * 1000 * 1000, LOOK_LAST = 1000ULL * 1000 * 1000;

enum { BATCH = 64, BATCHES = 16, FLUSH = 1024 };

struct evdev {
	struct source source;
	struct loop *loop;
	struct io io, watch;
	struct timer timer;             /* absent: look again; else: grab again */
	uint64_t pause;
	int fd, watch_fd;
	char spec[INPUT_TEXT], path[INPUT_TEXT];
	struct caps caps;
	enum source_mode mode;
	bool writable, dropped;         /* dropped: until the next SYN_REPORT */
	bool refused;                   /* another one is there, or somebody has grabbed it */
	struct log_limit log;
};

static const struct source_ops evdev_ops;

static struct evdev *evdev_of(struct source *s)
{
	return container_of(s, struct evdev, source);
}

static unsigned grab_conf(const struct evdev *e)
{
	const struct input_conf *conf = instance_conf(e->source.dev->in);

	return conf->no_grab ? GRAB_OFF : conf->grab;
}

/* ---- grab ---- */

static void let_go(struct evdev *e)
{
	if (e->source.held)
		input_sys->ioctl(e->fd, EVIOCGRAB, NULL);
	e->source.held = false;
}

static void grabbed_by_other(struct evdev *e)
{
	bool needed = grab_conf(e) == GRAB_ON;

	/* A sibling of this process gives it away in a moment. */
	timer_set(&e->timer, loop_now(e->loop) + (e->refused ? LOOK_LAST : SOON));
	if (e->refused)
		return;
	e->refused = true;
	log_limited(&e->log, needed ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, e->source.dev->in,
		    "%s: somebody else has grabbed it: nothing comes of it until then",
		    e->source.name);
}

static void try_grab(struct evdev *e)
{
	int ret;

	if (e->source.held || e->fd < 0 || e->mode != SOURCE_HOLD || grab_conf(e) == GRAB_OFF ||
	    !input_idle(e->source.dev))
		return;
	ret = input_sys->ioctl(e->fd, EVIOCGRAB, (void *)(uintptr_t)1);
	if (ret == -EBUSY) {
		grabbed_by_other(e);
		return;
	}
	e->source.held = ret >= 0;
	e->refused = false;
	if (ret < 0)
		log_limited(&e->log, LOG_LEVEL_WARN, e->source.dev->in, "%s: cannot be grabbed: %s",
			    e->source.name, strerror(-ret));
}

/* ---- there or not ---- */

static void look_later(struct evdev *e)
{
	timer_set(&e->timer, loop_now(e->loop) + e->pause);
	e->pause = e->pause * 2 < LOOK_LAST ? e->pause * 2 : LOOK_LAST;
}

static void watch_folder(struct evdev *e);

static void wait_for_device(struct evdev *e)
{
	e->pause = LOOK_FIRST;
	watch_folder(e);
	look_later(e);
}

static void lost_device(struct evdev *e)
{
	struct input *d = e->source.dev;

	log_info(d->in, "%s: unplugged", e->source.name);
	io_finish(&e->io);
	fd_close(&e->fd);
	e->source.held = e->dropped = e->refused = false;
	wait_for_device(e);
	input_present(d, false);
}

static bool is_same(const struct evdev *e, const struct caps *caps)
{
	unsigned i;

	for (i = 0; i < ABS_CNT; i++) {
		if (caps->abs[i].minimum != e->caps.abs[i].minimum ||
		    caps->abs[i].maximum != e->caps.abs[i].maximum ||
		    caps->abs[i].resolution != e->caps.abs[i].resolution)
			return false;
	}
	return memcmp(caps->bits, e->caps.bits, sizeof(caps->bits)) == 0 &&
		memcmp(caps->props, e->caps.props, sizeof(caps->props)) == 0 &&
		memcmp(&caps->id, &e->caps.id, sizeof(caps->id)) == 0 &&
		strcmp(caps->name, e->caps.name) == 0;
}

/* ---- reading ---- */

/* false: it has gone. */
static bool read_state(struct evdev *e)
{
	struct state s;

	if (evdev_read_state(e->fd, &e->caps, &s) < 0)
		return false;
	input_state(e->source.dev, &s);
	return true;
}

/* false: it has gone. */
static bool got(struct evdev *e, const struct input_event *from)
{
	const struct event ev = { from->type, from->code, from->value };

	if (ev.type == EV_SYN && ev.code == SYN_DROPPED) {
		e->dropped = true;
		return true;
	}
	if (!e->dropped) {
		input_event(e->source.dev, &ev);
		return true;
	}
	if (ev.type != EV_SYN || ev.code != SYN_REPORT)
		return true;
	e->dropped = false;
	input_count(e->source.dev, INPUT_LOST, 1);
	return read_state(e);
}

/* How many events there were, or a negative errno. */
static int read_batch(struct evdev *e, struct input_event buf[BATCH])
{
	ssize_t n = input_sys->read(e->fd, buf, BATCH * sizeof(*buf));

	if (n == -EAGAIN || n == -EINTR)
		return -EAGAIN;
	if (n <= 0 || (size_t)n % sizeof(*buf) != 0)
		return n < 0 ? (int)n : -ENODEV;
	return (int)((size_t)n / sizeof(*buf));
}

static bool read_events(struct evdev *e)
{
	struct input_event buf[BATCH];
	unsigned i, k;
	int n;

	for (i = 0; i < BATCHES; i++) {
		n = read_batch(e, buf);
		if (n < 0)
			return n == -EAGAIN;
		for (k = 0; k < (unsigned)n; k++) {
			if (!got(e, &buf[k]))
				return false;
		}
		if (n < BATCH)
			break;
	}
	return true;
}

static void evdev_ready(struct io *io, unsigned ready)
{
	struct evdev *e = container_of(io, struct evdev, io);
	bool there = e->mode == SOURCE_REST ? (ready & IO_HUP) == 0 : read_events(e);

	if (there)
		try_grab(e);
	else
		lost_device(e);
	input_flush(e->source.dev);
}

/* What was typed before is nobody's business. */
static bool begin_reading(struct evdev *e)
{
	struct input_event buf[BATCH];
	unsigned i;
	int n = 0;

	for (i = 0; i < FLUSH && n >= 0; i++)
		n = read_batch(e, buf);
	e->dropped = false;
	/* One that never pauses is there all the same. */
	return (n == -EAGAIN || n > 0) && read_state(e);
}

static void watch_device(struct evdev *e)
{
	io_init(&e->io, e->loop, e->fd, evdev_ready);
	io_set(&e->io, e->mode == SOURCE_REST ? IO_HUP : IO_READ);
}

static void evdev_mode(struct source *s, enum source_mode mode)
{
	struct evdev *e = evdev_of(s);
	bool was_at_rest = e->mode == SOURCE_REST, there = true;

	e->mode = mode;
	if (e->fd < 0)
		return;
	if (mode != SOURCE_HOLD)
		let_go(e);
	e->refused = false;
	if (mode != SOURCE_REST && was_at_rest)
		there = begin_reading(e);
	io_set(&e->io, mode == SOURCE_REST ? IO_HUP : IO_READ);
	/* That it has gone will be seen again, and told, when the fd is looked at. */
	if (there)
		try_grab(e);
}

/* ---- back again ---- */

static bool look(struct evdev *e)
{
	char path[INPUT_TEXT];
	struct caps caps;
	bool writable = false;
	CLOSE_FD int fd = find_device(e->source.dev->in, e->spec, path, &writable);

	if (fd < 0 || evdev_read_caps(fd, &caps) < 0)
		return false;
	if (!is_same(e, &caps)) {
		if (!e->refused)
			log_warn(e->source.dev->in, "%s is another device (%s), with which the "
				 "guest could not do: not taken", path, caps.name);
		e->refused = true;
		return false;
	}
	e->fd = take_fd(&fd);
	e->writable = writable;
	snprintf(e->path, sizeof(e->path), "%s", path);
	return true;
}

static void came_back(struct evdev *e)
{
	struct input *d = e->source.dev;

	log_info(d->in, "%s: plugged in as %s", e->source.name, e->path);
	io_finish(&e->watch);
	fd_close(&e->watch_fd);
	timer_set(&e->timer, 0);
	e->refused = false;
	watch_device(e);
	if (e->mode != SOURCE_REST && !begin_reading(e)) {
		lost_device(e);
		return;
	}
	input_present(d, true);
	try_grab(e);
}

static void look_again(struct evdev *e)
{
	if (look(e))
		came_back(e);
	else
		look_later(e);
}

static void watch_ready(struct io *io, unsigned ready)
{
	struct evdev *e = container_of(io, struct evdev, watch);
	char buf[4096];

	while (read(e->watch_fd, buf, sizeof(buf)) > 0)
		;
	e->pause = LOOK_FIRST;
	look_again(e);
}

/* Without it the timer is enough, only slower. */
static void watch_folder(struct evdev *e)
{
	if (e->watch_fd >= 0)
		return;
	e->watch_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (e->watch_fd < 0)
		return;
	inotify_add_watch(e->watch_fd, input_sys->folder, IN_CREATE | IN_ATTRIB | IN_MOVED_TO);
	io_init(&e->watch, e->loop, e->watch_fd, watch_ready);
	io_set(&e->watch, IO_READ);
}

static void evdev_timer(struct timer *t)
{
	struct evdev *e = container_of(t, struct evdev, timer);

	if (e->fd < 0)
		look_again(e);
	else
		try_grab(e);
}

/* ---- to the device ---- */

static void evdev_status(struct source *s, const struct event *evs, unsigned n)
{
	struct evdev *e = evdev_of(s);
	struct input_event buf[BATCH + 1];
	unsigned i;
	ssize_t ret;

	if (e->fd < 0 || !e->writable)
		return;
	memset(buf, 0, sizeof(buf));
	for (i = 0; i < n && i < BATCH; i++) {
		buf[i].type = evs[i].type;
		buf[i].code = evs[i].code;
		buf[i].value = evs[i].value;
	}
	buf[i].type = EV_SYN;
	ret = input_sys->write(e->fd, buf, (i + 1) * sizeof(*buf));
	if (ret < 0)
		log_limited(&e->log, LOG_LEVEL_DEBUG, s->dev->in, "%s: LEDs cannot be set: %s",
			    s->name, strerror((int)-ret));
}

static void evdev_more(struct source *s)
{
}

static void evdev_close(struct source *s)
{
	struct evdev *e = evdev_of(s);

	if (e->fd >= 0)
		let_go(e);
	timer_finish(&e->timer);
	io_finish(&e->io);
	io_finish(&e->watch);
	fd_close(&e->watch_fd);
	fd_close(&e->fd);
	free(e);
}

static const struct source_ops evdev_ops = {
	.mode = evdev_mode, .status = evdev_status, .more = evdev_more, .close = evdev_close,
};

static bool is_absence(int ret)
{
	return ret == -ENOENT || ret == -ENODEV || ret == -ENXIO;
}

/* Of a name the node that may not be opened could be that of anything. */
static bool may_come(const struct evdev *e, int ret)
{
	return is_absence(ret) || (ret == -EACCES && !find_by_path(e->spec));
}

static int refuse(const struct evdev *e, int ret, struct error *err)
{
	const char *hint = "";

	if (ret == -EACCES || ret == -EPERM)
		hint = ": members of the group input may use it";
	else if (ret == -ENOTTY)
		hint = ": give an evdev node, such as /dev/input/event0, or virtual:keyboard";
	else if (is_absence(ret))
		hint = ": with --description it may be plugged in later";
	return error_set(err, ret, "Event device file doesn't exists or can't be accessed: "
			 "%s: %s%s", e->spec, strerror(-ret), hint);
}

static void open_present(struct evdev *e, const struct caps *described)
{
	const struct instance *in = e->source.dev->in;

	if (!e->writable)
		log_info(in, "%s: may only be read: no LEDs", e->path);
	if (described != NULL && !is_same(e, described))
		log_warn(in, "%s (%s) is not as --description says: a guest that had started "
			 "without it could not have used it", e->path, e->caps.name);
	snprintf(e->source.name, sizeof(e->source.name), "%s", e->path);
	e->source.present = true;
	watch_device(e);
}

static void open_absent(struct evdev *e, int ret, const struct caps *described)
{
	if (is_absence(ret))
		log_info(e->source.dev->in, "%s: not plugged in yet", e->spec);
	else
		log_warn(e->source.dev->in, "%s: not found, where not all may be looked at: %s",
			 e->spec, strerror(-ret));
	snprintf(e->source.name, sizeof(e->source.name), "%s", e->spec);
	e->caps = *described;
	wait_for_device(e);
}

static int open_first(struct evdev *e, struct caps *ret_caps, struct error *err)
{
	const struct input_conf *conf = instance_conf(e->source.dev->in);
	const struct caps *described = NULL;
	int ret;

	if (conf->description != NULL) {
		ret = describe_read(e->source.dev->in, conf->description, ret_caps, err);
		if (ret < 0)
			return error_prefix(err, "--description: ");
		described = ret_caps;
	}
	e->fd = find_device(e->source.dev->in, e->spec, e->path, &e->writable);
	ret = e->fd < 0 ? e->fd : evdev_read_caps(e->fd, &e->caps);
	if (ret < 0 && e->fd >= 0)
		fd_close(&e->fd);
	if (ret < 0 && (described == NULL || !may_come(e, ret)))
		return refuse(e, ret, err);
	if (ret < 0)
		open_absent(e, ret, described);
	else
		open_present(e, described);
	*ret_caps = e->caps;
	return 0;
}

struct source *evdev_open(struct input *d, const char *spec, struct caps *ret_caps,
			  struct error *err)
{
	struct evdev *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		error_set(err, -ENOMEM, "no memory for %s", spec);
		return NULL;
	}
	e->source = (struct source){ .ops = &evdev_ops, .dev = d };
	e->loop = instance_loop(d->in);
	e->fd = e->watch_fd = -1;
	e->mode = SOURCE_REST;
	snprintf(e->spec, sizeof(e->spec), "%s", spec);
	timer_init(&e->timer, e->loop, evdev_timer);
	if (open_first(e, ret_caps, err) < 0) {
		evdev_close(&e->source);
		return NULL;
	}
	return &e->source;
}
