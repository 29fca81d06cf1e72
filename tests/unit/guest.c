/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A recording device, a scripted front end, a small guest. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

enum {
	MEM_SIZE = 0x10000,
	USER = 0x7f000000,              /* user address of guest address 0 */
	QUEUE_STRIDE = 0x4000,
	DESC = 0, AVAIL = 0x1000, USED = 0x2000, DATA = 0x3000,
};

#define FEATURES (BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES))

struct guest guest;
enum guest_mode guest_mode;
bool guest_open_fails;
uint64_t guest_offers;

/* The device. */

static char trace[1024];

static void note(const char *what, int n)
{
	size_t len = strlen(trace);

	if (n >= 0)
		snprintf(trace + len, sizeof(trace) - len, "%s%s%d", len > 0 ? " " : "", what, n);
	else
		snprintf(trace + len, sizeof(trace) - len, "%s%s", len > 0 ? " " : "", what);
}

static int dev_open(struct instance *in, struct error *err)
{
	uint8_t *config = instance_config(in);
	unsigned i;

	for (i = 0; i < GUEST_CONFIG; i++)
		config[i] = (uint8_t)('a' + i);
	note("open", -1);
	if (guest_open_fails)
		return error_set(err, -ENODEV, "no such thing");
	instance_offer(in, guest_offers);
	return 0;
}

static void dev_close(struct instance *in)
{
	note("close", -1);
}

static int dev_negotiated(struct instance *in, uint64_t features)
{
	note("negotiated", -1);
	return features & BIT(9) ? -EINVAL : 0;
}

static void dev_start(struct queue *q)
{
	ck_assert(queue_running(q));
	note("start", (int)queue_index(q));
}

static void dev_stop(struct queue *q)
{
	ck_assert(!queue_running(q));
	ck_assert_ptr_null(queue_pop(q));
	note("stop", (int)queue_index(q));
	if (guest_mode == MODE_PARK)
		queue_return_all(q);
}

static void dev_reset(struct instance *in, enum reset_why why)
{
	unsigned i;

	for (i = 0; i < GUEST_QUEUES; i++) {
		ck_assert(!queue_running(instance_queue(in, i)));
		ck_assert_uint_eq(queue_held(instance_queue(in, i)), 0);
	}
	note(why == RESET_DRIVER ? "reset" : "left", -1);
}

static void dev_config_written(struct instance *in, unsigned off, unsigned len)
{
	note("config", (int)(off * 100 + len));
}

static void end_chain(struct chain *c)
{
	chain_put(c, "xxxxxxxx", GUEST_BUFFER);
	chain_done(c);
}

static void dev_handle(struct queue *q)
{
	struct chain *c;

	while ((c = queue_pop(q)) != NULL) {
		if (guest_mode == MODE_ECHO)
			end_chain(c);
	}
}

void guest_finish_jobs(void)
{
	struct chain *c;
	struct queue *q;
	unsigned i;

	for (i = 0; i < GUEST_QUEUES; i++) {
		q = instance_queue(guest.in, i);
		while ((c = queue_next(q, NULL)) != NULL)
			end_chain(c);
	}
}

static const struct queue_row rows[] = {
	{ .name = "oneq", .max_size = 64, .handle = dev_handle },
	{ .name = "twoq", .max_size = 64, .handle = dev_handle },
};

static const char *const counters[] = { "things", NULL };

struct device guest_device = {
	.name = "fixture", .summary = "records", .virtio_id = 42,
	.features = BIT(0) | BIT(1) | BIT(9), .queues = rows, .n_queues = GUEST_QUEUES,
	.config_size = GUEST_CONFIG, .config_wr_off = GUEST_WR_OFF,
	.config_wr_len = GUEST_WR_LEN, .state_size = 8, .counters = counters,
	.open = dev_open, .close = dev_close, .negotiated = dev_negotiated, .start = dev_start,
	.stop = dev_stop, .reset = dev_reset, .config_written = dev_config_written,
};

void guest_expect(const char *calls)
{
	peer_settle(guest.loop);
	ck_assert_str_eq(trace, calls);
	trace[0] = '\0';
}

/* The guest. */

static uint8_t *at(unsigned q, unsigned part)
{
	return guest.mem + q * QUEUE_STRIDE + part;
}

static uint16_t wrap_flags(uint16_t n, bool used)
{
	bool wrap = n / GUEST_RING % 2 == 0;

	if (used)
		return wrap ? VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED : 0;
	return wrap ? VIRTQ_DESC_AVAIL : VIRTQ_DESC_USED;
}

static void post_packed(unsigned q)
{
	uint16_t n = guest.avail[q]++, slot = n % GUEST_RING;
	struct vring_packed_desc d = { le64(q * QUEUE_STRIDE + DATA + slot * GUEST_BUFFER),
		le32(GUEST_BUFFER), le16(slot), le16(VIRTQ_DESC_WRITE | wrap_flags(n, false)) };

	memcpy(at(q, DESC) + slot * sizeof(d), &d, sizeof(d));
}

/* One request a slot, in order: from the last one that was seen. */
static uint16_t used_packed(unsigned q)
{
	uint16_t *n = &guest.used[q];
	struct vring_packed_desc d;

	for (; *n != guest.avail[q]; ++*n) {
		memcpy(&d, at(q, DESC) + *n % GUEST_RING * sizeof(d), sizeof(d));
		if ((le16_get(d.flags) & (VIRTQ_DESC_AVAIL | VIRTQ_DESC_USED)) !=
		    wrap_flags(*n, true))
			break;
	}
	return *n;
}

void guest_post(unsigned q)
{
	uint16_t slot = guest.avail[q] % GUEST_RING;
	struct virtq_desc d = { le64(q * QUEUE_STRIDE + DATA + slot * GUEST_BUFFER),
		le32(GUEST_BUFFER), le16(VIRTQ_DESC_WRITE), le16(0) };
	le16_t head = le16(slot), idx;

	if (guest.packed) {
		post_packed(q);
		return;
	}
	idx = le16(++guest.avail[q]);
	memcpy(at(q, DESC) + slot * sizeof(d), &d, sizeof(d));
	memcpy(at(q, AVAIL) + VIRTQ_AVAIL_RING + 2 * slot, &head, sizeof(head));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	memcpy(at(q, AVAIL) + VIRTQ_AVAIL_IDX, &idx, sizeof(idx));
}

void guest_kick(unsigned q)
{
	ck_assert_int_eq(fd_signal(guest.kick[q]), 0);
	peer_settle(guest.loop);
}

uint16_t guest_used(unsigned q)
{
	le16_t idx;

	if (guest.packed)
		return used_packed(q);
	memcpy(&idx, at(q, USED) + VIRTQ_USED_IDX, sizeof(idx));
	return le16_get(idx);
}

bool guest_signalled(unsigned q)
{
	uint64_t n;

	peer_settle(guest.loop);
	return read(guest.call[q], &n, sizeof(n)) == (ssize_t)sizeof(n);
}

void guest_zero_rings(void)
{
	memset(guest.mem, 0, MEM_SIZE);
	memset(guest.avail, 0, sizeof(guest.avail));
	memset(guest.used, 0, sizeof(guest.used));
}

void guest_break_ring(unsigned q)
{
	le16_t head = le16(GUEST_RING);

	guest_post(q);
	memcpy(at(q, AVAIL) + VIRTQ_AVAIL_RING + 2 * ((guest.avail[q] - 1U) % GUEST_RING), &head,
	       sizeof(head));
	guest_kick(q);
}

static uint8_t snapshot[MEM_SIZE];

void guest_snapshot(void)
{
	memcpy(snapshot, guest.mem, MEM_SIZE);
}

bool guest_unchanged(void)
{
	peer_settle(guest.loop);
	return memcmp(snapshot, guest.mem, MEM_SIZE) == 0;
}

static int log_fd = -1, stderr_fd = -1;

void guest_log_begin(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	ck_assert_int_ge(log_fd, 0);
	stderr_fd = dup(STDERR_FILENO);
	dup2(log_fd, STDERR_FILENO);
}

const char *guest_log_end(void)
{
	static char text[4096];
	ssize_t n;

	dup2(stderr_fd, STDERR_FILENO);
	fd_close(&stderr_fd);
	n = pread(log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	fd_close(&log_fd);
	return text;
}

/* A request through the ring, served or not. */
static void guest_io(unsigned q, bool served)
{
	uint16_t before = guest_used(q);

	guest_post(q);
	guest_kick(q);
	ck_assert_uint_eq((uint16_t)(guest_used(q) - before), served);
	if (served)
		ck_assert(memmem(at(q, DATA), GUEST_RING * GUEST_BUFFER, "xxxxxxxx", 8) != NULL);
}

/* The front end. */

void guest_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", guest.path);
	guest.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(guest.sock, 0);
	ck_assert_int_eq(connect(guest.sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

void guest_disconnect(void)
{
	fd_close(&guest.backend);
	fd_close(&guest.sock);
	peer_settle(guest.loop);
}

void guest_send(uint32_t id, uint32_t flags, const void *body, size_t size, const int *fds,
		unsigned n_fds)
{
	peer_send(guest.sock, id, VU_VERSION | flags, body, size, fds, n_fds);
}

void guest_recv(uint32_t id, void *body, size_t size)
{
	struct vu_header header;

	ck_assert_msg(peer_recv(guest.loop, guest.sock, &header, body, size, NULL),
		      "no answer to request %u", id);
	ck_assert_uint_eq(header.request, id);
	ck_assert_uint_eq(header.flags, VU_VERSION | VU_REPLY);
	ck_assert_uint_eq(header.size, size);
}

uint64_t guest_ask_u64(uint32_t id)
{
	uint64_t v;

	guest_send(id, 0, NULL, 0, NULL, 0);
	guest_recv(id, &v, sizeof(v));
	return v;
}

/* Something without an answer of its own. */
static void tell(uint32_t id, const void *body, size_t size, int fd, bool refused)
{
	bool asks = guest.need_reply || refused;
	uint64_t v;

	guest_send(id, asks ? VU_NEED_REPLY : 0, body, size, &fd, fd >= 0);
	if (asks) {
		guest_recv(id, &v, sizeof(v));
		ck_assert_msg(v == refused, "request %u: %llu", id, (unsigned long long)v);
	}
	peer_settle(guest.loop);
}

static void tell_u64(uint32_t id, uint64_t v, bool refused)
{
	tell(id, &v, sizeof(v), -1, refused);
}

static void tell_state(uint32_t id, unsigned q, uint32_t num, bool refused)
{
	struct vu_vring_state s = { q, num };

	tell(id, &s, sizeof(s), -1, refused);
}

static void tell_fd(uint32_t id, unsigned q, int *fds, bool refused)
{
	uint64_t v = q;

	fd_close(&fds[q]);
	fds[q] = fd_eventfd();
	ck_assert_int_ge(fds[q], 0);
	tell(id, &v, sizeof(v), fds[q], refused);
}

static void tell_mem(bool refused)
{
	struct {
		uint32_t n, padding;
		struct vu_region region;
	} t = { 1, 0, { 0, MEM_SIZE, USER, 0 } };

	tell(VU_SET_MEM_TABLE, &t, sizeof(t), guest.mem_fd, refused);
}

static void tell_region(uint32_t id, int fd, bool refused)
{
	struct vu_single_region r = { 0, { 0, MEM_SIZE, USER, 0 } };

	tell(id, &r, sizeof(r), fd, refused);
}

static void tell_addr(unsigned q, unsigned shift, bool refused)
{
	struct vu_vring_addr a = { .index = q, .desc = USER + q * QUEUE_STRIDE + DESC + shift,
		.used = USER + q * QUEUE_STRIDE + USED, .avail = USER + q * QUEUE_STRIDE + AVAIL,
		.log = ~0ULL };

	tell(VU_SET_VRING_ADDR, &a, sizeof(a), -1, refused);
}

static void get_base(unsigned q)
{
	struct vu_vring_state s = { q, 0 };

	guest_send(VU_GET_VRING_BASE, 0, &s, sizeof(s), NULL, 0);
	guest_recv(VU_GET_VRING_BASE, &s, sizeof(s));
	ck_assert_uint_eq(s.index, q);
	guest.base[q] = s.num;
	peer_settle(guest.loop);
}

static void get_config(uint32_t off, uint32_t size)
{
	struct {
		uint32_t off, size, flags;
		uint8_t data[256];
	} c = { off, size, 1, { 0 } };

	guest_send(VU_GET_CONFIG, 0, &c, sizeof(struct vu_config) + size, NULL, 0);
	guest_recv(VU_GET_CONFIG, &c, sizeof(struct vu_config) + size);
}

static void set_config(uint32_t off, uint32_t size, uint32_t flags, bool refused)
{
	struct {
		uint32_t off, size, flags;
		uint8_t data[256];
	} c = { off, size, flags, { 0 } };

	memset(c.data, 'W', sizeof(c.data));
	tell(VU_SET_CONFIG, &c, sizeof(struct vu_config) + size, -1, refused);
}

static void give_backend(bool refused)
{
	int ours, theirs;

	peer_pair(&ours, &theirs);
	fd_close(&guest.backend);
	guest.backend = theirs;
	tell(VU_SET_BACKEND_REQ_FD, NULL, 0, ours, refused);
	close(ours);
}

static uint32_t base_of(unsigned q, const char *value)
{
	if (strcmp(value, "stop") == 0)
		return guest.base[q];
	if (strcmp(value, "avail") == 0)
		return guest.avail[q];
	return (uint32_t)strtoul(value, NULL, 0);
}

/* WORD, WORD:QUEUE, WORD:QUEUE=VALUE, WORD=VALUE */
static bool about_ring(const char *word, unsigned q, const char *value, bool no)
{
	if (strcmp(word, "num") == 0)
		tell_state(VU_SET_VRING_NUM, q, *value ? base_of(q, value) : GUEST_RING, no);
	else if (strcmp(word, "base") == 0)
		tell_state(VU_SET_VRING_BASE, q, base_of(q, value), no);
	else if (strcmp(word, "addr") == 0)
		tell_addr(q, base_of(q, value), no);
	else if (strcmp(word, "kick") == 0)
		tell_fd(VU_SET_VRING_KICK, q, guest.kick, no);
	else if (strcmp(word, "call") == 0)
		tell_fd(VU_SET_VRING_CALL, q, guest.call, no);
	else if (strcmp(word, "err") == 0)
		tell_fd(VU_SET_VRING_ERR, q, guest.err, no);
	else if (strcmp(word, "kicked") == 0)
		tell_state(VU_VRING_KICK, q, 0, no);
	else if (strcmp(word, "nofd") == 0)
		tell_u64(VU_SET_VRING_KICK, q | VU_VRING_NOFD, no);
	else if (strcmp(word, "on") == 0)
		tell_state(VU_SET_VRING_ENABLE, q, 1, no);
	else if (strcmp(word, "off") == 0)
		tell_state(VU_SET_VRING_ENABLE, q, 0, no);
	else if (strcmp(word, "stop") == 0)
		get_base(q);
	else if (strcmp(word, "post") == 0)
		guest_post(q);
	else if (strcmp(word, "io") == 0)
		guest_io(q, true);
	else if (strcmp(word, "noio") == 0)
		guest_io(q, false);
	else if (strcmp(word, "used") == 0)
		ck_assert_uint_eq(guest_used(q), strtoul(value, NULL, 0));
	else
		return false;
	return true;
}

static void tell_features(uint64_t bits, bool refused)
{
	tell_u64(VU_SET_FEATURES, bits, refused);
	guest.packed = bits & BIT(VIRTIO_F_RING_PACKED);
}

static void about_session(const char *word, const char *value, bool no)
{
	if (strcmp(word, "owner") == 0)
		tell(VU_SET_OWNER, NULL, 0, -1, no);
	else if (strcmp(word, "reset_owner") == 0)
		tell(VU_RESET_OWNER, NULL, 0, -1, no);
	else if (strcmp(word, "get_features") == 0)
		guest_ask_u64(VU_GET_FEATURES);
	else if (strcmp(word, "get_protocol") == 0)
		guest_ask_u64(VU_GET_PROTOCOL_FEATURES);
	else if (strcmp(word, "protocol") == 0)
		tell_u64(VU_SET_PROTOCOL_FEATURES, guest.protocol, no);
	else if (strcmp(word, "queue_num") == 0)
		ck_assert_uint_eq(guest_ask_u64(VU_GET_QUEUE_NUM), GUEST_QUEUES);
	else if (strcmp(word, "slots") == 0)
		ck_assert_uint_ge(guest_ask_u64(VU_GET_MAX_MEM_SLOTS), 509);
	else if (strcmp(word, "features") == 0)
		tell_features(FEATURES | strtoul(value, NULL, 0), no);
	else if (strcmp(word, "features_no30") == 0)
		tell_u64(VU_SET_FEATURES, BIT(VIRTIO_F_VERSION_1), no);
	else if (strcmp(word, "mem") == 0)
		tell_mem(no);
	else if (strcmp(word, "add") == 0)
		tell_region(VU_ADD_MEM_REG, guest.mem_fd, no);
	else if (strcmp(word, "remove") == 0)
		tell_region(VU_REM_MEM_REG, -1, no);
	else if (strcmp(word, "status") == 0)
		tell_u64(VU_SET_STATUS, strtoul(value, NULL, 0), no);
	else if (strcmp(word, "get_status") == 0)
		ck_assert_uint_eq(guest_ask_u64(VU_GET_STATUS), strtoul(value, NULL, 0));
	else if (strcmp(word, "reset") == 0)
		tell(VU_RESET_DEVICE, NULL, 0, -1, no);
	else if (strcmp(word, "get_config") == 0)
		get_config((uint32_t)strtoul(value, NULL, 0), 4);
	else if (strcmp(word, "set_config") == 0)
		set_config(0, GUEST_CONFIG, 0, no);
	else if (strcmp(word, "set_config_all") == 0)
		set_config(0, GUEST_CONFIG, 1, no);
	else if (strcmp(word, "backend") == 0)
		give_backend(no);
	else if (strcmp(word, "zero") == 0)
		guest_zero_rings();
	else if (strcmp(word, "connect") == 0)
		guest_connect();
	else if (strcmp(word, "disconnect") == 0)
		guest_disconnect();
	else
		ck_abort_msg("the script says %s", word);
}

void guest_do(const char *words)
{
	char *copy = strdup(words), *save = NULL, *word, *value, *queue;
	bool no;

	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		no = *word == '!';
		word += no;
		value = strchr(word, '=');
		if (value != NULL)
			*value++ = '\0';
		else
			value = word + strlen(word);
		queue = strchr(word, ':');
		if (queue == NULL) {
			about_session(word, value, no);
			continue;
		}
		*queue++ = '\0';
		if (!about_ring(word, (unsigned)strtoul(queue, NULL, 0), value, no))
			ck_abort_msg("the script says %s:", word);
	}
	free(copy);
}

/* Fixture. */

void guest_new(const struct instance_setup *setup)
{
	struct endpoint ep = { .kind = ENDPOINT_PATH, .path = strdup(guest.path), .fd = -1,
		.mode = -1, .group = -1 };
	struct error err = ERROR_NONE;

	guest.in = instance_new(guest.loop, setup, &ep, &err);
	ck_assert_msg(guest.in != NULL, "%s", err.text);
	instance_listen(guest.in);
	guest_expect("open");
}

void guest_setup(void)
{
	static const struct instance_setup setup = { .device = &guest_device, .name = "fixture0",
		.count = 1, .drain_ms = 1000 };
	struct error err = ERROR_NONE;
	unsigned i;

	memset(&guest, 0, sizeof(guest));
	trace[0] = '\0';
	guest_mode = MODE_ECHO;
	guest_open_fails = false;
	guest_offers = 0;
	guest.sock = guest.backend = -1;
	for (i = 0; i < GUEST_QUEUES; i++)
		guest.kick[i] = guest.call[i] = guest.err[i] = -1;
	guest.protocol = BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_BACKEND_REQ) |
		BIT(VU_PF_CONFIG) | BIT(VU_PF_RESET_DEVICE) | BIT(VU_PF_STATUS) |
		BIT(VU_PF_CONFIGURE_MEM_SLOTS);
	snprintf(guest.folder, sizeof(guest.folder), "/tmp/test-instance-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(guest.folder));
	snprintf(guest.path, sizeof(guest.path), "%s/sock", guest.folder);
	guest.mem_fd = fd_memfd("guest", MEM_SIZE);
	ck_assert_int_ge(guest.mem_fd, 0);
	guest.mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, guest.mem_fd, 0);
	ck_assert_ptr_ne(guest.mem, MAP_FAILED);
	guest.loop = loop_new(&err);
	ck_assert_msg(guest.loop != NULL, "%s", err.text);
	guest_new(&setup);
	guest.files = peer_open_files();
}

void guest_teardown(void)
{
	unsigned i;

	guest_disconnect();
	guest_finish_jobs();
	for (i = 0; i < GUEST_QUEUES; i++) {
		fd_close(&guest.kick[i]);
		fd_close(&guest.call[i]);
		fd_close(&guest.err[i]);
	}
	peer_settle(guest.loop);
	/* Back to where it waits for the next front end: nothing of the session is left. */
	ck_assert_uint_eq(peer_open_files(), guest.files);
	trace[0] = '\0';
	instance_free(guest.in);
	ck_assert_str_eq(trace, "close");
	ck_assert_int_eq(access(guest.path, F_OK), -1);
	loop_free(guest.loop);
	munmap(guest.mem, MEM_SIZE);
	close(guest.mem_fd);
	rmdir(guest.folder);
}
