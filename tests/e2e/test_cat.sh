#!/bin/bash
# test_cat.sh - quire cat writes what is in the file
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

same_sum() {
	local sum

	# or a program that fails would have written what an empty file holds
	sum=$(set -o pipefail && "$QUIRE" cat --budget "$2" "$1" | sha256sum) &&
		[ "$sum" = "$(sha256sum <"$1")" ]
}

for size in 0 1 4095 4096 4097 5000 $((300 << 20)); do
	make_file "$WORK/file" "$size"
	for budget in 1M 4M 64M; do
		check "$size bytes, budget $budget" \
			same_sum "$WORK/file" "$budget"
	done
done

make_file "$WORK/file" 100000
check "a budget of one page is enough" same_sum "$WORK/file" 4K

run "$QUIRE" cat "file:$WORK/file"
check "file: names a file" same_output "$WORK/file"

head -c 100000 /dev/zero >"$WORK/zeros"
run "$QUIRE" cat anon:100000
check "anon: is zeros" same_output "$WORK/zeros"
run "$QUIRE" cat mem:100000
check "mem: is zeros" same_output "$WORK/zeros"

# A file that grew or shrank beforehand is as long as it is now.
truncate -s 5000 "$WORK/file"
run "$QUIRE" cat "$WORK/file"
check "a file that was cut is read to its end" same_output "$WORK/file"

# Without the right to kernel-mode faults, system calls cannot be handed mapped
# memory; cat hands them none.
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
chmod 755 "$WORK"
if [ "$(id -u)" -eq 0 ] && "${as_nobody[@]}" "$QUIRE" version >"$WORK/out" 2>&1
then
	run "${as_nobody[@]}" "$QUIRE" cat --budget 1M "$WORK/file"
	check "an unprivileged user gets the same" same_output "$WORK/file"
	check "... and no warning" [ ! -s "$WORK/err" ]
fi

check_refused "a full device is a sentence" 1 "No space left" \
	bash -c '"$0" cat "$1" >/dev/full' "$QUIRE" "$WORK/file"

# The reader takes some bytes and leaves: no crash, no message, status 1.
make_file "$WORK/file" $((8 << 20))
run bash -c '"$0" cat "$1" | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}' \
	"$QUIRE" "$WORK/file"
check "a reader that leaves ends it with status 1" [ "$status" -eq 1 ]
check "... and nothing is said" [ ! -s "$WORK/err" ]

# Short writes: a pipe that is drained by seven bytes at a time.
head -c 200000 "$WORK/file" >"$WORK/short"
"$QUIRE" cat "$WORK/short" | dd bs=7 status=none >"$WORK/copy"
check "short writes lose nothing" cmp -s "$WORK/short" "$WORK/copy"
finish
