/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The devices this executable was built with, and those it could have. */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "vhost-device/device.h"

struct left_out {
	const char *name, *summary;
	uint32_t virtio_id;
};

extern const struct device *const registry_devices[];   /* NULL-ended, sorted by name */
extern const struct left_out registry_left_out[];       /* known but not built; NULL name ends */

const struct device *registry_find(const char *name);
bool registry_knows(const char *name);                  /* built or not */

#endif
