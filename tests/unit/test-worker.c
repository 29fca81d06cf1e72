/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Workers: fairness between instances, cancelling under a storm, who runs what where. */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop-core.h"
#include "vhost-device/worker.h"

static struct loop *loop;
static struct worker *worker;

/* Submitting is for callbacks of the loop: a list of jobs, submitted at the start of a turn. */

struct task {
	struct job job;
	struct task *submit_next;
	struct instance *in;
	char name;
	sem_t *started, *gate;          /* run() posts the one and waits for the other */
	unsigned ran, done;             /* ran: written by the worker, read after done() */
	pthread_t ran_on;
};

static struct task *to_submit;
static char ran_order[256];
static unsigned n_ran, n_done;          /* n_ran: only the single thread of the worker */

static void setup(void)
{
	struct error err = ERROR_NONE;

	memset(ran_order, 0, sizeof(ran_order));
	n_ran = n_done = 0;
	loop = loop_new(&err);
	ck_assert_msg(loop != NULL, "%s", err.text);
	worker = worker_get("test", 1, &err);
	ck_assert_msg(worker != NULL, "%s", err.text);
}

static void teardown(void)
{
	worker_put(worker);
	loop_free(loop);
}

static void submit_all(struct turn_end *t)
{
	struct task *task;

	while ((task = to_submit) != NULL) {
		to_submit = task->submit_next;
		worker_submit(worker, task->in, &task->job);
	}
}

static void submit(struct task *tasks, unsigned n)
{
	struct turn_end at_start = { .fn = submit_all };
	unsigned i;

	to_submit = NULL;
	for (i = n; i-- > 0;) {
		tasks[i].submit_next = to_submit;
		to_submit = &tasks[i];
	}
	loop_next_turn(loop, &at_start);
	loop_turn(loop, true);
}

static void task_run(struct job *j)
{
	struct task *t = container_of(j, struct task, job);

	if (t->started != NULL)
		sem_post(t->started);
	if (t->gate != NULL)
		sem_wait(t->gate);
	ran_order[n_ran++] = t->name;
	t->ran++;
	t->ran_on = pthread_self();
}

static void task_done(struct job *j)
{
	struct task *t = container_of(j, struct task, job);

	ck_assert_ptr_eq(loop_self(), loop);
	ck_assert(!pthread_equal(t->ran_on, pthread_self()));
	t->done++;
	n_done++;
}

static void task_init(struct task *t, uintptr_t instance, char name)
{
	*t = (struct task){ .job = { .run = task_run, .done = task_done },
		.in = (struct instance *)instance, .name = name };
}

static void wait_done(unsigned n)
{
	while (n_done < n)
		loop_turn(loop, true);
	ck_assert_uint_eq(n_done, n);
}

START_TEST(instances_take_turns)
{
	static const char names[] = "gAAAAABBC";
	struct task t[9];
	sem_t gate;
	unsigned i;

	sem_init(&gate, 0, 0);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		task_init(&t[i], (uintptr_t)names[i], names[i]);
	/* While the gate holds the thread, all others queue up. */
	t[0].gate = &gate;
	submit(t, ARRAY_SIZE(t));
	sem_post(&gate);
	wait_done(ARRAY_SIZE(t));
	ck_assert_str_eq(ran_order, "gABCABAAA");
	for (i = 0; i < ARRAY_SIZE(t); i++)
		ck_assert_uint_eq(t[i].done, 1);
	sem_destroy(&gate);
}
END_TEST

/* h holds for B, whose last job (b) lets go. */
static void hold_run(struct job *j)
{
	task_run(j);
	worker_hold(worker, (struct instance *)(uintptr_t)'B');
}

static void let_go_run(struct job *j)
{
	task_run(j);
	worker_hold(worker, NULL);
}

START_TEST(a_held_worker_serves_one_instance)
{
	static const char names[] = "hAABAB";
	struct task t[6], late;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(t); i++)
		task_init(&t[i], (uintptr_t)names[i], names[i]);
	t[0].job.run = hold_run;
	submit(t, ARRAY_SIZE(t));
	wait_done(3);
	ck_assert_str_eq(ran_order, "hBB");
	/* Those of others may go meanwhile. */
	ck_assert(job_cancel(&t[2].job));
	task_init(&late, 'B', 'b');
	late.job.run = let_go_run;
	submit(&late, 1);
	wait_done(6);
	ck_assert_str_eq(ran_order, "hBBbAA");
}
END_TEST

/* Which of the queued jobs are cancelled, and what runs then; z comes last. */
static const struct {
	const char *names, *cancel, *order;
} cancels[] = {
	{ "aabb", "1...", "gabzb" },    /* the first of a lane goes: the lane keeps its place */
	{ "aabb", "11..", "gbzb" },
	{ "aabb", "..11", "gaza" },     /* the last lane goes */
	{ "aabb", ".1..", "gabzb" },
	{ "aabb", "...1", "gabza" },
	{ "aabb", "..1.", "gabza" },    /* the last lane has a new first */
	{ "aaab", ".1..", "gabza" },
	{ "aaa", "..1", "gaza" },
	{ "aaa", "1.1", "gaz" },
	{ "ab", "11", "gz" },
};

START_TEST(cancelled_jobs_leave_the_queue_whole)
{
	const char *names = cancels[_i].names;
	size_t n = strlen(names), i;
	struct task first, t[8], late;
	sem_t gate;

	sem_init(&gate, 0, 0);
	task_init(&first, 'g', 'g');
	first.gate = &gate;
	submit(&first, 1);
	for (i = 0; i < n; i++)
		task_init(&t[i], (uintptr_t)names[i], names[i]);
	submit(t, (unsigned)n);
	for (i = 0; i < n; i++) {
		if (cancels[_i].cancel[i] == '1')
			ck_assert(job_cancel(&t[i].job));
	}
	task_init(&late, 'z', 'z');
	submit(&late, 1);
	sem_post(&gate);
	wait_done((unsigned)strlen(cancels[_i].order));
	ck_assert_str_eq(ran_order, cancels[_i].order);
	for (i = 0; i < n; i++)
		ck_assert_uint_eq(t[i].done, cancels[_i].cancel[i] != '1');
	sem_destroy(&gate);
}
END_TEST

START_TEST(a_running_job_cannot_be_cancelled)
{
	struct task t;
	sem_t gate, started;

	sem_init(&gate, 0, 0);
	sem_init(&started, 0, 0);
	task_init(&t, 1, 'a');
	ck_assert(job_cancel(&t.job));
	t.gate = &gate;
	t.started = &started;
	submit(&t, 1);
	sem_wait(&started);
	ck_assert(!job_cancel(&t.job));
	sem_post(&gate);
	wait_done(1);
	ck_assert(job_cancel(&t.job));
	/* And it may be used again. */
	sem_post(&gate);
	submit(&t, 1);
	wait_done(2);
	ck_assert_uint_eq(t.ran, 2);
	sem_destroy(&gate);
	sem_destroy(&started);
}
END_TEST

START_TEST(a_loop_outlives_its_jobs)
{
	struct task t;
	sem_t gate, started;

	sem_init(&gate, 0, 0);
	sem_init(&started, 0, 0);
	task_init(&t, 1, 'a');
	t.gate = &gate;
	t.started = &started;
	submit(&t, 1);
	sem_wait(&started);
	loop_free(loop);
	loop = NULL;
	sem_post(&gate);
	/* It waits for the job, whose end is told to nobody. */
	worker_put(worker);
	worker = NULL;
	ck_assert_uint_eq(t.ran, 1);
	ck_assert_uint_eq(t.done, 0);
	sem_destroy(&gate);
	sem_destroy(&started);
}
END_TEST

START_TEST(one_worker_a_key)
{
	struct error err = ERROR_NONE;
	struct worker *same = worker_get("test", 4, &err);
	struct worker *other = worker_get("other", 2, &err);

	ck_assert_ptr_eq(same, worker);
	ck_assert_ptr_ne(other, worker);
	worker_put(same);
	worker_put(other);
	worker_put(NULL);
}
END_TEST

/*
 * Two loops submit to and cancel on one worker of three threads. Each job's
 * run() and done() must match: a cancelled one has neither.
 */
enum { LOOPS = 2, JOBS = 16, ROUNDS = 3000 };

struct churn {
	struct loop *loop;
	struct worker *worker;
	struct poll_again {
		struct turn_end again;
		struct churn *churn;
	} step;
	unsigned rounds, seed;
	struct churn_job {
		struct job job;
		struct churn *churn;
		bool out;               /* submitted, neither cancelled nor done */
		unsigned ran, expected; /* ran: the worker's until done() */
	} jobs[JOBS];
};

static void churn_run(struct job *j)
{
	container_of(j, struct churn_job, job)->ran++;
}

static void churn_done(struct job *j)
{
	struct churn_job *c = container_of(j, struct churn_job, job);

	ck_assert(c->out);
	c->out = false;
	ck_assert_uint_eq(c->ran, ++c->expected);
}

static bool churn_quiet(struct churn *c)
{
	unsigned i;

	for (i = 0; i < JOBS; i++) {
		if (c->jobs[i].out)
			return false;
	}
	return true;
}

static void churn_step(struct turn_end *t)
{
	struct churn *c = container_of(t, struct poll_again, again)->churn;
	struct churn_job *j = &c->jobs[(unsigned)rand_r(&c->seed) % JOBS];

	if (c->rounds > 0) {
		c->rounds--;
		if (!j->out) {
			j->out = true;
			worker_submit(c->worker, (struct instance *)(uintptr_t)(1 + j->ran % 3),
				      &j->job);
		} else if (job_cancel(&j->job)) {
			j->out = false;
			ck_assert_uint_eq(j->ran, j->expected);
		}
	}
	if (c->rounds == 0 && churn_quiet(c))
		loop_stop(c->loop);
	else
		loop_next_turn(c->loop, &c->step.again);
}

static void *churn_thread(void *arg)
{
	struct churn *c = arg;

	loop_next_turn(c->loop, &c->step.again);
	loop_run(c->loop);
	return NULL;
}

START_TEST(cancel_storm)
{
	static struct churn churns[LOOPS];
	struct error err = ERROR_NONE;
	struct worker *w = worker_get("storm", 3, &err);
	pthread_t threads[LOOPS];
	unsigned i, k, ran = 0;

	ck_assert_ptr_nonnull(w);
	for (i = 0; i < LOOPS; i++) {
		struct churn *c = &churns[i];

		c->loop = loop_new(&err);
		ck_assert_ptr_nonnull(c->loop);
		c->worker = w;
		c->rounds = ROUNDS;
		c->seed = i + 1;
		c->step.again.fn = churn_step;
		c->step.churn = c;
		for (k = 0; k < JOBS; k++) {
			c->jobs[k].job.run = churn_run;
			c->jobs[k].job.done = churn_done;
			c->jobs[k].churn = c;
		}
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churn_thread, c), 0);
	}
	for (i = 0; i < LOOPS; i++)
		pthread_join(threads[i], NULL);
	worker_put(w);
	for (i = 0; i < LOOPS; i++) {
		for (k = 0; k < JOBS; k++)
			ran += churns[i].jobs[k].ran;
		loop_free(churns[i].loop);
	}
	ck_assert_uint_gt(ran, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("worker");
	TCase *tc = tcase_create("worker");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, instances_take_turns);
	tcase_add_loop_test(tc, cancelled_jobs_leave_the_queue_whole, 0, (int)ARRAY_SIZE(cancels));
	tcase_add_test(tc, a_held_worker_serves_one_instance);
	tcase_add_test(tc, a_running_job_cannot_be_cancelled);
	tcase_add_test(tc, a_loop_outlives_its_jobs);
	tcase_add_test(tc, one_worker_a_key);
	tcase_add_test(tc, cancel_storm);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
