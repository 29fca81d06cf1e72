#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# The executable for a board: these devices alone, without probe and bench. How
# large it is when stripped, and the libraries that it cannot start without.
#
#   small-build.sh SOURCE DEVICE,... LIMIT-KIB
set -eu
work=$(mktemp -d /tmp/vhost-device-small-XXXXXX)
trap 'rm -rf "$work"' EXIT
meson setup "$work/b" "$1" -Ddevices="$2" -Dprobe=disabled -Dtests=false \
	--buildtype=release >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 1; }
ninja -C "$work/b" vhost-device >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
strip -o "$work/stripped" "$work/b/vhost-device"
size=$(stat -c %s "$work/stripped")
needed=$(readelf -d "$work/stripped" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | tr '\n' ' ')
echo "$2: $((size / 1024)) KiB of $3, needs $needed"
[ "$size" -le $(($3 * 1024)) ] || { echo 'MISSED: too large'; exit 1; }
for library in $needed; do
	case $library in
	libc.so.* | ld-* | libevent_core-* | libinih.so.*) ;;
	*) echo "MISSED: $library is needed to start"; exit 1 ;;
	esac
done
