/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Chips of the host in a build without libgpiod. */
#include <errno.h>

#include "gpio.h"

const struct dl_library gpio_library = {
	.name = "libgpiod", .purpose = "GPIO chips of the host",
};

struct chip *host_chip_open(struct instance *in, const char *name, struct error *err)
{
	error_set(err, -ENOSYS, "GPIO chip %s: this vhost-device is built without libgpiod: "
		  "simulated chips (sN) work", name);
	return NULL;
}

int host_line_init(struct line *l, struct error *err)
{
	return error_set(err, -ENOSYS, "%s: no libgpiod", l->chip->name);
}
