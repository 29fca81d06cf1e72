/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The option engine on the grammars it has to carry: those of rng, gpio, can,
 * gpu, scmi, scsi and vsock, written down here as fixtures.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/opt.h"
#include "suite.h"

/* ---- fixtures ---- */

struct common_conf {
	char *socket_path;
	struct opt_list fds;
	uint32_t count;
	uint16_t queue_size;
	bool help, once;
	unsigned level;
};

static const char *const no_path[] = { "socket-fd", NULL };
static const char *const socket_alias[] = { "socket", NULL };
static const char *const levels[] = { "off", "error", "warn|warning", NULL };

static const struct option common_rows[] = {
	{ "socket-path", "PATH", "Where to listen.", NULL, OPT_PATH, OPT_REQUIRED, .brief = 's',
	  .aliases = socket_alias, .excludes = no_path, OPT(struct common_conf, socket_path) },
	{ "socket-fd", "FD", "Inherited socket.", NULL, OPT_UINT, OPT_LIST, .max = 1023,
	  OPT_ITEMS(struct common_conf, fds, uint32_t) },
	{ "socket-count", "N", "Guests.", "1", OPT_UINT, .brief = 'c', .min = 1,
	  OPT(struct common_conf, count) },
	{ "queue-size", "N", "Ring limit.", NULL, OPT_UINT, .min = 1, .max = 32768,
	  OPT(struct common_conf, queue_size) },
	{ "log-level", "LEVEL", "What to say.", "error", OPT_CHOICE, .words = levels,
	  OPT(struct common_conf, level) },
	{ "once", NULL, "One session.", NULL, OPT_FLAG, OPT(struct common_conf, once) },
	{ "help", NULL, "This text.", NULL, OPT_FLAG, OPT_STOP | OPT_NO_FILE, .brief = 'h',
	  OPT(struct common_conf, help) },
	{ NULL }
};

struct rng_conf {
	uint64_t max_bytes;
	uint32_t period;
	char *source;
};

static const struct option rng_rows[] = {
	{ "period", "MS", "Period.", "65536", OPT_UINT, .brief = 'p', .min = 1, .max = 65536,
	  OPT(struct rng_conf, period) },
	{ "max-bytes", "N", "Quota.", "18446744073709551615", OPT_UINT, .brief = 'm',
	  OPT(struct rng_conf, max_bytes) },
	{ "rng-source", "PATH", "File.", "/dev/urandom", OPT_PATH, .brief = 'f',
	  OPT(struct rng_conf, source) },
	{ NULL }
};

struct gpio_conf {
	char *chip;
	char *label;
};

static const struct option gpio_rows[] = {
	{ "device-list", "N[:N]...", "Chips.", NULL, OPT_STRING, OPT_EACH | OPT_REQUIRED,
	  .brief = 'l', .sep = ':', OPT(struct gpio_conf, chip) },
	{ "labels", "NAME...", "Labels.", NULL, OPT_STRING, OPT_EACH | OPT_LIST, .sep = ' ',
	  OPT(struct gpio_conf, label) },
	{ NULL }
};

struct gpu_conf {
	struct opt_list capsets;
	unsigned mode;
	bool egl, glx;
};

static const char *const modes[] = { "virglrenderer|virgl-renderer", "gfxstream", "null", NULL };
static const char *const capsets[] = { "virgl", "virgl2", NULL };

static const struct option gpu_rows[] = {
	{ "gpu-mode", "MODE", "Renderer.", NULL, OPT_CHOICE, OPT_REQUIRED, .brief = 'g',
	  .words = modes, OPT(struct gpu_conf, mode) },
	{ "capset", "SET", "Sets.", NULL, OPT_CHOICE, OPT_LIST, .brief = 'c', .sep = ',',
	  .words = capsets, OPT_ITEMS(struct gpu_conf, capsets, unsigned) },
	{ "use-egl", "BOOL", "EGL.", "true", OPT_BOOL, OPT(struct gpu_conf, egl) },
	{ "use-glx", "BOOL", "GLX.", "false", OPT_BOOL, OPT(struct gpu_conf, glx) },
	{ NULL }
};

struct scmi_item {
	char *id, *name;
	uint32_t channel;
	bool slow;
};

static const struct option scmi_sub[] = {
	{ "id", "ID", "Kind.", NULL, OPT_STRING, OPT_POSITIONAL | OPT_REQUIRED,
	  OPT(struct scmi_item, id) },
	{ "name", "NAME", "Name.", "sensor", OPT_STRING, OPT(struct scmi_item, name) },
	{ "channel", "N", "Channel.", NULL, OPT_UINT, OPT(struct scmi_item, channel) },
	{ "slow", NULL, "Slow.", NULL, OPT_FLAG, OPT(struct scmi_item, slow) },
	{ NULL }
};

struct scmi_conf {
	struct opt_list devices;
	bool help_devices;
};

static const struct option scmi_rows[] = {
	{ "device", "DEVICE", "Sensors.", NULL, OPT_GROUP, OPT_LIST | OPT_MANY, .brief = 'd',
	  .sub = scmi_sub, OPT_ITEMS(struct scmi_conf, devices, struct scmi_item) },
	{ "help-devices", NULL, "List.", NULL, OPT_FLAG, OPT_STOP,
	  OPT(struct scmi_conf, help_devices) },
	{ NULL }
};

struct scsi_conf {
	struct opt_list images;
	bool read_only, solid;
};

static const struct option scsi_rows[] = {
	{ "images", "IMAGES", "Images.", NULL, OPT_PATH, OPT_LIST | OPT_POSITIONAL,
	  OPT_ITEMS(struct scsi_conf, images, char *) },
	{ "read-only", NULL, "Protect.", NULL, OPT_FLAG, .brief = 'r',
	  OPT(struct scsi_conf, read_only) },
	{ "solid-state", NULL, "Fast.", NULL, OPT_FLAG, .brief = 'x',
	  OPT(struct scsi_conf, solid) },
	{ NULL }
};

struct vsock_conf {
	uint64_t cid;
	char *uds;
	struct opt_list groups;
	uint32_t forward;
};

static const char *const not_vm[] = { "vm", NULL };
static const char *const not_uds[] = { "uds-path", NULL };
static const char *const cid_alias[] = { "guest_cid", NULL };

#define VSOCK_KEYS(alone) \
	{ "guest-cid", "CID", "Address.", "3", OPT_UINT, .aliases = cid_alias, \
	  .excludes = (alone), OPT(struct vsock_conf, cid) }, \
	{ "uds-path", "PATH", "Host side.", NULL, OPT_PATH, OPT_REQUIRED, .excludes = (alone), \
	  OPT(struct vsock_conf, uds) }, \
	{ "groups", "NAMES", "Groups.", "default", OPT_STRING, OPT_LIST, .sep = '+', \
	  .excludes = (alone), OPT_ITEMS(struct vsock_conf, groups, char *) }

static const struct option vsock_sub[] = {
	VSOCK_KEYS(NULL),
	{ NULL }
};

static const struct option vsock_rows[] = {
	VSOCK_KEYS(not_vm),
	{ "forward-cid", "CID", "Host side.", NULL, OPT_UINT, .excludes = not_uds,
	  OPT(struct vsock_conf, forward) },
	{ "vm", "KEY=VALUE,...", "One guest.", NULL, OPT_GROUP, OPT_EACH | OPT_LIST,
	  .sub = vsock_sub, .offset = 0, .size = offsetof(struct vsock_conf, forward) },
	{ NULL }
};

/* ---- one command line through parser and builder ---- */

enum { WORDS_MAX = 16 };

struct run {
	struct opt_tables tables;
	struct opt_values values;
	struct opt_layers layers;
	const struct option *stop;
	struct error err;
	struct common_conf common;
	union {
		struct rng_conf rng;
		struct gpio_conf gpio;
		struct gpu_conf gpu;
		struct scmi_conf scmi;
		struct scsi_conf scsi;
		struct vsock_conf vsock;
	} conf;
	char line[400], *argv[WORDS_MAX + 1];
	int argc;
};

static struct run r;

static void split_line(const char *line)
{
	char *p;

	snprintf(r.line, sizeof(r.line), "%s", line);
	r.argc = 0;
	for (p = strtok(r.line, " "); p != NULL; p = strtok(NULL, " ")) {
		ck_assert_int_lt(r.argc, WORDS_MAX);
		r.argv[r.argc++] = strcmp(p, "EMPTY") == 0 ? p + strlen(p) : p;
	}
}

static int build(unsigned index)
{
	int ret;

	opt_finish(r.tables.rows[0], &r.conf);
	opt_finish(common_rows, &r.common);
	ret = opt_build(r.tables.rows[0], &r.conf, &r.layers, index, &r.err);
	if (ret == 0)
		ret = opt_build(common_rows, &r.common, &r.layers, index, &r.err);
	return ret;
}

static void tear_down(void)
{
	opt_finish(r.tables.rows[0], &r.conf);
	opt_finish(common_rows, &r.common);
	opt_values_finish(&r.values);
	memset(&r, 0, sizeof(r));
}

/* Words apart by one blank; EMPTY is an empty word. Everything up to "missing". */
static int run(const struct option *rows, const char *line)
{
	int ret;

	tear_down();
	r.tables = (struct opt_tables){ { rows, common_rows, NULL } };
	r.layers.of[3] = &r.values;
	split_line(line);
	ret = opt_parse_args(&r.tables, r.argc, r.argv, &r.values, &r.stop, &r.err);
	if (ret < 0 || r.stop != NULL)
		return ret;
	ret = build(0);
	return ret < 0 ? ret : opt_missing(&r.tables, &r.layers, &r.err);
}

static void run_ok(const struct option *rows, const char *line)
{
	int ret = run(rows, line);

	ck_assert_msg(ret == 0, "%s: %s", line, r.err.text);
}

static void run_fails(const struct option *rows, const char *line, int code, const char *part)
{
	int ret = run(rows, line);

	ck_assert_msg(ret == code && strstr(r.err.text, part) != NULL,
		      "%s: code %d, text: %s", line, ret, r.err.text);
}

/* ---- spelling ---- */

static const char *const spellings[] = {
	"--socket-path=rr", "--socket-path rr", "-s rr", "-srr", "-s=rr", "--socket=rr",
	"--socket rr",
};

START_TEST(all_spellings_are_equal)
{
	run_ok(rng_rows, spellings[_i]);
	ck_assert_str_eq(r.common.socket_path, "rr");
	ck_assert_uint_eq(r.conf.rng.period, 65536);
	ck_assert_uint_eq(r.conf.rng.max_bytes, UINT64_MAX);
	ck_assert_str_eq(r.conf.rng.source, "/dev/urandom");
	ck_assert_uint_eq(r.common.count, 1);
	ck_assert_uint_eq(r.common.level, 1);
}
END_TEST

START_TEST(order_is_free_and_last_letters_take_values)
{
	run_ok(rng_rows, "-m+0512 -s=a=b -p1000 --socket-count=4 -f - --once");
	ck_assert_str_eq(r.common.socket_path, "a=b");
	ck_assert_uint_eq(r.conf.rng.max_bytes, 512);
	ck_assert_uint_eq(r.conf.rng.period, 1000);
	ck_assert_uint_eq(r.common.count, 4);
	ck_assert_str_eq(r.conf.rng.source, "-");
	ck_assert(r.common.once);
	run_ok(rng_rows, "-s== --rng-source=-x");
	ck_assert_str_eq(r.common.socket_path, "=");
	ck_assert_str_eq(r.conf.rng.source, "-x");
}
END_TEST

static const struct {
	const struct option *rows;
	const char *line;
	int code;
	const char *part;
} refused[] = {
	/* no abbreviation, but a hint */
	{ rng_rows, "--socket-p x", -EINVAL,
	  "unexpected argument '--socket-p' found (tip: a similar argument exists: "
	  "'--socket-path')" },
	{ rng_rows, "--perod=5 -s x", -EINVAL, "'--period'" },
	{ rng_rows, "--zzzzzz -s x", -EINVAL, "unexpected argument '--zzzzzz' found" },
	{ rng_rows, "-z -s x", -EINVAL, "unexpected argument '-z' found" },
	{ rng_rows, "-s x word", -EINVAL, "unexpected argument 'word' found" },
	{ rng_rows, "-s x -- --once", -EINVAL, "unexpected argument '--once' found" },
	{ rng_rows, "-s x -", -EINVAL, "unexpected argument '-' found" },
	/* a value is there, once, and attached when it begins with '-' */
	{ rng_rows, "-s x --period", -EINVAL,
	  "a value is required for '--period <MS>' but none was supplied" },
	{ rng_rows, "--period -5 -s x", -EINVAL, "'--period=-5'" },
	{ rng_rows, "--period -- -s x", -EINVAL, "a value is required for '--period <MS>'" },
	{ rng_rows, "-s x -s y", -EINVAL,
	  "the argument '--socket-path <PATH>' cannot be used multiple times" },
	{ rng_rows, "-s x --socket=y", -EINVAL, "cannot be used multiple times" },
	{ rng_rows, "-s x --once --once", -EINVAL, "'--once' cannot be used multiple times" },
	{ rng_rows, "-s x --once=1", -EINVAL, "unexpected value '1' for '--once' found" },
	{ scsi_rows, "-s x -r=1", -EINVAL, "unexpected value '1' for '--read-only' found" },
	{ scsi_rows, "-s x -rz", -EINVAL, "unexpected argument '-z' found" },
	{ scsi_rows, "-s x --images=a", -EINVAL, "unexpected argument '--images=a'" },
	/* missing */
	{ rng_rows, "", -EINVAL,
	  "the following required arguments were not provided: --socket-path <PATH>" },
	{ gpu_rows, "", -EINVAL, "--gpu-mode <MODE>, --socket-path <PATH>" },
	/* values: no such value is a usage error, an unfit one is not */
	{ rng_rows, "-s EMPTY", -EINVAL, "invalid value '' for '--socket-path <PATH>'" },
	{ rng_rows, "-s x -p EMPTY", -EINVAL, "not a decimal number" },
	{ rng_rows, "-s x -p 0x10", -EINVAL, "not a decimal number" },
	{ rng_rows, "-s x -p 10k", -EINVAL, "not a decimal number" },
	{ rng_rows, "-s x -p=-1", -EINVAL, "invalid value '-1' for '--period <MS>'" },
	{ rng_rows, "-s x -p 0", -ERANGE, "must be 1 to 65536" },
	{ rng_rows, "-s x -p 65537", -ERANGE, "must be 1 to 65536" },
	{ rng_rows, "-s x -c 0", -ERANGE, "must be 1 to 4294967295" },
	{ rng_rows, "-s x -c 4294967296", -EINVAL, "too large" },
	{ rng_rows, "-s x -m 18446744073709551616", -EINVAL, "too large" },
	{ rng_rows, "-s x --queue-size 65536", -EINVAL, "too large" },
	{ rng_rows, "-s x --log-level Error", -EINVAL, "possible values: off, error, warn" },
	{ gpu_rows, "-s x -g virgl", -EINVAL, "possible values: virglrenderer, gfxstream, null" },
	{ gpu_rows, "-s x -g null --use-egl", -EINVAL, "a value is required" },
	{ gpu_rows, "-s x -g null --use-egl yes", -EINVAL, "must be true or false" },
	{ gpu_rows, "-s x -g null -c virgl,vulkan", -EINVAL, "possible values: virgl, virgl2" },
	/* rows that exclude each other */
	{ rng_rows, "-s x --socket-fd 3", -EINVAL,
	  "the argument '--socket-path <PATH>' cannot be used with '--socket-fd <FD>'" },
	{ rng_rows, "--socket-fd 3 -s x", -EINVAL, "cannot be used with" },
	{ vsock_rows, "-s x --guest-cid 4 --vm uds-path=u", -EINVAL, "cannot be used with" },
	{ vsock_rows, "-s x --uds-path u --forward-cid 1", -EINVAL, "cannot be used with" },
	/* groups */
	{ scmi_rows, "-s x -d fake,name", -EINVAL, "'id' is given twice" },
	{ scmi_rows, "-s x -d fake,nam=a", -EINVAL, "unknown key 'nam'" },
	{ scmi_rows, "-s x -d fake,channel=x", -EINVAL, "channel 'x': not a decimal number" },
	{ scmi_rows, "-s x -d name=a", -EINVAL, "key 'id' is missing" },
	{ scmi_rows, "-s x -d fake,name=a,name=b", -EINVAL, "'name' is given twice" },
	{ vsock_rows, "-s x --vm guest-cid=3", -EINVAL, "key 'uds-path' is missing" },
	{ vsock_rows, "-s x --vm word", -EINVAL, "'word' is not KEY=VALUE" },
	/* lists */
	{ scsi_rows, "-s x a EMPTY", -EINVAL, "invalid value '' for '<IMAGES>...'" },
	{ rng_rows, "--socket-fd 3 --socket-fd x", -EINVAL, "invalid value 'x'" },
	{ rng_rows, "--socket-fd 3 --socket-fd 2000", -ERANGE, "must be 0 to 1023" },
};

START_TEST(bad_lines_are_refused)
{
	run_fails(refused[_i].rows, refused[_i].line, refused[_i].code, refused[_i].part);
}
END_TEST

START_TEST(help_acts_at_once)
{
	run_ok(rng_rows, "--once --help --bogus");
	ck_assert_ptr_nonnull(r.stop);
	ck_assert_str_eq(r.stop->name, "help");
	run_ok(scsi_rows, "-rhz");
	ck_assert_str_eq(r.stop->name, "help");
	run_fails(rng_rows, "--bogus --help", -EINVAL, "--bogus");
	run_ok(scmi_rows, "--help-devices");
	ck_assert_str_eq(r.stop->name, "help-devices");
}
END_TEST

START_TEST(list_of_fds_stands_for_the_path)
{
	run_ok(rng_rows, "--socket-fd 3 --socket-fd=4");
	ck_assert_uint_eq(r.common.fds.n, 2);
	ck_assert_uint_eq(((uint32_t *)r.common.fds.items)[0], 3);
	ck_assert_uint_eq(((uint32_t *)r.common.fds.items)[1], 4);
	ck_assert_ptr_null(r.common.socket_path);
}
END_TEST

/* ---- grammars of the other devices ---- */

START_TEST(scsi_positionals_and_bundled_flags)
{
	char **images;

	run_ok(scsi_rows, "a.img -rs x -x b.img -- -r");
	ck_assert(r.conf.scsi.read_only);
	ck_assert(r.conf.scsi.solid);
	ck_assert_str_eq(r.common.socket_path, "x");
	ck_assert_uint_eq(r.conf.scsi.images.n, 3);
	images = r.conf.scsi.images.items;
	ck_assert_str_eq(images[0], "a.img");
	ck_assert_str_eq(images[1], "b.img");
	ck_assert_str_eq(images[2], "-r");
	run_ok(scsi_rows, "-s x");
	ck_assert_uint_eq(r.conf.scsi.images.n, 0);
}
END_TEST

START_TEST(scmi_takes_several_words)
{
	struct scmi_item *item;

	run_ok(scmi_rows, "-d fake fake,name=b --device iio,channel=7,slow -s x");
	ck_assert_uint_eq(r.conf.scmi.devices.n, 3);
	item = r.conf.scmi.devices.items;
	ck_assert_str_eq(item[0].id, "fake");
	ck_assert_str_eq(item[0].name, "sensor");
	ck_assert_str_eq(item[1].name, "b");
	ck_assert_str_eq(item[2].id, "iio");
	ck_assert_uint_eq(item[2].channel, 7);
	ck_assert(item[2].slow);
	ck_assert(!item[1].slow);
}
END_TEST

START_TEST(gpu_takes_a_letter_from_the_common_rows)
{
	run_ok(gpu_rows, "-s x -g virgl-renderer -c virgl2,virgl -c virgl --use-egl false "
	       "--socket-count 2");
	ck_assert_uint_eq(r.conf.gpu.mode, 0);
	ck_assert_uint_eq(r.conf.gpu.capsets.n, 3);
	ck_assert_uint_eq(((unsigned *)r.conf.gpu.capsets.items)[0], 1);
	ck_assert(!r.conf.gpu.egl);
	ck_assert_uint_eq(r.common.count, 2);
}
END_TEST

START_TEST(gpio_has_a_chip_for_each_instance)
{
	unsigned count;

	run_ok(gpio_rows, "-s x -l 0:s4:7");
	ck_assert_int_eq(opt_each_count(&r.tables, &r.layers, &count, &r.err), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(r.conf.gpio.chip, "0");
	ck_assert_int_eq(build(2), 0);
	ck_assert_str_eq(r.conf.gpio.chip, "7");
	ck_assert_int_eq(build(1), 0);
	ck_assert_str_eq(r.conf.gpio.chip, "s4");
	ck_assert_str_eq(r.common.socket_path, "x");

	run_ok(rng_rows, "-s x");
	ck_assert_int_eq(opt_each_count(&r.tables, &r.layers, &count, &r.err), 0);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(each_rows_agree_in_number)
{
	static char blanks[] = " one \t two ";
	unsigned count = 99;

	run_ok(gpio_rows, "-s x -l 1:2 --labels LABELS");
	r.values.items[2].text = blanks;
	ck_assert_int_eq(opt_each_count(&r.tables, &r.layers, &count, &r.err), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(build(1), 0);
	ck_assert_str_eq(r.conf.gpio.label, "two");

	run_ok(gpio_rows, "-s x -l 1:2:3 --labels a --labels b");
	count = 99;
	ck_assert_int_eq(opt_each_count(&r.tables, &r.layers, &count, &r.err), -ERANGE);
	ck_assert_uint_eq(count, 99);
	ck_assert_ptr_nonnull(strstr(r.err.text, "--device-list names 3 items but --labels 2"));
}
END_TEST

START_TEST(vsock_has_a_group_for_each_instance)
{
	unsigned count;

	run_ok(vsock_rows,
	       "-s x --vm guest-cid=3,uds-path=a --vm uds-path=b,guest_cid=9,groups=x+y");
	ck_assert_int_eq(opt_each_count(&r.tables, &r.layers, &count, &r.err), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(build(0), 0);
	ck_assert_str_eq(r.conf.vsock.uds, "a");
	ck_assert_uint_eq(r.conf.vsock.groups.n, 1);
	ck_assert_int_eq(build(1), 0);
	ck_assert_uint_eq(r.conf.vsock.cid, 9);
	ck_assert_uint_eq(r.conf.vsock.groups.n, 2);
	ck_assert_str_eq(((char **)r.conf.vsock.groups.items)[1], "y");
	run_ok(vsock_rows, "-s x --uds-path=u --groups a+b --groups c");
	ck_assert_uint_eq(r.conf.vsock.groups.n, 3);
	ck_assert_uint_eq(r.conf.vsock.cid, 3);
}
END_TEST

/* ---- layers ---- */

START_TEST(higher_layers_win)
{
	const struct opt_source file = { "f.ini", 7 };
	struct opt_values low = { NULL, 0 };

	run_ok(rng_rows, "--socket-fd 3 -p 5");
	opt_values_add(&low, opt_find(common_rows, "socket-path", 11), "/low", file);
	opt_values_add(&low, opt_find(rng_rows, "period", 6), "6", file);
	opt_values_add(&low, opt_find(rng_rows, "rng-source", 10), "/low-source", file);
	opt_values_add(&low, opt_find(common_rows, "socket-fd", 9), "9", file);
	r.layers.of[1] = &low;
	ck_assert_int_eq(build(0), 0);
	ck_assert_uint_eq(r.conf.rng.period, 5);
	ck_assert_str_eq(r.conf.rng.source, "/low-source");
	ck_assert_uint_eq(r.conf.rng.max_bytes, UINT64_MAX);
	/* A list is replaced as a whole, and what it excludes goes with the lower layer. */
	ck_assert_uint_eq(r.common.fds.n, 1);
	ck_assert_uint_eq(((uint32_t *)r.common.fds.items)[0], 3);
	ck_assert_ptr_null(r.common.socket_path);
	ck_assert(opt_given(&r.layers, opt_find(rng_rows, "rng-source", 10)));
	ck_assert(!opt_given(&r.layers, opt_find(rng_rows, "max-bytes", 9)));
	ck_assert(!opt_given(&r.layers, opt_find(common_rows, "socket-path", 11)));

	opt_values_add(&low, opt_find(rng_rows, "max-bytes", 9), "many", file);
	ck_assert_int_eq(build(0), -EBADMSG);
	ck_assert_str_eq(r.err.text, "f.ini:7: max-bytes = many: not a decimal number");
	opt_values_finish(&low);
}
END_TEST

START_TEST(flags_in_files_have_values)
{
	struct common_conf conf = { .once = true };
	const struct option *once = opt_find(common_rows, "once", 4);

	ck_assert_int_eq(opt_set(once, &conf, "false", NULL), 0);
	ck_assert(!conf.once);
	ck_assert_int_eq(opt_set(once, &conf, "true", NULL), 0);
	ck_assert(conf.once);
	ck_assert_int_eq(opt_set(once, &conf, "1", NULL), -EINVAL);
	ck_assert(conf.once);
}
END_TEST

static int parse_even(const char *text, void *target, struct error *err)
{
	if (strlen(text) % 2 != 0)
		return error_set(err, -ENODEV, "odd");
	*(unsigned *)target = (unsigned)strlen(text);
	return 0;
}

START_TEST(numbers_of_every_size)
{
	static const struct {
		uint8_t size;
		const char *largest, *beyond;
	} rows[] = {
		{ 1, "255", "256" }, { 2, "65535", "65536" }, { 4, "4294967295", "4294967296" },
		{ 8, "18446744073709551615", "18446744073709551616" },
	};
	const struct option row = { "n", "N", "n", NULL, OPT_UINT, .offset = 8,
		.size = rows[_i].size };
	uint8_t conf[24], want[24];

	memset(conf, 0xee, sizeof(conf));
	memset(want, 0xee, sizeof(want));
	memset(want + 8, 0xff, rows[_i].size);
	ck_assert_int_eq(opt_set(&row, conf, rows[_i].beyond, NULL), -EINVAL);
	ck_assert_int_eq(conf[8], 0xee);
	ck_assert_int_eq(opt_set(&row, conf, rows[_i].largest, NULL), 0);
	ck_assert_mem_eq(conf, want, sizeof(conf));
}
END_TEST

START_TEST(sizes_and_custom_values)
{
	const struct option size = { "n", "N", "n", NULL, OPT_SIZE, .offset = 0, .size = 4,
		.min = 10 };
	const struct option custom = { "c", "C", "c", NULL, OPT_CUSTOM, .offset = 0, .size = 4,
		.parse = parse_even };
	struct error err = ERROR_NONE;
	uint32_t value = 0;

	ck_assert_int_eq(opt_set(&size, &value, "64K", &err), 0);
	ck_assert_uint_eq(value, 65536);
	ck_assert_int_eq(opt_set(&size, &value, "4G", &err), -EINVAL);
	ck_assert_int_eq(opt_set(&size, &value, "9", &err), -ERANGE);
	ck_assert_int_eq(opt_set(&size, &value, "9Q", &err), -EINVAL);
	ck_assert_uint_eq(value, 65536);
	ck_assert_int_eq(opt_set(&custom, &value, "ab", &err), 0);
	ck_assert_uint_eq(value, 2);
	ck_assert_int_eq(opt_set(&custom, &value, "abc", &err), -ENODEV);
	ck_assert_str_eq(err.text, "odd");
	ck_assert_int_eq(opt_set(&custom, &value, NULL, &err), -EINVAL);
}
END_TEST

START_TEST(rows_are_described_and_walked)
{
	const struct opt_tables t = { { gpu_rows, common_rows, NULL } };
	const struct opt_tables twice = { { common_rows, common_rows, NULL } };
	struct opt_walk w = { 0, 0 };
	char name[OPT_NAME_SIZE];
	unsigned n = 0;

	while (opt_walk(&t, &w) != NULL)
		n++;
	ck_assert_uint_eq(n, ARRAY_SIZE(gpu_rows) - 1 + ARRAY_SIZE(common_rows) - 1);
	w = (struct opt_walk){ 0, 0 };
	for (n = 0; opt_walk(&twice, &w) != NULL; n++)
		;
	ck_assert_uint_eq(n, ARRAY_SIZE(common_rows) - 1);
	ck_assert_str_eq(opt_describe(&common_rows[0], name), "--socket-path <PATH>");
	ck_assert_str_eq(opt_describe(opt_find(common_rows, "once", 4), name), "--once");
	ck_assert_str_eq(opt_describe(&scsi_rows[0], name), "<IMAGES>...");
	ck_assert_str_eq(opt_describe(&scmi_rows[0], name), "--device <DEVICE>...");
	ck_assert_ptr_eq(opt_lookup_brief(&t, 'c'), &gpu_rows[1]);
	ck_assert_ptr_null(opt_lookup_brief(&t, 'z'));
	ck_assert_ptr_null(opt_find_brief(common_rows, '\0'));
}
END_TEST

START_TEST(similar_names)
{
	const struct opt_tables t = { { rng_rows, common_rows, NULL } };
	char endless[3000];

	ck_assert_str_eq(opt_similar(&t, "preiod", 6)->name, "period");
	ck_assert_str_eq(opt_similar(&t, "queue", 5)->name, "queue-size");
	ck_assert_ptr_null(opt_similar(&t, "qqqqqq", 6));
	ck_assert_ptr_null(opt_similar(&t, "", 0));
	memset(endless, 'x', sizeof(endless));
	ck_assert_ptr_null(opt_similar(&t, endless, sizeof(endless)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("opt");
	TCase *tc = tcase_create("opt");

	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_loop_test(tc, all_spellings_are_equal, 0, (int)ARRAY_SIZE(spellings));
	tcase_add_test(tc, order_is_free_and_last_letters_take_values);
	tcase_add_loop_test(tc, bad_lines_are_refused, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(tc, help_acts_at_once);
	tcase_add_test(tc, list_of_fds_stands_for_the_path);
	tcase_add_test(tc, scsi_positionals_and_bundled_flags);
	tcase_add_test(tc, scmi_takes_several_words);
	tcase_add_test(tc, gpu_takes_a_letter_from_the_common_rows);
	tcase_add_test(tc, gpio_has_a_chip_for_each_instance);
	tcase_add_test(tc, each_rows_agree_in_number);
	tcase_add_test(tc, vsock_has_a_group_for_each_instance);
	tcase_add_test(tc, higher_layers_win);
	tcase_add_test(tc, flags_in_files_have_values);
	tcase_add_loop_test(tc, numbers_of_every_size, 0, 4);
	tcase_add_test(tc, sizes_and_custom_values);
	tcase_add_test(tc, rows_are_described_and_walked);
	tcase_add_test(tc, similar_names);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
