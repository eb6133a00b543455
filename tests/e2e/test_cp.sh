#!/bin/bash
# test_cp.sh - quire cp: all of it, or no file that looks like it
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

copies() {
	"$QUIRE" cp --budget "$3" "$1" "$2" && cmp -s "$1" "$2"
}

for size in 0 1 4095 4096 4097 5000 $((24 << 20)); do
	make_file "$WORK/from" "$size"
	for budget in 1M 4M 64M; do
		rm -f "$WORK/to"
		check "$size bytes, budget $budget" \
			copies "$WORK/from" "$WORK/to" "$budget"
	done
done

make_file "$WORK/from" 60000
check "a longer target that is there is replaced" \
	copies "$WORK/from" "$WORK/to" 1M
check "a budget of two pages is enough" copies "$WORK/from" "$WORK/to" 8K

rm -f "$WORK/to"
chmod 640 "$WORK/from"
(umask 0 && "$QUIRE" cp "$WORK/from" "$WORK/to")
check "the copy has the permissions of the source" \
	[ "$(stat -c %a "$WORK/to")" = 640 ]

rm -f "$WORK/to"
head -c 70000 /dev/zero >"$WORK/zeros"
run "$QUIRE" cp anon:70000 "$WORK/to"
check "anon: to a file" cmp -s "$WORK/zeros" "$WORK/to"
check "a file to anon:" "$QUIRE" cp "$WORK/from" anon:4096

cp "$WORK/from" "$WORK/kept"
check_refused "onto itself: refused" 1 "same file" \
	"$QUIRE" cp "$WORK/from" "$WORK/from"
ln "$WORK/from" "$WORK/link"
check_refused "onto its other name: refused" 1 "same file" \
	"$QUIRE" cp "$WORK/from" "file:$WORK/link"
check "... and it is whole" cmp -s "$WORK/from" "$WORK/kept"

check_refused "no such source" 1 "No such file" \
	"$QUIRE" cp "$WORK/nothing" "$WORK/new"
check "... makes no target" [ ! -e "$WORK/new" ]
check_refused "no such folder" 1 "No such file" \
	"$QUIRE" cp "$WORK/from" "$WORK/nowhere/new"
check_refused "a folder as target" 1 "directory" \
	"$QUIRE" cp "$WORK/from" "$WORK"

# The target has its size as soon as the copying begins.
make_file "$WORK/from" $((256 << 20))
rm -f "$WORK/to"
"$QUIRE" cp --budget 1M "$WORK/from" "$WORK/to" 2>"$WORK/err" &
copier=$!
children+=("$copier")
until [ -s "$WORK/to" ]; do
	kill -0 "$copier" 2>/dev/null || break
done
kill -TERM "$copier"
wait "$copier"
status=$?
check "a signal ends the copy with status 1" [ "$status" -eq 1 ]
check "... says so" one_sentence "interrupted"
check "... and leaves no half file" [ ! -e "$WORK/to" ]
# What stands in the place of a closed descriptor is not written to.
make_file "$WORK/closed" 5000
cat_closed() {
	"$QUIRE" cat "$WORK/closed" >&- 2>"$WORK/err"
}
cp_closed() {
	"$QUIRE" cp "$WORK/closed" "$WORK/copied" <&- >&- 2>&-
}
refute "cat with its output closed" cat_closed
check "... says so" grep -q "standard output" "$WORK/err"
check "cp with all of them closed" cp_closed
check "... and it is a copy" cmp -s "$WORK/closed" "$WORK/copied"

# Of what nobody may read the copy is not for everybody.
if [ "$(id -u)" -eq 0 ]; then
	chmod 000 "$WORK/closed"
	check "cp of a file of mode 000" \
		"$QUIRE" cp "$WORK/closed" "$WORK/secret"
	check "... is the owner's alone" \
		[ "$(stat -c %a "$WORK/secret")" = 600 ]
fi

finish
