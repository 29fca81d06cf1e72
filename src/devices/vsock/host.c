/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sockets of the host: the hybrid Unix socket, that is one path where clients
 * say "CONNECT port" and PATH_PORT for what the guest connects to; or AF_VSOCK.
 *
 * What a client sent is only looked at until its line is complete: bytes behind
 * the line are data and stay in the socket.
 */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost-device/fd.h"
#include "vhost-device/num.h"
#include "vsock.h"

enum { GREETING_SIZE = 64, GREETING_MS = 60000, ACCEPTS = 64, BACKLOG = 1024, AGAIN_MS = 100,
	DIAL_MS = 5, DIALS = 64, SUFFIX = 11 };

static uint64_t after(const struct vsock *v, uint64_t ms)
{
	return loop_now(v->loop) + ms * 1000000;
}

/* ---- clients ---- */

/* A decimal port behind the word and blanks; false: no such line. */
static bool parse_greeting(char *line, uint32_t *ret_port)
{
	static const char blanks[] = " \t\r\f\v";
	char *p = line + strspn(line, blanks), *end;
	uint64_t port;

	if (strncasecmp(p, "CONNECT", 7) != 0 || strchr(blanks, p[7]) == NULL || p[7] == '\0')
		return false;
	p += 7 + strspn(p + 7, blanks);
	end = p + strcspn(p, blanks);
	if (end[strspn(end, blanks)] != '\0')
		return false;
	*end = '\0';
	if (num_parse(p, 0, UINT32_MAX, &port) < 0)
		return false;
	*ret_port = (uint32_t)port;
	return true;
}

void host_greeting(struct conn *c)
{
	char line[GREETING_SIZE + 1];
	ssize_t n = recv(c->fd, line, GREETING_SIZE, MSG_PEEK | MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	/* Still coming, unless it is over or too long for any port. */
	if (end == NULL && n > 0 && n < GREETING_SIZE && !c->hup && c->type == VSOCK_TYPE_STREAM)
		return;
	if (end == NULL) {
		conn_free(c);
		return;
	}
	*end = '\0';
	/* Of messages only the first was looked at. */
	c->readable = n > end + 1 - line || c->hup || c->type == VSOCK_TYPE_SEQPACKET;
	n = end + 1 - line;
	if (memchr(line, '\0', (size_t)n - 1) != NULL ||
	    !parse_greeting(line, &c->key.guest_port) ||
	    recv(c->fd, line, (size_t)n, MSG_DONTWAIT) != n) {
		conn_free(c);
		return;
	}
	c->greeted = true;
	conn_ask_guest(c);
}

bool host_welcome(struct conn *c)
{
	char line[24];
	int n = snprintf(line, sizeof(line), "OK %u\n", c->key.guest_port);

	return !c->greeted || send(c->fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == n;
}

/* A message goes out whole or not at all: no larger one may be promised room. */
static void fit_messages(struct conn *c, int fd)
{
	int size = (int)c->window;
	socklen_t len = sizeof(size);

	if (c->type != VSOCK_TYPE_SEQPACKET)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0 && size > 32 &&
	    c->window > (uint32_t)size - 32)
		c->window = (uint32_t)size - 32;
}

static void client_came(struct entry *e, int fd)
{
	struct vsock *v = e->v;
	struct conn *c = queue_running(v->rx) ? conn_new(v) : NULL;

	if (c == NULL) {
		instance_stat(v->in, VSOCK_REFUSED, 1);
		close(fd);
		return;
	}
	c->type = e->type == SOCK_STREAM ? VSOCK_TYPE_STREAM : VSOCK_TYPE_SEQPACKET;
	c->key.peer_cid = v->conf->vm.forward_cid != 0 ? v->conf->vm.forward_cid : VSOCK_CID_HOST;
	c->state = CONN_GREETING;
	fit_messages(c, fd);
	if (conn_watch(c, fd) < 0) {
		conn_free(c);
		return;
	}
	if (e->port != VSOCK_PORT_ANY) {
		c->key.guest_port = e->port;
		conn_ask_guest(c);
		return;
	}
	timer_set(&c->timer, after(v, GREETING_MS));
}

static void entry_ready(struct io *io, unsigned ready)
{
	struct entry *e = container_of(io, struct entry, io);
	unsigned i;
	int fd = 0;

	for (i = 0; i < ACCEPTS && fd >= 0; i++) {
		fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			client_came(e, fd);
	}
	/* Out of descriptors: whoever waits keeps waiting, and the loop does not spin. */
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		log_limited(&e->v->limit, LOG_LEVEL_WARN, e->v->in,
			    "a client cannot be accepted: %s", strerror(errno));
		io_set(&e->io, 0);
		timer_set(&e->again, after(e->v, AGAIN_MS));
	}
}

static void entry_again(struct timer *t)
{
	struct entry *e = container_of(t, struct entry, again);

	if (io_set(&e->io, IO_READ) < 0)
		timer_set(t, after(e->v, AGAIN_MS));
}

/* ---- listening ---- */

static int unix_addr(const char *path, const char *suffix, struct sockaddr_un *ret_addr)
{
	int n;

	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->sun_family = AF_UNIX;
	n = snprintf(ret_addr->sun_path, sizeof(ret_addr->sun_path), "%s%s", path, suffix);
	return n >= 0 && (size_t)n < sizeof(ret_addr->sun_path) ? 0 : -ENAMETOOLONG;
}

/* A socket that nobody listens at may go; anything else stays. */
static int make_way(const struct sockaddr_un *addr, int type, struct error *err)
{
	struct stat st;
	CLOSE_FD int fd = -1;

	if (lstat(addr->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s exists and is no socket: move it away",
				 addr->sun_path);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ||
			errno == EAGAIN))
		return error_set(err, -EADDRINUSE, "%s is in use: another process listens there",
				 addr->sun_path);
	unlink(addr->sun_path);
	return 0;
}

static int open_unix(struct entry *e, const struct vm_conf *vm, const char *suffix,
		     struct error *err)
{
	struct sockaddr_un addr;
	int ret = unix_addr(vm->uds_path, suffix, &addr);

	if (ret < 0 || strlen(vm->uds_path) + SUFFIX >= sizeof(addr.sun_path))
		return error_set(err, -ENAMETOOLONG, "--uds-path %s: with a port behind it the "
				 "path of a socket has at most %zu bytes", vm->uds_path,
				 sizeof(addr.sun_path) - 1);
	ret = make_way(&addr, e->type, err);
	if (ret < 0)
		return ret;
	e->fd = socket(AF_UNIX, e->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || bind(e->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, -errno, "--uds-path %s: %s%s", addr.sun_path,
				 strerror(errno), errno == EACCES
				 ? ": use a folder that this user may write to" : "");
	e->path = strdup(addr.sun_path);
	return e->path != NULL ? 0 : -ENOMEM;
}

static int open_vsock(struct entry *e, struct error *err)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
		.svm_port = e->port };

	e->fd = socket(AF_VSOCK, e->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0)
		return error_set(err, -errno, "--forward-listen: this kernel has no AF_VSOCK: %s: "
				 "load the module vsock", strerror(errno));
	if (bind(e->fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return error_set(err, -errno, "--forward-listen %u: %s", e->port, strerror(errno));
	return 0;
}

static void entry_free(struct entry *e)
{
	io_finish(&e->io);
	timer_finish(&e->again);
	fd_close(&e->fd);
	if (e->path != NULL)
		unlink(e->path);
	free(e->path);
	free(e);
}

static int add_entry(struct vsock *v, int type, const char *suffix, uint32_t port,
		     struct error *err)
{
	struct entry *e = calloc(1, sizeof(*e));
	int ret;

	if (e == NULL)
		return error_memory(err);
	*e = (struct entry){ .v = v, .next = v->entries, .fd = -1, .type = type, .port = port };
	v->entries = e;
	ret = suffix != NULL ? open_unix(e, &v->conf->vm, suffix, err) : open_vsock(e, err);
	if (ret < 0)
		return ret;
	if (listen(e->fd, BACKLOG) < 0)
		return error_set(err, -errno, "cannot listen: %s", strerror(errno));
	io_init(&e->io, v->loop, e->fd, entry_ready);
	timer_init(&e->again, v->loop, entry_again);
	ret = io_set(&e->io, IO_READ);
	return ret < 0 ? error_set(err, ret, "cannot watch a socket: %s", strerror(-ret)) : 0;
}

int host_listen(struct vsock *v, struct error *err)
{
	const struct vm_conf *vm = &v->conf->vm;
	const uint32_t *ports = vm->forward_listen.items;
	size_t i;
	int ret = 0;

	if (vm->uds_path != NULL) {
		ret = add_entry(v, SOCK_STREAM, "", VSOCK_PORT_ANY, err);
		if (ret == 0 && !v->conf->no_seqpacket)
			ret = add_entry(v, SOCK_SEQPACKET, "_seqpacket", VSOCK_PORT_ANY, err);
	}
	for (i = 0; ret == 0 && i < vm->forward_listen.n; i++)
		ret = add_entry(v, SOCK_STREAM, NULL, ports[i], err);
	return ret;
}

void host_unlisten(struct vsock *v)
{
	struct entry *e;

	while ((e = v->entries) != NULL) {
		v->entries = e->next;
		entry_free(e);
	}
}

/* ---- connecting ---- */

static int dial_unix(const struct conn *c, int fd)
{
	struct sockaddr_un addr;
	char suffix[SUFFIX + 1];

	snprintf(suffix, sizeof(suffix), "_%u", c->key.peer_port);
	if (unix_addr(c->v->conf->vm.uds_path, suffix, &addr) < 0)
		return -ENAMETOOLONG;
	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : -errno;
}

static int dial_vsock(const struct conn *c, int fd)
{
	const struct sockaddr_vm addr = { .svm_family = AF_VSOCK,
		.svm_cid = c->v->conf->vm.forward_cid, .svm_port = c->key.peer_port };

	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : -errno;
}

/* The more there are, the longer each waits: one guest does not keep the loop busy with them. */
static void dial_later(struct conn *c)
{
	struct vsock *v = c->v;
	uint64_t at = after(v, DIAL_MS * (1 + (uint64_t)v->n_redials / DIALS));

	c->redials = true;
	v->n_redials++;
	timer_set(&c->timer, at < c->deadline ? at : c->deadline);
}

void host_dial_over(struct conn *c)
{
	c->v->n_redials -= c->redials;
	c->redials = false;
}

void host_dial(struct conn *c)
{
	bool forward = c->v->conf->vm.forward_cid != 0;
	int type = c->type == VSOCK_TYPE_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
	CLOSE_FD int fd = socket(forward ? AF_VSOCK : AF_UNIX,
				 type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int ret = fd < 0 ? -errno : 0;

	host_dial_over(c);
	if (ret == 0) {
		fit_messages(c, fd);
		ret = forward ? dial_vsock(c, fd) : dial_unix(c, fd);
	}
	/* The listener's queue is full, and nothing will tell when it is not. */
	if (ret == -EAGAIN && loop_now(c->v->loop) < c->deadline) {
		dial_later(c);
		return;
	}
	if (ret == 0 || ret == -EINPROGRESS) {
		if (conn_watch(c, take_fd(&fd)) < 0)
			ret = -ENOMEM;
		else if (ret == -EINPROGRESS)
			ret = io_set(&c->io, IO_WRITE);
		else
			conn_established(c);
	}
	if (ret < 0) {
		instance_stat(c->v->in, VSOCK_REFUSED, 1);
		conn_reset(c);
	}
}

void host_dialed(struct conn *c)
{
	int what = 0;
	socklen_t len = sizeof(what);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &what, &len) < 0 || what != 0 ||
	    io_set(&c->io, IO_READ | IO_EDGE) < 0) {
		instance_stat(c->v->in, VSOCK_REFUSED, 1);
		conn_reset(c);
		return;
	}
	conn_established(c);
}
