/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One request: two streams of bytes, however the driver cut them. The get
 * side is what the driver lets us read, the put side what it lets us write
 * (virtio 1.4, 2.7.4: no assumptions on framing).
 *
 * A call that returns false moved nothing and latches a fault: all later
 * copies fail too and chain_done() counts as chain_fail().
 */
#ifndef VHOST_DEVICE_CHAIN_H
#define VHOST_DEVICE_CHAIN_H

#include <sys/uio.h>

#include "vhost-device/util.h"

struct chain;
struct queue;

size_t chain_get_size(const struct chain *c);   /* bytes in all, and not yet read */
size_t chain_get_left(const struct chain *c);
size_t chain_put_size(const struct chain *c);   /* bytes in all, and behind the last append */
size_t chain_put_left(const struct chain *c);

bool chain_get(struct chain *c, void *dst, size_t n);           /* copy the next n bytes */
bool chain_skip(struct chain *c, size_t n);                     /* pass over n bytes */
bool chain_put(struct chain *c, const void *src, size_t n);     /* append n bytes */
bool chain_put_at(struct chain *c, size_t off, const void *src, size_t n);

/*
 * Guest memory lent to a host call such as readv(); never to be dereferenced.
 * The iovecs are appended to the caller's array and stay valid until the chain
 * ends. async: the host call outlives this one.
 */
struct window {
	struct iovec *iov;
	unsigned n, max;
	bool async;
};

/* Bytes lent, fewer than n when the array is full; positions do not move. */
size_t chain_lend_get(struct chain *c, size_t n, struct window *w);
size_t chain_lend_put(struct chain *c, size_t off, size_t n, struct window *w);
/*
 * The host filled this part of what was lent. Out of order is fine, as long as
 * no more than four gaps are open: a fifth is filled with zeros at once.
 */
bool chain_wrote(struct chain *c, size_t off, size_t n);

void *chain_req(const struct chain *c);         /* req_size bytes, zeroed at pop */
struct queue *chain_queue(const struct chain *c);
bool chain_newest(const struct chain *c);       /* chain_return() would go unseen */

/*
 * The four ends. used.len is the end of the highest byte put, gaps are filled
 * with zeros. chain_done_len() gives another one, at most what is writable.
 * chain_fail() counts a bad request of the guest; why is a constant text.
 * chain_return() gives the newest chain back to the ring as if never popped
 * (true), any other ends empty (false).
 */
void chain_done(struct chain *c);
void chain_done_len(struct chain *c, size_t len);
void chain_fail(struct chain *c, const char *why);
bool chain_return(struct chain *c);

#endif
