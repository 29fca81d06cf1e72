/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Whole messages that are wrong in one thing: size, descriptors, index, value, moment. */
#include <string.h>

#include "hostile.h"

struct patch {
	uint16_t at, len;               /* bytes of the body; 0: none */
	uint64_t value;
};

struct row {
	const char *name;
	enum state state;
	uint32_t request;
	enum verdict verdict;
	int more_bytes, more_fds;
	struct patch patch[2];
	bool changes;                   /* what is fine may end requests that run */
};

#define REFUSED(name, state, request, ...) { name, state, request, V_REFUSED, __VA_ARGS__ }
#define FINE(name, state, request, ...) { name, state, request, V_FINE, __VA_ARGS__ }

/* Requests without a body, and with one of eight bytes or more. */
#define BARE(x) \
	REFUSED(#x ", with a body", S_RUNNING, VU_##x, .more_bytes = 8), \
	REFUSED(#x ", with a descriptor", S_RUNNING, VU_##x, .more_fds = 1)
#define SIZED(x) \
	REFUSED(#x ", a byte short", S_RUNNING, VU_##x, .more_bytes = -1), \
	REFUSED(#x ", a byte long", S_RUNNING, VU_##x, .more_bytes = 1), \
	REFUSED(#x ", empty", S_RUNNING, VU_##x, .more_bytes = -4096)
#define NO_FDS(x) \
	REFUSED(#x ", with a descriptor", S_RUNNING, VU_##x, .more_fds = 1)
#define INDEXED(x) \
	REFUSED(#x ", first index that is none", S_RUNNING, VU_##x, .patch = { { 0, 4, 1 } }), \
	REFUSED(#x ", index 256", S_RUNNING, VU_##x, .patch = { { 0, 4, 256 } }), \
	REFUSED(#x ", index 65536", S_RUNNING, VU_##x, .patch = { { 0, 4, 65536 } }), \
	REFUSED(#x ", index 2^32 - 1", S_RUNNING, VU_##x, .patch = { { 0, 4, UINT32_MAX } })
#define RING_FD(x) \
	SIZED(x), \
	REFUSED(#x ", descriptor missing", S_RUNNING, VU_##x, .more_fds = -1), \
	REFUSED(#x ", two descriptors", S_RUNNING, VU_##x, .more_fds = 1), \
	REFUSED(#x ", descriptor and NOFD", S_RUNNING, VU_##x, .patch = { { 1, 1, 1 } }), \
	REFUSED(#x ", first index that is none", S_RUNNING, VU_##x, .patch = { { 0, 1, 1 } }), \
	REFUSED(#x ", index 255", S_RUNNING, VU_##x, .patch = { { 0, 1, 255 } }), \
	REFUSED(#x ", unknown bit 9", S_RUNNING, VU_##x, .patch = { { 1, 1, 2 } }), \
	REFUSED(#x ", unknown bit 32", S_RUNNING, VU_##x, .patch = { { 4, 1, 1 } })
#define UNKNOWN(what, id, ...) REFUSED("not supported: " what, S_RUNNING, id, __VA_ARGS__)
#define EARLY(x) \
	REFUSED(#x ", not negotiated", S_CONNECTED, VU_##x, .more_bytes = 0)

static const struct row rows[] = {
	BARE(GET_FEATURES), BARE(SET_OWNER), BARE(RESET_OWNER), BARE(GET_PROTOCOL_FEATURES),
	BARE(GET_QUEUE_NUM), BARE(RESET_DEVICE), BARE(GET_MAX_MEM_SLOTS), BARE(GET_STATUS),
	SIZED(SET_FEATURES), NO_FDS(SET_FEATURES),
	SIZED(SET_PROTOCOL_FEATURES), NO_FDS(SET_PROTOCOL_FEATURES),
	SIZED(SET_STATUS), NO_FDS(SET_STATUS),
	SIZED(SET_VRING_NUM), NO_FDS(SET_VRING_NUM), INDEXED(SET_VRING_NUM),
	SIZED(SET_VRING_ADDR), NO_FDS(SET_VRING_ADDR), INDEXED(SET_VRING_ADDR),
	SIZED(SET_VRING_BASE), NO_FDS(SET_VRING_BASE), INDEXED(SET_VRING_BASE),
	SIZED(GET_VRING_BASE), NO_FDS(GET_VRING_BASE), INDEXED(GET_VRING_BASE),
	SIZED(SET_VRING_ENABLE), NO_FDS(SET_VRING_ENABLE), INDEXED(SET_VRING_ENABLE),
	RING_FD(SET_VRING_KICK), RING_FD(SET_VRING_CALL), RING_FD(SET_VRING_ERR),
	SIZED(ADD_MEM_REG), SIZED(REM_MEM_REG),
	REFUSED("ADD_MEM_REG, descriptor missing", S_RUNNING, VU_ADD_MEM_REG, .more_fds = -1),
	REFUSED("ADD_MEM_REG, two descriptors", S_RUNNING, VU_ADD_MEM_REG, .more_fds = 1),
	REFUSED("REM_MEM_REG, two descriptors", S_RUNNING, VU_REM_MEM_REG, .more_fds = 2),
	REFUSED("SET_BACKEND_REQ_FD, descriptor missing", S_RUNNING, VU_SET_BACKEND_REQ_FD,
		.more_fds = -1),
	REFUSED("SET_BACKEND_REQ_FD, two descriptors", S_RUNNING, VU_SET_BACKEND_REQ_FD,
		.more_fds = 1),
	REFUSED("SET_BACKEND_REQ_FD, with a body", S_RUNNING, VU_SET_BACKEND_REQ_FD,
		.more_bytes = 8),
	REFUSED("SET_BACKEND_REQ_FD, an eventfd", S_RUNNING, VU_SET_BACKEND_REQ_FD),
	REFUSED("SET_LOG_FD, descriptor missing", S_RUNNING, VU_SET_LOG_FD, .more_fds = -1),
	REFUSED("252 descriptors where none belongs", S_RUNNING, VU_SET_OWNER, .more_fds = 252),

	/* Config space: sizes that do not agree. */
	{ "GET_CONFIG, a byte short", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG, .more_bytes = -1 },
	{ "GET_CONFIG, a byte long", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG, .more_bytes = 1 },
	{ "GET_CONFIG, empty", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG, .more_bytes = -4096 },
	{ "GET_CONFIG, with a descriptor", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG, .more_fds = 1 },
	{ "GET_CONFIG, half a head", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG, .more_bytes = -9 },
	{ "GET_CONFIG, asks for 4 GiB", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG,
		.patch = { { 4, 4, UINT32_MAX } } },
	{ "GET_CONFIG, asks for a byte more than it brings", S_RUNNING, VU_GET_CONFIG, V_NO_CONFIG,
		.patch = { { 4, 4, 9 } } },
	FINE("GET_CONFIG, at the end of the address space", S_RUNNING, VU_GET_CONFIG,
		.patch = { { 0, 4, UINT32_MAX } }),
	FINE("GET_CONFIG, half of it beyond the end", S_RUNNING, VU_GET_CONFIG,
		.patch = { { 0, 4, 4 } }),
	SIZED(SET_CONFIG), NO_FDS(SET_CONFIG),
	REFUSED("SET_CONFIG, of 4 GiB", S_RUNNING, VU_SET_CONFIG,
		.patch = { { 4, 4, UINT32_MAX } }),
	REFUSED("SET_CONFIG, unknown flags", S_RUNNING, VU_SET_CONFIG, .patch = { { 8, 4, 2 } }),
	FINE("SET_CONFIG, at the end of the address space", S_RUNNING, VU_SET_CONFIG,
		.patch = { { 0, 4, UINT32_MAX } }),

	/* Values. */
	REFUSED("SET_FEATURES, a bit that was not offered", S_NEGOTIATED, VU_SET_FEATURES,
		.patch = { { 3, 1, 0x41 } }),
	REFUSED("SET_FEATURES, bit 63", S_NEGOTIATED, VU_SET_FEATURES, .patch = { { 7, 1, 0x80 } }),
	REFUSED("SET_FEATURES, a legacy driver", S_NEGOTIATED, VU_SET_FEATURES,
		.patch = { { 4, 4, 0 } }),
	REFUSED("SET_FEATURES, none", S_NEGOTIATED, VU_SET_FEATURES, .patch = { { 0, 8, 0 } }),
	REFUSED("SET_FEATURES, others while running", S_RUNNING, VU_SET_FEATURES,
		.patch = { { 0, 8, BIT(VIRTIO_F_VERSION_1) } }),
	REFUSED("SET_PROTOCOL_FEATURES, bit 63", S_NEGOTIATED, VU_SET_PROTOCOL_FEATURES,
		.patch = { { 7, 1, 0x80 } }),
	REFUSED("SET_PROTOCOL_FEATURES, postcopy", S_NEGOTIATED, VU_SET_PROTOCOL_FEATURES,
		.patch = { { 0, 8, BIT(VU_PF_PAGEFAULT) } }),
	{ "SET_PROTOCOL_FEATURES, in-band alone", S_NEGOTIATED, VU_SET_PROTOCOL_FEATURES, V_CLOSED,
		.patch = { { 0, 8, BIT(VU_PF_INBAND_NOTIFICATIONS) | BIT(VU_PF_REPLY_ACK) } } },
	REFUSED("SET_STATUS, nine bits", S_NEGOTIATED, VU_SET_STATUS,
		.patch = { { 0, 8, 0x100 } }),
	REFUSED("SET_VRING_ENABLE, neither on nor off", S_NEGOTIATED, VU_SET_VRING_ENABLE,
		.patch = { { 4, 4, 2 } }),
	REFUSED("SET_VRING_NUM, none", S_NEGOTIATED, VU_SET_VRING_NUM, .patch = { { 4, 4, 0 } }),
	REFUSED("SET_VRING_NUM, one too many", S_NEGOTIATED, VU_SET_VRING_NUM,
		.patch = { { 4, 4, 1025 } }),
	REFUSED("SET_VRING_NUM, 32768", S_NEGOTIATED, VU_SET_VRING_NUM,
		.patch = { { 4, 4, 32768 } }),
	REFUSED("SET_VRING_NUM, 65537", S_NEGOTIATED, VU_SET_VRING_NUM,
		.patch = { { 4, 4, 65537 } }),
	REFUSED("SET_VRING_NUM, 2^32 - 1", S_NEGOTIATED, VU_SET_VRING_NUM,
		.patch = { { 4, 4, UINT32_MAX } }),

	/* On a ring that runs. */
	REFUSED("SET_VRING_NUM of a running ring", S_RUNNING, VU_SET_VRING_NUM),
	REFUSED("SET_VRING_BASE of a running ring", S_RUNNING, VU_SET_VRING_BASE),
	REFUSED("SET_VRING_ADDR of a running ring, elsewhere", S_RUNNING, VU_SET_VRING_ADDR,
		.patch = { { 8, 8, 0 } }),
	FINE("SET_VRING_ADDR of a running ring, the same", S_RUNNING, VU_SET_VRING_ADDR),
	FINE("SET_VRING_ENABLE of a running ring", S_RUNNING, VU_SET_VRING_ENABLE),
	FINE("SET_FEATURES of a running ring, the same", S_RUNNING, VU_SET_FEATURES),
	FINE("SET_OWNER again", S_RUNNING, VU_SET_OWNER),
	FINE("RESET_OWNER", S_RUNNING, VU_RESET_OWNER),
	FINE("SET_LOG_FD", S_RUNNING, VU_SET_LOG_FD),
	FINE("SET_MEM_TABLE, the same", S_RUNNING, VU_SET_MEM_TABLE),
	FINE("RESET_DEVICE in full run", S_RUNNING, VU_RESET_DEVICE, .changes = true),
	FINE("GET_VRING_BASE in full run", S_RUNNING, VU_GET_VRING_BASE, .changes = true),
	FINE("REM_MEM_REG in full run", S_RUNNING, VU_REM_MEM_REG, .changes = true),
	FINE("REM_MEM_REG in full run, with a descriptor", S_RUNNING, VU_REM_MEM_REG,
		.more_fds = 1, .changes = true),

	/* Before it was negotiated. */
	EARLY(GET_QUEUE_NUM), EARLY(SET_VRING_ENABLE), EARLY(SET_BACKEND_REQ_FD),
	EARLY(SET_CONFIG), EARLY(RESET_DEVICE), EARLY(VRING_KICK), EARLY(GET_MAX_MEM_SLOTS),
	EARLY(ADD_MEM_REG), EARLY(REM_MEM_REG), EARLY(SET_STATUS), EARLY(GET_STATUS),
	{ "GET_CONFIG, not negotiated", S_CONNECTED, VU_GET_CONFIG, V_NO_CONFIG },
	REFUSED("VRING_KICK, not negotiated but all else", S_RUNNING, VU_VRING_KICK),

	/* Requests of other worlds. */
	UNKNOWN("request 0", 0), UNKNOWN("request 46", 46), UNKNOWN("request 1000", 1000),
	UNKNOWN("request 2^32 - 1", UINT32_MAX), UNKNOWN("request 2^31 with a body", 1U << 31,
		.more_bytes = 4096),
	UNKNOWN("SET_LOG_BASE", VU_SET_LOG_BASE, .more_bytes = 16, .more_fds = 1),
	UNKNOWN("SEND_RARP", VU_SEND_RARP, .more_bytes = 8),
	UNKNOWN("NET_SET_MTU", VU_NET_SET_MTU, .more_bytes = 8),
	UNKNOWN("IOTLB_MSG", VU_IOTLB_MSG, .more_bytes = 32),
	UNKNOWN("SET_VRING_ENDIAN", VU_SET_VRING_ENDIAN, .more_bytes = 8),
	UNKNOWN("CREATE_CRYPTO_SESSION", VU_CREATE_CRYPTO_SESSION, .more_bytes = 1600),
	UNKNOWN("CLOSE_CRYPTO_SESSION", VU_CLOSE_CRYPTO_SESSION, .more_bytes = 8),
	UNKNOWN("POSTCOPY_ADVISE", VU_POSTCOPY_ADVISE),
	UNKNOWN("POSTCOPY_LISTEN", VU_POSTCOPY_LISTEN),
	UNKNOWN("POSTCOPY_END", VU_POSTCOPY_END),
	UNKNOWN("GET_INFLIGHT_FD", VU_GET_INFLIGHT_FD, .more_bytes = 24),
	UNKNOWN("SET_INFLIGHT_FD", VU_SET_INFLIGHT_FD, .more_bytes = 24, .more_fds = 1),
	UNKNOWN("GPU_SET_SOCKET", VU_GPU_SET_SOCKET, .more_fds = 1),
	UNKNOWN("GET_SHARED_OBJECT", VU_GET_SHARED_OBJECT, .more_bytes = 16),
	UNKNOWN("SET_DEVICE_STATE_FD", VU_SET_DEVICE_STATE_FD, .more_bytes = 8, .more_fds = 1),
	UNKNOWN("CHECK_DEVICE_STATE", VU_CHECK_DEVICE_STATE),
	UNKNOWN("GET_SHMEM_CONFIG", VU_GET_SHMEM_CONFIG),
	UNKNOWN("GET_VRING_BASE_SKIP_DRAIN", VU_GET_VRING_BASE_SKIP_DRAIN, .more_bytes = 8),
};

static const char *name(unsigned row)
{
	return rows[row].name;
}

/* The low bytes of a value, in the byte order of the host. */
static void overwrite(uint8_t *at, const struct patch *p)
{
	const uint16_t v16 = (uint16_t)p->value;
	const uint32_t v32 = (uint32_t)p->value;

	switch (p->len) {
	case 1:
		*at = (uint8_t)p->value;
		break;
	case 2:
		memcpy(at, &v16, sizeof(v16));
		break;
	case 4:
		memcpy(at, &v32, sizeof(v32));
		break;
	case 8:
		memcpy(at, &p->value, sizeof(p->value));
		break;
	}
}

static void make(struct guest *g, const struct row *r, struct hostile_message *m)
{
	unsigned i;

	hostile_valid(g, r->request, m);
	if (r->more_bytes < 0 && (size_t)-r->more_bytes > m->size)
		m->size = 0;
	else
		m->size += (size_t)r->more_bytes;
	for (i = 0; (int)i < r->more_fds; i++)
		m->fds[m->n_fds++] = hostile_spare_fd();
	if (r->more_fds < 0)
		m->n_fds -= (unsigned)-r->more_fds;
	for (i = 0; i < ARRAY_SIZE(r->patch); i++)
		overwrite(m->body + r->patch[i].at, &r->patch[i]);
}

/* Once asking for an answer and once not. */
static void play(struct hostile *h, unsigned row)
{
	const struct row *r = &rows[row];
	struct hostile_message m;
	struct guest *g;
	unsigned ack;

	for (ack = 0; ack < 2; ack++) {
		g = hostile_guest(h, r->state);
		if (r->state == S_CONNECTED)
			guest_make_ring(g, 256, 0);
		make(g, r, &m);
		m.flags |= ack ? VU_NEED_REPLY : 0;
		/* What was refused has changed nothing. */
		if (hostile_send(g, &m, r->verdict) && r->state == S_RUNNING && !r->changes)
			guest_echo(g, 3, 2);
		guest_free(g);
	}
}

const struct hostile_kind hostile_messages = {
	"message", ARRAY_SIZE(rows), name, play,
};
