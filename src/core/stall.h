/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Writes to eventfds that others share, which must not hold the loop. */
#ifndef CORE_STALL_H
#define CORE_STALL_H

/*
 * As fd_signal(), for an eventfd of someone else: -EINTR when it blocked, and
 * was cut off after some 20 ms.
 */
int stall_signal(int fd);
/* This thread signals no more. Fine without a signal before. */
void stall_finish(void);

#endif
