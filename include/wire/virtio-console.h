/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Console device as it stands on the wire (virtio 1.4, 5.3). */
#ifndef WIRE_VIRTIO_CONSOLE_H
#define WIRE_VIRTIO_CONSOLE_H

#include "wire/le.h"

/* Feature bits (5.3.3). */
enum {
	VIRTIO_CONSOLE_F_SIZE = 0,
	VIRTIO_CONSOLE_F_MULTIPORT = 1,
	VIRTIO_CONSOLE_F_EMERG_WRITE = 2,
};

/* Queues (5.3.2), as the driver names them; port n > 0 has 2n + 2 and 2n + 3. */
enum {
	CONSOLE_RXQ,
	CONSOLE_TXQ,
	CONSOLE_CONTROL_RXQ,
	CONSOLE_CONTROL_TXQ,
	CONSOLE_RX1Q,
	CONSOLE_TX1Q,
	CONSOLE_ROWS,
};

/* Config space (5.3.4). */
struct virtio_console_config {
	le16_t cols, rows;              /* F_SIZE */
	le32_t max_nr_ports;            /* F_MULTIPORT */
	le32_t emerg_wr;                /* F_EMERG_WRITE: the driver writes it */
};
WIRE_SIZE(struct virtio_console_config, 12);
WIRE_AT(struct virtio_console_config, max_nr_ports, 4);
WIRE_AT(struct virtio_console_config, emerg_wr, 8);

/* A control message (5.3.6.2); of some a payload follows. */
struct virtio_console_control {
	le32_t id;
	le16_t event, value;
};
WIRE_SIZE(struct virtio_console_control, 8);

enum {
	VIRTIO_CONSOLE_DEVICE_READY,    /* of the driver; 1: it is, 0: it failed */
	VIRTIO_CONSOLE_DEVICE_ADD,      /* Linux: PORT_ADD */
	VIRTIO_CONSOLE_DEVICE_REMOVE,
	VIRTIO_CONSOLE_PORT_READY,      /* of the driver; 1: it is, 0: it failed */
	VIRTIO_CONSOLE_CONSOLE_PORT,    /* Linux wants the value 1 */
	VIRTIO_CONSOLE_RESIZE,
	VIRTIO_CONSOLE_PORT_OPEN,       /* both ways; 1: open, 0: closed */
	VIRTIO_CONSOLE_PORT_NAME,       /* the name follows, without an end */
};

/* Payload of RESIZE. */
struct virtio_console_resize {
	le16_t cols, rows;
};
WIRE_SIZE(struct virtio_console_resize, 4);

#endif
