#!/bin/sh
# make-data.sh - a file for the demo, out of what the machine has
# SPDX-License-Identifier: MIT
#
# make-data.sh PATH [MIB]
#
# Joins the files under /usr, in the order of their names and again from the
# first when they end, into PATH of MIB mebibytes (1024 unless stated).  A file
# that is there with that size is kept.
set -eu

path=$1
mib=${2:-1024}
size=$((mib * 1048576))

if [ -f "$path" ] && [ "$(stat -c %s "$path")" -eq "$size" ]; then
	exit 0
fi

echo "making $path: $mib MiB out of the files under /usr"
mkdir -p "$(dirname "$path")"
trap 'rm -f "$path.part"' EXIT
: >"$path.part"
while :; do
	before=$(stat -c %s "$path.part")
	[ "$before" -lt "$size" ] || break
	find /usr -xdev -type f -readable -print0 2>/dev/null |
		LC_ALL=C sort -z | xargs -0 cat 2>/dev/null |
		head -c $((size - before)) >>"$path.part" || :
	if [ "$(stat -c %s "$path.part")" -eq "$before" ]; then
		echo "make-data.sh: nothing under /usr can be read" >&2
		exit 1
	fi
done
mv "$path.part" "$path"
