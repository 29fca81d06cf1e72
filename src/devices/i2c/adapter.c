/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The adapters that are open, each once, each with its worker. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct adapter *adapters;

/* Takes a new one; an equal one that is there already wins. */
static struct adapter *share(struct adapter *a)
{
	struct adapter *other, *ret = a;

	a->refs = 1;
	pthread_mutex_lock(&lock);
	for (other = adapters; other != NULL && strcmp(other->key, a->key) != 0;)
		other = other->next;
	if (other != NULL) {
		other->refs++;
		ret = other;
	} else {
		a->next = adapters;
		adapters = a;
	}
	pthread_mutex_unlock(&lock);
	if (ret != a) {
		worker_put(a->worker);
		a->ops->free(a);
	}
	return ret;
}

struct adapter *adapter_get(struct instance *in, const struct list_bus *bus,
			    const struct adapter_tuning *tuning, struct error *err)
{
	struct adapter *a;

	a = bus->kind == BUS_SIM ? sim_new(bus, err) : host_new(in, bus, tuning, err);
	if (a == NULL)
		return NULL;
	/* One thread: a bus does one thing at a time. */
	a->worker = worker_get(a->key, 1, err);
	if (a->worker == NULL) {
		a->ops->free(a);
		return NULL;
	}
	return share(a);
}

void adapter_ref(struct adapter *a)
{
	pthread_mutex_lock(&lock);
	a->refs++;
	pthread_mutex_unlock(&lock);
}

void adapter_put(struct adapter *a)
{
	struct adapter **at = &adapters;
	bool last;

	if (a == NULL)
		return;
	pthread_mutex_lock(&lock);
	last = --a->refs == 0;
	if (last) {
		while (*at != a)
			at = &(*at)->next;
		*at = a->next;
	}
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	worker_put(a->worker);
	a->ops->free(a);
}
