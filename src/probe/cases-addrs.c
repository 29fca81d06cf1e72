/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Rings that lie outside of memory, across its end or askew. */
#include <errno.h>
#include <stdio.h>

#include "cases.h"
#include "vhost-device/util.h"

enum part { DESC, DRIVER, DEVICE };
enum place { ASKEW, TOO_LATE, AT_0, LAST_BYTES, BEHIND };

static const struct row {
	uint8_t packed : 1, part : 2, place : 3;
	uint8_t bytes;                  /* askew by, too late by, the last ones */
} rows[] = {
	{ false, DESC, ASKEW, 1 }, { false, DESC, ASKEW, 8 }, { false, DRIVER, ASKEW, 1 },
	{ false, DEVICE, ASKEW, 1 }, { false, DEVICE, ASKEW, 2 },
	{ false, DESC, AT_0, 0 }, { false, DRIVER, AT_0, 0 }, { false, DEVICE, AT_0, 0 },
	{ false, DESC, LAST_BYTES, 16 }, { false, DRIVER, LAST_BYTES, 2 },
	{ false, DEVICE, LAST_BYTES, 4 },
	{ false, DESC, TOO_LATE, 16 }, { false, DRIVER, TOO_LATE, 2 },
	{ false, DEVICE, TOO_LATE, 2 },
	{ false, DESC, BEHIND, 0 },
	{ true, DESC, ASKEW, 1 }, { true, DESC, ASKEW, 8 }, { true, DRIVER, ASKEW, 2 },
	{ true, DEVICE, ASKEW, 2 }, { true, DESC, TOO_LATE, 16 }, { true, DRIVER, AT_0, 0 },
	{ true, DEVICE, LAST_BYTES, 4 }, { true, DEVICE, BEHIND, 0 },
};

unsigned case_addr_count(void)
{
	return ARRAY_SIZE(rows);
}

void case_addr_at(unsigned i, struct case_addr *ret_case)
{
	static const char parts[] = "split, descriptors\0" "split, available ring\0"
		"split, used ring\0" "packed, descriptors\0" "packed, driver event area\0"
		"packed, device event area\0";
	static const char places[] = "askew by\0" "too late by\0" "at 0\0"
		"at the end of the address space\0" "right behind memory\0";
	const struct row *r = &rows[i];
	char bytes[8] = "";

	if (r->place <= TOO_LATE)
		snprintf(bytes, sizeof(bytes), " %u", r->bytes);
	ret_case->packed = r->packed;
	ret_case->row = i;
	snprintf(ret_case->name, CASE_NAME, "%s %s%s", case_text(parts, r->packed * 3U + r->part),
		 case_text(places, r->place), bytes);
}

/* Where a part of so many bytes goes instead; end is that of its region. */
static uint64_t misplace(const struct row *r, uint64_t right, uint64_t size, uint64_t end)
{
	switch ((enum place)r->place) {
	case ASKEW:
		return right + r->bytes;
	case TOO_LATE:
		return end - size + r->bytes;
	case AT_0:
		return 0;
	case LAST_BYTES:
		return 0 - (uint64_t)r->bytes;
	case BEHIND:
		return end;
	}
	return right;
}

static int send_addr(const struct row *r, const struct case_side *s, struct error *err)
{
	struct fe_ring_layout l = { .desc = 0 };
	struct vu_vring_addr a = { .index = 0 };
	struct vu_region region;
	uint64_t *const told[] = { &a.desc, &a.avail, &a.used };
	const uint64_t *const sizes[] = { &l.desc_size, &l.driver_size, &l.device_size };

	fe_ring_layout(s->ring, &l);
	fe_ring_addr(s->ring, &a);
	fe_mem_describe(s->mem, 0, &region);
	*told[r->part] = misplace(r, *told[r->part], *sizes[r->part],
				  region.user_addr + region.size);
	return fe_set_vring_addr(s->fe, &a, err);
}

int case_addr_play(const struct case_addr *c, const struct case_side *s, struct error *err)
{
	static const uint8_t steps[] = { FE_RING_NUM, FE_RING_BASE, FE_RING_ADDR, FE_RING_CALL,
		FE_RING_KICK, FE_RING_ENABLE };
	unsigned i;
	int ret, refused = 0;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		ret = steps[i] == FE_RING_ADDR ? send_addr(&rows[c->row], s, err)
			: fe_ring_send(s->ring, s->fe, steps[i], err);
		if (ret < 0 && ret != -EREMOTEIO)
			return ret;
		refused += ret < 0;
	}
	return refused;
}
