/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The least that a libevent program needs: a loop that waits. */
#include <event2/event.h>
#include <unistd.h>

static void never(evutil_socket_t fd, short what, void *arg)
{
}

int main(void)
{
	struct event_base *base = event_base_new();
	const struct timeval later = { 3600, 0 };
	struct event *ev = event_new(base, -1, EV_PERSIST, never, NULL);

	event_add(ev, &later);
	if (write(1, "\n", 1) != 1)
		return 1;
	return event_base_dispatch(base);
}
