/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio CAN device (virtio 1.4, "CAN Device"): a controller on a bus.
 *
 *   stopped  --START--> started       backlog empty, status bit cleared
 *   started  --STOP, reset--> stopped what is to be sent comes back NOT_OK
 *   started  --bus-off, bus down--> bus-off: the same, status bit set, driver told
 *   bus-off  --START--> started
 *
 * Both control messages are right in every state: a guest that was reset without
 * a STOP sends START to a controller that is started. A START on a bus that is
 * down succeeds too and is followed by bus-off, after a while: Linux ignores
 * bus-off before it has seen the answer to START, and its automatic restart
 * ends with the first START that fails. STOP is answered when nothing is left
 * to be sent, in the ring neither, which may take turns of the loop.
 *
 * A frame to be sent is done when the bus took it, or with LATE_TX_ACK when it
 * was on the bus. It waits while the host has no room; then later ones wait in
 * the ring, so that the order is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "can.h"
#include "vhost-device/num.h"
#include "wire/virtio-can.h"

static const uint64_t MS = 1000ULL * 1000, RETRY_FIRST = 500ULL * 1000,
	RETRY_LAST = 16ULL * 1000 * 1000, NOTICE_DELAY = 100ULL * 1000 * 1000,
	BURST = 10ULL * 1000 * 1000;

enum { FAULTS_MAX = 1000000000 };

enum can_counter {
	CAN_TX, CAN_TX_REJECTED, CAN_TX_STOPPED, CAN_TX_DENIED, CAN_TX_FAILED, CAN_TX_TIMEOUTS,
	CAN_RX, CAN_RX_DROPPED, CAN_RX_LOST, CAN_RX_FILTERED, CAN_RX_UNSUPPORTED, CAN_RX_SHORT,
	CAN_BUS_OFF, CAN_COUNTERS,
};

struct can_conf {
	char *node;
};

enum { FAULT_REFUSE, FAULT_LOSE, FAULTS };

struct can {
	struct instance *in;
	struct can_node node;
	struct port *port;
	struct bridge *bridges[CAN_IFACES_MAX];
	bool started, bus_off, stalled;
	bool heard_brs;                 /* in the last FD frame from the bus */
	struct canfd_frame *backlog;    /* for the guest, which has no buffers */
	unsigned head, n;
	struct chain *blocked;          /* the port cannot take it yet */
	struct chain *stopping;         /* a STOP, until what the ring holds has come back */
	uint64_t retry_ns, next_ns;     /* pause before the next try; when rate allows a frame */
	uint64_t started_ns;
	struct timer retry, ack, notice;
	bool ack_set, notice_set;
	uint32_t faults[FAULTS];        /* frames that are yet to be hit */
	uint64_t counts[CAN_COUNTERS];
	struct log_limit log;
};

/* A frame under way: chain_req() of the transmit queue. */
struct tx {
	struct canfd_frame frame;
	bool waits;                     /* for its confirmation, until: */
	uint64_t deadline;
};

/* What is wrong with a frame of the driver. */
enum verdict {
	FINE, SHORT, NO_RESULT, BAD_TYPE, BAD_FLAGS, BAD_LENGTH, BAD_ID, NOT_NEGOTIATED, RTR_FD,
	CUT,
};

static const char *const verdicts[] = {
	[SHORT] = "shorter than its header", [NO_RESULT] = "no room for the result",
	[BAD_TYPE] = "no message to send", [BAD_FLAGS] = "undefined flags",
	[BAD_LENGTH] = "no length of a frame", [BAD_ID] = "identifier out of range",
	[NOT_NEGOTIATED] = "a kind of frame that was not negotiated",
	[RTR_FD] = "a remote frame cannot be FD", [CUT] = "fewer bytes than its length",
};

static void tx_serve(struct can *c);
static void rx_serve(struct can *c);
static void control_serve(struct can *c);

static void count(struct can *c, enum can_counter which, uint64_t n)
{
	c->counts[which] += n;
	instance_stat(c->in, which, n);
}

static bool negotiated(const struct can *c, unsigned feature)
{
	return (instance_features(c->in) & BIT(feature)) != 0;
}

static uint64_t now_of(const struct can *c)
{
	return loop_now(instance_loop(c->in));
}

static void answer(struct chain *ch, uint8_t result)
{
	chain_put(ch, &result, sizeof(result));
	chain_done(ch);
}

/* ---- to the bus ---- */

static enum verdict check_flags(const struct can *c, uint32_t flags, unsigned length)
{
	bool fd = (flags & VIRTIO_CAN_FLAGS_FD) != 0, rtr = (flags & VIRTIO_CAN_FLAGS_RTR) != 0;

	if ((flags & ~(uint32_t)(VIRTIO_CAN_FLAGS_EXTENDED | VIRTIO_CAN_FLAGS_FD |
				 VIRTIO_CAN_FLAGS_RTR)) != 0)
		return BAD_FLAGS;
	if (fd && rtr)
		return RTR_FD;
	if (!negotiated(c, fd ? VIRTIO_CAN_F_CAN_FD : VIRTIO_CAN_F_CAN_CLASSIC) ||
	    (rtr && !negotiated(c, VIRTIO_CAN_F_RTR_FRAMES)))
		return NOT_NEGOTIATED;
	return can_length_fits(length, fd) ? FINE : BAD_LENGTH;
}

/* virtio has no bit for it. */
static bool sends_brs(const struct can *c)
{
	return c->node.brs == BRS_COPY ? c->heard_brs : c->node.brs == BRS_ON;
}

static enum verdict read_header(const struct can *c, const struct virtio_can_hdr *hdr,
				struct canfd_frame *f)
{
	uint32_t flags = le32_get(hdr->flags), id = le32_get(hdr->can_id);
	bool extended = (flags & VIRTIO_CAN_FLAGS_EXTENDED) != 0;
	enum verdict v;

	if (le16_get(hdr->msg_type) != VIRTIO_CAN_TX)
		return BAD_TYPE;
	v = check_flags(c, flags, le16_get(hdr->length));
	if (v != FINE)
		return v;
	if (id > (extended ? CAN_EFF_MASK : CAN_SFF_MASK))
		return BAD_ID;
	f->can_id = id | (extended ? CAN_EFF_FLAG : 0);
	f->len = (uint8_t)le16_get(hdr->length);
	if ((flags & VIRTIO_CAN_FLAGS_FD) != 0)
		f->flags = CANFD_FDF | (sends_brs(c) ? CANFD_BRS : 0);
	if ((flags & VIRTIO_CAN_FLAGS_RTR) != 0)
		f->can_id |= CAN_RTR_FLAG;
	return FINE;
}

static enum verdict read_frame(const struct can *c, struct chain *ch, struct canfd_frame *f)
{
	struct virtio_can_hdr hdr;
	enum verdict v;

	if (chain_put_size(ch) == 0)
		return NO_RESULT;
	if (chain_get_size(ch) < sizeof(hdr) || !chain_get(ch, &hdr, sizeof(hdr)))
		return SHORT;
	v = read_header(c, &hdr, f);
	if (v != FINE)
		return v;
	/* A remote frame has a length and no bytes; what the driver sends for them is read. */
	if (chain_get_left(ch) < f->len || !chain_get(ch, f->data, f->len))
		return CUT;
	if ((f->can_id & CAN_RTR_FLAG) != 0)
		memset(f->data, 0, sizeof(f->data));
	return FINE;
}

static void tx_reject(struct can *c, struct chain *ch, enum verdict v)
{
	const uint8_t result = VIRTIO_CAN_RESULT_NOT_OK;

	count(c, CAN_TX_REJECTED, 1);
	if (v != NO_RESULT)
		chain_put(ch, &result, sizeof(result));
	chain_fail(ch, verdicts[v]);
}

static void tx_fail(struct can *c, struct chain *ch, enum can_counter why)
{
	count(c, why, 1);
	answer(ch, VIRTIO_CAN_RESULT_NOT_OK);
}

static void set_notice(struct can *c)
{
	if (c->notice_set)
		return;
	c->notice_set = true;
	timer_set(&c->notice, now_of(c) + NOTICE_DELAY);
}

static void await_ack(struct can *c, struct tx *tx)
{
	tx->waits = true;
	tx->deadline = now_of(c) + c->node.ack_timeout_ms * MS;
	if (!c->ack_set) {
		c->ack_set = true;
		timer_set(&c->ack, tx->deadline);
	}
}

static bool fault_hits(struct can *c, unsigned fault)
{
	if (c->faults[fault] == 0)
		return false;
	c->faults[fault]--;
	return true;
}

static int try_port(struct can *c, const struct canfd_frame *f)
{
	if (c->stalled)
		return -EAGAIN;
	if (fault_hits(c, FAULT_REFUSE))
		return -EIO;
	if (fault_hits(c, FAULT_LOSE))
		return PORT_SENT;
	return c->port->ops->send(c->port, f);
}

/* As candump writes it. */
static void trace(const struct can *c, const char *what, const struct canfd_frame *f)
{
	char text[CAN_TEXT_SIZE];

	if (!log_enabled(LOG_LEVEL_TRACE))
		return;
	can_text(text, f);
	log_trace(c->in, "%s %s %s", c->port->name, text, what);
}

/* false: it has to wait. */
static bool tx_send(struct can *c, struct chain *ch)
{
	struct tx *tx = chain_req(ch);
	int ret = try_port(c, &tx->frame);

	if (ret == -EAGAIN) {
		c->blocked = ch;
		timer_set(&c->retry, now_of(c) + c->retry_ns);
		if (c->retry_ns < RETRY_LAST)
			c->retry_ns *= 2;
		return false;
	}
	c->blocked = NULL;
	c->retry_ns = RETRY_FIRST;
	trace(c, ret < 0 ? "cannot be sent" : "sent", &tx->frame);
	if (ret < 0) {
		log_limited(&c->log, LOG_LEVEL_WARN, c->in, "%s: a frame cannot be sent: %s",
			    c->port->name, strerror(-ret));
		tx_fail(c, ch, CAN_TX_FAILED);
		return true;
	}
	if (ret == PORT_CONFIRMS) {
		await_ack(c, tx);
		return true;
	}
	count(c, CAN_TX, 1);
	answer(ch, VIRTIO_CAN_RESULT_OK);
	return true;
}

static void tx_take(struct can *c, struct chain *ch)
{
	struct tx *tx = chain_req(ch);
	enum verdict v = read_frame(c, ch, &tx->frame);

	if (v != FINE) {
		tx_reject(c, ch, v);
	} else if (!c->started) {
		/* A driver that sends in bus-off has not heard of it. */
		if (c->bus_off)
			set_notice(c);
		tx_fail(c, ch, CAN_TX_STOPPED);
	} else if (!c->node.tx || !can_rules_pass(&c->node.tx_rules, tx->frame.can_id)) {
		tx_fail(c, ch, CAN_TX_DENIED);
	} else {
		c->next_ns += c->node.rate > 0 ? 1000 * MS / c->node.rate : 0;
		tx_send(c, ch);
	}
}

/* At most so many a second, over any BURST of time. */
static bool rate_allows(struct can *c)
{
	uint64_t now;

	if (c->node.rate == 0 || !c->started)
		return true;
	now = now_of(c);
	if (c->next_ns < now)
		c->next_ns = now;
	if (c->next_ns <= now + BURST)
		return true;
	timer_set(&c->retry, c->next_ns - BURST);
	return false;
}

static void tx_serve(struct can *c)
{
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_TXQ);
	struct chain *ch;

	if (c->blocked != NULL && !tx_send(c, c->blocked))
		return;
	while (c->blocked == NULL && rate_allows(c) && (ch = queue_pop(q)) != NULL)
		tx_take(c, ch);
	if (c->stopping != NULL && !queue_spent(q)) {
		answer(take_ptr(c->stopping), VIRTIO_CAN_RESULT_OK);
		control_serve(c);
	}
}

static void retry_fired(struct timer *t)
{
	tx_serve(container_of(t, struct can, retry));
}

/* Everything that is under way ends, oldest first. */
static void tx_cancel(struct can *c)
{
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_TXQ);
	struct chain *ch;

	c->blocked = NULL;
	c->retry_ns = RETRY_FIRST;
	c->ack_set = false;
	timer_set(&c->retry, 0);
	timer_set(&c->ack, 0);
	while ((ch = queue_next(q, NULL)) != NULL)
		tx_fail(c, ch, CAN_TX_STOPPED);
}

/* The first of those that wait, or NULL. */
static struct chain *next_waiting(struct queue *q, struct chain *ch)
{
	do {
		ch = queue_next(q, ch);
	} while (ch != NULL && !((const struct tx *)chain_req(ch))->waits);
	return ch;
}

static void ack_fired(struct timer *t)
{
	struct can *c = container_of(t, struct can, ack);
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_TXQ);
	struct chain *ch;
	struct tx *tx;

	c->ack_set = false;
	while ((ch = next_waiting(q, NULL)) != NULL) {
		tx = chain_req(ch);
		if (tx->deadline > now_of(c)) {
			c->ack_set = true;
			timer_set(t, tx->deadline);
			return;
		}
		tx_fail(c, ch, CAN_TX_TIMEOUTS);
	}
}

static bool same_frame(const struct canfd_frame *a, const struct canfd_frame *b)
{
	return a->can_id == b->can_id && a->len == b->len &&
		((a->flags ^ b->flags) & CANFD_FDF) == 0 &&
		((a->can_id & CAN_RTR_FLAG) != 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* ---- from the bus ---- */

static void write_frame(struct chain *ch, const struct canfd_frame *f)
{
	bool extended = (f->can_id & CAN_EFF_FLAG) != 0;
	const struct virtio_can_hdr hdr = {
		.msg_type = le16(VIRTIO_CAN_RX), .length = le16(f->len),
		.flags = le32((extended ? VIRTIO_CAN_FLAGS_EXTENDED : 0U) |
			      ((f->flags & CANFD_FDF) != 0 ? VIRTIO_CAN_FLAGS_FD : 0U) |
			      ((f->can_id & CAN_RTR_FLAG) != 0 ? VIRTIO_CAN_FLAGS_RTR : 0U)),
		.can_id = le32(f->can_id & (extended ? CAN_EFF_MASK : CAN_SFF_MASK)),
	};

	chain_put(ch, &hdr, sizeof(hdr));
	chain_put(ch, f->data, f->len);
	chain_done(ch);
}

/* false: the guest has no buffer. */
static bool rx_write(struct can *c, const struct canfd_frame *f)
{
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_RXQ);
	const size_t least = sizeof(struct virtio_can_hdr);
	struct chain *ch;

	/* A buffer that is good for no frame at all goes back. */
	while ((ch = queue_pop(q)) != NULL && chain_put_size(ch) < least)
		chain_fail(ch, "a buffer without room for a header");
	if (ch == NULL)
		return false;
	if (chain_put_size(ch) < least + f->len) {
		count(c, CAN_RX_SHORT, 1);
		chain_return(ch);
		return true;
	}
	count(c, CAN_RX, 1);
	trace(c, "received", f);
	write_frame(ch, f);
	return true;
}

static void backlog_put(struct can *c, const struct canfd_frame *f)
{
	if (c->n == c->node.backlog) {
		count(c, CAN_RX_DROPPED, 1);
		if (c->node.full != FULL_OLDEST)
			return;
		c->head = (c->head + 1) % c->node.backlog;
		c->n--;
	}
	c->backlog[(c->head + c->n++) % c->node.backlog] = *f;
}

static void rx_serve(struct can *c)
{
	bool was_full = c->n == c->node.backlog;

	while (c->n > 0 && rx_write(c, &c->backlog[c->head])) {
		c->head = (c->head + 1) % c->node.backlog;
		c->n--;
	}
	if (was_full && c->n < c->node.backlog && c->node.full == FULL_WAIT)
		c->port->ops->more(c->port);
}

static bool rx_supported(const struct can *c, const struct canfd_frame *f)
{
	if ((f->flags & CANFD_FDF) != 0)
		return negotiated(c, VIRTIO_CAN_F_CAN_FD);
	return negotiated(c, VIRTIO_CAN_F_CAN_CLASSIC) &&
		((f->can_id & CAN_RTR_FLAG) == 0 || negotiated(c, VIRTIO_CAN_F_RTR_FRAMES));
}

static struct can *can_of(struct port *p)
{
	return p->owner;
}

static void can_receive(struct port *p, const struct canfd_frame *f)
{
	struct can *c = can_of(p);

	if (!c->started)
		return;
	if ((f->flags & CANFD_FDF) != 0)
		c->heard_brs = (f->flags & CANFD_BRS) != 0;
	if (!c->node.rx || !can_rules_pass(&c->node.rx_rules, f->can_id))
		count(c, CAN_RX_FILTERED, 1);
	else if (!rx_supported(c, f))
		count(c, CAN_RX_UNSUPPORTED, 1);
	else if (c->n > 0 || !rx_write(c, f))
		backlog_put(c, f);
}

/* Frames come back in the order they went; one that got lost on the way runs into its time. */
static void can_confirmed(struct port *p, const struct canfd_frame *f)
{
	struct can *c = can_of(p);
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_TXQ);
	struct chain *ch = next_waiting(q, NULL);

	while (ch != NULL && !same_frame(&((const struct tx *)chain_req(ch))->frame, f))
		ch = next_waiting(q, ch);
	if (ch == NULL)
		return;
	count(c, CAN_TX, 1);
	answer(ch, VIRTIO_CAN_RESULT_OK);
}

static unsigned can_room(struct port *p)
{
	const struct can *c = can_of(p);

	return c->node.full == FULL_WAIT ? c->node.backlog - c->n : UINT32_MAX;
}

/* ---- the controller ---- */

static void halt(struct can *c)
{
	c->started = false;
	c->n = 0;
	tx_cancel(c);
	/* And those behind them, still in the ring: the driver need not kick for them again. */
	tx_serve(c);
	c->port->ops->stop(c->port);
}

static void go_bus_off(struct can *c, const char *why)
{
	struct virtio_can_config *config = instance_config(c->in);

	if (!c->started)
		return;
	log_limited(&c->log, LOG_LEVEL_WARN, c->in, "%s: bus-off: %s", c->port->name, why);
	count(c, CAN_BUS_OFF, 1);
	halt(c);
	c->bus_off = true;
	config->status = le16(VIRTIO_CAN_S_CTRL_BUSOFF);
	instance_config_changed(c->in);
	/* The driver may not have seen the answer to START yet: it will be told again. */
	if (now_of(c) < c->started_ns + NOTICE_DELAY)
		set_notice(c);
}

static void set_stopped(struct can *c)
{
	struct virtio_can_config *config = instance_config(c->in);

	c->bus_off = c->notice_set = false;
	timer_set(&c->notice, 0);
	config->status = le16(0);
}

static bool down_matters(const struct can *c)
{
	return c->port->down && c->node.down_is_bus_off;
}

static int control_start(struct can *c)
{
	int ret;

	set_stopped(c);
	ret = c->port->ops->start(c->port, negotiated(c, VIRTIO_CAN_F_LATE_TX_ACK));
	if (ret < 0) {
		log_limited(&c->log, LOG_LEVEL_WARN, c->in, "%s: cannot be started: %s",
			    c->port->name, strerror(-ret));
		halt(c);
		return ret;
	}
	c->n = 0;
	c->heard_brs = false;
	c->started = true;
	c->started_ns = now_of(c);
	if (down_matters(c))
		set_notice(c);
	return 0;
}

static void control_stop(struct can *c)
{
	set_stopped(c);
	halt(c);
}

static void notice_fired(struct timer *t)
{
	struct can *c = container_of(t, struct can, notice);

	c->notice_set = false;
	if (c->bus_off)
		instance_config_changed(c->in);
	else if (down_matters(c))
		go_bus_off(c, "it is down");
}

static void can_event(struct port *p, enum port_event event, uint64_t n)
{
	struct can *c = can_of(p);

	switch (event) {
	case PORT_UP:
		log_info(c->in, "%s: up", p->name);
		break;
	case PORT_DOWN:
		if (c->node.down_is_bus_off)
			go_bus_off(c, "it went down");
		break;
	case PORT_BUS_OFF:
		go_bus_off(c, "its controller has left the bus");
		break;
	case PORT_LOST:
		count(c, CAN_RX_LOST, n);
		break;
	}
}

static const struct port_user can_user = {
	.receive = can_receive, .confirmed = can_confirmed, .event = can_event, .room = can_room,
};

static void control_one(struct can *c, struct chain *ch)
{
	struct virtio_can_control req;
	uint8_t result = VIRTIO_CAN_RESULT_OK;
	unsigned type;

	if (chain_put_size(ch) == 0 || chain_get_size(ch) < sizeof(req) ||
	    !chain_get(ch, &req, sizeof(req))) {
		if (chain_put_size(ch) > 0)
			chain_put(ch, &(uint8_t){ VIRTIO_CAN_RESULT_NOT_OK }, 1);
		chain_fail(ch, "a control message that is too short");
		return;
	}
	type = le16_get(req.msg_type);
	if (type == VIRTIO_CAN_SET_CTRL_MODE_START) {
		if (control_start(c) < 0)
			result = VIRTIO_CAN_RESULT_NOT_OK;
	} else if (type == VIRTIO_CAN_SET_CTRL_MODE_STOP) {
		control_stop(c);
		if (queue_spent(instance_queue(c->in, VIRTIO_CAN_TXQ))) {
			c->stopping = ch;
			return;
		}
	} else {
		chain_put(ch, &(uint8_t){ VIRTIO_CAN_RESULT_NOT_OK }, 1);
		chain_fail(ch, "no such control message");
		return;
	}
	answer(ch, result);
}

static void control_serve(struct can *c)
{
	struct queue *q = instance_queue(c->in, VIRTIO_CAN_CONTROLQ);
	struct chain *ch;

	while (c->stopping == NULL && (ch = queue_pop(q)) != NULL)
		control_one(c, ch);
}

/* ---- the device ---- */

static void tx_handle(struct queue *q)
{
	tx_serve(instance_state(queue_instance(q)));
}

static void rx_handle(struct queue *q)
{
	rx_serve(instance_state(queue_instance(q)));
}

static void control_handle(struct queue *q)
{
	control_serve(instance_state(queue_instance(q)));
}

/*
 * A pause. The frame that waits for room was not sent and goes back to the
 * ring. Those that wait for their confirmation were, and may not be sent again.
 */
static void can_stop(struct queue *q)
{
	struct can *c = instance_state(queue_instance(q));

	/* Without either queue it need not wait for the other. */
	if (queue_index(q) != VIRTIO_CAN_RXQ && c->stopping != NULL)
		answer(take_ptr(c->stopping), VIRTIO_CAN_RESULT_OK);
	if (queue_index(q) != VIRTIO_CAN_TXQ)
		return;
	if (c->blocked != NULL && chain_newest(c->blocked))
		chain_return(take_ptr(c->blocked));
	tx_cancel(c);
}

static void can_reset(struct instance *in, enum reset_why why)
{
	control_stop(instance_state(in));
}

static int can_negotiated(struct instance *in, uint64_t features)
{
	if ((features & (BIT(VIRTIO_CAN_F_CAN_CLASSIC) | BIT(VIRTIO_CAN_F_CAN_FD))) == 0)
		return -EINVAL;
	if ((features & BIT(VIRTIO_CAN_F_RTR_FRAMES)) != 0 &&
	    (features & BIT(VIRTIO_CAN_F_CAN_CLASSIC)) == 0)
		return -EINVAL;
	return 0;
}

static int parse_node(const struct can_conf *conf, struct can_node *node, struct error *err)
{
	if (can_node_parse(conf->node, node, err) < 0)
		return error_prefix(err, "--can-devices %s: ", conf->node);
	return 0;
}

static int can_check(void *conf, struct error *err)
{
	struct can_node node;

	return parse_node(conf, &node, err);
}

static void offer(struct can *c)
{
	const struct can_node *n = &c->node;
	uint64_t features = n->rtr ? BIT(VIRTIO_CAN_F_RTR_FRAMES) : 0;

	if (n->fd == SWITCH_ON || (n->fd == SWITCH_AUTO && c->port->fd))
		features |= BIT(VIRTIO_CAN_F_CAN_FD);
	if (n->late_ack == SWITCH_ON || (n->late_ack == SWITCH_AUTO && c->port->confirms))
		features |= BIT(VIRTIO_CAN_F_LATE_TX_ACK);
	instance_offer(c->in, features);
}

static int can_open(struct instance *in, struct error *err)
{
	struct can *c = instance_state(in);
	struct loop *loop = instance_loop(in);
	unsigned i;
	int ret;

	c->in = in;
	c->retry_ns = RETRY_FIRST;
	timer_init(&c->retry, loop, retry_fired);
	timer_init(&c->ack, loop, ack_fired);
	timer_init(&c->notice, loop, notice_fired);
	ret = parse_node(instance_conf(in), &c->node, err);
	if (ret < 0)
		return ret;
	c->backlog = calloc(c->node.backlog, sizeof(*c->backlog));
	if (c->backlog == NULL)
		return error_set(err, -ENOMEM, "no memory for %u frames", c->node.backlog);
	if (c->node.bus[0] != '\0')
		c->port = bus_port_open(in, loop, c->node.bus, &c->node, &can_user, err);
	else
		c->port = host_port_open(in, loop, c->node.ifaces[0], &c->node, &can_user, err);
	if (c->port == NULL)
		return -ENODEV;
	c->port->owner = c;
	for (i = 0; c->node.bus[0] != '\0' && i < c->node.n_ifaces; i++) {
		c->bridges[i] = bridge_open(in, loop, &c->node, c->node.ifaces[i], err);
		if (c->bridges[i] == NULL)
			return -ENODEV;
	}
	offer(c);
	return 0;
}

static void can_close(struct instance *in)
{
	struct can *c = instance_state(in);
	unsigned i;

	for (i = 0; i < CAN_IFACES_MAX; i++)
		bridge_close(take_ptr(c->bridges[i]));
	if (c->port != NULL)
		c->port->ops->close(take_ptr(c->port));
	timer_finish(&c->retry);
	timer_finish(&c->ack);
	timer_finish(&c->notice);
	free(take_ptr(c->backlog));
}

/* ---- from outside ---- */

static const char *const can_counters[] = {
	[CAN_TX] = "tx_frames", [CAN_TX_REJECTED] = "tx_rejected",
	[CAN_TX_STOPPED] = "tx_stopped", [CAN_TX_DENIED] = "tx_denied",
	[CAN_TX_FAILED] = "tx_failed", [CAN_TX_TIMEOUTS] = "tx_timeouts",
	[CAN_RX] = "rx_frames", [CAN_RX_DROPPED] = "rx_dropped", [CAN_RX_LOST] = "rx_lost",
	[CAN_RX_FILTERED] = "rx_filtered", [CAN_RX_UNSUPPORTED] = "rx_unsupported",
	[CAN_RX_SHORT] = "rx_short", [CAN_BUS_OFF] = "bus_off", NULL,
};

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	const struct can *c = instance_state(in);
	unsigned i;

	control_say(r, "%s%s %s%s\n", c->port->name, c->port->down ? " (down)" : "",
		    c->bus_off ? "bus-off" : c->started ? "started" : "stopped",
		    c->stalled ? " stalled" : "");
	for (i = 0; i < CAN_COUNTERS; i++)
		control_say(r, "%s %llu\n", can_counters[i], (unsigned long long)c->counts[i]);
	for (i = 0; i < CAN_IFACES_MAX && c->bridges[i] != NULL; i++)
		control_say(r, "bridge_%s_dropped %llu\n", c->node.ifaces[i],
			    (unsigned long long)bridge_dropped(c->bridges[i]));
	return 0;
}

static int do_bus_off(struct instance *in, struct said *r, char **words, unsigned n,
		      struct error *err)
{
	struct can *c = instance_state(in);

	if (!c->started)
		return error_set(err, -ENETDOWN, "the guest has not started its controller");
	go_bus_off(c, "the operator wants it");
	return 0;
}

static int do_send(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	struct can *c = instance_state(in);
	struct canfd_frame f;
	unsigned i;

	if (c->node.bus[0] == '\0')
		return error_set(err, -EPERM, "%s is an interface of the host: use cansend",
				 c->port->name);
	for (i = 0; i < n; i++) {
		if (can_text_parse(words[i], &f) < 0)
			return error_set(err, -EINVAL, "%s is no frame, as in 123#1122, "
					 "12345678#R4 or 123##0aabb", words[i]);
	}
	for (i = 0; i < n; i++) {
		can_text_parse(words[i], &f);
		bus_inject(c->port, &f);
	}
	return 0;
}

static int set_fault(struct can *c, unsigned fault, const char *word, struct error *err)
{
	uint64_t n;

	if (num_parse(word, 0, FAULTS_MAX, &n) < 0)
		return error_set(err, -EINVAL, "%s is no number up to %d", word, FAULTS_MAX);
	c->faults[fault] = (uint32_t)n;
	return 0;
}

static int do_refuse(struct instance *in, struct said *r, char **words, unsigned n,
		     struct error *err)
{
	return set_fault(instance_state(in), FAULT_REFUSE, words[0], err);
}

static int do_lose(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	return set_fault(instance_state(in), FAULT_LOSE, words[0], err);
}

static int do_stall(struct instance *in, struct said *r, char **words, unsigned n,
		    struct error *err)
{
	struct can *c = instance_state(in);

	if (strcmp(words[0], "on") != 0 && strcmp(words[0], "off") != 0)
		return error_set(err, -EINVAL, "%s is not on or off", words[0]);
	c->stalled = words[0][1] == 'n';
	return 0;
}

static const struct device_command can_commands[] = {
	{ "show", "", "State and counters.", 0, 0, do_show },
	{ "bus-off", "", "Take the guest's controller off the bus, as after too many errors; the "
	  "guest may start it again.", 0, 0, do_bus_off },
	{ "send", "FRAME...", "Put frames on the bus inside this process, as one more node.", 1,
	  30, do_send },
	{ "refuse", "N", "The guest's next N frames fail.", 1, 1, do_refuse },
	{ "lose", "N", "The guest's next N frames get lost without a trace.", 1, 1, do_lose },
	{ "stall", "on|off", "The guest's frames have to wait, as on a bus without other nodes.",
	  1, 1, do_stall },
	{ NULL }
};

static const struct option can_options[] = {
	{ "can-devices", "LIST", "CAN interfaces, one for each guest, separated by blanks; "
	  "bus:NAME is a bus inside this process. Further words: see LISTS.", NULL, OPT_STRING,
	  OPT_EACH | OPT_REQUIRED, .brief = 'd', .sep = ' ', OPT(struct can_conf, node) },
	{ NULL },
};

static const struct queue_row can_queues[] = {
	[VIRTIO_CAN_TXQ] = { "txq", 1024, .req_size = sizeof(struct tx), .handle = tx_handle },
	[VIRTIO_CAN_RXQ] = { "rxq", 1024, .handle = rx_handle },
	[VIRTIO_CAN_CONTROLQ] = { "controlq", 1024, .handle = control_handle },
};

extern const struct device device_can;
const struct device device_can = {
	.name = "can",
	.summary = "CAN controller on a host interface or a bus between guests",
	.virtio_id = 36,
	.flags = DEV_SOCKET_INDEX,
	.features = BIT(VIRTIO_CAN_F_CAN_CLASSIC),
	.queues = can_queues,
	.n_queues = ARRAY_SIZE(can_queues),
	.config_size = sizeof(struct virtio_can_config),
	.conf_size = sizeof(struct can_conf),
	.state_size = sizeof(struct can),
	.options = can_options,
	.counters = can_counters,
	.commands = can_commands,
	.check = can_check,
	.open = can_open,
	.close = can_close,
	.negotiated = can_negotiated,
	.stop = can_stop,
	.reset = can_reset,
};
