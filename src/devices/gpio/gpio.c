/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio GPIO device (virtio 1.4, 5.18): its queues and its life. What a line
 * does is in line.c.
 *
 * A pause returns parked buffers INVALID and Linux sends them again; edges
 * meanwhile stay pending. A reset turns interrupts off and releases lines.
 *
 * Requests to a chip with a worker stay open while it is called. A stop gives
 * those back that have not begun, and waits for the others; if the bus hangs
 * they fail after a while and the call is left to itself.
 */
#include <errno.h>
#include <string.h>

#include "gpio.h"

enum { STOP_NS = 2000 * 1000 * 1000 };

enum on_reset { RESET_RELEASES, RESET_HOLDS, RESET_DRIVES };

struct gpio_conf {
	char *chips;
	unsigned edges, on_reset, worker;
};

struct bank *gpio_bank(struct gpio *g)
{
	return g->bank;
}

/* ---- events ---- */

static void event_one(struct gpio *g, struct chain *c)
{
	struct virtio_gpio_irq_request req = { le16(0) };
	struct virtio_gpio_irq_response invalid = { GPIO_IRQ_STATUS_INVALID };
	const char *why = NULL;

	if (chain_get_size(c) < sizeof(req) || chain_put_size(c) < sizeof(invalid))
		why = "event buffer too short";
	else if (!chain_get(c, &req, sizeof(req)))
		why = "event buffer cannot be read";
	else if (le16_get(req.gpio) >= g->bank->n_lines)
		why = "event buffer for a line that is not there";
	if (why == NULL) {
		line_unmask(&g->bank->lines[le16_get(req.gpio)], c);
		return;
	}
	if (chain_put_size(c) >= sizeof(invalid))
		chain_put(c, &invalid, sizeof(invalid));
	chain_fail(c, why);
}

static void event_handle(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	struct chain *c;

	while ((c = queue_pop(q)) != NULL)
		event_one(g, c);
}

/* ---- requests ---- */

void gpio_answer(struct gpio *g, struct chain *c, int result)
{
	struct virtio_gpio_response resp = {
		result < 0 ? GPIO_STATUS_ERR : GPIO_STATUS_OK,
		result < 0 ? 0 : (uint8_t)result,
	};

	if (result < 0)
		instance_stat(g->in, GPIO_ERRORS, 1);
	chain_put(c, &resp, sizeof(resp));
	chain_done(c);
}

static void answer_names(struct gpio *g, struct chain *c)
{
	uint8_t ok = GPIO_STATUS_OK;

	if (g->bank->names_size == 0 || chain_put_size(c) < 1 + g->bank->names_size) {
		gpio_answer(g, c, -EINVAL);
		return;
	}
	chain_put(c, &ok, sizeof(ok));
	chain_put(c, g->bank->names, g->bank->names_size);
	chain_done(c);
}

static void request_malformed(struct gpio *g, struct chain *c, const char *why)
{
	struct virtio_gpio_response resp = { GPIO_STATUS_ERR, 0 };
	size_t n = chain_put_size(c);

	instance_stat(g->in, GPIO_ERRORS, 1);
	if (n > 0)
		chain_put(c, &resp, n < sizeof(resp) ? n : sizeof(resp));
	chain_fail(c, why);
}

static void request_one(struct gpio *g, struct chain *c)
{
	struct gpio_request *r = chain_req(c);
	struct virtio_gpio_request req;

	instance_stat(g->in, GPIO_REQUESTS, 1);
	if (chain_get_size(c) < sizeof(req) ||
	    chain_put_size(c) < sizeof(struct virtio_gpio_response)) {
		request_malformed(g, c, "request or room for its answer too short");
		return;
	}
	if (!chain_get(c, &req, sizeof(req))) {
		chain_fail(c, "request cannot be read");
		return;
	}
	r->type = le16_get(req.type);
	r->value = le32_get(req.value);
	if (r->type == GPIO_MSG_GET_LINE_NAMES)
		answer_names(g, c);
	else if (le16_get(req.gpio) >= g->bank->n_lines)
		gpio_answer(g, c, -ENOENT);
	else
		line_request(&g->bank->lines[le16_get(req.gpio)], c);
}

static void request_handle(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	struct chain *c;

	while ((c = queue_pop(q)) != NULL)
		request_one(g, c);
}

/* ---- life ---- */

static void stop_requests(struct gpio *g, struct queue *q)
{
	const struct gpio_request *r;
	struct chain *c;

	while ((c = queue_previous(q, NULL)) != NULL && chain_newest(c)) {
		r = chain_req(c);
		if (!line_withdraw(r->line, c))
			break;
		chain_return(c);
	}
	if (c != NULL)
		timer_set(&g->limit, loop_now(instance_loop(g->in)) + STOP_NS);
}

static void stop_limit(struct timer *t)
{
	struct gpio *g = container_of(t, struct gpio, limit);
	unsigned i;

	for (i = 0; i < g->bank->n_lines; i++)
		line_abandon(&g->bank->lines[i]);
}

static void gpio_stop(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	unsigned i;

	if (queue_index(q) == GPIO_REQUESTQ) {
		stop_requests(g, q);
		return;
	}
	for (i = 0; i < g->bank->n_lines; i++)
		line_mask(&g->bank->lines[i]);
}

static void gpio_start(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));

	if (queue_index(q) == GPIO_REQUESTQ)
		timer_set(&g->limit, 0);
}

static void gpio_reset(struct instance *in, enum reset_why why)
{
	struct gpio *g = instance_state(in);
	struct line *l;
	bool held;

	for (l = g->bank->lines; l < g->bank->lines + g->bank->n_lines; l++) {
		held = g->on_reset == RESET_HOLDS && l->direction == GPIO_DIRECTION_OUT;
		line_reset(l, g->on_reset != RESET_RELEASES, held ? l->value : l->attr.value);
	}
}

static int gpio_open(struct instance *in, struct error *err)
{
	const struct gpio_conf *conf = instance_conf(in);
	struct virtio_gpio_config *config = instance_config(in);
	struct gpio *g = instance_state(in);
	unsigned i;

	g->in = in;
	g->edges = conf->edges;
	g->on_reset = conf->on_reset;
	timer_init(&g->limit, instance_loop(in), stop_limit);
	g->bank = bank_open(in, conf->chips, conf->worker, err);
	if (g->bank == NULL)
		return -ENODEV;
	for (i = 0; i < g->bank->n_lines; i++) {
		g->bank->lines[i].gpio = g;
		g->bank->lines[i].value = g->bank->lines[i].attr.value;
	}
	config->ngpio = le16((uint16_t)g->bank->n_lines);
	config->gpio_names_size = le32((uint32_t)g->bank->names_size);
	return 0;
}

static void gpio_close(struct instance *in)
{
	struct gpio *g = instance_state(in);
	unsigned i;

	timer_finish(&g->limit);
	for (i = 0; g->bank != NULL && i < g->bank->n_lines; i++)
		line_close(&g->bank->lines[i]);
	bank_close(take_ptr(g->bank));
}

/* ---- the row ---- */

static const char *const edge_words[] = { "coalesce", "count", NULL };
static const char *const reset_words[] = { "release", "hold", "drive", NULL };
static const char *const worker_words[] = { "auto", "always", "never", NULL };

static const struct option gpio_options[] = {
	{ "device-list", "LIST", "Chips, one for each guest, separated by colons: N is "
	  "/dev/gpiochipN, sN a simulated chip of N lines. Further spellings, choice of lines and "
	  "their properties: see LISTS.", NULL, OPT_STRING, OPT_EACH | OPT_REQUIRED,
	  .brief = 'l', .sep = ':', OPT(struct gpio_conf, chips) },
	{ "edges", "WHAT", "Edges while an interrupt is masked: coalesce makes one interrupt of "
	  "them, as hardware does, count delivers one for each.", "coalesce", OPT_CHOICE,
	  .words = edge_words, OPT(struct gpio_conf, edges) },
	{ "on-reset", "WHAT", "Outputs, when the driver starts anew or the front end leaves: "
	  "release gives them back to the host, hold keeps them as they are, drive gives them "
	  "the value= of --device-list.", "release", OPT_CHOICE, .words = reset_words,
	  OPT(struct gpio_conf, on_reset) },
	{ "worker", "WHEN", "Let a thread make the calls to chips of the host: auto does so for "
	  "those behind a slow bus such as I2C, SPI or USB.", "auto", OPT_CHOICE,
	  .words = worker_words, OPT(struct gpio_conf, worker) },
	{ NULL },
};

static const struct queue_row gpio_queues[] = {
	[GPIO_REQUESTQ] = { "requestq", 1024, .req_size = sizeof(struct gpio_request),
		.handle = request_handle },
	[GPIO_EVENTQ] = { "eventq", 1024, .handle = event_handle },
};

static const char *const gpio_counters[] = {
	[GPIO_REQUESTS] = "requests", [GPIO_ERRORS] = "errors", [GPIO_EDGES] = "edges",
	[GPIO_INTERRUPTS] = "interrupts", [GPIO_COALESCED] = "coalesced", NULL,
};

static const struct dl_library *const gpio_libraries[] = { &gpio_library, NULL };

extern const struct device device_gpio;
const struct device device_gpio = {
	.name = "gpio",
	.summary = "GPIO lines of the host, or simulated ones",
	.virtio_id = 41,
	.flags = DEV_SOCKET_INDEX,
	.features = BIT(VIRTIO_GPIO_F_IRQ),
	.queues = gpio_queues,
	.n_queues = ARRAY_SIZE(gpio_queues),
	.config_size = sizeof(struct virtio_gpio_config),
	.conf_size = sizeof(struct gpio_conf),
	.state_size = sizeof(struct gpio),
	.options = gpio_options,
	.counters = gpio_counters,
	.libraries = gpio_libraries,
	.commands = gpio_commands,
	.open = gpio_open,
	.close = gpio_close,
	.start = gpio_start,
	.stop = gpio_stop,
	.reset = gpio_reset,
};
