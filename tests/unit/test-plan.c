/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* From options to instances: how many, which names, sockets and confs, and what is refused. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/plan.h"
#include "vhost-device/fd.h"

/* ---- fixtures ---- */

struct disk_conf {
	uint32_t period;
	char *image;
};

static int check_disk(void *conf, struct error *err)
{
	const struct disk_conf *c = conf;

	return c->period == 13 ? error_set(err, -EINVAL, "13 is no period") : 0;
}

static const struct option disk_rows[] = {
	{ "period", "MS", "Period.", "1", OPT_UINT, .brief = 'p', .min = 1, .max = 100,
	  OPT(struct disk_conf, period) },
	{ "image", "PATH", "Image.", NULL, OPT_PATH, OPT(struct disk_conf, image) },
	{ NULL }
};

static const struct option chip_rows[] = {
	{ "chips", "PATH", "Chips.", NULL, OPT_PATH, OPT_EACH | OPT_REQUIRED, .sep = ':',
	  OPT(struct disk_conf, image) },
	{ NULL }
};

/* Sockets with a number; without one; one item for each guest. */
static const struct device numbered = { .name = "numbered", .flags = DEV_SOCKET_INDEX,
	.options = disk_rows, .conf_size = sizeof(struct disk_conf), .check = check_disk };
static const struct device exact = { .name = "exact", .flags = DEV_ONCE, .options = disk_rows,
	.conf_size = sizeof(struct disk_conf) };
static const struct device chips = { .name = "chips", .flags = DEV_SOCKET_INDEX,
	.options = chip_rows, .conf_size = sizeof(struct disk_conf) };
static const struct device *const devices[] = { &numbered, &exact, &chips, NULL };

static const char *const names[] = { "file", NULL };
static const struct option run_rows[] = {
	{ "file", "FILE", "File.", NULL, OPT_PATH, OPT_POSITIONAL, .aliases = names,
	  .offset = 0, .size = sizeof(char *) },
	{ NULL }
};

static struct {
	struct plan plan;
	struct conf_file file;
	struct opt_values args;
	struct error err;
	char line[300];
} r;

static void tear_down(void)
{
	plan_finish(&r.plan);
	conf_finish(&r.file);
	opt_values_finish(&r.args);
	memset(&r, 0, sizeof(r));
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
}

/* ini NULL: no file; device NULL: the whole file. */
static int make(const struct device *device, const char *ini, const char *line)
{
	const struct conf_kinds kinds = { devices, socket_rows, process_rows };
	struct opt_tables tables = plan_tables(device);
	const struct option *stop;
	char *argv[20], *p;
	int argc = 0;
	FILE *f;

	plan_finish(&r.plan);
	conf_finish(&r.file);
	opt_values_finish(&r.args);
	if (ini != NULL) {
		f = fmemopen(NULL, strlen(ini) + 1, "w+");
		ck_assert_ptr_nonnull(f);
		fputs(ini, f);
		rewind(f);
		ck_assert_int_eq(conf_read_stream(f, "f.ini", &kinds, &r.file, &r.err), 0);
		fclose(f);
	}
	if (device == NULL)
		tables.rows[0] = run_rows;
	snprintf(r.line, sizeof(r.line), "%s", line);
	for (p = strtok(r.line, " "); p != NULL && argc < 20; p = strtok(NULL, " "))
		argv[argc++] = p;
	ck_assert_int_eq(opt_parse_args(&tables, argc, argv, &r.args, &stop, &r.err), 0);
	r.err = ERROR_NONE;
	return plan_make(&r.plan, device, &r.file, &r.args, &r.err);
}

static void make_ok(const struct device *device, const char *ini, const char *line)
{
	int ret = make(device, ini, line);

	ck_assert_msg(ret == 0, "%d: %s", ret, r.err.text);
}

static const struct disk_conf *conf_of(size_t i)
{
	ck_assert_uint_lt(i, r.plan.n);
	return r.plan.items[i].conf;
}

static void item_is(size_t i, const char *name, const char *path, unsigned index)
{
	const struct plan_item *item = &r.plan.items[i];

	ck_assert_uint_lt(i, r.plan.n);
	ck_assert_str_eq(item->name, name);
	ck_assert_int_eq(item->endpoint.kind, ENDPOINT_PATH);
	ck_assert_str_eq(item->endpoint.path, path);
	ck_assert_uint_eq(item->setup.index, index);
	ck_assert_ptr_eq(item->setup.conf, item->conf);
}

/* ---- command lines ---- */

START_TEST(one_guest)
{
	make_ok(&numbered, NULL, "-s /run/x");
	ck_assert_uint_eq(r.plan.n, 1);
	item_is(0, "numbered", "/run/x0", 0);
	ck_assert_uint_eq(r.plan.items[0].setup.count, 1);
	ck_assert(!r.plan.items[0].setup.once);
	ck_assert_uint_eq(r.plan.items[0].setup.queue_size, 0);
	ck_assert_int_eq(r.plan.items[0].endpoint.mode, -1);
	ck_assert_int_eq(r.plan.items[0].endpoint.group, -1);
	ck_assert_uint_eq(conf_of(0)->period, 1);
	ck_assert_uint_eq(r.plan.process.threads, 1);
	ck_assert(!r.plan.level_given);
	make_ok(&exact, NULL, "-s /run/x");
	item_is(0, "exact", "/run/x", 0);
	ck_assert(r.plan.items[0].setup.once);
	make_ok(&exact, NULL, "-s /run/x --persistent");
	ck_assert(!r.plan.items[0].setup.once);
	make_ok(&numbered, NULL, "-s /run/x --once --queue-size 64 --socket-mode 0640 "
		"--socket-group 7 --log-level info");
	ck_assert(r.plan.items[0].setup.once);
	ck_assert_uint_eq(r.plan.items[0].setup.queue_size, 64);
	ck_assert(!r.plan.items[0].setup.no_packed);
	ck_assert(r.plan.items[0].setup.no_inband);
	make_ok(&numbered, NULL, "-s /run/x --once --no-packed --inband --queue-size 64 "
		"--socket-mode 0640 --socket-group 7 --log-level info");
	ck_assert(r.plan.items[0].setup.no_packed);
	ck_assert(!r.plan.items[0].setup.no_inband);
	ck_assert_int_eq(r.plan.items[0].endpoint.mode, 0640);
	ck_assert_int_eq(r.plan.items[0].endpoint.group, 7);
	ck_assert(r.plan.level_given);
	make_ok(&numbered, NULL, "-s /run/x --socket-group root");
	ck_assert_int_eq(r.plan.items[0].endpoint.group, 0);
}
END_TEST

START_TEST(many_guests)
{
	make_ok(&numbered, NULL, "-s x -c 12 -p 7 --image=i");
	ck_assert_uint_eq(r.plan.n, 12);
	item_is(0, "numbered0", "x0", 0);
	item_is(11, "numbered11", "x11", 11);
	ck_assert_uint_eq(r.plan.items[3].setup.count, 12);
	ck_assert_uint_eq(conf_of(11)->period, 7);
	ck_assert_str_eq(conf_of(0)->image, "i");
	make_ok(&exact, NULL, "-s x -c 2");
	item_is(1, "exact1", "x1", 1);
}
END_TEST

START_TEST(an_item_for_each_guest)
{
	make_ok(&chips, NULL, "-s x --chips a:b");
	ck_assert_uint_eq(r.plan.n, 2);
	item_is(1, "chips1", "x1", 1);
	ck_assert_str_eq(conf_of(0)->image, "a");
	ck_assert_str_eq(conf_of(1)->image, "b");
	make_ok(&chips, NULL, "-s x --chips a:b -c 2");
	ck_assert_int_eq(make(&chips, NULL, "-s x --chips a:b -c 3"), -ERANGE);
	ck_assert_str_eq(r.err.text, "Invalid socket count: 3 is given as --socket-count, but 2 "
			 "by the option with one item for each guest");
}
END_TEST

START_TEST(client_paths)
{
	make_ok(&numbered, NULL, "--client /run/c");
	ck_assert_int_eq(r.plan.items[0].endpoint.kind, ENDPOINT_CLIENT);
	ck_assert_str_eq(r.plan.items[0].endpoint.path, "/run/c");
	make_ok(&numbered, NULL, "--client /run/c -c 2");
	ck_assert_str_eq(r.plan.items[1].endpoint.path, "/run/c1");
}
END_TEST

static const struct {
	const struct device *device;
	const char *line;
	int code;
	const char *text;
} refused[] = {
	{ &numbered, "", -EINVAL,
	  "the following required arguments were not provided: --socket-path <PATH>" },
	{ &chips, "-s x", -EINVAL,
	  "the following required arguments were not provided: --chips <PATH>" },
	{ &numbered, "-s x -p x", -EINVAL,
	  "invalid value 'x' for '--period <MS>': not a decimal number" },
	{ &numbered, "-s x -p 101", -ERANGE,
	  "invalid value '101' for '--period <MS>': must be 1 to 100" },
	{ &numbered, "-s x -c 0", -ERANGE,
	  "invalid value '0' for '--socket-count <N>': must be 1 to 65535" },
	{ &numbered, "-s x -p 13", -ENOTSUP, "13 is no period" },
	{ &numbered, "-s x --queue-size 3", -ERANGE, "--queue-size 3 is not a power of two" },
	{ &numbered, "-s x --queue-size 65535", -ERANGE, "must be 1 to 32768" },
	{ &numbered, "-s /", -EISDIR, "socket path / has no final name" },
	{ &numbered, "-s /run/..", -EISDIR, "socket path /run/.. has no final name" },
	{ &exact, "-s .", -EISDIR, "socket path . has no final name" },
	{ &numbered, "-s x --socket-mode 8", -EINVAL, "must be octal permissions, 0 to 0777" },
	{ &numbered, "-s x --socket-mode 1000", -EINVAL, "must be octal permissions" },
	{ &numbered, "-s x --socket-group no-such-group", -ENOENT,
	  "invalid value 'no-such-group' for '--socket-group <GROUP>': no such group in "
	  "/etc/group: give its number" },
	{ &numbered, "-s x --threads 0", -ERANGE, "must be 1 to 1024" },
	{ &numbered, "-s x --ready-fd a", -EINVAL, "must be the number of an open file" },
	{ &numbered, "--socket-fd 1000", -EBADF, "1000" },
	{ &numbered, "--fd 1000 --fd 1000", -EBADF, "1000" },
	{ &numbered, "--socket-fd 1000 -c 2", -ERANGE,
	  "Invalid socket count: 2 is given as --socket-count, but 1 by inherited sockets" },
	{ &chips, "--chips a:b --socket-fd 1000", -ERANGE,
	  "1 sockets are inherited for 2 guests" },
};

START_TEST(bad_lines_are_refused)
{
	int ret = make(refused[_i].device, NULL, refused[_i].line);

	ck_assert_msg(ret == refused[_i].code && strstr(r.err.text, refused[_i].text) != NULL,
		      "%s: code %d, text: %s", refused[_i].line, ret, r.err.text);
}
END_TEST

/* ---- inherited sockets ---- */

static int listening_socket(void)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

START_TEST(sockets_by_number)
{
	char line[100];
	int pair[2], fd = listening_socket();

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	snprintf(line, sizeof(line), "--socket-fd %d --socket-fd=%d", fd, pair[0]);
	make_ok(&numbered, NULL, line);
	ck_assert_uint_eq(r.plan.n, 2);
	ck_assert_int_eq(r.plan.items[0].endpoint.kind, ENDPOINT_LISTEN_FD);
	ck_assert_int_eq(r.plan.items[0].endpoint.fd, fd);
	ck_assert_int_eq(r.plan.items[1].endpoint.kind, ENDPOINT_CONNECTED_FD);
	ck_assert_int_eq(r.plan.items[1].endpoint.fd, pair[0]);
	plan_finish(&r.plan);
	ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
	ck_assert_int_lt(fcntl(pair[0], F_GETFD), 0);
	close(pair[1]);
}
END_TEST

START_TEST(a_connected_socket_is_connected)
{
	char line[100];
	int pair[2], fd = listening_socket();

	snprintf(line, sizeof(line), "--fd %d", fd);
	ck_assert_int_eq(make(&numbered, NULL, line), -ENOTCONN);
	ck_assert_ptr_nonnull(strstr(r.err.text, "give a socket that listens to --socket-fd"));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	snprintf(line, sizeof(line), "--fd %d --fd %d", pair[0], pair[0]);
	ck_assert_int_eq(make(&numbered, NULL, line), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(r.err.text, "is given twice"));
	close(pair[1]);
}
END_TEST

/* The service manager hands over from 3 on, which may be taken here: in a child. */
static void inherit(const char *number, const char *called)
{
	char pid[16];
	int a = listening_socket(), b = listening_socket();

	a = fcntl(a, F_DUPFD, 100);
	b = fcntl(b, F_DUPFD, 100);
	dup2(a, 3);
	dup2(b, 4);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", number, 1);
	unsetenv("LISTEN_FDNAMES");
	if (called != NULL)
		setenv("LISTEN_FDNAMES", called, 1);
}

/* Result of fn in a child that inherits sockets. */
static int in_child_named(const char *number, const char *called, bool (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		inherit(number, called);
		_exit(fn() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static int in_child(const char *number, bool (*fn)(void))
{
	return in_child_named(number, NULL, fn);
}

static bool two_guests(void)
{
	return make(&numbered, NULL, "") == 0 && r.plan.n == 2 &&
		r.plan.items[0].endpoint.fd == 3 && r.plan.items[1].endpoint.fd == 4 &&
		r.plan.items[1].endpoint.kind == ENDPOINT_LISTEN_FD;
}

static bool two_of_three_sections(void)
{
	return make(NULL, "[numbered \"a\"]\nperiod = 2\n[exact \"b\"]\nsocket-path = /b\n"
		    "[exact \"c\"]\nperiod = 3\n", "f.ini") == 0 && r.plan.n == 3 &&
		r.plan.items[0].endpoint.fd == 3 && r.plan.items[1].endpoint.fd == -1 &&
		r.plan.items[2].endpoint.fd == 4;
}

static bool too_few(void)
{
	return make(&numbered, NULL, "-c 2") == -ENOTSOCK &&
		strstr(r.err.text, "no inherited socket is left") != NULL;
}

static bool not_used(void)
{
	return make(&numbered, NULL, "-s x") == 0 && r.plan.items[0].endpoint.fd == -1;
}

/* The fds of instances a, b and c are in the order of the file. */
static bool fds_are(int a, int b, int c)
{
	return make(NULL, "[numbered \"a\"]\nperiod = 2\n[exact \"b\"]\nperiod = 3\n"
		    "[exact \"c\"]\nsocket-path = /c\n", "f.ini") == 0 && r.plan.n == 3 &&
		r.plan.items[0].endpoint.fd == a && r.plan.items[1].endpoint.fd == b &&
		r.plan.items[2].endpoint.fd == c;
}

static bool both_by_name(void)
{
	return fds_are(4, 3, -1);
}

static bool in_order(void)
{
	return fds_are(3, 4, -1);
}

static bool two_of_one_name(void)
{
	return make(NULL, "[numbered \"a\"]\nperiod = 2\n[exact \"b\"]\nsocket-path = /b\n"
		    "[numbered \"d\"]\nsocket-count = 2\n", "f.ini") == -ENOTSOCK &&
		r.plan.items[0].endpoint.fd == -1;
}

static bool a_guest_each_of_one_name(void)
{
	return make(NULL, "[exact \"b\"]\nsocket-path = /b\n"
		    "[numbered \"d\"]\nsocket-count = 2\n", "f.ini") == 0 && r.plan.n == 3 &&
		r.plan.items[1].endpoint.fd == 3 && r.plan.items[2].endpoint.fd == 4;
}

START_TEST(named_sockets_of_the_service_manager)
{
	ck_assert_int_eq(in_child_named("2", "b:a", both_by_name), 0);
	ck_assert_int_eq(in_child_named("2", "a:b", in_order), 0);
	/* Others are taken in their order, and the only one with a name by its instance. */
	ck_assert_int_eq(in_child_named("2", "b:unknown", both_by_name), 0);
	ck_assert_int_eq(in_child_named("2", "x.socket:a", both_by_name), 0);
	ck_assert_int_eq(in_child_named("2", "x.socket:x.socket", in_order), 0);
	ck_assert_int_eq(in_child_named("2", ":", in_order), 0);
	ck_assert_int_eq(in_child_named("2", "aa:bb", in_order), 0);
	/* Nobody takes those of another instance. */
	ck_assert_int_eq(in_child_named("2", "d:d", two_of_one_name), 0);
	ck_assert_int_eq(in_child_named("2", "d:d", a_guest_each_of_one_name), 0);
	/* Without a file there are no names to go by. */
	ck_assert_int_eq(in_child_named("2", "b:a", two_guests), 0);
}
END_TEST

START_TEST(sockets_of_the_service_manager)
{
	ck_assert_int_eq(in_child("2", two_guests), 0);
	ck_assert_int_eq(in_child("2", two_of_three_sections), 0);
	ck_assert_int_eq(in_child("1", too_few), 0);
	ck_assert_int_eq(in_child("2", not_used), 0);
}
END_TEST

/* ---- files ---- */

static const char three_guests[] =
	"[common]\nthreads = 3\nsocket-mode = 600\n"
	"[numbered]\nperiod = 5\nimage = kind\n"
	"[numbered \"one\"]\nsocket-path = /run/one\n"
	"[numbered \"two\"]\nsocket = /run/two\nperiod = 6\nsocket-mode = 660\n"
	"[exact \"three\"]\nsocket = /run/three\nsocket-count = 2\n";

START_TEST(instances_of_a_file)
{
	make_ok(NULL, three_guests, "f.ini --poll-us 9");
	ck_assert_uint_eq(r.plan.n, 4);
	item_is(0, "one", "/run/one", 0);
	item_is(1, "two", "/run/two", 0);
	item_is(2, "three0", "/run/three0", 0);
	item_is(3, "three1", "/run/three1", 1);
	ck_assert_uint_eq(conf_of(0)->period, 5);
	ck_assert_uint_eq(conf_of(1)->period, 6);
	ck_assert_uint_eq(conf_of(2)->period, 1);
	ck_assert_str_eq(conf_of(1)->image, "kind");
	ck_assert_int_eq(r.plan.items[0].endpoint.mode, 0600);
	ck_assert_int_eq(r.plan.items[1].endpoint.mode, 0660);
	ck_assert_uint_eq(r.plan.process.threads, 3);
	ck_assert_uint_eq(r.plan.process.poll_us, 9);
}
END_TEST

START_TEST(a_command_line_over_a_file)
{
	make_ok(&numbered, three_guests, "-p 9 --threads 2");
	ck_assert_uint_eq(r.plan.n, 2);
	item_is(1, "two", "/run/two", 0);
	ck_assert_uint_eq(conf_of(0)->period, 9);
	ck_assert_uint_eq(conf_of(1)->period, 9);
	ck_assert_uint_eq(r.plan.process.threads, 2);
	make_ok(&numbered, "[numbered]\nperiod = 5\nsocket-path = /low\n", "-s /high --image=i");
	ck_assert_uint_eq(r.plan.n, 1);
	item_is(0, "numbered", "/high0", 0);
	ck_assert_uint_eq(conf_of(0)->period, 5);
}
END_TEST

static const struct {
	const char *ini;
	int code;
	const char *text;
} bad_files[] = {
	{ "", -ENOENT, "f.ini: no instance in it" },
	{ "[common]\nthreads = 0\n[exact \"a\"]\nsocket=/a\n", -ERANGE,
	  "f.ini:2: threads = 0: must be 1 to 1024" },
	{ "[exact \"a\"]\nsocket = /a\n\nperiod = x\n", -EBADMSG,
	  "f.ini:4: period = x: not a decimal number" },
	{ "\n[exact \"a\"]\nperiod = 2\n", -EBADMSG, "f.ini:2: [exact \"a\"]: the following "
	  "required arguments were not provided: --socket-path <PATH>" },
	{ "[numbered]\nperiod = 13\n[numbered \"a\"]\nsocket = /a\n", -ENOTSUP,
	  "f.ini:3: [numbered \"a\"]: 13 is no period" },
	{ "[exact \"a\"]\nsocket = /a\nonce = yes\n", -EBADMSG,
	  "f.ini:3: once = yes: must be true or false" },
};

START_TEST(bad_files_are_refused)
{
	int ret = make(NULL, bad_files[_i].ini, "f.ini");

	ck_assert_msg(ret == bad_files[_i].code && strstr(r.err.text, bad_files[_i].text) != NULL,
		      "code %d, text: %s", ret, r.err.text);
}
END_TEST

START_TEST(a_bad_command_line_over_a_good_file)
{
	ck_assert_int_eq(make(&numbered, three_guests, "-p x"), -EINVAL);
	ck_assert_str_eq(r.err.text,
			 "invalid value 'x' for '--period <MS>': not a decimal number");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plan");
	TCase *tc = tcase_create("plan");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, one_guest);
	tcase_add_test(tc, many_guests);
	tcase_add_test(tc, an_item_for_each_guest);
	tcase_add_test(tc, client_paths);
	tcase_add_loop_test(tc, bad_lines_are_refused, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(tc, sockets_by_number);
	tcase_add_test(tc, a_connected_socket_is_connected);
	tcase_add_test(tc, sockets_of_the_service_manager);
	tcase_add_test(tc, named_sockets_of_the_service_manager);
	tcase_add_test(tc, instances_of_a_file);
	tcase_add_test(tc, a_command_line_over_a_file);
	tcase_add_loop_test(tc, bad_files_are_refused, 0, (int)ARRAY_SIZE(bad_files));
	tcase_add_test(tc, a_bad_command_line_over_a_good_file);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
