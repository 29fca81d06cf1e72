/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Frames and control messages of the CAN device (virtio 1.4, "CAN Device"). */
#ifndef WIRE_VIRTIO_CAN_H
#define WIRE_VIRTIO_CAN_H

#include "wire/le.h"

enum { VIRTIO_ID_CAN = 36 };

/* Feature bits. */
enum {
	VIRTIO_CAN_F_CAN_CLASSIC = 0,
	VIRTIO_CAN_F_CAN_FD = 1,
	VIRTIO_CAN_F_RTR_FRAMES = 2,            /* only with classic frames */
	VIRTIO_CAN_F_LATE_TX_ACK = 3,           /* used when it was on the bus */
};

enum { VIRTIO_CAN_TXQ, VIRTIO_CAN_RXQ, VIRTIO_CAN_CONTROLQ };

struct virtio_can_config {
	le16_t status;
};
WIRE_SIZE(struct virtio_can_config, 2);

enum { VIRTIO_CAN_S_CTRL_BUSOFF = 1 };          /* a mask, not a bit number */

enum {
	VIRTIO_CAN_TX = 0x0001, VIRTIO_CAN_RX = 0x0101,
	VIRTIO_CAN_SET_CTRL_MODE_START = 0x0201, VIRTIO_CAN_SET_CTRL_MODE_STOP = 0x0202,
};

/* Before the bytes of a frame, in both directions. */
struct virtio_can_hdr {
	le16_t msg_type, length;
	uint8_t reserved_classic_dlc, padding;
	le16_t reserved_xl_priority;
	le32_t flags, can_id;
};
WIRE_SIZE(struct virtio_can_hdr, 16);
WIRE_AT(struct virtio_can_hdr, flags, 8);

enum {
	VIRTIO_CAN_FLAGS_RTR = 0x2000, VIRTIO_CAN_FLAGS_FD = 0x4000,
	VIRTIO_CAN_FLAGS_EXTENDED = 0x8000,
};

struct virtio_can_control {
	le16_t msg_type;
};
WIRE_SIZE(struct virtio_can_control, 2);

enum { VIRTIO_CAN_RESULT_OK = 0, VIRTIO_CAN_RESULT_NOT_OK = 1 };

#endif
