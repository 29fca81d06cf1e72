/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio console device (virtio 1.4, 5.3): ports of a guest, each with an end at
 * the host. Options, life, commands of the operator.
 *
 * A driver that does not know MULTIPORT has port 0 alone, which then needs no
 * control messages. Clients of the host stay when the guest is reset or leaves.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "vhost-device/num.h"

enum { NS_PER_MS = 1000 * 1000, SCROLLBACK_MAX = 1 << 30, NO_ESCAPE = -1, CTRL = 0x40 };

static const struct backend *const backends[] = {
	[BACKEND_NESTED] = &backend_nested, [BACKEND_NETWORK] = &backend_network,
	[BACKEND_UNIX] = &backend_unix, [BACKEND_PTY] = &backend_pty,
	[BACKEND_FILE] = &backend_file, [BACKEND_PROGRAM] = &backend_program,
	[BACKEND_NULL] = &backend_null,
};
static const char *const backend_words[] = { "nested|terminal|stdio", "network|tcp", "uds|unix",
	"pty", "file", "program|exec", "null", NULL };
_Static_assert(ARRAY_SIZE(backends) == BACKEND_KINDS, "backends");
_Static_assert(ARRAY_SIZE(backend_words) == BACKEND_KINDS + 1, "backend_words");

bool console_multiport(const struct console *con)
{
	return (instance_features(con->in) & BIT(VIRTIO_CONSOLE_F_MULTIPORT)) != 0;
}

uint64_t console_after(const struct console *con, uint64_t ms)
{
	return loop_now(con->loop) + ms * NS_PER_MS;
}

/* With several guests each has the path with its number. */
int console_path(const struct port *p, const char *path, char *buf, size_t size,
		 struct error *err)
{
	const struct instance *in = p->con->in;
	int n = snprintf(buf, size, instance_count(in) > 1 ? "%s%u" : "%s", path,
			 instance_index(in));

	if (n < 0 || (size_t)n >= size)
		return error_set(err, -ENAMETOOLONG, "%s is too long a path", path);
	return 0;
}

/* ---- queues ---- */

static struct port *port_of(struct queue *q)
{
	struct console *con = instance_state(queue_instance(q));
	unsigned i = queue_index(q);

	return i < CONSOLE_CONTROL_RXQ ? &con->ports[0] : &con->ports[i / 2 - 1];
}

static bool is_control(const struct queue *q)
{
	return queue_index(q) / 2 == CONSOLE_CONTROL_RXQ / 2;
}

static bool is_tx(const struct queue *q)
{
	return queue_index(q) % 2 != 0;
}

static void rx_handle(struct queue *q)
{
	input_run(port_of(q));
}

static void tx_handle(struct queue *q)
{
	output_run(port_of(q));
}

static void control_rx_handle(struct queue *q)
{
	control_to_guest(instance_state(queue_instance(q)));
}

static void control_tx_handle(struct queue *q)
{
	control_from_guest(instance_state(queue_instance(q)));
}

/* ---- life ---- */

/*
 * A guest whose control ring is new knows no port. One that has used it, but
 * not with this process, knows its ports and will not ask again.
 */
static void console_start(struct queue *q)
{
	struct console *con = instance_state(queue_instance(q));

	if (queue_index(q) != CONSOLE_CONTROL_TXQ || !console_multiport(con))
		return;
	if (!queue_used_before(q))
		control_reset(con);
	else if (!con->met)
		control_resume(con);
	con->met = true;
}

static void console_stop(struct queue *q)
{
	if (is_control(q))
		queue_return_all(q);
	else if (is_tx(q))
		output_stop(port_of(q));
}

static void console_reset(struct instance *in, enum reset_why why)
{
	control_reset(instance_state(in));
}

static unsigned count_ports(const struct console_conf *conf)
{
	return conf->ports.n > 0 ? (unsigned)conf->ports.n : 1;
}

static unsigned console_queue_count(const void *conf)
{
	const struct console_conf *c = conf;

	return c->single ? 2 : 2 * (count_ports(c) + 1);
}

static int open_port(struct console *con, unsigned id, struct error *err)
{
	struct port *p = &con->ports[id];
	const struct port_conf *list = con->conf->ports.items;
	int ret;

	p->con = con;
	p->id = id;
	p->conf = con->conf->ports.n > 0 ? &list[id] : &con->conf->port;
	p->backend = backends[p->conf->backend];
	p->console = p->conf->console == 0;
	p->plugged = p->conf->absent == 0;
	p->client.in = p->client.out = -1;
	p->rx = instance_queue(con->in, id == 0 ? CONSOLE_RXQ : 2 * id + 2);
	p->tx = instance_queue(con->in, id == 0 ? CONSOLE_TXQ : 2 * id + 3);
	if (output_init(p) < 0)
		return error_memory(err);
	if (p->conf->log != NULL) {
		p->log = file_sink_new(p, p->conf->log, err);
		if (p->log == NULL)
			return -EIO;
	}
	ret = p->backend->open != NULL ? p->backend->open(p, err) : 0;
	if (ret < 0 && con->n_ports > 1)
		error_prefix(err, "port %u: ", id);
	return ret;
}

static int console_open(struct instance *in, struct error *err)
{
	struct console *con = instance_state(in);
	struct virtio_console_config *config = instance_config(in);
	unsigned n, i;
	int ret = 0;

	con->in = in;
	con->conf = instance_conf(in);
	con->loop = instance_loop(in);
	if (!con->conf->single) {
		con->control_rx = instance_queue(in, CONSOLE_CONTROL_RXQ);
		con->control_tx = instance_queue(in, CONSOLE_CONTROL_TXQ);
		instance_offer(in, BIT(VIRTIO_CONSOLE_F_MULTIPORT));
	}
	n = count_ports(con->conf);
	config->max_nr_ports = le32(n);
	con->ports = calloc(n, sizeof(*con->ports));
	if (con->ports == NULL)
		return error_memory(err);
	for (i = 0; i < n && ret == 0; i++) {
		con->n_ports++;
		ret = open_port(con, i, err);
	}
	return ret;
}

static void close_port(struct port *p)
{
	client_leave(p);
	if (p->backend != NULL && p->backend->close != NULL)
		p->backend->close(p);
	file_sink_free(take_ptr(p->log));
	if (p->con != NULL)
		output_finish(p);
}

static void console_close(struct instance *in)
{
	struct console *con = instance_state(in);

	while (con->n_ports > 0)
		close_port(&con->ports[--con->n_ports]);
	free(con->ports);
	con->ports = NULL;
}

/* The image keeps 0: what a driver reads there is of no use, and each write counts. */
static void console_config_written(struct instance *in, unsigned off, unsigned len)
{
	struct virtio_console_config *config = instance_config(in);
	struct console *con = instance_state(in);

	if (!range_fits(offsetof(struct virtio_console_config, emerg_wr), 1, off + len) ||
	    off > offsetof(struct virtio_console_config, emerg_wr) || con->n_ports == 0)
		return;
	instance_stat(in, CONSOLE_EMERGENCY, 1);
	output_byte(&con->ports[0], (uint8_t)le32_get(config->emerg_wr));
	config->emerg_wr = le32(0);
}

/* ---- from outside ---- */

static void show_port(const struct port *p, struct said *r)
{
	const struct sink *s;
	const char *word = backend_words[p->conf->backend];
	uint64_t most = 0;

	for (s = p->sinks; s != NULL; s = s->next)
		most = p->head - s->at > most ? p->head - s->at : most;
	control_say(r, "port %u %s %.*s name %s guest %s client %s", p->id,
		    p->console ? "console" : "port", (int)strcspn(word, "|"), word,
		    p->conf->name != NULL ? p->conf->name : "-",
		    !p->plugged ? "unplugged" : p->guest_open ? "open" :
			    p->added ? "ready" : "absent",
		    client_is_there(p) ? "connected" : "none");
	control_say(r, " size %ux%u to-guest %llu from-guest %llu waiting %llu dropped %llu",
		    p->cols, p->rows, (unsigned long long)p->to_guest,
		    (unsigned long long)p->head, (unsigned long long)most,
		    (unsigned long long)p->dropped);
	if (p->backend->describe != NULL)
		p->backend->describe(p, r);
	control_say(r, "\n");
}

static int do_show(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	const struct console *con = instance_state(in);
	unsigned i;

	for (i = 0; i < con->n_ports; i++)
		show_port(&con->ports[i], r);
	return 0;
}

/* By number or by name. */
static struct port *find_port(struct instance *in, const char *word, struct error *err)
{
	struct console *con = instance_state(in);
	uint64_t id;
	unsigned i;

	for (i = 0; i < con->n_ports; i++) {
		const char *name = con->ports[i].conf->name;

		if (name != NULL && strcmp(name, word) == 0)
			return &con->ports[i];
	}
	if (num_parse(word, 0, con->n_ports - 1, &id) == 0)
		return &con->ports[id];
	error_set(err, -EINVAL, "no port '%s': give its name, or a number below %u", word,
		  con->n_ports);
	return NULL;
}

static int plug(struct instance *in, const char *word, bool on, struct error *err)
{
	struct port *p = find_port(in, word, err);

	if (p == NULL)
		return -EINVAL;
	if (p->con->conf->single)
		return error_set(err, -ENOTSUP, "with --single-port there is nothing to plug");
	if (port_plug(p, on) < 0)
		return error_set(err, -EALREADY, "port %u is %s already", p->id,
				 on ? "plugged" : "unplugged");
	return 0;
}

static int do_plug(struct instance *in, struct said *r, char **words, unsigned n,
		   struct error *err)
{
	return plug(in, words[0], true, err);
}

static int do_unplug(struct instance *in, struct said *r, char **words, unsigned n,
		     struct error *err)
{
	return plug(in, words[0], false, err);
}

static int do_resize(struct instance *in, struct said *r, char **words, unsigned n,
		     struct error *err)
{
	struct port *p = find_port(in, words[0], err);
	uint64_t cols, rows;

	if (p == NULL)
		return -EINVAL;
	if (num_parse(words[1], 0, UINT16_MAX, &cols) < 0 ||
	    num_parse(words[2], 0, UINT16_MAX, &rows) < 0)
		return error_set(err, -EINVAL, "columns and rows are numbers up to 65535");
	port_set_size(p, (uint16_t)cols, (uint16_t)rows);
	return 0;
}

static int do_disconnect(struct instance *in, struct said *r, char **words, unsigned n,
			 struct error *err)
{
	struct port *p = find_port(in, words[0], err);

	if (p == NULL)
		return -EINVAL;
	if (!client_is_there(p))
		return error_set(err, -ENOTCONN, "port %u has no client", p->id);
	client_leave(p);
	return 0;
}

static const struct device_command console_commands[] = {
	{ "show", "", "List the ports: who is connected, how much has passed.", 0, 0, do_show },
	{ "plug", "PORT", "Add a port, by its number or name, to the guest.", 1, 1, do_plug },
	{ "unplug", "PORT", "Take a port from the guest.", 1, 1, do_unplug },
	{ "resize", "PORT COLS ROWS", "Tell the guest a window size.", 3, 3, do_resize },
	{ "disconnect", "PORT", "Send the port's client off.", 1, 1, do_disconnect },
	{ NULL }
};

/* ---- options ---- */

static int check_port(const struct port_conf *p, struct error *err)
{
	const struct backend *b = backends[p->backend];

	if (p->name != NULL && strlen(p->name) > CONSOLE_NAME_MAX)
		return error_set(err, -EINVAL, "name: at most %d bytes", CONSOLE_NAME_MAX);
	return b->check != NULL ? b->check(p, err) : 0;
}

static int parse_port(const char *text, void *target, struct error *err)
{
	return check_port(target, err);
}

/* ^X as people write it, a character, or none. */
static int parse_escape(const char *text, void *target, struct error *err)
{
	int *key = target;

	if (strcmp(text, "none") == 0)
		*key = NO_ESCAPE;
	else if (text[0] == '^' && text[1] >= '?' && text[1] <= '_' && text[2] == '\0')
		*key = text[1] ^ CTRL;
	else if (text[0] == '^' && text[1] >= 'a' && text[1] <= 'z' && text[2] == '\0')
		*key = text[1] & 0x1f;
	else if (text[0] != '\0' && text[1] == '\0')
		*key = (unsigned char)text[0];
	else
		return error_set(err, -EINVAL, "must be a key, such as ^], or none");
	return 0;
}

static int check_list(const struct console_conf *c, struct error *err)
{
	const struct port_conf *list = c->ports.items;
	unsigned nested = 0;
	size_t i;

	if (c->ports.n > CONSOLE_MAX_PORTS)
		return error_set(err, -ERANGE, "--port: at most %d ports", CONSOLE_MAX_PORTS);
	if (c->single && c->ports.n > 1)
		return error_set(err, -ERANGE, "--single-port allows for one --port");
	for (i = 0; i < c->ports.n; i++)
		nested += list[i].backend == BACKEND_NESTED;
	if (nested > 1)
		return error_set(err, -EINVAL, "--port: the terminal is one port's only: give "
				 "the others another backend");
	return 0;
}

static int console_check(void *conf, struct error *err)
{
	const struct console_conf *c = conf;

	if ((c->queue_size & (c->queue_size - 1)) != 0)
		return error_set(err, -ERANGE, "invalid queue maximum size: %u is no power of two",
				 c->queue_size);
	if (c->ports.n > 0)
		return check_list(c, err);
	return check_port(&c->port, err);
}

static void console_own_socket(const void *conf, struct own_socket *ret)
{
	const struct console_conf *c = conf;

	*ret = (struct own_socket){ NULL, (uint16_t)c->queue_size };
}

static const char *const on_off[] = { "on", "off", NULL };
static const char *const off_on[] = { "off", "on", NULL };
static const char *const orders[] = { "spec", "legacy", NULL };
static const char *const size_names[] = { "max-queue-size", NULL };
static const char *const path_names[] = { "uds-path", NULL };
static const char *const singles[] = { "backend", "tcp-port", "tcp-address", "path", "command",
	"name", "log", "scrollback", "patience", "console", NULL };

/* What a port has, alone on the command line, or as a key of --port. */
#define PORT_ROWS(type_, at_, b_, p_, backend_, name_) \
	{ "backend", "BACKEND", "The host's end: the terminal this program runs on (nested), a " \
	  "TCP port (network), a Unix socket (uds), a pseudo-terminal (pty), a file that output " \
	  "is appended to (file), a program (program), or none (null).", backend_, OPT_CHOICE, \
	  .brief = b_, .words = backend_words, OPT(type_, at_ backend) }, \
	{ "tcp-port", "PORT", "TCP port of network; with several guests each has the next one.", \
	  "12345", OPT_UINT, .brief = p_, .min = 1, .max = 65535, OPT(type_, at_ tcp_port) }, \
	{ "tcp-address", "ADDRESS", "Address of network to listen on.", "127.0.0.1", OPT_STRING, \
	  OPT(type_, at_ address) }, \
	{ "path", "PATH", "Unix socket of uds, file of file, or a link to the pseudo-terminal of " \
	  "pty. With several guests the number of the guest is appended.", NULL, OPT_PATH, \
	  .aliases = path_names, OPT(type_, at_ path) }, \
	{ "command", "COMMAND", "What program runs, by the shell; it reads the guest's output " \
	  "and writes its input.", NULL, OPT_STRING, OPT(type_, at_ command) }, \
	{ "name", "NAME", "What the guest calls the port, in /dev/virtio-ports.", name_, \
	  OPT_STRING, OPT(type_, at_ name) }, \
	{ "console", "on|off", "A console (/dev/hvc0), or else a port for programs " \
	  "(/dev/vport0p0).", "on", OPT_CHOICE, .words = on_off, OPT(type_, at_ console) }, \
	{ "log", "PATH", "Append all output to this file as well. With several guests the " \
	  "number of the guest is appended.", NULL, OPT_PATH, \
	  OPT(type_, at_ log) }, \
	{ "scrollback", "SIZE", "Output of a console that a new client is shown.", "64K", \
	  OPT_SIZE, .max = SCROLLBACK_MAX, OPT(type_, at_ scrollback) }, \
	{ "patience", "MS", "How long a client that takes nothing may hold up a console; then " \
	  "it loses what there is no room for. 0: for ever.", "2000", OPT_UINT, .max = 3600000, \
	  OPT(type_, at_ patience_ms) }

static const struct option port_rows[] = {
	PORT_ROWS(struct port_conf, , 0, 0, NULL, NULL),
	{ "absent", "off|on", "Not there until it is plugged by a command.", "off", OPT_CHOICE,
	  .words = off_on, OPT(struct port_conf, absent) },
	{ NULL }
};

static const struct option console_options[] = {
	PORT_ROWS(struct console_conf, port., 'b', 'p', "nested", "org.test.foo!"),
	{ "port", "KEY=VALUE,...", "A port, instead of those options for the only one; once for "
	  "each: name, console, backend, path, tcp-port, tcp-address, command, log, scrollback, "
	  "patience, absent.", NULL, OPT_GROUP, OPT_LIST, .excludes = singles, .sub = port_rows,
	  .parse = parse_port, OPT_ITEMS(struct console_conf, ports, struct port_conf) },
	{ "single-port", NULL, "Two queues and no control messages, for front ends that have no "
	  "more.", NULL, OPT_FLAG, OPT(struct console_conf, single) },
	{ "resize-order", "ORDER", "Of a window size: columns first (spec), or rows first, as "
	  "Linux before 6.16 reads it (legacy).", "spec", OPT_CHOICE, .words = orders,
	  OPT(struct console_conf, resize_order) },
	{ "escape", "KEY", "Key that ends the program when it is typed by itself at the terminal "
	  "of nested; none: there is no such key.", "^]", OPT_CUSTOM, .parse = parse_escape,
	  OPT(struct console_conf, escape) },
	{ "queue-size", "N", "Largest ring a guest may set up, a power of two.", NULL, OPT_UINT,
	  .brief = 'q', .min = 1, .max = 32768, .aliases = size_names,
	  OPT(struct console_conf, queue_size) },
	{ NULL }
};

static const struct queue_row console_queues[] = {
	[CONSOLE_RXQ] = { "receive", 1024, .handle = rx_handle },
	[CONSOLE_TXQ] = { "transmit", 1024, .handle = tx_handle },
	[CONSOLE_CONTROL_RXQ] = { "control-receive", 1024, .handle = control_rx_handle },
	[CONSOLE_CONTROL_TXQ] = { "control-transmit", 1024, .handle = control_tx_handle },
	[CONSOLE_RX1Q] = { "receive-1", 1024, .handle = rx_handle },
	[CONSOLE_TX1Q] = { "transmit-1", 1024, .handle = tx_handle },
};

static const char *const console_counters[] = {
	[CONSOLE_TO_GUEST] = "bytes-to-guest", [CONSOLE_FROM_GUEST] = "bytes-from-guest",
	[CONSOLE_DROPPED] = "bytes-dropped", [CONSOLE_CLIENTS] = "clients",
	[CONSOLE_MESSAGES] = "control-messages", [CONSOLE_BAD] = "bad",
	[CONSOLE_EMERGENCY] = "emergency-bytes", NULL,
};

extern const struct device device_console;
const struct device device_console = {
	.name = "console",
	.summary = "Consoles and ports: terminal, sockets, files, programs",
	.virtio_id = 3,
	.flags = DEV_SOCKET_INDEX,
	.features = BIT(VIRTIO_CONSOLE_F_SIZE) | BIT(VIRTIO_CONSOLE_F_EMERG_WRITE),
	.queues = console_queues,
	.n_queues = ARRAY_SIZE(console_queues),
	.repeat = 2,
	.config_size = sizeof(struct virtio_console_config),
	.config_wr_off = offsetof(struct virtio_console_config, emerg_wr),
	.config_wr_len = sizeof(le32_t),
	.conf_size = sizeof(struct console_conf),
	.state_size = sizeof(struct console),
	.options = console_options,
	.counters = console_counters,
	.commands = console_commands,
	.check = console_check,
	.own_socket = console_own_socket,
	.queue_count = console_queue_count,
	.open = console_open,
	.close = console_close,
	.start = console_start,
	.stop = console_stop,
	.reset = console_reset,
	.config_written = console_config_written,
};
