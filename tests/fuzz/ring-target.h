/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A ring image and what device and driver do with it, all taken from the input. */
#ifndef RING_TARGET_H
#define RING_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void ring_target(bool packed, const uint8_t *data, size_t size);

#endif
