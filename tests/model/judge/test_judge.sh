#!/bin/bash
# test_judge.sh - the judge finds what is wrong, and takes nothing that is not listed
# SPDX-License-Identifier: MIT
#
# test_judge.sh JUDGE
#
# Linux is compared with itself, one of the two being wrong once.
set -uo pipefail
judge=$1
count=0
failures=0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# check TEXT COMMAND...: the command succeeds
check() {
	local text=$1

	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $text"
	else
		echo "not ok $count - $text"
		sed 's/^/# /' "$folder/out"
		failures=$((failures + 1))
	fi
}

# run STATUS ARGUMENT...: the judge ends with that status
run() {
	local wanted=$1

	shift
	"$judge" --executors kernel,kernel --steps 400 "$@" \
		>"$folder/out" 2>&1
	[ $? -eq "$wanted" ]
}

says() {
	grep -q -e "$1" "$folder/out"
}

# Few: what was wrong once is found again by itself.
few_steps() {
	local steps

	steps=$(sed -n 's/^\([0-9]*\) of [0-9]* steps suffice:$/\1/p' \
		"$folder/out")
	[ -n "$steps" ] && [ "$steps" -le 3 ]
}

check "Linux agrees with itself" run 0 --seed 1
check "it says what it did" \
	says '^judge: 400 steps in 2 sequences, .* first seed 1, last seed 2$'

for step in 0 57 133 390; do
	check "a wrong answer at step $step is found" run 1 --spoil $step
	check "its seed and step are said" \
		says "^seed $((1 + step / 200)), step $((step % 200)):$"
	check "few steps are left" few_steps
done
check "nothing is made smaller unasked" run 1 --spoil 57 --no-shrink
check "all steps are shown then" says '^58 of 58 steps suffice:$'

list=$folder/differences.md
ops=mmap,munmap,mprotect,mremap,msync,madvise,mincore,mlock,mlock2,munlock
ops=$ops,mlockall,munlockall,load,store,fetch,resize,pwrite,pread,fork,exit
printf '## D7: any\n\n`match: op=%s,limit kernel=any quire=any`\n' $ops \
	>"$list"
check "a listed difference is accepted" \
	run 0 --spoil 57 --differences "$list"
check "it is counted" says '^D7: met 1 times$'
check "it is in the line of figures" says ', 1 listed differences met,'
printf '## D7: other\n\n`match: op=mlock kernel=any quire=EOPNOTSUPP`\n' \
	>"$list"
check "another one is not" run 1 --spoil 57 --differences "$list"

# malformed TEXT LINE...: the list is refused, and the line is named
malformed() {
	local text=$1

	shift
	printf '%s\n' "$@" >"$list"
	check "$text is refused" run 3 --differences "$list"
	check "its line is named" says "differences.md:$#:"
}
malformed "a match outside of an entry" '`match: op=mmap kernel=any quire=any`'
malformed "an entry without a number" '## Done: nothing'
malformed "an unknown file" '## D1: a' '`match: op=mmap file=three`'
malformed "an unknown key" '## D1: a' '`match: op=mmap kernel=any a=b`'
malformed "an unknown operation" '## D1: a' '`match: op=mnap kernel=any`'
malformed "an unknown errno" '## D1: a' '`match: op=mmap kernel=EWRONG`'
malformed "an unknown flag" '## D1: a' '`match: op=mmap flags=MAP_ALL`'
malformed "a match of everything" '## D1: a' '`match: kernel=any quire=any`'
malformed "a match without an end" '## D1: a' '`match: op=mmap'
check "a list that is not there is refused" \
	run 3 --differences "$folder/missing"

check "wrong usage is refused" run 2 --steps many
check "an unknown operation is refused" run 2 --only mnap
check "one executor is too few" run 3 --executors kernel

[ $failures -eq 0 ]
