/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest on this thread and a program of the host on another, with the back
 * end in between. Every figure is taken in rounds that alternate between the
 * back ends and a plain socket pair between the same two threads, since what
 * else the machine does changes all the time; ratios are medians of rounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "vhost-device/fd.h"
#include "vsock-guest.h"

enum { ROUNDS = 5, CASES = 11, BUFFER = 256 << 10, PORT = 1000, GUEST_PORT = 2000, SMALL = 64,
	LIMIT_MS = 200, NS_PER_MS = 1000000, PLAIN = 2, SIDES = 3, AT_ONCE = 32, CROWD = 10000 };

enum way { TO_GUEST, FROM_GUEST, TRIPS, CONNECTS_TO_GUEST, CONNECTS_FROM_GUEST, CROWD_OUT };

static const struct vsock_case {
	const char *name;
	enum way way;
	uint32_t write;
} cases[CASES] = {
	{ "to_guest_1k", TO_GUEST, 1024 }, { "to_guest_16k", TO_GUEST, 16384 },
	{ "to_guest_64k", TO_GUEST, 65536 }, { "to_guest_256k", TO_GUEST, 262144 },
	{ "from_guest_1k", FROM_GUEST, 1024 }, { "from_guest_16k", FROM_GUEST, 16384 },
	{ "from_guest_64k", FROM_GUEST, 65536 }, { "from_guest_256k", FROM_GUEST, 262144 },
	{ "round_trip", TRIPS, SMALL }, { "connects_to_guest", CONNECTS_TO_GUEST, 0 },
	{ "connects_from_guest", CONNECTS_FROM_GUEST, 0 },
};

struct side {
	const char *uds;
	struct vdev *v;
	struct vg g;
	pid_t pid;
	uint64_t units, ns, cpu_ns, base_cpu;
	double rate[ROUNDS];
	struct hist hist;
};

struct talk {
	const struct vsock_case *what;
	struct side *side;
	struct error *err;
	uint64_t slice;
	/* The program of the host. */
	pthread_t thread;
	int fd;                         /* its socket, or the one it listens at */
	bool stop;                      /* atomic */
	uint64_t units;                 /* of the host's, atomic */
};

static uint8_t data[BUFFER];

static bool stopped(const struct talk *l)
{
	return __atomic_load_n(&l->stop, __ATOMIC_ACQUIRE);
}

/* -- The program of the host ------------------------------------------------------ */

static void limit(int fd)
{
	const struct timeval t = { 0, LIMIT_MS * 1000L };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static bool late(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void write_all(struct talk *l, int fd, const uint8_t *from, size_t n)
{
	ssize_t got = 0;

	while (n > 0 && (got >= 0 || late(got)) && !stopped(l)) {
		got = send(fd, from, n, MSG_NOSIGNAL);
		if (got > 0) {
			from += got;
			n -= (size_t)got;
		}
	}
	if (n > 0)
		__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
}

static void read_all(struct talk *l, int fd)
{
	uint8_t *buf = malloc(BUFFER);
	ssize_t n = 1;

	while (buf != NULL && (n > 0 || late(n)) && !stopped(l)) {
		n = recv(fd, buf, BUFFER, 0);
		if (n > 0)
			__atomic_fetch_add(&l->units, (uint64_t)n, __ATOMIC_RELAXED);
	}
	free(buf);
}

static void echo_all(struct talk *l, int fd)
{
	uint8_t buf[SMALL];
	ssize_t n = 1;

	while ((n > 0 || late(n)) && !stopped(l)) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0)
			write_all(l, fd, buf, (size_t)n);
	}
}

static int dial(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	limit(fd);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fd_close(&fd);
	return fd;
}

/* A client of the hybrid socket; -1: it did not come in. */
static int knock(const struct talk *l)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "CONNECT %d\n", GUEST_PORT);
	int fd = dial(l->side->uds);

	if (fd >= 0 && send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		fd_close(&fd);
	return fd;
}

/* Was it let in? */
static bool let_in(const struct talk *l, int fd)
{
	char line[32];
	ssize_t got;

	do {
		got = recv(fd, line, sizeof(line), 0);
	} while (late(got) && !stopped(l));
	return got >= 3 && memcmp(line, "OK ", 3) == 0;
}

/* Some at a time: many programs come and go at a busy host. */
static void enter_often(struct talk *l)
{
	int fds[AT_ONCE];
	unsigned i;

	while (!stopped(l)) {
		for (i = 0; i < AT_ONCE; i++)
			fds[i] = knock(l);
		for (i = 0; i < AT_ONCE; i++) {
			if (fds[i] >= 0 && let_in(l, fds[i]))
				__atomic_fetch_add(&l->units, 1, __ATOMIC_RELAXED);
			fd_close(&fds[i]);
		}
	}
}

/* One after the other; of a rate of connects the others are only let go. */
static void serve(struct talk *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	int fd;

	while (!stopped(l)) {
		if (poll(&p, 1, LIMIT_MS) <= 0)
			continue;
		fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		limit(fd);
		if (l->what->way == FROM_GUEST)
			read_all(l, fd);
		else if (l->what->way == TRIPS)
			echo_all(l, fd);
		fd_close(&fd);
	}
}

static void *host_main(void *ctx)
{
	struct talk *l = ctx;
	int fd;

	if (l->what->way == CONNECTS_TO_GUEST) {
		enter_often(l);
	} else if (l->what->way == TO_GUEST) {
		fd = knock(l);
		if (fd >= 0 && !let_in(l, fd))
			fd_close(&fd);
		while (fd >= 0 && !stopped(l))
			write_all(l, fd, data, l->what->write);
		fd_close(&fd);
	} else {
		serve(l);
	}
	return NULL;
}

static int host_listen(struct talk *l)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int n;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n = snprintf(a.sun_path, sizeof(a.sun_path), "%s_%d", l->side->uds, PORT);
	if (n < 0 || (size_t)n >= sizeof(a.sun_path))
		return error_set(l->err, -ENAMETOOLONG, "%s: too long", l->side->uds);
	unlink(a.sun_path);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(l->fd, 128) < 0)
		return error_set(l->err, -errno, "%s: %s", a.sun_path, strerror(errno));
	return 0;
}

static int host_start(struct talk *l)
{
	int ret = 0;

	l->fd = -1;
	if (l->what->way != TO_GUEST && l->what->way != CONNECTS_TO_GUEST)
		ret = host_listen(l);
	if (ret < 0)
		return ret;
	ret = pthread_create(&l->thread, NULL, host_main, l);
	return ret == 0 ? 0 : error_set(l->err, -ret, "no thread");
}

/* -- The guest ------------------------------------------------------------------------ */

struct accepted {
	struct talk *l;
	struct vg_conn conn, many[AT_ONCE];
	bool taken;
	int ret;
};

static void got_bytes(struct vg_conn *c, const uint8_t *bytes, uint32_t n, uint32_t flags)
{
	struct talk *l = c->ctx;

	l->side->units += n;
}

static void asked(struct vg *g, const struct vg_packet *p, void *ctx)
{
	struct accepted *a = ctx;
	struct vg_conn *c = &a->conn;
	unsigned i;

	for (i = 0; a->l->what->way == CONNECTS_TO_GUEST && i < AT_ONCE; i++) {
		c = &a->many[i];
		if (c->at == NULL || c->state == VG_CLOSED)
			break;
	}
	vg_drop(c);
	*c = (struct vg_conn){ .ctx = a->l, .got = got_bytes };
	a->ret = vg_accept(g, c, p, a->l->err);
	a->taken = true;
}

static int turn(struct talk *l, struct accepted *a)
{
	int ret = vg_turn(&l->side->g, a != NULL ? asked : NULL, a, l->err);

	if (ret == 0)
		ret = vg_wait(&l->side->g, -1, LIMIT_MS, l->err);
	return ret < 0 ? ret : 0;
}

static int reset(struct vg_conn *c, struct error *err)
{
	const struct vg_packet rst = { .src_cid = c->g->cid, .dst_cid = c->peer_cid,
		.src_port = c->port, .dst_port = c->peer_port, .type = c->type,
		.op = VSOCK_OP_RST };
	int ret = 0;

	while (c->state != VG_CLOSED && (ret = vg_send(c->g, &rst, NULL, err)) == -EAGAIN &&
	       (ret = vg_wait(c->g, -1, LIMIT_MS, err)) == 0)
		;
	c->state = VG_CLOSED;
	vg_drop(c);
	return ret < 0 ? ret : vg_kick(c->g, err);
}

static int run_to_guest(struct talk *l)
{
	struct accepted a = { .l = l };
	uint64_t start = vdev_now();
	int ret = 0;

	while (ret == 0 && !a.taken && vdev_now() - start < 10 * l->slice)
		ret = turn(l, &a);
	if (ret == 0 && !a.taken)
		return error_set(l->err, -ETIMEDOUT, "no client of the host came to the guest");
	l->side->units = 0;
	start = vdev_now();
	while (ret == 0 && vdev_now() - start < l->slice && a.conn.state == VG_OPEN)
		ret = turn(l, NULL);
	l->side->ns = vdev_now() - start;
	if (ret == 0 && l->side->units == 0)
		ret = error_set(l->err, -ECONNRESET, "not a byte came to the guest");
	return ret < 0 ? ret : reset(&a.conn, l->err);
}

static int open_out(struct talk *l, struct vg_conn *c)
{
	uint64_t start = vdev_now();
	int ret = vg_connect(&l->side->g, c, PORT, l->err);

	while (ret == 0 && c->state == VG_ASKED && vdev_now() - start < 10 * l->slice)
		ret = turn(l, NULL);
	if (ret == 0 && c->state != VG_OPEN)
		ret = error_set(l->err, -ECONNREFUSED, "the guest cannot connect");
	return ret;
}

static int run_from_guest(struct talk *l)
{
	struct vg_conn c = { .g = NULL };
	uint64_t start, before;
	uint32_t at = 0;
	int ret = open_out(l, &c), n;

	before = __atomic_load_n(&l->units, __ATOMIC_RELAXED);
	start = vdev_now();
	while (ret == 0 && vdev_now() - start < l->slice && c.state == VG_OPEN) {
		n = vg_write(&c, data + at, l->what->write - at, VSOCK_PACKET_MAX, l->err);
		if (n < 0)
			return n;
		at = (at + (uint32_t)n) % l->what->write;
		ret = vg_turn(&l->side->g, NULL, NULL, l->err);
		if (ret == 0 && n == 0)
			ret = vg_wait(&l->side->g, -1, LIMIT_MS, l->err);
		ret = ret < 0 ? ret : 0;
		if (n > 0 && ret == 0)
			ret = vg_kick(&l->side->g, l->err);
	}
	l->side->ns = vdev_now() - start;
	l->side->units = __atomic_load_n(&l->units, __ATOMIC_RELAXED) - before;
	if (ret == 0 && c.state != VG_OPEN)
		ret = error_set(l->err, -ECONNRESET, "the connection was reset under load");
	return ret < 0 ? ret : reset(&c, l->err);
}

static int run_trips(struct talk *l)
{
	struct vg_conn c = { .ctx = l, .got = got_bytes };
	uint64_t start, begun, n = 0;
	int ret = open_out(l, &c);

	l->side->units = 0;
	start = vdev_now();
	while (ret == 0 && c.state == VG_OPEN && vdev_now() - start < l->slice) {
		begun = vdev_now();
		ret = vg_write(&c, data, SMALL, SMALL, l->err);
		n += SMALL;
		while (ret >= 0 && l->side->units < n && c.state == VG_OPEN &&
		       vdev_now() - begun < 10 * l->slice)
			ret = turn(l, NULL);
		hist_add(&l->side->hist, vdev_now() - begun);
		ret = ret < 0 ? ret : 0;
	}
	l->side->ns = vdev_now() - start;
	l->side->units /= SMALL;
	return ret < 0 ? ret : reset(&c, l->err);
}

static int run_connects_in(struct talk *l)
{
	struct accepted a = { .l = l };
	uint64_t start = vdev_now(), before;
	unsigned i;
	int ret = 0;

	before = __atomic_load_n(&l->units, __ATOMIC_RELAXED);
	while (ret == 0 && vdev_now() - start < l->slice) {
		ret = turn(l, &a);
		ret = ret == 0 ? a.ret : ret;
	}
	l->side->ns = vdev_now() - start;
	l->side->units = __atomic_load_n(&l->units, __ATOMIC_RELAXED) - before;
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < AT_ONCE; i++)
		vg_drop(&a.many[i]);
	return ret;
}

static int run_connects_out(struct talk *l)
{
	struct vg_conn c[AT_ONCE];
	uint64_t start = vdev_now();
	unsigned i;
	int ret = 0;

	l->side->units = 0;
	while (ret == 0 && vdev_now() - start < l->slice) {
		memset(c, 0, sizeof(c));
		for (i = 0; ret == 0 && i < AT_ONCE; i++)
			ret = vg_connect(&l->side->g, &c[i], PORT, l->err);
		for (i = 0; ret == 0 && i < AT_ONCE;) {
			if (c[i].state == VG_ASKED)
				ret = vdev_now() - start < 20 * l->slice ? turn(l, NULL)
					: error_set(l->err, -ETIMEDOUT, "no answer");
			else if (c[i].refused)
				ret = error_set(l->err, -ECONNREFUSED, "the guest cannot connect");
			else
				i++;
		}
		l->side->units += i;
		for (i = 0; i < AT_ONCE; i++)
			ret = ret == 0 ? reset(&c[i], l->err) : ret;
	}
	l->side->ns = vdev_now() - start;
	return ret;
}

/* What the last load left behind: packets of connections that are no more. */
static int settle(struct talk *l)
{
	int ret = 0, i;

	for (i = 0; ret >= 0 && i < 3; i++) {
		ret = vg_turn(&l->side->g, NULL, NULL, l->err);
		if (ret == 0)
			ret = vg_wait(&l->side->g, -1, 1, l->err);
	}
	return ret < 0 ? ret : 0;
}

/* -- A plain socket pair ----------------------------------------------------------------- */

static void *plain_main(void *ctx)
{
	struct talk *l = ctx;

	while (l->what->way == TO_GUEST && !stopped(l))
		write_all(l, l->fd, data, l->what->write);
	if (l->what->way == FROM_GUEST)
		read_all(l, l->fd);
	if (l->what->way == TRIPS)
		echo_all(l, l->fd);
	return NULL;
}

static int run_plain(struct talk *l)
{
	struct side *s = l->side;
	uint8_t *buf = malloc(BUFFER);
	uint64_t start, begun, before;
	ssize_t n = 1;
	int fds[2];

	if (buf == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		free(buf);
		return error_set(l->err, -ENOMEM, "no socket pair");
	}
	limit(fds[0]);
	limit(fds[1]);
	l->fd = fds[0];
	s->units = 0;
	if (pthread_create(&l->thread, NULL, plain_main, l) != 0)
		n = -1;
	before = __atomic_load_n(&l->units, __ATOMIC_RELAXED);
	start = vdev_now();
	while (n > 0 && vdev_now() - start < l->slice) {
		begun = vdev_now();
		if (l->what->way != TO_GUEST)
			n = send(fds[1], data, l->what->write, MSG_NOSIGNAL);
		if (l->what->way != FROM_GUEST && n > 0)
			n = recv(fds[1], buf, BUFFER, 0);
		s->units += l->what->way == TRIPS ? 1 : (uint64_t)(n > 0 ? n : 0);
		if (l->what->way == TRIPS)
			hist_add(&s->hist, vdev_now() - begun);
	}
	s->ns = vdev_now() - start;
	if (l->what->way == FROM_GUEST)
		s->units = __atomic_load_n(&l->units, __ATOMIC_RELAXED) - before;
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	shutdown(fds[1], SHUT_RDWR);
	pthread_join(l->thread, NULL);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
	free(buf);
	return 0;
}

/* -- The whole ------------------------------------------------------------------------------ */

static int (*const runs[])(struct talk *l) = {
	[TO_GUEST] = run_to_guest, [FROM_GUEST] = run_from_guest, [TRIPS] = run_trips,
	[CONNECTS_TO_GUEST] = run_connects_in, [CONNECTS_FROM_GUEST] = run_connects_out,
};

static int run_once(const struct vsock_case *what, struct side *s, bool plain, uint64_t slice,
		    struct error *err)
{
	struct talk l = { .what = what, .side = s, .err = err, .slice = slice };
	uint64_t cpu = load_cpu_ns(s->pid);
	int ret;

	if (plain)
		return run_plain(&l);
	ret = host_start(&l);
	if (ret < 0)
		return ret;
	ret = runs[what->way](&l);
	s->cpu_ns += load_cpu_ns(s->pid) - cpu;
	s->base_cpu += s->units;
	__atomic_store_n(&l.stop, true, __ATOMIC_RELEASE);
	/* The host may wait for an answer that is still to be given. */
	while (ret == 0 && pthread_tryjoin_np(l.thread, NULL) == EBUSY)
		ret = settle(&l);
	if (ret < 0)
		pthread_join(l.thread, NULL);
	fd_close(&l.fd);
	return ret < 0 ? ret : settle(&l);
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(const double *values)
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(*sorted), compare);
	return sorted[ROUNDS / 2];
}

static double ratio(const double *a, const double *b)
{
	double r[ROUNDS];
	unsigned i;

	for (i = 0; i < ROUNDS; i++)
		r[i] = b[i] > 0 ? a[i] / b[i] : 0;
	return median(r);
}

static bool takes_part(const struct ends_setup *setup, const struct vsock_case *what,
		       unsigned side)
{
	if (side == PLAIN)
		return what->way <= TRIPS;
	return side == 0 || (setup->sockets[1] != NULL && what->write <= setup->largest);
}

static const char *const side_names[SIDES] = { "first", "second", "socketpair" };

static void print_side(struct out *o, const struct vsock_case *what, unsigned i,
		       const struct side *s)
{
	bool bytes = what->way <= FROM_GUEST;

	out_open(o, side_names[i]);
	out_real(o, bytes ? "megabytes_per_second" : "per_second",
		 bytes ? median(s->rate) / 1e6 : median(s->rate), bytes ? 1 : 0);
	if (s->base_cpu > 0 && s->cpu_ns > 0)
		out_real(o, bytes ? "cpu_ns_per_byte" : "cpu_us_per_one",
			 out_double(s->cpu_ns) / out_double(s->base_cpu) / (bytes ? 1 : 1e3), 3);
	if (what->way == TRIPS) {
		out_real(o, "p50_us", out_double(hist_at(&s->hist, 500)) / 1e3, 1);
		out_real(o, "p99_us", out_double(hist_at(&s->hist, 990)) / 1e3, 1);
	}
	if (s->g.malformed > 0)
		out_number(o, "malformed_packets", s->g.malformed);
	out_close(o);
}

static void print_ratios(struct out *o, const struct vsock_case *what, const struct side *s)
{
	const char *key = what->way <= FROM_GUEST ? "first_to_socketpair" : NULL;

	if (s[1].rate[0] > 0)
		out_real(o, "first_to_second", ratio(s[0].rate, s[1].rate), 2);
	if (s[1].rate[0] > 0 && what->way == TRIPS) {
		out_real(o, "p50_to_second", out_double(hist_at(&s[0].hist, 500)) /
			 out_double(hist_at(&s[1].hist, 500)), 2);
		out_real(o, "p99_to_second", out_double(hist_at(&s[0].hist, 990)) /
			 out_double(hist_at(&s[1].hist, 990)), 2);
	}
	if (key != NULL && s[PLAIN].rate[0] > 0)
		out_real(o, key, ratio(s[0].rate, s[PLAIN].rate), 2);
}

static int run_case(const struct ends_setup *setup, const struct vsock_case *what,
		    struct side *s, struct out *o, struct error *err)
{
	uint64_t slice = (uint64_t)setup->seconds * 1000 * NS_PER_MS / CASES / (ROUNDS + 1) / SIDES;
	unsigned i, k;
	int ret = 0;

	for (i = 0; i < SIDES; i++) {
		s[i].cpu_ns = s[i].base_cpu = 0;
		memset(s[i].rate, 0, sizeof(s[i].rate));
		memset(&s[i].hist, 0, sizeof(s[i].hist));
	}
	for (k = 0; ret == 0 && k < ROUNDS; k++) {
		for (i = 0; ret == 0 && i < SIDES; i++) {
			if (!takes_part(setup, what, i))
				continue;
			ret = run_once(what, &s[i], i == PLAIN, slice, err);
			if (ret == 0 && s[i].ns > 0)
				s[i].rate[k] = out_double(s[i].units) * 1e9 / out_double(s[i].ns);
		}
	}
	if (ret < 0)
		return error_prefix(err, "%s, %s: ", what->name, side_names[i - 1]);
	out_open(o, what->name);
	for (i = 0; i < SIDES; i++) {
		if (takes_part(setup, what, i))
			print_side(o, what, i, &s[i]);
	}
	print_ratios(o, what, s);
	out_close(o);
	return 0;
}

/* -- Many at a time ---------------------------------------------------------------------------- */

struct crowd {
	struct talk l;
	int *fds;
	unsigned n;                     /* accepted, atomic */
};

/* Accepts all, then gives every one back what it sends. */
static void *crowd_main(void *ctx)
{
	struct crowd *c = ctx;
	struct pollfd p = { .fd = c->l.fd, .events = POLLIN };
	uint8_t buf[SMALL];
	unsigned n = 0, i;
	ssize_t got;

	while (!stopped(&c->l) && n < CROWD) {
		if (poll(&p, 1, LIMIT_MS) <= 0)
			continue;
		c->fds[n] = accept4(c->l.fd, NULL, NULL, SOCK_CLOEXEC);
		if (c->fds[n] < 0)
			continue;
		limit(c->fds[n]);
		__atomic_store_n(&c->n, ++n, __ATOMIC_RELEASE);
	}
	for (i = 0; i < n && !stopped(&c->l);) {
		got = recv(c->fds[i], buf, sizeof(buf), 0);
		if (late(got))
			continue;
		if (got > 0)
			write_all(&c->l, c->fds[i], buf, (size_t)got);
		i++;
	}
	return NULL;
}

/* Private memory in KiB. */
static unsigned long memory_of(pid_t pid)
{
	unsigned long sum = 0;
	char line[256], *p;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(line, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		for (p = line + 14; strncmp(line, "Private_Dirty:", 14) == 0 && *p != 'k'; p++) {
			if (*p >= '0' && *p <= '9')
				sum = sum * 10 + (unsigned long)(*p - '0');
		}
	}
	if (f != NULL)
		fclose(f);
	return sum;
}

static int crowd_open(struct crowd *c, struct vg_conn *conns)
{
	unsigned i, k;
	int ret = 0;

	for (i = 0; ret == 0 && i < CROWD; i = k) {
		for (k = i; ret == 0 && k < i + AT_ONCE && k < CROWD; k++) {
			conns[k] = (struct vg_conn){ .ctx = &c->l, .got = got_bytes };
			ret = vg_connect(&c->l.side->g, &conns[k], PORT, c->l.err);
		}
		for (; ret == 0 && i < k; i += conns[i].state == VG_OPEN) {
			if (conns[i].state == VG_ASKED)
				ret = turn(&c->l, NULL);
			else if (conns[i].state == VG_CLOSED)
				ret = error_set(c->l.err, -ECONNREFUSED, "connection %u is refused",
						i);
		}
	}
	return ret;
}

static int crowd_talk(struct crowd *c, struct vg_conn *conns)
{
	uint64_t end = vdev_now() + 100 * c->l.slice;
	unsigned i = 0;
	int ret = 0;

	c->l.side->units = 0;
	while (ret == 0 && c->l.side->units < (uint64_t)CROWD * SMALL && vdev_now() < end) {
		if (i < CROWD)
			ret = vg_write(&conns[i], data, SMALL, SMALL, c->l.err);
		i += ret > 0;
		ret = ret < 0 ? ret : turn(&c->l, NULL);
	}
	if (ret == 0 && c->l.side->units != (uint64_t)CROWD * SMALL)
		ret = error_set(c->l.err, -ETIMEDOUT, "%llu bytes came back of %u",
				(unsigned long long)c->l.side->units, CROWD * SMALL);
	return ret;
}

static int run_crowd(struct side *s, struct out *o, struct error *err)
{
	static const struct vsock_case what = { "crowd", CROWD_OUT, 0 };
	struct crowd c = { .l = { .what = &what, .side = s, .err = err,
		.slice = 200ULL * NS_PER_MS } };
	struct rlimit files = { 0, 0 };
	struct vg_conn *conns = calloc(CROWD, sizeof(*conns));
	unsigned long before = memory_of(s->pid);
	uint64_t start = vdev_now();
	unsigned i;
	int ret;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	c.fds = calloc(CROWD, sizeof(*c.fds));
	if (conns == NULL || c.fds == NULL || files.rlim_max < CROWD + 100) {
		free(conns);
		free(c.fds);
		return error_set(err, -EMFILE, "not enough memory or open files for a crowd");
	}
	ret = host_listen(&c.l);
	if (ret == 0 && pthread_create(&c.l.thread, NULL, crowd_main, &c) != 0)
		ret = error_set(err, -EAGAIN, "no thread");
	if (ret == 0) {
		ret = crowd_open(&c, conns);
		s->ns = vdev_now() - start;
		before = memory_of(s->pid) - before;
		if (ret == 0)
			ret = crowd_talk(&c, conns);
		__atomic_store_n(&c.l.stop, true, __ATOMIC_RELEASE);
		pthread_join(c.l.thread, NULL);
	}
	for (i = 0; ret == 0 && i < CROWD; i++)
		ret = reset(&conns[i], err);
	for (i = 0; i < c.n; i++)
		fd_close(&c.fds[i]);
	fd_close(&c.l.fd);
	free(conns);
	free(c.fds);
	if (ret < 0)
		return error_prefix(err, "crowd: ");
	out_open(o, what.name);
	out_number(o, "connections", CROWD);
	out_real(o, "seconds", out_double(s->ns) / 1e9, 2);
	out_real(o, "bytes_of_memory_each", out_double(before) * 1024 / CROWD, 0);
	out_close(o);
	return settle(&c.l);
}

int vsock_load(const struct ends_setup *setup, struct out *o, struct error *err)
{
	struct side *s = calloc(SIDES, sizeof(*s));
	struct vdev_setup vdev = setup->vdev;
	unsigned i;
	int ret = 0;

	if (s == NULL)
		return error_memory(err);
	vdev.queues = VSOCK_QUEUES;
	vdev.queue_size = VG_QUEUE_SIZE;
	vdev.memory = VG_MEMORY;
	for (i = 0; ret == 0 && i < 2 && setup->sockets[i] != NULL; i++) {
		vdev.path = setup->sockets[i];
		s[i].uds = setup->uds[i];
		ret = vdev_open(&vdev, &s[i].v, err);
		if (ret < 0)
			break;
		s[i].pid = vdev_pid(s[i].v->fe);
		ret = vg_open(&s[i].g, s[i].v, err);
	}
	for (i = 0; ret == 0 && i < CASES; i++) {
		if (setup->only == NULL ||
		    strncmp(cases[i].name, setup->only, strlen(setup->only)) == 0)
			ret = run_case(setup, &cases[i], s, o, err);
	}
	if (ret == 0 && (setup->only == NULL || strcmp(setup->only, "crowd") == 0))
		ret = run_crowd(&s[0], o, err);
	if (ret == 0 && setup->only != NULL &&
	    (strcmp(setup->only, "rate") == 0 || strcmp(setup->only, "stall") == 0))
		ret = vsock_long(setup->only, &s[0].g, s[0].uds, setup->seconds, o, err);
	vdev_free(s[0].v);
	vdev_free(s[1].v);
	free(s);
	return ret;
}
