/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A user of the installed library: nothing but its headers, standard C and POSIX. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vhost-frontend/ring.h>

static const uint64_t offer = 1ULL << VIRTIO_F_VERSION_1;

static int fail(const char *what, const struct error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->text);
	return 1;
}

/* The back end's half of a negotiation without protocol features. */
static int answer(int fd)
{
	struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION | VU_REPLY, sizeof(offer) };

	return write(fd, &hdr, sizeof(hdr)) == (ssize_t)sizeof(hdr) &&
		write(fd, &offer, sizeof(offer)) == (ssize_t)sizeof(offer) ? 0 : -1;
}

static int use_ring(struct error *err)
{
	const struct fe_mem_spec spec = { .guest = 0x10000, .size = 0x10000 };
	const struct fe_ring_setup setup = { .size = 16, .features = offer };
	struct fe_mem *mem = fe_mem_new();
	struct fe_ring *ring = NULL;
	const struct fe_seg seg = { 0x18000, 64 };
	int ret = -ENOMEM;

	if (mem != NULL)
		ret = fe_mem_add(mem, &spec, err);
	if (ret == 0)
		ret = fe_ring_new(mem, &setup, &ring, err);
	if (ret == 0)
		ret = fe_ring_add(ring, &seg, 0, 1, 0, NULL);
	if (ret == 0 && fe_ring_outstanding(ring) != 1)
		ret = -EINVAL;
	fe_ring_free(ring);
	fe_mem_free(mem);
	return ret;
}

int main(void)
{
	struct error err = ERROR_NONE;
	struct fe *fe;
	int pair[2];

	if (fe_connect("/nobody/listens/here", 0, &fe, &err) != -ENOENT || err.text[0] == '\0')
		return fail("connect", &err);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || answer(pair[1]) < 0)
		return fail("socketpair", &err);
	if (fe_adopt(pair[0], 1000, &fe, &err) < 0 || fe_negotiate(fe, 0, &err) < 0)
		return fail("negotiate", &err);
	if (fe_offered(fe) != offer || fe_sent(fe) != 2)
		return fail("offer", &err);
	fe_free(fe);
	close(pair[1]);
	if (use_ring(&err) < 0)
		return fail("ring", &err);
	puts(fe_request_name(VU_GET_FEATURES));
	return 0;
}
