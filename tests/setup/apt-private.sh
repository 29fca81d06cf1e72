#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#
# Packages of other Debian suites, fetched and unpacked but never installed.
# The mirror and its key are those the machine already uses; the lists are
# kept in a folder of our own, so that neither the machine's apt sources nor
# its lists change and no root is needed. Needs common.sh.

APT_DIR=$CACHE/apt

# Every configured source as "URI|suite|keyring|trusted", from both formats.
apt_sources()
{
	local f

	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$f" ] && sed -n 's/^[[:space:]]*deb[[:space:]]\+//p' "$f"
	done | awk '{
		key = trust = ""
		if ($1 ~ /^\[/) {
			opts = $0; sub(/\].*/, "", opts); sub(/^\[/, "", opts)
			sub(/^\[[^]]*\][[:space:]]*/, "")
			n = split(opts, o, /[[:space:]]+/)
			for (i = 1; i <= n; i++) {
				if (tolower(o[i]) ~ /^signed-by=/) key = substr(o[i], 11)
				if (tolower(o[i]) ~ /^trusted=/) trust = substr(o[i], 9)
			}
		}
		print $1 "|" $2 "|" key "|" trust
	}'
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -r "$f" ] && { cat "$f"; echo; }
	done | awk '
	function flush_it(i, j) {
		if (types ~ /(^| )deb( |$)/ && enabled != "no")
			for (i = 1; i <= split(uris, u, " "); i++)
				for (j = 1; j <= split(suites, s, " "); j++)
					print u[i] "|" s[j] "|" key "|" trust
		types = uris = suites = key = enabled = trust = ""
	}
	/^#/ { next }
	/^[[:space:]]*$/ { flush_it(); next }
	/^[[:space:]]/ { next }		# a key written out in the file
	{
		name = tolower($1); val = $0; sub(/^[^:]*:[[:space:]]*/, "", val)
		if (name == "types:") types = val
		if (name == "uris:") uris = val
		if (name == "suites:") suites = val
		if (name == "signed-by:") key = val
		if (name == "trusted:") trust = tolower(val)
		if (name == "enabled:") enabled = tolower(val)
	}
	END { flush_it() }'
}

# "URI|suite|keyring|trusted" of the archive this Debian is installed from.
apt_mirror()
{
	local code alias line

	# shellcheck disable=SC1091
	code=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	for alias in "$code" stable oldstable oldoldstable testing sid unstable; do
		line=$(apt_sources | awk -F'|' -v s="$alias" '
			$2 == s && $1 ~ /^(https?|mirror|file|copy|ftp)/ { print; exit }')
		[ -n "$line" ] && break
	done
	[ -n "$line" ] || return 1
	echo "$line"
}

# A one-line source for another suite of the machine's own mirror.
apt_line()
{
	local uri suite key trust opts=

	IFS='|' read -r uri suite key trust <<<"$(apt_mirror)"
	[ -n "$uri" ] || return 1
	[ -r "${key:-/nonexistent}" ] || key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -r "$key" ] && opts="signed-by=$key"
	[ "$trust" = yes ] && opts="${opts:+$opts }trusted=yes"
	echo "deb ${opts:+[$opts] }$uri $1 main"
}

# Point apt at a private state that holds one suite.
apt_private()
{
	local suite=$1 dir=$APT_DIR/$1

	shift
	APT_CONFIG=$dir/apt.conf "$@"
}

# apt_open SUITE: have lists of a suite, not older than a day.
apt_open()
{
	mkdir -p "$APT_DIR/$1" || return 1
	# Several scripts may want the same lists at once.
	(flock 8 && apt_open_locked "$1") 8>"$APT_DIR/$1/lock"
}

apt_open_locked()
{
	local suite=$1 dir=$APT_DIR/$1 line

	have apt-get || { warn "apt-get is missing: packages of $suite cannot be fetched"; return 1; }
	line=$(apt_line "$suite") || {
		warn "no Debian mirror is configured in /etc/apt: packages of $suite cannot be fetched"
		return 1
	}
	mkdir -p "$dir/parts" "$dir/state/lists/partial" "$dir/cache/archives/partial" || return 1
	echo "$line" >"$dir/parts/suite.list"
	# A suite that is no longer signed daily is still signed; its age
	# does not matter here.
	cat >"$dir/apt.conf" <<-EOF
	Dir::Etc::sourcelist "/dev/null";
	Dir::Etc::sourceparts "$dir/parts";
	Dir::State "$dir/state";
	Dir::Cache "$dir/cache";
	Acquire::Check-Valid-Until "false";
	Acquire::Languages "none";
	Acquire::Retries "2";
	APT::Sandbox::User "$(id -un)";
	EOF
	[ -n "$(find "$dir/fresh" -mmin -1440 2>/dev/null)" ] && return 0
	apt_private "$suite" apt-get -q update >"$dir/update.log" 2>&1
	# apt only warns when it cannot reach a mirror.
	if grep -q '^[WE]: Failed to fetch\|^E:' "$dir/update.log" ||
	   ! ls "$dir"/state/lists/*Packages* >/dev/null 2>&1; then
		warn "no list of $suite from ${line##*] }: $(grep -m1 '^[WE]:' "$dir/update.log")"
		return 1
	fi
	touch "$dir/fresh"
}

# apt_version SUITE PACKAGE: the version on offer, or nothing.
apt_version()
{
	apt_private "$1" apt-cache policy "$2" 2>/dev/null |
		awk '$1 == "Version" { t = 1; next } t && $1 != "***" { v = $1; print v; exit } t { print $2; exit }'
}

# apt_unpack SUITE FOLDER PACKAGE...: download and unpack, all or nothing.
apt_unpack()
{
	local suite=$1 to=$2 tmp
	shift 2

	mkdir -p "$to" || return 1
	tmp=$(mktemp -d "$to/.deb.XXXXXX") || return 1
	if ! (cd "$tmp" && apt_private "$suite" apt-get -q download "$@" >apt.log 2>&1); then
		warn "cannot fetch $* of $suite: $(grep -m1 '^E:' "$tmp/apt.log")"
		rm -rf "$tmp"
		return 1
	fi
	for deb in "$tmp"/*.deb; do
		dpkg -x "$deb" "$to" || {
			warn "cannot unpack ${deb##*/} in $to: $(free_mib "$to") MiB are free there"
			rm -rf "$tmp"
			return 1
		}
	done
	rm -rf "$tmp"
}
