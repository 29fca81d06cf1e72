/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A back end of canned bytes on a socket pair: what it says is queued, what it hears compared. */
#ifndef TESTS_CANNED_H
#define TESTS_CANNED_H

#include <check.h>

#include "vhost-device/error.h"
#include "vhost-frontend/frontend.h"

enum { TIMEOUT_MS = 20000, SHORT_MS = 30 };

#define ck_ok(x) do { \
	int ok_ = (x); \
	ck_assert_msg(ok_ >= 0, #x ": %d %s", ok_, err.text); \
} while (0)
/* An assertion for loops: check reports every ck_assert through a file. */
#define must(x) do { if (!(x)) ck_abort_msg("not so: %s", #x); } while (0)

extern struct error err;
extern struct fe *fe;
extern int peer;                /* the back end's end */

void set_up_pair(void);
void tear_down_pair(void);
unsigned count_fds(void);

/* body NULL with a size: only the header goes out. */
void say_fds(int to, uint32_t request, uint32_t flags, const void *body, uint32_t size,
	     const int *fds, unsigned n_fds);
void say(uint32_t request, uint32_t flags, const void *body, uint32_t size);
void say_u64(uint32_t request, uint64_t value);
/* What the front end sent; the number of fds, the first one kept if asked for. */
unsigned hear(uint32_t request, uint32_t flags, void *body, uint32_t size, int *ret_fd);

#endif
