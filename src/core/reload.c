/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * SIGHUP, or a client of a control socket: the configuration is read again. An
 * instance is known by its device and the path of its socket. One that is as it
 * was goes on, whatever its number is now; one that is not in the file any more,
 * or is another one, ends; when those are gone, with what they had of the host,
 * the new ones begin.
 *
 *   idle --asked, a sound file--> ending the old --all gone--> opening the new
 *   opening the new --all open, or failed--> idle
 *
 * A file with a mistake changes nothing. Who asks meanwhile is served after
 * that. What belongs to the process (threads, logging) stays as it was.
 */
#include <errno.h>
#include <string.h>

#include "core/process-priv.h"
#include "vhost-device/log.h"

static bool inherited(enum endpoint_kind kind)
{
	return kind == ENDPOINT_LISTEN_FD || kind == ENDPOINT_CONNECTED_FD;
}

/* Such a socket cannot be had twice: its number may be anything by now. */
static int refuse_inherited(const struct process *p, struct plan *plan, struct error *err)
{
	const struct member *m;
	bool any = false;
	size_t i;

	for (m = p->members; m != NULL; m = m->next)
		any = any || (m->state == MEMBER_LIVE && inherited(m->kind));
	for (i = 0; i < plan->n; i++) {
		if (!inherited(plan->items[i].endpoint.kind))
			continue;
		any = true;
		plan->items[i].endpoint.fd = -1;
	}
	return any ? error_set(err, -ENOTSUP, "inherited sockets cannot be used again: restart "
			       "the process") : 0;
}

static struct member *find(struct process *p, const struct plan_item *item)
{
	struct member *m;

	for (m = p->members; m != NULL; m = m->next) {
		if (m->state == MEMBER_LIVE && m->kind == item->endpoint.kind &&
		    m->place != NULL && strcmp(m->place, item->endpoint.path) == 0 &&
		    plan_item_same(&m->item, item))
			return m;
	}
	return NULL;
}

static void compare(struct process *p)
{
	struct member *m;
	size_t i;

	for (m = p->members; m != NULL; m = m->next)
		m->wanted = false;
	for (i = 0; i < p->plan.n; i++) {
		m = find(p, &p->plan.items[i]);
		if (m == NULL)
			continue;
		m->wanted = true;
		plan_item_finish(&p->plan.items[i]);
	}
	for (m = p->members; m != NULL; m = m->next) {
		if (m->state == MEMBER_LIVE && !m->wanted) {
			log_info(NULL, "%s: not in the configuration any more", m->item.name);
			member_retire(m);
		}
	}
}

static bool is_taken(const struct process *p, const char *name)
{
	const struct member *m;

	for (m = p->members; m != NULL; m = m->next) {
		if (m->state != MEMBER_FREE && strcmp(m->item.name, name) == 0)
			return true;
	}
	return false;
}

static void add(struct process *p, struct plan_item *item)
{
	struct member *m = NULL;
	unsigned number = 0;
	int ret = 1;

	/* Those that stay keep their numbers. */
	while (ret > 0 && is_taken(p, item->name))
		ret = plan_item_number(item, number++);
	log_info(NULL, "%s: new in the configuration", item->name);
	if (ret >= 0)
		m = member_new(p, item, process_place(p, item));
	if (m == NULL)
		log_error(NULL, "%s: cannot be opened: out of memory", item->name);
	else
		member_add(m);
}

static bool busy(const struct process *p)
{
	const struct member *m;

	for (m = p->members; m != NULL; m = m->next) {
		if (m->state == MEMBER_ENDING || m->state == MEMBER_OPENING)
			return true;
	}
	return false;
}

void reload_go_on(struct process *p)
{
	size_t i;

	if (!p->reloading || busy(p))
		return;
	for (i = 0; i < p->plan.n; i++) {
		if (p->plan.items[i].conf != NULL)
			add(p, &p->plan.items[i]);
	}
	plan_finish(&p->plan);
	if (busy(p))
		return;
	p->reloading = false;
	if (p->reload_again)
		reload_now(p);
}

static int read_plan(struct process *p, struct plan *plan, struct error *err)
{
	int ret = p->source->read(p->source, plan, err);

	/* In any case: none of them may be closed. */
	if (refuse_inherited(p, plan, ret == 0 ? err : NULL) < 0 && ret == 0)
		ret = -ENOTSUP;
	if (ret < 0)
		error_prefix(err, "the configuration is not taken over: ");
	return ret;
}

int reload_read(struct process *p, struct error *err)
{
	struct plan plan = { .n = 0 };
	int ret;

	if (p->stopping)
		return error_set(err, -ESHUTDOWN, "the process is about to end");
	if (p->source == NULL)
		return error_set(err, -ENOENT, "there is no file to read again: start with "
				 "--config");
	p->reload_again = p->reloading;
	if (p->reloading)
		return 0;
	ret = read_plan(p, &plan, err);
	if (ret < 0) {
		log_error(NULL, "%s", err->text);
		plan_finish(&plan);
		return ret;
	}
	p->plan = plan;
	p->reloading = true;
	return 1;
}

void reload_start(struct process *p)
{
	log_info(NULL, "reading the configuration again");
	compare(p);
	reload_go_on(p);
}

void reload_now(struct process *p)
{
	struct error err = ERROR_NONE;

	if (reload_read(p, &err) > 0)
		reload_start(p);
}
