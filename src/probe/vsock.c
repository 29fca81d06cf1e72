/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Driver half of virtio-vsock (virtio 1.4, 5.10): connections of standard input
 * and output, and packets for `bench` that a device takes, looks up and drops,
 * resets of connections that there are not.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhost-device/num.h"
#include "vsock-guest.h"

enum { PORTS = 1024 };

/* The scale is the CID of the guest. */
static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	le64_t cid;
	int ret = vdev_config(v, 0, &cid, sizeof(cid), err);

	if (ret == 0)
		*ret_plan = (struct load_plan){ PORTS, le64_get(cid) };
	return ret;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct virtio_vsock_hdr head = {
		.src_cid = le64(plan->scale), .dst_cid = le64(VSOCK_CID_HOST),
		.src_port = le32((uint32_t)number + PORTS), .dst_port = le32(PORTS),
		.type = le16(VSOCK_TYPE_STREAM), .op = le16(VSOCK_OP_RST),
	};

	memcpy(out, &head, sizeof(head));
}

static const struct load load = {
	.head = sizeof(struct virtio_vsock_hdr), .prepare = prepare, .fill = fill,
};

/* -- Standard input and output as a connection ------------------------------------ */

enum { PIECE = 65536, WAIT_MS = 1000 };

struct pipe {
	struct vg g;
	struct vg_conn c;
	bool taken, broken;
	uint32_t port;
	uint64_t sent, got;
	int ret;
	struct error *err;
	uint8_t buf[PIECE];
	size_t have, at;                /* of standard input */
	bool over;                      /* it has ended, and the other side was told */
};

static void to_output(struct vg_conn *c, const uint8_t *data, uint32_t n, uint32_t flags)
{
	struct pipe *p = c->ctx;
	ssize_t done;

	p->got += n;
	while (n > 0 && !p->broken) {
		done = write(STDOUT_FILENO, data, n);
		p->broken = done < 0 && errno != EINTR;
		data += done > 0 ? done : 0;
		n -= done > 0 ? (uint32_t)done : 0;
	}
}

static int send_input(struct pipe *p)
{
	int n = vg_write(&p->c, p->buf + p->at, (uint32_t)(p->have - p->at), VSOCK_PACKET_MAX,
			 p->err);

	if (n > 0) {
		p->at += (size_t)n;
		p->sent += (uint64_t)n;
	}
	return n < 0 ? n : 0;
}

/* Input is read only when all of what was read before has gone. */
static int take_input(struct pipe *p)
{
	ssize_t n;

	if (p->over || p->at < p->have)
		return 0;
	n = read(STDIN_FILENO, p->buf, sizeof(p->buf));
	if (n > 0) {
		p->have = (size_t)n;
		p->at = 0;
		return 0;
	}
	p->over = n == 0;
	return n == 0 ? vg_shutdown(&p->c, VSOCK_SHUT_SEND, p->err) : 0;
}

static bool input_waits(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

/* Until the other side has ended; what it sends comes out, what comes in is sent. */
static int pump(struct pipe *p, struct out *o)
{
	int ret = 0, n;

	while (ret == 0 && p->c.state == VG_OPEN && !(p->over && (p->c.shut & VSOCK_SHUT_SEND)) &&
	       !p->broken) {
		if (!p->over && p->at == p->have && input_waits())
			ret = take_input(p);
		if (ret == 0 && p->at < p->have)
			ret = send_input(p);
		n = vg_turn(&p->g, NULL, NULL, p->err);
		ret = n < 0 ? n : ret;
		if (ret == 0 && n == 0)
			ret = vg_wait(&p->g, p->over || p->at < p->have ? -1 : STDIN_FILENO,
				      WAIT_MS, p->err);
	}
	if (ret == 0 && p->c.state == VG_OPEN)
		ret = vg_shutdown(&p->c, VSOCK_SHUT_BOTH, p->err);
	while (ret == 0 && p->c.state == VG_OPEN) {
		n = vg_turn(&p->g, NULL, NULL, p->err);
		ret = n != 0 ? (n < 0 ? n : 0) : vg_wait(&p->g, -1, WAIT_MS, p->err);
	}
	vg_drop(&p->c);
	o->file = stderr;
	out_number(o, "bytes_sent", p->sent);
	out_number(o, "bytes_received", p->got);
	return ret;
}

static int open_pipe(struct vdev *v, char **words, struct pipe **ret_pipe, struct error *err)
{
	struct pipe *p = calloc(1, sizeof(*p));
	uint64_t port;
	int ret;

	if (p == NULL)
		return error_memory(err);
	p->err = err;
	p->c = (struct vg_conn){ .ctx = p, .got = to_output };
	ret = num_parse(words[0], 0, UINT32_MAX, &port);
	if (ret < 0)
		error_set(err, -EINVAL, "'%.60s' is no port", words[0]);
	else
		ret = vg_open(&p->g, v, err);
	if (ret < 0) {
		free(p);
		return ret == -ERANGE ? -EINVAL : ret;
	}
	p->port = (uint32_t)port;
	*ret_pipe = p;
	return 0;
}

static int enter(struct pipe *p)
{
	int ret = vg_connect(&p->g, &p->c, p->port, p->err), n;

	while (ret == 0 && p->c.state == VG_ASKED) {
		n = vg_turn(&p->g, NULL, NULL, p->err);
		ret = n != 0 ? (n < 0 ? n : 0) : vg_wait(&p->g, -1, WAIT_MS, p->err);
	}
	if (ret == 0 && p->c.refused)
		ret = error_set(p->err, -ECONNREFUSED, "port %u: the host refuses: nobody listens "
				"there", p->port);
	return ret;
}

static int connect_to(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct pipe *p = NULL;
	int ret = open_pipe(v, words, &p, err);

	if (ret < 0 || p == NULL)
		return ret;
	ret = enter(p);
	if (ret == 0)
		ret = pump(p, o);
	free(p);
	return ret;
}

static void client_came(struct vg *g, const struct vg_packet *request, void *ctx)
{
	struct pipe *p = ctx;
	struct vg_packet rst = *request;

	if (!p->taken && request->dst_port == p->port) {
		p->ret = vg_accept(g, &p->c, request, p->err);
		p->taken = true;
		return;
	}
	rst.src_cid = request->dst_cid;
	rst.dst_cid = request->src_cid;
	rst.src_port = request->dst_port;
	rst.dst_port = request->src_port;
	rst.op = VSOCK_OP_RST;
	rst.len = 0;
	p->ret = vg_send(g, &rst, NULL, p->err);
}

static int listen_at(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct pipe *p = NULL;
	int ret = open_pipe(v, words, &p, err), got;

	if (ret < 0 || p == NULL)
		return ret;
	while (ret == 0 && !p->taken) {
		got = vg_turn(&p->g, client_came, p, err);
		ret = got < 0 ? got : p->ret;
		if (ret == 0 && got == 0)
			ret = vg_wait(&p->g, -1, WAIT_MS, err);
	}
	if (ret == 0)
		ret = pump(p, o);
	free(p);
	return ret;
}

static const struct action actions[] = {
	{ "connect", "PORT", "Connect to a port of the host; standard input goes there, what comes "
	  "back to standard output.", 1, 1, connect_to },
	{ "listen", "PORT", "Wait for a client of the host at a port, and do the same.", 1, 1,
	  listen_at },
	{ NULL }
};

const struct driver driver_vsock = {
	"vsock", .queues = VSOCK_QUEUES, .queue_size = VG_QUEUE_SIZE, .memory = VG_MEMORY,
	.actions = actions, .bench_queue = VSOCK_TXQ, .bench_queues = 1, .load = &load,
	.ends = vsock_load,
};
