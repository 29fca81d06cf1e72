#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The bench itself: a guest without any device comes up, hears and answers.

outside()
{
	guest g
	await g hello
	tell g world
	wait_guest g
}

inside()
{
	is 'the answer' "$(ask hello)" world
	note "$(uname -sr), up for $(cut -d' ' -f1 /proc/uptime) s"
}
