/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

struct place place;

void place_make(void)
{
	snprintf(place.folder, sizeof(place.folder), "/tmp/test-place-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(place.folder));
	snprintf(place.path, sizeof(place.path), "%s/sock", place.folder);
}

void place_remove(void)
{
	unlink(place.path);
	ck_assert_int_eq(rmdir(place.folder), 0);
}

struct sockaddr_un place_address(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memcpy(sa.sun_path, place.path, strlen(place.path));
	return sa;
}

int client_try(void)
{
	struct sockaddr_un sa = place_address();
	int ret, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int client_connect(void)
{
	int fd = client_try();

	ck_assert_int_ge(fd, 0);
	return fd;
}

int foreign_socket(int type, bool listens)
{
	struct sockaddr_un sa = place_address();
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	if (listens)
		ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

bool hung_up(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}
