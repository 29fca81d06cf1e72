/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The request table and its rules. A row says what a message must look like;
 * everything that can be told from the row is checked before the handler runs.
 *
 * Answers: a request with an answer of its own gets that one and no other,
 * whether it asked for a reply or not. Any other gets a u64 (0: done) if
 * REPLY_ACK was negotiated and it asks for one, else no byte at all. A request
 * that fails and has no way to say so ends the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/vu.h"
#include "vhost-device/fd.h"
#include "vhost-device/vu-name.h"
#include "wire/vhost-user.h"
#include "wire/virtio-ring.h"

enum {
	BODY_MAX = 4096,                /* of any message but the memory table */
	MEM_TABLE_MAX = sizeof(struct vu_mem_table) +
			VU_MAX_MEM_SLOTS * sizeof(struct vu_region),
};

/* A request under way. */
struct request {
	struct message *m;
	unsigned index;                 /* of the ring, for rows that name one */
	struct error err;
	bool fatal;                     /* ends the session even when it asked for an answer */
	size_t answer_size;
	union {
		uint64_t u64;
		struct vu_vring_state state;
		uint8_t bytes[BODY_MAX];
	} answer;
};

enum answer { ANSWER_ACK, ANSWER_U64, ANSWER_STATE, ANSWER_CONFIG };
/* Where a body names its ring: the u32 it begins with, or the u64 beside a descriptor. */
enum ring { RING_NONE, RING_U32, RING_FD };
enum { GATE_NONE = -1, GATE_BIT_30 = 64 };      /* else a protocol feature */

struct row {
	uint16_t size_min, size_max;
	uint16_t fds_min, fds_max;
	int16_t gate;
	uint8_t ring, answer;
	int (*handle)(struct vu *vu, struct request *rq);
};

static const struct row rows[VU_REQUEST_MAX];

static const struct row *row_of(uint32_t id)
{
	return id < VU_REQUEST_MAX && rows[id].handle != NULL ? &rows[id] : NULL;
}

/* Bodies are byte streams without alignment, so they are copied out. */
static uint64_t body_u64(const struct request *rq)
{
	uint64_t v;

	memcpy(&v, rq->m->body, sizeof(v));
	return v;
}

static uint32_t body_state(const struct request *rq)
{
	struct vu_vring_state v;

	memcpy(&v, rq->m->body, sizeof(v));
	return v.num;
}

/* The descriptor of a ring, or -1 when the message says that there is none. */
static int ring_fd(struct request *rq)
{
	return rq->m->n_fds > 0 ? take_fd(&rq->m->fds[0]) : -1;
}

static int answer_u64(struct request *rq, uint64_t v)
{
	rq->answer.u64 = v;
	return 0;
}

/* Negotiation. */

static int get_features(struct vu *vu, struct request *rq)
{
	return answer_u64(rq, vu->offer.features);
}

static int set_features(struct vu *vu, struct request *rq)
{
	uint64_t f = body_u64(rq);
	uint64_t strange = f & ~(vu->offer.features | vu->offer.tolerated);
	int ret;

	if (strange != 0)
		return error_set(&rq->err, -EINVAL, "feature bits 0x%llx were not offered",
				 (unsigned long long)strange);
	if (!(f & BIT(VIRTIO_F_VERSION_1)))
		return error_set(&rq->err, -EINVAL, "the guest's driver is a legacy one, without "
				 "VERSION_1: make the device modern (QEMU: disable-legacy=on)");
	if ((f & vu->offer.required) != vu->offer.required)
		return error_set(&rq->err, -EINVAL, "feature bits 0x%llx are missing",
				 (unsigned long long)(vu->offer.required & ~f));
	ret = vu->ops->features(vu, f, &rq->err);
	if (ret == 0)
		vu->features = f;
	return ret;
}

static int get_protocol_features(struct vu *vu, struct request *rq)
{
	return answer_u64(rq, vu->offer.protocol);
}

static int set_protocol_features(struct vu *vu, struct request *rq)
{
	const uint64_t inband_needs = BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK);
	uint64_t f = body_u64(rq);

	if (f & ~vu->offer.protocol)
		return error_set(&rq->err, -EINVAL, "protocol feature bits 0x%llx were not offered",
				 (unsigned long long)(f & ~vu->offer.protocol));
	if ((f & BIT(VU_PF_INBAND_NOTIFICATIONS)) && (f & inband_needs) != inband_needs) {
		rq->fatal = true;
		return error_set(&rq->err, -EINVAL,
				 "in-band notifications without a back-end channel or REPLY_ACK");
	}
	vu->protocol = f;
	upcalls_allow_acks(&vu->up, vu_has(vu, VU_PF_REPLY_ACK));
	vu->ops->protocol(vu);
	return 0;
}

static int get_queue_num(struct vu *vu, struct request *rq)
{
	return answer_u64(rq, vu->offer.n_queues);
}

/* SET_OWNER may be repeated; RESET_OWNER is deprecated and was never a reset. */
static int nothing_to_do(struct vu *vu, struct request *rq)
{
	return 0;
}

/* Whoever holds the other end of the connection would never see it close. */
static int check_not_own(const struct vu *vu, int fd, struct error *err)
{
	if (!fd_is_other_end(fd, vu->channel.fd))
		return 0;
	return error_set(err, -EINVAL, "its descriptor is this connection");
}

static int set_backend_fd(struct vu *vu, struct request *rq)
{
	int ret = check_not_own(vu, rq->m->fds[0], &rq->err);

	if (ret == 0)
		ret = upcalls_attach(&vu->up, take_fd(&rq->m->fds[0]));
	if (ret == 0)
		vu->ops->backend(vu);
	return ret;
}

/* Memory. */

static void region_of(struct mem_region *r, const void *at, int fd)
{
	struct vu_region w;

	memcpy(&w, at, sizeof(w));
	*r = (struct mem_region){ .guest = w.guest_addr, .size = w.size, .user = w.user_addr,
		.offset = w.mmap_offset, .fd = fd };
}

static int set_mem_table(struct vu *vu, struct request *rq)
{
	const uint8_t *body = rq->m->body;
	FREE_PTR struct mem_region *regions = NULL;
	struct vu_mem_table head;
	unsigned i;

	memcpy(&head, body, sizeof(head));
	if (head.n_regions > VU_MAX_MEM_SLOTS ||
	    rq->m->size != sizeof(head) + head.n_regions * sizeof(struct vu_region))
		return error_set(&rq->err, -EINVAL, "%u regions in %zu bytes", head.n_regions,
				 rq->m->size);
	if (rq->m->n_fds != head.n_regions)
		return error_set(&rq->err, -EINVAL, "%u regions with %u file descriptors",
				 head.n_regions, rq->m->n_fds);
	regions = calloc(head.n_regions + 1, sizeof(*regions));
	if (regions == NULL)
		return -ENOMEM;
	for (i = 0; i < head.n_regions; i++)
		region_of(&regions[i], body + sizeof(head) + i * sizeof(struct vu_region),
			  rq->m->fds[i]);
	return vu->ops->memory(vu, regions, head.n_regions, &rq->err);
}

static int get_max_mem_slots(struct vu *vu, struct request *rq)
{
	return answer_u64(rq, VU_MAX_MEM_SLOTS);
}

static void single_region(struct mem_region *r, const struct request *rq)
{
	region_of(r, (const uint8_t *)rq->m->body + offsetof(struct vu_single_region, region),
		  rq->m->n_fds > 0 ? rq->m->fds[0] : -1);
}

static int add_mem_reg(struct vu *vu, struct request *rq)
{
	struct mem_region r;

	single_region(&r, rq);
	return vu->ops->memory_add(vu, &r, &rq->err);
}

static int rem_mem_reg(struct vu *vu, struct request *rq)
{
	struct mem_region r;

	single_region(&r, rq);
	return vu->ops->memory_remove(vu, &r, &rq->err);
}

/* Rings. */

static int set_vring_num(struct vu *vu, struct request *rq)
{
	return vu->ops->ring_size(vu, rq->index, body_state(rq), &rq->err);
}

static int set_vring_addr(struct vu *vu, struct request *rq)
{
	struct vu_vring_addr w;
	struct queue_addr a;

	memcpy(&w, rq->m->body, sizeof(w));
	a = (struct queue_addr){ .desc = w.desc, .avail = w.avail, .used = w.used };
	return vu->ops->ring_addr(vu, rq->index, &a, &rq->err);
}

static int set_vring_base(struct vu *vu, struct request *rq)
{
	return vu->ops->ring_base(vu, rq->index, body_state(rq), &rq->err);
}

static int get_vring_base(struct vu *vu, struct request *rq)
{
	rq->answer.state = (struct vu_vring_state){ .index = rq->index };
	return vu->ops->ring_stop(vu, rq->index, &rq->answer.state.num);
}

/*
 * Anything else, a pipe for instance, could block us when it is read, written,
 * polled or closed, because others may set its flags again. What has no type is
 * an eventfd or a relative of it. Where a file lies is not asked: that could
 * take its time as well.
 */
static int check_notifier(const struct vu *vu, struct request *rq)
{
	struct statx st;
	int fd;

	if (rq->m->n_fds == 0)
		return 0;
	fd = rq->m->fds[0];
	if (fd_is_unix_socket(fd, 0))
		return check_not_own(vu, fd, &rq->err);
	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	    (st.stx_mode & S_IFMT) == 0)
		return 0;
	return error_set(&rq->err, -EINVAL,
			 "its descriptor is neither an eventfd nor a Unix socket");
}

static int set_vring_kick(struct vu *vu, struct request *rq)
{
	int ret = check_notifier(vu, rq);

	return ret < 0 ? ret : vu->ops->ring_kick(vu, rq->index, ring_fd(rq), &rq->err);
}

static int writable_fd(const struct vu *vu, struct request *rq, int *ret_fd)
{
	int ret = check_notifier(vu, rq);

	if (ret == 0 && rq->m->n_fds > 0)
		ret = fd_set_nonblock(rq->m->fds[0]);
	if (ret == 0)
		*ret_fd = ring_fd(rq);
	return ret;
}

static int set_vring_call(struct vu *vu, struct request *rq)
{
	int fd;
	int ret = writable_fd(vu, rq, &fd);

	if (ret == 0)
		vu->ops->ring_call(vu, rq->index, fd);
	return ret;
}

static int set_vring_err(struct vu *vu, struct request *rq)
{
	int fd;
	int ret = writable_fd(vu, rq, &fd);

	if (ret == 0)
		vu->ops->ring_err(vu, rq->index, fd);
	return ret;
}

static int set_vring_enable(struct vu *vu, struct request *rq)
{
	uint32_t on = body_state(rq);

	if (on > 1)
		return error_set(&rq->err, -EINVAL, "neither on nor off but %u", on);
	return vu->ops->ring_enable(vu, rq->index, on != 0, &rq->err);
}

static int vring_kick(struct vu *vu, struct request *rq)
{
	return vu->ops->ring_kicked(vu, rq->index, &rq->err);
}

/* Device. */

static int config_head(struct request *rq, struct vu_config *head)
{
	memcpy(head, rq->m->body, sizeof(*head));
	if (rq->m->size - sizeof(*head) == head->size)
		return 0;
	return error_set(&rq->err, -EINVAL, "%u bytes of configuration in a message of %zu",
			 head->size, rq->m->size);
}

static int get_config(struct vu *vu, struct request *rq)
{
	struct vu_config head;
	int ret = config_head(rq, &head);

	if (ret < 0)
		return ret;
	memcpy(rq->answer.bytes, &head, sizeof(head));
	vu->ops->config_read(vu, head.offset, head.size, rq->answer.bytes + sizeof(head));
	rq->answer_size = rq->m->size;
	return 0;
}

static int set_config(struct vu *vu, struct request *rq)
{
	struct vu_config head;
	int ret = config_head(rq, &head);

	if (ret < 0)
		return ret;
	if (head.flags > VU_CONFIG_MIGRATION)
		return error_set(&rq->err, -EINVAL, "unknown flags 0x%x", head.flags);
	vu->ops->config_write(vu, head.offset, head.size,
			      (const uint8_t *)rq->m->body + sizeof(head),
			      head.flags == VU_CONFIG_MIGRATION);
	return 0;
}

static int get_status(struct vu *vu, struct request *rq)
{
	return answer_u64(rq, vu->ops->status(vu));
}

static int set_status(struct vu *vu, struct request *rq)
{
	uint64_t status = body_u64(rq);

	if (status > UINT8_MAX)
		return error_set(&rq->err, -EINVAL, "0x%llx is no device status",
				 (unsigned long long)status);
	return vu->ops->set_status(vu, (uint8_t)status);
}

static int reset_device(struct vu *vu, struct request *rq)
{
	return vu->ops->reset(vu);
}

#define NO_BODY .size_min = 0, .size_max = 0
#define BODY(type) .size_min = sizeof(type), .size_max = sizeof(type)
#define BODY_UP_TO(type, max) .size_min = sizeof(type), .size_max = (max)
#define FDS(min, max) .fds_min = (min), .fds_max = (max)
#define GATE(bit) .gate = (bit)
#define STATE .size_min = sizeof(struct vu_vring_state), \
	.size_max = sizeof(struct vu_vring_state), .ring = RING_U32
#define VRING_FD BODY(uint64_t), FDS(0, 1), .ring = RING_FD
#define U64 .answer = ANSWER_U64

static const struct row rows[VU_REQUEST_MAX] = {
	[VU_GET_FEATURES] = { NO_BODY, GATE(GATE_NONE), U64,
		.handle = get_features },
	[VU_SET_FEATURES] = { BODY(uint64_t), GATE(GATE_NONE),
		.handle = set_features },
	[VU_SET_OWNER] = { NO_BODY, GATE(GATE_NONE), .handle = nothing_to_do },
	[VU_RESET_OWNER] = { NO_BODY, GATE(GATE_NONE), .handle = nothing_to_do },
	[VU_SET_MEM_TABLE] = { BODY_UP_TO(struct vu_mem_table, MEM_TABLE_MAX),
		FDS(0, VU_MAX_FDS), GATE(GATE_NONE), .handle = set_mem_table },
	[VU_SET_LOG_FD] = { NO_BODY, FDS(1, 1), GATE(GATE_NONE),
		.handle = nothing_to_do },
	[VU_SET_VRING_NUM] = { STATE, GATE(GATE_NONE), .handle = set_vring_num },
	[VU_SET_VRING_ADDR] = { BODY(struct vu_vring_addr), GATE(GATE_NONE),
		.ring = RING_U32, .handle = set_vring_addr },
	[VU_SET_VRING_BASE] = { STATE, GATE(GATE_NONE),
		.handle = set_vring_base },
	[VU_GET_VRING_BASE] = { STATE, GATE(GATE_NONE), .answer = ANSWER_STATE,
		.handle = get_vring_base },
	[VU_SET_VRING_KICK] = { VRING_FD, GATE(GATE_NONE),
		.handle = set_vring_kick },
	[VU_SET_VRING_CALL] = { VRING_FD, GATE(GATE_NONE),
		.handle = set_vring_call },
	[VU_SET_VRING_ERR] = { VRING_FD, GATE(GATE_NONE),
		.handle = set_vring_err },
	[VU_GET_PROTOCOL_FEATURES] = { NO_BODY, GATE(GATE_NONE), U64,
		.handle = get_protocol_features },
	[VU_SET_PROTOCOL_FEATURES] = { BODY(uint64_t), GATE(GATE_NONE),
		.handle = set_protocol_features },
	[VU_GET_QUEUE_NUM] = { NO_BODY, GATE(VU_PF_MQ), U64,
		.handle = get_queue_num },
	[VU_SET_VRING_ENABLE] = { STATE, GATE(GATE_BIT_30),
		.handle = set_vring_enable },
	[VU_SET_BACKEND_REQ_FD] = { NO_BODY, FDS(1, 1),
		GATE(VU_PF_BACKEND_REQ), .handle = set_backend_fd },
	[VU_GET_CONFIG] = { BODY_UP_TO(struct vu_config, BODY_MAX),
		GATE(VU_PF_CONFIG), .answer = ANSWER_CONFIG, .handle = get_config },
	[VU_SET_CONFIG] = { BODY_UP_TO(struct vu_config, BODY_MAX),
		GATE(VU_PF_CONFIG), .handle = set_config },
	[VU_RESET_DEVICE] = { NO_BODY, GATE(VU_PF_RESET_DEVICE),
		.handle = reset_device },
	[VU_VRING_KICK] = { STATE, GATE(VU_PF_INBAND_NOTIFICATIONS),
		.handle = vring_kick },
	[VU_GET_MAX_MEM_SLOTS] = { NO_BODY, GATE(VU_PF_CONFIGURE_MEM_SLOTS),
		U64, .handle = get_max_mem_slots },
	[VU_ADD_MEM_REG] = { BODY(struct vu_single_region), FDS(1, 1),
		GATE(VU_PF_CONFIGURE_MEM_SLOTS), .handle = add_mem_reg },
	/* Some front ends send the region's descriptor along; it is closed. */
	[VU_REM_MEM_REG] = { BODY(struct vu_single_region), FDS(0, 1),
		GATE(VU_PF_CONFIGURE_MEM_SLOTS), .handle = rem_mem_reg },
	[VU_SET_STATUS] = { BODY(uint64_t), GATE(VU_PF_STATUS),
		.handle = set_status },
	[VU_GET_STATUS] = { NO_BODY, GATE(VU_PF_STATUS), U64, .handle = get_status },
};

/* Before the handler. */

static int check_gate(const struct vu *vu, const struct row *row, struct error *err)
{
	if (row->gate == GATE_NONE)
		return 0;
	if (row->gate == GATE_BIT_30) {
		if (vu->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES))
			return 0;
		return error_set(err, -EPERM, "feature bit 30 was not acknowledged");
	}
	if (vu_has(vu, (unsigned)row->gate))
		return 0;
	return error_set(err, -EPERM, "protocol feature %d was not negotiated", row->gate);
}

static int check_ring(const struct vu *vu, const struct row *row, struct request *rq)
{
	uint64_t index;
	uint32_t u32;

	if (row->ring == RING_FD) {
		index = body_u64(rq);
		if (index & ~(uint64_t)(VU_VRING_INDEX_MASK | VU_VRING_NOFD))
			return error_set(&rq->err, -EINVAL, "unknown bits in 0x%llx",
					 (unsigned long long)index);
		if (!(index & VU_VRING_NOFD) != (rq->m->n_fds == 1))
			return error_set(&rq->err, -EINVAL, "%u file descriptors with 0x%llx",
					 rq->m->n_fds, (unsigned long long)index);
		index &= VU_VRING_INDEX_MASK;
	} else {
		memcpy(&u32, rq->m->body, sizeof(u32));
		index = u32;
	}
	if (index >= vu->offer.n_queues)
		return error_set(&rq->err, -EINVAL, "queue %llu, but there are %u",
				 (unsigned long long)index, vu->offer.n_queues);
	rq->index = (unsigned)index;
	return 0;
}

static int check(const struct vu *vu, const struct row *row, struct request *rq)
{
	const struct message *m = rq->m;
	int ret;

	if (row == NULL)
		return error_set(&rq->err, -ENOSYS, "not supported");
	if (m->size < row->size_min || m->size > row->size_max)
		return error_set(&rq->err, -EINVAL, "%zu bytes long", m->size);
	if (m->n_fds < row->fds_min || m->n_fds > row->fds_max)
		return error_set(&rq->err, -EINVAL, "%u file descriptors", m->n_fds);
	ret = check_gate(vu, row, &rq->err);
	if (ret < 0 || row->ring == RING_NONE)
		return ret;
	return check_ring(vu, row, rq);
}

/* Behind the handler. */

static void over(struct vu *vu)
{
	vu_close(vu);
	vu->ops->gone(vu);
}

static void reply(struct vu *vu, uint32_t id, const void *body, size_t size)
{
	int ret = channel_send(&vu->channel, id, VU_VERSION | VU_REPLY, body, size);

	/* The rest of a half-sent answer cannot be made good. */
	if (ret < 0)
		over(vu);
}

static void reply_ack(struct vu *vu, uint32_t id, int ret)
{
	const uint64_t value = ret < 0;

	reply(vu, id, &value, sizeof(value));
}

static bool wants_ack(const struct vu *vu, const struct message *m)
{
	/* Looked at behind the handler: UML asks with the very message that negotiates it. */
	return (m->flags & VU_NEED_REPLY) && vu_has(vu, VU_PF_REPLY_ACK);
}

static void answer_failure(struct vu *vu, const struct row *row, struct request *rq, int ret)
{
	const uint32_t id = rq->m->id;
	const char *why = rq->err.text[0] != '\0' ? rq->err.text : strerror(-ret);
	bool config = row != NULL && row->answer == ANSWER_CONFIG;
	bool stays = config || (wants_ack(vu, rq->m) &&
				(row == NULL || row->answer == ANSWER_ACK) && !rq->fatal);

	if (row != NULL)
		log_limited(&vu->limit, LOG_LEVEL_WARN, vu->in, "%s refused%s: %s",
			    vu_request_name(id), stays ? "" : ", session ended", why);
	else
		log_limited(&vu->limit, LOG_LEVEL_WARN, vu->in, "%s (%u) refused%s: %s",
			    vu_request_name(id), id, stays ? "" : ", session ended", why);
	if (!stays)
		over(vu);
	else if (config)
		reply(vu, id, NULL, 0);
	else
		reply_ack(vu, id, ret);
}

static void answer(struct vu *vu, const struct row *row, struct request *rq)
{
	const uint32_t id = rq->m->id;

	switch ((enum answer)row->answer) {
	case ANSWER_U64:
		reply(vu, id, &rq->answer.u64, sizeof(rq->answer.u64));
		break;
	case ANSWER_STATE:
		reply(vu, id, &rq->answer.state, sizeof(rq->answer.state));
		break;
	case ANSWER_CONFIG:
		reply(vu, id, rq->answer.bytes, rq->answer_size);
		break;
	case ANSWER_ACK:
		if (wants_ack(vu, rq->m))
			reply_ack(vu, id, 0);
		break;
	}
}

static void wait_for_answer(struct vu *vu, const struct request *rq)
{
	vu->waiting = true;
	vu->asked = rq->m->id;
	vu->asked_index = rq->index;
	vu->asked_ack = wants_ack(vu, rq->m);
	channel_pause(&vu->channel, true);
}

static void on_request(struct channel *ch, struct message *m)
{
	struct vu *vu = container_of(ch, struct vu, channel);
	const struct row *row = row_of(m->id);
	struct request rq;
	int ret;

	rq.m = m;
	rq.index = 0;
	rq.err = ERROR_NONE;
	rq.fatal = m->flags & VU_REPLY;
	ret = rq.fatal ? error_set(&rq.err, -EPROTO, "a reply to nothing") : check(vu, row, &rq);
	if (ret == 0)
		ret = row->handle(vu, &rq);
	log_trace(vu->in, "%s (%u): %zu bytes, %u fds, flags 0x%x: %d",
		  vu_request_name(m->id), m->id, m->size, m->n_fds, m->flags,
		  ret);
	if (ret == VU_LATER)
		wait_for_answer(vu, &rq);
	else if (ret < 0)
		answer_failure(vu, row, &rq, ret);
	else
		answer(vu, row, &rq);
}

static void on_gone(struct channel *ch, const char *why)
{
	struct vu *vu = container_of(ch, struct vu, channel);

	if (why != NULL)
		log_limited(&vu->limit, LOG_LEVEL_WARN, vu->in, "session ended: %s", why);
	over(vu);
}

static size_t request_limit(struct channel *ch, uint32_t id)
{
	return id == VU_SET_MEM_TABLE ? MEM_TABLE_MAX : BODY_MAX;
}

int vu_open(struct vu *vu, const struct vu_ops *ops, const struct vu_offer *offer, struct loop *l,
	    const struct instance *in, int fd)
{
	int ret;

	*vu = (struct vu){
		.ops = ops, .offer = *offer, .in = in, .limit = vu->limit,
		.up = { .limit = vu->up.limit },
		.channel = { .got = on_request, .gone = on_gone, .limit = request_limit },
	};
	upcalls_init(&vu->up, l, in);
	ret = channel_init(&vu->channel, l, fd);
	vu->open = ret == 0;
	return ret;
}

bool vu_has(const struct vu *vu, unsigned protocol_bit)
{
	return vu->protocol & BIT(protocol_bit);
}

bool vu_waiting(const struct vu *vu)
{
	return vu->waiting;
}

void vu_answer(struct vu *vu, int ret, uint32_t value)
{
	const struct row *row = row_of(vu->asked);
	struct vu_vring_state state = { vu->asked_index, value };

	bug_if(!vu->waiting);
	vu->waiting = false;
	channel_pause(&vu->channel, vu->held);
	if (row->answer == ANSWER_STATE)
		reply(vu, vu->asked, &state, sizeof(state));
	else if (vu->asked_ack)
		reply_ack(vu, vu->asked, ret);
}

void vu_hold(struct vu *vu, bool on)
{
	vu->held = on;
	channel_pause(&vu->channel, on || vu->waiting);
}

void vu_close(struct vu *vu)
{
	if (!vu->open)
		return;
	vu->open = false;
	vu->waiting = false;
	channel_finish(&vu->channel);
	upcalls_finish(&vu->up);
}
