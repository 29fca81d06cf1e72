/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver halves of this build, from the list that meson makes. */
#include <errno.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"

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

int driver_number(const char *s, uint64_t max, uint64_t *ret_value)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t v = 0;
	const char *d;

	if (strncmp(s, "0x", 2) != 0)
		return num_parse(s, 0, max, ret_value);
	for (s += 2; *s != '\0' && v <= max; s++) {
		d = strchr(digits, *s);
		if (d == NULL)
			return -EINVAL;
		v = v * 16 + (unsigned)(d - digits);
	}
	if (v > max)
		return -ERANGE;
	*ret_value = v;
	return 0;
}
