/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The terminal that this program runs on, for the one device that reads keys:
 * raw while it is in the foreground, as it was whatever ends the program.
 *
 * Only one object has it: tty_open() says -EBUSY to others.
 */
#ifndef VHOST_DEVICE_TTY_H
#define VHOST_DEVICE_TTY_H

#include <signal.h>
#include <termios.h>

#include "vhost-device/error.h"
#include "vhost-device/loop.h"

struct tty {
	/* On its loop: another size, or in the foreground once more. */
	void (*changed)(struct tty *t);
	int fd;                         /* -1: standard input is no terminal */
	bool prints;                    /* lines that are printed still begin at the left */
	bool known;                     /* before and raw hold */
	struct termios before, raw;
	pid_t guard;
	int guard_pipe;
	int signals;                    /* an eventfd */
	struct io signal_io;
	struct sigaction old_winch, old_cont;
};

/* changed and prints are set. 0 also when standard input is no terminal. */
int tty_open(struct tty *t, struct loop *l, struct error *err);
/* In the background nothing may be read: that would stop the whole process. */
bool tty_in_foreground(const struct tty *t);
void tty_close(struct tty *t);          /* a zeroed one is fine */

#endif
