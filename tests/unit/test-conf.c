/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* INI files: what is read, and the place and cause of everything refused. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/common.h"
#include "core/conf.h"
#include "suite.h"

struct disk_conf {
	char *image;
	struct opt_list tags;
	uint16_t queue_size;
};

/* It hides the common queue-size. */
static const struct option disk_rows[] = {
	{ "image", "PATH", "Image.", NULL, OPT_PATH, OPT(struct disk_conf, image) },
	{ "tag", "TAG", "Tag.", NULL, OPT_STRING, OPT_LIST,
	  OPT_ITEMS(struct disk_conf, tags, char *) },
	{ "queue-size", "N", "Own.", NULL, OPT_UINT, OPT(struct disk_conf, queue_size) },
	{ NULL }
};

static const struct option no_rows[] = { { NULL } };
static const struct device disk = { .name = "disk", .options = disk_rows };
static const struct device plain = { .name = "plain", .options = no_rows };
static const struct device *const devices[] = { &disk, &plain, NULL };
static const struct conf_kinds kinds = { devices, socket_rows, process_rows };

static struct conf_file file;
static struct error err;

static int read_bytes(const char *text, size_t size)
{
	FILE *f = fmemopen(NULL, size + 1, "w+");
	int ret;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, size, f), size);
	rewind(f);
	err = ERROR_NONE;
	ret = conf_read_stream(f, "f.ini", &kinds, &file, &err);
	fclose(f);
	return ret;
}

static int read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

static void tear_down(void)
{
	conf_finish(&file);
}

static void value_is(const struct conf_section *s, size_t i, const char *name, const char *text,
		     unsigned line)
{
	ck_assert_uint_lt(i, s->values.n);
	ck_assert_str_eq(s->values.items[i].row->name, name);
	ck_assert_str_eq(s->values.items[i].text, text);
	ck_assert_str_eq(s->values.items[i].source.file, "f.ini");
	ck_assert_uint_eq(s->values.items[i].source.line, line);
}

START_TEST(sections_and_keys)
{
	const struct conf_section *s;

	ck_assert_int_eq(read_text("\xef\xbb\xbf# all of them\n"
				   "[common]\n"
				   "threads = 4\n"
				   "  log-level=debug ; indented\r\n"
				   "\n"
				   "[disk]\n"
				   "queue-size: 64\n"
				   "[ disk  \"a b;c]\" ] # behind\n"
				   ";comment\n"
				   "image =  /x y = z  \n"
				   "tag = one\n"
				   "tag = two\n"
				   "socket = /run/a\n"
				   "[plain \"a b;c]\"]\n"
				   "once = true"), 0);
	ck_assert_uint_eq(file.n, 4);
	s = file.sections;
	ck_assert_ptr_null(s[0].device);
	value_is(&s[0], 0, "threads", "4", 3);
	value_is(&s[0], 1, "log-level", "debug", 4);
	ck_assert_ptr_eq(s[1].device, &disk);
	ck_assert_ptr_null(s[1].name);
	value_is(&s[1], 0, "queue-size", "64", 7);
	ck_assert_ptr_eq(s[1].values.items[0].row, &disk_rows[2]);
	ck_assert_str_eq(s[2].name, "a b;c]");
	ck_assert_uint_eq(s[2].line, 8);
	value_is(&s[2], 0, "image", "/x y = z", 10);
	value_is(&s[2], 1, "tag", "one", 11);
	value_is(&s[2], 2, "tag", "two", 12);
	value_is(&s[2], 3, "socket-path", "/run/a", 13);
	ck_assert_ptr_eq(s[3].device, &plain);
	value_is(&s[3], 0, "once", "true", 15);
	ck_assert_ptr_eq(conf_defaults(&file, NULL), &s[0].values);
	ck_assert_ptr_eq(conf_defaults(&file, &disk), &s[1].values);
	ck_assert_ptr_null(conf_defaults(&file, &plain));
}
END_TEST

#define LONG_20 "xxxxxxxxxxxxxxxxxxxx"
#define LONG_100 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20

static const struct {
	const char *text, *message;
} refused[] = {
	{ "image = x\n", "f.ini:1: key 'image' stands before the first section" },
	{ "\n[dusk]\n", "f.ini:2: unknown section [dusk]: it may be common, disk, plain" },
	{ "[dusk]\nimage = x\n", "f.ini:1: unknown section [dusk]" },
	{ "[common \"x\"]\n", "f.ini:1: [common] takes no name" },
	{ "[]\n", "f.ini:1: unknown section []" },
	{ "[disk\n", "f.ini:1: section header without ']'" },
	{ "[disk \"a]\n", "f.ini:1: section header without ']'" },
	{ "[disk a]\n", "f.ini:1: unknown section [disk a]" },
	{ "[disk \"a\" b]\n", "must read [KIND \"NAME\"]" },
	{ "[disk \"\"]\n", "f.ini:1: a name of 1 to 63 bytes" },
	{ "[disk \"" LONG_20 LONG_20 LONG_20 "xxxx\"]\n", "f.ini:1: a name of 1 to 63 bytes" },
	{ "[disk] image = x\n", "f.ini:1: text behind the section header" },
	{ "[disk \"a\"]\n[plain]\n[disk \"a\"]\n",
	  "f.ini:3: this section stands in line 1 already" },
	{ "[disk]\n[disk]\n", "f.ini:2: this section stands in line 1 already" },
	{ "[disk]\nimage\n", "f.ini:2: 'image' is not KEY = VALUE" },
	{ "[disk]\nimage ;= x\n", "f.ini:2: not KEY = VALUE" },
	{ "[disk]\n= x\n", "f.ini:2: unknown key ''" },
	{ "[disk]\nimag = x\n", "f.ini:2: unknown key 'imag' (tip: a similar key exists: "
	  "'image')" },
	{ "[disk]\nqqqqqqq = x\n", "f.ini:2: unknown key 'qqqqqqq'" },
	{ "[disk]\nthreads = 4\n", "f.ini:2: unknown key 'threads'" },
	{ "[common]\nimage = x\n", "f.ini:2: unknown key 'image'" },
	{ "[disk]\nconfig = x\n", "f.ini:2: unknown key 'config'" },
	{ "[common]\nhelp = true\n", "f.ini:2: unknown key 'help'" },
	{ "[disk]\nimage = x\n\nimage = y\n", "f.ini:4: key 'image' stands in line 2 already" },
	{ "[disk]\nsocket = x\nsocket-path = x\n",
	  "f.ini:3: key 'socket-path' stands in line 2 already" },
	{ "[disk]\nsocket-path = x\nfd = 3\n",
	  "f.ini:3: key 'fd' cannot be used with 'socket-path' of line 2" },
	{ "[disk]\nimage = " LONG_100 LONG_100 "\n[dusk]\n", "f.ini:2: line is longer than" },
	{ "[disk]\n#" LONG_100 LONG_100 "\n", "f.ini:2: line is longer than" },
	{ "[disk]\nimage = \xc3\n[\x01\x7f]", "f.ini:3: unknown section [??]" },
};

START_TEST(bad_files_are_refused)
{
	int ret = read_text(refused[_i].text);

	ck_assert_msg(ret == -EINVAL && strstr(err.text, refused[_i].message) != NULL,
		      "code %d, text: %s", ret, err.text);
	ck_assert_uint_eq(file.n, 0);
	ck_assert_ptr_null(file.path);
}
END_TEST

START_TEST(longest_line_and_next)
{
	char text[400] = "[disk]\nimage = ";
	size_t i, start = strlen(text), line = start - strlen("[disk]\n");

	/* inih as distributions build it takes 197 bytes, its buffer being 200. */
	for (i = start; line < 197; i++, line++)
		text[i] = 'y';
	snprintf(text + i, sizeof(text) - i, "\r\ntag = z\n");
	ck_assert_msg(read_text(text) == 0, "%s", err.text);
	value_is(&file.sections[0], 1, "tag", "z", 3);
	ck_assert_uint_eq(strlen(file.sections[0].values.items[0].text), 197 - 8);
}
END_TEST

START_TEST(zero_bytes_are_no_text)
{
	ck_assert_int_eq(read_bytes("[disk]\nima\0ge = x\n", 18), -EINVAL);
	ck_assert_str_eq(err.text, "f.ini:2: a zero byte: not a text file");
}
END_TEST

START_TEST(empty_files_are_empty)
{
	ck_assert_int_eq(read_text("\n# nothing\n"), 0);
	ck_assert_uint_eq(file.n, 0);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	ck_assert_int_eq(conf_read("/nonexistent/f.ini", &kinds, &file, &err), -ENOENT);
	ck_assert_str_eq(err.text, "/nonexistent/f.ini: cannot be opened: "
			 "No such file or directory");
	ck_assert_int_eq(conf_read("/", &kinds, &file, &err), -EIO);
	ck_assert_str_eq(err.text, "/: cannot be read: Is a directory");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conf");
	TCase *tc = tcase_create("conf");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, sections_and_keys);
	tcase_add_loop_test(tc, bad_files_are_refused, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(tc, longest_line_and_next);
	tcase_add_test(tc, zero_bytes_are_no_text);
	tcase_add_test(tc, empty_files_are_empty);
	tcase_add_test(tc, files_that_cannot_be_read);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
