/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Events on their way to the guest, in whole frames. */
#include <errno.h>
#include <stdlib.h>

#include "input.h"

int frames_init(struct frames *f, unsigned size)
{
	*f = (struct frames){ .size = size };
	f->ring = calloc(size, sizeof(*f->ring));
	return f->ring != NULL ? 0 : -ENOMEM;
}

void frames_finish(struct frames *f)
{
	free(take_ptr(f->ring));
}

static struct event *place(const struct frames *f, unsigned i)
{
	return &f->ring[(f->head + i) % f->size];
}

static bool ends_frame(const struct event *ev)
{
	return ev->type == EV_SYN && ev->code == SYN_REPORT;
}

bool frames_add(struct frames *f, const struct event *ev)
{
	bool ends = ends_frame(ev);

	/* What is empty is none of the guest's business. */
	if (ends && f->open == 0)
		return true;
	if (f->n + f->open == f->size || (f->open == INPUT_FRAME_MAX && !ends))
		return false;
	*place(f, f->n + f->open++) = *ev;
	if (ends) {
		f->n += f->open;
		f->open = 0;
	}
	return true;
}

unsigned frames_first(const struct frames *f)
{
	unsigned i;

	for (i = 0; i < f->n; i++) {
		if (ends_frame(place(f, i)))
			return i + 1;
	}
	return 0;
}

const struct event *frames_at(const struct frames *f, unsigned i)
{
	return place(f, i);
}

void frames_take(struct frames *f, unsigned n)
{
	f->begun = !ends_frame(place(f, n - 1));
	f->head = (f->head + n) % f->size;
	f->n -= n;
}

void frames_clear(struct frames *f)
{
	f->n = f->begun ? frames_first(f) : 0;
	f->open = 0;
}

void frames_reset(struct frames *f)
{
	f->n = f->open = 0;
	f->begun = false;
}
