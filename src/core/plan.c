/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* From options to instances. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"
#include "vhost-device/fd.h"

enum { DRAIN_MS = 900 };

/* One row of instances: a command line, or a section. */
struct row_of {
	const struct device *device;
	const char *name;               /* section's, or NULL: the device's */
	struct opt_tables tables;
	struct opt_layers layers;
	struct socket_conf socket;      /* of the first one, to count by */
	unsigned count;
	bool numbered;                  /* index behind names and paths */
};

struct opt_tables plan_tables(const struct device *device)
{
	return (struct opt_tables){ {
		device != NULL ? device->options : NULL,
		device != NULL ? socket_rows : NULL,
		process_rows,
	} };
}

/* ---- how many ---- */

/* A device's own row of that name hides the common one; its target is a uint32_t of the conf. */
static const struct option *own_count_row(const struct device *device)
{
	return opt_find(device->options, "socket-count", strlen("socket-count"));
}

static const struct option *count_row(const struct device *device)
{
	const struct option *own = own_count_row(device);

	return own != NULL ? own : common_row("socket-count");
}

static int read_own_count(struct row_of *row, struct error *err)
{
	const struct option *own = own_count_row(row->device);
	FREE_PTR char *conf = NULL;
	int ret;

	if (own == NULL)
		return 0;
	conf = calloc(1, row->device->conf_size + 1);
	if (conf == NULL)
		return error_memory(err);
	ret = opt_build(row->device->options, conf, &row->layers, 0, err);
	memcpy(&row->socket.count, conf + own->offset, sizeof(row->socket.count));
	opt_finish(row->device->options, conf);
	return ret;
}

static int bad_count(const struct row_of *row, unsigned n, const char *what, struct error *err)
{
	return error_set(err, -ERANGE, "Invalid socket count: %u is given as --socket-count, but "
			 "%u by %s", row->socket.count, n, what);
}

static bool has_endpoint(const struct row_of *row)
{
	const struct socket_conf *s = &row->socket;

	return s->path != NULL || s->client != NULL || s->fds.n > 0 || s->connected_fds.n > 0;
}

static int count_instances(struct plan *plan, struct row_of *row, struct error *err)
{
	size_t fds = row->socket.fds.n + row->socket.connected_fds.n;
	bool given = opt_given(&row->layers, count_row(row->device));
	const char *what = "the option with one item for each guest";
	unsigned n;
	int ret;

	ret = opt_each_count(&row->tables, &row->layers, &n, err);
	if (ret < 0)
		return ret;
	if (n == 0 && fds > 0) {
		n = (unsigned)fds;
		what = "inherited sockets";
	} else if (n > 0 && fds > 0 && n != fds) {
		return error_set(err, -ERANGE, "%zu sockets are inherited for %u guests", fds, n);
	} else if (n == 0 && !given && !has_endpoint(row) && row->name == NULL) {
		n = plan->inherited.left;
	}
	if (n > 0 && given && n != row->socket.count)
		return bad_count(row, n, what, err);
	row->count = n > 0 ? n : row->socket.count;
	return 0;
}

/* ---- where ---- */

static int make_path(const char *path, unsigned index, bool numbered, char **ret_path,
		     struct error *err)
{
	const char *last = strrchr(path, '/');

	last = last != NULL ? last + 1 : path;
	if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return error_set(err, -EISDIR, "socket path %s has no final name: give the path "
				 "of a socket", path);
	if (asprintf(ret_path, numbered ? "%s%u" : "%s", path, index) >= 0)
		return 0;
	*ret_path = NULL;
	return error_memory(err);
}

/* Has this socket of the service manager that name? */
static bool is_called(const struct plan *plan, unsigned index, const char *name)
{
	const char *p = plan->inherited.names;
	size_t n;

	if (p == NULL || name == NULL)
		return false;
	for (; index > 0; index--)
		p += strcspn(p, ":") + 1;
	n = strcspn(p, ":");
	return strlen(name) == n && memcmp(p, name, n) == 0;
}

/* The first one with the name of the row, else the first with the name of none. */
static unsigned find_inherited(const struct plan *plan, const struct row_of *row)
{
	unsigned i, other = plan->inherited.n;

	for (i = 0; i < plan->inherited.n; i++) {
		if (plan->inherited.fds[i] < 0)
			continue;
		if (is_called(plan, i, row->name))
			return i;
		if (other == plan->inherited.n && !plan->inherited.reserved[i])
			other = i;
	}
	return other;
}

static int take_inherited(struct plan *plan, const struct row_of *row, struct plan_item *item,
			  struct error *err)
{
	unsigned i = find_inherited(plan, row);
	int ret;

	if (i == plan->inherited.n)
		return error_set(err, -ENOTSOCK, "no inherited socket is left: give "
				 "--socket-path <PATH>");
	ret = endpoint_from_fd(plan->inherited.fds[i], &item->endpoint, err);
	if (ret == 0) {
		plan->inherited.fds[i] = -1;
		plan->inherited.left--;
	}
	return ret;
}

static int take_fd_option(const struct plan *plan, struct plan_item *item, unsigned index,
			  struct error *err)
{
	bool connected = item->socket.connected_fds.n > 0;
	const struct opt_list *list = connected ? &item->socket.connected_fds
		: &item->socket.fds;
	int fd = (int)((const uint32_t *)list->items)[index];
	size_t i;
	int ret;

	for (i = 0; i + 1 < plan->n; i++) {
		if (plan->items[i].endpoint.fd == fd)
			return error_set(err, -EINVAL, "inherited socket %d is given twice", fd);
	}
	ret = endpoint_from_fd(fd, &item->endpoint, err);
	if (ret == 0 && connected && item->endpoint.kind != ENDPOINT_CONNECTED_FD)
		ret = error_set(err, -ENOTCONN, "--fd %d is not connected: give a socket that "
				"listens to --socket-fd", fd);
	return ret;
}

/* Of an option of the device, which may also limit the rings. */
static const char *own_socket(const struct device *device, struct plan_item *item)
{
	struct own_socket own = { NULL, 0 };

	device->own_socket(item->conf, &own);
	if (own.queue_size != 0)
		item->setup.queue_size = own.queue_size;
	return own.path;
}

static int make_endpoint(struct plan *plan, const struct row_of *row, struct plan_item *item,
			 unsigned index, struct error *err)
{
	const struct socket_conf *s = &item->socket;
	struct endpoint *ep = &item->endpoint;
	const char *own = NULL;

	if (row->device->own_socket != NULL)
		own = own_socket(row->device, item);
	if (s->fds.n > 0 || s->connected_fds.n > 0)
		return take_fd_option(plan, item, index, err);
	if (s->path == NULL && s->client == NULL && own == NULL)
		return take_inherited(plan, row, item, err);
	ep->kind = s->client != NULL ? ENDPOINT_CLIENT : ENDPOINT_PATH;
	ep->mode = s->mode.set ? s->mode.value : -1;
	ep->group = s->group.set ? s->group.value : -1;
	if (own != NULL)
		return make_path(own, index, false, &ep->path, err);
	if (s->client != NULL)
		return make_path(s->client, index, row->count > 1, &ep->path, err);
	return make_path(s->path, index, row->numbered, &ep->path, err);
}

/* ---- instances ---- */

static void name_item(struct plan_item *item, unsigned number)
{
	snprintf(item->name, sizeof(item->name), item->setup.count > 1 ? "%s%u" : "%s",
		 item->base, number);
}

int plan_item_number(struct plan_item *item, unsigned number)
{
	char *control = NULL;

	if (item->setup.count <= 1)
		return 0;
	if (item->control != NULL && asprintf(&control, "%s%u", item->socket.control, number) < 0)
		return -ENOMEM;
	name_item(item, number);
	free(item->control);
	item->control = control;
	return 1;
}

bool plan_item_same(const struct plan_item *a, const struct plan_item *b)
{
	const struct option *rows = a->setup.device->options;

	return a->setup.device == b->setup.device && opt_same(rows, a->conf, b->conf) &&
		opt_same(socket_rows, &a->socket, &b->socket);
}

static int fill_item(struct plan *plan, const struct row_of *row, struct plan_item *item,
		     unsigned index, struct error *err)
{
	const struct device *device = row->device;
	const struct socket_conf *s = &item->socket;
	int ret;

	item->conf = calloc(1, device->conf_size + 1);
	if (item->conf == NULL)
		return error_memory(err);
	item->setup = (struct instance_setup){
		.device = device, .conf = item->conf, .index = index, .count = row->count,
		.drain_ms = DRAIN_MS,
	};
	snprintf(item->base, sizeof(item->base), "%s",
		 row->name != NULL ? row->name : device->name);
	name_item(item, index);
	ret = opt_build(device->options, item->conf, &row->layers, index, err);
	if (ret == 0)
		ret = opt_build(socket_rows, &item->socket, &row->layers, index, err);
	if (ret < 0)
		return ret;
	if ((s->queue_size & (s->queue_size - 1)) != 0)
		return error_set(err, -ERANGE, "--queue-size %u is not a power of two",
				 s->queue_size);
	item->setup.queue_size = s->queue_size;
	item->setup.no_packed = s->no_packed;
	item->setup.no_inband = !s->inband;
	item->setup.once = s->once || ((device->flags & DEV_ONCE) != 0 && !s->persistent);
	if (device->check != NULL)
		ret = device->check(item->conf, err);
	if (ret == 0)
		ret = make_endpoint(plan, row, item, index, err);
	if (ret == 0 && s->control != NULL)
		ret = make_path(s->control, index, row->count > 1, &item->control, err);
	/* Every word was fine by itself: no usage error any more. */
	return ret == -EINVAL ? -ENOTSUP : ret;
}

static struct plan_item *new_item(struct plan *plan)
{
	struct plan_item *items = reallocarray(plan->items, plan->n + 1, sizeof(*items));

	if (items == NULL)
		return NULL;
	plan->items = items;
	items[plan->n] = (struct plan_item){ .endpoint = { .fd = -1, .mode = -1, .group = -1 } };
	return &items[plan->n++];
}

static int add_items(struct plan *plan, struct row_of *row, struct error *err)
{
	struct plan_item *item;
	unsigned i;
	int ret;

	ret = opt_build(socket_rows, &row->socket, &row->layers, 0, err);
	if (ret == 0)
		ret = read_own_count(row, err);
	if (ret == 0)
		ret = count_instances(plan, row, err);
	if (plan->inherited.left > 0)
		row->tables.rows[1] = NULL;
	if (ret == 0 && opt_missing(&row->tables, &row->layers, err) < 0)
		ret = row->name != NULL ? -EBADMSG : -EINVAL;
	row->numbered = row->count > 1 ||
		(row->name == NULL && (row->device->flags & DEV_SOCKET_INDEX) != 0);
	for (i = 0; ret == 0 && i < row->count; i++) {
		item = new_item(plan);
		ret = item != NULL ? fill_item(plan, row, item, i, err) : error_memory(err);
	}
	opt_finish(socket_rows, &row->socket);
	return ret;
}

static int add_section(struct plan *plan, const struct conf_file *file,
		       const struct conf_section *s, const struct opt_values *args,
		       struct error *err)
{
	struct row_of row = {
		.device = s->device, .name = s->name, .tables = plan_tables(s->device),
		.layers = { { conf_defaults(file, NULL), conf_defaults(file, s->device),
			      &s->values, args } },
	};
	size_t len = strlen(file->path);
	int ret = add_items(plan, &row, err);
	bool has_place = strncmp(err->text, file->path, len) == 0 && err->text[len] == ':';

	if (ret < 0 && ret != -EINVAL && !has_place)
		error_prefix(err, "%s:%u: [%s \"%s\"]: ", file->path, s->line, s->device->name,
			     s->name);
	return ret;
}

static int add_sections(struct plan *plan, const struct device *device,
			const struct conf_file *file, const struct opt_values *args,
			struct error *err)
{
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < file->n; i++) {
		if (file->sections[i].name != NULL &&
		    (device == NULL || file->sections[i].device == device))
			ret = add_section(plan, file, &file->sections[i], args, err);
	}
	if (ret == 0 && device == NULL && plan->n == 0)
		ret = error_set(err, -ENOENT, "%s: no instance in it: add a section like "
				"[rng \"NAME\"]", file->path);
	return ret;
}

static int look_for_inherited(struct plan *plan, const struct conf_file *file, struct error *err)
{
	unsigned i;
	size_t k;
	int ret = listen_fds(&plan->inherited.fds, &plan->inherited.n, &plan->inherited.names,
			     err);

	if (ret < 0)
		return ret;
	plan->inherited.left = plan->inherited.n;
	plan->inherited.reserved = calloc(plan->inherited.n + 1U, sizeof(bool));
	if (plan->inherited.reserved == NULL)
		return error_memory(err);
	for (i = 0; i < plan->inherited.n; i++) {
		for (k = 0; k < file->n && !plan->inherited.reserved[i]; k++)
			plan->inherited.reserved[i] = is_called(plan, i, file->sections[k].name);
	}
	return 0;
}

int plan_make(struct plan *plan, const struct device *device, const struct conf_file *file,
	      const struct opt_values *args, struct error *err)
{
	struct row_of row = {
		.device = device, .tables = plan_tables(device),
		.layers = { { conf_defaults(file, NULL),
			      device != NULL ? conf_defaults(file, device) : NULL, NULL, args } },
	};
	int ret;

	ret = look_for_inherited(plan, file, err);
	if (ret == 0)
		ret = opt_build(process_rows, &plan->process, &row.layers, 0, err);
	if (ret == 0)
		ret = add_sections(plan, device, file, args, err);
	if (ret == 0 && plan->n == 0)
		ret = add_items(plan, &row, err);
	plan->level_given = opt_given(&row.layers, common_row("log-level"));
	return ret;
}

void plan_item_finish(struct plan_item *item)
{
	opt_finish(item->setup.device != NULL ? item->setup.device->options : NULL, item->conf);
	opt_finish(socket_rows, &item->socket);
	endpoint_finish(&item->endpoint);
	free(item->conf);
	free(item->control);
	*item = (struct plan_item){ .endpoint = { .fd = -1 } };
}

void plan_finish(struct plan *plan)
{
	size_t i;

	for (i = 0; i < plan->n; i++)
		plan_item_finish(&plan->items[i]);
	free(plan->items);
	for (i = 0; i < plan->inherited.n; i++)
		fd_close(&plan->inherited.fds[i]);
	free(plan->inherited.fds);
	free(plan->inherited.names);
	free(plan->inherited.reserved);
	*plan = (struct plan){ .n = 0 };
}
