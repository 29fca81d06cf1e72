/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Entry: which applet or command, and from its options to a running process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "core/log-core.h"
#include "core/process.h"

static const char prefix[] = "vhost-device-";

struct run_conf {
	char *file;
};

const struct option run_rows[] = {
	{ "file", "FILE.ini", "Instances to serve, see vhost-device(5).", NULL, OPT_PATH,
	  OPT_POSITIONAL | OPT_REQUIRED, OPT(struct run_conf, file) },
	{ NULL }
};

/* A usage error shows how it is done; everything else is one line. */
static int report(const struct doc *d, int ret, const struct error *err)
{
	if (ret != -EINVAL) {
		fprintf(stderr, "%s: %s\n", d->program, err->text);
		return EXIT_FAILED;
	}
	fprintf(stderr, "%s: error: %s\n\n", d->program, err->text);
	doc_usage(stderr, d);
	fputs("\nFor more information, try '--help'.\n", stderr);
	return EXIT_USAGE;
}

/* QEMU's convention for back ends: its schema vhost-user.json. */
static void print_capabilities(const struct device *device)
{
	const char *const *c = device->capabilities;

	fputs("{\n  \"type\": ", stdout);
	doc_json_string(stdout, device->type != NULL ? device->type : device->name);
	if (c != NULL && *c != NULL) {
		fputs(",\n  \"features\": [", stdout);
		for (; *c != NULL; c++) {
			fputs("\n    ", stdout);
			doc_json_string(stdout, *c);
			fputs(c[1] != NULL ? "," : "\n  ]", stdout);
		}
	}
	puts("\n}");
}

static void set_log(const char *program, const struct plan *plan)
{
	enum log_level level = (enum log_level)plan->process.log_level, own;
	const char *filter = getenv("RUST_LOG");
	size_t i;

	if (!plan->level_given && filter != NULL && plan->n > 0) {
		level = LOG_LEVEL_OFF;
		for (i = 0; i < plan->n; i++) {
			own = log_filter_level(filter, plan->items[i].setup.device->name,
					       (enum log_level)plan->process.log_level);
			level = own > level ? own : level;
		}
	}
	log_setup(program, level, (enum log_target)plan->process.log_target);
}

/* The row that has an item for each instance, with all that makes one. */
static const struct option *instance_row(const struct device *device)
{
	const struct option *row;

	for (row = device->options; row->type != OPT_GROUP || !(row->flags & OPT_EACH); row++)
		bug_if(row->name == NULL);
	return row;
}

/* A file of the device's own kind stands for options; 1: it was one. */
static int own_config(const struct device *device, const char *path, struct option_texts *texts,
		      struct opt_values *args, struct error *err)
{
	const struct option *row;
	char name[OPT_NAME_SIZE];
	size_t i;
	FILE *f;
	int ret;

	if (device == NULL || device->config_file == NULL || path == NULL)
		return 0;
	f = fopen(path, "re");
	if (f == NULL)
		return error_set(err, -errno, "%s: cannot be opened: %s", path, strerror(errno));
	ret = device->config_file(f, path, texts, err);
	fclose(f);
	if (ret <= 0)
		return ret;
	row = instance_row(device);
	for (i = 0; i < args->n; i++) {
		if (args->items[i].row == row || opt_excludes(args->items[i].row, row))
			return error_set(err, -EINVAL, "the argument '--config' with such a file "
					 "cannot be used with '%s'",
					 opt_describe(args->items[i].row, name));
	}
	for (i = 0; i < texts->n; i++)
		opt_values_add(args, row, texts->items[i], (struct opt_source){ path, 0 });
	return 1;
}

static void free_texts(struct option_texts *texts)
{
	while (texts->n > 0)
		free(texts->items[--texts->n]);
	free(texts->items);
}

/* Command line and file, as they were read last. */
struct configuration {
	struct process_source source;
	const struct device *device;    /* NULL: all of the file */
	const char *path;               /* NULL: no file */
	const struct opt_values *given;
	struct opt_values args;
	struct option_texts texts;
	struct conf_file file;
};

static void configuration_finish(struct configuration *c)
{
	conf_finish(&c->file);
	opt_values_finish(&c->args);
	free_texts(&c->texts);
	c->texts = (struct option_texts){ NULL, 0 };
}

/* What a plan has is its own: the former configuration may go. */
static int configuration_read(struct process_source *source, struct plan *plan, struct error *err)
{
	static const struct conf_kinds kinds = { registry_devices, socket_rows, process_rows };
	struct configuration *c = container_of(source, struct configuration, source);
	size_t i;
	int ret;

	configuration_finish(c);
	for (i = 0; i < c->given->n; i++)
		opt_values_add(&c->args, c->given->items[i].row, c->given->items[i].text,
			       c->given->items[i].source);
	ret = own_config(c->device, c->path, &c->texts, &c->args, err);
	if (ret == 0 && c->path != NULL && conf_read(c->path, &kinds, &c->file, err) < 0)
		ret = -EBADMSG;
	return ret < 0 ? ret : plan_make(plan, c->device, &c->file, &c->args, err);
}

/* device NULL: all of the file. path NULL: no file. */
static int serve(const struct doc *d, const struct device *device, const char *path,
		 const struct opt_values *args)
{
	struct configuration c = { .source.read = configuration_read, .device = device,
		.path = path, .given = args };
	struct error err = ERROR_NONE;
	struct plan plan = { .n = 0 };
	int ret = configuration_read(&c.source, &plan, &err);

	if (ret == 0) {
		set_log(d->program, &plan);
		/* No usage error any more, whatever the host answered. */
		ret = process_run(&plan, path != NULL ? &c.source : NULL, &err) < 0 ? -EIO : 0;
	}
	plan_finish(&plan);
	configuration_finish(&c);
	return ret < 0 ? report(d, ret, &err) : EXIT_DONE;
}

static int print_and_stop(const struct doc *d, const struct device *device,
			  const struct option *stop, bool brief)
{
	if (strcmp(stop->name, "help") == 0)
		doc_help(stdout, d, brief);
	else if (strcmp(stop->name, "version") == 0)
		printf("%s %s\n", d->program, VHOST_DEVICE_VERSION);
	else if (device != NULL)
		print_capabilities(device);
	return EXIT_DONE;
}

static bool has_word(int argc, char **argv, const char *word)
{
	int i;

	for (i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], word) == 0)
			return true;
	}
	return false;
}

/* -h and no --help. */
static bool is_brief(int argc, char **argv)
{
	return !has_word(argc, argv, "--help");
}

/* The last value of a row among args, or NULL. */
static const char *text_of(const struct opt_values *args, const struct option *row)
{
	size_t i;

	for (i = 0; i < args->n; i++) {
		if (args->items[i].row == row)
			return args->items[i].text;
	}
	return NULL;
}

static int run_applet(const struct device *device, int argc, char **argv)
{
	struct doc d = applet_doc(device);
	struct opt_values args = { NULL, 0 };
	const struct option *stop = NULL;
	struct error err = ERROR_NONE;
	int ret;

	if (has_word(argc, argv, "--print-capabilities")) {
		print_capabilities(device);
		return EXIT_DONE;
	}
	ret = opt_parse_args(&d.tables, argc, argv, &args, &stop, &err);
	if (ret < 0)
		ret = report(&d, ret, &err);
	else if (stop != NULL)
		ret = print_and_stop(&d, device, stop, is_brief(argc, argv));
	else
		ret = serve(&d, device, text_of(&args, opt_lookup(&d.tables, "config", 6)), &args);
	opt_values_finish(&args);
	return ret;
}

int command_run(int argc, char **argv)
{
	const struct doc d = {
		.program = "vhost-device run", .word = "run",
		.summary = "Serve every instance of a file.",
		.tables = { { run_rows, NULL, process_rows } },
	};
	struct opt_values args = { NULL, 0 };
	const struct option *stop = NULL;
	struct error err = ERROR_NONE;
	const char *path;
	int ret;

	ret = opt_parse_args(&d.tables, argc, argv, &args, &stop, &err);
	path = text_of(&args, run_rows);
	if (ret == 0 && stop == NULL && path == NULL)
		ret = error_set(&err, -EINVAL, "the following required arguments were not "
				"provided: <FILE.ini>");
	if (ret < 0)
		ret = report(&d, ret, &err);
	else if (stop != NULL)
		ret = print_and_stop(&d, NULL, stop, is_brief(argc, argv));
	else
		ret = serve(&d, NULL, path, &args);
	opt_values_finish(&args);
	return ret;
}

static int build_tool_conf(const struct tool *tool, const struct opt_values *args, void *conf,
			   struct error *err)
{
	const struct opt_layers layers = { { args } };
	int ret = opt_missing(&tool->doc.tables, &layers, err);
	unsigned i;

	for (i = 0; ret == 0 && i < OPT_TABLES; i++)
		ret = opt_build(tool->doc.tables.rows[i], conf, &layers, 0, err);
	return ret;
}

static int run_tool(const struct tool *tool, int argc, char **argv)
{
	struct opt_values args = { NULL, 0 };
	const struct option *stop = NULL;
	struct error err = ERROR_NONE;
	FREE_PTR void *conf = calloc(1, tool->conf_size);
	unsigned i;
	int ret;

	if (conf == NULL)
		return complain(EXIT_FAILED, "out of memory");
	ret = opt_parse_args(&tool->doc.tables, argc, argv, &args, &stop, &err);
	if (ret == 0 && stop == NULL)
		ret = build_tool_conf(tool, &args, conf, &err);
	if (ret == 0 && stop == NULL)
		ret = tool->run(conf, &err);
	for (i = 0; i < OPT_TABLES; i++)
		opt_finish(tool->doc.tables.rows[i], conf);
	opt_values_finish(&args);
	if (ret < 0)
		return report(&tool->doc, ret, &err);
	if (stop == NULL)
		return EXIT_DONE;
	if (strcmp(stop->name, "help") != 0)
		return print_and_stop(&tool->doc, NULL, stop, is_brief(argc, argv));
	print_tool_help(tool, is_brief(argc, argv));
	return EXIT_DONE;
}

/* Built in, and found on this machine? */
static void print_libraries(const struct device *device)
{
	const struct dl_library *const *lib = device->libraries;
	struct error err = ERROR_NONE;
	const char *found;

	for (; lib != NULL && *lib != NULL; lib++) {
		found = (*lib)->soname == NULL ? "left out"
			: dl_load(*lib, &err) == 0 ? "found" : err.text;
		printf("library %s (%s, for %s): %s\n", (*lib)->name, device->name,
		       (*lib)->purpose, found);
	}
}

static int print_features(void)
{
	size_t i;

	puts("memory: " VHOST_DEVICE_MEMORY);
	fputs("devices:", stdout);
	for (i = 0; registry_devices[i] != NULL; i++)
		printf(" %s", registry_devices[i]->name);
	fputs("\nleft out:", stdout);
	for (i = 0; registry_left_out[i].name != NULL; i++)
		printf(" %s", registry_left_out[i].name);
	fputs("\ntools:", stdout);
	for (i = 0; tools[i] != NULL; i++)
		printf(" %s", tools[i]->doc.word);
	putchar('\n');
	for (i = 0; registry_devices[i] != NULL; i++)
		print_libraries(registry_devices[i]);
	return EXIT_DONE;
}

/* A device or a tool. */
static int run_named(const char *name, int argc, char **argv)
{
	const struct device *device = registry_find(name);
	const struct tool *tool = tool_find(name);

	if (device != NULL)
		return run_applet(device, argc, argv);
	return tool != NULL ? run_tool(tool, argc, argv) : complain_unknown(name);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int run_word(int argc, char **argv)
{
	const struct command *c;

	if (argc == 0) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
		puts("vhost-device " VHOST_DEVICE_VERSION);
		return EXIT_DONE;
	}
	if (is_help(argv[0])) {
		print_usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[0], "--features") == 0)
		return print_features();
	c = command_find(argv[0]);
	if (c != NULL)
		return argc == 2 && is_help(argv[1]) ? print_command_help(c, argv[1])
			: c->run(argc - 1, argv + 1);
	return run_named(argv[0], argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";
	int code;

	if (strrchr(name, '/') != NULL)
		name = strrchr(name, '/') + 1;
	if (strncmp(name, prefix, strlen(prefix)) == 0) {
		code = run_named(name + strlen(prefix), argc - 1, argv + 1);
	} else {
		code = run_word(argc > 0 ? argc - 1 : 0, argv + 1);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "vhost-device: standard output cannot be written: %s\n",
			strerror(errno));
		return code != EXIT_DONE ? code : EXIT_FAILED;
	}
	return code;
}
