/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Alarms in a file, for the process that comes next. A line an alarm:
 *
 *   clock NUMBER KIND TIME enabled|disabled
 *
 * A worker writes them into another file, which then takes the name: whoever
 * reads finds all of the old ones or all of the new ones. Changes that come
 * while it is busy, or in the second after, are written together.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rtc.h"
#include "vhost-device/fd.h"
#include "vhost-device/num.h"
#include "vhost-device/worker.h"

enum { LINE = 96, FIELDS = 5 };

static const char first_line[] = "vhost-device-rtc alarms 1\n";
static const char *const state_words[] = { [false] = "disabled", [true] = "enabled" };

struct record {
	size_t size;
	char text[sizeof(first_line) + (size_t)RTC_CLOCKS_MAX * LINE];
};

struct store {
	struct job job;
	struct rtc *r;                          /* NULL: it has left */
	struct worker *worker;
	struct timer pause;
	struct log_limit log;
	char *path, *temp;
	bool busy, paused;
	bool dirty;                             /* without r: next is to be written */
	struct record next;
	struct record now;                      /* the job's while it is busy, as is ret */
	int ret;
};

/* -- Writing -------------------------------------------------------------------------- */

static void fill(struct record *to, const struct rtc *r)
{
	const struct alarm *a;
	unsigned i;

	memcpy(to->text, first_line, sizeof(first_line));
	to->size = strlen(first_line);
	for (i = 0; i < r->n; i++) {
		a = &r->alarms[i];
		if (a->at != 0 || a->enabled)
			to->size += (size_t)snprintf(to->text + to->size, LINE,
				"clock %u %s %llu %s\n", i, rtc_kind_word(r->clocks[i].kind),
				(unsigned long long)a->at, state_words[a->enabled]);
	}
}

static int write_file(const struct store *s, const struct record *from)
{
	/* A FIFO of that name must not keep us waiting. */
	CLOSE_FD int fd = host_open(NULL, s->temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW |
				    O_NONBLOCK, NULL);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = write(fd, from->text, from->size);
	if (n >= 0 && (size_t)n < from->size)
		return -ENOSPC;
	if (n < 0 || fsync(fd) < 0 || rename(s->temp, s->path) < 0)
		return -errno;
	return 0;
}

static void store_run(struct job *j)
{
	struct store *s = container_of(j, struct store, job);

	s->ret = write_file(s, &s->now);
}

static void submit(struct store *s)
{
	fill(&s->now, s->r);
	s->dirty = false;
	s->busy = s->paused = true;
	timer_set(&s->pause, loop_now(instance_loop(s->r->in)) + (uint64_t)SECOND);
	worker_submit(s->worker, s->r->in, &s->job);
}

void store_changed(struct store *s)
{
	if (s == NULL)
		return;
	s->dirty = true;
	if (!s->busy && !s->paused)
		submit(s);
}

static void pause_over(struct timer *t)
{
	struct store *s = container_of(t, struct store, pause);

	s->paused = false;
	if (s->dirty)
		store_changed(s);
}

static void store_free(struct store *s)
{
	if (s->dirty)
		write_file(s, &s->next);
	worker_put(s->worker);
	free(s->path);
	free(s->temp);
	free(s);
}

static void store_done(struct job *j)
{
	struct store *s = container_of(j, struct store, job);

	if (s->r == NULL) {
		store_free(s);
		return;
	}
	s->busy = false;
	if (s->ret < 0)
		log_limited(&s->log, LOG_LEVEL_WARN, s->r->in, "--state-file %s: %s: an alarm "
			    "set now will not outlive this process", s->path, strerror(-s->ret));
	if (s->dirty)
		store_changed(s);
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	timer_finish(&s->pause);
	if (s->busy && job_cancel(&s->job)) {
		s->busy = false;
		s->dirty = true;
	}
	fill(&s->next, s->r);
	s->r = NULL;
	if (!s->busy)
		store_free(s);
}

/* -- Reading -------------------------------------------------------------------------- */

/* One line without its end; -EINVAL. An alarm whose clock is another one now is left out. */
static int take_line(struct rtc *r, const char *path, char *line)
{
	char *fields[FIELDS], *field;
	uint64_t clock, time;
	unsigned n = 0;
	bool enabled;

	while ((field = strsep(&line, " ")) != NULL) {
		if (n == FIELDS)
			return -EINVAL;
		fields[n++] = field;
	}
	if (n < FIELDS || strcmp(fields[0], "clock") != 0 ||
	    num_parse(fields[1], 0, RTC_CLOCKS_MAX - 1, &clock) < 0 ||
	    num_parse(fields[3], 0, UINT64_MAX, &time) < 0)
		return -EINVAL;
	enabled = strcmp(fields[4], state_words[true]) == 0;
	if (!enabled && strcmp(fields[4], state_words[false]) != 0)
		return -EINVAL;
	if (clock >= r->n || !r->clocks[clock].alarm ||
	    strcmp(fields[2], rtc_kind_word(r->clocks[clock].kind)) != 0)
		log_warn(r->in, "--state-file %s: the alarm of clock %s, %s, is forgotten: there "
			 "is no such clock with alarms any more", path, fields[1], fields[2]);
	else
		r->alarms[clock] = (struct alarm){ .at = time, .enabled = enabled };
	return 0;
}

static int take_text(struct rtc *r, const char *path, char *text)
{
	const size_t n = strlen(first_line);
	char *at = text + n, *line;
	int ret = 0;

	if (strncmp(text, first_line, n) != 0)
		return -EINVAL;
	while (ret == 0 && *at != '\0') {
		line = strsep(&at, "\n");
		if (at == NULL)
			return -EINVAL;
		ret = take_line(r, path, line);
	}
	return ret;
}

/* No file, or an empty one, is none of alarms. */
static int load(struct store *s, struct error *err)
{
	CLOSE_FD int fd = host_open(s->r->in, s->path, O_RDONLY | O_NONBLOCK, err);
	char *text = s->now.text;
	ssize_t n;

	if (fd == -ENOENT) {
		*err = ERROR_NONE;
		return 0;
	}
	if (fd < 0)
		return error_prefix(err, "--state-file: ");
	n = read(fd, text, sizeof(s->now.text) - 1);
	if (n < 0)
		return error_set(err, -errno, "--state-file %s: %s", s->path, strerror(errno));
	text[n] = '\0';
	if (n > 0 && take_text(s->r, s->path, text) < 0)
		return error_set(err, -EINVAL, "--state-file %s: there is something else in it "
				 "than alarms of this device: give another path, or remove it",
				 s->path);
	return 0;
}

static int open_files(struct store *s, struct error *err)
{
	int ret = load(s, err);

	if (ret < 0)
		return ret;
	fill(&s->now, s->r);
	ret = write_file(s, &s->now);
	if (ret < 0)
		return error_set(err, ret, "--state-file: cannot write %s, which is to become %s: "
				 "%s", s->temp, s->path, strerror(-ret));
	s->worker = worker_get(s->path, 1, err);
	return s->worker != NULL ? 0 : -EAGAIN;
}

static int name_files(struct store *s, const char *path)
{
	char number[12] = "";

	if (instance_count(s->r->in) > 1)
		snprintf(number, sizeof(number), "%u", instance_index(s->r->in));
	if (asprintf(&s->path, "%s%s", path, number) < 0) {
		s->path = NULL;
		return -ENOMEM;
	}
	if (asprintf(&s->temp, "%s.new", s->path) < 0) {
		s->temp = NULL;
		return -ENOMEM;
	}
	return 0;
}

int store_open(struct rtc *r, const char *path, struct error *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int ret;

	if (s == NULL)
		return error_memory(err);
	s->r = r;
	s->job.run = store_run;
	s->job.done = store_done;
	timer_init(&s->pause, instance_loop(r->in), pause_over);
	ret = name_files(s, path);
	ret = ret < 0 ? error_set(err, ret, "out of memory") : open_files(s, err);
	if (ret < 0) {
		timer_finish(&s->pause);
		store_free(s);
		return ret;
	}
	r->store = s;
	return 0;
}
