/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* --device-list: which clients of which adapters a guest sees, at which address. */
#ifndef I2C_LIST_H
#define I2C_LIST_H

#include "vhost-device/list.h"

enum {
	I2C_SEVEN = 128,                /* 7-bit addresses */
	I2C_TEN = 1024,
	I2C_ADDRESSES = I2C_SEVEN + I2C_TEN,    /* 10-bit ones follow the others */
	I2C_BUSES_MAX = 64,
};

enum bus_kind { BUS_NUMBER, BUS_NAME, BUS_SIM };

struct list_bus {
	enum bus_kind kind;
	bool smbus;                     /* BUS_SIM: it knows SMBus operations alone */
	uint32_t number;
	char *name;                     /* BUS_NAME */
};

enum sim_kind { SIM_ANY, SIM_EEPROM, SIM_REGS, SIM_BLOCK };

struct list_client {
	bool listed;
	bool any;                       /* came of '*' */
	bool ten, force, split, pec, read_only;
	uint8_t bus;
	uint16_t host;                  /* its address on the adapter */
	uint16_t pointer;               /* read_only: bytes that may be written */
	enum sim_kind sim;
	uint32_t size;                  /* SIM_EEPROM: bytes, 0: 256 */
	uint32_t slow;                  /* simulated: milliseconds a transfer takes */
	uint32_t nak_after;             /* simulated: bytes of a message it takes ... */
	bool nak;                       /* ... if set */
};

struct list {
	unsigned n_buses;
	struct list_bus buses[I2C_BUSES_MAX];
	struct list_client clients[I2C_ADDRESSES];      /* by the address that the guest uses */
};

/* A struct list of each; free(NULL) is fine. */
extern const struct list_kind i2c_lists;

/* "0x50", or "0x150/ten", of an index into clients. */
struct list_text {
	char s[16];
};
struct list_text list_address(unsigned index);

#endif
