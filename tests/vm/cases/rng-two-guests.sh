#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# Two guests on one process, at the same time; one leaves and the other does
# not notice.

outside()
{
	daemon d rng --socket-count 2
	guest a "rng:$W/d.sock0"
	guest b "rng:$W/d.sock1"
	await a read
	await b read
	tell a leave
	wait_guest a
	tell b go-on
	wait_guest b
	stop_daemon d
}

inside()
{
	is 'bytes together' "$(head -c 16384 /dev/hwrng | wc -c)" 16384
	[ "$(ask read)" = leave ] && return
	is 'bytes alone' "$(head -c 16384 /dev/hwrng | wc -c)" 16384
}
