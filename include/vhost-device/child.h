/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Programs that are run for a device. One may outlive whoever started it: it is
 * waited for when it has ended, and made to end when it does not by itself.
 */
#ifndef VHOST_DEVICE_CHILD_H
#define VHOST_DEVICE_CHILD_H

#include <sys/types.h>

#include "vhost-device/loop.h"

struct child;

/*
 * Runs a command by the shell, in a process group of its own, with fd, which
 * stays the caller's, as standard input and output. ended() comes once, on the
 * loop, and then it is not the caller's any more. 0 or a negative errno.
 */
int child_start(struct loop *l, const char *command, int fd, void (*ended)(void *arg), void *arg,
		struct child **ret_child);
pid_t child_pid(const struct child *c);
/*
 * It ought to end, after its input has: has 5 s for that, then is asked by
 * SIGHUP and SIGTERM, and 5 s later is killed. ended() still comes.
 */
void child_stop(struct child *c);
/* The same, and ended() does not come: it is not the caller's any more. NULL is fine. */
void child_leave(struct child *c);

#endif
