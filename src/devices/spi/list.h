/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --device: the chips that a guest sees, by their chip select. */
#ifndef SPI_LIST_H
#define SPI_LIST_H

#include "frame.h"
#include "vhost-device/list.h"

enum { LIST_MAX = 64 };

enum item_kind { ITEM_HOLE, ITEM_HOST, ITEM_SIM };
enum sim_kind { SIM_LOOPBACK, SIM_NOR, SIM_SHIFT };

/* What the operator says the chip can do; words[] in list.c. */
struct list_caps {
	bool has_hz, has_funcs, has_bits, has_tx, has_rx;
	uint32_t hz, funcs, bits_mask;
	uint8_t tx_widths, rx_widths;
	uint8_t clocks;                 /* bit n: mode n; 0: as funcs say */
};

struct list_item {
	enum item_kind kind;
	char *path;                     /* ITEM_HOST */
	uint32_t bus, cs;               /* ITEM_SIM */
	bool shared, has_policy;
	enum cs_policy policy;
	struct list_caps caps;
	enum sim_kind sim;
	uint32_t size;                  /* SIM_NOR: bytes; SIM_SHIFT: register's */
	uint32_t id;                    /* SIM_NOR: JEDEC id */
	char *file;                     /* SIM_NOR: where its bytes are kept */
	uint32_t slow;                  /* simulated: milliseconds a transfer takes */
	uint32_t fail;                  /* simulated: every so many fail, 0: none */
};

struct list {
	unsigned n;
	struct list_item items[LIST_MAX];
};

/* A struct list of each; free(NULL) is fine. */
extern const struct list_kind spi_lists;

#endif
