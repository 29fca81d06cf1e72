/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From the client to the guest: as many buffers as a read may fill are popped,
 * one readv() fills them, the rest goes back to the ring unseen. Nothing is
 * read that the guest has no buffer for, so a guest that does not read holds up
 * its client, and nothing is lost.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "console.h"

enum { MAX_IOV = 256, MAX_CHAINS = 64, LEAST_BURST = 4096, MOST_BURST = 256 << 10, ROUNDS = 16 };

static const char bad_buffer[] = "a receive buffer that nothing can be written to";

struct batch {
	struct chain *chains[MAX_CHAINS];
	size_t rooms[MAX_CHAINS], all;
	unsigned n;
	struct iovec iov[MAX_IOV];
	struct window window;
};

bool input_may_go(const struct port *p)
{
	return queue_running(p->rx) &&
		(p->guest_open || !console_multiport(p->con)) && p->plugged;
}

static struct chain *pop_buffer(struct port *p)
{
	struct chain *c;

	while ((c = queue_pop(p->rx)) != NULL && chain_put_size(c) == 0)
		chain_fail(c, bad_buffer);
	return c;
}

static void collect(struct port *p, struct batch *b, size_t want)
{
	struct chain *c;
	size_t room;

	b->n = 0;
	b->all = 0;
	b->window = (struct window){ .iov = b->iov, .n = 0, .max = MAX_IOV };
	while (b->n < MAX_CHAINS && b->all < want && b->window.n < MAX_IOV) {
		c = queue_pop(p->rx);
		if (c == NULL)
			break;
		room = chain_put_size(c);
		if (room > want - b->all)
			room = want - b->all;
		room = chain_lend_put(c, 0, room, &b->window);
		/* Later: those before it may go back only if it does. */
		if (room == 0 && b->n > 0) {
			chain_return(c);
			break;
		}
		if (room == 0) {
			chain_fail(c, bad_buffer);
			continue;
		}
		b->chains[b->n] = c;
		b->rooms[b->n++] = room;
		b->all += room;
	}
}

static void end_batch(struct port *p, struct batch *b, size_t got)
{
	unsigned i, used;
	size_t n;

	for (used = 0; used < b->n && got > 0; used++) {
		n = got < b->rooms[used] ? got : b->rooms[used];
		got -= n;
		chain_wrote(b->chains[used], 0, n);
	}
	for (i = b->n; i-- > used;)
		chain_return(b->chains[i]);
	for (i = 0; i < used; i++)
		chain_done(b->chains[i]);
}

/* What a read brought; false: no more is to be had now. */
static bool judge(struct port *p, ssize_t got, int error)
{
	struct client *c = &p->client;

	if (got > 0)
		return true;
	c->readable = false;
	/* A pseudo-terminal without a user says EIO. */
	if (got == 0 || error != EAGAIN)
		client_input_over(p);
	return false;
}

static void got_input(struct port *p, size_t n)
{
	p->to_guest += n;
	instance_stat(p->con->in, CONSOLE_TO_GUEST, n);
}

static bool read_lent(struct port *p)
{
	struct client *c = &p->client;
	struct batch b;
	ssize_t got;
	int error;

	collect(p, &b, c->burst);
	if (b.n == 0)
		return false;
	do {
		got = readv(c->in, b.iov, (int)b.window.n);
	} while (got < 0 && errno == EINTR);
	error = errno;
	end_batch(p, &b, got > 0 ? (size_t)got : 0);
	if (got > 0) {
		got_input(p, (size_t)got);
		if ((size_t)got == b.all && c->burst < MOST_BURST)
			c->burst *= 2;
		else if ((size_t)got < c->burst / 4 && c->burst > LEAST_BURST)
			c->burst /= 2;
	}
	return judge(p, got, error);
}

/* What was typed goes on to the guest, as far as it has buffers. */
static void pass_typed(struct port *p)
{
	struct client *c = &p->client;
	struct chain *chain;
	size_t n;

	while (c->n_typed > 0 && input_may_go(p) && (chain = pop_buffer(p)) != NULL) {
		n = chain_put_size(chain) < c->n_typed ? chain_put_size(chain) : c->n_typed;
		if (chain_put(chain, c->typed, n)) {
			got_input(p, n);
			c->n_typed -= (uint32_t)n;
			memmove(c->typed, c->typed + n, c->n_typed);
		}
		chain_done(chain);
	}
}

/*
 * Somebody types: keys may be for us, so they are read even if the guest takes
 * none, as many as there is room for.
 */
static bool read_typed(struct port *p)
{
	struct client *c = &p->client;
	ssize_t got;
	int error;

	if (c->n_typed == sizeof(c->typed))
		return false;
	do {
		got = read(c->in, c->typed + c->n_typed, sizeof(c->typed) - c->n_typed);
	} while (got < 0 && errno == EINTR);
	error = errno;
	if (got > 0) {
		c->n_typed += (uint32_t)p->backend->typed(p, c->typed + c->n_typed, (size_t)got);
		pass_typed(p);
	}
	return judge(p, got, error);
}

void input_run(struct port *p)
{
	struct client *c = &p->client;
	unsigned i;
	bool more = true;

	for (i = 0; i < ROUNDS && more; i++) {
		if (c->n_typed > 0)
			pass_typed(p);
		if (c->in < 0 || !c->readable || (p->backend->typed == NULL && !input_may_go(p)))
			return;
		more = p->backend->typed != NULL ? read_typed(p) : read_lent(p);
	}
	if (more)
		loop_post(p->con->loop, &p->again);
}
