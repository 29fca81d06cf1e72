/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The I2C adapter device on simulated adapters: framing, groups, policy, time. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt.h"
#include "fake-core.h"
#include "suite.h"
#include "wire/virtio-i2c.h"

enum { MS = 1000 * 1000, OK = VIRTIO_I2C_MSG_OK, ERR = VIRTIO_I2C_MSG_ERR,
	NEXT = VIRTIO_I2C_FLAGS_FAIL_NEXT, RD = VIRTIO_I2C_FLAGS_M_RD, LONGEST = 8192 };

/* In the order of the device's rows. */
enum { TRANSFERS, MESSAGES, WRITTEN, READ, ERRORS, TIMEOUTS, REFUSED, MALFORMED };

/* The clock stands still where nothing is slow: no group is cut short on a busy machine. */
static const uint64_t T0 = 5000ULL * MS;

extern const struct device device_i2c;

static unsigned char conf[256];
static struct error err;

static void set(const char *option, const char *text)
{
	const struct option *row = opt_find(device_i2c.options, option, strlen(option));

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(opt_set(row, conf, text, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	ck_assert_uint_le(device_i2c.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_i2c.options, conf);
}

static void teardown(void)
{
	opt_finish(device_i2c.options, conf);
}

static void begin(uint64_t now, const char *list)
{
	set("device-list", list);
	fake_setup(&device_i2c, now);
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

static void end(void)
{
	fake_stop();
	fake_close();
	fake_teardown();
}

/* A request with the address field as it is; put: all writable bytes. */
static struct chain *push_raw(uint16_t addr, uint32_t flags, const void *data, size_t n, size_t put)
{
	static unsigned char bytes[8 + 70000];
	struct virtio_i2c_out_hdr hdr = { le16(addr), le16(0), le32(flags) };

	memcpy(bytes, &hdr, sizeof(hdr));
	if (n > 0)
		memcpy(bytes + sizeof(hdr), data, n);
	return fake_push(bytes, sizeof(hdr) + n, put);
}

static struct chain *push_write(unsigned addr, uint32_t flags, const char *data, size_t n)
{
	return push_raw((uint16_t)(addr << 1), flags, data, n, 1);
}

static struct chain *push_read(unsigned addr, uint32_t flags, size_t n)
{
	return push_raw((uint16_t)(addr << 1), flags | RD, NULL, 0, n + 1);
}

/* It has ended, with this status in the last byte it could write, and all bytes told. */
static void check_status(const struct chain *c, int status)
{
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, c->put_size);
	ck_assert_int_eq(c->put[c->put_size - 1], status);
}

static void check_data(const struct chain *c, const char *data)
{
	check_status(c, OK);
	ck_assert_uint_eq(c->put_size, strlen(data) + 1);
	ck_assert_int_eq(memcmp(c->put, data, strlen(data)), 0);
}

static void check_failed(const struct chain *c)
{
	size_t i;

	check_status(c, ERR);
	for (i = 0; i + 1 < c->put_size; i++)
		ck_assert_uint_eq(c->put[i], 0);
}

/* -- What clients do -------------------------------------------------------- */

START_TEST(eeprom_keeps_what_is_written)
{
	struct chain *c[3];

	begin(T0, "s0:0x50");
	c[0] = push_write(0x50, 0, "\x04" "abcd", 5);
	c[1] = push_write(0x50, NEXT, "\x04", 1);
	c[2] = push_read(0x50, 0, 4);
	fake_wait_ended(3);
	check_status(c[0], OK);
	check_status(c[1], OK);
	check_data(c[2], "abcd");
	ck_assert_uint_eq(c[0]->used, 1);
	ck_assert_uint_eq(fake.counters[TRANSFERS], 2);
	ck_assert_uint_eq(fake.counters[MESSAGES], 3);
	ck_assert_uint_eq(fake.counters[WRITTEN], 6);
	ck_assert_uint_eq(fake.counters[READ], 4);
	end();
}
END_TEST

/* Pages of 8 bytes: the ninth overwrites the first. Reading knows no pages. */
START_TEST(eeprom_wraps_in_its_page)
{
	struct chain *c;

	begin(T0, "s0:0x50");
	push_write(0x50, 0, "\x06" "ABCD", 5);
	push_write(0x50, NEXT, "\x00", 1);
	push_read(0x50, 0, 2);
	push_write(0x50, NEXT, "\x06", 1);
	c = push_read(0x50, 0, 3);
	fake_wait_ended(5);
	check_data(&fake.chains[2], "CD");
	check_data(c, "AB\xff");
	end();
}
END_TEST

START_TEST(large_eeprom_has_two_address_bytes)
{
	begin(T0, "s0:0x50/eeprom=4096");
	push_write(0x50, 0, "\x01\x02xyz", 5);
	push_write(0x50, NEXT, "\x01\x03", 2);
	push_read(0x50, 0, 2);
	push_write(0x50, NEXT, "\x00\x03", 2);
	push_read(0x50, 0, 2);
	fake_wait_ended(5);
	check_data(&fake.chains[2], "yz");
	check_data(&fake.chains[4], "\xff\xff");
	end();
}
END_TEST

START_TEST(registers_go_on_by_themselves)
{
	begin(T0, "s0:0x20");
	push_write(0x20, 0, "\xfe" "abc", 4);
	push_write(0x20, NEXT, "\xfe", 1);
	push_read(0x20, 0, 3);
	fake_wait_ended(3);
	check_data(&fake.chains[2], "abc");
	end();
}
END_TEST

START_TEST(blocks_are_kept_by_command)
{
	begin(T0, "s0:0x30/block");
	push_write(0x30, 0, "\x07\x02hi", 4);
	push_write(0x30, 0, "\x08\x20" "cut", 5);
	push_write(0x30, NEXT, "\x07", 1);
	push_read(0x30, 0, 4);
	push_write(0x30, NEXT, "\x08", 1);
	push_read(0x30, 0, 4);
	fake_wait_ended(6);
	check_data(&fake.chains[3], "\x02hi\xff");
	check_data(&fake.chains[5], "\x03" "cut");
	end();
}
END_TEST

/* Every operation there and back; what SMBus has not fails and changes nothing. */
START_TEST(adapter_with_smbus_alone)
{
	unsigned i;

	begin(T0, "s7/smbus:0x20:0x30/block:0x21/split");
	push_write(0x20, 0, NULL, 0);
	push_write(0x20, 0, "\x10" "a", 2);
	push_write(0x20, 0, "\x11" "bc", 3);
	push_write(0x20, 0, "\x13" "defg", 5);
	push_write(0x20, NEXT, "\x10", 1);
	push_read(0x20, 0, 1);
	push_write(0x20, NEXT, "\x11", 1);
	push_read(0x20, 0, 2);
	push_write(0x20, NEXT, "\x10", 1);
	push_read(0x20, 0, 7);
	push_write(0x20, 0, "\x12", 1);
	push_read(0x20, 0, 1);
	push_write(0x20, NEXT, "\x20" "xy", 3);
	push_read(0x20, 0, 2);
	push_write(0x30, NEXT, "\x05\x02hi", 4);
	push_read(0x30, 0, 4);
	push_write(0x21, NEXT, "\x00", 1);
	push_read(0x21, 0, 100);
	fake_wait_ended(18);
	for (i = 0; i < 18; i++)
		check_status(&fake.chains[i], OK);
	check_data(&fake.chains[5], "a");
	check_data(&fake.chains[7], "bc");
	check_data(&fake.chains[9], "abcdefg");
	check_data(&fake.chains[11], "c");
	check_data(&fake.chains[15], "\x02hi\xff");
	push_write(0x20, 0, "\x13" "0123456789012345678901234567890123", 35);
	push_write(0x20, NEXT, "\x13", 1);
	push_write(0x20, 0, "\x13", 1);
	push_write(0x20, NEXT, "\x13", 1);
	push_read(0x20, 0, 33);
	push_write(0x22, 0, "\x13", 1);
	fake_wait_ended(24);
	for (i = 18; i < 24; i++)
		check_failed(&fake.chains[i]);
	push_write(0x20, NEXT, "\x13", 1);
	push_read(0x20, 0, 4);
	fake_wait_ended(26);
	check_data(&fake.chains[25], "defg");
	end();
}
END_TEST

/* SMBus Quick, which i2cdetect sends. */
START_TEST(quick_answers)
{
	begin(T0, "s0:0x50:*");
	push_write(0x51, 0, NULL, 0);
	push_write(0x50, 0, NULL, 0);
	push_read(0x50, 0, 0);
	push_read(0x77, 0, 0);
	push_read(0x78, 0, 0);
	fake_wait_ended(5);
	check_failed(&fake.chains[0]);
	check_status(&fake.chains[1], OK);
	check_status(&fake.chains[2], OK);
	check_failed(&fake.chains[3]);
	check_failed(&fake.chains[4]);
	ck_assert_uint_eq(fake.counters[ERRORS], 2);
	ck_assert_uint_eq(fake.counters[REFUSED], 1);
	end();
}
END_TEST

START_TEST(lengths_up_to_the_limit)
{
	static const size_t sizes[] = { 1, 2, 255, 256, 4096, LONGEST };
	static char data[LONGEST];
	unsigned i;

	memset(data, 'x', sizeof(data));
	begin(T0, "s0:0x20");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		push_write(0x20, 0, data, sizes[i]);
		push_read(0x20, 0, sizes[i]);
	}
	fake_wait_ended(2 * i);
	for (i = 0; i < 2 * ARRAY_SIZE(sizes); i++)
		check_status(&fake.chains[i], OK);
	end();
}
END_TEST

/* -- Framing ---------------------------------------------------------------- */

/* Fault of one request; the next one is served. used: what is told. */
static const struct {
	uint16_t addr;
	uint32_t flags;
	size_t data, put, used;
	int counter;
} bad[] = {
	{ 0x50 << 1, RD, 1, 5, 5, MALFORMED },
	{ 0x50 << 1, 0, 2, 2, 2, MALFORMED },
	{ 0x50 << 1, 0, 0, 2, 2, MALFORMED },
	{ 0x50 << 1, 0, LONGEST + 1, 1, 1, MALFORMED },
	{ 0x50 << 1, 0, 65537, 1, 1, MALFORMED },
	{ 0x50 << 1, RD, 0, LONGEST + 2, LONGEST + 2, MALFORMED },
	{ 0x50 << 1, RD, 0, 65538, 0, MALFORMED },
	{ 0x50 << 1 | 1, 0, 1, 1, 1, MALFORMED },
	{ 0x150 << 1, 0, 1, 1, 1, MALFORMED },
	{ 0x8000 | 0x50 << 1, RD, 0, 5, 5, MALFORMED },
	{ 0x51 << 1, 0, 1, 1, 1, REFUSED },
	{ 0x51 << 1, RD, 0, 4, 4, REFUSED },
	{ 0xf0, 0, 1, 1, 1, REFUSED },          /* 10-bit address 0, not 0x78 */
	{ 0x79 << 1, 0, 1, 1, 1, REFUSED },
};

START_TEST(bad_request_costs_itself)
{
	static char data[70000];
	struct chain *c;
	size_t i;

	begin(T0, "s0:0x50:0x78");
	c = push_raw(bad[_i].addr, bad[_i].flags, data, bad[_i].data, bad[_i].put);
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, bad[_i].used);
	ck_assert_int_eq(c->put[c->put_size - 1], ERR);
	for (i = 0; i + 1 < c->used; i++)
		ck_assert_uint_eq(c->put[i], 0);
	ck_assert_uint_eq(fake.counters[bad[_i].counter], 1);
	push_read(0x50, 0, 1);
	fake_wait_ended(2);
	check_data(&fake.chains[1], "\xff");
	ck_assert_uint_eq(fake.counters[TRANSFERS], 1);
	end();
}
END_TEST

START_TEST(short_header)
{
	struct chain *c;

	begin(T0, "s0:0x50");
	c = fake_push("\xa0\0\0\0\0\0\0", 7, 1);
	check_failed(c);
	c = fake_push("", 0, 3);
	check_failed(c);
	/* Nowhere to put the status. */
	c = fake_push("\xa0\0\0\0\0\0\0", 7, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used, 0);
	c = push_raw(0x50 << 1, 0, "x", 1, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	c = push_raw(0x50 << 1, RD, NULL, 0, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used, 0);
	ck_assert_uint_eq(fake.counters[MALFORMED], 5);
	ck_assert_uint_eq(fake.counters[TRANSFERS], 0);
	end();
}
END_TEST

START_TEST(reserved_bits_are_ignored)
{
	const struct virtio_i2c_out_hdr hdr = { le16(0x50 << 1), le16(0xffff), le32(0xfffffffc) };

	begin(T0, "s0:0x50");
	fake_push(&hdr, sizeof(hdr), 1);
	fake_wait_ended(1);
	check_status(&fake.chains[0], OK);
	end();
}
END_TEST

START_TEST(unmapped_memory_costs_one_request)
{
	const unsigned char hdr[9] = { 0x50 << 1, 0, 0, 0, 0, 0, 0, 0, 0 };

	set("device-list", "s0:0x50");
	fake_setup(&device_i2c, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), 0);
	fake_push(hdr, sizeof(hdr), 1)->unmapped = true;
	fake_push(hdr, sizeof(hdr), 1);
	fake_start();
	fake_wait_ended(2);
	ck_assert_int_eq(fake.chains[0].end, FAKE_FAILED);
	check_status(&fake.chains[1], OK);
	end();
}
END_TEST

/* -- Groups ----------------------------------------------------------------- */

/* Not one byte of a group goes out that holds a request which may not be. */
START_TEST(bad_request_fails_its_group)
{
	begin(T0, "s0:0x50,s1:0x51");
	push_write(0x50, NEXT, "\x00" "A", 2);
	push_write(_i == 0 ? 0x52 : 0x51, NEXT, "\x00" "B", 2);
	push_write(0x50, NEXT, "\x01" "C", 2);
	push_write(0x50, 0, "\x02" "D", 2);
	ck_assert_uint_eq(fake.ended, 4);
	push_write(0x50, NEXT, "\x00", 1);
	push_read(0x50, 0, 3);
	fake_wait_ended(6);
	check_failed(&fake.chains[0]);
	check_failed(&fake.chains[1]);
	check_failed(&fake.chains[2]);
	check_failed(&fake.chains[3]);
	check_data(&fake.chains[5], "\xff\xff\xff");
	ck_assert_uint_eq(fake.counters[REFUSED], 1);
	ck_assert_uint_eq(fake.counters[TRANSFERS], 1);
	end();
}
END_TEST

/* A client that does not answer fails the whole group, and no other. */
START_TEST(missing_client_fails_its_group)
{
	begin(T0, "s0:0x50:*");
	push_read(0x50, NEXT, 3);
	push_read(0x33, NEXT, 2);
	push_read(0x50, 0, 2);
	push_read(0x50, 0, 1);
	fake_wait_ended(4);
	check_failed(&fake.chains[0]);
	check_failed(&fake.chains[1]);
	check_failed(&fake.chains[2]);
	check_data(&fake.chains[3], "\xff");
	ck_assert_uint_eq(fake.counters[ERRORS], 1);
	end();
}
END_TEST

START_TEST(groups_of_42_and_43)
{
	unsigned n = _i == 0 ? 42 : 43, i;

	begin(T0, "s0:0x50");
	for (i = 0; i < n; i++)
		push_read(0x50, i + 1 < n ? NEXT : 0, 1);
	push_read(0x50, 0, 1);
	fake_wait_ended(n + 1);
	for (i = 0; i < n; i++) {
		if (n == 42)
			check_data(&fake.chains[i], "\xff");
		else
			check_failed(&fake.chains[i]);
	}
	check_data(&fake.chains[n], "\xff");
	ck_assert_uint_eq(fake.counters[TRANSFERS], n == 42 ? 2 : 1);
	ck_assert_uint_eq(fake.counters[REFUSED], n == 42 ? 0 : 1);
	end();
}
END_TEST

/* The end of a group does not come: 10 ms, then it is one as it is. */
START_TEST(cut_group_is_done_after_10_ms)
{
	begin(T0, "s0:0x50");
	push_write(0x50, NEXT, "\x00", 1);
	fake_at(T0 + 5 * MS);
	push_read(0x50, NEXT, 1);
	fake_at(T0 + 10 * MS - 1);
	ck_assert_uint_eq(fake.ended, 0);
	ck_assert_uint_eq(fake.counters[TRANSFERS], 0);
	fake_at(T0 + 10 * MS);
	fake_wait_ended(2);
	check_data(&fake.chains[1], "\xff");
	ck_assert_uint_eq(fake.counters[TRANSFERS], 1);
	end();
}
END_TEST

/* What follows a failed request with FAIL_NEXT is not tried, for another 10 ms. */
START_TEST(cut_group_that_failed_fails_the_next)
{
	begin(T0, "s0:0x50:0x51/nak");
	push_write(0x51, NEXT, "\x00", 1);
	fake_at(T0 + 10 * MS);
	fake_wait_ended(1);
	check_failed(&fake.chains[0]);
	check_failed(push_write(0x50, 0, "\x00", 1));
	push_read(0x50, 0, 1);
	fake_wait_ended(3);
	check_data(&fake.chains[2], "\xff");
	push_write(0x51, NEXT, "\x00", 1);
	fake_at(T0 + 20 * MS);
	fake_wait_ended(4);
	fake_at(T0 + 30 * MS);
	push_read(0x50, 0, 1);
	fake_wait_ended(5);
	check_data(&fake.chains[4], "\xff");
	end();
}
END_TEST

/* A group that was refused in part must not swallow a later one. */
START_TEST(refused_group_ends_after_10_ms)
{
	begin(T0, "s0:0x50");
	check_failed(push_write(0x51, NEXT, "\x00", 1));
	check_failed(push_write(0x50, NEXT, "\x00", 1));
	fake_at(T0 + 10 * MS);
	push_read(0x50, 0, 1);
	fake_wait_ended(3);
	check_data(&fake.chains[2], "\xff");
	end();
}
END_TEST

START_TEST(stop_gives_a_collected_group_back)
{
	begin(T0, "s0:0x50");
	push_write(0x50, NEXT, "\x00", 1);
	push_write(0x50, NEXT, "\x01", 1);
	fake_stop();
	ck_assert_uint_eq(fake.ended, 0);
	fake_start();
	push_read(0x50, 0, 1);
	fake_wait_ended(3);
	check_data(&fake.chains[2], "\xff");
	ck_assert_uint_eq(fake.counters[TRANSFERS], 1);
	end();
}
END_TEST

/* -- Policy ----------------------------------------------------------------- */

START_TEST(addresses_are_mapped)
{
	begin(T0, "s0:0x20=0x50:0x30-0x31=0x50/ro,s1:0x50");
	push_write(0x20, 0, "\x00Q", 2);
	push_write(0x30, NEXT, "\x00", 1);
	push_read(0x30, 0, 1);
	push_write(0x50, NEXT, "\x00", 1);
	push_read(0x50, 0, 1);
	push_read(0x51, 0, 1);
	fake_wait_ended(6);
	check_data(&fake.chains[2], "Q");
	check_data(&fake.chains[4], "\xff");
	check_failed(&fake.chains[5]);
	end();
}
END_TEST

START_TEST(read_only_client)
{
	begin(T0, "s0:0x50/ro:0x51/eeprom=4096/ro=2");
	check_failed(push_write(0x50, 0, "\x00x", 2));
	check_failed(push_write(0x51, 0, "\x00\x00x", 3));
	push_write(0x51, 0, "\x00\x00", 2);
	push_write(0x50, NEXT, "\x00", 1);
	push_read(0x50, 0, 1);
	fake_wait_ended(5);
	check_status(&fake.chains[2], OK);
	check_data(&fake.chains[4], "\xff");
	ck_assert_uint_eq(fake.counters[REFUSED], 2);
	end();
}
END_TEST

/* 0x150 is 1 1 1 1 0 0 1 0, then 0x50 (virtio 1.4, table in 5.21.6.1). */
START_TEST(ten_bit_address)
{
	begin(T0, "s0:0x150/ten:0x50");
	push_raw(0x50 << 8 | 0xf2, 0, "\x00T", 2, 1);
	push_raw(0x50 << 8 | 0xf2, NEXT, "\x00", 1, 1);
	push_raw(0x50 << 8 | 0xf2, RD, NULL, 0, 2);
	push_raw(0x50 << 8 | 0xf0, RD, NULL, 0, 2);
	fake_wait_ended(4);
	check_data(&fake.chains[2], "T");
	check_failed(&fake.chains[3]);
	end();
}
END_TEST

START_TEST(lists_and_sockets)
{
	set("device-list", "s0:0x50");
	set("device-list", "s0:0x51");
	fake_setup(&device_i2c, 0);
	ck_assert_int_lt(fake_open(conf, 3, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "2 times for 3 sockets"));
	fake_close();
	fake_teardown();
}
END_TEST

START_TEST(bad_list_is_refused_at_start)
{
	set("device-list", "s0:0x50,2:x");
	fake_setup(&device_i2c, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "--device-list s0:0x50,2:x: 'x' is no address"));
	fake_teardown();
}
END_TEST

/* -- Time ------------------------------------------------------------------- */

START_TEST(slow_transfer_is_given_up)
{
	set("timeout", "20");
	begin(0, "s0:0x20/slow=150,s1:0x50");
	push_read(0x20, NEXT, 2);
	push_read(0x20, 0, 2);
	push_read(0x50, 0, 1);
	fake_wait_ended(3);
	check_failed(&fake.chains[0]);
	check_failed(&fake.chains[1]);
	check_data(&fake.chains[2], "\xff");
	ck_assert_uint_eq(fake.counters[TIMEOUTS], 1);
	/* Behind the one that still goes on, and out of time before its turn. */
	push_read(0x20, 0, 1);
	fake_wait_ended(4);
	check_failed(&fake.chains[3]);
	end();
}
END_TEST

START_TEST(closed_while_the_bus_hangs)
{
	set("timeout", "10");
	begin(0, "s0:0x20/slow=200");
	push_read(0x20, 0, 1);
	fake_wait_ended(1);
	check_failed(&fake.chains[0]);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("i2c");
	TCase *tc = tcase_create("i2c");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, eeprom_keeps_what_is_written);
	tcase_add_test(tc, eeprom_wraps_in_its_page);
	tcase_add_test(tc, large_eeprom_has_two_address_bytes);
	tcase_add_test(tc, registers_go_on_by_themselves);
	tcase_add_test(tc, blocks_are_kept_by_command);
	tcase_add_test(tc, adapter_with_smbus_alone);
	tcase_add_test(tc, quick_answers);
	tcase_add_test(tc, lengths_up_to_the_limit);
	tcase_add_loop_test(tc, bad_request_costs_itself, 0, (int)ARRAY_SIZE(bad));
	tcase_add_test(tc, short_header);
	tcase_add_test(tc, reserved_bits_are_ignored);
	tcase_add_test(tc, unmapped_memory_costs_one_request);
	tcase_add_loop_test(tc, bad_request_fails_its_group, 0, 2);
	tcase_add_test(tc, missing_client_fails_its_group);
	tcase_add_loop_test(tc, groups_of_42_and_43, 0, 2);
	tcase_add_test(tc, cut_group_is_done_after_10_ms);
	tcase_add_test(tc, cut_group_that_failed_fails_the_next);
	tcase_add_test(tc, refused_group_ends_after_10_ms);
	tcase_add_test(tc, stop_gives_a_collected_group_back);
	tcase_add_test(tc, addresses_are_mapped);
	tcase_add_test(tc, read_only_client);
	tcase_add_test(tc, ten_bit_address);
	tcase_add_test(tc, lists_and_sockets);
	tcase_add_test(tc, bad_list_is_refused_at_start);
	tcase_add_test(tc, slow_transfer_is_given_up);
	tcase_add_test(tc, closed_while_the_bus_hangs);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
