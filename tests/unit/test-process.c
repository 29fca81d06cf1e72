/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The process around instances, each case in a child that serves a plan: which
 * threads call a device, what a signal does at any time, how it all ends.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log-core.h"
#include "core/process.h"
#include "suite.h"
#include "vhost-device/fd.h"

enum { DEADLINE_MS = 30000, GUESTS_MAX = 9 };

/* Exit codes of the child beside 0. */
enum { CHILD_FAILED = 3, CHILD_REFUSED = 4 };

/* ---- a device that tells the parent what happens ---- */

/* Words go here, from the child's threads. */
static int story[2];

/* What open() and close() do, by instance. */
enum habit { HABIT_NONE, HABIT_OPEN_FAILS, HABIT_OPEN_HANGS, HABIT_CLOSE_HANGS,
	HABIT_BOTH_HANG, HABIT_OTHER };

struct host_conf {
	uint32_t habit, pair;
};

static void tell(const char *word)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s ", word);

	if (write(story[1], text, (size_t)n) != n)
		_exit(CHILD_FAILED);
}

static int host_open_device(struct instance *in, struct error *err)
{
	const struct host_conf *conf = instance_conf(in);
	struct pollfd nothing = { .fd = -1 };

	tell("open");
	if (conf->habit == HABIT_OPEN_FAILS)
		return error_set(err, -ENODEV, "host thing: is not there");
	while (conf->habit == HABIT_BOTH_HANG)
		poll(&nothing, 1, DEADLINE_MS);
	if (conf->habit == HABIT_OPEN_HANGS && poll(&nothing, 1, DEADLINE_MS) < 0)
		return error_set(err, -errno, "host thing: interrupted");
	return 0;
}

static void host_close_device(struct instance *in)
{
	const struct host_conf *conf = instance_conf(in);
	struct pollfd nothing = { .fd = -1 };

	tell("close");
	while (conf->habit == HABIT_CLOSE_HANGS || conf->habit == HABIT_BOTH_HANG)
		poll(&nothing, 1, DEADLINE_MS);
}

static void host_handle(struct queue *q)
{
}

static const struct queue_row queues[] = { { "q", 16, .handle = host_handle } };
static const struct option host_rows[] = {
	{ "habit", "N", "What it does.", NULL, OPT_UINT, OPT(struct host_conf, habit) },
	{ "pair", "N", "With whom.", NULL, OPT_UINT, OPT(struct host_conf, pair) },
	{ NULL }
};

static bool is_pair(const void *conf, const void *other_conf)
{
	const struct host_conf *a = conf, *b = other_conf;

	return a->pair == b->pair || a->habit == HABIT_OTHER || b->habit == HABIT_OTHER;
}

static const struct device shared_device = {
	.name = "shared", .queues = queues, .n_queues = 1, .options = host_rows,
	.conf_size = sizeof(struct host_conf), .open = host_open_device,
	.close = host_close_device,
};
static const struct device own_device = {
	.name = "own", .flags = DEV_OWN_LOOP, .queues = queues, .n_queues = 1, .options = host_rows,
	.conf_size = sizeof(struct host_conf), .open = host_open_device,
	.close = host_close_device,
};
static const struct device paired_device = {
	.name = "paired", .queues = queues, .n_queues = 1, .options = host_rows,
	.conf_size = sizeof(struct host_conf), .open = host_open_device,
	.close = host_close_device, .together = is_pair,
};

/* ---- one child ---- */

static struct {
	char folder[64];
	const struct device *devices[GUESTS_MAX];
	enum habit habits[GUESTS_MAX];
	unsigned n, threads;
	bool once, reloads, controls, logs;
	int ready_fd;
	pid_t child;
} r;

static void path_of(unsigned i, char *path, size_t size)
{
	snprintf(path, size, "%s/%u", r.folder, i);
}

static void add(const struct device *device, enum habit habit)
{
	ck_assert_uint_lt(r.n, GUESTS_MAX);
	r.devices[r.n] = device;
	r.habits[r.n++] = habit;
}

static void control_path(unsigned i, char *path, size_t size)
{
	snprintf(path, size, "%s/control%u", r.folder, i);
}

static void plan_add(struct plan *plan, const struct device *device, unsigned i,
		     enum habit habit)
{
	struct plan_item *item = &plan->items[plan->n++];
	struct host_conf *conf = calloc(1, sizeof(*conf));
	char path[100], control[100];

	conf->habit = habit;
	conf->pair = i / 2;
	path_of(i, path, sizeof(path));
	*item = (struct plan_item){ .conf = conf };
	control_path(i, control, sizeof(control));
	item->control = r.controls ? strdup(control) : NULL;
	snprintf(item->name, sizeof(item->name), "%s%u", device->name, i);
	item->setup = (struct instance_setup){ .device = device, .conf = conf, .index = i,
		.count = r.n, .drain_ms = 100, .once = r.once };
	item->endpoint = (struct endpoint){ .kind = ENDPOINT_PATH, .path = strdup(path),
		.fd = -1, .mode = -1, .group = -1 };
}

static void make_plan(struct plan *plan)
{
	unsigned i;

	plan->items = calloc(r.n, sizeof(*plan->items));
	plan->process.threads = r.threads;
	plan->process.ready_fd = (struct maybe_int){ true, r.ready_fd >= 0 ? r.ready_fd
		: story[1] };
	for (i = 0; i < r.n; i++)
		plan_add(plan, r.devices[i], i, r.habits[i]);
}

static void list_path(char *path, size_t size)
{
	snprintf(path, size, "%s/list", r.folder);
}

/* A digit for each instance, and a letter for its habit; anything else is a mistake. */
static int read_list(struct process_source *source, struct plan *plan, struct error *err)
{
	char text[4 * GUESTS_MAX] = "", path[100];
	const char *p;
	FILE *f;

	list_path(path, sizeof(path));
	f = fopen(path, "re");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL)
		_exit(CHILD_FAILED);
	fclose(f);
	tell("read");
	plan->items = calloc(GUESTS_MAX, sizeof(*plan->items));
	for (p = text; *p >= '0' && *p < '0' + GUESTS_MAX; p += 2)
		plan_add(plan, r.devices[0], (unsigned)(*p - '0'), (enum habit)(p[1] - 'a'));
	return *p == '\0' ? 0 : error_set(err, -EINVAL, "a mistake");
}

static void serve(void)
{
	struct process_source source = { read_list };
	struct error err = ERROR_NONE;
	struct plan plan = { .n = 0 };
	int ret;

	make_plan(&plan);
	if (r.logs && dup2(story[1], STDERR_FILENO) >= 0)
		log_setup("test", LOG_LEVEL_WARN, LOG_TARGET_STDERR);
	ret = process_run(&plan, r.reloads ? &source : NULL, &err);
	plan_finish(&plan);
	if (ret < 0) {
		tell(err.text);
		_exit(CHILD_REFUSED);
	}
	_exit(0);
}

static void start(void)
{
	ck_assert_int_eq(pipe(story), 0);
	r.child = fork();
	ck_assert_int_ge(r.child, 0);
	if (r.child == 0)
		serve();
	close(story[1]);
	story[1] = -1;
}

static bool is_there(unsigned i)
{
	char path[100];
	struct stat st;

	path_of(i, path, sizeof(path));
	return lstat(path, &st) == 0;
}

/* Until n words have come or the child has closed the pipe. */
static void expect_words(const char *words)
{
	struct pollfd p = { .fd = story[0], .events = POLLIN };
	char text[400] = "";
	size_t n = 0;
	ssize_t got;

	while (n < strlen(words)) {
		ck_assert_int_eq(poll(&p, 1, DEADLINE_MS), 1);
		got = read(story[0], text + n, strlen(words) - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = '\0';
	}
	ck_assert_str_eq(text, words);
}

static void expect_end(int code)
{
	int status = -1;

	ck_assert_int_eq(waitpid(r.child, &status, 0), r.child);
	r.child = 0;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x", status);
}

/* A connection that somebody serves: the answer to GET_FEATURES. */
static int call(unsigned i)
{
	static const uint32_t request[] = { 1, 1, 0 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct pollfd p = { .events = POLLIN };
	char answer[64];
	unsigned ms;

	path_of(i, sa.sun_path, sizeof(sa.sun_path));
	p.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	/* After a reload it may not listen yet, or its path not be there. */
	for (ms = 0; connect(p.fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0; ms++) {
		ck_assert_uint_lt(ms, DEADLINE_MS);
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(write(p.fd, request, sizeof(request)), sizeof(request));
	ck_assert_int_eq(poll(&p, 1, DEADLINE_MS), 1);
	ck_assert_int_eq(read(p.fd, answer, sizeof(answer)), 20);
	return p.fd;
}

static unsigned threads_of_child(void)
{
	char path[64], line[200];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)r.child);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "Threads:", 8) == 0)
			n = (unsigned)strtoul(line + 8, NULL, 10);
	}
	fclose(f);
	return n;
}

static void set_up(void)
{
	memset(&r, 0, sizeof(r));
	snprintf(r.folder, sizeof(r.folder), "/tmp/test-process-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r.folder));
	r.threads = 1;
	r.ready_fd = -1;
	story[0] = -1;
	story[1] = -1;
}

static void tear_down(void)
{
	char path[100];
	unsigned i;

	if (r.child > 0) {
		kill(r.child, SIGKILL);
		waitpid(r.child, NULL, 0);
	}
	for (i = 0; i < GUESTS_MAX; i++) {
		path_of(i, path, sizeof(path));
		unlink(path);
	}
	list_path(path, sizeof(path));
	unlink(path);
	ck_assert_int_eq(rmdir(r.folder), 0);
	fd_close(&story[0]);
	fd_close(&story[1]);
}

/* ---- cases ---- */

static const struct {
	unsigned shared, own, threads, expected;
} spreads[] = {
	{ 1, 0, 1, 1 }, { 5, 0, 1, 1 }, { 5, 0, 3, 3 }, { 2, 0, 8, 2 },
	{ 0, 1, 1, 1 }, { 1, 1, 1, 2 }, { 3, 2, 2, 4 }, { 0, 2, 1, 3 },
};

START_TEST(instances_are_spread_over_threads)
{
	int calls[GUESTS_MAX] = { 0 };
	unsigned i;

	for (i = 0; i < spreads[_i].shared; i++)
		add(&shared_device, HABIT_NONE);
	for (i = 0; i < spreads[_i].own; i++)
		add(&own_device, HABIT_NONE);
	r.threads = spreads[_i].threads;
	start();
	for (i = 0; i < r.n; i++)
		expect_words("open ");
	expect_words("READY=1\n");
	for (i = 0; i < r.n; i++)
		calls[i] = call(i);
	ck_assert_uint_eq(threads_of_child(), spreads[_i].expected);
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
	for (i = 0; i < r.n; i++) {
		expect_words("close ");
		ck_assert(!is_there(i));
		close(calls[i]);
	}
}
END_TEST

START_TEST(a_failure_takes_all_back)
{
	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_OPEN_FAILS);
	add(&shared_device, HABIT_NONE);
	start();
	expect_end(CHILD_REFUSED);
	expect_words("open open close close shared1: host thing: is not there ");
	ck_assert(!is_there(0));
}
END_TEST

/* State of the child, as S for sleeping. */
static char state_of_child(void)
{
	char path[64], text[400] = "";
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)r.child);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	p = strrchr(text, ')');
	return p != NULL ? p[2] : '?';
}

START_TEST(a_signal_interrupts_an_open_that_hangs)
{
	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_OPEN_HANGS);
	start();
	expect_words("open open ");
	while (state_of_child() != 'S')
		poll(NULL, 0, 1);
	ck_assert_int_eq(kill(r.child, _i == 0 ? SIGTERM : SIGINT), 0);
	expect_end(0);
	ck_assert(!is_there(0));
}
END_TEST

START_TEST(an_open_that_hangs_all_the_same_is_cut_off)
{
	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_BOTH_HANG);
	start();
	expect_words("open open ");
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(1);
	ck_assert(!is_there(0));
}
END_TEST

START_TEST(what_hangs_at_the_end_is_cut_off)
{
	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_CLOSE_HANGS);
	add(&shared_device, HABIT_NONE);
	r.threads = (unsigned)_i + 1;
	start();
	expect_words("open open open READY=1\n");
	close(call(2));
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(1);
	ck_assert(!is_there(0));
	ck_assert(!is_there(1));
	ck_assert(!is_there(2));
}
END_TEST

START_TEST(once_ends_when_all_sessions_are_over)
{
	int first, second;

	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_NONE);
	r.once = true;
	r.threads = 2;
	start();
	expect_words("open open READY=1\n");
	first = call(0);
	second = call(1);
	close(first);
	expect_words("close ");
	ck_assert(is_there(1));
	close(second);
	expect_end(0);
	expect_words("close ");
	ck_assert(!is_there(1));
}
END_TEST

START_TEST(ready_fd_must_be_open)
{
	add(&shared_device, HABIT_NONE);
	r.ready_fd = 1000;
	start();
	expect_end(CHILD_REFUSED);
	expect_words("--ready-fd 1000 is not an open file: ");
	ck_assert(!is_there(0));
}
END_TEST

/* ---- reload ---- */

static void write_list(const char *list)
{
	char path[100], new_path[110];
	FILE *f;

	list_path(path, sizeof(path));
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	f = fopen(new_path, "we");
	ck_assert_ptr_nonnull(f);
	fputs(list, f);
	fclose(f);
	ck_assert_int_eq(rename(new_path, path), 0);
}

static void reload(const char *list)
{
	write_list(list);
	ck_assert_int_eq(kill(r.child, SIGHUP), 0);
}

/* What the control socket of an instance answers to reload. */
static void ask_reload(unsigned i, const char *answer)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char text[200] = "";
	size_t have = 0;
	unsigned ms;
	ssize_t n;
	int fd;

	control_path(i, sa.sun_path, sizeof(sa.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	/* It is there a moment after its instance. */
	for (ms = 0; connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0; ms++) {
		ck_assert_uint_lt(ms, DEADLINE_MS);
		poll(NULL, 0, 1);
	}
	ck_assert_int_eq(write(fd, "reload\n", 7), 7);
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	ck_assert_str_eq(text, answer);
	close(fd);
}

/* It is served no more; it still is if nothing comes. */
static void expect_hang_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, DEADLINE_MS), 1);
	ck_assert((p.revents & POLLHUP) != 0);
	close(fd);
}

static bool still_served(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

START_TEST(reload_adds_and_removes)
{
	int stays, goes, fd;
	unsigned i;

	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_NONE);
	r.threads = (unsigned)_i + 1;
	r.reloads = true;
	start();
	expect_words("open open READY=1\n");
	ck_assert_uint_eq(threads_of_child(), r.threads);
	goes = call(0);
	stays = call(1);
	reload("1a2a");
	expect_words("read close open ");
	expect_hang_up(goes);
	ck_assert(!is_there(0));
	close(call(2));
	/* A mistake, a file as it was, and another device in the same place. */
	reload("1a?");
	expect_words("read ");
	reload("1a2a");
	expect_words("read ");
	reload("1a2f");
	expect_words("read close open ");
	close(call(2));
	/* All anew, some times over. */
	for (i = 0; i < 20; i++) {
		reload(i % 2 == 0 ? "1a0a3a" : "1a2a");
		expect_words(i % 2 == 0 ? "read close open open "
			     : "read close close open ");
	}
	fd = call(2);
	ck_assert(still_served(stays));
	close(stays);
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_hang_up(fd);
	expect_end(0);
	ck_assert(!is_there(1));
	ck_assert(!is_there(2));
}
END_TEST

/* By a command: the answer says whether the file was sound, even if who gives it has to go. */
START_TEST(reload_by_command)
{
	int stays;

	add(&shared_device, HABIT_NONE);
	add(&shared_device, HABIT_NONE);
	r.threads = (unsigned)_i + 1;
	r.reloads = r.controls = true;
	start();
	expect_words("open open READY=1\n");
	stays = call(1);
	write_list("0a1a2a");
	ask_reload(1, "");
	expect_words("read open ");
	write_list("1a?");
	ask_reload(2, "error: the configuration is not taken over: a mistake\n");
	expect_words("read ");
	write_list("1a2a");
	ask_reload(0, "");
	expect_words("read close ");
	ck_assert(still_served(stays));
	close(stays);
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
}
END_TEST

/* What is new and does not open leaves the others alone, and even nobody is no end. */
START_TEST(reload_fails)
{
	int stays;

	add(&shared_device, HABIT_NONE);
	r.reloads = true;
	start();
	expect_words("open READY=1\n");
	stays = call(0);
	reload("0a1b");
	expect_words("read open close ");
	ck_assert(still_served(stays));
	close(stays);
	reload("1b");
	expect_words("read close open close ");
	reload("1a");
	expect_words("read open ");
	close(call(1));
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
}
END_TEST

/* SIGTERM while instances come and go. */
START_TEST(end_within_a_reload)
{
	add(&shared_device, HABIT_NONE);
	r.threads = (unsigned)_i + 1;
	r.reloads = true;
	start();
	expect_words("open READY=1\n");
	reload("1a2a3a");
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
	ck_assert(!is_there(0));
	ck_assert(!is_there(1));
}
END_TEST

START_TEST(no_file_no_reload)
{
	add(&shared_device, HABIT_NONE);
	r.controls = true;
	start();
	expect_words("open READY=1\n");
	ck_assert_int_eq(kill(r.child, SIGHUP), 0);
	ask_reload(0, "error: there is no file to read again: start with --config\n");
	close(call(0));
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
	expect_words("close ");
}
END_TEST

START_TEST(pairs_share_a_thread)
{
	static const unsigned expected[] = { 1, 2, 3, 3 };
	unsigned i;

	for (i = 0; i < 6; i++)
		add(&paired_device, HABIT_NONE);
	r.threads = (unsigned)_i + 1;
	start();
	for (i = 0; i < r.n; i++)
		expect_words("open ");
	expect_words("READY=1\n");
	ck_assert_uint_eq(threads_of_child(), expected[_i]);
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
}
END_TEST

/* Two threads, and then one that belongs to both: it is with the more of them, and that is told. */
START_TEST(friends_of_two_threads)
{
	unsigned i;

	for (i = 0; i < 3; i++)
		add(&paired_device, HABIT_NONE);
	r.threads = 2;
	r.reloads = r.logs = true;
	start();
	expect_words("open open open READY=1\n");
	reload("0a1a2a8f");
	expect_words("read test: warn: paired8: belongs to instances of more than one thread and "
		     "reaches 2 of 3: restart the process, or use --threads=1\nopen ");
	ck_assert_int_eq(kill(r.child, SIGTERM), 0);
	expect_end(0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("process");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, instances_are_spread_over_threads, 0, (int)ARRAY_SIZE(spreads));
	tcase_add_test(tc, a_failure_takes_all_back);
	tcase_add_loop_test(tc, a_signal_interrupts_an_open_that_hangs, 0, 2);
	tcase_add_test(tc, an_open_that_hangs_all_the_same_is_cut_off);
	tcase_add_loop_test(tc, what_hangs_at_the_end_is_cut_off, 0, 2);
	tcase_add_test(tc, once_ends_when_all_sessions_are_over);
	tcase_add_test(tc, ready_fd_must_be_open);
	tcase_add_loop_test(tc, reload_adds_and_removes, 0, 3);
	tcase_add_loop_test(tc, reload_by_command, 0, 3);
	tcase_add_test(tc, reload_fails);
	tcase_add_loop_test(tc, end_within_a_reload, 0, 3);
	tcase_add_test(tc, no_file_no_reload);
	tcase_add_loop_test(tc, pairs_share_a_thread, 0, 4);
	tcase_add_test(tc, friends_of_two_threads);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
