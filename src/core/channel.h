/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Messages with a 12-byte header over a stream socket, both directions, never
 * blocking. File descriptors travel with the first byte of a header; a channel
 * owns each one from the moment it arrived.
 */
#ifndef CORE_CHANNEL_H
#define CORE_CHANNEL_H

#include "vhost-device/loop.h"

struct message {
	uint32_t id, flags;
	const void *body;
	size_t size;
	int *fds;               /* take_fd() what is wanted, the rest is closed */
	unsigned n_fds;
};

struct channel_inbox;

struct channel {
	/* A whole message; it lives until the call returns. */
	void (*got)(struct channel *ch, struct message *m);
	/*
	 * Nothing more comes: the peer closed (why is NULL) or broke the
	 * framing. Once, and never from inside a call to the channel.
	 */
	void (*gone)(struct channel *ch, const char *why);
	/* Everything that channel_send() had to keep is on its way. May be NULL. */
	void (*sent)(struct channel *ch);
	/* Largest body of a message; a longer one ends the channel unread. */
	size_t (*limit)(struct channel *ch, uint32_t id);

	/* The rest is private to channel.c. */
	struct io io;
	int fd;
	bool paused, ended;
	struct channel_inbox *in;
	uint8_t *out;           /* not yet sent: from out_at to out_size */
	size_t out_at, out_size;
};

/*
 * Owns fd from here on, also on failure (0 or negative errno). The callbacks
 * are set by the caller before. Reads at once.
 */
int channel_init(struct channel *ch, struct loop *l, int fd);
/*
 * Copied. While something is unsent nothing is read, so a peer that does not
 * read its answers gets no new ones. -ENOBUFS: too much is unsent already;
 * another negative errno: the peer is not there any more (gone() follows).
 */
int channel_send(struct channel *ch, uint32_t id, uint32_t flags, const void *body, size_t size);
size_t channel_unsent(const struct channel *ch);
/* Paused, a channel only notices that the peer hung up. */
void channel_pause(struct channel *ch, bool paused);
/* Fine twice, on a zeroed one, and from its own callbacks. */
void channel_finish(struct channel *ch);

#endif
