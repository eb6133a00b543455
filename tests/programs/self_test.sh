#!/bin/bash
# self_test.sh - the comparison finds what is different
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

check() {
	local name=$1

	shift
	if "$@"; then verdict ok "$name"; else verdict FAILED "$name"; fi
}

# pair: a folder with two runs that are the same
pair() {
	rm -rf "$WORK/pair"
	mkdir -p "$WORK/pair/native/folder"
	head -c 100000 /dev/zero >"$WORK/pair/native/folder/data"
	ln -s folder/data "$WORK/pair/native/link"
	cp -a "$WORK/pair/native" "$WORK/pair/other"
	for label in native other; do
		echo 0 >"$WORK/pair/$label.status"
		echo said >"$WORK/pair/$label.out"
		: >"$WORK/pair/$label.err"
	done
}

is_same() {
	same_runs "$WORK/pair" other >/dev/null 2>&1
}

# finds NAME COMMAND...: after COMMAND, in the other run, they differ
finds() {
	local name=$1

	shift
	pair
	(cd "$WORK/pair/other" && "$@")
	if is_same; then verdict FAILED "$name"; else verdict ok "$name"; fi
}

write_at() {
	printf x | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

append() {
	echo more >>"$1"
}

figures() {
	cat >"$WORK/figures" <<-END
	{"version": 1, "budget": $1, "resident_peak": $2,
	"clients": {"ever": 1, "refused_requests": $3}, "notes": [],
	"files": [{"traps": $4, "mapped_peak": $5}],
	"engine": {"traps": $4, "evictions": 0, "dirty": $6,
		"read_errors": $7, "write_errors": 0}}
	END
}

# accepts NUMBER...: the statistics that figures() makes of them
accepts() {
	figures "$@"
	"$programs/statistics.py" --budget 1M "$WORK/figures" >/dev/null 2>&1
}

refuses() {
	! accepts "$@"
}

# A test like the others, whose program does one thing under quire only.
write_test() {
	cat >"$programs_of_ours/pretended.sh" <<-END
	. "$programs/lib.sh"
	test_file=$programs_of_ours/pretended.sh
	prepare_thing() { head -c 50000 /dev/zero >data; }
	work_thing() { [ -z "\${IS_SECOND-}" ] || $1; cat data; }
	cases() { QUIRE=$programs_of_ours/quire; compare thing 1M; }
	main "\$@"
	END
}

# Stands for `quire run`: runs the program, and says what it would say.
write_quire() {
	cat >"$programs_of_ours/quire" <<-'END'
	#!/bin/bash
	[ "$4" = --stats ] && cp "$FIGURES" "$5"
	shift 6
	IS_SECOND=1 exec "$@"
	END
	chmod +x "$programs_of_ours/quire"
}

pretend() {
	write_test "$1"
	FIGURES=$WORK/figures bash "$programs_of_ours/pretended.sh" \
		>"$WORK/said" 2>&1
}

make_work
pair
check "the same is the same" is_same
finds "one byte of a file" write_at folder/data 77777
finds "a byte more" append folder/data
finds "a file that is missing" rm folder/data
finds "a file too many" append folder/new
finds "permissions" chmod 600 folder/data
finds "a link that leads elsewhere" ln -sf elsewhere link
finds "an empty folder" mkdir empty
finds "exit status" append ../other.status
finds "output" append ../other.out
finds "errors" append ../other.err
finds "no run at all" rm ../other.status

check "statistics: all is well" accepts 1048576 1048576 0 5 4096 0 0
check "statistics: no trap" refuses 1048576 1048576 0 0 4096 0 0
check "statistics: nothing mapped" refuses 1048576 1048576 0 5 0 0 0
check "statistics: above the budget" refuses 1048576 1052672 0 5 4096 0 0
check "statistics: another budget" refuses 2097152 1048576 0 5 4096 0 0
check "statistics: a refused request" refuses 1048576 1048576 1 5 4096 0 0
check "statistics: left dirty" refuses 1048576 1048576 0 5 4096 4096 0
check "statistics: a failed read" refuses 1048576 1048576 0 5 4096 0 1
rm "$WORK/figures"
check "statistics: none" [ "$("$programs/statistics.py" --budget 1M \
	"$WORK/figures" 2>&1 | grep -c 'no statistics')" -eq 1 ]

programs_of_ours=$WORK/ours
mkdir "$programs_of_ours"
write_quire
figures 1048576 4096 0 5 4096 0 0
check "a whole test: passes" pretend true
for lie in "printf x | dd of=data bs=1 seek=40000 conv=notrunc status=none" \
	"echo x" "echo x >&2" "exit 3" "echo x >new"; do
	pretend "{ $lie; }"
	check "a whole test: found: $lie" [ $? -eq 1 ]
done
figures 1048576 4096 0 0 4096 0 0
pretend true
check "a whole test: found: nothing was taken" [ $? -eq 1 ]

LIE=1 QUIRE=none "$programs/soak.sh" 1 >"$WORK/said" 2>&1
check "the soak: found: one byte of the model" \
	[ "$(grep -c '^FAILED .*\(model\|FAILED\)' "$WORK/said")" -eq 2 ]

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
