/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* This build has no device with an end at the host. */
#include <errno.h>

#include "bench.h"

const struct option bench_ends_rows[] = { { NULL } };

int bench_ends(const struct bench_conf *c, struct error *err)
{
	return -EINVAL;
}
