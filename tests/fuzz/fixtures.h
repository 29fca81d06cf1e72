/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A device with every kind of option row. */
#ifndef FUZZ_FIXTURES_H
#define FUZZ_FIXTURES_H

#include "core/plan.h"

extern const struct device fuzz_device;

/*
 * May these be planned? Not with thousands of guests, which are no other case
 * than ten, and not with descriptors, which would be those of the fuzzer.
 */
bool fuzz_is_tame(const struct opt_values *values);
/* Plans what the layers say and takes it down again. */
void fuzz_plan(const struct device *device, const struct conf_file *file,
	       const struct opt_values *args);

#endif
