#!/bin/bash
# test_explain.sh - quire explain: lessons, scripts, refusals
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# Scratch files, and what would be left of them.
mkdir "$WORK/tmp"
export TMPDIR=$WORK/tmp
unset NO_COLOR
export LC_ALL=C.UTF-8

explain() {
	run "$QUIRE" explain "$@"
}

# script LINE...: a script of these lines, in $WORK/script
script() {
	printf '%s\n' "$@" >"$WORK/script"
}

says() {
	grep -qF -e "$1" "$WORK/out"
}

silent() {
	[ ! -s "$WORK/err" ]
}

# ---- lessons ----

explain --list
check "--list: status 0" [ "$status" -eq 0 ]
lessons=$(cut -d' ' -f1 "$WORK/out")
check "as many as there are files" [ "$(wc -w <<<"$lessons")" -eq \
	"$(ls "$QUIRE_SOURCE"/cli/lessons/*.quire | wc -l)" ]
for lesson in $lessons; do
	explain --check --lesson "$lesson"
	check "$lesson: status 0, and nothing on standard error" \
		eval '[ "$status" -eq 0 ] && silent'
	check "$lesson: the kernel agrees" says "The kernel agrees in every step."
	refute "$lesson: no difference" says DIFFERS:
	check "$lesson: expectations held" says "holds   expect"
	refute "$lesson: none did not" says WRONG
	mv "$WORK/out" "$WORK/first"
	explain --check --lesson "$lesson"
	check "$lesson: the same output twice" same_output "$WORK/first"
	"$QUIRE" explain --check <"$QUIRE_SOURCE/cli/lessons/$lesson.quire" \
		>"$WORK/out" 2>&1
	check "$lesson: the file through a pipe shows the same" \
		same_output "$WORK/first"
done

# ---- what each is to show ----

shows() {
	python3 - "$1" "$WORK/story" <<'PYTHON'
import json, sys
story = json.load(open(sys.argv[2]))
steps = story["steps"]
def states(step, process=0):
    return [p.get("state", p["source"]) for a in
            step["processes"][process]["areas"] for p in a["table"]]
def sources(step, process=0):
    return [p["source"] for a in step["processes"][process]["areas"]
            for p in a["table"]]
def find(source, nth=0):
    return [s for s in steps if s["source"] == source][nth]
if not eval(sys.argv[1]):
    raise SystemExit(1)
PYTHON
}

shows_difference() {
	python3 -c '
import json, sys
story = json.load(open(sys.argv[1]))
assert not story["agrees"]
assert [s["agrees"] for s in story["steps"]] == [True, False]
assert story["steps"][1]["kernel"]["good"]
' "$WORK/out"
}

story() {
	explain --json "$@"
	mv "$WORK/out" "$WORK/story"
}

story --lesson write-back
check "write-back: a store leaves cache and file different" shows \
	'find("write m \"New\"")["files"][0]["pages"][0]["differs"]'
check "... the file has the old bytes" shows \
	'find("write m \"New\"")["files"][0]["pages"][0]["file"].startswith("The")'
check "... msync makes them equal" shows \
	'not any(p["differs"] for p in find("sync m 2p")["files"][0]["pages"])'
check "... a store to an entry that allows it passes no station" shows \
	'find("write m+4 \"text\"")["stations"] == []'
check "... and is dirty" shows \
	'find("write m+4 \"text\"")["files"][0]["pages"][0]["state"] == "dirty"'
story --lesson copy-on-write
check "copy-on-write: a fork gives each page two holders" shows \
	'[p.get("holders") for p in find("fork child")["processes"][1]["areas"][0]["table"]] == [2, 2, None]'
check "... and takes the right to store from both" shows \
	'{p["rights"] for i in (0, 1) for p in find("fork child")["processes"][i]["areas"][0]["table"] if "rights" in p} == {"r--"}'
check "... a load needs the page of zeros only" shows \
	'sources(find("touch a")) == ["zeros", "none", "none"]'
story --lesson swap
check "swap: pages leave, never more than the budget stay" shows \
	'all(s["memory"]["resident"] <= 8 for s in steps) and "swapped" in states(find("write a+6p 4p \"ten\""))'
check "... and come back" shows 'states(find("read a 3"))[0] == "clean"'
story --lesson split
check "split: two mappings where there was one" shows \
	'[len(s["processes"][0]["areas"]) for s in steps[2:4]] == [1, 2]'
check "... below one node of the tree" shows \
	'[[t["depth"] for t in steps[3]["processes"][0][k]] for k in ("nodes", "areas")] == [[0], [1, 1]]'
story --lesson merge
check "merge: three, and one again" shows \
	'[len(s["processes"][0]["areas"]) for s in steps[:3]] == [1, 3, 1]'
story --lesson three-sizes
check "three-sizes: SIGBUS behind the file, SIGSEGV behind the mapping" shows \
	'[s["result"]["signal"] for s in steps if s["source"] in ("read m+2p", "read m+4p")] == [7, 11, 0]'

# ---- scripts ----

script 'a = map anonymous private rw pages 2' 'write a "x"' 'read a 1' \
	'expect "x"'
explain "$WORK/script"
check "a script from a file" eval '[ "$status" -eq 0 ] && says "\"x\""'
mv "$WORK/out" "$WORK/first"
run bash -c '"$0" explain - <"$1"' "$QUIRE" "$WORK/script"
check "a script from standard input" same_output "$WORK/first"
explain --check --json "$WORK/script"
check "--json --check: the kernel's answer is in it" python3 -c '
import json, sys
story = json.load(open(sys.argv[1]))
assert story["checked"] and story["agrees"] and story["holds"]
assert [s["agrees"] for s in story["steps"]] == [True] * 3
assert story["steps"][2]["kernel"]["bytes"] == "x"
' "$WORK/out"

script 'a = map anonymous private r pages 1' 'write a "x"' 'expect ok' 'read a'
explain "$WORK/script"
check "a wrong expectation is status 1" [ "$status" -eq 1 ]
check "... is shown" says "WRONG   expect ok"
refute "... and ends the script" says "> read a"
script 'a = map anonymous private rw pages 1' 'read a 2' 'expect "xy"'
explain --json "$WORK/script"
check "other bytes than expected: status 1" [ "$status" -eq 1 ]
check "... and JSON all the same" python3 -c '
import json, sys
story = json.load(open(sys.argv[1]))
assert not story["holds"]
assert not story["steps"][1]["expectations"][0]["holds"]
' "$WORK/out"

# A budget locks less than the kernel: so a difference is seen.
script 'budget 4p' 'a = map anonymous private rw pages 8' 'lock a 8p'
explain --check "$WORK/script"
check "a difference is status 1" [ "$status" -eq 1 ]
check "... is shown at its step" says "kernel  DIFFERS: ok"
check "... and at the end" says "The kernel DIFFERS."
explain --check --json "$WORK/script"
check "... and in JSON" shows_difference
explain "$WORK/script"
check "without --check nobody asks" [ "$status" -eq 0 ]

# Calls of all kinds, each against the kernel.
script 'file f "abc" size 9000' 'file r "only" readonly' \
	'a = map f shared rw pages 3' \
	'b = map f private rwx pages 3 populate' \
	'c = map r shared rw' 'expect EACCES' \
	'd = map anonymous private rw pages 4 noreserve' \
	'e = map f shared r at d pages 1 noreplace' 'expect EEXIST' \
	'e = map f shared r at d+1p pages 1 fixed' 'expect ok' \
	'write b "mine\xc3"' 'fetch b+4' 'expect ok' 'fetch a' 'expect SIGSEGV' \
	'protect a+1p 1p r' 'write a+1p "x"' 'expect SIGSEGV' \
	'protect a 9p rw' 'expect ENOMEM' \
	'advise d 1p dontneed' 'advise 0x10001 1p normal' 'expect EINVAL' \
	'lock d 1p' 'unlock d 1p' 'sync a 3p' 'sync a+1 1p' 'expect EINVAL' \
	'sync a 1p async invalidate' \
	'g = map f private r offset 1' 'expect EINVAL' \
	'fork child' 'child: fork grandchild' 'grandchild: write b "kid"' \
	'child: read b 4' 'expect "mine"' 'child: file late "after" size 4096' \
	'child: l = map late shared rw' 'child: write l "LATE"' \
	'read l 4' 'expect SIGSEGV' 'unmap a 20p' 'expect ok' \
	'grandchild: read a 3' 'expect "abc"' 'touch 0x1000 2p' 'expect SIGSEGV'
explain --check "$WORK/script"
check "calls of all kinds: the kernel agrees" \
	eval '[ "$status" -eq 0 ] && says "The kernel agrees"'
[ "$status" -eq 0 ] || grep -E -B8 'WRONG|DIFFERS:' "$WORK/out" "$WORK/err"
script 'a = map anonymous private rw pages 2' 'write a 2p "ab"' \
	'remap a 2p 4p maymove' 'expect ok' 'read a+1p 2' 'expect "ab"' \
	'remap a 4p 1p' 'read a+1p' 'expect SIGSEGV' \
	'k = map anonymous shared rw pages 1' \
	'b = map anonymous private rw pages 1' 'remap b 1p 8p' 'expect ENOMEM' \
	'remap b 1p 8p maymove' 'expect ok' 'touch b+7p'
explain --check "$WORK/script"
check "remap: the kernel agrees" \
	eval '[ "$status" -eq 0 ] && says "The kernel agrees"'
[ "$status" -eq 0 ] || grep -E -B8 'WRONG|DIFFERS:' "$WORK/out" "$WORK/err"

# ---- what it looks like ----

explain --lesson split
check "boxes are drawn in a UTF-8 locale" says "┌──"
refute "no line ends with a blank" grep -q ' $' "$WORK/out"
refute "no colour in a pipe" grep -q $'\033' "$WORK/out"
LC_ALL=C run "$QUIRE" explain --lesson split
check "plain ones in the C locale" says "+--"
refute "... and nothing but ASCII" grep -qP '[^\x00-\x7f]' "$WORK/out"
explain --color=always --lesson split
check "--color=always" grep -q $'\033' "$WORK/out"
run command script -qec "$QUIRE explain --lesson split" /dev/null
if [ "$status" -eq 0 ]; then
	check "colour on a terminal" grep -q $'\033' "$WORK/out"
	NO_COLOR=1 run command script -qec "$QUIRE explain --lesson split" /dev/null
	refute "NO_COLOR is respected" grep -q $'\033' "$WORK/out"
else
	note "there is no script(1): terminals are not tested"
fi

# ---- pages ----

explain --lesson split --html "$WORK/page.html"
check "--html: status 0, and no text" \
	eval '[ "$status" -eq 0 ] && [ ! -s "$WORK/out" ]'
check "... the page has the story" python3 - "$WORK/page.html" <<'PYTHON'
import json, re, sys
page = open(sys.argv[1], encoding="utf-8").read()
story = re.search(r'<script type="application/json" id="story">(.*?)</script>',
                  page, re.S).group(1)
assert len(json.loads(story)["steps"]) == 11
assert not re.search(r'(src|href)\s*=', page)
assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
PYTHON
script 'say "</script><script>alert(1)</script><!--"' \
	'a = map anonymous private r pages 1'
explain --html "$WORK/page.html" "$WORK/script"
check "what a script says stays text" \
	[ "$(grep -c '</script>' "$WORK/page.html")" -eq 2 ]
check_refused "a full disk for the page" 1 "cannot write /dev/full" \
	"$QUIRE" explain --lesson split --html /dev/full
check_refused "no such folder for the page" 1 "No such file" \
	"$QUIRE" explain --lesson split --html "$WORK/no/page.html"
run bash -c '"$0" explain --lesson split >/dev/full' "$QUIRE"
check "a full disk for the text" \
	eval '[ "$status" -eq 1 ] && one_sentence "standard output"'

# ---- the example in README.md ----

sed -n "/quire explain --check <<'END'/,/^    END/{s/^    //;p}" \
	"$QUIRE_SOURCE/README.md" | sed '1d;$d' >"$WORK/script"
explain --check "$WORK/script"
check "README.md: the example runs" [ "$status" -eq 0 ]
sed -n '/^step 3 of 3/,$p' "$WORK/out" >"$WORK/last"
sed -n '/^    step 3 of 3/,/^    The kernel/{s/^    //;p}' \
	"$QUIRE_SOURCE/README.md" >"$WORK/readme"
check "... and shows what stands there" cmp "$WORK/last" "$WORK/readme"

# ---- refusals ----

# refused NAME PLACE WHAT LINE...
refused() {
	local name=$1 place=$2 what=$3

	shift 3
	script "$@"
	check_refused "$name" 2 "$place: .*$what" "$QUIRE" explain "$WORK/script"
}

refused "no statement" "line 1, column 1" "expected a statement" ""
refused "an unknown word" "line 2, column 3" "expected a statement .*'jump'" \
	"# a comment" "  jump a"
refused "an unknown mapping" "line 1, column 6" "no line above maps 'a'" "read a"
refused "an unknown file" "line 1, column 9" "expected a file" \
	"a = map data private r"
refused "a wrong right" "line 1, column 27" "expected rights" \
	"a = map anonymous private rq pages 1"
refused "a line that ends early" "line 1, column 30" "the line ends here" \
	"a = map anonymous private rw "
refused "a length that is none" "line 1, column 36" "expected a number" \
	"a = map anonymous private rw pages many"
refused "a number with a wrong end" "line 2, column 9" "expected a length" \
	"a = map anonymous private rw pages 1" "unmap a 1q"
refused "an open quote" "line 1, column 11" "expected a closing quote" \
	'say "hello'
refused "a wrong escape" "line 1, column 7" "behind the backslash" \
	'say "\q"'
refused "more than there should be" "line 2, column 10" "end of the line" \
	"a = map anonymous private rw pages 1" "read a 4 5"
refused "an unknown process" "line 2, column 1" "expected a process" \
	"a = map anonymous private rw pages 1" "son: read a"
refused "a process twice" "line 2, column 6" "there is a 'son' already" \
	"fork son" "fork son"
refused "a file's name that leads away" "line 1, column 6" "without a /" \
	'file ../x "y"'
refused "an expectation of nothing" "line 1, column 8" "a statement before" \
	'expect ok'
refused "a budget too late" "line 2, column 1" "above all statements" \
	"fork son" "budget 8p"
refused "a byte that is no word" "line 1, column 1" "expected a word" "@"

script 'a = map anonymous private rw length 0' 'expect EINVAL' 'read a'
run "$QUIRE" explain "$WORK/script"
check "a mapping that was not made cannot be read" eval \
	'[ "$status" -eq 1 ] && one_sentence "line 3, column 1: the mapping"'
head -c 2M /dev/zero >"$WORK/large"
check_refused "no script at all" 1 "longer than" "$QUIRE" explain "$WORK/large"
check_refused "no such script" 1 "No such file" "$QUIRE" explain "$WORK/nothing"
check_refused "a folder" 1 "cannot read" "$QUIRE" explain "$WORK"
check_refused "no such lesson" 2 "no lesson 'nothing'" \
	"$QUIRE" explain --lesson nothing
check_refused "a lesson and a script" 2 "not both" \
	"$QUIRE" explain --lesson split "$WORK/script"
check_refused "no such colour" 2 "not always, never or auto" \
	"$QUIRE" explain --color=red --lesson split
TMPDIR=$WORK/nowhere check_refused "no place for the files" 1 \
	"cannot make a directory" "$QUIRE" explain --lesson split

# Killed while it waits for a reader: nothing stays.
mkfifo "$WORK/pipe"
{
	echo 'file f "x" size 64k'
	echo 'a = map f shared rw'
	for _ in $(seq 100); do echo 'touch a 16p'; done
} >"$WORK/script"
"$QUIRE" explain "$WORK/script" >"$WORK/pipe" 2>/dev/null &
victim=$!
children+=("$victim")
exec 3<"$WORK/pipe"
head -c 1 <&3 >/dev/null
kill -TERM "$victim"
wait "$victim"
check "a signal ends it" [ $? -eq $((128 + 15)) ]
exec 3<&-
check "no scratch file is left" [ -z "$(ls "$WORK/tmp")" ]
finish
