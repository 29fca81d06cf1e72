/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Life of a ring: configuration, returns, order, budget, stops. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "ring-rig.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

static struct lane *lane = &rig.lane[0], *other = &rig.lane[1];

/* Every test runs on both layouts. */
static struct driver_setup both(int i, unsigned size)
{
	return (struct driver_setup){ .size = size, .packed = i & 1 };
}

static const struct buffer out_8 = { GUEST_DATA + 32, 8, true };

static void start_holding(int i, unsigned size)
{
	struct driver_setup s = both(i, size);

	rig_start(&s);
	lane->mode = other->mode = HOLD;
}

static unsigned number_of(void *cookie)
{
	return (unsigned)(uintptr_t)cookie - 1;
}

/* Configuration. */

START_TEST(sizes)
{
	const struct driver_setup s = both(_i, 16);
	struct queue *q;

	rig_prepare(&s);
	q = lane->queue;
	ck_assert_int_eq(queue_set_size(q, 0), -EINVAL);
	ck_assert_int_eq(queue_set_size(q, 32769), -EINVAL);
	ck_assert_int_eq(queue_set_size(q, 65536 + 16), -EINVAL);
	ck_assert_int_eq(queue_set_size(q, 24), s.packed ? 0 : -EINVAL);
	queue_set_max_size(q, 64);
	ck_assert_uint_eq(queue_max_size(q), 64);
	ck_assert_int_eq(queue_set_size(q, 128), -EINVAL);
	ck_assert_int_eq(queue_set_size(q, 64), 0);
	ck_assert_uint_eq(queue_size(q), 64);
	rig_stop();
}
END_TEST

START_TEST(size_chosen_before_the_layout)
{
	const struct driver_setup s = both(1, 24);
	struct error err = ERROR_NONE;

	rig_prepare(&s);
	queue_set_features(lane->queue, 0, false);
	ck_assert_int_eq(queue_run(lane->queue, &err), -EINVAL);
	rig_stop();
}
END_TEST

START_TEST(incomplete_does_not_run)
{
	const struct driver_setup s = both(_i, 16);
	struct error err = ERROR_NONE;
	uint16_t used;

	rig_prepare(&s);
	ck_assert(queue_complete(lane->queue));
	queue_set_memory(lane->queue, NULL);
	ck_assert(!queue_complete(lane->queue));
	ck_assert_int_eq(queue_run(lane->queue, &err), -EAGAIN);
	ck_assert(!queue_peek_used(lane->queue, &used));
	queue_reset(lane->queue);
	queue_set_memory(lane->queue, rig.map);
	ck_assert_int_eq(queue_run(lane->queue, &err), -EAGAIN);
	ck_assert_int_eq(queue_set_size(lane->queue, 16), 0);
	ck_assert_int_eq(queue_run(lane->queue, &err), -EAGAIN);
	ck_assert(!queue_running(lane->queue));
	rig_stop();
}
END_TEST

/* Parts of the ring that are moved somewhere else by so much. */
static const struct {
	uint64_t desc, avail, used;
	int ret;
} places[] = {
	{ 0, 0, 0, 0 },
	{ 1, 0, 0, -EFAULT },
	{ 8, 0, 0, -EFAULT },
	{ 0, 1, 0, -EFAULT },
	{ 0, 0, 1, -EFAULT },
	{ 0, 0, 2, -EFAULT },
	{ 1ULL << 40, 0, 0, -EFAULT },
	{ 0, 1ULL << 40, 0, -EFAULT },
	{ 0, 0, 1ULL << 40, -EFAULT },
	{ GUEST_RING_SIZE - 16, 0, 0, -EFAULT },
	{ (uint64_t)-16, 0, 0, -EFAULT },
};

START_TEST(ring_must_lie_in_memory)
{
	const struct driver_setup s = both(_i, 16);
	struct error err = ERROR_NONE;
	struct queue_addr a;

	rig_prepare(&s);
	a = driver_addr(&lane->driver);
	a.desc += places[_i / 2].desc;
	a.avail += places[_i / 2].avail;
	a.used += places[_i / 2].used;
	queue_set_addr(lane->queue, &a);
	ck_assert_int_eq(queue_run(lane->queue, &err), places[_i / 2].ret);
	ck_assert_int_eq(err.text[0] != '\0', places[_i / 2].ret < 0);
	rig_stop();
}
END_TEST

/* The event words behind the rings count as well. */
START_TEST(ring_may_end_with_its_region)
{
	const struct driver_setup s = both(0, 16);
	struct error err = ERROR_NONE;
	struct queue_addr a;

	rig_prepare(&s);
	a = driver_addr(&lane->driver);
	a.used = guest_user(&rig.guest, GUEST_RING) + GUEST_RING_SIZE - 6 - 8 * 16 - 2;
	queue_set_addr(lane->queue, &a);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_detach(lane->queue);
	a.used += 4;
	queue_set_addr(lane->queue, &a);
	ck_assert_int_eq(queue_run(lane->queue, &err), -EFAULT);
	rig_stop();
}
END_TEST

START_TEST(nothing_changes_while_it_runs)
{
	const struct driver_setup s = both(_i, 16);
	struct error err = ERROR_NONE;
	struct queue_addr a;

	rig_start(&s);
	a = driver_addr(&lane->driver);
	ck_assert_int_eq(queue_set_size(lane->queue, 8), -EBUSY);
	ck_assert_int_eq(queue_set_addr(lane->queue, &a), -EBUSY);
	ck_assert_int_eq(queue_set_base(lane->queue, 0), -EBUSY);
	ck_assert_int_eq(queue_run(lane->queue, &err), -EBUSY);
	rig_send_small(lane, 1);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	rig_stop();
}
END_TEST

/* Features that come while it runs count from the next start on. */
START_TEST(features_change_while_it_runs)
{
	struct driver_setup s = both(_i, 16);
	struct error err = ERROR_NONE;
	unsigned i;

	s.event_idx = s.in_order = true;
	rig_start(&s);
	lane->mode = HOLD;
	rig_add_small(lane, 0);
	rig_send_small(lane, 1);
	chain_done(rig_chain(lane, 1));
	queue_set_features(lane->queue, s.packed ? 0 : BIT(VIRTIO_F_RING_PACKED), false);
	chain_done(rig_chain(lane, 0));
	rig_turn();
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(rig_collect(lane, NULL), 0);
	lane->mode = ECHO;
	rig_send_small(lane, 2);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	queue_detach(lane->queue);
	queue_set_base(lane->queue, 0x80008000);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	ck_assert_uint_eq(queue_base(lane->queue), s.packed ? 0x8000 : 0x80008000);
	rig_stop();
}
END_TEST

static const struct {
	uint32_t base;
	int ret;
	uint32_t found;
} packed_bases[] = {
	{ 0x80008000, 0, 0x80008000 },
	{ 0x00008000, 0, 0x80008000 },          /* one half only, as some front ends send it */
	{ 0x00000003, 0, 0x00030003 },
	{ 0x80058005, 0, 0x80058005 },
	{ 0x00050005, 0, 0x00050005 },
	{ 0x80038005, 0, 0x80038005 },          /* two slots are out */
	{ 0x80050000, 0, 0x80050000 },          /* so many that the lap is over */
	{ 0x80008007, 0, 0x80008007 },
	{ 0x80078000, -EINVAL, 0 },             /* used ahead of available */
	{ 0x80008008, -EINVAL, 0 },
	{ 0x80088000, -EINVAL, 0 },
	{ 0x80030005, -EINVAL, 0 },             /* more than a ring between them */
	{ 0xffffffff, -EINVAL, 0 },
};

START_TEST(packed_base)
{
	const struct driver_setup s = both(1, 8);
	struct error err = ERROR_NONE;

	rig_prepare(&s);
	queue_set_base(lane->queue, packed_bases[_i].base);
	ck_assert_uint_eq(queue_base(lane->queue), packed_bases[_i].base);
	ck_assert_int_eq(queue_run(lane->queue, &err), packed_bases[_i].ret);
	if (packed_bases[_i].ret == 0)
		ck_assert_uint_eq(queue_base(lane->queue), packed_bases[_i].found);
	rig_stop();
}
END_TEST

START_TEST(base_of_a_ring_never_told)
{
	const struct driver_setup s = both(_i, 8);
	uint32_t fresh = s.packed ? 0x80008000 : 0;
	struct error err = ERROR_NONE;
	struct queue_addr a;

	rig_prepare(&s);
	a = driver_addr(&lane->driver);
	queue_reset(lane->queue);
	ck_assert_uint_eq(queue_base(lane->queue), fresh);
	queue_set_size(lane->queue, 8);
	queue_set_addr(lane->queue, &a);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	ck_assert_uint_eq(queue_base(lane->queue), fresh);
	rig_stop();
}
END_TEST

START_TEST(base_goes_on_over_the_wrap)
{
	const struct driver_setup s = { .size = 8, .base = 65534 };
	uint16_t used;
	unsigned i;

	rig_start(&s);
	for (i = 0; i < 3; i++)
		rig_send_small(lane, i);
	queue_halt(lane->queue);
	rig_turn();
	ck_assert_uint_eq(queue_base(lane->queue), 1);
	queue_detach(lane->queue);
	ck_assert_uint_eq(queue_base(lane->queue), 1);
	ck_assert_uint_eq(queue_base(lane->queue), 1);
	ck_assert(queue_peek_used(lane->queue, &used));
	ck_assert_uint_eq(used, 1);
	rig_stop();
}
END_TEST

START_TEST(runs_again_where_it_stopped)
{
	const struct driver_setup s = both(_i, 4);
	struct error err = ERROR_NONE;
	unsigned i;

	rig_start(&s);
	for (i = 0; i < 7; i++) {
		rig_send_small(lane, i);
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
		queue_halt(lane->queue);
		rig_turn();
		queue_detach(lane->queue);
		rig_add_small(lane, 50 + i);
		ck_assert_int_eq(queue_run(lane->queue, &err), 0);
		queue_wake(lane->queue);
		rig_turn();
		ck_assert_int_eq(rig_collect(lane, NULL), 8);
	}
	rig_stop();
}
END_TEST

/* Returns. */

START_TEST(newest_goes_back_unseen)
{
	void *cookie;
	uint32_t base;

	start_holding(_i, 8);
	base = queue_base(lane->queue);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	ck_assert_uint_eq(queue_held(lane->queue), 2);
	ck_assert(chain_newest(rig_chain(lane, 1)));
	ck_assert(!chain_newest(rig_chain(lane, 0)));
	ck_assert(chain_return(rig_chain(lane, 1)));
	ck_assert(chain_newest(rig_chain(lane, 0)));
	ck_assert(chain_return(rig_chain(lane, 0)));
	ck_assert_uint_eq(queue_base(lane->queue), base);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	ck_assert(!rig_signalled(lane));
	/* Popped anew, they are the same, in the same order. */
	lane->mode = ECHO;
	queue_wake(lane->queue);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, &cookie), 8);
	ck_assert_uint_eq(number_of(cookie), 1);
	ck_assert_int_eq(rig_collect(lane, &cookie), 8);
	ck_assert_uint_eq(number_of(cookie), 2);
	rig_stop();
}
END_TEST

START_TEST(older_one_ends_empty)
{
	void *cookie;

	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	chain_put(rig_chain(lane, 0), "abc", 3);
	ck_assert(!chain_return(rig_chain(lane, 0)));
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, &cookie), 0);
	ck_assert_uint_eq(number_of(cookie), 1);
	ck_assert_uint_eq(queue_held(lane->queue), 1);
	rig_stop();
}
END_TEST

START_TEST(popped_last_but_not_newest)
{
	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	chain_done(rig_chain(lane, 1));
	/* The newer one is gone for good, so this one cannot go back before it. */
	ck_assert(!chain_newest(rig_chain(lane, 0)));
	ck_assert(!chain_return(rig_chain(lane, 0)));
	rig_stop();
}
END_TEST

START_TEST(return_all)
{
	uint32_t base;
	void *cookie;
	unsigned i;

	start_holding(_i, 64);
	base = queue_base(lane->queue);
	for (i = 0; i < 30; i++) {
		rig_add_small(lane, i);
		if (i % 10 == 9)
			rig_turn();
	}
	ck_assert_uint_eq(queue_held(lane->queue), 30);
	queue_return_all(lane->queue);
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	ck_assert_ptr_null(queue_next(lane->queue, NULL));
	ck_assert_uint_eq(queue_base(lane->queue), base);
	lane->mode = ECHO;
	queue_wake(lane->queue);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, &cookie), 8);
	ck_assert_uint_eq(number_of(cookie), 0);
	rig_stop();
}
END_TEST

START_TEST(return_all_but_some)
{
	unsigned i;

	start_holding(_i, 16);
	for (i = 0; i < 6; i++)
		rig_add_small(lane, i);
	rig_turn();
	chain_done(rig_chain(lane, 3));
	queue_return_all(lane->queue);
	rig_turn();
	/* Two went back; the done one and those before it were used. */
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	rig_stop();
}
END_TEST

/* Order. */

START_TEST(ends_become_visible_in_their_order)
{
	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_add_small(lane, 2);
	rig_add_small(other, 3);
	rig_turn();
	chain_done(rig_chain(lane, 0));
	ck_assert(!driver_has_used(&lane->driver));
	chain_done(rig_chain(other, 0));
	/* The former is there, the latter not yet, and nobody was told. */
	ck_assert(driver_has_used(&lane->driver));
	ck_assert(!driver_has_used(&other->driver));
	ck_assert(!rig_readable(lane->call));
	chain_done(rig_chain(lane, 0));
	ck_assert(driver_has_used(&other->driver));
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert(rig_signalled(lane));
	ck_assert(rig_signalled(other));
	rig_stop();
}
END_TEST

START_TEST(flush_publishes_and_signals_now)
{
	start_holding(_i, 8);
	rig_send_small(lane, 1);
	chain_done(rig_chain(lane, 0));
	ck_assert(!driver_has_used(&lane->driver));
	queue_flush(lane->queue);
	ck_assert(driver_has_used(&lane->driver));
	ck_assert(rig_signalled(lane));
	rig_turn();
	ck_assert(!rig_signalled(lane));
	rig_stop();
}
END_TEST

/* The entries of the used ring as they stand, in ring order from the start. */
static unsigned used_entries(uint16_t *ret_ids, unsigned max)
{
	struct driver *d = &lane->driver;
	const struct vring_packed_desc *p;
	unsigned i, n = 0;

	for (i = 0; i < max; i++) {
		p = (const struct vring_packed_desc *)(const void *)
			guest_at(&rig.guest, d->desc + 16 * (uint64_t)i);
		if ((le16_get(p->flags) & (VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED)) ==
		    (VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED))
			ret_ids[n++] = le16_get(p->id);
	}
	return n;
}

static void one_buffer(unsigned number)
{
	rig_add(lane, &out_8, 1, (void *)(uintptr_t)(number + 1));
}

static uint32_t split_entry(unsigned slot, uint32_t *ret_len)
{
	struct virtq_used_elem e;

	memcpy(&e, guest_at(&rig.guest, lane->driver.used + 4 + 8 * (uint64_t)slot), sizeof(e));
	*ret_len = le32_get(e.len);
	return le32_get(e.id);
}

/* Six buffers, of which all but the third are filled: entries for the third and the sixth. */
START_TEST(in_order_entries_speak_for_full_buffers)
{
	struct driver_setup s = both(_i, 8);
	uint16_t ids[8];
	uint32_t len;
	void *cookie;
	unsigned i;

	s.in_order = true;
	rig_start(&s);
	lane->mode = HOLD;
	memset(guest_at(&rig.guest, lane->driver.used + 4), 0xee, 64);
	for (i = 0; i < 6; i++)
		one_buffer(i);
	rig_turn();
	for (i = 0; i < 6; i++) {
		ck_assert(chain_put(rig_chain(lane, 0), "12345678", i == 2 ? 3 : 8));
		chain_done(rig_chain(lane, 0));
	}
	rig_turn();
	if (s.packed) {
		ck_assert_uint_eq(used_entries(ids, 8), 2);
		ck_assert_uint_eq(ids[0], 2);
		ck_assert_uint_eq(ids[1], 5);
	} else {
		ck_assert_uint_eq(split_used_idx(&lane->driver), 6);
		ck_assert_uint_eq(split_entry(0, &len), 2);
		ck_assert_uint_eq(len, 3);
		ck_assert_uint_eq(split_entry(3, &len), 5);
		ck_assert_uint_eq(split_entry(1, &len), 0xeeeeeeee);
		ck_assert_uint_eq(split_entry(4, &len), 0xeeeeeeee);
	}
	for (i = 0; i < 6; i++) {
		ck_assert_int_eq(rig_collect(lane, &cookie), i == 2 ? 3 : 8);
		ck_assert_uint_eq(number_of(cookie), i);
	}
	rig_stop();
}
END_TEST

START_TEST(in_order_waits_for_the_oldest)
{
	struct driver_setup s = both(_i, 8);
	unsigned i;

	s.in_order = true;
	rig_start(&s);
	lane->mode = HOLD;
	for (i = 0; i < 3; i++)
		one_buffer(i);
	rig_turn();
	chain_done(rig_chain(lane, 2));
	chain_done(rig_chain(lane, 1));
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	/* To the device they are gone. */
	ck_assert_uint_eq(queue_held(lane->queue), 1);
	ck_assert_ptr_null(rig_chain(lane, 1));
	chain_done(rig_chain(lane, 0));
	rig_turn();
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(rig_collect(lane, NULL), 0);
	rig_stop();
}
END_TEST

/* Without the feature bit, a device in order gets no batches. */
START_TEST(no_batches_unless_acked)
{
	struct driver_setup s = both(_i, 8);
	struct error err = ERROR_NONE;
	uint16_t ids[8];
	uint32_t len;
	unsigned i;

	rig_prepare(&s);
	queue_set_features(lane->queue, driver_features(&lane->driver), true);
	queue_run(lane->queue, &err);
	lane->mode = HOLD;
	queue_wake(lane->queue);
	for (i = 0; i < 3; i++)
		one_buffer(i);
	rig_turn();
	for (i = 0; i < 3; i++) {
		chain_put(rig_chain(lane, 0), "12345678", 8);
		chain_done(rig_chain(lane, 0));
	}
	rig_turn();
	if (s.packed) {
		ck_assert_uint_eq(used_entries(ids, 8), 3);
	} else {
		for (i = 0; i < 3; i++)
			ck_assert_uint_eq(split_entry(i, &len), i);
	}
	rig_stop();
}
END_TEST

/* In a used descriptor WRITE says that there are bytes (virtio 1.4, 2.8.4). */
START_TEST(packed_used_flags)
{
	const uint16_t used = VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED;
	const struct vring_packed_desc *p;

	start_holding(1, 8);
	p = (const struct vring_packed_desc *)(const void *)
		guest_at(&rig.guest, lane->driver.desc);
	one_buffer(0);
	one_buffer(1);
	rig_turn();
	chain_put(rig_chain(lane, 0), "x", 1);
	chain_done(rig_chain(lane, 0));
	chain_done(rig_chain(lane, 0));
	/* Not a flag of the first before the turn ends. */
	ck_assert_uint_eq(le16_get(p[0].flags) & used, VIRTQ_DESC_AVAIL);
	rig_turn();
	ck_assert_uint_eq(le16_get(p[0].flags), used | VIRTQ_DESC_WRITE);
	ck_assert_uint_eq(le16_get(p[1].flags), used);
	rig_stop();
}
END_TEST

/* Budget. */

/* Long requests take more of it: another guest must not wait for a thousand pieces of each. */
START_TEST(long_requests_cost_more)
{
	enum { DESCS = 1000, REQUESTS = 100 };
	/* Over two borders of regions: three pieces, found anew for each descriptor. */
	const struct buffer across = { GUEST_DATA + 5 * GUEST_PAGE - 3, 7 * GUEST_PAGE + 8, true };
	const struct buffer inside = { GUEST_DATA, 8, true };
	const bool crosses = _i & 2;
	static struct buffer b[DESCS];
	struct driver_setup s = { .size = 1024, .packed = _i & 1 };
	unsigned i;

	for (i = 0; i < DESCS; i++)
		b[i] = crosses ? across : inside;
	rig_start(&s);
	lane->mode = HOLD;
	for (i = 0; i < REQUESTS; i++)
		MUST(driver_add(&lane->driver, b, DESCS, 0, GUEST_APART, NULL));
	fd_signal(lane->kick);
	loop_turn(rig.loop, false);
	/* 1 + 1000 / 256, or 1 + 3000 / 256. */
	ck_assert_uint_eq(lane->popped, crosses ? 22 : 64);
	for (i = 0; i < 6; i++)
		loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->popped, REQUESTS);
	rig_stop();
}
END_TEST

START_TEST(budget_of_a_turn)
{
	const struct driver_setup s = both(_i, 2048);
	unsigned i;

	rig_start(&s);
	for (i = 0; i < 900; i++)
		rig_add_small(lane, i);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 256);
	/* Not a kick more: the loop comes back by itself, without sleeping. */
	loop_turn(rig.loop, true);
	ck_assert_uint_eq(lane->popped, 512);
	loop_turn(rig.loop, true);
	loop_turn(rig.loop, true);
	ck_assert_uint_eq(lane->popped, 900);
	ck_assert_uint_eq(lane->popped_at_most, 256);
	ck_assert_uint_le(queue_stats(lane->queue)->signals, 4);
	rig_stop();
}
END_TEST

START_TEST(whole_ring_in_flight)
{
	const struct driver_setup s = both(_i, 32768);
	struct error err = ERROR_NONE;
	unsigned i, n;

	rig_prepare(&s);
	lane->mode = HOLD;
	queue_run(lane->queue, &err);
	for (n = 0; n < 32768; n++)
		MUST(driver_add(&lane->driver, &out_8, 1, 1, 0, NULL));
	queue_wake(lane->queue);
	for (i = 0; i < 130; i++)
		loop_turn(rig.loop, false);
	ck_assert_uint_eq(queue_held(lane->queue), 32768);
	ck_assert_ptr_null(queue_pop(lane->queue));
	for (n = 0; n < 32768; n++)
		chain_done(queue_next(lane->queue, NULL));
	rig_turn();
	for (n = 0; driver_has_used(&lane->driver); n++)
		MUST(driver_collect(&lane->driver, &(void *){ NULL }, &(uint64_t){ 0 }));
	ck_assert_uint_eq(n, 32768);
	rig_stop();
}
END_TEST

/* Stops. */

START_TEST(halt_waits_for_open_chains)
{
	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	queue_halt(lane->queue);
	ck_assert(!queue_running(lane->queue));
	rig_add_small(lane, 3);
	fd_signal(lane->kick);
	rig_turn();
	ck_assert_uint_eq(lane->popped, 2);
	ck_assert_ptr_null(queue_pop(lane->queue));
	ck_assert_uint_eq(lane->told_drained, 0);
	chain_done(rig_chain(lane, 0));
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert(rig_signalled(lane));
	ck_assert_uint_eq(lane->told_drained, 0);
	chain_done(rig_chain(lane, 0));
	ck_assert_uint_eq(lane->told_drained, 0);
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 1);
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 1);
	rig_stop();
}
END_TEST

START_TEST(halt_with_nothing_open)
{
	start_holding(_i, 8);
	queue_halt(lane->queue);
	ck_assert_uint_eq(lane->told_drained, 0);
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 1);
	rig_stop();
}
END_TEST

START_TEST(returned_while_halted)
{
	uint32_t base;

	start_holding(_i, 8);
	base = queue_base(lane->queue);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	queue_halt(lane->queue);
	queue_return_all(lane->queue);
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 1);
	ck_assert_uint_eq(queue_base(lane->queue), base);
	rig_stop();
}
END_TEST

START_TEST(detach_publishes_what_had_ended)
{
	start_holding(_i, 8);
	rig_send_small(lane, 1);
	chain_done(rig_chain(lane, 0));
	queue_halt(lane->queue);
	queue_detach(lane->queue);
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert(rig_signalled(lane));
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 0);
	rig_stop();
}
END_TEST

START_TEST(ends_after_detach_do_nothing)
{
	uint8_t before[GUEST_RING_SIZE];
	struct iovec iov[1];
	struct window w = { .iov = iov, .max = 1 };
	struct chain *c;
	char buf[8];

	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	queue_detach(lane->queue);
	memcpy(before, guest_at(&rig.guest, GUEST_RING), GUEST_RING_SIZE);
	c = rig_chain(lane, 0);
	ck_assert_uint_eq(chain_get_size(c), 8);
	ck_assert(!chain_get(c, buf, 8));
	ck_assert(!chain_put(rig_chain(lane, 1), buf, 8));
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 1), 0, 8, &w), 0);
	chain_done(c);
	ck_assert(!chain_return(rig_chain(lane, 0)));
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	ck_assert_mem_eq(before, guest_at(&rig.guest, GUEST_RING), GUEST_RING_SIZE);
	rig_stop();
}
END_TEST

/* A chain of a former life does not disturb the next one. */
START_TEST(runs_again_with_old_chains_open)
{
	struct error err = ERROR_NONE;
	struct chain *old;
	uint32_t base;

	start_holding(_i, 8);
	base = queue_base(lane->queue);
	rig_send_small(lane, 1);
	old = rig_chain(lane, 0);
	queue_detach(lane->queue);
	queue_set_base(lane->queue, base);
	ck_assert_int_eq(queue_run(lane->queue, &err), 0);
	queue_wake(lane->queue);
	/* The same request again, while the old one is still open. */
	ck_assert_uint_eq(queue_held(lane->queue), 2);
	ck_assert(!chain_put(old, "x", 1));
	chain_done(old);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), -1);
	ck_assert(chain_put(rig_chain(lane, 0), "12345678", 8));
	chain_done(rig_chain(lane, 0));
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	rig_stop();
}
END_TEST

START_TEST(free_with_chains_open)
{
	struct buffer b[20];
	unsigned i;

	start_holding(_i, 64);
	for (i = 0; i < ARRAY_SIZE(b); i++)
		b[i] = (struct buffer){ GUEST_DATA + i, 1, true };
	rig_send(lane, b, ARRAY_SIZE(b), NULL);
	ck_assert_uint_eq(queue_held(lane->queue), 1);
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = tcase_create("queue");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, sizes, 0, 2);
	tcase_add_test(tc, size_chosen_before_the_layout);
	tcase_add_loop_test(tc, incomplete_does_not_run, 0, 2);
	tcase_add_loop_test(tc, ring_must_lie_in_memory, 0, 2 * (int)ARRAY_SIZE(places));
	tcase_add_test(tc, ring_may_end_with_its_region);
	tcase_add_loop_test(tc, nothing_changes_while_it_runs, 0, 2);
	tcase_add_loop_test(tc, features_change_while_it_runs, 0, 2);
	tcase_add_loop_test(tc, packed_base, 0, (int)ARRAY_SIZE(packed_bases));
	tcase_add_loop_test(tc, base_of_a_ring_never_told, 0, 2);
	tcase_add_test(tc, base_goes_on_over_the_wrap);
	tcase_add_loop_test(tc, runs_again_where_it_stopped, 0, 2);
	tcase_add_loop_test(tc, newest_goes_back_unseen, 0, 2);
	tcase_add_loop_test(tc, older_one_ends_empty, 0, 2);
	tcase_add_loop_test(tc, popped_last_but_not_newest, 0, 2);
	tcase_add_loop_test(tc, return_all, 0, 2);
	tcase_add_loop_test(tc, return_all_but_some, 0, 2);
	tcase_add_loop_test(tc, ends_become_visible_in_their_order, 0, 2);
	tcase_add_loop_test(tc, flush_publishes_and_signals_now, 0, 2);
	tcase_add_loop_test(tc, in_order_entries_speak_for_full_buffers, 0, 2);
	tcase_add_loop_test(tc, in_order_waits_for_the_oldest, 0, 2);
	tcase_add_loop_test(tc, no_batches_unless_acked, 0, 2);
	tcase_add_test(tc, packed_used_flags);
	tcase_add_loop_test(tc, budget_of_a_turn, 0, 2);
	tcase_add_loop_test(tc, long_requests_cost_more, 0, 4);
	tcase_add_loop_test(tc, whole_ring_in_flight, 0, 2);
	tcase_add_loop_test(tc, halt_waits_for_open_chains, 0, 2);
	tcase_add_loop_test(tc, halt_with_nothing_open, 0, 2);
	tcase_add_loop_test(tc, returned_while_halted, 0, 2);
	tcase_add_loop_test(tc, detach_publishes_what_had_ended, 0, 2);
	tcase_add_loop_test(tc, ends_after_detach_do_nothing, 0, 2);
	tcase_add_loop_test(tc, runs_again_with_old_chains_open, 0, 2);
	tcase_add_loop_test(tc, free_with_chains_open, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
