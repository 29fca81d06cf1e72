/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Commands that look at a back end from the driver's side, for main.c. */
#ifndef PROBE_TOOLS_H
#define PROBE_TOOLS_H

#include "core/opt-doc.h"

/* First member of every conf, filled by tool_rows. */
struct tool_conf {
	bool json, wait, lax, help, version;
	uint32_t timeout;               /* seconds */
};
extern const struct option tool_rows[];

struct tool {
	struct doc doc;                 /* its last table is tool_rows */
	size_t conf_size;
	/* 0; -EINVAL: not understood; any other negative errno: failed. err is set then. */
	int (*run)(const void *conf, struct error *err);
	/* What can be done to devices, one after the other; NULL: no such thing, or no more. */
	const struct doc_command *(*action)(unsigned i, struct doc_command *buf);
};

extern const struct tool *const tools[];        /* NULL-ended */

extern const struct tool probe_tool, bench_tool;

#endif
