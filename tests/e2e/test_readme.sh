#!/bin/bash
# test_readme.sh - the first program that the README shows does what it says
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

: "${QUIRE_BUILD:?is not set: the folder with libquire.so}"

# The first ```c block.
awk '/^```c$/ { inside = 1; next }
	/^```$/ { if (inside) exit }
	inside' "$QUIRE_SOURCE/README.md" >"$WORK/readme.c"
[ -s "$WORK/readme.c" ] || echo "#error no program" >"$WORK/readme.c"
check "the README shows a program" grep -q quire_mmap "$WORK/readme.c"
cp "$QUIRE_SOURCE/examples/first.c" "$WORK/first.c"

# Four times the 16 MiB that the program has for it.
make_file "$WORK/file" $((64 << 20))
sum=$(od -An -v -tu1 -w4096 "$WORK/file" |
	awk '{ for (i = 1; i <= NF; i++) sum += $i } END { printf "%.0f", sum }')

build() {
	# shellcheck disable=SC2086
	${CC:-cc} -std=gnu17 -Wall -Wextra -Werror -O2 ${QUIRE_CFLAGS:-} \
		-I"$QUIRE_SOURCE/include" -o "$WORK/$1" "$WORK/$1.c" \
		-L"$QUIRE_BUILD" -lquire -Wl,-rpath,"$QUIRE_BUILD"
}

for program in readme first; do
	check "$program.c compiles without a warning" build "$program"
	run "$WORK/$program" "$WORK/file"
	check "$program: status 0" [ "$status" -eq 0 ]
	check "$program: the sum is right" grep -qw "$sum" "$WORK/out"
	run "$WORK/$program" "$WORK/nothing"
	check "$program: no such file" [ "$status" -ne 0 ]
	check "... is a sentence" grep -q "No such file" "$WORK/err"
done
finish
