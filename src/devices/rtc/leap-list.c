/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * leap-seconds.list: lines "SECONDS TAI-UTC # comment", of which SECONDS count
 * from the year 1900; after "#@" stands when the list expires.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "vhost-device/num.h"

enum { TAI_MAX = 1000 };

static const uint64_t SINCE_1900 = 2208988800ULL;       /* seconds until 1970 */

/* The next word of *text, which is cut; NULL at the end. */
static char *word(char **text)
{
	char *w = *text + strspn(*text, " \t\r");
	size_t n = strcspn(w, " \t\r");

	if (n == 0)
		return NULL;
	*text = w[n] == '\0' ? w + n : w + n + 1;
	w[n] = '\0';
	return w;
}

static int read_seconds(char **text, uint64_t *ret_seconds)
{
	const char *w = word(text);

	return w == NULL || num_parse(w, SINCE_1900 / 2, UINT32_MAX * 2ULL, ret_seconds) < 0 ?
		-EINVAL : 0;
}

int leap_list_find(char *text, int64_t now, int *ret_tai, int64_t *ret_expires)
{
	uint64_t second = (uint64_t)(now / SECOND) + SINCE_1900, at, tai, found = 0, expires = 0;
	char *line, *w;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (strncmp(line, "#@", 2) == 0) {
			line += 2;
			if (read_seconds(&line, &expires) < 0)
				return -EINVAL;
			continue;
		}
		line[strcspn(line, "#")] = '\0';
		if (line[strspn(line, " \t\r")] == '\0')
			continue;
		if (read_seconds(&line, &at) < 0)
			return -EINVAL;
		w = word(&line);
		if (w == NULL || num_parse(w, 1, TAI_MAX, &tai) < 0)
			return -EINVAL;
		if (at <= second)
			found = tai;
	}
	if (found == 0)
		return -ENODATA;
	*ret_tai = (int)found;
	*ret_expires = expires == 0 ? INT64_MAX :
		((int64_t)expires - (int64_t)SINCE_1900) * SECOND;
	return 0;
}
