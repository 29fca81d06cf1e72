/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Adapters of the host by its i2c-dev driver. The fd belongs to the worker;
 * one that a loop opened after the adapter was gone, or was not there yet,
 * waits in `fresh` until the next transfer takes it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter.h"
#include "vhost-device/fd.h"
#include "vhost-device/instance.h"
#include "vhost-device/log.h"
#include "vhost-device/num.h"

enum { PATH_SIZE = 512, NAME_SIZE = 128, UNIT_MS = 10 };

static const uint64_t MEND_PAUSE = 1000000000;

/* Any of them makes an adapter of use. */
static const unsigned long useful = I2C_FUNC_I2C | I2C_FUNC_SMBUS_BYTE |
	I2C_FUNC_SMBUS_BYTE_DATA | I2C_FUNC_SMBUS_WORD_DATA | I2C_FUNC_SMBUS_BLOCK_DATA |
	I2C_FUNC_SMBUS_I2C_BLOCK;

struct host {
	struct adapter base;
	char *name;                     /* when it was found by name */
	struct adapter_tuning tuning;
	bool late;                      /* its clients could not be looked at when it began */
	/* the worker's, once there is one */
	uint32_t number;
	int fd;
	unsigned long funcs;
	pthread_mutex_t lock;           /* what follows */
	int fresh;
	uint32_t fresh_number;
	uint64_t mended;                /* when it was last tried, or 0 */
};

const char *host_root = "";

static struct host *host_of(struct adapter *a)
{
	return container_of(a, struct host, base);
}

/* Finding it. */

static bool has_name(struct instance *in, uint32_t number, const char *name)
{
	char path[PATH_SIZE], text[NAME_SIZE];
	CLOSE_FD int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/bus/i2c/devices/i2c-%u/name", host_root, number);
	fd = host_open(in, path, O_RDONLY, NULL);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, name) == 0;
}

/* An adapter is "i2c-3"; its clients, "3-0050", are there too. */
static bool is_adapter(const char *entry, uint32_t *ret_number)
{
	uint64_t n;

	if (strncmp(entry, "i2c-", 4) != 0 || num_parse(entry + 4, 0, UINT32_MAX, &n) < 0)
		return false;
	*ret_number = (uint32_t)n;
	return true;
}

static int find_by_name(struct instance *in, const char *name, uint32_t *ret_number,
			struct error *err)
{
	struct dirent **entries;
	unsigned found = 0;
	char path[PATH_SIZE];
	uint32_t number;
	int n, i;

	snprintf(path, sizeof(path), "%s/sys/bus/i2c/devices", host_root);
	n = scandir(path, &entries, NULL, alphasort);
	if (n < 0)
		return error_set(err, -errno, "adapter \"%s\": %s: %s: does this kernel have I2C?",
				 name, path, strerror(errno));
	for (i = 0; i < n; i++) {
		if (is_adapter(entries[i]->d_name, &number) && has_name(in, number, name)) {
			*ret_number = number;
			found++;
		}
		free(entries[i]);
	}
	free(entries);
	if (found == 0)
		return error_set(err, -ENOENT, "adapter \"%s\" not found: i2cdetect -l lists "
				 "those that are there", name);
	if (found > 1)
		return error_set(err, -EEXIST, "adapter \"%s\": %u adapters have this name: "
				 "give the number", name, found);
	return 0;
}

static int open_adapter(struct instance *in, uint32_t number, struct error *err)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof(path), "%s/dev/i2c-%u", host_root, number);
	fd = host_open(in, path, O_RDWR, err);
	if (fd == -ENOENT)
		error_set(err, fd, "%s: no such adapter: i2cdetect -l lists those that are "
			  "there, the module i2c-dev makes the file", path);
	return fd;
}

static int set_up(struct host *h, int fd, struct error *err)
{
	unsigned long funcs = 0;

	if (ioctl(fd, I2C_FUNCS, &funcs) < 0)
		return error_set(err, -errno, "adapter i2c-%u: cannot ask what it can do: %s",
				 h->number, strerror(errno));
	if ((funcs & useful) == 0)
		return error_set(err, -EOPNOTSUPP, "adapter i2c-%u: has neither I2C nor SMBus "
				 "transfers", h->number);
	if (h->tuning.timeout_ms != 0 &&
	    ioctl(fd, I2C_TIMEOUT, (h->tuning.timeout_ms + UNIT_MS - 1) / UNIT_MS) < 0)
		return error_set(err, -errno, "adapter i2c-%u: --bus-timeout: %s", h->number,
				 strerror(errno));
	if (h->tuning.retries != 0 && ioctl(fd, I2C_RETRIES, h->tuning.retries) < 0)
		return error_set(err, -errno, "adapter i2c-%u: --bus-retries: %s", h->number,
				 strerror(errno));
	h->funcs = funcs;
	return 0;
}

/* Clients. */

static int claim_one(struct host *h, int fd, const struct list_client *lc, unsigned index,
		     struct error *err)
{
	unsigned long all = I2C_FUNC_I2C | I2C_FUNC_10BIT_ADDR;
	unsigned long pec = I2C_FUNC_I2C | I2C_FUNC_SMBUS_PEC;

	if (lc->pec && (h->funcs & pec) == 0)
		return error_set(err, -EOPNOTSUPP, "adapter i2c-%u cannot check packets: %s "
				 "cannot have /pec", h->number, list_address(index).s);
	if (lc->ten && (h->funcs & all) != all)
		return error_set(err, -EOPNOTSUPP, "adapter i2c-%u has no 10-bit addresses: %s "
				 "cannot be used", h->number, list_address(index).s);
	if (lc->force)
		return 0;
	if (ioctl(fd, I2C_TENBIT, (unsigned long)lc->ten) == 0 &&
	    ioctl(fd, I2C_SLAVE, (unsigned long)lc->host) == 0)
		return 0;
	if (errno == EBUSY)
		return error_set(err, -EBUSY, "adapter i2c-%u: client 0x%02x is used by a driver "
				 "of the host: unbind that, or add /force", h->number, lc->host);
	return error_set(err, -errno, "adapter i2c-%u: client 0x%02x: %s", h->number, lc->host,
			 strerror(errno));
}

static int host_claim(struct adapter *a, struct instance *in, struct list *l, unsigned bus,
		      struct error *err)
{
	struct host *h = host_of(a);
	CLOSE_FD int fd = -1;
	struct list_client *lc;
	unsigned i;
	int ret;

	if (h->late)
		return 0;
	fd = open_adapter(in, h->number, err);
	if (fd < 0)
		return fd;
	for (i = 0; i < I2C_ADDRESSES; i++) {
		lc = &l->clients[i];
		if (!lc->listed || lc->bus != bus)
			continue;
		ret = claim_one(h, fd, lc, i, err);
		if (ret == -EBUSY && lc->any) {
			lc->listed = false;
			log_info(in, "%s: client 0x%02x is used by a driver of the host: left out",
				 a->key, lc->host);
		} else if (ret < 0) {
			return ret;
		}
	}
	return 0;
}

/* Transfers. */

static bool take_fresh(struct host *h)
{
	uint32_t number;
	int fd;

	pthread_mutex_lock(&h->lock);
	number = h->fresh_number;
	fd = take_fd(&h->fresh);
	pthread_mutex_unlock(&h->lock);
	if (fd < 0)
		return h->fd >= 0;
	fd_close(&h->fd);
	h->fd = fd;
	h->number = number;
	if (set_up(h, fd, NULL) == 0)
		return true;
	fd_close(&h->fd);
	return false;
}

/* The address belongs to the fd, the fd to this thread. */
static int set_client(struct host *h, uint16_t address, const struct list_client *first)
{
	unsigned long set = first->force ? I2C_SLAVE_FORCE : I2C_SLAVE;

	return ioctl(h->fd, set, (unsigned long)address) < 0 ? -errno : 0;
}

struct host_smbus {
	struct smbus smbus;
	int fd;
};

static int host_operation(struct smbus *s, uint8_t direction, uint8_t command, uint32_t size,
			  union i2c_smbus_data *data)
{
	struct i2c_smbus_ioctl_data op = { direction, command, size, data };

	return ioctl(container_of(s, struct host_smbus, smbus)->fd, I2C_SMBUS, &op) < 0 ? -errno
		: 0;
}

static int by_smbus(struct host *h, struct i2c_msg *msgs, unsigned n,
		    const struct list_client *first)
{
	struct host_smbus bus = { { h->funcs, host_operation }, h->fd };
	int ret = set_client(h, msgs[0].addr, first);

	if (ret == 0 && ioctl(h->fd, I2C_PEC, (unsigned long)first->pec) < 0)
		ret = -errno;
	return ret < 0 ? ret : smbus_transfer(&bus.smbus, msgs, n, first);
}

/* An adapter that came late may have clients with drivers, or no 10-bit addresses. */
static int check_late(struct host *h, const struct i2c_msg *msgs, unsigned n,
		      const struct list_client *first)
{
	unsigned i;
	int ret = 0;

	for (i = 0; ret == 0 && i < n; i++) {
		if ((msgs[i].flags & I2C_M_TEN) != 0 && (h->funcs & I2C_FUNC_10BIT_ADDR) == 0)
			return -EOPNOTSUPP;
		if (ioctl(h->fd, I2C_TENBIT, (msgs[i].flags & I2C_M_TEN) != 0) < 0)
			return -errno;
		ret = set_client(h, msgs[i].addr, first);
	}
	return ret;
}

static int by_messages(struct host *h, struct i2c_msg *msgs, unsigned n,
		       const struct list_client *first)
{
	struct i2c_rdwr_ioctl_data data = { msgs, n };
	int done = h->late ? check_late(h, msgs, n, first) : 0;

	if (done < 0)
		return done;
	done = ioctl(h->fd, I2C_RDWR, &data);
	if (done < 0)
		return -errno;
	return (unsigned)done == n ? 0 : -EIO;
}

/* Some drivers say of a client that does not answer what others say of a lost adapter. */
static bool is_there(const struct host *h)
{
	char path[PATH_SIZE];
	struct stat node, held;

	snprintf(path, sizeof(path), "%s/dev/i2c-%u", host_root, h->number);
	return stat(path, &node) == 0 && fstat(h->fd, &held) == 0 &&
		node.st_dev == held.st_dev && node.st_ino == held.st_ino;
}

static int host_transfer(struct adapter *a, struct i2c_msg *msgs, unsigned n,
			 const struct list_client *first)
{
	struct host *h = host_of(a);
	int ret;

	if (!take_fresh(h))
		return -ENODEV;
	if ((h->funcs & I2C_FUNC_I2C) == 0) {
		ret = by_smbus(h, msgs, n, first);
	} else {
		ret = by_messages(h, msgs, n, first);
		/* Some controllers have no empty messages, but the operation made of one. */
		if ((ret == -EOPNOTSUPP || ret == -EINVAL) && n == 1 && msgs[0].len == 0 &&
		    (msgs[0].flags & I2C_M_TEN) == 0)
			ret = by_smbus(h, msgs, n, first);
	}
	if (ret != -ENODEV && ret != -ESHUTDOWN)
		return ret;
	if (is_there(h))
		return -ENXIO;
	/* An fd that stays open keeps the kernel from taking the adapter away. */
	fd_close(&h->fd);
	return -ENODEV;
}

/* It may have come back under another number if it was found by name. */
static void host_mend(struct adapter *a, struct instance *in)
{
	struct host *h = host_of(a);
	uint64_t now = loop_now(instance_loop(in));
	CLOSE_FD int fd = -1;
	uint32_t number;
	bool due;

	pthread_mutex_lock(&h->lock);
	number = h->fresh_number;
	due = h->fresh < 0 && (h->mended == 0 || now - h->mended >= MEND_PAUSE);
	if (due)
		h->mended = now;
	pthread_mutex_unlock(&h->lock);
	if (!due || (h->name != NULL && find_by_name(in, h->name, &number, NULL) < 0))
		return;
	fd = open_adapter(in, number, NULL);
	if (fd < 0)
		return;
	log_info(in, "%s: is there", a->key);
	pthread_mutex_lock(&h->lock);
	if (h->fresh < 0) {
		h->fresh = take_fd(&fd);
		h->fresh_number = number;
	}
	pthread_mutex_unlock(&h->lock);
}

static void host_free(struct adapter *a)
{
	struct host *h = host_of(a);

	fd_close(&h->fd);
	fd_close(&h->fresh);
	pthread_mutex_destroy(&h->lock);
	free(h->name);
	free(h);
}

static const struct adapter_ops host_ops = {
	.claim = host_claim, .transfer = host_transfer, .mend = host_mend, .free = host_free,
};

/* To be looked for when somebody wants it. */
static int await_adapter(struct host *h, struct instance *in)
{
	if (h->name != NULL)
		snprintf(h->base.key, sizeof(h->base.key), "i2c-\"%s\"", h->name);
	log_warn(in, "%s: is not there yet: transfers fail until it is", h->base.key);
	h->late = true;
	return 0;
}

static int host_start(struct host *h, struct instance *in, const struct list_bus *bus,
		      struct error *err)
{
	int ret;

	h->number = bus->number;
	if (bus->kind == BUS_NAME) {
		if (strlen(bus->name) >= NAME_SIZE)
			return error_set(err, -ENAMETOOLONG, "adapter \"%s\": no adapter has "
					 "such a long name", bus->name);
		h->name = strdup(bus->name);
		if (h->name == NULL)
			return error_memory(err);
		ret = find_by_name(in, bus->name, &h->number, err);
		if (ret == -ENOENT && h->tuning.wait)
			return await_adapter(h, in);
		if (ret < 0)
			return ret;
	}
	h->fresh_number = h->number;
	snprintf(h->base.key, sizeof(h->base.key), "i2c-%u", h->number);
	h->fd = open_adapter(in, h->number, err);
	if (h->fd == -ENOENT && h->tuning.wait)
		return await_adapter(h, in);
	return h->fd < 0 ? h->fd : set_up(h, h->fd, err);
}

struct adapter *host_new(struct instance *in, const struct list_bus *bus,
			 const struct adapter_tuning *tuning, struct error *err)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		error_memory(err);
		return NULL;
	}
	*h = (struct host){ .base = { .ops = &host_ops }, .tuning = *tuning, .fd = -1,
		.fresh = -1 };
	pthread_mutex_init(&h->lock, NULL);
	if (host_start(h, in, bus, err) == 0)
		return &h->base;
	host_free(&h->base);
	return NULL;
}
