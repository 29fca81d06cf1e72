/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the I2C adapter (virtio 1.4, 5.21): groups of messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-i2c.h"

enum {
	MESSAGES = 42, LONGEST = 8192, WORDS = 1024, RING = 128, HEAD = 8,
	FIRST = 0x08, LAST = 0x77,      /* addresses that are not reserved */
};

struct message {
	uint16_t address, len;
	bool read;
	uint64_t out_at, in_at;         /* in guest memory */
	uint32_t used;
};

static uint16_t wire_address(unsigned address)
{
	return address < 128 ? (uint16_t)(address << 1) :
		(uint16_t)((address & 0xff) << 8 | VIRTIO_I2C_TEN | (address >> 8) << 1);
}

static struct virtio_i2c_out_hdr header(unsigned address, uint32_t flags)
{
	return (struct virtio_i2c_out_hdr){ .addr = le16(wire_address(address)),
		.flags = le32(flags) };
}

/* One message alone; 0, -ENXIO: it failed, or another error with err set. */
static int single(struct vdev *v, unsigned address, bool read, unsigned len, struct error *err)
{
	const struct virtio_i2c_out_hdr hdr = header(address, read ? VIRTIO_I2C_FLAGS_M_RD : 0);
	uint8_t in[2];
	int ret = vdev_request(v, 0, &hdr, sizeof(hdr), in, len + 1U, err);

	if (ret < 0)
		return ret;
	if ((unsigned)ret != len + 1U)
		return error_set(err, -EPROTO, "the answer has %d bytes: the status is missing",
				 ret);
	return in[len] == VIRTIO_I2C_MSG_OK ? 0 : -ENXIO;
}

/* As i2cdetect: a byte is read where an empty write might do harm. */
static int look_for(struct vdev *v, unsigned address, struct error *err)
{
	bool read = (address >= 0x30 && address <= 0x37) || (address >= 0x50 && address <= 0x5f);

	return single(v, address, read, read, err);
}

static int scan(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	uint64_t range[2] = { FIRST, LAST };
	unsigned i;
	int ret;

	for (i = 0; i < n; i++) {
		if (driver_number(words[i], 127, &range[i]) < 0)
			return error_set(err, -EINVAL, "'%.60s' is no address, as in 0x50",
					 words[i]);
	}
	out_open_list(o, "clients");
	for (i = (unsigned)range[0]; i <= range[1]; i++) {
		ret = look_for(v, i, err);
		if (ret < 0 && ret != -ENXIO)
			return ret;
		if (ret == 0)
			out_hex(o, NULL, i);
	}
	out_close(o);
	return 0;
}

/* r4@0x50, or w2: the address of the one before. */
static int read_head(char *word, const struct message *before, struct message *m,
		     struct error *err)
{
	char *at = strchr(word, '@');
	uint64_t len, address = before != NULL ? before->address : 0;
	bool good;

	if (at != NULL)
		*at++ = '\0';
	good = (word[0] == 'r' || word[0] == 'w') && num_parse(word + 1, 0, LONGEST, &len) == 0 &&
		(at == NULL ? before != NULL : driver_number(at, 1023, &address) == 0);
	if (!good)
		return error_set(err, -EINVAL, "'%.60s%s%.60s' is no message, as in w2@0x50 or r4",
				 word, at != NULL ? "@" : "", at != NULL ? at : "");
	*m = (struct message){ .address = (uint16_t)address, .len = (uint16_t)len,
		.read = word[0] == 'r' };
	return 0;
}

static int fill_message(struct vdev *v, struct message *m, char **words, unsigned n,
			struct error *err)
{
	unsigned size = HEAD + (m->read ? 0U : m->len), room = m->read ? m->len + 1U : 1, i;
	uint64_t byte;
	uint8_t *out;

	if (fe_mem_alloc(v->mem, 0, size, 16, &m->out_at) < 0 ||
	    fe_mem_alloc(v->mem, 0, room, 16, &m->in_at) < 0)
		return error_set(err, -ENOSPC, "no room for so many bytes");
	out = fe_mem_at(v->mem, m->out_at, size);
	for (i = 0; HEAD + i < size; i++) {
		if (i == n || driver_number(words[i], 255, &byte) < 0)
			return error_set(err, -EINVAL, "w%u needs %u bytes: %s%.60s", m->len,
					 m->len, i == n ? "some are missing" : "no byte: ",
					 i == n ? "" : words[i]);
		out[HEAD + i] = (uint8_t)byte;
	}
	return 0;
}

static int read_messages(struct vdev *v, char **words, unsigned n, struct message *msgs,
			 unsigned *ret_n, struct error *err)
{
	unsigned i = 0, k;
	int ret;

	for (k = 0; i < n; k++) {
		if (k == MESSAGES)
			return error_set(err, -EINVAL, "more than %d messages", MESSAGES);
		ret = read_head(words[i++], k > 0 ? &msgs[k - 1] : NULL, &msgs[k], err);
		if (ret == 0)
			ret = fill_message(v, &msgs[k], words + i, n - i, err);
		if (ret < 0)
			return ret;
		i += msgs[k].read ? 0 : msgs[k].len;
	}
	*ret_n = k;
	return 0;
}

static int send(struct vdev *v, struct message *msgs, unsigned n, struct error *err)
{
	struct virtio_i2c_out_hdr hdr;
	struct fe_seg segs[2];
	unsigned i;

	for (i = 0; i < n; i++) {
		hdr = header(msgs[i].address, (msgs[i].read ? VIRTIO_I2C_FLAGS_M_RD : 0) |
			     (i + 1 < n ? VIRTIO_I2C_FLAGS_FAIL_NEXT : 0));
		memcpy(fe_mem_at(v->mem, msgs[i].out_at, HEAD), &hdr, HEAD);
		segs[0] = (struct fe_seg){ msgs[i].out_at, HEAD + (msgs[i].read ? 0U :
							    msgs[i].len) };
		segs[1] = (struct fe_seg){ msgs[i].in_at, msgs[i].read ? msgs[i].len + 1U : 1 };
		if (fe_ring_add(v->rings[0], segs, 1, 1, 0, &msgs[i]) < 0)
			return error_set(err, -EMSGSIZE, "the queue cannot take %u messages", n);
	}
	return fe_ring_kick(v->rings[0], v->fe, err);
}

static int collect(struct vdev *v, unsigned n, struct error *err)
{
	struct fe_used used;
	int ret;

	while (n > 0) {
		ret = fe_ring_wait(v->rings[0], v->fe, v->timeout_ms, err);
		if (ret < 0)
			return ret;
		while ((ret = fe_ring_get(v->rings[0], &used, err)) == 1) {
			((struct message *)used.token)->used = used.len;
			n--;
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int print(struct vdev *v, struct out *o, const struct message *m, struct error *err)
{
	const uint8_t *in = fe_mem_at(v->mem, m->in_at, m->read ? m->len + 1U : 1);
	unsigned status_at = m->read ? m->len : 0;

	if (m->used != status_at + 1)
		return error_set(err, -EPROTO, "the answer has %u bytes, not %u", m->used,
				 status_at + 1);
	if (in[status_at] != VIRTIO_I2C_MSG_OK)
		return error_set(err, -EIO, "a message to 0x%02x failed", m->address);
	if (m->read && m->len > 0)
		out_bytes(o, NULL, in, m->len, ' ');
	return 0;
}

static int transfer(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR struct message *msgs = calloc(MESSAGES, sizeof(*msgs));
	unsigned i, k = 0;
	bool any = false;
	int ret;

	if (msgs == NULL)
		return error_memory(err);
	ret = read_messages(v, words, n, msgs, &k, err);
	if (ret == 0)
		ret = send(v, msgs, k, err);
	if (ret >= 0)
		ret = collect(v, k, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < k; i++)
		any |= msgs[i].read && msgs[i].len > 0;
	if (any)
		out_open_list(o, "read");
	for (i = 0; i < k && ret >= 0; i++)
		ret = print(v, o, &msgs[i], err);
	if (any)
		out_close(o);
	return ret;
}

/* The first client there is. */
static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	unsigned address;
	int ret;

	for (address = FIRST; address <= LAST; address++) {
		ret = look_for(v, address, err);
		if (ret == 0)
			*ret_plan = (struct load_plan){ 0, address };
		if (ret != -ENXIO)
			return ret;
	}
	return error_set(err, -ENODEV, "no client answers");
}

static void fill(uint8_t *out, uint32_t size, uint64_t count, const struct load_plan *plan)
{
	const struct virtio_i2c_out_hdr hdr = header((unsigned)plan->scale, VIRTIO_I2C_FLAGS_M_RD);

	memcpy(out, &hdr, sizeof(hdr));
}

static bool is_good(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == in_size && in[in_size - 1] == VIRTIO_I2C_MSG_OK;
}

static const struct action actions[] = {
	{ "scan", "[FIRST [LAST]]", "Look which addresses answer.", 0, 2, scan },
	{ "transfer", "MESSAGE...", "One transfer, written as i2ctransfer has it: wN@ADDRESS and N "
	  "bytes, or rN@ADDRESS; a further message may leave out the address. Prints what was "
	  "read.", 1, WORDS, transfer },
	{ NULL }
};

static const struct load load = {
	.in = 1, .head = HEAD, .tail = 1, .prepare = prepare, .fill = fill, .good = is_good,
};

const struct driver driver_i2c = {
	"i2c", .queues = 1, .queue_size = RING, .features = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST),
	.memory = (uint64_t)2 * MESSAGES * (LONGEST + 64), .actions = actions, .load = &load,
};
