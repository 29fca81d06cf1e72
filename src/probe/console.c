/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Driver half of the console (virtio 1.4, 5.3): the guest at a port, with
 * standard input and output, and a look at all ports.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "vhost-device/num.h"
#include "wire/virtio-console.h"

enum { QUEUE = 64, RX_SIZE = 16 << 10, TX_SIZE = 64 << 10, TX_SLOTS = 8, CTL_SIZE = 512,
	CTL_SLOTS = 16, QUIET_MS = 200, MEMORY = QUEUE * RX_SIZE + TX_SLOTS * TX_SIZE +
	CTL_SLOTS * CTL_SIZE + (1 << 20) };

struct seat {
	struct vdev *v;
	bool multiport;
	uint32_t ports, id;
	uint64_t ctl_at, rx_at, tx_at;  /* buffers of each kind, one behind the other */
	uint8_t *ctl, *rx, *tx;
	unsigned rxq, txq;
	uint16_t free[TX_SLOTS];
	unsigned n_free;
	bool added, host_open;
	uint64_t sent, got;
	struct error *err;
};

struct message {
	struct virtio_console_control head;
	uint8_t payload[CTL_SIZE - sizeof(struct virtio_console_control)];
	uint32_t size;                  /* of the payload */
};

static int post(struct seat *s, unsigned queue, uint64_t base, uint8_t *view, unsigned slot,
		uint32_t size)
{
	const struct fe_seg seg = { base + (uint64_t)slot * size, size };
	int ret = fe_ring_add(s->v->rings[queue], &seg, 0, 1, 0, view + (size_t)slot * size);

	return ret < 0 ? error_set(s->err, ret, "queue %u is full", queue) : 0;
}

static int kick(struct seat *s, unsigned queue)
{
	int ret = fe_ring_kick(s->v->rings[queue], s->v->fe, s->err);

	return ret < 0 ? ret : 0;
}

static int take_memory(struct seat *s, uint64_t size, uint64_t *ret_at, uint8_t **ret_view)
{
	int ret = fe_mem_alloc(s->v->mem, 0, size, 4096, ret_at);

	if (ret < 0)
		return error_set(s->err, ret, "no room for buffers");
	*ret_view = fe_mem_at(s->v->mem, *ret_at, size);
	return 0;
}

/* Those of a port that are not there yet. */
static int start_queues(struct seat *s, unsigned n)
{
	struct vdev *v = s->v;
	struct fe_ring_setup setup = { .size = QUEUE, .features = v->features,
		.lax = v->lax };
	int ret = 0;

	if (n > VDEV_MAX_QUEUES)
		return error_set(s->err, -EINVAL, "probe has %d queues for %u ports at most",
				 VDEV_MAX_QUEUES, VDEV_MAX_QUEUES / 2 - 1);
	while (ret == 0 && v->queues < n) {
		setup.index = v->queues;
		ret = fe_ring_new(v->mem, &setup, &v->rings[v->queues], s->err);
		if (ret == 0)
			ret = fe_ring_start(v->rings[v->queues++], v->fe, s->err);
	}
	return ret;
}

static int take_config(struct seat *s)
{
	struct virtio_console_config config;
	int ret = vdev_config(s->v, 0, &config, sizeof(config), s->err);

	s->multiport = (s->v->features & BIT(VIRTIO_CONSOLE_F_MULTIPORT)) != 0;
	s->ports = ret == 0 && s->multiport ? le32_get(config.max_nr_ports) : 1;
	return ret;
}

static int open_control(struct seat *s)
{
	unsigned i;
	int ret = take_config(s);

	if (ret < 0 || !s->multiport)
		return ret;
	ret = start_queues(s, CONSOLE_RX1Q);
	if (ret == 0)
		ret = take_memory(s, (uint64_t)CTL_SLOTS * CTL_SIZE, &s->ctl_at, &s->ctl);
	for (i = 0; ret == 0 && i < CTL_SLOTS; i++)
		ret = post(s, CONSOLE_CONTROL_RXQ, s->ctl_at, s->ctl, i, CTL_SIZE);
	return ret == 0 ? kick(s, CONSOLE_CONTROL_RXQ) : ret;
}

static int tell(struct seat *s, uint32_t id, uint16_t event)
{
	const struct virtio_console_control m = { le32(id), le16(event), le16(1) };
	int ret = vdev_request(s->v, CONSOLE_CONTROL_TXQ, &m, sizeof(m), NULL, 0, s->err);

	return ret < 0 ? ret : 0;
}

/* 1: a message, 0: none in this time. */
static int hear(struct seat *s, unsigned ms, struct message *ret_m)
{
	struct fe_ring *r = s->v->rings[CONSOLE_CONTROL_RXQ];
	struct fe_used used;
	int ret = fe_ring_wait(r, s->v->fe, ms, s->err);

	if (ret == -ETIMEDOUT)
		return 0;
	if (ret >= 0)
		ret = fe_ring_get(r, &used, s->err);
	if (ret <= 0)
		return ret;
	if (used.len < sizeof(ret_m->head))
		return error_set(s->err, -EPROTO, "a control message of %u bytes", used.len);
	ret_m->size = used.len - (uint32_t)sizeof(ret_m->head);
	memcpy(&ret_m->head, used.token, sizeof(ret_m->head));
	memcpy(ret_m->payload, (uint8_t *)used.token + sizeof(ret_m->head), ret_m->size);
	ret = post(s, CONSOLE_CONTROL_RXQ, s->ctl_at, s->ctl,
		   (unsigned)((uint8_t *)used.token - s->ctl) / CTL_SIZE, CTL_SIZE);
	if (ret == 0)
		ret = kick(s, CONSOLE_CONTROL_RXQ);
	return ret < 0 ? ret : 1;
}

/* -- A look at all ports ------------------------------------------------------- */

static void show(struct out *o, const struct message *m)
{
	static const char *const names[] = { "ready", "add", "remove", "port-ready", "console",
		"resize", "open", "name" };
	struct virtio_console_resize size;
	unsigned event = le16_get(m->head.event);

	out_open(o, NULL);
	out_number(o, "port", le32_get(m->head.id));
	if (event < ARRAY_SIZE(names))
		out_text(o, "event", "%s", names[event]);
	else
		out_number(o, "event", event);
	if (event == VIRTIO_CONSOLE_PORT_NAME) {
		out_text(o, "name", "%.*s", (int)m->size, (const char *)m->payload);
	} else if (event == VIRTIO_CONSOLE_RESIZE && m->size >= sizeof(size)) {
		memcpy(&size, m->payload, sizeof(size));
		out_number(o, "columns", le16_get(size.cols));
		out_number(o, "rows", le16_get(size.rows));
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		out_bool(o, "open", le16_get(m->head.value) != 0);
	}
	out_close(o);
}

static int look(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct seat s = { .v = v, .err = err };
	struct message m;
	int ret = open_control(&s);

	if (ret < 0)
		return ret;
	out_number(o, "ports", s.ports);
	if (!s.multiport)
		return 0;
	out_open_list(o, "messages");
	ret = tell(&s, UINT32_MAX, VIRTIO_CONSOLE_DEVICE_READY);
	while (ret == 0 && (ret = hear(&s, QUIET_MS, &m)) > 0) {
		show(o, &m);
		ret = le16_get(m.head.event) != VIRTIO_CONSOLE_DEVICE_ADD ? 0
			: tell(&s, le32_get(m.head.id), VIRTIO_CONSOLE_PORT_READY);
	}
	out_close(o);
	return ret;
}

/* -- At a port ------------------------------------------------------------------ */

static int await_port(struct seat *s)
{
	struct message m;
	int ret = tell(s, UINT32_MAX, VIRTIO_CONSOLE_DEVICE_READY);

	while (ret == 0) {
		ret = hear(s, s->v->timeout_ms, &m);
		if (ret == 0)
			return error_set(s->err, -ENODEV, "the device does not add port %u", s->id);
		if (ret > 0 && le16_get(m.head.event) == VIRTIO_CONSOLE_DEVICE_ADD &&
		    le32_get(m.head.id) == s->id)
			break;
		ret = ret < 0 ? ret : 0;
	}
	if (ret > 0)
		ret = tell(s, s->id, VIRTIO_CONSOLE_PORT_READY);
	return ret == 0 ? tell(s, s->id, VIRTIO_CONSOLE_PORT_OPEN) : ret;
}

static int sit_down(struct seat *s)
{
	unsigned i;
	int ret = open_control(s);

	if (ret == 0 && s->id >= s->ports)
		ret = error_set(s->err, -ENODEV, "there is no port %u, only %u of them", s->id,
				s->ports);
	s->rxq = s->id == 0 ? CONSOLE_RXQ : 2 * s->id + 2;
	s->txq = s->rxq + 1;
	if (ret == 0)
		ret = start_queues(s, s->txq + 1);
	if (ret == 0)
		ret = take_memory(s, (uint64_t)QUEUE * RX_SIZE, &s->rx_at, &s->rx);
	if (ret == 0)
		ret = take_memory(s, (uint64_t)TX_SLOTS * TX_SIZE, &s->tx_at, &s->tx);
	for (i = 0; ret == 0 && i < QUEUE; i++)
		ret = post(s, s->rxq, s->rx_at, s->rx, i, RX_SIZE);
	for (i = 0; i < TX_SLOTS; i++)
		s->free[s->n_free++] = (uint16_t)i;
	if (ret == 0)
		ret = kick(s, s->rxq);
	return ret == 0 && s->multiport ? await_port(s) : ret;
}

/* What came from the host goes to standard output; its buffers go back. */
static int take_output(struct seat *s)
{
	struct fe_used used;
	uint32_t n, done;
	ssize_t part;
	int ret;

	while ((ret = fe_ring_get(s->v->rings[s->rxq], &used, s->err)) == 1) {
		for (done = 0, n = used.len; done < n; done += (uint32_t)part) {
			part = write(STDOUT_FILENO, (uint8_t *)used.token + done, n - done);
			if (part < 0 && errno != EINTR)
				return error_set(s->err, -errno, "standard output: %s",
						 strerror(errno));
			part = part < 0 ? 0 : part;
		}
		s->got += n;
		ret = post(s, s->rxq, s->rx_at, s->rx,
			   (unsigned)((uint8_t *)used.token - s->rx) / RX_SIZE, RX_SIZE);
		if (ret < 0)
			return ret;
	}
	return ret < 0 ? ret : kick(s, s->rxq);
}

static int reap(struct seat *s)
{
	struct fe_used used;
	int ret;

	while ((ret = fe_ring_get(s->v->rings[s->txq], &used, s->err)) == 1)
		s->free[s->n_free++] = (uint16_t)(((uint8_t *)used.token - s->tx) / TX_SIZE);
	return ret;
}

/* Of standard input; 0: its end. */
static int send_input(struct seat *s)
{
	unsigned slot = s->free[s->n_free - 1];
	uint8_t *at = s->tx + (size_t)slot * TX_SIZE;
	struct fe_seg seg = { s->tx_at + (uint64_t)slot * TX_SIZE, 0 };
	ssize_t n = read(STDIN_FILENO, at, TX_SIZE);
	int ret;

	if (n < 0)
		return errno == EINTR ? 1 : 0;
	if (n == 0)
		return 0;
	seg.len = (uint32_t)n;
	ret = fe_ring_add(s->v->rings[s->txq], &seg, 1, 0, 0, at);
	if (ret < 0)
		return error_set(s->err, ret, "queue %u is full", s->txq);
	s->n_free--;
	s->sent += (uint64_t)n;
	ret = kick(s, s->txq);
	return ret < 0 ? ret : 1;
}

/* Something came, went, or can be read. */
static int await_anything(struct seat *s, bool over)
{
	struct fe_ring *rx = s->v->rings[s->rxq], *tx = s->v->rings[s->txq];
	bool ready = fe_ring_arm(rx, 1);
	int ret = 0;

	if (s->n_free < TX_SLOTS)
		ready = fe_ring_arm(tx, 1) || ready;
	if (!ready)
		ret = fe_rings_sleep(&s->v->rings[s->rxq], 2, s->v->fe,
				     over || s->n_free == 0 ? -1 : STDIN_FILENO, UINT32_MAX,
				     s->err);
	fe_ring_disarm(rx);
	fe_ring_disarm(tx);
	return ret;
}

static bool input_waits(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

static int attach(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	struct seat s = { .v = v, .err = err };
	uint64_t id = 0, most = 0;
	bool over = false;
	int ret = 0;

	if ((n > 0 && num_parse(words[0], 0, UINT16_MAX, &id) < 0) ||
	    (n > 1 && num_parse(words[1], 0, UINT64_MAX, &most) < 0))
		return error_set(err, -EINVAL, "port and number of bytes are numbers");
	s.id = (uint32_t)id;
	ret = sit_down(&s);
	while (ret == 0 && (!over || s.n_free < TX_SLOTS || s.got < most)) {
		ret = take_output(&s);
		if (ret == 0)
			ret = reap(&s);
		while (ret == 0 && !over && s.n_free > 0 && input_waits()) {
			ret = send_input(&s);
			over = ret == 0;
			ret = ret < 0 ? ret : 0;
		}
		if (ret == 0 && (!over || s.n_free < TX_SLOTS || s.got < most))
			ret = await_anything(&s, over);
	}
	if (ret < 0)
		return ret;
	o->file = stderr;
	out_number(o, "bytes_sent", s.sent);
	out_number(o, "bytes_received", s.got);
	return 0;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	memset(out, (int)('a' + number % 26), size);
}

static const struct load load = { .out = 64, .fill = fill };

static const struct action actions[] = {
	{ "attach", "[PORT [BYTES]]", "Be the guest at a port: standard input is what it prints, "
	  "and what it is told goes to standard output; until input is over and, if given, so "
	  "many bytes have come.", 0, 2, attach },
	{ "ports", "", "Show what the guest is told of its ports.", 0, 0, look },
	{ NULL }
};

const struct driver driver_console = {
	"console", .queues = 2, .queue_size = QUEUE, .memory = MEMORY,
	.features = BIT(VIRTIO_CONSOLE_F_SIZE) | BIT(VIRTIO_CONSOLE_F_MULTIPORT),
	.actions = actions, .bench_queue = CONSOLE_TXQ, .bench_queues = 1, .load = &load,
};
