/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The option engine: rows (vhost-device/option.h) against text.
 *
 * Text is kept as it was given, in layers (built-in default, sections of a
 * file, command line), and becomes a conf only in opt_build(): a row takes its
 * values from the highest layer that has any, and a conf is made once for each
 * instance, so OPT_EACH is nothing but a choice of the piece.
 *
 * Codes everywhere: -EINVAL is a usage error (exit 2), others are not (exit 1).
 */
#ifndef CORE_OPT_H
#define CORE_OPT_H

#include "vhost-device/option.h"

enum { OPT_TABLES = 3, OPT_NAME_SIZE = 100 };

/*
 * Tables in effect together, NULL where there is none. A row hides the rows of
 * later tables that have its name, and takes their letter.
 */
struct opt_tables {
	const struct option *rows[OPT_TABLES];
};

struct opt_source {
	const char *file;       /* NULL: command line */
	unsigned line;
};

struct opt_value {
	const struct option *row;
	const char *text;       /* borrowed; NULL: a flag without value */
	struct opt_source source;
};

struct opt_values {
	struct opt_value *items;
	size_t n;
};

/* Lowest first; NULL members are empty. */
struct opt_layers {
	const struct opt_values *of[4];
};

/* All defaults into a zeroed conf. A default that does not parse is a bug. */
void opt_defaults(const struct option *rows, void *conf);
/*
 * One value; NULL text: a flag without value. Replaces and frees a single
 * value, appends to a list. The text of err is the cause alone.
 */
int opt_set(const struct option *row, void *conf, const char *text, struct error *err);
/* Free everything the rows own in conf and zero their targets. */
void opt_finish(const struct option *rows, void *conf);

/* Do two confs say the same? */
bool opt_same(const struct option *rows, const void *a, const void *b);

/* Words of an OPT_CHOICE, else NULL. */
static inline const char *const *opt_words(const struct option *row)
{
	return row->type == OPT_CHOICE ? row->words : NULL;
}

/* Largest number that the row itself allows; 0: it says nothing. */
static inline uint64_t opt_max(const struct option *row)
{
	return row->type == OPT_UINT || row->type == OPT_SIZE ? row->max : 0;
}

/* By long name or alias; by letter. NULL rows are empty. */
const struct option *opt_find(const struct option *rows, const char *name, size_t len);
const struct option *opt_find_brief(const struct option *rows, char brief);
const struct option *opt_lookup(const struct opt_tables *t, const char *name, size_t len);
const struct option *opt_lookup_brief(const struct opt_tables *t, char brief);
/* The row that is not hidden and most like the name, or NULL. */
const struct option *opt_similar(const struct opt_tables *t, const char *name, size_t len);

/* Every row in effect, one after the other; start with a zeroed walk. */
struct opt_walk {
	unsigned table;
	size_t next;
};
const struct option *opt_walk(const struct opt_tables *t, struct opt_walk *w);

/* "--period <MS>", "--once", "<IMAGE>..."; returns buf, which holds OPT_NAME_SIZE bytes. */
const char *opt_describe(const struct option *row, char *buf);

void opt_values_add(struct opt_values *values, const struct option *row, const char *text,
		    struct opt_source source);
void opt_values_finish(struct opt_values *values);
bool opt_given(const struct opt_layers *layers, const struct option *row);

/*
 * A zeroed conf for instance `index`, from defaults and layers. On failure the
 * text of err names source, option and cause; conf may be half filled, and
 * wants opt_finish() either way. What stands in a file is no usage error.
 */
int opt_build(const struct option *rows, void *conf, const struct opt_layers *layers,
	      unsigned index, struct error *err);
/* Number of instances that the OPT_EACH rows make: 0 when none was given. */
int opt_each_count(const struct opt_tables *t, const struct opt_layers *layers,
		   unsigned *ret_count, struct error *err);
/* May the two not stand side by side? */
bool opt_excludes(const struct option *a, const struct option *b);
/* Required rows that no layer gives. */
int opt_missing(const struct opt_tables *t, const struct opt_layers *layers, struct error *err);

/*
 * Words of a command line, without the program's name. Stops behind an
 * OPT_STOP row, which *ret_stop then names (else NULL).
 */
int opt_parse_args(const struct opt_tables *t, int argc, char **argv, struct opt_values *values,
		   const struct option **ret_stop, struct error *err);

#endif
