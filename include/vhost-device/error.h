/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Errors for people: what failed, on which object, why, what to do. */
#ifndef VHOST_DEVICE_ERROR_H
#define VHOST_DEVICE_ERROR_H

#include "vhost-device/error-type.h"
#include "vhost-device/util.h"

/*
 * Set the text and return code, a negative errno, so that a caller can write
 * return error_set(err, -ENOENT, ...). err may be NULL. A later call replaces
 * the text. Control characters of arguments are escaped.
 */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int error_memory(struct error *err);            /* -ENOMEM, "out of memory" */

/* Put context before the text, as in "rng0: socket /run/x: ..."; returns the code. */
int error_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
