/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests of the I2C adapter device (virtio 1.4, 5.21). */
#ifndef WIRE_VIRTIO_I2C_H
#define WIRE_VIRTIO_I2C_H

#include "wire/le.h"

enum {
	VIRTIO_ID_I2C_ADAPTER = 34,
	VIRTIO_I2C_F_ZERO_LENGTH_REQUEST = 0,   /* 5.21.3; stands for the flag M_RD too */
};

/* Before the bytes to write; the status byte is the last that the device may write. */
struct virtio_i2c_out_hdr {                     /* 5.21.6 */
	le16_t addr, padding;
	le32_t flags;
};
WIRE_SIZE(struct virtio_i2c_out_hdr, 8);
WIRE_AT(struct virtio_i2c_out_hdr, flags, 4);

enum {
	VIRTIO_I2C_FLAGS_FAIL_NEXT = 1,         /* not the last request of its group */
	VIRTIO_I2C_FLAGS_M_RD = 2,
};

enum { VIRTIO_I2C_MSG_OK = 0, VIRTIO_I2C_MSG_ERR = 1 };

/* 5.21.6.1: a low byte 11110xx0 begins a 10-bit address, whose low bits follow in the other. */
enum { VIRTIO_I2C_TEN_MASK = 0xf9, VIRTIO_I2C_TEN = 0xf0 };

#endif
