/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Three guests on one simulated adapter, two of which keep it busy: the third
 * gets its turn soon. The bus itself counts: every byte read of a register
 * client moves its pointer on, and the bytes are numbers. And two on an adapter
 * whose operations need the client to be set first.
 */
#include <string.h>

#include "guest.h"
#include "wire/virtio-i2c.h"

enum { CLIENT = 0x20, REGS = 256, DEPTH = 32, TRIES = 20, SOON = 6, HEADER = 8 };

static struct server server;
static struct guest *guests[3];

static void start(void)
{
	static const char *const args[] = { "-s", "@i.sock", "-c", "3", "-l", "s0:0x20/slow=5",
		NULL };

	server_start(&server, "i2c", args);
}

static void tear_down(void)
{
	server_clean_up(&server);
}

static struct guest *join(const char *name)
{
	const struct guest_setup setup = { .socket = server_path(&server, name),
		.features = BIT(VIRTIO_I2C_F_ZERO_LENGTH_REQUEST) };

	return guest_new(&setup);
}

/* A write of these bytes, or without any a read of one. */
static void add(struct guest *g, unsigned slot, const void *data, unsigned len)
{
	const struct virtio_i2c_out_hdr hdr = { le16(CLIENT << 1), le16(0),
		le32(len == 0 ? VIRTIO_I2C_FLAGS_M_RD : 0) };
	const uint64_t at = guest_slot_at(slot);
	const struct fe_seg segs[] = { { at, HEADER + len }, { at + 1024, len == 0 ? 2 : 1 } };

	guest_write(g, at, &hdr, sizeof(hdr));
	if (len > 0)
		guest_write(g, at + HEADER, data, len);
	guest_add(g, segs, 1, 1, 0, &g->slots[slot]);
}

/* The number that the bus gave to the next transfer that is done; the slot is free. */
static unsigned number(struct guest *g, unsigned *ret_slot)
{
	struct fe_used used = guest_await_one(g);
	uint8_t bytes[2];

	*ret_slot = (unsigned)((struct guest_slot *)used.token - g->slots);
	must(used.len == 2);
	guest_read(g, guest_slot_at(*ret_slot) + 1024, bytes, sizeof(bytes));
	must(bytes[1] == VIRTIO_I2C_MSG_OK);
	return bytes[0];
}

static void number_registers(struct guest *g)
{
	uint8_t bytes[1 + REGS];
	unsigned i;

	bytes[0] = 0;
	for (i = 0; i < REGS; i++)
		bytes[1 + i] = (uint8_t)i;
	add(g, 0, bytes, sizeof(bytes));
	guest_kick(g);
	must(guest_await_one(g).len == 1);
}

/* Every request that came back goes out again; the number of the last one. */
static unsigned flood(struct guest *g)
{
	unsigned slot, last = number(g, &slot);

	add(g, slot, NULL, 0);
	guest_kick(g);
	return last;
}

START_TEST(a_quiet_guest_is_not_starved)
{
	unsigned i, k, slot, before, waited, soon = 0;

	start();
	guests[0] = join("i.sock0");
	guests[1] = join("i.sock1");
	guests[2] = join("i.sock2");
	number_registers(guests[2]);
	for (i = 0; i < 2; i++) {
		for (k = 0; k < DEPTH; k++)
			add(guests[i], k, NULL, 0);
		guest_kick(guests[i]);
	}
	for (i = 0; i < TRIES; i++) {
		flood(guests[0]);
		before = flood(guests[1]);
		add(guests[2], 0, NULL, 0);
		guest_kick(guests[2]);
		waited = (number(guests[2], &slot) - before) % REGS;
		/* Others of this machine may have stopped us meanwhile. */
		ck_assert_uint_lt(waited, DEPTH);
		soon += waited <= SOON;
	}
	ck_assert_uint_ge(soon, TRIES / 2);
	for (i = 0; i < 3; i++)
		guest_free(guests[i]);
	server_stop(&server);
}
END_TEST

/* Each writes numbers of its own into its own client, and reads nothing else. */
START_TEST(guests_of_an_smbus_adapter_do_not_mix)
{
	static const char *const args[] = { "-s", "@i.sock", "-c", "2", "-l", "s0/smbus:0x20",
		"-l", "s0/smbus:0x20=0x21", NULL };
	unsigned i, k, slot;
	uint8_t bytes[2];

	server_start(&server, "i2c", args);
	guests[0] = join("i.sock0");
	guests[1] = join("i.sock1");
	for (i = 0; i < test_scaled(2000); i++) {
		for (k = 0; k < 2; k++) {
			bytes[0] = 0;
			bytes[1] = (uint8_t)(i * 2 + k);
			add(guests[k], 0, bytes, 2);
			/* Back to that register, and what is in it. */
			add(guests[k], 1, bytes, 1);
			add(guests[k], 2, NULL, 0);
			guest_kick(guests[k]);
		}
		for (k = 0; k < 2; k++) {
			must(guest_await_one(guests[k]).len == 1);
			must(guest_await_one(guests[k]).len == 1);
			must(number(guests[k], &slot) == (uint8_t)(i * 2 + k) && slot == 2);
		}
	}
	guest_free(guests[0]);
	guest_free(guests[1]);
	server_stop(&server);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("i2c");
	TCase *tc = tcase_create("i2c");
	SRunner *sr;
	int failed;

	if (!server_has("i2c"))
		return server_skip("i2c");
	sr = srunner_create(s);
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	tcase_add_test(tc, a_quiet_guest_is_not_starved);
	tcase_add_test(tc, guests_of_an_smbus_adapter_do_not_mix);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed > 0;
}
