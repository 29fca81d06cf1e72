/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* virtio GPIO device (virtio 1.4, 5.18). */
#ifndef WIRE_VIRTIO_GPIO_H
#define WIRE_VIRTIO_GPIO_H

#include "wire/le.h"

enum { VIRTIO_ID_GPIO = 41 };

/* Feature bits (5.18.3). */
enum { VIRTIO_GPIO_F_IRQ = 0 };

/* Queues (5.18.2); the second one exists with F_IRQ only. */
enum { GPIO_REQUESTQ = 0, GPIO_EVENTQ = 1 };

/* Config space (5.18.4). */
struct virtio_gpio_config {
	le16_t ngpio;
	uint8_t padding[2];
	le32_t gpio_names_size;         /* 0: no names */
};
WIRE_SIZE(struct virtio_gpio_config, 8);
WIRE_AT(struct virtio_gpio_config, gpio_names_size, 4);

/* requestq (5.18.6). */
enum {
	GPIO_MSG_GET_LINE_NAMES = 1,
	GPIO_MSG_GET_DIRECTION = 2,
	GPIO_MSG_SET_DIRECTION = 3,
	GPIO_MSG_GET_VALUE = 4,
	GPIO_MSG_SET_VALUE = 5,
	GPIO_MSG_SET_IRQ_TYPE = 6,
};

struct virtio_gpio_request {
	le16_t type, gpio;
	le32_t value;
};
WIRE_SIZE(struct virtio_gpio_request, 8);

enum { GPIO_STATUS_OK = 0, GPIO_STATUS_ERR = 1 };

/* For GET_LINE_NAMES gpio_names_size bytes follow the status instead of the value. */
struct virtio_gpio_response {
	uint8_t status, value;
};
WIRE_SIZE(struct virtio_gpio_response, 2);

enum { GPIO_DIRECTION_NONE = 0, GPIO_DIRECTION_OUT = 1, GPIO_DIRECTION_IN = 2 };

/* Types of interrupts (5.18.6.8). */
enum {
	GPIO_IRQ_NONE = 0,
	GPIO_IRQ_EDGE_RISING = 1,
	GPIO_IRQ_EDGE_FALLING = 2,
	GPIO_IRQ_EDGE_BOTH = 3,
	GPIO_IRQ_LEVEL_HIGH = 4,
	GPIO_IRQ_LEVEL_LOW = 8,
};

/* eventq (5.18.7). */
struct virtio_gpio_irq_request {
	le16_t gpio;
};
WIRE_SIZE(struct virtio_gpio_irq_request, 2);

enum { GPIO_IRQ_STATUS_INVALID = 0, GPIO_IRQ_STATUS_VALID = 1 };

struct virtio_gpio_irq_response {
	uint8_t status;
};
WIRE_SIZE(struct virtio_gpio_irq_response, 1);

#endif
