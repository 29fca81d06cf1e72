/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A console device on the stand-in for the core. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "console-rig.h"

char con_dir[40];
static struct console_conf conf;
static bool defaults;
static bool seen[FAKE_CHAINS];

static void make_dir(void)
{
	if (defaults)
		return;
	snprintf(con_dir, sizeof(con_dir), "/tmp/test-console-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(con_dir));
	memset(&conf, 0, sizeof(conf));
	memset(seen, 0, sizeof(seen));
	opt_defaults(device_console.options, &conf);
	defaults = true;
}

void con_option(const char *name, const char *value)
{
	const struct option *row = opt_find(device_console.options, name, strlen(name));
	struct error err = ERROR_NONE;
	char text[600];
	const char *at;

	make_dir();
	ck_assert_ptr_nonnull(row);
	at = value != NULL ? strstr(value, "%s") : NULL;
	if (at != NULL)
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - value), value, con_dir, at + 2);
	else if (value != NULL)
		snprintf(text, sizeof(text), "%s", value);
	ck_assert_msg(opt_set(row, &conf, value != NULL ? text : NULL, &err) == 0, "%s", err.text);
}

int con_try(struct error *err)
{
	make_dir();
	fake_setup(&device_console, CON_START);
	return fake_open(&conf, 1, err);
}

void con_begin(void)
{
	struct error err = ERROR_NONE;

	ck_assert_msg(con_try(&err) == 0, "%s", err.text);
	fake_start();
}

static void remove_dir(void)
{
	DIR *d = opendir(con_dir);
	const struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	rmdir(con_dir);
}

void con_finish(void)
{
	if (fake.running)
		fake_stop();
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
	opt_finish(device_console.options, &conf);
	remove_dir();
	defaults = false;
}

/* ---- clients ---- */

int con_dial(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", con_dir, name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	con_turns();
	return fd;
}

void con_turns(void)
{
	fake_settle();
}

/* One turn, and a moment for others to get on. */
static void wait_a_little(unsigned *ms)
{
	ck_assert_uint_lt((*ms)++, CON_WAIT_MS);
	fake_settle();
	poll(NULL, 0, 1);
}

void con_expect(int fd, const void *bytes, size_t n)
{
	const uint8_t *want = bytes;
	uint8_t buf[4096];
	unsigned ms = 0;
	size_t done = 0;
	ssize_t got;

	while (done < n) {
		got = read(fd, buf, n - done < sizeof(buf) ? n - done : sizeof(buf));
		if (got < 0) {
			ck_assert_int_eq(errno, EAGAIN);
			wait_a_little(&ms);
			continue;
		}
		ck_assert_int_gt(got, 0);
		ck_assert_msg(memcmp(buf, want + done, (size_t)got) == 0, "at byte %zu", done);
		done += (size_t)got;
		fake_settle();
	}
}

void con_expect_end(int fd)
{
	unsigned ms = 0;
	char byte;
	ssize_t got;

	while ((got = read(fd, &byte, 1)) < 0 && errno == EAGAIN)
		wait_a_little(&ms);
	ck_assert_int_le(got, 0);
}

/* ---- the guest ---- */

unsigned con_rxq(unsigned port)
{
	return port == 0 ? CONSOLE_RXQ : 2 * port + 2;
}

unsigned con_txq(unsigned port)
{
	return con_rxq(port) + 1;
}

void con_control(uint32_t id, unsigned event, unsigned value)
{
	const struct virtio_console_control m = { le32(id), le16((uint16_t)event),
		le16((uint16_t)value) };

	fake_push_to(CONSOLE_CONTROL_TXQ, &m, sizeof(m), 0);
	fake_settle();
}

void con_control_buffers(unsigned n, size_t size)
{
	while (n-- > 0)
		fake_push_to(CONSOLE_CONTROL_RXQ, NULL, 0, size);
	fake_settle();
}

static const struct chain *next_of(unsigned queue)
{
	const struct chain *c, *first = NULL;
	unsigned i;

	for (i = 0; i < fake.pushed; i++) {
		c = &fake.chains[i];
		if (c->queue == queue && c->end == FAKE_DONE && !seen[i] &&
		    (first == NULL || c->order < first->order))
			first = c;
	}
	if (first != NULL)
		seen[first - fake.chains] = true;
	return first;
}

const char *con_told(void)
{
	static const char *const names[] = { "READY", "ADD", "REMOVE", "PORT_READY", "CONSOLE",
		"RESIZE", "OPEN", "NAME" };
	static char text[100];
	const struct chain *c = next_of(CONSOLE_CONTROL_RXQ);
	struct virtio_console_control m;
	struct virtio_console_resize size;
	int n;

	if (c == NULL)
		return "";
	ck_assert_uint_ge(c->used, sizeof(m));
	memcpy(&m, c->put, sizeof(m));
	ck_assert_uint_lt(le16_get(m.event), ARRAY_SIZE(names));
	n = snprintf(text, sizeof(text), "%u %s %u", le32_get(m.id), names[le16_get(m.event)],
		     le16_get(m.value));
	if (le16_get(m.event) == VIRTIO_CONSOLE_PORT_NAME) {
		snprintf(text + n, sizeof(text) - (size_t)n, " %.*s", (int)(c->used - sizeof(m)),
			 (const char *)c->put + sizeof(m));
	} else if (le16_get(m.event) == VIRTIO_CONSOLE_RESIZE) {
		ck_assert_uint_eq(c->used, sizeof(m) + sizeof(size));
		memcpy(&size, c->put + sizeof(m), sizeof(size));
		snprintf(text + n, sizeof(text) - (size_t)n, " %u %u", le16_get(size.cols),
			 le16_get(size.rows));
	} else {
		ck_assert_uint_eq(c->used, sizeof(m));
	}
	return text;
}

void con_told_is(const char *text)
{
	ck_assert_str_eq(con_told(), text);
}

void con_open_ports(unsigned n)
{
	unsigned i;

	con_control_buffers(5 * n, CON_BUFFER);
	con_control(UINT32_MAX, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (i = 0; i < n; i++) {
		con_control(i, VIRTIO_CONSOLE_PORT_READY, 1);
		con_control(i, VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
	while (*con_told() != '\0')
		;
}

void con_buffers(unsigned port, unsigned n, size_t size)
{
	while (n-- > 0)
		fake_push_to(con_rxq(port), NULL, 0, size);
	fake_settle();
}

size_t con_got(unsigned port, void *buf, size_t max)
{
	const struct chain *c;
	size_t n = 0;

	fake_settle();
	while ((c = next_of(con_rxq(port))) != NULL) {
		/* Each buffer brings something (5.3.6). */
		ck_assert_uint_ge(c->used, 1);
		ck_assert_uint_le(c->used, c->put_size);
		ck_assert_uint_le(n + c->used, max);
		memcpy((uint8_t *)buf + n, c->put, c->used);
		n += c->used;
	}
	return n;
}

struct chain *con_print(unsigned port, const void *bytes, size_t n)
{
	struct chain *c = fake_push_to(con_txq(port), bytes, n, 0);

	fake_settle();
	return c;
}
