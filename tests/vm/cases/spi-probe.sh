#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# shellcheck shell=bash disable=SC2034,SC3043,SC2154
#
# The kernel's own driver on simulated chips: spidev, the kernel's test of
# loops, and its driver of NOR flash, whose bytes are then in our file.
roles=uml
layouts='packed split'

outside()
{
	head -c 1048576 /dev/zero | tr '\0' '\377' >"$W/flash.img"
	daemon d spi -l "s0.0:nor:file=$W/flash.img,s0.1:slow=1,s0.2,s1.0:shift=2:max-freq=1M:modes=0+3"
	device_tree >"$W/g.dts"
	dtc -q -o "$W/g.dtb" "$W/g.dts" || fail 'the device tree'
	guest g --tree "$W/g.dtb"
	wait_guest g
	stop_daemon d
	is 'what the guest wrote into the file' \
		"$(dd if="$W/flash.img" bs=1 skip=65536 count=20 2>/dev/null)" 'written by the guest'
}

# spidev takes no node whose name says nothing. The test of loops wants as much
# time as the wire would need, so its chip takes a millisecond for a message.
device_tree()
{
	cat <<END
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
			flash@0 {
				compatible = "jedec,spi-nor";
				reg = <0>;
				spi-max-frequency = <25000000>;
			};
			loop@1 {
				compatible = "linux,spi-loopback-test";
				reg = <1>;
				spi-max-frequency = <4000000000>;
			};
			dev@2 {
				compatible = "rohm,dh2228fv";
				reg = <2>;
				spi-max-frequency = <1000000>;
			};
			dev@3 {
				compatible = "rohm,dh2228fv";
				reg = <3>;
				spi-max-frequency = <1000000>;
			};
		};
	};
};
END
}

inside()
{
	check 'the driver is bound' test -n "$(virtio_device spi_virtio)"
	flash
	loops
	devices
}

flash()
{
	is 'the flash' "$(cat /sys/bus/spi/devices/spi0.0/spi-nor/jedec_id)" ef4014
	is 'its size' "$(cat /sys/class/mtd/mtd0/size)" 1048576
	dd if=/dev/mtd0 of=all bs=65536 2>/dev/null
	is 'bytes that are not erased' "$(tr -d '\377' <all | wc -c)" 0
	printf 'written by the guest\n' | dd of=/dev/mtd0 bs=65536 seek=1 2>/dev/null
	is 'what it wrote' "$(dd if=/dev/mtd0 bs=65536 skip=1 count=1 2>/dev/null | head -c 21)" \
		'written by the guest'
}

# All lengths, offsets and kinds of messages that the kernel's own test has.
loops()
{
	insmod "$VD_MODULES/spi-loopback-test.ko" loopback=1
	check 'the test of loops' contains "$(dmesg | grep 'spi-loopback-test.*return')" \
		'with return: 0'
}

contains() { case $1 in *"$2"*) return 0 ;; esac; return 1; }

spi()
{
	local node="/dev/spidev0.$1"
	shift
	python3 "$VD_TESTS/spidev.py" "$node" "$@" | tr '\n' ' '
}

devices()
{
	is 'both ways' "$(spi 2 x010203)" '010203 '
	is 'one way and the other' "$(spi 2 w010203 r2)" '0000 '
	is 'a shift register' "$(spi 3 x01020304 x05)" '00000102 03 '
	is 'a mode that it has' "$(spi 3 mode=3 x05)" '04 '
	is 'a mode that it has not' "$(spi 3 mode=1 x05)" 'error EINVAL '
	is 'chip select active high, which it has not' "$(spi 3 mode=4 x05)" 'error EINVAL '
	is 'a frequency that it has not' "$(spi 3 mode=0 hz=2000000 x06)" '05 '
	is 'delays' "$(spi 3 delay=10 worddelay=1 x07)" '05 '
	is '200 messages' "$(spi 2 mode=0 repeat=200 x010203)" '010203 '
}
