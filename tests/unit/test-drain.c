/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Stopping with requests still open: what is given back, what is awaited, who
 * gets the answer when, and that nothing is written behind it.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "suite.h"
#include "vhost-device/fd.h"

#define START "connect owner protocol features mem num:0 base:0=0 addr:0 kick:0 call:0 " \
	"num:1 base:1=0 addr:1 kick:1 call:1 on:0 on:1"

static const struct vu_vring_state ring_0 = { 0, 0 };
static const uint64_t zero;

static void start(enum guest_mode mode)
{
	guest_mode = mode;
	guest_do(START);
	guest_expect("negotiated start0 start1");
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text++;
		n++;
	}
	return n;
}

/* Parked requests go back to the ring as if never seen. */
START_TEST(parked_requests_go_back)
{
	start(MODE_PARK);
	guest_do("post:0 post:0 noio:0");
	guest_do("stop:0");
	ck_assert_uint_eq(guest.base[0], 0);
	guest_snapshot();
	guest_expect("stop0");
	guest_do("stop:0");
	ck_assert_uint_eq(guest.base[0], 0);
	ck_assert(guest_unchanged());
	guest_mode = MODE_ECHO;
	guest_do("base:0=stop kick:0 used:0=3");
	guest_expect("start0");
}
END_TEST

/* The four requests that stop rings; each waits for the job at the host. */
static const struct {
	uint32_t id;
	const void *body;
	size_t size;
	const char *calls, *behind;     /* before the last chain ended; with the answer */
} stops[] = {
	{ VU_GET_VRING_BASE, &ring_0, sizeof(ring_0), "stop0", "" },
	{ VU_SET_VRING_ENABLE, &ring_0, sizeof(ring_0), "stop0", "" },
	{ VU_SET_STATUS, &zero, sizeof(zero), "stop0 stop1", "" },
	{ VU_RESET_DEVICE, NULL, 0, "stop0 stop1", "reset" },
};

static void stop_with_job(int i)
{
	start(MODE_JOB);
	guest_do("post:0 noio:0");
	guest_send(stops[i].id, VU_NEED_REPLY, stops[i].body, stops[i].size, NULL, 0);
	guest_snapshot();
	guest_expect(stops[i].calls);
}

START_TEST(answer_waits_for_the_job)
{
	struct vu_vring_state state;
	uint64_t ack = 1;

	stop_with_job(_i);
	/* The next request waits behind it. */
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	ck_assert(guest_unchanged());
	guest_finish_jobs();
	if (stops[_i].id == VU_GET_VRING_BASE) {
		guest_recv(VU_GET_VRING_BASE, &state, sizeof(state));
		ck_assert_uint_eq(state.index, 0);
		ck_assert_uint_eq(state.num, 2);
	} else {
		guest_recv(stops[_i].id, &ack, sizeof(ack));
		ck_assert_uint_eq(ack, 0);
	}
	/* Published and signalled before the answer, and nothing since. */
	ck_assert_uint_eq(guest_used(0), 2);
	ck_assert(guest_signalled(0));
	guest_snapshot();
	guest_expect(stops[_i].behind);
	guest_recv(VU_GET_FEATURES, &ack, sizeof(ack));
	guest_post(0);
	guest_snapshot();
	guest_kick(0);
	ck_assert(guest_unchanged());
	ck_assert(!guest_signalled(0));
}
END_TEST

/* The front end dies while it waits: the job's end touches nothing. */
START_TEST(peer_dies_during_the_drain)
{
	stop_with_job(_i);
	fd_close(&guest.sock);
	peer_settle(guest.loop);
	/* The next client is let in when the last chain of the old session has ended (L1). */
	guest_connect();
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	guest_expect(strstr(stops[_i].calls, "stop1") != NULL ? "" : "stop1");
	guest_finish_jobs();
	guest_expect("left");
	ck_assert(guest_unchanged());
	ck_assert(!guest_signalled(0));
	guest_recv(VU_GET_FEATURES, &(uint64_t){ 0 }, 8);
}
END_TEST

/* The front end dies while requests run. */
START_TEST(peer_dies_while_running)
{
	start(_i ? MODE_JOB : MODE_PARK);
	guest_do("post:0 noio:0");
	guest_snapshot();
	guest_disconnect();
	guest_expect(_i ? "stop0 stop1" : "stop0 stop1 left");
	ck_assert(guest_unchanged());
	if (_i) {
		guest_finish_jobs();
		guest_expect("left");
		ck_assert(guest_unchanged());
	}
	/* The next session serves what the old one left, from the beginning. */
	guest_mode = MODE_ECHO;
	guest_do(START " used:0=2");
	guest_expect("negotiated start0 start1");
}
END_TEST

/* Another ring runs on while one drains. */
START_TEST(other_ring_runs_on)
{
	start(MODE_JOB);
	guest_do("noio:0");
	guest_send(VU_GET_VRING_BASE, 0, &ring_0, sizeof(ring_0), NULL, 0);
	peer_settle(guest.loop);
	guest_mode = MODE_ECHO;
	guest_do("io:1 io:1");
	ck_assert(guest_signalled(1));
	guest_finish_jobs();
	guest_recv(VU_GET_VRING_BASE, &(struct vu_vring_state){ 0 }, 8);
}
END_TEST

START_TEST(slow_drain_is_told)
{
	const uint64_t second = 1000ULL * PEER_MS, began = 100 * second;
	const char *log;

	start(MODE_JOB);
	loop_fake_clock(guest.loop, began);
	guest_do("noio:0");
	guest_log_begin();
	guest_send(VU_GET_VRING_BASE, 0, &ring_0, sizeof(ring_0), NULL, 0);
	peer_settle(guest.loop);
	loop_fake_clock(guest.loop, began + second - 1);
	peer_settle(guest.loop);
	log = guest_log_end();
	ck_assert_uint_eq(count(log, "stopping takes long"), 0);
	guest_log_begin();
	loop_fake_clock(guest.loop, began + second);
	peer_settle(guest.loop);
	loop_fake_clock(guest.loop, began + 10 * second);
	peer_settle(guest.loop);
	log = guest_log_end();
	ck_assert_msg(count(log, "fixture0: stopping takes long: 1 requests") == 1, "%s", log);
	guest_log_begin();
	loop_fake_clock(guest.loop, began + 11 * second);
	peer_settle(guest.loop);
	loop_fake_clock(guest.loop, began + 21 * second);
	peer_settle(guest.loop);
	log = guest_log_end();
	ck_assert_msg(count(log, "after 10 s") == 1 && count(log, "after 20 s") == 1, "%s", log);
	guest_finish_jobs();
	guest_recv(VU_GET_VRING_BASE, &(struct vu_vring_state){ 0 }, 8);
	peer_settle(guest.loop);
	guest_log_begin();
	loop_fake_clock(guest.loop, began + 100 * second);
	peer_settle(guest.loop);
	log = guest_log_end();
	ck_assert_str_eq(log, "");
}
END_TEST

/* Leaving (SIGTERM). */

static unsigned n_ended;

static void on_ended(struct instance *in, void *ctx)
{
	ck_assert_ptr_eq(in, guest.in);
	ck_assert_ptr_eq(ctx, &n_ended);
	n_ended++;
}

static void leave(void)
{
	n_ended = 0;
	instance_leave(guest.in, on_ended, &n_ended);
	ck_assert_uint_eq(n_ended, 0);
	peer_settle(guest.loop);
	ck_assert_int_eq(access(guest.path, F_OK), -1);
}

/* What guest_teardown() measures is the state of a listening instance. */
static void gone(void)
{
	guest_disconnect();
	guest.files--;                  /* the listening socket */
}

START_TEST(leave_idle)
{
	leave();
	ck_assert_uint_eq(n_ended, 1);
	guest_expect("");
	gone();
}
END_TEST

START_TEST(leave_running)
{
	start((enum guest_mode)_i);
	guest_do(_i == MODE_ECHO ? "io:0" : "noio:0");
	leave();
	if (_i == MODE_JOB) {
		guest_expect("stop0 stop1");
		ck_assert_uint_eq(n_ended, 0);
		ck_assert(!peer_closed(guest.loop, guest.sock));
		guest_finish_jobs();
		guest_expect("left");
		/* One second was granted for this. */
		ck_assert_uint_eq(guest_used(0), 1);
		ck_assert(guest_signalled(0));
	} else {
		guest_expect("stop0 stop1 left");
	}
	ck_assert_uint_eq(n_ended, 1);
	ck_assert(peer_closed(guest.loop, guest.sock));
	gone();
}
END_TEST

START_TEST(leave_answers_first)
{
	struct vu_vring_state state;

	stop_with_job(0);
	leave();
	ck_assert_uint_eq(n_ended, 0);
	guest_finish_jobs();
	guest_recv(VU_GET_VRING_BASE, &state, sizeof(state));
	ck_assert_uint_eq(state.num, 2);
	guest_expect("stop1 left");
	ck_assert_uint_eq(n_ended, 1);
	gone();
}
END_TEST

/* A job that does not end: the process may go after the time granted. */
START_TEST(leave_with_stuck_job)
{
	const uint64_t now = 50ULL * 1000 * PEER_MS;

	start(MODE_JOB);
	guest_do("noio:0");
	loop_fake_clock(guest.loop, now);
	if (_i)
		guest_disconnect();
	leave();
	loop_fake_clock(guest.loop, now + 999 * PEER_MS);
	peer_settle(guest.loop);
	ck_assert_uint_eq(n_ended, 0);
	guest_snapshot();
	loop_fake_clock(guest.loop, now + 1000 * PEER_MS);
	peer_settle(guest.loop);
	ck_assert_uint_eq(n_ended, 1);
	guest_expect("stop0 stop1");
	if (!_i)
		ck_assert(peer_closed(guest.loop, guest.sock));
	guest_finish_jobs();
	ck_assert(guest_unchanged());
	guest_expect("left");
	ck_assert_uint_eq(n_ended, 1);
	gone();
}
END_TEST

/* Broken rings. */

START_TEST(broken_ring)
{
	uint64_t n;

	start(MODE_ECHO);
	guest_do("err:0 status=15 get_status=15 io:0");
	guest_log_begin();
	guest_break_ring(0);
	guest_log_end();
	guest_expect("stop0");
	ck_assert_int_eq(read(guest.err[0], &n, sizeof(n)), (ssize_t)sizeof(n));
	/* The other ring and the session live; this one stays as it is over a pause. */
	guest_do("get_status=0x4f io:1 noio:0 off:0 on:0 noio:0 kick:0 noio:0");
	guest_expect("");
	guest_do("off:0 off:1 stop:0 stop:1 status=0 get_status=0 zero");
	guest_expect("stop1");
	guest_do("features mem num:0 base:0=0 addr:0 kick:0 call:0 on:0 io:0 used:0=1");
	guest_expect("negotiated reset start0");
}
END_TEST

/* A new base alone revives it, too (UML sends nothing else). */
START_TEST(broken_ring_gets_a_base)
{
	start(MODE_ECHO);
	guest_log_begin();
	guest_break_ring(0);
	guest_log_end();
	guest_expect("stop0");
	guest_zero_rings();
	guest_do("off:0 off:1 num:0 kick:0 base:0=0 addr:0 on:0 io:0 used:0=1");
	ck_assert_uint_eq(guest_used(0), 1);
}
END_TEST

/* While requests of a broken ring are still at the host, the front end waits. */
START_TEST(broken_ring_with_job)
{
	start(MODE_JOB);
	guest_do("noio:0");
	guest_log_begin();
	guest_break_ring(0);
	guest_log_end();
	guest_expect("stop0");
	guest_send(VU_GET_FEATURES, 0, NULL, 0, NULL, 0);
	ck_assert(peer_silent(guest.loop, guest.sock));
	guest_finish_jobs();
	guest_recv(VU_GET_FEATURES, &(uint64_t){ 0 }, 8);
	ck_assert_uint_eq(guest_used(0), 0);
	ck_assert(!guest_signalled(0));
}
END_TEST

/* Memory tables under running rings. */

static void send_table(int fd, uint64_t guest_addr)
{
	struct {
		uint32_t n, padding;
		struct vu_region region;
	} t = { 1, 0, { guest_addr, 0x10000, 0x7f000000, 0 } };
	uint64_t ack = 1;

	guest_send(VU_SET_MEM_TABLE, VU_NEED_REPLY, &t, sizeof(t), &fd, 1);
	guest_recv(VU_SET_MEM_TABLE, &ack, sizeof(ack));
	ck_assert_uint_eq(ack, 0);
}

START_TEST(same_memory_again)
{
	start(MODE_JOB);
	guest_do("noio:0");
	send_table(guest.mem_fd, 0);
	guest_finish_jobs();
	peer_settle(guest.loop);
	ck_assert_uint_eq(guest_used(0), 1);
	guest_mode = MODE_ECHO;
	guest_do("io:0 io:1");
	guest_expect("");
}
END_TEST

/* Rings that no longer resolve break; with a table of use and a base they run again. */
START_TEST(memory_taken_away)
{
	static const uint64_t none;
	uint64_t ack;

	start(MODE_ECHO);
	guest_do("io:0");
	guest_log_begin();
	guest_send(VU_SET_MEM_TABLE, VU_NEED_REPLY, &none, sizeof(none), NULL, 0);
	guest_recv(VU_SET_MEM_TABLE, &ack, sizeof(ack));
	guest_log_end();
	guest_expect("stop0 stop1");
	guest_do("get_status=0x40 mem noio:0");
	guest_expect("");
	guest_do("off:0 stop:0 base:0=stop kick:0 on:0 used:0=2 io:0");
	guest_expect("start0");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("drain");
	TCase *tc = tcase_create("drain");

	tcase_add_checked_fixture(tc, guest_setup, guest_teardown);
	tcase_add_test(tc, parked_requests_go_back);
	tcase_add_loop_test(tc, answer_waits_for_the_job, 0, (int)ARRAY_SIZE(stops));
	tcase_add_loop_test(tc, peer_dies_during_the_drain, 0, (int)ARRAY_SIZE(stops));
	tcase_add_loop_test(tc, peer_dies_while_running, 0, 2);
	tcase_add_test(tc, other_ring_runs_on);
	tcase_add_test(tc, slow_drain_is_told);
	tcase_add_test(tc, leave_idle);
	tcase_add_loop_test(tc, leave_running, MODE_ECHO, MODE_JOB + 1);
	tcase_add_test(tc, leave_answers_first);
	tcase_add_loop_test(tc, leave_with_stuck_job, 0, 2);
	tcase_add_test(tc, broken_ring);
	tcase_add_test(tc, broken_ring_gets_a_base);
	tcase_add_test(tc, broken_ring_with_job);
	tcase_add_test(tc, same_memory_again);
	tcase_add_test(tc, memory_taken_away);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
