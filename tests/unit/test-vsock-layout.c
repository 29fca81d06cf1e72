/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Packets in more pieces than a system call takes, and receive buffers of all sizes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "suite.h"
#include "vsock-guests.h"

enum { A = 0, B = 1, PORT = 1000, MOST = 600, HDR = 44, STEP = 16, DATA = 8192,
	RX_ALL = VG_RX_BUFFERS };

static struct fe_seg segs[MOST + 2];

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at ^ at >> 8 ^ at >> 16);
}

/* ---- the host ---- */

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/0_1000", rig.dir);
	return a;
}

/* Port 5 of guest A to the host; the host's end. */
static int join_host(void)
{
	const struct timeval limit = { RIG_MS / 1000, 0 };
	struct sockaddr_un a = address();
	struct vg_packet p = rig_packet(A, 0, VSOCK_OP_REQUEST, 5, PORT);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	p.dst_cid = VSOCK_CID_HOST;
	rig_put(A, &p, NULL);
	rig_get_op(A, VSOCK_OP_RESPONSE);
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	close(listener);
	unlink(a.sun_path);
	return fd;
}

static void host_reads(int fd, uint64_t at, size_t n)
{
	uint8_t buf[4096];
	size_t done, i, wrong = 0;
	ssize_t got;

	for (done = 0; done < n; done += (size_t)got) {
		got = recv(fd, buf, n - done < sizeof(buf) ? n - done : sizeof(buf), 0);
		ck_assert_int_gt(got, 0);
		for (i = 0; i < (size_t)got; i++)
			wrong += buf[i] != pattern(at + done + i);
	}
	ck_assert_uint_eq(wrong, 0);
}

/* ---- packets in pieces ---- */

/*
 * A packet with its header at `at` and n pieces behind it, each a few bytes
 * with a hole after it; how many bytes of data. The first piece begins at `from`.
 */
static uint32_t lay_out(unsigned k, uint64_t at, uint64_t from, unsigned n, uint64_t stream)
{
	struct rig_guest *r = &rig.guests[A];
	struct virtio_vsock_hdr h = { .src_cid = le64(RIG_CID + A), .src_port = le32(5),
		.dst_cid = le64(k == A ? VSOCK_CID_HOST : RIG_CID + k), .dst_port = le32(PORT),
		.type = le16(VSOCK_TYPE_STREAM), .op = le16(VSOCK_OP_RW),
		.buf_alloc = le32(VG_WINDOW) };
	uint32_t size = 0, len, i;
	uint8_t *bytes;
	unsigned s;

	segs[0] = (struct fe_seg){ at, HDR };
	for (s = 1; s <= n; s++) {
		len = 1 + s % (STEP - 1);
		segs[s] = (struct fe_seg){ from + s * (uint64_t)STEP - STEP, len };
		bytes = fe_mem_at(r->mem, segs[s].guest, len);
		for (i = 0; i < len; i++)
			bytes[i] = pattern(stream + size + i);
		size += len;
	}
	h.len = le32(size);
	memcpy(fe_mem_at(r->mem, at, HDR), &h, HDR);
	return size;
}

static void add(unsigned n_out)
{
	struct rig_guest *r = &rig.guests[A];

	rig_ok(fe_ring_add(r->vdev.rings[VSOCK_TXQ], segs, n_out, 0, FE_ADD_INDIRECT, segs));
}

static void send_all(unsigned n)
{
	struct rig_guest *r = &rig.guests[A];
	struct fe_ring *tx = r->vdev.rings[VSOCK_TXQ];
	struct fe_used used;

	rig_ok(fe_ring_kick(tx, r->fe, &rig.err));
	while (n > 0) {
		rig_ok(fe_ring_wait(tx, r->fe, RIG_MS, &rig.err));
		ck_assert_int_eq(fe_ring_get(tx, &used, &rig.err), 1);
		/* Those of the rig come back too. */
		n -= used.token == segs;
		ck_assert_uint_eq(used.len, 0);
	}
}

static const unsigned counts[] = { 1, 63, 64, 65, 255, 256, 257, 300, 513, MOST };

START_TEST(many_pieces)
{
	uint64_t at = 0;
	unsigned i;
	uint32_t n;
	int fd;

	rig.indirect = MOST + 2;
	rig_open((unsigned)_i);
	fd = join_host();
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		n = lay_out(A, rig.guests[A].g.tx_at, rig.guests[A].g.tx_at + DATA, counts[i], at);
		add(1 + counts[i]);
		send_all(1);
		host_reads(fd, at, n);
		at += n;
	}
	close(fd);
	rig_close();
}
END_TEST

/* Behind others that go out in the same call, whose memory the first piece touches. */
START_TEST(many_pieces_in_a_batch)
{
	const uint64_t gap = 65536, first = DATA - STEP;
	uint64_t at = 0, where, n;
	unsigned i, k;
	int fd;

	rig.indirect = MOST + 2;
	rig_open((unsigned)_i);
	fd = join_host();
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		where = rig.guests[A].g.tx_at;
		n = 0;
		for (k = 0; k < 3; k++) {
			/* One whole step, so that the next packet's data follow at once. */
			n += lay_out(A, where, where + first, STEP - 2, at + n);
			add(STEP - 1);
			n += lay_out(A, where + 256, where + DATA + (STEP - 3) * STEP, counts[i],
				     at + n);
			add(1 + counts[i]);
			where += gap;
		}
		send_all(6);
		host_reads(fd, at, n);
		at += n;
	}
	close(fd);
	rig_close();
}
END_TEST

/* Guest to guest. */
static void join_guest(void)
{
	rig_put_op(A, B, VSOCK_OP_REQUEST, 5, PORT);
	rig_get_op(B, VSOCK_OP_REQUEST);
	rig_put_op(B, A, VSOCK_OP_RESPONSE, PORT, 5);
	rig_get_op(A, VSOCK_OP_RESPONSE);
}

START_TEST(many_pieces_to_a_guest)
{
	struct vg_packet p;
	uint64_t at = 0;
	unsigned i, k, wrong;
	uint32_t n;

	rig.indirect = MOST + 2;
	rig_open((unsigned)_i);
	join_guest();
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		n = lay_out(B, rig.guests[A].g.tx_at, rig.guests[A].g.tx_at + DATA, counts[i], at);
		add(1 + counts[i]);
		send_all(1);
		for (; n > 0; n -= p.len, at += p.len) {
			p = rig_get_op(B, VSOCK_OP_RW);
			ck_assert_uint_le(p.len, n);
			for (k = 0, wrong = 0; k < p.len; k++)
				wrong += p.data[k] != pattern(at + k);
			ck_assert_uint_eq(wrong, 0);
		}
	}
	rig_close();
}
END_TEST

/* ---- receive buffers ---- */

/* The buffers of the rig are used up, and do not come back. */
static void take_buffers(int fd)
{
	struct fe_ring *rx = rig.guests[A].vdev.rings[VSOCK_RXQ];
	struct rig_guest *r = &rig.guests[A];
	struct fe_used used;
	unsigned i;

	/* The RESPONSE took the first. */
	for (i = 1; i < RX_ALL; i++) {
		ck_assert_int_eq(send(fd, "", 1, 0), 1);
		rig_ok(fe_ring_wait(rx, r->fe, RIG_MS, &rig.err));
		ck_assert_int_eq(fe_ring_get(rx, &used, &rig.err), 1);
		ck_assert_uint_eq(used.len, HDR + 1);
	}
}

static const struct {
	uint32_t size, piece;
} buffers[] = {
	{ 43, 43 }, { 44, 44 }, { 45, 45 }, { 45, 1 }, { 100, 3 }, { 344, 1 }, { 600, 1 },
	{ 3776, 3776 }, { 3776, 7 }, { 65580, 65580 },
};

START_TEST(buffers_of_all_sizes)
{
	enum { N = 4 };
	struct rig_guest *r;
	struct fe_ring *rx;
	struct virtio_vsock_hdr h;
	struct fe_used used;
	uint8_t out[200];
	uint32_t done, i, len, room = buffers[_i].size > HDR ? buffers[_i].size - HDR : 0;
	unsigned n, k, wrong;
	uint64_t at;
	int fd;

	rig.indirect = MOST + 2;
	rig_open(0);
	r = &rig.guests[A];
	rx = r->vdev.rings[VSOCK_RXQ];
	fd = join_host();
	take_buffers(fd);
	for (i = 0; i < sizeof(out); i++)
		out[i] = pattern(i);
	/* As many as it takes, all in the place of the rig's slots for sending. */
	for (k = 0; k < (room > 0 ? N * (sizeof(out) / room + 1) : N) && k < 200; k++) {
		at = r->g.tx_at + k * (buffers[_i].size <= 4096 ? 4096ULL : 66000ULL);
		for (done = 0, n = 0; done < buffers[_i].size; done += len) {
			len = buffers[_i].size - done;
			len = len < buffers[_i].piece ? len : buffers[_i].piece;
			segs[n++] = (struct fe_seg){ at + done, len };
		}
		rig_ok(fe_ring_add(rx, segs, 0, n, FE_ADD_INDIRECT, fe_mem_at(r->mem, at, HDR)));
		if (k == 0) {
			ck_assert_int_eq(send(fd, out, sizeof(out), 0), sizeof(out));
			rig_ok(fe_ring_kick(rx, r->fe, &rig.err));
		}
	}
	rig_ok(fe_ring_kick(rx, r->fe, &rig.err));
	for (done = 0, wrong = 0; done < (room > 0 ? sizeof(out) : N);) {
		rig_ok(fe_ring_wait(rx, r->fe, RIG_MS, &rig.err));
		ck_assert_int_eq(fe_ring_get(rx, &used, &rig.err), 1);
		if (room == 0) {
			/* Nothing can be told in it; the stream waits for a better one. */
			ck_assert_uint_le(used.len, HDR);
			done++;
			continue;
		}
		memcpy(&h, used.token, HDR);
		ck_assert_uint_eq(le16_get(h.op), VSOCK_OP_RW);
		len = le32_get(h.len);
		ck_assert_uint_eq(used.len, HDR + len);
		ck_assert_uint_le(len, room);
		for (i = 0; i < len; i++)
			wrong += ((uint8_t *)used.token)[HDR + i] != pattern(done + i);
		done += len;
	}
	ck_assert_uint_eq(wrong, 0);
	close(fd);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vsock-layout");
	TCase *tc = tcase_create("vsock-layout");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, many_pieces, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, many_pieces_in_a_batch, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, many_pieces_to_a_guest, 0, RIG_LAYOUTS);
	tcase_add_loop_test(tc, buffers_of_all_sizes, 0, (int)ARRAY_SIZE(buffers));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
