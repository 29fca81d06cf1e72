/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Texts made from option rows: help, manual pages, completion, tables. */
#ifndef CORE_OPT_DOC_H
#define CORE_OPT_DOC_H

#include <stdio.h>

#include "core/opt.h"

/* One command with options. */
struct doc {
	const char *program;            /* "vhost-device-rng" */
	const char *word;               /* "rng": as first word of vhost-device */
	const char *summary;
	struct opt_tables tables;
};

/* A command without options of its own. */
struct doc_command {
	const char *name, *args, *help;
};

/* "Usage: vhost-device-rng [OPTIONS] --socket-path <PATH>" and a newline. */
void doc_usage(FILE *out, const struct doc *d);
/* brief: of each option the first sentence. */
void doc_help(FILE *out, const struct doc *d, bool brief);
/* Section OPTIONS of a manual page, with headings NAME and SYNOPSIS before it if wanted. */
void doc_man_head(FILE *out, const char *name, const char *section, const char *summary);
void doc_man_synopsis(FILE *out, const struct doc *d);
/* Rows as a list; skip is a flag of rows to leave out, or 0. */
void doc_man_rows(FILE *out, const struct opt_tables *t, unsigned skip);
void doc_markdown(FILE *out, const struct opt_tables *t);
/* An array of objects. */
void doc_json(FILE *out, const struct opt_tables *t);
void doc_json_string(FILE *out, const char *text);
/* text with everything that is special in roff escaped. */
void doc_roff(FILE *out, const char *text);

enum doc_shell { DOC_BASH, DOC_ZSH, DOC_FISH };
/* commands and docs are NULL-ended: by name, by program. */
void doc_completion(FILE *out, enum doc_shell shell, const struct doc_command *commands,
		    const struct doc *docs);

#endif
