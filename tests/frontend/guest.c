/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A guest for tests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "vhost-device/num.h"

struct error err;

const uint64_t guest_ring_features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
	BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) |
	BIT(VHOST_USER_F_PROTOCOL_FEATURES);

unsigned test_scale(void)
{
	const char *scale = getenv("TEST_SCALE");
	uint64_t n = 1;

	if (scale != NULL)
		num_parse(scale, 1, 1000, &n);
	return (unsigned)n;
}

unsigned test_scaled(unsigned n)
{
	return (n + test_scale() - 1) / test_scale();
}

/* -- Birth and end --------------------------------------------------------- */

static void make_memory(struct guest *g)
{
	struct fe_mem_spec specs[] = {
		{ .guest = GUEST_RING_BASE, .size = 4 << 20 },
		{ .guest = GUEST_DATA_BASE, .size = GUEST_DATA_SIZE },
		{ .guest = GUEST_DATA_BASE + GUEST_DATA_SIZE, .size = GUEST_DATA_SIZE,
			.offset = 0x3000 },
	};
	unsigned i;

	g->mem = fe_mem_new();
	ck_assert_ptr_nonnull(g->mem);
	for (i = 0; i < ARRAY_SIZE(specs); i++) {
		specs[i].user = g->setup.gpa_user ? specs[i].guest : 0;
		specs[i].flags = g->setup.unsealed ? FE_MEM_UNSEALED : 0;
		ck_ok(fe_mem_add(g->mem, &specs[i], &err));
	}
}

void guest_make_ring(struct guest *g, unsigned size, uint64_t features)
{
	struct fe_ring_setup setup = {
		.size = size, .features = features, .inband = g->setup.inband,
		.no_call = g->setup.no_call,
		.indirect = features & BIT(VIRTIO_F_INDIRECT_DESC) ? GUEST_MAX_SEGS : 0,
	};

	fe_ring_free(g->ring);
	g->ring = NULL;
	fe_mem_release(g->mem, 0);
	ck_ok(fe_ring_new(g->mem, &setup, &g->ring, &err));
	memset(g->slots, 0, sizeof(g->slots));
	g->busy = 0;
}

void guest_tell_memory(struct guest *g)
{
	unsigned i;

	if (!g->setup.by_slots) {
		ck_ok(fe_mem_send(g->mem, g->fe, &err));
		return;
	}
	for (i = 0; i < fe_mem_count(g->mem); i++)
		ck_ok(fe_mem_send_add(g->mem, i, g->fe, &err));
}

void guest_start(struct guest *g)
{
	ck_ok(fe_ring_start(g->ring, g->fe, &err));
}

void guest_stop(struct guest *g)
{
	ck_ok(fe_ring_stop(g->ring, g->fe, &err));
}

struct guest *guest_new(const struct guest_setup *setup)
{
	uint64_t protocol = setup->protocol;
	struct guest *g = calloc(1, sizeof(*g));

	ck_assert_ptr_nonnull(g);
	g->setup = *setup;
	g->seed = 88172645463325252ULL;
	if (protocol == 0)
		protocol = fe_all_protocol_features();
	if (!setup->inband)
		protocol &= ~BIT(VU_PF_INBAND_NOTIFICATIONS);
	ck_ok(fe_connect(setup->socket, SERVER_MS, &g->fe, &err));
	make_memory(g);
	if (setup->raw)
		return g;
	ck_ok(fe_negotiate(g->fe, protocol, &err));
	fe_want_acks(g->fe, !setup->no_acks);
	g->features = fe_offered(g->fe) & (guest_ring_features | setup->features) &
		~setup->leave_out;
	guest_make_ring(g, setup->size != 0 ? setup->size : 256, g->features);
	ck_ok(fe_set_features(g->fe, g->features, &err));
	if (setup->inband)
		ck_ok(fe_open_backend_channel(g->fe, NULL, NULL, &err));
	if (!setup->no_start) {
		guest_tell_memory(g);
		guest_start(g);
	}
	return g;
}

void guest_free(struct guest *g)
{
	if (g == NULL)
		return;
	fe_free(g->fe);
	fe_ring_free(g->ring);
	fe_mem_free(g->mem);
	free(g);
}

/* -- Bytes ----------------------------------------------------------------- */

unsigned guest_random(struct guest *g, unsigned below)
{
	g->seed ^= g->seed << 13;
	g->seed ^= g->seed >> 7;
	g->seed ^= g->seed << 17;
	return (unsigned)(g->seed >> 32) % below;
}

/* Byte ranges may go over the border of two regions. */
static void copy(struct guest *g, uint64_t at, uint8_t *buf, size_t n, bool in)
{
	const uint64_t border = GUEST_DATA_BASE + GUEST_DATA_SIZE;
	size_t k;
	void *p;

	while (n > 0) {
		k = at < border && n > border - at ? (size_t)(border - at) : n;
		p = fe_mem_at(g->mem, at, k);
		must(p != NULL);
		if (in)
			memcpy(p, buf, k);
		else
			memcpy(buf, p, k);
		at += k;
		buf += k;
		n -= k;
	}
}

void guest_write(struct guest *g, uint64_t at, const void *src, size_t n)
{
	copy(g, at, (uint8_t *)(uintptr_t)src, n, true);
}

void guest_read(struct guest *g, uint64_t at, void *dst, size_t n)
{
	copy(g, at, dst, n, false);
}

/* Half of the slots before the border of the regions, one on it. */
uint64_t guest_slot_at(unsigned slot)
{
	return GUEST_DATA_BASE + GUEST_DATA_SIZE - GUEST_SLOT_SIZE * (GUEST_SLOTS / 2) +
		GUEST_SLOT_SIZE / 2 + (uint64_t)slot * GUEST_SLOT_SIZE;
}

/* -- Requests -------------------------------------------------------------- */

void guest_add(struct guest *g, const struct fe_seg *segs, unsigned n_out, unsigned n_in,
	       unsigned flags, void *token)
{
	int ret = fe_ring_add(g->ring, segs, n_out, n_in, flags, token);

	ck_assert_msg(ret == 0, "a request of %u+%u segments: %d", n_out, n_in, ret);
}

void guest_kick(struct guest *g)
{
	ck_ok(fe_ring_kick(g->ring, g->fe, &err));
}

struct fe_used guest_await_one(struct guest *g)
{
	struct fe_used used;

	ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
	ck_assert_msg(fe_ring_get(g->ring, &used, &err) == 1, "%s", err.text);
	return used;
}

/* -- Echo ------------------------------------------------------------------ */

/* Segments one behind the other with gaps, some of them empty. */
static void shape(struct guest *g, struct guest_slot *s, unsigned slot)
{
	unsigned max = fe_ring_size(g->ring), n, i;
	uint64_t at = guest_slot_at(slot);

	s->flags = 0;
	if (g->features & BIT(VIRTIO_F_INDIRECT_DESC))
		s->flags = guest_random(g, 3);
	if (s->flags == FE_ADD_INDIRECT || (s->flags == FE_ADD_TAIL_INDIRECT && max > 1) ||
	    max > GUEST_MAX_SEGS)
		max = GUEST_MAX_SEGS;
	n = 1 + guest_random(g, max);
	s->n_out = guest_random(g, n + 1);
	s->n_in = n - s->n_out;
	for (i = 0; i < n; i++) {
		at += guest_random(g, 20);
		s->segs[i].guest = at;
		s->segs[i].len = guest_random(g, 8) == 0 ? 0 : guest_random(g, 230);
		at += s->segs[i].len;
	}
}

/* What the slot must hold afterwards: readable bytes repeated in the writable ones. */
static void foresee(struct guest *g, struct guest_slot *s, unsigned slot)
{
	uint8_t text[GUEST_SLOT_SIZE];
	size_t n = 0, done = 0, k;
	unsigned i;

	for (i = 0; i < s->n_out; i++) {
		memcpy(text + n, s->image + (s->segs[i].guest - guest_slot_at(slot)),
		       s->segs[i].len);
		n += s->segs[i].len;
	}
	for (; i < s->n_out + s->n_in && done < n; i++) {
		k = s->segs[i].len < n - done ? s->segs[i].len : n - done;
		memcpy(s->image + (s->segs[i].guest - guest_slot_at(slot)), text + done, k);
		done += k;
	}
	s->len = (uint32_t)done;
}

bool guest_send_echo(struct guest *g)
{
	struct guest_slot *s;
	unsigned i, k;

	for (i = 0; i < GUEST_SLOTS && g->slots[i].busy; i++)
		;
	if (i == GUEST_SLOTS)
		return false;
	s = &g->slots[i];
	shape(g, s, i);
	for (k = 0; k < sizeof(s->image); k++)
		s->image[k] = (uint8_t)guest_random(g, 256);
	guest_write(g, guest_slot_at(i), s->image, sizeof(s->image));
	k = (unsigned)-fe_ring_add(g->ring, s->segs, s->n_out, s->n_in, s->flags, s);
	if (k == ENOSPC)
		return false;
	ck_assert_msg(k == 0, "a request of %u+%u segments, flags %u: %u", s->n_out, s->n_in,
		      s->flags, k);
	foresee(g, s, i);
	s->busy = true;
	g->busy++;
	return true;
}

static void check_echo(struct guest *g, const struct fe_used *used)
{
	struct guest_slot *s = used->token;
	uint8_t now[GUEST_SLOT_SIZE];
	unsigned slot = (unsigned)(s - g->slots);

	guest_read(g, guest_slot_at(slot), now, sizeof(now));
	if (used->len != s->len || memcmp(now, s->image, sizeof(now)) != 0)
		ck_abort_msg("wrong echo of %u+%u segments, flags %u: length %u, expected %u",
			     s->n_out, s->n_in, s->flags, used->len, s->len);
	s->busy = false;
	g->busy--;
}

void guest_collect(struct guest *g)
{
	struct fe_used used;
	int ret;

	while ((ret = fe_ring_get(g->ring, &used, &err)) == 1)
		check_echo(g, &used);
	ck_assert_msg(ret == 0, "%s", err.text);
}

void guest_await_all(struct guest *g)
{
	while (g->busy > 0) {
		ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
		guest_collect(g);
	}
}

void guest_echo(struct guest *g, unsigned n, unsigned depth)
{
	unsigned burst;

	while (n > 0) {
		for (burst = 1 + guest_random(g, depth); burst > 0 && n > 0; burst--, n--) {
			if (!guest_send_echo(g))
				break;
		}
		guest_kick(g);
		if (g->busy >= depth || g->busy == GUEST_SLOTS || n == 0 || burst > 0)
			ck_ok(fe_ring_wait(g->ring, g->fe, SERVER_MS, &err));
		guest_collect(g);
	}
	guest_await_all(g);
}

uint32_t guest_draw(struct guest *g, uint32_t n)
{
	struct fe_seg seg = { guest_slot_at(0), n };

	guest_add(g, &seg, 0, 1, 0, g);
	guest_kick(g);
	return guest_await_one(g).len;
}
