/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One client at a time, one command a connection: a line of words comes, text
 * goes back, the connection ends. An answer that begins with "error: " is one,
 * with nothing before it.
 * A client that dawdles is cut off, so that it keeps no other waiting.
 *
 *   idle --connection--> reading --line--> writing --all gone--> idle
 *   reading --reload--> waiting --the process has done it--> writing
 *   reading, writing --peer gone, 5 s--> idle
 *   waiting --60 s--> idle
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/control.h"
#include "vhost-device/fd.h"

enum { LINE_SIZE = 512, WORDS = 32, LIMIT_S = 5, WAIT_S = 60 };

static const char reload_help[] = "Read the configuration file of the process again, as SIGHUP "
	"does.";

struct said {
	FILE *file;
};

struct control {
	struct instance *in;
	const struct device *device;
	struct control_host host;
	struct loop *loop;
	struct listener *listener;
	struct io io;                   /* of the client */
	struct timer limit;
	int fd;
	bool waiting;                   /* for the process */
	char line[LINE_SIZE];
	size_t have;
	char *answer;
	size_t size, sent;
};

void control_say(struct said *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(r->file, fmt, ap);
	va_end(ap);
}

/* ---- commands ---- */

static void print_help(const struct device *d, struct said *r)
{
	const struct device_command *c;

	for (c = d->commands; c != NULL && c->name != NULL; c++)
		control_say(r, "%s%s%s\n        %s\n", c->name, c->args[0] != '\0' ? " " : "",
			    c->args, c->help);
	control_say(r, "reload\n        %s\n", reload_help);
}

static int run_words(struct control *c, struct said *r, char **words, unsigned n,
		     struct error *err)
{
	const struct device_command *d = c->device->commands;

	if (n == 0 || strcmp(words[0], "help") == 0) {
		print_help(c->device, r);
		return 0;
	}
	if (n == 1 && strcmp(words[0], "reload") == 0) {
		c->waiting = true;
		return 0;
	}
	for (; d != NULL && d->name != NULL && strcmp(d->name, words[0]) != 0; d++)
		;
	if (d == NULL || d->name == NULL)
		return error_set(err, -EINVAL, "no command '%s': help lists them", words[0]);
	if (n - 1 < d->least || n - 1 > d->most)
		return error_set(err, -EINVAL, "use: %s %s", d->name, d->args);
	return d->run(c->in, r, words + 1, n - 1, err);
}

/* end: of the line, or NULL when there is no room for more of it. */
static int run_line(struct control *c, char *end, struct said *r, struct error *err)
{
	char *words[WORDS], *at = c->line;
	unsigned n = 0;

	if (end == NULL)
		return error_set(err, -E2BIG, "the line is longer than %d bytes", LINE_SIZE - 2);
	*end = '\0';
	if (strlen(c->line) != (size_t)(end - c->line))
		return error_set(err, -EINVAL, "a zero byte in the line");
	for (at += strspn(at, " \t\r"); *at != '\0'; at += strspn(at, " \t\r")) {
		if (n == WORDS)
			return error_set(err, -E2BIG, "more than %u words", WORDS);
		words[n++] = at;
		at += strcspn(at, " \t\r");
		if (*at != '\0')
			*at++ = '\0';
	}
	return run_words(c, r, words, n, err);
}

/* ---- the client ---- */

static void hang_up(struct control *c)
{
	timer_set(&c->limit, 0);
	io_finish(&c->io);
	fd_close(&c->fd);
	free(take_ptr(c->answer));
	c->waiting = false;
	c->have = c->size = c->sent = 0;
	listener_next(c->listener);
}

/* By edge: else one that shut down its sending side and does not read made the loop spin. */
static void write_answer(struct control *c)
{
	ssize_t n = 0;

	while (c->sent < c->size && n >= 0) {
		n = send(c->fd, c->answer + c->sent, c->size - c->sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			c->sent += (size_t)n;
	}
	if (n >= 0 || (errno != EAGAIN && errno != EINTR) ||
	    io_set(&c->io, IO_WRITE | IO_EDGE) < 0)
		hang_up(c);
}

static void wait_for_reload(struct control *c)
{
	free(take_ptr(c->answer));
	c->size = 0;
	timer_set(&c->limit, loop_now(c->loop) + WAIT_S * 1000000000ULL);
	if (io_set(&c->io, 0) < 0)
		hang_up(c);
	else
		c->host.reload(c->host.ctx);
}

static void give_answer(struct control *c, char *end)
{
	struct error err = ERROR_NONE;
	struct said r = { open_memstream(&c->answer, &c->size) };

	if (r.file == NULL) {
		hang_up(c);
		return;
	}
	if (run_line(c, end, &r, &err) < 0) {
		rewind(r.file);         /* drops what was said before it failed */
		control_say(&r, "error: %s\n", err.text);
	}
	if (fclose(r.file) != 0)
		hang_up(c);
	else if (!c->waiting)
		write_answer(c);
	else
		wait_for_reload(c);
}

void control_reloaded(struct control *c, const struct error *err)
{
	struct said r;

	if (!c->waiting)
		return;
	c->waiting = false;
	r.file = open_memstream(&c->answer, &c->size);
	if (r.file != NULL && err->code < 0)
		control_say(&r, "error: %s\n", err->text);
	if (r.file == NULL || fclose(r.file) != 0)
		hang_up(c);
	else
		write_answer(c);
}

static void read_line(struct control *c)
{
	ssize_t n = recv(c->fd, c->line + c->have, LINE_SIZE - 1 - c->have, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->have += (size_t)n;
	end = memchr(c->line, '\n', c->have);
	if (end != NULL || c->have == LINE_SIZE - 1)
		give_answer(c, end);
	else if (n <= 0)
		hang_up(c);
}

static void client_ready(struct io *io, unsigned ready)
{
	struct control *c = container_of(io, struct control, io);

	if (c->answer != NULL)
		write_answer(c);
	else
		read_line(c);
}

static void client_late(struct timer *t)
{
	hang_up(container_of(t, struct control, limit));
}

static void client_came(void *ctx, int fd)
{
	struct control *c = ctx;

	c->fd = fd;
	io_init(&c->io, c->loop, fd, client_ready);
	timer_set(&c->limit, loop_now(c->loop) + LIMIT_S * 1000000000ULL);
	if (fd_set_nonblock(fd) < 0 || io_set(&c->io, IO_READ) < 0)
		hang_up(c);
}

/* A path never ends. */
static void no_more(void *ctx)
{
}

struct control *control_new(struct loop *l, struct instance *in, const struct device *device,
			    const char *path, const struct control_host *host, struct error *err)
{
	struct endpoint ep = { .kind = ENDPOINT_PATH, .fd = -1, .mode = 0600, .group = -1 };
	struct control *c = calloc(1, sizeof(*c));

	ep.path = strdup(path);
	if (c == NULL || ep.path == NULL) {
		error_memory(err);
		free(ep.path);
		free(c);
		return NULL;
	}
	*c = (struct control){ .in = in, .device = device, .host = *host, .loop = l, .fd = -1 };
	timer_init(&c->limit, l, client_late);
	c->listener = listener_new(l, &ep, client_came, no_more, c, err);
	if (c->listener == NULL) {
		endpoint_finish(&ep);
		free(c);
		return NULL;
	}
	listener_next(c->listener);
	return c;
}

void control_free(struct control *c)
{
	if (c == NULL)
		return;
	timer_finish(&c->limit);
	io_finish(&c->io);
	fd_close(&c->fd);
	listener_free(c->listener);
	free(c->answer);
	free(c);
}
