#!/bin/sh
# run.sh - all measurements, and their JSON in one file
# SPDX-License-Identifier: MIT
#
# run.sh BUILD [--long]
#
# Runs every w* program of BUILD/bench, writes BUILD/bench/results.json, and says
# which floors were reached: a missed one is no failure.
set -eu

build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
results=$build/bench/results.json

QUIRE_COMMIT=$(git -C "$here" describe --always --dirty --abbrev=12 2>/dev/null ||
	echo unknown)
export QUIRE_COMMIT

machine="$(uname -m), $(nproc) processors, $(sed -n \
	's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(sed -n \
	's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) KiB of memory"
kernel="$(uname -s) $(uname -r)"
status=0
separator=

# What somebody has left switched on there costs each system call a tenth of a
# microsecond.
if [ -n "$(cat /sys/kernel/tracing/set_event 2>/dev/null)" ]; then
	echo "the kernel's tracing is switched on (/sys/kernel/tracing/set_event):" \
		"system calls take longer" >&2
fi

# By their numbers.
list() {
	(cd "$build/bench" && ls -d w[0-9]*) | sort -V
}

{
	printf '{"machine": "%s", "kernel": "%s", "commit": "%s", "results": [\n' \
		"$(printf %s "$machine" | tr -d '"\\')" "$kernel" "$QUIRE_COMMIT"
	for program in $(list); do
		program=$build/bench/$program
		[ -x "$program" ] && [ -f "$program" ] || continue
		"$program" --data "$build/bench/data" \
			--json "$program.json" "$@" >&3 || status=1
		[ -s "$program.json" ] || continue
		printf '%s' "$separator"
		cat "$program.json"
		separator=",
"
	done
	printf '\n]}\n'
} 3>&1 >"$results.part"
mv "$results.part" "$results"
if command -v python3 >/dev/null; then
	"$here/floors.py" "$results" || [ $? -eq 1 ] || status=1
else
	echo "there is no python3, so no floors are looked at"
fi
echo
echo "written: $results"
exit $status
