/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Runs a fuzz target over the files of a folder, without a fuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LARGEST = 1 << 20 };

static int replay(const char *folder, const char *name)
{
	static uint8_t data[LARGEST];
	uint8_t *exact;
	char path[4096];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	/* The last line of the output names the file that crashed. */
	printf("%s\n", name);
	fflush(stdout);
	/* In a block of its size, for the sanitizer to see a read beyond it. */
	exact = malloc(size + 1);
	if (exact == NULL)
		return -1;
	LLVMFuzzerTestOneInput(memcpy(exact + 1, data, size), size);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent *e;
	unsigned n = 0;
	DIR *dir;

	dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (dir == NULL) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (replay(argv[1], e->d_name) < 0)
			return 1;
		n++;
	}
	closedir(dir);
	return n == 0;
}
