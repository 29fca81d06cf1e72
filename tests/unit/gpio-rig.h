/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The GPIO device on the stand-in for the core, and its driver. */
#ifndef TESTS_GPIO_RIG_H
#define TESTS_GPIO_RIG_H

#include <check.h>
#include <string.h>

#include "core/opt.h"
#include "fake-core.h"
#include "wire/virtio-gpio.h"

extern const struct device device_gpio;

enum { OK = GPIO_STATUS_OK, ERR = GPIO_STATUS_ERR, MANY = 64 };
enum { NONE = GPIO_DIRECTION_NONE, OUT = GPIO_DIRECTION_OUT, IN = GPIO_DIRECTION_IN };

static unsigned char conf[64];   /* what the options make */

static inline void setup(void)
{
	ck_assert_uint_le(device_gpio.conf_size, sizeof(conf));
	memset(conf, 0, sizeof(conf));
	opt_defaults(device_gpio.options, conf);
}

static inline void teardown(void)
{
	opt_finish(device_gpio.options, conf);
}

static inline void set(const char *option, const char *text)
{
	struct error err = ERROR_NONE;

	ck_assert_msg(opt_set(opt_find(device_gpio.options, option, strlen(option)), conf, text,
			      &err) == 0, "%s", err.text);
}

static inline void begin(const char *list)
{
	struct error err = ERROR_NONE;

	set("device-list", list);
	fake_setup(&device_gpio, 0);
	ck_assert_msg(fake_open(conf, 1, &err) == 0, "%s", err.text);
	fake_start();
}

static inline void end(void)
{
	fake_stop();
	fake_reset(RESET_LEFT);
	fake_close();
	fake_teardown();
}

static inline const struct chain *push(unsigned type, unsigned gpio, uint32_t value)
{
	const struct virtio_gpio_request req = { le16((uint16_t)type), le16((uint16_t)gpio),
		le32(value) };

	return fake_push(&req, sizeof(req), sizeof(struct virtio_gpio_response));
}

/* Status in the upper half, value in the lower. */
static inline unsigned ask(unsigned type, unsigned gpio, uint32_t value)
{
	const struct chain *c = push(type, gpio, value);

	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, 2);
	return (unsigned)c->put[0] << 8 | c->put[1];
}

#define good(type, gpio, value, back) ck_assert_uint_eq(ask(type, gpio, value), OK << 8 | (back))
#define bad(type, gpio, value) ck_assert_uint_eq(ask(type, gpio, value), ERR << 8)

static inline const struct chain *arm(unsigned gpio)
{
	const struct virtio_gpio_irq_request req = { le16((uint16_t)gpio) };

	return fake_push_to(GPIO_EVENTQ, &req, sizeof(req), 1);
}

static inline void is_parked(const struct chain *c)
{
	ck_assert_int_eq(c->end, FAKE_OPEN);
}

static inline void came(const struct chain *c, uint8_t status)
{
	ck_assert_int_eq(c->end, FAKE_DONE);
	ck_assert_uint_eq(c->used, 1);
	ck_assert_uint_eq(c->put[0], status);
}

#define fired(c) came(c, GPIO_IRQ_STATUS_VALID)
#define refused(c) came(c, GPIO_IRQ_STATUS_INVALID)

#endif
