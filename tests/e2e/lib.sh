# lib.sh - what the end-to-end tests share
# SPDX-License-Identifier: MIT
#
# Sourced.  Needs $QUIRE (the program) and $QUIRE_SOURCE (the source folder).
# Gives $WORK, a folder of its own that goes away at the end, and:
#   check NAME COMMAND...       COMMAND succeeds
#   refute NAME COMMAND...      COMMAND does not
#   run COMMAND...              status in $status, output in $WORK/out, $WORK/err
#   check_refused NAME STATUS PATTERN COMMAND...
#                               exit status, one line "quire: PATTERN" on
#                               standard error, nothing on standard output
#   skip REASON                 ends the test: it cannot be done here
#   finish                      the verdict; the last line of each test
set -u

: "${QUIRE:?is not set: the built program}"
: "${QUIRE_SOURCE:?is not set: the source folder}"

WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/quire-e2e.XXXXXX") || exit 1
failures=0
checks=0
children=()

cleanup() {
	local child

	for child in "${children[@]}"; do
		kill -KILL "$child" && wait "$child"
	done 2>/dev/null
	chmod -R u+rwX "$WORK" 2>/dev/null
	rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

report() {
	checks=$((checks + 1))
	if [ "$1" = ok ]; then
		echo "ok $checks - $2"
	else
		failures=$((failures + 1))
		echo "not ok $checks - $2"
	fi
}

check() {
	local name=$1

	shift
	if "$@"; then report ok "$name"; else report failed "$name"; fi
}

refute() {
	local name=$1

	shift
	if "$@"; then report failed "$name"; else report ok "$name"; fi
}

# The files are made before, so that nothing of an earlier run is looked at.
run() {
	: >"$WORK/out"
	: >"$WORK/err"
	"$@" >"$WORK/out" 2>"$WORK/err"
	status=$?
}

# One sentence: a line that begins with "quire: " and holds PATTERN.
one_sentence() {
	[ "$(wc -l <"$WORK/err")" -eq 1 ] && grep -q "^quire: .*$1" "$WORK/err"
}

check_refused() {
	local name=$1 expected=$2 pattern=$3

	shift 3
	run "$@"
	if [ "$status" -eq "$expected" ] && one_sentence "$pattern" &&
		[ ! -s "$WORK/out" ]; then
		report ok "$name"
		return
	fi
	report failed "$name"
	echo "# status $status, expected $expected; standard error:"
	sed 's/^/#   /' "$WORK/err"
}

same_output() {
	cmp -s "$WORK/out" "$1"
}

skip() {
	echo "# skipped: $1"
	exit 77
}

note() {
	echo "# $1"
}

# make_file PATH BYTES: bytes that are different on each page
make_file() {
	head -c "$2" /dev/urandom >"$1"
}

finish() {
	echo "1..$checks"
	[ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
	exit
}
