/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Where the bytes come from. */
#ifndef RNG_SOURCE_H
#define RNG_SOURCE_H

#include "vhost-device/error.h"

struct instance;
struct source;

/* What follows the end of a source, or an error of it. */
enum source_end { END_GETRANDOM, END_REWIND, END_HOLD, END_EXIT };

enum rng_counter { RNG_BYTES, RNG_REQUESTS, RNG_THROTTLED_MS, RNG_SOURCE_ERRORS };

/* On the instance's loop, while running: source_read() is worth another try. */
typedef void source_ready(void *ctx);

/* path is not copied. NULL with err set on failure. */
struct source *source_open(struct instance *in, const char *path, enum source_end end,
			   source_ready *ready, void *ctx, struct error *err);
void source_close(struct source *s);    /* NULL is fine */
/* While it does not run it waits for nothing and reads nothing ahead. */
void source_run(struct source *s);
void source_rest(struct source *s);
/* 1..n bytes, or 0: none now, ready() will come. */
size_t source_read(struct source *s, void *buf, size_t n);
bool source_is_kernel(const struct source *s);

#endif
