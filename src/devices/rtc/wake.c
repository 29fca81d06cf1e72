/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Wakes a guest that sleeps: QEMU is told on its QMP socket. A connection lasts
 * for one call: greeting, two commands, two answers; the third line that comes
 * is the answer to the second command, or the event that it did something.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rtc.h"
#include "vhost-device/fd.h"

enum { LINES = 3, LIMIT_S = 2 };

static const char commands[] = "{\"execute\":\"qmp_capabilities\"}\n"
	"{\"execute\":\"system_wakeup\"}\n";

static void hang_up(struct wake *w)
{
	timer_set(&w->limit, 0);
	io_finish(&w->io);
	fd_close(&w->fd);
}

static void limit_fired(struct timer *t)
{
	struct wake *w = container_of(t, struct wake, limit);

	log_limited(&w->log, LOG_LEVEL_WARN, w->in, "--wake-guest %s: QEMU does not answer",
		    w->path);
	hang_up(w);
}

static void ready(struct io *io, unsigned events)
{
	struct wake *w = container_of(io, struct wake, io);
	char buf[512];
	ssize_t n = recv(w->fd, buf, sizeof(buf), MSG_DONTWAIT), i;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++)
		w->lines += buf[i] == '\n';
	if (n <= 0 || w->lines >= LINES)
		hang_up(w);
}

static int call(struct wake *w)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", w->path);
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || connect(w->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	if (send(w->fd, commands, strlen(commands), MSG_NOSIGNAL) != (ssize_t)strlen(commands))
		return -EPIPE;
	w->lines = 0;
	io_init(&w->io, instance_loop(w->in), w->fd, ready);
	return io_set(&w->io, IO_READ);
}

void wake_guest(struct wake *w)
{
	int ret;

	if (w->path == NULL || w->fd >= 0)
		return;
	ret = call(w);
	if (ret < 0) {
		log_limited(&w->log, LOG_LEVEL_WARN, w->in, "--wake-guest %s: %s", w->path,
			    strerror(-ret));
		hang_up(w);
		return;
	}
	timer_set(&w->limit, loop_now(instance_loop(w->in)) + LIMIT_S * (uint64_t)SECOND);
}

int wake_check(const char *path, struct error *err)
{
	const struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) < sizeof(sa.sun_path))
		return 0;
	return error_set(err, -ENAMETOOLONG, "--wake-guest %s: the path of a socket has at most "
			 "%zu bytes", path, sizeof(sa.sun_path) - 1);
}

void wake_init(struct wake *w, struct instance *in, const char *path)
{
	w->in = in;
	w->path = path;
	w->fd = -1;
	timer_init(&w->limit, instance_loop(in), limit_fired);
}

void wake_finish(struct wake *w)
{
	if (w->in == NULL)
		return;
	hang_up(w);
	timer_finish(&w->limit);
}
