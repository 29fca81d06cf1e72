/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* From a path to a device whose queues run. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vdev.h"
#include "wire/virtio-ring.h"

enum { GUEST_BASE = 0x100000, PAGE = 0x1000 };

/* -- Connecting ------------------------------------------------------------ */

static const char *kind_of_file(mode_t mode)
{
	if (S_ISREG(mode))
		return "a regular file";
	if (S_ISDIR(mode))
		return "a directory";
	if (S_ISFIFO(mode))
		return "a pipe";
	return "a device";
}

static int explain_connect(const char *path, int ret, struct error *err)
{
	switch (ret) {
	case -ENOENT:
		return error_set(err, ret, "%s: there is no such socket: start the back end, or "
				 "give --wait", path);
	case -ECONNREFUSED:
		return error_set(err, ret, "%s: nobody listens on this socket: its back end has "
				 "ended without removing it", path);
	case -EAGAIN:
		return error_set(err, ret, "%s: the back end accepts no more connections: another "
				 "front end holds it", path);
	case -EPROTOTYPE:
		return error_set(err, ret, "%s: not a stream socket: vhost-user needs one", path);
	default:
		return ret;
	}
}

int vdev_dial(const char *path, unsigned timeout_ms, bool wait, struct fe **ret_fe,
	      struct error *err)
{
	struct stat st;
	int ret;

	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return error_set(err, -ENOTSOCK, "%s: this is %s, not a socket", path,
				 kind_of_file(st.st_mode));
	ret = fe_connect(path, wait ? timeout_ms : 0, ret_fe, err);
	if (ret == -EAGAIN)
		ret = fe_connect(path, timeout_ms, ret_fe, err);
	if (ret < 0)
		return explain_connect(path, ret, err);
	fe_set_timeout(*ret_fe, timeout_ms);
	return 0;
}

int vdev_explain(const struct fe *fe, int ret, struct error *err)
{
	char text[sizeof(err->text)];
	const char *hint = "";

	if (fe_sent(fe) <= 1 && ret == -ETIMEDOUT)
		hint = ": another front end may hold the session, or no vhost-user back end "
			"listens";
	else if (fe_sent(fe) <= 1 && (ret == -EPROTO || ret == -ECONNRESET))
		hint = ": is this a vhost-user back end?";
	memcpy(text, err->text, sizeof(text));
	return error_set(err, ret, "%s%s", text, hint);
}

pid_t vdev_pid(const struct fe *fe)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fe_fd(fe), SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 ? cred.pid : 0;
}

uint64_t vdev_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* -- Opening --------------------------------------------------------------- */

static uint64_t wanted_features(const struct vdev_setup *s)
{
	uint64_t want = s->features | BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
		BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_IN_ORDER);

	if (s->packed)
		want |= BIT(VIRTIO_F_RING_PACKED);
	if (!s->no_event_idx)
		want |= BIT(VIRTIO_F_EVENT_IDX);
	if (s->indirect > 0)
		want |= BIT(VIRTIO_F_INDIRECT_DESC);
	return want;
}

/* Calls come on a channel of the back end's, kicks go without an answer. */
static int open_channel(struct vdev *v, struct error *err)
{
	int ret = -EOPNOTSUPP;

	if (!fe_has_protocol(v->fe, VU_PF_INBAND_NOTIFICATIONS))
		return error_set(err, ret, "the back end does not offer in-band notifications");
	ret = fe_open_backend_channel(v->fe, NULL, NULL, err);
	fe_want_acks(v->fe, false);
	return ret;
}

static int negotiate(struct vdev *v, const struct vdev_setup *s, struct error *err)
{
	uint64_t want = wanted_features(s);
	int ret = fe_negotiate(v->fe, fe_all_protocol_features() &
			       ~(s->inband ? 0 : BIT(VU_PF_INBAND_NOTIFICATIONS)), err);

	if (ret < 0)
		return vdev_explain(v->fe, ret, err);
	if (s->inband)
		ret = open_channel(v, err);
	if (ret < 0)
		return ret;
	v->features = fe_offered(v->fe) & want;
	if (s->packed && !(v->features & BIT(VIRTIO_F_RING_PACKED)))
		return error_set(err, -EOPNOTSUPP, "the back end does not offer packed rings");
	if (s->indirect > 0 && !(v->features & BIT(VIRTIO_F_INDIRECT_DESC)))
		return error_set(err, -EOPNOTSUPP, "the back end does not offer indirect "
				 "descriptors");
	if (fe_queue_num(v->fe) != 0 && fe_queue_num(v->fe) < s->queues)
		return error_set(err, -EOPNOTSUPP, "the back end has %u queues, not %u",
				 fe_queue_num(v->fe), s->queues);
	return fe_set_features(v->fe, v->features, err);
}

static uint64_t ring_bytes(const struct vdev_setup *s)
{
	return 3ULL * PAGE + s->queue_size * (16 + 2 + 8 + 16ULL * s->indirect);
}

static int make_memory(struct vdev *v, const struct vdev_setup *s, struct error *err)
{
	uint64_t size = s->queues * ring_bytes(s) + s->memory + PAGE;
	const struct fe_mem_spec spec = { .guest = GUEST_BASE, .size = (size + PAGE - 1) & -PAGE };
	int ret;

	v->mem = fe_mem_new();
	if (v->mem == NULL)
		return error_memory(err);
	ret = fe_mem_add(v->mem, &spec, err);
	return ret < 0 ? ret : fe_mem_send(v->mem, v->fe, err);
}

static int start_rings(struct vdev *v, const struct vdev_setup *s, struct error *err)
{
	struct fe_ring_setup setup = { .size = s->queue_size, .features = v->features,
		.indirect = s->indirect, .inband = s->inband, .lax = s->lax };
	const uint8_t ok = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER |
		VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK;
	int ret = 0;

	while (ret == 0 && v->queues < s->queues) {
		setup.index = v->queues;
		ret = fe_ring_new(v->mem, &setup, &v->rings[v->queues], err);
		if (ret == 0)
			ret = fe_ring_start(v->rings[v->queues++], v->fe, err);
	}
	if (ret == 0 && fe_has_protocol(v->fe, VU_PF_STATUS))
		ret = fe_set_status(v->fe, ok, err);
	return ret < 0 ? ret : fe_barrier(v->fe, err);
}

int vdev_open(const struct vdev_setup *setup, struct vdev **ret_vdev, struct error *err)
{
	struct vdev *v = calloc(1, sizeof(*v));
	int ret;

	bug_if(setup->queues > VDEV_MAX_QUEUES);
	if (v == NULL)
		return error_memory(err);
	v->timeout_ms = setup->timeout_ms;
	v->lax = setup->lax;
	ret = vdev_dial(setup->path, setup->timeout_ms, setup->wait, &v->fe, err);
	if (ret < 0) {
		free(v);
		return ret;
	}
	/* Many answers, each just in time, are no start. */
	fe_set_total(v->fe, v->timeout_ms);
	ret = negotiate(v, setup, err);
	if (ret == 0)
		ret = make_memory(v, setup, err);
	if (ret == 0)
		ret = start_rings(v, setup, err);
	fe_set_total(v->fe, 0);
	if (ret < 0) {
		error_prefix(err, "%s: ", setup->path);
		vdev_free(v);
		return ret;
	}
	*ret_vdev = v;
	return 0;
}

void vdev_free(struct vdev *v)
{
	unsigned i;

	if (v == NULL)
		return;
	fe_set_total(v->fe, v->timeout_ms);
	for (i = 0; i < v->queues; i++) {
		if (fe_ring_stop(v->rings[i], v->fe, NULL) < 0)
			break;
	}
	fe_free(v->fe);
	for (i = 0; i < VDEV_MAX_QUEUES; i++)
		fe_ring_free(v->rings[i]);
	fe_mem_free(v->mem);
	free(v);
}

/* -- Using ----------------------------------------------------------------- */

/* Scratch only grows; what it grew out of is not given back. */
static int want_scratch(struct vdev *v, uint64_t *at, size_t *size, size_t n, struct error *err)
{
	int ret;

	if (n <= *size)
		return 0;
	ret = fe_mem_alloc(v->mem, 0, n, 16, at);
	if (ret < 0)
		return error_set(err, ret, "no room for a request of %zu bytes", n);
	*size = n;
	return 0;
}

static int await(struct vdev *v, struct fe_ring *r, struct fe_used *ret_used, struct error *err)
{
	int ret = fe_ring_kick(r, v->fe, err);

	if (ret >= 0)
		ret = fe_ring_wait(r, v->fe, v->timeout_ms, err);
	if (ret >= 0)
		ret = fe_ring_get(r, ret_used, err);
	return ret;
}

int vdev_request(struct vdev *v, unsigned queue, const void *out, size_t n_out, void *in,
		 size_t n_in, struct error *err)
{
	struct fe_ring *r = v->rings[queue];
	struct fe_seg segs[2];
	unsigned n = 0;
	struct fe_used used;
	int ret = want_scratch(v, &v->out_at, &v->out_size, n_out, err);

	if (ret == 0)
		ret = want_scratch(v, &v->in_at, &v->in_size, n_in, err);
	if (ret < 0)
		return ret;
	if (n_out > 0) {
		memcpy(fe_mem_at(v->mem, v->out_at, n_out), out, n_out);
		segs[n++] = (struct fe_seg){ v->out_at, (uint32_t)n_out };
	}
	if (n_in > 0)
		segs[n++] = (struct fe_seg){ v->in_at, (uint32_t)n_in };
	ret = fe_ring_add(r, segs, n_out > 0, n_in > 0, 0, v);
	if (ret < 0)
		return error_set(err, -EMSGSIZE, "queue %u cannot take a request", queue);
	ret = await(v, r, &used, err);
	if (ret < 0)
		return ret;
	if (used.len > 0)
		memcpy(in, fe_mem_at(v->mem, v->in_at, used.len), used.len);
	return (int)used.len;
}

int vdev_config(struct vdev *v, unsigned off, void *buf, unsigned n, struct error *err)
{
	return fe_get_config(v->fe, off, buf, n, err);
}
