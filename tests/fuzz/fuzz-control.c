/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A client of the operator's socket. The first byte says in pieces of how many
 * bytes the rest is sent, and how the client leaves. Whatever it sent, the next
 * one is served.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control.h"
#include "core/log-core.h"
#include "vhost-device/fd.h"

/* After LATE_S nobody is waited for, not for an answer to reload either. */
enum { PIECE = 0x3f, HALF_CLOSE = 0x40, LEAVE = 0x80, TURNS = 4, LATE_S = 61, WORDS_MOST = 31 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static struct control *control;
static unsigned reloads;
static char folder[] = "/tmp/fuzz-control-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static uint64_t now = 1;

static int say(struct instance *in, struct said *r, char **words, unsigned n, struct error *err)
{
	unsigned i;

	bug_if(n > WORDS_MOST);
	for (i = 0; i < n; i++) {
		bug_if(words[i][0] == '\0' || strpbrk(words[i], " \t\r\n") != NULL);
		control_say(r, "<%s>", words[i]);
	}
	return n == 3 ? error_set(err, -EIO, "three") : 0;
}

static const struct device_command commands[] = {
	{ "say", "WORD...", "Say the words.", 0, WORDS_MOST, say },
	{ "s", "A B", "Say both.", 2, 2, say },
	{ NULL, NULL, NULL, 0, 0, NULL }
};

static const struct device device = { .name = "fuzz", .commands = commands };

/* Answered sometimes, at once; else never. */
static void reload(void *ctx)
{
	struct error err = ERROR_NONE;

	if (reloads++ % 2 == 0)
		control_reloaded(control, &err);
}

static void clean_up(void)
{
	control_free(control);
	loop_free(loop);
	rmdir(folder);
}

static void begin(void)
{
	const struct control_host host = { reload, NULL };
	struct error err = ERROR_NONE;

	if (loop != NULL)
		return;
	signal(SIGPIPE, SIG_IGN);
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	bug_if(mkdtemp(folder) == NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", folder);
	loop = loop_new(&err);
	bug_if(loop == NULL);
	loop_fake_clock(loop, now);
	control = control_new(loop, NULL, &device, address.sun_path, &host, &err);
	bug_if(control == NULL);
	atexit(clean_up);
}

static void turns(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++)
		loop_turn(loop, false);
}

static int connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	bug_if(fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0);
	return fd;
}

/* Bytes of the answer on fd, all of which is there. */
static size_t read_answer(int fd, char *text, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while ((n = recv(fd, text + have, size - 1 - have, 0)) > 0)
		have += (size_t)n;
	text[have] = '\0';
	return have;
}

static void check_served(void)
{
	CLOSE_FD int fd = connect_client();
	char text[16];

	bug_if(send(fd, "say x\n", 6, MSG_NOSIGNAL) != 6);
	turns();
	read_answer(fd, text, sizeof(text));
	bug_if(strcmp(text, "<x>") != 0);
}

static void send_pieces(int fd, const uint8_t *data, size_t size, size_t piece)
{
	size_t n;

	for (; size > 0; size -= n, data += n) {
		n = size < piece ? size : piece;
		if (send(fd, data, n, MSG_NOSIGNAL) < 0)
			return;
		turns();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[4096];
	size_t n;
	int fd;

	begin();
	if (size == 0)
		return 0;
	fd = connect_client();
	send_pieces(fd, data + 1, size - 1, (data[0] & PIECE) != 0 ? data[0] & PIECE : 4096);
	if (data[0] & HALF_CLOSE)
		shutdown(fd, SHUT_WR);
	if (data[0] & LEAVE)
		fd_close(&fd);
	turns();
	if (fd >= 0) {
		n = read_answer(fd, text, sizeof(text));
		bug_if(memcmp(text, "error: ", 7) == 0 && strchr(text, '\n') != text + n - 1);
	}
	now += LATE_S * 1000000000ULL;
	loop_fake_clock(loop, now);
	turns();
	fd_close(&fd);
	turns();
	check_served();
	return 0;
}
