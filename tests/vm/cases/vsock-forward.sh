#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# Our process on a host with AF_VSOCK: this kernel is the host, probe the guest.
roles=uml

outside()
{
	guest g
	wait_guest g
}

sockets() { timeout 120 python3 "$VD_TESTS/sockets.py" "$@"; }
guest_says() { timeout 120 "$VHOST_DEVICE" probe vsock /run/v.sock "$@"; }

all_came() { [ "$(wc -c </run/got)" = 100000 ]; }
# Refused until the guest listens.
reached() { all_came || sockets connect vsock:1:4001 mirror 100000 5000 >/run/log2; all_came; }

inside()
{
	"$VHOST_DEVICE" vsock --socket /run/v.sock --forward-cid 1 --forward-listen 4000+4001 &
	check 'it listens' within 10 test -S /run/v.sock
	head -c 2000000 /dev/urandom >/run/data
	sockets listen 'vsock:*:1000' echo 1 >/run/echo &
	check 'the host listens' within 20 grep -q ready /run/echo
	guest_says connect 1000 </run/data >/run/back
	check 'the guest reaches the host, and all comes back' cmp /run/data /run/back
	guest_says connect 1999 </dev/null 2>/run/log
	check 'a port where nobody listens' grep -q refuses /run/log
	guest_says listen 4001 </run/data >/run/got 2>/run/log &
	check 'the host reaches the guest' within 20 reached
}
