/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guest memory that changes or fails under running rings, and what requests may take of ours. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "ring-rig.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum { RING_PAGES = 256, DATA_PAGES = 272 };

static struct lane *lane = &rig.lane[0], *other = &rig.lane[1];

/* Every test runs on both layouts. */
static void start_holding(int i, unsigned size)
{
	const struct driver_setup s = { .size = size, .packed = i & 1 };

	rig_start(&s);
	lane->mode = other->mode = HOLD;
}

/* The same guest memory, with the data in another file. */
static struct mem_map *other_memory(int *ret_fd)
{
	struct guest moved = rig.guest;
	unsigned i;

	*ret_fd = fd_memfd("moved", moved.size);
	for (i = 1; i < moved.n; i++)
		moved.regions[i].fd = *ret_fd;
	return guest_map(&moved, rig.map);
}

START_TEST(parked_chain_follows_the_memory)
{
	struct mem_map *map;
	char buf[8];
	int fd;

	start_holding(_i, 8);
	rig_send_small(lane, 1);
	ck_assert(chain_put(rig_chain(lane, 0), "old", 3));
	map = other_memory(&fd);
	ck_assert_int_eq(pwrite(fd, "fresh in", 8, 7 * GUEST_PAGE + 64), 8);
	queue_set_memory(lane->queue, map);
	mem_map_unref(map);
	ck_assert(chain_get(rig_chain(lane, 0), buf, 8));
	ck_assert_mem_eq(buf, "fresh in", 8);
	ck_assert(chain_put(rig_chain(lane, 0), "new", 3));
	ck_assert_mem_eq(guest_at(&rig.guest, GUEST_DATA + 64 + 16), "old\0\0", 5);
	ck_assert_int_eq(pread(fd, buf, 6, 7 * GUEST_PAGE + 64 + 16), 6);
	ck_assert_mem_eq(buf, "\0\0\0new", 6);
	/* The ring's file is the same, so the ring goes on. */
	chain_done(rig_chain(lane, 0));
	lane->mode = ECHO;
	rig_send_small(lane, 2);
	ck_assert_int_eq(rig_collect(lane, NULL), 6);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	ck_assert_uint_eq(lane->told_broken, 0);
	close(fd);
	rig_stop();
}
END_TEST

START_TEST(window_keeps_the_memory_it_was_lent_from)
{
	struct iovec iov[2];
	struct window w = { .iov = iov, .max = 2 };
	struct mem_map *map;
	int fd;

	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 0), 0, 8, &w), 8);
	map = other_memory(&fd);
	queue_set_memory(lane->queue, map);
	queue_set_memory(other->queue, map);
	mem_map_unref(rig.map);
	rig.map = map;
	/* The data waits for the window, the ring's region is shared. */
	ck_assert_uint_eq(rig_mapped_pages(), RING_PAGES + DATA_PAGES);
	memcpy(iov[0].iov_base, "late", 4);
	ck_assert_mem_eq(guest_at(&rig.guest, GUEST_DATA + 64 + 16), "late", 4);
	/* Another chain pins nothing, and what it borrows from the new map frees nothing old. */
	w.n = 0;
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 1), 0, 8, &w), 8);
	chain_done(rig_chain(lane, 1));
	ck_assert_uint_eq(rig_mapped_pages(), RING_PAGES + DATA_PAGES);
	/* Lent once more, it has windows in both. */
	w.n = 0;
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 0), 0, 8, &w), 8);
	ck_assert_uint_eq(rig_mapped_pages(), RING_PAGES + DATA_PAGES);
	memcpy(iov[0].iov_base, "fresh", 5);
	chain_wrote(rig_chain(lane, 0), 0, 8);
	chain_done(rig_chain(lane, 0));
	ck_assert_uint_eq(rig_mapped_pages(), RING_PAGES);
	rig_turn();
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	ck_assert_int_eq(rig_collect(lane, NULL), 8);
	close(fd);
	rig_stop();
}
END_TEST

START_TEST(window_outlives_the_ring)
{
	struct iovec iov[1];
	struct window w = { .iov = iov, .max = 1 };

	start_holding(_i, 8);
	rig_send_small(lane, 1);
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 0), 0, 8, &w), 8);
	queue_detach(lane->queue);
	queue_set_memory(lane->queue, NULL);
	queue_set_memory(other->queue, NULL);
	mem_map_unref(rig.map);
	rig.map = NULL;
	ck_assert_uint_eq(rig_mapped_pages(), RING_PAGES + DATA_PAGES);
	memcpy(iov[0].iov_base, "12345678", 8);
	chain_done(rig_chain(lane, 0));
	ck_assert_uint_eq(rig_mapped_pages(), 0);
	rig_stop();
}
END_TEST

/* In order, one that has ended may still wait for an older one; not beyond the ring's end. */
START_TEST(ended_ones_let_go_with_the_ring)
{
	const struct driver_setup s = { .size = 8, .packed = _i, .in_order = true };
	struct iovec iov[1];
	struct window w = { .iov = iov, .max = 1 };

	rig_start(&s);
	lane->mode = HOLD;
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	ck_assert_uint_eq(chain_lend_put(rig_chain(lane, 1), 0, 8, &w), 8);
	chain_done(rig_chain(lane, 1));
	queue_detach(lane->queue);
	queue_set_memory(lane->queue, NULL);
	queue_set_memory(other->queue, NULL);
	mem_map_unref(rig.map);
	rig.map = NULL;
	ck_assert_uint_eq(queue_held(lane->queue), 1);
	ck_assert_uint_eq(rig_mapped_pages(), 0);
	chain_done(rig_chain(lane, 0));
	rig_stop();
}
END_TEST

START_TEST(ring_whose_memory_is_gone_breaks)
{
	struct error err = ERROR_NONE;
	struct mem_map *map;

	start_holding(_i, 8);
	rig_send_small(lane, 1);
	map = mem_map_remove(rig.map, &rig.guest.regions[0], &err);
	queue_set_memory(lane->queue, map);
	mem_map_unref(map);
	ck_assert_uint_eq(lane->told_broken, 0);
	rig_turn();
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert(rig_readable(lane->err));
	chain_done(rig_chain(lane, 0));
	queue_halt(lane->queue);
	rig_turn();
	ck_assert_uint_eq(lane->told_drained, 1);
	other->mode = ECHO;
	rig_send_small(other, 1);
	ck_assert_int_eq(rig_collect(other, NULL), 8);
	rig_stop();
}
END_TEST

START_TEST(ends_on_a_ring_that_is_unmapped)
{
	struct error err = ERROR_NONE;
	unsigned i;

	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	for (i = 0; i < RIG_LANES; i++)
		queue_set_memory(rig.lane[i].queue, NULL);
	mem_map_unref(rig.map);
	rig.map = mem_map_new(NULL, &rig.guest.regions[1], 4, &err);
	ck_assert_uint_eq(rig_mapped_pages(), DATA_PAGES);
	queue_set_memory(lane->queue, rig.map);
	ck_assert(!chain_return(rig_chain(lane, 1)));
	chain_done(rig_chain(lane, 0));
	rig_turn();
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	rig_stop();
}
END_TEST

START_TEST(ends_on_a_broken_ring_that_is_unmapped)
{
	struct error err = ERROR_NONE;
	struct mem_map *map;

	start_holding(_i, 8);
	rig_add_small(lane, 1);
	rig_send_small(lane, 2);
	queue_set_memory(other->queue, NULL);
	map = mem_map_remove(rig.map, &rig.guest.regions[0], &err);
	queue_set_memory(lane->queue, map);
	mem_map_unref(rig.map);
	rig.map = map;
	ck_assert_uint_eq(rig_mapped_pages(), DATA_PAGES);
	/* Its buffers are still there. */
	ck_assert(chain_put(rig_chain(lane, 0), "x", 1));
	chain_done(rig_chain(lane, 0));
	ck_assert(!chain_return(rig_chain(lane, 0)));
	rig_turn();
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_uint_eq(queue_held(lane->queue), 0);
	rig_stop();
}
END_TEST

START_TEST(swap_publishes_into_the_old_memory_first)
{
	struct mem_map *map;
	int fd;

	start_holding(_i, 8);
	rig_send_small(lane, 1);
	chain_done(rig_chain(lane, 0));
	map = other_memory(&fd);
	queue_set_memory(lane->queue, map);
	mem_map_unref(map);
	ck_assert_int_eq(rig_collect(lane, NULL), 0);
	close(fd);
	rig_stop();
}
END_TEST

START_TEST(truncated_memory_breaks_its_rings_only)
{
	struct error err = ERROR_NONE;
	struct mem_region r;
	struct mem_map *map;

	ck_assert_int_eq(mem_guard_install(&err), 0);
	start_holding(_i, 8);
	/* The other queue as one of another guest: same places, own file. */
	queue_detach(other->queue);
	r = rig.guest.regions[0];
	r.fd = fd_memfd("second", rig.guest.size);
	map = mem_map_new(NULL, &r, 1, &err);
	queue_set_memory(other->queue, map);
	mem_map_unref(map);
	ck_assert_int_eq(queue_run(other->queue, &err), 0);
	queue_wake(other->queue);

	rig_send_small(lane, 1);
	ck_assert_int_eq(ftruncate(rig.guest.fd, 0), 0);
	/* Data is lost: the device goes on with zeros, the ring breaks at the turn's end. */
	ck_assert(chain_put(rig_chain(lane, 0), "x", 1));
	chain_done(rig_chain(lane, 0));
	loop_turn(rig.loop, false);
	loop_turn(rig.loop, false);
	ck_assert_uint_eq(lane->told_broken, 1);
	ck_assert_uint_eq(other->told_broken, 0);
	ck_assert(queue_running(other->queue));
	ck_assert_ptr_null(queue_pop(lane->queue));
	close(r.fd);
	rig_stop();
}
END_TEST

/* Requests of 1000 segments each would take a gigabyte: they wait, none fails. */
START_TEST(segments_are_bounded)
{
	const uint64_t table = GUEST_DATA + 12 * GUEST_PAGE;
	const struct driver_setup s = { .size = 4096, .packed = _i };
	struct buffer b = { table, 16 * 1000, false };
	unsigned i, held, turn;

	rig_start(&s);
	lane->mode = HOLD;
	loop_fake_clock(rig.loop, 1);
	for (i = 0; i < 1000; i++)
		table_desc(&rig.guest, table, i, (struct buffer){ GUEST_DATA + i, 1, false },
			   !s.packed && i < 999, s.packed ? 0 : (uint16_t)(i + 1));
	for (i = 0; i < 4096; i++) {
		if (s.packed)
			packed_desc(&lane->driver, i, b, (uint16_t)i, VIRTQ_DESC_INDIRECT, true);
		else
			split_desc(&lane->driver, i, b, VIRTQ_DESC_INDIRECT, 0);
		if (!s.packed)
			split_offer(&lane->driver, (uint16_t)i);
	}
	fd_signal(lane->kick);
	for (turn = 0; turn < 40; turn++)
		loop_turn(rig.loop, false);
	held = queue_held(lane->queue);
	ck_assert_uint_gt(held, 1000);
	ck_assert_uint_lt(held, 2000);
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 0);
	/* With some of them ended, others come: after a while, nobody kicks. */
	for (i = 0; i < 100; i++)
		chain_done(rig_chain(lane, 0));
	loop_turn(rig.loop, false);
	loop_fake_clock(rig.loop, 5 * 1000 * 1000);
	for (turn = 0; turn < 5; turn++)
		loop_turn(rig.loop, false);
	ck_assert_uint_eq(queue_held(lane->queue), held);
	ck_assert_uint_eq(queue_stats(lane->queue)->bad_requests, 0);
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("queue-memory");
	TCase *tc = tcase_create("queue-memory");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, parked_chain_follows_the_memory, 0, 2);
	tcase_add_loop_test(tc, window_keeps_the_memory_it_was_lent_from, 0, 2);
	tcase_add_loop_test(tc, window_outlives_the_ring, 0, 2);
	tcase_add_loop_test(tc, ended_ones_let_go_with_the_ring, 0, 2);
	tcase_add_loop_test(tc, ring_whose_memory_is_gone_breaks, 0, 2);
	tcase_add_loop_test(tc, ends_on_a_ring_that_is_unmapped, 0, 2);
	tcase_add_loop_test(tc, ends_on_a_broken_ring_that_is_unmapped, 0, 2);
	tcase_add_loop_test(tc, swap_publishes_into_the_old_memory_first, 0, 2);
	tcase_add_loop_test(tc, truncated_memory_breaks_its_rings_only, 0, 2);
	tcase_add_loop_test(tc, segments_are_bounded, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
