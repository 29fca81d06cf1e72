/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* What a probe learns, guesses and prints; back ends that lie. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canned.h"
#include "probe/describe.h"
#include "probe/driver.h"
#include "probe/hist.h"
#include "vhost-device/fd.h"
#include "wire/virtio-ring.h"

static const uint64_t plain = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
static struct facts facts;

/* A negotiation, and the second GET_FEATURES. */
static void say_hello(uint64_t features, uint64_t protocol, uint64_t queues)
{
	say_u64(VU_GET_FEATURES, features);
	say_u64(VU_GET_PROTOCOL_FEATURES, protocol);
	if (protocol & BIT(VU_PF_MQ))
		say_u64(VU_GET_QUEUE_NUM, queues);
	if (protocol & BIT(VU_PF_REPLY_ACK))
		say_u64(VU_SET_OWNER, 0);
	say_u64(VU_GET_FEATURES, features);
}

/* n < 0: an empty payload; 0: the head alone, with size 0. */
static void say_config(const void *bytes, uint32_t asked, int n)
{
	uint8_t body[sizeof(struct vu_config) + VU_MAX_CONFIG] = { 0 };
	struct vu_config head = { 0, n > 0 ? asked : 0, 0 };

	memcpy(body, &head, sizeof(head));
	if (bytes != NULL)
		memcpy(body + sizeof(head), bytes, (size_t)n);
	say(VU_GET_CONFIG, VU_VERSION | VU_REPLY, body,
	    n < 0 ? 0 : (uint32_t)sizeof(head) + (n > 0 ? asked : 0));
}

static int learn(const struct known *hint)
{
	return facts_learn(&fe, "/nowhere", SHORT_MS, hint, &facts, &err);
}

static const char *best(void)
{
	const struct known *fits[8];
	unsigned n = facts_guess(&facts, fits, 8);

	return n > 0 ? known_name(fits[0]) : "none";
}

static unsigned next_size(unsigned below)
{
	const struct known *k;
	unsigned size = 0;

	for (k = known_devices; k < known_devices + known_count; k++) {
		if (known_config_size(k) < below && known_config_size(k) > size)
			size = known_config_size(k);
	}
	return size;
}

/* -- The table of devices --------------------------------------------------- */

START_TEST(sizes_of_config)
{
	static const struct {
		const char *name;
		unsigned size;
	} sizes[] = {
		{ "rng", 0 }, { "block", 96 }, { "net", 24 }, { "vsock", 8 }, { "fs", 44 },
		{ "gpio", 8 }, { "spi", 32 }, { "can", 2 }, { "console", 12 }, { "input", 136 },
		{ "sound", 16 }, { "scsi", 36 }, { "gpu", 20 }, { "media", 40 },
		{ "video-decoder", 44 }, { "crypto", 56 }, { "template", 8 },
	};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		ck_assert_ptr_nonnull(known_find(sizes[i].name));
		ck_assert_msg(known_config_size(known_find(sizes[i].name)) == sizes[i].size,
			      "%s has %u bytes, not %u", sizes[i].name,
			      known_config_size(known_find(sizes[i].name)), sizes[i].size);
	}
}
END_TEST

START_TEST(rows_are_sound)
{
	struct known_field f;
	const struct known *k, *other;
	const char *pos;
	char name[KNOWN_NAME_SIZE];
	unsigned bit;

	for (k = known_devices; k < known_devices + known_count; k++) {
		for (other = k + 1; other < known_devices + known_count; other++)
			must(other->id != k->id && strcmp(known_name(other), known_name(k)) != 0);
		must(k->q_max == 0 || k->q_min <= k->q_max);
		for (bit = 0; bit < 64; bit++)
			must(!known_feature(k, bit, name) || strlen(name) > 1);
		f = (struct known_field){ .off = 0 };
		for (pos = known_text(k, KNOWN_CONFIG); known_next_field(&pos, &f);) {
			must(strchr("uxmtp", f.kind) != NULL && f.size > 0);
			must(strchr("ux", f.kind) == NULL || f.size <= 8);
			must(f.most == 0 || f.least <= f.most);
		}
	}
}
END_TEST

START_TEST(names_of_features)
{
	char name[KNOWN_NAME_SIZE];

	ck_assert(known_feature(NULL, VIRTIO_F_RING_PACKED, name));
	ck_assert_str_eq(name, "RING_PACKED");
	ck_assert(known_feature(NULL, VIRTIO_F_NOTIFY_ON_EMPTY, name));
	ck_assert_str_eq(name, "NOTIFY_ON_EMPTY");
	ck_assert(known_feature(NULL, VIRTIO_F_RING_RESET, name));
	ck_assert_str_eq(name, "RING_RESET");
	ck_assert(!known_feature(NULL, 0, name));
	ck_assert(known_feature(known_find("block"), 5, name));
	ck_assert_str_eq(name, "RO");
	ck_assert(known_feature(known_find("net"), 22, name));
	ck_assert_str_eq(name, "MQ");
	ck_assert(known_feature(known_find("net"), 63, name));
	ck_assert_str_eq(name, "SPEED_DUPLEX");
	ck_assert(!known_feature(known_find("net"), 4, name));
	ck_assert_str_eq(known_name(known_find("41")), "gpio");
	ck_assert_ptr_null(known_find("999"));
	ck_assert_ptr_null(known_find("gp"));
}
END_TEST

START_TEST(names_of_messages)
{
	ck_assert_str_eq(fe_request_name(0), "unknown request");
	ck_assert_str_eq(fe_request_name(VU_GET_FEATURES), "GET_FEATURES");
	ck_assert_str_eq(fe_request_name(VU_GET_CONFIG), "GET_CONFIG");
	ck_assert_str_eq(fe_request_name(VU_REQUEST_MAX - 1), "GET_VRING_BASE_SKIP_DRAIN");
	ck_assert_str_eq(fe_request_name(VU_REQUEST_MAX), "unknown request");
	ck_assert_str_eq(fe_request_name(UINT32_MAX), "unknown request");
	ck_assert_str_eq(fe_backend_request_name(VU_BACKEND_SHMEM_UNMAP), "SHMEM_UNMAP");
	ck_assert_str_eq(fe_backend_request_name(VU_BACKEND_SHMEM_UNMAP + 1), "unknown request");
	ck_assert_str_eq(fe_protocol_feature_name(VU_PF_MQ), "MQ");
	ck_assert_str_eq(fe_protocol_feature_name(VU_PF_STATUS), "STATUS");
	ck_assert_str_eq(fe_protocol_feature_name(VU_PF_GET_VRING_BASE_SKIP_DRAIN),
			 "GET_VRING_BASE_SKIP_DRAIN");
	ck_assert_ptr_null(fe_protocol_feature_name(VU_PF_GET_VRING_BASE_SKIP_DRAIN + 1));
}
END_TEST

/* -- Guesses ------------------------------------------------------------------ */

START_TEST(entropy)
{
	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_REPLY_ACK), 1);
	ck_ok(learn(NULL));
	ck_assert_uint_eq(facts.queues, 1);
	ck_assert_str_eq(best(), "rng");
}
END_TEST

START_TEST(socket_of_one_length)
{
	const uint8_t cid[8] = { 42 };
	unsigned size;

	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 3);
	say_config(NULL, VU_MAX_CONFIG, 0);
	for (size = next_size(VU_MAX_CONFIG); size > 8; size = next_size(size))
		say_config(NULL, size, 0);
	say_config(cid, 8, 8);
	ck_ok(learn(NULL));
	ck_assert_uint_eq(facts.config_read, 8);
	ck_assert(!facts.config_any);
	ck_assert_str_eq(best(), "vsock");
}
END_TEST

START_TEST(lines_of_any_length)
{
	const uint8_t config[8] = { 12, 0, 0, 0, 64 };

	say_hello(plain | BIT(0), BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 2);
	say_config(config, VU_MAX_CONFIG, 8);
	ck_ok(learn(NULL));
	ck_assert(facts.config_any);
	ck_assert_str_eq(best(), "gpio");
}
END_TEST

START_TEST(file_system_without_config)
{
	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_DEVICE_STATE) | BIT(VU_PF_BACKEND_SEND_FD), 2);
	ck_ok(learn(NULL));
	ck_assert_str_eq(best(), "fs");
}
END_TEST

START_TEST(nothing_fits)
{
	say_hello(plain | BIT(50) | BIT(51), BIT(VU_PF_MQ), 7);
	ck_ok(learn(NULL));
	ck_assert_str_eq(best(), "none");
}
END_TEST

START_TEST(config_that_is_refused)
{
	unsigned size;

	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 1);
	say_config(NULL, VU_MAX_CONFIG, -1);
	for (size = next_size(VU_MAX_CONFIG); size > 0; size = next_size(size))
		say_config(NULL, size, -1);
	ck_ok(learn(NULL));
	ck_assert_uint_eq(facts.config_read, 0);
}
END_TEST

START_TEST(hint_is_asked_first)
{
	const uint8_t config[44] = "share";

	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 2);
	say_config(NULL, VU_MAX_CONFIG, -1);
	say_config(config, 44, 44);
	ck_ok(learn(known_find("fs")));
	ck_assert_uint_eq(facts.config_read, 44);
}
END_TEST

/* -- Lies ----------------------------------------------------------------------- */

static void expect(int code, const char *text)
{
	int ret = learn(NULL);

	ck_assert_msg(ret == code, "%d %s", ret, err.text);
	ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
}

START_TEST(silence)
{
	expect(-ETIMEDOUT, "message 1 (GET_FEATURES)");
	ck_assert_ptr_nonnull(strstr(err.text, "another front end"));
}
END_TEST

START_TEST(other_protocol)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

	ck_assert_int_eq(write(peer, text, sizeof(text)), sizeof(text));
	expect(-EPROTO, "is this a vhost-user back end?");
}
END_TEST

START_TEST(hung_up_at_once)
{
	fd_close(&peer);
	ck_assert_int_eq(learn(NULL), -ECONNRESET);
	ck_assert_ptr_nonnull(strstr(err.text, "is this a vhost-user back end?"));
}
END_TEST

START_TEST(hung_up_later)
{
	say_u64(VU_GET_FEATURES, plain);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	expect(-ECONNRESET, "after message 2 (GET_PROTOCOL_FEATURES)");
}
END_TEST

START_TEST(many_queues)
{
	say_u64(VU_GET_FEATURES, plain);
	say_u64(VU_GET_PROTOCOL_FEATURES, BIT(VU_PF_MQ));
	say_u64(VU_GET_QUEUE_NUM, UINT64_MAX);
	expect(-EPROTO, "queues");
}
END_TEST

START_TEST(long_config)
{
	uint8_t body[sizeof(struct vu_config) + 300] = { 0 };

	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 1);
	say(VU_GET_CONFIG, VU_VERSION | VU_REPLY, body, sizeof(body));
	expect(-EPROTO, "GET_CONFIG of 256 bytes");
}
END_TEST

START_TEST(short_shmem)
{
	say_hello(plain, BIT(VU_PF_SHMEM), 1);
	say_u64(VU_GET_SHMEM_CONFIG, 1);
	expect(-EPROTO, "GET_SHMEM_CONFIG");
}
END_TEST

START_TEST(huge_announcement)
{
	const struct vu_header hdr = { VU_GET_FEATURES, VU_VERSION | VU_REPLY, 0xffffffff };

	ck_assert_int_eq(write(peer, &hdr, sizeof(hdr)), sizeof(hdr));
	expect(-EPROTO, "announced");
}
END_TEST

START_TEST(hang_up_over_config_and_gone)
{
	say_hello(plain, BIT(VU_PF_MQ) | BIT(VU_PF_CONFIG), 1);
	ck_assert_int_eq(shutdown(peer, SHUT_WR), 0);
	ck_assert_int_eq(learn(NULL), -ENOENT);
}
END_TEST

START_TEST(features_that_change)
{
	say_u64(VU_GET_FEATURES, BIT(VIRTIO_F_VERSION_1));
	say_u64(VU_GET_FEATURES, 0);
	ck_ok(learn(NULL));
	ck_assert(facts.features_vary);
}
END_TEST

/* -- Printing --------------------------------------------------------------------- */

static char *printed;

static void print(const struct known *k, bool json)
{
	struct out o;
	size_t size;
	FILE *f;

	free(printed);
	printed = NULL;
	f = open_memstream(&printed, &size);    /* musl sets printed here */
	ck_assert_ptr_nonnull(f);
	out_begin(&o, f, json);
	facts_print(&o, "/x", &facts, k, k != NULL, NULL, 0);
	out_end(&o);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(text_of_the_back_end_is_escaped)
{
	static const char tag[] = "a\"b\\c\x1b[2J\n\xff";
	/* Letters, then what UTF-8 forbids: C1, too long, surrogates, too high, cut off. */
	static const char utf8[] = "\xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\xb2" "\xc2\x9b" "\xc1\xbf"
		"\xe0\x9f\xbf" "\xed\xa0\x80" "\xf4\x90\x80\x80" "\xbf\xbf" "\xe2\x82";

	facts = (struct facts){ .features = plain, .protocol = BIT(VU_PF_CONFIG), .queues = 2,
		.config_read = 44, .status = -1 };
	memcpy(facts.config, tag, sizeof(tag));
	print(known_find("fs"), false);
	ck_assert_ptr_nonnull(strstr(printed, "a\"b\\x5cc\\x1b[2J\\x0a\\xff\n"));
	print(known_find("fs"), true);
	ck_assert_ptr_nonnull(strstr(printed, "\"tag\": \"a\\\"b\\\\x5cc\\\\x1b[2J\\\\x0a"
				     "\\\\xff\""));
	memset(facts.config, 0, 36);
	memcpy(facts.config, utf8, sizeof(utf8));
	print(known_find("fs"), false);
	ck_assert_ptr_nonnull(strstr(printed, "\xc3\xbc\xe2\x82\xac\xf0\x9f\x8e\xb2"
				     "\\xc2\\x9b" "\\xc1\\xbf" "\\xe0\\x9f\\xbf" "\\xed\\xa0\\x80"
				     "\\xf4\\x90\\x80\\x80" "\\xbf\\xbf" "\\xe2\\x82\n"));
	free(printed);
	printed = NULL;
}
END_TEST

START_TEST(everything_at_once_has_an_end)
{
	memset(&facts, 0xff, sizeof(facts));
	facts.config_read = VU_MAX_CONFIG;
	facts.features_vary = facts.config_any = facts.config_hangs_up = true;
	print(NULL, false);
	ck_assert_ptr_nonnull(strstr(printed, "unusual:"));
	print(known_find("input"), true);
	ck_assert_ptr_nonnull(strstr(printed, "two GET_FEATURES"));
	ck_assert_int_eq(printed[strlen(printed) - 2], '}');
	free(printed);
	printed = NULL;
}
END_TEST

START_TEST(json_of_lists)
{
	struct out o;
	size_t size;
	FILE *f = open_memstream(&printed, &size);

	ck_assert_ptr_nonnull(f);
	out_begin(&o, f, true);
	out_open_list(&o, "a");
	out_number(&o, NULL, 1);
	out_open(&o, NULL);
	out_bool(&o, "b", true);
	out_close(&o);
	out_close(&o);
	out_open(&o, "c");
	out_close(&o);
	out_measure(&o, "d", 1.5, 1, " s");
	out_end(&o);
	fclose(f);
	ck_assert_str_eq(printed, "{\n  \"a\": [\n    1,\n    {\n      \"b\": true\n    }\n  ],\n"
			 "  \"c\": {},\n  \"d\": 1.5\n}\n");
	free(printed);
	printed = NULL;
}
END_TEST

START_TEST(histogram)
{
	static struct hist h;
	uint64_t v, last = 0, sum = 0;

	ck_assert_uint_eq(hist_at(&h, 500), 0);
	for (v = 1; v <= 100000; v++)
		hist_add(&h, v);
	for (v = 1; v <= 1000; v++) {
		must(hist_at(&h, (unsigned)v) >= last);
		last = hist_at(&h, (unsigned)v);
		must(last >= v * 100 && last <= v * 100 + v * 100 / 31);
	}
	ck_assert_uint_eq(hist_at(&h, 1000), 100000);
	for (v = 0; v < 40; v++)
		sum += hist_between(&h, v == 0 ? 0 : 1ULL << v, 2ULL << v);
	ck_assert_uint_eq(sum, 100000);
	hist_add(&h, UINT64_MAX);
	hist_add(&h, 0);
	ck_assert_uint_eq(hist_at(&h, 1000), UINT64_MAX);
	ck_assert_uint_eq(hist_between(&h, 0, 1), 1);
}
END_TEST

START_TEST(one_value)
{
	static struct hist h;

	hist_add(&h, 1234567);
	ck_assert_uint_eq(hist_at(&h, 1), 1234567);
	ck_assert_uint_eq(hist_at(&h, 500), 1234567);
	ck_assert_uint_eq(hist_at(&h, 1000), 1234567);
}
END_TEST

START_TEST(drivers_are_known_devices)
{
	const struct driver *d;
	const struct action *a;
	unsigned i;

	for (i = 0; (d = driver_at(i)) != NULL; i++) {
		ck_assert_ptr_nonnull(known_find(d->name));
		ck_assert_ptr_eq(driver_find(d->name), d);
		ck_assert(d->actions != NULL || d->load != NULL);
		for (a = d->actions; a != NULL && a->name != NULL; a++) {
			ck_assert_ptr_eq(driver_action(d, a->name), a);
			ck_assert_uint_le(a->least, a->most);
			ck_assert_int_gt(strlen(a->help), 0);
		}
	}
	ck_assert_ptr_null(driver_find("none"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("probe");
	TCase *tables = tcase_create("tables");
	TCase *session = tcase_create("session");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(tables, sizes_of_config);
	tcase_add_test(tables, rows_are_sound);
	tcase_add_test(tables, names_of_features);
	tcase_add_test(tables, names_of_messages);
	tcase_add_test(tables, text_of_the_back_end_is_escaped);
	tcase_add_test(tables, everything_at_once_has_an_end);
	tcase_add_test(tables, json_of_lists);
	tcase_add_test(tables, histogram);
	tcase_add_test(tables, one_value);
	tcase_add_test(tables, drivers_are_known_devices);
	suite_add_tcase(s, tables);
	tcase_add_checked_fixture(session, set_up_pair, tear_down_pair);
	tcase_add_test(session, entropy);
	tcase_add_test(session, socket_of_one_length);
	tcase_add_test(session, lines_of_any_length);
	tcase_add_test(session, file_system_without_config);
	tcase_add_test(session, nothing_fits);
	tcase_add_test(session, config_that_is_refused);
	tcase_add_test(session, hint_is_asked_first);
	tcase_add_test(session, silence);
	tcase_add_test(session, other_protocol);
	tcase_add_test(session, hung_up_at_once);
	tcase_add_test(session, hung_up_later);
	tcase_add_test(session, many_queues);
	tcase_add_test(session, long_config);
	tcase_add_test(session, short_shmem);
	tcase_add_test(session, huge_announcement);
	tcase_add_test(session, hang_up_over_config_and_gone);
	tcase_add_test(session, features_that_change);
	suite_add_tcase(s, session);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
