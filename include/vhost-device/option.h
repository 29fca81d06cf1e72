/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Options, declared once: a row serves the command line, the INI file,
 * --help, the man page, the shell completion and the docs.
 */
#ifndef VHOST_DEVICE_OPTION_H
#define VHOST_DEVICE_OPTION_H

#include <stdio.h>

#include "vhost-device/error.h"

/* Target types: see the comment at each. Defaults are text, parsed like any other value. */
enum opt_type {
	OPT_FLAG,               /* bool, present or not; INI: true or false */
	OPT_BOOL,               /* bool, a value true or false is required */
	OPT_UINT,               /* uint8/16/32/64_t by size, decimal */
	OPT_SIZE,               /* the same with K, M, G, T */
	OPT_STRING,             /* char *, owned by the conf */
	OPT_PATH,               /* char *, not empty */
	OPT_CHOICE,             /* unsigned: index into words */
	OPT_GROUP,              /* struct of .size bytes, rows in sub, text KEY=VALUE,... or, */
				/* if it begins with a newline, a line for each */
	OPT_CUSTOM,             /* parse() fills the target, which owns nothing else */
};

enum {
	OPT_REQUIRED = 1,
	OPT_HIDDEN = 2,
	OPT_DEPRECATED = 4,
	OPT_POSITIONAL = 8,     /* bare words; in a group the item without '=' */
	OPT_LIST = 16,          /* target is a struct opt_list: repeatable, and split at .sep */
	OPT_EACH = 32,          /* item i is the value of instance i: the target is one item */
	OPT_LIVE = 64,          /* reload changes it under a connected guest */
	OPT_MANY = 128,         /* with OPT_LIST: one option takes several words, -d A B */
	OPT_NO_FILE = 256,      /* command line only */
	OPT_STOP = 512,         /* acts at once: what follows is not read, nothing is required */
};

struct opt_list {
	void *items;            /* n items of .size bytes, owned by the conf */
	size_t n;
};

struct option {
	const char *name;               /* long name without dashes; INI key */
	const char *metavar;            /* NULL for flags */
	const char *help;               /* one or more sentences */
	const char *def;                /* default as text, NULL: zero */
	enum opt_type type : 6;
	unsigned flags : 10;
	char brief;                     /* short letter or 0 */
	char sep;                       /* OPT_LIST, OPT_EACH: separator, or 0; ' ': any blanks */
	uint16_t offset, size;          /* target in the conf, or in the item */
	const char *const *aliases;     /* other long names, NULL-ended */
	const char *const *excludes;    /* rows it rules out, which then are not required */
	/* What values there are; of other types nothing. */
	union {
		struct {                        /* OPT_UINT, OPT_SIZE */
			uint64_t min, max;      /* max 0: the type's */
		};
		struct {
			union {
				/* OPT_CHOICE: NULL-ended; "word|alias" takes both */
				const char *const *words;
				const struct option *sub;       /* OPT_GROUP: rows of its items */
			};
			/*
			 * OPT_CUSTOM. -EINVAL: the text is no such value (a usage
			 * error, exit 2); any other code: it is one, but will not do
			 * here (exit 1). The text of err is the cause alone, without
			 * option and value. OPT_GROUP, may be NULL: rules across the
			 * keys, when all are set.
			 */
			int (*parse)(const char *text, void *target, struct error *err);
		};
	};
};

/* Target of a row: .offset and .size of a member; a list names its item type. */
#define OPT(type_, member_) \
	.offset = offsetof(type_, member_), .size = sizeof(((type_ *)0)->member_)
#define OPT_ITEMS(type_, member_, item_) \
	.offset = offsetof(type_, member_), .size = sizeof(item_)

#endif
