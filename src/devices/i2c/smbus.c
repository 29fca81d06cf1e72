/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Adapters that know SMBus operations alone: what messages look like on the
 * wire tells which operation makes the same.
 *
 * A guest that checks packets adds their code itself. With /pec that byte is
 * taken off what it writes, after a look at it, and put behind what it reads;
 * on the wire the adapter does the same.
 */
#include <errno.h>
#include <string.h>

#include "adapter.h"

/*
 * Bytes written and then read; 0: there is no such message. counted: the byte
 * behind the command is the number of those that follow.
 */
static const struct shape {
	uint8_t write_min, write_max, read_min, read_max;
	bool counted;
	uint32_t size;
	unsigned long needs;
} shapes[] = {
	{ 1, 1, 0, 0, false, I2C_SMBUS_BYTE, I2C_FUNC_SMBUS_WRITE_BYTE },
	{ 0, 0, 1, 1, false, I2C_SMBUS_BYTE, I2C_FUNC_SMBUS_READ_BYTE },
	{ 2, 2, 0, 0, false, I2C_SMBUS_BYTE_DATA, I2C_FUNC_SMBUS_WRITE_BYTE_DATA },
	{ 3, 3, 0, 0, false, I2C_SMBUS_WORD_DATA, I2C_FUNC_SMBUS_WRITE_WORD_DATA },
	{ 2, 33, 0, 0, false, I2C_SMBUS_I2C_BLOCK_DATA, I2C_FUNC_SMBUS_WRITE_I2C_BLOCK },
	{ 3, 34, 0, 0, true, I2C_SMBUS_BLOCK_DATA, I2C_FUNC_SMBUS_WRITE_BLOCK_DATA },
	{ 1, 1, 1, 1, false, I2C_SMBUS_BYTE_DATA, I2C_FUNC_SMBUS_READ_BYTE_DATA },
	{ 1, 1, 2, 2, false, I2C_SMBUS_WORD_DATA, I2C_FUNC_SMBUS_READ_WORD_DATA },
	{ 1, 1, 1, 32, false, I2C_SMBUS_I2C_BLOCK_DATA, I2C_FUNC_SMBUS_READ_I2C_BLOCK },
	{ 3, 3, 2, 2, false, I2C_SMBUS_PROC_CALL, I2C_FUNC_SMBUS_PROC_CALL },
	{ 3, 34, 2, 33, true, I2C_SMBUS_BLOCK_PROC_CALL, I2C_FUNC_SMBUS_BLOCK_PROC_CALL },
};

/* One group as the shapes see it. */
struct group {
	const struct i2c_msg *write;
	struct i2c_msg *read;
	unsigned written, wanted;       /* their lengths */
};

static const struct shape *shape_of(const struct group *g, unsigned long funcs)
{
	const struct shape *s;

	for (s = shapes; s < shapes + ARRAY_SIZE(shapes); s++) {
		if (g->written >= s->write_min && g->written <= s->write_max &&
		    g->wanted >= s->read_min && g->wanted <= s->read_max &&
		    (funcs & s->needs) != 0 &&
		    (!s->counted || (g->write != NULL && g->write->buf[1] == g->written - 2)))
			return s;
	}
	return NULL;
}

/* What is sent behind the command. */
static void put_data(const struct group *g, const struct shape *s, union i2c_smbus_data *data)
{
	unsigned n = g->written > 1 ? g->written - 1 : 0;

	if (s->size == I2C_SMBUS_BYTE_DATA && n > 0)
		data->byte = g->write->buf[1];
	else if (s->size == I2C_SMBUS_WORD_DATA || s->size == I2C_SMBUS_PROC_CALL)
		data->word = n < 2 ? 0 : (uint16_t)(g->write->buf[1] | g->write->buf[2] << 8);
	else if (s->counted)
		memcpy(data->block, g->write->buf + 1, n);
	else if (s->size == I2C_SMBUS_I2C_BLOCK_DATA && n > 0) {
		data->block[0] = (uint8_t)n;
		memcpy(data->block + 1, g->write->buf + 1, n);
	} else if (s->size == I2C_SMBUS_I2C_BLOCK_DATA) {
		data->block[0] = (uint8_t)g->wanted;
	}
}

static int take_data(const struct group *g, const struct shape *s, const union i2c_smbus_data *data)
{
	uint8_t *to = g->read->buf;
	unsigned n;

	switch (s->size) {
	case I2C_SMBUS_BYTE:
	case I2C_SMBUS_BYTE_DATA:
		to[0] = data->byte;
		return 0;
	case I2C_SMBUS_WORD_DATA:
	case I2C_SMBUS_PROC_CALL:
		to[0] = (uint8_t)data->word;
		to[1] = (uint8_t)(data->word >> 8);
		return 0;
	case I2C_SMBUS_BLOCK_PROC_CALL:
		n = 1U + data->block[0];
		memset(to, 0xff, g->wanted);
		memcpy(to, data->block, n < g->wanted ? n : g->wanted);
		return 0;
	default:
		if (data->block[0] < g->wanted)
			return -EIO;
		memcpy(to, data->block + 1, g->wanted);
		return 0;
	}
}

static int run_group(struct smbus *bus, unsigned long funcs, const struct group *g)
{
	union i2c_smbus_data data = { .block = { 0 } };
	const struct shape *s = shape_of(g, funcs);
	bool alone = g->written + g->wanted == 1;
	uint8_t direction;
	int ret;

	if (s == NULL)
		return -EOPNOTSUPP;
	/* Calls are of no direction; Linux wants a write. */
	direction = g->wanted > 0 && s->size != I2C_SMBUS_PROC_CALL &&
		s->size != I2C_SMBUS_BLOCK_PROC_CALL ? I2C_SMBUS_READ : I2C_SMBUS_WRITE;
	put_data(g, s, &data);
	ret = bus->operation(bus, direction, g->written > 0 ? g->write->buf[0] : 0, s->size,
			     alone && g->written > 0 ? NULL : &data);
	return ret < 0 || g->wanted == 0 ? ret : take_data(g, s, &data);
}

/* A long read by several operations, each of which names where it begins. */
static int run_split(struct smbus *bus, const struct group *g)
{
	uint8_t command = g->write->buf[0];
	struct i2c_msg write = { .len = 1, .buf = &command }, read = *g->read;
	struct group part = { .write = &write, .read = &read, .written = 1 };
	unsigned done;
	int ret;

	for (done = 0; done < g->wanted; done += part.wanted) {
		part.wanted = g->wanted - done < I2C_SMBUS_BLOCK_MAX ? g->wanted - done :
			I2C_SMBUS_BLOCK_MAX;
		command = (uint8_t)(g->write->buf[0] + done);
		read.buf = g->read->buf + done;
		ret = run_group(bus, bus->funcs, &part);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* -- Packet error codes (SMBus 3.2, 6.4.1): CRC-8 of all bytes, addresses too. */

static uint8_t crc(uint8_t sum, uint8_t byte)
{
	unsigned i;

	for (sum ^= byte, i = 0; i < 8; i++)
		sum = (uint8_t)(sum << 1 ^ ((sum & 0x80) != 0 ? 0x07 : 0));
	return sum;
}

static uint8_t crc_message(uint8_t sum, const struct i2c_msg *m, unsigned len)
{
	unsigned i;

	sum = crc(sum, (uint8_t)(m->addr << 1 | (m->flags & I2C_M_RD)));
	for (i = 0; i < len; i++)
		sum = crc(sum, m->buf[i]);
	return sum;
}

/* The last message has the code; one of a single byte, and I2C blocks, have none. */
static int run_checked(struct smbus *bus, struct group *g)
{
	const unsigned long without = I2C_FUNC_SMBUS_READ_I2C_BLOCK |
		I2C_FUNC_SMBUS_WRITE_I2C_BLOCK;
	unsigned *last = g->read != NULL ? &g->wanted : &g->written;
	uint8_t sum;
	int ret;

	if (*last < 2)
		return run_group(bus, bus->funcs, g);
	--*last;
	sum = g->write != NULL ? crc_message(0, g->write, g->written) : 0;
	if (g->read == NULL && sum != g->write->buf[g->written])
		return -EBADMSG;
	ret = run_group(bus, bus->funcs & ~without, g);
	if (ret == 0 && g->read != NULL)
		g->read->buf[g->wanted] = crc_message(sum, g->read, g->wanted);
	return ret;
}

int smbus_transfer(struct smbus *bus, struct i2c_msg *msgs, unsigned n,
		   const struct list_client *how)
{
	struct group g = { .write = NULL };
	unsigned i;

	if (n == 1 && msgs[0].len == 0)
		return (bus->funcs & I2C_FUNC_SMBUS_QUICK) == 0 ? -EOPNOTSUPP :
			bus->operation(bus, msgs[0].flags & I2C_M_RD, 0, I2C_SMBUS_QUICK, NULL);
	for (i = 0; i < n; i++) {
		if (msgs[i].len == 0 || msgs[i].addr != msgs[0].addr || g.read != NULL)
			return -EOPNOTSUPP;
		if ((msgs[i].flags & I2C_M_RD) != 0)
			g.read = &msgs[i];
		else if (g.write == NULL)
			g.write = &msgs[i];
		else
			return -EOPNOTSUPP;
	}
	g.written = g.write != NULL ? g.write->len : 0;
	g.wanted = g.read != NULL ? g.read->len : 0;
	if (how->pec)
		return run_checked(bus, &g);
	if (how->split && g.written == 1 && g.wanted > I2C_SMBUS_BLOCK_MAX)
		return run_split(bus, &g);
	return run_group(bus, bus->funcs, &g);
}
