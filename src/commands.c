/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Commands: list, help, run, control, install-links, completion, man, options. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "commands.h"
#include "core/plan.h"
#include "vhost-device/fd.h"

enum { NAME_SIZE = 64, LINK_SIZE = 4096 };

static const struct doc process_doc = {
	.program = "vhost-device", .word = "COMMAND",
	.summary = "virtual devices for virtual machines",
	.tables = { { NULL, NULL, process_rows } },
};

struct doc applet_doc(const struct device *device)
{
	static char program[NAME_SIZE];

	snprintf(program, sizeof(program), "vhost-device-%s", device->name);
	return (struct doc){ program, device->name, device->summary, plan_tables(device) };
}

/* ---- complaints ---- */

int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("vhost-device: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (code == EXIT_USAGE)
		fputs("\nUsage: vhost-device COMMAND|DEVICE [OPTIONS]\n\n"
		      "For more information, try '--help'.\n", stderr);
	return code;
}

int complain_unknown(const char *name)
{
	char list[300] = "";
	size_t i, n = 0;

	if (registry_knows(name))
		return complain(EXIT_FAILED, "device '%s' is not part of this build: build with "
				"-Ddevices=%s", name, name);
	for (i = 0; registry_devices[i] != NULL && n < sizeof(list); i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? ", " : "",
				      registry_devices[i]->name);
	return complain(EXIT_USAGE, "'%.60s' is no command and no device; devices are: %s", name,
			list);
}

static int complain_word(const char *word)
{
	return complain(EXIT_USAGE, "unexpected argument '%.60s' found", word);
}

/* ---- list ---- */

static void list_json(void)
{
	const struct left_out *l;
	size_t i;
	struct doc d;

	puts("[");
	for (i = 0; registry_devices[i] != NULL; i++) {
		d = applet_doc(registry_devices[i]);
		printf("%s\t{\"name\": \"%s\", \"virtio_id\": %u, \"built\": true, \"summary\": ",
		       i > 0 ? ",\n" : "", d.word, registry_devices[i]->virtio_id);
		doc_json_string(stdout, d.summary);
		fputs(", \"options\": ", stdout);
		doc_json(stdout, &d.tables);
		fputc('}', stdout);
	}
	for (l = registry_left_out; l->name != NULL; l++) {
		printf("%s\t{\"name\": \"%s\", \"virtio_id\": %u, \"built\": false, "
		       "\"summary\": ", i++ > 0 ? ",\n" : "", l->name, l->virtio_id);
		doc_json_string(stdout, l->summary);
		fputc('}', stdout);
	}
	puts("\n]");
}

static void list_row(const char *name, unsigned id, bool built, const char *summary)
{
	char number[16] = "-";

	if (id != 0)
		snprintf(number, sizeof(number), "%u", id);
	printf("%-12s %6s  %-5s  %s\n", name, number, built ? "yes" : "no", summary);
}

static int command_list(int argc, char **argv)
{
	const struct left_out *l;
	size_t i;

	if (argc == 1 && strcmp(argv[0], "--json") == 0) {
		list_json();
		return EXIT_DONE;
	}
	if (argc > 0)
		return complain_word(argv[0]);
	puts("DEVICE       VIRTIO  BUILT  SUMMARY");
	for (i = 0; registry_devices[i] != NULL; i++)
		list_row(registry_devices[i]->name, registry_devices[i]->virtio_id, true,
			 registry_devices[i]->summary);
	for (l = registry_left_out; l->name != NULL; l++)
		list_row(l->name, l->virtio_id, false, l->summary);
	return EXIT_DONE;
}

/* ---- help ---- */

const struct tool *tool_find(const char *name)
{
	const struct tool *const *t;

	for (t = tools; *t != NULL; t++) {
		if (strcmp((*t)->doc.word, name) == 0)
			return *t;
	}
	return NULL;
}

void print_tool_help(const struct tool *tool, bool brief)
{
	struct doc_command buf;
	const struct doc_command *a;
	unsigned i;

	doc_help(stdout, &tool->doc, brief);
	if (tool->action == NULL)
		return;
	puts("\nDevices and actions:");
	for (i = 0; (a = tool->action(i, &buf)) != NULL; i++)
		printf("  %s%s%s\n          %s\n", a->name, a->args[0] != '\0' ? " " : "", a->args,
		       a->help);
}

void print_usage(FILE *out)
{
	const struct tool *const *t;
	const struct command *c;
	size_t i;

	fputs("Virtual devices for virtual machines: vhost-user back ends.\n\n"
	      "Usage: vhost-device DEVICE [OPTIONS]\n"
	      "       vhost-device COMMAND\n"
	      "       vhost-device-DEVICE [OPTIONS]\n\nCommands:\n", out);
	for (c = commands; c->doc.name != NULL; c++)
		fprintf(out, "  %s %s\n          %s\n", c->doc.name, c->doc.args, c->doc.help);
	for (t = tools; *t != NULL; t++)
		fprintf(out, "  %s ...\n          %s.\n", (*t)->doc.word, (*t)->doc.summary);
	fputs("  --version, --features\n          Print the version; what is built in.\n"
	      "\nDevices:\n", out);
	for (i = 0; registry_devices[i] != NULL; i++)
		fprintf(out, "  %-10s%s\n", registry_devices[i]->name,
			registry_devices[i]->summary);
}

const struct command *command_find(const char *name)
{
	const struct command *c;

	for (c = commands; c->doc.name != NULL; c++) {
		if (strcmp(c->doc.name, name) == 0)
			return c;
	}
	return NULL;
}

/* `run` has options and tells them itself. */
int print_command_help(const struct command *c, char *word)
{
	if (c->run == command_run)
		return c->run(1, &word);
	printf("%s\n\nUsage: vhost-device %s %s\n", c->doc.help, c->doc.name, c->doc.args);
	return EXIT_DONE;
}

static int command_help(int argc, char **argv)
{
	const struct device *device;
	char full[] = "--help";
	struct doc d;

	if (argc > 1)
		return complain_word(argv[1]);
	if (argc == 0) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	if (command_find(argv[0]) != NULL)
		return print_command_help(command_find(argv[0]), full);
	if (tool_find(argv[0]) != NULL) {
		print_tool_help(tool_find(argv[0]), false);
		return EXIT_DONE;
	}
	device = registry_find(argv[0]);
	if (device == NULL)
		return complain_unknown(argv[0]);
	d = applet_doc(device);
	doc_help(stdout, &d, false);
	return EXIT_DONE;
}

/* ---- install-links ---- */

/* An existing link that leads to the same place is fine; anything else stays as it is. */
static int install_link(const char *dir, const char *target, const char *name)
{
	char path[LINK_SIZE], there[LINK_SIZE];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/vhost-device-%s", dir, name) >= (int)sizeof(path))
		return complain(EXIT_FAILED, "%s: path is too long", dir);
	if (symlink(target, path) == 0)
		return EXIT_DONE;
	if (errno != EEXIST)
		return complain(EXIT_FAILED, "%s: cannot be made: %s", path, strerror(errno));
	n = readlink(path, there, sizeof(there) - 1);
	if (n >= 0) {
		there[n] = '\0';
		if (strcmp(there, target) == 0)
			return EXIT_DONE;
	}
	return complain(EXIT_FAILED, "%s: exists and is no link to %s: remove it first", path,
			target);
}

static int command_install_links(int argc, char **argv)
{
	char target[LINK_SIZE];
	int code = EXIT_DONE;
	ssize_t n;
	size_t i;

	if (argc != 1)
		return argc == 0 ? complain(EXIT_USAGE, "install-links: give the folder to put "
					    "the links in") : complain_word(argv[1]);
	n = readlink("/proc/self/exe", target, sizeof(target) - 1);
	if (n < 0)
		return complain(EXIT_FAILED, "/proc/self/exe: %s: mount /proc", strerror(errno));
	target[n] = '\0';
	for (i = 0; registry_devices[i] != NULL && code == EXIT_DONE; i++)
		code = install_link(argv[0], target, registry_devices[i]->name);
	for (i = 0; tools[i] != NULL && code == EXIT_DONE; i++)
		code = install_link(argv[0], target, tools[i]->doc.word);
	return code;
}

/* ---- control ---- */

static int control_send(int fd, const char *path, int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char line[512] = "";
	size_t n = 0;
	int i;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	for (i = 0; i < argc && n < sizeof(line); i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s", argv[i],
				      i + 1 < argc ? " " : "\n");
	if (n >= sizeof(line))
		return -E2BIG;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    send(fd, line, n, MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

static int command_control(int argc, char **argv)
{
	static const char bad[] = "error: ";
	CLOSE_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[4096];
	int ret, code = EXIT_DONE;
	bool first = true;
	ssize_t n;

	if (argc < 2)
		return complain(EXIT_USAGE, "control: give the socket, and what to do there: "
				"help lists it");
	ret = fd < 0 ? -errno : control_send(fd, argv[0], argc - 1, argv + 1);
	if (ret < 0)
		return complain(EXIT_FAILED, "%s: %s", argv[0], strerror(-ret));
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (first && (size_t)n >= sizeof(bad) - 1 && memcmp(buf, bad, sizeof(bad) - 1) == 0)
			code = EXIT_FAILED;
		first = false;
		fwrite(buf, 1, (size_t)n, code == EXIT_DONE ? stdout : stderr);
	}
	if (n < 0)
		return complain(EXIT_FAILED, "%s: %s", argv[0], strerror(errno));
	return code;
}

/* ---- generated texts ---- */

static int command_completion(int argc, char **argv)
{
	static const char *const shells[] = { "bash", "zsh", "fish" };
	static char programs[32][NAME_SIZE];
	struct doc_command names[16] = { { NULL, NULL, NULL } };
	struct doc docs[33] = { { .program = NULL } };
	const struct tool *const *t;
	size_t i, shell;

	for (shell = 0; shell < ARRAY_SIZE(shells); shell++) {
		if (argc == 1 && strcmp(argv[0], shells[shell]) == 0)
			break;
	}
	if (shell == ARRAY_SIZE(shells))
		return complain(EXIT_USAGE, "completion: give one of bash, zsh, fish");
	for (i = 0; commands[i].doc.name != NULL; i++)
		names[i] = commands[i].doc;
	for (i = 0; registry_devices[i] != NULL; i++) {
		bug_if(i == ARRAY_SIZE(programs));
		docs[i] = applet_doc(registry_devices[i]);
		memcpy(programs[i], docs[i].program, sizeof(programs[i]));
		docs[i].program = programs[i];
	}
	for (t = tools; *t != NULL && i < ARRAY_SIZE(programs); t++)
		docs[i++] = (*t)->doc;
	doc_completion(stdout, (enum doc_shell)shell, names, docs);
	return EXIT_DONE;
}

static const char prose_mark[] = ".\\\" prose\n";

static void man_of_process(void)
{
	const struct command *c;
	const struct left_out *l;
	size_t i;

	doc_man_head(stdout, "vhost-device", "1", process_doc.summary);
	fputs(".SH SYNOPSIS\n.B vhost-device\nDEVICE [OPTIONS]\n.br\n.B vhost-device\nCOMMAND\n"
	      ".br\n.BI vhost\\-device\\- DEVICE\n[OPTIONS]\n", stdout);
	fputs(prose_mark, stdout);
	fputs(".SH COMMANDS\n", stdout);
	for (c = commands; c->doc.name != NULL; c++) {
		fputs(".TP\n.B ", stdout);
		doc_roff(stdout, c->doc.name);
		fputc(' ', stdout);
		doc_roff(stdout, c->doc.args);
		fputc('\n', stdout);
		doc_roff(stdout, c->doc.help);
		fputc('\n', stdout);
	}
	fputs(".SH DEVICES\n", stdout);
	for (i = 0; registry_devices[i] != NULL; i++)
		printf(".TP\n.BR vhost\\-device\\-%s (1)\n%s\n", registry_devices[i]->name,
		       registry_devices[i]->summary);
	for (l = registry_left_out; l->name != NULL; l++)
		printf(".TP\n.BR vhost\\-device\\-%s (1)\n%s\n", l->name, l->summary);
	fputs(".SH OPTIONS OF EVERY DEVICE\n", stdout);
	doc_man_rows(stdout, &(struct opt_tables){ { socket_rows, process_rows, NULL } }, 0);
}

static void man_of_file(void)
{
	doc_man_head(stdout, "vhost-device", "5", "instances of vhost-device in a file");
	fputs(prose_mark, stdout);
	fputs(".SH KEYS OF EVERY SECTION\n", stdout);
	doc_man_rows(stdout, &(struct opt_tables){ { socket_rows, NULL, NULL } }, OPT_NO_FILE);
	fputs(".SH KEYS OF [COMMON] ALONE\n", stdout);
	doc_man_rows(stdout, &(struct opt_tables){ { process_rows, NULL, NULL } }, OPT_NO_FILE);
}

static void man_of_device(const struct device *device)
{
	struct doc d = applet_doc(device);

	doc_man_head(stdout, d.program, "1", d.summary);
	doc_man_synopsis(stdout, &d);
	fputs(prose_mark, stdout);
	fputs(".SH OPTIONS\n", stdout);
	doc_man_rows(stdout, &d.tables, 0);
}

static void man_of_tool(const struct tool *tool)
{
	struct doc_command buf;
	const struct doc_command *a;
	unsigned i;

	doc_man_head(stdout, tool->doc.program, "1", tool->doc.summary);
	doc_man_synopsis(stdout, &tool->doc);
	fputs(prose_mark, stdout);
	fputs(".SH OPTIONS\n", stdout);
	doc_man_rows(stdout, &tool->doc.tables, 0);
	for (i = 0; tool->action != NULL && (a = tool->action(i, &buf)) != NULL; i++) {
		fputs(i == 0 ? ".SH DEVICES AND ACTIONS\n.TP\n.B " : ".TP\n.B ", stdout);
		doc_roff(stdout, a->name);
		fputs(a->args[0] != '\0' ? " " : "", stdout);
		doc_roff(stdout, a->args);
		fputc('\n', stdout);
		doc_roff(stdout, a->help);
		fputc('\n', stdout);
	}
}

static int command_man(int argc, char **argv)
{
	const struct device *device;

	if (argc > 1)
		return complain_word(argv[1]);
	if (argc == 0) {
		man_of_process();
	} else if (strcmp(argv[0], "ini") == 0) {
		man_of_file();
	} else if (tool_find(argv[0]) != NULL) {
		man_of_tool(tool_find(argv[0]));
	} else {
		device = registry_find(argv[0]);
		if (device == NULL)
			return complain_unknown(argv[0]);
		man_of_device(device);
	}
	return EXIT_DONE;
}

static int command_options(int argc, char **argv)
{
	struct opt_tables tables = { { socket_rows, process_rows, NULL } };
	const struct device *device;

	if (argc > 1)
		return complain_word(argv[1]);
	if (argc == 1 && tool_find(argv[0]) != NULL) {
		tables = tool_find(argv[0])->doc.tables;
	} else if (argc == 1) {
		device = registry_find(argv[0]);
		if (device == NULL)
			return complain_unknown(argv[0]);
		tables = (struct opt_tables){ { device->options, NULL, NULL } };
	}
	doc_markdown(stdout, &tables);
	return EXIT_DONE;
}

const struct command commands[] = {
	{ { "run", "FILE.ini [OPTIONS]", "Serve every instance of a file, see vhost-device(5)." },
	  command_run },
	{ { "list", "[--json]", "List the devices; with --json their options too." },
	  command_list },
	{ { "help", "[NAME]", "Print the commands, or what a command, device or tool takes." },
	  command_help },
	{ { "control", "SOCKET COMMAND...", "Tell a running device something, on the socket of its "
	    "--control; the command help lists what." }, command_control },
	{ { "install-links", "DIR", "Make a link vhost-device-NAME in DIR for each device "
	    "and tool." },
	  command_install_links },
	{ { "completion", "bash|zsh|fish", "Print a completion script." }, command_completion },
	{ { "man", "[DEVICE|TOOL|ini]", "Print options as the source of a manual page." },
	  command_man },
	{ { "options", "[DEVICE|TOOL]", "Print the options of a device or tool, or of every "
	    "device, as a Markdown table." }, command_options },
	{ { NULL, NULL, NULL }, NULL }
};
