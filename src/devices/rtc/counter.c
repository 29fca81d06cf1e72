/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The processor's counter, read in program order: neither early nor late. */
#include "host.h"
#include "wire/virtio-rtc.h"

#if defined(__x86_64__)
#include <x86intrin.h>

bool counter_exists(unsigned number)
{
	return number == RTC_COUNTER_X86_TSC;
}

uint64_t counter_read(void)
{
	uint64_t v;

	_mm_lfence();
	v = __rdtsc();
	_mm_lfence();
	return v;
}
#elif defined(__aarch64__)
bool counter_exists(unsigned number)
{
	return number == RTC_COUNTER_ARM_VCT;
}

uint64_t counter_read(void)
{
	uint64_t v;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(v) : : "memory");
	return v;
}
#else
bool counter_exists(unsigned number)
{
	return false;
}

uint64_t counter_read(void)
{
	return 0;
}
#endif
