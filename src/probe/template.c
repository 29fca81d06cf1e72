/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Driver half of the template device: it answers with the bytes it was sent. */
#include <errno.h>
#include <string.h>

#include "driver.h"

static int echo(struct vdev *v, struct out *o, char **words, unsigned n, struct error *err)
{
	size_t size = strlen(words[0]);
	char answer[4096];
	int len;

	if (size > sizeof(answer))
		return error_set(err, -EINVAL, "the text has more than %zu bytes", sizeof(answer));
	len = vdev_request(v, 0, words[0], size, answer, size, err);
	if (len < 0)
		return len;
	if ((size_t)len != size || memcmp(words[0], answer, size) != 0)
		return error_set(err, -EIO, "the device answered with %d bytes that are not those "
				 "sent", len);
	out_text(o, "answer", "%.*s", len, answer);
	return 0;
}

static void fill(uint8_t *out, uint32_t size, uint64_t number, const struct load_plan *plan)
{
	memcpy(out, &number, size < sizeof(number) ? size : sizeof(number));
}

static bool is_echo(const uint8_t *out, const uint8_t *in, uint32_t in_size, uint32_t len)
{
	return len > 0 && memcmp(out, in, len < sizeof(uint64_t) ? len : sizeof(uint64_t)) == 0;
}

static const struct action actions[] = {
	{ "echo", "TEXT", "Send a text and print the answer.", 1, 1, echo },
	{ NULL }
};

static const struct load load = { .out = 64, .in = 64, .fill = fill, .good = is_echo };

const struct driver driver_template = {
	"template", .queues = 1, .queue_size = 16, .memory = 16384, .actions = actions,
	.load = &load,
};
