/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * What is pressed, touched and switched. The device keeps two of these: how it
 * is, and what the guest was told; the way from one to the other makes up for
 * all that the guest has missed.
 *
 * Fingers are those of slots (protocol B of the kernel's multi-touch document);
 * a device without slots tells of all of them in each frame, so nothing of it
 * is kept.
 */
#include <string.h>

#include "input.h"

enum { TRACKING = ABS_MT_TRACKING_ID - INPUT_MT_FIRST, NOBODY = -1 };

unsigned input_codes(unsigned type)
{
	static const uint16_t codes[INPUT_TYPES] = {
		[EV_KEY] = KEY_CNT, [EV_REL] = REL_CNT, [EV_ABS] = ABS_CNT, [EV_MSC] = MSC_CNT,
		[EV_SW] = SW_CNT, [EV_LED] = LED_CNT, [EV_SND] = SND_CNT, [EV_REP] = REP_CNT,
	};

	return type < INPUT_TYPES ? codes[type] : 0;
}

static bool is_mt(unsigned code)
{
	return code >= INPUT_MT_FIRST && code < INPUT_MT_FIRST + INPUT_MT;
}

static bool has_slots(const struct caps *caps)
{
	return caps_have(caps, EV_ABS, ABS_MT_SLOT);
}

void state_init(struct state *s)
{
	memset(s, 0, sizeof(*s));
	state_release(s);
}

void state_release(struct state *s)
{
	unsigned i;

	memset(s->keys, 0, sizeof(s->keys));
	for (i = 0; i < INPUT_SLOTS; i++)
		s->mt[i][TRACKING] = NOBODY;
}

bool state_idle(const struct state *s)
{
	unsigned i;

	for (i = 0; i < sizeof(s->keys); i++) {
		if (s->keys[i] != 0)
			return false;
	}
	return true;
}

static void apply_abs(struct state *s, const struct caps *caps, const struct event *ev)
{
	if (ev->code == ABS_MT_SLOT) {
		/* The kernel takes no slot that is out of range either. */
		if (ev->value >= 0 && ev->value < INPUT_SLOTS)
			s->slot = (unsigned)ev->value;
	} else if (!is_mt(ev->code)) {
		s->abs[ev->code] = ev->value;
	} else if (has_slots(caps)) {
		s->mt[s->slot][ev->code - INPUT_MT_FIRST] = ev->value;
	}
}

void state_apply(struct state *s, const struct caps *caps, const struct event *ev)
{
	if (ev->type == EV_KEY && ev->value != 2)
		bit_set(s->keys, ev->code, ev->value != 0);
	else if (ev->type == EV_SW)
		bit_set(s->sw, ev->code, ev->value != 0);
	else if (ev->type == EV_ABS)
		apply_abs(s, caps, ev);
}

/* ---- from one to the other ---- */

struct lead {
	const struct state *from, *to;
	const struct caps *caps;
	struct frames *out;
	unsigned slot;                  /* the one that was named last */
};

static void tell(struct lead *l, unsigned type, unsigned code, int32_t value)
{
	const struct event ev = { (uint16_t)type, (uint16_t)code, value };

	frames_add(l->out, &ev);
}

static void lead_bits(struct lead *l, unsigned type, const uint8_t *from, const uint8_t *to,
		      bool value)
{
	unsigned i, n = input_codes(type);

	for (i = 0; i < n; i++) {
		if (bit_test(from, i) != bit_test(to, i) && bit_test(to, i) == value)
			tell(l, type, i, value);
	}
}

static void tell_slot(struct lead *l, unsigned slot, unsigned axis, int32_t value)
{
	if (l->slot != slot)
		tell(l, EV_ABS, ABS_MT_SLOT, (int32_t)slot);
	l->slot = slot;
	tell(l, EV_ABS, INPUT_MT_FIRST + axis, value);
}

/* Fingers that have gone, or that others have taken the place of. */
static void lead_lifted(struct lead *l)
{
	unsigned i;

	for (i = 0; i < INPUT_SLOTS; i++) {
		if (l->from->mt[i][TRACKING] != NOBODY &&
		    l->from->mt[i][TRACKING] != l->to->mt[i][TRACKING])
			tell_slot(l, i, TRACKING, NOBODY);
	}
}

/* The finger first: values are those of a finger. */
static void lead_slot(struct lead *l, unsigned slot)
{
	const int32_t *from = l->from->mt[slot], *to = l->to->mt[slot];
	unsigned i;

	if (to[TRACKING] == NOBODY)
		return;
	if (from[TRACKING] != to[TRACKING])
		tell_slot(l, slot, TRACKING, to[TRACKING]);
	for (i = 0; i < INPUT_MT; i++) {
		if (i != TRACKING && from[i] != to[i] &&
		    caps_have(l->caps, EV_ABS, INPUT_MT_FIRST + i))
			tell_slot(l, slot, i, to[i]);
	}
}

static void lead_axes(struct lead *l)
{
	unsigned i;

	for (i = 0; i < ABS_CNT; i++) {
		if (i != ABS_MT_SLOT && !is_mt(i) && l->from->abs[i] != l->to->abs[i] &&
		    caps_have(l->caps, EV_ABS, i))
			tell(l, EV_ABS, i, l->to->abs[i]);
	}
}

void state_lead(const struct state *from, const struct state *to, const struct caps *caps,
		struct frames *out)
{
	struct lead l = { from, to, caps, out, from->slot };
	bool slots = has_slots(caps);
	unsigned i;

	lead_bits(&l, EV_KEY, from->keys, to->keys, false);
	if (slots)
		lead_lifted(&l);
	tell(&l, EV_SYN, SYN_REPORT, 0);
	lead_bits(&l, EV_KEY, from->keys, to->keys, true);
	lead_bits(&l, EV_SW, from->sw, to->sw, false);
	lead_bits(&l, EV_SW, from->sw, to->sw, true);
	lead_axes(&l);
	for (i = 0; slots && i < INPUT_SLOTS; i++)
		lead_slot(&l, i);
	if (slots && l.slot != to->slot)
		tell(&l, EV_ABS, ABS_MT_SLOT, (int32_t)to->slot);
	tell(&l, EV_SYN, SYN_REPORT, 0);
}
