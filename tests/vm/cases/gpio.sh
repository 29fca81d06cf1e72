#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2086,SC2016,SC2154
#
# The kernel's driver and the tools of libgpiod use a simulated chip whose
# first line is wired to its second: outputs, names, all interrupts, and what
# unbinding the driver leaves behind.
roles=uml
layouts='packed split'

outside()
{
	command -v gpioget >/dev/null || { note 'the tools of libgpiod are missing'; exit 77; }
	daemon d gpio --device-list \
		's8[0/name=out/wire=1,1/name=in,2/name=pulled/pull-up,3/name=low/active-low,4-7]'
	guest g "gpio:$W/d.sock0"
	wait_guest g
	stop_daemon d
}

# hold LINE=VALUE...: an output, until let_go.
hold()
{
	gpioset -c "$chip" "$@" &
	holder=$!
	within 5 used "${1%%=*}"
}

let_go()
{
	kill $holder
	wait $holder
}

used() { gpioinfo -c "$chip" "$1" | grep -q consumer; }

value() { gpioget -c "$chip" --numeric "$@"; }

# monitor EDGES LINE N: collects N edges, until collected.
monitor()
{
	: >events
	stdbuf -oL gpiomon --banner -c "$chip" --edges "$1" --num-events "$3" --format %E "$2" >events &
	monitor=$!
	within 5 seen 0
}

# seen N: so many edges, behind the line that says that they are looked for.
seen() { [ "$(wc -l <events)" -gt "$1" ]; }

# The edges, once all have come.
collected()
{
	within 5 ended $monitor || kill $monitor
	wait $monitor
	tail -n +2 events | tr '\n' ' '
}

inside()
{
	local dev chip i

	dev=$(virtio_device gpio_virtio)
	check 'the driver is bound' test -n "$dev"
	check 'interrupts are negotiated' feature "$dev" 0
	chip=$(gpiodetect | sed -n 's/^\(gpiochip[0-9]*\) .*(8 lines).*/\1/p')
	check 'a chip of eight lines' test -n "$chip"
	is 'names' "$(gpioinfo -c "$chip" | grep -o '"[a-z0-9]*"' | tr -d '\n')" \
		'"out""in""pulled""low""dummy4""dummy5""dummy6""dummy7"'

	is 'what nothing drives' "$(value in pulled low)" '0 1 1'
	hold out=1
	is 'the other end of an output' "$(value in)" 1
	let_go
	is 'an output that was let go' "$(value in)" 0

	check 'gpiomon waits' monitor rising in 1
	hold out=1
	is 'a rising edge' "$(collected)" 'rising '
	check 'gpiomon waits for both' monitor both in 2
	let_go
	hold out=1
	is 'both edges' "$(collected)" 'falling rising '
	check 'gpiomon waits for many' monitor falling in 10
	let_go
	for i in 1 2 3 4 5 6 7 8 9; do
		within 5 seen $i
		gpioset -c "$chip" --toggle 5ms,0 out=1
	done
	is 'edges that come slowly' "$(collected | wc -w)" 10

	check 'open drain, by input and output in turns' \
		gpioset -c "$chip" --drive open-drain --toggle 1ms,1ms,1ms,0 dummy4=0
	[ "$1" = again ] && return
	echo "$dev" >/sys/bus/virtio/drivers/gpio_virtio/unbind
	check 'unbound' within 2 test ! -e "/sys/bus/virtio/devices/$dev/driver"
	echo "$dev" >/sys/bus/virtio/drivers/gpio_virtio/bind
	check 'bound' within 2 test -e "/sys/bus/virtio/devices/$dev/driver"
	inside again
	is 'complaints of the kernel' "$(dmesg | grep -c -e 'gpio.*fail' -e WARNING)" 0
}
