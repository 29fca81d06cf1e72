/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * INI files through inih, which splits keys from values. Its line limit, its
 * continuation lines and its section names are not used: over-long lines come
 * back from it as further lines, indented ones repeat the previous key, and
 * long section names are cut. So the reader here hands it single trimmed lines
 * that fit, counts them, and keeps sections to itself.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf.h"

enum { NAME_MAX_BYTES = 63 };

struct conf_text {
	struct conf_text *next;
	char text[];
};

struct reader {
	FILE *f;
	const struct conf_kinds *kinds;
	struct conf_file *file;
	unsigned line;
	char *buf;              /* of getline() */
	size_t buf_size;
	struct error *err;
	int ret;                /* first failure */
};

/* The text of err is set; put the place before it, and end the reading. */
static int fail(struct reader *r, int code)
{
	if (r->ret == 0) {
		error_prefix(r->err, "%s:%u: ", r->file->path, r->line);
		r->ret = code;
	}
	return code;
}

static void *must(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static const char *keep_text(struct conf_file *file, const char *text)
{
	size_t size = strlen(text) + 1;
	struct conf_text *t = must(malloc(sizeof(*t) + size));

	memcpy(t->text, text, size);
	t->next = file->texts;
	file->texts = t;
	return t->text;
}

/* Blanks around the text off; returns its start. */
static char *trim(char *text)
{
	size_t n;

	while (isspace((unsigned char)*text))
		text++;
	n = strlen(text);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	return text;
}

/* ---- sections ---- */

static int list_kinds(struct reader *r, const char *kind)
{
	char list[200] = "";
	size_t i, n = 0;

	for (i = 0; r->kinds->devices[i] != NULL && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, ", %s",
				      r->kinds->devices[i]->name);
	return error_set(r->err, -EINVAL, "unknown section [%.60s]: it may be common%s", kind,
			 list);
}

static const struct device *find_kind(struct reader *r, const char *kind)
{
	size_t i;

	for (i = 0; r->kinds->devices[i] != NULL; i++) {
		if (strcmp(r->kinds->devices[i]->name, kind) == 0)
			return r->kinds->devices[i];
	}
	return NULL;
}

/* kind "name": cut at the quotes. name is NULL when there are none. */
static int split_header(struct reader *r, char *text, char **ret_name)
{
	char *end, *p = strchr(text, '"');

	*ret_name = NULL;
	if (p != NULL) {
		end = strchr(p + 1, '"');
		if (end == NULL || end[1] != '\0')
			return error_set(r->err, -EINVAL, "section [%.60s] must read "
					 "[KIND \"NAME\"]", text);
		*end = '\0';
		*p = '\0';
		*ret_name = p + 1;
		if (end == p + 1 || end - p > NAME_MAX_BYTES)
			return error_set(r->err, -EINVAL, "a name of 1 to %d bytes must stand "
					 "between the quotes", NAME_MAX_BYTES);
	}
	trim(text);
	return 0;
}

static bool same_name(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static int open_section(struct reader *r, char *text)
{
	struct conf_file *file = r->file;
	const struct device *device = NULL;
	char *name;
	size_t i;

	if (split_header(r, text, &name) < 0)
		return -EINVAL;
	if (strcmp(text, "common") != 0) {
		device = find_kind(r, text);
		if (device == NULL)
			return list_kinds(r, text);
	} else if (name != NULL) {
		return error_set(r->err, -EINVAL, "[common] takes no name");
	}
	for (i = 0; i < file->n; i++) {
		if (file->sections[i].device == device && same_name(file->sections[i].name, name))
			return error_set(r->err, -EINVAL, "this section stands in line %u already",
					 file->sections[i].line);
	}
	file->sections = must(reallocarray(file->sections, file->n + 1,
					   sizeof(*file->sections)));
	file->sections[file->n++] = (struct conf_section){
		.device = device, .name = name != NULL ? must(strdup(name)) : NULL,
		.line = r->line,
	};
	return 0;
}

/* line begins with '['; a comment may follow the ']'. */
static int read_header(struct reader *r, char *line)
{
	char *p, *end;
	bool quoted = false;

	for (end = line + 1; *end != '\0' && (quoted || *end != ']'); end++)
		quoted ^= *end == '"';
	if (*end == '\0')
		return error_set(r->err, -EINVAL, "section header without ']'");
	for (p = end + 1; isspace((unsigned char)*p); p++)
		;
	if (*p != '\0' && *p != ';' && *p != '#')
		return error_set(r->err, -EINVAL, "text behind the section header");
	*end = '\0';
	return open_section(r, trim(line + 1));
}

/* ---- lines ---- */

/* One line as it stands in the file; *ret_line is what inih gets to see of it. */
static int check_line(struct reader *r, size_t n, int size, const char **ret_line)
{
	char *p = r->buf;

	if (strlen(p) != n)
		return error_set(r->err, -EINVAL, "a zero byte: not a text file");
	if (r->line == 1 && strncmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	p = trim(p);
	if (strlen(p) + 3 > (size_t)size)
		return error_set(r->err, -EINVAL, "line is longer than %d bytes", size - 3);
	*ret_line = p;
	if (*p == '\0' || *p == ';' || *p == '#')
		return 0;
	if (*p == '[') {
		*ret_line = "";
		return read_header(r, p);
	}
	if (strpbrk(p, "=:") == NULL)
		return error_set(r->err, -EINVAL, "'%.60s' is not KEY = VALUE", p);
	return 0;
}

/* inih's fgets(): NULL at the end and after a failure. */
static char *read_line(char *str, int size, void *ctx)
{
	struct reader *r = ctx;
	const char *line = "";
	ssize_t n;
	int ret;

	n = r->ret < 0 ? -1 : getline(&r->buf, &r->buf_size, r->f);
	if (n < 0)
		return NULL;
	r->line++;
	ret = check_line(r, (size_t)n, size, &line);
	if (ret < 0) {
		fail(r, ret);
		return NULL;
	}
	return memcpy(str, line, strlen(line) + 1);
}

static int unknown_key(struct reader *r, const struct opt_tables *tables, const char *key)
{
	const struct option *row = opt_similar(tables, key, strlen(key));

	if (row == NULL || (row->flags & OPT_NO_FILE) != 0)
		return error_set(r->err, -EINVAL, "unknown key '%.60s'", key);
	return error_set(r->err, -EINVAL, "unknown key '%.60s' (tip: a similar key exists: '%s')",
			 key, row->name);
}

static int take_key(struct reader *r, const char *key, const char *value)
{
	struct conf_section *section;
	struct opt_tables tables;
	const struct option *row;
	size_t i;

	if (r->file->n == 0)
		return error_set(r->err, -EINVAL, "key '%.60s' stands before the first section",
				 key);
	section = &r->file->sections[r->file->n - 1];
	tables = (struct opt_tables){ { NULL, r->kinds->socket_rows, NULL } };
	if (section->device != NULL)
		tables.rows[0] = section->device->options;
	else
		tables.rows[2] = r->kinds->process_rows;
	row = opt_lookup(&tables, key, strlen(key));
	if (row == NULL || (row->flags & OPT_NO_FILE) != 0)
		return unknown_key(r, &tables, key);
	for (i = 0; i < section->values.n; i++) {
		const struct opt_value *v = &section->values.items[i];

		if (v->row == row && (row->flags & OPT_LIST) == 0)
			return error_set(r->err, -EINVAL, "key '%.60s' stands in line %u already",
					 key, v->source.line);
		if (opt_excludes(v->row, row))
			return error_set(r->err, -EINVAL, "key '%s' cannot be used with '%s' of "
					 "line %u", row->name, v->row->name, v->source.line);
	}
	opt_values_add(&section->values, row, keep_text(r->file, value),
		       (struct opt_source){ r->file->path, r->line });
	return 0;
}

static int got_key(void *ctx, const char *section, const char *key, const char *value)
{
	struct reader *r = ctx;
	int ret;

	if (r->ret < 0)
		return 0;
	ret = take_key(r, key, value);
	if (ret < 0)
		fail(r, ret);
	return ret == 0;
}

int conf_read_stream(FILE *f, const char *path, const struct conf_kinds *kinds,
		     struct conf_file *ret_file, struct error *err)
{
	struct reader r = { .f = f, .kinds = kinds, .file = ret_file, .err = err };
	int bad_line;

	*ret_file = (struct conf_file){ .path = must(strdup(path)) };
	bad_line = ini_parse_stream(read_line, &r, got_key, &r);
	if (r.ret == 0 && ferror(f))
		r.ret = error_set(err, -EIO, "%s: cannot be read: %s", path, strerror(errno));
	if (r.ret == 0 && bad_line != 0)
		r.ret = error_set(err, -EINVAL, "%s:%d: not KEY = VALUE", path, bad_line);
	free(r.buf);
	if (r.ret < 0)
		conf_finish(ret_file);
	return r.ret;
}

int conf_read(const char *path, const struct conf_kinds *kinds, struct conf_file *ret_file,
	      struct error *err)
{
	FILE *f = fopen(path, "re");
	int ret;

	if (f == NULL)
		return error_set(err, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	errno = 0;
	ret = conf_read_stream(f, path, kinds, ret_file, err);
	fclose(f);
	return ret;
}

void conf_finish(struct conf_file *file)
{
	struct conf_text *t;
	size_t i;

	while (file->texts != NULL) {
		t = file->texts;
		file->texts = t->next;
		free(t);
	}
	for (i = 0; i < file->n; i++) {
		free(file->sections[i].name);
		opt_values_finish(&file->sections[i].values);
	}
	free(file->sections);
	free(file->path);
	*file = (struct conf_file){ .n = 0 };
}

const struct opt_values *conf_defaults(const struct conf_file *file, const struct device *device)
{
	size_t i;

	for (i = 0; i < file->n; i++) {
		if (file->sections[i].device == device && file->sections[i].name == NULL)
			return &file->sections[i].values;
	}
	return NULL;
}
