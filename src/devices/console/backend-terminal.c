/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The terminal that this program runs on, or whatever its standard input and
 * output are. In the background keys are not the guest's.
 *
 * The descriptors of a terminal are shared with whoever has it open: O_NONBLOCK
 * is set on an own one, opened anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"
#include "vhost-device/tty.h"

struct terminal {
	struct tty tty;
	struct port *port;
	int shared[2], flags[2];        /* that O_NONBLOCK was set on; -1: none */
};

/* Standard input is one console's, terminal or not. */
static int taken;

static void take_size(struct terminal *t)
{
	struct winsize size;

	if (ioctl(t->tty.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0)
		port_set_size(t->port, size.ws_col, size.ws_row);
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

/* Another size, or in the foreground again. */
static void terminal_changed(struct tty *tty)
{
	struct terminal *t = container_of(tty, struct terminal, tty);
	struct error err = ERROR_NONE;

	take_size(t);
	if (!client_is_there(t->port) && attach(t, &err) < 0)
		log_warn(t->port->con->in, "%s", err.text);
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
	tty_close(&t->tty);
	for (i = 0; i < ARRAY_SIZE(t->shared); i++) {
		if (t->shared[i] >= 0)
			fcntl(t->shared[i], F_SETFL, t->flags[i]);
	}
	free(t);
	p->host = NULL;
	__atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
}

static const struct backend no_terminal = { .close = terminal_close };

static int terminal_open(struct port *p, struct error *err)
{
	struct terminal *t;
	int ret;

	if (instance_count(p->con->in) > 1)
		return error_set(err, -EINVAL, "Error using multiple sockets with Nested backend: "
				 "there is one terminal only, use another --backend");
	if (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQ_REL) != 0)
		return error_set(err, -EBUSY, "the terminal is in use by another console: use "
				 "another backend");
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		taken = 0;
		return error_memory(err);
	}
	t->port = p;
	t->tty.changed = terminal_changed;
	t->shared[0] = t->shared[1] = -1;
	p->host = t;
	ret = tty_open(&t->tty, p->con->loop, err);
	if (ret < 0)
		return ret;
	if (t->tty.fd < 0)
		p->backend = &no_terminal;
	else if (tty_in_foreground(&t->tty))
		take_size(t);
	else
		return 0;
	return attach(t, err);
}

const struct backend backend_nested = {
	.open = terminal_open, .close = terminal_close, .typed = terminal_typed,
};
