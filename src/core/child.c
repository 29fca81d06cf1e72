/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Programs run by the shell.
 *
 *   left alone --child_stop()--> at its end --5 s--> asked --5 s--> killed
 *   any of them --it has ended--> waited for, gone
 *
 * The kernel tells of an end by a pidfd; where there is none, a timer looks.
 * Signals go to the process group of one that was not waited for yet, so its
 * number is that of nobody else. When the loop goes, so does our knowledge of
 * those that still run: they have seen the end of their input.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop-core.h"
#include "vhost-device/child.h"
#include "vhost-device/fd.h"
#include "vhost-device/log.h"

enum step { ALONE, AT_ITS_END, ASKED, KILLED };

static const uint64_t step_ns = 5000000000, look_ns = 1000000000;

struct child {
	struct loop *loop;
	struct turn_end last;           /* of the loop */
	pid_t pid;
	int fd;                         /* a pidfd; -1: the timer looks */
	struct io io;
	struct timer timer;
	enum step step;
	uint64_t until;                 /* .. of this step */
	void (*ended)(void *arg);
	void *arg;
};

static void child_free(struct child *c)
{
	loop_forget_turn_end(c->loop, &c->last);
	io_finish(&c->io);
	timer_finish(&c->timer);
	fd_close(&c->fd);
	free(c);
}

/* Gone as well is one that nobody is to wait for, as SIGCHLD may be ignored. */
static bool is_gone(const struct child *c)
{
	return waitpid(c->pid, NULL, WNOHANG) != 0;
}

static void end(struct child *c)
{
	void (*ended)(void *arg) = c->ended;
	void *arg = c->arg;

	child_free(c);
	if (ended != NULL)
		ended(arg);
}

static void set_timer(struct child *c)
{
	uint64_t at = c->step == AT_ITS_END || c->step == ASKED ? c->until : 0;

	if (c->fd < 0 && (at == 0 || at > loop_now(c->loop) + look_ns))
		at = loop_now(c->loop) + look_ns;
	timer_set(&c->timer, at);
}

/* Stopped ones get to see it, too. */
static void ask(const struct child *c)
{
	kill(-c->pid, SIGHUP);
	kill(-c->pid, SIGTERM);
	kill(-c->pid, SIGCONT);
}

static void next_step(struct child *c)
{
	c->until = loop_now(c->loop) + step_ns;
	if (c->step == AT_ITS_END) {
		c->step = ASKED;
		ask(c);
		return;
	}
	c->step = KILLED;
	log_warn(NULL, "a program, process %d, does not end: it is killed", (int)c->pid);
	kill(-c->pid, SIGKILL);
}

static void on_time(struct timer *t)
{
	struct child *c = container_of(t, struct child, timer);

	if (is_gone(c)) {
		end(c);
		return;
	}
	if ((c->step == AT_ITS_END || c->step == ASKED) && loop_now(c->loop) >= c->until)
		next_step(c);
	set_timer(c);
}

static void on_end(struct io *io, unsigned ready)
{
	struct child *c = container_of(io, struct child, io);

	if (is_gone(c))
		end(c);
}

static void on_last(struct turn_end *t)
{
	struct child *c = container_of(t, struct child, last);

	/* Its end may have come in this moment. */
	is_gone(c);
	child_free(c);
}

static void watch(struct child *c)
{
	timer_init(&c->timer, c->loop, on_time);
	c->last.fn = on_last;
	loop_at_free(c->loop, &c->last);
	c->fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->fd >= 0) {
		io_init(&c->io, c->loop, c->fd, on_end);
		if (io_set(&c->io, IO_READ | IO_EDGE) < 0)
			fd_close(&c->fd);
	}
	set_timer(c);
}

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

int child_start(struct loop *l, const char *command, int fd, void (*ended)(void *arg), void *arg,
		struct child **ret_child)
{
	struct child *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	ret = spawn(command, fd, &c->pid);
	if (ret < 0) {
		free(c);
		return ret;
	}
	c->loop = l;
	c->ended = ended;
	c->arg = arg;
	watch(c);
	*ret_child = c;
	return 0;
}

pid_t child_pid(const struct child *c)
{
	return c->pid;
}

void child_stop(struct child *c)
{
	if (c->step != ALONE)
		return;
	c->step = AT_ITS_END;
	c->until = loop_now(c->loop) + step_ns;
	set_timer(c);
}

void child_leave(struct child *c)
{
	if (c == NULL)
		return;
	c->ended = NULL;
	child_stop(c);
}
