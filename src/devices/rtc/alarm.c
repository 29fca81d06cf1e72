/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Alarms (virtio 1.4, 5.23.6). An alarm belongs to a clock, is enabled or not,
 * and stays so when it has gone off:
 *
 *   ahead --the clock runs or steps to its time--> passed: an expiry is due
 *   passed --the clock steps back--> ahead
 *   any --set or enabled by the driver, or a reset--> ahead, and looked at
 *
 * An expiry waits until the driver offers a buffer, or until the alarm is set
 * anew or disabled. Buffers are taken only then: none is held, so that nothing
 * is written into a queue that has stopped.
 *
 * All alarms of an instance share one wake-up of the host. It also comes where
 * an alarm is far, or to look for leap seconds; a host that sleeps is roused
 * for alarms alone.
 */
#include "rtc.h"
#include "wire/virtio-rtc.h"

static const int64_t RETRY_NS = SECOND;         /* a clock that cannot be read */

static bool driver_has_alarms(const struct rtc *r)
{
	return (instance_features(r->in) & BIT(VIRTIO_RTC_F_ALARM)) != 0;
}

/* A buffer that is too small goes back without a byte. */
static struct chain *take_buffer(struct rtc *r, struct queue *q)
{
	struct chain *c;

	while ((c = queue_pop(q)) != NULL && chain_put_size(c) < sizeof(struct rtc_notif_alarm)) {
		chain_fail(c, "no room for a notification");
		instance_stat(r->in, RTC_BAD_BUFFERS, 1);
	}
	return c;
}

void alarms_tell(struct rtc *r)
{
	struct queue *q = instance_queue(r->in, RTC_ALARMQ);
	struct rtc_notif_alarm notif = { .head.msg_type = le16(RTC_NOTIF_ALARM) };
	struct chain *c;
	unsigned i;

	if (!queue_running(q) || !driver_has_alarms(r))
		return;
	for (i = 0; i < r->n; i++) {
		for (; r->alarms[i].due > 0; r->alarms[i].due--) {
			c = take_buffer(r, q);
			if (c == NULL)
				return;
			notif.clock_id = le16((uint16_t)i);
			chain_put(c, &notif, sizeof(notif));
			chain_done(c);
			instance_stat(r->in, RTC_NOTIFICATIONS, 1);
		}
	}
}

static void expire(struct rtc *r, unsigned i)
{
	struct alarm *a = &r->alarms[i];

	a->passed = true;
	wake_guest(&r->wake);
	if (a->due < UINT32_MAX)
		a->due++;
	instance_stat(r->in, RTC_ALARMS, 1);
	log_trace(r->in, "clock %u: alarm at %llu ns", i, (unsigned long long)a->at);
}

/* Nanoseconds until the next look at this clock; *left becomes those to its alarm, if fewer. */
static int64_t look(struct rtc *r, unsigned i, uint64_t *left)
{
	struct clock *c = &r->clocks[i];
	struct alarm *a = &r->alarms[i];
	uint64_t now;

	if (!a->enabled && !clock_is_smeared(c))
		return INT64_MAX;
	if (clock_read(c, r->host, &now) < 0)
		return RETRY_NS;
	if (!a->enabled)
		return clock_nap(c, UINT64_MAX);
	if (now < a->at) {
		a->passed = false;
		if (a->at - now < *left)
			*left = a->at - now;
		return clock_nap(c, a->at - now);
	}
	if (!a->passed)
		expire(r, i);
	return clock_nap(c, UINT64_MAX);
}

/* So much later, or never. */
static int64_t later(int64_t now, uint64_t ns)
{
	int64_t at;

	return ns >= INT64_MAX || __builtin_add_overflow(now, ns, &at) ? INT64_MAX : at;
}

void alarms_look(struct rtc *r)
{
	int64_t soonest = INT64_MAX, nap, now;
	uint64_t left = UINT64_MAX;
	unsigned i;

	/* Read first: what a look takes makes the next one early, never late. */
	if (host_now(r->host, HOST_REALTIME, &now) < 0)
		now = INT64_MAX;
	for (i = 0; i < r->n; i++) {
		nap = look(r, i, &left);
		soonest = nap < soonest ? nap : soonest;
	}
	host_wake(r->host, later(now, (uint64_t)soonest), later(now, left));
	alarms_tell(r);
}

void alarm_set(struct rtc *r, unsigned i, uint64_t at, bool enabled)
{
	r->alarms[i] = (struct alarm){ .at = at, .enabled = enabled };
	store_changed(r->store);
	alarms_look(r);
}

void alarm_enable(struct rtc *r, unsigned i, bool enabled)
{
	struct alarm *a = &r->alarms[i];

	a->enabled = enabled;
	a->passed = false;
	if (!enabled)
		a->due = 0;
	store_changed(r->store);
	alarms_look(r);
}

void alarms_reset(struct rtc *r, bool forget)
{
	unsigned i;

	for (i = 0; i < r->n; i++) {
		if (forget)
			r->alarms[i] = (struct alarm){ .at = 0 };
		r->alarms[i].passed = false;
		r->alarms[i].due = 0;
	}
	alarms_look(r);
}
