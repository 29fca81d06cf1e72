/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The tools of this build and the options that all of them have. */
#include "tools.h"

const struct tool *const tools[] = { &bench_tool, &probe_tool, NULL };

const struct option tool_rows[] = {
	{ "timeout", "SECONDS", "How long to wait for an answer.", "5",
	  OPT_UINT, .min = 1, .max = 3600, OPT(struct tool_conf, timeout) },
	{ "wait", NULL, "Wait until somebody listens, as long as --timeout.", NULL,
	  OPT_FLAG, OPT(struct tool_conf, wait) },
	{ "lax", NULL, "Bear with a device that says it wrote more than there was room for: some "
	  "count what they read, and drivers do not look.", NULL, OPT_FLAG,
	  OPT(struct tool_conf, lax) },
	{ "json", NULL, "Print JSON.", NULL, OPT_FLAG, OPT(struct tool_conf, json) },
	{ "help", NULL, "Print this help.", NULL, OPT_FLAG, OPT_STOP, .brief = 'h',
	  OPT(struct tool_conf, help) },
	{ "version", NULL, "Print the version.", NULL, OPT_FLAG, OPT_STOP, .brief = 'V',
	  OPT(struct tool_conf, version) },
	{ NULL }
};
