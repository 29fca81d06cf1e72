/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The process that runs instances.
 *
 * Instances are opened on the main thread, where SIGTERM interrupts a host
 * file that does not open. Then every loop gets a thread, the first one the
 * main thread, and all that happens to an instance happens on its loop:
 *
 *   main        listen post --> serving
 *   signal, or instance finished: leave post --> leaving
 *   ended: gone post --> freed; the last one stops all loops
 *
 * Leaving is bounded: the instance waits drain_ms for open requests, and what
 * hangs beyond that, even a loop or an open(), is cut off by SIGALRM one second
 * after the signal, which only removes the sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/control.h"
#include "core/log-core.h"
#include "core/mem.h"
#include "core/process.h"
#include "vhost-device/fd.h"

enum { LAST_SECONDS = 1 };

struct process;

struct runner {
	struct loop *loop;
	pthread_t thread;
	bool started;
};

struct member {
	struct process *process;
	struct instance *in;
	struct control *control;
	struct loop *loop;
	struct post listen, leave, gone;
	bool leaving;
	char *path;                     /* of a socket that we made, with its inode */
	dev_t dev;
	ino_t ino;
};

struct process {
	struct runner *runners;         /* the first is the main thread */
	unsigned n_runners;
	struct member *members;
	size_t n_members;
	atomic_size_t alive;            /* members not freed */
	struct post all_gone;
	struct io stop_io;
	int stop_fd;
};

/* What signal handlers may touch. */
static struct {
	volatile sig_atomic_t stopping;
	int fd;
	const struct process *process;
} at_signal;

/* ---- signals ---- */

static void on_stop_signal(int signo)
{
	int saved = errno;

	/* Ends a start too that waits for the host: the signal may come just before the wait. */
	if (!at_signal.stopping)
		alarm(LAST_SECONDS);
	at_signal.stopping = 1;
	fd_signal(at_signal.fd);
	errno = saved;
}

static void on_last_second(int signo)
{
	static const char text[] = "vhost-device: the host did not let go within a second, "
		"ending without waiting\n";
	const struct process *p = at_signal.process;
	struct stat st;
	size_t i;

	for (i = 0; p != NULL && i < p->n_members; i++) {
		const struct member *m = &p->members[i];

		if (m->path != NULL && lstat(m->path, &st) == 0 && st.st_dev == m->dev &&
		    st.st_ino == m->ino)
			unlink(m->path);
	}
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(1);
	_exit(1);
}

/* No SA_RESTART: a host file that blocks in open() gives way. */
static void catch(int signo, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	sigaction(signo, &action, NULL);
}

static void install_signals(void)
{
	sigset_t wanted;

	catch(SIGTERM, on_stop_signal);
	catch(SIGINT, on_stop_signal);
	catch(SIGALRM, on_last_second);
	catch(SIGPIPE, SIG_IGN);
	catch(SIGHUP, SIG_IGN);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGALRM);
	sigaddset(&wanted, SIGBUS);     /* of the memory guard */
	sigprocmask(SIG_UNBLOCK, &wanted, NULL);
}


/* ---- one instance ---- */

static void member_gone(struct post *post)
{
	struct member *m = container_of(post, struct member, gone);
	struct process *p = m->process;

	control_free(take_ptr(m->control));
	instance_free(m->in);
	m->in = NULL;
	if (atomic_fetch_sub(&p->alive, 1) == 1)
		loop_post(p->runners[0].loop, &p->all_gone);
}

/* Called from inside the instance, which may go only in a later turn. */
static void member_ended(struct instance *in, void *ctx)
{
	struct member *m = ctx;

	loop_post(m->loop, &m->gone);
}

static void member_leave(struct post *post)
{
	struct member *m = container_of(post, struct member, leave);

	if (m->leaving)
		return;
	m->leaving = true;
	instance_leave(m->in, member_ended, m);
}

static void member_finished(struct instance *in, void *ctx)
{
	struct member *m = ctx;

	loop_post(m->loop, &m->leave);
}

static void member_listen(struct post *post)
{
	struct member *m = container_of(post, struct member, listen);

	if (!m->leaving)
		instance_listen(m->in);
}

static int member_open(struct process *p, struct plan_item *item, struct loop *loop,
		       struct error *err)
{
	struct member *m = &p->members[p->n_members];
	struct stat st;
	char *path = NULL;

	*m = (struct member){ .process = p, .loop = loop, .listen.fn = member_listen,
		.leave.fn = member_leave, .gone.fn = member_gone };
	if (item->endpoint.kind == ENDPOINT_PATH && item->endpoint.path != NULL)
		path = strdup(item->endpoint.path);
	item->setup.name = item->name;
	m->in = instance_new(loop, &item->setup, &item->endpoint, err);
	if (m->in == NULL) {
		free(path);
		return err->code < 0 ? err->code : -EIO;
	}
	item->endpoint = (struct endpoint){ .fd = -1 };
	if (path != NULL && lstat(path, &st) == 0) {
		m->dev = st.st_dev;
		m->ino = st.st_ino;
	}
	m->path = path;
	p->n_members++;
	atomic_fetch_add(&p->alive, 1);
	instance_on_finished(m->in, member_finished, m);
	if (item->control != NULL)
		m->control = control_new(loop, m->in, item->setup.device, item->control, err);
	return item->control != NULL && m->control == NULL ? err->code : 0;
}

/* ---- loops ---- */

static void *runner_main(void *ctx)
{
	struct runner *r = ctx;

	loop_run(r->loop);
	return NULL;
}

static bool wants_own_loop(const struct plan *plan, size_t i)
{
	return plan->n > 1 && (plan->items[i].setup.device->flags & DEV_OWN_LOOP) != 0;
}

/* As many as are allowed and useful for all, then one for each that wants its own. */
static int make_runners(struct process *p, const struct plan *plan, unsigned *ret_shared,
			struct error *err)
{
	unsigned own = 0, shared, total;
	size_t i;

	for (i = 0; i < plan->n; i++)
		own += wants_own_loop(plan, i);
	shared = plan->process.threads;
	if (plan->n - own < shared)
		shared = (unsigned)plan->n - own;
	if (shared == 0)
		shared = 1;
	total = shared + own;
	p->runners = calloc(total, sizeof(*p->runners));
	p->members = calloc(plan->n, sizeof(*p->members));
	if (p->runners == NULL || p->members == NULL)
		return error_set(err, -ENOMEM, "out of memory for %zu instances", plan->n);
	for (; p->n_runners < total; p->n_runners++) {
		struct runner *r = &p->runners[p->n_runners];

		r->loop = loop_new(err);
		if (r->loop == NULL)
			return -ENOMEM;
		loop_set_poll_us(r->loop, plan->process.poll_us);
	}
	*ret_shared = shared;
	return 0;
}

static int open_members(struct process *p, struct plan *plan, unsigned shared,
			struct error *err)
{
	unsigned next_shared = 0, next_own = shared, index;
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < plan->n && !at_signal.stopping; i++) {
		index = wants_own_loop(plan, i) ? next_own++ : next_shared++ % shared;
		ret = member_open(p, &plan->items[i], p->runners[index].loop, err);
		if (ret < 0 && plan->n > 1)
			error_prefix(err, "%s: ", plan->items[i].name);
	}
	return ret;
}

static int start_runners(struct process *p, struct error *err)
{
	unsigned i;
	int ret;

	for (i = 1; i < p->n_runners; i++) {
		ret = pthread_create(&p->runners[i].thread, NULL, runner_main, &p->runners[i]);
		if (ret != 0)
			return error_set(err, -ret, "thread %u cannot be started: %s: lower "
					 "--threads", i, strerror(ret));
		p->runners[i].started = true;
	}
	return 0;
}

static void join_runners(struct process *p)
{
	unsigned i;

	for (i = 1; i < p->n_runners; i++) {
		if (!p->runners[i].started)
			continue;
		loop_stop(p->runners[i].loop);
		pthread_join(p->runners[i].thread, NULL);
		p->runners[i].started = false;
	}
}

/* ---- the whole ---- */

static void leave_all(struct process *p)
{
	size_t i;

	for (i = 0; i < p->n_members; i++)
		loop_post(p->members[i].loop, &p->members[i].leave);
}

static void got_stop(struct io *io, unsigned ready)
{
	struct process *p = container_of(io, struct process, stop_io);

	io_finish(io);
	notify_stopping();
	log_info(NULL, "ending");
	leave_all(p);
}

static void got_all_gone(struct post *post)
{
	struct process *p = container_of(post, struct process, all_gone);

	loop_stop(p->runners[0].loop);
}

static int check_ready_fd(const struct process_conf *conf, struct error *err)
{
	if (conf->ready_fd.set && fcntl(conf->ready_fd.value, F_GETFD) < 0)
		return error_set(err, -EBADF, "--ready-fd %d is not an open file: open it for "
				 "this process", conf->ready_fd.value);
	return 0;
}

/* A thousand instances have more files than the usual soft limit. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int start(struct process *p, struct plan *plan, struct error *err)
{
	unsigned shared = 1;
	size_t i;
	int ret;

	raise_file_limit();
	ret = check_ready_fd(&plan->process, err);
	if (ret == 0)
		ret = make_runners(p, plan, &shared, err);
	if (ret == 0)
		ret = open_members(p, plan, shared, err);
	if (ret < 0 || at_signal.stopping)
		return ret;
	ret = start_runners(p, err);
	if (ret < 0)
		return ret;
	for (i = 0; i < p->n_members; i++)
		loop_post(p->members[i].loop, &p->members[i].listen);
	io_init(&p->stop_io, p->runners[0].loop, p->stop_fd, got_stop);
	io_set(&p->stop_io, IO_READ);
	notify_ready(plan->process.ready_fd.set ? plan->process.ready_fd.value : -1);
	return 0;
}

static void finish(struct process *p)
{
	unsigned k;
	size_t i;

	join_runners(p);
	io_finish(&p->stop_io);
	for (i = 0; i < p->n_members; i++) {
		control_free(p->members[i].control);
		if (p->members[i].in != NULL)
			instance_free(p->members[i].in);
	}
	for (k = 0; k < p->n_runners; k++)
		loop_free(p->runners[k].loop);
	alarm(0);
	at_signal.process = NULL;
	at_signal.fd = -1;
	for (i = 0; i < p->n_members; i++)
		free(p->members[i].path);
	free(p->runners);
	free(p->members);
	fd_close(&p->stop_fd);
}

int process_run(struct plan *plan, struct error *err)
{
	struct process p = { .stop_fd = fd_eventfd(), .all_gone.fn = got_all_gone };
	int ret;

	if (p.stop_fd < 0)
		return error_set(err, p.stop_fd, "no event file: %s", strerror(-p.stop_fd));
	at_signal.fd = p.stop_fd;
	at_signal.process = &p;
	install_signals();
	ret = mem_guard_install(err);
	if (ret == 0)
		ret = start(&p, plan, err);
	if (ret == 0 && !at_signal.stopping)
		loop_run(p.runners[0].loop);
	else if (at_signal.stopping)
		ret = 0;
	finish(&p);
	return ret;
}
