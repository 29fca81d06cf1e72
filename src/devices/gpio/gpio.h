/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Lines of a guest, and the seam to what drives them: a chip of the host or a
 * simulated one. gpio.c is the protocol, bank.c makes a guest's lines out of
 * --device-list, chip-*.c are the chips.
 */
#ifndef GPIO_GPIO_H
#define GPIO_GPIO_H

#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "wire/virtio-gpio.h"

enum { LINE_NAME_SIZE = 32, LINES_MAX = 65535 };

enum line_bias { BIAS_AS_IS, BIAS_OFF, BIAS_UP, BIAS_DOWN };
enum line_drive { DRIVE_PUSH_PULL, DRIVE_OPEN_DRAIN, DRIVE_OPEN_SOURCE };

/* What the operator says of a line. */
struct line_attr {
	char name[LINE_NAME_SIZE];
	bool named, active_low, value, wired;
	enum line_bias bias;
	enum line_drive drive;
	unsigned only;                  /* GPIO_DIRECTION_*; NONE: any */
	uint32_t debounce_us;
	uint32_t wire;                  /* offset of the other end; simulated chips */
};

/* What a line is to be on its chip. Edges are GPIO_IRQ_EDGE_* of logical values. */
struct line_want {
	unsigned direction;             /* NONE: released */
	bool value;                     /* for OUT */
	unsigned edges;                 /* for IN */
};

struct bank;
struct chip;
struct gpio;

struct line {
	struct chip *chip;
	unsigned offset;                /* on the chip */
	struct line_attr attr;
	struct line_want now;           /* as the chip has it; the chip's to write */
	void *host;                     /* the chip's */
	/* gpio.c */
	struct gpio *gpio;
	unsigned direction;             /* as the driver set it */
	unsigned irq;                   /* GPIO_IRQ_*, NONE: off */
	bool value;                     /* to drive, set before or after the direction */
	bool refused;                   /* the last SET_IRQ_TYPE failed */
	struct chain *parked;
	uint32_t pending;               /* edges while masked */
};

/*
 * Values are logical: chips know of active-low. int: 0 (or a value), or
 * -errno. An edge is told by line_edge(), also from inside a call; it makes no
 * call but get().
 */
struct chip_ops {
	/* Reaches w as a whole or leaves the line as it was; edges seen so far are forgotten. */
	int (*want)(struct line *l, const struct line_want *w);
	int (*set)(struct line *l, bool value);
	int (*get)(struct line *l);
	int (*direction)(struct line *l);       /* of the hardware */
	void (*close)(struct chip *c);          /* lines are released */
};

struct chip {
	const struct chip_ops *ops;
	struct instance *in;
	unsigned n_lines;
	char name[80];                  /* for messages */
};

/* gpio.c */
struct bank *gpio_bank(struct gpio *g);
void line_edge(struct line *l, bool rising);
/* A chip that was gone is back: its lines are wanted as before. */
void chip_is_back(struct chip *c);

/* bank.c */
struct bank {
	struct chip **chips;
	struct line *lines;
	unsigned n_chips, n_lines;
	char *names;                    /* the block that the driver gets */
	size_t names_size;              /* 0: no line has a name */
};

int bank_open(struct bank *b, struct instance *in, const char *text, struct error *err);
void bank_close(struct bank *b);        /* half-open is fine */
/* The line of that name or, as the guest counts, number. NULL: there is none. */
struct line *bank_find(const struct bank *b, const char *text);

/* chip-sim.c: line_init() reads the attributes. */
struct chip *sim_open(struct instance *in, unsigned n_lines, struct error *err);
int sim_line_init(struct line *l, struct error *err);
bool chip_is_sim(const struct chip *c);
/* From outside: level is electrical, negative lets go. */
void sim_drive(struct line *l, int level);
void sim_wire(struct line *a, struct line *b);
void sim_unwire(struct line *l);
bool sim_level(const struct line *l);
int sim_driven(const struct line *l);

/* chip-host.c, or chip-none.c: a number, a path, or "label=" and a pattern. */
extern const struct dl_library gpio_library;
struct chip *host_chip_open(struct instance *in, const char *name, struct error *err);
int host_line_init(struct line *l, struct error *err);

#endif
