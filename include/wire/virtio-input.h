/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio input device (virtio 1.4, 5.8). */
#ifndef WIRE_VIRTIO_INPUT_H
#define WIRE_VIRTIO_INPUT_H

#include "wire/le.h"

enum { VIRTIO_INPUT_EVENTQ, VIRTIO_INPUT_STATUSQ, VIRTIO_INPUT_QUEUES };

/* 5.8.4: values of select, and what u then holds */
#define VIRTIO_INPUT_CFG_UNSET 0x00
#define VIRTIO_INPUT_CFG_ID_NAME 0x01
#define VIRTIO_INPUT_CFG_ID_SERIAL 0x02
#define VIRTIO_INPUT_CFG_ID_DEVIDS 0x03
#define VIRTIO_INPUT_CFG_PROP_BITS 0x10
#define VIRTIO_INPUT_CFG_EV_BITS 0x11
#define VIRTIO_INPUT_CFG_ABS_INFO 0x12

struct virtio_input_absinfo {
	le32_t min, max, fuzz, flat, res;
};
WIRE_SIZE(struct virtio_input_absinfo, 20);

struct virtio_input_devids {
	le16_t bustype, vendor, product, version;
};
WIRE_SIZE(struct virtio_input_devids, 8);

enum { VIRTIO_INPUT_DATA = 128 };

struct virtio_input_config {
	uint8_t select, subsel;         /* the driver's to write */
	uint8_t size;                   /* valid bytes of u, 0: nothing of that kind */
	uint8_t reserved[5];
	union {
		char string[VIRTIO_INPUT_DATA];         /* without a NUL */
		uint8_t bitmap[VIRTIO_INPUT_DATA];
		struct virtio_input_absinfo abs;
		struct virtio_input_devids ids;
	} u;
};
WIRE_SIZE(struct virtio_input_config, 136);
WIRE_AT(struct virtio_input_config, u, 8);

/* 5.8.6: both queues */
struct virtio_input_event {
	le16_t type, code;
	le32_t value;
};
WIRE_SIZE(struct virtio_input_event, 8);

#endif
