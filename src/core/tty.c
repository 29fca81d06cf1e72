/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The terminal that this program runs on.
 *
 *   in the background --SIGCONT in the foreground--> raw
 *   raw --close--> as it was
 *
 * A terminal that stays raw is of no use to its owner, so a second process
 * watches over it: when this one ends without a word, by SIGKILL or a fault, it
 * puts the terminal back, unless somebody else has done so.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vhost-device/fd.h"
#include "vhost-device/log.h"
#include "vhost-device/tty.h"

/* A process has one, and what its signal handler may touch. */
static struct {
	struct tty *owner;
	int fd;
} only;

static void on_signal(int signo)
{
	int saved = errno;

	fd_signal(only.fd);
	errno = saved;
}

static bool same_modes(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_lflag == b->c_lflag &&
		a->c_cflag == b->c_cflag;
}

/* Only if it is still as we have made it. */
static void restore(int fd, const struct termios *raw, const struct termios *before)
{
	struct termios now;

	if (tcgetattr(fd, &now) == 0 && same_modes(&now, raw))
		tcsetattr(fd, TCSANOW, before);
}

/* ---- who watches over it ---- */

/* Holds nothing open but what it needs. */
static void keep_two(int tty, int pipe_fd)
{
	int fd;

	tty = fcntl(tty, F_DUPFD, 100);
	pipe_fd = fcntl(pipe_fd, F_DUPFD, 100);
	dup2(tty, 0);
	dup2(pipe_fd, 1);
	if (syscall(SYS_close_range, 2U, ~0U, 0U) == 0)
		return;
	for (fd = 2; fd < 1024; fd++)
		close(fd);
}

static void guard_main(const struct tty *t, int pipe_fd)
{
	char byte;
	ssize_t n;
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_IGN);
	setpgid(0, 0);
	keep_two(t->fd, pipe_fd);
	do {
		n = read(1, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		restore(0, &t->raw, &t->before);
	_exit(0);
}

static void start_guard(struct tty *t)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		guard_main(t, fds[0]);
	}
	close(fds[0]);
	if (pid < 0) {
		close(fds[1]);
		return;
	}
	t->guard = pid;
	t->guard_pipe = fds[1];
}

static void dismiss_guard(struct tty *t)
{
	if (t->guard == 0)
		return;
	if (write(t->guard_pipe, "", 1) < 0)
		log_debug(NULL, "the terminal's guard has gone");
	fd_close(&t->guard_pipe);
	while (waitpid(t->guard, NULL, 0) < 0 && errno == EINTR)
		;
	t->guard = 0;
}

/* ---- raw and back ---- */

bool tty_in_foreground(const struct tty *t)
{
	pid_t group = tcgetpgrp(t->fd);

	return group < 0 || group == getpgrp();
}

static void make_raw(struct tty *t)
{
	struct termios raw;

	if (!t->known) {
		if (tcgetattr(t->fd, &t->before) < 0)
			return;
		t->known = true;
		raw = t->before;
		cfmakeraw(&raw);
		if (t->prints)
			raw.c_oflag = t->before.c_oflag;
		tcsetattr(t->fd, TCSANOW, &raw);
		/* As the kernel keeps it. */
		if (tcgetattr(t->fd, &t->raw) < 0)
			t->raw = raw;
		start_guard(t);
		return;
	}
	tcsetattr(t->fd, TCSANOW, &t->raw);
}

static void leave_raw(struct tty *t)
{
	sigset_t ttou, old;

	if (!t->known)
		return;
	/* In the background it would stop us. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	restore(t->fd, &t->raw, &t->before);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	dismiss_guard(t);
}

/* ---- signals ---- */

/* Another size, or in the foreground again. */
static void signalled(struct io *io, unsigned ready)
{
	struct tty *t = container_of(io, struct tty, signal_io);

	if (!tty_in_foreground(t))
		return;
	make_raw(t);
	t->changed(t);
}

static int watch_signals(struct tty *t, struct loop *l, struct error *err)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	int ret;

	t->signals = fd_eventfd();
	if (t->signals < 0)
		return error_set(err, t->signals, "no eventfd: %s", strerror(-t->signals));
	only.fd = t->signals;
	sigemptyset(&action.sa_mask);
	sigaction(SIGWINCH, &action, &t->old_winch);
	sigaction(SIGCONT, &action, &t->old_cont);
	io_init(&t->signal_io, l, t->signals, signalled);
	ret = io_set(&t->signal_io, IO_READ | IO_EDGE);
	return ret < 0 ? error_set(err, ret, "cannot watch signals: %s", strerror(-ret)) : 0;
}

static void unwatch_signals(struct tty *t)
{
	if (t->signals < 0)
		return;
	sigaction(SIGWINCH, &t->old_winch, NULL);
	sigaction(SIGCONT, &t->old_cont, NULL);
	io_finish(&t->signal_io);
	fd_close(&t->signals);
}

/* ---- its owner ---- */

int tty_open(struct tty *t, struct loop *l, struct error *err)
{
	struct tty *nobody = NULL;
	int ret;

	t->guard_pipe = t->signals = -1;
	t->fd = isatty(STDIN_FILENO) ? STDIN_FILENO : -1;
	if (t->fd < 0)
		return 0;
	if (!__atomic_compare_exchange_n(&only.owner, &nobody, t, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return error_set(err, -EBUSY, "the terminal is in use by another device of this "
				 "process");
	ret = watch_signals(t, l, err);
	if (ret < 0) {
		tty_close(t);
		return ret;
	}
	if (tty_in_foreground(t))
		make_raw(t);
	return 0;
}

void tty_close(struct tty *t)
{
	if (__atomic_load_n(&only.owner, __ATOMIC_ACQUIRE) != t)
		return;
	unwatch_signals(t);
	leave_raw(t);
	__atomic_store_n(&only.owner, NULL, __ATOMIC_RELEASE);
}
