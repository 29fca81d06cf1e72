/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests of the vhost-user protocol by name, for both of its ends. */
#ifndef VHOST_DEVICE_VU_NAME_H
#define VHOST_DEVICE_VU_NAME_H

#include <stdint.h>

/* "GET_FEATURES" for VU_GET_FEATURES; "unknown request" for a number that is none. */
const char *vu_request_name(uint32_t request);
/* Name i of texts that follow one another, each ended by a NUL, or NULL. */
const char *vu_name_of(const char *texts, uint32_t i);

#endif
