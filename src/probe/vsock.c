/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Driver half of virtio-vsock (virtio 1.4, 5.10), for comparisons: packets for
 * `bench` that a device takes, looks up and drops, resets of connections that
 * there are not.
 */
#include <errno.h>
#include <string.h>

#include "vsock-guest.h"

enum { PORTS = 1024 };

/* The scale is the CID of the guest. */
static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	le64_t cid;
	int ret = vdev_config(v, 0, &cid, sizeof(cid), err);

	if (ret == 0)
		*ret_plan = (struct load_plan){ PORTS, le64_get(cid) };
	return ret;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct virtio_vsock_hdr head = {
		.src_cid = le64(plan->scale), .dst_cid = le64(VSOCK_CID_HOST),
		.src_port = le32((uint32_t)number + PORTS), .dst_port = le32(PORTS),
		.type = le16(VSOCK_TYPE_STREAM), .op = le16(VSOCK_OP_RST),
	};

	memcpy(out, &head, sizeof(head));
}

static const struct load load = {
	.head = sizeof(struct virtio_vsock_hdr), .prepare = prepare, .fill = fill,
};

const struct driver driver_vsock = {
	"vsock", .queues = 3, .bench_queue = VSOCK_TXQ, .load = &load,
	.ends = vsock_load,
};
