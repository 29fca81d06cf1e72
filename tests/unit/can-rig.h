/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The CAN device on a bus of this process, its driver, and another node on the bus. */
#ifndef TESTS_CAN_RIG_H
#define TESTS_CAN_RIG_H

#include "can.h"
#include "core/opt.h"
#include "fake-core.h"
#include "wire/virtio-can.h"

enum {
	OK = VIRTIO_CAN_RESULT_OK, NOT_OK = VIRTIO_CAN_RESULT_NOT_OK, TX = VIRTIO_CAN_TX,
	EXT = VIRTIO_CAN_FLAGS_EXTENDED, FD = VIRTIO_CAN_FLAGS_FD, RTR = VIRTIO_CAN_FLAGS_RTR,
	START = VIRTIO_CAN_SET_CTRL_MODE_START, STOP = VIRTIO_CAN_SET_CTRL_MODE_STOP,
	HDR = sizeof(struct virtio_can_hdr), BUFFER = HDR + 64, SEEN = 4096,
	ALL = 15,
};

/* In the order of the device's rows. */
enum {
	SENT, REJECTED, STOPPED, DENIED, FAILED, TIMEOUTS, RECEIVED, DROPPED, LOST, FILTERED,
	UNSUPPORTED, SHORT, BUS_OFF,
};

static const uint64_t MS = 1000ULL * 1000, T0 = 5000ULL * 1000 * 1000;

extern const struct device device_can;
extern struct error err;

/* The other node, what it has seen, and how many frames it takes. */
extern struct port *peer;
extern struct canfd_frame seen[SEEN];
extern unsigned n_seen, n_room;
extern uint64_t peer_lost;

struct port *peer_open(const char *bus, enum can_full full);    /* one more, same array */
void from_peer(const char *text);
void burst(unsigned n);                         /* numbered frames */

void open_device(const char *item, uint64_t features);
void begin(const char *item, uint64_t features);        /* and start the controller */
void end(void);
unsigned control(unsigned type);                /* the result */
unsigned status(void);                          /* of the config space */
void command(const char *name, unsigned n, const char *word);

struct virtio_can_hdr header(unsigned type, unsigned length, uint32_t flags, uint32_t id);
/* A frame to be sent; size: readable bytes in all, room: writable ones. */
struct chain *push_raw(const struct virtio_can_hdr *hdr, size_t size, size_t room);
struct chain *push(unsigned length, uint32_t flags, uint32_t id);
unsigned result(const struct chain *c);
unsigned ask(unsigned length, uint32_t flags, uint32_t id);     /* push() and its result */
/* A good frame passes, and is the only one that the bus saw. */
void still_works(void);

/* A buffer for a frame from the bus, and what is in it. */
struct chain *buffer(size_t size);
void is_frame(const struct chain *c, uint32_t id, uint32_t flags, const void *data,
	      unsigned length);
unsigned number_in(const struct chain *c);

#endif
