/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The driver of the input device, and a host whose devices are made up. */
#ifndef INPUT_RIG_H
#define INPUT_RIG_H

#include "core/opt.h"
#include "fake-core.h"
#include "input.h"

enum { EVENTQ = VIRTIO_INPUT_EVENTQ, STATUSQ = VIRTIO_INPUT_STATUSQ, EVENT_SIZE = 8, NODES = 4,
	OPENS = 16, WRITTEN = 256 };

/* In the order of enum input_counter. */
enum { N_EVENTS, N_FRAMES, N_OVERFLOWS, N_LOST, N_RESYNCS, N_STATUS, N_STATUS_IGNORED,
	N_BAD_BUFFERS, N_UNPLUGGED, N_SWITCHED };

static const uint64_t MS = 1000ULL * 1000, T0 = 5000ULL * 1000 * 1000;

extern const struct device device_input;
extern struct error err;

/* ---- the host ---- */

struct node {
	char file[16];                  /* "event3"; "": there is none */
	int error;                      /* open() fails */
	bool read_only;                 /* .. for writing */
	bool foreign_grab;              /* somebody else has it */
	bool no_evdev;
	char phys[32];
	struct caps caps;
	struct state state;
	struct event written[WRITTEN];
	unsigned n_written, grabs;
};

extern struct node nodes[NODES];
extern char folder[64];

/* A keyboard at event3; plug() makes its file appear. */
void host_setup(void);
void host_teardown(void);
void plug(unsigned node, const char *file);
void unplug(unsigned node);
/* To all who have opened it; a SYN_REPORT for type 0. */
void emit(unsigned node, unsigned type, unsigned code, int32_t value);
void emit_syn(unsigned node);
void key(unsigned node, unsigned code, int32_t value);         /* with SYN_REPORT */
bool is_grabbed(unsigned node);
/* Takes what the device wrote. */
void take_written(unsigned node);

/* ---- the guest ---- */

/* One option: before open_input(). */
void option(const char *name, const char *text);
int try_open(const char *spec);
void open_input(const char *spec);
void end_input(void);

/* Buffers for events. */
void buffers(unsigned n);
/* Events that the guest got since it was asked last; "KEY_A 1" .. */
void expect_events(const char *text);
unsigned untaken(void);                 /* events that the guest has not looked at */
struct event next_event(void);
struct chain *status(unsigned type, unsigned code, int32_t value);
const struct virtio_input_config *ask_config(unsigned select, unsigned subsel);

#endif
