/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Sockets that front ends come through.
 *
 * A listening socket accepts from the first listener_next() on and never
 * stops, so that no client finds it closed or its backlog full of dead
 * connections. What it accepts waits in one of a few slots:
 *
 *   free --accept--> silent --first byte--> ready --listener_next()--> handed out
 *                    silent|ready --hang-up--> free
 *
 * A byte takes the session at once when one is wanted. A new connection that
 * finds no free slot pushes out the oldest silent one; while all are ready it
 * stays in the backlog.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/listen.h"
#include "vhost-device/fd.h"
#include "vhost-device/log.h"
#include "vhost-device/num.h"

enum {
	SLOTS = 8,
	BACKLOG = 128,
	ACCEPTS_A_TURN = 64,
	FIRST_DELAY_MS = 100,
	LONGEST_DELAY_MS = 2000,
	LOCK_TRIES = 50,
	LOCK_PAUSE_MS = 10,
	FIRST_PASSED_FD = 3,            /* of the service manager */
	NS_PER_MS = 1000 * 1000,
};

enum slot_state { SLOT_FREE, SLOT_SILENT, SLOT_READY };

struct slot {
	struct io io;
	struct listener *ln;
	enum slot_state state;
	int fd;
	uint64_t since;                 /* order in which slots came to this state */
};

struct listener {
	struct loop *loop;
	struct endpoint ep;
	char *name;
	listener_cb *cb;
	listener_end_cb *end;
	void *ctx;

	bool wanted;                    /* listener_next() was called, nothing handed out yet */
	bool ours;                      /* the path names this inode: */
	dev_t dev;
	ino_t ino;

	struct io accept;
	struct slot slots[SLOTS];
	uint64_t clock;                 /* of slot.since */

	struct turn_end deliver;
	struct timer retry;
	unsigned delay_ms;
	uint64_t connected_at;
	bool told;                      /* said that the front end is not there */
	struct log_limit limit;
};

/* Names. */

static int path_address(const char *path, struct sockaddr_un *ret_sa, struct error *err)
{
	size_t len = strlen(path);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (len == 0)
		return error_set(err, -EINVAL, "socket path is empty");
	if (len >= sizeof(sa.sun_path))
		return error_set(err, -ENAMETOOLONG,
				 "socket %s: path has %zu bytes, a socket can have %zu: "
				 "use a shorter one", path, len, sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, len);
	*ret_sa = sa;
	return 0;
}

static const char *remedy(int code)
{
	switch (code) {
	case -ENOENT:
		return ": create its folder first";
	case -EACCES:
	case -EPERM:
		return ": use a folder that this user may write to";
	case -EROFS:
		return ": use a folder that is writable";
	case -ENOTDIR:
		return ": a part of the path is no folder";
	default:
		return "";
	}
}

static int path_error(struct error *err, int code, const char *path, const char *what)
{
	return error_set(err, code, "socket %s: %s: %s%s", path, what, strerror(-code),
			 remedy(code));
}

static int unix_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* A connected socket, or a negative errno. */
static int unix_connect(const struct sockaddr_un *sa)
{
	CLOSE_FD int fd = unix_socket();

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

/*
 * Whoever tests and replaces a stale socket holds the lock of its folder:
 * otherwise two that start together could both find it stale, and the second
 * one remove the live socket of the first. It is held for moments only. -1
 * where a folder cannot be locked.
 */
static int folder_lock(const char *path)
{
	const char *slash = strrchr(path, '/');
	FREE_PTR char *folder = slash == NULL ? strdup(".") :
		strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned i;

	for (i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && i < LOCK_TRIES; i++)
		poll(NULL, 0, LOCK_PAUSE_MS);
	return fd;
}

/* Make the path free, unless it is anything but a socket that nobody serves. */
static int clear_stale(const char *path, const struct sockaddr_un *sa, struct error *err)
{
	CLOSE_FD int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : path_error(err, -errno, path, "cannot be examined");
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "socket %s: exists and is not a socket: "
				 "remove it or use another path", path);
	fd = unix_connect(sa);
	if (fd >= 0 || fd == -EAGAIN)
		return error_set(err, -EADDRINUSE, "socket %s: another process listens there: "
				 "stop it or use another path", path);
	if (fd != -ECONNREFUSED)
		return path_error(err, fd, path, "exists and cannot be tested");
	if (unlink(path) < 0)
		return path_error(err, -errno, path, "old socket cannot be removed");
	return 0;
}

/* Not for others before group and mode are what they shall be. */
static int bind_private(struct listener *ln, int fd, const struct sockaddr_un *sa,
			struct error *err)
{
	const struct endpoint *ep = &ln->ep;
	bool restricted = ep->mode >= 0 || ep->group >= 0;
	struct stat st;

	if (restricted)
		fchmod(fd, S_IRUSR | S_IWUSR);
	if (bind(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0)
		return path_error(err, -errno, ep->path, "cannot be created");
	if (lstat(ep->path, &st) < 0)
		return path_error(err, -errno, ep->path, "cannot be examined");
	ln->dev = st.st_dev;
	ln->ino = st.st_ino;
	ln->ours = true;
	if (ep->group >= 0 && lchown(ep->path, (uid_t)-1, (gid_t)ep->group) < 0)
		return path_error(err, -errno, ep->path, "cannot be given to the group");
	if (restricted && chmod(ep->path, ep->mode >= 0 ? (mode_t)ep->mode :
				S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) < 0)
		return path_error(err, -errno, ep->path, "mode cannot be set");
	return 0;
}

static void remove_own(struct listener *ln)
{
	struct stat st;

	if (ln->ours && lstat(ln->ep.path, &st) == 0 && st.st_dev == ln->dev &&
	    st.st_ino == ln->ino)
		unlink(ln->ep.path);
	ln->ours = false;
}

static int listen_on_path(struct listener *ln, struct error *err)
{
	const char *path = ln->ep.path;
	CLOSE_FD int fd = unix_socket(), lock = -1;
	struct sockaddr_un sa;
	int ret = path_address(path, &sa, err);

	if (ret < 0)
		return ret;
	if (fd < 0)
		return path_error(err, fd, path, "cannot make a socket");
	lock = folder_lock(path);
	ret = clear_stale(path, &sa, err);
	if (ret == 0)
		ret = bind_private(ln, fd, &sa, err);
	if (ret == 0 && listen(fd, BACKLOG) < 0)
		ret = path_error(err, -errno, path, "cannot listen");
	if (ret < 0) {
		remove_own(ln);
		return ret;
	}
	ln->ep.fd = take_fd(&fd);
	return 0;
}

/* Slots. */

static void slot_free(struct slot *s)
{
	io_finish(&s->io);
	fd_close(&s->fd);
	s->state = SLOT_FREE;
}

static struct slot *slot_oldest(struct listener *ln, enum slot_state state)
{
	struct slot *oldest = NULL, *s;

	for (s = ln->slots; s < ln->slots + SLOTS; s++) {
		if (s->state == state && (oldest == NULL || s->since < oldest->since))
			oldest = s;
	}
	return oldest;
}

/* What became of a silent connection. */
static void slot_look(struct slot *s)
{
	char byte;
	ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0) {
		s->state = SLOT_READY;
		s->since = ++s->ln->clock;
		io_set(&s->io, IO_HUP);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		slot_free(s);
	}
}

/* Only one that is silent even now may be pushed out. */
static bool have_room(struct listener *ln)
{
	struct slot *s;

	if (slot_oldest(ln, SLOT_FREE) != NULL)
		return true;
	for (s = ln->slots; s < ln->slots + SLOTS; s++) {
		if (s->state == SLOT_SILENT)
			slot_look(s);
	}
	return slot_oldest(ln, SLOT_FREE) != NULL || slot_oldest(ln, SLOT_SILENT) != NULL;
}

static void watch_accept(struct listener *ln)
{
	io_set(&ln->accept, have_room(ln) ? IO_READ : 0);
}

/* Who only shut down its sending side may still want an answer to what it sent. */
static bool slot_left(const struct slot *s)
{
	struct pollfd p = { .fd = s->fd };

	return poll(&p, 1, 0) > 0;
}

/* The last thing its callers do: cb may free the listener. */
static void hand_out(struct listener *ln)
{
	struct slot *s = slot_oldest(ln, SLOT_READY);
	int fd = -1;

	while (ln->wanted && s != NULL && fd < 0) {
		if (!slot_left(s))
			fd = take_fd(&s->fd);
		slot_free(s);
		s = slot_oldest(ln, SLOT_READY);
	}
	watch_accept(ln);
	if (fd < 0)
		return;
	ln->wanted = false;
	ln->cb(ln->ctx, fd);
}

static void slot_event(struct io *io, unsigned ready)
{
	struct slot *s = container_of(io, struct slot, io);

	if (slot_left(s))
		slot_free(s);
	else if (s->state == SLOT_SILENT)
		slot_look(s);
	hand_out(s->ln);
}

static void slot_fill(struct listener *ln, int fd)
{
	struct slot *s = slot_oldest(ln, SLOT_FREE);

	if (s == NULL) {
		s = slot_oldest(ln, SLOT_SILENT);
		slot_free(s);
	}
	s->fd = fd;
	s->ln = ln;
	s->state = SLOT_SILENT;
	s->since = ++ln->clock;
	io_init(&s->io, ln->loop, fd, slot_event);
	if (io_set(&s->io, IO_READ) < 0)
		slot_free(s);
	else
		slot_look(s);
}

/* Out of fds or memory: the connection stays in the backlog, so look again later only. */
static void accept_pause(struct listener *ln, int code)
{
	struct slot *silent = slot_oldest(ln, SLOT_SILENT);

	log_limited(&ln->limit, LOG_LEVEL_WARN, NULL, "%s: cannot accept a connection: %s",
		    ln->name, strerror(code));
	if (silent != NULL)
		slot_free(silent);
	io_set(&ln->accept, 0);
	timer_set(&ln->retry, loop_now(ln->loop) + (uint64_t)FIRST_DELAY_MS * NS_PER_MS);
}

static void accept_ready(struct io *io, unsigned ready)
{
	struct listener *ln = container_of(io, struct listener, accept);
	unsigned i;
	int fd;

	for (i = 0; i < ACCEPTS_A_TURN && have_room(ln); i++) {
		fd = accept4(ln->ep.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			slot_fill(ln, fd);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			accept_pause(ln, errno);
			return;
		}
	}
	hand_out(ln);
}

/* Clients of a front end that listens. */

static void client_wait(struct listener *ln)
{
	ln->delay_ms = ln->delay_ms == 0 ? FIRST_DELAY_MS : 2 * ln->delay_ms;
	if (ln->delay_ms > LONGEST_DELAY_MS)
		ln->delay_ms = LONGEST_DELAY_MS;
	timer_set(&ln->retry, loop_now(ln->loop) + (uint64_t)ln->delay_ms * NS_PER_MS);
}

static void client_connect(struct listener *ln)
{
	struct sockaddr_un sa;
	int fd = path_address(ln->ep.path, &sa, NULL);

	if (fd == 0)
		fd = unix_connect(&sa);
	if (fd < 0) {
		if (!ln->told)
			log_info(NULL, "%s: front end is not there yet: %s", ln->name,
				 strerror(-fd));
		ln->told = true;
		client_wait(ln);
		return;
	}
	ln->told = false;
	ln->connected_at = loop_now(ln->loop);
	ln->wanted = false;
	ln->cb(ln->ctx, fd);
}

/* A front end that hangs up at once is not asked again at once. */
static void client_next(struct listener *ln)
{
	uint64_t lasted = loop_now(ln->loop) - ln->connected_at;

	if (ln->connected_at == 0 || lasted >= (uint64_t)LONGEST_DELAY_MS * NS_PER_MS) {
		ln->delay_ms = 0;
		client_connect(ln);
		return;
	}
	client_wait(ln);
}

static void retry_fired(struct timer *t)
{
	struct listener *ln = container_of(t, struct listener, retry);

	if (ln->ep.kind == ENDPOINT_CLIENT)
		client_connect(ln);
	else
		watch_accept(ln);
}

/* The listener. */

static void deliver(struct turn_end *t)
{
	struct listener *ln = container_of(t, struct listener, deliver);

	if (!ln->wanted)
		return;
	switch (ln->ep.kind) {
	case ENDPOINT_CLIENT:
		client_next(ln);
		return;
	case ENDPOINT_CONNECTED_FD:
		ln->wanted = false;
		if (ln->ep.fd >= 0)
			ln->cb(ln->ctx, take_fd(&ln->ep.fd));
		else if (ln->end != NULL)
			ln->end(ln->ctx);
		return;
	default:
		hand_out(ln);
	}
}

void listener_next(struct listener *ln)
{
	ln->wanted = true;
	loop_next_turn(ln->loop, &ln->deliver);
}

static int listener_open(struct listener *ln, struct error *err)
{
	struct sockaddr_un sa;
	int ret;

	switch (ln->ep.kind) {
	case ENDPOINT_PATH:
		return listen_on_path(ln, err);
	case ENDPOINT_CLIENT:
		return path_address(ln->ep.path, &sa, err);
	default:
		ret = fd_set_nonblock(ln->ep.fd);
		return ret == 0 ? 0 : error_set(err, ret, "fd %d: %s", ln->ep.fd, strerror(-ret));
	}
}

static int listener_set_name(struct listener *ln)
{
	const char *kind = ln->ep.kind == ENDPOINT_CLIENT ? "front end" : "socket";
	int n;

	if (ln->ep.path != NULL)
		n = asprintf(&ln->name, "%s %s", kind, ln->ep.path);
	else
		n = asprintf(&ln->name, "fd %d", ln->ep.fd);
	if (n < 0)
		ln->name = NULL;
	return n < 0 ? -ENOMEM : 0;
}

struct listener *listener_new(struct loop *l, struct endpoint *ep, listener_cb *cb,
			      listener_end_cb *end, void *ctx, struct error *err)
{
	struct listener *ln = calloc(1, sizeof(*ln));
	unsigned i;

	if (ln == NULL) {
		error_memory(err);
		return NULL;
	}
	ln->loop = l;
	ln->ep = *ep;
	ln->cb = cb;
	ln->end = end;
	ln->ctx = ctx;
	ln->deliver.fn = deliver;
	for (i = 0; i < SLOTS; i++)
		ln->slots[i].fd = -1;
	timer_init(&ln->retry, l, retry_fired);
	if (listener_set_name(ln) < 0) {
		error_memory(err);
		goto fail;
	}
	if (listener_open(ln, err) < 0)
		goto fail;
	io_init(&ln->accept, l, ln->ep.fd, accept_ready);
	ep->path = NULL;
	ep->fd = -1;
	return ln;
fail:
	free(ln->name);
	free(ln);
	return NULL;
}

void listener_free(struct listener *ln)
{
	unsigned i;

	if (ln == NULL)
		return;
	loop_forget_turn_end(ln->loop, &ln->deliver);
	timer_finish(&ln->retry);
	io_finish(&ln->accept);
	for (i = 0; i < SLOTS; i++)
		slot_free(&ln->slots[i]);
	remove_own(ln);
	endpoint_finish(&ln->ep);
	free(ln->name);
	free(ln);
}

const char *listener_describe(const struct listener *ln)
{
	return ln->name;
}

/* Fds from outside. */

static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno : value;
}

int endpoint_from_fd(int fd, struct endpoint *ret_ep, struct error *err)
{
	int domain = socket_option(fd, SO_DOMAIN), listens = socket_option(fd, SO_ACCEPTCONN);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	if (domain == -EBADF)
		return error_set(err, domain, "fd %d: is not open: pass it with the process", fd);
	if (domain != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM)
		return error_set(err, -ENOTSOCK, "fd %d: is not a Unix stream socket", fd);
	if (listens == 0 && getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return error_set(err, -ENOTCONN, "fd %d: socket neither listens nor is connected",
				 fd);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret_ep = (struct endpoint){ .fd = fd, .mode = -1, .group = -1,
		.kind = listens > 0 ? ENDPOINT_LISTEN_FD : ENDPOINT_CONNECTED_FD };
	return 0;
}

void endpoint_finish(struct endpoint *ep)
{
	if (ep == NULL)
		return;
	free(take_ptr(ep->path));
	fd_close(&ep->fd);
}

/* As many names as fds, or none at all. */
static int copy_names(const char *names, unsigned n, char **ret_names, struct error *err)
{
	unsigned n_names = 1;
	const char *p;

	*ret_names = NULL;
	if (names == NULL || n == 0)
		return 0;
	for (p = names; *p != '\0'; p++)
		n_names += *p == ':';
	if (n_names != n)
		return error_set(err, -EINVAL, "LISTEN_FDNAMES=%s: names %u sockets of %u", names,
				 n_names, n);
	*ret_names = strdup(names);
	return *ret_names != NULL ? 0 : error_memory(err);
}

static int take_passed(unsigned n, int **ret_fds, struct error *err)
{
	int *fds = calloc(n + 1U, sizeof(*fds));
	unsigned i;

	if (fds == NULL)
		return error_memory(err);
	for (i = 0; i < n; i++) {
		fds[i] = FIRST_PASSED_FD + (int)i;
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) == 0)
			continue;
		free(fds);
		return error_set(err, -EBADF, "LISTEN_FDS=%u: fd %d is not open", n,
				 FIRST_PASSED_FD + (int)i);
	}
	*ret_fds = fds;
	return 0;
}

int listen_fds(int **ret_fds, unsigned *ret_n, char **ret_names, struct error *err)
{
	const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	FREE_PTR char *names = NULL;
	uint64_t pid = 0, n = 0;
	int ret = 0;

	/* Those of another process were inherited by accident. */
	if (pid_text == NULL || n_text == NULL ||
	    num_parse(pid_text, 1, INT32_MAX, &pid) < 0 || pid != (uint64_t)getpid())
		n = 0;
	else
		ret = num_parse(n_text, 0, INT16_MAX, &n);
	if (ret < 0)
		return error_set(err, ret, "LISTEN_FDS=%s: is not a number of fds", n_text);
	ret = copy_names(getenv("LISTEN_FDNAMES"), (unsigned)n, &names, err);
	if (ret == 0)
		ret = take_passed((unsigned)n, ret_fds, err);
	if (ret < 0)
		return ret;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	*ret_n = (unsigned)n;
	*ret_names = take_ptr(names);
	return 0;
}

/* The service manager's datagram protocol; '@' stands for the abstract namespace. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa;
	CLOSE_FD int fd = -1;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    path_address(path, &sa, NULL) < 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					 strlen(path))) < 0)
		log_warn(NULL, "service manager %s: cannot be told: %s", path, strerror(errno));
}

void notify_ready(int ready_fd)
{
	static const char line[] = "READY=1\n";

	notify("READY=1");
	if (ready_fd >= 0 && write(ready_fd, line, sizeof(line) - 1) < 0)
		log_warn(NULL, "ready fd %d: %s", ready_fd, strerror(errno));
}

void notify_stopping(void)
{
	notify("STOPPING=1");
}
