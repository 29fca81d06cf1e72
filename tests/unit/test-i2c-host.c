/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Lists, and what reaches the kernel: ioctl() is ours here, the files of
 * adapters are in a folder of our own.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/i2c-dev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter.h"
#include "core/opt.h"
#include "fake-core.h"
#include "suite.h"
#include "wire/virtio-i2c.h"

enum { OK = VIRTIO_I2C_MSG_OK, ERR = VIRTIO_I2C_MSG_ERR, NEXT = VIRTIO_I2C_FLAGS_FAIL_NEXT,
	RD = VIRTIO_I2C_FLAGS_M_RD, MS = 1000 * 1000 };

static const unsigned long all_smbus = I2C_FUNC_SMBUS_QUICK | I2C_FUNC_SMBUS_BYTE |
	I2C_FUNC_SMBUS_BYTE_DATA | I2C_FUNC_SMBUS_WORD_DATA | I2C_FUNC_SMBUS_PROC_CALL |
	I2C_FUNC_SMBUS_BLOCK_DATA | I2C_FUNC_SMBUS_I2C_BLOCK | I2C_FUNC_SMBUS_BLOCK_PROC_CALL;

/* The clock stands still, so that no group is cut short on a busy machine. */
static const uint64_t T0 = 5000ULL * MS;

extern const struct device device_i2c;

/* -- The kernel ------------------------------------------------------------- */

static struct {
	unsigned long funcs;
	int busy;                       /* address of a host driver, or -1 */
	int error;                      /* of the next transfers */
	unsigned fewer;                 /* messages that are not done */
	char log[1024];                 /* what was asked */
	unsigned long timeout, retries, pec;
} kernel;

static void noted(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void noted(const char *fmt, ...)
{
	size_t at = strlen(kernel.log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(kernel.log + at, sizeof(kernel.log) - at, fmt, ap);
	va_end(ap);
}

static int failed_with(int code)
{
	errno = code;
	return -1;
}

static void note_bytes(const uint8_t *bytes, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		noted(" %02x", bytes[i]);
}

static int messages(const struct i2c_rdwr_ioctl_data *d)
{
	unsigned i;

	if (kernel.error != 0)
		return failed_with(kernel.error);
	for (i = 0; i < d->nmsgs; i++) {
		noted("%s%s%u@%02x", i == 0 ? "" : ", ", d->msgs[i].flags & I2C_M_RD ? "r" : "w",
		      d->msgs[i].len, d->msgs[i].addr);
		if ((d->msgs[i].flags & I2C_M_TEN) != 0)
			noted("/ten");
		if (d->msgs[i].flags & I2C_M_RD)
			memset(d->msgs[i].buf, 'r', d->msgs[i].len);
		else
			note_bytes(d->msgs[i].buf, d->msgs[i].len);
	}
	noted(";");
	return (int)(d->nmsgs - kernel.fewer);
}

static int smbus(const struct i2c_smbus_ioctl_data *d)
{
	static const char *const names[] = { "quick", "byte", "byte_data", "word_data",
		"proc_call", "block", "broken", "block_call", "i2c_block" };
	unsigned i;

	noted("%s%s %c %02x", kernel.pec ? "checked " : "", names[d->size],
	      d->read_write == I2C_SMBUS_READ ? 'r' : 'w', d->command);
	if (d->size == I2C_SMBUS_BYTE_DATA && d->read_write == I2C_SMBUS_WRITE)
		noted(" %02x", d->data->byte);
	if (d->size == I2C_SMBUS_PROC_CALL ||
	    (d->size == I2C_SMBUS_WORD_DATA && d->read_write == I2C_SMBUS_WRITE))
		noted(" %04x", d->data->word);
	if (d->size == I2C_SMBUS_BLOCK_DATA || d->size == I2C_SMBUS_BLOCK_PROC_CALL ||
	    (d->size == I2C_SMBUS_I2C_BLOCK_DATA && d->read_write == I2C_SMBUS_WRITE))
		note_bytes(d->data->block, d->data->block[0] + 1U < 6 ? d->data->block[0] + 1U : 6);
	else if (d->size == I2C_SMBUS_I2C_BLOCK_DATA)
		noted(" %u", d->data->block[0]);
	noted(";");
	if (kernel.error != 0)
		return failed_with(kernel.error);
	if (d->data == NULL || (d->read_write == I2C_SMBUS_WRITE &&
				d->size != I2C_SMBUS_PROC_CALL &&
				d->size != I2C_SMBUS_BLOCK_PROC_CALL))
		return 0;
	if (d->size == I2C_SMBUS_BLOCK_PROC_CALL)
		d->data->block[0] = 2;
	if (d->size == I2C_SMBUS_BYTE || d->size == I2C_SMBUS_BYTE_DATA)
		d->data->byte = 'B';
	else if (d->size == I2C_SMBUS_WORD_DATA || d->size == I2C_SMBUS_PROC_CALL)
		d->data->word = 'L' | 'H' << 8;
	else
		for (i = 1; i <= d->data->block[0]; i++)
			d->data->block[i] = (uint8_t)('a' + i % 26);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, unsigned long);
	va_end(ap);
	switch (request) {
	case I2C_FUNCS:
		*(unsigned long *)arg = kernel.funcs;
		return 0;
	case I2C_TIMEOUT:
		kernel.timeout = arg;
		return 0;
	case I2C_RETRIES:
		kernel.retries = arg;
		return 0;
	case I2C_TENBIT:
		return 0;
	case I2C_PEC:
		kernel.pec = arg;
		return 0;
	case I2C_SLAVE:
		return (int)arg == kernel.busy ? failed_with(EBUSY) : 0;
	case I2C_SLAVE_FORCE:
		noted("force %02lx;", arg);
		return 0;
	case I2C_RDWR:
		return messages((const struct i2c_rdwr_ioctl_data *)arg);
	case I2C_SMBUS:
		return smbus((const struct i2c_smbus_ioctl_data *)arg);
	default:
		return failed_with(ENOTTY);
	}
}

/* -- Files and the device --------------------------------------------------- */

static char root[64];
static unsigned char conf[256];
static struct error err;

static const char *in_root(const char *fmt, ...) PRINTF_LIKE(1, 2);
static const char *in_root(const char *fmt, ...)
{
	static char path[256];
	va_list ap;
	int n = snprintf(path, sizeof(path), "%s/", root);

	va_start(ap, fmt);
	vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, ap);
	va_end(ap);
	return path;
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static void put_entry(const char *entry, const char *name)
{
	char line[64];

	snprintf(line, sizeof(line), "%s\n", name);
	ck_assert_int_eq(mkdir(in_root("sys/bus/i2c/devices/%s", entry), 0700), 0);
	put_file(in_root("sys/bus/i2c/devices/%s/name", entry), line);
}

static void add_adapter(unsigned number, const char *name)
{
	char entry[16];

	snprintf(entry, sizeof(entry), "i2c-%u", number);
	put_entry(entry, name);
	put_file(in_root("dev/%s", entry), "");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

static void remove_all(const char *path)
{
	ck_assert_int_eq(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void set(const char *option, const char *text)
{
	const struct option *row = opt_find(device_i2c.options, option, strlen(option));

	ck_assert_int_eq(opt_set(row, conf, text, &err), 0);
}

static void setup(void)
{
	static const char *const folders[] = { "dev", "sys", "sys/bus", "sys/bus/i2c",
		"sys/bus/i2c/devices" };
	unsigned i;

	memset(conf, 0, sizeof(conf));
	opt_defaults(device_i2c.options, conf);
	memset(&kernel, 0, sizeof(kernel));
	kernel.funcs = I2C_FUNC_I2C | I2C_FUNC_10BIT_ADDR | all_smbus;
	kernel.busy = -1;
	snprintf(root, sizeof(root), "/tmp/test-i2c-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	host_root = root;
	for (i = 0; i < ARRAY_SIZE(folders); i++)
		ck_assert_int_eq(mkdir(in_root("%s", folders[i]), 0700), 0);
	add_adapter(3, "SMBus I801 adapter at efa0");
	add_adapter(4, "i915 gmbus dpd");
	add_adapter(5, "twin");
	add_adapter(6, "twin");
	/* A client that is called as an adapter may be, and what is neither. */
	put_entry("3-0050", "eeprom");
	put_entry("i2c-x", "eeprom");
}

static void teardown(void)
{
	opt_finish(device_i2c.options, conf);
	remove_all(root);
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

static const char *refused(const char *list)
{
	set("device-list", list);
	fake_setup(&device_i2c, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	fake_close();
	fake_teardown();
	return err.text;
}

static struct chain *push(unsigned addr, uint32_t flags, const void *data, size_t n)
{
	unsigned char bytes[300];
	struct virtio_i2c_out_hdr hdr = { le16((uint16_t)(addr << 1)), le16(0), le32(flags) };

	memcpy(bytes, &hdr, sizeof(hdr));
	if ((flags & RD) != 0)
		return fake_push(bytes, sizeof(hdr), n + 1);
	if (n > 0)
		memcpy(bytes + sizeof(hdr), data, n);
	return fake_push(bytes, sizeof(hdr) + n, 1);
}

static void check_last(unsigned ended, int status, const char *data)
{
	const struct chain *c;

	fake_wait_ended(ended);
	c = &fake.chains[ended - 1];
	ck_assert_int_eq(c->put[c->put_size - 1], status);
	if (data != NULL)
		ck_assert_int_eq(memcmp(c->put, data, c->put_size - 1), 0);
}

/* -- Lists ------------------------------------------------------------------ */

/* Text, then what the guest finds at an address: "BUS HOST" or "". */
static const struct {
	const char *text;
	unsigned index, n_buses;
	enum bus_kind kind;
	uint32_t number;
	const char *name;
	unsigned host;
} lists[] = {
	{ "2:32:21,3:10:23", 23, 2, BUS_NUMBER, 3, NULL, 23 },
	{ "0:32", 32, 1, BUS_NUMBER, 0, NULL, 32 },
	{ " +7:127 ", 127, 1, BUS_NUMBER, 7, NULL, 127 },
	{ "i915 gmbus dpd:32", 32, 1, BUS_NAME, 0, "i915 gmbus dpd", 32 },
	{ " spaced out :1", 1, 1, BUS_NAME, 0, "spaced out", 1 },
	{ "\"a:b,c\":0x50,s0:1", 0x50, 2, BUS_NAME, 0, "a:b,c", 0x50 },
	{ "'11':1", 1, 1, BUS_NAME, 0, "11", 1 },
	{ "\"s0\":1", 1, 1, BUS_NAME, 0, "s0", 1 },
	{ "sx:1", 1, 1, BUS_NAME, 0, "sx", 1 },
	{ "/dev/i2c-12:0x1F", 0x1f, 1, BUS_NUMBER, 12, NULL, 0x1f },
	{ "/dev/other:1", 1, 1, BUS_NAME, 0, "/dev/other", 1 },
	{ "s3:0x50-0x57", 0x57, 1, BUS_SIM, 3, NULL, 0x57 },
	{ "1:0x50-0x57=0x20", 0x57, 1, BUS_NUMBER, 1, NULL, 0x27 },
	{ "1:0x20=0x51", 0x20, 1, BUS_NUMBER, 1, NULL, 0x51 },
	{ "1:*:0x20=0x51", 0x20, 1, BUS_NUMBER, 1, NULL, 0x51 },
	{ "1:0x20=0x51:*", 0x20, 1, BUS_NUMBER, 1, NULL, 0x51 },
	{ "1:*", 0x77, 1, BUS_NUMBER, 1, NULL, 0x77 },
	{ "s3/smbus:0x50", 0x50, 1, BUS_SIM, 3, NULL, 0x50 },
	{ "s3/other:0x50", 0x50, 1, BUS_NAME, 0, "s3/other", 0x50 },
	{ "s33333333333333333/smbus:1", 1, 1, BUS_NAME, 0, "s33333333333333333/smbus", 1 },
	{ "1:0x3ff/ten", I2C_SEVEN + 0x3ff, 1, BUS_NUMBER, 1, NULL, 0x3ff },
	{ "1:80/ten:80", 80, 1, BUS_NUMBER, 1, NULL, 80 },
};

START_TEST(lists_are_read)
{
	struct list *l = list_parse(&i2c_lists, lists[_i].text, &err);
	const struct list_client *c;
	const struct list_bus *b;

	ck_assert_msg(l != NULL, "%s", err.text);
	c = &l->clients[lists[_i].index];
	b = &l->buses[c->bus];
	ck_assert_uint_eq(l->n_buses, lists[_i].n_buses);
	ck_assert(c->listed);
	ck_assert_uint_eq(c->host, lists[_i].host);
	ck_assert_int_eq(b->kind, lists[_i].kind);
	ck_assert_uint_eq(b->number, lists[_i].number);
	ck_assert_pstr_eq(b->name, lists[_i].name);
	i2c_lists.free(l);
}
END_TEST

START_TEST(lists_list_nothing_else)
{
	struct list *l = list_parse(&i2c_lists, "1:*:0x20=0x51,2", &err);
	unsigned i, n = 0;

	for (i = 0; i < I2C_ADDRESSES; i++)
		n += l->clients[i].listed;
	ck_assert_uint_eq(n, 0x77 - 0x08 + 1);
	ck_assert(!l->clients[0x07].listed && !l->clients[0x78].listed);
	i2c_lists.free(l);
}
END_TEST

static const struct {
	const char *text, *says;
} bad_lists[] = {
	{ "", "adapter missing" },
	{ ":1", "adapter missing" },
	{ "1:2,", "adapter missing" },
	{ "1:2,,3:4", "adapter missing" },
	{ "1:", "'' is no address" },
	{ "1:2:", "'' is no address" },
	{ "1:0x", "'0x' is no address" },
	{ "1:0x5g", "'0x5g' is no address" },
	{ "1:5g", "'5g' is no address" },
	{ "1:-5", "'' is no address" },
	{ "1:128", "address 128 is too large" },
	{ "1:0x80", "address 0x80 is too large" },
	{ "1:0x100000000000000050", "is too large" },
	{ "1:1024/ten", "address 1024 is too large" },
	{ "1:2:2", "address 0x02 is there twice" },
	{ "1:2,3:2", "address 0x02 is there twice" },
	{ "1:0x10-0x12,3:0x12", "address 0x12 is there twice" },
	{ "1:2,1:3", "duplicate adapter 1" },
	{ "x:2, x :3", "duplicate adapter x" },
	{ "s1:2,s1:3", "duplicate adapter s1" },
	{ "1:9-5", "range 9-5 goes downwards" },
	{ "1:0x10-0x20=0x70", "range at 0x70 goes beyond" },
	{ "1:2/what", "/what is unknown" },
	{ "1:2/", "/ is unknown" },
	{ "1:2/force=1", "/force takes no value" },
	{ "s1:2/slow", "/slow needs a value" },
	{ "s1:2/slow=99999", "/slow=99999: give a number from 0 to 60000" },
	{ "s1:2/eeprom=300", "its size is" },
	{ "s1:2/eeprom=512", "its size is" },
	{ "s1:2/nak=x", "/nak=x: give a number" },
	{ "s1:2/force", "/force is only for real adapters" },
	{ "s1/smbus:2/pec", "/pec is only for real adapters" },
	{ "s1:2/split", "/split is only for adapters with SMBus alone" },
	{ "s1:2,s1/smbus:3", "duplicate adapter s1" },
	{ "1:2/eeprom", "/eeprom is only for simulated adapters" },
	{ "1:*/ten", "'*' is every 7-bit address" },
	{ "s1:*/eeprom", "'*' is every 7-bit address" },
	{ "\"abc:2", "the quote before abc:2 is not closed" },
	{ "\"abc\"d:2", "'d' follows a quoted name" },
};

START_TEST(bad_lists_say_why)
{
	ck_assert_ptr_null(list_parse(&i2c_lists, bad_lists[_i].text, &err));
	ck_assert_msg(strstr(err.text, bad_lists[_i].says) != NULL, "%s: %s",
		      bad_lists[_i].text, err.text);
}
END_TEST

START_TEST(too_many_adapters)
{
	char text[600] = "";
	unsigned i;

	for (i = 0; i <= I2C_BUSES_MAX; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u",
			 i == 0 ? "" : ",", i);
	ck_assert_ptr_null(list_parse(&i2c_lists, text, &err));
	ck_assert_str_eq(err.text, "more than 64 adapters");
}
END_TEST

/* -- Opening ---------------------------------------------------------------- */

START_TEST(adapters_that_cannot_be_used)
{
	char text[300];

	snprintf(text, sizeof(text), "%s/dev/i2c-9: no such adapter", root);
	ck_assert_ptr_nonnull(strstr(refused("9:1"), text));
}
END_TEST

static const struct {
	const char *list;
	unsigned long funcs;
	const char *says;
} unusable[] = {
	{ "nobody:1", I2C_FUNC_I2C, "adapter \"nobody\" not found" },
	{ "eeprom:1", I2C_FUNC_I2C, "adapter \"eeprom\" not found" },
	{ "twin:1", I2C_FUNC_I2C, "adapter \"twin\": 2 adapters have this name" },
	{ "4:1,i915 gmbus dpd:2", I2C_FUNC_I2C, "duplicate adapter i2c-4" },
	{ "4:1", I2C_FUNC_SMBUS_QUICK, "has neither I2C nor SMBus" },
	{ "4:0x44", I2C_FUNC_I2C, "client 0x44 is used by a driver of the host" },
	{ "4:0x150/ten", I2C_FUNC_I2C, "has no 10-bit addresses: 0x150/ten" },
	{ "4:0x50/pec", I2C_FUNC_SMBUS_BYTE_DATA, "cannot check packets: 0x50" },
	{ "s4/smbus:0x150/ten", I2C_FUNC_I2C, "has no 10-bit addresses: 0x150/ten" },
};

START_TEST(unusable_adapters_say_why)
{
	kernel.busy = 0x44;
	kernel.funcs = unusable[_i].funcs;
	ck_assert_msg(strstr(refused(unusable[_i].list), unusable[_i].says) != NULL, "%s",
		      err.text);
}
END_TEST

START_TEST(no_i2c_in_the_kernel)
{
	remove_all(in_root("sys"));
	ck_assert_ptr_nonnull(strstr(refused("i915:1"), "does this kernel have I2C?"));
}
END_TEST

START_TEST(a_client_of_the_host_can_be_forced_or_is_left_out)
{
	kernel.busy = 0x44;
	begin(T0, _i == 0 ? "4:0x44/force" : "4:*");
	push(0x44, 0, "x", 1);
	check_last(1, _i == 0 ? OK : ERR, NULL);
	push(0x45, 0, "y", 1);
	check_last(2, _i == 0 ? ERR : OK, NULL);
	end();
}
END_TEST

START_TEST(tuning)
{
	set("bus-timeout", "125");
	set("bus-retries", "4");
	begin(T0, "i915 gmbus dpd:1");
	ck_assert_uint_eq(kernel.timeout, 13);
	ck_assert_uint_eq(kernel.retries, 4);
	end();
}
END_TEST

/* -- I2C_RDWR --------------------------------------------------------------- */

START_TEST(a_group_is_one_transfer)
{
	begin(T0, "4:0x50:0x20=0x51:0x150/ten");
	push(0x50, NEXT, "\x01", 1);
	push(0x20, NEXT, "\x02\x03", 2);
	push(0x50, RD, NULL, 3);
	push(0x50, 0, NULL, 0);
	check_last(4, OK, NULL);
	ck_assert_str_eq(kernel.log, "w1@50 01, w2@51 02 03, r3@50;w0@50;");
	ck_assert_int_eq(memcmp(fake.chains[2].put, "rrr", 4), 0);
	end();
}
END_TEST

START_TEST(ten_bit_messages_are_marked)
{
	const unsigned char hdr[] = { 0xf2, 0x50, 0, 0, 0, 0, 0, 0, 7 };

	begin(T0, "4:0x150/ten");
	fake_push(hdr, sizeof(hdr), 1);
	check_last(1, OK, NULL);
	ck_assert_str_eq(kernel.log, "w1@150/ten 07;");
	end();
}
END_TEST

/* The bytes that the kernel left are not for the guest. */
START_TEST(fewer_messages_than_asked_is_a_failure)
{
	kernel.fewer = 1;
	begin(T0, "4:0x50");
	push(0x50, NEXT, "\x01", 1);
	push(0x50, RD, NULL, 3);
	check_last(2, ERR, "\0\0\0");
	end();
}
END_TEST

START_TEST(empty_message_falls_back_to_quick)
{
	kernel.error = EOPNOTSUPP;
	begin(T0, "4:0x50");
	push(0x50, RD, NULL, 0);
	check_last(1, ERR, NULL);
	ck_assert_str_eq(kernel.log, "quick r 00;");
	end();
}
END_TEST

/* Some drivers say that of a client; the adapter is still there for the others. */
START_TEST(absent_client_is_no_lost_adapter)
{
	unsigned i;

	begin(T0, "i915 gmbus dpd:0x50");
	for (i = 1; i <= 3; i++) {
		kernel.error = ENODEV;
		push(0x50, 0, "1", 1);
		check_last(2 * i - 1, ERR, NULL);
		kernel.error = 0;
		push(0x50, 0, "2", 1);
		check_last(2 * i, OK, NULL);
	}
	end();
}
END_TEST

/* It went away, and came back under another number. */
START_TEST(adapter_is_plugged_in_again)
{
	begin(T0, "i915 gmbus dpd:0x50");
	kernel.error = ENODEV;
	remove_all(in_root("dev/i2c-4"));
	remove_all(in_root("sys/bus/i2c/devices/i2c-4"));
	push(0x50, 0, "1", 1);
	check_last(1, ERR, NULL);
	push(0x50, 0, "2", 1);
	check_last(2, ERR, NULL);
	kernel.error = 0;
	add_adapter(8, "i915 gmbus dpd");
	push(0x50, 0, "3", 1);
	check_last(3, ERR, NULL);
	fake_at(6001ULL * MS);
	push(0x50, 0, "4", 1);
	check_last(4, OK, NULL);
	/* There is where it is now, not where it was. */
	kernel.error = ENODEV;
	push(0x50, 0, "5", 1);
	check_last(5, ERR, NULL);
	kernel.error = 0;
	push(0x50, 0, "6", 1);
	check_last(6, OK, NULL);
	end();
}
END_TEST

/* By number and by name; what can only be known then is looked at then. */
START_TEST(adapter_is_awaited)
{
	char list[64];

	snprintf(list, sizeof(list), "%s:0x50:0x44:0x150/ten", _i == 0 ? "9" : "late one");
	set("missing", "wait");
	set("bus-timeout", "50");
	begin(T0, list);
	push(0x50, 0, "1", 1);
	check_last(1, ERR, NULL);
	push(0x50, 0, "2", 1);
	check_last(2, ERR, NULL);
	kernel.funcs = I2C_FUNC_I2C;
	kernel.busy = 0x44;
	add_adapter(9, "late one");
	fake_at(6001ULL * MS);
	push(0x50, 0, "\x03", 1);
	check_last(3, OK, NULL);
	ck_assert_str_eq(kernel.log, "w1@50 03;");
	ck_assert_uint_eq(kernel.timeout, 5);
	push(0x44, 0, "4", 1);
	check_last(4, ERR, NULL);
	fake_push("\xf2\x50\0\0\0\0\0\0\x07", 9, 1);
	check_last(5, ERR, NULL);
	ck_assert_str_eq(kernel.log, "w1@50 03;");
	end();
}
END_TEST

START_TEST(forcing_one_client_is_not_forcing_all)
{
	set("missing", "wait");
	begin(T0, "9:0x43/force:0x44");
	kernel.busy = 0x44;
	add_adapter(9, "late one");
	push(0x43, 0, "1", 1);
	check_last(1, ERR, NULL);
	push(0x43, 0, "2", 1);
	check_last(2, OK, NULL);
	push(0x43, NEXT, "3", 1);
	push(0x44, 0, "4", 1);
	check_last(4, ERR, NULL);
	end();
}
END_TEST

/* Lines for a shell; of what went wrong, why. */
START_TEST(transfers_are_captured)
{
	static const char want[] = "i2ctransfer -y 4 w2@0x50 0x01 0xff r3@0x50 # 0x72 0x72 0x72\n"
		"i2ctransfer -y 4 w0@0x51\n"
		"i2ctransfer -y 4 r1@0x50 # Input/output error\n"
		"# ten: i2ctransfer -y 4 w1@0x150 0x07\n";
	char text[sizeof(want) + 100] = "";
	FILE *f;

	set("capture", in_root("capture"));
	begin(T0, "4:0x50:0x20=0x51:0x150/ten");
	push(0x50, NEXT, "\x01\xff", 2);
	push(0x50, RD, NULL, 3);
	push(0x20, 0, NULL, 0);
	check_last(3, OK, NULL);
	kernel.error = EIO;
	push(0x50, RD, NULL, 1);
	check_last(4, ERR, NULL);
	kernel.error = 0;
	fake_push("\xf2\x50\0\0\0\0\0\0\x07", 9, 1);
	check_last(5, OK, NULL);
	end();
	f = fopen(in_root("capture"), "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, f), sizeof(want) - 1);
	fclose(f);
	ck_assert_str_eq(text, want);
	set("capture", in_root("nowhere/capture"));
	ck_assert_ptr_nonnull(strstr(refused("4:0x50"), "--capture: "));
}
END_TEST

/* -- I2C_SMBUS -------------------------------------------------------------- */

/* Bytes written, bytes read, what becomes of them; need: functions, 0: all. */
static const struct {
	const char *write;
	unsigned n_write, n_read;
	unsigned long funcs;
	const char *log, *data;
} mapped[] = {
	{ "\x10", 1, 0, 0, "byte w 10;", NULL },
	{ "", 0, 1, 0, "byte r 00;", "B" },
	{ "\x10\x22", 2, 0, 0, "byte_data w 10 22;", NULL },
	{ "\x10\x22\x33", 3, 0, 0, "word_data w 10 3322;", NULL },
	{ "\x10", 1, 1, 0, "byte_data r 10;", "B" },
	{ "\x10", 1, 2, 0, "word_data r 10;", "LH" },
	{ "\x10\x22\x33", 3, 2, 0, "proc_call w 10 3322;", "LH" },
	{ "\x10\x01\x02\x03", 4, 0, 0, "i2c_block w 10 03 01 02 03;", NULL },
	{ "\x10\x02\x02\x03", 4, 0, I2C_FUNC_SMBUS_WRITE_BLOCK_DATA, "block w 10 02 02 03;", NULL },
	{ "\x10", 1, 3, 0, "i2c_block r 10 3;", "bcd" },
	{ "\x10\x22", 2, 0, I2C_FUNC_SMBUS_WRITE_I2C_BLOCK, "i2c_block w 10 01 22;", NULL },
	{ "\x10\x22\x33", 3, 0, I2C_FUNC_SMBUS_WRITE_I2C_BLOCK, "i2c_block w 10 02 22 33;", NULL },
	{ "\x10", 1, 1, I2C_FUNC_SMBUS_READ_I2C_BLOCK, "i2c_block r 10 1;", "b" },
	{ "\x10\x01\x07", 3, 4, 0, "block_call w 10 01 07;", "\x02" "bc\xff" },
	/* Nothing is the same as these. */
	{ "\x10\x22\x33", 3, 3, 0, "", NULL },
	{ "\x10\x22", 2, 1, 0, "", NULL },
	{ "", 0, 2, 0, "", NULL },
	{ "\x10", 1, 33, 0, "", NULL },
	{ "\x10\x03\x02\x03", 4, 0, I2C_FUNC_SMBUS_WRITE_BLOCK_DATA, "", NULL },
	{ "\x10", 1, 0, I2C_FUNC_SMBUS_READ_BYTE, "", NULL },
};

START_TEST(groups_become_operations)
{
	const bool both = mapped[_i].n_write > 0 && mapped[_i].n_read > 0;
	unsigned n = 0;

	/* One that makes the adapter usable and is not asked for. */
	kernel.funcs = mapped[_i].funcs == 0 ? all_smbus : mapped[_i].funcs;
	begin(T0, "3:0x50");
	if (mapped[_i].n_write > 0) {
		push(0x50, both ? NEXT : 0, mapped[_i].write, mapped[_i].n_write);
		n++;
	}
	if (mapped[_i].n_read > 0) {
		push(0x50, RD, NULL, mapped[_i].n_read);
		n++;
	}
	check_last(n, mapped[_i].log[0] != '\0' ? OK : ERR, mapped[_i].data);
	ck_assert_str_eq(kernel.log, mapped[_i].log);
	end();
}
END_TEST

START_TEST(longest_blocks)
{
	char block[34] = { 0x10, 32 };

	kernel.funcs = all_smbus;
	begin(T0, "3:0x50");
	push(0x50, 0, block, 33);
	check_last(1, OK, NULL);
	push(0x50, 0, block, 34);
	check_last(2, OK, NULL);
	push(0x50, NEXT, block, 1);
	push(0x50, RD, NULL, 32);
	check_last(4, OK, NULL);
	ck_assert_str_eq(kernel.log, "i2c_block w 10 20 20 00 00 00 00;"
			 "block w 10 20 00 00 00 00 00;i2c_block r 10 32;");
	end();
}
END_TEST

START_TEST(quick_is_an_operation)
{
	kernel.funcs = all_smbus;
	begin(T0, "3:0x50/force");
	push(0x50, RD, NULL, 0);
	push(0x50, 0, NULL, 0);
	check_last(2, OK, NULL);
	ck_assert_str_eq(kernel.log, "force 50;quick r 00;force 50;quick w 00;");
	kernel.error = ENXIO;
	push(0x50, 0, NULL, 0);
	check_last(3, ERR, NULL);
	end();
}
END_TEST

START_TEST(long_reads_are_split_when_asked_for)
{
	kernel.funcs = all_smbus;
	begin(T0, "3:0x50/split");
	push(0x50, NEXT, "\xf0", 1);
	push(0x50, RD, NULL, 70);
	check_last(2, OK, NULL);
	ck_assert_str_eq(kernel.log, "i2c_block r f0 32;i2c_block r 10 32;i2c_block r 30 6;");
	end();
}
END_TEST

/* What i2c-tools send with p; codes by the CRC-8 that makes 0xf4 of "123456789". */
static const struct {
	const char *write;
	unsigned n_write, n_read;
	const char *log, *data;
} checked[] = {
	{ "\x10\x22\xf1", 3, 0, "checked byte_data w 10 22;", NULL },
	{ "\x10\x22\xf2", 3, 0, "", NULL },
	{ "\x10", 1, 2, "checked byte_data r 10;", "B\x99" },
	{ "", 0, 2, "checked byte r 00;", "B\xc4" },
	/* Without a code: one byte has no room for it. */
	{ "\x10", 1, 0, "checked byte w 10;", NULL },
	{ "\x10", 1, 1, "checked byte_data r 10;", "B" },
	/* I2C blocks have none on the wire. */
	{ "\x10", 1, 4, "", NULL },
};

START_TEST(packets_are_checked)
{
	const bool both = checked[_i].n_write > 0 && checked[_i].n_read > 0;
	unsigned n = 0;

	kernel.funcs = all_smbus | I2C_FUNC_SMBUS_PEC;
	begin(T0, "3:0x50/pec");
	if (checked[_i].n_write > 0) {
		push(0x50, both ? NEXT : 0, checked[_i].write, checked[_i].n_write);
		n++;
	}
	if (checked[_i].n_read > 0) {
		push(0x50, RD, NULL, checked[_i].n_read);
		n++;
	}
	check_last(n, checked[_i].log[0] != '\0' ? OK : ERR, checked[_i].data);
	ck_assert_str_eq(kernel.log, checked[_i].log);
	end();
}
END_TEST

/* Two clients, three messages, an empty one among others. */
START_TEST(groups_that_smbus_has_not)
{
	kernel.funcs = all_smbus;
	begin(T0, "3:0x50:0x51");
	push(0x50, NEXT, "\x10", 1);
	push(0x51, RD, NULL, 1);
	check_last(2, ERR, "\0");
	push(0x50, NEXT, "\x10", 1);
	push(0x50, NEXT | RD, NULL, 1);
	push(0x50, 0, "\x10", 1);
	check_last(5, ERR, NULL);
	push(0x50, NEXT, "\x10", 1);
	push(0x50, 0, "\x10", 1);
	check_last(7, ERR, NULL);
	push(0x50, NEXT, "\x10", 1);
	push(0x50, RD, NULL, 0);
	check_last(9, ERR, NULL);
	ck_assert_str_eq(kernel.log, "");
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("i2c-host");
	TCase *tc = tcase_create("i2c-host");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, lists_are_read, 0, (int)ARRAY_SIZE(lists));
	tcase_add_test(tc, lists_list_nothing_else);
	tcase_add_loop_test(tc, bad_lists_say_why, 0, (int)ARRAY_SIZE(bad_lists));
	tcase_add_test(tc, too_many_adapters);
	tcase_add_test(tc, adapters_that_cannot_be_used);
	tcase_add_loop_test(tc, unusable_adapters_say_why, 0, (int)ARRAY_SIZE(unusable));
	tcase_add_test(tc, no_i2c_in_the_kernel);
	tcase_add_loop_test(tc, a_client_of_the_host_can_be_forced_or_is_left_out, 0, 2);
	tcase_add_test(tc, tuning);
	tcase_add_test(tc, a_group_is_one_transfer);
	tcase_add_test(tc, ten_bit_messages_are_marked);
	tcase_add_test(tc, fewer_messages_than_asked_is_a_failure);
	tcase_add_test(tc, empty_message_falls_back_to_quick);
	tcase_add_test(tc, absent_client_is_no_lost_adapter);
	tcase_add_test(tc, adapter_is_plugged_in_again);
	tcase_add_loop_test(tc, adapter_is_awaited, 0, 2);
	tcase_add_test(tc, forcing_one_client_is_not_forcing_all);
	tcase_add_test(tc, transfers_are_captured);
	tcase_add_loop_test(tc, packets_are_checked, 0, (int)ARRAY_SIZE(checked));
	tcase_add_loop_test(tc, groups_become_operations, 0, (int)ARRAY_SIZE(mapped));
	tcase_add_test(tc, longest_blocks);
	tcase_add_test(tc, quick_is_an_operation);
	tcase_add_test(tc, long_reads_are_split_when_asked_for);
	tcase_add_test(tc, groups_that_smbus_has_not);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
