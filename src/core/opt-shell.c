/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Completion scripts for bash, zsh and fish from option rows. */
#include <string.h>

#include "core/opt-doc.h"

#define SPDX "# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause\n"

static const struct option *next_offered(const struct opt_tables *t, struct opt_walk *w)
{
	const struct option *row;

	do {
		row = opt_walk(t, w);
	} while (row != NULL && (row->flags & (OPT_HIDDEN | OPT_DEPRECATED | OPT_POSITIONAL)));
	return row;
}

static bool has_letter(const struct opt_tables *t, const struct option *row)
{
	return row->brief != '\0' && opt_lookup_brief(t, row->brief) == row;
}

/* "a b c" of words or, for true and false, those. */
static void print_words(FILE *out, const struct option *row)
{
	const char *const *words = opt_words(row);
	unsigned i;

	if (row->type == OPT_BOOL)
		fputs("true false", out);
	for (i = 0; words != NULL && words[i] != NULL; i++)
		fprintf(out, "%s%.*s", i > 0 ? " " : "", (int)strcspn(words[i], "|"), words[i]);
}

/* The first sentence, without its stop and without what the shell would see. */
static void print_brief(FILE *out, const char *text)
{
	const char *end = strstr(text, ". ");
	size_t n = end != NULL ? (size_t)(end - text) : strlen(text);

	if (n > 0 && text[n - 1] == '.')
		n--;
	for (; n > 0; n--, text++)
		fputc(strchr("[]':\\", *text) != NULL ? ' ' : *text, out);
}

static void print_subjects(FILE *out, const struct doc_command *commands, const struct doc *docs)
{
	for (; commands->name != NULL; commands++)
		fprintf(out, "%s ", commands->name);
	for (; docs->program != NULL; docs++)
		fprintf(out, "%s%s", docs->word, docs[1].program != NULL ? " " : "");
}

/* ---- bash ---- */

static void bash_names(FILE *out, const struct opt_tables *t, const struct option *row,
		       const char *between)
{
	fprintf(out, "--%s", row->name);
	if (has_letter(t, row))
		fprintf(out, "%s-%c", between, row->brief);
}

static void bash_doc(FILE *out, const struct doc *d)
{
	const struct option *row;
	struct opt_walk w = { 0, 0 };
	const char *between = "";

	fprintf(out, "\t%s)\n\t\twords='", d->program);
	while ((row = next_offered(&d->tables, &w)) != NULL) {
		fputs(between, out);
		bash_names(out, &d->tables, row, " ");
		between = " ";
	}
	fputs("'\n\t\tcase $prev in\n", out);
	w = (struct opt_walk){ 0, 0 };
	while ((row = next_offered(&d->tables, &w)) != NULL) {
		if (row->type == OPT_FLAG)
			continue;
		fputs("\t\t", out);
		bash_names(out, &d->tables, row, "|");
		if (row->type == OPT_PATH) {
			fputs(") files=1 words= ;;\n", out);
			continue;
		}
		fputs(") words='", out);
		print_words(out, row);
		fputs("' ;;\n", out);
	}
	fputs("\t\tesac ;;\n", out);
}

static void print_bash(FILE *out, const struct doc_command *commands, const struct doc *docs)
{
	const struct doc *d;

	fputs("# bash completion for vhost-device\n" SPDX
	      "_vhost_device()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal name=${COMP_WORDS[0]##*/} words= files=\n\n"
	      "\tif [ \"$cur\" = = ]; then cur=\n"
	      "\telif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	      "\tif [ \"$name\" = vhost-device ]; then\n"
	      "\t\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\t\tCOMPREPLY=($(compgen -W '", out);
	print_subjects(out, commands, docs);
	fputs("' -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n"
	      "\t\tname=vhost-device-${COMP_WORDS[1]}\n\tfi\n"
	      "\tcase $name in\n", out);
	for (d = docs; d->program != NULL; d++)
		bash_doc(out, d);
	fputs("\t*) files=1 ;;\n\tesac\n"
	      "\tif [ -n \"$files\" ]; then COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	      "\telse COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); fi\n}\n"
	      "complete -o filenames -F _vhost_device vhost-device", out);
	for (d = docs; d->program != NULL; d++)
		fprintf(out, " %s", d->program);
	fputc('\n', out);
}

/* ---- zsh ---- */

static void zsh_row(FILE *out, const struct opt_tables *t, const struct option *row)
{
	const char *assign = row->type == OPT_FLAG ? "" : "=";

	fputs(" \\\n\t\t", out);
	if ((row->flags & OPT_LIST) != 0)
		fputs("'*'", out);
	if (has_letter(t, row))
		fprintf(out, "{-%c%s,--%s%s}", row->brief, *assign != '\0' ? "+" : "", row->name,
			assign);
	else
		fprintf(out, "--%s%s", row->name, assign);
	fputs("'[", out);
	print_brief(out, row->help);
	fputc(']', out);
	if (row->type == OPT_PATH) {
		fputs(":file:_files", out);
	} else if (row->type != OPT_FLAG) {
		fputs(":value:(", out);
		print_words(out, row);
		fputc(')', out);
	}
	fputc('\'', out);
}

static void print_zsh(FILE *out, const struct doc_command *commands, const struct doc *docs)
{
	const struct option *row;
	const struct doc *d;
	struct opt_walk w;

	fputs("#compdef vhost-device", out);
	for (d = docs; d->program != NULL; d++)
		fprintf(out, " %s", d->program);
	fputs("\n" SPDX "\nlocal name=$service\nif [[ $name == vhost-device ]]; then\n"
	      "\tif (( CURRENT == 2 )); then\n\t\tcompadd ", out);
	print_subjects(out, commands, docs);
	fputs("\n\t\treturn\n\tfi\n\tname=vhost-device-$words[2]\n"
	      "\tshift words\n\t(( CURRENT-- ))\nfi\ncase $name in\n", out);
	for (d = docs; d->program != NULL; d++) {
		fprintf(out, "%s)\n\t_arguments -s", d->program);
		w = (struct opt_walk){ 0, 0 };
		while ((row = next_offered(&d->tables, &w)) != NULL)
			zsh_row(out, &d->tables, row);
		fputs(" ;;\n", out);
	}
	fputs("*)\n\t_files ;;\nesac\n", out);
}

/* ---- fish ---- */

static void print_fish(FILE *out, const struct doc_command *commands, const struct doc *docs)
{
	const struct option *row;
	struct opt_walk w;

	fputs("# fish completion for vhost-device\n" SPDX
	      "function __vhost_device_row\n"
	      "\tcomplete -c vhost-device-$argv[1] $argv[2..-1]\n"
	      "\tcomplete -c vhost-device -n \"__fish_seen_subcommand_from $argv[1]\" "
	      "$argv[2..-1]\nend\n"
	      "complete -c vhost-device -n __fish_use_subcommand -x -a '", out);
	print_subjects(out, commands, docs);
	fputs("'\n", out);
	for (; docs->program != NULL; docs++) {
		w = (struct opt_walk){ 0, 0 };
		while ((row = next_offered(&docs->tables, &w)) != NULL) {
			fprintf(out, "__vhost_device_row %s -l %s", docs->word, row->name);
			if (has_letter(&docs->tables, row))
				fprintf(out, " -s %c", row->brief);
			if (row->type == OPT_PATH) {
				fputs(" -r -F", out);
			} else if (row->type != OPT_FLAG) {
				fputs(" -x -a '", out);
				print_words(out, row);
				fputc('\'', out);
			}
			fputs(" -d '", out);
			print_brief(out, row->help);
			fputs("'\n", out);
		}
	}
	fputs("functions -e __vhost_device_row\n", out);
}

void doc_completion(FILE *out, enum doc_shell shell, const struct doc_command *commands,
		    const struct doc *docs)
{
	static void (*const print[])(FILE *, const struct doc_command *, const struct doc *) = {
		[DOC_BASH] = print_bash, [DOC_ZSH] = print_zsh, [DOC_FISH] = print_fish,
	};

	print[shell](out, commands, docs);
}
