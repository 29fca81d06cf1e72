/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Where the time of the clock device comes from: the kernel, counters, lists of leap seconds. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/opt.h"
#include "rtc-rig.h"
#include "rtc.h"
#include "suite.h"

static struct host *kernel;
static unsigned woken;

static void count(struct host *h, void *ctx)
{
	woken++;
}

static void start(void)
{
	setup();
	fake_setup(&device_rtc, 0);
	kernel = kernel_new(NULL, false, &err);
	ck_assert_msg(kernel != NULL, "%s", err.text);
	kernel->woken = count;
	woken = 0;
}

static void finish(void)
{
	host_free(kernel);
	host_free(NULL);
	fake_teardown();
	teardown();
	kernel_calls.gettime = clock_gettime;
	kernel_calls.adjtime = adjtimex;
}

static int64_t now_of(clockid_t id)
{
	struct timespec ts;

	ck_assert_int_eq(clock_gettime(id, &ts), 0);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* Each is the kernel's clock of its name: what is read lies between two looks at that. */
START_TEST(clocks_of_the_kernel)
{
	static const clockid_t ids[HOST_CLOCKS] = { CLOCK_REALTIME, CLOCK_TAI, CLOCK_MONOTONIC,
		CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW };
	int64_t before, got = 0, after;
	unsigned i;

	for (i = 0; i < HOST_CLOCKS; i++) {
		before = now_of(ids[i]);
		ck_assert_int_eq(host_now(kernel, (enum host_clock)i, &got), 0);
		after = now_of(ids[i]);
		ck_assert_int_ge(got, before);
		ck_assert_int_le(got, after);
	}
	/* Standard output is no clock. */
	ck_assert_int_eq(phc_now(1, &got), -EINVAL);
}
END_TEST

static int no_clock(clockid_t id, struct timespec *ts)
{
	errno = ENODEV;
	return -1;
}

static int far_clock(clockid_t id, struct timespec *ts)
{
	*ts = (struct timespec){ .tv_sec = INT64_MAX / 1000 };
	return 0;
}

START_TEST(clocks_that_fail)
{
	int64_t now = 7;

	kernel_calls.gettime = no_clock;
	ck_assert_int_eq(host_now(kernel, HOST_TAI, &now), -ENODEV);
	kernel_calls.gettime = far_clock;
	ck_assert_int_eq(host_now(kernel, HOST_TAI, &now), -EOVERFLOW);
	ck_assert_int_eq(now, 7);
}
END_TEST

/* A device whose clock is gone answers EIO. */
START_TEST(unreadable_is_eio)
{
	set("clock", "utc-step");
	set("clock", "monotonic");
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
	reading(0);
	kernel_calls.gettime = no_clock;
	ask(RTC_REQ_READ, 0, 0, 0, IO);
	ask(RTC_REQ_READ, 1, 0, 0, IO);
	ask(RTC_REQ_SET_ALARM, 0, ON, 0, OK);
	kernel_calls.gettime = clock_gettime;
	reading(0);
	fake_stop();
	fake_close();
}
END_TEST

static struct {
	int ret, status, tai;
} told;

static int tell(struct timex *t)
{
	ck_assert_uint_eq(t->modes, 0);
	t->status = told.status;
	t->tai = told.tai;
	errno = EPERM;
	return told.ret;
}

START_TEST(state_of_the_kernel)
{
	static const struct {
		int ret, status;
		enum host_leap leap;
	} rows[] = {
		{ TIME_OK, 0, HOST_LEAP_NONE }, { TIME_INS, STA_INS, HOST_LEAP_INSERT },
		{ TIME_DEL, STA_DEL, HOST_LEAP_DELETE }, { TIME_OOP, STA_INS, HOST_LEAP_NOW },
		{ TIME_WAIT, STA_INS, HOST_LEAP_OVER },
		/* Nobody disciplines the clock, which hides what it is going to do. */
		{ TIME_ERROR, STA_UNSYNC, HOST_LEAP_NONE },
		{ TIME_ERROR, STA_UNSYNC | STA_INS, HOST_LEAP_INSERT },
		{ TIME_ERROR, STA_UNSYNC | STA_DEL, HOST_LEAP_DELETE },
	};
	struct host_state state = { .tai = 1 };
	unsigned i;

	kernel_calls.adjtime = tell;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		told.ret = rows[i].ret;
		told.status = rows[i].status;
		told.tai = 37 + (int)i;
		ck_assert_int_eq(kernel->ops->state(kernel, &state), 0);
		ck_assert_int_eq(state.leap, rows[i].leap);
		ck_assert_int_eq(state.tai, 37 + (int)i);
	}
	told.ret = -1;
	ck_assert_int_eq(kernel->ops->state(kernel, &state), -EPERM);
}
END_TEST

static void wait_woken(unsigned n)
{
	int64_t deadline = now_of(CLOCK_MONOTONIC) + 30 * SECOND;

	while (woken < n) {
		ck_assert_int_lt(now_of(CLOCK_MONOTONIC), deadline);
		loop_turn(fake.loop, false);
	}
}

START_TEST(wakes_at_a_time)
{
	int64_t when = now_of(CLOCK_REALTIME) + 20 * MS;

	host_wake(kernel, when, INT64_MAX);
	wait_woken(1);
	ck_assert_int_ge(now_of(CLOCK_REALTIME), when);
	fake_settle();
	ck_assert_uint_eq(woken, 1);
	/* The past, and times before there were any. */
	host_wake(kernel, 1, INT64_MAX);
	wait_woken(2);
	host_wake(kernel, 0, INT64_MAX);
	wait_woken(3);
	host_wake(kernel, -5, INT64_MAX);
	wait_woken(4);
	/* Never, which replaces what was asked for. */
	host_wake(kernel, now_of(CLOCK_REALTIME) + 20 * MS, INT64_MAX);
	host_wake(kernel, INT64_MAX, INT64_MAX);
	when = now_of(CLOCK_MONOTONIC) + 40 * MS;
	while (now_of(CLOCK_MONOTONIC) < when)
		loop_turn(fake.loop, false);
	ck_assert_uint_eq(woken, 4);
}
END_TEST

/* What rouses the host wakes us, too; nothing else does what it is for. */
START_TEST(rouses_at_a_time)
{
	int64_t when;

	host_free(kernel);
	kernel = kernel_new(NULL, true, &err);
	if (kernel == NULL && err.code == -EPERM) {
		kernel = kernel_new(NULL, false, &err);
		return;
	}
	ck_assert_msg(kernel != NULL, "%s", err.text);
	kernel->woken = count;
	when = now_of(CLOCK_REALTIME) + 20 * MS;
	host_wake(kernel, INT64_MAX, when);
	wait_woken(1);
	ck_assert_int_ge(now_of(CLOCK_REALTIME), when);
	host_wake(kernel, now_of(CLOCK_REALTIME) + 20 * MS, INT64_MAX);
	wait_woken(2);
	/* Replaced, both of them. */
	host_wake(kernel, INT64_MAX, now_of(CLOCK_REALTIME) + 20 * MS);
	host_wake(kernel, INT64_MAX, INT64_MAX);
	when = now_of(CLOCK_MONOTONIC) + 40 * MS;
	while (now_of(CLOCK_MONOTONIC) < when)
		loop_turn(fake.loop, false);
	ck_assert_uint_eq(woken, 2);
}
END_TEST

START_TEST(counters)
{
	uint64_t a, b;

	ck_assert(!counter_exists(RTC_COUNTER_X86_TSC) || !counter_exists(RTC_COUNTER_ARM_VCT));
	a = kernel->ops->counter(kernel);
	b = kernel->ops->counter(kernel);
	if (counter_exists(RTC_COUNTER_X86_TSC) || counter_exists(RTC_COUNTER_ARM_VCT))
		ck_assert_uint_ge(b, a);
	else
		ck_assert_uint_eq(b, 0);
}
END_TEST

/* The one this machine has can be offered, the other one not. */
START_TEST(counters_of_this_machine)
{
	static const char *const words[] = { "arm-vct", "x86-tsc" };
	bool exists = counter_exists((unsigned)_i);
	union resp resp;

	set("counter", words[_i]);
	set("clock", "monotonic");
	ck_assert_int_eq(fake_open(conf, 1, &err) == 0, exists);
	if (exists) {
		fake_start();
		resp = ask(RTC_REQ_READ_CROSS, 0, (unsigned)_i, 0, OK);
		ck_assert_int_le((int64_t)le64_get(resp.cross.clock_reading),
				 now_of(CLOCK_MONOTONIC));
		ck_assert_uint_le(le64_get(resp.cross.counter_cycles), counter_read());
		fake_stop();
	} else {
		ck_assert_ptr_nonnull(strstr(err.text, words[_i]));
	}
	fake_close();
}
END_TEST

/* -- Lists of leap seconds ------------------------------------------------------------ */

static const char list[] =
	"#\tIn the following text, the symbol '#' introduces\n"
	"#$\t 3676924800\n"
	"#@\t3849638400\n"
	"\n"
	"2272060800\t10\t# 1 Jan 1972\n"
	"  2287785600 11 # 1 Jul 1972\r\n"
	"3692217600\t37\t# 1 Jan 2017";

static int find(const char *text, int64_t now, int *ret_tai, int64_t *ret_expires)
{
	char copy[1024];

	snprintf(copy, sizeof(copy), "%s", text);
	return leap_list_find(copy, now, ret_tai, ret_expires);
}

START_TEST(list_of_leap_seconds)
{
	/* Seconds since 1970. */
	const int64_t y1972 = 63072000, y2017 = 1483228800, end = 1640649600;
	int64_t expires = 0;
	int tai = 0;

	ck_assert_int_eq(find(list, (y1972 - 1) * SECOND, &tai, &expires), -ENODATA);
	ck_assert_int_eq(find(list, y1972 * SECOND, &tai, &expires), 0);
	ck_assert_int_eq(tai, 10);
	ck_assert_int_eq(find(list, (y2017 - 1) * SECOND, &tai, &expires), 0);
	ck_assert_int_eq(tai, 11);
	ck_assert_int_eq(find(list, y2017 * SECOND, &tai, &expires), 0);
	ck_assert_int_eq(tai, 37);
	ck_assert_int_eq(expires, end * SECOND);
	/* Without that line it never ends. */
	ck_assert_int_eq(find("2272060800 10", y1972 * SECOND, &tai, &expires), 0);
	ck_assert_int_eq(expires, INT64_MAX);
}
END_TEST

START_TEST(no_list)
{
	static const char *const texts[] = {
		"", "# nothing\n", "2272060800\n", "2272060800 x\n", "x 10\n", "2272060800 0\n",
		"2272060800 -10\n", "#@\n2272060800 10\n", "10 2272060800\n",
		"99999999999999999999 10\n", "2272060800 1001\n",
	};
	int64_t expires = 7;
	int tai = 7;

	ck_assert_int_lt(find(texts[_i], START, &tai, &expires), 0);
	ck_assert_int_eq(tai, 7);
	ck_assert_int_eq(expires, 7);
}
END_TEST

START_TEST(list_in_a_file)
{
	char path[] = "/tmp/leap-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, list, strlen(list)), (ssize_t)strlen(list));
	close(fd);
	set("tai-offset", path);
	simulate(",tai=0");
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	unlink(path);
	fake_start();
	/* Real ticks under simulated time: it has begun to run. */
	ck_assert_int_ge(reading(TAI), START + 37 * SECOND);
	ck_assert_int_lt(reading(TAI), START + 38 * SECOND + 10 * SECOND);
	/* And a warning that the list has expired. */
	ck_assert_uint_eq(fake.warnings, 1);
	fake_stop();
	fake_close();
}
END_TEST

/* -- Waking a guest --------------------------------------------------------------------- */

static char folder[40], path[60];
static int qemu = -1;

static void listen_as_qemu(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(folder, sizeof(folder), "/tmp/rtc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/qmp", folder);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	qemu = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(qemu, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(qemu, 4), 0);
	set("wake-guest", path);
	set("clock", "utc-step");
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

static void stop_qemu(void)
{
	fake_stop();
	fake_close();
	close(qemu);
	unlink(path);
	rmdir(folder);
}

static bool is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Until there is something to read, or the other end is gone. */
static void turn_until_ready(int fd)
{
	int64_t deadline = now_of(CLOCK_MONOTONIC) + 30 * SECOND;

	while (!is_ready(fd)) {
		ck_assert_int_lt(now_of(CLOCK_MONOTONIC), deadline);
		loop_turn(fake.loop, false);
	}
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(guest_is_woken)
{
	static const char want[] = "{\"execute\":\"qmp_capabilities\"}\n"
		"{\"execute\":\"system_wakeup\"}\n";
	int64_t when = now_of(CLOCK_REALTIME) + 5 * MS;
	char got[200];
	int fd;

	listen_as_qemu();
	set_alarm(0, (uint64_t)when, ON);
	ck_assert(!is_ready(qemu) || now_of(CLOCK_REALTIME) >= when);
	turn_until_ready(qemu);
	fd = accept(qemu, NULL, NULL);
	turn_until_ready(fd);
	ck_assert_int_eq(read(fd, got, sizeof(got)), (ssize_t)strlen(want));
	ck_assert_int_eq(memcmp(got, want, strlen(want)), 0);
	/* One call at a time. */
	enable(0, ON);
	fake_settle();
	ck_assert(!is_ready(qemu));
	say(fd, "{\"QMP\": {}}\n{\"return\": {}}\n{\"ret");
	fake_settle();
	ck_assert(!is_ready(fd));
	say(fd, "urn\": {}}\n");
	turn_until_ready(fd);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 0);
	close(fd);
	/* The next one; QEMU goes away, and we may. */
	enable(0, ON);
	turn_until_ready(qemu);
	close(accept(qemu, NULL, NULL));
	fake_settle();
	enable(0, ON);
	turn_until_ready(qemu);
	stop_qemu();
}
END_TEST

/* Nobody there: a warning, and alarms go on. */
START_TEST(nobody_to_wake)
{
	unsigned warnings;

	listen_as_qemu();
	unlink(path);
	warnings = fake.warnings;
	set_alarm(0, 0, ON);
	ck_assert_uint_gt(fake.warnings, warnings);
	came(buffer(), 0);
	stop_qemu();
}
END_TEST

START_TEST(path_too_long)
{
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	set("wake-guest", text);
	ck_assert_int_eq(rtc_check(conf, &err), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, "--wake-guest"));
	ck_assert_ptr_nonnull(strstr(err.text, "107"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rtc-host");
	TCase *tc = tcase_create("rtc-host");

	tcase_add_checked_fixture(tc, start, finish);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, clocks_of_the_kernel);
	tcase_add_test(tc, clocks_that_fail);
	tcase_add_test(tc, unreadable_is_eio);
	tcase_add_test(tc, state_of_the_kernel);
	tcase_add_test(tc, wakes_at_a_time);
	tcase_add_test(tc, rouses_at_a_time);
	tcase_add_test(tc, counters);
	tcase_add_loop_test(tc, counters_of_this_machine, 0, 2);
	tcase_add_test(tc, list_of_leap_seconds);
	tcase_add_loop_test(tc, no_list, 0, 11);
	tcase_add_test(tc, list_in_a_file);
	tcase_add_test(tc, guest_is_woken);
	tcase_add_test(tc, nobody_to_wake);
	tcase_add_test(tc, path_too_long);
	return run_suite(s);
}
