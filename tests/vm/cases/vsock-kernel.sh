#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The kernel's own tests of vsock, one by one between two guests of a process,
# first one of them the server and then the other.
# The tests talk by TCP beside the sockets that they test: that goes through
# vsock as well.
roles=uml
limit=600
slow=1

TESTS_OF_KERNEL=41
# Waits for a tenth of a second for completions of MSG_ZEROCOPY: a busy machine may be late.
MAY_BE_LATE=' 18 '

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

# 29 and 33 look in /proc/kallsyms for the transports that there are. This kernel has
# no such list, but these.
tested()
{
	mkdir -p /run/proc/sys
	printf '%x d %s_transport\n' 1 loopback 2 virtio 3 vhost >/run/proc/kallsyms
	unshare -m sh -c 'mount --bind /proc/sys /run/proc/sys &&
		mount --rbind /run/proc /proc && exec timeout 120 "$@"' - "$@"
}

# Does someone listen at this TCP port?
listens() { grep -q "0100007F:$(printf %04X "$1") 00000000:0000 0A" /proc/net/tcp; }

# both NAME PEER: a guest's part; who is the server changes.
both()
{
	local peer=$2 me=$1 bin n turn

	ip link set lo up
	bin=$(ask ready)
	socat TCP-LISTEN:1001,bind=127.0.0.1,reuseaddr,fork "VSOCK-CONNECT:$peer:1002" &
	socat VSOCK-LISTEN:1002,reuseaddr,fork TCP:127.0.0.1:1003 &
	within 5 listens 1001
	for turn in a b; do
		n=0
		while [ $n -lt $TESTS_OF_KERNEL ]; do
			if [ $turn = "$me" ]; then
				tested "$bin/vsock_test" --mode=server --control-port=1003 \
					--peer-cid="$peer" --pick $n >/run/log 2>&1
			else
				until_served "$bin" "$peer" $n
			fi
			judge $? $n "$turn" "$me"
			n=$((n + 1))
		done
		[ $turn = "$me" ] || check "tests with $turn as the server are over" true
	done
}

# judge STATUS TEST SERVER WHO
judge()
{
	if [ "$1" = 0 ]; then
		note "$3 $2"
	elif [ "${MAY_BE_LATE#* "$2" }" != "$MAY_BE_LATE" ]; then
		note "$3 $2 was late: $(tail -n 1 /run/log)"
	else
		fail "test $2, server $3, seen by $4: $(tail -n 1 /run/log)"
		cat /run/log
	fi
}

# The client's control connection is not tried again by itself.
until_served()
{
	local tries=0
	while [ $tries -lt 100 ]; do
		tested "$1/vsock_test" --mode=client --control-host=127.0.0.1 \
			--control-port=1001 --peer-cid="$2" --pick "$3" >/run/log 2>&1 && return 0
		grep -q -i 'refused\|initialization failed\|on control socket' /run/log || return 1
		tries=$((tries + 1))
		sleep 0.05
	done
	return 1
}

inside() { both a 4; }
second() { both b 3; }
