/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A folder with one socket path, and the clients of whoever listens there. */
#ifndef TESTS_SOCKETS_H
#define TESTS_SOCKETS_H

#include <stdbool.h>
#include <sys/un.h>

struct place {
	char folder[64], path[80];
};

extern struct place place;

/* Makes the folder; its path does not exist yet. */
void place_make(void);
/* Removes what stands at the path, if anything does; the folder must then be empty. */
void place_remove(void);
struct sockaddr_un place_address(void);

/* A connected non-blocking fd, or -errno. */
int client_try(void);
int client_connect(void);
/* A socket at the path, as another program would leave or hold it. */
int foreign_socket(int type, bool listens);

/* The peer has closed fd, and there is nothing left to read. */
bool hung_up(int fd);
unsigned open_fds(void);

#endif
