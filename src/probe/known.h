/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the virtio specification says of each kind of device, as far as a probe needs it. */
#ifndef PROBE_KNOWN_H
#define PROBE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known {
	uint8_t id;
	uint8_t q_min, q_max;           /* queues; q_max 0: any number */
	uint8_t must : 7;               /* features of the first 7 that it always offers */
	uint8_t lacks_config : 1;       /* may come without CONFIG, then QEMU knows it better */
	uint32_t likes;                 /* protocol features that speak for it */
};

extern const struct known known_devices[];      /* common ones first */
extern const unsigned known_count;

enum known_text {
	KNOWN_NAME,
	KNOWN_QUEUES,                   /* what they are for */
	KNOWN_FEATURES,                 /* names of bits from 0 up; a number sets the next bit */
	/*
	 * Fields from offset 0 up, NAME[:[KIND][SIZE][:LEAST[:MOST]]]; kinds are x
	 * hexadecimal, m bytes, t text, p padding (zero), else decimal; 4 bytes unless
	 * said. "" is no config space.
	 */
	KNOWN_CONFIG,
	KNOWN_TEXTS
};
const char *known_text(const struct known *k, enum known_text which);
static inline const char *known_name(const struct known *k)
{
	return known_text(k, KNOWN_NAME);
}

/* By name or number; NULL: unknown. */
const struct known *known_find(const char *text);
/* Name of a feature bit, written to buf if it has no static one; k may be NULL. */
enum { KNOWN_NAME_SIZE = 40 };
bool known_feature(const struct known *k, unsigned bit, char buf[KNOWN_NAME_SIZE]);
/* Features that belong to devices, not to rings and transport (virtio 1.4, 6). */
uint64_t known_device_bits(void);

/* One field of a config space; start with pos = its KNOWN_CONFIG and off = 0. */
struct known_field {
	char name[KNOWN_NAME_SIZE];
	char kind;
	unsigned off, size;
	uint64_t least, most;           /* most 0: any */
};
bool known_next_field(const char **pos, struct known_field *f);
unsigned known_config_size(const struct known *k);
/* Little-endian value of an integer field. */
uint64_t known_value(const struct known_field *f, const uint8_t *config);

#endif
