/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A program, run by the shell: its standard input is what the guest says, its
 * standard output what the guest is told. It is started again a second after it
 * has ended and its ends are closed. One that runs on without them, as one that
 * was sent off may, is made to end first. When we end it finds the end of its
 * input, and may take its time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "console.h"
#include "vhost-device/child.h"
#include "vhost-device/fd.h"

enum { AGAIN_MS = 1000 };

struct program {
	struct port *port;
	struct timer again;
	struct child *child;            /* NULL: it has ended */
};

static void start_later(struct program *g)
{
	timer_set(&g->again, console_after(g->port->con, AGAIN_MS));
}

static void ended(void *arg)
{
	struct program *g = arg;

	g->child = NULL;
	/* What it said last may still have to be read; or others hold its ends. */
	if (!client_is_there(g->port))
		start_later(g);
}

static int start(struct program *g)
{
	struct port *p = g->port;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	fd_set_nonblock(fds[0]);
	ret = child_start(p->con->loop, p->conf->command, fds[1], ended, g, &g->child);
	fd_close(&fds[1]);
	if (ret < 0) {
		fd_close(&fds[0]);
		return ret;
	}
	return client_attach(p, fds[0], fds[0]);
}

static void again(struct timer *t)
{
	struct program *g = container_of(t, struct program, again);
	struct port *p = g->port;
	int ret = start(g);

	if (ret == 0)
		return;
	log_limited(&p->con->limit, LOG_LEVEL_WARN, p->con->in,
		    "port %u: its program cannot be started: %s", p->id, strerror(-ret));
	if (g->child == NULL)
		start_later(g);
}

/* Not two of them: first the old one ends. */
static void program_gone(struct port *p)
{
	struct program *g = p->host;

	if (g->child != NULL)
		child_stop(g->child);
	else
		start_later(g);
}

static int program_check(const struct port_conf *conf, struct error *err)
{
	if (conf->command == NULL || conf->command[0] == '\0')
		return error_set(err, -EINVAL, "backend program needs a command");
	return 0;
}

static int program_open(struct port *p, struct error *err)
{
	struct program *g = calloc(1, sizeof(*g));
	int ret;

	if (g == NULL)
		return error_memory(err);
	g->port = p;
	p->host = g;
	timer_init(&g->again, p->con->loop, again);
	ret = start(g);
	return ret < 0 ? error_set(err, ret, "cannot start '%s': %s", p->conf->command,
				   strerror(-ret)) : 0;
}

static void program_close(struct port *p)
{
	struct program *g = p->host;

	if (g == NULL)
		return;
	timer_finish(&g->again);
	child_leave(take_ptr(g->child));
	free(g);
	p->host = NULL;
}

static void program_describe(const struct port *p, struct said *r)
{
	const struct program *g = p->host;

	control_say(r, " pid %d", g->child != NULL ? (int)child_pid(g->child) : 0);
}

const struct backend backend_program = {
	.resumes = true,
	.check = program_check, .open = program_open, .close = program_close,
	.gone = program_gone, .describe = program_describe,
};
