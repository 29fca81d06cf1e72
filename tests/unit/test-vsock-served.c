/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The socket device on real rings and sockets: every rule for packets and connections. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "probe/vsock-guest.h"
#include "served.h"
#include "suite.h"

enum { HOST = VSOCK_CID_HOST, CID = 3, PORT = 1000, MS = 20000, STREAM = VSOCK_TYPE_STREAM,
	SEQ = VSOCK_TYPE_SEQPACKET, BULK = 3 << 20, HDR = 44 };

extern const struct device device_vsock;

static struct vdev vdev;
static struct vg g;
static char dir[40], path[sizeof(dir) + 40];

static const uint64_t layouts[] = {
	BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED), 0,
};

/* -- The guest ------------------------------------------------------------------ */

static void start_rings(uint64_t ring_features)
{
	const struct fe_mem_spec spec = { .guest = 0x100000, .size = 2 * VG_MEMORY + (1 << 20) };
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_VSOCK_F_STREAM) |
		BIT(VIRTIO_VSOCK_F_SEQPACKET) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | ring_features;
	struct fe_ring_setup setup = { .size = VG_QUEUE_SIZE, .features = features };

	served_ok(fe_negotiate(served.fe, fe_all_protocol_features() &
			       ~BIT(VU_PF_INBAND_NOTIFICATIONS), &served.err));
	ck_assert_uint_eq(fe_offered(served.fe) & features, features);
	served_ok(fe_set_features(served.fe, features, &served.err));
	served.mem = fe_mem_new();
	served_ok(fe_mem_add(served.mem, &spec, &served.err));
	served_ok(fe_mem_send(served.mem, served.fe, &served.err));
	vdev = (struct vdev){ .fe = served.fe, .mem = served.mem, .queues = VSOCK_QUEUES,
		.timeout_ms = MS };
	for (setup.index = 0; setup.index < VSOCK_QUEUES; setup.index++) {
		served_ok(fe_ring_new(served.mem, &setup, &vdev.rings[setup.index], &served.err));
		served_ok(fe_ring_start(vdev.rings[setup.index], served.fe, &served.err));
	}
}

static void begin_raw(int layout)
{
	snprintf(dir, sizeof(dir), "/tmp/test-vsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/u", dir);
	served_option(&device_vsock, "uds-path", path);
	served_open(&device_vsock);
	start_rings(layouts[layout]);
}

static void begin(int layout)
{
	begin_raw(layout);
	served_ok(vg_open(&g, &vdev, &served.err));
	ck_assert_uint_eq(g.cid, CID);
}

static void finish(void)
{
	unsigned i;

	ck_assert_uint_eq(g.malformed, 0);
	for (i = 0; i < VSOCK_QUEUES; i++)
		served_ok(fe_ring_stop(vdev.rings[i], served.fe, &served.err));
	for (i = 0; i < VSOCK_QUEUES; i++)
		fe_ring_free(vdev.rings[i]);
	served_close();
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ck_assert_int_eq(system(path), 0);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct vg_packet make(uint16_t op, uint32_t port, uint32_t len)
{
	return (struct vg_packet){ .src_cid = CID, .dst_cid = HOST, .src_port = port,
		.dst_port = PORT, .len = len, .type = STREAM, .op = op, .buf_alloc = VG_WINDOW };
}

static void put(const struct vg_packet *p, const void *data)
{
	while (vg_send(&g, p, data, &served.err) == -EAGAIN)
		served_ok(vg_wait(&g, -1, MS, &served.err));
	served_ok(vg_kick(&g, &served.err));
}

static void put_op(uint16_t op, uint32_t port, uint32_t flags)
{
	struct vg_packet p = make(op, port, 0);

	p.flags = flags;
	put(&p, NULL);
}

static struct vg_packet get_packet(void)
{
	struct vg_packet p = { .op = 0 };
	uint64_t end = now_ms() + MS;
	int ret;

	while ((ret = vg_receive(&g, &p, &served.err)) == 0) {
		ck_assert_msg(now_ms() < end, "nothing came");
		served_ok(vg_wait(&g, -1, MS, &served.err));
	}
	served_ok(ret);
	return p;
}

static struct vg_packet get_op(uint16_t op)
{
	struct vg_packet p = get_packet();

	ck_assert_msg(p.op == op, "op %u instead of %u", p.op, op);
	return p;
}

/* What was sent before has been dealt with: the answer to a packet that always has one. */
static void get_nothing(void)
{
	put_op(VSOCK_OP_RW, 77777, 0);
	ck_assert_uint_eq(get_op(VSOCK_OP_RST).dst_port, 77777);
}

/* -- The host ------------------------------------------------------------------- */

static struct sockaddr_un addr_of(const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	return a;
}

static int host_socket(int type)
{
	const struct timeval limit = { MS / 1000, 0 };
	int fd = socket(AF_UNIX, type, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static int host_listen(int type)
{
	struct sockaddr_un a = addr_of("_1000");
	int fd = host_socket(type);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(fd, 100), 0);
	return fd;
}

static int host_accept(int listener)
{
	const struct timeval limit = { MS / 1000, 0 };
	int fd = accept(listener, NULL, NULL);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static int host_connect(const char *suffix, int type)
{
	struct sockaddr_un a = addr_of(suffix);
	int fd = host_socket(type);

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void host_send(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void host_reads(int fd, const char *text)
{
	char buf[200];
	size_t n = 0;
	ssize_t got;

	while (n < strlen(text) && (got = recv(fd, buf + n, strlen(text) - n, 0)) > 0)
		n += (size_t)got;
	ck_assert_uint_eq(n, strlen(text));
	ck_assert_int_eq(memcmp(buf, text, n), 0);
}

/* End of file, or an error that says the same. */
static void host_sees_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	ck_assert_msg(n == 0 || (n < 0 && errno == ECONNRESET), "%zd %s", n, strerror(errno));
	close(fd);
}

/* -- A connection --------------------------------------------------------------- */

static int open_conn(uint32_t port)
{
	int listener = host_listen(SOCK_STREAM), fd;
	struct sockaddr_un a = addr_of("_1000");

	put_op(VSOCK_OP_REQUEST, port, 0);
	ck_assert_uint_eq(get_op(VSOCK_OP_RESPONSE).dst_port, port);
	fd = host_accept(listener);
	close(listener);
	unlink(a.sun_path);
	return fd;
}

START_TEST(requests_to_nobody)
{
	struct vg_packet p;

	begin(_i);
	put_op(VSOCK_OP_REQUEST, 5, 0);
	p = get_op(VSOCK_OP_RST);
	ck_assert_uint_eq(p.src_port, PORT);
	ck_assert_uint_eq(p.dst_port, 5);
	ck_assert_uint_eq(p.src_cid, HOST);
	ck_assert_uint_eq(p.type, STREAM);
	p = make(VSOCK_OP_REQUEST, 6, 0);
	p.dst_cid = 99;
	put(&p, NULL);
	ck_assert_uint_eq(get_op(VSOCK_OP_RST).src_cid, 99);
	finish();
}
END_TEST

START_TEST(packets_of_no_connection)
{
	static const uint16_t ops[] = { 0, VSOCK_OP_RESPONSE, VSOCK_OP_SHUTDOWN, VSOCK_OP_RW,
		VSOCK_OP_CREDIT_UPDATE, VSOCK_OP_CREDIT_REQUEST, 8, 0xffff };
	unsigned i;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		put_op(ops[i], 10 + i, 0);
		ck_assert_uint_eq(get_op(VSOCK_OP_RST).dst_port, 10 + i);
	}
	/* An RST has no answer. */
	put_op(VSOCK_OP_RST, 30, 0);
	get_nothing();
	finish();
}
END_TEST

START_TEST(unknown_types)
{
	struct vg_packet p = make(VSOCK_OP_REQUEST, 5, 0);
	unsigned type;

	begin(_i);
	for (type = 0; type < 6; type++) {
		if (type == STREAM || type == SEQ)
			continue;
		p.type = (uint16_t)type;
		put(&p, NULL);
		ck_assert_uint_eq(get_op(VSOCK_OP_RST).type, type);
	}
	p.op = VSOCK_OP_RST;
	put(&p, NULL);
	get_nothing();
	finish();
}
END_TEST

START_TEST(source_is_checked)
{
	static const uint64_t wrong[] = { 0, 1, 2, 4, CID | 1ULL << 32, UINT64_MAX };
	struct vg_packet p = make(VSOCK_OP_REQUEST, 5, 0);
	unsigned i;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		p.src_cid = wrong[i];
		put(&p, NULL);
	}
	get_nothing();
	finish();
}
END_TEST

START_TEST(bytes_both_ways)
{
	struct vg_packet p = make(VSOCK_OP_RW, 5, 6), got;
	int fd;

	begin(_i);
	fd = open_conn(5);
	put(&p, "guest!");
	host_reads(fd, "guest!");
	host_send(fd, "host");
	got = get_op(VSOCK_OP_RW);
	ck_assert_uint_eq(got.len, 4);
	ck_assert_int_eq(memcmp(got.data, "host", 4), 0);
	ck_assert_uint_eq(got.fwd_cnt, 6);
	put_op(VSOCK_OP_SHUTDOWN, 5, VSOCK_SHUT_BOTH);
	get_op(VSOCK_OP_RST);
	host_sees_end(fd);
	put(&p, "guest!");
	get_op(VSOCK_OP_RST);
	finish();
}
END_TEST

/* Half-closed by each side: the other direction goes on. */
START_TEST(half_closed)
{
	struct vg_packet p = make(VSOCK_OP_RW, 5, 4);
	char byte;
	int fd;

	begin(_i);
	fd = open_conn(5);
	put(&p, "last");
	put_op(VSOCK_OP_SHUTDOWN, 5, VSOCK_SHUT_SEND);
	host_reads(fd, "last");
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	host_send(fd, "more");
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 4);
	close(fd);
	ck_assert_uint_eq(get_op(VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUT_BOTH);
	put_op(VSOCK_OP_RST, 5, 0);

	fd = open_conn(6);
	host_send(fd, "last");
	shutdown(fd, SHUT_WR);
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 4);
	ck_assert_uint_eq(get_op(VSOCK_OP_SHUTDOWN).flags, VSOCK_SHUT_SEND);
	p.src_port = 6;
	put(&p, "more");
	host_reads(fd, "more");
	put_op(VSOCK_OP_SHUTDOWN, 6, VSOCK_SHUT_BOTH);
	get_op(VSOCK_OP_RST);
	host_sees_end(fd);
	finish();
}
END_TEST

/* Each breaks a rule on an open connection, which it costs. */
START_TEST(broken_rules)
{
	static const struct {
		uint16_t op, type;
		uint32_t len;
		bool shut;
	} rules[] = {
		{ VSOCK_OP_RW, SEQ, 1, false },
		{ VSOCK_OP_CREDIT_UPDATE, SEQ, 0, false },
		{ VSOCK_OP_RW, STREAM, 0, false },
		{ VSOCK_OP_RW, STREAM, 1, true },
	};
	static const char data[8] = "";
	struct vg_packet p;
	unsigned i;
	int fd;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		fd = open_conn(5 + i);
		if (rules[i].shut)
			put_op(VSOCK_OP_SHUTDOWN, 5 + i, VSOCK_SHUT_SEND);
		p = make(rules[i].op, 5 + i, rules[i].len);
		p.type = rules[i].type;
		put(&p, data);
		ck_assert_uint_eq(get_op(VSOCK_OP_RST).dst_port, 5 + i);
		host_sees_end(fd);
	}
	finish();
}
END_TEST

START_TEST(odd_packets_of_an_open_one)
{
	static const uint16_t ops[] = { 0, VSOCK_OP_RESPONSE, 8, 0x100, 0xffff };
	unsigned i;
	int fd;

	begin(_i);
	fd = open_conn(5);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		put_op(ops[i], 5, 0xffffffff);
	put_op(VSOCK_OP_CREDIT_REQUEST, 5, 0);
	ck_assert_uint_ge(get_op(VSOCK_OP_CREDIT_UPDATE).buf_alloc, 65536);
	host_send(fd, "alive");
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 5);
	close(fd);
	finish();
}
END_TEST

/* More than there is room for: as much as was promised, then a byte. */
START_TEST(window_is_kept)
{
	static uint8_t data[65536];
	struct vg_packet p = make(VSOCK_OP_RW, 5, sizeof(data));
	unsigned i;
	int fd;

	begin(_i);
	fd = open_conn(5);
	/* Nobody reads: the socket takes some, we hold the window, then it is too much. */
	for (i = 0; i < 100; i++) {
		put(&p, data);
		while (vg_receive(&g, &p, &served.err) == 1) {
			if (p.op == VSOCK_OP_RST)
				i = 1000;
		}
		p = make(VSOCK_OP_RW, 5, sizeof(data));
	}
	if (i < 1000)
		get_op(VSOCK_OP_RST);
	close(fd);
	finish();
}
END_TEST

START_TEST(same_ports_again)
{
	int old, fd;

	begin(_i);
	old = open_conn(5);
	fd = open_conn(5);
	host_sees_end(old);
	host_send(fd, "new");
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 3);
	put_op(VSOCK_OP_RST, 5, 0);
	host_sees_end(fd);
	get_nothing();
	finish();
}
END_TEST

/* -- Clients of the host ------------------------------------------------------------ */

static struct vg_packet accept_client(uint32_t port)
{
	struct vg_packet p = get_op(VSOCK_OP_REQUEST), answer;

	ck_assert_uint_eq(p.dst_port, port);
	ck_assert_uint_ge(p.src_port, 1u << 30);
	answer = make(VSOCK_OP_RESPONSE, port, 0);
	answer.dst_port = p.src_port;
	answer.type = p.type;
	put(&answer, NULL);
	return answer;
}

START_TEST(clients)
{
	static const char *const lines[] = { "CONNECT 80\n", "connect 80\n", "Connect\t 80 \r\n",
		"  CONNECT 80\n", "CONNECT 80\nHello" };
	struct vg_packet p;
	unsigned i, k;
	int fd;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		fd = host_connect("", SOCK_STREAM);
		/* In any pieces. */
		for (k = 0; lines[i][k] != '\0'; k++) {
			ck_assert_int_eq(send(fd, lines[i] + k, 1, 0), 1);
			if (k < 4)
				poll(NULL, 0, 1);
		}
		p = accept_client(80);
		host_reads(fd, "OK 80\n");
		if (i + 1 == ARRAY_SIZE(lines)) {
			struct vg_packet got = get_op(VSOCK_OP_RW);

			ck_assert_int_eq(memcmp(got.data, "Hello", got.len), 0);
		}
		p.op = VSOCK_OP_RST;
		put(&p, NULL);
		host_sees_end(fd);
		get_nothing();
	}
	finish();
}
END_TEST

START_TEST(bad_clients)
{
	static const char endless[] = "CONNECT 00000000000000000000000000000000000000"
		"00000000000000000000000000000000000000001\n";
	static const char *const lines[] = { "\n", "CONNECT\n", "CONNECT x\n", "CONNECT80\n",
		"CONNECT -1\n", "CONNECT 4294967296\n", "CONNECT 1 2\n", "GET / HTTP/1.0\n",
		endless };
	unsigned i;
	int fd;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		fd = host_connect("", SOCK_STREAM);
		host_send(fd, lines[i]);
		host_sees_end(fd);
	}
	/* Gone before, within and behind the line. */
	close(host_connect("", SOCK_STREAM));
	fd = host_connect("", SOCK_STREAM);
	host_send(fd, "CONN");
	close(fd);
	fd = host_connect("", SOCK_STREAM);
	host_send(fd, "CONNECT 9\n");
	close(fd);
	accept_client(9);
	finish();
}
END_TEST

START_TEST(refused_client)
{
	struct vg_packet p;
	int fd;

	begin(_i);
	fd = host_connect("", SOCK_STREAM);
	host_send(fd, "CONNECT 80\n");
	p = get_op(VSOCK_OP_REQUEST);
	p = (struct vg_packet){ .src_cid = CID, .dst_cid = HOST, .src_port = 80,
		.dst_port = p.src_port, .type = STREAM, .op = VSOCK_OP_RST };
	put(&p, NULL);
	host_sees_end(fd);
	get_nothing();
	finish();
}
END_TEST

/* -- Bulk ------------------------------------------------------------------------------ */

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

struct sink {
	uint64_t n;
	unsigned messages, packets;
	bool wrong;
};

static void count(struct vg_conn *c, const uint8_t *data, uint32_t n, uint32_t flags)
{
	struct sink *s = c->ctx;
	uint32_t i;

	for (i = 0; i < n; i++)
		s->wrong = s->wrong || data[i] != pattern(s->n + i);
	s->n += n;
	s->packets++;
	s->messages += (flags & VSOCK_SEQ_EOM) != 0;
}

/* What a program of the host does: everything comes back. */
static pid_t echoes(int fd, int other)
{
	static char buf[1 << 18];
	ssize_t n, done, k;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid != 0) {
		close(fd);
		return pid;
	}
	close(other);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (done = 0; done < n; done += k) {
			k = send(fd, buf + done, (size_t)(n - done), MSG_NOSIGNAL);
			if (k < 0)
				_exit(1);
		}
	}
	_exit(0);
}

static void mirror(uint16_t type, uint32_t write, uint64_t bulk)
{
	static uint8_t data[1 << 20];
	struct sink s = { .n = 0 };
	struct vg_conn c = { .type = type, .got = count, .ctx = &s };
	int listener = host_listen(type == SEQ ? SOCK_SEQPACKET : SOCK_STREAM), ret;
	uint64_t sent = 0, i, end = now_ms() + 4 * MS;

	served_ok(vg_connect(&g, &c, PORT, &served.err));
	while (c.state == VG_ASKED) {
		served_ok(vg_wait(&g, -1, MS, &served.err));
		served_ok(vg_turn(&g, NULL, NULL, &served.err));
	}
	ck_assert_int_eq(c.state, VG_OPEN);
	echoes(host_accept(listener), listener);
	close(listener);
	while (s.n < bulk) {
		for (i = 0; i < write && i < bulk - sent; i++)
			data[i] = pattern(sent + i);
		ret = 0;
		if (i > 0)
			ret = vg_write(&c, data, (uint32_t)i, VSOCK_PACKET_MAX, &served.err);
		served_ok(ret);
		sent += (unsigned)ret;
		ret = vg_turn(&g, NULL, NULL, &served.err);
		served_ok(ret);
		ck_assert(!s.wrong);
		ck_assert_uint_le(s.n, sent);
		ck_assert_int_eq(c.state, VG_OPEN);
		ck_assert_uint_lt(now_ms(), end);
		if (ret == 0)
			served_ok(vg_wait(&g, -1, 100, &served.err));
	}
	ck_assert_uint_eq(s.n, bulk);
	if (type == SEQ)
		ck_assert_uint_eq(s.messages, (bulk + write - 1) / write);
	served_ok(vg_shutdown(&c, VSOCK_SHUT_BOTH, &served.err));
	while (c.state == VG_OPEN) {
		served_ok(vg_wait(&g, -1, MS, &served.err));
		served_ok(vg_turn(&g, NULL, NULL, &served.err));
	}
	vg_drop(&c);
}

START_TEST(bulk)
{
	static const uint32_t writes[] = { 1, 100, 1024, 3733, 16384, 65536 };
	struct sockaddr_un a;
	unsigned i;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		a = addr_of("_1000");
		mirror(STREAM, writes[i], writes[i] < 100 ? 2000 : BULK);
		unlink(a.sun_path);
	}
	finish();
}
END_TEST

START_TEST(messages)
{
	static const uint32_t writes[] = { 1, 3732, 3733, 50000, 65536 };
	struct sockaddr_un a;
	unsigned i;

	begin(_i);
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		a = addr_of("_1000");
		mirror(SEQ, writes[i], writes[i] < 100 ? 500 : BULK);
		unlink(a.sun_path);
	}
	finish();
}
END_TEST

/* -- Hostile layouts and floods ------------------------------------------------------------ */

static unsigned char *at(uint64_t guest)
{
	return fe_mem_at(served.mem, guest, 1);
}

/* A packet in pieces of our choice; its used length. */
static uint32_t put_pieces(const struct fe_seg *segs, unsigned n_out, unsigned n_in)
{
	struct fe_ring *tx = vdev.rings[VSOCK_TXQ];
	struct fe_used used;

	served_ok(fe_ring_add(tx, segs, n_out, n_in, 0, g.tx));
	served_ok(fe_ring_kick(tx, served.fe, &served.err));
	served_ok(fe_ring_wait(tx, served.fe, MS, &served.err));
	ck_assert_int_eq(fe_ring_get(tx, &used, &served.err), 1);
	return used.len;
}

static void write_header(uint64_t guest, const struct vg_packet *p)
{
	const struct virtio_vsock_hdr h = {
		.src_cid = le64(p->src_cid), .dst_cid = le64(p->dst_cid),
		.src_port = le32(p->src_port), .dst_port = le32(p->dst_port),
		.len = le32(p->len), .type = le16(p->type), .op = le16(p->op),
		.buf_alloc = le32(p->buf_alloc),
	};

	memcpy(at(guest), &h, sizeof(h));
}

START_TEST(any_layout)
{
	const struct vg_packet p = make(VSOCK_OP_RW, 5, 20);
	struct fe_seg segs[64];
	unsigned split, n;
	int fd;

	begin(_i);
	fd = open_conn(5);
	write_header(g.tx_at, &p);
	memcpy(at(g.tx_at + HDR), "twenty bytes of data", 20);
	for (split = 1; split < HDR + 20; split++) {
		segs[0] = (struct fe_seg){ g.tx_at, split };
		segs[1] = (struct fe_seg){ g.tx_at + split, HDR + 20 - split };
		ck_assert_uint_eq(put_pieces(segs, 2, 0), 0);
		host_reads(fd, "twenty bytes of data");
	}
	for (n = 0; n < HDR + 20; n++)
		segs[n] = (struct fe_seg){ g.tx_at + n, 1 };
	ck_assert_uint_eq(put_pieces(segs, n, 0), 0);
	host_reads(fd, "twenty bytes of data");
	/* More than the packet says is not part of it. */
	segs[0] = (struct fe_seg){ g.tx_at, 4000 };
	ck_assert_uint_eq(put_pieces(segs, 1, 0), 0);
	host_reads(fd, "twenty bytes of data");
	host_send(fd, "alive");
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 5);
	close(fd);
	finish();
}
END_TEST

/* Each comes back with length 0, and the ring goes on. */
START_TEST(malformed_packets)
{
	struct vg_packet p = make(VSOCK_OP_RW, 5, 100);
	struct fe_seg segs[2] = { { 0, 0 } };
	uint32_t n;
	int fd;

	begin(_i);
	fd = open_conn(5);
	write_header(g.tx_at, &p);
	for (n = 1; n < HDR + 100; n += 7) {
		segs[0] = (struct fe_seg){ g.tx_at, n };
		ck_assert_uint_eq(put_pieces(segs, 1, 0), 0);
	}
	segs[0] = (struct fe_seg){ g.tx_at, HDR + 100 };
	segs[1] = (struct fe_seg){ g.tx_at + 1000, 100 };
	ck_assert_uint_eq(put_pieces(segs, 1, 1), 0);
	p.len = UINT32_MAX;
	write_header(g.tx_at, &p);
	ck_assert_uint_eq(put_pieces(segs, 1, 0), 0);
	get_nothing();
	host_send(fd, "alive");
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 5);
	close(fd);
	finish();
}
END_TEST

/* The guest gives no buffers: what it asks for is remembered as far as it goes, or dropped. */
START_TEST(floods)
{
	struct vg_packet p = make(VSOCK_OP_REQUEST, 0, 0);
	struct vg_packet got;
	unsigned i, answers = 0;

	begin_raw(_i);
	g = (struct vg){ .v = &vdev, .held = -1, .cid = CID };
	served_ok(fe_mem_alloc(served.mem, 0, VG_TX_SLOTS * (VSOCK_PACKET_MAX + 4096), 4096,
			       &g.tx_at));
	g.tx = at(g.tx_at);
	for (g.n_free = 0; g.n_free < VG_TX_SLOTS; g.n_free++)
		g.free_slots[g.n_free] = (uint16_t)g.n_free;
	for (i = 0; i < 20000; i++) {
		p.src_port = i;
		p.op = i % 3 == 0 ? VSOCK_OP_RST : i % 3 == 1 ? VSOCK_OP_RW : VSOCK_OP_REQUEST;
		put(&p, NULL);
	}
	while (g.n_free < VG_TX_SLOTS) {
		struct fe_used used;

		served_ok(fe_ring_wait(vdev.rings[VSOCK_TXQ], served.fe, MS, &served.err));
		while (fe_ring_get(vdev.rings[VSOCK_TXQ], &used, &served.err) == 1)
			g.n_free++;
	}
	served_ok(vg_open(&g, &vdev, &served.err));
	while (answers < 100) {
		got = get_op(VSOCK_OP_RST);
		ck_assert_uint_ne(got.dst_port % 3, 0);
		answers++;
	}
	while (vg_receive(&g, &got, &served.err) == 1)
		answers++;
	ck_assert_uint_le(answers, 1000);
	finish();
}
END_TEST

/* What a guest may have unread is what it told, however it changes its mind. */
START_TEST(credit_of_the_guest)
{
	static const uint32_t rooms[] = { 1000, 0, 100, 50000, 3000 };
	static char data[60000];
	struct vg_packet p, got;
	uint32_t sent = 0, room;
	unsigned i;
	int fd;

	begin(_i);
	fd = open_conn(5);
	p = make(VSOCK_OP_CREDIT_UPDATE, 5, 0);
	p.buf_alloc = 0;
	put(&p, NULL);
	get_nothing();
	ck_assert_int_eq(send(fd, data, sizeof(data), 0), sizeof(data));
	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		/* All was read, and so much more may come. */
		p.buf_alloc = rooms[i];
		p.fwd_cnt = sent;
		put(&p, NULL);
		for (room = rooms[i]; room > 0; room -= got.len) {
			got = get_packet();
			if (got.op == VSOCK_OP_CREDIT_REQUEST)
				got.len = 0;
			ck_assert_uint_le(got.len, room);
			sent += got.len;
		}
		/* It asks, but sends no more. */
		do {
			got = get_packet();
		} while (got.op == VSOCK_OP_RW && got.len == 0);
		ck_assert_uint_eq(got.op, VSOCK_OP_CREDIT_REQUEST);
	}
	/* To have read more than there was is a lie that changes nothing. */
	p.fwd_cnt = sent + 1000000;
	put(&p, NULL);
	ck_assert_uint_eq(get_op(VSOCK_OP_CREDIT_REQUEST).len, 0);
	close(fd);
	finish();
}
END_TEST

/* Small writes into a guest that does not read: Linux refuses more than 455 packets. */
START_TEST(packets_are_counted)
{
	uint64_t end = now_ms() + 10 * MS;
	struct vg_packet got;
	unsigned n = 0, bytes = 0, i;
	int fd;

	begin(_i);
	fd = open_conn(5);
	for (i = 1; i <= 600; i++) {
		ck_assert_int_eq(send(fd, "x", 1, 0), 1);
		/* From some point on no more comes. */
		while (bytes < i && n < 400 && now_ms() < end) {
			served_ok(vg_wait(&g, -1, 1, &served.err));
			while (vg_receive(&g, &got, &served.err) == 1) {
				n += got.op == VSOCK_OP_RW;
				bytes += got.op == VSOCK_OP_RW ? got.len : 0;
			}
		}
	}
	for (i = 0; i < 20; i++) {
		served_ok(vg_wait(&g, -1, 1, &served.err));
		while (vg_receive(&g, &got, &served.err) == 1)
			n += got.op == VSOCK_OP_RW;
	}
	ck_assert_uint_ge(n, 400);
	ck_assert_uint_le(n, 455);
	close(fd);
	finish();
}
END_TEST

/* One reader stops; others do not notice. */
START_TEST(slow_reader)
{
	static uint8_t data[16384];
	struct vg_packet p = make(VSOCK_OP_RW, 5, sizeof(data)), other = make(VSOCK_OP_RW, 6, 4);
	uint32_t told = 0, sent = 0, window;
	struct vg_packet got;
	unsigned i;
	int slow, fd;

	begin(_i);
	slow = open_conn(5);
	fd = open_conn(6);
	put_op(VSOCK_OP_CREDIT_REQUEST, 5, 0);
	window = get_op(VSOCK_OP_CREDIT_UPDATE).buf_alloc;
	/* As much as it is told that there is room for. */
	for (i = 0; i < 2000 && window - (sent - told) >= sizeof(data); i++) {
		put(&p, data);
		sent += sizeof(data);
		while (vg_receive(&g, &got, &served.err) == 1)
			told = got.fwd_cnt;
		if (window - (sent - told) < sizeof(data)) {
			put_op(VSOCK_OP_CREDIT_REQUEST, 5, 0);
			told = get_op(VSOCK_OP_CREDIT_UPDATE).fwd_cnt;
		}
	}
	ck_assert_uint_lt(i, 2000);
	for (i = 0; i < 100; i++) {
		put(&other, "ping");
		host_reads(fd, "ping");
		host_send(fd, "pong");
		ck_assert_uint_eq(get_op(VSOCK_OP_RW).dst_port, 6);
	}
	/* It goes on where it stopped; the guest has closed by then, and all of it comes. */
	put_op(VSOCK_OP_SHUTDOWN, 5, VSOCK_SHUT_BOTH);
	get_op(VSOCK_OP_RST);
	while (sent > 0) {
		ssize_t n = recv(slow, data, sizeof(data), 0);

		ck_assert_int_gt(n, 0);
		sent -= (uint32_t)n;
	}
	host_sees_end(slow);
	close(fd);
	finish();
}
END_TEST

/* A pause keeps connections; a reset of the guest ends them, but not what it sent. */
START_TEST(pause_and_reset)
{
	struct vg_packet p = make(VSOCK_OP_RW, 5, 4);
	unsigned i;
	int fd;

	begin(_i);
	fd = open_conn(5);
	for (i = 0; i < VSOCK_QUEUES; i++)
		served_ok(fe_ring_stop(vdev.rings[i], served.fe, &served.err));
	host_send(fd, "late");
	for (i = 0; i < VSOCK_QUEUES; i++)
		served_ok(fe_ring_start(vdev.rings[i], served.fe, &served.err));
	ck_assert_uint_eq(get_op(VSOCK_OP_RW).len, 4);
	put(&p, "last");
	get_nothing();
	for (i = 0; i < VSOCK_QUEUES; i++)
		served_ok(fe_ring_stop(vdev.rings[i], served.fe, &served.err));
	served_ok(fe_reset_device(served.fe, &served.err));
	host_reads(fd, "last");
	host_sees_end(fd);
	for (i = 0; i < VSOCK_QUEUES; i++) {
		fe_ring_reset(vdev.rings[i]);
		served_ok(fe_ring_start(vdev.rings[i], served.fe, &served.err));
	}
	fe_mem_release(served.mem, 0);
	finish();
}
END_TEST

int main(void)
{
	const int n = (int)ARRAY_SIZE(layouts);
	Suite *s = suite_create("vsock-served");
	TCase *tc = tcase_create("vsock-served");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, requests_to_nobody, 0, n);
	tcase_add_loop_test(tc, packets_of_no_connection, 0, n);
	tcase_add_loop_test(tc, unknown_types, 0, n);
	tcase_add_loop_test(tc, source_is_checked, 0, n);
	tcase_add_loop_test(tc, bytes_both_ways, 0, n);
	tcase_add_loop_test(tc, half_closed, 0, n);
	tcase_add_loop_test(tc, broken_rules, 0, n);
	tcase_add_test(tc, odd_packets_of_an_open_one);
	tcase_add_test(tc, window_is_kept);
	tcase_add_loop_test(tc, same_ports_again, 0, n);
	tcase_add_test(tc, clients);
	tcase_add_test(tc, bad_clients);
	tcase_add_test(tc, refused_client);
	tcase_add_loop_test(tc, bulk, 0, n);
	tcase_add_loop_test(tc, messages, 0, n);
	tcase_add_loop_test(tc, any_layout, 0, n);
	tcase_add_loop_test(tc, malformed_packets, 0, n);
	tcase_add_loop_test(tc, floods, 0, n);
	tcase_add_loop_test(tc, credit_of_the_guest, 0, n);
	tcase_add_test(tc, packets_are_counted);
	tcase_add_loop_test(tc, slow_reader, 0, n);
	tcase_add_loop_test(tc, pause_and_reset, 0, n);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
