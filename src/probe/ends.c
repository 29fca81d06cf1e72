/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Sockets have two ends: with that of the host known, there is more to measure. */
#include <errno.h>

#include "bench.h"
#include "driver.h"

const struct option bench_ends_rows[] = {
	{ "uds-path", "PATH", "Of vsock: the hybrid socket of the back end. Bytes each way, round "
	  "trips and connections between a guest and a program of the host are measured, beside "
	  "a plain socket pair.", NULL, OPT_PATH, OPT(struct bench_conf, uds) },
	{ "vs-uds-path", "PATH", "The same of the second back end.", NULL, OPT_PATH,
	  OPT(struct bench_conf, vs_uds) },
	{ "only", "NAME", "Only the measurements of sockets whose names begin so, as in round. "
	  "Two come by their whole names alone: rate, 1000 clients of the host a second, and "
	  "stall, 50 connections beside one that is not read.",
	  NULL, OPT_STRING, OPT(struct bench_conf, only) },
	{ "vs-largest", "BYTES", "Largest write that the second back end gets.", "16384", OPT_SIZE,
	  .min = 64, .max = 1 << 20, OPT(struct bench_conf, largest) },
	{ NULL }
};

int bench_ends(const struct bench_conf *c, struct error *err)
{
	const struct ends_setup setup = {
		.sockets = { c->socket, c->vs }, .uds = { c->uds, c->vs_uds },
		.vdev = { .timeout_ms = c->tool.timeout * 1000, .wait = c->tool.wait,
			.packed = c->load.vdev.packed,
			.no_event_idx = c->load.vdev.no_event_idx, .lax = c->tool.lax },
		.seconds = c->seconds, .largest = c->largest,
		.only = c->only,
	};
	const struct driver *driver = driver_find(c->device != NULL ? c->device : "vsock");
	struct out o;
	int ret;

	if (driver == NULL || driver->ends == NULL)
		return error_set(err, -EINVAL, "--uds-path is for vsock, which this build knows");
	if (c->vs != NULL && c->vs_uds == NULL)
		return error_set(err, -EINVAL, "--vs needs --vs-uds-path");
	out_begin(&o, stdout, c->tool.json);
	ret = driver->ends(&setup, &o, err);
	out_end(&o);
	return ret;
}
