/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The option engine: rows (vhost-device/option.h) against text. */
#ifndef CORE_OPT_H
#define CORE_OPT_H

#include "vhost-device/option.h"

/* Where a value came from, for the message and for precedence. */
struct opt_source {
	const char *file;       /* NULL: command line */
	unsigned line;
};

/* All defaults into a zeroed conf. A default that does not parse is a bug. */
void opt_defaults(const struct option *rows, void *conf);
/* One value; NULL text: a flag without value. Frees what it replaces. */
int opt_set(const struct option *row, void *conf, const char *text, struct error *err);
/* Free everything the rows own in conf and zero it. */
void opt_finish(const struct option *rows, void *conf);
/* By long name or alias; by letter. */
const struct option *opt_find(const struct option *rows, const char *name, size_t len);
const struct option *opt_find_brief(const struct option *rows, char brief);

#endif
