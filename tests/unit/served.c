/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A thread that serves a device, and what the driver needs. */
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/opt.h"
#include "served.h"
#include "vhost-device/worker.h"

struct served served;

static struct {
	const struct device *device;
	void *conf;
	struct loop *loop;
	struct instance *in;
	pthread_t thread;
	struct post leave;
	unsigned threads;               /* before it was opened */
} back;

static unsigned count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* A closed device may still have a job in a host call; its thread goes with it. */
static void wait_for_jobs(void)
{
	unsigned i;

	for (i = 0; count_threads() > back.threads; i++) {
		ck_assert_uint_lt(i, 2 * SERVED_WAIT_MS);
		loop_turn(back.loop, false);
		poll(NULL, 0, 1);
	}
}

void served_option(const struct device *device, const char *name, const char *text)
{
	if (back.conf == NULL) {
		back.conf = calloc(1, device->conf_size + 1);
		opt_defaults(device->options, back.conf);
	}
	if (name != NULL)
		served_ok(opt_set(opt_find(device->options, name, strlen(name)), back.conf, text,
				  &served.err));
}

static void listen_now(struct turn_end *t)
{
	instance_listen(back.in);
}

static void *serve(void *arg)
{
	struct turn_end listen = { .fn = listen_now };

	loop_next_turn(back.loop, &listen);
	loop_run(back.loop);
	return NULL;
}

void served_open(const struct device *device)
{
	struct instance_setup setup = { .device = device, .name = "served", .count = 1,
		.drain_ms = 1000 };
	struct endpoint ep = { .kind = ENDPOINT_CONNECTED_FD, .mode = -1, .group = -1 };
	int fds[2];

	served_option(device, NULL, NULL);
	setup.conf = back.conf;
	back.device = device;
	/* With our first thread a sanitizer may start one of its own: before they are counted. */
	worker_put(worker_get("first", 1, &served.err));
	back.threads = count_threads();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ep.fd = fds[0];
	back.loop = loop_new(&served.err);
	ck_assert_msg(back.loop != NULL, "%s", served.err.text);
	loop_set_poll_us(back.loop, served.poll_us);
	back.in = instance_new(back.loop, &setup, &ep, &served.err);
	ck_assert_msg(back.in != NULL, "%s", served.err.text);
	ck_assert_int_eq(pthread_create(&back.thread, NULL, serve, NULL), 0);
	served_ok(fe_adopt(fds[1], SERVED_WAIT_MS, &served.fe, &served.err));
}

void served_start(unsigned size, uint64_t ring_features)
{
	struct fe_mem_spec spec = { .guest = 0x100000, .size = 8 << 20 };
	struct fe_ring_setup setup = { .size = size, .indirect = 64 };
	uint64_t features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | ring_features;

	served_ok(fe_negotiate(served.fe, fe_all_protocol_features(), &served.err));
	setup.features = features & fe_offered(served.fe);
	ck_assert_uint_eq(setup.features, features);
	served_ok(fe_set_features(served.fe, features | BIT(VHOST_USER_F_PROTOCOL_FEATURES),
				  &served.err));
	served.mem = fe_mem_new();
	served_ok(fe_mem_add(served.mem, &spec, &served.err));
	served_ok(fe_mem_alloc(served.mem, 0, SERVED_DATA, 4096, &served.data));
	served.view = fe_mem_at(served.mem, served.data, SERVED_DATA);
	served_ok(fe_mem_send(served.mem, served.fe, &served.err));
	served_ok(fe_ring_new(served.mem, &setup, &served.ring, &served.err));
	served_ok(fe_ring_start(served.ring, served.fe, &served.err));
}

static void left(struct instance *in, void *ctx)
{
	loop_stop(back.loop);
}

static void leave(struct post *p)
{
	instance_leave(back.in, left, NULL);
}

void served_close(void)
{
	fe_ring_free(served.ring);
	fe_free(served.fe);
	fe_mem_free(served.mem);
	back.leave.fn = leave;
	loop_post(back.loop, &back.leave);
	pthread_join(back.thread, NULL);
	instance_free(back.in);
	wait_for_jobs();
	loop_free(back.loop);
	opt_finish(back.device->options, back.conf);
	free(back.conf);
	memset(&back, 0, sizeof(back));
	memset(&served, 0, sizeof(served));
}

uint32_t served_ask(const struct fe_seg *segs, unsigned n_out, unsigned n_in, unsigned flags)
{
	struct fe_used used;

	served_ok(fe_ring_add(served.ring, segs, n_out, n_in, flags, &used));
	served_ok(fe_ring_kick(served.ring, served.fe, &served.err));
	served_ok(fe_ring_wait(served.ring, served.fe, SERVED_WAIT_MS, &served.err));
	ck_assert_int_eq(fe_ring_get(served.ring, &used, &served.err), 1);
	return used.len;
}
