/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A NOR flash memory, as it looks from its four pins. */
#ifndef SPI_SIM_H
#define SPI_SIM_H

#include "vhost-device/error.h"

struct instance;
struct nor;

/* file: where its bytes are kept, or NULL. id 0: one that fits its size. */
struct nor *spi_nor_new(struct instance *in, uint32_t size, uint32_t id, const char *file,
		    struct error *err);
void spi_nor_free(struct nor *n);           /* NULL is fine */
void spi_nor_select(struct nor *n);
/* What it sends while it gets a byte. */
uint8_t spi_nor_byte(struct nor *n, uint8_t in);
/* A message of this first byte, or that of now, ends with much to erase. */
bool spi_nor_lingers(const struct nor *n, const uint8_t *first);
/* Programming and erasing begin here. 0, or -errno of the file. */
int spi_nor_deselect(struct nor *n);

#endif
