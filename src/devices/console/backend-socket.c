/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Clients that connect, by TCP or a Unix socket. One at a time: a new one takes
 * the place of the former, as whoever connects again after his link broke wants.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"

enum { BACKLOG = 16, AGAIN_MS = 100, ACCEPTS = 16 };

struct listener {
	struct port *port;
	struct io io;
	struct timer again;
	int fd;
	bool tcp;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];         /* to be removed */
	unsigned tcp_port;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static void tune(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void listener_ready(struct io *io, unsigned ready)
{
	struct listener *l = container_of(io, struct listener, io);
	struct console *con = l->port->con;
	unsigned i;
	int fd = 0;

	for (i = 0; i < ACCEPTS; i++) {
		fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			break;
		if (l->tcp)
			tune(fd);
		client_attach(l->port, fd, fd);
	}
	/* Out of descriptors: whoever waits keeps waiting, and the loop does not spin. */
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_limited(&con->limit, LOG_LEVEL_WARN, con->in, "port %u: a client cannot be "
			    "accepted: %s", l->port->id, strerror(errno));
		io_set(&l->io, 0);
		timer_set(&l->again, console_after(con, AGAIN_MS));
	}
}

static void listener_again(struct timer *t)
{
	struct listener *l = container_of(t, struct listener, again);

	if (io_set(&l->io, IO_READ) < 0)
		timer_set(t, console_after(l->port->con, AGAIN_MS));
}

static struct listener *listener_new(struct port *p)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->port = p;
	l->fd = -1;
	p->host = l;
	timer_init(&l->again, p->con->loop, listener_again);
	return l;
}

static void socket_close(struct port *p)
{
	struct listener *l = p->host;

	if (l == NULL)
		return;
	io_finish(&l->io);
	timer_finish(&l->again);
	fd_close(&l->fd);
	if (l->path[0] != '\0')
		unlink(l->path);
	free(l);
	p->host = NULL;
}

static int listener_start(struct listener *l, const char *what, struct error *err)
{
	int ret;

	if (listen(l->fd, BACKLOG) < 0)
		return error_set(err, -errno, "cannot listen at %s: %s", what, strerror(errno));
	io_init(&l->io, l->port->con->loop, l->fd, listener_ready);
	ret = io_set(&l->io, IO_READ);
	return ret < 0 ? error_set(err, ret, "cannot watch %s: %s", what, strerror(-ret)) : 0;
}

/* ---- TCP ---- */

static bool parse_address(const char *text, uint16_t port, union address *ret, socklen_t *ret_len)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*ret_len = sizeof(ret->v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_len = sizeof(ret->v6);
		return true;
	}
	return false;
}

static int network_check(const struct port_conf *conf, struct error *err)
{
	union address a;
	socklen_t len;

	if (!parse_address(conf->address, 0, &a, &len))
		return error_set(err, -EINVAL, "tcp-address '%s' is no address, such as "
				 "127.0.0.1 or ::", conf->address);
	return 0;
}

static int network_open(struct port *p, struct error *err)
{
	unsigned number = p->conf->tcp_port + instance_index(p->con->in);
	struct listener *l = listener_new(p);
	const int on = 1;
	char what[80];
	union address a;
	socklen_t len;

	if (l == NULL)
		return error_memory(err);
	if (number > UINT16_MAX)
		return error_set(err, -ERANGE, "TCP port %u, for guest %u, is above 65535", number,
				 instance_index(p->con->in));
	l->tcp = true;
	l->tcp_port = number;
	snprintf(what, sizeof(what), "TCP %s port %u", p->conf->address, number);
	if (!parse_address(p->conf->address, (uint16_t)number, &a, &len))
		return error_set(err, -EINVAL, "%s: no address", what);
	l->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return error_set(err, -errno, "%s: %s", what, strerror(errno));
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->fd, &a.any, len) < 0)
		return error_set(err, -errno, "%s: %s", what, strerror(errno));
	return listener_start(l, what, err);
}

static void network_describe(const struct port *p, struct said *r)
{
	const struct listener *l = p->host;

	control_say(r, " at %s:%u", p->conf->address, l->tcp_port);
}

const struct backend backend_network = {
	.check = network_check, .open = network_open, .close = socket_close,
	.describe = network_describe,
};

/* ---- Unix ---- */

static int unix_check(const struct port_conf *conf, struct error *err)
{
	if (conf->path == NULL)
		return error_set(err, -EINVAL, "backend uds needs a path");
	return 0;
}

/* A socket that nobody listens at may go; anything else stays. */
static int make_way(const union address *a, struct error *err)
{
	const char *path = a->local.sun_path;
	struct stat st;
	CLOSE_FD int fd = -1;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s exists and is no socket: move it away", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (connect(fd, &a->any, sizeof(a->local)) == 0 || errno == EAGAIN))
		return error_set(err, -EADDRINUSE, "%s is in use: another process listens there",
				 path);
	unlink(path);
	return 0;
}

static int unix_open(struct port *p, struct error *err)
{
	struct listener *l = listener_new(p);
	union address a = { .local = { .sun_family = AF_UNIX } };
	int ret;

	if (l == NULL)
		return error_memory(err);
	ret = console_path(p, p->conf->path, a.local.sun_path, sizeof(a.local.sun_path), err);
	if (ret == 0)
		ret = make_way(&a, err);
	if (ret < 0)
		return ret;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, &a.any, sizeof(a.local)) < 0)
		return error_set(err, -errno, "socket %s: %s", a.local.sun_path, strerror(errno));
	memcpy(l->path, a.local.sun_path, sizeof(l->path));
	return listener_start(l, l->path, err);
}

static void unix_describe(const struct port *p, struct said *r)
{
	const struct listener *l = p->host;

	control_say(r, " at %s", l->path);
}

const struct backend backend_unix = {
	.check = unix_check, .open = unix_open, .close = socket_close, .describe = unix_describe,
};
