/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Which kind of file --config names: ours, or the YAML of the original. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsock.h"

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* By its name, or by the first line that says something. */
bool config_is_yaml(FILE *f, const char *path)
{
	bool yaml = ends_in(path, ".yaml") || ends_in(path, ".yml");
	char *line = NULL, *p;
	size_t size = 0;
	bool known = yaml || ends_in(path, ".ini");

	while (!known && getline(&line, &size, f) >= 0) {
		for (p = line; isspace((unsigned char)*p); p++)
			;
		if (*p == '\0' || *p == '#' || *p == ';')
			continue;
		yaml = strncmp(p, "vms:", 4) == 0 || strncmp(p, "---", 3) == 0;
		break;
	}
	free(line);
	rewind(f);
	return yaml;
}
