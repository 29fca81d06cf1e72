/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guests of the executable that come and go, and what others notice of it. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "probe/vsock-guest.h"
#include "server.h"
#include "suite.h"

enum { GUESTS = 4, CID = 3, PORT = 1000, CONNS = 64, CROWD = 50, EACH = 256 << 10,
	PIECE = 5000, LEFT_BEHIND = 1000 };

struct stream {
	struct vg_conn conn;
	bool used;
	unsigned number;                /* its pattern */
	uint64_t sent, got;             /* by the guest */
	bool wrong;
	int fd;                         /* the host's end, or -1 */
	uint64_t host_sent, host_got;
};

static struct server server;
static struct error err;
static struct guest {
	struct vdev *v;
	struct vg g;
	unsigned asked;
} guests[GUESTS];
static struct stream streams[CONNS];

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* -- Guests ------------------------------------------------------------------- */

static void tear_down(void)
{
	unsigned i;

	for (i = 0; i < GUESTS; i++)
		vdev_free(guests[i].v);
	for (i = 0; i < CONNS; i++) {
		if (streams[i].fd > 0)
			close(streams[i].fd);
	}
	memset(guests, 0, sizeof(guests));
	memset(streams, 0, sizeof(streams));
	server_clean_up(&server);
}

static void boot(unsigned i)
{
	char name[20];
	struct vdev_setup setup = { .timeout_ms = SERVER_MS, .wait = true,
		.queues = VSOCK_QUEUES, .queue_size = VG_QUEUE_SIZE, .memory = 2 * VG_MEMORY,
		.features = BIT(VIRTIO_VSOCK_F_STREAM) | BIT(VIRTIO_VSOCK_F_SEQPACKET) };

	snprintf(name, sizeof(name), "%u.sock", i);
	setup.path = server_path(&server, name);
	ck_ok(vdev_open(&setup, &guests[i].v, &err));
	ck_ok(vg_open(&guests[i].g, guests[i].v, &err));
	ck_assert_uint_eq(guests[i].g.cid, CID + i);
}

/* The driver starts afresh, on a device that was reset. */
static void reboot_guest(unsigned i)
{
	struct vdev *v = guests[i].v;
	unsigned q;

	for (q = 0; q < VSOCK_QUEUES; q++)
		ck_ok(fe_ring_stop(v->rings[q], v->fe, &err));
	ck_ok(fe_reset_device(v->fe, &err));
	for (q = 0; q < VSOCK_QUEUES; q++) {
		fe_ring_reset(v->rings[q]);
		ck_ok(fe_ring_start(v->rings[q], v->fe, &err));
	}
	ck_ok(vg_open(&guests[i].g, v, &err));
}

static uint8_t pattern(unsigned number, uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16 ^ number * 37);
}

static void got(struct vg_conn *c, const uint8_t *data, uint32_t n, uint32_t flags)
{
	struct stream *s = container_of(c, struct stream, conn);
	uint32_t i;

	for (i = 0; i < n; i++)
		s->wrong = s->wrong || data[i] != pattern(s->number, s->got + i);
	s->got += n;
}

static struct stream *new_stream(unsigned number)
{
	struct stream *s = streams;

	while (s->used)
		s++;
	must(s < streams + CONNS);
	*s = (struct stream){ .used = true, .number = number, .fd = -1, .conn.got = got };
	return s;
}

static void asked(struct vg *g, const struct vg_packet *p, void *ctx)
{
	struct guest *guest = ctx;

	guest->asked++;
	ck_ok(vg_accept(g, &new_stream(p->src_port)->conn, p, &err));
}

/* Whatever has come to all guests; sleeps for a moment when nothing has. */
static void turn(void)
{
	int n = 0, ret;
	unsigned i;

	for (i = 0; i < GUESTS; i++) {
		if (guests[i].v == NULL)
			continue;
		ret = vg_turn(&guests[i].g, asked, &guests[i], &err);
		ck_ok(ret);
		n += ret;
	}
	for (i = 0; i < GUESTS; i++) {
		if (guests[i].v != NULL)
			ck_ok(vg_wait(&guests[i].g, -1, n == 0, &err));
	}
}

#define until(cond) do { \
	uint64_t end_ = now_ms() + 3 * SERVER_MS; \
	while (!(cond)) { \
		must(now_ms() < end_); \
		turn(); \
	} } while (0)

static struct stream *join(unsigned i, uint64_t cid, enum vg_state want)
{
	struct stream *s = new_stream(0);

	s->conn.peer_cid = cid;
	ck_ok(vg_connect(&guests[i].g, &s->conn, PORT, &err));
	s->number = s->conn.port;
	until(s->conn.state != VG_ASKED);
	ck_assert_int_eq(s->conn.state, want);
	return s;
}

static void write_some(struct stream *s, uint64_t most)
{
	uint8_t data[PIECE];
	unsigned i, n = PIECE - s->number % 100;
	int ret;

	n = most - s->sent < n ? (unsigned)(most - s->sent) : n;
	for (i = 0; i < n; i++)
		data[i] = pattern(s->number, s->sent + i);
	ret = vg_write(&s->conn, data, n, VSOCK_PACKET_MAX, &err);
	ck_ok(ret);
	ck_ok(vg_kick(s->conn.g, &err));
	s->sent += (unsigned)ret;
}

/* Bytes from one guest to the other, who has taken it in with the last stream. */
static void talk(struct stream *from, struct stream *to)
{
	const uint64_t end = now_ms() + 3 * SERVER_MS;

	while (to->got < EACH) {
		must(now_ms() < end);
		if (from->sent < EACH)
			write_some(from, EACH);
		turn();
		must(!to->wrong);
	}
}

static struct stream *answering(const struct stream *s)
{
	struct stream *k;

	for (k = streams; k < streams + CONNS; k++) {
		if (k->used && k != s && k->conn.peer_port == s->conn.port &&
		    k->conn.peer_cid == s->conn.g->cid)
			return k;
	}
	ck_abort_msg("nobody has answered");
	return NULL;
}

static bool is_there(const char *name)
{
	struct stat st;

	return lstat(server_path(&server, name), &st) == 0;
}

/* -- The host --------------------------------------------------------------------- */

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", server_path(&server, name));
	return a;
}

static int host_listen(void)
{
	struct sockaddr_un a = address("u0_1000");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	return fd;
}

/* A connection of guest 0 to the host. */
static struct stream *dial(int listener)
{
	const struct timeval limit = { SERVER_MS / 1000, 0 };
	struct stream *s = join(0, VSOCK_CID_HOST, VG_OPEN);

	s->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(s->fd, 0);
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return s;
}

static void host_writes(struct stream *s, uint64_t most)
{
	uint8_t data[PIECE];
	unsigned i, n = most - s->host_sent < PIECE ? (unsigned)(most - s->host_sent) : PIECE;
	ssize_t ret;

	for (i = 0; i < n; i++)
		data[i] = pattern(s->number, s->host_sent + i);
	ret = send(s->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (ret > 0)
		s->host_sent += (uint64_t)ret;
	else
		must(errno == EAGAIN);
}

/* false: nothing there, or the end. */
static bool host_reads(struct stream *s, int flags)
{
	uint8_t data[65536];
	ssize_t n = recv(s->fd, data, sizeof(data), flags), i;

	for (i = 0; i < n; i++)
		must(data[i] == pattern(s->number, s->host_got + (uint64_t)i));
	s->host_got += n > 0 ? (uint64_t)n : 0;
	return n > 0;
}

/* -- Tests ------------------------------------------------------------------------ */

#define GUEST(n, cid, more) "[vsock \"" n "\"]\nsocket-path = @" n ".sock\nuds-path = @u" n "\n" \
	"guest-cid = " cid "\n" more

START_TEST(groups_and_threads)
{
	struct stream *s;

	server_start_ini(&server, "[common]\nthreads = 4\n" GUEST("0", "3", "groups = a\n")
			 GUEST("1", "4", "groups = b\n") GUEST("2", "5", "groups = a+c\n")
			 GUEST("3", "6", "groups = b\n"));
	boot(0);
	boot(1);
	boot(2);
	boot(3);
	ck_assert_uint_eq(server_threads(&server), 4);
	s = join(0, CID + 2, VG_OPEN);
	talk(s, answering(s));
	s = join(3, CID + 1, VG_OPEN);
	talk(s, answering(s));
	join(0, CID + 1, VG_CLOSED);
	join(1, CID + 2, VG_CLOSED);
	tear_down();
}
END_TEST

static void reload(const char *ini)
{
	char name[80];
	FILE *f;

	snprintf(name, sizeof(name), "%s", server_path(&server, "new.ini"));
	f = fopen(name, "we");
	ck_assert_ptr_nonnull(f);
	for (; *ini != '\0'; ini++) {
		if (*ini == '@')
			fprintf(f, "%s/", server.dir);
		else
			fputc(*ini, f);
	}
	fclose(f);
	ck_assert_int_eq(rename(name, server_path(&server, "run.ini")), 0);
	ck_assert_int_eq(kill(server.pid, SIGHUP), 0);
}

/* Its front end is hung up on. */
static void expect_removal(unsigned i)
{
	struct pollfd p = { .fd = fe_fd(guests[i].v->fe), .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, SERVER_MS), 1);
	ck_assert((p.revents & POLLHUP) != 0);
	vdev_free(guests[i].v);
	guests[i].v = NULL;
}

START_TEST(guests_come_and_go)
{
	struct stream *s, *to_b, *from_b, *host;
	int listener;

	server_start_ini(&server, GUEST("0", "3", "") GUEST("1", "4", ""));
	boot(0);
	boot(1);
	listener = host_listen();
	host = dial(listener);
	to_b = join(0, CID + 1, VG_OPEN);
	talk(to_b, answering(to_b));
	from_b = answering(join(1, CID, VG_OPEN));
	reload(GUEST("0", "3", "") GUEST("2", "5", ""));
	expect_removal(1);
	until(to_b->conn.state == VG_CLOSED && from_b->conn.state == VG_CLOSED);
	vg_drop(&from_b->conn);
	from_b->used = false;
	ck_assert(!is_there("1.sock"));
	ck_assert(!is_there("u1"));
	join(0, CID + 1, VG_CLOSED);
	/* Who stays has noticed nothing else, and meets who is new. */
	boot(2);
	s = join(0, CID + 2, VG_OPEN);
	talk(s, answering(s));
	write_some(host, PIECE);
	ck_assert(host_reads(host, 0));
	/* The one that was removed comes back. */
	reload(GUEST("2", "5", "") GUEST("1", "4", "") GUEST("0", "3", ""));
	boot(1);
	s = join(1, CID, VG_OPEN);
	talk(s, answering(s));
	close(listener);
	unlink(server_path(&server, "u0_1000"));
	tear_down();
}
END_TEST

/* Half of the crowd's bytes may have come when the two stalled ones still hold all of theirs. */
START_TEST(slow_ones_stall_nobody)
{
	struct stream *slow, *lazy, *all[CROWD];
	const uint64_t end = now_ms() + 6 * SERVER_MS;
	int listener;
	unsigned i, done;

	server_start_ini(&server, GUEST("0", "3", ""));
	boot(0);
	listener = host_listen();
	slow = dial(listener);          /* nobody reads at the host */
	lazy = dial(listener);          /* .. at the guest */
	lazy->conn.stalled = true;
	for (i = 0; i < CROWD; i++)
		all[i] = dial(listener);
	do {
		must(now_ms() < end);
		if (slow->sent < 8 * EACH)
			write_some(slow, 8 * EACH);
		host_writes(lazy, 8 * EACH);
		for (i = 0, done = 0; i < CROWD; i++) {
			if (all[i]->sent < EACH)
				write_some(all[i], EACH);
			host_writes(all[i], EACH);
			host_reads(all[i], MSG_DONTWAIT);
			must(!all[i]->wrong);
			must(all[i]->conn.state == VG_OPEN);
			done += all[i]->got == EACH && all[i]->host_got == EACH;
		}
		turn();
	} while (done < CROWD);
	ck_assert_uint_lt(slow->sent, 8 * EACH);
	ck_assert_uint_le(lazy->got, VG_WINDOW);
	/* They go on where they stopped. */
	lazy->conn.stalled = false;
	ck_ok(vg_tell_credit(&lazy->conn, &err));
	while (slow->host_got < 8 * EACH || lazy->got < 8 * EACH) {
		must(now_ms() < end);
		if (slow->sent < 8 * EACH)
			write_some(slow, 8 * EACH);
		host_writes(lazy, 8 * EACH);
		host_reads(slow, MSG_DONTWAIT);
		turn();
		must(!lazy->wrong);
	}
	close(listener);
	unlink(server_path(&server, "u0_1000"));
	tear_down();
}
END_TEST

/* What it had sent is read by the host, then an end; the same ports may be used again. */
START_TEST(reboot_with_connections)
{
	struct stream *old[CROWD], *s;
	unsigned i;
	int listener;

	server_start_ini(&server, GUEST("0", "3", ""));
	boot(0);
	listener = host_listen();
	for (i = 0; i < CROWD; i++) {
		old[i] = dial(listener);
		write_some(old[i], LEFT_BEHIND);
		host_writes(old[i], LEFT_BEHIND);
	}
	if (_i == 0) {
		reboot_guest(0);
	} else {
		vdev_free(guests[0].v);
		boot(0);
	}
	for (i = 0; i < CROWD; i++) {
		while (host_reads(old[i], 0))
			;
		ck_assert_uint_eq(old[i]->host_got, LEFT_BEHIND);
		close(old[i]->fd);
		old[i]->used = false;
	}
	for (i = 0; i < CROWD; i++) {
		s = dial(listener);
		host_writes(s, LEFT_BEHIND);
		write_some(s, LEFT_BEHIND);
		until(s->got == LEFT_BEHIND);
		ck_assert(!s->wrong);
		ck_assert(host_reads(s, 0));
	}
	close(listener);
	unlink(server_path(&server, "u0_1000"));
	tear_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vsock");
	TCase *tc = tcase_create("vsock");

	if (!server_has("vsock"))
		return server_skip("vsock");
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, groups_and_threads);
	tcase_add_test(tc, guests_come_and_go);
	tcase_add_test(tc, slow_ones_stall_nobody);
	tcase_add_loop_test(tc, reboot_with_connections, 0, 2);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
