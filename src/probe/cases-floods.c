/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Too much, or never read. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "cases.h"
#include "vhost-device/fd.h"

enum { FLOOD = 20000, CLIENTS = 100 };

static void hang_up(struct case_side *s)
{
	fe_free(s->fe);
	s->fe = NULL;
}

/* -- The same over and over ----------------------------------------------------------- */

static int message(struct case_side *s, unsigned i, struct error *err)
{
	return fe_send(s->fe, VU_SET_OWNER, VU_VERSION, NULL, 0, NULL, 0, err);
}

/* Numbers without a meaning, the same ones each time; whole messages by chance only. */
static int garbage(struct case_side *s, unsigned i, struct error *err)
{
	uint32_t words[128], seed = 2463534242U + i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		words[i] = seed;
	}
	return fe_send_raw(s->fe, words, sizeof(words), NULL, 0, err);
}

static int kick(struct case_side *s, unsigned i, struct error *err)
{
	return fe_ring_force_kick(s->ring, s->fe, err);
}

static int descriptor(struct case_side *s, unsigned i, struct error *err)
{
	const uint64_t index = 0;

	return fe_send(s->fe, VU_SET_VRING_CALL + i % 2, VU_VERSION, &index, sizeof(index),
		       &s->spare_fd, 1, err);
}

static int table(struct case_side *s, unsigned i, struct error *err)
{
	return fe_mem_send(s->mem, s->fe, err);
}

static int stop(struct case_side *s, unsigned i, struct error *err)
{
	int ret = fe_set_vring_enable(s->fe, 0, i & 1, err);

	return ret < 0 ? ret : kick(s, i, err);
}

static int reset(struct case_side *s, unsigned i, struct error *err)
{
	return fe_reset_device(s->fe, err);
}

static int reconnect(struct case_side *s, unsigned i, struct error *err)
{
	int ret;

	hang_up(s);
	ret = fe_connect(s->path, s->timeout_ms, &s->fe, err);
	hang_up(s);
	return ret;
}

/* Chains that are bad each, without a pause: the log and the loop belong to others as well. */
static int bad_request(struct case_side *s, unsigned i, struct error *err)
{
	const struct fe_seg seg = { 0xdead0000, 8 };
	struct fe_used used;
	int ret;

	if (fe_ring_add(s->ring, &seg, 1, 0, 0, s) == 0)
		return 0;
	ret = fe_ring_kick(s->ring, s->fe, err);
	while (ret >= 0 && fe_ring_outstanding(s->ring) > 0) {
		ret = fe_ring_wait(s->ring, s->fe, s->timeout_ms, err);
		if (ret == 0)
			ret = fe_ring_get(s->ring, &used, err);
	}
	return ret;
}

/* -- Once ------------------------------------------------------------------------------- */

static const struct vu_header question = { VU_GET_FEATURES, VU_VERSION, 0 };

/* Asks as often as goes without waiting; how often that was. */
static unsigned ask(const struct case_side *s)
{
	unsigned i;

	for (i = 0; i < FLOOD; i++) {
		if (send(fe_fd(s->fe), &question, sizeof(question),
			 MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(question))
			break;
	}
	return i;
}

/* Answers pile up until the back end may not go on; then they are read at last. */
static int read_late(struct case_side *s, unsigned i, struct error *err)
{
	unsigned n = ask(s);
	struct fe_message m;
	int ret = 0;

	while (ret == 0 && n-- > 0) {
		ret = fe_recv(s->fe, &m, err);
		if (ret == 0)
			fe_message_finish(&m);
	}
	/* The back end may have given the session up instead. */
	return ret == -ECONNRESET ? 0 : ret;
}

static int read_never(struct case_side *s, unsigned i, struct error *err)
{
	ask(s);
	hang_up(s);
	return 0;
}

/* All of them talk at once; one is served, the others wait and then leave. */
static int clients(struct case_side *s, unsigned i, struct error *err)
{
	struct fe *fe[CLIENTS] = { NULL };

	hang_up(s);
	for (i = 0; i < CLIENTS && fe_connect(s->path, 50, &fe[i], NULL) == 0; i++)
		fe_send(fe[i], VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0, NULL);
	while (i-- > 0)
		fe_free(fe[i]);
	return 0;
}

#define FLOODS(X) \
	X("messages", message, FLOOD) \
	X("garbage", garbage, 1000) \
	X("kicks", kick, FLOOD) \
	X("descriptors", descriptor, 2000) \
	X("memory tables", table, 300) \
	X("stops", stop, 500) \
	X("resets", reset, 300) \
	X("bad requests", bad_request, FLOOD) \
	X("connects", reconnect, 2000) \
	X("a hundred clients at once", clients, 1) \
	X("answers that are read late", read_late, 1) \
	X("answers that are never read", read_never, 1)

static const struct row {
	int (*play)(struct case_side *s, unsigned i, struct error *err);
	unsigned times;
} rows[] = {
#define ROW(name, play, times) { play, times },
	FLOODS(ROW)
#undef ROW
};

#define ROW(name, play, times) name "\0"
static const char names[] = FLOODS(ROW);
#undef ROW

unsigned case_flood_count(void)
{
	return ARRAY_SIZE(rows);
}

void case_flood_at(unsigned i, struct case_flood *ret_case)
{
	ret_case->closes = rows[i].play == garbage;
	snprintf(ret_case->name, CASE_NAME, "%s", case_text(names, i));
}

int case_flood_play(unsigned i, struct case_side *s, struct error *err)
{
	const struct row *r = &rows[i];
	int ret = 0;

	for (i = 0; ret >= 0 && i < r->times; i++)
		ret = r->play(s, i, err);
	return ret < 0 ? ret : 0;
}
