/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Settings of the log; devices see vhost-device/log.h. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include "vhost-device/error.h"
#include "vhost-device/log.h"

enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL };

/*
 * A level ("warn"), or a filter as RUST_LOG takes it: a comma list of LEVEL and
 * MODULE=LEVEL where vhost_device_NAME names a device; parts that are not
 * understood are ignored. program is the applet ("vhost-device-rng").
 */
void log_setup(const char *program, enum log_level level, enum log_target target);

/* How lines begin that speak of an instance; until then, as those of the process. */
typedef const char *log_namer(const struct instance *in);
void log_name_instances(log_namer *name_of);

int log_parse_level(const char *text, enum log_level *ret_level);
enum log_level log_filter_level(const char *filter, const char *device, enum log_level otherwise);

#endif
