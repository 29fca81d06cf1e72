/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What went wrong, as a caller keeps it; made by the functions of error.h. */
#ifndef VHOST_DEVICE_ERROR_TYPE_H
#define VHOST_DEVICE_ERROR_TYPE_H

/* Caller's memory; text is empty while no error was set. */
struct error {
	int code;               /* negative errno */
	char text[500];         /* one line, no newline */
};

#define ERROR_NONE ((struct error){ 0, "" })

#endif
