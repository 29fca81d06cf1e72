/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What `vhost-device` does besides being a device. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdio.h>

#include "core/opt-doc.h"
#include "core/registry.h"
#include "probe/tools.h"

/* Exit codes: done, failed, not understood. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command {
	struct doc_command doc;
	int (*run)(int argc, char **argv);      /* words behind the command; exit code */
};

extern const struct command commands[];         /* ended by a NULL name */

/* Rows and names of a device as an applet; the strings live until the next call. */
struct doc applet_doc(const struct device *device);
void print_usage(FILE *out);
/* NULL: no such command. */
const struct command *command_find(const char *name);
/* word: -h or --help */
int print_command_help(const struct command *c, char *word);
/* Options of a tool, and its actions. */
void print_tool_help(const struct tool *tool, bool brief);
const struct tool *tool_find(const char *name);
/* One line on standard error, and the hint of a usage error; returns code. */
int complain(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* "name is no device or command": exit code of whatever cannot be found. */
int complain_unknown(const char *name);
/* main.c: `run FILE` and its doc. */
int command_run(int argc, char **argv);
extern const struct option run_rows[];

#endif
