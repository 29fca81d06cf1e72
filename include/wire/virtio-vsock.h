/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Socket device as it stands on the wire (virtio 1.4, 5.10). */
#ifndef WIRE_VIRTIO_VSOCK_H
#define WIRE_VIRTIO_VSOCK_H

#include "wire/le.h"

/* Feature bits (5.10.3). */
enum {
	VIRTIO_VSOCK_F_STREAM = 0,
	VIRTIO_VSOCK_F_SEQPACKET = 1,
	VIRTIO_VSOCK_F_NO_IMPLIED_STREAM = 2,
};

/* Queues (5.10.2), as the driver names them: it receives from rx. */
enum { VSOCK_RXQ, VSOCK_TXQ, VSOCK_EVENTQ, VSOCK_QUEUES };

/* Config space (5.10.4); the upper half of the cid is zero. */
struct virtio_vsock_config {
	le64_t guest_cid;
};
WIRE_SIZE(struct virtio_vsock_config, 8);

enum {
	VSOCK_CID_LOCAL = 1,
	VSOCK_CID_HOST = 2,
	VSOCK_CID_FIRST = 3,            /* below are reserved ones, as are these: */
};
#define VSOCK_CID_ANY 0xffffffffULL
#define VSOCK_CID_LIMIT 0xffffffffULL   /* a guest's is below it */
#define VSOCK_PORT_ANY 0xffffffffU

/* Header of every packet (5.10.6). */
struct virtio_vsock_hdr {
	le64_t src_cid, dst_cid;
	le32_t src_port, dst_port;
	le32_t len;
	le16_t type, op;
	le32_t flags;
	le32_t buf_alloc, fwd_cnt;
};
WIRE_SIZE(struct virtio_vsock_hdr, 44);
WIRE_AT(struct virtio_vsock_hdr, len, 24);
WIRE_AT(struct virtio_vsock_hdr, flags, 32);

enum { VSOCK_TYPE_STREAM = 1, VSOCK_TYPE_SEQPACKET = 2 };

enum {
	VSOCK_OP_INVALID,
	VSOCK_OP_REQUEST,
	VSOCK_OP_RESPONSE,
	VSOCK_OP_RST,
	VSOCK_OP_SHUTDOWN,
	VSOCK_OP_RW,
	VSOCK_OP_CREDIT_UPDATE,
	VSOCK_OP_CREDIT_REQUEST,
};

/* Flags of SHUTDOWN (5.10.6.5): hints that stay. */
enum { VSOCK_SHUT_RCV = 1, VSOCK_SHUT_SEND = 2, VSOCK_SHUT_BOTH = 3 };
/* Flags of RW on SEQPACKET: last of a message, and of a record (5.10.6.6). */
enum { VSOCK_SEQ_EOM = 1, VSOCK_SEQ_EOR = 2 };

/* What Linux takes as one packet. */
enum { VSOCK_PACKET_MAX = 65536 };

/* On the event queue (5.10.6.7). */
struct virtio_vsock_event {
	le32_t id;
};
WIRE_SIZE(struct virtio_vsock_event, 4);
enum { VSOCK_EVENT_TRANSPORT_RESET = 0 };

#endif
