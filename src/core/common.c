/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Rows of the options that every device has. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/common.h"
#include "vhost-device/num.h"

#define GROUPS "/etc/group"

static int parse_mode(const char *text, void *target, struct error *err)
{
	struct maybe_int *mode = target;
	int value = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '7' && value <= 0777; p++)
		value = value * 8 + (*p - '0');
	if (p == text || *p != '\0' || value > 0777)
		return error_set(err, -EINVAL, "must be octal permissions, 0 to 0777");
	*mode = (struct maybe_int){ true, value };
	return 0;
}

/*
 * Not getgrnam(): it loads the libraries of the name services at run time,
 * which a static executable cannot have.
 */
static int find_group(const char *name, gid_t *ret_gid)
{
	FILE *f = fopen(GROUPS, "re");
	const struct group *entry;
	int ret = -ENOENT;

	if (f == NULL)
		return -errno;
	while (ret < 0 && (entry = fgetgrent(f)) != NULL) {
		if (strcmp(entry->gr_name, name) != 0)
			continue;
		*ret_gid = entry->gr_gid;
		ret = 0;
	}
	fclose(f);
	return ret;
}

static int parse_group(const char *text, void *target, struct error *err)
{
	struct maybe_int *group = target;
	uint64_t number;
	gid_t gid = 0;
	int ret;

	if (num_parse(text, 0, INT_MAX, &number) == 0) {
		*group = (struct maybe_int){ true, (int)number };
		return 0;
	}
	ret = find_group(text, &gid);
	if (ret == -ENOENT)
		return error_set(err, ret, "no such group in " GROUPS ": give its number");
	if (ret < 0)
		return error_set(err, ret, GROUPS " cannot be read: %s: give the group's number",
				 strerror(-ret));
	*group = (struct maybe_int){ true, (int)gid };
	return 0;
}

static int parse_fd(const char *text, void *target, struct error *err)
{
	struct maybe_int *fd = target;
	uint64_t value;

	if (num_parse(text, 0, INT_MAX, &value) < 0)
		return error_set(err, -EINVAL, "must be the number of an open file");
	*fd = (struct maybe_int){ true, (int)value };
	return 0;
}

static const char *const socket_aliases[] = { "socket", NULL };
static const char *const queue_size_aliases[] = { "max-queue-size", NULL };
static const char *const not_with_path[] = { "socket-fd", "fd", "client", NULL };
static const char *const not_with_fds[] = { "fd", "client", NULL };
static const char *const not_with_fd[] = { "client", NULL };
static const char *const not_with_once[] = { "persistent", NULL };
static const char *const log_levels[] = { "off", "error", "warn|warning", "info", "debug",
	"trace", NULL };
static const char *const log_targets[] = { "stderr", "syslog", "journal", NULL };

const struct option socket_rows[] = {
	{ "socket-path", "PATH", "Listen on this Unix socket. Devices that serve several guests "
	  "append the number of the guest, from 0.", NULL, OPT_PATH, OPT_REQUIRED, .brief = 's',
	  .aliases = socket_aliases, .excludes = not_with_path, OPT(struct socket_conf, path) },
	{ "socket-count", "N", "Number of guests, each with a socket of its own.", "1", OPT_UINT,
	  .brief = 'c', .min = 1, .max = 65535, OPT(struct socket_conf, count) },
	{ "socket-fd", "FD", "Use this inherited socket, which listens or is connected. One "
	  "for each guest.", NULL, OPT_UINT, OPT_LIST, .max = INT_MAX, .excludes = not_with_fds,
	  OPT_ITEMS(struct socket_conf, fds, uint32_t) },
	{ "fd", "FD", "Use this inherited connected socket for one session. One for each guest.",
	  NULL, OPT_UINT, OPT_LIST, .max = INT_MAX, .excludes = not_with_fd,
	  OPT_ITEMS(struct socket_conf, connected_fds, uint32_t) },
	{ "client", "PATH", "Connect to a front end that listens on this Unix socket, again when "
	  "it went away. With several guests the number of the guest is appended.", NULL,
	  OPT_PATH, OPT(struct socket_conf, client) },
	{ "socket-mode", "MODE", "Octal permissions of the socket. Without it the umask decides.",
	  NULL, OPT_CUSTOM, .parse = parse_mode, OPT(struct socket_conf, mode) },
	{ "socket-group", "GROUP", "Group of the socket, a name or a number.", NULL, OPT_CUSTOM,
	  .parse = parse_group, OPT(struct socket_conf, group) },
	{ "control", "PATH", "Take commands on this Unix socket, see the command control. With "
	  "several guests the number of the guest is appended.", NULL, OPT_PATH,
	  OPT(struct socket_conf, control) },
	{ "queue-size", "N", "Largest ring a guest may set up, a power of two. Without it the "
	  "device decides.", NULL, OPT_UINT, .min = 1, .max = 32768,
	  .aliases = queue_size_aliases, OPT(struct socket_conf, queue_size) },
	{ "no-packed", NULL, "Offer split rings only, for front ends and guests whose packed rings "
	  "do not work.", NULL, OPT_FLAG, OPT(struct socket_conf, no_packed) },
	{ "inband", NULL, "Offer notifications that are messages, which User-Mode Linux needs "
	  "for time travel. It takes them whenever they are offered, and is much slower then.",
	  NULL, OPT_FLAG, OPT(struct socket_conf, inband) },
	{ "once", NULL, "End after one session.", NULL, OPT_FLAG, .excludes = not_with_once,
	  OPT(struct socket_conf, once) },
	{ "persistent", NULL, "Serve one session after the other. Default, except for devices "
	  "that end after one.", NULL, OPT_FLAG, OPT(struct socket_conf, persistent) },
	{ "config", "FILE", "Take what the command line leaves open from this INI file, see "
	  "vhost-device(5).", NULL, OPT_PATH, OPT_NO_FILE, OPT(struct socket_conf, config) },
	{ "print-capabilities", NULL, "Print what the device can do as JSON, ignoring every other "
	  "option.", NULL, OPT_FLAG, OPT_NO_FILE | OPT_STOP,
	  OPT(struct socket_conf, print_capabilities) },
	{ NULL }
};

const struct option process_rows[] = {
	{ "threads", "N", "Largest number of threads that serve instances.", "1", OPT_UINT,
	  .min = 1, .max = 1024, OPT(struct process_conf, threads) },
	{ "poll-us", "MICROSECONDS", "Spin this long on the rings before sleeping. It makes "
	  "answers faster and costs a processor while a guest is busy.", "0", OPT_UINT,
	  .max = 1000000, OPT(struct process_conf, poll_us) },
	{ "ready-fd", "FD", "Write a line to this inherited file when every socket is ready.",
	  NULL, OPT_CUSTOM, .parse = parse_fd, OPT(struct process_conf, ready_fd) },
	{ "log-level", "LEVEL", "What to log. RUST_LOG is honoured when this is not given.",
	  "warn", OPT_CHOICE, .words = log_levels, OPT(struct process_conf, log_level) },
	{ "log-target", "TARGET", "Where to log.", "stderr", OPT_CHOICE, .words = log_targets,
	  OPT(struct process_conf, log_target) },
	{ "help", NULL, "Print help. -h prints the first sentence of each option's.", NULL,
	  OPT_FLAG, OPT_NO_FILE | OPT_STOP, .brief = 'h', OPT(struct process_conf, help) },
	{ "version", NULL, "Print the version.", NULL, OPT_FLAG, OPT_NO_FILE | OPT_STOP,
	  .brief = 'V', OPT(struct process_conf, version) },
	{ NULL }
};

const struct option *common_row(const char *name)
{
	const struct option *row = opt_find(socket_rows, name, strlen(name));

	if (row == NULL)
		row = opt_find(process_rows, name, strlen(name));
	bug_if(row == NULL);
	return row;
}
