/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Named, counted, locked objects of several instances. */
#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "vhost-device/shared.h"

struct shared {
	const struct shared_type *type;
	struct shared *next;
	char *name;
	unsigned refs;
	pthread_mutex_t lock;
	alignas(max_align_t) unsigned char obj[];
};

/* Covers the list and the counts, through init() and finish(). */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *list;

static struct shared *shared_of(void *obj)
{
	return container_of(obj, struct shared, obj);
}

static void shared_free(struct shared *s)
{
	pthread_mutex_destroy(&s->lock);
	free(s->name);
	free(s);
}

static struct shared *shared_new(const struct shared_type *type, const char *name,
				 struct error *err)
{
	struct shared *s = calloc(1, sizeof(*s) + type->size);

	if (s != NULL)
		s->name = strdup(name);
	if (s == NULL || s->name == NULL) {
		error_set(err, -ENOMEM, "no memory for %s %s", type->kind, name);
		free(s);
		return NULL;
	}
	s->type = type;
	pthread_mutex_init(&s->lock, NULL);
	if (type->init != NULL && type->init(s->obj, name, err) < 0) {
		shared_free(s);
		return NULL;
	}
	s->next = list;
	list = s;
	return s;
}

void *shared_get(const struct shared_type *type, const char *name, struct error *err)
{
	struct shared *s;

	pthread_mutex_lock(&list_lock);
	for (s = list; s != NULL; s = s->next) {
		if (s->type == type && strcmp(s->name, name) == 0)
			break;
	}
	if (s == NULL)
		s = shared_new(type, name, err);
	if (s != NULL)
		s->refs++;
	pthread_mutex_unlock(&list_lock);
	return s != NULL ? s->obj : NULL;
}

void shared_put(void *obj)
{
	struct shared *s, **at;

	if (obj == NULL)
		return;
	s = shared_of(obj);
	pthread_mutex_lock(&list_lock);
	if (--s->refs == 0) {
		for (at = &list; *at != s;)
			at = &(*at)->next;
		*at = s->next;
		if (s->type->finish != NULL)
			s->type->finish(obj);
		shared_free(s);
	}
	pthread_mutex_unlock(&list_lock);
}

void shared_lock(void *obj)
{
	pthread_mutex_lock(&shared_of(obj)->lock);
}

void shared_unlock(void *obj)
{
	pthread_mutex_unlock(&shared_of(obj)->lock);
}
