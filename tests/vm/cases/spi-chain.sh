#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# A chain: our simulated chips outside give the kernel real nodes of spidev.
# Inside, our program serves those to probe. So modes, long requests in pieces,
# refusals and nodes that go away pass a real spidev.
#
# A chip that stays selected is not part of it: the kernel's driver hands on
# the bit that asks for it as the one that ends a message.
roles=uml

outside()
{
	daemon d spi --cs each -l "s0.0:modes=0+3+loop,s0.1:nor:bpw=8,s0.2:shift=4"
	{
		cat <<-END
		/dts-v1/;
		/ {
			#address-cells = <1>;
			#size-cells = <0>;
			virtio@0 {
				compatible = "virtio,uml";
				virtio-device-id = <45>;
				socket-path = "$W/d.sock0";
				spi {
					compatible = "virtio,device2d";
					#address-cells = <1>;
					#size-cells = <0>;
		END
		for cs in 0 1 2; do
			echo "dev@$cs { compatible = \"rohm,dh2228fv\"; reg = <$cs>;" \
				"spi-max-frequency = <8000000>; };"
		done
		echo '}; }; };'
	} >"$W/g.dts"
	dtc -q -o "$W/g.dtb" "$W/g.dts" || fail 'the device tree'
	guest g --tree "$W/g.dtb"
	wait_guest g
	stop_daemon d
}

inside()
{
	local text

	check 'nodes' within 2 test -c /dev/spidev0.2
	"$VHOST_DEVICE" spi -s "$PWD/i" -l /dev/spidev0.0,/dev/spidev0.1:bpw=8,/dev/spidev0.2 \
		2>errors &
	check 'the socket' within 5 test -S i0
	check 'its frequency' contains "$(probe info)" 'max hz: 8000000'
	transfers
	refused
	leaves
	text=$("$VHOST_DEVICE" spi -s "$PWD/j" -l /dev/spidev0.0 2>&1)
	is 'a chip that another process has' "$?" 1
	check 'says so' contains "$text" 'another process'
	kill %1
	wait %1
	is 'exit status' "$?" 0
	is 'errors' "$(cat errors)" ''
}

probe() { "$VHOST_DEVICE" probe spi "$PWD/i0" "$@" 2>&1 | tr -s ' '; }

got() { probe transfer "$@" | sed -n 's/^ - //p; s/.*\(refused\|failed\).*/\1/p' | tr '\n' ' '; }

contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }

transfers()
{
	is 'both ways' "$(got x3 1 2 3)" '01 02 03 '
	is 'one way and the other' "$(got w3 1 2 3 r2)" '00 00 '
	is 'another chip' "$(got cs=2 x4 1 2 3 4 x2 5 6)" '00 00 00 00 01 02 '
	is 'another mode' "$(got mode=3 x1 5 mode=0 x1 6)" '05 06 '
	is 'the id of a flash' "$(got cs=1 x4 0x9f 0 0 0)" 'ff ef 40 14 '
	is 'an enabled, written and read flash' \
		"$(got cs=1 w1 6 w6 2 0 0 0 65 66 x2 5 0 x6 3 0 0 0 0 0)" 'ff 01 ff ff ff ff 41 42 '
	# 64 KiB are sixteen times the buffer of spidev.
	is 'long ones' "$(probe loopback)" 'bytes: 131068'
	is 'delays' "$(got setup=2000 hold=3000 inactive=4000 word-delay=1000 x2 1 2 x1 3)" \
		'01 02 03 '
}

refused()
{
	is 'a chip that is not there' "$(got cs=3 x1 1)" 'refused '
	is 'a mode that nobody offers' "$(got mode=8 x1 1)" 'refused '
	is 'words that the flash has not' "$(got cs=1 bits=16 x2 1 2)" 'refused '
	# Ours offers all sizes of words; it is the kernel that says no to these.
	is 'words that the host has not' "$(got cs=0 bits=12 x2 1 2)" 'refused '
	is 'more wires than one' "$(got tx-nbits=4 w1 1)" 'refused '
	is 'the next request' "$(got x1 7)" '07 '
}

# The chip goes away and comes back.
leaves()
{
	local driver

	driver=$(realpath /sys/bus/spi/devices/spi0.2/driver)
	echo spi0.2 >"$driver/unbind"
	is 'while it is gone' "$(got cs=2 x1 1)" 'failed '
	is 'meanwhile another' "$(got x1 8)" '08 '
	echo spi0.2 >"$driver/bind"
	check 'the node is back' within 2 test -c /dev/spidev0.2
	check 'the chip is back' within 5 back
}

back() { [ "$(got cs=2 x1 1)" != 'failed ' ]; }
