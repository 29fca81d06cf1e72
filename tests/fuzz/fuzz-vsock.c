/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile guest of the socket device, and clients of the host that come and
 * go. Records of eight bytes: what happens, then the fields of a packet that
 * make a difference; all others are sane.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log-core.h"
#include "core/opt.h"
#include "fake-core.h"
#include "wire/virtio-vsock.h"

enum { RECORD = 8, MOST = 200, MS = 1000 * 1000, CLIENTS = 8, LARGE = 700, CID = 3 };

extern const struct device device_vsock;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char conf[512];
static char dir[40], path[60];
static int listener = -1, clients[CLIENTS];

static struct sockaddr_un address(const char *suffix)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s%s", path, suffix);
	return a;
}

/* op, len, ports, type, cids, credit, flags */
static void push_packet(const uint8_t *r)
{
	static const uint64_t cids[] = { VSOCK_CID_HOST, 99, CID, UINT64_MAX };
	static const uint32_t rooms[] = { 0, 100, 65536, UINT32_MAX };
	static uint8_t bytes[sizeof(struct virtio_vsock_hdr) + LARGE];
	struct virtio_vsock_hdr h = {
		.src_cid = le64((r[5] & 0x80) != 0 ? 7 : CID), .dst_cid = le64(cids[r[5] & 3]),
		.src_port = le32(r[3] & 7), .dst_port = le32((r[3] & 0x70) == 0 ? 1 : 2),
		.len = le32((r[2] & 0x80) != 0 ? UINT32_MAX : r[2] * 5u), .type = le16(r[4] & 3),
		.op = le16(r[1] & 15), .flags = le32(r[7]), .buf_alloc = le32(rooms[r[6] & 3]),
		.fwd_cnt = le32((r[6] >> 2) * 100u),
	};
	size_t n = sizeof(h) + ((r[2] & 0x80) != 0 ? 40u : r[2] * 5u);

	memcpy(bytes, &h, sizeof(h));
	fake_push_to(VSOCK_TXQ, bytes, (r[5] & 0x40) != 0 ? n / 2 : n, (r[5] & 0x20) != 0);
}

static void client(unsigned i, const uint8_t *r)
{
	static const char *const words[] = { "CONNECT 3\n", "CONN", "ECT 4\n", "\n\n", "data" };
	struct sockaddr_un a = address("");
	int fd = clients[i];

	if (fd >= 0 && (r[2] & 1) != 0) {
		close(fd);
		clients[i] = -1;
	} else if (fd >= 0) {
		send(fd, words[r[3] % 5], strlen(words[r[3] % 5]), MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
			close(fd);
			fd = -1;
		}
		clients[i] = fd;
	}
}

/* What the guest has connected to. */
static void serve(unsigned i, const uint8_t *r)
{
	char buf[4096];

	if (clients[i] >= 0 && recv(clients[i], buf, sizeof(buf), MSG_DONTWAIT) == 0) {
		close(clients[i]);
		clients[i] = -1;
	}
	if (clients[i] < 0)
		clients[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void run_record(const uint8_t *r, uint64_t *now)
{
	switch (r[0] % 6) {
	case 0:
	case 1:
		push_packet(r);
		break;
	case 2:
		fake_push_to(VSOCK_RXQ, r, (r[1] & 0x80) != 0, r[1] * 8u);
		break;
	case 3:
		client(r[1] % CLIENTS, r);
		break;
	case 4:
		serve(r[1] % CLIENTS, r);
		break;
	default:
		*now += r[1] * (uint64_t)MS * 10;
		break;
	}
	fake_at(*now);
}

static void open_host(void)
{
	struct sockaddr_un a;
	unsigned i;

	snprintf(dir, sizeof(dir), "/tmp/fuzz-vsock-XXXXXX");
	bug_if(mkdtemp(dir) == NULL);
	snprintf(path, sizeof(path), "%s/u", dir);
	a = address("_1");
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bug_if(bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 10) < 0);
	for (i = 0; i < CLIENTS; i++)
		clients[i] = -1;
}

static void close_host(void)
{
	struct sockaddr_un a = address("_1");
	unsigned i;

	for (i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0)
			close(clients[i]);
	}
	close(listener);
	unlink(a.sun_path);
	rmdir(dir);
}

/* All packets of the guest have ended with length 0; what it got is a packet. */
static void check_chain(const struct chain *c)
{
	struct virtio_vsock_hdr h;

	if (c->queue == VSOCK_TXQ) {
		bug_if(c->end == FAKE_OPEN || c->used != 0);
		return;
	}
	if (c->end != FAKE_DONE)
		return;
	bug_if(c->used < sizeof(h) || c->used > c->put_size);
	memcpy(&h, c->put, sizeof(h));
	bug_if(le32_get(h.len) != c->used - sizeof(h));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now = MS;
	unsigned i;

	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	bug_if(device_vsock.conf_size > sizeof(conf));
	open_host();
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_vsock.options, conf);
	opt_set(opt_find(device_vsock.options, "uds-path", 8), conf, path, NULL);
	opt_set(opt_find(device_vsock.options, "max-connections", 15), conf, "6", NULL);
	fake_setup(&device_vsock, now);
	bug_if(fake_open(conf, 1, NULL) != 0);
	fake_start();
	for (; size >= RECORD && fake.pushed < MOST; size -= RECORD, data += RECORD)
		run_record(data, &now);
	fake_stop();
	for (i = 0; i < fake.pushed; i++)
		check_chain(&fake.chains[i]);
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
	opt_finish(device_vsock.options, conf);
	close_host();
	return 0;
}
