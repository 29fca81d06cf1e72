/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Adapters of the host, real and simulated; shared by the guests of the process. */
#ifndef I2C_ADAPTER_H
#define I2C_ADAPTER_H

#include <linux/i2c.h>

#include "list.h"
#include "vhost-device/worker.h"

enum { I2C_MSGS_MAX = 42, I2C_LEN_MAX = 8192 };         /* of one I2C_RDWR */

struct adapter;
struct instance;

/* What the host is asked to change for everyone on the adapter; 0: nothing. */
struct adapter_tuning {
	uint32_t timeout_ms, retries;
	bool wait;                      /* it need not be there yet */
};

struct adapter_ops {
	/* All of list that belongs to this bus. A client of '*' that is taken gets unlisted. */
	int (*claim)(struct adapter *a, struct instance *in, struct list *l, unsigned bus,
		     struct error *err);
	/*
	 * On the worker, or on a loop that at_once() allows it: one START,
	 * repeated ones, one STOP. 0 or a negative errno.
	 */
	int (*transfer)(struct adapter *a, struct i2c_msg *msgs, unsigned n,
			const struct list_client *first);
	/* On a loop: transfer() is as quick there as handing it to the worker. NULL: never. */
	bool (*at_once)(struct adapter *a, const struct i2c_msg *msgs, unsigned n);
	/* On a loop, after -ENODEV: look whether it is there again. NULL: never. */
	void (*mend)(struct adapter *a, struct instance *in);
	void (*free)(struct adapter *a);
};

struct adapter {
	const struct adapter_ops *ops;
	struct adapter *next;
	struct worker *worker;
	unsigned refs;
	char key[160];                  /* "i2c-3"; of one that is awaited by name, that */
};

/* NULL with err set. Counted. */
struct adapter *adapter_get(struct instance *in, const struct list_bus *bus,
			    const struct adapter_tuning *tuning, struct error *err);
void adapter_ref(struct adapter *a);
void adapter_put(struct adapter *a);    /* on a loop; NULL is fine */

/* The two kinds; with neither key nor worker yet. */
struct adapter *host_new(struct instance *in, const struct list_bus *bus,
			 const struct adapter_tuning *tuning, struct error *err);
struct adapter *sim_new(const struct list_bus *bus, struct error *err);

/* SMBus operations on a client, in place of messages. 0 or -errno. */
struct smbus {
	unsigned long funcs;
	int (*operation)(struct smbus *s, uint8_t direction, uint8_t command, uint32_t size,
			 union i2c_smbus_data *data);
};
int smbus_transfer(struct smbus *s, struct i2c_msg *msgs, unsigned n,
		   const struct list_client *how);

/* Before /sys and /dev; empty but in tests. */
extern const char *host_root;

#endif
