/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A file that output is appended to, as the port's own end or beside it. A disk
 * may take its time: a worker writes, from a buffer of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console.h"
#include "vhost-device/fd.h"
#include "vhost-device/worker.h"

enum { CHUNK = 128 << 10, KEY_SIZE = 40, PATH_SIZE = 4096 };

struct file_sink {
	struct sink sink;
	struct job job;
	struct worker *worker;
	struct log_limit limit;
	int fd;
	bool busy, orphan;
	int error;                      /* of the last write */
	size_t n;
	uint8_t bytes[CHUNK];
};

/* 0, or a negative errno: the disk is full, or gone. */
static int write_all(int fd, const uint8_t *p, size_t n)
{
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static void file_run(struct job *j)
{
	struct file_sink *f = container_of(j, struct file_sink, job);

	f->error = write_all(f->fd, f->bytes, f->n);
}

static void file_done(struct job *j)
{
	struct file_sink *f = container_of(j, struct file_sink, job);
	struct port *p = f->sink.port;

	if (f->orphan) {
		free(f);
		return;
	}
	f->busy = false;
	if (f->error < 0) {
		p->dropped += f->n;
		instance_stat(p->con->in, CONSOLE_DROPPED, f->n);
		log_limited(&f->limit, LOG_LEVEL_WARN, p->con->in,
			    "port %u: output is lost, its file cannot be written: %s", p->id,
			    strerror(-f->error));
	}
	output_more(&f->sink);
}

static ssize_t file_write(struct sink *s, const struct iovec *iov, unsigned n)
{
	struct file_sink *f = container_of(s, struct file_sink, sink);
	size_t part;
	unsigned i;

	s->blocked = true;
	if (f->busy)
		return -EAGAIN;
	f->n = 0;
	for (i = 0; i < n; i++) {
		part = iov[i].iov_len < CHUNK - f->n ? iov[i].iov_len : CHUNK - f->n;
		memcpy(f->bytes + f->n, iov[i].iov_base, part);
		f->n += part;
	}
	f->busy = true;
	worker_submit(f->worker, s->port->con->in, &f->job);
	return (ssize_t)f->n;
}

struct sink *file_sink_new(struct port *p, const char *path, struct error *err)
{
	static unsigned number;
	char key[KEY_SIZE], full[PATH_SIZE];
	struct file_sink *f;

	if (console_path(p, path, full, sizeof(full), err) < 0)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		error_memory(err);
		return NULL;
	}
	f->job.run = file_run;
	f->job.done = file_done;
	f->sink.write = file_write;
	f->fd = host_open(p->con->in, full, O_WRONLY | O_CREAT | O_APPEND, err);
	snprintf(key, sizeof(key), "console-file-%u",
		 __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	if (f->fd >= 0)
		f->worker = worker_get(key, 1, err);
	if (f->worker == NULL) {
		fd_close(&f->fd);
		free(f);
		return NULL;
	}
	sink_add(p, &f->sink, 0);
	return &f->sink;
}

/* What he has not had yet is written before he goes. */
static void write_rest(struct file_sink *f)
{
	struct port *p = f->sink.port;
	size_t at, n;
	int ret = 0;

	for (; ret == 0 && f->sink.at < p->head; f->sink.at += n) {
		at = f->sink.at % p->ring_size;
		n = p->ring_size - at;
		if (n > p->head - f->sink.at)
			n = (size_t)(p->head - f->sink.at);
		ret = write_all(f->fd, p->ring + at, n);
	}
}

void file_sink_free(struct sink *s)
{
	struct file_sink *f;

	if (s == NULL)
		return;
	f = container_of(s, struct file_sink, sink);
	sink_remove(s);
	if (f->busy && job_cancel(&f->job)) {
		f->busy = false;
		f->error = write_all(f->fd, f->bytes, f->n);
	}
	/* Waits for a write that has begun. */
	worker_put(f->worker);
	write_rest(f);
	fd_close(&f->fd);
	f->orphan = true;
	if (!f->busy)
		free(f);
}

/* ---- as the only end of a port ---- */

static int file_check(const struct port_conf *conf, struct error *err)
{
	if (conf->path == NULL)
		return error_set(err, -EINVAL, "backend file needs a path");
	return 0;
}

static int file_open(struct port *p, struct error *err)
{
	p->host = file_sink_new(p, p->conf->path, err);
	if (p->host == NULL)
		return -EIO;
	port_set_host_open(p, true);
	return 0;
}

static void file_close(struct port *p)
{
	file_sink_free(p->host);
	p->host = NULL;
}

const struct backend backend_file = {
	.check = file_check, .open = file_open, .close = file_close,
};

static int null_open(struct port *p, struct error *err)
{
	port_set_host_open(p, true);
	return 0;
}

const struct backend backend_null = { .open = null_open };
