/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Virtqueue layouts (virtio 1.4: 2.7 split, 2.8 packed) and the feature bits
 * that belong to rings and transport (6 Reserved Feature Bits).
 */
#ifndef WIRE_VIRTIO_RING_H
#define WIRE_VIRTIO_RING_H

#include "wire/le.h"

/* Feature bit numbers. */
enum {
	VIRTIO_F_NOTIFY_ON_EMPTY = 24,
	VHOST_F_LOG_ALL = 26,
	VIRTIO_F_ANY_LAYOUT = 27,
	VIRTIO_F_INDIRECT_DESC = 28,
	VIRTIO_F_EVENT_IDX = 29,
	VHOST_USER_F_PROTOCOL_FEATURES = 30,
	VIRTIO_F_VERSION_1 = 32,
	VIRTIO_F_ACCESS_PLATFORM = 33,
	VIRTIO_F_RING_PACKED = 34,
	VIRTIO_F_IN_ORDER = 35,
	VIRTIO_F_ORDER_PLATFORM = 36,
	VIRTIO_F_NOTIFICATION_DATA = 38,
	VIRTIO_F_RING_RESET = 40,
};

/* Device status byte (2.1). */
enum {
	VIRTIO_STATUS_ACKNOWLEDGE = 0x01,
	VIRTIO_STATUS_DRIVER = 0x02,
	VIRTIO_STATUS_DRIVER_OK = 0x04,
	VIRTIO_STATUS_FEATURES_OK = 0x08,
	VIRTIO_STATUS_NEEDS_RESET = 0x40,
	VIRTIO_STATUS_FAILED = 0x80,
};

enum { VIRTQUEUE_MAX_SIZE = 32768 };

/* Descriptor flags (2.7.5, 2.8.1); AVAIL and USED in packed rings only. */
enum {
	VIRTQ_DESC_NEXT = 1,
	VIRTQ_DESC_WRITE = 2,
	VIRTQ_DESC_INDIRECT = 4,
	VIRTQ_DESC_AVAIL = 1 << 7,
	VIRTQ_DESC_USED = 1 << 15,
};

struct virtq_desc {
	le64_t addr;
	le32_t len;
	le16_t flags;
	le16_t next;
};
WIRE_SIZE(struct virtq_desc, 16);

struct virtq_used_elem {
	le32_t id;
	le32_t len;
};
WIRE_SIZE(struct virtq_used_elem, 8);

/* avail: flags, idx, ring[N], used_event; used: flags, idx, elem[N], avail_event. */
enum {
	VIRTQ_AVAIL_NO_INTERRUPT = 1,
	VIRTQ_USED_NO_NOTIFY = 1,
	VIRTQ_AVAIL_FLAGS = 0, VIRTQ_AVAIL_IDX = 2, VIRTQ_AVAIL_RING = 4,
	VIRTQ_USED_FLAGS = 0, VIRTQ_USED_IDX = 2, VIRTQ_USED_RING = 4,
};

struct vring_packed_desc {
	le64_t addr;
	le32_t len;
	le16_t id;
	le16_t flags;
};
WIRE_SIZE(struct vring_packed_desc, 16);

/* Event suppression area (2.8.10). */
struct vring_packed_event {
	le16_t off_wrap;        /* bits 0-14 offset, bit 15 wrap counter */
	le16_t flags;
};
WIRE_SIZE(struct vring_packed_event, 4);

enum { VRING_PACKED_EVENT_ENABLE = 0, VRING_PACKED_EVENT_DISABLE = 1, VRING_PACKED_EVENT_DESC = 2 };

#endif
