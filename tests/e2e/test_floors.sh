#!/bin/bash
# test_floors.sh - bench/floors.py: what was to be reached, and what was
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || skip "there is no python3"
export PYTHONDONTWRITEBYTECODE=1
floors=$QUIRE_SOURCE/bench/floors.py

# results FILE [CHANGES]: all rows of the short form, every floor reached; then
# CHANGES, in Python: row(id, variant) is one, rows is the list of all.
cat >"$WORK/make.py" <<'PYTHON'
import json, sys
sys.path.insert(0, sys.argv[1] + "/bench")
import floors

def made(id, variant, names=()):
    return {"id": id, "variant": variant, "skipped": None,
            "checksum_equal": True,
            "ratio": {"min": 29, "median": 30, "max": 31.125},
            "limit_ratio": {"min": 1, "median": 2, "max": 3},
            "cpu_us_per_op": {"quire": 0.0314, "peer": 123.4},
            "figures": {name: {"quire": 8, "peer": 9, "at_most": 10}
                        for name in names}}

def row(id, variant):
    return next(row for row in rows if (row["id"], row["variant"]) ==
                (id, variant))

rows = [made(row.id, row.variant, row.bounds) for row in floors.ROWS
        if not row.long]
exec(sys.argv[2])
print(json.dumps({"commit": "c0ffee", "results": rows}))
PYTHON
results() {
	python3 "$WORK/make.py" "$QUIRE_SOURCE" "${2-}" >"$WORK/$1"
}

# says PATTERN: a line of standard output or standard error is that
says() {
	cat "$WORK/out" "$WORK/err" | grep -qxE -- "$1"
}

# counts PATTERN: the last line is that, where N is the number of all floors
counts() {
	tail -n 1 "$WORK/out" | grep -qxE "${1//N/$all}"
}

# ---- for a human ----

results good
run "$floors" "$WORK/good"
check "all is well" [ "$status" -eq 0 ]
all=$(tail -n 1 "$WORK/out" | sed 's/ .*//')
check "there are many floors" [ "$all" -gt 50 ]
check "a line for each, and three" \
	[ "$(wc -l <"$WORK/out")" -eq $((all + 3)) ]
check "all are reached" counts \
	"N of N floors reached; 0 out of this device's reach, 0 not measured"

results missed '
row("W1", "4 threads").update(ratio={"median": 0.72},
                              limit_ratio={"median": 0.8})
row("W1", "16 threads")["ratio"]["median"] = 0.8
row("W4", "1 thread").update(ratio={"median": 0.979},
                             limit_ratio={"median": 0.99})
row("W5", "1 thread")["ratio"]["median"] = 0.9699
row("W7", "1 thread")["figures"]["store_max_us"]["quire"] = 12
row("W8", "1 thread, one page")["figures"]["ns_per_pair"]["quire"] = 25.1
row("W12", "alone")["figures"]["read_p99_us"]["quire"] = 13.5
row("W12", "alone")["figures"]["read_p99.9_us"]["quire"] = 13.5
'
run "$floors" "$WORK/missed"
check "a floor that is missed is no failure" [ "$status" -eq 0 ]
check "by how much, and what was possible" says \
	" *W1 +4 threads +Quire : peer +0.72 +at least 0.8 +missed by 10 % \(ceiling 1.20\)"
check "just reached" says \
	" *W1 +16 threads +Quire : peer +0.80 +at least 0.8 +reached \(.*\)"
check "more than the device has" says \
	" *W4 +1 thread +.* missed by 11 % \(ceiling 0.99: out of this device's reach\)"
check "a scan is at best as fast as its limit" says \
	" *W4 +1 thread +Quire : limit +0.99 +at least 0.95 +reached"
check "missed by very little" says \
	" *W5 +1 thread +Quire : peer +0.97 +at least 0.97 +missed by 0.1 %"
check "a figure's own bound" says \
	" *W7 +1 thread +store_max_us +12.0 +at most +10 +missed by 20 %"
check "a bound that is no question's own" says \
	" *W8 +.* ns_per_pair +25.1 +at most +25 +missed by 0.4 %"
check "a bound by the peer, reached" says \
	" *W12 alone +read_p99_us +13.5 +at most +13.5 +reached"
check "a bound by the peer, missed" says \
	" *W12 alone +read_p99.9_us +13.5 +at most +9 +missed by 50 %"
check "all of this is counted" counts \
	"$((all - 6)) of N floors reached; 1 out of this device's reach, 0 not measured"

# W7's limit only writes: the reads are those of W1's.
results updates '
row("W1", "1 thread")["rate"] = {"limit": 15000}
row("W7", "1 thread").update(
    rate={"limit": 50000}, ratio={"median": 0.5}, limit_ratio={"median": 0.2})
row("W1", "4 threads")["rate"] = {"limit": 60000}
row("W7", "announced as written anew, 1 thread").update(
    ratio={"median": 3}, limit_ratio={"median": 0.6})
row("W7", "4 threads").update(
    rate={"limit": 50000}, ratio={"median": 0.5}, limit_ratio={"median": 0.2})
'
run "$floors" "$WORK/updates"
check "updates: the device reads slower than it writes" says \
	" *W7 +1 thread +Quire : peer +0.50 .* \(ceiling 1.00: out of this device's reach\)"
check "... so that the limit cannot be reached" says \
	" *W7 +1 thread +Quire : limit +0.20 .* \(ceiling 0.40: out of this device's reach\)"
check "updates: it writes slower than it reads" says \
	" *W7 +4 threads +Quire : peer +0.50 .* missed by 58 % \(ceiling 2.50\)"
check "what is written anew is not read" says \
	" *W7 +announced as written anew, 1 thread +Quire : limit +0.60 .* missed by 25 % \(ceiling 1.00\)"
check "without rates there is no ceiling" says \
	" *W7 +in the faulting thread, 4 thread\(s\) +Quire : peer .* reached"

# ---- what is not as it should be ----

# amiss NAME COUNT SENTENCE CHANGES: said, and COUNT floors are not measured
amiss() {
	results amiss "$4"
	run "$floors" "$WORK/amiss"
	check "$1: status 1" [ "$status" -eq 1 ]
	check "$1: it is said" says " *$3"
	check "$1: its floors are not taken for reached" counts \
		"$((all - $2)) of N floors reached; .*, $2 not measured"
}

amiss "an unknown row" 0 "W99 1 thread: a row that is not known here" \
	'rows.append(made("W99", "1 thread"))'
amiss "an unknown bound" 0 "W13 .*: age: a bound that is not known here" '
row("W13", "every 64th page, thread traps")["figures"]["age"] = {
    "quire": 1, "peer": None, "at_most": 2}'
amiss "a row that is skipped" 2 "W2 1 thread: skipped: no cgroup" '
row("W2", "1 thread").update(skipped="no cgroup", ratio=None,
                             limit_ratio=None)'
amiss "a row that is not there" 2 "W3 4 threads: is not in the results" \
	'rows.remove(row("W3", "4 threads"))'
amiss "a row without floors that is not there" 0 \
	"W9 find, 10: is not in the results" 'rows.remove(row("W9", "find, 10"))'
amiss "a row that read something else" 1 "W6 .*: the checksums differ" \
	'row("W6", "kernel mmap advised")["checksum_equal"] = False'
amiss "no limit" 1 "W4 1 thread: Quire : limit: not measured" \
	'row("W4", "1 thread")["limit_ratio"] = None'
amiss "no figure" 1 "W11 runs of 16: us_per_page: not measured" \
	'row("W11", "runs of 16")["figures"] = {}'
amiss "no bound" 1 "W11 runs of 16: us_per_page: not measured" '
row("W11", "runs of 16")["figures"]["us_per_page"]["at_most"] = None'
amiss "a row of the long form alone" 0 "W9 find, 10: is not in the results" '
rows.append(made("W2", "4 threads"))
rows.remove(row("W9", "find, 10"))'
refute "... and it is known" grep -q "W2  *4 threads" "$WORK/out"

# damaged NAME: one sentence, and no more
damaged() {
	for form in "" --markdown "--update=$WORK/document"; do
		run "$floors" "$WORK/damaged" ${form:+"$form"}
		check "$1 $form: status 2" [ "$status" -eq 2 ]
		check "... one sentence" says "floors.py: .*/damaged: .*"
		check "... and no more" \
			[ "$(cat "$WORK/out" "$WORK/err" | wc -l)" -eq 1 ]
	done
}

echo "c0ffee" >"$WORK/document"
damaged "no file"
head -c 5000 "$WORK/good" >"$WORK/damaged"
damaged "half a file"
: >"$WORK/damaged"
damaged "an empty file"
echo '{"commit": "c0ffee"}' >"$WORK/damaged"
damaged "no results"
results damaged 'rows.append(rows[0])'
damaged "a row twice"
results damaged 'del rows[0]["ratio"]'
damaged "a row without ratios"
results damaged 'rows[0] = "W1"'
damaged "a row that is none"
results damaged 'row("W9", "find, 1,000")["ratio"]["median"] = "fast"'
damaged "a ratio that is none"

# ---- the table ----

results table '
row("W1", "4 threads").update(
    ratio={"min": 0.6957, "median": 0.7199, "max": 0.7534},
    cpu_us_per_op={"quire": 18.1319, "peer": 7})
row("W6", "kernel mmap advised")["limit_ratio"] = None'
run "$floors" "$WORK/table" --markdown
check "the table" [ "$status" -eq 0 ]
check "a row of it" says \
	'\| 4 threads \| 0.72 \(0.70 .. 0.75\) \| 2.00 \(1.00 .. 3.00\) \| ≥ 0.8 \| 18.1, 7.0 \|'
check "... with two floors" says \
	'\| W3 .* \| 30.00 \(29.00 .. 31.12\) \| .* \| ≥ 1.0; ≥ 0.95 \| 0.031, 123 \|'
check "... without a limit" says \
	'\| W6 .* \| – \| ≥ 1.3 \| 0.031, 123 \|'
check "... without a floor" says '\| mprotect, 10 \| .* \|  \| 0.031, 123 \|'
refute "what has figures alone is in none" grep -q W12 "$WORK/out"
cp "$WORK/out" "$WORK/expected"

document() {
	printf '%s\n' "Commit c0ffee." \
		"<!-- by bench/floors.py --update, to its end -->" "$1" \
		"<!-- its end -->" "" "The rest: | 4 threads | 9 |"
}
document "old" >"$WORK/document"
document "$(<"$WORK/expected")" >"$WORK/wanted"
run "$floors" "$WORK/table" --update "$WORK/document"
check "a document is brought up to date" [ "$status" -eq 0 ]
check "... between its markers" cmp "$WORK/document" "$WORK/wanted"
run "$floors" "$WORK/table" --update "$WORK/document"
check "... as often as one likes" cmp "$WORK/document" "$WORK/wanted"
check "nothing is left beside it" [ ! -e "$WORK/document.part" ]

document "old" >"$WORK/document"

# stays NAME STATUS SENTENCE RESULTS: the document is refused, and not changed
stays() {
	cp "$WORK/document" "$WORK/before"
	run "$floors" "$WORK/$4" --update "$WORK/document"
	check "$1: status $2" [ "$status" -eq "$2" ]
	check "$1: it is said" says "floors.py: $3"
	check "$1: the document stays" cmp "$WORK/document" "$WORK/before"
}

results short 'rows.remove(row("W5", "1 thread"))'
run "$floors" "$WORK/short" --markdown
check "a missing row: status 1" [ "$status" -eq 1 ]
check "... it stands in the table as such" says \
	'\| W5 .* \| not measured \| – \| ≥ 0.97 \| – \|'
check "... and is said" says "floors.py: W5 1 thread: is not in the results"
stays "a missing row" 1 "W5 1 thread: is not in the results" short
check "... that too" says "floors.py: .*/document stays as it is"
results more 'rows.append(made("W99", "1 thread"))'
stays "an unknown row" 1 "W99 1 thread: a row that is not known here" more
document "old" >"$WORK/document"
mkdir "$WORK/document.part"
stays "it cannot be written" 2 ".*/document: IsADirectoryError: .*" table
rmdir "$WORK/document.part"
sed -i 's/c0ffee/decade/' "$WORK/document"
stays "another commit" 2 ".*/document: .* does not name c0ffee, .*" table
document "old" | grep -v "its end -->$" >"$WORK/document"
stays "no marker" 2 ".*/document: .* not with the lines .*" table
document "old" | grep -v "^<!-- its end" >"$WORK/document"
stays "one marker" 2 ".*/document: .* not with the lines .*" table

# That of the project has these rows and floors.
columns() {
	sed -n '/^<!-- by/,/^<!-- its end/p' "$1" | cut -d '|' -f 2,5
}
sed '1s/^/c0ffee /' "$QUIRE_SOURCE/docs/performance.md" >"$WORK/performance"
columns "$WORK/performance" >"$WORK/before"
run "$floors" "$WORK/table" --update "$WORK/performance"
check "docs/performance.md can be brought up to date" [ "$status" -eq 0 ]
check "... and differs in figures alone" \
	cmp "$WORK/before" <(columns "$WORK/performance")
check "... of many rows" [ "$(wc -l <"$WORK/before")" -gt 40 ]

# ---- at the end of all measurements ----

mkdir -p "$WORK/build/bench" "$WORK/bin"
cat >"$WORK/build/bench/w1_fake" <<'SH'
#!/bin/sh
while [ "$1" != --json ]; do shift; done
cat "$(dirname "$0")/rows" >"$2"
SH
chmod +x "$WORK/build/bench/w1_fake"
measure() {
	run "$QUIRE_SOURCE/bench/run.sh" "$WORK/build"
}
python3 -c 'import json, sys; print(",".join(map(json.dumps, json.load(
sys.stdin)["results"])))' <"$WORK/missed" >"$WORK/build/bench/rows"
measure
check "run.sh" [ "$status" -eq 0 ]
check "... says which floors were reached" \
	says "$((all - 6)) of $all floors reached; .*"
echo '{"id": "W1"' >"$WORK/build/bench/rows"
measure
check "run.sh: results that cannot be read are a failure" [ "$status" -eq 1 ]
for tool in cat dirname git head ls mv nproc sed sh sort tr uname; do
	ln -s "$(command -v "$tool")" "$WORK/bin/$tool"
done
PATH=$WORK/bin measure
check "run.sh without python3" [ "$status" -eq 0 ]
check "... says so" says "there is no python3, so no floors are looked at"
check "... and has written the results" says "written: .*/results.json"

# ---- what the programs of the questions write ----

run "$QUIRE_BUILD/bench/w10_sparse" --data "$WORK/data" --json "$WORK/w10"
check "w10_sparse" [ "$status" -eq 0 ]
{
	echo '{"commit": "c0ffee", "results": ['
	cat "$WORK/w10"
	echo ']}'
} >"$WORK/real"
run "$floors" "$WORK/real"
check "its rows are read" [ "$status" -eq 1 ]
refute "... and known" grep -qE "W10 .*(not known|not in the results)" \
	"$WORK/out"
grep -q '"skipped": "' "$WORK/w10" ||
	check "... with their rates" [ "$(grep -cE '"rate": \{"quire": [0-9.]+, "peer": [0-9.]+, "limit": null\}' "$WORK/w10")" -eq 2 ]
finish
