/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * A guest's CAN controller, and the seam to the bus that it is on. can.c is
 * the protocol and the controller, node.c what an item of --can-devices says,
 * text.c frames in the notation of candump; bus.c is the bus inside this
 * process, host.c an interface of the host, bridge.c joins the two.
 *
 * Frames are those of Linux: CAN_EFF_FLAG and CAN_RTR_FLAG in can_id, len in
 * bytes (of a remote frame: its DLC, the bytes then are zero), CANFD_FDF and
 * maybe CANFD_BRS in flags.
 */
#ifndef CAN_CAN_H
#define CAN_CAN_H

#include <linux/can.h>

#include "vhost-device/device.h"
#include "vhost-device/loop.h"

enum {
	CAN_IFACES_MAX = 4, CAN_RULES_MAX = 32, CAN_NAME_SIZE = 16, CAN_TEXT_SIZE = 160,
	CAN_BACKLOG_MAX = 65536,
};

/* ---- what the operator says ---- */

enum can_switch { SWITCH_AUTO, SWITCH_OFF, SWITCH_ON };
enum can_full { FULL_NEWEST, FULL_OLDEST, FULL_WAIT };
enum can_brs { BRS_OFF, BRS_ON, BRS_COPY };

/* Of a list: which frames may pass. */
struct can_rule {
	canid_t id, mask;               /* with CAN_EFF_FLAG */
	bool deny;
};

struct can_rules {
	struct can_rule rule[CAN_RULES_MAX];
	unsigned n;
};

struct can_node {
	char bus[CAN_NAME_SIZE];        /* "": the interface below is the bus */
	char ifaces[CAN_IFACES_MAX][CAN_NAME_SIZE];     /* else: bridged to it */
	unsigned n_ifaces;
	enum can_switch fd, late_ack;
	enum can_brs brs;
	bool rtr, tx, rx, own, loopback, hotplug;
	bool down_is_bus_off;
	enum can_full full;
	uint32_t rate, backlog, ack_timeout_ms;
	struct can_rules rx_rules, tx_rules;
};

/* *ret_node is filled; -EINVAL with err set. */
int can_node_parse(const char *text, struct can_node *ret_node, struct error *err);
bool can_rules_pass(const struct can_rules *rules, canid_t id);

/* 123#1122, 12345678#R4, 123##3aabb. -EINVAL: the text is none; ret_frame is untouched. */
int can_text_parse(const char *text, struct canfd_frame *ret_frame);
void can_text(char buf[CAN_TEXT_SIZE], const struct canfd_frame *f);

/* A length that frames of this kind can have. */
bool can_length_fits(unsigned len, bool fd);

/* ---- the seam ---- */

enum port_event {
	PORT_UP,                        /* frames pass again */
	PORT_DOWN,                      /* it is down, or has gone */
	PORT_BUS_OFF,                   /* its controller has left the bus */
	PORT_LOST,                      /* frames were lost before they were seen; n of them */
};

struct port;

/* Who is at a port. Not called from inside a call of port_ops but from more(). */
struct port_user {
	void (*receive)(struct port *p, const struct canfd_frame *f);
	/* A frame of ours, for which send() promised it, was on the bus. */
	void (*confirmed)(struct port *p, const struct canfd_frame *f);
	void (*event)(struct port *p, enum port_event event, uint64_t n);
	/* How many frames may come now; more() tells when it was less than wanted. */
	unsigned (*room)(struct port *p);
};

enum { PORT_SENT, PORT_CONFIRMS };

struct port_ops {
	/* From now on frames come; those that wait from before are forgotten. 0 or -errno. */
	int (*start)(struct port *p, bool confirm);
	void (*stop)(struct port *p);
	/* PORT_SENT, PORT_CONFIRMS, -EAGAIN: later, or an error of the host. */
	int (*send)(struct port *p, const struct canfd_frame *f);
	void (*more)(struct port *p);
	void (*close)(struct port *p);
};

struct port {
	const struct port_ops *ops;
	const struct port_user *user;
	struct instance *in;            /* for messages */
	void *owner;                    /* the user's, to be set before start() */
	bool fd, confirms;              /* what it is able to */
	bool down;
	char name[24];                  /* for messages */
};

/* NULL with err set. user is called from the first start() on. */
struct port *bus_port_open(struct instance *in, struct loop *loop, const char *bus,
			   const struct can_node *node, const struct port_user *user,
			   struct error *err);
/* -EEXIST with err set: the bus is joined to that interface, twice would be a ring. */
int bus_join(struct port *p, const char *iface, struct error *err);
/* A frame from outside: to all on the bus. */
void bus_inject(struct port *p, const struct canfd_frame *f);

struct port *host_port_open(struct instance *in, struct loop *loop, const char *iface,
			    const struct can_node *node, const struct port_user *user,
			    struct error *err);

/* The calls that host.c makes; tests have others. Negative errno on failure. */
struct can_iface {
	unsigned index, mtu;
	bool up;                        /* and its controller is on the bus */
};

struct can_msg {
	struct canfd_frame frame;
	size_t size;                    /* CAN_MTU, CANFD_MTU, or what nobody knows */
	bool own;                       /* sent through this very socket */
	uint32_t lost;                  /* in all, for want of room in the socket */
};

enum { CAN_MSGS = 32 };

struct can_sys {
	int (*open)(void);              /* a CAN_RAW socket that does not block */
	int (*query)(int fd, const char *name, struct can_iface *ret_iface);
	int (*bind)(int fd, unsigned index);
	int (*set)(int fd, int option, const void *value, size_t size);
	int (*recv)(int fd, struct can_msg *msgs, unsigned n);  /* how many, 1 to n */
	int (*send)(int fd, const struct canfd_frame *f, size_t size);
	int (*watch)(void);             /* an fd that is readable when interfaces change */
	void (*watched)(int fd);        /* what it told is known */
};

extern const struct can_sys can_kernel;
extern const struct can_sys *can_sys;

struct bridge;
struct bridge *bridge_open(struct instance *in, struct loop *loop, const struct can_node *node,
			   const char *iface, struct error *err);
void bridge_close(struct bridge *b);    /* NULL is fine */
/* Frames that it could not pass on. */
uint64_t bridge_dropped(const struct bridge *b);

#endif
