/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * The host's side of the SPI controller: lists of chips, buses, and what
 * reaches the kernel: ioctl() is ours here, the nodes are files of our own.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/opt.h"
#include "fake-core.h"
#include "spi.h"
#include "suite.h"

extern const struct device device_spi;

static unsigned char conf[256];
static struct error err;

static void set(const char *option, const char *text)
{
	const struct option *row = opt_find(device_spi.options, option, strlen(option));

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(opt_set(row, conf, text, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	ck_assert_uint_le(device_spi.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_spi.options, conf);
}

static void teardown(void)
{
	opt_finish(device_spi.options, conf);
}

/* -- The kernel ------------------------------------------------------------- */

enum { OK = VIRTIO_SPI_TRANS_OK, PARAM = VIRTIO_SPI_PARAM_ERR, TRANS = VIRTIO_SPI_TRANS_ERR };

static struct {
	uint32_t mode, hz, modes;       /* modes: bits that can be set */
	uint8_t bits;
	uint64_t sizes;                 /* bit n: words of n bits can be set */
	int error, no_node;             /* of the next transfers; of every call */
	unsigned bufsiz, fails_at;      /* the nth transfer fails, 0: none */
	char log[2048];                 /* what was asked */
} kernel;

static void noted(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void noted(const char *fmt, ...)
{
	size_t at = strlen(kernel.log);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(kernel.log + at, sizeof(kernel.log) - at, fmt, ap);
	va_end(ap);
}

static int failed_with(int code)
{
	errno = code;
	return -1;
}

static void note_transfer(const struct spi_ioc_transfer *t)
{
	noted("%s%s%u", t->tx_buf != 0 ? "w" : "", t->rx_buf != 0 ? "r" : "", t->len);
	if (t->speed_hz != 0)
		noted(" %uHz", t->speed_hz);
	if (t->bits_per_word != 0 && t->bits_per_word != 8)
		noted(" %ubit", t->bits_per_word);
	if (t->tx_nbits > 1 || t->rx_nbits > 1)
		noted(" wires%u/%u", t->tx_nbits, t->rx_nbits);
	if (t->word_delay_usecs != 0)
		noted(" word%u", t->word_delay_usecs);
	if (t->delay_usecs != 0)
		noted(" delay%u", t->delay_usecs);
	noted("%s", t->cs_change != 0 ? "+;" : ";");
}

static int message(const struct spi_ioc_transfer *t, unsigned n)
{
	unsigned i, sent = 0, received = 0;

	if (kernel.error != 0)
		return failed_with(kernel.error);
	for (i = 0; i < n; i++) {
		sent += t[i].tx_buf != 0 ? t[i].len : 0;
		received += t[i].rx_buf != 0 ? t[i].len : 0;
		note_transfer(&t[i]);
	}
	if (sent > kernel.bufsiz || received > kernel.bufsiz)
		return failed_with(EMSGSIZE);
	if (kernel.fails_at > 0 && --kernel.fails_at == 0)
		return failed_with(EIO);
	for (i = 0; i < n; i++) {
		if (t[i].rx_buf != 0 && t[i].tx_buf != 0)
			memcpy((void *)(uintptr_t)t[i].rx_buf, (void *)(uintptr_t)t[i].tx_buf,
			       t[i].len);
		else if (t[i].rx_buf != 0)
			memset((void *)(uintptr_t)t[i].rx_buf, 'r', t[i].len);
	}
	return (int)sent;
}

/* Wires that cannot be are dropped, other bits are refused. */
static int set_mode(uint32_t mode)
{
	const uint32_t wires = SPI_TX_DUAL | SPI_TX_QUAD | SPI_TX_OCTAL | SPI_RX_DUAL |
		SPI_RX_QUAD | SPI_RX_OCTAL;

	noted("mode %x;", mode);
	if ((mode & ~kernel.modes & ~wires) != 0)
		return failed_with(EINVAL);
	kernel.mode = mode & (kernel.modes | ~wires);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	void *arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (kernel.no_node != 0)
		return failed_with(kernel.no_node);
	switch (request) {
	case SPI_IOC_RD_MODE32:
		*(uint32_t *)arg = kernel.mode;
		return 0;
	case SPI_IOC_RD_BITS_PER_WORD:
		*(uint8_t *)arg = kernel.bits;
		return 0;
	case SPI_IOC_RD_MAX_SPEED_HZ:
		*(uint32_t *)arg = kernel.hz;
		return 0;
	case SPI_IOC_WR_MODE32:
		return set_mode(*(uint32_t *)arg);
	case SPI_IOC_WR_BITS_PER_WORD:
		if ((kernel.sizes >> *(uint8_t *)arg & 1) == 0)
			return failed_with(EINVAL);
		kernel.bits = *(uint8_t *)arg;
		return 0;
	case SPI_IOC_MESSAGE(1):
	case SPI_IOC_MESSAGE(2):
		return message(arg, request == SPI_IOC_MESSAGE(1) ? 1 : 2);
	default:
		return failed_with(ENOTTY);
	}
}

static char folder[32], node[2][64];

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void host_setup(void)
{
	char path[120], *slash;
	unsigned i;

	setup();
	memset(&kernel, 0, sizeof(kernel));
	kernel.hz = 1000000;
	kernel.bits = 8;
	kernel.bufsiz = 4096;
	kernel.modes = SPI_CPHA | SPI_CPOL;
	kernel.sizes = 1 << 8;
	snprintf(folder, sizeof(folder), "/tmp/test-spi-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (i = 0; i < 2; i++) {
		snprintf(node[i], sizeof(node[i]), "%s/spidev7.%u", folder, i);
		put_file(node[i], "");
	}
	snprintf(path, sizeof(path), "%s/sys/module/spidev/parameters/bufsiz", folder);
	for (slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	spi_root = folder;
}

static void host_teardown(void)
{
	static const char *const paths[] = { "sys/module/spidev/parameters/bufsiz",
		"sys/module/spidev/parameters", "sys/module/spidev", "sys/module", "sys",
		"spidev7.0", "spidev7.1", "link", "" };
	char path[120];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, paths[i]);
		remove(path);
	}
	spi_root = "";
	teardown();
}

static void open_host(const char *words)
{
	char list[200];

	snprintf(list, sizeof(list), "%s%s,%s%s", node[0], words, node[1], words);
	set("device", list);
	fake_setup(&device_spi, 0);
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

static void close_host(void)
{
	fake_stop();
	fake_close();
	fake_teardown();
}

static struct virtio_spi_transfer_head head(unsigned cs)
{
	return (struct virtio_spi_transfer_head){ .chip_select_id = (uint8_t)cs,
		.bits_per_word = 8 };
}

/* n bytes each way; what the kernel was asked since the last one. */
static void ask(const struct virtio_spi_transfer_head *h, size_t sent, size_t received, int result,
		const char *asked)
{
	static unsigned char bytes[sizeof(*h) + 70000];
	struct chain *c;
	size_t i;

	for (i = 0; i < sent; i++)
		bytes[sizeof(*h) + i] = (unsigned char)(i * 7 + i / 256);
	memcpy(bytes, h, sizeof(*h));
	c = fake_push(bytes, sizeof(*h) + sent, received + 1);
	fake_wait_ended(fake.pushed);
	ck_assert_uint_eq(c->used, received + 1);
	ck_assert_int_eq(c->put[received], result);
	for (i = 0; i < received; i++)
		ck_assert_uint_eq(c->put[i], result != OK ? 0 : sent > 0 ? bytes[sizeof(*h) + i]
				  : 'r');
	ck_assert_str_eq(kernel.log, asked);
	kernel.log[0] = '\0';
}

/* -- What it can do ---------------------------------------------------------- */

static const struct virtio_spi_config *config(void)
{
	return fake.config;
}

START_TEST(nothing_is_tried_out)
{
	kernel.mode = SPI_CS_HIGH | SPI_TX_DUAL | SPI_RX_QUAD;
	open_host("");
	ck_assert_str_eq(kernel.log, "");
	ck_assert_uint_eq(config()->cs_max_number, 2);
	ck_assert_uint_eq(config()->tx_nbits_supported, VIRTIO_SPI_WIDTH_DUAL);
	ck_assert_uint_eq(config()->rx_nbits_supported, VIRTIO_SPI_WIDTH_DUAL |
			  VIRTIO_SPI_WIDTH_QUAD);
	ck_assert_uint_eq(le32_get(config()->mode_func_supported), 0x1f);
	ck_assert_uint_eq(le32_get(config()->max_freq_hz), 1000000);
	ck_assert_uint_eq(le32_get(config()->bits_per_word_mask), 0);
	close_host();
	ck_assert_str_eq(kernel.log, "");
}
END_TEST

/* All that is set is taken back, and what the host refuses is no failure. */
START_TEST(everything_is_tried_out)
{
	kernel.mode = SPI_CPHA;
	kernel.modes = SPI_CPHA | SPI_CPOL | SPI_LOOP | SPI_TX_DUAL | SPI_TX_QUAD | SPI_RX_OCTAL;
	kernel.sizes = 1ULL << 8 | 1ULL << 16 | 1ULL << 32;
	set("probe", "active");
	open_host("");
	ck_assert_uint_eq(config()->tx_nbits_supported, 3);
	ck_assert_uint_eq(config()->rx_nbits_supported, 7);
	ck_assert_uint_eq(le32_get(config()->mode_func_supported), 0x4f);
	ck_assert_uint_eq(le32_get(config()->bits_per_word_mask), 0x80008080);
	ck_assert_uint_eq(kernel.mode, SPI_CPHA);
	ck_assert_uint_eq(kernel.bits, 8);
	close_host();
}
END_TEST

START_TEST(wires_of_a_chip_with_three_are_not_tried)
{
	kernel.mode = SPI_3WIRE;
	kernel.modes = SPI_3WIRE | SPI_CPHA | SPI_TX_DUAL;
	set("probe", "active");
	open_host("");
	ck_assert_uint_eq(config()->tx_nbits_supported, 0);
	ck_assert_uint_eq(le32_get(config()->mode_func_supported), 0x07);
	ck_assert_uint_eq(kernel.mode, SPI_3WIRE);
	close_host();
}
END_TEST

START_TEST(what_the_list_says_wins)
{
	open_host(":max-freq=5M:modes=1+lsb-first:bpw=8+16:nbits=1+4");
	ck_assert_uint_eq(config()->tx_nbits_supported, 2);
	ck_assert_uint_eq(le32_get(config()->mode_func_supported), 0x26);
	ck_assert_uint_eq(le32_get(config()->max_freq_hz), 5000000);
	ck_assert_uint_eq(le32_get(config()->bits_per_word_mask), 0x8080);
	close_host();
}
END_TEST

START_TEST(what_is_no_chip)
{
	kernel.no_node = _i == 0 ? ENOTTY : ESHUTDOWN;
	set("device", node[0]);
	fake_setup(&device_spi, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, node[0]));
	ck_assert_ptr_nonnull(strstr(err.text, "can't be accessed"));
	fake_close();
	fake_teardown();
}
END_TEST

START_TEST(names_of_nodes)
{
	struct spi_place p;
	char link[64];

	ck_assert_int_eq(spi_place(node[1], &p, &err), 0);
	ck_assert_str_eq(p.bus, "spi-7");
	ck_assert_uint_eq(p.cs, 1);
	snprintf(link, sizeof(link), "%s/link", folder);
	ck_assert_int_eq(symlink(node[1], link), 0);
	ck_assert_int_eq(spi_place(link, &p, &err), 0);
	ck_assert_str_eq(p.bus, "spi-7");
	ck_assert_uint_eq(p.cs, 1);
	ck_assert_int_eq(spi_place(folder, &p, &err), 0);
	ck_assert_int_eq(strncmp(p.bus, "spi-/tmp/", 9), 0);
	ck_assert_int_eq(spi_place("/nowhere", &p, &err), -ENOENT);
}
END_TEST

START_TEST(one_process_a_chip)
{
	int fd = open(node[0], O_RDWR);

	ck_assert_int_eq(flock(fd, LOCK_SH), 0);
	set("device", node[0]);
	fake_setup(&device_spi, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "another process"));
	fake_close();
	fake_teardown();
	teardown();
	setup();
	open_host(":shared");
	close_host();
	close(fd);
}
END_TEST

/* -- Transfers ---------------------------------------------------------------- */

START_TEST(each_field)
{
	struct virtio_spi_transfer_head h = head(0);

	kernel.modes |= SPI_CS_HIGH | SPI_LSB_FIRST | SPI_LOOP | SPI_TX_QUAD | SPI_RX_QUAD |
		SPI_TX_DUAL | SPI_RX_DUAL;
	kernel.mode = SPI_NO_CS | SPI_READY;
	kernel.modes |= SPI_NO_CS | SPI_READY;
	open_host(":nbits=4:modes=0+1+2+3+cs-high+lsb-first+loop");
	/* What the host set for the chip stays; wires are there with the first mode. */
	ask(&h, 3, 3, OK, "mode ac0;wr3;");
	h.mode = le32(VIRTIO_SPI_MODE_ALL);
	h.freq = le32(250000);
	h.bits_per_word = 16;
	h.tx_nbits = 4;
	h.rx_nbits = 1;
	ask(&h, 4, 4, OK, "mode aef;wr4 250000Hz 16bit wires4/1;");
	/* Wires of a direction that is not there are not the host's business. */
	ask(&h, 0, 4, OK, "r4 250000Hz 16bit;");
	/* More than the chip may: clamped. */
	h.freq = le32(99000000);
	ask(&h, 0, 4, OK, "r4 1000000Hz 16bit;");
	h = head(0);
	h.cs_setup_ns = le32(1);
	h.cs_delay_hold_ns = le32(2001);
	h.word_delay_ns = le32(255000);
	ask(&h, 1, 1, OK, "mode ac0;0 delay1;wr1 word255 delay3;");
	h.cs_setup_ns = le32(65535000);
	ask(&h, 1, 1, OK, "0 delay65535;wr1 word255 delay3;");
	close_host();
	/* It is left as it was found. */
	ck_assert_str_eq(kernel.log, "mode c0;");
}
END_TEST

START_TEST(stays_selected_within_a_message)
{
	struct virtio_spi_transfer_head h = head(0), other = head(1);

	set("cs-gap", "10000000");
	open_host("");
	ask(&h, 1, 0, OK, "w1+;");
	ask(&h, 0, 2, OK, "r2;");
	ask(&h, 1, 0, OK, "w1+;");
	/* An empty transfer deselects it for another write, another chip, another mode. */
	ask(&h, 2, 0, OK, "0;w2+;");
	ask(&other, 3, 0, OK, "0;w3+;");
	h.mode = le32(3);
	ask(&h, 0, 1, OK, "0;mode 3;r1;");
	ask(&h, 1, 0, OK, "w1+;");
	h.mode = le32(0);
	ask(&h, 0, 1, OK, "0;mode 0;r1;");
	h.cs_change = 1;
	ask(&h, 1, 0, OK, "w1;");
	h.cs_change = 0;
	ask(&h, 1, 0, OK, "w1+;");
	close_host();
	ck_assert_str_eq(kernel.log, "0;");
}
END_TEST

/* Waited for between two selections. */
START_TEST(inactive_time)
{
	struct virtio_spi_transfer_head h = head(0);
	uint64_t start;

	open_host("");
	h.cs_change_delay_inactive_ns = le32(30000000);
	start = loop_now(fake.loop);
	ask(&h, 1, 1, OK, "wr1;");
	ask(&h, 1, 1, OK, "wr1;");
	loop_turn(fake.loop, false);
	ck_assert_uint_ge(loop_now(fake.loop) - start, 30000000);
	close_host();
}
END_TEST

static const struct {
	const char *text;
	unsigned bufsiz, len;
	const char *asked;
} pieces[] = {
	{ NULL, 4096, 4096, "wr4096;" },
	{ NULL, 4096, 4097, "wr4096+;wr1;" },
	{ "4096\n", 4096, 8192, "wr4096+;wr4096;" },
	{ "65536\n", 65536, 65536, "wr65536;" },
	{ "65536\n", 65536, 65537, "wr65536+;wr1;" },
	/* A size that is no multiple of what the kernel rounds to. */
	{ "1000\n", 1000, 2000, "wr896+;wr896+;wr208;" },
	{ "10\n", 10, 20, "wr8+;wr8+;wr4;" },
	{ "rubbish\n", 4096, 5000, "wr4096+;wr904;" },
};

START_TEST(long_requests_go_in_pieces)
{
	struct virtio_spi_transfer_head h = head(0);
	char path[120];

	snprintf(path, sizeof(path), "%s/sys/module/spidev/parameters/bufsiz", folder);
	if (pieces[_i].text != NULL)
		put_file(path, pieces[_i].text);
	kernel.bufsiz = pieces[_i].bufsiz;
	open_host("");
	ask(&h, pieces[_i].len, pieces[_i].len, OK, pieces[_i].asked);
	close_host();
}
END_TEST

START_TEST(pieces_of_longer_words_and_delays)
{
	struct virtio_spi_transfer_head h = head(0);

	open_host("");
	h.bits_per_word = 32;
	h.cs_setup_ns = h.cs_delay_hold_ns = le32(5000);
	ask(&h, 4100, 0, OK, "0 delay5;w4096 32bit+;w4 32bit delay5+;");
	close_host();
}
END_TEST

/* Deselected, told, and no bytes of it. */
START_TEST(a_piece_fails)
{
	struct virtio_spi_transfer_head h = head(0);

	open_host("");
	kernel.fails_at = 2;
	ask(&h, 9000, 9000, TRANS, "wr4096+;wr4096+;0;");
	ask(&h, 1, 1, OK, "wr1;");
	close_host();
}
END_TEST

START_TEST(errors_of_the_host)
{
	static const struct {
		int error, result;
	} errors[] = { { EINVAL, PARAM }, { EMSGSIZE, PARAM }, { EIO, TRANS }, { ETIMEDOUT, TRANS },
		{ ENOMEM, TRANS }, { ENODEV, TRANS } };
	struct virtio_spi_transfer_head h = head(0);

	open_host("");
	kernel.error = errors[_i].error;
	ask(&h, 3, 3, errors[_i].result, "");
	kernel.error = 0;
	ask(&h, 3, 3, OK, "wr3;");
	close_host();
}
END_TEST

START_TEST(a_mode_that_the_host_refuses)
{
	struct virtio_spi_transfer_head h = head(0);

	kernel.modes = SPI_CPHA;
	open_host("");
	h.mode = le32(2);
	ask(&h, 1, 1, PARAM, "mode 2;");
	h.mode = le32(1);
	ask(&h, 1, 1, OK, "mode 1;wr1;");
	/* And the next one sets its own again. */
	h.mode = le32(0);
	ask(&h, 1, 1, OK, "mode 0;wr1;");
	close_host();
}
END_TEST

START_TEST(a_chip_goes_and_comes)
{
	struct virtio_spi_transfer_head h = head(0), other = head(1);

	open_host("");
	kernel.error = ESHUTDOWN;
	ask(&h, 1, 1, TRANS, "");
	kernel.error = 0;
	/* The next look opens it anew, and nothing is known of its mode. */
	ask(&h, 1, 1, OK, "mode 0;wr1;");
	ask(&other, 1, 1, OK, "wr1;");
	kernel.error = ESHUTDOWN;
	ask(&h, 1, 1, TRANS, "");
	/* Not looked for in every request. */
	kernel.error = 0;
	ask(&h, 1, 1, TRANS, "");
	ask(&other, 1, 1, OK, "wr1;");
	close_host();
}
END_TEST

/* -- Lists -------------------------------------------------------------------- */

static const struct {
	const char *text, *why;
} bad_lists[] = {
	{ "", "chip is missing" },
	{ "s0,", "chip is missing" },
	{ "s0:", "unknown" },
	{ "s0:what", "'what' is unknown" },
	{ "s0:shared=1", "takes no value" },
	{ "s0:slow", "needs a value" },
	{ "s0:slow=", "needs a value" },
	{ "s0:slow=x", "from 0 to 60000" },
	{ "/dev/null:loopback", "only for simulated" },
	{ "-:bpw=8", "no chip" },
	{ "-", "no chip in the list" },
	{ "s0,s0.0", "twice" },
	{ "/dev/a,/dev/a", "twice" },
	{ "\"/dev/a", "not closed" },
	{ "\"/dev/a\"b", "follows" },
	{ "s0:nor=65535", "from 65536" },
	{ "s0:nor=65537", "power of two" },
	{ "s0:nor=512M", "to 268435456" },
	{ "s0:shift=0", "from 1" },
	{ "s0:nor:id=xyz", "six hexadecimal" },
	{ "s0:nor:id=+f4018", "six hexadecimal" },
	{ "s0:id=ef4018", "belong to nor" },
	{ "s0:file=x", "belong to nor" },
	{ "s0:modes=4", "none of its values" },
	{ "s0:modes=0+", "none of its values" },
	{ "s0:modes=loop", "at least one" },
	{ "s0:bpw=0", "none of its values" },
	{ "s0:bpw=33", "none of its values" },
	{ "s0:nbits=3", "none of its values" },
	{ "s0:tx-nbits=16", "none of its values" },
	{ "s0:max-freq=5G", "in Hz" },
	{ "s0:max-freq=4295M", "in Hz" },
	{ "s0:cs=what", "pairs, each" },
	{ "/dev/no-such-spidev", "/dev/no-such-spidev" },
	{ "/dev/null", "no SPI chip" },
};

START_TEST(bad_lists_are_refused)
{
	kernel.no_node = ENOTTY;
	set("device", bad_lists[_i].text);
	fake_setup(&device_spi, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_msg(strstr(err.text, bad_lists[_i].why) != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, "--device") != NULL, "%s", err.text);
	fake_close();
	fake_teardown();
}
END_TEST

START_TEST(too_many_chips)
{
	char text[LIST_MAX * 2 + 4] = "s0";
	unsigned i;

	for (i = 0; i < LIST_MAX; i++)
		memcpy(text + 2 + (size_t)2 * i, ",-", 3);
	ck_assert_ptr_null(list_parse(&spi_lists, text, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "64"));
	text[strlen(text) - 2] = '\0';
	set("device", text);
	fake_setup(&device_spi, 0);
	ck_assert_int_eq(fake_open(conf, 1, &err), 0);
	ck_assert_uint_eq(((struct virtio_spi_config *)fake.config)->cs_max_number, LIST_MAX);
	fake_close();
	fake_teardown();
}
END_TEST

START_TEST(lists_and_sockets_must_match)
{
	set("device", "s0");
	set("device", "s1");
	fake_setup(&device_spi, 0);
	ck_assert_int_lt(fake_open(conf, 3, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "2 times for 3"));
	fake_close();
	fake_teardown();
}
END_TEST

/* -- Buses and chips that guests share ----------------------------------------- */

static struct chip *get(const char *text, bool shared)
{
	struct list *l = list_parse(&spi_lists, text, &err);
	struct chip *c;

	ck_assert_msg(l != NULL, "%s", err.text);
	err = ERROR_NONE;
	c = spi_chip_get((struct instance *)&conf, &l->items[0], false,
			 shared || l->items[0].shared, &err);
	spi_lists.free(l);
	return c;
}

START_TEST(chips_are_shared_on_request)
{
	struct chip *a = get("s0.1:nor", false), *b;

	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_null(get("s0.1:nor", true));
	ck_assert_ptr_nonnull(strstr(err.text, "s0.1 is taken"));
	spi_chip_put(a);
	a = get("s0.1:nor:shared", false);
	ck_assert_ptr_null(get("s0.1:nor", false));
	ck_assert_ptr_null(get("s0.1:shared", false));
	ck_assert_ptr_nonnull(strstr(err.text, "two ways"));
	b = get("s0.1:nor", true);
	ck_assert_ptr_eq(a, b);
	spi_chip_put(b);
	b = get("s0.2", false);
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_eq(a->bus, b->bus);
	spi_chip_put(a);
	spi_chip_put(b);
	spi_chip_put(NULL);
}
END_TEST

START_TEST(a_bus_that_is_held)
{
	const struct instance *one = (const struct instance *)&conf[0];
	const struct instance *two = (const struct instance *)&conf[1];
	struct chip *c = get("s0", false);

	ck_assert(spi_bus_enter(c->bus, one));
	spi_bus_hold(c->bus, one, true);
	spi_bus_leave(c->bus);
	ck_assert(!spi_bus_enter(c->bus, two));
	ck_assert(spi_bus_enter(c->bus, one));
	spi_bus_leave(c->bus);
	spi_bus_hold(c->bus, NULL, false);
	ck_assert(spi_bus_enter(c->bus, two));
	spi_bus_leave(c->bus);
	ck_assert(!spi_bus_is_shared(c->bus));
	spi_chip_put(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("spi-host");
	TCase *tc = tcase_create("spi-host");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_lists_are_refused, 0, (int)ARRAY_SIZE(bad_lists));
	tcase_add_test(tc, too_many_chips);
	tcase_add_test(tc, lists_and_sockets_must_match);
	tcase_add_test(tc, chips_are_shared_on_request);
	tcase_add_test(tc, a_bus_that_is_held);
	suite_add_tcase(s, tc);
	tc = tcase_create("spidev");
	tcase_add_checked_fixture(tc, host_setup, host_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, nothing_is_tried_out);
	tcase_add_test(tc, everything_is_tried_out);
	tcase_add_test(tc, wires_of_a_chip_with_three_are_not_tried);
	tcase_add_test(tc, what_the_list_says_wins);
	tcase_add_loop_test(tc, what_is_no_chip, 0, 2);
	tcase_add_test(tc, names_of_nodes);
	tcase_add_test(tc, one_process_a_chip);
	tcase_add_test(tc, each_field);
	tcase_add_test(tc, stays_selected_within_a_message);
	tcase_add_test(tc, inactive_time);
	tcase_add_loop_test(tc, long_requests_go_in_pieces, 0, (int)ARRAY_SIZE(pieces));
	tcase_add_test(tc, pieces_of_longer_words_and_delays);
	tcase_add_test(tc, a_piece_fails);
	tcase_add_loop_test(tc, errors_of_the_host, 0, 6);
	tcase_add_test(tc, a_mode_that_the_host_refuses);
	tcase_add_test(tc, a_chip_goes_and_comes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
