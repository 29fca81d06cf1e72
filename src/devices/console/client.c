/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Who sits at the other end of a port: a pair of descriptors, or one for both
 * ways. End of file from him is the end of his input alone if he may still
 * listen. A Unix socket tells; TCP does not before something is sent, so there
 * only a console goes on.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"

enum { FIRST_BURST = 4096 };

bool client_is_there(const struct port *p)
{
	return p->client.in >= 0;
}

static bool has_hung_up(int fd)
{
	struct pollfd f = { .fd = fd, .events = 0 };

	return poll(&f, 1, 0) > 0 && (f.revents & (POLLHUP | POLLERR)) != 0;
}

static unsigned in_events(const struct client *c)
{
	unsigned out = c->out == c->in && c->sink.blocked ? IO_WRITE : 0;

	return (c->in_over ? 0 : IO_READ) | out;
}

/* A file that cannot be watched never has to be waited for. */
static void watch(struct client *c)
{
	unsigned events = in_events(c);
	int ret;

	/* The end of a socket is still to be heard of. */
	if (events == 0 && c->in == c->out)
		events = IO_HUP;
	ret = io_set(&c->in_io, events != 0 ? events | IO_EDGE : 0);

	if (ret < 0 && !c->in_over)
		c->readable = true;
}

static ssize_t client_write(struct sink *s, const struct iovec *iov, unsigned n)
{
	struct client *c = container_of(s, struct client, sink);
	ssize_t ret;

	do {
		ret = writev(c->out, iov, (int)n);
	} while (ret < 0 && errno == EINTR);
	if (ret >= 0)
		return ret;
	if (errno == EAGAIN) {
		s->blocked = true;
		if (c->out == c->in)
			watch(c);
		else if (io_set(&c->out_io, IO_WRITE | IO_EDGE) < 0)
			s->blocked = false;
		return -EAGAIN;
	}
	ret = -errno;
	/* What he sent before he left is still read. */
	sink_remove(s);
	c->hup = true;
	if (c->in_over || !c->readable)
		client_leave(s->port);
	return ret;
}

void client_input_over(struct port *p)
{
	struct client *c = &p->client;

	c->in_over = true;
	c->readable = false;
	if (c->in == c->out && (has_hung_up(c->in) || !c->sink.listed ||
				(!p->console && p->conf->backend == BACKEND_NETWORK))) {
		client_leave(p);
		return;
	}
	watch(c);
}

/* He is gone, and maybe the guest takes nothing: is there nothing more to be read? */
static bool has_left_nothing(const struct client *c)
{
	int n = 0;

	return c->hup && ioctl(c->in, FIONREAD, &n) == 0 && n == 0;
}

static void in_ready(struct io *io, unsigned ready)
{
	struct client *c = container_of(io, struct client, in_io);
	struct port *p = c->sink.port;

	if (ready & IO_HUP)
		c->hup = true;
	if ((ready & (IO_READ | IO_HUP)) && !c->in_over)
		c->readable = true;
	if ((ready & IO_WRITE) && c->sink.blocked && c->out == c->in) {
		c->sink.blocked = false;
		watch(c);
		output_more(&c->sink);
	}
	input_run(p);
	if (c->in < 0)
		return;
	if (c->readable && has_hung_up(c->in))
		c->hup = true;
	if (!c->in_over && has_left_nothing(c))
		client_input_over(p);
	else if (c->in_over && c->in == c->out && has_hung_up(c->in))
		client_leave(p);
}

static void out_ready(struct io *io, unsigned ready)
{
	struct client *c = container_of(io, struct client, out_io);

	io_set(io, 0);
	output_more(&c->sink);
}

int client_attach(struct port *p, int in, int out)
{
	struct client *c = &p->client;
	uint64_t had = c->sink.at;
	int ret;

	client_leave(p);
	memset(c, 0, sizeof(*c));
	c->in = in;
	c->out = out;
	c->burst = FIRST_BURST;
	c->sink.direct = true;
	c->sink.write = client_write;
	c->sink.port = p;
	io_init(&c->in_io, p->con->loop, in, in_ready);
	if (out != in)
		io_init(&c->out_io, p->con->loop, out, out_ready);
	ret = io_set(&c->in_io, IO_READ | IO_EDGE);
	if (ret == -EPERM) {
		c->readable = true;
	} else if (ret < 0) {
		client_leave(p);
		return ret;
	}
	instance_stat(p->con->in, CONSOLE_CLIENTS, 1);
	sink_add(p, &c->sink, p->backend->resumes ? p->head - had : p->replay);
	port_set_host_open(p, true);
	output_run(p);
	input_run(p);
	return 0;
}

void client_leave(struct port *p)
{
	struct client *c = &p->client;
	bool same = c->in == c->out;

	if (c->in < 0)
		return;
	sink_remove(&c->sink);
	io_finish(&c->in_io);
	if (!same) {
		io_finish(&c->out_io);
		fd_close(&c->out);
	}
	fd_close(&c->in);
	c->out = -1;
	c->readable = false;
	port_set_host_open(p, false);
	if (p->backend->gone != NULL)
		p->backend->gone(p);
}
