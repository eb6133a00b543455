#!/bin/bash
# test_demo.sh - the demo does its work, and leaves the file alone
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

: "${QUIRE_BUILD:?is not set: the folder with demo}"
demo=$QUIRE_BUILD/demo

# An end that is no page's, and twice a budget that must be kept.
make_file "$WORK/file" $(((24 << 20) + 1234))
before=$(sha256sum <"$WORK/file")
chmod 400 "$WORK/file"
mkdir "$WORK/folder"

run "$demo" --folder "$WORK/folder" "$WORK/file"
check "status 0" [ "$status" -eq 0 ]
[ "$status" -eq 0 ] || sed 's/^/# /' "$WORK/err"
check "every byte was verified, in all three ways" \
	grep -Eq "every byte equal to read.*yes +yes +yes$" "$WORK/out"
check "what changed was proven, in all three ways" \
	grep -Eq "those bytes and no other +yes +yes +yes$" "$WORK/out"
check "the checksums are equal" grep -q "read the same bytes" "$WORK/out"
check "a quarter of the file is the budget" \
	grep -q "budget    6.0 MiB, 0.25 of the file" "$WORK/out"
check "the file is as it was" [ "$(sha256sum <"$WORK/file")" = "$before" ]
check "no copy is left" [ -z "$(ls -A "$WORK/folder")" ]

run "$demo" --budget 2M --folder "$WORK/folder" "$WORK/file"
check "another budget" grep -q "budget    2.0 MiB" "$WORK/out"
peak=$(sed -n 's/.*peak of the data in memory, MiB *\([0-9.]*\).*/\1/p' \
	"$WORK/out")
check "the data stays within it" \
	awk -v peak="$peak" 'BEGIN { exit !(peak > 0 && peak <= 2.0) }'

run "$demo" --folder "$WORK/nowhere" "$WORK/file"
check "no room for a copy: status 0" [ "$status" -eq 0 ]
check "... and it says what is left out" grep -q "left out" "$WORK/out"

run "$demo" "$WORK"
check "a folder: status 1" [ "$status" -eq 1 ]
run "$demo" "$WORK/nothing"
check "no such file: status 1" [ "$status" -eq 1 ]
run "$demo"
check "no file: status 2" [ "$status" -eq 2 ]
run "$demo" --budget x "$WORK/file"
check "a wrong budget: status 2" [ "$status" -eq 2 ]

"$QUIRE_SOURCE/demo/make-data.sh" "$WORK/data/made" 3 >/dev/null
check "data is made in full" \
	[ "$(stat -c %s "$WORK/data/made")" -eq $((3 << 20)) ]
made=$(stat -c %i "$WORK/data/made")
"$QUIRE_SOURCE/demo/make-data.sh" "$WORK/data/made" 3
check "... and kept" [ "$(stat -c %i "$WORK/data/made")" = "$made" ]
finish
