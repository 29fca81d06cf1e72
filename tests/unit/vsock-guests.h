/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Some guests of one process, with the socket device on the real core, on one loop. */
#ifndef TESTS_VSOCK_GUESTS_H
#define TESTS_VSOCK_GUESTS_H

#include <check.h>

#include "probe/vsock-guest.h"
#include "vhost-frontend/ring.h"

enum { RIG_GUESTS = 3, RIG_CID = 3, RIG_MS = 20000, RIG_LAYOUTS = 3 };

struct rig_guest {
	struct fe *fe;
	struct fe_mem *mem;
	struct vdev vdev;
	struct vg g;
	uint64_t cid;
};

struct rig {
	struct rig_guest guests[RIG_GUESTS];
	unsigned indirect;              /* largest indirect table, set before rig_open() */
	char dir[40];
	struct error err;
};

extern struct rig rig;

#define rig_ok(expr) do { \
	int ret_ = (expr); \
	ck_assert_msg(ret_ >= 0, "%s: %s", #expr, rig.err.text); } while (0)

/* Before rig_open(): an option of all guests. */
void rig_option(const char *name, const char *text);
/* CIDs from RIG_CID on; the drivers run, with receive buffers. */
void rig_open(unsigned layout);
/* The front end of a guest hangs up. */
void rig_leave(unsigned i);
/* A guest's rings stop, are forgotten if it was reset, and run again. */
void rig_stop(unsigned i);
void rig_reset(unsigned i);
void rig_start(unsigned i);
void rig_close(void);

/* A packet from guest i to guest k, from port to port. */
struct vg_packet rig_packet(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to);
void rig_put(unsigned i, const struct vg_packet *p, const void *data);
void rig_put_op(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to);
/* The next packet of guest i, which must be this one. */
struct vg_packet rig_get(unsigned i);
struct vg_packet rig_get_op(unsigned i, uint16_t op);
/* Guest i has had everything: the answer to a packet that always has one comes next. */
void rig_get_nothing(unsigned i);

#endif
