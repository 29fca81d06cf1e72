/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Frames as candump and cansend write them: ID#BYTES, ID#R[DLC], ID##FLAGS BYTES. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "can.h"

enum { SFF_DIGITS = 3, EFF_DIGITS = 8, FD_FLAGS = CANFD_BRS | CANFD_ESI };

bool can_length_fits(unsigned len, bool fd)
{
	if (len <= CAN_MAX_DLEN)
		return true;
	return fd && len <= CANFD_MAX_DLEN && len % 4 == 0 &&
		(len <= 24 || len == 32 || len == 48 || len == 64);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Where the digits end. */
static const char *parse_id(const char *text, canid_t *ret_id)
{
	canid_t id = 0;
	unsigned n = 0;

	for (; n < EFF_DIGITS && digit(text[n]) >= 0; n++)
		id = id << 4 | (unsigned)digit(text[n]);
	if (n != SFF_DIGITS && n != EFF_DIGITS)
		return NULL;
	if (id > (n == SFF_DIGITS ? CAN_SFF_MASK : CAN_EFF_MASK))
		return NULL;
	*ret_id = id | (n == EFF_DIGITS ? CAN_EFF_FLAG : 0);
	return text + n;
}

static int parse_bytes(const char *p, struct canfd_frame *f)
{
	bool fd = (f->flags & CANFD_FDF) != 0;

	while (*p != '\0' && f->len < CANFD_MAX_DLEN) {
		if (*p == '.') {
			p++;
			continue;
		}
		if (digit(p[0]) < 0 || digit(p[1]) < 0)
			return -EINVAL;
		f->data[f->len++] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
		p += 2;
	}
	return *p == '\0' && can_length_fits(f->len, fd) ? 0 : -EINVAL;
}

int can_text_parse(const char *text, struct canfd_frame *ret_frame)
{
	struct canfd_frame f = { .len = 0 };
	const char *p = parse_id(text, &f.can_id);
	int ret = 0;

	if (p == NULL || *p++ != '#')
		return -EINVAL;
	if (*p == '#') {
		if (digit(p[1]) < 0 || (digit(p[1]) & ~FD_FLAGS) != 0)
			return -EINVAL;
		f.flags = (uint8_t)(CANFD_FDF | digit(p[1]));
		ret = parse_bytes(p + 2, &f);
	} else if (*p == 'R' || *p == 'r') {
		f.can_id |= CAN_RTR_FLAG;
		if (p[1] != '\0')
			f.len = (uint8_t)digit(p[1]);
		if (f.len > CAN_MAX_DLEN || (p[1] != '\0' && p[2] != '\0'))
			return -EINVAL;
	} else {
		ret = parse_bytes(p, &f);
	}
	if (ret == 0)
		*ret_frame = f;
	return ret;
}

void can_text(char buf[CAN_TEXT_SIZE], const struct canfd_frame *f)
{
	bool ext = (f->can_id & CAN_EFF_FLAG) != 0;
	int at = snprintf(buf, CAN_TEXT_SIZE, ext ? "%08X#" : "%03X#",
			  f->can_id & (ext ? CAN_EFF_MASK : CAN_SFF_MASK));
	unsigned i;

	if ((f->can_id & CAN_RTR_FLAG) != 0) {
		snprintf(buf + at, (size_t)(CAN_TEXT_SIZE - at), "R%u", f->len);
		return;
	}
	if ((f->flags & CANFD_FDF) != 0)
		at += snprintf(buf + at, (size_t)(CAN_TEXT_SIZE - at), "#%X",
			       f->flags & FD_FLAGS);
	for (i = 0; i < f->len && i < CANFD_MAX_DLEN; i++)
		at += snprintf(buf + at, (size_t)(CAN_TEXT_SIZE - at), "%02X", f->data[i]);
}
