/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Was the guest reset? No message says so: GET_VRING_BASE and SET_STATUS 0
 * come for a pause too, and some front ends send neither. A reset is decided
 * by evidence, once something has run: RESET_DEVICE; or, while nothing runs,
 * the driver writes the config space, acknowledges other features, or a ring
 * gets a base other than where it stopped; or, at start, a ring is not as we
 * left it: a split one by its used index, a packed one by its marks. The first
 * evidence calls reset() once; after that something must run again before
 * there can be another.
 */
#include "core/instance-priv.h"

/* Where a packed ring begins: both halves at 0, with the wrap bit. */
static const uint32_t packed_begin = 0x80008000;

static bool is_packed(const struct instance *in)
{
	return in->features & BIT(VIRTIO_F_RING_PACKED);
}

static void tell(struct instance *in, enum reset_why why)
{
	unsigned i;

	in->ran = false;
	for (i = 0; i < in->n_rings; i++) {
		in->rings[i].fresh = true;
		in->rings[i].stopped = false;
	}
	if (in->device->reset != NULL)
		in->device->reset(in, why);
}

void reset_evidence(struct instance *in, const char *what)
{
	if (!in->ran || in->n_running > 0)
		return;
	log_debug(in, "the guest was reset: %s", what);
	tell(in, RESET_DRIVER);
}

/*
 * An entry that was used in a lap with the wrap bit has AVAIL and USED; the
 * driver's next lap takes AVAIL away, and what comes after that waits for us.
 * So some USED stays, whatever the driver adds meanwhile.
 */
static bool lost_marks(const struct ring *r)
{
	bool any;

	return r->had_marks && queue_peek_marks(r->q, VIRTQ_DESC_USED, &any) && !any;
}

void reset_check_rings(struct instance *in)
{
	uint16_t used;
	unsigned i;

	if (in->n_running > 0)
		return;
	for (i = 0; i < in->n_rings && in->ran; i++) {
		struct ring *r = &in->rings[i];

		if (!r->stopped || r->fresh)
			continue;
		if (lost_marks(r))
			reset_evidence(in, "a packed ring without our marks");
		else if (queue_peek_used(r->q, &used) && used != (uint16_t)r->stopped_at)
			reset_evidence(in, "a used index that is not ours");
	}
}

void reset_by_device_request(struct instance *in)
{
	const uint32_t first = is_packed(in) ? packed_begin : 0;
	unsigned i;

	reset_evidence(in, "RESET_DEVICE");
	for (i = 0; i < in->n_rings; i++) {
		in->rings[i].stopped = false;
		in->rings[i].fresh = true;
		in->rings[i].broken = false;
		queue_set_base(in->rings[i].q, first);
	}
}

void reset_session_ended(struct instance *in)
{
	tell(in, RESET_LEFT);
}

void reset_ring_stopped(struct ring *r)
{
	bool any = false;

	r->stopped = true;
	r->stopped_at = queue_base(r->q);
	r->had_marks = queue_peek_marks(r->q, VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED, &any) && any;
}

void reset_ring_base(struct ring *r, uint32_t base)
{
	/* The lower half is what every layout and front end agrees on. */
	if (r->stopped && (uint16_t)base == (uint16_t)r->stopped_at)
		return;
	if (r->stopped)
		reset_evidence(r->in, "a new ring base");
	r->fresh = true;
}

/*
 * cloud-hypervisor gives the avail index as base, which would lose buffers
 * that the driver added before it said DRIVER_OK; a ring without a used entry
 * begins at 0 in any case. A device that keeps the order has served exactly
 * what is used, whoever ran it before.
 *
 * UML's base is 0 for packed rings as well, without the wrap bit that they
 * begin with; a ring at 0 in its second pass has used entries of the first.
 */
void reset_place_ring(struct ring *r)
{
	uint16_t used;
	bool any;

	if (!r->fresh)
		return;
	if (is_packed(r->in)) {
		if (lost_marks(r) ||
		    (queue_base(r->q) == 0 &&
		     queue_peek_marks(r->q, VIRTQ_DESC_USED, &any) && !any))
			queue_set_base(r->q, packed_begin);
		return;
	}
	if (!queue_peek_used(r->q, &used))
		return;
	if (used == 0 || (r->in->device->flags & DEV_IN_ORDER))
		queue_set_base(r->q, used);
}
