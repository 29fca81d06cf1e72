/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio socket device (virtio 1.4, 5.10): packets of the guest, options, life.
 *
 * A pause keeps connections; a reset of the guest, or a front end that leaves,
 * ends them, but what the guest had sent is still written to the host. A guest
 * whose connections went without its knowledge, because this process is another
 * one than that it was connected through, is told so by TRANSPORT_RESET.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vsock.h"

enum { WINDOW = 256 << 10, MAX_SHOWN = 100 };

static const char malformed[] = "no packet: a readable header, and as many bytes as it says";

/* ---- packets ---- */

void stray_rst(struct vsock *v, const struct packet *p)
{
	struct stray *s;

	if (p->op == VSOCK_OP_RST)
		return;
	if (v->strays == NULL)
		v->strays = calloc(STRAYS, sizeof(*v->strays));
	/* A flood while the guest takes nothing: it gets answers for the first ones. */
	if (v->strays == NULL || v->n_strays == STRAYS) {
		instance_stat(v->in, VSOCK_DROPPED, 1);
		return;
	}
	s = &v->strays[(v->first_stray + v->n_strays++) % STRAYS];
	*s = (struct stray){ .cid = p->dst_cid, .guest_port = p->src_port,
		.peer_port = p->dst_port, .type = p->type };
}

/* An answer to former ports must not meet a connection that uses them anew. */
static void forget_strays(struct vsock *v, const struct packet *p)
{
	struct stray *s;
	unsigned i, n = v->n_strays;

	for (i = 0; i < n; i++) {
		s = &v->strays[v->first_stray];
		v->first_stray = (v->first_stray + 1) % STRAYS;
		v->n_strays--;
		if (s->cid == p->dst_cid && s->guest_port == p->src_port &&
		    s->peer_port == p->dst_port)
			continue;
		v->strays[(v->first_stray + v->n_strays++) % STRAYS] = *s;
	}
}

static bool get_packet(struct chain *chain, struct packet *ret)
{
	struct virtio_vsock_hdr h;

	if (chain_put_size(chain) > 0 || !chain_get(chain, &h, sizeof(h)))
		return false;
	*ret = (struct packet){
		.src_cid = le64_get(h.src_cid), .dst_cid = le64_get(h.dst_cid),
		.src_port = le32_get(h.src_port), .dst_port = le32_get(h.dst_port),
		.len = le32_get(h.len), .flags = le32_get(h.flags),
		.buf_alloc = le32_get(h.buf_alloc), .fwd_cnt = le32_get(h.fwd_cnt),
		.type = le16_get(h.type), .op = le16_get(h.op),
	};
	return ret->op != VSOCK_OP_RW || ret->len <= chain_get_left(chain);
}

static void take_packet(struct vsock *v, struct chain *chain)
{
	struct packet p;

	instance_stat(v->in, VSOCK_TX_PACKETS, 1);
	if (!get_packet(chain, &p)) {
		instance_stat(v->in, VSOCK_BAD, 1);
		chain_fail(chain, malformed);
		return;
	}
	if (p.src_cid != v->cid) {
		instance_stat(v->in, VSOCK_SPOOFED, 1);
		chain_done(chain);
		return;
	}
	if (p.type != VSOCK_TYPE_STREAM && p.type != VSOCK_TYPE_SEQPACKET) {
		stray_rst(v, &p);
		chain_done(chain);
		return;
	}
	if (p.op == VSOCK_OP_REQUEST && v->n_strays > 0)
		forget_strays(v, &p);
	if (p.dst_cid != VSOCK_CID_HOST && v->conf->vm.forward_cid == 0)
		sibling_packet(v, &p, chain);
	else
		conn_packet(v, &p, chain);
}

void vsock_from_guest(struct vsock *v)
{
	struct chain *chain;

	while ((chain = queue_pop(v->tx)) != NULL)
		take_packet(v, chain);
	flow_flush(v);
	flow_to_guest(v);
}

static void tx_handle(struct queue *q)
{
	vsock_from_guest(instance_state(queue_instance(q)));
}

static void rx_handle(struct queue *q)
{
	flow_to_guest(instance_state(queue_instance(q)));
}

static void event_handle(struct queue *q)
{
	const struct virtio_vsock_event event = { le32(VSOCK_EVENT_TRANSPORT_RESET) };
	struct vsock *v = instance_state(queue_instance(q));
	struct chain *chain;

	while (v->reset_due && (chain = queue_pop(q)) != NULL) {
		if (chain_put_size(chain) < sizeof(event)) {
			chain_fail(chain, "an event buffer without room for an event");
			continue;
		}
		chain_put(chain, &event, sizeof(event));
		chain_done(chain);
		v->reset_due = false;
	}
}

/* ---- life ---- */

/* Rings that were used before we met the guest: whatever it holds open is not with us. */
static void vsock_start(struct queue *q)
{
	struct vsock *v = instance_state(queue_instance(q));

	if (queue_index(q) == VSOCK_EVENTQ)
		v->met = true;
	else if (!v->met && queue_used_before(q))
		v->reset_due = true;
	if (queue_index(q) == VSOCK_RXQ)
		v->there = true;
}

static void drop_strays(struct vsock *v)
{
	free(v->strays);
	v->strays = NULL;
	v->n_strays = v->first_stray = 0;
}

static void vsock_reset(struct instance *in, enum reset_why why)
{
	struct vsock *v = instance_state(in);
	struct conn *c, *next;

	drop_strays(v);
	v->reset_due = v->met = v->there = false;
	sibling_reset(v);
	for (c = v->all; c != NULL; c = next) {
		next = c->all_next;
		if (c->state != CONN_LINGERING)
			conn_leave(c);
	}
}

static void set_cid(struct vsock *v, uint64_t cid)
{
	struct virtio_vsock_config *config = instance_config(v->in);

	v->cid = cid;
	config->guest_cid = le64(cid);
}

static int vsock_open(struct instance *in, struct error *err)
{
	struct vsock *v = instance_state(in);
	int ret;

	v->in = in;
	v->conf = instance_conf(in);
	v->loop = instance_loop(in);
	v->rx = instance_queue(in, VSOCK_RXQ);
	v->tx = instance_queue(in, VSOCK_TXQ);
	v->events = instance_queue(in, VSOCK_EVENTQ);
	v->ready_end = &v->ready;
	/* Without a seed the table only has longer lists for who makes them. */
	if (getrandom(&v->seed, sizeof(v->seed), GRND_NONBLOCK) < 0)
		v->seed = (uintptr_t)v;
	v->next_port = (uint32_t)v->seed;
	set_cid(v, v->conf->vm.cid);
	if (!v->conf->no_seqpacket)
		instance_offer(in, BIT(VIRTIO_VSOCK_F_SEQPACKET));
	ret = sibling_join(v, err);
	return ret < 0 ? ret : host_listen(v, err);
}

static void vsock_close(struct instance *in)
{
	struct vsock *v = instance_state(in);

	sibling_reset(v);
	sibling_leave(v);
	host_unlisten(v);
	while (v->all != NULL)
		conn_free(v->all);
	table_free(v);
	drop_strays(v);
}

/* ---- from outside ---- */

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	static const char *const states[] = {
		[CONN_GREETING] = "greeting", [CONN_ASKED] = "asked", [CONN_DIALING] = "dialing",
		[CONN_OPEN] = "open", [CONN_CLOSING] = "closing", [CONN_DEAD] = "dead",
		[CONN_LINGERING] = "lingering",
	};
	const struct vsock *v = instance_state(in);
	const struct conn *c;
	unsigned shown = 0;

	control_say(r, "cid %llu connections %u of %u buffered %llu of %llu bytes\n",
		    (unsigned long long)v->cid, v->n_conns + v->n_links,
		    v->conf->max_connections,
		    (unsigned long long)v->buffered,
		    (unsigned long long)v->conf->max_buffered);
	for (c = v->all; c != NULL && shown < MAX_SHOWN; c = c->all_next, shown++)
		control_say(r, "guest %u peer %llu:%u %s %s to-guest %llu from-guest %llu "
			    "waiting %u\n", c->key.guest_port, (unsigned long long)c->key.peer_cid,
			    c->key.peer_port, c->type == VSOCK_TYPE_STREAM ? "stream" : "seqpacket",
			    states[c->state], (unsigned long long)c->sent,
			    (unsigned long long)c->got, c->out.n + c->in.n);
	if (sibling_show(v, r, MAX_SHOWN - shown) > MAX_SHOWN - shown || c != NULL)
		control_say(r, "and more\n");
	return 0;
}

static const struct device_command vsock_commands[] = {
	{ "show", "", "List the connections, and who uses how much.", 0, 0, do_show },
	{ NULL }
};

/* ---- options ---- */

static int check_vm(const struct vm_conf *vm, struct error *err)
{
	if (vm->uds_path != NULL && vm->forward_cid != 0)
		return error_set(err, -EINVAL, "uds-path and forward-cid exclude each other");
	if (vm->uds_path == NULL && vm->forward_cid == 0)
		return error_set(err, -EINVAL, "Required key uds-path or forward-cid not found");
	if (vm->uds_path != NULL && vm->forward_listen.n > 0)
		return error_set(err, -EINVAL, "forward-listen needs forward-cid");
	return 0;
}

static int parse_vm(const char *text, void *target, struct error *err)
{
	return check_vm(target, err);
}

static int vsock_check(void *conf, struct error *err)
{
	const struct vsock_conf *c = conf;

	if ((c->vm.queue_size & (c->vm.queue_size - 1)) != 0)
		return error_set(err, -ERANGE, "queue-size %u is not a power of two",
				 c->vm.queue_size);
	return check_vm(&c->vm, err);
}

static bool vsock_together(const void *conf, const void *other_conf)
{
	const struct vsock_conf *a = conf, *b = other_conf;

	return sibling_together(&a->vm, &b->vm);
}

static void vsock_own_socket(const void *conf, struct own_socket *ret)
{
	const struct vsock_conf *c = conf;

	*ret = (struct own_socket){ c->vm.socket, (uint16_t)c->vm.queue_size };
}

static const char *const cid_names[] = { "guest_cid", NULL };
static const char *const uds_names[] = { "uds_path", NULL };
static const char *const forward_names[] = { "forward_cid", NULL };
static const char *const listen_names[] = { "forward_listen", NULL };
static const char *const buffer_names[] = { "tx_buffer_size", NULL };
static const char *const ring_names[] = { "queue_size", NULL };
static const char *const group_names[] = { "group", NULL };
static const char *const not_with_uds[] = { "forward-cid", "forward-listen", NULL };
static const char *const singles[] = { "guest-cid", "uds-path", "forward-cid", "forward-listen",
	"tx-buffer-size", "groups", "socket-path", "socket-count", "socket-fd", "fd", "client",
	"queue-size", NULL };

/* What a guest has, alone on the command line, or as a key of --vm. */
#define VM_ROWS(type_, at_) \
	{ "guest-cid", "N", "Context id of the guest, which others know it by.", "3", OPT_UINT, \
	  .min = VSOCK_CID_FIRST, .max = VSOCK_CID_LIMIT - 1, .aliases = cid_names, \
	  OPT(type_, at_ cid) }, \
	{ "uds-path", "PATH", "Unix socket where clients of the host reach the guest; what the " \
	  "guest connects to is a socket with _PORT behind this path.", NULL, OPT_PATH, \
	  .aliases = uds_names, .excludes = not_with_uds, OPT(type_, at_ uds_path) }, \
	{ "forward-cid", "CID", "Instead, let the guest connect to this context of the host's " \
	  "own AF_VSOCK; 1 is the host itself.", NULL, OPT_UINT, .min = 1, \
	  .aliases = forward_names, OPT(type_, at_ forward_cid) }, \
	{ "forward-listen", "PORTS", "AF_VSOCK ports of the host, separated by +, that lead to " \
	  "the guest's ports of the same numbers.", NULL, OPT_UINT, OPT_LIST, .sep = '+', \
	  .aliases = listen_names, OPT_ITEMS(type_, at_ forward_listen, uint32_t) }, \
	{ "tx-buffer-size", "BYTES", "Bytes that the guest may send on a connection before the " \
	  "host has taken them.", "262144", OPT_UINT, .min = 128, .max = 64 << 20, \
	  .aliases = buffer_names, OPT(type_, at_ window) }, \
	{ "groups", "NAMES", "Groups of guests of this process, separated by +: who shares one " \
	  "may connect to each other.", "default", OPT_STRING, OPT_LIST, .sep = '+', \
	  .aliases = group_names, OPT_ITEMS(type_, at_ groups, char *) }

static const struct option vm_rows[] = {
	VM_ROWS(struct vm_conf, ),
	{ "socket", "PATH", "Listen on this Unix socket for the front end.", NULL, OPT_PATH,
	  OPT_REQUIRED, OPT(struct vm_conf, socket) },
	{ "queue-size", "N", "Largest ring, a power of two.", NULL, OPT_UINT, .min = 1,
	  .max = 32768, .aliases = ring_names, OPT(struct vm_conf, queue_size) },
	{ NULL }
};

static const struct option vsock_options[] = {
	VM_ROWS(struct vsock_conf, vm.),
	{ "max-connections", "N", "Connections of a guest; more are refused.", "16384", OPT_UINT,
	  .min = 1, .max = 1 << 20, OPT(struct vsock_conf, max_connections) },
	{ "max-buffered", "BYTES", "Bytes of a guest that slow readers of the host keep us "
	  "holding, or that others sent it and it does not take; who needs more is reset.",
	  "64M", OPT_SIZE, .min = 65536, OPT(struct vsock_conf, max_buffered) },
	{ "connect-timeout", "MS", "Give up a connection that is not answered.", "2000", OPT_UINT,
	  .min = 1, .max = 3600000, OPT(struct vsock_conf, connect_ms) },
	{ "shutdown-timeout", "MS", "Wait for the guest to end a connection that the host has "
	  "ended.", "8000", OPT_UINT, .min = 1, .max = 3600000,
	  OPT(struct vsock_conf, shutdown_ms) },
	{ "linger-timeout", "MS", "Keep what a guest left behind for a program of the host "
	  "that reads none of it for so long.", "60000", OPT_UINT, .min = 1, .max = 3600000,
	  OPT(struct vsock_conf, linger_ms) },
	{ "no-seqpacket", NULL, "Offer connections of bytes only, not of messages.", NULL,
	  OPT_FLAG, OPT(struct vsock_conf, no_seqpacket) },
	{ "vm", "KEY=VALUE,...", "A guest: guest-cid, socket, uds-path or forward-cid, "
	  "forward-listen, tx-buffer-size, queue-size, groups. Once for each.", NULL, OPT_GROUP,
	  OPT_EACH | OPT_LIST | OPT_NO_FILE, .excludes = singles, .sub = vm_rows,
	  .parse = parse_vm, OPT(struct vsock_conf, vm) },
	{ NULL }
};

static const struct queue_row vsock_queues[] = {
	[VSOCK_RXQ] = { "rx", 1024, .handle = rx_handle },
	[VSOCK_TXQ] = { "tx", 1024, .handle = tx_handle },
	[VSOCK_EVENTQ] = { "event", 1024, .handle = event_handle },
};

static const char *const vsock_counters[] = {
	[VSOCK_RX_PACKETS] = "packets-to-guest", [VSOCK_RX_BYTES] = "bytes-to-guest",
	[VSOCK_TX_PACKETS] = "packets-from-guest", [VSOCK_TX_BYTES] = "bytes-from-guest",
	[VSOCK_OPENED] = "opened", [VSOCK_REFUSED] = "refused", [VSOCK_RESETS] = "reset",
	[VSOCK_SPOOFED] = "spoofed", [VSOCK_BAD] = "bad", [VSOCK_DROPPED] = "unanswered",
	[VSOCK_SIBLING] = "packets-to-siblings", NULL,
};

static const struct dl_library *const vsock_libraries[] = { &yaml_library, NULL };

extern const struct device device_vsock;
const struct device device_vsock = {
	.name = "vsock",
	.summary = "Sockets between guest and host, and between guests",
	.virtio_id = 19,
	.features = BIT(VIRTIO_VSOCK_F_STREAM) | BIT(VIRTIO_VSOCK_F_NO_IMPLIED_STREAM),
	.queues = vsock_queues,
	.n_queues = ARRAY_SIZE(vsock_queues),
	.config_size = sizeof(struct virtio_vsock_config),
	.conf_size = sizeof(struct vsock_conf),
	.state_size = sizeof(struct vsock),
	.options = vsock_options,
	.counters = vsock_counters,
	.libraries = vsock_libraries,
	.commands = vsock_commands,
	.own_socket = vsock_own_socket,
	.config_file = config_read,
	.check = vsock_check,
	.together = vsock_together,
	.open = vsock_open,
	.close = vsock_close,
	.start = vsock_start,
	.reset = vsock_reset,
};
