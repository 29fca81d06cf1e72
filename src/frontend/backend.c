/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Requests of the back end, on a socket pair of their own. They are served
 * whenever this thread waits for anything, so that neither end can lock the
 * other out.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "fe-priv.h"
#include "vhost-device/fd.h"

enum { SERVED_AT_ONCE = 64 };

void fe_close_backend_channel(struct fe *fe)
{
	fd_close(&fe->backend_fd);
}

/* In-band notifications are counted per queue; they carry no more than that. */
static bool count_inband(struct fe *fe, const struct fe_message *m)
{
	struct vu_vring_state state;

	if (m->hdr.size != sizeof(state))
		return false;
	memcpy(&state, m->body, sizeof(state));
	if (state.index >= ARRAY_SIZE(fe->inband_calls))
		return false;
	if (m->hdr.request == VU_BACKEND_VRING_CALL)
		fe->inband_calls[state.index]++;
	else
		fe->inband_errs[state.index]++;
	return true;
}

static uint64_t judge(struct fe *fe, struct fe_message *m)
{
	if (m->hdr.request == VU_BACKEND_VRING_CALL || m->hdr.request == VU_BACKEND_VRING_ERR)
		return count_inband(fe, m) ? 0 : 1;
	return fe->backend_fn != NULL ? fe->backend_fn(fe->backend_ctx, m) : 0;
}

static int check_backend_request(const struct fe *fe, const struct fe_message *m,
				 struct error *err)
{
	const uint32_t known = VU_VERSION_MASK | VU_NEED_REPLY;

	if ((m->hdr.flags & VU_VERSION_MASK) != VU_VERSION || (m->hdr.flags & ~known) != 0)
		return error_set(err, -EPROTO, "%s of the back end has flags 0x%x",
				 fe_backend_request_name(m->hdr.request), m->hdr.flags);
	if ((m->hdr.flags & VU_NEED_REPLY) && !fe_has_protocol(fe, VU_PF_REPLY_ACK))
		return error_set(err, -EPROTO, "%s of the back end wants an answer without "
				 "REPLY_ACK", fe_backend_request_name(m->hdr.request));
	return 0;
}

static int serve_one(struct fe *fe, uint64_t deadline, struct error *err)
{
	struct fe_message m;
	struct vu_header hdr;
	uint64_t verdict;
	const struct iovec iov[2] = {
		{ &hdr, sizeof(hdr) }, { &verdict, sizeof(verdict) },
	};
	int ret = fe_read_message(fe, fe->backend_fd, &m, deadline, err);

	if (ret == 0)
		ret = check_backend_request(fe, &m, err);
	if (ret == 0) {
		if (m.hdr.request < ARRAY_SIZE(fe->backend_seen))
			fe->backend_seen[m.hdr.request]++;
		verdict = judge(fe, &m);
		if (m.hdr.flags & VU_NEED_REPLY) {
			hdr = (struct vu_header){ m.hdr.request, VU_VERSION | VU_REPLY,
				sizeof(verdict) };
			ret = fe_write_all(fe, fe->backend_fd, iov, NULL, 0, deadline, err);
		}
		fe_message_finish(&m);
	}
	if (ret < 0) {
		error_prefix(err, "back end channel: ");
		fe_close_backend_channel(fe);
	}
	return ret;
}

/*
 * The channel may be hung up (a back end may close it at any time); then it
 * is only closed here. Anything else that goes wrong on it is an error.
 */
static int serve(struct fe *fe, uint64_t deadline, struct error *err)
{
	int ret;

	fe->serving = true;
	ret = serve_one(fe, deadline, err);
	fe->serving = false;
	return ret == -ECONNRESET ? 0 : ret;
}

int fe_wait_fd(struct fe *fe, int fd, short events, uint64_t deadline, struct error *err)
{
	struct pollfd p[2];
	int ret;

	for (;;) {
		p[0] = (struct pollfd){ .fd = fd, .events = events };
		p[1] = (struct pollfd){ .fd = fe->serving ? -1 : fe->backend_fd,
			.events = POLLIN };
		ret = poll(p, 2, (int)fe_left_ms(deadline));
		if (ret < 0 && errno != EINTR)
			return error_set(err, -errno, "poll: %s", strerror(errno));
		if (ret > 0 && p[1].revents != 0) {
			ret = serve(fe, deadline, err);
			if (ret < 0)
				return ret;
		}
		if (p[0].revents != 0)
			return 0;
		if (fe_left_ms(deadline) == 0)
			return error_set(err, -ETIMEDOUT, "the back end did not answer in time");
	}
}

int fe_open_backend_channel(struct fe *fe, fe_backend_fn *fn, void *ctx, struct error *err)
{
	CLOSE_FD int ours = -1;
	CLOSE_FD int theirs = -1;
	int pair[2], ret;

	if (!fe_has_protocol(fe, VU_PF_BACKEND_REQ))
		return error_set(err, -EOPNOTSUPP, "BACKEND_REQ was not negotiated");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, -errno, "socketpair: %s", strerror(errno));
	ours = pair[0];
	theirs = pair[1];
	fe_close_backend_channel(fe);
	fe->backend_fn = fn;
	fe->backend_ctx = ctx;
	fe->backend_fd = take_fd(&ours);
	ret = fe_request(fe, VU_SET_BACKEND_REQ_FD, NULL, 0, &theirs, 1, NULL, err);
	if (ret < 0)
		fe_close_backend_channel(fe);
	return ret;
}

int fe_backend_fd(const struct fe *fe)
{
	return fe->backend_fd;
}

int fe_serve_backend(struct fe *fe, unsigned timeout_ms, struct error *err)
{
	uint64_t deadline = fe_now_ms() + timeout_ms;
	struct pollfd p = { .fd = fe->backend_fd, .events = POLLIN };
	int served = 0, ret;

	/* A back end that asks without end may not keep the caller here. */
	while (fe->backend_fd >= 0 && served < SERVED_AT_ONCE &&
	       poll(&p, 1, served ? 0 : (int)fe_left_ms(deadline)) > 0) {
		ret = serve(fe, fe_deadline(fe), err);
		if (ret < 0)
			return ret;
		if (fe->backend_fd >= 0)
			served++;
	}
	return served;
}

unsigned fe_backend_seen(const struct fe *fe, unsigned request)
{
	return request < ARRAY_SIZE(fe->backend_seen) ? fe->backend_seen[request] : 0;
}

unsigned fe_inband_calls(const struct fe *fe, unsigned index)
{
	return index < ARRAY_SIZE(fe->inband_calls) ? fe->inband_calls[index] : 0;
}

unsigned fe_inband_errs(const struct fe *fe, unsigned index)
{
	return index < ARRAY_SIZE(fe->inband_errs) ? fe->inband_errs[index] : 0;
}
