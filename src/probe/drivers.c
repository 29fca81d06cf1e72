/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver halves of this build, from the list that meson makes. */
#include <string.h>

#include "driver.h"

#define DRIVER(name) extern const struct driver driver_##name;
#include "driver-list.h"
#undef DRIVER

static const struct driver *const drivers[] = {
#define DRIVER(name) &driver_##name,
#include "driver-list.h"
#undef DRIVER
};

const struct driver *driver_at(unsigned i)
{
	return i < ARRAY_SIZE(drivers) ? drivers[i] : NULL;
}

const struct driver *driver_find(const char *name)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++) {
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	return NULL;
}

const struct action *driver_action(const struct driver *d, const char *name)
{
	const struct action *a;

	for (a = d->actions; a != NULL && a->name != NULL; a++) {
		if (strcmp(a->name, name) == 0)
			return a;
	}
	return NULL;
}
