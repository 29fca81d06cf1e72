/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The process that runs instances: threads, signals, readiness, the end. */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include "core/plan.h"

/* Where the plan came from, to be read again at SIGHUP. */
struct process_source {
	/* Into a zeroed plan, which wants plan_finish() either way. */
	int (*read)(struct process_source *source, struct plan *ret_plan, struct error *err);
};

/*
 * Opens every instance of the plan and serves until a signal ends the process
 * or no instance can get a session any more. 0 then; on failure to start
 * nothing is left behind and err is set. source NULL: SIGHUP is ignored.
 */
int process_run(struct plan *plan, struct process_source *source, struct error *err);

#endif
