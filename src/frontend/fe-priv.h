/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What the files of the front end share. */
#ifndef FRONTEND_FE_PRIV_H
#define FRONTEND_FE_PRIV_H

#include <sys/uio.h>

#include "vhost-device/error.h"
#include "vhost-frontend/frontend.h"

struct fe {
	int fd;
	unsigned timeout_ms;
	uint64_t until;                 /* end of all calls together, 0: none */
	bool lost;                      /* the stream cannot be trusted any more */
	bool want_acks;
	unsigned sent;
	uint32_t last;                  /* request sent last, for messages */

	uint64_t offered, acked, protocol_offered, protocol;
	unsigned queue_num, mem_slots;

	int backend_fd;
	bool serving;                   /* inside the back end's handler */
	fe_backend_fn *backend_fn;
	void *backend_ctx;
	unsigned backend_seen[VU_BACKEND_SHMEM_UNMAP + 1];
	unsigned inband_calls[VU_VRING_INDEX_MASK + 1];
	unsigned inband_errs[VU_VRING_INDEX_MASK + 1];
};

/* Monotonic milliseconds, and what is left until then (0: over). */
uint64_t fe_now_ms(void);
unsigned fe_left_ms(uint64_t deadline);
uint64_t fe_deadline(const struct fe *fe);

/* conn.c: a socket that is not ours alone to trust; all bounded by the deadline. */
int fe_write_all(struct fe *fe, int fd, const struct iovec *iov, const int *fds, unsigned n_fds,
		 uint64_t deadline, struct error *err);
int fe_read_message(struct fe *fe, int fd, struct fe_message *m, uint64_t deadline,
		    struct error *err);
int fe_lose(struct fe *fe, int code);

/*
 * backend.c: wait for fd, serving the back end's requests meanwhile, since a
 * back end may wait for us while we wait for it. 0, -ETIMEDOUT or worse.
 */
int fe_wait_fd(struct fe *fe, int fd, short events, uint64_t deadline, struct error *err);

#endif
