/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The executable under test. */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 40, STEP_MS = 2 };

static const char *executable(void)
{
	const char *path = getenv("VHOST_DEVICE");

	if (path == NULL) {
		fprintf(stderr, "VHOST_DEVICE does not name the executable under test\n");
		exit(2);
	}
	return path;
}

/* "vhost-device-rng" serves rng only; NULL: every device. */
static const char *only_device(void)
{
	const char *path = executable();
	const char *name = strrchr(path, '/');

	name = name != NULL ? name + 1 : path;
	return strncmp(name, "vhost-device-", 13) == 0 ? name + 13 : NULL;
}

/* The columns of `list`: name, virtio id, built. */
static bool listed(const char *device)
{
	char command[512], line[256], name[64], built[8];
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "'%s' list", executable());
	f = popen(command, "r");
	if (f == NULL)
		return false;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%63s %*s %7s", name, built) == 2 &&
		    strcmp(name, device) == 0 && strcmp(built, "yes") == 0)
			found = true;
	}
	pclose(f);
	return found;
}

bool server_has(const char *device)
{
	const char *only = only_device();

	return only != NULL ? strcmp(only, device) == 0 : listed(device);
}

int server_skip(const char *device)
{
	printf("1..0 # SKIP the executable has no %s\n", device);
	return 0;
}

/* As it is, however long, or in buf. */
static char *expand(const struct server *s, const char *word, char *buf, size_t n)
{
	if (word[0] != '@')
		return (char *)(uintptr_t)word;
	snprintf(buf, n, "%s/%s", s->dir, word + 1);
	return buf;
}

const char *server_path(const struct server *s, const char *name)
{
	static char path[4][320];
	static unsigned next;
	char *buf = path[next++ % 4];

	snprintf(buf, sizeof(path[0]), "%s/%s", s->dir, name);
	return buf;
}

/* Not an assertion: servers may be started outside of tests. */
static void give_up(const char *what)
{
	perror(what);
	exit(2);
}

static void make_dir(struct server *s)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/vhost-device-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		give_up(s->dir);
}

/* In the child. Its log goes to a file, so that a quiet run stays quiet. */
static void become(const struct server *s, char **argv)
{
	int log = open(server_path(s, "log"), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log >= 0) {
		dup2(log, 1);
		dup2(log, 2);
	}
	execvp(argv[0], argv);
	_exit(127);
}

static void remember(struct server *s);

static void launch(struct server *s, const char *const *words)
{
	static char text[MAX_ARGS][256];
	const char *wrapper = getenv("VHOST_DEVICE_WRAPPER");
	char *argv[MAX_ARGS + 1], *save = NULL, *word;
	static char before[256];
	unsigned n = 0;

	snprintf(before, sizeof(before), "%s", wrapper != NULL ? wrapper : "");
	for (word = strtok_r(before, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	for (; *words != NULL && n < MAX_ARGS; words++) {
		argv[n] = expand(s, *words, text[n], sizeof(text[n]));
		n++;
	}
	argv[n] = NULL;
	remember(s);
	s->pid = fork();
	if (s->pid < 0)
		give_up("fork");
	if (s->pid == 0)
		become(s, argv);
}

void server_start(struct server *s, const char *device, const char *const *args)
{
	const char *words[MAX_ARGS];
	unsigned n = 0;

	make_dir(s);
	words[n++] = executable();
	if (only_device() == NULL)
		words[n++] = device;
	while (*args != NULL && n + 1 < MAX_ARGS)
		words[n++] = *args++;
	words[n] = NULL;
	launch(s, words);
}

void server_start_ini(struct server *s, const char *ini)
{
	const char *words[] = { executable(), "run", "@run.ini", NULL };
	FILE *f;

	make_dir(s);
	f = fopen(server_path(s, "run.ini"), "w");
	if (f == NULL)
		give_up("run.ini");
	for (; *ini != '\0'; ini++) {
		if (*ini == '@')
			fprintf(f, "%s/", s->dir);
		else
			fputc(*ini, f);
	}
	fclose(f);
	launch(s, words);
}

static void pause_ms(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}

/* The status, or -1 after the time. */
static int await_end(struct server *s, unsigned ms)
{
	int status;

	for (;; pause_ms(STEP_MS)) {
		if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
			s->pid = 0;
			return status;
		}
		if (ms < STEP_MS)
			return -1;
		ms -= STEP_MS;
	}
}

/* Not by waitpid(): a test may be a child of the server's parent. */
bool server_lives(const struct server *s)
{
	char path[64], line[256] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)s->pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	state = fgets(line, sizeof(line), f) != NULL ? strrchr(line, ')') : NULL;
	fclose(f);
	return state != NULL && state[2] != 'Z' && state[2] != 'X';
}

/* Everything in the folder; the sockets among it are counted. */
static unsigned remove_files(const struct server *s)
{
	DIR *d = opendir(s->dir);
	struct dirent *e;
	unsigned sockets = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		sockets += e->d_type == DT_SOCK;
		unlink(server_path(s, e->d_name));
	}
	if (d != NULL)
		closedir(d);
	rmdir(s->dir);
	return sockets;
}

static void show_log(const struct server *s)
{
	FILE *f = fopen(server_path(s, "log"), "r");
	char line[1024];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		fprintf(stderr, "# %s", line);
	if (f != NULL)
		fclose(f);
}

static void destroy(struct server *s)
{
	if (s->pid > 0) {
		show_log(s);
		kill(s->pid, SIGKILL);
		await_end(s, SERVER_MS);
		s->pid = 0;
	}
	if (s->dir[0] != '\0')
		remove_files(s);
	s->dir[0] = '\0';
}

/* A failed test leaves by exit(), and so does a forked test whose parent owns the server. */
static struct server *current;
static pid_t owner;

static void destroy_current(void)
{
	if (current != NULL && owner == getpid())
		destroy(current);
}

static void remember(struct server *s)
{
	static bool registered;

	if (!registered)
		atexit(destroy_current);
	registered = true;
	current = s;
	owner = getpid();
}

void server_clean_up(struct server *s)
{
	if (s->pid > 0)
		server_stop(s);
	destroy(s);
}

bool server_end(struct server *s, char *ret_why, size_t n)
{
	bool lived = server_lives(s);
	unsigned sockets;
	int status;

	kill(s->pid, SIGTERM);
	status = await_end(s, SERVER_MS);
	if (status != 0)
		show_log(s);
	if (!lived)
		snprintf(ret_why, n, "the server was dead already, with status 0x%x", status);
	else if (status < 0)
		snprintf(ret_why, n, "the server does not end on SIGTERM");
	else
		snprintf(ret_why, n, "the server ended with status 0x%x", status);
	if (status < 0)
		return false;
	sockets = remove_files(s);
	s->dir[0] = '\0';
	if (lived && status == 0 && sockets > 0 && only_device() == NULL) {
		snprintf(ret_why, n, "the server left %u sockets behind", sockets);
		return false;
	}
	return lived && status == 0;
}

void server_stop(struct server *s)
{
	char why[100];

	ck_assert_msg(server_end(s, why, sizeof(why)), "%s", why);
}

/* -- What the kernel knows of it ------------------------------------------- */

static unsigned count_entries(const struct server *s, const char *what)
{
	char path[64];
	unsigned n = 0;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)s->pid, what);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}

unsigned server_fds(const struct server *s)
{
	return count_entries(s, "fd");
}

unsigned server_threads(const struct server *s)
{
	return count_entries(s, "task");
}

static FILE *open_proc(const struct server *s, const char *what)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)s->pid, what);
	f = fopen(path, "r");
	if (f == NULL)
		give_up(path);
	return f;
}

unsigned server_mappings(const struct server *s)
{
	FILE *f = open_proc(s, "maps");
	unsigned n = 0;
	int c;

	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

unsigned server_private(const struct server *s)
{
	FILE *f = open_proc(s, "smaps_rollup");
	unsigned sum = 0, kb;
	char line[256];

	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Private_Clean: %u", &kb) == 1 ||
		    sscanf(line, "Private_Dirty: %u", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum;
}

unsigned server_cpu(const struct server *s)
{
	FILE *f = open_proc(s, "stat");
	unsigned long user = 0, system = 0;
	char line[1024] = "", *at;

	if (fgets(line, sizeof(line), f) != NULL) {
		at = strrchr(line, ')');
		if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
					 "%lu %lu", &user, &system) != 2)
			give_up("/proc/PID/stat");
	}
	fclose(f);
	return (unsigned)((user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

unsigned server_await_fds(const struct server *s, unsigned want)
{
	unsigned n = server_fds(s), ms;

	for (ms = 0; ms < SERVER_MS && n != want; ms += STEP_MS) {
		pause_ms(STEP_MS);
		n = server_fds(s);
	}
	return n;
}
