/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * One instance of the process. The main thread asks by posts, the loop of the
 * instance does it, and posts back when it is gone:
 *
 *   free --member_new(), opened at the start--> live
 *   free --member_new(), member_add()--> opening --open--> live
 *   live, opening --leave, retire, session of --once over--> ending
 *   ending, opening --ended or not opened, on its loop; over post--> free
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/process-priv.h"
#include "vhost-device/log.h"

/* ---- on its loop ---- */

static void on_gone(struct post *post)
{
	struct member *m = container_of(post, struct member, gone);

	control_free(take_ptr(m->control));
	instance_free(take_ptr(m->in));
	loop_post(m->process->runners[0].loop, &m->over);
}

/* Called from inside the instance, which may go only in a later turn. */
static void has_ended(struct instance *in, void *ctx)
{
	struct member *m = ctx;

	loop_post(m->runner->loop, &m->gone);
}

static void on_leave(struct post *post)
{
	struct member *m = container_of(post, struct member, leave);

	m->leaving = true;
	if (m->in != NULL)
		instance_leave(m->in, has_ended, m);
}

static void on_retire(struct post *post)
{
	struct member *m = container_of(post, struct member, retire);

	if (m->leaving || m->in == NULL)
		return;
	m->leaving = true;
	instance_retire(m->in, has_ended, m);
}

static void has_finished(struct instance *in, void *ctx)
{
	struct member *m = ctx;

	loop_post(m->process->runners[0].loop, &m->finished);
}

static void ask_reload(void *ctx)
{
	struct member *m = ctx;

	loop_post(m->process->runners[0].loop, &m->reload);
}

static void on_reloaded(struct post *post)
{
	struct member *m = container_of(post, struct member, reloaded);

	if (m->control != NULL)
		control_reloaded(m->control, &m->reload_err);
}

static void on_listen(struct post *post)
{
	struct member *m = container_of(post, struct member, listen);

	if (!m->leaving && m->in != NULL)
		instance_listen(m->in);
}

int member_open(struct member *m, struct error *err)
{
	const struct control_host host = { ask_reload, m };
	struct plan_item *item = &m->item;
	struct stat st;

	m->in = instance_new(m->runner->loop, &item->setup, &item->endpoint, err);
	if (m->in == NULL)
		return err->code < 0 ? err->code : -EIO;
	item->endpoint = (struct endpoint){ .fd = -1 };
	if (m->kind == ENDPOINT_PATH && m->place != NULL && lstat(m->place, &st) == 0) {
		m->dev = st.st_dev;
		m->ino = st.st_ino;
		snprintf(m->path, sizeof(m->path), "%s", m->place);
	}
	instance_on_finished(m->in, has_finished, m);
	if (item->control != NULL)
		m->control = control_new(m->runner->loop, m->in, item->setup.device,
					 item->control, &host, err);
	return item->control != NULL && m->control == NULL ? err->code : 0;
}

/* Later than the others: a failure is its own. */
static void on_open(struct post *post)
{
	struct member *m = container_of(post, struct member, open);
	struct error err = ERROR_NONE;

	if (!m->leaving && member_open(m, &err) == 0) {
		instance_listen(m->in);
		loop_post(m->process->runners[0].loop, &m->opened);
		return;
	}
	if (!m->leaving)
		log_error(NULL, "%s: cannot be opened: %s", m->item.name, err.text);
	m->failed = !m->leaving;
	m->leaving = true;
	control_free(take_ptr(m->control));
	instance_free(take_ptr(m->in));
	loop_post(m->process->runners[0].loop, &m->over);
}

/* ---- on the main thread ---- */

static void on_opened(struct post *post)
{
	struct member *m = container_of(post, struct member, opened);

	if (m->state == MEMBER_OPENING)
		m->state = MEMBER_LIVE;
	reload_go_on(m->process);
}

/* A client of its control socket wants the configuration to be read again. */
static void on_reload(struct post *post)
{
	struct member *m = container_of(post, struct member, reload);

	int ret;

	/* What is about to go answers nobody. */
	if (m->state != MEMBER_LIVE)
		return;
	m->reload_err = ERROR_NONE;
	ret = reload_read(m->process, &m->reload_err);
	/* Before anybody is told to go: it is done before that. */
	loop_post(m->runner->loop, &m->reloaded);
	if (ret > 0)
		reload_start(m->process);
}

static void on_finished(struct post *post)
{
	member_leave(container_of(post, struct member, finished));
}

static void on_over(struct post *post)
{
	struct member *m = container_of(post, struct member, over);
	struct process *p = m->process;
	bool failed = m->failed;

	member_free(m);
	reload_go_on(p);
	/* A better configuration may come. */
	if (!failed || p->stopping)
		process_maybe_over(p);
}

static struct member *unused(struct process *p)
{
	struct member *m = p->members;

	while (m != NULL && m->state != MEMBER_FREE)
		m = m->next;
	if (m != NULL)
		return m;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	*m = (struct member){ .process = p, .open.fn = on_open, .listen.fn = on_listen,
		.leave.fn = on_leave, .retire.fn = on_retire, .gone.fn = on_gone,
		.opened.fn = on_opened, .finished.fn = on_finished, .over.fn = on_over,
		.reload.fn = on_reload, .reloaded.fn = on_reloaded };
	/* Whole before a signal can see it. */
	atomic_signal_fence(memory_order_release);
	*p->members_end = m;
	p->members_end = &m->next;
	return m;
}

struct member *member_new(struct process *p, struct plan_item *item, struct runner *runner)
{
	struct member *m = unused(p);

	if (m == NULL)
		return NULL;
	if (item->endpoint.path != NULL) {
		m->place = strdup(item->endpoint.path);
		if (m->place == NULL)
			return NULL;
	}
	m->kind = item->endpoint.kind;
	m->state = MEMBER_LIVE;
	m->runner = runner;
	m->leaving = m->failed = false;
	m->wanted = true;
	m->item = *item;
	m->item.setup.name = m->item.name;
	*item = (struct plan_item){ .endpoint = { .fd = -1 } };
	p->alive++;
	return m;
}

void member_free(struct member *m)
{
	if (m->state == MEMBER_FREE)
		return;
	m->path[0] = '\0';
	free(take_ptr(m->place));
	plan_item_finish(&m->item);
	m->state = MEMBER_FREE;
	m->process->alive--;
}

void member_add(struct member *m)
{
	m->state = MEMBER_OPENING;
	loop_post(m->runner->loop, &m->open);
}

void member_leave(struct member *m)
{
	if (m->state == MEMBER_FREE)
		return;
	m->state = MEMBER_ENDING;
	loop_post(m->runner->loop, &m->leave);
}

void member_retire(struct member *m)
{
	m->state = MEMBER_ENDING;
	loop_post(m->runner->loop, &m->retire);
}
