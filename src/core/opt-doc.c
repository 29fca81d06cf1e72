/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Help, manual pages, tables and JSON from option rows. */
#include <limits.h>
#include <string.h>

#include "core/opt-doc.h"

enum { COLUMNS = 80, INDENT = 10, NOTES_SIZE = 300 };

static bool is_visible(const struct option *row)
{
	return (row->flags & (OPT_HIDDEN | OPT_DEPRECATED)) == 0;
}

static const struct option *next_visible(const struct opt_tables *t, struct opt_walk *w)
{
	const struct option *row;

	do {
		row = opt_walk(t, w);
	} while (row != NULL && !is_visible(row));
	return row;
}

/* The letter, unless another row has it. */
static char letter_of(const struct opt_tables *t, const struct option *row)
{
	return opt_lookup_brief(t, row->brief) == row ? row->brief : '\0';
}

/* What the columns say beside the help: " [default: 1] [1 to 16]" or "". */
static const char *notes(const struct option *row, char *buf)
{
	const char *const *words = opt_words(row);
	size_t n = 0;
	unsigned i;

	buf[0] = '\0';
	if (row->def != NULL)
		n += (size_t)snprintf(buf, NOTES_SIZE, " [default: %s]", row->def);
	for (i = 0; words != NULL && words[i] != NULL && n < NOTES_SIZE; i++)
		n += (size_t)snprintf(buf + n, NOTES_SIZE - n, "%s%.*s",
				      i == 0 ? " [possible values: " : ", ",
				      (int)strcspn(words[i], "|"), words[i]);
	if (i > 0 && n < NOTES_SIZE)
		n += (size_t)snprintf(buf + n, NOTES_SIZE - n, "]");
	if (opt_max(row) != 0 && row->max < INT_MAX && n < NOTES_SIZE)
		n += (size_t)snprintf(buf + n, NOTES_SIZE - n, " [%llu to %llu]",
				      (unsigned long long)row->min, (unsigned long long)row->max);
	for (i = 0; row->aliases != NULL && row->aliases[i] != NULL && n < NOTES_SIZE; i++)
		n += (size_t)snprintf(buf + n, NOTES_SIZE - n, " [alias: --%s]", row->aliases[i]);
	if ((row->flags & OPT_LIST) != 0 && n < NOTES_SIZE)
		snprintf(buf + n, NOTES_SIZE - n, " [repeatable]");
	return buf;
}

/* ---- help ---- */

void doc_usage(FILE *out, const struct doc *d)
{
	char name[OPT_NAME_SIZE];
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	fprintf(out, "Usage: %s [OPTIONS]", d->program);
	while ((row = next_visible(&d->tables, &w)) != NULL) {
		if ((row->flags & OPT_REQUIRED) != 0)
			fprintf(out, " %s", opt_describe(row, name));
		else if ((row->flags & OPT_POSITIONAL) != 0)
			fprintf(out, " [%s]", opt_describe(row, name));
	}
	fputc('\n', out);
}

/* Words of text and more, filled into lines behind the indent; brief: its first sentence. */
static void print_filled(FILE *out, const char *text, const char *more, bool brief)
{
	bool ends = false;
	size_t n, column = COLUMNS;

	for (;;) {
		text += strspn(text, " ");
		if ((*text == '\0' || ends) && more != NULL) {
			text = more;
			more = NULL;
			ends = false;
			continue;
		}
		n = strcspn(text, " ");
		if (n == 0 || ends)
			break;
		ends = brief && more != NULL && text[n - 1] == '.';
		if (column + 1 + n > COLUMNS) {
			fprintf(out, "\n%*s%.*s", INDENT, "", (int)n, text);
			column = INDENT + n;
		} else {
			fprintf(out, " %.*s", (int)n, text);
			column += 1 + n;
		}
		text += n;
	}
	fputc('\n', out);
}

void doc_help(FILE *out, const struct doc *d, bool brief)
{
	char name[OPT_NAME_SIZE], more[NOTES_SIZE], letter;
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	fprintf(out, "%s\n\n", d->summary);
	doc_usage(out, d);
	fputs("\nOptions:\n", out);
	while ((row = next_visible(&d->tables, &w)) != NULL) {
		letter = letter_of(&d->tables, row);
		opt_describe(row, name);
		if (letter != '\0')
			fprintf(out, "  -%c, %s", letter, name);
		else
			fprintf(out, "  %s%s", (row->flags & OPT_POSITIONAL) != 0 ? "" : "    ",
				name);
		print_filled(out, row->help, notes(row, more), brief);
	}
	if (brief)
		fputs("\nFor more information, try '--help'.\n", out);
}

/* ---- manual pages ---- */

void doc_roff(FILE *out, const char *text)
{
	const char *p;

	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (p = text; *p != '\0'; p++) {
		if (*p == '\\')
			fputs("\\e", out);
		else if (*p == '-')
			fputs("\\-", out);
		else
			fputc(*p, out);
	}
}

void doc_man_head(FILE *out, const char *name, const char *section, const char *summary)
{
	const char *p;

	fputs(".\\\" Made from the option rows; do not edit.\n.TH ", out);
	for (p = name; *p != '\0'; p++)
		fputc(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p, out);
	fprintf(out, " %s \"\" vhost-device \"vhost-device manual\"\n.SH NAME\n%s \\- ", section,
		name);
	doc_roff(out, summary);
	fputc('\n', out);
}

void doc_man_synopsis(FILE *out, const struct doc *d)
{
	char name[OPT_NAME_SIZE];
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	fprintf(out, ".SH SYNOPSIS\n.B %s\n[OPTIONS]\n", d->program);
	while ((row = next_visible(&d->tables, &w)) != NULL) {
		if ((row->flags & (OPT_REQUIRED | OPT_POSITIONAL)) == 0)
			continue;
		doc_roff(out, opt_describe(row, name));
		fputc('\n', out);
	}
	fprintf(out, ".br\n.B vhost-device %s\n\\&...\n", d->word);
}

void doc_man_rows(FILE *out, const struct opt_tables *t, unsigned skip)
{
	char name[OPT_NAME_SIZE], more[NOTES_SIZE], letter;
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	while ((row = next_visible(t, &w)) != NULL) {
		if ((row->flags & skip) != 0)
			continue;
		letter = letter_of(t, row);
		fputs(".TP\n.B ", out);
		if (letter != '\0')
			fprintf(out, "\\-%c, ", letter);
		doc_roff(out, opt_describe(row, name));
		fputc('\n', out);
		doc_roff(out, row->help);
		doc_roff(out, notes(row, more));
		fputc('\n', out);
	}
}

/* ---- tables and JSON ---- */

static void print_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("|<>\\", *text) != NULL)
			fputc('\\', out);
		fputc(*text, out);
	}
}

void doc_markdown(FILE *out, const struct opt_tables *t)
{
	char name[OPT_NAME_SIZE], more[NOTES_SIZE], letter;
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	fputs("| Option | Short | Meaning |\n|---|---|---|\n", out);
	while ((row = next_visible(t, &w)) != NULL) {
		letter = letter_of(t, row);
		fprintf(out, "| `%s` | ", opt_describe(row, name));
		if (letter != '\0')
			fprintf(out, "`-%c` ", letter);
		fputs("| ", out);
		print_cell(out, row->help);
		print_cell(out, notes(row, more));
		fputs(" |\n", out);
	}
}

void doc_json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ')
			fprintf(out, "\\u%04x", (unsigned)(unsigned char)*text);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	fputc('"', out);
}

static void json_member(FILE *out, const char *key, const char *text)
{
	if (text == NULL)
		return;
	fprintf(out, ", \"%s\": ", key);
	doc_json_string(out, text);
}

static void json_words(FILE *out, const char *key, const char *const *words)
{
	char word[OPT_NAME_SIZE];
	unsigned i;

	if (words == NULL)
		return;
	fprintf(out, ", \"%s\": [", key);
	for (i = 0; words[i] != NULL; i++) {
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(words[i], "|"), words[i]);
		fputs(i > 0 ? ", " : "", out);
		doc_json_string(out, word);
	}
	fputc(']', out);
}

void doc_json(FILE *out, const struct opt_tables *t)
{
	static const char *const types[] = { "flag", "bool", "uint", "size", "string", "path",
		"choice", "group", "custom" };
	const struct option *row;
	struct opt_walk w = { 0, 0 };
	const char *between = "[";
	char letter[2] = "";

	_Static_assert(ARRAY_SIZE(types) == OPT_CUSTOM + 1, "a name per type");
	while ((row = next_visible(t, &w)) != NULL) {
		fprintf(out, "%s\n\t\t{\"name\": ", between);
		between = ",";
		doc_json_string(out, row->name);
		letter[0] = letter_of(t, row);
		json_member(out, "short", letter[0] != '\0' ? letter : NULL);
		json_member(out, "type", types[row->type]);
		json_member(out, "value", row->metavar);
		json_member(out, "default", row->def);
		json_words(out, "choices", opt_words(row));
		json_words(out, "aliases", row->aliases);
		if (opt_max(row) != 0)
			fprintf(out, ", \"min\": %llu, \"max\": %llu",
				(unsigned long long)row->min, (unsigned long long)row->max);
		fprintf(out, ", \"required\": %s, \"repeatable\": %s",
			(row->flags & OPT_REQUIRED) != 0 ? "true" : "false",
			(row->flags & OPT_LIST) != 0 ? "true" : "false");
		json_member(out, "help", row->help);
		fputc('}', out);
	}
	fputs("]", out);
}
