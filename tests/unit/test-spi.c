/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The SPI controller device on simulated chips: framing, parameters, messages, time. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt.h"
#include "fake-core.h"
#include "spi.h"
#include "suite.h"

enum { MS = 1000 * 1000, US = 1000, OK = VIRTIO_SPI_TRANS_OK, PARAM = VIRTIO_SPI_PARAM_ERR,
	TRANS = VIRTIO_SPI_TRANS_ERR, LONGEST = 4 << 20 };

/* In the order of the device's rows. */
enum { TRANSFERS, MESSAGES, SENT, RECEIVED, ERRORS, TIMEOUTS, REFUSED, MALFORMED };

static const uint64_t T0 = 5000ULL * MS;

extern const struct device device_spi;

static unsigned char conf[256];
static struct error err;

static void set(const char *option, const char *text)
{
	const struct option *row = opt_find(device_spi.options, option, strlen(option));

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(opt_set(row, conf, text, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	ck_assert_uint_le(device_spi.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_spi.options, conf);
}

static void teardown(void)
{
	opt_finish(device_spi.options, conf);
}

static void begin(uint64_t now, const char *list)
{
	set("device", list);
	fake_setup(&device_spi, now);
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

static void end(void)
{
	fake_stop();
	fake_close();
	fake_teardown();
}

static struct virtio_spi_transfer_head head(unsigned cs)
{
	return (struct virtio_spi_transfer_head){ .chip_select_id = (uint8_t)cs,
		.bits_per_word = 8 };
}

/* put: bytes to receive, without the result. */
static struct chain *push_head(const struct virtio_spi_transfer_head *h, const void *data, size_t n,
			       size_t put)
{
	unsigned char *bytes = malloc(sizeof(*h) + n);
	struct chain *c;

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, h, sizeof(*h));
	if (n > 0)
		memcpy(bytes + sizeof(*h), data, n);
	c = fake_push(bytes, sizeof(*h) + n, put + 1);
	free(bytes);
	return c;
}

static struct chain *push(unsigned cs, const char *data, size_t n, size_t put)
{
	struct virtio_spi_transfer_head h = head(cs);

	return push_head(&h, data, n, put);
}

/* It has ended, with this result in the last byte it could write, and all bytes told. */
static void check_result(const struct chain *c, int result)
{
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, c->put_size);
	ck_assert_int_eq(c->put[c->put_size - 1], result);
}

static void check_data(const struct chain *c, const char *data, size_t n)
{
	check_result(c, OK);
	ck_assert_uint_eq(c->put_size, n + 1);
	ck_assert_int_eq(memcmp(c->put, data, n), 0);
}

static void check_failed(const struct chain *c, int result)
{
	size_t i;

	check_result(c, result);
	for (i = 0; i + 1 < c->put_size; i++)
		ck_assert_uint_eq(c->put[i], 0);
}

/* -- Shapes ----------------------------------------------------------------- */

START_TEST(three_shapes)
{
	begin(0, "s0");
	check_data(push(0, "hello", 5, 5), "hello", 5);
	check_data(push(0, "hello", 5, 0), "", 0);
	check_data(push(0, NULL, 0, 3), "\0\0\0", 3);
	ck_assert_uint_eq(fake.chains[0].used, 6);
	ck_assert_uint_eq(fake.chains[1].used, 1);
	ck_assert_uint_eq(fake.counters[TRANSFERS], 3);
	ck_assert_uint_eq(fake.counters[SENT], 10);
	ck_assert_uint_eq(fake.counters[RECEIVED], 8);
	end();
}
END_TEST

START_TEST(lengths)
{
	static const size_t sizes[] = { 1, 512, 513, 4095, 4096, 4097, 65536, 65537, LONGEST };
	char *data = malloc(LONGEST);
	unsigned i;

	memset(data, 'x', LONGEST);
	begin(0, "s0");
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		data[sizes[i] - 1] = (char)i;
		push(0, data, sizes[i], sizes[i]);
		fake_wait_ended(i + 1);
		check_data(&fake.chains[i], data, sizes[i]);
		data[sizes[i] - 1] = 'x';
	}
	free(data);
	end();
}
END_TEST

START_TEST(malformed)
{
	struct virtio_spi_transfer_head h = head(0);
	struct chain *c;

	begin(0, "s0");
	check_failed(fake_push(&h, sizeof(h) - 1, 5), PARAM);
	check_failed(fake_push("", 0, 1), PARAM);
	/* Nowhere to put the result. */
	c = fake_push(&h, sizeof(h), 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(c->used, 0);
	c = fake_push(&h, 3, 0);
	ck_assert_int_eq(c->end, FAKE_FAILED);
	ck_assert_uint_eq(fake.counters[MALFORMED], 4);
	check_data(push(0, "x", 1, 1), "x", 1);
	end();
}
END_TEST

START_TEST(unmapped_memory_costs_one_request)
{
	struct virtio_spi_transfer_head h = head(0);

	set("device", "s0");
	fake_setup(&device_spi, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), 0);
	fake_push(&h, sizeof(h), 2)->unmapped = true;
	push(0, "x", 1, 1);
	fake_start();
	ck_assert_int_eq(fake.chains[0].end, FAKE_FAILED);
	check_data(&fake.chains[1], "x", 1);
	end();
}
END_TEST

/* -- Parameters ------------------------------------------------------------- */

/* Of one head; the next request is served. The chip: s0.0:nor at 1, all but octal at 0. */
static const struct {
	struct virtio_spi_transfer_head h;
	unsigned sent, received;
	int result;
} requests[] = {
	{ { .bits_per_word = 8 }, 1, 1, OK },
	{ { .bits_per_word = 0 }, 1, 1, OK },
	{ { .bits_per_word = 8, .chip_select_id = 1 }, 1, 1, PARAM },   /* a hole */
	{ { .bits_per_word = 8, .chip_select_id = 2 }, 1, 1, PARAM },   /* the first beyond */
	{ { .bits_per_word = 8, .chip_select_id = 255 }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .cs_change = 1 }, 1, 1, OK },
	{ { .bits_per_word = 8, .cs_change = 2 }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .reserved = { 1, 2, 3 } }, 1, 1, OK },
	{ { .bits_per_word = 1 }, 1, 1, PARAM },
	{ { .bits_per_word = 9 }, 2, 2, PARAM },
	{ { .bits_per_word = 12 }, 2, 2, OK },
	{ { .bits_per_word = 12 }, 3, 3, PARAM },
	{ { .bits_per_word = 16 }, 2, 0, OK },
	{ { .bits_per_word = 16 }, 0, 3, PARAM },
	{ { .bits_per_word = 20 }, 4, 4, OK },
	{ { .bits_per_word = 20 }, 6, 6, PARAM },
	{ { .bits_per_word = 32 }, 8, 8, OK },
	{ { .bits_per_word = 32 }, 2, 2, PARAM },
	{ { .bits_per_word = 33 }, 8, 8, PARAM },
	{ { .bits_per_word = 64 }, 8, 8, PARAM },
	{ { .bits_per_word = 255 }, 8, 8, PARAM },
	{ { .bits_per_word = 8, .tx_nbits = 1, .rx_nbits = 1 }, 1, 1, OK },
	{ { .bits_per_word = 8, .tx_nbits = 2, .rx_nbits = 2 }, 1, 1, OK },
	{ { .bits_per_word = 8, .tx_nbits = 4, .rx_nbits = 2 }, 1, 1, OK },
	{ { .bits_per_word = 8, .tx_nbits = 8 }, 1, 0, PARAM },
	{ { .bits_per_word = 8, .tx_nbits = 8 }, 0, 1, OK },            /* says nothing of rx */
	{ { .bits_per_word = 8, .rx_nbits = 4 }, 0, 1, PARAM },
	{ { .bits_per_word = 8, .rx_nbits = 4 }, 1, 0, OK },
	{ { .bits_per_word = 8, .tx_nbits = 3 }, 1, 0, PARAM },
	{ { .bits_per_word = 8, .rx_nbits = 3 }, 0, 1, PARAM },
	{ { .bits_per_word = 8, .tx_nbits = 16 }, 1, 0, PARAM },
	{ { .bits_per_word = 8, .mode = { { 0x01 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .mode = { { 0x02 } } }, 1, 1, OK },
	{ { .bits_per_word = 8, .mode = { { 0x04 } } }, 1, 1, OK },
	/* Linux allows these two by the wrong bits of config space. */
	{ { .bits_per_word = 8, .mode = { { 0x08 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .mode = { { 0x10 } } }, 1, 1, OK },
	{ { .bits_per_word = 8, .mode = { { 0x20 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .mode = { { 0, 0, 0, 0x80 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .word_delay_ns = { { 0x18, 0xe4, 0x03 } } }, 1, 1, OK },
	{ { .bits_per_word = 8, .word_delay_ns = { { 0x19, 0xe4, 0x03 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .cs_setup_ns = { { 0x18, 0xfc, 0xe7, 0x03 } } }, 1, 1, OK },
	{ { .bits_per_word = 8, .cs_setup_ns = { { 0x19, 0xfc, 0xe7, 0x03 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .cs_delay_hold_ns = { { 0x18, 0xfc, 0xe7, 0x03 } } }, 1, 1, OK },
	{ { .bits_per_word = 8, .cs_delay_hold_ns = { { 0x19, 0xfc, 0xe7, 0x03 } } }, 1, 1, PARAM },
	{ { .bits_per_word = 8, .cs_change_delay_inactive_ns = { { 0x18, 0xfc, 0xe7, 0x03 } } },
	  1, 1, OK },
	{ { .bits_per_word = 8, .cs_change_delay_inactive_ns = { { 0x19, 0xfc, 0xe7, 0x03 } } },
	  1, 1, PARAM },
	{ { .bits_per_word = 8 }, 1, 2, PARAM },
	{ { .bits_per_word = 8 }, 2, 1, PARAM },
	{ { .bits_per_word = 8 }, 0, 0, PARAM },
	{ { .bits_per_word = 8 }, 8192, 8192, OK },
	{ { .bits_per_word = 8 }, 8193, 8193, PARAM },
	{ { .bits_per_word = 8 }, 8193, 0, PARAM },
	{ { .bits_per_word = 8 }, 0, 8193, PARAM },
};

START_TEST(each_parameter)
{
	static const char data[8193];
	struct chain *c;

	set("max-transfer", "8K");
	begin(0, "s0.0:modes=0+2+cs-high+loop:bpw=8+12+16+20+32:tx-nbits=1+2+4:rx-nbits=2,-");
	c = push_head(&requests[_i].h, data, requests[_i].sent, requests[_i].received);
	fake_wait_ended(1);
	ck_assert_int_eq(c->put[c->put_size - 1], requests[_i].result);
	if (requests[_i].received <= 8192)
		check_result(c, requests[_i].result);
	else
		ck_assert_uint_eq(c->used, 0);
	if (requests[_i].result != OK && c->used > 0)
		check_failed(c, requests[_i].result);
	ck_assert_uint_eq(fake.counters[REFUSED], requests[_i].result != OK);
	ck_assert_uint_eq(fake.counters[TRANSFERS], requests[_i].result == OK);
	push(0, "x", 1, 1);
	fake_wait_ended(2);
	check_data(&fake.chains[1], "x", 1);
	end();
}
END_TEST

/* Config space says both values of each pair, and has no way to say it better. */
START_TEST(clock_modes_are_pairs)
{
	struct virtio_spi_transfer_head h = head(0);
	unsigned mode;

	begin(0, "s0:modes=0+3");
	for (mode = 0; mode < 4; mode++) {
		h.mode = le32(mode);
		check_result(push_head(&h, "x", 1, 1), mode == 0 || mode == 3 ? OK : PARAM);
	}
	end();
}
END_TEST

START_TEST(frequency)
{
	struct virtio_spi_transfer_head h = head(0);

	if (_i == 1)
		set("freq", "reject");
	begin(0, "s0:max-freq=10M");
	h.freq = le32(10000000);
	check_data(push_head(&h, "x", 1, 1), "x", 1);
	h.freq = le32(10000001);
	check_result(push_head(&h, "x", 1, 1), _i == 1 ? PARAM : OK);
	h.freq = le32(UINT32_MAX);
	check_result(push_head(&h, "x", 1, 1), _i == 1 ? PARAM : OK);
	end();
}
END_TEST

START_TEST(delay_policies)
{
	struct virtio_spi_transfer_head h = head(0);
	bool ignore = _i == 1;

	set("delays", ignore ? "ignore" : "reject");
	begin(0, "s0");
	check_data(push_head(&h, "x", 1, 1), "x", 1);
	h.word_delay_ns = le32(1);
	check_result(push_head(&h, "x", 1, 1), ignore ? OK : PARAM);
	h = head(0);
	h.cs_setup_ns = le32(ignore ? UINT32_MAX : 1);
	check_result(push_head(&h, "x", 1, 1), ignore ? OK : PARAM);
	h = head(0);
	h.cs_delay_hold_ns = le32(1);
	check_result(push_head(&h, "x", 1, 1), ignore ? OK : PARAM);
	h = head(0);
	h.cs_change_delay_inactive_ns = le32(1);
	check_result(push_head(&h, "x", 1, 1), ignore ? OK : PARAM);
	end();
}
END_TEST

/* Bad ones cost themselves; those around them are really done. */
START_TEST(one_bad_request_of_many)
{
	struct virtio_spi_transfer_head h = head(0), bad = head(7);
	unsigned i;

	set("device", "s0:shift=3");
	fake_setup(&device_spi, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), 0);
	for (i = 0; i < 6; i++)
		push_head(i == 2 ? &bad : &h, &"ABCDEF"[i], 1, 1);
	fake_start();
	fake_wait_ended(6);
	check_failed(&fake.chains[2], PARAM);
	check_data(&fake.chains[3], "\0", 1);
	check_data(&fake.chains[4], "A", 1);
	check_data(&fake.chains[5], "B", 1);
	end();
}
END_TEST

/* The zeros of failed answers are for the loop to write, and others are on it too. */
START_TEST(failures_share_the_loop)
{
	struct virtio_spi_transfer_head bad = head(7);
	unsigned i;

	set("device", "s0");
	fake_setup(&device_spi, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), 0);
	for (i = 0; i < 6; i++)
		push_head(&bad, NULL, 0, LONGEST / 2);
	fake_start();
	ck_assert_uint_lt(fake.ended, 6);
	fake_wait_ended(6);
	for (i = 0; i < 6; i++)
		check_result(&fake.chains[i], PARAM);
	end();
}
END_TEST

/* -- Config space ------------------------------------------------------------ */

static const struct {
	const char *list, *delays;
	struct virtio_spi_config want;
} configs[] = {
	{ "s0", "reject", { 1, 1, 7, 7, { { 0 } }, { { 0x7f } }, { { 0 } }, { { 0 } }, { { 0 } },
			    { { 0 } }, { { 0 } } } },
	{ "s0:nor", "reject", { 1, 1, 7, 7, { { 0x80 } }, { { 0x0f } }, { { 0 } }, { { 0 } },
				{ { 0 } }, { { 0 } }, { { 0 } } } },
	{ "s0:max-freq=1k,-,s0.1:max-freq=258", "reject",
	  { 3, 1, 7, 7, { { 0 } }, { { 0x7f } }, { { 0xe8, 0x03 } }, { { 0 } }, { { 0 } },
	    { { 0 } }, { { 0 } } } },
	{ "s0:max-freq=1k,s0.1", "reject",
	  { 2, 1, 7, 7, { { 0 } }, { { 0x7f } }, { { 0 } }, { { 0 } }, { { 0 } }, { { 0 } },
	    { { 0 } } } },
	{ "s0:nbits=1:modes=3,s1:rx-nbits=4:modes=2+3+loop:bpw=16+17,s2:bpw=17", "ignore",
	  { 3, 1, 0, 0, { { 0, 0, 1 } }, { { 0x0a } }, { { 0 } }, { { 255, 255, 255, 255 } },
	    { { 255, 255, 255, 255 } }, { { 255, 255, 255, 255 } }, { { 255, 255, 255, 255 } } } },
	/* Nothing in common: both, and each chip refuses what it has not. */
	{ "s0:modes=0:bpw=8,s1:modes=3:bpw=9", "emulate",
	  { 2, 1, 7, 7, { { 0x80, 0x01 } }, { { 0x0f } }, { { 0 } }, { { 0x18, 0xe4, 0x03 } },
	    { { 0x18, 0xfc, 0xe7, 0x03 } }, { { 0x18, 0xfc, 0xe7, 0x03 } },
	    { { 0x18, 0xfc, 0xe7, 0x03 } } } },
};

START_TEST(config_space)
{
	set("delays", configs[_i].delays);
	begin(0, configs[_i].list);
	ck_assert_mem_eq(fake.config, &configs[_i].want, sizeof(configs[_i].want));
	end();
}
END_TEST

START_TEST(chips_refuse_what_others_can)
{
	struct virtio_spi_transfer_head h = head(0);

	begin(0, "s0:modes=0:bpw=8,s1:modes=3:bpw=9");
	check_data(push_head(&h, "x", 1, 1), "x", 1);
	h.mode = le32(3);
	check_failed(push_head(&h, "x", 1, 1), PARAM);
	h.chip_select_id = 1;
	check_failed(push_head(&h, "x", 1, 1), PARAM);
	h.bits_per_word = 9;
	check_data(push_head(&h, "xy", 2, 2), "xy", 2);
	end();
}
END_TEST

/* -- Messages ---------------------------------------------------------------- */

static const struct step {
	enum cs_policy policy;
	const char *text;
} scripts[] = {
	/* What comes: w or r or f, bytes in hex, ! for cs_change. Wanted: j joins, k keeps. */
	{ CS_EACH, "w9f:- r1:- f1:-" },
	{ CS_LITERAL, "w1:k w2:jk r1:jk w3:jk f1!:j w1:k r1!:j" },
	{ CS_GAP, "w1:k w2:jk r1:jk r1:jk w3:k f1:jk f2!:j r1:k w2:k" },
	/* A read, two writes, both ways, a read that begins alone. */
	{ CS_PAIRS, "w1:k r1:j w1:k w2:k r1:j f1:- f1:- r1:- w1!:- w2:k f1:-" },
	/* JEDEC id, status, as Linux and as others send them. */
	{ CS_FLASH, "w9f:k r6:j w05:k r1:j w05:k r1:j f9f000000:- f9f:k r2:j" },
	{ CS_FLASH, "w03:k w000102:jk r10:j w0b00010200:k r10:j w0b:k w000102:jk w00:jk r1:j" },
	{ CS_FLASH, "w06:- w02:k w000100:jk w414243:j w05:k r1:j" },
	{ CS_FLASH, "w06:- w0200010041424344:- w06:- w20:k w001000:j w06:- w20001000:- wc7:-" },
	{ CS_FLASH, "w01:k w02:j w01:k w0200:j w0102:- w66:- w99:-" },
	/* Addresses of four bytes: by the opcode, and by the mode. */
	{ CS_FLASH, "w12:k w00000100:jk w41:j wb7:- w02:k w00000100:jk w41:j we9:- w02:k "
	  "w000100:jk w41:j wdc:k w00000000:j" },
	{ CS_FLASH, "wb7:- w66:- w99:- w20:k w000000:j" },
	/* The tables are always found by three bytes. */
	{ CS_FLASH, "wb7:- w5a:k w000000:jk w00:jk r10:j f5a00000000:- " },
	/* Of what is unknown: as pairs. */
	{ CS_FLASH, "wd0:k r1:j wd0:k wd0:k r1:j fd0:- r1:- w06!:- w02!:-" },
};

static size_t read_bytes(const char *text, uint8_t *bytes)
{
	size_t n = strspn(text, "0123456789abcdef"), i;
	char digits[3] = "";

	for (i = 0; i < n; i += 2) {
		memcpy(digits, text + i, n - i < 2 ? 1 : 2);
		digits[n - i < 2 ? 1 : 2] = '\0';
		bytes[i / 2] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

START_TEST(messages_of_each_policy)
{
	const struct step *s = &scripts[_i];
	struct frame f = { .sent = 0 };
	struct frame_step step;
	bool open = false;
	const char *p;

	for (p = s->text; *p != '\0'; p += strcspn(p, " "), p += strspn(p, " ")) {
		uint8_t bytes[32];
		size_t n = read_bytes(p + 1, bytes);
		bool cs_change = p[1 + n] == '!';
		const char *want = p + 1 + n + cs_change + 1;
		struct frame_request r = { *p != 'r' ? bytes : NULL, (n + 1) / 2, *p != 'w',
			cs_change };

		step = spi_frame_next(&f, s->policy, open, &r);
		ck_assert_msg(*want == '-' || *want == 'j' || *want == 'k', "at %s", p);
		if (open)
			ck_assert_msg(step.joins == (want[0] == 'j'), "joins at %s", p);
		ck_assert_msg(step.keep == (want[0] == 'k' || (want[0] == 'j' && want[1] == 'k')),
			      "keep at %s", p);
		open = step.keep;
	}
}
END_TEST

/* -- A flash memory --------------------------------------------------------- */

/* Each with the policy of flash, which sN.N:nor has by itself. */
static void write_one(const char *data, size_t n)
{
	check_data(push(0, data, n, 0), "", 0);
}

static void check_read(const char *command, size_t n, const char *want, size_t len)
{
	write_one(command, n);
	check_data(push(0, NULL, 0, len), want, len);
}

static void check_status(uint8_t want)
{
	check_read("\x05", 1, (const char *)&want, 1);
}

START_TEST(flash_says_what_it_is)
{
	begin(T0, _i == 0 ? "s0:nor" : _i == 1 ? "s0:nor=16M" : _i == 2 ? "s0:nor=64M" :
	      "s0:nor:id=c22018");
	check_read("\x9f", 1, _i == 0 ? "\xef\x40\x14" : _i == 1 ? "\xef\x40\x18" :
		   _i == 2 ? "\xef\x40\x20" : "\xc2\x20\x18", 3);
	check_read("\x5a\0\0\0\0", 5, "SFDP\x06\x01\0\xff", 8);
	check_read("\x5a\0\0\x14\0", 5, _i == 1 ? "\xff\xff\xff\x07" : _i == 2 ?
		   "\xff\xff\xff\x1f" : "\xff\xff\x7f\0", 4);
	check_read("\x5a\0\0\x10\0", 5, _i == 2 ? "\xe5\x20\xf3\xff" : "\xe5\x20\xf1\xff", 4);
	check_read("\x5a\0\x01\0\0", 5, "\xff\xff", 2);
	check_status(0);
	ck_assert_uint_eq(fake.counters[MESSAGES], 6);
	end();
}
END_TEST

START_TEST(flash_programs_and_erases)
{
	begin(T0, "s0:nor");
	/* Not without a write enable. */
	write_one("\x02\0\x10\0no", 6);
	check_read("\x03\0\x10\0", 4, "\xff\xff", 2);
	write_one("\x06", 1);
	check_status(0x02);
	/* At the end of a page, the rest goes to its start. */
	write_one("\x02\0\x10\xfe" "ABCD", 8);
	check_status(0x01);
	check_status(0);
	check_read("\x03\0\x10\xfe", 4, "AB\xff", 3);
	check_read("\x0b\0\x10\0\0", 5, "CD\xff", 3);
	check_read("\xeb\0\x10\0\0\0\0", 7, "CD\xff", 3);
	/* Bits go from 1 to 0 only. */
	write_one("\x06", 1);
	write_one("\x02\0\x10\0\xf0", 5);
	check_read("\x03\0\x10\0", 4, "\x40" "D", 2);
	/* One enable, one command; an erase with data behind it is none. */
	write_one("\x20\0\x10\0", 4);
	check_read("\x03\0\x10\0", 4, "\x40" "D", 2);
	write_one("\x06", 1);
	write_one("\x20\0\x1f\xff" "x", 5);
	check_read("\x03\0\x10\0", 4, "\x40" "D", 2);
	write_one("\x20\0\x1f\xff", 4);
	check_read("\x03\0\x10\0", 4, "\xff\xff", 2);
	end();
}
END_TEST

START_TEST(flash_erases_what_was_asked)
{
	static const struct {
		const char *command;
		size_t n;
		bool gone[4];           /* at 0, 4K, 32K, 64K */
	} erases[] = {
		{ "\x20\0\0\0", 4, { true, false, false, false } },
		{ "\x52\0\0\0", 4, { true, true, false, false } },
		{ "\xd8\0\0\0", 4, { true, true, true, false } },
		{ "\xc7", 1, { true, true, true, true } },
		{ "\x60", 1, { true, true, true, true } },
		{ "\xdc\0\x01\0\0", 5, { false, false, false, true } },
	};
	static const char *const places[] = { "\x03\0\0\0", "\x03\0\x10\0", "\x03\0\x80\0",
		"\x03\x01\0\0" };
	unsigned i;

	begin(T0, "s0:nor");
	for (i = 0; i < 4; i++) {
		char command[5] = "";

		memcpy(command, places[i], 4);
		command[0] = 2;
		command[4] = 'x';
		write_one("\x06", 1);
		write_one(command, 5);
	}
	write_one("\x06", 1);
	write_one(erases[_i].command, erases[_i].n);
	for (i = 0; i < 4; i++)
		check_read(places[i], 4, erases[_i].gone[i] ? "\xff" : "x", 1);
	end();
}
END_TEST

/* All of a large flash is erased where nobody waits for it, also at the end. */
START_TEST(erasing_all_is_no_work_for_the_loop)
{
	const uint8_t enable = 0x06, status = 0x05, all = 0xc7;
	struct list *l = list_parse(&spi_lists, _i == 0 ? "s0:nor=16M" : "s0:nor=1M", &err);
	struct chip *c = spi_chip_get((struct instance *)&conf, &l->items[0], false, false, &err);
	struct spi_xfer x = { .tx = &all, .len = 1, .begins = true };
	bool small = _i == 1;

	ck_assert_ptr_nonnull(c);
	ck_assert(c->ops->at_once(c, &x));
	x.tx = &enable;
	ck_assert_int_eq(c->ops->transfer(c, &x), 0);
	x.tx = &status;
	ck_assert(c->ops->at_once(c, &x));
	ck_assert(!c->ops->lingers(c));
	x.tx = &all;
	x.keep = true;
	ck_assert(c->ops->at_once(c, &x) == small);
	ck_assert_int_eq(c->ops->transfer(c, &x), 0);
	ck_assert(c->ops->at_once(c, NULL) == small);
	ck_assert(c->ops->lingers(c) != small);
	c->ops->release(c);
	ck_assert(!c->ops->lingers(c));
	spi_chip_put(c);
	spi_lists.free(l);
}
END_TEST

/* It ends all the same, and who leaves before it is over leaves nothing behind. */
START_TEST(erasing_all_of_a_large_flash)
{
	begin(0, _i == 0 ? "s0:nor=16M" : "s0:nor=16M:cs=literal");
	push(0, "\x06", 1, 0);
	fake_stop();
	fake_start();
	push(0, "\xc7", 1, 0);
	fake_wait_ended(2);
	check_result(&fake.chains[1], OK);
	end();
}
END_TEST

START_TEST(flash_registers_modes_and_sleep)
{
	begin(T0, "s0:nor=32M");
	write_one("\x06", 1);
	write_one("\x01\x1c\x02", 3);
	check_status(0x1d);
	check_read("\x35", 1, "\x02", 1);
	write_one("\x06", 1);
	write_one("\x31\x00", 2);
	check_read("\x35", 1, "\x00", 1);
	check_read("\x15", 1, "\x00", 1);
	write_one("\x06", 1);
	write_one("\x04", 1);
	check_status(0x1c);
	/* Four bytes of address. */
	write_one("\xb7", 1);
	write_one("\x06", 1);
	write_one("\x02\x01\0\0\x05high", 9);
	check_read("\x03\x01\0\0\x05", 5, "high", 4);
	check_read("\x13\x01\0\0\x05", 5, "high", 4);
	write_one("\xe9", 1);
	check_read("\x03\0\0\x05", 4, "\xff", 1);
	check_read("\x13\x01\0\0\x05", 5, "high", 4);
	/* Asleep it hears one thing alone. */
	write_one("\xb9", 1);
	check_read("\x9f", 1, "\xff\xff", 2);
	write_one("\xab", 1);
	fake_stop();
	fake_start();
	check_read("\x9f", 1, "\xef\x40", 2);
	/* A reset is two commands in a row. */
	write_one("\xb7", 1);
	write_one("\x99", 1);
	check_read("\x03\x01\0\0\x05", 5, "high", 4);
	write_one("\x66", 1);
	write_one("\x99", 1);
	check_read("\x03\0\0\x05", 4, "\xff", 1);
	end();
}
END_TEST

START_TEST(flash_does_not_know_modes_1_and_2)
{
	struct virtio_spi_transfer_head h = head(0);

	begin(T0, "s0:nor");
	h.mode = le32(3);
	check_data(push_head(&h, "\x9f\0", 2, 2), "\xff\xef", 2);
	h.mode = le32(1);
	check_data(push_head(&h, "\x9f\0", 2, 2), "\xff\xff", 2);
	h.mode = le32(2);
	check_data(push_head(&h, "\x9f\0", 2, 2), "\xff\xff", 2);
	end();
}
END_TEST

static const char *make_flash(size_t size)
{
	static char path[64];
	FILE *f;
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "/tmp/test-spi-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	for (i = 0; i < size; i++)
		fputc('a' + (int)(i % 26), f);
	fclose(f);
	return path;
}

/* What the guest did is there when the device is opened again. */
START_TEST(flash_in_a_file)
{
	const char *path = make_flash(65536);
	char list[120];
	unsigned n = 0;

	snprintf(list, sizeof(list), "s0:nor:file=%s", path);
	set("cs-gap", "10000000");
	begin(0, list);
	push(0, "\x03\0\0\x01", 4, 0);
	fake_wait_ended(++n);
	push(0, NULL, 0, 3);
	fake_wait_ended(++n);
	check_data(&fake.chains[1], "bcd", 3);
	push(0, "\x06", 1, 0);
	fake_wait_ended(++n);
	push(0, "\x20\0\x10\0", 4, 0);
	fake_wait_ended(++n);
	push(0, "\x06", 1, 0);
	fake_wait_ended(++n);
	push(0, "\x02\0\x10\x02Q", 5, 0);
	fake_wait_ended(++n);
	end();
	teardown();
	setup();
	begin(0, list);
	push(0, "\x03\0\x0f\xff\0\0\0\0\0", 8, 8);
	fake_wait_ended(1);
	check_data(&fake.chains[0], "\xff\xff\xff\xff" "n\xff\xffQ", 8);
	end();
	remove(path);
}
END_TEST

START_TEST(flash_in_a_bad_file)
{
	const char *path = make_flash(_i == 0 ? 65537 : 4096);
	char list[120];

	snprintf(list, sizeof(list), "s0:nor:file=%s", _i < 2 ? path : "/nowhere/flash");
	set("device", list);
	fake_setup(&device_spi, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, _i < 2 ? "power of two" : "/nowhere/flash"));
	fake_close();
	fake_teardown();
	remove(path);
}
END_TEST

/* -- How long a chip stays selected ------------------------------------------ */

/* A flash shows by its answer whether it was deselected between command and data. */
static bool was_joined(const struct chain *c)
{
	check_result(c, OK);
	return c->put[0] == 0xef;
}

START_TEST(selected_until_the_gap_is_over)
{
	static const char *const policies[] = { "pairs", "gap", "flash", "each", "literal" };
	bool literal = _i == 4, each = _i == 3;
	uint64_t gap = (_i == 2 ? 1000ULL : 2) * MS;
	char list[60];

	snprintf(list, sizeof(list), "s0:nor:cs=%s", policies[_i]);
	set("cs-gap", "2000");
	begin(T0, list);
	push(0, "\x9f", 1, 0);
	fake_at(T0 + gap - 1);
	ck_assert(was_joined(push(0, NULL, 0, 1)) != each);
	fake_at(T0 + 2 * gap);
	push(0, "\x9f", 1, 0);
	fake_at(T0 + 3 * gap);
	if (literal)
		ck_assert(!was_joined(push(0, "\x9f", 1, 1)));
	else
		ck_assert(!was_joined(push(0, NULL, 0, 1)));
	fake_at(T0 + 5 * gap);
	end();
}
END_TEST

/* Where others wait, a guest that goes on and on is not let. */
START_TEST(selected_for_so_long_where_others_are)
{
	static char somebody;
	struct list *l = list_parse(&spi_lists, "s0.1", &err);
	struct chip *other;

	begin(T0, "s0.0:nor:cs=literal");
	other = spi_chip_get((struct instance *)&somebody, &l->items[0], false, false, &err);
	ck_assert_ptr_nonnull(other);
	push(0, "\x9f", 1, 0);
	fake_at(T0 + 60 * MS);
	ck_assert(was_joined(push(0, NULL, 0, 1)));
	fake_at(T0 + 99 * MS);
	ck_assert(!spi_bus_enter(other->bus, (struct instance *)&somebody));
	fake_at(T0 + 101 * MS);
	ck_assert(spi_bus_enter(other->bus, (struct instance *)&somebody));
	spi_bus_leave(other->bus);
	spi_chip_put(other);
	spi_lists.free(l);
	end();
}
END_TEST

START_TEST(what_ends_a_message)
{
	struct virtio_spi_transfer_head h = head(0);

	begin(T0, "s0.0:nor,s0.1:nor,s1.0");
	push(0, "\x9f", 1, 0);
	if (_i == 1)
		push(1, "\x05", 1, 0);          /* another chip of the bus */
	else if (_i == 2)
		push(2, "x", 1, 1);             /* a chip of another bus */
	else if (_i == 3)
		h.mode = le32(3);
	else if (_i == 4)
		fake_stop();
	if (_i == 4)
		fake_start();
	if (_i == 5) {
		h.cs_change = 1;
		push_head(&h, "\x9f", 1, 0);
	}
	ck_assert(was_joined(push_head(&h, NULL, 0, 1)) == (_i == 0));
	end();
}
END_TEST

START_TEST(refused_requests_change_nothing)
{
	struct virtio_spi_transfer_head h = head(0);

	begin(T0, "s0:nor");
	push(0, "\x9f", 1, 0);
	h.mode = le32(0x20);
	check_failed(push_head(&h, NULL, 0, 1), PARAM);
	ck_assert(was_joined(push(0, NULL, 0, 1)));
	end();
}
END_TEST

/* -- Time and failure -------------------------------------------------------- */

START_TEST(failures_are_told)
{
	begin(0, "s0:fail=2");
	check_data(push(0, "x", 1, 1), "x", 1);
	check_failed(push(0, NULL, 0, 5), TRANS);
	check_data(push(0, "y", 1, 1), "y", 1);
	check_failed(push(0, "y", 1, 1), TRANS);
	ck_assert_uint_eq(fake.counters[ERRORS], 2);
	end();
}
END_TEST

/* A failure deselects: the answer is not that of the command before. */
START_TEST(a_failure_ends_the_message)
{
	begin(0, "s0:nor:fail=2:cs=literal");
	push(0, "\x9f", 1, 0);
	check_failed(push(0, NULL, 0, 1), TRANS);
	ck_assert(!was_joined(push(0, NULL, 0, 1)));
	end();
}
END_TEST

START_TEST(slow_transfers_time_out)
{
	set("timeout", "10");
	begin(0, "s0:slow=200,s1");
	push(0, "x", 1, 1);
	fake_wait_ended(1);
	check_failed(&fake.chains[0], TRANS);
	ck_assert_uint_eq(fake.counters[TIMEOUTS], 1);
	/* Another bus is not busy. */
	push(1, "y", 1, 1);
	fake_wait_ended(2);
	check_data(&fake.chains[1], "y", 1);
	end();
}
END_TEST

START_TEST(stop_waits_for_the_transfer_on_the_bus)
{
	unsigned i;

	begin(0, "s0:slow=50");
	for (i = 0; i < 3; i++)
		push(0, "x", 1, 1);
	for (i = 0; i < 2; i++)
		fake_settle();
	/* Those that nobody has begun go back. */
	fake.running = false;
	device_spi.stop(chain_queue(&fake.chains[0]));
	fake.running = true;
	if (queue_held(chain_queue(&fake.chains[0])) > 0)
		fake_wait_ended(1);
	ck_assert_uint_le(fake.ended, 1);
	fake_start();
	fake_wait_ended(3);
	for (i = 0; i < 3; i++)
		check_data(&fake.chains[i], "x", 1);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spi");
	TCase *tc = tcase_create("spi");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, three_shapes);
	tcase_add_test(tc, lengths);
	tcase_add_test(tc, malformed);
	tcase_add_test(tc, unmapped_memory_costs_one_request);
	tcase_add_loop_test(tc, each_parameter, 0, (int)ARRAY_SIZE(requests));
	tcase_add_test(tc, clock_modes_are_pairs);
	tcase_add_loop_test(tc, frequency, 0, 2);
	tcase_add_loop_test(tc, delay_policies, 0, 2);
	tcase_add_test(tc, one_bad_request_of_many);
	tcase_add_test(tc, failures_share_the_loop);
	tcase_add_loop_test(tc, config_space, 0, (int)ARRAY_SIZE(configs));
	tcase_add_test(tc, chips_refuse_what_others_can);
	tcase_add_loop_test(tc, messages_of_each_policy, 0, (int)ARRAY_SIZE(scripts));
	tcase_add_loop_test(tc, flash_says_what_it_is, 0, 4);
	tcase_add_test(tc, flash_programs_and_erases);
	tcase_add_loop_test(tc, flash_erases_what_was_asked, 0, 6);
	tcase_add_loop_test(tc, erasing_all_is_no_work_for_the_loop, 0, 2);
	tcase_add_loop_test(tc, erasing_all_of_a_large_flash, 0, 2);
	tcase_add_test(tc, flash_registers_modes_and_sleep);
	tcase_add_test(tc, flash_does_not_know_modes_1_and_2);
	tcase_add_test(tc, flash_in_a_file);
	tcase_add_loop_test(tc, flash_in_a_bad_file, 0, 3);
	tcase_add_loop_test(tc, selected_until_the_gap_is_over, 0, 5);
	tcase_add_test(tc, selected_for_so_long_where_others_are);
	tcase_add_loop_test(tc, what_ends_a_message, 0, 6);
	tcase_add_test(tc, refused_requests_change_nothing);
	tcase_add_test(tc, failures_are_told);
	tcase_add_test(tc, a_failure_ends_the_message);
	tcase_add_test(tc, slow_transfers_time_out);
	tcase_add_test(tc, stop_waits_for_the_transfer_on_the_bus);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
