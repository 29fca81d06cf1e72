/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One request as two streams of bytes.
 *
 * A segment is one descriptor that is not empty. Its host address was looked
 * up when the request was popped and counts for that memory table only; later,
 * and for a descriptor that crosses regions, every access looks it up piece by
 * piece. All device writes into request memory are told to account(), which
 * keeps what used.len needs: the highest byte, and the gaps below it.
 */
#include <string.h>

#include "core/mem-priv.h"
#include "core/queue-priv.h"

static const char too_short[] = "it is too short, or its memory has gone";

static enum popped bad(struct queue *q, const char *why)
{
	q->why = why;
	return POP_BAD;
}

/* Not in the region that was met last: another one, several that touch, or none. */
static __attribute__((noinline)) enum popped locate(struct queue *q, struct seg *s)
{
	uint64_t addr = s->addr, len = s->len, got;

	if (len - 1 > UINT64_MAX - addr)
		return bad(q, "a buffer wraps around the address space");
	s->host = mem_at_guest(q->map, addr, len, &got, &q->hint);
	if (s->host == NULL)
		return bad(q, "a buffer lies outside of memory");
	while (got < len) {
		s->host = NULL;
		addr += got;
		len -= got;
		q->pieces++;
		if (mem_at_guest(q->map, addr, len, &got, &q->hint) == NULL)
			return bad(q, "a buffer ends outside of memory");
	}
	return POP_OK;
}

enum popped chain_add_desc(struct chain *c, uint64_t addr, uint32_t len, bool write)
{
	struct queue *q = c->queue;
	enum popped ret;
	struct seg *s;

	if (len == 0)
		return POP_OK;
	if ((uint64_t)c->get_size + c->put_size + len > UINT32_MAX)
		return bad(q, "it has more bytes than 32 bits can count");
	if (!write && c->put_size > 0)
		return bad(q, "a readable buffer follows a writable one");
	if (c->n_segs == c->max_segs && !queue_grow_segs(c))
		return POP_NO_MEMORY;
	s = &c->segs[c->n_segs];
	s->addr = addr;
	s->len = len;
	s->host = mem_at_hint(q->map, addr, len, q->hint);
	if (s->host == NULL) {
		ret = locate(q, s);
		if (ret != POP_OK)
			return ret;
	}
	c->n_segs++;
	if (write) {
		c->put_size += len;
	} else {
		c->get_size += len;
		c->n_get = c->n_segs;
	}
	return POP_OK;
}

/* An indirect table that is not in one region: one entry, piece by piece. */
static bool read_piecewise(struct queue *q, uint64_t addr, struct desc *ret_d)
{
	uint8_t raw[sizeof(struct virtq_desc)];
	uint64_t done = 0, got;
	const uint8_t *host;

	while (done < sizeof(raw)) {
		host = mem_at_guest(q->map, addr + done, sizeof(raw) - done, &got, &q->hint);
		if (host == NULL)
			return false;
		memcpy(raw + done, host, (size_t)got);
		done += got;
	}
	*ret_d = desc_read(raw);
	return true;
}

/* Is the table sound as a whole (virtio 1.4, 2.7.5.3 and 2.8.7)? */
static enum popped check_table(struct queue *q, const struct desc *d, uint32_t seen,
			       const uint8_t **ret_host)
{
	uint64_t got;

	*ret_host = mem_at_hint(q->map, d->addr, d->len, q->hint);
	if (d->len == 0 || d->len % sizeof(struct virtq_desc) != 0)
		return bad(q, "the size of an indirect table is no multiple of 16");
	if (d->len / sizeof(struct virtq_desc) > queue_desc_limit(q) - seen)
		return bad(q, "an indirect table is too long");
	if (*ret_host != NULL)
		return POP_OK;
	if (d->len - 1 > UINT64_MAX - d->addr)
		return bad(q, "an indirect table wraps around the address space");
	*ret_host = mem_at_guest(q->map, d->addr, d->len, &got, &q->hint);
	if (*ret_host == NULL)
		return bad(q, "an indirect table lies outside of memory");
	if (got < d->len)
		*ret_host = NULL;
	return POP_OK;
}

enum popped chain_add_table(struct chain *c, const struct desc *d, uint32_t seen, bool linked)
{
	uint32_t count = d->len / (uint32_t)sizeof(struct virtq_desc), i = 0, visited;
	struct queue *q = c->queue;
	const uint8_t *host;
	struct desc e;
	uint16_t flags;
	enum popped ret = check_table(q, d, seen, &host);

	for (visited = 1; ret == POP_OK; visited++) {
		if (visited > count)
			return bad(q, "an indirect table is a loop");
		if (host != NULL)
			e = desc_read(host + (size_t)i * sizeof(struct virtq_desc));
		else if (!read_piecewise(q, d->addr + (uint64_t)i * sizeof(struct virtq_desc), &e))
			return bad(q, "an indirect table ends outside of memory");
		flags = linked ? e.w12 : e.w14;
		if (flags & VIRTQ_DESC_INDIRECT)
			return bad(q, "an indirect table holds another one");
		ret = chain_add_desc(c, e.addr, e.len, (flags & VIRTQ_DESC_WRITE) != 0);
		if (linked ? !(flags & VIRTQ_DESC_NEXT) : i + 1 == count)
			break;
		i = linked ? e.w14 : i + 1;
		if (i >= count)
			return bad(q, "an indirect table points outside of itself");
	}
	return ret;
}

size_t chain_get_size(const struct chain *c)
{
	return c->get_size;
}

size_t chain_get_left(const struct chain *c)
{
	return c->get_size - c->get_pos;
}

size_t chain_put_size(const struct chain *c)
{
	return c->put_size;
}

size_t chain_put_left(const struct chain *c)
{
	return c->put_size - c->put_pos;
}

void *chain_req(const struct chain *c)
{
	return (void *)(uintptr_t)(c + 1);
}

struct queue *chain_queue(const struct chain *c)
{
	return c->queue;
}

/* Slow path of span(): another memory table than at pop, or crossing regions. */
static uint8_t *look_up(const struct chain *c, uint64_t addr, uint64_t len, uint64_t *ret_len)
{
	struct queue *q = c->queue;

	if (c->epoch != q->epoch || q->map == NULL)
		return NULL;
	return mem_at_guest(q->map, addr, len, ret_len, &q->hint);
}

/* The next piece of at most n bytes, and step over it; NULL when memory is gone. */
static inline uint8_t *span(const struct chain *c, struct cursor *at, size_t n, size_t *ret_n)
{
	const struct seg *s = &c->segs[at->seg];
	uint64_t len = s->len - at->off;
	uint8_t *host;

	if (len > n)
		len = n;
	if (s->host != NULL && c->map_gen == c->queue->map_gen)
		host = s->host + at->off;
	else
		host = look_up(c, s->addr + at->off, len, &len);
	at->off += (uint32_t)len;
	if (at->off == s->len) {
		at->seg++;
		at->off = 0;
	}
	*ret_n = (size_t)len;
	return host;
}

/* The cursor of a place in the put side. */
static struct cursor put_cursor(const struct chain *c, size_t off)
{
	struct cursor at = { c->n_get, 0 };

	if (off == c->put_pos)
		return c->put;
	while (at.seg < c->n_segs && off >= c->segs[at.seg].len)
		off -= c->segs[at.seg++].len;
	at.off = (uint32_t)off;
	return at;
}

static bool fault(struct chain *c)
{
	c->fault = true;
	return false;
}

bool chain_get(struct chain *c, void *dst, size_t n)
{
	struct cursor at = c->get;
	uint8_t *to = dst, *host;
	size_t left = n, len;

	if (c->fault || n > c->get_size - c->get_pos)
		return fault(c);
	while (left > 0) {
		host = span(c, &at, left, &len);
		if (host == NULL)
			return fault(c);
		memcpy(to, host, len);
		to += len;
		left -= len;
	}
	c->get = at;
	c->get_pos += (uint32_t)n;
	return true;
}

bool chain_skip(struct chain *c, size_t n)
{
	uint32_t len;

	if (c->fault || n > c->get_size - c->get_pos)
		return fault(c);
	c->get_pos += (uint32_t)n;
	while (n > 0) {
		len = c->segs[c->get.seg].len - c->get.off;
		if (n < len) {
			c->get.off += (uint32_t)n;
			break;
		}
		n -= len;
		c->get.seg++;
		c->get.off = 0;
	}
	return true;
}

/* Copy to the put side, zeros when src is NULL; moves *at. */
static bool copy_out(const struct chain *c, struct cursor *at, const uint8_t *src, size_t n)
{
	uint8_t *host;
	size_t len;

	while (n > 0) {
		host = span(c, at, n, &len);
		if (host == NULL)
			return false;
		if (src != NULL) {
			memcpy(host, src, len);
			src += len;
		} else {
			memset(host, 0, len);
		}
		n -= len;
	}
	return true;
}

static bool fill_zeros(const struct chain *c, uint32_t from, uint32_t to)
{
	struct cursor at = put_cursor(c, from);

	return copy_out(c, &at, NULL, to - from);
}

/* Remember a gap; with too many of them it is filled at once. */
static bool add_hole(struct chain *c, uint32_t from, uint32_t to)
{
	if (c->n_holes == MAX_HOLES)
		return fill_zeros(c, from, to);
	c->holes[c->n_holes++] = (struct hole){ from, to };
	return true;
}

/* What was a gap now has bytes. */
static bool cut_holes(struct chain *c, uint32_t from, uint32_t to)
{
	struct hole h;
	unsigned i;

	for (i = c->n_holes; i-- > 0;) {
		h = c->holes[i];
		if (h.to <= from || h.from >= to)
			continue;
		c->holes[i] = c->holes[--c->n_holes];
		if (h.from < from && !add_hole(c, h.from, from))
			return false;
		if (h.to > to && !add_hole(c, to, h.to))
			return false;
	}
	return true;
}

/* The device wrote these bytes, which are not none. */
static bool account(struct chain *c, uint32_t from, uint32_t to)
{
	bool ok = true;

	if (from > c->high)
		ok = add_hole(c, c->high, from);
	else if (c->n_holes > 0)
		ok = cut_holes(c, from, to);
	if (to > c->high)
		c->high = to;
	return ok || fault(c);
}

bool chain_put(struct chain *c, const void *src, size_t n)
{
	struct cursor at = c->put;
	uint32_t pos = c->put_pos;

	if (c->fault || n > c->put_size - pos)
		return fault(c);
	if (n == 0)
		return true;
	if (!copy_out(c, &at, src, n))
		return fault(c);
	c->put = at;
	c->put_pos += (uint32_t)n;
	return account(c, pos, c->put_pos);
}

bool chain_put_at(struct chain *c, size_t off, const void *src, size_t n)
{
	struct cursor at;

	if (c->fault || !range_fits(off, n, c->put_size))
		return fault(c);
	if (n == 0)
		return true;
	at = put_cursor(c, off);
	if (!copy_out(c, &at, src, n))
		return fault(c);
	return account(c, (uint32_t)off, (uint32_t)(off + n));
}

bool chain_wrote(struct chain *c, size_t off, size_t n)
{
	if (c->fault || !range_fits(off, n, c->put_size))
		return fault(c);
	return n == 0 || account(c, (uint32_t)off, (uint32_t)(off + n));
}

static bool append_iov(struct window *w, uint8_t *host, size_t len)
{
	struct iovec *last;

	if (w->n > 0) {
		last = &w->iov[w->n - 1];
		if ((uint8_t *)last->iov_base + last->iov_len == host) {
			last->iov_len += len;
			return true;
		}
	}
	if (w->n == w->max)
		return false;
	w->iov[w->n++] = (struct iovec){ host, len };
	return true;
}

static size_t lend(struct chain *c, struct cursor at, size_t n, struct window *w)
{
	size_t lent = 0, len;
	uint8_t *host;

	while (lent < n) {
		host = span(c, &at, n - lent, &len);
		if (host == NULL) {
			fault(c);
			break;
		}
		if (!append_iov(w, host, len))
			break;
		lent += len;
	}
	if (lent > 0 && !c->lent)
		queue_lent(c);
	return lent;
}

size_t chain_lend_get(struct chain *c, size_t n, struct window *w)
{
	if (c->fault)
		return 0;
	if (n > c->get_size - c->get_pos)
		n = c->get_size - c->get_pos;
	return lend(c, c->get, n, w);
}

size_t chain_lend_put(struct chain *c, size_t off, size_t n, struct window *w)
{
	if (c->fault || off > c->put_size)
		return 0;
	if (n > c->put_size - off)
		n = c->put_size - off;
	return lend(c, put_cursor(c, off), n, w);
}

/* No byte below used.len may be what the guest left there (virtio 1.4, 2.7.8.2). */
static uint32_t fill_holes(struct chain *c, uint32_t len)
{
	struct hole h;
	unsigned i;

	if (len > c->high && !add_hole(c, c->high, len))
		len = c->high;
	for (i = 0; i < c->n_holes; i++) {
		h = c->holes[i];
		if (h.from < len && !fill_zeros(c, h.from, h.to < len ? h.to : len))
			len = h.from;
	}
	return len;
}

static void finish(struct chain *c, uint32_t len)
{
	if (c->n_holes > 0 || len > c->high)
		len = fill_holes(c, len);
	queue_end(c, len);
}

/* When the ring is gone, it is not the guest's mistake that accesses fail. */
static void blame(const struct chain *c, const char *why)
{
	if (c->epoch == c->queue->epoch && !c->queue->broken)
		queue_bad_request(c->queue, why);
}

void chain_done(struct chain *c)
{
	if (c->fault)
		blame(c, too_short);
	finish(c, c->high);
}

void chain_done_len(struct chain *c, size_t len)
{
	if (c->fault)
		blame(c, too_short);
	finish(c, len < c->put_size ? (uint32_t)len : c->put_size);
}

void chain_fail(struct chain *c, const char *why)
{
	blame(c, why);
	finish(c, c->high);
}

bool chain_return(struct chain *c)
{
	if (queue_unpop(c))
		return true;
	queue_end(c, 0);
	return false;
}
