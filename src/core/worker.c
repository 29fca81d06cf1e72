/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Threads for blocking host calls, found by key, fair between instances.
 *
 *   job   idle --submit--> queued --thread takes it--> running --run() returned--> ended
 *         queued --cancel--> idle                      ended --post on its loop--> idle, done()
 *
 * Queued jobs form lanes, one an instance. The first job of a lane stands for
 * it in the worker's list of lanes; taking it puts the rest of its lane to the
 * end of that list. So no memory is needed beyond the jobs themselves. One
 * lock for all workers covers these pointers and no call.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop-core.h"
#include "vhost-device/worker.h"

enum job_state { JOB_IDLE, JOB_QUEUED, JOB_RUNNING, JOB_ENDED };

struct job_core {
	struct job *next;               /* in its lane */
	struct job *last;               /* of its lane; valid in the first */
	struct job *next_lane;          /* valid in the first */
	struct worker *worker;
	struct instance *in;
	struct loop *loop;
	struct post post;
	enum job_state state;
};

_Static_assert(sizeof(struct job_core) <= sizeof(((struct job *)0)->core), "struct job");

struct worker {
	struct worker *next;
	char *key;
	unsigned refs, n_threads;
	bool closing;
	const struct instance *held;    /* only its lane is served; NULL: all */
	struct job *lanes, **lanes_last;
	pthread_cond_t work;
	pthread_t threads[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct worker *workers;

static struct job_core *job_core(struct job *j)
{
	return (struct job_core *)j->core;
}

static struct job *job_of_post(struct post *p)
{
	struct job_core *c = container_of(p, struct job_core, post);

	return container_of((void **)c, struct job, core[0]);
}

/* Lanes; all under the lock. */

static void lane_append(struct worker *w, struct job *first)
{
	job_core(first)->next_lane = NULL;
	*w->lanes_last = first;
	w->lanes_last = &job_core(first)->next_lane;
}

static void lane_unlink(struct worker *w, struct job **at)
{
	struct job *first = *at;

	*at = job_core(first)->next_lane;
	if (w->lanes_last == &job_core(first)->next_lane)
		w->lanes_last = at;
}

static struct job **lane_find(struct worker *w, const struct instance *in)
{
	struct job **at = &w->lanes;

	while (*at != NULL && job_core(*at)->in != in)
		at = &job_core(*at)->next_lane;
	return at;
}

static void queue_job(struct worker *w, struct job *j)
{
	struct job *first = *lane_find(w, job_core(j)->in);

	job_core(j)->next = NULL;
	if (first == NULL) {
		job_core(j)->last = j;
		lane_append(w, j);
		return;
	}
	job_core(job_core(first)->last)->next = j;
	job_core(first)->last = j;
}

/* NULL: nothing that may run. */
static struct job *take_job(struct worker *w)
{
	struct job **at = w->held != NULL ? lane_find(w, w->held) : &w->lanes;
	struct job *j = *at, *next;

	if (j == NULL)
		return NULL;
	next = job_core(j)->next;
	lane_unlink(w, at);
	if (next != NULL) {
		job_core(next)->last = job_core(j)->last;
		lane_append(w, next);
	}
	return j;
}

/* Out of the middle of its lane; a new first one keeps the lane's place. */
static void unqueue_job(struct worker *w, struct job *j)
{
	struct job **lane = lane_find(w, job_core(j)->in), *first = *lane, *prev = first;
	struct job *next = job_core(j)->next;

	if (first != j) {
		while (job_core(prev)->next != j)
			prev = job_core(prev)->next;
		job_core(prev)->next = next;
		if (job_core(first)->last == j)
			job_core(first)->last = prev;
		return;
	}
	if (next == NULL) {
		lane_unlink(w, lane);
		return;
	}
	job_core(next)->last = job_core(j)->last;
	job_core(next)->next_lane = job_core(j)->next_lane;
	if (w->lanes_last == &job_core(j)->next_lane)
		w->lanes_last = &job_core(next)->next_lane;
	*lane = next;
}

/* Jobs. */

static void job_ended(struct post *p)
{
	struct job *j = job_of_post(p);

	/* Nobody else looks at it now; done() may submit it again or free it. */
	job_core(j)->state = JOB_IDLE;
	j->done(j);
}

void worker_submit(struct worker *w, struct instance *in, struct job *j)
{
	struct job_core *c = job_core(j);

	bug_if(c->state != JOB_IDLE || loop_self() == NULL);
	c->worker = w;
	c->in = in;
	c->loop = loop_ref(loop_self());
	c->post.fn = job_ended;
	pthread_mutex_lock(&lock);
	c->state = JOB_QUEUED;
	queue_job(w, j);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&lock);
}

bool job_cancel(struct job *j)
{
	struct job_core *c = job_core(j);
	bool idle;

	pthread_mutex_lock(&lock);
	if (c->state == JOB_QUEUED) {
		unqueue_job(c->worker, j);
		c->state = JOB_IDLE;
		loop_free(c->loop);
	}
	idle = c->state == JOB_IDLE;
	pthread_mutex_unlock(&lock);
	return idle;
}

void worker_hold(struct worker *w, const struct instance *in)
{
	pthread_mutex_lock(&lock);
	w->held = in;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&lock);
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	struct loop *loop;
	struct job *j;

	pthread_mutex_lock(&lock);
	for (;;) {
		while ((j = take_job(w)) == NULL && !w->closing)
			pthread_cond_wait(&w->work, &lock);
		if (j == NULL)
			break;
		job_core(j)->state = JOB_RUNNING;
		pthread_mutex_unlock(&lock);
		j->run(j);
		pthread_mutex_lock(&lock);
		job_core(j)->state = JOB_ENDED;
		pthread_mutex_unlock(&lock);
		loop = job_core(j)->loop;
		/* Its owner may free the job, and the loop, from here on. */
		loop_post(loop, &job_core(j)->post);
		loop_free(loop);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Workers. */

static void worker_free(struct worker *w)
{
	unsigned i;

	for (i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	pthread_cond_destroy(&w->work);
	free(w->key);
	free(w);
}

/* Signals are for the main thread, but for the one of the memory guard. */
static int worker_start(struct worker *w, unsigned threads)
{
	sigset_t all, old;
	int ret = 0;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (ret == 0 && w->n_threads < threads) {
		ret = pthread_create(&w->threads[w->n_threads], NULL, worker_thread, w);
		if (ret == 0)
			w->n_threads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	/* Fewer than asked for are slower, none is a failure. */
	return w->n_threads > 0 ? 0 : -ret;
}

static struct worker *worker_new(const char *key, unsigned threads, struct error *err)
{
	struct worker *w = calloc(1, sizeof(*w) + threads * sizeof(w->threads[0]));
	int ret = -ENOMEM;

	if (w != NULL)
		w->key = strdup(key);
	if (w == NULL || w->key == NULL)
		goto fail;
	w->lanes_last = &w->lanes;
	w->refs = 1;
	pthread_cond_init(&w->work, NULL);
	ret = worker_start(w, threads);
	if (ret == 0)
		return w;
	pthread_cond_destroy(&w->work);
fail:
	error_set(err, ret, "worker %s: cannot start a thread: %s", key, strerror(-ret));
	if (w != NULL)
		free(w->key);
	free(w);
	return NULL;
}

struct worker *worker_get(const char *key, unsigned threads, struct error *err)
{
	struct worker *w;

	bug_if(threads == 0);
	pthread_mutex_lock(&lock);
	for (w = workers; w != NULL && strcmp(w->key, key) != 0; w = w->next)
		;
	if (w != NULL) {
		w->refs++;
	} else {
		w = worker_new(key, threads, err);
		if (w != NULL) {
			w->next = workers;
			workers = w;
		}
	}
	pthread_mutex_unlock(&lock);
	return w;
}

void worker_put(struct worker *w)
{
	struct worker **at = &workers;
	bool last;

	if (w == NULL)
		return;
	pthread_mutex_lock(&lock);
	last = --w->refs == 0;
	if (last) {
		bug_if(w->lanes != NULL);
		while (*at != w)
			at = &(*at)->next;
		*at = w->next;
		w->closing = true;
		pthread_cond_broadcast(&w->work);
	}
	pthread_mutex_unlock(&lock);
	if (last)
		worker_free(w);
}
