/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Event types and codes of Linux input devices by name, for both ends. */
#ifndef VHOST_DEVICE_INPUT_NAMES_H
#define VHOST_DEVICE_INPUT_NAMES_H

#include <stdint.h>

enum {
	INPUT_NAME_SIZE = 40,
	INPUT_NAMES_EV = 256,           /* instead of a type: names of types */
	INPUT_NAMES_PROP,               /* .. of properties */
};

/* "KEY_A", or the number when it has no name; in buf, which is returned. */
const char *input_name(unsigned type, unsigned code, char buf[INPUT_NAME_SIZE]);
/*
 * A name, in any case, with or without what all of its type begin with
 * (KEY_A, a), or a number. -EINVAL: neither; -ERANGE: above most.
 */
int input_code(unsigned type, const char *text, unsigned most, unsigned *ret_code);

#endif
