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

enum { EMPTY = -128 };

/* One thing that is wrong: bytes and descriptors more than are right, bytes of the body. */
struct fault {
	int8_t more_bytes;
	uint8_t at : 4, len : 4;        /* struct case_patch */
	int16_t more_fds;
	uint32_t value;
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
static const uint8_t with_fd[] = {
	VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR, VU_ADD_MEM_REG,
	VU_SET_BACKEND_REQ_FD,
};
/* The first ones of with_fd name a ring. */
enum { RING_FDS = 3 };
static const uint8_t early[] = {
	VU_GET_QUEUE_NUM, VU_SET_VRING_ENABLE, VU_SET_BACKEND_REQ_FD, VU_SET_CONFIG,
	VU_RESET_DEVICE, VU_VRING_KICK, VU_GET_MAX_MEM_SLOTS, VU_ADD_MEM_REG, VU_REM_MEM_REG,
	VU_SET_STATUS, VU_GET_STATUS,
};

#define PATCH(at_, len_, value_) { .at = at_, .len = len_, .value = value_ }
static const struct fault bare_faults[] = { { .more_bytes = 8 }, { .more_fds = 1 } };
static const struct fault sized_faults[] = {
	{ .more_bytes = -1 }, { .more_bytes = 1 }, { .more_bytes = EMPTY },
};
static const struct fault indexed_faults[] = {
	PATCH(0, 4, 1), PATCH(0, 4, 256), PATCH(0, 4, 65536), PATCH(0, 4, UINT32_MAX),
};
static const struct fault fd_faults[] = { { .more_fds = -1 }, { .more_fds = 1 } };
static const struct fault ring_fd_faults[] = {
	PATCH(1, 1, 1), PATCH(0, 1, 1), PATCH(0, 1, 255), PATCH(1, 1, 2), PATCH(4, 1, 1),
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
	FAMILY(with_fd, ARRAY_SIZE(with_fd), fd_faults, CASE_RUNNING,
	       "descriptor missing\0" "two descriptors"),
	FAMILY(with_fd, RING_FDS, ring_fd_faults, CASE_RUNNING,
	       "descriptor and NOFD\0" "first index that is none\0" "index 255\0"
	       "unknown bit 9\0" "unknown bit 32"),
	{ early, &(const struct fault){ 0 }, "not negotiated", ARRAY_SIZE(early), 1,
		CASE_CONNECTED },
};

/* Requests that this project does not have, with as much as they bring. */
static const struct {
	int8_t request;                 /* shifted to the left */
	uint8_t shift : 5, fds : 1;
	uint16_t bytes;
} unknown[] = {
#define U(request, bytes, fds) { request, 0, fds, bytes }
	U(0, 0, 0), U(46, 0, 0), { 125, 3, 0, 0 }, U(-1, 0, 0), { 1, 31, 0, 4096 },
	U(VU_SET_LOG_BASE, 16, 1), U(VU_SEND_RARP, 8, 0), U(VU_NET_SET_MTU, 8, 0),
	U(VU_IOTLB_MSG, 32, 0), U(VU_SET_VRING_ENDIAN, 8, 0),
	U(VU_CREATE_CRYPTO_SESSION, 1600, 0), U(VU_CLOSE_CRYPTO_SESSION, 8, 0),
	U(VU_POSTCOPY_ADVISE, 0, 0), U(VU_POSTCOPY_LISTEN, 0, 0), U(VU_POSTCOPY_END, 0, 0),
	U(VU_GET_INFLIGHT_FD, 24, 0), U(VU_SET_INFLIGHT_FD, 24, 1),
	U(VU_GPU_SET_SOCKET, 0, 1), U(VU_GET_SHARED_OBJECT, 16, 0),
	U(VU_SET_DEVICE_STATE_FD, 8, 1), U(VU_CHECK_DEVICE_STATE, 0, 0),
	U(VU_GET_SHMEM_CONFIG, 0, 0), U(VU_GET_VRING_BASE_SKIP_DRAIN, 8, 0),
#undef U
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
#define P(at_, len_, value_) .at = at_, .len = len_, .value = value_
#define SINGLES(X) \
	RUN(X, REM_MEM_REG, "two descriptors", CASE_REFUSED, 0, 0, 2,) \
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
	struct fault fault;
	uint8_t request;
	uint8_t state : 3, verdict : 3, changes : 1;
} singles[] = {
#define ROW(request, name, state, verdict, changes, bytes, fds, ...) \
	{ { .more_bytes = bytes, .more_fds = fds, __VA_ARGS__ }, VU_##request, state, verdict, \
	  changes },
	SINGLES(ROW)
#undef ROW
};

#define ROW(request, name, ...) name "\0"
static const char single_names[] = SINGLES(ROW);
#undef ROW

/* -- Rows --------------------------------------------------------------------------- */

const char *case_text(const char *texts, unsigned i)
{
	for (; i > 0; i--)
		texts += strlen(texts) + 1;
	return texts;
}

unsigned case_message_count(void)
{
	unsigned i, n = ARRAY_SIZE(singles) + ARRAY_SIZE(unknown);

	for (i = 0; i < ARRAY_SIZE(families); i++)
		n += families[i].n_requests * (unsigned)families[i].n_faults;
	return n;
}

static void set_fault(struct case_message *c, const struct fault *f)
{
	c->more_bytes = f->more_bytes == EMPTY ? -VU_MAX_CONFIG - 100 : f->more_bytes;
	c->more_fds = f->more_fds;
	c->patch = (struct case_patch){ f->at, f->len, f->value };
}

static void from_family(const struct family *f, unsigned i, struct case_message *c)
{
	const struct fault *fault = &f->faults[i % f->n_faults];

	c->request = f->requests[i / f->n_faults];
	c->state = f->state;
	set_fault(c, fault);
	snprintf(c->name, CASE_NAME, "%s, %s", fe_request_name(c->request),
		 case_text(f->names, i % f->n_faults));
}

static void from_single(unsigned i, struct case_message *c)
{
	const struct single *s = &singles[i];
	const char *name = case_text(single_names, i);

	c->request = s->request;
	c->state = s->state;
	c->verdict = s->verdict;
	c->changes = s->changes;
	set_fault(c, &s->fault);
	snprintf(c->name, CASE_NAME, "%s%s%s", fe_request_name(c->request),
		 *name == ' ' || *name == '\0' ? "" : ", ", name);
}

static void from_unknown(unsigned i, struct case_message *c)
{
	c->request = (uint32_t)unknown[i].request << unknown[i].shift;
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

/* What a request brings when it is right. */
enum shape {
	S_NONE, S_WORD, S_TABLE, S_REGION, S_ADDR, S_CONFIG,
	S_SHAPE = 7,
	S_SPARE_FD = 8,                 /* the spare descriptor of the side */
	S_REGION_FD = 16,               /* that of its spare region */
	S_REPLY = 32,                   /* an answer of its own */
};
static const uint8_t shapes[] = {
	[VU_GET_FEATURES] = S_REPLY, [VU_SET_FEATURES] = S_WORD,
	[VU_GET_PROTOCOL_FEATURES] = S_REPLY, [VU_SET_PROTOCOL_FEATURES] = S_WORD,
	[VU_GET_QUEUE_NUM] = S_REPLY, [VU_GET_MAX_MEM_SLOTS] = S_REPLY,
	[VU_GET_STATUS] = S_REPLY, [VU_SET_STATUS] = S_WORD,
	[VU_SET_MEM_TABLE] = S_TABLE, [VU_ADD_MEM_REG] = S_REGION | S_REGION_FD,
	[VU_REM_MEM_REG] = S_REGION, [VU_SET_VRING_NUM] = S_WORD, [VU_SET_VRING_ADDR] = S_ADDR,
	[VU_SET_VRING_BASE] = S_WORD, [VU_GET_VRING_BASE] = S_WORD | S_REPLY,
	[VU_SET_VRING_ENABLE] = S_WORD, [VU_VRING_KICK] = S_WORD,
	[VU_SET_VRING_KICK] = S_WORD | S_SPARE_FD, [VU_SET_VRING_CALL] = S_WORD | S_SPARE_FD,
	[VU_SET_VRING_ERR] = S_WORD | S_SPARE_FD, [VU_SET_LOG_FD] = S_SPARE_FD,
	[VU_SET_BACKEND_REQ_FD] = S_SPARE_FD, [VU_GET_CONFIG] = S_CONFIG | S_REPLY,
	[VU_SET_CONFIG] = S_CONFIG,
};

static unsigned shape_of(uint32_t request)
{
	return request < ARRAY_SIZE(shapes) ? shapes[request] : S_NONE;
}

bool case_has_reply(uint32_t request)
{
	return (shape_of(request) & S_REPLY) != 0;
}

static uint64_t state_word(uint32_t num)
{
	const struct vu_vring_state state = { 0, num };
	uint64_t word;

	memcpy(&word, &state, sizeof(word));
	return word;
}

static uint64_t word_of(const struct case_side *s, uint32_t request)
{
	switch (request) {
	case VU_SET_FEATURES:
		return s->features;
	case VU_SET_PROTOCOL_FEATURES:
		return fe_protocol(s->fe);
	case VU_SET_STATUS:
		return 0xf;
	case VU_SET_VRING_NUM:
		return state_word(fe_ring_size(s->ring));
	case VU_SET_VRING_ENABLE:
		return state_word(1);
	default:
		return 0;
	}
}

static void put_body(const struct case_side *s, struct case_wire *w)
{
	static const uint32_t config[5] = { 0, 8, VU_CONFIG_WRITABLE };
	const uint64_t word = word_of(s, w->request);
	struct vu_vring_addr addr;

	switch (shape_of(w->request) & S_SHAPE) {
	case S_WORD:
		put(w, &word, sizeof(word));
		break;
	case S_TABLE:
		put_mem_table(s, w);
		break;
	case S_REGION:
		put(w, &word, sizeof(word));
		put_region(s, w, s->spare_region);
		break;
	case S_ADDR:
		fe_ring_addr(s->ring, &addr);
		put(w, &addr, sizeof(addr));
		break;
	case S_CONFIG:
		put(w, config, sizeof(config));
		break;
	}
}

void case_wire_valid(const struct case_side *s, uint32_t request, struct case_wire *w)
{
	memset(w, 0, sizeof(*w));
	w->request = request;
	w->flags = VU_VERSION;
	put_body(s, w);
	if (shape_of(request) & S_SPARE_FD)
		w->fds[w->n_fds++] = s->spare_fd;
	if (shape_of(request) & S_REGION_FD)
		w->fds[w->n_fds++] = fe_mem_fd(s->mem, s->spare_region);
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
