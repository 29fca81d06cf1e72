/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Inside of the process: process.c (loops, signals, the end), member.c (an
 * instance and its configuration), reload.c (SIGHUP).
 */
#ifndef CORE_PROCESS_PRIV_H
#define CORE_PROCESS_PRIV_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/control.h"
#include "core/process.h"

struct process;

struct runner {
	struct loop *loop;
	pthread_t thread;
	bool started;
};

/* What the main thread knows of an instance; all else happens on its loop. */
enum member_state {
	MEMBER_FREE,                    /* nothing; to be used again */
	MEMBER_OPENING,                 /* added later, on its loop */
	MEMBER_LIVE,
	MEMBER_ENDING,                  /* it was told to, or ended by itself */
};

struct member {
	struct member *next;            /* they stay until the process ends: see at_signal */
	struct process *process;
	enum member_state state;
	struct runner *runner;
	struct plan_item item;          /* its endpoint becomes the instance's */
	enum endpoint_kind kind;
	char *place;                    /* path where it listens or connects to, or NULL */
	bool wanted;                    /* by the configuration that is read just now */
	/* Of its loop: */
	struct instance *in;
	struct control *control;
	bool leaving, failed;           /* failed: to open, after the start */
	struct post open, listen, leave, retire, gone, reloaded;
	struct post opened, finished, over, reload;     /* .. and to the main loop */
	struct error reload_err;        /* handed over by these two; code 0: it was read */
	/* Of a socket that we made, for the last moment; path "": none. */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
};

struct process {
	struct runner *runners;         /* the first is the main thread */
	unsigned n_runners, n_shared;
	struct member *members, **members_end;
	size_t alive;                   /* members that are not free */
	struct io stop_io, reload_io;
	int stop_fd, reload_fd;
	bool stopping;
	/* reload.c */
	struct process_source *source;
	struct plan plan;               /* what is still to be opened */
	bool reloading, reload_again;
};

/* member.c; on the main thread, unless it says otherwise */
/* A free one that takes the item over, with its place; it counts as alive. NULL: no memory. */
struct member *member_new(struct process *p, struct plan_item *item, struct runner *runner);
/* On the member's loop, or before that runs. */
int member_open(struct member *m, struct error *err);
/* The same later, followed by listening. */
void member_add(struct member *m);
/* It is not alive any more; what it had goes. */
void member_free(struct member *m);
/* SIGTERM, or no session can come: bounded, see instance_leave(). */
void member_leave(struct member *m);
/* The others go on: as long as it takes. */
void member_retire(struct member *m);

/* process.c: nothing is left that could be served */
void process_maybe_over(struct process *p);
/* Where an instance belongs; told to the log if there is no place with all of them. */
struct runner *process_place(struct process *p, const struct plan_item *item);

/* reload.c */
/* 1: reload_start() is due. 0: it comes later. -errno: nothing changes, the log was told. */
int reload_read(struct process *p, struct error *err);
void reload_start(struct process *p);
void reload_now(struct process *p);
/* A member is there, or gone. */
void reload_go_on(struct process *p);

#endif
