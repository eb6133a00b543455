# run_lib.sh - what the tests of `quire run` and `quire serve` share
# SPDX-License-Identifier: MIT
#
# Sourced after lib.sh.  Waits for events, never for time:
#   await PID...           until the processes are gone, children or not
#   is_alive PID           and no zombie
#   server_of PID          the server process below a `quire run` or `serve`
#   start COMMAND...       in the background, its number in $child; output as run
#   hear NAME              a line out of the pipe $WORK/ready, into $NAME

# A sanitized program does not mind what is loaded before it.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

is_alive() {
	local state

	state=$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null)
	[ -n "$state" ] && [ "$state" != Z ]
}

# Who wrote the line before may have the pipe open still: then its end is no line.
hear() {
	until read -r "$1" <"$WORK/ready"; do
		:
	done
}

await() {
	python3 - "$@" <<'PYTHON'
import os, select, sys
for pid in sys.argv[1:]:
    try:
        fd = os.pidfd_open(int(pid))
    except ProcessLookupError:
        continue
    select.select([fd], [], [])
PYTHON
}

server_of() {
	local process

	for process in $(cat "/proc/$1/task/$1/children"); do
		if grep -qs '^quire-server' "/proc/$process/comm"; then
			echo "$process"
			return
		fi
	done
	return 1
}

start() {
	: >"$WORK/out"
	: >"$WORK/err"
	"$@" >"$WORK/out" 2>"$WORK/err" &
	child=$!
	children+=("$child")
}

# end: of what start() started
end() {
	wait "$child" 2>/dev/null
	status=$?
}

# is_status NUMBER
is_status() {
	[ "$status" -eq "$1" ] && return
	echo "# status $status, expected $1; standard error:"
	sed 's/^/#   /' "$WORK/err"
	return 1
}

says() {
	grep -q "$1" "$WORK/err" && return
	sed 's/^/#   /' "$WORK/err"
	return 1
}
