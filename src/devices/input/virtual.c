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
 * It reads no further than the guest takes: nothing is ever lost. A terminal is
 * always read, as the key to leave is one of its keys; what is typed while there
 * is no guest goes nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "vhost-device/fd.h"
#include "vhost-device/input-names.h"
#include "vhost-device/tty.h"

enum { LINES = 64, BUFFER = 8192, KEYS = 256, LEAVE = 0x1d };   /* of a turn; bytes; Ctrl-] */

struct virtual {
	struct source source;
	struct loop *loop;
	struct io io;
	struct timer timer;
	int fd;
	bool pollable, over, is_terminal;
	struct tty tty;
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
	{ "\033[1~", KEY_HOME }, { "\033[2~", KEY_INSERT }, { "\033[3~", KEY_DELETE },
	{ "\033[4~", KEY_END }, { "\033[5~", KEY_PAGEUP }, { "\033[6~", KEY_PAGEDOWN },
	{ "\033OP", KEY_F1 }, { "\033OQ", KEY_F2 }, { "\033OR", KEY_F3 }, { "\033OS", KEY_F4 },
	{ "\033[15~", KEY_F5 }, { "\033[17~", KEY_F6 }, { "\033[18~", KEY_F7 },
	{ "\033[19~", KEY_F8 }, { "\033[20~", KEY_F9 }, { "\033[21~", KEY_F10 },
	{ "\033[23~", KEY_F11 }, { "\033[24~", KEY_F12 },
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
		if (n < 0)
			log_warn(v->source.dev->in, "%s: cannot be read: %s", v->source.name,
				 strerror(errno));
		else
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

/* At rest there is no guest. A full buffer waits for it, and the terminal for the buffer. */
static void keep(struct virtual *v, const char *bytes, size_t n)
{
	if (v->mode == SOURCE_REST)
		return;
	memcpy(v->buffer + v->len, bytes, n);
	v->len += n;
	pump(v, false);
}

static size_t room_for_keys(struct virtual *v)
{
	memmove(v->buffer, v->buffer + v->at, v->len - v->at);
	v->len -= v->at;
	v->at = 0;
	return BUFFER - v->len < KEYS ? BUFFER - v->len : KEYS;
}

static void terminal_ready(struct io *io, unsigned ready)
{
	struct virtual *v = container_of(io, struct virtual, io);
	size_t room = room_for_keys(v);
	char keys[KEYS];
	ssize_t n;

	/* To read in the background would stop us. */
	if (room == 0 || !tty_in_foreground(&v->tty)) {
		io_set(io, 0);
		return;
	}
	n = read(v->fd, keys, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		v->over = true;
		io_set(io, 0);
		log_info(v->source.dev->in, "%s: the terminal has gone", v->source.name);
	} else if (n == 1 && keys[0] == LEAVE) {
		/* A raw terminal has no other way out; the process ends as it always does. */
		kill(getpid(), SIGTERM);
	} else {
		keep(v, keys, (size_t)n);
	}
}

/* In the foreground again. */
static void terminal_changed(struct tty *t)
{
	struct virtual *v = container_of(t, struct virtual, tty);

	if (!v->over)
		io_set(&v->io, IO_READ);
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
	if (v->is_terminal && mode == SOURCE_REST)
		v->len = v->at = 0;
	if (v->is_terminal)
		wait_for_fd(v);
	else if (v->pollable)
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
	tty_close(&v->tty);
	fd_close(&v->fd);
	free(v);
}

static const struct source_ops virtual_ops = {
	.mode = virtual_mode, .status = virtual_status, .more = virtual_more,
	.close = virtual_close,
};

/* ---- making it ---- */

/* What is shared with others stays as it is: O_NONBLOCK is set on a descriptor of our own. */
static int open_stdin(struct virtual *v, struct error *err)
{
	struct stat st;

	v->tty.changed = terminal_changed;
	v->tty.prints = true;
	if (tty_open(&v->tty, v->loop, err) < 0)
		return err->code;
	v->is_terminal = v->tty.fd >= 0;
	if (fstat(STDIN_FILENO, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)))
		v->fd = host_open(v->source.dev->in, "/proc/self/fd/0", O_RDONLY | O_NONBLOCK,
				  NULL);
	if (v->fd < 0)
		v->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return v->fd >= 0 ? 0 : error_set(err, -errno, "standard input: %s", strerror(errno));
}

static int open_path(struct virtual *v, const char *path, struct error *err)
{
	struct stat st;
	/* A FIFO that we have open ourselves never ends. */
	bool fifo = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);

	v->fd = host_open(v->source.dev->in, path, (fifo ? O_RDWR : O_RDONLY) | O_NONBLOCK, err);
	return v->fd < 0 ? v->fd : 0;
}

static int open_text(struct virtual *v, const char *path, struct error *err)
{
	int ret = strcmp(path, "-") == 0 ? open_stdin(v, err) : open_path(v, path, err);

	if (ret < 0)
		return ret;
	io_init(&v->io, v->loop, v->fd, v->is_terminal ? terminal_ready : virtual_ready);
	v->pollable = io_set(&v->io, IO_READ) == 0;
	if (v->pollable && !v->is_terminal)
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
