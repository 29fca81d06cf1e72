/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chips, the buses they are on, and the seam to what drives them. spi.c is
 * the protocol, list.c reads --device, frame.c decides what the messages of a
 * guest are, bus.c shares buses and chips between guests, chip-host.c and
 * chip-sim.c are the chips.
 */
#ifndef SPI_SPI_H
#define SPI_SPI_H

#include "list.h"
#include "vhost-device/instance.h"
#include "vhost-device/worker.h"
#include "wire/virtio-spi.h"

/* What a chip can do, in the numbers of config space. */
struct spi_caps {
	uint8_t tx_widths, rx_widths;   /* VIRTIO_SPI_WIDTH_* */
	uint8_t clocks;                 /* of modes 0 to 3 a bit each; 0: as funcs say */
	uint32_t bits_mask, funcs, max_hz;
	uint32_t word_delay_ns, setup_ns, hold_ns, inactive_ns;
};

/* One request, as a chip gets it. */
struct spi_xfer {
	const uint8_t *tx;              /* NULL: zeros are sent */
	uint8_t *rx;                    /* NULL: what comes is dropped */
	size_t len;
	uint32_t mode;                  /* VIRTIO_SPI_MODE_* */
	uint32_t hz;                    /* 0: the chip's own */
	uint32_t word_delay_ns, setup_ns, hold_ns, inactive_ns;
	uint8_t bits, tx_nbits, rx_nbits;
	bool begins;                    /* the chip is not yet selected */
	bool keep;                      /* it stays selected */
};

struct bus;
struct chip;

/* All but mend() run on the bus's worker, or inside spi_bus_enter(). */
struct chip_ops {
	/* 0 or -errno; -EINVAL: the host does not know how. Deselects when it fails. */
	int (*transfer)(struct chip *c, const struct spi_xfer *x);
	void (*release)(struct chip *c);        /* deselects */
	/* On a loop transfer(), or release(), is as quick as handing it to the worker. */
	bool (*at_once)(const struct chip *c, const struct spi_xfer *x);
	/* release() takes long. NULL: never. */
	bool (*lingers)(const struct chip *c);
	/* On a loop, after -ENODEV: look whether it is there again. NULL: never. */
	void (*mend)(struct chip *c, struct instance *in);
	void (*free)(struct chip *c);
};

struct chip {
	const struct chip_ops *ops;
	struct bus *bus;                /* counted */
	struct chip *next;              /* on its bus */
	unsigned refs, cs;
	bool shared;                    /* may have several guests */
	struct spi_caps caps;           /* what the list says of it included */
	char name[64];                  /* for messages */
};

/* ---- bus.c ---- */

/* A chip that another list named before must allow it. Counted; NULL with err set. */
struct chip *spi_chip_get(struct instance *in, const struct list_item *item, bool probe,
			  bool shared, struct error *err);
void spi_chip_ref(struct chip *c);
void spi_chip_put(struct chip *c);          /* NULL is fine */

/* The bus is free, or held by this instance: nobody else is on it until spi_bus_leave(). */
bool spi_bus_enter(struct bus *b, const struct instance *in);
void spi_bus_leave(struct bus *b);
/* A job of this instance; spi_bus_done() when it was done or cancelled. */
void spi_bus_submit(struct bus *b, struct instance *in, struct job *j);
void spi_bus_done(struct bus *b);
/* Others wait until the bus is held for NULL. From its jobs, or after spi_bus_enter(). */
void spi_bus_hold(struct bus *b, const struct instance *in, bool entered);
bool spi_bus_is_shared(struct bus *b);      /* several guests may want it */

/* ---- the two kinds of chips; refs, bus and cs are bus.c's ---- */

/* probe: try out what the chip's controller can do, at the price of edges on its wires. */
struct chip *spi_host_new(struct instance *in, const struct list_item *item, bool probe,
			  struct error *err);
/* The bus of /dev/spidev3.1 is "spi-3", its chip select 1. */
struct spi_place {
	char bus[80];
	unsigned cs;
};
int spi_place(const char *path, struct spi_place *ret_place, struct error *err);

struct chip *spi_sim_new(struct instance *in, const struct list_item *item, struct error *err);
bool spi_sim_is(const struct chip *c, const struct list_item *item);

/* Before /sys; empty but in tests. */
extern const char *spi_root;

#endif
