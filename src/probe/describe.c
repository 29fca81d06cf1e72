/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The description of a back end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "describe.h"
#include "wire/virtio-ring.h"

enum { LINE = 500 };

/* Appends to a line of bounded length. */
static void append(char line[LINE], const char *between, const char *word)
{
	size_t n = strlen(line);

	snprintf(line + n, LINE - n, "%s%s", n > 0 ? between : "", word);
}

/* -- Bits ------------------------------------------------------------------ */

static void name_feature(const struct known *k, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	if (!known_feature(k, bit, buf))
		snprintf(buf, KNOWN_NAME_SIZE, "bit %u", bit);
}

static void name_protocol(const struct known *k, unsigned bit, char buf[KNOWN_NAME_SIZE])
{
	const char *name = fe_protocol_feature_name(bit);

	if (name != NULL)
		snprintf(buf, KNOWN_NAME_SIZE, "%s", name);
	else
		snprintf(buf, KNOWN_NAME_SIZE, "bit %u", bit);
}

static void print_bits(struct out *o, const char *key, uint64_t bits, const struct known *k,
		       void (*name_bit)(const struct known *, unsigned, char *))
{
	const bool people = out_for_people(o);
	char name[KNOWN_NAME_SIZE], line[LINE] = "";
	unsigned bit;

	if (!people) {
		out_open(o, key);
		out_hex(o, "value", bits);
		out_open_list(o, "names");
	}
	for (bit = 0; bit < 64; bit++) {
		if (!(bits & BIT(bit)))
			continue;
		name_bit(k, bit, name);
		if (people)
			append(line, " ", name);
		else
			out_string(o, NULL, name);
	}
	if (people) {
		out_text(o, key, line[0] ? "0x%" PRIx64 " (%s)" : "0x%" PRIx64, bits, line);
		return;
	}
	out_close(o);
	out_close(o);
}

/* -- Config space ---------------------------------------------------------- */

static void print_bytes(struct out *o, const char *key, const uint8_t *p, unsigned n)
{
	while (n > 6 && p[n - 1] == 0)
		n--;
	out_bytes(o, key, p, n, ':');
}

static void print_field(struct out *o, const struct known_field *f, const uint8_t *config)
{
	switch (f->kind) {
	case 'p':
		break;
	case 't':
		out_text(o, f->name, "%.*s", (int)f->size, (const char *)config + f->off);
		break;
	case 'm':
		print_bytes(o, f->name, config + f->off, f->size);
		break;
	case 'x':
		out_hex(o, f->name, known_value(f, config));
		break;
	default:
		out_number(o, f->name, known_value(f, config));
	}
}

static void print_config(struct out *o, const struct facts *f, const struct known *k)
{
	struct known_field field = { .off = 0 };
	const char *pos = k != NULL ? known_text(k, KNOWN_CONFIG) : "";

	out_open(o, "config");
	while (known_next_field(&pos, &field) && field.off + field.size <= f->config_read)
		print_field(o, &field, f->config);
	if (k == NULL || known_config_size(k) == 0)
		print_bytes(o, "bytes", f->config, f->config_read);
	if (f->config_any && out_for_people(o))
		out_text(o, "size", "not told: a question of any length is answered");
	else if (!f->config_any)
		out_number(o, "size", f->config_read);
	out_close(o);
}

/* -- What is unusual ------------------------------------------------------- */

static bool has_unknown_feature(const struct facts *f, const struct known *k)
{
	char name[KNOWN_NAME_SIZE];
	unsigned bit;

	for (bit = 0; k != NULL && bit < 64; bit++) {
		if ((f->features & BIT(bit)) && !known_feature(k, bit, name))
			return true;
	}
	return false;
}

/* Does a word have bit a, but not all of the bits with? */
static bool has_alone(uint64_t word, unsigned a, uint64_t with)
{
	return (word & BIT(a)) && (word & with) != with;
}

#define OFFERS(word, bit) ((f->word & BIT(bit)) != 0)
#define LACKS_PROTOCOL !OFFERS(features, VHOST_USER_F_PROTOCOL_FEATURES)

/* When, and what is said. */
#define ODDITIES(X) \
	X(!OFFERS(features, VIRTIO_F_VERSION_1), \
	  "VERSION_1 is not offered: current drivers refuse it") \
	X(LACKS_PROTOCOL, "no protocol features: queues and config space stay unknown") \
	X(!LACKS_PROTOCOL && !OFFERS(protocol, VU_PF_MQ), \
	  "MQ is not offered: the number of queues stays unknown") \
	X(!LACKS_PROTOCOL && !OFFERS(protocol, VU_PF_REPLY_ACK), \
	  "REPLY_ACK is not offered: failures stay unknown") \
	X(OFFERS(protocol, VU_PF_MQ) && f->queues == 0, "it has no queue") \
	X(has_unknown_feature(f, k), "it offers features that this device does not have") \
	X(f->protocol >> (VU_PF_GET_VRING_BASE_SKIP_DRAIN + 1) != 0, \
	  "it offers unknown protocol features") \
	X(has_alone(f->protocol, VU_PF_INBAND_NOTIFICATIONS, \
		    BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK)), \
	  "INBAND_NOTIFICATIONS without BACKEND_REQ and REPLY_ACK cannot work") \
	X(has_alone(f->protocol, VU_PF_GET_VRING_BASE_SKIP_DRAIN, \
		    BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT)), \
	  "GET_VRING_BASE_SKIP_DRAIN without the inflight features cannot work") \
	X(OFFERS(protocol, VU_PF_GPA_ADDRESSES), \
	  "protocol feature 21: GPA_ADDRESSES, or SHMEM as older Rust back ends number it") \
	X(OFFERS(features, VIRTIO_F_NOTIFY_ON_EMPTY), "NOTIFY_ON_EMPTY is a legacy feature") \
	X(f->slots_said > VU_MAX_MEM_SLOTS, "it claims more than 512 memory slots") \
	X(k != NULL && known_config_size(k) == 0 && OFFERS(protocol, VU_PF_CONFIG), \
	  "CONFIG is offered without a config space") \
	X(OFFERS(protocol, VU_PF_CONFIG) && f->config_read == 0, \
	  "CONFIG is offered, but never answered") \
	X(f->config_hangs_up, "it hangs up when asked for more config space than it has") \
	X(f->features_vary, "two GET_FEATURES were answered differently") \
	X(f->status > 0 && (f->status & VIRTIO_STATUS_NEEDS_RESET), \
	  "the device says that it needs a reset")

static void print_oddities(struct out *o, const struct facts *f, const struct known *k)
{
#define ROW(is, text) text "\0"
	const char *text = ODDITIES(ROW);
#undef ROW
#define ROW(is, text) is,
	const bool found[] = { ODDITIES(ROW) };
#undef ROW
	size_t i;

	if (memchr(found, 1, sizeof(found)) == NULL && out_for_people(o))
		return;
	out_open_list(o, "unusual");
	for (i = 0; i < ARRAY_SIZE(found); i++) {
		if (found[i])
			out_string(o, NULL, text);
		text += strlen(text) + 1;
	}
	out_close(o);
}

/* -- The whole ------------------------------------------------------------- */

static void print_device(struct out *o, const struct known *k, bool given,
			 const struct known *const *others, unsigned n)
{
	char line[LINE] = "";
	unsigned i;

	if (out_for_people(o)) {
		for (i = 0; i < n; i++)
			append(line, ", ", known_name(others[i]));
		if (k == NULL)
			out_text(o, "device", "unknown: give --id");
		else if (given)
			out_text(o, "device", "%s (virtio id %u), as given", known_name(k), k->id);
		else
			out_text(o, "device", "%s (virtio id %u), a guess%s%s%s", known_name(k),
				 k->id, n > 0 ? ", could be " : "", line, n > 0 ? " as well" : "");
		return;
	}
	out_open(o, "device");
	if (k != NULL) {
		out_string(o, "name", known_name(k));
		out_number(o, "virtio_id", k->id);
	}
	out_bool(o, "guessed", !given);
	out_open_list(o, "could_be");
	for (i = 0; i < n; i++)
		out_string(o, NULL, known_name(others[i]));
	out_close(o);
	out_close(o);
}

static void print_shmem(struct out *o, const struct facts *f)
{
	bool any = false;
	char key[24];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(f->shmem); i++) {
		if (f->shmem[i] == 0)
			continue;
		if (!any)
			out_open(o, "shared_memory");
		any = true;
		snprintf(key, sizeof(key), "region_%u", i);
		out_number(o, key, f->shmem[i]);
	}
	if (any)
		out_close(o);
}

static void print_queues(struct out *o, const struct facts *f, const struct known *k)
{
	const char *use = k != NULL ? known_text(k, KNOWN_QUEUES) : "";

	if (f->queues != 0)
		out_number(o, "queues", f->queues);
	else if (out_for_people(o))
		out_string(o, "queues", "not told");
	out_string(o, "queue_use", use);
}

void facts_print(struct out *o, const char *path, const struct facts *f, const struct known *k,
		 bool given, const struct known *const *others, unsigned n)
{
	out_string(o, "socket", path);
	print_device(o, k, given, others, n);
	print_bits(o, "features", f->features, k, name_feature);
	print_bits(o, "protocol_features", f->protocol, k, name_protocol);
	print_queues(o, f, k);
	if (f->slots_said != 0)
		out_number(o, "memory_slots", f->slots_said);
	if (f->status >= 0)
		out_hex(o, "status", (uint64_t)f->status);
	print_shmem(o, f);
	if (f->config_read > 0)
		print_config(o, f, k);
	print_oddities(o, f, k);
}
