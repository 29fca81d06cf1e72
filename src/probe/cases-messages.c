/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Whole messages that are wrong in one thing: size, descriptors, index, value,
 * moment. Families hold for many requests; singles are of their own.
 */
#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "vhost-device/util.h"

/* -- Families --------------------------------------------------------------- */

enum { EMPTY = -4096 };

/* One thing that is wrong. */
struct fault {
	int16_t more_bytes;
	int16_t more_fds;
	struct case_patch patch;
};

struct family {
	const uint8_t *requests;
	const struct fault *faults;
	const char *names;              /* of the faults, each ended by a NUL */
	uint8_t n_requests, n_faults, state;
};

static const uint8_t bare[] = {
	VU_GET_FEATURES, VU_SET_OWNER, VU_RESET_OWNER, VU_GET_PROTOCOL_FEATURES,
	VU_GET_QUEUE_NUM, VU_RESET_DEVICE, VU_GET_MAX_MEM_SLOTS, VU_GET_STATUS,
};
static const uint8_t sized[] = {
	VU_SET_FEATURES, VU_SET_PROTOCOL_FEATURES, VU_SET_STATUS, VU_SET_VRING_NUM,
	VU_SET_VRING_ADDR, VU_SET_VRING_BASE, VU_GET_VRING_BASE, VU_SET_VRING_ENABLE,
	VU_SET_CONFIG, VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR, VU_ADD_MEM_REG,
	VU_REM_MEM_REG,
};
/* The first ones of sized have no descriptor. */
enum { WITHOUT_FDS = 9 };
static const uint8_t indexed[] = {
	VU_SET_VRING_NUM, VU_SET_VRING_ADDR, VU_SET_VRING_BASE, VU_GET_VRING_BASE,
	VU_SET_VRING_ENABLE,
};
static const uint8_t ring_fd[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };
static const uint8_t early[] = {
	VU_GET_QUEUE_NUM, VU_SET_VRING_ENABLE, VU_SET_BACKEND_REQ_FD, VU_SET_CONFIG,
	VU_RESET_DEVICE, VU_VRING_KICK, VU_GET_MAX_MEM_SLOTS, VU_ADD_MEM_REG, VU_REM_MEM_REG,
	VU_SET_STATUS, VU_GET_STATUS,
};

static const struct fault bare_faults[] = { { 8, 0, { 0 } }, { 0, 1, { 0 } } };
static const struct fault sized_faults[] = {
	{ -1, 0, { 0 } }, { 1, 0, { 0 } }, { EMPTY, 0, { 0 } },
};
static const struct fault indexed_faults[] = {
	{ 0, 0, { 0, 4, 1 } }, { 0, 0, { 0, 4, 256 } }, { 0, 0, { 0, 4, 65536 } },
	{ 0, 0, { 0, 4, UINT32_MAX } },
};
static const struct fault ring_fd_faults[] = {
	{ 0, -1, { 0 } }, { 0, 1, { 0 } }, { 0, 0, { 1, 1, 1 } }, { 0, 0, { 0, 1, 1 } },
	{ 0, 0, { 0, 1, 255 } }, { 0, 0, { 1, 1, 2 } }, { 0, 0, { 4, 1, 1 } },
};

#define FAMILY(requests, n, faults, state, names) \
	{ requests, faults, names, n, ARRAY_SIZE(faults), state }
static const struct family families[] = {
	FAMILY(bare, ARRAY_SIZE(bare), bare_faults, CASE_RUNNING,
	       "with a body\0" "with a descriptor"),
	FAMILY(sized, ARRAY_SIZE(sized), sized_faults, CASE_RUNNING,
	       "a byte short\0" "a byte long\0" "empty"),
	{ sized, bare_faults + 1, "with a descriptor", WITHOUT_FDS, 1, CASE_RUNNING },
	FAMILY(indexed, ARRAY_SIZE(indexed), indexed_faults, CASE_RUNNING,
	       "first index that is none\0" "index 256\0" "index 65536\0" "index 2^32 - 1"),
	FAMILY(ring_fd, ARRAY_SIZE(ring_fd), ring_fd_faults, CASE_RUNNING,
	       "descriptor missing\0" "two descriptors\0" "descriptor and NOFD\0"
	       "first index that is none\0" "index 255\0" "unknown bit 9\0" "unknown bit 32"),
	{ early, &(const struct fault){ 0 }, "not negotiated", ARRAY_SIZE(early), 1,
		CASE_CONNECTED },
};

/* Requests that this project does not have, with as much as they bring. */
static const struct {
	uint32_t request;
	uint16_t bytes, fds;
} unknown[] = {
	{ 0, 0, 0 }, { 46, 0, 0 }, { 1000, 0, 0 }, { UINT32_MAX, 0, 0 }, { 1U << 31, 4096, 0 },
	{ VU_SET_LOG_BASE, 16, 1 }, { VU_SEND_RARP, 8, 0 }, { VU_NET_SET_MTU, 8, 0 },
	{ VU_IOTLB_MSG, 32, 0 }, { VU_SET_VRING_ENDIAN, 8, 0 },
	{ VU_CREATE_CRYPTO_SESSION, 1600, 0 }, { VU_CLOSE_CRYPTO_SESSION, 8, 0 },
	{ VU_POSTCOPY_ADVISE, 0, 0 }, { VU_POSTCOPY_LISTEN, 0, 0 }, { VU_POSTCOPY_END, 0, 0 },
	{ VU_GET_INFLIGHT_FD, 24, 0 }, { VU_SET_INFLIGHT_FD, 24, 1 },
	{ VU_GPU_SET_SOCKET, 0, 1 }, { VU_GET_SHARED_OBJECT, 16, 0 },
	{ VU_SET_DEVICE_STATE_FD, 8, 1 }, { VU_CHECK_DEVICE_STATE, 0, 0 },
	{ VU_GET_SHMEM_CONFIG, 0, 0 }, { VU_GET_VRING_BASE_SKIP_DRAIN, 8, 0 },
};

/* -- Singles ------------------------------------------------------------------ */

enum { CHANGES = 1 };

/*
 * Request, what is wrong (behind a comma, unless it begins with a blank), state, verdict,
 * flags, bytes and descriptors more, patches.
 */
#define RUN(X, request, name, verdict, ...) \
	X(request, name, CASE_RUNNING, verdict, __VA_ARGS__)
#define NEG(X, request, name, ...) \
	X(request, name, CASE_NEGOTIATED, CASE_REFUSED, 0, 0, 0, __VA_ARGS__)
#define P(at, len, value) at, len, value
#define SINGLES(X) \
	RUN(X, ADD_MEM_REG, "descriptor missing", CASE_REFUSED, 0, 0, -1,) \
	RUN(X, ADD_MEM_REG, "two descriptors", CASE_REFUSED, 0, 0, 1,) \
	RUN(X, REM_MEM_REG, "two descriptors", CASE_REFUSED, 0, 0, 2,) \
	RUN(X, SET_BACKEND_REQ_FD, "descriptor missing", CASE_REFUSED, 0, 0, -1,) \
	RUN(X, SET_BACKEND_REQ_FD, "two descriptors", CASE_REFUSED, 0, 0, 1,) \
	RUN(X, SET_BACKEND_REQ_FD, "with a body", CASE_REFUSED, 0, 8, 0,) \
	RUN(X, SET_BACKEND_REQ_FD, "an eventfd", CASE_REFUSED, 0, 0, 0,) \
	RUN(X, SET_LOG_FD, "descriptor missing", CASE_REFUSED, 0, 0, -1,) \
	RUN(X, SET_OWNER, "252 descriptors where none belongs", CASE_REFUSED, 0, 0, 252,) \
	RUN(X, GET_CONFIG, "a byte short", CASE_NO_CONFIG, 0, -1, 0,) \
	RUN(X, GET_CONFIG, "a byte long", CASE_NO_CONFIG, 0, 1, 0,) \
	RUN(X, GET_CONFIG, "empty", CASE_NO_CONFIG, 0, EMPTY, 0,) \
	RUN(X, GET_CONFIG, "with a descriptor", CASE_NO_CONFIG, 0, 0, 1,) \
	RUN(X, GET_CONFIG, "half a head", CASE_NO_CONFIG, 0, -9, 0,) \
	RUN(X, GET_CONFIG, "asks for 4 GiB", CASE_NO_CONFIG, 0, 0, 0, P(4, 4, UINT32_MAX)) \
	RUN(X, GET_CONFIG, "asks for a byte more than it brings", CASE_NO_CONFIG, 0, 0, 0, \
	    P(4, 4, 9)) \
	RUN(X, GET_CONFIG, "at the end of the address space", CASE_FINE, 0, 0, 0, \
	    P(0, 4, UINT32_MAX)) \
	RUN(X, GET_CONFIG, "half of it beyond the end", CASE_FINE, 0, 0, 0, P(0, 4, 4)) \
	RUN(X, SET_CONFIG, "of 4 GiB", CASE_REFUSED, 0, 0, 0, P(4, 4, UINT32_MAX)) \
	RUN(X, SET_CONFIG, "unknown flags", CASE_REFUSED, 0, 0, 0, P(8, 4, 2)) \
	RUN(X, SET_CONFIG, "at the end of the address space", CASE_FINE, 0, 0, 0, \
	    P(0, 4, UINT32_MAX)) \
	NEG(X, SET_FEATURES, "a bit that was not offered", P(3, 1, 0x41)) \
	NEG(X, SET_FEATURES, "bit 63", P(7, 1, 0x80)) \
	NEG(X, SET_FEATURES, "a legacy driver", P(4, 4, 0)) \
	NEG(X, SET_FEATURES, "none", P(0, 8, 0)) \
	RUN(X, SET_FEATURES, "others while running", CASE_REFUSED, 0, 0, 0, P(0, 4, 0)) \
	NEG(X, SET_PROTOCOL_FEATURES, "bit 63", P(7, 1, 0x80)) \
	NEG(X, SET_PROTOCOL_FEATURES, "postcopy", P(0, 8, 1U << VU_PF_PAGEFAULT)) \
	X(SET_PROTOCOL_FEATURES, "in-band alone", CASE_NEGOTIATED, CASE_CLOSED, 0, 0, 0, \
	  P(0, 8, 1U << VU_PF_INBAND_NOTIFICATIONS | 1U << VU_PF_REPLY_ACK)) \
	NEG(X, SET_STATUS, "nine bits", P(0, 8, 0x100)) \
	NEG(X, SET_VRING_ENABLE, "neither on nor off", P(4, 4, 2)) \
	NEG(X, SET_VRING_NUM, "none", P(4, 4, 0)) \
	NEG(X, SET_VRING_NUM, "one too many", P(4, 4, 1025)) \
	NEG(X, SET_VRING_NUM, "32768", P(4, 4, 32768)) \
	NEG(X, SET_VRING_NUM, "65537", P(4, 4, 65537)) \
	NEG(X, SET_VRING_NUM, "2^32 - 1", P(4, 4, UINT32_MAX)) \
	RUN(X, SET_VRING_NUM, " of a running ring", CASE_REFUSED, 0, 0, 0,) \
	RUN(X, SET_VRING_BASE, " of a running ring", CASE_REFUSED, 0, 0, 0,) \
	RUN(X, SET_VRING_ADDR, " of a running ring, elsewhere", CASE_REFUSED, 0, 0, 0, \
	    P(8, 8, 0)) \
	RUN(X, SET_VRING_ADDR, " of a running ring, the same", CASE_FINE, 0, 0, 0,) \
	RUN(X, SET_VRING_ENABLE, " of a running ring", CASE_FINE, 0, 0, 0,) \
	RUN(X, SET_FEATURES, " of a running ring, the same", CASE_FINE, 0, 0, 0,) \
	RUN(X, SET_OWNER, " again", CASE_FINE, 0, 0, 0,) \
	RUN(X, RESET_OWNER, "", CASE_FINE, 0, 0, 0,) \
	RUN(X, SET_LOG_FD, "", CASE_FINE, 0, 0, 0,) \
	RUN(X, SET_MEM_TABLE, "the same", CASE_FINE, 0, 0, 0,) \
	RUN(X, RESET_DEVICE, " in full run", CASE_FINE, CHANGES, 0, 0,) \
	RUN(X, GET_VRING_BASE, " in full run", CASE_FINE, CHANGES, 0, 0,) \
	RUN(X, REM_MEM_REG, " in full run", CASE_FINE, CHANGES, 0, 0,) \
	RUN(X, REM_MEM_REG, " in full run, with a descriptor", CASE_FINE, CHANGES, 0, 1,) \
	X(GET_CONFIG, "not negotiated", CASE_CONNECTED, CASE_NO_CONFIG, 0, 0, 0,) \
	RUN(X, VRING_KICK, "not negotiated but all else", CASE_REFUSED, 0, 0, 0,)

static const struct single {
	struct case_patch patch;
	int16_t more_bytes, more_fds;
	uint8_t request;
	uint8_t state : 3, verdict : 3, changes : 1;
} singles[] = {
#define ROW(request, name, state, verdict, changes, bytes, fds, ...) \
	{ { __VA_ARGS__ }, bytes, fds, VU_##request, state, verdict, changes },
	SINGLES(ROW)
#undef ROW
};

#define ROW(request, name, ...) name "\0"
static const char single_names[] = SINGLES(ROW);
#undef ROW

/* -- Rows --------------------------------------------------------------------------- */

/* Some are empty. */
static const char *nth(const char *p, unsigned i)
{
	for (; i > 0; i--)
		p += strlen(p) + 1;
	return p;
}

unsigned case_message_count(void)
{
	unsigned i, n = ARRAY_SIZE(singles) + ARRAY_SIZE(unknown);

	for (i = 0; i < ARRAY_SIZE(families); i++)
		n += families[i].n_requests * (unsigned)families[i].n_faults;
	return n;
}

static void from_family(const struct family *f, unsigned i, struct case_message *c)
{
	const struct fault *fault = &f->faults[i % f->n_faults];

	c->request = f->requests[i / f->n_faults];
	c->state = f->state;
	c->more_bytes = fault->more_bytes;
	c->more_fds = fault->more_fds;
	c->patch = fault->patch;
	snprintf(c->name, CASE_NAME, "%s, %s", fe_request_name(c->request),
		 nth(f->names, i % f->n_faults));
}

static void from_single(unsigned i, struct case_message *c)
{
	const struct single *s = &singles[i];
	const char *name = nth(single_names, i);

	c->request = s->request;
	c->state = s->state;
	c->verdict = s->verdict;
	c->changes = s->changes;
	c->more_bytes = s->more_bytes;
	c->more_fds = s->more_fds;
	c->patch = s->patch;
	snprintf(c->name, CASE_NAME, "%s%s%s", fe_request_name(c->request),
		 *name == ' ' || *name == '\0' ? "" : ", ", name);
}

static void from_unknown(unsigned i, struct case_message *c)
{
	c->request = unknown[i].request;
	c->state = CASE_RUNNING;
	c->more_bytes = unknown[i].bytes;
	c->more_fds = unknown[i].fds;
	snprintf(c->name, CASE_NAME, "not supported: %s (%u)", fe_request_name(c->request),
		 c->request);
}

void case_message_at(unsigned i, struct case_message *ret_case)
{
	const struct family *f;
	unsigned n;

	memset(ret_case, 0, sizeof(*ret_case));
	ret_case->verdict = CASE_REFUSED;
	for (f = families; f < families + ARRAY_SIZE(families); f++) {
		n = f->n_requests * (unsigned)f->n_faults;
		if (i < n) {
			from_family(f, i, ret_case);
			return;
		}
		i -= n;
	}
	if (i < ARRAY_SIZE(singles))
		from_single(i, ret_case);
	else
		from_unknown(i - (unsigned)ARRAY_SIZE(singles), ret_case);
}

/* -- Bytes ---------------------------------------------------------------------------- */

static void put(struct case_wire *w, const void *p, size_t n)
{
	memcpy(w->body + w->size, p, n);
	w->size += n;
}

static void put_u64(struct case_wire *w, uint64_t v)
{
	put(w, &v, sizeof(v));
}

static void put_state(struct case_wire *w, uint32_t num)
{
	const struct vu_vring_state s = { 0, num };

	put(w, &s, sizeof(s));
}

static void put_region(const struct case_side *s, struct case_wire *w, unsigned i)
{
	struct vu_region r = { 0 };

	fe_mem_describe(s->mem, i, &r);
	put(w, &r, sizeof(r));
}

static void put_mem_table(const struct case_side *s, struct case_wire *w)
{
	struct vu_mem_table head = { .n_regions = fe_mem_count(s->mem) };
	unsigned i;

	put(w, &head, sizeof(head));
	for (i = 0; i < head.n_regions; i++) {
		put_region(s, w, i);
		w->fds[w->n_fds++] = fe_mem_fd(s->mem, i);
	}
}

static void put_addr(const struct case_side *s, struct case_wire *w)
{
	struct vu_vring_addr a = { 0 };
	struct fe_ring_layout l;

	fe_ring_layout(s->ring, &l);
	a.desc = fe_mem_user(s->mem, l.desc);
	a.avail = fe_mem_user(s->mem, l.driver);
	a.used = fe_mem_user(s->mem, l.device);
	put(w, &a, sizeof(a));
}

static void put_config(struct case_wire *w)
{
	static const uint32_t config[5] = { 0, 8, VU_CONFIG_WRITABLE };

	put(w, config, sizeof(config));
}

bool case_has_reply(uint32_t request)
{
	switch (request) {
	case VU_GET_FEATURES:
	case VU_GET_PROTOCOL_FEATURES:
	case VU_GET_QUEUE_NUM:
	case VU_GET_VRING_BASE:
	case VU_GET_CONFIG:
	case VU_GET_MAX_MEM_SLOTS:
	case VU_GET_STATUS:
		return true;
	default:
		return false;
	}
}

static void put_body(const struct case_side *s, struct case_wire *w)
{
	switch (w->request) {
	case VU_SET_FEATURES:
		put_u64(w, s->features);
		break;
	case VU_SET_PROTOCOL_FEATURES:
		put_u64(w, fe_protocol(s->fe));
		break;
	case VU_SET_STATUS:
		put_u64(w, 0xf);
		break;
	case VU_SET_MEM_TABLE:
		put_mem_table(s, w);
		break;
	case VU_ADD_MEM_REG:
	case VU_REM_MEM_REG:
		put_u64(w, 0);
		put_region(s, w, s->spare_region);
		break;
	case VU_SET_VRING_NUM:
		put_state(w, fe_ring_size(s->ring));
		break;
	case VU_SET_VRING_ADDR:
		put_addr(s, w);
		break;
	case VU_SET_VRING_ENABLE:
		put_state(w, 1);
		break;
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_VRING_KICK:
		put_state(w, 0);
		break;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
		put_u64(w, 0);
		break;
	case VU_GET_CONFIG:
	case VU_SET_CONFIG:
		put_config(w);
		break;
	}
}

void case_wire_valid(const struct case_side *s, uint32_t request, struct case_wire *w)
{
	memset(w, 0, sizeof(*w));
	w->request = request;
	w->flags = VU_VERSION;
	put_body(s, w);
	switch (request) {
	case VU_ADD_MEM_REG:
		w->fds[w->n_fds++] = fe_mem_fd(s->mem, s->spare_region);
		break;
	case VU_SET_VRING_KICK:
	case VU_SET_VRING_CALL:
	case VU_SET_VRING_ERR:
	case VU_SET_LOG_FD:
	case VU_SET_BACKEND_REQ_FD:
		w->fds[w->n_fds++] = s->spare_fd;
		break;
	}
}

/* The low bytes of a value, in the byte order of the host. */
static void overwrite(uint8_t *at, const struct case_patch *p)
{
	const uint64_t v64 = p->value;
	const uint8_t v8 = (uint8_t)p->value;

	if (p->len == 1)
		memcpy(at, &v8, sizeof(v8));
	else if (p->len == 4)
		memcpy(at, &p->value, sizeof(p->value));
	else if (p->len == 8)
		memcpy(at, &v64, sizeof(v64));
}

void case_wire_make(const struct case_side *s, const struct case_message *c, struct case_wire *w)
{
	unsigned i;

	case_wire_valid(s, c->request, w);
	if (c->more_bytes < 0 && (size_t)-c->more_bytes > w->size)
		w->size = 0;
	else
		w->size += (size_t)c->more_bytes;
	for (i = 0; (int)i < c->more_fds; i++)
		w->fds[w->n_fds++] = s->spare_fd;
	if (c->more_fds < 0)
		w->n_fds -= (unsigned)-c->more_fds;
	overwrite(w->body + c->patch.at, &c->patch);
}
