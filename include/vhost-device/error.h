/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Errors for people: what failed, on which object, why, what to do. */
#ifndef VHOST_DEVICE_ERROR_H
#define VHOST_DEVICE_ERROR_H

#include "vhost-device/util.h"

/* Caller's memory; text is empty while no error was set. */
struct error {
	int code;               /* negative errno */
	char text[500];         /* one line, no newline */
};

#define ERROR_NONE ((struct error){ 0, "" })

/*
 * Set the text and return code, a negative errno, so that a caller can write
 * return error_set(err, -ENOENT, ...). err may be NULL. A later call replaces
 * the text. Control characters of arguments are escaped.
 */
int error_set(struct error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Put context before the text, as in "rng0: socket /run/x: ..."; returns the code. */
int error_prefix(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
