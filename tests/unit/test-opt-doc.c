/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Texts made from rows: whole outputs for a small set of rows, and their escaping. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt-doc.h"

struct conf {
	char *path;
	struct opt_list images;
	uint16_t n;
	unsigned word;
	bool flag, taken, hidden, boolean;
};

static const char *const words[] = { "one|uno", "two", NULL };
static const char *const aliases[] = { "where", NULL };

static const struct option own_rows[] = {
	{ "path", "PATH", "Where a|b <is>. A second sentence, which is long enough to go over the "
	  "end of a line.", "/a-b", OPT_PATH, OPT_REQUIRED, .brief = 'p', .aliases = aliases,
	  OPT(struct conf, path) },
	{ "count", "N", ".Dot and 'quotes' [x]: back\\slash.", "3", OPT_UINT, .brief = 'c',
	  .min = 1, .max = 9, OPT(struct conf, n) },
	{ "word", "WORD", "Say it.", NULL, OPT_CHOICE, .words = words, OPT(struct conf, word) },
	{ "images", "IMAGE", "Files.", NULL, OPT_PATH, OPT_LIST | OPT_POSITIONAL,
	  OPT_ITEMS(struct conf, images, char *) },
	{ "secret", NULL, "Not shown.", NULL, OPT_FLAG, OPT_HIDDEN, OPT(struct conf, hidden) },
	{ "real", "BOOL", "Truth.", NULL, OPT_BOOL, OPT(struct conf, boolean) },
	{ NULL }
};

static const struct option common_rows[] = {
	{ "flag", NULL, "A \"flag\".", NULL, OPT_FLAG, .brief = 'c', OPT(struct conf, flag) },
	{ "word", NULL, "Hidden by the other.", NULL, OPT_FLAG, OPT(struct conf, taken) },
	{ NULL }
};

static const struct doc docs[] = {
	{ "vhost-device-disk", "disk", "a disk", { { own_rows, common_rows, NULL } } },
	{ .program = NULL },
};

static const struct doc_command commands[] = {
	{ "list", "[--json]", "List." }, { NULL, NULL, NULL },
};

static char *text;
static size_t text_size;
static FILE *out;

static void set_up(void)
{
	out = open_memstream(&text, &text_size);
	ck_assert_ptr_nonnull(out);
}

static void tear_down(void)
{
	fclose(out);
	free(text);
	text = NULL;
}

static void printed(const char *expected)
{
	fflush(out);
	ck_assert_str_eq(text, expected);
}

static void has_part(const char *part)
{
	fflush(out);
	ck_assert_msg(strstr(text, part) != NULL, "no <%s> in:\n%s", part, text);
}

static void has_no_part(const char *part)
{
	fflush(out);
	ck_assert_msg(strstr(text, part) == NULL, "<%s> in:\n%s", part, text);
}

START_TEST(help)
{
	doc_help(out, &docs[0], false);
	printed("a disk\n\n"
		"Usage: vhost-device-disk [OPTIONS] --path <PATH> [<IMAGE>...]\n\n"
		"Options:\n"
		"  -p, --path <PATH>\n"
		"          Where a|b <is>. A second sentence, which is long enough to go over the\n"
		"          end of a line. [default: /a-b] [alias: --where]\n"
		"  -c, --count <N>\n"
		"          .Dot and 'quotes' [x]: back\\slash. [default: 3] [1 to 9]\n"
		"      --word <WORD>\n"
		"          Say it. [possible values: one, two]\n"
		"  <IMAGE>...\n"
		"          Files. [repeatable]\n"
		"      --real <BOOL>\n"
		"          Truth.\n"
		"      --flag\n"
		"          A \"flag\".\n");
}
END_TEST

START_TEST(brief_help)
{
	doc_help(out, &docs[0], true);
	printed("a disk\n\n"
		"Usage: vhost-device-disk [OPTIONS] --path <PATH> [<IMAGE>...]\n\n"
		"Options:\n"
		"  -p, --path <PATH>\n"
		"          Where a|b <is>. [default: /a-b] [alias: --where]\n"
		"  -c, --count <N>\n"
		"          .Dot and 'quotes' [x]: back\\slash. [default: 3] [1 to 9]\n"
		"      --word <WORD>\n"
		"          Say it. [possible values: one, two]\n"
		"  <IMAGE>...\n"
		"          Files. [repeatable]\n"
		"      --real <BOOL>\n"
		"          Truth.\n"
		"      --flag\n"
		"          A \"flag\".\n"
		"\nFor more information, try '--help'.\n");
}
END_TEST

START_TEST(manual_page)
{
	doc_man_head(out, "vhost-device-disk", "1", docs[0].summary);
	doc_man_synopsis(out, &docs[0]);
	doc_man_rows(out, &docs[0].tables, OPT_POSITIONAL);
	has_part(".TH VHOST-DEVICE-DISK 1 \"\" vhost-device \"vhost-device manual\"\n"
		 ".SH NAME\nvhost-device-disk \\- a disk\n");
	has_part(".SH SYNOPSIS\n.B vhost-device-disk\n[OPTIONS]\n\\-\\-path <PATH>\n<IMAGE>...\n");
	has_part(".TP\n.B \\-p, \\-\\-path <PATH>\nWhere a|b <is>.");
	has_part("[default: /a\\-b] [alias: \\-\\-where]\n");
	has_part(".TP\n.B \\-c, \\-\\-count <N>\n\\&.Dot and 'quotes' [x]: back\\eslash.");
	has_part(".TP\n.B \\-\\-flag\n");
	has_no_part("secret");
	has_no_part("Files.");
	has_no_part("Hidden by");
}
END_TEST

START_TEST(markdown)
{
	doc_markdown(out, &docs[0].tables);
	has_part("| Option | Short | Meaning |\n|---|---|---|\n"
		 "| `--path <PATH>` | `-p` | Where a\\|b \\<is\\>.");
	has_part("back\\\\slash. [default: 3] [1 to 9] |\n");
	has_part("| `--flag` | | A \"flag\". |\n");
	has_no_part("secret");
}
END_TEST

START_TEST(json)
{
	doc_json(out, &docs[0].tables);
	has_part("{\"name\": \"path\", \"short\": \"p\", \"type\": \"path\", \"value\": \"PATH\", "
		 "\"default\": \"/a-b\", \"aliases\": [\"where\"], \"required\": true, "
		 "\"repeatable\": false, \"help\": ");
	has_part("\"choices\": [\"one\", \"two\"]");
	has_part("\"min\": 1, \"max\": 9");
	has_part("back\\\\slash");
	has_part("{\"name\": \"flag\", \"type\": \"flag\", \"required\": false, "
		 "\"repeatable\": false, \"help\": \"A \\\"flag\\\".\"}]");
	doc_json_string(out, "a\nb\x01");
	has_part("\"a\\u000ab\\u0001\"");
}
END_TEST

START_TEST(roff_text)
{
	doc_roff(out, "'a\\b-c.");
	printed("\\&'a\\eb\\-c.");
}
END_TEST

START_TEST(bash)
{
	doc_completion(out, DOC_BASH, commands, docs);
	has_part("compgen -W 'list disk' -- \"$cur\"");
	has_part("\tvhost-device-disk)\n\t\twords='--path -p --count -c --word --real --flag'\n");
	has_part("\t\t--path|-p) files=1 words= ;;\n");
	has_part("\t\t--word) words='one two' ;;\n");
	has_part("\t\t--real) words='true false' ;;\n");
	has_part("complete -o filenames -F _vhost_device vhost-device vhost-device-disk\n");
	has_no_part("secret");
}
END_TEST

START_TEST(zsh)
{
	doc_completion(out, DOC_ZSH, commands, docs);
	has_part("#compdef vhost-device vhost-device-disk\n");
	has_part("\t\tcompadd list disk\n");
	has_part("\t\t{-p+,--path=}'[Where a|b <is>]:file:_files'");
	has_part("\t\t{-c+,--count=}'[.Dot and  quotes   x   back slash]:value:()'");
	has_part("\t\t--word='[Say it]:value:(one two)'");
	has_part("\t\t--flag'[A \"flag\"]'");
	has_no_part("secret");
}
END_TEST

START_TEST(fish)
{
	doc_completion(out, DOC_FISH, commands, docs);
	has_part("-n __fish_use_subcommand -x -a 'list disk'\n");
	has_part("__vhost_device_row disk -l path -s p -r -F -d 'Where a|b <is>'\n");
	has_part("__vhost_device_row disk -l word -x -a 'one two' -d 'Say it'\n");
	has_part("__vhost_device_row disk -l flag -d 'A \"flag\"'\n");
	has_no_part("secret");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opt-doc");
	TCase *tc = tcase_create("opt-doc");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, help);
	tcase_add_test(tc, brief_help);
	tcase_add_test(tc, manual_page);
	tcase_add_test(tc, markdown);
	tcase_add_test(tc, json);
	tcase_add_test(tc, roff_text);
	tcase_add_test(tc, bash);
	tcase_add_test(tc, zsh);
	tcase_add_test(tc, fish);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
