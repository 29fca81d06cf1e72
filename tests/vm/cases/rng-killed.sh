#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043
#
# The daemon dies without a word while the guest reads. These front ends do
# not reconnect: the reader may fail or wait, but the guest must stay alive,
# power off, and find the device again when both are started once more.

outside()
{
	daemon d rng
	guest g --half reader "rng:$W/d.sock0"
	await g reading
	kill_daemon d
	sleep 0.1
	tell g killed
	wait_guest g
	daemon d rng
	guest g --half again "rng:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

reader()
{
	dd if=/dev/hwrng of=/dev/null bs=64 2>/dev/null &
	is 'the daemon' "$(ask reading)" killed
	check 'the guest still works' test "$(echo alive | cat)" = alive
	kill -KILL $!
	check 'the reader can be killed' within 5 ended $!
}

# Gone, or a zombie that only its parent has not looked at.
ended()
{
	case $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) in
	'' | Z | X) return 0 ;;
	*) return 1 ;;
	esac
}

again()
{
	is 'bytes read' "$(head -c 4096 /dev/hwrng | wc -c)" 4096
}
