/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* File descriptors: every one is close-on-exec and has one owner. */
#ifndef VHOST_DEVICE_FD_H
#define VHOST_DEVICE_FD_H

#include "vhost-device/util.h"

/* Close unless negative and set to -1; close() is never retried. Keeps errno. */
void fd_close(int *fd);

/* 0 or negative errno. */
int fd_set_nonblock(int fd);

/* A sealed-size memfd or an eventfd (non-blocking); the fd or a negative errno. */
int fd_memfd(const char *name, uint64_t size);
int fd_eventfd(void);

/*
 * Add one to an eventfd of our own, or one that was made non-blocking; 0 or negative errno. The
 * other one sends 8 bytes, and cannot block whatever others do to the socket.
 */
int fd_signal(int fd);
int fd_signal_socket(int fd);

/* A Unix socket of this type (SOCK_STREAM ..), or of any (0)? */
bool fd_is_unix_socket(int fd, int type);

/*
 * Is fd the other end of this connected Unix socket? Ends are told apart by
 * name; where the other one has none, fd gets one of the abstract namespace.
 */
bool fd_is_other_end(int fd, int sock);

#endif
