/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Option rows: lookup, setting of values, and confs out of layers of text. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt.h"
#include "vhost-device/num.h"

enum { NAME_MAX_BYTES = 40 };

typedef int set_fn(const struct option *row, void *target, const char *text, struct error *err);

static void *row_target(const struct option *row, void *conf)
{
	return (char *)conf + row->offset;
}

static bool is_list(const struct option *row)
{
	return (row->flags & OPT_LIST) != 0 && (row->flags & OPT_EACH) == 0;
}

/* Memory for options runs out at start only, where nobody could do better. */
static void *must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* ---- lookup ---- */

static bool name_is(const char *have, const char *name, size_t len)
{
	return strncmp(have, name, len) == 0 && have[len] == '\0';
}

static bool row_has_name(const struct option *row, const char *name, size_t len)
{
	const char *const *a;

	if (name_is(row->name, name, len))
		return true;
	for (a = row->aliases; a != NULL && *a != NULL; a++) {
		if (name_is(*a, name, len))
			return true;
	}
	return false;
}

const struct option *opt_find(const struct option *rows, const char *name, size_t len)
{
	for (; rows != NULL && rows->name != NULL; rows++) {
		if (row_has_name(rows, name, len))
			return rows;
	}
	return NULL;
}

const struct option *opt_find_brief(const struct option *rows, char brief)
{
	for (; rows != NULL && rows->name != NULL && brief != 0; rows++) {
		if (rows->brief == brief)
			return rows;
	}
	return NULL;
}

/* A row whose own name an earlier table uses is out of effect, aliases and letter included. */
static bool is_hidden(const struct opt_tables *t, unsigned table, const struct option *row)
{
	unsigned i;

	for (i = 0; i < table; i++) {
		if (opt_find(t->rows[i], row->name, strlen(row->name)) != NULL)
			return true;
	}
	return false;
}

const struct option *opt_lookup(const struct opt_tables *t, const char *name, size_t len)
{
	const struct option *row;
	unsigned i;

	for (i = 0; i < OPT_TABLES; i++) {
		row = opt_find(t->rows[i], name, len);
		if (row != NULL && !is_hidden(t, i, row))
			return row;
	}
	return NULL;
}

const struct option *opt_lookup_brief(const struct opt_tables *t, char brief)
{
	const struct option *row;
	unsigned i;

	for (i = 0; i < OPT_TABLES; i++) {
		row = opt_find_brief(t->rows[i], brief);
		if (row != NULL && !is_hidden(t, i, row))
			return row;
	}
	return NULL;
}

const struct option *opt_walk(const struct opt_tables *t, struct opt_walk *w)
{
	const struct option *row;

	for (; w->table < OPT_TABLES; w->table++, w->next = 0) {
		while (t->rows[w->table] != NULL && t->rows[w->table][w->next].name != NULL) {
			row = &t->rows[w->table][w->next++];
			if (!is_hidden(t, w->table, row))
				return row;
		}
	}
	return NULL;
}

/* Number of single edits between two names; far beyond any limit when one is too long. */
static unsigned edits(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned char line[NAME_MAX_BYTES + 1];
	unsigned char corner, above, best;
	size_t i, j;

	if (na > NAME_MAX_BYTES || nb > NAME_MAX_BYTES)
		return UINT8_MAX;
	for (j = 0; j <= nb; j++)
		line[j] = (unsigned char)j;
	for (i = 1; i <= na; i++) {
		corner = line[0];
		line[0] = (unsigned char)i;
		for (j = 1; j <= nb; j++) {
			above = line[j];
			best = (unsigned char)(corner + (a[i - 1] != b[j - 1]));
			if (above + 1 < best)
				best = (unsigned char)(above + 1);
			if (line[j - 1] + 1 < best)
				best = (unsigned char)(line[j - 1] + 1);
			line[j] = best;
			corner = above;
		}
	}
	return line[nb];
}

const struct option *opt_similar(const struct opt_tables *t, const char *name, size_t len)
{
	const struct option *row, *best = NULL;
	struct opt_walk w = { 0, 0 };
	unsigned distance, least = UINT8_MAX;
	size_t n;

	while (len > 0 && (row = opt_walk(t, &w)) != NULL) {
		if ((row->flags & (OPT_HIDDEN | OPT_POSITIONAL)) != 0)
			continue;
		n = strlen(row->name);
		distance = edits(name, len, row->name, n);
		if (strncmp(name, row->name, len < n ? len : n) == 0)
			distance = 1;
		else if (distance > len / 3)
			continue;
		if (distance < least) {
			least = distance;
			best = row;
		}
	}
	return best;
}

const char *opt_describe(const struct option *row, char *buf)
{
	if (row->type == OPT_FLAG)
		snprintf(buf, OPT_NAME_SIZE, "--%s", row->name);
	else if ((row->flags & OPT_POSITIONAL) != 0)
		snprintf(buf, OPT_NAME_SIZE, "<%s>%s", row->metavar,
			 is_list(row) ? "..." : "");
	else
		snprintf(buf, OPT_NAME_SIZE, "--%s <%s>%s", row->name, row->metavar,
			 (row->flags & OPT_MANY) != 0 ? "..." : "");
	return buf;
}

/* ---- single values ---- */

static int set_bool(const struct option *row, void *target, const char *text, struct error *err)
{
	bool value = text == NULL || strcmp(text, "true") == 0;

	if (!value && strcmp(text, "false") != 0)
		return error_set(err, -EINVAL, "must be true or false");
	*(bool *)target = value;
	return 0;
}

static uint64_t type_max(size_t size)
{
	return size >= 8 ? UINT64_MAX : BIT(size * 8) - 1;
}

static void store_uint(void *target, size_t size, uint64_t value)
{
	const uint8_t v8 = (uint8_t)value;
	const uint16_t v16 = (uint16_t)value;
	const uint32_t v32 = (uint32_t)value;

	switch (size) {
	case 1:
		memcpy(target, &v8, size);
		break;
	case 2:
		memcpy(target, &v16, size);
		break;
	case 4:
		memcpy(target, &v32, size);
		break;
	default:
		bug_if(size != 8);
		memcpy(target, &value, size);
		break;
	}
}

static int set_uint(const struct option *row, void *target, const char *text, struct error *err)
{
	uint64_t max = row->max != 0 ? row->max : type_max(row->size);
	bool sized = row->type == OPT_SIZE;
	uint64_t value = 0;
	int ret;

	ret = (sized ? num_parse_size : num_parse)(text, 0, type_max(row->size), &value);
	if (ret == -ERANGE)
		return error_set(err, -EINVAL, "number too large, the largest is %llu",
				 (unsigned long long)max);
	if (ret < 0)
		return error_set(err, -EINVAL, sized ? "not a size, as 4096, 64K or 2M"
				 : "not a decimal number");
	if (value < row->min || value > max)
		return error_set(err, -ERANGE, "must be %llu to %llu",
				 (unsigned long long)row->min, (unsigned long long)max);
	store_uint(target, row->size, value);
	return 0;
}

static int set_string(const struct option *row, void *target, const char *text, struct error *err)
{
	char **p = target;

	if (row->type == OPT_PATH && text[0] == '\0')
		return error_set(err, -EINVAL, "a value is required");
	free(*p);
	*p = must(strdup(text));
	return 0;
}

/* Is text one of the alternatives of "word|alias"? */
static bool word_is(const char *word, const char *text)
{
	size_t n, len = strlen(text);

	for (;; word += n + 1) {
		n = strcspn(word, "|");
		if (n == len && strncmp(word, text, n) == 0)
			return true;
		if (word[n] == '\0')
			return false;
	}
}

static int set_choice(const struct option *row, void *target, const char *text, struct error *err)
{
	char list[200];
	size_t n = 0;
	unsigned i;

	for (i = 0; row->words[i] != NULL; i++) {
		if (word_is(row->words[i], text)) {
			*(unsigned *)target = i;
			return 0;
		}
	}
	for (i = 0; row->words[i] != NULL && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%.*s", i > 0 ? ", " : "",
				      (int)strcspn(row->words[i], "|"), row->words[i]);
	return error_set(err, -EINVAL, "possible values: %s", list);
}

static int set_custom(const struct option *row, void *target, const char *text, struct error *err)
{
	return row->parse(text, target, err);
}

/* One KEY=VALUE, or one bare word, of a group. */
static int set_group_part(const struct option *row, void *item, char *part, uint64_t *seen,
			  struct error *err)
{
	const struct option *sub;
	char *value = strchr(part, '=');
	int ret;

	if (value != NULL)
		*value++ = '\0';
	sub = opt_find(row->sub, part, strlen(part));
	if (value == NULL && (sub == NULL || sub->type != OPT_FLAG)) {
		value = part;
		for (sub = row->sub; sub->name != NULL; sub++) {
			if ((sub->flags & OPT_POSITIONAL) != 0)
				break;
		}
		if (sub->name == NULL)
			return error_set(err, -EINVAL, "'%.60s' is not KEY=VALUE", part);
	}
	if (sub == NULL)
		return error_set(err, -EINVAL, "unknown key '%.60s'", part);
	if ((*seen & BIT(sub - row->sub)) != 0 && !is_list(sub))
		return error_set(err, -EINVAL, "'%.60s' is given twice", sub->name);
	*seen |= BIT(sub - row->sub);
	ret = opt_set(sub, item, value, err);
	if (ret < 0)
		error_prefix(err, "%s '%.60s': ", sub->name, value != NULL ? value : "");
	return ret;
}

static void set_default(const struct option *row, void *conf)
{
	bug_if(row->def != NULL && opt_set(row, conf, row->def, NULL) < 0);
}

static int set_group(const struct option *row, void *item, const char *text, struct error *err)
{
	FREE_PTR char *copy = must(strdup(text));
	const struct option *sub;
	const char sep = text[0] == '\n' ? '\n' : ',';
	uint64_t seen = 0;
	char *part, *end;
	int ret;

	opt_finish(row->sub, item);
	for (part = copy + (sep == '\n'); part != NULL; part = end) {
		end = strchr(part, sep);
		if (end != NULL)
			*end++ = '\0';
		ret = set_group_part(row, item, part, &seen, err);
		if (ret < 0)
			return ret;
	}
	for (sub = row->sub; sub->name != NULL; sub++) {
		if ((seen & BIT(sub - row->sub)) != 0)
			continue;
		if ((sub->flags & OPT_REQUIRED) != 0)
			return error_set(err, -EINVAL, "key '%s' is missing", sub->name);
		set_default(sub, item);
	}
	return row->parse != NULL ? row->parse(text, item, err) : 0;
}

static set_fn *const setters[] = {
	[OPT_FLAG] = set_bool, [OPT_BOOL] = set_bool, [OPT_UINT] = set_uint,
	[OPT_SIZE] = set_uint, [OPT_STRING] = set_string, [OPT_PATH] = set_string,
	[OPT_CHOICE] = set_choice, [OPT_GROUP] = set_group, [OPT_CUSTOM] = set_custom,
};

static void free_item(const struct option *row, void *item)
{
	if (row->type == OPT_STRING || row->type == OPT_PATH)
		free(*(char **)item);
	else if (row->type == OPT_GROUP)
		opt_finish(row->sub, item);
}

/* ---- pieces of a value ---- */

/*
 * The next piece of text at its separator; *pos is a cursor that becomes NULL
 * behind the last. Blanks count as one separator, and a text of blanks alone
 * as one empty piece.
 */
static const char *next_piece(const struct option *row, const char **pos, size_t *ret_len)
{
	const char *start = *pos, *p;

	if (row->sep == ' ') {
		while (isspace((unsigned char)*start))
			start++;
		for (p = start; *p != '\0' && !isspace((unsigned char)*p); p++)
			;
		*ret_len = (size_t)(p - start);
		while (isspace((unsigned char)*p))
			p++;
		*pos = *p != '\0' ? p : NULL;
		return start;
	}
	*ret_len = row->sep != 0 ? strcspn(start, (char[]){ row->sep, '\0' }) : strlen(start);
	*pos = start[*ret_len] != '\0' ? start + *ret_len + 1 : NULL;
	return start;
}

static unsigned count_pieces(const struct option *row, const char *text)
{
	unsigned n = 0;
	size_t len;

	for (; text != NULL; n++)
		next_piece(row, &text, &len);
	return n;
}

static int append_item(const struct option *row, struct opt_list *list, const char *text,
		       struct error *err)
{
	char *item;
	int ret;

	list->items = must(reallocarray(list->items, list->n + 1, row->size));
	item = (char *)list->items + list->n * row->size;
	memset(item, 0, row->size);
	ret = setters[row->type](row, item, text, err);
	if (ret < 0)
		free_item(row, item);
	else
		list->n++;
	return ret;
}

int opt_set(const struct option *row, void *conf, const char *text, struct error *err)
{
	const char *piece, *pos = text;
	size_t len;
	int ret = 0;

	if (text == NULL && row->type != OPT_FLAG)
		return error_set(err, -EINVAL, "a value is required");
	if (!is_list(row))
		return setters[row->type](row, row_target(row, conf), text, err);
	while (ret == 0 && pos != NULL) {
		FREE_PTR char *copy = NULL;

		piece = next_piece(row, &pos, &len);
		copy = must(strndup(piece, len));
		ret = append_item(row, row_target(row, conf), copy, err);
	}
	return ret;
}

void opt_defaults(const struct option *rows, void *conf)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		set_default(rows, conf);
}

void opt_finish(const struct option *rows, void *conf)
{
	struct opt_list *list;
	size_t i;

	for (; rows != NULL && rows->name != NULL; rows++) {
		if (!is_list(rows)) {
			free_item(rows, row_target(rows, conf));
			memset(row_target(rows, conf), 0, rows->size);
			continue;
		}
		list = row_target(rows, conf);
		for (i = 0; i < list->n; i++)
			free_item(rows, (char *)list->items + i * rows->size);
		free(list->items);
		memset(list, 0, sizeof(*list));
	}
}

static bool same_item(const struct option *row, const void *a, const void *b)
{
	const char *x, *y;

	if (row->type == OPT_GROUP)
		return opt_same(row->sub, a, b);
	if (row->type != OPT_STRING && row->type != OPT_PATH)
		return memcmp(a, b, row->size) == 0;
	x = *(char *const *)a;
	y = *(char *const *)b;
	return x == NULL || y == NULL ? x == y : strcmp(x, y) == 0;
}

bool opt_same(const struct option *rows, const void *a, const void *b)
{
	const struct opt_list *x, *y;
	const char *at_a, *at_b;
	size_t i;

	for (; rows != NULL && rows->name != NULL; rows++) {
		at_a = (const char *)a + rows->offset;
		at_b = (const char *)b + rows->offset;
		if (!is_list(rows)) {
			if (!same_item(rows, at_a, at_b))
				return false;
			continue;
		}
		x = (const struct opt_list *)(const void *)at_a;
		y = (const struct opt_list *)(const void *)at_b;
		if (x->n != y->n)
			return false;
		for (i = 0; i < x->n; i++) {
			if (!same_item(rows, (const char *)x->items + i * rows->size,
				       (const char *)y->items + i * rows->size))
				return false;
		}
	}
	return true;
}

/* ---- layers ---- */

void opt_values_add(struct opt_values *values, const struct option *row, const char *text,
		    struct opt_source source)
{
	values->items = must(reallocarray(values->items, values->n + 1, sizeof(*values->items)));
	values->items[values->n++] = (struct opt_value){ row, text, source };
}

void opt_values_finish(struct opt_values *values)
{
	free(values->items);
	*values = (struct opt_values){ NULL, 0 };
}

static bool names_row(const char *const *names, const struct option *row)
{
	for (; names != NULL && *names != NULL; names++) {
		if (strcmp(*names, row->name) == 0)
			return true;
	}
	return false;
}

bool opt_excludes(const struct option *a, const struct option *b)
{
	return names_row(a->excludes, b) || names_row(b->excludes, a);
}

/* The highest layer that gives the row, or one that excludes it; then *ret_excluded. */
static const struct opt_values *layer_of(const struct opt_layers *layers,
					 const struct option *row, bool *ret_excluded)
{
	const struct option *other;
	unsigned i = ARRAY_SIZE(layers->of);
	size_t k;

	*ret_excluded = false;
	while (i-- > 0) {
		for (k = 0; layers->of[i] != NULL && k < layers->of[i]->n; k++) {
			other = layers->of[i]->items[k].row;
			*ret_excluded = opt_excludes(row, other);
			if (other == row || *ret_excluded)
				return layers->of[i];
		}
	}
	return NULL;
}

bool opt_given(const struct opt_layers *layers, const struct option *row)
{
	bool excluded;

	return layer_of(layers, row, &excluded) != NULL && !excluded;
}

static int value_error(const struct opt_value *v, const char *text, int code, struct error *err)
{
	char name[OPT_NAME_SIZE];

	text = text != NULL ? text : "";
	if (v->source.file == NULL) {
		error_prefix(err, "invalid value '%.100s' for '%s': ", text,
			     opt_describe(v->row, name));
		return code;
	}
	if (v->source.line == 0)
		error_prefix(err, "%s: ", v->source.file);
	else
		error_prefix(err, "%s:%u: %s = %.100s: ", v->source.file, v->source.line,
			     v->row->name, text);
	return code == -EINVAL ? -EBADMSG : code;
}

/* The piece of instance `index` out of all values of an OPT_EACH row. */
static int set_each(const struct option *row, void *conf, const struct opt_values *values,
		    unsigned index, struct error *err)
{
	const char *piece, *pos;
	size_t k, len;
	int ret;

	for (k = 0; k < values->n; k++) {
		if (values->items[k].row != row)
			continue;
		for (pos = values->items[k].text; pos != NULL;) {
			FREE_PTR char *copy = NULL;

			piece = next_piece(row, &pos, &len);
			if (index-- != 0)
				continue;
			copy = must(strndup(piece, len));
			ret = opt_set(row, conf, copy, err);
			return ret < 0 ? value_error(&values->items[k], copy, ret, err) : 0;
		}
	}
	return 0;
}

static int build_row(const struct option *row, void *conf, const struct opt_values *values,
		     unsigned index, struct error *err)
{
	size_t k;
	int ret;

	if ((row->flags & OPT_EACH) != 0)
		return set_each(row, conf, values, index, err);
	for (k = 0; k < values->n; k++) {
		if (values->items[k].row != row)
			continue;
		ret = opt_set(row, conf, values->items[k].text, err);
		if (ret < 0)
			return value_error(&values->items[k], values->items[k].text, ret, err);
	}
	return 0;
}

int opt_build(const struct option *rows, void *conf, const struct opt_layers *layers,
	      unsigned index, struct error *err)
{
	const struct opt_values *values;
	bool excluded;
	int ret;

	for (; rows != NULL && rows->name != NULL; rows++) {
		values = layer_of(layers, rows, &excluded);
		if (values == NULL || excluded) {
			set_default(rows, conf);
			continue;
		}
		ret = build_row(rows, conf, values, index, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int opt_each_count(const struct opt_tables *t, const struct opt_layers *layers,
		   unsigned *ret_count, struct error *err)
{
	const struct opt_values *values;
	const struct option *row, *first = NULL;
	struct opt_walk w = { 0, 0 };
	unsigned n, count = 0;
	bool excluded;
	size_t k;

	while ((row = opt_walk(t, &w)) != NULL) {
		if ((row->flags & OPT_EACH) == 0)
			continue;
		values = layer_of(layers, row, &excluded);
		if (values == NULL || excluded)
			continue;
		for (k = 0, n = 0; k < values->n; k++) {
			if (values->items[k].row == row)
				n += count_pieces(row, values->items[k].text);
		}
		if (first != NULL && n != count)
			return error_set(err, -ERANGE, "--%s names %u items but --%s %u: give as "
					 "many of each", first->name, count, row->name, n);
		first = row;
		count = n;
	}
	*ret_count = count;
	return 0;
}

int opt_missing(const struct opt_tables *t, const struct opt_layers *layers, struct error *err)
{
	char list[300] = "", name[OPT_NAME_SIZE];
	const struct option *row;
	struct opt_walk w = { 0, 0 };
	bool excluded;
	size_t n = 0;

	while ((row = opt_walk(t, &w)) != NULL) {
		if ((row->flags & OPT_REQUIRED) == 0 || layer_of(layers, row, &excluded) != NULL)
			continue;
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
					      n > 0 ? ", " : "", opt_describe(row, name));
	}
	if (n == 0)
		return 0;
	return error_set(err, -EINVAL, "the following required arguments were not provided: %s",
			 list);
}
