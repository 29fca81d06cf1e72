/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a device may ask of its own instance (vhost-device/instance.h). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/instance-priv.h"

void *instance_state(const struct instance *in)
{
	return in->state;
}

const void *instance_conf(const struct instance *in)
{
	return in->conf;
}

const char *instance_name(const struct instance *in)
{
	return in->name;
}

unsigned instance_index(const struct instance *in)
{
	return in->index;
}

unsigned instance_count(const struct instance *in)
{
	return in->count;
}

struct loop *instance_loop(const struct instance *in)
{
	return in->loop;
}

struct queue *instance_queue(const struct instance *in, unsigned i)
{
	return i < in->n_rings ? in->rings[i].q : NULL;
}

uint64_t instance_features(const struct instance *in)
{
	return in->features;
}

const struct device *instance_device(const struct instance *in)
{
	return in->device;
}

void instance_offer(struct instance *in, uint64_t features)
{
	in->own_features |= features;
}

void *instance_config(struct instance *in)
{
	return in->config;
}

/* It leaves in a later turn, so that changes of one turn are told once. */
void instance_config_changed(struct instance *in)
{
	in->config_due = true;
	instance_schedule(in);
}

void instance_stat(struct instance *in, unsigned counter, uint64_t n)
{
	bug_if(counter >= in->n_counters);
	in->counters[counter] += n;
}

int host_open(struct instance *in, const char *path, int flags, struct error *err)
{
	int fd;

	do {
		fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return error_set(err, -errno, "cannot open %s: %s%s", path, strerror(errno),
				 errno == EACCES || errno == EPERM ? ": this user may not: change "
				 "its owner or mode, or the user" : "");
	return fd;
}
