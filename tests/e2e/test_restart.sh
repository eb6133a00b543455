#!/bin/bash
# test_restart.sh - servers come and go, and programs go on
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/run_lib.sh"

socket=$WORK/socket
: "${QUIRE_PROGRAMS:?is not set: the folder of the built test programs}"
program=$QUIRE_PROGRAMS/preload_restarts
workers=3
mkfifo "$WORK/ready" "$WORK/go"

# prepare: files, and no stop
prepare() {
	rm -f "$WORK"/file* "$WORK/stop"
	head -c 262144 /dev/zero >"$WORK/file"
}

# serve OPTION...: its number in $keeper, what it says in $WORK/err
serve() {
	start "$QUIRE" serve --socket "$socket" --budget 1M "$@"
	keeper=$child
	until [ -S "$socket" ]; do is_alive "$keeper" || break; done
}

# until WORKERS have begun: each has a file of its own
await_workers() {
	local i

	for ((i = 0; i < workers; i++)); do
		until [ -s "$WORK/file.$i" ]; do is_alive "$1" || return; done
	done
}

# other_server OLD: waits for one that is not OLD, and prints its number
other_server() {
	local new

	while is_alive "$keeper"; do
		new=$(server_of "$keeper") && [ "$new" != "$1" ] && break
	done
	echo "$new"
}

# all_there: what was stored and written is in the files
all_there() {
	local i

	for ((i = 0; i < workers; i++)); do
		cmp "$WORK/file.$i" "$WORK/file.$i.model" || return
	done
}

# Another pause each time, of a length that matters to nobody.
pause() {
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
}

# ---- killed, and replaced, again and again ----

prepare
serve
"$QUIRE" run --socket "$socket" -- "$program" "$WORK/file" "$WORK/stop" \
	$workers 2>"$WORK/said" &
client=$!
children+=("$client")
await_workers "$client"
server=$(server_of "$keeper")
for i in {1..20}; do
	pause
	if [ $((i % 4)) -eq 0 ]; then
		kill -HUP "$keeper"
	else
		kill -KILL "$server" 2>/dev/null
	fi
	server=$(other_server "$server")
done
check "twenty servers later the programs live" is_alive "$client"
touch "$WORK/stop"
wait "$client"
check "... and have seen all that they stored and wrote" [ $? -eq 0 ]
check "... each has gone on" \
	[ "$(grep -c "^worker .: [1-9]" "$WORK/said")" -eq $workers ]
kill -TERM "$keeper"
end
check "... the server ends well" is_status 0
check "... and it is in the files" all_there
check "... it was said" says "killed by signal 9 (Killed): another one goes on"
refute "... nobody was killed for it" grep -q "its clients are killed" "$WORK/err"

# ---- a program that waits, and one that comes meanwhile ----

maps='import mmap, sys
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0)
mapped[7] = 77
open(sys.argv[2], "w").write("ready\n")
open(sys.argv[3]).readline()
assert mapped[7] == 77
mapped[8] = 88
mapped.flush()
open(sys.argv[4], "w").write("good\n")'
make_file "$WORK/mapped" $((1 << 20))
serve --quiet
"$QUIRE" run --socket "$socket" python3 -c "$maps" "$WORK/mapped" \
	"$WORK/ready" "$WORK/go" "$WORK/good" &
client=$!
children+=("$client")
hear line
server=$(server_of "$keeper")
kill -HUP "$keeper"
await "$server"
server=$(other_server "$server")
"$QUIRE" run --socket "$socket" python3 -c 'import mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    assert mapped[7] == 77 and file.seek(7) == 7 and file.read(1) == b"M"' \
	"$WORK/mapped"
check "what was not home yet is there for others, too" [ $? -eq 0 ]
kill -KILL "$server"
echo >"$WORK/go"
wait "$client"
check "a store over two servers" grep -q good "$WORK/good"
kill -TERM "$keeper"
end
check "... is in the file" \
	[ "$(od -An -tu1 -j7 -N2 "$WORK/mapped" | tr -d ' ')" = 7788 ]

# ---- who says HELLO to one that is killed ----

cat >"$WORK/deaf.py" <<'PYTHON'
import os, socket, sys
listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listening.bind(sys.argv[1] + ".new")
listening.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])
left = int(sys.argv[2])
while left:
    heard = listening.accept()[0]
    left -= len(heard.recv(4096)) > 0
    heard.close()
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
PYTHON
# deaf TIMES: so many are heard and not answered, before there is a server
deaf() {
	rm -f "$WORK/deaf"
	start python3 "$WORK/deaf.py" "$WORK/deaf" "$1" "$QUIRE" serve --quiet
	until [ -S "$WORK/deaf" ]; do is_alive "$child" || break; done
}

deaf 1
"$QUIRE" run --socket "$WORK/deaf" true 2>"$WORK/said"
refute "the next server hears it" grep -q . "$WORK/said"
kill -TERM "$child"
end
deaf 1000
"$QUIRE" run --socket "$WORK/deaf" true 2>"$WORK/said"
check "nobody ever answers: the program goes on" [ $? -eq 0 ]
check "... and it is said" grep -q "mappings are the kernel's" "$WORK/said"
kill -KILL "$child"
await "$child"

# ---- quire run ----

prepare
start "$QUIRE" run --budget 1M --quiet -- "$program" "$WORK/file" \
	"$WORK/stop" $workers
keeper=$child
await_workers "$keeper"
server=$(server_of "$keeper")
for i in {1..5}; do
	pause
	kill -KILL "$server" 2>/dev/null
	server=$(other_server "$server")
done
touch "$WORK/stop"
end
check "quire run: servers die, the program does not" is_status 0
check "... and all is in the files" all_there

# ---- what has nothing to be left ----

serve --quiet --bind /bound/scratch=anon:1M
"$QUIRE" run --socket "$socket" python3 -c "$maps" /bound/scratch \
	"$WORK/ready" "$WORK/go" "$WORK/never" &
client=$!
children+=("$client")
hear line
kill -KILL "$(server_of "$keeper")"
wait "$client" 2>/dev/null
check "memory that only the server had: its programs are killed" \
	[ $? -eq 137 ]
refute "... nobody read zeros" [ -e "$WORK/never" ]
kill -TERM "$keeper"
end

# ---- where it is not wished ----

serve --quiet --no-restart
"$QUIRE" run --socket "$socket" python3 -c "$maps" "$WORK/mapped" \
	"$WORK/ready" "$WORK/go" "$WORK/never" &
client=$!
children+=("$client")
hear line
kill -KILL "$(server_of "$keeper")"
wait "$client" 2>/dev/null
check "--no-restart: the programs are killed" [ $? -eq 137 ]
refute "... nobody read zeros" [ -e "$WORK/never" ]
kill -TERM "$keeper"
end
finish
