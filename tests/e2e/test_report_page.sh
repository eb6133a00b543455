#!/bin/bash
# test_report_page.sh - the page of quire run --report, in a browser
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/lib.sh"

# What the page is, without a browser.
for sample in two nothing; do
	run "$QUIRE_REPORT_SAMPLE" "$sample"
	check "$sample: a page is written" [ "$status" -eq 0 ]
	mv "$WORK/out" "$WORK/$sample.html"
	check "$sample: one script of data, two of code, and no more" \
		[ "$(grep -ci '</script>' "$WORK/$sample.html")" -eq 3 ]
	check "$sample: it loads nothing" \
		[ "$(grep -Eci '(src|href)="?(https?:)?//' \
			"$WORK/$sample.html")" -eq 0 ]
done
command -v python3 >/dev/null || skip "there is no python3"

# That of a run: 4 MiB, each page of which is read.
make_file "$WORK/mapped" $((4 << 20))
cat >"$WORK/sum.py" <<'PYTHON'
import mmap, sys
with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(sum(data[::4096]))
PYTHON
run "$QUIRE" run --budget 1M --report "$WORK/run.html" -- \
	python3 "$WORK/sum.py" "$WORK/mapped"
check "a run writes its page" [ "$status" -eq 0 ]
run python3 - "$WORK/run.html" "$WORK/mapped" <<'PYTHON'
import json, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
files = {file["name"]: file for file in data["files"]}
file = files[sys.argv[2]]
assert data["program"].startswith("python3 ") and data["budget"] == 1 << 20
assert data["duration_ns"] > 0 and data["traps"] > 0
assert file["pages"] == file["read"] == 1024, file
assert file["evicted"] >= 1024 - 256 and file["written"] == 0, file
numbers = list(map(int, file["maps"]["read"].split()))
assert sum(numbers[1::2]) == 1024
mapping, = [m for m in data["mappings"] if m["length"] == 4 << 20]
assert data["files"][mapping["file"]] is file
PYTHON
check "... which holds what it did" [ "$status" -eq 0 ]
sed "s/^/# /" "$WORK/err"

if ! grep -q 'leeoniya/uPlot' "$WORK/two.html"; then
	note "it was built without the plotting library: nothing is drawn"
	finish
fi
command -v chromium >/dev/null || skip "there is no chromium"

# Its own settings and caches, not the user's.
mkdir "$WORK/home"
export HOME=$WORK/home XDG_CONFIG_HOME=$WORK/home XDG_CACHE_HOME=$WORK/home
timeout 60 chromium --headless --no-sandbox --disable-gpu \
	--disable-dev-shm-usage --user-data-dir="$WORK/home/try" \
	--dump-dom 'data:text/html,<p>it runs</p>' 2>/dev/null |
	grep -q "it runs" || skip "chromium does not start here"

look() {
	run timeout 240 env PYTHONDONTWRITEBYTECODE=1 python3 \
		"$QUIRE_SOURCE/tests/e2e/report_page.py" chromium "$WORK"
}

look
sed "s/^/# /" "$WORK/out" "$WORK/err"
check "the page is right" [ "$status" -eq 0 ]
check "many things were looked at" [ "$(grep -c '^ok' "$WORK/out")" -ge 70 ]
check "pictures were taken" \
	[ "$(find "$WORK" -name '*.png' | wc -l)" -eq 8 ]

# A page that draws something else is found out: the scan's runs are evictions.
sed -i 's/"read": "/"other": "/;s/"evicted": "/"read": "/;s/"other": "/"evicted": "/' \
	"$WORK/two.html"
look
check "a wrong page is not taken for a right one" [ "$status" -eq 1 ]
check "... and what is wrong is the scan" \
	grep -q "^not ok - the scan is a diagonal" "$WORK/out"
finish
