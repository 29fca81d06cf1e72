/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Programs that are run: each is waited for, and made to end only if it must be. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop-core.h"
#include "suite.h"
#include "vhost-device/child.h"
#include "vhost-device/fd.h"

enum { WAIT_MS = 30000, MS = 1000 * 1000 };

static const uint64_t second = 1000 * (uint64_t)MS;
static struct loop *loop;
static uint64_t now;
static struct child *child;
static pid_t pid;
static unsigned ends;
static int fd = -1;

static void set_up(void)
{
	struct error err = ERROR_NONE;

	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	now = second;
	loop_fake_clock(loop, now);
	ends = 0;
}

static void tear_down(void)
{
	loop_free(loop);
	fd_close(&fd);
}

static void on_end(void *arg)
{
	ck_assert_ptr_eq(arg, &ends);
	ends++;
}

static void run(const char *command)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(child_start(loop, command, fds[1], on_end, &ends, &child), 0);
	close(fds[1]);
	fd = fds[0];
	pid = child_pid(child);
	ck_assert_int_gt(pid, 0);
}

/* Without a descriptor for it, as where the kernel gives none. */
static void run_unwatched(const char *command)
{
	struct rlimit old, none;
	int fds[2], ret;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)fds[1] + 1;
	/* Places below them may be free: they are the lowest. */
	ck_assert_int_lt(fds[0], fds[1]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ret = child_start(loop, command, fds[1], on_end, &ends, &child);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(ret, 0);
	close(fds[1]);
	fd = fds[0];
	pid = child_pid(child);
}

/* What it says next, and no more than that. */
static void says(const char *text)
{
	char buf[100];
	size_t n = 0;
	ssize_t got;

	while (n < strlen(text)) {
		got = read(fd, buf + n, strlen(text) - n);
		ck_assert_int_gt(got, 0);
		n += (size_t)got;
	}
	buf[n] = '\0';
	ck_assert_str_eq(buf, text);
}

static bool is_waited_for(void)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static void after(uint64_t ns)
{
	now += ns;
	loop_fake_clock(loop, now);
	loop_turn(loop, false);
	loop_turn(loop, false);
}

/* Time passes, for there may be no descriptor to tell of it. */
static void await_end(void)
{
	unsigned ms;

	for (ms = 0; !is_waited_for(); ms++) {
		ck_assert_uint_lt(ms, WAIT_MS);
		after(second);
		poll(NULL, 0, 1);
	}
	after(0);
}

START_TEST(its_end_is_told)
{
	run("read line; echo \"<$line>\"; exit 3");
	after(100 * second);
	ck_assert_uint_eq(ends, 0);
	ck_assert_int_eq(write(fd, "abc\n", 4), 4);
	says("<abc>\n");
	await_end();
	ck_assert_uint_eq(ends, 1);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(its_end_is_looked_for)
{
	run_unwatched("read line; echo end");
	after(2 * second);
	ck_assert_uint_eq(ends, 0);
	ck_assert_int_eq(write(fd, "\n", 1), 1);
	says("end\n");
	await_end();
	ck_assert_uint_eq(ends, 1);
}
END_TEST

/* A whole file can be written in that time: no signal comes. */
START_TEST(the_end_of_input_is_enough)
{
	run("trap 'echo signal' HUP TERM; echo ready; cat; echo whole");
	says("ready\n");
	child_stop(child);
	after(4 * second);
	ck_assert_int_eq(write(fd, "more\n", 5), 5);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	says("more\nwhole\n");
	await_end();
	ck_assert_uint_eq(ends, 1);
}
END_TEST

#define DEAF "while :; do sleep 1000; done"

static const char *const signals[] = { "HUP", "TERM" };

/* Also one that was stopped. */
START_TEST(it_is_asked)
{
	char command[200];

	snprintf(command, sizeof(command), "trap '' HUP TERM; trap 'echo asked; exit' %s; "
		 "echo ready; kill -STOP $$; " DEAF, signals[_i]);
	run(command);
	says("ready\n");
	child_stop(child);
	/* Twice is once. */
	after(second);
	child_stop(child);
	after(4 * second);
	says("asked\n");
	await_end();
	ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(it_is_killed)
{
	void (*const start[])(const char *command) = { run, run_unwatched };

	start[_i]("trap '' HUP TERM; echo ready; " DEAF);
	says("ready\n");
	child_stop(child);
	after(5 * second);
	after(4 * second);
	ck_assert_uint_eq(ends, 0);
	ck_assert(!is_waited_for());
	after(second);
	await_end();
	ck_assert_uint_eq(ends, 1);
	/* The sleep as well. */
	ck_assert_int_le(read(fd, &(char){ 0 }, 1), 0);
}
END_TEST

START_TEST(nobody_is_told_of_one_that_was_left)
{
	run(_i == 0 ? "cat; exit" : "trap '' HUP TERM; " DEAF);
	child_leave(child);
	fd_close(&fd);
	await_end();
	ck_assert_uint_eq(ends, 0);
	child_leave(NULL);
}
END_TEST

START_TEST(the_loop_goes_first)
{
	struct error err = ERROR_NONE;
	int status;

	run(_i == 0 ? "exec cat" : "exit");
	child_leave(_i == 0 ? child : NULL);
	loop_free(loop);
	loop = loop_new(&err);
	fd_close(&fd);
	/* What was not waited for is ours. */
	ck_assert(waitpid(pid, &status, 0) == pid ? WIFEXITED(status) : errno == ECHILD);
	ck_assert_uint_eq(ends, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("child");
	TCase *tc = tcase_create("child");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, its_end_is_told);
	tcase_add_test(tc, its_end_is_looked_for);
	tcase_add_test(tc, the_end_of_input_is_enough);
	tcase_add_loop_test(tc, it_is_asked, 0, 2);
	tcase_add_loop_test(tc, it_is_killed, 0, 2);
	tcase_add_loop_test(tc, nobody_is_told_of_one_that_was_left, 0, 2);
	tcase_add_loop_test(tc, the_loop_goes_first, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
