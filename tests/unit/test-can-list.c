/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What an item of --can-devices may say, and frames as text. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "can.h"

static struct error err;

static const char *const bad_items[] = {
	"", ",fd=on", "bus:", "bus:a/b", "bus:0123456789abcdef", "can0:1", "0123456789abcdef",
	"bus:t+", "bus:t+a+b+c+d+e", "can0,fd", "can0,fd=yes", "can0,fd=", "can0,rtr=auto",
	"can0,what=on", "can0,,", "can0,filter=", "can0,filter=8ff", "can0,filter=123:",
	"can0,filter=12345678:ffffffff", "can0,filter=xyz", "can0,filter=123:fff",
	"can0,filter=123+", "can0,filter=123456789", "can0,full=drop", "can0,down=off",
	"can0,rate=-1", "can0,rate=1000001", "can0,backlog=0", "can0,backlog=65537",
	"can0,ack-timeout=0", "can0,brs=auto", "can0,late-ack=on,loopback=off", "can0,own=on",
	"can0,filter=1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1",
};

START_TEST(bad_item)
{
	struct can_node node = { .rate = 77 };

	err = ERROR_NONE;
	ck_assert_int_eq(can_node_parse(bad_items[_i], &node, &err), -EINVAL);
	ck_assert_uint_gt(strlen(err.text), 0);
	ck_assert_uint_eq(node.rate, 77);
}
END_TEST

START_TEST(good_item)
{
	struct can_node n;
	char text[2000];

	ck_assert_int_eq(can_node_parse("vcan0", &n, &err), 0);
	ck_assert_str_eq(n.bus, "");
	ck_assert_str_eq(n.ifaces[0], "vcan0");
	ck_assert_int_eq(n.brs, BRS_OFF);
	ck_assert(n.rtr && n.tx && n.rx && n.loopback && n.down_is_bus_off && !n.hotplug);
	ck_assert_uint_eq(n.backlog, 1024);
	ck_assert_int_eq(can_node_parse("bus:a+can0+can1,fd=off,hotplug=on,down=ignore,"
					"loopback=off,late-ack=off,backlog=5,ack-timeout=9", &n,
					&err), 0);
	ck_assert_str_eq(n.bus, "a");
	ck_assert_uint_eq(n.n_ifaces, 2);
	ck_assert_str_eq(n.ifaces[1], "can1");
	ck_assert(n.fd == SWITCH_OFF && n.hotplug && !n.down_is_bus_off && !n.loopback);
	ck_assert_uint_eq(n.backlog, 5);
	ck_assert_uint_eq(n.ack_timeout_ms, 9);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(can_node_parse(text, &n, &err), -EINVAL);
}
END_TEST

#define LONG "12345678##1000102030405060708090A0B"
#define NO_LENGTH "123##000112233445566778899"

static const char *const texts[] = {
	"123#", "123#11", "7FF#1122334455667788", "00000001#", "1FFFFFFF#AB", "123#R0", "123#R8",
	"123##0", "123##3AABB", LONG,
};

START_TEST(text)
{
	struct canfd_frame f;
	char buf[CAN_TEXT_SIZE];

	ck_assert_int_eq(can_text_parse(texts[_i], &f), 0);
	can_text(buf, &f);
	ck_assert_str_eq(buf, texts[_i]);
}
END_TEST

static const char *const bad_texts[] = {
	"", "#", "12#", "1234#", "800#", "20000000#", "123", "123#1", "123#112233445566778899",
	"123#R9", "123#RR", "123#R11", "123##", "123##411", "123##8", "xyz#", "123#xy",
	NO_LENGTH, "123456789#",
};

START_TEST(bad_text)
{
	struct canfd_frame f = { .can_id = 99 };

	ck_assert_int_eq(can_text_parse(bad_texts[_i], &f), -EINVAL);
	ck_assert_uint_eq(f.can_id, 99);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("can-list");
	TCase *tc = tcase_create("can-list");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, bad_item, 0, (int)ARRAY_SIZE(bad_items));
	tcase_add_test(tc, good_item);
	tcase_add_loop_test(tc, text, 0, (int)ARRAY_SIZE(texts));
	tcase_add_loop_test(tc, bad_text, 0, (int)ARRAY_SIZE(bad_texts));
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
