/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Guest memory as shared file mappings. */
#include "core/mem.h"
