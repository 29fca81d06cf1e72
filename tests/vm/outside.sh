#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Runs one case in one role: the outside half here, the inside half in the
# guests that it starts. Called by tests/vm/run, which gives it a work folder;
# all that is printed is kept there, and the verdict is the exit status.
#
#   outside.sh ROLE CASE-FILE WORK-FOLDER
#
# See README.md for what a case may set and call.
# shellcheck disable=SC2317	# much is called by the cases only
set -u
ROLE=$1 CASE=$2 W=$3
# quickstart asks for no layout of rings.
VD_LAYOUT=${VD_LAYOUT:-any} VD_LIMIT=${VD_LIMIT:-180}
TESTS=$(cd "$(dirname "$0")" && pwd)
declare -A DAEMON=() GUEST=() TALK=()
FAILED=0

say() { printf '%s\n' "$*"; }
note() { say "# $*"; }
fail() { say "not ok $*"; FAILED=1; }

check()
{
	local text=$1
	shift
	if "$@"; then say "ok $text"; else fail "$text: $*"; fi
}

is()
{
	if [ "$2" = "$3" ]; then say "ok $1"; else fail "$1: got '$2', wanted '$3'"; fi
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# within SECONDS COMMAND...: try until it succeeds; not less than 20 s, as the machine
# may be busy.
within() { try_for $(($1 > 20 ? $1 : 20)) "${@:2}"; }

try_for()
{
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt $end ] || { note "waited in vain: $*"; return 1; }
		sleep 0.02
	done
}

# left: seconds of the case's time, but for those it needs to end.
left() { echo $((VD_LIMIT - SECONDS > 20 ? VD_LIMIT - SECONDS - 10 : 10)); }

alive() { kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }

# --- daemons ---------------------------------------------------------------

# daemon NAME DEVICE [OPTION...]: start one and return when it listens. Its
# sockets are $W/NAME.sock0, $W/NAME.sock1 and so on.
daemon()
{
	local name=$1 device=$2
	shift 2

	plain_daemon "$name" "$device" --socket-path "$W/$name.sock" "$@"
}

# plain_daemon NAME DEVICE [OPTION...]: the same, but the options name its sockets.
plain_daemon()
{
	local name=$1 device=$2 ready
	shift 2

	rm -f "$W/$name.ready"
	mkfifo "$W/$name.ready"
	exec {ready}<>"$W/$name.ready"
	# shellcheck disable=SC2086
	${WRAPPER:-} "$VHOST_DEVICE" "$device" --ready-fd "$ready" ${DAEMON_OPTIONS:-} "$@" \
		>>"$W/$name.log" 2>&1 </dev/null &
	DAEMON[$name]=$!
	if ! read -r -t 60 -u "$ready" _; then
		fail "daemon $name is not ready: $(tail -n 1 "$W/$name.log")"
		exit 1
	fi
	exec {ready}>&-
}

# other_daemon NAME SOCKET COMMAND...: start any other program, and return
# when its socket is there.
other_daemon()
{
	local name=$1 socket=$2
	shift 2

	"$@" >>"$W/$name.log" 2>&1 </dev/null &
	DAEMON[$name]=$!
	within 5 test -S "$socket" || fail "daemon $name does not listen: $(tail -n 1 "$W/$name.log")"
}

# stop_daemon NAME: SIGTERM must end it soon, with exit status 0 and its sockets
# removed.
stop_daemon()
{
	local name=$1 pid=${DAEMON[$1]} rc

	check "daemon $name is still running" alive "$pid"
	kill -TERM "$pid" 2>/dev/null
	try_for "${STOP_LIMIT:-5}" gone "$pid" || fail "daemon $name does not end on SIGTERM"
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	rc=$?
	unset "DAEMON[$name]"
	is "exit status of daemon $name" "$rc" 0
	is "sockets that daemon $name left" "$(compgen -G "$W/$name.sock*")" ''
}

kill_daemon()
{
	kill -KILL "${DAEMON[$1]}" 2>/dev/null
	wait "${DAEMON[$1]}" 2>/dev/null
	unset "DAEMON[$1]"
}

# --- guests ----------------------------------------------------------------

# The virtio device id, and the QEMU front end, of each kind of device.
virtio_id()
{
	case $1 in
	console) echo 3 ;;	rng) echo 4 ;;		scsi) echo 8 ;;
	gpu) echo 16 ;;		rtc) echo 17 ;;		input) echo 18 ;;
	vsock) echo 19 ;;	sound) echo 25 ;;	video) echo 31 ;;
	scmi) echo 32 ;;	i2c) echo 34 ;;		can) echo 36 ;;
	gpio) echo 41 ;;	spi) echo 45 ;;		media) echo 48 ;;
	# any that no driver of Linux takes
	template) echo 42 ;;
	esac
}

qemu_device()
{
	case $1 in
	sound) echo vhost-user-snd-pci ;;
	console) echo vhost-user-test-device-pci ;;
	*) echo "vhost-user-$1-pci" ;;
	esac
}

# guest NAME [OPTION...] DEVICE:SOCKET...: start a guest with these devices.
#   --half FUNCTION   what it runs (default inside)
#   --smp N           processors (QEMU; UML has one)
#   --reboots         it is meant to reboot
#   --with STRING     appended to each QEMU device: ,packed=on
#   --tree FILE       a device tree (UML); it names its devices and sockets itself
guest()
{
	local name=$1 half=inside smp=1 reboots='' with='' tree='' fd
	shift
	while :; do
		case ${1:-} in
		--half) half=$2; shift 2 ;;
		--smp) smp=$2; shift 2 ;;
		--with) with=$2; shift 2 ;;
		--tree) tree=$2; shift 2 ;;
		--reboots) reboots=1; shift ;;
		*) break ;;
		esac
	done
	[ -p "$W/$name.in" ] || mkfifo "$W/$name.in"
	exec {fd}<>"$W/$name.in"
	TALK[$name]=$fd
	: >"$W/$name.ctl"
	"guest_$ROLE" "$@"
	GUEST[$name]=$!
}

guest_uml()
{
	local spec devices=()

	[ -z "$tree" ] || devices+=("dtb=$tree")
	for spec; do
		devices+=("virtio_uml.device=${spec#*:}:$(virtio_id "${spec%%:*}")")
	done
	setsid "$UML_KERNEL/linux" mem=96M uml_dir="$W/" umid="$name" \
		rootfstype=hostfs rootflags=/ ro quiet panic=-1 \
		init="$TESTS/init" VD_ROLE=uml VD_CASE="$CASE" VD_TESTS="$TESTS" \
		VD_HALF="$half" VD_LAYOUT="$VD_LAYOUT" VD_MODULES="$UML_KERNEL/modules" VHOST_DEVICE="$VHOST_DEVICE" \
		con0=null,fd:1 con1=fd:8,fd:9 con=null \
		"${devices[@]}" >>"$W/$name.console" 2>&1 </dev/null \
		8<>"$W/$name.in" 9>>"$W/$name.ctl" &
}

guest_qemu()
{
	local spec n=0 devices=() stay=-no-reboot

	[ -n "$reboots" ] && stay=
	for spec; do
		devices+=(-chardev "socket,id=c$n,path=${spec#*:}"
			-device "$(qemu_device "${spec%%:*}"),chardev=c$n,id=d$n$with")
		n=$((n + 1))
	done
	[ -p "$W/$name.qmp-in" ] || mkfifo "$W/$name.qmp-in"
	exec {fd}<>"$W/$name.qmp-in"
	TALK[$name-qmp]=$fd
	echo '{"execute":"qmp_capabilities"}' >&"${TALK[$name-qmp]}"
	# shellcheck disable=SC2086
	setsid ${QEMU:-qemu-system-x86_64} -nodefaults -no-user-config -display none \
		-machine "q35,memory-backend=m,accel=${QEMU_ACCEL:-tcg}" -cpu max -smp "$smp" \
		-m 256 -object memory-backend-memfd,id=m,size=256M,share=on $stay \
		-kernel "$QEMU_KERNEL" -initrd "$QEMU_INITRD" \
		-append "console=ttyS0 quiet panic=-1 suspend.pm_test_delay=0 VD_ROLE=qemu VD_CASE=/cases/${CASE##*/} VD_TESTS= VD_HALF=$half VD_LAYOUT=$VD_LAYOUT" \
		-serial "file:$W/$name.console" \
		-chardev "file,id=ctl,path=$W/$name.ctl,append=on,input-path=$W/$name.in" \
		-serial chardev:ctl \
		-chardev "file,id=mon,path=$W/$name.qmp,append=on,input-path=$W/$name.qmp-in" \
		-mon chardev=mon,mode=control ${QEMU_MORE:-} \
		"${devices[@]}" >>"$W/$name.qemu" 2>&1 </dev/null &
}

# await NAME WORD [TIMES]: until the guest marked WORD so many times.
await()
{
	marked() { [ "$(grep -cx "mark $2" "$W/$1.ctl")" -ge "$3" ] || gone "${GUEST[$1]}"; }
	within "$(left)" marked "$1" "$2" "${3:-1}"
	[ "$(grep -cx "mark $2" "$W/$1.ctl")" -ge "${3:-1}" ] ||
		fail "guest $1 did not come to '$2'"
}

# tell NAME WORD: answer a guest's ask.
tell() { echo "$2" >&"${TALK[$1]}"; }

qmp() { echo "$2" >&"${TALK[$1-qmp]}"; }

pause_guest()
{
	case $ROLE in
	# The kernel only: it drives its processes as a debugger does.
	uml) kill -STOP "${GUEST[$1]}" ;;
	qemu) qmp "$1" '{"execute":"stop"}'; within 5 grep -q '"STOP"' "$W/$1.qmp" ;;
	esac
}

resume_guest()
{
	case $ROLE in
	uml) kill -CONT "${GUEST[$1]}" ;;
	qemu) qmp "$1" '{"execute":"cont"}'; within 5 grep -q '"RESUME"' "$W/$1.qmp" ;;
	esac
}

# wait_guest NAME: until it powered off, then take over its results.
wait_guest()
{
	local name=$1 pid=${GUEST[$1]} line

	within "$(left)" gone "$pid" || fail "guest $name hangs"
	kill -KILL -- "-$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	unset "GUEST[$name]"
	while read -r line; do
		case $line in
		'not ok'*) fail "inside $name: ${line#not ok }" ;;
		ok* | '#'*) say "$line" ;;
		esac
	done <"$W/$name.ctl"
	grep -qx end "$W/$name.ctl" || fail "guest $name did not get to its end"
}

# kill_guest NAME: pull the plug.
kill_guest()
{
	kill -KILL -- "-${GUEST[$1]}" 2>/dev/null
	wait "${GUEST[$1]}" 2>/dev/null
	unset "GUEST[$1]"
}

clean_up()
{
	local pid

	for pid in "${GUEST[@]}"; do kill -KILL -- "-$pid"; done 2>/dev/null
	for pid in "${DAEMON[@]}"; do kill -KILL "$pid"; done 2>/dev/null
}

# What most cases want: one daemon, one guest.
outside()
{
	daemon d "$device"
	guest g "$device:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

device=rng
trap clean_up EXIT
trap 'fail "stopped from outside, or out of time"; exit 1' TERM INT HUP
# shellcheck disable=SC1090
. "$CASE"
outside
exit $FAILED
