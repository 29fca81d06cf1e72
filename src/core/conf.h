/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * INI files: sections [common], [KIND] with defaults of a kind of device, and
 * [KIND "NAME"], which is one instance. Keys are the long names of options.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stdio.h>

#include "core/opt.h"
#include "vhost-device/device.h"

struct conf_section {
	const struct device *device;    /* NULL: [common] */
	char *name;                     /* NULL: defaults of the kind */
	unsigned line;
	struct opt_values values;
};

struct conf_file {
	char *path;                     /* as given; messages name it */
	struct conf_section *sections;
	size_t n;
	struct conf_text *texts;        /* what the values borrow */
};

/* Names that a section may have. */
struct conf_kinds {
	const struct device *const *devices;    /* NULL-ended */
	const struct option *socket_rows, *process_rows;
};

/* On failure ret_file is finished, and err names file, line, cause and remedy. */
int conf_read(const char *path, const struct conf_kinds *kinds, struct conf_file *ret_file,
	      struct error *err);
int conf_read_stream(FILE *f, const char *path, const struct conf_kinds *kinds,
		     struct conf_file *ret_file, struct error *err);
void conf_finish(struct conf_file *file);

/* [common] (device NULL) or [KIND]; NULL when the file has no such section. */
const struct opt_values *conf_defaults(const struct conf_file *file, const struct device *device);

#endif
