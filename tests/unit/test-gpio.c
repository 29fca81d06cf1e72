/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The GPIO device on a simulated chip: every request, every way of an interrupt. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gpio.h"
#include "gpio-rig.h"

static struct bank *bank(void)
{
	return gpio_bank(fake.state);
}

static struct line *line(unsigned i)
{
	ck_assert_uint_lt(i, bank()->n_lines);
	return &bank()->lines[i];
}

/* Lines. */

START_TEST(config_space_and_names)
{
	struct virtio_gpio_config config;
	const uint8_t get[8] = { GPIO_MSG_GET_LINE_NAMES };
	const struct chain *c;

	begin("s3[2/name=led,0-1]");
	memcpy(&config, fake.config, sizeof(config));
	ck_assert_uint_eq(le16_get(config.ngpio), 3);
	ck_assert_uint_eq(config.padding[0] + config.padding[1], 0);
	ck_assert_uint_eq(le32_get(config.gpio_names_size), sizeof("led\0dummy0\0dummy1"));
	c = fake_push(get, sizeof(get), 1 + sizeof("led\0dummy0\0dummy1"));
	ck_assert_uint_eq(c->used, c->put_size);
	ck_assert_uint_eq(c->put[0], OK);
	ck_assert_int_eq(memcmp(c->put + 1, "led\0dummy0\0dummy1", c->put_size - 1), 0);
	/* Longer is left alone behind, shorter an error. */
	c = fake_push(get, sizeof(get), 100);
	ck_assert_uint_eq(c->used, 1 + sizeof("led\0dummy0\0dummy1"));
	ck_assert_uint_eq(c->put[c->used], FAKE_POISON);
	c = fake_push(get, sizeof(get), sizeof("led\0dummy0\0dummy1"));
	ck_assert_uint_eq(c->used, 2);
	ck_assert_uint_eq(c->put[0], ERR);
	ck_assert_uint_eq(c->put[1], 0);
	end();
}
END_TEST

START_TEST(names_are_unique)
{
	const char block[] = "a\0\0dummy0";

	begin("s4[1/name=a,2/name=a,0]");
	ck_assert_uint_eq(bank()->names_size, sizeof(block));
	ck_assert_int_eq(memcmp(bank()->names, block, sizeof(block)), 0);
	ck_assert_ptr_eq(bank_find(bank(), "a"), line(0));
	ck_assert_ptr_eq(bank_find(bank(), "2"), line(2));
	ck_assert_ptr_eq(bank_find(bank(), "dummy0"), line(2));
	ck_assert_ptr_null(bank_find(bank(), "3"));
	ck_assert_ptr_null(bank_find(bank(), ""));
	end();
}
END_TEST

START_TEST(values_and_directions)
{
	begin("s2");
	good(GPIO_MSG_GET_DIRECTION, 0, 0, IN);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	/* As Linux does: the value first. */
	good(GPIO_MSG_SET_VALUE, 0, 1, 0);
	ck_assert(!sim_level(line(0)));
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	ck_assert(sim_level(line(0)));
	good(GPIO_MSG_GET_VALUE, 0, 0, 1);
	good(GPIO_MSG_GET_DIRECTION, 0, 0, OUT);
	good(GPIO_MSG_SET_VALUE, 0, 0, 0);
	ck_assert(!sim_level(line(0)));
	/* From input to output with a value set in between. */
	good(GPIO_MSG_SET_DIRECTION, 0, IN, 0);
	good(GPIO_MSG_GET_DIRECTION, 0, 0, IN);
	good(GPIO_MSG_SET_VALUE, 0, 1, 0);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	good(GPIO_MSG_GET_VALUE, 0, 0, 1);
	/* NONE forgets the value; an output without one is low. */
	good(GPIO_MSG_SET_DIRECTION, 0, NONE, 0);
	ck_assert(!sim_level(line(0)));
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	good(GPIO_MSG_SET_DIRECTION, 0, NONE, 0);
	good(GPIO_MSG_SET_DIRECTION, 0, NONE, 0);
	/* The other line saw nothing of it. */
	good(GPIO_MSG_GET_DIRECTION, 1, 0, IN);
	end();
}
END_TEST

/* Each field counts in its full width. */
static const struct {
	unsigned type, gpio;
	uint32_t value;
} wrong[] = {
	{ 0, 0, 0 }, { 7, 0, 0 }, { 0x102, 0, 0 }, { 0xffff, 0, 0 },
	{ GPIO_MSG_GET_DIRECTION, 2, 0 }, { GPIO_MSG_GET_DIRECTION, 65535, 0 },
	{ GPIO_MSG_SET_DIRECTION, 2, OUT }, { GPIO_MSG_SET_DIRECTION, 65535, OUT },
	{ GPIO_MSG_GET_VALUE, 2, 0 }, { GPIO_MSG_GET_VALUE, 65535, 0 },
	{ GPIO_MSG_SET_VALUE, 2, 0 }, { GPIO_MSG_SET_VALUE, 65535, 0 },
	{ GPIO_MSG_SET_IRQ_TYPE, 2, 1 }, { GPIO_MSG_SET_IRQ_TYPE, 65535, 1 },
	{ GPIO_MSG_SET_DIRECTION, 0, 3 }, { GPIO_MSG_SET_DIRECTION, 0, 0x101 },
	{ GPIO_MSG_SET_DIRECTION, 0, 0x10001 }, { GPIO_MSG_SET_DIRECTION, 0, 0xffffffff },
	{ GPIO_MSG_SET_VALUE, 0, 2 }, { GPIO_MSG_SET_VALUE, 0, 0x101 },
	{ GPIO_MSG_SET_VALUE, 0, 0x10001 },
	{ GPIO_MSG_SET_IRQ_TYPE, 0, 5 }, { GPIO_MSG_SET_IRQ_TYPE, 0, 6 },
	{ GPIO_MSG_SET_IRQ_TYPE, 0, 7 }, { GPIO_MSG_SET_IRQ_TYPE, 0, 9 },
	{ GPIO_MSG_SET_IRQ_TYPE, 0, 12 }, { GPIO_MSG_SET_IRQ_TYPE, 0, 0x101 },
	{ GPIO_MSG_SET_IRQ_TYPE, 0, 0x10001 },
};

START_TEST(wrong_requests_change_nothing)
{
	begin("s2");
	good(GPIO_MSG_SET_DIRECTION, 0, IN, 0);
	bad(wrong[_i].type, wrong[_i].gpio, wrong[_i].value);
	ck_assert_uint_eq(fake.counters[1], 1);
	good(GPIO_MSG_GET_DIRECTION, 0, 0, IN);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, 0, 0);
	ck_assert_uint_eq(line(0)->irq, GPIO_IRQ_NONE);
	end();
}
END_TEST

/* Readable and writable bytes, and how the request ends. */
static const struct {
	unsigned queue;
	size_t get, put, used;
	enum fake_end end;
} shapes[] = {
	{ 0, 8, 0, 0, FAKE_FAILED }, { 0, 8, 1, 1, FAKE_FAILED }, { 0, 8, 2, 2, FAKE_DONE },
	{ 0, 8, 3, 2, FAKE_DONE }, { 0, 7, 2, 2, FAKE_FAILED }, { 0, 0, 2, 2, FAKE_FAILED },
	{ 0, 0, 1, 1, FAKE_FAILED }, { 0, 0, 0, 0, FAKE_FAILED }, { 0, 9, 2, 2, FAKE_DONE },
	{ 1, 1, 1, 1, FAKE_FAILED }, { 1, 0, 1, 1, FAKE_FAILED }, { 1, 2, 0, 0, FAKE_FAILED },
	{ 1, 3, 2, 1, FAKE_DONE }, { 1, 0, 0, 0, FAKE_FAILED },
};

START_TEST(shapes_of_requests)
{
	const uint8_t get[16] = { GPIO_MSG_GET_DIRECTION };
	const uint8_t event[16] = { 0 };
	const struct chain *c;

	begin("s2");
	c = fake_push_to(shapes[_i].queue, shapes[_i].queue == 0 ? get : event, shapes[_i].get,
			 shapes[_i].put);
	ck_assert_int_eq(c->end, shapes[_i].end);
	ck_assert_uint_eq(c->used, shapes[_i].used);
	if (shapes[_i].end == FAKE_FAILED && shapes[_i].used > 0)
		ck_assert_uint_eq(c->put[0], shapes[_i].queue == 0 ? ERR
				  : GPIO_IRQ_STATUS_INVALID);
	good(GPIO_MSG_GET_DIRECTION, 0, 0, IN);
	end();
}
END_TEST

START_TEST(unmapped_memory_costs_one_request)
{
	const uint8_t get[8] = { GPIO_MSG_GET_DIRECTION };
	struct chain *c, *e;

	set("device-list", "s2");
	fake_setup(&device_gpio, 0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	c = fake_push(get, sizeof(get), 2);
	e = fake_push_to(GPIO_EVENTQ, get, 2, 1);
	c->unmapped = e->unmapped = true;
	fake_start();
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_int_eq(e->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used + e->used, 0);
	good(GPIO_MSG_GET_DIRECTION, 0, 0, IN);
	end();
}
END_TEST

START_TEST(properties_of_lines)
{
	begin("s8[0/active-low,1/pull-up,2/open-drain/pull-up,3/input,4/output/value=1,5/"
	      "open-source,6/active-low/value=1,7/wire=1]");
	/* Active-low: values are turned over, and so are edges. */
	good(GPIO_MSG_GET_VALUE, 0, 0, 1);
	sim_drive(line(0), 1);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	good(GPIO_MSG_GET_VALUE, 1, 0, 1);
	/* Open drain lets go for 1. */
	good(GPIO_MSG_SET_DIRECTION, 2, OUT, 0);
	good(GPIO_MSG_GET_VALUE, 2, 0, 0);
	good(GPIO_MSG_SET_VALUE, 2, 1, 0);
	good(GPIO_MSG_GET_VALUE, 2, 0, 1);
	sim_drive(line(2), 0);
	good(GPIO_MSG_GET_VALUE, 2, 0, 0);
	/* Directions that the operator ruled out. */
	bad(GPIO_MSG_SET_DIRECTION, 3, OUT);
	good(GPIO_MSG_SET_DIRECTION, 3, IN, 0);
	bad(GPIO_MSG_SET_DIRECTION, 4, IN);
	bad(GPIO_MSG_SET_IRQ_TYPE, 4, GPIO_IRQ_EDGE_BOTH);
	/* An initial value, also after NONE. */
	good(GPIO_MSG_SET_DIRECTION, 4, OUT, 0);
	good(GPIO_MSG_GET_VALUE, 4, 0, 1);
	good(GPIO_MSG_SET_VALUE, 4, 0, 0);
	good(GPIO_MSG_SET_DIRECTION, 4, NONE, 0);
	good(GPIO_MSG_SET_DIRECTION, 4, OUT, 0);
	good(GPIO_MSG_GET_VALUE, 4, 0, 1);
	good(GPIO_MSG_SET_DIRECTION, 5, OUT, 0);
	sim_drive(line(5), 1);
	good(GPIO_MSG_GET_VALUE, 5, 0, 1);
	good(GPIO_MSG_SET_DIRECTION, 6, OUT, 0);
	ck_assert(!sim_level(line(6)));
	/* A wire has the pull of its other end. */
	good(GPIO_MSG_GET_VALUE, 7, 0, 1);
	end();
}
END_TEST

START_TEST(lines_are_chosen_and_joined)
{
	begin("s4[3,1]+s2+s9[*/pull-up]");
	ck_assert_uint_eq(bank()->n_lines, 2 + 2 + 9);
	ck_assert_uint_eq(bank()->n_chips, 3);
	ck_assert_uint_eq(line(0)->offset, 3);
	ck_assert_uint_eq(line(1)->offset, 1);
	ck_assert_uint_eq(line(3)->offset, 1);
	good(GPIO_MSG_GET_VALUE, 3, 0, 0);
	good(GPIO_MSG_GET_VALUE, 12, 0, 1);
	bad(GPIO_MSG_GET_VALUE, 13, 0);
	end();
}
END_TEST

START_TEST(largest_chip)
{
	struct virtio_gpio_config config;

	begin("s65535");
	memcpy(&config, fake.config, sizeof(config));
	ck_assert_uint_eq(le16_get(config.ngpio), 65535);
	good(GPIO_MSG_SET_DIRECTION, 65534, OUT, 0);
	bad(GPIO_MSG_SET_DIRECTION, 65535, OUT);
	end();
}
END_TEST

/* List, and what the message must name. */
static const struct {
	const char *list, *text;
} bad_lists[] = {
	{ "", "missing" }, { "x", "no GPIO chip" }, { "s", "simulated chip" },
	{ "s0", "simulated chip" }, { "s65536", "simulated chip" }, { "s-1", "simulated chip" },
	{ "s4x", "simulated chip" }, { "-1", "no GPIO chip" }, { "0x1", "no GPIO chip" },
	{ "s4[", "missing" }, { "s4[]", "missing" }, { "s4[1", "]" }, { "s4[1]x", "too much" },
	{ "s4[4]", "0 to 3" }, { "s4[2-4]", "0 to 3" }, { "s4[2-1]", "N-M" },
	{ "s4[1,1]", "twice" },
	{ "s4[*,1]", "twice" }, { "s4[1/]", "missing" }, { "s4[1/glow]", "glow" },
	{ "s4[1/value=2]", "value=2" }, { "s4[1/debounce=x]", "debounce=x" },
	{ "s4[1/active-lowx]", "active-lowx" }, { "s4[0-1/name=a]", "one line" },
	{ "s4[0/name=]", "name=" }, { "s4[0/name=a b]", "ASCII" },
	{ "s4[0/name=\xc3\xa4]", "ASCII" },
	{ "s4[0/name=01234567890123456789012345678901]", "31" }, { "s4[0/wire=0]", "wired" },
	{ "s4[0/wire=4]", "wired" }, { "s4[0/wire=1,2/wire=1]", "wired" },
	{ "s4[1/input/open-drain]", "drive" }, { "s4+", "missing" }, { "+s4", "missing" },
	{ "/nonexistent", "/nonexistent" },
	{ "label=no such chip", "no such chip" }, { "s65535+s1", "65535" },
	{ "s4[0/name=0123456789012345678901234567890123456789012345678901234567890123456789"
	  "012345678901234567890123456789012345678901234567890123456789012345678901234567890]",
	  "too long" },
};

START_TEST(bad_list)
{
	struct error err = ERROR_NONE;

	set("device-list", bad_lists[_i].list);
	fake_setup(&device_gpio, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_msg(strstr(err.text, bad_lists[_i].text) != NULL, "%s: %s", bad_lists[_i].list,
		      err.text);
	fake_close();
	fake_teardown();
}
END_TEST

/* Interrupts. */

static void edges(unsigned i, unsigned n)
{
	while (n-- > 0)
		sim_drive(line(i), !sim_level(line(i)));
}

static void enable(unsigned i, unsigned type)
{
	good(GPIO_MSG_SET_DIRECTION, i, IN, 0);
	good(GPIO_MSG_SET_IRQ_TYPE, i, type, 0);
}

START_TEST(edge_after_unmask)
{
	const struct chain *c;

	begin("s2");
	enable(1, GPIO_IRQ_EDGE_RISING);
	c = arm(1);
	is_parked(c);
	edges(0, 1);
	is_parked(c);
	edges(1, 1);
	fired(c);
	/* Falling is not asked for. */
	c = arm(1);
	edges(1, 1);
	is_parked(c);
	edges(1, 1);
	fired(c);
	ck_assert_uint_eq(fake.counters[3], 2);
	end();
}
END_TEST

START_TEST(each_edge_type)
{
	static const struct {
		unsigned type, fires[3];        /* after up, down, up */
	} rows[] = {
		{ GPIO_IRQ_EDGE_RISING, { 1, 1, 2 } }, { GPIO_IRQ_EDGE_FALLING, { 0, 1, 1 } },
		{ GPIO_IRQ_EDGE_BOTH, { 1, 2, 3 } },
	};
	unsigned i, k, n;
	const struct chain *c;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		begin("s1");
		enable(0, rows[i].type);
		c = arm(0);
		for (k = 0, n = 0; k < 3; k++) {
			edges(0, 1);
			if (c->end == FAKE_DONE) {
				fired(c);
				n++;
				c = arm(0);
			}
			ck_assert_uint_eq(n, rows[i].fires[k]);
		}
		end();
	}
}
END_TEST

START_TEST(edges_while_masked_are_one)
{
	const struct chain *c;

	begin("s1");
	enable(0, GPIO_IRQ_EDGE_BOTH);
	edges(0, 5);
	fired(arm(0));
	c = arm(0);
	is_parked(c);
	ck_assert_uint_eq(fake.counters[4], 4);
	edges(0, 1);
	fired(c);
	end();
}
END_TEST

START_TEST(edges_while_masked_are_counted)
{
	unsigned i;

	set("edges", "count");
	begin("s1");
	enable(0, GPIO_IRQ_EDGE_BOTH);
	edges(0, 5);
	for (i = 0; i < 5; i++)
		fired(arm(0));
	is_parked(arm(0));
	end();
}
END_TEST

/* The buffer is back before the answer, and visible. */
START_TEST(disable_returns_the_buffer_first)
{
	const struct chain *e, *c;

	begin("s1");
	enable(0, GPIO_IRQ_EDGE_RISING);
	e = arm(0);
	if (_i == 0)
		c = push(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE);
	else
		c = push(GPIO_MSG_SET_DIRECTION, 0, NONE);
	refused(e);
	ck_assert_uint_eq(c->put[0], OK);
	ck_assert_uint_lt(e->order, c->order);
	ck_assert_uint_eq(fake.flushes, 1);
	/* NONE again is fine. */
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE, 0);
	ck_assert_uint_eq(fake.flushes, 1);
	end();
}
END_TEST

START_TEST(disable_forgets_edges)
{
	const struct chain *c;

	begin("s1");
	enable(0, GPIO_IRQ_EDGE_BOTH);
	edges(0, 2);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE, 0);
	edges(0, 2);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_BOTH, 0);
	c = arm(0);
	is_parked(c);
	/* The same with the line released, after which any type will do. */
	edges(0, 2);
	fired(c);
	good(GPIO_MSG_SET_DIRECTION, 0, NONE, 0);
	edges(0, 2);
	good(GPIO_MSG_SET_DIRECTION, 0, IN, 0);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_BOTH, 0);
	is_parked(arm(0));
	end();
}
END_TEST

/* Device tree interrupts: no direction was set. */
START_TEST(interrupt_without_direction)
{
	const struct chain *c;

	begin("s1");
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_RISING, 0);
	c = arm(0);
	edges(0, 1);
	fired(c);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE, 0);
	ck_assert_uint_eq(line(0)->now.direction, NONE);
	end();
}
END_TEST

START_TEST(buffers_nobody_wants)
{
	const struct chain *c, *again;

	begin("s2");
	refused(arm(0));
	good(GPIO_MSG_SET_DIRECTION, 0, IN, 0);
	refused(arm(0));
	c = arm(2);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used, 1);
	ck_assert_uint_eq(c->put[0], GPIO_IRQ_STATUS_INVALID);
	ck_assert_int_eq(arm(65535)->end, FAKE_FAILED);
	/* A second one: the first stays. */
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_RISING, 0);
	c = arm(0);
	again = arm(0);
	is_parked(c);
	refused(again);
	edges(0, 1);
	fired(c);
	end();
}
END_TEST

/* Linux ignores the error and would answer INVALID with the next buffer for ever. */
START_TEST(refused_interrupt_holds_the_buffer)
{
	const struct chain *c;

	begin("s2[0,1/output]");
	bad(GPIO_MSG_SET_IRQ_TYPE, 1, GPIO_IRQ_EDGE_BOTH);
	c = arm(1);
	is_parked(c);
	good(GPIO_MSG_SET_IRQ_TYPE, 1, GPIO_IRQ_NONE, 0);
	refused(c);
	refused(arm(1));
	/* A type that is none, then one that is: the buffer is armed. */
	bad(GPIO_MSG_SET_IRQ_TYPE, 0, 5);
	c = arm(0);
	edges(0, 1);
	is_parked(c);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_BOTH, 0);
	edges(0, 1);
	fired(c);
	end();
}
END_TEST

START_TEST(type_changes_while_armed)
{
	const struct chain *c;

	begin("s1");
	enable(0, GPIO_IRQ_EDGE_RISING);
	c = arm(0);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_RISING, 0);
	is_parked(c);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_FALLING, 0);
	edges(0, 1);
	is_parked(c);
	edges(0, 1);
	fired(c);
	/* To a level that is there already. */
	c = arm(0);
	is_parked(c);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_LEVEL_LOW, 0);
	fired(c);
	/* Edges of the former type are not the latter's. */
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_RISING, 0);
	edges(0, 1);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_FALLING, 0);
	is_parked(arm(0));
	end();
}
END_TEST

START_TEST(levels)
{
	bool high = _i == 0;
	const struct chain *c;

	begin("s1");
	sim_drive(line(0), high);
	enable(0, high ? GPIO_IRQ_LEVEL_HIGH : GPIO_IRQ_LEVEL_LOW);
	/* Active already, still, and no more. */
	fired(arm(0));
	fired(arm(0));
	sim_drive(line(0), !high);
	c = arm(0);
	is_parked(c);
	sim_drive(line(0), high);
	fired(c);
	/* Never remembered. */
	sim_drive(line(0), !high);
	sim_drive(line(0), high);
	sim_drive(line(0), !high);
	c = arm(0);
	is_parked(c);
	ck_assert_uint_eq(fake.counters[4], 0);
	good(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_NONE, 0);
	refused(c);
	end();
}
END_TEST

START_TEST(outputs_do_not_interrupt)
{
	begin("s2");
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	bad(GPIO_MSG_SET_IRQ_TYPE, 0, GPIO_IRQ_EDGE_BOTH);
	enable(1, GPIO_IRQ_EDGE_BOTH);
	bad(GPIO_MSG_SET_DIRECTION, 1, OUT);
	good(GPIO_MSG_GET_DIRECTION, 1, 0, IN);
	good(GPIO_MSG_SET_IRQ_TYPE, 1, GPIO_IRQ_NONE, 0);
	good(GPIO_MSG_SET_DIRECTION, 1, OUT, 0);
	end();
}
END_TEST

START_TEST(a_wire_interrupts)
{
	const struct chain *c;

	begin("s4[0/wire=1,1,2,3]");
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	enable(1, GPIO_IRQ_EDGE_BOTH);
	c = arm(1);
	good(GPIO_MSG_SET_VALUE, 0, 1, 0);
	fired(c);
	good(GPIO_MSG_GET_VALUE, 1, 0, 1);
	/* Giving up an output is an edge for the other end, too. */
	c = arm(1);
	good(GPIO_MSG_SET_DIRECTION, 0, NONE, 0);
	fired(c);
	/* Wires are changed from outside. */
	good(GPIO_MSG_SET_DIRECTION, 2, OUT, 0);
	good(GPIO_MSG_SET_VALUE, 2, 1, 0);
	c = arm(1);
	sim_wire(line(1), line(2));
	fired(c);
	c = arm(1);
	sim_unwire(line(2));
	fired(c);
	c = arm(1);
	sim_drive(line(0), 1);
	is_parked(c);
	end();
}
END_TEST

START_TEST(commands_of_the_operator)
{
	struct error err = ERROR_NONE;
	const struct chain *c;

	set("edges", "count");
	begin("s4[0/name=key,1-3]+s1");
	enable(0, GPIO_IRQ_EDGE_RISING);
	c = arm(0);
	ck_assert_int_eq(fake_command(&err, "drive", 2, "key", "1"), 0);
	fired(c);
	ck_assert_int_eq(fake_command(&err, "drive", 2, "0", "float"), 0);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	ck_assert_int_eq(fake_command(&err, "pulse", 2, "key", "3"), 0);
	fired(arm(0));
	fired(arm(0));
	fired(arm(0));
	c = arm(0);
	is_parked(c);
	ck_assert_int_eq(fake_command(&err, "show", 0), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "0 s4/0 in irq=1 armed level=0 edges=4 "
				     "interrupts=4 coalesced=0 errors=0 key\n"));
	ck_assert_ptr_nonnull(strstr(fake.reply, "4 s1/0 free irq=0 level=0 edges=0 "));
	good(GPIO_MSG_SET_VALUE, 2, 1, 0);
	good(GPIO_MSG_SET_DIRECTION, 2, OUT, 0);
	ck_assert_int_eq(fake_command(&err, "wire", 2, "key", "2"), 0);
	fired(c);
	ck_assert_int_eq(fake_command(&err, "unwire", 1, "2"), 0);
	good(GPIO_MSG_GET_VALUE, 0, 0, 0);
	ck_assert_int_lt(fake_command(&err, "wire", 2, "0", "0"), 0);
	ck_assert_int_lt(fake_command(&err, "wire", 2, "0", "4"), 0);
	ck_assert_int_lt(fake_command(&err, "drive", 2, "0", "2"), 0);
	ck_assert_int_lt(fake_command(&err, "drive", 2, "5", "1"), 0);
	ck_assert_int_lt(fake_command(&err, "pulse", 2, "0", "0"), 0);
	end();
}
END_TEST

START_TEST(history_of_changes)
{
	struct error err = ERROR_NONE;
	const char *at;
	unsigned i;

	begin("s3");
	ck_assert_int_eq(fake_command(&err, "history", 0), 0);
	ck_assert_str_eq(fake.reply, "");
	ck_assert_int_eq(fake_command(&err, "history", 1, "json"), 0);
	ck_assert_str_eq(fake.reply, "[]\n");
	sim_drive(line(2), 1);
	sim_drive(line(1), 1);
	sim_drive(line(2), 0);
	ck_assert_int_eq(fake_command(&err, "history", 0), 0);
	at = strstr(fake.reply, " 2 1\n");
	ck_assert_ptr_nonnull(at);
	at = strstr(at, " 1 1\n");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(strstr(at, " 2 0\n"));
	ck_assert_int_eq(fake_command(&err, "history", 1, "json"), 0);
	ck_assert_ptr_nonnull(strstr(fake.reply, "\"line\":1,\"level\":1},{\"ns\":"));
	ck_assert_int_lt(fake_command(&err, "history", 1, "xml"), 0);
	/* The oldest go. */
	for (i = 0; i < HISTORY; i++)
		sim_drive(line(0), i & 1);
	ck_assert_int_eq(fake_command(&err, "history", 0), 0);
	ck_assert_ptr_null(strstr(fake.reply, " 1 1\n"));
	end();
}
END_TEST

START_TEST(many_armed_lines)
{
	const struct chain *c[MANY];
	unsigned i;

	begin("s64");
	for (i = 0; i < MANY; i++) {
		enable(i, GPIO_IRQ_EDGE_RISING);
		c[i] = arm(i);
	}
	for (i = 0; i < MANY; i += 2)
		edges(i, 1);
	for (i = 0; i < MANY; i++) {
		if (i % 2 == 0)
			fired(c[i]);
		else
			is_parked(c[i]);
	}
	end();
}
END_TEST

/* A pause is a stop without a reset: nothing is lost. */
START_TEST(pause)
{
	const struct chain *c;

	begin("s1");
	enable(0, GPIO_IRQ_EDGE_RISING);
	c = arm(0);
	fake_stop();
	refused(c);
	edges(0, 1);
	fake_start();
	fired(arm(0));
	is_parked(arm(0));
	end();
}
END_TEST

START_TEST(reset_releases_lines)
{
	const struct chain *c;

	begin("s2");
	enable(0, GPIO_IRQ_EDGE_BOTH);
	good(GPIO_MSG_SET_VALUE, 1, 1, 0);
	good(GPIO_MSG_SET_DIRECTION, 1, OUT, 0);
	c = arm(0);
	edges(0, 2);
	fired(c);
	fake_stop();
	fake_reset(RESET_DRIVER);
	ck_assert_uint_eq(line(0)->now.direction, NONE);
	ck_assert(!sim_level(line(1)));
	fake_start();
	good(GPIO_MSG_GET_DIRECTION, 1, 0, IN);
	refused(arm(0));
	enable(0, GPIO_IRQ_EDGE_BOTH);
	is_parked(arm(0));
	end();
}
END_TEST

START_TEST(reset_holds_outputs)
{
	set("on-reset", "hold");
	begin("s3");
	enable(0, GPIO_IRQ_EDGE_BOTH);
	good(GPIO_MSG_SET_VALUE, 1, 1, 0);
	good(GPIO_MSG_SET_DIRECTION, 1, OUT, 0);
	good(GPIO_MSG_SET_IRQ_TYPE, 2, GPIO_IRQ_EDGE_BOTH, 0);
	fake_stop();
	fake_reset(RESET_LEFT);
	ck_assert(sim_level(line(1)));
	ck_assert_uint_eq(line(0)->now.direction, NONE);
	ck_assert_uint_eq(line(2)->now.direction, NONE);
	fake_start();
	good(GPIO_MSG_GET_DIRECTION, 1, 0, OUT);
	good(GPIO_MSG_GET_VALUE, 1, 0, 1);
	end();
}
END_TEST

START_TEST(reset_drives_outputs)
{
	set("on-reset", "drive");
	begin("s3[0/value=1,1,2]");
	good(GPIO_MSG_SET_VALUE, 0, 0, 0);
	good(GPIO_MSG_SET_DIRECTION, 0, OUT, 0);
	good(GPIO_MSG_SET_VALUE, 1, 1, 0);
	good(GPIO_MSG_SET_DIRECTION, 1, OUT, 0);
	good(GPIO_MSG_SET_DIRECTION, 2, IN, 0);
	fake_stop();
	fake_reset(RESET_LEFT);
	ck_assert_uint_eq(line(0)->now.direction, OUT);
	ck_assert(sim_level(line(0)));
	ck_assert_uint_eq(line(1)->now.direction, OUT);
	ck_assert(!sim_level(line(1)));
	ck_assert_uint_eq(line(2)->now.direction, NONE);
	end();
}
END_TEST

/* Two requests with one kick: answered in order, and the second sees the first. */
START_TEST(order_on_a_line)
{
	const struct virtio_gpio_request req[] = {
		{ le16(GPIO_MSG_SET_VALUE), le16(0), le32(1) },
		{ le16(GPIO_MSG_SET_DIRECTION), le16(0), le32(OUT) },
		{ le16(GPIO_MSG_GET_VALUE), le16(0), le32(0) },
	};
	const struct chain *c[3];
	unsigned i;

	set("device-list", "s1");
	fake_setup(&device_gpio, 0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	for (i = 0; i < 3; i++)
		c[i] = fake_push(&req[i], sizeof(req[i]), 2);
	fake_start();
	ck_assert_uint_lt(c[0]->order, c[1]->order);
	ck_assert_uint_lt(c[1]->order, c[2]->order);
	ck_assert_uint_eq(c[2]->put[1], 1);
	end();
}
END_TEST

static void add_line_tests(TCase *tc)
{
	tcase_add_test(tc, config_space_and_names);
	tcase_add_test(tc, names_are_unique);
	tcase_add_test(tc, values_and_directions);
	tcase_add_loop_test(tc, wrong_requests_change_nothing, 0, (int)ARRAY_SIZE(wrong));
	tcase_add_loop_test(tc, shapes_of_requests, 0, (int)ARRAY_SIZE(shapes));
	tcase_add_test(tc, unmapped_memory_costs_one_request);
	tcase_add_test(tc, properties_of_lines);
	tcase_add_test(tc, lines_are_chosen_and_joined);
	tcase_add_test(tc, largest_chip);
	tcase_add_loop_test(tc, bad_list, 0, (int)ARRAY_SIZE(bad_lists));
	tcase_add_test(tc, order_on_a_line);
}

static void add_interrupt_tests(TCase *tc)
{
	tcase_add_test(tc, edge_after_unmask);
	tcase_add_test(tc, each_edge_type);
	tcase_add_test(tc, edges_while_masked_are_one);
	tcase_add_test(tc, edges_while_masked_are_counted);
	tcase_add_loop_test(tc, disable_returns_the_buffer_first, 0, 2);
	tcase_add_test(tc, disable_forgets_edges);
	tcase_add_test(tc, interrupt_without_direction);
	tcase_add_test(tc, buffers_nobody_wants);
	tcase_add_test(tc, refused_interrupt_holds_the_buffer);
	tcase_add_test(tc, type_changes_while_armed);
	tcase_add_loop_test(tc, levels, 0, 2);
	tcase_add_test(tc, outputs_do_not_interrupt);
	tcase_add_test(tc, a_wire_interrupts);
	tcase_add_test(tc, commands_of_the_operator);
	tcase_add_test(tc, history_of_changes);
	tcase_add_test(tc, many_armed_lines);
	tcase_add_test(tc, pause);
	tcase_add_test(tc, reset_releases_lines);
	tcase_add_test(tc, reset_holds_outputs);
	tcase_add_test(tc, reset_drives_outputs);
}

int main(void)
{
	Suite *s = suite_create("gpio");
	TCase *lines = tcase_create("lines"), *interrupts = tcase_create("interrupts");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(lines, setup, teardown);
	tcase_add_checked_fixture(interrupts, setup, teardown);
	add_line_tests(lines);
	add_interrupt_tests(interrupts);
	suite_add_tcase(s, lines);
	suite_add_tcase(s, interrupts);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
