/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* YAML files in a build without libyaml. */
#include <errno.h>

#include "vsock.h"

const struct dl_library yaml_library = {
	.name = "libyaml", .purpose = "configuration files of the original",
};

int config_read(FILE *f, const char *path, struct option_texts *ret_texts, struct error *err)
{
	if (!config_is_yaml(f, path))
		return 0;
	return error_set(err, -ENOSYS, "%s: this vhost-device is built without libyaml: write an "
			 "INI file", path);
}
