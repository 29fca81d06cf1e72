/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Chips behind a slow bus: calls are made by a worker, everything else goes on. */
#include <check.h>
#include <poll.h>

#include "gpio.h"
#include "gpio-rig.h"
#include "suite.h"

static struct line *line(unsigned i)
{
	return &gpio_bank(fake.state)->lines[i];
}

/* Until nothing is under way at the host. */
static void idle(unsigned i)
{
	while (line(i)->busy)
		loop_turn(fake.loop, true);
}

/* From the loop, as commands are. */
static void drive(bool high)
{
	ck_assert_int_eq(fake_command(NULL, "drive", 2, "0", high ? "1" : "0"), 0);
}

START_TEST(slow_chip_holds_up_its_lines_alone)
{
	const struct chain *c[5];
	unsigned i;

	begin("s3[0/slow=30/pull-up,1/slow=30/input,2]+s1");
	c[0] = push(GPIO_MSG_SET_DIRECTION, 0, IN);
	c[1] = push(GPIO_MSG_GET_VALUE, 0, 0);
	c[2] = push(GPIO_MSG_GET_VALUE, 1, 0);
	c[3] = push(GPIO_MSG_SET_DIRECTION, 0, NONE);
	c[4] = push(GPIO_MSG_SET_DIRECTION, 1, OUT);
	for (i = 0; i < 5; i++)
		is_parked(c[i]);
	good(GPIO_MSG_GET_VALUE, 3, 0, 0);
	good(GPIO_MSG_SET_DIRECTION, 3, OUT, 0);
	fake_wait_ended(7);
	/* On each line one after the other. */
	ck_assert_uint_lt(c[0]->order, c[1]->order);
	ck_assert_uint_lt(c[1]->order, c[3]->order);
	ck_assert_uint_lt(c[2]->order, c[4]->order);
	ck_assert_uint_eq(c[1]->put[0] << 8 | c[1]->put[1], OK << 8 | 1);
	ck_assert_uint_eq(c[2]->put[0] << 8 | c[2]->put[1], OK << 8 | 0);
	ck_assert_uint_eq(c[3]->put[0], OK);
	ck_assert_uint_eq(c[4]->put[0], ERR);
	ck_assert_uint_eq(line(0)->now.direction, NONE);
	end();
}
END_TEST

/* The level is looked at by the worker, more than once if it changes meanwhile. */
START_TEST(levels_of_a_slow_chip)
{
	const struct chain *e;

	begin("s1[*/slow=20]");
	push(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_LEVEL_HIGH);
	fake_wait_ended(1);
	e = arm(0);
	idle(0);
	is_parked(e);
	drive(1);
	is_parked(e);
	fake_wait_ended(2);
	fired(e);
	/* It is there still; then it is gone before anybody looked. */
	e = arm(0);
	fake_wait_ended(3);
	fired(e);
	e = arm(0);
	drive(0);
	idle(0);
	is_parked(e);
	drive(1);
	drive(0);
	drive(1);
	fake_wait_ended(4);
	fired(e);
	push(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE);
	fake_wait_ended(5);
	end();
}
END_TEST

START_TEST(edges_of_a_slow_chip)
{
	const struct chain *e, *c;

	begin("s1[*/slow=20]");
	push(GPIO_MSG_SET_DIRECTION, 0, IN);
	push(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_BOTH);
	/* Not asked for before the first request is over. */
	refused(arm(0));
	fake_wait_ended(2);
	e = arm(0);
	/* The first two are from before the chip looks for any. */
	is_parked(e);
	drive(1);
	drive(0);
	is_parked(e);
	fake_wait_ended(3);
	drive(1);
	fired(e);
	drive(0);
	fired(arm(0));
	/* The buffer comes back at once, the answer when the chip has done it. */
	e = arm(0);
	c = push(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE);
	refused(e);
	is_parked(c);
	fake_wait_ended(7);
	end();
}
END_TEST

/* A new driver finds the line free, though the chip is still busy with the old one's wishes. */
START_TEST(reset_of_a_slow_chip)
{
	begin("s1[*/slow=50]");
	push(GPIO_MSG_SET_VALUE, 0, 1);
	push(GPIO_MSG_SET_DIRECTION, 0, OUT);
	fake_wait_ended(2);
	ck_assert(sim_level(line(0)));
	fake_stop();
	fake_reset(RESET_DRIVER);
	fake_start();
	ck_assert(line(0)->busy);
	push(GPIO_MSG_GET_DIRECTION, 0, 0);
	push(GPIO_MSG_SET_DIRECTION, 0, OUT);
	fake_wait_ended(4);
	ck_assert_uint_eq(fake.chains[2].put[1], IN);
	ck_assert(!sim_level(line(0)));
	end();
}
END_TEST

/* The instance goes, its memory stays until the call is over. */
START_TEST(closed_while_a_call_runs)
{
	begin("s2[*/slow=150]");
	push(GPIO_MSG_SET_DIRECTION, 0, OUT);
	push(GPIO_MSG_SET_DIRECTION, 1, OUT);
	fake_wait_ended(2);
	fake_stop();
	fake_reset(RESET_LEFT);
	poll(NULL, 0, 20);
	fake_close();
	fake_teardown();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gpio-host");
	TCase *tc = tcase_create("gpio-host");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, slow_chip_holds_up_its_lines_alone);
	tcase_add_test(tc, levels_of_a_slow_chip);
	tcase_add_test(tc, edges_of_a_slow_chip);
	tcase_add_test(tc, reset_of_a_slow_chip);
	tcase_add_test(tc, closed_while_a_call_runs);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
