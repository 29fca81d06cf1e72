/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* copy me. */
#include "vhost-device/device.h"

const struct device device_template;
const struct device device_template = {
	.name = "template",
	.summary = "example that echoes requests",
	.virtio_id = 0,
};
