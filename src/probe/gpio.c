/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the GPIO device (virtio 1.4, 5.18). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-gpio.h"

enum { NAMES_MAX = 1 << 20, KEY_SIZE = 32 };

static int ask(struct vdev *v, unsigned type, unsigned line, uint32_t value, const char *what,
	       struct error *err)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16((uint16_t)line),
		le32(value) };
	struct virtio_gpio_response resp = { GPIO_STATUS_ERR, 0 };
	int ret = vdev_request(v, GPIO_REQUESTQ, &req, sizeof(req), &resp, sizeof(resp), err);

	if (ret < 0)
		return ret;
	if (ret != sizeof(resp))
		return error_set(err, -EPROTO, "line %u: the answer to %s has %d bytes, not 2: "
				 "Linux takes that for an error", line, what, ret);
	if (resp.status != GPIO_STATUS_OK)
		return error_set(err, -EIO, "line %u: the device refuses to %s", line, what);
	return resp.value;
}

static int read_config(struct vdev *v, unsigned *ret_lines, uint32_t *ret_names,
		       struct error *err)
{
	struct virtio_gpio_config config;
	int ret = vdev_config(v, 0, &config, sizeof(config), err);

	if (ret < 0)
		return ret;
	*ret_lines = le16_get(config.ngpio);
	*ret_names = le32_get(config.gpio_names_size);
	if (*ret_lines == 0)
		return error_set(err, -EPROTO, "the device says that it has no lines");
	return 0;
}

/* *ret_names is NULL without names, else the caller's and ended by a zero byte. */
static int read_names(struct vdev *v, unsigned lines, uint32_t size, char **ret_names,
		      struct error *err)
{
	const struct virtio_gpio_request req = { le16(GPIO_MSG_GET_LINE_NAMES), le16(0), le32(0) };
	FREE_PTR char *buf = NULL;
	uint32_t i, n = 0;
	int ret;

	*ret_names = NULL;
	if (size == 0)
		return 0;
	if (size > NAMES_MAX)
		return error_set(err, -EPROTO, "%u bytes of names are too many", size);
	buf = calloc(1, size + 2);
	if (buf == NULL)
		return error_memory(err);
	ret = vdev_request(v, GPIO_REQUESTQ, &req, sizeof(req), buf, size + 1, err);
	if (ret < 0)
		return ret;
	if ((uint32_t)ret != size + 1 || buf[0] != GPIO_STATUS_OK)
		return error_set(err, -EPROTO, "names of %u bytes came back as %d bytes", size,
				 ret - 1);
	for (i = 1; i <= size; i++)
		n += buf[i] == '\0';
	if (n < lines)
		return error_set(err, -EPROTO, "%u names for %u lines: Linux drops them all", n,
				 lines);
	memmove(buf, buf + 1, size + 1);
	*ret_names = take_ptr(buf);
	return 0;
}

static int list_lines(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	static const char *const directions[] = { "none", "out", "in" };
	FREE_PTR char *names = NULL;
	const char *name;
	char key[KEY_SIZE];
	uint32_t size;
	unsigned lines, i;
	int ret = read_config(v, &lines, &size, err), value;

	if (ret == 0)
		ret = read_names(v, lines, size, &names, err);
	name = names;
	for (i = 0; ret >= 0 && i < lines; i++) {
		ret = ask(v, GPIO_MSG_GET_DIRECTION, i, 0, "tell its direction", err);
		if (ret > GPIO_DIRECTION_IN)
			ret = error_set(err, -EPROTO, "line %u has direction %d", i, ret);
		if (ret < 0)
			break;
		value = ask(v, GPIO_MSG_GET_VALUE, i, 0, "tell its value", NULL);
		snprintf(key, sizeof(key), "line_%u", i);
		out_text(o, key, "%s %s%s%s", directions[ret],
			 value < 0 ? "unreadable" : value > 0 ? "1" : "0",
			 name != NULL && *name != '\0' ? " " : "", name != NULL ? name : "");
		name = name == NULL ? NULL : name + strlen(name) + 1;
	}
	return ret < 0 ? ret : 0;
}

static int line_number(struct vdev *v, const char *word, size_t len, unsigned *ret_line,
		       struct error *err)
{
	FREE_PTR char *names = NULL, *text = strndup(word, len);
	const char *name;
	unsigned lines, i;
	uint32_t size;
	uint64_t n;
	int ret = read_config(v, &lines, &size, err);

	if (ret == 0)
		ret = read_names(v, lines, size, &names, err);
	if (ret < 0 || text == NULL)
		return ret < 0 ? ret : -ENOMEM;
	for (i = 0, name = names; name != NULL && i < lines; i++, name += strlen(name) + 1) {
		if (*name != '\0' && strcmp(name, text) == 0) {
			*ret_line = i;
			return 0;
		}
	}
	if (num_parse(text, 0, lines - 1, &n) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no name of a line and no number up to "
				 "%u", text, lines - 1);
	*ret_line = (unsigned)n;
	return 0;
}

static int get_lines(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	unsigned i, line;
	int ret = 0;

	for (i = 0; ret == 0 && i < n; i++) {
		ret = line_number(v, words[i], strlen(words[i]), &line, err);
		if (ret == 0)
			ret = ask(v, GPIO_MSG_SET_DIRECTION, line, GPIO_DIRECTION_IN,
				  "be an input", err);
		if (ret >= 0)
			ret = ask(v, GPIO_MSG_GET_VALUE, line, 0, "tell its value", err);
		if (ret < 0)
			return ret;
		out_number(o, words[i], (uint64_t)ret);
		ret = 0;
	}
	return ret;
}

static int set_lines(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	const char *equals;
	unsigned i, line;
	uint64_t value;
	int ret = 0;

	for (i = 0; ret >= 0 && i < n; i++) {
		equals = strchr(words[i], '=');
		if (equals == NULL || num_parse(equals + 1, 0, 1, &value) < 0)
			return error_set(err, -EINVAL, "'%.60s' is not LINE=0 or LINE=1",
					 words[i]);
		ret = line_number(v, words[i], (size_t)(equals - words[i]), &line, err);
		if (ret == 0)
			ret = ask(v, GPIO_MSG_SET_VALUE, line, (uint32_t)value, "take a value",
				  err);
		if (ret >= 0)
			ret = ask(v, GPIO_MSG_SET_DIRECTION, line, GPIO_DIRECTION_OUT,
				  "be an output", err);
		if (ret >= 0)
			ret = ask(v, GPIO_MSG_GET_VALUE, line, 0, "tell its value", err);
		if (ret >= 0)
			out_text(o, words[i], "reads %d", ret);
	}
	return ret < 0 ? ret : 0;
}

static const struct {
	const char *word;
	unsigned type;
} irq_types[] = {
	{ "rising", GPIO_IRQ_EDGE_RISING }, { "falling", GPIO_IRQ_EDGE_FALLING },
	{ "both", GPIO_IRQ_EDGE_BOTH }, { "high", GPIO_IRQ_LEVEL_HIGH },
	{ "low", GPIO_IRQ_LEVEL_LOW },
};

static int await_interrupts(struct vdev *v, struct out *o, unsigned line, uint64_t count,
			    struct error *err)
{
	const struct virtio_gpio_irq_request req = { le16((uint16_t)line) };
	struct virtio_gpio_irq_response resp = { GPIO_IRQ_STATUS_INVALID };
	uint64_t i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = vdev_request(v, GPIO_EVENTQ, &req, sizeof(req), &resp, sizeof(resp), err);
		if (ret == -ETIMEDOUT)
			return error_set(err, ret, "%llu interrupts came, not %llu",
					 (unsigned long long)i, (unsigned long long)count);
		if (ret >= 0 && ret != sizeof(resp))
			ret = error_set(err, -EPROTO, "an interrupt has %d bytes, not 1: Linux "
					"loses the line", ret);
		if (ret >= 0 && resp.status != GPIO_IRQ_STATUS_VALID)
			ret = error_set(err, -EIO, "the interrupt was turned off");
		if (ret < 0)
			return ret;
	}
	out_number(o, "interrupts", count);
	ret = ask(v, GPIO_MSG_SET_IRQ_TYPE, line, GPIO_IRQ_NONE, "stop interrupting", err);
	return ret < 0 ? ret : 0;
}

static int watch_line(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	uint64_t count = 1;
	unsigned i, line = 0;
	int ret;

	for (i = 0; i < ARRAY_SIZE(irq_types) && strcmp(irq_types[i].word, words[1]) != 0; i++)
		;
	if (i == ARRAY_SIZE(irq_types))
		return error_set(err, -EINVAL, "'%.60s' is none of rising, falling, both, high, "
				 "low", words[1]);
	if (n > 2 && num_parse(words[2], 1, UINT32_MAX, &count) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no number of interrupts", words[2]);
	if ((v->features & BIT(VIRTIO_GPIO_F_IRQ)) == 0)
		return error_set(err, -EOPNOTSUPP, "the device has no interrupts");
	ret = line_number(v, words[0], strlen(words[0]), &line, err);
	if (ret == 0)
		ret = ask(v, GPIO_MSG_SET_DIRECTION, line, GPIO_DIRECTION_IN, "be an input", err);
	if (ret >= 0)
		ret = ask(v, GPIO_MSG_SET_IRQ_TYPE, line, irq_types[i].type, "interrupt", err);
	return ret < 0 ? ret : await_interrupts(v, o, line, count, err);
}

/* GET_VALUE of the lines by turns. */

static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	uint32_t names;
	unsigned lines;
	int ret = read_config(v, &lines, &names, err);

	if (ret == 0)
		*ret_plan = (struct load_plan){ .scale = lines };
	return ret;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct virtio_gpio_request req = { le16(GPIO_MSG_GET_VALUE),
		le16((uint16_t)(number % plan->scale)), le32(0) };

	memcpy(out, &req, sizeof(req));
}

static bool is_answer(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == sizeof(struct virtio_gpio_response) && in[0] == GPIO_STATUS_OK;
}

static const struct action actions[] = {
	{ "lines", "", "List the lines: direction, value, name.", 0, 0, list_lines },
	{ "get", "LINE...", "Make lines inputs and print their values. A line is a number or a "
	  "name.", 1, 64, get_lines },
	{ "set", "LINE=0|1...", "Make lines outputs with these values; when probe ends, the "
	  "device may take them back.", 1, 64, set_lines },
	{ "watch", "LINE rising|falling|both|high|low [N]", "Wait for N interrupts, 1 if not "
	  "said.", 2, 3, watch_line },
	{ NULL }
};

static const struct load load = {
	.head = sizeof(struct virtio_gpio_request), .tail = sizeof(struct virtio_gpio_response),
	.prepare = prepare, .fill = fill, .good = is_answer,
};

const struct driver driver_gpio = {
	"gpio", .queues = 2, .queue_size = 64, .features = BIT(VIRTIO_GPIO_F_IRQ),
	.memory = (uint64_t)2 * NAMES_MAX, .actions = actions, .bench_queues = 1, .load = &load,
};
