/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The request table: every row right and wrong (size, descriptors, ring index,
 * negotiation), with and without an answer asked for, and no descriptor lost.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/vu.h"
#include "peer.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "wire/virtio-ring.h"

enum { QUEUES = 3 };

#define F_OFFERED (BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(0) | BIT(1))
#define F_GOOD (BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(0))
#define PF_ALL (BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) | \
	BIT(VU_PF_CONFIG) | BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_INBAND_NOTIFICATIONS) | \
	BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_STATUS))

static struct loop *loop;
static struct vu vu;
static int peer;
static unsigned files;

/* What the owner was told last, and what it says. */
static struct told {
	const char *what;
	unsigned ring;
	uint64_t a, b, c;
	bool has_fd;
} told;
static unsigned n_told, n_gone;
static int verdict;

static int tell(const char *what, unsigned ring, uint64_t a, uint64_t b, uint64_t c)
{
	told = (struct told){ what, ring, a, b, c, false };
	n_told++;
	return verdict;
}

static void tell_fd(int fd)
{
	told.has_fd = fd >= 0;
	fd_close(&fd);
}

static void on_protocol(struct vu *v)
{
	tell("protocol", 0, v->protocol, 0, 0);
}

static int on_features(struct vu *v, uint64_t f, struct error *err)
{
	return tell("features", 0, f, 0, 0);
}

static int on_memory(struct vu *v, const struct mem_region *r, unsigned n, struct error *err)
{
	tell("memory", n, n > 0 ? r[n - 1].guest : 0, n > 0 ? r[n - 1].size : 0,
	     n > 0 ? r[n - 1].offset : 0);
	told.has_fd = n > 0 && fcntl(r[n - 1].fd, F_GETFD) >= 0;
	return verdict;
}

static int on_memory_add(struct vu *v, const struct mem_region *r, struct error *err)
{
	tell("add", 0, r->guest, r->user, r->size);
	told.has_fd = fcntl(r->fd, F_GETFD) >= 0;
	return verdict;
}

static int on_memory_remove(struct vu *v, const struct mem_region *r, struct error *err)
{
	return tell("remove", 0, r->guest, r->user, r->size);
}

static int on_size(struct vu *v, unsigned i, uint32_t n, struct error *err)
{
	return tell("size", i, n, 0, 0);
}

static int on_addr(struct vu *v, unsigned i, const struct queue_addr *a, struct error *err)
{
	return tell("addr", i, a->desc, a->avail, a->used);
}

static int on_base(struct vu *v, unsigned i, uint32_t base, struct error *err)
{
	return tell("base", i, base, 0, 0);
}

static int on_kick(struct vu *v, unsigned i, int fd, struct error *err)
{
	tell("kick", i, 0, 0, 0);
	tell_fd(fd);
	return verdict;
}

static void on_call(struct vu *v, unsigned i, int fd)
{
	tell("call", i, fd >= 0 ? !!(fcntl(fd, F_GETFL) & O_NONBLOCK) : 0, 0, 0);
	tell_fd(fd);
}

static void on_err(struct vu *v, unsigned i, int fd)
{
	tell("err", i, 0, 0, 0);
	tell_fd(fd);
}

static int on_kicked(struct vu *v, unsigned i, struct error *err)
{
	return tell("kicked", i, 0, 0, 0);
}

static int on_enable(struct vu *v, unsigned i, bool on, struct error *err)
{
	return tell("enable", i, on, 0, 0);
}

static int on_stop(struct vu *v, unsigned i, uint32_t *ret_base)
{
	*ret_base = 0x12345678;
	return tell("stop", i, 0, 0, 0);
}

static void on_config_read(struct vu *v, uint32_t off, uint32_t len, void *dst)
{
	memset(dst, 'c', len);
	tell("config read", 0, off, len, 0);
}

static void on_config_write(struct vu *v, uint32_t off, uint32_t len, const void *src, bool all)
{
	tell("config write", all, off, len, len > 0 ? *(const uint8_t *)src : 0);
}

static uint8_t on_status(struct vu *v)
{
	tell("get status", 0, 0, 0, 0);
	return 0x4f;
}

static int on_set_status(struct vu *v, uint8_t status)
{
	return tell("status", 0, status, 0, 0);
}

static int on_reset(struct vu *v)
{
	return tell("reset", 0, 0, 0, 0);
}

static void on_backend(struct vu *v)
{
	tell("backend", 0, 0, 0, 0);
}

static void on_gone(struct vu *v)
{
	n_gone++;
}

static const struct vu_ops ops = {
	.protocol = on_protocol, .features = on_features, .memory = on_memory,
	.memory_add = on_memory_add, .memory_remove = on_memory_remove, .ring_size = on_size,
	.ring_addr = on_addr, .ring_base = on_base, .ring_kick = on_kick, .ring_call = on_call,
	.ring_err = on_err, .ring_kicked = on_kicked, .ring_enable = on_enable,
	.ring_stop = on_stop, .config_read = on_config_read, .config_write = on_config_write,
	.status = on_status, .set_status = on_set_status, .reset = on_reset,
	.backend = on_backend, .gone = on_gone,
};

static void setup(void)
{
	static const struct vu_offer offer = { .features = F_OFFERED, .tolerated = BIT(2),
		.required = BIT(0), .protocol = PF_ALL, .n_queues = QUEUES };
	struct error err = ERROR_NONE;
	int ours;

	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	files = peer_open_files();
	memset(&vu, 0, sizeof(vu));
	n_told = n_gone = 0;
	verdict = 0;
	peer_pair(&ours, &peer);
	ck_assert_int_eq(vu_open(&vu, &ops, &offer, loop, NULL, ours), 0);
}

static void teardown(void)
{
	vu_close(&vu);
	vu_close(&vu);
	fd_close(&peer);
	ck_assert_uint_eq(peer_open_files(), files);
	loop_free(loop);
}

static void say(uint32_t id, uint32_t flags, const void *body, size_t size, unsigned n_fds)
{
	int fd = fd_eventfd(), fds[VU_MAX_FDS];
	unsigned i;

	for (i = 0; i < n_fds; i++)
		fds[i] = fd;
	peer_send(peer, id, flags | VU_VERSION, body, size, fds, n_fds);
	fd_close(&fd);
}

static void say_u64(uint32_t id, uint32_t flags, uint64_t v)
{
	say(id, flags, &v, sizeof(v), 0);
}

/* Everything negotiated, without a byte in answer. */
static void negotiate(uint64_t protocol)
{
	say_u64(VU_SET_PROTOCOL_FEATURES, 0, protocol);
	say_u64(VU_SET_FEATURES, 0, F_GOOD);
	ck_assert(peer_silent(loop, peer));
	n_told = 0;
}

static void expect_answer(uint32_t id, const void *body, size_t size)
{
	struct vu_header header;
	uint8_t got[4096];

	ck_assert(peer_recv(loop, peer, &header, got, sizeof(got), NULL));
	ck_assert_uint_eq(header.request, id);
	ck_assert_uint_eq(header.flags, VU_VERSION | VU_REPLY);
	ck_assert_uint_eq(header.size, size);
	if (size > 0)
		ck_assert_mem_eq(got, body, size);
	ck_assert(peer_silent(loop, peer));
}

static void expect_u64(uint32_t id, uint64_t v)
{
	expect_answer(id, &v, sizeof(v));
}

/* Bodies. */

static const struct vu_vring_state state_2_64 = { 2, 64 }, state_2_1 = { 2, 1 },
	state_3 = { QUEUES, 64 }, state_high = { 0x10000, 64 }, state_2_2 = { 2, 2 };
static const struct vu_vring_addr addr_1 = { 1, 1, 0x1000, 0x3000, 0x2000, ~0ULL },
	addr_3 = { QUEUES, 0, 0, 0, 0, 0 };
static const uint64_t vring_fd_1 = 1, vring_nofd_1 = 1 | VU_VRING_NOFD, vring_fd_3 = QUEUES,
	vring_bits = 0x201, u64_0, u64_f = 0xf, u64_300 = 0x300, f_good = F_GOOD;
static const struct {
	uint32_t n, padding;
	struct vu_region regions[2];
} mem_2 = { 2, 0, { { 0, 0x1000, 0x10000, 0 }, { 0x8000, 0x2000, 0x20000, 0x1000 } } },
	mem_says_1 = { 1, 0, { { 0, 0x1000, 0, 0 } } };
static const struct vu_mem_table mem_0 = { 0, 0 }, mem_huge = { 0xffffffff, 0 };
static const struct vu_single_region region = { 0, { 0x4000, 0x1000, 0x14000, 0 } };
static const struct {
	uint32_t offset, size, flags;
	uint8_t data[8];
} config_8 = { 4, 8, 0, "abcdefgh" }, config_all = { 0, 8, 1, "ABCDEFGH" },
	config_flags = { 0, 8, 2, "abcdefgh" }, config_lies = { 0, 9, 0, "abcdefgh" },
	config_huge = { 0, 0xffffffff, 0, "abcdefgh" };

#define B(x) .body = &(x), .size = sizeof(x)

/* Right messages, and what the owner gets to know. gate -1: none, 64: bit 30. */
static const struct good {
	uint32_t id;
	const void *body;
	size_t size;
	unsigned fds;
	int gate;
	enum { ACK, OWN } answer;
	struct told told;
} goods[] = {
	{ VU_SET_FEATURES, B(f_good), 0, -1, ACK, { "features", 0, F_GOOD } },
	{ VU_SET_OWNER, .gate = -1 },
	{ VU_RESET_OWNER, .gate = -1 },
	{ VU_SET_MEM_TABLE, B(mem_2), 2, -1, ACK,
		{ "memory", 2, 0x8000, 0x2000, 0x1000, true } },
	{ VU_SET_MEM_TABLE, B(mem_0), 0, -1, ACK, { "memory", 0 } },
	{ VU_SET_LOG_FD, .fds = 1, .gate = -1 },
	{ VU_SET_VRING_NUM, B(state_2_64), 0, -1, ACK, { "size", 2, 64 } },
	{ VU_SET_VRING_ADDR, B(addr_1), 0, -1, ACK, { "addr", 1, 0x1000, 0x2000, 0x3000 } },
	{ VU_SET_VRING_BASE, B(state_2_64), 0, -1, ACK, { "base", 2, 64 } },
	{ VU_SET_VRING_KICK, B(vring_fd_1), 1, -1, ACK, { "kick", 1, .has_fd = true } },
	{ VU_SET_VRING_KICK, B(vring_nofd_1), 0, -1, ACK, { "kick", 1 } },
	{ VU_SET_VRING_CALL, B(vring_fd_1), 1, -1, ACK, { "call", 1, 1, .has_fd = true } },
	{ VU_SET_VRING_CALL, B(vring_nofd_1), 0, -1, ACK, { "call", 1 } },
	{ VU_SET_VRING_ERR, B(vring_fd_1), 1, -1, ACK, { "err", 1, .has_fd = true } },
	{ VU_SET_VRING_ERR, B(vring_nofd_1), 0, -1, ACK, { "err", 1 } },
	{ VU_SET_VRING_ENABLE, B(state_2_1), 0, 64, ACK, { "enable", 2, 1 } },
	{ VU_SET_CONFIG, B(config_8), 0, VU_PF_CONFIG, ACK, { "config write", 0, 4, 8, 'a' } },
	{ VU_SET_CONFIG, B(config_all), 0, VU_PF_CONFIG, ACK, { "config write", 1, 0, 8, 'A' } },
	{ VU_RESET_DEVICE, .gate = VU_PF_RESET_DEVICE, .told = { "reset" } },
	{ VU_VRING_KICK, B(state_2_1), 0, VU_PF_INBAND_NOTIFICATIONS, ACK, { "kicked", 2 } },
	{ VU_ADD_MEM_REG, B(region), 1, VU_PF_CONFIGURE_MEM_SLOTS, ACK,
		{ "add", 0, 0x4000, 0x14000, 0x1000, true } },
	{ VU_REM_MEM_REG, B(region), 0, VU_PF_CONFIGURE_MEM_SLOTS, ACK,
		{ "remove", 0, 0x4000, 0x14000, 0x1000 } },
	{ VU_REM_MEM_REG, B(region), 1, VU_PF_CONFIGURE_MEM_SLOTS, ACK,
		{ "remove", 0, 0x4000, 0x14000, 0x1000 } },
	{ VU_SET_STATUS, B(u64_f), 0, VU_PF_STATUS, ACK, { "status", 0, 0xf } },
	{ VU_SET_STATUS, B(u64_0), 0, VU_PF_STATUS, ACK, { "status", 0, 0 } },
	{ VU_GET_FEATURES, .gate = -1, .answer = OWN },
	{ VU_GET_PROTOCOL_FEATURES, .gate = -1, .answer = OWN },
	{ VU_GET_QUEUE_NUM, .gate = VU_PF_MQ, .answer = OWN },
	{ VU_GET_VRING_BASE, B(state_2_1), 0, -1, OWN, { "stop", 2 } },
	{ VU_GET_CONFIG, B(config_8), 0, VU_PF_CONFIG, OWN, { "config read", 0, 4, 8 } },
	{ VU_GET_MAX_MEM_SLOTS, .gate = VU_PF_CONFIGURE_MEM_SLOTS, .answer = OWN },
	{ VU_GET_STATUS, .gate = VU_PF_STATUS, .answer = OWN, .told = { "get status" } },
};

static void expect_told(const struct told *want)
{
	if (want->what == NULL) {
		ck_assert_uint_eq(n_told, 0);
		return;
	}
	ck_assert_uint_eq(n_told, 1);
	ck_assert_str_eq(told.what, want->what);
	ck_assert_uint_eq(told.ring, want->ring);
	ck_assert_uint_eq(told.a, want->a);
	ck_assert_uint_eq(told.b, want->b);
	ck_assert_uint_eq(told.c, want->c);
	ck_assert_int_eq(told.has_fd, want->has_fd);
}

static void expect_own(uint32_t id)
{
	static const struct {
		uint32_t offset, size, flags;
		uint8_t data[8];
	} config = { 4, 8, 0, "cccccccc" };
	static const struct vu_vring_state state = { 2, 0x12345678 };

	switch (id) {
	case VU_GET_FEATURES:
		expect_u64(id, F_OFFERED);
		break;
	case VU_GET_PROTOCOL_FEATURES:
		expect_u64(id, PF_ALL);
		break;
	case VU_GET_QUEUE_NUM:
		expect_u64(id, QUEUES);
		break;
	case VU_GET_VRING_BASE:
		expect_answer(id, &state, sizeof(state));
		break;
	case VU_GET_CONFIG:
		expect_answer(id, &config, 12 + 8);
		break;
	case VU_GET_MAX_MEM_SLOTS:
		expect_u64(id, VU_MAX_MEM_SLOTS);
		break;
	case VU_GET_STATUS:
		expect_u64(id, 0x4f);
		break;
	default:
		ck_abort_msg("no answer of its own");
	}
}

/* An answer comes exactly when it must, and only once. */
static void run_good(const struct good *g, bool negotiated_ack, bool asked)
{
	negotiate(negotiated_ack ? PF_ALL : PF_ALL & ~(BIT(VU_PF_REPLY_ACK) |
						      BIT(VU_PF_INBAND_NOTIFICATIONS)));
	say(g->id, asked ? VU_NEED_REPLY : 0, g->body, g->size, g->fds);
	if (g->answer == OWN)
		expect_own(g->id);
	else if (asked && negotiated_ack)
		expect_u64(g->id, 0);
	else
		ck_assert(peer_silent(loop, peer));
	expect_told(&g->told);
	ck_assert_uint_eq(n_gone, 0);
}

START_TEST(right_no_answer_asked)
{
	run_good(&goods[_i], true, false);
}
END_TEST

START_TEST(right_answer_asked)
{
	run_good(&goods[_i], true, true);
}
END_TEST

START_TEST(right_asked_without_reply_ack)
{
	if (goods[_i].gate != VU_PF_INBAND_NOTIFICATIONS)
		run_good(&goods[_i], false, true);
}
END_TEST

/* What refuses: with an answer asked for, 1 and on it goes; else the end. */
static void expect_refused(uint32_t id, bool asked)
{
	static const uint32_t owns[] = { VU_GET_FEATURES, VU_GET_PROTOCOL_FEATURES,
		VU_GET_QUEUE_NUM, VU_GET_VRING_BASE, VU_GET_MAX_MEM_SLOTS, VU_GET_STATUS };
	bool closes = !asked;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(owns); i++)
		closes = closes || id == owns[i];
	if (id == VU_GET_CONFIG)
		expect_answer(id, NULL, 0);
	else if (closes)
		ck_assert(peer_closed(loop, peer));
	else
		expect_u64(id, 1);
	ck_assert_uint_eq(n_gone, closes && id != VU_GET_CONFIG);
	ck_assert_uint_eq(n_told, 0);
	/* And it does go on. */
	if (n_gone == 0) {
		say(VU_GET_FEATURES, 0, NULL, 0, 0);
		expect_u64(VU_GET_FEATURES, F_OFFERED);
	}
}

/* One byte more and one less than the row's largest and smallest. */
START_TEST(wrong_size)
{
	const struct good *g = &goods[_i / 4];
	bool asked = _i & 1, longer = _i & 2;
	uint8_t body[4096] = { 0 };

	if (!longer && g->size == 0)
		return;
	negotiate(PF_ALL);
	if (g->size > 0)
		memcpy(body, g->body, g->size);
	say(g->id, asked ? VU_NEED_REPLY : 0, body, longer ? g->size + 1 : g->size - 1, g->fds);
	expect_refused(g->id, asked);
}
END_TEST

START_TEST(wrong_fd_count)
{
	const struct good *g = &goods[_i / 4];
	bool asked = _i & 1, more = _i & 2;
	unsigned fds = more ? g->fds + (g->id == VU_REM_MEM_REG ? 2 : 1) : 0;

	if (!more && (g->fds == 0 || g->id == VU_REM_MEM_REG))
		return;
	negotiate(PF_ALL);
	say(g->id, asked ? VU_NEED_REPLY : 0, g->body, g->size, fds);
	expect_refused(g->id, asked);
}
END_TEST

START_TEST(before_negotiation)
{
	const struct good *g = &goods[_i / 2];
	bool asked = _i & 1;

	if (g->gate < 0)
		return;
	if (g->gate == 64)
		say_u64(VU_SET_PROTOCOL_FEATURES, 0, PF_ALL);
	else
		negotiate(BIT(VU_PF_REPLY_ACK));
	peer_settle(loop);
	n_told = 0;
	say(g->id, asked ? VU_NEED_REPLY : 0, g->body, g->size, g->fds);
	expect_refused(g->id, asked);
}
END_TEST

/* Contents that no row can see from the outside. */
static const struct {
	uint32_t id;
	const void *body;
	size_t size;
	unsigned fds;
} bads[] = {
	{ VU_SET_VRING_NUM, B(state_3) }, { VU_SET_VRING_NUM, B(state_high) },
	{ VU_SET_VRING_ADDR, B(addr_3) },
	{ VU_SET_VRING_BASE, B(state_3) }, { VU_SET_VRING_BASE, B(state_high) },
	{ VU_GET_VRING_BASE, B(state_3) }, { VU_GET_VRING_BASE, B(state_high) },
	{ VU_SET_VRING_KICK, B(vring_fd_3), 1 }, { VU_SET_VRING_CALL, B(vring_fd_3), 1 },
	{ VU_SET_VRING_ERR, B(vring_fd_3), 1 },
	{ VU_SET_VRING_KICK, B(vring_fd_1), 0 }, { VU_SET_VRING_CALL, B(vring_fd_1), 0 },
	{ VU_SET_VRING_ERR, B(vring_fd_1), 0 },
	{ VU_SET_VRING_KICK, B(vring_nofd_1), 1 }, { VU_SET_VRING_CALL, B(vring_nofd_1), 1 },
	{ VU_SET_VRING_ERR, B(vring_nofd_1), 1 },
	{ VU_SET_VRING_KICK, B(vring_bits), 1 }, { VU_SET_VRING_CALL, B(vring_bits), 1 },
	{ VU_SET_VRING_ENABLE, B(state_3) }, { VU_SET_VRING_ENABLE, B(state_2_2) },
	{ VU_SET_VRING_ENABLE, B(state_high) },
	{ VU_VRING_KICK, B(state_3) },
	{ VU_SET_MEM_TABLE, B(mem_2), 1 }, { VU_SET_MEM_TABLE, B(mem_2), 3 },
	{ VU_SET_MEM_TABLE, B(mem_says_1), 1 }, { VU_SET_MEM_TABLE, B(mem_says_1), 2 },
	{ VU_SET_MEM_TABLE, B(mem_huge), 0 },
	{ VU_SET_CONFIG, B(config_flags) }, { VU_SET_CONFIG, B(config_lies) },
	{ VU_SET_CONFIG, B(config_huge) }, { VU_GET_CONFIG, B(config_lies) },
	{ VU_GET_CONFIG, B(config_huge) },
	{ VU_SET_STATUS, B(u64_300) },
	{ 0 }, { 46 }, { 0xffffffff }, { VU_SET_LOG_BASE, B(mem_2), 1 },
	{ VU_SEND_RARP, B(u64_0) }, { VU_NET_SET_MTU, B(u64_0) },
	{ VU_IOTLB_MSG, B(mem_2) }, { VU_SET_VRING_ENDIAN, B(state_2_1) },
	{ VU_POSTCOPY_ADVISE }, { VU_POSTCOPY_LISTEN }, { VU_POSTCOPY_END },
	{ VU_GET_INFLIGHT_FD, B(region) }, { VU_SET_INFLIGHT_FD, B(region), 1 },
	{ VU_GPU_SET_SOCKET, .fds = 1 }, { VU_GET_SHARED_OBJECT },
	{ VU_SET_DEVICE_STATE_FD, B(u64_0), 1 }, { VU_CHECK_DEVICE_STATE },
	{ VU_GET_SHMEM_CONFIG }, { VU_GET_VRING_BASE_SKIP_DRAIN, B(state_2_1) },
	{ VU_CREATE_CRYPTO_SESSION, B(mem_2) }, { VU_CLOSE_CRYPTO_SESSION, B(u64_0) },
};

START_TEST(wrong_content)
{
	bool asked = _i & 1;

	negotiate(PF_ALL);
	say(bads[_i / 2].id, asked ? VU_NEED_REPLY : 0, bads[_i / 2].body, bads[_i / 2].size,
	    bads[_i / 2].fds);
	expect_refused(bads[_i / 2].id, asked);
}
END_TEST

/* The owner refuses: the same rule. */
START_TEST(owner_refuses)
{
	negotiate(PF_ALL);
	verdict = -EBUSY;
	say(VU_SET_VRING_NUM, _i ? VU_NEED_REPLY : 0, &state_2_64, sizeof(state_2_64), 0);
	if (_i)
		expect_u64(VU_SET_VRING_NUM, 1);
	else
		ck_assert(peer_closed(loop, peer));
	ck_assert_uint_eq(n_gone, !_i);
}
END_TEST

/* Without REPLY_ACK there is no way to say no, whatever was asked for. */
START_TEST(refused_without_reply_ack)
{
	negotiate(BIT(VU_PF_MQ));
	say(VU_SET_VRING_NUM, VU_NEED_REPLY, &state_3, sizeof(state_3), 0);
	ck_assert(peer_closed(loop, peer));
}
END_TEST

START_TEST(reply_bit_ends_the_session)
{
	negotiate(PF_ALL);
	say(VU_SET_OWNER, VU_REPLY | VU_NEED_REPLY, NULL, 0, 0);
	ck_assert(peer_closed(loop, peer));
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

static const struct {
	uint64_t features;
	bool taken;
} feature_sets[] = {
	{ F_GOOD, true },
	{ F_GOOD | BIT(1), true },
	{ F_GOOD | BIT(2), true },              /* tolerated */
	{ F_GOOD | BIT(3), false },             /* not offered */
	{ F_GOOD | BIT(VHOST_F_LOG_ALL), false },
	{ F_GOOD & ~BIT(0), false },            /* required */
	{ F_GOOD & ~BIT(VIRTIO_F_VERSION_1), false },
	{ 0, false },
	{ UINT64_MAX, false },
	{ F_GOOD & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES), true },
};

START_TEST(features)
{
	say_u64(VU_SET_PROTOCOL_FEATURES, 0, PF_ALL);
	say_u64(VU_SET_FEATURES, VU_NEED_REPLY, feature_sets[_i].features);
	expect_u64(VU_SET_FEATURES, !feature_sets[_i].taken);
	ck_assert_uint_eq(vu.features, feature_sets[_i].taken ? feature_sets[_i].features : 0);
}
END_TEST

/* UML asks for an answer with the very message that negotiates answers. */
START_TEST(answer_negotiated_by_itself)
{
	say_u64(VU_SET_PROTOCOL_FEATURES, VU_NEED_REPLY, BIT(VU_PF_REPLY_ACK));
	expect_u64(VU_SET_PROTOCOL_FEATURES, 0);
}
END_TEST

START_TEST(strange_protocol_features)
{
	static const uint64_t strange[] = { BIT(VU_PF_LOG_SHMFD), BIT(VU_PF_GPA_ADDRESSES),
		BIT(VU_PF_SHMEM), BIT(63) };

	negotiate(PF_ALL);
	say_u64(VU_SET_PROTOCOL_FEATURES, VU_NEED_REPLY, PF_ALL | strange[_i]);
	expect_u64(VU_SET_PROTOCOL_FEATURES, 1);
	ck_assert_uint_eq(vu.protocol, PF_ALL);
}
END_TEST

/* Whatever could block us is no notifier. */
START_TEST(notifiers)
{
	static const uint32_t ids[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };
	uint64_t index = 1;
	int fds[7], i;

	ck_assert_int_eq(pipe(fds), 0);
	fds[2] = fd_memfd("strange", 4096);
	fds[3] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[4] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* These two are fine. */
	fds[5] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fds[6] = fd_eventfd();
	negotiate(PF_ALL);
	for (i = 0; i < 7; i++) {
		peer_send(peer, ids[_i], VU_VERSION | VU_NEED_REPLY, &index, sizeof(index),
			  &fds[i], 1);
		expect_u64(ids[_i], i < 5);
		fd_close(&fds[i]);
	}
}
END_TEST

START_TEST(inband_needs_its_companions)
{
	static const uint64_t missing[] = { BIT(VU_PF_BACKEND_REQ), BIT(VU_PF_REPLY_ACK) };

	negotiate(PF_ALL);
	say_u64(VU_SET_PROTOCOL_FEATURES, VU_NEED_REPLY, PF_ALL & ~missing[_i]);
	ck_assert(peer_closed(loop, peer));
	ck_assert_uint_eq(n_gone, 1);
}
END_TEST

/* libkrun on each activation, QEMU on each reconnect. */
START_TEST(repeats)
{
	unsigned i;

	for (i = 0; i < 3; i++) {
		say(VU_SET_OWNER, 0, NULL, 0, 0);
		say(VU_GET_FEATURES, 0, NULL, 0, 0);
		expect_u64(VU_GET_FEATURES, F_OFFERED);
		negotiate(PF_ALL);
	}
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(config_sizes)
{
	static const uint32_t sizes[] = { 0, 1, 256, 4096 - 12 };
	struct {
		uint32_t offset, size, flags;
		uint8_t data[4096];
	} body = { .offset = 7, .size = sizes[_i] };
	struct vu_header header;
	uint8_t back[4096];

	negotiate(PF_ALL);
	say(VU_GET_CONFIG, VU_NEED_REPLY, &body, 12 + sizes[_i], 0);
	ck_assert(peer_recv(loop, peer, &header, back, sizeof(back), NULL));
	ck_assert_uint_eq(header.size, 12 + sizes[_i]);
	ck_assert_mem_eq(back, &body, 12);
	ck_assert(peer_silent(loop, peer));
}
END_TEST

/* The largest table that descriptors allow, and one region too many. */
START_TEST(many_regions)
{
	struct {
		uint32_t n, padding;
		struct vu_region regions[VU_MAX_FDS];
	} table = { VU_MAX_FDS, 0, { { 0 } } };

	negotiate(PF_ALL);
	table.regions[VU_MAX_FDS - 1].guest_addr = 77;
	say(VU_SET_MEM_TABLE, VU_NEED_REPLY, &table, sizeof(table), VU_MAX_FDS);
	expect_u64(VU_SET_MEM_TABLE, 0);
	ck_assert_uint_eq(told.ring, VU_MAX_FDS);
	ck_assert_uint_eq(told.a, 77);
}
END_TEST

/* An answer that comes later: nothing is read meanwhile. */
START_TEST(later)
{
	static const struct {
		uint32_t id;
		const void *body;
		size_t size;
		bool asked;
	} laters[] = {
		{ VU_GET_VRING_BASE, B(state_2_1) }, { VU_SET_VRING_ENABLE, B(state_2_1) },
		{ VU_SET_VRING_ENABLE, B(state_2_1), true }, { VU_SET_STATUS, B(u64_0), true },
		{ VU_RESET_DEVICE, NULL, 0, true },
	};
	static const struct vu_vring_state base = { 2, 99 };

	negotiate(PF_ALL);
	verdict = VU_LATER;
	say(laters[_i].id, laters[_i].asked ? VU_NEED_REPLY : 0, laters[_i].body,
	    laters[_i].size, 0);
	say(VU_GET_FEATURES, 0, NULL, 0, 0);
	ck_assert(peer_silent(loop, peer));
	ck_assert(vu_waiting(&vu));
	/* A hold that begins and ends meanwhile does not wake it either. */
	vu_hold(&vu, true);
	vu_hold(&vu, false);
	ck_assert(peer_silent(loop, peer));
	vu_hold(&vu, true);
	vu_answer(&vu, 0, 99);
	ck_assert(!vu_waiting(&vu));
	if (laters[_i].id == VU_GET_VRING_BASE)
		expect_answer(VU_GET_VRING_BASE, &base, sizeof(base));
	else if (laters[_i].asked)
		expect_u64(laters[_i].id, 0);
	ck_assert(peer_silent(loop, peer));
	vu_hold(&vu, false);
	expect_u64(VU_GET_FEATURES, F_OFFERED);
}
END_TEST

START_TEST(peer_leaves_while_waiting)
{
	negotiate(PF_ALL);
	verdict = VU_LATER;
	say(VU_GET_VRING_BASE, 0, &state_2_1, sizeof(state_2_1), 0);
	peer_settle(loop);
	ck_assert(vu_waiting(&vu));
	fd_close(&peer);
	peer_settle(loop);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert(!vu_waiting(&vu));
}
END_TEST

/* Upcalls (test-upcall.c has the rest). */

static void upcall_done(struct upcall *u, int ret)
{
	ck_assert_int_eq(ret, 0);
	n_told++;
}

static int give_backend_channel(uint32_t flags)
{
	int ours, theirs;

	peer_pair(&ours, &theirs);
	peer_send(peer, VU_SET_BACKEND_REQ_FD, VU_VERSION | flags, NULL, 0, &ours, 1);
	close(ours);
	return theirs;
}

/* The front end is blocked in a request of its own all the while. */
START_TEST(upcall_while_a_request_waits)
{
	struct upcall u = { .done = upcall_done };
	struct vu_header header;
	uint64_t value = 0;
	int fd;

	negotiate(PF_ALL);
	fd = give_backend_channel(VU_NEED_REPLY);
	expect_u64(VU_SET_BACKEND_REQ_FD, 0);
	ck_assert_str_eq(told.what, "backend");
	verdict = VU_LATER;
	say(VU_GET_VRING_BASE, 0, &state_2_1, sizeof(state_2_1), 0);
	peer_settle(loop);
	n_told = 0;
	upcall_send(&vu.up, &u, VU_BACKEND_VRING_CALL, &state_2_1, sizeof(state_2_1), true);
	ck_assert(peer_recv(loop, fd, &header, &value, sizeof(value), NULL));
	ck_assert_uint_eq(header.request, VU_BACKEND_VRING_CALL);
	ck_assert_uint_eq(header.flags, VU_VERSION | VU_NEED_REPLY);
	value = 0;
	peer_send(fd, VU_BACKEND_VRING_CALL, VU_VERSION | VU_REPLY, &value, 8, NULL, 0);
	peer_settle(loop);
	ck_assert_uint_eq(n_told, 1);
	ck_assert(peer_silent(loop, peer));
	vu_answer(&vu, 0, 0);
	close(fd);
}
END_TEST

START_TEST(backend_channel_refused)
{
	if (_i & 1)
		negotiate(PF_ALL);              /* but it is an eventfd */
	else
		negotiate(BIT(VU_PF_REPLY_ACK));
	say(VU_SET_BACKEND_REQ_FD, VU_NEED_REPLY, NULL, 0, _i == 3 ? 2 : 1);
	expect_u64(VU_SET_BACKEND_REQ_FD, 1);
	ck_assert(!upcalls_attached(&vu.up));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vu");
	TCase *tc = tcase_create("vu");
	SRunner *sr = srunner_create(s);
	const int n = (int)ARRAY_SIZE(goods);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, right_no_answer_asked, 0, n);
	tcase_add_loop_test(tc, right_answer_asked, 0, n);
	tcase_add_loop_test(tc, right_asked_without_reply_ack, 0, n);
	tcase_add_loop_test(tc, wrong_size, 0, n * 4);
	tcase_add_loop_test(tc, wrong_fd_count, 0, n * 4);
	tcase_add_loop_test(tc, before_negotiation, 0, n * 2);
	tcase_add_loop_test(tc, wrong_content, 0, (int)ARRAY_SIZE(bads) * 2);
	tcase_add_loop_test(tc, owner_refuses, 0, 2);
	tcase_add_test(tc, refused_without_reply_ack);
	tcase_add_test(tc, reply_bit_ends_the_session);
	tcase_add_loop_test(tc, features, 0, (int)ARRAY_SIZE(feature_sets));
	tcase_add_test(tc, answer_negotiated_by_itself);
	tcase_add_loop_test(tc, strange_protocol_features, 0, 4);
	tcase_add_loop_test(tc, notifiers, 0, 3);
	tcase_add_loop_test(tc, inband_needs_its_companions, 0, 2);
	tcase_add_test(tc, repeats);
	tcase_add_loop_test(tc, config_sizes, 0, 4);
	tcase_add_test(tc, many_regions);
	tcase_add_loop_test(tc, later, 0, 5);
	tcase_add_test(tc, peer_leaves_while_waiting);
	tcase_add_test(tc, upcall_while_a_request_waits);
	tcase_add_loop_test(tc, backend_channel_refused, 0, 4);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
