/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The loop: sources, timers on a faked clock, posts under a storm, turns, pollers. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/loop-core.h"
#include "vhost-device/fd.h"

enum { MS = 1000 * 1000 };

static struct loop *loop;

static void setup(void)
{
	struct error err = ERROR_NONE;

	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
}

static void teardown(void)
{
	loop_free(loop);
}

static void pair_open(int fds[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
}

/* A trace of what happened, one letter each. */
static char trace[256];
static size_t trace_len;

static void note(char what)
{
	ck_assert_uint_lt(trace_len, sizeof(trace) - 1);
	trace[trace_len++] = what;
	trace[trace_len] = '\0';
}

static void trace_clear(void)
{
	trace_len = 0;
	trace[0] = '\0';
}

/* Sources. */

struct source {
	struct io io;
	unsigned calls, ready;
	struct source *finish;          /* finish this one when called */
};

static void source_ready(struct io *io, unsigned ready)
{
	struct source *s = container_of(io, struct source, io);

	s->calls++;
	s->ready = ready;
	if (s->finish != NULL)
		io_finish(&s->finish->io);
}

static void source_init(struct source *s, int fd)
{
	s->calls = s->ready = 0;
	s->finish = NULL;
	io_init(&s->io, loop, fd, source_ready);
}

START_TEST(level_repeats_edge_does_not)
{
	struct source level, edge;
	int a = fd_eventfd(), b = fd_eventfd(), i;

	source_init(&level, a);
	source_init(&edge, b);
	ck_assert_int_eq(io_set(&level.io, IO_READ), 0);
	ck_assert_int_eq(io_set(&edge.io, IO_READ | IO_EDGE), 0);
	fd_signal(a);
	fd_signal(b);
	for (i = 0; i < 3; i++)
		loop_turn(loop, false);
	ck_assert_uint_eq(level.calls, 3);
	ck_assert_uint_eq(edge.calls, 1);
	ck_assert_uint_eq(edge.ready, IO_READ);
	fd_signal(b);
	loop_turn(loop, false);
	ck_assert_uint_eq(edge.calls, 2);
	io_finish(&level.io);
	io_finish(&edge.io);
	fd_signal(b);
	loop_turn(loop, false);
	ck_assert_uint_eq(level.calls, 4);
	ck_assert_uint_eq(edge.calls, 2);
	close(a);
	close(b);
}
END_TEST

START_TEST(events_can_change_and_rest)
{
	struct source s;
	int fds[2];

	pair_open(fds);
	source_init(&s, fds[0]);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 0);
	ck_assert_int_eq(io_set(&s.io, IO_WRITE), 0);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.ready, IO_WRITE);
	ck_assert_int_eq(io_set(&s.io, IO_READ), 0);
	ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.ready, IO_READ);
	ck_assert_int_eq(io_set(&s.io, 0), 0);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 2);
	ck_assert_int_eq(io_set(&s.io, IO_READ | IO_WRITE), 0);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.ready, IO_READ | IO_WRITE);
	io_finish(&s.io);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* Which sets learn of a peer that is gone, with and without unread data on its side. */
static const struct {
	unsigned set;
	bool unread;
} hangups[] = {
	{ IO_READ, false }, { IO_WRITE, false }, { IO_HUP, false }, { IO_PRI, false },
	{ IO_READ | IO_EDGE, false }, { IO_HUP, true }, { IO_PRI, true },
};

START_TEST(hang_up_comes_with_any_set)
{
	struct source s;
	int fds[2], i;

	pair_open(fds);
	source_init(&s, fds[0]);
	if (hangups[_i].unread)
		ck_assert_int_eq((int)write(fds[0], "x", 1), 1);
	ck_assert_int_eq(io_set(&s.io, hangups[_i].set), 0);
	close(fds[1]);
	for (i = 0; i < 3 && !(s.ready & IO_HUP); i++)
		loop_turn(loop, false);
	ck_assert_uint_ne(s.ready & IO_HUP, 0);
	ck_assert_uint_eq(s.ready & ~(hangups[_i].set | IO_HUP), 0);
	io_finish(&s.io);
	close(fds[0]);
}
END_TEST

START_TEST(watching_hang_up_is_quiet_about_data)
{
	struct source s;
	int fds[2], i;

	pair_open(fds);
	source_init(&s, fds[0]);
	ck_assert_int_eq(io_set(&s.io, IO_HUP), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
		loop_turn(loop, false);
	}
	ck_assert_uint_eq(s.calls, 0);
	close(fds[1]);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 1);
	/* By edge: one that cannot act on it now does not make the loop spin. */
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 1);
	io_finish(&s.io);
	close(fds[0]);
}
END_TEST

START_TEST(priority_data)
{
	struct source s;
	int fds[2];

	/* Out-of-band data of a Unix socket is the nearest POLLPRI; older kernels have none. */
	pair_open(fds);
	source_init(&s, fds[0]);
	ck_assert_int_eq(io_set(&s.io, IO_PRI), 0);
	ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 0);
	if (send(fds[1], "y", 1, MSG_OOB) == 1) {
		loop_turn(loop, false);
		ck_assert_uint_eq(s.ready, IO_PRI);
	}
	ck_assert_int_eq(io_set(&s.io, IO_PRI | IO_READ), 0);
	loop_turn(loop, false);
	ck_assert_uint_ne(s.ready & IO_READ, 0);
	io_finish(&s.io);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(regular_files_are_refused)
{
	char name[] = "/tmp/test-loop-XXXXXX";
	struct source s;
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	unlink(name);
	source_init(&s, fd);
	ck_assert_int_eq(io_set(&s.io, IO_READ), -EPERM);
	ck_assert_int_eq(io_set(&s.io, IO_READ | IO_PRI), -EPERM);
	loop_turn(loop, false);
	ck_assert_uint_eq(s.calls, 0);
	io_finish(&s.io);
	close(fd);
}
END_TEST

START_TEST(finish_is_safe_at_any_time)
{
	struct source zero = { 0 }, one, two;
	struct timer timer = { 0 };
	int a = fd_eventfd(), b = fd_eventfd();

	io_finish(&zero.io);
	io_finish(NULL);
	timer_finish(&timer);
	timer_finish(NULL);

	source_init(&one, a);
	source_init(&two, b);
	ck_assert_int_eq(io_set(&one.io, IO_READ), 0);
	ck_assert_int_eq(io_set(&two.io, IO_READ), 0);
	fd_signal(a);
	fd_signal(b);
	/* Whoever comes first finishes the other, which is active already. */
	one.finish = &two;
	two.finish = &one;
	loop_turn(loop, false);
	ck_assert_uint_eq(one.calls + two.calls, 1);
	/* And then itself. */
	one.finish = &one;
	two.finish = &two;
	loop_turn(loop, false);
	loop_turn(loop, false);
	ck_assert_uint_eq(one.calls + two.calls, 2);
	io_finish(&one.io);
	io_finish(&one.io);
	close(a);
	close(b);
}
END_TEST

static void free_self(struct io *io, unsigned ready)
{
	io_finish(io);
	free(io);
	note('f');
}

START_TEST(memory_may_go_in_its_callback)
{
	struct io *io = malloc(sizeof(*io));
	int fd = fd_eventfd();

	trace_clear();
	io_init(io, loop, fd, free_self);
	ck_assert_int_eq(io_set(io, IO_READ), 0);
	fd_signal(fd);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "f");
	close(fd);
}
END_TEST

/* Timers. */

struct alarm {
	struct timer timer;
	char name;
	uint64_t again, last;           /* set anew for then; time of the last call */
	struct alarm *cancel;
};

static void alarm_fired(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, timer);

	note(a->name);
	a->last = loop_now(loop);
	if (a->again != 0)
		timer_set(t, a->again);
	if (a->cancel != NULL)
		timer_finish(&a->cancel->timer);
}

static void alarm_init(struct alarm *a, char name)
{
	*a = (struct alarm){ .name = name };
	timer_init(&a->timer, loop, alarm_fired);
}

START_TEST(timers_follow_the_faked_clock)
{
	struct alarm a, b, c, d;

	trace_clear();
	loop_fake_clock(loop, 1000);
	alarm_init(&a, 'a');
	alarm_init(&b, 'b');
	alarm_init(&c, 'c');
	alarm_init(&d, 'd');
	timer_set(&c.timer, 3000);
	timer_set(&a.timer, 2000);
	timer_set(&b.timer, 2000);
	timer_set(&d.timer, 2500);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "");
	loop_fake_clock(loop, 1999);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "");
	/* Equal times: in the order they were set. */
	loop_fake_clock(loop, 2000);
	timer_set(&d.timer, 0);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "ab");
	ck_assert_uint_eq(a.last, 2000);
	loop_fake_clock(loop, 1000 * 1000);
	loop_turn(loop, true);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "abc");
	ck_assert_uint_eq(c.last, 1000 * 1000);
}
END_TEST

START_TEST(a_timer_set_anew_waits_for_the_next_turn)
{
	struct alarm a, b;

	trace_clear();
	loop_fake_clock(loop, 100);
	alarm_init(&a, 'a');
	alarm_init(&b, 'b');
	a.again = 1;
	timer_set(&a.timer, 50);
	timer_set(&b.timer, 60);
	loop_turn(loop, true);
	ck_assert_uint_le(trace_len, 2);
	loop_turn(loop, true);
	ck_assert_uint_le(trace_len, 3);
	ck_assert_ptr_nonnull(strchr(trace, 'b'));
	timer_finish(&a.timer);
}
END_TEST

START_TEST(a_timer_can_cancel_another)
{
	struct alarm a, b;

	trace_clear();
	loop_fake_clock(loop, 100);
	alarm_init(&a, 'a');
	alarm_init(&b, 'b');
	a.cancel = &b;
	timer_set(&a.timer, 50);
	timer_set(&b.timer, 60);
	loop_turn(loop, true);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "a");
}
END_TEST

/* The heap against a sorted array: sets, moves and cancels in a fixed random order. */
START_TEST(many_timers_fire_in_order)
{
	enum { N = 200 };
	static struct alarm alarms[N];
	uint64_t last = 0, now;
	unsigned i, fired = 0, wanted = 0;

	srand(7);
	loop_fake_clock(loop, 1);
	for (i = 0; i < N; i++) {
		alarm_init(&alarms[i], 'x');
		timer_set(&alarms[i].timer, 10 + (unsigned)rand() % 1000);
	}
	for (i = 0; i < N; i += 3)
		timer_set(&alarms[i].timer, 10 + (unsigned)rand() % 1000);
	for (i = 0; i < N; i += 7)
		timer_set(&alarms[i].timer, 0);
	for (i = 0; i < N; i++)
		wanted += i % 7 != 0;
	for (now = 10; now < 1010; now++) {
		loop_fake_clock(loop, now);
		trace_clear();
		loop_turn(loop, false);
		fired += (unsigned)trace_len;
		for (i = 0; i < N; i++)
			last = alarms[i].last > last ? alarms[i].last : last;
		ck_assert_uint_le(last, now);
	}
	ck_assert_uint_eq(fired, wanted);
	for (i = 0; i < N; i++)
		ck_assert_int_eq(alarms[i].last != 0, i % 7 != 0);
}
END_TEST

START_TEST(real_timers_do_not_fire_early)
{
	struct alarm a, b;
	uint64_t start = loop_now(loop);

	trace_clear();
	alarm_init(&a, 'a');
	alarm_init(&b, 'b');
	timer_set(&b.timer, start + 20 * MS);
	timer_set(&a.timer, start + 5 * MS);
	while (trace_len < 2)
		loop_turn(loop, true);
	ck_assert_str_eq(trace, "ab");
	ck_assert_uint_ge(a.last, start + 5 * MS);
	ck_assert_uint_ge(b.last, start + 20 * MS);
	/* Disarmed: the timerfd may wake us, the callback stays away. */
	timer_set(&a.timer, loop_now(loop) + 1);
	timer_set(&a.timer, 0);
	loop_turn(loop, false);
	timer_set(&b.timer, 1);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "abb");
}
END_TEST

/* fdinfo of the only timerfd here. */
static void read_timerfd(char *ret_text, size_t size)
{
	char path[64], name[64];
	ssize_t n;
	int i, fd;

	for (i = 3; i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		n = readlink(path, name, sizeof(name) - 1);
		name[n > 0 ? n : 0] = '\0';
		if (strcmp(name, "anon_inode:[timerfd]") == 0)
			break;
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", i);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	n = read(fd, ret_text, size - 1);
	close(fd);
	ck_assert_int_gt(n, 0);
	ret_text[n] = '\0';
}

START_TEST(timer_for_now_leaves_the_timerfd_alone)
{
	struct alarm a;
	char info[600];
	unsigned i;

	trace_clear();
	alarm_init(&a, 'a');
	for (i = 0; i < 3; i++) {
		timer_set(&a.timer, loop_now(loop));
		loop_turn(loop, true);
	}
	ck_assert_str_eq(trace, "aaa");
	read_timerfd(info, sizeof(info));
	/* Neither set nor run out. */
	ck_assert_ptr_nonnull(strstr(info, "it_value: (0, 0)"));
	ck_assert_ptr_nonnull(strstr(info, "ticks: 0\n"));
	/* One for later is. */
	timer_set(&a.timer, loop_now(loop) + 3600 * 1000ULL * MS);
	loop_turn(loop, false);
	read_timerfd(info, sizeof(info));
	ck_assert_ptr_null(strstr(info, "it_value: (0, 0)"));
	timer_finish(&a.timer);
}
END_TEST

/* Turns. */

struct work {
	struct turn_end end;
	char name;
	struct work *then;              /* ask for this one */
	struct work *forget;
	bool later;
};

static void work_run(struct turn_end *t)
{
	struct work *w = container_of(t, struct work, end);

	note(w->name);
	if (w->then != NULL && w->later)
		loop_next_turn(loop, &w->then->end);
	else if (w->then != NULL)
		loop_at_turn_end(loop, &w->then->end);
	if (w->forget != NULL)
		loop_forget_turn_end(loop, &w->forget->end);
}

static void work_init(struct work *w, char name)
{
	*w = (struct work){ .end = { .fn = work_run }, .name = name };
}

START_TEST(ends_of_turns_in_order_and_once)
{
	struct work a, b, c, d;

	trace_clear();
	work_init(&a, 'a');
	work_init(&b, 'b');
	work_init(&c, 'c');
	work_init(&d, 'd');
	loop_at_turn_end(loop, &a.end);
	loop_at_turn_end(loop, &b.end);
	loop_at_turn_end(loop, &a.end);
	loop_at_turn_end(loop, &d.end);
	a.then = &c;
	b.forget = &d;
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "abc");
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "abc");
	/* The list is whole after its last one was forgotten. */
	loop_at_turn_end(loop, &a.end);
	loop_at_turn_end(loop, &b.end);
	loop_forget_turn_end(loop, &b.end);
	loop_forget_turn_end(loop, &b.end);
	loop_at_turn_end(loop, &d.end);
	a.then = NULL;
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "abcad");
}
END_TEST

static void kick_then_end(struct io *io, unsigned ready)
{
	static struct work ends[2];
	static unsigned n;

	note('k');
	work_init(&ends[n], 'e');
	loop_at_turn_end(loop, &ends[n++].end);
	io_finish(io);
}

START_TEST(ends_come_after_all_events)
{
	struct io one, two;
	int a = fd_eventfd(), b = fd_eventfd();

	trace_clear();
	io_init(&one, loop, a, kick_then_end);
	io_init(&two, loop, b, kick_then_end);
	io_set(&one, IO_READ);
	io_set(&two, IO_READ);
	fd_signal(a);
	fd_signal(b);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "kkee");
	close(a);
	close(b);
}
END_TEST

START_TEST(next_turn_does_not_sleep)
{
	struct work a, b;

	trace_clear();
	work_init(&a, 'a');
	work_init(&b, 'b');
	a.then = &b;
	a.later = true;
	loop_next_turn(loop, &a.end);
	/* Nothing else could end these: a sleep would be for ever. */
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "a");
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "ab");
	loop_next_turn(loop, &b.end);
	loop_forget_turn_end(loop, &b.end);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "ab");
}
END_TEST

/* Posts. */

struct letter {
	struct post post;
	char name;
	struct letter *reply;
};

static void letter_read(struct post *p)
{
	struct letter *m = container_of(p, struct letter, post);

	note(m->name);
	if (m->reply != NULL)
		loop_post(loop, &m->reply->post);
}

START_TEST(posts_run_once_and_may_post)
{
	struct letter a = { .post = { .fn = letter_read }, .name = 'a' };
	struct letter b = { .post = { .fn = letter_read }, .name = 'b' };

	trace_clear();
	loop_post(loop, &a.post);
	loop_post(loop, &b.post);
	loop_post(loop, &a.post);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "ab");
	/* A post to itself comes in a later turn, which does not sleep. */
	a.reply = &a;
	loop_post(loop, &a.post);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "aba");
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "abaa");
	a.reply = NULL;
	loop_turn(loop, true);
	loop_turn(loop, false);
	ck_assert_str_eq(trace, "abaaa");
}
END_TEST

enum { SENDERS = 4, LETTERS = 5000, SLOTS = 8 };

struct storm {
	struct loop *loop;
	unsigned sent;                  /* written before the post, read by the loop */
	struct slot {
		struct post post;
		struct storm *storm;
		unsigned seen, wrote, runs; /* wrote is atomic: a post may be overtaken */
	} slots[SLOTS];
};

static unsigned storm_runs, storm_finished;

static void slot_posted(struct post *p)
{
	struct slot *s = container_of(p, struct slot, post);

	s->runs++;
	s->seen = __atomic_load_n(&s->wrote, __ATOMIC_RELAXED);
	storm_runs++;
	ck_assert_ptr_eq(loop_self(), s->storm->loop);
}

static void *storm_thread(void *arg)
{
	struct storm *storm = arg;
	unsigned i;

	for (i = 1; i <= LETTERS; i++) {
		struct slot *s = &storm->slots[i % SLOTS];

		__atomic_store_n(&s->wrote, i, __ATOMIC_RELAXED);
		loop_post(storm->loop, &s->post);
	}
	if (__atomic_add_fetch(&storm_finished, 1, __ATOMIC_ACQ_REL) == SENDERS)
		loop_stop(storm->loop);
	return NULL;
}

START_TEST(no_post_is_lost_in_a_storm)
{
	static struct storm storms[SENDERS];
	pthread_t threads[SENDERS];
	unsigned i, k;

	for (i = 0; i < SENDERS; i++) {
		storms[i].loop = loop;
		for (k = 0; k < SLOTS; k++) {
			storms[i].slots[k].post.fn = slot_posted;
			storms[i].slots[k].storm = &storms[i];
		}
		ck_assert_int_eq(pthread_create(&threads[i], NULL, storm_thread, &storms[i]), 0);
	}
	loop_run(loop);
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	loop_turn(loop, false);
	ck_assert_uint_le(storm_runs, SENDERS * LETTERS);
	/* What a slot saw last is what was written to it last. */
	for (i = 0; i < SENDERS; i++) {
		for (k = 0; k < SLOTS; k++) {
			ck_assert_uint_eq(storms[i].slots[k].seen, storms[i].slots[k].wrote);
			ck_assert_uint_gt(storms[i].slots[k].runs, 0);
		}
	}
}
END_TEST

static void *post_later(void *arg)
{
	usleep(5000);
	loop_post(loop, arg);
	return NULL;
}

START_TEST(a_post_wakes_a_sleeping_loop)
{
	struct letter a = { .post = { .fn = letter_read }, .name = 'a' };
	pthread_t thread;

	trace_clear();
	ck_assert_ptr_null(loop_self());
	ck_assert_int_eq(pthread_create(&thread, NULL, post_later, &a.post), 0);
	while (trace_len == 0)
		loop_turn(loop, true);
	pthread_join(thread, NULL);
	ck_assert_str_eq(trace, "a");
}
END_TEST

static struct letter *recalled;

static void letter_recalls(struct post *p)
{
	letter_read(p);
	loop_unpost(loop, &recalled->post);
}

/* Foreign posts, and posts of the loop itself that wait for the same or the next turn. */
START_TEST(posts_are_taken_back)
{
	struct letter a = { .post = { .fn = letter_read }, .name = 'a' };
	struct letter b = { .post = { .fn = letter_read }, .name = 'b' };
	struct letter c = { .post = { .fn = letter_recalls }, .name = 'c', .reply = &b };

	trace_clear();
	loop_unpost(loop, &a.post);
	loop_post(loop, &a.post);
	loop_post(loop, &b.post);
	loop_unpost(loop, &b.post);
	loop_post(loop, &c.post);
	recalled = &b;
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "ac");
	loop_turn(loop, false);
	loop_post(loop, &c.post);
	loop_post(loop, &a.post);
	loop_post(loop, &b.post);
	recalled = &a;
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "accb");
	loop_turn(loop, false);
	/* It may be posted again. */
	loop_post(loop, &a.post);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "accba");
}
END_TEST

/* Pollers. */

struct counter {
	struct poller poller;
	unsigned polls, rests, find_at;
	bool find_at_rest;
	struct counter *remove;
};

static bool counter_poll(struct poller *p)
{
	struct counter *c = container_of(p, struct counter, poller);

	c->polls++;
	if (c->remove != NULL)
		loop_remove_poller(loop, &c->remove->poller);
	return c->polls == c->find_at;
}

static bool counter_rest(struct poller *p)
{
	struct counter *c = container_of(p, struct counter, poller);

	c->rests++;
	return c->find_at_rest;
}

START_TEST(pollers_find_work_without_an_event)
{
	struct counter c = { { .poll = counter_poll, .rest = counter_rest }, .find_at = 10 };
	struct work w;

	trace_clear();
	work_init(&w, 'w');
	ck_assert(!loop_polls(loop));
	loop_set_poll_us(loop, 1000 * 1000);
	ck_assert(loop_polls(loop));
	loop_add_poller(loop, &c.poller);
	loop_add_poller(loop, &c.poller);
	/* Work in one turn makes the next one poll; no event is there to end it. */
	loop_next_turn(loop, &w.end);
	loop_turn(loop, true);
	loop_turn(loop, true);
	ck_assert_str_eq(trace, "w");
	ck_assert_uint_eq(c.polls, 10);
	ck_assert_uint_eq(c.rests, 0);
	loop_remove_poller(loop, &c.poller);
	loop_remove_poller(loop, &c.poller);
	loop_next_turn(loop, &w.end);
	loop_turn(loop, true);
	ck_assert_uint_eq(c.polls, 10);
}
END_TEST

START_TEST(a_quiet_loop_stops_polling)
{
	struct counter c = { { .poll = counter_poll, .rest = counter_rest } };
	struct source s;
	int fd = fd_eventfd();

	source_init(&s, fd);
	io_set(&s.io, IO_READ | IO_EDGE);
	loop_add_poller(loop, &c.poller);
	loop_set_poll_us(loop, 500);
	fd_signal(fd);
	/* The event is served while or before polling; then comes the rest. */
	loop_turn(loop, true);
	ck_assert_uint_eq(s.calls, 1);
	c.find_at_rest = true;
	loop_turn(loop, true);
	ck_assert_uint_gt(c.polls, 0);
	ck_assert_uint_eq(c.rests, 2);
	loop_remove_poller(loop, &c.poller);
	io_finish(&s.io);
	close(fd);
}
END_TEST

START_TEST(other_events_are_served_while_polling)
{
	struct counter c = { { .poll = counter_poll } };
	struct source s;
	struct work w;
	int fd = fd_eventfd();

	work_init(&w, 'w');
	trace_clear();
	source_init(&s, fd);
	io_set(&s.io, IO_READ | IO_EDGE);
	loop_add_poller(loop, &c.poller);
	loop_set_poll_us(loop, 10 * 1000 * 1000);
	loop_next_turn(loop, &w.end);
	loop_turn(loop, true);
	fd_signal(fd);
	loop_turn(loop, true);
	ck_assert_uint_eq(s.calls, 1);
	loop_remove_poller(loop, &c.poller);
	io_finish(&s.io);
	close(fd);
}
END_TEST

START_TEST(pollers_may_remove_each_other)
{
	struct counter a = { { .poll = counter_poll }, .find_at = 1 };
	struct counter b = { { .poll = counter_poll }, .find_at = 1 };
	struct work w;

	a.remove = &b;
	b.remove = &a;
	work_init(&w, 'w');
	trace_clear();
	loop_set_poll_us(loop, 1000);
	loop_add_poller(loop, &a.poller);
	loop_add_poller(loop, &b.poller);
	loop_next_turn(loop, &w.end);
	loop_turn(loop, true);
	loop_turn(loop, true);
	ck_assert_uint_eq(a.polls + b.polls, 1);
	loop_remove_poller(loop, &a.poller);
	loop_remove_poller(loop, &b.poller);
}
END_TEST

START_TEST(stop_before_run_and_again)
{
	loop_stop(loop);
	loop_run(loop);
	loop_stop(loop);
	loop_run(loop);
	ck_assert_ptr_null(loop_self());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *tc = tcase_create("loop");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, level_repeats_edge_does_not);
	tcase_add_test(tc, events_can_change_and_rest);
	tcase_add_loop_test(tc, hang_up_comes_with_any_set, 0, (int)ARRAY_SIZE(hangups));
	tcase_add_test(tc, watching_hang_up_is_quiet_about_data);
	tcase_add_test(tc, priority_data);
	tcase_add_test(tc, regular_files_are_refused);
	tcase_add_test(tc, finish_is_safe_at_any_time);
	tcase_add_test(tc, memory_may_go_in_its_callback);
	tcase_add_test(tc, timers_follow_the_faked_clock);
	tcase_add_test(tc, a_timer_set_anew_waits_for_the_next_turn);
	tcase_add_test(tc, a_timer_can_cancel_another);
	tcase_add_test(tc, many_timers_fire_in_order);
	tcase_add_test(tc, real_timers_do_not_fire_early);
	tcase_add_test(tc, timer_for_now_leaves_the_timerfd_alone);
	tcase_add_test(tc, ends_of_turns_in_order_and_once);
	tcase_add_test(tc, ends_come_after_all_events);
	tcase_add_test(tc, next_turn_does_not_sleep);
	tcase_add_test(tc, posts_run_once_and_may_post);
	tcase_add_test(tc, no_post_is_lost_in_a_storm);
	tcase_add_test(tc, a_post_wakes_a_sleeping_loop);
	tcase_add_test(tc, posts_are_taken_back);
	tcase_add_test(tc, pollers_find_work_without_an_event);
	tcase_add_test(tc, a_quiet_loop_stops_polling);
	tcase_add_test(tc, other_events_are_served_while_polling);
	tcase_add_test(tc, pollers_may_remove_each_other);
	tcase_add_test(tc, stop_before_run_and_again);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
