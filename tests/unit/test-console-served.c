/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The console device on real rings: megabytes both ways, pauses, every kind of end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "served.h"
#include "suite.h"
#include "wire/virtio-console.h"

enum { SIZE = 64, PAGE = 4096, BULK = 3 << 20, MS = 20000, RINGS = 4, CTL = 512,
	REGION = 2 << 20, OUT_STEP = 16384 };

extern const struct device device_console;

static const uint64_t layouts[] = {
	0, BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED),
	BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_EVENT_IDX),
};

static struct fe_ring *rings[RINGS];
static uint64_t base;
static uint8_t *view, *pattern;
static char dir[40];

/* ---- the guest ---- */

static void option(const char *name, const char *format)
{
	char text[200];
	const char *at = strstr(format, "%s");

	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - format), format, dir, at + 2);
	served_option(&device_console, name, text);
}

static void make_dir(void)
{
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	snprintf(dir, sizeof(dir), "/tmp/test-console-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	pattern = malloc(BULK);
	for (i = 0; i < BULK; i++)
		pattern[i] = (uint8_t)(i * 31 + i / 251 + (i >> 16));
}

static void start_rings(uint64_t features)
{
	const struct fe_mem_spec spec = { .guest = 0x100000, .size = REGION + (1 << 20) };
	struct fe_ring_setup setup = { .size = SIZE, .indirect = 16 };

	features |= BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
		BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_CONSOLE_F_MULTIPORT);
	served_ok(fe_negotiate(served.fe, fe_all_protocol_features() &
			       ~BIT(VU_PF_INBAND_NOTIFICATIONS), &served.err));
	served_ok(fe_set_features(served.fe, features, &served.err));
	served.mem = fe_mem_new();
	served_ok(fe_mem_add(served.mem, &spec, &served.err));
	served_ok(fe_mem_alloc(served.mem, 0, REGION, PAGE, &base));
	view = fe_mem_at(served.mem, base, REGION);
	served_ok(fe_mem_send(served.mem, served.fe, &served.err));
	setup.features = features;
	for (setup.index = 0; setup.index < RINGS; setup.index++) {
		served_ok(fe_ring_new(served.mem, &setup, &rings[setup.index], &served.err));
		served_ok(fe_ring_start(rings[setup.index], served.fe, &served.err));
	}
}

static void tell(uint32_t id, uint16_t event)
{
	const struct virtio_console_control m = { le32(id), le16(event), le16(1) };
	const struct fe_seg seg = { base + REGION - CTL, sizeof(m) };
	struct fe_ring *r = rings[CONSOLE_CONTROL_TXQ];
	struct fe_used used;

	memcpy(view + REGION - CTL, &m, sizeof(m));
	served_ok(fe_ring_add(r, &seg, 1, 0, 0, &used));
	served_ok(fe_ring_kick(r, served.fe, &served.err));
	served_ok(fe_ring_wait(r, served.fe, MS, &served.err));
	ck_assert_int_eq(fe_ring_get(r, &used, &served.err), 1);
	ck_assert_uint_eq(used.len, 0);
}

static void begin(uint64_t features)
{
	served_open(&device_console);
	start_rings(features);
	tell(UINT32_MAX, VIRTIO_CONSOLE_DEVICE_READY);
	tell(0, VIRTIO_CONSOLE_PORT_READY);
	tell(0, VIRTIO_CONSOLE_PORT_OPEN);
}

static void finish(void)
{
	char command[60];
	unsigned i;

	for (i = 0; i < RINGS; i++)
		fe_ring_stop(rings[i], served.fe, NULL);
	for (i = 0; i < RINGS; i++)
		fe_ring_free(rings[i]);
	served_close();
	free(pattern);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Slot i of the first megabyte is a page for input, of the second one for output. */
static void post(unsigned slot)
{
	const struct fe_seg segs[2] = { { base + (uint64_t)slot * PAGE, 1000 },
		{ base + (uint64_t)slot * PAGE + 1000, PAGE - 1000 } };

	served_ok(fe_ring_add(rings[CONSOLE_RXQ], segs, 0, 2, FE_ADD_INDIRECT,
			      view + (size_t)slot * PAGE));
}

/* The next bytes from the host, as many as come at once; their buffer is posted again. */
static size_t receive(uint8_t *to, size_t max)
{
	struct fe_ring *r = rings[CONSOLE_RXQ];
	struct fe_used used;

	served_ok(fe_ring_wait(r, served.fe, MS, &served.err));
	ck_assert_int_eq(fe_ring_get(r, &used, &served.err), 1);
	ck_assert_uint_ge(used.len, 1);
	ck_assert_uint_le(used.len, max);
	memcpy(to, used.token, used.len);
	memset(used.token, 0xee, PAGE);
	post((unsigned)((uint8_t *)used.token - view) / PAGE);
	served_ok(fe_ring_kick(r, served.fe, &served.err));
	return used.len;
}

static void expect_input(size_t n)
{
	uint8_t *got = malloc(n + PAGE);
	size_t done = 0;

	while (done < n)
		done += receive(got + done, n - done);
	ck_assert_int_eq(memcmp(got, pattern, n), 0);
	free(got);
}

static void reap(unsigned *busy)
{
	struct fe_used used;

	while (fe_ring_get(rings[CONSOLE_TXQ], &used, &served.err) == 1) {
		ck_assert_uint_eq(used.len, 0);
		*busy &= ~(1U << (unsigned)(((uint8_t *)used.token - view - (1 << 20)) /
					    OUT_STEP));
	}
}

/*
 * As the guest prints: as many at once as there is room for, of odd pieces and
 * of at least so many bytes but the last.
 */
static void print(size_t n, size_t least, bool wait)
{
	unsigned busy = 0, slot;
	size_t done = 0, part;

	while (done < n || (wait && busy != 0)) {
		reap(&busy);
		for (slot = 0; slot < 32 && done < n; slot++) {
			const uint64_t at = base + (1 << 20) + (uint64_t)slot * OUT_STEP;
			struct fe_seg segs[3] = { { at, 1 }, { at + 1, 998 }, { at + 999, 0 } };

			if (busy & 1U << slot)
				continue;
			part = least + (done / 7) % (OUT_STEP - least);
			part = part < n - done ? part : n - done;
			if (part < 1000)
				segs[0].len = (uint32_t)part;
			else
				segs[2].len = (uint32_t)part - 999;
			memcpy(view + (at - base), pattern + done, part);
			served_ok(fe_ring_add(rings[CONSOLE_TXQ], segs, part < 1000 ? 1 : 3, 0,
					      FE_ADD_INDIRECT, view + (at - base)));
			busy |= 1U << slot;
			done += part;
		}
		served_ok(fe_ring_kick(rings[CONSOLE_TXQ], served.fe, &served.err));
		if (busy != 0 && (wait || done < n))
			served_ok(fe_ring_wait(rings[CONSOLE_TXQ], served.fe, MS, &served.err));
	}
}

/* ---- the host ---- */

static int dial(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

struct work {
	pthread_t thread;
	int fd;
	size_t n, done;
	bool same;
};

static void *reader(void *arg)
{
	struct work *w = arg;
	uint8_t buf[30000];
	ssize_t got = 1;

	w->same = true;
	while (w->done < w->n && got > 0) {
		got = read(w->fd, buf, w->n - w->done < sizeof(buf) ? w->n - w->done : sizeof(buf));
		if (got > 0)
			w->same = w->same && memcmp(buf, pattern + w->done, (size_t)got) == 0;
		w->done += got > 0 ? (size_t)got : 0;
	}
	return NULL;
}

static void *writer(void *arg)
{
	struct work *w = arg;
	ssize_t got = 1;

	while (w->done < w->n && got > 0) {
		got = write(w->fd, pattern + w->done, w->n - w->done);
		w->done += got > 0 ? (size_t)got : 0;
	}
	return NULL;
}

static void start(struct work *w, void *(*run)(void *arg), int fd, size_t n)
{
	*w = (struct work){ .fd = fd, .n = n };
	ck_assert_int_eq(pthread_create(&w->thread, NULL, run, w), 0);
}

static void join(struct work *w)
{
	pthread_join(w->thread, NULL);
	ck_assert_uint_eq(w->done, w->n);
}

/* Both ways at once. */
START_TEST(megabytes_go_both_ways)
{
	struct work in, out;
	unsigned i;
	int fd;

	make_dir();
	option("port", "backend=uds,path=%s/c");
	begin(layouts[_i]);
	fd = dial("c");
	for (i = 0; i < SIZE / 2; i++)
		post(i);
	served_ok(fe_ring_kick(rings[CONSOLE_RXQ], served.fe, &served.err));
	start(&in, writer, fd, BULK);
	start(&out, reader, fd, BULK);
	print(BULK, 1001, true);
	expect_input(BULK);
	join(&in);
	join(&out);
	ck_assert(out.same);
	close(fd);
	finish();
}
END_TEST

/* A reader who does not read, a pause, and then he reads: nothing is missing, nothing twice. */
START_TEST(a_pause_in_the_middle)
{
	struct work out;
	size_t n = 400000;
	int fd;

	make_dir();
	option("port", "console=off,backend=uds,path=%s/c");
	begin(layouts[_i]);
	fd = dial("c");
	/* All of it fits into the ring: nothing may have to end now. */
	print(n, 15000, false);
	served_ok(fe_ring_stop(rings[CONSOLE_TXQ], served.fe, &served.err));
	served_ok(fe_ring_start(rings[CONSOLE_TXQ], served.fe, &served.err));
	served_ok(fe_ring_force_kick(rings[CONSOLE_TXQ], served.fe, &served.err));
	start(&out, reader, fd, n);
	join(&out);
	ck_assert(out.same);
	close(fd);
	finish();
}
END_TEST

static void expect_file(const char *name, size_t n)
{
	char path[80];
	struct work w = { .n = n };

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	w.fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(w.fd, 0);
	reader(&w);
	ck_assert_uint_eq(w.done, n);
	ck_assert(w.same);
	close(w.fd);
}

static size_t file_size(const char *name)
{
	char path[80];
	int fd;
	off_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	close(fd);
	return (size_t)n;
}

static void await_file(const char *name, size_t n)
{
	unsigned ms;

	for (ms = 0; file_size(name) < n; ms++) {
		ck_assert_uint_lt(ms, MS);
		poll(NULL, 0, 1);
	}
	expect_file(name, n);
}

START_TEST(files_have_all_of_it)
{
	static const char *const ends[] = { "backend=file,path=%s/f",
		"backend=null,log=LOG/f", "console=off,backend=null,log=LOG/f" };
	char text[200];

	make_dir();
	snprintf(text, sizeof(text), "%s", ends[_i]);
	if (_i > 0) {
		const char *at = strstr(ends[_i], "LOG");

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - ends[_i]), ends[_i], dir,
			 at + 3);
		served_option(&device_console, "port", text);
	} else {
		option("port", ends[_i]);
	}
	begin(0);
	print(BULK, 1001, true);
	await_file("f", BULK);
	finish();
}
END_TEST

START_TEST(a_program_answers)
{
	unsigned i;

	make_dir();
	served_option(&device_console, "port", "backend=program,command=exec cat");
	begin(0);
	for (i = 0; i < SIZE / 2; i++)
		post(i);
	served_ok(fe_ring_kick(rings[CONSOLE_RXQ], served.fe, &served.err));
	print(100000, 1001, true);
	expect_input(100000);
	finish();
}
END_TEST

/* Users of a pseudo-terminal come and go. */
START_TEST(a_pseudo_terminal)
{
	struct work out, in;
	char path[80];
	unsigned i;
	int fd;

	make_dir();
	option("port", "console=off,backend=pty,path=%s/tty");
	begin(0);
	for (i = 0; i < SIZE / 2; i++)
		post(i);
	served_ok(fe_ring_kick(rings[CONSOLE_RXQ], served.fe, &served.err));
	snprintf(path, sizeof(path), "%s/tty", dir);
	for (i = 0; i < 2; i++) {
		fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
		ck_assert_int_ge(fd, 0);
		start(&out, reader, fd, 20000);
		print(20000, 1001, true);
		join(&out);
		ck_assert(out.same);
		start(&in, writer, fd, 20000);
		expect_input(20000);
		join(&in);
		close(fd);
	}
	finish();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("console-served");
	TCase *tc = tcase_create("console-served");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, megabytes_go_both_ways, 0, ARRAY_SIZE(layouts));
	tcase_add_loop_test(tc, a_pause_in_the_middle, 0, ARRAY_SIZE(layouts));
	tcase_add_loop_test(tc, files_have_all_of_it, 0, 3);
	tcase_add_test(tc, a_program_answers);
	tcase_add_test(tc, a_pseudo_terminal);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
