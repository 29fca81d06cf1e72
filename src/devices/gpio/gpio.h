/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Lines of a guest, and the seam to what drives them: a chip of the host or a
 * simulated one. gpio.c is the protocol, line.c what a line does one thing after
 * the other, bank.c makes a guest's lines out of --device-list, chip-*.c are the
 * chips, outside.c is what the operator may do to them.
 */
#ifndef GPIO_GPIO_H
#define GPIO_GPIO_H

#include "vhost-device/device.h"
#include "vhost-device/loop.h"
#include "vhost-device/worker.h"
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
	uint32_t slow_ms;               /* that a call takes; simulated chips */
};

/* What a line is to be on its chip. Edges are GPIO_IRQ_EDGE_* of logical values. */
struct line_want {
	unsigned direction;             /* NONE: released */
	bool value;                     /* for OUT */
	unsigned edges;                 /* for IN */
};

/* One call to the host for a line. */
enum line_op_kind { OP_WANT, OP_SET, OP_GET, OP_DIRECTION };

struct line_op {
	enum line_op_kind kind;
	struct line_want want;
	bool value;                     /* OP_SET */
	int result;                     /* 0, a value or a direction, or -errno */
};

struct bank;
struct chip;
struct gpio;
struct line;

struct line_job {
	struct job job;
	struct bank *bank;
	struct line *line;
};

struct line_counts {
	uint32_t edges, interrupts, coalesced, errors;
};

struct line {
	struct chip *chip;
	unsigned offset;                /* on the chip */
	struct line_attr attr;
	struct line_want now;           /* as the chip has it; the chip's to write */
	void *host;                     /* the chip's */
	/* line.c */
	struct gpio *gpio;
	unsigned direction;             /* as the driver set it */
	unsigned irq;                   /* GPIO_IRQ_*, NONE: off */
	bool value;                     /* to drive, set before or after the direction */
	bool refused;                   /* the last SET_IRQ_TYPE failed */
	struct chain *parked;
	uint32_t pending;               /* edges while masked */
	struct line_counts counts;
	/* What is under way, and what comes then. */
	bool busy;                      /* op is */
	bool again;                     /* the chip is to be as the line is */
	bool look;                      /* a level is to be looked at */
	struct line_op op;
	unsigned purpose;               /* GPIO_MSG_* or another */
	uint32_t asked;                 /* value of that request */
	unsigned old_direction, old_irq;        /* before it */
	struct chain *chain;            /* waits for op */
	struct chain *waiting, *waiting_last;   /* requests behind that */
	struct line_job *job;           /* NULL: ops are done at once */
};

/*
 * Values are logical: chips know of active-low. A call has three parts, one
 * after the other, and one call of a line at a time. OP_WANT reaches what is
 * wanted as a whole or leaves the line as it was; edges of another setting are
 * forgotten. An edge is told by line_edge(), also from inside a call.
 */
struct chip_ops {
	/* On the loop; may be NULL. */
	void (*begin)(struct line *l, const struct line_op *op);
	/* May block; on the worker of the chip if it has one, one line at a time. */
	void (*run)(struct line *l, struct line_op *op);
	/* On the loop; may change the result. -ECANCELED, -ETIMEDOUT: it was not run. */
	void (*ended)(struct line *l, struct line_op *op);
	void (*close)(struct chip *c);  /* no call of it from now on, but one may still run */
	void (*free)(struct chip *c);   /* none does */
};

struct chip {
	const struct chip_ops *ops;
	struct instance *in;
	unsigned n_lines;
	bool blocks;                    /* calls are for a worker */
	struct worker *worker;
	char name[80];                  /* for messages */
	char key[128];                  /* of the worker; same hardware, same key */
};

enum edge_policy { EDGES_COALESCED, EDGES_COUNTED };

/* What came lately, oldest first from `next` on. */
enum { HISTORY = 256 };
struct line_event {
	uint64_t ns;
	uint16_t line;
	bool used, level;
};

enum gpio_counter { GPIO_REQUESTS, GPIO_ERRORS, GPIO_EDGES, GPIO_INTERRUPTS, GPIO_COALESCED };

struct gpio {
	struct instance *in;
	struct bank *bank;
	enum edge_policy edges;
	unsigned on_reset;
	struct timer limit;             /* of a stop */
	struct log_limit log;
	struct line_event history[HISTORY];
	unsigned next;
};

/* In chain_req() of a request. */
struct gpio_request {
	struct line *line;
	struct chain *next, *before;    /* that wait behind this one, and before */
	unsigned type;
	uint32_t value;
};

/* gpio.c */
struct bank *gpio_bank(struct gpio *g);
/* Ends a request: a value, or -errno. */
void gpio_answer(struct gpio *g, struct chain *c, int result);

/* line.c */
void line_edge(struct line *l, bool rising);
/* It has this level from now on, for the operator to know. */
void line_changed(struct line *l, bool level);
/* A chip that was gone is back: its lines are wanted as before. */
void chip_is_back(struct chip *c);
/* chain_req() is filled in; the chain ends now or later. */
void line_request(struct line *l, struct chain *c);
/* A buffer of the eventq: an interrupt, or the right to make one. */
void line_unmask(struct line *l, struct chain *c);
void line_mask(struct line *l);         /* returns that buffer INVALID */
/* As a new driver expects it; hold: an output stays one. */
void line_reset(struct line *l, bool hold, bool value);
/* false: it is under way, and ends by itself. Else it may be returned. */
bool line_withdraw(struct line *l, struct chain *c);
void line_abandon(struct line *l);      /* ends all of its requests; the call may go on */
void line_close(struct line *l);

/* bank.c */
struct bank {
	struct chip **chips;
	struct line *lines;
	unsigned n_chips, n_lines;
	char *names;                    /* the block that the driver gets */
	size_t names_size;              /* 0: no line has a name */
	unsigned running;               /* jobs that are submitted */
	bool closed;                    /* goes with the last of them */
};

/* Which chips of the host get a worker. */
enum worker_use { WORKER_AUTO, WORKER_ALWAYS, WORKER_NEVER };

/* NULL with err set. */
struct bank *bank_open(struct instance *in, const char *text, enum worker_use use,
		       struct error *err);
void bank_close(struct bank *b);        /* NULL is fine; its lines are closed */
void bank_job_ended(struct bank *b);
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

/* outside.c: commands of the operator. */
extern const struct device_command gpio_commands[];

/* chip-host.c, or chip-none.c: a number, a path, or "label=" and a pattern. */
extern const struct dl_library gpio_library;
struct chip *host_chip_open(struct instance *in, const char *name, struct error *err);
int host_line_init(struct line *l, struct error *err);

#endif
