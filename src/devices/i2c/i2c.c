/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio I2C adapter (virtio 1.4, 5.21): one bus for the guest, whose clients
 * are those of host adapters that --device-list names.
 *
 * Requests with FAIL_NEXT and the first one without it are a group, which is
 * one transfer on the bus: one START, repeated STARTs, one STOP. One is under
 * way at a time, on the worker of its adapter.
 *
 *   idle       --request with FAIL_NEXT--> collecting
 *   idle, collecting --last request of the group--> busy
 *   collecting --the ring can hold no more, or 10 ms--> busy: a driver whose
 *                ring is full cuts its group short and waits for what it sent
 *   collecting --a request that may not be--> failing: nothing was done
 *   busy       --done--> idle, or failing when it failed and was cut short
 *   busy       --timeout--> the same; the job is let go and ends by itself
 *   failing    --last request of the group, or 10 ms--> idle
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapter.h"
#include "list.h"
#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "wire/virtio-i2c.h"

enum {
	NS_PER_MS = 1000 * 1000,
	PART_MS = 10,                   /* how long the rest of a group may take */
	ANSWER_MAX = 64 * 1024,         /* zeros that are worth writing into a bad request */
};

enum i2c_counter {
	I2C_TRANSFERS, I2C_MESSAGES, I2C_WRITTEN, I2C_READ, I2C_ERRORS, I2C_TIMEOUTS, I2C_REFUSED,
	I2C_MALFORMED,
};

enum missing { MISSING_FAILS, MISSING_WAITS };

struct i2c_conf {
	struct opt_list lists;          /* of char * */
	uint32_t timeout_ms;
	struct adapter_tuning tuning;
	unsigned missing;
	char *capture;
};

/* A group. Its bytes are here, never the guest's, so it may outlive its chains. */
struct transfer {
	struct job job;
	struct i2c *owner;              /* NULL: given up, frees itself */
	struct adapter *adapter;        /* a reference of its own once given up */
	struct list_client first;       /* how its first client is to be treated */
	int result;
	unsigned n;
	bool cut;                       /* its last request says that more follow */
	struct i2c_msg msgs[I2C_MSGS_MAX];
	struct chain *chains[I2C_MSGS_MAX];
	uint8_t bytes[I2C_MSGS_MAX][I2C_LEN_MAX];
};

struct i2c {
	struct instance *in;
	struct queue *q;                /* while it runs */
	struct list *list;
	struct adapter *adapters[I2C_BUSES_MAX];
	uint64_t gone;                  /* bit n: adapter n was not there the last time */
	struct transfer *t;             /* collected, or busy */
	bool busy, failing;
	uint64_t timeout;
	struct timer part, limit;
	struct log_limit log;
	FILE *capture;
};

struct request {
	bool more, read;                /* FAIL_NEXT, M_RD */
	size_t len;
	const struct list_client *client;
};

/* Why nothing is done for a request. */
enum verdict {
	FINE, SHORT_HEADER, NO_STATUS, BYTES_BEHIND_READ, ROOM_BEHIND_WRITE, TOO_LONG, BAD_ADDRESS,
	NO_CLIENT, READ_ONLY, OTHER_ADAPTER, TOO_MANY,
};

static const struct {
	const char *text;
	enum i2c_counter counter;
} verdicts[] = {
	[SHORT_HEADER] = { "shorter than its header", I2C_MALFORMED },
	[NO_STATUS] = { "no room for a status", I2C_MALFORMED },
	[BYTES_BEHIND_READ] = { "a read with bytes to write", I2C_MALFORMED },
	[ROOM_BEHIND_WRITE] = { "a write with room to read", I2C_MALFORMED },
	[TOO_LONG] = { "more than 8192 bytes", I2C_MALFORMED },
	[BAD_ADDRESS] = { "no address", I2C_MALFORMED },
	[NO_CLIENT] = { "address not in the list", I2C_REFUSED },
	[READ_ONLY] = { "a write to a read-only client", I2C_REFUSED },
	[OTHER_ADAPTER] = { "a group with clients of different adapters", I2C_REFUSED },
	[TOO_MANY] = { "a group of more than 42 messages", I2C_REFUSED },
};

static void serve(struct i2c *d);

/* Answers. */

/* In place of what could not be read come zeros; the core writes them. */
static void answer_error(struct chain *c)
{
	const uint8_t status = VIRTIO_I2C_MSG_ERR;
	size_t size = chain_put_size(c);

	if (size == 0) {
		chain_fail(c, verdicts[NO_STATUS].text);
		return;
	}
	chain_put_at(c, size - 1, &status, sizeof(status));
	chain_done_len(c, size <= ANSWER_MAX ? size : 0);
}

static void answer_done(struct chain *c, const struct i2c_msg *m)
{
	const uint8_t status = VIRTIO_I2C_MSG_OK;

	if ((m->flags & I2C_M_RD) != 0)
		chain_put(c, m->buf, m->len);
	chain_put(c, &status, sizeof(status));
	chain_done(c);
}

/* Transfers. */

/* In the notation of i2ctransfer; what is in the bytes is nobody's business. */
static void trace(const struct i2c *d, const struct transfer *t, int result)
{
	char text[300];
	size_t at = 0;
	unsigned i;

	for (i = 0; i < t->n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, " %c%u@0x%02x",
				       (t->msgs[i].flags & I2C_M_RD) != 0 ? 'r' : 'w',
				       t->msgs[i].len, t->msgs[i].addr);
	log_write(LOG_LEVEL_TRACE, d->in, "%s:%s: %s", t->adapter->key, text,
		  result == 0 ? "done" : strerror(-result));
}

static void say(FILE *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(FILE *f, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fwrite(text, 1, strlen(text), f);
}

static void say_bytes(FILE *f, const struct i2c_msg *m)
{
	unsigned i;

	for (i = 0; i < m->len; i++)
		say(f, " 0x%02x", m->buf[i]);
}

/* A line that a shell can do again; what was read or went wrong is a comment. */
static void capture(struct i2c *d, const struct transfer *t, int result)
{
	const struct i2c_msg *m, *end = t->msgs + t->n;
	FILE *f = d->capture;

	say(f, "%si2ctransfer -y %s", (t->msgs[0].flags & I2C_M_TEN) != 0 ? "# ten: " : "",
	    strchr(t->adapter->key, '-') + 1);
	for (m = t->msgs; m < end; m++) {
		say(f, " %c%u@0x%02x", (m->flags & I2C_M_RD) != 0 ? 'r' : 'w', m->len, m->addr);
		if ((m->flags & I2C_M_RD) == 0)
			say_bytes(f, m);
	}
	if (result < 0)
		say(f, " # %s", strerror(-result));
	for (m = t->msgs; result == 0 && m < end; m++) {
		if ((m->flags & I2C_M_RD) == 0)
			continue;
		say(f, " #");
		say_bytes(f, m);
	}
	say(f, "\n");
	if (fflush(f) == 0 && !ferror(f))
		return;
	log_limited(&d->log, LOG_LEVEL_WARN, d->in, "--capture: cannot be written: %s",
		    strerror(errno));
	clearerr(f);
}

static void count(struct i2c *d, const struct transfer *t, int result)
{
	unsigned i;

	if (log_enabled(LOG_LEVEL_TRACE))
		trace(d, t, result);
	if (d->capture != NULL)
		capture(d, t, result);
	instance_stat(d->in, I2C_TRANSFERS, 1);
	instance_stat(d->in, I2C_MESSAGES, t->n);
	if (result == 0) {
		for (i = 0; i < t->n; i++)
			instance_stat(d->in, (t->msgs[i].flags & I2C_M_RD) != 0 ? I2C_READ :
				      I2C_WRITTEN, t->msgs[i].len);
		return;
	}
	instance_stat(d->in, result == -ETIMEDOUT ? I2C_TIMEOUTS : I2C_ERRORS, 1);
	log_limited(&d->log, LOG_LEVEL_DEBUG, d->in, "%s: client 0x%02x: %s", t->adapter->key,
		    t->msgs[0].addr, strerror(-result));
}

static void fail_for_a_while(struct i2c *d)
{
	d->failing = true;
	timer_set(&d->part, loop_now(instance_loop(d->in)) + (uint64_t)PART_MS * NS_PER_MS);
}

/* Nobody is told which message failed, so none of its group was done. */
static void finish(struct i2c *d, struct transfer *t, int result)
{
	unsigned i;

	d->busy = false;
	timer_set(&d->limit, 0);
	if (result == -ENODEV)
		d->gone |= BIT(t->first.bus);
	else
		d->gone &= ~BIT(t->first.bus);
	count(d, t, result);
	for (i = 0; i < t->n; i++) {
		if (result == 0)
			answer_done(t->chains[i], &t->msgs[i]);
		else
			answer_error(t->chains[i]);
	}
	if (t->cut && result != 0)
		fail_for_a_while(d);
}

static void transfer_run(struct job *j)
{
	struct transfer *t = container_of(j, struct transfer, job);

	t->result = t->adapter->ops->transfer(t->adapter, t->msgs, t->n, &t->first);
}

static void transfer_done(struct job *j)
{
	struct transfer *t = container_of(j, struct transfer, job);
	struct i2c *d = t->owner;

	if (d == NULL) {
		adapter_put(t->adapter);
		free(t);
		return;
	}
	finish(d, t, t->result);
	t->n = 0;
	if (d->q != NULL)
		serve(d);
}

/* What is not used of it costs no memory: pages come when they are touched. */
static struct transfer *transfer_new(struct i2c *d)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (t != NULL) {
		t->job.run = transfer_run;
		t->job.done = transfer_done;
		t->owner = d;
	}
	return t;
}

static void limit_fired(struct timer *timer)
{
	struct i2c *d = container_of(timer, struct i2c, limit);
	struct transfer *t = d->t, *next;

	if (!job_cancel(&t->job)) {
		next = transfer_new(d);
		if (next == NULL) {
			timer_set(timer, loop_now(instance_loop(d->in)) + d->timeout);
			return;
		}
		/* The host call goes on, and the worker with it. */
		t->owner = NULL;
		adapter_ref(t->adapter);
		d->t = next;
	}
	finish(d, t, -ETIMEDOUT);
	if (t == d->t)
		t->n = 0;
	if (d->q != NULL)
		serve(d);
}

static void submit(struct i2c *d)
{
	struct transfer *t = d->t;
	const struct adapter_ops *ops;

	timer_set(&d->part, 0);
	t->adapter = d->adapters[t->first.bus];
	ops = t->adapter->ops;
	if ((d->gone & BIT(t->first.bus)) != 0 && ops->mend != NULL)
		ops->mend(t->adapter, d->in);
	if (ops->at_once != NULL && ops->at_once(t->adapter, t->msgs, t->n)) {
		transfer_run(&t->job);
		finish(d, t, t->result);
		t->n = 0;
		return;
	}
	d->busy = true;
	timer_set(&d->limit, loop_now(instance_loop(d->in)) + d->timeout);
	worker_submit(t->adapter->worker, d->in, &t->job);
}

/* Requests. */

static enum verdict read_address(const struct i2c *d, uint16_t address, struct request *r)
{
	unsigned low = address & 0xff, high = address >> 8, index;

	if ((low & VIRTIO_I2C_TEN_MASK) == VIRTIO_I2C_TEN)
		index = I2C_SEVEN + ((low & 6) << 7 | high);
	else if ((low & 1) != 0 || high != 0)
		return BAD_ADDRESS;
	else
		index = low >> 1;
	r->client = &d->list->clients[index];
	return r->client->listed ? FINE : NO_CLIENT;
}

static enum verdict read_request(const struct i2c *d, struct chain *c, struct request *r)
{
	struct virtio_i2c_out_hdr hdr;
	uint32_t flags;

	if (chain_get_size(c) < sizeof(hdr) || !chain_get(c, &hdr, sizeof(hdr)))
		return SHORT_HEADER;
	flags = le32_get(hdr.flags);
	r->more = (flags & VIRTIO_I2C_FLAGS_FAIL_NEXT) != 0;
	r->read = (flags & VIRTIO_I2C_FLAGS_M_RD) != 0;
	if (chain_put_size(c) == 0)
		return NO_STATUS;
	if (r->read && chain_get_left(c) > 0)
		return BYTES_BEHIND_READ;
	if (!r->read && chain_put_size(c) > 1)
		return ROOM_BEHIND_WRITE;
	r->len = r->read ? chain_put_size(c) - 1 : chain_get_left(c);
	if (r->len > I2C_LEN_MAX)
		return TOO_LONG;
	return read_address(d, le16_get(hdr.addr), r);
}

/* What the rest of its group has to say. */
static enum verdict fits_group(const struct transfer *t, const struct request *r)
{
	if (r->client->read_only && !r->read && r->len > r->client->pointer)
		return READ_ONLY;
	if (t->n > 0 && t->first.bus != r->client->bus)
		return OTHER_ADAPTER;
	return t->n == I2C_MSGS_MAX ? TOO_MANY : FINE;
}

static bool append(struct transfer *t, struct chain *c, const struct request *r)
{
	struct i2c_msg *m = &t->msgs[t->n];

	*m = (struct i2c_msg){ .addr = r->client->host, .len = (uint16_t)r->len,
		.flags = (uint16_t)((r->read ? I2C_M_RD : 0) | (r->client->ten ? I2C_M_TEN : 0)),
		.buf = t->bytes[t->n] };
	if (!r->read && !chain_get(c, m->buf, r->len))
		return false;
	/* An adapter that fills less than it was asked for shall not tell of earlier guests. */
	if (r->read)
		memset(m->buf, 0, r->len);
	if (t->n == 0)
		t->first = *r->client;
	/* What is not meant for all of them is for none. */
	t->first.force &= r->client->force;
	t->chains[t->n++] = c;
	t->cut = r->more;
	return true;
}

static void fail_group(struct i2c *d, struct chain *c, bool more)
{
	struct transfer *t = d->t;
	unsigned i;

	for (i = 0; i < t->n; i++)
		answer_error(t->chains[i]);
	t->n = 0;
	answer_error(c);
	d->failing = false;
	timer_set(&d->part, 0);
	if (more)
		fail_for_a_while(d);
}

static void take(struct i2c *d, struct chain *c)
{
	struct request r = { .more = false };
	enum verdict v = read_request(d, c, &r);

	if (v == FINE && !d->failing)
		v = fits_group(d->t, &r);
	if (v != FINE) {
		instance_stat(d->in, verdicts[v].counter, 1);
		log_limited(&d->log, LOG_LEVEL_DEBUG, d->in, "request refused: %s",
			    verdicts[v].text);
	}
	if (v != FINE || d->failing || !append(d->t, c, &r)) {
		fail_group(d, c, r.more);
		return;
	}
	if (!r.more)
		submit(d);
	else if (d->t->n == 1)
		timer_set(&d->part, loop_now(queue_loop(d->q)) + (uint64_t)PART_MS * NS_PER_MS);
}

static void serve(struct i2c *d)
{
	struct chain *c;

	while (!d->busy && (c = queue_pop(d->q)) != NULL)
		take(d, c);
	if (!d->busy && d->t->n > 0 && queue_held(d->q) >= queue_size(d->q))
		submit(d);
}

static void part_fired(struct timer *timer)
{
	struct i2c *d = container_of(timer, struct i2c, part);

	d->failing = false;
	if (!d->busy && d->t->n > 0)
		submit(d);
}

/* The device. */

static void i2c_handle(struct queue *q)
{
	serve(instance_state(queue_instance(q)));
}

static void i2c_start(struct queue *q)
{
	struct i2c *d = instance_state(queue_instance(q));

	d->q = q;
	/* A transfer may have failed after the former stop: that was another group. */
	d->failing = false;
	timer_set(&d->part, 0);
}

/* A transfer that is on the bus is waited for, at most until its timeout. */
static void i2c_stop(struct queue *q)
{
	struct i2c *d = instance_state(queue_instance(q));

	d->q = NULL;
	d->failing = false;
	timer_set(&d->part, 0);
	if (d->busy && !job_cancel(&d->t->job))
		return;
	d->busy = false;
	timer_set(&d->limit, 0);
	d->t->n = 0;
	queue_return_all(q);
}

static int i2c_check(void *c, struct error *err)
{
	const struct i2c_conf *conf = c;

	return list_check(&i2c_lists, &conf->lists, err);
}

static int open_capture(struct i2c *d, const char *path, struct error *err)
{
	int fd = host_open(d->in, path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, err);

	if (fd < 0)
		return error_prefix(err, "--capture: ");
	d->capture = fdopen(fd, "a");
	if (d->capture != NULL)
		return 0;
	close(fd);
	return error_memory(err);
}

static int open_list(struct i2c *d, const struct i2c_conf *conf, struct error *err)
{
	struct adapter_tuning tuning = conf->tuning;
	unsigned i, k;

	tuning.wait = conf->missing == MISSING_WAITS;
	d->list = list_of(&i2c_lists, &conf->lists, d->in, err);
	if (d->list == NULL)
		return -EINVAL;
	for (i = 0; i < d->list->n_buses; i++) {
		d->adapters[i] = adapter_get(d->in, &d->list->buses[i], &tuning, err);
		if (d->adapters[i] == NULL)
			return -EINVAL;
		/* A name and a number may be the same adapter. */
		for (k = 0; k < i && d->adapters[k] != d->adapters[i];)
			k++;
		if (k < i)
			return error_set(err, -EEXIST, "--device-list: duplicate adapter %s: name "
					 "it once, with all its addresses", d->adapters[i]->key);
		if (d->adapters[i]->ops->claim(d->adapters[i], d->in, d->list, i, err) < 0)
			return -EBUSY;
	}
	return 0;
}

static int i2c_open(struct instance *in, struct error *err)
{
	const struct i2c_conf *conf = instance_conf(in);
	struct i2c *d = instance_state(in);

	d->in = in;
	d->timeout = (uint64_t)conf->timeout_ms * NS_PER_MS;
	timer_init(&d->part, instance_loop(in), part_fired);
	timer_init(&d->limit, instance_loop(in), limit_fired);
	d->t = transfer_new(d);
	if (d->t == NULL)
		return error_memory(err);
	if (conf->capture != NULL && open_capture(d, conf->capture, err) < 0)
		return -EINVAL;
	return open_list(d, conf, err);
}

static void i2c_close(struct instance *in)
{
	struct i2c *d = instance_state(in);
	unsigned i;

	timer_finish(&d->part);
	timer_finish(&d->limit);
	for (i = 0; i < I2C_BUSES_MAX; i++)
		adapter_put(take_ptr(d->adapters[i]));
	i2c_lists.free(take_ptr(d->list));
	free(take_ptr(d->t));
	if (d->capture != NULL)
		fclose(take_ptr(d->capture));
}

static const char *const missing_words[] = { "fail", "wait", NULL };

static const struct option i2c_options[] = {
	{ "device-list", "LIST", "Clients that the guest sees: BUS:ADDR[:ADDR]..., several of "
	  "them joined by commas. BUS is the number or the name of a host adapter, or sN for "
	  "a simulated one. Given once, it is for all sockets; given again, for one socket each.",
	  NULL, OPT_STRING, OPT_REQUIRED | OPT_LIST, .brief = 'l',
	  OPT_ITEMS(struct i2c_conf, lists, char *) },
	{ "timeout", "MS", "How long a transfer may take before the guest is told that it failed.",
	  "3000", OPT_UINT, .min = 10, .max = 600000, OPT(struct i2c_conf, timeout_ms) },
	{ "bus-timeout", "MS", "Set the timeout of the adapters, for everyone on the host; 0 "
	  "leaves it as it is.", "0", OPT_UINT, .max = 60000,
	  OPT(struct i2c_conf, tuning.timeout_ms) },
	{ "bus-retries", "N", "Set how often the adapters try again after a lost arbitration, for "
	  "everyone on the host; 0 leaves it as it is.", "0", OPT_UINT, .max = 100,
	  OPT(struct i2c_conf, tuning.retries) },
	{ "missing", "WHAT", "An adapter that is not there at the start: fail, or wait for it; "
	  "transfers fail until then.", "fail", OPT_CHOICE, .words = missing_words,
	  OPT(struct i2c_conf, missing) },
	{ "capture", "PATH", "Append every transfer to this file, with its bytes, as a command "
	  "line of i2ctransfer.", NULL, OPT_PATH, OPT(struct i2c_conf, capture) },
	{ NULL },
};

static const struct queue_row i2c_queues[] = {
	{ "requestq", 1024, .handle = i2c_handle },
};

static const char *const i2c_counters[] = {
	[I2C_TRANSFERS] = "transfers", [I2C_MESSAGES] = "messages",
	[I2C_WRITTEN] = "bytes_written", [I2C_READ] = "bytes_read", [I2C_ERRORS] = "errors",
	[I2C_TIMEOUTS] = "timeouts", [I2C_REFUSED] = "refused", [I2C_MALFORMED] = "malformed",
	NULL,
};

extern const struct device device_i2c;
const struct device device_i2c = {
	.name = "i2c",
	.summary = "I2C adapter with clients of host adapters",
	.virtio_id = 34,
	.flags = DEV_IN_ORDER | DEV_SOCKET_INDEX,
	.features = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST),
	.required = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST),
	.queues = i2c_queues,
	.n_queues = ARRAY_SIZE(i2c_queues),
	.conf_size = sizeof(struct i2c_conf),
	.state_size = sizeof(struct i2c),
	.options = i2c_options,
	.counters = i2c_counters,
	.check = i2c_check,
	.open = i2c_open,
	.close = i2c_close,
	.start = i2c_start,
	.stop = i2c_stop,
};
