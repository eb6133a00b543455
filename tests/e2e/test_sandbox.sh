#!/bin/bash
# test_sandbox.sh - where something is forbidden it works, or says what it needs
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

: "${QUIRE_SANDBOX:?is not set: the built sandbox.c}"
: "${QUIRE_BUILD:?is not set: the folder with libquire.so}"

# within RULE... -- COMMAND...
within() {
	"$QUIRE_SANDBOX" "$@"
}

within -- "$(type -P true)"
case $? in
0) ;;
77) skip "no seccomp filter to be had" ;;
*) exit 1 ;;
esac

make_file "$WORK/file" $(((3 << 20) + 77))
whole=$("$QUIRE" scan --budget 1M "$WORK/file" | sed -n 's/^checksum *//p')

# works NAME RULE...: every byte is read, and nothing is said
works() {
	local name=$1

	shift
	run within "$@" -- "$QUIRE" scan --json --budget 1M "$WORK/file"
	check "$name: it works" [ "$status" -eq 0 ]
	check "$name: the same checksum" grep -q "\"$whole\"" "$WORK/out"
	check "$name: without a complaint" [ ! -s "$WORK/err" ]
}

# copies NAME RULE...: loads and stores by the program itself
copies() {
	local name=$1

	shift
	rm -f "$WORK/copy"
	run within "$@" -- "$QUIRE" cp --budget 1M "$WORK/file" "$WORK/copy"
	check "$name: cp works" cmp -s "$WORK/file" "$WORK/copy"
	run within "$@" -- "$QUIRE" cat --budget 1M "$WORK/file"
	check "$name: cat works" same_output "$WORK/file"
}

works "no io_uring" no-ring
copies "no io_uring" no-ring

works "user mode only" no-full-uffd
check "... and the report says so" \
	grep -q '"trap_mode": "userfaultfd for user mode only' "$WORK/out"
copies "user mode only" no-full-uffd
works "user mode only, and no io_uring" no-full-uffd no-ring

for rules in no-uffd "no-uffd no-ring"; do
	# shellcheck disable=SC2086
	works "$rules" $rules
	check "... by signals, and the report says so" \
		grep -q '"trap_mode": "signals: ' "$WORK/out"
	# shellcheck disable=SC2086
	copies "$rules" $rules
done

# The README's program, as test_readme.sh has it, where there is only SIGSEGV.
awk '/^```c$/ { inside = 1; next }
	/^```$/ { if (inside) exit }
	inside' "$QUIRE_SOURCE/README.md" >"$WORK/readme.c"
# shellcheck disable=SC2086
check "the README's program compiles" ${CC:-cc} -std=gnu17 ${QUIRE_CFLAGS:-} \
	-I"$QUIRE_SOURCE/include" -o "$WORK/readme" "$WORK/readme.c" \
	-L"$QUIRE_BUILD" -lquire -Wl,-rpath,"$QUIRE_BUILD"
run "$WORK/readme" "$WORK/file"
sum=$(cat "$WORK/out")
run within no-uffd -- "$WORK/readme" "$WORK/file"
check "the README's program works by signals" [ "$status" -eq 0 ]
check "... with the same sum" [ "$(cat "$WORK/out")" = "$sum" ]
check "... and its log tells of it" grep -q "signals" "$WORK/err"

# A process that may not have more: it works, or says so, and never crashes.
orderly() {
	[ "$status" -eq 0 ] || { [ "$status" -eq 1 ] && one_sentence .; }
}

refused=0
for files in 5 6 7 8 9 10 11 12 13 14 15 16 24 64; do
	run within "files=$files" -- "$QUIRE" scan --budget 1M "$WORK/file"
	check "$files descriptors: status $status" orderly
	[ "$status" -eq 0 ] || refused=$((refused + 1))
done
check "some were too few" [ "$refused" -gt 0 ]
check "the last were enough" [ "$status" -eq 0 ]

if [ -n "${QUIRE_CFLAGS-}" ]; then
	note "sanitizers need all addresses: a limit on them is not tested"
	finish
fi
refused=0
for memory in 12 16 24 32 48 64 96 128 256 1024 65536; do
	run within "memory=$memory" -- "$QUIRE" scan --budget 1M "$WORK/file"
	check "$memory MiB of addresses: status $status" orderly
	[ "$status" -eq 0 ] || refused=$((refused + 1))
	run within "memory=$memory" -- "$QUIRE" scan anon:8M
	check "$memory MiB, and memory to scan: status $status" orderly
done
check "some were too few" [ "$refused" -gt 0 ]
check "the last were enough" [ "$status" -eq 0 ]
finish
