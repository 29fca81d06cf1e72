/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the input device (virtio 1.4, 5.8): what it can do, and its events. */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/input-names.h"
#include "vhost-device/num.h"
#include "wire/virtio-input.h"

enum { RING = 64, EVENT = sizeof(struct virtio_input_event), TYPES = 32 };

/* ret_config's u is zero behind its size. */
static int ask(struct vdev *v, unsigned select, unsigned subsel,
	       struct virtio_input_config *ret_config, struct error *err)
{
	const uint8_t what[2] = { (uint8_t)select, (uint8_t)subsel };
	int ret = fe_set_config(v->fe, 0, what, sizeof(what), 0, err);

	if (ret >= 0)
		ret = vdev_config(v, 0, ret_config, sizeof(*ret_config), err);
	if (ret < 0)
		return ret;
	if (ret_config->select != select || ret_config->subsel != subsel ||
	    ret_config->size > VIRTIO_INPUT_DATA)
		return error_set(err, -EPROTO, "asked for %u, %u the device answered %u, %u with "
				 "%u bytes", select, subsel, ret_config->select,
				 ret_config->subsel, ret_config->size);
	memset(ret_config->u.bitmap + ret_config->size, 0, VIRTIO_INPUT_DATA - ret_config->size);
	return 0;
}

static int show_text(struct vdev *v, struct out *o, unsigned select, const char *key,
		     struct error *err)
{
	struct virtio_input_config config;
	int ret = ask(v, select, 0, &config, err);

	if (ret == 0 && config.size > 0)
		out_text(o, key, "%.*s", config.size, config.u.string);
	return ret;
}

static int show_ids(struct vdev *v, struct out *o, struct error *err)
{
	struct virtio_input_config config;
	int ret = ask(v, VIRTIO_INPUT_CFG_ID_DEVIDS, 0, &config, err);

	if (ret == 0 && config.size >= sizeof(config.u.ids))
		out_text(o, "ids", "%04x:%04x:%04x:%04x", le16_get(config.u.ids.bustype),
			 le16_get(config.u.ids.vendor), le16_get(config.u.ids.product),
			 le16_get(config.u.ids.version));
	return ret;
}

static int show_axis(struct vdev *v, struct out *o, unsigned axis, struct error *err)
{
	struct virtio_input_config config;
	char name[INPUT_NAME_SIZE];
	int ret = ask(v, VIRTIO_INPUT_CFG_ABS_INFO, axis, &config, err);

	if (ret < 0)
		return ret;
	if (config.size < sizeof(config.u.abs))
		return error_set(err, -EPROTO, "%s has no range", input_name(EV_ABS, axis, name));
	out_text(o, NULL, "%s %d to %d, fuzz %d, flat %d, resolution %d",
		 input_name(EV_ABS, axis, name), (int)le32_get(config.u.abs.min),
		 (int)le32_get(config.u.abs.max), (int)le32_get(config.u.abs.fuzz),
		 (int)le32_get(config.u.abs.flat), (int)le32_get(config.u.abs.res));
	return 0;
}

static const char *key_of(unsigned select, unsigned type, char buf[INPUT_NAME_SIZE])
{
	static const char *const keys[] = {
		[EV_KEY] = "keys", [EV_REL] = "relative", [EV_ABS] = "absolute",
		[EV_MSC] = "miscellaneous", [EV_SW] = "switches", [EV_LED] = "leds",
		[EV_SND] = "sounds", [EV_REP] = "repeat",
	};

	if (select == VIRTIO_INPUT_CFG_PROP_BITS)
		return "properties";
	if (type < ARRAY_SIZE(keys) && keys[type] != NULL)
		return keys[type];
	snprintf(buf, INPUT_NAME_SIZE, "type_%u", type);
	return buf;
}

/* Codes of a type, or properties. */
static int show_bits(struct vdev *v, struct out *o, unsigned select, unsigned type,
		     struct error *err)
{
	unsigned i, names = select == VIRTIO_INPUT_CFG_PROP_BITS ? INPUT_NAMES_PROP : type;
	struct virtio_input_config config;
	char name[INPUT_NAME_SIZE];
	int ret = ask(v, select, type, &config, err);

	if (ret < 0 || config.size == 0)
		return ret;
	out_open_list(o, key_of(select, type, name));
	for (i = 0; ret == 0 && i < config.size * 8U; i++) {
		if ((config.u.bitmap[i / 8] >> i % 8 & 1) == 0)
			continue;
		if (type == EV_ABS)
			ret = show_axis(v, o, i, err);
		else
			out_text(o, NULL, "%s", input_name(names, i, name));
	}
	out_close(o);
	return ret;
}

static int info(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	unsigned type;
	int ret = show_text(v, o, VIRTIO_INPUT_CFG_ID_NAME, "name", err);

	if (ret == 0)
		ret = show_text(v, o, VIRTIO_INPUT_CFG_ID_SERIAL, "serial", err);
	if (ret == 0)
		ret = show_ids(v, o, err);
	if (ret == 0)
		ret = show_bits(v, o, VIRTIO_INPUT_CFG_PROP_BITS, 0, err);
	for (type = EV_KEY; ret == 0 && type < TYPES; type++)
		ret = show_bits(v, o, VIRTIO_INPUT_CFG_EV_BITS, type, err);
	return ret;
}

static int post(struct vdev *v, uint64_t at, struct error *err)
{
	const struct fe_seg seg = { at, EVENT };
	int ret = fe_ring_add(v->rings[VIRTIO_INPUT_EVENTQ], &seg, 0, 1, 0,
			      fe_mem_at(v->mem, at, EVENT));

	return ret < 0 ? error_set(err, ret, "a buffer cannot be posted") : 0;
}

static int post_all(struct vdev *v, uint64_t *ret_at, struct error *err)
{
	int ret = fe_mem_alloc(v->mem, 0, (uint64_t)RING * EVENT, 16, ret_at);
	unsigned i;

	for (i = 0; ret == 0 && i < RING; i++)
		ret = post(v, *ret_at + (uint64_t)i * EVENT, err);
	return ret;
}

static void print(struct out *o, const struct virtio_input_event *e)
{
	char type[INPUT_NAME_SIZE], code[INPUT_NAME_SIZE];

	out_text(o, NULL, "%s %s %d", input_name(INPUT_NAMES_EV, le16_get(e->type), type),
		 input_name(le16_get(e->type), le16_get(e->code), code), (int)le32_get(e->value));
}

static int next(struct vdev *v, uint64_t at, struct out *o, struct error *err)
{
	struct fe_ring *r = v->rings[VIRTIO_INPUT_EVENTQ];
	struct fe_used used;
	int ret = fe_ring_wait(r, v->fe, v->timeout_ms, err);

	if (ret >= 0)
		ret = fe_ring_get(r, &used, err);
	if (ret < 0)
		return ret;
	if (used.len != EVENT)
		return error_set(err, -EPROTO, "an event of %u bytes, not %u", used.len, EVENT);
	print(o, used.token);
	/* Where the token is in guest memory. */
	return post(v, at + (uint64_t)((uint8_t *)used.token -
				       (uint8_t *)fe_mem_at(v->mem, at, EVENT)), err);
}

static int watch(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct fe_ring *r = v->rings[VIRTIO_INPUT_EVENTQ];
	uint64_t count = UINT64_MAX, i, at;
	int ret;

	if (n > 0 && num_parse(words[0], 1, UINT32_MAX, &count) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no number of events", words[0]);
	ret = post_all(v, &at, err);
	out_open_list(o, "events");
	for (i = 0; ret >= 0 && i < count; i++) {
		ret = fe_ring_kick(r, v->fe, err);
		if (ret >= 0)
			ret = next(v, at, o, err);
	}
	out_close(o);
	if (ret == -ETIMEDOUT)
		return n == 0 ? 0 : error_set(err, ret, "%llu events came, not %llu",
			(unsigned long long)i - 1, (unsigned long long)count);
	return ret < 0 ? ret : 0;
}

static int led(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	const struct virtio_input_event syn = { le16(EV_SYN), le16(SYN_REPORT), le32(0) };
	struct virtio_input_event e = { le16(EV_LED), le16(0), le32(words[1][0] == '1') };
	unsigned code = 0;
	int ret;

	if (input_code(EV_LED, words[0], LED_MAX, &code) < 0 ||
	    (strcmp(words[1], "0") != 0 && strcmp(words[1], "1") != 0))
		return error_set(err, -EINVAL, "'%.60s %.60s' is no LED, as in capsl 1", words[0],
				 words[1]);
	e.code = le16((uint16_t)code);
	ret = vdev_request(v, VIRTIO_INPUT_STATUSQ, &e, sizeof(e), NULL, 0, err);
	if (ret >= 0)
		ret = vdev_request(v, VIRTIO_INPUT_STATUSQ, &syn, sizeof(syn), NULL, 0, err);
	return ret < 0 ? ret : 0;
}

/* -- Load: status events that the device has to give back ---------------------------- */

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	const struct virtio_input_event e = { le16(EV_MSC), le16(MSC_SCAN),
		le32((uint32_t)number) };

	memcpy(out, &e, size < EVENT ? size : EVENT);
}

static bool is_back(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == 0;
}

static const struct action actions[] = {
	{ "info", "", "Name, ids, properties, and all that it can tell of.", 0, 0, info },
	{ "watch", "[N]", "Print N events, or all until none comes for the time of --timeout.", 0,
	  1, watch },
	{ "led", "LED 0|1", "Switch a LED, as in capsl 1.", 2, 2, led },
	{ NULL }
};

static const struct load load = { .out = EVENT, .fill = fill, .good = is_back };

const struct driver driver_input = {
	"input", .queues = VIRTIO_INPUT_QUEUES, .queue_size = RING, .memory = 4096,
	.bench_queue = VIRTIO_INPUT_STATUSQ, .bench_queues = 1, .actions = actions, .load = &load,
};
