/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The process that runs instances: threads, signals, readiness, the end. */
#ifndef CORE_PROCESS_H
#define CORE_PROCESS_H

#include "core/plan.h"

/*
 * Opens every instance of the plan and serves until a signal ends the process
 * or no instance can get a session any more. 0 then; on failure to start
 * nothing is left behind and err is set.
 */
int process_run(struct plan *plan, struct error *err);

#endif
