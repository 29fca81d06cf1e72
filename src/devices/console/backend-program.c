/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A program, run by the shell: its standard input is what the guest says, its
 * standard output what the guest is told. When it has ended it is started
 * again, a second later. When we end it finds the end of its input, and may take
 * its time.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"

enum { AGAIN_MS = 1000 };

struct program {
	struct port *port;
	struct timer again;
	pid_t pid;                      /* 0: none that has not been waited for */
};

static int spawn(const char *command, int fd, pid_t *ret_pid)
{
	const char *const argv[] = { "/bin/sh", "-c", command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
				 POSIX_SPAWN_SETPGROUP);
	/* exec takes them, and does not change them. */
	ret = posix_spawn(ret_pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv,
			  environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

static int start(struct program *g)
{
	struct port *p = g->port;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	fd_set_nonblock(fds[0]);
	ret = spawn(p->conf->command, fds[1], &g->pid);
	fd_close(&fds[1]);
	if (ret < 0) {
		fd_close(&fds[0]);
		g->pid = 0;
		return ret;
	}
	return client_attach(p, fds[0], fds[0]);
}

static void again(struct timer *t)
{
	struct program *g = container_of(t, struct program, again);
	struct port *p = g->port;
	int ret;

	/* It has closed its ends, but may run on: not two of them. */
	if (g->pid != 0 && waitpid(g->pid, NULL, WNOHANG) == 0) {
		timer_set(t, console_after(p->con, AGAIN_MS));
		return;
	}
	g->pid = 0;
	ret = start(g);
	if (ret == 0)
		return;
	log_limited(&p->con->limit, LOG_LEVEL_WARN, p->con->in,
		    "port %u: its program cannot be started: %s", p->id, strerror(-ret));
	timer_set(t, console_after(p->con, AGAIN_MS));
}

static void program_gone(struct port *p)
{
	struct program *g = p->host;

	if (g != NULL)
		timer_set(&g->again, console_after(p->con, AGAIN_MS));
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
	if (g->pid != 0)
		waitpid(g->pid, NULL, WNOHANG);
	free(g);
	p->host = NULL;
}

static void program_describe(const struct port *p, struct said *r)
{
	const struct program *g = p->host;

	control_say(r, " pid %d", (int)g->pid);
}

const struct backend backend_program = {
	.check = program_check, .open = program_open, .close = program_close,
	.gone = program_gone, .describe = program_describe,
};
