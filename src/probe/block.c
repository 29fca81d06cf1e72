/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of virtio-blk, for comparisons: reads for `bench` (virtio 1.4, 5.2.6). */
#include <errno.h>
#include <string.h>

#include "driver.h"

struct block_head {
	le32_t type, reserved;
	le64_t sector;
};
WIRE_SIZE(struct block_head, 16);

enum { SECTOR = 512 };

/* The scale is the number of sectors of one request. */
static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	uint64_t stride = in / SECTOR;
	le64_t capacity;
	int ret = vdev_config(v, 0, &capacity, sizeof(capacity), err);

	if (ret < 0)
		return ret;
	if (in == 0 || in % SECTOR != 0)
		return error_set(err, -EINVAL, "--in %u: a disk reads multiples of %d bytes", in,
				 SECTOR);
	if (le64_get(capacity) < stride)
		return error_set(err, -ENOSPC, "the disk has %llu sectors, less than one request",
				 (unsigned long long)le64_get(capacity));
	*ret_plan = (struct load_plan){ le64_get(capacity) / stride, stride };
	return 0;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct block_head head = { .sector = le64(number * plan->scale) };

	memcpy(out, &head, sizeof(head));
}

static bool is_ok(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == in_size && in[in_size - 1] == 0;
}

static const struct load load = {
	.head = sizeof(struct block_head), .in = 4096, .tail = 1, .prepare = prepare,
	.fill = fill, .good = is_ok,
};

const struct driver driver_block = { "block", .queues = 1, .load = &load };
