#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
# docs-fresh.sh EXE ROOT: the checked-in pages are what this program prints.
# 77: it was built without some device or tool, so it cannot print all of them.
set -eu

exe=$1
root=$2
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT INT TERM

if "$exe" list | awk 'NR > 1 && $3 != "yes" { left = 1 } END { exit !left }'; then
	echo 'not all devices are built: use -Ddevices=all'
	exit 77
fi
if ! "$exe" --features | grep -q '^tools: .'; then
	echo 'the tools are not built: use -Dprobe=enabled'
	exit 77
fi
"$root/man/update" "$exe" "$new"
stale=0
for page in $(cd "$new" && find . -type f); do
	diff -u "$root/$page" "$new/$page" || stale=1
done
for page in $(cd "$root" && echo man/*.[1-8] docs/devices/*); do
	[ -e "$new/$page" ] || { echo "$page: nobody makes it"; stale=1; }
done
[ "$stale" = 0 ] || echo "run: man/update $exe $root"
exit "$stale"
