/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Connections of a guest by its ports. */
#include <errno.h>
#include <stdlib.h>

#include "vsock.h"

enum { FIRST_BUCKETS = 16 };

/* Ports are the guest's choice, the seed is not. */
static struct key **bucket(const struct vsock *v, uint64_t cid, uint32_t guest_port,
			   uint32_t peer_port)
{
	uint64_t h = (((uint64_t)guest_port << 32) | peer_port) ^ v->seed;

	h = (h ^ cid) * 0x9e3779b97f4a7c15ULL;
	h = (h ^ (h >> 29)) * (v->seed | 1);
	return &v->buckets[(h ^ (h >> 32)) & (v->n_buckets - 1)];
}

static void put(struct vsock *v, struct key *k)
{
	struct key **at = bucket(v, k->peer_cid, k->guest_port, k->peer_port);

	k->next = *at;
	*at = k;
}

static bool grow(struct vsock *v)
{
	unsigned i, had = v->n_buckets, n = had == 0 ? FIRST_BUCKETS : 2 * had;
	struct key **old = v->buckets, **bigger, *k, *next;

	if (v->n_keys < had)
		return true;
	bigger = calloc(n, sizeof(struct key *));
	if (bigger == NULL)
		return had > 0;
	v->buckets = bigger;
	v->n_buckets = n;
	for (i = 0; i < had; i++) {
		for (k = old[i]; k != NULL; k = next) {
			next = k->next;
			put(v, k);
		}
	}
	free(old);
	return true;
}

struct key *key_find(const struct vsock *v, uint64_t peer_cid, uint32_t guest_port,
		     uint32_t peer_port)
{
	struct key *k;

	if (v->n_buckets == 0)
		return NULL;
	for (k = *bucket(v, peer_cid, guest_port, peer_port); k != NULL; k = k->next) {
		if (k->guest_port == guest_port && k->peer_port == peer_port &&
		    k->peer_cid == peer_cid)
			return k;
	}
	return NULL;
}

int key_add(struct vsock *v, struct key *k)
{
	if (!grow(v))
		return -ENOMEM;
	put(v, k);
	k->hashed = true;
	v->n_keys++;
	return 0;
}

void key_remove(struct vsock *v, struct key *k)
{
	struct key **at;

	if (!k->hashed)
		return;
	at = bucket(v, k->peer_cid, k->guest_port, k->peer_port);
	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	k->hashed = false;
	v->n_keys--;
}

void table_free(struct vsock *v)
{
	free(v->buckets);
	v->buckets = NULL;
	v->n_buckets = 0;
}
