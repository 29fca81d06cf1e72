/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The clock device: alarms that outlive the process, in a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rtc-rig.h"
#include "rtc.h"
#include "suite.h"

enum { TEXT = 512, DEADLINE_S = 30 };

#define HEAD "vhost-device-rtc alarms 1\n"

static char folder[24], path[64];

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/rtc-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/alarms", folder);
	set("state-file", path);
}

static void remove_folder(void)
{
	char other[80];

	snprintf(other, sizeof(other), "%s.new", path);
	ck_assert_int_eq(access(other, F_OK), -1);
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static const char *read_text(void)
{
	static char text[TEXT];
	FILE *f = fopen(path, "re");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	ck_assert_int_eq(fclose(f), 0);
	return text;
}

static void is_alarm(uint64_t when, unsigned flags)
{
	union resp resp = ask(RTC_REQ_READ_ALARM, UTC, 0, 0, OK);

	ck_assert_uint_eq(le64_get(resp.alarm.alarm_time), when);
	ck_assert_uint_eq(resp.alarm.flags, flags);
}

/* The worker brings it about. */
static void await(bool (*there)(const void *ctx), const void *ctx)
{
	time_t end = time(NULL) + DEADLINE_S;

	while (!there(ctx)) {
		ck_assert_int_lt(time(NULL), end);
		loop_turn(fake.loop, false);
	}
}

static bool is_text(const void *ctx)
{
	return strcmp(read_text(), ctx) == 0;
}

static bool has_warned(const void *ctx)
{
	return fake.warnings > 0;
}

/* What passed between the processes goes off as soon as the driver is back. */
START_TEST(next_process)
{
	const struct chain *c;

	begin();
	is_alarm(0, 0);
	set_alarm(UTC, (uint64_t)(START + 100 * SECOND), ON);
	end();
	begin();
	is_alarm((uint64_t)(START + 100 * SECOND), ON);
	c = buffer();
	at(99 * SECOND);
	is_parked(c);
	at(100 * SECOND);
	came(c, UTC);
	set_alarm(UTC, (uint64_t)(START - SECOND), ON);
	end();
	begin();
	came(buffer(), UTC);
	enable(UTC, 0);
	end();
	begin();
	is_alarm((uint64_t)(START - SECOND), 0);
	set_alarm(UTC, 0, 0);
	end();
	ck_assert_str_eq(read_text(), HEAD);
}
END_TEST

START_TEST(largest_time)
{
	begin();
	set_alarm(UTC, UINT64_MAX, ON);
	end();
	ck_assert_str_eq(read_text(), HEAD "clock 0 utc-smeared 18446744073709551615 enabled\n");
	begin();
	is_alarm(UINT64_MAX, ON);
	end();
}
END_TEST

/* A process that is killed writes nothing then; changes within a second go together. */
START_TEST(written_meanwhile)
{
	begin();
	ck_assert_str_eq(read_text(), HEAD);
	set_alarm(UTC, 5, 0);
	set_alarm(UTC, 6, 0);
	await(is_text, HEAD "clock 0 utc-smeared 5 disabled\n");
	set_alarm(UTC, 7, 0);
	fake_settle();
	ck_assert_str_eq(read_text(), HEAD "clock 0 utc-smeared 5 disabled\n");
	at(SECOND);
	await(is_text, HEAD "clock 0 utc-smeared 7 disabled\n");
	/* Nothing new: no second writing. */
	ck_assert_int_eq(unlink(path), 0);
	at(3 * SECOND);
	ck_assert_int_eq(access(path, F_OK), -1);
	set_alarm(UTC, 8, 0);
	end();
	ck_assert_str_eq(read_text(), HEAD "clock 0 utc-smeared 8 disabled\n");
}
END_TEST

/* The front end leaves: its alarms wait for the next one. */
START_TEST(front_end_leaves)
{
	begin();
	set_alarm(UTC, (uint64_t)(START + 5 * SECOND), ON);
	fake_stop();
	fake_reset(RESET_LEFT);
	fake_start();
	is_alarm((uint64_t)(START + 5 * SECOND), ON);
	end();
}
END_TEST

static const char *const foreign[] = {
	"root:x:0:0:root:/root:/bin/bash\n", "\n", "vhost-device-rtc alarms 2\n",
	"vhost-device-rtc alarms 1", HEAD "clock 0 utc-smeared 5 enabled",
	HEAD "clock 0 utc-smeared 5\n", HEAD "clock 0 utc-smeared 5 enabled x\n",
	HEAD "clock 0 utc-smeared 5 perhaps\n", HEAD "clock 16 utc-smeared 5 enabled\n",
	HEAD "clock x utc-smeared 5 enabled\n", HEAD "timer 0 utc-smeared 5 enabled\n",
	HEAD "clock 0 utc-smeared 18446744073709551616 enabled\n", HEAD "\n",
};

/* Whoever gives the path of something else keeps it. */
START_TEST(foreign_file)
{
	char want[240];

	write_text(foreign[_i]);
	simulate("");
	fake_setup(&device_rtc, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), -EINVAL);
	snprintf(want, sizeof(want), "--state-file %s: there is something else in it than alarms "
		 "of this device: give another path, or remove it", path);
	ck_assert_str_eq(err.text, want);
	ck_assert_str_eq(read_text(), foreign[_i]);
	fake_close();
	fake_teardown();
}
END_TEST

/* Alarms belong to clocks as they were. */
START_TEST(other_clocks)
{
	write_text(_i == 0 ? HEAD "clock 0 utc-step 5 enabled\n" :
		   _i == 1 ? HEAD "clock 1 tai 5 enabled\n" : HEAD "clock 9 tai 5 enabled\n");
	begin();
	ck_assert_uint_eq(fake.warnings, 1);
	is_alarm(0, 0);
	end();
	ck_assert_str_eq(read_text(), HEAD);
}
END_TEST

START_TEST(cannot_be_written)
{
	char nowhere[80], want[320];

	snprintf(nowhere, sizeof(nowhere), "%s/no/alarms", folder);
	set("state-file", nowhere);
	simulate("");
	fake_setup(&device_rtc, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), -ENOENT);
	snprintf(want, sizeof(want), "--state-file: cannot write %s.new, which is to become %s: "
		 "No such file or directory", nowhere, nowhere);
	ck_assert_str_eq(err.text, want);
	fake_close();
	fake_teardown();
	err = ERROR_NONE;
	set("state-file", folder);
	fake_setup(&device_rtc, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), -EISDIR);
	fake_close();
	fake_teardown();
}
END_TEST

/* Later on, that is a warning, and alarms are as good as ever. */
START_TEST(cannot_be_written_later)
{
	const struct chain *c;
	char moved[80], want[TEXT];

	begin();
	snprintf(moved, sizeof(moved), "%s-moved", folder);
	ck_assert_int_eq(rename(folder, moved), 0);
	c = buffer();
	set_alarm(UTC, (uint64_t)(START + 2 * SECOND), ON);
	await(has_warned, NULL);
	at(2 * SECOND);
	came(c, UTC);
	ck_assert_int_eq(rename(moved, folder), 0);
	enable(UTC, 0);
	at(4 * SECOND);
	snprintf(want, sizeof(want), HEAD "clock 0 utc-smeared %lld disabled\n",
		 (long long)(START + 2 * SECOND));
	await(is_text, want);
	end();
}
END_TEST

/* A file for each. */
START_TEST(several_guests)
{
	char first[80];
	struct stat st;

	simulate("");
	fake_setup(&device_rtc, 0);
	ck_assert_msg(fake_open(conf, 2, &err) == 0, "%s", err.text);
	fake_start();
	end();
	snprintf(first, sizeof(first), "%s0", path);
	ck_assert_int_eq(stat(first, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(unlink(first), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rtc-store");
	TCase *tc = rtc_part(s, "store");

	tcase_add_checked_fixture(tc, make_folder, remove_folder);
	tcase_add_test(tc, next_process);
	tcase_add_test(tc, largest_time);
	tcase_add_test(tc, written_meanwhile);
	tcase_add_test(tc, front_end_leaves);
	tcase_add_loop_test(tc, foreign_file, 0, (int)ARRAY_SIZE(foreign));
	tcase_add_loop_test(tc, other_clocks, 0, 3);
	tcase_add_test(tc, cannot_be_written);
	tcase_add_test(tc, cannot_be_written_later);
	tcase_add_test(tc, several_guests);
	return run_suite(s);
}
