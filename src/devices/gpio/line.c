/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A line: what the driver may ask of it, one thing after the other, and its
 * interrupt with the buffer on the eventq that unmasks it (virtio 1.4, 5.18.6).
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
 * What needs the host is an op:
 *
 *   idle --request, level to be looked at, chip that is to follow--> busy
 *   busy --the call ended--> its end is dealt with; idle, or the next thing
 *
 * Without a worker both happen within one call. With one, what comes meanwhile
 * waits: requests in their order, the other two as flags. State that a request
 * changes is changed when its op begins, and put back when that fails.
 */
#include <errno.h>
#include <string.h>

#include "gpio.h"

enum { PENDING_MAX = 1 << 20,
	AT_HOST = 256,                  /* instead of a value: op is to be done */
	FOR_ITSELF = 0, FOR_LOOK = 256 };       /* purposes beside GPIO_MSG_* */

static void line_next(struct line *l);

static void count(struct line *l, enum gpio_counter counter, uint32_t *mine)
{
	instance_stat(l->gpio->in, counter, 1);
	++*mine;
}

static void complain(struct line *l, const char *what, int ret)
{
	log_limited(&l->gpio->log, LOG_LEVEL_WARN, l->gpio->in,
		    "line %u of %s: %s: %s", l->offset, l->chip->name, what, strerror(-ret));
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
		count(l, GPIO_INTERRUPTS, &l->counts.interrupts);
	event_answer(take_ptr(l->parked), status);
}

void line_mask(struct line *l)
{
	unpark(l, GPIO_IRQ_STATUS_INVALID);
}

/* An unmasked level interrupt comes when the level is there. */
static void look(struct line *l)
{
	if (l->parked == NULL || !is_level(l->irq))
		return;
	l->look = true;
	line_next(l);
}

void line_changed(struct line *l, bool level)
{
	struct gpio *g = l->gpio;

	g->history[g->next] = (struct line_event){ loop_now(instance_loop(g->in)),
		(uint16_t)(l - g->bank->lines), true, level };
	g->next = (g->next + 1) % HISTORY;
}

void line_edge(struct line *l, bool rising)
{
	count(l, GPIO_EDGES, &l->counts.edges);
	/* One of the setting that is being left is of no interest. */
	if (l->irq == GPIO_IRQ_NONE || (l->busy && l->op.kind == OP_WANT))
		return;
	if (is_level(l->irq)) {
		look(l);
	} else if (l->parked != NULL) {
		unpark(l, GPIO_IRQ_STATUS_VALID);
	} else if (l->pending == 0 ||
		   (l->gpio->edges == EDGES_COUNTED && l->pending < PENDING_MAX)) {
		l->pending++;
	} else {
		count(l, GPIO_COALESCED, &l->counts.coalesced);
	}
}

void line_unmask(struct line *l, struct chain *c)
{
	if (l->parked != NULL || (l->irq == GPIO_IRQ_NONE && !l->refused)) {
		event_answer(c, GPIO_IRQ_STATUS_INVALID);
		return;
	}
	l->parked = c;
	if (l->pending > 0) {
		l->pending--;
		unpark(l, GPIO_IRQ_STATUS_VALID);
	}
	look(l);
}

/* The parked buffer is seen before the answer to what turned it off. */
static void irq_off(struct line *l)
{
	struct queue *q = instance_queue(l->gpio->in, GPIO_EVENTQ);

	l->irq = GPIO_IRQ_NONE;
	l->refused = false;
	l->pending = 0;
	if (l->parked != NULL) {
		line_mask(l);
		queue_flush(q);
	}
}

/* ---- requests: a value, -errno, or AT_HOST ---- */

/* What the chip is to do, out of direction, value and interrupt. */
static int want(struct line *l)
{
	struct line_want w = { l->direction, l->value, edges_of(l->irq) };

	/* Device tree interrupts come without a direction. */
	if (w.direction == GPIO_DIRECTION_NONE && w.edges != GPIO_IRQ_NONE)
		w.direction = GPIO_DIRECTION_IN;
	/* Edges that wait at the host are not to be lost for nothing. */
	if (w.direction == l->now.direction && w.edges == l->now.edges &&
	    (w.direction != GPIO_DIRECTION_OUT || w.value == l->now.value))
		return 0;
	l->op = (struct line_op){ .kind = OP_WANT, .want = w };
	return AT_HOST;
}

static int set_direction(struct line *l, uint32_t direction)
{
	if (direction > GPIO_DIRECTION_IN)
		return -EINVAL;
	if (direction == GPIO_DIRECTION_NONE) {
		l->direction = l->old_direction = direction;
		l->value = l->attr.value;
		irq_off(l);
		return want(l);
	}
	if (l->attr.only != GPIO_DIRECTION_NONE && l->attr.only != direction)
		return -EPERM;
	if (direction == GPIO_DIRECTION_OUT && l->irq != GPIO_IRQ_NONE)
		return -EINVAL;
	l->direction = direction;
	return want(l);
}

static int get_direction(struct line *l)
{
	if (l->direction != GPIO_DIRECTION_NONE)
		return (int)l->direction;
	l->op = (struct line_op){ .kind = OP_DIRECTION };
	return AT_HOST;
}

static int set_value(struct line *l, uint32_t value)
{
	if (value > 1)
		return -EINVAL;
	if (l->direction == GPIO_DIRECTION_OUT) {
		l->op = (struct line_op){ .kind = OP_SET, .value = value != 0 };
		return AT_HOST;
	}
	/* Before or while it is an input: remembered for when it is an output. */
	l->value = value != 0;
	return 0;
}

static int get_value(struct line *l)
{
	l->op = (struct line_op){ .kind = OP_GET };
	return AT_HOST;
}

static bool is_irq_type(uint32_t type)
{
	return type <= GPIO_IRQ_LEVEL_HIGH || type == GPIO_IRQ_LEVEL_LOW;
}

static int set_irq_type(struct line *l, uint32_t type)
{
	if (type == GPIO_IRQ_NONE) {
		irq_off(l);
		return want(l);
	}
	if (!is_irq_type(type))
		return -EINVAL;
	if (l->direction == GPIO_DIRECTION_OUT || l->attr.only == GPIO_DIRECTION_OUT)
		return -EPERM;
	if (type == l->irq)
		return 0;
	/* Also without NONE in between: Linux does that with a buffer parked. */
	l->irq = type;
	l->pending = 0;
	l->refused = false;
	return want(l);
}

/* By GPIO_MSG_*. */
static const struct {
	int (*begin)(struct line *l, uint32_t value);
	const char *fails;
} messages[] = {
	[GPIO_MSG_GET_DIRECTION] = { NULL, "its direction cannot be read" },
	[GPIO_MSG_SET_DIRECTION] = { set_direction, "its direction cannot be set" },
	[GPIO_MSG_GET_VALUE] = { NULL, "its value cannot be read" },
	[GPIO_MSG_SET_VALUE] = { set_value, "its value cannot be set" },
	[GPIO_MSG_SET_IRQ_TYPE] = { set_irq_type, "its interrupt cannot be set" },
};

static int begin(struct line *l, unsigned type, uint32_t value)
{
	l->asked = value;
	l->old_direction = l->direction;
	l->old_irq = l->irq;
	switch (type) {
	case GPIO_MSG_GET_DIRECTION:
		return get_direction(l);
	case GPIO_MSG_GET_VALUE:
		return get_value(l);
	default:
		return messages[type].begin(l, value);
	}
}

static void refuse_irq(struct line *l)
{
	l->irq = GPIO_IRQ_NONE;
	l->pending = 0;
	l->refused = true;
	l->again = true;
}

/* What there is to put back, or to do, once it is known how a request went. */
static void settle(struct line *l, unsigned type, int result)
{
	if (type == GPIO_MSG_SET_DIRECTION && result < 0) {
		l->direction = l->old_direction;
	} else if (type == GPIO_MSG_SET_VALUE && result >= 0) {
		l->value = l->asked != 0;
	} else if (type == GPIO_MSG_SET_IRQ_TYPE && result == -ECANCELED) {
		l->irq = l->old_irq;
	} else if (type == GPIO_MSG_SET_IRQ_TYPE && result < 0 && l->asked != GPIO_IRQ_NONE) {
		refuse_irq(l);
	} else if (type == GPIO_MSG_SET_IRQ_TYPE) {
		l->look = true;
	}
}

static void answer(struct line *l, struct chain *c, unsigned type, int result)
{
	if (result < 0) {
		l->counts.errors++;
		complain(l, messages[type].fails, result);
	}
	gpio_answer(l->gpio, c, result);
}

/* ---- one after the other ---- */

/* The op is over, however it went. */
static void op_ended(struct line *l)
{
	struct chain *c = take_ptr(l->chain);
	int result;

	l->chip->ops->ended(l, &l->op);
	result = l->op.result;
	l->busy = false;
	switch (l->purpose) {
	case FOR_LOOK:
		if (is_level(l->irq) && result == (l->irq == GPIO_IRQ_LEVEL_HIGH))
			unpark(l, GPIO_IRQ_STATUS_VALID);
		return;
	case FOR_ITSELF:
		if (result < 0 && result != -ECANCELED)
			complain(l, "it cannot be taken again", result);
		if (result == 0)
			l->look = true;
		return;
	default:
		settle(l, l->purpose, result);
		if (c != NULL)
			answer(l, c, l->purpose, result);
	}
}

static void job_run(struct job *j)
{
	struct line *l = container_of(j, struct line_job, job)->line;

	l->chip->ops->run(l, &l->op);
}

static void job_done(struct job *j)
{
	struct line_job *job = container_of(j, struct line_job, job);
	struct bank *b = job->bank;

	if (!b->closed) {
		op_ended(job->line);
		line_next(job->line);
	}
	bank_job_ended(b);
}

static void op_begin(struct line *l, unsigned purpose, struct chain *c)
{
	const struct chip_ops *ops = l->chip->ops;

	l->busy = true;
	l->purpose = purpose;
	l->chain = c;
	if (ops->begin != NULL)
		ops->begin(l, &l->op);
	if (l->job != NULL) {
		l->job->job.run = job_run;
		l->job->job.done = job_done;
		l->job->bank->running++;
		worker_submit(l->chip->worker, l->gpio->in, &l->job->job);
		return;
	}
	ops->run(l, &l->op);
	op_ended(l);
}

static void request_begin(struct line *l, struct chain *c)
{
	const struct gpio_request *r = chain_req(c);
	unsigned type = r->type;
	int result = begin(l, type, r->value);

	if (result == AT_HOST) {
		op_begin(l, type, c);
		return;
	}
	settle(l, type, result);
	answer(l, c, type, result);
}

static struct chain *take_waiting(struct line *l)
{
	struct chain *c = l->waiting;

	l->waiting = ((struct gpio_request *)chain_req(c))->next;
	if (l->waiting == NULL)
		l->waiting_last = NULL;
	else
		((struct gpio_request *)chain_req(l->waiting))->before = NULL;
	return c;
}

static void line_next(struct line *l)
{
	while (!l->busy && (l->again || l->look || l->waiting != NULL)) {
		if (l->again) {
			l->again = false;
			if (want(l) == AT_HOST)
				op_begin(l, FOR_ITSELF, NULL);
		} else if (l->look) {
			l->look = false;
			if (l->parked != NULL && is_level(l->irq) && get_value(l) == AT_HOST)
				op_begin(l, FOR_LOOK, NULL);
		} else {
			request_begin(l, take_waiting(l));
		}
	}
}

void line_request(struct line *l, struct chain *c)
{
	struct gpio_request *r = chain_req(c), *last;

	if (r->type >= ARRAY_SIZE(messages) || messages[r->type].fails == NULL) {
		complain(l, "no such request", -EINVAL);
		gpio_answer(l->gpio, c, -EINVAL);
		return;
	}
	r->line = l;
	if (l->waiting_last != NULL) {
		last = chain_req(l->waiting_last);
		last->next = c;
		r->before = l->waiting_last;
	} else {
		l->waiting = c;
	}
	l->waiting_last = c;
	line_next(l);
}

/* ---- ends ---- */

/* No job of it is queued; one that runs goes on. */
static bool op_cancel(struct line *l, int result)
{
	if (!l->busy || l->job == NULL || !job_cancel(&l->job->job))
		return false;
	bank_job_ended(l->job->bank);
	l->op.result = result;
	l->chain = NULL;
	op_ended(l);
	return true;
}

bool line_withdraw(struct line *l, struct chain *c)
{
	struct chain *before;

	if (l->chain == c) {
		if (!op_cancel(l, -ECANCELED))
			return false;
		line_next(l);
		return true;
	}
	/* It is the newest of all, so none waits behind it. */
	before = ((struct gpio_request *)chain_req(c))->before;
	if (before != NULL)
		((struct gpio_request *)chain_req(before))->next = NULL;
	else
		l->waiting = NULL;
	l->waiting_last = before;
	return true;
}

void line_abandon(struct line *l)
{
	const struct gpio_request *r;

	if (l->chain != NULL) {
		gpio_answer(l->gpio, take_ptr(l->chain), -ETIMEDOUT);
		/* What has failed is not done afterwards, unless it is too late for that. */
		op_cancel(l, -ETIMEDOUT);
	}
	while (l->waiting != NULL) {
		r = chain_req(l->waiting);
		if (r->type == GPIO_MSG_SET_IRQ_TYPE && r->value != GPIO_IRQ_NONE)
			refuse_irq(l);
		gpio_answer(l->gpio, take_waiting(l), -ETIMEDOUT);
	}
	line_next(l);
}

void line_reset(struct line *l, bool hold, bool value)
{
	irq_off(l);
	if (!hold || l->direction != GPIO_DIRECTION_OUT)
		l->direction = GPIO_DIRECTION_NONE;
	l->value = value;
	l->look = false;
	/* Of what is still under way nothing is put back. */
	if (l->busy)
		l->purpose = FOR_ITSELF;
	l->again = true;
	line_next(l);
}

void line_close(struct line *l)
{
	/* It may still be in use by a worker, but not by anything here. */
	l->again = l->look = false;
	op_cancel(l, -ECANCELED);
}

void chip_is_back(struct chip *c)
{
	const struct gpio *g = instance_state(c->in);
	struct line *l;

	for (l = g->bank->lines; l < g->bank->lines + g->bank->n_lines; l++) {
		if (l->chip != c)
			continue;
		l->again = true;
		line_next(l);
	}
}
