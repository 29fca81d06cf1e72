#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# Two guests on a bus inside our process: 100 000 frames each way at once, none
# lost or out of its order at the rate that the receivers can take; then more
# than one can take, since it stands still, and every frame is accounted for.
roles=uml
limit=400
slow=1

frames=100000
flood=20000

outside()
{
	local g before came lost start

	daemon d can -c 2 -d 'bus:t bus:t' --control "$W/ctl"
	guest a --half sender "can:$W/d.sock0"
	guest b --half receiver "can:$W/d.sock1"
	await a up
	await b up
	start=$(now_ms)
	tell a go
	tell b go
	await a exchanged
	await b exchanged
	note "$frames frames each way in $(($(now_ms) - start)) ms"
	for g in 0 1; do
		check "guest $g has sent all" [ "$(count $g tx_frames)" -ge $frames ]
		is "lost before guest $g, in it, failed" \
			"$(count $g rx_lost) $(count $g rx_dropped) $(count $g tx_failed)" '0 0 0'
	done

	before=$(count 1 rx_frames)
	tell b count
	await b counting
	pause_guest b
	tell a flood
	await a flooded
	resume_guest b
	check 'each was taken or counted as lost' within 20 all_accounted
	came=$(($(count 1 rx_frames) - before)) lost=$((flood - came))
	note "of $flood frames to a guest that stands still $came came"
	check 'it was too much' [ $lost -gt 0 ]
	tell b "$came"
	wait_guest b
	tell a off
	wait_guest a
	stop_daemon d
}

count() { "$VHOST_DEVICE" control "$W/ctl$1" show | sed -n "s/^$2 //p"; }

all_accounted()
{
	[ $(($(count 1 rx_frames) - before + $(count 1 rx_lost) + $(count 1 rx_dropped))) = $flood ]
}

can() { python3 "$VD_TESTS/canframes.py" "$@" 2>&1; }

exchange()
{
	check 'the interface comes up' /sbin/ip link set can0 up type can
	mark up
	read -r _ <&3
	is "$frames frames each way" "$(can exchange can0 $frames)" ''
	mark exchanged
	read -r _ <&3
}

sender()
{
	exchange
	is 'many frames at once' "$(can send can0 $flood)" ''
	mark flooded
	read -r _ <&3
}

got() { cat /sys/class/net/can0/statistics/rx_packets; }

receiver()
{
	local before came

	exchange
	before=$(got)
	mkfifo until
	can count can0 <until >counted &
	exec 4>until
	check 'a receiver' within 20 grep -q counting counted
	mark counting
	read -r came <&3
	exec 4>&-
	wait
	is 'what came to the interface' $(($(got) - before)) "$came"
	is 'and to the program' "$(tail -n 1 counted)" "$came in order"
}
