/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Entry: which applet, and what to do. */
#include <stdio.h>

#include "core/registry.h"

int main(int argc, char **argv)
{
	const struct device *const *d;

	for (d = registry_devices; *d != NULL; d++)
		printf("%s\n", (*d)->name);
	return 0;
}
