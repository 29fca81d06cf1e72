/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Strict numbers. */
#include <errno.h>

#include "vhost-device/num.h"

static int parse_digits(const char **text, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *p = *text;

	if (*p == '+')
		p++;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
			while (*p >= '0' && *p <= '9')
				p++;
			return *p == '\0' ? -ERANGE : -EINVAL;
		}
	}
	*text = p;
	*ret_value = value;
	return 0;
}

static int in_range(uint64_t value, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	if (value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int num_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;
	int ret = parse_digits(&text, &value);

	if (ret < 0)
		return ret;
	return *text == '\0' ? in_range(value, min, max, ret_value) : -EINVAL;
}

int num_parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	static const char suffixes[] = "KMGT";
	uint64_t value;
	unsigned i;
	int ret = parse_digits(&text, &value);

	if (ret < 0)
		return ret;
	for (i = 0; *text != '\0' && suffixes[i] != '\0'; i++) {
		if (*text != suffixes[i])
			continue;
		if (__builtin_mul_overflow(value, 1ULL << (10 * (i + 1)), &value))
			return -ERANGE;
		text++;
		break;
	}
	return *text == '\0' ? in_range(value, min, max, ret_value) : -EINVAL;
}
