/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* `probe`: what is behind a socket, and drivers of devices in user space. */
#include <errno.h>
#include <string.h>

#include "describe.h"
#include "driver.h"
#include "hostile.h"
#include "tools.h"

enum { FITS = 6 };

struct probe_conf {
	struct tool_conf tool;
	struct opt_list words;
	char *id, *only;
	bool packed, hostile;
};

static char *word(const struct probe_conf *c, size_t i)
{
	return ((char **)c->words.items)[i];
}

static int describe(const struct probe_conf *c, const char *path, struct error *err)
{
	const struct known *fits[FITS], *k = NULL;
	struct facts facts;
	struct out o;
	unsigned n;
	int ret;

	if (c->id != NULL) {
		k = known_find(c->id);
		if (k == NULL)
			return error_set(err, -EINVAL, "--id %.60s: this device is not known here",
					 c->id);
	}
	ret = facts_of(path, c->tool.timeout * 1000, c->tool.wait, k, &facts, err);
	if (ret < 0)
		return ret;
	n = k == NULL ? facts_guess(&facts, fits, FITS) : 0;
	out_begin(&o, stdout, c->tool.json);
	facts_print(&o, path, &facts, n > 0 ? fits[0] : k, k != NULL, fits + 1, n > 0 ? n - 1 : 0);
	out_end(&o);
	return 0;
}

/* DEVICE SOCKET ACTION [WORD]... */
static int drive(const struct probe_conf *c, struct error *err)
{
	const struct driver *d = driver_find(word(c, 0));
	const struct action *a;
	unsigned n = (unsigned)c->words.n - 3;
	struct vdev_setup setup;
	struct vdev *v;
	struct out o;
	int ret;

	if (d == NULL || d->actions == NULL)
		return error_set(err, -EINVAL, "no driver for '%.60s' here", word(c, 0));
	a = driver_action(d, word(c, 2));
	if (a == NULL)
		return error_set(err, -EINVAL, "the driver of %s knows no action '%.60s'", d->name,
				 word(c, 2));
	if (n < a->least || n > a->most)
		return error_set(err, -EINVAL, "use: %s SOCKET %s %s", d->name, a->name, a->args);
	setup = (struct vdev_setup){ .path = word(c, 1), .timeout_ms = c->tool.timeout * 1000,
		.wait = c->tool.wait, .queues = d->queues, .queue_size = d->queue_size,
		.features = d->features, .packed = c->packed, .lax = c->tool.lax,
		.memory = d->memory };
	ret = vdev_open(&setup, &v, err);
	if (ret < 0)
		return ret == -EINVAL ? -EIO : ret;
	out_begin(&o, stdout, c->tool.json);
	ret = a->run(v, &o, &((char **)c->words.items)[3], n, err);
	if (ret == 0)
		out_end(&o);
	else if (ret != -EINVAL)
		error_prefix(err, "%s: ", setup.path);
	vdev_free(v);
	return ret;
}

static int attack(const struct probe_conf *c, struct error *err)
{
	struct out o;
	int ret;

	if (c->words.n != 1)
		return error_set(err, -EINVAL, "--hostile needs a socket and nothing else");
	out_begin(&o, stdout, c->tool.json);
	ret = hostile_run(&o, word(c, 0), c->tool.timeout * 1000, c->only, err);
	if (ret == 0 || ret == -EIO)
		out_end(&o);
	return ret;
}

static int run(const void *conf, struct error *err)
{
	const struct probe_conf *c = conf;

	if (c->hostile)
		return attack(c, err);
	if (c->words.n == 1)
		return describe(c, word(c, 0), err);
	if (c->words.n == 2)
		return error_set(err, -EINVAL, "give a socket alone, or a device, a socket and an "
				 "action");
	return drive(c, err);
}

static const struct doc_command *action(unsigned i, struct doc_command *buf)
{
	static char name[40];
	const struct driver *d;
	const struct action *a;
	unsigned k;

	for (k = 0; (d = driver_at(k)) != NULL; k++) {
		for (a = d->actions; a != NULL && a->name != NULL; a++) {
			if (i-- != 0)
				continue;
			snprintf(name, sizeof(name), "%s SOCKET %s", d->name, a->name);
			*buf = (struct doc_command){ name, a->args, a->help };
			return buf;
		}
	}
	return NULL;
}

static const struct option rows[] = {
	{ "words", "WORD", "A socket alone: say what device is there. A device, a socket and an "
	  "action: be its driver.", NULL, OPT_STRING, OPT_POSITIONAL | OPT_REQUIRED | OPT_LIST,
	  OPT_ITEMS(struct probe_conf, words, char *) },
	{ "id", "DEVICE", "The device, a name or a virtio id, instead of a guess.", NULL,
	  OPT_STRING, OPT(struct probe_conf, id) },
	{ "hostile", NULL, "Send what a bad front end or guest might, with a verdict for "
	  "each case.", NULL, OPT_FLAG,
	  OPT(struct probe_conf, hostile) },
	{ "only", "TEXT", "With --hostile: only cases with this in their name.", NULL, OPT_STRING,
	  OPT(struct probe_conf, only) },
	{ "packed", NULL, "Use packed rings.", NULL, OPT_FLAG, OPT(struct probe_conf, packed) },
	{ NULL }
};

const struct tool probe_tool = {
	.doc = { .program = "vhost-device-probe", .word = "probe",
		.summary = "Look at any vhost-user device from the driver's side",
		.tables = { { rows, tool_rows, NULL } } },
	.conf_size = sizeof(struct probe_conf),
	.run = run,
	.action = action,
};
