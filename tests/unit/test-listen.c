/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Endpoints: what a path may be, who gets the session, what survives a flood of clients. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/listen.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "sockets.h"

enum { MS = 1000 * 1000, DEADLINE_MS = 10 * 1000 };

static struct loop *loop;

/* What the listener told. */
static int got[16];
static unsigned n_got, n_ended;

static void setup(void)
{
	struct error err = ERROR_NONE;

	n_got = n_ended = 0;
	place_make();
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
}

static void teardown(void)
{
	while (n_got > 0)
		close(got[--n_got]);
	loop_free(loop);
	place_remove();
}

static void on_session(void *ctx, int fd)
{
	ck_assert_uint_lt(n_got, ARRAY_SIZE(got));
	got[n_got++] = fd;
}

static void on_end(void *ctx)
{
	n_ended++;
}

static struct endpoint endpoint(enum endpoint_kind kind, const char *at)
{
	return (struct endpoint){ .kind = kind, .path = at == NULL ? NULL : strdup(at), .fd = -1,
		.mode = -1, .group = -1 };
}

static struct listener *listen_path(struct error *err)
{
	struct endpoint ep = endpoint(ENDPOINT_PATH, place.path);
	struct listener *ln = listener_new(loop, &ep, on_session, on_end, NULL, err);

	endpoint_finish(&ep);
	return ln;
}

static struct listener *must_listen(void)
{
	struct error err = ERROR_NONE;
	struct listener *ln = listen_path(&err);

	ck_assert_msg(ln != NULL, "%s", err.text);
	return ln;
}

static void send_byte(int fd, char byte)
{
	ck_assert_int_eq((int)send(fd, &byte, 1, MSG_NOSIGNAL), 1);
}

/* Turns until what is asked for happened; a few more show that nothing follows. */
static void turns(unsigned n)
{
	while (n-- > 0)
		loop_turn(loop, false);
}

static void wait_sessions(unsigned n)
{
	uint64_t end = loop_now(loop) + (uint64_t)DEADLINE_MS * MS;

	while (n_got < n && loop_now(loop) < end)
		loop_turn(loop, false);
	turns(3);
	ck_assert_uint_eq(n_got, n);
}

/* Paths. */

START_TEST(path_comes_and_goes)
{
	struct listener *ln = must_listen();
	struct stat st;

	ck_assert_int_eq(lstat(place.path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_ptr_nonnull(strstr(listener_describe(ln), place.path));
	listener_free(ln);
	ck_assert_int_eq(lstat(place.path, &st), -1);
	listener_free(NULL);
}
END_TEST

START_TEST(stale_socket_is_replaced)
{
	struct listener *ln;

	close(foreign_socket(SOCK_STREAM, true));
	ln = must_listen();
	close(client_connect());
	listener_free(ln);
}
END_TEST

static void expect_refused(int code, const char *word)
{
	struct error err = ERROR_NONE;

	ck_assert_ptr_null(listen_path(&err));
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.text, word) != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, place.path) != NULL, "%s", err.text);
}

START_TEST(live_socket_is_not_stolen)
{
	int fd = foreign_socket(SOCK_STREAM, true), first, second;

	expect_refused(-EADDRINUSE, "another process");
	/* Also when its backlog is full. */
	first = client_connect();
	second = client_try();
	expect_refused(-EADDRINUSE, "another process");
	close(first);
	if (second >= 0)
		close(second);
	close(fd);
}
END_TEST

START_TEST(own_live_socket_is_not_stolen)
{
	struct listener *ln = must_listen();

	expect_refused(-EADDRINUSE, "another process");
	close(client_connect());
	listener_free(ln);
}
END_TEST

START_TEST(other_kinds_of_socket_are_left_alone)
{
	int fd = foreign_socket(SOCK_DGRAM, false);
	struct stat st;

	expect_refused(-EPROTOTYPE, "cannot be tested");
	ck_assert_int_eq(lstat(place.path, &st), 0);
	close(fd);
}
END_TEST

START_TEST(files_are_left_alone)
{
	struct stat st;
	int fd = open(place.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_eq((int)write(fd, "data", 4), 4);
	close(fd);
	expect_refused(-EEXIST, "not a socket");
	ck_assert_int_eq(stat(place.path, &st), 0);
	ck_assert_int_eq((int)st.st_size, 4);
	unlink(place.path);
	ck_assert_int_eq(symlink("/nowhere", place.path), 0);
	expect_refused(-EEXIST, "not a socket");
	ck_assert_int_eq(lstat(place.path, &st), 0);
}
END_TEST

START_TEST(missing_folder)
{
	snprintf(place.path, sizeof(place.path), "%s/none/sock", place.folder);
	expect_refused(-ENOENT, "create its folder");
}
END_TEST

START_TEST(long_paths_are_named)
{
	struct error err = ERROR_NONE;
	char name[200];
	struct endpoint ep;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ep = endpoint(ENDPOINT_PATH, name);
	ck_assert_ptr_null(listener_new(loop, &ep, on_session, on_end, NULL, &err));
	ck_assert_int_eq(err.code, -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, "199"));
	/* Still the caller's. */
	ck_assert_ptr_nonnull(ep.path);
	endpoint_finish(&ep);
	/* 107 bytes are possible. */
	name[107] = '\0';
	ep = endpoint(ENDPOINT_CLIENT, name);
	listener_free(listener_new(loop, &ep, on_session, on_end, NULL, &err));
	ck_assert_ptr_null(ep.path);
}
END_TEST

START_TEST(mode_and_group)
{
	struct endpoint ep = endpoint(ENDPOINT_PATH, place.path);
	struct error err = ERROR_NONE;
	struct listener *ln;
	struct stat st;

	umask(077);
	ep.mode = 0666;
	ep.group = (int)getgid();
	ln = listener_new(loop, &ep, on_session, on_end, NULL, &err);
	ck_assert_msg(ln != NULL, "%s", err.text);
	ck_assert_int_eq(stat(place.path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0666);
	ck_assert_uint_eq(st.st_gid, getgid());
	listener_free(ln);
	umask(022);
	ln = must_listen();
	ck_assert_int_eq(stat(place.path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	listener_free(ln);
}
END_TEST

START_TEST(a_successors_socket_is_not_removed)
{
	struct listener *ln = must_listen();
	struct stat st;
	int fd;

	unlink(place.path);
	fd = foreign_socket(SOCK_STREAM, true);
	listener_free(ln);
	ck_assert_int_eq(lstat(place.path, &st), 0);
	close(fd);
}
END_TEST

/* Sessions. */

START_TEST(first_byte_takes_the_session)
{
	struct listener *ln = must_listen();
	int probe = client_connect(), early = client_connect(), quick = client_connect(), third;
	char byte = 0;

	listener_next(ln);
	turns(3);
	ck_assert_uint_eq(n_got, 0);
	close(probe);
	turns(3);
	send_byte(quick, 'q');
	wait_sessions(1);
	/* The byte is still there for the session. */
	ck_assert_int_eq((int)read(got[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 'q');
	/* Others wait, in the order of their first bytes. */
	third = client_connect();
	send_byte(third, 't');
	turns(3);
	send_byte(early, 'e');
	turns(3);
	ck_assert_uint_eq(n_got, 1);
	listener_next(ln);
	wait_sessions(2);
	ck_assert_int_eq((int)read(got[1], &byte, 1), 1);
	ck_assert_int_eq(byte, 't');
	/* One that gave up meanwhile takes nothing. */
	close(early);
	listener_next(ln);
	turns(5);
	ck_assert_uint_eq(n_got, 2);
	listener_free(ln);
	ck_assert(!hung_up(third));
	close(quick);
	close(third);
}
END_TEST

/* As socat does with the end of its input: an answer is still awaited. */
START_TEST(half_a_connection_is_handed_out)
{
	struct listener *ln = must_listen();
	int silent = client_connect(), fd = client_connect();

	shutdown(silent, SHUT_WR);
	send_byte(fd, 'x');
	shutdown(fd, SHUT_WR);
	listener_next(ln);
	wait_sessions(1);
	ck_assert(hung_up(silent));
	send_byte(got[0], 'y');
	ck_assert(!hung_up(fd));
	close(silent);
	close(fd);
	listener_free(ln);
}
END_TEST

START_TEST(nothing_comes_unasked)
{
	struct listener *ln = must_listen();
	int fd = client_connect();

	send_byte(fd, 'x');
	turns(5);
	ck_assert_uint_eq(n_got, 0);
	listener_next(ln);
	wait_sessions(1);
	listener_free(ln);
	close(fd);
}
END_TEST

START_TEST(silent_crowd_does_not_keep_others_out)
{
	struct listener *ln = must_listen();
	int crowd[40], fd;
	unsigned i, gone = 0;

	listener_next(ln);
	for (i = 0; i < ARRAY_SIZE(crowd); i++) {
		crowd[i] = client_connect();
		turns(2);
	}
	fd = client_connect();
	send_byte(fd, 'x');
	wait_sessions(1);
	for (i = 0; i < ARRAY_SIZE(crowd); i++) {
		gone += hung_up(crowd[i]);
		close(crowd[i]);
	}
	/* The oldest ones went. */
	ck_assert_uint_gt(gone, 0);
	ck_assert_uint_lt(gone, ARRAY_SIZE(crowd));
	listener_free(ln);
	close(fd);
}
END_TEST

START_TEST(ready_clients_wait_without_loss)
{
	struct listener *ln = must_listen();
	int fds[12];
	unsigned i;
	char byte;

	/* More than there are slots: the rest stays in the backlog. */
	listener_next(ln);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client_connect();
		send_byte(fds[i], (char)('a' + i));
		turns(2);
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		wait_sessions(i + 1);
		ck_assert_int_eq((int)read(got[i], &byte, 1), 1);
		ck_assert_int_eq(byte, (char)('a' + i));
		listener_next(ln);
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	listener_free(ln);
}
END_TEST

START_TEST(ten_thousand_probes)
{
	struct listener *ln = must_listen();
	unsigned before, i;
	int fd = client_connect();

	listener_next(ln);
	send_byte(fd, 'x');
	wait_sessions(1);
	before = open_fds();
	/* While a session lasts. */
	for (i = 0; i < 10000; i++) {
		close(client_connect());
		loop_turn(loop, false);
	}
	turns(5);
	ck_assert_uint_eq(open_fds(), before);
	listener_free(ln);
	close(fd);
}
END_TEST

START_TEST(out_of_fds_is_survived)
{
	struct listener *ln = must_listen();
	struct rlimit old, tight;
	int fd = client_connect();
	unsigned i;

	send_byte(fd, 'x');
	getrlimit(RLIMIT_NOFILE, &old);
	tight = old;
	tight.rlim_cur = (rlim_t)dup(0);
	close((int)tight.rlim_cur);
	loop_fake_clock(loop, 1000 * (uint64_t)MS);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	listener_next(ln);
	turns(5);
	setrlimit(RLIMIT_NOFILE, &old);
	/* It does not look again before its time: no spinning. */
	turns(5);
	ck_assert_uint_eq(n_got, 0);
	loop_fake_clock(loop, 1101 * (uint64_t)MS);
	for (i = 0; i < 5 && n_got == 0; i++)
		loop_turn(loop, false);
	ck_assert_uint_eq(n_got, 1);
	listener_free(ln);
	close(fd);
}
END_TEST

/* Fds. */

START_TEST(connected_fd_is_one_session)
{
	struct error err = ERROR_NONE;
	struct endpoint ep;
	struct listener *ln;
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(endpoint_from_fd(fds[0], &ep, &err), 0);
	ck_assert_int_eq(ep.kind, ENDPOINT_CONNECTED_FD);
	ln = listener_new(loop, &ep, on_session, on_end, NULL, &err);
	ck_assert_ptr_nonnull(ln);
	ck_assert_int_eq(ep.fd, -1);
	ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
	listener_next(ln);
	wait_sessions(1);
	ck_assert_int_eq(got[0], fds[0]);
	ck_assert_uint_eq(n_ended, 0);
	listener_next(ln);
	turns(2);
	ck_assert_uint_eq(n_ended, 1);
	listener_free(ln);
	close(fds[1]);
}
END_TEST

START_TEST(listening_fd_is_served)
{
	struct error err = ERROR_NONE;
	struct endpoint ep;
	struct listener *ln;
	struct stat st;
	int fd = foreign_socket(SOCK_STREAM, true), peer;

	ck_assert_int_eq(endpoint_from_fd(fd, &ep, &err), 0);
	ck_assert_int_eq(ep.kind, ENDPOINT_LISTEN_FD);
	ln = listener_new(loop, &ep, on_session, on_end, NULL, &err);
	ck_assert_ptr_nonnull(ln);
	listener_next(ln);
	peer = client_connect();
	send_byte(peer, 'x');
	wait_sessions(1);
	listener_free(ln);
	/* Its path belongs to who made it. */
	ck_assert_int_eq(lstat(place.path, &st), 0);
	close(peer);
}
END_TEST

START_TEST(other_fds_are_refused)
{
	struct error err = ERROR_NONE;
	struct endpoint ep;
	int unbound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int event = fd_eventfd();

	ck_assert_int_eq(endpoint_from_fd(9999, &ep, &err), -EBADF);
	ck_assert_int_eq(endpoint_from_fd(event, &ep, &err), -ENOTSOCK);
	ck_assert_int_eq(endpoint_from_fd(datagram, &ep, &err), -ENOTSOCK);
	ck_assert_int_eq(endpoint_from_fd(unbound, &ep, &err), -ENOTCONN);
	ck_assert_ptr_nonnull(strstr(err.text, "fd"));
	close(unbound);
	close(datagram);
	close(event);
}
END_TEST

/* Clients. */

START_TEST(client_retries_with_back_off)
{
	/* When it tries, by a clock that starts at 0: 100 ms, doubled up to 2 s. */
	static const unsigned tries_ms[] = { 0, 100, 300, 700, 1500, 3100, 5100, 7100 };
	struct endpoint ep = endpoint(ENDPOINT_CLIENT, place.path);
	struct error err = ERROR_NONE;
	uint64_t start = 1000 * (uint64_t)MS;
	struct listener *ln;
	unsigned i;
	int fd, peer;

	loop_fake_clock(loop, start);
	ln = listener_new(loop, &ep, on_session, on_end, NULL, &err);
	ck_assert_ptr_nonnull(ln);
	listener_next(ln);
	turns(2);
	for (i = 1; i < ARRAY_SIZE(tries_ms) - 1; i++) {
		loop_fake_clock(loop, start + tries_ms[i] * (uint64_t)MS);
		turns(2);
	}
	fd = foreign_socket(SOCK_STREAM, true);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	loop_fake_clock(loop, start + tries_ms[i] * (uint64_t)MS - 1);
	turns(2);
	ck_assert_int_eq(accept(fd, NULL, NULL), -1);
	loop_fake_clock(loop, start + tries_ms[i] * (uint64_t)MS);
	wait_sessions(1);
	peer = accept(fd, NULL, NULL);
	ck_assert_int_ge(peer, 0);
	close(peer);
	/* A session that was short is followed by a pause, a long one is not. */
	listener_next(ln);
	turns(3);
	ck_assert_uint_eq(n_got, 1);
	loop_fake_clock(loop, start + 20 * 1000 * (uint64_t)MS);
	wait_sessions(2);
	loop_fake_clock(loop, start + 30 * 1000 * (uint64_t)MS);
	close(accept(fd, NULL, NULL));
	listener_next(ln);
	wait_sessions(3);
	listener_free(ln);
	close(fd);
}
END_TEST

/* The service manager. */

START_TEST(passed_fds)
{
	struct error err = ERROR_NONE;
	char pid[16];
	unsigned n = 42;
	int *fds = NULL, saved[2], refused, ret, flags;
	char *names = NULL;

	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	ck_assert_int_eq(listen_fds(&fds, &n, &names, &err), 0);
	ck_assert_uint_eq(n, 0);
	free(fds);
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	ck_assert_int_eq(listen_fds(&fds, &n, &names, &err), 0);
	ck_assert_uint_eq(n, 0);
	free(fds);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "x", 1);
	ck_assert_int_lt(listen_fds(&fds, &n, &names, &err), 0);
	setenv("LISTEN_FDS", "1000", 1);
	ck_assert_int_eq(listen_fds(&fds, &n, &names, &err), -EBADF);
	/* The test library may have its own use for these two. */
	saved[0] = fcntl(3, F_DUPFD, 100);
	saved[1] = fcntl(4, F_DUPFD, 100);
	dup2(1, 3);
	dup2(1, 4);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "a:b:c", 1);
	refused = listen_fds(&fds, &n, &names, &err);
	setenv("LISTEN_FDNAMES", "a:b", 1);
	ret = listen_fds(&fds, &n, &names, &err);
	flags = fcntl(4, F_GETFD);
	dup2(saved[0], 3);
	dup2(saved[1], 4);
	ck_assert_int_eq(refused, -EINVAL);
	ck_assert_str_eq(err.text, "LISTEN_FDNAMES=a:b:c: names 3 sockets of 2");
	ck_assert_int_eq(ret, 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(fds[0], 3);
	ck_assert_int_eq(fds[1], 4);
	ck_assert_int_ne(flags & FD_CLOEXEC, 0);
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
	ck_assert_str_eq(names, "a:b");
	free(fds);
	free(names);
}
END_TEST

static void expect_notified(const struct sockaddr_un *sa, size_t len, const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), pipes[2];
	char text[64] = "";

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)sa, (socklen_t)len), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_ready(pipes[1]);
	ck_assert_int_eq((int)recv(fd, text, sizeof(text), 0), 7);
	ck_assert_str_eq(text, "READY=1");
	memset(text, 0, sizeof(text));
	ck_assert_int_eq((int)read(pipes[0], text, sizeof(text)), 8);
	ck_assert_str_eq(text, "READY=1\n");
	notify_stopping();
	ck_assert_int_eq((int)recv(fd, text, sizeof(text), 0), 10);
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	unsetenv("NOTIFY_SOCKET");
	notify_stopping();
	notify_ready(-1);
}

START_TEST(readiness_by_path_and_abstract)
{
	struct sockaddr_un sa = place_address();
	char name[100];

	expect_notified(&sa, sizeof(sa), place.path);
	snprintf(name, sizeof(name), "@%s", place.folder);
	memset(&sa, 0, sizeof(sa));
	sa.sun_family = AF_UNIX;
	memcpy(sa.sun_path + 1, place.folder, strlen(place.folder));
	expect_notified(&sa, offsetof(struct sockaddr_un, sun_path) + strlen(name), name);
}
END_TEST

/* Its model of RLIMIT_NOFILE drops the connection that it then refuses to accept. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

int main(void)
{
	Suite *s = suite_create("listen");
	TCase *tc = tcase_create("listen");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, path_comes_and_goes);
	tcase_add_test(tc, stale_socket_is_replaced);
	tcase_add_test(tc, live_socket_is_not_stolen);
	tcase_add_test(tc, own_live_socket_is_not_stolen);
	tcase_add_test(tc, other_kinds_of_socket_are_left_alone);
	tcase_add_test(tc, files_are_left_alone);
	tcase_add_test(tc, missing_folder);
	tcase_add_test(tc, long_paths_are_named);
	tcase_add_test(tc, mode_and_group);
	tcase_add_test(tc, a_successors_socket_is_not_removed);
	tcase_add_test(tc, first_byte_takes_the_session);
	tcase_add_test(tc, half_a_connection_is_handed_out);
	tcase_add_test(tc, nothing_comes_unasked);
	tcase_add_test(tc, silent_crowd_does_not_keep_others_out);
	tcase_add_test(tc, ready_clients_wait_without_loss);
	tcase_add_test(tc, ten_thousand_probes);
	if (!under_valgrind())
		tcase_add_test(tc, out_of_fds_is_survived);
	tcase_add_test(tc, connected_fd_is_one_session);
	tcase_add_test(tc, listening_fd_is_served);
	tcase_add_test(tc, other_fds_are_refused);
	tcase_add_test(tc, client_retries_with_back_off);
	tcase_add_test(tc, passed_fds);
	tcase_add_test(tc, readiness_by_path_and_abstract);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
