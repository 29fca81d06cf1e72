/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The input device on real rings: every event once, in order and in whole
 * frames, whatever the size of the ring; config space as front ends use it.
 */
#include <check.h>
#include <linux/input.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"
#include "wire/virtio-input.h"

enum { EVENT = sizeof(struct virtio_input_event), FRAMES = 250, LONGEST = 11, CONFIG = 136 };

extern const struct device device_input;

static const struct {
	uint64_t features;
	unsigned size;
} rigs[] = {
	{ 0, 2 }, { 0, 4 }, { 0, 1024 },
	{ BIT(VIRTIO_F_EVENT_IDX), 4 }, { BIT(VIRTIO_F_EVENT_IDX), 64 },
	{ BIT(VIRTIO_F_RING_PACKED), 4 }, { BIT(VIRTIO_F_RING_PACKED), 5 },
	{ BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX), 64 },
};

static char path[64], spec[128];

/* Frame i has so many events beside its end. */
static unsigned frame_size(unsigned i)
{
	return 1 + i % LONGEST;
}

/* Each event has the number of its place. */
static void write_script(unsigned frames)
{
	unsigned i, k, number = 0;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "/tmp/test-input-served-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	ck_assert_ptr_nonnull(f);
	for (i = 0; i < frames; i++) {
		for (k = 0; k < frame_size(i); k++)
			fprintf(f, "EV_REL REL_X %u\n", ++number);
		fprintf(f, "syn\n");
	}
	ck_assert_int_eq(fclose(f), 0);
	snprintf(spec, sizeof(spec), "virtual:mouse:%s", path);
}

static void begin(unsigned frames)
{
	write_script(frames);
	served_option(&device_input, "event-list", spec);
	served_open(&device_input);
}

static void end(void)
{
	served_close();
	unlink(path);
}

static void post(unsigned i, bool cut)
{
	const uint64_t at = served.data + (uint64_t)i * EVENT;
	const struct fe_seg whole = { at, EVENT }, parts[] = { { at, 1 }, { at + 1, 5 },
		{ at + 6, 2 } };

	memset(served.view + (size_t)i * EVENT, 0xa5, EVENT);
	served_ok(fe_ring_add(served.ring, cut ? parts : &whole, 0, cut ? 3 : 1,
			      cut ? FE_ADD_INDIRECT : 0, served.view + (size_t)i * EVENT));
}

static struct virtio_input_event next(bool cut)
{
	struct virtio_input_event event;
	struct fe_used used;

	served_ok(fe_ring_kick(served.ring, served.fe, &served.err));
	served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
	ck_assert_int_eq(fe_ring_get(served.ring, &used, &served.err), 1);
	ck_assert_uint_eq(used.len, EVENT);
	memcpy(&event, used.token, EVENT);
	post((unsigned)((unsigned char *)used.token - served.view) / EVENT, cut);
	return event;
}

START_TEST(all_events_in_order)
{
	struct virtio_input_event e;
	unsigned i, k, number = 0;
	bool cut;

	begin(FRAMES);
	served_start(rigs[_i].size, rigs[_i].features);
	for (i = 0; i < rigs[_i].size; i++)
		post(i, false);
	for (i = 0; i < FRAMES; i++) {
		cut = i % 3 == 0;
		for (k = 0; k < frame_size(i); k++) {
			e = next(cut);
			ck_assert_uint_eq(le16_get(e.type), EV_REL);
			ck_assert_uint_eq(le16_get(e.code), REL_X);
			ck_assert_uint_eq(le32_get(e.value), ++number);
		}
		e = next(cut);
		ck_assert_uint_eq(le16_get(e.type), EV_SYN);
		ck_assert_uint_eq(le16_get(e.code), SYN_REPORT);
		ck_assert_uint_eq(le32_get(e.value), 0);
	}
	end();
}
END_TEST

/* What is used is used in whole frames, if these fit the ring. */
START_TEST(frames_are_used_whole)
{
	unsigned frame, used_up, seen, taken = 0;
	struct fe_used used;

	begin(FRAMES);
	served_start(64, BIT(VIRTIO_F_EVENT_IDX));
	for (taken = 0; taken < 60; taken++)
		post(taken, false);
	served_ok(fe_ring_kick(served.ring, served.fe, &served.err));
	served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
	/* Frames of 2, 3, 4 .. 10 events: nine of them are 54, with the next one it would be 65. */
	for (frame = 0, used_up = 0; used_up + frame_size(frame) + 1 <= 60; frame++)
		used_up += frame_size(frame) + 1;
	for (seen = 0; seen < used_up; seen++) {
		served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
		ck_assert_int_eq(fe_ring_get(served.ring, &used, &served.err), 1);
	}
	/* Once it stopped, it is certain that there was no more. */
	served_ok(fe_ring_stop(served.ring, served.fe, &served.err));
	ck_assert_int_eq(fe_ring_get(served.ring, &used, &served.err), 0);
	end();
}
END_TEST

/* ---- config space ---- */

static void write_byte(unsigned off, uint8_t value)
{
	served_ok(fe_set_config(served.fe, off, &value, 1, 0, &served.err));
}

static void read_config(uint8_t config[CONFIG])
{
	served_ok(fe_get_config(served.fe, 0, config, CONFIG, &served.err));
}

/* As QEMU does: it writes all it knows for each byte of the guest, and takes over all it reads. */
static void qemu_write(uint8_t cache[CONFIG], unsigned off, uint8_t value, bool reads)
{
	cache[off] = value;
	served_ok(fe_set_config(served.fe, 0, cache, CONFIG, 0, &served.err));
	if (reads)
		read_config(cache);
}

START_TEST(config_before_anything)
{
	uint8_t config[CONFIG], cache[CONFIG] = { 0 }, part[4];
	unsigned i, order, reads;

	begin(1);
	served_ok(fe_negotiate(served.fe, fe_all_protocol_features(), &served.err));
	write_byte(0, VIRTIO_INPUT_CFG_EV_BITS);
	write_byte(1, EV_REL);
	read_config(config);
	ck_assert_uint_eq(config[0], VIRTIO_INPUT_CFG_EV_BITS);
	ck_assert_uint_eq(config[1], EV_REL);
	ck_assert_uint_eq(config[2], 2);
	ck_assert_uint_eq(config[8], 1 << REL_X | 1 << REL_Y | 1 << REL_HWHEEL);
	/* In pieces, at any place. */
	for (i = 0; i + sizeof(part) <= CONFIG; i++) {
		served_ok(fe_get_config(served.fe, i, part, sizeof(part), &served.err));
		ck_assert_int_eq(memcmp(part, config + i, sizeof(part)), 0);
	}
	/* Only the first two bytes are the driver's. */
	for (i = 2; i < CONFIG; i++)
		write_byte(i, 0xff);
	read_config(cache);
	ck_assert_int_eq(memcmp(cache, config, CONFIG), 0);
	for (order = 0; order < 2; order++) {
		for (reads = 0; reads < 2; reads++) {
			qemu_write(cache, order, order ? EV_REL : VIRTIO_INPUT_CFG_EV_BITS, reads);
			qemu_write(cache, !order, order ? VIRTIO_INPUT_CFG_EV_BITS : EV_REL, true);
			ck_assert_int_eq(memcmp(cache, config, CONFIG), 0);
			qemu_write(cache, 0, VIRTIO_INPUT_CFG_UNSET, reads);
			qemu_write(cache, 1, 0, true);
			for (i = 0; i < CONFIG; i++)
				ck_assert_uint_eq(cache[i], 0);
		}
	}
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input-served");
	TCase *tc = tcase_create("rings");

	tcase_set_timeout(tc, 110);
	tcase_add_loop_test(tc, all_events_in_order, 0, ARRAY_SIZE(rigs));
	tcase_add_test(tc, frames_are_used_whole);
	tcase_add_test(tc, config_before_anything);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
