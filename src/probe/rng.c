/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the entropy device (virtio 1.4, 5.4): every buffer comes back filled. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "vhost-device/num.h"

enum { PIECE = 65536 };

struct tally {
	uint64_t bytes, requests;
	uint32_t shortest;
	uint64_t seen[256];
};

static void count(struct tally *t, const uint8_t *buf, uint32_t n)
{
	uint32_t i;

	t->shortest = t->requests == 0 || n < t->shortest ? n : t->shortest;
	t->requests++;
	t->bytes += n;
	for (i = 0; i < n; i++)
		t->seen[buf[i]]++;
}

static uint64_t ones(const struct tally *t)
{
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < 256 * 8; i++)
		n += i / 8 >> i % 8 & 1 ? t->seen[i / 8] : 0;
	return n;
}

/* About 255 for bytes at random: below 180 or above 350 is one chance in a thousand. */
static double chi_square(const struct tally *t)
{
	double expected = out_double(t->bytes) / 256, sum = 0, d;
	unsigned i;

	for (i = 0; i < 256; i++) {
		d = out_double(t->seen[i]) - expected;
		sum += d * d / expected;
	}
	return sum;
}

static int collect(struct vdev *v, uint64_t size, FILE *file, struct tally *t,
		   struct error *err)
{
	FREE_PTR uint8_t *buf = malloc(PIECE);
	uint64_t left = size;
	int ret;

	if (buf == NULL)
		return error_memory(err);
	while (left > 0) {
		ret = vdev_request(v, 0, NULL, 0, buf, left < PIECE ? left : PIECE, err);
		if (ret == 0)
			ret = error_set(err, -EIO, "request %llu came back without a byte, which "
					"stops a Linux guest for ever",
					(unsigned long long)t->requests + 1);
		if (ret < 0)
			return ret;
		count(t, buf, (uint32_t)ret);
		left -= (uint64_t)ret;
		if (file != NULL)
			fwrite(buf, 1, (size_t)ret, file);
	}
	return 0;
}

static void print(struct out *o, const struct tally *t, double seconds)
{
	out_number(o, "bytes", t->bytes);
	out_number(o, "requests", t->requests);
	out_number(o, "shortest_answer", t->shortest);
	out_measure(o, "seconds", seconds, 3, " s");
	out_real(o, "megabytes_per_second",
		 seconds > 0 ? out_double(t->bytes) / seconds / 1e6 : 0, 1);
	out_measure(o, "ones", 100.0 * out_double(ones(t)) / (8.0 * out_double(t->bytes)), 3, " %");
	out_measure(o, "chi_square", chi_square(t), 1, " (255 degrees of freedom)");
}

static int read_bytes(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	const char *name = n > 1 ? words[1] : NULL;
	struct tally t = { .bytes = 0 };
	FILE *file = NULL;
	uint64_t size, ns;
	int ret;

	if (num_parse_size(words[0], 1, UINT64_MAX, &size) < 0)
		return error_set(err, -EINVAL, "'%.60s' is no number of bytes, as in 512 or 1M",
				 words[0]);
	if (name != NULL) {
		file = fopen(name, "we");
		if (file == NULL)
			return error_set(err, -errno, "%s: cannot be opened: %s", name,
					 strerror(errno));
	}
	ns = vdev_now();
	ret = collect(v, size, file, &t, err);
	ns = vdev_now() - ns;
	if (file != NULL && (ferror(file) | fclose(file)) != 0 && ret == 0)
		ret = error_set(err, -EIO, "%s: cannot be written", name);
	if (ret < 0)
		return ret;
	print(o, &t, out_double(ns) / 1e9);
	return 0;
}

static bool is_filled(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len > 0;
}

static const struct action actions[] = {
	{ "read", "SIZE [FILE]", "Read so many bytes, into a file if named; say how fast and "
	  "how even.", 1, 2, read_bytes },
	{ NULL }
};

static const struct load load = { .in = 64, .good = is_filled };

const struct driver driver_rng = {
	"rng", .queues = 1, .queue_size = 4, .memory = PIECE, .actions = actions, .load = &load,
};
