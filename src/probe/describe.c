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
	char name[KNOWN_NAME_SIZE];
	unsigned bit;

	if (out_for_people(o)) {
		char line[LINE] = "";

		for (bit = 0; bit < 64; bit++) {
			if (!(bits & BIT(bit)))
				continue;
			name_bit(k, bit, name);
			append(line, " ", name);
		}
		out_text(o, key, "0x%" PRIx64 "%s%s%s", bits, line[0] ? " (" : "", line,
			 line[0] ? ")" : "");
		return;
	}
	out_open(o, key);
	out_hex(o, "value", bits);
	out_open_list(o, "names");
	for (bit = 0; bit < 64; bit++) {
		if (!(bits & BIT(bit)))
			continue;
		name_bit(k, bit, name);
		out_text(o, NULL, "%s", name);
	}
	out_close(o);
	out_close(o);
}

/* -- Config space ---------------------------------------------------------- */

/* Printable bytes as they are, others as \xNN. */
static void print_string(struct out *o, const char *key, const uint8_t *p, unsigned n)
{
	char text[4 * VU_MAX_CONFIG + 1] = "";
	unsigned i, at = 0;

	for (i = 0; i < n && p[i] != 0; i++)
		at += (unsigned)snprintf(text + at, sizeof(text) - at,
					 p[i] >= ' ' && p[i] < 0x7f && p[i] != '\\' ? "%c"
					 : "\\x%02x", p[i]);
	out_text(o, key, "%s", text);
}

static void print_bytes(struct out *o, const char *key, const uint8_t *p, unsigned n)
{
	char text[3 * VU_MAX_CONFIG + 1] = "";
	unsigned i, at = 0;

	while (n > 0 && p[n - 1] == 0 && n > 6)
		n--;
	for (i = 0; i < n; i++)
		at += (unsigned)snprintf(text + at, sizeof(text) - at, "%s%02x", i > 0 ? ":" : "",
					 p[i]);
	out_text(o, key, "%s", text);
}

static void print_field(struct out *o, const struct known_field *f, const uint8_t *config)
{
	switch (f->kind) {
	case 'p':
		break;
	case 't':
		print_string(o, f->name, config + f->off, f->size);
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

struct oddity {
	bool (*is)(const struct facts *f, const struct known *k);
	const char *text;
};

static bool lacks_version_1(const struct facts *f, const struct known *k)
{
	return !(f->features & BIT(VIRTIO_F_VERSION_1));
}

static bool lacks_protocol(const struct facts *f, const struct known *k)
{
	return !(f->features & BIT(VHOST_USER_F_PROTOCOL_FEATURES));
}

static bool lacks_mq(const struct facts *f, const struct known *k)
{
	return !lacks_protocol(f, k) && !(f->protocol & BIT(VU_PF_MQ));
}

static bool lacks_reply_ack(const struct facts *f, const struct known *k)
{
	return !lacks_protocol(f, k) && !(f->protocol & BIT(VU_PF_REPLY_ACK));
}

static bool has_no_queue(const struct facts *f, const struct known *k)
{
	return (f->protocol & BIT(VU_PF_MQ)) && f->queues == 0;
}

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

static bool has_unknown_protocol(const struct facts *f, const struct known *k)
{
	return f->protocol >> (VU_PF_GET_VRING_BASE_SKIP_DRAIN + 1) != 0;
}

static bool has_lone_inband(const struct facts *f, const struct known *k)
{
	const uint64_t with = BIT(VU_PF_BACKEND_REQ) | BIT(VU_PF_REPLY_ACK);

	return (f->protocol & BIT(VU_PF_INBAND_NOTIFICATIONS)) && (f->protocol & with) != with;
}

static bool has_lone_skip_drain(const struct facts *f, const struct known *k)
{
	const uint64_t with = BIT(VU_PF_INFLIGHT_SHMFD) | BIT(VU_PF_GET_VRING_BASE_INFLIGHT);

	return (f->protocol & BIT(VU_PF_GET_VRING_BASE_SKIP_DRAIN)) &&
		(f->protocol & with) != with;
}

static bool has_gpa_addresses(const struct facts *f, const struct known *k)
{
	return (f->protocol & BIT(VU_PF_GPA_ADDRESSES)) != 0;
}

static bool has_notify_on_empty(const struct facts *f, const struct known *k)
{
	return (f->features & BIT(VIRTIO_F_NOTIFY_ON_EMPTY)) != 0;
}

static bool has_many_slots(const struct facts *f, const struct known *k)
{
	return f->slots_said > VU_MAX_MEM_SLOTS;
}

static bool has_needless_config(const struct facts *f, const struct known *k)
{
	return k != NULL && known_config_size(k) == 0 && (f->protocol & BIT(VU_PF_CONFIG));
}

static bool refuses_config(const struct facts *f, const struct known *k)
{
	return (f->protocol & BIT(VU_PF_CONFIG)) && f->config_read == 0;
}

static bool hangs_up(const struct facts *f, const struct known *k)
{
	return f->config_hangs_up;
}

static bool varies(const struct facts *f, const struct known *k)
{
	return f->features_vary;
}

static bool needs_reset(const struct facts *f, const struct known *k)
{
	return f->status > 0 && (f->status & VIRTIO_STATUS_NEEDS_RESET);
}

static const struct oddity oddities[] = {
	{ lacks_version_1, "VERSION_1 is not offered: current drivers refuse it" },
	{ lacks_protocol, "no protocol features: queues and config space stay unknown" },
	{ lacks_mq, "MQ is not offered: the number of queues stays unknown" },
	{ lacks_reply_ack, "REPLY_ACK is not offered: failures stay unknown" },
	{ has_no_queue, "it has no queue" },
	{ has_unknown_feature, "it offers features that this device does not have" },
	{ has_unknown_protocol, "it offers unknown protocol features" },
	{ has_lone_inband, "INBAND_NOTIFICATIONS without BACKEND_REQ and REPLY_ACK cannot work" },
	{ has_lone_skip_drain, "GET_VRING_BASE_SKIP_DRAIN without the inflight features cannot "
	  "work" },
	{ has_gpa_addresses, "protocol feature 21: GPA_ADDRESSES, or SHMEM as older Rust back ends "
	  "number it" },
	{ has_notify_on_empty, "NOTIFY_ON_EMPTY is a legacy feature" },
	{ has_many_slots, "it claims more than 512 memory slots" },
	{ has_needless_config, "CONFIG is offered without a config space" },
	{ refuses_config, "CONFIG is offered, but never answered" },
	{ hangs_up, "it hangs up when asked for more config space than it has" },
	{ varies, "two GET_FEATURES were answered differently" },
	{ needs_reset, "the device says that it needs a reset" },
};

static void print_oddities(struct out *o, const struct facts *f, const struct known *k)
{
	bool any = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(oddities); i++)
		any = any || oddities[i].is(f, k);
	if (!any && out_for_people(o))
		return;
	out_open_list(o, "unusual");
	for (i = 0; i < ARRAY_SIZE(oddities); i++) {
		if (oddities[i].is(f, k))
			out_text(o, NULL, "%s", oddities[i].text);
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
		out_text(o, "name", "%s", known_name(k));
		out_number(o, "virtio_id", k->id);
	}
	out_bool(o, "guessed", !given);
	out_open_list(o, "could_be");
	for (i = 0; i < n; i++)
		out_text(o, NULL, "%s", known_name(others[i]));
	out_close(o);
	out_close(o);
}

static void print_shmem(struct out *o, const struct facts *f)
{
	bool any = false;
	char key[24];
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(f->shmem); i++)
		any = any || f->shmem[i] != 0;
	if (!any)
		return;
	out_open(o, "shared_memory");
	for (i = 0; i < ARRAY_SIZE(f->shmem); i++) {
		if (f->shmem[i] == 0)
			continue;
		snprintf(key, sizeof(key), "region_%u", i);
		out_number(o, key, f->shmem[i]);
	}
	out_close(o);
}

static void print_queues(struct out *o, const struct facts *f, const struct known *k)
{
	const char *use = k != NULL ? known_text(k, KNOWN_QUEUES) : "";

	if (out_for_people(o)) {
		if (f->queues == 0)
			out_text(o, "queues", "not told%s%s", use[0] ? ": " : "", use);
		else
			out_text(o, "queues", "%u%s%s", f->queues, use[0] ? ": " : "", use);
		return;
	}
	if (f->queues != 0)
		out_number(o, "queues", f->queues);
	out_text(o, "queue_use", "%s", use);
}

void facts_print(struct out *o, const char *path, const struct facts *f, const struct known *k,
		 bool given, const struct known *const *others, unsigned n)
{
	out_text(o, "socket", "%s", path);
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
