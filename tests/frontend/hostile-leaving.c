/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Good-bye after each message of a start, of a run and of a stop. */
#include <stdio.h>

#include "hostile.h"

enum step {
	L_CONNECT, L_FEATURES, L_PROTOCOL, L_OWNER, L_ACK, L_MEMORY, L_NUM, L_BASE, L_ADDR, L_CALL,
	L_ERR, L_KICK, L_ENABLE, L_CHANNEL, L_REQUESTS, L_DISABLE, L_STOP, L_RESET, L_N
};

static const char *const names[L_N] = {
	"connecting", "GET_FEATURES", "SET_PROTOCOL_FEATURES", "SET_OWNER", "SET_FEATURES",
	"SET_MEM_TABLE", "SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_CALL",
	"SET_VRING_ERR", "SET_VRING_KICK", "SET_VRING_ENABLE", "SET_BACKEND_REQ_FD",
	"requests that nobody awaits", "disabling in full run", "GET_VRING_BASE in full run",
	"RESET_DEVICE in full run",
};

static const char *name(unsigned row)
{
	static char text[80];

	snprintf(text, sizeof(text), "good-bye after %s", names[row]);
	return text;
}

static void step(struct guest *g, enum step s)
{
	uint64_t bits;
	unsigned i;

	switch (s) {
	case L_FEATURES:
		ck_ok(fe_get_features(g->fe, &bits, &err));
		g->features = bits & guest_ring_features;
		guest_make_ring(g, 256, g->features);
		break;
	case L_PROTOCOL:
		ck_ok(fe_get_protocol_features(g->fe, &bits, &err));
		ck_ok(fe_set_protocol_features(g->fe, bits & fe_all_protocol_features() &
					       ~BIT(VU_PF_INBAND_NOTIFICATIONS), &err));
		break;
	case L_OWNER:
		ck_ok(fe_set_owner(g->fe, &err));
		break;
	case L_ACK:
		ck_ok(fe_set_features(g->fe, g->features, &err));
		break;
	case L_MEMORY:
		guest_tell_memory(g);
		break;
	case L_NUM:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_NUM, &err));
		break;
	case L_BASE:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_BASE, &err));
		break;
	case L_ADDR:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_ADDR, &err));
		break;
	case L_CALL:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_CALL, &err));
		break;
	case L_ERR:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_ERR, &err));
		break;
	case L_KICK:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_KICK, &err));
		break;
	case L_ENABLE:
		ck_ok(fe_ring_send(g->ring, g->fe, FE_RING_ENABLE, &err));
		break;
	case L_CHANNEL:
		ck_ok(fe_open_backend_channel(g->fe, NULL, NULL, &err));
		break;
	case L_REQUESTS:
		for (i = 0; i < 40; i++)
			must(guest_send_echo(g));
		guest_kick(g);
		break;
	/* From here on the answer is not awaited. */
	case L_DISABLE:
		ck_ok(fe_send(g->fe, VU_SET_VRING_ENABLE, 9, &(uint64_t){ 0 }, 8, NULL, 0, &err));
		break;
	case L_STOP:
		ck_ok(fe_send(g->fe, VU_GET_VRING_BASE, 1, &(uint64_t){ 0 }, 8, NULL, 0, &err));
		break;
	case L_RESET:
		ck_ok(fe_send(g->fe, VU_RESET_DEVICE, 9, NULL, 0, NULL, 0, &err));
		break;
	case L_CONNECT:
	case L_N:
		break;
	}
}

static void play(struct hostile *h, unsigned row)
{
	struct guest *g = hostile_guest(h, CASE_CONNECTED);
	enum step s;

	for (s = L_CONNECT; s <= row; s++)
		step(g, s);
	guest_free(g);
}

static unsigned count(void)
{
	return L_N;
}

const struct hostile_kind hostile_leaving = { "leaving", count, name, play };
