/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Good-bye after each message of a start, of a run and of a stop. */
#include <stdio.h>

#include "hostile.h"

enum step {
	L_CONNECT, L_FEATURES, L_PROTOCOL, L_OWNER, L_ACK, L_MEMORY, L_NUM, L_BASE, L_ADDR, L_CALL,
	L_ERR, L_KICK, L_ENABLE, L_CHANNEL, L_REQUESTS, L_DISABLE, L_STOP, L_RESET, L_N,
	/* The only ones of their session. */
	L_OWN_KICK = L_N, L_OWN_CALL, L_OWN_ERR, L_OWN_CHANNEL, L_ALL
};

static const char *const names[L_ALL] = {
	"connecting", "GET_FEATURES", "SET_PROTOCOL_FEATURES", "SET_OWNER", "SET_FEATURES",
	"SET_MEM_TABLE", "SET_VRING_NUM", "SET_VRING_BASE", "SET_VRING_ADDR", "SET_VRING_CALL",
	"SET_VRING_ERR", "SET_VRING_KICK", "SET_VRING_ENABLE", "SET_BACKEND_REQ_FD",
	"requests that nobody awaits", "disabling in full run", "GET_VRING_BASE in full run",
	"RESET_DEVICE in full run", "its own socket as kick descriptor",
	"its own socket as call descriptor", "its own socket as err descriptor",
	"its own socket as back-end channel",
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
	default:
		break;
	}
}

/* Whoever keeps it keeps the connection open. */
static void send_own(struct hostile *h, enum step s)
{
	static const uint32_t requests[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL,
		VU_SET_VRING_ERR, VU_SET_BACKEND_REQ_FD };
	struct guest *g = hostile_guest(h, CASE_NEGOTIATED);
	size_t size = s == L_OWN_CHANNEL ? 0 : sizeof(uint64_t);
	const uint64_t index = 0;
	int fd = fe_fd(g->fe);

	/* Without an answer, which would come back by the channel. */
	ck_ok(fe_send(g->fe, requests[s - L_OWN_KICK], VU_VERSION, &index, size, &fd, 1, &err));
	guest_free(g);
}

static void play(struct hostile *h, unsigned row)
{
	struct guest *g;
	enum step s;

	if (row >= L_N) {
		send_own(h, (enum step)row);
		return;
	}
	g = hostile_guest(h, CASE_CONNECTED);
	for (s = L_CONNECT; s <= row; s++)
		step(g, s);
	guest_free(g);
}

static unsigned count(void)
{
	return L_ALL;
}

const struct hostile_kind hostile_leaving = { "leaving", count, name, play };
