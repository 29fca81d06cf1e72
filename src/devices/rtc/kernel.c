/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The clocks of the host. One timerfd on CLOCK_REALTIME serves all alarms: it
 * alone tells that the clock was set. It is armed from the beginning, so that
 * no step goes unseen between a look at a clock and the wait for it. With
 * --wake-host another one wakes the host, for alarms only: the kernel even
 * refuses to suspend when such a timer is due within two seconds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <unistd.h>

#include "host.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "vhost-device/loop.h"

/* See clock_getres(2): a clock made of a file descriptor. */
enum { CLOCKFD = 3 };

struct kernel {
	struct host host;
	struct loop *loop;
	int fd, rouse_fd;                       /* the latter may be -1 */
	struct io io, rouse_io;
	struct timer again;                     /* the clock was set while we armed */
};

static const clockid_t ids[] = {
	[HOST_REALTIME] = CLOCK_REALTIME, [HOST_TAI] = CLOCK_TAI,
	[HOST_MONOTONIC] = CLOCK_MONOTONIC, [HOST_BOOTTIME] = CLOCK_BOOTTIME,
	[HOST_RAW] = CLOCK_MONOTONIC_RAW,
};

struct kernel_calls kernel_calls = { .gettime = clock_gettime, .adjtime = adjtimex };

static int read_clock(clockid_t id, int64_t *ret_ns)
{
	struct timespec ts;
	int64_t ns;

	if (kernel_calls.gettime(id, &ts) < 0)
		return -errno;
	if (__builtin_mul_overflow((int64_t)ts.tv_sec, SECOND, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)ts.tv_nsec, &ns))
		return -EOVERFLOW;
	*ret_ns = ns;
	return 0;
}

int phc_now(int fd, int64_t *ret_ns)
{
	return read_clock((clockid_t)(~(unsigned)fd << 3 | CLOCKFD), ret_ns);
}

static int kernel_now(struct host *h, enum host_clock id, int64_t *ret_ns)
{
	return read_clock(ids[id], ret_ns);
}

static int kernel_state(struct host *h, struct host_state *ret_state)
{
	static const enum host_leap leaps[] = {
		[TIME_OK] = HOST_LEAP_NONE, [TIME_INS] = HOST_LEAP_INSERT,
		[TIME_DEL] = HOST_LEAP_DELETE, [TIME_OOP] = HOST_LEAP_NOW,
		[TIME_WAIT] = HOST_LEAP_OVER,
	};
	struct timex t;
	int ret;

	memset(&t, 0, sizeof(t));
	ret = kernel_calls.adjtime(&t);
	if (ret < 0)
		return -errno;
	/* TIME_ERROR, a clock that nobody disciplines, hides the others. */
	if (ret > TIME_WAIT)
		ret = (t.status & STA_INS) != 0 ? TIME_INS :
			(t.status & STA_DEL) != 0 ? TIME_DEL : TIME_OK;
	*ret_state = (struct host_state){ .tai = t.tai, .leap = leaps[ret] };
	return 0;
}

static uint64_t kernel_counter(struct host *h)
{
	return counter_read();
}

static int set_timer(int fd, int flags, int64_t at)
{
	struct itimerspec t = { .it_value = { .tv_sec = at / SECOND, .tv_nsec = at % SECOND } };

	/* Zero would disarm it. */
	if (at <= 0)
		t.it_value = (struct timespec){ .tv_nsec = 1 };
	return timerfd_settime(fd, TFD_TIMER_ABSTIME | flags, &t, NULL);
}

static void kernel_wake(struct host *h, int64_t at, int64_t rouse)
{
	static const struct itimerspec never;
	struct kernel *k = container_of(h, struct kernel, host);

	if (set_timer(k->fd, TFD_TIMER_CANCEL_ON_SET, at) < 0)
		timer_set(&k->again, loop_now(k->loop));
	/* Not far away instead: a clock chip that cannot count so far hinders a suspend. */
	if (k->rouse_fd >= 0 && rouse == INT64_MAX)
		timerfd_settime(k->rouse_fd, 0, &never, NULL);
	else if (k->rouse_fd >= 0)
		set_timer(k->rouse_fd, 0, rouse);
}

static void timer_ready(struct kernel *k, int fd)
{
	uint64_t n;

	/* What is read matters not: either it is time, or the clock was set (ECANCELED). */
	if (read(fd, &n, sizeof(n)) < 0 && errno == EAGAIN)
		return;
	k->host.woken(&k->host, k->host.ctx);
}

static void fd_ready(struct io *io, unsigned ready)
{
	struct kernel *k = container_of(io, struct kernel, io);

	timer_ready(k, k->fd);
}

static void rouse_ready(struct io *io, unsigned ready)
{
	struct kernel *k = container_of(io, struct kernel, rouse_io);

	timer_ready(k, k->rouse_fd);
}

static void again_fired(struct timer *t)
{
	struct kernel *k = container_of(t, struct kernel, again);

	k->host.woken(&k->host, k->host.ctx);
}

static void kernel_free(struct host *h)
{
	struct kernel *k = container_of(h, struct kernel, host);

	io_finish(&k->io);
	io_finish(&k->rouse_io);
	timer_finish(&k->again);
	fd_close(&k->fd);
	fd_close(&k->rouse_fd);
	free(k);
}

static const struct host_ops kernel_ops = {
	.now = kernel_now, .state = kernel_state, .counter = kernel_counter, .wake = kernel_wake,
	.free = kernel_free,
};

void host_free(struct host *h)
{
	if (h != NULL)
		h->ops->free(h);
}

/* The fd, or -1 with errno. */
static int new_timer(struct loop *l, int clock, struct io *io,
		     void (*ready)(struct io *io, unsigned ready))
{
	int fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -1;
	io_init(io, l, fd, ready);
	io_set(io, IO_READ);
	return fd;
}

struct host *kernel_new(struct instance *in, bool wake_host, struct error *err)
{
	struct kernel *k = calloc(1, sizeof(*k));

	if (k == NULL) {
		error_memory(err);
		return NULL;
	}
	k->host.ops = &kernel_ops;
	k->loop = instance_loop(in);
	timer_init(&k->again, k->loop, again_fired);
	k->rouse_fd = -1;
	k->fd = new_timer(k->loop, CLOCK_REALTIME, &k->io, fd_ready);
	if (k->fd >= 0 && wake_host)
		k->rouse_fd = new_timer(k->loop, CLOCK_REALTIME_ALARM, &k->rouse_io, rouse_ready);
	if (k->fd < 0 || (wake_host && k->rouse_fd < 0)) {
		wake_host = wake_host && k->fd >= 0;
		error_set(err, -errno, "timer%s: %s%s", wake_host ? " that wakes the host" : "",
			  strerror(errno), wake_host && errno == EPERM ?
			  ": --wake-host needs the capability wake_alarm" : "");
		kernel_free(&k->host);
		return NULL;
	}
	kernel_wake(&k->host, INT64_MAX, INT64_MAX);
	return &k->host;
}
