/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Plays all hostile cases against one process, one after the other. */
#include <stdio.h>

#include "hostile.h"

enum { AT_LEAST = 150, MOST = 1000, PAUSE_MS = 100 };

static const struct hostile_kind *const kinds[] = {
	&hostile_messages, &hostile_frames, &hostile_memory, &hostile_addrs, &hostile_rings,
	&hostile_fds, &hostile_floods, &hostile_channel, &hostile_leaving, &hostile_stall,
};

static struct hostile h;
static char socket_path[80];

static const struct hostile_kind *find(unsigned i, unsigned *ret_row)
{
	unsigned k;

	for (k = 0; i >= kinds[k]->count(); k++)
		i -= kinds[k]->count();
	*ret_row = i;
	return kinds[k];
}

/* A fresh session is served as ever, and nothing of the old one is left. */
static void check_afterwards(void)
{
	struct guest *g = guest_new(&h.setup);

	guest_echo(g, 20, 4);
	guest_free(g);
	ck_assert_uint_eq(server_await_fds(&h.server, h.fds), h.fds);
	ck_assert(server_lives(&h.server));
}

/* Sanitizers slow the server down, and the limit grows with them. */
static void check_bystander(void)
{
	unsigned pause;

	ck_assert_msg(bystander_served(h.bystander), "another guest: %s", h.bystander->error);
	pause = bystander_pause(h.bystander);
	ck_assert_msg(pause <= PAUSE_MS * test_scale(), "another guest waited for %u ms", pause);
}

START_TEST(hostile_case)
{
	unsigned row;
	const struct hostile_kind *kind = find((unsigned)_i, &row);

	bystander_begin(h.bystander);
	kind->play(&h, row);
	check_afterwards();
	check_bystander();
}
END_TEST

static bool start(void)
{
	unsigned n, again = 0, tries;

	server_start_ini(&h.server,
		"[common]\nthreads = 1\nlog-level = off\n"
		"[template \"victim\"]\nsocket-path = @victim.sock\ninband = true\n"
		"[template \"bystander\"]\nsocket-path = @bystander.sock\n");
	snprintf(socket_path, sizeof(socket_path), "%.60s/victim.sock", h.server.dir);
	h.setup.socket = socket_path;
	h.bystander = bystander_start(server_path(&h.server, "bystander.sock"));
	if (h.bystander == NULL || !bystander_served(h.bystander))
		return false;
	/* Its files are all open; the number stands still. */
	n = server_fds(&h.server);
	for (tries = 0; tries < 3; tries += again == n) {
		bystander_served(h.bystander);
		again = n;
		n = server_fds(&h.server);
	}
	h.fds = n;
	return true;
}

static unsigned add_cases(Suite *s)
{
	/* check keeps the names by reference. */
	static char names[MOST][120];
	unsigned k, row, n = 0;
	TCase *tc;

	for (k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (row = 0; row < kinds[k]->count() && n < MOST; row++, n++) {
			snprintf(names[n], sizeof(names[n]), "%s: %s", kinds[k]->what,
				 kinds[k]->name(row));
			tc = tcase_create(names[n]);
			tcase_set_timeout(tc, 120);
			tcase_add_loop_test(tc, hostile_case, (int)n, (int)n + 1);
			suite_add_tcase(s, tc);
		}
	}
	return n;
}

int main(void)
{
	Suite *s = suite_create("hostile");
	SRunner *sr = srunner_create(s);
	char why[100] = "";
	bool sound;
	int failed;

	if (!server_has("template"))
		return server_skip("template");
	if (add_cases(s) < AT_LEAST || !start()) {
		printf("Bail out! %s\n", h.bystander == NULL ? "no server" : "too few cases");
		return 1;
	}
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	bystander_stop(h.bystander);
	sound = server_end(&h.server, why, sizeof(why));
	if (!sound)
		fprintf(stderr, "hostile: %s\n", why);
	srunner_free(sr);
	return failed > 0 || !sound;
}
