/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the SPI controller (virtio 1.4): transfers, a loop, a flash memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-spi.h"

enum {
	HEAD = sizeof(struct virtio_spi_transfer_head), LONGEST = 65536, WORDS = 4096,
	READ_ID = 0x9f, READ = 0x03, READ_4 = 0x13,
};

/* Room for one request of each direction. */
struct spi {
	struct virtio_spi_transfer_head head;
	uint8_t out[HEAD + LONGEST], in[LONGEST + 1];
};

/* Sends n_out bytes of s->out behind the head, receives n_in. 0, or an error with err set. */
static int request(struct vdev *v, struct spi *s, size_t n_out, size_t n_in, struct error *err)
{
	int ret;

	memcpy(s->out, &s->head, HEAD);
	s->in[n_in] = UINT8_MAX;
	ret = vdev_request(v, 0, s->out, HEAD + n_out, s->in, n_in + 1, err);
	if (ret < 0)
		return ret;
	if ((size_t)ret != n_in + 1 || s->in[n_in] > VIRTIO_SPI_TRANS_ERR)
		return error_set(err, -EPROTO, "the answer has %d bytes and the result %u", ret,
				 s->in[n_in]);
	if (s->in[n_in] == VIRTIO_SPI_TRANS_OK)
		return 0;
	return error_set(err, -EIO, s->in[n_in] == VIRTIO_SPI_PARAM_ERR
			 ? "refused: a parameter is wrong" : "the transfer failed");
}

static int bad_word(const char *word, struct error *err)
{
	return error_set(err, -EINVAL, "'%.60s' makes no sense here", word);
}

/* cs=1, for what follows. */
static bool set(struct virtio_spi_transfer_head *h, const char *word)
{
	static const struct {
		const char *name;
		uint8_t at, size;
	} settings[] = {
		{ "cs=", 0, 1 }, { "bits=", 1, 1 }, { "change=", 2, 1 }, { "tx-nbits=", 3, 1 },
		{ "rx-nbits=", 4, 1 }, { "mode=", 8, 4 }, { "hz=", 12, 4 },
		{ "word-delay=", 16, 4 }, { "setup=", 20, 4 }, { "hold=", 24, 4 },
		{ "inactive=", 28, 4 },
	};
	uint64_t value;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		n = strlen(settings[i].name);
		if (strncmp(word, settings[i].name, n) != 0)
			continue;
		if (driver_number(word + n, settings[i].size == 1 ? UINT8_MAX : UINT32_MAX,
				  &value) < 0)
			return false;
		if (settings[i].size == 1)
			((uint8_t *)h)[settings[i].at] = (uint8_t)value;
		else
			*(le32_t *)((uint8_t *)h + settings[i].at) = le32((uint32_t)value);
		return true;
	}
	return false;
}

/* w2 0x9f 0, r3, or x2 1 2 for both ways; *i is the word, and then the last of its bytes. */
static int message(struct vdev *v, struct spi *s, struct out *o, char **words, unsigned n,
		   unsigned *i, struct error *err)
{
	char kind = words[*i][0];
	uint64_t len, byte;
	size_t k;
	int ret;

	if (strchr("wrx", kind) == NULL || num_parse(words[*i] + 1, 1, LONGEST, &len) < 0)
		return bad_word(words[*i], err);
	for (k = 0; kind != 'r' && k < len; k++) {
		if (++*i >= n || driver_number(words[*i], UINT8_MAX, &byte) < 0)
			return error_set(err, -EINVAL, "%c%u needs so many bytes", kind,
					 (unsigned)len);
		s->out[HEAD + k] = (uint8_t)byte;
	}
	ret = request(v, s, kind != 'r' ? len : 0, kind != 'w' ? len : 0, err);
	if (ret == 0 && kind != 'w')
		out_bytes(o, NULL, s->in, len, ' ');
	return ret;
}

static struct spi *start(struct error *err)
{
	struct spi *s = calloc(1, sizeof(*s));

	if (s == NULL)
		error_memory(err);
	else
		s->head.bits_per_word = 8;
	return s;
}

static int transfer(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR struct spi *s = start(err);
	unsigned i;
	bool any = false;
	int ret = s != NULL ? 0 : -ENOMEM;

	for (i = 0; i < n; i++)
		any |= words[i][0] == 'r' || words[i][0] == 'x';
	if (any)
		out_open_list(o, "received");
	for (i = 0; ret == 0 && i < n; i++) {
		if (strchr(words[i], '=') == NULL)
			ret = message(v, s, o, words, n, &i, err);
		else if (!set(&s->head, words[i]))
			ret = bad_word(words[i], err);
	}
	if (any)
		out_close(o);
	return ret;
}

/* Settings, and then at most so many numbers. */
static int prepare(struct spi **ret_s, char **words, unsigned n, uint64_t *numbers, unsigned most,
		   struct error *err)
{
	struct spi *s = start(err);
	unsigned i, k = 0;

	*ret_s = s;
	for (i = 0; s != NULL && i < n; i++) {
		if (strchr(words[i], '=') != NULL ? !set(&s->head, words[i]) :
		    k == most || driver_number(words[i], UINT32_MAX, &numbers[k++]) < 0)
			return bad_word(words[i], err);
	}
	return s != NULL ? 0 : -ENOMEM;
}

static int loopback(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR struct spi *s = NULL;
	unsigned len, rounds = 0, i;
	int ret = prepare(&s, words, n, NULL, 0, err);

	for (len = LONGEST; ret == 0 && len >= 4; len = len / 8 * 4) {
		for (i = 0; i < len; i++)
			s->out[HEAD + i] = (uint8_t)(i * 7 + i / 256 + ++rounds);
		ret = request(v, s, len, len, err);
		if (ret == 0 && memcmp(s->in, s->out + HEAD, len) != 0)
			return error_set(err, -EIO, "%u bytes did not come back as they went out",
					 len);
		rounds = ret == 0 ? len : 0;
	}
	if (ret == 0)
		out_number(o, "bytes", (uint64_t)2 * LONGEST - 4);
	return ret;
}

static int id(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR struct spi *s = NULL;
	int ret = prepare(&s, words, n, NULL, 0, err);

	if (ret == 0) {
		s->out[HEAD] = READ_ID;
		ret = request(v, s, 1, 0, err);
	}
	if (ret == 0)
		ret = request(v, s, 0, 3, err);
	if (ret == 0)
		out_bytes(o, "id", s->in, 3, ' ');
	return ret;
}

static int read_flash(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	FREE_PTR struct spi *s = NULL;
	uint64_t at[2] = { 0, 16 };
	unsigned bytes, i;
	int ret = prepare(&s, words, n, at, 2, err);

	if (ret == 0 && (at[1] == 0 || at[1] > LONGEST))
		ret = error_set(err, -ERANGE, "from 1 to %d bytes can be read at once", LONGEST);
	if (ret < 0)
		return ret;
	bytes = at[0] >> 24 != 0 ? 4 : 3;
	s->out[HEAD] = bytes == 4 ? READ_4 : READ;
	for (i = 0; i < bytes; i++)
		s->out[HEAD + 1 + i] = (uint8_t)(at[0] >> 8 * (bytes - 1 - i));
	ret = request(v, s, 1 + bytes, 0, err);
	if (ret == 0)
		ret = request(v, s, 0, at[1], err);
	if (ret == 0)
		out_bytes(o, "bytes", s->in, at[1], ' ');
	return ret;
}

static int info(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	static const char *const funcs[] = { "CPHA=0", "CPHA=1", "CPOL=0", "CPOL=1", "cs-high",
		"lsb-first", "loop" };
	struct virtio_spi_config c;
	unsigned i;
	int ret = vdev_config(v, 0, &c, sizeof(c), err);

	if (ret < 0)
		return ret;
	out_number(o, "chips", c.cs_max_number);
	out_open_list(o, "modes");
	for (i = 0; i < ARRAY_SIZE(funcs); i++) {
		if ((le32_get(c.mode_func_supported) >> i & 1) != 0)
			out_string(o, NULL, funcs[i]);
	}
	out_close(o);
	out_number(o, "tx_wires", c.tx_nbits_supported >= 4 ? 8 : c.tx_nbits_supported >= 2 ? 4 :
		   c.tx_nbits_supported + 1);
	out_number(o, "rx_wires", c.rx_nbits_supported >= 4 ? 8 : c.rx_nbits_supported >= 2 ? 4 :
		   c.rx_nbits_supported + 1);
	out_number(o, "max_hz", le32_get(c.max_freq_hz));
	return 0;
}

/* Both ways at once, which is fine with every chip. */
static void fill(uint8_t *out, uint32_t size, uint64_t count, const struct load_plan *plan)
{
	const struct virtio_spi_transfer_head h = { .bits_per_word = 8 };

	memcpy(out, &h, sizeof(h));
	memset(out + sizeof(h), (int)(count & 0x7f), size - sizeof(h));
}

static bool is_good(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == in_size && in[in_size - 1] == VIRTIO_SPI_TRANS_OK;
}

static const struct action actions[] = {
	{ "info", "", "What the controller can do.", 0, 0, info },
	{ "transfer", "[SETTING=N|MESSAGE]...", "Messages wN and N bytes, rN, or xN and N bytes "
	  "for both ways at once, with the settings before it: cs, mode, hz, bits, change, "
	  "tx-nbits, rx-nbits, word-delay, setup, hold, inactive. Prints what was received.",
	  1, WORDS, transfer },
	{ "loopback", "[SETTING=N]...", "Bytes must come back as they go out.", 0, 11, loopback },
	{ "id", "[SETTING=N]...", "The id of a NOR flash.", 0, 11, id },
	{ "read", "[SETTING=N]... [ADDRESS [N]]", "Bytes of a NOR flash.", 0, 13, read_flash },
	{ NULL }
};

static const struct load load = {
	.out = 32, .in = 32, .head = HEAD, .tail = 1, .fill = fill, .good = is_good,
};

const struct driver driver_spi = {
	"spi", .queues = 1, .queue_size = 16, .memory = (uint64_t)4 * LONGEST, .actions = actions,
	.load = &load,
};
