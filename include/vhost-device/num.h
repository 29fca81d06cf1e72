/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Strict numbers: the whole text counts, overflow is an error. */
#ifndef VHOST_DEVICE_NUM_H
#define VHOST_DEVICE_NUM_H

#include "vhost-device/util.h"

/*
 * Decimal with an optional leading '+', as the options of every device take
 * it. 0, or -EINVAL (not a number) or -ERANGE (outside min..max); ret_value is
 * untouched on failure.
 */
int num_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/* The same with an optional suffix K, M, G or T (powers of 1024). */
int num_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

#endif
