/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio GPIO device (virtio 1.4, 5.18).
 *
 * Interrupts of a line, and the buffer on the eventq that unmasks it:
 *
 *   off      --SET_IRQ_TYPE--> masked; the host looks for edges
 *   masked   --buffer--> VALID at once for a pending edge or an active level,
 *                        else unmasked: the buffer is parked
 *   unmasked --edge, active level--> VALID: masked
 *   any      --SET_IRQ_TYPE NONE, SET_DIRECTION NONE--> off: a parked buffer
 *                        returns INVALID before the request is answered
 *
 * Edges are remembered while masked, levels never. Where the host refused
 * SET_IRQ_TYPE buffers are parked too: Linux does not look at the answer, and
 * would send one that came back INVALID again at once, for ever.
 *
 * A pause returns parked buffers INVALID and Linux sends them again; edges
 * meanwhile stay pending. A reset turns interrupts off and releases lines.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gpio.h"
#include "vhost-device/num.h"

enum { PENDING_MAX = 1 << 20, PULSES_MAX = 10000 };

enum on_reset { RESET_RELEASES, RESET_HOLDS };
enum edge_policy { EDGES_COALESCED, EDGES_COUNTED };

enum gpio_counter { GPIO_REQUESTS, GPIO_ERRORS, GPIO_EDGES, GPIO_INTERRUPTS, GPIO_COALESCED };

struct gpio_conf {
	char *chips;
	unsigned edges, on_reset;
};

struct gpio {
	struct instance *in;
	struct bank bank;
	enum edge_policy edges;
	enum on_reset on_reset;
	struct log_limit limit;
};

struct bank *gpio_bank(struct gpio *g)
{
	return &g->bank;
}

/* ---- interrupts ---- */

static bool is_level(unsigned irq)
{
	return irq == GPIO_IRQ_LEVEL_HIGH || irq == GPIO_IRQ_LEVEL_LOW;
}

static unsigned edges_of(unsigned irq)
{
	return is_level(irq) ? GPIO_IRQ_EDGE_BOTH : irq;
}

static bool level_active(struct line *l)
{
	return l->chip->ops->get(l) == (l->irq == GPIO_IRQ_LEVEL_HIGH ? 1 : 0);
}

static void event_answer(struct chain *c, uint8_t status)
{
	struct virtio_gpio_irq_response resp = { status };

	chain_put(c, &resp, sizeof(resp));
	chain_done(c);
}

static void unpark(struct line *l, uint8_t status)
{
	if (l->parked == NULL)
		return;
	if (status == GPIO_IRQ_STATUS_VALID)
		instance_stat(l->gpio->in, GPIO_INTERRUPTS, 1);
	event_answer(take_ptr(l->parked), status);
}

void line_edge(struct line *l, bool rising)
{
	struct instance *in = l->gpio->in;

	instance_stat(in, GPIO_EDGES, 1);
	if (l->irq == GPIO_IRQ_NONE)
		return;
	if (is_level(l->irq)) {
		if (l->parked != NULL && level_active(l))
			unpark(l, GPIO_IRQ_STATUS_VALID);
	} else if (l->parked != NULL) {
		unpark(l, GPIO_IRQ_STATUS_VALID);
	} else if (l->pending == 0 ||
		   (l->gpio->edges == EDGES_COUNTED && l->pending < PENDING_MAX)) {
		l->pending++;
	} else {
		instance_stat(in, GPIO_COALESCED, 1);
	}
}

static void unmask(struct line *l, struct chain *c)
{
	bool valid;

	if (l->parked != NULL || (l->irq == GPIO_IRQ_NONE && !l->refused)) {
		event_answer(c, GPIO_IRQ_STATUS_INVALID);
		return;
	}
	l->parked = c;
	valid = is_level(l->irq) ? level_active(l) : l->pending > 0;
	if (!valid)
		return;
	if (l->pending > 0)
		l->pending--;
	unpark(l, GPIO_IRQ_STATUS_VALID);
}

static void event_one(struct gpio *g, struct chain *c)
{
	struct virtio_gpio_irq_request req = { le16(0) };
	struct virtio_gpio_irq_response invalid = { GPIO_IRQ_STATUS_INVALID };
	const char *why = NULL;

	if (chain_get_size(c) < sizeof(req) || chain_put_size(c) < sizeof(invalid))
		why = "event buffer too short";
	else if (!chain_get(c, &req, sizeof(req)))
		why = "event buffer cannot be read";
	else if (le16_get(req.gpio) >= g->bank.n_lines)
		why = "event buffer for a line that is not there";
	if (why == NULL) {
		unmask(&g->bank.lines[le16_get(req.gpio)], c);
		return;
	}
	if (chain_put_size(c) >= sizeof(invalid))
		chain_put(c, &invalid, sizeof(invalid));
	chain_fail(c, why);
}

/* ---- lines ---- */

/* What the chip is to do, out of direction, value and interrupt. */
static int line_apply(struct line *l)
{
	struct line_want w = { l->direction, l->value, edges_of(l->irq) };

	/* Device tree interrupts come without a direction. */
	if (w.direction == GPIO_DIRECTION_NONE && w.edges != GPIO_IRQ_NONE)
		w.direction = GPIO_DIRECTION_IN;
	/* Edges that wait at the host are not to be lost for nothing. */
	if (w.direction == GPIO_DIRECTION_IN && l->now.direction == GPIO_DIRECTION_IN &&
	    w.edges == l->now.edges)
		return 0;
	return l->chip->ops->want(l, &w);
}

static void complain(struct line *l, const char *what, int ret)
{
	log_limited(&l->gpio->limit, LOG_LEVEL_WARN, l->gpio->in,
		    "line %u of %s: %s: %s", l->offset, l->chip->name, what, strerror(-ret));
}

/* The parked buffer is seen before the answer to what turned it off. */
static void irq_off(struct line *l)
{
	struct queue *q = instance_queue(l->gpio->in, GPIO_EVENTQ);

	l->irq = GPIO_IRQ_NONE;
	l->refused = false;
	l->pending = 0;
	if (l->parked != NULL) {
		unpark(l, GPIO_IRQ_STATUS_INVALID);
		queue_flush(q);
	}
}

static int set_direction(struct line *l, uint32_t direction)
{
	unsigned before = l->direction;
	int ret;

	if (direction > GPIO_DIRECTION_IN)
		return -EINVAL;
	if (direction == GPIO_DIRECTION_NONE) {
		l->direction = direction;
		l->value = l->attr.value;
		irq_off(l);
		return line_apply(l);
	}
	if (l->attr.only != GPIO_DIRECTION_NONE && l->attr.only != direction)
		return -EPERM;
	if (direction == GPIO_DIRECTION_OUT && l->irq != GPIO_IRQ_NONE)
		return -EINVAL;
	l->direction = direction;
	ret = line_apply(l);
	if (ret < 0)
		l->direction = before;
	return ret;
}

static int get_direction(struct line *l)
{
	if (l->direction != GPIO_DIRECTION_NONE)
		return (int)l->direction;
	return l->chip->ops->direction(l);
}

static int set_value(struct line *l, uint32_t value)
{
	int ret = 0;

	if (value > 1)
		return -EINVAL;
	/* Before or while it is an input: remembered for when it is an output. */
	if (l->direction == GPIO_DIRECTION_OUT)
		ret = l->chip->ops->set(l, value);
	if (ret == 0)
		l->value = value;
	return ret;
}

static bool is_irq_type(uint32_t type)
{
	return type <= GPIO_IRQ_LEVEL_HIGH || type == GPIO_IRQ_LEVEL_LOW;
}

static int set_irq_type(struct line *l, uint32_t type)
{
	int ret = is_irq_type(type) ? 0 : -EINVAL;

	if (type == GPIO_IRQ_NONE) {
		irq_off(l);
		return line_apply(l);
	}
	if (ret == 0 && (l->direction == GPIO_DIRECTION_OUT ||
			 l->attr.only == GPIO_DIRECTION_OUT))
		ret = -EPERM;
	if (ret == 0 && type == l->irq)
		return 0;
	/* Also without NONE in between: Linux does that with a buffer parked. */
	l->irq = ret == 0 ? type : GPIO_IRQ_NONE;
	l->pending = 0;
	l->refused = false;
	if (ret == 0)
		ret = line_apply(l);
	if (ret < 0) {
		l->irq = GPIO_IRQ_NONE;
		l->refused = true;
		if (l->now.edges != GPIO_IRQ_NONE)
			line_apply(l);
	} else if (l->parked != NULL && is_level(type) && level_active(l)) {
		unpark(l, GPIO_IRQ_STATUS_VALID);
	}
	return ret;
}

static int get_value(struct line *l)
{
	return l->chip->ops->get(l);
}

/* ---- requests ---- */

static int line_do(struct line *l, unsigned type, uint32_t value, const char **ret_what)
{
	switch (type) {
	case GPIO_MSG_GET_DIRECTION:
		*ret_what = "its direction cannot be read";
		return get_direction(l);
	case GPIO_MSG_SET_DIRECTION:
		*ret_what = "its direction cannot be set";
		return set_direction(l, value);
	case GPIO_MSG_GET_VALUE:
		*ret_what = "its value cannot be read";
		return get_value(l);
	case GPIO_MSG_SET_VALUE:
		*ret_what = "its value cannot be set";
		return set_value(l, value);
	case GPIO_MSG_SET_IRQ_TYPE:
		*ret_what = "its interrupt cannot be set";
		return set_irq_type(l, value);
	default:
		*ret_what = "no such request";
		return -EINVAL;
	}
}

static void answer(struct gpio *g, struct chain *c, int ret)
{
	struct virtio_gpio_response resp = {
		ret < 0 ? GPIO_STATUS_ERR : GPIO_STATUS_OK, ret < 0 ? 0 : (uint8_t)ret,
	};

	if (ret < 0)
		instance_stat(g->in, GPIO_ERRORS, 1);
	chain_put(c, &resp, sizeof(resp));
	chain_done(c);
}

static void answer_names(struct gpio *g, struct chain *c)
{
	uint8_t ok = GPIO_STATUS_OK;

	if (g->bank.names_size == 0 || chain_put_size(c) < 1 + g->bank.names_size) {
		answer(g, c, -EINVAL);
		return;
	}
	chain_put(c, &ok, sizeof(ok));
	chain_put(c, g->bank.names, g->bank.names_size);
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
	struct virtio_gpio_request req;
	const char *what = NULL;
	struct line *l;
	int ret;

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
	if (le16_get(req.type) == GPIO_MSG_GET_LINE_NAMES) {
		answer_names(g, c);
		return;
	}
	if (le16_get(req.gpio) >= g->bank.n_lines) {
		answer(g, c, -ENOENT);
		return;
	}
	l = &g->bank.lines[le16_get(req.gpio)];
	ret = line_do(l, le16_get(req.type), le32_get(req.value), &what);
	if (ret < 0)
		complain(l, what, ret);
	answer(g, c, ret);
}

static void request_handle(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	struct chain *c;

	while ((c = queue_pop(q)) != NULL)
		request_one(g, c);
}

static void event_handle(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	struct chain *c;

	while ((c = queue_pop(q)) != NULL)
		event_one(g, c);
}

/* ---- life ---- */

static void gpio_stop(struct queue *q)
{
	struct gpio *g = instance_state(queue_instance(q));
	unsigned i;

	if (queue_index(q) != GPIO_EVENTQ)
		return;
	for (i = 0; i < g->bank.n_lines; i++)
		unpark(&g->bank.lines[i], GPIO_IRQ_STATUS_INVALID);
}

static void gpio_reset(struct instance *in, enum reset_why why)
{
	struct gpio *g = instance_state(in);
	struct line *l;
	unsigned i;

	for (i = 0; i < g->bank.n_lines; i++) {
		l = &g->bank.lines[i];
		irq_off(l);
		if (g->on_reset != RESET_HOLDS || l->direction != GPIO_DIRECTION_OUT) {
			l->direction = GPIO_DIRECTION_NONE;
			l->value = l->attr.value;
		}
		if (l->now.direction != l->direction || l->now.edges != GPIO_IRQ_NONE)
			line_apply(l);
	}
}

void chip_is_back(struct chip *c)
{
	struct gpio *g = instance_state(c->in);
	struct line *l;
	unsigned i;
	int ret;

	for (i = 0; i < g->bank.n_lines; i++) {
		l = &g->bank.lines[i];
		if (l->chip != c ||
		    (l->direction == GPIO_DIRECTION_NONE && l->irq == GPIO_IRQ_NONE))
			continue;
		ret = line_apply(l);
		if (ret < 0)
			complain(l, "it cannot be taken again", ret);
		else if (is_level(l->irq) && l->parked != NULL && level_active(l))
			unpark(l, GPIO_IRQ_STATUS_VALID);
	}
}

static int gpio_open(struct instance *in, struct error *err)
{
	const struct gpio_conf *conf = instance_conf(in);
	struct virtio_gpio_config *config = instance_config(in);
	struct gpio *g = instance_state(in);
	unsigned i;
	int ret;

	g->in = in;
	g->edges = conf->edges;
	g->on_reset = conf->on_reset;
	ret = bank_open(&g->bank, in, conf->chips, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < g->bank.n_lines; i++) {
		g->bank.lines[i].gpio = g;
		g->bank.lines[i].value = g->bank.lines[i].attr.value;
	}
	config->ngpio = le16((uint16_t)g->bank.n_lines);
	config->gpio_names_size = le32((uint32_t)g->bank.names_size);
	return 0;
}

static void gpio_close(struct instance *in)
{
	struct gpio *g = instance_state(in);

	bank_close(&g->bank);
}

/* ---- from outside ---- */

static int sim_line(struct instance *in, const char *word, struct line **ret_line,
		    struct error *err)
{
	struct gpio *g = instance_state(in);
	struct line *l = bank_find(&g->bank, word);

	if (l == NULL)
		return error_set(err, -EINVAL, "no line is called %s", word);
	if (!chip_is_sim(l->chip))
		return error_set(err, -EPERM, "line %s is not simulated: it has wires of its own",
				 word);
	*ret_line = l;
	return 0;
}

static int do_drive(struct instance *in, struct said *r, char **words, unsigned n,
		    struct error *err)
{
	struct line *l = NULL;
	int ret = sim_line(in, words[0], &l, err);

	if (ret < 0)
		return ret;
	if (strcmp(words[1], "0") == 0 || strcmp(words[1], "1") == 0)
		sim_drive(l, words[1][0] == '1');
	else if (strcmp(words[1], "float") == 0)
		sim_drive(l, -1);
	else
		return error_set(err, -EINVAL, "%s is not 0, 1 or float", words[1]);
	return 0;
}

static int do_pulse(struct instance *in, struct said *r, char **words, unsigned n,
		    struct error *err)
{
	struct line *l = NULL;
	uint64_t times = 1;
	int before, ret = sim_line(in, words[0], &l, err);

	if (ret == 0 && n > 1 && num_parse(words[1], 1, PULSES_MAX, &times) < 0)
		ret = error_set(err, -ERANGE, "%s is not 1 to %u", words[1], PULSES_MAX);
	if (ret < 0)
		return ret;
	before = sim_driven(l);
	for (; times > 0; times--) {
		sim_drive(l, !sim_level(l));
		sim_drive(l, !sim_level(l));
	}
	sim_drive(l, before);
	return 0;
}

static int do_wire(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	struct line *a = NULL, *b = NULL;
	int ret = sim_line(in, words[0], &a, err);

	if (ret == 0 && n > 1)
		ret = sim_line(in, words[1], &b, err);
	if (ret < 0 || a == NULL)
		return ret;
	if (a == b || (b != NULL && a->chip != b->chip))
		return error_set(err, -EINVAL, "a wire joins two lines of one chip");
	if (b != NULL)
		sim_wire(a, b);
	else
		sim_unwire(a);
	return 0;
}

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	static const char *const directions[] = { "free", "out", "in" };
	const struct gpio *g = instance_state(in);
	const struct line *l;
	unsigned i;

	for (i = 0; i < g->bank.n_lines; i++) {
		l = &g->bank.lines[i];
		control_say(r, "%u %s/%u %s irq=%u%s", i, l->chip->name, l->offset,
		      directions[l->direction], l->irq, l->parked != NULL ? " armed" : "");
		if (chip_is_sim(l->chip))
			control_say(r, " level=%d", sim_level(l));
		control_say(r, "%s%s\n", l->attr.name[0] != '\0' ? " " : "", l->attr.name);
	}
	return 0;
}

static const struct device_command gpio_commands[] = {
	{ "drive", "LINE 0|1|float", "Drive a simulated line from outside, or let go of it.", 2, 2,
	  do_drive },
	{ "pulse", "LINE [N]", "Turn a simulated line over and back, N times.", 1, 2, do_pulse },
	{ "wire", "LINE LINE", "Join two simulated lines of a chip.", 2, 2, do_wire },
	{ "unwire", "LINE", "Take that away.", 1, 1, do_wire },
	{ "show", "", "List all lines.", 0, 0, do_show },
	{ NULL }
};

static const char *const edge_words[] = { "coalesce", "count", NULL };
static const char *const reset_words[] = { "release", "hold", NULL };

static const struct option gpio_options[] = {
	{ "device-list", "LIST", "Chips, one for each guest, separated by colons: N is "
	  "/dev/gpiochipN, sN a simulated chip of N lines. Further spellings, choice of lines and "
	  "their properties: see LISTS.", NULL, OPT_STRING, OPT_EACH | OPT_REQUIRED,
	  .brief = 'l', .sep = ':', OPT(struct gpio_conf, chips) },
	{ "edges", "WHAT", "Edges while an interrupt is masked: coalesce makes one interrupt of "
	  "them, as hardware does, count delivers one for each.", "coalesce", OPT_CHOICE,
	  .words = edge_words, OPT(struct gpio_conf, edges) },
	{ "on-reset", "WHAT", "Outputs, when the driver starts anew or the front end leaves: "
	  "release gives them back to the host, hold keeps them as they are.", "release",
	  OPT_CHOICE, .words = reset_words, OPT(struct gpio_conf, on_reset) },
	{ NULL },
};

static const struct queue_row gpio_queues[] = {
	[GPIO_REQUESTQ] = { "requestq", 1024, .handle = request_handle },
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
	.stop = gpio_stop,
	.reset = gpio_reset,
};
