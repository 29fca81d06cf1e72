/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Little-endian integers as they stand on the wire.
 *
 * The types are byte arrays: alignment 1, no padding, no misaligned access,
 * and the compiler refuses arithmetic on a field that was not converted.
 */
#ifndef WIRE_LE_H
#define WIRE_LE_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint8_t b[2]; } le16_t;
typedef struct { uint8_t b[4]; } le32_t;
typedef struct { uint8_t b[8]; } le64_t;

static inline uint16_t le16_get(le16_t v)
{
	uint16_t x;

	memcpy(&x, v.b, sizeof(x));
	return le16toh(x);
}

static inline uint32_t le32_get(le32_t v)
{
	uint32_t x;

	memcpy(&x, v.b, sizeof(x));
	return le32toh(x);
}

static inline uint64_t le64_get(le64_t v)
{
	uint64_t x;

	memcpy(&x, v.b, sizeof(x));
	return le64toh(x);
}

static inline le16_t le16(uint16_t x)
{
	le16_t v;

	x = htole16(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline le32_t le32(uint32_t x)
{
	le32_t v;

	x = htole32(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline le64_t le64(uint64_t x)
{
	le64_t v;

	x = htole64(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

/* Pin the size of a wire structure and the place of a field. */
#define WIRE_SIZE(type, size) \
	_Static_assert(sizeof(type) == (size), #type " has the wrong size")
#define WIRE_AT(type, field, off) \
	_Static_assert(offsetof(type, field) == (off), #type "." #field " is misplaced")

#endif
