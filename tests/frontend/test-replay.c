/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Plays the messages of real front ends byte by byte, each answer compared:
 * its own reply, an acknowledgment where one was asked for, else silence.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"
#include "sequences.h"
#include "suite.h"
#include "vhost-device/fd.h"

enum { BODY_MAX = 512 };

struct player {
	struct guest *g;
	uint64_t offered, protocol_offered, protocol;
	uint32_t base;
	int call, backend;              /* our ends of socket pairs */
	uint8_t body[BODY_MAX];
	size_t size;
	int fds[8], pass;               /* pass: to be closed once sent */
	unsigned n_fds;
};

static struct server server;

static void set_up(void)
{
	/* UML takes what it is offered. */
	static const char *const args[] = { "-s", "@t.sock", "--inband", NULL };

	server_start(&server, "template", args);
}

static void tear_down(void)
{
	server_clean_up(&server);
}

/* -- Bodies ---------------------------------------------------------------- */

static void put(struct player *p, const void *bytes, size_t n)
{
	ck_assert_uint_le(p->size + n, sizeof(p->body));
	memcpy(p->body + p->size, bytes, n);
	p->size += n;
}

static void put_u64(struct player *p, uint64_t v)
{
	put(p, &v, sizeof(v));
}

static void put_state(struct player *p, uint64_t num)
{
	struct vu_vring_state s = { 0, (uint32_t)num };

	put(p, &s, sizeof(s));
}

static void put_fd(struct player *p, int fd)
{
	p->fds[p->n_fds++] = fd;
}

/* Our end stays here, the other one goes. */
static void put_socket(struct player *p, int *ret_ours)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fd_close(ret_ours);
	*ret_ours = pair[0];
	p->pass = pair[1];
	put_fd(p, pair[1]);
}

static void put_region(struct player *p, unsigned i)
{
	struct vu_region r;

	must(fe_mem_describe(p->g->mem, i, &r));
	put(p, &r, sizeof(r));
	put_fd(p, fe_mem_fd(p->g->mem, i));
}

static void put_protocol(struct player *p, uint64_t want)
{
	p->protocol = want & p->protocol_offered;
	put_u64(p, p->protocol);
}

static void put_mem_table(struct player *p, uint64_t unused)
{
	struct vu_mem_table head = { .n_regions = fe_mem_count(p->g->mem) };
	unsigned i;

	put(p, &head, sizeof(head));
	for (i = 0; i < head.n_regions; i++)
		put_region(p, i);
}

static void put_one_region(struct player *p, uint64_t i)
{
	put_u64(p, 0);
	put_region(p, (unsigned)i);
}

static void put_ring_size(struct player *p, uint64_t unused)
{
	put_state(p, fe_ring_size(p->g->ring));
}

static void put_base(struct player *p, uint64_t unused)
{
	put_state(p, p->base);
}

/* A packed ring has no index to send but where it stopped. */
static void put_avail(struct player *p, uint64_t unused)
{
	bool packed = p->g->features & BIT(VIRTIO_F_RING_PACKED);

	put_state(p, packed ? p->base : fe_ring_avail(p->g->ring));
}

static void put_addr(struct player *p, uint64_t log)
{
	struct vu_vring_addr a = { .log = log };
	struct fe_ring_layout l;

	fe_ring_layout(p->g->ring, &l);
	a.desc = fe_mem_user(p->g->mem, l.desc);
	a.avail = fe_mem_user(p->g->mem, l.driver);
	a.used = fe_mem_user(p->g->mem, l.device);
	put(p, &a, sizeof(a));
}

static void put_kick_fd(struct player *p, uint64_t unused)
{
	put_u64(p, 0);
	put_fd(p, fe_ring_kick_fd(p->g->ring));
}

/* QEMU sends these two long before there is a ring. */
static void put_call_fd(struct player *p, uint64_t unused)
{
	put_u64(p, 0);
	put_fd(p, p->g->ring != NULL ? fe_ring_call_fd(p->g->ring) : p->call);
}

static void put_err_fd(struct player *p, uint64_t unused)
{
	put_u64(p, 0);
	put_fd(p, p->g->ring != NULL ? fe_ring_err_fd(p->g->ring) : p->call);
}

static void put_call_socket(struct player *p, uint64_t unused)
{
	put_u64(p, 0);
	put_socket(p, &p->call);
}

static void put_backend_socket(struct player *p, uint64_t unused)
{
	put_socket(p, &p->backend);
}

static void put_config(struct player *p, uint64_t value)
{
	static const uint8_t zeros[64];
	const uint32_t head[3] = { value & 0xffff, value >> 16 & 0xffff, (uint32_t)(value >> 32) };

	put(p, head, sizeof(head));
	put(p, zeros, head[1]);
}

/* The features decide what ring there is; it is kept while they stay the same. */
static void put_features(struct player *p, uint64_t leave_out)
{
	uint64_t features = p->offered & guest_ring_features & ~leave_out;

	put_u64(p, features);
	if (p->g->ring != NULL && p->g->features == features)
		return;
	p->g->features = features;
	guest_make_ring(p->g, 64, features);
	/* UML knows nothing of a packed ring's wrap bit. */
	p->base = features & BIT(VIRTIO_F_RING_PACKED) && !p->g->setup.gpa_user ? 0x80008000 : 0;
}

static void (*const makers[])(struct player *p, uint64_t value) = {
	[B_U64] = put_u64, [B_FEATURES] = put_features, [B_PROTOCOL] = put_protocol,
	[B_MEM_TABLE] = put_mem_table, [B_ONE_REGION] = put_one_region, [B_STATE] = put_state,
	[B_RING_SIZE] = put_ring_size, [B_BASE] = put_base, [B_AVAIL] = put_avail,
	[B_ADDR] = put_addr, [B_KICK_FD] = put_kick_fd, [B_CALL_FD] = put_call_fd,
	[B_ERR_FD] = put_err_fd, [B_CALL_SOCKET] = put_call_socket,
	[B_BACKEND_SOCKET] = put_backend_socket, [B_CONFIG] = put_config,
};

static void make_body(struct player *p, const struct step *s)
{
	p->size = 0;
	p->n_fds = 0;
	p->pass = -1;
	if (s->body != B_NONE)
		makers[s->body](p, s->value);
}

/* -- Answers --------------------------------------------------------------- */

/* Size of the reply that a request has of its own, or -1. */
static int reply_size(const struct player *p, uint32_t request)
{
	switch (request) {
	case VU_GET_FEATURES: case VU_GET_PROTOCOL_FEATURES: case VU_GET_QUEUE_NUM:
	case VU_GET_MAX_MEM_SLOTS: case VU_GET_STATUS: case VU_GET_VRING_BASE:
		return 8;
	case VU_GET_CONFIG:
		return (int)p->size;
	default:
		return -1;
	}
}

static void keep(struct player *p, uint32_t request, const struct fe_message *m)
{
	struct vu_vring_state state;

	switch (request) {
	case VU_GET_FEATURES:
		memcpy(&p->offered, m->body, 8);
		break;
	case VU_GET_PROTOCOL_FEATURES:
		memcpy(&p->protocol_offered, m->body, 8);
		break;
	case VU_GET_VRING_BASE:
		memcpy(&state, m->body, sizeof(state));
		ck_assert_uint_eq(state.index, 0);
		p->base = state.num;
		break;
	case VU_GET_CONFIG:
		/* Head and all come back; the data is the device's. */
		ck_assert_mem_eq(m->body, p->body, 12);
		break;
	}
}

static void await_answer(struct player *p, const struct step *s)
{
	bool ack = (s->flags & VU_NEED_REPLY) && (p->protocol & BIT(VU_PF_REPLY_ACK));
	int size = reply_size(p, s->request);
	struct fe_message m;
	uint64_t verdict;

	if (size < 0 && !ack)
		return;
	ck_ok(fe_recv(p->g->fe, &m, &err));
	ck_assert_uint_eq(m.hdr.request, s->request);
	ck_assert_uint_eq(m.hdr.flags, VU_VERSION | VU_REPLY);
	ck_assert_uint_eq(m.hdr.size, size < 0 ? 8 : size);
	ck_assert_uint_eq(m.n_fds, 0);
	if (size < 0) {
		memcpy(&verdict, m.body, 8);
		ck_assert_msg(verdict == 0, "%s was refused", fe_request_name(s->request));
	} else {
		keep(p, s->request, &m);
	}
}

/* -- Steps ----------------------------------------------------------------- */

static void wait_silently(struct player *p)
{
	struct fe_used used;
	struct step barrier = { VU_GET_FEATURES, VU_VERSION, B_NONE, 0 };

	must(guest_send_echo(p->g));
	ck_ok(fd_signal(fe_ring_kick_fd(p->g->ring)));
	ck_ok(fe_send(p->g->fe, VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0, &err));
	await_answer(p, &barrier);
	ck_assert_int_eq(fe_ring_get(p->g->ring, &used, &err), 0);
}

/* UML's calls: 8 bytes each on a socket. One is due only if asked for before the request. */
static void check_call_socket(struct player *p)
{
	uint64_t one = 0;

	must(!fe_ring_arm(p->g->ring, 1));
	must(guest_send_echo(p->g));
	ck_ok(fd_signal(fe_ring_kick_fd(p->g->ring)));
	ck_assert_int_eq(recv(p->call, &one, sizeof(one), MSG_WAITALL), sizeof(one));
	ck_assert_uint_eq(one, 1);
	guest_await_all(p->g);
}

static void play(struct player *p, const struct step *s, const struct sequence *q)
{
	switch (s->body) {
	case B_ECHO:
		guest_echo(p->g, (unsigned)s->value, 4);
		if (q->no_call)
			check_call_socket(p);
		return;
	case B_SILENT:
		wait_silently(p);
		return;
	case B_PENDING:
		guest_await_all(p->g);
		return;
	default:
		make_body(p, s);
		ck_ok(fe_send(p->g->fe, s->request, s->flags, p->body, p->size, p->fds, p->n_fds,
			      &err));
		fd_close(&p->pass);
		await_answer(p, s);
	}
}

START_TEST(front_end)
{
	const struct sequence *q = &sequences[_i];
	struct guest_setup setup = { .socket = server_path(&server, "t.sock"), .raw = true,
		.gpa_user = q->gpa_user, .no_call = q->no_call };
	struct player p = { .g = guest_new(&setup), .call = fd_eventfd(), .backend = -1 };
	const struct step *s;

	for (s = q->steps; s->request != 0 || s->body != B_NONE; s++)
		play(&p, s, q);
	ck_ok(fe_expect_silence(p.g->fe, 0, &err));
	guest_free(p.g);
	fd_close(&p.call);
	fd_close(&p.backend);
	server_stop(&server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("replay");
	TCase *tc;
	unsigned i;

	if (!server_has("template"))
		return server_skip("template");
	for (i = 0; i < n_sequences; i++) {
		tc = tcase_create(sequences[i].name);
		tcase_add_checked_fixture(tc, set_up, tear_down);
		tcase_set_timeout(tc, 60);
		tcase_add_loop_test(tc, front_end, (int)i, (int)i + 1);
		suite_add_tcase(s, tc);
	}
	return run_suite(s);
}
