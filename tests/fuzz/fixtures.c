/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A device with every kind of option row. */
#include <errno.h>
#include <string.h>

#include "fixtures.h"

struct item {
	char *id, *name;
	uint32_t n;
	struct opt_list tags;
	bool slow;
};

struct conf {
	char *string, *path, *each;
	uint64_t size;
	uint16_t number;
	unsigned choice;
	bool flag, truth;
	struct opt_list list, blanks, items, images;
	struct item group;
	int custom;
};

static int parse_custom(const char *text, void *target, struct error *err)
{
	if (text[0] == 'x')
		return error_set(err, -ENODEV, "no %s here", text);
	*(int *)target = (unsigned char)text[0];
	return 0;
}

static const char *const words[] = { "one|uno", "two", NULL };
static const char *const aliases[] = { "where", NULL };
static const char *const not_with_flag[] = { "flag", NULL };

static const struct option item_rows[] = {
	{ "id", "ID", "Id.", NULL, OPT_STRING, OPT_POSITIONAL | OPT_REQUIRED,
	  OPT(struct item, id) },
	{ "name", "NAME", "Name.", "none", OPT_PATH, OPT(struct item, name) },
	{ "n", "N", "Number.", "1", OPT_UINT, .min = 1, .max = 9, OPT(struct item, n) },
	{ "tag", "TAG", "Tags.", NULL, OPT_STRING, OPT_LIST, .sep = '+',
	  OPT_ITEMS(struct item, tags, char *) },
	{ "slow", NULL, "Slow.", NULL, OPT_FLAG, OPT(struct item, slow) },
	{ NULL }
};

static const struct option rows[] = {
	{ "string", "TEXT", "Text.", NULL, OPT_STRING, .brief = 't', .aliases = aliases,
	  OPT(struct conf, string) },
	{ "path", "PATH", "Path.", "/p", OPT_PATH, .brief = 'p', .excludes = not_with_flag,
	  OPT(struct conf, path) },
	{ "each", "PATH", "Each.", NULL, OPT_PATH, OPT_EACH, .brief = 'e', .sep = ':',
	  OPT(struct conf, each) },
	{ "size", "SIZE", "Size.", "4K", OPT_SIZE, .brief = 'z', OPT(struct conf, size) },
	{ "number", "N", "Number.", NULL, OPT_UINT, .brief = 'n', OPT(struct conf, number) },
	{ "choice", "WORD", "Choice.", "two", OPT_CHOICE, .brief = 'w', .words = words,
	  OPT(struct conf, choice) },
	{ "flag", NULL, "Flag.", NULL, OPT_FLAG, .brief = 'f', OPT(struct conf, flag) },
	{ "truth", "BOOL", "Truth.", "true", OPT_BOOL, .brief = 'b', OPT(struct conf, truth) },
	{ "list", "N", "List.", "3", OPT_UINT, OPT_LIST, .brief = 'l', .sep = ',',
	  OPT_ITEMS(struct conf, list, uint8_t) },
	{ "blanks", "TEXT", "Blanks.", NULL, OPT_STRING, OPT_LIST, .sep = ' ',
	  OPT_ITEMS(struct conf, blanks, char *) },
	{ "item", "ITEM", "Items.", NULL, OPT_GROUP, OPT_LIST | OPT_MANY, .brief = 'i',
	  .sub = item_rows, OPT_ITEMS(struct conf, items, struct item) },
	{ "group", "ITEM", "Group.", NULL, OPT_GROUP, .brief = 'g', .sub = item_rows,
	  OPT(struct conf, group) },
	{ "custom", "C", "Custom.", NULL, OPT_CUSTOM, .brief = 'x', .parse = parse_custom,
	  OPT(struct conf, custom) },
	{ "images", "IMAGE", "Images.", NULL, OPT_PATH, OPT_LIST | OPT_POSITIONAL,
	  OPT_ITEMS(struct conf, images, char *) },
	{ NULL }
};

const struct device fuzz_device = {
	.name = "disk", .options = rows, .conf_size = sizeof(struct conf),
};

bool fuzz_is_tame(const struct opt_values *values)
{
	const struct opt_value *v;
	size_t i;

	for (i = 0; i < values->n; i++) {
		v = &values->items[i];
		if (v->row == common_row("socket-fd") || v->row == common_row("fd") ||
		    (v->row == common_row("socket-count") && strlen(v->text) > 2))
			return false;
	}
	return true;
}

/* An error has a text of one line; success has confs to look at. */
void fuzz_plan(const struct device *device, const struct conf_file *file,
	       const struct opt_values *args)
{
	struct error err = ERROR_NONE;
	struct plan plan = { .n = 0 };
	int ret;

	ret = plan_make(&plan, device, file, args, &err);
	bug_if(ret > 0 || (ret < 0 && err.text[0] == '\0') || strchr(err.text, '\n') != NULL);
	bug_if(ret == 0 && plan.n == 0);
	plan_finish(&plan);
}
