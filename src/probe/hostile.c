/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Hostile cases against any back end. What a case should lead to differs from
 * device to device; that the back end lives on does not. So each case is
 * followed by a question on the same session, and by a fresh session:
 *
 *   question answered         fresh session           survived
 *   session closed            fresh session           closed the session
 *   nothing in time           -                       hung
 *   -                         nothing in time         hung
 *   -                         refused, other process  died
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cases.h"
#include "hostile.h"
#include "vdev.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum { RETRY_MS = 5 };
enum verdict { SURVIVED, CLOSED, DIED, HUNG, VERDICTS };
static const char verdict_names[] = "survived\0" "closed_the_session\0" "died\0" "hung\0";

struct victim {
	const char *path;
	unsigned timeout_ms;
	pid_t pid;                      /* of the process that listens, 0: not known */
	struct case_side side;          /* of the session that is on */
	bool lost;                      /* a fresh session got no answer */
};

/* -- Sessions ------------------------------------------------------------------ */

static void hang_up(struct victim *v)
{
	fe_free(v->side.fe);
	fe_ring_free(v->side.ring);
	fe_mem_free(v->side.mem);
	v->side.fe = NULL;
	v->side.ring = NULL;
	v->side.mem = NULL;
}

static int make_memory(struct victim *v, struct error *err)
{
	struct fe_mem_spec spec = { CASE_RING_BASE, CASE_RING_SIZE, .flags = FE_MEM_UNSEALED };
	unsigned i;
	int ret = 0;

	v->side.mem = fe_mem_new();
	if (v->side.mem == NULL)
		return error_memory(err);
	for (i = 0; ret >= 0 && i < 3; i++) {
		ret = fe_mem_add(v->side.mem, &spec, err);
		spec.guest = CASE_DATA_BASE + i * (uint64_t)CASE_DATA_SIZE;
		spec.size = CASE_DATA_SIZE;
	}
	return ret < 0 ? ret : 0;
}

static int make_ring(struct victim *v, struct error *err)
{
	const struct fe_ring_setup setup = { .size = CASE_RING, .features = v->side.features,
		.indirect = v->side.features & BIT(VIRTIO_F_INDIRECT_DESC) ? 4 : 0 };

	return fe_ring_new(v->side.mem, &setup, &v->side.ring, err);
}

static int negotiate(struct victim *v, uint64_t leave_out, struct error *err)
{
	const uint64_t want = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) |
		BIT(VIRTIO_F_EVENT_IDX) | BIT(VIRTIO_F_RING_PACKED) |
		BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	int ret = fe_negotiate(v->side.fe, fe_all_protocol_features() &
			       ~BIT(VU_PF_INBAND_NOTIFICATIONS), err);

	v->side.features = fe_offered(v->side.fe) & want & ~leave_out;
	return ret;
}

/* A refusal in the setup is the back end's right. */
static int tolerate(int ret)
{
	return ret == -EREMOTEIO ? 0 : ret;
}

static int try_begin(struct victim *v, enum case_state state, uint64_t leave_out,
		     struct error *err)
{
	int ret = fe_connect(v->path, 0, &v->side.fe, err);

	if (ret < 0)
		return ret;
	fe_set_timeout(v->side.fe, v->timeout_ms);
	fe_set_total(v->side.fe, v->timeout_ms);
	v->side.features = 0;
	ret = make_memory(v, err);
	if (ret == 0 && state != CASE_CONNECTED)
		ret = negotiate(v, leave_out, err);
	if (ret == 0)
		ret = make_ring(v, err);
	if (ret == 0 && state != CASE_CONNECTED)
		ret = tolerate(fe_set_features(v->side.fe, v->side.features, err));
	if (ret == 0 && state == CASE_RUNNING)
		ret = tolerate(fe_mem_send(v->side.mem, v->side.fe, err));
	if (ret == 0 && state == CASE_RUNNING)
		ret = tolerate(fe_ring_start(v->side.ring, v->side.fe, err));
	return ret;
}

/* Many back ends make their socket anew after each session: nobody may be there for a while. */
static int begin(struct victim *v, enum case_state state, uint64_t leave_out, struct error *err)
{
	const uint64_t end = vdev_now() + v->timeout_ms * 1000000ULL;
	int ret;

	for (;;) {
		ret = try_begin(v, state, leave_out, err);
		if ((ret != -ECONNRESET && ret != -ECONNREFUSED && ret != -ENOENT) ||
		    vdev_now() >= end)
			return ret;
		hang_up(v);
		poll(NULL, 0, RETRY_MS);
	}
}

/* -- Kinds ------------------------------------------------------------------------ */

/* The name is the first member of all. */
union any_case {
	char name[CASE_NAME];
	struct case_message message;
	struct case_frame frame;
	struct case_memory memory;
	struct case_addr addr;
	struct case_ring ring;
	struct case_flood flood;
	struct case_channel channel;
};

enum rings { AS_OFFERED, SPLIT, PACKED };

/* A case, and the session that it begins in. */
struct scene {
	union any_case c;
	enum case_state state;
	enum rings rings;
};

static int send_wire(struct victim *v, const struct case_wire *w)
{
	fe_send(v->side.fe, w->request, w->flags, w->body, w->size, w->fds, w->n_fds, NULL);
	return 0;
}

static void message_at(unsigned i, struct scene *s)
{
	case_message_at(i, &s->c.message);
	s->state = s->c.message.state;
}

static int play_message(struct victim *v, unsigned i, const union any_case *c)
{
	struct case_wire w;

	case_wire_make(&v->side, &c->message, &w);
	return send_wire(v, &w);
}

static void frame_at(unsigned i, struct scene *s)
{
	case_frame_at(i, &s->c.frame);
	s->state = CASE_NEGOTIATED;
}

static int play_frame(struct victim *v, unsigned i, const union any_case *c)
{
	case_frame_send(&c->frame, v->side.fe, NULL);
	/* Half a message: no answer can be expected, only the next session. */
	if (c->frame.end == FRAME_LEAVE)
		hang_up(v);
	return 0;
}

static void memory_at(unsigned i, struct scene *s)
{
	case_memory_at(i, &s->c.memory);
	s->state = s->c.memory.state;
}

static int play_memory(struct victim *v, unsigned i, const union any_case *c)
{
	/* A file of the size that all its regions have. */
	const int fd = fe_mem_fd(v->side.mem, v->side.spare_region);
	struct case_wire w;

	if (c->memory.cut != CUT_NOTHING) {
		case_memory_cut(&c->memory, &v->side, NULL);
		return 0;
	}
	case_memory_make(&c->memory, &v->side, fd, &w);
	return send_wire(v, &w);
}

static void addr_at(unsigned i, struct scene *s)
{
	case_addr_at(i, &s->c.addr);
	s->state = CASE_NEGOTIATED;
	s->rings = s->c.addr.packed ? PACKED : SPLIT;
}

static int play_addr(struct victim *v, unsigned i, const union any_case *c)
{
	int ret = tolerate(fe_mem_send(v->side.mem, v->side.fe, NULL));

	if (ret == 0)
		case_addr_play(&c->addr, &v->side, NULL);
	return ret;
}

static void ring_at(unsigned i, struct scene *s)
{
	case_ring_at(i, &s->c.ring);
	s->rings = s->c.ring.packed ? PACKED : SPLIT;
}

/* The device's own answer is of no interest, so it is not waited for. */
static int play_ring(struct victim *v, unsigned i, const union any_case *c)
{
	struct fe_seg segs[4];
	unsigned k;

	for (k = 0; k < ARRAY_SIZE(segs); k++)
		segs[k] = (struct fe_seg){ CASE_DATA_BASE + k * 0x1000ULL, CASE_PIECE };
	if (fe_ring_add(v->side.ring, segs, 2, 2, c->ring.add, v) < 0)
		return -EOPNOTSUPP;     /* no indirect descriptors */
	case_ring_spoil(&c->ring, &v->side);
	fe_ring_force_kick(v->side.ring, v->side.fe, NULL);
	return 0;
}

static void flood_at(unsigned i, struct scene *s)
{
	case_flood_at(i, &s->c.flood);
}

static int play_flood(struct victim *v, unsigned i, const union any_case *c)
{
	case_flood_play(i, &v->side, NULL);
	return 0;
}

static void channel_at(unsigned i, struct scene *s)
{
	case_channel_at(i, &s->c.channel);
}

static int play_channel(struct victim *v, unsigned i, const union any_case *c)
{
	return case_channel_play(i, &v->side, NULL);
}

static const struct kind {
	unsigned (*count)(void);
	/* Into a scene of a running session, rings as offered. */
	void (*at)(unsigned i, struct scene *s);
	/* In a session as it is wanted. -EOPNOTSUPP: this one has nothing of the kind. */
	int (*play)(struct victim *v, unsigned i, const union any_case *c);
} kinds[] = {
	{ case_message_count, message_at, play_message },
	{ case_frame_count, frame_at, play_frame },
	{ case_memory_count, memory_at, play_memory },
	{ case_addr_count, addr_at, play_addr },
	{ case_ring_count, ring_at, play_ring },
	{ case_flood_count, flood_at, play_flood },
	{ case_channel_count, channel_at, play_channel },
};

/* In the order of kinds. */
static const char kind_names[] =
	"message\0" "frame\0" "memory\0" "ring address\0" "ring\0" "flood\0" "channel\0";

/* -- Verdicts ----------------------------------------------------------------------- */

/* What the session says to a question; a hung up one of ours is closed. */
static enum verdict ask_session(struct victim *v)
{
	const uint64_t end = vdev_now() + v->timeout_ms * 1000000ULL;
	struct fe_message m;
	int ret;

	if (v->side.fe == NULL)
		return CLOSED;
	/* Answers to the case itself come first, but not without end. */
	fe_set_total(v->side.fe, v->timeout_ms);
	ret = fe_send(v->side.fe, VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0, NULL);
	do {
		if (ret == 0)
			ret = vdev_now() < end ? fe_recv(v->side.fe, &m, NULL) : -ETIMEDOUT;
		if (ret == 0)
			fe_message_finish(&m);
	} while (ret == 0 && m.hdr.request != VU_GET_FEATURES);
	if (ret == -ETIMEDOUT)
		return HUNG;
	return ret == 0 ? SURVIVED : CLOSED;
}

/* What a fresh session meets. */
static enum verdict ask_again(struct victim *v)
{
	int ret = begin(v, CASE_NEGOTIATED, 0, NULL);
	pid_t pid = v->side.fe != NULL ? vdev_pid(v->side.fe) : 0;
	bool same = pid == v->pid;

	v->pid = pid;
	hang_up(v);
	if (ret == -ETIMEDOUT)
		return HUNG;
	return ret == 0 && same ? SURVIVED : DIED;
}

static enum verdict judge(struct victim *v)
{
	enum verdict session = ask_session(v), again;

	hang_up(v);
	again = ask_again(v);
	v->lost = again == HUNG;
	return again == SURVIVED ? session : again;
}

/* -- The whole ------------------------------------------------------------------------- */

/* It must be there, and be there again for a second session. */
static int first_look(struct victim *v, struct error *err)
{
	int ret = vdev_dial(v->path, v->timeout_ms, false, &v->side.fe, err);

	if (ret < 0)
		return ret;
	v->pid = vdev_pid(v->side.fe);
	ret = fe_negotiate(v->side.fe, 0, err);
	if (ret < 0)
		return error_prefix(err, "%s: ", v->path);
	hang_up(v);
	if (ask_again(v) == SURVIVED)
		return 0;
	return error_set(err, -ECHILD, "%s: the back end ends with its session, so that its end "
			 "tells nothing", v->path);
}

static void print(struct out *o, const char *what, const char *name, enum verdict verdict)
{
	if (out_for_people(o)) {
		fprintf(o->file, "%-20s%s: %s\n", verdict == CLOSED ? "closed the session"
			: case_text(verdict_names, verdict), what, name);
		fflush(o->file);
		return;
	}
	out_open(o, NULL);
	out_text(o, "case", "%s: %s", what, name);
	out_string(o, "verdict", case_text(verdict_names, verdict));
	out_close(o);
}

/* A back end that no longer answers a fresh session tells nothing of further cases. */
static int play_kind(struct out *o, struct victim *v, const struct kind *kind, const char *only,
		     unsigned totals[VERDICTS], struct error *err)
{
	struct scene s;
	enum verdict verdict;
	unsigned i;
	int ret;

	for (i = 0; i < kind->count() && !v->lost; i++) {
		s.state = CASE_RUNNING;
		s.rings = AS_OFFERED;
		kind->at(i, &s);
		if (only != NULL && strstr(s.c.name, only) == NULL)
			continue;
		ret = begin(v, s.state, s.rings == SPLIT ? BIT(VIRTIO_F_RING_PACKED) : 0, err);
		if (ret == 0 && s.rings == PACKED &&
		    !(v->side.features & BIT(VIRTIO_F_RING_PACKED)))
			ret = -EOPNOTSUPP;
		if (ret == 0)
			ret = kind->play(v, i, &s.c);
		if (ret == -EOPNOTSUPP) {
			hang_up(v);
			continue;
		}
		if (v->side.fe == NULL && ret < 0)
			return error_set(err, ret, "%s: the back end does not come back", v->path);
		verdict = judge(v);
		totals[verdict]++;
		print(o, case_text(kind_names, (unsigned)(kind - kinds)), s.c.name, verdict);
	}
	return 0;
}

int hostile_run(struct out *o, const char *path, unsigned timeout_ms, const char *only,
		struct error *err)
{
	struct victim v = { .path = path, .timeout_ms = timeout_ms,
		.side = { .path = path, .timeout_ms = timeout_ms, .spare_region = 2,
			.spare_fd = fd_eventfd() } };
	unsigned k, totals[VERDICTS] = { 0 };
	int ret = first_look(&v, err);

	if (ret == 0) {
		out_open_list(o, out_for_people(o) ? NULL : "cases");
		for (k = 0; ret == 0 && k < ARRAY_SIZE(kinds); k++)
			ret = play_kind(o, &v, &kinds[k], only, totals, err);
		out_close(o);
		for (k = 0; k < VERDICTS; k++)
			out_number(o, case_text(verdict_names, k), totals[k]);
	}
	hang_up(&v);
	fd_close(&v.side.spare_fd);
	if (ret == 0 && totals[DIED] + totals[HUNG] > 0)
		ret = error_set(err, -EIO, "%s: the back end died of %u cases and hung in %u%s",
				path, totals[DIED], totals[HUNG],
				v.lost ? ", for good" : "");
	return ret;
}
