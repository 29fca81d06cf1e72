/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Log lines to standard error, syslog or the journal (which reads <N> prefixes). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/log-core.h"

enum { LINES_PER_SECOND = 5, LINE_MAX_BYTES = 1024 };

static struct {
	const char *program;
	enum log_level level;
	enum log_target target;
	log_namer *name_of;
} settings = { "vhost-device", LOG_LEVEL_WARN, LOG_TARGET_STDERR };

static const char *const level_names[] = { "off", "error", "warn", "info", "debug", "trace" };
static const int syslog_levels[] = { LOG_ERR, LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG,
	LOG_DEBUG };

_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_TRACE + 1, "a name per level");
_Static_assert(ARRAY_SIZE(syslog_levels) == LOG_LEVEL_TRACE + 1, "a priority per level");

void log_setup(const char *program, enum log_level level, enum log_target target)
{
	settings.program = program;
	settings.level = level;
	settings.target = target;
	if (target == LOG_TARGET_SYSLOG)
		openlog(program, LOG_PID, LOG_DAEMON);
}

void log_name_instances(log_namer *name_of)
{
	__atomic_store_n(&settings.name_of, name_of, __ATOMIC_RELAXED);
}

bool log_enabled(enum log_level level)
{
	return level <= settings.level;
}

static int parse_level(const char *text, size_t len, enum log_level *ret_level)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strlen(level_names[i]) == len && strncasecmp(text, level_names[i], len) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -1;
}

int log_parse_level(const char *text, enum log_level *ret_level)
{
	return parse_level(text, strlen(text), ret_level);
}

/* Does a module path such as vhost_device_rng::x speak of this device? */
static bool names_device(const char *module, size_t len, const char *device)
{
	static const char prefix[] = "vhost_device_";
	size_t n = strlen(device);

	if (len == strlen("vhost_device") && strncmp(module, prefix, len) == 0)
		return true;
	if (len < sizeof(prefix) - 1 + n || strncmp(module, prefix, sizeof(prefix) - 1) != 0)
		return false;
	module += sizeof(prefix) - 1;
	len -= sizeof(prefix) - 1;
	return strncmp(module, device, n) == 0 && (len == n || module[n] == ':');
}

enum log_level log_filter_level(const char *filter, const char *device, enum log_level otherwise)
{
	enum log_level general = otherwise, own, level;
	bool has_own = false;
	const char *p = filter;

	own = otherwise;
	while (*p != '\0') {
		size_t n = strcspn(p, ",");
		const char *eq = memchr(p, '=', n);

		if (eq == NULL) {
			if (parse_level(p, n, &level) == 0)
				general = level;
		} else if (names_device(p, (size_t)(eq - p), device) &&
			   parse_level(eq + 1, n - (size_t)(eq + 1 - p), &level) == 0) {
			own = level;
			has_own = true;
		}
		p += n + (p[n] == ',');
	}
	return has_own ? own : general;
}

static void put_line(enum log_level level, const char *line)
{
	char out[LINE_MAX_BYTES + 64];
	int n;

	switch (settings.target) {
	case LOG_TARGET_SYSLOG:
		syslog(syslog_levels[level], "%s", line);
		return;
	case LOG_TARGET_JOURNAL:
		n = snprintf(out, sizeof(out), "<%d>%s\n", syslog_levels[level], line);
		break;
	case LOG_TARGET_STDERR:
	default:
		n = snprintf(out, sizeof(out), "%s: %s%s%s\n", settings.program,
			     level == LOG_LEVEL_ERROR ? "" : level_names[level],
			     level == LOG_LEVEL_ERROR ? "" : ": ", line);
		break;
	}
	/* One write per line keeps the lines of threads apart; a lost line is no failure. */
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		return;
}

static void log_va(enum log_level level, const struct instance *in, unsigned dropped,
		   const char *fmt, va_list ap) PRINTF_LIKE(4, 0);

static void log_va(enum log_level level, const struct instance *in, unsigned dropped,
		   const char *fmt, va_list ap)
{
	log_namer *name_of = __atomic_load_n(&settings.name_of, __ATOMIC_RELAXED);
	char line[LINE_MAX_BYTES];
	size_t n = 0;
	char *p;

	if (in != NULL && name_of != NULL)
		n = (size_t)snprintf(line, sizeof(line), "%.100s: ", name_of(in));
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	n = strlen(line);
	if (dropped > 0)
		snprintf(line + n, sizeof(line) - n, " (%u alike not shown)", dropped);
	for (p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	put_line(level, line);
}

void log_write(enum log_level level, const struct instance *in, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	log_va(level, in, 0, fmt, ap);
	va_end(ap);
}

void log_limited(struct log_limit *limit, enum log_level level, const struct instance *in,
		 const char *fmt, ...)
{
	struct timespec now;
	unsigned dropped = 0;
	va_list ap;

	if (!log_enabled(level))
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (limit->second != (uint64_t)now.tv_sec) {
		dropped = limit->dropped;
		limit->second = (uint64_t)now.tv_sec;
		limit->passed = 0;
		limit->dropped = 0;
	}
	if (limit->passed >= LINES_PER_SECOND) {
		limit->dropped++;
		return;
	}
	limit->passed++;
	va_start(ap, fmt);
	log_va(level, in, dropped, fmt, ap);
	va_end(ap);
}
