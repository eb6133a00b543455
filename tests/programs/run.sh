#!/bin/bash
# run.sh - the tests with real programs
# SPDX-License-Identifier: MIT
#
# run.sh [--quick] [TEST...]
#
# One line for each program, case and budget; the last line is "N passed,
# N failed", and the exit status is 1 if something failed.  --quick: smaller
# data, one or two budgets, a soak of 20 seconds; under five minutes in all.
# What is not installed is skipped.
set -uo pipefail

folder=$(cd "$(dirname "$0")" && pwd)
tests=(self_test python numpy lmdb sqlite git ripgrep fio soak)
passed=0
failed=0
skipped=0

if [ "${1-}" = --quick ]; then
	export PROGRAMS_SCALE=quick
	shift
fi
[ $# -eq 0 ] || tests=("$@")

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

for test in "${tests[@]}"; do
	"$folder/$test.sh" 2>&1 | tee "$log" |
		grep --line-buffered -v '^[0-9]* passed, [0-9]* failed$'
	status=${PIPESTATUS[0]}
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^FAILED ' "$log")
	if [ "$status" -eq 77 ]; then
		skipped=$((skipped + 1))
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "FAILED $test: status $status"
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
