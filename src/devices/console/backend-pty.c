/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A pseudo-terminal, for programs that want a serial line. Its user opens the
 * other end, which nothing tells but a watch on that file; when he has closed
 * it, reading fails. It passes bytes as they are unless he sets it otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"

enum { NAME_SIZE = 64, LINK_SIZE = 4096, LOOK_MS = 250 };

struct pty {
	struct port *port;
	int master, watch;
	struct io watch_io;
	struct timer look;              /* where there is no watch */
	char name[NAME_SIZE], link[LINK_SIZE];
};

static void make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return;
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
}

static bool is_in_use(const struct pty *y)
{
	struct pollfd f = { .fd = y->master, .events = 0 };

	return poll(&f, 1, 0) >= 0 && (f.revents & POLLHUP) == 0;
}

static void look_for_user(struct pty *y)
{
	struct port *p = y->port;
	struct winsize size;
	int fd;

	if (client_is_there(p) || !is_in_use(y)) {
		if (y->watch < 0)
			timer_set(&y->look, console_after(p->con, LOOK_MS));
		return;
	}
	fd = fcntl(y->master, F_DUPFD_CLOEXEC, 0);
	if (fd < 0) {
		timer_set(&y->look, console_after(p->con, LOOK_MS));
		return;
	}
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		port_set_size(p, size.ws_col, size.ws_row);
	client_attach(p, fd, fd);
}

static void pty_watched(struct io *io, unsigned ready)
{
	struct pty *y = container_of(io, struct pty, watch_io);
	char events[1024];

	while (read(y->watch, events, sizeof(events)) > 0)
		;
	look_for_user(y);
}

static void pty_look(struct timer *t)
{
	look_for_user(container_of(t, struct pty, look));
}

static void pty_gone(struct port *p)
{
	struct pty *y = p->host;

	/* While we close there is none. */
	if (y == NULL || y->master < 0)
		return;
	make_raw(y->master);
	/* Its next user may have come in between. */
	timer_set(&y->look, loop_now(p->con->loop));
}

static int watch_user(struct pty *y)
{
	y->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (y->watch >= 0 && inotify_add_watch(y->watch, y->name, IN_OPEN) >= 0) {
		io_init(&y->watch_io, y->port->con->loop, y->watch, pty_watched);
		return io_set(&y->watch_io, IO_READ);
	}
	fd_close(&y->watch);
	timer_set(&y->look, console_after(y->port->con, LOOK_MS));
	return 0;
}

/* A link that leads nowhere, or to a terminal, was left by one like us. */
static int make_link(struct pty *y, struct error *err)
{
	char old[LINK_SIZE];
	ssize_t n;
	int ret;

	if (y->port->conf->path == NULL)
		return 0;
	ret = console_path(y->port, y->port->conf->path, y->link, sizeof(y->link), err);
	if (ret < 0)
		return ret;
	n = readlink(y->link, old, sizeof(old) - 1);
	if (n > 0) {
		old[n] = '\0';
		if (strncmp(old, "/dev/pts/", 9) == 0 || access(y->link, F_OK) < 0)
			unlink(y->link);
	}
	if (symlink(y->name, y->link) == 0)
		return 0;
	ret = error_set(err, -errno, "cannot make the link %s: %s", y->link, strerror(errno));
	y->link[0] = '\0';
	return ret;
}

static int open_master(struct pty *y, struct error *err)
{
	int slave;

	y->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (y->master < 0 || grantpt(y->master) < 0 || unlockpt(y->master) < 0 ||
	    ptsname_r(y->master, y->name, sizeof(y->name)) != 0)
		return error_set(err, -errno, "cannot make a pseudo-terminal: %s",
				 strerror(errno));
	/* Before its first use it would not be known that nobody uses it. */
	slave = host_open(y->port->con->in, y->name, O_RDWR, err);
	if (slave < 0)
		return slave;
	make_raw(slave);
	close(slave);
	return 0;
}

static int pty_open(struct port *p, struct error *err)
{
	struct pty *y = calloc(1, sizeof(*y));
	int ret;

	if (y == NULL)
		return error_memory(err);
	y->port = p;
	y->master = y->watch = -1;
	p->host = y;
	timer_init(&y->look, p->con->loop, pty_look);
	ret = open_master(y, err);
	if (ret == 0)
		ret = make_link(y, err);
	if (ret < 0)
		return ret;
	ret = watch_user(y);
	if (ret < 0)
		return error_set(err, ret, "cannot watch %s: %s", y->name, strerror(-ret));
	log_info(p->con->in, "port %u is at %s", p->id, y->name);
	return 0;
}

static void pty_close(struct port *p)
{
	struct pty *y = p->host;
	char now[NAME_SIZE + 1];
	ssize_t n;

	if (y == NULL)
		return;
	io_finish(&y->watch_io);
	timer_finish(&y->look);
	fd_close(&y->watch);
	fd_close(&y->master);
	n = y->link[0] != '\0' ? readlink(y->link, now, NAME_SIZE) : -1;
	if (n > 0 && strlen(y->name) == (size_t)n && memcmp(now, y->name, (size_t)n) == 0)
		unlink(y->link);
	free(y);
	p->host = NULL;
}


static void pty_describe(const struct port *p, struct said *r)
{
	const struct pty *y = p->host;

	control_say(r, " at %s", y->name);
}

const struct backend backend_pty = {
	.open = pty_open, .close = pty_close, .gone = pty_gone, .describe = pty_describe,
};
