/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Learning about a back end and guessing the device, which vhost-user never
 * names. A device fits unless something speaks against it: a queue count, a
 * feature bit or a config field that it cannot have.
 */
#include <errno.h>
#include <string.h>

#include "describe.h"
#include "vdev.h"
#include "wire/virtio-ring.h"

/* -- Config space ---------------------------------------------------------- */

/* Where it is, and until when all must be known. */
struct source {
	const char *path;
	uint64_t until;                 /* ns */
};

static int reconnect(struct fe **fe, const struct source *s, struct error *err)
{
	const uint64_t want = BIT(VU_PF_CONFIG) | BIT(VU_PF_REPLY_ACK) | BIT(VU_PF_MQ);
	uint64_t now = vdev_now();
	unsigned left_ms = s->until > now ? (unsigned)((s->until - now) / 1000000) + 1 : 1;
	struct fe *fresh;
	int ret = vdev_dial(s->path, left_ms, true, &fresh, err);

	if (ret < 0)
		return ret;
	fe_free(*fe);
	*fe = fresh;
	fe_set_total(fresh, left_ms);
	return fe_negotiate(fresh, want, err);
}

/* One length; 0: refused, or hung up and connected again. */
static int try_config(struct fe **fe, const struct source *s, unsigned n, struct facts *f,
		      struct error *err)
{
	int ret = fe_get_config(*fe, 0, f->config, n, err);

	if (ret == 0) {
		f->config_read = n;
		return 1;
	}
	if (ret == -EREMOTEIO)
		return 0;
	if (ret != -ECONNRESET)
		return ret;
	f->config_hangs_up = true;
	ret = reconnect(fe, s, err);
	return ret < 0 ? ret : 0;
}

/*
 * Some answer any length, some at most the size, some that size only. So: the
 * largest first, then every size that a device has, falling.
 */
static int learn_config(struct fe **fe, const struct source *s, const struct known *hint,
			struct facts *f, struct error *err)
{
	const struct known *k;
	unsigned size, below = VU_MAX_CONFIG;
	int ret = try_config(fe, s, below, f, err);

	f->config_any = ret == 1;
	if (ret == 0 && hint != NULL && known_config_size(hint) > 0)
		ret = try_config(fe, s, known_config_size(hint), f, err);
	while (ret == 0) {
		for (size = 0, k = known_devices; k < known_devices + known_count; k++) {
			if (known_config_size(k) < below && known_config_size(k) > size)
				size = known_config_size(k);
		}
		if (size == 0)
			break;
		below = size;
		ret = try_config(fe, s, size, f, err);
	}
	return ret < 0 ? ret : 0;
}

/* -- The rest -------------------------------------------------------------- */

static int learn_shmem(struct fe *fe, struct facts *f, struct error *err)
{
	const size_t size = 8 + sizeof(f->shmem);
	struct fe_message m;
	int ret = fe_request(fe, VU_GET_SHMEM_CONFIG, NULL, 0, NULL, 0, &m, err);

	if (ret < 0)
		return ret;
	if (m.hdr.size == size)
		memcpy(f->shmem, m.body + 8, sizeof(f->shmem));
	else
		ret = error_set(err, -EPROTO, "GET_SHMEM_CONFIG was answered with %u bytes, not "
				"%zu", m.hdr.size, size);
	fe_message_finish(&m);
	return ret;
}

static int learn_extras(struct fe *fe, struct facts *f, struct error *err)
{
	uint64_t again;
	uint8_t status;
	int ret = fe_get_features(fe, &again, err);

	f->features_vary = ret == 0 && again != f->features;
	if (ret == 0 && fe_has_protocol(fe, VU_PF_CONFIGURE_MEM_SLOTS))
		ret = fe_get_max_mem_slots(fe, &f->slots_said, err);
	f->slots = fe_mem_slots(fe);
	if (ret == 0 && fe_has_protocol(fe, VU_PF_STATUS)) {
		ret = fe_get_status(fe, &status, err);
		f->status = ret == 0 ? status : -1;
	}
	if (ret == 0 && fe_has_protocol(fe, VU_PF_SHMEM))
		ret = learn_shmem(fe, f, err);
	return ret;
}

int facts_learn(struct fe **fe, const char *path, unsigned timeout_ms, const struct known *hint,
		struct facts *ret_facts, struct error *err)
{
	const uint64_t want = (fe_all_protocol_features() & ~BIT(VU_PF_INBAND_NOTIFICATIONS)) |
		BIT(VU_PF_SHMEM);
	const struct source s = { path, vdev_now() + timeout_ms * 1000000ULL };
	struct facts f = { .status = -1 };
	int ret;

	fe_set_total(*fe, timeout_ms);
	ret = fe_negotiate(*fe, want, err);
	if (ret < 0)
		return vdev_explain(*fe, ret, err);
	f.features = fe_offered(*fe);
	f.protocol = fe_protocol_offered(*fe);
	f.queues = fe_queue_num(*fe);
	ret = learn_extras(*fe, &f, err);
	if (ret == 0 && fe_has_protocol(*fe, VU_PF_CONFIG))
		ret = learn_config(fe, &s, hint, &f, err);
	if (ret == 0)
		*ret_facts = f;
	return ret;
}

/* -- Guessing -------------------------------------------------------------- */

static bool field_fits(const struct known_field *field, const uint8_t *config)
{
	const uint64_t value = known_value(field, config);
	const uint8_t *at = config + field->off;
	bool text = field->kind == 't';
	unsigned i;

	switch (field->kind) {
	case 'p':
	case 't':
		for (i = 0; i < field->size; i++) {
			/* Behind a text is padding. */
			text = text && at[i] != 0;
			if (text ? at[i] < ' ' : at[i] != 0)
				return false;
		}
		return true;
	case 'm':
		return true;
	default:
		return value >= field->least && (field->most == 0 || value <= field->most);
	}
}

/* -1: it cannot be; else how much speaks for it. */
static int config_score(const struct facts *f, const struct known *k)
{
	unsigned i, size = known_config_size(k);
	struct known_field field = { .off = 0 };
	const char *pos = known_text(k, KNOWN_CONFIG);
	int score = f->config_any ? 0 : f->config_read == size ? 50 : -1;

	if (!(f->protocol & BIT(VU_PF_CONFIG)))
		return size == 0 ? 5 : k->lacks_config ? 1 : -1;
	if (size == 0 || f->config_read == 0)
		return f->config_read == 0 ? 0 : -1;
	/* A back end may be older than the last fields, or newer. */
	if (score < 0)
		score = f->config_read < size ? 1 : 0;
	while (known_next_field(&pos, &field)) {
		if (field.off + field.size > f->config_read)
			break;
		if (!field_fits(&field, f->config))
			return -1;
		if (field.kind != 'm' && known_value(&field, f->config) != 0)
			score += field.least != 0 || field.most != 0 ? 3 : 1;
	}
	for (i = size; f->config_any && i < f->config_read; i++) {
		if (f->config[i] != 0)
			return -1;
	}
	return score;
}

static int score_of(const struct facts *f, const struct known *k)
{
	char name[KNOWN_NAME_SIZE];
	int score = config_score(f, k);
	unsigned bit;

	if (score < 0 || (f->features & k->must) != k->must)
		return -1;
	if (f->queues != 0 && (f->queues < k->q_min || (k->q_max != 0 && f->queues > k->q_max)))
		return -1;
	if (f->queues != 0 && k->q_max != 0)
		score += f->queues == k->q_max ? 6 : 4;
	for (bit = 0; bit < 64; bit++) {
		score += f->protocol & k->likes & BIT(bit) ? 5 : 0;
		if (!(f->features & known_device_bits() & BIT(bit)))
			continue;
		if (!known_feature(k, bit, name))
			return -1;
		score += 4;
	}
	return score;
}

unsigned facts_guess(const struct facts *f, const struct known **ret_fits, unsigned max)
{
	int scores[64], best, first = 0;
	unsigned i, at, n;

	bug_if(known_count > ARRAY_SIZE(scores));
	for (i = 0; i < known_count; i++)
		scores[i] = score_of(f, &known_devices[i]);
	for (n = 0; n < max; n++) {
		best = -1;
		for (i = at = 0; i < known_count; i++) {
			if (scores[i] > best) {
				best = scores[i];
				at = i;
			}
		}
		/* What fits far better leaves no doubt. */
		if (best < 0 || 2 * best < first)
			break;
		first = n == 0 ? best : first;
		scores[at] = -1;
		ret_fits[n] = &known_devices[at];
	}
	return n;
}

int facts_of(const char *path, unsigned timeout_ms, bool wait, const struct known *hint,
	     struct facts *ret_facts, struct error *err)
{
	struct fe *fe;
	int ret = vdev_dial(path, timeout_ms, wait, &fe, err);

	if (ret < 0)
		return ret;
	ret = facts_learn(&fe, path, timeout_ms, hint, ret_facts, err);
	fe_free(fe);
	return ret < 0 ? error_prefix(err, "%s: ", path) : 0;
}
