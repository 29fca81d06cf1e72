/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Findings, written once and printed for people or as JSON. Keys are words
 * joined by '_', NULL inside a list. Text of a back end is escaped.
 */
#ifndef PROBE_OUT_H
#define PROBE_OUT_H

#include <stdio.h>

#include "vhost-device/util.h"

struct out {
	FILE *file;
	bool json;
	unsigned depth;
	bool begun;                     /* something was printed */
	bool filled;                    /* the innermost object or list has a member */
	uint32_t lists;                 /* by depth: is it a list? */
};

/* The outermost object; nothing is printed before its first member. */
void out_begin(struct out *o, FILE *file, bool json);
void out_end(struct out *o);

void out_open(struct out *o, const char *key);          /* an object */
void out_open_list(struct out *o, const char *key);
void out_close(struct out *o);

/* At most OUT_TEXT bytes. */
enum { OUT_TEXT = 8192 };
void out_text(struct out *o, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
void out_string(struct out *o, const char *key, const char *text);
/* As pairs of hexadecimal digits with that between them. */
void out_bytes(struct out *o, const char *key, const uint8_t *bytes, size_t n, char between);
void out_number(struct out *o, const char *key, uint64_t value);
void out_hex(struct out *o, const char *key, uint64_t value);  /* JSON: a string */
/* Of a number below 2^63: unlike the cast alone, one instruction. */
static inline double out_double(uint64_t value)
{
	return (double)(int64_t)value;
}
/* With so many decimals; the unit is for people alone, as in " us". */
void out_real(struct out *o, const char *key, double value, unsigned decimals);
void out_measure(struct out *o, const char *key, double value, unsigned decimals,
		 const char *unit);
void out_bool(struct out *o, const char *key, bool value);
/* Only people see this line, or only programs. */
bool out_for_people(const struct out *o);

#endif
