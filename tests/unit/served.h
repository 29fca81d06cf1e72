/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A real device on the real core, served by a thread, and the driver's side
 * of it: connection, memory and one ring of the front end library.
 */
#ifndef TESTS_SERVED_H
#define TESTS_SERVED_H

#include "core/instance-core.h"
#include "vhost-frontend/ring.h"

enum { SERVED_DATA = 4 << 20, SERVED_WAIT_MS = 20000 };

struct served {
	unsigned poll_us;               /* the loop polls; set before served_open() */
	struct fe *fe;
	struct fe_mem *mem;
	struct fe_ring *ring;
	uint64_t data, data_size;       /* guest memory for requests */
	unsigned char *view;            /* .. as the test sees it */
	struct error err;
};

extern struct served served;

/* Fails the test with the text of the error. */
#define served_ok(expr) do { \
	int ret_ = (expr); \
	ck_assert_msg(ret_ >= 0, "%s: %s", #expr, served.err.text); } while (0)

/* One option as on the command line, before served_open(). */
void served_option(const struct device *device, const char *name, const char *text);
void served_open(const struct device *device);
/* Negotiate and start a ring. */
void served_start(unsigned size, uint64_t ring_features);
void served_close(void);

/* One request and its answer: the length that the device told. */
uint32_t served_ask(const struct fe_seg *segs, unsigned n_out, unsigned n_in, unsigned flags);

#endif
