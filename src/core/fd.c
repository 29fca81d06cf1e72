/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* File descriptors: one owner each, close-on-exec. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost-device/fd.h"

void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void cleanup_close(int *fd)
{
	fd_close(fd);
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_memfd(const char *name, uint64_t size)
{
	CLOSE_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return take_fd(&fd);
}

int fd_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int fd_signal(int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	do {
		n = write(fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	/* EAGAIN: the counter is full, so the other end will look anyway. */
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

int fd_signal_socket(int fd)
{
	static const uint64_t one = 1;
	ssize_t n;

	do {
		n = send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN ? -errno : 0;
}

bool fd_is_unix_socket(int fd, int type)
{
	socklen_t len = sizeof(int);
	int domain, is;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &len) == 0 && (type == 0 || is == type);
}

bool fd_is_other_end(int fd, int sock)
{
	const struct sockaddr any = { .sa_family = AF_UNIX };
	struct sockaddr_un own, peer;
	socklen_t n_own = sizeof(own), n_peer = sizeof(peer);

	if (!fd_is_unix_socket(fd, 0) ||
	    getpeername(sock, (struct sockaddr *)&peer, &n_peer) < 0)
		return false;
	if (n_peer == sizeof(peer.sun_family)) {
		/* The kernel chooses a name that nobody has ("autobind", unix(7)). */
		if (bind(fd, &any, sizeof(any.sa_family)) < 0)
			return false;
		n_peer = sizeof(peer);
		if (getpeername(sock, (struct sockaddr *)&peer, &n_peer) < 0)
			return false;
	}
	return getsockname(fd, (struct sockaddr *)&own, &n_own) == 0 && n_own == n_peer &&
		n_own > sizeof(own.sun_family) &&
		memcmp(&own, &peer, n_own < sizeof(own) ? n_own : sizeof(own)) == 0;
}
