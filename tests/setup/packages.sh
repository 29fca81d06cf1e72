#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Installs what a piece of work needs, and only what is missing: when nothing
# is, no package tool is called at all, because this runs before every test.
#
#   tests/setup/packages.sh [--check] GROUP...
#
# Groups: build, guest (a Linux guest under QEMU), test, kernel (building the
# guest kernel). Debian 12 lacks recent enough versions of a few packages and
# takes those from its backports, a suite that is added beside the mirror the
# machine already uses. Other systems are told what is missing; nothing there
# is guessed or changed.
set -u
# shellcheck source=tests/setup/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=tests/setup/apt-private.sh
. "$(dirname "$0")/apt-private.sh"

# group, Debian package, oldest version that will do, "b" when Debian 12 has it
# in backports only, and how to see on any system that it is there: a command,
# a header (<x.h>) or a pkg-config name (@name).
TABLE='
build	gcc		-	-	gcc
build	libc6-dev	-	-	<stdio.h>
build	meson		1.7	b	meson
build	ninja-build	-	-	ninja
build	pkg-config	-	-	pkg-config
build	libevent-dev	2.1	-	@libevent
build	libinih-dev	-	-	@inih
build	libgpiod-dev	2	b	@libgpiod
build	libyaml-dev	-	-	@yaml-0.1
build	check		0.15	-	@check
guest	qemu-system-x86	10	b	qemu-system-x86_64
guest	busybox-static	-	-	busybox
guest	cpio		-	-	cpio
guest	xz-utils	-	-	xz
guest	kmod		-	-	depmod
test	clang		-	-	clang
test	libclang-rt-NN-dev -	-	-
test	llvm		-	-	llvm-symbolizer
test	clang-format	-	-	clang-format
test	clang-tidy	-	-	clang-tidy
test	cppcheck	-	-	cppcheck
test	shellcheck	-	-	shellcheck
test	groff-base	-	-	groff
test	valgrind	-	-	valgrind
test	gcovr		-	-	gcovr
test	can-utils	-	-	candump
test	evemu-tools	-	-	evemu-describe
test	evtest		-	-	evtest
test	iproute2	-	-	ip
test	gpiod		2	b	gpioget
test	device-tree-compiler	-	-	dtc
test	python3-minimal	-	-	python3
kernel	make		-	-	make
kernel	flex		-	-	flex
kernel	bison		-	-	bison
kernel	bc		-	-	bc
kernel	xz-utils	-	-	xz
kernel	libelf-dev	-	-	@libelf
kernel	libssl-dev	-	-	@libcrypto
'

# "debian 12", "debian 13", or the name of another system.
system_name()
{
	# shellcheck disable=SC1091
	(
		ID='' VERSION_ID='' PRETTY_NAME=''
		[ -r /etc/os-release ] && . /etc/os-release
		case "$ID $VERSION_ID" in
		'debian 12' | 'debian 13') echo "$ID $VERSION_ID" ;;
		*) echo "${PRETTY_NAME:-an unknown system}" ;;
		esac
	)
}

# The table rows of the wanted groups, one "package min backport probe" each.
wanted()
{
	local rt=19

	[ "$SYSTEM" = 'debian 12' ] && rt=14
	awk -v groups=" $GROUPS_WANTED " -v rt="$rt" '
		NF && index(groups, " " $1 " ") && !seen[$2]++ {
			sub(/-NN-/, "-" rt "-", $2); print $2, $3, $4, $5
		}' <<<"$TABLE"
}

# Of those, the ones that dpkg does not know in a sufficient version.
missing_debian()
{
	local installed pkg min back probe version

	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' 2>/dev/null |
		awk '$1 == "installed" { print $2, $3 }')
	while read -r pkg min back probe; do
		version=$(awk -v p="$pkg" '$1 == p { print $2; exit }' <<<"$installed")
		[ -n "$version" ] && [ "$min" = - ] && continue
		[ -n "$version" ] && dpkg --compare-versions "${version#*:}" ge "$min" && continue
		echo "$pkg $min $back $probe"
	done < <(wanted)
}

# On other systems the commands, headers and libraries themselves are asked.
missing_other()
{
	local pkg min back probe version

	while read -r pkg min back probe; do
		version=
		case $probe in
		-) continue ;;
		'<'*) echo "#include $probe" | gcc -fsyntax-only -xc - 2>/dev/null && continue ;;
		@*)	if pkg-config --exists "${probe#@}" 2>/dev/null; then
				version=$(pkg-config --modversion "${probe#@}")
			fi ;;
		meson)	have meson && version=$(meson --version) ;;
		qemu*)	have "$probe" && version=$("$probe" --version | sed -n 's/.*version \([0-9.]*\).*/\1/p') ;;
		*)	have "$probe" && continue ;;
		esac
		[ -n "$version" ] && [ "$min" = - ] && continue
		[ -n "$version" ] && printf '%s\n%s\n' "$min" "$version" | sort -CV && continue
		echo "$pkg $min $back $probe"
	done < <(wanted)
}

# "name (at least version)", for a person.
describe()
{
	awk '{ printf "%s%s%s", sep, $1, $2 == "-" ? "" : " (at least " $2 ")"; sep = ", " }
	     END { print "" }'
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

apt_install()
{
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=2 \
		-o Dpkg::Options::=--force-confold --no-install-recommends install "$@"
}

# Another source that cannot be read is not our business: only the install
# that follows decides.
apt_update()
{
	as_root apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=2 update ||
		as_root apt-get -q -o Acquire::Check-Valid-Until=false update || true
}

add_backports()
{
	local list=/etc/apt/sources.list.d/vhost-device-backports.list line

	apt_sources | awk -F'|' '$2 == "bookworm-backports" { f = 1 } END { exit !f }' && return 0
	line=$(apt_line bookworm-backports) || {
		echo "E: no Debian mirror is configured in /etc/apt"
		return 1
	}
	echo "adding to $list: $line"
	printf '# Recent versions for building vhost-device; may be removed after that.\n%s\n' "$line" |
		as_root tee "$list" >/dev/null
}

# Packages that have to move together with libgpiod from 1.6 to 2: the old
# tools hold the old library, which the new one does not tolerate beside it.
gpiod_companions()
{
	dpkg-query -W -f '${db:Status-Status} ${source:Package} ${Package}\n' 2>/dev/null |
		awk '$1 == "installed" && $2 == "libgpiod" && $3 !~ /^libgpiod[0-9]/ { print $3 }'
}

install_missing()
{
	local plain back

	plain=$(awk '$3 != "b" { print $1 }' <<<"$MISSING")
	back=$(awk '$3 == "b" { print $1 }' <<<"$MISSING")
	if [ "$SYSTEM" = 'debian 13' ]; then
		plain="$plain $back"
		back=
	fi
	if [ -n "$back" ]; then
		add_backports || return 1
		grep -q '^libgpiod-dev$' <<<"$back" && back="$back $(gpiod_companions)"
	fi
	apt_update
	# shellcheck disable=SC2086
	[ -z "${plain// /}" ] || apt_install $plain || return 1
	# shellcheck disable=SC2086
	[ -z "$back" ] || apt_install -t bookworm-backports $back
}

check_only=
[ "${1:-}" = --check ] && { check_only=1; shift; }
[ $# -gt 0 ] || die "which group of packages? build, guest, test or kernel"
GROUPS_WANTED=$*
SYSTEM=$(system_name)

case $SYSTEM in
debian*)
	MISSING=$(missing_debian)
	[ -z "$MISSING" ] && exit 0
	[ -n "$check_only" ] && die "missing: $(describe <<<"$MISSING")"
	;;
*)
	MISSING=$(missing_other)
	[ -z "$MISSING" ] && exit 0
	warn "packages are installed on Debian 12 and 13 only; this is $SYSTEM"
	warn "missing (Debian's names): $(describe <<<"$MISSING")"
	exit 1
	;;
esac

if [ "$(id -u)" != 0 ]; then
	names=$(awk '{ printf " %s", $1 }' <<<"$MISSING")
	have sudo || die "installing$names needs root: run it as root, or install sudo"
	# A password is asked for before the progress line starts.
	if [ -t 0 ]; then sudo -v; else sudo -n true 2>/dev/null; fi ||
		die "installing$names needs root: run it as root or through sudo"
fi

cache_mkdir "$LOGS"
count=$(wc -l <<<"$MISSING")
step "Installing $count Debian packages for: $*" packages install_missing || exit 1
MISSING=$(missing_debian)
[ -z "$MISSING" ] || die "still missing after the installation: $(describe <<<"$MISSING")"
