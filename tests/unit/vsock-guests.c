/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guests of one process. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/instance-core.h"
#include "core/opt.h"
#include "vsock-guests.h"

enum { NOBODY = 77777 };

extern const struct device device_vsock;

struct rig rig;

static struct {
	const char *name, *text;        /* option of all */
	struct loop *loop;
	pthread_t thread;
	struct post leave;
	unsigned left;                  /* guests that have not left yet */
	struct back_end {
		struct instance *in;
		void *conf;
	} of[RIG_GUESTS];
} back;

static const uint64_t layouts[RIG_LAYOUTS] = {
	BIT(VIRTIO_F_EVENT_IDX), BIT(VIRTIO_F_RING_PACKED), 0,
};

void rig_option(const char *name, const char *text)
{
	back.name = name;
	back.text = text;
}

/* ---- the back end ---- */

static void set(void *conf, const char *name, const char *text)
{
	rig_ok(opt_set(opt_find(device_vsock.options, name, strlen(name)), conf, text, &rig.err));
}

static int open_instance(unsigned i)
{
	struct instance_setup setup = { .device = &device_vsock, .name = "guest", .count = 1,
		.drain_ms = 1000 };
	struct endpoint ep = { .kind = ENDPOINT_CONNECTED_FD, .mode = -1, .group = -1 };
	char text[80];
	int fds[2];

	back.of[i].conf = calloc(1, device_vsock.conf_size);
	opt_defaults(device_vsock.options, back.of[i].conf);
	snprintf(text, sizeof(text), "%u", RIG_CID + i);
	set(back.of[i].conf, "guest-cid", text);
	snprintf(text, sizeof(text), "%s/%u", rig.dir, i);
	set(back.of[i].conf, "uds-path", text);
	if (back.name != NULL)
		set(back.of[i].conf, back.name, back.text);
	setup.conf = back.of[i].conf;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ep.fd = fds[0];
	back.of[i].in = instance_new(back.loop, &setup, &ep, &rig.err);
	ck_assert_msg(back.of[i].in != NULL, "%s", rig.err.text);
	return fds[1];
}

static void *serve(void *arg)
{
	unsigned i;

	for (i = 0; i < RIG_GUESTS; i++)
		instance_listen(back.of[i].in);
	loop_run(back.loop);
	return NULL;
}

static void left(struct instance *in, void *ctx)
{
	if (--back.left == 0)
		loop_stop(back.loop);
}

static void leave_all(struct post *p)
{
	unsigned i;

	back.left = RIG_GUESTS;
	for (i = 0; i < RIG_GUESTS; i++)
		instance_leave(back.of[i].in, left, NULL);
}

/* ---- the guests ---- */

static void open_guest(unsigned i, int fd, uint64_t ring_features)
{
	const struct fe_mem_spec spec = { .guest = 0x100000,
		.size = 2 * VG_MEMORY + (1 << 20) + rig.indirect * 16ULL * 4 * VG_QUEUE_SIZE };
	const uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_VSOCK_F_STREAM) |
		BIT(VIRTIO_VSOCK_F_SEQPACKET) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
		BIT(VIRTIO_F_INDIRECT_DESC) | ring_features;
	struct fe_ring_setup setup = { .size = VG_QUEUE_SIZE, .features = features,
		.indirect = rig.indirect };
	struct rig_guest *r = &rig.guests[i];

	rig_ok(fe_adopt(fd, RIG_MS, &r->fe, &rig.err));
	rig_ok(fe_negotiate(r->fe, fe_all_protocol_features() & ~BIT(VU_PF_INBAND_NOTIFICATIONS),
			    &rig.err));
	rig_ok(fe_set_features(r->fe, features, &rig.err));
	r->mem = fe_mem_new();
	rig_ok(fe_mem_add(r->mem, &spec, &rig.err));
	rig_ok(fe_mem_send(r->mem, r->fe, &rig.err));
	r->vdev = (struct vdev){ .fe = r->fe, .mem = r->mem, .queues = VSOCK_QUEUES,
		.timeout_ms = RIG_MS };
	for (setup.index = 0; setup.index < VSOCK_QUEUES; setup.index++)
		rig_ok(fe_ring_new(r->mem, &setup, &r->vdev.rings[setup.index], &rig.err));
	rig_start(i);
	r->cid = RIG_CID + i;
}

void rig_start(unsigned i)
{
	struct rig_guest *r = &rig.guests[i];
	unsigned q;

	for (q = 0; q < VSOCK_QUEUES; q++)
		rig_ok(fe_ring_start(r->vdev.rings[q], r->fe, &rig.err));
	if (r->g.v == NULL)
		rig_ok(vg_open(&r->g, &r->vdev, &rig.err));
}

void rig_stop(unsigned i)
{
	unsigned q;

	for (q = 0; q < VSOCK_QUEUES; q++)
		rig_ok(fe_ring_stop(rig.guests[i].vdev.rings[q], rig.guests[i].fe, &rig.err));
}

void rig_reset(unsigned i)
{
	struct rig_guest *r = &rig.guests[i];
	unsigned q;

	rig_stop(i);
	rig_ok(fe_reset_device(r->fe, &rig.err));
	for (q = 0; q < VSOCK_QUEUES; q++)
		fe_ring_reset(r->vdev.rings[q]);
	r->g.v = NULL;
}

void rig_open(unsigned layout)
{
	int fds[RIG_GUESTS];
	unsigned i;

	snprintf(rig.dir, sizeof(rig.dir), "/tmp/test-vsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig.dir));
	back.loop = loop_new(&rig.err);
	ck_assert_msg(back.loop != NULL, "%s", rig.err.text);
	for (i = 0; i < RIG_GUESTS; i++)
		fds[i] = open_instance(i);
	ck_assert_int_eq(pthread_create(&back.thread, NULL, serve, NULL), 0);
	for (i = 0; i < RIG_GUESTS; i++)
		open_guest(i, fds[i], layouts[layout]);
}

void rig_leave(unsigned i)
{
	struct rig_guest *r = &rig.guests[i];
	unsigned q;

	for (q = 0; q < VSOCK_QUEUES; q++)
		fe_ring_free(r->vdev.rings[q]);
	fe_free(r->fe);
	fe_mem_free(r->mem);
	memset(r, 0, sizeof(*r));
}

void rig_close(void)
{
	unsigned i;

	for (i = 0; i < RIG_GUESTS; i++) {
		ck_assert_uint_eq(rig.guests[i].g.malformed, 0);
		if (rig.guests[i].fe != NULL)
			rig_leave(i);
	}
	back.leave.fn = leave_all;
	loop_post(back.loop, &back.leave);
	pthread_join(back.thread, NULL);
	for (i = 0; i < RIG_GUESTS; i++) {
		instance_free(back.of[i].in);
		opt_finish(device_vsock.options, back.of[i].conf);
		free(back.of[i].conf);
	}
	loop_free(back.loop);
	rmdir(rig.dir);
	memset(&back, 0, sizeof(back));
	memset(&rig, 0, sizeof(rig));
}

/* ---- packets ---- */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct vg_packet rig_packet(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to)
{
	return (struct vg_packet){ .src_cid = RIG_CID + i, .dst_cid = RIG_CID + k,
		.src_port = from, .dst_port = to, .type = VSOCK_TYPE_STREAM, .op = op,
		.buf_alloc = VG_WINDOW };
}

void rig_put(unsigned i, const struct vg_packet *p, const void *data)
{
	struct vg *g = &rig.guests[i].g;
	const uint64_t end = now_ms() + RIG_MS;

	while (vg_send(g, p, data, &rig.err) == -EAGAIN) {
		ck_assert_msg(now_ms() < end, "packets do not end");
		rig_ok(vg_wait(g, -1, 10, &rig.err));
	}
	rig_ok(vg_kick(g, &rig.err));
}

void rig_put_op(unsigned i, unsigned k, uint16_t op, uint32_t from, uint32_t to)
{
	const struct vg_packet p = rig_packet(i, k, op, from, to);

	rig_put(i, &p, NULL);
}

struct vg_packet rig_get(unsigned i)
{
	struct vg *g = &rig.guests[i].g;
	const uint64_t end = now_ms() + RIG_MS;
	struct vg_packet p = { .op = 0 };
	int ret;

	while ((ret = vg_receive(g, &p, &rig.err)) == 0) {
		ck_assert_msg(now_ms() < end, "nothing came to guest %u", i);
		rig_ok(vg_wait(g, -1, RIG_MS, &rig.err));
	}
	rig_ok(ret);
	return p;
}

struct vg_packet rig_get_op(unsigned i, uint16_t op)
{
	struct vg_packet p = rig_get(i);

	ck_assert_msg(p.op == op, "guest %u: op %u instead of %u", i, p.op, op);
	return p;
}

void rig_get_nothing(unsigned i)
{
	struct vg_packet p = rig_packet(i, 0, VSOCK_OP_RW, NOBODY, 1);

	p.dst_cid = VSOCK_CID_HOST;
	rig_put(i, &p, NULL);
	ck_assert_uint_eq(rig_get_op(i, VSOCK_OP_RST).dst_port, NOBODY);
}
