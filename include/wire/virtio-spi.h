/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests of the SPI controller device (virtio 1.4, section "SPI Controller Device"). */
#ifndef WIRE_VIRTIO_SPI_H
#define WIRE_VIRTIO_SPI_H

#include "wire/le.h"

enum { VIRTIO_ID_SPI = 45 };

struct virtio_spi_config {
	uint8_t cs_max_number;                  /* ids 0 .. n-1 */
	uint8_t cs_change_supported;
	uint8_t tx_nbits_supported;             /* VIRTIO_SPI_WIDTH_*, one wire always */
	uint8_t rx_nbits_supported;
	le32_t bits_per_word_mask;              /* bit n: n+1 bits; 0: no limit */
	le32_t mode_func_supported;             /* VIRTIO_SPI_FUNC_* */
	le32_t max_freq_hz;                     /* 0: no limit */
	le32_t max_word_delay_ns;               /* these four: 0: not supported */
	le32_t max_cs_setup_ns;
	le32_t max_cs_hold_ns;
	le32_t max_cs_inactive_ns;
};
WIRE_SIZE(struct virtio_spi_config, 32);
WIRE_AT(struct virtio_spi_config, bits_per_word_mask, 4);
WIRE_AT(struct virtio_spi_config, max_freq_hz, 12);
WIRE_AT(struct virtio_spi_config, max_cs_inactive_ns, 28);

enum { VIRTIO_SPI_WIDTH_DUAL = 1, VIRTIO_SPI_WIDTH_QUAD = 2, VIRTIO_SPI_WIDTH_OCTAL = 4 };

/* In config space. These are not the numbers that a request has for the same. */
enum {
	VIRTIO_SPI_FUNC_CPHA_0 = 1,
	VIRTIO_SPI_FUNC_CPHA_1 = 2,
	VIRTIO_SPI_FUNC_CPOL_0 = 4,
	VIRTIO_SPI_FUNC_CPOL_1 = 8,
	VIRTIO_SPI_FUNC_CS_HIGH = 16,
	VIRTIO_SPI_FUNC_LSB_FIRST = 32,
	VIRTIO_SPI_FUNC_LOOP = 64,
};

/* In the mode of a request. */
enum {
	VIRTIO_SPI_MODE_CPHA = 1,
	VIRTIO_SPI_MODE_CPOL = 2,
	VIRTIO_SPI_MODE_CS_HIGH = 4,
	VIRTIO_SPI_MODE_LSB_FIRST = 8,
	VIRTIO_SPI_MODE_LOOP = 16,
	VIRTIO_SPI_MODE_ALL = 31,
};

/*
 * Before the bytes to send. Writable are the bytes that are received, and
 * behind them the result.
 */
struct virtio_spi_transfer_head {
	uint8_t chip_select_id;
	uint8_t bits_per_word;
	uint8_t cs_change;                      /* 0: the chip stays selected */
	uint8_t tx_nbits, rx_nbits;             /* wires: 0 or 1, 2, 4, 8 */
	uint8_t reserved[3];
	le32_t mode;
	le32_t freq;                            /* Hz */
	le32_t word_delay_ns;
	le32_t cs_setup_ns;                     /* behind the select */
	le32_t cs_delay_hold_ns;                /* before the deselect */
	le32_t cs_change_delay_inactive_ns;     /* from there to the next select */
};
WIRE_SIZE(struct virtio_spi_transfer_head, 32);
WIRE_AT(struct virtio_spi_transfer_head, mode, 8);
WIRE_AT(struct virtio_spi_transfer_head, cs_change_delay_inactive_ns, 28);

enum { VIRTIO_SPI_TRANS_OK = 0, VIRTIO_SPI_PARAM_ERR = 1, VIRTIO_SPI_TRANS_ERR = 2 };

#endif
