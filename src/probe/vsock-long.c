/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Long loads, by name only: clients of the host at a steady rate, and many
 * connections whose bytes are all checked while one reader does not read. Guest
 * and host are this one thread, which waits for neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hist.h"
#include "vhost-device/fd.h"
#include "vsock-guest.h"

enum { RATE = 1000, WAITING = 2000, GUEST_PORT = 2000, PORT = 1000, CROWD = 50, SLOW = CROWD,
	PIECE = 16384, NS_PER_MS = 1000000, LATE_MS = 20000 };

struct stream {
	struct vg_conn conn;
	uint64_t sent, got, host_sent, host_got;
	uint32_t number;                /* its bytes */
	int fd;
	bool wrong;
};

struct client {
	struct vg_conn conn;            /* the guest's end */
	struct client *next;
	uint64_t since;
	int fd;
};

struct run {
	struct vg *g;
	const char *uds;
	struct error *err;
	uint64_t ns;
	struct client *free, *waiting, clients[WAITING];
	struct stream streams[CROWD + 1];
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int unix_socket(const char *uds, const char *suffix, struct sockaddr_un *ret)
{
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s%s", uds, suffix);
	if (n < 0 || (size_t)n >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* -- Clients at a rate ----------------------------------------------------------- */

static void let_in(struct vg *g, const struct vg_packet *p, void *ctx)
{
	struct run *r = ctx;
	unsigned i;

	for (i = 0; i < WAITING; i++) {
		if (r->clients[i].conn.at != NULL && r->clients[i].conn.state != VG_CLOSED)
			continue;
		vg_drop(&r->clients[i].conn);
		r->clients[i].conn = (struct vg_conn){ .got = NULL };
		vg_accept(g, &r->clients[i].conn, p, r->err);
		return;
	}
}

static int knock(struct run *r)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "CONNECT %d\n", GUEST_PORT);
	struct client *c = r->free;
	struct sockaddr_un a;
	int fd = unix_socket(r->uds, "", &a);

	if (c == NULL || fd < 0) {
		fd_close(&fd);
		return error_set(r->err, -EMFILE, "too many clients wait for an answer");
	}
	c->since = now_ns();
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    send(fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
		fd_close(&fd);
		return error_set(r->err, -ECONNREFUSED, "a client cannot connect");
	}
	c->fd = fd;
	r->free = c->next;
	c->next = r->waiting;
	r->waiting = c;
	return 0;
}

/* Those that have been answered leave; how many, or < 0. */
static int collect(struct run *r, struct hist *h)
{
	struct client **at = &r->waiting, *c;
	char line[32];
	int done = 0;
	ssize_t n;

	while ((c = *at) != NULL) {
		n = recv(c->fd, line, sizeof(line), 0);
		if (n < 0 && errno == EAGAIN && now_ns() - c->since < LATE_MS * 1000000ULL) {
			at = &c->next;
			continue;
		}
		fd_close(&c->fd);
		*at = c->next;
		c->next = r->free;
		r->free = c;
		if (n < 3 || memcmp(line, "OK ", 3) != 0)
			return error_set(r->err, -ECONNRESET, "a client was not let in");
		hist_add(h, now_ns() - c->since);
		done++;
	}
	return done;
}

static int run_rate(struct run *r, struct out *o)
{
	const uint64_t start = now_ns();
	struct hist h = { .n = 0 };
	uint64_t asked = 0, done = 0, most = 0;
	unsigned i;
	int ret = 0;

	for (i = 0; i < WAITING; i++) {
		r->clients[i].fd = -1;
		r->clients[i].next = r->free;
		r->free = &r->clients[i];
	}
	while (ret >= 0 && (now_ns() - start < r->ns || r->waiting != NULL)) {
		if (now_ns() - start < r->ns &&
		    asked < (now_ns() - start) * RATE / 1000000000) {
			ret = knock(r);
			asked++;
		}
		if (ret >= 0)
			ret = vg_turn(r->g, let_in, r, r->err);
		if (ret == 0)
			ret = vg_wait(r->g, -1, 0, r->err);
		if (ret >= 0)
			ret = collect(r, &h);
		done += ret > 0 ? (uint64_t)ret : 0;
		most = asked - done > most ? asked - done : most;
	}
	for (i = 0; i < WAITING; i++) {
		fd_close(&r->clients[i].fd);
		vg_drop(&r->clients[i].conn);
	}
	if (ret < 0)
		return ret;
	out_open(o, "rate");
	out_number(o, "clients", done);
	out_real(o, "per_second", out_double(done) * 1e9 / out_double(now_ns() - start), 0);
	out_real(o, "p50_us", out_double(hist_at(&h, 500)) / 1e3, 1);
	out_real(o, "p99_us", out_double(hist_at(&h, 990)) / 1e3, 1);
	out_number(o, "most_at_once", most);
	out_close(o);
	return 0;
}

/* -- A reader that does not read --------------------------------------------------- */

static uint8_t pattern(uint32_t number, uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ (uint64_t)number * 37);
}

static void fill(uint8_t *data, uint32_t number, uint64_t at, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		data[i] = pattern(number, at + i);
}

static bool differs(const uint8_t *data, uint32_t number, uint64_t at, uint32_t n)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong |= data[i] ^ pattern(number, at + i);
	return wrong != 0;
}

static void got(struct vg_conn *c, const uint8_t *data, uint32_t n, uint32_t flags)
{
	struct stream *s = container_of(c, struct stream, conn);

	s->wrong = s->wrong || differs(data, s->number, s->got, n);
	s->got += n;
}

static int guest_writes(struct run *r, struct stream *s)
{
	uint8_t data[PIECE];
	int ret;

	fill(data, s->number, s->sent, PIECE);
	ret = vg_write(&s->conn, data, PIECE, VSOCK_PACKET_MAX, r->err);
	s->sent += ret > 0 ? (uint64_t)ret : 0;
	return ret;
}

static int host_turn(struct run *r, struct stream *s, bool writes)
{
	uint8_t data[PIECE];
	ssize_t n;

	if (writes) {
		fill(data, s->number, s->host_sent, PIECE);
		n = send(s->fd, data, PIECE, MSG_NOSIGNAL);
		s->host_sent += n > 0 ? (uint64_t)n : 0;
	}
	n = recv(s->fd, data, PIECE, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return error_set(r->err, -ECONNRESET, "a connection was reset under load");
	if (n > 0) {
		s->wrong = s->wrong || differs(data, s->number, s->host_got, (uint32_t)n);
		s->host_got += (uint64_t)n;
	}
	return s->wrong ? error_set(r->err, -EILSEQ, "other bytes came than were sent") : 0;
}

/* Bytes a second of the crowd, both ways. */
static int load_crowd(struct run *r, uint64_t ns, bool stalled, double *ret_rate)
{
	const uint64_t start = now_ns();
	uint64_t bytes = 0;
	unsigned i;
	int ret = 0;

	for (i = 0; i < CROWD; i++)
		bytes -= r->streams[i].got + r->streams[i].host_got;
	while (ret >= 0 && now_ns() - start < ns) {
		if (stalled)
			ret = guest_writes(r, &r->streams[SLOW]);
		for (i = 0; ret >= 0 && i < CROWD; i++) {
			ret = guest_writes(r, &r->streams[i]);
			if (ret >= 0)
				ret = host_turn(r, &r->streams[i], true);
		}
		if (ret >= 0)
			ret = vg_turn(r->g, NULL, NULL, r->err);
		if (ret >= 0)
			ret = vg_wait(r->g, -1, ret == 0, r->err);
	}
	for (i = 0; i < CROWD; i++)
		bytes += r->streams[i].got + r->streams[i].host_got;
	*ret_rate = out_double(bytes) * 1e9 / out_double(now_ns() - start);
	return ret;
}

/* Everything that is on its way. */
static int drain(struct run *r)
{
	const uint64_t start = now_ns();
	bool rest = true;
	unsigned i;
	int ret = 0;

	while (ret >= 0 && rest && now_ns() - start < LATE_MS * 1000000ULL) {
		rest = false;
		for (i = 0; ret >= 0 && i <= SLOW; i++) {
			ret = host_turn(r, &r->streams[i], false);
			rest = rest || r->streams[i].got < r->streams[i].host_sent ||
				r->streams[i].host_got < r->streams[i].sent;
		}
		if (ret >= 0)
			ret = vg_turn(r->g, NULL, NULL, r->err);
		if (ret >= 0)
			ret = vg_wait(r->g, -1, 1, r->err);
	}
	return ret >= 0 && rest ? error_set(r->err, -ETIMEDOUT, "bytes are missing at the end")
		: ret;
}

static int open_crowd(struct run *r, int listener)
{
	const uint64_t start = now_ns();
	struct stream *s;
	unsigned i;
	int ret = 0;

	for (i = 0; ret >= 0 && i <= SLOW; i++) {
		s = &r->streams[i];
		*s = (struct stream){ .number = i, .fd = -1, .conn.got = got };
		ret = vg_connect(r->g, &s->conn, PORT, r->err);
		while (ret >= 0 && s->conn.state == VG_ASKED &&
		       now_ns() - start < LATE_MS * 1000000ULL) {
			ret = vg_turn(r->g, NULL, NULL, r->err);
			if (ret >= 0)
				ret = vg_wait(r->g, -1, 1, r->err);
		}
		if (ret >= 0)
			s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (ret >= 0 && s->fd < 0)
			ret = error_set(r->err, -ECONNREFUSED, "the guest cannot connect");
	}
	return ret;
}

static int run_stall(struct run *r, struct out *o)
{
	double alone = 0, beside = 0;
	struct sockaddr_un a;
	char suffix[16];
	unsigned i;
	int listener, ret;

	for (i = 0; i <= SLOW; i++)
		r->streams[i].fd = -1;
	snprintf(suffix, sizeof(suffix), "_%d", PORT);
	listener = unix_socket(r->uds, suffix, &a);
	unlink(a.sun_path);
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(listener, CROWD) < 0) {
		fd_close(&listener);
		return error_set(r->err, -errno, "%s: %s", a.sun_path, strerror(errno));
	}
	ret = open_crowd(r, listener);
	if (ret >= 0)
		ret = load_crowd(r, r->ns / 4, false, &alone);
	if (ret >= 0)
		ret = load_crowd(r, r->ns, true, &beside);
	if (ret >= 0)
		ret = drain(r);
	for (i = 0; i <= SLOW; i++) {
		fd_close(&r->streams[i].fd);
		vg_drop(&r->streams[i].conn);
	}
	fd_close(&listener);
	unlink(a.sun_path);
	if (ret < 0)
		return ret;
	out_open(o, "stall");
	out_number(o, "connections", CROWD);
	out_real(o, "megabytes_per_second", alone / 1e6, 1);
	out_real(o, "beside_a_stalled_one", beside / 1e6, 1);
	out_real(o, "ratio", alone > 0 ? beside / alone : 0, 2);
	out_number(o, "bytes_of_the_stalled_one", r->streams[SLOW].sent);
	out_close(o);
	return 0;
}

int vsock_long(const char *name, struct vg *g, const char *uds, unsigned seconds, struct out *o,
	       struct error *err)
{
	struct run *r = calloc(1, sizeof(*r));
	int ret;

	if (r == NULL)
		return error_memory(err);
	r->g = g;
	r->uds = uds;
	r->err = err;
	r->ns = (uint64_t)seconds * 1000 * NS_PER_MS;
	ret = strcmp(name, "rate") == 0 ? run_rate(r, o) : run_stall(r, o);
	free(r);
	return ret < 0 ? error_prefix(err, "%s: ", name) : 0;
}
