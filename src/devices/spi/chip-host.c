/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Chips of the host by its spidev driver. All but the fresh fd belongs to the
 * worker of the bus; a fd that a loop opened after the chip was gone waits in
 * `fresh` until the next transfer takes it.
 *
 * A chip stays selected behind a transfer that has cs_change set and is the
 * last of its ioctl (there it means the opposite of what it means elsewhere);
 * an empty transfer without it deselects.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "spi.h"
#include "vhost-device/fd.h"
#include "vhost-device/log.h"
#include "vhost-device/num.h"

enum {
	BUFSIZ_DEFAULT = 4096,
	ALIGNMENT = 128,                /* the kernel rounds each transfer up to no more */
	US = 1000,
};

static const uint64_t MEND_PAUSE = 1000000000;

static const uint32_t widths_tx = SPI_TX_DUAL | SPI_TX_QUAD | SPI_TX_OCTAL;
static const uint32_t widths_rx = SPI_RX_DUAL | SPI_RX_QUAD | SPI_RX_OCTAL;
static const uint32_t request_bits = SPI_CPHA | SPI_CPOL | SPI_CS_HIGH | SPI_LSB_FIRST | SPI_LOOP;

struct host {
	struct chip base;
	char *path;
	int fd;
	uint32_t first_mode, mode;      /* as found, and as it is */
	uint8_t first_bits;
	size_t bufsiz;
	bool selected;
	uint64_t ready;                 /* when it may be selected again, ns */
	uint32_t inactive_ns;
	bool shared;
	pthread_mutex_t lock;           /* what follows */
	bool gone;
	int fresh;
	uint64_t mended;                /* when it was last tried, or 0 */
};

const char *spi_root = "";

static struct host *host_of(struct chip *c)
{
	return container_of(c, struct host, base);
}

/* ---- finding it ---- */

/* "spidev3.1" */
static bool read_name(const char *name, struct spi_place *p)
{
	uint64_t bus, cs;
	char text[32];
	char *dot;

	if (strncmp(name, "spidev", 6) != 0 || strlen(name) >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%s", name + 6);
	dot = strchr(text, '.');
	if (dot == NULL)
		return false;
	*dot = '\0';
	if (num_parse(text, 0, UINT32_MAX, &bus) < 0 || num_parse(dot + 1, 0, UINT32_MAX, &cs) < 0)
		return false;
	snprintf(p->bus, sizeof(p->bus), "spi-%u", (unsigned)bus);
	p->cs = (unsigned)cs;
	return true;
}

int spi_place(const char *path, struct spi_place *ret_place, struct error *err)
{
	FREE_PTR char *real = realpath(path, NULL);
	const char *name;

	if (real == NULL)
		return error_set(err, -errno, "%s: %s: the host needs a driver for its SPI "
				 "controller, and the driver spidev bound to the chip", path,
				 strerror(errno));
	name = strrchr(real, '/');
	/* Under a name that says nothing, it is a bus of its own. */
	if (!read_name(name != NULL ? name + 1 : real, ret_place)) {
		snprintf(ret_place->bus, sizeof(ret_place->bus), "spi-%.70s", real);
		ret_place->cs = 0;
	}
	return 0;
}

static int open_node(struct instance *in, const char *path, bool shared, struct error *err)
{
	CLOSE_FD int fd = host_open(in, path, O_RDWR, err);

	if (fd < 0)
		return fd;
	/* The mode belongs to the chip, not to the fd: two who set it break each other. */
	if (flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return error_set(err, -EBUSY, "%s is used by another process: add :shared in both "
				 "if that is what you want", path);
	return take_fd(&fd);
}

static size_t read_bufsiz(struct instance *in)
{
	char path[300], text[32];
	CLOSE_FD int fd = -1;
	uint64_t v = BUFSIZ_DEFAULT;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/module/spidev/parameters/bufsiz", spi_root);
	fd = host_open(in, path, O_RDONLY, NULL);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n > 0) {
		text[n] = '\0';
		text[strcspn(text, "\n")] = '\0';
		num_parse(text, 4, UINT32_MAX, &v);
	}
	return v >= ALIGNMENT ? (size_t)v / ALIGNMENT * ALIGNMENT : (size_t)v / 4 * 4;
}

/* ---- what it can do ---- */

/* More wires include fewer. */
static uint8_t widths_of(uint32_t mode, uint32_t dual, uint32_t quad, uint32_t octal)
{
	if ((mode & octal) != 0)
		return VIRTIO_SPI_WIDTH_OCTAL | VIRTIO_SPI_WIDTH_QUAD | VIRTIO_SPI_WIDTH_DUAL;
	if ((mode & quad) != 0)
		return VIRTIO_SPI_WIDTH_QUAD | VIRTIO_SPI_WIDTH_DUAL;
	return (mode & dual) != 0 ? VIRTIO_SPI_WIDTH_DUAL : 0;
}

static uint32_t bits_of(uint8_t widths, uint32_t dual, uint32_t quad, uint32_t octal)
{
	return ((widths & VIRTIO_SPI_WIDTH_DUAL) != 0 ? dual : 0) |
		((widths & VIRTIO_SPI_WIDTH_QUAD) != 0 ? quad : 0) |
		((widths & VIRTIO_SPI_WIDTH_OCTAL) != 0 ? octal : 0);
}

static uint32_t func_of(uint32_t mode)
{
	return ((mode & SPI_CS_HIGH) != 0 ? VIRTIO_SPI_FUNC_CS_HIGH : 0) |
		((mode & SPI_LSB_FIRST) != 0 ? VIRTIO_SPI_FUNC_LSB_FIRST : 0) |
		((mode & SPI_LOOP) != 0 ? VIRTIO_SPI_FUNC_LOOP : 0);
}

/* Wires that are not there are dropped in silence. */
static bool takes_mode(int fd, uint32_t mode)
{
	uint32_t back = 0;

	return ioctl(fd, SPI_IOC_WR_MODE32, &mode) == 0 &&
		ioctl(fd, SPI_IOC_RD_MODE32, &back) == 0 && back == mode;
}

/* Every answer but yes is a no; what was set before is set again. */
static void try_out(struct host *h, struct spi_caps *caps)
{
	static const struct {
		uint32_t clear, set, func;
	} modes[] = {
		{ SPI_CPHA, 0, VIRTIO_SPI_FUNC_CPHA_0 },
		{ 0, SPI_CPHA, VIRTIO_SPI_FUNC_CPHA_1 },
		{ SPI_CPOL, 0, VIRTIO_SPI_FUNC_CPOL_0 },
		{ 0, SPI_CPOL, VIRTIO_SPI_FUNC_CPOL_1 },
		{ 0, SPI_CS_HIGH, VIRTIO_SPI_FUNC_CS_HIGH },
		{ 0, SPI_LSB_FIRST, VIRTIO_SPI_FUNC_LSB_FIRST },
		{ 0, SPI_LOOP, VIRTIO_SPI_FUNC_LOOP },
	};
	static const uint32_t wires[] = { SPI_TX_DUAL, SPI_TX_QUAD, SPI_TX_OCTAL, SPI_RX_DUAL,
		SPI_RX_QUAD, SPI_RX_OCTAL };
	uint32_t mode = h->first_mode, with = mode;
	uint8_t bits;
	size_t i;

	caps->funcs = caps->bits_mask = 0;
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		if (takes_mode(h->fd, (mode & ~modes[i].clear) | modes[i].set))
			caps->funcs |= modes[i].func;
	}
	for (i = 0; (mode & SPI_3WIRE) == 0 && i < ARRAY_SIZE(wires); i++) {
		if (takes_mode(h->fd, (mode & ~(widths_tx | widths_rx)) | wires[i]))
			with |= wires[i];
	}
	caps->tx_widths |= widths_of(with, SPI_TX_DUAL, SPI_TX_QUAD, SPI_TX_OCTAL);
	caps->rx_widths |= widths_of(with, SPI_RX_DUAL, SPI_RX_QUAD, SPI_RX_OCTAL);
	ioctl(h->fd, SPI_IOC_WR_MODE32, &mode);
	for (bits = 1; bits <= 32; bits++) {
		if (ioctl(h->fd, SPI_IOC_WR_BITS_PER_WORD, &bits) == 0)
			caps->bits_mask |= 1U << (bits - 1);
	}
	ioctl(h->fd, SPI_IOC_WR_BITS_PER_WORD, &h->first_bits);
}

static int ask(struct host *h, bool probe, struct error *err)
{
	struct spi_caps *caps = &h->base.caps;
	uint32_t hz = 0;

	if (ioctl(h->fd, SPI_IOC_RD_MODE32, &h->first_mode) < 0 ||
	    ioctl(h->fd, SPI_IOC_RD_BITS_PER_WORD, &h->first_bits) < 0 ||
	    ioctl(h->fd, SPI_IOC_RD_MAX_SPEED_HZ, &hz) < 0)
		return error_set(err, -errno, "%s can't be accessed: %s: is it a node of spidev?",
				 h->path, errno == ENOTTY ? "it is no SPI chip" : strerror(errno));
	h->mode = h->first_mode;
	*caps = (struct spi_caps){
		.tx_widths = widths_of(h->mode, SPI_TX_DUAL, SPI_TX_QUAD, SPI_TX_OCTAL),
		.rx_widths = widths_of(h->mode, SPI_RX_DUAL, SPI_RX_QUAD, SPI_RX_OCTAL),
		/* All controllers that matter have all four; one that has not says so then. */
		.funcs = VIRTIO_SPI_FUNC_CPHA_0 | VIRTIO_SPI_FUNC_CPHA_1 |
			VIRTIO_SPI_FUNC_CPOL_0 | VIRTIO_SPI_FUNC_CPOL_1 | func_of(h->mode),
		.max_hz = hz,
	};
	if (probe)
		try_out(h, caps);
	return 0;
}

/* ---- transfers ---- */

static bool take_fresh(struct host *h)
{
	int fd;

	pthread_mutex_lock(&h->lock);
	fd = take_fd(&h->fresh);
	pthread_mutex_unlock(&h->lock);
	if (fd >= 0) {
		fd_close(&h->fd);
		h->fd = fd;
		h->selected = false;
		h->mode = UINT32_MAX;
	}
	return h->fd >= 0;
}

static uint16_t us(uint32_t ns)
{
	return (uint16_t)((ns + US - 1) / US);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void wait_until(uint64_t at)
{
	uint64_t now = at != 0 ? now_ns() : 0;
	struct timespec ts;

	if (now >= at)
		return;
	ts.tv_sec = (time_t)((at - now) / 1000000000);
	ts.tv_nsec = (long)((at - now) % 1000000000);
	ppoll(NULL, 0, &ts, NULL);
}

/* An fd that stays open keeps the kernel from giving the number to who comes back. */
static int failed(struct host *h, int code)
{
	if (code != -ESHUTDOWN && code != -ENODEV && code != -ENXIO)
		return code;
	if (code == -ESHUTDOWN) {
		fd_close(&h->fd);
		pthread_mutex_lock(&h->lock);
		h->gone = true;
		pthread_mutex_unlock(&h->lock);
	}
	return -ENODEV;
}

static int message(struct host *h, struct spi_ioc_transfer *t, unsigned n)
{
	unsigned long call = n == 1 ? SPI_IOC_MESSAGE(1) : SPI_IOC_MESSAGE(2);

	return ioctl(h->fd, call, t) < 0 ? -errno : 0;
}

static void deselected(struct host *h)
{
	if (h->selected && h->inactive_ns > 0)
		h->ready = now_ns() + h->inactive_ns;
	h->selected = false;
}

static void host_release(struct chip *c)
{
	struct host *h = host_of(c);
	struct spi_ioc_transfer t;

	memset(&t, 0, sizeof(t));
	if (h->selected && h->fd >= 0)
		message(h, &t, 1);
	deselected(h);
}

static int set_mode(struct host *h, uint32_t want)
{
	uint32_t mode = h->first_mode & ~request_bits;

	mode |= bits_of(h->base.caps.tx_widths, SPI_TX_DUAL, SPI_TX_QUAD, SPI_TX_OCTAL) |
		bits_of(h->base.caps.rx_widths, SPI_RX_DUAL, SPI_RX_QUAD, SPI_RX_OCTAL);
	mode |= ((want & VIRTIO_SPI_MODE_CPHA) != 0 ? SPI_CPHA : 0) |
		((want & VIRTIO_SPI_MODE_CPOL) != 0 ? SPI_CPOL : 0) |
		((want & VIRTIO_SPI_MODE_CS_HIGH) != 0 ? SPI_CS_HIGH : 0) |
		((want & VIRTIO_SPI_MODE_LSB_FIRST) != 0 ? SPI_LSB_FIRST : 0) |
		((want & VIRTIO_SPI_MODE_LOOP) != 0 ? SPI_LOOP : 0);
	if (mode == h->mode)
		return 0;
	if (ioctl(h->fd, SPI_IOC_WR_MODE32, &mode) < 0)
		return -errno;
	h->mode = mode;
	return 0;
}

/* Bytes at to at + n. */
static int piece(struct host *h, const struct spi_xfer *x, size_t at, size_t n)
{
	bool last = at + n == x->len;
	struct spi_ioc_transfer t[2];
	unsigned k = 0;

	memset(t, 0, sizeof(t));
	if (at == 0 && x->begins && x->setup_ns > 0) {
		t[k].delay_usecs = us(x->setup_ns);
		t[k++].speed_hz = x->hz;
	}
	t[k].tx_buf = x->tx != NULL ? (uintptr_t)(x->tx + at) : 0;
	t[k].rx_buf = x->rx != NULL ? (uintptr_t)(x->rx + at) : 0;
	t[k].len = (uint32_t)n;
	t[k].speed_hz = x->hz;
	t[k].bits_per_word = x->bits;
	t[k].tx_nbits = x->tx != NULL ? x->tx_nbits : 0;
	t[k].rx_nbits = x->rx != NULL ? x->rx_nbits : 0;
	t[k].word_delay_usecs = (uint8_t)us(x->word_delay_ns);
	t[k].delay_usecs = last ? us(x->hold_ns) : 0;
	t[k++].cs_change = !last || x->keep;
	return message(h, t, k);
}

static int host_transfer(struct chip *c, const struct spi_xfer *x)
{
	struct host *h = host_of(c);
	size_t at, n;
	int ret;

	if (!take_fresh(h))
		return -ENODEV;
	if (x->begins && h->selected)
		host_release(c);
	ret = set_mode(h, x->mode);
	if (ret < 0)
		return failed(h, ret);
	if (x->begins)
		wait_until(h->ready);
	h->inactive_ns = x->inactive_ns;
	for (at = 0; ret == 0 && at < x->len; at += n) {
		n = x->len - at < h->bufsiz ? x->len - at : h->bufsiz;
		h->selected = true;
		ret = piece(h, x, at, n);
	}
	if (ret < 0) {
		host_release(c);
		return failed(h, ret);
	}
	if (!x->keep)
		deselected(h);
	return 0;
}

static void host_mend(struct chip *c, struct instance *in)
{
	struct host *h = host_of(c);
	uint64_t now = loop_now(instance_loop(in));
	CLOSE_FD int fd = -1;
	bool due;

	pthread_mutex_lock(&h->lock);
	due = h->gone && (h->mended == 0 || now - h->mended >= MEND_PAUSE);
	if (due)
		h->mended = now;
	pthread_mutex_unlock(&h->lock);
	if (!due)
		return;
	fd = open_node(in, h->path, h->shared, NULL);
	if (fd < 0)
		return;
	log_info(in, "%s: is there again", h->path);
	pthread_mutex_lock(&h->lock);
	if (h->fresh < 0)
		h->fresh = take_fd(&fd);
	h->gone = false;
	pthread_mutex_unlock(&h->lock);
}

static void host_free(struct chip *c)
{
	struct host *h = host_of(c);

	if (h->fd >= 0 && h->mode != h->first_mode)
		ioctl(h->fd, SPI_IOC_WR_MODE32, &h->first_mode);
	fd_close(&h->fd);
	fd_close(&h->fresh);
	pthread_mutex_destroy(&h->lock);
	free(h->path);
	free(h);
}

static const struct chip_ops host_ops = {
	.transfer = host_transfer, .release = host_release, .mend = host_mend, .free = host_free,
};

static int host_start(struct host *h, struct instance *in, const struct list_item *item,
		      bool probe, struct error *err)
{
	h->path = strdup(item->path);
	if (h->path == NULL)
		return error_memory(err);
	snprintf(h->base.name, sizeof(h->base.name), "%.60s", item->path);
	h->fd = open_node(in, h->path, item->shared, err);
	if (h->fd < 0)
		return h->fd;
	if (ask(h, probe, err) < 0)
		return -ENODEV;
	/* They are set at once with the mode, as setting it deselects. */
	if (item->caps.has_tx)
		h->base.caps.tx_widths = item->caps.tx_widths;
	if (item->caps.has_rx)
		h->base.caps.rx_widths = item->caps.rx_widths;
	h->bufsiz = read_bufsiz(in);
	return 0;
}

struct chip *spi_host_new(struct instance *in, const struct list_item *item, bool probe,
			  struct error *err)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		error_memory(err);
		return NULL;
	}
	*h = (struct host){ .base = { .ops = &host_ops }, .fd = -1, .fresh = -1,
		.shared = item->shared };
	pthread_mutex_init(&h->lock, NULL);
	if (host_start(h, in, item, probe, err) == 0)
		return &h->base;
	host_free(&h->base);
	return NULL;
}
