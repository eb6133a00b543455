#!/bin/bash
# test_top.sh - quire top: one frame as text, and frames on a terminal
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

make_file "$WORK/mapped" $((16 << 20))
mkfifo "$WORK/output"

# An engine that is at work, and stays: nobody takes its output but one byte.
"$QUIRE" cat --budget 2M "$WORK/mapped" >"$WORK/output" &
engine=$!
children+=("$engine")
disown "$engine"
exec 3<"$WORK/output"
head -c 1 <&3 >/dev/null

run "$QUIRE" top --once "$engine"
check "once: status 0" [ "$status" -eq 0 ]
check "once: whose it is" \
	grep -q "^quire top: process $engine, engines: 1, files: [1-9]" "$WORK/out"
check "once: the budget" grep -Eq "^resident +\[[#.]+\] .* of 2.0M\$" "$WORK/out"
check "once: something was read" grep -Eq "^in all .* read [0-9.]+[KM]" "$WORK/out"
check "once: nothing to compare with" grep -q "^a second  traps -" "$WORK/out"
check "once: the file, mapped whole" \
	grep -Eq "^ +[0-9.]+[KM] +16M .*  .*/mapped\$" "$WORK/out"
check_refused "once: a full disk" 1 "standard output" \
	bash -c '"$0" top --once "$1" >/dev/full' "$QUIRE" "$engine"

check_refused "no process can have that number" 2 "not the number" \
	"$QUIRE" top --once nobody
check_refused "no process" 2 "PID" "$QUIRE" top --once
check_refused "an interval of nothing" 2 "interval" \
	"$QUIRE" top --interval 0 "$engine"
check_refused "a process without an engine" 1 "process $$ has no Quire engine" \
	"$QUIRE" top --once "$$"
check_refused "no terminal" 1 "needs a terminal; --once" \
	"$QUIRE" top "$engine"

command -v python3 >/dev/null || {
	note "there is no python3: the terminal is not tested"
	finish
}

# on_terminal TERM SCRIPT: runs `quire top` on a terminal of 24 lines; SCRIPT is
# what to do there, in Python: see(BYTES) reads until they came.
on_terminal() {
	run timeout 60 python3 - "$QUIRE" "$engine" "$1" <<PYTHON
import fcntl, os, pty, re, signal, struct, sys, termios

program, engine, terminal = sys.argv[1:4]
os.environ["TERM"] = terminal
pid, there = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    os.execl(program, program, "top", "--interval", "1", engine)
shown = b""

def more():
    try:
        return os.read(there, 65536)
    except OSError:  # it has ended
        return b""

def see(pattern):
    global shown
    while not re.search(pattern, shown):
        piece = more()
        if not piece:
            sys.exit("never came: %r; shown: %r" % (pattern, shown))
        shown += piece
    shown = b""

def press(key):
    os.write(there, key)

def resize(rows, width):
    fcntl.ioctl(there, termios.TIOCSWINSZ,
                struct.pack("HHHH", rows, width, 0, 0))

def end():
    global shown
    while piece := more():
        shown += piece
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

$2
PYTHON
}

on_terminal xterm '
see(b"quire top: process")
press(b"q")
sys.exit(end())'
check "q ends it: status 0" [ "$status" -eq 0 ]

# A frame that is drawn from nothing has the star beside its column.
on_terminal xterm '
see(rb"\*RESIDENT")
press(b"p")
resize(30, 130)
see(rb"\*PATH")
resize(5, 40)
see(b"q ends")
press(b"x")
press(b"q")
sys.exit(end())'
check "keys sort, the window may change" [ "$status" -eq 0 ]
[ "$status" -eq 0 ] || sed 's/^/# /' "$WORK/err"

for terminal in dumb unheard-of ""; do
	on_terminal "$terminal" '
status = end()
text = shown.decode()
good = text.startswith("quire: ") and text.count("\n") == 1 and "--once" in text
sys.exit(0 if status == 1 and good else "status %d: %r" % (status, text))'
	check "TERM='$terminal' is refused with a sentence" [ "$status" -eq 0 ]
	sed 's/^/# /' "$WORK/err"
done

# The engine ends while it is looked at.
on_terminal xterm '
see(b"quire top: process")
os.kill(int(engine), signal.SIGKILL)
status = end()
text = shown.decode(errors="replace")
good = "quire: " in text.splitlines()[-1]
sys.exit(0 if status == 1 and good else "status %d: %r" % (status, text))'
check "an engine that ends: a sentence, status 1" [ "$status" -eq 0 ]
[ "$status" -eq 0 ] || sed 's/^/# /' "$WORK/err"
exec 3<&-
finish
