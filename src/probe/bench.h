/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What `bench` was told, and its part for devices with an end at the host. */
#ifndef PROBE_BENCH_H
#define PROBE_BENCH_H

#include "load.h"
#include "tools.h"

struct bench_conf {
	struct tool_conf tool;
	char *socket, *vs, *device, *uds, *vs_uds, *only;
	uint32_t largest;
	uint32_t seconds;
	uint64_t requests;
	struct load_setup load;         /* path, driver and timeout come from the rest */
};

/* The options uds to largest; none in a build without such a device. */
extern const struct option bench_ends_rows[];
/* With uds given. */
int bench_ends(const struct bench_conf *c, struct error *err);

#endif
