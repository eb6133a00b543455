#!/bin/bash
# test_run.sh - quire run: a program's status, signals, descriptors, processes
# SPDX-License-Identifier: MIT
# Whoever runs this may have signals ignored, which programs inherit.
[ -n "${SIGNALS_ARE_DEFAULT-}" ] ||
	SIGNALS_ARE_DEFAULT=1 exec env --default-signal=HUP,USR1,TERM \
		"$BASH" "$0" "$@"

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/run_lib.sh"

export XDG_RUNTIME_DIR=$WORK/runtime
mkdir -m 0700 "$XDG_RUNTIME_DIR"
mkfifo "$WORK/ready" "$WORK/go"
quire_run=("$QUIRE" run --quiet --)
lone_run=("$QUIRE" run --quiet --no-restart --)

nothing_left() {
	[ -z "$(ls -A "$XDG_RUNTIME_DIR")" ]
}

# ---- the exit status ----

run "${quire_run[@]}" true
check "a program that succeeds" is_status 0
check "... says nothing of ours" [ ! -s "$WORK/err" ]
run "${quire_run[@]}" sh -c 'exit 7'
check "its status is ours" is_status 7
run "${quire_run[@]}" sh -c 'kill -KILL $$'
check "a signal is 128 and its number" is_status 137
check_refused "a program that is not there" 127 "cannot run nothing-there" \
	"${quire_run[@]}" nothing-there
check_refused "a file that is no program" 126 "cannot run /dev/null" \
	"${quire_run[@]}" /dev/null
echo 'exit 6' >"$WORK/script"
check_refused "a script that may not be executed" 126 "Permission denied" \
	"${quire_run[@]}" "$WORK/script"
run "$QUIRE" run --quiet sh -c 'exit 4'
check "without the two strokes" is_status 4
run "${quire_run[@]}" printf '%s\n' --budget --help
check "options of the program's are its own" \
	[ "$(cat "$WORK/out")" = "--budget
--help" ]

# ---- wrong command lines ----

check_refused "no program" 2 "PROGRAM" "$QUIRE" run
check_refused "no program behind the strokes" 2 "PROGRAM" "$QUIRE" run --
check_refused "an unknown option" 2 "no option '--bugdet'" \
	"$QUIRE" run --bugdet 1M true
check_refused "a budget that is no size" 2 "is not a size" \
	"$QUIRE" run --budget much true
check_refused "--bind without a sign" 2 "PATH=URI" \
	"$QUIRE" run --bind /tmp/x true
check_refused "--bind without a URI" 2 "PATH=URI" \
	"$QUIRE" run --bind /tmp/x= true
check_refused "--bind to what is no URI" 2 "unknown scheme 'nosuch'" \
	"$QUIRE" run --bind /tmp/x=nosuch:x touch "$WORK/began"
check_refused "an empty pattern" 2 "empty pattern" "$QUIRE" run --map '' true
check_refused "--socket with settings" 2 "settings of its own" \
	"$QUIRE" run --socket "$WORK/none" --budget 1M true
check_refused "serve alone knows --everybody" 2 "no option" \
	"$QUIRE" run --everybody true
check_refused "nobody at the socket" 1 "no server answers" \
	"$QUIRE" run --socket "$WORK/none" true
check_refused "no budget" 2 "a budget of 0 bytes" "$QUIRE" run --budget 0 true
check_refused "a pattern that no server takes" 1 "the server cannot start" \
	"$QUIRE" run --map $'a\nb' touch "$WORK/began"
check_refused "statistics that cannot be written" 1 "cannot write to" \
	"$QUIRE" run --stats "$WORK/none/stats" touch "$WORK/began"
QUIRE_PRELOAD=$WORK/none.so check_refused "no library" 1 "QUIRE_PRELOAD" \
	"$QUIRE" run touch "$WORK/began"
refute "... and the program was not started" [ -e "$WORK/began" ]
check "nothing remains of all that" nothing_left

# ---- a program that nothing is loaded before ----

# Debian's ldconfig is linked statically, as it must run without libraries.
static=/sbin/ldconfig
printf '#!%s\n' "$static" >"$WORK/static-script"
chmod +x "$WORK/static-script"
run "$QUIRE" run "$static" --version
check "a program that is linked statically is told of" \
	grep -q "^quire: $static is linked statically" "$WORK/err"
check "... and run" grep -q ldconfig "$WORK/out"
run env PATH="/nowhere:${static%/*}" "$QUIRE" run ldconfig --version
check "... where it is found by its name" \
	grep -q "^quire: ldconfig is linked statically" "$WORK/err"
run "$QUIRE" run "$WORK/static-script"
check "... and where it is a script's interpreter" \
	grep -q "static-script is linked statically" "$WORK/err"
run "${quire_run[@]}" "$static" --version
check "... but not where all shall be quiet" [ ! -s "$WORK/err" ]
run "$QUIRE" run cat /dev/null
refute "of another one that is not said" grep -q statically "$WORK/err"

# ---- what the program finds ----

run "${quire_run[@]}" sh -c 'echo "$QUIRE_SOCKET"; echo "$LD_PRELOAD"
	stat -c %a "$QUIRE_SOCKET" "$(dirname "$QUIRE_SOCKET")"'
{ read -r socket && read -r preload && read -r mode && read -r folder_mode; } \
	<"$WORK/out"
check "the socket is where it should be" \
	[ "${socket#"$XDG_RUNTIME_DIR"/}" != "$socket" ]
check "... for this user alone" [ "$mode" = 600 ]
check "... in a folder for him alone" [ "$folder_mode" = 700 ]
check "the library is loaded" [ "${preload##*/}" = libquire-preload.so ]
check "nothing remains" nothing_left
(umask 0 && run "${quire_run[@]}" sh -c 'stat -c %a "$QUIRE_SOCKET"; umask')
check "whatever the umask is" [ "$(head -n 1 "$WORK/out")" = 600 ]
check "... which the program keeps" [ "$(tail -n 1 "$WORK/out")" = 0000 ]
mkdir "$WORK/libraries"
cp "$preload" "$WORK/libraries/other.so"
LD_PRELOAD=$WORK/libraries/other.so \
	run "${quire_run[@]}" sh -c 'echo "$LD_PRELOAD"'
check "what was to be loaded is loaded after it" \
	[ "$(cat "$WORK/out")" = "$preload:$WORK/libraries/other.so" ]

echo text >"$WORK/text"
run "${quire_run[@]}" sh -c 'cat; cat <&5' <"$WORK/text" 5<"$WORK/script"
check "descriptors are the program's" \
	[ "$(cat "$WORK/out")" = "text
exit 6" ]
run "${quire_run[@]}" sh -c '[ ! -e /proc/self/fd/0 ]' <&-
check "closed ones are closed" is_status 0
ls /proc/self/fd >"$WORK/descriptors"
run "${quire_run[@]}" env -u LD_PRELOAD ls /proc/self/fd
check "no descriptor is new" same_output "$WORK/descriptors"
# yes ends by SIGPIPE only: then nobody else holds the pipe, or ignores it.
"${quire_run[@]}" yes | head -n 1 >"$WORK/out"
check "a pipe breaks" [ "${PIPESTATUS[0]}" -eq 141 ]
start "${quire_run[@]}" sh -c 'exec >&-; read -r line <"$0"' "$WORK/go"
(
	"${quire_run[@]}" sh -c 'exec >&-; read -r line <"$0"' "$WORK/go" &
	echo $! >"$WORK/second"
) | cat # ends when the program closes its side
check "a pipe ends when the program's side does" true
kill -TERM "$child" "$(cat "$WORK/second")"
end
await "$(cat "$WORK/second")"

# ---- signals ----

waits='trap "exit 5" TERM; trap "exit 8" HUP; trap "exit 9" USR1
	trap "exit 10" INT; echo >"$0"; while :; do sleep 0.05; done'
for pair in TERM:5 HUP:8 USR1:9; do
	start "${quire_run[@]}" bash -c "$waits" "$WORK/ready"
	hear line
	kill "-${pair%:*}" "$child"
	end
	check "SIG${pair%:*} is passed on" is_status "${pair#*:}"
done
start "${quire_run[@]}" bash -c "$waits" "$WORK/ready"
hear line
kill -INT "$child"
kill -TERM "$child"
end
check "SIGINT is the terminal's business" is_status 5
check "nothing remains" nothing_left

# Stops and goes on as a job does; a group of its own, whose parent is a shell.
cat >"$WORK/job.py" <<'PYTHON'
import os, signal, sys
def job(words):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.execv(words[0], words)
    return pid
def stopped(pid):
    return os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
def ended(pid, status):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
quire, ready = sys.argv[1:]
words = [quire, "run", "--quiet", "--", "bash", "-c"]
# The program stops by itself: the job is stopped.
pid = job(words + ["kill -TSTP $$; exit 3"])
assert stopped(pid), "stops with its program"
os.killpg(pid, signal.SIGCONT)
assert ended(pid, 3), "goes on"
# The same, and the signal to go on is for us alone.
pid = job(words + ["kill -TSTP $$; exit 3"])
assert stopped(pid)
os.kill(pid, signal.SIGCONT)
assert ended(pid, 3), "goes on with its program"
# As by ^Z and fg, several times.
pid = job(words + ["trap 'exit 5' TERM; echo >$0; while :; do sleep 0.05; done",
                   ready])
open(ready).read()
for i in range(5):
    os.killpg(pid, signal.SIGTSTP)
    assert stopped(pid), "stops as a group"
    os.killpg(pid, signal.SIGCONT)
os.kill(pid, signal.SIGTERM)
assert ended(pid, 5), "is there after all"
PYTHON
check "job control" python3 "$WORK/job.py" "$QUIRE" "$WORK/ready"
check "nothing remains" nothing_left

# ---- descendants ----

start "${quire_run[@]}" sh -c '
	setsid sh -c "echo \$\$ >\$0; read -r line <\$1; echo done >\$2" \
		"$0" "$1" "$2" & exit 4' "$WORK/ready" "$WORK/go" "$WORK/done"
hear daemon
check "a daemon is waited for" is_alive "$child"
echo >"$WORK/go"
end
check "... until it is gone" [ -e "$WORK/done" ]
check "... and the status is the program's" is_status 4
refute "it is gone" is_alive "$daemon"
# Once the program is gone: until then the signal is for it alone.
start "${quire_run[@]}" sh -c '
	setsid sh -c "trap \"exit 0\" TERM
		while kill -0 \$1 2>/dev/null; do sleep 0.01; done
		echo \$\$ >\$0
		while :; do sleep 0.05; done" "$0" $$ &
	exit 4' "$WORK/ready"
hear daemon
kill -TERM "$child"
end
check "SIGTERM reaches who is left" is_status 4
run "${quire_run[@]}" "${quire_run[@]}" sh -c 'exit 9'
check "quire run in quire run" is_status 9
check "nothing remains" nothing_left

# ---- deaths ----

start "${lone_run[@]}" sh -c '
	setsid sh -c "echo \$\$ >\$0; read -r line <\$1" "$0" "$1" & wait' \
	"$WORK/ready" "$WORK/go"
hear daemon
run "$QUIRE" maps "$daemon"
check "quire maps of who has mapped nothing" grep -q "nothing is mapped" \
	"$WORK/out"
server=$(server_of "$child")
tree=($(cat "/proc/$child/task/$child/children"))
kill -KILL "$server"
end
check "the server is killed: status 1" is_status 1
check "... and one sentence" one_sentence "the server was killed by signal 9"
await "${tree[@]}" "$daemon"
check "... the program and its daemon are gone" \
	[ ! -e "/proc/$daemon" -a ! -e "/proc/${tree[0]}" ]
check "... and the socket" nothing_left

make_file "$WORK/mapped" $((1 << 20))
maps='import mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
total = sum(mapped[::4096])
open(sys.argv[2], "w").write("ready\n")
open(sys.argv[3]).readline()
assert total == sum(mapped[::4096])
open(sys.argv[4], "w").write("good\n")'
start "${quire_run[@]}" python3 -c "$maps" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/good"
hear line
server=$(server_of "$child")
program=$(cat "/proc/$child/task/$child/children")
program=${program/$server/}
run "$QUIRE" maps $program
check "quire maps of the program: its file, and no other's" \
	[ "$(sed 's/.* //' "$WORK/out" | sort -u)" = "$WORK/mapped" ]
run "$QUIRE" maps "$child"
check "quire maps of quire run: each under its process" \
	grep -qx "process $(echo $program):" "$WORK/out"
check "... with its file" grep -q " $WORK/mapped\$" "$WORK/out"
run "$QUIRE" maps "$server"
check "quire maps of the server: the same" grep -q " $WORK/mapped\$" "$WORK/out"
run "$QUIRE" stat $program
check "quire stat of the program: its server's" \
	grep -Eq '^budget +268435456$' "$WORK/out"
kill -KILL "$child"
end
check "quire run is killed: the server goes on" is_alive "$server"
echo >"$WORK/go"
await $program "$server"
check "... its program ends well" grep -q good "$WORK/good"
check "... and the socket is gone" nothing_left

start "${lone_run[@]}" python3 -c "$maps" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/never"
hear line
kill -KILL "$(server_of "$child")"
end
check "the server of a mapping is killed: status 1" is_status 1
refute "... nobody read zeros" [ -e "$WORK/never" ]

start "${quire_run[@]}" python3 -c "$maps" "$WORK/mapped" "$WORK/ready" \
	"$WORK/go" "$WORK/never"
hear line
server=$(server_of "$child")
program=$(cat "/proc/$child/task/$child/children")
kill -KILL "$child"
end
kill -KILL "$server"
await $program
check "quire run is killed, and then its server: so is its program" \
	[ ! -e "$WORK/never" ]
rm -r "${XDG_RUNTIME_DIR:?}"/* # nobody was left to do it

# ---- which files ----

total='import mmap, sys
with open(sys.argv[1], "rb") as file:
    sum(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)[::4096])'
run "$QUIRE" run --map '/nomatch/*' -- python3 -c "$total" "$WORK/mapped"
check "no --map matches: no file" one_sentence "no file was mapped"
run "$QUIRE" run --map '/nomatch/*' --map '*/map?ed' -- \
	python3 -c "$total" "$WORK/mapped"
check "one of them matches" says " $WORK/mapped\$"

# ---- what is bound ----

cd "$WORK" || exit
for path in ./none ../"${WORK##*/}"/none "$WORK/./none" "/$WORK//none"; do
	run "$QUIRE" run --quiet --bind "$path=mem:8" -- wc -c none
	check "--bind $path: however it is spelt" grep -q '^8 ' "$WORK/out"
done

# ---- summary, statistics ----

run "$QUIRE" run --budget 8M true
check "nothing mapped is one line" one_sentence "no file was mapped; budget 8.0M"
make_file "$WORK/big" $((64 << 20))
hash='import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(hashlib.sha256(mapped).hexdigest())'
python3 -c "$hash" "$WORK/big" >"$WORK/native"
run "$QUIRE" run --budget 8M --stats "$WORK/stats" -- \
	python3 -c "$hash" "$WORK/big"
check "64 MiB within 8: status" is_status 0
check "... the same hash" same_output "$WORK/native"
check "... the budget in the summary" says "budget 8.0M"
check "... the file in the summary" says "$WORK/big\$"
check "... statistics as the schema says, with what was done" \
	python3 - "$WORK/stats" "$QUIRE_SOURCE/docs/schema" "$WORK/big" <<'PYTHON'
import json, sys
answer = json.load(open(sys.argv[1]))
schema = json.load(open(sys.argv[2] + "/run-statistics.json"))
try:
    import jsonschema
    jsonschema.validate(answer, schema)
except ImportError:
    print("# no jsonschema: looked at by hand only")
    assert set(answer) == set(schema["required"])
assert answer["budget"] == 8 << 20
assert 0 < answer["resident_peak"] <= 8 << 20
assert answer["clients"]["ever"] >= 1
[big] = [f for f in answer["files"] if f["path"] == sys.argv[3]]
assert big["size"] == big["mapped_peak"] == 64 << 20
assert 0 < big["resident_peak"] <= 8 << 20
assert big["traps"] == big["hits"] + big["misses"] > 0
assert big["pages_read"] >= 16384 and big["read_amplification"] >= 1
assert big["evictions"] >= 14336 and big["pages_written"] == 0
assert answer["engine"]["budget"] == 8 << 20
PYTHON
run "$QUIRE" run --stats "$WORK/stats" --quiet true
check "--quiet says nothing" [ ! -s "$WORK/err" ]
check "... statistics all the same" grep -q '"files": \[\]' "$WORK/stats"
run "$QUIRE" run --stats /dev/full --quiet true
check "a full disk is a failure" is_status 1
check "... with a sentence" one_sentence "cannot write the statistics"
run "$QUIRE" run --report "$WORK/report.html" --quiet -- \
	python3 -c "$hash" "$WORK/mapped"
check "--report: status" is_status 0
check "... a page about the file" grep -q "$WORK/mapped" "$WORK/report.html"
check "nothing remains" nothing_left
finish
