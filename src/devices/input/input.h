/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest's input device, and the seam to where its events come from. input.c
 * is the protocol, options.c what the operator says, state.c what is pressed,
 * frames.c events on their way, switch.c who of several guests has them;
 * evdev.c a device of the host and find.c how it is found, virtual.c one that
 * is made up, script.c the text that moves it, describe.c that of what it is.
 */
#ifndef INPUT_INPUT_H
#define INPUT_INPUT_H

#include <linux/input.h>

#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "wire/virtio-input.h"

enum {
	INPUT_TYPES = EV_REP + 1,       /* that can be told of; force feedback cannot */
	INPUT_BYTES = (KEY_CNT + 7) / 8, INPUT_TEXT = 256,
	INPUT_SLOTS = 64,               /* fingers; more are not told of */
	INPUT_MT_FIRST = ABS_MT_TOUCH_MAJOR, INPUT_MT = ABS_MT_TOOL_Y - ABS_MT_TOUCH_MAJOR + 1,
	INPUT_FRAME_MAX = 2048,         /* events of a frame; a longer one counts as lost */
	INPUT_HOTKEY_MAX = 4, INPUT_NO_KEY = 0xffff,
};

struct event {
	uint16_t type, code;
	int32_t value;
};

/* ---- what a device can do ---- */

struct caps {
	char name[INPUT_TEXT], serial[INPUT_TEXT];
	struct input_id id;
	uint8_t props[4];
	uint8_t bits[INPUT_TYPES][INPUT_BYTES]; /* of [EV_SYN]: types */
	struct input_absinfo abs[ABS_CNT];
};

/* How many codes a type has, 0: the type is none that is told of. */
unsigned input_codes(unsigned type);

static inline bool bit_test(const uint8_t *bits, unsigned i)
{
	return (bits[i / 8] >> i % 8 & 1) != 0;
}

static inline void bit_set(uint8_t *bits, unsigned i, bool value)
{
	bits[i / 8] = (uint8_t)((bits[i / 8] & ~(1U << i % 8)) | (unsigned)value << i % 8);
}

static inline bool caps_have(const struct caps *caps, unsigned type, unsigned code)
{
	return code < input_codes(type) && bit_test(caps->bits[type], code);
}

/* ---- what is pressed ---- */

struct state {
	uint8_t keys[INPUT_BYTES], sw[4], leds[4];
	int32_t abs[ABS_CNT];
	unsigned slot;
	int32_t mt[INPUT_SLOTS][INPUT_MT];
};

struct frames;

void state_init(struct state *s);
/* ev is of caps. */
void state_apply(struct state *s, const struct caps *caps, const struct event *ev);
/* Nothing is pressed or touched any more. */
void state_release(struct state *s);
bool state_idle(const struct state *s);         /* no key is down */
/* Frames that lead from one to the other: first what is released, then the rest. */
void state_lead(const struct state *from, const struct state *to, const struct caps *caps,
		struct frames *out);

/* ---- events on their way ---- */

struct frames {
	struct event *ring;
	unsigned size, head, n, open;   /* n in whole frames, then open ones */
	bool begun;                     /* the first one has been told in part */
};

int frames_init(struct frames *f, unsigned size);
void frames_finish(struct frames *f);
/* false: there is no room, or the frame is too long. A SYN_REPORT ends a frame. */
bool frames_add(struct frames *f, const struct event *ev);
/* Forgets all but the rest of a frame that was begun. */
void frames_clear(struct frames *f);
void frames_reset(struct frames *f);            /* all */
unsigned frames_first(const struct frames *f);  /* events left of the first one */
const struct event *frames_at(const struct frames *f, unsigned i);
void frames_take(struct frames *f, unsigned n); /* .. of the first one */

/* ---- where events come from ---- */

/* What is wanted of it: nothing; to listen; to listen for a guest, alone if so configured. */
enum source_mode { SOURCE_REST, SOURCE_LISTEN, SOURCE_HOLD };

struct source;

struct source_ops {
	void (*mode)(struct source *s, enum source_mode mode);
	/* LEDs and sounds: they belong to caps. */
	void (*status)(struct source *s, const struct event *evs, unsigned n);
	void (*more)(struct source *s);         /* there is room again */
	void (*close)(struct source *s);
};

struct input;

struct source {
	const struct source_ops *ops;
	struct input *dev;
	bool present;                   /* it is plugged in */
	bool held;                      /* the host does not get its events */
	char name[INPUT_TEXT];          /* for messages */
};

/* To the device: what happened, in order. An event with SYN_REPORT ends a frame. */
void input_event(struct input *d, const struct event *from);
/* Events were lost, or nobody listened: this is how it is now. */
void input_state(struct input *d, const struct state *s);
/* It was unplugged, or has come back (after input_state()). */
void input_present(struct input *d, bool present);
/* The end of a batch of events. */
void input_flush(struct input *d);
/* So many events can be kept. */
unsigned input_room(const struct input *d);
/* Is nothing pressed at the host? */
bool input_idle(const struct input *d);

/* NULL with err set. *ret_caps is filled. */
struct source *evdev_open(struct input *d, const char *spec, struct caps *ret_caps,
			  struct error *err);
struct source *virtual_open(struct input *d, const char *spec, struct caps *ret_caps,
			    struct error *err);
/* Something to press at the virtual device: a line of a script. */
int virtual_line(struct source *s, const char *line, struct error *err);
bool source_is_virtual(const struct source *s);

/* ---- devices of the host ---- */

/* The calls that are made; tests have others. Negative errno on failure. */
struct input_sys {
	int (*open)(struct instance *in, const char *path, int flags);
	int (*ioctl)(int fd, unsigned long request, void *arg);
	ssize_t (*read)(int fd, void *buf, size_t size);
	ssize_t (*write)(int fd, const void *buf, size_t size);
	const char *folder;             /* "/dev/input" */
};

extern const struct input_sys input_kernel;
extern const struct input_sys *input_sys;

/*
 * The device that spec means: a path, maybe with wildcards, or name:, phys:,
 * uniq: or id: with what it must be like. An fd, -EACCES, -EPERM, -ENOENT ..
 */
int find_device(struct instance *in, const char *spec, char ret_path[INPUT_TEXT],
		bool *ret_writable);
bool find_by_path(const char *spec);
/* Could spec be of that kind? NULL: yes, else what is wrong. */
const char *find_check(const char *spec);
int evdev_read_caps(int fd, struct caps *ret_caps);
int evdev_read_state(int fd, const struct caps *caps, struct state *ret_state);

/* ---- text ---- */

enum { SCRIPT_EVENTS = 1024 };

struct script_step {
	struct event evs[SCRIPT_EVENTS];
	unsigned n;
	uint64_t wait_ns;               /* before them */
	bool timed;                     /* stamp_us is set */
	uint64_t stamp_us;              /* of a recording */
};

/* 0, or -EINVAL with err set. ret_step is filled. */
int script_parse(const char *line, struct script_step *ret_step, struct error *err);
/* What a keyboard of the US sends for this character; false: it has none. */
bool script_type(unsigned char c, struct script_step *step);
void script_tap(struct script_step *step, const uint16_t *keys, unsigned n);
/* A line that describes a recorded device. 1: it was one; 0: not; -EINVAL. at: zeros at first */
int script_describe(const char *line, struct caps *caps, unsigned at[INPUT_TYPES]);
int script_profile(const char *name, struct caps *ret_caps);    /* -ENOENT */

/* The text of what a device can do. -EINVAL: it is something else. */
int describe_read(struct instance *in, const char *path, struct caps *ret_caps,
		  struct error *err);
void describe_say(struct said *r, const struct caps *caps);

/* ---- who has them ---- */

/* A combination of keys hands the devices of this process from one guest to the next. */
struct seat {
	struct post post;
	struct loop *loop;
	void *group;                    /* shared; NULL: none */
	unsigned number;
	bool active;                    /* the guest of this seat has its devices */
	bool watches;                   /* its keys decide */
	bool pressed;
	struct seat *next;
	void (*changed)(struct seat *s);
};

struct switch_conf {
	const char *name;               /* of the seat */
	bool host;                      /* the host has a turn, too */
};

int seat_init(struct seat *s, struct loop *loop, const struct switch_conf *conf,
	      struct error *err);
void seat_finish(struct seat *s);
/* The next one, if this one's keys decide. */
void seat_next(struct seat *s);
/* By name, "host" or "next". -ENOENT */
int seat_choose(struct seat *s, const char *name);

/* ---- what the operator says ---- */

enum { GRAB_OFF, GRAB_ON, GRAB_AUTO };
enum { REPEAT_GUEST, REPEAT_HOST, REPEAT_OFF };

struct key_pair {
	uint16_t from, to;              /* INPUT_NO_KEY: it is dropped */
};

struct hotkey {
	uint16_t keys[INPUT_HOTKEY_MAX];
	unsigned n;
};

struct ids_conf {
	bool set;
	struct input_id id;
};

struct input_conf {
	char *spec, *name, *serial, *seat, *description;
	struct ids_conf ids;
	unsigned grab, repeat;
	bool no_grab;
	struct hotkey hotkey;
	struct opt_list map, drop;      /* key_pair */
	uint32_t backlog;
};

extern const struct option input_options[];
int input_check(void *conf, struct error *err);

/* ---- the device ---- */

enum input_counter {
	INPUT_EVENTS, INPUT_FRAMES, INPUT_OVERFLOWS, INPUT_LOST, INPUT_RESYNCS, INPUT_STATUS,
	INPUT_STATUS_IGNORED, INPUT_BAD_BUFFERS, INPUT_UNPLUGGED, INPUT_SWITCHED, INPUT_COUNTERS,
};

struct input {
	struct instance *in;
	struct source *source;
	struct caps host_caps, caps;    /* as it is, and as the guest sees it */
	uint16_t map[KEY_CNT];
	struct state host, guest;       /* as it is, and as the guest was told */
	uint8_t ignored[INPUT_BYTES];   /* down since before it was the guest's */
	struct frames frames;
	int32_t moved[REL_CNT];         /* while events were lost */
	struct timer patience;
	bool waits;                     /* the first frame has some buffers, not all */
	bool running, fresh;            /* fresh: the guest knows of nothing yet */
	bool midway;                    /* between two SYN_REPORTs */
	bool lost;                      /* what comes only changes the state .. */
	bool resync;                    /* .. that the guest is to be told */
	enum source_mode mode;
	struct seat seat;
	uint8_t leds[4], host_leds[4], sounds[4];       /* set by the guest; as they were */
	bool lit, leds_known;           /* the guest has set some; host_leds were read */
	uint64_t counts[INPUT_COUNTERS];
	struct log_limit log;
};

void input_count(struct input *d, enum input_counter which, uint64_t n);
extern const struct device_command input_commands[];
extern const char *const input_counters[];

#endif
