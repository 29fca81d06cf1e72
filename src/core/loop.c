/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One thread's events on libevent.
 *
 * A turn: work left for it (loop_next_turn, posts of this thread), events,
 * posts of other threads, then the work for its end. The event base has no
 * locks; other threads reach a loop only through the list of posts, whose lock
 * covers pointer moves.
 *
 * Timers are a pairing heap of our own over one timerfd, because libevent's
 * precise timers cost a system call in every turn, whether a timer is set or
 * not, and because a faked clock needs no more than the heap. Neither the
 * timerfd nor the wake-up eventfd is ever read: both are watched by edge.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "core/loop-core.h"
#include "core/stall.h"
#include "vhost-device/fd.h"

enum {
	NS_PER_US = 1000,
	NS_PER_S = 1000 * 1000 * 1000,
	/* While rings are polled, other sources are looked at this often. */
	LOOK_NS = 20 * NS_PER_US,
};

struct list {
	struct turn_end *first, **last;
};

struct loop {
	struct event_base *base;
	bool in_turn, stop, posted;     /* the latter two are atomic */
	bool worked;                    /* something was served since the loop last polled */
	bool fake;
	bool soon;                      /* a timer was set for no later than now */
	unsigned refs;                  /* atomic */
	uint64_t now;                   /* of this turn, 0: not read yet; or the faked time */

	struct event wake;
	int wake_fd;
	pthread_mutex_t lock;           /* of posts */
	struct post *posts, **posts_last;
	struct post *own, **own_last;   /* posts of this thread, for the next turn */
	struct post *due;               /* those that run in this turn */

	struct event tick;
	int tick_fd;
	uint64_t armed;                 /* what the timerfd waits for, 0: nothing */
	uint64_t timer_seq;
	struct timer *timers;           /* root of the heap */

	struct list ending, starting, next, last;

	uint64_t poll_ns, last_work, last_look;
	struct poller *pollers, *cursor;
};

struct io_core {
	struct event ev;
	struct loop *loop;
	int fd, nested;                 /* nested: an epoll around fd, or -1 */
	unsigned set;
};

struct timer_core {
	struct loop *loop;
	struct timer *child, *next, *prev;      /* prev: parent of a first child */
	uint64_t at, seq;                       /* at 0: not in the heap */
};

struct post_core {
	struct post *next;
	uintptr_t pending;                      /* atomic */
};

_Static_assert(sizeof(struct io_core) <= sizeof(((struct io *)0)->core), "struct io");
_Static_assert(sizeof(struct timer_core) <= sizeof(((struct timer *)0)->core), "struct timer");
_Static_assert(sizeof(struct post_core) <= sizeof(((struct post *)0)->core), "struct post");

static __thread struct loop *self;

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Lists of work for the ends and beginnings of turns. */

static void list_init(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_add(struct list *list, struct turn_end *t)
{
	if (t->queued)
		return;
	t->queued = true;
	t->next = NULL;
	*list->last = t;
	list->last = &t->next;
}

static void list_remove(struct list *list, struct turn_end *t)
{
	struct turn_end **at = &list->first;

	while (*at != NULL && *at != t)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = t->next;
	if (list->last == &t->next)
		list->last = at;
	t->queued = false;
}

/* Work that is added meanwhile is run as well; anything may be forgotten meanwhile. */
static void list_run(struct list *list)
{
	struct turn_end *t;

	while ((t = list->first) != NULL) {
		list_remove(list, t);
		t->fn(t);
	}
}

static void list_take(struct list *to, struct list *from)
{
	if (from->first == NULL)
		return;
	*to->last = from->first;
	to->last = from->last;
	list_init(from);
}

void loop_at_turn_end(struct loop *l, struct turn_end *t)
{
	list_add(&l->ending, t);
}

void loop_next_turn(struct loop *l, struct turn_end *t)
{
	list_add(&l->next, t);
}

void loop_at_free(struct loop *l, struct turn_end *t)
{
	list_add(&l->last, t);
}

void loop_forget_turn_end(struct loop *l, struct turn_end *t)
{
	if (!t->queued)
		return;
	list_remove(&l->ending, t);
	list_remove(&l->starting, t);
	list_remove(&l->next, t);
	list_remove(&l->last, t);
}

/* Sources. */

static struct io_core *io_core(struct io *io)
{
	return (struct io_core *)io->core;
}

static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static unsigned ready_of_nested(const struct io_core *c)
{
	struct epoll_event e;
	unsigned ready = 0;

	if (epoll_wait(c->nested, &e, 1, 0) != 1)
		return 0;
	if (e.events & EPOLLIN)
		ready |= IO_READ;
	if (e.events & EPOLLOUT)
		ready |= IO_WRITE;
	if (e.events & EPOLLPRI)
		ready |= IO_PRI;
	if (e.events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
		ready |= IO_HUP;
	return ready;
}

static void io_fired(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	struct io_core *c = io_core(io);
	unsigned ready = 0;

	c->loop->worked = true;
	if (c->nested >= 0) {
		ready = ready_of_nested(c);
	} else {
		if (what & EV_READ)
			ready |= IO_READ;
		if (what & EV_WRITE)
			ready |= IO_WRITE;
		/*
		 * libevent reports an error on the fd as readable and
		 * writable, also to who asked for neither.
		 */
		if (what & EV_CLOSED || (!(c->set & (IO_READ | IO_WRITE)) && hung_up(fd)))
			ready |= IO_HUP;
	}
	ready &= c->set | IO_HUP;
	if (ready != 0)
		io->cb(io, ready);
}

void io_init(struct io *io, struct loop *l, int fd, void (*cb)(struct io *io, unsigned ready))
{
	struct io_core *c = io_core(io);

	memset(io, 0, sizeof(*io));
	io->cb = cb;
	c->loop = l;
	c->fd = fd;
	c->nested = -1;
}

static void io_rest(struct io_core *c)
{
	if (c->set == 0)
		return;
	event_del(&c->ev);
	fd_close(&c->nested);
	c->set = 0;
}

/* libevent knows no POLLPRI. An epoll is readable when one of its fds is ready. */
static int io_nest(struct io_core *c, unsigned events)
{
	struct epoll_event e = { .events = EPOLLPRI | EPOLLRDHUP };
	CLOSE_FD int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (events & IO_READ)
		e.events |= EPOLLIN;
	if (events & IO_WRITE)
		e.events |= EPOLLOUT;
	if (events & IO_EDGE)
		e.events |= EPOLLET;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, c->fd, &e) < 0)
		return -errno;
	c->nested = take_fd(&fd);
	return 0;
}

/*
 * Who only waits for a hang-up gets it by edge and asks for readable as well:
 * otherwise an error on the fd, which libevent would not report to EV_CLOSED
 * alone, made the loop spin.
 */
static short event_flags(const struct io_core *c, unsigned events)
{
	unsigned flags = EV_PERSIST;

	if (c->nested >= 0)
		return EV_PERSIST | EV_READ;
	if (events & IO_READ)
		flags |= EV_READ | EV_CLOSED;
	if (events & IO_WRITE)
		flags |= EV_WRITE | EV_CLOSED;
	if (events & IO_EDGE)
		flags |= EV_ET;
	if (!(events & (IO_READ | IO_WRITE)))
		flags |= EV_READ | EV_CLOSED | EV_ET;
	return (short)flags;
}

int io_set(struct io *io, unsigned events)
{
	struct io_core *c = io_core(io);
	int ret;

	if (events == c->set)
		return 0;
	io_rest(c);
	if (events == 0)
		return 0;
	if (events & IO_PRI) {
		ret = io_nest(c, events);
		if (ret < 0)
			return ret;
	}
	errno = 0;
	if (event_assign(&c->ev, c->loop->base, c->nested >= 0 ? c->nested : c->fd,
			 event_flags(c, events), io_fired, io) < 0 ||
	    event_add(&c->ev, NULL) < 0) {
		ret = errno != 0 ? -errno : -EINVAL;
		fd_close(&c->nested);
		return ret;
	}
	c->set = events;
	return 0;
}

void io_finish(struct io *io)
{
	if (io != NULL && io_core(io)->loop != NULL)
		io_rest(io_core(io));
}

/* Timers. */

static struct timer_core *timer_core(struct timer *t)
{
	return (struct timer_core *)t->core;
}

static bool timer_before(struct timer *a, struct timer *b)
{
	const struct timer_core *x = timer_core(a), *y = timer_core(b);

	return x->at != y->at ? x->at < y->at : x->seq < y->seq;
}

static struct timer *heap_meld(struct timer *a, struct timer *b)
{
	struct timer *swap;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (timer_before(b, a)) {
		swap = a;
		a = b;
		b = swap;
	}
	timer_core(b)->next = timer_core(a)->child;
	timer_core(b)->prev = a;
	if (timer_core(b)->next != NULL)
		timer_core(timer_core(b)->next)->prev = b;
	timer_core(a)->child = b;
	timer_core(a)->next = timer_core(a)->prev = NULL;
	return a;
}

/* The children of a removed node become one heap: meld pairs, then those from the end. */
static struct timer *heap_meld_all(struct timer *first)
{
	struct timer *pairs = NULL, *heap = NULL, *a, *b;

	while (first != NULL) {
		a = first;
		b = timer_core(a)->next;
		first = b != NULL ? timer_core(b)->next : NULL;
		timer_core(a)->next = timer_core(a)->prev = NULL;
		if (b != NULL)
			timer_core(b)->next = timer_core(b)->prev = NULL;
		a = heap_meld(a, b);
		timer_core(a)->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		a = pairs;
		pairs = timer_core(a)->next;
		timer_core(a)->next = NULL;
		heap = heap_meld(heap, a);
	}
	return heap;
}

static void heap_remove(struct loop *l, struct timer *t)
{
	struct timer_core *c = timer_core(t);
	struct timer *rest = heap_meld_all(c->child);

	if (l->timers == t) {
		l->timers = rest;
	} else {
		if (timer_core(c->prev)->child == t)
			timer_core(c->prev)->child = c->next;
		else
			timer_core(c->prev)->next = c->next;
		if (c->next != NULL)
			timer_core(c->next)->prev = c->prev;
		l->timers = heap_meld(l->timers, rest);
	}
	c->child = c->next = c->prev = NULL;
	c->at = 0;
}

void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t))
{
	memset(t, 0, sizeof(*t));
	t->cb = cb;
	timer_core(t)->loop = l;
}

void timer_set(struct timer *t, uint64_t at_ns)
{
	struct timer_core *c = timer_core(t);
	uint64_t now;

	if (c->at != 0)
		heap_remove(c->loop, t);
	if (at_ns == 0)
		return;
	/* Never before those due already: one that is set anew for the past starves none. */
	now = loop_now(c->loop);
	c->at = at_ns > now ? at_ns : now;
	if (at_ns <= now)
		c->loop->soon = true;
	c->seq = c->loop->timer_seq++;
	c->loop->timers = heap_meld(c->loop->timers, t);
}

void timer_finish(struct timer *t)
{
	if (t != NULL && timer_core(t)->loop != NULL)
		timer_set(t, 0);
}

static bool timers_due(struct loop *l)
{
	return l->timers != NULL && timer_core(l->timers)->at <= loop_now(l);
}

/* A timer that is set meanwhile waits for the next turn. */
static void run_timers(struct loop *l)
{
	uint64_t limit = l->timer_seq;
	struct timer *t;

	while (timers_due(l) && timer_core(l->timers)->seq < limit) {
		t = l->timers;
		heap_remove(l, t);
		l->worked = true;
		t->cb(t);
	}
}

static void tick_fired(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	l->armed = 0;
	if (l->fake)
		return;
	l->now = clock_ns();
	run_timers(l);
}

/* A later or no time is left to fire for nothing: cheaper than setting it each turn. */
static void tick_arm(struct loop *l)
{
	struct itimerspec its = { { 0, 0 }, { 0, 0 } };
	uint64_t at;

	if (l->fake || l->timers == NULL)
		return;
	at = timer_core(l->timers)->at;
	if (l->armed != 0 && l->armed <= at)
		return;
	its.it_value.tv_sec = (time_t)(at / NS_PER_S);
	its.it_value.tv_nsec = (long)(at % NS_PER_S);
	if (timerfd_settime(l->tick_fd, TFD_TIMER_ABSTIME, &its, NULL) == 0)
		l->armed = at;
}

uint64_t loop_now(const struct loop *l)
{
	/* The cache is no part of what the caller sees. */
	uint64_t *cache = (uint64_t *)(uintptr_t)&l->now;

	if (l->fake)
		return l->now;
	if (!l->in_turn)
		return clock_ns();
	if (l->now == 0)
		*cache = clock_ns();
	return l->now;
}

void loop_fake_clock(struct loop *l, uint64_t now_ns)
{
	l->fake = true;
	l->now = now_ns;
}

/* Posts. */

static struct post_core *post_core(struct post *p)
{
	return (struct post_core *)p->core;
}

static void posts_add(struct post ***last, struct post *p)
{
	post_core(p)->next = NULL;
	**last = p;
	*last = &post_core(p)->next;
}

static void wake(struct loop *l)
{
	fd_signal(l->wake_fd);
}

void loop_post(struct loop *l, struct post *p)
{
	bool first;

	if (__atomic_exchange_n(&post_core(p)->pending, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	if (self == l) {
		posts_add(&l->own_last, p);
		return;
	}
	pthread_mutex_lock(&l->lock);
	first = l->posts == NULL;
	posts_add(&l->posts_last, p);
	__atomic_store_n(&l->posted, true, __ATOMIC_RELEASE);
	/* Under the lock, so that the loop cannot be freed by this very post before the wake-up. */
	if (first)
		wake(l);
	pthread_mutex_unlock(&l->lock);
}

/* Takes p out of a list that may hold it. */
static void posts_drop(struct post **at, struct post ***last, const struct post *p)
{
	while (*at != NULL && *at != p)
		at = &post_core(*at)->next;
	if (*at == NULL)
		return;
	*at = post_core(*at)->next;
	if (last != NULL && *at == NULL)
		*last = at;
}

void loop_unpost(struct loop *l, struct post *p)
{
	if (__atomic_load_n(&post_core(p)->pending, __ATOMIC_ACQUIRE) == 0)
		return;
	posts_drop(&l->due, NULL, p);
	posts_drop(&l->own, &l->own_last, p);
	pthread_mutex_lock(&l->lock);
	posts_drop(&l->posts, &l->posts_last, p);
	pthread_mutex_unlock(&l->lock);
	__atomic_store_n(&post_core(p)->pending, 0, __ATOMIC_RELEASE);
}

static void run_posts(struct loop *l, struct post *first)
{
	struct post *p;

	l->due = first;
	while ((p = l->due) != NULL) {
		l->due = post_core(p)->next;
		l->worked = true;
		/* From here on it may be posted again, and be gone after fn(). */
		__atomic_exchange_n(&post_core(p)->pending, 0, __ATOMIC_ACQ_REL);
		p->fn(p);
	}
}

static void run_own_posts(struct loop *l)
{
	struct post *first = l->own;

	l->own = NULL;
	l->own_last = &l->own;
	run_posts(l, first);
}

static void run_foreign_posts(struct loop *l)
{
	struct post *first;

	if (!__atomic_load_n(&l->posted, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&l->lock);
	first = l->posts;
	l->posts = NULL;
	l->posts_last = &l->posts;
	__atomic_store_n(&l->posted, false, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&l->lock);
	run_posts(l, first);
}

/* Being woken is all it is for: what there is to do is looked up in every turn. */
static void wake_fired(evutil_socket_t fd, short what, void *arg)
{
}

/* Busy polling. */

void loop_set_poll_us(struct loop *l, unsigned us)
{
	l->poll_ns = (uint64_t)us * NS_PER_US;
}

bool loop_polls(const struct loop *l)
{
	return l->poll_ns != 0;
}

void loop_add_poller(struct loop *l, struct poller *p)
{
	if (p->linked)
		return;
	p->linked = true;
	p->next = l->pollers;
	l->pollers = p;
}

void loop_remove_poller(struct loop *l, struct poller *p)
{
	struct poller **at = &l->pollers;

	if (!p->linked)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->linked = false;
	if (l->cursor == p)
		l->cursor = p->next;
}

static bool poll_all(struct loop *l)
{
	bool found = false;
	struct poller *p;

	for (p = l->pollers; p != NULL; p = l->cursor) {
		l->cursor = p->next;
		if (p->poll(p))
			found = true;
	}
	return found;
}

/* The rings' drivers need not kick while the loop polls; from now on they must. */
static bool pollers_rest(struct loop *l)
{
	bool found = false;
	struct poller *p;

	for (p = l->pollers; p != NULL; p = l->cursor) {
		l->cursor = p->next;
		if (p->rest != NULL && p->rest(p))
			found = true;
	}
	return found;
}

/* NONBLOCK alone would go on as long as any source is ready. */
static void look(struct loop *l, bool arm)
{
	if (arm)
		tick_arm(l);
	event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static bool loop_stopped(struct loop *l)
{
	return __atomic_load_n(&l->stop, __ATOMIC_ACQUIRE);
}

/* Instead of sleeping; false: nothing came for so long that the loop should sleep. */
static bool spin(struct loop *l)
{
	uint64_t now = clock_ns();

	if (l->worked)
		l->last_work = now;
	l->worked = false;
	while (now - l->last_work < l->poll_ns) {
		if (poll_all(l)) {
			l->worked = true;
			return true;
		}
		if (now - l->last_look >= LOOK_NS) {
			l->last_look = now;
			look(l, true);
		}
		if (l->worked || loop_stopped(l) || __atomic_load_n(&l->posted, __ATOMIC_ACQUIRE))
			return true;
		now = clock_ns();
	}
	return pollers_rest(l) || l->next.first != NULL || l->own != NULL || l->soon;
}

/* Turns. */

void loop_turn(struct loop *l, bool block)
{
	struct loop *outer = self;
	bool due;

	bug_if(l->in_turn);
	self = l;
	l->in_turn = true;
	/* No need to go through the timerfd for what is due already. */
	due = l->soon || (l->fake && timers_due(l));
	l->soon = false;
	block = block && !due && l->next.first == NULL && l->own == NULL;

	list_take(&l->starting, &l->next);
	l->worked = l->worked || l->starting.first != NULL;
	list_run(&l->starting);
	run_own_posts(l);
	if (block && l->poll_ns != 0 && l->pollers != NULL) {
		if (!spin(l))
			event_base_loop(l->base, EVLOOP_ONCE);
	} else if (block) {
		tick_arm(l);
		event_base_loop(l->base, EVLOOP_ONCE);
	} else {
		/* Due ones are run below: to let the timerfd fire would cost more than that. */
		look(l, !due);
	}
	run_foreign_posts(l);
	if (due || l->fake)
		run_timers(l);
	list_run(&l->ending);

	if (!l->fake)
		l->now = 0;
	l->in_turn = false;
	self = outer;
}

void loop_run(struct loop *l)
{
	self = l;
	while (!loop_stopped(l))
		loop_turn(l, true);
	stall_finish();
	__atomic_store_n(&l->stop, false, __ATOMIC_RELEASE);
	self = NULL;
}

void loop_stop(struct loop *l)
{
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	wake(l);
}

struct loop *loop_self(void)
{
	return self;
}

/* Failures come back through io_set(); libevent would print them. */
static void libevent_says(int severity, const char *text)
{
}

static struct event_base *base_new(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base = NULL;

	if (cfg == NULL)
		return NULL;
	if (event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0 &&
	    event_config_require_features(cfg, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE) == 0)
		base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

/* The fds that belong to the loop itself; 0 or negative errno. */
static int loop_open(struct loop *l)
{
	l->wake_fd = fd_eventfd();
	if (l->wake_fd < 0)
		return l->wake_fd;
	l->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->tick_fd < 0)
		return -errno;
	errno = 0;
	l->base = base_new();
	if (l->base == NULL)
		return errno != 0 ? -errno : -ENOMEM;
	event_assign(&l->wake, l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, wake_fired, l);
	event_assign(&l->tick, l->base, l->tick_fd, EV_READ | EV_PERSIST | EV_ET, tick_fired, l);
	if (event_add(&l->wake, NULL) < 0 || event_add(&l->tick, NULL) < 0)
		return errno != 0 ? -errno : -ENOMEM;
	return 0;
}

struct loop *loop_new(struct error *err)
{
	struct loop *l = calloc(1, sizeof(*l));
	int ret;

	if (l == NULL) {
		error_set(err, -ENOMEM, "event loop: out of memory");
		return NULL;
	}
	event_set_log_callback(libevent_says);
	l->refs = 1;
	list_init(&l->ending);
	list_init(&l->starting);
	list_init(&l->next);
	list_init(&l->last);
	l->posts_last = &l->posts;
	l->own_last = &l->own;
	l->wake_fd = l->tick_fd = -1;
	pthread_mutex_init(&l->lock, NULL);
	ret = loop_open(l);
	if (ret < 0) {
		error_set(err, ret, "event loop: cannot be set up: %s", strerror(-ret));
		loop_free(l);
		return NULL;
	}
	return l;
}

struct loop *loop_ref(struct loop *l)
{
	__atomic_add_fetch(&l->refs, 1, __ATOMIC_RELAXED);
	return l;
}

void loop_free(struct loop *l)
{
	if (l == NULL || __atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	bug_if(l->in_turn);
	list_run(&l->last);
	if (l->base != NULL)
		event_base_free(l->base);
	fd_close(&l->tick_fd);
	fd_close(&l->wake_fd);
	pthread_mutex_lock(&l->lock);
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
