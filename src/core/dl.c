/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Optional libraries, loaded as a whole or not at all. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "vhost-device/dl.h"

/* Instances may open on several loops. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The last pointer is stored last. */
static bool is_loaded(const struct dl_library *lib, size_t n)
{
	void *const *table = lib->table;

	return table[n - 1] != NULL;
}

static int load(const struct dl_library *lib, size_t n, struct error *err)
{
	void **table = lib->table, *handle;
	size_t i;

	handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (handle == NULL)
		return error_set(err, -ELIBACC, "%s cannot be loaded: %s: install %s",
				 lib->soname, dlerror(), lib->name);
	for (i = 0; i < n; i++) {
		if (dlsym(handle, lib->symbols[i]) == NULL) {
			dlclose(handle);
			return error_set(err, -ELIBBAD, "%s lacks %s: install a newer %s",
					 lib->soname, lib->symbols[i], lib->name);
		}
	}
	for (i = 0; i < n; i++)
		table[i] = dlsym(handle, lib->symbols[i]);
	return 0;
}

int dl_load(const struct dl_library *lib, struct error *err)
{
	size_t n = 0;
	int ret = 0;

	if (lib->soname == NULL)
		return error_set(err, -ENOSYS, "this vhost-device is built without %s",
				 lib->name);
	while (lib->symbols[n] != NULL)
		n++;
	bug_if(n == 0);
	pthread_mutex_lock(&lock);
	if (!is_loaded(lib, n))
		ret = load(lib, n, err);
	pthread_mutex_unlock(&lock);
	return ret;
}
