/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A driver's virtqueue: building it, and setting it up at a back end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fe-priv.h"
#include "fe-ring.h"
#include "vhost-device/fd.h"

enum { MAX_INDIRECT = 1024 };

/* -- Building -------------------------------------------------------------- */

static int check_setup(const struct fe_ring_setup *s, bool packed, struct error *err)
{
	if (s->size == 0 || s->size > VIRTQUEUE_MAX_SIZE ||
	    (!packed && (s->size & (s->size - 1)) != 0))
		return error_set(err, -EINVAL, "a %s ring cannot have %u entries",
				 packed ? "packed" : "split", s->size);
	if (s->indirect > MAX_INDIRECT)
		return error_set(err, -EINVAL, "indirect tables of %u entries are too long",
				 s->indirect);
	return 0;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
	return (n + align - 1) / align * align;
}

/* All parts in one piece: descriptors, driver's part, device's part, indirect tables. */
static int place(struct fe_ring *r, struct error *err)
{
	struct fe_ring_layout *l = &r->layout;
	uint64_t n = r->size, driver, device, tables;
	int ret;

	l->desc_size = 16 * n;
	l->driver_size = r->packed ? 4 : 6 + 2 * n;
	l->device_size = r->packed ? 4 : 6 + 8 * n;
	driver = l->desc_size;
	device = round_up(driver + l->driver_size, 4);
	tables = round_up(device + l->device_size, 16);
	ret = fe_mem_alloc(r->mem, r->setup.region, tables + 16 * n * r->setup.indirect, 16,
			   &l->desc);
	if (ret < 0)
		return error_set(err, ret, "no room for a ring of %u entries in guest memory",
				 r->size);
	l->driver = l->desc + driver;
	l->device = l->desc + device;
	r->tables = l->desc + tables;
	r->desc = fe_mem_at(r->mem, l->desc, tables);
	r->driver = (uint8_t *)r->desc + driver;
	r->device = (uint8_t *)r->desc + device;
	return 0;
}

static int open_fds(struct fe_ring *r, struct error *err)
{
	r->err_fd = fd_eventfd();
	if (!r->setup.inband)
		r->kick = fd_eventfd();
	if (!r->setup.inband && !r->setup.no_call)
		r->call = fd_eventfd();
	if (r->err_fd < -1 || r->kick < -1 || r->call < -1)
		return error_set(err, -EMFILE, "no descriptors for the eventfds of a ring");
	return 0;
}

static int build(struct fe_ring *r, struct error *err)
{
	int ret = place(r, err);

	if (ret < 0)
		return ret;
	/* One piece of memory for all four arrays. */
	r->slots = calloc(r->size, sizeof(*r->slots) + sizeof(*r->pieces) + sizeof(*r->next) +
			  sizeof(*r->order));
	if (r->slots == NULL)
		return error_memory(err);
	r->pieces = (struct fe_piece *)(r->slots + r->size);
	r->next = (uint16_t *)(r->pieces + r->size);
	r->order = r->next + r->size;
	return open_fds(r, err);
}

int fe_ring_new(struct fe_mem *mem, const struct fe_ring_setup *setup, struct fe_ring **ret_ring,
		struct error *err)
{
	bool packed = (setup->features & BIT(VIRTIO_F_RING_PACKED)) != 0;
	struct fe_ring *r;
	int ret = check_setup(setup, packed, err);

	if (ret < 0)
		return ret;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return error_memory(err);
	r->mem = mem;
	r->setup = *setup;
	r->size = setup->size;
	r->packed = packed;
	r->event_idx = (setup->features & BIT(VIRTIO_F_EVENT_IDX)) != 0;
	r->in_order = (setup->features & BIT(VIRTIO_F_IN_ORDER)) != 0;
	r->ops = packed ? &fe_packed_ops : &fe_split_ops;
	r->kick = r->call = r->err_fd = -1;
	ret = build(r, err);
	if (ret < 0) {
		fe_ring_free(r);
		return ret;
	}
	fe_ring_reset(r);
	*ret_ring = r;
	return 0;
}

void fe_ring_free(struct fe_ring *r)
{
	if (r == NULL)
		return;
	fd_close(&r->kick);
	fd_close(&r->call);
	fd_close(&r->err_fd);
	free(r->slots);
	free(r);
}

void fe_ring_reset(struct fe_ring *r)
{
	unsigned i;

	memset(r->desc, 0, r->layout.desc_size);
	memset(r->driver, 0, r->layout.driver_size);
	memset(r->device, 0, r->layout.device_size);
	memset(r->slots, 0, r->size * sizeof(*r->slots));
	for (i = 0; i < r->size; i++)
		r->next[i] = (uint16_t)(i + 1);
	r->free_head = 0;
	r->free = (uint16_t)r->size;
	r->avail = r->used = 0;
	r->avail_wrap = r->used_wrap = true;
	r->base = r->packed ? 0x80008000 : 0;
	r->added = r->outstanding = r->oldest = r->batch = 0;
	r->broken = false;
	r->ops->reset(r);
}

/* -- At the back end ------------------------------------------------------- */

void fe_ring_addr(const struct fe_ring *r, struct vu_vring_addr *ret_addr)
{
	*ret_addr = (struct vu_vring_addr){
		.index = r->setup.index,
		.desc = fe_mem_user(r->mem, r->layout.desc),
		.avail = fe_mem_user(r->mem, r->layout.driver),
		.used = fe_mem_user(r->mem, r->layout.device),
	};
}

static int send_addr(const struct fe_ring *r, struct fe *fe, struct error *err)
{
	struct vu_vring_addr addr;

	fe_ring_addr(r, &addr);
	return fe_set_vring_addr(fe, &addr, err);
}

int fe_ring_send(struct fe_ring *r, struct fe *fe, enum fe_ring_step step, struct error *err)
{
	unsigned index = r->setup.index;

	switch (step) {
	case FE_RING_NUM:
		return fe_set_vring_num(fe, index, r->size, err);
	case FE_RING_BASE:
		return fe_set_vring_base(fe, index, r->base, err);
	case FE_RING_ADDR:
		return send_addr(r, fe, err);
	case FE_RING_KICK:
		return r->setup.inband ? fe_vring_kick(fe, index, err)
			: fe_set_vring_kick(fe, index, r->kick, err);
	case FE_RING_CALL:
		return r->setup.inband ? 0 : fe_set_vring_call(fe, index, r->call, err);
	case FE_RING_ERR:
		return fe_set_vring_err(fe, index, r->setup.inband ? -1 : r->err_fd, err);
	case FE_RING_ENABLE:
		/* Without bit 30 a ring starts enabled, and the request is not known. */
		if (!(fe_acked(fe) & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
			return 0;
		return fe_set_vring_enable(fe, index, true, err);
	case FE_RING_N_STEPS:
		break;
	}
	return error_set(err, -EINVAL, "no such step");
}

int fe_ring_start(struct fe_ring *r, struct fe *fe, struct error *err)
{
	static const enum fe_ring_step steps[] = {
		FE_RING_NUM, FE_RING_BASE, FE_RING_ADDR, FE_RING_ERR, FE_RING_KICK, FE_RING_CALL,
		FE_RING_ENABLE,
	};
	unsigned i;
	int ret;

	r->inband_calls = fe_inband_calls(fe, r->setup.index);
	r->inband_errs = fe_inband_errs(fe, r->setup.index);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ret = fe_ring_send(r, fe, steps[i], err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int fe_ring_get_base(struct fe_ring *r, struct fe *fe, uint32_t *ret_base, struct error *err)
{
	uint32_t base;
	int ret = fe_get_vring_base(fe, r->setup.index, &base, err);

	if (ret < 0)
		return ret;
	if (!r->ops->base_ok(r, base))
		return error_set(err, -EPROTO, "queue %u: the back end says that it stopped at "
				 "0x%x, where it cannot be", r->setup.index, base);
	r->base = base;
	*ret_base = base;
	return 0;
}

int fe_ring_stop(struct fe_ring *r, struct fe *fe, struct error *err)
{
	uint32_t base;
	int ret = 0;

	if (fe_acked(fe) & BIT(VHOST_USER_F_PROTOCOL_FEATURES))
		ret = fe_set_vring_enable(fe, r->setup.index, false, err);
	return ret < 0 ? ret : fe_ring_get_base(r, fe, &base, err);
}
