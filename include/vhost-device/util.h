/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Small helpers that every file may use. */
#ifndef VHOST_DEVICE_UTIL_H
#define VHOST_DEVICE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ULL << (n))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* A bug of ours, never a mistake of someone else: always compiled in. */
#define bug_if(cond) do { if (__builtin_expect(!!(cond), 0)) __builtin_trap(); } while (0)

/* Scope-bound ownership; take_ptr() and take_fd() hand it over. */
void cleanup_free(void *p);
void cleanup_close(int *fd);
#define FREE_PTR __attribute__((cleanup(cleanup_free)))
#define CLOSE_FD __attribute__((cleanup(cleanup_close)))
#define take_ptr(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Range test without a sum that could wrap: off and len inside size. */
static inline bool range_fits(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

#endif
