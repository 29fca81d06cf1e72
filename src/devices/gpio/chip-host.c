/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chips of the host, by libgpiod 2. Every line that is in use is a request of
 * its own, because the kernel takes and gives back requests as a whole, and
 * the guest does so line by line.
 *
 *   there --unplugged (hang-up, ENODEV): requests closed, calls fail--> gone
 *   gone  --once a second: one of the same label and size again--> there; the
 *           lines are wanted as before
 *
 * Calls may be made by a worker. While one is under way for a line nobody else
 * uses its request, but for edges and values, and while one is for any line of
 * the chip the chip stays open: then it is gone when the last has ended.
 */
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <gpiod.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gpio.h"
#include "vhost-device/fd.h"

enum { EVENTS = 64, FIFO = 1024, RETRY_NS = 1000 * 1000 * 1000, PATH_SIZE = 4096 };

#define GPIOD_SYMBOLS(X) \
	X(gpiod_chip_open) X(gpiod_chip_close) X(gpiod_chip_get_fd) X(gpiod_chip_get_info) \
	X(gpiod_chip_info_free) X(gpiod_chip_info_get_label) X(gpiod_chip_info_get_name) \
	X(gpiod_chip_info_get_num_lines) X(gpiod_chip_get_line_info) X(gpiod_line_info_free) \
	X(gpiod_line_info_get_name) X(gpiod_line_info_get_consumer) X(gpiod_line_info_is_used) \
	X(gpiod_line_info_get_direction) X(gpiod_line_settings_new) X(gpiod_line_settings_free) \
	X(gpiod_line_settings_set_direction) X(gpiod_line_settings_set_edge_detection) \
	X(gpiod_line_settings_set_bias) X(gpiod_line_settings_set_drive) \
	X(gpiod_line_settings_set_active_low) X(gpiod_line_settings_set_debounce_period_us) \
	X(gpiod_line_settings_set_output_value) X(gpiod_line_config_new) \
	X(gpiod_line_config_free) X(gpiod_line_config_add_line_settings) \
	X(gpiod_request_config_new) X(gpiod_request_config_free) \
	X(gpiod_request_config_set_consumer) X(gpiod_request_config_set_event_buffer_size) \
	X(gpiod_chip_request_lines) X(gpiod_line_request_release) \
	X(gpiod_line_request_reconfigure_lines) X(gpiod_line_request_get_value) \
	X(gpiod_line_request_set_value) X(gpiod_line_request_get_fd) \
	X(gpiod_line_request_read_edge_events) X(gpiod_edge_event_buffer_new) \
	X(gpiod_edge_event_buffer_free) X(gpiod_edge_event_buffer_get_event) \
	X(gpiod_edge_event_get_event_type)

static struct {
	GPIOD_SYMBOLS(DL_MEMBER)
} api;
static const char *const api_names[] = { GPIOD_SYMBOLS(DL_NAME) NULL };

const struct dl_library gpio_library = {
	"libgpiod", "libgpiod.so.3", "GPIO chips of the host", api_names, &api,
};
DL_NOTE(gpiod, "[{\"feature\":\"gpio\",\"description\":\"GPIO chips of the host\","
	"\"priority\":\"recommended\",\"soname\":[\"libgpiod.so.3\"]}]");

/* Lines that guests of this process have, so that none has two owners. */
struct claim {
	struct claim *next;
	dev_t chip;
	unsigned offset;
	const struct instance *in;
};
static struct claim *claims;
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;

struct host_line {
	struct host_line *next;         /* of the chip */
	struct line *line;
	struct gpiod_line_request *request;     /* while it is in use */
	struct io io;
	bool watched;                   /* io is for that request */
	struct claim claim;
};

struct host_chip {
	struct chip chip;
	char *wanted;                   /* as the option has it */
	char consumer[LINE_NAME_SIZE];  /* as others see who has a line */
	char label[64];                 /* must be the same when it comes back */
	dev_t dev;
	struct gpiod_chip *gpiod;       /* NULL: gone */
	unsigned n_ops;                 /* begun and not ended */
	bool going;                     /* gone, as soon as there are none */
	struct gpiod_edge_event_buffer *events;         /* the loop's */
	struct gpiod_edge_event_buffer *dropped;        /* for run() */
	struct io io;
	struct timer retry;
	struct host_line *lines;
};

static struct host_chip *chip_of(const struct line *l)
{
	return container_of(l->chip, struct host_chip, chip);
}

/* ---- find and open ---- */

/* What was there before is to come back, and nothing else takes its place. */
static bool is_wanted(const struct host_chip *h, struct gpiod_chip_info *info, const char *pattern)
{
	const char *label = api.gpiod_chip_info_get_label(info);

	if (pattern != NULL && fnmatch(pattern, label, 0) != 0)
		return false;
	return h->chip.n_lines == 0 ||
		(h->chip.n_lines == api.gpiod_chip_info_get_num_lines(info) &&
		 strncmp(h->label, label, sizeof(h->label) - 1) == 0);
}

static struct gpiod_chip *try_path(struct host_chip *h, const char *path, const char *pattern)
{
	struct gpiod_chip *gpiod = api.gpiod_chip_open(path);
	struct gpiod_chip_info *info;
	struct stat st;
	int saved;

	if (gpiod == NULL)
		return NULL;
	info = api.gpiod_chip_get_info(gpiod);
	if (info != NULL && is_wanted(h, info, pattern) &&
	    fstat(api.gpiod_chip_get_fd(gpiod), &st) == 0) {
		h->dev = st.st_rdev;
		h->chip.n_lines = (unsigned)api.gpiod_chip_info_get_num_lines(info);
		snprintf(h->label, sizeof(h->label), "%s", api.gpiod_chip_info_get_label(info));
		snprintf(h->chip.name, sizeof(h->chip.name), "%s (%s)",
			 api.gpiod_chip_info_get_name(info), h->label);
		api.gpiod_chip_info_free(info);
		return gpiod;
	}
	saved = info == NULL ? errno : ENODEV;
	if (info != NULL)
		api.gpiod_chip_info_free(info);
	api.gpiod_chip_close(gpiod);
	errno = saved;
	return NULL;
}

static struct gpiod_chip *try_label(struct host_chip *h, const char *pattern)
{
	struct gpiod_chip *gpiod = NULL;
	glob_t paths;
	size_t i;

	if (glob("/dev/gpiochip*", 0, NULL, &paths) != 0) {
		errno = ENODEV;
		return NULL;
	}
	for (i = 0; gpiod == NULL && i < paths.gl_pathc; i++)
		gpiod = try_path(h, paths.gl_pathv[i], pattern);
	globfree(&paths);
	return gpiod;
}

static struct gpiod_chip *find_chip(struct host_chip *h)
{
	static const char label[] = "label=";
	char path[64];

	if (strncmp(h->wanted, label, sizeof(label) - 1) == 0)
		return try_label(h, h->wanted + sizeof(label) - 1);
	if (h->wanted[0] == '/')
		return try_path(h, h->wanted, NULL);
	snprintf(path, sizeof(path), "/dev/gpiochip%.40s", h->wanted);
	return try_path(h, path, NULL);
}

/* ---- gone and back ---- */

static void line_release(struct host_line *hl)
{
	if (hl->request != NULL)
		api.gpiod_line_request_release(take_ptr(hl->request));
}

static void unwatch(struct host_line *hl)
{
	io_finish(&hl->io);
	hl->watched = false;
}

static void chip_gone(struct host_chip *h)
{
	struct host_line *hl;

	h->going = h->n_ops > 0;
	if (h->gpiod == NULL || h->going)
		return;
	for (hl = h->lines; hl != NULL; hl = hl->next) {
		unwatch(hl);
		line_release(hl);
		memset(&hl->line->now, 0, sizeof(hl->line->now));
	}
	io_finish(&h->io);
	api.gpiod_chip_close(take_ptr(h->gpiod));
	/* From now on another chip may have its number. */
	log_warn(h->chip.in, "GPIO chip %s is gone: its lines fail until it is back",
		 h->chip.name);
	timer_set(&h->retry, loop_now(instance_loop(h->chip.in)) + RETRY_NS);
}

static void chip_hangup(struct io *io, unsigned ready)
{
	if ((ready & IO_HUP) != 0)
		chip_gone(container_of(io, struct host_chip, io));
}

/* It may have another number than before. */
static void move_claims(struct host_chip *h)
{
	struct host_line *hl;

	pthread_mutex_lock(&claims_lock);
	for (hl = h->lines; hl != NULL; hl = hl->next)
		hl->claim.chip = h->dev;
	pthread_mutex_unlock(&claims_lock);
}

static void watch_chip(struct host_chip *h)
{
	io_init(&h->io, instance_loop(h->chip.in), api.gpiod_chip_get_fd(h->gpiod), chip_hangup);
	/* Without it the next call that fails tells. */
	if (io_set(&h->io, IO_HUP) < 0)
		log_debug(h->chip.in, "GPIO chip %s cannot be watched", h->chip.name);
}

static void chip_retry(struct timer *t)
{
	struct host_chip *h = container_of(t, struct host_chip, retry);

	/* Those that fail now are not to see it come back half way. */
	if (h->n_ops > 0) {
		timer_set(t, loop_now(instance_loop(h->chip.in)) + RETRY_NS);
		return;
	}
	h->gpiod = find_chip(h);
	if (h->gpiod == NULL) {
		timer_set(&h->retry, loop_now(instance_loop(h->chip.in)) + RETRY_NS);
		return;
	}
	move_claims(h);
	log_warn(h->chip.in, "GPIO chip %s is back", h->chip.name);
	watch_chip(h);
	chip_is_back(&h->chip);
}

/* Of the call that failed. */
static int failed(void)
{
	return errno != 0 ? -errno : -EIO;
}

/* ---- edges ---- */

/* One reading; how many there were, or -errno. */
static int read_edges(struct host_line *hl, struct gpiod_edge_event_buffer *to)
{
	int n = api.gpiod_line_request_read_edge_events(hl->request, to, EVENTS);

	return n < 0 ? failed() : n;
}

/* Not to be told again and again while a call holds the chip. */
static void line_lost(struct host_line *hl)
{
	unwatch(hl);
	chip_gone(chip_of(hl->line));
}

/* On the loop: for the guest. */
static void tell_edges(struct host_line *hl)
{
	struct gpiod_edge_event_buffer *events = chip_of(hl->line)->events;
	struct gpiod_edge_event *e;
	int n = read_edges(hl, events), i;
	bool rising;

	for (i = 0; i < n; i++) {
		e = api.gpiod_edge_event_buffer_get_event(events, (unsigned long)i);
		rising = api.gpiod_edge_event_get_event_type(e) == GPIOD_EDGE_EVENT_RISING_EDGE;
		line_changed(hl->line, rising);
		line_edge(hl->line, rising);
		/* It looked at the level, and the chip was gone. */
		if (hl->request == NULL)
			return;
	}
	if (n == -ENODEV)
		line_lost(hl);
}

/* Those of the setting before. */
static void drop_edges(struct host_line *hl)
{
	unsigned i;

	for (i = 0; i < FIFO / EVENTS + 1; i++) {
		if (read_edges(hl, chip_of(hl->line)->dropped) <= 0)
			return;
	}
}

static void line_ready(struct io *io, unsigned ready)
{
	struct host_line *hl = container_of(io, struct host_line, io);

	if ((ready & IO_HUP) != 0)
		line_lost(hl);
	else
		tell_edges(hl);
}

/* ---- lines ---- */

static const int biases[] = {
	[BIAS_AS_IS] = GPIOD_LINE_BIAS_AS_IS, [BIAS_OFF] = GPIOD_LINE_BIAS_DISABLED,
	[BIAS_UP] = GPIOD_LINE_BIAS_PULL_UP, [BIAS_DOWN] = GPIOD_LINE_BIAS_PULL_DOWN,
};
static const int drives[] = {
	[DRIVE_PUSH_PULL] = GPIOD_LINE_DRIVE_PUSH_PULL,
	[DRIVE_OPEN_DRAIN] = GPIOD_LINE_DRIVE_OPEN_DRAIN,
	[DRIVE_OPEN_SOURCE] = GPIOD_LINE_DRIVE_OPEN_SOURCE,
};
static const int edges[] = {
	[GPIO_IRQ_NONE] = GPIOD_LINE_EDGE_NONE,
	[GPIO_IRQ_EDGE_RISING] = GPIOD_LINE_EDGE_RISING,
	[GPIO_IRQ_EDGE_FALLING] = GPIOD_LINE_EDGE_FALLING,
	[GPIO_IRQ_EDGE_BOTH] = GPIOD_LINE_EDGE_BOTH,
};

/* NONE: as the line is. NULL: errno says why. */
static struct gpiod_line_config *make_config(const struct line *l, const struct line_want *w)
{
	struct gpiod_line_settings *s = api.gpiod_line_settings_new();
	struct gpiod_line_config *config = api.gpiod_line_config_new();
	bool in = w->direction == GPIO_DIRECTION_IN, out = w->direction == GPIO_DIRECTION_OUT;
	unsigned offset = l->offset;
	bool ok = s != NULL && config != NULL;

	if (ok) {
		api.gpiod_line_settings_set_active_low(s, l->attr.active_low);
		ok = api.gpiod_line_settings_set_direction(s, in ? GPIOD_LINE_DIRECTION_INPUT
			: out ? GPIOD_LINE_DIRECTION_OUTPUT : GPIOD_LINE_DIRECTION_AS_IS) == 0;
	}
	if (ok && (in || out))
		ok = api.gpiod_line_settings_set_bias(s, biases[l->attr.bias]) == 0;
	if (ok && out)
		ok = api.gpiod_line_settings_set_drive(s, drives[l->attr.drive]) == 0 &&
			api.gpiod_line_settings_set_output_value(s, w->value
				? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE) == 0;
	if (ok && in) {
		api.gpiod_line_settings_set_debounce_period_us(s, l->attr.debounce_us);
		ok = api.gpiod_line_settings_set_edge_detection(s, edges[w->edges]) == 0;
	}
	ok = ok && api.gpiod_line_config_add_line_settings(config, &offset, 1, s) == 0;
	if (!ok && config != NULL)
		api.gpiod_line_config_free(take_ptr(config));
	if (s != NULL)
		api.gpiod_line_settings_free(s);
	return config;
}

/* The request, or NULL with errno. */
static struct gpiod_line_request *request_line(struct line *l, struct gpiod_line_config *config)
{
	struct gpiod_request_config *rc = api.gpiod_request_config_new();
	struct gpiod_line_request *request;
	int saved;

	if (rc == NULL)
		return NULL;
	api.gpiod_request_config_set_consumer(rc, chip_of(l)->consumer);
	api.gpiod_request_config_set_event_buffer_size(rc, FIFO);
	request = api.gpiod_chip_request_lines(chip_of(l)->gpiod, rc, config);
	saved = errno;
	api.gpiod_request_config_free(rc);
	errno = saved;
	return request;
}

/* On the worker, if there is one. */

static int line_take(struct line *l, struct gpiod_line_config *config)
{
	struct host_line *hl = l->host;
	int ret;

	if (hl->request != NULL)
		return api.gpiod_line_request_reconfigure_lines(hl->request, config) == 0 ? 0
			: failed();
	hl->request = request_line(l, config);
	if (hl->request == NULL)
		return failed();
	ret = fd_set_nonblock(api.gpiod_line_request_get_fd(hl->request));
	if (ret < 0)
		line_release(hl);
	return ret;
}

static int run_want(struct line *l, const struct line_want *w)
{
	struct host_line *hl = l->host;
	struct gpiod_line_config *config;
	int ret;

	if (w->direction == GPIO_DIRECTION_NONE) {
		line_release(hl);
		return 0;
	}
	config = make_config(l, w);
	if (config == NULL)
		return failed();
	ret = line_take(l, config);
	api.gpiod_line_config_free(config);
	if (ret == 0 && l->now.edges != GPIO_IRQ_NONE && w->edges != l->now.edges)
		drop_edges(hl);
	return ret;
}

static int run_set(struct line *l, bool value)
{
	struct host_line *hl = l->host;

	if (hl->request == NULL)
		return -ENODEV;
	return api.gpiod_line_request_set_value(hl->request, l->offset, value
		? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE) < 0 ? failed() : 0;
}

/* A line that is not in use is read without changing it. */
static int read_once(struct line *l)
{
	static const struct line_want as_is;
	struct gpiod_line_request *request;
	struct gpiod_line_config *config = make_config(l, &as_is);
	int ret;

	if (config == NULL)
		return failed();
	request = request_line(l, config);
	ret = request == NULL ? failed() : 0;
	api.gpiod_line_config_free(config);
	if (request == NULL)
		return ret;
	ret = api.gpiod_line_request_get_value(request, l->offset);
	if (ret < 0)
		ret = failed();
	api.gpiod_line_request_release(request);
	return ret;
}

static int run_get(struct line *l)
{
	struct host_line *hl = l->host;
	int ret;

	if (hl->request == NULL)
		return read_once(l);
	ret = api.gpiod_line_request_get_value(hl->request, l->offset);
	return ret < 0 ? failed() : ret;
}

static int run_direction(struct line *l)
{
	struct gpiod_line_info *info = api.gpiod_chip_get_line_info(chip_of(l)->gpiod, l->offset);
	int ret;

	if (info == NULL)
		return failed();
	ret = api.gpiod_line_info_get_direction(info) == GPIOD_LINE_DIRECTION_OUTPUT
		? GPIO_DIRECTION_OUT : GPIO_DIRECTION_IN;
	api.gpiod_line_info_free(info);
	return ret;
}

static int run_op(struct line *l, const struct line_op *op)
{
	switch (op->kind) {
	case OP_WANT:
		return run_want(l, &op->want);
	case OP_SET:
		return run_set(l, op->value);
	case OP_GET:
		return run_get(l);
	case OP_DIRECTION:
		return run_direction(l);
	}
	return -EINVAL;
}

static void host_run(struct line *l, struct line_op *op)
{
	if (chip_of(l)->gpiod != NULL)
		op->result = run_op(l, op);
	else
		op->result = op->kind == OP_WANT && op->want.direction == GPIO_DIRECTION_NONE ? 0
			: -ENODEV;
}

/* On the loop. */

static void host_begin(struct line *l, const struct line_op *op)
{
	chip_of(l)->n_ops++;
	/* The fd is about to be closed, or its edges to become others. */
	if (op->kind == OP_WANT)
		unwatch(l->host);
}

static int watch_line(struct host_line *hl)
{
	if (hl->request == NULL || hl->watched || hl->line->now.edges == GPIO_IRQ_NONE)
		return 0;
	io_init(&hl->io, instance_loop(hl->line->chip->in),
		api.gpiod_line_request_get_fd(hl->request), line_ready);
	hl->watched = true;
	return io_set(&hl->io, IO_READ);
}

static void host_ended(struct line *l, struct line_op *op)
{
	struct host_chip *h = chip_of(l);
	int ret;

	h->n_ops--;
	if (op->kind == OP_SET && op->result == 0)
		l->now.value = op->value;
	if (op->kind == OP_WANT) {
		if (op->result == 0)
			l->now = op->want;
		ret = watch_line(l->host);
		if (op->result == 0)
			op->result = ret;
	}
	h->going = h->going || op->result == -ENODEV;
	if (h->going)
		chip_gone(h);
}

/* ---- life ---- */

static const struct instance *claim(struct claim *c)
{
	const struct claim *other;

	pthread_mutex_lock(&claims_lock);
	for (other = claims; other != NULL; other = other->next) {
		if (other->chip == c->chip && other->offset == c->offset)
			break;
	}
	if (other == NULL) {
		c->next = claims;
		claims = c;
	}
	pthread_mutex_unlock(&claims_lock);
	return other != NULL ? other->in : NULL;
}

static void unclaim(const struct claim *c)
{
	struct claim **at;

	pthread_mutex_lock(&claims_lock);
	for (at = &claims; *at != NULL; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	pthread_mutex_unlock(&claims_lock);
}

int host_line_init(struct line *l, struct error *err)
{
	struct host_chip *h = chip_of(l);
	struct host_line *hl = calloc(1, sizeof(*hl));
	const struct instance *owner;
	struct gpiod_line_info *info;
	const char *consumer;

	if (hl == NULL)
		return error_set(err, -ENOMEM, "no memory for a line");
	hl->line = l;
	hl->next = h->lines;
	hl->claim = (struct claim){ .chip = h->dev, .offset = l->offset, .in = h->chip.in };
	h->lines = hl;
	l->host = hl;
	if (l->attr.wired)
		return error_set(err, -EINVAL, "line %u of %s: only lines of simulated chips can "
				 "be wired", l->offset, h->chip.name);
	owner = claim(&hl->claim);
	if (owner != NULL)
		return error_set(err, -EBUSY, "duplicate: line %u of GPIO chip %s is given to %s "
				 "already", l->offset, h->chip.name, instance_name(owner));
	info = api.gpiod_chip_get_line_info(h->gpiod, l->offset);
	if (info == NULL)
		return error_set(err, -errno, "line %u of GPIO chip %s: %s", l->offset,
				 h->chip.name, strerror(errno));
	consumer = api.gpiod_line_info_get_consumer(info);
	if (api.gpiod_line_info_is_used(info))
		log_warn(h->chip.in, "line %u of GPIO chip %s is in use (%s): the guest cannot "
			 "have it before that ends", l->offset, h->chip.name,
			 consumer != NULL ? consumer : "by the kernel");
	if (!l->attr.named && api.gpiod_line_info_get_name(info) != NULL)
		snprintf(l->attr.name, sizeof(l->attr.name), "%s",
			 api.gpiod_line_info_get_name(info));
	api.gpiod_line_info_free(info);
	return 0;
}

static void host_close(struct chip *c)
{
	struct host_chip *h = container_of(c, struct host_chip, chip);
	struct host_line *hl;

	timer_finish(&h->retry);
	for (hl = h->lines; hl != NULL; hl = hl->next) {
		unwatch(hl);
		/* It names the instance, which goes before a call that still runs. */
		unclaim(&hl->claim);
	}
	io_finish(&h->io);
}

static void host_free(struct chip *c)
{
	struct host_chip *h = container_of(c, struct host_chip, chip);
	struct host_line *hl;

	while (h->lines != NULL) {
		hl = h->lines;
		h->lines = hl->next;
		line_release(hl);
		free(hl);
	}
	if (h->events != NULL)
		api.gpiod_edge_event_buffer_free(h->events);
	if (h->dropped != NULL)
		api.gpiod_edge_event_buffer_free(h->dropped);
	if (h->gpiod != NULL)
		api.gpiod_chip_close(h->gpiod);
	free(h->wanted);
	free(h);
}

static const struct chip_ops host_ops = {
	.begin = host_begin, .run = host_run, .ended = host_ended, .close = host_close,
	.free = host_free,
};

/* Buses whose transfers sleep. */
static bool is_slow_bus(const char *name)
{
	static const char *const slow[] = { "greybus", "hid", "i2c", "i3c", "mdio_bus", "mmc",
		"sdio", "serial", "slimbus", "spi", "spmi", "usb", "virtio", "w1" };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(slow); i++) {
		if (strcmp(name, slow[i]) == 0)
			return true;
	}
	return false;
}

/* The kernel tells nobody which chips sleep; what they are attached to does. */
static bool is_behind_bus(dev_t dev)
{
	char link[PATH_SIZE], bus[256];
	FREE_PTR char *path = NULL;
	bool slow = false;
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/dev/char/%u:%u", major(dev), minor(dev));
	path = realpath(link, NULL);
	while (path != NULL && path[0] == '/' && !slow) {
		snprintf(link, sizeof(link), "%.4000s/subsystem", path);
		n = readlink(link, bus, sizeof(bus) - 1);
		bus[n > 0 ? n : 0] = '\0';
		slow = is_slow_bus(strrchr(bus, '/') != NULL ? strrchr(bus, '/') + 1 : bus);
		*strrchr(path, '/') = '\0';
	}
	return slow;
}

struct chip *host_chip_open(struct instance *in, const char *name, struct error *err)
{
	struct host_chip *h;

	if (dl_load(&gpio_library, err) < 0)
		return NULL;
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		error_set(err, -ENOMEM, "no memory for a chip");
		return NULL;
	}
	h->chip.ops = &host_ops;
	h->chip.in = in;
	h->wanted = strdup(name);
	snprintf(h->consumer, sizeof(h->consumer), "vhost-device %s", instance_name(in));
	timer_init(&h->retry, instance_loop(in), chip_retry);
	h->events = api.gpiod_edge_event_buffer_new(EVENTS);
	h->dropped = api.gpiod_edge_event_buffer_new(EVENTS);
	if (h->wanted != NULL && h->events != NULL && h->dropped != NULL)
		h->gpiod = find_chip(h);
	if (h->gpiod == NULL || h->chip.n_lines == 0) {
		error_set(err, -ENODEV, "GPIO chip %s cannot be opened: %s%s", name,
			  strerror(errno), errno == EACCES ? ": give this user access to it" : "");
		host_close(&h->chip);
		host_free(&h->chip);
		return NULL;
	}
	snprintf(h->chip.key, sizeof(h->chip.key), "gpio-%u:%u", major(h->dev), minor(h->dev));
	h->chip.blocks = is_behind_bus(h->dev);
	watch_chip(h);
	return &h->chip;
}
