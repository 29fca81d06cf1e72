/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A simulated adapter. Its clients are made by the lists that name them and
 * stay as long as it is open, so guests that name the same one share it.
 *
 * Memories (EEPROM and registers) have a pointer that the first bytes of a
 * write set, and that moves on with each further byte: within its page on a
 * write, through all of it on a read. A block client keeps an SMBus block for
 * each command.
 *
 * A short transfer without slow clients is done on the loop that wants it, at
 * a fifth of what a worker costs; the bus lock keeps transfers apart. Slow ones
 * hold it for long, so once there is a slow client the worker does them all.
 *
 * An adapter with SMBus alone does what one of the host would: messages become
 * operations, and those the messages that they are on the wire.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"

enum {
	EEPROM_SIZE = 256, EEPROM_PAGE = 8, LARGE_PAGE = 32, REGS = 256,
	BLOCK = 33,                     /* count and bytes */
	SHORT = 512,                    /* bytes of a transfer that may be done on a loop */
	FLOATING = 0xff,                /* what is read when nobody drives the line */
};

struct client {
	struct client *next;
	struct list_client is;          /* how it was described */
	uint32_t size, page, pointer_bytes;
	uint32_t pointer;
	uint8_t memory[];
};

struct sim {
	struct adapter base;
	bool smbus;
	pthread_mutex_t bus;            /* what clients hold */
	pthread_mutex_t lock;           /* what follows */
	struct client *clients;
	bool slow;                      /* one of them is */
};

static struct sim *sim_of(struct adapter *a)
{
	return container_of(a, struct sim, base);
}

static struct client *find(struct sim *s, uint16_t address, bool ten)
{
	struct client *c;

	pthread_mutex_lock(&s->lock);
	for (c = s->clients; c != NULL && (c->is.host != address || c->is.ten != ten);)
		c = c->next;
	pthread_mutex_unlock(&s->lock);
	return c;
}

/* Messages. */

static void write_memory(struct client *c, const struct i2c_msg *m)
{
	uint32_t i, to;

	for (i = 0; i < m->len; i++) {
		if (i < c->pointer_bytes) {
			c->pointer = ((i == 0 ? 0 : c->pointer << 8) | m->buf[i]) % c->size;
			continue;
		}
		c->memory[c->pointer] = m->buf[i];
		to = (c->pointer + 1) % c->page;
		c->pointer = c->pointer / c->page * c->page + to;
	}
}

static void read_memory(struct client *c, struct i2c_msg *m)
{
	uint32_t i;

	for (i = 0; i < m->len; i++) {
		m->buf[i] = c->memory[c->pointer];
		c->pointer = (c->pointer + 1) % c->size;
	}
}

static void write_block(struct client *c, const struct i2c_msg *m)
{
	uint8_t *block;
	uint32_t n;

	if (m->len > 0)
		c->pointer = m->buf[0];
	if (m->len < 2)
		return;
	block = c->memory + (size_t)c->pointer * BLOCK;
	n = m->len - 1U < BLOCK ? m->len - 1U : BLOCK;
	memcpy(block, m->buf + 1, n);
	/* It can give back no more than it got. */
	if (block[0] > n - 1)
		block[0] = (uint8_t)(n - 1);
}

static void read_block(struct client *c, struct i2c_msg *m)
{
	const uint8_t *block = c->memory + (size_t)c->pointer * BLOCK;
	uint32_t n = 1U + block[0];

	memset(m->buf, FLOATING, m->len);
	memcpy(m->buf, block, n < m->len ? n : m->len);
}

static int message(struct client *c, struct i2c_msg *m)
{
	struct i2c_msg taken = *m;

	if (c->is.nak && c->is.nak_after < m->len)
		taken.len = (uint16_t)c->is.nak_after;
	if ((m->flags & I2C_M_RD) != 0 && c->is.sim == SIM_BLOCK)
		read_block(c, &taken);
	else if ((m->flags & I2C_M_RD) != 0)
		read_memory(c, &taken);
	else if (c->is.sim == SIM_BLOCK)
		write_block(c, &taken);
	else
		write_memory(c, &taken);
	return taken.len < m->len || (c->is.nak && c->is.nak_after == 0) ? -EREMOTEIO : 0;
}

static int messages(struct sim *s, struct i2c_msg *msgs, unsigned n)
{
	struct client *c;
	unsigned i;
	int ret;

	for (i = 0; i < n; i++) {
		c = find(s, msgs[i].addr, (msgs[i].flags & I2C_M_TEN) != 0);
		if (c == NULL)
			return -ENXIO;
		if (c->is.slow > 0)
			poll(NULL, 0, (int)c->is.slow);
		ret = message(c, &msgs[i]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Operations. */

struct sim_smbus {
	struct smbus smbus;
	struct sim *sim;
	uint16_t address;
};

static const unsigned long all_operations = I2C_FUNC_SMBUS_QUICK | I2C_FUNC_SMBUS_BYTE |
	I2C_FUNC_SMBUS_BYTE_DATA | I2C_FUNC_SMBUS_WORD_DATA | I2C_FUNC_SMBUS_PROC_CALL |
	I2C_FUNC_SMBUS_BLOCK_DATA | I2C_FUNC_SMBUS_I2C_BLOCK | I2C_FUNC_SMBUS_BLOCK_PROC_CALL;

static bool is_word(uint32_t size)
{
	return size == I2C_SMBUS_WORD_DATA || size == I2C_SMBUS_PROC_CALL;
}

/* Bytes of data behind the command, each way; data may be NULL where there are none. */
static void data_sizes(uint32_t size, bool read, const union i2c_smbus_data *data,
		       unsigned *ret_out, unsigned *ret_in)
{
	unsigned n = 0;
	bool call = size == I2C_SMBUS_PROC_CALL || size == I2C_SMBUS_BLOCK_PROC_CALL;

	if (size == I2C_SMBUS_BYTE_DATA || (size == I2C_SMBUS_BYTE && read))
		n = 1;
	else if (is_word(size))
		n = 2;
	else if (size == I2C_SMBUS_I2C_BLOCK_DATA)
		n = data->block[0];
	else if (size == I2C_SMBUS_BLOCK_DATA || size == I2C_SMBUS_BLOCK_PROC_CALL)
		n = 1U + data->block[0];
	*ret_out = read && !call ? 0 : n;
	*ret_in = size == I2C_SMBUS_BLOCK_PROC_CALL ? BLOCK : read || call ? n : 0;
}

/* Bytes on the wire: words have the low one first, an I2C block goes without its count. */
static void put_bytes(uint8_t *to, uint32_t size, const union i2c_smbus_data *data, unsigned n)
{
	if (is_word(size) && n > 0) {
		to[0] = (uint8_t)data->word;
		to[1] = (uint8_t)(data->word >> 8);
	} else if (n > 0) {
		memcpy(to, data->block + (size == I2C_SMBUS_I2C_BLOCK_DATA), n);
	}
}

static int take_bytes(union i2c_smbus_data *data, uint32_t size, const uint8_t *from, unsigned n)
{
	if (is_word(size) && n > 0)
		data->word = (uint16_t)(from[0] | from[1] << 8);
	else if (n > 0)
		memcpy(data->block + (size == I2C_SMBUS_I2C_BLOCK_DATA), from, n);
	return size == I2C_SMBUS_BLOCK_PROC_CALL && from[0] > I2C_SMBUS_BLOCK_MAX ? -EPROTO : 0;
}

static int sim_operation(struct smbus *bus, uint8_t direction, uint8_t command, uint32_t size,
			 union i2c_smbus_data *data)
{
	struct sim_smbus *s = container_of(bus, struct sim_smbus, smbus);
	uint8_t sent[1 + BLOCK] = { command }, got[BLOCK] = { 0 };
	bool read = direction == I2C_SMBUS_READ, quick = size == I2C_SMBUS_QUICK;
	bool alone = quick || (size == I2C_SMBUS_BYTE && read);
	struct i2c_msg msgs[2] = { { .addr = s->address, .buf = sent },
		{ .addr = s->address, .flags = I2C_M_RD, .buf = got } };
	unsigned out = 0, in = 0;
	int ret;

	if (!quick)
		data_sizes(size, read, data, &out, &in);
	put_bytes(sent + 1, size, data, out);
	msgs[0].len = (uint16_t)(1 + out);
	msgs[1].len = (uint16_t)in;
	if (quick)
		msgs[1].flags = read ? I2C_M_RD : 0;
	ret = messages(s->sim, msgs + alone, in > 0 && !alone ? 2 : 1);
	return ret < 0 ? ret : take_bytes(data, size, got, in);
}

static int by_operation(struct sim *s, struct i2c_msg *msgs, unsigned n,
			const struct list_client *first)
{
	struct sim_smbus bus = { { all_operations, sim_operation }, s, msgs[0].addr };

	return smbus_transfer(&bus.smbus, msgs, n, first);
}

static int sim_transfer(struct adapter *a, struct i2c_msg *msgs, unsigned n,
			const struct list_client *first)
{
	struct sim *s = sim_of(a);
	int ret;

	pthread_mutex_lock(&s->bus);
	ret = s->smbus ? by_operation(s, msgs, n, first) : messages(s, msgs, n);
	pthread_mutex_unlock(&s->bus);
	return ret;
}

static bool sim_at_once(struct adapter *a, const struct i2c_msg *msgs, unsigned n)
{
	size_t size = 0;
	unsigned i;
	bool slow;

	for (i = 0; i < n; i++)
		size += msgs[i].len;
	pthread_mutex_lock(&sim_of(a)->lock);
	slow = sim_of(a)->slow;
	pthread_mutex_unlock(&sim_of(a)->lock);
	return !slow && size <= SHORT;
}

/* Clients. */

static enum sim_kind default_kind(const struct list_client *lc)
{
	bool eeprom = !lc->ten && lc->host >= 0x50 && lc->host <= 0x57;

	return lc->sim != SIM_ANY ? lc->sim : eeprom ? SIM_EEPROM : SIM_REGS;
}

static uint32_t memory_size(const struct list_client *lc)
{
	static const uint32_t sizes[] = { [SIM_EEPROM] = EEPROM_SIZE, [SIM_REGS] = REGS,
		[SIM_BLOCK] = 256 * BLOCK };

	return lc->size != 0 ? lc->size : sizes[lc->sim];
}

static struct client *client_new(const struct list_client *lc, struct error *err)
{
	uint32_t size = memory_size(lc);
	struct client *c = calloc(1, sizeof(*c) + size);

	if (c == NULL) {
		error_memory(err);
		return NULL;
	}
	c->is = *lc;
	c->size = c->page = size;
	c->pointer_bytes = 1;
	if (lc->sim == SIM_EEPROM) {
		memset(c->memory, FLOATING, size);
		c->pointer_bytes = size > EEPROM_SIZE ? 2 : 1;
		c->page = size > EEPROM_SIZE ? LARGE_PAGE : EEPROM_PAGE;
	}
	return c;
}

static bool same_client(const struct list_client *a, const struct list_client *b)
{
	return a->sim == b->sim && memory_size(a) == memory_size(b) && a->slow == b->slow &&
		a->nak == b->nak && a->nak_after == b->nak_after;
}

static int add(struct sim *s, struct list_client *lc, unsigned index, struct error *err)
{
	struct client *c = find(s, lc->host, lc->ten);

	if (lc->ten && s->smbus)
		return error_set(err, -EOPNOTSUPP, "%s has no 10-bit addresses: %s cannot be "
				 "used", s->base.key, list_address(index).s);
	lc->sim = default_kind(lc);
	if (c != NULL)
		return same_client(&c->is, lc) ? 0 :
			error_set(err, -EEXIST, "%s: client %s is described in two ways: "
				  "it is one for all that name it", s->base.key,
				  list_address(lc->host + (lc->ten ? I2C_SEVEN : 0)).s);
	c = client_new(lc, err);
	if (c == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&s->lock);
	c->next = s->clients;
	s->clients = c;
	s->slow |= lc->slow > 0;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int sim_claim(struct adapter *a, struct instance *in, struct list *l, unsigned bus,
		     struct error *err)
{
	struct list_client *lc;
	unsigned i;

	for (i = 0; i < I2C_ADDRESSES; i++) {
		lc = &l->clients[i];
		if (lc->listed && lc->bus == bus && !lc->any && add(sim_of(a), lc, i, err) < 0)
			return -EEXIST;
	}
	return 0;
}

static void sim_free(struct adapter *a)
{
	struct sim *s = sim_of(a);
	struct client *c, *next;

	for (c = s->clients; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->bus);
	free(s);
}

static const struct adapter_ops sim_ops = {
	.claim = sim_claim, .transfer = sim_transfer, .at_once = sim_at_once, .free = sim_free,
};

struct adapter *sim_new(const struct list_bus *bus, struct error *err)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		error_memory(err);
		return NULL;
	}
	s->base.ops = &sim_ops;
	s->smbus = bus->smbus;
	snprintf(s->base.key, sizeof(s->base.key), "i2c-s%u%s", bus->number,
		 bus->smbus ? "/smbus" : "");
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->bus, NULL);
	return &s->base;
}
