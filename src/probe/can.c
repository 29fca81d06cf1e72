/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the CAN controller (virtio 1.4, "CAN Device"). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-can.h"

enum { LARGEST = 64, CLASSIC = 8, SFF = 0x7ff, EFF = 0x1fffffff, RING = 64 };

struct packet {
	struct virtio_can_hdr hdr;
	uint8_t data[LARGEST];
};

static int control(struct vdev *v, unsigned type, struct error *err)
{
	const struct virtio_can_control req = { le16((uint16_t)type) };
	uint8_t result = VIRTIO_CAN_RESULT_NOT_OK;
	int ret = vdev_request(v, VIRTIO_CAN_CONTROLQ, &req, sizeof(req), &result, 1, err);

	if (ret == 1 && result == VIRTIO_CAN_RESULT_OK)
		return 0;
	return ret < 0 ? ret : error_set(err, -EIO, "the controller cannot be %s",
					 type == VIRTIO_CAN_SET_CTRL_MODE_START ? "started"
					 : "stopped");
}

static int start(struct vdev *v, struct error *err)
{
	return control(v, VIRTIO_CAN_SET_CTRL_MODE_START, err);
}

/* Nothing is left to be told when that fails. */
static void stop(struct vdev *v)
{
	control(v, VIRTIO_CAN_SET_CTRL_MODE_STOP, NULL);
}

/* -- Frames as candump writes them ------------------------------------------- */

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *d = c != '\0' ? strchr(digits, c) : NULL;

	return d != NULL ? (int)((d - digits) % 16) : -1;
}

static int parse_data(const char *s, struct packet *p, unsigned most)
{
	unsigned n = 0;

	for (; *s != '\0'; s += 2) {
		if (n == most || digit(s[0]) < 0 || digit(s[1]) < 0)
			return -EINVAL;
		p->data[n++] = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
	}
	p->hdr.length = le16((uint16_t)n);
	return 0;
}

/* 123#1122, 12345678#R4, 123##0aabb */
static int parse(const char *s, struct packet *p)
{
	uint32_t id = 0, flags = 0;
	unsigned n;
	int ret = 0;

	for (n = 0; n < 8 && digit(s[n]) >= 0; n++)
		id = id << 4 | (unsigned)digit(s[n]);
	if ((n != 3 && n != 8) || s[n] != '#')
		return -EINVAL;
	flags = n == 8 ? VIRTIO_CAN_FLAGS_EXTENDED : 0;
	s += n + 1;
	memset(p, 0, sizeof(*p));
	if (*s == 'R') {
		flags |= VIRTIO_CAN_FLAGS_RTR;
		if (s[1] != '\0' && (s[1] < '0' || s[1] > '8' || s[2] != '\0'))
			return -EINVAL;
		p->hdr.length = le16(s[1] != '\0' ? (uint16_t)(s[1] - '0') : 0);
	} else if (*s == '#' && digit(s[1]) >= 0) {
		flags |= VIRTIO_CAN_FLAGS_FD;
		ret = parse_data(s + 2, p, LARGEST);
	} else {
		ret = parse_data(s, p, CLASSIC);
	}
	p->hdr.msg_type = le16(VIRTIO_CAN_TX);
	p->hdr.flags = le32(flags);
	p->hdr.can_id = le32(id);
	return ret;
}

static void print(struct out *o, const struct packet *p, unsigned length)
{
	char text[2 * LARGEST + 4] = "";
	uint32_t flags = le32_get(p->hdr.flags);
	size_t at = 0;
	unsigned i;

	if ((flags & VIRTIO_CAN_FLAGS_RTR) != 0) {
		snprintf(text, sizeof(text), "R%u", length);
	} else {
		if ((flags & VIRTIO_CAN_FLAGS_FD) != 0)
			at = (size_t)snprintf(text, sizeof(text), "#0");
		for (i = 0; i < length; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%02X", p->data[i]);
	}
	out_text(o, NULL, (flags & VIRTIO_CAN_FLAGS_EXTENDED) != 0 ? "%08X#%s" : "%03X#%s",
		 le32_get(p->hdr.can_id), text);
}

/* -- What can be done ----------------------------------------------------------- */

static int send_one(struct vdev *v, const char *word, struct error *err)
{
	uint8_t result = VIRTIO_CAN_RESULT_NOT_OK;
	struct packet p;
	int ret;

	if (parse(word, &p) < 0)
		return error_set(err, -EINVAL, "'%.160s' is no frame, as in 123#1122, 12345678#R4 "
				 "or 123##0aabb", word);
	ret = vdev_request(v, VIRTIO_CAN_TXQ, &p, sizeof(p.hdr) + le16_get(p.hdr.length), &result,
			   1, err);
	if (ret >= 0 && (ret != 1 || result != VIRTIO_CAN_RESULT_OK))
		ret = error_set(err, -EIO, "%.160s: the device did not send it", word);
	return ret < 0 ? ret : 0;
}

static int send_frames(struct vdev *v, struct out *o, char **words, unsigned n,
		       struct error *err)
{
	int ret = start(v, err);
	unsigned i;

	for (i = 0; ret == 0 && i < n; i++)
		ret = send_one(v, words[i], err);
	if (ret == 0)
		out_number(o, "sent", n);
	stop(v);
	return ret;
}

/* What Linux would drop is an error here. */
static int check(const struct vdev *v, const struct packet *p, int len, struct error *err)
{
	const uint32_t known = VIRTIO_CAN_FLAGS_EXTENDED | VIRTIO_CAN_FLAGS_FD |
		VIRTIO_CAN_FLAGS_RTR;
	uint32_t flags = le32_get(p->hdr.flags);
	bool fd = (flags & VIRTIO_CAN_FLAGS_FD) != 0, rtr = (flags & VIRTIO_CAN_FLAGS_RTR) != 0;
	unsigned length = le16_get(p->hdr.length);

	if (len < (int)sizeof(p->hdr) || le16_get(p->hdr.msg_type) != VIRTIO_CAN_RX)
		return error_set(err, -EPROTO, "%d bytes that are no frame", len);
	if ((unsigned)len != sizeof(p->hdr) + length || length > (fd ? LARGEST : CLASSIC))
		return error_set(err, -EPROTO, "a frame of length %u in %d bytes", length, len);
	if ((flags & ~known) != 0 || (fd && rtr) ||
	    (fd && (v->features & BIT(VIRTIO_CAN_F_CAN_FD)) == 0) ||
	    (rtr && (v->features & BIT(VIRTIO_CAN_F_RTR_FRAMES)) == 0))
		return error_set(err, -EPROTO, "a frame with flags 0x%x", flags);
	if (le32_get(p->hdr.can_id) > ((flags & VIRTIO_CAN_FLAGS_EXTENDED) != 0 ? EFF : SFF))
		return error_set(err, -EPROTO, "a frame with identifier 0x%x",
				 le32_get(p->hdr.can_id));
	return 0;
}

static int dump(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	uint64_t count = 1, i;
	struct packet p;
	int ret;

	if (n > 0 && num_parse(words[0], 1, UINT32_MAX, &count) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no number of frames", words[0]);
	ret = start(v, err);
	out_open_list(o, "frames");
	for (i = 0; ret == 0 && i < count; i++) {
		ret = vdev_request(v, VIRTIO_CAN_RXQ, NULL, 0, &p, sizeof(p), err);
		if (ret == -ETIMEDOUT)
			error_set(err, ret, "%llu frames came, not %llu", (unsigned long long)i,
				  (unsigned long long)count);
		if (ret >= 0)
			ret = check(v, &p, ret, err);
		if (ret == 0)
			print(o, &p, le16_get(p.hdr.length));
	}
	out_close(o);
	if (ret == 0)
		stop(v);
	return ret;
}

static int info(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct virtio_can_config config;
	int ret = start(v, err);

	if (ret == 0)
		ret = vdev_config(v, 0, &config, sizeof(config), err);
	if (ret < 0)
		return ret;
	out_bool(o, "classic", (v->features & BIT(VIRTIO_CAN_F_CAN_CLASSIC)) != 0);
	out_bool(o, "fd", (v->features & BIT(VIRTIO_CAN_F_CAN_FD)) != 0);
	out_bool(o, "remote", (v->features & BIT(VIRTIO_CAN_F_RTR_FRAMES)) != 0);
	out_bool(o, "late_ack", (v->features & BIT(VIRTIO_CAN_F_LATE_TX_ACK)) != 0);
	out_bool(o, "bus_off", (le16_get(config.status) & VIRTIO_CAN_S_CTRL_BUSOFF) != 0);
	stop(v);
	return 0;
}

/* -- Load: the first queue sends, a second one receives (own=on) --------------------- */

static int prepare(struct vdev *v, uint32_t in, struct load_plan *ret_plan, struct error *err)
{
	return start(v, err);
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	uint32_t length = size - (uint32_t)sizeof(struct virtio_can_hdr);
	const struct virtio_can_hdr hdr = { .msg_type = le16(VIRTIO_CAN_TX),
		.length = le16((uint16_t)length),
		.flags = le32(length > CLASSIC ? VIRTIO_CAN_FLAGS_FD : 0),
		.can_id = le32((uint32_t)(number & SFF)) };

	memcpy(out, &hdr, sizeof(hdr));
	memcpy(out + sizeof(hdr), &number, length < sizeof(number) ? length : sizeof(number));
}

/* A result, or a frame. */
static bool is_answer(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len == 1 ? in[0] == VIRTIO_CAN_RESULT_OK : len >= sizeof(struct virtio_can_hdr);
}

static const struct action actions[] = {
	{ "info", "", "What the controller can do, and is it bus-off?", 0, 0, info },
	{ "send", "FRAME...", "Send frames, as in 123#1122, 12345678#R4 or 123##0aabb.", 1, 64,
	  send_frames },
	{ "dump", "[N]", "Wait for N frames, 1 if not said, and print them.", 0, 1, dump },
	{ NULL }
};

static const struct load load = {
	.head = sizeof(struct virtio_can_hdr), .out = CLASSIC, .in = sizeof(struct packet) - 1,
	.tail = 1, .prepare = prepare, .fill = fill, .good = is_answer,
};

const struct driver driver_can = {
	"can", .queues = 3, .queue_size = RING, .features = 15, .memory = 4096,
	.actions = actions, .bench_queues = 2, .load = &load,
};
