/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The other end of a vhost-user socket, for tests: raw messages, answers, open files. */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include "core/loop-core.h"
#include "wire/vhost-user.h"

enum { PEER_MS = 1000 * 1000 };

/* ours is the back end's end; both are non-blocking. */
void peer_pair(int *ret_ours, int *ret_peers);
/* Bytes with descriptors on the first one. */
void peer_write(int fd, const void *bytes, size_t n, const int *fds, unsigned n_fds);
void peer_send(int fd, uint32_t id, uint32_t flags, const void *body, size_t size, const int *fds,
	       unsigned n_fds);
/*
 * Turns the loop until a whole message has come (true) or five seconds have
 * passed. A zero-sized read is a closed socket (false, *ret_closed true).
 */
bool peer_recv(struct loop *l, int fd, struct vu_header *ret_header, void *body, size_t room,
	       bool *ret_closed);
/* Nothing has come after the loop had nothing left to do. */
bool peer_silent(struct loop *l, int fd);
bool peer_closed(struct loop *l, int fd);
/* Turns until nothing is left to do. */
void peer_settle(struct loop *l);
unsigned peer_open_files(void);

#endif
