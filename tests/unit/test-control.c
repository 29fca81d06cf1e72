/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The operator's socket: lines and answers, clients that misbehave, what stands at its path. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "sockets.h"
#include "suite.h"

enum { S = 1000 * 1000 * 1000, FLOOD = 4 << 20, TURNS = 20000, LONGEST = 510 };

static struct loop *loop;
static struct control *control;
static uint64_t now;
static unsigned ran;                    /* commands that came to the device */
static unsigned reloads;                /* .. and to the process */

/* The log asks for names of instances; there are none here. */
const char *instance_name(const struct instance *in)
{
	return "test";
}

static unsigned sends;

/* The C library names its parameters otherwise: NOLINTNEXTLINE(readability-inconsistent-*) */
ssize_t send(int fd, const void *data, size_t size, int flags)
{
	sends++;
	return sendto(fd, data, size, flags, NULL, 0);
}

/* ---- a device that listens to its operator ---- */

static int say(struct instance *in, struct said *r, char **words, unsigned n, struct error *err)
{
	unsigned i;

	ran++;
	for (i = 0; i < n; i++)
		control_say(r, "<%s>", words[i]);
	return 0;
}

static int flood(struct instance *in, struct said *r, char **words, unsigned n, struct error *err)
{
	unsigned i;

	ran++;
	for (i = 0; i < FLOOD / 16; i++)
		control_say(r, "%15u\n", i);
	return 0;
}

static int refuse(struct instance *in, struct said *r, char **words, unsigned n, struct error *err)
{
	ran++;
	control_say(r, "a text that is longer than what comes behind it\n");
	return error_set(err, -EIO, "it is stuck");
}

static const struct device_command commands[] = {
	{ "say", "WORD...", "Say the words.", 0, 100, say },
	{ "two", "A B", "Say both.", 2, 2, say },
	{ "flood", "", "Say a lot.", 0, 0, flood },
	{ "fail", "", "Do not do it.", 0, 0, refuse },
	{ NULL, NULL, NULL, 0, 0, NULL }
};

static const struct device talker = { .name = "talker", .commands = commands };
static const struct device mute = { .name = "mute" };

/* ---- set-up ---- */

static void reload(void *ctx)
{
	ck_assert_ptr_eq(ctx, &reloads);
	reloads++;
}

static struct control *make(const struct device *device, struct error *err)
{
	const struct control_host host = { reload, &reloads };

	return control_new(loop, NULL, device, place.path, &host, err);
}

static void start(const struct device *device)
{
	struct error err = ERROR_NONE;

	control = make(device, &err);
	ck_assert_msg(control != NULL, "%s", err.text);
}

static void setup(void)
{
	struct error err = ERROR_NONE;

	place_make();
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	now = 1000ULL * S;
	loop_fake_clock(loop, now);
	control = NULL;
	ran = reloads = 0;
}

static void setup_served(void)
{
	setup();
	start(&talker);
}

static void teardown(void)
{
	control_free(control);
	loop_free(loop);
	ck_assert_int_eq(access(place.path, F_OK), -1);
	place_remove();
}

/* ---- clients ---- */

static void turns(unsigned n)
{
	while (n-- > 0)
		loop_turn(loop, false);
}

static void pass(unsigned seconds)
{
	now += (uint64_t)seconds * S;
	loop_fake_clock(loop, now);
	turns(5);
}

static void send_all(int fd, const void *data, size_t size)
{
	ck_assert_int_eq((int)send(fd, data, size, MSG_NOSIGNAL), (int)size);
}

static int client_with(const char *text)
{
	int fd = client_connect();

	send_all(fd, text, strlen(text));
	return fd;
}

/* Reads what is there, behind the first `have` bytes; true: the other side is through. */
static bool read_more(int fd, char *text, size_t size, size_t *have)
{
	ssize_t n;

	while ((n = recv(fd, text + *have, size - *have, MSG_DONTWAIT)) > 0)
		*have += (size_t)n;
	ck_assert_uint_lt(*have, size);
	text[*have] = '\0';
	/* ECONNRESET: it did not read all that was sent. */
	return n == 0 || errno == ECONNRESET;
}

/* The answer on fd, to its end. */
static const char *answer_on(int fd)
{
	static char text[FLOOD + 100];
	size_t have = 0;
	unsigned i;

	for (i = 0; i < TURNS && !read_more(fd, text, sizeof(text), &have); i++)
		turns(1);
	ck_assert_msg(i < TURNS, "the connection does not end");
	close(fd);
	return text;
}

static const char *ask(const char *line)
{
	return answer_on(client_with(line));
}

static bool is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* ---- lines ---- */

static const struct line {
	const char *line, *answer;
} lines[] = {
	{ "say\n", "" },
	{ "say a b\n", "<a><b>" },
	{ "  say\ta  \t b \r\n", "<a><b>" },
	{ "two 1 2\n", "<1><2>" },
	{ "two 1\n", "error: use: two A B\n" },
	{ "two 1 2 3\n", "error: use: two A B\n" },
	{ "tw 1 2\n", "error: no command 'tw': help lists them\n" },
	{ "two2 1 2\n", "error: no command 'two2': help lists them\n" },
	{ "SAY a\n", "error: no command 'SAY': help lists them\n" },
	{ "\xff\xfe\n", "error: no command '\xff\xfe': help lists them\n" },
	{ "say %s%n\n", "<%s%n>" },
	{ "fail\n", "error: it is stuck\n" },
};

START_TEST(a_line_has_its_answer)
{
	ck_assert_str_eq(ask(lines[_i].line), lines[_i].answer);
}
END_TEST

#define RELOAD_HELP "reload\n        Read the configuration file of the process again, as " \
	"SIGHUP does.\n"

START_TEST(help_lists_the_commands)
{
	static const char all[] =
		"say WORD...\n        Say the words.\ntwo A B\n        Say both.\n"
		"flood\n        Say a lot.\nfail\n        Do not do it.\n" RELOAD_HELP;

	ck_assert_str_eq(ask("help\n"), all);
	ck_assert_str_eq(ask("\n"), all);
	ck_assert_str_eq(ask(" \t \r\n"), all);
	ck_assert_str_eq(ask("help say\n"), all);
	ck_assert_uint_eq(ran, 0);
}
END_TEST

START_TEST(a_device_without_commands)
{
	start(&mute);
	ck_assert_str_eq(ask("help\n"), RELOAD_HELP);
	ck_assert_str_eq(ask("say\n"), "error: no command 'say': help lists them\n");
}
END_TEST

/* The answer is there when the process says so, which may be late, or too late. */
START_TEST(reload_waits_for_the_process)
{
	const struct error none = ERROR_NONE, bad = { -EINVAL, "not like this" };
	int fd = client_with("reload\n");

	turns(5);
	ck_assert_uint_eq(reloads, 1);
	ck_assert(is_open(fd));
	control_reloaded(control, &none);
	ck_assert_str_eq(answer_on(fd), "");
	/* Nobody waits for this one. */
	control_reloaded(control, &bad);
	fd = client_with("reload\n");
	turns(5);
	control_reloaded(control, &bad);
	ck_assert_str_eq(answer_on(fd), "error: not like this\n");
	/* Who leaves meanwhile, or is not answered, keeps nobody out for ever. */
	fd = client_with("reload\n");
	turns(5);
	close(fd);
	pass(60);
	fd = client_with("reload\n");
	turns(5);
	pass(60);
	ck_assert_str_eq(answer_on(fd), "");
	control_reloaded(control, &none);
	ck_assert_uint_eq(reloads, 4);
	ck_assert_str_eq(ask("reload now\n"), "error: no command 'reload': help lists them\n");
	ck_assert_str_eq(ask("say a\n"), "<a>");
	ck_assert_uint_eq(reloads, 4);
}
END_TEST

START_TEST(as_many_words_as_fit)
{
	static const char words[] = " x x x x x x x x x x x x x x x x"
		" x x x x x x x x x x x x x x x";
	char line[200];

	snprintf(line, sizeof(line), "say%s\n", words);
	ck_assert_uint_eq(strlen(ask(line)), 31 * 3);
	snprintf(line, sizeof(line), "say%s x\n", words);
	ck_assert_str_eq(ask(line), "error: more than 32 words\n");
	ck_assert_uint_eq(ran, 1);
}
END_TEST

START_TEST(as_long_as_fits)
{
	char line[LONGEST + 3] = "say ";

	memset(line + 4, 'x', LONGEST - 4);
	memcpy(line + LONGEST, "\n", 2);
	ck_assert_uint_eq(strlen(ask(line)), LONGEST - 4 + 2);
	memcpy(line + LONGEST, "x\n", 3);
	ck_assert_str_eq(ask(line), "error: the line is longer than 510 bytes\n");
	ck_assert_uint_eq(ran, 1);
}
END_TEST

START_TEST(a_line_without_end)
{
	char junk[65536];

	memset(junk, 'j', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	ck_assert_str_eq(ask(junk), "error: the line is longer than 510 bytes\n");
	memset(junk, ' ', sizeof(junk) - 1);
	ck_assert_str_eq(ask(junk), "error: the line is longer than 510 bytes\n");
	ck_assert_str_eq(ask("say a\n"), "<a>");
}
END_TEST

START_TEST(zero_bytes_are_no_end)
{
	static const char cut[] = "say a\0 b\n", first[] = "\0say a\n";
	int fd = client_connect();

	send_all(fd, cut, sizeof(cut) - 1);
	ck_assert_str_eq(answer_on(fd), "error: a zero byte in the line\n");
	fd = client_connect();
	send_all(fd, first, sizeof(first) - 1);
	ck_assert_str_eq(answer_on(fd), "error: a zero byte in the line\n");
	ck_assert_uint_eq(ran, 0);
}
END_TEST

START_TEST(one_command_a_connection)
{
	ck_assert_str_eq(ask("say a\nsay b\n"), "<a>");
	ck_assert_uint_eq(ran, 1);
}
END_TEST

START_TEST(a_line_in_pieces)
{
	static const char line[] = "say a b\n";
	int fd = client_connect();
	size_t i;

	for (i = 0; i < sizeof(line) - 1; i++) {
		turns(3);
		ck_assert_uint_eq(ran, 0);
		send_all(fd, line + i, 1);
	}
	ck_assert_str_eq(answer_on(fd), "<a><b>");
}
END_TEST

/* ---- clients that misbehave ---- */

START_TEST(half_a_line_does_nothing)
{
	int fd = client_with("say a");

	turns(3);
	close(fd);
	turns(3);
	fd = client_with("say a");
	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(answer_on(fd), "");
	ck_assert_uint_eq(ran, 0);
	ck_assert_str_eq(ask("say b\n"), "<b>");
}
END_TEST

START_TEST(half_a_connection_gets_its_answer)
{
	int fd = client_with("say a\n");

	shutdown(fd, SHUT_WR);
	ck_assert_str_eq(answer_on(fd), "<a>");
}
END_TEST

START_TEST(who_dawdles_is_cut_off)
{
	int slow = client_with("say"), next;

	turns(5);
	next = client_with("say next\n");
	turns(5);
	pass(4);
	ck_assert(is_open(slow));
	ck_assert(is_open(next));
	pass(1);
	ck_assert(hung_up(slow));
	ck_assert_str_eq(answer_on(next), "<next>");
	close(slow);
	ck_assert_uint_eq(ran, 1);
}
END_TEST

/* The time is that of the whole command, not that between two bytes. */
START_TEST(who_dribbles_is_cut_off)
{
	int fd = client_with("s");
	unsigned i;

	turns(5);
	for (i = 0; i < 4; i++) {
		pass(1);
		send_all(fd, "s", 1);
	}
	turns(5);
	ck_assert(is_open(fd));
	pass(1);
	ck_assert(hung_up(fd));
	close(fd);
}
END_TEST

START_TEST(who_never_reads_is_cut_off)
{
	int fd = client_with("flood\n"), next;

	turns(10);
	ck_assert_uint_eq(ran, 1);
	next = client_with("say next\n");
	pass(4);
	ck_assert(is_open(next));
	pass(1);
	ck_assert_str_eq(answer_on(next), "<next>");
	ck_assert_uint_lt(strlen(answer_on(fd)), FLOOD);
}
END_TEST

START_TEST(who_does_not_read_costs_nothing)
{
	int fd = client_with("flood\n");
	unsigned before;

	shutdown(fd, SHUT_WR);
	turns(10);
	ck_assert_uint_eq(ran, 1);
	before = sends;
	turns(100);
	ck_assert_uint_le(sends, before + 1);
	ck_assert_uint_eq(strlen(answer_on(fd)), FLOOD);
}
END_TEST

START_TEST(a_long_answer_comes_whole)
{
	const char *text = ask("flood\n");

	ck_assert_uint_eq(strlen(text), FLOOD);
	ck_assert_str_eq(text + FLOOD - 16, "         262143\n");
}
END_TEST

START_TEST(who_leaves_midway_keeps_nobody_waiting)
{
	int fd = client_with("flood\n"), next;

	turns(10);
	next = client_with("say next\n");
	close(fd);
	ck_assert_str_eq(answer_on(next), "<next>");
}
END_TEST

/* A limit that was not reached must not hit the next client. */
START_TEST(each_client_has_its_own_time)
{
	int fd;

	ck_assert_str_eq(ask("say a\n"), "<a>");
	pass(3);
	fd = client_with("say");
	turns(5);
	pass(4);
	ck_assert(is_open(fd));
	send_all(fd, " b\n", 3);
	ck_assert_str_eq(answer_on(fd), "<b>");
}
END_TEST

START_TEST(many_clients_have_their_own_answers)
{
	char line[32], want[32];
	int fds[100];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		snprintf(line, sizeof(line), "say %u\n", i);
		fds[i] = client_with(line);
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		snprintf(want, sizeof(want), "<%u>", i);
		ck_assert_str_eq(answer_on(fds[i]), want);
	}
	ck_assert_uint_eq(ran, ARRAY_SIZE(fds));
}
END_TEST

START_TEST(silent_clients_take_nothing)
{
	int fds[50];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client_connect();
		turns(1);
	}
	ck_assert_str_eq(ask("say a\n"), "<a>");
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}
END_TEST

START_TEST(a_thousand_commands_leave_nothing)
{
	unsigned i, before;

	ask("say\n");
	before = open_fds();
	for (i = 0; i < 1000; i++)
		ck_assert_str_eq(ask(i % 2 ? "say a\n" : "fail\n"), i % 2 ? "<a>" :
				 "error: it is stuck\n");
	turns(5);
	ck_assert_uint_eq(open_fds(), before);
}
END_TEST

/* ---- its end ---- */

static const char *const midway[] = { NULL, "", "say", "flood\n" };

START_TEST(ends_with_a_client_midway)
{
	unsigned before = open_fds();
	int fd = midway[_i] == NULL ? -1 : client_with(midway[_i]);

	turns(10);
	control_free(take_ptr(control));
	ck_assert_int_eq(client_try(), -ENOENT);
	if (fd >= 0)
		close(fd);
	/* The listener is gone. */
	ck_assert_uint_lt(open_fds(), before);
}
END_TEST

/* ---- its path ---- */

START_TEST(only_the_owner_may)
{
	struct stat st;
	mode_t old = umask(0);

	start(&talker);
	umask(old);
	ck_assert_int_eq(lstat(place.path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(path_goes_with_it)
{
	start(&talker);
	control_free(take_ptr(control));
	ck_assert_int_eq(access(place.path, F_OK), -1);
	control_free(NULL);
}
END_TEST

static void expect_refused(int code, const char *word)
{
	struct error err = ERROR_NONE;

	ck_assert_ptr_null(make(&talker, &err));
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.text, word) != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, place.path) != NULL, "%s", err.text);
}

START_TEST(stale_socket_is_replaced)
{
	close(foreign_socket(SOCK_STREAM, true));
	start(&talker);
	ck_assert_str_eq(ask("say a\n"), "<a>");
}
END_TEST

START_TEST(live_socket_is_not_stolen)
{
	int fd = foreign_socket(SOCK_STREAM, true);

	expect_refused(-EADDRINUSE, "another process");
	close(client_connect());
	close(fd);
	unlink(place.path);
	start(&talker);
	expect_refused(-EADDRINUSE, "another process");
	ck_assert_str_eq(ask("say a\n"), "<a>");
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
}
END_TEST

START_TEST(folder_has_to_be_there)
{
	snprintf(place.path, sizeof(place.path), "%s/none/sock", place.folder);
	expect_refused(-ENOENT, "create its folder");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("control");
	TCase *served = tcase_create("served"), *path = tcase_create("path");

	tcase_set_timeout(served, 60);
	tcase_add_checked_fixture(served, setup_served, teardown);
	tcase_add_loop_test(served, a_line_has_its_answer, 0, ARRAY_SIZE(lines));
	tcase_add_test(served, help_lists_the_commands);
	tcase_add_test(served, reload_waits_for_the_process);
	tcase_add_test(served, as_many_words_as_fit);
	tcase_add_test(served, as_long_as_fits);
	tcase_add_test(served, a_line_without_end);
	tcase_add_test(served, zero_bytes_are_no_end);
	tcase_add_test(served, one_command_a_connection);
	tcase_add_test(served, a_line_in_pieces);
	tcase_add_test(served, half_a_line_does_nothing);
	tcase_add_test(served, half_a_connection_gets_its_answer);
	tcase_add_test(served, who_dawdles_is_cut_off);
	tcase_add_test(served, who_dribbles_is_cut_off);
	tcase_add_test(served, who_never_reads_is_cut_off);
	tcase_add_test(served, who_does_not_read_costs_nothing);
	tcase_add_test(served, a_long_answer_comes_whole);
	tcase_add_test(served, who_leaves_midway_keeps_nobody_waiting);
	tcase_add_test(served, each_client_has_its_own_time);
	tcase_add_test(served, many_clients_have_their_own_answers);
	tcase_add_test(served, silent_clients_take_nothing);
	tcase_add_test(served, a_thousand_commands_leave_nothing);
	tcase_add_loop_test(served, ends_with_a_client_midway, 0, ARRAY_SIZE(midway));
	suite_add_tcase(s, served);
	tcase_add_checked_fixture(path, setup, teardown);
	tcase_add_test(path, a_device_without_commands);
	tcase_add_test(path, only_the_owner_may);
	tcase_add_test(path, path_goes_with_it);
	tcase_add_test(path, stale_socket_is_replaced);
	tcase_add_test(path, live_socket_is_not_stolen);
	tcase_add_test(path, files_are_left_alone);
	tcase_add_test(path, folder_has_to_be_there);
	suite_add_tcase(s, path);
	return run_suite(s);
}
