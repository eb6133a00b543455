#!/bin/bash
# test_serve.sh - quire serve: sockets, clients, the end, a crash
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/run_lib.sh"

export XDG_RUNTIME_DIR=$WORK/runtime
mkdir -m 0700 "$XDG_RUNTIME_DIR"
mkfifo "$WORK/ready" "$WORK/go"
make_file "$WORK/mapped" $((4 << 20))
socket=$XDG_RUNTIME_DIR/quire.sock

# serve OPTION...: in the background, and listening
serve() {
	start "$QUIRE" serve "$@"
	until [ -S "$socket" ] && "$QUIRE" run --socket "$socket" true \
		2>/dev/null; do
		is_alive "$child" || break
	done
}

hash='import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(hashlib.sha256(mapped).hexdigest())'
stays='import mmap, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
total = sum(mapped[::4096])
mapped[5] = 77
open(sys.argv[2], "w").write("ready\n")
open(sys.argv[3]).readline()
assert total - mapped[0] == sum(mapped[4096::4096])
open(sys.argv[4], "w").write("good\n")'
forks='import mmap, os, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
mapped[5] = 77
if os.fork() == 0:
    open(sys.argv[2], "w").write(str(os.getpid()) + "\n")
open(sys.argv[3]).readline()
sum(mapped[::4096])
open(sys.argv[4], "w").write("good\n")'
had='import mmap, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
mapped[5] = 77
mapped.close()
open(sys.argv[2], "w").write("ready\n")
open(sys.argv[3]).readline()
open(sys.argv[4], "w").write("good\n")'
connected=("$QUIRE" run --socket "$socket" --)

# ---- wrong command lines, places that cannot be ----

check_refused "an operand" 2 "usage: quire serve" "$QUIRE" serve now
check_refused "no place for the socket" 1 "which socket" \
	env -u XDG_RUNTIME_DIR "$QUIRE" serve
check_refused "a folder that is not there" 1 "cannot listen at" \
	"$QUIRE" serve --socket "$WORK/none/socket"
check_refused "a path that is too long" 1 "too long for a socket" \
	"$QUIRE" serve --socket "/$(printf '%0200d' 0)"
echo text >"$WORK/text"
check_refused "a file in its place" 1 "something is there" \
	"$QUIRE" serve --socket "$WORK/text"
check "... stays" grep -q text "$WORK/text"
check_refused "a budget below one page" 2 "a budget of 1 byte is" \
	"$QUIRE" serve --budget 1
check_refused "a pattern that no server takes" 1 "the server cannot start" \
	"$QUIRE" serve --socket "$socket" --map $'a\nb'
refute "... and no socket is left" [ -e "$socket" ]

# ---- the socket is there once it answers ----

# answers SOCKET: starts and ends a server, and asks as soon as it is there
answers() {
	local answered=0

	start "$QUIRE" serve --quiet --socket "$1"
	until [ -S "$1" ]; do is_alive "$child" || break; done
	"$QUIRE" run --socket "$1" true || answered=1
	kill -TERM "$child"
	end
	return $answered
}

always_answers() {
	local i

	for ((i = 0; i < 10; i++)); do
		answers "$socket" || return
	done
}

check "whoever finds the socket is answered" always_answers
check "... and nothing else was there" \
	[ -z "$(ls -A "$XDG_RUNTIME_DIR")" ]
# What one that was killed before it had its name would have left.
cat >"$WORK/left-over" <<'END'
python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(sys.argv[1])' "$2.$$"
[ -S "$2.$$" ] && echo left
exec "$1" serve --quiet --socket "$2"
END
start bash "$WORK/left-over" "$QUIRE" "$socket"
until [ -S "$socket" ]; do is_alive "$child" || break; done
check "something is left of the name before" grep -q left "$WORK/out"
check "... it is no hindrance" "$QUIRE" run --socket "$socket" true
kill -TERM "$child"
end
check "... and is gone" [ -z "$(ls -A "$XDG_RUNTIME_DIR")" ]
long=$WORK/$(printf "%0$((106 - ${#WORK}))d" 0)
check "the longest name" answers "$long"

# ---- clients ----

serve --budget 1M --stats "$WORK/stats"
check "it listens where users look" [ -S "$socket" ]
check "... for this user alone" [ "$(stat -c %a "$socket")" = 600 ]
cp "$WORK/err" "$WORK/err.serve"
python3 -c "$hash" "$WORK/mapped" >"$WORK/native"
"${connected[@]}" python3 -c "$hash" "$WORK/mapped" >"$WORK/got"
check "a program by quire run --socket" cmp -s "$WORK/native" "$WORK/got"
library=$("${connected[@]}" sh -c 'echo "$LD_PRELOAD"')
LD_PRELOAD=$library QUIRE_SOCKET=$socket \
	python3 -c "$hash" "$WORK/mapped" >"$WORK/got"
check "a program by its environment" cmp -s "$WORK/native" "$WORK/got"
(
	cd "$XDG_RUNTIME_DIR" && "$QUIRE" run --socket quire.sock -- \
		sh -c 'cd / && exec "$@"' sh python3 -c "$hash" "$WORK/mapped"
) >"$WORK/got"
check "... whatever folder it goes to" cmp -s "$WORK/native" "$WORK/got"
"${connected[@]}" sh -c 'exit 7'
check "the program's status" [ $? -eq 7 ]
"$QUIRE" serve 2>"$WORK/second"
check "a second one is refused" grep -q "something is there" "$WORK/second"
check "... and the first one's socket stays" [ -S "$socket" ]
kill -TERM "$child"
end
check "SIGTERM without clients ends it" is_status 0
check "... with a summary" says "$WORK/mapped\$"
check "... with statistics" grep -q "\"path\": \"$WORK/mapped\"" "$WORK/stats"
refute "... and no socket is left" [ -e "$socket" ]

serve --quiet --everybody
check "--everybody may connect" [ "$(stat -c %a "$socket")" = 666 ]
"${connected[@]}" python3 -c "$stays" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/good" &
client=$!
children+=("$client")
hear line
kill -TERM "$child"
check "SIGTERM with a client does not end it" is_alive "$child"
echo >"$WORK/go"
wait "$client"
check "... the client ends well" grep -q good "$WORK/good"
end
check "... and it after the client" is_status 0

serve --quiet
"${connected[@]}" python3 -c "$stays" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/never" &
client=$!
children+=("$client")
hear line
kill -TERM "$child"
kill -INT "$child"
end
check "a second signal ends it" is_status 0
wait "$client" 2>/dev/null
check "... and its clients" [ $? -eq 137 ]
check "... what they stored is home" \
	[ "$(od -An -tu1 -j5 -N1 "$WORK/mapped" | tr -d ' ')" = 77 ]

# ---- crashes, where no other server goes on: test_restart.sh has those ----

serve --quiet --no-restart
"${connected[@]}" python3 -c "$stays" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/never" &
client=$!
children+=("$client")
hear line
kill -KILL "$(server_of "$child")"
wait "$client" 2>/dev/null
check "the server is killed: so is the client" [ $? -eq 137 ]
refute "... nobody read zeros" [ -e "$WORK/never" ]
"${connected[@]}" python3 -c "$hash" "$WORK/text" >"$WORK/got"
check "... a new server begins, on the same socket" [ $? -eq 0 ]
check "... and it was said" one_sentence "the server was killed by signal 9"
server=$(server_of "$child")
"${connected[@]}" python3 -c "$forks" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/never" &
client=$!
children+=("$client")
hear forked
"${connected[@]}" python3 -c "$had" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/lives" &
other=$!
children+=("$other")
hear line
kill -KILL "$child" "$server"
end
wait "$client" 2>/dev/null
check "both are killed: so is the client" [ $? -eq 137 ]
await "$forked"
refute "... and its child, and nobody read zeros" [ -e "$WORK/never" ]
echo >"$WORK/go"
wait "$other"
check "... but not who has nothing mapped any more" [ -e "$WORK/lives" ]
serve --quiet
check "... and a server begins where they were" is_alive "$child"
server=$(server_of "$child")
kill -KILL "$child"
end
await "$server"
refute "killed itself, its server ends without clients, and the socket goes" \
	[ -e "$socket" ]
python3 - "$socket" <<'PYTHON'
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).bind(sys.argv[1])
PYTHON
serve --quiet
check "a socket that was left over is replaced" is_alive "$child"
kill -TERM "$child"
end
check "... and goes at the end" [ ! -e "$socket" ]

# ---- systemd's socket ----

cat >"$WORK/activate.py" <<'PYTHON'
import os, socket, sys
kind, path = getattr(socket, sys.argv[1]), sys.argv[2]
listening = socket.socket(socket.AF_UNIX, kind)
listening.bind(path)
if len(sys.argv) > 4 and sys.argv[3] == "listen":
    listening.listen()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[4], sys.argv[4:])
PYTHON
start python3 "$WORK/activate.py" SOCK_SEQPACKET "$WORK/activated" listen \
	"$QUIRE" serve --quiet
until [ -S "$WORK/activated" ]; do :; done
until "$QUIRE" run --socket "$WORK/activated" true 2>/dev/null; do
	is_alive "$child" || break
done
"$QUIRE" run --socket "$WORK/activated" python3 -c "$hash" "$WORK/mapped" \
	>"$WORK/got"
python3 -c "$hash" "$WORK/mapped" >"$WORK/native"
check "a socket of systemd's" cmp -s "$WORK/native" "$WORK/got"
refute "... is the only one" [ -e "$socket" ]
kill -TERM "$child"
end
check "... it ends" is_status 0
check "... and the socket remains systemd's" [ -S "$WORK/activated" ]
check_refused "one of another kind" 1 "ListenSequentialPacket" \
	python3 "$WORK/activate.py" SOCK_STREAM "$WORK/stream" listen \
	"$QUIRE" serve
check_refused "one that does not listen" 1 "ListenSequentialPacket" \
	python3 "$WORK/activate.py" SOCK_SEQPACKET "$WORK/deaf" bind \
	"$QUIRE" serve
for unit in quire.socket quire.service; do
	command -v systemd-analyze >/dev/null || break
	sed "s|@BINDIR@/quire|$QUIRE|" "$QUIRE_SOURCE/packaging/$unit" \
		>"$WORK/$unit"
done
[ ! -e "$WORK/quire.service" ] ||
	check "the units are good" systemd-analyze verify --user --man=no \
		"$WORK/quire.service" "$WORK/quire.socket"
finish
