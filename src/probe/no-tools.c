/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A build without tools. */
#include "tools.h"

const struct tool *const tools[] = { NULL };
