/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* See input-rig.h. Nodes are socket pairs: the calls of linux/input.h are answered here. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input-rig.h"
#include "vhost-device/fd.h"
#include "vhost-device/input-names.h"

struct error err;
struct node nodes[NODES];
char folder[64];

static struct open_node {
	int fd, peer;                   /* the device's, ours; 0: not open */
	unsigned node;
	bool grabbed, writable;
} opens[OPENS];

static struct input_sys sys;
static unsigned char conf[512];
static unsigned looked;

/* ---- calls of the device ---- */

static struct open_node *of_fd(int fd)
{
	unsigned i;

	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer != 0 && opens[i].fd == fd && fcntl(fd, F_GETFD) >= 0)
			return &opens[i];
	}
	ck_abort_msg("fd %d is no device", fd);
	return NULL;
}

static void forget(struct open_node *o)
{
	close(o->peer);
	*o = (struct open_node){ 0 };
}

/* Who was closed is seen by the other end. */
static void forget_closed(void)
{
	struct pollfd p = { .events = 0 };
	unsigned i;

	for (i = 0; i < OPENS; i++) {
		p.fd = opens[i].peer;
		if (opens[i].peer != 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLHUP) != 0)
			forget(&opens[i]);
	}
}

static int rig_open(struct instance *in, const char *path, int flags)
{
	const char *file = strrchr(path, '/');
	struct open_node *o = opens;
	unsigned i;
	int fds[2];

	forget_closed();
	for (i = 0; i < NODES; i++) {
		if (file != NULL && nodes[i].file[0] != '\0' &&
		    strcmp(file + 1, nodes[i].file) == 0)
			break;
	}
	if (i == NODES)
		return -ENOENT;
	if (nodes[i].error != 0)
		return nodes[i].error;
	if (nodes[i].read_only && (flags & O_ACCMODE) != O_RDONLY)
		return -EACCES;
	while (o->peer != 0)
		o++;
	ck_assert(o < opens + OPENS);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	*o = (struct open_node){ fds[0], fds[1], i, false, (flags & O_ACCMODE) == O_RDWR };
	return fds[0];
}

static int give(void *to, size_t room, const void *from, size_t size)
{
	size = size < room ? size : room;
	memcpy(to, from, size);
	return (int)size;
}

static int give_text(void *to, size_t room, const char *text)
{
	return text[0] == '\0' ? -ENOENT : give(to, room, text, strlen(text) + 1);
}

static int grab(struct open_node *o, bool on)
{
	unsigned i;

	for (i = 0; on && i < OPENS; i++) {
		if (opens[i].peer != 0 && opens[i].node == o->node && opens[i].grabbed)
			return -EBUSY;
	}
	if (on && nodes[o->node].foreign_grab)
		return -EBUSY;
	if (!on && !o->grabbed)
		return -EINVAL;
	o->grabbed = on;
	nodes[o->node].grabs += on;
	return 0;
}

static int give_bits(struct node *n, unsigned type, void *arg, size_t room)
{
	uint8_t types[4] = { 0 };
	unsigned i;

	if (type == EV_REP)
		return -EINVAL;
	if (type != 0)
		return give(arg, room, n->caps.bits[type], (input_codes(type) + 7) / 8);
	for (i = 0; i < INPUT_TYPES * INPUT_BYTES; i++) {
		if (n->caps.bits[i / INPUT_BYTES][i % INPUT_BYTES] != 0)
			bit_set(types, i / INPUT_BYTES, true);
	}
	return give(arg, room, types, sizeof(types));
}

static int give_slots(const struct node *n, int32_t *arg, size_t room)
{
	unsigned i, axis = (unsigned)arg[0] - INPUT_MT_FIRST;
	unsigned slots = (unsigned)n->caps.abs[ABS_MT_SLOT].maximum + 1;

	ck_assert_uint_lt(axis, INPUT_MT);
	for (i = 0; i < slots && i + 1 < room / 4; i++)
		arg[i + 1] = n->state.mt[i][axis];
	return 0;
}

static int give_axis(const struct node *n, unsigned axis, struct input_absinfo *arg)
{
	*arg = n->caps.abs[axis];
	arg->value = axis == ABS_MT_SLOT ? (int)n->state.slot : n->state.abs[axis];
	return 0;
}

static int give_state(struct node *n, unsigned nr, void *arg, size_t room)
{
	switch (nr) {
	case 0x18:
		return give(arg, room, n->state.keys, sizeof(n->state.keys));
	case 0x19:
		return give(arg, room, n->state.leds, 2);
	case 0x1b:
		return give(arg, room, n->state.sw, 3);
	default:
		return -EINVAL;
	}
}

static int rig_ioctl(int fd, unsigned long request, void *arg)
{
	struct open_node *o = of_fd(fd);
	struct node *n = &nodes[o->node];
	unsigned nr = _IOC_NR(request);
	size_t room = _IOC_SIZE(request);

	if (n->file[0] == '\0')
		return -ENODEV;
	if (nr >= 0x40 && nr < 0x80)
		return give_axis(n, nr - 0x40, arg);
	if (nr >= 0x20 && nr < 0x40)
		return give_bits(n, nr - 0x20, arg, room);
	switch (nr) {
	case 0x01:
		return n->no_evdev ? -ENOTTY : 0;
	case 0x02:
		return give(arg, room, &n->caps.id, sizeof(n->caps.id));
	case 0x06:
		return give_text(arg, room, n->caps.name);
	case 0x07:
		return give_text(arg, room, n->phys);
	case 0x08:
		return give_text(arg, room, n->caps.serial);
	case 0x09:
		return give(arg, room, n->caps.props, sizeof(n->caps.props));
	case 0x0a:
		return give_slots(n, arg, room);
	case 0x90:
		return grab(o, arg != NULL);
	default:
		return give_state(n, nr, arg, room);
	}
}

static ssize_t rig_read(int fd, void *buf, size_t size)
{
	ssize_t n = read(fd, buf, size);

	if (nodes[of_fd(fd)->node].file[0] == '\0')
		return -ENODEV;
	return n < 0 ? -errno : n;
}

static ssize_t rig_write(int fd, const void *buf, size_t size)
{
	struct open_node *o = of_fd(fd);
	struct node *n = &nodes[o->node];
	const struct input_event *evs = buf;
	size_t i;

	ck_assert(o->writable);
	ck_assert_uint_eq(size % sizeof(*evs), 0);
	for (i = 0; i < size / sizeof(*evs); i++) {
		ck_assert_uint_lt(n->n_written, WRITTEN);
		n->written[n->n_written++] = (struct event){ evs[i].type, evs[i].code,
			evs[i].value };
	}
	return (ssize_t)size;
}

/* ---- the host ---- */

static void path_of(char path[128], const char *file)
{
	snprintf(path, 128, "%s/%s", folder, file);
}

void plug(unsigned node, const char *file)
{
	char path[128];
	int fd;

	snprintf(nodes[node].file, sizeof(nodes[node].file), "%s", file);
	path_of(path, file);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

void unplug(unsigned node)
{
	char path[128];
	unsigned i;

	path_of(path, nodes[node].file);
	ck_assert_int_eq(unlink(path), 0);
	nodes[node].file[0] = '\0';
	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer != 0 && opens[i].node == node)
			shutdown(opens[i].peer, SHUT_RDWR);
	}
}

static void set(struct caps *c, unsigned type, unsigned from, unsigned to)
{
	for (; from <= to; from++)
		bit_set(c->bits[type], from, true);
}

void host_setup(void)
{
	struct caps *c = &nodes[0].caps;
	unsigned i;

	memset(nodes, 0, sizeof(nodes));
	memset(opens, 0, sizeof(opens));
	memset(conf, 0, sizeof(conf));
	snprintf(folder, sizeof(folder), "/tmp/test-input-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	sys = (struct input_sys){ rig_open, rig_ioctl, rig_read, rig_write, folder };
	input_sys = &sys;
	for (i = 0; i < NODES; i++)
		state_init(&nodes[i].state);
	snprintf(c->name, sizeof(c->name), "Test keyboard");
	c->id = (struct input_id){ 3, 0x1234, 0x5678, 0x0111 };
	set(c, EV_KEY, 1, 200);
	set(c, EV_MSC, MSC_SCAN, MSC_SCAN);
	set(c, EV_LED, LED_NUML, LED_SCROLLL);
	set(c, EV_SND, SND_BELL, SND_TONE);
	set(c, EV_REP, REP_DELAY, REP_PERIOD);
	plug(0, "event3");
	opt_defaults(input_options, conf);
}

void host_teardown(void)
{
	char command[128];
	unsigned i;

	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer != 0)
			forget(&opens[i]);
	}
	for (i = 0; i < NODES; i++) {
		if (nodes[i].file[0] != '\0')
			unplug(i);
	}
	snprintf(command, sizeof(command), "%s", folder);
	ck_assert_int_eq(rmdir(command), 0);
	input_sys = &input_kernel;
}

void emit(unsigned node, unsigned type, unsigned code, int32_t value)
{
	const struct input_event ev = { .type = (uint16_t)type, .code = (uint16_t)code,
		.value = value };
	unsigned i, only = OPENS;

	forget_closed();
	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer != 0 && opens[i].node == node && opens[i].grabbed)
			only = i;
	}
	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer == 0 || opens[i].node != node || (only < OPENS && i != only))
			continue;
		ck_assert_int_eq(write(opens[i].peer, &ev, sizeof(ev)), sizeof(ev));
	}
	if (type == EV_KEY && value != 2)
		bit_set(nodes[node].state.keys, code, value != 0);
}

void emit_syn(unsigned node)
{
	emit(node, EV_SYN, SYN_REPORT, 0);
}

void key(unsigned node, unsigned code, int32_t value)
{
	emit(node, EV_KEY, code, value);
	emit_syn(node);
	fake_settle();
}

bool is_grabbed(unsigned node)
{
	unsigned i;

	forget_closed();
	for (i = 0; i < OPENS; i++) {
		if (opens[i].peer != 0 && opens[i].node == node && opens[i].grabbed)
			return true;
	}
	return false;
}

void take_written(unsigned node)
{
	nodes[node].n_written = 0;
}

/* ---- the guest ---- */

void option(const char *name, const char *text)
{
	const struct option *row = opt_find(input_options, name, strlen(name));

	ck_assert_msg(opt_set(row, conf, text, &err) == 0, "%s", err.text);
}

int try_open(const char *spec)
{
	ck_assert_uint_le(device_input.conf_size, sizeof(conf));
	option("event-list", spec);
	fake_setup(&device_input, T0);
	looked = 0;
	return fake_open(conf, 1, &err);
}

void open_input(const char *spec)
{
	ck_assert_msg(try_open(spec) == 0, "%s", err.text);
	fake_start();
	fake_settle();
}

void end_input(void)
{
	if (fake.running)
		fake_stop();
	fake_close();
	fake_teardown();
	opt_finish(input_options, conf);
	host_teardown();
}

void buffers(unsigned n)
{
	for (; n > 0; n--)
		fake_push_to(EVENTQ, NULL, 0, EVENT_SIZE);
	fake_settle();
}

static const struct chain *find_event(void)
{
	for (; looked < fake.pushed; looked++) {
		if (fake.chains[looked].queue != EVENTQ || fake.chains[looked].end == FAKE_FAILED)
			continue;
		return fake.chains[looked].end == FAKE_DONE ? &fake.chains[looked] : NULL;
	}
	return NULL;
}

struct event next_event(void)
{
	const struct chain *c = find_event();
	struct virtio_input_event wire;

	ck_assert_msg(c != NULL, "no more events");
	looked++;
	ck_assert_uint_eq(c->used, EVENT_SIZE);
	memcpy(&wire, c->put, EVENT_SIZE);
	return (struct event){ le16_get(wire.type), le16_get(wire.code),
		(int32_t)le32_get(wire.value) };
}

/* "KEY_A 1,SYN" and so on. */
static void print_events(char *text, size_t size)
{
	char name[INPUT_NAME_SIZE];
	struct event ev;
	size_t at = 0;

	text[0] = '\0';
	while (find_event() != NULL && at < size) {
		ev = next_event();
		if (at > 0)
			at += (size_t)snprintf(text + at, size - at, ",");
		if (ev.type == EV_SYN && ev.code == SYN_REPORT)
			at += (size_t)snprintf(text + at, size - at, "SYN");
		else
			at += (size_t)snprintf(text + at, size - at, "%s %d",
					       input_name(ev.type, ev.code, name), ev.value);
	}
}

void expect_events(const char *text)
{
	static char got[16384];

	fake_settle();
	print_events(got, sizeof(got));
	ck_assert_str_eq(got, text);
}

unsigned untaken(void)
{
	unsigned i, n = 0;

	for (i = looked; i < fake.pushed; i++)
		n += fake.chains[i].queue == EVENTQ && fake.chains[i].end == FAKE_DONE;
	return n;
}

struct chain *status(unsigned type, unsigned code, int32_t value)
{
	const struct virtio_input_event wire = { le16((uint16_t)type), le16((uint16_t)code),
		le32((uint32_t)value) };

	return fake_push_to(STATUSQ, &wire, sizeof(wire), 0);
}

const struct virtio_input_config *ask_config(unsigned select, unsigned subsel)
{
	struct virtio_input_config *config = fake.config;

	config->select = (uint8_t)select;
	config->subsel = (uint8_t)subsel;
	device_input.config_written((struct instance *)NULL, 0, 2);
	ck_assert_uint_eq(config->select, select);
	ck_assert_uint_eq(config->subsel, subsel);
	return config;
}
