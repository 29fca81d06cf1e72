/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Control messages (virtio 1.4, 5.3.6.2). What a guest is to be told is kept as
 * bits of its port, with the values of the moment when a buffer is there: so
 * nothing is lost when there is none, and nothing piles up.
 *
 *   absent --plugged, driver ready--> ADD told --PORT_READY--> CONSOLE_PORT,
 *   RESIZE, PORT_NAME, PORT_OPEN told --unplugged--> REMOVE told, absent
 *
 * A driver that comes back from suspend says PORT_READY without DEVICE_READY
 * before: to say so is to know the port.
 */
#include <errno.h>
#include <string.h>

#include "console.h"

static const char too_short[] = "a control message that is too short";
static const char no_room[] = "a buffer without room for a control message";

struct message {
	struct virtio_console_control head;
	uint8_t payload[CONSOLE_NAME_MAX];
	size_t size;
};

static void add_payload(struct message *m, const void *p, size_t n)
{
	memcpy(m->payload, p, n);
	m->size += n;
}

static struct message make_message(const struct port *p, unsigned tell)
{
	struct virtio_console_resize size = { le16(p->cols), le16(p->rows) };
	struct message m = { .head = { .id = le32(p->id) }, .size = sizeof(m.head) };
	unsigned event, value = 0;

	switch (tell) {
	case TELL_REMOVE:
		event = VIRTIO_CONSOLE_DEVICE_REMOVE;
		break;
	case TELL_ADD:
		event = VIRTIO_CONSOLE_DEVICE_ADD;
		break;
	case TELL_CONSOLE:
		event = VIRTIO_CONSOLE_CONSOLE_PORT;
		value = 1;
		break;
	case TELL_SIZE:
		event = VIRTIO_CONSOLE_RESIZE;
		if (p->con->conf->resize_order != 0)
			size = (struct virtio_console_resize){ size.rows, size.cols };
		add_payload(&m, &size, sizeof(size));
		break;
	case TELL_NAME:
		event = VIRTIO_CONSOLE_PORT_NAME;
		add_payload(&m, p->conf->name, strlen(p->conf->name));
		break;
	default:
		event = VIRTIO_CONSOLE_PORT_OPEN;
		value = p->console || p->host_open;
		break;
	}
	m.head.event = le16((uint16_t)event);
	m.head.value = le16((uint16_t)value);
	return m;
}

/* A buffer that is too small comes back empty, and the message waits for another. */
static bool send_message(struct console *con, const struct message *m)
{
	struct chain *c;

	while ((c = queue_pop(con->control_rx)) != NULL) {
		if (chain_put_size(c) < m->size) {
			chain_fail(c, no_room);
			continue;
		}
		chain_put(c, &m->head, sizeof(m->head));
		chain_put(c, m->payload, m->size - sizeof(m->head));
		chain_done(c);
		return true;
	}
	return false;
}

static bool tell_one(struct port *p, unsigned bit)
{
	struct message m = make_message(p, bit);

	if (!send_message(p->con, &m))
		return false;
	p->tell &= (uint8_t)~bit;
	if (bit == TELL_ADD)
		p->added = true;
	return true;
}

void control_to_guest(struct console *con)
{
	unsigned i, bit;
	struct port *p;

	if (con->control_rx == NULL || !queue_running(con->control_rx))
		return;
	for (i = 0; i < con->n_ports; i++) {
		p = &con->ports[i];
		for (bit = TELL_REMOVE; p->tell != 0 && bit <= TELL_OPEN; bit <<= 1) {
			if ((p->tell & bit) != 0 && !tell_one(p, bit))
				return;
		}
	}
}

void control_tell(struct port *p, unsigned bits)
{
	if (!console_multiport(p->con))
		return;
	p->tell |= (uint8_t)bits;
	control_to_guest(p->con);
}

/* All that is worth knowing of a port that the guest has. */
static void introduce(struct port *p)
{
	unsigned bits = 0;

	if (p->console)
		bits |= TELL_CONSOLE;
	if (p->console && p->cols > 0 && p->rows > 0)
		bits |= TELL_SIZE;
	if (p->conf->name != NULL && p->conf->name[0] != '\0')
		bits |= TELL_NAME;
	if (p->console || p->host_open)
		bits |= TELL_OPEN;
	p->tell |= (uint8_t)bits;
}

void port_set_size(struct port *p, uint16_t cols, uint16_t rows)
{
	struct virtio_console_config *config = instance_config(p->con->in);

	if (p->cols == cols && p->rows == rows)
		return;
	p->cols = cols;
	p->rows = rows;
	if (p->id == 0) {
		config->cols = le16(cols);
		config->rows = le16(rows);
		if (!console_multiport(p->con))
			instance_config_changed(p->con->in);
	}
	if (p->console && p->added)
		control_tell(p, TELL_SIZE);
}

void port_set_host_open(struct port *p, bool open)
{
	if (p->host_open == open)
		return;
	p->host_open = open;
	if (p->added && !p->console)
		control_tell(p, TELL_OPEN);
}

int port_plug(struct port *p, bool plug)
{
	bool told = p->added;

	if (p->plugged == plug)
		return -EALREADY;
	p->plugged = plug;
	if (plug) {
		if (p->con->device_ready)
			control_tell(p, TELL_ADD);
		return 0;
	}
	p->added = p->guest_open = false;
	p->tell &= TELL_REMOVE;
	if (told)
		control_tell(p, TELL_REMOVE);
	return 0;
}

/* ---- from the guest ---- */

static void device_ready(struct console *con, bool ok)
{
	unsigned i;

	con->device_ready = ok;
	for (i = 0; i < con->n_ports && ok; i++) {
		if (con->ports[i].plugged && !con->ports[i].added)
			con->ports[i].tell |= TELL_ADD;
	}
}

static void port_ready(struct port *p, bool ok)
{
	if (!ok) {
		log_limited(&p->con->limit, LOG_LEVEL_WARN, p->con->in,
			    "the guest cannot use port %u", p->id);
		return;
	}
	p->con->device_ready = true;
	if (!p->plugged) {
		p->tell |= TELL_REMOVE;
		return;
	}
	p->added = true;
	p->tell &= TELL_OPEN;
	introduce(p);
}

static void port_open(struct port *p, bool open)
{
	p->guest_open = open && p->plugged;
	if (!open)
		return;
	input_run(p);
	output_run(p);
}

static void take_message(struct console *con, const struct virtio_console_control *m)
{
	uint32_t id = le32_get(m->id);
	bool value = le16_get(m->value) != 0;
	unsigned event = le16_get(m->event);
	struct port *p = id < con->n_ports ? &con->ports[id] : NULL;

	instance_stat(con->in, CONSOLE_MESSAGES, 1);
	if (event == VIRTIO_CONSOLE_DEVICE_READY)
		device_ready(con, value);
	else if (p != NULL && event == VIRTIO_CONSOLE_PORT_READY)
		port_ready(p, value);
	else if (p != NULL && event == VIRTIO_CONSOLE_PORT_OPEN)
		port_open(p, value);
	else
		instance_stat(con->in, CONSOLE_BAD, 1);
}

void control_from_guest(struct console *con)
{
	struct virtio_console_control m;
	struct chain *c;

	while ((c = queue_pop(con->control_tx)) != NULL) {
		if (chain_get_size(c) < sizeof(m) || !chain_get(c, &m, sizeof(m))) {
			instance_stat(con->in, CONSOLE_BAD, 1);
			chain_fail(c, too_short);
			continue;
		}
		chain_done(c);
		take_message(con, &m);
	}
	control_to_guest(con);
}

/* ---- life ---- */

void control_reset(struct console *con)
{
	struct port *p;
	unsigned i;

	con->device_ready = con->met = false;
	for (i = 0; i < con->n_ports; i++) {
		p = &con->ports[i];
		p->added = p->guest_open = false;
		p->tell = 0;
		p->resume = 0;
	}
}

void control_resume(struct console *con)
{
	struct port *p;
	unsigned i;

	con->device_ready = true;
	for (i = 0; i < con->n_ports; i++) {
		p = &con->ports[i];
		p->added = p->guest_open = p->plugged;
		if (p->plugged)
			introduce(p);
		if (p->plugged && !p->console)
			p->tell |= TELL_OPEN;
	}
}
