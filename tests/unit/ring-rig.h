/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Two queues of one instance with a driver at each, for the tests of the ring engine. */
#ifndef RING_RIG_H
#define RING_RIG_H

#include "ring-driver.h"

enum device_mode {
	ECHO,                           /* copies the readable bytes to the writable ones */
	HOLD,                           /* pops and keeps */
	IGNORE,                         /* pops nothing */
};

struct lane {
	struct driver driver;
	struct queue *queue;
	int kick, call, err;            /* the test's ends */
	enum device_mode mode;
	unsigned handled, popped, told_broken, told_drained, told_inband, told_inband_err,
		told_stalled;
	unsigned popped_at_most;        /* in one call of handle() */
	void (*on_handle)(struct lane *l);
};

/* The second ring is a small one in any case, behind the largest. */
enum { RIG_LANES = 2, RIG_PLACE = 960 << 10, RIG_SECOND = 2048 };

struct rig {
	struct guest guest;
	struct loop *loop;
	struct mem_map *map;
	struct queue_group group;
	struct lane lane[RIG_LANES];
};

extern struct rig rig;

/* Everything but queue_run(). The setup counts for both lanes. */
void rig_prepare(const struct driver_setup *s);
void rig_start(const struct driver_setup *s);   /* .. with it, and the first handle() */
void rig_stop(void);
void rig_configure(struct lane *l, uint32_t base);

/* n buffers of one request; a kick if the device wants one; then a turn. */
void rig_add(struct lane *l, const struct buffer *b, unsigned n, void *cookie);
void rig_turn(void);
void rig_send(struct lane *l, const struct buffer *b, unsigned n, void *cookie);
/* A small request that an echo serves: 8 bytes each way, for numbers below 1000. */
void rig_add_small(struct lane *l, unsigned number);
void rig_send_small(struct lane *l, unsigned number);
/* The next used buffer; its length, or -1 when there is none. */
int64_t rig_collect(struct lane *l, void **ret_cookie);
bool rig_readable(int fd);
/* Was there a signal? Takes it. */
bool rig_signalled(struct lane *l);
/* How much of the guest's file is mapped, the driver's own mapping not counted. */
unsigned rig_mapped_pages(void);
/* The number'th open chain, oldest first. */
struct chain *rig_chain(struct lane *l, unsigned number);

#endif
