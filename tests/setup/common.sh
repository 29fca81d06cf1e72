#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Shared by quickstart, run-tests and everything below tests/setup and
# tests/vm: where things are kept, and how long work is shown. The rule is one
# line per piece of work while all goes well; when it does not, the end of the
# log and its path, because that is what a person looks for next.

cache_home()
{
	local home=${HOME:-}

	[ -n "$home" ] || home=$(getent passwd "$(id -u)" | cut -d: -f6)
	echo "${XDG_CACHE_HOME:-${home:-/tmp}/.cache}/vhost-device"
}

CACHE=${VHOST_DEVICE_CACHE:-$(cache_home)}
LOGS=${LOGS:-$CACHE/log}

# An install step may run as root through sudo, with the same HOME as the
# person who called it. Nothing it creates may lock that person out later.
cache_mkdir()
{
	mkdir -p "$@" 2>/dev/null || die "cannot create $1: set XDG_CACHE_HOME to a folder that can be written"
	if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] &&
	   [ "$(stat -c %u "${HOME:-/}")" = "$SUDO_UID" ]; then
		chown "$SUDO_UID:${SUDO_GID:-0}" "$CACHE" "$@"
	fi
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { warn "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Free space below a folder, in MiB.
free_mib()
{
	df -Pm "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

show_log()
{
	echo "--- the last lines of $1"
	tail -n "${2:-15}" "$1" | sed 's/^/    /'
	echo "---"
}

# step TEXT LOGNAME COMMAND...: run COMMAND with its output in a log.
# On a terminal one line counts the seconds; elsewhere a line at the start
# says what is being waited for and one at the end how long it took.
step()
{
	local text=$1 log=$LOGS/$2.log pid start=$SECONDS rc
	shift 2

	mkdir -p "$LOGS"
	rm -f "$log"
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	if [ -t 1 ]; then
		while kill -0 "$pid" 2>/dev/null; do
			printf '\r%s ... %d s ' "$text" $((SECONDS - start))
			sleep 0.2
		done
	else
		printf '%s ...\n' "$text"
	fi
	wait "$pid"
	rc=$?
	[ -t 1 ] && printf '\r\033[K'
	if [ "$rc" = 0 ]; then
		printf '%s: done (%d s)\n' "$text" $((SECONDS - start))
		return 0
	fi
	printf '%s: FAILED (%d s)\n' "$text" $((SECONDS - start))
	show_log "$log"
	return "$rc"
}

# kvm or tcg: a /dev/kvm that is there does not mean that guests run on it.
qemu_accel()
{
	if [ -w /dev/kvm ] && echo quit | (
		ulimit -c 0
		timeout 10 qemu-system-x86_64 -machine q35,accel=kvm -cpu max \
			-nodefaults -display none -S -monitor stdio
	) >/dev/null 2>&1; then
		echo kvm
	else
		echo tcg
	fi
}
