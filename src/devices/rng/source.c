/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sources of random bytes, of three kinds:
 *
 *   kernel   getrandom(); also stands for /dev/urandom and /dev/random
 *   stream   what can be polled: FIFO, Unix socket, pollable character device
 *   slow     what cannot: files and devices such as /dev/hwrng, whose read may
 *            take long. A worker reads one chunk ahead.
 *
 * A slow file is opened once for all instances that name it and has one
 * position, so that no two guests get the same bytes of it.
 *
 *   working --end or error--> getrandom: kernel from now on
 *                             rewind, hold: tried again after a pause
 *                             exit: the process is asked to end
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "source.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "vhost-device/log.h"
#include "vhost-device/worker.h"

enum {
	CHUNK = 16 * 1024,              /* read ahead */
	POOL_PAUSE_MS = 100,            /* the kernel's pool is not ready yet */
	DEVICE_PAUSE_MS = 10,           /* a device has gathered nothing yet */
	END_PAUSE_MS = 1000,            /* after the end of a source */
	NS_PER_MS = 1000 * 1000,
	MEM_MAJOR = 1, MEM_RANDOM = 8, MEM_URANDOM = 9,
};

/* An open slow file, by device and inode. */
struct file {
	struct file *next;
	dev_t dev;
	ino_t ino;
	int fd;
	unsigned refs;
};

/* Reading ahead; outlives its source when that is closed during a read. */
struct ahead {
	struct job job;
	struct worker *worker;
	struct file *file;
	struct source *source;          /* NULL: closed */
	bool busy, full;                /* a job is out; it left its result */
	ssize_t got;                    /* the result: bytes in the back chunk, 0, or -errno */
	unsigned front;
	size_t from, to;                /* what is left in the front chunk */
	unsigned char chunks[2][CHUNK];
};

struct source {
	const struct kind *kind;
	struct instance *in;
	const char *path;
	enum source_end end;
	source_ready *ready;
	void *ctx;
	bool running;
	bool quiet, rewound;            /* the end was reported, .. and nothing came since */
	bool exiting;
	struct timer retry;
	struct io io;                   /* stream */
	int fd;                         /* stream, -1: to be opened again */
	struct ahead *ahead;            /* slow */
};

/* read: bytes, 0 at the end, -EAGAIN: will call ready(), or another error. */
struct kind {
	ssize_t (*read)(struct source *s, void *buf, size_t n);
	void (*again)(struct source *s);        /* from the start, where there is one */
	void (*run)(struct source *s);
	void (*rest)(struct source *s);
	void (*close)(struct source *s);
};

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;

static void retry_in(struct source *s, unsigned ms)
{
	timer_set(&s->retry, loop_now(instance_loop(s->in)) + (uint64_t)ms * NS_PER_MS);
}

static void nothing(struct source *s)
{
}

/* Kernel. */

static ssize_t kernel_read(struct source *s, void *buf, size_t n)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = getrandom((unsigned char *)buf + have, n - have, GRND_NONBLOCK);
		if (got > 0)
			have += (size_t)got;
		else if (got < 0 && errno != EINTR)
			break;
	}
	if (have > 0)
		return (ssize_t)have;
	retry_in(s, POOL_PAUSE_MS);
	return -EAGAIN;
}

static const struct kind kernel = {
	.read = kernel_read, .again = nothing, .run = nothing, .rest = nothing, .close = nothing,
};

/* Stream. */

static int socket_open(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	CLOSE_FD int fd = -1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Never waits: a FIFO opens without a writer. */
static int path_open(struct source *s, struct error *err)
{
	struct stat st;
	int fd;

	if (stat(s->path, &st) < 0)
		return error_set(err, -errno, "%s: %s: it must exist and be readable", s->path,
				 strerror(errno));
	if (S_ISDIR(st.st_mode))
		return error_set(err, -EISDIR, "%s: is a directory: name a file, a device, "
				 "a FIFO or a socket", s->path);
	if (!S_ISSOCK(st.st_mode))
		return host_open(s->in, s->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, err);
	fd = socket_open(s->path);
	return fd >= 0 ? fd : error_set(err, fd, "%s: %s: nobody serves this socket", s->path,
					strerror(-fd));
}

static void stream_ready(struct io *io, unsigned ready)
{
	struct source *s = container_of(io, struct source, io);

	/* Bytes that nobody wants yet must not wake us again. */
	io_set(io, 0);
	s->ready(s->ctx);
}

static int stream_watch(struct source *s)
{
	int ret = io_set(&s->io, IO_READ);

	return ret < 0 ? ret : -EAGAIN;
}

static bool is_fifo(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A FIFO without a writer reads as ended, but hangs up only after its first one left. */
static bool awaits_writer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return is_fifo(fd) && poll(&p, 1, 0) == 0;
}

static ssize_t stream_read(struct source *s, void *buf, size_t n)
{
	ssize_t got;

	if (s->fd < 0)
		return 0;
	do {
		got = read(s->fd, buf, n);
	} while (got < 0 && errno == EINTR);
	if ((got < 0 && errno == EAGAIN) || (got == 0 && awaits_writer(s->fd)))
		return stream_watch(s);
	return got < 0 ? -errno : got;
}

static void stream_rest(struct source *s)
{
	io_set(&s->io, 0);
}

static void stream_close(struct source *s)
{
	io_finish(&s->io);
	fd_close(&s->fd);
}

static void stream_set(struct source *s, int fd)
{
	s->fd = fd;
	io_init(&s->io, instance_loop(s->in), fd, stream_ready);
}

/* A FIFO goes on with its next writer, who may have written already. */
static void stream_again(struct source *s)
{
	int fd;

	if (s->fd >= 0 && is_fifo(s->fd))
		return;
	stream_close(s);
	fd = path_open(s, NULL);
	if (fd >= 0)
		stream_set(s, fd);
}

static const struct kind stream = {
	.read = stream_read, .again = stream_again, .run = nothing, .rest = stream_rest,
	.close = stream_close,
};

/* Slow: files that are open once. */

static struct file *file_get(int fd, const struct stat *st)
{
	struct file *f;

	pthread_mutex_lock(&files_lock);
	for (f = files; f != NULL && (f->dev != st->st_dev || f->ino != st->st_ino); f = f->next)
		;
	if (f != NULL) {
		f->refs++;
		close(fd);
	} else {
		f = calloc(1, sizeof(*f));
		if (f != NULL) {
			*f = (struct file){ .next = files, .dev = st->st_dev, .ino = st->st_ino,
				.fd = fd, .refs = 1 };
			files = f;
		}
	}
	pthread_mutex_unlock(&files_lock);
	return f;
}

static void file_put(struct file *f)
{
	struct file **at = &files;

	if (f == NULL)
		return;
	pthread_mutex_lock(&files_lock);
	if (--f->refs == 0) {
		while (*at != f)
			at = &(*at)->next;
		*at = f->next;
		close(f->fd);
		free(f);
	}
	pthread_mutex_unlock(&files_lock);
}

static void ahead_free(struct ahead *a)
{
	if (a == NULL)
		return;
	worker_put(a->worker);
	file_put(a->file);
	explicit_bzero(a->chunks, sizeof(a->chunks));
	free(a);
}

static void ahead_run(struct job *j)
{
	struct ahead *a = container_of(j, struct ahead, job);

	do {
		a->got = read(a->file->fd, a->chunks[!a->front], CHUNK);
	} while (a->got < 0 && errno == EINTR);
	if (a->got < 0)
		a->got = -errno;
}

static void ahead_done(struct job *j)
{
	struct ahead *a = container_of(j, struct ahead, job);

	if (a->source == NULL) {
		ahead_free(a);
		return;
	}
	a->busy = false;
	a->full = true;
	if (a->source->running)
		a->source->ready(a->source->ctx);
}

static void slow_run(struct source *s)
{
	struct ahead *a = s->ahead;

	if (a->busy || a->full)
		return;
	a->busy = true;
	worker_submit(a->worker, s->in, &a->job);
}

static void slow_rest(struct source *s)
{
	if (s->ahead->busy && job_cancel(&s->ahead->job))
		s->ahead->busy = false;
}

static ssize_t slow_read(struct source *s, void *buf, size_t n)
{
	struct ahead *a = s->ahead;

	if (a->from == a->to && a->full) {
		a->full = false;
		if (a->got == -EAGAIN)
			retry_in(s, DEVICE_PAUSE_MS);
		if (a->got <= 0)
			return a->got;
		a->front = !a->front;
		a->from = 0;
		a->to = (size_t)a->got;
	}
	slow_run(s);
	if (a->from == a->to)
		return -EAGAIN;
	if (n > a->to - a->from)
		n = a->to - a->from;
	memcpy(buf, a->chunks[a->front] + a->from, n);
	explicit_bzero(a->chunks[a->front] + a->from, n);
	a->from += n;
	return (ssize_t)n;
}

/* A device has no start, which does no harm. */
static void slow_again(struct source *s)
{
	if (s->end == END_REWIND)
		lseek(s->ahead->file->fd, 0, SEEK_SET);
}

static void slow_close(struct source *s)
{
	struct ahead *a = take_ptr(s->ahead);

	if (a == NULL)
		return;
	a->source = NULL;
	if (!a->busy || job_cancel(&a->job))
		ahead_free(a);
}

static const struct kind slow = {
	.read = slow_read, .again = slow_again, .run = slow_run, .rest = slow_rest,
	.close = slow_close,
};

/* Takes fd. */
static int slow_set(struct source *s, int fd, const struct stat *st, struct error *err)
{
	struct ahead *a = calloc(1, sizeof(*a));
	FREE_PTR char *key = NULL;

	if (a == NULL || asprintf(&key, "rng %s", s->path) < 0) {
		key = NULL;
		goto no_memory;
	}
	a->job.run = ahead_run;
	a->job.done = ahead_done;
	a->source = s;
	a->file = file_get(fd, st);
	if (a->file == NULL)
		goto no_memory;
	a->worker = worker_get(key, 1, err);
	if (a->worker == NULL) {
		file_put(a->file);
		free(a);
		return -EAGAIN;
	}
	s->ahead = a;
	return 0;
no_memory:
	free(a);
	close(fd);
	return error_memory(err);
}

/* The source. */

static void retry_fired(struct timer *t)
{
	struct source *s = container_of(t, struct source, retry);

	if (s->quiet)
		s->kind->again(s);
	s->ready(s->ctx);
}

/* The last bytes were there: what now? true: try to read at once. */
static bool source_ended(struct source *s, ssize_t code)
{
	static const char *const then[] = {
		[END_GETRANDOM] = "the kernel's random numbers serve from now on",
		[END_REWIND] = "trying again", [END_HOLD] = "waiting for more",
		[END_EXIT] = "ending the process",
	};
	bool first = !s->quiet;

	if (code < 0)
		instance_stat(s->in, RNG_SOURCE_ERRORS, 1);
	/* A finite file that starts over is what was asked for. */
	if (s->end == END_REWIND && s->kind == &slow && code == 0 && !s->rewound) {
		s->rewound = true;
		slow_again(s);
		return true;
	}
	if (first)
		log_warn(s->in, "source %s: %s: %s", s->path,
			 code < 0 ? strerror((int)-code) : "ended", then[s->end]);
	s->quiet = true;
	if (s->end == END_GETRANDOM) {
		s->kind->close(s);
		s->kind = &kernel;
		return true;
	}
	if (s->end == END_EXIT && !s->exiting) {
		s->exiting = true;
		raise(SIGTERM);
	}
	retry_in(s, END_PAUSE_MS);
	return false;
}

size_t source_read(struct source *s, void *buf, size_t n)
{
	ssize_t got;

	do {
		got = s->kind->read(s, buf, n);
		if (got == -EAGAIN)
			return 0;
		if (got > 0) {
			s->quiet = s->rewound = false;
			return (size_t)got;
		}
	} while (source_ended(s, got));
	return 0;
}

bool source_is_kernel(const struct source *s)
{
	return s->kind == &kernel;
}

void source_run(struct source *s)
{
	s->running = true;
	s->kind->run(s);
}

void source_rest(struct source *s)
{
	s->running = false;
	timer_set(&s->retry, 0);
	s->kind->rest(s);
}

/* Takes fd. The kind follows from what was opened, not from its name. */
static int source_set(struct source *s, int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		close(fd);
		return error_set(err, -errno, "%s: %s", s->path, strerror(errno));
	}
	if (S_ISCHR(st.st_mode) && major(st.st_rdev) == MEM_MAJOR &&
	    (minor(st.st_rdev) == MEM_RANDOM || minor(st.st_rdev) == MEM_URANDOM)) {
		close(fd);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		stream_set(s, fd);
		if (io_set(&s->io, IO_READ) == 0) {
			io_set(&s->io, 0);
			s->kind = &stream;
			return 0;
		}
		s->fd = -1;
	}
	s->kind = &slow;
	return slow_set(s, fd, &st, err);
}

struct source *source_open(struct instance *in, const char *path, enum source_end end,
			   source_ready *ready, void *ctx, struct error *err)
{
	struct source *s = calloc(1, sizeof(*s));
	int fd;

	if (s == NULL) {
		error_memory(err);
		return NULL;
	}
	*s = (struct source){ .kind = &kernel, .in = in, .path = path, .end = end,
		.ready = ready, .ctx = ctx, .fd = -1 };
	timer_init(&s->retry, instance_loop(in), retry_fired);
	/* The default needs no file, so it works in any root. */
	if (strcmp(path, "/dev/urandom") == 0)
		return s;
	fd = path_open(s, err);
	if (fd >= 0 && source_set(s, fd, err) == 0)
		return s;
	error_prefix(err, "rng source ");
	free(s);
	return NULL;
}

void source_close(struct source *s)
{
	if (s == NULL)
		return;
	timer_finish(&s->retry);
	s->kind->close(s);
	free(s);
}
