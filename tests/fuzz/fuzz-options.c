/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Every line of the bytes is a word of a command line. */
#include <stdlib.h>
#include <string.h>

#include "fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FREE_PTR char *text = calloc(1, size + 1);
	const struct opt_tables tables = plan_tables(&fuzz_device);
	const struct conf_file no_file = { .n = 0 };
	struct opt_values values = { NULL, 0 };
	const struct option *stop = NULL;
	struct error err = ERROR_NONE;
	char *argv[WORDS_MAX], *p;
	int argc = 0, ret;

	bug_if(text == NULL);
	memcpy(text, data, size);
	for (p = text; p != NULL && argc < WORDS_MAX;) {
		argv[argc++] = p;
		p = strchr(p, '\n');
		if (p != NULL)
			*p++ = '\0';
	}
	ret = opt_parse_args(&tables, argc, argv, &values, &stop, &err);
	bug_if(ret > 0 || (ret < 0 && err.text[0] == '\0') || strchr(err.text, '\n') != NULL);
	if (ret == 0 && stop == NULL && fuzz_is_tame(&values))
		fuzz_plan(&fuzz_device, &no_file, &values);
	opt_values_finish(&values);
	return 0;
}
