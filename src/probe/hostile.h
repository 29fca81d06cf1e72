/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Hostile cases against any back end, each with a verdict. */
#ifndef PROBE_HOSTILE_H
#define PROBE_HOSTILE_H

#include "out.h"
#include "vhost-device/error.h"

/*
 * Plays every case whose name contains `only` (NULL: all) and prints a verdict
 * for each. 0: none died or hung.
 */
int hostile_run(struct out *o, const char *path, unsigned timeout_ms, const char *only,
		struct error *err);

#endif
