/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A device that is made up: a keyboard, mouse, tablet or touch screen, or the
 * one that a recording describes. Events come from a file, a FIFO or the
 * terminal, or by --control.
 *
 *   resting  --a guest runs--> pumping
 *   pumping  --no line yet--> waits for the fd
 *            --wait, stamp of a recording--> waits for the timer
 *            --no room--> waits for more()
 *
 * It reads no further than the guest takes: nothing is ever lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "input.h"
#include "vhost-device/fd.h"
#include "vhost-device/input-names.h"

enum { LINES = 64, BUFFER = 8192, LEAVE = 0x1d };       /* of a turn; bytes; Ctrl-] */

struct virtual {
	struct source source;
	struct loop *loop;
	struct io io;
	struct timer timer;
	int fd;
	bool pollable, over, is_terminal, restore;
	struct termios cooked;
	enum source_mode mode;
	char buffer[BUFFER];
	size_t len, at;
	bool too_long;                  /* the rest of a line that is skipped */
	struct script_step step;
	unsigned told;                  /* events of step */
	uint64_t due;                   /* of step, 0: it is */
	uint64_t begin_ns, first_us;    /* of a recording: when its first event came */
	unsigned line;
	struct log_limit log;
};

static const struct source_ops virtual_ops;

static struct virtual *virtual_of(struct source *s)
{
	return container_of(s, struct virtual, source);
}

bool source_is_virtual(const struct source *s)
{
	return s->ops == &virtual_ops;
}

/* ---- text ---- */

static void bad_line(struct virtual *v, const char *why)
{
	log_limited(&v->log, LOG_LEVEL_WARN, v->source.dev->in, "%s:%u: %s", v->source.name,
		    v->line, why);
}

/* When a step is due that has a time. */
static uint64_t due_at(struct virtual *v)
{
	uint64_t now = loop_now(v->loop);

	if (!v->step.timed)
		return v->step.wait_ns > 0 ? now + v->step.wait_ns : 0;
	if (v->begin_ns == 0 || v->step.stamp_us < v->first_us) {
		v->begin_ns = now;
		v->first_us = v->step.stamp_us;
	}
	return v->begin_ns + (v->step.stamp_us - v->first_us) * 1000;
}

static void take_line(struct virtual *v, const char *line)
{
	unsigned ignored[INPUT_TYPES] = { 0 };
	struct error err = ERROR_NONE;
	struct caps unused;

	v->line++;
	v->told = v->step.n = 0;
	if (script_describe(line, &unused, ignored) != 0)
		return;
	if (script_parse(line, &v->step, &err) < 0) {
		bad_line(v, err.text);
		v->step.n = 0;
		return;
	}
	v->due = due_at(v);
}

/* The next line of what was read; NULL: there is none that is whole. */
static char *next_line(struct virtual *v)
{
	char *begin = v->buffer + v->at, *end = memchr(begin, '\n', v->len - v->at);

	if (end == NULL && v->over && v->at < v->len && v->len < BUFFER)
		end = v->buffer + v->len++;
	if (end == NULL)
		return NULL;
	*end = '\0';
	v->at = (size_t)(end + 1 - v->buffer);
	return begin;
}

static void make_room(struct virtual *v)
{
	memmove(v->buffer, v->buffer + v->at, v->len - v->at);
	v->len -= v->at;
	v->at = 0;
	if (v->len < BUFFER - 1)
		return;
	if (!v->too_long) {
		v->line++;
		bad_line(v, "a line that is too long");
	}
	v->too_long = true;
	v->len = 0;
}

/* ---- a terminal ---- */

static const struct sequence {
	const char *text;
	uint16_t key;
} sequences[] = {
	{ "\033[A", KEY_UP }, { "\033[B", KEY_DOWN }, { "\033[C", KEY_RIGHT },
	{ "\033[D", KEY_LEFT }, { "\033[H", KEY_HOME }, { "\033[F", KEY_END },
	{ "\033[2~", KEY_INSERT }, { "\033[3~", KEY_DELETE }, { "\033[5~", KEY_PAGEUP },
	{ "\033[6~", KEY_PAGEDOWN },
};

static void take_char(struct virtual *v)
{
	const char *p = v->buffer + v->at;
	unsigned i;
	size_t n;

	v->told = v->step.n = 0;
	for (i = 0; i < ARRAY_SIZE(sequences); i++) {
		n = strlen(sequences[i].text);
		if (n <= v->len - v->at && memcmp(p, sequences[i].text, n) == 0) {
			script_tap(&v->step, &sequences[i].key, 1);
			v->at += n;
			return;
		}
	}
	v->at++;
	/* As a raw terminal has no other way out; the process then ends as it always does. */
	if (*p == LEAVE)
		kill(getpid(), SIGTERM);
	else
		script_type((unsigned char)*p, &v->step);
}

/* ---- the pump ---- */

/* false: there is no room for them yet. */
static bool tell_step(struct virtual *v)
{
	if (input_room(v->source.dev) < v->step.n - v->told)
		return false;
	while (v->told < v->step.n)
		input_event(v->source.dev, &v->step.evs[v->told++]);
	return true;
}

static bool take_next(struct virtual *v)
{
	char *line;

	if (v->is_terminal) {
		if (v->at == v->len)
			return false;
		take_char(v);
		return true;
	}
	line = next_line(v);
	if (line == NULL)
		return false;
	if (v->too_long)
		v->too_long = false;
	else
		take_line(v, line);
	return true;
}

/* false: nothing came, and the fd is to be waited for. */
static bool read_more(struct virtual *v)
{
	ssize_t n;

	if (v->fd < 0 || v->over)
		return false;
	make_room(v);
	n = read(v->fd, v->buffer + v->len, BUFFER - 1 - v->len);
	if (n > 0) {
		v->len += (size_t)n;
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		v->over = true;
		log_debug(v->source.dev->in, "%s: no more events", v->source.name);
		return n == 0;
	}
	return false;
}

static void wait_for_fd(struct virtual *v)
{
	if (v->pollable)
		io_set(&v->io, v->over ? 0 : IO_READ);
	else if (!v->over)
		timer_set(&v->timer, loop_now(v->loop));
}

/* One descriptor may be that of others, too: it is read once for each time it is ready. */
static void pump(struct virtual *v, bool readable)
{
	unsigned i;

	for (i = 0; i < LINES && v->mode != SOURCE_REST; i++) {
		if (v->due > loop_now(v->loop)) {
			timer_set(&v->timer, v->due);
			break;
		}
		v->due = 0;
		/* Without room more() goes on. */
		if (v->told < v->step.n && !tell_step(v))
			break;
		if (take_next(v))
			continue;
		if (!readable || !read_more(v)) {
			wait_for_fd(v);
			break;
		}
		readable = !v->pollable;
	}
	if (i == LINES)
		timer_set(&v->timer, loop_now(v->loop));
	input_flush(v->source.dev);
}

static void virtual_ready(struct io *io, unsigned ready)
{
	struct virtual *v = container_of(io, struct virtual, io);

	io_set(io, 0);
	pump(v, true);
}

static void virtual_timer(struct timer *t)
{
	struct virtual *v = container_of(t, struct virtual, timer);

	pump(v, !v->pollable);
}

static bool waits_for_room(const struct virtual *v)
{
	return v->told < v->step.n && v->due == 0;
}

/* In a later turn: it is called while events are told. */
static void virtual_more(struct source *s)
{
	struct virtual *v = virtual_of(s);

	if (v->mode != SOURCE_REST && waits_for_room(v))
		timer_set(&v->timer, loop_now(v->loop));
}

static void virtual_mode(struct source *s, enum source_mode mode)
{
	struct virtual *v = virtual_of(s);

	v->mode = mode;
	if (v->pollable)
		io_set(&v->io, 0);
	timer_set(&v->timer, mode != SOURCE_REST ? loop_now(v->loop) : 0);
}

int virtual_line(struct source *s, const char *line, struct error *err)
{
	struct script_step *step = calloc(1, sizeof(*step));
	char name[INPUT_NAME_SIZE];
	const struct event *ev;
	unsigned i;
	int ret = step == NULL ? -ENOMEM : script_parse(line, step, err);

	for (i = 0; ret == 0 && i < step->n; i++) {
		ev = &step->evs[i];
		if (ev->type != EV_SYN && !caps_have(&s->dev->caps, ev->type, ev->code))
			ret = error_set(err, -EINVAL, "the device has no %s",
					input_name(ev->type, ev->code, name));
	}
	if (ret == 0 && !s->dev->running)
		ret = error_set(err, -ENOTCONN, "there is no guest");
	if (ret == 0 && input_room(s->dev) < step->n)
		ret = error_set(err, -EAGAIN, "the guest takes no events");
	for (i = 0; ret == 0 && i < step->n; i++)
		input_event(s->dev, &step->evs[i]);
	free(step);
	input_flush(s->dev);
	return ret;
}

/* Where they could be seen: in the log, and by show. */
static void virtual_status(struct source *s, const struct event *evs, unsigned n)
{
	char name[INPUT_NAME_SIZE];
	unsigned i;

	for (i = 0; i < n; i++)
		log_trace(s->dev->in, "%s: %s %d", s->name,
			  input_name(evs[i].type, evs[i].code, name), evs[i].value);
}

static void virtual_close(struct source *s)
{
	struct virtual *v = virtual_of(s);

	timer_finish(&v->timer);
	io_finish(&v->io);
	if (v->restore)
		tcsetattr(v->fd, TCSANOW, &v->cooked);
	fd_close(&v->fd);
	free(v);
}

static const struct source_ops virtual_ops = {
	.mode = virtual_mode, .status = virtual_status, .more = virtual_more,
	.close = virtual_close,
};

/* ---- making it ---- */

/* In the background it would stop us. */
static void make_raw(struct virtual *v)
{
	struct termios raw;

	if (!isatty(v->fd) || tcgetattr(v->fd, &v->cooked) < 0)
		return;
	v->is_terminal = true;
	if (tcgetpgrp(v->fd) != getpgrp())
		return;
	raw = v->cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	v->restore = tcsetattr(v->fd, TCSANOW, &raw) == 0;
}

static int open_text(struct virtual *v, const char *path, struct error *err)
{
	struct stat st;

	if (strcmp(path, "-") == 0) {
		v->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		if (v->fd < 0)
			return error_set(err, -errno, "standard input: %s", strerror(errno));
		make_raw(v);
	} else {
		/* A FIFO that we have open ourselves never ends. */
		v->fd = stat(path, &st) == 0 && S_ISFIFO(st.st_mode) ?
			host_open(v->source.dev->in, path, O_RDWR | O_NONBLOCK, err) :
			host_open(v->source.dev->in, path, O_RDONLY | O_NONBLOCK, err);
		if (v->fd < 0)
			return v->fd;
	}
	io_init(&v->io, v->loop, v->fd, virtual_ready);
	v->pollable = io_set(&v->io, IO_READ) == 0;
	if (v->pollable)
		io_set(&v->io, 0);
	return 0;
}

static int set_up(struct virtual *v, const char *spec, struct caps *ret_caps, struct error *err)
{
	size_t len = strcspn(spec, ":");
	char kind[INPUT_TEXT];
	const char *text = spec[len] != '\0' ? spec + len + 1 : NULL;
	int ret;

	if (strlen(spec) >= sizeof(kind))
		return error_set(err, -ENAMETOOLONG, "virtual:%s: is too long", spec);
	snprintf(v->source.name, sizeof(v->source.name), "%s", spec);
	snprintf(kind, sizeof(kind), "%.*s", (int)len, spec);
	if (kind[0] == '/' || kind[0] == '.') {
		ret = describe_read(v->source.dev->in, kind, ret_caps, err);
		if (ret < 0)
			return ret;
		/* Where what it is like ends, its events begin. */
		text = text != NULL ? text : kind;
	} else if (script_profile(kind, ret_caps) < 0) {
		return error_set(err, -EINVAL, "virtual:%s: neither keyboard, mouse, tablet nor "
				 "touch, nor the path of a recording", kind);
	}
	return text != NULL ? open_text(v, text, err) : 0;
}

struct source *virtual_open(struct input *d, const char *spec, struct caps *ret_caps,
			    struct error *err)
{
	struct virtual *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		error_set(err, -ENOMEM, "no memory for %s", spec);
		return NULL;
	}
	v->source = (struct source){ .ops = &virtual_ops, .dev = d, .present = true };
	v->loop = instance_loop(d->in);
	v->fd = -1;
	v->mode = SOURCE_REST;
	timer_init(&v->timer, v->loop, virtual_timer);
	if (set_up(v, spec, ret_caps, err) < 0) {
		virtual_close(&v->source);
		return NULL;
	}
	return &v->source;
}
