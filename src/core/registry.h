/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The devices this executable was built with, and those it could have. */
#ifndef CORE_REGISTRY_H
#define CORE_REGISTRY_H

#include "vhost-device/device.h"

extern const struct device *const registry_devices[];   /* NULL-ended, sorted by name */
extern const char *const registry_left_out[];           /* names known but not built */

const struct device *registry_find(const char *name);

#endif
