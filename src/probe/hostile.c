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
#include <sys/socket.h>
#include <time.h>

#include "cases.h"
#include "hostile.h"
#include "vdev.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum { RETRY_MS = 5 };
enum verdict { SURVIVED, CLOSED, DIED, HUNG, VERDICTS };
static const char verdict_names[VERDICTS][20] = {
	"survived", "closed_the_session", "died", "hung",
};

struct victim {
	const char *path;
	unsigned timeout_ms;
	pid_t pid;                      /* of the process that listens, 0: not known */
	struct case_side side;          /* of the session that is on */
};

/* One kind of cases. */
struct kind {
	const char *what;
	unsigned (*count)(void);
	const char *(*name)(unsigned i, char buf[CASE_NAME]);
	/* Into a session as it is wanted; what it says is no matter. */
	int (*play)(struct victim *v, unsigned i, struct error *err);
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

static pid_t pid_of(const struct fe *fe)
{
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);

	return getsockopt(fe_fd(fe), SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 ? cred.pid : 0;
}

static int make_memory(struct victim *v, struct error *err)
{
	static const struct fe_mem_spec specs[] = {
		{ .guest = CASE_RING_BASE, .size = CASE_RING_SIZE },
		{ .guest = CASE_DATA_BASE, .size = CASE_DATA_SIZE },
		{ .guest = CASE_DATA_BASE + CASE_DATA_SIZE, .size = CASE_DATA_SIZE },
	};
	unsigned i;
	int ret = 0;

	v->side.mem = fe_mem_new();
	if (v->side.mem == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (i = 0; ret >= 0 && i < ARRAY_SIZE(specs); i++)
		ret = fe_mem_add(v->side.mem, &specs[i], err);
	return ret < 0 ? ret : 0;
}

static int make_ring(struct victim *v, unsigned size, struct error *err)
{
	const struct fe_ring_setup setup = { .size = size, .features = v->side.features,
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

static int try_begin(struct victim *v, enum case_state state, unsigned size, uint64_t leave_out,
		     struct error *err)
{
	int ret = fe_connect(v->path, 0, &v->side.fe, err);

	if (ret < 0)
		return ret;
	fe_set_timeout(v->side.fe, v->timeout_ms);
	v->side.features = 0;
	ret = make_memory(v, err);
	if (ret == 0 && state != CASE_CONNECTED)
		ret = negotiate(v, leave_out, err);
	if (ret == 0)
		ret = make_ring(v, size, err);
	if (ret == 0 && state != CASE_CONNECTED)
		ret = tolerate(fe_set_features(v->side.fe, v->side.features, err));
	if (ret == 0 && state == CASE_RUNNING)
		ret = tolerate(fe_mem_send(v->side.mem, v->side.fe, err));
	if (ret == 0 && state == CASE_RUNNING)
		ret = tolerate(fe_ring_start(v->side.ring, v->side.fe, err));
	return ret;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Many back ends make their socket anew after each session: nobody may be there for a while. */
static int begin(struct victim *v, enum case_state state, unsigned size, uint64_t leave_out,
		 struct error *err)
{
	uint64_t end = now_ms() + v->timeout_ms;
	int ret;

	for (;;) {
		ret = try_begin(v, state, size, leave_out, err);
		if ((ret != -ECONNRESET && ret != -ECONNREFUSED && ret != -ENOENT) ||
		    now_ms() >= end)
			return ret;
		hang_up(v);
		poll(NULL, 0, RETRY_MS);
	}
}

/* -- Kinds ------------------------------------------------------------------------ */

static const char *message_name(unsigned i, char buf[CASE_NAME])
{
	struct case_message c;

	case_message_at(i, &c);
	return memcpy(buf, c.name, CASE_NAME);
}

static int play_message(struct victim *v, unsigned i, struct error *err)
{
	struct case_message c;
	struct case_wire w;
	int ret;

	case_message_at(i, &c);
	ret = begin(v, c.state, 256, 0, err);
	if (ret < 0)
		return ret;
	case_wire_make(&v->side, &c, &w);
	fe_send(v->side.fe, w.request, w.flags, w.body, w.size, w.fds, w.n_fds, NULL);
	return 0;
}

static const char *frame_name(unsigned i, char buf[CASE_NAME])
{
	struct case_frame c;

	case_frame_at(i, &c);
	return memcpy(buf, c.name, CASE_NAME);
}

static int play_frame(struct victim *v, unsigned i, struct error *err)
{
	struct case_frame c;
	int ret = begin(v, CASE_NEGOTIATED, 256, 0, err);

	case_frame_at(i, &c);
	if (ret == 0)
		case_frame_send(&c, v->side.fe, NULL);
	/* Half a message: no answer can be expected, only the next session. */
	if (ret == 0 && c.end == FRAME_LEAVE)
		hang_up(v);
	return ret;
}

static const char *ring_name(unsigned i, char buf[CASE_NAME])
{
	struct case_ring c;

	case_ring_at(i, &c);
	return memcpy(buf, c.name, CASE_NAME);
}

/* The device's own answer is of no interest, so it is not waited for. */
static int play_ring(struct victim *v, unsigned i, struct error *err)
{
	struct fe_seg segs[4];
	struct case_ring c;
	unsigned k;
	int ret;

	case_ring_at(i, &c);
	ret = begin(v, CASE_RUNNING, CASE_RING, c.packed ? 0 : BIT(VIRTIO_F_RING_PACKED), err);
	if (ret < 0)
		return ret;
	if (c.packed && !(v->side.features & BIT(VIRTIO_F_RING_PACKED)))
		return -EOPNOTSUPP;
	for (k = 0; k < ARRAY_SIZE(segs); k++)
		segs[k] = (struct fe_seg){ CASE_DATA_BASE + k * 0x1000ULL, CASE_PIECE };
	if (fe_ring_add(v->side.ring, segs, 2, 2, c.add, v) < 0)
		return -EOPNOTSUPP;     /* no indirect descriptors */
	case_ring_spoil(&c, &v->side);
	fe_ring_force_kick(v->side.ring, v->side.fe, NULL);
	return 0;
}

static const struct kind kinds[] = {
	{ "message", case_message_count, message_name, play_message },
	{ "frame", case_frame_count, frame_name, play_frame },
	{ "ring", case_ring_count, ring_name, play_ring },
};

/* -- Verdicts ----------------------------------------------------------------------- */

/* What the session says to a question; a hung up one of ours is closed. */
static enum verdict ask_session(struct victim *v)
{
	struct fe_message m;
	int ret;

	if (v->side.fe == NULL)
		return CLOSED;
	ret = fe_send(v->side.fe, VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0, NULL);
	/* Answers to the case itself come first. */
	do {
		if (ret == 0)
			ret = fe_recv(v->side.fe, &m, NULL);
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
	int ret = begin(v, CASE_NEGOTIATED, CASE_RING, 0, NULL);
	pid_t pid = v->side.fe != NULL ? pid_of(v->side.fe) : 0;
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
	return again == SURVIVED ? session : again;
}

/* -- The whole ------------------------------------------------------------------------- */

/* It must be there, and be there again for a second session. */
static int first_look(struct victim *v, struct error *err)
{
	int ret = vdev_dial(v->path, v->timeout_ms, false, &v->side.fe, err);

	if (ret < 0)
		return ret;
	v->pid = pid_of(v->side.fe);
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
			: verdict_names[verdict], what, name);
		fflush(o->file);
		return;
	}
	out_open(o, NULL);
	out_text(o, "case", "%s: %s", what, name);
	out_text(o, "verdict", "%s", verdict_names[verdict]);
	out_close(o);
}

static int play_kind(struct out *o, struct victim *v, const struct kind *kind, const char *only,
		     unsigned totals[VERDICTS], struct error *err)
{
	char name[CASE_NAME];
	enum verdict verdict;
	unsigned i;
	int ret;

	for (i = 0; i < kind->count(); i++) {
		kind->name(i, name);
		if (only != NULL && strstr(name, only) == NULL)
			continue;
		ret = kind->play(v, i, err);
		if (ret == -EOPNOTSUPP) {
			hang_up(v);
			continue;
		}
		if (v->side.fe == NULL && ret < 0)
			return error_set(err, ret, "%s: the back end does not come back", v->path);
		verdict = judge(v);
		totals[verdict]++;
		print(o, kind->what, name, verdict);
	}
	return 0;
}

int hostile_run(struct out *o, const char *path, unsigned timeout_ms, const char *only,
		struct error *err)
{
	struct victim v = { .path = path, .timeout_ms = timeout_ms,
		.side = { .spare_region = 2, .spare_fd = fd_eventfd() } };
	unsigned k, totals[VERDICTS] = { 0 };
	int ret = first_look(&v, err);

	if (ret == 0) {
		out_open_list(o, out_for_people(o) ? NULL : "cases");
		for (k = 0; ret == 0 && k < ARRAY_SIZE(kinds); k++)
			ret = play_kind(o, &v, &kinds[k], only, totals, err);
		out_close(o);
		for (k = 0; k < VERDICTS; k++)
			out_number(o, verdict_names[k], totals[k]);
	}
	hang_up(&v);
	fd_close(&v.side.spare_fd);
	if (ret == 0 && totals[DIED] + totals[HUNG] > 0)
		ret = error_set(err, -EIO, "%s: the back end died of %u cases and hung in %u", path,
				totals[DIED], totals[HUNG]);
	return ret;
}
