/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The terminal that this program runs on, or whatever its standard input and
 * output are.
 *
 *   in the background --SIGCONT in the foreground--> raw, keys go to the guest
 *   raw --close--> as it was
 *
 * A terminal that stays raw is of no use to its owner, so a second process
 * watches over it: when this one ends without a word, by SIGKILL or a fault, it
 * puts the terminal back, unless somebody else has done so.
 *
 * The descriptors of a terminal are shared with whoever has it open: O_NONBLOCK
 * is set on an own one, opened anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"

struct terminal {
	struct port *port;
	int tty;                        /* -1: standard input is no terminal */
	bool known;                     /* before and raw hold */
	struct termios before, raw;
	pid_t guard;
	int guard_pipe;
	int signals;                    /* an eventfd */
	struct io signal_io;
	struct sigaction old_winch, old_cont;
	int shared[2], flags[2];        /* that O_NONBLOCK was set on; -1: none */
};

/* A process has one, and what its signal handler may touch. */
static struct {
	int taken;
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

static void guard_main(const struct terminal *t, int pipe_fd)
{
	char byte;
	ssize_t n;
	int signo;

	for (signo = 1; signo < NSIG; signo++)
		signal(signo, SIG_IGN);
	setpgid(0, 0);
	keep_two(t->tty, pipe_fd);
	do {
		n = read(1, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		restore(0, &t->raw, &t->before);
	_exit(0);
}

static void start_guard(struct terminal *t)
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

static void dismiss_guard(struct terminal *t)
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

static bool in_foreground(int tty)
{
	pid_t group = tcgetpgrp(tty);

	return group < 0 || group == getpgrp();
}

static void take_size(struct terminal *t)
{
	struct winsize size;

	if (ioctl(t->tty, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
		port_set_size(t->port, size.ws_col, size.ws_row);
}

static void make_raw(struct terminal *t)
{
	struct termios raw;

	if (!t->known) {
		if (tcgetattr(t->tty, &t->before) < 0)
			return;
		t->known = true;
		raw = t->before;
		cfmakeraw(&raw);
		tcsetattr(t->tty, TCSANOW, &raw);
		/* As the kernel keeps it. */
		if (tcgetattr(t->tty, &t->raw) < 0)
			t->raw = raw;
		start_guard(t);
		return;
	}
	tcsetattr(t->tty, TCSANOW, &t->raw);
}

static void leave_raw(struct terminal *t)
{
	sigset_t ttou, old;

	if (!t->known)
		return;
	/* In the background it would stop us. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &old);
	restore(t->tty, &t->raw, &t->before);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	dismiss_guard(t);
}

/* ---- descriptors ---- */

/* Of our own if that can be had; else flags are put back at the end. */
static int own_fd(struct terminal *t, int fd, int mode, struct error *err)
{
	char path[40];
	struct stat st;
	int ret = -1;

	if (fstat(fd, &st) < 0)
		return error_set(err, -errno, "standard %s: %s", fd == 0 ? "input" : "output",
				 strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		ret = host_open(t->port->con->in, path, mode | O_NONBLOCK, NULL);
	if (ret >= 0)
		return ret;
	if (!S_ISREG(st.st_mode)) {
		t->flags[fd] = fcntl(fd, F_GETFL);
		t->shared[fd] = fd;
		fd_set_nonblock(fd);
	}
	ret = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return ret >= 0 ? ret : error_set(err, -errno, "standard %s: %s",
					  fd == 0 ? "input" : "output", strerror(errno));
}

static int attach(struct terminal *t, struct error *err)
{
	int in, out, ret;

	in = own_fd(t, STDIN_FILENO, O_RDONLY, err);
	if (in < 0)
		return in;
	out = own_fd(t, STDOUT_FILENO, O_WRONLY, err);
	if (out < 0) {
		close(in);
		return out;
	}
	ret = client_attach(t->port, in, out);
	return ret < 0 ? error_set(err, ret, "the terminal cannot be watched: %s",
				   strerror(-ret)) : 0;
}

/* ---- signals ---- */

/* Another size, or in the foreground again. */
static void signalled(struct io *io, unsigned ready)
{
	struct terminal *t = container_of(io, struct terminal, signal_io);
	struct error err = ERROR_NONE;

	if (!in_foreground(t->tty))
		return;
	make_raw(t);
	take_size(t);
	if (!client_is_there(t->port) && attach(t, &err) < 0)
		log_warn(t->port->con->in, "%s", err.text);
}

static int watch_signals(struct terminal *t, struct error *err)
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
	io_init(&t->signal_io, t->port->con->loop, t->signals, signalled);
	ret = io_set(&t->signal_io, IO_READ | IO_EDGE);
	return ret < 0 ? error_set(err, ret, "cannot watch signals: %s", strerror(-ret)) : 0;
}

static void unwatch_signals(struct terminal *t)
{
	if (t->signals < 0)
		return;
	sigaction(SIGWINCH, &t->old_winch, NULL);
	sigaction(SIGCONT, &t->old_cont, NULL);
	io_finish(&t->signal_io);
	fd_close(&t->signals);
}

/* ---- the back end ---- */

/* The key that ends us comes by itself: in the middle of a paste it is data. */
static size_t terminal_typed(struct port *p, uint8_t *bytes, size_t n)
{
	if (n != 1 || bytes[0] != p->con->conf->escape)
		return n;
	log_info(p->con->in, "the escape key was typed");
	kill(getpid(), SIGTERM);
	return 0;
}

static void terminal_close(struct port *p)
{
	struct terminal *t = p->host;
	unsigned i;

	if (t == NULL)
		return;
	unwatch_signals(t);
	if (t->tty >= 0)
		leave_raw(t);
	for (i = 0; i < ARRAY_SIZE(t->shared); i++) {
		if (t->shared[i] >= 0)
			fcntl(t->shared[i], F_SETFL, t->flags[i]);
	}
	free(t);
	p->host = NULL;
	__atomic_store_n(&only.taken, 0, __ATOMIC_RELEASE);
}

static const struct backend no_terminal = { .close = terminal_close };

static int terminal_open(struct port *p, struct error *err)
{
	struct terminal *t;

	if (instance_count(p->con->in) > 1)
		return error_set(err, -EINVAL, "Error using multiple sockets with Nested backend: "
				 "there is one terminal only, use another --backend");
	if (__atomic_exchange_n(&only.taken, 1, __ATOMIC_ACQ_REL) != 0)
		return error_set(err, -EBUSY, "the terminal is in use by another console: use "
				 "another backend");
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		only.taken = 0;
		return error_memory(err);
	}
	t->port = p;
	t->signals = t->guard_pipe = t->shared[0] = t->shared[1] = -1;
	t->tty = isatty(STDIN_FILENO) ? STDIN_FILENO : -1;
	p->host = t;
	if (t->tty < 0) {
		p->backend = &no_terminal;
		return attach(t, err);
	}
	if (watch_signals(t, err) < 0)
		return -EIO;
	if (!in_foreground(t->tty))
		return 0;
	make_raw(t);
	take_size(t);
	return attach(t, err);
}

const struct backend backend_nested = {
	.open = terminal_open, .close = terminal_close, .typed = terminal_typed,
};
