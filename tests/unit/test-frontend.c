/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The front end library: messages, time limits and lies of the back end. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "canned.h"
#include "suite.h"
#include "vhost-device/fd.h"
#include "vhost-frontend/memory.h"
#include "wire/virtio-ring.h"

static void negotiate(uint64_t protocol)
{
	say_u64(VU_GET_FEATURES, BIT(VHOST_USER_F_PROTOCOL_FEATURES) | BIT(VIRTIO_F_VERSION_1));
	say_u64(VU_GET_PROTOCOL_FEATURES, protocol | BIT(63));
	if (protocol & BIT(VU_PF_MQ))
		say_u64(VU_GET_QUEUE_NUM, 3);
	if (protocol & BIT(VU_PF_CONFIGURE_MEM_SLOTS))
		say_u64(VU_GET_MAX_MEM_SLOTS, 9999);
	if (protocol & BIT(VU_PF_REPLY_ACK))
		say_u64(VU_SET_OWNER, 0);
	ck_ok(fe_negotiate(fe, fe_all_protocol_features(), &err));
}

/* Past the negotiation, so that the next hear() is of the test. */
static void negotiate_quietly(uint64_t protocol)
{
	char bytes[1024];

	negotiate(protocol);
	ck_assert_int_gt(recv(peer, bytes, sizeof(bytes), 0), 0);
}

START_TEST(negotiation_in_order)
{
	uint64_t value;

	negotiate(BIT(VU_PF_MQ) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_REPLY_ACK));
	hear(VU_GET_FEATURES, 1, NULL, 0, NULL);
	hear(VU_GET_PROTOCOL_FEATURES, 1, NULL, 0, NULL);
	hear(VU_SET_PROTOCOL_FEATURES, 1, &value, 8, NULL);
	ck_assert_uint_eq(value, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIGURE_MEM_SLOTS) |
			  BIT(VU_PF_REPLY_ACK));
	hear(VU_GET_QUEUE_NUM, 1, NULL, 0, NULL);
	hear(VU_GET_MAX_MEM_SLOTS, 1, NULL, 0, NULL);
	hear(VU_SET_OWNER, 9, NULL, 0, NULL);
	ck_assert_uint_eq(fe_queue_num(fe), 3);
	ck_assert_uint_eq(fe_mem_slots(fe), VU_MAX_MEM_SLOTS);
	ck_assert_uint_eq(fe_protocol_offered(fe) >> 63, 1);
	ck_assert_uint_eq(fe_sent(fe), 6);
}
END_TEST

START_TEST(no_protocol_features_no_such_request)
{
	say_u64(VU_GET_FEATURES, BIT(VIRTIO_F_VERSION_1));
	ck_ok(fe_negotiate(fe, fe_all_protocol_features(), &err));
	hear(VU_GET_FEATURES, 1, NULL, 0, NULL);
	hear(VU_SET_OWNER, 1, NULL, 0, NULL);
	ck_assert_int_eq(fe_reset_device(fe, &err), -EOPNOTSUPP);
	ck_assert_int_eq(fe_set_status(fe, 1, &err), -EOPNOTSUPP);
	ck_assert_int_eq(fe_open_backend_channel(fe, NULL, NULL, &err), -EOPNOTSUPP);
	ck_assert_int_eq(fe_vring_kick(fe, 0, &err), -EOPNOTSUPP);
	ck_assert_uint_eq(fe_sent(fe), 2);
}
END_TEST

static const struct {
	const char *what;
	uint32_t request, flags, size;
	unsigned n_fds;
	int ret;
} replies[] = {
	{ "as it should be", VU_GET_FEATURES, 5, 8, 0, 0 },
	{ "other request", VU_GET_QUEUE_NUM, 5, 8, 0, -EPROTO },
	{ "number of no request", 4711, 5, 8, 0, -EPROTO },
	{ "not a reply", VU_GET_FEATURES, 1, 8, 0, -EPROTO },
	{ "need-reply echoed", VU_GET_FEATURES, 0xd, 8, 0, -EPROTO },
	{ "version 0", VU_GET_FEATURES, 4, 8, 0, -EPROTO },
	{ "version 2", VU_GET_FEATURES, 6, 8, 0, -EPROTO },
	{ "short", VU_GET_FEATURES, 5, 4, 0, -EPROTO },
	{ "empty", VU_GET_FEATURES, 5, 0, 0, -EPROTO },
	{ "long", VU_GET_FEATURES, 5, 16, 0, -EPROTO },
	{ "too long for anything", VU_GET_FEATURES, 5, FE_MAX_PAYLOAD + 1, 0, -EPROTO },
	{ "4 GiB", VU_GET_FEATURES, 5, UINT32_MAX, 0, -EPROTO },
	{ "a descriptor", VU_GET_FEATURES, 5, 8, 1, -EPROTO },
	{ "as many descriptors as we take", VU_GET_FEATURES, 5, 8, FE_MAX_FDS, -EPROTO },
	{ "more descriptors than we take", VU_GET_FEATURES, 5, 8, FE_MAX_FDS + 1, -EPROTO },
};

START_TEST(replies_that_lie)
{
	static const uint8_t zeros[64];
	int fds[FE_MAX_FDS + 1];
	uint64_t value = 42;
	uint32_t size = replies[_i].size;
	unsigned before, i;

	for (i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = peer;
	before = count_fds();
	say_fds(peer, replies[_i].request, replies[_i].flags, size > 64 ? NULL : zeros, size, fds,
		replies[_i].n_fds);
	ck_assert_int_eq(fe_get_features(fe, &value, &err), replies[_i].ret);
	ck_assert_uint_eq(value, replies[_i].ret < 0 ? 42 : 0);
	ck_assert_uint_eq(count_fds(), before);
	if (replies[_i].ret < 0) {
		ck_assert_int_eq(fe_get_features(fe, &value, &err), -ENOTCONN);
		fe_revive(fe);
		ck_assert_int_eq(fe_set_owner(fe, &err), 0);
	}
}
END_TEST

START_TEST(reply_cut_off_at)
{
	const uint32_t m[5] = { VU_GET_FEATURES, 5, 8, 7, 0 };
	uint64_t value = 42;

	if (_i > 0)
		ck_assert_int_eq(send(peer, m, (size_t)_i, 0), _i);
	shutdown(peer, SHUT_WR);
	ck_assert_int_eq(fe_get_features(fe, &value, &err), _i == 20 ? 0 : -ECONNRESET);
	ck_assert_uint_eq(value, _i == 20 ? 7 : 42);
}
END_TEST

START_TEST(reply_stalls_at)
{
	const uint32_t m[5] = { VU_GET_FEATURES, 5, 8, 7, 0 };
	uint64_t value = 42;

	fe_set_timeout(fe, SHORT_MS);
	if (_i > 0)
		ck_assert_int_eq(send(peer, m, (size_t)_i, 0), _i);
	ck_assert_int_eq(fe_get_features(fe, &value, &err), -ETIMEDOUT);
	ck_assert_uint_eq(value, 42);
	ck_assert_int_eq(fe_set_owner(fe, &err), -ENOTCONN);
}
END_TEST

START_TEST(back_end_that_does_not_read)
{
	char bytes[4096] = { 0 };
	int ret;

	fe_set_timeout(fe, SHORT_MS);
	do {
		ret = fe_send(fe, VU_SET_CONFIG, 1, bytes, sizeof(bytes), NULL, 0, &err);
	} while (ret == 0);
	ck_assert_int_eq(ret, -ETIMEDOUT);
}
END_TEST

START_TEST(back_end_that_left)
{
	fd_close(&peer);
	ck_assert_int_eq(fe_set_owner(fe, &err), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(err.text, "message 1 (SET_OWNER)"));
	ck_ok(fe_wait_closed(fe, &err));
}
END_TEST

START_TEST(refusal_leaves_the_stream_in_order)
{
	uint64_t value;

	negotiate_quietly(BIT(VU_PF_REPLY_ACK));
	say_u64(VU_SET_VRING_NUM, 1);
	ck_assert_int_eq(fe_set_vring_num(fe, 7, 8, &err), -EREMOTEIO);
	ck_assert_ptr_nonnull(strstr(err.text, "SET_VRING_NUM"));
	say_u64(VU_GET_FEATURES, 5);
	ck_ok(fe_get_features(fe, &value, &err));
	ck_assert_uint_eq(value, 5);
}
END_TEST

START_TEST(acknowledgments_only_when_wanted)
{
	uint64_t value;

	negotiate_quietly(BIT(VU_PF_REPLY_ACK));
	fe_want_acks(fe, false);
	ck_ok(fe_set_features(fe, 9, &err));
	hear(VU_SET_FEATURES, 1, &value, 8, NULL);
	ck_assert_uint_eq(value, 9);
	ck_assert_uint_eq(fe_acked(fe), 9);
	ck_ok(fe_expect_silence(fe, 0, &err));
	say_u64(VU_SET_FEATURES, 0);
	ck_assert_int_eq(fe_expect_silence(fe, SHORT_MS, &err), -EPROTO);
}
END_TEST

/* -- Single requests ------------------------------------------------------- */

START_TEST(vring_requests)
{
	struct vu_vring_state state = { 1, 0x80018002 };
	CLOSE_FD int fd = fd_eventfd();
	uint32_t base = 0;
	uint64_t value;

	ck_ok(fe_set_vring_num(fe, 1, 64, &err));
	hear(VU_SET_VRING_NUM, 1, &state, sizeof(state), NULL);
	ck_assert(state.index == 1 && state.num == 64);
	ck_ok(fe_set_vring_enable(fe, 2, true, &err));
	hear(VU_SET_VRING_ENABLE, 1, &state, sizeof(state), NULL);
	ck_assert(state.index == 2 && state.num == 1);
	ck_ok(fe_set_vring_kick(fe, 3, fd, &err));
	ck_assert_uint_eq(hear(VU_SET_VRING_KICK, 1, &value, sizeof(value), NULL), 1);
	ck_assert_uint_eq(value, 3);
	ck_ok(fe_set_vring_call(fe, 3, -1, &err));
	ck_assert_uint_eq(hear(VU_SET_VRING_CALL, 1, &value, sizeof(value), NULL), 0);
	ck_assert_uint_eq(value, 3 | VU_VRING_NOFD);
	state = (struct vu_vring_state){ 1, 0x80018002 };
	say(VU_GET_VRING_BASE, 5, &state, sizeof(state));
	ck_ok(fe_get_vring_base(fe, 1, &base, &err));
	ck_assert_uint_eq(base, 0x80018002);
	say(VU_GET_VRING_BASE, 5, &state, sizeof(state));
	ck_assert_int_eq(fe_get_vring_base(fe, 0, &base, &err), -EPROTO);
}
END_TEST

static const struct {
	uint32_t size, off, n;
	int ret;
} config_replies[] = {
	{ 12 + 4, 2, 4, 0 },
	{ 0, 0, 0, -EREMOTEIO },
	{ 12 + 3, 2, 4, -EPROTO },
	{ 12 + 5, 2, 4, -EPROTO },
	{ 12, 2, 4, -EPROTO },
	{ 8, 2, 4, -EPROTO },
	{ 12 + 4, 3, 4, -EPROTO },
	{ 12 + 4, 2, 0xfffffff4, -EPROTO },
};

START_TEST(config_replies_are_compared)
{
	uint32_t m[8] = { config_replies[_i].off, config_replies[_i].n, 0, 0x04030201, 5 };
	uint8_t buf[5] = { 9, 9, 9, 9, 9 };
	int ret;

	negotiate_quietly(BIT(VU_PF_CONFIG));
	say(VU_GET_CONFIG, 5, m, config_replies[_i].size);
	ret = fe_get_config(fe, 2, buf, 4, &err);
	ck_assert_int_eq(ret, config_replies[_i].ret);
	ck_assert_mem_eq(buf, ret < 0 ? "\t\t\t\t\t" : "\1\2\3\4\t", 5);
}
END_TEST

START_TEST(absurd_answers)
{
	uint64_t n = 42;
	uint8_t status = 42;

	negotiate_quietly(BIT(VU_PF_MQ) | BIT(VU_PF_STATUS));
	say_u64(VU_GET_QUEUE_NUM, 257);
	ck_assert_int_eq(fe_get_queue_num(fe, &n, &err), -EPROTO);
	fe_revive(fe);
	say_u64(VU_GET_STATUS, 0x100);
	ck_assert_int_eq(fe_get_status(fe, &status, &err), -EPROTO);
	ck_assert(n == 42 && status == 42);
}
END_TEST

/* -- The back end's channel ------------------------------------------------ */

static unsigned handled;

static uint64_t refuse_notifier(void *ctx, struct fe_message *m)
{
	ck_assert_ptr_eq(ctx, &handled);
	handled++;
	return m->hdr.request == VU_BACKEND_VRING_HOST_NOTIFIER;
}

/* A back end that answers GET_FEATURES only after its own request was answered. */
static void *insist(void *arg)
{
	int channel = *(int *)arg;
	uint32_t ack[5] = { 0 };       /* header and a u64 */

	hear(VU_GET_FEATURES, 1, NULL, 0, NULL);
	say_fds(channel, VU_BACKEND_CONFIG_CHANGE, VU_VERSION | VU_NEED_REPLY, NULL, 0, NULL, 0);
	ck_assert_int_eq(recv(channel, ack, sizeof(ack), MSG_WAITALL), sizeof(ack));
	ck_assert(ack[1] == 5 && ack[3] == 0 && ack[4] == 0);
	say_u64(VU_GET_FEATURES, 77);
	return NULL;
}

static void open_channel(int *ret_channel)
{
	negotiate_quietly(BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK) |
			  BIT(VU_PF_INBAND_NOTIFICATIONS));
	say_u64(VU_SET_BACKEND_REQ_FD, 0);
	ck_ok(fe_open_backend_channel(fe, refuse_notifier, &handled, &err));
	ck_assert_uint_eq(hear(VU_SET_BACKEND_REQ_FD, 9, NULL, 0, ret_channel), 1);
}

/* Bytes, descriptors and what is in them; the file has 4096 bytes. */
static const struct {
	uint32_t size;
	unsigned n_fds;
	struct vu_inflight i;
	int ret;
} inflights[] = {
	{ 24, 1, { 4096, 0, 2, 64, 0 }, 0 },
	{ 24, 1, { 96, 4000, 2, 64, 0 }, 0 },
	{ 24, 0, { 0, 0, 2, 64, 0 }, -EREMOTEIO },
	{ 24, 1, { 0, 0, 2, 64, 0 }, -EREMOTEIO },
	{ 24, 0, { 4096, 0, 2, 64, 0 }, -EPROTO },
	{ 24, 2, { 4096, 0, 2, 64, 0 }, -EPROTO },
	{ 20, 1, { 4096, 0, 2, 64, 0 }, -EPROTO },
	{ 0, 0, { 0 }, -EPROTO },
	{ 24, 1, { 4097, 0, 2, 64, 0 }, -EPROTO },
	{ 24, 1, { 96, 4001, 2, 64, 0 }, -EPROTO },
	{ 24, 1, { 4096, UINT64_MAX - 4095, 2, 64, 0 }, -EPROTO },
	{ 24, 1, { UINT64_MAX, 1, 2, 64, 0 }, -EPROTO },
};

START_TEST(inflight_buffers)
{
	const int file = fd_memfd("inflight", 4096), fds[2] = { file, file };
	struct vu_inflight i = { .mmap_size = 42 }, asked;
	int fd = -42;
	unsigned before;

	negotiate_quietly(0);
	ck_assert_int_eq(fe_get_inflight(fe, 2, 64, &i, &fd, &err), -EOPNOTSUPP);
	ck_assert_int_eq(fe_set_inflight(fe, &i, file, &err), -EOPNOTSUPP);
	ck_ok(fe_set_protocol_features(fe, BIT(VU_PF_INFLIGHT_SHMFD), &err));
	hear(VU_SET_PROTOCOL_FEATURES, 1, &(uint64_t){ 0 }, 8, NULL);
	before = count_fds();
	say_fds(peer, VU_GET_INFLIGHT_FD, 5, &inflights[_i].i, inflights[_i].size, fds,
		inflights[_i].n_fds);
	ck_assert_int_eq(fe_get_inflight(fe, 2, 64, &i, &fd, &err), inflights[_i].ret);
	hear(VU_GET_INFLIGHT_FD, 1, &asked, sizeof(asked), NULL);
	ck_assert(asked.num_queues == 2 && asked.queue_size == 64 && asked.mmap_size == 0);
	if (inflights[_i].ret == 0) {
		ck_assert_int_eq(memcmp(&i, &inflights[_i].i, sizeof(i)), 0);
		ck_ok(fe_set_inflight(fe, &i, fd, &err));
		ck_assert_uint_eq(hear(VU_SET_INFLIGHT_FD, 1, &asked, sizeof(asked), NULL), 1);
		ck_assert_int_eq(memcmp(&i, &asked, sizeof(i)), 0);
		fd_close(&fd);
	} else {
		ck_assert(i.mmap_size == 42 && fd == -42);
	}
	ck_assert_uint_eq(count_fds(), before);
	close(file);
}
END_TEST

/* Replies of libvhost-user (a number), of back ends in Rust (an echo) and of DPDK (nothing). */
START_TEST(log_of_dirty_pages)
{
	static const uint32_t sizes[] = { 8, 16, 0 };
	static const uint8_t zeros[16];
	const int file = fd_memfd("log", 4096);
	struct vu_log log;

	negotiate_quietly(0);
	ck_assert_int_eq(fe_set_log_base(fe, 4096, 0, file, &err), -EOPNOTSUPP);
	ck_ok(fe_set_protocol_features(fe, BIT(VU_PF_LOG_SHMFD), &err));
	hear(VU_SET_PROTOCOL_FEATURES, 1, &(uint64_t){ 0 }, 8, NULL);
	say(VU_SET_LOG_BASE, 5, zeros, sizes[_i]);
	ck_ok(fe_set_log_base(fe, 2048, 1024, file, &err));
	ck_assert_uint_eq(hear(VU_SET_LOG_BASE, 1, &log, sizeof(log), NULL), 1);
	ck_assert(log.mmap_size == 2048 && log.mmap_offset == 1024);
	ck_ok(fe_set_log_fd(fe, file, &err));
	ck_assert_uint_eq(hear(VU_SET_LOG_FD, 1, NULL, 0, NULL), 1);
	say(VU_SET_LOG_FD, 5, zeros, 8);
	ck_assert_int_eq(fe_set_log_base(fe, 4096, 0, file, &err), -EPROTO);
	close(file);
}
END_TEST

START_TEST(back_end_is_served_while_we_wait)
{
	CLOSE_FD int channel = -1;
	uint64_t value = 0;
	pthread_t t;

	open_channel(&channel);
	ck_assert_int_eq(pthread_create(&t, NULL, insist, &channel), 0);
	ck_ok(fe_get_features(fe, &value, &err));
	pthread_join(t, NULL);
	ck_assert_uint_eq(value, 77);
	ck_assert_uint_eq(fe_backend_seen(fe, VU_BACKEND_CONFIG_CHANGE), 1);
}
END_TEST

START_TEST(back_end_requests_are_judged)
{
	uint32_t ack[5] = { 0 };       /* header and a u64 */
	struct vu_vring_state state = { 255, 0 };
	CLOSE_FD int channel = -1;
	unsigned before;

	open_channel(&channel);
	before = count_fds();
	say_fds(channel, VU_BACKEND_VRING_HOST_NOTIFIER, 9, &state, 8, &peer, 1);
	say_fds(channel, VU_BACKEND_VRING_CALL, 1, &state, 8, NULL, 0);
	say_fds(channel, VU_BACKEND_VRING_ERR, 1, &state, 8, NULL, 0);
	ck_assert_int_eq(fe_serve_backend(fe, TIMEOUT_MS, &err), 3);
	ck_assert_int_eq(recv(channel, ack, sizeof(ack), MSG_WAITALL), sizeof(ack));
	ck_assert_uint_eq(ack[0], VU_BACKEND_VRING_HOST_NOTIFIER);
	ck_assert_uint_eq(ack[3], 1);
	ck_assert_uint_eq(fe_inband_calls(fe, 255), 1);
	ck_assert_uint_eq(fe_inband_errs(fe, 255), 1);
	ck_assert_uint_eq(count_fds(), before);
	state.index = 256;
	say_fds(channel, VU_BACKEND_VRING_CALL, 9, &state, 8, NULL, 0);
	ck_assert_int_eq(fe_serve_backend(fe, TIMEOUT_MS, &err), 1);
	ck_assert_int_eq(recv(channel, ack, sizeof(ack), MSG_WAITALL), sizeof(ack));
	ck_assert_uint_eq(ack[3], 1);
}
END_TEST

static const struct vu_header bad_upcalls[] = {
	{ VU_BACKEND_CONFIG_CHANGE, 0, 0 }, { VU_BACKEND_CONFIG_CHANGE, 5, 0 },
	{ VU_BACKEND_CONFIG_CHANGE, 0x11, 0 }, { VU_BACKEND_CONFIG_CHANGE, 1, FE_MAX_PAYLOAD + 1 },
};

START_TEST(bad_back_end_requests)
{
	CLOSE_FD int channel = -1;

	open_channel(&channel);
	ck_assert_int_eq(send(channel, &bad_upcalls[_i], sizeof(bad_upcalls[_i]), 0), 12);
	ck_assert_int_eq(fe_serve_backend(fe, TIMEOUT_MS, &err), -EPROTO);
	ck_assert_int_eq(fe_backend_fd(fe), -1);
}
END_TEST

/* Neither what it asks nor what it says may go on for ever. */
START_TEST(back_end_that_never_ends)
{
	const struct vu_header ask = { VU_BACKEND_CONFIG_CHANGE, VU_VERSION, 0 };
	CLOSE_FD int channel = -1;
	unsigned i;
	int ret;

	open_channel(&channel);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(send(channel, &ask, sizeof(ask), 0), sizeof(ask));
	ret = fe_serve_backend(fe, TIMEOUT_MS, &err);
	ck_assert_int_gt(ret, 0);
	ck_assert_int_lt(ret, 100);
	ck_assert_int_eq(fe_serve_backend(fe, TIMEOUT_MS, &err), 100 - ret);
}
END_TEST

static void *babble(void *arg)
{
	static const char bytes[4096];

	while (send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

START_TEST(back_end_that_babbles)
{
	pthread_t t;

	fe_set_timeout(fe, SHORT_MS);
	ck_assert_int_eq(pthread_create(&t, NULL, babble, NULL), 0);
	ck_assert_int_eq(fe_wait_closed(fe, &err), -ETIMEDOUT);
	fe_free(fe);
	fe = NULL;
	pthread_join(t, NULL);
}
END_TEST

START_TEST(back_end_may_close_its_channel)
{
	CLOSE_FD int channel = -1;

	open_channel(&channel);
	fd_close(&channel);
	ck_assert_int_eq(fe_serve_backend(fe, TIMEOUT_MS, &err), 0);
	ck_assert_int_eq(fe_backend_fd(fe), -1);
}
END_TEST

/* -- Connecting ------------------------------------------------------------ */

START_TEST(connecting)
{
	char dir[] = "/tmp/test-frontend-XXXXXX", path[64], far[200];
	struct fe *a = NULL, *b = NULL;
	CLOSE_FD int l = -1;
	CLOSE_FD int file = -1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	memset(far, 'x', sizeof(far) - 1);
	far[sizeof(far) - 1] = '\0';
	ck_assert_int_eq(fe_connect(far, SHORT_MS, &a, &err), -ENAMETOOLONG);
	ck_assert_int_eq(fe_connect(path, SHORT_MS, &a, &err), -ENOENT);
	file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_eq(fe_connect(path, SHORT_MS, &a, &err), -ECONNREFUSED);
	ck_assert_int_eq(fe_listen(path, &err), -EADDRINUSE);
	ck_assert_int_eq(unlink(path), 0);
	l = fe_listen(path, &err);
	ck_ok(l);
	ck_assert_int_eq(fe_accept(l, SHORT_MS, &b, &err), -ETIMEDOUT);
	ck_ok(fe_connect(path, TIMEOUT_MS, &a, &err));
	ck_ok(fe_accept(l, TIMEOUT_MS, &b, &err));
	ck_ok(fe_set_owner(a, &err));
	fe_free(a);
	fe_free(b);
	unlink(path);
	rmdir(dir);
}
END_TEST

/* -- Memory ---------------------------------------------------------------- */

START_TEST(memory)
{
	struct fe_mem_spec low = { .guest = 0x1000, .size = 0x3000 };
	struct fe_mem_spec high = { .guest = 1ULL << 32, .size = 0x2000, .offset = 0x1000,
		.user = 0x5000, .flags = FE_MEM_UNSEALED };
	struct fe_mem_spec none = { .guest = 0, .size = 0 };
	struct fe_mem_spec wraps = { .size = 2, .offset = UINT64_MAX };
	struct fe_mem *mem = fe_mem_new();
	unsigned before = count_fds();
	struct vu_region r;
	struct stat st;
	uint64_t a = 1;

	ck_assert_int_eq(fe_mem_add(mem, &none, &err), -EINVAL);
	ck_assert_int_eq(fe_mem_add(mem, &wraps, &err), -EINVAL);
	ck_assert_int_eq(fe_mem_add(mem, &low, &err), 0);
	ck_assert_int_eq(fe_mem_add(mem, &high, &err), 1);
	ck_assert(fe_mem_describe(mem, 1, &r));
	ck_assert(r.guest_addr == 1ULL << 32 && r.size == 0x2000 && r.user_addr == 0x5000 &&
		  r.mmap_offset == 0x1000);
	ck_assert_int_eq(fstat(fe_mem_fd(mem, 1), &st), 0);
	ck_assert_int_eq(st.st_size, 0x3000);
	ck_assert_uint_eq(fe_mem_user(mem, (1ULL << 32) + 5), 0x5005);
	ck_assert_uint_eq(fe_mem_user(mem, 0x1010), (uintptr_t)fe_mem_at(mem, 0x1010, 1));
	ck_assert_ptr_null(fe_mem_at(mem, 0xfff, 1));
	ck_assert_ptr_null(fe_mem_at(mem, 0x3fff, 2));
	ck_assert_ptr_nonnull(fe_mem_at(mem, 0x3fff, 1));
	ck_assert_ptr_null(fe_mem_at(mem, 0x1001, UINT64_MAX));
	ck_assert_int_eq(fe_mem_alloc(mem, 0, 10, 16, &a), 0);
	ck_assert_uint_eq(a, 0x1000);
	ck_assert_int_eq(fe_mem_alloc(mem, 0, 0x2ff0, 16, &a), 0);
	ck_assert_uint_eq(a, 0x1010);
	ck_assert_int_eq(fe_mem_alloc(mem, 0, 1, 1, &a), -ENOSPC);
	ck_assert_int_eq(fe_mem_alloc(mem, 2, 1, 1, &a), -EINVAL);
	fe_mem_release(mem, 0);
	ck_assert_int_eq(fe_mem_alloc(mem, 0, 0x3000, 1, &a), 0);
	fe_mem_remove(mem, 0);
	ck_assert(!fe_mem_describe(mem, 0, &r));
	ck_assert_ptr_null(fe_mem_at(mem, 0x1000, 1));
	ck_assert_int_eq(fe_mem_send_add(mem, 0, fe, &err), -EINVAL);
	fe_mem_free(mem);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frontend");
	TCase *tc = tcase_create("frontend");

	tcase_add_checked_fixture(tc, set_up_pair, tear_down_pair);
	tcase_add_test(tc, negotiation_in_order);
	tcase_add_test(tc, no_protocol_features_no_such_request);
	tcase_add_loop_test(tc, replies_that_lie, 0, (int)ARRAY_SIZE(replies));
	tcase_add_loop_test(tc, reply_cut_off_at, 0, 21);
	tcase_add_loop_test(tc, reply_stalls_at, 0, 20);
	tcase_add_test(tc, back_end_that_does_not_read);
	tcase_add_test(tc, back_end_that_left);
	tcase_add_test(tc, refusal_leaves_the_stream_in_order);
	tcase_add_test(tc, acknowledgments_only_when_wanted);
	tcase_add_test(tc, vring_requests);
	tcase_add_loop_test(tc, config_replies_are_compared, 0, (int)ARRAY_SIZE(config_replies));
	tcase_add_test(tc, absurd_answers);
	tcase_add_loop_test(tc, inflight_buffers, 0, (int)ARRAY_SIZE(inflights));
	tcase_add_loop_test(tc, log_of_dirty_pages, 0, 3);
	tcase_add_test(tc, back_end_is_served_while_we_wait);
	tcase_add_test(tc, back_end_requests_are_judged);
	tcase_add_loop_test(tc, bad_back_end_requests, 0, (int)ARRAY_SIZE(bad_upcalls));
	tcase_add_test(tc, back_end_that_never_ends);
	tcase_add_test(tc, back_end_that_babbles);
	tcase_add_test(tc, back_end_may_close_its_channel);
	tcase_add_test(tc, connecting);
	tcase_add_test(tc, memory);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
