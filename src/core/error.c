/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Error objects: one line of text that people can act on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost-device/error.h"

void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Text may hold bytes of a guest or a file: a line stays a line. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

int error_set(struct error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	make_printable(err->text);
	return code;
}

int error_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

int error_prefix(struct error *err, const char *fmt, ...)
{
	char whole[sizeof(err->text)];
	va_list ap;
	int n;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(whole, sizeof(whole), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n < sizeof(whole))
		snprintf(whole + n, sizeof(whole) - (size_t)n, "%s", err->text);
	make_printable(whole);
	memcpy(err->text, whole, sizeof(whole));
	return err->code;
}
