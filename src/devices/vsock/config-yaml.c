/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The YAML file of the original: a list "vms" of maps from keys to scalars.
 * Each becomes a text for --vm with a line for each key, so that paths may hold
 * commas. Unknown keys are passed over, as the original does.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "vsock.h"

#define YAML_SYMBOLS(X) \
	X(yaml_parser_initialize) X(yaml_parser_set_input_file) X(yaml_parser_parse) \
	X(yaml_event_delete) X(yaml_parser_delete)

static struct {
	YAML_SYMBOLS(DL_MEMBER)
} api;
static const char *const api_names[] = { YAML_SYMBOLS(DL_NAME) NULL };

const struct dl_library yaml_library = {
	"libyaml", "libyaml-0.so.2", "configuration files of the original", api_names, &api,
};
DL_NOTE(yaml, "[{\"feature\":\"yaml\",\"description\":\"configuration files of the original\","
	"\"priority\":\"suggested\",\"soname\":[\"libyaml-0.so.2\"]}]");

enum { DEEPEST = 8, VALUE_MAX = 4096, VMS_DEPTH = 3, MOST_VMS = 4096 };

static const char *const keys[] = { "guest_cid", "socket", "uds_path", "forward_cid",
	"forward_listen", "tx_buffer_size", "queue_size", "groups", "guest-cid", "uds-path",
	"forward-cid", "forward-listen", "tx-buffer-size", "queue-size" };

struct reader {
	yaml_parser_t parser;
	const char *path;
	struct option_texts *texts;
	struct error *err;
	unsigned depth;
	bool mapping[DEEPEST + 1];      /* what each level is */
	bool in_vms, seen_vms, at_value;
	char key[64];
	char *text;                     /* of the guest at hand */
};

static int bad(struct reader *r, const yaml_event_t *e, const char *what)
{
	return error_set(r->err, -EBADMSG, "%s:%zu: %s", r->path, e->start_mark.line + 1, what);
}

static int begin(struct reader *r, const yaml_event_t *e, bool mapping)
{
	if (r->depth == DEEPEST)
		return bad(r, e, "too deep");
	r->mapping[++r->depth] = mapping;
	if (r->depth == 1 && !mapping)
		return bad(r, e, "not a map with the key vms");
	if (r->depth == 2) {
		r->in_vms = r->at_value && strcmp(r->key, "vms") == 0;
		r->seen_vms = r->seen_vms || r->in_vms;
		if (r->in_vms && mapping)
			return bad(r, e, "vms is no list");
	}
	if (r->depth == VMS_DEPTH && r->in_vms) {
		if (!mapping)
			return bad(r, e, "a guest is a map of keys and values");
		r->text = strdup("");
		if (r->text == NULL)
			return error_set(r->err, -ENOMEM, "out of memory");
	}
	r->at_value = false;
	return 0;
}

static int end(struct reader *r, const yaml_event_t *e)
{
	char **items;

	r->at_value = false;
	if (r->depth-- != VMS_DEPTH || !r->in_vms)
		return 0;
	if (r->texts->n == MOST_VMS)
		return bad(r, e, "too many guests");
	items = reallocarray(r->texts->items, r->texts->n + 1, sizeof(*items));
	if (items == NULL)
		return error_set(r->err, -ENOMEM, "out of memory");
	r->texts->items = items;
	items[r->texts->n++] = take_ptr(r->text);
	return 0;
}

static bool known_key(const char *key)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static int scalar(struct reader *r, const yaml_event_t *e)
{
	const char *text = (const char *)e->data.scalar.value;
	const size_t n = e->data.scalar.length;
	char *longer = NULL;

	if (r->depth == 0 || !r->mapping[r->depth])
		return r->depth == 0 || (r->depth == 2 && r->in_vms)
			? bad(r, e, "not a map of keys and values") : 0;
	if (!r->at_value) {
		r->at_value = true;
		snprintf(r->key, sizeof(r->key), "%s", text);
		return 0;
	}
	r->at_value = false;
	if (r->depth == 1 && strcmp(r->key, "vms") == 0)
		return bad(r, e, "vms is no list");
	if (r->depth != VMS_DEPTH || !r->in_vms || !known_key(r->key))
		return 0;
	if (n > VALUE_MAX || strlen(text) != n || strchr(text, '\n') != NULL)
		return bad(r, e, "a value that is no line of text");
	if (asprintf(&longer, "%s\n%s=%s", r->text, r->key, text) < 0)
		return error_set(r->err, -ENOMEM, "out of memory");
	free(r->text);
	r->text = longer;
	return 0;
}

static int take(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return scalar(r, e);
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		return begin(r, e, e->type == YAML_MAPPING_START_EVENT);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return end(r, e);
	case YAML_ALIAS_EVENT:
		return bad(r, e, "aliases are not understood");
	default:
		return 0;
	}
}

static int not_yaml(struct reader *r)
{
	const char *what = r->parser.problem;

	return error_set(r->err, -EBADMSG, "%s:%zu: %s", r->path,
			 r->parser.problem_mark.line + 1, what != NULL ? what : "not YAML");
}

static int read_all(struct reader *r)
{
	yaml_event_t e;
	bool over = false;
	int ret = 0;

	while (ret == 0 && !over) {
		if (!api.yaml_parser_parse(&r->parser, &e))
			return not_yaml(r);
		over = e.type == YAML_STREAM_END_EVENT;
		ret = take(r, &e);
		api.yaml_event_delete(&e);
	}
	if (ret == 0 && (!r->seen_vms || r->texts->n == 0))
		ret = error_set(r->err, -EBADMSG, "%s: no guest in it: a list vms names them",
				r->path);
	return ret;
}

int config_read(FILE *f, const char *path, struct option_texts *ret_texts, struct error *err)
{
	struct reader r = { .path = path, .texts = ret_texts, .err = err };
	int ret;

	if (!config_is_yaml(f, path))
		return 0;
	ret = dl_load(&yaml_library, err);
	if (ret < 0) {
		error_prefix(err, "%s: ", path);
		return ret;
	}
	if (!api.yaml_parser_initialize(&r.parser))
		return error_memory(err);
	api.yaml_parser_set_input_file(&r.parser, f);
	ret = read_all(&r);
	api.yaml_parser_delete(&r.parser);
	free(r.text);
	return ret < 0 ? ret : 1;
}
