/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What an operator may ask and tell: clocks and alarms, and the time when it is simulated. */
#include <errno.h>
#include <string.h>

#include "rtc.h"
#include "vhost-device/num.h"

static int do_clocks(struct instance *in, struct said *said, char **words, unsigned n,
		     struct error *err)
{
	struct rtc *r = instance_state(in);
	const struct alarm *a;
	uint64_t now;
	unsigned i;

	for (i = 0; i < r->n; i++) {
		a = &r->alarms[i];
		control_say(said, "%u %s ", i, rtc_kind_word(r->clocks[i].kind));
		if (clock_read(&r->clocks[i], r->host, &now) < 0)
			control_say(said, "unreadable");
		else
			control_say(said, "%llu.%09llu", (unsigned long long)now / SECOND,
				    (unsigned long long)now % SECOND);
		if (a->at != 0 || a->enabled)
			control_say(said, " alarm=%llu.%09llu%s", (unsigned long long)a->at /
				    SECOND, (unsigned long long)a->at % SECOND,
				    !a->enabled ? " off" : a->passed ? " passed" : " ahead");
		control_say(said, "\n");
	}
	return 0;
}

static int need_sim(const struct rtc *r, struct error *err)
{
	return r->sim ? 0 : error_set(err, -EPERM, "the time is not simulated: see --simulate");
}

static int seconds(const char *word, int64_t *ret_ns, struct error *err)
{
	return rtc_parse_seconds(word, ret_ns) == 0 ? 0 :
		error_set(err, -EINVAL, "'%s' is no number such as 12 or -0.25", word);
}

static int do_step(struct instance *in, struct said *said, char **words, unsigned n,
		   struct error *err)
{
	struct rtc *r = instance_state(in);
	int64_t by;
	int ret = need_sim(r, err);

	if (ret == 0)
		ret = seconds(words[0], &by, err);
	if (ret == 0)
		sim_step(r->host, by);
	return ret;
}

static int do_rate(struct instance *in, struct said *said, char **words, unsigned n,
		   struct error *err)
{
	struct rtc *r = instance_state(in);
	int64_t rate;
	int ret = need_sim(r, err);

	if (ret == 0)
		ret = seconds(words[0], &rate, err);
	if (ret == 0 && (rate < 0 || rate > 1000 * SECOND))
		ret = error_set(err, -ERANGE, "the rate is 0 to 1000");
	if (ret == 0)
		sim_rate(r->host, rate);
	return ret;
}

static int do_tai(struct instance *in, struct said *said, char **words, unsigned n,
		  struct error *err)
{
	struct rtc *r = instance_state(in);
	uint64_t tai;
	int ret = need_sim(r, err);

	if (ret == 0 && num_parse(words[0], 0, 1000, &tai) < 0)
		ret = error_set(err, -EINVAL, "'%s' is no number from 0 to 1000", words[0]);
	if (ret == 0)
		sim_tai(r->host, (int)tai);
	return ret;
}

static int do_leap(struct instance *in, struct said *said, char **words, unsigned n,
		   struct error *err)
{
	static const char *const leaps[] = { [HOST_LEAP_NONE] = "none",
		[HOST_LEAP_INSERT] = "insert", [HOST_LEAP_DELETE] = "delete" };
	struct rtc *r = instance_state(in);
	unsigned i;
	int ret = need_sim(r, err);

	for (i = 0; ret == 0 && i < ARRAY_SIZE(leaps); i++) {
		if (strcmp(words[0], leaps[i]) == 0) {
			sim_leap(r->host, (enum host_leap)i);
			return 0;
		}
	}
	return ret < 0 ? ret : error_set(err, -EINVAL, "'%s' is none of none, insert, delete",
					 words[0]);
}

const struct device_command rtc_commands[] = {
	{ "clocks", "", "List clocks, what they read, and their alarms.", 0, 0, do_clocks },
	{ "step", "SECONDS", "Set simulated clocks forward, or back.", 1, 1, do_step },
	{ "rate", "FACTOR", "Let simulated time pass faster or slower; 0 freezes it.", 1, 1,
	  do_rate },
	{ "tai", "SECONDS", "What TAI is ahead of simulated UTC.", 1, 1, do_tai },
	{ "leap", "none|insert|delete", "A leap second at the end of the simulated day.", 1, 1,
	  do_leap },
	{ NULL }
};
