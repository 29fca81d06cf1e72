/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Split rings of any content. */
#include "ring-target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ring_target(false, data, size);
	return 0;
}
