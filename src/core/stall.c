/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * An eventfd is written without blocking as long as O_NONBLOCK is set. That
 * flag belongs to all who share the eventfd, so a front end may clear it, fill
 * the counter, and so hold whoever writes; no system call writes to an eventfd
 * without looking at the flag, and no check before the write is in time.
 *
 * So each thread that signals has a timer, which sends it a signal whose
 * handler does next to nothing, but makes a blocked write() return. It is set
 * at the first write after it ran out, and from the handler while a write is
 * under way: at any write it is pending, at most one system call in 20 ms is
 * spent on it, and a thread that stays idle is woken by it once. SIGURG is
 * ignored where nobody catches it, so that a late one does no harm.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/stall.h"
#include "vhost-device/log.h"

enum { LIMIT_NS = 20 * 1000 * 1000, NUDGE = SIGURG };

static __thread struct {
	timer_t timer;
	bool made;
	volatile sig_atomic_t pending;  /* a signal will come */
	volatile sig_atomic_t writing;
} nudge;

static void set_timer(void)
{
	const struct itimerspec its = { .it_value.tv_nsec = LIMIT_NS };

	timer_settime(nudge.timer, 0, &its, NULL);
}

static void on_nudge(int signo)
{
	int saved = errno;

	/* It may have come just before the system call: then the next one ends it. */
	if (nudge.writing && nudge.made)
		set_timer();
	else
		nudge.pending = 0;
	errno = saved;
}

/* No SA_RESTART: that is the point. */
static int make_timer(void)
{
	struct sigaction action = { .sa_handler = on_nudge };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = NUDGE };
	sigset_t set;

	event.sigev_notify_thread_id = gettid();
	sigemptyset(&action.sa_mask);
	sigemptyset(&set);
	sigaddset(&set, NUDGE);
	if (sigaction(NUDGE, &action, NULL) < 0 || pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &nudge.timer) < 0)
		return -errno;
	nudge.made = true;
	return 0;
}

static void __attribute__((noinline)) expect_nudge(void)
{
	int ret = nudge.made ? 0 : make_timer();

	nudge.pending = 1;
	if (ret == 0)
		set_timer();
	else
		log_warn(NULL, "no timer against descriptors that block: %s", strerror(-ret));
}

int stall_signal(int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	nudge.writing = 1;
	if (!nudge.pending)
		expect_nudge();
	n = write(fd, &one, sizeof(one));
	nudge.writing = 0;
	/* EAGAIN: the counter is full, so the other end will look anyway. */
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

void stall_finish(void)
{
	if (nudge.made)
		timer_delete(nudge.timer);
	nudge.made = false;
	nudge.pending = 0;
}
