/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Two queues of one instance with a driver at each. */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "core/log-core.h"
#include "ring-rig.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"

struct rig rig;

static struct lane *lane_of(struct queue *q)
{
	return &rig.lane[queue_index(q)];
}

static void on_broken(struct queue *q, const char *why)
{
	ck_assert_int_ne(why[0], '\0');
	lane_of(q)->told_broken++;
}

static void on_drained(struct queue *q)
{
	lane_of(q)->told_drained++;
}

static void on_inband(struct queue *q, bool err)
{
	if (err)
		lane_of(q)->told_inband_err++;
	else
		lane_of(q)->told_inband++;
}

static void on_stalled(struct queue *q)
{
	lane_of(q)->told_stalled++;
}

static const struct queue_events events = {
	.broken = on_broken, .drained = on_drained, .inband = on_inband, .stalled = on_stalled,
};

static void echo(struct chain *c)
{
	size_t left = chain_get_size(c), n;
	uint8_t buf[512];

	if (left > chain_put_size(c))
		left = chain_put_size(c);
	while (left > 0) {
		n = left < sizeof(buf) ? left : sizeof(buf);
		MUST(chain_get(c, buf, n));
		MUST(chain_put(c, buf, n));
		left -= n;
	}
	chain_done(c);
}

static void handle(struct queue *q)
{
	struct lane *l = lane_of(q);
	unsigned n = 0;
	struct chain *c;

	l->handled++;
	if (l->on_handle != NULL)
		l->on_handle(l);
	while (l->mode != IGNORE && (c = queue_pop(q)) != NULL) {
		n++;
		if (l->mode == ECHO)
			echo(c);
	}
	l->popped += n;
	if (n > l->popped_at_most)
		l->popped_at_most = n;
}

static const struct queue_row row = {
	.name = "q", .max_size = 32768, .req_size = 24, .state_size = 8, .handle = handle,
};

void rig_configure(struct lane *l, uint32_t base)
{
	struct queue_addr a = driver_addr(&l->driver);

	queue_set_memory(l->queue, rig.map);
	queue_set_features(l->queue, driver_features(&l->driver), l->driver.in_order);
	ck_assert_int_eq(queue_set_size(l->queue, l->driver.size), 0);
	ck_assert_int_eq(queue_set_addr(l->queue, &a), 0);
	ck_assert_int_eq(queue_set_base(l->queue, base), 0);
	queue_set_kick(l->queue, dup(l->kick));
	queue_set_call(l->queue, dup(l->call));
	queue_set_err(l->queue, dup(l->err));
}

void rig_prepare(const struct driver_setup *setup)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct driver_setup s = *setup;
	struct error err = ERROR_NONE;
	struct lane *l;
	unsigned i;

	log_setup("test", LOG_LEVEL_OFF, LOG_TARGET_STDERR);
	sigaction(SIGPIPE, &ignore, NULL);
	memset(&rig, 0, sizeof(rig));
	if (s.packed && s.base == 0)
		s.base = 0x80008000;
	guest_init(&rig.guest);
	rig.map = guest_map(&rig.guest, NULL);
	rig.loop = loop_new(&err);
	rig.group.events = &events;
	for (i = 0; i < RIG_LANES; i++) {
		l = &rig.lane[i];
		s.place = i * RIG_PLACE;
		s.size = i > 0 && s.size > RIG_SECOND ? RIG_SECOND : s.size;
		driver_init(&l->driver, &rig.guest, &s);
		l->queue = queue_new(NULL, &rig.group, i, &row, rig.loop);
		l->kick = fd_eventfd();
		l->call = fd_eventfd();
		l->err = fd_eventfd();
		rig_configure(l, s.base);
	}
}

void rig_start(const struct driver_setup *s)
{
	struct error err = ERROR_NONE;
	unsigned i;

	rig_prepare(s);
	for (i = 0; i < RIG_LANES; i++) {
		ck_assert_msg(queue_run(rig.lane[i].queue, &err) == 0, "%s", err.text);
		queue_wake(rig.lane[i].queue);
	}
	rig_turn();
}

void rig_stop(void)
{
	struct lane *l;
	unsigned i;

	for (i = 0; i < RIG_LANES; i++) {
		l = &rig.lane[i];
		queue_free(l->queue);
		driver_finish(&l->driver);
		fd_close(&l->kick);
		fd_close(&l->call);
		fd_close(&l->err);
	}
	mem_map_unref(rig.map);
	loop_free(rig.loop);
	guest_finish(&rig.guest);
}

void rig_add(struct lane *l, const struct buffer *b, unsigned n, void *cookie)
{
	ck_assert(driver_add(&l->driver, b, n, n, 0, cookie));
}

void rig_turn(void)
{
	unsigned i;

	for (i = 0; i < RIG_LANES; i++) {
		if (driver_wants_kick(&rig.lane[i].driver))
			fd_signal(rig.lane[i].kick);
	}
	loop_turn(rig.loop, false);
}

void rig_send(struct lane *l, const struct buffer *b, unsigned n, void *cookie)
{
	rig_add(l, b, n, cookie);
	rig_turn();
}

void rig_add_small(struct lane *l, unsigned number)
{
	uint64_t at = GUEST_DATA + 64 * (uint64_t)number + 32 * (uint64_t)(l - rig.lane);
	struct buffer b[2] = { { at, 8, false }, { at + 16, 8, true } };

	rig_add(l, b, 2, (void *)(uintptr_t)(number + 1));
}

void rig_send_small(struct lane *l, unsigned number)
{
	rig_add_small(l, number);
	rig_turn();
}

int64_t rig_collect(struct lane *l, void **ret_cookie)
{
	void *cookie;
	uint64_t len;
	bool got = driver_collect(&l->driver, &cookie, &len);

	ck_assert_msg(l->driver.wrong == NULL, "%s", l->driver.wrong);
	if (!got)
		return -1;
	if (ret_cookie != NULL)
		*ret_cookie = cookie;
	return (int64_t)len;
}

bool rig_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

bool rig_signalled(struct lane *l)
{
	uint64_t x;

	return read(l->call, &x, sizeof(x)) == sizeof(x);
}

unsigned rig_mapped_pages(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	unsigned n = 0;
	char line[512];

	while (fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "memfd:guest") != NULL &&
		    sscanf(line, "%lx-%lx", &from, &to) == 2)
			n += (unsigned)((to - from) / GUEST_PAGE);
	}
	fclose(f);
	return n - (unsigned)(rig.guest.size / GUEST_PAGE);
}

struct chain *rig_chain(struct lane *l, unsigned number)
{
	struct chain *c = queue_next(l->queue, NULL);

	while (number-- > 0)
		c = queue_next(l->queue, c);
	return c;
}
