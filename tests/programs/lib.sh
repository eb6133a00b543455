# lib.sh - what the tests with real programs share
# SPDX-License-Identifier: MIT
#
# Sourced by a test, which then defines, for each of its cases NAME,
#   prepare_NAME    makes the data in the current folder; by no means of Quire
#   work_NAME       runs programs on them there
#   cases           calls compare once for each case
# and ends with: main "$@".
#
# A case is run natively and under `quire run` at several budgets, each time in
# a copy of the data.  Exit status, both outputs and all files must be the same,
# byte by byte; the statistics must say that mappings were taken and that the
# budget held.
#
# From the environment:
#   QUIRE           the program; "none": natively against natively, which tells
#                   whether a test gives the same twice
#   PROGRAMS_SCALE  quick or full
#   PROGRAMS_LIMIT  seconds that one run may take
#   PROGRAMS_KEEP   not empty: the folder stays, and its name is said
set -u

programs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
test_file=$programs/$(basename "$0")
test_name=$(basename "$0" .sh)
QUIRE=${QUIRE:-$programs/../../build/quire}
scale=${PROGRAMS_SCALE:-full}
limit=${PROGRAMS_LIMIT:-600}
python=/usr/bin/python3 # the one that Debian's packages are for
passed=0
failed=0

# quick_or_full A B: which of both is wanted
quick_or_full() {
	if [ "$scale" = quick ]; then echo "$1"; else echo "$2"; fi
}

have() {
	command -v "$1" >/dev/null
}

skip() {
	echo "skipped $test_name: $1"
	exit 77
}

verdict() {
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	echo "$1 $test_name $2"
}

# Nothing of the user's settings may be in the results.
plain_environment() {
	export HOME=$WORK/home LC_ALL=C TZ=UTC PYTHONHASHSEED=0
	export PYTHONDONTWRITEBYTECODE=1 TMPDIR=$WORK/tmp
	export GIT_CONFIG_NOSYSTEM=1
	unset XDG_CONFIG_HOME LD_PRELOAD QUIRE_SOCKET
	mkdir -p "$HOME" "$TMPDIR"
}

milliseconds() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# what_is_there FOLDER: every name with its kind, permissions, size, links
what_is_there() {
	(cd "$1" && find . ! -type d -printf '%P %y %m %s %n %l\n' \
		-o -type d -printf '%P %y %m\n' | sort)
}

# one_run FOLDER LABEL COMMAND...: leaves LABEL.out, .err, .status beside it
one_run() {
	local folder=$1 label=$2

	shift 2
	(
		cd "$folder" || exit 125
		exec timeout --kill-after=20 "$limit" "$@" \
			>"../$label.out" 2>"../$label.summary" </dev/null
	)
	echo $? >"$folder/../$label.status"
}

# same_runs CASE LABEL: is CASE/LABEL as CASE/native?  Says what is not.
same_runs() {
	local folder=$1 label=$2 kind same=0

	for kind in status out err; do
		cmp "$folder/native.$kind" "$folder/$label.$kind" || same=1
	done
	diff <(what_is_there "$folder/native") \
		<(what_is_there "$folder/$label") || same=1
	diff -r --no-dereference -q "$folder/native" "$folder/$label" || same=1
	return $same
}

# show FILE...: the beginning of each, for somebody who reads a log
show() {
	local file

	for file in "$@"; do
		[ -s "$file" ] || continue
		echo "    ${file##*/}:"
		head -n 20 "$file" | cut -c 1-200 | sed 's/^/        /'
	done
}

# under_quire NAME BUDGET OPTION...: one run, compared with the native one
under_quire() {
	local name=$1 budget=$2 folder=$WORK/$1 command=() started took said=

	shift 2
	if [ "$QUIRE" != none ]; then
		command=("$QUIRE" run --budget "$budget"
			--stats "$folder/$budget.json" "$@" --)
	fi
	rm -rf "$folder/$budget"
	cp -a --reflink=auto "$folder/data" "$folder/$budget"
	started=$(milliseconds)
	one_run "$folder/$budget" "$budget" "${command[@]}" bash "$test_file" \
		--work "$name" "$folder/$budget.err"
	took=$(($(milliseconds) - started))
	: >"$folder/$budget.difference"
	if same_runs "$folder" "$budget" >"$folder/$budget.difference" 2>&1 &&
		{ [ "$QUIRE" = none ] || said=$("$programs/statistics.py" \
			--budget "$budget" "$folder/$budget.json" \
			2>"$folder/$budget.difference"); }; then
		verdict ok "$name budget $budget: $took ms, natively $native ms${said:+, $said}"
	else
		verdict FAILED "$name budget $budget: $took ms, status $(cat "$folder/$budget.status")"
		show "$folder/$budget.difference" "$folder/$budget.err" \
			"$folder/$budget.summary"
	fi
	[ -n "${PROGRAMS_KEEP-}" ] || rm -rf "$folder/$budget"
}

# compare NAME "BUDGET..." OPTION...: one case; the options are of `quire run`
compare() {
	local name=$1 budgets=$2 folder=$WORK/$1 native started

	shift 2
	mkdir -p "$folder/data"
	(cd "$folder/data" && "prepare_$name") >"$folder/prepare.log" 2>&1 || {
		verdict FAILED "$name: the data could not be made"
		show "$folder/prepare.log"
		return
	}
	cp -a --reflink=auto "$folder/data" "$folder/native"
	started=$(milliseconds)
	one_run "$folder/native" native bash "$test_file" --work "$name" \
		"$folder/native.err"
	native=$(($(milliseconds) - started))
	if [ "$(cat "$folder/native.status")" -ne 0 ]; then
		verdict FAILED "$name: natively"
		show "$folder/native.out" "$folder/native.err"
		return
	fi
	for budget in $budgets; do
		under_quire "$name" "$budget" "$@"
	done
	[ -n "${PROGRAMS_KEEP-}" ] || rm -rf "$folder"
}

leave() {
	if [ -n "${PROGRAMS_KEEP-}" ]; then
		echo "# $WORK"
	else
		chmod -R u+rwX "$WORK"
		rm -rf "$WORK"
	fi
}

make_work() {
	WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/quire-programs.XXXXXX") || exit 1
	trap leave EXIT
	trap 'exit 1' INT TERM HUP
	plain_environment
}

# In a run of its own: --work NAME FILE, the errors of work_NAME go to FILE.
main() {
	if [ "${1-}" = --work ]; then
		"work_$2" 2>"$3"
		exit
	fi
	make_work
	cases
	echo "$passed passed, $failed failed"
	[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
	exit
}
