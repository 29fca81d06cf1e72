/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Optional libraries: compiled against their headers, opened when a device
 * needs one, so that the executable starts without any of them.
 *
 * A device keeps the functions it uses in a struct of pointers, typed by the
 * header itself, in the order of one list:
 *
 *   #define FOO_SYMBOLS(X) X(foo_open) X(foo_close)
 *   static struct { FOO_SYMBOLS(DL_MEMBER) } foo;
 *   static const char *const foo_names[] = { FOO_SYMBOLS(DL_NAME) NULL };
 */
#ifndef VHOST_DEVICE_DL_H
#define VHOST_DEVICE_DL_H

#include "vhost-device/error.h"

struct dl_library {
	const char *name;               /* "libgpiod" */
	const char *soname;             /* exact: "libgpiod.so.3"; NULL: not built */
	const char *purpose;            /* "GPIO chips of the host" */
	const char *const *symbols;     /* NULL-ended */
	void *table;                    /* a pointer for each of them */
};

#define DL_MEMBER(symbol) __typeof__(&symbol) symbol;
#define DL_NAME(symbol) #symbol,

/*
 * All symbols or none. 0, or -ENOSYS (left out of this build), -ELIBACC (not
 * installed) or -ELIBBAD (it lacks a symbol) with err set. It stays loaded;
 * more calls cost little.
 */
int dl_load(const struct dl_library *lib, struct error *err);

/*
 * Tells packagers what may be opened: an ELF note in the form that systemd's
 * package metadata specification gives; json is a string constant.
 */
#define DL_NOTE(name_, json) \
	extern const struct dl_note_##name_ { \
		uint32_t owner_size, text_size, type; \
		char owner[4], text[(sizeof(json) + 3) & ~3u]; \
	} dl_note_##name_; \
	__attribute__((used, visibility("hidden"), section(".note.dlopen"), aligned(4))) \
	const struct dl_note_##name_ dl_note_##name_ = { \
		4, sizeof(json), 0x407c0c0a, "FDO", json }

#endif
