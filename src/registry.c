/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The devices of this build, from the list that meson makes. */
#include <string.h>

#include "core/registry.h"

#define DEVICE_BUILT(name) extern const struct device device_##name;
#define DEVICE_LEFT_OUT(name, id, summary)
#include "device-list.h"
#undef DEVICE_BUILT
#undef DEVICE_LEFT_OUT

#define DEVICE_BUILT(name) &device_##name,
#define DEVICE_LEFT_OUT(name, id, summary)
const struct device *const registry_devices[] = {
#include "device-list.h"
	NULL
};
#undef DEVICE_BUILT
#undef DEVICE_LEFT_OUT

#define DEVICE_BUILT(name)
#define DEVICE_LEFT_OUT(name, id, summary) { #name, summary, id },
const struct left_out registry_left_out[] = {
#include "device-list.h"
	{ NULL, NULL, 0 }
};
#undef DEVICE_BUILT
#undef DEVICE_LEFT_OUT

const struct device *registry_find(const char *name)
{
	const struct device *const *d;

	for (d = registry_devices; *d != NULL; d++) {
		if (strcmp((*d)->name, name) == 0)
			return *d;
	}
	return NULL;
}

bool registry_knows(const char *name)
{
	const struct left_out *d;

	for (d = registry_left_out; d->name != NULL; d++) {
		if (strcmp(d->name, name) == 0)
			return true;
	}
	return registry_find(name) != NULL;
}
