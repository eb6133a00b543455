#!/bin/bash
# test_trace_record.sh - bench/traces: the recorder notes what is touched
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

recorder=$QUIRE_BUILD/bench/trace-record.so
command -v python3 >/dev/null || skip "no python3"
mkdir "$WORK/native"
make_file "$WORK/native/first" 409600  # pages 0 to 99 of the trace
make_file "$WORK/native/second" 409600 # 112 to 211
cp -r "$WORK/native" "$WORK/recorded"

# Says the pages that it touches: but for what one of the last eight has been,
# and what is mapped anew counts as new.
cat >"$WORK/touch.py" <<'END'
import mmap, os, random

def map_file(name):
    with open(name, "r+b") as file:
        return mmap.mmap(file.fileno(), 0)

def touch(page):
    file, number = (first, page) if page < 112 else (second, page - 112)
    file[number * 4096 + page] = page
    if page not in window:
        print(page, flush=True)
        window.append(page)
        del window[:-8]

chance = random.Random(1)
pages = [*range(100), *range(112, 212)]
window = []
first, second = map_file("first"), map_file("second")
for step in range(2000):
    touch(pages[int(chance.random() ** 3 * 200)])
    if step % 100 == 99:
        first.close()
        first = map_file("first")
        window = [page for page in window if page >= 112]
if os.fork() == 0: # another process, the same numbers
    touch(99)
    touch(211)
    os._exit(0)
os.wait()
END

# numbers FILE: what the recorder left
numbers() {
	od -An -v -tu4 -w4 -j4 \
		-N$((4 * $(od -An -tu4 -N4 "$1"))) "$1" | tr -d ' '
}

native() {
	cd "$WORK/native" && python3 ../touch.py
}

recorded() {
	cd "$WORK/recorded" &&
		LD_PRELOAD=$recorder TRACE_RAW=$WORK/raw python3 ../touch.py
}

(native) >"$WORK/said"
run eval "(recorded)"
check "the program does not notice" [ "$status" -eq 0 ]
check "it says the same" cmp "$WORK/said" "$WORK/out"
check "it leaves the same files" \
	diff -r "$WORK/native" "$WORK/recorded"
numbers "$WORK/raw" >"$WORK/noted"
check "some pages were noted" [ "$(wc -l <"$WORK/noted")" -gt 1000 ]
check "what it touched was noted, in that order" \
	cmp "$WORK/out" "$WORK/noted"
finish
