/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Lists of what a guest gets, in the notation that devices of several kinds
 * share: items joined by commas; an item is a name, maybe in quotes, and
 * pieces after colons, which may hold words with values, as in slow=100. An
 * option that holds them is given once for all sockets, or once for each.
 */
#ifndef VHOST_DEVICE_LIST_H
#define VHOST_DEVICE_LIST_H

#include "vhost-device/error.h"
#include "vhost-device/instance.h"
#include "vhost-device/option.h"

/* The text is cut into pieces in place; at moves on. */
struct list_parser {
	void *list;
	struct error *err;
	char *at;
};

struct list_kind {
	const char *option;             /* that holds it: "device-list" */
	size_t size;                    /* of a list, which is zeros at first */
	/* One item: what ended it, ',' or 0, or negative with err set. */
	int (*item)(struct list_parser *p);
	void (*free)(void *list);       /* also of one that is not complete */
};

/* NULL with err set: the cause alone. */
void *list_parse(const struct list_kind *kind, const char *text, struct error *err);
/* For check(): can all of an option's lists be read? 0, or negative with err set. */
int list_check(const struct list_kind *kind, const struct opt_list *texts, struct error *err);
/* For open(): the list of this instance, or NULL with err set. */
void *list_of(const struct list_kind *kind, const struct opt_list *texts,
	      const struct instance *in, struct error *err);

/* For item(). Ends the piece before ':' or ',' and returns which it was, or 0 at the end. */
int list_cut(struct list_parser *p, char **ret_piece);
/*
 * The same for the name at the beginning; *ret_quoted is NULL or tells whether
 * it was in quotes. Negative with err set, which calls it what.
 */
int list_name(struct list_parser *p, const char *what, char **ret_name, bool *ret_quoted);

enum list_value { LIST_NO_VALUE, LIST_MAY_VALUE, LIST_MUST_VALUE };

struct list_word {
	const char *name;
	/* value is NULL when there is none, and never empty. */
	int (*parse)(struct list_parser *p, void *item, char *value);
	enum list_value value;
	unsigned place;                 /* where it may stand, as the device counts */
};

struct list_words {
	const struct list_word *words;  /* by name */
	size_t n;
	const char *mark;               /* before a word: "/" */
	const char *value;              /* what it may have: "NUMBER" */
};

/* text is cut at its '='. NULL with err set. */
const struct list_word *list_word(struct list_parser *p, const struct list_words *words,
				  char *text, char **ret_value);

#endif
