/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio entropy device (virtio 1.4, 5.4). */
#include "vhost-device/device.h"

const struct device device_rng;
const struct device device_rng = {
	.name = "rng",
	.summary = "random numbers from the host",
	.virtio_id = 4,
};
