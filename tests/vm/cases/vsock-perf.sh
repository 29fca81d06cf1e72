#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# vsock_perf of the kernel between two guests of a process, both ways: what it
# says is noted, and all that was sent has to come.
roles=uml
limit=400
slow=1

BYTES=$((64 * 1024 * 1024))

outside()
{
	local bin
	bin=$("$TESTS/../setup/kernel-tests") || { note 'the tests are missing'; exit 77; }
	plain_daemon d vsock --vm "guest-cid=3,socket=$W/3.sock,uds-path=$W/u3" \
		--vm "guest-cid=4,socket=$W/4.sock,uds-path=$W/u4"
	guest a "vsock:$W/3.sock"
	guest b --half second "vsock:$W/4.sock"
	await a ready
	await b ready
	tell a "$bin"
	tell b "$bin"
	wait_guest a
	wait_guest b
	stop_daemon d
}

# It reads once more when the sender has closed: as much as a window then.
receive()
{
	local size
	for size in 1K 16K 64K 1M; do
		timeout 120 "$1/vsock_perf" --port 1000 --vsk-size 1M --buf-size 1M >/run/log 2>&1
		is "bytes of a run" "$(sed -n 's/^total bytes received: \([0-9]*\).*/\1/p' /run/log)" \
			$BYTES
		note "writes of $size: $(grep 'rx performance' /run/log)"
	done
}

# The receiver may not listen yet.
one_run()
{
	timeout 120 "$1/vsock_perf" --sender "$2" --port 1000 --bytes $BYTES --buf-size "$3" \
		>/run/log 2>&1
}

send()
{
	local size
	for size in 1K 16K 64K 1M; do
		check "writes of $size" within 20 one_run "$1" "$2" $size
	done
}

inside()
{
	local bin
	bin=$(ask ready)
	receive "$bin"
	send "$bin" 4
}

second()
{
	local bin
	bin=$(ask ready)
	send "$bin" 3
	receive "$bin"
}
