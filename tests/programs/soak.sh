#!/bin/bash
# soak.sh - 64 processes under one server, killed at random; nothing is left
# SPDX-License-Identifier: MIT
#
# soak.sh [SECONDS [SEED]]
#
# BUDGET=4M: a tenth of what the files come to be.
. "$(dirname "$0")/lib.sh"

seconds=${1:-20}
seed=${2:-1}
budget=${BUDGET:-4M}
compiler=${CC:-cc}

have "$compiler" || skip "no C compiler"

build() {
	"$compiler" -std=gnu17 -D_GNU_SOURCE -O1 -g -Wall -Wextra \
		-o "$WORK/soak" "$programs"/soak*.c
}

# await CONDITION...: until it holds, for a minute at most
await() {
	local tries

	for ((tries = 0; tries < 600; tries++)); do
		"$@" && return
		sleep 0.1
	done
	return 1
}

check() {
	local name=$1

	shift
	if "$@"; then verdict ok "$name"; else verdict FAILED "$name"; fi
}

descriptors() {
	find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

own_kib() {
	sed -n 's/^RssAnon:\s*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}

# Of the children of `quire run` the one that is no program of ours.
server_of() {
	local child

	for child in $(cat "/proc/$1/task/$1/children"); do
		[ "$(readlink "/proc/$child/exe")" = "$WORK/soak" ] ||
			echo "$child"
	done
}

# Some files stay open for the next who maps them.
no_more_descriptors() {
	[ "$(descriptors "$1")" -le $(($2 + 8)) ]
}

# Whose environment holds the name of our folder.
nobody_is_left() {
	! grep -slF "QUIRE_PROGRAMS_MARK=$WORK" /proc/[0-9]*/environ |
		grep -v "^/proc/$$/"
}

nothing_in() {
	[ -z "$(ls -A "$1")" ]
}

no_socket() {
	! grep -qF "$WORK" /proc/net/unix
}

# answer: the soak goes on
answer() {
	echo >&"$to"
}

hear() {
	local word

	read -r -t $((seconds + limit)) -u "$from" word && [ "$word" = "$1" ]
}

# Before and after: what the server and who holds its descriptors have in use.
look_at_server() {
	local run=$1 server begun_server begun_run begun_kib kib

	check "begins" hear begun || return
	server=$(server_of "$run")
	begun_server=$(descriptors "$server")
	begun_run=$(descriptors "$run")
	begun_kib=$(own_kib "$server")
	answer
	check "ends" hear ended
	check "the server has the descriptors it had: $begun_server" \
		await no_more_descriptors "$server" "$begun_server"
	check "the keeper has the descriptors it had: $begun_run" \
		await no_more_descriptors "$run" "$begun_run"
	kib=$(own_kib "$server")
	check "the server's own memory: $begun_kib KiB, now ${kib:-none}" \
		[ "${kib:-1000000}" -le $((begun_kib + 32768)) ]
	answer
}

start() {
	local command=()

	[ "$QUIRE" = none ] || command=("$QUIRE" run --budget "$budget"
		--stats "$WORK/statistics" --)
	mkfifo "$WORK/to" "$WORK/from"
	mkdir "$WORK/files" "$WORK/runtime"
	(
		cd "$WORK/files" || exit
		export QUIRE_PROGRAMS_MARK=$WORK XDG_RUNTIME_DIR=$WORK/runtime
		exec "${command[@]}" "$WORK/soak" "$seconds" "$seed" meet \
			${LIE:+lie} <"$WORK/to" >"$WORK/from" 2>"$WORK/errors"
	) &
	process=$!
	exec {to}>"$WORK/to" {from}<"$WORK/from"
}

soak() {
	local said status file

	start
	if [ "$QUIRE" = none ]; then
		check "begins" hear begun && answer
		check "ends" hear ended && answer
	else
		look_at_server "$process"
	fi
	exec {to}>&-
	read -r -t "$limit" -u "$from" said
	wait "$process"
	status=$?
	check "${said:-no last word}" [ "$status" -eq 0 ]
	for file in 0 1 2; do
		check "file $file is as the model" \
			cmp "$WORK/files/file-$file" "$WORK/files/model-$file"
	done
	check "no process is left" await nobody_is_left
	check "no socket is left" no_socket
	check "no file is left" nothing_in "$WORK/runtime"
	[ "$QUIRE" = none ] ||
		check "statistics" "$programs/statistics.py" \
			--budget "$budget" "$WORK/statistics"
	[ "$failed" -eq 0 ] || show "$WORK/errors"
}

make_work
build || {
	verdict FAILED "does not compile"
	exit 1
}
soak
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
