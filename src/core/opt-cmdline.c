/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Command lines, with the habits of the parser that the users of the original
 * programs know: --opt=V, --opt V, -o V, -oV and -o=V are equal, flags may be
 * bundled, nothing is abbreviated, a single option stands once, a value that
 * begins with '-' has to be attached, -- ends the options.
 */
#include <errno.h>
#include <string.h>

#include "core/opt.h"

struct args {
	const struct opt_tables *tables;
	struct opt_values *values;
	char **next;                    /* NULL-ended rest */
	char **end;
	const struct option *stop;
	struct error *err;
};

static bool is_plain_word(const char *word)
{
	return word[0] != '-' || word[1] == '\0';
}

static int unexpected(struct args *a, const char *word)
{
	const struct option *row = NULL;

	if (word[0] == '-' && word[1] == '-')
		row = opt_similar(a->tables, word + 2, strcspn(word + 2, "="));
	if (row == NULL)
		return error_set(a->err, -EINVAL, "unexpected argument '%.100s' found", word);
	return error_set(a->err, -EINVAL, "unexpected argument '%.100s' found "
			 "(tip: a similar argument exists: '--%s')", word, row->name);
}

static int add(struct args *a, const struct option *row, const char *text, bool first)
{
	char name[OPT_NAME_SIZE], other_name[OPT_NAME_SIZE];
	const struct option *other;
	size_t k;

	for (k = 0; first && k < a->values->n; k++) {
		other = a->values->items[k].row;
		if (other == row && (row->flags & OPT_LIST) == 0)
			return error_set(a->err, -EINVAL,
					 "the argument '%s' cannot be used multiple times",
					 opt_describe(row, name));
		if (opt_excludes(row, other))
			return error_set(a->err, -EINVAL, "the argument '%s' cannot be used with "
					 "'%s'", opt_describe(other, other_name),
					 opt_describe(row, name));
	}
	opt_values_add(a->values, row, text, (struct opt_source){ NULL, 0 });
	if ((row->flags & OPT_STOP) != 0)
		a->stop = row;
	return 0;
}

static int no_value(struct args *a, const struct option *row)
{
	char name[OPT_NAME_SIZE];

	opt_describe(row, name);
	if (a->next == a->end || strcmp(*a->next, "--") == 0)
		return error_set(a->err, -EINVAL, "a value is required for '%s' but none was "
				 "supplied", name);
	return error_set(a->err, -EINVAL, "a value is required for '%s' but none was supplied "
			 "(tip: attach one that begins with '-': '--%s=%.60s')", name, row->name,
			 *a->next);
}

/* attached: what stands behind '=' or the letter, or NULL. */
static int take_value(struct args *a, const struct option *row, const char *attached)
{
	int ret;

	if (attached != NULL)
		return add(a, row, attached, true);
	if (a->next == a->end || !is_plain_word(*a->next))
		return no_value(a, row);
	ret = add(a, row, *a->next++, true);
	while (ret == 0 && (row->flags & OPT_MANY) != 0 && a->next < a->end &&
	       is_plain_word(*a->next))
		ret = add(a, row, *a->next++, false);
	return ret;
}

static int take_flag(struct args *a, const struct option *row, const char *attached)
{
	if (attached != NULL)
		return error_set(a->err, -EINVAL, "unexpected value '%.100s' for '--%s' found; "
				 "no more were expected", attached, row->name);
	return add(a, row, NULL, true);
}

static int take_long(struct args *a, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	const char *attached = word[2 + len] == '=' ? word + 2 + len + 1 : NULL;
	const struct option *row = opt_lookup(a->tables, word + 2, len);

	if (row == NULL || (row->flags & OPT_POSITIONAL) != 0)
		return unexpected(a, word);
	return row->type == OPT_FLAG ? take_flag(a, row, attached) : take_value(a, row, attached);
}

/* -a, -abc of flags, and a value behind the last letter: -oV, -o=V. */
static int take_brief(struct args *a, const char *word)
{
	const struct option *row;
	const char *p;
	int ret = 0;

	for (p = word + 1; ret == 0 && *p != '\0' && a->stop == NULL; p++) {
		row = opt_lookup_brief(a->tables, *p);
		if (row == NULL)
			return error_set(a->err, -EINVAL, "unexpected argument '-%c' found", *p);
		if (row->type == OPT_FLAG) {
			ret = take_flag(a, row, p[1] == '=' ? p + 2 : NULL);
			continue;
		}
		if (p[1] == '\0')
			return take_value(a, row, NULL);
		return take_value(a, row, p + 1 + (p[1] == '='));
	}
	return ret;
}

static int take_word(struct args *a, const char *word)
{
	const struct option *row;
	struct opt_walk w = { 0, 0 };

	while ((row = opt_walk(a->tables, &w)) != NULL) {
		if ((row->flags & OPT_POSITIONAL) == 0)
			continue;
		if ((row->flags & OPT_LIST) == 0 &&
		    opt_given(&(struct opt_layers){ { a->values } }, row))
			continue;
		return add(a, row, word, true);
	}
	return unexpected(a, word);
}

int opt_parse_args(const struct opt_tables *t, int argc, char **argv, struct opt_values *values,
		   const struct option **ret_stop, struct error *err)
{
	struct args a = { t, values, argv, argv + argc, NULL, err };
	bool words_only = false;
	const char *word;
	int ret = 0;

	while (ret == 0 && a.next < a.end && a.stop == NULL) {
		word = *a.next++;
		if (words_only || is_plain_word(word))
			ret = take_word(&a, word);
		else if (strcmp(word, "--") == 0)
			words_only = true;
		else if (word[1] == '-')
			ret = take_long(&a, word);
		else
			ret = take_brief(&a, word);
	}
	if (ret == 0)
		*ret_stop = a.stop;
	return ret;
}
