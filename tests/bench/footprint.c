/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a server costs that has nothing to do: bytes on disk, memory, time to start. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "server.h"

enum { STARTS = 21, INSTANCES = 1000, IDLE_MS = 2000, KIB = 1024 };

static void size_of_executable(void)
{
	char command[600], path[] = "/tmp/vhost-device-bench-XXXXXX";
	int fd = mkstemp(path);
	struct stat st;

	if (fd < 0)
		bench_fail("no temporary file");
	close(fd);
	snprintf(command, sizeof(command), "strip -o %s '%s'", path, getenv("VHOST_DEVICE"));
	if (system(command) == 0 && stat(path, &st) == 0)
		bench_row("executable, stripped", (double)st.st_size / KIB, "KiB", GOAL_AT_MOST,
			  150);
	unlink(path);
}

/* A program that makes an event loop and waits; its path is compiled in. */
static double memory_of_empty(void)
{
	struct server empty = { 0 };
	int ready[2], status;
	double kib;
	char byte;

	if (pipe(ready) < 0)
		bench_fail("no pipe");
	empty.pid = fork();
	if (empty.pid == 0) {
		dup2(ready[1], 1);
		execl(BENCH_EMPTY, BENCH_EMPTY, (char *)NULL);
		_exit(127);
	}
	if (read(ready[0], &byte, 1) != 1)
		bench_fail("%s does not start", BENCH_EMPTY);
	kib = server_private(&empty);
	kill(empty.pid, 15);
	waitpid(empty.pid, &status, 0);
	close(ready[0]);
	close(ready[1]);
	return kib;
}

static void end(struct server *s)
{
	char why[100];

	if (!server_end(s, why, sizeof(why)))
		bench_fail("%s", why);
}

/* Until it says that it listens, by --ready-fd. */
static double start(struct server *s, const char *device, const char *socket, const char *count)
{
	const char *args[] = { "-s", socket, "--ready-fd", NULL, "-c", count, NULL };
	uint64_t begin = bench_now_ns();
	struct pollfd p;
	char number[12], line[16];
	int ready[2];

	if (pipe(ready) < 0)
		bench_fail("no pipe");
	snprintf(number, sizeof(number), "%d", ready[1]);
	args[3] = number;
	server_start(s, device, args);
	close(ready[1]);
	p = (struct pollfd){ .fd = ready[0], .events = POLLIN };
	if (poll(&p, 1, SERVER_MS) != 1 || read(ready[0], line, sizeof(line)) <= 0)
		bench_fail("the server does not start");
	close(ready[0]);
	return (double)(bench_now_ns() - begin) / 1e6;
}

static void time_to_start(void)
{
	double ms[STARTS];
	struct server s = { 0 };
	unsigned i;

	for (i = 0; i < STARTS; i++) {
		ms[i] = start(&s, "rng", "@r.sock", "1");
		end(&s);
	}
	bench_row("start to listening, median of 21", bench_median(ms, STARTS), "ms", GOAL_AT_MOST,
		  5);
}

static void memory_of_one(void)
{
	struct server s = { 0 };
	double empty = memory_of_empty(), ours;

	start(&s, "rng", "@r.sock", "1");
	ours = server_private(&s);
	end(&s);
	bench_row("private memory, an empty libevent program", empty, "KiB", GOAL_NONE, 0);
	bench_row("private memory, idle rng", ours, "KiB", GOAL_NONE, 0);
	bench_row("private memory, difference", ours - empty, "KiB", GOAL_AT_MOST, 1024);
}

static void many(void)
{
	struct server s = { 0 };
	double ms = start(&s, "rng", "@r.sock", "1000");
	unsigned cpu;

	bench_row("1000 instances, start", ms, "ms", GOAL_NONE, 0);
	bench_row("1000 instances, private memory", server_private(&s) / (double)KIB, "MiB",
		  GOAL_AT_MOST, 40);
	cpu = server_cpu(&s);
	poll(NULL, 0, IDLE_MS);
	bench_row("1000 instances, processor time of 2 s idle", server_cpu(&s) - cpu, "ms",
		  GOAL_AT_MOST, 0);
	end(&s);
}

void bench_footprint(void)
{
	size_of_executable();
	memory_of_one();
	time_to_start();
	many();
}
