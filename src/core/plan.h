/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * From options to instances: a command line, or the sections of a file under
 * it, become a list of instances with their confs and sockets. Nothing is
 * opened or bound here, except inherited descriptors, which are taken over.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "core/common.h"
#include "core/conf.h"
#include "core/instance-core.h"

struct plan_item {
	struct socket_conf socket;
	void *conf;
	char name[80];
	struct instance_setup setup;
	struct endpoint endpoint;
	char *control;                  /* path, or NULL */
	char base[65];                  /* of name, without a number */
};

struct plan {
	struct plan_item *items;
	size_t n;
	struct process_conf process;
	bool level_given;               /* else RUST_LOG may say */
	struct {                        /* of the service manager; -1 when taken */
		int *fds;
		char *names;            /* ':' between them, or NULL */
		bool *reserved;         /* has the name of an instance */
		unsigned n, left;
	} inherited;
};

/* Rows in effect for a device; NULL: for the process alone. */
struct opt_tables plan_tables(const struct device *device);

/*
 * device NULL: every instance of the file. Otherwise the instances of that
 * device in the file (which may be empty), or if it has none, those of the
 * command line. -EINVAL is a usage error. plan starts zeroed and wants
 * plan_finish() either way.
 */
int plan_make(struct plan *plan, const struct device *device, const struct conf_file *file,
	      const struct opt_values *args, struct error *err);
void plan_finish(struct plan *plan);

void plan_item_finish(struct plan_item *item);
/* Another number for name and control socket; 1, or 0: it has none, or -ENOMEM. */
int plan_item_number(struct plan_item *item, unsigned number);
/* Would the two make the same instance in the same place? */
bool plan_item_same(const struct plan_item *a, const struct plan_item *b);

#endif
