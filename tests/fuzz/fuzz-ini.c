/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The bytes are a file; what it says is planned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_tame(const struct conf_file *file)
{
	size_t i;

	for (i = 0; i < file->n; i++) {
		if (!fuzz_is_tame(&file->sections[i].values))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct device *const devices[] = { &fuzz_device, NULL };
	const struct conf_kinds kinds = { devices, socket_rows, process_rows };
	const struct opt_values none = { NULL, 0 };
	struct error err = ERROR_NONE;
	struct conf_file file;
	FREE_PTR char *text = malloc(size + 1);
	FILE *f;
	int ret;

	bug_if(text == NULL);
	memcpy(text, data, size);
	f = fmemopen(text, size, "r");
	bug_if(f == NULL);
	ret = conf_read_stream(f, "f.ini", &kinds, &file, &err);
	fclose(f);
	if (ret < 0) {
		bug_if(strncmp(err.text, "f.ini", 5) != 0 || file.n != 0);
		return 0;
	}
	if (is_tame(&file)) {
		fuzz_plan(NULL, &file, &none);
		fuzz_plan(&fuzz_device, &file, &none);
	}
	conf_finish(&file);
	return 0;
}
