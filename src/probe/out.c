/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Findings for people and for programs. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

enum { COLUMN = 22, INNER_COLUMN = 36 };

bool out_for_people(const struct out *o)
{
	return !o->json;
}

static bool in_list(const struct out *o)
{
	return (o->lists >> o->depth & 1) != 0;
}

/* People: "name of key", padded at the outermost level. */
static void people_key(struct out *o, const char *key, bool alone)
{
	int i, indent = o->depth > 1 ? 2 * (int)(o->depth - 1) : 0;
	int n;

	fprintf(o->file, "%*s", indent, "");
	if (in_list(o)) {
		fputs("- ", o->file);
		return;
	}
	for (n = 0; key[n] != '\0'; n++)
		fputc(key[n] == '_' ? ' ' : key[n], o->file);
	if (alone)
		return;
	fputc(':', o->file);
	for (i = indent + n + 1; i < (indent > 0 ? INNER_COLUMN : COLUMN); i++)
		fputc(' ', o->file);
	fputc(' ', o->file);
}

static void json_key(struct out *o, const char *key)
{
	fprintf(o->file, "%s\n%*s", !o->begun ? "{" : o->filled ? "," : "", 2 * (int)o->depth, "");
	o->begun = o->filled = true;
	if (in_list(o))
		return;
	fprintf(o->file, "\"%s\": ", key);
}

static void start(struct out *o, const char *key)
{
	if (o->json)
		json_key(o, key);
	else
		people_key(o, key, false);
}

static void finish(struct out *o)
{
	if (!o->json)
		fputc('\n', o->file);
}

void out_begin(struct out *o, FILE *file, bool json)
{
	*o = (struct out){ .file = file, .json = json, .depth = 1 };
}

void out_end(struct out *o)
{
	if (o->json)
		fputs(o->begun ? "\n}\n" : "{}\n", o->file);
}

static void open_any(struct out *o, const char *key, bool list)
{
	if (o->json) {
		json_key(o, key);
		fputc(list ? '[' : '{', o->file);
	} else if (key != NULL) {
		people_key(o, key, true);
		fputs(":\n", o->file);
	}
	o->depth++;
	o->filled = false;
	o->lists = (o->lists & ~(1U << o->depth)) | (list ? 1U << o->depth : 0);
}

void out_open(struct out *o, const char *key)
{
	open_any(o, key, false);
}

void out_open_list(struct out *o, const char *key)
{
	open_any(o, key, true);
}

void out_close(struct out *o)
{
	bool list = in_list(o);

	o->depth--;
	if (o->json && o->filled)
		fprintf(o->file, "\n%*s", 2 * (int)o->depth, "");
	if (o->json)
		fputc(list ? ']' : '}', o->file);
	o->filled = true;
}

/* Bytes of a printable character in UTF-8 (RFC 3629), 0: there is none. */
static unsigned printable(const uint8_t *p)
{
	unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4, i;
	uint32_t c = p[0] & (0x7fU >> n);

	if (n <= 1)
		return p[0] >= ' ' && p[0] < 0x7f && p[0] != '\\';
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	/* Not longer than it need be; no control character, surrogate or number too high. */
	if (c < (n == 2 ? 0xa0 : 1U << (5 * n - 4)) || c >> 11 == 0x1b || c >= 0x110000)
		return 0;
	return p[0] < 0xf5 ? n : 0;
}

static void quote(struct out *o)
{
	if (o->json)
		fputc('"', o->file);
}

/* Bytes that no terminal should see, nor JSON hold, become \xNN. */
void out_string(struct out *o, const char *key, const char *text)
{
	unsigned n;

	start(o, key);
	quote(o);
	for (; *text != '\0'; text += n) {
		n = printable((const uint8_t *)text);
		if (n > 0)
			fprintf(o->file, "%s%.*s", o->json && *text == '"' ? "\\" : "", (int)n,
				text);
		else
			fprintf(o->file, "%s\\x%02x", o->json ? "\\" : "", (uint8_t)*text);
		n += n == 0;
	}
	quote(o);
	finish(o);
}

void out_bytes(struct out *o, const char *key, const uint8_t *bytes, size_t n, char between)
{
	size_t i;

	start(o, key);
	quote(o);
	for (i = 0; i < n; i++) {
		if (i > 0)
			fputc(between, o->file);
		fprintf(o->file, "%02x", bytes[i]);
	}
	quote(o);
	finish(o);
}

void out_text(struct out *o, const char *key, const char *fmt, ...)
{
	char text[OUT_TEXT + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_string(o, key, text);
}

void out_number(struct out *o, const char *key, uint64_t value)
{
	start(o, key);
	fprintf(o->file, "%llu", (unsigned long long)value);
	finish(o);
}

void out_hex(struct out *o, const char *key, uint64_t value)
{
	out_text(o, key, "0x%llx", (unsigned long long)value);
}

void out_real(struct out *o, const char *key, double value, unsigned decimals)
{
	out_measure(o, key, value, decimals, "");
}

void out_measure(struct out *o, const char *key, double value, unsigned decimals,
		 const char *unit)
{
	start(o, key);
	fprintf(o->file, "%.*f%s", (int)decimals, value, o->json ? "" : unit);
	finish(o);
}

void out_bool(struct out *o, const char *key, bool value)
{
	start(o, key);
	fputs(o->json ? value ? "true" : "false" : value ? "yes" : "no", o->file);
	finish(o);
}
