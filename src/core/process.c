/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The process that runs instances.
 *
 * Instances are opened on the main thread, where SIGTERM interrupts a host
 * file that does not open. Then every loop gets a thread, the first one the
 * main thread, and all that happens to an instance happens on its loop
 * (member.c); the last one that is gone stops all loops.
 *
 * Which loop: instances that must live together share one, and such groups are
 * spread over the loops by turns.
 *
 * Leaving is bounded: the instance waits drain_ms for open requests, and what
 * hangs beyond that, even a loop or an open(), is cut off by SIGALRM one second
 * after the signal, which only removes the sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log-core.h"
#include "core/mem.h"
#include "core/process-priv.h"
#include "vhost-device/fd.h"

enum { LAST_SECONDS = 1 };

/* What signal handlers may touch. */
static struct {
	volatile sig_atomic_t stopping;
	int fd, reload_fd;
	const struct process *process;
} at_signal = { .fd = -1, .reload_fd = -1 };

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

static void on_reload_signal(int signo)
{
	int saved = errno;

	fd_signal(at_signal.reload_fd);
	errno = saved;
}

static void on_last_second(int signo)
{
	static const char text[] = "vhost-device: the host did not let go within a second, "
		"ending without waiting\n";
	const struct process *p = at_signal.process;
	const struct member *m;
	struct stat st;

	for (m = p != NULL ? p->members : NULL; m != NULL; m = m->next) {
		if (m->path[0] != '\0' && lstat(m->path, &st) == 0 && st.st_dev == m->dev &&
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

static void install_signals(bool may_reload)
{
	sigset_t wanted;

	catch(SIGTERM, on_stop_signal);
	catch(SIGINT, on_stop_signal);
	catch(SIGALRM, on_last_second);
	catch(SIGPIPE, SIG_IGN);
	catch(SIGHUP, may_reload ? on_reload_signal : SIG_IGN);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGHUP);
	sigaddset(&wanted, SIGTERM);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGALRM);
	sigaddset(&wanted, SIGBUS);     /* of the memory guard */
	sigprocmask(SIG_UNBLOCK, &wanted, NULL);
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

static bool together(const struct plan_item *a, const struct plan_item *b)
{
	const struct device *d = a->setup.device;

	return d == b->setup.device && d->together != NULL && d->together(a->conf, b->conf);
}

/* Two groups become one; numbers stay dense. */
static void merge(unsigned *groups, size_t n, unsigned a, unsigned b)
{
	const unsigned low = a < b ? a : b, high = a < b ? b : a;
	size_t i;

	for (i = 0; i < n; i++) {
		if (groups[i] == high)
			groups[i] = low;
		else if (groups[i] > high)
			groups[i]--;
	}
}

/*
 * Numbers of groups for the items that share loops: who must be with one of a
 * group is in it. How many there are.
 */
static unsigned make_groups(const struct plan *plan, unsigned *groups)
{
	unsigned n = 0;
	size_t i, k;

	for (i = 0; i < plan->n; i++) {
		if (wants_own_loop(plan, i))
			continue;
		groups[i] = n++;
		for (k = 0; plan->items[i].setup.device->together != NULL && k < i; k++) {
			if (groups[k] != groups[i] && !wants_own_loop(plan, k) &&
			    together(&plan->items[k], &plan->items[i])) {
				merge(groups, i + 1, groups[k], groups[i]);
				n--;
			}
		}
	}
	return n;
}

/* As many as are allowed and useful for all, then one for each that wants its own. */
static int make_runners(struct process *p, const struct plan *plan, unsigned n_groups,
			struct error *err)
{
	unsigned own = 0, total;
	size_t i;

	for (i = 0; i < plan->n; i++)
		own += wants_own_loop(plan, i);
	p->n_shared = plan->process.threads;
	if (n_groups < p->n_shared && p->source == NULL)
		p->n_shared = n_groups;
	if (p->n_shared == 0)
		p->n_shared = 1;
	total = p->n_shared + own;
	p->runners = calloc(total, sizeof(*p->runners));
	if (p->runners == NULL)
		return error_set(err, -ENOMEM, "out of memory for %zu instances", plan->n);
	for (; p->n_runners < total; p->n_runners++) {
		struct runner *r = &p->runners[p->n_runners];

		r->loop = loop_new(err);
		if (r->loop == NULL)
			return -ENOMEM;
		loop_set_poll_us(r->loop, plan->process.poll_us);
	}
	return 0;
}

static int open_one(struct process *p, struct plan *plan, size_t i, unsigned index,
		    struct error *err)
{
	struct member *m = member_new(p, &plan->items[i], &p->runners[index]);
	int ret;

	if (m == NULL)
		return error_memory(err);
	ret = member_open(m, err);
	if (ret < 0 && plan->n > 1)
		error_prefix(err, "%s: ", m->item.name);
	return ret;
}

static int open_members(struct process *p, struct plan *plan, struct error *err)
{
	FREE_PTR unsigned *groups = calloc(plan->n + 1, sizeof(*groups));
	unsigned next_own;
	bool own;
	size_t i;
	int ret;

	if (groups == NULL)
		return error_memory(err);
	ret = make_runners(p, plan, make_groups(plan, groups), err);
	next_own = p->n_shared;
	for (i = 0; ret == 0 && i < plan->n && !at_signal.stopping; i++) {
		own = wants_own_loop(plan, i);
		ret = open_one(p, plan, i, own ? next_own++ : groups[i] % p->n_shared, err);
	}
	return ret;
}

/* How many there belong together with the item. */
static unsigned count_friends(const struct process *p, const struct runner *r,
			      const struct plan_item *item)
{
	const struct member *m;
	unsigned n = 0;

	for (m = p->members; m != NULL; m = m->next)
		n += m->runner == r && m->state != MEMBER_FREE && m->state != MEMBER_ENDING &&
			together(&m->item, item);
	return n;
}

/* Where most of its friends are: none of them can move any more. */
static struct runner *place_of_friends(const struct process *p, const struct plan_item *item)
{
	struct runner *best = NULL;
	unsigned i, n, most = 0, all = 0;

	for (i = 0; i < p->n_runners; i++) {
		n = count_friends(p, &p->runners[i], item);
		all += n;
		if (n > most) {
			best = &p->runners[i];
			most = n;
		}
	}
	if (most < all)
		log_warn(NULL, "%s: belongs to instances of more than one thread and reaches %u "
			 "of %u: restart the process, or use --threads=1", item->name, most, all);
	return best;
}

struct runner *process_place(struct process *p, const struct plan_item *item)
{
	struct runner *best = place_of_friends(p, item);
	unsigned i, n, least = 0;
	const struct member *m;

	if (best != NULL)
		return best;
	for (i = 0; i < p->n_shared; i++) {
		n = 0;
		for (m = p->members; m != NULL; m = m->next)
			n += m->state != MEMBER_FREE && m->runner == &p->runners[i];
		if (best == NULL || n < least) {
			best = &p->runners[i];
			least = n;
		}
	}
	return best;
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

void process_maybe_over(struct process *p)
{
	if (p->alive == 0 && !p->reloading)
		loop_stop(p->runners[0].loop);
}

static void got_stop(struct io *io, unsigned ready)
{
	struct process *p = container_of(io, struct process, stop_io);
	struct member *m;

	io_finish(io);
	io_finish(&p->reload_io);
	notify_stopping();
	log_info(NULL, "ending");
	p->stopping = true;
	p->reloading = false;
	for (m = p->members; m != NULL; m = m->next)
		member_leave(m);
	process_maybe_over(p);
}

static void got_reload(struct io *io, unsigned ready)
{
	struct process *p = container_of(io, struct process, reload_io);

	reload_now(p);
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
	struct member *m;
	int ret;

	raise_file_limit();
	ret = check_ready_fd(&plan->process, err);
	if (ret == 0)
		ret = open_members(p, plan, err);
	if (ret < 0 || at_signal.stopping)
		return ret;
	ret = start_runners(p, err);
	if (ret < 0)
		return ret;
	for (m = p->members; m != NULL; m = m->next)
		loop_post(m->runner->loop, &m->listen);
	io_init(&p->stop_io, p->runners[0].loop, p->stop_fd, got_stop);
	io_set(&p->stop_io, IO_READ);
	io_init(&p->reload_io, p->runners[0].loop, p->reload_fd, got_reload);
	io_set(&p->reload_io, IO_READ | IO_EDGE);
	notify_ready(plan->process.ready_fd.set ? plan->process.ready_fd.value : -1);
	return 0;
}

static void finish(struct process *p)
{
	struct member *m;
	unsigned k;

	join_runners(p);
	io_finish(&p->stop_io);
	io_finish(&p->reload_io);
	for (m = p->members; m != NULL; m = m->next) {
		control_free(m->control);
		instance_free(m->in);
	}
	for (k = 0; k < p->n_runners; k++)
		loop_free(p->runners[k].loop);
	alarm(0);
	catch(SIGHUP, SIG_IGN);
	at_signal.process = NULL;
	at_signal.fd = at_signal.reload_fd = -1;
	while ((m = p->members) != NULL) {
		p->members = m->next;
		member_free(m);
		free(m);
	}
	free(p->runners);
	plan_finish(&p->plan);
	fd_close(&p->stop_fd);
	fd_close(&p->reload_fd);
}

int process_run(struct plan *plan, struct process_source *source, struct error *err)
{
	struct process p = { .stop_fd = fd_eventfd(), .reload_fd = fd_eventfd(),
		.source = source };
	int ret = p.stop_fd < 0 ? p.stop_fd : p.reload_fd;

	p.members_end = &p.members;
	if (ret < 0) {
		fd_close(&p.stop_fd);
		fd_close(&p.reload_fd);
		return error_set(err, ret, "no event file: %s", strerror(-ret));
	}
	at_signal.fd = p.stop_fd;
	at_signal.reload_fd = p.reload_fd;
	at_signal.process = &p;
	install_signals(source != NULL);
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
