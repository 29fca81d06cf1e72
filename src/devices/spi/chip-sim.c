/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chips that are not there: a wire from out to in, a shift register, a flash
 * memory. They keep what they hold as long as somebody has them.
 *
 * A short transfer is done on the loop that wants it, at a fraction of what a
 * worker costs.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "spi.h"

enum {
	SHORT = 512,                    /* bytes of a transfer that may be done on a loop */
	FLOATS = 0xff,
	CLOCK_MODES = VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPHA_1 | VIRTIO_SPI_FUNC_CPOL_0 |
		VIRTIO_SPI_FUNC_CPOL_1,
	ALL_MODES = CLOCK_MODES | VIRTIO_SPI_FUNC_CS_HIGH | VIRTIO_SPI_FUNC_LSB_FIRST |
		VIRTIO_SPI_FUNC_LOOP,
	ALL_WIDTHS = VIRTIO_SPI_WIDTH_DUAL | VIRTIO_SPI_WIDTH_QUAD | VIRTIO_SPI_WIDTH_OCTAL,
	EIGHT_BITS = 1 << 7,
};

struct sim {
	struct chip base;
	enum sim_kind kind;
	uint32_t size, id, slow, fail;
	char *file;
	bool selected;
	uint32_t transfers;             /* since one failed */
	struct nor *nor;
	uint32_t at;                    /* in the register */
	uint8_t *reg;
};

static struct sim *sim_of(const struct chip *c)
{
	return container_of((struct chip *)(uintptr_t)c, struct sim, base);
}

static int deselect(struct sim *s)
{
	bool was = s->selected;

	s->selected = false;
	return was && s->nor != NULL ? spi_nor_deselect(s->nor) : 0;
}

static int begin(struct sim *s)
{
	int ret = deselect(s);

	s->selected = true;
	if (s->nor != NULL)
		spi_nor_select(s->nor);
	return ret;
}

static uint8_t byte(struct sim *s, uint8_t in)
{
	uint8_t out = in;

	if (s->kind == SIM_NOR)
		return spi_nor_byte(s->nor, in);
	if (s->kind == SIM_SHIFT) {
		out = s->reg[s->at];
		s->reg[s->at] = in;
		s->at = (s->at + 1) % s->size;
	}
	return out;
}

static void exchange(struct sim *s, const struct spi_xfer *x)
{
	bool cpha = (x->mode & VIRTIO_SPI_MODE_CPHA) != 0;
	bool cpol = (x->mode & VIRTIO_SPI_MODE_CPOL) != 0;
	/* A flash has modes 0 and 3; of others it understands nothing. */
	bool deaf = s->kind == SIM_NOR && cpha != cpol;
	uint8_t in, out;
	size_t i;

	for (i = 0; i < x->len; i++) {
		out = x->tx != NULL ? x->tx[i] : 0;
		in = deaf ? FLOATS : byte(s, out);
		if (x->rx != NULL)
			x->rx[i] = (x->mode & VIRTIO_SPI_MODE_LOOP) != 0 ? out : in;
	}
}

static int sim_transfer(struct chip *c, const struct spi_xfer *x)
{
	struct sim *s = sim_of(c);
	int ret = 0;

	if (s->slow > 0)
		poll(NULL, 0, (int)s->slow);
	if (s->fail > 0 && ++s->transfers >= s->fail) {
		s->transfers = 0;
		ret = -EIO;
	}
	if (ret == 0 && (x->begins || !s->selected))
		ret = begin(s);
	if (ret == 0)
		exchange(s, x);
	if (ret == 0 && !x->keep)
		ret = deselect(s);
	if (ret < 0)
		deselect(s);
	return ret;
}

static void sim_release(struct chip *c)
{
	deselect(sim_of(c));
}

static bool sim_lingers(const struct chip *c)
{
	return sim_of(c)->nor != NULL && spi_nor_lingers(sim_of(c)->nor, NULL);
}

static bool sim_at_once(const struct chip *c, const struct spi_xfer *x)
{
	const struct sim *s = sim_of(c);

	if (s->slow > 0 || s->file != NULL || (x != NULL && x->len > SHORT))
		return false;
	return s->nor == NULL ||
		!spi_nor_lingers(s->nor, x != NULL && x->begins ? x->tx : NULL);
}

static void sim_free(struct chip *c)
{
	struct sim *s = sim_of(c);

	spi_nor_free(s->nor);
	free(s->reg);
	free(s->file);
	free(s);
}

static const struct chip_ops sim_ops = {
	.transfer = sim_transfer, .release = sim_release, .at_once = sim_at_once,
	.lingers = sim_lingers, .free = sim_free,
};

static bool same_file(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool spi_sim_is(const struct chip *c, const struct list_item *item)
{
	const struct sim *s = sim_of(c);

	return c->ops == &sim_ops && s->kind == item->sim && s->size == item->size &&
		s->id == item->id && s->slow == item->slow && s->fail == item->fail &&
		same_file(s->file, item->file);
}

static int set_up(struct sim *s, struct instance *in, const struct list_item *item,
		  struct error *err)
{
	if (item->file != NULL)
		s->file = strdup(item->file);
	if (item->kind == ITEM_SIM && s->kind == SIM_SHIFT)
		s->reg = calloc(1, s->size);
	if ((item->file != NULL && s->file == NULL) || (s->kind == SIM_SHIFT && s->reg == NULL))
		return error_memory(err);
	if (s->kind != SIM_NOR)
		return 0;
	s->nor = spi_nor_new(in, s->size, s->id, s->file, err);
	if (s->nor == NULL)
		return -ENOMEM;
	s->base.caps.funcs = CLOCK_MODES;
	s->base.caps.bits_mask = EIGHT_BITS;
	return 0;
}

struct chip *spi_sim_new(struct instance *in, const struct list_item *item, struct error *err)
{
	struct sim *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		error_memory(err);
		return NULL;
	}
	*s = (struct sim){ .kind = item->sim, .size = item->size, .id = item->id,
		.slow = item->slow, .fail = item->fail };
	s->base.ops = &sim_ops;
	s->base.caps = (struct spi_caps){ .tx_widths = ALL_WIDTHS, .rx_widths = ALL_WIDTHS,
		.funcs = ALL_MODES };
	snprintf(s->base.name, sizeof(s->base.name), "s%u.%u", item->bus, item->cs);
	if (set_up(s, in, item, err) == 0)
		return &s->base;
	sim_free(&s->base);
	return NULL;
}
