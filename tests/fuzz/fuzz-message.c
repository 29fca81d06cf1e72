/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A hostile front end: an instance with rings, fed with whatever the input
 * says. Records of the input: a byte (how many descriptors in the low half,
 * of which kind in the high half), a little-endian u16 length, the bytes.
 * Kind 15 writes the bytes to guest memory instead, at the u16 they begin
 * with, and kicks. Descriptors that are left behind are a crash.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/instance-core.h"
#include "core/log-core.h"
#include "core/mem.h"
#include "vhost-device/fd.h"
#include "wire/vhost-user.h"

enum { MEM_SIZE = 0x10000, MAX_FDS = 15, TURNS = 3, CONFIG_SIZE = 24 };
enum kind { KIND_MEMORY, KIND_EVENT, KIND_SOCKET, KIND_PIPE, KIND_FILE, KIND_WRITE = 15 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct loop *loop;
static uint64_t now;
static int memory, kicks;
static uint8_t *mem;

/* A device that answers, parks and changes its config by turns. */

static void dev_handle(struct queue *q)
{
	unsigned *count = queue_state(q);
	struct chain *c;
	uint8_t byte;

	while ((c = queue_pop(q)) != NULL) {
		if (++*count % 3 == 0)
			continue;
		if (*count % 7 == 0)
			instance_config_changed(queue_instance(q));
		while (chain_get_left(c) > 0 && chain_put_left(c) > 0) {
			if (!chain_get(c, &byte, 1) || !chain_put(c, &byte, 1))
				break;
		}
		if (*count % 5 == 0)
			chain_fail(c, "every fifth");
		else
			chain_done(c);
	}
}

static void dev_stop(struct queue *q)
{
	queue_return_all(q);
	bug_if(queue_held(q) != 0 || queue_running(q));
}

static void dev_reset(struct instance *in, enum reset_why why)
{
	bug_if(queue_held(instance_queue(in, 0)) != 0 || queue_held(instance_queue(in, 1)) != 0);
}

static const struct queue_row rows[] = {
	{ .name = "one", .max_size = 256, .state_size = sizeof(unsigned), .handle = dev_handle },
	{ .name = "two", .max_size = 64, .state_size = sizeof(unsigned), .handle = dev_handle },
};

static const struct device device = {
	.name = "fuzz", .features = 3, .queues = rows, .n_queues = 2,
	.config_size = CONFIG_SIZE, .config_wr_off = 4, .config_wr_len = 8,
	.flags = DEV_IN_ORDER, .stop = dev_stop, .reset = dev_reset,
};

static void begin(void)
{
	struct error err = ERROR_NONE;

	if (loop != NULL)
		return;
	/* As the process does: call and err descriptors may be sockets without a peer. */
	signal(SIGPIPE, SIG_IGN);
	log_setup("fuzz", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	loop = loop_new(&err);
	memory = fd_memfd("guest", MEM_SIZE);
	kicks = fd_eventfd();
	bug_if(loop == NULL || memory < 0 || kicks < 0 || mem_guard_install(&err) < 0);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	bug_if(mem == MAP_FAILED);
}

static void turn(void)
{
	unsigned i;

	for (i = 0; i < TURNS; i++) {
		now += 1000 * 1000;
		loop_fake_clock(loop, now);
		loop_turn(loop, false);
	}
}

static int make_fd(unsigned kind)
{
	int fds[2];

	switch (kind) {
	case KIND_MEMORY:
		return dup(memory);
	case KIND_EVENT:
		return dup(kicks);
	case KIND_SOCKET:
		bug_if(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0);
		close(fds[1]);
		return fds[0];
	case KIND_PIPE:
		bug_if(pipe2(fds, O_CLOEXEC) < 0);
		close(fds[1]);
		return fds[0];
	default:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
}

static void send_record(int sock, unsigned kind, unsigned n_fds, const uint8_t *bytes, size_t n)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[MAX_FDS];
	unsigned i;

	for (i = 0; i < n_fds; i++)
		fds[i] = make_fd(kind);
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
	}
	/* A full or closed socket is one more thing that can happen. */
	if (sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		n = 0;
	for (i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void write_memory(const uint8_t *bytes, size_t n)
{
	size_t at;

	if (n < 2)
		return;
	at = bytes[0] | (size_t)bytes[1] << 8;
	n -= 2;
	if (n > MEM_SIZE - at)
		n = MEM_SIZE - at;
	memcpy(mem + at, bytes + 2, n);
	fd_signal(kicks);
}

static void run_records(int sock, const uint8_t *data, size_t size)
{
	uint8_t answers[8192];
	unsigned kind, n_fds;
	size_t n;

	while (size >= 3) {
		kind = data[0] >> 4;
		n_fds = data[0] & 15;
		n = data[1] | (size_t)data[2] << 8;
		data += 3;
		size -= 3;
		if (n > size)
			n = size;
		if (kind == KIND_WRITE)
			write_memory(data, n);
		else if (n > 0)
			send_record(sock, kind, n_fds, data, n);
		turn();
		while (recv(sock, answers, sizeof(answers), MSG_DONTWAIT) > 0)
			continue;
		data += n;
		size -= n;
	}
}

static int lowest_free_fd(void)
{
	int fd = dup(memory);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct instance_setup setup = { .device = &device, .name = "fuzz0",
		.count = 1, .drain_ms = 1000 };
	struct endpoint ep = { .kind = ENDPOINT_CONNECTED_FD, .mode = -1, .group = -1 };
	struct error err = ERROR_NONE;
	struct instance *in;
	int fds[2], before;
	uint64_t count;

	begin();
	memset(mem, 0, MEM_SIZE);
	before = lowest_free_fd();
	bug_if(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0);
	ep.fd = fds[0];
	in = instance_new(loop, &setup, &ep, &err);
	bug_if(in == NULL);
	instance_listen(in);
	turn();
	run_records(fds[1], data, size);
	close(fds[1]);
	turn();
	instance_free(in);
	turn();
	if (read(kicks, &count, sizeof(count)) < 0)
		count = 0;
	bug_if(lowest_free_fd() != before);
	return 0;
}
