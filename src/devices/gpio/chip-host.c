/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chips of the host, by libgpiod 2. Every line that is in use is a request of
 * its own, because the kernel takes and gives back requests as a whole, and
 * the guest does so line by line.
 *
 *   there --unplugged (hang-up, ENODEV): requests closed, calls fail--> gone
 *   gone  --once a second: the same name and label again--> there; the lines
 *           are wanted as before
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

#include "gpio.h"
#include "vhost-device/fd.h"

enum { EVENTS = 64, FIFO = 1024, RETRY_NS = 1000 * 1000 * 1000 };

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
	struct claim claim;
};

struct host_chip {
	struct chip chip;
	char *wanted;                   /* as the option has it */
	char label[64];                 /* must be the same when it comes back */
	dev_t dev;
	struct gpiod_chip *gpiod;       /* NULL: gone */
	struct gpiod_edge_event_buffer *events;
	struct io io;
	struct timer retry;
	struct host_line *lines;
};

static struct host_chip *chip_of(const struct line *l)
{
	return container_of(l->chip, struct host_chip, chip);
}

/* ---- find and open ---- */

static struct gpiod_chip *try_path(struct host_chip *h, const char *path, const char *pattern)
{
	struct gpiod_chip *gpiod = api.gpiod_chip_open(path);
	struct gpiod_chip_info *info;
	struct stat st;
	int saved;

	if (gpiod == NULL)
		return NULL;
	info = api.gpiod_chip_get_info(gpiod);
	if (info != NULL && fstat(api.gpiod_chip_get_fd(gpiod), &st) == 0 &&
	    (pattern == NULL || fnmatch(pattern, api.gpiod_chip_info_get_label(info), 0) == 0)) {
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

static void line_close(struct host_line *hl)
{
	io_finish(&hl->io);
	if (hl->request != NULL)
		api.gpiod_line_request_release(take_ptr(hl->request));
	memset(&hl->line->now, 0, sizeof(hl->line->now));
}

static void chip_gone(struct host_chip *h)
{
	struct host_line *hl;

	if (h->gpiod == NULL)
		return;
	log_warn(h->chip.in, "GPIO chip %s is gone: its lines fail until it is back",
		 h->chip.name);
	for (hl = h->lines; hl != NULL; hl = hl->next)
		line_close(hl);
	io_finish(&h->io);
	api.gpiod_chip_close(take_ptr(h->gpiod));
	timer_set(&h->retry, loop_now(instance_loop(h->chip.in)) + RETRY_NS);
}

static void chip_hangup(struct io *io, unsigned ready)
{
	if ((ready & IO_HUP) != 0)
		chip_gone(container_of(io, struct host_chip, io));
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
	struct host_chip *h = container_of(t, struct host_chip, retry), before = *h;

	h->gpiod = find_chip(h);
	if (h->gpiod != NULL && (strcmp(h->label, before.label) != 0 ||
				 h->chip.n_lines != before.chip.n_lines)) {
		api.gpiod_chip_close(take_ptr(h->gpiod));
		memcpy(h->label, before.label, sizeof(h->label));
		h->chip.n_lines = before.chip.n_lines;
	}
	if (h->gpiod == NULL) {
		timer_set(&h->retry, loop_now(instance_loop(h->chip.in)) + RETRY_NS);
		return;
	}
	log_warn(h->chip.in, "GPIO chip %s is back", h->chip.name);
	watch_chip(h);
	chip_is_back(&h->chip);
}

/* What the call that failed means; -errno. */
static int failed(struct line *l)
{
	int ret = errno != 0 ? -errno : -EIO;

	if (ret == -ENODEV)
		chip_gone(chip_of(l));
	return ret;
}

/* ---- edges ---- */

/* One reading; false: nothing (more) is there. told: nobody wants them. */
static bool read_edges(struct host_line *hl, bool told)
{
	struct gpiod_edge_event_buffer *events = chip_of(hl->line)->events;
	struct gpiod_edge_event *e;
	int n, i;

	n = api.gpiod_line_request_read_edge_events(hl->request, events, EVENTS);
	for (i = 0; i < n && told; i++) {
		e = api.gpiod_edge_event_buffer_get_event(events, (unsigned long)i);
		line_edge(hl->line, api.gpiod_edge_event_get_event_type(e) ==
			  GPIOD_EDGE_EVENT_RISING_EDGE);
		/* It read the value, and the chip was gone. */
		if (hl->request == NULL)
			return false;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		failed(hl->line);
	return n > 0;
}

static void drain(struct host_line *hl)
{
	unsigned i;

	for (i = 0; i < FIFO / EVENTS + 1 && hl->request != NULL && read_edges(hl, false); i++)
		;
}

static void line_ready(struct io *io, unsigned ready)
{
	struct host_line *hl = container_of(io, struct host_line, io);

	if ((ready & IO_HUP) != 0)
		chip_gone(chip_of(hl->line));
	else
		read_edges(hl, true);
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
	char consumer[LINE_NAME_SIZE];
	int saved;

	if (rc == NULL)
		return NULL;
	snprintf(consumer, sizeof(consumer), "vhost-device %s", instance_name(l->chip->in));
	api.gpiod_request_config_set_consumer(rc, consumer);
	api.gpiod_request_config_set_event_buffer_size(rc, FIFO);
	request = api.gpiod_chip_request_lines(chip_of(l)->gpiod, rc, config);
	saved = errno;
	api.gpiod_request_config_free(rc);
	errno = saved;
	return request;
}

static int line_take(struct line *l, struct gpiod_line_config *config)
{
	struct host_line *hl = l->host;
	int fd, ret;

	if (hl->request != NULL)
		return api.gpiod_line_request_reconfigure_lines(hl->request, config) == 0 ? 0
			: failed(l);
	hl->request = request_line(l, config);
	if (hl->request == NULL)
		return failed(l);
	fd = api.gpiod_line_request_get_fd(hl->request);
	ret = fd_set_nonblock(fd);
	io_init(&hl->io, instance_loop(l->chip->in), fd, line_ready);
	return ret;
}

static int host_want(struct line *l, const struct line_want *w)
{
	struct host_line *hl = l->host;
	struct gpiod_line_config *config;
	int ret;

	if (w->direction == GPIO_DIRECTION_NONE) {
		line_close(hl);
		return 0;
	}
	if (chip_of(l)->gpiod == NULL)
		return -ENODEV;
	config = make_config(l, w);
	if (config == NULL)
		return failed(l);
	ret = line_take(l, config);
	api.gpiod_line_config_free(config);
	if (ret == 0 && (w->edges != l->now.edges || w->edges == GPIO_IRQ_NONE))
		drain(hl);
	if (ret == 0 && hl->request == NULL)
		ret = -ENODEV;
	if (ret == 0)
		ret = io_set(&hl->io, w->edges != GPIO_IRQ_NONE ? IO_READ : 0);
	if (ret == 0)
		l->now = *w;
	else if (l->now.direction == GPIO_DIRECTION_NONE)
		line_close(hl);
	return ret;
}

static int host_set(struct line *l, bool value)
{
	struct host_line *hl = l->host;

	if (hl->request == NULL)
		return -ENODEV;
	if (api.gpiod_line_request_set_value(hl->request, l->offset, value
			? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE) < 0)
		return failed(l);
	l->now.value = value;
	return 0;
}

/* A line that is not in use is read without changing it. */
static int read_once(struct line *l)
{
	static const struct line_want as_is;
	struct gpiod_line_request *request;
	struct gpiod_line_config *config;
	int ret;

	if (chip_of(l)->gpiod == NULL)
		return -ENODEV;
	config = make_config(l, &as_is);
	if (config == NULL)
		return failed(l);
	request = request_line(l, config);
	ret = request == NULL ? failed(l) : 0;
	api.gpiod_line_config_free(config);
	if (request == NULL)
		return ret;
	ret = api.gpiod_line_request_get_value(request, l->offset);
	if (ret < 0)
		ret = errno != 0 ? -errno : -EIO;
	api.gpiod_line_request_release(request);
	return ret;
}

static int host_get(struct line *l)
{
	struct host_line *hl = l->host;
	int ret;

	if (hl->request == NULL)
		return read_once(l);
	ret = api.gpiod_line_request_get_value(hl->request, l->offset);
	return ret < 0 ? failed(l) : ret;
}

static int host_direction(struct line *l)
{
	struct gpiod_line_info *info;
	int ret;

	if (chip_of(l)->gpiod == NULL)
		return -ENODEV;
	info = api.gpiod_chip_get_line_info(chip_of(l)->gpiod, l->offset);
	if (info == NULL)
		return failed(l);
	ret = api.gpiod_line_info_get_direction(info) == GPIOD_LINE_DIRECTION_OUTPUT
		? GPIO_DIRECTION_OUT : GPIO_DIRECTION_IN;
	api.gpiod_line_info_free(info);
	return ret;
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
	while (h->lines != NULL) {
		hl = h->lines;
		h->lines = hl->next;
		unclaim(&hl->claim);
		io_finish(&hl->io);
		if (hl->request != NULL)
			api.gpiod_line_request_release(hl->request);
		free(hl);
	}
	io_finish(&h->io);
	if (h->events != NULL)
		api.gpiod_edge_event_buffer_free(h->events);
	if (h->gpiod != NULL)
		api.gpiod_chip_close(h->gpiod);
	free(h->wanted);
	free(h);
}

static const struct chip_ops host_ops = {
	.want = host_want, .set = host_set, .get = host_get, .direction = host_direction,
	.close = host_close,
};

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
	timer_init(&h->retry, instance_loop(in), chip_retry);
	if (h->wanted != NULL)
		h->events = api.gpiod_edge_event_buffer_new(EVENTS);
	if (h->wanted != NULL && h->events != NULL)
		h->gpiod = find_chip(h);
	if (h->gpiod == NULL || h->chip.n_lines == 0) {
		error_set(err, -ENODEV, "GPIO chip %s cannot be opened: %s", name,
			  strerror(errno));
		host_close(&h->chip);
		return NULL;
	}
	watch_chip(h);
	return &h->chip;
}
