/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What happens to rings and memory between the messages: stop, pause, swap, reset, reconnect. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "suite.h"
#include "vhost-device/fd.h"

static struct server server;
static struct guest_setup setup;

static void set_up(void)
{
	server_start_ini(&server,
		"[template \"a\"]\nsocket-path = @a.sock\ninband = true\n"
		"[template \"b\"]\nsocket-path = @b.sock\n");
	setup = (struct guest_setup){ .socket = server_path(&server, "a.sock") };
}

static void tear_down(void)
{
	server_clean_up(&server);
}

/* Even tests on the packed ring, odd ones on the split one. */
static struct guest *guest_of(int i)
{
	setup.leave_out = i & 1 ? BIT(VIRTIO_F_RING_PACKED) : 0;
	return guest_new(&setup);
}

START_TEST(stop_and_start_under_load)
{
	struct guest *g = guest_of(_i);
	unsigned round, i;

	for (round = 0; round < test_scaled(300); round++) {
		for (i = guest_random(g, 30); i > 0; i--)
			must(guest_send_echo(g));
		guest_kick(g);
		guest_stop(g);
		guest_start(g);
		guest_await_all(g);
	}
	guest_free(g);
}
END_TEST

static uint16_t used_idx(const struct guest *g)
{
	struct fe_ring_layout l;
	uint16_t idx;

	fe_ring_layout(g->ring, &l);
	memcpy(&idx, (uint8_t *)fe_mem_at(g->mem, l.device, 4) + VIRTQ_USED_IDX, sizeof(idx));
	return idx;
}

START_TEST(no_request_is_seen_while_stopped)
{
	struct guest *g = guest_of(1);
	uint16_t before;

	guest_echo(g, 3, 1);
	guest_stop(g);
	before = used_idx(g);
	must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_uint_eq(used_idx(g), before);
	guest_start(g);
	guest_await_all(g);
	guest_free(g);
}
END_TEST

/* cloud-hypervisor pauses with ENABLE 0 alone; on ENABLE 1 no kick follows. */
START_TEST(pause_and_resume)
{
	struct guest *g = guest_of(_i);
	struct fe_used used;
	unsigned round, i;

	guest_echo(g, 3, 1);
	for (round = 0; round < 50; round++) {
		ck_ok(fe_set_vring_enable(g->fe, 0, false, &err));
		for (i = 0; i < 5; i++)
			must(guest_send_echo(g));
		ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
		ck_ok(fe_barrier(g->fe, &err));
		ck_assert_int_eq(fe_ring_get(g->ring, &used, &err), 0);
		ck_ok(fe_set_vring_enable(g->fe, 0, true, &err));
		guest_await_all(g);
	}
	guest_free(g);
}
END_TEST

START_TEST(base_again_is_the_same)
{
	struct guest *g = guest_of(_i);
	uint32_t first, second;

	guest_echo(g, 7, 1);
	ck_ok(fe_ring_get_base(g->ring, g->fe, &first, &err));
	ck_ok(fe_ring_get_base(g->ring, g->fe, &second, &err));
	ck_assert_uint_eq(first, second);
	if (_i & 1)
		ck_assert_uint_eq(first, 7);
	guest_free(g);
}
END_TEST

START_TEST(base_of_a_ring_that_never_ran)
{
	uint32_t base = 77;
	struct guest *g;

	setup.no_start = true;
	g = guest_of(_i);
	ck_ok(fe_get_vring_base(g->fe, 0, &base, &err));
	guest_tell_memory(g);
	guest_start(g);
	guest_echo(g, 10, 4);
	guest_free(g);
}
END_TEST

/* -- Memory ---------------------------------------------------------------- */

START_TEST(same_memory_table_under_load)
{
	struct guest *g = guest_of(_i);
	unsigned round, i;

	for (round = 0; round < test_scaled(200); round++) {
		for (i = 0; i < 20; i++)
			must(guest_send_echo(g));
		guest_kick(g);
		guest_tell_memory(g);
		guest_await_all(g);
	}
	guest_free(g);
}
END_TEST

/* A region more or less, elsewhere in the table: rings and requests stay valid. */
START_TEST(other_memory_table_under_load)
{
	struct guest *g = guest_of(_i);
	struct fe_mem_spec spec = { .size = 1 << 20 };
	unsigned round, i;
	int region;

	for (round = 0; round < test_scaled(100); round++) {
		for (i = 0; i < 20; i++)
			must(guest_send_echo(g));
		guest_kick(g);
		spec.guest = (2ULL << 32) + ((uint64_t)round << 21);
		region = fe_mem_add(g->mem, &spec, &err);
		ck_ok(region);
		guest_tell_memory(g);
		for (i = 0; i < 5; i++)
			guest_send_echo(g);
		guest_kick(g);
		fe_mem_remove(g->mem, (unsigned)region);
		guest_tell_memory(g);
		guest_await_all(g);
	}
	guest_free(g);
}
END_TEST

/* Wait until a request that cannot succeed has been answered, or its ring was given up. */
static int outcome(struct guest *g, struct fe_used *ret_used)
{
	int ret = fe_ring_wait(g->ring, g->fe, SERVER_MS, &err);

	return ret < 0 ? ret : fe_ring_get(g->ring, ret_used, &err);
}

START_TEST(slots_come_and_go)
{
	struct fe_mem_spec spec = { .guest = 2ULL << 32, .size = 1 << 20 };
	struct fe_seg segs[2] = { { 2ULL << 32, 8 }, { (2ULL << 32) + 100, 8 } };
	struct fe_used used = { 0 };
	struct guest *g;
	unsigned round;
	int region;

	setup.by_slots = true;
	g = guest_of(_i);
	ck_assert_uint_ge(fe_mem_slots(g->fe), 8);
	for (round = 0; round < 20; round++) {
		guest_echo(g, 5, 5);
		region = fe_mem_add(g->mem, &spec, &err);
		ck_ok(region);
		ck_ok(fe_mem_send_add(g->mem, (unsigned)region, g->fe, &err));
		memcpy(fe_mem_at(g->mem, spec.guest, 8), "plugged!", 8);
		guest_add(g, segs, 1, 1, 0, g);
		guest_kick(g);
		ck_assert_uint_eq(guest_await_one(g).len, 8);
		ck_assert_mem_eq(fe_mem_at(g->mem, spec.guest + 100, 8), "plugged!", 8);
		ck_ok(fe_mem_send_remove(g->mem, (unsigned)region, g->fe, &err));
		/* Gone: a request there fails, the next one does not. */
		guest_add(g, segs, 1, 1, 0, g);
		guest_kick(g);
		ck_assert_int_eq(outcome(g, &used), 1);
		ck_assert_uint_eq(used.len, 0);
		fe_mem_remove(g->mem, (unsigned)region);
	}
	guest_echo(g, 50, 8);
	guest_free(g);
}
END_TEST

START_TEST(many_slots)
{
	struct fe_mem_spec spec = { .size = 0x1000 };
	struct vu_region r;
	struct guest *g;
	unsigned i, max;
	int region;

	setup.by_slots = true;
	g = guest_of(0);
	max = fe_mem_slots(g->fe);
	ck_assert_uint_ge(max, 509);
	for (i = fe_mem_count(g->mem); i <= max; i++) {
		spec.guest = (2ULL << 32) + i * 0x2000ULL;
		region = fe_mem_add(g->mem, &spec, &err);
		ck_ok(region);
		ck_assert_int_eq(fe_mem_send_add(g->mem, (unsigned)region, g->fe, &err),
				 i < max ? 0 : -EREMOTEIO);
	}
	guest_echo(g, 50, 8);
	for (i = 3; i < max; i++) {
		must(fe_mem_describe(g->mem, i, &r));
		ck_ok(fe_remove_mem_region(g->fe, &r, &err));
	}
	guest_echo(g, 50, 8);
	guest_free(g);
}
END_TEST

/* -- Sessions -------------------------------------------------------------- */

/* The number of open files without a session: that of now, when nothing moves any more. */
static unsigned idle_fds(struct guest *g)
{
	unsigned in_session = server_fds(&server), n;

	guest_free(g);
	do {
		poll(NULL, 0, 5);
		n = server_fds(&server);
		poll(NULL, 0, 5);
	} while (n == in_session || n != server_fds(&server));
	return n;
}

START_TEST(reconnecting_costs_nothing)
{
	unsigned fds, threads, mappings = 0, private = 0, i, n = test_scaled(1000);
	struct guest *g = guest_of(0);

	guest_echo(g, 2, 2);
	threads = server_threads(&server);
	fds = idle_fds(g);
	for (i = 0; i < n; i++) {
		g = guest_of((int)i);
		guest_echo(g, 2, 2);
		if (i % 3 == 0)
			guest_stop(g);
		guest_free(g);
		if (i == n / 10) {
			mappings = server_mappings(&server);
			private = server_private(&server);
		}
	}
	g = guest_of(0);
	guest_echo(g, 2, 2);
	ck_assert_uint_eq(server_threads(&server), threads);
	guest_free(g);
	ck_assert_uint_eq(server_await_fds(&server, fds), fds);
	/* Sanitizers hold freed memory back. */
	if (test_scale() == 1) {
		ck_assert_uint_le(server_mappings(&server), mappings + 2);
		ck_assert_uint_le(server_private(&server), private + 64);
	}
	server_stop(&server);
}
END_TEST

START_TEST(two_guests_at_once)
{
	struct guest_setup other = { .socket = server_path(&server, "b.sock"),
		.leave_out = BIT(VIRTIO_F_RING_PACKED) };
	struct guest *a = guest_of(0), *b = guest_new(&other);
	unsigned round;

	for (round = 0; round < test_scaled(100); round++) {
		guest_echo(a, 10, 5);
		must(guest_send_echo(a));
		guest_kick(a);
		guest_echo(b, 10, 5);
		guest_await_all(a);
	}
	guest_free(a);
	guest_echo(b, 10, 5);
	guest_free(b);
	server_stop(&server);
}
END_TEST

START_TEST(probing_connects_take_nothing)
{
	struct guest *g = guest_of(0);
	unsigned fds, i;
	struct fe *fe;

	guest_echo(g, 5, 2);
	fds = server_fds(&server);
	for (i = 0; i < 100; i++) {
		ck_ok(fe_connect(setup.socket, SERVER_MS, &fe, &err));
		fe_free(fe);
	}
	guest_echo(g, 5, 2);
	guest_free(g);
	for (i = 0; i < 100; i++) {
		ck_ok(fe_connect(setup.socket, SERVER_MS, &fe, &err));
		fe_free(fe);
	}
	g = guest_of(1);
	guest_echo(g, 5, 2);
	ck_assert_uint_eq(server_await_fds(&server, fds), fds);
	guest_free(g);
}
END_TEST

/* A silent client is passed over; the next one that speaks is served. */
START_TEST(silent_client_takes_nothing)
{
	struct guest *g;
	struct fe *fe;

	ck_ok(fe_connect(setup.socket, SERVER_MS, &fe, &err));
	g = guest_of(0);
	guest_echo(g, 5, 2);
	guest_free(g);
	fe_free(fe);
}
END_TEST

START_TEST(second_client_waits_its_turn)
{
	struct guest *g = guest_of(0);
	struct fe *fe;

	ck_ok(fe_connect(setup.socket, SERVER_MS, &fe, &err));
	ck_ok(fe_send(fe, VU_GET_FEATURES, 1, NULL, 0, NULL, 0, &err));
	guest_echo(g, 100, 5);
	ck_ok(fe_expect_silence(fe, 0, &err));
	guest_free(g);
	{
		struct fe_message m;

		ck_ok(fe_recv(fe, &m, &err));
		ck_assert_uint_eq(m.hdr.request, VU_GET_FEATURES);
		fe_message_finish(&m);
	}
	fe_free(fe);
}
END_TEST

/* -- Reset and status ------------------------------------------------------ */

START_TEST(reset_device)
{
	struct guest *g = guest_of(_i);
	unsigned round;

	for (round = 0; round < 20; round++) {
		guest_echo(g, 20, 5);
		must(guest_send_echo(g));
		guest_kick(g);
		ck_ok(fe_reset_device(g->fe, &err));
		/* Memory and features stay, the rings begin anew. */
		guest_make_ring(g, round & 1 ? 64 : 128, g->features);
		guest_start(g);
	}
	guest_echo(g, 20, 5);
	guest_free(g);
}
END_TEST

static uint8_t status_of(struct guest *g)
{
	uint8_t status = 0;

	ck_ok(fe_get_status(g->fe, &status, &err));
	return status;
}

START_TEST(status_is_kept)
{
	struct guest *g = guest_of(0);

	ck_ok(fe_set_status(g->fe, 0xf, &err));
	ck_assert_uint_eq(status_of(g), 0xf);
	guest_echo(g, 5, 2);
	ck_ok(fe_set_status(g->fe, 0, &err));
	ck_assert_uint_eq(status_of(g), 0);
	/* It stopped the rings, like a pause of QEMU. */
	must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	ck_ok(fe_barrier(g->fe, &err));
	ck_assert_int_eq(fe_ring_get(g->ring, &(struct fe_used){ 0 }, &err), 0);
	ck_ok(fe_ring_get_base(g->ring, g->fe, &(uint32_t){ 0 }, &err));
	guest_start(g);
	guest_await_all(g);
	guest_free(g);
}
END_TEST

/* The avail index leaps: the ring is dead, told so, and comes back after a restart. */
START_TEST(broken_ring_is_told_and_revived)
{
	struct guest *g = guest_of(1);
	struct pollfd p = { .fd = fe_ring_err_fd(g->ring), .events = POLLIN };
	struct fe_ring_layout l;
	le16_t idx = le16(5000);

	guest_echo(g, 5, 2);
	ck_ok(fe_set_status(g->fe, 0xf, &err));
	fe_ring_layout(g->ring, &l);
	memcpy((uint8_t *)fe_mem_at(g->mem, l.driver, 4) + VIRTQ_AVAIL_IDX, &idx, sizeof(idx));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	ck_assert_int_eq(poll(&p, 1, SERVER_MS), 1);
	ck_assert_uint_eq(status_of(g), 0xf | VIRTIO_STATUS_NEEDS_RESET);
	ck_ok(fe_get_vring_base(g->fe, 0, &(uint32_t){ 0 }, &err));
	ck_ok(fe_set_status(g->fe, 0, &err));
	guest_make_ring(g, 256, g->features);
	ck_ok(fe_set_features(g->fe, g->features, &err));
	guest_start(g);
	guest_echo(g, 50, 8);
	ck_assert_uint_eq(status_of(g), 0);
	guest_free(g);
}
END_TEST

/* -- Config ---------------------------------------------------------------- */

/* template: le32 requests so far, le32 bytes of the last one; the driver may write nothing. */
START_TEST(config_space)
{
	struct guest *g = guest_of(0);
	struct fe_seg segs[] = { { guest_slot_at(0), 33 }, { guest_slot_at(1), 40 } };
	uint8_t image[8], part[3], beyond[VU_MAX_CONFIG], zeros[VU_MAX_CONFIG] = { 0 };
	unsigned off;

	ck_assert(fe_has_protocol(g->fe, VU_PF_CONFIG));
	guest_add(g, segs, 1, 1, 0, g);
	guest_kick(g);
	ck_assert_uint_eq(guest_await_one(g).len, 33);
	ck_ok(fe_get_config(g->fe, 0, image, 8, &err));
	ck_assert_mem_eq(image, "\1\0\0\0\41\0\0\0", 8);
	for (off = 0; off + 3 <= 8; off++) {
		ck_ok(fe_get_config(g->fe, off, part, 3, &err));
		ck_assert_mem_eq(part, image + off, 3);
	}
	ck_ok(fe_get_config(g->fe, 8, beyond, VU_MAX_CONFIG, &err));
	ck_assert_mem_eq(beyond, zeros, VU_MAX_CONFIG);
	/* QEMU writes its stale copy of the whole space: not an error, no effect. */
	ck_ok(fe_set_config(g->fe, 0, zeros, 8, VU_CONFIG_WRITABLE, &err));
	ck_ok(fe_get_config(g->fe, 0, part, 3, &err));
	ck_assert_mem_eq(part, image, 3);
	guest_free(g);
}
END_TEST

START_TEST(config_changes_are_told)
{
	struct guest *g = guest_of(0);

	ck_ok(fe_open_backend_channel(g->fe, NULL, NULL, &err));
	guest_echo(g, 5, 1);
	while (fe_backend_seen(g->fe, VU_BACKEND_CONFIG_CHANGE) == 0)
		ck_assert_int_gt(fe_serve_backend(g->fe, SERVER_MS, &err), 0);
	guest_free(g);
}
END_TEST

/* -- Notifications --------------------------------------------------------- */

START_TEST(inband_notifications)
{
	struct guest *g;
	unsigned calls;

	setup.inband = true;
	setup.protocol = fe_all_protocol_features();
	g = guest_of(_i);
	ck_assert(fe_has_protocol(g->fe, VU_PF_INBAND_NOTIFICATIONS));
	guest_echo(g, test_scaled(500), 4);
	calls = fe_inband_calls(g->fe, 0);
	must(!fe_ring_arm(g->ring, 1));
	must(guest_send_echo(g));
	guest_kick(g);
	while (fe_inband_calls(g->fe, 0) == calls)
		ck_assert_int_gt(fe_serve_backend(g->fe, SERVER_MS, &err), 0);
	guest_await_all(g);
	guest_free(g);
}
END_TEST

/* A call fd may be replaced at any time, as QEMU does to mask an interrupt. */
START_TEST(call_fd_is_replaced_under_load)
{
	struct guest *g = guest_of(_i);
	CLOSE_FD int masked = fd_eventfd();
	unsigned round;

	for (round = 0; round < test_scaled(200); round++) {
		must(guest_send_echo(g));
		guest_kick(g);
		ck_ok(fe_set_vring_call(g->fe, 0, masked, &err));
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_CALL, &err));
		while (g->busy > 0) {
			struct pollfd p = { .fd = masked, .events = POLLIN };

			/* The signal may have gone to the other one. */
			if (poll(&p, 1, 0) == 1)
				(void)!read(masked, &(uint64_t){ 0 }, 8);
			fe_ring_wait(g->ring, g->fe, 1, &err);
			guest_collect(g);
		}
	}
	guest_free(g);
}
END_TEST

/* -- Order of messages ----------------------------------------------------- */

/* BASE behind all that makes a ring run is too late: it runs from the beginning then. */
static bool base_is_late(const enum fe_ring_step *steps)
{
	unsigned k;

	for (k = 0; steps[k] != FE_RING_BASE; k++)
		;
	for (k++; k < 6; k++) {
		if (steps[k] != FE_RING_CALL)
			return false;
	}
	return true;
}

/* A fresh session each; half of the times a request waits in the ring already. */
static void try_order(int i, const enum fe_ring_step *steps, unsigned count)
{
	bool late = base_is_late(steps);
	struct guest *g = guest_of(i);
	unsigned k;
	int ret;

	guest_tell_memory(g);
	if (count & 1)
		must(guest_send_echo(g));
	for (k = 0; k < 6; k++) {
		ret = fe_ring_send(g->ring, g->fe, steps[k], &err);
		must(ret == (late && steps[k] == FE_RING_BASE ? -EREMOTEIO : 0));
	}
	guest_await_all(g);
	guest_echo(g, 2, 1);
	guest_stop(g);
	guest_free(g);
}

/* Heap's algorithm. */
static void permute(int kind, enum fe_ring_step *steps, unsigned n, unsigned *count)
{
	enum fe_ring_step swap;
	unsigned i, k;

	if (n == 1) {
		if ((*count)++ % test_scale() == 0)
			try_order(kind, steps, *count);
		return;
	}
	for (i = 0; i < n; i++) {
		permute(kind, steps, n - 1, count);
		k = n & 1 ? 0 : i;
		swap = steps[k];
		steps[k] = steps[n - 1];
		steps[n - 1] = swap;
	}
}

START_TEST(any_order_of_ring_messages)
{
	enum fe_ring_step steps[] = { FE_RING_NUM, FE_RING_BASE, FE_RING_ADDR, FE_RING_KICK,
		FE_RING_CALL, FE_RING_ENABLE };
	unsigned count = 0;

	setup.no_start = true;
	permute(_i, steps, ARRAY_SIZE(steps), &count);
	ck_assert_uint_eq(count, 720);
}
END_TEST

START_TEST(memory_comes_last)
{
	struct guest *g;

	setup.no_start = true;
	g = guest_of(_i);
	must(guest_send_echo(g));
	guest_start(g);
	guest_tell_memory(g);
	guest_await_all(g);
	guest_echo(g, 5, 2);
	guest_free(g);
}
END_TEST

START_TEST(sigterm_in_a_session)
{
	struct guest *g = guest_of(_i);

	guest_echo(g, 10, 5);
	server_stop(&server);
	ck_ok(fe_wait_closed(g->fe, &err));
	guest_free(g);
}
END_TEST

/*
 * The front end owns the eventfd as well, so it can make it block under our
 * feet: the loop hangs in the signal to the driver, but the process still ends.
 */
START_TEST(sigterm_in_a_loop_that_hangs)
{
	const uint64_t full = UINT64_MAX - 1;
	struct guest *g = guest_of(1);
	CLOSE_FD int call = fd_eventfd();
	unsigned ms = SERVER_MS;
	uint16_t before;
	int status;

	ck_ok(fe_set_vring_call(g->fe, 0, call, &err));
	ck_assert_int_eq(write(call, &full, sizeof(full)), sizeof(full));
	ck_assert_int_eq(fcntl(call, F_SETFL, 0), 0);
	before = used_idx(g);
	must(!fe_ring_arm(g->ring, 1));
	must(guest_send_echo(g));
	ck_ok(fe_ring_force_kick(g->ring, g->fe, &err));
	for (; used_idx(g) == before && ms > 0; ms--)
		poll(NULL, 0, 1);
	ck_assert_uint_gt(ms, 0);
	kill(server.pid, SIGTERM);
	for (ms = SERVER_MS; waitpid(server.pid, &status, WNOHANG) == 0; ms--) {
		must(ms > 0);
		poll(NULL, 0, 1);
	}
	server.pid = 0;
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(access(server_path(&server, "a.sock"), F_OK), 0);
	guest_free(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sessions");
	TCase *tc = tcase_create("sessions");

	if (!server_has("template"))
		return server_skip("template");
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, stop_and_start_under_load, 0, 2);
	tcase_add_test(tc, no_request_is_seen_while_stopped);
	tcase_add_loop_test(tc, pause_and_resume, 0, 2);
	tcase_add_loop_test(tc, base_again_is_the_same, 0, 2);
	tcase_add_loop_test(tc, base_of_a_ring_that_never_ran, 0, 2);
	tcase_add_loop_test(tc, same_memory_table_under_load, 0, 2);
	tcase_add_loop_test(tc, other_memory_table_under_load, 0, 2);
	tcase_add_loop_test(tc, slots_come_and_go, 0, 2);
	tcase_add_test(tc, many_slots);
	tcase_add_test(tc, reconnecting_costs_nothing);
	tcase_add_test(tc, two_guests_at_once);
	tcase_add_test(tc, probing_connects_take_nothing);
	tcase_add_test(tc, silent_client_takes_nothing);
	tcase_add_test(tc, second_client_waits_its_turn);
	tcase_add_loop_test(tc, reset_device, 0, 2);
	tcase_add_test(tc, status_is_kept);
	tcase_add_test(tc, broken_ring_is_told_and_revived);
	tcase_add_test(tc, config_space);
	tcase_add_test(tc, config_changes_are_told);
	tcase_add_loop_test(tc, inband_notifications, 0, 2);
	tcase_add_loop_test(tc, call_fd_is_replaced_under_load, 0, 2);
	tcase_add_loop_test(tc, any_order_of_ring_messages, 0, 2);
	tcase_add_loop_test(tc, memory_comes_last, 0, 2);
	tcase_add_loop_test(tc, sigterm_in_a_session, 0, 2);
	tcase_add_test(tc, sigterm_in_a_loop_that_hangs);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
