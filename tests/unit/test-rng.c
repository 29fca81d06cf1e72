/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The entropy device: what is filled, the limiter's numbers, awkward sources. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/opt.h"
#include "fake-core.h"
#include "source.h"
#include "suite.h"

enum { MS = 1000 * 1000, KIB = 1024 };

/* Time of the open() in tests with a faked clock. */
static const uint64_t T0 = 5000ULL * MS;

extern const struct device device_rng;

static unsigned char conf[256];
static char folder[64], path[80];

static void setup(void)
{
	ck_assert_uint_le(device_rng.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_rng.options, conf);
	snprintf(folder, sizeof(folder), "/tmp/test-rng-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/source", folder);
}

static void teardown(void)
{
	opt_finish(device_rng.options, conf);
	unlink(path);
	rmdir(folder);
}

static void set(const char *option, const char *text)
{
	const struct option *row = opt_find(device_rng.options, option, strlen(option));
	struct error err = ERROR_NONE;

	ck_assert_ptr_nonnull(row);
	ck_assert_msg(opt_set(row, conf, text, &err) == 0, "%s", err.text);
}

/* Opened and started with the options set so far. */
static void begin(uint64_t now, unsigned count)
{
	struct error err = ERROR_NONE;

	fake_setup(&device_rng, now);
	ck_assert_msg(fake_open(conf, count, &err) == 0, "%s", err.text);
	fake_start();
}

static void end(void)
{
	fake_stop();
	fake_close();
	fake_teardown();
}

static void write_source(const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	ck_assert_int_eq((int)write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static bool all_poison(const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && p[i] == FAKE_POISON; i++)
		;
	return i == n;
}

static void expect(const struct chain *c, enum fake_end how, size_t used)
{
	ck_assert_int_eq(c->end, how);
	ck_assert_uint_eq(c->used, used);
	/* Bytes behind what was given are untouched. */
	ck_assert(all_poison(c->put + used, c->put_size - used));
}

/* Requests. */

START_TEST(requests_are_filled)
{
	const struct chain *small, *odd, *mixed;

	begin(0, 1);
	small = fake_push(NULL, 0, 64);
	odd = fake_push(NULL, 0, 4097);
	mixed = fake_push("readable", 8, 16);
	expect(small, FAKE_DONE, 64);
	ck_assert(!all_poison(small->put, 64));
	expect(odd, FAKE_DONE, 4097);
	ck_assert(!all_poison(odd->put + 4096 - 15, 16));
	expect(mixed, FAKE_DONE, 16);
	ck_assert_int_ne(memcmp(small->put, odd->put, 64), 0);
	ck_assert_uint_eq(fake.counters[RNG_BYTES], 64 + 4097 + 16);
	ck_assert_uint_eq(fake.counters[RNG_REQUESTS], 3);
	end();
}
END_TEST

START_TEST(nothing_to_fill)
{
	const struct chain *c, *after;

	begin(0, 1);
	c = fake_push("readable", 8, 0);
	after = fake_push(NULL, 0, 1);
	expect(c, FAKE_FAILED, 0);
	expect(after, FAKE_DONE, 1);
	end();
}
END_TEST

START_TEST(unmapped_memory_costs_one_request)
{
	struct chain *bad;
	const struct chain *after;

	fake_setup(&device_rng, 0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	bad = fake_push(NULL, 0, 64);
	bad->unmapped = true;
	after = fake_push(NULL, 0, 64);
	fake_start();
	expect(bad, FAKE_FAILED, 0);
	expect(after, FAKE_DONE, 64);
	end();
}
END_TEST

/* A huge buffer gets part of it; the next one has to wait for another turn. */
START_TEST(long_requests_take_turns)
{
	const struct chain *huge, *large, *small;

	fake_setup(&device_rng, T0);
	ck_assert_int_eq(fake_open(conf, 1, NULL), 0);
	huge = fake_push(NULL, 0, 1024 * KIB);
	large = fake_push(NULL, 0, 64 * KIB);
	small = fake_push(NULL, 0, 64);
	fake.running = true;
	device_rng.start(instance_queue(NULL, 0));
	device_rng.queues[0].handle(instance_queue(NULL, 0));
	expect(huge, FAKE_DONE, 64 * KIB);
	ck_assert_int_eq(large->end, FAKE_OPEN);
	loop_turn(fake.loop, true);
	expect(large, FAKE_DONE, 64 * KIB);
	ck_assert_int_eq(small->end, FAKE_OPEN);
	loop_turn(fake.loop, true);
	expect(small, FAKE_DONE, 64);
	end();
}
END_TEST

/* The limiter. */

START_TEST(limiter_sequence)
{
	/* Requests of 64 bytes at 100 bytes a second: length, and when after open(). */
	static const struct {
		unsigned ms, used;
	} answers[] = {
		{ 0, 64 }, { 0, 36 }, { 1000, 64 }, { 1000, 36 }, { 2000, 64 }, { 2000, 36 },
		{ 3000, 64 },
	};
	const struct chain *c;
	unsigned i;

	set("max-bytes", "100");
	set("period", "1000");
	begin(T0, 1);
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		c = fake_push(NULL, 0, 64);
		if (answers[i].ms > 0 && answers[i].ms > answers[i - 1].ms) {
			fake_at(T0 + answers[i].ms * (uint64_t)MS - 1);
			ck_assert_int_eq(c->end, FAKE_OPEN);
			ck_assert(all_poison(c->put, 64));
		}
		fake_at(T0 + answers[i].ms * (uint64_t)MS);
		expect(c, FAKE_DONE, answers[i].used);
	}
	ck_assert_uint_eq(fake.counters[RNG_THROTTLED_MS], 3000);
	end();
}
END_TEST

START_TEST(a_period_begins_with_a_request)
{
	const struct chain *c;

	set("max-bytes", "10");
	set("period", "1000");
	begin(T0, 1);
	/* The first one began at open(): half of it is over. */
	fake_at(T0 + 500ULL * MS);
	expect(fake_push(NULL, 0, 10), FAKE_DONE, 10);
	c = fake_push(NULL, 0, 10);
	fake_at(T0 + 1000ULL * MS);
	expect(c, FAKE_DONE, 10);
	/* After a rest the next one begins with the request, not on a grid. */
	fake_at(T0 + 2700ULL * MS);
	expect(fake_push(NULL, 0, 10), FAKE_DONE, 10);
	c = fake_push(NULL, 0, 10);
	fake_at(T0 + 3699ULL * MS);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	fake_at(T0 + 3700ULL * MS);
	expect(c, FAKE_DONE, 10);
	end();
}
END_TEST

/* What one socket gets in a period. */
static const struct {
	const char *max_bytes;
	unsigned count, quota;
} shares[] = {
	{ "100", 3, 33 }, { "1", 1, 1 }, { "3", 4, 1 }, { "0", 1, 1 },
};

START_TEST(quota_is_shared_and_never_zero)
{
	unsigned before;

	set("max-bytes", shares[_i].max_bytes);
	begin(T0, shares[_i].count);
	expect(fake_push(NULL, 0, 64), FAKE_DONE, shares[_i].quota);
	before = fake.ended;
	fake_push(NULL, 0, 64);
	fake_settle();
	ck_assert_uint_eq(fake.ended, before);
	end();
}
END_TEST

START_TEST(stop_returns_the_throttled_request)
{
	struct chain *c;

	set("max-bytes", "64");
	set("period", "1000");
	begin(T0, 1);
	fake_push(NULL, 0, 64);
	c = fake_push(NULL, 0, 64);
	ck_assert_uint_eq(fake.popped, 2);
	fake_stop();
	/* The ring stands before it, and nothing is written to it later. */
	ck_assert_uint_eq(fake.popped, 1);
	fake_at(T0 + 5000ULL * MS);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert(all_poison(c->put, 64));
	fake_start();
	expect(c, FAKE_DONE, 64);
	/* Another session does not bring another quota. */
	c = fake_push(NULL, 0, 64);
	fake_stop();
	fake_start();
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	end();
}
END_TEST

/* Options. */

static const struct {
	const char *option, *value;
} refused[] = {
	{ "period", "0" }, { "period", "65537" }, { "rng-source", "/none/there" },
	{ "rng-source", "/tmp" }, { "filename", "/none/there" },
};

START_TEST(refused_at_start)
{
	struct error err = ERROR_NONE;

	set(refused[_i].option, refused[_i].value);
	fake_setup(&device_rng, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_msg(strstr(err.text, refused[_i].value) != NULL, "%s", err.text);
	fake_close();
	fake_teardown();
}
END_TEST

START_TEST(device_row)
{
	const struct option *row = opt_find_brief(device_rng.options, 'f');

	ck_assert_str_eq(device_rng.name, "rng");
	ck_assert_uint_eq(device_rng.virtio_id, 4);
	ck_assert_uint_eq(device_rng.config_size, 0);
	ck_assert_str_eq(row->name, "rng-source");
	ck_assert_str_eq(opt_find_brief(device_rng.options, 'm')->name, "max-bytes");
	ck_assert_str_eq(opt_find_brief(device_rng.options, 'p')->name, "period");
}
END_TEST

/* Sources. */

START_TEST(file_then_getrandom)
{
	struct chain *c[4];
	unsigned i;

	write_source("0123456789");
	set("rng-source", path);
	begin(0, 1);
	for (i = 0; i < 4; i++)
		c[i] = fake_push(NULL, 0, 4);
	fake_wait_ended(4);
	ck_assert_int_eq(memcmp(c[0]->put, "0123", 4), 0);
	ck_assert_int_eq(memcmp(c[1]->put, "4567", 4), 0);
	expect(c[2], FAKE_DONE, 2);
	ck_assert_int_eq(memcmp(c[2]->put, "89", 2), 0);
	expect(c[3], FAKE_DONE, 4);
	ck_assert_uint_eq(fake.counters[RNG_SOURCE_ERRORS], 0);
	/* One line says so, however many requests follow. */
	fake_push(NULL, 0, 4);
	ck_assert_uint_eq(fake.warnings, 1);
	end();
}
END_TEST

START_TEST(file_starts_over)
{
	struct chain *c[5];
	unsigned i;

	write_source("abcd");
	set("rng-source", path);
	set("on-eof", "rewind");
	begin(0, 1);
	for (i = 0; i < 5; i++)
		c[i] = fake_push(NULL, 0, 4);
	fake_wait_ended(5);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(memcmp(c[i]->put, "abcd", 4), 0);
	ck_assert_uint_eq(fake.warnings, 0);
	end();
}
END_TEST

/* Rewinding leads nowhere: it must not spin. */
START_TEST(empty_file_is_waited_for)
{
	struct chain *c;
	unsigned i;

	write_source("");
	set("rng-source", path);
	set("on-eof", _i == 0 ? "rewind" : "hold");
	begin(T0, 1);
	c = fake_push(NULL, 0, 4);
	while (fake.warnings == 0)
		loop_turn(fake.loop, true);
	for (i = 0; i < 100; i++)
		loop_turn(fake.loop, false);
	ck_assert_int_eq(c->end, FAKE_OPEN);
	ck_assert_uint_eq(fake.warnings, 1);
	write_source("grown");
	fake_at(T0 + 1000ULL * MS);
	fake_wait_ended(1);
	expect(c, FAKE_DONE, 4);
	ck_assert_int_eq(memcmp(c->put, "grow", 4), 0);
	end();
}
END_TEST

static volatile sig_atomic_t terms;

static void on_term(int number)
{
	terms++;
}

START_TEST(the_end_can_end_the_process)
{
	const struct sigaction count = { .sa_handler = on_term };
	struct sigaction before;

	ck_assert_int_eq(sigaction(SIGTERM, &count, &before), 0);
	write_source("ab");
	set("rng-source", path);
	set("on-eof", "exit");
	begin(0, 1);
	fake_push(NULL, 0, 2);
	fake_wait_ended(1);
	ck_assert_int_eq(terms, 0);
	fake_push(NULL, 0, 2);
	while (terms == 0)
		loop_turn(fake.loop, true);
	fake_settle();
	ck_assert_int_eq(terms, 1);
	ck_assert_uint_eq(fake.ended, 1);
	end();
	sigaction(SIGTERM, &before, NULL);
}
END_TEST

START_TEST(read_errors_are_counted_and_survived)
{
	struct chain *c;

	/* A file whose first page cannot be read: EIO. */
	set("rng-source", "/proc/self/mem");
	set("on-eof", _i == 0 ? "hold" : "getrandom");
	begin(0, 1);
	c = fake_push(NULL, 0, 4);
	while (fake.counters[RNG_SOURCE_ERRORS] == 0)
		loop_turn(fake.loop, true);
	fake_settle();
	ck_assert_uint_eq(fake.counters[RNG_SOURCE_ERRORS], 1);
	if (_i == 0)
		ck_assert_int_eq(c->end, FAKE_OPEN);
	else
		expect(c, FAKE_DONE, 4);
	end();
}
END_TEST

START_TEST(devices_that_cannot_be_polled)
{
	struct chain *c;

	set("rng-source", "/dev/zero");
	begin(0, 1);
	c = fake_push(NULL, 0, 64);
	fake_wait_ended(1);
	ck_assert_uint_eq(c->used, 64);
	ck_assert_int_eq(c->put[0] | c->put[63], 0);
	/* Stopped while the next chunk is read ahead. */
	fake_stop();
	fake_start();
	fake_push(NULL, 0, 20 * KIB);
	fake_wait_ended(2);
	end();
}
END_TEST

START_TEST(random_devices_are_getrandom)
{
	set("rng-source", _i == 0 ? "/dev/random" : "/dev/../dev/urandom");
	begin(0, 1);
	/* At once: no worker is asked. */
	expect(fake_push(NULL, 0, 64), FAKE_DONE, 64);
	end();
}
END_TEST

START_TEST(fifo_trickles)
{
	struct chain *a, *b, *c;
	int fd;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	set("rng-source", path);
	begin(0, 1);
	/* Nobody writes yet: that is not its end. */
	a = fake_push(NULL, 0, 64);
	fake_settle();
	ck_assert_int_eq(a->end, FAKE_OPEN);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq((int)write(fd, "12345", 5), 5);
	fake_wait_ended(1);
	expect(a, FAKE_DONE, 5);
	ck_assert_int_eq(memcmp(a->put, "12345", 5), 0);
	/* Bytes that nobody asks for stay there. */
	ck_assert_int_eq((int)write(fd, "6789", 4), 4);
	fake_settle();
	b = fake_push(NULL, 0, 3);
	fake_wait_ended(2);
	ck_assert_int_eq(memcmp(b->put, "678", 3), 0);
	/* With its writer it ends. */
	close(fd);
	c = fake_push(NULL, 0, 64);
	fake_wait_ended(3);
	expect(c, FAKE_DONE, 1);
	c = fake_push(NULL, 0, 64);
	fake_wait_ended(4);
	expect(c, FAKE_DONE, 64);
	end();
}
END_TEST

START_TEST(fifo_goes_on_with_its_next_writer)
{
	struct chain *c;
	int fd;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	set("rng-source", path);
	set("on-eof", "hold");
	begin(T0, 1);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	close(fd);
	c = fake_push(NULL, 0, 4);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq((int)write(fd, "next", 4), 4);
	fake_at(T0 + 1000ULL * MS);
	expect(c, FAKE_DONE, 4);
	ck_assert_int_eq(memcmp(c->put, "next", 4), 0);
	close(fd);
	end();
}
END_TEST

START_TEST(stop_while_the_source_is_dry)
{
	struct chain *c;
	int fd;

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	set("rng-source", path);
	begin(0, 1);
	c = fake_push(NULL, 0, 8);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	fake_stop();
	ck_assert_int_eq((int)write(fd, "12345678", 8), 8);
	fake_settle();
	ck_assert(all_poison(c->put, 8));
	fake_start();
	fake_wait_ended(1);
	ck_assert_int_eq(memcmp(c->put, "12345678", 8), 0);
	close(fd);
	end();
}
END_TEST

static int serve_socket(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(sa.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	return fd;
}

START_TEST(socket_as_source)
{
	int server = serve_socket(), peer;
	struct chain *c;

	set("rng-source", path);
	set("on-eof", "rewind");
	begin(T0, 1);
	peer = accept(server, NULL, NULL);
	c = fake_push(NULL, 0, 8);
	ck_assert_int_eq((int)write(peer, "egd", 3), 3);
	fake_settle();
	expect(c, FAKE_DONE, 3);
	/* A server that left is asked again after a pause. */
	close(peer);
	c = fake_push(NULL, 0, 8);
	fake_settle();
	ck_assert_int_eq(c->end, FAKE_OPEN);
	fake_at(T0 + 1000ULL * MS);
	peer = accept(server, NULL, NULL);
	ck_assert_int_eq((int)write(peer, "again", 5), 5);
	fake_settle();
	expect(c, FAKE_DONE, 5);
	close(peer);
	close(server);
	end();
}
END_TEST

START_TEST(a_socket_needs_a_server)
{
	struct error err = ERROR_NONE;

	close(serve_socket());
	set("rng-source", path);
	fake_setup(&device_rng, 0);
	ck_assert_int_lt(fake_open(conf, 1, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "nobody serves"));
	fake_close();
	fake_teardown();
}
END_TEST

/* Two users of one file. */

struct reader {
	struct source *source;
	char text[16];
	size_t have;
};

static void reader_ready(void *ctx)
{
	struct reader *r = ctx;

	if (r->have < 4)
		r->have += source_read(r->source, r->text + r->have, 4 - r->have);
}

struct start {
	struct turn_end at;
	struct reader *readers;
};

static void start_readers(struct turn_end *t)
{
	struct start *s = container_of(t, struct start, at);

	source_run(s->readers[0].source);
	source_run(s->readers[1].source);
}

START_TEST(no_two_guests_get_the_same_bytes)
{
	struct reader r[2] = { 0 };
	struct start start = { .at = { .fn = start_readers }, .readers = r };
	char text[32 * KIB + 1];
	unsigned i;

	for (i = 0; i < sizeof(text) - 1; i++)
		text[i] = i < 16 * KIB ? 'a' : 'b';
	text[i] = '\0';
	write_source(text);
	fake_setup(&device_rng, 0);
	for (i = 0; i < 2; i++) {
		r[i].source = source_open(NULL, path, END_HOLD, reader_ready, &r[i], NULL);
		ck_assert_ptr_nonnull(r[i].source);
	}
	loop_next_turn(fake.loop, &start.at);
	while (r[0].have < 4 || r[1].have < 4)
		loop_turn(fake.loop, true);
	ck_assert_int_ne(r[0].text[0], r[1].text[0]);
	for (i = 0; i < 2; i++) {
		source_rest(r[i].source);
		source_close(r[i].source);
	}
	source_close(NULL);
	fake_teardown();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rng");
	TCase *tc = tcase_create("rng");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, requests_are_filled);
	tcase_add_test(tc, nothing_to_fill);
	tcase_add_test(tc, unmapped_memory_costs_one_request);
	tcase_add_test(tc, long_requests_take_turns);
	tcase_add_test(tc, limiter_sequence);
	tcase_add_test(tc, a_period_begins_with_a_request);
	tcase_add_loop_test(tc, quota_is_shared_and_never_zero, 0, (int)ARRAY_SIZE(shares));
	tcase_add_test(tc, stop_returns_the_throttled_request);
	tcase_add_loop_test(tc, refused_at_start, 0, (int)ARRAY_SIZE(refused));
	tcase_add_test(tc, device_row);
	tcase_add_test(tc, file_then_getrandom);
	tcase_add_test(tc, file_starts_over);
	tcase_add_loop_test(tc, empty_file_is_waited_for, 0, 2);
	tcase_add_test(tc, the_end_can_end_the_process);
	tcase_add_loop_test(tc, read_errors_are_counted_and_survived, 0, 2);
	tcase_add_test(tc, devices_that_cannot_be_polled);
	tcase_add_loop_test(tc, random_devices_are_getrandom, 0, 2);
	tcase_add_test(tc, fifo_trickles);
	tcase_add_test(tc, fifo_goes_on_with_its_next_writer);
	tcase_add_test(tc, stop_while_the_source_is_dry);
	tcase_add_test(tc, socket_as_source);
	tcase_add_test(tc, a_socket_needs_a_server);
	tcase_add_test(tc, no_two_guests_get_the_same_bytes);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
