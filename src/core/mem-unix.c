/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Guest memory as shared mappings of the files that the front end sent, and
 * the guard against files that shrink afterwards.
 *
 * The guard: touching a page that its file has lost raises SIGBUS in the
 * touching thread. The handler finds the mapping in a list that only ever
 * grows (entries are reused, never freed, so it needs no lock), puts zero
 * pages over all of it and marks it dead. The access is then repeated and
 * reads zeros; the queue engine sees the mark at its next pop or publication.
 * System calls into such memory fail with EFAULT and raise nothing. A fault
 * elsewhere goes to whoever had the signal before.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/mem-priv.h"

struct mem_guard {
	struct mem_guard *next;         /* fixed once the entry is in the list */
	uintptr_t base;                 /* 0: free */
	size_t length;
	unsigned dead;
};

static struct mem_guard *guards;
static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;  /* writers of the list */
static struct sigaction previous;

static struct mem_guard *guard_take(void *base, size_t length)
{
	struct mem_guard *g;

	pthread_mutex_lock(&guard_lock);
	for (g = guards; g != NULL && g->base != 0; g = g->next)
		;
	if (g == NULL) {
		g = calloc(1, sizeof(*g));
		if (g != NULL) {
			g->next = guards;
			__atomic_store_n(&guards, g, __ATOMIC_RELEASE);
		}
	}
	if (g != NULL) {
		__atomic_store_n(&g->dead, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&g->length, length, __ATOMIC_RELAXED);
		__atomic_store_n(&g->base, (uintptr_t)base, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&guard_lock);
	return g;
}

static void guard_put(struct mem_guard *g)
{
	pthread_mutex_lock(&guard_lock);
	__atomic_store_n(&g->base, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&guard_lock);
}

/* Async-signal-safe: plain loads, and mmap(), which is a bare system call. */
static bool guard_cover(uintptr_t addr)
{
	struct mem_guard *g;
	uintptr_t base;
	size_t length;

	for (g = __atomic_load_n(&guards, __ATOMIC_ACQUIRE); g != NULL; g = g->next) {
		base = __atomic_load_n(&g->base, __ATOMIC_ACQUIRE);
		length = __atomic_load_n(&g->length, __ATOMIC_RELAXED);
		if (base == 0 || addr - base >= length)
			continue;
		/* Not of two owners, when another thread has just passed the entry on. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&g->base, __ATOMIC_RELAXED) != base)
			continue;
		if (mmap((void *)base, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
			 -1, 0) == MAP_FAILED)
			return false;
		__atomic_store_n(&g->dead, 1, __ATOMIC_RELEASE);
		__atomic_add_fetch(&mem_deaths, 1, __ATOMIC_RELEASE);
		return true;
	}
	return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	bool ours = info->si_code > 0 && info->si_code != BUS_MCEERR_AO &&
		guard_cover((uintptr_t)info->si_addr);

	errno = saved;
	if (ours)
		return;
	if ((previous.sa_flags & SA_SIGINFO) != 0) {
		previous.sa_sigaction(sig, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(sig);
	} else {
		/* Back in the faulting instruction the signal comes again; one sent needs help. */
		previous.sa_handler = SIG_DFL;
		sigaction(sig, &previous, NULL);
		if (info->si_code <= 0)
			raise(sig);
	}
}

int mem_guard_install(struct error *err)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus };

	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &previous) < 0)
		return error_set(err, -errno, "memory guard: %s", strerror(errno));
	return 0;
}

bool mem_mapping_dead(const struct mem_mapping *m)
{
	return __atomic_load_n(&m->guard->dead, __ATOMIC_RELAXED) != 0;
}

int mem_file_look(const struct mem_region *r, struct mem_file *ret_file, struct error *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), block;
	struct statx st;

	/* What the kernel knows: whoever serves the file might not answer. */
	if (statx(r->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0)
		return error_set(err, -errno, "memory region at 0x%" PRIx64 ": %s", r->guest,
				 strerror(errno));
	if (!S_ISREG(st.stx_mode))
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64
				 ": its descriptor is not a memory file", r->guest);
	if (!range_fits(r->offset, r->size, st.stx_size))
		return error_set(err, -EINVAL, "memory region at 0x%" PRIx64 ": 0x%" PRIx64
				 " bytes from offset 0x%" PRIx64 " exceed the file's 0x%" PRIx64,
				 r->guest, r->size, r->offset, (uint64_t)st.stx_size);
	/* Of a file of huge pages, the block size is the page size that mappings must keep. */
	block = st.stx_blksize;
	*ret_file = (struct mem_file){
		.device = makedev(st.stx_dev_major, st.stx_dev_minor), .inode = st.stx_ino,
		.offset = r->offset, .size = r->size,
		.align = block > page && (block & (block - 1)) == 0 ? block : page,
	};
	return 0;
}

bool mem_file_same(const struct mem_file *a, const struct mem_file *b)
{
	return a->device == b->device && a->inode == b->inode && a->offset == b->offset &&
		a->size == b->size;
}

struct mem_mapping *mem_mapping_new(const struct mem_region *r, const struct mem_file *file,
				    struct error *err)
{
	uint64_t inside = file->offset & (file->align - 1), length;
	struct mem_mapping *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		error_set(err, -ENOMEM, "memory region at 0x%" PRIx64 ": out of memory", r->guest);
		return NULL;
	}
	length = (file->size + inside + file->align - 1) & ~(file->align - 1);
	errno = ENOMEM;
	m->base = length > SIZE_MAX ? MAP_FAILED :
		mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		     r->fd, (off_t)(file->offset - inside));
	if (m->base == MAP_FAILED) {
		error_set(err, -errno, "memory region at 0x%" PRIx64 " of 0x%" PRIx64
			  " bytes: cannot map: %s", r->guest, r->size, strerror(errno));
		free(m);
		return NULL;
	}
	m->guard = guard_take(m->base, (size_t)length);
	if (m->guard == NULL) {
		error_set(err, -ENOMEM, "memory region at 0x%" PRIx64 ": out of memory", r->guest);
		munmap(m->base, (size_t)length);
		free(m);
		return NULL;
	}
	/* The guest's secrets do not belong into our core file. */
	madvise(m->base, (size_t)length, MADV_DONTDUMP);
	m->refs = 1;
	m->length = (size_t)length;
	m->file = *file;
	m->host = (uint8_t *)m->base + inside;
	return m;
}

void mem_mapping_free(struct mem_mapping *m)
{
	guard_put(m->guard);
	munmap(m->base, m->length);
	free(m);
}
