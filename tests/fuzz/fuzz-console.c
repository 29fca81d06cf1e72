/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile guest of a console with three ports, clients that come and go, an
 * operator, pauses and resets. Records of eight bytes: what happens, and the
 * fields that make a difference.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "console.h"
#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"

enum { RECORD = 8, MOST = 200, MS = 1000 * 1000, CLIENTS = 4, LARGE = 20000 };

extern const struct device device_console;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct console_conf conf;
static char dir[40];
static int clients[CLIENTS];
static uint8_t bytes[LARGE];

static const char *const ports[] = {
	"name=a,backend=uds,path=%s/0,scrollback=5000", "name=b,console=off,backend=uds,path=%s/1",
	"backend=null,console=off,absent=on",
};

static unsigned queue_of(unsigned port, bool tx)
{
	return (port == 0 ? CONSOLE_RXQ : 2 * port + 2) + tx;
}

/* id, event, value, length */
static void push_control(const uint8_t *r)
{
	const struct virtio_console_control m = {
		.id = le32((r[1] & 0x80) != 0 ? UINT32_MAX : r[1] & 7),
		.event = le16((r[2] & 0x80) != 0 ? 0xffff : r[2] & 15), .value = le16(r[3] & 3),
	};
	uint8_t long_one[64] = { 0 };

	memcpy(long_one, &m, sizeof(m));
	fake_push_to(CONSOLE_CONTROL_TXQ, long_one, (r[4] & 0x80) != 0 ? r[4] & 63 : sizeof(m),
		     (r[5] & 0x80) != 0);
}

static void push_data(const uint8_t *r)
{
	unsigned queue = queue_of(r[1] % 3, (r[1] & 0x40) != 0);
	size_t size = (r[2] | (size_t)r[3] << 8) % LARGE;
	struct chain *c;
	bool running = fake.running;

	fake.running = false;
	if ((r[1] & 0x40) != 0)
		c = fake_push_to(queue, bytes, size, (r[4] & 0x81) == 0x81);
	else
		c = fake_push_to(queue, bytes, (r[4] & 0x81) == 0x81, size);
	c->unmapped = (r[4] & 0x42) == 0x42;
	fake.running = running;
	if (running)
		fake_push_to(queue, bytes, (r[1] & 0x40) != 0, (r[1] & 0x40) == 0);
}

static void dial(unsigned i, unsigned port)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%u", dir, port);
	if (clients[i] >= 0 && connect(clients[i], (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(clients[i]);
		clients[i] = -1;
	}
}

static void client(const uint8_t *r)
{
	unsigned i = r[1] % CLIENTS;
	static uint8_t got[LARGE];

	if (clients[i] < 0) {
		dial(i, r[2] & 1);
		return;
	}
	switch (r[2] & 7) {
	case 0:
		close(clients[i]);
		clients[i] = -1;
		break;
	case 1:
		shutdown(clients[i], SHUT_WR);
		break;
	case 2:
	case 3:
		if (recv(clients[i], got, r[3] * 78u, MSG_DONTWAIT) == 0)
			shutdown(clients[i], SHUT_WR);
		break;
	default:
		if (send(clients[i], bytes, r[3] * 60u, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			shutdown(clients[i], SHUT_RD);
		break;
	}
}

static void operate(const uint8_t *r)
{
	static char names[][6] = { "a", "b", "2", "9" };
	static char sizes[][6] = { "80", "0", "65535", "70000" };
	static const char *const commands[] = { "plug", "unplug", "disconnect", "resize" };
	unsigned which = r[1] & 3;

	if (which < 3)
		fake_command(NULL, commands[which], 1, names[r[2] & 3]);
	else
		fake_command(NULL, commands[which], 3, names[r[2] & 3], sizes[r[3] & 3],
			     sizes[r[3] >> 2 & 3]);
}

static void pause_guest(const uint8_t *r)
{
	fake_stop();
	if ((r[1] & 1) != 0)
		fake_reset(RESET_DRIVER);
	fake.used_before = (r[1] & 2) != 0;
	fake_start();
}

static void run_record(const uint8_t *r, uint64_t *now)
{
	switch (r[0] % 8) {
	case 0:
	case 1:
		push_control(r);
		break;
	case 2:
		fake_push_to(CONSOLE_CONTROL_RXQ, bytes, (r[2] & 0x80) != 0, r[1] & 63);
		break;
	case 3:
	case 4:
		push_data(r);
		break;
	case 5:
		client(r);
		break;
	case 6:
		if ((r[4] & 3) == 0)
			pause_guest(r);
		else
			operate(r);
		break;
	default:
		*now += r[1] * (uint64_t)MS * 20;
		break;
	}
	fake_at(*now);
}

static void open_device(uint64_t now)
{
	char text[200];
	unsigned i;

	snprintf(dir, sizeof(dir), "/tmp/fuzz-console-XXXXXX");
	bug_if(mkdtemp(dir) == NULL);
	memset(&conf, 0, sizeof(conf));
	opt_defaults(device_console.options, &conf);
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		const char *at = strstr(ports[i], "%s");

		snprintf(text, sizeof(text), "%.*s%s%s", at != NULL ? (int)(at - ports[i]) : 100,
			 ports[i], at != NULL ? dir : "", at != NULL ? at + 2 : "");
		bug_if(opt_set(opt_find(device_console.options, "port", 4), &conf, text, NULL) < 0);
	}
	for (i = 0; i < CLIENTS; i++)
		clients[i] = -1;
	fake_setup(&device_console, now);
	bug_if(fake_open(&conf, 1, NULL) != 0);
	fake_start();
}

/* Output ends with length 0; whoever was given a buffer back as done got something. */
static void check_chain(const struct chain *c)
{
	bool tx = c->queue % 2 != 0;

	bug_if(tx && c->end != FAKE_OPEN && c->used != 0);
	bug_if(!tx && c->end == FAKE_DONE && (c->used == 0 || c->used > c->put_size));
	bug_if(c->queue == CONSOLE_CONTROL_TXQ && c->popped && c->end == FAKE_OPEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = MS;
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	open_device(now);
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD)
		run_record(data, &now);
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_chain(&fake.chains[i]);
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
	for (i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0)
			close(clients[i]);
	}
	opt_finish(device_console.options, &conf);
	rmdir(dir);
	return 0;
}
