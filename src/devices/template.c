/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Echoes requests. Copy it for a new device: docs/adding-a-device.md. */
#include "vhost-device/device.h"
#include "wire/le.h"

struct template_config {                /* config space, as the driver reads it */
	le32_t requests, last_length;
};
WIRE_SIZE(struct template_config, 8);

struct template_conf {                  /* what the options below fill in */
	uint32_t limit;
};

static void template_echo(struct chain *c, size_t left)
{
	char part[1024];
	size_t n;

	for (; left > 0; left -= n) {
		n = left < sizeof(part) ? left : sizeof(part);
		if (!chain_get(c, part, n) || !chain_put(c, part, n))
			return;                 /* chain_done() counts the fault */
	}
}

static void template_handle(struct queue *q)
{
	const struct template_conf *conf = instance_conf(queue_instance(q));
	struct template_config *config = instance_config(queue_instance(q));
	struct chain *c;
	size_t n;

	while ((c = queue_pop(q)) != NULL) {
		n = chain_get_size(c) < chain_put_size(c) ? chain_get_size(c) : chain_put_size(c);
		n = n < conf->limit ? n : conf->limit;
		template_echo(c, n);
		chain_done(c);
		config->requests = le32(le32_get(config->requests) + 1);
		config->last_length = le32((uint32_t)n);
		instance_config_changed(queue_instance(q));
	}
}

static const struct queue_row queues[] = { { "requestq", 1024, .handle = template_handle } };

static const struct option options[] = {
	{ "limit", "BYTES", "Most bytes of a request that are echoed.", "65536", OPT_UINT,
	  .min = 1, .max = 65536, OPT(struct template_conf, limit) },
	{ NULL },
};

extern const struct device device_template;
const struct device device_template = {
	.name = "template", .summary = "example that echoes requests",
	.virtio_id = 0,                 /* the standard lists them; 0 is no device */
	.flags = DEV_IN_ORDER, .queues = queues, .n_queues = ARRAY_SIZE(queues),
	.options = options, .conf_size = sizeof(struct template_conf),
	.config_size = sizeof(struct template_config),
};
