#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The same guest and the same script at our daemon and at the original one, by
# turns: what their users see, of which the guest's own cost is the larger part.
# Figures come out, no verdict.
roles=uml
limit=600
bench=1
ASK_LIMIT=500

outside()
{
	local peer
	peer=$("$TESTS/../setup/upstream-vsock") || { note 'the original is missing'; exit 77; }
	plain_daemon d vsock --socket "$W/o.sock" --guest-cid 5 --uds-path "$W/o"
	# shellcheck disable=SC2086
	other_daemon p "$W/p.sock" $peer --socket "$W/p.sock" --guest-cid 6 --uds-path "$W/p"
	guest a "vsock:$W/o.sock"
	guest b "vsock:$W/p.sock"
	await a ready
	await b ready
	note 'figure: ours and the original, medians of rounds by turns'
	python3 "$TESTS/figures.py" host "$W/o" "$W/p" | sed 's/^/# figure: /'
	tell a go
	tell b go
	wait_guest a
	wait_guest b
	kill_daemon p
	stop_daemon d
}

inside()
{
	python3 "$VD_TESTS/figures.py" guest >/run/log &
	check 'the guest listens' within 20 grep -q ready /run/log
	ask ready >/dev/null
}
