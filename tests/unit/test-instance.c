/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The life of a device on a socket. The sequences are what front ends send,
 * in words (guest.c); beside each part stand the callbacks that it must lead to.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "suite.h"
#include "vhost-device/fd.h"

/* Starts, pauses, reboots. */

#define QEMU_INIT "connect get_features get_protocol protocol queue_num slots backend owner " \
	"get_features call:0 err:0 call:1 err:1 get_config=0"
#define QEMU_RINGS(b) "num:0 base:0=" b " addr:0 kick:0 call:0 " \
	"num:1 base:1=" b " addr:1 kick:1 call:1"
#define QEMU_START(b) "features get_status=0 status=11 mem " QEMU_RINGS(b) \
	" on:0 on:1 status=15 call:0 call:1"
#define PACKED "features=0x400000000"
#define PACKED_START(b) PACKED " get_status=0 status=11 mem " QEMU_RINGS(b) \
	" on:0 on:1 status=15 call:0 call:1"
#define FOUR(w) w " " w " " w " " w " "
#define LAP(q) FOUR("io:" #q) FOUR("io:" #q) FOUR("io:" #q) FOUR("io:" #q)
#define POST_LAP(q) FOUR("post:" #q) FOUR("post:" #q) FOUR("post:" #q) FOUR("post:" #q)
#define QEMU_STOP "off:0 off:1 stop:0 stop:1 status=0"

#define UML_INIT "connect owner get_features get_protocol protocol backend"
#define UML_START "mem call:0 num:0 kick:0 base:0=0 addr:0 call:1 num:1 kick:1 base:1=0 addr:1 " \
	"features on:0 on:1"

#define UML_PACKED_START "mem call:0 num:0 kick:0 base:0=0 addr:0 call:1 num:1 kick:1 " \
	"base:1=0 addr:1 " PACKED " on:0 on:1"

#define CH_INIT "connect owner get_features features get_protocol protocol"
#define CH_START "mem num:0 num:1 addr:0 base:0=avail call:0 kick:0 " \
	"addr:1 base:1=avail call:1 kick:1 on:0 on:1 backend"

#define CROSVM_INIT "connect owner get_features features get_protocol protocol get_config=4"
#define CROSVM_START "mem num:0 addr:0 base:0=0 call:0 kick:0 on:0 " \
	"num:1 addr:1 base:1=0 call:1 kick:1 on:1"
#define CROSVM_STOP "off:0 stop:0 off:1 stop:1"

#define KRUN_START "owner mem features num:0 base:0=0 addr:0 kick:0 call:0 on:0 " \
	"num:1 base:1=0 addr:1 kick:1 call:1 on:1"

#define STARTS "start0 start1"
#define STOPS "stop0 stop1"

struct part {
	const char *words, *calls;
};

static const struct sequence {
	const char *name;
	bool never_asks;                /* for answers */
	struct part parts[10];
} sequences[] = {
	{ "QEMU pauses and goes on", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0") " io:0 io:0 io:1", "negotiated " STARTS },
		{ QEMU_STOP, STOPS },
		{ QEMU_START("stop") " io:0 used:0=3 io:1 used:1=2", "negotiated " STARTS },
		{ "disconnect", STOPS " left" } } },
	{ "QEMU pauses before any request", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0"), "negotiated " STARTS },
		{ QEMU_STOP, STOPS },
		{ QEMU_START("stop") " io:0", "negotiated " STARTS } } },
	{ "QEMU reboots the guest", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0") " io:0 io:0 io:1", "negotiated " STARTS },
		{ QEMU_STOP " zero get_config=0", STOPS },
		{ QEMU_START("0") " io:0 used:0=1", "negotiated reset " STARTS },
		{ QEMU_STOP " zero", STOPS },
		{ QEMU_START("0") " io:0 used:0=1 io:1", "negotiated reset " STARTS } } },
	{ "QEMU reboots, the driver writes the config first", false, {
		{ QEMU_INIT " set_config", "config406" },
		{ QEMU_START("0") " io:0", "negotiated " STARTS },
		{ "set_config", "config406" },
		{ QEMU_STOP " zero", STOPS },
		{ "set_config", "reset config406" },
		{ "set_config", "config406" },
		{ QEMU_START("0"), "negotiated " STARTS } } },
	{ "QEMU reboots into a driver with other features", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0"), "negotiated " STARTS },
		{ QEMU_STOP, STOPS },
		{ "features=1", "reset negotiated" },
		{ "features=2", "negotiated" } } },
	{ "QEMU migrates in: config of every field is no evidence", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0"), "negotiated " STARTS },
		{ QEMU_STOP " set_config_all", STOPS " config16" } } },
	{ "QEMU resets with RESET_DEVICE", false, {
		{ QEMU_INIT, "" },
		{ "reset", "" },
		{ QEMU_START("0") " io:0", "negotiated " STARTS },
		{ "reset get_status=0 zero", STOPS " reset" },
		{ "reset", "" },
		{ QEMU_START("0") " io:0 used:0=1", "negotiated " STARTS } } },
	/* The base is what it was; that the ring is another one shows in its used index. */
	{ "a reboot that only the used index tells", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0") " io:0 io:0", "negotiated " STARTS },
		{ QEMU_STOP " zero post:0 post:0", STOPS },
		{ QEMU_START("stop") " used:0=2 io:0 used:0=3", "negotiated reset " STARTS } } },
	{ "UML unbinds and binds the driver", false, {
		{ UML_INIT, "" },
		{ UML_START " io:0 io:1", "negotiated " STARTS },
		{ "off:0 off:1 zero", STOPS },
		{ UML_START " io:0 used:0=1", "reset negotiated " STARTS } } },
	{ "cloud-hypervisor pauses and goes on", false, {
		{ CH_INIT " post:0", "negotiated" },
		{ CH_START " used:0=1 io:0", STARTS },
		{ "off:0 off:1", STOPS },
		{ "noio:0", "" },
		{ "on:0 on:1 used:0=3", STARTS },
		{ "io:0 used:0=4", "" } } },
	{ "cloud-hypervisor reboots the guest", false, {
		{ CH_INIT, "negotiated" },
		{ CH_START " io:0 io:0", STARTS },
		{ "off:0 off:1 reset_owner zero post:0", STOPS },
		{ "features", "negotiated" },
		{ CH_START " used:0=1 io:0", "reset " STARTS },
		{ "off:0 off:1 reset_owner zero post:0 post:0", STOPS },
		/* As many buffers posted as were served before: the base proves nothing. */
		{ "features", "negotiated" },
		{ CH_START " used:0=2 io:0", "reset " STARTS } } },
	{ "crosvm starts afresh without SET_FEATURES", true, {
		{ CROSVM_INIT, "negotiated" },
		{ CROSVM_START " io:0 io:1", STARTS },
		{ CROSVM_STOP " zero", STOPS },
		{ CROSVM_START " io:0 used:0=1", "reset " STARTS } } },
	{ "libkrun activates twice", true, {
		{ "connect get_features get_protocol protocol get_config=0 get_config=8", "" },
		{ KRUN_START " io:0", "negotiated " STARTS },
		{ "off:0 stop:0 off:1 stop:1 zero", STOPS },
		{ KRUN_START " io:0 used:0=1", "negotiated reset " STARTS } } },
	{ "no bit 30: every ring is enabled", true, {
		{ "connect owner features_no30 mem num:0 base:0=0 addr:0 kick:0 call:0 io:0",
			"negotiated start0" },
		{ "stop:0 noio:0", "stop0" },
		{ "base:0=stop kick:0 used:0=2", "start0" } } },
	{ "packed rings: QEMU pauses, in the first lap and the second", false, {
		{ QEMU_INIT, "" },
		{ PACKED_START("0x80008000") " io:0 io:1 io:1", "negotiated " STARTS },
		{ QEMU_STOP " post:0", STOPS },
		{ PACKED_START("stop") " used:0=2 io:0 used:1=2", "negotiated " STARTS },
		{ LAP(0) LAP(1) QEMU_STOP " post:0", STOPS },
		{ PACKED_START("stop") " io:0 used:0=21 io:1", "negotiated " STARTS },
		{ LAP(0) LAP(1) QEMU_STOP " post:0 post:1", STOPS },
		{ PACKED_START("stop") " io:0 used:0=39 io:1", "negotiated " STARTS } } },
	{ "packed rings: QEMU pauses after laps, the driver fills the ring", false, {
		{ QEMU_INIT, "" },
		{ PACKED_START("0x80008000") " " LAP(0), "negotiated " STARTS },
		{ QEMU_STOP " " POST_LAP(0), STOPS },
		{ PACKED_START("stop") " used:0=32", "negotiated " STARTS },
		{ QEMU_STOP " " POST_LAP(0), STOPS },
		{ PACKED_START("stop") " used:0=48 io:0", "negotiated " STARTS } } },
	{ "packed rings: QEMU reboots the guest", false, {
		{ QEMU_INIT, "" },
		{ PACKED_START("0x80008000") " io:0 io:0 io:1", "negotiated " STARTS },
		{ QEMU_STOP " zero", STOPS },
		{ PACKED_START("0x80008000") " io:0 used:0=1", "negotiated reset " STARTS } } },
	/* Twice around, nothing of a ring tells it from a new one; its base does not either. */
	{ "packed rings: QEMU reboots after two laps", false, {
		{ QEMU_INIT, "" },
		{ PACKED_START("0x80008000") " " LAP(0) LAP(0) "io:1", "negotiated " STARTS },
		{ QEMU_STOP " zero", STOPS },
		{ PACKED_START("0x80008000") " io:0 used:0=1", "negotiated reset " STARTS } } },
	{ "packed rings: a reboot that only the ring tells", false, {
		{ QEMU_INIT, "" },
		{ PACKED_START("0x80008000") " io:0 io:0", "negotiated " STARTS },
		{ QEMU_STOP " zero post:0 post:0", STOPS },
		{ PACKED_START("stop") " used:0=2 io:0 used:0=3", "negotiated reset " STARTS } } },
	/* After a whole lap, where the ring stopped is the base that UML gives to any ring. */
	{ "packed rings: UML unbinds and binds the driver after a lap", false, {
		{ UML_INIT, "" },
		{ UML_PACKED_START " " LAP(0) LAP(1), "negotiated " STARTS },
		{ "off:0 off:1 zero post:0", STOPS },
		{ UML_PACKED_START " used:0=1 io:0 io:1", "negotiated reset " STARTS } } },
	{ "packed rings: UML unbinds and binds the driver", false, {
		{ UML_INIT, "" },
		{ UML_PACKED_START " io:0 io:1", "negotiated " STARTS },
		{ "off:0 off:1 zero", STOPS },
		{ UML_PACKED_START " io:0 used:0=1", "reset negotiated " STARTS } } },
	{ "QEMU left, the next front end finds the rings as they are", false, {
		{ QEMU_INIT, "" },
		{ QEMU_START("0") " io:0 io:0", "negotiated " STARTS },
		{ "disconnect", STOPS " left" },
		{ QEMU_INIT " " QEMU_START("2") " io:0 used:0=3", "negotiated " STARTS },
		{ "disconnect zero", STOPS " left" },
		/* Whatever the base says, a ring without used entries begins at 0. */
		{ QEMU_INIT " post:0 " QEMU_START("7") " used:0=1 io:0", "negotiated " STARTS } } },
};

static void run(const struct sequence *s)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(s->parts) && s->parts[i].words != NULL; i++) {
		guest_do(s->parts[i].words);
		guest_expect(s->parts[i].calls);
	}
}

START_TEST(sequence_as_sent)
{
	run(&sequences[_i]);
}
END_TEST

/* The same by a front end that waits for an answer to everything. */
START_TEST(sequence_with_answers)
{
	struct part first = sequences[_i].parts[0];
	char *negotiate, words[1024];

	if (sequences[_i].never_asks)
		return;
	/* From the message on that negotiates answers. */
	snprintf(words, sizeof(words), "%s", first.words);
	negotiate = strstr(words, " protocol");
	ck_assert_ptr_nonnull(negotiate);
	*negotiate = '\0';
	guest_do(words);
	guest.need_reply = VU_NEED_REPLY;
	guest_do(first.words + (negotiate - words) + 1);
	guest_expect(first.calls);
	if (strstr(sequences[_i].parts[2].words, "disconnect") != NULL)
		return;
	run(&(const struct sequence){ .parts = {
		sequences[_i].parts[1], sequences[_i].parts[2], sequences[_i].parts[3],
		sequences[_i].parts[4], sequences[_i].parts[5], sequences[_i].parts[6],
		sequences[_i].parts[7] } });
}
END_TEST

/* Any order of what a ring needs: it starts with the last one, once. */
START_TEST(any_order)
{
	static const char *const words[] = { "mem", "num:0", "addr:0", "kick:0", "on:0" };
	unsigned left = (unsigned)_i, used = 0, n, pick, i;

	guest_do("connect owner protocol features call:0");
	guest_expect("negotiated");
	for (n = ARRAY_SIZE(words); n > 0; n--) {
		pick = left % n;
		left /= n;
		for (i = 0; (used & (1U << i)) || pick-- > 0;)
			i++;
		used |= 1U << i;
		guest_do(words[i]);
		guest_expect(n == 1 ? "start0" : "");
	}
	guest_do("io:0 used:0=1");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("instance");
	TCase *tc = tcase_create("sequences");

	tcase_add_checked_fixture(tc, guest_setup, guest_teardown);
	tcase_add_loop_test(tc, sequence_as_sent, 0, (int)ARRAY_SIZE(sequences));
	tcase_add_loop_test(tc, sequence_with_answers, 0, (int)ARRAY_SIZE(sequences));
	tcase_add_loop_test(tc, any_order, 0, 120);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
