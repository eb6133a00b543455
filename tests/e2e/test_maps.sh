#!/bin/bash
# test_maps.sh - quire maps and quire stat ask a running engine
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

make_file "$WORK/mapped" $((16 << 20))
mkfifo "$WORK/output"

# An engine that is at work, and stays: nobody takes its output but one byte.
"$QUIRE" cat --budget 2M "$WORK/mapped" >"$WORK/output" &
engine=$!
children+=("$engine")
exec 3<"$WORK/output"
head -c 1 <&3 >/dev/null

run "$QUIRE" maps "$engine"
check "maps: status 0" [ "$status" -eq 0 ]
check "maps: the file is there, shared and readable" \
	grep -Eq "^[0-9a-f]+-[0-9a-f]+ r--s .*/mapped\$" "$WORK/out"
span() {
	local range

	range=$(sed -n 's/ r--s .*\/mapped$//p' "$WORK/out")
	[ $((0x${range#*-} - 0x${range%-*})) -eq "$1" ]
}
check "maps: from its first page to its last" span $((16 << 20))

run "$QUIRE" stat "$engine"
check "stat: status 0" [ "$status" -eq 0 ]
check "stat: the budget" grep -Eq "^budget +2097152\$" "$WORK/out"
fields=$(sed -n '/^struct quire_statistics {/,/^};/s/^\tuint64_t \(.*\);.*/\1/p' \
	"$QUIRE_SOURCE/include/quire/quire.h")
for field in $fields; do
	check "stat: $field" grep -Eq "^$field +[0-9]+\$" "$WORK/out"
done
check "stat: the header names fields" [ -n "$fields" ]

run "$QUIRE" stat --json "$engine"
check "stat --json: the engine, and its budget" \
	python3 - "$WORK/out" "$engine" <<'PYTHON'
import json, sys
answer = json.load(open(sys.argv[1]))
assert answer["pid"] == int(sys.argv[2])
assert answer["engines"][0]["engine"] == 0
assert answer["engines"][0]["budget"] == 2 << 20
assert answer["engines"][0]["resident"] > 0
PYTHON

# Asking took nothing away: the rest of the file comes out.
rest=$(cat <&3 | wc -c)
exec 3<&-
wait "$engine"
check "the engine went on undisturbed" [ "$rest" -eq $(((16 << 20) - 1)) ]

check_refused "a process that has ended" 1 "has no Quire engine" \
	"$QUIRE" maps "$engine"
check_refused "a process without an engine" 1 \
	"process $$ has no Quire engine" "$QUIRE" stat "$$"
check_refused "... and no half JSON" 1 "has no Quire engine" \
	"$QUIRE" stat --json "$$"

# Anybody can take the name of process 1; the kernel tells who it is.
coproc python3 -c '
import socket
server = socket.socket(socket.AF_UNIX)
server.bind(b"\0quire/1/0")
server.listen()
print("listening", flush=True)
client, _ = server.accept()
try:
    client.sendall(b"budget 1\n")
except BrokenPipeError:
    pass  # it was seen through before it could say a word
'
impostor=$COPROC_PID
children+=("$impostor")
if read -r line <&"${COPROC[0]}" && [ "$line" = listening ]; then
	check_refused "an impostor is not believed" 1 "another process" \
		"$QUIRE" stat 1
else
	note "the name is taken: the impostor is not tested"
fi
finish
