/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The ring engine: configuration and life of a ring. The other parts are
 * queue-turn.c (a turn's work), queue-pool.c (memory of the requests) and the
 * two layouts.
 *
 *   running   the device may pop; kicks are watched
 *   halted    no more pops, ends of chains are still published (draining)
 *   broken    the ring is corrupt: no pops, ends have no effect; told at the
 *             end of the turn
 *   detached  everything is let go; chains that are still open belong to an
 *             epoch that is over, so that accesses fail and ends do nothing
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/queue-priv.h"
#include "vhost-device/fd.h"

enum {
	PACKED_FRESH = (int)0x80008000, /* base of a ring just made: both wrap counters 1 */
	DRAIN_BYTES = 4096,             /* of a socket that kicks, at a time .. */
	DRAIN_ROUNDS = 16,
};

struct queue *queue_new(struct instance *in, struct queue_group *group, unsigned index,
			const struct queue_row *row, struct loop *l)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->state = calloc(1, row->state_size + 1U);
	if (q->state == NULL) {
		free(q);
		return NULL;
	}
	q->instance = in;
	q->group = group;
	q->index = index;
	q->row = row;
	q->loop = l;
	q->max_size = row->max_size;
	q->kick_fd = q->call_fd = q->err_fd = -1;
	q->budget = TURN_BUDGET;
	q->chain_bytes = (sizeof(struct chain) + row->req_size + sizeof(max_align_t) - 1) /
		sizeof(max_align_t) * sizeof(max_align_t);
	q->turn.fn = queue_turn_end;
	q->again.fn = queue_again;
	q->poller.poll = queue_poll;
	q->poller.rest = queue_rest;
	timer_init(&q->look, l, queue_look);
	return q;
}

void queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	queue_reset(q);
	queue_pool_free(q);
	mem_map_unref(q->map);
	timer_finish(&q->look);
	loop_forget_turn_end(q->loop, &q->turn);
	loop_forget_turn_end(q->loop, &q->again);
	free(q->in_flight);
	free(q->state);
	free(q);
}

/*
 * Eventfds are never read; a socket would otherwise fill up and end the kicks.
 * false: nothing more comes, or more than kicks.
 */
static bool drain_kick(int fd)
{
	char buf[DRAIN_BYTES];
	unsigned i;
	ssize_t n;

	for (i = 0; i < DRAIN_ROUNDS; i++) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		if (n < (ssize_t)sizeof(buf))
			return true;
	}
	return false;
}

static void queue_kicked(struct io *io, unsigned ready)
{
	struct queue *q = container_of(io, struct queue, kick);

	q->stats.kicks++;
	if (q->kick_socket && !drain_kick(q->kick_fd)) {
		io_finish(&q->kick);
		fd_close(&q->kick_fd);
		queue_hold_back(q);
	}
	/* Not armed: the device leaves buffers in the ring on purpose. */
	if (q->armed)
		queue_wake(q);
}

static void watch_kick(struct queue *q)
{
	int ret;

	if (q->kick_fd < 0)
		return;
	io_init(&q->kick, q->loop, q->kick_fd, queue_kicked);
	ret = io_set(&q->kick, IO_READ | IO_EDGE);
	if (ret == 0)
		return;
	log_limited(&q->group->log_limit, LOG_LEVEL_WARN, q->instance,
		    "queue %u: kick descriptor cannot be watched, the ring is polled: %s",
		    q->index, strerror(-ret));
	fd_close(&q->kick_fd);
}

/* Configuration. */

void queue_set_kick(struct queue *q, int fd)
{
	io_finish(&q->kick);
	fd_close(&q->kick_fd);
	q->kick_fd = fd;
	q->kick_socket = fd_is_unix_socket(fd, 0);
	if (!q->running || q->broken)
		return;
	watch_kick(q);
	if (!queue_has_kick(q))
		queue_hold_back(q);
}

void queue_set_call(struct queue *q, int fd)
{
	fd_close(&q->call_fd);
	q->call_fd = fd;
	if (fd < 0)
		return;
	q->call_socket = fd_is_unix_socket(fd, 0);
	fd_set_nonblock(fd);
	if (q->attached && q->owes_signal)
		queue_signal(q);
}

void queue_set_err(struct queue *q, int fd)
{
	fd_close(&q->err_fd);
	q->err_fd = fd;
	if (fd < 0)
		return;
	q->err_socket = fd_is_unix_socket(fd, 0);
	fd_set_nonblock(fd);
}

void queue_set_inband(struct queue *q, bool on)
{
	q->inband = on;
}

static void take_features(struct queue *q)
{
	q->packed_acked = (q->acked & BIT(VIRTIO_F_RING_PACKED)) != 0;
	q->event_idx = (q->acked & BIT(VIRTIO_F_EVENT_IDX)) != 0;
	q->in_order = q->keeps_order && (q->acked & BIT(VIRTIO_F_IN_ORDER)) != 0;
}

void queue_set_features(struct queue *q, uint64_t features, bool in_order)
{
	q->acked = features;
	q->keeps_order = in_order;
	/* A ring that runs goes on as it began. */
	if (!q->attached)
		take_features(q);
}

int queue_set_size(struct queue *q, uint32_t n)
{
	if (q->attached)
		return -EBUSY;
	if (n == 0 || n > q->max_size || (!q->packed_acked && (n & (n - 1)) != 0))
		return -EINVAL;
	q->size = n;
	return 0;
}

int queue_set_addr(struct queue *q, const struct queue_addr *a)
{
	if (q->attached)
		return -EBUSY;
	q->addr = *a;
	q->has_addr = true;
	return 0;
}

int queue_set_base(struct queue *q, uint32_t base)
{
	if (q->attached)
		return -EBUSY;
	q->base = base;
	q->has_base = true;
	return 0;
}

void queue_set_max_size(struct queue *q, uint16_t max)
{
	q->max_size = max;
}

unsigned queue_max_size(const struct queue *q)
{
	return q->max_size;
}

uint32_t queue_base(const struct queue *q)
{
	if (q->attached)
		return q->layout->base(q);
	return q->packed_acked && !q->has_base ? (uint32_t)PACKED_FRESH : q->base;
}

bool queue_complete(const struct queue *q)
{
	return q->size > 0 && q->has_addr && q->map != NULL;
}

bool queue_peek_used(const struct queue *q, uint16_t *ret_used)
{
	const uint8_t *used;
	le16_t idx;

	if (!queue_complete(q) || q->packed_acked)
		return false;
	used = mem_at_user(q->map, q->addr.used, VIRTQ_USED_RING);
	if (used == NULL)
		return false;
	memcpy(&idx, used + VIRTQ_USED_IDX, sizeof(idx));
	*ret_used = le16_get(idx);
	return true;
}

bool queue_peek_marks(const struct queue *q, uint16_t bits, bool *ret_any)
{
	struct vring_packed_desc d;
	const uint8_t *ring;
	bool any = false;
	unsigned i;

	if (!queue_complete(q) || !q->packed_acked)
		return false;
	ring = mem_at_user(q->map, q->addr.desc, (uint64_t)q->size * sizeof(d));
	if (ring == NULL)
		return false;
	for (i = 0; i < q->size && !any; i++) {
		memcpy(&d, ring + i * sizeof(d), sizeof(d));
		any = (le16_get(d.flags) & bits) == bits;
	}
	*ret_any = any;
	return true;
}

bool queue_used_before(const struct queue *q)
{
	uint16_t used = 0;
	bool any = true;

	if (!q->packed_acked)
		return queue_peek_used(q, &used) && used != 0;
	/* Where the ring cannot be seen, it may have been. */
	return !queue_peek_marks(q, VIRTQ_DESC_USED, &any) || any;
}

void queue_set_memory(struct queue *q, struct mem_map *map)
{
	if (map == q->map)
		return;
	if (map != NULL)
		mem_map_ref(map);
	/* Used entries written so far lie in the old map. */
	queue_flush(q);
	queue_retire_map(q);
	q->map = map;
	q->hint = 0;
	if (!q->attached)
		return;
	if (map == NULL)
		queue_detach(q);
	else if (q->layout->resolve(q, NULL) < 0)
		queue_break(q, "its addresses are not in the new memory table");
}

/* Life. */

static int make_in_flight(struct queue *q)
{
	size_t words = (q->size + 63) / 64;
	uint64_t *bits;

	if (words > q->in_flight_words) {
		bits = realloc(q->in_flight, words * sizeof(*bits));
		if (bits == NULL)
			return -ENOMEM;
		q->in_flight = bits;
		q->in_flight_words = words;
	}
	memset(q->in_flight, 0, words * sizeof(*bits));
	return 0;
}

int queue_run(struct queue *q, struct error *err)
{
	int ret;

	if (q->attached)
		return error_set(err, -EBUSY, "queue %u runs already", q->index);
	if (!queue_complete(q))
		return error_set(err, -EAGAIN, "queue %u is not set up", q->index);
	if (!q->packed_acked && (q->size & (q->size - 1)) != 0)
		return error_set(err, -EINVAL, "queue %u: size %u is no power of two",
				 q->index, q->size);
	if (make_in_flight(q) < 0)
		return error_set(err, -ENOMEM, "queue %u: out of memory", q->index);
	q->base = queue_base(q);
	q->layout = q->packed_acked ? &queue_packed : &queue_split;
	ret = q->layout->resolve(q, err);
	if (ret == 0)
		ret = q->layout->begin(q, err);
	if (ret < 0)
		return ret;
	q->attached = q->running = true;
	q->broken = q->told_broken = q->halted = q->armed = false;
	q->owes_signal = q->batch_full = false;
	q->n_pushed = 0;
	q->unsignalled = 0;
	q->budget = TURN_BUDGET;
	watch_kick(q);
	if (loop_polls(q->loop))
		loop_add_poller(q->loop, &q->poller);
	return 0;
}

static void stop_pops(struct queue *q)
{
	q->running = q->armed = false;
	io_finish(&q->kick);
	timer_set(&q->look, 0);
	loop_remove_poller(q->loop, &q->poller);
	loop_forget_turn_end(q->loop, &q->again);
}

void queue_halt(struct queue *q)
{
	if (!q->running)
		return;
	stop_pops(q);
	q->halted = true;
	queue_touch(q);
}

/* In order: ended chains that waited for an older one wait no more. */
static void drop_ended(struct queue *q)
{
	struct chain *c, *next;

	for (c = q->first; c != NULL; c = next) {
		next = c->next;
		if (c->ended)
			queue_release_chain(q, c);
	}
}

void queue_detach(struct queue *q)
{
	if (!q->attached)
		return;
	stop_pops(q);
	queue_flush(q);
	q->base = q->layout->base(q);
	q->has_base = true;
	drop_ended(q);
	if (q->group->last_ended == q)
		q->group->last_ended = NULL;
	q->attached = false;
	take_features(q);
	/* Who holds chains still ends them; the owner is told of the last one. */
	q->halted = q->held > 0;
	q->n_pushed = 0;
	q->epoch++;
	q->map_gen++;
	loop_forget_turn_end(q->loop, &q->turn);
}

void queue_reset(struct queue *q)
{
	queue_detach(q);
	if (q->first == NULL)
		queue_pool_free(q);
	q->size = 0;
	q->has_addr = q->has_base = q->broken = false;
	q->base = 0;
	queue_set_kick(q, -1);
	queue_set_call(q, -1);
	queue_set_err(q, -1);
}

bool queue_broken(const struct queue *q)
{
	return q->broken;
}

const struct queue_stats *queue_stats(const struct queue *q)
{
	return &q->stats;
}

unsigned queue_index(const struct queue *q)
{
	return q->index;
}

unsigned queue_size(const struct queue *q)
{
	return q->size;
}

unsigned queue_held(const struct queue *q)
{
	return q->held;
}

bool queue_running(const struct queue *q)
{
	return q->running && !q->broken;
}

void *queue_state(const struct queue *q)
{
	return q->state;
}

struct loop *queue_loop(const struct queue *q)
{
	return q->loop;
}

struct instance *queue_instance(const struct queue *q)
{
	return q->instance;
}
