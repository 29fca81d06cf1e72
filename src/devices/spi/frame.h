/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Where the messages of a guest begin and end. A message is what happens
 * while its chip is selected; requests do not say well which belong together.
 */
#ifndef SPI_FRAME_H
#define SPI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cs_policy {
	CS_PAIRS,                       /* one that only sends, then one that only receives */
	CS_EACH,                        /* every request is a message */
	CS_GAP,                         /* all that follow each other quickly, up to an answer */
	CS_LITERAL,                     /* up to a request with cs_change, as the standard says */
	CS_FLASH,                       /* a command of SPI NOR flash */
};

extern const char *const spi_cs_policies[];     /* NULL-ended */

/* Of one chip of one guest. Zeroed at first. */
struct frame {
	bool read;                      /* the last request only received */
	uint8_t opcode;                 /* CS_FLASH: of this message .. */
	size_t sent;                    /* .. and the bytes of it that were sent */
	bool four;                      /* CS_FLASH: addresses have four bytes */
};

/* What matters of a request. */
struct frame_request {
	const uint8_t *tx;              /* NULL: it only receives */
	size_t len;
	bool rx, cs_change;
};

struct frame_step {
	bool joins;                     /* the open message; else that one ends before it */
	bool keep;                      /* the message stays open behind it */
};

/* open: the last step said keep, and nothing has ended the message since. */
struct frame_step spi_frame_next(struct frame *f, enum cs_policy policy, bool open,
			     const struct frame_request *r);
#endif
