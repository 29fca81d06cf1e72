/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Someone else's guest. No assertion of check here: these threads are in no test. */
#include "bystander.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "server.h"
#include "vhost-device/error.h"
#include "vhost-frontend/ring.h"

enum { TEXT = 64, EVERY_MS = 1 };

static struct fe *fe;
static struct fe_mem *mem;
static struct fe_ring *ring;
static uint64_t buffer;
static pthread_t threads[2];

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void raise_to(uint64_t *worst, uint64_t ns)
{
	if (ns > __atomic_load_n(worst, __ATOMIC_RELAXED))
		__atomic_store_n(worst, ns, __ATOMIC_RELAXED);
}

static int set_up(const char *socket, struct error *err)
{
	struct fe_mem_spec spec = { .guest = 0x40000000, .size = 1 << 20 };
	struct fe_ring_setup setup = { .size = 16 };
	int ret = fe_connect(socket, SERVER_MS, &fe, err);

	if (ret == 0)
		ret = fe_negotiate(fe, fe_all_protocol_features() &
				   ~BIT(VU_PF_INBAND_NOTIFICATIONS), err);
	if (ret < 0)
		return ret;
	setup.features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
		BIT(VIRTIO_F_EVENT_IDX);
	mem = fe_mem_new();
	ret = fe_mem_add(mem, &spec, err);
	if (ret >= 0)
		ret = fe_mem_alloc(mem, 0, 2 * TEXT, 16, &buffer);
	if (ret == 0)
		ret = fe_ring_new(mem, &setup, &ring, err);
	if (ret == 0)
		ret = fe_set_features(fe, setup.features, err);
	if (ret == 0)
		ret = fe_mem_send(mem, fe, err);
	return ret < 0 ? ret : fe_ring_start(ring, fe, err);
}

static int serve_once(uint64_t count, struct error *err)
{
	const struct fe_seg segs[] = { { buffer, TEXT }, { buffer + TEXT, TEXT } };
	uint8_t *text = fe_mem_at(mem, buffer, 2 * TEXT);
	struct fe_used used = { 0 };
	int ret;

	memset(text, (int)count, TEXT);
	memset(text + TEXT, ~(int)count, TEXT);
	ret = fe_ring_add(ring, segs, 1, 1, 0, NULL);
	if (ret == 0)
		ret = fe_ring_kick(ring, fe, err);
	if (ret >= 0)
		ret = fe_ring_wait(ring, fe, SERVER_MS, err);
	if (ret == 0)
		ret = fe_ring_get(ring, &used, err);
	if (ret == 1 && (used.len != TEXT || memcmp(text, text + TEXT, TEXT) != 0))
		return error_set(err, -1, "a wrong answer of %u bytes", used.len);
	return ret;
}

static void *be_served(void *arg)
{
	struct bystander *b = arg;
	struct error err = ERROR_NONE;
	uint64_t start;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		start = now_ns();
		if (serve_once(b->requests, &err) != 1) {
			snprintf(b->error, sizeof(b->error), "%.190s", err.text);
			__atomic_store_n(&b->errors, 1, __ATOMIC_RELEASE);
			return NULL;
		}
		raise_to(&b->worst_ns, now_ns() - start);
		__atomic_fetch_add(&b->requests, 1, __ATOMIC_RELEASE);
		poll(NULL, 0, EVERY_MS);
	}
	return NULL;
}

static void *only_sleep(void *arg)
{
	struct bystander *b = arg;
	uint64_t start;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED)) {
		start = now_ns();
		poll(NULL, 0, EVERY_MS);
		raise_to(&b->worst_sleep_ns, now_ns() - start);
	}
	return NULL;
}

struct bystander *bystander_start(const char *socket)
{
	struct error err = ERROR_NONE;
	struct bystander *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	if (set_up(socket, &err) < 0) {
		fprintf(stderr, "bystander: %s\n", err.text);
		return NULL;
	}
	if (pthread_create(&threads[0], NULL, be_served, b) != 0 ||
	    pthread_create(&threads[1], NULL, only_sleep, b) != 0)
		return NULL;
	return b;
}

void bystander_stop(struct bystander *b)
{
	__atomic_store_n(&b->stop, true, __ATOMIC_RELAXED);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	fe_free(fe);
	fe_ring_free(ring);
	fe_mem_free(mem);
}

void bystander_begin(struct bystander *b)
{
	__atomic_store_n(&b->worst_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&b->worst_sleep_ns, 0, __ATOMIC_RELAXED);
}

unsigned bystander_pause(const struct bystander *b)
{
	uint64_t own = __atomic_load_n(&b->worst_sleep_ns, __ATOMIC_RELAXED);
	uint64_t ns = __atomic_load_n(&b->worst_ns, __ATOMIC_RELAXED);

	return (unsigned)(ns > own ? (ns - own) / 1000000 : 0);
}

bool bystander_served(struct bystander *b)
{
	uint64_t from = __atomic_load_n(&b->requests, __ATOMIC_ACQUIRE);
	unsigned ms;

	for (ms = 0; ms < SERVER_MS; ms++) {
		if (__atomic_load_n(&b->errors, __ATOMIC_ACQUIRE))
			return false;
		/* One may have been under way already. */
		if (__atomic_load_n(&b->requests, __ATOMIC_ACQUIRE) >= from + 2)
			return true;
		poll(NULL, 0, EVERY_MS);
	}
	snprintf(b->error, sizeof(b->error), "no answer any more");
	return false;
}
