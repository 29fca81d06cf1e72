/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Every request, and the negotiation made of them. */
#include <errno.h>
#include <string.h>

#include "fe-priv.h"
#include "wire/virtio-ring.h"

static int check_reply(const struct fe_message *m, uint32_t request, struct error *err)
{
	if (m->hdr.request != request)
		return error_set(err, -EPROTO, "%s was answered as %s", fe_request_name(request),
				 fe_request_name(m->hdr.request));
	if (m->hdr.flags != (VU_VERSION | VU_REPLY))
		return error_set(err, -EPROTO, "the reply to %s has flags 0x%x, not 0x5",
				 fe_request_name(request), m->hdr.flags);
	return 0;
}

/* A reply that may not be: whatever follows in the stream cannot be told apart. */
static int bad_reply(struct fe *fe, struct fe_message *m)
{
	fe_message_finish(m);
	return fe_lose(fe, -EPROTO);
}

static int await_reply(struct fe *fe, uint32_t request, struct fe_message *m, struct error *err)
{
	int ret = fe_recv(fe, m, err);

	if (ret < 0)
		return ret;
	return check_reply(m, request, err) < 0 ? bad_reply(fe, m) : 0;
}

static int read_u64(struct fe *fe, struct fe_message *m, uint64_t *ret_value, struct error *err)
{
	if (m->hdr.size != sizeof(*ret_value) || m->n_fds != 0) {
		error_set(err, -EPROTO, "the reply to %s has %u bytes and %u descriptors, not 8 "
			  "and none", fe_request_name(m->hdr.request), m->hdr.size, m->n_fds);
		return bad_reply(fe, m);
	}
	memcpy(ret_value, m->body, sizeof(*ret_value));
	return 0;
}

int fe_request(struct fe *fe, uint32_t request, const void *body, size_t size, const int *fds,
	       unsigned n_fds, struct fe_message *ret_reply, struct error *err)
{
	bool ack = ret_reply == NULL && fe->want_acks && fe_has_protocol(fe, VU_PF_REPLY_ACK);
	struct fe_message m;
	uint64_t verdict = 0;
	int ret;

	bug_if(fe->serving);
	ret = fe_send(fe, request, VU_VERSION | (ack ? VU_NEED_REPLY : 0), body, size, fds, n_fds,
		      err);
	if (ret < 0 || (ret_reply == NULL && !ack))
		return ret;
	ret = await_reply(fe, request, ack ? &m : ret_reply, err);
	if (ret < 0 || !ack)
		return ret;
	ret = read_u64(fe, &m, &verdict, err);
	if (ret == 0 && verdict != 0)
		ret = error_set(err, -EREMOTEIO, "the back end refused %s (message %u)",
				fe_request_name(request), fe->sent);
	return ret;
}

void fe_want_acks(struct fe *fe, bool on)
{
	fe->want_acks = on;
}

/* -- Shapes of requests ---------------------------------------------------- */

static int send_plain(struct fe *fe, uint32_t request, struct error *err)
{
	return fe_request(fe, request, NULL, 0, NULL, 0, NULL, err);
}

static int send_u64(struct fe *fe, uint32_t request, uint64_t value, struct error *err)
{
	return fe_request(fe, request, &value, sizeof(value), NULL, 0, NULL, err);
}

static int ask_u64(struct fe *fe, uint32_t request, uint64_t *ret_value, struct error *err)
{
	struct fe_message m;
	int ret = fe_request(fe, request, NULL, 0, NULL, 0, &m, err);

	return ret < 0 ? ret : read_u64(fe, &m, ret_value, err);
}

static int send_state(struct fe *fe, uint32_t request, unsigned index, uint32_t num,
		      struct error *err)
{
	struct vu_vring_state state = { index, num };

	return fe_request(fe, request, &state, sizeof(state), NULL, 0, NULL, err);
}

static int send_vring_fd(struct fe *fe, uint32_t request, unsigned index, int fd,
			 struct error *err)
{
	uint64_t value = (index & VU_VRING_INDEX_MASK) | (fd < 0 ? VU_VRING_NOFD : 0);

	return fe_request(fe, request, &value, sizeof(value), &fd, fd >= 0, NULL, err);
}

static int need(const struct fe *fe, unsigned bit, struct error *err)
{
	if (fe_has_protocol(fe, bit))
		return 0;
	return error_set(err, -EOPNOTSUPP, "%s was not negotiated", fe_protocol_feature_name(bit));
}

/* -- Negotiation ----------------------------------------------------------- */

uint64_t fe_all_protocol_features(void)
{
	return BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_CONFIG) |
		BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_INBAND_NOTIFICATIONS) |
		BIT(VU_PF_CONFIGURE_MEM_SLOTS) | BIT(VU_PF_STATUS);
}

static int negotiate_protocol(struct fe *fe, uint64_t want, struct error *err)
{
	uint64_t value;
	int ret = fe_get_protocol_features(fe, &value, err);

	if (ret == 0)
		ret = fe_set_protocol_features(fe, value & want, err);
	if (ret == 0 && fe_has_protocol(fe, VU_PF_MQ))
		ret = fe_get_queue_num(fe, &value, err);
	if (ret == 0 && fe_has_protocol(fe, VU_PF_CONFIGURE_MEM_SLOTS))
		ret = fe_get_max_mem_slots(fe, &value, err);
	return ret;
}

int fe_negotiate(struct fe *fe, uint64_t want_protocol, struct error *err)
{
	uint64_t features;
	int ret = fe_get_features(fe, &features, err);

	if (ret == 0 && (features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)))
		ret = negotiate_protocol(fe, want_protocol, err);
	return ret < 0 ? ret : fe_set_owner(fe, err);
}

uint64_t fe_offered(const struct fe *fe)
{
	return fe->offered;
}

uint64_t fe_acked(const struct fe *fe)
{
	return fe->acked;
}

uint64_t fe_protocol_offered(const struct fe *fe)
{
	return fe->protocol_offered;
}

uint64_t fe_protocol(const struct fe *fe)
{
	return fe->protocol;
}

bool fe_has_protocol(const struct fe *fe, unsigned bit)
{
	return (fe->protocol & BIT(bit)) != 0;
}

unsigned fe_queue_num(const struct fe *fe)
{
	return fe->queue_num;
}

unsigned fe_mem_slots(const struct fe *fe)
{
	return fe->mem_slots;
}

/* -- The device ------------------------------------------------------------ */

int fe_get_features(struct fe *fe, uint64_t *ret_bits, struct error *err)
{
	int ret = ask_u64(fe, VU_GET_FEATURES, ret_bits, err);

	if (ret == 0)
		fe->offered = *ret_bits;
	return ret;
}

int fe_set_features(struct fe *fe, uint64_t bits, struct error *err)
{
	int ret = send_u64(fe, VU_SET_FEATURES, bits, err);

	if (ret == 0)
		fe->acked = bits;
	return ret;
}

int fe_get_protocol_features(struct fe *fe, uint64_t *ret_bits, struct error *err)
{
	int ret = ask_u64(fe, VU_GET_PROTOCOL_FEATURES, ret_bits, err);

	if (ret == 0)
		fe->protocol_offered = *ret_bits;
	return ret;
}

/* REPLY_ACK acked here counts from the next message on. */
int fe_set_protocol_features(struct fe *fe, uint64_t bits, struct error *err)
{
	int ret = send_u64(fe, VU_SET_PROTOCOL_FEATURES, bits, err);

	if (ret == 0)
		fe->protocol = bits;
	return ret;
}

int fe_set_owner(struct fe *fe, struct error *err)
{
	return send_plain(fe, VU_SET_OWNER, err);
}

int fe_reset_owner(struct fe *fe, struct error *err)
{
	return send_plain(fe, VU_RESET_OWNER, err);
}

int fe_get_queue_num(struct fe *fe, uint64_t *ret_n, struct error *err)
{
	uint64_t n;
	int ret = need(fe, VU_PF_MQ, err);

	if (ret == 0)
		ret = ask_u64(fe, VU_GET_QUEUE_NUM, &n, err);
	if (ret < 0)
		return ret;
	if (n > VU_VRING_INDEX_MASK + 1)
		return fe_lose(fe, error_set(err, -EPROTO, "the back end claims %llu queues",
					     (unsigned long long)n));
	fe->queue_num = (unsigned)n;
	*ret_n = n;
	return 0;
}

int fe_get_max_mem_slots(struct fe *fe, uint64_t *ret_n, struct error *err)
{
	uint64_t n;
	int ret = need(fe, VU_PF_CONFIGURE_MEM_SLOTS, err);

	if (ret == 0)
		ret = ask_u64(fe, VU_GET_MAX_MEM_SLOTS, &n, err);
	if (ret < 0)
		return ret;
	fe->mem_slots = n > VU_MAX_MEM_SLOTS ? VU_MAX_MEM_SLOTS : (unsigned)n;
	*ret_n = n;
	return 0;
}

int fe_reset_device(struct fe *fe, struct error *err)
{
	int ret = need(fe, VU_PF_RESET_DEVICE, err);

	return ret < 0 ? ret : send_plain(fe, VU_RESET_DEVICE, err);
}

int fe_set_status(struct fe *fe, uint8_t status, struct error *err)
{
	int ret = need(fe, VU_PF_STATUS, err);

	return ret < 0 ? ret : send_u64(fe, VU_SET_STATUS, status, err);
}

int fe_get_status(struct fe *fe, uint8_t *ret_status, struct error *err)
{
	uint64_t value;
	int ret = need(fe, VU_PF_STATUS, err);

	if (ret == 0)
		ret = ask_u64(fe, VU_GET_STATUS, &value, err);
	if (ret < 0)
		return ret;
	if (value > UINT8_MAX)
		return fe_lose(fe, error_set(err, -EPROTO, "the back end claims status 0x%llx",
					     (unsigned long long)value));
	*ret_status = (uint8_t)value;
	return 0;
}

int fe_barrier(struct fe *fe, struct error *err)
{
	uint64_t bits;

	return fe_get_features(fe, &bits, err);
}

/* -- Config space ---------------------------------------------------------- */

static int config_ready(const struct fe *fe, uint32_t n, struct error *err)
{
	int ret = need(fe, VU_PF_CONFIG, err);

	if (ret == 0 && n > VU_MAX_CONFIG)
		ret = error_set(err, -EINVAL, "%u bytes of config space are too many", n);
	return ret;
}

int fe_get_config(struct fe *fe, uint32_t off, void *buf, uint32_t n, struct error *err)
{
	uint8_t body[sizeof(struct vu_config) + VU_MAX_CONFIG] = { 0 };
	struct vu_config head = { off, n, VU_CONFIG_WRITABLE };
	struct fe_message m;
	int ret = config_ready(fe, n, err);

	memcpy(body, &head, sizeof(head));
	if (ret == 0)
		ret = fe_request(fe, VU_GET_CONFIG, body, sizeof(head) + n, NULL, 0, &m, err);
	if (ret < 0)
		return ret;
	memcpy(&head, m.body, sizeof(head));
	/* An empty payload is how a back end says no; those in Rust send the head of one. */
	if (m.n_fds == 0 && n > 0 &&
	    (m.hdr.size == 0 || (m.hdr.size == sizeof(head) && head.size == 0)))
		return error_set(err, -EREMOTEIO, "the back end refused GET_CONFIG of %u bytes at "
				 "%u", n, off);
	if (m.hdr.size != sizeof(head) + n || m.n_fds != 0 || head.offset != off ||
	    head.size != n) {
		error_set(err, -EPROTO, "GET_CONFIG of %u bytes at %u was answered with %u bytes",
			  n, off, m.hdr.size);
		return bad_reply(fe, &m);
	}
	memcpy(buf, m.body + sizeof(head), n);
	return 0;
}

int fe_set_config(struct fe *fe, uint32_t off, const void *buf, uint32_t n, uint32_t flags,
		  struct error *err)
{
	uint8_t body[sizeof(struct vu_config) + VU_MAX_CONFIG];
	struct vu_config head = { off, n, flags };
	int ret = config_ready(fe, n, err);

	if (ret < 0)
		return ret;
	memcpy(body, &head, sizeof(head));
	memcpy(body + sizeof(head), buf, n);
	return fe_request(fe, VU_SET_CONFIG, body, sizeof(head) + n, NULL, 0, NULL, err);
}

/* -- Memory ---------------------------------------------------------------- */

int fe_set_mem_table(struct fe *fe, const struct vu_region *regions, const int *fds, unsigned n,
		     struct error *err)
{
	uint8_t body[sizeof(struct vu_mem_table) + FE_MAX_FDS * sizeof(*regions)];
	struct vu_mem_table head = { .n_regions = n };

	if (n > FE_MAX_FDS)
		return error_set(err, -EINVAL, "%u memory regions are too many for one message", n);
	memcpy(body, &head, sizeof(head));
	memcpy(body + sizeof(head), regions, n * sizeof(*regions));
	return fe_request(fe, VU_SET_MEM_TABLE, body, sizeof(head) + n * sizeof(*regions), fds, n,
			  NULL, err);
}

int fe_add_mem_region(struct fe *fe, const struct vu_region *region, int fd, struct error *err)
{
	struct vu_single_region single = { .region = *region };
	int ret = need(fe, VU_PF_CONFIGURE_MEM_SLOTS, err);

	if (ret < 0)
		return ret;
	return fe_request(fe, VU_ADD_MEM_REG, &single, sizeof(single), &fd, 1, NULL, err);
}

int fe_remove_mem_region(struct fe *fe, const struct vu_region *region, struct error *err)
{
	struct vu_single_region single = { .region = *region };
	int ret = need(fe, VU_PF_CONFIGURE_MEM_SLOTS, err);

	if (ret < 0)
		return ret;
	return fe_request(fe, VU_REM_MEM_REG, &single, sizeof(single), NULL, 0, NULL, err);
}

/* -- Rings ----------------------------------------------------------------- */

int fe_set_vring_num(struct fe *fe, unsigned index, unsigned num, struct error *err)
{
	return send_state(fe, VU_SET_VRING_NUM, index, num, err);
}

int fe_set_vring_addr(struct fe *fe, const struct vu_vring_addr *addr, struct error *err)
{
	return fe_request(fe, VU_SET_VRING_ADDR, addr, sizeof(*addr), NULL, 0, NULL, err);
}

int fe_set_vring_base(struct fe *fe, unsigned index, uint32_t base, struct error *err)
{
	return send_state(fe, VU_SET_VRING_BASE, index, base, err);
}

int fe_get_vring_base(struct fe *fe, unsigned index, uint32_t *ret_base, struct error *err)
{
	struct vu_vring_state state = { index, 0 };
	struct fe_message m;
	int ret = fe_request(fe, VU_GET_VRING_BASE, &state, sizeof(state), NULL, 0, &m, err);

	if (ret < 0)
		return ret;
	if (m.hdr.size == sizeof(state) && m.n_fds == 0)
		memcpy(&state, m.body, sizeof(state));
	else
		state.index = ~index;
	if (state.index != index) {
		error_set(err, -EPROTO, "GET_VRING_BASE of queue %u was answered with %u bytes "
			  "for another queue or none", index, m.hdr.size);
		return bad_reply(fe, &m);
	}
	*ret_base = state.num;
	return 0;
}

int fe_set_vring_enable(struct fe *fe, unsigned index, bool on, struct error *err)
{
	return send_state(fe, VU_SET_VRING_ENABLE, index, on, err);
}

int fe_set_vring_kick(struct fe *fe, unsigned index, int fd, struct error *err)
{
	return send_vring_fd(fe, VU_SET_VRING_KICK, index, fd, err);
}

int fe_set_vring_call(struct fe *fe, unsigned index, int fd, struct error *err)
{
	return send_vring_fd(fe, VU_SET_VRING_CALL, index, fd, err);
}

int fe_set_vring_err(struct fe *fe, unsigned index, int fd, struct error *err)
{
	return send_vring_fd(fe, VU_SET_VRING_ERR, index, fd, err);
}

/* The benchmark of in-band kicks is a message without an answer. */
int fe_vring_kick(struct fe *fe, unsigned index, struct error *err)
{
	int ret = need(fe, VU_PF_INBAND_NOTIFICATIONS, err);

	return ret < 0 ? ret : send_state(fe, VU_VRING_KICK, index, 0, err);
}
