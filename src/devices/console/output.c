/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the guest to sinks: the client and the log.
 *
 * With one sink that stands at the newest byte, chains are lent to writev().
 * Else they are copied to the port's ring, and each sink is written what it has
 * not had yet. A chain ends when all of it is with the sinks or in the ring;
 * as long as a sink has no room, chains wait, and the guest with them: nothing
 * is lost. The driver of a console waits with a spinlock held, so there nobody
 * may hold it up for ever: whoever takes nothing for a while is late, and may
 * lose what the ring cannot hold.
 *
 * A console without a client goes on: what it says is in the ring for the next
 * one. Another port waits for its client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"

enum { MAX_IOV = 256, MAX_CHAINS = 64, MAX_BYTES = 256 << 10, ROUNDS = 16,
	LEAST_RING = 4096, FILE_RING = 256 << 10 };

static uint64_t behind(const struct sink *s)
{
	return s->port->head - s->at;
}

/* ---- the ring ---- */

static void ring_put(struct port *p, const uint8_t *bytes, size_t n)
{
	size_t at = p->head % p->ring_size;
	size_t first = n < p->ring_size - at ? n : p->ring_size - at;

	memcpy(p->ring + at, bytes, first);
	memcpy(p->ring, bytes + first, n - first);
	p->head += n;
}

/* The next n bytes of a chain; false: its memory is gone. */
static bool ring_take(struct port *p, struct chain *c, size_t n)
{
	size_t at, part;

	if (n > p->ring_size) {
		if (!chain_skip(c, n - p->ring_size))
			return false;
		p->head += n - p->ring_size;
		n = p->ring_size;
	}
	for (; n > 0; n -= part) {
		at = p->head % p->ring_size;
		part = n < p->ring_size - at ? n : p->ring_size - at;
		if (!chain_get(c, p->ring + at, part))
			return false;
		p->head += part;
	}
	return true;
}

/* Whoever is late has lost what is not in the ring any more. */
static void forget_lost(struct port *p)
{
	struct sink *s;
	uint64_t lost;

	for (s = p->sinks; s != NULL; s = s->next) {
		if (behind(s) <= p->ring_size)
			continue;
		lost = behind(s) - p->ring_size;
		s->at += lost;
		p->dropped += lost;
		instance_stat(p->con->in, CONSOLE_DROPPED, lost);
	}
}

static void count_output(struct port *p, size_t n)
{
	instance_stat(p->con->in, CONSOLE_FROM_GUEST, n);
}

/* ---- patience ---- */

static void be_patient(struct port *p)
{
	timer_set(&p->patience, 0);
	p->impatient = false;
}

static void wait_for_sinks(struct port *p)
{
	if (p->impatient || !p->console || p->conf->patience_ms == 0)
		return;
	p->impatient = true;
	timer_set(&p->patience, console_after(p->con, p->conf->patience_ms));
}

static void on_patience_over(struct timer *t)
{
	struct port *p = container_of(t, struct port, patience);
	struct sink *s;

	p->impatient = false;
	for (s = p->sinks; s != NULL; s = s->next)
		s->late = s->late || s->blocked;
	output_run(p);
}

/* ---- sinks ---- */

/* What he has not had yet; at most two pieces. */
static unsigned unread(const struct sink *s, struct iovec iov[2])
{
	const struct port *p = s->port;
	size_t n = (size_t)behind(s), at = s->at % p->ring_size;
	size_t first = n < p->ring_size - at ? n : p->ring_size - at;

	iov[0] = (struct iovec){ p->ring + at, first };
	iov[1] = (struct iovec){ p->ring, n - first };
	return n > first ? 2 : 1;
}

/* Until he has all, or has no room. false: he has left. */
static bool drain(struct sink *s)
{
	struct iovec iov[2];
	ssize_t n;

	while (behind(s) > 0 && !s->blocked) {
		n = s->write(s, iov, unread(s, iov));
		if (n == -EAGAIN)
			break;
		if (n < 0)
			return false;
		s->at += (uint64_t)n;
		be_patient(s->port);
	}
	if (behind(s) == 0 && !s->blocked)
		s->late = false;
	return true;
}

static void drain_all(struct port *p)
{
	struct sink *s, *next;

	for (s = p->sinks; s != NULL; s = next) {
		next = s->next;
		drain(s);
	}
}

void sink_add(struct port *p, struct sink *s, uint64_t n)
{
	if (n > p->replay)
		n = p->replay;
	s->port = p;
	s->at = p->head - (n < p->head ? n : p->head);
	s->late = s->blocked = false;
	s->listed = true;
	s->next = p->sinks;
	p->sinks = s;
}

void sink_remove(struct sink *s)
{
	struct sink **at;

	if (!s->listed)
		return;
	for (at = &s->port->sinks; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	s->listed = false;
}

void output_more(struct sink *s)
{
	s->blocked = false;
	output_run(s->port);
}

/* ---- chains ---- */

/* The oldest one that is not over; what a stop gave back begins where it was left. */
static struct chain *next_chain(struct port *p, struct chain *after)
{
	struct chain *c = queue_next(p->tx, after);

	if (c != NULL)
		return c;
	c = queue_pop(p->tx);
	if (c != NULL && p->resume > 0) {
		if (p->resume <= chain_get_size(c))
			chain_skip(c, p->resume);
		p->resume = 0;
	}
	return c;
}

/* By way of the ring; false: nothing more can go now. */
static bool copy_chain(struct port *p)
{
	uint64_t room = UINT64_MAX;
	struct chain *c;
	struct sink *s;
	size_t n;

	for (s = p->sinks; s != NULL; s = s->next) {
		if (!s->late && p->ring_size - behind(s) < room)
			room = p->ring_size - behind(s);
	}
	if (room == 0)
		wait_for_sinks(p);
	c = room > 0 ? next_chain(p, NULL) : NULL;
	if (c == NULL)
		return false;
	n = chain_get_left(c);
	if (n > room)
		n = (size_t)room;
	count_output(p, n);
	if (!ring_take(p, c, n) || chain_get_left(c) == 0)
		chain_done(c);
	forget_lost(p);
	return true;
}

/* Chains to be lent, as many as one call may take. */
static size_t lend_chains(struct port *p, struct window *w)
{
	struct chain *c = NULL;
	size_t n = 0, left, lent;
	unsigned chains;

	for (chains = 0; chains < MAX_CHAINS && n < MAX_BYTES && w->n < w->max; chains++) {
		c = next_chain(p, c);
		if (c == NULL)
			break;
		left = chain_get_left(c);
		if (left > MAX_BYTES - n)
			left = MAX_BYTES - n;
		lent = chain_lend_get(c, left, w);
		n += lent;
		if (lent < chain_get_left(c))
			break;
	}
	return n;
}

/* The next n bytes of a chain are with the sink; the last `keep` of them go to the ring. */
static bool pass_on(struct port *p, struct chain *c, size_t n, size_t keep)
{
	size_t pass = n - (n < keep ? n : keep);

	if (!chain_skip(c, pass))
		return false;
	p->head += pass;
	return ring_take(p, c, n - pass);
}

/*
 * The sink took n bytes. Who has a use for old bytes finds them in the ring,
 * which need not see those that would be written over at once.
 */
static void end_chains(struct port *p, size_t n)
{
	size_t left, keep;
	struct chain *c;

	while ((c = queue_next(p->tx, NULL)) != NULL) {
		left = chain_get_left(c);
		if (left > n)
			left = n;
		keep = p->replay > n - left ? p->replay - (n - left) : 0;
		n -= left;
		if (pass_on(p, c, left, keep) && chain_get_left(c) > 0)
			return;
		chain_done(c);
	}
}

/* The oldest chain has no byte that can be lent: it is empty, or its memory has gone. */
static bool end_empty(struct port *p)
{
	struct chain *c = queue_next(p->tx, NULL);

	if (c == NULL)
		return false;
	if (chain_get_left(c) > 0)
		chain_fail(c, "output in memory that is not there");
	else
		chain_done(c);
	return true;
}

/* Straight from guest memory; false: nothing more can go now. */
static bool lend_to(struct port *p, struct sink *s)
{
	struct iovec iov[MAX_IOV];
	struct window w = { .iov = iov, .n = 0, .max = MAX_IOV };
	ssize_t n;

	if (lend_chains(p, &w) == 0)
		return end_empty(p);
	n = s->write(s, w.iov, w.n);
	if (n == -EAGAIN) {
		wait_for_sinks(p);
		return false;
	}
	/* He has left: there may be others, or none. */
	if (n < 0)
		return true;
	if (n > 0)
		be_patient(p);
	count_output(p, (size_t)n);
	end_chains(p, (size_t)n);
	s->at = p->head;
	return true;
}

static struct sink *only_reader(const struct port *p)
{
	struct sink *s = p->sinks;

	return s != NULL && s->next == NULL && s->direct && !s->blocked && behind(s) == 0 ? s
		: NULL;
}

/* One who has left, but for what he typed, takes no more: it is for the next one. */
static bool somebody_listens(const struct port *p)
{
	return p->host_open && (!client_is_there(p) || p->client.sink.listed);
}

void output_run(struct port *p)
{
	struct sink *s;
	unsigned i;
	bool more = true;

	for (i = 0; i < ROUNDS && more; i++) {
		drain_all(p);
		if (!queue_running(p->tx) || (!p->console && !somebody_listens(p)))
			return;
		s = only_reader(p);
		more = s != NULL ? lend_to(p, s) : copy_chain(p);
	}
	if (more)
		loop_post(p->con->loop, &p->again);
	else
		drain_all(p);
}

/* What the guest will find again is given back; the first one may be half gone. */
void output_stop(struct port *p)
{
	struct chain *c = queue_next(p->tx, NULL);

	be_patient(p);
	if (c != NULL)
		p->resume = chain_get_size(c) - chain_get_left(c);
	queue_return_all(p->tx);
}

void output_byte(struct port *p, uint8_t byte)
{
	ring_put(p, &byte, 1);
	forget_lost(p);
	drain_all(p);
}

static void on_again(struct post *post)
{
	struct port *p = container_of(post, struct port, again);

	output_run(p);
	input_run(p);
}

int output_init(struct port *p)
{
	bool file = p->conf->log != NULL || p->conf->backend == BACKEND_FILE;

	timer_init(&p->patience, p->con->loop, on_patience_over);
	p->again.fn = on_again;
	p->replay = p->console ? p->conf->scrollback : 0;
	p->ring_size = p->replay > LEAST_RING ? p->replay : LEAST_RING;
	if (file && p->ring_size < FILE_RING)
		p->ring_size = FILE_RING;
	p->ring = malloc(p->ring_size);
	return p->ring != NULL ? 0 : -ENOMEM;
}

void output_finish(struct port *p)
{
	timer_finish(&p->patience);
	if (p->again.fn != NULL)
		loop_unpost(p->con->loop, &p->again);
	free(p->ring);
	p->ring = NULL;
}
