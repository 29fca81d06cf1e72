/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Options that every device has, on top of its own. */
#ifndef CORE_COMMON_H
#define CORE_COMMON_H

#include "core/opt.h"

struct maybe_int {
	bool set;
	int value;
};

/* Of one instance, or of a row of them. */
struct socket_conf {
	char *path, *client, *config, *control;
	struct opt_list fds, connected_fds;     /* of uint32_t */
	uint32_t count;
	struct maybe_int mode, group;
	uint16_t queue_size;
	bool no_packed, inband, once, persistent, print_capabilities;
};

/* Of the whole process. */
struct process_conf {
	struct maybe_int ready_fd;
	unsigned log_level, log_target;         /* enum log_level, enum log_target */
	uint32_t threads, poll_us;
	bool help, version;
};

extern const struct option socket_rows[], process_rows[];

/* Of either table, by name. */
const struct option *common_row(const char *name);

#endif
