/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Log lines "who: what failed: reason". Levels: error = the operator must
 * act, warn = degraded, info = life cycle, debug = negotiation, trace = per
 * request. Nothing a guest can do may log without a limit: such lines go
 * through log_limited().
 */
#ifndef VHOST_DEVICE_LOG_H
#define VHOST_DEVICE_LOG_H

#include "vhost-device/util.h"

struct instance;

enum log_level { LOG_LEVEL_OFF, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE };

/* Lets five lines a second pass and counts the rest; zero it at first. */
struct log_limit {
	uint64_t second;
	unsigned passed, dropped;
};

bool log_enabled(enum log_level level);

/* in may be NULL: the line then speaks for the whole process. */
void log_write(enum log_level level, const struct instance *in, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
void log_limited(struct log_limit *limit, enum log_level level, const struct instance *in,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);

#define log_error(in, ...) log_write(LOG_LEVEL_ERROR, in, __VA_ARGS__)
#define log_warn(in, ...) log_write(LOG_LEVEL_WARN, in, __VA_ARGS__)
#define log_info(in, ...) log_write(LOG_LEVEL_INFO, in, __VA_ARGS__)
#define log_debug(in, ...) do { \
	if (log_enabled(LOG_LEVEL_DEBUG)) log_write(LOG_LEVEL_DEBUG, in, __VA_ARGS__); } while (0)
#define log_trace(in, ...) do { \
	if (log_enabled(LOG_LEVEL_TRACE)) log_write(LOG_LEVEL_TRACE, in, __VA_ARGS__); } while (0)

#endif
