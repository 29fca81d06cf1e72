/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The devices of this build, from the list that meson makes. */
#include <string.h>

#include "core/registry.h"

#define DEVICE_BUILT(name) extern const struct device device_##name;
#define DEVICE_LEFT_OUT(name)
#include "device-list.h"
#undef DEVICE_BUILT
#undef DEVICE_LEFT_OUT

#define DEVICE_BUILT(name) &device_##name,
#define DEVICE_LEFT_OUT(name)
const struct device *const registry_devices[] = {
#include "device-list.h"
	NULL
};
#undef DEVICE_BUILT
#undef DEVICE_LEFT_OUT

#define DEVICE_BUILT(name)
#define DEVICE_LEFT_OUT(name) #name,
const char *const registry_left_out[] = {
#include "device-list.h"
	NULL
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
