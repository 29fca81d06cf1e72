/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Options of the clock device, and what they make. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rtc.h"
#include "vhost-device/fd.h"
#include "vhost-device/num.h"
#include "wire/virtio-rtc.h"

enum { TAI_LEAST = 1, TAI_MOST = 1000, LIST_MAX = 256 * 1024, RATE_MAX = 1000, DIGITS = 9 };

static const int64_t START_MAX = 4000000000LL * SECOND, OFFSET_MAX = 2000000000LL * SECOND;

static const char *const utc_words[] = {
	[CLOCK_UTC_SMEARED] = "smeared|smeared:unspecified", [CLOCK_UTC_SLS] = "smeared:sls",
	[CLOCK_UTC_NOON] = "smeared:noon", [CLOCK_UTC_MAYBE_SMEARED] = "maybe-smeared",
	[CLOCK_UTC_STEP] = "step", NULL,
};

static const char *const kind_words[] = {
	[CLOCK_UTC_SMEARED] = "utc-smeared", [CLOCK_UTC_SLS] = "utc-smeared:sls",
	[CLOCK_UTC_NOON] = "utc-smeared:noon", [CLOCK_UTC_MAYBE_SMEARED] = "utc-maybe-smeared",
	[CLOCK_UTC_STEP] = "utc-step", [CLOCK_KIND_TAI] = "tai",
	[CLOCK_KIND_MONOTONIC] = "monotonic", NULL,
};

static const char *const counter_words[] = {
	[RTC_COUNTER_ARM_VCT] = "arm-vct", [RTC_COUNTER_X86_TSC] = "x86-tsc", NULL,
};

/* In the order of enum host_leap. */
static const char *const leap_words[] = { "none", "insert", "delete", NULL };

const char *rtc_kind_word(enum clock_kind kind)
{
	return kind_words[kind];
}

/* -- Values ------------------------------------------------------------------------- */

int rtc_parse_seconds(const char *text, int64_t *ret_ns)
{
	uint64_t whole, part = 0, scale = (uint64_t)SECOND;
	bool minus = text[0] == '-';
	char buf[32];
	size_t n;
	char *dot;

	text += minus;
	n = strlen(text);
	if (n >= sizeof(buf) || text[0] == '+')
		return -EINVAL;
	memcpy(buf, text, n + 1);
	dot = strchr(buf, '.');
	if (dot != NULL) {
		*dot++ = '\0';
		n = strlen(dot);
		if (n == 0 || n > DIGITS || dot[0] == '+' ||
		    num_parse(dot, 0, UINT32_MAX, &part) < 0)
			return -EINVAL;
		while (n-- > 0)
			scale /= 10;
	}
	if (num_parse(buf, 0, UINT64_MAX, &whole) < 0)
		return -EINVAL;
	if (whole > (uint64_t)(START_MAX / SECOND))
		return -ERANGE;
	*ret_ns = (int64_t)whole * SECOND + (int64_t)(dot != NULL ? part * scale : 0);
	*ret_ns = minus ? -*ret_ns : *ret_ns;
	return 0;
}

static int parse_between(const char *text, int64_t least, int64_t most, int64_t *ret_ns,
			 struct error *err)
{
	int64_t ns;
	int ret = rtc_parse_seconds(text, &ns);

	if (ret == -EINVAL)
		return error_set(err, -EINVAL, "no number such as 12 or -0.25");
	if (ret < 0 || ns < least || ns > most)
		return error_set(err, -EINVAL, "not between %lld and %lld",
				 (long long)(least / SECOND), (long long)(most / SECOND));
	*ret_ns = ns;
	return 0;
}

static int parse_offset(const char *text, void *target, struct error *err)
{
	return parse_between(text, -OFFSET_MAX, OFFSET_MAX, target, err);
}

static int parse_start(const char *text, void *target, struct error *err)
{
	if (strcmp(text, "now") == 0) {
		*(int64_t *)target = INT64_MIN;
		return 0;
	}
	return parse_between(text, 0, START_MAX, target, err);
}

static int parse_rate(const char *text, void *target, struct error *err)
{
	return parse_between(text, 0, RATE_MAX * SECOND, target, err);
}

/* Modulo 2^64, so that an offset may be negative. */
static int parse_cycles(const char *text, void *target, struct error *err)
{
	bool minus = text[0] == '-';
	uint64_t v;

	if (num_parse(text + minus, 0, UINT64_MAX, &v) < 0 || (minus && text[1] == '+'))
		return error_set(err, -EINVAL, "no number of cycles");
	*(uint64_t *)target = minus ? 0 - v : v;
	return 0;
}

static const struct option clock_rows[] = {
	{ "kind", "KIND", "What the guest is told that it is.", NULL, OPT_CHOICE,
	  OPT_POSITIONAL | OPT_REQUIRED, .words = kind_words, OPT(struct rtc_clock_conf, kind) },
	{ "source", "SOURCE", "Of a monotonic clock: monotonic, boottime or raw; of others the "
	  "path of a PTP hardware clock.", NULL, OPT_PATH, OPT(struct rtc_clock_conf, source) },
	{ "offset", "SECONDS", "Added to every reading.", "0", OPT_CUSTOM, .parse = parse_offset,
	  OPT(struct rtc_clock_conf, offset) },
	{ "alarm", "BOOL", "It can have an alarm.", "true", OPT_BOOL,
	  OPT(struct rtc_clock_conf, alarm) },
	{ NULL }
};

static const struct option counter_rows[] = {
	{ "counter", "COUNTER", "Which one.", NULL, OPT_CHOICE, OPT_POSITIONAL | OPT_REQUIRED,
	  .words = counter_words, OPT(struct rtc_counter_conf, number) },
	{ "offset", "CYCLES", "Added for the guest.", "0", OPT_CUSTOM, .parse = parse_cycles,
	  OPT(struct rtc_counter_conf, offset) },
	{ "mult", "N", "Cycles of the host are multiplied by this first.", "1", OPT_UINT,
	  .min = 1, OPT(struct rtc_counter_conf, mult) },
	{ "shift", "BITS", "Then shifted right by so many bits.", "0", OPT_UINT, .max = 63,
	  OPT(struct rtc_counter_conf, shift) },
	{ "error", "NS", "How far apart clock and counter may be read.", "10000", OPT_UINT,
	  .min = 1, .max = 1000000000, OPT(struct rtc_counter_conf, bound) },
	{ NULL }
};

static const struct option sim_rows[] = {
	{ "start", "SECONDS", "UTC at the beginning, seconds since 1970, or now.", "now",
	  OPT_CUSTOM, .parse = parse_start, OPT(struct sim_conf, start) },
	{ "rate", "FACTOR", "How fast time passes; 0 freezes it.", "1", OPT_CUSTOM,
	  .parse = parse_rate, OPT(struct sim_conf, rate) },
	{ "tai", "SECONDS", "TAI - UTC as this host knows it, 0: it does not.", "37", OPT_UINT,
	  .max = TAI_MOST, OPT(struct sim_conf, tai) },
	{ "leap", "WHAT", "A leap second at the end of the first day: none, insert or delete.",
	  "none", OPT_CHOICE, .words = leap_words, OPT(struct sim_conf, leap) },
	{ NULL }
};

const struct option rtc_options[] = {
	{ "no-offer-alarm", NULL, "Do not offer alarms.", NULL, OPT_FLAG,
	  OPT(struct rtc_conf, no_alarm) },
	{ "no-utc", NULL, "Leave the UTC clock out.", NULL, OPT_FLAG,
	  OPT(struct rtc_conf, no_utc) },
	{ "no-tai", NULL, "Leave the TAI clock out.", NULL, OPT_FLAG,
	  OPT(struct rtc_conf, no_tai) },
	{ "no-monotonic", NULL, "Leave the monotonic clock out.", NULL, OPT_FLAG,
	  OPT(struct rtc_conf, no_monotonic) },
	{ "utc", "KIND", "What the UTC clock is at leap seconds, see CLOCKS: smeared, "
	  "smeared:sls, smeared:noon, maybe-smeared or step. Linux makes /dev/rtcN of a smeared "
	  "one only.", "smeared", OPT_CHOICE, .words = utc_words, OPT(struct rtc_conf, utc) },
	{ "tai-offset", "WHERE", "What TAI is ahead of UTC: kernel asks the host's kernel, N is "
	  "so many seconds, a path is that of a leap-seconds.list.", "kernel", OPT_PATH,
	  OPT(struct rtc_conf, tai) },
	{ "clock", "CLOCK", "The clocks, in place of the usual three: KIND[,source=SOURCE]"
	  "[,offset=SECONDS][,alarm=BOOL], once for each, see CLOCKS.", NULL, OPT_GROUP, OPT_LIST,
	  .sub = clock_rows, OPT_ITEMS(struct rtc_conf, clocks, struct rtc_clock_conf) },
	{ "counter", "COUNTER", "Cross timestamps with arm-vct or x86-tsc as the guest sees it: "
	  "COUNTER[,offset=CYCLES][,mult=N][,shift=BITS][,error=NS].", NULL, OPT_GROUP, OPT_LIST,
	  .sub = counter_rows, OPT_ITEMS(struct rtc_conf, counters, struct rtc_counter_conf) },
	{ "simulate", "TIME", "Clocks of a host that is not there: [start=SECONDS][,rate=FACTOR]"
	  "[,tai=SECONDS][,leap=WHAT].", NULL, OPT_GROUP, OPT_LIST, .sub = sim_rows,
	  OPT_ITEMS(struct rtc_conf, sims, struct sim_conf) },
	{ "keep-alarms", NULL, "Keep alarms when the front end leaves, for the one that comes "
	  "next.", NULL, OPT_FLAG, OPT(struct rtc_conf, keep_alarms) },
	{ "state-file", "PATH", "Keep alarms in this file, also for the process that comes next; "
	  "includes --keep-alarms. With several guests the number of the guest is appended.", NULL,
	  OPT_PATH, OPT(struct rtc_conf, state_file) },
	{ "wake-host", NULL, "Wake the host from suspend when an alarm goes off.", NULL, OPT_FLAG,
	  OPT(struct rtc_conf, wake_host) },
	{ "wake-guest", "PATH", "Tell QEMU, on this socket of its QMP monitor, to wake the guest "
	  "when an alarm goes off.", NULL, OPT_PATH, OPT(struct rtc_conf, wake_guest) },
	{ NULL },
};

/* -- What does not go together --------------------------------------------------------- */

static int monotonic_source(const char *name, enum host_clock *ret_id)
{
	static const struct {
		const char *name;
		enum host_clock id;
	} sources[] = {
		{ "monotonic", HOST_MONOTONIC }, { "boottime", HOST_BOOTTIME }, { "raw", HOST_RAW },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		if (strcmp(name, sources[i].name) == 0) {
			*ret_id = sources[i].id;
			return 0;
		}
	}
	return -EINVAL;
}

static int check_clock(const struct rtc_clock_conf *c, struct error *err)
{
	enum host_clock id;

	if (c->source == NULL)
		return 0;
	if (c->kind == CLOCK_KIND_MONOTONIC) {
		if (monotonic_source(c->source, &id) < 0)
			return error_set(err, -EINVAL, "--clock monotonic,source=%s: it is one of "
					 "monotonic, boottime, raw", c->source);
		return 0;
	}
	if (c->kind == CLOCK_UTC_SMEARED || c->kind == CLOCK_UTC_SLS || c->kind == CLOCK_UTC_NOON)
		return error_set(err, -EINVAL, "--clock %s,source=%s: of a hardware clock nobody "
				 "knows the leap seconds: take utc-maybe-smeared, or utc-step",
				 kind_words[c->kind], c->source);
	return 0;
}

int rtc_check(void *conf, struct error *err)
{
	const struct rtc_conf *c = conf;
	const struct rtc_clock_conf *clocks = c->clocks.items;
	const struct rtc_counter_conf *counters = c->counters.items;
	unsigned i;
	int ret = c->wake_guest != NULL ? wake_check(c->wake_guest, err) : 0;

	if (c->sims.n > 1)
		return error_set(err, -EINVAL, "--simulate is there %zu times: give it once",
				 c->sims.n);
	if (c->sims.n > 0 && c->wake_host)
		return error_set(err, -EINVAL, "--wake-host: simulated time wakes no host");
	if (c->clocks.n > RTC_CLOCKS_MAX)
		return error_set(err, -EINVAL, "--clock is there %zu times: at most %d",
				 c->clocks.n, RTC_CLOCKS_MAX);
	if (c->clocks.n > 0 && (c->no_utc || c->no_tai || c->no_monotonic))
		return error_set(err, -EINVAL, "--clock lists all clocks: it does not go with "
				 "--no-utc, --no-tai and --no-monotonic");
	for (i = 0; ret == 0 && i < c->clocks.n; i++)
		ret = check_clock(&clocks[i], err);
	if (c->counters.n > RTC_COUNTERS_MAX ||
	    (c->counters.n == 2 && counters[0].number == counters[1].number))
		return error_set(err, -EINVAL, "--counter: give each counter once");
	return ret;
}

/* -- What TAI is ------------------------------------------------------------------------- */

static int read_list(struct rtc *r, const char *path, int64_t now, int *ret_tai,
		     struct error *err)
{
	CLOSE_FD int fd = host_open(r->in, path, O_RDONLY | O_NONBLOCK, err);
	FREE_PTR char *text = calloc(1, LIST_MAX + 1);
	int64_t expires;
	ssize_t n;
	int ret;

	if (fd < 0 || text == NULL)
		return fd < 0 ? error_prefix(err, "--tai-offset: ") :
			error_memory(err);
	n = read(fd, text, LIST_MAX);
	if (n < 0)
		return error_set(err, -errno, "--tai-offset: %s: %s", path, strerror(errno));
	ret = leap_list_find(text, now, ret_tai, &expires);
	if (ret < 0)
		return error_set(err, ret, "--tai-offset: %s: no leap-seconds.list that knows "
				 "today", path);
	if (now >= expires)
		log_warn(r->in, "--tai-offset: %s has expired: TAI may be wrong by a second",
			 path);
	return 0;
}

/* Seconds, 0: the kernel's. -ENODATA: which knows none. */
static int find_tai(struct rtc *r, const char *text, int *ret_tai, struct error *err)
{
	struct host_state state = { .tai = 0 };
	int64_t now = 0;
	uint64_t n;
	int ret;

	ret = r->host->ops->state(r->host, &state);
	if (ret == 0)
		ret = host_now(r->host, HOST_REALTIME, &now);
	if (ret < 0)
		return error_set(err, ret, "the clock of the host: %s", strerror(-ret));
	if (strcmp(text, "kernel") == 0) {
		*ret_tai = 0;
		return state.tai != 0 ? 0 : error_set(err, -ENODATA, "the host's kernel does not "
			"know what TAI is ahead of UTC: let its time daemon set that, or give "
			"--tai-offset");
	}
	if (strchr(text, '/') != NULL)
		return read_list(r, text, now, ret_tai, err);
	if (num_parse(text, TAI_LEAST, TAI_MOST, &n) < 0)
		return error_set(err, -EINVAL, "--tai-offset %s: neither kernel, nor %d to %d "
				 "seconds, nor the path of a list", text, TAI_LEAST, TAI_MOST);
	*ret_tai = (int)n;
	return 0;
}

/* -- Making it ---------------------------------------------------------------------------- */

static int add_clock(struct rtc *r, const struct rtc_clock_conf *conf, struct error *err)
{
	const struct rtc_conf *all = instance_conf(r->in);
	struct clock *c = &r->clocks[r->n];
	int ret = 0;

	*c = (struct clock){ .kind = (enum clock_kind)conf->kind, .source = HOST_MONOTONIC,
		.alarm = conf->alarm && !all->no_alarm, .phc = -1, .offset = conf->offset,
		.seen = INT16_MIN, .looked = -1 };
	if (conf->kind == CLOCK_KIND_MONOTONIC) {
		if (conf->source != NULL)
			ret = monotonic_source(conf->source, &c->source);
	} else if (conf->source != NULL) {
		c->phc = host_open(r->in, conf->source, O_RDONLY, err);
		ret = c->phc < 0 ? c->phc : 0;
	} else if (conf->kind == CLOCK_KIND_TAI) {
		ret = find_tai(r, all->tai, &c->tai, err);
	}
	if (ret == 0)
		r->n++;
	return ret;
}

static int probe_clock(struct rtc *r, unsigned i, struct error *err)
{
	uint64_t now;
	int ret = clock_read(&r->clocks[i], r->host, &now);

	/* Before 1970 an offset or a test may lead; that passes. */
	if (ret < 0 && ret != -ERANGE)
		return error_set(err, ret, "clock %u, %s, cannot be read: %s%s", i,
				 kind_words[r->clocks[i].kind], strerror(-ret),
				 r->clocks[i].phc >= 0 ? ": its source is no PTP clock" : "");
	return 0;
}

static int add_usual(struct rtc *r, const struct rtc_conf *conf, struct error *err)
{
	const struct rtc_clock_conf utc = { .kind = conf->utc, .alarm = true },
		tai = { .kind = CLOCK_KIND_TAI }, monotonic = { .kind = CLOCK_KIND_MONOTONIC };
	int ret = 0;

	if (!conf->no_utc)
		ret = add_clock(r, &utc, err);
	if (ret == 0 && !conf->no_tai)
		ret = add_clock(r, &tai, err);
	if (ret == -ENODATA && strcmp(conf->tai, "kernel") == 0) {
		log_warn(r->in, "no TAI clock: %s", err->text);
		*err = ERROR_NONE;
		ret = 0;
	}
	if (ret == 0 && !conf->no_monotonic)
		ret = add_clock(r, &monotonic, err);
	return ret;
}

static int add_counters(struct rtc *r, const struct rtc_conf *conf, struct error *err)
{
	const struct rtc_counter_conf *counters = conf->counters.items;
	unsigned i;

	for (i = 0; i < conf->counters.n; i++) {
		if (!r->sim && !counter_exists(counters[i].number))
			return error_set(err, -ENODEV, "--counter %s: this machine has none",
					 counter_words[counters[i].number]);
		r->counters[r->n_counters++] = counters[i];
	}
	return 0;
}

int rtc_setup(struct rtc *r, struct error *err)
{
	const struct rtc_conf *conf = instance_conf(r->in);
	const struct rtc_clock_conf *clocks = conf->clocks.items;
	unsigned i;
	int ret = 0;

	r->sim = conf->sims.n > 0;
	r->host = r->sim ? sim_host_new(instance_loop(r->in), conf->sims.items, err) :
		kernel_new(r->in, conf->wake_host, err);
	if (r->host == NULL)
		return -EINVAL;
	if (conf->clocks.n == 0)
		ret = add_usual(r, conf, err);
	for (i = 0; ret == 0 && i < conf->clocks.n; i++)
		ret = add_clock(r, &clocks[i], err);
	for (i = 0; ret == 0 && i < r->n; i++)
		ret = probe_clock(r, i, err);
	if (ret == 0)
		ret = add_counters(r, conf, err);
	if (ret == 0 && r->n == 0)
		log_warn(r->in, "all clocks are left out: Linux will not use the device");
	return ret;
}
