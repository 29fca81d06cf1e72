/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The executable under test as a child process, in a folder of its own.
 *
 * VHOST_DEVICE names the executable; its base name may also be that of an
 * applet, as in vhost-device-rng, ours or another project's: then only tests
 * of that device run. VHOST_DEVICE_WRAPPER is put before it (valgrind -q ...).
 */
#ifndef TESTS_SERVER_H
#define TESTS_SERVER_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

enum { SERVER_MS = 20000 };     /* generous: sanitizers, valgrind, a busy machine */

#define ck_ok(x) do { \
	int ok_ = (x); \
	ck_assert_msg(ok_ >= 0, "%s: %d %s", #x, ok_, err.text); \
} while (0)
/* An assertion for loops: check reports every ck_assert through a file. */
#define must(x) do { if (!(x)) ck_abort_msg("not so: %s", #x); } while (0)

struct server {
	pid_t pid;
	char dir[40];
};

/* Can the executable serve this device? Tests of it are left out otherwise. */
bool server_has(const char *device);
/* Says so in TAP; the status to exit with. */
int server_skip(const char *device);

/* NULL-ended; a leading '@' of a word stands for the server's folder and a '/'. */
void server_start(struct server *s, const char *device, const char *const *args);
/* `run` with this INI text, each '@' replaced in the same way. */
void server_start_ini(struct server *s, const char *ini);
/* SIGTERM: must end within its second, with status 0, sockets gone. */
void server_stop(struct server *s);
/* The same outside of tests: true, or false and why. */
bool server_end(struct server *s, char *ret_why, size_t n);
/* For fixtures: the same if it runs still. After a failed test the log is shown. */
void server_clean_up(struct server *s);
bool server_lives(const struct server *s);
const char *server_path(const struct server *s, const char *name);

unsigned server_fds(const struct server *s);
unsigned server_threads(const struct server *s);
unsigned server_mappings(const struct server *s);
/* Private memory in KiB, and time on the CPU in milliseconds. */
unsigned server_private(const struct server *s);
unsigned server_cpu(const struct server *s);
/* Waits until the number of open files is that again; the last number. */
unsigned server_await_fds(const struct server *s, unsigned want);

#endif
