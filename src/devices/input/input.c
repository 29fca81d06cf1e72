/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * virtio input device (virtio 1.4, 5.8): keyboards, mice, tablets, touch.
 *
 * Events go to the guest in whole frames, in order. A frame that fits the ring
 * is told at once or not at all yet; a longer one (the rings of QEMU have four
 * places) as buffers come. What cannot be told as it happened, because the
 * guest took no buffers, the host lost events, the device was unplugged, or it
 * is another guest's turn, is told as a change of state: the device knows how
 * things are and what the guest believes, and leads from one to the other.
 *
 *   live  --no room, events lost--> lost    what is to be told is forgotten,
 *                                           what comes changes the state only
 *   lost  --nothing left to tell, between frames--> live   after a resync
 *
 * The guest gets nothing that was typed before it ran, nor while it was not its
 * turn: a key that is down then counts as up until it was let go.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "input.h"

enum { WHOLE = 64, BURST = 64 };        /* events told at once; of a write to the host */

/* A driver may have fewer buffers than the ring has places: then it waits in vain for all. */
static const uint64_t PATIENCE = 50ULL * 1000 * 1000;

void input_count(struct input *d, enum input_counter which, uint64_t n)
{
	d->counts[which] += n;
	instance_stat(d->in, which, n);
}

static struct queue *eventq(const struct input *d)
{
	return instance_queue(d->in, VIRTIO_INPUT_EVENTQ);
}

static bool is_live(const struct input *d)
{
	return d->running && d->source->present && d->seat.active;
}

/* ---- config space, 5.8.4 and 5.8.5 ---- */

static uint8_t put_text(struct virtio_input_config *config, const char *text)
{
	size_t n = strlen(text);

	/* Linux reads names of 64 bytes into as many and then looks for a NUL. */
	if (n > 63) {
		n = 63;
		while (n > 0 && (text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(config->u.string, text, n);
	return (uint8_t)n;
}

static uint8_t put_bits(struct virtio_input_config *config, const uint8_t *bits, unsigned n)
{
	while (n > 0 && bits[n - 1] == 0)
		n--;
	memcpy(config->u.bitmap, bits, n);
	return (uint8_t)n;
}

static uint8_t put_ids(struct virtio_input_config *config, const struct input_id *id)
{
	config->u.ids = (struct virtio_input_devids){ le16(id->bustype), le16(id->vendor),
		le16(id->product), le16(id->version) };
	return sizeof(config->u.ids);
}

static uint8_t put_abs(struct virtio_input_config *config, const struct caps *caps,
		       unsigned code)
{
	const struct input_absinfo *a = &caps->abs[code < ABS_CNT ? code : 0];

	if (!caps_have(caps, EV_ABS, code))
		return 0;
	config->u.abs = (struct virtio_input_absinfo){ le32((uint32_t)a->minimum),
		le32((uint32_t)a->maximum), le32((uint32_t)a->fuzz), le32((uint32_t)a->flat),
		le32((uint32_t)a->resolution) };
	return sizeof(config->u.abs);
}

static uint8_t put_selected(const struct caps *caps, struct virtio_input_config *config)
{
	unsigned subsel = config->subsel;

	if (config->select == VIRTIO_INPUT_CFG_EV_BITS)
		return put_bits(config, caps->bits[subsel < INPUT_TYPES ? subsel : EV_SYN],
				(input_codes(subsel) + 7) / 8);
	if (config->select == VIRTIO_INPUT_CFG_ABS_INFO)
		return put_abs(config, caps, subsel);
	if (subsel != 0)
		return 0;
	switch (config->select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		return put_text(config, caps->name);
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		return put_text(config, caps->serial);
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		return put_ids(config, &caps->id);
	case VIRTIO_INPUT_CFG_PROP_BITS:
		return put_bits(config, caps->props, sizeof(caps->props));
	default:
		return 0;
	}
}

/*
 * select and subsel stay as they were written: QEMU takes over all that it
 * reads, so a driver that reads between its two writes would lose the first.
 */
static void input_config_written(struct instance *in, unsigned off, unsigned len)
{
	struct virtio_input_config *config = instance_config(in);
	const struct input *d = instance_state(in);

	memset(config->reserved, 0, sizeof(config->reserved));
	memset(&config->u, 0, sizeof(config->u));
	config->size = put_selected(&d->caps, config);
}

/* ---- to the guest ---- */

static void be_patient(struct input *d)
{
	if (d->waits || queue_held(eventq(d)) == 0)
		return;
	d->waits = true;
	timer_set(&d->patience, loop_now(instance_loop(d->in)) + PATIENCE);
}

/* true: so many buffers are ours; false: not yet. */
static bool gather(struct input *d, unsigned n)
{
	struct queue *q = eventq(d);
	struct chain *c;

	while (queue_held(q) < n) {
		c = queue_pop(q);
		if (c == NULL) {
			be_patient(d);
			queue_return_all(q);
			return false;
		}
		if (chain_put_size(c) < sizeof(struct virtio_input_event)) {
			input_count(d, INPUT_BAD_BUFFERS, 1);
			chain_fail(c, "a buffer too short for an event");
		}
	}
	return true;
}

/* All of what was gathered. */
static void tell(struct input *d, unsigned n)
{
	struct virtio_input_event wire;
	const struct event *ev;
	struct chain *c;
	unsigned i;

	for (i = 0; i < n; i++) {
		c = queue_next(eventq(d), NULL);
		ev = frames_at(&d->frames, i);
		wire = (struct virtio_input_event){ le16(ev->type), le16(ev->code),
			le32((uint32_t)ev->value) };
		state_apply(&d->guest, &d->caps, ev);
		chain_put(c, &wire, sizeof(wire));
		chain_done(c);
	}
	frames_take(&d->frames, n);
	if (d->waits)
		timer_set(&d->patience, 0);
	d->waits = false;
	input_count(d, INPUT_EVENTS, n);
	if (!d->frames.begun)
		input_count(d, INPUT_FRAMES, 1);
}

static bool tell_first(struct input *d)
{
	unsigned left = frames_first(&d->frames), most = queue_size(eventq(d));

	if (most > WHOLE)
		most = WHOLE;
	/* Too long a frame cannot be told at once: piece by piece. */
	if (d->frames.begun || left > most)
		left = 1;
	if (!gather(d, left))
		return false;
	tell(d, left);
	return true;
}

/* How things are as far as the guest is concerned. */
static void wanted_state(const struct input *d, struct state *to)
{
	unsigned i;

	if (!is_live(d)) {
		*to = d->guest;
		state_release(to);
		return;
	}
	*to = d->host;
	for (i = 0; i < sizeof(to->keys); i++)
		to->keys[i] &= (uint8_t)~d->ignored[i];
}

/* Wheels and mice count ways: they add up. */
static void lead_moves(struct input *d)
{
	struct event ev = { .type = EV_REL };
	unsigned i;

	for (i = 0; i < REL_CNT && is_live(d); i++) {
		ev.code = (uint16_t)i;
		ev.value = d->moved[i];
		if (ev.value != 0)
			frames_add(&d->frames, &ev);
	}
	memset(d->moved, 0, sizeof(d->moved));
}

static void resync(struct input *d)
{
	struct state to;

	d->resync = d->lost = false;
	wanted_state(d, &to);
	lead_moves(d);
	state_lead(&d->guest, &to, &d->caps, &d->frames);
	if (d->frames.n > 0)
		input_count(d, INPUT_RESYNCS, 1);
}

/* Not before there is a buffer: until then ways add up, and states replace one another. */
static bool resync_when_due(struct input *d)
{
	if (!d->resync || d->frames.n > 0 || (d->midway && is_live(d)))
		return true;
	if (!gather(d, 1))
		return false;
	resync(d);
	if (d->frames.n == 0)
		queue_return_all(eventq(d));
	return true;
}

static void deliver(struct input *d)
{
	if (!d->running)
		return;
	while (resync_when_due(d) && d->frames.n > 0 && tell_first(d))
		;
	if (input_room(d) > 0)
		d->source->ops->more(d->source);
}

/* Piece by piece, as if it had been begun. */
static void patience_ends(struct timer *t)
{
	struct input *d = container_of(t, struct input, patience);

	d->waits = false;
	if (d->frames.n > 0)
		d->frames.begun = true;
	deliver(d);
}

static void eventq_handle(struct queue *q)
{
	deliver(instance_state(queue_instance(q)));
}

/* ---- from the source ---- */

unsigned input_room(const struct input *d)
{
	unsigned used = d->frames.n + d->frames.open;

	if (d->lost || d->resync)
		return 0;
	return used < d->frames.size / 2 ? d->frames.size / 2 - used : 0;
}

bool input_idle(const struct input *d)
{
	return state_idle(&d->host);
}

static void add_move(struct input *d, const struct event *ev)
{
	if (ev->type != EV_REL)
		return;
	if (__builtin_add_overflow(d->moved[ev->code], ev->value, &d->moved[ev->code]))
		d->moved[ev->code] = ev->value > 0 ? INT32_MAX : INT32_MIN;
}

/* All that waits, but for the rest of a frame that the guest has begun to read. */
static void forget_frames(struct input *d)
{
	unsigned i = d->frames.begun ? frames_first(&d->frames) : 0;

	for (; i < d->frames.n + d->frames.open; i++)
		add_move(d, frames_at(&d->frames, i));
	frames_clear(&d->frames);
}

static void add(struct input *d, const struct event *ev)
{
	if (!d->lost && !frames_add(&d->frames, ev)) {
		input_count(d, INPUT_OVERFLOWS, 1);
		forget_frames(d);
		d->lost = d->resync = true;
	}
	if (d->lost)
		add_move(d, ev);
}

/* Once the combination is complete and then all keys are up: no key is left down anywhere. */
static void look_for_hotkey(struct input *d)
{
	const struct input_conf *conf = instance_conf(d->in);
	unsigned i;

	if (conf->hotkey.n == 0 || !d->seat.watches)
		return;
	for (i = 0; i < conf->hotkey.n; i++) {
		if (!bit_test(d->host.keys, conf->hotkey.keys[i]))
			break;
	}
	if (i == conf->hotkey.n)
		d->seat.pressed = true;
	else if (d->seat.pressed && state_idle(&d->host))
		seat_next(&d->seat);
}

/* false: the guest is not to see it. */
static bool translate(const struct input *d, struct event *ev)
{
	const struct input_conf *conf = instance_conf(d->in);

	if (ev->type == EV_SYN)
		return ev->code == SYN_REPORT || ev->code == SYN_MT_REPORT ||
			ev->code == SYN_CONFIG;
	/* What the guest itself sets comes back from the host. */
	if (ev->type == EV_LED || ev->type == EV_SND || ev->type == EV_REP)
		return false;
	if (ev->type == EV_KEY && ev->code < KEY_CNT)
		ev->code = d->map[ev->code];
	if (ev->type == EV_KEY && ev->value == 2 && conf->repeat != REPEAT_HOST)
		return false;
	return caps_have(&d->caps, ev->type, ev->code);
}

/* A key that was down before counts as up until it was let go. */
static bool is_ignored(struct input *d, const struct event *ev)
{
	if (ev->type != EV_KEY || !bit_test(d->ignored, ev->code))
		return false;
	if (ev->value == 0)
		bit_set(d->ignored, ev->code, false);
	return true;
}

void input_event(struct input *d, const struct event *from)
{
	struct event ev = *from;

	if (!translate(d, &ev))
		return;
	state_apply(&d->host, &d->caps, &ev);
	d->midway = ev.type != EV_SYN || ev.code != SYN_REPORT;
	if (ev.type == EV_KEY)
		look_for_hotkey(d);
	if (!is_ignored(d, &ev) && is_live(d))
		add(d, &ev);
}

void input_flush(struct input *d)
{
	deliver(d);
}

/* Contacts are states of the device, not deeds of a person. */
static bool is_contact(unsigned code)
{
	return code >= BTN_TOOL_PEN && code <= BTN_TOOL_QUADTAP;
}

static void ignore_what_is_down(struct input *d)
{
	struct state known = d->guest;
	unsigned i;

	/* What is on its way to the guest is the guest's. */
	for (i = 0; i < d->frames.n; i++)
		state_apply(&known, &d->caps, frames_at(&d->frames, i));
	for (i = 0; i < KEY_CNT; i++)
		bit_set(d->ignored, i, bit_test(d->host.keys, i) && !bit_test(known.keys, i) &&
			!is_contact(i));
}

void input_state(struct input *d, const struct state *s)
{
	unsigned i;

	memcpy(d->host.sw, s->sw, sizeof(s->sw));
	memcpy(d->host.abs, s->abs, sizeof(s->abs));
	memcpy(d->host.mt, s->mt, sizeof(s->mt));
	d->host.slot = s->slot;
	memset(d->host.keys, 0, sizeof(d->host.keys));
	for (i = 0; i < KEY_CNT; i++) {
		if (bit_test(s->keys, i) && d->map[i] != INPUT_NO_KEY)
			bit_set(d->host.keys, d->map[i], true);
	}
	for (i = 0; i < sizeof(d->ignored); i++)
		d->ignored[i] &= d->host.keys[i];
	if (!d->leds_known)
		memcpy(d->host_leds, s->leds, sizeof(d->host_leds));
	if (!d->leds_known && !d->lit)
		memcpy(d->leds, s->leds, sizeof(d->leds));
	d->leds_known = true;
	d->midway = false;
	d->frames.open = 0;
	d->lost = d->resync = true;
}

/* ---- whose turn it is ---- */

static void choose_mode(struct input *d)
{
	enum source_mode mode = !d->running ? SOURCE_REST : d->seat.active ? SOURCE_HOLD :
		d->seat.watches ? SOURCE_LISTEN : SOURCE_REST;

	if (mode == d->mode)
		return;
	d->mode = mode;
	d->source->ops->mode(d->source, mode);
}

static void begin_turn(struct input *d)
{
	ignore_what_is_down(d);
	memset(d->moved, 0, sizeof(d->moved));
	d->lost = d->resync = true;
}

static void send_leds(struct input *d);

void input_present(struct input *d, bool present)
{
	d->source->present = present;
	if (present) {
		begin_turn(d);
		if (d->lit && d->running)
			send_leds(d);
	} else {
		d->leds_known = false;
		input_count(d, INPUT_UNPLUGGED, 1);
		d->midway = false;
		d->frames.open = 0;
		d->resync = true;
	}
	deliver(d);
}

static void seat_changed(struct seat *s)
{
	struct input *d = container_of(s, struct input, seat);

	s->pressed = false;
	input_count(d, INPUT_SWITCHED, 1);
	d->frames.open = 0;
	choose_mode(d);
	if (s->active) {
		begin_turn(d);
		send_leds(d);
	}
	d->resync = true;
	deliver(d);
}

static void input_start(struct queue *q)
{
	struct input *d = instance_state(queue_instance(q));

	if (q != eventq(d))
		return;
	d->running = true;
	choose_mode(d);
	if (d->fresh) {
		state_init(&d->guest);
		frames_reset(&d->frames);
		d->fresh = false;
	}
	begin_turn(d);
	if (d->lit)
		send_leds(d);
}

static void input_stop(struct queue *q)
{
	struct input *d = instance_state(queue_instance(q));

	queue_return_all(q);
	if (q != eventq(d))
		return;
	d->running = d->waits = false;
	timer_set(&d->patience, 0);
	d->frames.open = 0;
	choose_mode(d);
}

/* ---- from the guest ---- */

static void write_status(struct input *d, const struct event *evs, unsigned n)
{
	if (n > 0 && d->source->present && d->seat.active)
		d->source->ops->status(d->source, evs, n);
}

static unsigned led_events(const struct input *d, const uint8_t *leds, struct event *evs)
{
	unsigned i, n = 0;

	for (i = 0; i < LED_CNT; i++) {
		if (caps_have(&d->caps, EV_LED, i))
			evs[n++] = (struct event){ EV_LED, (uint16_t)i, bit_test(leds, i) };
	}
	return n;
}

static void send_leds(struct input *d)
{
	struct event evs[LED_CNT];

	write_status(d, evs, led_events(d, d->leds, evs));
}

/* Everything but LEDs and sounds is an echo of what we sent, or concerns the guest alone. */
static bool read_status(struct input *d, struct chain *c, struct event *ret)
{
	struct virtio_input_event wire;
	struct event ev;

	if (chain_get_size(c) < sizeof(wire) || !chain_get(c, &wire, sizeof(wire))) {
		input_count(d, INPUT_BAD_BUFFERS, 1);
		return false;
	}
	ev = (struct event){ le16_get(wire.type), le16_get(wire.code),
		(int32_t)le32_get(wire.value) };
	if ((ev.type != EV_LED && ev.type != EV_SND) || !caps_have(&d->caps, ev.type, ev.code)) {
		input_count(d, INPUT_STATUS_IGNORED, 1);
		return false;
	}
	if (ev.type == EV_LED)
		ev.value = ev.value != 0;
	bit_set(ev.type == EV_LED ? d->leds : d->sounds, ev.code, ev.value != 0);
	d->lit |= ev.type == EV_LED;
	*ret = ev;
	return true;
}

static void statusq_handle(struct queue *q)
{
	struct input *d = instance_state(queue_instance(q));
	struct event evs[BURST];
	unsigned n = 0, told = 0;
	struct chain *c;

	while ((c = queue_pop(q)) != NULL) {
		if (read_status(d, c, &evs[n]))
			n++;
		chain_done_len(c, 0);
		told++;
		if (n == BURST) {
			write_status(d, evs, n);
			n = 0;
		}
	}
	write_status(d, evs, n);
	input_count(d, INPUT_STATUS, told);
}

/* A guest that has gone leaves neither tones nor lights. */
static void restore_status(struct input *d)
{
	struct event evs[LED_CNT + SND_CNT];
	unsigned i, n = 0;

	if (memcmp(d->leds, d->host_leds, sizeof(d->leds)) != 0)
		n = led_events(d, d->host_leds, evs);
	for (i = 0; i < SND_CNT; i++) {
		if (bit_test(d->sounds, i))
			evs[n++] = (struct event){ EV_SND, (uint16_t)i, 0 };
	}
	write_status(d, evs, n);
	memcpy(d->leds, d->host_leds, sizeof(d->leds));
	memset(d->sounds, 0, sizeof(d->sounds));
	d->lit = d->leds_known = false;
}

static void input_reset(struct instance *in, enum reset_why why)
{
	struct virtio_input_config *config = instance_config(in);
	struct input *d = instance_state(in);

	d->fresh = true;
	d->lost = d->resync = false;
	frames_reset(&d->frames);
	restore_status(d);
	if (why == RESET_LEFT)
		memset(config, 0, sizeof(*config));
}

/* ---- life ---- */

static void set_map(struct input *d, const struct input_conf *conf)
{
	const struct key_pair *map = conf->map.items, *drop = conf->drop.items;
	unsigned i;

	for (i = 0; i < KEY_CNT; i++)
		d->map[i] = (uint16_t)i;
	for (i = 0; i < conf->map.n; i++)
		d->map[map[i].from] = map[i].to;
	for (i = 0; i < conf->drop.n; i++)
		d->map[drop[i].from] = INPUT_NO_KEY;
}

/* As the guest is to see it. */
static void set_caps(struct input *d, const struct input_conf *conf)
{
	struct input_absinfo *slot = &d->caps.abs[ABS_MT_SLOT];
	bool repeats = caps_have(&d->host_caps, EV_REP, REP_DELAY);
	unsigned i;

	d->caps = d->host_caps;
	if (conf->name != NULL)
		snprintf(d->caps.name, INPUT_TEXT, "%s", conf->name);
	if (conf->serial != NULL)
		snprintf(d->caps.serial, INPUT_TEXT, "%s", conf->serial);
	if (conf->ids.set)
		d->caps.id = conf->ids.id;
	if (slot->maximum >= INPUT_SLOTS)
		slot->maximum = INPUT_SLOTS - 1;
	memset(d->caps.bits[EV_KEY], 0, INPUT_BYTES);
	for (i = 0; i < KEY_CNT; i++) {
		if (caps_have(&d->host_caps, EV_KEY, i) && d->map[i] != INPUT_NO_KEY)
			bit_set(d->caps.bits[EV_KEY], d->map[i], true);
	}
	memset(d->caps.bits[EV_REP], 0, INPUT_BYTES);
	bit_set(d->caps.bits[EV_REP], REP_DELAY, repeats && conf->repeat == REPEAT_GUEST);
	bit_set(d->caps.bits[EV_REP], REP_PERIOD, repeats && conf->repeat == REPEAT_GUEST);
}

static int open_source(struct input *d, const struct input_conf *conf, struct error *err)
{
	bool made_up = strncmp(conf->spec, "virtual:", 8) == 0;

	d->source = made_up ? virtual_open(d, conf->spec + 8, &d->host_caps, err) :
		evdev_open(d, conf->spec, &d->host_caps, err);
	return d->source != NULL ? 0 : err->code < 0 ? err->code : -ENODEV;
}

static int input_open(struct instance *in, struct error *err)
{
	const struct input_conf *conf = instance_conf(in);
	const struct switch_conf seat = { conf->seat, conf->grab != GRAB_OFF };
	struct input *d = instance_state(in);
	int ret;

	d->in = in;
	d->fresh = true;
	d->mode = SOURCE_REST;
	state_init(&d->host);
	state_init(&d->guest);
	set_map(d, conf);
	d->seat.changed = seat_changed;
	d->seat.active = true;
	timer_init(&d->patience, instance_loop(in), patience_ends);
	ret = frames_init(&d->frames, conf->backlog);
	if (ret < 0)
		return error_set(err, ret, "no memory for %u events", conf->backlog);
	ret = open_source(d, conf, err);
	if (ret < 0)
		return ret;
	set_caps(d, conf);
	if (conf->seat == NULL && conf->hotkey.n == 0)
		return 0;
	return seat_init(&d->seat, instance_loop(in), &seat, err);
}

static void input_close(struct instance *in)
{
	struct input *d = instance_state(in);

	seat_finish(&d->seat);
	timer_finish(&d->patience);
	if (d->source != NULL)
		d->source->ops->close(take_ptr(d->source));
	frames_finish(&d->frames);
}

static const struct queue_row input_queues[] = {
	[VIRTIO_INPUT_EVENTQ] = { "eventq", 1024, .handle = eventq_handle },
	[VIRTIO_INPUT_STATUSQ] = { "statusq", 1024, .handle = statusq_handle },
};

static const char *const capabilities[] = { "evdev-path", "no-grab", NULL };

extern const struct device device_input;
const struct device device_input = {
	.name = "input",
	.summary = "keyboards, mice and touch screens of the host, or made up",
	.virtio_id = 18,
	.flags = DEV_SOCKET_INDEX,
	.queues = input_queues,
	.n_queues = ARRAY_SIZE(input_queues),
	.config_size = sizeof(struct virtio_input_config),
	.config_wr_off = 0,
	.config_wr_len = 2,
	.conf_size = sizeof(struct input_conf),
	.state_size = sizeof(struct input),
	.options = input_options,
	.counters = input_counters,
	.capabilities = capabilities,
	.commands = input_commands,
	.check = input_check,
	.open = input_open,
	.close = input_close,
	.start = input_start,
	.stop = input_stop,
	.reset = input_reset,
	.config_written = input_config_written,
};
