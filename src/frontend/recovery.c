/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What outlives a back end or a host: in-flight buffers, and the log of dirty pages. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fe-priv.h"
#include "vhost-device/fd.h"

static int need(const struct fe *fe, unsigned bit, struct error *err)
{
	if (fe_has_protocol(fe, bit))
		return 0;
	return error_set(err, -EOPNOTSUPP, "%s was not negotiated", fe_protocol_feature_name(bit));
}

/* Whoever maps what is announced must not be killed by what the file lacks. */
static int check_file(int fd, const struct vu_inflight *i, struct error *err)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -EPROTO, "GET_INFLIGHT_FD was answered without a file");
	if (!range_fits(i->mmap_offset, i->mmap_size, (uint64_t)st.st_size))
		return error_set(err, -EPROTO, "the back end announced an in-flight buffer of %llu "
				 "bytes at %llu in a file of %llu",
				 (unsigned long long)i->mmap_size,
				 (unsigned long long)i->mmap_offset,
				 (unsigned long long)st.st_size);
	return 0;
}

int fe_get_inflight(struct fe *fe, unsigned queues, unsigned queue_size,
		    struct vu_inflight *ret_inflight, int *ret_fd, struct error *err)
{
	struct vu_inflight i = { .num_queues = (uint16_t)queues,
		.queue_size = (uint16_t)queue_size };
	struct fe_message m;
	int ret = need(fe, VU_PF_INFLIGHT_SHMFD, err);

	if (ret == 0)
		ret = fe_request(fe, VU_GET_INFLIGHT_FD, &i, sizeof(i), NULL, 0, &m, err);
	if (ret < 0)
		return ret;
	if (m.hdr.size != sizeof(i) || m.n_fds > 1) {
		error_set(err, -EPROTO, "GET_INFLIGHT_FD was answered with %u bytes and %u "
			  "descriptors, not %zu and one", m.hdr.size, m.n_fds, sizeof(i));
		fe_message_finish(&m);
		return fe_lose(fe, -EPROTO);
	}
	memcpy(&i, m.body, sizeof(i));
	if (i.mmap_size == 0)
		ret = error_set(err, -EREMOTEIO, "the back end refused GET_INFLIGHT_FD");
	else
		ret = check_file(m.n_fds > 0 ? m.fds[0] : -1, &i, err);
	if (ret == 0) {
		*ret_inflight = i;
		*ret_fd = fe_message_take_fd(&m, 0);
	}
	fe_message_finish(&m);
	return ret;
}

int fe_set_inflight(struct fe *fe, const struct vu_inflight *inflight, int fd, struct error *err)
{
	int ret = need(fe, VU_PF_INFLIGHT_SHMFD, err);

	if (ret < 0)
		return ret;
	return fe_request(fe, VU_SET_INFLIGHT_FD, inflight, sizeof(*inflight), &fd, 1, NULL, err);
}

/* With LOG_SHMFD there is always a reply; back ends disagree about what is in it. */
int fe_set_log_base(struct fe *fe, uint64_t size, uint64_t offset, int fd, struct error *err)
{
	const struct vu_log log = { size, offset };
	struct fe_message m;
	int ret = need(fe, VU_PF_LOG_SHMFD, err);

	if (ret == 0)
		ret = fe_request(fe, VU_SET_LOG_BASE, &log, sizeof(log), &fd, 1, &m, err);
	if (ret == 0)
		fe_message_finish(&m);
	return ret;
}

int fe_set_log_fd(struct fe *fe, int fd, struct error *err)
{
	return fe_request(fe, VU_SET_LOG_FD, NULL, 0, &fd, 1, NULL, err);
}
