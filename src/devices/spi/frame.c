/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Messages out of requests. The standard ends one by cs_change, and Zephyr's
 * driver does that. Linux sends 0 there for all that is ordinary, the last
 * request of a message included, so its messages have to be guessed:
 *
 *   pairs  most are one request, or one that sends and one that receives:
 *          so reads of registers (spi_write_then_read) stay whole, and
 *          writes that follow each other at once stay apart
 *   gap    whatever comes quickly, but what sends after an answer is new
 *   flash  the opcode says how many bytes follow it and in which direction;
 *          Linux sends opcode, address, filling and data one by one
 *
 * In all of them a request with cs_change ends the message.
 */
#include "frame.h"
#include "vhost-device/util.h"

const char *const spi_cs_policies[] = { "pairs", "each", "gap", "literal", "flash", NULL };

enum flash_kind { UNKNOWN, ALONE, SENDS, RECEIVES };

/* Bytes of an address: three, or four in that mode. */
enum { ADDRESS = 3, ADDRESS_4 = 4 };

static const struct opcode {
	uint8_t opcode, address, kind;
} opcodes[] = {
	{ 0x01, 0, SENDS }, { 0x02, ADDRESS, SENDS }, { 0x03, ADDRESS, RECEIVES },
	{ 0x04, 0, ALONE }, { 0x05, 0, RECEIVES }, { 0x06, 0, ALONE },
	{ 0x0b, ADDRESS, RECEIVES }, { 0x0c, ADDRESS_4, RECEIVES }, { 0x11, 0, SENDS },
	{ 0x12, ADDRESS_4, SENDS }, { 0x13, ADDRESS_4, RECEIVES }, { 0x15, 0, RECEIVES },
	{ 0x20, ADDRESS, ALONE }, { 0x21, ADDRESS_4, ALONE }, { 0x31, 0, SENDS },
	{ 0x32, ADDRESS, SENDS }, { 0x34, ADDRESS_4, SENDS }, { 0x35, 0, RECEIVES },
	{ 0x3b, ADDRESS, RECEIVES }, { 0x3c, ADDRESS_4, RECEIVES }, { 0x4b, 0, RECEIVES },
	{ 0x50, 0, ALONE }, { 0x52, ADDRESS, ALONE }, { 0x5a, 3, RECEIVES },
	{ 0x5c, ADDRESS_4, ALONE }, { 0x60, 0, ALONE }, { 0x66, 0, ALONE },
	{ 0x6b, ADDRESS, RECEIVES }, { 0x6c, ADDRESS_4, RECEIVES }, { 0x75, 0, ALONE },
	{ 0x7a, 0, ALONE }, { 0x90, 3, RECEIVES }, { 0x99, 0, ALONE }, { 0x9f, 0, RECEIVES },
	{ 0xa2, ADDRESS, SENDS }, { 0xab, 0, RECEIVES }, { 0xaf, 0, RECEIVES },
	{ 0xb7, 0, ALONE }, { 0xb9, 0, ALONE }, { 0xbb, ADDRESS, RECEIVES },
	{ 0xbc, ADDRESS_4, RECEIVES }, { 0xc5, 0, SENDS }, { 0xc7, 0, ALONE },
	{ 0xc8, 0, RECEIVES }, { 0xd8, ADDRESS, ALONE }, { 0xdc, ADDRESS_4, ALONE },
	{ 0xe9, 0, ALONE }, { 0xeb, ADDRESS, RECEIVES }, { 0xec, ADDRESS_4, RECEIVES },
};

static const struct opcode *find(uint8_t opcode)
{
	static const struct opcode unknown = { 0, 0, UNKNOWN };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		if (opcodes[i].opcode == opcode)
			return &opcodes[i];
	}
	return &unknown;
}

static bool only_receives(const struct frame_request *r)
{
	return r->tx == NULL;
}

/* It is known when a message is whole, so one that is open takes the next request. */
static struct frame_step flash_next(struct frame *f, bool open, const struct frame_request *r)
{
	const struct opcode *op = find(f->opcode);
	struct frame_step step = { .joins = op->kind != UNKNOWN || only_receives(r) };
	size_t head;

	if (!open || !step.joins) {
		op = find(only_receives(r) ? 0 : r->tx[0]);
		f->opcode = only_receives(r) ? 0 : r->tx[0];
		f->sent = 0;
	}
	f->sent += only_receives(r) ? 0 : r->len;
	head = 1U + op->address + (op->address == ADDRESS && f->four &&
				   op->opcode != 0x5a && op->opcode != 0x90);
	switch (op->kind) {
	case ALONE:
		step.keep = f->sent < head;
		break;
	case SENDS:
		step.keep = f->sent <= head;
		break;
	case RECEIVES:
		step.keep = !r->rx || (!only_receives(r) && f->sent <= head);
		break;
	default:
		step.keep = !r->rx;
		break;
	}
	if (op->opcode == 0xb7)
		f->four = true;
	else if (op->opcode == 0xe9 || op->opcode == 0x99)
		f->four = false;
	return step;
}

struct frame_step spi_frame_next(struct frame *f, enum cs_policy policy, bool open,
			     const struct frame_request *r)
{
	struct frame_step step = { false, false };

	switch (policy) {
	case CS_PAIRS:
		step = (struct frame_step){ only_receives(r), !r->rx };
		break;
	case CS_GAP:
		step = (struct frame_step){ !f->read || only_receives(r), true };
		break;
	case CS_LITERAL:
		step = (struct frame_step){ true, true };
		break;
	case CS_FLASH:
		step = flash_next(f, open, r);
		break;
	case CS_EACH:
	default:
		break;
	}
	f->read = only_receives(r);
	step.keep = step.keep && !r->cs_change;
	return step;
}
