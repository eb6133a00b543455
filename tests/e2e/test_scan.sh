#!/bin/bash
# test_scan.sh - quire scan reads every byte, in every manner
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

checksum() {
	"$QUIRE" scan "$@" | sed -n 's/^checksum *//p'
}

# field NAME: its number in the table of the last run
field() {
	sed -n "s/^$1  *\([0-9.]*\).*/\1/p" "$WORK/out"
}

json_valid() {
	python3 -m json.tool "$WORK/out" >/dev/null
}

make_file "$WORK/file" $(((40 << 20) + 123))
whole=$(checksum "$WORK/file")
check "there is a checksum" [ ${#whole} -eq 16 ]
for options in "" --random "--threads 4" "--threads 4 --random" \
	"--threads 7" --verify "--verify --random --threads 3"; do
	for budget in 1M 8M 64M; do
		# shellcheck disable=SC2086
		check "the same checksum: --budget $budget $options" \
			[ "$(checksum $options --budget $budget \
				"$WORK/file")" = "$whole" ]
	done
done

# Whatever is there, one of the two differs from it.
byte=$(dd if="$WORK/file" bs=1 skip=30000000 count=1 status=none | od -An -tx1)
[ "$byte" = " 78" ] && byte=y || byte=x
printf $byte | dd of="$WORK/file" bs=1 seek=30000000 conv=notrunc status=none
refute "a byte changed: another checksum" \
	[ "$(checksum "$WORK/file")" = "$whole" ]

run "$QUIRE" scan --budget 8M "$WORK/file"
check "it counts the bytes" [ "$(field bytes)" -eq $(((40 << 20) + 123)) ]
check "it says the budget" [ "$(field budget)" -eq $((8 << 20)) ]
check "it stays within the budget" \
	[ "$(field "peak resident")" -le $((8 << 20)) ]
check "it had to read every page" \
	[ "$(field "pages read")" -ge $(((40 << 20) / 4096 + 1)) ]
check "pages had to leave" \
	[ "$(field evictions)" -ge $(((32 << 20) / 4096)) ]
check "there is a rate" grep -q "^MiB/s  *[0-9]" "$WORK/out"

for size in 0 1 4096 4097; do
	make_file "$WORK/small" "$size"
	run "$QUIRE" scan --verify --random --threads 4 "$WORK/small"
	check "$size bytes by four threads" [ "$status" -eq 0 ]
done

run "$QUIRE" scan --json --threads 2 "$WORK/file"
check "--json is JSON" json_valid
check "... with the bytes" grep -q '"bytes": 41943163' "$WORK/out"

# A name that needs every kind of escape, and is no UTF-8 in one place.
odd="$WORK/"$'a "quoted" \\ name\twith\nlines, \303\244\342\202\254 \377 \001'
make_file "$odd" 10
run "$QUIRE" scan --json "$odd"
check "--json is JSON whatever the file is called" json_valid
check "... and the name comes back" python3 - "$WORK/out" "$odd" <<'PYTHON'
import json, os, sys
uri = json.load(open(sys.argv[1], encoding="utf-8"))["uri"]
sys.exit(uri != os.fsencode(sys.argv[2]).decode("utf-8", "replace"))
PYTHON

check_refused "--verify of what is no file" 2 "needs a file" \
	"$QUIRE" scan --verify anon:1M
# More threads than pages: each takes the page that another has just read.
make_file "$WORK/small" $((1 << 20))
run timeout 100 "$QUIRE" scan --budget 4096 --threads 4 --verify "$WORK/small"
check "one page for four threads" [ "$status" -eq 0 ]

run "$QUIRE" scan "$WORK/file"
check "no progress in a pipe" [ ! -s "$WORK/err" ]
finish
