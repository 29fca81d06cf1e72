/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A console device on the stand-in for the core, its guest and clients of its ports. */
#ifndef TESTS_CONSOLE_RIG_H
#define TESTS_CONSOLE_RIG_H

#include <check.h>

#include "console.h"
#include "core/opt.h"
#include "fake-core.h"

enum { CON_MS = 1000 * 1000, CON_START = CON_MS, CON_WAIT_MS = 20000, CON_BUFFER = 4096 };

extern const struct device device_console;

/* Files of a test are here; removed with it. */
extern char con_dir[40];

/* %s in a value is that folder. */
void con_option(const char *name, const char *value);
/* 0, or what open() or check() returned. */
int con_try(struct error *err);
void con_begin(void);           /* .. and its queues run */
void con_finish(void);

/* A client at the Unix socket of this name in the folder. */
int con_dial(const char *name);
/* Turns of the loop until so many bytes have come, which are compared. */
void con_expect(int fd, const void *bytes, size_t n);
void con_expect_end(int fd);
void con_turns(void);

/* The guest. */
void con_control(uint32_t id, unsigned event, unsigned value);
void con_control_buffers(unsigned n, size_t size);
/* The next message that the guest was told, as text: "0 ADD 0", "1 NAME 1 abc"; "" for none. */
const char *con_told(void);
void con_told_is(const char *text);
/* DEVICE_READY, and each port READY and OPEN; what is told is passed over. */
void con_open_ports(unsigned n);
unsigned con_rxq(unsigned port), con_txq(unsigned port);
void con_buffers(unsigned port, unsigned n, size_t size);
/* What came in at a port since the last call, in the order of the ends. */
size_t con_got(unsigned port, void *buf, size_t max);
struct chain *con_print(unsigned port, const void *bytes, size_t n);

#endif
