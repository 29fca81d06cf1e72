/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A SPI NOR flash in the manner of the Winbond W25Q series, with the tables
 * (SFDP, JESD216) that let drivers find out what it can do.
 *
 * What changes its cells is done when it is deselected, and only after a
 * write enable. It is then busy for exactly one look at the status, so that
 * drivers that wait are tried as well as those that do not.
 *
 * Cells are kept inverted: erased memory is memory that was never touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"

enum {
	PAGE = 256, SECTOR = 4 << 10, HALF_BLOCK = 32 << 10, BLOCK = 64 << 10, CHIP = 0,
	QUICK_TO_ERASE = 1 << 20,
	FLOATS = 0xff, SMALL_ADDRESSES = 16 << 20,
	BUSY = 1, WRITE_ENABLED = 2,    /* in the first status register */
	SIZE_LEAST = 1 << 16, SIZE_MOST = 1 << 28, REGISTERS = 3, TABLE_AT = 16, TABLE = 16,
};

/* Bytes of an address: three, or four in that mode. */
enum { ADDRESS = 3, ADDRESS_4 = 4 };

enum action {
	NOTHING, READ, READ_STATUS, READ_ID, READ_TABLES, READ_NUMBER, PROGRAM, WRITE_STATUS, ERASE,
	ENABLE, DISABLE, LONG_ADDRESSES, SHORT_ADDRESSES, SLEEP, WAKE, ARM_RESET, RESET,
};

static const struct command {
	uint8_t opcode, address, filling;
	uint8_t action;
	uint32_t arg;                   /* of the action: a register, or the size to erase */
} commands[] = {
	{ 0x01, 0, 0, WRITE_STATUS, 0 }, { 0x31, 0, 0, WRITE_STATUS, 1 },
	{ 0x11, 0, 0, WRITE_STATUS, 2 }, { 0x05, 0, 0, READ_STATUS, 0 },
	{ 0x35, 0, 0, READ_STATUS, 1 }, { 0x15, 0, 0, READ_STATUS, 2 },
	{ 0x06, 0, 0, ENABLE, 0 }, { 0x50, 0, 0, ENABLE, 0 }, { 0x04, 0, 0, DISABLE, 0 },
	{ 0x03, ADDRESS, 0, READ, 0 }, { 0x13, ADDRESS_4, 0, READ, 0 },
	{ 0x0b, ADDRESS, 1, READ, 0 }, { 0x0c, ADDRESS_4, 1, READ, 0 },
	{ 0x3b, ADDRESS, 1, READ, 0 }, { 0x3c, ADDRESS_4, 1, READ, 0 },
	{ 0xbb, ADDRESS, 1, READ, 0 }, { 0xbc, ADDRESS_4, 1, READ, 0 },
	{ 0x6b, ADDRESS, 1, READ, 0 }, { 0x6c, ADDRESS_4, 1, READ, 0 },
	{ 0xeb, ADDRESS, 3, READ, 0 }, { 0xec, ADDRESS_4, 3, READ, 0 },
	{ 0x02, ADDRESS, 0, PROGRAM, 0 }, { 0x12, ADDRESS_4, 0, PROGRAM, 0 },
	{ 0x32, ADDRESS, 0, PROGRAM, 0 }, { 0x34, ADDRESS_4, 0, PROGRAM, 0 },
	{ 0x20, ADDRESS, 0, ERASE, SECTOR }, { 0x21, ADDRESS_4, 0, ERASE, SECTOR },
	{ 0x52, ADDRESS, 0, ERASE, HALF_BLOCK }, { 0x5c, ADDRESS_4, 0, ERASE, HALF_BLOCK },
	{ 0xd8, ADDRESS, 0, ERASE, BLOCK }, { 0xdc, ADDRESS_4, 0, ERASE, BLOCK },
	{ 0x60, 0, 0, ERASE, CHIP }, { 0xc7, 0, 0, ERASE, CHIP },
	{ 0x9f, 0, 0, READ_ID, 0 }, { 0x5a, ADDRESS, 1, READ_TABLES, 0 },
	{ 0x4b, 0, 4, READ_NUMBER, 0 },
	{ 0xb7, 0, 0, LONG_ADDRESSES, 0 }, { 0xe9, 0, 0, SHORT_ADDRESSES, 0 },
	{ 0xb9, 0, 0, SLEEP, 0 }, { 0xab, 0, 0, WAKE, 0 },
	{ 0x66, 0, 0, ARM_RESET, 0 }, { 0x99, 0, 0, RESET, 0 },
};

struct nor {
	uint32_t size, id;
	int fd;                         /* of its file, or -1 */
	uint8_t status[REGISTERS];
	bool busy, four, asleep, reset_armed;
	bool selected;
	const struct command *command;  /* of this selection, once the first byte is there */
	uint64_t n;                     /* bytes of it so far */
	uint32_t address;
	uint8_t page[PAGE];             /* what is to be programmed or written, and where */
	bool touched[PAGE];
	uint8_t cells[];                /* inverted */
};

/* JESD216B: one header, the basic table; written for the size at hand. */
static uint8_t table_byte(const struct nor *n, uint32_t at)
{
	static const uint8_t head[TABLE_AT] = { 'S', 'F', 'D', 'P', 6, 1, 0, 0xff,
		0x00, 6, 1, TABLE, TABLE_AT, 0, 0, 0xff };
	bool large = n->size > SMALL_ADDRESSES;
	const uint32_t basic[TABLE] = {
		large ? 0xfff320e5 : 0xfff120e5,        /* 4K erase, wide reads, address bytes */
		n->size * 8 - 1,                        /* bits, less one */
		0x6b08eb44, 0xbb423b08,                 /* how to read wide */
		0xffffffee, 0x0000ffff, 0x0000ffff,     /* nothing wider */
		0x520f200c, 0x0000d810, 0x00a60236,     /* erase types, and their times */
		0xc914ea82,                             /* pages of 256 bytes */
		0x80000000, 0, 0x80000004,              /* no suspend, no deep sleep */
		0x00500000,                             /* quad enable: bit 1 of status 2 */
		large ? 0x21005000 : 0x00001000,        /* reset by 66 99, B7 and E9 */
	};

	if (at < TABLE_AT)
		return head[at];
	at -= TABLE_AT;
	return at / 4 < TABLE ? (uint8_t)(basic[at / 4] >> 8 * (at % 4)) : FLOATS;
}

static const struct command *find(uint8_t opcode)
{
	static const struct command none = { 0, 0, 0, NOTHING, 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].opcode == opcode)
			return &commands[i];
	}
	return &none;
}

static unsigned address_bytes(const struct nor *n)
{
	const struct command *c = n->command;

	return c->address + (c->address == ADDRESS && n->four && c->action != READ_TABLES);
}

/* Byte number at of the data. */
static uint8_t data_byte(struct nor *n, uint64_t at, uint8_t in)
{
	uint8_t out = FLOATS;
	uint32_t place;

	switch (n->command->action) {
	case READ:
		return (uint8_t)~n->cells[n->address++ & (n->size - 1)];
	case READ_STATUS:
		out = n->status[n->command->arg];
		if (n->command->arg == 0 && n->busy)
			out |= BUSY;
		n->busy = n->busy && n->command->arg != 0;
		return out;
	case READ_ID:
		return at < 3 ? (uint8_t)(n->id >> (16 - 8 * at)) : 0;
	case READ_TABLES:
		return table_byte(n, n->address++ & (SMALL_ADDRESSES - 1));
	case READ_NUMBER:
		return (uint8_t)(n->id >> (16 - 8 * (at % 3)));
	case PROGRAM:
		place = (uint32_t)(n->address + at) % PAGE;
		n->page[place] = in;
		n->touched[place] = true;
		return out;
	case WRITE_STATUS:
		if (at < REGISTERS)
			n->page[at] = in;
		return out;
	default:
		return out;
	}
}

void spi_nor_select(struct nor *n)
{
	n->selected = true;
	n->n = 0;
	n->address = 0;
	memset(n->touched, 0, sizeof(n->touched));
}

uint8_t spi_nor_byte(struct nor *n, uint8_t in)
{
	uint64_t at = n->n++;
	unsigned head;

	if (at == 0) {
		n->command = find(in);
		if (n->asleep && n->command->action != WAKE)
			n->command = find(0);
		/* Whoever asks for something else has waited long enough. */
		if (n->command->action != READ_STATUS)
			n->busy = false;
		return FLOATS;
	}
	head = 1 + address_bytes(n);
	if (at < head) {
		n->address = n->address << 8 | in;
		return FLOATS;
	}
	head += n->command->filling;
	return at < head ? FLOATS : data_byte(n, at - head, in);
}

/* What is done at the end. */

static int store(struct nor *n, uint32_t at, uint32_t size)
{
	uint8_t piece[SECTOR];
	uint32_t i, len;

	for (; n->fd >= 0 && size > 0; at += len, size -= len) {
		len = size < sizeof(piece) ? size : sizeof(piece);
		for (i = 0; i < len; i++)
			piece[i] = (uint8_t)~n->cells[at + i];
		if (pwrite(n->fd, piece, len, at) != (ssize_t)len)
			return errno != 0 ? -errno : -EIO;
	}
	return 0;
}

/* Cells go from 1 to 0 only. */
static int program(struct nor *n)
{
	uint32_t page = n->address & (n->size - 1), i;

	page -= page % PAGE;
	for (i = 0; i < PAGE; i++) {
		if (n->touched[i])
			n->cells[page + i] |= (uint8_t)~n->page[i];
	}
	return store(n, page, PAGE);
}

static int erase(struct nor *n, uint32_t size)
{
	uint32_t at = n->address & (n->size - 1);

	if (size == CHIP || size > n->size)
		size = n->size;
	at -= at % size;
	memset(n->cells + at, 0, size);
	return store(n, at, size);
}

static void write_status(struct nor *n, unsigned first, uint64_t bytes)
{
	unsigned i;

	for (i = 0; i < bytes && first + i < REGISTERS; i++)
		n->status[first + i] = n->page[i];
	n->status[0] &= UINT8_MAX - BUSY - WRITE_ENABLED;
}

/* Changes of cells and status: whole commands behind a write enable, and then busy. */
static int change(struct nor *n)
{
	uint64_t head = 1 + address_bytes(n), bytes = n->n - head;
	int ret = 0;

	if (n->n < head || (n->status[0] & WRITE_ENABLED) == 0 ||
	    (n->command->action == ERASE) != (bytes == 0))
		return 0;
	n->status[0] &= (uint8_t)~WRITE_ENABLED;
	n->busy = true;
	if (n->command->action == PROGRAM)
		ret = program(n);
	else if (n->command->action == ERASE)
		ret = erase(n, n->command->arg);
	else
		write_status(n, n->command->arg, bytes);
	return ret;
}

static void reset(struct nor *n)
{
	n->four = n->asleep = n->busy = false;
	n->status[0] &= (uint8_t)~WRITE_ENABLED;
}

bool spi_nor_lingers(const struct nor *n, const uint8_t *first)
{
	const struct command *c = first != NULL ? find(*first) : n->command;

	return n->size > QUICK_TO_ERASE && (n->status[0] & WRITE_ENABLED) != 0 &&
		c->action == ERASE && c->arg == CHIP;
}

int spi_nor_deselect(struct nor *n)
{
	bool armed = n->reset_armed;

	if (!n->selected || n->n == 0) {
		n->selected = false;
		return 0;
	}
	n->selected = false;
	n->reset_armed = false;
	switch (n->command->action) {
	case PROGRAM:
	case WRITE_STATUS:
	case ERASE:
		return change(n);
	case ENABLE:
		n->status[0] |= WRITE_ENABLED;
		break;
	case DISABLE:
		n->status[0] &= (uint8_t)~WRITE_ENABLED;
		break;
	case LONG_ADDRESSES:
	case SHORT_ADDRESSES:
		n->four = n->command->action == LONG_ADDRESSES;
		break;
	case SLEEP:
	case WAKE:
		n->asleep = n->command->action == SLEEP;
		break;
	case ARM_RESET:
		n->reset_armed = true;
		break;
	case RESET:
		if (armed)
			reset(n);
		break;
	default:
		break;
	}
	return 0;
}

/* Making one. */

/* The last byte says the size, of W25Q80 (14) to W25Q256 (19) and from W25Q512 (20) on. */
static uint32_t usual_id(uint32_t size)
{
	uint32_t log = 31 - (uint32_t)__builtin_clz(size);

	return 0xef4000 | (log <= 0x19 ? log : log - 0x1a + 0x20);
}

static int load(struct nor *n, const char *file, struct error *err)
{
	uint32_t at = 0, i;
	ssize_t got;

	while (at < n->size) {
		got = pread(n->fd, n->cells + at, n->size - at, at);
		if (got <= 0)
			return error_set(err, -EIO, "%s: cannot be read: %s", file,
					 got < 0 ? strerror(errno) : "it became shorter");
		at += (uint32_t)got;
	}
	for (i = 0; i < n->size; i++)
		n->cells[i] = (uint8_t)~n->cells[i];
	return 0;
}

static int open_file(struct instance *in, const char *file, uint32_t *size, struct error *err)
{
	CLOSE_FD int fd = host_open(in, file, O_RDWR, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < SIZE_LEAST ||
	    st.st_size > SIZE_MOST || (st.st_size & (st.st_size - 1)) != 0)
		return error_set(err, -EINVAL, "%s: a flash is a file whose size is a power of two "
				 "from 64K to 256M", file);
	*size = (uint32_t)st.st_size;
	return take_fd(&fd);
}

struct nor *spi_nor_new(struct instance *in, uint32_t size, uint32_t id, const char *file,
		    struct error *err)
{
	CLOSE_FD int fd = file != NULL ? open_file(in, file, &size, err) : -1;
	struct nor *n = NULL;

	if (file != NULL && fd < 0)
		return NULL;
	n = calloc(1, sizeof(*n) + size);
	if (n == NULL) {
		error_set(err, -ENOMEM, "no memory for a flash of %u bytes", size);
		return NULL;
	}
	n->size = size;
	n->id = id != 0 ? id : usual_id(size);
	n->command = find(0);
	n->fd = take_fd(&fd);
	if (file == NULL || load(n, file, err) == 0)
		return n;
	spi_nor_free(n);
	return NULL;
}

void spi_nor_free(struct nor *n)
{
	if (n == NULL)
		return;
	fd_close(&n->fd);
	free(n);
}
