/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Lists of several devices: items, names, words, and whose list it is. */
#include "vhost-device/list.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t\n\v\f\r";

static char *trim(char *s)
{
	char *end;

	s += strspn(s, blanks);
	end = s + strlen(s);
	while (end > s && strchr(blanks, end[-1]) != NULL)
		end--;
	*end = '\0';
	return s;
}

/* ---- pieces ---- */

/* Untrimmed; what ended it. */
static int cut(struct list_parser *p, char *s)
{
	int c;

	s += strcspn(s, ":,");
	c = (unsigned char)*s;
	*s = '\0';
	p->at = c == '\0' ? s : s + 1;
	return c;
}

int list_cut(struct list_parser *p, char **ret_piece)
{
	char *s = p->at;
	int end = cut(p, s);

	*ret_piece = trim(s);
	return end;
}

int list_name(struct list_parser *p, const char *what, char **ret_name, bool *ret_quoted)
{
	char *s = p->at + strspn(p->at, blanks), *tail;
	bool quoted = *s == '"' || *s == '\'';
	int end;

	if (ret_quoted != NULL)
		*ret_quoted = quoted;
	if (!quoted)
		return list_cut(p, ret_name);
	tail = strchr(s + 1, *s);
	if (tail == NULL)
		return error_set(p->err, -EINVAL, "the quote before %s is not closed", s + 1);
	*tail++ = '\0';
	*ret_name = s + 1;
	end = cut(p, tail);
	tail = trim(tail);
	if (*tail != '\0')
		return error_set(p->err, -EINVAL, "'%s' follows a quoted %s", tail, what);
	return end;
}

/* ---- words ---- */

static int unknown(struct error *err, const struct list_words *words, const char *text)
{
	const char *quote = *words->mark == '\0' ? "'" : "";
	char all[300] = "";
	size_t i, at;

	for (i = 0; i < words->n; i++) {
		at = strlen(all);
		snprintf(all + at, sizeof(all) - at, "%s%s", i == 0 ? "" :
			 i + 1 == words->n ? " and " : ", ", words->words[i].name);
	}
	return error_set(err, -EINVAL, "%s%s%s%s is unknown: there are %s", words->mark, quote,
			 text, quote, all);
}

const struct list_word *list_word(struct list_parser *p, const struct list_words *words,
				  char *text, char **ret_value)
{
	const struct list_word *w = words->words, *end = w + words->n;
	char *value = strchr(text, '=');

	if (value != NULL)
		*value++ = '\0';
	while (w < end && strcmp(w->name, text) != 0)
		w++;
	if (w == end) {
		unknown(p->err, words, text);
		return NULL;
	}
	if (value != NULL && w->value == LIST_NO_VALUE) {
		error_set(p->err, -EINVAL, "%s%s takes no value", words->mark, text);
		return NULL;
	}
	if (value != NULL ? *value == '\0' : w->value == LIST_MUST_VALUE) {
		error_set(p->err, -EINVAL, "%s%s needs a value: %s%s=%s", words->mark, text,
			  words->mark, text, words->value);
		return NULL;
	}
	*ret_value = value;
	return w;
}

/* ---- lists ---- */

void *list_parse(const struct list_kind *kind, const char *text, struct error *err)
{
	struct list_parser p = { .list = calloc(1, kind->size), .err = err };
	FREE_PTR char *copy = strdup(text);
	int end = ',';

	if (copy == NULL || p.list == NULL) {
		free(p.list);
		error_memory(err);
		return NULL;
	}
	p.at = trim(copy);
	while (end == ',')
		end = kind->item(&p);
	if (end == 0)
		return p.list;
	kind->free(p.list);
	return NULL;
}

static void *read_list(const struct list_kind *kind, const struct opt_list *texts, size_t i,
		       struct error *err)
{
	const char *text = ((char *const *)texts->items)[i];
	void *list = list_parse(kind, text, err);

	if (list == NULL)
		error_prefix(err, "--%s %s: ", kind->option, text);
	return list;
}

int list_check(const struct list_kind *kind, const struct opt_list *texts, struct error *err)
{
	void *list;
	size_t i;

	for (i = 0; i < texts->n; i++) {
		list = read_list(kind, texts, i, err);
		if (list == NULL)
			return -EINVAL;
		kind->free(list);
	}
	return 0;
}

void *list_of(const struct list_kind *kind, const struct opt_list *texts,
	      const struct instance *in, struct error *err)
{
	unsigned sockets = instance_count(in);

	if (texts->n != 1 && texts->n != sockets) {
		error_set(err, -EINVAL, "--%s is there %zu times for %u sockets: give one list "
			  "for all, or one for each", kind->option, texts->n, sockets);
		return NULL;
	}
	return read_list(kind, texts, texts->n == 1 ? 0 : instance_index(in), err);
}
