/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio SPI controller (virtio 1.4, "SPI Controller Device"): chips of host
 * buses, or simulated ones, that --device names, by their place in it.
 *
 *   idle  --request--> busy, on the loop or on the worker of its bus
 *   busy  --done--> idle; the chip stays selected if frame.c says so
 *   busy  --timeout--> the same; the job is let go and ends by itself
 *   idle, chip selected --gap, another chip, another message, stop--> let go
 *
 * A chip that is selected holds its bus, so that what belongs together stays
 * so. On a bus of several guests that lasts HOLD_MS at most.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spi.h"
#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "vhost-device/num.h"

enum {
	ZEROS_MOST = 4 << 20,           /* written in a turn of the loop */
	HOLD_MS = 100, FLASH_MS = 1000, WIRE_MS = 60000, KEPT_BYTES = 64 << 10, WORD_MOST = 32,
	CLOCK_MODE = VIRTIO_SPI_MODE_CPHA | VIRTIO_SPI_MODE_CPOL,
	/* What the host can do itself, or we for it (chip-host.c). */
	WORD_DELAY_NS = 255 * 1000, DELAY_NS = 65535 * 1000,
};

static const uint64_t ns_per_us = 1000, ns_per_ms = 1000000;

enum spi_counter {
	SPI_TRANSFERS, SPI_MESSAGES, SPI_SENT, SPI_RECEIVED, SPI_ERRORS, SPI_TIMEOUTS, SPI_REFUSED,
	SPI_MALFORMED,
};

enum { DELAYS_EMULATE, DELAYS_REJECT, DELAYS_IGNORE };
enum { FREQ_CLAMP, FREQ_REJECT };
enum { PROBE_PASSIVE, PROBE_ACTIVE };

struct spi_conf {
	struct opt_list lists;          /* of char * */
	uint32_t sockets;               /* the core's */
	uint32_t timeout_ms, gap_us, max_transfer;
	unsigned policy, delays, freq, probe;
};

/* A chip as the guest has it. */
struct seat {
	struct chip *chip;              /* NULL: a hole */
	enum cs_policy policy;
	struct spi_caps caps;
	struct frame frame;
};

/* A request under way. Its bytes are here, never the guest's, so it may outlive its chain. */
struct transfer {
	struct job job;
	struct spi *owner;              /* NULL: given up, frees itself */
	struct instance *in;
	struct seat *seat;
	struct chip *chip;              /* counted once given up */
	struct chain *chain;
	struct spi_xfer x;
	int result;
	bool held;                      /* the chip was selected before, and is now */
	struct farewell *farewell;      /* there while the chip may stay selected */
	uint8_t *bytes;
	size_t size;
};

/* Somebody's chip gets deselected, whatever became of him. */
struct farewell {
	struct job job;
	struct chip *chip;
};

struct spi {
	struct instance *in;
	struct queue *q;                /* while it runs */
	const struct spi_conf *conf;
	struct list *list;
	unsigned n;
	struct seat seats[LIST_MAX];
	struct seat *held;              /* whose chip is selected */
	uint32_t held_mode;
	uint64_t held_since;
	struct transfer *t;
	bool busy;
	struct timer gap, limit;
	struct post later;
	size_t zeros;                   /* written since it was posted */
	struct log_limit log;
};

struct request {
	struct virtio_spi_transfer_head head;
	struct seat *seat;
	struct spi_xfer x;
	bool sends, receives, cs_change;
};

/* Why nothing is done for a request. */
enum verdict {
	FINE, SHORT_HEAD, NO_RESULT, NO_CHIP, BAD_CS_CHANGE, BAD_BITS, BAD_WIRES, BAD_MODE,
	BAD_FREQ, BAD_DELAY, NO_BYTES, UNEQUAL, PART_OF_WORD, TOO_LONG,
};

static const struct {
	const char *text;
	enum spi_counter counter;
} verdicts[] = {
	[SHORT_HEAD] = { "shorter than its header", SPI_MALFORMED },
	[NO_RESULT] = { "no room for a result", SPI_MALFORMED },
	[NO_CHIP] = { "no chip of that id", SPI_REFUSED },
	[BAD_CS_CHANGE] = { "cs_change is neither 0 nor 1", SPI_REFUSED },
	[BAD_BITS] = { "bits per word", SPI_REFUSED },
	[BAD_WIRES] = { "number of wires", SPI_REFUSED },
	[BAD_MODE] = { "mode", SPI_REFUSED },
	[BAD_FREQ] = { "frequency", SPI_REFUSED },
	[BAD_DELAY] = { "a delay", SPI_REFUSED },
	[NO_BYTES] = { "nothing to transfer", SPI_REFUSED },
	[UNEQUAL] = { "as many bytes are not received as sent", SPI_REFUSED },
	[PART_OF_WORD] = { "the last word is not whole", SPI_REFUSED },
	[TOO_LONG] = { "more bytes than --max-transfer", SPI_REFUSED },
};

static void serve(struct spi *d);

/* ---- answers ---- */

/* In place of what could not be received come zeros; the core writes them. */
static void answer_error(struct spi *d, struct chain *c, uint8_t result)
{
	size_t size = chain_put_size(c);
	bool all = size <= (size_t)d->conf->max_transfer + 1;

	if (size == 0) {
		chain_fail(c, verdicts[NO_RESULT].text);
		return;
	}
	chain_put_at(c, size - 1, &result, sizeof(result));
	d->zeros += all ? size : 0;
	chain_done_len(c, all ? size : 0);
}

static void answer_done(struct chain *c, const struct spi_xfer *x)
{
	const uint8_t result = VIRTIO_SPI_TRANS_OK;

	if (x->rx != NULL)
		chain_put(c, x->rx, x->len);
	chain_put(c, &result, sizeof(result));
	chain_done(c);
}

/* ---- letting go ---- */

static void farewell_run(struct job *j)
{
	struct farewell *f = container_of(j, struct farewell, job);

	f->chip->ops->release(f->chip);
	spi_bus_hold(f->chip->bus, NULL, false);
}

static void farewell_done(struct job *j)
{
	struct farewell *f = container_of(j, struct farewell, job);

	spi_bus_done(f->chip->bus);
	spi_chip_put(f->chip);
	free(f);
}

static bool release_at_once(struct chip *c, struct instance *in, bool now)
{
	const struct chip_ops *ops = c->ops;
	bool quick;

	if ((!now && ops->at_once == NULL) || !spi_bus_enter(c->bus, in))
		return false;
	quick = now ? ops->lingers == NULL || !ops->lingers(c) : ops->at_once(c, NULL);
	if (quick) {
		ops->release(c);
		spi_bus_hold(c->bus, NULL, true);
	}
	spi_bus_leave(c->bus);
	return quick;
}

/*
 * What was kept selected by t. now: at the end nobody is left for the job to
 * come back to, and mostly it is a short call.
 */
static void deselect(struct transfer *t, struct chip *c, bool now)
{
	struct instance *in = t->in;
	struct farewell *f;

	if (release_at_once(c, in, now))
		return;
	f = take_ptr(t->farewell);
	*f = (struct farewell){ { .run = farewell_run, .done = farewell_done }, c };
	spi_chip_ref(c);
	spi_bus_submit(c->bus, in, &f->job);
}

static void let_go(struct spi *d, bool now)
{
	struct seat *s = d->held;

	if (s == NULL)
		return;
	d->held = NULL;
	timer_set(&d->gap, 0);
	deselect(d->t, s->chip, now);
}

static void gap_fired(struct timer *t)
{
	struct spi *d = container_of(t, struct spi, gap);

	if (!d->busy)
		let_go(d, false);
}

static void hold(struct spi *d, struct seat *s, const struct spi_xfer *x)
{
	uint64_t now = loop_now(instance_loop(d->in)), gap = d->conf->gap_us * ns_per_us;
	const uint64_t most = HOLD_MS * ns_per_ms;
	uint64_t end;

	/* Where it is known that more has to come, time says little. */
	if (s->policy == CS_FLASH)
		gap = FLASH_MS * ns_per_ms;
	if (s->policy == CS_LITERAL)
		gap = 0;
	if (d->held == NULL)
		d->held_since = now;
	end = gap == 0 ? 0 : now + gap;
	if ((end == 0 || end > d->held_since + most) && spi_bus_is_shared(s->chip->bus))
		end = d->held_since + most;
	d->held = s;
	d->held_mode = x->mode;
	timer_set(&d->gap, end);
}

/* ---- transfers ---- */

static void count(struct spi *d, const struct transfer *t, int result)
{
	const struct spi_xfer *x = &t->x;

	log_trace(d->in, "%s: %s%s%zu%s%s: %s", t->chip->name, x->tx != NULL ? "w" : "",
		  x->rx != NULL ? "r" : "", x->len, x->begins ? "" : ", goes on",
		  x->keep ? ", stays selected" : "", result == 0 ? "done" : strerror(-result));
	instance_stat(d->in, SPI_TRANSFERS, 1);
	instance_stat(d->in, SPI_MESSAGES, x->begins);
	if (result == 0) {
		instance_stat(d->in, SPI_SENT, x->tx != NULL ? x->len : 0);
		instance_stat(d->in, SPI_RECEIVED, x->rx != NULL ? x->len : 0);
		return;
	}
	instance_stat(d->in, result == -ETIMEDOUT ? SPI_TIMEOUTS : SPI_ERRORS, 1);
	log_limited(&d->log, LOG_LEVEL_DEBUG, d->in, "%s: %s", t->chip->name, strerror(-result));
}

/* Large ones are rare and not kept. */
static void forget(struct transfer *t)
{
	if (t->size > KEPT_BYTES) {
		free(take_ptr(t->bytes));
		t->size = 0;
	}
}

static void finish(struct spi *d, struct transfer *t, int result)
{
	struct chain *c = t->chain;

	d->busy = false;
	timer_set(&d->limit, 0);
	count(d, t, result);
	if (result == 0)
		answer_done(c, &t->x);
	else
		answer_error(d, c, result == -EINVAL || result == -EMSGSIZE ?
			     VIRTIO_SPI_PARAM_ERR : VIRTIO_SPI_TRANS_ERR);
}

/* What holds the bus is what the chip is left in. */
static void perform(struct transfer *t, bool entered)
{
	struct spi_xfer *x = &t->x;
	bool kept;

	t->result = t->chip->ops->transfer(t->chip, x);
	kept = t->result == 0 && x->keep;
	if (kept != t->held)
		spi_bus_hold(t->chip->bus, kept ? t->in : NULL, entered);
	t->held = kept;
}

static void transfer_run(struct job *j)
{
	perform(container_of(j, struct transfer, job), false);
}

static void after(struct spi *d, struct transfer *t)
{
	if (t->held)
		hold(d, t->seat, &t->x);
	else
		d->held = NULL;
	finish(d, t, t->result);
	forget(t);
	if (d->q == NULL)
		let_go(d, true);
}

static void transfer_free(struct transfer *t)
{
	if (t != NULL) {
		free(t->farewell);
		free(t->bytes);
	}
	free(t);
}

static void transfer_done(struct job *j)
{
	struct transfer *t = container_of(j, struct transfer, job);
	struct spi *d = t->owner;

	spi_bus_done(t->chip->bus);
	if (d == NULL) {
		if (t->held)
			deselect(t, t->chip, true);
		spi_chip_put(t->chip);
		transfer_free(t);
		return;
	}
	after(d, t);
	if (d->q != NULL)
		serve(d);
}

static struct transfer *transfer_new(struct spi *d)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (t != NULL) {
		t->job.run = transfer_run;
		t->job.done = transfer_done;
		t->owner = d;
		t->in = d->in;
	}
	return t;
}

/* It never ran: the chip is as it was. */
static bool cancel(struct spi *d)
{
	if (!job_cancel(&d->t->job))
		return false;
	spi_bus_done(d->t->chip->bus);
	d->busy = false;
	timer_set(&d->limit, 0);
	return true;
}

static void limit_fired(struct timer *timer)
{
	struct spi *d = container_of(timer, struct spi, limit);
	struct transfer *t = d->t, *next;

	if (cancel(d)) {
		let_go(d, false);
	} else {
		next = transfer_new(d);
		if (next == NULL) {
			timer_set(timer, loop_now(instance_loop(d->in)) + ns_per_ms);
			return;
		}
		/* The host call goes on, and the worker with it. */
		t->owner = NULL;
		spi_chip_ref(t->chip);
		d->held = NULL;
		d->t = next;
	}
	finish(d, t, -ETIMEDOUT);
	if (d->q != NULL)
		serve(d);
}

/* As long as it takes on the wire, twice, and what the operator allows beyond that. */
static uint64_t time_limit(const struct spi *d, const struct spi_xfer *x)
{
	uint64_t wire = (uint64_t)x->word_delay_ns * x->len;

	if (x->hz > 0)
		wire += x->len * 8 * 2 * 1000000000 / x->hz;
	if (wire > WIRE_MS * ns_per_ms)
		wire = WIRE_MS * ns_per_ms;
	return d->conf->timeout_ms * ns_per_ms + wire;
}

static bool perform_at_once(struct spi *d, struct transfer *t)
{
	struct chip *c = t->chip;
	bool quick;

	if (c->ops->at_once == NULL || !spi_bus_enter(c->bus, d->in))
		return false;
	quick = c->ops->at_once(c, &t->x);
	if (quick)
		perform(t, true);
	spi_bus_leave(c->bus);
	return quick;
}

static void submit(struct spi *d, struct transfer *t)
{
	struct chip *c = t->chip;

	if (c->ops->mend != NULL)
		c->ops->mend(c, d->in);
	if (perform_at_once(d, t)) {
		after(d, t);
		return;
	}
	d->busy = true;
	timer_set(&d->limit, loop_now(instance_loop(d->in)) + time_limit(d, &t->x));
	spi_bus_submit(c->bus, d->in, &t->job);
}

/* ---- requests ---- */

static bool width_fits(uint8_t nbits, uint8_t widths)
{
	return nbits <= 1 || ((nbits == 2 || nbits == 4 || nbits == 8) &&
			      (widths & nbits / 2) != 0);
}

static enum verdict check_wires(const struct spi_caps *caps, struct request *r)
{
	const struct virtio_spi_transfer_head *h = &r->head;

	r->x.tx_nbits = h->tx_nbits;
	r->x.rx_nbits = h->rx_nbits;
	/* Of a direction that is not used nothing is said. */
	if ((r->sends && !width_fits(h->tx_nbits, caps->tx_widths)) ||
	    (r->receives && !width_fits(h->rx_nbits, caps->rx_widths)))
		return BAD_WIRES;
	return FINE;
}

static enum verdict check_bits(const struct spi_caps *caps, struct request *r)
{
	unsigned bits = r->head.bits_per_word == 0 ? 8 : r->head.bits_per_word;

	r->x.bits = (uint8_t)bits;
	if (bits > WORD_MOST || (caps->bits_mask != 0 && (caps->bits_mask >> (bits - 1) & 1) == 0))
		return BAD_BITS;
	return FINE;
}

static enum verdict check_mode(const struct spi_caps *caps, struct request *r)
{
	uint32_t mode = le32_get(r->head.mode), funcs;

	r->x.mode = mode;
	if ((mode & ~(uint32_t)VIRTIO_SPI_MODE_ALL) != 0)
		return BAD_MODE;
	funcs = (mode & VIRTIO_SPI_MODE_CPHA) != 0 ? VIRTIO_SPI_FUNC_CPHA_1
		: VIRTIO_SPI_FUNC_CPHA_0;
	funcs |= (mode & VIRTIO_SPI_MODE_CPOL) != 0 ? VIRTIO_SPI_FUNC_CPOL_1
		: VIRTIO_SPI_FUNC_CPOL_0;
	funcs |= (mode & VIRTIO_SPI_MODE_CS_HIGH) != 0 ? VIRTIO_SPI_FUNC_CS_HIGH : 0;
	funcs |= (mode & VIRTIO_SPI_MODE_LSB_FIRST) != 0 ? VIRTIO_SPI_FUNC_LSB_FIRST : 0;
	funcs |= (mode & VIRTIO_SPI_MODE_LOOP) != 0 ? VIRTIO_SPI_FUNC_LOOP : 0;
	if (caps->clocks != 0 && (caps->clocks >> (mode & CLOCK_MODE) & 1) == 0)
		return BAD_MODE;
	return (funcs & ~caps->funcs) == 0 ? FINE : BAD_MODE;
}

static enum verdict check_times(const struct spi *d, const struct spi_caps *caps,
				struct request *r)
{
	const struct virtio_spi_transfer_head *h = &r->head;
	struct spi_xfer *x = &r->x;

	x->hz = le32_get(h->freq);
	if (caps->max_hz != 0 && x->hz > caps->max_hz) {
		if (d->conf->freq == FREQ_REJECT)
			return BAD_FREQ;
		x->hz = caps->max_hz;
	}
	x->word_delay_ns = le32_get(h->word_delay_ns);
	x->setup_ns = le32_get(h->cs_setup_ns);
	x->hold_ns = le32_get(h->cs_delay_hold_ns);
	x->inactive_ns = le32_get(h->cs_change_delay_inactive_ns);
	if (x->word_delay_ns > caps->word_delay_ns || x->setup_ns > caps->setup_ns ||
	    x->hold_ns > caps->hold_ns || x->inactive_ns > caps->inactive_ns)
		return BAD_DELAY;
	if (d->conf->delays == DELAYS_IGNORE)
		x->word_delay_ns = x->setup_ns = x->hold_ns = x->inactive_ns = 0;
	return FINE;
}

static enum verdict check_length(const struct spi *d, size_t sent, size_t received,
				 struct request *r)
{
	size_t word = r->x.bits <= 8 ? 1 : r->x.bits <= 16 ? 2 : 4;

	r->x.len = sent > 0 ? sent : received;
	if (sent == 0 && received == 0)
		return NO_BYTES;
	if (sent > 0 && received > 0 && sent != received)
		return UNEQUAL;
	if (r->x.len > d->conf->max_transfer)
		return TOO_LONG;
	return r->x.len % word == 0 ? FINE : PART_OF_WORD;
}

static enum verdict read_request(struct spi *d, struct chain *c, struct request *r)
{
	size_t sent, received;
	enum verdict v;

	if (chain_get_size(c) < sizeof(r->head) || !chain_get(c, &r->head, sizeof(r->head)))
		return SHORT_HEAD;
	if (chain_put_size(c) == 0)
		return NO_RESULT;
	if (r->head.chip_select_id >= d->n || d->seats[r->head.chip_select_id].chip == NULL)
		return NO_CHIP;
	if (r->head.cs_change > 1)
		return BAD_CS_CHANGE;
	sent = chain_get_left(c);
	received = chain_put_size(c) - 1;
	r->seat = &d->seats[r->head.chip_select_id];
	r->cs_change = r->head.cs_change == 1;
	r->sends = sent > 0;
	r->receives = received > 0;
	v = check_wires(&r->seat->caps, r);
	if (v == FINE)
		v = check_bits(&r->seat->caps, r);
	if (v == FINE)
		v = check_mode(&r->seat->caps, r);
	if (v == FINE)
		v = check_times(d, &r->seat->caps, r);
	return v == FINE ? check_length(d, sent, received, r) : v;
}

/* The bytes into a transfer; 0, -ENOMEM, or -EFAULT. */
static int load(struct transfer *t, struct chain *c, struct request *r)
{
	size_t need = r->x.len * (r->sends + r->receives);

	if (need > t->size) {
		free(t->bytes);
		t->bytes = malloc(need);
		t->size = t->bytes != NULL ? need : 0;
		if (t->bytes == NULL)
			return -ENOMEM;
	}
	if (r->sends)
		r->x.tx = t->bytes;
	if (r->receives) {
		r->x.rx = t->bytes + (r->sends ? r->x.len : 0);
		/* A host that fills less than it says shall not tell of earlier requests. */
		memset(r->x.rx, 0, r->x.len);
	}
	return r->sends && !chain_get(c, t->bytes, r->x.len) ? -EFAULT : 0;
}

/* What it takes to deselect a chip is there before one stays selected. */
static bool can_deselect(struct transfer *t)
{
	if (t->farewell == NULL)
		t->farewell = calloc(1, sizeof(*t->farewell));
	return t->farewell != NULL;
}

/* Is the message that is open this one's? What is not ends here. */
static void place(struct spi *d, struct request *r)
{
	const struct frame_request fr = { r->x.tx, r->x.len, r->receives, r->cs_change };
	struct seat *s = r->seat;
	struct frame_step step;
	bool mine = d->held == s && d->held_mode == r->x.mode;

	step = spi_frame_next(&s->frame, s->policy, mine, &fr);
	if (d->held != NULL && (!mine || !step.joins))
		let_go(d, false);
	timer_set(&d->gap, 0);
	r->x.begins = d->held == NULL;
	r->x.keep = step.keep && can_deselect(d->t);
	if (!r->x.begins && spi_bus_is_shared(s->chip->bus) &&
	    loop_now(instance_loop(d->in)) - d->held_since > HOLD_MS * ns_per_ms)
		r->x.keep = false;
}

static void take(struct spi *d, struct chain *c)
{
	struct request r = { .seat = NULL };
	enum verdict v = read_request(d, c, &r);
	struct transfer *t = d->t;

	if (v != FINE) {
		instance_stat(d->in, verdicts[v].counter, 1);
		log_limited(&d->log, LOG_LEVEL_DEBUG, d->in, "request refused: %s",
			    verdicts[v].text);
		answer_error(d, c, VIRTIO_SPI_PARAM_ERR);
		return;
	}
	if (load(t, c, &r) < 0) {
		instance_stat(d->in, SPI_ERRORS, 1);
		answer_error(d, c, VIRTIO_SPI_TRANS_ERR);
		return;
	}
	place(d, &r);
	t->seat = r.seat;
	t->chip = r.seat->chip;
	t->chain = c;
	t->x = r.x;
	t->held = !r.x.begins;
	submit(d, t);
}

static void serve(struct spi *d)
{
	struct chain *c;

	while (!d->busy && d->zeros < ZEROS_MOST && (c = queue_pop(d->q)) != NULL)
		take(d, c);
	if (d->zeros >= ZEROS_MOST)
		loop_post(instance_loop(d->in), &d->later);
}

/* What others on the loop had to do is done. */
static void later_posted(struct post *p)
{
	struct spi *d = container_of(p, struct spi, later);

	d->zeros = 0;
	if (d->q != NULL)
		serve(d);
}

/* ---- the device ---- */

static void spi_handle(struct queue *q)
{
	serve(instance_state(queue_instance(q)));
}

static void spi_start(struct queue *q)
{
	struct spi *d = instance_state(queue_instance(q));

	d->q = q;
}

/* A transfer that is on the bus is waited for, at most until its timeout. */
static void spi_stop(struct queue *q)
{
	struct spi *d = instance_state(queue_instance(q));

	d->q = NULL;
	if (d->busy && !cancel(d))
		return;
	let_go(d, true);
	queue_return_all(q);
}

static int spi_check(void *c, struct error *err)
{
	const struct spi_conf *conf = c;

	return list_check(&spi_lists, &conf->lists, err);
}

/* What the chip can do, the operator says, and we do for it. */
static void set_caps(struct spi_caps *caps, const struct list_caps *said, unsigned delays)
{
	if (said->has_hz)
		caps->max_hz = said->hz;
	if (said->has_funcs) {
		caps->funcs = said->funcs;
		caps->clocks = said->clocks;
	}
	if (said->has_bits)
		caps->bits_mask = said->bits_mask;
	if (said->has_tx)
		caps->tx_widths = said->tx_widths;
	if (said->has_rx)
		caps->rx_widths = said->rx_widths;
	caps->word_delay_ns = delays == DELAYS_EMULATE ? WORD_DELAY_NS : 0;
	caps->setup_ns = delays == DELAYS_EMULATE ? DELAY_NS : 0;
	if (delays == DELAYS_IGNORE)
		caps->word_delay_ns = caps->setup_ns = UINT32_MAX;
	caps->hold_ns = caps->inactive_ns = caps->setup_ns;
}

static int take_seat(struct spi *d, unsigned i, bool shared, struct error *err)
{
	const struct list_item *item = &d->list->items[i];
	struct seat *s = &d->seats[i];

	if (item->kind == ITEM_HOLE)
		return 0;
	s->chip = spi_chip_get(d->in, item, d->conf->probe == PROBE_ACTIVE, shared || item->shared,
			   err);
	if (s->chip == NULL)
		return error_prefix(err, "--device: ");
	s->policy = item->has_policy ? item->policy
		: item->kind == ITEM_SIM && item->sim == SIM_NOR && d->conf->policy == CS_PAIRS
		? CS_FLASH : (enum cs_policy)d->conf->policy;
	s->caps = s->chip->caps;
	set_caps(&s->caps, &item->caps, d->conf->delays);
	return 0;
}

static uint32_t bits_of(const struct spi_caps *caps)
{
	return caps->bits_mask != 0 ? caps->bits_mask : UINT32_MAX;
}

/* Of config space: what all chips can do, but for the frequency, which is kept for each. */
static void common_caps(const struct spi *d, struct spi_caps *all)
{
	const uint32_t cpha = VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPHA_1;
	const uint32_t cpol = VIRTIO_SPI_FUNC_CPOL_0 | VIRTIO_SPI_FUNC_CPOL_1;
	uint32_t any = 0, any_bits = 0;
	bool limited = true;
	unsigned i;

	*all = (struct spi_caps){ .tx_widths = UINT8_MAX, .rx_widths = UINT8_MAX,
		.bits_mask = UINT32_MAX, .funcs = UINT32_MAX };
	for (i = 0; i < d->n; i++) {
		const struct spi_caps *one = &d->seats[i].caps;

		if (d->seats[i].chip == NULL)
			continue;
		all->tx_widths &= one->tx_widths;
		all->rx_widths &= one->rx_widths;
		all->bits_mask &= bits_of(one);
		any_bits |= bits_of(one);
		all->funcs &= one->funcs;
		any |= one->funcs;
		limited = limited && one->max_hz != 0;
		if (one->max_hz > all->max_hz)
			all->max_hz = one->max_hz;
		all->word_delay_ns = one->word_delay_ns;
		all->setup_ns = one->setup_ns;
	}
	all->hold_ns = all->inactive_ns = all->setup_ns;
	if (!limited)
		all->max_hz = 0;
	/* Nothing in common cannot be said; requests are then refused chip by chip. */
	if (all->bits_mask == 0)
		all->bits_mask = any_bits;
	if (all->bits_mask == UINT32_MAX)
		all->bits_mask = 0;
	if ((all->funcs & cpha) == 0)
		all->funcs |= any & cpha;
	if ((all->funcs & cpol) == 0)
		all->funcs |= any & cpol;
}

static void fill_config(const struct spi *d, const struct spi_caps *all)
{
	struct virtio_spi_config *config = instance_config(d->in);

	*config = (struct virtio_spi_config){
		.cs_max_number = (uint8_t)d->n,
		.cs_change_supported = 1,
		.tx_nbits_supported = all->tx_widths,
		.rx_nbits_supported = all->rx_widths,
		.bits_per_word_mask = le32(all->bits_mask),
		.mode_func_supported = le32(all->funcs),
		.max_freq_hz = le32(all->max_hz),
		.max_word_delay_ns = le32(all->word_delay_ns),
		.max_cs_setup_ns = le32(all->setup_ns),
		.max_cs_hold_ns = le32(all->hold_ns),
		.max_cs_inactive_ns = le32(all->inactive_ns),
	};
}

/* What config space does not offer is not there, whatever a single chip could do. */
static void limit_seats(struct spi *d, const struct spi_caps *all)
{
	struct spi_caps *caps;
	unsigned i;

	for (i = 0; i < d->n; i++) {
		caps = &d->seats[i].caps;
		caps->tx_widths &= all->tx_widths;
		caps->rx_widths &= all->rx_widths;
		caps->funcs &= all->funcs;
		caps->bits_mask = bits_of(caps) & bits_of(all);
	}
}

static int open_list(struct spi *d, struct error *err)
{
	bool shared = d->conf->lists.n == 1 && instance_count(d->in) > 1, any = false;
	struct spi_caps all;
	unsigned i;

	d->list = list_of(&spi_lists, &d->conf->lists, d->in, err);
	if (d->list == NULL)
		return -EINVAL;
	d->n = d->list->n;
	for (i = 0; i < d->n; i++) {
		if (take_seat(d, i, shared, err) < 0)
			return -EINVAL;
		any |= d->seats[i].chip != NULL;
	}
	if (!any)
		return error_set(err, -EINVAL, "--device: there is no chip in the list");
	common_caps(d, &all);
	fill_config(d, &all);
	limit_seats(d, &all);
	return 0;
}

static int spi_open(struct instance *in, struct error *err)
{
	struct spi *d = instance_state(in);

	d->in = in;
	d->conf = instance_conf(in);
	timer_init(&d->gap, instance_loop(in), gap_fired);
	timer_init(&d->limit, instance_loop(in), limit_fired);
	d->later.fn = later_posted;
	d->t = transfer_new(d);
	if (d->t == NULL)
		return error_memory(err);
	return open_list(d, err);
}

static void spi_close(struct instance *in)
{
	struct spi *d = instance_state(in);
	unsigned i;

	loop_unpost(instance_loop(in), &d->later);
	timer_finish(&d->gap);
	timer_finish(&d->limit);
	for (i = 0; i < d->n; i++)
		spi_chip_put(take_ptr(d->seats[i].chip));
	spi_lists.free(take_ptr(d->list));
	transfer_free(take_ptr(d->t));
}

/* Of old a count of 0 is a usage error here, unlike elsewhere. */
static int parse_sockets(const char *text, void *target, struct error *err)
{
	uint64_t n;

	if (num_parse(text, 1, UINT16_MAX, &n) < 0)
		return error_set(err, -EINVAL, "must be 1 to %d", UINT16_MAX);
	*(uint32_t *)target = (uint32_t)n;
	return 0;
}

static const char *const delay_words[] = { "emulate", "reject", "ignore", NULL };
static const char *const freq_words[] = { "clamp", "reject", NULL };
static const char *const probe_words[] = { "passive", "active", NULL };

static const struct option spi_options[] = {
	{ "device", "LIST", "Chips that the guest sees, by their chip select: a path such as "
	  "/dev/spidev0.0, several of them joined by commas. sB.C is a simulated chip, - is none. "
	  "Given once, it is for all sockets; given again, for one socket each.", NULL, OPT_STRING,
	  OPT_REQUIRED | OPT_LIST, .brief = 'l', OPT_ITEMS(struct spi_conf, lists, char *) },
	{ "socket-count", "N", "Number of guests, each with a socket of its own, 1 to 65535.", "1",
	  OPT_CUSTOM, .brief = 'c', .parse = parse_sockets, OPT(struct spi_conf, sockets) },
	{ "cs", "POLICY", "How long a chip stays selected, see CHIP SELECT.", "pairs", OPT_CHOICE,
	  .words = spi_cs_policies, OPT(struct spi_conf, policy) },
	{ "cs-gap", "MICROSECONDS", "How long it stays selected while the guest sends nothing.",
	  "10000", OPT_UINT, .min = 1, .max = 10000000, OPT(struct spi_conf, gap_us) },
	{ "freq", "WHAT", "A request with a frequency above that of the chip: clamp it, or reject "
	  "the request.", "clamp", OPT_CHOICE, .words = freq_words, OPT(struct spi_conf, freq) },
	{ "delays", "WHAT", "Delays that a request wants: emulate those that the host has not, "
	  "reject all, or ignore them.", "emulate", OPT_CHOICE, .words = delay_words,
	  OPT(struct spi_conf, delays) },
	{ "probe", "WHAT", "How to find out what the host can do: passive asks for what is set, "
	  "active tries out each mode, which makes edges on the wires.", "passive", OPT_CHOICE,
	  .words = probe_words, OPT(struct spi_conf, probe) },
	{ "max-transfer", "SIZE", "Most bytes of a request.", "4M", OPT_SIZE, .min = 4096,
	  .max = 64 << 20, OPT(struct spi_conf, max_transfer) },
	{ "timeout", "MS", "How long a transfer may take, beyond its time on the wire, before the "
	  "guest is told that it failed.", "3000", OPT_UINT, .min = 10, .max = 600000,
	  OPT(struct spi_conf, timeout_ms) },
	{ NULL },
};

static const struct queue_row spi_queues[] = {
	{ "requestq", 1024, .handle = spi_handle },
};

static const char *const spi_counters[] = {
	[SPI_TRANSFERS] = "transfers", [SPI_MESSAGES] = "messages", [SPI_SENT] = "bytes_sent",
	[SPI_RECEIVED] = "bytes_received", [SPI_ERRORS] = "errors", [SPI_TIMEOUTS] = "timeouts",
	[SPI_REFUSED] = "refused", [SPI_MALFORMED] = "malformed", NULL,
};

extern const struct device device_spi;
const struct device device_spi = {
	.name = "spi",
	.summary = "SPI controller with chips of the host, or simulated ones",
	.virtio_id = 45,
	.flags = DEV_IN_ORDER | DEV_SOCKET_INDEX,
	.queues = spi_queues,
	.n_queues = ARRAY_SIZE(spi_queues),
	.config_size = sizeof(struct virtio_spi_config),
	.conf_size = sizeof(struct spi_conf),
	.state_size = sizeof(struct spi),
	.options = spi_options,
	.counters = spi_counters,
	.check = spi_check,
	.open = spi_open,
	.close = spi_close,
	.start = spi_start,
	.stop = spi_stop,
};
